"""Two devices and one pruner work on one vault, through simulated weeks: nothing is lost, and garbage is bounded.

Time goes by only when the simulation says so, also in the middle of a run: a device sleeps there for days or weeks with what
it had seen, others work and the pruner prunes every day, and then it goes on.  A pruner sleeps and wakes in the middle of its
own run as well.  What each snapshot must hold is kept beside it, file by file.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app.forgetting import ForgetRequest
from photovault.crypto.words import to_words
from photovault.errors import DamageError, OvertakenError
from photovault.forget import Keep
from photovault.forget.needed import Needed
from photovault.model import EntryKind
from photovault.storage.memory import MemoryStorage
from photovault.vault.reader import Reader
from tests.journeys.test_two_devices import Between
from tests.support.devices import WORDS, Computer
from tests.support.photos import put

if TYPE_CHECKING:
    from pathlib import Path

KEEP = Keep(last=2, daily=3, weekly=2, min_age=2 * 86_400.0)
_FILES = 6
_OPERATIONS = 40


class Weeks:
    """The world of one seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.storage = MemoryStorage()
        self.folder = folder
        self.expected: dict[str, dict[str, bytes]] = {}
        self.states: list[
            dict[str, bytes]
        ] = []  # of a run that was overtaken after it made its snapshot, nobody tells the name
        self.asleep = 0
        self.deleted = 0
        self.overtaken = 0
        self.slept_through = 0
        self.words = str(put(folder / "words", " ".join(to_words(WORDS)).encode()))
        self.devices = [Computer(folder / f"device {n}", "memory:", seed=f"{seed}/{n}") for n in (1, 2)]
        self.pruner = Computer(folder / "pruner", "memory:", seed=f"{seed}/pruner")
        self.clock = self.devices[0]._now
        for one in (*self.devices, self.pruner):
            one._now = self.clock
        self.photos = [folder / f"photos {n}" / "Pictures" for n in (1, 2)]
        self.devices[0].make_vault(self.storage)
        for root in self.photos:
            for number in range(_FILES):
                self._write(root, number)

    def _write(self, root: Path, number: int) -> None:
        """A file of random size, or one that the other device has, too."""
        if self.random.random() < 0.4:
            data = Random(self.random.randrange(12)).randbytes(30_000)
        else:
            data = self.random.randbytes(self.random.choice([300, 20_000, 150_000]))
        put(root / f"{number % 3}" / f"{number}.bin", data, mtime=self.random.randrange(10**9))

    def _edit(self, root: Path) -> None:
        for _ in range(self.random.randrange(3)):
            number = self.random.randrange(_FILES)
            path = root / f"{number % 3}" / f"{number}.bin"
            if path.exists() and self.random.random() < 0.4:
                path.unlink()
            else:
                self._write(root, number)

    def pass_time(self, **length: float) -> None:
        self.clock.now += timedelta(**length)

    def back_up(self, which: int, *, sleeps: bool) -> None:
        root = self.photos[which]
        self._edit(root)
        files = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        self.states.append(files)
        storage = self.storage
        if sleeps:
            storage = Between(self.storage, self.random.randrange(1, _OPERATIONS), lambda: self._sleep(which))
        try:
            report = self.devices[which].backup(root, storage=storage, words_file=self.words)
        except OvertakenError:
            self.overtaken += 1
            return
        self.expected[report.snapshot.id] = files

    def _sleep(self, which: int) -> None:
        """What happens while a device sleeps in the middle of its run: the others go on."""
        self.slept_through += 1
        for _ in range(self.random.choice([1, 3, 9, 20])):
            self.pass_time(days=1)
            if which != 1 and self.random.random() < 0.4:
                self.back_up(1, sleeps=False)
            if which != 2 and self.random.random() < 0.8:
                self.prune(sleeps=False)

    def prune(self, *, sleeps: bool) -> None:
        storage = self.storage
        if sleeps:
            storage = Between(self.storage, self.random.randrange(1, _OPERATIONS), lambda: self._sleep(2))
        request = ForgetRequest(keep=KEEP, min_age=KEEP.min_age, clock_is_right=True)
        try:
            report = self.pruner.forget(storage=storage, request=request, words_file=self.words)
        except OvertakenError:
            self.overtaken += 1
            return
        except DamageError:
            if not sleeps:  # while it slept, what it was reading was rightly removed by nobody: there is one pruner
                raise
            return
        self.deleted += report.removed.packs

    def day(self) -> None:
        self.pass_time(days=1, minutes=self.random.randrange(600))
        for which in (0, 1):
            if self.random.random() < 0.5:
                self.back_up(which, sleeps=self.random.random() < 0.25)
        self.prune(sleeps=self.random.random() < 0.15)

    def check(self) -> int:
        """Every snapshot that counts has every byte of every file; returns how many snapshots count."""
        third = Computer(self.folder / "third", "memory:", seed="third")
        third._now = self.clock
        with third.app(self.storage, words_file=self.words).session() as session:
            found = session.vault.snapshots()
            assert found.damaged == ()
            reader = Reader(session.vault)
            for one in found.found:
                known = self.expected.get(one.id)
                assert _files(reader, one.snapshot.root) in ([known] if known else self.states), one.id
            newest = {one.snapshot.device_id: one.id for one in found.found}
            assert len(newest) == len({one.snapshot.device_id for one in (*found.found, *found.forgotten)})
        report = third.check(self.storage, words_file=self.words)
        assert report.findings == ()
        return len(found.found)

    def garbage(self) -> tuple[int, int]:
        """Stored bytes of packs of which nothing is needed, and of all packs."""
        third = Computer(self.folder / "third", "memory:", seed="third")
        third._now = self.clock
        with third.app(self.storage, words_file=self.words).session() as session:
            snapshots = session.vault.snapshots()
            needed = Needed(Reader(session.vault))
            needed.add((*snapshots.found, *snapshots.forgotten))
            packs = list(session.vault.places.contents())
        idle = [pack.size for pack in packs if not any(record.part_id in needed for record in pack.records)]
        return sum(idle), sum(pack.size for pack in packs)


def _files(reader: Reader, root: tuple[bytes, ...]) -> dict[str, bytes]:
    found = {}
    for path, entry in reader.walk(root):
        assert not isinstance(entry, Exception), entry
        if entry.kind is EntryKind.FILE:
            found[b"/".join(path[1:]).decode()] = b"".join(reader.part(part) for part in entry.parts)
    return found


def _settle(weeks: Weeks) -> None:
    """Let everything that is marked be removed, and look at what is left."""
    for _ in range(6):
        weeks.pass_time(days=12)
        weeks.prune(sleeps=False)
    idle, whole = weeks.garbage()
    assert idle == 0
    assert whole > 0
    kinds = [name.partition("/")[0] for name in weeks.storage.objects]
    assert kinds.count("retention") <= 16
    assert kinds.count("index") <= 12


@pytest.mark.parametrize("seed", [1])
def test_some_weeks(tmp_path: Path, seed: int) -> None:
    weeks = Weeks(tmp_path, seed)
    for _ in range(25):
        weeks.day()
    assert weeks.check() > 2
    _settle(weeks)
    weeks.check()
    assert weeks.deleted
    assert weeks.slept_through


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
def test_many_weeks(tmp_path: Path, seed: int) -> None:
    weeks = Weeks(tmp_path, seed)
    for number in range(60):
        weeks.day()
        if number % 20 == 19:
            weeks.check()
    _settle(weeks)
    weeks.check()
    assert weeks.deleted
