"""Which entries of a snapshot are wanted: by path or pattern, and by the date taken.

A path chooses itself and all below it.  A pattern (``*.jpg``, ``2021/**/IMG_*``) follows the rules of gitignore: without a
slash it matches a name anywhere.  Dates are compared as far as they are written: ``until 2021-05`` includes all of May.
A photo without a date taken goes by its modification time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from photovault.errors import UsageError
from photovault.model import EntryKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pathspec import GitIgnoreSpec

    from photovault.model import Entry

_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2}(?:T\d{2}(?::\d{2}(?::\d{2})?)?)?)?)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is wanted.

    Attributes:
        paths: paths inside the snapshot, joined by ``/``; empty for everything.
        since: earliest date taken, ``YYYY[-MM[-DD[THH[:MM[:SS]]]]]``, or None.
        until: latest date taken, inclusive, or None.
    """

    paths: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    _spec: GitIgnoreSpec | None = field(default=None, repr=False)

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.paths or self.since or self.until)

    def wants(self, path: str, entry: Entry) -> bool:
        """Whether a file or link is wanted."""
        return self._wants_path(path) and self._wants_date(entry)

    def wants_folder(self, path: str) -> bool:
        """Whether a folder itself is wanted, empty or not."""
        return self.since is None and self.until is None and self._wants_path(path)

    def may_hold(self, path: str) -> bool:
        """Whether anything below a folder can be wanted: spares reading the others."""
        if not self.paths or self._spec is not None:
            return True
        return any(_is_in(path, wanted) or _is_in(wanted, path) for wanted in self.paths)

    def _wants_path(self, path: str) -> bool:
        if not self.paths:
            return True
        if any(_is_in(path, wanted) for wanted in self.paths):
            return True
        return self._spec is not None and self._spec.match_file(path)

    def _wants_date(self, entry: Entry) -> bool:
        if self.since is None and self.until is None:
            return True
        when = taken_or_modified(entry)
        early = self.since is not None and when[: len(self.since)] < self.since
        late = self.until is not None and when[: len(self.until)] > self.until
        return not (early or late)


def choose(paths: Sequence[str], since: str | None = None, until: str | None = None) -> Choice:
    """A choice from what a person typed.

    Raises:
        UsageError: a date or a pattern that cannot be understood.
    """
    for date in (since, until):
        if date is not None and _DATE.fullmatch(date) is None:
            raise UsageError(f"not a date: {date}", "write it as 2021, 2021-05, 2021-05-04 or 2021-05-04T13:00")
    clean = tuple(path.strip("/") for path in paths)
    if any(not path for path in clean):
        clean = ()
    patterns = [path for path in clean if set(path) & set("*?[")]
    try:
        spec = _spec(patterns) if patterns else None
    except (ValueError, re.error) as error:
        raise UsageError(f"not a pattern: {error}") from None
    return Choice(paths=clean, since=since, until=until, _spec=spec)


def taken_or_modified(entry: Entry) -> str:
    """Date taken, or else the modification time in UTC: ISO 8601 without an offset."""
    if entry.facts.taken is not None and entry.kind is EntryKind.FILE:
        return entry.facts.taken
    try:
        return (_EPOCH + timedelta(microseconds=entry.mtime_ns // 1000)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return "0000"


def _spec(patterns: Sequence[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - slow to import, and seldom needed

    return GitIgnoreSpec.from_lines(patterns, backend="simple")


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
