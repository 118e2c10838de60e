"""A storage that changes anything is found out, and never makes photovault give wrong bytes.

A small vault, and for each thing a storage can do to it (a byte flipped, an object cut short, removed, swapped with
another of its kind or of another vault) one look: open, check all data, restore everything.  Bytes of layouts and
everything in clear are flipped one by one, the rest of sealed objects is sampled.  ``fresh`` is a device that never saw
the vault, ``warm`` the one that made it, with its memory of index and snapshots.  All of it runs in one thread: waiting for
threads would take most of the time, and what they do to the order is tested elsewhere.  What is in clear is thousands of
bytes: after each change the vault is opened and what is in clear is checked; of ten changes one gets the whole look.
A quick run makes one in a few of all these changes, a slow one makes all.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from concurrent.futures import Future
from contextlib import chdir
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import TYPE_CHECKING

import pytest

from photovault import durable
from photovault.check import Amount, check_clear, run_check, scrub
from photovault.device import Device, DeviceKey, load_device
from photovault.errors import PhotovaultError
from photovault.photos.choose import Choice
from photovault.restore import Overwrite, run_restore
from photovault.storage.memory import MemoryStorage
from photovault.target import Target
from photovault.vault.places import Places
from photovault.vault.reader import Reader
from photovault.vault.slots import Secrets
from photovault.vault.vault import NamedSnapshot, Vault, unlock
from photovault.workers import Workers
from tests.support.devices import PASSWORD, WORDS, Computer, Silent
from tests.support.photos import put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from photovault.model import Finding

Objects = dict[str, bytes]
SAMPLE = 97  # of so many bytes that are neither layout nor in clear, one is flipped
HEAD_END = 112
WARM = 3  # of so many changes, a device that knows the vault looks at one
RESTORED = 10  # of so many changes, one is followed by a restore of everything
QUICK = 7  # of so many changes, a quick run makes one
SEALED = ("packs/", "index/", "snapshots/")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A vault as it was made, what its snapshots hold, and what the device that made it remembers."""

    objects: Objects
    foreign: Objects
    roots: Mapping[int, bytes]
    trees: dict[str, dict[str, bytes]]
    key: bytes
    slot: str
    device: Device
    memory: sqlite3.Connection
    out: Path
    workers: Workers
    opened: Vault
    shelf: MemoryStorage
    found: tuple[NamedSnapshot, ...]


@dataclass(slots=True, kw_only=True)
class Seen:
    """What one look at a vault showed."""

    refused: PhotovaultError | None = None
    findings: list[Finding] = field(default_factory=list)
    whole: set[str] = field(default_factory=set)
    costs: set[str] = field(default_factory=set)
    lost: set[tuple[str, str]] = field(default_factory=set)


class InThisThread:
    """A pool of no threads: what is asked for is done at once."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, run: Callable[..., object], *args: object) -> Future:
        future: Future = Future()
        try:
            future.set_result(run(*args))
        except Exception as error:  # noqa: BLE001 - a future takes whatever it was
            future.set_exception(error)
        return future

    def shutdown(self, **_: object) -> None:
        pass


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A database in memory leaves an empty file of its name in the folder where one works."""
    with chdir(tmp_path_factory.mktemp("elsewhere")):
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("vault")
    storage, trees, computer = _three_runs(folder, "one")
    foreign, _, _ = _three_runs(folder, "other")
    (state,) = (folder / "one" / "state" / "vaults").iterdir()
    (cache,) = (folder / "one" / "cache" / "vaults").glob("*/*")
    key = DeviceKey(state, b"", keyring=False).load()
    assert key is not None
    keyring, slot = unlock(storage, Secrets(device=key))
    shelf = MemoryStorage()
    shelf.objects = storage.objects
    opened = Vault(shelf, keyring, Places(Path(":memory:")))
    with pytest.MonkeyPatch.context() as patch, Workers(2) as workers:
        patch.setattr("photovault.workers.ThreadPoolExecutor", InThisThread)
        yield World(
            objects=storage.objects,
            foreign=foreign.objects,
            roots=keyring.roots,
            trees=trees,
            key=key,
            slot=slot.name,
            device=load_device(state, Random(0).randbytes),
            memory=sqlite3.connect(cache / "places.sqlite"),
            out=folder / "out",
            workers=workers,
            opened=opened,
            shelf=shelf,
            found=opened.snapshots().found,
        )
    assert computer.check(storage).findings == ()


def _three_runs(folder: Path, name: str) -> tuple[MemoryStorage, dict[str, dict[str, bytes]], Computer]:
    """Three snapshots, each with something new, so that there are several packs and index objects."""
    random, storage, photos = Random(name), MemoryStorage(), folder / name / "Pictures"
    computer = Computer(folder / name, "memory:", seed=name)
    computer.make_vault(storage, password=PASSWORD)
    trees: dict[str, dict[str, bytes]] = {}
    for run in range(3):
        put(photos / f"{run}.jpg", random.randbytes(3_000 + run))
        put(photos / "inner" / f"{run}.heic", random.randbytes(2_000))
        put(photos / "changing.xmp", random.randbytes(500), mtime=1_600_000_000.0 + run)
        put(photos / "twin.jpg", (photos / "0.jpg").read_bytes())
        put(photos / "empty.jpg", b"")
        snapshot = computer.backup(photos, storage=storage).snapshot
        found = {str(path.relative_to(photos.parent)): path for path in photos.rglob("*") if path.is_file()}
        trees[snapshot.id] = {name: path.read_bytes() for name, path in found.items()}
    return storage, trees, computer


@pytest.fixture(autouse=True)
def _not_durable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Thousands of restores need not survive a power cut; what is opened as ``:memory:`` leaves a file of that name here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(durable, "sync", lambda _fd: None)


def look(world: World, objects: Objects, *, warm: bool, restore: int = 3) -> Seen:
    """Open, check and restore; fails the test when a restored file has wrong bytes or is missing without a word.

    ``restore``: so many of the newest snapshots.
    """
    storage = MemoryStorage()
    storage.objects = dict(objects)
    places = Places(Path(":memory:"))
    heads = dict(world.device.heads) if warm else {}
    if warm:
        world.memory.backup(places._db)
    try:
        keyring, _ = unlock(storage, Secrets(device=world.key))
    except PhotovaultError as error:
        return Seen(refused=error)
    vault = Vault(storage, keyring, places)
    refreshed = vault.refresh().findings
    device = Device(folder=Path("nowhere"), device_id=bytes(16), heads=heads)
    everything = Amount(share=1.0)
    report = run_check(
        vault, device, world.workers, Silent(), here="memory:", amount=everything, seed=b"", refreshed=refreshed
    )
    assert keyring.roots == world.roots
    seen = Seen(findings=list(report.findings))
    seen.costs = {file for finding in report.findings for file in finding.files}
    found = vault.snapshots().found
    seen.whole = {one.id for one in found}
    for one in found[len(found) - restore :] if restore else ():
        seen.lost |= {(one.id, name) for name in _restored(world, vault, one.id, one.snapshot.root)}
    places.close()
    assert storage.objects == objects, "looking changed the vault"
    return seen


def glance(world: World, objects: Objects) -> Seen:
    """Open, and check what is not sealed, for changes of which nothing else can know."""
    world.shelf.objects = dict(objects)
    try:
        keyring, _ = unlock(world.shelf, Secrets(device=world.key))
    except PhotovaultError as error:
        return Seen(refused=error)
    assert keyring.roots == world.roots
    return Seen(findings=list(check_clear(world.opened, world.found)), whole=set(world.trees))


def _restored(world: World, vault: Vault, snapshot: str, root: tuple[bytes, ...]) -> set[str]:
    """Restore a snapshot and compare; the names of files that are not there, which must have been reported."""
    rmtree(world.out, ignore_errors=True)
    with Target(world.out) as target:
        report = run_restore(
            Reader(vault), root, target, world.workers, Silent(), choice=Choice(), rule=Overwrite.NEVER
        )
    there = {str(path.relative_to(world.out)): path for path in world.out.rglob("*") if path.is_file()}
    wanted = world.trees[snapshot]
    for name, path in there.items():
        assert path.read_bytes() == wanted[name], f"{name} of {snapshot} came back with wrong bytes"
    reported = [problem.path for problem in report.damaged]
    lost = wanted.keys() - there.keys()
    for name in lost:
        assert any(name == path or name.startswith(f"{path}/") or path == "/" for path in reported), name
    assert report.problems == ()
    return lost


def scrubbed(world: World, objects: Objects) -> tuple[Finding, ...]:
    """What anybody finds without a key."""
    storage = MemoryStorage()
    storage.objects = dict(objects)
    return scrub(storage, world.workers, Silent()).findings


# What a storage can do to one object


def flips(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Each byte in turn; of the inside of sealed objects, a sample."""
    random = Random(name)
    layout, every = range(len(data)), 1
    if name.startswith(SEALED):
        layout, every = range(HEAD_END), SAMPLE
    elif not name.startswith("keys/") and name != "vault.json":
        layout, every = range(1), SAMPLE
    positions = {*layout, *range(random.randrange(every), len(data), every), len(data) - 1}
    for at in sorted(positions):
        mask = 1 << random.choice((0, 0, *range(8)))  # the lowest bit makes another digit of a digit
        yield f"{name}: byte {at} ^ {mask}", data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def cuts(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Cut short at every sixteenth, and by a single byte; and something after the end."""
    for length in [*(len(data) * part // 16 for part in range(16)), len(data) - 1]:
        yield f"{name}: cut to {length}", data[:length]
    yield f"{name}: a byte more", data + b"\0"


def swaps(name: str, objects: Objects, foreign: Objects) -> Iterator[tuple[str, bytes]]:
    """The bytes of every other object of the same kind, here and in another vault."""
    kind = name.partition("/")[0]
    for source, where in ((objects, "here"), (foreign, "in another vault")):
        for other, data in source.items():
            if other.partition("/")[0] == kind and data != source.get(name) and data != objects[name]:
                yield f"{name}: bytes of {other} {where}", data


def all_changes(world: World, prefix: str) -> Iterator[tuple[str, str, Objects]]:
    """(object, what is done, the objects then) for everything that changes bytes under names below ``prefix``."""
    for name, data in sorted(world.objects.items()):
        if name.startswith(prefix):
            changes = [*flips(name, data), *cuts(name, data), *swaps(name, world.objects, world.foreign)]
            for what, changed in changes:
                yield name, what, world.objects | {name: changed}


KINDS = ["FORMAT.md", "RECOVER.txt", "recover.py", "keys/", "packs/", "index/", "snapshots/"]
DEVICES = pytest.mark.parametrize("warm", [False, True], ids=["fresh", "warm"])


@DEVICES
def test_the_vault_as_it_was_made_is_whole(world: World, warm: bool) -> None:
    kinds = [name.partition("/")[0] for name in world.objects]
    assert [kinds.count(kind) for kind in ("keys", "packs", "index", "snapshots")] == [3, 3, 3, 3]
    seen = look(world, world.objects, warm=warm)
    assert seen == Seen(whole=set(world.trees))
    assert scrubbed(world, world.objects) == ()


AMOUNTS = pytest.mark.parametrize("every", [QUICK, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])


@DEVICES
@AMOUNTS
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_changed_is_found_and_nothing_comes_back_wrong(
    world: World, kind: str, every: int, warm: bool
) -> None:
    for number, (name, what, objects) in enumerate(islice(all_changes(world, kind), 0, None, every)):
        restored = number % RESTORED == 0
        whole = restored or kind in SEALED
        if warm and (number % WARM or not whole):  # what a device remembers has no part in a glance
            continue
        try:
            if whole:
                restore = 3 if restored else int(kind == "packs/")  # the newest snapshot needs every pack
                seen = look(world, objects, warm=warm, restore=restore)
            else:
                seen = glance(world, objects)
            if seen.refused is not None:
                assert name == world.slot, f"an object that is not needed for opening stopped it: {seen.refused.what}"
                assert seen.refused.exit_code in {12, 13}
                continue
            assert any(finding.where in name for finding in seen.findings if finding.where), "check did not find it"
            _costs_no_more_than_it_must(world, kind, name, seen, warm=warm)
            if kind in SEALED:
                assert [finding.where for finding in scrubbed(world, objects)] == [name]
        except BaseException as error:
            error.add_note(what)
            raise
    assert number * every > 40


def _costs_no_more_than_it_must(world: World, kind: str, name: str, seen: Seen, *, warm: bool) -> None:
    if kind != "packs/":
        assert not seen.lost
        assert not seen.costs
    assert all(_is_named(*lost, seen.costs) for lost in seen.lost)
    if kind == "snapshots/" and not warm:
        assert seen.whole == world.trees.keys() - {name.partition("/")[2]}
    else:
        assert seen.whole == world.trees.keys()


def _is_named(snapshot: str, name: str, costs: set[str]) -> bool:
    """Whether a finding says that this file is lost, or a folder that it is in."""
    folders = [f"{snapshot[:8]}:{path}" for path in (name, *map(str, Path(name).parents), "/")]
    return any(path in costs for path in folders)


@DEVICES
def test_a_header_that_was_changed_opens_nothing(world: World, warm: bool) -> None:
    for _, what, objects in all_changes(world, "vault.json"):
        seen = look(world, objects, warm=warm)
        assert seen.refused is not None, what
        assert seen.refused.exit_code in {1, 12, 13}, what


def test_a_damaged_slot_is_refused_and_another_one_opens(world: World) -> None:
    codes = set()
    for name, what, objects in all_changes(world, world.slot):
        storage = MemoryStorage()
        storage.objects = dict(objects)
        with pytest.raises(PhotovaultError) as caught:
            unlock(storage, Secrets(device=world.key))
        codes.add(caught.value.exit_code)
        keyring, _ = unlock(storage, Secrets(words=WORDS))
        assert keyring.roots == world.roots, what
        _, findings = Vault(storage, keyring, Places(Path(":memory:"))).slots()
        assert [finding.where for finding in findings] == [name], what
    assert codes == {12, 13}


# Removal


@DEVICES
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_removed_is_missed(world: World, kind: str, warm: bool) -> None:
    """Index objects are hints: the packs say the same.  A snapshot that a device never saw it cannot miss."""
    newest = list(world.trees)[-1]
    for name in [name for name in world.objects if name.startswith(kind)]:
        seen = look(world, {other: data for other, data in world.objects.items() if other != name}, warm=warm)
        if name == world.slot:
            assert seen.refused is not None
        elif kind == "index/":
            assert seen == Seen(whole=set(world.trees))
        elif name.endswith(newest) and not warm:
            assert seen == Seen(whole=world.trees.keys() - {newest})
        else:
            assert seen.findings, name
            assert bool(seen.lost) is (kind == "packs/")
            assert all(_is_named(*lost, seen.costs) for lost in seen.lost)


def test_all_snapshots_removed_is_found_by_the_device_that_made_them(world: World) -> None:
    objects = {name: data for name, data in world.objects.items() if not name.startswith("snapshots/")}
    seen = look(world, objects, warm=True)
    assert ["older state" in finding.what for finding in seen.findings] == [True]


def test_all_indexes_removed_costs_nothing(world: World) -> None:
    objects = {name: data for name, data in world.objects.items() if not name.startswith("index/")}
    assert look(world, objects, warm=False) == Seen(whole=set(world.trees))


@pytest.mark.parametrize("version", [0, 2, 255])
def test_a_pack_of_another_version_costs_only_itself_with_no_index_to_describe_it(world: World, version: int) -> None:
    objects = {name: data for name, data in world.objects.items() if not name.startswith("index/")}
    for name in [name for name in objects if name.startswith("packs/")]:
        changed = objects | {name: objects[name][:6] + bytes([version]) + objects[name][7:]}
        seen = look(world, changed, warm=False)
        assert any(finding.where == name for finding in seen.findings)


# What is put there


def test_foreign_objects_beside_ours_change_nothing(world: World) -> None:
    for name, data in world.foreign.items():
        if name not in world.objects:
            seen = look(world, world.objects | {name: data}, warm=False)
            assert seen.whole == set(world.trees)
            assert not seen.lost
            assert {finding.where for finding in seen.findings} == {name}


def test_objects_under_names_of_their_own_bytes_change_nothing(world: World) -> None:
    """A storage can name its garbage correctly; that makes it no more than garbage."""
    for start in (b"", b"PVSEAL\x01\x01", b"PVSEAL\x01\x02", b"PVSEAL\x01\x03"):
        data = start + struct.pack("<II", 1, 0) + Random(1).randbytes(2**14 - 8 - len(start))
        digest = hashlib.sha256(data).hexdigest()
        for name in (f"packs/{digest[:2]}/{digest}", f"index/{digest}", f"snapshots/{digest}"):
            seen = look(world, world.objects | {name: data}, warm=False)
            assert seen.whole == set(world.trees)
            assert not seen.lost
            assert {finding.where for finding in seen.findings} == {name}


@pytest.mark.parametrize(
    "name", ["keys/.DS_Store", "keys/desktop.ini", "snapshots/x", "index/.x", "packs/x", "note.txt"]
)
def test_things_that_file_managers_drop_are_left_alone(world: World, name: str) -> None:
    assert look(world, world.objects | {name: b"anything"}, warm=False) == Seen(whole=set(world.trees))
