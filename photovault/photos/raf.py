"""Fujifilm's RAF: its header says where three things lie: a JPEG that carries the Exif, a table, and the sensor's data."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photovault.photos.window import Window

MAGIC = b"FUJIFILMCCD-RAW "

_PLACES, _AT = struct.Struct(">6I"), 84


def places(window: Window) -> list[tuple[int, int]]:
    """The (start, length) of the JPEG, the table and the data, as the header says; they may lie outside the file.

    Raises:
        Unclear: the file ends within its header.
    """
    numbers = _PLACES.unpack(window.read(_AT, _PLACES.size))
    return list(zip(numbers[::2], numbers[1::2], strict=True))
