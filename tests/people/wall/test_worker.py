"""The real worker, in its process with all its layers, with an engine that does what the picture says (``planted``)."""

from __future__ import annotations

import array
import os
import resource
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from photovault.errors import PhotovaultError, UnsafeError
from photovault.people.values import FACES_MAX, Box, Picture, Seen
from photovault.people.wall import host
from photovault.people.wall.host import ALARM, TRIED, WORDS, Answer, FaceWorkers, Limits
from photovault.sandbox import LAYERS
from tests.people import planted
from tests.people.planted import picture

LINUX = sys.platform == "linux"
pytestmark = pytest.mark.skipif(not LINUX, reason="elsewhere there are no face workers yet")
ALARMING = (
    *("tcp", "udp", "unix", "io_uring", "exec", "spawn", "fork", "thread", "trace", "signal"),
    *("write", "append", "remove", "rename", "folder", "handled"),
)


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_BOOT", planted.BOOT)


def workers(deed: str = "", **options) -> FaceWorkers:
    return FaceWorkers(planted.order(deed), **({"count": 1, "files": []} | options))


@pytest.fixture(scope="module")
def calm():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "_BOOT", planted.BOOT)
        with workers() as some:
            some.start()
            yield some


# What it is for -------------------------------------------------------------------------------------------------------


def test_it_finds_faces(calm: FaceWorkers) -> None:
    answer = calm.find(picture("good")).result()
    (face,) = answer.faces
    assert answer.why == ""
    assert face.box == pytest.approx((0.1, 2 / 11, 0.2, 5 / 11))
    assert face.landmarks == pytest.approx((0.01, 2 / 11) * 5)
    assert (face.score, face.quality) == (0.9, 0.75)
    assert list(array.array("f", face.vector)) == [0.5] * planted.DIMENSIONS


def test_it_measures_given_faces_anew(calm: FaceWorkers) -> None:
    faces = [Seen(Box(0.1 * at, 0.5, 0.1, 0.25), (), 0.5, 0.5, b"") for at in range(3)]
    answer = calm.embed(picture("nothing"), faces).result()
    assert [one._replace(vector=b"") for one in answer.faces] == faces
    assert [array.array("f", one.vector)[0] for one in answer.faces] == [0.5, 1.5, 2.5]
    assert calm.embed(picture("nothing"), []).result() == Answer()


def test_what_an_engine_finds_outside_is_cut_off_or_left_out(calm: FaceWorkers) -> None:
    (face,) = calm.find(picture("odd")).result().faces
    assert face.box == pytest.approx((0, 0, 0.2, 5 / 11))
    assert face.score == 1.0


def test_no_photo_has_more_faces_than_are_kept(calm: FaceWorkers) -> None:
    assert len(calm.find(picture("many")).result().faces) == FACES_MAX


def test_an_engine_that_fails_costs_one_photo_and_says_nothing(calm: FaceWorkers) -> None:
    pids = calm.pids
    assert calm.find(picture("fail")).result() == Answer(why="the face engine failed on it")
    assert calm.find(Picture(5, 5, b"too short")).result() == Answer(why="the face engine failed on it")
    assert calm.find(picture("good")).result().faces
    assert calm.pids == pids


def test_too_many_pixels() -> None:
    with workers(limits=Limits(pixels=1000)) as some:
        answer = some.find(picture("good")).result()
    assert answer == Answer(why="it has too many pixels to look for faces")


# The wall -------------------------------------------------------------------------------------------------------------


def test_every_layer_is_in_force() -> None:
    with workers() as some:
        assert set(some.start().protection) == set(LAYERS)
        (pid,) = some.pids
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp_filters:\t2" in status
        assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")


@pytest.mark.parametrize("deed", ALARMING)
def test_what_only_hostile_code_tries_fails_and_raises_an_alarm(deed: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    path = tmp_path / ("there" if deed in {"append", "remove", "rename", "unix"} else "new")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening, workers() as some:
        if deed == "unix":
            path.unlink()
            listening.bind(str(path))
            listening.setblocking(False)
        else:
            listening.close()
        assert some.find(picture("good")).result().faces
        assert some.find(picture(deed, str(path))).result() == Answer(why=TRIED)
        assert some.alarms == [ALARM]
        for asked in (some.find(picture("good")), some.embed(picture("good"), [])):
            with pytest.raises(UnsafeError, match="hostile"):
                asked.result()
        if deed == "unix":
            with pytest.raises(BlockingIOError):
                listening.recv(1)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["there"]
    assert deed == "unix" or (tmp_path / "there").read_text() == "x"


def test_an_alarm_between_two_photos_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was planted by one photo may wait until it has been answered."""
    with workers() as some:
        assert some.find(picture("good")).result().faces
        (pid,) = some.pids
        os.kill(pid, 31)
        for _ in range(100):
            if "(zombie)" in Path(f"/proc/{pid}/status").read_text():
                break
            time.sleep(0.01)
        with pytest.raises(UnsafeError):
            some.find(picture("good")).result()
        assert some.alarms == [ALARM]


@pytest.mark.parametrize("deed", sorted(set(ALARMING) - {"thread", "handled"}))
def test_before_its_engine_is_there_it_is_refused(deed: str) -> None:
    """The libraries and the model are loaded behind the same wall; it is only not yet an alarm, as libraries try things."""
    with workers(deed) as some:
        said = some.start()
    assert said.key.partition(": ")[2] in {"Operation not permitted", "Permission denied"}


def test_files_of_the_user_cannot_be_read(calm: FaceWorkers, tmp_path: Path) -> None:
    for name in (".ssh", ".config"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_text(planted.SECRET)
    for path in (
        tmp_path / ".ssh" / "secret",
        tmp_path / ".config" / "secret",
        "/etc/passwd",
        "/proc/1/environ",
        "/etc/hosts",
    ):
        assert calm.find(picture("read", str(path))).result() == Answer()
    assert calm.find(picture("read", os.__file__)).result().faces  # or the above would prove nothing


def test_the_model_can_be_read_and_what_lies_beside_it_not(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("x")
    (tmp_path / "beside").write_text("x")
    with workers(files=[str(tmp_path / "model")]) as some:
        assert some.find(picture("read", str(tmp_path / "model"))).result().faces
        assert some.find(picture("read", str(tmp_path / "beside"))).result() == Answer()


def test_a_crash_leaves_no_core_and_costs_one_photo(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        with workers() as some:
            some.start()
            (pid,) = some.pids
            files = set(Path("/").iterdir()) | set(Path.cwd().iterdir())
            assert some.find(picture("crash")).result() == Answer(why=WORDS.died)
            assert some.find(picture("good")).result().faces
            assert some.alarms == []
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    assert set(Path("/").iterdir()) | set(Path.cwd().iterdir()) == files
    assert not list(Path("/tmp").glob(f"core*{pid}*"))


def test_nobody_looks_into_it() -> None:
    """Not dumpable: no core by whoever collects them, and no other process of the user traces it or reads its memory."""
    with workers() as some:
        some.start()
        (pid,) = some.pids
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert Path(f"/proc/{pid}/mem").stat().st_uid == 0
        (core,) = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
        assert core[4:6] == ["0", "0"]
        (size,) = [line.split() for line in limits.splitlines() if line.startswith("Max file size")]
        assert size[3:5] == ["0", "0"]


def test_too_much_memory_costs_one_photo(calm: FaceWorkers) -> None:
    assert calm.find(picture("memory")).result() == Answer(why="looking for faces in it takes too much memory")
    assert calm.find(picture("good")).result().faces


def test_too_much_time_costs_one_photo() -> None:
    with workers(limits=Limits(seconds=0.5)) as some:
        some.start()
        began = time.monotonic()
        assert some.find(picture("forever")).result() == Answer(why=WORDS.slow)
        assert time.monotonic() - began < 5
        assert some.find(picture("good")).result().faces


@pytest.mark.parametrize("deed", ["leave", "crash", "nonsense", "lie"])
def test_a_worker_that_ends_or_lies_is_replaced(deed: str) -> None:
    with workers() as some:
        some.start()
        pids = some.pids
        assert some.find(picture(deed)).result() == Answer(why=WORDS.died)
        assert some.find(picture("good")).result().faces
        assert some.pids != pids
        assert some.alarms == []


def test_it_knows_no_secret_and_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOVAULT_PASSWORD", "swordfish")
    inheritable = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    try:
        with workers(files=[str(tmp_path / "model of mine")]) as some:
            some.start()
            (pid,) = some.pids
            told = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
            open_files = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
    finally:
        os.close(inheritable)
    assert b"swordfish" not in told
    assert b"HOME" not in told
    assert b"model of mine" not in told
    assert all(name.startswith(("socket:", "/dev/null", "/proc/")) for name in open_files)


def test_it_does_not_survive_its_host(tmp_path: Path) -> None:
    script = (
        "import time\n"
        "from photovault.people.wall import host\n"
        "from tests.people import planted\n"
        "host._BOOT = planted.BOOT\n"
        "some = host.FaceWorkers(planted.order(), count=1, files=[])\n"
        "some.start()\n"
        "some.find(planted.picture('forever'))\n"
        "print(*some.pids, flush=True)\n"
        "time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    ) as parent:
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.05)
    raise AssertionError


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with workers() as some:
        for deed in ("fail", "crash", "memory", "tcp"):
            some.find(picture(deed)).result()
    assert capfd.readouterr() == ("", "")


def test_no_error_tells_what_was_seen() -> None:
    with workers("fail") as some, pytest.raises(PhotovaultError) as raised:
        some.start()
    assert planted.SECRET not in f"{raised.value} {raised.value.hint}"
    assert "RuntimeError" in str(raised.value)
    number = struct.pack("<f", 0.5)
    with workers() as some:
        answer = some.find(picture("lie")).result()
    assert not answer.faces
    assert number not in answer.why.encode()
