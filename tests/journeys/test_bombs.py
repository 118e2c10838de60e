"""Files made to harm, through the real command: bounded memory and time, a thumbnail for the good photo, all of it restored."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from tests.decoder.pictures import POSTSCRIPT, endless_tiff, nested_boxes, png, saved, scene, text_bomb
from tests.support.formats import box, full, heif, ispe, segment, xmp_segment
from tests.support.photos import same_tree

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 1 << 20
GOOD = saved(scene())
DTD = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
LAUGHS = (
    f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{DTD}]><x:xmpmeta xmlns:x="adobe:ns:meta/">&a11;</x:xmpmeta>'
)


def many_segments() -> bytes:
    return GOOD[:2] + b"".join(xmp_segment(b"x" * number) for number in range(1000)) + GOOD[2:]


def gif_of_many_frames() -> bytes:
    one = saved(scene().convert("P"), "GIF")
    start = one.index(b",")
    return one[:start] + one[start:-1] * 10_000 + b";"


def webp_of_many_frames() -> bytes:
    image = saved(scene().resize((8, 8)), "WEBP", lossless=True)[12:]
    frame = bytes(6) + struct.pack("<I", 7)[:3] * 2 + struct.pack("<I", 10) + image
    chunks = struct.pack("<4sI4s", b"VP8X", 10, b"\2") + struct.pack("<I", 7)[:3] * 2
    chunks += struct.pack("<4sI6x", b"ANIM", 6) + (struct.pack("<4sI", b"ANMF", len(frame)) + frame) * 10_000
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WEBP") + chunks


def heic_of_a_large_grid() -> bytes:
    """A grid of 256 x 256 tiles, four billion pixels each way, it says."""
    grid = b"\0\1\xff\xff" + struct.pack(">II", 2**32 - 1, 2**32 - 1)
    return heif([(b"grid", grid), (b"hvc1", bytes(1000))], [ispe(2**31 - 1, 2**31 - 1)], {2: 1})


def movie_of_many_boxes() -> bytes:
    return box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", full(b"mvhd", bytes(96)), box(b"free") * 1_000_000)


BOMBS = {
    "pixels.png": lambda: png(60_000, 60_000, rows=bytes(MEGABYTE)),
    "pixels.jpg": lambda: GOOD.replace(struct.pack(">HH", 48, 64), struct.pack(">HH", 65500, 65500), 1),
    "texts.png": text_bomb,
    "nested.heic": nested_boxes,
    "endless.tif": endless_tiff,
    "script.jpg": lambda: POSTSCRIPT,
    "script2.jpg": lambda: b"\xff\xd8\xff" + POSTSCRIPT,
    "segments.jpg": many_segments,
    "comment.jpg": lambda: GOOD[:2] + segment(0xFE, bytes(60_000)) * 250 + GOOD[2:],
    "frames.gif": gif_of_many_frames,
    "frames.webp": webp_of_many_frames,
    "grid.heic": heic_of_a_large_grid,
    "boxes.mp4": movie_of_many_boxes,
    "laughs.xmp": LAUGHS.encode,
    "laughs.jpg": lambda: GOOD[:2] + xmp_segment(LAUGHS.encode()) + GOOD[2:],
    "good.jpg": lambda: GOOD,
}


class Watch:
    """The largest that any child of a process ever was, in bytes, by looking often."""

    def __init__(self, parent: int) -> None:
        self.largest = 0
        self.children: set[int] = set()
        self._parent = parent
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    rows = dict(row.split(":", 1) for row in status.read_text().splitlines())
                except OSError:  # it has ended
                    continue
                if int(rows["PPid"]) == self._parent and "VmHWM" in rows:
                    self.children.add(int(rows["Pid"]))
                    self.largest = max(self.largest, 1024 * int(rows["VmHWM"].split()[0]))


@pytest.mark.usefixtures("vault")
def test_bombs_are_backed_up_at_a_bounded_price_and_come_back(tmp_path: Path, photovault: Callable) -> None:
    photos = tmp_path / "Pictures"
    photos.mkdir()
    for name, made in BOMBS.items():
        (photos / name).write_bytes(made())
    with (photos / "sparse.jpg").open("wb") as file:
        file.write(GOOD)
        file.truncate(200 * MEGABYTE)
    shutil.copytree(photos, tmp_path / "copy")

    began = time.monotonic()
    command = [sys.executable, "-m", "photovault", "backup", "--all-thumbnails", os.fspath(photos)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with Watch(process.pid) as watch:
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in out + err
    assert process.returncode in {0, 3}, err
    assert time.monotonic() - began < 60
    assert watch.children, "the decoders were not seen"
    assert watch.largest < 500 * MEGABYTE

    found = photovault("find", "good", "--json")
    assert [len(row["facts"]["thumbnail"]) for row in found.json["rows"]] == [64]
    shutil.rmtree(photos)
    assert photovault("restore", "--to", tmp_path / "out").code == 0
    assert same_tree(tmp_path / "out" / "Pictures", tmp_path / "copy") == []
    assert not Path("/tmp/owned").exists()
