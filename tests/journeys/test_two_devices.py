"""Two devices back up into one vault at the same time, without a lock between them: both snapshots are whole.

The second run happens, from its beginning to its end, in the middle of the first: before each storage operation of the
first in turn.  Then both at once in threads.
"""

from __future__ import annotations

import shutil
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.crypto.words import to_words
from photovault.storage.memory import MemoryStorage
from tests.support.devices import WORDS, Computer
from tests.support.faults import FaultyStorage
from tests.support.photos import jpeg, library, put, same_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from photovault.storage.base import Buffer, Stored


class Between(FaultyStorage):
    """Lets something happen before the operation number ``at``."""

    def __init__(self, inner: MemoryStorage, at: int, happens: Callable[[], object]) -> None:
        super().__init__(inner)
        self.operations = 0
        self._when = at
        self._happens = happens
        self._turn = threading.Lock()

    def put(self, name: str, data: Buffer) -> None:
        self._maybe(lambda: super(Between, self).put(name, data))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._maybe(lambda: super(Between, self).get(name, offset, length))

    def listing(self, prefix: str) -> Iterator[Stored]:
        return iter(self._maybe(lambda: list(super(Between, self).listing(prefix))))

    def _maybe(self, operation: Callable[[], object]) -> object:
        with self._turn:
            self.operations += 1
            if self.operations == self._when:
                self._happens()
            return operation()


class Pair:
    """Two computers with a vault that holds one snapshot of the first, and photos that they share in part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = MemoryStorage()
        self.opened = {"words_file": str(put(folder / "words", " ".join(to_words(WORDS)).encode()))}
        self.computers = [Computer(folder / f"computer {n}", "memory:", seed=f"device {n}") for n in (1, 2)]
        self.photos = [folder / f"photos {n}" / "Pictures" for n in (1, 2)]
        self.computers[0].make_vault(self.storage)
        library(self.photos[0], Random(3), files=2)
        self.computers[0].backup(self.photos[0], storage=self.storage, **self.opened)
        shutil.copytree(self.photos[0], self.photos[1], symlinks=True)
        for number, root in enumerate(self.photos, 1):
            put(root / "both.jpg", jpeg(50, (300, 200)))
            put(root / "own" / f"{number}.jpg", jpeg(50 + number, (300, 200)))
        self.start = dict(self.storage.objects)
        for computer in self.computers:
            shutil.copytree(computer.folder, folder / "saved" / computer.folder.name)

    def again(self) -> None:
        """Everything as it was at the beginning."""
        self.storage.objects = dict(self.start)
        for computer in self.computers:
            shutil.rmtree(computer.folder)
            shutil.copytree(self.folder / "saved" / computer.folder.name, computer.folder)

    def run(self, which: int, storage: MemoryStorage | FaultyStorage | None = None) -> str:
        computer, photos = self.computers[which], self.photos[which]
        return computer.backup(photos, storage=storage or self.storage, **self.opened).snapshot.id

    def assert_whole(self, *snapshots: str, restored: bool = True) -> None:
        """A third computer finds nothing wrong and restores what each of the two had."""
        third = Computer(self.folder / "third", "memory:", seed="third")
        assert third.check(self.storage, **self.opened).findings == ()
        assert set(snapshots) <= set(third.snapshots(self.storage, **self.opened))
        for snapshot, photos in zip(snapshots, self.photos, strict=True) if restored else ():
            out = self.folder / "out" / snapshot
            assert third.restore(out, snapshot, storage=self.storage, **self.opened).damaged == ()
            assert same_tree(out / "Pictures", photos) == []
            shutil.rmtree(out)
        shutil.rmtree(third.folder)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_a_whole_run_in_the_middle_of_another(pair: Pair) -> None:
    at = 0
    while True:
        at += 1
        pair.again()
        inner: list[str] = []
        between = Between(pair.storage, at, lambda found=inner: found.append(pair.run(1)))
        outer = pair.run(0, between)
        if not inner:
            break
        pair.assert_whole(outer, inner[0], restored=at % 5 == 0)
    assert at > 10


def test_both_at_once(pair: Pair) -> None:
    ready = threading.Barrier(2)
    made: dict[int, str] = {}

    def run(which: int) -> None:
        between = Between(pair.storage, 4, lambda: ready.wait(30))
        made[which] = pair.run(which, between)

    for _ in range(5):
        pair.again()
        threads = [threading.Thread(target=run, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pair.assert_whole(made[0], made[1])
        assert made[0] != made[1]


def test_both_go_on_as_if_they_were_alone(pair: Pair) -> None:
    """Each device has its own numbers and its own chain, and knows of the other."""
    ids = [[pair.run(which) for which in (0, 1)] for _ in range(2)]
    with pair.computers[1].app(pair.storage, **pair.opened).session() as session:
        found = {one.id: one.snapshot for one in session.vault.snapshots().found}
    assert [[found[name].number for name in row] for row in ids] == [[2, 1], [3, 2]]
    assert [found[name].previous.hex() for name in ids[1]] == ids[0]
    assert {head.device_id for head in found[ids[1][1]].heads} == {found[name].device_id for name in ids[0]}
    pair.assert_whole(*ids[1])
