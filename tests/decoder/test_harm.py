"""Files made to harm cost little time and memory, and no file its answer; nothing is printed."""

from __future__ import annotations

import os
import random
import struct
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from photovault.decoder.host import Asked, Decoders, Limits
from tests.decoder.heic import heic
from tests.decoder.pictures import (
    POSTSCRIPT,
    asked,
    endless_tiff,
    many_scans,
    nested_boxes,
    png,
    saved,
    scene,
    text_bomb,
)
from tests.support.formats import png_chunk

GOOD = saved(scene())


def huge_jpeg() -> bytes:
    """Its header claims 65,500 x 65,500 pixels."""
    return GOOD.replace(struct.pack(">HH", 48, 64), struct.pack(">HH", 65500, 65500), 1)


def gif_of_many_frames() -> bytes:
    frames = [Image.new("L", (50, 50), number % 256) for number in range(3000)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def large_tiff() -> bytes:
    """A TIFF whose one strip is 4 GB long, it says."""
    row = struct.pack("<HHI", 279, 4, 1)  # StripByteCounts, a LONG, one
    return saved(scene(), "TIFF").replace(row + struct.pack("<I", 64 * 48 * 3), row + struct.pack("<I", 0xFFFFFFF0))


BOMBS = {
    "pixels of a PNG": lambda: png(60_000, 60_000, rows=bytes(1 << 20)),
    "pixels of a JPEG": huge_jpeg,
    "pixels of a GIF": lambda: saved(scene(), "GIF").replace(struct.pack("<HH", 64, 48), b"\xff\xff\xff\xff"),
    "pixels of a BMP": lambda: saved(scene(), "BMP").replace(struct.pack("<ii", 64, 48), b"\xff\xff\xff\x7f" * 2),
    "text of a PNG": text_bomb,
    "profile of a PNG": lambda: png(
        8, 8, png_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(300 << 20), 1)), rows=bytes(72)
    ),
    "endless directories": endless_tiff,
    "a long strip": large_tiff,
    "nested boxes": nested_boxes,
    "many frames": gif_of_many_frames,
    "PostScript": lambda: POSTSCRIPT,
    "PostScript in a JPEG": lambda: b"\xff\xd8\xff" + POSTSCRIPT,
    "many scans": lambda: many_scans(100_000),
}


@pytest.fixture(scope="module")
def decoders():
    with Decoders(count=1, limits=Limits(seconds=3.0)) as decoders:
        yield decoders


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb(decoders: Decoders, tmp_path: Path, bomb: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = BOMBS[bomb]()
    began = time.monotonic()
    with asked(tmp_path, data, GOOD, names=[b"holiday.jpg"] * 2) as files:
        found, good = decoders.look(files).result()
    assert time.monotonic() - began < 15
    (pid,) = decoders.pids
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert int(status["VmHWM"].split()[0]) < 500_000  # kB
    assert data != GOOD
    assert found.thumbnail == b"" or len(found.thumbnail) < 100_000
    assert good.thumbnail
    assert not Path("/tmp/owned").exists()
    assert capfd.readouterr() == ("", "")


def test_no_interpreter_is_ever_asked(decoders: Decoders, tmp_path: Path) -> None:
    with asked(tmp_path, POSTSCRIPT, b"%PDF-1.4\n" + POSTSCRIPT, b"P6 9 9 255\n" + bytes(243)) as files:
        found = decoders.look(files).result()
    assert [(one.thumbnail, one.facts.broken, one.why) for one in found] == [(b"", "", "")] * 3


def test_broken_files_by_the_hundred(decoders: Decoders, tmp_path: Path) -> None:
    chance = random.Random(5)
    whole = [saved(scene(), form) for form in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF")] + [heic()]
    files = []
    for number in range(160):
        data = bytearray(whole[number % len(whole)])
        for _ in range(chance.randint(1, 9)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        files.append(bytes(data[: chance.randint(len(data) // 2, len(data))]))
    with asked(tmp_path, *files, GOOD) as some:
        *found, good = decoders.look(some).result()
    assert len(found) == 160
    assert good.thumbnail
    assert sum(bool(one.facts.broken) for one in found) > 40
    assert {one.facts.broken for one in found} <= {"", "it ends before its picture does", "its picture does not decode"}


def test_a_file_that_shrinks_while_it_is_looked_at(decoders: Decoders, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(GOOD[:-100])
    fd = os.open(tmp_path / "photo", os.O_RDONLY)
    (found,) = decoders.look([Asked(fd, len(GOOD), b"photo", True)]).result()
    os.close(fd)
    assert found.facts.broken
