"""The real daemon, real files, real storage: whatever comes in between, in the end the vault holds what the folder holds.

Each test does something to the folder, the storage or the process, asks at each step whether what the daemon says of
itself is true, and at the end restores the newest snapshot and compares.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.support.daemon import HEARD, Watching, standings
from tests.support.photos import jpeg, library, put, same_tree
from tests.support.programs import missing
from tests.support.servers import SeaweedFS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Done

    Run = Callable[..., Done]

MB = 1_000_000
QUICK = """
[backup]
all_files = true
[watch]
settle = "300ms"
max_delay = "{max_delay}"
min_interval = "0s"
poll = "200ms"
[network]
retries = 1
timeout = "{timeout}"
"""


class Home:
    """A library of photos, a configuration that watches it, and what restores it."""

    def __init__(self, folder: Path, photovault: Run) -> None:
        self.folder = folder
        self.photos = library(folder / "Pictures", Random(7), files=4)
        self.config = folder / "device" / "config.toml"
        self.run = photovault
        self.configure(self.photos)
        self._restored = 0

    def configure(self, *sources: Path, more: str = "", timeout: str = "5s", max_delay: str = "3s") -> None:
        """Watch these folders; what failed is tried again after ten times ``max_delay``."""
        named = "".join(f"[[sources]]\npath = '{one}'\n" for one in sources)
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(named + QUICK.format(timeout=timeout, max_delay=max_delay) + more)

    def watch(self, *options: str) -> Watching:
        """Start the daemon."""
        return Watching(self.folder / "daemon.log", *options)

    def restored(self, source: str = "main") -> Path:
        """The newest snapshot at a destination, restored into a new folder."""
        self._restored += 1
        to = self.folder / f"restored {self._restored}"
        options = () if source == "main" else ("--vault", source)
        done = self.run("restore", "--to", to, *options)
        assert done.code == 0, done.err
        return to

    def is_safe(self, source: str = "main") -> None:
        """The newest snapshot holds what the folder holds, to the byte."""
        to = self.restored(source)
        assert same_tree(self.photos, to / self.photos.name) == []
        shutil.rmtree(to)

    def is_said_to_be_safe(self) -> None:
        """``photovault status`` agrees."""
        done = self.run("status", "--json")
        assert (done.code, done.json["protected"]) == (0, True), done.out + done.err


@pytest.fixture
def home(tmp_path: Path, vault: Path, photovault: Run) -> Home:
    """Photos, a vault in a folder, and a configuration."""
    return Home(tmp_path, photovault)


def heard(daemon: Watching) -> None:
    """What was just changed is said to wait for a backup."""
    daemon.until(lambda status: "protected" not in standings(status).values())


# Files


def test_a_slow_copy_is_taken_when_it_is_whole_and_never_before(home: Home) -> None:
    data = Random(1).randbytes(2 * MB)
    with home.watch() as daemon:
        daemon.until_ready()
        daemon.skip()
        with (home.photos / "slow.mp4").open("wb", buffering=0) as file:
            for piece in range(8):
                file.write(data[piece * MB // 4 : (piece + 1) * MB // 4])
                time.sleep(0.4)  # longer than `settle`: only that it is open tells that it is not whole
        assert daemon.standings() == {"main": "pending"}
        assert not (home.restored() / "Pictures" / "slow.mp4").exists()
        daemon.until_protected()
        assert [one["files"] for one in daemon.events("backup done") if one["files"]][1:] == [1]
        home.is_safe()
        home.is_said_to_be_safe()
        assert daemon.stop() == 0


@pytest.mark.slow
def test_files_that_never_hold_still_do_not_keep_others_waiting(home: Home) -> None:
    with home.watch() as daemon:
        daemon.until_ready()
        end = time.monotonic() + 6
        put(home.photos / "calm.jpg", jpeg(1))
        with (home.photos / "restless.jpg").open("wb", buffering=0) as file:
            while time.monotonic() < end:
                file.write(b"x")
                time.sleep(0.05)
            found = home.restored() / "Pictures"
            assert (found / "calm.jpg").exists()
            assert not (found / "restless.jpg").exists()
            assert daemon.standings() == {"main": "pending"}
        daemon.until_protected()
        home.is_safe()


def test_a_storm_of_renames(home: Home) -> None:
    home.configure(home.photos, more="[guards]\nlost = 100\n")  # half of them get other names and other bytes at once
    random = Random(2)
    where = [put(home.photos / "a" / f"{number}.jpg", b"%d" % number) for number in range(300)]
    (home.photos / "b").mkdir()
    with home.watch() as daemon:
        daemon.until_ready()
        for turn in range(10):
            for number in random.sample(range(300), 100):
                new = home.photos / random.choice("ab") / f"{number} {turn}.jpg"
                where[number] = where[number].rename(new)
            os.rename(home.photos / "b", home.photos / "c")
            os.rename(home.photos / "c", home.photos / "b")
        for path in where[::2]:  # as programs save: a temporary name, then the real one
            path.with_suffix(".tmp").write_bytes(b"saved")
            path.with_suffix(".tmp").replace(path)
        heard(daemon)
        daemon.until_protected()
        home.is_safe()


def test_new_folders_in_new_folders_and_folders_that_leave_and_come_back(home: Home) -> None:
    with home.watch() as daemon:
        daemon.until_ready()
        deep = home.photos.joinpath(*"abcdefghij")
        put(deep / "first.jpg", jpeg(1))
        shutil.copytree(home.photos / "2010", home.photos / "2031" / "copied")
        heard(daemon)
        daemon.until_protected()
        home.is_safe()
        put(deep / "second.jpg", jpeg(2))  # in a folder that came after the daemon
        os.rename(home.photos / "2011", home.folder / "elsewhere")
        daemon.until_protected()
        home.is_safe()
        put(home.folder / "elsewhere" / "while away.jpg", jpeg(3))
        os.rename(home.folder / "elsewhere", deep / "2011 again")
        daemon.until_protected()
        put(deep / "2011 again" / "last.jpg", jpeg(4))
        daemon.until_protected()
        home.is_safe()


def test_times_rights_and_notes_alone_are_changes_too(home: Home) -> None:
    with home.watch() as daemon:
        daemon.until_ready()
        os.utime(home.photos / "twin.jpg", (1_500_000_000, 1_500_000_000))
        (home.photos / "empty.jpg").chmod(0o640)
        (home.photos / "2010").chmod(0o750)
        heard(daemon)
        daemon.until_protected()
        home.is_safe()


# Storage


def test_a_disk_that_is_pulled_out_is_not_made_anew_and_gets_everything_when_it_is_back(home: Home) -> None:
    vault, away = home.folder / "vault", home.folder / "pulled out"
    with home.watch() as daemon:
        daemon.until_ready()
        os.rename(vault, away)
        put(home.photos / "new.jpg", jpeg(1))
        (home.photos / "twin.jpg").unlink()
        assert daemon.wait("backup failed")["error"]
        assert daemon.standings() == {"main": "failing"}
        assert not vault.exists()
        assert home.run("status").code != 0
        os.rename(away, vault)
        assert daemon.standings() == {"main": "failing"}  # until a backup has been made
        assert home.run("watch", "--now").code == 0
        daemon.until_protected()
        home.is_safe()


@pytest.mark.slow
def test_a_server_that_is_killed_fails_alone_and_catches_up_by_itself_when_it_is_back(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SeaweedFS(tmp_path / "server")
    try:
        server.let_in(monkeypatch)
        more = f"[[destinations]]\nname = 's3'\nurl = '{server.url('vault')}'\n"
        home.configure(home.photos, more=more, max_delay="400ms")
        assert home.run("copy", "--to", "s3").code == 0
        with home.watch() as daemon:
            daemon.until_protected()
            server.kill()
            put(home.photos / "new.jpg", jpeg(1))
            daemon.wait("backup failed", destination="s3")
            assert daemon.standings() == {"main": "protected", "s3": "failing"}
            home.is_safe()
            assert home.run("status").code == 3
            server.start()
            daemon.until_protected()
            home.is_safe("s3")
    finally:
        server.kill()


def test_a_server_that_hangs_keeps_nobody_from_ending_the_daemon(home: Home, seaweedfs: SeaweedFS, s3_url: str) -> None:
    home.configure(home.photos, more=f"[[destinations]]\nname = 's3'\nurl = '{s3_url}'\n", timeout="60s")
    assert home.run("copy", "--to", "s3").code == 0
    with home.watch() as daemon:
        daemon.until_ready()
        with seaweedfs.hanging():
            put(home.photos / "new.jpg", jpeg(1))
            daemon.wait("backup begins", destination="s3")
            assert daemon.stop() == 0
    with home.watch() as daemon:
        assert daemon.standings() == {"main": "pending", "s3": "pending"}
        daemon.until_protected()
        home.is_safe("s3")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB, where this process, or sudo without a question, may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size=12m,mode=0700,uid={os.geteuid()}"
    try:
        subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", options, "none", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        missing("nobody here may mount a file system")
    yield folder
    subprocess.run([*sudo, "umount", "--lazy", folder], check=True)


def test_a_full_disk_is_said_and_when_there_is_room_the_backup_goes_on(
    home: Home, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(home.folder / "vault", small_disk / "vault")
    monkeypatch.setenv("PHOTOVAULT_VAULT", str(small_disk / "vault"))
    (home.photos / "movie.mp4").unlink()
    (small_disk / "ballast").write_bytes(bytes(9 * MB))
    with home.watch() as daemon:
        daemon.until_ready()
        put(home.photos / "film.mp4", Random(3).randbytes(6 * MB))
        failed = daemon.wait("backup failed")
        assert "MB are free there" in failed["error"]
        assert daemon.standings() == {"main": "failing"}
        (small_disk / "ballast").unlink()
        assert home.run("watch", "--now").code == 0
        daemon.until_protected()
        home.is_safe()
        assert home.run("check", "--data", "all").code == 0


# Sources


def test_a_source_that_is_unmounted_and_comes_back(home: Home) -> None:
    away = home.folder / "pulled out"
    with home.watch() as daemon:
        daemon.until_ready()
        os.rename(home.photos, away)
        status = daemon.until(lambda status: bool(status["away"]))
        assert status["away"] == [str(home.photos)]
        put(away / "meanwhile.jpg", jpeg(1))
        (away / "twin.jpg").unlink()
        time.sleep(HEARD)
        assert (home.restored() / "Pictures" / "twin.jpg").exists()  # a disk that is away is not a disk that is empty
        os.rename(away, home.photos)
        daemon.until(lambda status: not status["away"])
        daemon.until_protected()
        home.is_safe()
        put(home.photos / "after.jpg", jpeg(2))
        daemon.until_protected()
        home.is_safe()


def test_a_source_that_is_away_keeps_no_other_from_being_saved(home: Home) -> None:
    card = home.folder / "card"
    home.configure(home.photos, card)
    with home.watch() as daemon:
        daemon.until(lambda status: set(standings(status).values()) == {"incomplete"})
        put(home.photos / "new.jpg", jpeg(1))
        daemon.wait("backup done", files=1)
        home.is_safe()
        done = home.run("status", "--json")
        assert (done.code, done.json["state"], done.json["watch"]["destinations"][0]["state"]) == (
            3,
            *["incomplete"] * 2,
        )
        assert daemon.status()["away"] == [str(card)]
        put(card / "DCIM" / "1.jpg", jpeg(2))
        daemon.wait("looking at everything", why="a source came")
        daemon.until_protected()
        home.is_said_to_be_safe()
        assert same_tree(card, home.restored() / "card") == []


# The process


@pytest.mark.slow
def test_nothing_that_happened_while_it_was_stopped_is_lost(home: Home) -> None:
    with home.watch() as daemon:
        daemon.until_ready()
        daemon.signal(signal.SIGSTOP)
        put(home.photos / "asleep.jpg", jpeg(1))
        _overflow(home.photos)
        put(home.photos / "new folder" / "deep.jpg", jpeg(2))  # of this the kernel says nothing any more
        time.sleep(2)
        daemon.signal(signal.SIGCONT)
        heard(daemon)
        daemon.until_protected()
        home.is_safe()
        put(home.photos / "new folder" / "later.jpg", jpeg(3))
        daemon.until_protected()
        home.is_safe()


def _overflow(folder: Path) -> None:
    """More events than the kernel keeps for one who does not read them; equal neighbours count as one."""
    with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as file:
        enough = int(file.read()) // 2 + 1000
    with (folder / "one.jpg").open("wb", buffering=0) as one, (folder / "two.jpg").open("wb", buffering=0) as two:
        for _ in range(enough):
            one.write(b"1")
            two.write(b"2")


def test_killed_in_the_middle_of_a_backup_it_goes_on_when_it_is_started_again(home: Home) -> None:
    for number in range(12):
        put(home.photos / "big" / f"{number}.mp4", Random(number).randbytes(4 * MB))
    with home.watch() as daemon:
        daemon.until(lambda status: (status["run"] or {}).get("bytes", 0) > MB)
        children = _children(daemon.process.pid)
        daemon.kill()
        assert home.run("watch", "--now").code == 1  # nobody is there
    with home.watch() as daemon:
        assert daemon.standings() == {"main": "pending"}
        daemon.until_protected()
        home.is_safe()
        home.is_said_to_be_safe()
        assert home.run("check", "--data", "all").code == 0
        assert not [pid for pid in children if _lives(pid)]


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_asked_to_end_in_the_middle_of_a_backup_it_does_so_in_time(home: Home) -> None:
    for number in range(12):
        put(home.photos / "big" / f"{number}.mp4", Random(number).randbytes(4 * MB))
    with home.watch() as daemon:
        daemon.until(lambda status: (status["run"] or {}).get("bytes", 0) > MB)
        assert daemon.stop() == 0
    with home.watch() as daemon:
        daemon.until_ready()
        home.is_safe()
        assert home.run("watch", "--stop").code == 0
        assert daemon.process.wait(12) == 0


def test_a_pause_survives_a_kill_and_is_ended(home: Home) -> None:
    with home.watch() as daemon:
        daemon.until_ready()
        assert home.run("watch", "--pause", "1h").code == 0
        daemon.kill()
    assert "when it is started it is, paused for 60 min" in home.run("status").out
    with home.watch() as daemon:
        put(home.photos / "new.jpg", jpeg(1))
        daemon.until(lambda status: status["destinations"][0]["waits"] == "paused")
        assert 3500 < daemon.status()["paused"] <= 3600
        assert "watching, paused for 60 min" in home.run("status").out
        daemon.kill()
    assert home.run("watch", "--resume").code == 0  # also where nobody runs
    assert home.run("watch", "--resume").code == 1
    with home.watch() as daemon:
        assert daemon.status()["paused"] is None
        daemon.until_protected()
        home.is_safe()


def test_a_daemon_that_nobody_can_ask_says_so_and_backs_up(home: Home) -> None:
    (home.folder / "device" / "state" / "watch.sock.new").mkdir()  # stands for any reason why there can be no socket
    with home.watch() as daemon:
        assert daemon.events("nobody can ask this daemon")
        daemon.wait("backup done")
        put(home.photos / "new.jpg", jpeg(1))
        daemon.wait("backup done", files=1)
        home.is_safe()
        done = home.run("status")
        assert (done.code, "watching, but it does not answer" in done.out) == (0, True), done.out + done.err
        assert home.run("status", "--json").json["watch"]["running"] is True
        done = home.run("watch", "--now")
        assert (done.code, "there is no way to ask it" in done.err) == (1, True)
        assert daemon.stop() == 0


def test_a_configuration_is_read_again_and_a_broken_one_changes_nothing(home: Home) -> None:
    second = put(home.folder / "Second" / "1.jpg", jpeg(1)).parent
    with home.watch() as daemon:
        daemon.until_ready()
        home.configure(home.photos, second)
        daemon.signal(signal.SIGHUP)
        assert daemon.wait("configuration read")["sources"] == 2
        daemon.until_protected()
        assert same_tree(second, home.restored() / "Second") == []
        put(second / "2.jpg", jpeg(2))
        daemon.until_protected()
        assert same_tree(second, home.restored() / "Second") == []
        whole = home.config.read_text()
        home.config.write_text("[watch\nsettle = ")
        daemon.signal(signal.SIGHUP)
        daemon.wait("configuration not read")
        put(home.photos / "new.jpg", jpeg(3))
        put(second / "3.jpg", jpeg(4))
        heard(daemon)
        daemon.until_protected()
        home.config.write_text(whole)
        home.is_safe()
        assert same_tree(second, home.restored() / "Second") == []
        assert daemon.stop() == 0


def test_a_second_daemon_is_turned_away_and_the_first_goes_on(home: Home) -> None:
    with home.watch() as daemon:
        daemon.until_ready()
        second = Watching(home.folder / "second.log")
        assert second.process.wait(20) == 11
        assert "watching already" in second.said()
        put(home.photos / "new.jpg", jpeg(1))
        heard(daemon)
        daemon.until_protected()
        home.is_safe()


@pytest.mark.slow
def test_a_storm_of_new_files_and_renames_while_a_backup_runs(home: Home) -> None:
    for number in range(5000):
        put(home.photos / "old" / f"{number // 100}" / f"{number}.jpg", b"old %d" % number)
    with home.watch() as daemon:
        daemon.wait("backup begins")
        for number in range(10_000):
            put(home.photos / "new" / f"{number // 100}" / f"{number}.jpg", b"new %d" % number)
            if number % 2:
                old = home.photos / "old" / f"{number // 200}" / f"{number // 2}.jpg"
                os.rename(old, old.with_name(f"renamed {number}.jpg"))
        assert daemon.status()["moving"] <= 10_000
        assert home.run("status").code in {0, 3}  # it looks at the folder, too, and at what the backup writes just now
        daemon.until_protected(90)
        home.is_safe()
        assert _peak(daemon.process.pid) < 400 * MB


def _peak(pid: int) -> int:
    """The most memory that a process ever had, in bytes."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        (line,) = [line for line in file if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
