"""What is installed beside the core, and what it would be good for."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from photovault.app.doctoring.values import Look, good, note

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTRAS: Final = {
    "jxl": (("imagecodecs",), "packing JPEGs a fifth smaller, and restoring those that were packed"),
    "raw": (("rawpy",), "thumbnails of RAW photos without a preview"),
    "video": (("av",), "thumbnails of videos"),
    "parity": (("zfec",), "bringing lost packs back, where parity is switched on"),
    "gallery": (("starlette", "jinja2", "uvicorn"), "photos to look at in a browser on this computer"),
    "faces": (("cv2", "onnxruntime", "apsw", "faiss", "numpy"), "grouping faces, if you ever ask for that"),
    "notify": (("desktop_notifier",), "alarms on the desktop"),
}


def installed() -> Iterator[Look]:
    """Every extra, and programs of others that some destinations need."""
    yield (
        good("codecs", "JPEG, PNG, WebP, TIFF, GIF, AVIF, HEIC")
        if _there("pi_heif") and _there("PIL")
        else note("codecs", "HEIC or all pictures cannot be decoded", "pip install --force-reinstall pillow pi-heif")
    )
    for extra, (libraries, use) in _EXTRAS.items():
        lacks = [one for one in libraries if not _there(one)]
        yield (
            note(
                f"extra {extra}",
                f"not installed; it is for {use}",
                f"if you want that: pip install 'photovault[{extra}]'",
            )
            if lacks
            else good(f"extra {extra}", f"installed, for {use}")
        )
    if shutil.which("rclone") is None:
        yield note(
            "rclone", "not installed: needed only for destinations whose address begins with rclone:", "install rclone"
        )


def _there(library: str) -> bool:
    """Whether it is installed; it is not imported."""
    return find_spec(library) is not None
