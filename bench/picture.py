"""Photos of 12 megapixels that cost a decoder what a camera's cost, made from a seed.

Noise of ever finer grain is laid over itself, as in natural scenes each scale has about the same contrast; the finest
stands for the sensor. Colour is coarser and paler. As JPEGs of quality 90, 4:2:0, they have 3 to 4.5 MB, as those of
cameras and telephones have, and JPEG XL makes them smaller by about as much.

Guarantee: the same seed gives the same pixels. Not guaranteed: that any real photo looks so; it has edges and skies.
"""

# ruff: noqa: S311 -- the same seed must give the same pictures

import io
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from PIL import Image

SIZE = (4000, 3000)
_START = datetime(2022, 6, 1, 9)  # noqa: DTZ001 -- cameras know no zone
_DATE, _ORIGINAL, _MAKE, _MODEL, _DETAILS = 0x132, 0x9003, 0x10F, 0x110, 0x8769


def make(folder: Path, count: int, seed: int) -> None:
    """Write so many photos into the missing `folder`."""
    folder.mkdir()
    for number in range(count):
        taken = _START + timedelta(minutes=number)
        (folder / f"DSC_{number:04}.JPG").write_bytes(jpeg(Random(seed * 1_000_003 + number), taken))


def jpeg(rng: Random, taken: datetime) -> bytes:
    """Return one photo; how fine its grain is, and so its size, is drawn from `rng`."""
    grain = rng.uniform(0.04, 0.09)
    pale = [_scene(rng, (SIZE[0] // 4, SIZE[1] // 4), grain).point(_paler).resize(SIZE) for _ in range(2)]
    image = Image.merge("YCbCr", [_scene(rng, SIZE, grain), *pale])
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, exif=_exif(taken))
    return out.getvalue()


def _scene(rng: Random, size: tuple[int, int], grain: float) -> Image.Image:
    """Return grey noise of all scales; a scale's share of what is below it falls towards `grain`."""
    image = _noise(rng, (size[0] >> 7, size[1] >> 7))
    for scale in range(6, -1, -1):
        finer = (size[0] >> scale, size[1] >> scale)
        share = max(grain, 0.05 * scale)
        image = Image.blend(image.resize(finer, Image.Resampling.BICUBIC), _noise(rng, finer), share)
    return image


def _noise(rng: Random, size: tuple[int, int]) -> Image.Image:
    return Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))


def _paler(value: int) -> int:
    return 128 + (value - 128) // 2


def _exif(taken: datetime) -> Image.Exif:
    date = taken.strftime("%Y:%m:%d %H:%M:%S")
    exif = Image.Exif()
    exif[_DATE], exif[_MAKE], exif[_MODEL] = date, "Canon", "Canon EOS 80D"
    exif.get_ifd(_DETAILS)[_ORIGINAL] = date
    return exif
