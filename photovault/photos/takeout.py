"""Which notes of Google Takeout belong to which photo: rules about names, found by looking at many exports.

Takeout writes beside ``IMG_1.jpg`` a JSON file with what Google knows of it.  It makes the name of that file thus:

1. The photo's title, with characters that some disk does not take (``& ? % : /`` ...) replaced by ``_``.
2. Since 2024 followed by ``.supplemental-metadata``.
3. Cut to 46 characters, so that with ``.json`` there are 51; the cut may fall into the word, the extension or the title.
   (The photo's own name is cut to 47 characters and its extension, so that it has 51, too.)
4. A number, where several photos have the same name: ``IMG_1(2).jpg`` has ``IMG_1.jpg(2).json``; it is never cut.

An edited photo (``IMG_1-edited.jpg``, in the exporter's language) and the video of a Live Photo share the notes of the
original.  ``json_of`` looks for all these names at once and takes the likeliest: names that say all before names that
were cut, and where the notes were read, those whose ``title`` agrees.  Letters are compared without regard to case, and
anything that is neither letter, digit nor dot counts as ``_``.

Guarantee: pure, for any names, in time linear in their number.  Not guaranteed: that names which were cut to the same
letters are told apart when the titles are not known.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SUFFIX: Final = ".json"
WORD: Final = "supplemental-metadata"
CUT: Final = 46
"""Characters of the name of notes, without number and ``.json``, from which on they are cut."""

EDITED: Final = (
    *(
        "edited",
        "effects",
        "smile",
        "mix",
        "collage",
        "animation",
        "pano",
        "cinematic",
    ),  # English, and what Google makes
    *("bearbeitet", "modifié", "modifiée", "editado", "ha editado", "editada", "modificato", "modificata", "bewerkt"),
    *("edytowane", "redigerad", "redigeret", "redigert", "muokattu", "upraveno", "upravené", "szerkesztett"),
    *(
        "editat",
        "uređeno",
        "urejeno",
        "düzenlendi",
        "изменено",
        "змінено",
        "επεξεργασμένο",
        "編集済み",
        "已修改",
        "已编辑",
    ),
    *("已編輯", "수정됨", "diedit", "đã chỉnh sửa", "แก้ไขแล้ว", "संपादित", "נערך", "تم التعديل"),
)
"""What Takeout puts behind the name of an edited photo, after a hyphen, in the language of the account."""

_NUMBER = re.compile(r"\(\d{1,5}\)\Z")
_EDITED = re.compile(rf"(?:-(?:{'|'.join(map(re.escape, sorted(set(EDITED))))})|~\d{{1,2}})\Z", re.IGNORECASE)
_APPLE_EDITED = re.compile(r"\A([A-Z]{2,4}_)E(\d{3,})\Z", re.IGNORECASE)
_CUT_STEM = 47  # characters of a photo's own name that Takeout keeps
_CUT_NAME = 51  # or of all of it
_ALIKE = 32
_LONG = 45  # a stem so long may have been cut
_MOST_EDITS = 4
_LIVE = frozenset(("mp4", "mov", "m4v", "mp"))  # the video of a Live Photo has no notes of its own


class Parted(NamedTuple):
    """The name of notes in its pieces: ``title.word(number)``; ``word`` is None if there is none."""

    title: str
    word: str | None
    number: str


def parted(stem: str) -> Parted:
    """The pieces of the name of notes without ``.json``: ``IMG_1.jpg.suppl(2)`` is ``IMG_1.jpg``, ``suppl``, ``(2)``."""
    body, number = _numbered(stem)
    title, dot, last = body.rpartition(".")
    if dot and title and WORD.startswith(last.lower()):
        return Parted(title, last.lower(), number)
    return Parted(body, None, number)


def was_cut(body: str) -> bool:
    """Whether a name of notes, without number and ``.json``, is as long as those that Takeout cut."""
    return CUT in (len(body), len(body.encode("utf-16-le", "surrogatepass")) // 2)


def original_of(stem: str) -> str | None:
    """The stem that an edited photo's original has: of ``IMG_1-edited(2)``, ``IMG_1~2``, ``IMG_E1234``; None if none."""
    body, number = _numbered(stem)
    if apple := _APPLE_EDITED.match(body):
        return apple[1] + apple[2] + number
    if (found := _EDITED.search(unicodedata.normalize("NFC", body))) and found.start():
        return unicodedata.normalize("NFC", body)[: found.start()] + number
    before, hyphen, after = body.rpartition("-")
    if hyphen and before and len(body) >= _LONG and any(word.startswith(after.lower()) for word in EDITED):
        return before + number
    return None


def json_of(names: Iterable[str], titles: Mapping[str, str]) -> dict[str, str]:
    """Find the notes of each photo of one folder.

    Args:
        names: the names of all files of the folder; those that end with ``.json`` are notes, all others photos.
        titles: what stands under ``title`` in the notes, by the notes' name, for those that were read.

    Returns:
        Name of the notes by name of the photo, for those that have any.  Several photos may share notes.
    """
    photos = []
    notes = _Notes(titles)
    for name in names:
        if name.lower().endswith(SUFFIX):
            notes.add(name)
        else:
            photos.append(name)
    found = ((photo, notes.best(photo)) for photo in photos)
    return {photo: note for photo, note in found if note is not None}


class _Note(NamedTuple):
    """Notes under one reading of their name: of a photo called ``title``, or as much as the cut left of it."""

    name: str
    title: str
    number: str
    cut: bool


class _Reading(NamedTuple):
    """A photo under one reading of its name: title, number, and how many edits lie between it and that title."""

    stem: str
    extension: str
    number: str
    edits: int

    @property
    def title(self) -> str:
        return f"{self.stem}.{self.extension}" if self.extension else self.stem


class _Notes:
    """The notes of a folder, by what they may be called after; at most 64 under each name, so time is bounded."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._said = {name: _said(title) for name, title in titles.items()}
        self._by_title: dict[tuple[str, str], list[_Note]] = defaultdict(list)
        self._by_stem: dict[tuple[str, str], list[_Note]] = defaultdict(list)
        self._by_beginning: dict[str, list[_Note]] = defaultdict(list)
        self._cuts: set[int] = set()

    def add(self, name: str) -> None:
        stem = name[: -len(SUFFIX)]
        title, word, number = parted(stem)
        body = stem.removesuffix(number)
        for text, count in sorted({(body, number), (title, number), (stem, "")}):
            note = _Note(name, text, count, cut=word is None and was_cut(body))
            _keep(self._by_title[_key(text), count], note)
            _keep(self._by_stem[_key(_split(text)[0]), count], note)
            if note.cut:
                self._cuts.add(len(text))
                for said, _ in self._said.get(name, ()):
                    _keep(self._by_beginning[said[:CUT]], note)

    def best(self, photo: str) -> str | None:
        """The likeliest notes, or None."""
        if not self._by_title:
            return None
        ranked = [rank for reading in _readings(photo) for rank in self._ranked(reading)]
        return min(ranked)[-1] if ranked else None

    def _ranked(self, reading: _Reading) -> Iterator[tuple[int, int, int, int, int, bool, str]]:
        """What fits a reading, the best first when sorted: how titles agree, edits, how much of the name is said."""
        for form, note in chain(self._named(reading), self._vaguely_named(reading)):
            agrees = self._agrees(note, reading)
            if agrees == _CONTRADICTS and form != _WHOLE:
                continue
            other_number = int(note.number != reading.number)
            inexact = not reading.title.startswith(note.title)
            yield agrees // _CONTRADICTS, reading.edits, agrees, other_number, form, inexact, note.name

    def _named(self, reading: _Reading) -> Iterator[tuple[int, _Note]]:
        """Notes whose name is that of the photo, or its beginning where it was cut."""
        for note in self._titled(reading.title, reading):
            yield _WHOLE, note
        for length in self._cuts:  # 46, or fewer where some letters count as two: seldom more than one
            for note in self._titled(reading.title[:length], reading):
                if note.cut:
                    yield _SHORT, note
        if len(reading.title) > CUT:  # where several were cut to the same letters, their numbers need not agree
            for note in self._by_beginning.get(_key(reading.stem)[:CUT], ()):
                if self._agrees(note, reading) == 0:
                    yield _SHORT, note

    def _vaguely_named(self, reading: _Reading) -> Iterator[tuple[int, _Note]]:
        """Notes that say less than the photo's name, or that of its other half."""
        for length in range(len(reading.extension)):
            for note in self._titled(f"{reading.stem}.{reading.extension[:length]}", reading):
                yield _SHORT, note
        for note in self._titled(reading.stem, reading):
            yield _STEM, note
        if reading.extension.lower() in _LIVE or reading.edits:
            for note in self._by_stem.get((_key(reading.stem), reading.number), ()):
                other = _split(note.title)[1].lower()
                if other.isalnum() and other not in _LIVE:
                    yield _OTHER, note

    def _titled(self, title: str, reading: _Reading) -> Sequence[_Note]:
        return self._by_title.get((_key(title), reading.number), ())

    def _agrees(self, note: _Note, reading: _Reading) -> int:
        """0: the title in the notes is that of the photo; 1: not known; 2: it is another one."""
        if note.name not in self._said:
            return 1
        return 0 if any(_same(stem, title, reading) for stem, title in self._said[note.name]) else _CONTRADICTS


_WHOLE, _SHORT, _STEM, _OTHER = range(4)
_CONTRADICTS = 2


def _keep(bucket: list[_Note], note: _Note) -> None:
    """Keep the first of many that are alike, by name, so that the order in which they came does not matter."""
    bucket.append(note)
    if len(bucket) > 2 * _ALIKE:
        bucket.sort()
        del bucket[_ALIKE:]


def _said(title: str) -> set[tuple[str, str]]:
    """What a title in notes says: keys of its stem and of all of it, as it stands and as a browser would show it."""
    return {(_key(_split(text)[0]), _key(text)) for text in (title, html.unescape(title))}


def _readings(photo: str) -> Iterator[_Reading]:
    """A number at the end may be Takeout's or the photo's own; a suffix may say that it was edited."""
    stem: str | None
    stem, extension = _split(photo)
    for edits in range(_MOST_EDITS):
        yield _Reading(stem, extension, "", edits)
        body, number = _numbered(stem)
        if number:
            yield _Reading(body, extension, number, edits)
        stem = original_of(stem)
        if not stem:
            return


def _same(stem: str, title: str, reading: _Reading) -> bool:
    """Whether a photo with this title gets this name."""
    wanted = _key(reading.stem)
    return wanted in (stem, title) or (_may_be_cut(reading) and (stem.startswith(wanted) or title.startswith(wanted)))


def _may_be_cut(reading: _Reading) -> bool:
    """Whether a photo's name is as long as those that Takeout cut."""
    wide = len(reading.stem.encode("utf-16-le", "surrogatepass")) // 2 - len(reading.stem)
    return len(reading.title) == _CUT_NAME or len(reading.stem) + wide in range(_CUT_STEM, _CUT_STEM + 1 + bool(wide))


def _numbered(stem: str) -> tuple[str, str]:
    found = _NUMBER.search(stem)
    return (stem[: found.start()], found[0]) if found and found.start() else (stem, "")


def _split(name: str) -> tuple[str, str]:
    """Stem and extension without the dot."""
    stem, dot, extension = name.rpartition(".")
    return (stem, extension) if dot and stem else (name, "")


def _key(text: str) -> str:
    """What names are compared by: case and what Takeout replaces do not count."""
    folded = unicodedata.normalize("NFC", text).casefold()
    return "".join(c if c.isalnum() or c == "." else "_" for c in folded)
