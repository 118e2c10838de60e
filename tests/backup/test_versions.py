"""What a run makes of a file beside its last version."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from photovault.backup.pictures import Nothing
from photovault.errors import GuardError
from tests.backup.test_earlier import forget
from tests.backup.test_pictures import entries, thumbnails
from tests.support.eyes import BROKEN
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.decoder.host import Asked, Looked
    from tests.support.devices import Computer
    from tests.support.eyes import Record


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "Pictures"
    for number in range(30):
        put(root / f"{number:02}.jpg", jpeg(number), mtime=1_600_000_000 + number)
    return root


def test_a_thumbnail_is_kept_where_the_bytes_are_the_same(
    computer: Computer, photos: Path, eyes: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.backup(photos)
    before = thumbnails(computer)
    monkeypatch.setattr("photovault.app.backing.Budget", lambda *_: Nothing())
    monkeypatch.setattr("photovault.backup.versions._DECODED", 0)
    for path in photos.iterdir():
        path.chmod(0o600)
    report = computer.backup(photos)
    assert (thumbnails(computer), report.thumbnails.left, report.thumbnails.made) == (before, 0, 0)


def test_changed_photos_are_decoded_though_no_time_is_left_for_thumbnails(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First bytes as they were, the rest is noise: only decoding tells."""
    computer.backup(photos)
    monkeypatch.setattr("photovault.app.backing.Budget", lambda *_: Nothing())
    for path in photos.iterdir():
        path.write_bytes(path.read_bytes()[:-20] + BROKEN + b"x" * 20)
    with pytest.raises(GuardError, match="do not decode any more"):
        computer.app().backup(_request(photos, "changes"), _silent())


def test_a_look_at_an_unchanged_photo_leaves_its_suspicion(computer: Computer, photos: Path) -> None:
    computer.backup(photos, no_config=False)
    (computer.folder / "config.toml").write_text("[backup]\nthumbnails = false\n")
    path = photos / "00.jpg"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert computer.backup(photos).suspect == 1
    (computer.folder / "config.toml").write_text("")
    report = computer.app().backup(_request(photos, all_thumbnails=True), _silent())
    entry = entries(computer)["00.jpg"]
    assert (report.thumbnails.made, report.suspect, bool(entry.facts.thumbnail)) == (1, 1, True)
    assert entry.facts.suspect


def test_a_file_that_cannot_be_read_keeps_its_last_version_though_the_catalog_is_lost(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.backup(photos)
    before = entries(computer)["07.jpg"]
    forget(computer.folder / "state")
    real = os.open

    def refuse(path: object, *rest: object, **more: object) -> int:
        if os.fspath(path).endswith(b"07.jpg" if isinstance(path, bytes) else "07.jpg"):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **more)

    with monkeypatch.context() as there:
        there.setattr(os, "open", refuse)
        report = computer.backup(photos)
    assert ["its last version is kept" in one.what for one in report.problems] == [True]
    assert entries(computer)["07.jpg"] == before
    assert computer.backup(photos).problems == ()


def test_bit_rot_is_seen_though_the_vault_lost_the_last_version_and_the_catalog_forgot_it(
    computer: Computer, photos: Path
) -> None:
    """What is damaged in the vault is stored again from the photo: not from one that is not what it was."""
    computer.backup(photos)
    wanted = set(entries(computer)["00.jpg"].parts)
    app = computer.app()
    with app.session(lock=True) as session:
        packs = {session.vault.places.find(part).pack for part in wanted}
        app.note_damage(session, dict.fromkeys(packs, wanted), "found by a test")
    path = photos / "00.jpg"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    report = computer.backup(photos)
    assert [one.path for one in report.rotten] == [str(path)]


def test_a_photo_that_nobody_could_look_at_is_neither_broken_nor_a_reason_to_stop(
    computer: Computer, photos: Path, eyes: Record
) -> None:
    """A decoder that gave up: too many pixels, too long, too much memory."""
    computer.backup(photos)

    def give_up(_asked: Asked, looked: Looked) -> Looked:
        return looked._replace(facts=type(looked.facts)(), thumbnail=b"", why="it takes too long to decode")

    eyes.answer = give_up
    for number, path in enumerate(sorted(photos.iterdir())):
        path.write_bytes(jpeg(100 + number))
    report = computer.app().backup(_request(photos, "changes"), _silent())
    assert (report.broken, report.problems, report.rotten) == ((), (), ())
    assert {entry.facts.broken for entry in entries(computer).values()} == {""}


def _request(folder: Path, *allowed: str, all_thumbnails: bool = False) -> object:
    from photovault.app.sources import BackupRequest
    from photovault.backup.guards import Guard

    return BackupRequest(
        paths=(str(folder),),
        all_files=True,
        all_thumbnails=all_thumbnails,
        allowed=frozenset(map(Guard, allowed)),
    )


def _silent() -> object:
    from tests.support.devices import Silent

    return Silent()
