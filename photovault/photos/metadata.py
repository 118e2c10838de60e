"""What a file says of the photo or video that it is: its kind, and its facts, without decoding a pixel.

1. The first bytes say which format it is; the name is never asked for that.  Where they are those of no picture and the
   name is one's, that is said (``goodness.unlike``).
2. A room of ``claims`` reads what the format carries: Exif, XMP, IPTC, movie headers; or, of a sidecar, what it says of
   its photo.
3. Of all dates the most trustworthy wins, and of those the first named: the camera's original (Exif, XMP, IPTC,
   QuickTime's own), then when the file was created (Exif, XMP, the movie header, Takeout), then the last change (Exif),
   then the satellites' clock, and last a date in the name, as phones, messengers and screenshots write it.

Orientation and pixels belong together: pixels are as stored, and the orientation is what turns them upright.  For HEIC,
AVIF and JPEG XL the orientation is the container's own, which decoders apply by themselves; Exif's is not to be
believed there.

Guarantee: never raises for any bytes and any name; reads at most 256 times and 8 MiB; texts are short and clean, dates
and places possible.  Not guaranteed: that a clock was right, that a movie header is really UTC as it should be, or a
name local time (those that Pixel phones give are UTC).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.facts import Facts
from photovault.photos import boxes, jpeg, raf, tiff
from photovault.photos.claims import heif, jxl, png, quicktime, raw, sidecar, small
from photovault.photos.claims import jpeg as jpeg_claims
from photovault.photos.claims.claims import NOTHING, Claims, quietly
from photovault.photos.claims.dates import CONFIDENCE, Date, in_name
from photovault.photos.goodness import unlike
from photovault.photos.window import Reader, Unclear, Window

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_READS = 256
_MAX_WORK = 8 * 1024 * 1024


def facts_of(read_at: Reader, size: int, name: str) -> Facts:
    """The facts of the file of ``size`` bytes, called ``name``; kind "" when it is nothing that we know.

    Raises:
        OSError: and whatever else ``read_at`` raises; nothing else, for any bytes.
    """
    window = Window(read_at, size, _MAX_READS, _MAX_WORK)
    try:
        kind, claims = _read(window)
        broken = unlike(name, window.head, kind)
    except Unclear:
        kind, claims, broken = "", NOTHING, ""
    return _facts(kind, claims, min((*claims.dates, *in_name(name)), key=_rank, default=None), broken)


def _rank(date: Date) -> int:
    return date.rank


def _facts(kind: str, claims: Claims, date: Date | None, broken: str) -> Facts:
    width, height = claims.size or (None, None)
    place = claims.place
    return Facts(
        kind=kind,
        taken=date.when if date else None,
        taken_source=date.source if date else None,
        taken_confidence=CONFIDENCE[date.rank] if date else None,
        width=width,
        height=height,
        orientation=claims.orientation,
        make=claims.make,
        model=claims.model,
        lens=claims.lens,
        latitude=place.latitude if place else None,
        longitude=place.longitude if place else None,
        altitude=place.altitude if place else None,
        duration=claims.duration,
        rating=claims.rating,
        title=claims.title,
        description=claims.description,
        keywords=claims.keywords,
        content_id=claims.content_id,
        burst_id=claims.burst_id,
        motion=claims.motion,
        gain_map=bool(claims.gain_map),
        broken=broken,
    )


# Formats ------------------------------------------------------------------------------------------------------------


def _read(window: Window) -> tuple[str, Claims]:
    """Kind and claims, by the first bytes."""
    head = window.head
    if _is_of_boxes(window):
        return _boxes(window)
    if head[:4] in tiff.MAGICS:
        return _tiff(window)
    if head.startswith(boxes.RIFF_MAGIC) and head[8:12] == b"WEBP":
        return "webp", small.webp(window)
    if small.is_bmp(head):
        return "bmp", small.bmp(window)
    for magic, (kind, reader) in _READERS.items():
        if head.startswith(magic):
            return kind, quietly(reader, window)
    return _sidecar(window)


def _is_of_boxes(window: Window) -> bool:
    """Whether it begins with a box; where that is called by a word, not a text (``Get free ...``), of which no box is."""
    kind, length = window.head[4:8], int.from_bytes(window.head[:4], "big")
    return kind in boxes.FIRST_BOXES and (kind not in _WORDS or length <= window.size)


def _tiff(window: Window) -> tuple[str, Claims]:
    try:
        return raw.read(window)
    except Unclear:
        return "tiff", NOTHING


_READERS: dict[bytes, tuple[str, Callable[[Window], Claims]]] = {
    jpeg.MAGIC: ("jpeg", jpeg_claims.read),
    boxes.PNG_MAGIC: ("png", png.read),
    **dict.fromkeys(small.GIF_MAGICS, ("gif", small.gif)),
    boxes.JXL_MAGIC: ("jxl", jxl.read),
    jxl.BARE_MAGIC: ("jxl", jxl.bare),
    raf.MAGIC: ("raf", raw.raf),
}

_BRANDS = {b"avif": "avif", b"avis": "avif", b"crx ": "cr3", b"qt  ": "mov"}
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2")
)
_GENERAL_BRANDS = frozenset((b"mif1", b"msf1", b"mif2"))
_MAX_BRANDS = 64
_WORDS = frozenset((b"free", b"skip", b"wide"))


def _boxes(window: Window) -> tuple[str, Claims]:
    kind = _brand(window.head)
    return kind, (heif.read if kind in {"heic", "avif"} else quicktime.read)(window)


def _brand(head: bytes) -> str:
    """The kind by the brands of ``ftyp``; a file without it is an old QuickTime movie."""
    if head[4:8] != b"ftyp":
        return "mov"
    stop = min(int.from_bytes(head[:4], "big"), 4 * _MAX_BRANDS)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, stop, 4))]
    if brands[0] in _GENERAL_BRANDS:
        return next((_BRANDS[one] for one in brands if one in _BRANDS), "heic")
    return "heic" if brands[0] in _HEIF_BRANDS else _BRANDS.get(brands[0], "mp4")


def _sidecar(window: Window) -> tuple[str, Claims]:
    if sidecar.is_aae(window.head):
        return "aae", NOTHING
    if sidecar.is_xmp(window.head):
        return "xmp", sidecar.read_xmp(window)
    found = sidecar.takeout(window)
    return ("takeout", found) if found else ("", NOTHING)
