"""People, as the gallery's pages ask for them: the consent first, then the child that may open the face store.

Whether somebody agreed is asked for every page: the log of consents is read again when it changed, and every two seconds, for a
term may end.  When the consent is over, the child is ended and everything that came from it is forgotten, before the next
answer is given.

Questions of a review are thought out ten at a time, as each time costs a look at all faces; what an answer settles is
not asked, and any other decision has them thought out anew.
"""

from __future__ import annotations

import base64
import re
import threading
from typing import TYPE_CHECKING, Any, Final

from photovault.app.consent import consent
from photovault.app.people_gallery import PeopleChild
from photovault.app.viewing.desk import own
from photovault.errors import UsageError
from photovault.gallery.asks import NotThereError
from photovault.gallery.values import Done, Doubt, Face, Somebody
from photovault.people.consent.consent import LOG_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.people.consent.standing import Standing

_FRESH: Final = 2.0  # seconds
_ROUND: Final = 10
_NUMBERS: Final = 1 << 63  # of SQLite
_LONG: Final = 300.0  # seconds for which questions are kept
_ANSWERS: Final = ("same", "different", "not a face", "skip")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class People:
    """See ``gallery.asks.People``."""

    def __init__(self, app: App) -> None:
        """Start nothing yet."""
        self._app = own(app)
        self._child = PeopleChild(self._app)
        self._lock = threading.Lock()
        self._sign: tuple[int, ...] | None = None
        self._looked = 0.0
        self._standing: Standing | None = None
        self._round: tuple[Doubt, ...] = ()
        self._thought = 0.0

    def close(self) -> None:
        """End the child and forget what it said."""
        self._forget()
        self._child.close()

    def enabled(self) -> bool:
        """Whether somebody agreed, and that holds now."""
        sign = _sign_of(self._app.people_folder / LOG_NAME)
        if sign is None and self._sign is None:
            return False
        with self._lock:
            now = self._app.world.clock()
            if sign != self._sign or not 0 <= now - self._looked < _FRESH:
                self._look(sign, now)
            return self._standing is not None

    def people(self, *, everybody: bool = False, hidden: bool = False) -> tuple[Somebody, ...]:
        """Who is there."""
        return tuple(_somebody(one) for one in self._ask("people", everybody=everybody, hidden=hidden))

    def person(self, number: int) -> Somebody:
        """Somebody with all faces."""
        try:
            return _somebody(self._ask("person", person=number))
        except UsageError as error:
            raise NotThereError(error.what, "see who is there") from None

    def digests(self, number: int) -> tuple[str, ...]:
        """SHA-256 (hex) of the photos in which somebody is."""
        return tuple(self._ask("digests", person=number))

    def crop(self, face: int) -> bytes | None:
        """A face as WebP."""
        try:
            made = self._ask("crop", face=face)
        except UsageError as error:
            raise NotThereError(error.what, "load the page again") from None
        return None if made is None else base64.b64decode(made)

    def of_photo(self, digest: str) -> tuple[Somebody, ...]:
        """Who is on a photo, from left to right."""
        if _DIGEST.fullmatch(digest) is None:
            return ()
        return tuple(_somebody(one) for one in self._ask("of_photo", digest=digest))

    def doubts(self, limit: int) -> tuple[Doubt, ...]:
        """What would help most to know."""
        self._agreed()
        now = self._app.world.clock()
        if not self._round or not 0 <= now - self._thought < _LONG:
            self._round = tuple(_doubt(one) for one in self._ask("questions", limit=_ROUND))
            self._thought = now
        return self._round[:limit]

    def answer(self, doubt: str, answer: str) -> Done:
        """Answer one."""
        if answer not in _ANSWERS:
            raise UsageError("that is no answer", "choose one of the buttons")
        before = self._round
        done = self._change("answer", question=doubt, answer=answer)
        self._round = tuple(one for one in before if not _is_settled(one, doubt, before))
        return done

    def name(self, number: int, name: str) -> Done:
        """Name somebody."""
        return self._change("name", person=number, name=name.strip())

    def merge(self, one: int, other: int, keep: str) -> Done:
        """Make two one."""
        return self._change("merge", one=one, other=other, keep=keep)

    def split(self, number: int, faces: Sequence[int]) -> Done:
        """Take faces out."""
        known = {face.id for face in self.person(number).faces}
        if not known.issuperset(faces):
            raise UsageError("not all of these faces are in this group any more", "load the page again")
        return self._change("split", person=number, faces=list(faces))

    def hide(self, number: int, *, hidden: bool) -> Done:
        """Do not list somebody, or list again."""
        return self._change("hide" if hidden else "unhide", person=number)

    def history(self) -> tuple[Done, ...]:
        """What was decided, the newest first."""
        return tuple(Done(**one) for one in self._ask("history"))

    def undo(self, entry: int) -> Done:
        """Take a decision back."""
        return self._change("undo", entry=entry)

    # Steps ------------------------------------------------------------------------------------------------------------

    def _change(self, do: str, **values: object) -> Done:
        self._round = ()
        return Done(**self._ask(do, **values))

    def _ask(self, do: str, **values: object) -> Any:  # noqa: ANN401 - as ``PeopleChild.ask``
        self._agreed()
        if any(isinstance(value, int) and not 0 <= value < _NUMBERS for value in values.values()):
            raise NotThereError("there is nothing of that number", "go back, and load the page again")
        answer = self._child.ask(do, **values)
        self._agreed()  # it may have been withdrawn meanwhile: then what came is not shown
        return answer

    def _agreed(self) -> None:
        """Raises ConsentError unless somebody agreed."""
        if not self.enabled():
            consent(self._app).require()

    def _look(self, sign: tuple[int, ...] | None, now: float) -> None:
        """Look how the consent stands; another one than before has another key, and so another child."""
        found = consent(self._app).standing()
        known = found if found.holds else None
        before = self._standing
        self._sign, self._looked, self._standing = sign, now, known
        if before is not None and (known is None or known.since != before.since):
            self._forget()
            self._child.end()

    def _forget(self) -> None:
        self._round = ()


def _sign_of(log: Path) -> tuple[int, ...] | None:
    """What tells that a file changed; None where there is none."""
    try:
        found = log.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _somebody(row: dict[str, Any]) -> Somebody:
    faces = tuple(Face(**one) for one in row["faces"])
    return Somebody(**row | {"faces": faces})


def _doubt(row: dict[str, Any]) -> Doubt:
    left, right = row["left"], row["right"]
    return Doubt(
        id=row["id"],
        likely=row["likely"],
        left=Face(**left["face"]),
        right=Face(**right["face"]),
        left_group=_group(left),
        right_group=_group(right),
    )


def _group(side: dict[str, Any]) -> Somebody | None:
    if side["id"] is None:
        return None
    return Somebody(id=side["id"], name=side["name"], count=side["count"], photos=0)


def _is_settled(one: Doubt, answered: str, all_of_them: Sequence[Doubt]) -> bool:
    """Whether a question need not be asked after another was answered: it is that one, or about the same two or the same face."""
    about = next((doubt for doubt in all_of_them if doubt.id == answered), None)
    if about is None or one.id == answered:
        return one.id == answered
    return one.left.id == about.left.id or _two(one) == _two(about)


def _two(one: Doubt) -> frozenset[object]:
    """The two whom a question is about: groups, or faces that are in none."""
    sides = ((one.left, one.left_group), (one.right, one.right_group))
    return frozenset(("group", group.id) if group is not None else ("face", face.id) for face, group in sides)
