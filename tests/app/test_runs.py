"""One call of the program: which snapshot, when, and what stops it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from photovault.app.session import parse_time, utc_text
from photovault.app.snapshots import names_snapshot, resolve
from photovault.app.sources import BackupRequest
from photovault.backup import BackupPlan, BackupReport
from photovault.device import run_lock
from photovault.errors import BusyError, GuardError, NoVaultError, PhotovaultError, UsageError, WrongKeyError
from photovault.model import Counts, Snapshot
from photovault.photos import reading
from photovault.vault.vault import NamedSnapshot, Snapshots
from tests.support.devices import Computer, Silent
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from pathlib import Path


def snapshots(*names: str) -> Snapshots:
    one = Snapshot(
        device_id=bytes(16), device_name="d", number=1, time="", previous=None, root=(), counts=Counts(), sources=(),
        clear=(), epoch=1, program="",
    )  # fmt: skip
    return Snapshots(
        found=tuple(NamedSnapshot(name=bytes.fromhex(name.ljust(64, "0")), snapshot=one) for name in names)
    )


THREE = snapshots("aaaa1111", "aaaa2222", "bbbb3333")


@pytest.mark.parametrize(
    ("name", "number"),
    [("latest", 2), ("latest~0", 2), ("latest~1", 1), ("latest~2", 0), ("aaaa1", 0), ("AAAA2", 1), ("bbbb", 2)],
)
def test_names_of_snapshots(name: str, number: int) -> None:
    assert resolve(THREE, name) is THREE.found[number]
    assert names_snapshot(THREE, name)


@pytest.mark.parametrize("name", ["latest~3", "latest~", "latest~x", "latest~-1", "aaaa", "bbb", "", "cccc", "~1"])
def test_what_names_no_snapshot_or_several_is_wrong_use(name: str) -> None:
    with pytest.raises(UsageError):
        resolve(THREE, name)


def test_a_path_is_not_taken_for_a_snapshot() -> None:
    assert not any(names_snapshot(THREE, path) for path in ("Pictures", "aaaa", "bbb", "latest.jpg", "cafe"))


def test_no_snapshot_at_all_says_what_to_do() -> None:
    with pytest.raises(PhotovaultError) as caught:
        resolve(snapshots(), "latest")
    assert (caught.value.exit_code, "photovault backup" in caught.value.hint) == (1, True)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-05-04T12:00:00Z", "2024-05-04T12:00:00.000000Z"),
        ("2024-05-04T12:00:00+02:00", "2024-05-04T10:00:00.000000Z"),
        ("2024-05-04T12:00:00.5-10:30", "2024-05-04T22:30:00.500000Z"),
    ],
)
def test_times_with_an_offset(text: str, utc: str) -> None:
    assert utc_text(parse_time(text)) == utc


def test_times_without_an_offset_are_local() -> None:
    local = datetime(2024, 5, 4, 12).astimezone()
    assert parse_time("2024-05-04T12:00") == local
    assert parse_time("2024-05-04") == local - timedelta(hours=12)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-01", "2024-05-04T25:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00+23:59"]
)
def test_what_is_no_time_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="not a time"):
        utc_text(parse_time(text))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    return tmp_path / "P"


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    made.make_vault(password="a long enough password")
    return made


def test_all_sources_away_stops_the_run_and_makes_no_snapshot(computer: Computer, photos: Path, tmp_path: Path) -> None:
    computer.backup(photos)
    photos.rename(tmp_path / "away")
    (computer.folder / "config.toml").write_text(f"[[sources]]\npath = '{photos}'\n")
    with pytest.raises(GuardError) as caught:
        computer.app().backup(BackupRequest(), Silent())
    assert (caught.value.exit_code, str(photos) in caught.value.what) == (15, True)
    assert len(computer.snapshots()) == 1


def test_a_second_run_at_the_same_time_is_refused(computer: Computer, photos: Path) -> None:
    with computer.app().session() as session, run_lock(session.folder, wait=False), pytest.raises(BusyError):
        computer.backup(photos)
    assert computer.backup(photos).snapshot.snapshot.number == 1


def test_waiting_for_another_run(computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with computer.app().session() as session:
        lock = run_lock(session.folder, wait=False)
        lock.__enter__()
        monkeypatch.setattr("photovault.device.time.sleep", lambda _: lock.__exit__(None, None, None))
        assert computer.backup(photos, wait=True).snapshot.snapshot.number == 1


def test_numbers_and_the_chain_of_a_device(computer: Computer, photos: Path) -> None:
    made = [computer.backup(photos).snapshot for _ in range(3)]
    assert [one.snapshot.number for one in made] == [1, 2, 3]
    assert [one.snapshot.previous for one in made] == [None, made[0].name, made[1].name]


def test_tags_of_configuration_and_request_once_each(computer: Computer, photos: Path) -> None:
    (computer.folder / "config.toml").write_text("[backup]\ntags = ['a', 'b']\n")
    request = BackupRequest(paths=(str(photos),), tags=("b", "c"))
    assert computer.app().backup(request, Silent()).snapshot.snapshot.tags == ("a", "b", "c")


def test_a_given_time_is_the_snapshots(computer: Computer, photos: Path) -> None:
    request = BackupRequest(paths=(str(photos),), time="2001-02-03T04:05:06Z")
    assert computer.app().backup(request, Silent()).snapshot.snapshot.time == "2001-02-03T04:05:06.000000Z"


def test_no_vault_at_the_address(tmp_path: Path, photos: Path) -> None:
    with pytest.raises(NoVaultError):
        Computer(tmp_path / "c", tmp_path / "nothing").backup(photos)


def test_a_password_is_asked_for_once_however_often_the_vault_is_opened(
    computer: Computer, photos: Path, tmp_path: Path
) -> None:
    computer.backup(photos)
    asked = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "a long enough password"

    stranger = Computer(tmp_path / "stranger", computer.vault, seed="stranger").app()
    object.__setattr__(stranger.world, "ask_password", ask)
    for _ in range(2):
        with stranger.browse() as (found, _reader):
            assert len(found.found) == 1
    assert len(asked) == 1


def test_a_stranger_without_a_terminal_is_told_which_flags_would_help(computer: Computer, tmp_path: Path) -> None:
    stranger = Computer(tmp_path / "stranger", computer.vault, seed="stranger")
    with pytest.raises(UsageError, match="no password was given") as caught, stranger.app().browse():
        pass
    assert "--password-file" in caught.value.hint


def test_a_wrong_password_is_no_way_in(computer: Computer, tmp_path: Path) -> None:
    wrong = put(tmp_path / "pw", b"not the password\n")
    with pytest.raises(WrongKeyError), computer.app(password_file=str(wrong)).browse():
        pass


def test_status_of_a_device_without_a_backup(computer: Computer) -> None:
    found = computer.app().status()
    assert (found.own, found.age_seconds, found.overdue, found.plan) == (None, None, True, None)


def test_status_ages_and_is_overdue(computer: Computer, photos: Path) -> None:
    (computer.folder / "config.toml").write_text(f"[status]\noverdue = '2d'\n[[sources]]\npath = '{photos}'\n")
    computer.backup(photos)
    fresh = computer.app().status()
    assert not fresh.overdue
    assert 0 < (fresh.age_seconds or 0) < 60
    computer._now.now += timedelta(days=3)
    put(photos / "b.jpg", jpeg(2))
    late = computer.app().status()
    assert late.overdue
    assert late.plan is not None
    assert late.plan.totals.new == 1


def test_status_knows_its_own_device_only(computer: Computer, photos: Path, tmp_path: Path) -> None:
    computer.backup(photos)
    other = Computer(tmp_path / "other", computer.vault, seed="other")
    password = put(tmp_path / "pw", b"a long enough password")
    found = other.app(password_file=str(password)).status()
    assert (found.own, len(found.snapshots.found)) == (None, 1)


def test_the_clock_of_the_world_is_in_utc(computer: Computer, photos: Path) -> None:
    time = computer.backup(photos).snapshot.snapshot.time
    assert datetime.fromisoformat(time).tzinfo == UTC
    assert time.startswith("2024-05-04T12:")


# Heartbeats


def watched(computer: Computer) -> BackupReport | BackupPlan:
    """What the daemon does now and then."""
    return computer.app().backup_if_changed(BackupRequest(), Silent())


@pytest.fixture
def daily(computer: Computer, photos: Path) -> Computer:
    """A computer whose photos are backed up and do not change."""
    (computer.folder / "config.toml").write_text(f"[[sources]]\npath = '{photos}'\n")
    assert isinstance(watched(computer), BackupReport)
    return computer


def test_once_a_day_a_snapshot_says_that_nothing_changed(daily: Computer) -> None:
    (first,) = daily.snapshots()
    for hours, made in ((20, 0), (3, 1), (1, 0), (24, 1)):
        daily._now.now += timedelta(hours=hours)
        known = len(daily.snapshots())
        done = watched(daily)
        assert len(daily.snapshots()) - known == made
        if isinstance(done, BackupReport):
            assert (done.totals.new, done.totals.changed, done.written.objects, done.is_new) == (0, 0, 1, True)
    with daily.app().browse() as (found, _):
        assert {one.snapshot.root for one in found.found} == {found.found[0].snapshot.root}
        assert found.found[0].id == first


def test_a_heartbeat_costs_one_small_object(daily: Computer, tmp_path: Path) -> None:
    before = {path for path in (tmp_path / "vault").rglob("*") if path.is_file()}
    daily._now.now += timedelta(days=1)
    watched(daily)
    (one,) = {path for path in (tmp_path / "vault").rglob("*") if path.is_file()} - before
    assert (one.parent.name, one.stat().st_size) == ("snapshots", 16 * 1024)


@pytest.mark.parametrize(("every", "made"), [("0s", 0), ("1h", 1), ("30d", 0)])
def test_how_often_is_configured(daily: Computer, every: str, made: int) -> None:
    with (daily.folder / "config.toml").open("a") as config:
        config.write(f"[watch]\nheartbeat = '{every}'\n")
    daily._now.now += timedelta(days=3)
    watched(daily)
    assert len(daily.snapshots()) == 1 + made


def test_what_can_never_be_read_stops_no_heartbeat(
    daily: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(photos / "locked.jpg", jpeg(5))

    def refuse(_path: bytes) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reading, "open_quietly", refuse)
    made = []
    for hours in (1, 1, 24, 1, 24):
        daily._now.now += timedelta(hours=hours)
        known = len(daily.snapshots())
        watched(daily)
        made.append(len(daily.snapshots()) - known)
    assert made == [1, 0, 1, 0, 1]


def test_a_storage_that_stopped_in_time_is_told_by_the_next_run(daily: Computer, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "vault", tmp_path / "frozen")
    daily._now.now += timedelta(days=1)
    watched(daily)
    shutil.rmtree(tmp_path / "vault")
    (tmp_path / "frozen").rename(tmp_path / "vault")
    app = daily.app()
    app.backup_if_changed(BackupRequest(), Silent())
    assert any("older state" in warning for warning in app.warnings)
