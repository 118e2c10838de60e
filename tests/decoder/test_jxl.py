"""JPEGs become smaller and come back bit for bit, or stay as they are."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from photovault.decoder import jxl, process
from photovault.decoder.host import Decoders, Limits, can_pack
from photovault.errors import DamageError, RefusedError
from tests.decoder.pictures import saved, scene
from tests.support.programs import needed

if TYPE_CHECKING:
    from pathlib import Path

PHOTO = saved(
    Image.effect_noise((150, 100), 60).resize((1200, 800), Image.Resampling.BICUBIC).convert("RGB"), quality=90
)


@pytest.fixture(scope="module")
def decoders():
    with Decoders(count=1) as decoders:
        yield decoders


def test_smaller_and_the_same_again(decoders: Decoders) -> None:
    packed = decoders.pack(memoryview(PHOTO))
    assert packed is not None
    assert len(packed) < 0.9 * len(PHOTO)
    assert decoders.unpack(packed, len(PHOTO)) == PHOTO


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"comment": b"x"}, {"optimize": True}])
def test_variants(decoders: Decoders, options: dict[str, object]) -> None:
    data = saved(scene(640, 480), **options)
    packed = decoders.pack(data)
    assert packed is not None
    assert decoders.unpack(packed, len(data)) == data


def test_a_jpeg_without_its_metadata_as_groups_have_it(decoders: Decoders) -> None:
    bare = PHOTO[:2] + PHOTO[PHOTO.index(b"\xff\xdb") :]
    packed = decoders.pack(bare)
    assert packed is not None
    assert decoders.unpack(packed, len(bare)) == bare


def test_another_program_decodes_it(decoders: Decoders, tmp_path: Path) -> None:
    djxl = needed("djxl")
    (tmp_path / "photo.jxl").write_bytes(decoders.pack(PHOTO) or b"")
    subprocess.run([djxl, "photo.jxl", "photo.jpg"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "photo.jpg").read_bytes() == PHOTO


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"no photo", id="no photo"),
        pytest.param(PHOTO[: len(PHOTO) // 2], id="half"),
        pytest.param(saved(scene(mode="CMYK")), id="CMYK"),
        pytest.param(saved(scene(), "PNG"), id="PNG"),
        pytest.param(PHOTO.replace(b"\xff\xc0", b"\xff\xc9", 1), id="arithmetic"),
    ],
)
def test_what_cannot_be_packed_stays(decoders: Decoders, data: bytes) -> None:
    assert decoders.pack(data) is None


def test_too_large_stays() -> None:
    with Decoders(count=1, limits=Limits(pack_pixels=1200 * 800 - 1)) as decoders:
        assert decoders.pack(PHOTO) is None


def test_too_little_memory_stays() -> None:
    with Decoders(count=1, limits=Limits(pack_memory=8 << 20)) as decoders:
        assert decoders.pack(PHOTO) is None


def test_too_slow_stays() -> None:
    large = saved(Image.open(io.BytesIO(PHOTO)).resize((4000, 3000)))
    with Decoders(count=1, limits=Limits(pack_seconds=0.01)) as decoders:
        assert decoders.pack(large) is None


def test_what_would_not_come_back_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagecodecs.jpegxl_decode_jpeg", lambda data, numthreads: PHOTO[:-1] + b"\0")
    assert jxl.pack(PHOTO, 10_000_000) == b""
    monkeypatch.undo()
    assert jxl.pack(PHOTO, 10_000_000)


def test_damage_is_said(decoders: Decoders) -> None:
    packed = decoders.pack(PHOTO) or b""
    with pytest.raises(DamageError):
        decoders.unpack(packed, len(PHOTO) + 1)
    with pytest.raises(DamageError):
        decoders.unpack(packed[: len(packed) // 2], len(PHOTO))
    with pytest.raises(DamageError):
        decoders.unpack(b"no JPEG XL", 10)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_BOOT", "import sys; sys.modules['imagecodecs'] = None; " + process._BOOT)
    with Decoders(count=1) as decoders:
        assert decoders.pack(PHOTO) is None
        with pytest.raises(RefusedError) as why:
            decoders.unpack(b"", 10)
    assert "photovault[jxl]" in why.value.hint


def test_whether_it_is_there_is_known_without_loading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_pack()
    monkeypatch.setattr("photovault.decoder.host.find_spec", lambda _: None)
    assert not can_pack()
