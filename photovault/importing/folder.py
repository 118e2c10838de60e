"""A folder, such as a camera's card, into a library by date.

Every photo, video and sidecar below the folder is looked at; sets (RAW and JPEG, Live Photos, sidecars) stay together and
go by the date of their picture, or by the time of the file where it says none.  Names are kept.  Nothing is ever removed
from the source.

Guarantee: as ``plan`` and ``copying`` with ``verify`` give it: each file is in the library under its own name with the bytes
that were read, or is named.  Not guaranteed: that a card gave the right bytes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from photovault.importing.looking import look, own_date
from photovault.importing.plan import is_main, is_video
from photovault.importing.values import Incoming, Together, UnreadableError
from photovault.photos.rules import ALBUMS, is_media
from photovault.photos.sets import sets_of
from photovault.vault.format import shown

if TYPE_CHECKING:
    from photovault.facts import Facts
    from photovault.importing.template import Template
    from photovault.importing.values import Member, Part
    from photovault.model import Problem
    from photovault.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a folder holds: sets, how many files are no photos, and what could not be read."""

    sets: tuple[Together, ...]
    others: int
    problems: tuple[Problem, ...]


def look_through(part: Part, template: Template, progress: Progress) -> Found:
    """Look at every file of ``part`` and say where it belongs."""
    folders: dict[bytes, dict[bytes, tuple[Member, Facts]]] = defaultdict(dict)
    problems: list[Problem] = []
    others = 0
    for member, opening in part.walk():
        if not is_media(member.name) or member.name == ALBUMS:
            others += 1
            continue
        try:
            with opening() as stream:
                folders[member.folder][member.name] = (member, look(stream, member)[0])
        except UnreadableError as error:
            problems.append(error.problem)
        progress.advance(0, 0, shown(member.name))
    sets = [one for _, held in sorted(folders.items()) for one in _sets(held, template)]
    return Found(sets=tuple(sets), others=others, problems=(*problems, *part.problems))


def _sets(held: dict[bytes, tuple[Member, Facts]], template: Template) -> list[Together]:
    entries = [(name, held[name][1]) for name in sorted(held)]
    return [_together([held[name] for name, _ in one.members], template) for one in sets_of(entries)]


def _together(members: list[tuple[Member, Facts]], template: Template) -> Together:
    order = sorted(members, key=lambda one: (not is_main(one[0].name), is_video(one[0].name)))
    when = next(filter(None, (own_date(facts) for _, facts in order)), None)
    local = _modified(order[0][0]) if when is None else when.local
    files = [_incoming(member) for member, _ in order]
    return Together(folder=template.folder(local), files=tuple(files))


def _incoming(member: Member) -> Incoming:
    return Incoming(member=member, name=member.name, mtime_ns=member.mtime_ns, main=is_main(member.name))


def _modified(member: Member) -> datetime | None:
    try:
        return datetime.fromtimestamp(member.mtime_ns / 1e9)  # noqa: DTZ006 - folders are named by local time
    except (ValueError, OverflowError, OSError):
        return None
