"""Asking about people from a process that may have a network: a child is asked that has none.

The child is this Python with this package; it gets one request as JSON on its standard input and answers with lines of JSON.
It leaves the network before it reads the face key (``app.people``), so no process has both.  What comes back is what was
asked for and nothing more: digests of photos, canaries, numbers; never a vector of a face or the key.  No name of a person is in
its arguments or its environment, and no password of a vault.

Guarantee: an error in the child is the same error here.  The child ends soon after its input is closed, which happens when it
is enough, or when this process dies, however it dies; what it did until then is kept.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Self

import photovault
from photovault import errors
from photovault.errors import PhotovaultError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

    from photovault.app.people import People
    from photovault.app.runs import App
    from photovault.progress import Progress

_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); import photovault; del sys.path[0]; "
    "from photovault.app.people_process import main; main()"
)
_SETTINGS: Final = ("vault", "config", "no_config", "profile", "wait")
_LOOK: Final = 0.5  # seconds between two looks whether it is enough
_END: Final = 6.0  # seconds that a child has to end
_NICE: Final = 10
_LOOKING: Final = 200.0  # seconds for which a scan in the background looks at photos, before it groups the faces
_LINE_MAX: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What a scan in the background did, numbers only; and whether it ended because somebody waited for the store."""

    looked: int
    left: int
    faces: int
    failed: int
    alarms: tuple[str, ...] = ()
    gave_way: bool = False


# Asking -------------------------------------------------------------------------------------------------------------------


def digests_of(app: App, *people: str) -> frozenset[bytes]:
    """SHA-256 of the photos with all of these people, each given as ``p7`` or by name.

    Raises:
        ConsentError: nobody agreed to the grouping of faces, or not any more.
        UsageError: nobody, or more than one, is called so.
    """
    return frozenset(bytes.fromhex(one) for one in _asked(app, "digests", people=people))


def canaries(app: App) -> list[bytes]:
    """The planted vectors, which are nobody's and must be found nowhere; none without a face store."""
    return [bytes.fromhex(one) for one in _asked(app, "canaries")]


def names_of_photos(app: App) -> dict[str, list[str]]:
    """Names by SHA-256 of the photo, in hex, for a backup.

    Raises:
        ConsentError: nobody agreed that names are backed up.
    """
    return {photo: list(names) for photo, names in _asked(app, "names").items()}


def scan_in_background(app: App, progress: Progress, enough: Callable[[], bool]) -> Background | None:
    """Look for faces in new photos, until it is ``enough``; None when nobody agreed to it, or there was nothing to do."""
    answer = _asked(app, "scan", progress, enough)
    return None if answer is None else Background(**answer | {"alarms": tuple(answer["alarms"])})


class _Quiet:
    """Progress of what takes no time."""

    def total(self, files: int, size: int) -> None:
        pass

    def advance(self, files: int, size: int, path: str) -> None:
        pass


def _asked(
    app: App,
    do: str,
    progress: Progress | None = None,
    enough: Callable[[], bool] = lambda: False,
    **values: Sequence[str],
) -> Any:  # noqa: ANN401 - what the child says, as each caller knows it
    settings = {name: getattr(app.settings, name) for name in _SETTINGS}
    with _Child(app.world.environ) as child:
        child.tell({"do": do, "settings": settings, **values})
        return child.answer(progress or _Quiet(), enough)


class _Child:
    """A child that answers one request."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        root = Path(photovault.__file__).parents[1]
        kept = {name: value for name, value in environ.items() if not name.startswith("PHOTOVAULT_PASSWORD")}
        self._popen = subprocess.Popen(  # noqa: S603 - this Python, and this package
            [sys.executable, "-P", "-c", _BOOT, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept,
        )
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._last: float | None = None
        threading.Thread(target=self._read, name="people", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whatever it does."""
        try:
            self._popen.wait(max(0.0, self._hang_up() - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def tell(self, request: Mapping[str, object]) -> None:
        with suppress(OSError):  # it died: which is seen when it does not answer
            _stream(self._popen.stdin).write(json.dumps(request).encode() + b"\n")
            _stream(self._popen.stdin).flush()

    def answer(self, progress: Progress, enough: Callable[[], bool]) -> Any:  # noqa: ANN401 - as above
        for line in self._until(enough):
            said = json.loads(line)
            if "error" in said:
                raise _error(**said["error"])
            if "answer" in said:
                return said["answer"]
            if "total" in said:
                progress.total(*said["total"])
            else:
                files, size = said["advance"]
                progress.advance(files, size, "")
        raise PhotovaultError("the process that looks after faces ended without an answer", "try again")

    def _until(self, enough: Callable[[], bool]) -> Iterator[bytes]:
        """Its lines; once it is enough, those that still come within some seconds."""
        while self._last is None or time.monotonic() < self._last:
            try:
                line = self._lines.get(timeout=_LOOK)
            except Empty:
                pass
            else:
                if not line:
                    return
                yield line
            if enough():
                self._hang_up()

    def _read(self) -> None:
        stream = _stream(self._popen.stdout)
        with suppress(OSError, ValueError), stream:
            while line := stream.readline(_LINE_MAX):
                self._lines.put(line)
        self._lines.put(b"")

    def _hang_up(self) -> float:
        """Tell it that it is enough; until when it has to end."""
        if self._last is None:
            self._last = time.monotonic() + _END
            with suppress(OSError):
                _stream(self._popen.stdin).close()
        return self._last


def _stream(stream: Any) -> Any:  # noqa: ANN401 - subprocess types a pipe as one that may be none
    return stream


def _error(kind: str, what: str, hint: str) -> PhotovaultError:
    found = getattr(errors, kind, PhotovaultError)
    is_ours = isinstance(found, type) and issubclass(found, PhotovaultError)
    return (found if is_ours else PhotovaultError)(what, hint)


# Answering ----------------------------------------------------------------------------------------------------------------


class _Line:
    """The child's end: lines to whoever asks, and whether it still does."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb")
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 1)  # what a library prints is no answer
        self._over = False
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks hears Ctrl-C and says what becomes of it

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._over = True

    def request(self) -> dict[str, Any]:
        """What is asked."""
        line = b""
        while not line.endswith(b"\n") and (data := os.read(0, 1)):  # nothing beyond it: then it is over
            line += data
        return dict(json.loads(line))

    def enough(self) -> bool:
        """Whether nobody wants to know any more."""
        if not self._over and os.name != "nt":
            import select

            self._over = bool(select.select([0], [], [], 0)[0])
        return self._over

    def say(self, value: Mapping[str, object]) -> None:
        """Say a line; to nobody, if nobody is there."""
        try:
            self._out.write(json.dumps(value).encode() + b"\n")
            self._out.flush()
        except OSError:
            self._over = True

    def total(self, files: int, size: int) -> None:
        """Progress."""
        self.say({"total": [files, size]})

    def advance(self, files: int, size: int, path: str) -> None:  # noqa: ARG002 - names of files stay here
        """Progress."""
        self.say({"advance": [files, size]})


def main() -> None:
    """Answer one request, as the child."""
    line = _Line()
    try:
        line.say({"answer": _answer(line, line.request())})
    except PhotovaultError as error:
        line.say({"error": {"kind": type(error).__name__, "what": error.what, "hint": error.hint}})
    except Exception as error:  # noqa: BLE001 - what it says may hold names, so only its kind is told
        what = (
            f"unexpected {type(error).__name__} in the process that looks after faces: this is a defect of photovault"
        )
        line.say({"error": {"kind": "PhotovaultError", "what": what, "hint": "report it"}})


def _answer(line: _Line, request: Mapping[str, Any]) -> object:
    from photovault.app.people import open_people
    from photovault.app.runs import App
    from photovault.app.settings import Settings

    people = open_people(App(Settings(**request["settings"])))
    if request["do"] == "digests":
        photos = (set(people.digests(one)) for one in request["people"])
        return sorted(one.hex() for one in set.intersection(*photos))
    if request["do"] == "canaries":
        return [one.hex() for one in people.canaries()]
    if request["do"] == "names":
        return people.names_of_photos()
    if request["do"] == "scan":
        return _scan(line, people)
    raise UsageError("there is no such question")


def _scan(line: _Line, people: People) -> dict[str, object] | None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    end = time.monotonic() + _LOOKING
    report = people.scan_if_needed(line, line.enough, tired=lambda: time.monotonic() >= end)
    if report is None:
        return None
    failed = sum(report.failed.values())
    done = Background(
        looked=report.looked,
        left=report.left,
        faces=report.faces,
        failed=failed,
        alarms=tuple(report.alarms),
        gave_way=people.is_wanted(),
    )
    return asdict(done)
