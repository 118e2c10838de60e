"""Thirty random changes, a backup after each: every snapshot is the folder as it was then."""

from __future__ import annotations

import os
import shutil
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.support.devices import Computer
from tests.support.photos import put, same_tree

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 30


class Life:
    """What people and programs do to a folder of photos."""

    def __init__(self, root: Path, random: Random) -> None:
        self.root = root
        self._random = random
        for number in range(6):
            self.add(f"{number % 3}/{number}.jpg")

    def step(self) -> str:
        doings = [
            self.add, self.edit, self.edit_in_place, self.delete, self.rename, self.rename_folder, self.file_to_folder,
            self.folder_to_file, self.rights, self.touch, self.link, self.swap, self.twin, self.delete_folder, self.note,
            self.empty_folder, self.move, self.grow,
        ]  # fmt: skip
        doing = self._random.choice(doings)
        doing()
        return doing.__name__

    def add(self, name: str = "") -> None:
        size = self._random.choice([0, 10, 5_000, 100_000])
        put(self._folder() / (name or self._name()), self._random.randbytes(size), mtime=self._time())

    def edit(self) -> None:
        put(self._file(), self._random.randbytes(self._random.choice([1, 3_000])), mtime=self._time())

    def edit_in_place(self) -> None:
        """Other bytes of the same size at the same time."""
        path = self._file()
        before = path.stat()
        with path.open("r+b") as file:
            file.write(self._random.randbytes(before.st_size))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def grow(self) -> None:
        with self._file().open("ab") as file:
            file.write(self._random.randbytes(100))

    def delete(self) -> None:
        if len(self._files()) > 2:
            self._file().unlink()

    def delete_folder(self) -> None:
        folder = self._folder()
        if folder != self.root and len([path for path in self._files() if folder not in path.parents]) > 2:
            shutil.rmtree(folder)

    def rename(self) -> None:
        path = self._file()
        path.rename(path.with_name(self._name()))

    def move(self) -> None:
        self._file().rename(self._folder() / self._name())

    def rename_folder(self) -> None:
        folder = self._folder()
        if folder != self.root:
            folder.rename(folder.with_name(self._name()))

    def file_to_folder(self) -> None:
        path = self._file()
        path.unlink()
        put(path / "inside.jpg", self._random.randbytes(50), mtime=self._time())

    def folder_to_file(self) -> None:
        folder = self._folder()
        if folder != self.root:
            shutil.rmtree(folder)
            put(folder, b"a file now", mtime=self._time())

    def swap(self) -> None:
        one, other = self._file(), self._file()
        if one != other:
            one.rename(self.root / "swap")
            other.rename(one)
            (self.root / "swap").rename(other)

    def twin(self) -> None:
        shutil.copy2(self._file(), self._folder() / self._name())

    def rights(self) -> None:
        self._random.choice([self._file(), self._folder()]).chmod(self._random.choice([0o700, 0o755, 0o750]))

    def touch(self) -> None:
        os.utime(self._random.choice([self._file(), self._folder()]), (0, self._time()))

    def link(self) -> None:
        (self._folder() / self._name()).symlink_to(self._random.choice(["nowhere", "..", "/etc/hostname", "0.jpg"]))

    def note(self) -> None:
        os.setxattr(self._file(), "user.note", self._random.randbytes(5))

    def empty_folder(self) -> None:
        (self._folder() / self._name()).mkdir()

    def _files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())

    def _file(self) -> Path:
        if not self._files():
            self.add()
        return self._random.choice(self._files())

    def _folder(self) -> Path:
        folders = [path for path in self.root.rglob("*") if path.is_dir() and not path.is_symlink()]
        self.root.mkdir(exist_ok=True)
        return self._random.choice(sorted([self.root, *folders]))

    def _name(self) -> str:
        return f"{self._random.choice(['IMG', 'ü', 'x y'])}_{self._random.randrange(10**6)}.jpg"

    def _time(self) -> float:
        return 1_500_000_000 + self._random.randrange(10**8) + 0.5


def notes(root: Path) -> dict[str, bytes]:
    """The attribute of every file that has one."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and "user.note" in os.listxattr(path):
            found[str(path.relative_to(root))] = os.getxattr(path, "user.note")
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_every_snapshot_is_the_folder_as_it_was(tmp_path: Path, seed: int) -> None:
    life = Life(tmp_path / "Pictures", Random(seed))
    computer = Computer(tmp_path / "computer", tmp_path / "vault")
    computer.make_vault()
    history = []
    copies = tmp_path / "copies"
    copies.mkdir()
    for number in range(STEPS):
        done = [life.step() for _ in range(1 + number % 3)]
        report = computer.backup(life.root)
        assert report.problems == ()
        computer.restore(tmp_path / "out")
        assert same_tree(tmp_path / "out" / "Pictures", life.root) == [], (number, done)
        assert notes(tmp_path / "out" / "Pictures") == notes(life.root), (number, done)
        files = [path for path in life.root.rglob("*") if path.is_file() and not path.is_symlink()]
        assert report.snapshot.snapshot.counts.files == len(files), (number, done)
        assert report.snapshot.snapshot.counts.size == sum(path.stat().st_size for path in files), (number, done)
        (tmp_path / "out").rename(copies / str(number))
        history.append(report.snapshot.id)
    for number in (0, STEPS // 2, STEPS - 1):
        computer.restore(tmp_path / "again", history[number])
        assert same_tree(tmp_path / "again", copies / str(number)) == []
        shutil.rmtree(tmp_path / "again")
    assert computer.check().findings == ()
