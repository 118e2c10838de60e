"""Who is told what, when, and how often; and that alarms never stop anything."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType, SimpleNamespace

import pytest

from photovault.config import AlarmsSection
from photovault.errors import PhotovaultError
from photovault.watch import alarms
from photovault.watch.alarms import ALL, PATIENCE, Alarm, Alarms, Desktop, Healthchecks, Webhook, load_memory
from photovault.watch.standing import Standing

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
WEEK = 7 * 86_400.0
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def text(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class Told:
    """A channel that remembers, or fails."""

    def __init__(self, name="webhook", *, wants_all=False):
        self.name, self.wants_all, self.told, self.broken = name, wants_all, [], False
        self.tries = 0

    def tell(self, alarm):
        self.tries += 1
        if self.broken:
            raise PhotovaultError("no network")
        self.told.append((alarm.destination, str(alarm.state)))


class House:
    """Alarms with the daemon's status and the clock in the hands of a test."""

    def __init__(self, folder, *channels):
        self.now, self.folder, self.channels, self.said, self.away = START, folder, channels, [], []
        self.destinations = {"main": {"last_success": text(START)}, "nas": {"last_success": text(START)}}
        self.begin()

    def begin(self):
        self.alarms = Alarms(
            self.channels,
            self.status,
            WEEK,
            lambda: self.now,
            lambda what, more: self.said.append((what, more)),
            self.folder / "alarms.json",
        )

    def status(self):
        places = [{"name": name, "error": "", **one} for name, one in self.destinations.items()]
        return {"destinations": places, "away": self.away}

    def fails(self, name="nas"):
        self.destinations[name] = self.destinations[name] | {"failing_since": text(self.now), "error": "/home/a.jpg"}

    def works(self, name="nas"):
        self.destinations[name] = {"last_success": text(self.now)}

    def go(self, time_, *, every=MINUTE):
        end = self.now + time_
        while self.now < end:
            self.now += every
            for one in self.destinations.values():
                if not one.get("failing_since"):
                    one["last_success"] = text(self.now)
            self.alarms.look()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def house(tmp_path, told):
    return House(tmp_path, told)


def test_nobody_is_told_while_all_is_well(house, told):
    house.go(3 * DAY, every=HOUR)
    assert told.told == []


def test_a_failure_is_told_once_then_once_a_day_and_its_end_once(house, told):
    house.fails()
    house.go(HOUR)
    assert told.told == [("nas", "failing")]
    house.go(DAY, every=HOUR)
    assert told.told == [("nas", "failing")] * 2
    told.told.clear()
    house.works()
    house.go(2 * DAY, every=HOUR)
    assert told.told == [("nas", "protected")]


def test_what_mends_itself_soon_is_nobodys_trouble(house, told):
    house.fails()
    house.go(PATIENCE - MINUTE)
    house.works()
    house.go(HOUR)
    assert told.told == []


def test_files_that_cannot_be_read_are_told_as_failures_are(house, told):
    house.destinations["nas"] |= {"problems": 2, "problems_since": text(house.now)}
    house.go(PATIENCE - MINUTE)
    assert told.told == []
    house.go(HOUR)
    assert told.told == [("nas", "incomplete")]
    house.works()
    house.go(HOUR)
    assert told.told == [("nas", "incomplete"), ("nas", "protected")]
    said = alarms.sentence(Alarm(destination="nas", state=Standing.INCOMPLETE, since=text(START), problems=2))
    assert "incomplete since 2026-11-23T12:00:00Z: what could not be read, or is suspect: 2;" in said


def test_a_card_that_is_not_plugged_in_alarms_nobody(house, told):
    house.away = ["/media/card"]
    house.destinations["nas"] |= {"problems": 1}
    house.go(2 * DAY, every=HOUR)
    assert told.told == []
    house.destinations["nas"] |= {"problems": 2}
    house.alarms.look()
    assert told.told == [("nas", "incomplete")]


def test_overdue_is_another_state_than_failing(house, told):
    house.fails()
    house.go(8 * DAY, every=HOUR)
    assert told.told == [("nas", "failing")] * 7 + [("nas", "overdue")]


def test_a_destination_that_never_had_a_backup_is_overdue_in_the_end(house, told):
    house.destinations = {"nas": {"last_success": "", "pending_since": text(START), "failing_since": ""}}
    house.now += timedelta(seconds=WEEK) + MINUTE
    house.alarms.look()
    assert told.told == [("nas", "overdue")]


def test_each_destination_is_told_of_by_itself(house, told):
    house.fails("nas")
    house.go(HOUR)
    house.fails("main")
    house.go(HOUR)
    house.works("nas")
    house.go(HOUR)
    assert told.told == [("nas", "failing"), ("main", "failing"), ("nas", "protected")]


def test_what_could_not_be_told_is_told_later_and_ever_less_often_tried(house, told):
    told.broken = True
    house.fails()
    house.go(6 * HOUR)
    assert told.tries < 15
    told.broken = False
    house.go(HOUR + MINUTE)
    assert told.told == [("nas", "failing")]
    assert ("alarm failed", {"to": "webhook", "error": "no network", "do": ""}) in house.said


def test_a_channel_that_fails_keeps_no_other_from_being_told(tmp_path):
    broken, other = Told("webhook"), Told("desktop")
    broken.broken = True
    house = House(tmp_path, broken, other)
    house.fails()
    house.go(HOUR)
    assert other.told == [("nas", "failing")]


def test_a_daemon_that_is_started_anew_does_not_repeat_itself(house, told):
    house.fails()
    house.go(HOUR)
    house.begin()
    house.go(HOUR)
    assert told.told == [("nas", "failing")]
    house.works()
    house.begin()
    house.go(HOUR)
    assert told.told[1:] == [("nas", "protected")]


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"\xff", b"[" * 100_000, b'{"version": 1, "told": {"webhook": {"nas": 7}}}', b'{"version": 1}'],
)
def test_a_damaged_memory_is_an_empty_one(house, told, data):
    (house.folder / "alarms.json").write_bytes(data)
    assert load_memory(house.folder / "alarms.json") == {}
    house.fails()
    house.begin()
    house.go(HOUR)
    assert told.told == [("nas", "failing")]


def test_a_clock_that_was_set_back_does_not_silence_alarms(house, told):
    house.fails()
    house.go(HOUR)
    house.now = START - 300 * DAY
    house.destinations["nas"]["failing_since"] = text(house.now - HOUR)
    house.alarms.look()
    assert told.told == [("nas", "failing")] * 2


def test_a_memory_that_cannot_be_written_does_not_silence_alarms(house, told):
    (house.folder / "alarms.json.new").mkdir()
    house.fails()
    house.go(HOUR)
    assert told.told == [("nas", "failing")]


# All together: healthchecks.


@pytest.fixture
def check():
    return Told("healthchecks", wants_all=True)


def test_a_check_hears_once_a_day_that_all_is_well(tmp_path, check):
    house = House(tmp_path, check)
    house.go(3 * DAY, every=HOUR)
    assert [state for _, state in check.told] == ["protected"] * 3


def test_a_check_hears_of_the_worst(tmp_path, check):
    house = House(tmp_path, check)
    house.go(HOUR)
    house.fails("nas")
    house.go(HOUR)
    house.works("nas")
    house.go(HOUR)
    assert [state for _, state in check.told] == ["protected", "failing", "protected"]
    assert ALL in load_memory(tmp_path / "alarms.json")["healthchecks"]


def test_a_check_hears_nothing_good_before_every_destination_has_a_backup(tmp_path, check):
    house = House(tmp_path, check)
    house.destinations["nas"] = {"last_success": "", "pending_since": text(START), "failing_since": text(START)}
    house.go(PATIENCE - MINUTE)
    assert check.told == []
    house.go(5 * MINUTE)
    assert check.told == [("nas", "failing")]


# What is sent.


class Web:
    """A server that remembers what it got."""

    def __init__(self, answer=200, headers=()):
        web = self
        self.got = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.got.append((self.path, self.headers["Content-Type"], body))
                self.send_response(answer)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


FAILING = Alarm(destination="nas", state=Standing.FAILING, since="2026-11-23T11:00:00Z", problems=2)
WELL = Alarm(destination="nas", state=Standing.PROTECTED)


def test_the_webhook_gets_json():
    with Web() as web:
        Webhook(f"{web.url}/hook?key=1").tell(FAILING)
    ((path, kind, body),) = web.got
    assert (path, kind) == ("/hook?key=1", "application/json")
    value = json.loads(body)
    assert value["text"].startswith("backups to nas fail since 2026-11-23T11:00:00Z")
    del value["text"], value["program"]
    assert value == {
        "schema": 1,
        "destination": "nas",
        "state": "failing",
        "since": "2026-11-23T11:00:00Z",
        "problems": 2,
        "damaged": 0,
    }


def test_nothing_of_an_error_or_a_file_is_sent(tmp_path):
    with Web() as web:
        house = House(tmp_path, Webhook(web.url), Healthchecks(web.url))
        house.fails()
        house.go(HOUR)
    assert len(web.got) == 2
    assert not any(b"a.jpg" in body or b"/home" in body for _, _, body in web.got)


@pytest.mark.parametrize(
    ("alarm", "path"), [(WELL, "/ping/1?rid=2"), (FAILING, "/ping/1/fail?rid=2")], ids=["well", "failing"]
)
def test_healthchecks_gets_a_ping(alarm, path):
    with Web() as web:
        Healthchecks(f"{web.url}/ping/1/?rid=2").tell(alarm)
    assert web.got[0][0] == path


@pytest.mark.parametrize("answer", [199, 301, 302, 307, 404, 500])
def test_another_answer_is_a_failure_and_no_redirect_is_followed(answer):
    with Web() as other, Web(answer, [("Location", other.url)]) as web:
        with pytest.raises(PhotovaultError, match="webhook address") as caught:
            Webhook(f"{web.url}/private-hook").tell(FAILING)
        assert "private-hook" not in caught.value.what + caught.value.hint
    assert other.got == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "https://127.0.0.1:1/x"])
def test_an_address_that_is_not_there_is_a_failure(url):
    with pytest.raises(PhotovaultError, match="cannot be reached"):
        Webhook(url).tell(FAILING)


def test_words_for_people():
    assert alarms.sentence(WELL) == "backups to nas are well again"
    damaged = Alarm(destination="nas", state=Standing.DAMAGED, since="2026-11-01T00:00:00Z", damaged=3)
    assert alarms.sentence(damaged).startswith("a drill found damage at nas since 2026-11-01T00:00:00Z: ")
    assert ": 3; run `photovault status`" in alarms.sentence(damaged)
    overdue = Alarm(destination="nas", state=Standing.OVERDUE, since="2026-11-01T00:00:00Z")
    assert "what changed since 2026-11-01T00:00:00Z is not safe" in alarms.sentence(overdue)


def test_only_what_is_configured_is_told():
    assert alarms.channels(AlarmsSection()) == []
    section = AlarmsSection(webhook="https://a/", healthchecks="https://b/", desktop=True)
    assert [one.name for one in alarms.channels(section)] == ["webhook", "healthchecks", "desktop"]


def test_the_desktop_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "desktop_notifier", None)
    monkeypatch.setitem(sys.modules, "desktop_notifier.sync", None)
    with pytest.raises(PhotovaultError) as caught:
        Desktop().tell(FAILING)
    assert "photovault[notify]" in caught.value.hint


def nothing(*_):
    pass


def no_bus(*_):
    raise RuntimeError("no bus")


def complain(*_):
    """As the package does: it logs, and raises nothing."""
    logging.getLogger("desktop_notifier.backends.base").error("Notification failed: secret")


@pytest.fixture
def desktop(monkeypatch):
    """A desktop that shows what it is told after calling the function it is given."""
    shown, module, before = [], ModuleType("desktop_notifier.sync"), [nothing]
    module.DesktopNotifierSync = lambda **_: SimpleNamespace(send=lambda **more: (before[0](), shown.append(more)))
    monkeypatch.setitem(sys.modules, "desktop_notifier", ModuleType("desktop_notifier"))
    monkeypatch.setitem(sys.modules, "desktop_notifier.sync", module)
    monkeypatch.setattr(logging.getLogger("desktop_notifier"), "propagate", True)
    return SimpleNamespace(shown=shown, before=before)


def test_the_desktop_shows_it(desktop):
    channel = Desktop()
    channel.tell(FAILING)
    channel.tell(WELL)
    assert [one["message"] for one in desktop.shown] == [alarms.sentence(FAILING), alarms.sentence(WELL)]


@pytest.mark.parametrize("trouble", [no_bus, complain])
def test_a_desktop_that_does_not_show_it_is_a_failure_without_noise(desktop, capfd, trouble):
    desktop.before[0] = trouble
    with pytest.raises(PhotovaultError, match="showed no notification"):
        Desktop().tell(FAILING)
    assert capfd.readouterr().err == ""


# The thread.


def until(true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_thread_goes_on_after_anything(tmp_path, told, monkeypatch):
    monkeypatch.setattr(alarms, "EVERY", 0.01)
    house = House(tmp_path, told)
    house.fails()
    house.now += HOUR
    house.status, status = lambda: {}["destinations"], house.status
    house.begin()
    house.alarms.start()
    until(lambda: ("alarm failed", {"error": "unexpected KeyError"}) in house.said)
    house.alarms._status = status
    until(lambda: told.told == [("nas", "failing")])
    house.alarms.close()


def test_a_server_that_never_answers_keeps_nobody_from_stopping(tmp_path, monkeypatch):
    monkeypatch.setattr(alarms, "EVERY", 0.01)
    monkeypatch.setattr(alarms, "_JOIN_SECONDS", 0.1)
    began, go = threading.Event(), threading.Event()
    slow = Told()
    slow.tell = lambda _: (began.set(), go.wait(30))
    house = House(tmp_path, slow)
    house.fails()
    house.now += HOUR
    house.alarms.start()
    assert began.wait(10)
    before = time.monotonic()
    house.alarms.close()
    assert time.monotonic() - before < 5
    go.set()
    house.alarms._thread.join()


def test_without_channels_there_is_no_thread(tmp_path):
    house = House(tmp_path)
    house.alarms.start()
    assert house.alarms._thread is None
    house.alarms.close()


def test_damage_that_a_drill_found_is_told_once_then_daily_and_when_it_is_mended(tmp_path):
    told = Told()
    house = House(tmp_path, told)
    house.destinations["nas"] |= {"damaged": 2, "damaged_since": text(house.now)}
    house.go(HOUR)
    assert told.told == [("nas", "damaged")]
    house.go(DAY)
    assert told.told == [("nas", "damaged")] * 2
    house.works()
    house.go(HOUR)
    assert told.told[-1] == ("nas", "protected")
