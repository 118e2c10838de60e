"""Retrying and limiting: patient with what may pass, quick with what will not, and never louder than allowed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from photovault.errors import AbsentError, MissingError, RefusedError, UnavailableError
from photovault.storage.limits import Limited
from photovault.storage.memory import MemoryStorage
from photovault.storage.opening import open_storage
from photovault.storage.probe import is_known_to_overwrite, refuses_overwriting, remember_overwriting
from photovault.storage.retry import Retrying, pause
from tests.support.faults import FaultyStorage, When
from tests.support.remote import access


@dataclass
class World:
    """Time that passes only when somebody waits."""

    retries: int = 3
    upload_limit: int = 0
    download_limit: int = 0
    time: float = 0.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    def clock(self) -> float:
        return self.time

    def random(self) -> float:
        return 0.5


def unavailable() -> UnavailableError:
    return UnavailableError("the line is down", "wait")


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
@pytest.mark.parametrize("kind", ["put", "get", "listing", "delete"])
def test_one_failure_is_not_seen(kind: str, when: When) -> None:
    inner, world = MemoryStorage(), World()
    inner.put("a", b"x")
    storage = Retrying(FaultyStorage(inner, at=1, fault=unavailable, when=when, on=(kind,)), world)
    storage.put("b", b"y")
    assert storage.get("b") == b"y"
    assert {one.name for one in storage.listing("")} == {"a", "b"}
    storage.delete("a")
    assert inner.objects == {"b": b"y"}
    assert len(world.waits) == 1


def test_a_line_that_stays_down_is_said_with_the_number_of_tries() -> None:
    class Down(MemoryStorage):
        def get(self, *_: object) -> bytes:
            raise unavailable()

    world = World()
    with pytest.raises(UnavailableError, match=r"the line is down \(tried 4 times\)") as caught:
        Retrying(Down(), world).get("a")
    assert caught.value.hint == "wait"
    assert world.waits == [pause(n, 0.5) for n in range(3)]


@pytest.mark.parametrize("error", [RefusedError, MissingError, AbsentError])
def test_what_was_refused_or_is_missing_is_not_asked_again(error: type[Exception]) -> None:
    faulty = FaultyStorage(MemoryStorage(), at=1, fault=lambda: error("no"), on=("get",))
    world = World()
    with pytest.raises(error):
        Retrying(faulty, world).get("a")
    assert faulty.count == 1
    assert world.waits == []


def test_waits_double_up_to_half_a_minute_and_are_spread() -> None:
    assert [pause(n, 1.0) for n in (0, 1, 2, 5, 6, 7, 10**6)] == [0.5, 1, 2, 16, 30, 30, 30]
    assert [pause(n, 0.0) for n in (0, 7)] == [0.25, 15]


def test_an_upload_limit_holds_on_average() -> None:
    world = World(upload_limit=1000)
    storage = Limited(MemoryStorage(), world)
    for number in range(5):
        storage.put(f"a/{number}", bytes(500))
    assert world.time == pytest.approx(2.0)
    assert storage.get("a/1") == bytes(500)
    assert world.time == pytest.approx(2.0)


def test_a_download_limit_holds_on_average_and_time_that_passed_counts() -> None:
    world = World(download_limit=1000)
    storage = Limited(MemoryStorage(), world)
    storage.put("a", bytes(1000))
    for _ in range(3):
        storage.get("a")
    assert world.time == pytest.approx(2.0)
    world.time += 100
    storage.get("a")
    assert world.time == pytest.approx(102.0)


def test_without_limits_nobody_waits() -> None:
    world = World()
    storage = Limited(MemoryStorage(), world)
    storage.put("a", bytes(10**6))
    assert (storage.get("a"), world.waits) == (bytes(10**6), [])


class Overwriting(MemoryStorage):
    """Takes the condition and does not keep it."""

    def put(self, name: str, data: bytes) -> None:
        self.objects[name] = bytes(data)


@pytest.mark.parametrize(("storage", "refuses"), [(MemoryStorage(), True), (Overwriting(), False)])
def test_a_probe_finds_out_and_leaves_all_as_it_was(storage: MemoryStorage, refuses: bool) -> None:
    storage.put("FORMAT.md", b"text")
    assert refuses_overwriting(lambda data: storage.put("FORMAT.md", data), b"text") is refuses
    assert storage.objects == {"FORMAT.md": b"text"}


def test_a_storage_that_overwrites_is_asked_first_what_is_there(s3_url: str, tmp_path, seaweedfs) -> None:
    from tests.support.proxy import Proxy

    with Proxy(seaweedfs.port) as proxy:
        here = access(state_dir=tmp_path / "state")
        url = seaweedfs.url(tmp_path.name, proxy.port)
        address = open_storage(url, here).address
        assert not is_known_to_overwrite(here, address)
        remember_overwriting(here, address)
        storage = open_storage(url, here)
        storage.put("a", b"x")
        with pytest.raises(RefusedError, match="there already"):
            storage.put("a", b"y")
        assert [one.method for one in proxy.requests] == ["HEAD", "PUT", "HEAD", "GET"]


def test_whoever_uses_no_network_loads_none(tmp_path) -> None:
    code = (
        "import sys\n"
        "from photovault.app import App, Settings\n"
        "from photovault.cli import main, backup, init\n"
        "assert list(App(Settings(vault=sys.argv[1])).storage.listing('')) == []\n"
        "print({'opendal', 'asyncssh', 'photovault.storage.remote'} & sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
