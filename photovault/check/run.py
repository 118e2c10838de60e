"""The order of a check, and its report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from photovault.check.clear import check_clear
from photovault.check.data import Packs
from photovault.check.plan import plan_check
from photovault.check.scrub import AHEAD, scrub_one
from photovault.check.tree import Cost, Tree
from photovault.check.values import Amount, CheckReport
from photovault.model import Finding
from photovault.vault import format as fmt
from photovault.vault.chains import signs
from photovault.vault.format import ObjectKind
from photovault.vault.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from photovault.device import Device
    from photovault.progress import Progress
    from photovault.vault.chains import Seen
    from photovault.vault.vault import Vault
    from photovault.workers import Workers

_NOWHERE = "parts are in no pack of this vault"
_HARMLESS = "no photo is lost by it: whatever snapshots need of it is whole elsewhere"
_UNKNOWN = "what it held cannot be told; it may be what is missing elsewhere"
_AWAY = "`photovault check --repair` puts it away, and makes whole what can be"
_MARKED = "it is marked already; `photovault forget` removes it after its grace period"
_ANEW = "no photo is lost; the next backup makes missing thumbnails anew, damaged ones are healed from another copy"


def run_check(  # noqa: PLR0913 - all that was known before, by name
    vault: Vault,
    device: Device,
    workers: Workers,
    progress: Progress,
    *,
    here: str,
    amount: Amount,
    seed: bytes,
    refreshed: Iterable[Finding] = (),
    known: Mapping[bytes, Seen] | None = None,
) -> CheckReport:
    """Check a vault.

    Args:
        vault: opened and refreshed.
        device: what was seen before, at each storage.
        workers: to read packs.
        progress: is told of every pack.
        here: what snapshots call the storage of the vault.
        amount: how much data is read.
        seed: which packs are in the sample.
        refreshed: findings of bringing the index up to date.
        known: every snapshot that this device saw there, see ``chains.signs``.
    """
    snapshots = vault.snapshots()
    told = signs(snapshots, here, device.heads.get(here, {}), known)
    findings = [*refreshed, *snapshots.damaged]
    findings += check_clear(vault, snapshots.found, device.leaving.get(here, ()))
    findings += told.findings
    if amount.share or amount.size or amount.has_singles:
        findings += _singles(vault, workers, {finding.where for finding in findings})
    stored = vault.stored(ObjectKind.PACK)
    packs = Packs(vault)
    packs.measure(stored)
    packs.read(plan_check(stored, amount, seed), workers, progress)
    findings += _parity(vault, workers, amount, seed)
    tree = Tree(Reader(vault), packs.lost_in, is_blind=bool(snapshots.damaged))
    for one in snapshots.found:
        tree.walk(one)
    findings += tree.findings
    findings = [one for one in findings if one.where not in packs.why.keys() | tree.costs.keys()]
    bad, harmless = _bad(vault, packs, tree)
    return CheckReport(
        findings=(*findings, *bad),
        notes=(*told.notes, *harmless),
        damaged=packs.damaged,
        sound=frozenset(packs.sound),
        lost=tree.lost(snapshots.found),
        lost_parts=frozenset(tree.lost_parts),
        lost_thumbnails=frozenset(tree.lost_thumbnails),
        is_blind=tree.is_blind,
        snapshots=len(snapshots.found),
        files=tree.files,
        packs=len(stored),
        packs_read=packs.count,
        bytes_read=packs.size,
        slots=sum(1 for _ in vault.door.listing("keys/")),
    )


def _singles(vault: Vault, workers: Workers, known: set[str]) -> Iterator[Finding]:
    """Objects of one part: those that were read once are remembered, but they must still be there as they were."""
    prefixes = [prefix for kind, prefix in fmt.PREFIX_OF.items() if kind not in {ObjectKind.PACK, ObjectKind.PARITY}]
    names = sorted(s.name for p in prefixes for s in vault.door.listing(p) if fmt.is_name(s.name))
    return _compared(vault, workers, [name for name in names if name not in known])


def _parity(vault: Vault, workers: Workers, amount: Amount, seed: bytes) -> Iterator[Finding]:
    """As much of the parity as of the packs."""
    chosen = plan_check(vault.stored(ObjectKind.PARITY), amount, seed)
    return _compared(vault, workers, [fmt.object_name(ObjectKind.PARITY, name) for name, _ in chosen])


def _compared(vault: Vault, workers: Workers, names: Sequence[str]) -> Iterator[Finding]:
    """Compare objects with their names."""
    for _, finding in workers.ordered(partial(scrub_one, vault.door), names, AHEAD):
        if finding is not None:
            yield finding


def _bad(vault: Vault, packs: Packs, tree: Tree) -> tuple[list[Finding], list[Finding]]:
    """What is to be said of bad packs, and of what is in none: what is wrong; and what is marked and costs nothing."""
    findings, notes = [], []
    marked = {fmt.object_name(ObjectKind.PACK, name) for name in vault.places.shunned}
    everything_is_known = not (tree.lost_parts or tree.is_blind)
    for name in sorted(packs.why.keys() | tree.costs.keys()):
        cost = tree.costs.get(name)
        if cost is None and name in marked:
            notes.append(Finding(what=f"{name} is damaged, and nothing needs it", where=name, hint=_MARKED))
            continue
        is_known = everything_is_known or (bool(name) and bool(vault.places.parts_of(fmt.digest_of(name))))
        findings.append(_finding(name, packs.why.get(name, _NOWHERE), cost or Cost(), is_known=is_known))
    return findings, notes


def _finding(pack: str, what: str, cost: Cost, *, is_known: bool) -> Finding:
    """What a bad pack, or the lack of one, costs; ``is_known``: whether that can be told."""
    hint = "restore these files from another snapshot or another copy of the vault" if cost.files else ""
    if cost.thumbnails:
        what += f"; thumbnails that are lost: {len(cost.thumbnails):,}"
        hint = hint or _ANEW
    if not hint:
        what, hint = f"{what}; {_HARMLESS if is_known else _UNKNOWN}", _AWAY
    return Finding(what=what, where=pack, files=tuple(cost.files), hint=hint)
