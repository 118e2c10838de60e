"""Long work: how it is told, cancelled, limited and ended."""

from __future__ import annotations

import threading
import time
from itertools import count

import pytest

from photovault.app.viewing import jobs as room
from photovault.app.viewing.jobs import Jobs, Outcome
from photovault.errors import BusyError, StorageError
from photovault.gallery.asks import NotThereError


@pytest.fixture
def jobs():
    ids = count()
    made = Jobs(lambda size: next(ids).to_bytes(size))
    yield made
    made.close()


def ended(jobs: Jobs, job_id: str):
    """The job once it is over."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        job = jobs.job(job_id)
        if job.is_over:
            return job
        time.sleep(0.005)
    raise AssertionError(jobs.job(job_id))


class Gate:
    """Work that tells of progress again and again until it is let go, or stopped."""

    def __init__(self) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.left = False

    def __call__(self, progress) -> Outcome:
        try:
            progress.total(10, 100)
            self.began.set()
            while not self.go.wait(0.005):
                progress.advance(0, 0, "a/secret/name.jpg")
            progress.advance(10, 100, "a/secret/name.jpg")
        finally:
            self.left = True
        return Outcome(lines=("ten files",))


def test_a_job_tells_how_far_it_is_and_what_came_of_it(jobs) -> None:
    gate = Gate()
    job_id = jobs.begin("restore", "Restore ten", gate)
    assert gate.began.wait(10)
    running = jobs.job(job_id)
    assert (running.state, running.files_total, running.size_total, running.lines) == ("running", 10, 100, ())
    gate.go.set()
    job = ended(jobs, job_id)
    assert (job.state, job.files, job.size, job.percent, job.lines) == ("done", 10, 100, 100, ("ten files",))
    assert "name.jpg" not in repr(job)


def test_what_could_only_be_done_in_part_says_so(jobs) -> None:
    job = ended(jobs, jobs.begin("restore", "Restore", lambda _: Outcome(problems=(("a", "b"),), partly=True)))
    assert (job.state, job.problems) == ("partly", (("a", "b"),))


def test_a_cancelled_job_stops_where_it_next_tells_of_progress(jobs) -> None:
    gate = Gate()
    job_id = jobs.begin("restore", "Restore ten", gate)
    assert gate.began.wait(10)
    jobs.cancel(job_id)
    assert ended(jobs, job_id).state == "cancelled"
    assert gate.left
    jobs.cancel(job_id)  # once more changes nothing
    assert jobs.job(job_id).state == "cancelled"


def test_three_are_done_at_once_and_others_wait_and_may_be_cancelled_meanwhile(jobs) -> None:
    gates = [Gate() for _ in range(5)]
    ids = [jobs.begin("drill", "Prove", gate) for gate in gates]
    assert all(gate.began.wait(10) for gate in gates[:3])
    assert [jobs.job(one).state for one in ids] == ["running"] * 3 + ["waiting"] * 2
    jobs.cancel(ids[3])
    assert jobs.job(ids[3]).state == "cancelled"
    gates[0].go.set()
    assert gates[4].began.wait(10)
    for gate in gates:
        gate.go.set()
    assert [ended(jobs, one).state for one in ids] == ["done", "done", "done", "cancelled", "done"]
    assert not gates[3].began.is_set()


def test_more_than_twenty_do_not_wait(jobs) -> None:
    gates = [Gate() for _ in range(23)]
    for gate in gates:
        jobs.begin("drill", "Prove", gate)
    with pytest.raises(BusyError):
        jobs.begin("drill", "Prove", Gate())


def test_fifty_are_remembered_the_newest_first(jobs) -> None:
    gate = Gate()
    first = jobs.begin("restore", "goes on", gate)
    for number in range(60):
        last = jobs.begin("restore", str(number), lambda _: Outcome())
        ended(jobs, last)
    titles = [one.title for one in jobs.jobs()]
    assert (len(titles), titles[0], titles[-1]) == (50, "59", "goes on")
    assert jobs.job(first).state == "running"
    with pytest.raises(NotThereError):
        jobs.job("00" * 12 + "ff")


def test_an_error_says_what_to_do_and_a_defect_tells_no_secret(jobs) -> None:
    def fail(_progress) -> Outcome:
        raise StorageError("the disk is full", "make room")

    def defect(_progress) -> Outcome:
        raise ValueError("password of the vault is hunter2")

    failed, broken = (ended(jobs, jobs.begin("restore", "x", work)) for work in (fail, defect))
    assert (failed.state, failed.error, failed.hint) == ("failed", "the disk is full", "make room")
    assert (broken.state, broken.error) == ("failed", "unexpected ValueError: this is a defect")
    assert "hunter2" not in repr(broken)


def test_a_defect_is_told_to_who_can_report_it() -> None:
    told: list[BaseException] = []
    jobs = Jobs(bytes, defect=told.append)
    job = ended(jobs, jobs.begin("restore", "x", lambda _: 1 // 0))
    jobs.close()
    assert job.state == "failed"
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_only_the_last_list_of_files_is_kept(jobs) -> None:
    ids = [jobs.begin("dry-run", "try", lambda _: Outcome(rows=(("a", "would be written"),) * 3))]
    ended(jobs, ids[0])
    ids.append(jobs.begin("dry-run", "try", lambda _: Outcome(rows=(("b", "would be written"),))))
    ended(jobs, ids[1])
    until = time.monotonic() + 10
    while jobs.job(ids[0]).rows and time.monotonic() < until:
        time.sleep(0.005)
    assert [len(jobs.job(one).rows) for one in ids] == [0, 1]


def test_what_is_told_is_published_ten_times_a_second_at_most_and_has_a_rate() -> None:
    now = [0.0]
    published = []
    jobs = Jobs(bytes, clock=lambda: now[0])

    def work(progress) -> Outcome:
        for _ in range(1000):
            now[0] += 0.001
            progress.advance(1, 500, "")
            published.append(jobs.job("00" * 12))
        return Outcome()

    ended(jobs, jobs.begin("restore", "x", work))
    jobs.close()
    assert 5 <= len(set(published)) <= 12
    assert 450_000 <= published[-1].rate <= 550_000


def test_closing_stops_all_and_waits_for_them_but_not_for_long(jobs, monkeypatch) -> None:
    gates = [Gate() for _ in range(4)]
    ids = [jobs.begin("restore", "x", gate) for gate in gates]
    assert all(gate.began.wait(10) for gate in gates[:3])
    jobs.close()
    assert [jobs.job(one).state for one in ids] == ["cancelled"] * 4
    with pytest.raises(BusyError):
        jobs.begin("restore", "x", Gate())

    monkeypatch.setattr(room, "_PATIENCE", 0.2)
    deaf, other = threading.Event(), Jobs(bytes)
    other.begin("restore", "x", lambda _: deaf.wait(20) and Outcome())
    began = time.monotonic()
    other.close()
    assert time.monotonic() - began < 2
    deaf.set()
