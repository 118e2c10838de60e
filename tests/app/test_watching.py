"""The daemon's wiring: what a configuration that is read again changes, and what a broken one leaves."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from photovault.app import App
from photovault.app import consent as consenting
from photovault.app.people_process import Background
from photovault.app.settings import Settings
from photovault.app.watching import Watching, _Faces, _watcher, place
from photovault.errors import BusyError, UnsafeError
from photovault.names import FACE_STORE_MAGIC
from photovault.people.consent.notice import FACES
from photovault.photos import reading
from photovault.watch.observer import Event, Kind, Watcher
from photovault.watch.run import Faced
from tests.support.devices import Computer, Silent
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.eyes import Record


@pytest.fixture
def house(tmp_path: Path) -> SimpleNamespace:
    """A daemon's wiring around a daemon that only remembers its orders."""
    config = tmp_path / "config.toml"
    house = SimpleNamespace(config=config, said=[], orders=[], photos=tmp_path / "photos")
    house.photos.mkdir()
    configure(house)
    app = App(Settings(vault=str(tmp_path / "vault"), config=str(config)))
    house.watching = Watching(app, lambda what, more: house.said.append((what, dict(more))))
    house.daemon = SimpleNamespace(obey=lambda orders, _watcher: house.orders.append(orders), status=dict)
    yield house
    house.watching._close()


def configure(house: SimpleNamespace, more: str = "") -> None:
    house.config.write_text(f"[[sources]]\npath = '{house.photos}'\n{more}")


def test_a_configuration_that_is_read_again_changes_whom_alarms_go_to(house: SimpleNamespace) -> None:
    house.watching._begin_alarms(house.daemon)
    assert house.watching._alarms._thread is None
    configure(house, "[alarms]\nwebhook = 'http://127.0.0.1:9/'\n[watch]\nsettle = '1s'\n")
    house.watching._obey(house.daemon)
    assert [line.channel.name for line in house.watching._alarms._lines] == ["webhook"]
    assert house.watching._alarms._thread.is_alive()
    assert [orders.settle for orders in house.orders] == [1.0]


@pytest.mark.parametrize("text", ["[watch", "[watch]\nsettle = 'soon'\n", "", "[[sources]]\npath = ''\nlabel = 1\n"])
def test_a_broken_configuration_changes_nothing_not_even_for_the_next_backup(house: SimpleNamespace, text: str) -> None:
    before, config = house.watching._app, house.watching._app.config  # as at its start
    house.config.write_text(text)
    house.watching._obey(house.daemon)
    assert house.orders == []
    assert house.said[0][0] == "configuration not read"
    assert house.watching._app is before
    assert house.watching._fresh().config is config


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 86400), ("rescan = '7d'", 86400), ("rescan = '7d'\nheartbeat = '0s'", 7 * 86400), ("heartbeat = '2h'", 7200)],
)
def test_a_heartbeat_needs_a_look(house: SimpleNamespace, text: str, seconds: int) -> None:
    configure(house, f"[watch]\n{text}\n")
    house.watching._obey(house.daemon)
    assert [orders.rescan for orders in house.orders] == [seconds]


def test_each_profile_has_a_daemon_of_its_own(tmp_path):
    computer = Computer(tmp_path / "device", tmp_path / "vault")
    places = {place(computer.app(**settings)) for settings in ({}, {"profile": "nas"}, {"profile": "usb"})}
    assert len(places) == 3
    assert all(tmp_path / "device" / "state" in (one, one.parent) for one in places)


@pytest.mark.parametrize("becomes", ["deleted", "broken"])
@pytest.mark.parametrize("signal", [False, True], ids=["unnoticed", "told to read it"])
def test_a_configuration_that_is_gone_still_says_where_destinations_are(
    house: SimpleNamespace, tmp_path: Path, becomes: str, signal: bool
) -> None:
    configure(house, f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'stick'}'\n[network]\ntimeout = '7s'\n")
    house.watching._obey(house.daemon)
    house.config.unlink() if becomes == "deleted" else house.config.write_text("[watch")
    if signal:
        house.watching._obey(house.daemon)
    made = house.watching._fresh().at("usb")
    assert made.storage.address == str(tmp_path / "stick")
    assert [one.name for one in made.destinations()] == ["main", "usb"]
    assert str(tmp_path / "stick") in made.own_folders
    assert made.access.timeout == 7
    assert house.watching._fresh().at("main").storage.address == str(tmp_path / "vault")


def test_a_changed_ignore_file_counts_for_the_next_event(house: SimpleNamespace) -> None:
    watcher = house.watching._watcher = _watcher(house.watching._orders(house.watching._app)).begin()
    ignore = house.photos / ".photovaultignore"

    def told_of(name: str) -> set[bytes]:
        (house.photos / name).write_bytes(b"x")
        (house.photos / "last.jpg").write_bytes(b"x")
        return _until(watcher, lambda event: event.path.endswith(b"/last.jpg"))

    assert any(path.endswith(b"/a.jpg") for path in told_of("a.jpg"))
    ignore.write_text("b*.jpg\n")
    _until(watcher, lambda event: event.kind is Kind.SOMETHING)
    assert not any(path.endswith(b"/b.jpg") for path in told_of("b.jpg"))
    ignore.write_bytes(b"\xff\xfe")  # cannot be read: the old rules stay, and the backup will say why it failed
    _until(watcher, lambda event: event.kind is Kind.SOMETHING)
    assert not any(path.endswith(b"/b2.jpg") for path in told_of("b2.jpg"))
    ignore.unlink()
    _until(watcher, lambda event: event.kind is Kind.SOMETHING)
    assert any(path.endswith(b"/b3.jpg") for path in told_of("b3.jpg"))


def _until(watcher: Watcher, wanted: Callable[[Event], bool]) -> set[bytes]:
    """Paths of all events until one that is wanted, and of those right after it."""
    seen: list[Event] = []
    end = time.monotonic() + 10
    while not any(map(wanted, seen)):
        assert time.monotonic() < end, seen
        time.sleep(0.05)
        seen += watcher.taken()
    time.sleep(0.3)
    return {event.path for event in [*seen, *watcher.taken()]}


def test_where_nobody_can_ask_it_the_daemon_runs_and_says_so(house: SimpleNamespace, tmp_path: Path) -> None:
    place(house.watching._app).mkdir(parents=True)
    (place(house.watching._app) / "watch.sock.new").mkdir()  # stands for any reason why there can be no socket
    with house.watching._server(house.daemon):
        pass
    assert [what for what, _ in house.said] == ["nobody can ask this daemon"]
    assert "watch.sock" in house.said[0][1]["why"]


def test_a_run_tells_of_what_cannot_be_read_and_not_of_sources_that_are_away(tmp_path: Path) -> None:
    computer, photos, away = Computer(tmp_path / "device", tmp_path / "vault"), tmp_path / "photos", tmp_path / "card"
    computer.make_vault()
    put(photos / "a.jpg", jpeg(1))
    put(photos / ".b.jpg.icloud", b"")
    (tmp_path / "device" / "config.toml").write_text(f"[[sources]]\npath = '{photos}'\n[[sources]]\npath = '{away}'\n")
    watching = Watching(computer.app(), lambda *_: None)
    first = watching._backup("main", frozenset(), Silent())
    assert (bool(first.snapshot), first.problems) == (True, 1)  # the card is away, which is no problem of a file
    (photos / ".b.jpg.icloud").unlink()
    rest = [watching._backup("main", frozenset(), Silent()) for _ in range(2)]
    assert [(bool(one.snapshot), one.problems) for one in rest] == [(True, 0), (False, 0)]


def test_thumbnails_that_a_backup_left_are_made_later(
    tmp_path: Path, eyes: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.backup.run.AHEAD", 1)
    eyes.seconds = 1e6
    computer = Computer(tmp_path / "computer", tmp_path / "vault")
    for number in range(6):
        put(tmp_path / "photos" / str(number) / "a.jpg", jpeg(number))
    (computer.folder / "config.toml").write_text(f"[[sources]]\npath = '{tmp_path / 'photos'}'\n")
    computer.make_vault()
    watching = Watching(computer.app(), lambda *_: None)
    first = watching._backup("main", frozenset(), Silent())
    assert (first.files, first.thumbnails_left) == (6, 5)
    assert watching._backup("main", frozenset(), Silent()).thumbnails_left == 5, "also when nothing changed"
    stops = iter([*[False] * 4, *[True] * 19])  # asked for each folder and for each photo
    some = watching._make_thumbnails("main", Silent(), lambda: next(stops))
    assert (some.thumbnails_left, bool(some.snapshot)) == (3, True)
    assert watching._make_thumbnails("main", Silent(), lambda: False).thumbnails_left == 0
    assert watching._make_thumbnails("main", Silent(), lambda: False) is None, "nothing is left"
    assert watching._backup("main", frozenset(), Silent()).thumbnails_left == 0


def test_what_stays_out_of_reach_makes_no_snapshot_at_each_look_and_is_told_of_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer, photos = Computer(tmp_path / "computer", tmp_path / "vault"), tmp_path / "photos"
    put(photos / "cloud" / "a.jpg", jpeg(1))
    put(photos / "cloud" / "b.jpg", jpeg(2))
    put(photos / "held" / "c.jpg", jpeg(3))
    put(photos / "held" / "locked.jpg", jpeg(4))
    (computer.folder / "config.toml").write_text(f"[[sources]]\npath = '{photos}'\n")
    computer.make_vault()
    watching = Watching(computer.app(), lambda *_: None)
    assert watching._backup("main", frozenset(), Silent()).problems == 0
    (photos / "cloud" / "a.jpg").rename(photos / "cloud" / ".a.jpg.icloud")
    put(photos / "cloud" / ".new.jpg.icloud", b"")
    put(photos / "held" / "locked.jpg", jpeg(5))
    locked: list[bytes] = [b"locked.jpg"]
    opens = reading.open_quietly

    def refuse(path: bytes) -> int:
        if os.path.basename(path) in locked:
            raise PermissionError(13, "Permission denied")
        return opens(path)

    monkeypatch.setattr(reading, "open_quietly", refuse)
    looks = [watching._backup("main", frozenset(), Silent()) for _ in range(4)]
    assert [one.problems for one in looks] == [3] * 4
    assert [bool(one.snapshot) for one in looks] == [True, False, False, False]
    locked.clear()  # its times are as they were
    now = watching._backup("main", frozenset(), Silent())
    assert (bool(now.snapshot), now.problems) == (True, 2)
    assert len(computer.snapshots()) == 3
    report = computer.restore(tmp_path / "back")
    assert (report.restored, report.damaged) == (4, ())
    assert (tmp_path / "back" / "photos" / "held" / "locked.jpg").read_bytes() == jpeg(5)


def test_a_daemon_logs_that_the_storage_shows_an_older_state(tmp_path: Path) -> None:
    computer, vault = Computer(tmp_path / "computer", tmp_path / "vault"), tmp_path / "vault"
    put(tmp_path / "photos" / "a.jpg", jpeg(1))
    (computer.folder / "config.toml").write_text(f"[[sources]]\npath = '{tmp_path / 'photos'}'\n")
    computer.make_vault()
    said: list[tuple[str, dict[str, object]]] = []
    watching = Watching(computer.app(), lambda what, more: said.append((what, dict(more))))
    (newest,) = [watching._backup("main", frozenset(), Silent()).snapshot]
    (vault / "snapshots" / newest).unlink()
    watching._backup("main", frozenset(), Silent())
    assert [what for what, more in said if newest[:8] in str(more["why"])] == ["warning"]


def test_without_thumbnails_in_the_configuration_none_is_left(tmp_path: Path) -> None:
    computer = Computer(tmp_path / "computer", tmp_path / "vault")
    put(tmp_path / "photos" / "a.jpg", jpeg(1))
    text = f"[[sources]]\npath = '{tmp_path / 'photos'}'\n[backup]\nthumbnails = false\n"
    (computer.folder / "config.toml").write_text(text)
    computer.make_vault()
    watching = Watching(computer.app(), lambda *_: None)
    for _ in range(2):
        assert watching._backup("main", frozenset(), Silent()).thumbnails_left == 0


# Faces.


@pytest.fixture
def faces(house: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The daemon's way of looking for faces, with a scan that only remembers that it was asked for."""
    found = SimpleNamespace(scans=[], answer=Background(looked=3, left=2, faces=4, failed=1))
    monkeypatch.setattr(
        "photovault.app.people_process.scan_in_background", lambda *_: found.scans.append(1) or found.answer
    )
    found.way = _Faces(house.watching._fresh, house.watching._erase)
    found.app = house.watching._fresh()
    return found


def agree(faces: SimpleNamespace, house: SimpleNamespace) -> None:
    agreement = consenting.Agreement(words=FACES.words, notice_sha=FACES.sha256())
    consenting.enable(faces.app, [str(house.photos)], agreement)


def test_faces_are_looked_for_in_the_background_only_where_it_is_agreed_to_and_wanted(
    house: SimpleNamespace, faces: SimpleNamespace
) -> None:
    assert faces.way.look(Silent(), lambda: False) is None
    agree(faces, house)
    assert faces.way.look(Silent(), lambda: False) == Faced(photos=3, left=2, problems=1)
    configure(house, "[people]\nbackground = false\n")
    house.watching._obey(house.daemon)
    assert faces.way.look(Silent(), lambda: False) is None
    assert len(faces.scans) == 1


def test_an_alarm_in_the_background_is_said_aloud(house: SimpleNamespace, faces: SimpleNamespace) -> None:
    agree(faces, house)
    faces.answer = replace(faces.answer, alarms=("A face worker tried to write",))
    with pytest.raises(UnsafeError, match="tried to write"):
        faces.way.look(Silent(), lambda: False)


def test_a_scan_that_gave_way_is_tried_again_soon(house: SimpleNamespace, faces: SimpleNamespace) -> None:
    agree(faces, house)
    faces.answer = replace(faces.answer, gave_way=True)
    with pytest.raises(BusyError):
        faces.way.look(Silent(), lambda: False)


def test_another_consent_is_news_once(house: SimpleNamespace, faces: SimpleNamespace) -> None:
    assert not faces.way.news()
    agree(faces, house)
    assert faces.way.news()
    assert not faces.way.news()
    consenting.disable(faces.app)
    assert faces.way.news()


def test_the_daemon_erases_what_there_is_no_consent_for_any_more(
    house: SimpleNamespace, faces: SimpleNamespace
) -> None:
    agree(faces, house)
    store = faces.app.people_folder / "faces.db"
    store.write_bytes(FACE_STORE_MAGIC + b"vectors")
    faces.way.news()
    assert store.exists()
    later = replace(house.watching._app.world, now=lambda: datetime.now(UTC) + timedelta(days=400))
    house.watching._app.world = later
    faces.way._looked = -1000.0
    faces.way.news()
    assert not store.exists()
    assert house.said[-1][0] == "face data erased"
