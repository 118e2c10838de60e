"""People in the gallery: a child without a network that answers one question after the other, and the line to it.

The gallery has a vault's key and perhaps a network, so it must never hold the face key, a vector or a box.  It asks a child
(``people_line``) that leaves the network first, then reads the face key and opens the store.  What comes back is written down
field by field: numbers, names, times, digests of photos, and faces as small pictures, which a sandboxed decoder makes of the
live photo.  A photo that is not what it was when its faces were found, or lies where nobody agreed to any more, gives none.

The child is started when the first question comes.  It ends when the gallery ends, however that dies; when nothing was asked for
some minutes; and within seconds when the consent is over, whoever took it back.  Pictures of faces are kept in its memory alone, and die with it.

Guarantee: one question at a time, each answered or refused within ``PATIENCE`` seconds, twice as long where others wait.  A store
that a scan has is waited for as long as a scan in the background takes to give way, then told as busy.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections import OrderedDict
from contextlib import ExitStack, suppress
from functools import cache
from queue import Empty, SimpleQueue
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any, Final

from photovault.app.people_line import LINE_MAX, Line, boot_of, error_of, settings_of, started, stream, told
from photovault.errors import BusyError, PhotovaultError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from photovault.app.people import HistoryEntry, People, Person, Side
    from photovault.app.runs import App
    from photovault.decoder.host import Decoders
    from photovault.model import Stamp
    from photovault.people.store.listing import Where
    from photovault.people.values import Box

    Row = dict[str, Any]

PATIENCE: Final = 45.0
"""Seconds for one answer; a scan in the background has twenty to give way."""

IDLE: Final = 300.0
"""Seconds without a question after which the child ends."""

EDGE: Final = 256
"""Pixels of a face's picture at most, each way."""

_BOOT: Final = boot_of("photovault.app.people_gallery")
_SURE: Final = 10.0  # seconds before ``IDLE`` in which no question is put to a child that may just end
_FAREWELL: Final = 2.0
_SEE: Final = "look at the history whether it was done, then try again"
LOOKS: Final = frozenset(("people", "person", "questions", "of_photo", "digests", "crop", "history"))
"""Questions that change nothing, and so may be asked twice."""
_AROUND: Final = 1.35  # of a face's longer side: what of its picture is shown
_KEPT: Final = 16 << 20  # bytes of pictures
_FILES: Final = 4  # of the same bytes that are tried for a picture

# The gallery's end -------------------------------------------------------------------------------------------------------


class PeopleChild:
    """Whom the gallery asks.  Any thread may."""

    def __init__(self, app: App, *, patience: float = PATIENCE, boot: str = _BOOT) -> None:
        """Start nothing yet."""
        self._app = app
        self._patience = patience
        self._boot = boot
        self._turn = threading.Lock()
        self._running: _Running | None = None
        self._closed = False

    @property
    def pid(self) -> int:
        """Of the child; 0 while there is none."""
        running = self._running
        return running.pid if running is not None and running.is_there else 0

    def ask(self, do: str, **values: object) -> Any:  # noqa: ANN401 - what the child says, as each caller knows it
        """The answer.

        Raises:
            ConsentError: nobody agreed, or not any more.
            BusyError: another command works on faces, or others ask.
            PhotovaultError: whatever the child raises; it ended, or took too long.
        """
        if not self._turn.acquire(timeout=self._patience):
            raise BusyError("others ask about people just now", "try again in a moment")
        try:
            try:
                return self._ready().answer({"do": do, **values}, self._patience)
            except _GoneError:
                self.end()
                if do not in LOOKS:  # it may have been done
                    raise PhotovaultError("the process that looks after faces ended without an answer", _SEE) from None
                return self._ready().answer({"do": do, **values}, self._patience)
        except _GoneError:
            self.end()
            raise PhotovaultError("the process that looks after faces ended without an answer", "try again") from None
        except _SilentError:
            self.end()
            raise PhotovaultError("the process that looks after faces does not answer", "try again") from None
        except BusyError:
            raise BusyError(
                "faces are being looked for just now, or another command changes them", "try again in a moment"
            ) from None
        finally:
            self._turn.release()

    def end(self) -> None:
        """End the child, whatever it does; the next question starts another."""
        running, self._running = self._running, None
        if running is not None:
            running.end()

    def close(self) -> None:
        """End it, and start no other."""
        self._closed = True
        self.end()

    def _ready(self) -> _Running:
        running = self._running
        if running is not None and not running.listens:
            self.end()
            running = None
        if running is None:
            running = self._running = _Running(self._app, self._boot)
        if self._closed:  # also when that came while it was started
            self.end()
            raise PhotovaultError("the gallery is locked", "unlock it, or start `photovault gallery` again")
        return running


class _SilentError(Exception):
    """There is no answer in time."""


class _GoneError(Exception):
    """The child ended before it answered: it was idle for long, or consent was withdrawn, just when it was asked."""


class _Running:
    """A child that runs."""

    def __init__(self, app: App, boot: str) -> None:
        self._popen = started(boot, app.world.environ)
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._asked = time.monotonic()
        threading.Thread(target=self._read, name="people", daemon=True).start()
        self._tell({"settings": settings_of(app.settings) | {"wait": False}})

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_there(self) -> bool:
        return self._popen.poll() is None

    @property
    def listens(self) -> bool:
        """Whether it runs, and goes on to for a while."""
        return self.is_there and time.monotonic() - self._asked < IDLE - _SURE

    def answer(self, request: Mapping[str, object], patience: float) -> Any:  # noqa: ANN401 - as ``PeopleChild.ask``
        self._asked = time.monotonic()
        self._tell(request)
        try:
            line = self._lines.get(timeout=patience)
        except Empty:
            raise _SilentError from None
        self._asked = time.monotonic()
        if not line.endswith(b"\n"):
            raise _GoneError
        said = json.loads(line)
        if "error" in said:
            raise error_of(**said["error"])
        return said["answer"]

    def end(self) -> None:
        with suppress(OSError):
            stream(self._popen.stdin).close()
        try:
            self._popen.wait(_FAREWELL)
        except TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def _tell(self, request: Mapping[str, object]) -> None:
        with suppress(OSError, ValueError):  # it died, or was ended: which is seen when it does not answer
            stream(self._popen.stdin).write(json.dumps(request).encode() + b"\n")
            stream(self._popen.stdin).flush()

    def _read(self) -> None:
        pipe = stream(self._popen.stdout)
        with suppress(OSError, ValueError), pipe:
            while line := pipe.readline(LINE_MAX):
                self._lines.put(line)
        self._lines.put(b"")


# The child's end ---------------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer until nobody asks, as the child."""
    from photovault.app.consent import consent
    from photovault.app.runs import App
    from photovault.app.settings import Settings

    line = Line()
    app = App(Settings(**line.request()["settings"]))
    agreed = consent(app)
    with ExitStack() as stack:
        opened = cache(lambda: _opened(app, stack))
        for request in line.requests(IDLE, lambda: agreed.standing().holds):
            line.say(told(lambda request=request: opened().answer(request)))  # type: ignore[misc]


def _opened(app: App, stack: ExitStack) -> Answering:
    """Leave the network, then whatever needs that."""
    from photovault.app.people import open_people

    people = open_people(app)
    from photovault.decoder.host import Decoders

    return Answering(people, Faces(app, people, stack.enter_context(Decoders(count=1))))


class Answering:
    """What is answered: nothing but what is written down here, field by field."""

    def __init__(self, people: People, faces: Faces) -> None:
        """Answer by ``people``."""
        self._people = people
        self._faces = faces
        self._questions: dict[str, Callable[..., object]] = {
            "people": self._listed,
            "person": self._person,
            "questions": self._asked,
            "of_photo": self._of_photo,
            "digests": lambda person: [one.hex() for one in people.digests(_ref(person))],
            "crop": lambda face: _text(faces.picture(face)),
            "history": lambda: [_entry(one) for one in people.history()],
            "name": lambda person, name: _entry(people.name(_ref(person), name)),
            "merge": lambda one, other, keep: _entry(people.merge(_ref(one), _ref(other), keep=keep)),
            "split": lambda person, faces: _entry(people.split(_ref(person), faces=faces)),
            "hide": lambda person: _entry(people.hide(_ref(person))),
            "unhide": lambda person: _entry(people.unhide(_ref(person))),
            "answer": lambda question, answer: _entry(people.answer(question, answer)),
            "undo": lambda entry: _entry(people.undo(entry)),
        }

    def answer(self, request: Mapping[str, Any]) -> object:
        """The answer to one request.

        Raises:
            PhotovaultError: there is none.
        """
        values = dict(request)
        question = self._questions.get(values.pop("do", ""))
        if question is None:
            raise UsageError("there is no such question")
        return question(**values)

    def _listed(self, *, everybody: bool, hidden: bool) -> list[Row]:
        with self._people.looking() as store:
            if store is None:
                return []
            best = store.best_faces()
            return [_somebody(one, best.get(one.id)) for one in store.people(all=everybody, hidden=hidden)]

    def _person(self, person: int) -> Row:
        found = self._people.show(_ref(person))
        faces = {one.id: one for one in found.faces}  # a photo that lies twice gives each of its faces twice
        rows = [{"id": one.id, "confirmed": one.confirmed, "taken": one.taken} for one in faces.values()]
        return _somebody(found) | {"faces": rows}

    def _asked(self, limit: int) -> list[Row]:
        found = self._people.questions(limit)
        return [
            {"id": one.id, "likely": one.likely, "left": _side(one.left), "right": _side(one.right)} for one in found
        ]

    def _of_photo(self, digest: str) -> list[Row]:
        with self._people.looking() as store:
            if store is None:
                return []
            found: dict[int, int] = {}
            for group, face in store.on_photo(bytes.fromhex(digest)):
                found.setdefault(group, face)
            return [_somebody(store.person(group), face) for group, face in found.items()]


class Faces:
    """Pictures of faces, made of the photos as they lie there now."""

    def __init__(self, app: App, people: People, decoders: Decoders) -> None:
        """Make them by ``decoders``."""
        from photovault.app.consent import consent

        self._people = people
        self._decoders = decoders
        self._consent = consent(app)
        self._kept: OrderedDict[object, bytes] = OrderedDict()

    def picture(self, face: int) -> bytes | None:
        """A face as WebP; None where its photo is not there any more as it was.

        Raises:
            UsageError: there is no face of that number.
        """
        with self._people.looking() as store:
            if store is None:
                raise UsageError("no photo has been looked at yet", "photovault people scan")
            where = store.where(face)
        scope = self._consent.require().scope
        files = (one for one in where.files if any(_is_in(os.fsdecode(one[0]), folder) for folder in scope))
        return self._of_any(where, list(files)[:_FILES])

    def _of_any(self, where: Where, files: Iterable[tuple[bytes, Stamp]]) -> bytes | None:
        for path, stamp in files:
            made = self._of_file(path, stamp, where)
            if made:
                self._keep((path, stamp, where.box), made)
                return made
        return None

    def _of_file(self, path: bytes, stamp: Stamp, where: Where) -> bytes:
        """Of a file that is what it was; nothing otherwise, also where the picture was made before."""
        from photovault.people.scan import stamp_of
        from photovault.photos.reading import open_quietly

        try:
            fd = open_quietly(path)
        except OSError:
            return b""
        try:
            if stamp_of(stamp.name, os.fstat(fd)) != stamp:
                return b""
            return self._kept.pop((path, stamp, where.box), None) or self._made(fd, stamp, where)
        finally:
            os.close(fd)

    def _made(self, fd: int, stamp: Stamp, where: Where) -> bytes:
        from photovault.photos.looking import Asked

        box = around(where.box, where.size)
        if box is None:
            return b""
        asked = Asked(fd, stamp.size, stamp.name, thumbnail=False)
        return bytes(self._decoders.preview([asked], EDGE, box).result()[0].webp)

    def _keep(self, key: object, made: bytes) -> None:
        self._kept[key] = made
        while sum(map(len, self._kept.values())) > _KEPT:
            self._kept.popitem(last=False)


def around(box: Box, size: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """A square around a face, somewhat larger than it: left, top, width and height as fractions of the picture.

    At an edge it is moved inward; in a picture that is smaller it is as large as the picture's shorter side.  None where the
    size is not known.
    """
    width, height = size
    if min(width, height) <= 0:
        return None
    side = min(_AROUND * max(box.w * width, box.h * height), width, height)
    left = min(max(0.0, (box.x + box.w / 2) * width - side / 2), width - side)
    top = min(max(0.0, (box.y + box.h / 2) * height - side / 2), height - side)
    return left / width, top / height, side / width, side / height


# What is said ------------------------------------------------------------------------------------------------------------


def _ref(person: int) -> str:
    return f"p{int(person)}"


def _text(picture: bytes | None) -> str | None:
    return None if picture is None else base64.b64encode(picture).decode("ascii")


def _somebody(one: Person, face: int | None = None) -> Row:
    return {
        "id": one.id,
        "name": one.name,
        "count": one.count,
        "photos": one.photos,
        "hidden": one.hidden,
        "first": one.first,
        "last": one.last,
        "faces": [] if face is None else [{"id": face}],
    }


def _side(one: Side) -> Row:
    face = {"id": one.face.id, "confirmed": one.face.confirmed, "taken": one.face.taken}
    return {"face": face, "id": one.person, "name": one.name, "count": one.count}


def _entry(one: HistoryEntry) -> Row:
    return {"id": one.id, "time": one.time, "text": one.text, "undone": one.undone}


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))
