"""A face engine that does what a picture tells it, for the real worker: its pixels begin with the name of a deed.

It takes the place of ``photovault.people.engines`` in the process that a test starts; see ``BOOT``.  The picture "good" has
one face; an engine whose model has the path of a deed does that deed while it is loaded.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import sys
import threading
import time
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from photovault.children.frames import frame
from photovault.errors import MissingExtraError
from photovault.people.values import Curve, EngineOrder, ModelOrder, Picture

if TYPE_CHECKING:
    from pathlib import Path

BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); import photovault; from tests.people import planted; del sys.path[0]; "
    "planted.plant(); from photovault.people.wall.worker import main; main()"
)
DIMENSIONS = 4
SECRET = "a secret that lies in a file"


def picture(deed: str, argument: str = "") -> Picture:
    """What makes a worker do it."""
    text = f"{deed}\0{argument}\0".encode()
    pixels = text + bytes(-len(text) % 300) + bytes(3000)
    return Picture(100, len(pixels) // 300, pixels)


def order(deed: str = "") -> EngineOrder:
    """An engine that does it while it is loaded."""
    return EngineOrder(kind="onnx", model=ModelOrder(path=deed, sha256="")) if deed else EngineOrder()


def plant() -> None:
    """Be the engines."""
    for name, parts in {
        "": {"open_engine": lambda order, models: Engine(order)},
        ".base": {"Found": Found},
        ".models": {"Models": Models},
        ".quality": {"quality": lambda image, found: 0.75},
    }.items():
        module = ModuleType(f"photovault.people.engines{name}")
        module.__dict__.update(parts, __path__=[])
        sys.modules[module.__name__] = module


class Found(NamedTuple):
    box: tuple[float, float, float, float]
    landmarks: tuple[float, ...]
    score: float


class Models(NamedTuple):
    files: tuple[Path, ...]


class Engine:
    name, key, dimensions, curve = "planted", "planted 1", DIMENSIONS, Curve(((100, 0.5), (10_000, 0.4)))

    def __init__(self, order: EngineOrder) -> None:
        if order.model is not None:
            self._at_load(order.model.path)

    def _at_load(self, deed: str) -> None:
        if deed == "refuse":
            raise MissingExtraError("The model is not there", "pip install 'photovault[faces]'")
        if deed == "fail":
            raise RuntimeError(SECRET)
        if deed == "differ":
            self.key = f"planted {os.getpid()}"
            return
        try:
            done = DEEDS[deed](b"/tmp/photovault-planted")
        except OSError as problem:
            done = os.strerror(problem.errno or 0)
        self.key = f"{deed}: {done}"

    def detect(self, image) -> list[Found]:
        data = image.tobytes()
        deed, argument, _ = data.split(b"\0", 2) if data[:1] != b"\0" else (b"nothing", b"", b"")
        return DEEDS[deed.decode()](argument)

    def embed(self, image, faces):
        import numpy as np

        return np.full((len(faces), DIMENSIONS), 0.5, np.float32) + np.arange(len(faces), dtype=np.float32)[:, None]


FACE = Found((10.0, 2.0, 20.0, 5.0), (1.0, 2.0) * 5, 0.9)


def _called(number: int, *arguments: object) -> str:
    ctypes.set_errno(0)
    call = ctypes.CDLL(None, use_errno=True).syscall
    if call(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
    return "done"


def _tcp(_: bytes) -> None:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


def _udp(_: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", ("127.0.0.1", 9))


def _unix(path: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", path)


def _fork(_: bytes) -> None:
    if os.fork() == 0:
        os._exit(0)


def _in_thread(path: bytes) -> None:
    thread = threading.Thread(target=_tcp, args=(path,))
    thread.start()
    thread.join()


def _read(path: bytes) -> list[Found]:
    """A face if it can be read."""
    try:
        with open(path, "rb") as file:
            file.read()
    except PermissionError:
        return []
    return [FACE]


def _memory(_: bytes) -> list[Found]:
    return [FACE] * (len(bytearray(3 << 30)) > 0)


def _forever(_: bytes) -> None:
    while True:
        time.sleep(0)


def _say(said: bytes) -> None:
    """Answer the host in the engine's place."""
    os.write(0, said)
    time.sleep(30)


def _handled(_: bytes) -> None:
    """Try to survive."""
    signal.signal(signal.SIGSYS, signal.SIG_IGN)
    _tcp(b"")


DEEDS = {
    "nothing": lambda _: [],
    "good": lambda _: [FACE],
    "many": lambda _: [FACE] * 500,
    "odd": lambda _: [
        Found((-10.0, -10.0, 30.0, 15.0), (), 7.0),
        Found((float("nan"), 0.0, 5.0, 5.0), (), 0.5),
        Found((500.0, 0.0, 5.0, 5.0), (), 0.5),
    ],
    "fail": lambda _: (_ for _ in ()).throw(RuntimeError(SECRET)),
    "tcp": _tcp,
    "udp": _udp,
    "unix": _unix,
    "io_uring": lambda _: _called(425, 8, ctypes.create_string_buffer(120)),
    "exec": lambda _: os.execv("/bin/true", ["true"]),
    "spawn": lambda _: os.posix_spawn("/bin/true", ["true"], {}),
    "fork": _fork,
    "thread": _in_thread,
    "trace": lambda _: _called({"x86_64": 101}.get(platform.machine(), 117), 16, os.getppid(), 0, 0),
    "signal": lambda _: os.kill(os.getppid(), 0),
    "write": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)),
    "append": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_APPEND)),
    "remove": os.unlink,
    "rename": lambda path: os.rename(path, path + b"2"),
    "folder": os.mkdir,
    "handled": _handled,
    "read": _read,
    "memory": _memory,
    "forever": _forever,
    "crash": lambda _: ctypes.string_at(0),
    "leave": lambda _: os._exit(0),
    "nonsense": lambda _: _say(b"\0" * 64),
    "lie": lambda _: _say(frame({"faces": [[0, 0, 2, 2, 1, 1]], "why": ""}, 16) + bytes(16)),
}
