"""What changed between two trees."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.diff import Change, Edit, Kind, Side, edit_of, in_photos, match_moves, run_diff
from photovault.errors import DamageError
from photovault.facts import Facts
from photovault.model import Entry, EntryKind
from tests.support.devices import Computer
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from pathlib import Path


def file(data: bytes) -> Entry:
    digest = hashlib.sha256(data).digest()
    return Entry(name=b"x", kind=EntryKind.FILE, mode=0o644, mtime_ns=0, size=len(data), digest=digest)


def side(data: bytes) -> Side:
    return Side(entry=file(data), of_set="")


def kinds(changes: list[Change]) -> dict[str, str]:
    return {change.path: str(change.kind) for change in changes}


def test_a_file_that_went_here_and_came_there_has_moved() -> None:
    (change,) = match_moves({"old": side(b"1")}, {"new": side(b"1")})
    assert change == Change(kind=Kind.MOVED, path="new", size=1, before="old")


def test_links_never_match_by_their_empty_digest() -> None:
    entry = Entry(name=b"x", kind=EntryKind.LINK, mode=0o777, mtime_ns=0, target=b"y")
    link = Side(entry=entry, of_set="x")
    assert kinds(list(match_moves({"a": link}, {"b": link}))) == {"a": "gone", "b": "added"}


trees = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([b"1", b"2", b"3"]).map(side))


@given(trees, trees)
def test_every_file_is_told_once(gone: dict[str, Side], added: dict[str, Side]) -> None:
    changes = list(match_moves(gone, added))
    assert sorted(one.path for one in changes if one.kind is not Kind.GONE) == sorted(added)
    assert sorted(
        [*(one.before for one in changes if one.before), *(c.path for c in changes if c.kind is Kind.GONE)]
    ) == (sorted(gone))
    assert all(gone[one.before].entry.digest == added[one.path].entry.digest for one in changes if one.before)


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    made.make_vault()
    return made


def test_all_kinds_of_changes_between_two_snapshots(computer: Computer, tmp_path: Path) -> None:
    root = tmp_path / "P"
    for name in ("same", "edited", "touched", "gone", "moved", "folder/in", "becomes-folder"):
        put(root / name, name.encode())
    (root / "link").symlink_to("a")
    computer.backup(root)
    put(root / "edited", b"other")
    put(root / "touched", b"touched", mtime=1_700_000_000)
    (root / "gone").unlink()
    (root / "moved").rename(root / "renamed")
    put(root / "new", b"new")
    shutil.rmtree(root / "folder")
    put(root / "folder", b"now a file")
    (root / "becomes-folder").unlink()
    put(root / "becomes-folder" / "x", b"now in a folder")
    (root / "link").unlink()
    (root / "link").symlink_to("b")
    computer.backup(root)
    changes = computer.app().diff("latest~1", "latest")
    assert kinds(changes) == {
        "P/becomes-folder": "gone",
        "P/becomes-folder/x": "added",
        "P/edited": "changed",
        "P/folder": "added",
        "P/folder/in": "gone",
        "P/gone": "gone",
        "P/link": "changed",
        "P/new": "added",
        "P/renamed": "moved",
        "P/touched": "details",
    }
    assert [change.path for change in changes] == sorted(change.path for change in changes)
    assert next(change for change in changes if change.kind is Kind.MOVED).before == "P/moved"
    assert computer.app().diff("latest", "latest") == []


def test_equal_folders_are_not_read() -> None:
    class Closed:
        def folder(self, pages: object) -> object:
            raise AssertionError(f"read {pages}")

    assert run_diff(Closed(), [b"1"], [b"1"]) == []  # type: ignore[arg-type]


def test_a_listing_that_is_lost_is_an_error_and_no_difference() -> None:
    class Damaged:
        def folder(self, pages: list[bytes]) -> list[Entry | DamageError]:
            return [DamageError("gone")] if pages == [b"1"] else [file(b"x")]

    with pytest.raises(DamageError):
        run_diff(Damaged(), [b"1"], [b"2"])  # type: ignore[arg-type]


def photo(*parts: int, name: bytes = b"a.jpg", size: int = 0, **facts: object) -> Entry:
    """A photo whose parts have the ids ``parts`` and 100 bytes each."""
    return Entry(
        name=name, kind=EntryKind.FILE, mode=0o644, mtime_ns=0, size=size or 100 * len(parts),
        parts=tuple(bytes([part]) * 32 for part in parts), facts=Facts(**{"kind": "jpeg"} | facts),
    )  # fmt: skip


THUMBNAIL = bytes(range(32))


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (photo(1, 2, 3, 4), photo(9, 2, 3, 4), Edit.METADATA),
        (photo(1, 2, 3), photo(8, 9, 2, 3), Edit.PICTURE),
        (photo(1, 2, 3, 4), photo(1, 8, 9, 7), Edit.PICTURE),
        (photo(1, 2, 3, 4, 5, motion=200), photo(1, 7, 8, 4, 5, motion=200), Edit.PICTURE),
        (photo(1, 2, 3, 4, 5, motion=200), photo(9, 2, 3, 4, 5, motion=200), Edit.METADATA),
        (photo(1, 2, 3, 4), photo(1, 2, 3, 4, kind="png"), Edit.PICTURE),
        (photo(1), photo(2), Edit.PICTURE),
        (photo(1, thumbnail=THUMBNAIL), photo(2, thumbnail=THUMBNAIL), Edit.METADATA),
        (photo(1, thumbnail=THUMBNAIL), photo(2, thumbnail=bytes(32)), Edit.PICTURE),
        (photo(1, kind="mp4", thumbnail=THUMBNAIL), photo(2, kind="mp4", thumbnail=THUMBNAIL), Edit.PICTURE),
        (photo(1, name=b"a.xmp", kind="xmp"), photo(2, name=b"a.xmp", kind="xmp"), Edit.METADATA),
        (photo(1, name=b"a.txt", kind=""), photo(2, name=b"a.txt", kind=""), None),
    ],
)
def test_an_edit_of_metadata_is_told_from_one_of_the_picture(before: Entry, after: Entry, what: Edit | None) -> None:
    assert edit_of(before, after, lambda _: 100) is what


def test_parts_of_unknown_length_count_for_nothing() -> None:
    assert edit_of(photo(1, 2, 3, 4), photo(9, 2, 3, 4), lambda _: None) is Edit.PICTURE


def test_files_of_one_set_that_fared_alike_are_told_together() -> None:
    def change(path: str, of_set: str, kind: Kind = Kind.ADDED, before: str = "") -> Change:
        return Change(kind=kind, path=path, size=1, of_set=of_set, before=before)

    changes = [
        change("P/a.HEIC", "P/a.HEIC"), change("P/a.MOV", "P/a.HEIC"), change("P/a.AAE", "P/a.HEIC", Kind.GONE),
        change("P/b.MOV", "P/b.HEIC", Kind.MOVED, "Q/b.MOV"), change("P/b.HEIC", "P/b.HEIC", Kind.MOVED, "Q/b.HEIC"),
        change("P/b.xmp", "P/b.HEIC", Kind.MOVED, "R/b.xmp"),
    ]  # fmt: skip
    assert [[one.path for one in group] for group in in_photos(changes)] == [
        ["P/a.HEIC", "P/a.MOV"], ["P/a.AAE"], ["P/b.HEIC", "P/b.MOV"], ["P/b.xmp"],
    ]  # fmt: skip


def test_knowing_more_of_a_photo_is_no_difference() -> None:
    class Told:
        def folder(self, pages: list[bytes]) -> list[Entry]:
            return [photo(1, make="A", phash=7)] if pages == [b"1"] else [photo(1)]

    assert run_diff(Told(), [b"1"], [b"2"]) == []  # type: ignore[arg-type]


def test_metadata_and_picture_are_told_apart_in_real_files(computer: Computer, tmp_path: Path) -> None:
    root = tmp_path / "P"
    pictures = [jpeg(seed, size=(400, 300)) for seed in (1, 2, 3)]
    for name, data in zip("abc", pictures, strict=True):
        assert len(data) > 50_000
        put(root / f"{name}.jpg", data)
    computer.backup(root)
    put(root / "a.jpg", pictures[0][:2] + b"\xff\xfe\0\x12a little comment" + pictures[0][2:])
    put(root / "b.jpg", pictures[2])
    put(root / "c.jpg", pictures[2], mtime=1_700_000_000)
    computer.backup(root)
    changes = computer.app().diff("latest~1", "latest")
    assert [(one.path, str(one.kind), one.what) for one in changes] == [
        ("P/a.jpg", "changed", Edit.METADATA), ("P/b.jpg", "changed", Edit.PICTURE), ("P/c.jpg", "details", None),
    ]  # fmt: skip
