"""Which files of a folder belong together: a photo with its RAW, its video, its edits and what was written about it.

1. Pictures of one stem are one set where one of them is a RAW file, or where their dates agree; stems are compared
   without regard to case, and pictures whose dates are days apart are not one photo, whatever their names.
2. A video joins the photo with its content identifier; without one, the photo of its stem, if it is as short as the
   video of a Live Photo or nobody knows how long it is.
3. An edited version (``IMG_E1234``, ``-edited``, ``~2``) joins its original; without the original it stands alone.
4. Photos with one burst identifier are one set.
5. A sidecar joins the file that its name names in full (``IMG_1.jpg.xmp``), else its stem; Takeout's notes follow
   ``takeout``.

A Motion Photo and an Ultra HDR picture are one file each and need no partner.  The set's facts are the primary's; what it
lacks comes from its sidecars, its RAW, its video, in this order, and a date that is better known goes before a vague one.

Guarantee: pure; every file is in exactly one set; the answer does not depend on the order of the files; time grows
linearly with their number.  Not guaranteed: that a name tells the truth: two unrelated files may share a stem.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from photovault.facts import NOTHING, PHOTO_KINDS, RAW_KINDS, SIDECAR_KINDS, VIDEO_KINDS, Facts
from photovault.photos import rules
from photovault.photos.takeout import json_of, original_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


class Role(StrEnum):
    """What a file is in its set."""

    PRIMARY = "primary"
    COPY = "copy"
    RAW = "raw"
    VIDEO = "video"
    EDITED = "edited"
    BURST = "burst"
    SIDECAR = "sidecar"


class SetKind(StrEnum):
    """What makes a set more than a file."""

    SINGLE = "single"
    RAW = "raw+jpeg"
    LIVE = "live"
    MOTION = "motion"
    BURST = "burst"
    EDITED = "edited"
    SIDECAR = "sidecar"


class Sort(StrEnum):
    """What a file is by itself: by its content where that is known, else by its extension."""

    PHOTO = "photo"
    RAW = "raw"
    VIDEO = "video"
    SIDECAR = "sidecar"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoSet:
    """Files that travel together.

    Attributes:
        kind: the first of burst, live, raw+jpeg, motion, edited that it is; sidecar for one whose photo is not there;
            else single.
        kinds: all that it is; ``sidecar`` is among them where it has one.
        members: names and roles, the primary first; all of one folder.
        facts: the primary's, filled from the others.
    """

    kind: SetKind
    kinds: frozenset[SetKind]
    members: tuple[tuple[bytes, Role], ...]
    facts: Facts

    @property
    def primary(self) -> bytes:
        """The name of the file that stands for the set."""
        return self.members[0][0]


ALIASES: Final = {"jpg": "jpeg", "heif": "heic", "hif": "heic", "tif": "tiff", "m4v": "mp4", "qt": "mov"}
"""The kinds of extensions that are called otherwise."""

_LIVE_MS = 4500  # a Live Photo's video has about three seconds
_PROXIES = frozenset(("lrv", "lrf"))  # small copies that a camera makes of its videos
_OF_VIDEOS = frozenset(("srt", "thm", "lrv", "lrf"))
_FIRST = ("heic", "jpeg")  # which of several pictures of one photo stands for it
_BURST_NAME = re.compile(r"BURST(\d{14,})", re.IGNORECASE)
_APPLE_ORIGINAL_EDITS = re.compile(r"\A([a-z]{2,4}_)o(\d{3,})")
_VERSION = re.compile(r"_\d{2}(?=\.[^.]+\Z)")  # darktable: IMG_1_01.nef.xmp belongs to IMG_1.nef
_GOPRO_LOW = re.compile(r"\Agl(?=\d{6})")  # GL010001.LRV belongs to GX010001.MP4 or GH010001.MP4
_MOST_STEPS = 8  # edits of edits
_MOST_ALIKE = 8  # files of one stem that are compared with each other
_ORDER = {role: place for place, role in enumerate(Role)}
_CONFIDENCE = {"high": 0, "medium": 1, "low": 2}


def sort_of(name: bytes, facts: Facts = NOTHING) -> Sort:
    """What the file ``name`` is."""
    extension = name.rpartition(b".")[2].lower() if b"." in name else b""
    if facts.kind in SIDECAR_KINDS or (extension in rules.SIDECARS and facts.kind in ("", "jpeg")):
        return Sort.SIDECAR
    if facts.kind in ("", "tiff") and extension in rules.RAW:
        return Sort.RAW  # most RAW formats are TIFF files
    for sort, kinds in ((Sort.PHOTO, PHOTO_KINDS), (Sort.VIDEO, VIDEO_KINDS), (Sort.RAW, RAW_KINDS)):
        if facts.kind in kinds:
            return sort
    for sort, extensions in ((Sort.PHOTO, rules.PHOTOS), (Sort.VIDEO, rules.VIDEOS)):
        if extension in extensions:
            return sort
    return Sort.SIDECAR if extension == b"json" and rules.is_media(name) else Sort.OTHER


def format_of(name: bytes, facts: Facts) -> str:
    """The format by content; by the extension where the content is not known."""
    extension = name.rpartition(b".")[2].lower().decode("ascii", "replace")
    return facts.kind or ALIASES.get(extension, extension)


def sets_of(entries: Sequence[tuple[bytes, Facts]]) -> list[PhotoSet]:
    """The sets that the files of one folder make, in the order of their primaries' names.

    Args:
        entries: name and facts of each file of the folder.
    """
    files = [_file(name, facts) for name, facts in sorted(entries, key=_order(entries))]
    companions = [file for file in files if file.is_companion]
    groups = _Groups([file for file in files if not file.is_companion])
    groups.join_videos()
    groups.join_edits()
    groups.join_bursts()
    alone = groups.join_sidecars(companions, _notes(files))
    made = [_set(group) for group in (*groups.all, *map(_alone, alone))]
    return sorted(made, key=lambda one: one.primary)


def _order(entries: Sequence[tuple[bytes, Facts]]) -> Callable[[tuple[bytes, Facts]], tuple[bytes, str]]:
    """By name; what damage shows twice, by all that is known."""
    if len({name for name, _ in entries}) == len(entries):
        return lambda entry: (entry[0], "")
    return lambda entry: (entry[0], repr(entry[1]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _File:
    name: bytes
    text: str
    stem: str  # both folded
    whole: str
    extension: str
    sort: Sort
    facts: Facts

    @property
    def is_picture(self) -> bool:
        return self.sort in (Sort.PHOTO, Sort.RAW)

    @property
    def is_companion(self) -> bool:
        return self.sort is Sort.SIDECAR or self.extension in _PROXIES


def _file(name: bytes, facts: Facts) -> _File:
    text = name.decode("utf-8", "surrogateescape")
    whole = _fold(text)
    stem, dot, extension = whole.rpartition(".")
    if not (dot and stem):
        stem, extension = whole, ""
    sort = sort_of(name, facts)
    return _File(name=name, text=text, stem=stem, whole=whole, extension=extension, sort=sort, facts=facts)


def _fold(name: str) -> str:
    """As names are compared: without regard to case, and to how a disk writes accents."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


@dataclass(slots=True, kw_only=True, eq=False)
class _Group:
    """A set in the making: its primary, and the others with their roles."""

    primary: _File
    others: list[tuple[_File, Role]] = field(default_factory=list)

    @property
    def files(self) -> Iterator[_File]:
        yield self.primary
        yield from (file for file, _ in self.others)

    def take(self, other: _Group, role: Role) -> None:
        """Take all of another group: its primary in a role, its sidecars as they are."""
        self.others.append((other.primary, role))
        for file, its in other.others:
            keeps = its is Role.SIDECAR or role is Role.BURST
            self.others.append((file, its if keeps else role))


class _Groups:
    """The groups of a folder, and the steps that join them."""

    def __init__(self, files: Sequence[_File]) -> None:
        by_stem: dict[str, list[_File]] = defaultdict(list)
        for file in files:
            by_stem[file.stem].append(file)
        self._by_stem = {stem: _of_one_stem(alike) for stem, alike in by_stem.items()}
        self.all = [group for groups in self._by_stem.values() for group in groups]

    def join_videos(self) -> None:
        """Videos that name their photo by content identifier, or as Pixel phones do (PXL_1.MP beside PXL_1.MP.jpg)."""
        photos: dict[str, _Group] = {}
        for group in self.all:
            for file in group.files:
                if file.is_picture and file.facts.content_id:
                    photos.setdefault(file.facts.content_id, group)
        moves = {}
        for group in self.all:
            if group.primary.sort is Sort.VIDEO:
                partner = photos.get(group.primary.facts.content_id or "") or self._pixel_photo(group.primary)
                if partner is not None:
                    moves[group] = partner
        self._join(moves, Role.VIDEO)

    def _pixel_photo(self, video: _File) -> _Group | None:
        groups = self._by_stem.get(video.whole, ()) if video.extension == "mp" else ()
        return next((group for group in groups if group.primary.is_picture), None)

    def join_edits(self) -> None:
        """Edited versions, and edits of them, to the first original."""
        moves = {}
        for group in self.all:
            origin = self._origin(group.primary.stem)
            if origin != group.primary.stem:
                original = _nearest(self._by_stem[origin][:_MOST_ALIKE], group)
                if original is not None:
                    moves[group] = original
        self._join(moves, Role.EDITED)

    def _origin(self, stem: str) -> str:
        """The stem of the first original that is there."""
        known, before = stem, original_of(stem)
        for _ in range(_MOST_STEPS):
            if before is None:
                break
            if before in self._by_stem:
                known = before
            before = original_of(before)
        return known

    def join_bursts(self) -> None:
        """Shots of one burst to its first."""
        first: dict[str, _Group] = {}
        moves = {}
        for group in sorted(self.all, key=lambda group: group.primary.name):
            if group.primary.is_picture and (burst := _burst(group.primary)):
                leader = first.setdefault(burst, group)
                if leader is not group:
                    moves[group] = leader
        self._join(moves, Role.BURST)

    def _join(self, moves: dict[_Group, _Group], role: Role) -> None:
        """Join groups that ``moves`` names; one whose target is to move itself stays, so that none is ever lost."""
        moved = {group: target for group, target in moves.items() if target not in moves}
        for group, target in moved.items():
            target.take(group, role)
        self.all = [group for group in self.all if group not in moved]
        if moved:
            self._by_stem = {
                stem: [moved.get(group, group) for group in groups] for stem, groups in self._by_stem.items()
            }

    def join_sidecars(self, companions: Iterable[_File], notes: dict[str, str]) -> list[_File]:
        """Sidecars to the files that they name; returns those that are left."""
        by_name: dict[str, _Group] = {}
        by_stem: dict[str, list[_Group]] = defaultdict(list)
        for group in self.all:
            for file in group.files:
                by_name.setdefault(file.whole, group)
                if group not in by_stem[file.stem][-1:]:
                    by_stem[file.stem].append(group)
        alone = []
        for file in companions:
            photo = notes.get(file.text)
            found = by_name.get(_fold(photo)) if photo is not None else _named(file, by_name, by_stem)
            if found is None:
                alone.append(file)
            else:
                found.others.append((file, Role.SIDECAR))
        return alone


def _of_one_stem(files: Sequence[_File]) -> list[_Group]:
    """The groups that files of one stem make, in the order of names."""
    if len(files) == 1:
        return [_Group(primary=files[0])]
    groups: list[_Group] = []
    pictures = sorted((file for file in files if file.is_picture), key=_rank)
    developed = any(file.sort is Sort.RAW for file in pictures)
    for file in pictures:
        same = next((group for group in groups[:_MOST_ALIKE] if _are_one(group.primary, file, developed)), None)
        of_raw = same is not None and same.primary.sort is Sort.RAW
        _place(groups, same, file, Role.RAW if file.sort is Sort.RAW and not of_raw else Role.COPY)
    for file in files:
        if file.is_picture:
            continue
        live = next((one for one in groups[:_MOST_ALIKE] if _is_live(one.primary, file)), None)
        _place(groups, live, file, Role.VIDEO)
    return groups


def _place(groups: list[_Group], group: _Group | None, file: _File, role: Role) -> None:
    if group is None:
        groups.append(_Group(primary=file))
    else:
        group.others.append((file, role))


def _rank(file: _File) -> tuple[bool, int, bytes]:
    """Which picture stands for a photo: a developed one before the RAW, HEIC and JPEG before others."""
    kind = format_of(file.name, file.facts)
    return file.sort is Sort.RAW, _FIRST.index(kind) if kind in _FIRST else len(_FIRST), file.name


def _are_one(primary: _File, other: _File, developed: bool) -> bool:  # noqa: FBT001 - one of three things to know
    """Whether two pictures of one stem are one photo."""
    one, two = primary.facts.taken, other.facts.taken
    if developed:
        return one is None or two is None or one[:10] == two[:10]
    return one is not None and two is not None and one[:19] == two[:19]


def _is_live(photo: _File, video: _File) -> bool:
    """Whether a video of the photo's stem is that of a Live Photo."""
    if not photo.is_picture or video.sort is not Sort.VIDEO:
        return False
    if photo.facts.content_id and video.facts.content_id:
        return photo.facts.content_id == video.facts.content_id
    return video.facts.duration is None or video.facts.duration <= _LIVE_MS


def _nearest(groups: Sequence[_Group], edited: _Group) -> _Group | None:
    """The group that an edited one may come from: of its kind, and of its extension if there is such a one."""
    kinds = (Sort.VIDEO,) if edited.primary.sort is Sort.VIDEO else (Sort.PHOTO, Sort.RAW)
    if edited.primary.sort not in kinds:
        return None
    alike = [group for group in groups if group.primary.sort in kinds and group is not edited]
    same = (group for group in alike if group.primary.extension == edited.primary.extension)
    return next(same, alike[0] if alike else None)


def _burst(file: _File) -> str:
    if file.facts.burst_id:
        return f"id {file.facts.burst_id}"
    found = _BURST_NAME.search(file.text)
    return f"name {found[1]}" if found else ""


def _named(file: _File, by_name: dict[str, _Group], by_stem: dict[str, list[_Group]]) -> _Group | None:
    """The group that a sidecar names: by a file's whole name, else by its stem, else as some programs write it."""
    for stem in _stems(file):
        if stem in by_name:
            return by_name[stem]
        if by_stem.get(stem):
            films = file.extension in _OF_VIDEOS
            return min(
                by_stem[stem][:_MOST_ALIKE], key=lambda group: (group.primary.is_picture is films, not _has_raw(group))
            )
    return None


def _stems(file: _File) -> Iterator[str]:
    yield file.stem
    yield _VERSION.sub("", file.stem)
    yield _APPLE_ORIGINAL_EDITS.sub(r"\1\2", file.stem)
    yield from (_GOPRO_LOW.sub(high, file.stem) for high in ("gx", "gh", "gp"))
    if (original := original_of(file.stem)) is not None:
        yield original


def _has_raw(group: _Group) -> bool:
    return any(file.sort is Sort.RAW for file in group.files)


def _notes(files: Sequence[_File]) -> dict[str, str]:
    """The photo of each of Takeout's notes: of several, the one that is not an edit, then the first by name."""
    names = [file.text for file in files if file.sort is not Sort.SIDECAR or file.extension == "json"]
    titles = {file.text: file.facts.title for file in files if file.facts.kind == "takeout" and file.facts.title}
    photos: dict[str, list[str]] = defaultdict(list)
    if any(file.extension == "json" for file in files):
        for photo, name in json_of(names, titles).items():
            photos[name].append(photo)
    return {name: min(found, key=lambda photo: (not name.startswith(photo), photo)) for name, found in photos.items()}


def _alone(file: _File) -> _Group:
    return _Group(primary=file)


def _set(group: _Group) -> PhotoSet:
    if not group.others and group.primary.sort is not Sort.SIDECAR and not group.primary.facts.motion:
        return _single(group.primary)
    others = sorted(group.others, key=lambda other: (_ORDER[other[1]], other[0].name))
    kinds = frozenset(_kinds(group.primary, [role for _, role in others]))
    return PhotoSet(
        kind=next(kind for kind in _PRECEDENCE if kind in kinds),
        kinds=kinds,
        members=((group.primary.name, Role.PRIMARY), *((file.name, role) for file, role in others)),
        facts=_merged(group.primary.facts, others) if others else group.primary.facts,
    )


def _single(file: _File) -> PhotoSet:
    """What most files are."""
    return PhotoSet(kind=SetKind.SINGLE, kinds=_SINGLE, members=((file.name, Role.PRIMARY),), facts=file.facts)


_SINGLE: Final = frozenset((SetKind.SINGLE,))
_PRECEDENCE: Final = (
    *(SetKind.BURST, SetKind.LIVE, SetKind.RAW, SetKind.MOTION, SetKind.EDITED, SetKind.SINGLE, SetKind.SIDECAR),
)
_BY_ROLE: Final = {
    Role.BURST: SetKind.BURST,
    Role.VIDEO: SetKind.LIVE,
    Role.RAW: SetKind.RAW,
    Role.EDITED: SetKind.EDITED,
    Role.SIDECAR: SetKind.SIDECAR,
}


def _kinds(primary: _File, roles: Sequence[Role]) -> Iterator[SetKind]:
    found = {_BY_ROLE[role] for role in roles if role in _BY_ROLE}
    if primary.facts.motion:
        found.add(SetKind.MOTION)
    yield from found
    if not roles and primary.sort is Sort.SIDECAR:
        yield SetKind.SIDECAR
    elif found <= {SetKind.SIDECAR}:
        yield SetKind.SINGLE


# Facts --------------------------------------------------------------------------------------------------------------

_TOGETHER: Final = (
    *(("latitude", "longitude", "altitude"), ("make", "model"), ("lens",), ("title",), ("description",)),
    *(("keywords",), ("rating",), ("content_id",), ("burst_id",)),
)
_SOURCES: Final = (Role.SIDECAR, Role.RAW, Role.VIDEO, Role.COPY)


def _merged(primary: Facts, others: Sequence[tuple[_File, Role]]) -> Facts:
    """The primary's facts, filled from the others; what is known of one place, camera or date stays together."""
    sources = [file.facts for role in _SOURCES for file, its in others if its is role]
    filled: dict[str, Any] = {}
    for names in _TOGETHER:
        source = primary if _knows(primary, names[0]) else next((one for one in sources if _knows(one, names[0])), None)
        if source is not None and source is not primary:
            filled |= {name: getattr(source, name) for name in names}
    best = min((primary, *sources), key=_vagueness)
    if best is not primary and best.taken is not None:
        filled |= {"taken": best.taken, "taken_source": best.taken_source, "taken_confidence": best.taken_confidence}
    return replace(primary, **filled) if filled else primary


def _knows(facts: Facts, name: str) -> bool:
    """Whether a fact is known; cameras write a rating of 0 for none, and the title in Takeout's notes is a file name."""
    return bool(getattr(facts, name)) and not (name == "title" and facts.kind == "takeout")


def _vagueness(facts: Facts) -> int:
    known = facts.taken is not None
    return _CONFIDENCE.get(facts.taken_confidence or "", len(_CONFIDENCE)) if known else len(_CONFIDENCE) + 1
