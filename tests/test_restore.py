"""Restoring: what is decided for each file, and trees that were made to harm."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.errors import RefusedError
from photovault.model import Entry, EntryKind
from photovault.photos.choose import choose
from photovault.restore import Decision, Overwrite, decide, run_restore
from photovault.storage.memory import MemoryStorage
from photovault.target import Target
from photovault.vault import format as fmt
from photovault.vault.format import PartKind
from photovault.vault.pack import plain_record
from photovault.vault.reader import Fetcher, Reader
from photovault.vault.writer import Writer
from photovault.workers import Workers
from tests.support.devices import Silent
from tests.support.photos import put
from tests.support.world import make_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from photovault.restore import RestoreReport
    from photovault.target import Pending
    from photovault.vault.places import Place
    from photovault.vault.vault import Vault

NEWER, SAME, OLDER = 200, 100, 50


def there(size: int, mtime_ns: int, kind: int = stat.S_IFREG) -> os.stat_result:
    return os.stat_result([kind | 0o644, 1, 1, 1, 0, 0, size, 0, 0, 0], {"st_mtime_ns": mtime_ns})


FILE = Entry(name=b"a", kind=EntryKind.FILE, mode=0o644, mtime_ns=SAME, size=10)
LINK = Entry(name=b"a", kind=EntryKind.LINK, mode=0o777, mtime_ns=SAME, target=b"x")
W, K, C = Decision.WRITE, Decision.KEEP, Decision.COMPARE


@pytest.mark.parametrize(
    ("now", "never", "newer", "changed", "always"),
    [
        (None, W, W, W, W),
        (there(10, SAME), K, K, K, C),
        (there(10, NEWER), K, K, W, C),
        (there(10, OLDER), K, W, W, C),
        (there(11, SAME), K, K, W, W),
        (there(11, OLDER), K, W, W, W),
        (there(10, SAME, stat.S_IFLNK), K, W, W, W),
        (there(10, SAME, stat.S_IFIFO), K, W, W, W),
    ],
)
def test_what_happens_to_a_file_that_is_there(now: os.stat_result | None, never, newer, changed, always) -> None:
    rules = [Overwrite.NEVER, Overwrite.IF_NEWER, Overwrite.IF_CHANGED, Overwrite.ALWAYS]
    assert [decide(FILE, now, rule) for rule in rules] == [never, newer, changed, always]


def test_a_link_is_kept_or_made_anew() -> None:
    assert decide(LINK, None, Overwrite.NEVER) is W
    assert decide(LINK, there(1, SAME, stat.S_IFLNK), Overwrite.NEVER) is K
    assert decide(LINK, there(1, SAME, stat.S_IFLNK), Overwrite.IF_CHANGED) is W


class Forge:
    """Makes listings that no backup would make."""

    def __init__(self, vault: Vault, workers: Workers) -> None:
        self.vault = vault
        self._workers = workers
        self._writer = Writer(vault, workers)

    def file(self, name: bytes, data: bytes = b"data", **more: object) -> Entry:
        parts = []
        for at in range(0, len(data), fmt.PART_MAX):
            piece = data[at : at + fmt.PART_MAX]
            part_id = self.vault.keyring.part_id(PartKind.CONTENT, piece)
            self._writer.add(plain_record(part_id, PartKind.CONTENT, len(piece)), piece)
            parts.append(part_id)
        values = {"digest": hashlib.sha256(data).digest(), "mode": 0o644, "mtime_ns": 10**18} | more
        return Entry(name=name, kind=EntryKind.FILE, size=len(data), parts=tuple(parts), **values)

    def folder(self, name: bytes, *entries: Entry, **more: object) -> Entry:
        values = {"mode": 0o755, "mtime_ns": 10**18} | more
        return Entry(name=name, kind=EntryKind.FOLDER, parts=self.listing(entries), **values)

    def listing(self, entries: Sequence[Entry]) -> tuple[bytes, ...]:
        """One page for each entry: within a page, names that repeat or are out of order are refused as damage."""
        pages = [fmt.encode_pages([(entry.name, fmt.encode_entry(entry))]) for entry in entries]
        return tuple(self._writer.add_listing(page) for (page,) in pages)

    def restore(
        self,
        to: Path,
        *entries: Entry,
        paths: Sequence[str] = (),
        rule: Overwrite = Overwrite.NEVER,
        platform: str = "linux",
        folds_case: bool = False,
    ) -> RestoreReport:
        root = self.listing(entries)
        self._writer.finish()
        with Target(to, platform=platform) as target:
            target.folds_case |= folds_case
            return run_restore(
                Reader(self.vault), root, target, self._workers, Silent(), choice=choose(paths), rule=rule
            )


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    vault = make_vault(tmp_path)
    with Workers(2) as workers:
        yield Forge(vault, workers)
    vault.places.close()


def link(name: bytes, target: bytes) -> Entry:
    return Entry(name=name, kind=EntryKind.LINK, mode=0o777, mtime_ns=10**18, target=target)


def contents(root: Path) -> list[bytes]:
    """Names of all files below, in order."""
    return sorted(name for _, _, files in os.walk(os.fsencode(root)) for name in files)


@pytest.mark.parametrize("name", [b"..", b".", b"", b"a/b", b"../../escaped", b"/escaped", b"a\0b", b"x" * 300])
@pytest.mark.parametrize("as_folder", [False, True])
def test_no_name_leads_out_of_the_target(forge: Forge, tmp_path: Path, name: bytes, as_folder: bool) -> None:
    before = sorted(tmp_path.iterdir())
    inner = forge.file(b"escaped.jpg")
    one = forge.folder(name, inner) if as_folder else forge.file(name)
    report = forge.restore(tmp_path / "in" / "out", one, forge.file(b"good.jpg"))
    assert sorted(path for path in tmp_path.iterdir() if path.name != "in") == before
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["out"]
    assert report.restored == 2
    assert len(contents(tmp_path / "in" / "out")) == 2
    assert b"good.jpg" in contents(tmp_path / "in" / "out")


def test_a_name_that_was_changed_is_reported(forge: Forge, tmp_path: Path) -> None:
    report = forge.restore(tmp_path / "out", forge.file(b"a/b.jpg"))
    (renamed,) = report.renamed
    assert renamed.path == "a/b.jpg"
    assert "a_b~photovault-" in renamed.what


def test_devices_and_case_on_windows_get_names_of_their_own(forge: Forge, tmp_path: Path) -> None:
    entries = [forge.file(name, name) for name in (b"A.jpg", b"CON", b"a.jpg", b"b:c.jpg", b"dot.")]
    report = forge.restore(tmp_path / "out", *entries, platform="win32")
    assert report.restored == 5
    assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == {entry.name for entry in entries}
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert len({name.lower() for name in names}) == 5
    assert not {"CON", "b:c.jpg", "dot."} & set(names)


def test_two_entries_of_one_name_are_both_restored(forge: Forge, tmp_path: Path) -> None:
    report = forge.restore(tmp_path / "out", forge.file(b"a.jpg", b"1"), forge.file(b"a.jpg", b"2"))
    assert report.restored == 2
    assert {path.read_bytes() for path in (tmp_path / "out").iterdir()} == {b"1", b"2"}


def test_a_link_in_the_snapshot_is_not_written_through(forge: Forge, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    trap = link(b"a", os.fsencode(outside))
    report = forge.restore(tmp_path / "out", trap, forge.folder(b"a", forge.file(b"x.jpg")))
    assert list(outside.iterdir()) == []
    assert report.restored == 2


def test_a_link_in_the_target_is_not_written_through(forge: Forge, tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    (out / "a").symlink_to(outside)
    (out / "b.jpg").symlink_to(outside / "b.jpg")
    report = forge.restore(out, forge.folder(b"a", forge.file(b"x.jpg")), forge.file(b"b.jpg"), rule=Overwrite.ALWAYS)
    assert list(outside.iterdir()) == []
    assert [one.path for one in report.problems] == ["a/x.jpg", "a"]
    assert not (out / "b.jpg").is_symlink()


def test_rights_that_would_harm_are_not_restored(forge: Forge, tmp_path: Path) -> None:
    forge.restore(tmp_path / "out", forge.folder(b"f", forge.file(b"a", mode=0o6755), mode=0o7755))
    assert (tmp_path / "out" / "f" / "a").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "out" / "f").stat().st_mode & 0o7777 == 0o755


def test_only_attributes_of_the_user_are_restored(forge: Forge, tmp_path: Path) -> None:
    xattrs = (("security.capability", b"x"), ("trusted.x", b"x"), ("user.note", b"kept"))
    report = forge.restore(tmp_path / "out", forge.file(b"a", xattrs=xattrs))
    assert report.restored == 1
    assert os.listxattr(tmp_path / "out" / "a") == ["user.note"]


def test_impossible_times_and_sizes_cost_no_other_file(forge: Forge, tmp_path: Path) -> None:
    report = forge.restore(
        tmp_path / "out",
        forge.file(b"a", mtime_ns=(1 << 63) + 1),
        forge.file(b"b", digest=bytes(32)),
        forge.file(b"c"),
        link(b"d", b""),
        link(b"e", b"nul\0nul"),
    )
    assert contents(tmp_path / "out") == [b"a", b"c"]
    assert [one.path for one in report.damaged] == ["b"]
    assert [one.path for one in report.problems] == ["d", "e"]


def test_a_size_that_is_a_lie_is_damage_and_leaves_no_file(forge: Forge, tmp_path: Path) -> None:
    report = forge.restore(tmp_path / "out", replace(forge.file(b"a"), size=10**6), forge.file(b"b"))
    assert [one.path for one in report.damaged] == ["a"]
    assert contents(tmp_path / "out") == [b"b"]


def test_a_part_that_is_nowhere_costs_only_its_files(forge: Forge, tmp_path: Path) -> None:
    lost = Entry(name=b"a", kind=EntryKind.FILE, mode=0o644, mtime_ns=0, size=5, digest=bytes(32), parts=(bytes(32),))
    page = Entry(name=b"f", kind=EntryKind.FOLDER, mode=0o755, mtime_ns=0, parts=(bytes([1] * 32),))
    report = forge.restore(tmp_path / "out", lost, forge.file(b"b"), page)
    assert [one.path for one in report.damaged] == ["a", "f"]
    assert contents(tmp_path / "out") == [b"b"]


def test_a_very_deep_tree_is_restored_as_far_as_it_goes(
    forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.target.root._DEEPEST", 50)
    tree = forge.file(b"deep.jpg")
    for _ in range(60):
        tree = forge.folder(b"d", tree)
    report = forge.restore(tmp_path / "out", tree, forge.file(b"good.jpg"))
    assert contents(tmp_path / "out") == [b"good.jpg"]
    assert report.problems


def test_a_folder_where_a_file_should_be_is_a_problem_of_that_file(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "f").write_bytes(b"a file where a folder should be")
    report = forge.restore(
        tmp_path / "out",
        forge.file(b"a"),
        forge.file(b"b"),
        forge.folder(b"f", forge.file(b"c")),
        rule=Overwrite.ALWAYS,
    )
    assert sorted(one.path for one in report.problems) == ["a", "f", "f/c"]
    assert (tmp_path / "out" / "b").read_bytes() == b"data"
    assert (tmp_path / "out" / "f").read_bytes() == b"a file where a folder should be"


def test_a_chosen_folder_gets_its_time_and_rights(forge: Forge, tmp_path: Path) -> None:
    inner = forge.folder(b"in", forge.file(b"a"), forge.folder(b"empty"), mode=0o750, mtime_ns=5 * 10**17)
    outer = forge.folder(b"out", inner, forge.file(b"b"), mode=0o711, mtime_ns=6 * 10**17)
    report = forge.restore(tmp_path / "to", outer, paths=["out/in"])
    assert contents(tmp_path / "to") == [b"a"]
    assert (tmp_path / "to" / "out" / "in" / "empty").is_dir()
    for path, mode, mtime_ns in (("out/in", 0o750, 5 * 10**17), ("out", 0o711, 6 * 10**17)):
        st = (tmp_path / "to" / path).stat()
        assert (st.st_mode & 0o777, st.st_mtime_ns) == (mode, mtime_ns), path
    assert report.folders == 2


def test_a_chosen_file_leaves_folders_that_were_there_alone(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "to" / "out").mkdir(parents=True)
    os.chmod(tmp_path / "to" / "out", 0o700)
    outer = forge.folder(b"out", forge.file(b"a"), forge.folder(b"other", forge.file(b"b")), mode=0o711)
    forge.restore(tmp_path / "to", outer, paths=["out/a"])
    assert (tmp_path / "to" / "out").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "to" / "out").iterdir()] == ["a"]


def test_a_large_file_comes_back_in_windows(forge: Forge, tmp_path: Path) -> None:
    data = os.urandom(20_000_000)
    assert forge.restore(tmp_path / "out", forge.file(b"movie.mp4", data)).size == len(data)
    assert (tmp_path / "out" / "movie.mp4").read_bytes() == data


def test_what_a_stopped_restore_left_behind_goes_with_the_next_one(tmp_path, vault, photovault) -> None:
    put(tmp_path / "Pictures" / "2021" / "a.jpg", b"photo")
    assert photovault("backup", tmp_path / "Pictures").code == 0
    left = put(tmp_path / "out" / "Pictures" / "2021" / ".photovault-0123456789abcdef.tmp", b"half a photo")
    assert photovault("restore", "-n", "--to", tmp_path / "out").code == 0
    assert left.exists()
    assert photovault("restore", "--to", tmp_path / "out").code == 0
    assert [path.name for path in left.parent.iterdir()] == ["a.jpg"]


@pytest.mark.parametrize("stop", [RefusedError("no space left"), KeyboardInterrupt()])
def test_what_is_whole_when_a_restore_ends_early_has_its_name(
    forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    real = Target.begin

    def begin(self: Target, parts: tuple[bytes, ...], size: int) -> Pending:
        if parts == (b"b.mp4",):
            raise stop
        return real(self, parts, size)

    monkeypatch.setattr(Target, "begin", begin)
    large = forge.file(b"b.mp4", os.urandom(9_000_000))
    with pytest.raises(type(stop)):
        forge.restore(tmp_path / "out", forge.file(b"a.jpg", b"whole"), large, forge.file(b"c.jpg", b"later"))
    assert (tmp_path / "out" / "a.jpg").read_bytes() == b"whole"


def test_a_restore_that_ends_early_leaves_no_temporary_files(
    tmp_path: Path, vault: Path, photovault: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("a.jpg", 5), ("b.mp4", 9_000_000), ("c.mp4", 9_000_000)):
        put(tmp_path / "P" / name, os.urandom(size))
    assert photovault("backup", tmp_path / "P").code == 0
    real = Target.begin

    def begin(self: Target, parts: tuple[bytes, ...], size: int) -> Pending:
        if parts[-1] == b"b.mp4":
            raise RefusedError("no space left")
        if parts[-1] == b"c.mp4":
            time.sleep(0.3)  # it begins when the run has ended already
        return real(self, parts, size)

    monkeypatch.setattr(Target, "begin", begin)
    assert photovault("restore", "--to", tmp_path / "out").code == 1
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["a.jpg"]


# Requests.


def photos_of(vault: Vault, workers: Workers, *, apart: bool) -> tuple[list[Entry], tuple[bytes, ...]]:
    """Forty photos in four folders, their metadata beside the pictures or in packs of their own, and the root."""
    random, tables = Random(1), b"tables" * 100
    found = [[random.randbytes(20_000), tables, random.randbytes(700_000 + 20_000 * n)] for n in range(40)]
    writer, entries = Writer(vault, workers), []
    for parts in found:
        pieces = [(vault.keyring.part_id(PartKind.CONTENT, part), part) for part in parts]
        name, digest = f"{len(entries):03}.jpg".encode(), hashlib.sha256(b"".join(parts)).digest()
        sizes, ids = sum(map(len, parts)), tuple(part_id for part_id, _ in pieces)
        entry = Entry(name=name, kind=EntryKind.FILE, mode=0o644, mtime_ns=10**18, size=sizes, digest=digest, parts=ids)
        entries.append(entry)
        writer.add_content(pieces[2:] if apart else pieces)
    if apart:
        writer.finish()
        writer = Writer(vault, workers)
        for parts in found:
            writer.add_content((vault.keyring.part_id(PartKind.CONTENT, part), part) for part in parts[:2])
    folders = []
    for at in range(0, 40, 10):
        pages = fmt.encode_pages([(one.name, fmt.encode_entry(one)) for one in entries[at : at + 10]])
        name, ids = f"{at}".zfill(2).encode(), tuple(map(writer.add_listing, pages))
        folder = Entry(name=name, kind=EntryKind.FOLDER, mode=0o755, mtime_ns=10**18, parts=ids)
        folders.append((name, fmt.encode_entry(folder)))
    root = tuple(map(writer.add_listing, fmt.encode_pages(folders)))
    writer.finish()
    return entries, root


@pytest.mark.parametrize(("apart", "most"), [(False, 14), (True, 24)])
def test_photos_that_lie_side_by_side_come_in_few_requests(apart: bool, most: int, tmp_path: Path, monkeypatch) -> None:
    """Over a network each costs a round trip: about one for 8 MiB and two for a pack, not two for a photo."""
    storage, asked = MemoryStorage(), []
    vault, get = make_vault(tmp_path, storage), storage.get
    with Workers(4) as workers:
        entries, root = photos_of(vault, workers, apart=apart)
        monkeypatch.setattr(storage, "get", lambda *words: asked.append(words) or get(*words))
        with Target(tmp_path / "out") as target:
            report = run_restore(
                Reader(vault, around=True), root, target, workers, Silent(), choice=choose(()), rule=Overwrite.NEVER
            )
    vault.places.close()
    assert (report.restored, report.damaged, report.problems) == (40, (), ())
    back = sorted(path for path in (tmp_path / "out").rglob("*.jpg"))
    assert [hashlib.sha256(path.read_bytes()).digest() for path in back] == [entry.digest for entry in entries]
    assert len(asked) <= most


def test_small_sizes_that_are_lies_do_not_fill_the_memory(forge: Forge, tmp_path: Path, monkeypatch) -> None:
    """Sixty files are restored by one job if they are small; these say so, and are not."""
    asked, fetch = [], Fetcher.fetch

    def counting(fetcher: Fetcher, places: Iterable[Place]) -> dict:
        some = [*places]
        asked.append(sum(place.region.record.length for place in some))
        return fetch(fetcher, some)

    big = forge.file(b"x", os.urandom(2**20) * 3)
    liars = [replace(big, name=b"%02d" % number, size=1) for number in range(12)]
    monkeypatch.setattr(Fetcher, "fetch", counting)
    assert len(forge.restore(tmp_path / "out", *liars).damaged) == 12
    assert max(asked) <= 8 * 2**20
