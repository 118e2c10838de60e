"""What changed between two trees."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.diff import Change, Kind, match_moves, run_diff
from photovault.errors import DamageError
from photovault.model import Entry, EntryKind
from tests.support.devices import Computer
from tests.support.photos import put

if TYPE_CHECKING:
    from pathlib import Path


def file(data: bytes) -> Entry:
    digest = hashlib.sha256(data).digest()
    return Entry(name=b"x", kind=EntryKind.FILE, mode=0o644, mtime_ns=0, size=len(data), digest=digest)


def kinds(changes: list[Change]) -> dict[str, str]:
    return {change.path: str(change.kind) for change in changes}


def test_a_file_that_went_here_and_came_there_has_moved() -> None:
    (change,) = match_moves({"old": file(b"1")}, {"new": file(b"1")})
    assert change == Change(kind=Kind.MOVED, path="new", size=1, before="old")


def test_links_never_match_by_their_empty_digest() -> None:
    link = Entry(name=b"x", kind=EntryKind.LINK, mode=0o777, mtime_ns=0, target=b"y")
    assert kinds(list(match_moves({"a": link}, {"b": link}))) == {"a": "gone", "b": "added"}


trees = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([b"1", b"2", b"3"]).map(file))


@given(trees, trees)
def test_every_file_is_told_once(gone: dict[str, Entry], added: dict[str, Entry]) -> None:
    changes = list(match_moves(gone, added))
    assert sorted(one.path for one in changes if one.kind is not Kind.GONE) == sorted(added)
    assert sorted(
        [*(one.before for one in changes if one.before), *(c.path for c in changes if c.kind is Kind.GONE)]
    ) == (sorted(gone))
    assert all(gone[one.before].digest == added[one.path].digest for one in changes if one.before)


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
