"""Trying a sample: fetch, compare, look, compare with the live file, and write the proof down.

Photos are fetched as a restore does it, those of one pack together, from the storage and nowhere else; the index memory only says
where.  A part that is damaged in one pack and whole in another is taken from there: the photo is proven then, and named all the same.

Guarantee: every photo that was tried has its answer in ``proofs``, however the run ends.  What a decoder says never speaks against the
vault: bytes that are those that were backed up are no damage, whatever they show.  Memory: for each worker a batch of 8 MiB, or one
larger file as ``held`` takes it.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from photovault.drill.held import Held, room
from photovault.drill.live import Live, compare
from photovault.drill.survey import joined, lost_folder
from photovault.errors import DamageError, MissingError, PhotovaultError, UndecodableError, UnknownVersionError
from photovault.model import Entry, EntryKind, Problem
from photovault.photos.looking import Asked
from photovault.proofs import Answer, key_of
from photovault.vault.batches import Batch, Batches, parts
from photovault.vault.format import read_page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from photovault.drill.survey import LiveFolder, Root
    from photovault.model import Stamp
    from photovault.photos.looking import Looked, Looking
    from photovault.progress import Progress
    from photovault.proofs import Key, Page, Proofs
    from photovault.vault.batches import Parts
    from photovault.vault.places import Place
    from photovault.vault.reader import Reader
    from photovault.workers import Workers

AHEAD = 8
_LOOKS = 16  # files that a worker has looked at together: each is an open one
_CANNOT = "it could not be looked at"
_PARTLY = "too large to be held as a whole, and its beginning and end do not show"
_OTHERS = "its bytes are not those that were backed up"


class Eyes(Protocol):
    """Looks at files in processes that can do nothing else."""

    def look(self, files: Sequence[Asked]) -> Looking:
        """Begin to look at opened files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a drill tries: the photos ``keys`` of a view, or all when that is None, at the ISO 8601 time ``when``."""

    roots: tuple[Root, ...]
    view: int
    keys: frozenset[Key] | None
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """What a drill saw, in photos; the same file under two names is one.

    Attributes:
        chosen: how many were to be tried.
        left: how many of them were not, because it was enough.
        proven: how many came back as they were backed up; ``size``: their bytes.
        decoded: how many of those are pictures or videos that decode.
        plain: how many of those are neither: sidecars, notes.
        not_looked_at: how many were not decoded, by the reason.
        broken: those that came back bit for bit and do not decode: they were so when they were backed up.
        same: how many are on this computer as they were backed up.
        changed: how many were changed here since, and so differ.
        rotten: those that differ here though nobody wrote to them.
        damaged: what cannot be restored: photos, and folders of which a listing cannot be read.
        spoilt: those that came back, but from a second place in the vault, because a first one is damaged.
        problems: those of which nothing can be said here, and live files that cannot be read.
        bad: ids of parts that are not to be trusted, by the name of their pack, beside those that the reader found damaged.
    """

    chosen: int = 0
    left: int = 0
    proven: int = 0
    size: int = 0
    decoded: int = 0
    plain: int = 0
    not_looked_at: Mapping[str, int] = field(default_factory=dict)
    broken: tuple[Problem, ...] = ()
    same: int = 0
    changed: int = 0
    rotten: tuple[Problem, ...] = ()
    damaged: tuple[Problem, ...] = ()
    spoilt: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()
    bad: Mapping[bytes, Collection[bytes]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Item:
    """A photo on its way; ``lost``: why it cannot even be fetched."""

    key: Key
    path: str
    entry: Entry
    live: bytes = b""
    stamp: Stamp | None = None
    lost: str = ""


@dataclass(slots=True, kw_only=True)
class _Tried:
    """What a worker found.

    ``damage`` and ``lacks`` as in ``Answer``, ``hint`` for the latter; ``bad``: its places, where each part is
    what it should be and all together are not what was backed up; ``spoilt``: whether one of its places is damaged; ``held``: the
    photo; ``looked``: what the decoder said; ``why``: what the system said of a live file that cannot be read.
    """

    held: Held
    damage: str = ""
    lacks: str = ""
    hint: str = ""
    bad: tuple[Place, ...] = ()
    spoilt: bool = False
    looked: Looked | None = None
    live: Live = Live.UNKNOWN
    why: str = ""


@dataclass(slots=True, kw_only=True)
class _Tally:
    proven: int = 0
    size: int = 0
    decoded: int = 0
    plain: int = 0
    same: int = 0
    changed: int = 0
    tried: int = 0
    not_looked_at: dict[str, int] = field(default_factory=dict)
    broken: list[Problem] = field(default_factory=list)
    rotten: list[Problem] = field(default_factory=list)
    damaged: list[Problem] = field(default_factory=list)
    spoilt: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bad: dict[bytes, set[bytes]] = field(default_factory=dict)


def run_drill(
    sample: Sample,
    reader: Reader,
    proofs: Proofs,
    eyes: Eyes,
    workers: Workers,
    progress: Progress,
    *,
    enough: Callable[[], bool] = lambda: False,
) -> DrillReport:
    """Try the photos of ``sample`` until it is ``enough``.

    Raises:
        StorageError: the storage failed as a whole; what was tried before is written down.
    """
    chosen, size = proofs.total(sample.view, sample.keys)
    progress.total(chosen, size)
    run = _Drill(sample, reader, proofs, eyes, workers, progress)
    try:
        for batch, tried in workers.ordered(run.work, run.batches(enough), AHEAD):
            run.done(batch, tried)
    finally:
        proofs.commit()
    return run.report(chosen)


class _Drill:
    """One drill.  ``work`` runs in workers, everything else in the owner's thread."""

    def __init__(
        self, sample: Sample, reader: Reader, proofs: Proofs, eyes: Eyes, workers: Workers, progress: Progress
    ) -> None:
        self._sample = sample
        self._reader = reader
        self._fetcher = reader.fetcher
        self._proofs = proofs
        self._eyes = eyes
        self._workers = workers
        self._progress = progress
        self._prepared: set[bytes] = set()
        self._alone = threading.Lock()
        self._stopped = False
        self._tally = _Tally()

    # What to try.

    def batches(self, enough: Callable[[], bool]) -> Iterator[Batch[_Item]]:
        """Work for the workers."""
        batches = Batches[_Item]()
        for item in self._items():
            if enough():
                self._stopped = True
                break
            places = self._placed(item)
            self._prepare(places)
            yield from batches.add(item, places)
        yield from batches.rest()

    def _items(self) -> Iterator[_Item]:
        sample, proofs = self._sample, self._proofs
        for page in proofs.pages(sample.view, sample.keys):
            root = sample.roots[page.root]
            seen: set[Key] = set()
            folder = root.live(page.folder) if root.live is not None else None
            for entry in self._files(root, page):
                key = key_of(entry)
                wanted = sample.keys is None or key in sample.keys
                if wanted and key not in seen and proofs.is_on(sample.view, key, page):
                    seen.add(key)
                    yield _item(key, root.shown(page.folder, entry.name), entry, folder)

    def _files(self, root: Root, page: Page) -> list[Entry]:
        try:
            return [one for one in read_page(self._reader.part(page.part)) if one.kind is EntryKind.FILE]
        except (DamageError, MissingError) as error:
            self._lost(page, lost_folder(root, page.folder, error))
            return []

    def _lost(self, page: Page, problem: Problem) -> None:
        """A page that could be read once: all of the sample that it names was tried in vain."""
        self._tally.damaged.append(problem)
        keys, answer = self._sample.keys, Answer(damage=problem.what, path=problem.path)
        for key in self._proofs.on(self._sample.view, page):
            if keys is None or key in keys:
                self._proofs.tried(key, self._sample.when, answer)
                self._tally.tried += 1

    def _placed(self, item: _Item) -> tuple[Place, ...]:
        try:
            return tuple(map(self._reader.place, item.entry.parts))
        except DamageError as error:
            item.lost = error.what
            return ()

    def _prepare(self, places: Iterable[Place]) -> None:
        """As in a restore: what opens a pack is fetched while earlier files are on their way."""
        for place in places:
            if place.pack not in self._prepared:
                self._prepared.add(place.pack)
                self._workers.start(partial(self._fetcher.prepare, place))

    # In workers.

    def work(self, batch: Batch[_Item]) -> list[_Tried]:
        """Restore the photos of a batch, look at them, and let go of them."""
        ready: Parts = {}
        if len(batch.files) > 1:  # then all of them are small: parts of several files come in one request
            ready = self._fetcher.fetch(place for _, places in batch.files for place in places)
        tried: list[_Tried] = []
        for at in range(0, len(batch.files), _LOOKS):
            tried += self._some(batch.files[at : at + _LOOKS], ready)
        return tried

    def _some(self, files: Sequence[tuple[_Item, tuple[Place, ...]]], ready: Parts) -> list[_Tried]:
        with ExitStack() as stack:
            tried = []
            for item, places in files:
                held = Held(item.entry)
                stack.callback(held.close)
                stack.enter_context(room(held, self._alone))
                tried.append(self._restored(item, places, held, ready))
            self._look(files, tried)
        for (item, _), one in zip(files, tried, strict=True):
            if item.live:
                one.live, one.why = compare(item.live, item.entry, item.stamp)
        return tried

    def _restored(self, item: _Item, places: tuple[Place, ...], held: Held, ready: Parts) -> _Tried:
        tried = _Tried(held=held, damage=item.lost)
        for _, data in parts(self._fetcher, places, ready):
            match data:
                case bytes():
                    held.write(data)
                case UndecodableError() | UnknownVersionError():
                    tried.lacks, tried.hint = data.what, data.hint
                case _:
                    tried.damage = tried.damage or data.what
        if not tried.damage and not tried.lacks and not held.is_whole:
            tried.damage, tried.bad = _OTHERS, places
        bad = self._fetcher.damaged
        tried.spoilt = any(place.region.record.part_id in bad.get(place.pack, ()) for place in places)
        return tried

    def _look(self, files: Sequence[tuple[_Item, tuple[Place, ...]]], tried: Sequence[_Tried]) -> None:
        """Have those that came back looked at, together."""
        asked = [
            (one, Asked(one.held.fd, item.entry.size, item.entry.name, thumbnail=True))
            for (item, _), one in zip(files, tried, strict=True)
            if one.held.fd >= 0 and not one.damage and not one.lacks
        ]
        if not asked:
            return
        with suppress(OSError, PhotovaultError):
            for (one, _), looked in zip(asked, self._eyes.look([file for _, file in asked]).result(), strict=True):
                one.looked = looked

    # Back in the owner's thread.

    def done(self, batch: Batch[_Item], tried: Sequence[_Tried]) -> None:
        """Take the answers of a worker."""
        for (item, _), one in zip(batch.files, tried, strict=True):
            self._take(item, one)
            self._tally.tried += 1
            self._progress.advance(1, item.entry.size, item.path)
        self._proofs.commit()

    def _take(self, item: _Item, tried: _Tried) -> None:
        if tried.damage:
            self._damaged(item, tried)
        elif tried.lacks:
            self._tally.problems.append(Problem(path=item.path, what=tried.lacks, hint=tried.hint))
        else:
            self._proven(item, tried)
        rotten = self._live(item, tried)
        answer = Answer(damage=tried.damage, lacks=tried.lacks, rotten=rotten, path=item.path)
        self._proofs.tried(item.key, self._sample.when, answer)

    def _damaged(self, item: _Item, tried: _Tried) -> None:
        hint = "bring it back with `photovault check --data all --repair`, or from another copy of the vault"
        for place in tried.bad:
            self._tally.bad.setdefault(place.pack, set()).add(place.region.record.part_id)
        if tried.live is Live.SAME:
            hint = "it is whole on this computer: `photovault backup` stores it again"
        self._tally.damaged.append(Problem(path=item.path, what=tried.damage, hint=hint))

    def _proven(self, item: _Item, tried: _Tried) -> None:
        self._tally.proven += 1
        self._tally.size += item.entry.size
        self._seen(item, tried)
        if tried.spoilt:
            hint = "nothing is lost; `photovault check --data all --repair` mends it"
            what = "it is in the vault twice, and damaged in one of the two places"
            self._tally.spoilt.append(Problem(path=item.path, what=what, hint=hint))

    def _seen(self, item: _Item, tried: _Tried) -> None:
        """What the decoder said."""
        looked, held = tried.looked, tried.held
        broken = item.entry.facts.broken
        if looked is not None and looked.thumbnail:
            self._tally.decoded += 1
            return
        if looked is not None and not held.partly:
            broken = looked.facts.broken or broken
        if broken:
            self._tally.broken.append(Problem(path=item.path, what=broken))
        elif why := _why_unseen(looked, held):
            self._not_looked_at(why)
        else:
            self._tally.plain += 1

    def _not_looked_at(self, why: str) -> None:
        self._tally.not_looked_at[why] = self._tally.not_looked_at.get(why, 0) + 1

    def _live(self, item: _Item, tried: _Tried) -> str:
        """Count how the live file compares; what is wrong with it, if it rotted."""
        match tried.live:
            case Live.SAME:
                self._tally.same += 1
            case Live.CHANGED:
                self._tally.changed += 1
            case Live.UNREADABLE:
                hint = "its disk may be failing: back up what can still be read, then restore this file elsewhere"
                self._tally.problems.append(
                    Problem(path=item.path, what=f"on this computer it cannot be read: {tried.why}", hint=hint)
                )
            case Live.ROTTEN:
                return self._rotten(item, lost=bool(tried.damage))
            case Live.UNKNOWN:
                pass
        return ""

    def _rotten(self, item: _Item, *, lost: bool) -> str:
        what = "on this computer its bytes changed though nobody wrote to it: its disk or memory may be failing"
        hint = f"the vault has it as it was: `photovault restore '{item.path}' --to DIR`"
        self._tally.rotten.append(Problem(path=item.path, what=what, hint="" if lost else hint))
        return what

    def report(self, chosen: int) -> DrillReport:
        """What was seen."""
        tally = self._tally
        return DrillReport(
            chosen=chosen,
            left=max(0, chosen - tally.tried) if self._stopped else 0,
            proven=tally.proven,
            size=tally.size,
            decoded=tally.decoded,
            plain=tally.plain,
            not_looked_at=dict(sorted(tally.not_looked_at.items())),
            broken=tuple(tally.broken),
            same=tally.same,
            changed=tally.changed,
            rotten=tuple(tally.rotten),
            damaged=tuple(tally.damaged),
            spoilt=tuple(tally.spoilt),
            problems=tuple(tally.problems),
            bad=tally.bad,
        )


def _why_unseen(looked: Looked | None, held: Held) -> str:
    """Why a picture was not decoded, where that says nothing against it; empty for what is no picture."""
    if looked is None:
        return held.why or (_CANNOT if held.was_shown else "")
    if looked.lacks:
        return f"photovault[{looked.lacks}] is not installed"
    return _PARTLY if held.partly else looked.why


def _item(key: Key, path: str, entry: Entry, folder: LiveFolder | None) -> _Item:
    if folder is None:
        return _Item(key=key, path=path, entry=entry)
    return _Item(key=key, path=path, entry=entry, live=joined(folder.path, entry.name), stamp=folder.stamp(entry))
