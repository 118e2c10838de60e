"""Erasing every trace of faces from the state folder, and proving it as far as that can be done.

The lock is taken over first, so that nobody measures anything meanwhile.  Then the key goes, in the keyring and in its
file: from here on what is left of the store is noise, on every disk, in every copy.  Then everything in the folder is
written over and removed, whatever it is called: what is not known to be harmless is not kept, so leftovers of runs that
were killed go, too.  In the end the folder is looked at again.

Guarantee: ``verified`` means that no file but the ``KEPT`` ones is left and that no key is.  Not guaranteed: see ``LIMITS``.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from photovault.durable import sync_folder
from photovault.names import FACE_STORE_MAGIC
from photovault.people.consent import chain, consent, register
from photovault.people.keeping import lock, markers
from photovault.people.keeping.key import NAME_NAME
from photovault.people.keeping.shred import shred

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from photovault.people.keeping.key import FaceKey

KEPT = frozenset({consent.LOG_NAME, register.LOG_NAME, markers.TAG_NAME, lock.NAME})
"""Files of the folder that hold nothing of anybody's face: what was agreed, when, and a mark."""

LIMITS = (
    "On SSDs and on file systems that write changes elsewhere, the old bytes of a removed file can stay on the disk for a "
    "while, out of reach of any program. That is why the face store was encrypted, and its key was destroyed first: "
    "without it, those bytes are noise. Where the key was in a file and not in a keyring, the same holds for its "
    "32 bytes; an encrypted disk closes that gap. Copies of the state folder that other programs made before are "
    "not reached; delete them, too."
)
WHAT = (
    "everything that was measured of faces, where they are, groups, names, decisions, thresholds, caches, and the key"
)
_OURS = ("faces.db", "face.key", "key.name", "releases.names")
_DEPTH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was erased.

    Attributes:
        files, size: how many files went, and how many bytes they had.
        key: where the key had been, empty if there was none.
        stopped: what was needed to have the folder alone.
        problems: what could not be done; none if ``verified``.
    """

    files: int = 0
    size: int = 0
    key: str = ""
    stopped: str = ""
    problems: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether nothing was left when it was looked for."""
        return not self.problems

    @property
    def anything(self) -> bool:
        """Whether there was anything to erase."""
        return bool(self.files or self.key or self.problems)

    def as_dict(self) -> dict[str, Any]:
        """For the deletion receipt."""
        return {
            "what": WHAT,
            "files_removed": self.files,
            "bytes_overwritten": self.size,
            "key_destroyed_in": self.key or "there was no key",
            "running": self.stopped,
            "verified": self.verified,
            "problems": list(self.problems),
            "limits": LIMITS,
        }


def has_data(folder: Path) -> bool:
    """Whether there is anything in the folder that erasing would remove."""
    whole = is_ours(folder)
    try:
        with os.scandir(folder) as entries:
            return any(entry.name not in KEPT and (whole or _is_ours(folder / entry.name)) for entry in entries)
    except OSError:
        return False


def is_ours(folder: Path) -> bool:
    """Whether photovault made this folder, so that whatever is in it may go.

    A folder that only has the name (a state folder may be put anywhere, and photos of people lie in folders called
    so) or that a link leads to is not: there, only files that are known to be ours are removed.
    """
    if folder.is_symlink():
        return False
    signs = {markers.TAG_NAME: markers.TAG, consent.LOG_NAME: chain.BEGIN, _OURS[0]: FACE_STORE_MAGIC}
    return any(_begins(folder / name, sign) for name, sign in signs.items())


def erase(
    folder: Path, key: FaceKey, *, more: Sequence[Path] = (), patience: tuple[float, float, float] | None = None
) -> Erased:
    """Erase the folder of the people but for ``KEPT``, everything in the folders ``more``, and the key.

    ``patience``: as in ``lock.lock_taken_over``.

    Raises:
        BusyError: somebody is at work there and could not be ended; nothing was erased.
    """
    taken = lock.lock_taken_over(folder) if patience is None else lock.lock_taken_over(folder, patience=patience)
    with taken as stopped:
        where = key.where()
        problems = key.destroy()
        files, size = 1 if where and not where.startswith("the ") else 0, 0
        name = frozenset(
            {NAME_NAME} if key.where() and problems else ()
        )  # without it, the keyring's key could never go
        for root, kept in ((folder, KEPT | name), *((one, frozenset[str]()) for one in more)):
            removed, length, failed = _empty(root, kept)
            files, size, problems = files + removed, size + length, problems + failed
        problems += _left(folder, key)
        return Erased(files=files, size=size, key=where, stopped=stopped, problems=tuple(dict.fromkeys(problems)))


def _empty(root: Path, kept: frozenset[str]) -> tuple[int, int, list[str]]:
    """Overwrite and remove everything below a folder, deepest first; files, bytes, and what could not be done."""
    files, size, whole = 0, 0, is_ours(root)
    problems: list[str] = []
    for path, found in list(_below(root, kept, problems)):
        if not whole and not _is_ours(path):
            problems.append(f"{path} was left: it is not known to be photovault's")
            continue
        if stat.S_ISDIR(found.st_mode):
            problems += _remove_folder(path)
            continue
        failed = shred(path, overwrite=found.st_nlink == 1 or _is_ours(path))
        problems += failed
        files, size = files + (not failed), size + found.st_size
    try:
        sync_folder(root)
    except FileNotFoundError:
        pass
    except OSError as error:
        problems.append(f"{root}: {error.strerror or error}")
    return files, size, problems


def _below(
    root: Path, kept: frozenset[str], problems: list[str], depth: int = 0
) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below a folder with its lstat, the contents of a folder before the folder; follows no link."""
    try:
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if entry.name not in kept)
    except FileNotFoundError:
        return
    except OSError as error:
        problems.append(f"{root}: {error.strerror}")
        return
    for name in names:
        path = root / name
        try:
            found = os.lstat(path)
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
            continue
        if stat.S_ISDIR(found.st_mode) and depth < _DEPTH:
            yield from _below(path, frozenset(), problems, depth + 1)
        yield path, found


def _remove_folder(path: Path) -> list[str]:
    try:
        os.rmdir(path)
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    return []


def _is_ours(path: Path) -> bool:
    """Whether this is a file that we wrote, whatever is around it, and so its bytes must go under all its names."""
    return path.name.startswith(_OURS) or _begins(path, FACE_STORE_MAGIC)


def _begins(path: Path, sign: bytes) -> bool:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return file.read(len(sign)) == sign
    except OSError:
        return False


def _left(folder: Path, key: FaceKey) -> list[str]:
    """What is still there.  The key itself is not read: who erases may have a network."""
    problems: list[str] = []
    whole = is_ours(folder)
    for path, _ in _below(folder, KEPT, problems):
        if whole or _is_ours(path):
            problems.append(f"{path} is still there")
    return [*problems, f"the face key is still in {key.where()}"] if key.where() else problems
