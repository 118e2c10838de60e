"""Pictures and files out of the vault, for pages.  Nothing of them is written to a disk.

A thumbnail is in the vault (``thumbs``).  A preview is made of the original: its parts are fetched, its SHA-256 is compared with that
of the snapshot, it is held in memory, and a decoder in a sandbox makes a WebP of it.  A file is handed on part by part as
somebody reads it, and only what he reads is fetched; read from its beginning to its end, its last bytes are given only when its
SHA-256 is that of the snapshot.

Guarantee: what is given is what was backed up, or an error; no original is fetched for a thumbnail.  Memory: three previews, two
originals of at most 256 MiB under way (of those over 64 MiB one), 8 MiB ahead for each who reads a file.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from photovault.app.viewing.cache import Cache
from photovault.app.viewing.desk import Desk
from photovault.app.viewing.entries import Entries, Roots, member_of, row_of
from photovault.app.viewing.fetching import Fetching
from photovault.app.viewing.thumbs import Thumbnails
from photovault.decoder import host
from photovault.drill.held import LARGEST, Held, is_picture, room
from photovault.errors import CancelledError, DamageError, MissingError, PhotovaultError, UndecodableError
from photovault.photos.looking import Asked
from photovault.vault.batches import parts
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from photovault.app.runs import App
    from photovault.app.viewing.desk import Opened
    from photovault.app.viewing.fetching import Placed
    from photovault.library.values import Member as Known
    from photovault.library.values import Row
    from photovault.model import Entry
    from photovault.vault.places import Place

EDGE: Final = 2048
_PREVIEWS: Final = 3
_PREVIEW_BYTES: Final = 48 << 20
_AT_ONCE: Final = 2
_OTHERS: Final = "the contents are not those that were backed up"
_DAMAGED: Final = (
    "the next backup stores it again if it is still on this computer; `photovault check` says what else is damaged"
)
_TAKE: Final = "download it, or restore it"


class Pictures:
    """See ``gallery.asks.Pictures``."""

    def __init__(self, app: App) -> None:
        """Nothing is opened or started before it is needed."""
        self._desk = Desk(app, "pictures")
        self._fetching = Fetching(self._desk)
        self._roots = Roots()
        self._entries = Entries(self._fetching.part)
        self._thumbnails = Thumbnails(self._desk, self._fetching)
        self._previews: Cache[bytes, bytes] = Cache(size=_PREVIEW_BYTES, count=_PREVIEWS)
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._alone = threading.Lock()
        self._decoding = _Decoding()
        self._closed = threading.Event()

    def thumbnail(self, number: int) -> bytes | None:
        """WebP of at most 512 pixels; None where the vault has none that can be shown."""
        return self._thumbnails.thumbnail(number)

    def preview(self, number: int) -> bytes:
        """WebP of at most 2,048 pixels.

        Raises:
            NotThereError: there is no such photo.
            DamageError, MissingError: it cannot be restored either.
            UndecodableError: nothing here decodes it; the hint says what would.
            StorageError.
        """
        row, known, _ = self._asked(number, 0)
        return self._previews.get(known.digest) or self._made(row, known)

    def member(self, number: int, index: int) -> Member:
        """A file of the set, the primary is 0.

        Raises:
            NotThereError: there is no such photo, or file of it.
            DamageError: the vault lacks some of it.
            StorageError.
        """
        row, known, root = self._asked(number, index)
        entry = self._entries.entry(root, row, known)
        return Member(entry, self._placed(entry), self._fetching, self._closed)

    def close(self) -> None:
        """End decoders and whoever reads, and forget the vault."""
        self._closed.set()
        self._decoding.close()
        for kept in (self._previews, self._thumbnails, self._entries):
            kept.clear()
        self._desk.close()

    def _asked(self, number: int, index: int) -> tuple[Row, Known, tuple[bytes, ...]]:
        """A row, a file of it, and the root of a snapshot that has them."""

        def answer(opened: Opened) -> tuple[Row, Known, tuple[bytes, ...]]:
            row = row_of(opened, number)
            return row, member_of(row, index), self._roots.of(opened, row)

        return self._desk.ask(answer)

    def _placed(self, entry: Entry) -> Placed:
        """Where the parts of a file are.  DamageError when they do not make it up."""
        placed = self._desk.ask(lambda opened: self._fetching.placed(opened, entry.parts))
        if sum(place.region.record.length for place in placed.places) != entry.size:
            raise DamageError(_OTHERS, _DAMAGED)
        return placed

    # Previews ---------------------------------------------------------------------------------------------------

    def _made(self, row: Row, known: Known) -> bytes:
        """A preview, when it is its turn; somebody may have made it meanwhile."""
        with self._turns:
            kept = self._previews.get(known.digest)
            if kept is not None:
                return kept
            member = self.member(row.number, 0)
            webp = self._decoded(member)
            self._previews.keep(known.digest, webp, len(webp))
            return webp

    def _decoded(self, member: Member) -> bytes:
        entry = member.entry
        if not is_picture(entry) or not entry.size:
            raise UndecodableError("it is no picture that can be shown", _TAKE)
        if entry.size > LARGEST:
            raise UndecodableError("it is larger than 256 MiB, too large to be shown here", _TAKE)
        with ExitStack() as stack:
            held = stack.enter_context(closing(Held(entry)))
            stack.enter_context(room(held, self._alone))
            for data in member.read(0, entry.size):
                held.write(data)
            if held.fd < 0:
                raise UndecodableError(f"it cannot be shown: {held.why}", _TAKE)
            return self._decoding.webp(Asked(held.fd, entry.size, entry.name, thumbnail=True))


class _Decoding:
    """Decoders, started when they are first needed."""

    def __init__(self) -> None:
        self._decoders: host.Decoders | None = None
        self._closed = False
        self._lock = threading.Lock()

    def webp(self, asked: Asked) -> bytes:
        """The picture of a file.  UndecodableError when there is none."""
        (made,) = self._started().preview([host.Asked(*asked)], EDGE).result()
        if made.webp:
            return made.webp
        raise _undecoded(made)

    def _started(self) -> host.Decoders:
        with self._lock:
            if self._closed:
                raise _locked()
            if self._decoders is None:
                self._decoders = host.Decoders(count=_AT_ONCE)
            return self._decoders

    def close(self) -> None:
        """End them, and start none any more."""
        with self._lock:
            self._closed, decoders = True, self._decoders
        if decoders is not None:
            decoders.close()


def _undecoded(made: host.Previewed) -> UndecodableError:
    """Why there is no picture, and what to do."""
    if made.lacks:
        return UndecodableError(f"showing it needs photovault[{made.lacks}]", f"pip install 'photovault[{made.lacks}]'")
    if made.facts.broken:
        hint = "the vault has it as it was backed up: look at its earlier versions, or download it"
        return UndecodableError(f"it is broken: {made.facts.broken}", hint)
    return UndecodableError(f"it cannot be shown: {made.why or 'it is no picture'}", _TAKE)


def _locked() -> CancelledError:
    return CancelledError("the gallery is locked", "unlock it, and try again")


# Files ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """A file out of the vault; see ``gallery.asks.Member``."""

    entry: Entry
    _placed: Placed
    _fetching: Fetching
    _closed: threading.Event

    @property
    def name(self) -> str:
        """Safe to print."""
        return shown(self.entry.name)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.entry.size

    @property
    def kind(self) -> str:
        """Format by content."""
        return self.entry.facts.kind

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Bytes from ``start`` up to ``end``, exclusive; the last ones of a whole file only when all of it is right.

        Raises:
            DamageError, MissingError: they are not what was backed up.
            CancelledError: the gallery was locked.
            StorageError, UndecodableError.
        """
        whole = start == 0 and end == self.size
        digest = hashlib.sha256()
        last = b""
        for data in self._read(start, end):
            if last:
                yield last
            digest.update(data)
            last = data
        if whole and digest.digest() != self.entry.digest:
            raise DamageError(_OTHERS, _DAMAGED)
        if last:
            yield last

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        """As ``read``, whatever they are: each part is what it was, not all of them together."""
        places, skipped = _touched(self._placed.places, start, end)
        left = end - start
        for _, data in parts(self._placed.fetcher, places, {}):
            if self._closed.is_set():
                raise _locked()
            if isinstance(data, PhotovaultError):
                raise self._told(data)
            yield data[skipped : skipped + left]
            left -= len(data) - skipped
            skipped = 0

    def _told(self, error: PhotovaultError) -> PhotovaultError:
        """What is wrong with a part, with what to do; it is remembered."""
        if not isinstance(error, DamageError | MissingError):
            return error
        self._fetching.note(self._placed.fetcher)
        return DamageError(error.what, _DAMAGED)


def _touched(places: Sequence[Place], start: int, end: int) -> tuple[tuple[Place, ...], int]:
    """The parts that a range of a file touches, and how many bytes of the first one come before it."""
    found: list[Place] = []
    at = skipped = 0
    for place in places:
        stop = at + place.region.record.length
        if at < end and start < stop:
            skipped = skipped if found else start - at
            found.append(place)
        at = stop
    return tuple(found), skipped
