"""Which files belong to a backup: by name, by the user's patterns, and whether they are on this disk at all.

``is_media`` goes by the extension only: photos, raw files, videos, and the small files that belong to them (edits,
captions).  It rather takes one file too many than one too few.  A ``.json`` belongs only if its name is one that Google
Takeout gives to the notes of a photo.  ``Rules`` are lines in gitignore syntax, in their order; as with git, a file
below an excluded folder stays excluded.  ``placeholder`` knows files that a cloud client shows and has not fetched:
to read one would download it, or would back up the stub in place of the photo.

Guarantee: pure functions of a name and of a stat result; no file is opened.  Not checked: what is inside a file.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from photovault.errors import ConfigError
from photovault.photos.takeout import parted, was_cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pathspec import GitIgnoreSpec

# Extensions in lower case, without the dot.
PHOTOS = frozenset(
    b"""
    jpg jpeg jpe jfif jif mpo jps heic heif hif heics heifs avif avifs png apng webp tif tiff gif bmp dib
    jxl jp2 j2k jpf jpx jpm jpc jxr hdp wdp psd psb xcf exr hdr tga pbm pgm ppm pnm pam insp livp
    """.split()
)
RAW = frozenset(
    b"""
    3fr ari arw bay braw cap cine cr2 cr3 crm crw dcr dcs dng drf eip erf fff gpr iiq k25 kdc mdc mef mos mrw nef nrw
    orf ori pef ptx pxn r3d raf raw rw2 rwl rwz sr2 srf srw x3f
    """.split()
)
VIDEOS = frozenset(
    b"""
    mp4 mov qt m4v m4p mp avi divx mkv webm 3gp 3gpp 3g2 mts m2ts m2t ts mpg mpeg mpe mpv m1v m2v wmv asf flv f4v
    ogv vob mod tod dv mxf rm rmvb insv lrv lrf 360
    """.split()
)
SIDECARS = frozenset(
    b"""
    xmp aae thm dop pp3 arp cos cof cot cop nks nksc nka vrd dr4 spd rws on1 srt
    """.split()
)
MEDIA = PHOTOS | RAW | VIDEOS | SIDECARS

ALBUMS = b"photovault-albums.json"  # the names of albums, as an import keeps them

_TAKEOUT_SURE = len("suppl")  # so much of Takeout's word is enough where the photo's own extension was cut off

_STUB_SUFFIXES = {b"nextcloud": "Nextcloud", b"owncloud": "ownCloud"}
_MAC_DATALESS = 0x4000_0000  # SF_DATALESS, sys/stat.h of macOS
_WINDOWS_NOT_HERE = 0x0040_0000 | 0x0004_0000 | 0x1000  # RECALL_ON_DATA_ACCESS, RECALL_ON_OPEN, OFFLINE; winnt.h


def is_media(name: bytes) -> bool:
    """Say whether the file ``name`` (no folder) is a photo, a video, or belongs to one."""
    _, dot, extension = name.rpartition(b".")
    extension = extension.lower()
    is_notes = extension == b"json" and (_is_takeout(name[:-5]) or name == ALBUMS)
    return bool(dot) and (extension in MEDIA or is_notes)


def _is_takeout(stem: bytes) -> bool:
    """Say whether Google Takeout names the notes of a photo so: IMG_1.jpg, IMG_1.jpg.supplemental-me, IMG_1.jpg(2)."""
    text = stem.decode("utf-8", "surrogateescape")
    title, word, number = parted(text)
    if word and (len(word) >= _TAKEOUT_SURE or _has_media_extension(title)):
        return True
    body = text.removesuffix(number)
    return _has_media_extension(body) or was_cut(body)


def _has_media_extension(name: str) -> bool:
    _, dot, extension = name.rpartition(".")
    return bool(dot) and extension.lower().encode("utf-8", "surrogateescape") in MEDIA


class Rules:
    """The user's patterns of one source, in gitignore syntax."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Read ``patterns``, one a line of .gitignore.  Raises ConfigError that names the first bad one."""
        lines = tuple(patterns)
        for line in lines:
            _checked(line)
        self._spec = spec_of(lines) if lines else None

    def excludes(self, path: bytes | str, *, is_folder: bool) -> bool:
        """Say whether ``path``, relative to the source and with ``/`` between folders, is to be left out."""
        if self._spec is None:
            return False
        text = path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
        return self._spec.match_file(text + "/" if is_folder else text)


def spec_of(lines: Sequence[str]) -> GitIgnoreSpec:
    """The patterns of ``lines`` in gitignore syntax.

    Raises:
        ValueError, re.error, RecursionError, OverflowError: one of them is none.
    """
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - a fifth of the start-up time, and most runs have no rules

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # what a set like [[] may mean in a later Python is no news to users
        return GitIgnoreSpec.from_lines(lines, backend="simple")


def _checked(line: str) -> None:
    try:
        spec_of([line])
    except (ValueError, re.error, RecursionError, OverflowError) as error:
        message = f"exclude: not a gitignore pattern: {line[:60]!r}"
        raise ConfigError(message, "See https://git-scm.com/docs/gitignore for the syntax.") from error


def placeholder(name: bytes, st: object) -> str | None:
    """Say why the file ``name`` is not on this disk but only in a cloud, or return None for an ordinary file.

    ``st`` is what ``os.lstat`` gave; fields that only other systems have may be missing.
    """
    if getattr(st, "st_flags", 0) & _MAC_DATALESS:
        return "in iCloud or another cloud only, not on this disk"
    if getattr(st, "st_file_attributes", 0) & _WINDOWS_NOT_HERE:
        return "in OneDrive or another cloud only, not on this disk"
    cloud = _stub_of(name)
    return f"in {cloud} only, not on this disk" if cloud else None


def stands_for(name: bytes) -> bytes:
    """Return the name of the real file: ``.IMG_1.jpg.icloud`` stands for ``IMG_1.jpg``; other names for themselves."""
    cloud = _stub_of(name)
    if cloud is None:
        return name
    shown = name.rpartition(b".")[0]
    return shown[1:] if cloud == "iCloud" else shown


def _stub_of(name: bytes) -> str | None:
    """Return which cloud's stub files are named like ``name``."""
    stem, _, suffix = name.rpartition(b".")
    if suffix == b"icloud":
        return "iCloud" if stem[:1] == b"." and len(stem) > 1 else None
    return _STUB_SUFFIXES.get(suffix) if stem else None
