"""Names and boxes into sidecar files, and out of them.

``export`` writes ``IMG.jpg.xmp`` for each photo with somebody who has a name, into a folder that mirrors the folders agreed to (below
their last names, where they are several): whom ``people show`` shows, but nobody hidden.  ``import_`` reads such sidecars, of
photovault or of another program, from there or from beside the photos; a region whose box covers a face names that one, any
other one becomes a face by hand.  What was decided here is stronger.

Guarantee: no vector is in a sidecar; a sidecar of another program is never replaced; nothing is written into the folders where
faces are looked for, from which the names would go into the next backup.  Only sidecars of known photos are opened, no
links followed.  No name is in an error or a report.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from photovault.durable import FULL, create, name_new, write_all
from photovault.errors import RefusedError, UsageError
from photovault.people import regions
from photovault.people.decisions import Region
from photovault.people.naming import clean_name
from photovault.people.shown import XmpReport
from photovault.people.values import Box
from photovault.photos.reading import open_quietly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from photovault.people.decisions import Decisions
    from photovault.people.store.store import Store

_SHOWN = (
    "SELECT path, width, height, orientation, people.name, x, y, w, h FROM people "
    "JOIN faces ON faces.grp = people.id JOIN photos ON photos.id = faces.photo JOIN files ON files.photo = photos.id "
    "WHERE people.name <> '' AND NOT hidden AND NOT no_face AND NOT gone ORDER BY path, x, y"
)


_AMONG_PHOTOS = "its place is in a folder where faces are looked for"


class _Photo(NamedTuple):
    """A photo on record, upright."""

    number: int
    width: int
    height: int
    orientation: int


class _Place(NamedTuple):
    """A folder that was agreed to, and under which name it is mirrored."""

    path: bytes
    label: bytes

    def below(self, path: bytes) -> bytes | None:
        """A path in it, relative to it."""
        return path[len(self.path) + 1 :] if path.startswith(self.path.rstrip(b"/") + b"/") else None


def export(store: Store, folder: Path, scope: Sequence[str]) -> XmpReport:
    """Write sidecars for all photos of people with names.

    Args:
        store: open.
        folder: where to; made if needed.
        scope: the folders that were agreed to.

    Raises:
        UsageError: it is in one of those.
        RefusedError: no space, no rights.
    """
    tops = [os.path.realpath(os.fsencode(path)) for path in scope]
    if _is_inside(os.fsencode(folder), tops):
        raise UsageError(
            "that folder is one where faces are looked for, so the names would be backed up with it",
            "name a folder outside of them",
        )
    places = _places(scope)
    files = written = 0
    skipped: Counter[str] = Counter()
    for path, rows in groupby(store.db.each(_SHOWN), key=lambda row: bytes(row[0])):
        faces = list(rows)
        there = _mirrored(path, places)
        if there is None:
            continue
        _, width, height, orientation, *_ = faces[0]
        data = regions.write([(row[4], Box(*row[5:])) for row in faces], width, height, orientation)
        target = os.path.join(os.fsencode(folder), there + b".xmp")
        why = _AMONG_PHOTOS if _is_inside(os.path.dirname(target), tops) else _put(target, data)
        skipped[why] += bool(why)
        files, written = files + (not why), written + (0 if why else len(faces))
    return XmpReport(files=files, regions=written, skipped=dict(+skipped))


def import_(
    store: Store,
    decisions: Decisions,
    folder: Path,
    scope: Sequence[str],
    *,
    allowed: Callable[[str], bool] | None = None,
) -> XmpReport:
    """Read sidecars of known photos, and confirm whom they name.

    Args:
        store: open for writing.
        decisions: on that store; the whole import is one action, and can be undone.
        folder: a mirror as ``export`` writes it, or a folder with the photos themselves.
        scope: the folders that were agreed to.
        allowed: whether a name may be used; all may where None.
    """
    found: list[Region] = []
    skipped: Counter[str] = Counter()
    files = 0
    done: set[tuple[int, str, Box]] = set()
    for photo, data in _sidecars(store, os.fsencode(folder), _places(scope)):
        files += 1
        for region in _regions(photo, data, allowed, skipped):
            if region not in done:
                done.add(region)
                found.append(region)
    imported = decisions.take_over(found)
    skipped["it is confirmed here as somebody else"] += imported.kept
    return XmpReport(
        files=files,
        regions=len(found),
        named=imported.confirmed,
        unmatched=imported.by_hand,
        skipped=dict(+skipped),
    )


def _regions(
    photo: _Photo, data: bytes, allowed: Callable[[str], bool] | None, skipped: Counter[str]
) -> Iterator[Region]:
    boxes = regions.upright(regions.read(data), photo.width, photo.height, photo.orientation)
    if boxes is None:
        skipped[regions.ANOTHER_SHAPE] += 1
        return
    for text, box in boxes:
        try:
            name = clean_name(text)
        except UsageError:
            skipped["its name cannot be used"] += 1
            continue
        if allowed is not None and not allowed(name):
            skipped["that person has not agreed"] += 1
        elif name:
            yield Region(photo.number, name, box)


# Places -------------------------------------------------------------------------------------------------------------


def _places(scope: Sequence[str]) -> list[_Place]:
    """The folders by the names under which they are mirrored; one alone needs none."""
    if len(scope) == 1:
        return [_Place(os.fsencode(scope[0]), b"")]
    found: list[_Place] = []
    taken: set[bytes] = set()
    for path in map(os.fsencode, scope):
        label = name = os.path.basename(path.rstrip(b"/")) or b"root"
        number = 1
        while label.lower() in taken:
            number += 1
            label = b"%b~%d" % (name, number)
        taken.add(label.lower())
        found.append(_Place(path, label))
    return found


def _mirrored(path: bytes, places: Sequence[_Place]) -> bytes | None:
    for place in places:
        inside = place.below(path)
        if inside is not None:
            return os.path.join(place.label, inside)
    return None


def _is_inside(folder: bytes, tops: Sequence[bytes]) -> bool:
    """Whether a folder, or what a link there leads to, is in one where faces are looked for."""
    real = os.path.realpath(folder)
    return any(os.path.commonpath([real, top]) == top for top in tops)


# Files --------------------------------------------------------------------------------------------------------------


def _put(path: bytes, data: bytes) -> str:
    """Write a sidecar, unless another program's is there; why not, or nothing.

    Raises:
        RefusedError: no space.
    """
    there = _read(path)
    if there is None and os.path.lexists(path):
        return "something else has its name"
    if there is not None and regions.OURS not in there:
        return "a sidecar of another program is there"
    temporary = os.path.join(os.path.dirname(path), b".photovault-%b.tmp" % os.urandom(8).hex().encode())
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = create(temporary)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)
        if there is None:
            name_new(os.fsdecode(temporary), Path(os.fsdecode(path)))  # never in place of one that came meanwhile
        else:
            os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        if error.errno in FULL:
            raise RefusedError("no space is left for the sidecars", "free some space and run it again") from None
        return f"it could not be written: {error.strerror}"
    with suppress(OSError):
        os.unlink(temporary)  # its second name, where it was linked
    return ""


def _sidecars(store: Store, folder: bytes, places: Sequence[_Place]) -> Iterator[tuple[_Photo, bytes]]:
    sql = "SELECT photos.id, width, height, orientation FROM files JOIN photos ON photos.id = photo WHERE path = ? AND width"
    for path in store.paths():
        for candidate in _candidates(path, folder, places):
            data = _read(candidate)
            row = store.db.row(sql, (path,)) if data is not None else None
            if data is not None and row is not None:
                yield _Photo(*row), data


def _candidates(path: bytes, folder: bytes, places: Sequence[_Place]) -> list[bytes]:
    """Where the sidecars of a photo can be: ``IMG.jpg.xmp`` or ``IMG.xmp``, in the mirror or beside it."""
    stems = []
    mirrored = _mirrored(path, places)
    if mirrored is not None:
        stems.append(os.path.join(folder, mirrored))
    if path.startswith(os.path.join(os.path.abspath(folder), b"")):
        stems.append(path)
    names = [name for stem in stems for name in (stem, os.path.splitext(stem)[0])]
    return list(dict.fromkeys(name + ending for name in names for ending in (b".xmp", b".XMP")))


def _read(path: bytes) -> bytes | None:
    """The beginning of a plain file, or None if there is none that can be read."""
    try:
        fd = open_quietly(path)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        with open(fd, "rb", closefd=False) as file:
            return file.read(regions.MAX)
    except OSError:
        return None
    finally:
        os.close(fd)
