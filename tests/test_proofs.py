"""Dated proofs: what counts as proven, for how long, and never more than there is."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from photovault.model import Entry, EntryKind
from photovault.proofs import NAMED, RECENT, YEAR, Answer, Known, Proofs, Proven, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def text(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def photo(number: int, part: int = 0) -> Entry:
    return Entry(
        name=b"%d.jpg" % number,
        kind=EntryKind.FILE,
        mode=0o644,
        mtime_ns=0,
        size=10,
        digest=number.to_bytes(32),
        parts=((part or number).to_bytes(32),),
    )


@pytest.fixture
def proofs(tmp_path: Path) -> Iterator[Proofs]:
    with closing(Proofs(tmp_path / "proofs.sqlite")) as made:
        yield made


def look(proofs: Proofs, *photos: Entry, view: int = RECENT, lost: int = 0) -> None:
    """Two photos a page."""
    proofs.begin(view)
    for at in range(0, len(photos), 2):
        proofs.add(view, 0, at.to_bytes(32), b"folder %d" % at, photos[at : at + 2])
    proofs.end(view, b"trees", lost, NOW)


def prove(proofs: Proofs, *photos: Entry, when: datetime = NOW, **answer: str) -> None:
    for one in photos:
        proofs.tried(key_of(one), text(when), Answer(path=one.name.decode(), **answer))


A, B, C, D = (photo(number) for number in range(1, 5))


def test_nothing_is_proven_before_the_first_drill(proofs: Proofs) -> None:
    assert proofs.standing(NOW) == Proven()
    look(proofs, A, B)
    assert proofs.standing(NOW) == Proven(files=2)


def test_how_much_is_proven_and_since_when(proofs: Proofs) -> None:
    look(proofs, A, B, C, D)
    prove(proofs, A, when=NOW - timedelta(days=100))
    prove(proofs, B, C)
    found = proofs.standing(NOW)
    assert (found.files, found.proven, found.oldest[:10]) == (4, 3, "2026-08-15")
    assert found.percent(4) == 75


def test_a_proof_counts_for_365_days(proofs: Proofs) -> None:
    look(proofs, A, B)
    prove(proofs, A, when=NOW - timedelta(days=365))
    prove(proofs, B, when=NOW - timedelta(days=365, seconds=1))
    found = proofs.standing(NOW)
    assert (found.proven, found.oldest[:10]) == (1, "2025-11-23")


def test_a_proof_from_the_future_says_nothing_and_the_photo_comes_first(proofs: Proofs) -> None:
    look(proofs, A)
    prove(proofs, A, when=NOW + timedelta(days=400))
    proofs.drilled(text(NOW + timedelta(days=400)))
    found = proofs.standing(NOW)
    assert (found.proven, found.drilled) == (0, "")
    assert list(proofs.known(RECENT, NOW, failing=False)) == [Known(key_of(A), "")]


def test_a_file_under_two_names_is_one_photo_and_two_files(proofs: Proofs) -> None:
    look(proofs, A, B, A)
    assert proofs.count(RECENT) == 2
    prove(proofs, A)
    found = proofs.standing(NOW)
    assert (found.files, found.proven) == (3, 2)


def test_the_same_file_made_of_other_parts_is_to_be_proven_anew(proofs: Proofs) -> None:
    again = photo(1, part=9)
    look(proofs, A, again)
    prove(proofs, A)
    assert proofs.standing(NOW).proven == 1
    assert [one.tried for one in proofs.known(RECENT, NOW, failing=False)].count("") == 1


def test_what_came_since_counts_as_not_proven_and_it_is_never_more_than_all(proofs: Proofs) -> None:
    look(proofs, A, B)
    prove(proofs, A, B)
    found = proofs.standing(NOW)
    assert (found.percent(2), found.percent(4), found.percent(1), found.percent(0)) == (100, 50, 100, 100)
    assert Proven(files=3000, proven=2999).percent(3000) == 99


def test_what_was_proven_and_is_in_no_snapshot_any_more_does_not_count(proofs: Proofs) -> None:
    look(proofs, A, B)
    prove(proofs, A, B)
    look(proofs, B, C)
    found = proofs.standing(NOW)
    assert (found.files, found.proven) == (2, 1)
    look(proofs, A, C)
    assert proofs.standing(NOW).proven == 1, "it came back, and its proof with it"


def test_damage_ends_a_proof_and_a_later_try_mends_it(proofs: Proofs) -> None:
    look(proofs, A, B)
    prove(proofs, A, B)
    prove(proofs, A, damage="stored bytes were changed")
    found = proofs.standing(NOW)
    assert (found.proven, [(one.path, one.what) for one in found.damaged]) == (
        1,
        [("1.jpg", "stored bytes were changed")],
    )
    assert [one.key for one in proofs.known(RECENT, NOW, failing=True)] == [key_of(A)]
    prove(proofs, A)
    assert (proofs.standing(NOW).proven, proofs.standing(NOW).damaged) == (2, ())


def test_what_cannot_be_tried_here_leaves_the_proof_as_it_was(proofs: Proofs) -> None:
    look(proofs, A)
    prove(proofs, A, when=NOW - timedelta(days=3))
    prove(proofs, A, lacks="nothing here decodes it")
    found = proofs.standing(NOW)
    assert (found.proven, found.oldest[:10], found.damaged) == (1, "2026-11-20", ())


def test_a_rotten_live_file_is_no_damage_of_the_vault(proofs: Proofs) -> None:
    look(proofs, A)
    prove(proofs, A, rotten="other bytes")
    found = proofs.standing(NOW)
    assert (found.proven, found.damaged, [one.path for one in found.rotten]) == (1, (), ["1.jpg"])


def test_a_named_snapshot_changes_nothing_about_what_there_is(proofs: Proofs) -> None:
    look(proofs, A, B)
    look(proofs, C, view=NAMED)
    prove(proofs, C)
    assert (proofs.standing(NOW).files, proofs.standing(NOW).proven) == (2, 0)


def test_pages_are_those_of_the_sample_in_the_order_of_the_snapshot(proofs: Proofs) -> None:
    look(proofs, A, B, C, D, A)
    assert [page.folder for page in proofs.pages(RECENT, {key_of(D), key_of(A)})] == [b"folder 0", b"folder 2"]
    assert [page.folder for page in proofs.pages(RECENT, None)] == [b"folder 0", b"folder 2", b"folder 4"]
    first, _, last = proofs.pages(RECENT, None)
    assert (proofs.is_on(RECENT, key_of(A), first), proofs.is_on(RECENT, key_of(A), last)) == (True, False)
    assert proofs.total(RECENT, {key_of(A), key_of(D)}) == (2, 20)
    assert proofs.total(RECENT, None) == (4, 40)


def test_what_was_looked_through_is_known_unless_something_was_lost(proofs: Proofs) -> None:
    assert not proofs.knows(RECENT, b"trees")
    look(proofs, A)
    assert (proofs.knows(RECENT, b"trees"), proofs.knows(RECENT, b"others")) == (True, False)
    look(proofs, A, lost=1)
    assert (proofs.knows(RECENT, b"trees"), proofs.standing(NOW).lost) == (False, 1)


def test_proofs_of_photos_that_are_long_gone_are_forgotten(proofs: Proofs) -> None:
    look(proofs, A)
    prove(proofs, A, B, when=NOW - timedelta(days=731))
    prove(proofs, C, when=NOW - timedelta(days=729))
    look(proofs, A)
    look(proofs, A, B, C)
    tried = {one.key: one.tried[:4] for one in proofs.known(RECENT, NOW, failing=False)}
    assert tried == {key_of(A): "2024", key_of(B): "", key_of(C): "2024"}


def test_what_is_committed_survives(tmp_path: Path) -> None:
    with closing(Proofs(tmp_path / "p.sqlite")) as one:
        look(one, A)
        prove(one, A)
        one.commit()
    with closing(Proofs(tmp_path / "p.sqlite")) as one:
        assert one.standing(NOW).proven == 1


def test_of_single_photos_it_is_known_when_they_came_back(proofs: Proofs) -> None:
    look(proofs, A, B, C)
    prove(proofs, A, when=NOW - timedelta(days=3))
    prove(proofs, B, when=NOW - timedelta(days=400))
    prove(proofs, C, damage="gone")
    prove(proofs, D, when=NOW + timedelta(days=30))  # some clock was wrong
    every = [one.digest for one in (A, B, C, D)]
    old, new = text(NOW - timedelta(days=400)), text(NOW - timedelta(days=3))
    assert proofs.proven_of(every, NOW) == {A.digest: new, B.digest: old}
    assert proofs.proven_of(every, NOW, within=YEAR) == {A.digest: new}
    assert proofs.proven_of([], NOW) == {}


def test_a_photo_that_is_stored_in_other_parts_now_is_not_proven_by_the_old_ones(proofs: Proofs) -> None:
    look(proofs, photo(1, part=7))
    prove(proofs, A)
    assert proofs.proven_of([A.digest], NOW) == {}
    prove(proofs, photo(1, part=7))
    assert proofs.proven_of([A.digest], NOW) == {A.digest: text(NOW)}


def test_of_single_photos_it_is_known_what_is_wrong(proofs: Proofs) -> None:
    look(proofs, A, B, C)
    prove(proofs, A, damage="gone")
    prove(proofs, B, rotten="other bytes")
    prove(proofs, C)
    assert proofs.wrong_with([A.digest, B.digest, C.digest, D.digest]) == {A.digest: "gone", B.digest: "other bytes"}


def test_more_photos_than_a_question_can_name(proofs: Proofs) -> None:
    many = [photo(number) for number in range(1, 1203)]
    look(proofs, *many)
    prove(proofs, *many)
    assert len(proofs.proven_of([one.digest for one in many], NOW)) == 1202


def test_by_day_each_file_counts_on_the_day_of_its_last_proof(proofs: Proofs) -> None:
    look(proofs, A, A, B, C)
    prove(proofs, A, B, when=NOW - timedelta(days=2))
    prove(proofs, B, when=NOW)
    prove(proofs, C, when=NOW - timedelta(days=400))
    prove(proofs, D)  # in no snapshot any more
    assert proofs.by_day(NOW) == {"2026-11-21": 2, "2026-11-23": 1}
    assert sum(proofs.by_day(NOW).values()) == proofs.standing(NOW).proven
