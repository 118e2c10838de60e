"""The words that a photo is found by, and those that a question asks for.

Everything that can be asked is a word in one index: words of texts, each with all its beginnings from the third letter on,
so that what is typed in part is found at the price of a whole word; and marks, which no text can hold because they begin
with a character of the private use area: kind, set, rating, camera, country, folders above, and cells of the map.  A question is
then one expression over few words, answered in the order of time however many photos there are.

Words are compared without case and marks.  Chinese and Japanese are taken character by character.  Pure.
"""

from __future__ import annotations

import hashlib
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from photovault.facts import Facts
from photovault.gazetteer import EARTH_KM
from photovault.photos.choose import fold
from photovault.photos.goodness import why_bad
from photovault.photos.sets import Sort, format_of, sort_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from photovault.gazetteer import Area
    from photovault.library.values import Query, Row

WORD_MAX: Final = 24  # letters of a word that count
FOLDERS_MAX: Final = 32  # folders above a photo that have a mark
_SHORTEST = 3
_WORDS_MAX = 1000  # of one text
_TOKENS_MAX = 4000
_KIND, _SET, _RATING, _CAMERA, _REGION, _CELL, _FOLDER, _FLAG = (chr(0xE000 + number) for number in range(8))
_JOIN = chr(0xE00F)
ALL, LOCATED, BROKEN = f"{_FLAG}all", f"{_FLAG}located", f"{_FLAG}broken"
_NONE: Final = f"{_FLAG}none"
PICTURED: Final = (f"{_KIND}{Sort.PHOTO}", f"{_KIND}{Sort.VIDEO}")
"""Marks of what is a photo or a video, and no lonely sidecar or other file."""

_RATING_MAX = 5
# Ideographs, kana; letters and digits of all others together.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
_CELLS = (0.1, 1.0, 10.0)  # degrees
_COVER_MAX = 64
_DEGREE = 10_000_000


def words(text: str) -> list[str]:
    """The words of a text, folded and cut."""
    return [word[:WORD_MAX] for word in _WORD.findall(fold(text))]


def tokens(row: Row) -> str:
    """All that a row is found by, joined by spaces; the same row gives the same tokens."""
    facts = row.facts
    texts = [*(_text(one.name) for one in row.members), _text(row.folder), facts.title, facts.description]
    texts += [*facts.keywords, facts.make, facts.model, facts.lens, row.place]
    found = dict.fromkeys(word for text in texts if text for word in _beginnings(text))
    return " ".join([*list(found)[:_TOKENS_MAX], ALL, *_marks(row), *_place_marks(row), *_folder_marks(row.folder)])


def _marks(row: Row) -> Iterator[str]:
    facts = row.facts
    yield from (f"{_SET}{_plain(kind)}" for kind in row.set_kinds)
    yield from (f"{_KIND}{_plain(kind)}" for kind in sorted(kinds_of(row)))
    yield from _camera_marks(facts.make, facts.model, facts.lens)
    if facts.rating is not None:
        yield f"{_RATING}{_number(facts.rating)}"
    if why_bad(facts):
        yield BROKEN


@lru_cache(maxsize=1024)
def _camera_marks(*texts: str | None) -> tuple[str, ...]:
    found = dict.fromkeys(word for text in texts if text for word in _beginnings(text))
    return tuple(f"{_CAMERA}{word}" for word in list(found)[:_TOKENS_MAX])


def expression(query: Query) -> str:
    """What the index of the words must hold of a row; empty when a question asks for dates only."""
    wanted: list[list[str]] = [[word] for word in _asked(query.text)]
    wanted += [[f"{_CAMERA}{word}"] if word != _NONE else [_NONE] for word in _asked(query.camera)]
    wanted += [[f"{_KIND}{_plain(query.kind)}"]] if query.kind else []
    wanted += [[f"{_SET}{_plain(query.set_kind)}"]] if query.set_kind else []
    if query.rating is not None:
        wanted.append([f"{_RATING}{_number(rating)}" for rating in range(query.rating, _RATING_MAX + 1)] or [_NONE])
    if query.folder:
        wanted.append([_folder_mark(b"/".join(query.folder.split(b"/")[:FOLDERS_MAX]))])
    wanted += [[BROKEN]] if query.broken else []
    wanted += [[LOCATED]] if query.located or query.places is not None else []
    if query.places is not None:
        wanted.append(_cover(query.places))
    unwanted = ([BROKEN] if query.broken is False else []) + ([LOCATED] if query.located is False else [])
    return _joined([one for one in wanted if one], unwanted)


def _asked(text: str) -> list[str]:
    """The words of a text that is looked for; one that has none, like ``!``, is nowhere."""
    return words(text) or ([_NONE] if text.strip() else [])


def _joined(wanted: Sequence[Sequence[str]], unwanted: Sequence[str]) -> str:
    """In the language of FTS5: each of ``wanted`` by one of its words, none of ``unwanted``."""
    if not wanted and not unwanted:
        return ""
    text = " AND ".join(f"({' OR '.join(map(_quoted, any_of))})" for any_of in wanted or [[ALL]])
    return " NOT ".join([f"({text})", *map(_quoted, unwanted)])


def _quoted(word: str) -> str:
    return f'"{word}"'


@lru_cache(maxsize=4096)
def _beginnings(text: str) -> tuple[str, ...]:
    """The words of a text and their beginnings; folders, cameras and places come again and again."""
    found = words(text)[:_WORDS_MAX]
    return tuple(dict.fromkeys(word[:end] for word in found for end in (len(word), *range(_SHORTEST, len(word)))))


def kinds_of(row: Row) -> set[str]:
    """What ``--kind`` may say of a row: what its first file is, whether there is a RAW or a sidecar, formats, kinds of sets."""
    seen = [(one.name, _of_kind(one.kind)) for one in row.members]
    sorts = [sort_of(name, facts) for name, facts in seen]
    found = {str(sort) for sort in sorts if sort in (Sort.RAW, Sort.SIDECAR)} | {format_of(*one) for one in seen}
    if sorts[0] in (Sort.PHOTO, Sort.RAW):
        found.add(str(Sort.PHOTO))
    return {*found, *row.set_kinds, *([str(Sort.VIDEO)] if sorts[0] is Sort.VIDEO else [])}


@lru_cache(maxsize=256)
def _of_kind(kind: str) -> Facts:
    return Facts(kind=kind)


def _place_marks(row: Row) -> Iterator[str]:
    latitude, longitude = row.facts.latitude, row.facts.longitude
    if latitude is None or longitude is None:
        return
    yield LOCATED
    for size, side in enumerate(_CELLS):
        yield _cell_mark(size, math.floor(latitude / _DEGREE / side), math.floor(longitude / _DEGREE / side))
    parts = row.region.split(".")
    yield from (_region_mark(".".join(parts[:end])) for end in range(1, len(parts) + 1))


def _cover(areas: Iterable[Area]) -> list[str]:
    """Marks of which every photo in one of the areas has one; others may have one, too."""
    found: list[str] = []
    for area in areas:
        found += [_region_mark(area.region)] if area.region else _cells(area)
    return found or [_NONE]


def _cells(area: Area) -> list[str]:
    """The cells that a circle meets, of the smallest size of which few are enough."""
    for size, side in enumerate(_CELLS):
        rows, columns = _box(area, side)
        if len(rows) * len(columns) <= _COVER_MAX:
            return [_cell_mark(size, row, column) for row in rows for column in columns]
    return [LOCATED]


def _box(area: Area, side: float) -> tuple[Sequence[int], Sequence[int]]:
    """Rows and columns of the box around a circle (Jan Matuschek, "Finding points within a distance", section 3.3)."""
    angle = area.radius_km / EARTH_KM
    south, north = (area.latitude + math.degrees(sign * angle) for sign in (-1, 1))
    rows = range(math.floor(max(south, -90) / side), math.floor(min(north, 90) / side) + 1)
    columns = round(360 / side)
    if south <= -90 or north >= 90:  # noqa: PLR2004 - a pole is in it
        return rows, range(-columns // 2, columns // 2 + 1)
    wide = math.degrees(math.asin(min(math.sin(angle) / math.cos(math.radians(area.latitude)), 1.0)))
    first, last = (math.floor((area.longitude + sign * wide) / side) for sign in (-1, 1))
    half = columns // 2
    wrapped = {(column + half) % columns - half for column in range(first, last + 1)}
    return rows, sorted(wrapped | ({half} if -half in wrapped else set()))  # 180 degrees east is the same as west


def _cell_mark(size: int, row: int, column: int) -> str:
    return f"{_CELL}{size}{_JOIN}{_number(row)}{_JOIN}{_number(column)}"


def _region_mark(region: str) -> str:
    return _REGION + region.lower().replace(".", _JOIN)


def _folder_mark(path: bytes) -> str:
    return _FOLDER + hashlib.blake2b(path, digest_size=6).hexdigest()


@lru_cache(maxsize=64)
def _folder_marks(folder: bytes) -> tuple[str, ...]:
    """Marks of a folder and of those that it is in."""
    parts = folder.split(b"/") if folder else []
    return tuple(_folder_mark(b"/".join(parts[:end])) for end in range(1, min(len(parts), FOLDERS_MAX) + 1))


@lru_cache(maxsize=256)
def _plain(text: str) -> str:
    """A name of ours as a word: ``raw+jpeg`` is ``rawjpeg``."""
    return "".join(filter(str.isalnum, fold(text)))[:WORD_MAX]


def _number(number: int) -> str:
    return f"n{-number}" if number < 0 else str(number)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
