"""An audit explains what was forgotten, by whichever device, and is not fooled by a record that nobody sent."""

from __future__ import annotations

import sys
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app.forgetting import ForgetRequest
from photovault.app.proof import audit
from photovault.forget import Keep
from photovault.model import Gone, Retention
from photovault.storage.memory import MemoryStorage
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind
from tests.forget.test_run import AT_ONCE, LAST, Place
from tests.support.devices import Computer, Silent
from tests.support.photos import put
from tests.tools.test_audit_vault import audit_vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.audit import AuditReport


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def audited(place: Place, computer: Computer | None = None) -> AuditReport:
    return audit((computer or place.computer).app(place.storage, words_file=place.words), (), Silent())


def other(place: Place) -> Computer:
    made = Computer(place.folder / "other computer", "memory:", seed="two")
    made._now = place.computer._now
    return made


def test_what_this_device_forgot_is_explained_at_every_step(place: Place) -> None:
    for n in range(3):
        place.backup(n)
    place.forget(keep=LAST)
    assert audited(place).alarms == ()
    place.computer.sleep(days=8)
    place.forget()
    assert audited(place).alarms == ()
    place.backup(9)
    report = audited(place)
    assert report.alarms == ()
    assert any("2 snapshots were forgotten on purpose" in one.what for one in report.notes)


def test_what_another_device_forgot_of_ours_and_of_its_own_is_explained(place: Place) -> None:
    two = other(place)
    photos = place.folder / "other" / "Pictures"
    for n in range(3):
        place.backup(n)
        for number in range(3):
            put(photos / f"{number}.bin", Random(50 + number + (n if number else 0) * 7).randbytes(40_000))
        two.backup(photos, storage=place.storage, words_file=place.words)
    for forgetting in (place.computer, two):
        for request in (ForgetRequest(keep=LAST, min_age=0.0), AT_ONCE, AT_ONCE):
            forgetting.forget(storage=place.storage, request=request, words_file=place.words)
            assert audited(place).alarms == ()
            assert audited(place, two).alarms == ()
        place.computer.sleep(days=8)
    place.backup(7)
    assert audited(place, two).alarms == ()


def test_a_record_of_this_device_that_it_never_sent_is_an_alarm(place: Place) -> None:
    ids = [place.backup(n) for n in range(2)]
    app = place.computer.app(place.storage, words_file=place.words)
    with app.session() as session:
        forged = Retention(
            device_id=session.device.device_id,
            device_name="x",
            time="2024-06-01T00:00:00.000000Z",
            grace=1,
            snapshots=(Gone(name=bytes.fromhex(ids[0]), device_id=session.device.device_id, number=1),),
        )
        session.vault.door._ledger = _Nobody()  # type: ignore[assignment]
        name = session.vault.send_single(ObjectKind.RETENTION, fmt.encode_retention(forged))
    alarms = audited(place).alarms
    assert [one.where for one in alarms] == [f"retention/{name.hex()}"]
    assert "the ledger has no line of it" in alarms[0].what


class _Nobody:
    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_: None


def test_a_record_that_cannot_be_read_is_an_alarm(place: Place) -> None:
    place.backup(1)
    place.backup(2)
    place.forget(keep=LAST)
    [name] = place.names("retention/")
    place.storage.objects[name] = bytes(len(place.storage.objects[name]))
    assert name in [one.where for one in audited(place).alarms]


def test_a_snapshot_that_came_back_is_told_and_goes_again(place: Place) -> None:
    ids = [place.backup(n) for n in range(3)]
    saved = place.storage.objects[f"snapshots/{ids[0]}"]
    place.forget(request=AT_ONCE)
    place.storage.objects[f"snapshots/{ids[0]}"] = saved
    report = audited(place)
    assert [one.where for one in report.alarms] == [f"snapshots/{ids[0]}"]  # this device knows that it removed it
    stranger = other(place)
    assert audited(place, stranger).alarms == ()
    assert any("is there again" in one.what for one in audited(place, stranger).notes)
    assert place.snapshots() == ids[2:]
    place.forget(request=AT_ONCE)
    assert place.names("snapshots/") == [f"snapshots/{ids[2]}"]


def test_the_auditor_of_somebody_else_accounts_for_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said() -> tuple[int, str]:
        folder = tmp_path / "copy"
        for name, data in place.storage.objects.items():
            put(folder / name, data)
        for path in folder.rglob("*"):
            if path.is_file() and str(path.relative_to(folder)) not in place.storage.objects:
                path.unlink()
        monkeypatch.setattr(sys, "argv", ["audit_vault.py", str(folder), "--words-file", place.words])
        return audit_vault.main(), capsys.readouterr().out

    for n in range(4):
        place.backup(n)
    place.forget(request=ForgetRequest(keep=Keep(last=2), min_age=0.0))
    code, text = said()
    assert code == 0, text
    assert "2 snapshots forgotten, 0 pinned" in text
    assert "that forgotten snapshots left" not in text  # they are there still
    place.computer.sleep(days=8)
    place.forget(keep=LAST)
    code, text = said()
    assert code == 0, text
    assert isinstance(place.storage, MemoryStorage)
