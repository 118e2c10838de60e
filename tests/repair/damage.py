"""Vaults with a history, ways to damage them, and what can still be restored of them."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from photovault.app.repairing import RepairReport, RepairRequest, repair_vault
from photovault.app.snapshots import resolve
from photovault.check import parse_amount
from photovault.errors import PhotovaultError
from photovault.model import EntryKind
from photovault.storage.memory import MemoryStorage
from photovault.vault.format import shown
from tests.support.devices import Computer, Silent
from tests.support.photos import put

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.model import Entry
    from photovault.vault.reader import Reader

File = tuple[str, str]  # id of a snapshot, and a path in it


@dataclass(kw_only=True)
class World:
    """A computer, its photos, and a vault in memory."""

    folder: Path
    storage: MemoryStorage

    @property
    def computer(self) -> Computer:
        return Computer(self.folder / "device", "memory:")

    @property
    def photos(self) -> Path:
        return self.folder / "Pictures"

    def copied(self, to: Path) -> World:
        """Another one just like it, for damaging."""
        shutil.copytree(self.folder, to, symlinks=True)
        storage = MemoryStorage()
        storage.objects = dict(self.storage.objects)
        return World(folder=to, storage=storage)

    def backup(self) -> None:
        self.computer.backup(self.photos, storage=self.storage)

    def names(self, *kinds: str) -> list[str]:
        return sorted(
            name for name in self.storage.objects if name.startswith(kinds or ("packs/", "index/", "snapshots/"))
        )

    def repair(self, data: str = "all", **more: object) -> RepairReport:
        request = RepairRequest(amount=parse_amount(data), **more)
        return repair_vault(self.computer.app(self.storage), request, Silent())

    def config(self, text: str) -> None:
        """Add to the configuration."""
        with (self.folder / "device" / "config.toml").open("a") as file:
            file.write(text)

    def rot(self, path: str, snapshot: str = "latest") -> str:
        """Spoil one byte in the first part of a file; returns the pack that it lies in."""
        with self.computer.app(self.storage).browse() as (snapshots, reader):
            one = resolve(snapshots, snapshot)
            entries = {"/".join(map(shown, names)): entry for names, entry in reader.walk(one.snapshot.root)}
            place = reader.place(entries[path].parts[0])
        flip(self.storage, place.pack_name, place.region.offset + 3)
        return place.pack_name

    def shown(self) -> set[str]:
        """Ids of the snapshots that the storage shows."""
        return {name.rpartition("/")[2] for name in self.names("snapshots/")}

    def files(self) -> set[File]:
        """What every snapshot promises."""
        return {found for found, _, _ in self._walk()}

    def restorable(self) -> set[File]:
        """What can be restored, bit for bit."""
        return {found for found, entry, reader in self._walk() if _is_whole(reader, entry)}

    def _walk(self) -> list[tuple[File, Entry, Reader]]:
        found = []
        with self.computer.app(self.storage).browse() as (snapshots, reader):
            for one in snapshots.found:
                for path, entry in reader.walk(one.snapshot.root):
                    if not isinstance(entry, Exception) and entry.kind is EntryKind.FILE:
                        found.append(((one.id, "/".join(map(shown, path))), entry, reader))
            return [(name, entry, _Bound(_is_whole(reader, entry))) for name, entry, reader in found]


@dataclass(frozen=True)
class _Bound:
    """The answer, while the vault was open."""

    answer: bool


def _is_whole(reader: Reader | _Bound, entry: Entry) -> bool:
    if isinstance(reader, _Bound):
        return reader.answer
    digest = hashlib.sha256()
    try:
        for part in entry.parts:
            digest.update(reader.part(part))
    except PhotovaultError:
        return False
    return digest.digest() == entry.digest


def make_world(folder: Path, seed: int = 1) -> World:
    """A vault with four snapshots: photos that came, changed, moved and went."""
    world, random = World(folder=folder, storage=MemoryStorage()), Random(seed)
    world.computer.make_vault(world.storage)
    world.config(f"[backup]\nall_files = true\n[[sources]]\npath = '{world.photos}'\n")
    for number in range(6):
        put(world.photos / f"{number % 2}" / f"{number}.jpg", random.randbytes(5_000 + number * 9_000))
    world.backup()
    put(world.photos / "0" / "0.jpg", random.randbytes(7_000), mtime=1_600_000_100)
    (world.photos / "1" / "1.jpg").unlink()
    world.backup()
    put(world.photos / "large.mp4", random.randbytes(5_000_000))
    (world.photos / "0" / "2.jpg").rename(world.photos / "2.jpg")
    world.backup()
    put(world.photos / "1" / "3.jpg", random.randbytes(30_000), mtime=1_600_000_200)
    world.backup()
    return world


def flip(storage: MemoryStorage, name: str, at: int) -> None:
    """One byte is another."""
    data = bytearray(storage.objects[name])
    data[at % len(data)] ^= 1 + at % 255
    storage.objects[name] = bytes(data)


def cut(storage: MemoryStorage, name: str, at: int) -> None:
    """The end is missing."""
    storage.objects[name] = storage.objects[name][: at % len(storage.objects[name])]


def delete(storage: MemoryStorage, name: str, at: int) -> None:
    """It is gone."""
    del storage.objects[name]


def swap(storage: MemoryStorage, name: str, at: int) -> None:
    """It has changed places with another of its kind."""
    same = sorted(one for one in storage.objects if one.partition("/")[0] == name.partition("/")[0])
    other = same[at % len(same)]
    storage.objects[name], storage.objects[other] = storage.objects[other], storage.objects[name]


DAMAGES = {"flip": flip, "cut": cut, "delete": delete, "swap": swap}


def claimed(report: RepairReport, files: set[File], there: set[str]) -> set[File]:
    """Of some files, those that a report calls lost: by name, by a folder above them, or because their snapshot is gone.

    ``there``: ids of the snapshots that the storage shows; of several that it hides, a report need not name each.
    """
    lost = {(snapshot, one.path) for one in report.after.lost for snapshot in one.snapshots if not one.is_folder}
    folders = {(snapshot, one.path) for one in report.after.lost for snapshot in one.snapshots if one.is_folder}
    gone = {one.where.rpartition("/")[2] for one in report.after.findings if one.where.startswith("snapshots/")}
    if gone:
        gone |= {snapshot for snapshot, _ in files} - there
    return {
        (snapshot, path)
        for snapshot, path in files
        if snapshot in gone
        or (snapshot, path) in lost
        or any(snapshot == one and (folder == "/" or path.startswith(f"{folder}/")) for one, folder in folders)
    }
