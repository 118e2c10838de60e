"""What a backup sees in photos: facts in the listings, thumbnails within a budget, the rest later, and nothing fatal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from photovault.app.sources import BackupRequest
from photovault.backup import run, taking
from photovault.backup.pictures import FLOOR, SHARE, Budget, NoLimit, Nothing
from photovault.photos.reading import BUFFER
from tests.support.devices import Computer, Silent
from tests.support.eyes import BROKEN, thumbnail_of
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.backup import BackupReport
    from photovault.model import Entry
    from tests.support.eyes import Record

TAKEN = "2021:05:04 13:22:11"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "Pictures"
    for number in range(6):
        put(root / "2020" / f"{number}.jpg", jpeg(number, taken=TAKEN), mtime=1_600_000_000 + number)
    put(root / "2020" / "0.xmp", b"<x/>")
    return root


def entries(computer: Computer) -> dict[str, Entry]:
    """Files of the newest snapshot by name."""
    with computer.app().browse() as (snapshots, reader):
        walk = reader.walk(snapshots.found[-1].snapshot.root)
        return {os.fsdecode(entry.name): entry for _, entry in walk if entry.digest}


def thumbnails(computer: Computer) -> dict[str, bytes]:
    """Thumbnails of the newest snapshot, by the names of their photos."""
    found = {name: entry.facts.thumbnail for name, entry in entries(computer).items() if entry.facts.thumbnail}
    with computer.app().browse() as (_, reader):
        return {name: reader.part(part) for name, part in found.items()}


def finish(computer: Computer, photos: Path) -> BackupReport:
    """What ``--all-thumbnails`` does."""
    request = BackupRequest(paths=(str(photos),), all_files=True, all_thumbnails=True)
    return computer.app().backup(request, Silent())


def configure(computer: Computer, text: str) -> None:
    (computer.folder / "config.toml").write_text(f"[backup]\n{text}\n")


@pytest.fixture
def dear(eyes: Record, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each thumbnail costs so much that no budget allows a second."""
    eyes.seconds = 1e6
    monkeypatch.setattr(taking, "BATCH_FILES", 1)
    monkeypatch.setattr(run, "AHEAD", 1)
    return


# Facts.


def test_facts_are_in_the_listing_for_small_and_large_files(computer: Computer, photos: Path) -> None:
    put(photos / "large.jpg", jpeg(7, taken=TAKEN) + bytes(BUFFER))
    computer.backup(photos)
    found = entries(computer)
    for name in ("0.jpg", "5.jpg", "large.jpg"):
        facts = found[name].facts
        assert (facts.kind, facts.width, facts.height) == ("jpeg", 64, 48)
        assert facts.taken is not None
        assert facts.taken.startswith("2021-05-04T13:22:11")


def test_nobody_looks_when_nothing_is_read(computer: Computer, photos: Path, eyes: Record) -> None:
    computer.backup(photos)
    eyes.looked.clear()
    computer.backup(photos)
    assert eyes.looked == []


def test_a_moved_file_keeps_its_facts(computer: Computer, photos: Path, eyes: Record) -> None:
    computer.backup(photos)
    before = entries(computer)["0.jpg"].facts
    (photos / "2020").rename(photos / "2021")
    (photos / "2021" / "0.jpg").rename(photos / "best.jpg")
    eyes.looked.clear()
    assert computer.backup(photos).totals.moved == 7
    assert (entries(computer)["best.jpg"].facts, eyes.looked) == (before, [])
    assert before.thumbnail


def test_a_file_on_which_the_decoder_ends_is_backed_up_without_its_facts(
    computer: Computer, photos: Path, eyes: Record, tmp_path: Path
) -> None:
    put(photos / "2020" / "IMG_20190203_040506.jpg", jpeg(9))
    eyes.answer = lambda asked, looked: (
        type(looked)(why="it took too long") if asked.name.startswith(b"IMG_") else looked
    )
    report = computer.backup(photos)
    assert (report.problems, report.warnings, report.thumbnails.left) == ((), (), 0)
    facts = entries(computer)["IMG_20190203_040506.jpg"].facts
    assert (facts.kind, facts.taken_source) == ("", "name")
    assert entries(computer)["0.jpg"].facts.kind == "jpeg"
    computer.restore(tmp_path / "back")
    assert (tmp_path / "back" / "Pictures" / "2020" / "IMG_20190203_040506.jpg").read_bytes() == jpeg(9)


def test_a_decoder_that_does_not_work_costs_one_warning_and_is_made_up_for(
    computer: Computer, photos: Path, eyes: Record
) -> None:
    put(photos / "large.jpg", jpeg(7, taken=TAKEN) + bytes(BUFFER))
    works, eyes.answer = eyes.answer, lambda _, looked: type(looked)(why="it does not start")
    report = computer.backup(photos)
    assert report.problems == ()
    assert [("8 files" in one, "it does not start" in one) for one in report.warnings] == [(True, True)]
    eyes.answer = works
    report = finish(computer, photos)
    assert (report.thumbnails.made, report.thumbnails.left, report.warnings) == (7, 0, ())
    assert entries(computer)["large.jpg"].facts.kind == "jpeg"


def test_what_cannot_even_be_asked_is_backed_up(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("photovault.decoder.host.Decoders.look", refuse)
    report = computer.backup(photos)
    assert (report.problems, report.totals.new, len(report.warnings)) == ((), 7, 1)


# Thumbnails.


def test_a_small_backup_makes_all_thumbnails(computer: Computer, photos: Path) -> None:
    report = computer.backup(photos)
    made = {f"{number}.jpg": thumbnail_of(jpeg(number, taken=TAKEN)) for number in range(6)}
    assert thumbnails(computer) == made
    assert report.thumbnails.size == sum(map(len, made.values()))
    assert (report.thumbnails.made, report.thumbnails.left) == (6, 0)
    assert finish(computer, photos).totals.looks == 0
    assert computer.check().findings == ()


def test_what_the_budget_did_not_allow_is_made_later_without_reading_a_photo_again(
    computer: Computer, photos: Path, eyes: Record, reads: list[str], dear: None
) -> None:
    report = computer.backup(photos)
    assert (report.thumbnails.made, report.thumbnails.left) == (1, 5)
    before = entries(computer)
    assert all(entry.facts.kind == "jpeg" for name, entry in before.items() if name.endswith("jpg"))
    assert computer.backup(photos).thumbnails.left == 5, "a backup of nothing makes none"
    reads.clear()
    eyes.looked.clear()
    report = finish(computer, photos)
    assert (report.thumbnails.made, report.thumbnails.left, report.totals.unchanged) == (5, 0, 7)
    assert (reads, len(eyes.looked)) == ([], 5)
    assert len(thumbnails(computer)) == 6
    for name, entry in entries(computer).items():
        assert (entry.digest, entry.parts) == (before[name].digest, before[name].parts)
    eyes.looked.clear()
    assert (finish(computer, photos).thumbnails.made, eyes.looked) == (0, [])


def test_a_photo_that_waits_for_its_thumbnail_still_does_when_it_moved(
    computer: Computer, photos: Path, dear: None
) -> None:
    computer.backup(photos)
    (photos / "2020").rename(photos / "2021")
    assert computer.backup(photos).thumbnails.left == 5
    assert finish(computer, photos).thumbnails.made == 5


def test_when_it_is_enough_the_rest_is_left_and_the_snapshot_whole(
    computer: Computer, photos: Path, dear: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.backup(photos)
    monkeypatch.setattr(taking, "VISIT_FILES", 1)
    asked = []

    def enough() -> bool:
        asked.append(None)
        return len(asked) > 3  # once for the folder

    request = BackupRequest(paths=(str(photos),), all_files=True)
    report = computer.app().make_thumbnails(request, Silent(), enough)
    assert report is not None
    assert (report.thumbnails.made, report.thumbnails.left) == (2, 3)
    assert len(thumbnails(computer)) == 3
    while report is not None:
        report = computer.app().make_thumbnails(request, Silent(), lambda: False)
    assert len(thumbnails(computer)) == 6
    assert len(computer.snapshots()) == 3, "nothing to be made is no snapshot"


def test_without_thumbnails_none_is_made_until_they_are_wanted(computer: Computer, photos: Path, eyes: Record) -> None:
    configure(computer, "thumbnails = false")
    report = computer.backup(photos)
    assert (report.thumbnails.made, report.thumbnails.left, eyes.thumbnails) == (0, 0, [])
    assert entries(computer)["0.jpg"].facts.kind == "jpeg"
    configure(computer, "thumbnails = true")
    assert computer.backup(photos).thumbnails.left == 6
    assert finish(computer, photos).thumbnails.made == 6


def test_a_broken_picture_is_backed_up_named_and_not_tried_again(
    computer: Computer, photos: Path, eyes: Record, tmp_path: Path
) -> None:
    data = jpeg(30)[:-30] + BROKEN
    put(photos / "broken.jpg", data)
    report = computer.backup(photos)
    assert report.problems == ()
    assert [(one.path, one.what) for one in report.broken] == [(str(photos / "broken.jpg"), "it is made so")]
    assert report.thumbnails.left == 0
    eyes.looked.clear()
    assert (finish(computer, photos).broken, eyes.looked) == ((), [])
    computer.restore(tmp_path / "back")
    assert (tmp_path / "back" / "Pictures" / "broken.jpg").read_bytes() == data


def test_a_picture_that_gets_no_thumbnail_is_not_tried_for_ever(
    computer: Computer, photos: Path, eyes: Record, dear: None
) -> None:
    computer.backup(photos)
    eyes.answer = lambda _, looked: looked._replace(thumbnail=b"", why="it is too large")
    assert finish(computer, photos).thumbnails.left == 0
    eyes.looked.clear()
    finish(computer, photos)
    assert eyes.looked == []
    assert entries(computer)["5.jpg"].facts.kind == "jpeg"


def test_a_thumbnail_of_other_bytes_is_not_kept(computer: Computer, photos: Path, eyes: Record, tmp_path: Path) -> None:
    path = photos / "2020" / "3.jpg"

    def meddle(asked, looked):
        if asked.name == b"3.jpg":
            put(path, jpeg(99), mtime=1_700_000_000)
        return looked

    class Late:
        """As a decoder that looks after everything was read."""

        def __init__(self, files) -> None:
            self.files = [one._replace(fd=os.dup(one.fd)) for one in files]

        def result(self):
            found = eyes_look(None, self.files).result()
            for one in self.files:
                os.close(one.fd)
            return found

    from photovault.decoder import host

    eyes_look = host.Decoders.look
    eyes.answer = meddle
    host.Decoders.look = lambda _, files: Late(files)
    computer.backup(photos)
    assert "3.jpg" not in thumbnails(computer)
    assert len(thumbnails(computer)) == 5
    eyes.answer = lambda _, looked: looked
    assert computer.backup(photos).totals.changed == 1
    assert thumbnails(computer)["3.jpg"] == thumbnail_of(jpeg(99))


def test_a_file_that_changes_while_it_is_looked_at_again_is_left_to_the_next_backup(
    computer: Computer, photos: Path, eyes: Record, dear: None
) -> None:
    computer.backup(photos)

    def meddle(asked, looked):
        if asked.name == b"3.jpg":
            put(photos / "2020" / "3.jpg", jpeg(99), mtime=1_700_000_000)
        return looked

    eyes.answer = meddle
    report = finish(computer, photos)
    assert (report.thumbnails.made, report.thumbnails.left) == (4, 1)
    eyes.answer = lambda _, looked: looked
    assert finish(computer, photos).totals.changed == 1
    assert thumbnails(computer)["3.jpg"] == thumbnail_of(jpeg(99))


def test_after_the_catalog_was_begun_anew_all_content_is_known(computer: Computer, photos: Path, dear: None) -> None:
    computer.backup(photos)
    (catalog,) = (computer.folder / "state").rglob("catalog.sqlite")
    catalog.unlink()
    report = finish(computer, photos)
    content = sum(path.stat().st_size for path in photos.rglob("*.*"))
    assert report.written.known_bytes >= content
    assert report.written.new_bytes < content / 2, "listings and thumbnails only"
    assert len(thumbnails(computer)) == 6


def test_a_destination_that_lost_thumbnails_gets_them_again(computer: Computer, photos: Path) -> None:
    computer.backup(photos)
    before = set(thumbnails(computer).values())
    vault = computer.folder.parent / "vault"
    for path in (vault / "packs").rglob("*"):
        if path.is_file() and _holds(computer, path.name, before):
            path.unlink()
    made = computer.app()
    made.backup(BackupRequest(paths=(str(photos),), all_files=True), Silent())
    assert any("missing" in one for one in made.warnings)
    assert set(thumbnails(computer).values()) == before
    assert computer.check().findings == ()


def _holds(computer: Computer, pack: str, thumbnails: set[bytes]) -> bool:
    with computer.app().session() as session:
        from photovault.vault.reader import Reader

        parts = session.vault.places.parts_of(bytes.fromhex(pack))
        return any(Reader(session.vault).part(part) in thumbnails for part in parts)


# The budget.


def test_the_budget_is_a_floor_and_then_a_share() -> None:
    now = [0.0]
    budget = Budget(lambda: now[0], cores=2)
    granted = 0
    while budget.grant(1):
        budget.settle(1, 0.1)
        granted += 1
    assert granted == pytest.approx(2 * FLOOR / 0.1, abs=1)
    now[0] = 100.0
    while budget.grant(1):
        budget.settle(1, 0.1)
        granted += 1
    assert granted == pytest.approx(2 * SHARE * 100 / 0.1, abs=1)


def test_what_is_not_answered_yet_counts_as_what_it_will_cost() -> None:
    budget = Budget(lambda: 0.0, cores=1)
    budget.grant(1)
    budget.settle(1, FLOOR / 10)
    granted = 0
    while budget.grant(1):
        granted += 1
    assert granted == 9


def test_no_limit_is_none_and_nothing_is_nothing() -> None:
    endless = NoLimit()
    endless.settle(1, 1e9)
    assert endless.grant(10**6)
    assert not Nothing().grant(1)


# Extras that are missing.


def test_what_a_missing_extra_kept_from_having_a_thumbnail_gets_one_when_it_is_there(
    computer: Computer, photos: Path, eyes: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(photos / "film.mp4", b"\0\0\0\x14ftypisom\0\0\0\0isom" + bytes(100))
    works = eyes.answer

    def lacking(asked: Any, looked: Any) -> Any:
        if not asked.thumbnail or looked.facts.kind != "mp4":
            return looked
        return looked._replace(thumbnail=b"", why="photovault[video] is not installed", lacks="video")

    eyes.answer = lacking
    there = ["raw", "jxl"]
    monkeypatch.setattr("photovault.decoder.host.installed", lambda: there)
    report = computer.backup(photos)
    assert (report.thumbnails.made, report.thumbnails.left, report.thumbnails.lacking) == (6, 0, {})
    eyes.looked.clear()
    report = finish(computer, photos)
    assert (report.thumbnails.lacking, eyes.looked) == ({"video": 1}, []), "it is not tried again and again"
    there.append("video")
    eyes.answer = works
    report = finish(computer, photos)
    assert (report.thumbnails.made, report.thumbnails.left, report.thumbnails.lacking) == (1, 0, {})
    assert "film.mp4" in thumbnails(computer)


def test_a_library_that_is_there_and_does_not_load_is_no_endless_work(
    computer: Computer, photos: Path, eyes: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    eyes.answer = lambda _, looked: looked._replace(thumbnail=b"", why="no", lacks="raw")
    monkeypatch.setattr("photovault.decoder.host.installed", lambda: ["raw"])
    assert computer.backup(photos).thumbnails.left == 0
    ids = computer.snapshots()
    request = BackupRequest(paths=(str(photos),), all_files=True)
    report = computer.app().make_thumbnails(request, Silent(), lambda: False)
    assert report is not None
    assert (report.is_new, report.thumbnails.made, report.thumbnails.left) == (False, 0, 0)
    assert computer.snapshots() == ids
