"""Whether a version of a photo is one to keep: good, bad, or neither.

Good: its first bytes are those of a picture or video that we know, nothing says that it does not decode, and it is not
suspect (``facts.Facts``).  Bad: its name is that of a photo or video, somebody looked at it, and it is not good.  Neither:
sidecars, links, folders; a file that nobody could look at; one that kept changing while it was read; and a format that we
have no kind for, as long as nothing is known against it.

``unlike`` is what makes an encrypted photo bad: a file whose name is that of a format which always begins in a way that we
know, and which begins in no way that any picture, video or companion of one does.

Guarantee: pure, and never an error; a valid file under a wrong name of the kind that programs give (a WebP called .jpg, an
AVI called .mp4, the ``._`` files of macOS) is not called bad.  Not guaranteed: that a good one decodes, where only its
first bytes were looked at; a program that encrypts and leaves the first bytes alone is seen only when pixels are decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from photovault.facts import PHOTO_KINDS, RAW_KINDS, VIDEO_KINDS
from photovault.model import EntryKind
from photovault.photos.rules import PHOTOS, RAW, SIDECARS, VIDEOS

if TYPE_CHECKING:
    from photovault.facts import Facts
    from photovault.model import Entry

EMPTY: Final = "it is empty"
UNLIKE: Final = "its first bytes are those of no picture or video"

_KINDS = PHOTO_KINDS | RAW_KINDS | VIDEO_KINDS
_NAMES = PHOTOS | RAW | VIDEOS
_SURE: Final = frozenset(
    [
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "jif",
        "mpo",
        "jps",
        "insp",
        "heic",
        "heif",
        "hif",
        "heics",
        "heifs",
        "avif",
        "avifs",
        "png",
        "apng",
        "webp",
        "tif",
        "tiff",
        "gif",
        "bmp",
        "jxl",
        "3fr",
        "arw",
        "cr2",
        "cr3",
        "dng",
        "erf",
        "gpr",
        "iiq",
        "mef",
        "mos",
        "nef",
        "nrw",
        "orf",
        "pef",
        "raf",
        "rw2",
        "rwl",
        "sr2",
        "srf",
        "srw",
        "mp4",
        "mov",
        "qt",
        "m4v",
        "3gp",
        "3gpp",
        "3g2",
        "insv",
        "lrv",
        "360",
    ]
)
"""Extensions of formats that begin, in every version, as ``metadata`` knows."""

_OTHERS: Final = (
    (0, b"RIFF"),
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (0, b"\x00\x00\x01"),  # MPEG program and elementary streams; icons have a zero more
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF: WMV
    (0, b"FLV\x01"),
    (0, b"OggS"),
    (0, b"8BPS"),
    (0, b"\x00\x00\x00\x0cjP  "),  # JPEG 2000
    (0, b"\xff\x4f\xff\x51"),
    (0, b"II\xbc"),  # JPEG XR
    (0, b"\x76\x2f\x31\x01"),  # OpenEXR
    (0, b"FOVb"),
    (0, b"\x00MRM"),
    (6, b"HEAPCCDR"),  # CRW
    *((4, box) for box in (b"styp", b"moof", b"sidx", b"emsg", b"uuid", b"udta", b"junk", b"PICT")),
    (0, b"\x00\x05\x16\x07"),  # what macOS writes beside a file on a foreign disk, under its name with "._" before it
)
_TS, _TS_PACKETS = (
    b"\x47",
    ((0, 188), (4, 192)),
)  # MPEG transport streams, and those of camcorders with a time before each
_PNM = frozenset((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"))


def is_good(entry: Entry) -> bool:
    """Whether a version of a photo or video is known to be one: never let the last such version go."""
    facts = entry.facts
    return (
        entry.kind is EntryKind.FILE
        and facts.kind in _KINDS
        and not facts.broken
        and not facts.suspect
        and not entry.unsettled
        and _extension(entry.name) not in SIDECARS
    )


def is_bad(entry: Entry) -> bool:
    """Whether a version of what by its name is a photo or video is known not to be one, or is in doubt."""
    facts = entry.facts
    return (
        entry.kind is EntryKind.FILE
        and is_named_as_one(entry.name)
        and bool(facts.broken or facts.suspect or (facts.kind and facts.kind not in _KINDS))
    )


def is_named_as_one(name: bytes) -> bool:
    """Whether ``name`` is that of a photo, a raw file or a video, and not of what only belongs to one."""
    return _extension(name) in _NAMES


def why_bad(facts: Facts) -> str:
    """What is known against a file, in words; empty when nothing is."""
    return facts.suspect or facts.broken


def unlike(name: str, head: bytes, kind: str) -> str:
    """What speaks against a file of which nothing but its beginning was looked at; empty when nothing does.

    Args:
        name: of the file.
        head: its first bytes, a few hundred at least where there are so many.
        kind: what ``metadata`` takes it for.
    """
    _, dot, extension = name.rpartition(".")
    if kind in _KINDS or not dot or extension.lower() not in _SURE:
        return ""
    if not head:
        return EMPTY
    return "" if _is_other(head) else UNLIKE


def _is_other(head: bytes) -> bool:
    """Whether a file that begins so is a picture or video of a format that we have no kind for."""
    if any(head[at:].startswith(magic) for at, magic in _OTHERS):
        return True
    if any(head[at : at + 1] == head[at + step : at + step + 1] == _TS for at, step in _TS_PACKETS):
        return True
    return head[:2] in _PNM and head[2:3].isspace()


def _extension(name: bytes) -> bytes:
    _, dot, extension = name.rpartition(b".")
    return extension.lower() if dot else b""
