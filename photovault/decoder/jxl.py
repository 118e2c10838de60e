"""JPEG to JPEG XL and back, bit for bit (ISO/IEC 18181-2, reconstruction data), by imagecodecs with one thread.

A JPEG is packed, unpacked again at once, and kept only if that gave the very same bytes: there are files that encode and
do not decode.  CMYK, arithmetic coding and broken files are refused by the library.

Guarantee: what ``pack`` gives can be unpacked to what it was given, by the same library at least.  Memory grows by the
pixel (28 bytes for each, measured), so a picture of more than ``pixels`` is not tried.
"""

from __future__ import annotations

from photovault.decoder.previews import frame_of
from photovault.photos.window import Unclear, Window


def there() -> bool:
    """Whether the library is installed."""
    try:
        import imagecodecs
    except ImportError:
        return False
    return hasattr(imagecodecs, "jpegxl_encode_jpeg")


def pack(jpeg: bytes, pixels: int) -> bytes:
    """``jpeg`` as a JPEG XL file that is smaller; empty if there is none.

    Raises:
        MemoryError: there is not enough.
    """
    if not there() or not 0 < _pixels(jpeg) <= pixels:
        return b""
    import imagecodecs

    try:
        packed = bytes(imagecodecs.jpegxl_encode_jpeg(jpeg, numthreads=1))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever the library does not take, is stored as it is
        return b""
    return packed if len(packed) < len(jpeg) and unpack(packed) == jpeg else b""


def unpack(packed: bytes) -> bytes:
    """The JPEG that was packed; empty if there is none.

    Raises:
        MemoryError: there is not enough.
    """
    import imagecodecs

    try:
        return bytes(imagecodecs.jpegxl_decode_jpeg(packed, numthreads=1))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - as above
        return b""


def _pixels(jpeg: bytes) -> int:
    """Pixels of a JPEG, 0 if it is none."""
    try:
        header = frame_of(Window(lambda offset, length: jpeg[offset : offset + length], len(jpeg)))
    except Unclear:
        return 0
    return header.width * header.height
