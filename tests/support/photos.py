"""Photos made by tests: real JPEGs by Pillow, and libraries of odd files."""

from __future__ import annotations

import io
import os
from random import Random
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


def jpeg(seed: int = 0, size: tuple[int, int] = (64, 48), taken: str | None = None) -> bytes:
    """A small JPEG that decodes; ``taken`` as EXIF writes it, "2021:05:04 13:22:11"."""
    image = Image.frombytes("L", size, Random(seed).randbytes(size[0] * size[1])).convert("RGB")
    image.putpixel((0, 0), (seed % 256, seed // 256 % 256, seed // 65536 % 256))
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85, exif=exif)
    return out.getvalue()


def put(path: Path, data: bytes, mtime: float = 1_600_000_000.25) -> Path:
    """Write a file with a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (mtime, mtime))
    return path


def library(root: Path, random: Random, files: int = 12) -> Path:
    """A folder of photos with the odd things that real ones have: twins, an empty file, a link, odd names, a large file."""
    for number in range(files):
        put(
            root / f"20{number % 20 + 10}" / f"IMG_{number:04}.jpg",
            jpeg(number, taken=f"20{number % 20 + 10}:05:04 13:22:11"),
        )
    put(root / "twin.jpg", (root / "2010" / "IMG_0000.jpg").read_bytes())
    put(root / "empty.jpg", b"")
    put(root / "movie.mp4", random.randbytes(9_000_000))
    put(root / "näme with späces.heic", random.randbytes(30_000))
    put(root / "notes.xmp", b"<x/>")
    (root / "empty folder").mkdir()
    (root / "link.jpg").symlink_to("twin.jpg")
    with open(os.fsencode(root) + b"/raw \xff\xfe name.jpg", "wb") as file:
        file.write(random.randbytes(5_000))
    return root


def same_tree(one: Path, other: Path) -> list[str]:
    """What differs between two folders in names, kinds, contents, times or rights; empty if nothing does."""
    left, right = tree(one), tree(other)
    return sorted(str(key) for key in left.keys() | right.keys() if left.get(key) != right.get(key))


def tree(root: Path) -> dict[bytes, object]:
    """Kind, contents, rights and time of everything below a folder, by path."""
    found: dict[bytes, object] = {}
    top = os.fsencode(root)
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            if os.path.islink(path):
                found[path[len(top) :]] = os.readlink(path)
            elif os.path.isdir(path):
                found[path[len(top) :]] = (st.st_mode, st.st_mtime_ns)
            else:
                with open(path, "rb") as file:
                    found[path[len(top) :]] = (file.read(), st.st_mode, st.st_mtime_ns)
    return found
