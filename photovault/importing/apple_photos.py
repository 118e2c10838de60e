"""A library of Apple Photos: originals, edited versions, Live Photos, albums and favourites, without changing it.

``database/Photos.sqlite`` and its log are copied to a private folder first and read there, so that nothing in the library is
opened for writing and what Photos wrote last is seen.  Of the schema, which every version of macOS changes, only what is
needed is asked for, and only after looking whether it is there:

    ZASSET (before macOS 11: ZGENERICASSET)   a photo: ZUUID, ZDIRECTORY and ZFILENAME below originals/, ZDATECREATED (seconds
                                              since 2001 UTC), ZFAVORITE, ZTRASHEDSTATE, ZHASADJUSTMENTS or ZADJUSTMENTSSTATE
    ZADDITIONALASSETATTRIBUTES                ZORIGINALFILENAME, ZTIMEZONEOFFSET (seconds), by ZASSET
    ZGENERICALBUM                             ZTITLE; ZKIND 2 is an album that somebody made, 4000 a folder (ZPARENTFOLDER)
    Z_26ASSETS ... Z_33ASSETS                 which photo is in which album: Z_<n>ALBUMS, Z_<m>ASSETS

Files: ``originals/X/UUID.heic``, the video of a Live Photo ``UUID_3.mov``, a RAW beside a JPEG ``UUID_4.dng``; edited versions
``resources/renders/X/UUID_1_201_a.jpeg`` (or ``.heic``), of a video ``UUID_2_0_a.mov``, of a Live Photo's video
``UUID_2_100_a.mov``.  (The wiki of the project osxphotos describes them.)  They get the names that they had when they were
taken, the edited ones ``-edited`` behind.  Favourites become the album ``Favourites``: a star is no rating, and an album is what
Photos shows them in.

Guarantee: the library is only read; every photo of it is imported, or named: in iCloud only, elsewhere on the disk (a
referenced file), in somebody's shared album, or counted as in the trash.  Not kept: titles, captions, keywords and faces,
which Photos holds in its database; ``File > Export`` writes the first three.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photovault.database import open_foreign
from photovault.errors import RefusedError, UsageError
from photovault.importing import albums
from photovault.importing.plan import is_main
from photovault.importing.values import Incoming, Together
from photovault.photos.rules import is_media
from photovault.vault.format import shown

if TYPE_CHECKING:
    from photovault.database import Foreign
    from photovault.importing.disk import FilesPart
    from photovault.importing.template import Template
    from photovault.importing.values import Member

_DATABASE = ("database", "Photos.sqlite")
_OLD_DATABASE = ("database", "photos.db")
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_NS = 1_000_000_000
_TRIES = 3
_ALBUM, _FOLDER = 2, 4000
_DEEPEST = 16
_REFERENCED = 10
_UUID = re.compile(r"[0-9A-Za-z-]{1,64}")
_JOIN = re.compile(r"Z_\d+ASSETS")
_ALIKE = frozenset({b"jpg", b"jpeg"})
_COLUMNS = (
    *("ZUUID", "ZDIRECTORY", "ZFILENAME", "ZDATECREATED", "ZFAVORITE", "ZTRASHEDSTATE", "ZSAVEDASSETTYPE"),
    *("ZCLOUDBATCHPUBLISHDATE", "ZHASADJUSTMENTS", "ZADJUSTMENTSSTATE"),
)
_NEEDED = frozenset({"Z_PK", "ZUUID", "ZDIRECTORY", "ZFILENAME"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A photo of the library, as its database has it; times in seconds since 2001 UTC."""

    uuid: str
    folder: str
    file: str
    name: str
    created: float | None
    offset: int
    favourite: bool
    trashed: bool
    referenced: bool
    shared: bool
    edited: bool
    albums: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleLibrary:
    """What is to be imported, and what is not on this disk.

    Attributes:
        cloud: names of originals that are in iCloud only.
        cloud_edits: names of photos whose edited version is in iCloud only.
        referenced: names of files that the library only points at.
        shared: names of photos of shared albums.
        trashed: how many were left out because they are in the trash.
    """

    sets: tuple[Together, ...]
    cloud: tuple[str, ...]
    cloud_edits: tuple[str, ...]
    referenced: tuple[str, ...]
    shared: tuple[str, ...]
    trashed: int


def read_assets(root: Path, scratch: Path) -> list[Asset]:
    """Every photo that the database of the library at ``root`` names, the oldest first.

    Args:
        root: the folder ``*.photoslibrary``.
        scratch: where a private copy of the database may lie for a while.

    Raises:
        UsageError: there is no library there.
        RefusedError: it may not be read, or is of a version that is not known.
        DamageError: its database is damaged.
    """
    if not root.joinpath(*_DATABASE).is_file():
        raise _no_library(root)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="photos-") as folder:
        copy = _copy_database(root.joinpath(*_DATABASE), Path(folder))
        with open_foreign(copy) as db:
            return _assets(db)


def _no_library(root: Path) -> UsageError:
    place = shown(os.fsencode(root))
    if root.joinpath(*_OLD_DATABASE).is_file():
        hint = "open it once with a newer Photos, which brings it up to date"
        return UsageError(f"{place} was made by Photos 4 or older (before macOS 10.15)", hint)
    return UsageError(f"{place} is no library of Apple Photos", "name the folder that ends in .photoslibrary")


def _copy_database(database: Path, folder: Path) -> Path:
    """Copy the database and its log as they belong together: as long as either changes meanwhile, once more."""
    sources = [database, database.with_name(f"{database.name}-wal")]
    try:
        for _ in range(_TRIES):
            before = [_stamp(one) for one in sources]
            for one in sources:
                (folder / one.name).unlink(missing_ok=True)
                if one.is_file():
                    shutil.copyfile(one, folder / one.name)
            if before == [_stamp(one) for one in sources]:
                return folder / database.name
    except OSError as error:
        hint = "on a Mac, give your terminal Full Disk Access in the privacy settings"
        place = shown(os.fsencode(error.filename or database))
        raise RefusedError(f"cannot read {place}: {error.strerror}", hint) from error
    raise RefusedError("Photos is changing its database", "quit Photos, then run the same command again")


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        info = path.stat()
    except FileNotFoundError:
        return None
    return info.st_size, info.st_mtime_ns


def _assets(db: Foreign) -> list[Asset]:
    table = next((name for name in ("ZASSET", "ZGENERICASSET") if db.columns(name) >= _NEEDED), None)
    if table is None:
        raise _unknown("it has no table of photos")
    known = db.columns(table)
    more = db.columns("ZADDITIONALASSETATTRIBUTES")
    names = more >= {"ZASSET", "ZORIGINALFILENAME"}
    wanted = [f"a.{one}" if one in known else "NULL" for one in _COLUMNS]
    wanted += [
        "m.ZORIGINALFILENAME" if names else "NULL",
        "m.ZTIMEZONEOFFSET" if names and "ZTIMEZONEOFFSET" in more else "0",
    ]
    join = "LEFT JOIN ZADDITIONALASSETATTRIBUTES m ON m.ZASSET = a.Z_PK" if names else ""
    in_albums = _albums(db)
    rows = db.rows(f"SELECT a.Z_PK, {', '.join(wanted)} FROM {table} a {join}")  # noqa: S608 - names from above
    found = [_asset(row, in_albums) for row in rows]
    return sorted(filter(None, found), key=lambda one: (one.created or 0, one.uuid))


def _unknown(what: str) -> RefusedError:
    hint = "export from Photos (File > Export > Export Unmodified Originals), and use `import folder`"
    return RefusedError(f"this version of Photos is not known: {what}", hint)


def _asset(row: tuple[Any, ...], in_albums: dict[Any, tuple[str, ...]]) -> Asset | None:
    key, uuid, folder, file, created, favourite, trashed, saved, shared, adjusted, state, name, offset = row
    if not isinstance(uuid, str) or not _UUID.fullmatch(uuid) or not isinstance(file, str) or not file:
        return None
    return Asset(
        uuid=uuid,
        folder=folder if isinstance(folder, str) else uuid[0],
        file=file,
        name=name if isinstance(name, str) and name else file,
        created=float(created) if isinstance(created, (int, float)) else None,
        offset=offset if isinstance(offset, int) else 0,
        favourite=bool(favourite),
        trashed=bool(trashed),
        referenced=saved == _REFERENCED or (isinstance(folder, str) and folder.startswith("/")),
        shared=shared is not None,
        edited=bool(adjusted or state),
        albums=in_albums.get(key, ()),
    )


def _albums(db: Foreign) -> dict[Any, tuple[str, ...]]:
    """Names of the albums that each photo is in, by the photo's key."""
    known = db.columns("ZGENERICALBUM")
    join = _join_table(db)
    if not known >= {"Z_PK", "ZTITLE", "ZKIND"} or join is None:
        raise _unknown("its albums are not where they should be")
    optional = [one if one in known else "NULL" for one in ("ZPARENTFOLDER", "ZTRASHEDSTATE")]
    rows = db.rows(f"SELECT Z_PK, ZTITLE, ZKIND, {', '.join(optional)} FROM ZGENERICALBUM")  # noqa: S608 - as above
    made = {row[0]: row[1:] for row in rows}
    names = {key: _album_name(key, made) for key, one in made.items() if one[1] == _ALBUM and not one[3] and one[0]}
    table, album, asset = join
    found: dict[Any, list[str]] = defaultdict(list)
    for key, photo in db.rows(f"SELECT {album}, {asset} FROM {table}"):  # noqa: S608 - names that matched a pattern
        if key in names:
            found[photo].append(names[key])
    return {photo: tuple(sorted(set(each))) for photo, each in found.items()}


def _join_table(db: Foreign) -> tuple[str, str, str] | None:
    """The table that joins albums and photos, and its two columns: their numbers differ by version."""
    for table in filter(_JOIN.fullmatch, db.tables()):
        columns = db.columns(table)
        album = next((one for one in sorted(columns) if re.fullmatch(r"Z_\d+ALBUMS", one)), None)
        asset = next((one for one in sorted(columns) if re.fullmatch(r"Z_\d+ASSETS", one)), None)
        if album and asset:
            return table, album, asset
    return None


def _album_name(key: object, made: dict[Any, tuple[Any, ...]]) -> str:
    """The album's title behind those of the folders that it is in, joined by ``/``."""
    titles: list[str] = []
    for _ in range(_DEEPEST):
        title, kind, parent, _ = made.get(key, (None, None, None, None))
        if not title or kind not in (_ALBUM, _FOLDER):
            break
        titles.append(str(title))
        key = parent
    return "/".join(reversed(titles))


def gather(assets: list[Asset], part: FilesPart, template: Template, *, trash: bool) -> AppleLibrary:
    """List the files of ``assets`` in ``part``, and say where each belongs and what is not there."""
    missing: dict[str, list[str]] = defaultdict(list)
    sets: list[Together] = []
    trashed = 0
    disk = _Disk(part)
    for one in assets:
        if one.trashed and not trash:
            trashed += 1
            continue
        files = _files(one, disk, missing)
        if files:
            more = (albums.FAVOURITES,) if one.favourite else ()
            sets.append(Together(folder=template.folder(_local(one)), files=tuple(files), albums=(*one.albums, *more)))
    lists = {name: tuple(missing[name]) for name in ("cloud", "cloud_edits", "referenced", "shared")}
    return AppleLibrary(sets=tuple(sets), trashed=trashed, **lists)


class _Disk:
    """The folders of the library, each listed once."""

    def __init__(self, part: FilesPart) -> None:
        self._part = part
        self._names: dict[str, dict[str, list[tuple[str, bytes]]]] = {}

    def of(self, folder: str, stem: str) -> list[tuple[str, Member]]:
        """The files of one photo in ``folder``, a path below the library, each with what its name adds to ``stem``."""
        if folder not in self._names:
            self._names[folder] = self._listed(folder)
        added = (
            (suffix, self._part.add(os.fsencode(folder), name)) for suffix, name in self._names[folder].get(stem, ())
        )
        return [(suffix, member) for suffix, member in added if member is not None]

    def _listed(self, folder: str) -> dict[str, list[tuple[str, bytes]]]:
        found: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
        for name in self._part.names(os.fsencode(folder)):
            stem = os.path.splitext(name.decode("utf-8", "surrogateescape"))[0]
            suffix = next(filter(stem.endswith, _SUFFIXES), "")
            found[stem.removesuffix(suffix)].append((suffix, name))
        return found


_BESIDE = ("_3", "_4")  # the video of a Live Photo, a RAW
_RENDERS = ("_1_201_a", "_2_0_a", "_2_100_a")
_SUFFIXES = (*_BESIDE, *_RENDERS)


def _files(one: Asset, disk: _Disk, missing: dict[str, list[str]]) -> list[Incoming]:
    """What there is of one photo on the disk; what is not there is noted in ``missing``."""
    stem = one.name.rpartition(".")[0] or one.name
    originals = [] if one.referenced else disk.of(f"originals/{one.folder}", os.path.splitext(one.file)[0])
    found = [
        _incoming(one, member, _named(stem, member) if suffix else _original_name(one, member))
        for suffix, member in originals
        if suffix not in _RENDERS and is_media(member.name)
    ]
    if not any(not suffix and is_main(member.name) for suffix, member in originals):
        kind = "referenced" if one.referenced else "shared" if one.shared else "cloud"
        missing[kind].append(shown(os.fsencode(one.name)))
    edits = disk.of(f"resources/renders/{one.uuid[0]}", one.uuid) if one.edited else []
    shots = [_incoming(one, member, _named(f"{stem}-edited", member)) for suffix, member in edits if suffix in _RENDERS]
    if one.edited and not shots:
        missing["cloud_edits"].append(shown(os.fsencode(one.name)))
    return found + shots


def _original_name(one: Asset, member: Member) -> bytes:
    """The name that the photo had, with the extension that its file has."""
    name = os.fsencode(one.name.rpartition("/")[2] or one.name)
    had, has = name.rpartition(b".")[2].lower(), member.name.rpartition(b".")[2].lower()
    if had == has or {had, has} <= _ALIKE:
        return name
    return _named(one.name.rpartition("/")[2].rpartition(".")[0] or one.name, member)


def _named(stem: str, member: Member) -> bytes:
    return os.fsencode(stem.rpartition("/")[2]) + b"." + member.name.rpartition(b".")[2]


def _incoming(one: Asset, member: Member, name: bytes) -> Incoming:
    created = _created(one)
    mtime_ns = member.mtime_ns if created is None else int(created.timestamp()) * _NS
    return Incoming(member=member, name=name, mtime_ns=mtime_ns, main=is_main(member.name))


def _created(one: Asset) -> datetime | None:
    try:
        return None if one.created is None else _EPOCH + timedelta(seconds=one.created)
    except (OverflowError, ValueError):
        return None


def _local(one: Asset) -> datetime | None:
    """When it was taken, on a clock at that place."""
    created = _created(one)
    try:
        return None if created is None else (created + timedelta(seconds=one.offset)).replace(tzinfo=None)
    except OverflowError:
        return None
