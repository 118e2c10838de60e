"""From a decoded picture to one to be seen: small, upright, sRGB; as WebP; and to a number that similar pictures share.

The picture is made small first, so that turning it and converting its colours cost little: averaged by whole factors
while more than twice too large, then by a linear filter.  Grey of more than 8 bits is stretched, transparency put on white.

``phash`` is the classic perceptual hash: of 32 x 32 grey pixels the 8 x 8 lowest frequencies of a cosine transform, a bit
for each that is above their median.  It is computed in whole numbers, so that every machine gives the same bits.

Guarantee: the same picture always gives the same bytes, by the same version of the library; no metadata is inside.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from operator import mul
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from PIL import Image, ImageCms

if TYPE_CHECKING:
    from photovault.decoder.protocol import Box

EDGE: Final = 512  # pixels of the longer side at most
_QUALITY, _METHOD = 75, 1  # method 1 costs 20 % more time than 0 and gives 25 % less bytes; 2 gains 10 % more for 40 %
_WHOLE_MAX = 8192
_PREVIEW_QUALITY = 85  # 2,048 x 1,536 pixels take 0.1 seconds and 0.15 to 0.8 MB
_PROFILE_MAX: Final = 4 << 20
_ALPHA: Final = frozenset(("RGBA", "LA", "PA", "La", "RGBa"))
_DEEP: Final = frozenset(("I", "F"))
_PROFILED: Final = frozenset(("RGB", "CMYK", "L", "LAB"))
_SIDE, _LOW = 32, 8
_ONE = 1 << 12  # the cosines' unit
_COSINES: Final = [
    [round(_ONE * math.cos(math.pi * row * (2 * at + 1) / (2 * _SIDE))) for at in range(_SIDE)] for row in range(_LOW)
]
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE: Final = frozenset((5, 6, 7, 8))


class Decoded(NamedTuple):
    """A picture as a decoder gave it.

    Attributes:
        image: its pixels, or some of them: a decoder may have left out what a thumbnail does not need.
        orientation: how it must still be turned, as Exif numbers it.
        profile: its ICC profile, or empty.
        full: width and height of the whole picture, turned as ``image`` is; that of ``image`` if nothing was left out.
    """

    image: Image.Image
    orientation: int = 1
    profile: bytes = b""
    full: tuple[int, int] = (0, 0)


class Thumbnail(NamedTuple):
    """WebP, and the perceptual hash (64 bits)."""

    webp: bytes
    phash: int


def made_of(decoded: Decoded) -> Thumbnail:
    """The thumbnail of a picture.

    Raises:
        MemoryError: there is not enough.
    """
    image = upright(decoded, EDGE)
    return Thumbnail(_webp(image, _QUALITY), phash(image))


def preview_of(decoded: Decoded, edge: int, box: Box | None = None) -> bytes:
    """The picture, or what is in a box of it, as WebP to be looked at, at most ``edge`` pixels wide and high.

    Raises:
        MemoryError: there is not enough.
    """
    if box is None:
        return _webp(upright(decoded, edge), _PREVIEW_QUALITY)
    whole = upright(decoded, edge_of_whole(edge, box))
    return _webp(_shrunk(whole.crop(_corners(whole.size, box)), edge), _PREVIEW_QUALITY)


def edge_of_whole(edge: int, box: Box | None) -> int:
    """How large a picture must be, so that what is in a box of it has ``edge`` pixels: at most 8,192.

    A box's fractions are of two sides, and how long those are to each other is not known: so by the smaller one.
    """
    if box is None:
        return edge
    _, _, width, height = box
    return math.ceil(edge / min(1.0, max(min(width, height), edge / _WHOLE_MAX)))


def _corners(size: tuple[int, int], box: Box) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box in pixels: within the picture, and at least one each way."""
    left, top = (min(max(0, int(at * side)), side - 1) for at, side in zip(box[:2], size, strict=True))
    right, bottom = (
        min(max(least + 1, math.ceil((at + length) * side)), side)
        for least, at, length, side in zip((left, top), box[:2], box[2:], size, strict=True)
    )
    return left, top, right, bottom


def _webp(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=_METHOD, icc_profile=b"", exif=b"", xmp=b"")
    return out.getvalue()


def upright(decoded: Decoded, edge: int) -> Image.Image:
    """A picture as it is to be seen, in RGB, at most ``edge`` pixels wide and high.

    Raises:
        MemoryError: there is not enough.
    """
    small = _shrunk(_plain(decoded.image), edge)
    turn = _TURNS.get(decoded.orientation)
    turned = small if turn is None else small.transpose(turn)
    return _srgb(_on_white(_eight_bits(turned)), decoded.profile)


def full_size(decoded: Decoded, seen: Image.Image) -> tuple[int, int]:
    """Width and height, upright, of the whole picture of which ``seen`` is the upright one."""
    width, height = decoded.full if all(decoded.full) else decoded.image.size
    if decoded.orientation in _ON_ITS_SIDE:
        width, height = height, width
    return max(width, seen.width), max(height, seen.height)


def phash(image: Image.Image) -> int:
    """The perceptual hash of ``image``: 64 bits, of which similar pictures differ in few."""
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()
    rows = [grey[at : at + _SIDE] for at in range(0, len(grey), _SIDE)]
    across = [[sum(map(mul, cosines, row)) for row in rows] for cosines in _COSINES]
    found = [sum(map(mul, cosines, column)) for cosines in _COSINES for column in across]
    middle = median(found[1:])  # the first is the mean brightness, which says nothing of the picture
    return sum(1 << bit for bit, value in enumerate(found) if value > middle)


def _plain(image: Image.Image) -> Image.Image:
    """In a mode whose pixels can be averaged."""
    if image.mode in {"P", "PA", "1"}:
        return image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    return image.convert("I") if image.mode.startswith("I;") else image


def _shrunk(image: Image.Image, edge: int) -> Image.Image:
    ratio = max(image.size) / edge
    if ratio <= 1:
        return image
    size = (max(1, round(image.width / ratio)), max(1, round(image.height / ratio)))
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode not in _DEEP:
        return image
    low, high = image.getextrema()
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:  # type: ignore[arg-type, operator]
        return Image.new("L", image.size)
    scale = 255 / (high - low)  # type: ignore[operator]
    return image.convert("F").point(lambda value: value * scale - low * scale).convert("L")  # type: ignore[operator]


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode not in _ALPHA and "transparency" not in image.info:
        return image
    seen = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, seen).convert("RGB")


def _srgb(image: Image.Image, profile: bytes) -> Image.Image:
    if 0 < len(profile) <= _PROFILE_MAX and image.mode in _PROFILED and not _is_srgb(profile):
        try:
            changed = _transform(profile, image.mode).apply(image)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a broken profile: as if there were none
            changed = None
        if changed is not None:
            return changed
    return image if image.mode == "RGB" else image.convert("RGB")


def _is_srgb(profile: bytes) -> bool:
    """By its description, which stands near the start, in ASCII or UTF-16."""
    return b"sRGB" in profile[:4096].replace(b"\0", b"")


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """How to get to sRGB; the photos of a folder often have the same profile."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.ImageCmsTransform(source, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")), mode, "RGB")


def orientation_of(image: Image.Image) -> int:
    """How an opened picture must be turned, as its own metadata says; 1 if that cannot be read."""
    try:
        value = image.getexif().get(0x0112, 1)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError):
        return 1
    return value if value in _TURNS else 1
