"""What somebody forgot or marked for removal covers nothing, whatever other destinations still show."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from photovault.app.covering import covered
from photovault.crypto.words import to_words
from photovault.model import Gone, Retention
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from tests.support.devices import WORDS, Computer, Silent
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """Two snapshots at ``main`` and at ``usb``: one photo is in both, another only in the first."""
    made = Computer(tmp_path / "computer", tmp_path / "main")
    made.make_vault()
    (made.folder / "config.toml").write_text(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")
    put(tmp_path / "library" / "both.jpg", jpeg(1))
    put(tmp_path / "library" / "first.jpg", jpeg(2))
    made.backup(tmp_path / "library")
    (tmp_path / "library" / "first.jpg").unlink()
    made.backup(tmp_path / "library")
    made.app().copy("main", "usb", Silent())
    put(tmp_path / "card" / "1.jpg", jpeg(1))
    put(tmp_path / "card" / "2.jpg", jpeg(2))
    return made


def record(computer: Computer, **what: Any) -> None:
    """Write a retention record at ``main``."""
    with computer.app().session() as session:
        named = {"device_id": bytes(16), "device_name": "x", "time": "2024-05-04T12:00:00.000000Z", "grace": 604_800}
        session.vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(Retention(**named, **what)))


def where(computer: Computer, tmp_path: Path) -> dict[str, int]:
    """How many of the card's photos are at each destination."""
    report, _ = covered(computer.app(), [str(tmp_path / "card")], Silent())
    return dict(report.at)


def test_a_snapshot_that_was_forgotten_anywhere_counts_nowhere(computer: Computer, tmp_path: Path) -> None:
    assert where(computer, tmp_path) == {"main": 2, "usb": 2}
    with computer.app().session() as session:
        first = session.vault.snapshots().found[0]
    gone = Gone(name=first.name, device_id=first.snapshot.device_id, number=first.snapshot.number)
    record(computer, snapshots=(gone,))
    assert where(computer, tmp_path) == {"main": 1, "usb": 1}


def test_what_is_marked_for_removal_counts_no_more(computer: Computer, tmp_path: Path) -> None:
    with computer.app().session() as session:
        packs = tuple(session.vault.places.packs())
    record(computer, packs=packs)
    assert where(computer, tmp_path) == {"main": 0, "usb": 2}


def test_what_a_copy_knows_of_the_vault_tells_that_it_was_rolled_back(computer: Computer, tmp_path: Path) -> None:
    """On a computer that sees both for the first time."""
    shutil.copytree(tmp_path / "main", tmp_path / "older")
    for number in range(2):
        put(tmp_path / "library" / f"{number}.jpg", jpeg(5 + number))
        computer.backup(tmp_path / "library")
    computer.app().copy("main", "usb", Silent())
    shutil.rmtree(tmp_path / "main")
    (tmp_path / "older").rename(tmp_path / "main")
    stranger = Computer(tmp_path / "stranger", tmp_path / "main", seed="stranger")
    shutil.copy(computer.folder / "config.toml", stranger.folder / "config.toml")
    words = str(put(tmp_path / "words", " ".join(to_words(WORDS)).encode()))
    report, asked = covered(stranger.app(words_file=words), [str(tmp_path / "card")], Silent())
    assert report.at == {"usb": 2}
    assert ["an older state" in one.problem for one in asked] == [True, False]


def test_a_snapshot_that_cannot_be_read_does_not_count_and_is_told(computer: Computer, tmp_path: Path) -> None:
    for path in (tmp_path / "usb" / "snapshots").iterdir():
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    shutil.rmtree(computer.folder / "cache")
    report, asked = covered(computer.app(), [str(tmp_path / "card")], Silent())
    assert report.at == {"main": 2, "usb": 0}
    assert any("not every snapshot can be read" in note for note in asked[1].notes)


def test_a_vault_without_a_snapshot_covers_nothing(tmp_path: Path) -> None:
    computer = Computer(tmp_path / "computer", tmp_path / "main")
    computer.make_vault()
    put(tmp_path / "card" / "1.jpg", jpeg(1))
    assert where(computer, tmp_path) == {"main": 0}
