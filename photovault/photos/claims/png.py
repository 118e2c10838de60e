"""PNG: the pixels of IHDR, Exif in ``eXIf``, XMP and other texts in text chunks (PNG specification, 11.3.3).

Chunks before the image are read, and those after it that are found from the end of the file.  Texts may be packed:
no more than 1 MiB of one is unpacked, so a bomb costs that.  ImageMagick writes Exif, IPTC and XMP as hexadecimal texts,
``Raw profile type ...``; they are read as well.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from photovault.photos import boxes, jpeg, tiff
from photovault.photos.claims import exif, iptc, texts, xmp
from photovault.photos.claims.claims import NOTHING, Claims, quietly, size
from photovault.photos.claims.dates import Rank, dates
from photovault.photos.claims.jpeg import joined
from photovault.photos.window import Unclear, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

_XMP = b"XML:com.adobe.xmp"
_RAW = b"Raw profile type "
_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_KNOWN = frozenset((b"Title", b"Description", b"Creation Time"))
_MAX_TEXT = 1024 * 1024
_MAX_TEXTS = 32


def read(window: Window) -> Claims:
    """The claims of a PNG."""
    pixels = camera = NOTHING
    found: dict[bytes, bytes] = {}
    left = _MAX_TEXTS
    with suppress(Unclear):  # what came before the broken chunk counts
        for chunk in _chunks(window):
            if chunk.kind == b"IHDR":
                data = window.read(chunk.body, 8)
                pixels = Claims(size=size(int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big")))
            elif chunk.kind == b"eXIf" and camera is NOTHING:
                camera = quietly(exif.read, window, chunk.body)
            elif chunk.kind in _TEXTS and left:
                left -= 1
                found.update(_text(window, chunk))
    return _all(camera, found, pixels)


def _all(camera: Claims, found: dict[bytes, bytes], pixels: Claims) -> Claims:
    if camera is NOTHING:
        camera = _raw_exif(found)
    packet = found.get(_XMP) or found.get(_RAW + b"xmp")
    said = xmp.claims(xmp.read(packet)) if packet else NOTHING
    press = iptc.in_photoshop(found[_RAW + b"iptc"]) if _RAW + b"iptc" in found else NOTHING
    return joined(camera, (said,), press, _plain(found), pixels)


def _plain(found: dict[bytes, bytes]) -> Claims:
    return Claims(
        dates=dates(Rank.CREATED, "png", found.get(b"Creation Time", b"")),
        title=texts.clean(found.get(b"Title", b""), texts.TITLE) or None,
        description=texts.clean(found.get(b"Description", b""), texts.TEXT) or None,
    )


def _raw_exif(found: dict[bytes, bytes]) -> Claims:
    for kind in (b"exif", b"APP1", b"app1"):
        data = found.get(_RAW + kind, b"").removeprefix(jpeg.EXIF)
        if data[:4] in tiff.MAGICS:
            return quietly(exif.read, Window(lambda at, length: data[at : at + length], len(data)), 0)  # noqa: B023
    return NOTHING


def _chunks(window: Window) -> Iterator[boxes.Box]:
    """Those before the image and those found at the end of the file: there may be thousands of IDAT between them."""
    for chunk in boxes.png_chunks(window):
        if chunk.kind == b"IDAT":
            yield from boxes.png_tail(window)
            return
        yield chunk


def _text(window: Window, chunk: boxes.Box) -> Iterator[tuple[bytes, bytes]]:
    """The keyword and the text of a text chunk, if it is one that we know."""
    if not _is_known(window.upto(chunk.body, min(32, chunk.body_stop - chunk.body))):
        return
    data = window.upto(chunk.body, min(_MAX_TEXT, chunk.body_stop - chunk.body))
    key, _, text = data.partition(b"\0")
    if chunk.kind == b"zTXt":
        text = _unpacked(text[1:])
    elif chunk.kind == b"iTXt":  # packed or not, method, language, translated keyword
        packed, (_, _, text) = text[:1] == b"\1", _after_language(text[2:])
        text = _unpacked(text) if packed else text
    yield key, _unhexed(text) if key.startswith(_RAW) else text


def _is_known(start: bytes) -> bool:
    key = start.partition(b"\0")[0]
    return key in _KNOWN or key == _XMP or key.startswith(_RAW)


def _after_language(text: bytes) -> tuple[bytes, bytes, bytes]:
    language, _, rest = text.partition(b"\0")
    translated, _, rest = rest.partition(b"\0")
    return language, translated, rest


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_TEXT)
    except zlib.error:
        return b""


def _unhexed(text: bytes) -> bytes:
    r"""``\\nexif\\n  1234\\n45786966...``: a name, a length, then hexadecimal digits in lines."""
    with suppress(ValueError):
        return bytes.fromhex("".join(text.decode("ascii").split()[2:]))
    return b""
