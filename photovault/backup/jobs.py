"""What a backup run hands out: folders on their way, and the jobs for workers.

``work`` of a job runs in a worker and touches nothing but the job and its buffer; everything else is the owner's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from photovault.backup.compare import join
from photovault.catalog import KnownFolder
from photovault.model import Counts, Entry, EntryKind, Stamp
from photovault.photos.reading import LargeFile, Piece, ReaderOptions, Reading, Revisit, read_batch
from photovault.vault import format as fmt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from photovault.backup.plan import SourceSpec
    from photovault.photos.scan import Found, FoundFolder, Scanner

SMALL = 32 * 1024  # files under this on average are read by the owner itself
_LINK = b'{"kind":"link"'  # how the entry of a link begins, being canonical


@dataclass(slots=True, kw_only=True)
class Folder:
    """A folder whose listing is being made.

    ``earlier``: last versions of files, as the vault has them, where the catalog forgot some.
    """

    spec: SourceSpec
    scanner: Scanner
    found: FoundFolder
    parent: Folder | None
    known: KnownFolder | None
    names: frozenset[bytes] = frozenset()
    earlier: Mapping[bytes, Entry] = field(default_factory=dict)
    files: dict[bytes, tuple[Stamp, bytes]] = field(default_factory=dict)
    owed: dict[bytes, str] = field(default_factory=dict)
    folders: dict[bytes, bytes] = field(default_factory=dict)
    below: Counts = field(default_factory=Counts)
    left_out: bool = False

    def full(self, name: bytes) -> bytes:
        """Absolute path of something in the folder."""
        return self.scanner.full(join(self.found.path, name))

    def inside(self, name: bytes) -> bytes:
        """Path of something in the folder, inside the source."""
        return join(self.found.path, name)

    def add(self, stamp: Stamp, entry: bytes, *, owed: str | None = None) -> None:
        """A file or link of the listing, in place of one of the same name; ``owed`` a look, as the catalog has it."""
        self.files[stamp.name] = (stamp, entry)
        self.owed.pop(stamp.name, None)
        if owed is not None:
            self.owed[stamp.name] = owed

    def add_folder(self, name: bytes, known: KnownFolder) -> None:
        """A folder of the listing, unless nothing below it belongs to the backup."""
        if known.hollow:
            self.left_out = True
            return
        self.folders[name] = fmt.encode_entry(folder_entry(name, known))
        self.below += Counts(files=known.files, folders=known.folders + 1, links=known.links, size=known.size)

    def listing(self) -> list[tuple[bytes, bytes]]:
        """Every name with its encoded entry, in the order of the names."""
        return sorted([*self.folders.items(), *((name, entry) for name, (_, entry) in self.files.items())])

    def summary(self, pages: tuple[bytes, ...]) -> KnownFolder:
        """What the catalog keeps of the folder, its listing being ``pages``."""
        links = sum(is_link(entry) for _, entry in self.files.values())
        size = sum(stamp.size for stamp, entry in self.files.values() if not is_link(entry))
        return KnownFolder(
            number=0,
            mode=self.found.mode,
            mtime_ns=self.found.mtime_ns,
            mount=self.found.mount,
            hollow=not (self.files or self.folders) and self.left_out,
            pages=pages,
            files=self.below.files + len(self.files) - links,
            folders=self.below.folders,
            links=self.below.links + links,
            size=self.below.size + size,
        )


@dataclass(slots=True, kw_only=True)
class Batch:
    """Some small files of a folder; ``thumbnails``: they may get some."""

    folder: Folder
    files: tuple[Found, ...]
    buffer: memoryview
    thumbnails: bool = False

    @property
    def is_small(self) -> bool:
        """Whether handing it to a thread would cost more than it saves."""
        return sum(one.stamp.size for one in self.files) < SMALL * len(self.files)

    def work(self, options: ReaderOptions) -> Reading:
        """Read the files."""
        paths = [self.folder.full(one.stamp.name) for one in self.files]
        return read_batch(paths, self.buffer, options, thumbnails=self.thumbnails)


@dataclass(slots=True, kw_only=True)
class Large:
    """A large file on its way: what of it is stored so far."""

    folder: Folder
    found: Found
    file: LargeFile
    thumbnails: bool = False
    parts: list[bytes] = field(default_factory=list)
    failed: str = ""


@dataclass(slots=True, kw_only=True)
class Window:
    """Some parts of a large file."""

    large: Large
    window: tuple[int, tuple[int, ...]]
    buffer: memoryview
    last: bool
    is_small = False

    def work(self, _options: ReaderOptions) -> tuple[Piece, ...] | OSError:
        """Read the parts, or say why not."""
        try:
            return self.large.file.read(self.window, self.buffer)
        except OSError as error:
            return error


@dataclass(slots=True, kw_only=True)
class Visit:
    """Some unchanged files of a folder that are owed a look."""

    folder: Folder
    files: tuple[Found, ...]
    is_small = False

    def work(self, options: ReaderOptions) -> Revisit:
        """Have them looked at."""
        stamps = [one.stamp for one in self.files]
        return Revisit([self.folder.full(stamp.name) for stamp in stamps], stamps, options.look)


@dataclass(slots=True, kw_only=True)
class End:
    """Nothing more comes for this folder."""

    folder: Folder
    is_small = True

    def work(self, _options: ReaderOptions) -> None:
        """Nothing to do: it only has its place in the order."""


Job = Batch | Window | Visit | End
Answer = Reading | Revisit | tuple[Piece, ...] | OSError | None


def folder_entry(name: bytes, known: KnownFolder) -> Entry:
    """The entry of a folder in the listing above it."""
    return Entry(
        name=name,
        kind=EntryKind.FOLDER,
        mode=known.mode,
        mtime_ns=known.mtime_ns,
        size=known.size,
        files=known.files,
        parts=known.pages,
    )


def is_link(entry: bytes) -> bool:
    """Whether an encoded entry is a symbolic link."""
    return entry.startswith(_LINK)
