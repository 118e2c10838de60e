"""Backup, restore and check over a real sshd and a real rclone, and what goes wrong there."""

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
from tests.support.programs import missing, needed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Done
    from tests.support.sshd import Sshd

    Run = Callable[..., Done]

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.storage.retry._FIRST_SECONDS", 0.02)
    config = tmp_path / "device" / "config.toml"
    config.parent.mkdir()
    config.write_text('[network]\nretries = 1\ntimeout = "5s"\n')


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return library(tmp_path / "Pictures", Random(3), files=6)


def make(photovault: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Done:
    monkeypatch.setenv("PHOTOVAULT_VAULT", url)
    return photovault("init", "--words-file", tmp_path / "words.txt")


@pytest.fixture
def made(photovault: Run, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """A server with a new vault, which the environment names."""
    done = make(photovault, sshd.url(), tmp_path, monkeypatch)
    assert done.code == 0, done.err
    return sshd


def backup(photovault: Run, photos: Path) -> Done:
    return photovault("backup", photos, "--all-files")


def proves_whole(photovault: Run, photos: Path, to: Path) -> None:
    done = photovault("restore", "--to", to)
    assert done.code == 0, done.err
    assert same_tree(photos, to / photos.name) == []
    done = photovault("check", "--data", "all", "--json")
    assert done.code == 0, done.out + done.err
    assert done.json["findings"] == []


def test_backup_restore_and_check(photovault: Run, made: Sshd, photos: Path, tmp_path: Path) -> None:
    assert backup(photovault, photos).code == 0
    put(photos / "new.jpg", b"another")
    assert backup(photovault, photos).code == 0
    proves_whole(photovault, photos, tmp_path / "restored")
    assert [one["number"] for one in photovault("snapshots", "--json").json["snapshots"]] == [1, 2]


def test_backup_restore_and_check_through_rclone(
    photovault: Run, rclone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = library(tmp_path / "Pictures", Random(3), files=1)  # each request is a process of its own
    assert make(photovault, rclone, tmp_path, monkeypatch).code == 0
    assert backup(photovault, photos).code == 0
    proves_whole(photovault, photos, tmp_path / "restored")


def test_an_unknown_server_and_the_line_that_makes_it_known(
    photovault: Run, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sshd.known_hosts.unlink()
    done = make(photovault, sshd.url(), tmp_path, monkeypatch)
    assert done.code == 1
    assert sshd.host_key.get_fingerprint() in done.err
    line = re.search(rf"add this line to {re.escape(str(sshd.known_hosts))}: (.*)", done.err)
    assert line is not None, done.err
    sshd.known_hosts.write_text(line[1] + "\n")
    done = make(photovault, sshd.url(), tmp_path, monkeypatch)
    assert done.code == 0, done.err


def test_a_server_with_another_host_key_gets_nothing(photovault: Run, made: Sshd, photos: Path, tmp_path: Path) -> None:
    made.kill()
    made.new_host_key()
    made.start()
    objects = files_of(made)
    assert objects
    done = backup(photovault, photos)
    assert done.code == 1
    assert "CHANGED" in done.err
    assert "Accepted" not in made.log.read_text().rpartition("Server listening")[2]
    assert files_of(made) == objects
    made.trust()
    assert backup(photovault, photos).code == 0
    proves_whole(photovault, photos, tmp_path / "restored")


def test_a_credential_that_was_revoked_is_said_so(photovault: Run, made: Sshd, photos: Path, tmp_path: Path) -> None:
    assert backup(photovault, photos).code == 0
    made.new_user_key()
    for words in (["backup", photos], ["restore", "--to", tmp_path / "restored"], ["check"]):
        done = photovault(*words)
        assert done.code == 1
        assert "did not let us in" in done.err
        assert "do:" in done.err
    made.let_in()
    proves_whole(photovault, photos, tmp_path / "restored")


def test_a_server_killed_in_the_middle_of_a_backup(photovault: Run, made: Sshd, photos: Path, tmp_path: Path) -> None:
    for number in range(6):
        put(photos / f"film {number}.mp4", Random(number).randbytes(12 * MIB))
    before = len(files_of(made))
    with killed_when(made, lambda: len(files_of(made)) >= before + 2):
        done = backup(photovault, photos)
    assert done.code == 17, done.out + done.err
    assert "tried 2 times" in done.err
    made.start()
    done = backup(photovault, photos)
    assert done.code == 0, done.err
    proves_whole(photovault, photos, tmp_path / "restored")


def test_a_server_killed_in_the_middle_of_a_restore(photovault: Run, made: Sshd, photos: Path, tmp_path: Path) -> None:
    for number in range(6):
        put(photos / f"film {number}.mp4", Random(number).randbytes(12 * MIB))
    assert backup(photovault, photos).code == 0
    restored = tmp_path / "restored"
    with killed_when(made, restored.exists):
        done = photovault("restore", "--to", restored)
    assert done.code != 0
    assert "Traceback" not in done.err
    made.start()
    proves_whole(photovault, photos, restored)


def test_a_full_disk(
    photovault: Run, sshd: Sshd, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=False).returncode:
        missing("a full disk needs the right to mount one")
    try:
        assert make(photovault, sshd.url(disk / "vault"), tmp_path, monkeypatch).code == 0
        done = backup(photovault, photos)
        assert done.code == 1, done.out + done.err
        assert "no space left" in done.err
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        assert backup(photovault, photos).code == 0
        proves_whole(photovault, photos, tmp_path / "restored")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_where_nobody_answers(photovault: Run, made: Sshd, photos: Path) -> None:
    made.kill()
    done = backup(photovault, photos)
    assert done.code == 17
    assert "cannot connect to sftp://127.0.0.1" in done.err


def test_nobody_is_spoken_to_but_the_server(photovault: Run, made: Sshd, photos: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    strace = [needed("strace"), "-f", "-qq", "-e", calls, "-o", str(trace), sys.executable, "-m", "photovault"]
    done = subprocess.run([*strace, "backup", str(photos), "--all-files"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    reached = {line for line in trace.read_text().splitlines() if re.search(r"sa_family=AF_(?!UNIX|NETLINK)", line)}
    assert reached
    mine = f'sin_port=htons({made.port}), sin_addr=inet_addr("127.0.0.1")'
    assert {line for line in reached if mine not in line} == set()


def test_whoever_cannot_wait_for_a_dead_server_interrupts_twice(
    photovault: Run, made: Sshd, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "device" / "config.toml").write_text('[network]\ntimeout = "1h"\n')
    before = len(files_of(made))
    for number in range(6):
        put(photos / f"film {number}.mp4", Random(number).randbytes(12 * MIB))
    command = [sys.executable, "-m", "photovault", "backup", str(photos)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            while len(files_of(made)) < before + 2:
                assert process.poll() is None
                time.sleep(0.002)
            made.send(signal.SIGSTOP)
            begin = time.monotonic()
            for _ in range(2):
                process.send_signal(signal.SIGINT)
                time.sleep(0.5)
            # A shell calls both 130; the second signal may meet Python on its last steps, where no handler is left.
            assert process.wait(10) in {130, -signal.SIGINT}
            assert time.monotonic() - begin < 10
        finally:
            process.kill()
            made.send(signal.SIGCONT)


def files_of(server: Sshd) -> set[str]:
    """The objects of the vault."""
    root = server.folder / "vault"
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] != "tmp"}


class killed_when:  # noqa: N801 - reads as a word
    """Kill a server from the side as soon as something is so."""

    def __init__(self, server: Sshd, ready: Callable[[], bool]) -> None:
        self._server = server
        self._ready = ready
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        end = time.monotonic() + 30
        while not self._ready() and time.monotonic() < end:
            time.sleep(0.002)
        self._server.kill()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()
