"""The loop, step by step, with clocks that tests turn: what is backed up when, and what is said meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from photovault.config import parse_hours
from photovault.errors import BusyError, CancelledError, GuardError, UnavailableError
from photovault.watch.daemon import Daemon, Destination, Orders, World, end_pause, load_memory, load_pause
from photovault.watch.observer import Event, Kind
from photovault.watch.run import Done, Drilled, Faced
from photovault.watch.schedule import PAUSE_MAX, Allowed, Clocks, Conditions
from photovault.watch.spare import AFTER_FAILURE, SLICE

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
A, B = b"/photos/a.jpg", b"/photos/b.jpg"
ORDERS = Orders(
    sources=(),
    destinations=(Destination(name="main"), Destination(name="nas", over_network=True)),
    settle=5,
    max_delay=120,
    min_interval=0,
    rescan=86_400,
    poll=30,
    overdue=86_400,
)


class Told:
    """A source of events that tests fill."""

    def __init__(self):
        self.queue, self.blind, self.away, self.came = [], {}, [], False

    def look(self):
        came, self.came = self.came, False
        return came

    def taken(self):
        queue, self.queue = self.queue, []
        return queue


class House:
    """A daemon with everything around it in the hands of a test."""

    def __init__(self, tmp_path, orders=ORDERS):
        self.seconds, self.asleep, self.set_by = 1000.0, 0.0, 0.0
        self.conditions = Conditions(when=NOON)
        self.runs, self.said, self.waiting = [], [], []
        self.answers = {}
        self.inline = True
        self.told = Told()
        self.memory = tmp_path / "watch.json"
        self.orders = orders
        self.daemon = self.begin()

    def begin(self):
        world = World(
            clocks=self.clocks,
            conditions=lambda: self.conditions,
            chance=lambda: 0.0,
            start=self.start,
            say=lambda what, more: self.said.append((what, dict(more))),
            wall=lambda: NOON + timedelta(seconds=self.seconds + self.asleep + self.set_by - 1000),
        )
        self.daemon = Daemon(self.orders, self.told, self.work, world, self.memory)
        return self.daemon

    def clocks(self):
        boot = self.seconds + self.asleep
        return Clocks(awake=self.seconds, boot=boot, wall=1e9 + boot + self.set_by)

    def start(self, run):
        if self.inline:
            run()
        else:
            self.waiting.append(run)

    def work(self, destination, hold, progress):
        self.runs.append((destination, set(hold)))
        answer = self.answers.get(destination)
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else None
        if isinstance(answer, Exception):
            raise answer
        return answer or Done(snapshot="abc", files=1, size=10)

    def go(self, seconds, step=1.0):
        """Time passes."""
        for _ in range(int(seconds / step)):
            self.seconds += step
            self.daemon.step()

    def settled(self):
        """After the first full look."""
        self.go(5)
        self.runs.clear()
        self.said.clear()
        return self

    def one(self, name="main"):
        (found,) = [one for one in self.daemon.status()["destinations"] if one["name"] == name]
        return found


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def test_the_start_is_a_full_look_at_every_destination_in_order(house):
    house.go(5)
    assert house.runs == [("main", set()), ("nas", set())]
    assert (house.one()["pending_since"], house.one()["last_success"]) == ("", "2026-11-23T12:00:02Z")


def test_nothing_happens_when_nothing_changes(house):
    house.settled().go(3600)
    assert house.runs == []


def test_a_new_photo_is_backed_up_when_it_settled(house):
    house.settled()
    house.told.queue = [Event(Kind.WRITING, A)]
    house.go(3)
    house.told.queue = [Event(Kind.CHANGED, A)]
    house.go(5)
    assert house.runs == []
    house.go(2)
    assert [name for name, _ in house.runs] == ["main", "nas"]


def test_a_file_that_still_moves_is_held_back_and_taken_later(house):
    house.settled()
    house.told.queue = [Event(Kind.CHANGED, A)]
    for _ in range(121):
        house.told.queue.append(Event(Kind.CHANGED, B))
        house.go(1)
    house.go(1)
    assert house.runs == [("main", {B}), ("nas", {B})]
    house.runs.clear()
    house.go(10)
    assert house.runs == [("main", set()), ("nas", set())]


def test_a_destination_that_is_away_keeps_no_other_from_being_served_and_comes_back(house):
    house.answers["main"] = [UnavailableError("the disk is not there")] * 3
    house.go(5)
    assert [name for name, _ in house.runs] == ["main", "nas"]
    assert house.one()["failing_since"] == "2026-11-23T12:00:02Z"
    assert house.one()["error"] == "the disk is not there"
    assert house.one("nas")["pending_since"] == ""
    house.go(30 + 60 + 120 + 10)
    assert [name for name, _ in house.runs] == ["main", "nas", "main", "main", "main"]
    assert (house.one()["failing_since"], house.one()["error"], house.one()["pending_since"]) == ("", "", "")


def test_a_guard_that_stops_a_backup_is_told_with_the_way_on_until_the_user_went_it(house):
    house.answers["main"] = [
        GuardError("30 of 40 files are gone: a.jpg", "photovault backup --allow losses", "30 of 40 files are gone")
    ] * 9
    house.go(100)
    assert house.one()["error"] == "30 of 40 files are gone: a.jpg; photovault backup --allow losses"
    assert next(more["error"] for what, more in house.said if what == "backup failed") == "30 of 40 files are gone"
    assert house.one()["failing_since"]
    house.answers.clear()
    house.daemon.backup_now()  # what the command does when it went on
    house.go(10)
    assert (house.one()["error"], house.one()["failing_since"]) == ("", "")


def test_a_change_during_a_backup_makes_the_next_one_due(house):
    house.inline = False
    house.go(1)
    house.told.queue = [Event(Kind.CHANGED, A)]
    house.go(10)
    assert [name for name, _ in house.runs] == []
    house.waiting.pop()()
    house.inline = True
    house.go(10)
    assert [name for name, _ in house.runs].count("main") == 2


@pytest.mark.parametrize("event", [Event(Kind.CHANGED, A), Event(Kind.GONE, A), Event(Kind.SOMETHING)])
def test_what_changed_is_said_to_wait_before_it_is_time_to_back_it_up(house, event):
    house.settled()
    house.told.queue = [event]
    house.go(1)
    assert house.runs == []
    assert house.one()["pending_since"] == "2026-11-23T12:00:06Z"
    assert load_memory(house.memory)["nas"].pending_since == "2026-11-23T12:00:06Z"
    house.go(10)
    assert house.one()["pending_since"] == ""


def test_the_headline_does_not_say_protected_before_it_is_so(house):
    assert house.daemon.headline() == "pending"
    assert house.settled().daemon.headline() == "protected"
    house.told.queue = [Event(Kind.SOMETHING)]
    house.go(1)
    assert house.daemon.headline() == "pending"


def test_what_changes_while_a_backup_ends_is_not_said_to_be_safe(house):
    house.inline = False
    house.go(1)
    house.told.queue = [Event(Kind.SOMETHING)]
    house.waiting.pop()()
    house.go(1)
    assert house.one()["last_success"]
    assert house.one()["pending_since"]


def test_events_that_were_lost_are_a_full_look(house):
    house.settled()
    house.told.queue = [Event(Kind.SOMETHING)]
    house.go(7)
    assert [name for name, _ in house.runs] == ["main", "nas"]


@pytest.mark.parametrize(
    ("what", "why"), [("asleep", "woke from sleep"), ("set_by", "the clock was set"), ("card", "a source came")]
)
def test_after_sleep_a_set_clock_or_a_new_card_everything_is_looked_at(house, what, why):
    house.settled()
    if what == "card":
        house.told.came = True
    else:
        setattr(house, what, 7200.0)
    house.go(5)
    assert [name for name, _ in house.runs] == ["main", "nas"]
    assert ("looking at everything", {"why": why}) in house.said


def test_once_a_day_everything_is_looked_at(house):
    house.settled().go(86_400 + 120, step=60)
    assert [name for name, _ in house.runs] == ["main", "nas"]


def test_sources_that_tell_nothing_are_looked_at_often(house):
    house.told.blind = {b"/nas/photos": "it is on a network file system (nfs4)"}
    house.settled().go(65)
    assert [name for name, _ in house.runs].count("main") == 2
    assert house.daemon.status()["blind"] == {"/nas/photos": "it is on a network file system (nfs4)"}


def test_quiet_hours_battery_and_metered_networks_make_a_backup_wait(house):
    house.daemon.obey(replace(ORDERS, allowed=Allowed(quiet_hours=(parse_hours("22:00-07:00"),))), house.told)
    for conditions, expected in (
        (Conditions(when=NOON.replace(hour=23)), []),
        (Conditions(when=NOON, battery=5), []),
        (Conditions(when=NOON, metered=True), ["main"]),
        (Conditions(when=NOON), ["nas"]),
    ):
        house.runs.clear()
        house.conditions = conditions
        house.go(5)
        assert [name for name, _ in house.runs] == expected
    assert house.one()["waits"] == ""


def test_the_headline_says_the_worst(house):
    house.answers["nas"] = [UnavailableError("away")] * 9
    house.go(5)
    assert house.daemon.headline() == "failing: nas"
    house.settled()
    house.answers.clear()
    house.daemon.backup_now()
    house.go(3)
    assert house.daemon.headline() == "protected"
    house.daemon.pause(60)
    assert house.daemon.headline() == "paused"
    house.inline = False
    house.daemon.resume()
    house.daemon.backup_now()
    house.go(1)
    assert house.daemon.headline() == "backing up to main"


def test_why_a_destination_waits_is_said(house):
    house.conditions = Conditions(when=NOON, metered=True)
    house.go(5)
    assert (house.one()["waits"], house.one("nas")["waits"]) == ("", "the network is metered")


def test_a_pause_ends_by_itself_or_when_it_is_ended(house):
    house.settled()
    house.daemon.pause(600)
    house.told.queue = [Event(Kind.CHANGED, A)]
    house.go(590)
    assert house.runs == []
    assert house.one()["waits"] == "paused"
    house.go(20)
    assert [name for name, _ in house.runs] == ["main", "nas"]
    house.daemon.pause(600)
    house.told.queue = [Event(Kind.CHANGED, A)]
    house.go(10)
    house.daemon.resume()
    house.go(3)
    assert len(house.runs) == 4


def test_now_means_now(tmp_path):
    house = House(tmp_path, replace(ORDERS, min_interval=3600)).settled()
    house.told.queue = [Event(Kind.CHANGED, A)]
    house.go(60)
    assert house.runs == []
    house.daemon.backup_now()
    house.go(2)
    assert [name for name, _ in house.runs] == ["main", "nas"]


def test_now_is_carried_out_by_the_loops_thread_alone(house):
    house.settled()
    before = dict(house.daemon._turns)
    house.daemon.backup_now()
    assert house.daemon._turns == before
    house.go(2)
    assert [name for name, _ in house.runs] == ["main", "nas"]


def test_a_pause_that_another_thread_ends_between_two_looks_is_no_defect(house, monkeypatch):
    house.settled()
    seen = iter([house.seconds + 600])
    monkeypatch.setattr(Daemon, "paused_until", property(lambda _: next(seen, None)), raising=False)
    assert house.daemon.status()["paused"] is None


def test_the_loop_gives_a_sign_of_life_after_each_step_until_it_is_stopped(house):
    beats = []

    def beat():
        beats.append(len(house.runs))
        house.daemon.wake()
        if len(beats) == 3:
            house.daemon.stop()

    house.daemon.loop(beat)
    assert beats == [1, 2, 2]


def test_a_manual_backup_that_is_under_way_is_waited_for_and_is_no_failure(house):
    house.answers["main"] = [BusyError("another run")]
    house.go(2)
    assert house.one()["failing_since"] == ""
    house.go(12)
    assert [name for name, _ in house.runs] == ["main", "nas", "main"]


def test_a_defect_in_a_backup_does_not_end_the_daemon(house):
    house.answers["main"] = [ZeroDivisionError("x")]
    house.go(2)
    assert house.one()["error"] == "unexpected: ZeroDivisionError"
    house.go(60)
    assert house.one()["error"] == ""


def test_what_was_achieved_survives_a_kill(house):
    house.answers["nas"] = [UnavailableError("away")] * 9
    house.go(5)
    again = load_memory(house.memory)
    assert again["main"].last_success == "2026-11-23T12:00:02Z"
    assert (again["nas"].failing_since, again["nas"].error) == ("2026-11-23T12:00:03Z", "away")
    house.seconds += 500
    house.begin()
    assert house.one("nas")["failing_since"] == "2026-11-23T12:00:03Z"
    assert house.one()["last_success"] == "2026-11-23T12:00:02Z"


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[" * 100_000, b'{"version": 1, "destinations": {"main": {"evil": 1}}}', b"\xff"]
)
def test_a_damaged_memory_is_begun_anew(house, text):
    house.memory.write_bytes(text)
    assert load_memory(house.memory) == {}
    house.begin()
    house.go(5)
    assert house.one()["last_success"]


def test_asked_to_stop_it_stops_the_run_at_its_next_file(house):
    house.inline = False
    stopped = []

    def work(_destination, _hold, progress):
        progress.total(2, 20)
        progress.advance(1, 10, "a.jpg")
        status = house.daemon.status()["run"]
        assert (status["files"], status["bytes"], status["files_total"], status["file"]) == (1, 10, 2, "a.jpg")
        house.daemon.stop()
        try:
            progress.advance(1, 10, "b.jpg")
        except CancelledError:
            stopped.append(True)
            raise
        return Done()

    house.work = work
    house.begin()
    house.go(1)
    house.waiting.pop()()
    assert stopped == [True]
    assert house.daemon.wait(0)
    assert house.one()["last_success"] == ""
    assert house.one()["failing_since"] == ""


def test_a_destination_that_was_taken_out_is_served_no_more(house):
    house.settled()
    house.daemon.obey(replace(ORDERS, destinations=(Destination(name="nas"), Destination(name="new"))), house.told)
    house.go(5)
    assert [name for name, _ in house.runs] == ["nas", "new"]
    assert [one["name"] for one in house.daemon.status()["destinations"]] == ["nas", "new"]


def test_who_wants_photos_safe_soon_is_tried_again_soon(tmp_path):
    house = House(tmp_path, replace(ORDERS, max_delay=0.5, settle=0.1))
    house.answers["main"] = [UnavailableError("away")]
    house.go(2)
    assert house.one()["next_try"] == 5


def test_what_could_not_be_read_is_said_with_its_time_until_it_can(house):
    house.answers["main"] = [Done(snapshot="abc", problems=2), Done(problems=1), Done()]
    house.go(5)
    assert (house.one()["problems"], house.one()["problems_since"]) == (2, "2026-11-23T12:00:02Z")
    for problems, since in ((1, "2026-11-23T12:00:02Z"), (0, "")):
        house.daemon.backup_now()
        house.go(3)
        assert (house.one()["problems"], house.one()["problems_since"]) == (problems, since)


def test_a_source_that_is_away_is_a_problem_as_long_as_it_is_away(house):
    house.settled()
    house.told.away = [b"/card"]
    assert house.one()["problems"] == 1
    house.told.away = []
    assert house.one()["problems"] == 0


def test_a_pause_survives_a_kill_with_its_end(house):
    house.settled()
    house.daemon.pause(600)
    house.seconds += 200  # the daemon was killed, and nobody started it
    house.begin()
    assert house.daemon.status()["paused"] == 400
    house.seconds += 100
    house.begin()
    house.go(290)
    assert house.runs == []
    house.go(20)
    assert [name for name, _ in house.runs] == ["main", "nas"]


def test_a_pause_that_was_ended_does_not_come_back(house):
    house.daemon.pause(600)
    house.daemon.resume()
    house.begin()
    assert house.daemon.status()["paused"] is None


def test_a_pause_does_not_outlive_a_clock_that_was_set_back(house):
    house.daemon.pause(600)
    house.set_by = -86_400
    house.begin()
    assert house.daemon.status()["paused"] is None


@pytest.mark.parametrize(
    "pause", [[], 7, ["soon", 60], ["2026-11-23T12:00:00", 60], ["2026-11-23T12:00:00+00:00", "x"], [None, None]]
)
def test_a_pause_that_is_none_is_none(house, pause):
    house.memory.write_text(json.dumps({"version": 1, "destinations": {}, "pause": pause}))
    assert load_pause(house.memory, NOON) is None


def test_a_pause_from_a_file_is_no_longer_than_one_can_be(house):
    pause = ["2026-11-23T12:00:00+00:00", 1e300]
    house.memory.write_text(json.dumps({"version": 1, "destinations": {}, "pause": pause}))
    assert load_pause(house.memory, NOON).seconds == PAUSE_MAX


def test_a_pause_can_be_ended_while_no_daemon_runs(house):
    house.settled()
    house.daemon.pause(600)
    end_pause(house.memory)
    assert load_pause(house.memory, NOON) is None
    assert load_memory(house.memory)["main"].last_success


def test_spare_time_without_thumbnails_to_make_mends_no_problem(house):
    made = []
    house.daemon._thumbnails = lambda destination, *_: made.append(destination)
    house.answers["main"] = [Done(snapshot="abc", problems=2, thumbnails_left=5)]
    house.go(600)
    assert made == ["main"]
    assert house.one()["last_success"] == "2026-11-23T12:00:02Z", "nothing was backed up since"
    assert (house.one()["problems"], house.one()["problems_since"]) == (2, "2026-11-23T12:00:02Z")


class Spare:
    """Thumbnails that are left at a destination, and slices that tests end."""

    def __init__(self, house, left=10):
        self.house, self.left, self.slices, self.enough = house, left, [], None
        house.daemon._thumbnails = self
        house.answers = {"main": Done(snapshot="abc", thumbnails_left=left)}

    def __call__(self, destination, progress, enough):
        self.slices.append((destination, self.house.seconds))
        self.enough = enough
        self.left -= 4
        return Done(snapshot="def", thumbnails_left=max(0, self.left))


def test_thumbnails_are_made_when_nothing_else_is_to_be_done(house):
    spare = Spare(house)
    house.go(60)
    assert [name for name, _ in spare.slices] == ["main"] * 3, "until none is left"
    assert house.one()["snapshot"] == "def"
    assert "making thumbnails" in [what for what, _ in house.said]


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(when=NOON, battery=99),
        Conditions(when=NOON.replace(hour=23)),
    ],
    ids=["on battery", "quiet hours"],
)
def test_no_thumbnails_on_battery_in_quiet_hours_or_a_pause(tmp_path, conditions):
    allowed = Allowed(quiet_hours=(parse_hours("22:00-07:00"),))
    house = House(tmp_path, replace(ORDERS, allowed=allowed))
    spare = Spare(house)
    house.inline = False
    house.go(1)
    house.conditions = conditions
    house.inline = True
    for run in house.waiting:
        run()
    house.go(60)
    assert spare.slices == []
    house.conditions = Conditions(when=NOON)
    house.daemon.pause(60)
    house.go(50)
    assert spare.slices == []
    house.go(20)
    assert spare.slices


def test_no_thumbnails_over_a_metered_network(house):
    spare = Spare(house)
    house.answers["nas"] = Done(snapshot="abc", thumbnails_left=5)
    house.answers["main"] = Done(snapshot="abc")
    house.inline = False
    for _ in range(2):  # the first looks at both
        house.go(1)
        house.waiting.pop()()
    house.conditions = Conditions(when=NOON, metered=True)
    house.inline = True
    house.go(60)
    assert spare.slices == []
    house.conditions = Conditions(when=NOON)
    house.go(5)
    assert spare.slices[0][0] == "nas"


@pytest.mark.parametrize("what", ["a change", "battery", "a pause", "time"])
def test_a_slice_ends_when_something_else_is_to_be_done_or_it_was_long_enough(house, what):
    spare = Spare(house)
    house.go(2)
    house.inline = False
    house.go(1)
    (run,) = house.waiting
    run()
    house.daemon._run.result = None  # as if it still went on
    assert not spare.enough()
    match what:
        case "a change":
            house.told.queue.append(Event(Kind.CHANGED, A))
        case "battery":
            house.conditions = Conditions(when=NOON, battery=80)
        case "a pause":
            house.daemon.pause(60)
        case "time":
            house.go(SLICE)
    house.go(1)
    assert spare.enough()


def test_a_slice_that_fails_is_no_failure_of_backups_and_waits(house):
    spare = Spare(house)

    def fail(destination, *_):
        spare.slices.append(destination)
        raise UnavailableError("the disk is gone")

    house.daemon._thumbnails = fail
    house.go(600)
    assert len(spare.slices) == 1
    assert house.one()["failing_since"] == ""
    assert ("thumbnails not made", {"destination": "main", "error": "the disk is gone"}) in house.said


def test_asked_to_stop_a_slice_ends_early_and_keeps_what_it_made(house):
    spare = Spare(house)
    house.go(1)

    def work(_destination, progress, enough):
        assert not enough()
        house.daemon.stop()
        assert enough(), "though the loop is not asked again"
        progress.advance(1, 1, "a.jpg")
        return Done(snapshot="def", thumbnails_left=3)

    house.daemon._thumbnails = work
    house.go(5)
    assert house.daemon.wait()
    assert spare.slices == []
    assert house.one()["snapshot"] == "def"


class Faces:
    """Photos in which faces are to be looked for, and slices that tests end."""

    def __init__(self, house, left=10):
        self.house, self.left, self.slices, self.enough, self.new = house, left, [], None, False
        self.error = None
        house.daemon._faces = self

    def news(self):
        new, self.new = self.new, False
        return new

    def look(self, progress, enough):
        self.slices.append(self.house.seconds)
        self.enough = enough
        if self.error:
            raise self.error
        if not self.left:
            return None
        progress.total(self.left, 1000)
        progress.advance(4, 400, "")
        self.left = max(0, self.left - 4)
        return Faced(photos=4, left=self.left)


def test_faces_are_looked_for_when_nothing_else_is_to_be_done_until_none_are_left(house):
    faces = Faces(house)
    house.go(600)
    assert len(faces.slices) == 3
    assert [more for what, more in house.said if what == "faces looked for"][-1] == {
        "photos": 4, "left": 0, "problems": 0
    }  # fmt: skip
    assert house.one()["snapshot"] == "abc", "they change nothing about backups"


def test_faces_come_after_thumbnails(house):
    spare, faces = Spare(house), Faces(house)
    house.go(60)
    assert spare.slices[-1][1] < faces.slices[0]


@pytest.mark.parametrize("why", ["a backup with new photos", "another consent", "a full look"])
def test_faces_are_looked_for_again_when_there_may_be_new_ones(house, why):
    faces = Faces(house, left=0)
    house.go(60)
    assert len(faces.slices) == 1
    match why:
        case "a backup with new photos":
            house.told.queue.append(Event(Kind.CHANGED, A))
        case "another consent":
            faces.new = True
        case "a full look":
            house.told.came = True
    house.go(60)
    assert len(faces.slices) > 1


def test_a_backup_that_found_nothing_new_is_no_reason_to_look_for_faces(house):
    faces = Faces(house, left=0)
    house.go(60)
    house.answers = {"main": Done(), "nas": Done()}
    house.told.queue.append(Event(Kind.CHANGED, A))
    house.go(60)
    assert len(faces.slices) == 1


@pytest.mark.parametrize(
    "conditions",
    [Conditions(when=NOON, battery=99), Conditions(when=NOON.replace(hour=23))],
    ids=["on battery", "quiet hours"],
)
def test_no_faces_on_battery_in_quiet_hours_or_a_pause(tmp_path, conditions):
    house = House(tmp_path, replace(ORDERS, allowed=Allowed(quiet_hours=(parse_hours("22:00-07:00"),))))
    faces = Faces(house)
    house.conditions = conditions
    house.go(60)
    assert faces.slices == []
    house.conditions = Conditions(when=NOON)
    house.daemon.pause(60)
    house.go(50)
    assert faces.slices == []
    house.go(30)
    assert faces.slices


def test_a_destination_that_is_away_keeps_no_faces_from_being_looked_for(house):
    faces = Faces(house)
    house.answers["nas"] = [UnavailableError("the disk is not there")] * 100
    house.go(20)
    assert faces.slices


@pytest.mark.parametrize("what", ["a change", "battery", "a pause", "time", "the end", "a backup"])
def test_looking_for_faces_ends_when_something_else_is_to_be_done(house, what):
    faces = Faces(house)
    house.go(2)
    house.inline = False
    house.go(1)
    (run,) = house.waiting
    run()
    house.daemon._run.result = None  # as if it still went on
    assert not faces.enough()
    match what:
        case "a change":
            house.told.queue.append(Event(Kind.CHANGED, A))
        case "battery":
            house.conditions = Conditions(when=NOON, battery=80)
        case "a pause":
            house.daemon.pause(60)
        case "time":
            house.go(SLICE)
        case "the end":
            house.daemon.stop()
        case "a backup":
            house.daemon.backup_now()
    house.go(1)
    assert faces.enough()


def test_the_status_says_that_faces_are_looked_for_and_how_far_it_is(house):
    Faces(house)
    house.go(2)
    house.inline = False
    house.go(1)
    (run,) = house.waiting
    run()
    house.daemon._run.result = None
    said = house.daemon.status()["run"]
    assert (said["what"], said["destination"], said["files"], said["files_total"], said["file"]) == (
        "faces", "", 4, 10, ""
    )  # fmt: skip
    assert house.daemon.headline() == "looking for faces"


def test_photos_that_stay_left_are_not_tried_at_every_tick(house):
    faces = Faces(house)
    faces.look = lambda *_: faces.slices.append(house.seconds) or Faced(photos=0, left=3)
    house.go(AFTER_FAILURE)
    assert len(faces.slices) == 1
    house.go(10)
    assert len(faces.slices) == 2


@pytest.mark.parametrize(
    ("error", "again"), [(BusyError("a command writes"), 10), (UnavailableError("no model"), 1800)], ids=["busy", "not"]
)
def test_looking_for_faces_in_vain_is_no_failure_of_backups_and_waits(house, error, again):
    faces = Faces(house)
    faces.error = error
    house.go(again)
    assert len(faces.slices) == 1
    house.go(10)
    assert len(faces.slices) == 2
    assert house.one()["failing_since"] == ""


class Drills:
    """Photos that are to be proven, and slices that tests end."""

    def __init__(self, house, left=0, again=86_400.0):
        self.house, self.left, self.again, self.damaged, self.error = house, left, again, 0, None
        self.slices, self.enough, self.wanted = [], None, True
        house.daemon._drills = self

    def __call__(self, destination, progress, enough, *, again):
        self.slices.append((destination, self.house.seconds, again))
        self.enough = enough
        if self.error:
            raise self.error
        if not self.wanted:
            return None
        self.left = max(0, self.left - 4)
        return Drilled(photos=4, left=self.left, damaged=self.damaged, again=0.0 if self.left else self.again)


def test_photos_are_proven_when_nothing_else_is_to_be_done_at_every_destination_and_again_when_it_is_due(house):
    drills = Drills(house)
    house.go(60)
    assert [name for name, _, _ in drills.slices] == ["main", "nas"]
    house.go(80_000, step=60)
    assert len(drills.slices) == 2
    house.go(7_200, step=60)
    assert [name for name, _, _ in drills.slices[2:]] == ["main", "nas"]
    assert house.one()["snapshot"] == "abc", "they change nothing about backups"
    assert "drill begins" in [what for what, _ in house.said]


def test_a_drill_that_a_slice_did_not_finish_goes_on(house):
    drills = Drills(house, left=10)
    house.go(60)
    assert [name for name, _, _ in drills.slices] == ["main", "main", "main", "nas"]


def test_drills_come_after_thumbnails_and_before_faces(house):
    spare, drills, faces = Spare(house), Drills(house), Faces(house)
    house.go(60)
    assert spare.slices[-1][1] < drills.slices[0][1]
    assert drills.slices[-1][1] < faces.slices[0]


@pytest.mark.parametrize(
    "conditions",
    [Conditions(when=NOON, battery=99), Conditions(when=NOON.replace(hour=23)), Conditions(when=NOON, metered=True)],
    ids=["on battery", "quiet hours", "metered"],
)
def test_no_drills_on_battery_in_quiet_hours_or_over_a_metered_network(tmp_path, conditions):
    house = House(tmp_path, replace(ORDERS, allowed=Allowed(quiet_hours=(parse_hours("22:00-07:00"),))))
    drills = Drills(house)
    house.inline = False
    for _ in range(2):  # the first looks at both
        house.go(1)
        house.waiting.pop()()
    house.conditions = conditions
    house.inline = True
    house.go(60)
    assert [name for name, _, _ in drills.slices] == (["main"] if conditions.metered else [])
    house.conditions = Conditions(when=NOON)
    house.go(60)
    assert {name for name, _, _ in drills.slices} == {"main", "nas"}


@pytest.mark.parametrize("what", ["a change", "battery", "a pause", "time", "the end"])
def test_a_drill_ends_when_something_else_is_to_be_done(house, what):
    drills = Drills(house)
    house.go(2)
    house.inline = False
    house.go(1)
    (run,) = house.waiting
    run()
    house.daemon._run.result = None  # as if it still went on
    assert not drills.enough()
    assert house.daemon.headline() == "proving photos at main"
    match what:
        case "a change":
            house.told.queue.append(Event(Kind.CHANGED, A))
        case "battery":
            house.conditions = Conditions(when=NOON, battery=80)
        case "a pause":
            house.daemon.pause(60)
        case "time":
            house.go(SLICE)
        case "the end":
            house.daemon.stop()
    house.go(1)
    assert drills.enough()


def test_damage_that_a_drill_found_is_said_until_one_finds_it_mended_and_survives_a_kill(house):
    drills = Drills(house)
    drills.damaged = 3
    house.go(10)
    assert (house.one()["damaged"], house.one()["damaged_since"]) == (3, "2026-11-23T12:00:04Z")
    assert load_memory(house.memory)["main"].damaged == 3
    house.daemon.backup_now()
    house.answers = {"main": Done(), "nas": Done()}
    house.go(10)
    assert house.one()["damaged"] == 3, "a backup alone mends nothing"
    house.begin()
    drills = Drills(house)
    assert house.one()["damaged"] == 3
    house.go(10)
    assert (house.one()["damaged"], house.one()["damaged_since"]) == (0, "")


def test_after_damage_the_next_backup_is_a_reason_to_look_again(house):
    drills = Drills(house)
    drills.damaged = 1
    house.go(10)
    assert [again for _, _, again in drills.slices] == [False, False]
    drills.damaged = 0
    house.told.queue = [Event(Kind.CHANGED, A)]
    house.go(20)
    assert [again for _, _, again in drills.slices[2:]] == [True, True]
    house.told.queue = [Event(Kind.CHANGED, A)]
    house.go(20)
    assert len(drills.slices) == 4, "nothing is wrong any more"


@pytest.mark.parametrize(
    ("error", "again"), [(BusyError("a drill by hand"), 10), (UnavailableError("no disk"), 1800)], ids=["busy", "away"]
)
def test_a_drill_that_cannot_be_is_no_failure_of_backups_and_waits(house, error, again):
    drills = Drills(house)
    drills.error = error
    house.go(again)
    assert [name for name, _, _ in drills.slices] == ["main", "nas"]
    house.go(10)
    assert len(drills.slices) == 4
    assert house.one()["failing_since"] == ""


def test_drills_that_are_not_wanted_are_not_made(house):
    drills = Drills(house)
    drills.wanted = False
    house.go(100_000, step=60)
    assert len(drills.slices) == 2
    assert house.one()["damaged"] == 0
