"""The replay audit: every object of a vault opened, derived again and explained.

First the ledger and the listing, then what stands in clear, then the snapshots and all that they need, then every pack,
last the index, which must agree with the packs.  An object is explained when it is what its place says, and

- in clear: the vault's root signed it, or a snapshot or this program knows its bytes;
- a snapshot: another device's by itself, this device's by a line of the ledger, unless it is older than the ledger;
- a pack: by the snapshots that need it and, when only this device's do and only its own index lists it, by a line; or
  by a line alone: then an interrupted run left it, which is said;
- an index: by the packs that it lists;
- a retention record: another device's by itself, this device's by a line, unless it is older than the ledger; snapshots
  and packs that a record names may be gone, and what forgotten snapshots had is in packs that nothing needs any more;
- a parity object: by the packs that it protects, from which it is computed again (they are read once more for that).

Part ids and digests of all files are kept in memory, about 500 bytes a file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from photovault.audit.book import read_book
from photovault.audit.files import Files
from photovault.audit.objects import (
    UNREADABLE,
    PackSeen,
    index_digest,
    read_pack,
    read_parity,
    read_single,
    read_snapshot,
)
from photovault.audit.tree import OTHER_FILE, Owner, Tree, files_with
from photovault.audit.values import AuditReport, Learned
from photovault.errors import DamageError
from photovault.gate.door import outbound_kind
from photovault.gate.ledger import Event
from photovault.model import Finding, Retention
from photovault.parity import can_code, derived
from photovault.vault import format as fmt
from photovault.vault import slots as key_slots
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.vault import NamedSnapshot, check_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from photovault.audit.canaries import Canaries
    from photovault.gate.ledger import Line
    from photovault.progress import Progress
    from photovault.storage.base import Stored
    from photovault.vault.format import PackEntry, ParityMap, Slot
    from photovault.vault.reader import Reader
    from photovault.vault.vault import Vault
    from photovault.workers import Workers

_SNAPSHOTS = fmt.PREFIX_OF[ObjectKind.SNAPSHOT]
_FOREVER = 2**40  # seconds of grace: nothing is ever removed because of such a record; it says what was
_RETENTION = fmt.PREFIX_OF[ObjectKind.RETENTION]
_PARITY = fmt.PREFIX_OF[ObjectKind.PARITY]
AHEAD = 4  # packs under way: bounds memory
_ELSEWHERE = (
    "if another device is backing up now, or was interrupted, audit again after its next backup;"
    " if not, somebody with the vault's keys put it there without this device's gate"
)
_TAMPERED = "the ledger was changed, or something left without the gate: keep a copy of both and find out which"
_NOWHERE = "a pack that no index names"
_BACK = "the storage put it back: remove it again, and do not rely on this storage"
_RECORD = "nothing is removed because of it; remove it by hand, and forget again what should go"
_MEND = "no photo is lost by it; `photovault check --data all --repair` makes it again"
_REBUILT = "nothing is lost: the packs say themselves what they hold; remove it by hand"
_DOCUMENT = "do not run or trust it; put back the one from another copy of the vault"
_CANARY = "something that should be nowhere in the vault is in it: do not back up again before you know how"
_STRANGE = "no photovault put it there: look at it and remove it by hand"
_CHECK = "run `photovault check --data all`: it says which photos that costs"
_REPORT = "do not trust what wrote it; report it with the version that `photovault snapshots --json` shows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is audited, and what it is compared with.

    Attributes:
        vault: opened and refreshed.
        snapshots: what the storage listed below ``snapshots/`` before the index was refreshed.
        reader: of the vault.
        ledger: its lines, as ``read_ledger`` gives them.
        device_id: of this device, 16 bytes.
        documents: the recovery documents of this version, by name.
        canaries: what must be nowhere.
    """

    vault: Vault
    snapshots: Sequence[Stored]
    reader: Reader
    ledger: Iterable[Line | str]
    device_id: bytes
    documents: Mapping[str, bytes]
    canaries: Canaries


def run_audit(subject: Subject, workers: Workers, progress: Progress) -> AuditReport:
    """Audit a vault.

    Raises:
        StorageError: the storage failed; an object that is missing or damaged is an alarm instead.
    """
    return _Audit(subject, workers, progress).run()


@dataclass(slots=True, kw_only=True)
class _Pack:
    """What is left to say of a pack once it was read.

    Attributes:
        digest: of what an index must say of it.
        owner: whose snapshots need some of it.
        loose: how many of its parts no snapshot needs, and their bytes.
        foreign: an index that this device did not send lists it.
    """

    digest: bytes
    owner: Owner
    loose: tuple[int, int]
    foreign: bool = False


def _count(tally: list[int], size: int) -> None:
    """One more, of so many bytes."""
    tally[0] += 1
    tally[1] += size


def _agrees(parity: ParityMap, data: bytes, places: range, shards: Sequence[bytes]) -> bool:
    """Whether some bytes of a shard are, at some places, those that the packs give."""
    start, stop = max(parity.offset, places.start), min(parity.end, places.stop)
    if start >= stop:
        return True
    given = shards[parity.shard][start - places.start : stop - places.start]
    return given == data[start - parity.offset : stop - parity.offset]


class _Audit:
    """One audit, in the owner's thread; ``read_pack`` runs in workers."""

    def __init__(self, subject: Subject, workers: Workers, progress: Progress) -> None:
        self._subject = subject
        self._vault, self._door = subject.vault, subject.vault.door
        self._workers, self._progress = workers, progress
        self._alarms: list[Finding] = []
        self._notes: list[Finding] = []
        # Snapshots were listed first, objects next, and lines are read last: whatever comes meanwhile, a snapshot's
        # packs and an object's line are seen.
        others = {one.name: one.size for one in self._door.listing("") if not one.name.startswith(_SNAPSHOTS)}
        self._stored = others | {one.name: one.size for one in subject.snapshots}
        self._book = read_book(subject.ledger)
        self._found: list[NamedSnapshot] = []
        self._files = Files()
        self._tree = Tree(subject.reader, self._files)
        self._packs: dict[str, _Pack] = {}
        self._here: set[bytes] = set()
        self._gone: dict[bytes, str] = {}
        self._records: list[Retention] = []
        self._epochs: set[int] = set()
        self._otherwise = 0
        self._opaque = [0, 0]
        self._thumbnails = [0, 0]
        self._slot_kinds: Counter[str] = Counter()
        self._hits: dict[bytes, str] = {}

    def run(self) -> AuditReport:
        """All of it, in the order of the module's text."""
        self._ledger()
        self._names()
        self._clear()
        self._retention()
        self._snapshots()
        self._read_packs()
        self._indexes()
        self._parity()
        self._explain_packs()
        self._missing()
        self._canaries()
        self._whole_files()
        return self._report()

    def _alarm(self, where: str, what: str, hint: str) -> None:
        self._alarms.append(Finding(what=what, where=where, hint=hint))

    def _note(self, where: str, what: str) -> None:
        self._notes.append(Finding(what=what, where=where))

    def _of(self, prefix: str) -> list[str]:
        return sorted(name for name in self._stored if name.startswith(prefix) and fmt.is_name(name))

    def _has_line(self, name: str) -> bool:
        return name in self._book.known

    # The ledger, the listing, what stands in clear.

    def _ledger(self) -> None:
        for one in self._book.breaks:
            self._alarm("the ledger", one, _TAMPERED)
        if not self._book.lines:
            self._note("the ledger", "it is empty: this device has sent nothing yet, or lost its state")
        elif self._book.number:
            self._note("the ledger", f"it began after snapshot {self._book.number} of this device")

    def _names(self) -> None:
        for name in sorted(self._stored):
            if not fmt.is_name(name):
                self._alarm(name, "no vault has an object of this name", _STRANGE)
            elif self._book.last.get((self._door.address, name)) is Event.REMOVED:
                self._alarm(name, "this device removed it, and it is there again", _BACK)

    def _clear(self) -> None:
        if fmt.HEADER_NAME in self._stored:
            try:
                check_header(fmt.read_header(self._door.get(fmt.HEADER_NAME)), self._vault.keyring)
            except UNREADABLE as error:
                self._alarm(fmt.HEADER_NAME, error.what, _CHECK)
        good, findings = self._vault.slots()
        for one in findings:
            self._alarm(one.where, one.what, one.hint)
        for slot in good:
            self._slot_kinds[slot.kind] += 1
            self._epochs.add(slot.epoch)
            self._label(slot)

    def _label(self, slot: Slot) -> None:
        try:
            info = key_slots.slot_info(slot, self._vault.keyring)
        except DamageError as error:
            self._alarm(slot.name, error.what, _REPORT)
            return
        self._search(slot.name, f"{info.label}\n{info.created}".encode("utf-8", "surrogatepass"))

    def _documents(self) -> None:
        """Those that this version writes, or that a snapshot knows, byte for byte."""
        known = {(name, digest) for one in self._found for name, digest in one.snapshot.clear}
        known |= {(name, hashlib.sha256(data).digest()) for name, data in self._subject.documents.items()}
        for name in fmt.RECOVERY_NAMES:
            if name not in self._stored:
                continue
            try:
                data = self._door.get(name)
            except UNREADABLE as error:
                self._alarm(name, error.what, _DOCUMENT)
                continue
            self._search(name, data)
            if (name, hashlib.sha256(data).digest()) not in known:
                self._alarm(name, "no snapshot and no photovault of this version knows its bytes", _DOCUMENT)

    # What was forgotten, snapshots, and what they need.

    def _retention(self) -> None:
        for name in self._of(_RETENTION):
            try:
                plain, epoch = read_single(self._door, self._vault.keyring, ObjectKind.RETENTION, name)
                record = fmt.read_retention(plain)
            except UNREADABLE as error:
                self._alarm(name, error.what, _RECORD)
                continue
            self._search(name, plain)
            self._epochs.add(epoch)
            self._records.append(record)
            ours = record.device_id == self._subject.device_id and self._book.lines and record.time > self._book.since
            if ours and not self._has_line(name):
                self._alarm(
                    name, "it is a retention record of this device, and the ledger has no line of it", _TAMPERED
                )
        if any(record.snapshots for record in self._records):
            forgotten = {gone.name for record in self._records for gone in record.snapshots}
            self._note("retention", f"{len(forgotten):,} snapshots were forgotten on purpose")

    @property
    def _removed(self) -> set[str]:
        """Objects that a record says are forgotten or are going to be removed: they may be gone."""
        found = set()
        for one in self._records:
            found |= {fmt.object_name(ObjectKind.SNAPSHOT, gone.name) for gone in one.snapshots}
            found |= {fmt.object_name(ObjectKind.PACK, name) for name in one.packs}
            found |= {fmt.object_name(ObjectKind.INDEX, name) for name in one.indexes}
        return found

    def _is_gone(self, snapshot: bytes) -> bool:
        """Whether records say that a snapshot was removed, and none that it is still to be removed."""
        graces = [one.grace for one in self._records for gone in one.snapshots if gone.name == snapshot]
        pinned = any(snapshot in one.pins for one in self._records)
        return bool(graces) and min(graces) > _FOREVER and not pinned

    def _snapshots(self) -> None:
        for name in self._of(_SNAPSHOTS):
            try:
                plain, epoch = read_single(self._door, self._vault.keyring, ObjectKind.SNAPSHOT, name)
                one = NamedSnapshot(name=fmt.digest_of(name), snapshot=read_snapshot(plain))
            except UNREADABLE as error:
                self._alarm(name, error.what, _CHECK)
                continue
            self._search(name, plain)
            self._epochs.add(epoch)
            self._found.append(one)
            self._snapshot(name, one)
        self._alarms += self._tree.alarms
        self._documents()

    def _snapshot(self, name: str, one: NamedSnapshot) -> None:
        if self._is_gone(one.name):
            self._note(name, "it was forgotten and removed, and is there again; `photovault forget` removes it")
            return
        ours = one.snapshot.device_id == self._subject.device_id
        covered = ours and one.snapshot.number > self._book.number and self._book.lines > 0
        self._tree.add(one, Owner.OURS if covered else Owner.OTHERS)
        if covered and not self._has_line(name):
            what = f"it is snapshot {one.snapshot.number} of this device, and the ledger has no line of it"
            self._alarm(name, what, _TAMPERED)

    # Packs and indexes.

    def _read_packs(self) -> None:
        order = {name: number for number, name in enumerate(self._vault.places.packs())}
        names = sorted(self._of("packs/"), key=lambda name: order.get(fmt.digest_of(name), len(order)))
        self._progress.total(len(names), sum(self._stored[name] for name in names))
        work = partial(read_pack, self._door, self._vault.keyring, self._vault.unpack, self._subject.canaries)
        for name, seen in self._workers.ordered(work, names, AHEAD):
            self._progress.advance(1, self._stored[name], name)
            if seen.why:
                self._alarm(name, seen.why, _CHECK)
            else:
                self._packs[name] = self._take(seen)

    def _take(self, seen: PackSeen) -> _Pack:
        self._epochs.add(seen.epoch)
        self._hits.update(seen.canaries)
        self._otherwise += seen.otherwise
        self._here.update(record.part_id for record in seen.records)
        for record, plain in zip(seen.records, seen.contents, strict=True):
            if plain is None:
                _count(self._opaque, record.stored)
            elif record.kind is PartKind.CONTENT:
                self._files.part(record.part_id, plain)
            elif record.kind is PartKind.THUMBNAIL:
                _count(self._thumbnails, record.stored)
        needed = self._tree.needed
        owner = Owner(0)
        for record in seen.records:
            owner |= needed.get(record.part_id, Owner(0))
        loose = [record.stored for record in seen.records if record.part_id not in needed]
        return _Pack(digest=seen.digest, owner=owner, loose=(len(loose), sum(loose)))

    def _indexes(self) -> None:
        removed = self._removed
        for name in self._of("index/"):
            try:
                plain, epoch = read_single(self._door, self._vault.keyring, ObjectKind.INDEX, name)
                packs = fmt.read_index(plain)
            except UNREADABLE as error:
                self._alarm(name, error.what, _REBUILT)
                continue
            self._search(name, plain)
            self._epochs.add(epoch)
            for pack in packs:
                self._indexed(name, pack, is_going=name in removed)

    def _indexed(self, name: str, pack: PackEntry, *, is_going: bool) -> None:
        listed = fmt.object_name(ObjectKind.PACK, pack.name)
        seen = self._packs.get(listed)
        if seen is None:
            if listed not in self._stored:
                self._gone.update((record.part_id, listed) for record in pack.records)
                if not (is_going or self._has_line(listed) or listed in self._removed):
                    self._alarm(name, f"it lists {listed}, which is not there and was not sent by this device", _CHECK)
            return
        if seen.digest != index_digest(pack):
            self._alarm(name, f"it says something else of {listed} than that says itself", _REPORT)
        seen.foreign |= not self._has_line(name)

    def _parity(self) -> None:
        """Parity says nothing but what the packs say that it protects; it is computed again from them."""
        groups: dict[tuple[tuple[bytes, ...], int], list[str]] = {}
        for name in self._of(_PARITY):
            try:
                parity, held, epoch = read_parity(self._door, self._vault.keyring, name)
            except UNREADABLE as error:
                self._alarm(name, error.what, _MEND)
                continue
            self._epochs.add(epoch)
            self._search(name, fmt.encode_parity_map(parity) + held)
            groups.setdefault((parity.packs, parity.size), []).append(name)
        opaque: list[str] = []
        for (packs, size), names in groups.items():
            gone = [pack for pack in packs if self._stored.get(fmt.object_name(ObjectKind.PACK, pack)) != size]
            if gone:
                self._orphans(names, gone)
            elif can_code():
                self._derive(packs, size, names)
            else:
                opaque += names
        if opaque:
            size = sum(self._stored[name] for name in opaque)
            what = f"{len(opaque):,} of them ({size:,} bytes) were not looked into: python -m pip install 'photovault[parity]'"
            self._note("parity", what)

    def _orphans(self, names: Sequence[str], gone: Iterable[bytes]) -> None:
        """Parity of packs that are not there: explained if this device or a record knows of them."""
        removed = {pack for one in self._vault.retention for pack in one.record.packs}
        strange = [p for p in gone if p not in removed and not self._has_line(fmt.object_name(ObjectKind.PACK, p))]
        for name in names:
            what = "it protects packs that are not there, so nobody can say what is in it"
            if strange:
                self._alarm(name, what, _ELSEWHERE)
            else:
                self._note(name, f"{what}; the next backup and `photovault forget` replace it")

    def _derive(self, packs: tuple[bytes, ...], size: int, names: Sequence[str]) -> None:
        """Compare all parity of a group with what its packs give."""
        held = {name: read_parity(self._door, self._vault.keyring, name)[:2] for name in names}
        wrong: set[str] = set()
        try:
            for places, shards in derived(self._vault, self._workers, packs, size):
                wrong |= {name for name, (parity, data) in held.items() if not _agrees(parity, data, places, shards)}
        except DamageError:
            return  # of a pack, which is an alarm already
        for name in sorted(wrong):
            damaged = [p for p in packs if fmt.object_name(ObjectKind.PACK, p) not in self._packs]
            if not damaged:
                self._alarm(name, "it is not what the packs give that it protects", _REPORT)

    def _explain_packs(self) -> None:
        left_over: list[_Pack] = []
        unneeded = self._unneeded()
        for name, pack in self._packs.items():
            parts, size = pack.loose
            if name in unneeded:
                continue
            if self._has_line(name):
                if parts:
                    left_over.append(pack)
            elif not pack.owner:
                self._alarm(name, "no snapshot needs anything in it, and the ledger has no line of it", _ELSEWHERE)
            elif parts:
                what = f"no snapshot needs {parts} of its parts ({size:,} bytes), and the ledger has no line of it"
                self._alarm(name, what, _ELSEWHERE)
            elif not (pack.owner & Owner.OTHERS or pack.foreign or name in self._book.found):
                self._alarm(name, "only this device's snapshots need it, and the ledger has no line of it", _TAMPERED)
        if left_over:
            self._note_left_over(left_over)
        self._note_others()

    def _unneeded(self) -> set[str]:
        """Packs that a record marks, and those of which forgotten snapshots needed more than the others do."""
        removed, forgetting = self._removed, any(record.snapshots for record in self._records)
        found = {
            name for name, one in self._packs.items() if name in removed or (forgetting and one.loose[0] and one.owner)
        }
        if size := sum(self._packs[name].loose[1] for name in found):
            what = f"{size:,} bytes in {len(found):,} of them are not needed any more; `photovault forget` removes them"
            self._note("packs", what)
        return found

    def _note_others(self) -> None:
        if self._opaque[0]:
            what = (
                f"{self._opaque[0]:,} parts ({self._opaque[1]:,} bytes) are JPEG XL, which nothing here decodes: they were"
                " not looked into; python -m pip install 'photovault[jxl]'"
            )
            self._note("packs", what)
        if self._otherwise:
            what = f"{self._otherwise} of them are compressed otherwise than here: another zlib, or not by photovault"
            self._note("listings", what)

    def _note_left_over(self, packs: list[_Pack]) -> None:
        whole = sum(not pack.owner for pack in packs)
        parts, size = (sum(pack.loose[at] for pack in packs) for at in (0, 1))
        self._note(
            "packs",
            f"{parts:,} parts ({size:,} bytes) in {len(packs):,} packs that this device sent are in no snapshot;"
            f" {whole:,} of these packs hold nothing else: from an interrupted run, or from a file that changed while it was read",
        )

    # What should be there, and what must not.

    def _missing(self) -> None:
        damaged = {name for name in self._of("packs/") if name not in self._packs}  # alarms already
        lost: Counter[str] = Counter()
        for part in self._tree.needed.keys() - self._here:
            place = self._vault.places.find(part)
            if place is None or place.pack_name not in damaged:
                lost[self._gone.get(part, _NOWHERE)] += 1
        for name, parts in sorted(lost.items()):
            self._alarm(name, f"it is not there, and snapshots need {parts} parts of it", _CHECK)
        for name in sorted(self._sent_and_gone() - lost.keys()):
            self._alarm(name, "this device sent it, a snapshot needs it, and it is not there", _CHECK)

    def _sent_and_gone(self) -> set[str]:
        """What the ledger says is at this destination, snapshots say is needed, and the storage does not list."""
        gone = {name for name in self._book.sent_to(self._door.address) if name not in self._stored}
        needed = {fmt.object_name(ObjectKind.SNAPSHOT, o.snapshot.previous) for o in self._found if o.snapshot.previous}
        needed.add(self._book.newest.get(self._door.address, ""))
        newest = max(self._found, key=lambda one: one.snapshot.time, default=None)
        if newest is not None:
            needed |= {name for name, _ in newest.snapshot.clear}
        lost = (gone & needed) - self._removed
        return lost - {one.name for one in self._door.listing("")} if lost else lost  # it may have come meanwhile

    def _search(self, where: str, data: bytes) -> None:
        if canary := self._subject.canaries.find(data + b"\n" + where.encode()):
            self._alarm(where, f"it holds the canary {canary}", _CANARY)

    def _canaries(self) -> None:
        files = files_with(self._subject.reader, self._found, frozenset(self._hits)) if self._hits else {}
        for part, canary in sorted(self._hits.items()):
            place = self._vault.places.find(part)
            where = place.pack_name if place is not None else f"part {part.hex()[:12]}"
            self._alarm(where, f"it holds the canary {canary}, in {files.get(part, 'no file of a snapshot')}", _CANARY)

    def _whole_files(self) -> None:
        self._files.finish(self._subject.reader)
        wrong = frozenset(self._files.wrong)
        for where in files_with(self._subject.reader, self._found, wrong).values() if wrong else ():
            self._alarm(where, OTHER_FILE, _REPORT)

    def _report(self) -> AuditReport:
        return AuditReport(
            alarms=tuple(self._alarms),
            notes=tuple(self._notes),
            left=tuple(self._book.left()),
            learned=self._learned(),
            objects=len(self._stored),
            size=sum(self._stored.values()),
            lines=self._book.lines,
            since=self._book.since,
            thumbnails=self._thumbnails[0],
            thumbnail_bytes=self._thumbnails[1],
            opaque=self._opaque[0],
            opaque_bytes=self._opaque[1],
        )

    def _learned(self) -> Learned:
        classes: dict[str, Counter[int]] = {}
        for name, size in self._stored.items():
            classes.setdefault(outbound_kind(name) or "other", Counter())[size] += 1
        days = sorted({one.day for one in self._book.left() if one.destination == self._door.address})
        return Learned(
            vault_id=self._vault.keyring.vault_id.hex(),
            size=sum(self._stored.values()),
            classes={kind: dict(sorted(sizes.items())) for kind, sizes in sorted(classes.items())},
            slots=dict(sorted(self._slot_kinds.items())),
            epochs=tuple(sorted(self._epochs)),
            days=(len(days), days[0] if days else "", days[-1] if days else ""),
        )
