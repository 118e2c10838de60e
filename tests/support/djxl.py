"""A stand-in for the program djxl, for tests that must not depend on what is installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = f"""#!{sys.executable}
import sys
from pathlib import Path

import imagecodecs

source, result = map(Path, sys.argv[1:])
result.write_bytes(imagecodecs.jpegxl_decode_jpeg(source.read_bytes()))
"""


def fake_djxl(folder: Path) -> Path:
    """A folder for PATH, with a djxl in it."""
    folder = folder / "programs"
    folder.mkdir()
    program = folder / "djxl"
    program.write_text(_SCRIPT)
    program.chmod(0o755)
    return folder
