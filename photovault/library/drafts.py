"""From the files of a folder to rows: one row a set, with the facts of all its files and the name of its place.

Pure but for the gazetteer's list of towns.  ``encode`` and ``decode`` are how a row is kept; what was kept and does not
decode is damage of the library, never of the vault.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from photovault import gazetteer
from photovault.facts import from_map, to_map
from photovault.library.moments import time_of
from photovault.library.values import Member, Row
from photovault.photos.rules import ALBUMS
from photovault.photos.sets import Role, sets_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.facts import Facts
    from photovault.model import Entry

_DEGREE: Final = 10_000_000
_TOWN_KM: Final = 50.0  # a town farther away does not name a place, only the country
_CONTENT: Final = 8  # bytes of a digest that stand for it in the index of contents
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class RotError(Exception):
    """What was kept as a row is none."""


class Draft(NamedTuple):
    """A row to be kept, the second it goes by, and the page of the listing in which its first file stands."""

    page: int
    second: int
    row: Row


def drafts(folder: bytes, entries: Sequence[tuple[int, Entry]]) -> Iterator[Draft]:
    """The rows of a folder's files, given with the number of their page; the file of album names is no photo."""
    by_name = {entry.name: (page, entry) for page, entry in entries if entry.name != ALBUMS}
    for one in sets_of([(name, entry.facts) for name, (_, entry) in by_name.items()]):
        page, entry = by_name[one.primary]
        when, second = time_of(one.facts.taken, entry.mtime_ns)
        place, region = _where(one.facts)
        members = tuple(_member(by_name[name][1], role) for name, role in one.members)
        row = Row(
            folder=folder,
            when=when,
            set_kind=str(one.kind),
            set_kinds=tuple(sorted(map(str, one.kinds))),
            members=members,
            facts=one.facts,
            place=place,
            region=region,
        )
        yield Draft(page, second, row)


def _member(entry: Entry, role: Role) -> Member:
    return Member(name=entry.name, role=str(role), kind=entry.facts.kind, size=entry.size, digest=entry.digest)


def _where(facts: Facts) -> tuple[str, str]:
    """Name for people and code of the region; both empty without a place."""
    if facts.latitude is None or facts.longitude is None:
        return "", ""
    town = gazetteer.nearest(facts.latitude / _DEGREE, facts.longitude / _DEGREE)
    return f"{town.name}, {town.country}" if town.distance_km <= _TOWN_KM else town.country, town.region


def contents(row: Row) -> set[int]:
    """Numbers that stand for the contents of a row's pictures; an empty file and a sidecar are no duplicates of others."""
    return {number_of(one.digest) for one in row.members if one.size and one.role != Role.SIDECAR}


def number_of(digest: bytes) -> int:
    """The number that stands for a content."""
    return int.from_bytes(digest[:_CONTENT], "big", signed=True)


def completed(row: Row, albums: tuple[str, ...], duplicates: tuple[bytes, ...] = ()) -> Row:
    """A row with what is known of it in one snapshot."""
    return replace(row, albums=albums, duplicates=duplicates) if albums or duplicates else row


def encode(row: Row) -> bytes:
    """A row as it is kept; its folder stands elsewhere."""
    members = [[_name(one.name), one.role, one.kind, one.size, one.digest.hex()] for one in row.members]
    value = [row.when, row.set_kind, row.set_kinds, row.place, row.region, to_map(row.facts), members]
    return _ENCODER.encode(value).encode(
        "utf-8", "surrogatepass"
    )  # a text of somebody's program may hold half a character


def opening(name: bytes) -> bytes:
    """How the members of a row begin as they are kept, if ``name`` is that of the first."""
    return f"[[{_ENCODER.encode(_name(name))},".encode("utf-8", "surrogatepass")


def decode(folder: bytes, data: bytes, number: int = 0) -> Row:
    """The row that ``encode`` made bytes of; ``number``: what it is kept under.

    Raises:
        RotError: it did not.
    """
    try:
        when, set_kind, set_kinds, place, region, facts, members = json.loads(data.decode("utf-8", "surrogatepass"))
        return Row(
            folder=folder,
            when=when,
            set_kind=set_kind,
            set_kinds=tuple(set_kinds),
            members=tuple(_read_member(*one) for one in members),
            facts=from_map(facts),
            place=place,
            region=region,
            number=number,
        )
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError) as error:
        raise RotError from error


def _read_member(name: str, role: str, kind: str, size: int, digest: str) -> Member:
    return Member(name=_raw(name), role=role, kind=kind, size=size, digest=bytes.fromhex(digest))


def _name(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
