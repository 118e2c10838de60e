"""Google Takeout: photos of several archives and folders at once, with their dates, notes and albums.

1. ``survey`` walks every part: it looks at each photo (its own date), reads each JSON (title, date, favourite, trash), and
   remembers album names from the JSON that describes a folder.  Folders of the same name in several parts are one folder:
   Takeout puts a photo and its notes into different archives.
2. ``gather`` joins photos and notes by the title rules of ``photos.takeout`` and puts together what belongs together: all
   files that share notes, and the sets of ``photos.sets``.  The whole set goes by the date of its picture: the photo's own,
   else that of the notes.
3. ``plan_import`` and ``run_copies`` do the rest, photos of albums once.

The time of a copied file is the instant in the notes, else the photo's own; bytes are never changed.  The notes lie beside
their photo as ``<photo>.json``, so that title, place and date in them are found by whoever looks later.

Guarantee: every photo of the parts is copied, is there already, is a twin, was left in the trash, or is named among the
problems.  Photos without notes and notes without a photo are named.  Not guaranteed: parts of two accounts at once are told apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING

from photovault.importing import albums
from photovault.importing.copying import PIECE, digest_of
from photovault.importing.looking import When, look, own_date
from photovault.importing.plan import is_main, is_video
from photovault.importing.values import Incoming, Key, Together, UnreadableError
from photovault.photos.rules import is_media
from photovault.photos.sets import sets_of
from photovault.photos.takeout import json_of, original_of
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from photovault.facts import Facts
    from photovault.importing.template import Template
    from photovault.importing.values import Member, Opening, Part
    from photovault.model import Problem
    from photovault.progress import Progress

_NOTES_MAX = 1024 * 1024
_TITLE_MAX = 4096
_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = re.compile(
    r"(?:photos|pictures|fotos|foto|foton|foto's|billeder|bilder|kuvat|zdjęcia|fotky|fotografie|фото|фотографии) "
    r"(?:from|von|de|del|dal|do|uit|från|fra|z|ze|vuodelta|за|от) (?:19|20)\d\d|"
    r"(?:19|20)\d\d ?(?:年の写真|年的照片|年的相片|년의? 사진| fotoğraf\w*)",
    re.IGNORECASE,
)
_ARCHIVE = frozenset(
    (
        *("archive", "archiv", "archivé", "archivo", "archivio", "archief", "archiwum", "arquivo", "arkiv", "arkisto"),
        *("архив", "アーカイブ", "归档", "failed videos"),
    )
)
_PRODUCT = re.compile(rb"(?:.*/)?Google [^/]+/[^/]+", re.DOTALL)
_TRASH = frozenset(
    (
        *("trash", "bin", "papierkorb", "corbeille", "papelera", "lixeira", "cestino", "prullenbak", "kosz"),
        *("papperskorgen", "papirkurv", "корзина", "ごみ箱", "回收站"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What notes say: seconds since 1970 UTC, or None; ``album``: they describe a folder of this title."""

    title: str = ""
    taken: int | None = None
    favourite: bool = False
    trashed: bool = False
    album: bool = False


def read_note(data: bytes) -> Note | None:
    """Read notes of a photo or an album; None for any other JSON, and for what is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    inner = value.get("albumData")
    title = (inner if isinstance(inner, dict) else value).get("title")
    title = title[:_TITLE_MAX] if isinstance(title, str) else ""
    if isinstance(value.get("photoTakenTime"), dict):
        return Note(
            title=title,
            taken=_seconds(value["photoTakenTime"].get("timestamp")),
            favourite=value.get("favorited") is True,
            trashed=value.get("trashed") is True,
        )
    is_album = bool(title) and not {"url", "imageViews", "creationTime"} & value.keys()
    return Note(title=title, album=True) if is_album else None


def _seconds(value: object) -> int | None:
    try:
        seconds = int(value) if isinstance(value, (str, int)) else None
        return None if seconds is None or not _EPOCH + timedelta(seconds=seconds) else seconds
    except (ValueError, OverflowError):
        return None


@dataclass(slots=True, kw_only=True)
class Folder:
    """What one folder of the Takeout holds, over all parts.  Several members may have one name.

    ``inner``: it lies where Takeout has its years and albums, in ``Google Photos``, ``Google Fotos`` ...
    """

    photos: dict[Key, tuple[Member, Facts, bytes]] = field(default_factory=dict)
    notes: dict[Key, tuple[Member, Note, bytes]] = field(default_factory=dict)
    album: str = ""
    inner: bool = False


@dataclass(slots=True, kw_only=True)
class Survey:
    """Everything that was found: folders by name, how many files are no photos, what could not be read."""

    folders: defaultdict[bytes, Folder] = field(default_factory=lambda: defaultdict(Folder))
    others: int = 0
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What is to be imported, and what did not match.

    Attributes:
        sets: in the order of folders and names; those with notes before the others, so that of two copies the one with
            notes is taken; those of years before those of albums.
        bare: photos without notes.
        lonely: notes without a photo.
        trashed: how many photos were left out because they are in the trash.
    """

    sets: tuple[Together, ...]
    bare: tuple[str, ...]
    lonely: tuple[str, ...]
    trashed: int


def survey(parts: Sequence[Part], progress: Progress) -> Survey:
    """Look at every file of every part."""
    found = Survey()
    for part in parts:
        try:
            for member, opening in part.walk():
                _take(found, part, member, opening)
                progress.advance(0, 0, shown(member.name))
        except UnreadableError as error:
            found.problems.append(error.problem)
        found.problems += part.problems
    return found


def _take(found: Survey, part: Part, member: Member, opening: Callable[[], Opening]) -> None:
    folder = member.folder.rpartition(b"/")[2]
    try:
        if member.name.lower().endswith(b".json"):
            _take_notes(found, folder, member, opening)
        elif is_media(member.name):
            with opening() as stream:
                facts, front = look(stream, member)
                digest = b"" if part.again else digest_of(stream, front)
            found.folders[folder].photos[member.key] = (member, facts, digest)
            found.folders[folder].inner |= _PRODUCT.fullmatch(member.folder) is not None
        else:
            found.others += 1
    except UnreadableError as error:
        found.problems.append(error.problem)


def _take_notes(found: Survey, folder: bytes, member: Member, opening: Callable[[], Opening]) -> None:
    if member.size > _NOTES_MAX:
        found.others += 1
        return
    with opening() as stream:
        data = b"".join(iter(lambda: stream.read(PIECE), b""))
    note = read_note(data)
    if note is None:
        found.others += 1
    elif note.album:
        found.folders[folder].album = found.folders[folder].album or note.title
    else:
        found.folders[folder].notes[member.key] = (member, note, hashlib.sha256(data).digest())


def gather(found: Survey, template: Template, *, trash: bool) -> Gathered:
    """Join photos and notes, and say where each set belongs.  Pure."""
    noted: list[Together] = []
    others: list[Together] = []
    bare: list[str] = []
    lonely: list[str] = []
    trashed = 0
    for name in sorted(found.folders, key=lambda name: (bool(_album(name, found.folders[name])), name)):
        joined = _Joined(name, found.folders[name], template)
        used: set[Key] = set()
        for one in joined.groups:
            if not trash and (_in_trash(name) or joined.is_trashed(one)):
                trashed += len(one)
            else:
                (noted if joined.is_noted(one) else others).append(joined.together(one, used))
        bare += joined.bare
        lonely += joined.lonely
    return Gathered(sets=(*noted, *others), bare=tuple(bare), lonely=tuple(lonely), trashed=trashed)


def _in_trash(folder: bytes) -> bool:
    return _text(folder).lower() in _TRASH


def _album(name: bytes, folder: Folder) -> str:
    """The album that a folder stands for: by its notes, or where those are missing by its name; a year is none."""
    text = _text(name)
    is_plain = not folder.inner or text.lower() in _ARCHIVE or _in_trash(name)
    title = folder.album or ("" if is_plain else text)
    return "" if _YEARS.fullmatch(title) or _YEARS.fullmatch(text) else title


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


class _Joined:
    """The photos of one folder with their notes.  Where two files have one name, each has a turn of its own."""

    def __init__(self, name: bytes, folder: Folder, template: Template) -> None:
        self._folder = folder
        self._template = template
        self._album = _album(name, folder)
        notes = {_text(member.name): key for key, (member, _, _) in reversed(folder.notes.items())}
        titles = {_text(member.name): note.title for member, note, _ in folder.notes.values()}
        photos = {key: _text(member.name) for key, (member, _, _) in folder.photos.items()}
        found = json_of(dict.fromkeys((*notes, *photos.values())), titles)
        self._note_of = {key: notes[found[name]] for key, name in photos.items() if name in found}
        self.groups = _components(self._links())
        self.bare = [
            folder.photos[key][0].where
            for group in self.groups
            if not self.is_noted(group)
            for key in group
            if is_main(folder.photos[key][0].name)
        ]
        used = set(found.values())
        self.lonely = [one.where for one, _, _ in folder.notes.values() if _text(one.name) not in used]

    def _links(self) -> list[tuple[Key, object]]:
        """Each photo with its set, and with its notes."""
        turns: Counter[bytes] = Counter()
        turn: dict[Key, int] = {}
        for key, (member, _, _) in self._folder.photos.items():
            turn[key] = turns[member.name]
            turns[member.name] += 1
        entries = {member.name: facts for member, facts, _ in reversed(self._folder.photos.values())}
        sets = sets_of(sorted(entries.items(), key=itemgetter(0)))
        number = {name: index for index, one in enumerate(sets) for name, _ in one.members}
        links: list[tuple[Key, object]] = [
            (key, (number[member.name], turn[key])) for key, (member, _, _) in self._folder.photos.items()
        ]
        return links + [(key, (note, turn[key])) for key, note in self._note_of.items()]

    def is_noted(self, group: list[Key]) -> bool:
        """Whether Google says anything of these photos."""
        return any(key in self._note_of for key in group)

    def is_trashed(self, group: list[Key]) -> bool:
        return any(self._note(key).trashed for key in group)

    def together(self, group: list[Key], used: set[Key]) -> Together:
        """The files of one set under the names and dates that they get; notes go with the first who has them."""
        order = sorted(group, key=self._rank)
        files = [self._incoming(key) for key in order]
        for key in order:
            note = self._note_of.get(key)
            if note is not None and note not in used:
                used.add(note)
                files.append(self._notes(note, self._folder.photos[key][0]))
        when = self._when(order)
        favourite = any(self._note(key).favourite for key in group)
        return Together(
            folder=self._template.folder(when),
            files=tuple(files),
            albums=(*filter(None, [self._album]), *((albums.FAVOURITES,) if favourite else ())),
        )

    def _rank(self, key: Key) -> tuple[bool, bool, bool, bytes]:
        """Pictures before videos, originals before edited ones."""
        member = self._folder.photos[key][0]
        stem = _text(member.name).rpartition(".")[0]
        return not is_main(member.name), is_video(member.name), original_of(stem) is not None, member.name

    def _note(self, key: Key) -> Note:
        note = self._note_of.get(key)
        return Note() if note is None else self._folder.notes[note][1]

    def _when(self, order: list[Key]) -> datetime | None:
        facts = [self._folder.photos[key][1] for key in order]
        own = next(filter(None, (own_date(one, names=False) for one in facts)), None)
        if own is not None:
            return own.local
        noted = [note.taken for note in map(self._note, order) if note.taken is not None]
        if noted:
            return (_EPOCH + timedelta(seconds=noted[0])).replace(tzinfo=None)
        named = next(filter(None, map(own_date, facts)), None)
        return None if named is None else named.local

    def _incoming(self, key: Key) -> Incoming:
        member, facts, digest = self._folder.photos[key]
        mtime_ns = self._mtime(key, own_date(facts), member)
        return Incoming(member=member, name=member.name, mtime_ns=mtime_ns, digest=digest, main=is_main(member.name))

    def _mtime(self, key: Key, own: When | None, member: Member) -> int:
        noted = self._note(key).taken
        if noted is not None:
            return noted * _NS
        return member.mtime_ns if own is None else own.mtime_ns

    def _notes(self, note: Key, photo: Member) -> Incoming:
        member, said, digest = self._folder.notes[note]
        mtime_ns = member.mtime_ns if said.taken is None else said.taken * _NS
        name = photo.name + b".json"
        return Incoming(member=member, name=name, mtime_ns=mtime_ns, digest=digest, main=False, rewritten=True)


def _components(links: Sequence[tuple[Key, object]]) -> list[list[Key]]:
    """Keys that share a mark, with one another or through others."""
    leader: dict[object, object] = {}

    def find(one: object) -> object:
        while leader.setdefault(one, one) != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    for key, mark in links:
        leader[find(("mark", mark))] = find(key)
    groups: dict[object, list[Key]] = defaultdict(list)
    for key in dict.fromkeys(key for key, _ in links):
        groups[find(key)].append(key)
    return list(groups.values())
