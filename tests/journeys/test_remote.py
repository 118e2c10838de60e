"""Backup, restore and check on real servers, and each fault that networks and servers make."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.support.photos import library, put, same_tree
from tests.support.programs import needed
from tests.support.proxy import Fault, Proxy, Request
from tests.support.servers import PASSWORD, SECRET, SeaweedFS, WsgiDAV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Done
    from tests.support.servers import Server

    Run = Callable[..., Done]

READS = {"GET", "PROPFIND", "HEAD"}


class Place:
    """A vault behind a proxy before a real server, and photos to put there."""

    def __init__(self, server: SeaweedFS | WsgiDAV, proxy: Proxy, url: str, folder: Path) -> None:
        self.server: Server = server
        self.proxy = proxy
        self.url = url
        self.photos = library(folder / "Pictures", Random(7), files=6)
        self.folder = folder


@pytest.fixture(params=["S3", "WebDAV"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A vault on a server that may be harmed by nobody."""
    server = request.getfixturevalue({"S3": "seaweedfs", "WebDAV": "webdav"}[request.param])
    yield from _place(server, tmp_path, monkeypatch)


@pytest.fixture(params=[SeaweedFS, WsgiDAV])
def mortal(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A vault on a server that the test may kill."""
    server = request.param(tmp_path / "server")
    yield from _place(server, tmp_path, monkeypatch)
    server.kill()


def _place(server: SeaweedFS | WsgiDAV, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    server.let_in(monkeypatch)
    monkeypatch.setattr("photovault.storage.retry._FIRST_SECONDS", 0.05)
    monkeypatch.setattr("photovault.storage.retry._LONGEST_SECONDS", 0.1)
    config = tmp_path / "device" / "config.toml"
    config.parent.mkdir()
    config.write_text('[network]\nretries = 8\ntimeout = "2s"\n')
    with Proxy(server.port) as proxy:
        url = server.url(f"{tmp_path.name}/vault", proxy.port)
        monkeypatch.setenv("PHOTOVAULT_VAULT", url)
        yield Place(server, proxy, url, tmp_path)


def made(photovault: Run, place: Place) -> None:
    done = photovault("init", "--words-file", place.folder / "words.txt")
    assert done.code == 0, done.err


def backed_up(photovault: Run, place: Place) -> None:
    done = photovault("backup", place.photos, "--all-files")
    assert done.code == 0, done.err


def restores_whole(photovault: Run, place: Place, to: str = "restored") -> None:
    done = photovault("restore", "--to", place.folder / to)
    assert done.code == 0, done.err
    assert same_tree(place.photos, place.folder / to / "Pictures") == []


def checks_clean(photovault: Run) -> None:
    done = photovault("check", "--data", "all", "--json")
    assert done.code == 0, done.out + done.err
    assert done.json["findings"] == []


def often(fault: Fault, every: int = 5) -> tuple[Callable[[Request], Fault | None], set[Request]]:
    """The fault at the first request of each method and at every so many new ones, not at their repetition."""
    seen: set[Request] = set()
    hit: set[Request] = set()

    def choose(request: Request) -> Fault | None:
        if request in seen:
            return None
        first = request.method not in {one.method for one in seen}
        seen.add(request)
        if first or len(seen) % every == 0:
            hit.add(request)
        return fault if request in hit else None

    return choose, hit


def test_backup_restore_and_check(photovault: Run, place: Place) -> None:
    made(photovault, place)
    backed_up(photovault, place)
    restores_whole(photovault, place)
    checks_clean(photovault)
    put(place.photos / "new.jpg", b"another")
    backed_up(photovault, place)
    restores_whole(photovault, place, "again")
    assert [one["number"] for one in photovault("snapshots", "--json").json["snapshots"]] == [1, 2]


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.LOSE_ANSWER, Fault.ERROR, Fault.TRUNCATE])
def test_a_bad_line_costs_time_and_nothing_else(photovault: Run, place: Place, fault: Fault) -> None:
    made(photovault, place)
    place.proxy.fault, hit = often(fault)
    backed_up(photovault, place)
    assert "PUT" in {one.method for one in hit}
    place.proxy.fault, hit = often(fault, every=2)
    restores_whole(photovault, place)
    assert any("/packs/" in one.target for one in hit)
    place.proxy.fault = lambda _: None
    checks_clean(photovault)


def test_a_slow_line_is_no_fault(photovault: Run, place: Place) -> None:
    made(photovault, place)
    place.proxy.seconds = 0.02
    backed_up(photovault, place)
    restores_whole(photovault, place)


def test_a_request_without_an_answer_is_given_up_and_asked_again(photovault: Run, place: Place) -> None:
    made(photovault, place)
    backed_up(photovault, place)
    reads = []

    def stall(request: Request) -> Fault | None:
        reads.append(request.method in READS)
        return Fault.STALL if sum(reads) == 4 and reads[-1] else None

    place.proxy.fault = stall
    restores_whole(photovault, place)
    assert sum(reads) > 4


def test_a_server_that_only_fails_is_a_clear_error(photovault: Run, place: Place) -> None:
    made(photovault, place)
    place.proxy.fault = lambda _: Fault.ERROR
    done = photovault("backup", place.photos)
    assert done.code == 17
    assert "HTTP status 500 (tried 9 times)" in done.err
    assert "run it again" in done.err


def test_a_listing_that_lags_loses_nothing(photovault: Run, place: Place) -> None:
    """The second backup is shown what there was at the first one's beginning: nothing."""
    made(photovault, place)
    backed_up(photovault, place)
    put(place.photos / "new.jpg", b"another")
    place.proxy.fault = lambda request: (
        Fault.LAG
        if (request.method == "PROPFIND" and request.target.endswith("/")) or "list-type" in request.target
        else None
    )
    photovault("backup", place.photos, "--all-files")
    place.proxy.fault = lambda _: None
    backed_up(photovault, place)
    restores_whole(photovault, place)
    checks_clean(photovault)


@pytest.mark.parametrize("after", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_server_killed_in_the_middle_of_a_backup(photovault: Run, mortal: Place, after: int) -> None:
    made(photovault, mortal)
    _kill_at(mortal, after, lambda request: request.method == "PUT")
    done = photovault("backup", mortal.photos, "--all-files")
    assert done.code == 17, done.err
    assert "failed at" in done.err
    assert "what to do: check the network and the address" in done.err
    _revive(mortal)
    backed_up(photovault, mortal)
    restores_whole(photovault, mortal)
    checks_clean(photovault)


def test_a_server_killed_in_the_middle_of_a_restore(photovault: Run, mortal: Place) -> None:
    made(photovault, mortal)
    backed_up(photovault, mortal)
    _kill_at(mortal, 3, lambda request: request.method == "GET" and "/packs/" in request.target)
    done = photovault("restore", "--to", mortal.folder / "restored")
    assert done.code == 17, done.err
    assert "failed at" in done.err
    _revive(mortal)
    restores_whole(photovault, mortal)


def _kill_at(place: Place, number: int, which: Callable[[Request], bool]) -> None:
    seen: list[Request] = []

    def fault(request: Request) -> None:
        if which(request):
            seen.append(request)
            if len(seen) == number:
                place.server.kill()

    place.proxy.fault = fault


def _revive(place: Place) -> None:
    place.proxy.fault = lambda _: None
    place.server.start()


def test_a_revoked_credential_is_told_apart_from_a_broken_network(
    photovault: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(photovault, place)
    place.server.let_in(monkeypatch, **{"S3": {"key": "nobody"}}.get(_kind(place), {"password": "an old password"}))
    before = len(place.proxy.requests)
    done = photovault("backup", place.photos)
    assert done.code == 1
    assert "refused" in done.err
    assert "check the credentials" in done.err
    assert SECRET not in done.out + done.err
    assert PASSWORD not in done.out + done.err
    assert "an old password" not in done.out + done.err
    assert len(place.proxy.requests) == before + 1, "what is refused is not asked again"


def _kind(place: Place) -> str:
    return "S3" if place.url.startswith("s3:") else "WebDAV"


def test_no_credential_says_where_they_come_from(
    photovault: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "PHOTOVAULT_WEBDAV_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    done = photovault("snapshots")
    assert done.code in {1, 2}
    assert "credentials" in done.err or "log in" in done.err
    assert "keyring" in done.err


def test_a_password_in_an_address_is_refused_and_never_shown(photovault: Run) -> None:
    for url in ("webdav://me:hunter2@127.0.0.1/x", "s3://AKIA:hunter2@bucket", "s3://b/p?secret_access_key=hunter2"):
        done = photovault("snapshots", "--vault", url, "--json")
        assert done.code == 2
        assert "hunter2" not in done.out + done.err


def test_nobody_at_the_address(photovault: Run, tmp_path: Path) -> None:
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / "config.toml").write_text("[network]\nretries = 0\n")
    done = photovault("snapshots", "--vault", "webdav://127.0.0.1:9/x")
    assert done.code == 17
    assert "webdav://127.0.0.1:9/x" in done.err


def test_a_full_store_is_told_and_the_next_run_goes_on(photovault: Run, place: Place) -> None:
    """As Nextcloud and S3 with a quota answer: the request is refused, whatever it was before."""
    made(photovault, place)
    full = {"S3": (403, b"<Error><Code>QuotaExceeded</Code></Error>"), "WebDAV": (507, b"")}[_kind(place)]

    def fill(request: Request) -> None:
        if request.method == "PUT" and request.size > 1024:
            place.proxy.answer = full

    place.proxy.fault = fill
    done = photovault("backup", place.photos, "--all-files")
    assert done.code == 1
    assert "has no room for" in done.err
    assert "raise the quota" in done.err
    place.proxy.fault, place.proxy.answer = lambda _: None, None
    backed_up(photovault, place)
    restores_whole(photovault, place)
    checks_clean(photovault)


def test_what_left_is_explained_by_the_audit(photovault: Run, place: Place) -> None:
    """The probe of `init`, repeated puts and temporary names of WebDAV leave nothing that nobody can explain."""
    made(photovault, place)
    place.proxy.fault, _ = often(Fault.LOSE_ANSWER)
    backed_up(photovault, place)
    place.proxy.fault = lambda _: None
    done = photovault("audit", "--json")
    assert done.code == 0, done.out + done.err


def test_a_bucket_without_lock_stops_before_there_is_a_vault(photovault: Run, tmp_path: Path, s3_url: str) -> None:
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / "config.toml").write_text("[network]\nobject_lock_days = 30\n")
    done = photovault("init", "--vault", s3_url, "--words-file", tmp_path / "words.txt")
    assert done.code == 1
    assert "does not take object_lock_days" in done.err
    (tmp_path / "device" / "config.toml").unlink()
    assert photovault("snapshots", "--vault", s3_url).code == 10


def test_a_key_that_may_not_delete_backs_up_and_says_what_it_could_not_remove(
    photovault: Run, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy refuses as a policy without s3:DeleteObject does; a real one is in tests/storage/remote."""
    server_port = int(s3_url.rpartition(":")[2])
    with Proxy(server_port) as proxy:
        monkeypatch.setenv("PHOTOVAULT_VAULT", s3_url.replace(f":{server_port}", f":{proxy.port}"))

        def forbid(request: Request) -> None:
            proxy.answer = (403, b"<Error><Code>AccessDenied</Code></Error>") if request.method == "DELETE" else None

        proxy.fault = forbid
        assert photovault("init", "--words-file", tmp_path / "words.txt").code == 0
        photos = library(tmp_path / "Pictures", Random(7), files=3)
        assert photovault("backup", photos, "--all-files").code == 0
        removal = photovault("key", "remove", _device_slot(photovault))
        assert removal.code == 1
        assert "the storage did not remove the slot" in removal.err
        assert photovault("check", "--data", "all").code == 0
        assert [one.method for one in proxy.requests].count("DELETE") == 1


def _device_slot(photovault: Run) -> str:
    slots = photovault("key", "list", "--json").json["keys"]
    return str(next(slot["id"] for slot in slots if slot["kind"] == "device"))


def test_a_backup_connects_to_the_endpoint_of_its_vault_only(
    photovault: Run, seaweedfs: SeaweedFS, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOVAULT_VAULT", s3_url)
    assert photovault("init", "--words-file", tmp_path / "words.txt").code == 0
    photos = library(tmp_path / "Pictures", Random(7), files=3)
    trace = tmp_path / "trace"
    strace = [needed("strace"), "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace)]
    done = subprocess.run(
        [*strace, sys.executable, "-m", "photovault", "backup", str(photos)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    reached = {line for line in lines if re.search(r"sa_family=AF_(?!UNIX|NETLINK)", line)}
    assert len(reached) > 0
    mine = f'sin_port=htons({seaweedfs.port}), sin_addr=inet_addr("127.0.0.1")'
    assert {line for line in reached if mine not in line} == set()


def test_whoever_cannot_wait_for_a_dead_server_interrupts_twice(photovault: Run, place: Place) -> None:
    made(photovault, place)
    stalled = threading.Event()

    def stall(_: Request) -> Fault:
        stalled.set()
        return Fault.STALL

    place.proxy.fault = stall
    (place.folder / "device" / "config.toml").write_text('[network]\ntimeout = "1h"\n')
    command = [sys.executable, "-m", "photovault", "backup", str(place.photos)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert stalled.wait(30)
        begin = time.monotonic()
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        try:
            # A shell calls both 130; the second signal may meet Python on its last steps, where no handler is left.
            assert process.wait(10) in {130, -signal.SIGINT}
        finally:
            process.kill()
        assert time.monotonic() - begin < 10
