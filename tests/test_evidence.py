"""What a device saw with its own eyes at a destination."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from photovault.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW, LATER = "2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@pytest.fixture
def evidence(tmp_path: Path) -> Iterator[Evidence]:
    evidence = Evidence(tmp_path / "state" / "evidence.sqlite")
    yield evidence
    evidence.close()


def test_doubts_are_there_in_the_next_run(tmp_path: Path, evidence: Evidence) -> None:
    evidence.doubt(digest("one"), [digest("a")], "rotten", NOW)
    evidence.doubt(digest("one"), [digest("b")], "rotten", NOW)
    evidence.doubt(digest("two"), [], "missing", NOW)
    evidence.close()
    again = Evidence(tmp_path / "state" / "evidence.sqlite")
    assert again.doubts() == {digest("one"): {digest("a"), digest("b")}, digest("two"): frozenset()}
    again.undoubt([digest("two"), digest("three")])
    assert again.doubts().keys() == {digest("one")}
    again.close()


def test_parts_of_a_pack_that_is_doubted_as_a_whole_add_nothing(evidence: Evidence) -> None:
    evidence.doubt(digest("one"), [digest("a")], "rotten", NOW)
    evidence.doubt(digest("one"), [], "missing", NOW)
    evidence.doubt(digest("one"), [digest("b")], "rotten", NOW)
    assert evidence.doubts() == {digest("one"): frozenset()}


def test_the_catalog_is_told_of_each_doubt_once(evidence: Evidence) -> None:
    assert not evidence.has_news
    evidence.doubt(digest("one"), [digest("a")], "rotten", NOW)
    assert evidence.has_news
    evidence.told()
    assert not evidence.has_news
    evidence.doubt(digest("one"), [digest("a")], "rotten again", LATER)
    assert not evidence.has_news
    evidence.doubt(digest("one"), [digest("b")], "rotten", LATER)
    assert evidence.has_news


def test_the_first_sight_of_an_object_is_kept(evidence: Evidence) -> None:
    assert evidence.first_seen([digest("one")], NOW) == {digest("one"): NOW}
    assert evidence.first_seen([digest("one"), digest("two")], LATER) == {digest("one"): NOW, digest("two"): LATER}
    evidence.forget_firsts([digest("one")])
    assert evidence.first_seen([digest("one")], LATER) == {digest("one"): LATER}
    assert evidence.first_seen([], LATER) == {}


def test_a_look_is_kept_a_day_and_is_no_object(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / "evidence.sqlite")
    evidence.first_seen([bytes(32)], "2024-05-01T10:00:00.000000Z")
    for when in ("2024-05-01T11", "2024-05-01T12", "2024-05-03T09"):
        evidence.note_look(f"{when}:00:00.000000Z")
    assert sorted(evidence.looks()) == ["2024-05-01T11:00:00.000000Z", "2024-05-03T09:00:00.000000Z"]
    assert evidence.first_seen([bytes(32)], "2025-01-01T00:00:00.000000Z") == {bytes(32): "2024-05-01T10:00:00.000000Z"}
    evidence.close()


def test_what_the_last_check_found_lost_is_known_until_a_check_finds_it_again(
    tmp_path: Path, evidence: Evidence
) -> None:
    assert evidence.lost() == (0, "")
    evidence.lose(3, NOW)
    evidence.lose(2, LATER)
    evidence.close()
    again = Evidence(tmp_path / "state" / "evidence.sqlite")
    assert again.lost() == (2, LATER)
    again.lose(0, LATER)
    assert again.lost() == (0, "")
    again.close()


def test_evidence_that_cannot_be_kept_is_forgotten_in_the_end() -> None:
    nowhere = Evidence(None)
    nowhere.doubt(digest("one"), [], "missing", NOW)
    assert nowhere.doubts().keys() == {digest("one")}
    nowhere.close()
    other = Evidence(None)
    assert other.doubts() == {}
    other.close()


def test_what_stopped_the_last_backup_is_known_until_one_is_made(evidence: Evidence) -> None:
    assert evidence.stopped() == ("", "")
    evidence.stop("20 files are gone", NOW)
    evidence.stop("30 files are gone", LATER)
    assert evidence.stopped() == ("30 files are gone", LATER)
    evidence.stop("")
    assert evidence.stopped() == ("", "")
