"""Results come in the order of the jobs, few jobs are under way at a time, and the first error ends it."""

from __future__ import annotations

import threading
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photovault.workers import Workers, default_threads

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(3) as made:
        yield made


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(0, 40),
    ahead=st.integers(1, 9),
    threads=st.integers(1, 4),
    inline=st.sets(st.integers(0, 40)),
)
def test_results_are_in_the_order_of_the_jobs(count: int, ahead: int, threads: int, inline: set[int]) -> None:
    random = Random(count)
    pauses = [random.choice((0, 0, 0.001)) for _ in range(count)]

    def work(job: int) -> int:
        time.sleep(pauses[job])
        return job * 2

    with Workers(threads) as workers:
        found = list(workers.ordered(work, range(count), ahead, inline=lambda job: job in inline))
    assert found == [(job, job * 2) for job in range(count)]


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_no_more_jobs_are_taken_than_may_be_under_way(workers: Workers, ahead: int) -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    for done, _ in workers.ordered(lambda job: job, jobs(), ahead):
        assert len(taken) <= done + ahead
    assert len(taken) == 20


def test_inline_jobs_run_in_the_thread_of_the_caller(workers: Workers) -> None:
    found = dict(workers.ordered(lambda _: threading.get_ident(), range(8), 3, inline=lambda job: job % 2 == 0))
    mine = {job for job, thread in found.items() if thread == threading.get_ident()}
    assert mine == {0, 2, 4, 6}


class StopHereError(Exception):
    """What a job raises."""


def test_the_first_error_in_the_order_of_the_jobs_is_raised(workers: Workers) -> None:
    def work(job: int) -> int:
        if job == 2:
            time.sleep(0.05)
        if job >= 2:
            raise StopHereError(str(job))
        return job

    seen = []
    with pytest.raises(StopHereError, match="2"):
        seen.extend(job for job, _ in workers.ordered(work, range(10), 5))
    assert seen in ([0, 1], [])


def test_after_an_error_nothing_more_is_begun() -> None:
    begun = []

    def work(job: int) -> None:
        begun.append(job)
        if job == 0:
            raise StopHereError
        time.sleep(0.02)

    with pytest.raises(StopHereError), Workers(1) as workers:
        for _ in workers.ordered(work, range(100), 10):
            pass
    assert len(begun) <= 2


def test_an_error_while_jobs_are_made_is_raised_too(workers: Workers) -> None:
    def jobs() -> Iterator[int]:
        yield 1
        raise StopHereError

    with pytest.raises(StopHereError):
        list(workers.ordered(lambda job: job, jobs(), 4))


def test_what_is_no_exception_comes_through_as_it_is(workers: Workers) -> None:
    def work(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(workers.ordered(work, range(3), 2))


def test_who_stops_asking_stops_the_work() -> None:
    begun = []

    def work(job: int) -> int:
        begun.append(job)
        time.sleep(0.005)
        return job

    with Workers(1) as workers:
        results = workers.ordered(work, range(1000), 20)
        assert next(results) == (0, 0)
        results.close()
    assert len(begun) < 20


def test_something_beside_the_jobs(workers: Workers) -> None:
    future = workers.start(lambda: 42)
    assert list(workers.ordered(lambda job: job, range(2), 1)) == [(0, 0), (1, 1)]
    assert future.result() == 42


def test_there_is_a_thread_for_each_core_and_one_more() -> None:
    assert Workers(0).threads == default_threads() >= 2
    assert Workers(7).threads == 7


def test_inline_jobs_run_as_soon_as_they_are_taken(workers: Workers) -> None:
    """So that what they begin elsewhere goes on while those before them are dealt with."""
    begun: list[int] = []
    results = workers.ordered(begun.append, range(6), 3, inline=lambda _: True)
    assert next(results) == (0, None)
    assert begun == [0, 1, 2]
    assert list(results) == [(job, None) for job in range(1, 6)]


def test_an_error_of_an_inline_job_waits_for_its_turn(workers: Workers) -> None:
    def work(job: int) -> int:
        if job == 2:
            raise StopHereError(str(job))
        return job

    seen = []
    with pytest.raises(StopHereError):
        seen.extend(job for job, _ in workers.ordered(work, range(10), 5, inline=lambda _: True))
    assert seen in ([0, 1], [])
