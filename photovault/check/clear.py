"""What stands in the clear: the header, the key slots, the documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.errors import DamageError, MissingError, UnknownVersionError
from photovault.model import Finding
from photovault.vault import format as fmt
from photovault.vault.vault import check_header

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from photovault.vault.vault import NamedSnapshot, Vault

_CHANGED = "it was changed in the storage: do not trust it; `photovault check --repair` puts back what it was"
_MISSING = "somebody or something removed it in the storage; `photovault check --repair` puts it back"
_GONE = "if you removed it yourself on another device, back up once on that device; otherwise add a new one"


def check_clear(vault: Vault, snapshots: Sequence[NamedSnapshot], leaving: Collection[str] = ()) -> Iterator[Finding]:
    """Header, key slots and documents: authentic, and those that the newest snapshot lists.

    ``leaving``: slots that this device was removing when it was interrupted.
    """
    try:
        check_header(fmt.read_header(vault.door.get(fmt.HEADER_NAME)), vault.keyring)
    except (DamageError, MissingError, UnknownVersionError) as error:
        yield Finding(what=error.what, where=fmt.HEADER_NAME, hint="put it back from another copy of the vault")
    slots, findings = vault.slots()
    yield from findings
    spoilt = {finding.where for finding in findings}
    if not snapshots:
        return
    now, removed = dict(vault.clear_objects()), _removed(snapshots)
    for name, digest in snapshots[-1].snapshot.clear:
        if name in spoilt or (name not in now and (name in removed or name in leaving)):
            continue
        if name not in now:
            yield Finding(what="it is missing", where=name, hint=_GONE if name.startswith("keys/") else _MISSING)
        elif now[name] != digest:
            yield Finding(what="it is not what it was when the newest snapshot was made", where=name, hint=_CHANGED)
    for slot in slots:
        if slot.name in removed:
            hint = "remove it again: whoever has its secret can open the vault"
            yield Finding(what="this key slot was removed before and is there again", where=slot.name, hint=hint)


def _removed(snapshots: Sequence[NamedSnapshot]) -> set[str]:
    """Slots that a device listed once at a storage and later not there: removed, also if a still later one lists it again.

    A backup lists what it finds: a slot that was put back between two checks must not pass for a new one.
    """
    last: dict[tuple[bytes, str], set[str]] = {}
    removed: set[str] = set()
    for one in sorted(snapshots, key=lambda one: one.snapshot.number):
        heads = one.snapshot.heads  # those of the storage that it was written to come first
        line = one.snapshot.device_id, heads[0].storage if heads else ""
        listed = {name for name, _ in one.snapshot.clear}
        removed |= last.get(line, set()) - listed
        last[line] = listed
    return removed
