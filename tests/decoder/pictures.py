"""Pictures that tests make: good ones of every kind, and such as want to do harm."""

from __future__ import annotations

import io
import os
import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image, ImageCms

from photovault.decoder.host import Asked
from tests.support.formats import box, full, png_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextmanager
def asked(folder: Path, *files: bytes, names: Sequence[bytes] = (), thumbnail: bool = True) -> Iterator[list[Asked]]:
    """Files with these contents, opened."""
    found = []
    try:
        for number, data in enumerate(files):
            path = folder / f"asked-{number}"
            path.write_bytes(data)
            name = names[number] if names else b"photo"
            found.append(Asked(os.open(path, os.O_RDONLY), len(data), name, thumbnail))
        yield found
    finally:
        for file in found:
            os.close(file.fd)


def scene(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """A picture that is not the same whichever way it is turned: red, green, blue and white quarters, darker to the right."""
    image = Image.new("RGB", (width, height))
    corners = ((0, 0, "red"), (1, 0, "green"), (0, 1, "blue"), (1, 1, "white"))
    for right, below, colour in corners:
        image.paste(colour, (right * width // 2, below * height // 2, width, height))
    return image.convert(mode)


def saved(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def turned(orientation: int) -> Image.Exif:
    """Exif with an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def untold(image: Image.Image, orientation: int) -> Image.Image:
    """The pixels that, turned as Exif's ``orientation`` says, are ``image``."""
    turn = Image.Transpose
    back = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE}
    back |= {6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270}
    return image.transpose(back[orientation]) if orientation in back else image


def quarters(webp: bytes) -> list[str]:
    """The colours in the middle of the four quarters of a thumbnail: top left, top right, bottom left, bottom right."""
    image = Image.open(io.BytesIO(webp)).convert("RGB")
    places = [(x * image.width // 4, y * image.height // 4) for y in (1, 3) for x in (1, 3)]
    return [_name(image.getpixel(place)) for place in places]


def _name(colour: tuple[int, int, int]) -> str:
    known = {
        (255, 0, 0): "red",
        (0, 128, 0): "green",
        (0, 0, 255): "blue",
        (255, 255, 255): "white",
        (0, 0, 0): "black",
    }
    return min(known.items(), key=lambda one: sum((a - b) ** 2 for a, b in zip(one[0], colour, strict=True)))[1]


def swapped_profile() -> bytes:
    """An ICC profile whose red is sRGB's blue and the other way round; its description does not say sRGB."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    places = {bytes(profile[132 + 12 * row : 136 + 12 * row]): 136 + 12 * row for row in range(count)}
    red, blue = places[b"rXYZ"], places[b"bXYZ"]
    profile[red : red + 8], profile[blue : blue + 8] = profile[blue : blue + 8], profile[red : red + 8]
    return bytes(profile).replace(b"s\0R\0G\0B", b"s\0W\0A\0P").replace(b"sRGB", b"sWAP")


# Made to harm -------------------------------------------------------------------------------------------------------


def many_scans(count: int) -> bytes:
    """A progressive JPEG of 16 megapixels in 63 KB whose last scan is repeated; each costs 12 ms and 31 bytes."""
    data = saved(Image.new("L", (4000, 4000), 128), progressive=True)
    scan = data[data.rfind(b"\xff\xda") : -2]
    return data[:-2] + scan * count + b"\xff\xd9"


def png(width: int, height: int, *chunks: bytes, rows: bytes = b"") -> bytes:
    """A grey PNG with this header, whatever its rows are."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    image = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + image + png_chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG with 200 compressed texts of 8 MB each."""
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(8 << 20)))
    return png(8, 8, *[text] * 200, rows=bytes(72))


def endless_tiff() -> bytes:
    """A TIFF of a thousand directories that lead to each other for ever."""
    many, size = 1000, 2 + 12 + 4
    places = [8 + size * number for number in range(many)]
    rows = [
        struct.pack("<HHHIII", 1, 0x014A, 4, 1, places[(number * 7 + 1) % many], places[(number + 1) % many])
        for number in range(many)
    ]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(rows)


def nested_boxes() -> bytes:
    """A HEIC whose boxes hold boxes, twenty thousand deep."""
    depth = 20_000
    inner = b"".join(struct.pack(">I4s", 8 * (depth - level), b"meta") for level in range(depth))
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + full(b"meta", inner)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(/tmp/owned) (w) file closefile\nshowpage\n"


# RAW ----------------------------------------------------------------------------------------------------------------


def dng(width: int, height: int, preview: bytes = b"", orientation: int = 1) -> bytes:
    """A DNG of uncompressed sensor data, and a preview if one is given."""
    from tests.support.formats import tiff

    pixels = struct.pack("<H", 9000) * (width * height)
    tags: dict[int, object] = {0x00FE: 0, 0x0100: width, 0x0101: height, 0x0102: 16, 0x0103: 1, 0x0106: 32803}
    tags |= {0x0111: 0, 0x0112: orientation, 0x0115: 1, 0x0116: height, 0x0117: len(pixels)}
    tags |= {0x0201: 0, 0x0202: len(preview)} if preview else {}
    tags |= {33421: [2, 2], 33422: b"\0\1\1\2", 50706: b"\1\4\0\0", 50708: "Test"}
    tags[50721] = [(int(place in (0, 4, 8)), 1) for place in range(9)]
    size = len(tiff(tags))
    tags[0x0111] = size + len(preview)
    if preview:
        tags[0x0201] = size
    data = tiff(tags)
    assert len(data) == size
    return data + preview + pixels
