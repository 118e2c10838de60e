"""Which entries of a snapshot are wanted: by path or pattern, and by what is known of the photos.

A path chooses itself and all below it.  A pattern (``*.jpg``, ``2021/**/IMG_*``) follows the rules of gitignore: without a
slash it matches a name anywhere.  ``Filters`` speak of photos: when, where and with what they were taken, what they are,
what was written about them.  Everything that was asked for must be so; paths are alternatives to each other.

What is chosen is a set (``sets``): where a path, a pattern or the filters hit one of its files, all come, so that a Live
Photo has its video and an edited picture its edits.  ``only_matching`` judges each file by itself instead.

Dates are compared as far as they are written: ``until 2021-05`` includes all of May.  A set's date may come from its
notes or its RAW; one without any goes by its primary's modification time.  Texts are compared without regard to case
and accents.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from photovault.errors import UsageError
from photovault.facts import PHOTO_KINDS, RAW_KINDS, SIDECAR_KINDS, VIDEO_KINDS
from photovault.model import EntryKind
from photovault.photos.goodness import why_bad
from photovault.photos.rules import spec_of
from photovault.photos.sets import ALIASES, PhotoSet, SetKind, Sort, format_of, sets_of, sort_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pathspec import GitIgnoreSpec

    from photovault.facts import Facts
    from photovault.model import Entry

_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2}(?:T\d{2}(?::\d{2}(?::\d{2})?)?)?)?)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SORTS: Final = {
    "photo": (Sort.PHOTO, Sort.RAW),
    "video": (Sort.VIDEO,),
    "raw": (Sort.RAW,),
    "sidecar": (Sort.SIDECAR,),
}
_SETS: Final = {str(kind): kind for kind in (SetKind.LIVE, SetKind.MOTION, SetKind.BURST)}
_FORMATS: Final = PHOTO_KINDS | RAW_KINDS | VIDEO_KINDS | SIDECAR_KINDS
KINDS: Final = (*_SORTS, *_SETS, *sorted(_FORMATS))
"""What ``Filters.kind`` may be."""

_OF_PRIMARY = frozenset(("photo", "video"))  # a Live Photo is a photo, though a video belongs to it


class Hit(IntEnum):
    """Whether a file is wanted: not at all, because one of its set is, or itself."""

    NONE = 0
    ALONG = 1
    ITSELF = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is known of a wanted photo; each may be left out.

    Attributes:
        since: earliest date taken, ``YYYY[-MM[-DD[THH[:MM[:SS]]]]]``.
        until: latest date taken, inclusive.
        near: whether a place is a wanted one: latitude and longitude in 1e-7 degrees.
        camera: words of make, model or lens.
        kind: one of ``KINDS``: photo or video (what the set is), raw or sidecar (what is in it), live, motion, burst, or a
            format.
        rating: stars, at least.
        text: words in name, title, description or keywords.
        set_kind: a kind of set.
        broken: only what does not decode, or is suspect.
        digests: SHA-256 of the files of which one must be it.
    """

    since: str | None = None
    until: str | None = None
    near: Callable[[int, int], bool] | None = None
    camera: str = ""
    kind: str = ""
    rating: int | None = None
    text: str = ""
    set_kind: SetKind | None = None
    broken: bool = False
    digests: frozenset[bytes] | None = None


NO_FILTERS: Final = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is wanted.

    Attributes:
        paths: paths inside the snapshot, joined by ``/``; empty for everything.
        filters: what the photos must be.
        only_matching: judge each file by itself, rather than its set.

    Built directly, with no ``choose``, paths are taken as they are: a ``*`` in a name is a star.
    """

    paths: tuple[str, ...] = ()
    filters: Filters = NO_FILTERS
    only_matching: bool = False
    _spec: GitIgnoreSpec | None = field(default=None, repr=False)
    _exact: frozenset[str] = field(init=False, repr=False, compare=False)
    _above: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Know each path, and the folders above it: there may be a hundred thousand."""
        object.__setattr__(self, "_exact", frozenset(self.paths))
        object.__setattr__(self, "_above", frozenset(above for path in self.paths for above in _folders_of(path)))

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.paths and not self.filtered

    @property
    def filtered(self) -> bool:
        """Whether files must be known to be chosen: their names alone do not say it."""
        return self.filters != NO_FILTERS

    def chosen(self, files: Sequence[tuple[str, Entry]]) -> list[Hit]:
        """Which files and links of one folder are wanted; each comes with its path.  All of the folder must be given."""
        by_path = [self._wants_path(path) for path, _ in files]
        if not any(by_path):
            return [Hit.NONE] * len(files)
        if not self.filtered and (self.only_matching or all(by_path)):
            return [Hit.ITSELF if wanted else Hit.NONE for wanted in by_path]
        folder = _Folder([entry for _, entry in files])
        named = {entry.name for wanted, (_, entry) in zip(by_path, files, strict=True) if wanted}
        sets = folder.sets_that_fit(named, self.filters) if not self.only_matching else named
        return [self._hit(folder, entry, sets, named) for _, entry in files]

    def _hit(self, folder: _Folder, entry: Entry, sets: set[bytes], named: set[bytes]) -> Hit:
        if entry.name not in sets:
            return Hit.NONE
        if entry.name in named and folder.file_fits(entry, self.filters):
            return Hit.ITSELF
        return Hit.NONE if self.only_matching else Hit.ALONG

    def wants_folder(self, path: str) -> bool:
        """Whether a folder itself is wanted, empty or not."""
        return not self.filtered and self._wants_path(path)

    def may_hold(self, path: str) -> bool:
        """Whether anything below a folder can be wanted: spares reading the others."""
        if not self.paths or self._spec is not None:
            return True
        return path in self._above or self._is_named(path)

    def _is_named(self, path: str) -> bool:
        """Whether a path was given, or a folder above it."""
        return path in self._exact or any(above in self._exact for above in _folders_of(path))

    def _wants_path(self, path: str) -> bool:
        if not self.paths:
            return True
        if self._is_named(path):
            return True
        return self._spec is not None and self._spec.match_file(path)


class _Seen:
    """A set, or a file by itself, as the filters see it."""

    def __init__(self, one: PhotoSet, kinds: frozenset[SetKind], entries: Mapping[bytes, Entry]) -> None:
        self.facts = (one.facts, *(entries[name].facts for name, _ in one.members))
        self.names = [name for name, _ in one.members]
        self.sorts = [sort_of(name, entries[name].facts) for name in self.names]
        self.kinds = kinds
        self.digests = [entries[name].digest for name in self.names]
        self.primary = entries[one.primary]

    def fits(self, wanted: Filters) -> bool:
        """Whether all is so that was asked for."""
        return (
            self._was_taken(wanted)
            and (wanted.near is None or any(_is_near(facts, wanted.near) for facts in self.facts))
            and _has_words(wanted.camera, (text for facts in self.facts for text in _camera(facts)))
            and (not wanted.kind or self._is_a(wanted.kind))
            and (wanted.rating is None or any((facts.rating or 0) >= wanted.rating for facts in self.facts))
            and _has_words(wanted.text, self._texts())
            and (wanted.set_kind is None or wanted.set_kind in self.kinds)
            and (not wanted.broken or any(map(why_bad, self.facts)))
            and (wanted.digests is None or not wanted.digests.isdisjoint(self.digests))
        )

    def _was_taken(self, wanted: Filters) -> bool:
        if wanted.since is None and wanted.until is None:
            return True
        when = taken_or_modified(replace(self.primary, facts=self.facts[0]))
        early = wanted.since is not None and when[: len(wanted.since)] < wanted.since
        late = wanted.until is not None and when[: len(wanted.until)] > wanted.until
        return not (early or late)

    def _is_a(self, kind: str) -> bool:
        if kind in _SORTS:
            return any(sort in _SORTS[kind] for sort in (self.sorts[:1] if kind in _OF_PRIMARY else self.sorts))
        if kind in _SETS:
            return _SETS[kind] in self.kinds
        return any(format_of(name, facts) == kind for name, facts in zip(self.names, self.facts[1:], strict=True))

    def _texts(self) -> Iterator[str]:
        yield from (name.decode("utf-8", "replace") for name in self.names)
        for facts in self.facts:
            yield from (facts.title or "", facts.description or "", *facts.keywords)


class _Folder:
    """The files of one folder with their sets."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._sets = sets_of([(entry.name, entry.facts) for entry in self._entries.values()])
        self._kinds = {name: one.kinds for one in self._sets for name, _ in one.members}

    def file_fits(self, entry: Entry, wanted: Filters) -> bool:
        """Whether a file by itself is what was asked for; which sets it is in counts as well."""
        if wanted == NO_FILTERS:
            return True
        (one,) = sets_of([(entry.name, entry.facts)])
        return _Seen(one, self._kinds[entry.name], {entry.name: entry}).fits(wanted)

    def sets_that_fit(self, named: set[bytes], wanted: Filters) -> set[bytes]:
        """All files of the sets that have a named one and are what was asked for."""
        return {
            name
            for one in self._sets
            if any(name in named for name, _ in one.members) and _Seen(one, one.kinds, self._entries).fits(wanted)
            for name, _ in one.members
        }


def choose(paths: Sequence[str], filters: Filters = NO_FILTERS, *, only_matching: bool = False) -> Choice:
    """A choice from what a person typed.

    Raises:
        UsageError: a date, a kind or a pattern that cannot be understood.
    """
    for date in (filters.since, filters.until):
        if date is not None and _DATE.fullmatch(date) is None:
            raise UsageError(f"not a date: {date}", "write it as 2021, 2021-05, 2021-05-04 or 2021-05-04T13:00")
    clean = tuple(path.strip("/") for path in paths)
    if any(not path for path in clean):
        clean = ()
    patterns = [path for path in clean if set(path) & set("*?[")]
    try:
        spec = spec_of(patterns) if patterns else None
    except (ValueError, re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"not a pattern: {error}") from None
    filters = replace(filters, kind=kind_of(filters.kind))
    return Choice(paths=clean, filters=filters, only_matching=only_matching, _spec=spec)


def kind_of(text: str) -> str:
    """One of ``KINDS`` from what a person typed; empty for nothing.

    Raises:
        UsageError: it is none.
    """
    kind = ALIASES.get(text.lower(), text.lower())
    if kind and kind not in KINDS:
        raise UsageError(f"not a kind of photo: {text}", f"use one of {', '.join(KINDS)}")
    return kind


def taken_or_modified(entry: Entry) -> str:
    """Date taken, or else the modification time in UTC: ISO 8601 without an offset."""
    if entry.facts.taken is not None and entry.kind is EntryKind.FILE:
        return entry.facts.taken
    try:
        return (_EPOCH + timedelta(microseconds=entry.mtime_ns // 1000)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return "0000"


def camera_of(facts: Facts) -> str:
    """Make and model for people; many models begin with the make already."""
    make, model = facts.make or "", facts.model or ""
    return model if fold(model).startswith(fold(make)) else f"{make} {model}".strip()


def fold(text: str) -> str:
    """Text as it is compared: without case, accents and width."""
    text = unicodedata.normalize("NFKD", text).casefold()
    return text if text.isascii() else "".join(c for c in text if not unicodedata.combining(c))


def _has_words(wanted: str, texts: Iterable[str]) -> bool:
    words = fold(wanted).split()
    if not words:
        return True
    text = "\n".join(map(fold, texts))
    return all(word in text for word in words)


def _camera(facts: Facts) -> tuple[str, str, str]:
    return facts.make or "", facts.model or "", facts.lens or ""


def _is_near(facts: Facts, near: Callable[[int, int], bool]) -> bool:
    return facts.latitude is not None and facts.longitude is not None and near(facts.latitude, facts.longitude)


def _folders_of(path: str) -> Iterator[str]:
    """Every folder above a path: ``a/b/c`` has ``a`` and ``a/b``."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
