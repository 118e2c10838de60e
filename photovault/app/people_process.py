"""Asking about people from a process that may have a network: a child is asked that has none.

The child gets one request and answers with lines (``people_line``).  It leaves the network before it reads the face key
(``app.people``), so no process has both.  What comes back is what was asked for and nothing more: digests of photos,
canaries, numbers; never a vector of a face or the key.  The gallery, which asks all day long, has a child of its own
(``people_gallery``).

Guarantee: an error in the child is the same error here.  The child ends soon after its input is closed, which happens when it
is enough, or when this process dies, however it dies; what it did until then is kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Self

from photovault.app.people_line import LINE_MAX, boot_of, error_of, settings_of, started, stream, told
from photovault.app.people_line import Line as _Line
from photovault.errors import PhotovaultError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from photovault.app.people import People
    from photovault.app.runs import App
    from photovault.progress import Progress

_BOOT: Final = boot_of("photovault.app.people_process")
_LOOK: Final = 0.5  # seconds between two looks whether it is enough
_END: Final = 6.0  # seconds that a child has to end
_NICE: Final = 10
_LOOKING: Final = 200.0  # seconds for which a scan in the background looks at photos, before it groups the faces


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
    with _Child(app.world.environ) as child:
        child.tell({"do": do, "settings": settings_of(app.settings), **values})
        return child.answer(progress or _Quiet(), enough)


class _Child:
    """A child that answers one request."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._popen = started(_BOOT, environ)
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
            stream(self._popen.stdin).write(json.dumps(request).encode() + b"\n")
            stream(self._popen.stdin).flush()

    def answer(self, progress: Progress, enough: Callable[[], bool]) -> Any:  # noqa: ANN401 - as above
        for line in self._until(enough):
            said = json.loads(line)
            if "error" in said:
                raise error_of(**said["error"])
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
        pipe = stream(self._popen.stdout)
        with suppress(OSError, ValueError), pipe:
            while line := pipe.readline(LINE_MAX):
                self._lines.put(line)
        self._lines.put(b"")

    def _hang_up(self) -> float:
        """Tell it that it is enough; until when it has to end."""
        if self._last is None:
            self._last = time.monotonic() + _END
            with suppress(OSError):
                stream(self._popen.stdin).close()
        return self._last


# Answering ----------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer one request, as the child."""
    line = _Line()
    line.say(told(lambda: _answer(line, line.request())))


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
