"""The catalog answers what is known of files, and forgets what it must forget, and no more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photovault.catalog import Catalog, KnownFolder
from photovault.database import DamagedError
from photovault.model import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = "/home/me/Pictures"
PART = bytes(range(32))


def folder(**changes: object) -> KnownFolder:
    plain = KnownFolder(
        number=0,
        mode=0o755,
        mtime_ns=-1_600_000_000_000_000_001,
        mount=False,
        hollow=False,
        pages=(PART, PART[::-1]),
        files=3,
        folders=2,
        links=1,
        size=2**45,
    )
    return plain._replace(**changes)


def stamp(name: bytes, ino: int = 1, **changes: int) -> Stamp:
    return Stamp(name, ino, 100, 5, 6)._replace(**changes)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog(tmp_path / "catalog.sqlite")
    yield made
    made.close()


def known(catalog: Catalog, path: bytes, source: str = SOURCE) -> KnownFolder:
    found = catalog.folder(source, path)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "given_folder",
    [folder(), folder(mount=True), folder(hollow=True), folder(pages=()), folder(pages=(PART,) * 300, files=0, size=0)],
)
def test_a_folder_comes_back_as_it_was_put(catalog: Catalog, given_folder: KnownFolder) -> None:
    catalog.put_folder(SOURCE, b"a/b", given_folder, [])
    found = known(catalog, b"a/b")
    assert found._replace(number=0) == given_folder
    assert found.number > 0
    assert catalog.folder(SOURCE, b"a") is None
    assert catalog.folder("/other", b"a/b") is None


def test_files_come_back_as_they_were_put(catalog: Catalog) -> None:
    files = {stamp(b"a.jpg"): b"{a}", stamp(b"\xff\xfe.jpg", mtime_ns=-1, ctime_ns=-1): b"{b}"}
    catalog.put_folder(SOURCE, b"", folder(), files.items())
    number = known(catalog, b"").number
    assert catalog.stamps(number) == set(files)
    assert catalog.entries(number) == {one.name: entry for one, entry in files.items()}
    assert catalog.stamps(number + 1) == set()


def test_putting_a_folder_again_replaces_its_files_and_keeps_its_number(catalog: Catalog) -> None:
    catalog.put_folder(SOURCE, b"a", folder(), [(stamp(b"old"), b"1"), (stamp(b"both"), b"2")])
    number = known(catalog, b"a").number
    catalog.put_folder(SOURCE, b"a", folder(size=7), [(stamp(b"both", size=9), b"3")])
    assert known(catalog, b"a") == folder(number=number, size=7)
    assert catalog.entries(number) == {b"both": b"3"}


def test_a_file_that_moved_is_found_by_its_inode_in_any_source(catalog: Catalog) -> None:
    catalog.put_folder(SOURCE, b"a", folder(), [(stamp(b"x", 7), b"1"), (stamp(b"y", 8), b"2")])
    catalog.put_folder("/other", b"b", folder(), [(stamp(b"z", 7, size=5), b"3")])
    assert sorted(catalog.by_inode(7)) == [(stamp(b"x", 7), b"1"), (stamp(b"z", 7, size=5), b"3")]
    assert catalog.by_inode(9) == []


def test_a_folder_knows_the_folders_directly_in_it(catalog: Catalog) -> None:
    for path in (b"", b"a", b"a/b", b"a/c", b"a/c/d", b"ab", b"\xff"):
        catalog.put_folder(SOURCE, path, folder(), [])
    catalog.put_folder("/other", b"a/x", folder(), [])
    assert catalog.subfolders(SOURCE, b"") == {b"a", b"ab", b"\xff"}
    assert catalog.subfolders(SOURCE, b"a") == {b"b", b"c"}
    assert catalog.subfolders(SOURCE, b"a/b") == set()


NAMES = st.binary(min_size=1, max_size=3).filter(lambda name: b"/" not in name and b"\0" not in name)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)


@settings(max_examples=60, deadline=None)
@given(paths=st.sets(PATHS, min_size=1, max_size=12), data=st.data())
def test_dropping_a_folder_drops_what_is_below_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, paths: set[bytes], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(sorted(paths)))
    catalog = Catalog(tmp_path_factory.mktemp("c") / "catalog.sqlite")
    for ino, path in enumerate(sorted(paths), 1):
        catalog.put_folder(SOURCE, path, folder(), [(stamp(b"f", ino), path)])
        catalog.put_folder("/other", path, folder(), [])
    catalog.drop_folder(SOURCE, gone)
    for ino, path in enumerate(sorted(paths), 1):
        dropped = path == gone or path.startswith(gone + b"/")
        assert (catalog.folder(SOURCE, path) is None) is dropped
        assert (catalog.by_inode(ino) == []) is dropped
        assert catalog.folder("/other", path) is not None
    catalog.close()


def test_only_what_was_committed_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    catalog = Catalog(path)
    assert catalog.is_empty()
    catalog.put_folder(SOURCE, b"kept", folder(), [])
    catalog.commit()
    catalog.put_folder(SOURCE, b"lost", folder(), [])
    catalog.drop_folder(SOURCE, b"kept")
    catalog.close()
    catalog = Catalog(path)
    assert not catalog.is_empty()
    assert catalog.folder(SOURCE, b"kept") is not None
    assert catalog.folder(SOURCE, b"lost") is None
    catalog.clear()
    assert catalog.is_empty()
    catalog.close()


def test_files_whose_parts_went_are_forgotten_and_folders_are_listed_again(catalog: Catalog) -> None:
    catalog.put_folder(
        SOURCE, b"a", folder(), [(stamp(b"whole"), b"p q"), (stamp(b"lost"), b"p r"), (stamp(b"no parts"), b"")]
    )
    assert catalog.retain({b"p", b"q"}.__contains__, bytes.split) == 1
    found = known(catalog, b"a")
    assert catalog.entries(found.number).keys() == {b"whole", b"no parts"}
    assert found.mtime_ns == -1
    assert found.pages == folder().pages


def test_times_beyond_what_the_database_holds_do_not_stop_it(catalog: Catalog) -> None:
    far = stamp(b"a", mtime_ns=2**70, ctime_ns=-(2**70))
    catalog.put_folder(SOURCE, b"", folder(mtime_ns=2**64), [(far, b"1")])
    number = known(catalog, b"").number
    assert catalog.entries(number) == {b"a": b"1"}
    assert far not in catalog.stamps(number), "such a file is read each time"


def test_a_source_whose_path_is_not_text(catalog: Catalog) -> None:
    catalog.put_folder("/mnt/\udcff", b"", folder(), [])
    assert catalog.folder("/mnt/\udcff", b"") is not None


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE files SET entry = CAST(\'{"name":"b"}\' AS BLOB)',
        "UPDATE folders SET pages = zeroblob(64)",
        "UPDATE folders SET size = size + 1",
    ],
)
def test_a_rotten_row_never_becomes_part_of_a_snapshot(catalog: Catalog, statement: str, tmp_path: Path) -> None:
    catalog.put_folder(SOURCE, b"", folder(), [(stamp(b"a", 7), b"{}")])
    catalog.commit()
    catalog._db.execute(statement)
    catalog.commit()

    def use() -> None:
        catalog.entries(known(catalog, b"").number)

    with pytest.raises(DamagedError, match=r"catalog\.sqlite was damaged and has been removed") as caught:
        use()
    assert "run the same command again" in caught.value.hint
    assert not (tmp_path / "catalog.sqlite").exists()


def test_a_rotten_entry_of_a_moved_file_is_noticed_or_forgotten(catalog: Catalog) -> None:
    catalog.put_folder(SOURCE, b"", folder(), [(stamp(b"a", 7), b"p")])
    catalog._db.execute("UPDATE files SET entry = CAST('q' AS BLOB)")
    assert catalog.retain(lambda _: True, bytes.split) == 1
    catalog.put_folder(SOURCE, b"", folder(), [(stamp(b"a", 7), b"p")])
    catalog._db.execute("UPDATE files SET entry = CAST('q' AS BLOB)")
    with pytest.raises(DamagedError):
        catalog.by_inode(7)


# Another destination


def taken_over(tmp_path: Path, catalog: Catalog, lost: set[bytes]) -> set[bytes]:
    """Paths of the folders that a destination without the parts ``lost`` may take over."""
    other = Catalog(tmp_path / "other.sqlite")
    other.take_over(catalog, lambda part: part not in lost, lambda entry: [entry])
    other.commit()
    found = set()
    for path in (b"", b"a", b"a/b", b"c"):
        there = other.folder(SOURCE, path)
        if there is None:
            continue
        found.add(path)
        mine = known(catalog, path)
        assert there == mine
        assert other.stamps(there.number) == catalog.stamps(mine.number)
        assert other.entries(there.number) == catalog.entries(mine.number)
    other.close()
    return found


@pytest.fixture
def tree(catalog: Catalog) -> Catalog:
    for number, path in enumerate((b"", b"a", b"a/b", b"c")):
        files = [(stamp(b"f", number), b"entry of " + path), (stamp(b"g", 9), b"another")]
        catalog.put_folder(SOURCE, path, folder(pages=(bytes([number]) * 32,)), files)
    catalog.commit()
    return catalog


def test_another_destination_that_has_everything_takes_all_over(tmp_path: Path, tree: Catalog) -> None:
    assert taken_over(tmp_path, tree, set()) == {b"", b"a", b"a/b", b"c"}


@pytest.mark.parametrize(
    ("lost", "left"),
    [
        (b"entry of a/b", {b"c"}),
        (b"\2" * 32, {b"c"}),
        (b"entry of a", {b"a/b", b"c"}),
        (b"\3" * 32, {b"a", b"a/b"}),
        (b"\0" * 32, {b"a", b"a/b", b"c"}),
        (b"another", set()),
    ],
)
def test_a_folder_of_which_anything_below_is_missing_is_not_taken_over(
    tmp_path: Path, tree: Catalog, lost: bytes, left: set[bytes]
) -> None:
    assert taken_over(tmp_path, tree, {lost}) == left


def test_a_rotten_row_is_not_taken_over(tmp_path: Path, tree: Catalog) -> None:
    tree._db.execute("UPDATE files SET entry = X'00' WHERE entry = ?", (b"entry of c",))
    other = Catalog(tmp_path / "other.sqlite")
    other.take_over(tree, lambda _part: True, lambda entry: [entry])
    assert [other.folder(SOURCE, path) is None for path in (b"", b"a", b"c")] == [True, False, True]
    other.close()


def test_files_that_are_owed_a_look_are_remembered_until_they_had_it(catalog: Catalog) -> None:
    files = [(stamp(b"a.jpg"), b"{}"), (stamp(b"b.jpg", ino=2), b"{}")]
    catalog.put_folder(SOURCE, b"2020", folder(), files, {b"b.jpg": "", b"not there": ""})
    catalog.put_folder("/other", b"", folder(), files, {b"a.jpg": "", b"b.jpg": ""})
    assert catalog.owed(known(catalog, b"2020").number) == {b"b.jpg": ""}
    assert (catalog.owed_in(SOURCE), catalog.owed_in("/other"), catalog.owed_in("/nowhere")) == (1, 2, 0)
    catalog.put_folder(SOURCE, b"2020", folder(), files)
    assert (catalog.owed(known(catalog, b"2020").number), catalog.owed_in(SOURCE)) == ({}, 0)
    catalog.drop_folder("/other", b"")
    assert catalog.owed_in("/other") == 0


def test_files_that_wait_for_an_extra_are_owed_a_look_when_it_is_there(catalog: Catalog) -> None:
    files = [(stamp(name, ino=number), b"{}") for number, name in enumerate((b"a.mp4", b"b.mp4", b"c.nef"))]
    catalog.put_folder(SOURCE, b"", folder(), files, {b"a.mp4": "video", b"b.mp4": "video", b"c.nef": "raw"})
    assert (catalog.owed_in(SOURCE), catalog.lacking_in(SOURCE)) == (0, {"video": 2, "raw": 1})
    catalog.wake(["video", "jxl"])
    assert catalog.owed(known(catalog, b"").number) == {b"a.mp4": "", b"b.mp4": "", b"c.nef": "raw"}
    assert (catalog.owed_in(SOURCE), catalog.lacking_in(SOURCE)) == (2, {"raw": 1})


def test_what_is_owed_is_taken_over_with_the_rest(catalog: Catalog, tmp_path: Path) -> None:
    catalog.put_folder(SOURCE, b"", folder(), [(stamp(b"a.jpg"), b"{}")], {b"a.jpg": ""})
    other = Catalog(tmp_path / "other.sqlite")
    other.take_over(catalog, lambda _: True, lambda _: ())
    assert other.owed_in(SOURCE) == 1
    other.close()


def test_nobody_who_knows_nothing_waits_for_a_first_backup(tmp_path):
    """Whoever opens the vault meanwhile finds an empty catalog, which needs no change."""
    first, second = Catalog(tmp_path / "c"), Catalog(tmp_path / "c")
    first.put_folder(SOURCE, b"", folder(), [])
    began = time.monotonic()
    assert second.retain(lambda _: True, lambda _: []) == 0
    assert time.monotonic() - began < 10
    first.commit()
    assert not first.is_empty()


def test_suspect_files_are_counted_by_folder_also_in_a_catalog_of_before(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.sqlite")
    catalog._db.execute("DROP INDEX files_suspect")
    plain, suspect = b'{"facts":{"title":"\\"suspect\\":"}}', b'{"facts":{"suspect":"why"}}'
    catalog.put_folder(SOURCE, b"", folder(), [(stamp(b"a"), plain)])
    catalog.put_folder(SOURCE, b"x", folder(), [(stamp(b"a"), suspect), (stamp(b"b"), suspect), (stamp(b"c"), plain)])
    catalog.put_folder("/elsewhere", b"", folder(), [(stamp(b"a"), suspect)])
    catalog.commit()
    catalog.close()
    again = Catalog(tmp_path / "catalog.sqlite")
    assert (again.suspects(SOURCE), again.suspects("/elsewhere")) == ({b"x": 2}, {b"": 1})
    plan = " ".join(str(row) for row in again._db.execute("SELECT name FROM sqlite_master WHERE type = 'index'"))
    assert "files_suspect" in plan
    again.close()


def test_files_below_a_folder_are_those_of_it_and_of_no_namesake(catalog: Catalog) -> None:
    for path in (b"", b"a", b"a/b", b"a b", b"ab"):
        catalog.put_folder(SOURCE, path, folder(), [(stamp(b"1"), b"{}")])
    assert sorted(path for path, _ in catalog.files_below(SOURCE, b"a")) == [b"a", b"a/b"]
