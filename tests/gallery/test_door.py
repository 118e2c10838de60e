"""Whether the gallery is open: link, cookie, tokens, lock and unlock, by a clock that the test turns."""

from __future__ import annotations

import threading
from contextlib import suppress
from itertools import count

import pytest

from photovault.errors import StorageError, UsageError, WrongKeyError
from photovault.gallery import door
from photovault.gallery.door import Door, WaitError, WrongPasswordError
from photovault.gallery.security import LockedError, TokenError
from photovault.gallery.site import Form
from photovault.gallery.values import Job

MINUTE = 60.0


class Asks:
    """Somebody who answers until closed, and may be at work."""

    def __init__(self) -> None:
        self.closed = 0
        self.state = "done"
        self.jobs = Jobs(self)

    def close(self) -> None:
        self.closed += 1


class Jobs:
    def __init__(self, asks: Asks) -> None:
        self._asks = asks

    def jobs(self) -> tuple[Job, ...]:
        return (Job(id="a", kind="restore", title="Restore", state=self._asks.state),)


class Vault:
    """Opens by one password."""

    def __init__(self) -> None:
        self.opened: list[Asks] = []
        self.tried: list[str] = []
        self.error: Exception | None = None

    def has_password(self) -> bool:
        return True

    def open(self, password: str) -> Asks:
        self.tried.append(password)
        if self.error is not None:
            raise self.error
        if password != "right":
            raise WrongKeyError("no slot opens")
        self.opened.append(Asks())
        return self.opened[-1]


class Hall:
    """A door, its vault, and the clock."""

    def __init__(self, lock_after: float = 15 * MINUTE) -> None:
        self.time = 1000.0
        self.vault = Vault()
        self.asks = Asks()
        numbers = count(1)
        self.door = Door(
            self.asks,
            self.vault,
            lock_after=lock_after,
            clock=lambda: self.time,
            random=lambda size: next(numbers).to_bytes(size, "big"),
        )

    def enter(self) -> str:
        cookie = self.door.enter(self.door.link.removeprefix("/in/"))
        assert cookie is not None
        return cookie

    def wait(self, seconds: float) -> None:
        self.time += seconds
        self.door.tick()

    @property
    def is_locked(self) -> bool:
        try:
            return self.door.asks is None
        except LockedError:
            return True


@pytest.fixture
def hall() -> Hall:
    return Hall()


def test_the_link_lets_in_once(hall: Hall) -> None:
    token = hall.door.link.removeprefix("/in/")
    assert len(token) == 43  # 32 bytes
    assert hall.door.enter("x" + token[1:]) is None
    assert hall.door.enter(token[:-1]) is None
    cookie = hall.door.enter(token)
    assert cookie
    assert cookie != token
    assert hall.door.enter(token) is None
    assert hall.door.link == ""
    assert hall.door.knows(cookie)
    assert not hall.door.knows(token)
    assert not hall.door.knows("")


def test_of_many_at_once_one_gets_in(hall: Hall) -> None:
    token = hall.door.link.removeprefix("/in/")
    got: list[str | None] = []
    threads = [threading.Thread(target=lambda: got.append(hall.door.enter(token))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(one is not None for one in got) == 1


def test_of_two_that_compare_at_the_same_moment_one_gets_in(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    token = hall.door.link.removeprefix("/in/")
    both = threading.Barrier(2)

    def slowly(one: str, other: str) -> bool:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.3)
        return one == other

    monkeypatch.setattr(door, "same", slowly)
    got: list[str | None] = []
    threads = [threading.Thread(target=lambda: got.append(hall.door.enter(token))) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(one is not None for one in got) == 1


def test_before_anybody_came_there_is_nothing_to_lock() -> None:
    hall = Hall(lock_after=MINUTE)
    hall.wait(2 * MINUTE)
    assert not hall.is_locked
    hall.enter()
    hall.wait(MINUTE)
    assert hall.is_locked


def test_the_link_dies_after_five_minutes(hall: Hall) -> None:
    token = hall.door.link.removeprefix("/in/")
    hall.wait(5 * MINUTE - 1)
    assert not hall.door.is_forlorn
    hall.wait(1)
    assert hall.door.enter(token) is None
    assert hall.door.is_forlorn
    assert not hall.door.knows("")


def test_nobody_is_known_before_the_link_was_used(hall: Hall) -> None:
    assert not hall.door.knows("")
    assert not hall.door.knows("None")


def test_it_locks_when_nobody_came_for_long_and_forgets_the_keys(hall: Hall) -> None:
    cookie = hall.enter()
    hall.wait(14 * MINUTE)
    hall.door.touch()
    hall.wait(14 * MINUTE)
    assert not hall.is_locked
    hall.wait(1 * MINUTE)
    assert hall.is_locked
    assert hall.asks.closed == 1
    assert hall.door.knows(cookie)


def test_who_comes_too_late_finds_it_locked_before_anybody_looked(hall: Hall) -> None:
    hall.enter()
    hall.time += 16 * MINUTE
    hall.door.touch()
    assert hall.is_locked


def test_what_a_page_asks_by_itself_after_a_long_sleep_is_not_answered_before_the_tick_locks(hall: Hall) -> None:
    hall.enter()
    hall.time += 16 * MINUTE
    with pytest.raises(LockedError):
        _ = hall.door.asks


def test_what_is_under_way_is_finished_first(hall: Hall) -> None:
    hall.enter()
    hall.asks.state = "running"
    hall.wait(16 * MINUTE)
    assert hall.is_locked
    assert hall.asks.closed == 0
    hall.asks.state = "done"
    hall.wait(1)
    assert hall.asks.closed == 1
    hall.wait(1)
    assert hall.asks.closed == 1


def test_the_lock_button_waits_for_nothing(hall: Hall) -> None:
    hall.enter()
    hall.asks.state = "running"
    hall.door.lock()
    assert hall.is_locked
    assert hall.asks.closed == 1


def test_the_right_password_opens_again_and_tokens_of_before_are_void(hall: Hall) -> None:
    cookie = hall.enter()
    before = hall.door.csrf(None)
    hall.door.lock()
    locked = hall.door.csrf(None)
    hall.door.unlock("right")
    assert hall.door.asks is hall.vault.opened[0]
    assert hall.door.knows(cookie)
    assert before != locked
    with pytest.raises(TokenError):
        hall.door.check_csrf(Request(), Form({"csrf": [before]}))
    hall.door.check_csrf(Request(), Form({"csrf": [locked]}))


class Request:
    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def test_a_token_may_come_in_the_form_or_in_the_header(hall: Hall) -> None:
    token = hall.door.csrf(None)
    hall.door.check_csrf(Request(), Form({"csrf": [token]}))
    hall.door.check_csrf(Request(x_csrf_token=token), Form({}))
    for request, form in (
        (Request(), Form({})),
        (Request(x_csrf_token="x"), Form({})),
        (Request(), Form({"csrf": [""]})),
    ):
        with pytest.raises(TokenError):
            hall.door.check_csrf(request, form)


def test_wrong_passwords_cost_more_and_more_time(hall: Hall) -> None:
    hall.enter()
    hall.door.lock()
    for _ in range(5):
        with pytest.raises(WrongPasswordError):
            hall.door.unlock("wrong")
    with pytest.raises(WaitError) as wait:
        hall.door.unlock("right")
    assert len(hall.vault.tried) == 5
    first = wait.value.seconds
    hall.time += first
    with pytest.raises(WrongPasswordError):
        hall.door.unlock("wrong")
    with pytest.raises(WaitError) as wait:
        hall.door.unlock("right")
    assert wait.value.seconds > first
    hall.time += wait.value.seconds
    hall.door.unlock("right")
    hall.door.lock()
    with pytest.raises(WrongPasswordError):  # and not: too soon
        hall.door.unlock("wrong")
    with pytest.raises(WrongPasswordError):
        hall.door.unlock("wrong")


@pytest.mark.parametrize("password", ["", "x" * 70_000])
def test_no_password_is_no_attempt(hall: Hall, password: str) -> None:
    hall.door.lock()
    with pytest.raises(UsageError):
        hall.door.unlock(password)
    assert hall.vault.tried == []


def test_a_storage_that_is_away_is_no_wrong_password(hall: Hall) -> None:
    hall.door.lock()
    hall.vault.error = StorageError("away")
    for _ in range(9):
        with pytest.raises(StorageError):
            hall.door.unlock("right")
    hall.vault.error = None
    hall.door.unlock("right")
    assert not hall.is_locked


def test_one_password_is_tried_at_a_time(hall: Hall) -> None:
    hall.door.lock()
    inside, go = threading.Event(), threading.Event()
    real = hall.vault.open

    def slow(password: str) -> Asks:
        inside.set()
        assert go.wait(10)
        return real(password)

    hall.vault.open = slow
    thread = threading.Thread(target=hall.door.unlock, args=("right",))
    thread.start()
    assert inside.wait(10)
    with pytest.raises(WaitError):
        hall.door.unlock("right")
    go.set()
    thread.join()
    assert not hall.is_locked


def test_who_comes_back_finds_the_restore_that_still_runs(hall: Hall) -> None:
    hall.enter()
    hall.asks.state = "running"
    hall.wait(16 * MINUTE)
    hall.door.unlock("right")
    assert hall.door.asks is hall.asks
    assert hall.asks.closed == 0
    assert hall.vault.opened[0].closed == 1


def test_unlocking_what_is_open_does_nothing(hall: Hall) -> None:
    hall.enter()
    hall.door.unlock("wrong")
    assert hall.door.asks is hall.asks


def test_the_end_closes_and_lets_nobody_in(hall: Hall) -> None:
    cookie = hall.enter()
    hall.door.close()
    hall.door.close()
    assert hall.asks.closed == 1
    assert not hall.door.knows(cookie)
    hall.door.unlock("right")  # an attempt that was under way
    assert hall.is_locked
    assert hall.vault.opened[0].closed == 1
