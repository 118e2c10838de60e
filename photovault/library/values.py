"""What is asked of the library, and what it answers."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from photovault.errors import UsageError

if TYPE_CHECKING:
    from photovault.facts import Facts
    from photovault.gazetteer import Area

SAME: Final = "exact"
ALIKE: Final = "near"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for; everything given must be true of a photo.

    Attributes:
        snapshot: name of the snapshot (32 bytes), which the library must have been brought up to date for.
        text: words that names, folders, titles, descriptions, keywords, cameras or places begin with.
        since, until: dates, inclusive, as far as they are written: ``2021``, ``2021-05``, ``2021-05-04T13:00``.
        places: areas, of which one must hold the photo; None for anywhere.
        located: whether the photo must have a place (True) or none (False).
        camera: words that its make, model or lens begin with.
        kind: one of ``photos.choose.KINDS``.
        set_kind: one of ``PhotoSet.kinds``.
        rating: least rating.
        broken: only what does not decode or is suspect (True), or what is neither (False).
        album: name of an album; case and marks do not matter.
        folder: path of a folder inside the snapshot, raw bytes.
        duplicates: only what is there more than once: ``SAME`` contents, or ``ALIKE`` pictures.
        newest: the last one taken first.
        digests: SHA-256 of the files of which one must be it.
    """

    snapshot: bytes
    text: str = ""
    since: str | None = None
    until: str | None = None
    places: tuple[Area, ...] | None = None
    located: bool | None = None
    camera: str = ""
    kind: str = ""
    set_kind: str = ""
    rating: int | None = None
    broken: bool | None = None
    album: str | None = None
    folder: bytes = b""
    duplicates: str | None = None
    newest: bool = False
    digests: frozenset[bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Key:
    """Where a row stands: by the time taken, then by its path.  What comes or goes elsewhere does not move it."""

    when: str
    path: bytes

    def encode(self) -> str:
        """As text without spaces, for the command line."""
        value = json.dumps([self.when, self.path.decode("utf-8", "surrogateescape")])
        return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")

    @staticmethod
    def decode(text: str) -> Key:
        """The key that ``encode`` made text of.

        Raises:
            UsageError: it did not.
        """
        try:
            when, path = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            return Key(when=str(when), path=str(path).encode("utf-8", "surrogateescape"))
        except (ValueError, TypeError, RecursionError, binascii.Error):
            raise UsageError("what follows --after is no place in a list", "take `next` of the page before") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a set.

    Attributes:
        name: raw bytes.
        role: what it is in the set, as ``photos.sets.Role``.
        kind: format, as ``Facts.kind``.
        digest: SHA-256 of the file.
    """

    name: bytes
    role: str
    kind: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A photo with all that belongs to it.

    Attributes:
        folder: path of its folder in the snapshot, raw bytes.
        when: date taken, else time of modification (UTC); ISO 8601.
        set_kind: as ``PhotoSet.kind``; ``set_kinds``: as ``PhotoSet.kinds``.
        members: its files; the first one is what is shown.
        facts: of the whole set.
        place: the town nearby and its country, for people; empty when unknown.
        region: code of the country or state that the nearest town is in.
        albums: names of the albums that it is in.
        duplicates: paths of others that are the same or alike; filled when these were asked for, at most 100.
        number: what the library calls it, from 1; 0 for a row that is in none.  It stands in the order of time, and stays
            while a snapshot that the library knows has the row.
    """

    folder: bytes
    when: str
    set_kind: str
    set_kinds: tuple[str, ...]
    members: tuple[Member, ...]
    facts: Facts
    place: str = ""
    region: str = ""
    albums: tuple[str, ...] = ()
    duplicates: tuple[bytes, ...] = ()
    number: int = field(default=0, compare=False)

    @property
    def path(self) -> bytes:
        """Where the photo is in the snapshot, raw."""
        return self.path_of(self.members[0])

    @property
    def key(self) -> Key:
        """Where the row stands in every list."""
        return Key(when=self.when, path=self.path)

    def path_of(self, member: Member) -> bytes:
        """Where a file of the set is in the snapshot, raw."""
        return self.folder + b"/" + member.name if self.folder else member.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page of rows; ``following`` is the key to go on after, None at the end."""

    rows: tuple[Row, ...]
    following: Key | None
