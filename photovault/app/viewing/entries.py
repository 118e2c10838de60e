"""From a row of the search catalog to a file as the vault has it, with its parts: the catalog keeps no parts.

The folders on the way are read in a snapshot that has the row.  Entries stand in the order of their names over all pages of a
folder, so the page with a name is found by halving: a folder of a hundred thousand photos costs eight pages.  What was read is
kept for the neighbours, who are looked at next.

Guarantee: an entry that is given has the digest of the row's file.  ``Entries`` is for any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from photovault.app.viewing.cache import Cache
from photovault.errors import DamageError
from photovault.gallery.asks import NotThereError
from photovault.model import EntryKind
from photovault.vault.format import read_page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from photovault.app.viewing.desk import Opened
    from photovault.library.values import Member, Row
    from photovault.model import Entry

_KEPT: Final = 1 << 20  # bytes of pages as they are stored; decoded they take ten times that
_PAGES: Final = 8
_NUMBER_MAX: Final = (1 << 63) - 1
_GONE: Final = "there is no such photo any more"
_LOOK: Final = "look for it in the timeline"


def row_of(opened: Opened, number: int) -> Row:
    """The row of a number.  NotThereError when there is none."""
    row = opened.library.any_row(number) if 0 < number <= _NUMBER_MAX else None
    if row is None:
        raise NotThereError(_GONE, _LOOK)
    return row


def member_of(row: Row, index: int) -> Member:
    """A file of a set.  NotThereError when it has none of that number."""
    if not 0 <= index < len(row.members):
        raise NotThereError("the photo has no such file", "open the photo again")
    return row.members[index]


class Roots:
    """Roots of snapshots, which never change, so that these are not listed for every picture.  For the thread of a desk."""

    def __init__(self) -> None:
        """None is known."""
        self._known: dict[bytes, tuple[bytes, ...]] = {}

    def of(self, opened: Opened, row: Row) -> tuple[bytes, ...]:
        """The root of a snapshot that has a row.  NotThereError when none has it any more."""
        names = opened.library.snapshots_of(row.number)
        if self._known.keys().isdisjoint(names):
            self._known = {one.name: one.snapshot.root for one in opened.snapshots().found}
        for name in names:
            if name in self._known:
                return self._known[name]
        raise NotThereError(_GONE, _LOOK)


class Entries:
    """Finds files in the listings."""

    def __init__(self, part: Callable[[bytes], bytes]) -> None:
        """``part`` fetches the plaintext of one."""
        self._part = part
        self._kept: Cache[bytes, list[Entry]] = Cache(size=_KEPT, count=_PAGES)

    def entry(self, root: Sequence[bytes], row: Row, member: Member) -> Entry:
        """The file of a row; ``root``: of a snapshot that has it.

        Raises:
            DamageError: a listing on the way cannot be read.
            StorageError.
        """
        entry = self._named(self._folder(root, row.folder), member.name)
        if entry is None or entry.kind is not EntryKind.FILE or entry.digest != member.digest:
            raise _otherwise()
        return entry

    def clear(self) -> None:
        """Forget what was read."""
        self._kept.clear()

    def _folder(self, pages: Sequence[bytes], path: bytes) -> Sequence[bytes]:
        """The pages of the folder at ``path`` below that of ``pages``."""
        for name in path.split(b"/") if path else ():
            entry = self._named(pages, name)
            if entry is None or entry.kind is not EntryKind.FOLDER:
                raise _otherwise()
            pages = entry.parts
        return pages

    def _named(self, pages: Sequence[bytes], name: bytes) -> Entry | None:
        """The entry of a name: on the last page that begins with it or with a name before it."""
        low, high = 0, len(pages)
        while high - low > 1:
            middle = (low + high) // 2
            page = self._page(pages[middle])
            low, high = (low, middle) if not page or name < page[0].name else (middle, high)
        page = self._page(pages[low]) if pages else []
        return next((entry for entry in page if entry.name == name), None)

    def _page(self, part: bytes) -> list[Entry]:
        page = self._kept.get(part)
        if page is None:
            plain = self._part(part)
            page = read_page(plain)
            self._kept.keep(part, page, len(plain))
        return page


def _otherwise() -> DamageError:
    return DamageError(
        "the search catalog says something else of this photo than the vault does", "run `photovault catalog rebuild`"
    )
