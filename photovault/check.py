"""Checking a vault: is everything there, and is it what was stored?

Structure: header, key slots and recovery documents against the newest snapshot's list of them; every device's chain of
snapshots against itself and against what this device saw before; every listing of every snapshot; every part of every
file has a place in a pack that is there and has its size.  Data: index objects and snapshots are compared with their
names (SHA-256); packs, all or a sample, too, and opened, and every part's id is computed again.  ``scrub`` needs no
key: it compares names only.

Parts that are stored together as JPEG XL are not decoded: that takes fifty times as long as reading them, and needs a
library that this computer may lack.  They are opened and compared with the SHA-256 that their pack keeps of them.  That
is enough: exactly these bytes were decoded in another process and compared with the photo before they were stored.
``audit`` and every restore decode them.

A finding says what is wrong and which files of which snapshots it costs.  A lost thumbnail costs no photo.  Guarantee:
after a check of all data without a finding, every file of every snapshot can be restored (what is JPEG XL: with a decoder
that keeps to its standard).  Nothing is changed by a check.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from photovault.config import parse_size
from photovault.errors import DamageError, MissingError, PhotovaultError, UnknownVersionError, UsageError
from photovault.model import EntryKind, Finding
from photovault.vault import format as fmt
from photovault.vault.chains import gaps, rolled_back
from photovault.vault.format import ObjectKind
from photovault.vault.pack import ObjectReader, Region, decode, grouped, open_object, regions
from photovault.vault.reader import Reader
from photovault.vault.vault import check_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from photovault.device import Device
    from photovault.gate.door import Door
    from photovault.progress import Progress
    from photovault.storage.base import Storage
    from photovault.vault.vault import NamedSnapshot, Vault
    from photovault.workers import Workers

FILES_SHOWN = 1000  # of one finding: a lost pack can cost more than anybody reads
AHEAD = 6
_CHANGED = "it was changed in the storage: do not trust it, put back the one from another copy of the vault"
_ANEW = "no photo is lost; the next backup makes missing thumbnails anew, damaged ones are healed from another copy"
_GONE = "if you removed it yourself on another device, back up once on that device; otherwise add a new one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much data is to be read: a share of the packs (0 to 1) or a number of bytes."""

    share: float = 0.0
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check saw.

    Attributes:
        findings: what is wrong.
        notes: what is not here but at another storage: no damage.
        healed: names of objects that were put back from another copy of the vault.
    """

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...] = ()
    healed: tuple[str, ...] = ()
    snapshots: int = 0
    files: int = 0
    packs: int = 0
    packs_read: int = 0
    bytes_read: int = 0
    slots: int = 0


def parse_amount(text: str) -> Amount:
    """``all``, ``none``, ``10%`` or a size such as ``5G``.

    Raises:
        UsageError: anything else.
    """
    if text in {"all", "none"}:
        return Amount(share=float(text == "all"))
    if match := re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", text):
        if float(match[1]) <= 100:  # noqa: PLR2004 - per cent
            return Amount(share=float(match[1]) / 100)
    else:
        try:
            return Amount(size=parse_size(text))
        except ValueError:
            pass
    raise UsageError(f"not an amount of data: {text}", "use all, none, a percentage such as 10%, or a size such as 5G")


def plan_check(packs: Mapping[bytes, int], amount: Amount, seed: bytes) -> list[tuple[bytes, int]]:
    """Which packs to read: another sample for each ``seed``, in the order of their names."""
    shuffled = sorted(packs.items(), key=lambda pack: hmac.digest(seed, pack[0], "sha256"))
    if amount.size is None:
        chosen = shuffled[: -(-len(shuffled) * round(amount.share * 10**6) // 10**6)]
    else:
        chosen, left = [], amount.size
        for name, size in shuffled:
            if left <= 0:
                break
            chosen.append((name, size))
            left -= size
    return sorted(chosen)


def run_check(
    vault: Vault,
    device: Device,
    workers: Workers,
    progress: Progress,
    *,
    here: str,
    amount: Amount,
    seed: bytes,
    refreshed: Iterable[Finding] = (),
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
    """
    check = _Check(vault, Reader(vault), workers, progress)
    check.findings += refreshed
    snapshots = vault.snapshots()
    check.findings += snapshots.damaged
    check.findings += check_clear(vault, snapshots.found)
    lost, check.notes = gaps(snapshots.found, here)
    check.findings += [*lost, *rolled_back(snapshots.found, device.heads.get(here, {}))]
    if amount.share or amount.size:
        check.singles()
    packs = {fmt.digest_of(s.name): s.size for s in vault.door.listing("packs/") if fmt.is_name(s.name)}
    check.packs(packs, plan_check(packs, amount, seed))
    for one in snapshots.found:
        check.tree(one)
    return check.report(len(snapshots.found), len(packs))


def check_clear(vault: Vault, snapshots: Sequence[NamedSnapshot]) -> Iterator[Finding]:
    """Header, key slots and documents: authentic, and those that the newest snapshot lists."""
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
        if name in spoilt or (name in removed and name not in now):
            continue
        if name not in now:
            yield Finding(what="it is missing", where=name, hint=_GONE if name.startswith("keys/") else _CHANGED)
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


def scrub(storage: Storage, workers: Workers, progress: Progress) -> CheckReport:
    """Compare every sealed object with its name, without any key."""
    sizes = {s.name: s.size for p in fmt.PREFIX_OF.values() for s in storage.listing(p) if fmt.is_name(s.name)}
    progress.total(len(sizes), sum(sizes.values()))
    findings, size = [], 0

    for name, finding in workers.ordered(partial(_scrub_one, storage), sorted(sizes), AHEAD):
        if finding is not None:
            findings.append(finding)
        size += sizes[name]
        progress.advance(1, sizes[name], name)
    return CheckReport(findings=tuple(findings), packs=len(sizes), packs_read=len(sizes), bytes_read=size)


def _scrub_one(storage: Storage | Door, name: str) -> Finding | None:
    try:
        data = storage.get(name)
    except MissingError as error:
        return Finding(what=error.what, where=name)
    if hashlib.sha256(data).digest() != fmt.digest_of(name) or not fmt.is_size(len(data)):
        return Finding(what="its bytes are not those it was stored with", where=name, hint="heal it from another copy")
    return None


@dataclass(slots=True, kw_only=True)
class _PackAnswer:
    """What reading one pack showed: why it is bad, and which parts can be read all the same."""

    good: frozenset[bytes] = frozenset()
    why: str = ""


@dataclass(slots=True, kw_only=True)
class _Cost:
    """What a bad pack costs: why it is bad, the files, and the thumbnails."""

    why: str
    files: list[str] = field(default_factory=list)
    thumbnails: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class _Check:
    """One check, in the owner's thread; ``_read_pack`` runs in workers."""

    vault: Vault
    reader: Reader
    workers: Workers
    progress: Progress
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    read: int = 0
    size: int = 0
    files: int = 0
    _bad: dict[bytes, str] = field(default_factory=dict)
    _bad_packs: dict[str, _Cost] = field(default_factory=dict)
    _good_pages: set[bytes] = field(default_factory=set)

    def singles(self) -> None:
        """Index objects and snapshots: those that were read once are remembered, but they must still be there as they were."""
        known = {finding.where for finding in self.findings}
        prefixes = [fmt.PREFIX_OF[kind] for kind in (ObjectKind.INDEX, ObjectKind.SNAPSHOT)]
        names = sorted(s.name for p in prefixes for s in self.vault.door.listing(p) if fmt.is_name(s.name))
        work = partial(_scrub_one, self.vault.door)
        for _, finding in self.workers.ordered(work, [name for name in names if name not in known], AHEAD):
            if finding is not None:
                self.findings.append(finding)

    def packs(self, packs: Mapping[bytes, int], chosen: Sequence[tuple[bytes, int]]) -> None:
        """Sizes of all packs, data of the chosen ones."""
        for name, size in packs.items():
            if not fmt.is_size(size):
                self._spoil(name, self._known_parts(name), "it has a size that no pack has")
        self.progress.total(len(chosen), sum(size for _, size in chosen))
        for (name, size), answer in self.workers.ordered(self._read_pack, chosen, AHEAD):
            self.read += 1
            self.size += size
            self.progress.advance(1, size, name.hex())
            if answer.why:
                lost = [part for part in self._known_parts(name) if part not in answer.good]
                self._spoil(name, lost, answer.why)

    def _known_parts(self, pack: bytes) -> Iterable[bytes]:
        return self.vault.places.parts_of(pack)

    def _spoil(self, pack: bytes, parts: Iterable[bytes], why: str) -> None:
        name = fmt.object_name(ObjectKind.PACK, pack)
        self._bad_packs.setdefault(name, _Cost(why=why))
        for part in parts:
            self._bad.setdefault(part, name)

    def _read_pack(self, chosen: tuple[bytes, int]) -> _PackAnswer:
        name, _ = chosen
        try:
            data = self.vault.door.get(fmt.object_name(ObjectKind.PACK, name))
        except MissingError as error:
            return _PackAnswer(why=error.what)
        if hashlib.sha256(data).digest() != name:
            return _PackAnswer(why="its bytes are not those it was stored with", good=self._good_parts(data))
        try:
            opened = open_object(self.vault.keyring, ObjectKind.PACK, data)
            good = self._good(opened.encoded, opened.regions)
        except DamageError as error:
            return _PackAnswer(why=error.what)
        whole = len(good) == len(opened.regions)
        return _PackAnswer(good=good, why="" if whole else "it holds parts that are not what they should be")

    def _good(self, encoded: Callable[[Region], bytes], found: Iterable[Region]) -> frozenset[bytes]:
        """The parts that are what they should be; those of a group only if all of the group are."""
        groups = (group for group in grouped(found) if all(self._is_good(encoded, region) for region in group))
        return frozenset(region.record.part_id for group in groups for region in group)

    def _is_good(self, encoded: Callable[[Region], bytes], region: Region) -> bool:
        record = region.record
        try:
            data = encoded(region)
            if record.codec in fmt.GROUPED:
                return hashlib.sha256(data).digest() == record.digest
            return self.vault.keyring.part_id(record.kind, decode(record, data)) == record.part_id
        except DamageError:
            return False

    def _good_parts(self, data: bytes) -> frozenset[bytes]:
        """Of a damaged pack, the parts that still open: damage to its padding costs none."""
        try:
            reader = ObjectReader(self.vault.keyring, ObjectKind.PACK, data)
            length, _, _ = reader.head(data, len(data))
            records = reader.records(data[len(data) - length - fmt.TAG :], len(data))
        except PhotovaultError:
            return frozenset()

        def encoded(region: Region) -> bytes:
            return reader.encoded(region, data[region.offset : region.offset + region.sealed_size])

        return self._good(encoded, regions(records))

    def tree(self, one: NamedSnapshot) -> None:
        """Every listing and every file of a snapshot."""
        label = one.id[:8]
        stack: list[tuple[str, Sequence[bytes]]] = [("", one.snapshot.root)]
        while stack:
            path, pages = stack.pop()
            for page in pages:
                if page in self._good_pages:
                    continue
                stack += self._page(label, path, page)

    def _page(self, label: str, path: str, page: bytes) -> list[tuple[str, Sequence[bytes]]]:
        """Check one page of a listing; returns the folders in it."""
        try:
            if page in self._bad:
                raise DamageError(f"it is in {self._bad[page]}, which is damaged")  # noqa: TRY301 - one way to report
            entries = fmt.read_page(self.reader.part(page))
        except (DamageError, MissingError) as error:
            hint = "the files in it cannot be restored from this snapshot; try others, or another copy of the vault"
            where = f"{label}:{path or '/'}"
            self.findings.append(
                Finding(what=f"a listing is lost: {error.what}", where=where, files=(where,), hint=hint)
            )
            return []
        sound = True
        folders: list[tuple[str, Sequence[bytes]]] = []
        for entry in entries:
            inside = f"{path}/{fmt.shown(entry.name)}" if path else fmt.shown(entry.name)
            if entry.kind is EntryKind.FOLDER:
                folders.append((inside, entry.parts))
                continue
            self.files += 1
            sound &= self._parts(f"{label}:{inside}", entry.parts)
            sound &= self._thumbnail(entry.facts.thumbnail)
        if sound and not folders:
            self._good_pages.add(page)
        return folders

    def _parts(self, file: str, parts: Iterable[bytes]) -> bool:
        """Whether all parts of a file have a good place; otherwise the file is noted."""
        for part in parts:
            cost = self._cost(part)
            if cost is not None:
                if len(cost.files) < FILES_SHOWN:
                    cost.files.append(file)
                return False
        return True

    def _thumbnail(self, part: bytes) -> bool:
        """Whether a thumbnail, if there should be one, has a good place; otherwise it is noted."""
        cost = self._cost(part) if part else None
        if cost is None:
            return True
        cost.thumbnails.add(part)
        return False

    def _cost(self, part: bytes) -> _Cost | None:
        """Where it is to be noted what the loss of a part costs; None when it is not lost."""
        pack = self._bad.get(part)
        if pack is None and not self.vault.places.has(part):
            pack = ""
            self._bad_packs.setdefault(pack, _Cost(why="parts are in no pack of this vault"))
        return None if pack is None else self._bad_packs[pack]

    def report(self, snapshots: int, packs: int) -> CheckReport:
        """What was found."""
        self.findings += (_finding(name, cost) for name, cost in sorted(self._bad_packs.items()))
        return CheckReport(
            findings=tuple(self.findings),
            notes=tuple(self.notes),
            snapshots=snapshots,
            files=self.files,
            packs=packs,
            packs_read=self.read,
            bytes_read=self.size,
            slots=sum(1 for _ in self.vault.door.listing("keys/")),
        )


def _finding(pack: str, cost: _Cost) -> Finding:
    """What a bad pack, or the lack of one, costs."""
    hint = "restore these files from another snapshot or another copy of the vault" if cost.files else ""
    what = cost.why
    if cost.thumbnails:
        what += f"; thumbnails that are lost: {len(cost.thumbnails):,}"
        hint = hint or _ANEW
    return Finding(what=what, where=pack, files=tuple(cost.files), hint=hint)
