"""What must hold after any crash, asked of a vault and the device that was interrupted; and runs to interrupt.

A ``World`` is a device with photos, a vault and perhaps a copy of it, on a disk or in memory, which can be put back to how it
was.  ``survives`` goes on from whatever a crash left: a check finds nothing, every committed snapshot restores bit for bit, the
next run succeeds and its snapshot holds what the photos are, no device's chain has a fork, nothing is locked.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from photovault.app.forgetting import ForgetRequest
from photovault.app.keys import add_key, change_key, remove_key
from photovault.app.repairing import RepairRequest, repair_vault
from photovault.check import Amount
from photovault.crypto.words import to_words
from photovault.errors import WrongKeyError
from photovault.forget import Keep
from photovault.forget.needed import Needed
from photovault.storage.memory import MemoryStorage
from photovault.vault import format as fmt
from photovault.vault.reader import Reader
from photovault.vault.slots import Secrets
from photovault.vault.vault import Vault, unlock
from tests.support.devices import PASSWORD, WORDS, Computer, Silent
from tests.support.disk import Image, put_back, taken
from tests.support.photos import jpeg, put, tree
from tests.support.world import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from photovault.app import App
    from photovault.storage.base import Storage
    from photovault.vault.vault import NamedSnapshot, Snapshots

Tree = dict[bytes, object]
SEED = int(os.environ.get("CRASH_SEED", "1"))
"""What all that is left to chance here hangs on; another one tries other moments and other disks."""

NEW_PASSWORD = "another password for tests"


@dataclass(slots=True)
class Figures:
    """What was tried."""

    count: Counter[str] = field(default_factory=Counter)

    def failed(self) -> None:
        """An operation was made to fail, or the power went after it."""
        self.count["operations failed"] += 1

    def checked(self) -> None:
        """What was left of it was gone through."""
        self.count["states checked"] += 1

    def restored(self) -> None:
        """A committed snapshot came back bit for bit."""
        self.count["snapshots restored"] += 1


class InMemory(MemoryStorage):
    """A storage in memory that has the address of a folder."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    @property
    def address(self) -> str:
        return self._address


class Host(Computer):
    """A computer of a world; ``fault`` stands between it and its storages."""

    world: World
    fault: Callable[[Storage], Storage] = staticmethod(lambda storage: storage)

    def app(self, storage: Storage | None = None, **settings: str | bool) -> App:
        made = super().app(storage, **settings)
        real = made.storage_at
        made.storage_at = lambda url: self.fault(self.world.storages.get(url) or real(url))  # type: ignore[method-assign]
        made.glimpse_at = made.storage_at  # type: ignore[method-assign]
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A world as it was."""

    disk: Image
    objects: dict[str, dict[str, bytes]]
    days: int


class World:
    """A device, its photos, a vault and the place of a copy, all below one folder."""

    def __init__(self, folder: Path, *, memory: bool, photos: Callable[[Path], None] | None = None) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.photos = folder / "Pictures"
        self.vault, self.copy = str(self.disk / "vault"), str(self.disk / "copy")
        self.storages = {url: InMemory(url) for url in (self.vault, self.copy)} if memory else {}
        self.held: dict[str, Tree] = {}
        self.words = put(folder / "words", " ".join(to_words(WORDS)).encode())
        self.password = put(folder / "password", PASSWORD.encode())
        self.new_password = put(folder / "new password", NEW_PASSWORD.encode())
        self.start = START
        self._computers = 0
        self._days = 0
        for url in (self.vault, self.copy) if memory else (self.copy,):
            os.makedirs(url)
        (photos or _few)(self.photos)

    def host(self, fault: Callable[[Storage], Storage] | None = None, name: str = "device", seed: str = "") -> Host:
        """The device at a later time; one that starts again never draws the same random numbers, unless it is told to."""
        self._computers += 1
        later = self.start + timedelta(hours=self._computers, days=self._days)
        made = Host(self.disk / name, self.vault, seed=seed or f"{name} {self._computers}", start=later)
        made.world = self
        if fault is not None:
            made.fault = fault  # type: ignore[method-assign]
        return made

    def sleep(self, days: int) -> None:
        """Time goes by."""
        self._days += days

    def settings(self, host: Host) -> dict[str, str]:
        """What opens the vault: the device's key, as long as it has one."""
        keys = list(host.folder.glob("state/vaults/*/device.key"))
        whole = bool(keys) and len(keys[0].read_bytes()) == 32
        return {} if whole else {"words_file": str(self.words)}

    def backup(self, host: Host | None = None) -> str:
        """A run that is not interrupted; what its snapshot holds is remembered."""
        host = host or self.host()
        report = host.backup(self.photos, **self.settings(host))
        assert report.problems == ()
        self.held[report.snapshot.id] = tree(self.photos)
        return report.snapshot.id

    def edit(self, number: int) -> None:
        """Photos come, change and go."""
        put(self.photos / "new" / f"{number}.jpg", jpeg(100 + number), mtime=1_600_000_000 + number)
        put(self.photos / "b.jpg", jpeg(200 + number), mtime=1_600_000_100 + number)
        (self.photos / "new" / f"{number - 2}.jpg").unlink(missing_ok=True)

    def take(self) -> Moment:
        """The world as it is."""
        objects = {url: dict(one.objects) for url, one in self.storages.items()}
        return Moment(disk=taken(self.disk), objects=objects, days=self._days)

    def back_to(self, moment: Moment, disk: Image | None = None) -> None:
        """The world as it was, or with another disk."""
        put_back(moment.disk if disk is None else disk, self.disk)
        self._days = moment.days
        for url, objects in moment.objects.items():
            self.storages[url].objects = dict(objects)


def _few(photos: Path) -> None:
    put(photos / "a.jpg", jpeg(1))
    put(photos / "b.jpg", jpeg(2))
    put(photos / "2020" / "c.heic", b"\0\0\0\x18ftypheic" + bytes(range(256)) * 40)


# Runs to interrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Something that a user does, and that may be interrupted at any moment.

    Attributes:
        name: for the reader.
        prepare: what happened before.
        act: the run.
        after: what else must hold after a crash and the next run.
        forgets: whether it forgets all snapshots but the newest.
    mends: whether something is damaged before it, so that it is run once more before anything is looked at.
    """

    name: str
    prepare: Callable[[World], object]
    act: Callable[[World, Host], object]
    after: Callable[[World], object] = lambda _: None
    forgets: bool = False
    mends: bool = False


def prepared(world: World) -> None:
    """A vault with two snapshots, and much that is new since then."""
    world.host().make_vault(password=PASSWORD)
    world.backup()
    world.edit(1)
    world.backup()
    world.edit(2)


def _empty(world: World) -> None:
    world.host().make_vault(password=PASSWORD)


def _backed_up(world: World) -> None:
    world.host().make_vault(password=PASSWORD)
    world.backup()
    world.edit(1)
    world.backup()


def _copied(world: World) -> None:
    _backed_up(world)
    _copy(world, world.host())
    world.edit(2)
    world.backup()


def _backup(world: World, host: Host) -> object:
    return host.backup(world.photos, **world.settings(host))


def _copy(world: World, host: Host) -> object:
    return host.app().copy(world.vault, world.copy, Silent())


def _many(world: World) -> None:
    world.host().make_vault(password=PASSWORD)
    for number in range(3):
        world.edit(number)
        world.backup()


def _marked(world: World) -> None:
    _many(world)
    _forget(world, world.host(), grace=None)
    world.sleep(8)


def _forget(world: World, host: Host, grace: float | None = 0.0) -> object:
    request = ForgetRequest(keep=Keep(last=1), min_age=0.0, grace=grace, clock_is_right=True)
    return host.forget(request=request, **world.settings(host))


def nothing_is_left_over(world: World) -> None:
    """When the grace of all is over, after a forget or two, every pack is one that a snapshot needs, and no file is unfinished."""
    _forget(world, world.host())
    world.sleep(8)
    host = world.host()
    _forget(world, host)
    found = host.snapshots(**world.settings(host))
    assert len(found) == 1
    with host.app(**world.settings(host)).session() as session:
        packs = {one.name: one.size for one in session.vault.door.listing("packs/")}
        indexes = list(session.vault.door.listing("index/"))
        useful, enough = packs_needed(session.vault)
    assert not packs.keys() - useful, f"no snapshot needs anything of {packs.keys() - useful}"
    assert sum(packs.values()) <= 2 * sum(packs[name] for name in enough), "too much is there twice"
    assert len(indexes) <= len(packs)
    assert not [path for path in world.disk.rglob("*") if path.parent.name == "tmp" or path.name.endswith(".new")]


def packs_needed(vault: Vault) -> tuple[set[str], set[str]]:
    """Packs in which something lies that a snapshot needs, and as few of them as hold all of it, or nearly as few."""
    needed = Needed(Reader(vault))
    needed.add(vault.snapshots().found)
    held = {
        fmt.object_name(fmt.ObjectKind.PACK, pack.name): {r.part_id for r in pack.records if r.part_id in needed}
        for pack in vault.places.contents()
    }
    enough: set[str] = set()
    left = set().union(*held.values())
    while left:
        best = max(held, key=lambda name: len(held[name] & left))
        enough.add(best)
        left -= held[best]
    return {name for name, parts in held.items() if parts}, enough


def _with_parity(world: World) -> None:
    config = world.host().folder / "config.toml"
    config.write_text("[vault]\nparity = true\n")
    prepared(world)


def _damaged(world: World) -> None:
    """One pack is lost and one is rotten, one for photos and one for listings; a copy has both."""
    _backed_up(world)
    _copy(world, world.host())
    storage = world.host().app().storage
    lost, rotten = [one.name for one in sorted(storage.listing("packs/"), key=lambda one: one.name)][:2]
    data = bytearray(storage.get(rotten))
    data[len(data) // 3] ^= 1
    for name in (lost, rotten):
        storage.delete(name)
    storage.put(rotten, bytes(data))


def _repair(world: World, host: Host) -> object:
    request = RepairRequest(amount=Amount(share=1.0), sources=(world.copy,))
    return repair_vault(host.app(**world.settings(host)), request, Silent())


def _change_password(world: World, host: Host) -> object:
    return change_key(host.app(), "password", NEW_PASSWORD, None)


def _add_password(world: World, host: Host) -> object:
    return add_key(host.app(), "password", NEW_PASSWORD)


def _add_device(world: World, host: Host) -> object:
    return add_key(host.app(), "device", None)


def _remove_password(world: World, host: Host) -> object:
    with host.app().session() as session:
        slots, _ = session.vault.slots()
    return remove_key(host.app(), next(one.slot_id.hex() for one in slots if one.kind == "password"))


def some_password_opens(world: World) -> None:
    """The old password or the new one: never none."""
    host = world.host()
    opened = []
    for file in (world.password, world.new_password):
        with suppress(WrongKeyError):
            opened.append(host.snapshots(password_file=str(file)))
    assert opened


def words_open(world: World) -> None:
    """The recovery words open the vault whatever happened."""
    unlock(world.host().app().storage, Secrets(words=WORDS))


def copy_is_whole(world: World) -> None:
    """Once the copy was made again, it holds all that the vault holds."""
    host = world.host()
    _copy(world, host)
    host.vault = world.copy
    assert host.check(**world.settings(host)).findings == ()
    assert set(world.held) <= set(host.snapshots(**world.settings(host)))
    all_restore(world, host)


RUNS = (
    Run(name="first backup", prepare=_empty, act=_backup, after=words_open),
    Run(name="later backup", prepare=prepared, act=_backup),
    Run(name="first copy", prepare=_backed_up, act=_copy, after=copy_is_whole),
    Run(name="later copy", prepare=_copied, act=_copy, after=copy_is_whole),
    Run(name="forget", prepare=_many, act=_forget, after=nothing_is_left_over, forgets=True),
    Run(name="delete what is due", prepare=_marked, act=_forget, after=nothing_is_left_over, forgets=True),
    Run(name="backup with parity", prepare=_with_parity, act=_backup),
    Run(name="repair", prepare=_damaged, act=_repair, mends=True),
    Run(name="password added", prepare=_backed_up, act=_add_password, after=some_password_opens),
    Run(name="password changed", prepare=_backed_up, act=_change_password, after=some_password_opens),
    Run(name="password removed", prepare=_backed_up, act=_remove_password, after=words_open),
    Run(name="device key added", prepare=_backed_up, act=_add_device, after=words_open),
)


# What must hold


def survives(
    world: World, figures: Figures, run: Run | None = None, *, halves: bool = False, all_of_it: bool = True
) -> None:
    """Go on from what a crash left, and find out whether everything holds that must.

    ``halves``: half an object may be under a name, as no good storage leaves it.  ``all_of_it``: every snapshot is restored, not
    only one, another one in each state.
    """
    figures.checked()
    host = world.host()
    settings = world.settings(host)
    if run is not None and run.mends:
        run.act(world, host)
    nothing_is_found(host, settings, halves=halves)
    found = host.snapshots(**settings)
    must = list(world.held)[-1:] if run is not None and run.forgets else list(world.held)
    assert set(must) <= set(found), "a committed snapshot is gone"
    now = tree(world.photos)
    for name in found if all_of_it else found[figures.count["states checked"] % max(1, len(found)) :][:1]:
        same_as(world, host, name, world.held.get(name, now), *([] if name in world.held else world.held.values()))
        figures.restored()
    report = world.host().backup(world.photos, **settings)
    assert report.problems == ()
    same_as(world, host, report.snapshot.id, now)
    nothing_is_found(host, settings, halves=halves, parity=True)
    with host.app(**settings).session() as session:
        no_forks(session.vault.snapshots())
    if run is not None:
        run.after(world)


def nothing_is_found(host: Host, settings: dict[str, str], *, halves: bool = False, parity: bool = False) -> None:
    """A check of all data finds nothing, or half an object that costs no file.

    ``parity``: if packs are to have parity, all of them have it by now.
    """
    report = host.check(**settings)
    assert len({finding.where for finding in report.findings}) <= halves, report.findings
    assert not any(finding.files for finding in report.findings)
    notes = [note.what for note in report.notes if parity or not note.what.endswith("no parity")]
    assert halves or notes == []


def all_restore(world: World, host: Host) -> None:
    """Everything that was committed restores."""
    for name, held in world.held.items():
        same_as(world, host, name, held)


def same_as(world: World, host: Host, snapshot: str, *held: Tree) -> None:
    """A snapshot restores bit for bit; one that nobody knows of may be any of those that were held."""
    out = world.folder / "out"
    assert host.restore(out, snapshot, **world.settings(host)).damaged == ()
    restored = tree(out / "Pictures")
    shutil.rmtree(out)
    assert restored in held, f"{snapshot} does not restore as it was: {_differ(held[0], restored)}"


def _differ(one: Tree, other: Tree) -> list[bytes]:
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def no_forks(snapshots: Snapshots) -> None:
    """No two snapshots of a device have one number or follow the same one, and each follows one that is there or was forgotten."""
    found = snapshots.found
    names = {one.name for one in found} | snapshots.removed
    for mine in (lambda one: one.snapshot.number, lambda one: one.snapshot.previous):
        seen = Counter((one.snapshot.device_id, mine(one)) for one in found)
        assert max(seen.values(), default=1) == 1, "a chain is forked"
    assert all(one.snapshot.previous is None or one.snapshot.previous in names for one in found)


@contextmanager
def commits(patch: pytest.MonkeyPatch, say: Callable[[str], None]) -> Iterator[None]:
    """Say the name of each snapshot once its commit has returned."""
    real = Vault.commit

    def commit(self: Vault, snapshot: object) -> NamedSnapshot:
        made = real(self, snapshot)  # type: ignore[arg-type]
        say(made.id)
        return made

    with patch.context() as inner:
        inner.setattr(Vault, "commit", commit)
        yield
