"""What counts as covered is decided by bytes alone, and every doubt is against it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault import covered
from photovault.covered import OTHERS_NAMED, Card, Held, Holdings, OnCard, Verdict, holdings, judge, look, run_covered
from photovault.errors import DamageError, UnavailableError
from photovault.model import Entry, EntryKind, Stamp
from photovault.workers import Workers
from tests.support.devices import Silent
from tests.support.photos import put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def kept(*files: bytes, how: Held = Held.GOOD) -> Holdings:
    return Holdings(held={sha(data): how for data in files}, sizes=frozenset(map(len, files)))


def card(folder: Path, **options: Any) -> Card:
    return look([os.fsencode(folder)], **options)


@pytest.fixture
def ask() -> Iterator[Callable[..., covered.CoveredReport]]:
    with Workers(2) as workers:

        def run(found: Card, copies: int = 1, **held: Holdings) -> covered.CoveredReport:
            return run_covered(found, held, copies, workers, Silent())

        yield run


# The card


def test_photos_are_found_everywhere_and_the_others_are_named(tmp_path: Path) -> None:
    put(tmp_path / "DCIM" / "100" / "b.JPG", b"1")
    put(tmp_path / "DCIM" / "100" / "a.cr3", b"22")
    put(tmp_path / ".hidden" / "c.xmp", b"333")
    put(tmp_path / "letter.pdf", b"4")
    (tmp_path / "link.jpg").symlink_to("letter.pdf")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = card(tmp_path)
    assert [os.path.basename(one.path) for one in found.files] == [b"c.xmp", b"a.cr3", b"b.JPG"]
    assert found.sizes == {1, 2, 3}
    assert found.others == (str(tmp_path / "letter.pdf"), str(tmp_path / "link.jpg"))
    assert found.others_count == 3
    assert [os.path.basename(one.path) for one in card(tmp_path, all_files=True).files][-1] == b"letter.pdf"


def test_a_file_that_is_named_is_looked_at_whatever_its_kind(tmp_path: Path) -> None:
    path = put(tmp_path / "letter.pdf", b"4")
    assert [one.path for one in card(path).files] == [os.fsencode(path)]


def test_what_is_named_twice_is_looked_at_once(tmp_path: Path) -> None:
    inner = put(tmp_path / "a" / "1.jpg", b"1")
    found = look([os.fsencode(path) for path in (tmp_path, inner.parent, inner, tmp_path)])
    assert len(found.files) == 1


def test_a_folder_with_very_many_other_files_is_no_burden(tmp_path: Path) -> None:
    for number in range(OTHERS_NAMED + 50):
        (tmp_path / f"{number}.txt").touch()
    found = card(tmp_path)
    assert (found.others_count, len(found.others), found.files) == (OTHERS_NAMED + 50, OTHERS_NAMED, ())


def test_a_folder_that_cannot_be_read_is_not_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable
) -> None:
    put(tmp_path / "locked" / "1.jpg", b"1")
    real = os.scandir

    def refuse(path: bytes) -> Any:
        if path.endswith(b"locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = ask(card(tmp_path), main=kept(b"1"))
    assert not report.is_covered
    assert [one.path for one in report.problems] == [str(tmp_path / "locked")]


def test_a_file_that_is_only_in_a_cloud_is_not_covered(tmp_path: Path, ask: Callable) -> None:
    put(tmp_path / ".IMG_1.jpg.icloud", b"stub")
    report = ask(card(tmp_path), main=kept(b"stub"))
    assert (report.is_covered, [one.path for one in report.problems]) == (False, [str(tmp_path / "IMG_1.jpg")])


# What is read


def test_every_byte_counts(tmp_path: Path, ask: Callable) -> None:
    data = os.urandom(3 * 2**20 + 7)
    for at in (0, 2**20, len(data) - 1):
        put(tmp_path / f"{at}.jpg", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    put(tmp_path / "same.jpg", data)
    report = ask(card(tmp_path), main=kept(data))
    assert (report.files, report.covered, len(report.uncovered)) == (4, 1, 3)


def test_files_of_a_size_that_is_nowhere_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable
) -> None:
    put(tmp_path / "1.jpg", b"long")
    found = card(tmp_path)
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("it was opened"))
    assert [one.path for one in ask(found, main=kept(b"1")).uncovered] == [str(tmp_path / "1.jpg")]


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_file_that_changes_is_not_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable, when: str
) -> None:
    path = put(tmp_path / "1.jpg", b"1")
    found = card(tmp_path)
    if when == "before":
        path.write_bytes(b"2")
    else:
        real = os.read

        def read(fd: int, size: int) -> bytes:
            data = real(fd, size)
            path.write_bytes(b"2")
            return data

        monkeypatch.setattr(os, "read", read)
    report = ask(found, main=kept(b"1", b"2"))
    assert (report.covered, [one.what for one in report.problems]) == (0, ["it changed while it was looked at"])


@pytest.mark.parametrize(("size", "whole"), [(3, False), (4, True), (5, False)])
def test_more_or_fewer_bytes_than_were_said_are_another_file(tmp_path: Path, size: int, *, whole: bool) -> None:
    """Not every file system tells by a time that a file grew just now."""
    with put(tmp_path / "1.jpg", b"1234").open("rb") as file:
        assert covered._feed(file.fileno(), size, lambda _: None) is whole


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path, ask: Callable) -> None:
    path = put(tmp_path / "1.jpg", b"1")
    found = card(tmp_path)
    path.rename(tmp_path / "real")
    path.symlink_to("real")
    assert len(ask(found, main=kept(b"1")).problems) == 1


def test_a_file_that_cannot_be_read_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable
) -> None:
    for name in ("1.jpg", "2.jpg"):
        put(tmp_path / name, b"1")
    found = card(tmp_path)
    real = os.open

    def refuse(path: bytes, *rest: Any) -> int:
        if path.endswith(b"1.jpg"):
            raise OSError(5, "Input/output error", path)
        return real(path, *rest)

    monkeypatch.setattr(os, "open", refuse)
    report = ask(found, main=kept(b"1"))
    assert (report.covered, report.is_covered) == (1, False)
    assert [one.what for one in report.problems] == ["it cannot be read: Input/output error"]


# The verdict

states = st.dictionaries(st.sampled_from(["main", "usb", "nas"]), st.sampled_from([None, *Held]))


@given(states)
def test_only_good_places_count_and_every_place_is_told_once(found: dict[str, Held | None]) -> None:
    held = {name: kept(b"1", how=how) if how else kept() for name, how in found.items()}
    one = judge(OnCard(b"/1.jpg", Stamp(b"1.jpg", 1, 1, 1, 1)), sha(b"1"), held)
    assert set(one.at) == {name for name, how in found.items() if how is Held.GOOD}
    assert sorted((*one.at, *one.damaged, *one.unsettled)) == sorted(name for name, how in found.items() if how)


def test_so_many_copies_as_are_asked_for(tmp_path: Path, ask: Callable) -> None:
    for data in (b"1", b"22"):
        put(tmp_path / f"{len(data)}.jpg", data)
    found = card(tmp_path)
    places = {"main": kept(b"1", b"22"), "usb": kept(b"1")}
    assert ask(found, **places).is_covered
    report = ask(found, 2, **places)
    assert report.uncovered == (Verdict(path=str(tmp_path / "2.jpg"), size=2, at=("main",)),)
    assert (report.by_copies, report.at) == ({1: 1, 2: 1}, {"main": 2, "usb": 1})


def test_nothing_is_covered_where_nobody_could_be_asked(tmp_path: Path, ask: Callable) -> None:
    put(tmp_path / "1.jpg", b"1")
    assert [one.at for one in ask(card(tmp_path)).uncovered] == [()]


# What a vault holds


@dataclass
class Shelf:
    """A vault of listings only: page -> entries; ``missing`` parts have no good place."""

    pages: dict[bytes, list[Entry | DamageError]]
    missing: set[bytes] = field(default_factory=set)
    read: list[bytes] = field(default_factory=list)

    @property
    def places(self) -> Shelf:
        return self

    def has(self, part: bytes) -> bool:
        return part not in self.missing

    def folder(self, pages: Iterable[bytes]) -> Iterator[Entry | DamageError]:
        for page in pages:
            self.read.append(page)
            yield from self.pages[page]

    def look_ahead(self, _: Iterable[bytes]) -> None:
        pass


def entry(data: bytes, *parts: bytes, unsettled: bool = False) -> Entry:
    values: dict[str, Any] = {"name": b"x", "mode": 0o644, "mtime_ns": 0, "digest": sha(data), "size": len(data)}
    return Entry(kind=EntryKind.FILE, parts=parts, unsettled=unsettled, **values)


def folder(*pages: bytes) -> Entry:
    return Entry(name=b"f", kind=EntryKind.FOLDER, mode=0o755, mtime_ns=0, parts=pages)


def ask_shelf(monkeypatch: pytest.MonkeyPatch, shelf: Shelf, *roots: tuple[bytes, ...]) -> Holdings:
    monkeypatch.setattr(covered, "Reader", lambda vault: vault)

    class One:
        def __init__(self, root: tuple[bytes, ...]) -> None:
            self.snapshot, self.root = self, root

    return holdings(shelf, [One(root) for root in roots], {1})  # type: ignore[arg-type]


def test_each_page_is_read_once_over_all_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    same = [folder(b"in"), folder(b"in")]
    shelf = Shelf({b"old": same, b"new": [*same, entry(b"1")], b"in": [entry(b"2")]})
    found = ask_shelf(monkeypatch, shelf, (b"old",), (b"new", b"new"))
    assert sorted(shelf.read) == [b"in", b"new", b"old"]
    assert found.held == {sha(b"1"): Held.GOOD, sha(b"2"): Held.GOOD}


@pytest.mark.parametrize("turned", [False, True])
def test_the_best_of_several_is_what_counts(monkeypatch: pytest.MonkeyPatch, *, turned: bool) -> None:
    """The same bytes may be stored in other parts, and only some of them may be damaged."""
    entries: list[Entry | DamageError] = [entry(b"1", b"gone"), entry(b"1", b"there"), entry(b"1", unsettled=True)]
    shelf = Shelf({b"root": entries[::-1] if turned else entries}, {b"gone"})
    assert ask_shelf(monkeypatch, shelf, (b"root",)).held == {sha(b"1"): Held.GOOD}


def test_neither_damaged_nor_unsettled_files_are_held_well(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf({b"root": [entry(b"1", b"there", b"gone"), entry(b"2", b"there", unsettled=True)]}, {b"gone"})
    assert ask_shelf(monkeypatch, shelf, (b"root",)).held == {sha(b"1"): Held.DAMAGED, sha(b"2"): Held.UNSETTLED}


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_that_do_not_count_the_one_nearer_to_it_is_told(
    monkeypatch: pytest.MonkeyPatch, *, turned: bool
) -> None:
    entries: list[Entry | DamageError] = [entry(b"1", b"gone"), entry(b"1", unsettled=True)]
    shelf = Shelf({b"root": entries[::-1] if turned else entries}, {b"gone"})
    assert ask_shelf(monkeypatch, shelf, (b"root",)).held == {sha(b"1"): Held.DAMAGED}


def test_files_of_other_sizes_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask_shelf(monkeypatch, Shelf({b"root": [entry(b"22")]}), (b"root",))
    assert (found.held, found.sizes) == ({}, frozenset())


def test_a_listing_that_is_damaged_costs_only_itself_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf({b"root": [DamageError("torn"), folder(b"in")], b"in": [entry(b"1")]})
    found = ask_shelf(monkeypatch, shelf, (b"root",))
    assert (found.held, found.problems) == ({sha(b"1"): Held.GOOD}, ("torn",))


def test_a_storage_that_fails_in_the_middle_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf({})

    def fail(_: object) -> Iterator[Entry]:
        raise UnavailableError("the line is cut")
        yield

    monkeypatch.setattr(shelf, "folder", fail, raising=False)
    with pytest.raises(UnavailableError):
        ask_shelf(monkeypatch, shelf, (b"root",))
