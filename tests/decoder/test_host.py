"""Real child processes: what they answer, and what becomes of those that do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from photovault.decoder import process
from photovault.decoder.host import Asked, Decoders, Limits, Looked
from photovault.decoder.process import DIED, TOO_SLOW
from photovault.errors import CancelledError, RefusedError
from photovault.facts import NOTHING
from tests.decoder.pictures import asked, many_scans, png, quarters, saved, scene
from tests.support.photos import jpeg

GOOD = jpeg(1, taken="2021:05:04 13:22:11")
SLOW = many_scans(20_000)  # minutes
LINUX = sys.platform == "linux"


@pytest.fixture(scope="module")
def decoders():
    with Decoders(count=1) as decoders:
        yield decoders


def look(decoders: Decoders, folder: Path, *files: bytes, **options) -> list[Looked]:
    with asked(folder, *files, **options) as some:
        looking = decoders.look(some)
    return looking.result()  # the files are closed, and their descriptors may be others by now


def gone(pid: int) -> bool:
    """Whether the process ends within seconds; one that waits to be reaped has ended."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


# Answers --------------------------------------------------------------------------------------------------------------


def test_facts_and_thumbnail(decoders: Decoders, tmp_path: Path) -> None:
    (found,) = look(decoders, tmp_path, saved(scene(1200, 800)))
    assert (found.facts.kind, found.facts.width, found.facts.height) == ("jpeg", 1200, 800)
    assert quarters(found.thumbnail) == ["red", "green", "blue", "white"]
    assert found.facts.phash is not None
    assert found.thumbnail_seconds > 0
    assert found.why == found.facts.broken == ""


def test_facts_alone_decode_nothing(decoders: Decoders, tmp_path: Path) -> None:
    (found,) = look(decoders, tmp_path, GOOD[:-30], thumbnail=False)
    assert found.facts.taken == "2021-05-04T13:22:11"
    assert (found.thumbnail, found.thumbnail_seconds, found.facts.phash, found.facts.broken) == (b"", 0.0, None, "")


def test_answers_are_in_order_and_names_count(decoders: Decoders, tmp_path: Path) -> None:
    names = [b"IMG_20210504_1322%02d.jpg" % number for number in range(60)] * 3  # more than go into one frame
    found = look(decoders, tmp_path, *[b"no photo"] * 180, names=names, thumbnail=False)
    assert [one.facts.taken for one in found] == [f"2021-05-04T13:22:{number:02}" for number in range(60)] * 3


def test_a_name_may_be_any_bytes(decoders: Decoders, tmp_path: Path) -> None:
    (found,) = look(decoders, tmp_path, b"", names=[b"\xff\xfe IMG_20210504_132211.jpg"])
    assert found.facts.taken == "2021-05-04T13:22:11"
    assert found.why == ""


def test_nothing_asked_nothing_started(tmp_path: Path) -> None:
    with Decoders() as decoders:
        assert decoders.pids == ()
    with Decoders(count=4) as decoders:
        assert decoders.look([]).result() == []
        look(decoders, tmp_path, GOOD)
        assert len(decoders.pids) <= 1


def test_many_threads_ask_at_once(tmp_path: Path) -> None:
    answers: dict[int, list[Looked]] = {}

    def ask(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        answers[number] = look(decoders, folder, *[jpeg(number, taken=f"20{number:02}:05:04 13:22:11")] * 5)

    with Decoders(count=2) as decoders:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(10, 18)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 <= len(decoders.pids) <= 2
    for number in range(10, 18):
        assert [one.facts.taken for one in answers[number]] == [f"20{number}-05-04T13:22:11"] * 5


def test_without_passing_files_the_answers_are_the_same(decoders: Decoders, tmp_path: Path) -> None:
    files = [saved(scene(1200, 800)), saved(scene(), "PNG"), GOOD[:-30], b"", b"no photo", saved(scene(), "TIFF")]
    with Decoders(count=1, passing=False) as others, asked(tmp_path, *files) as some:
        os.lseek(some[0].fd, 7, os.SEEK_SET)
        ours, theirs = decoders.look(some).result(), others.look(some).result()
        assert others.pack(saved(scene(600, 400))) == decoders.pack(saved(scene(600, 400))) != None  # noqa: E711
    assert [one._replace(thumbnail_seconds=0) for one in ours] == [one._replace(thumbnail_seconds=0) for one in theirs]
    assert ours[0].thumbnail
    assert ours[2].facts.broken


def test_what_cannot_be_read_is_said(decoders: Decoders, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with asked(tmp_path, GOOD) as (good,):
        bad, fine = decoders.look([Asked(folder, 100, b"x", True), good]).result()
    os.close(folder)
    assert bad == Looked(why="it cannot be read")
    assert fine.thumbnail


def test_no_descriptors_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Decoders(count=1) as decoders, asked(tmp_path, GOOD, GOOD) as some:
        monkeypatch.setattr(os, "dup", lambda _: (_ for _ in ()).throw(OSError(24, "too many")))
        assert decoders.look(some).result() == [Looked(why="too many files are open")] * 2


# Trouble --------------------------------------------------------------------------------------------------------------


def test_too_slow_costs_one_file(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(seconds=3.0)) as decoders:
        began = time.monotonic()
        before, slow, *after = look(decoders, tmp_path, GOOD, SLOW, GOOD, GOOD)
        assert time.monotonic() - began < 20
    assert slow.why == TOO_SLOW
    assert (slow.facts.kind, slow.facts.width, slow.facts.broken) == ("jpeg", 4000, "")
    assert all(one.thumbnail and not one.why for one in (before, *after))


def test_a_child_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with Decoders(count=1) as decoders, asked(tmp_path, GOOD, SLOW, GOOD) as some:
        looking = decoders.look(some)
        pid = busy(decoders)
        os.kill(pid, signal.SIGKILL)
        before, slow, after = looking.result()
        assert decoders.pids != (pid,)
    assert (slow.why, slow.facts.width) == (DIED, 4000)
    assert before.thumbnail
    assert after.thumbnail


def busy(decoders: Decoders) -> int:
    """The child, once it has computed for half a second."""
    for _ in range(400):
        for pid in decoders.pids:
            used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]
            if int(used) > 0.8 * os.sysconf("SC_CLK_TCK"):
                return pid
        time.sleep(0.02)
    raise AssertionError


def test_a_child_that_ends_while_it_waits_costs_nothing(tmp_path: Path) -> None:
    with Decoders(count=1) as decoders:
        look(decoders, tmp_path, GOOD)
        (pid,) = decoders.pids
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        assert look(decoders, tmp_path, GOOD)[0].thumbnail


def test_too_much_memory_says_nothing_against_the_file(tmp_path: Path) -> None:
    with Decoders(count=1, limits=Limits(memory=48 << 20)) as decoders:
        look(decoders, tmp_path, saved(scene(), "PNG"))
        large, good = look(decoders, tmp_path, png(9000, 9000, rows=bytes(9001 * 9000)), GOOD)
    assert large.why == "it needs too much memory to decode"
    assert (large.facts.broken, large.facts.width) == ("", 9000)
    assert good.thumbnail


def test_close_ends_everything(tmp_path: Path) -> None:
    decoders = Decoders(count=1)
    with asked(tmp_path, SLOW, GOOD) as some:
        looking = decoders.look(some)
        pid = busy(decoders)
        decoders.close()
        assert [one.why for one in looking.result()] == ["the decoders were closed"] * 2
        assert gone(pid)
        assert decoders.look(some).result() == [Looked(why="the decoders were closed")] * 2
    assert decoders.pack(GOOD) is None
    with pytest.raises(CancelledError):
        decoders.unpack(b"", 1)
    assert decoders.protection == ()
    decoders.close()


def test_ctrl_c_does_not_reach_a_child(decoders: Decoders, tmp_path: Path) -> None:
    look(decoders, tmp_path, GOOD)
    (pid,) = decoders.pids
    assert os.getpgid(pid) != os.getpgid(0)
    os.kill(pid, signal.SIGINT)
    assert look(decoders, tmp_path, GOOD)[0].thumbnail
    assert decoders.pids == (pid,)


def test_a_child_does_not_survive_its_parent(tmp_path: Path) -> None:
    (tmp_path / "slow").write_bytes(SLOW)
    script = (
        "import os, sys, time\n"
        "from photovault.decoder.host import Asked, Decoders\n"
        "decoders = Decoders(count=1)\n"
        "decoders.protection\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
        "looking = decoders.look([Asked(fd, os.fstat(fd).st_size, b'x', True)])\n"
        "print(*decoders.pids, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "slow")]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}) as parent:
        pid = int(parent.stdout.readline())
        assert not gone_now(pid)
        parent.kill()
    assert gone(pid)


def gone_now(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_child_that_lies_costs_answers_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lies = (b'{"protection":[]}', b'{"facts":{"kind":7},"seconds":0,"why":""}')
    said = b"".join(len(one).to_bytes(4, "big") + bytes(4) + one for one in lies)
    monkeypatch.setattr(process, "_BOOT", f"import os, time; os.write(0, {said!r}); time.sleep(60)")
    with Decoders(count=1) as decoders:
        assert look(decoders, tmp_path, GOOD, GOOD) == [Looked(facts=NOTHING, why=DIED)] * 2


def test_no_child_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with Decoders(count=1) as decoders:
        found = look(decoders, tmp_path, *[GOOD] * 20)
        assert found == [Looked(why="the decoder does not start")] * 20
        assert decoders.pack(GOOD) is None
        with pytest.raises(RefusedError):
            decoders.unpack(GOOD, 5)


def test_a_child_is_replaced_after_many_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.decoder.host._JOBS_MAX", 3)
    with Decoders(count=1) as decoders:
        assert [one.why for one in look(decoders, tmp_path, *[GOOD] * 5)] == [""] * 5
        first = decoders.pids
        assert look(decoders, tmp_path, GOOD)[0].thumbnail
        assert decoders.pids != first


# What a child has ---------------------------------------------------------------------------------------------------


def test_a_child_knows_no_secret_and_has_no_file(decoders: Decoders, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PHOTOVAULT_PASSWORD", "swordfish")
    secret = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(secret, True)
    with Decoders(count=1) as others:
        look(others, tmp_path, GOOD)
        (pid,) = others.pids
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        open_files = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
        assert b"swordfish" not in environment + Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"HOME" not in environment
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    os.close(secret)
    assert len(open_files) <= 4
    assert all(name.startswith(("socket:", "/dev/null", "/proc/")) for name in open_files)


def test_a_child_says_what_protects_it(decoders: Decoders) -> None:
    (pid,) = decoders.pids or [0]
    assert "limits" in decoders.protection
    status = Path(f"/proc/{pid or decoders.pids[0]}/status").read_text()
    assert ("privileges" in decoders.protection) == ("NoNewPrivs:\t1" in status)
    assert ("calls" in decoders.protection) == ("Seccomp:\t2" in status)


def test_where_memory_runs_out_the_system_ends_a_child_first(decoders: Decoders) -> None:
    assert decoders.protection
    (pid,) = decoders.pids
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"


def test_a_child_starts_quickly_and_loads_no_picture_library_for_facts(tmp_path: Path) -> None:
    with Decoders(count=1) as decoders:
        look(decoders, tmp_path, GOOD, thumbnail=False)
        (pid,) = decoders.pids
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "PIL" not in maps
        assert "numpy" not in maps
        look(decoders, tmp_path, GOOD)
        assert "PIL" in Path(f"/proc/{pid}/maps").read_text()
