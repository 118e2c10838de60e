"""The values that everything speaks of: frozen, compared by content, free of I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from photovault.facts import NOTHING, Facts


class EntryKind(StrEnum):
    """What an entry of a listing is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name in a folder, as a snapshot keeps it.

    Attributes:
        name: raw bytes of the name, no slash.
        mode: permission bits (0 to 0o7777).
        mtime_ns: modification time, nanoseconds since 1970 UTC, may be negative.
        size: bytes of the file; for a folder, of all files below it.
        files: how many files are below a folder.
        digest: SHA-256 of the whole file (32 bytes), empty for folders and links.
        parts: part ids (32 bytes each) of the content, or of the listing pages of a folder.
        target: what a symbolic link points at.
        facts: what is known of a photo or video.
        xattrs: extended attributes, sorted by name.
        unsettled: the file changed while it was read, each time.
    """

    name: bytes
    kind: EntryKind
    mode: int
    mtime_ns: int
    size: int = 0
    files: int = 0
    digest: bytes = b""
    parts: tuple[bytes, ...] = ()
    target: bytes = b""
    facts: Facts = NOTHING
    xattrs: tuple[tuple[str, bytes], ...] = ()
    unsettled: bool = False

    @property
    def needed(self) -> tuple[bytes, ...]:
        """Every part that must be there for the entry to be whole: its content's, and its thumbnail."""
        return (*self.parts, self.facts.thumbnail) if self.facts.thumbnail else self.parts


INODE_MASK = (1 << 63) - 1
"""Inodes are kept in 63 bits, the most that a database takes: network and union file systems use all 64."""

DOUBTFUL = -1
"""As the change time of a ``Stamp``: no file has it, so what was kept under it is read again, whatever its name."""


class Stamp(NamedTuple):
    """What tells an unchanged file: name, inode, size, modification and change time in nanoseconds."""

    name: bytes
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One configured folder inside a snapshot: its label is the name of its top entry."""

    label: str
    path: str
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much a snapshot holds."""

    files: int = 0
    folders: int = 0
    links: int = 0
    size: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Sum, field by field."""
        return Counts(
            files=self.files + other.files,
            folders=self.folders + other.folders,
            links=self.links + other.links,
            size=self.size + other.size,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest snapshot of a device that was seen at one storage: what was there once, must be there.

    Attributes:
        storage: address without secrets; of a folder, ``file://HOST/PATH``, because a path means one computer's disk.
        device_id: 16 bytes.
        number: of the snapshot.
        snapshot: object digest (32 bytes).
    """

    storage: str
    device_id: bytes
    number: int
    snapshot: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One run of one device.

    Attributes:
        device_id: 16 bytes, random, made once per device and vault.
        number: 1, 2, 3 ... per device, over all storages that hold the vault.
        time: UTC, ISO 8601 with microseconds and Z.
        previous: object digest (32 bytes) of the device's snapshot before, None for its first.
        root: listing pages of the top listing, whose entries are the sources.
        clear: (name, SHA-256) of every object that stands in clear: header, key slots, recovery documents.
        problems: how many files could not be read.
        heads: what the device had seen at each storage that holds the vault; this snapshot's own storage comes first.
    """

    device_id: bytes
    device_name: str
    number: int
    time: str
    previous: bytes | None
    root: tuple[bytes, ...]
    counts: Counts
    sources: tuple[Source, ...]
    clear: tuple[tuple[str, bytes], ...]
    epoch: int
    program: str
    tags: tuple[str, ...] = ()
    problems: int = 0
    heads: tuple[Head, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A snapshot that was forgotten on purpose: object digest (32 bytes), device id (16 bytes), its number there."""

    name: bytes
    device_id: bytes
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What somebody decided about keeping: a record in the vault, never changed, taken back by removing it.

    Attributes:
        device_id: 16 bytes, of the device that wrote it.
        time: UTC, ISO 8601 with microseconds and Z.
        grace: seconds after ``time`` before which nothing that is named here is removed.
        pins: snapshots (object digests) that are never forgotten while this record is there.
        snapshots: these are forgotten from now on.
        packs, indexes, parity: objects (digests) that are going to be removed, because nothing that counts needs them.
    """

    device_id: bytes
    device_name: str
    time: str
    grace: int
    pins: tuple[bytes, ...] = ()
    snapshots: tuple[Gone, ...] = ()
    packs: tuple[bytes, ...] = ()
    indexes: tuple[bytes, ...] = ()
    parity: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something about one file that did not stop the run.

    Attributes:
        path: for people, as it is on this computer or in the snapshot.
        what: what happened.
        hint: what to do, or empty.
    """

    path: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that ``check`` found.

    Attributes:
        what: what is wrong.
        where: object or slot it is about.
        files: which files of which snapshots cannot be restored because of it.
        hint: what to do.
    """

    what: str
    where: str = ""
    files: tuple[str, ...] = field(default=())
    hint: str = ""
