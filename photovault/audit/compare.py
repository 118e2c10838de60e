"""What two runs would have sent, side by side.  Pure.

``witness`` is asked for each object when it is put and keeps what is needed to say later how it differs from another:
its digest, its salt, its parts, and the plaintext of an index, snapshot or parity map.  ``compare`` names every object that is not
in both runs with the same bytes, and says in what it differs from the one that should be its twin.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from photovault.errors import PhotovaultError
from photovault.gate.door import Outbound, outbound_kind
from photovault.model import Finding
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.pack import open_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from photovault.crypto.keys import Keyring
    from photovault.crypto.seal import Buffer
    from photovault.vault.format import Record

_KINDS = {
    Outbound.PACK: ObjectKind.PACK,
    Outbound.INDEX: ObjectKind.INDEX,
    Outbound.SNAPSHOT: ObjectKind.SNAPSHOT,
    Outbound.RETENTION: ObjectKind.RETENTION,
    Outbound.PARITY: ObjectKind.PARITY,
}
_JSON = {Outbound.SNAPSHOT: "snapshot", Outbound.RETENTION: "retention record", Outbound.PARITY: "parity map"}
_HINT = "do not back up until you know why: what was switched must not be seen outside this computer"
_SALT = slice(16, 48)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is remembered of one object that would have left.

    Attributes:
        digest: SHA-256 of its bytes.
        size: how many they are.
        salt: of a sealed object.
        records: its parts.
        plain: of an index, snapshot, retention record or parity map.
        why: why it does not open, or empty.
    """

    digest: bytes
    size: int
    salt: bytes = b""
    records: tuple[Record, ...] = ()
    plain: bytes = b""
    why: str = ""


def witness(keyring: Keyring, name: str, data: Buffer) -> Seen:
    """Remember an object."""
    digest = hashlib.sha256(data).digest()
    kind = outbound_kind(name)
    if kind not in _KINDS:
        return Seen(digest=digest, size=len(data))
    try:
        opened = open_object(keyring, _KINDS[kind], data)
        plain = b"" if kind is Outbound.PACK else opened.part(opened.regions[0])
    except PhotovaultError as error:
        return Seen(digest=digest, size=len(data), why=error.what)
    records = tuple(region.record for region in opened.regions)
    return Seen(digest=digest, size=len(data), salt=bytes(data[_SALT]), records=records, plain=plain)


def compare(one: Mapping[str, Seen], other: Mapping[str, Seen], switch: str) -> list[Finding]:
    """How two runs differ; empty when they would have sent the same bytes under the same names."""
    found = [
        Finding(where=name, what=f"with {switch} it has other bytes under the same name", hint=_HINT)
        for name in sorted(one.keys() & other.keys())
        if one[name].digest != other[name].digest
    ]
    lost = {name: one[name] for name in sorted(one.keys() - other.keys())}
    for name in sorted(other.keys() - one.keys()):
        twin = _twin(name, other[name], lost)
        if twin is None:
            found.append(Finding(where=name, what=f"only with {switch} it would have left", hint=_HINT))
            continue
        why = "; ".join(_differences(name, lost.pop(twin), other[name]))
        found.append(Finding(where=name, what=f"with {switch} it leaves in place of {_short(twin)}: {why}", hint=_HINT))
    found += [Finding(where=name, what=f"with {switch} it would not have left", hint=_HINT) for name in lost]
    return found


def _twin(name: str, seen: Seen, candidates: Mapping[str, Seen]) -> str | None:
    """The object of the other run that has the same bytes, shares most parts, or else is of the same kind."""
    parts = {record.part_id for record in seen.records}

    def likeness(candidate: str) -> tuple[bool, int]:
        other = candidates[candidate]
        return other.digest == seen.digest, sum(record.part_id in parts for record in other.records)

    alike = [
        one for one in candidates if outbound_kind(one) is outbound_kind(name) or candidates[one].digest == seen.digest
    ]
    return max(alike, key=likeness, default=None)


def _differences(name: str, one: Seen, other: Seen) -> Iterator[str]:
    if one.digest == other.digest:
        yield "the same bytes under another name"
        return
    if other.why:
        yield f"it does not open: {other.why}"
        return
    if one.size != other.size:
        yield f"its size is {other.size:,} bytes, not {one.size:,}"
    kind = outbound_kind(name)
    if one.plain != other.plain:
        yield from _fields(one.plain, other.plain, kind) if kind in _JSON else ["it says something else of packs"]
    elif one.records == other.records:
        yield "the same contents under another salt" if one.salt != other.salt else "the same contents, other padding"
    else:
        yield from _parts(one.records, other.records)


def _parts(one: Iterable[Record], other: Iterable[Record]) -> Iterator[str]:
    left, right = ({record.part_id: record for record in records} for records in (one, other))
    encoded = sum(left[part] != right[part] for part in left.keys() & right.keys())
    if encoded:
        yield f"{encoded} parts have the same contents and are encoded otherwise"
    for kind in (PartKind.CONTENT, PartKind.LISTING, PartKind.THUMBNAIL, PartKind.PARITY):
        gone, come = (
            Counter(record.kind for part, record in here.items() if part not in there)[kind]
            for here, there in ((left, right), (right, left))
        )
        if gone or come:
            yield f"{come} parts of kind {kind.name.lower()} in place of {gone}"
    if left == right:
        yield "the same parts in another order"


def _fields(one: bytes, other: bytes, kind: Outbound) -> Iterator[str]:
    try:
        left, right = _flat(json.loads(one)), _flat(json.loads(other))
    except (ValueError, RecursionError):
        left, right = {}, {}
    names = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    yield f"the {_JSON[kind]} differs in {', '.join(names) or 'its text'}"


def _flat(value: Any, name: str = "") -> dict[str, object]:  # noqa: ANN401 - straight from JSON
    """Fields and the fields inside them, by dotted names."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: found for field in value for key, found in _flat(value[field], f"{name}.{field}".lstrip(".")).items()}


def _short(name: str) -> str:
    folder, _, digest = name.rpartition("/")
    return f"{folder}/{digest[:12]}..." if folder else name
