"""Each layer by itself, and all of them, in real processes that try what is forbidden."""

from __future__ import annotations

import json
import platform
import socket
import subprocess
import sys
import sysconfig
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from photovault import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
READABLE = [sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["platstdlib"]]

TRIES = """
import ctypes, errno, json, os, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
from photovault import sandbox
import resource, socket, subprocess, mmap

def tried(what):
    try:
        what()
    except MemoryError:
        return "MemoryError"
    except OSError as problem:
        return errno.errorcode.get(problem.errno, "OSError")
    except RuntimeError:
        return "no thread"
    return "done"

def called(name, *arguments):
    def call():
        ctypes.set_errno(0)
        if getattr(libc, name)(*arguments) < 0:
            raise OSError(ctypes.get_errno(), "")
    return call

def forked():
    if os.fork() == 0:
        os._exit(0)
    os.wait()

def threaded():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()

def connected():
    with socket.socket() as one:
        one.settimeout(5)
        one.connect(("127.0.0.1", PORT))

def unix_connected():
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(FOLDER + "/listening")

def interfaces():
    with open("/proc/self/net/dev", "rb") as file:
        return [line.split(b":")[0].strip().decode() for line in file.readlines()[2:]]

def become_a_user():
    # As if somebody without rights had started this process.
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(12345)
        os.setuid(12345)
        libc.prctl(4, 1, 0, 0, 0)

already = os.open(FOLDER + "/already", os.O_RDWR | os.O_CREAT, 0o666)
tries = {
    "write": lambda: os.close(os.open(FOLDER + "/new", os.O_WRONLY | os.O_CREAT)),
    "change": lambda: os.close(os.open(FOLDER + "/secret", os.O_RDWR)),
    "read": lambda: os.close(os.open(FOLDER + "/secret", os.O_RDONLY)),
    "list": lambda: os.listdir(FOLDER),
    "library": lambda: os.close(os.open(os.__file__, os.O_RDONLY)),
    "rename": lambda: os.rename(FOLDER + "/old", FOLDER + "/older"),
    "remove": lambda: os.unlink(FOLDER + "/gone"),
    "folder": lambda: os.mkdir(FOLDER + "/folder"),
    "link": lambda: os.symlink("x", FOLDER + "/link"),
    "mode": lambda: os.chmod(FOLDER + "/secret", 0o777),
    "grow": lambda: os.write(already, b"x"),
    "program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "fork": forked,
    "thread": threaded,
    "connect": connected,
    "socket": lambda: socket.socket().close(),
    "unix": lambda: socket.socket(socket.AF_UNIX).close(),
    "pair": lambda: [one.close() for one in socket.socketpair()],
    "datagram pair": lambda: [one.close() for one in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)],
    "unix connect": unix_connected,
    "ring": called("syscall", 425, 8, ctypes.create_string_buffer(120)),
    "other network": called("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0),
    "trace": called("ptrace", 16, os.getppid(), 0, 0),
    "signal": lambda: os.kill(os.getppid(), 0),
    "mount": called("mount", b"x", b"/mnt", b"tmpfs", 0, None),
    "memory": lambda: mmap.mmap(-1, 8 << 30).close(),
    "little memory": lambda: mmap.mmap(-1, 8 << 20).close(),
    "other's limits": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (9, 9)),
    "many files": lambda: [os.dup(0) for _ in range(99)],
}
WANTED = TRIES
in_force = LAYER
result = {name: tried(tries[name]) for name in WANTED}
if in_force is True or in_force is False:
    in_force = [in_force]
print(json.dumps([list(in_force), result, interfaces() if "interfaces" in EXTRA else None]))
sys.stdout.flush()
os._exit(0)
"""


def attempt(
    folder: Path, layer: str, *tries: str, port: int = 0, extra: str = ""
) -> tuple[list[object], dict[str, str], list[str]]:
    """What becomes of ``tries`` in a process that put itself under ``layer``."""
    for name in ("secret", "old", "gone"):
        (folder / name).write_text("x")
        (folder / name).chmod(0o666)
    script = (
        f"FOLDER, PORT, EXTRA, TRIES, READABLE = {str(folder)!r}, {port}, {extra!r}, {tries!r}, {READABLE!r}\n" + TRIES
    )
    done = subprocess.run(
        [sys.executable, "-c", script.replace("LAYER", layer)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout))


ENTER = "sandbox.enter(READABLE, parent=os.getppid(), memory=1 << 30, files=64, threads={threads})"
FORBIDDEN = (
    *("write", "change", "read", "list", "rename", "remove", "folder", "link", "mode", "grow", "program", "fork"),
    *("connect", "socket", "unix", "pair", "trace", "signal", "mount", "memory", "other's limits", "many files"),
)


def test_all_layers_together(tmp_path: Path) -> None:
    in_force, found, _ = attempt(tmp_path, ENTER.format(threads=True), "library", "little memory", "thread", *FORBIDDEN)
    assert "limits" in in_force
    allowed = {name for name, became in found.items() if became == "done"}
    if {"files", "calls"} <= set(in_force):
        assert allowed == {"library", "little memory", "thread"}
        assert not (tmp_path / "new").exists()


def test_everything_is_possible_before(tmp_path: Path) -> None:
    _, found, _ = attempt(tmp_path, "()", "write", "read", "fork", "program", "unix", "memory", "grow", "thread")
    assert set(found.values()) == {"done"}  # or the tests here would prove nothing


def test_files(tmp_path: Path) -> None:
    tries = ("write", "change", "read", "list", "rename", "remove", "folder", "link", "library")
    in_force, found, _ = attempt(tmp_path, "sandbox.readable_only(READABLE)", *tries)
    assert in_force == [sandbox.landlock_version() > 0]
    if in_force == [True]:
        assert found.pop("library") == "done"
        assert set(found.values()) == {"EACCES"}


def test_files_keep_the_network_away(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        _, found, _ = attempt(tmp_path, "()", "connect", port=port)
        assert found == {"connect": "done"}
        _, found, _ = attempt(tmp_path, "sandbox.readable_only(READABLE)", "connect", port=port)
    assert found == {"connect": "EACCES" if sandbox.landlock_version() >= 4 else "done"}


def test_calls(tmp_path: Path) -> None:
    tries = set(FORBIDDEN) - {"read", "list", "grow", "memory", "many files"}
    in_force, found, _ = attempt(tmp_path, "sandbox.calls()", "thread", "library", "little memory", *tries)
    assert in_force == [platform.machine() in {"x86_64", "aarch64"} and sys.platform == "linux"]
    if in_force == [True]:
        assert found.pop("library") == found.pop("little memory") == "done"
        assert found.pop("thread") == "no thread"
        assert set(found.values()) == {"EPERM"}


def test_calls_with_threads_still_make_no_process(tmp_path: Path) -> None:
    in_force, found, _ = attempt(tmp_path, "sandbox.calls(threads=True)", "thread", "fork", "program")
    if in_force == [True]:
        assert found == {"thread": "done", "fork": "EPERM", "program": "EPERM"}


def test_limits(tmp_path: Path) -> None:
    tries = ("memory", "little memory", "grow", "many files")
    in_force, found, _ = attempt(tmp_path, "sandbox.limits(memory=1 << 30, files=64)", *tries)
    assert in_force == [True]
    assert found["memory"] in {"ENOMEM", "MemoryError"}
    assert found["little memory"] == "done"
    assert found["grow"] == "EFBIG"
    assert found["many files"] == "EMFILE"


def test_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        in_force, found, interfaces = attempt(tmp_path, "sandbox.network()", "connect", port=port, extra="interfaces")
    if in_force == [True]:
        assert found["connect"] != "done"
        assert interfaces == ["lo"]
    else:
        assert found["connect"] == "done"


def test_privileges(tmp_path: Path) -> None:
    in_force, _, _ = attempt(tmp_path, "sandbox.privileges() and libc.prctl(39, 0, 0, 0, 0) == 1")
    assert in_force == [sys.platform == "linux"]


def test_where_a_layer_is_missing_the_others_hold(tmp_path: Path) -> None:
    less = "[setattr(sandbox, name, lambda *a, **k: False) for name in ('readable_only', 'calls')] and " + ENTER
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        in_force, found, _ = attempt(tmp_path, less.format(threads=False), "memory", "connect", port=port)
    assert ("network" in in_force) == (found["connect"] != "done")
    assert "files" not in in_force
    assert "calls" not in in_force
    assert "limits" in in_force
    assert found["memory"] != "done"


def test_a_process_whose_parent_is_gone_ends(tmp_path: Path) -> None:
    script = "from photovault import sandbox; sandbox.enter([], parent=1 << 30, memory=1 << 30, files=9); print('here')"
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


# Leaving the network --------------------------------------------------------------------------------------------------

NO_NETWORK = (*("connect", "socket", "unix", "unix connect", "datagram pair", "ring", "trace", "other network"),)
STILL = ("write", "change", "read", "rename", "remove", "folder", "program", "fork", "thread", "pair", "memory")
AS_USER = "become_a_user() or "


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A folder that every user can reach and write, which those of pytest are not."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.parametrize("who", ["", AS_USER], ids=["as we are", "as a user"])
def test_leaving_the_network_and_nothing_else(anybodys: Path, who: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, listening(anybodys):
        port = server.getsockname()[1]
        before = attempt(anybodys, "()", "connect", "unix connect", "datagram pair", port=port)[1]
        in_force, found, interfaces = attempt(
            anybodys, f"{who}sandbox.leave_network()", *NO_NETWORK, *STILL, port=port, extra="interfaces"
        )
    assert set(before.values()) == {"done"}
    assert in_force == ["network", "privileges", "calls", "dumps"]
    assert {name: found[name] for name in NO_NETWORK} == dict.fromkeys(NO_NETWORK, "EPERM")
    assert {name: found[name] for name in STILL} == dict.fromkeys(STILL, "done")
    assert interfaces == ["lo"]


@pytest.mark.parametrize("who", ["", AS_USER], ids=["as we are", "as a user"])
def test_leaving_in_two_steps_keeps_unix_sockets_for_the_first(anybodys: Path, who: str) -> None:
    tries = ("connect", "unix connect", "datagram pair", "ring", "program")
    with socket.create_server(("127.0.0.1", 0)) as server, listening(anybodys):
        port = server.getsockname()[1]
        in_force, first, interfaces = attempt(
            anybodys, f"{who}sandbox.leave_network(unix=True)", *tries, port=port, extra="interfaces"
        )
        again, second, _ = attempt(
            anybodys, f"{who}sandbox.leave_network(unix=True) and sandbox.leave_network()", *tries, port=port
        )
    assert in_force == again == ["network", "privileges", "calls", "dumps"]
    assert first == {
        **dict.fromkeys(tries, "EPERM"),
        "unix connect": "done",
        "program": "done",
    }
    assert interfaces == ["lo"]
    assert second == {**dict.fromkeys(tries, "EPERM"), "program": "done"}


@pytest.mark.parametrize("first", ["", "sandbox.leave_network(unix=True) and "], ids=["at once", "in two steps"])
def test_files_keep_their_owners_and_children_can_leave_too(anybodys: Path, first: str) -> None:
    made = "os.stat(os.open(FOLDER + '/new', os.O_CREAT | os.O_WRONLY)).st_uid"
    nested = "sandbox.dumps() and sandbox.network()"
    (who, owner, left), _, _ = attempt(
        anybodys, f"{AS_USER}{first}sandbox.leave_network() and (os.geteuid(), {made}, {nested})"
    )
    assert who == owner == (anybodys / "new").stat().st_uid
    assert left is True


def test_an_open_socket_of_a_network_is_not_passed_over(tmp_path: Path) -> None:
    opened = "[one for one in [socket.socket()] for one in sandbox.leave_network()]"
    assert attempt(tmp_path, opened)[0] == ["privileges", "calls", "dumps"]
    unix = "[one for pair in [socket.socketpair()] for one in sandbox.leave_network()]"
    assert "network" in attempt(tmp_path, unix)[0]


LATE = """
import ctypes, socket, sys, threading
from photovault import sandbox
asked, answers = threading.Event(), []
def late():
    asked.wait()
    try:
        answers.append(socket.socket())
    except PermissionError:
        answers.append("refused")
thread = threading.Thread(target=late)
thread.start()
layers = sandbox.leave_network()
asked.set()
thread.join()
print(*layers, *answers)
"""


def test_a_thread_that_was_there_before_is_bound_too_and_the_network_not_called_left() -> None:
    assert run(LATE).split() == ["privileges", "calls", "dumps", "refused"]


PROGRAM = r"""
import subprocess, sys
from photovault import sandbox
sandbox.leave_network()
tries = "import socket\ntry: socket.socket()\nexcept PermissionError: print('refused')"
print(subprocess.run([sys.executable, "-c", tries], capture_output=True, text=True).stdout)
"""


def test_what_is_started_has_no_network_either() -> None:
    assert run(PROGRAM).split() == ["refused"]


CHILDREN = """
from photovault import sandbox
from photovault.decoder.host import Decoders
from photovault.people.wall import host
from tests.people import planted
host._BOOT = planted.BOOT
sandbox.leave_network()
with Decoders(count=1) as decoders, host.FaceWorkers(planted.order(), count=1, files=[]) as workers:
    print(*decoders.protection)
    print(*workers.start().protection, len(workers.find(planted.picture("good")).result().faces))
"""


def test_decoders_and_face_workers_start_behind_it_with_every_layer() -> None:
    decoders, workers = run(CHILDREN).splitlines()
    assert decoders.split() == ["network", "privileges", "files", "limits", "calls"]
    assert workers.split() == [*sandbox.LAYERS, "1"]


def test_nobody_looks_into_a_process_that_left() -> None:
    out = run(
        "import ctypes, os, resource\nfrom photovault import sandbox\nsandbox.leave_network()\n"
        "dumpable = ctypes.CDLL(None).prctl(3)\n"  # PR_GET_DUMPABLE: who owns /proc/self/mem tells root nothing
        "print(os.stat('/proc/self/mem').st_uid, dumpable, *resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert out.split() == ["0", "0", "0", "0"]


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def listening(folder: Path) -> Iterator[None]:
    """A Unix socket in ``folder`` to which anybody may connect."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "listening"))
        one.listen(9)
        (folder / "listening").chmod(0o777)
        yield
