"""Names that are safe to create: for every entry of a listing, whatever its raw name is.

``unsafe`` says why a raw name cannot stand on a platform (``..``, a slash, NUL; on Windows also devices, colons and more);
``plan_names`` gives every entry of one folder a name of its own, a new one where the raw name is unsafe or where the file
system would take two of them for one (case, Unicode form).  Pure: the same listing gives the same names on every run.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TEMPORARY = re.compile(rb"\.photovault-[0-9a-f]{16}[^/]{0,4}\.tmp", re.IGNORECASE)  # names of target's unfinished files
FACE_STORE_MAGIC = bytes.fromhex("70686f746f7661756c742d6661636573")
"""The first bytes of the file with face data, by which it is refused wherever it lies; not written out, so that this is not."""
_LONGEST = 255  # bytes of a name; on Windows and macOS, UTF-16 units
_LONGEST_ENDING = 16  # characters of an extension that a new name keeps
_WINDOWS_BAD = frozenset('<>:"/\\|?*')
_WINDOWS_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedName:
    """The name that an entry gets on disk; ``renamed`` says why it is not its own, None if it is."""

    raw: bytes
    name: bytes
    renamed: str | None


def unsafe(raw: bytes, platform: str) -> str | None:
    """Say why ``raw`` cannot be the name of a file on ``platform`` (as ``sys.platform``), None if it can."""
    if raw in (b"", b".", b".."):
        return "it is no name"
    if b"/" in raw or b"\0" in raw:
        return "a slash or a NUL is in it"
    if TEMPORARY.fullmatch(raw):
        return "it is kept for temporary files of photovault"
    if platform in ("win32", "darwin"):
        return _unsafe_text(raw, platform)
    return None if len(raw) <= _LONGEST else f"it is longer than {_LONGEST} bytes"


def _unsafe_text(raw: bytes, platform: str) -> str | None:
    """Continue ``unsafe`` for systems whose names are Unicode text."""
    try:
        text = raw.decode("utf-8", "surrogatepass" if platform == "win32" else "strict")
    except UnicodeDecodeError:
        return "it is not Unicode"
    if len(text.encode("utf-16-le", "surrogatepass")) > 2 * _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    return _unsafe_on_windows(text) if platform == "win32" else None


def _unsafe_on_windows(text: str) -> str | None:
    # learn.microsoft.com/windows/win32/fileio/naming-a-file
    if any(c < " " or c in _WINDOWS_BAD for c in text):
        return "a character that Windows does not allow is in it"
    if text[-1] in ". ":
        return "Windows drops the dot or space at its end"
    if _WINDOWS_DEVICE.fullmatch(text):
        return "it is the name of a device on Windows"
    return None


def plan_names(raws: Sequence[bytes], *, platform: str, folds_case: bool) -> list[PlannedName]:
    """Give each of ``raws``, the names in one folder, a safe name that no other one has; order is kept.

    ``folds_case``: the file system takes names for one that differ by case or by Unicode normalisation only.  A safe
    name is kept; of several that fold to one, the first in byte order keeps it.  The rest become
    ``name~photovault-<8 hex of SHA-256 of raw>.ext``.  The result does not depend on the order of ``raws``.
    """
    fold = _folded if folds_case else _as_is
    order = sorted(range(len(raws)), key=raws.__getitem__)
    taken: set[object] = set()
    reasons: dict[int, str | None] = {}
    for i in order:
        reasons[i] = unsafe(raws[i], platform) or _claimed(fold(raws[i]), taken)
    repeats: Counter[bytes] = Counter()
    names = {i: _substitute(raws[i], platform, fold, taken, repeats) if reasons[i] else raws[i] for i in order}
    return [PlannedName(raw=raw, name=names[i], renamed=reasons[i]) for i, raw in enumerate(raws)]


def _claimed(key: object, taken: set[object]) -> str | None:
    if key in taken:
        return "this disk takes it for the name of another one here"
    taken.add(key)
    return None


def _folded(name: bytes) -> object:
    """Return what is equal for names that any folding file system may take for one; rather too much than too little.

    Upper case first for NTFS, which folds dotless i so; format characters are dropped as HFS+ does.
    """
    text = unicodedata.normalize("NFD", name.decode("utf-8", "surrogateescape")).upper().casefold()
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Cf")


def _as_is(name: bytes) -> object:
    return name


def _substitute(
    raw: bytes, platform: str, fold: Callable[[bytes], object], taken: set[object], repeats: Counter[bytes]
) -> bytes:
    """Make new names for ``raw`` until one is free; ``repeats`` says how many of ``raw`` were tried before."""
    while True:
        name = _new_name(raw, repeats[raw], platform)
        repeats[raw] += 1
        if _claimed(fold(name), taken) is None:
            return name


def _new_name(raw: bytes, attempt: int, platform: str) -> bytes:
    digest = hashlib.sha256(raw + b"\0%d" % attempt if attempt else raw).hexdigest()[:8]
    both_ends = raw if len(raw) <= 2 * _LONGEST else raw[:_LONGEST] + raw[-_LONGEST:]
    text = both_ends.decode("utf-8", "replace")
    text = "".join(c if c.isprintable() and c not in _WINDOWS_BAD and c != "\ufffd" else "_" for c in text)
    stem, dot, ending = text.rpartition(".")
    if not dot or len(ending) > _LONGEST_ENDING or not ending.strip():
        stem, ending = text, ""
    tail = f"~photovault-{digest}" + (f".{ending.strip()}" if ending else "")
    room = _LONGEST - 1 - len(tail.encode())
    head = stem.strip(". ").encode()[:room].decode("utf-8", "ignore") or "_"
    name = (head + tail).encode()
    return b"_" + name if unsafe(name, platform) else name
