"""What the commands about people tell: frozen values between ``app.people`` and whoever shows them.

No vector is in any of them.  Ids are numbers here; people read and write them as ``p7`` and ``f123``.  A file is a path as
text that is safe to print (``vault.format.shown`` for other bytes).  Times are ISO 8601, UTC; "" where there is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

AnswerWord = Literal["same", "different", "not a face", "skip"]
ANSWERS: Final[tuple[AnswerWord, ...]] = ("same", "different", "not a face", "skip")

_DIGITS = 18  # more would be no id of SQLite


def person_id(text: str) -> int | None:
    """The number in ``p7``; None where the text is no id of a person."""
    return _number("p", text)


def face_id(text: str) -> int | None:
    """The number in ``f123``; None where the text is no id of a face."""
    return _number("f", text)


def _number(letter: str, text: str) -> int | None:
    found = re.fullmatch(rf"{letter}([1-9][0-9]{{0,{_DIGITS - 1}}})", text, re.ASCII | re.IGNORECASE)
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceShown:
    """A face and where it is.

    Attributes:
        id: written ``f123``.
        file: the photo it is in.
        box: left, top, width and height in pixels of the whole picture, upright.
        size: width and height of that picture, in pixels.
        quality: 0 to 1.
        taken: when the photo was taken, as far as it is known.
        confirmed: somebody said whose face it is; a later grouping cannot change that.
    """

    id: int
    file: str
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    quality: float
    taken: str = ""
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A group of faces, named or not.

    Attributes:
        id: written ``p7``.
        name: "" while nobody gave one.
        count: its faces.
        photos: its photos.
        hidden: not listed unless asked for.
        first, last: when its oldest and its newest photo were taken, as far as it is known.
        faces: the best first, once for each file of the same bytes; empty where they were not asked for.
    """

    id: int
    name: str
    count: int
    photos: int
    hidden: bool = False
    first: str = ""
    last: str = ""
    faces: tuple[FaceShown, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two that a question is about: a face, and the group it is in.

    Attributes:
        face: the one to look at, the best that tells the two apart.
        person: number of its group; None where it is in none.
        name: of its group, "" where it has none.
        count: faces in its group.
    """

    face: FaceShown
    person: int | None
    name: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether two are the same person; the left one is the one in doubt ("not a face" is about it).

    Attributes:
        id: the two faces, ``f12-f845``, the left one first; the same in every run.
        left, right: the two.
        likely: how likely it is that they are the same, 0 to 1, as far as distances tell.
    """

    id: str
    left: Side
    right: Side
    likely: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """Something that was decided.

    Attributes:
        id: what ``people undo ID`` takes.
        time: when.
        action: one word: name, merge, split, hide, unhide, answer, undo, import.
        text: in words, as "p7 is Anna: 12 faces".
        people: numbers of the people that came out of it, those asked about first.
        undone: it was taken back.
    """

    id: int
    time: str
    action: str
    text: str
    people: tuple[int, ...] = ()
    undone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """What a scan did.  Names of photos are not in it.

    Attributes:
        looked: photos that were looked at.
        unchanged: known from before.
        gone: photos that are no more, whose faces were forgotten.
        failed: why faces could not be looked for, and in how many photos.
        left: photos that are still to be looked at, because the run was to end.
        faces: faces found in the photos looked at.
        total_faces, people: in the store after it; people as ``people list`` counts them.
        embedded: faces known from before that another engine measured anew.
        seconds: how long it took.
        protection: what the face worker was kept in by.
        overridden: layers that were missing, and that the user chose to do without.
        alarms: what a face worker tried and was kept from.
    """

    looked: int
    unchanged: int
    gone: int
    failed: dict[str, int] = field(default_factory=dict)
    left: int = 0
    faces: int = 0
    total_faces: int = 0
    people: int = 0
    embedded: int = 0
    seconds: float = 0.0
    protection: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleStatus:
    """How it stands with faces.

    Attributes:
        consent: as ``Standing.state`` says.
        scope: folders that were agreed to.
        until: the day on which the consent ends.
        why: why it is not in force, with what that means; "" while it is.
        engine: as the configuration names it.
        missing: what is not installed or not there, in words; "" when faces can be looked for.
        missing_hint: the command that mends it.
        scanned, left: photos looked at, and still to be looked at; None where nobody counted them yet.
        faces, people, named, hidden: in the store; people include those who are named and not hidden ones.
        questions: for ``people review``; None where they were not counted.
        protection: layers that hold the face worker, as its last start found them.
        overridden: layers that the user chose to do without.
        alarms: what face workers tried and were kept from.
        background: the daemon scans when it is idle.
        last_scan: when.
        store_bytes: size of the face store; 0 where there is none.
        key_in: where the face key is: "keyring", "file", or "".
    """

    consent: Literal["never", "granted", "lapsed", "withdrawn"]
    scope: tuple[str, ...] = ()
    until: str = ""
    why: str = ""
    engine: str = ""
    missing: str = ""
    missing_hint: str = ""
    scanned: int | None = None
    left: int | None = None
    faces: int = 0
    people: int = 0
    named: int = 0
    hidden: int = 0
    questions: int | None = None
    protection: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    background: bool = False
    last_scan: str = ""
    store_bytes: int = 0
    key_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class XmpReport:
    """What became of regions in sidecar files.

    Attributes:
        files: sidecars written or read.
        regions: faces with a name that were written or read.
        named: faces that got their name from a sidecar.
        unmatched: regions where no face had been found; each became a face by hand.
        skipped: why sidecars or photos were passed over, and how many.
    """

    files: int
    regions: int
    named: int = 0
    unmatched: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
