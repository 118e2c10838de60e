"""Real faces for tests: four people in photos of the United States government, and libraries made of them.

``tests/fetch_faces.py`` puts the photos and the package ``face_recognition`` beside the packages of the Python that runs the
tests; where they are not, tests are skipped, or fail if PHOTOVAULT_TESTS_NEED_ALL is set.  No photo is in the repository.

    portrait("obama")            an upright picture with one face, and where the face is
    variants("obama", 6)         six that differ in light, colour, size, sharpness, tilt and cut, as photos of one person do
    group(["obama", "biden"])    several people in one picture
    small("hopper", 24)          a face of 24 pixels in a picture of 1,024
    save(image, path)            as JPEG or HEIC (by the ending), turned by Exif if asked
    library(root)                a folder of all that; returns who is where
"""

from __future__ import annotations

import hashlib
import io
import sys
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageEnhance, ImageFilter

from tests.decoder import heic as boxes
from tests.support.photos import put
from tests.support.programs import missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FOLDER = Path(sys.prefix) / "share" / "photovault-tests" / "faces"
NAMED_PACKAGE = Path(sys.prefix) / "share" / "photovault-tests" / "face_recognition"


class Photo(NamedTuple):
    """A photo: who is in it, where the face is (pixels: left, top, width, height), and its SHA-256."""

    person: str
    file: str
    face: tuple[int, int, int, int]
    sha256: str


# Works of officers of the United States government (17 U.S.C. 105).
PHOTOS = (
    # Official White House photos by Pete Souza, cut by face_recognition 1.3.0 (its sdist: tests/test_images), 2012, 2009 and 2010.
    Photo("obama", "obama.jpg", (374, 94, 232, 321), "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6"),
    Photo("obama", "obama2.jpg", (195, 224, 276, 390), "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6"),
    Photo("obama", "obama3.jpg", (640, 246, 270, 367), "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3"),
    Photo("biden", "biden.jpg", (429, 176, 276, 382), "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c"),
    # Eileen Collins, NASA's portrait (scikit-image: skimage/data/astronaut.png).
    Photo("collins", "astronaut.png", (178, 63, 90, 113), "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
    # Grace Hopper, the US Navy's portrait, 1984 (matplotlib: mpl-data/sample_data/grace_hopper.jpg).
    Photo("hopper", "grace_hopper.jpg", (183, 120, 170, 212), "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130"),
)  # fmt: skip
PEOPLE = ("obama", "biden", "collins", "hopper")
AROUND = 2.1
"""A portrait's side, in heights of its face."""


class Shot(NamedTuple):
    """An upright picture, and the faces in it: (person, left, top, width, height) in pixels."""

    image: Image.Image
    faces: tuple[tuple[str, float, float, float, float], ...]


def portrait(person: str, which: int = 0, edge: int = 480) -> Shot:
    """One face with head and shoulders, in a square of ``edge`` pixels; obama has three photos, the others one."""
    photo = [one for one in PHOTOS if one.person == person][which]
    x, y, w, h = photo.face
    side = AROUND * h
    left, top = x + w / 2 - side / 2, y + h / 2 - side / 2
    whole = _original(photo)
    left, top = max(0.0, min(left, whole.width - side)), max(0.0, min(top, whole.height - side))
    side = min(side, whole.width - left, whole.height - top)
    image = whole.crop((round(left), round(top), round(left + side), round(top + side)))
    scale = edge / image.width
    face = (person, (x - round(left)) * scale, (y - round(top)) * scale, w * scale, h * scale)
    return Shot(image.resize((edge, round(image.height * scale)), Image.Resampling.LANCZOS), (face,))


def available() -> bool:
    """Whether the photos are there."""
    return all((FOLDER / photo.file).is_file() for photo in PHOTOS)


def _original(photo: Photo) -> Image.Image:
    path = FOLDER / photo.file
    if not path.is_file():
        missing("the photos of faces are not there: run `python tests/fetch_faces.py`")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise ValueError(f"{path} is not the photo that it was")
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def variants(person: str, count: int, seed: int = 0, edge: int = 480) -> list[Shot]:
    """``count`` photos of one person, all different."""
    photos = sum(one.person == person for one in PHOTOS)
    return [_varied(portrait(person, n % photos, edge), Random(f"{person} {seed} {n}")) for n in range(count)]


def _varied(shot: Shot, random: Random) -> Shot:
    image, edge = shot.image, shot.image.width
    ((person, x, y, w, h),) = shot.faces
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = change(image).enhance(random.uniform(0.75, 1.25))
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.8)))
    tilt = random.uniform(-7, 7)
    image = image.rotate(tilt, Image.Resampling.BICUBIC, center=(x + w / 2, y + h / 2), fillcolor=(90, 90, 90))
    cut = [round(edge * random.uniform(0, 0.06)) for _ in range(4)]
    image = image.crop((cut[0], cut[1], edge - cut[2], image.height - cut[3]))
    scale = random.uniform(0.7, 1.2)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    return Shot(image, ((person, (x - cut[0]) * scale, (y - cut[1]) * scale, w * scale, h * scale),))


def group(people: Sequence[str], edge: int = 240, columns: int = 6, seed: int = 0) -> Shot:
    """One picture of several people, in rows; the same person may be in it twice, and then looks different."""
    columns = min(columns, len(people))
    rows = -(-len(people) // columns)
    image = Image.new("RGB", (columns * edge, rows * edge), (90, 110, 90))
    faces: list[tuple[str, float, float, float, float]] = []
    for place, person in enumerate(people):
        shot = portrait(person, (seed + place) % sum(one.person == person for one in PHOTOS), edge)
        left, top = place % columns * edge, place // columns * edge
        image.paste(shot.image.crop((0, 0, edge, edge)), (left, top))
        faces += [(name, x + left, y + top, w, h) for name, x, y, w, h in shot.faces]
    return Shot(image, tuple(faces))


def small(person: str, pixels: int, size: tuple[int, int] = (1024, 768), at: tuple[int, int] = (400, 300)) -> Shot:
    """A face ``pixels`` high in a picture of ``size``."""
    shot = portrait(person)
    edge = round(shot.image.width * pixels / shot.faces[0][4])
    face = portrait(person, 0, edge)
    image = Image.new("RGB", size, (120, 130, 110))
    image.paste(face.image, at)
    return Shot(image, tuple((name, x + at[0], y + at[1], w, h) for name, x, y, w, h in face.faces))


def nobody(size: tuple[int, int] = (640, 480), seed: int = 0) -> Image.Image:
    """A picture without a face: soft stains."""
    noise = Image.frombytes("RGB", (16, 12), Random(seed).randbytes(16 * 12 * 3))
    return noise.resize(size, Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path, *, orientation: int = 1, taken: str | None = None, quality: int = 90) -> Path:
    """Write a picture as JPEG, PNG or HEIC, by the ending, so that it is upright when turned as its metadata says.

    Args:
        orientation: of Exif, 1 to 8; not for HEIC.
        taken: as EXIF writes it, "2021:05:04 13:22:11"; not for HEIC.
    """
    if path.suffix == ".heic":
        return put(path, heic(image))
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
        image = image.transpose(_STORED[orientation])
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    out = io.BytesIO()
    image.save(out, "PNG" if path.suffix == ".png" else "JPEG", quality=quality, exif=exif)
    return put(path, out.getvalue())


# What the camera stored, from what is upright: the reverse of the turn that Exif asks for.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def heic(image: Image.Image, *, quarter_turns: int = 0) -> bytes:
    """A picture as HEIC: one frame of HEVC by libx265, which PyAV brings, in boxes; to be turned left so many times."""
    import av

    image = image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = *image.size, "yuv420p", Fraction(1, 25)
    encoder.options = {"x265-params": "log-level=none:keyint=1:info=0:repeat-headers=1:pools=none", "crf": "18"}
    frames = [av.VideoFrame.from_image(image).reformat(format="yuv420p"), None]
    stream = b"".join(bytes(packet) for frame in frames for packet in encoder.encode(frame))
    units = [unit for unit in stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
    parameters = [unit for unit in units if _kind(unit) in _PARAMETERS]
    picture = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units if _kind(unit) < min(_PARAMETERS))
    return boxes.heic(picture, quarter_turns=quarter_turns, configuration=_configuration(parameters), size=image.size)


_SEQUENCE = 33
_PARAMETERS = (32, _SEQUENCE, 34)  # kinds of units, ITU-T H.265 table 7-1; pictures have lower numbers


def _kind(unit: bytes) -> int:
    return unit[0] >> 1 & 63


def _configuration(parameters: list[bytes]) -> bytes:
    """``hvcC``, ISO/IEC 14496-15 section 8.3.3.1: profile and level are those of the sequence's parameters."""
    sequence = next(unit for unit in parameters if _kind(unit) == _SEQUENCE).replace(b"\0\0\3", b"\0\0")
    head = b"\1" + sequence[3:15] + bytes.fromhex("f000fcfdf8f800000f") + bytes([len(parameters)])
    rows = (bytes([_kind(one)]) + (1).to_bytes(2, "big") + len(one).to_bytes(2, "big") + one for one in parameters)
    return boxes.box(b"hvcC", head, *rows)


def library(root: Path, *, people: Iterable[str] = PEOPLE, each: int = 6, seed: int = 0) -> dict[str, tuple[str, ...]]:
    """Photos of each person, one of them turned by Exif and one a PNG, a group photo and one without a face.

    Returns:
        Path below ``root`` -> who is in it.
    """
    people, truth = list(people), {}
    for person in people:
        for number, shot in enumerate(variants(person, each, seed)):
            name = f"{person}/{number}.{'png' if number == 2 else 'jpg'}"
            turned = 6 if number == 1 else 1
            save(shot.image, root / name, orientation=turned, taken=f"20{10 + number}:05:04 13:22:11")
            truth[name] = (person,)
    save(group(people).image, root / "together.jpg", taken="2020:05:04 13:22:11")
    save(nobody(seed=seed), root / "nobody.jpg")
    return truth | {"together.jpg": tuple(people), "nobody.jpg": ()}
