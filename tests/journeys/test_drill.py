"""Drills as their user has them: real decoders, real folders, a real daemon, and no photo under any name."""

from __future__ import annotations

import json
import tempfile
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.decoder.pictures import saved, scene
from tests.support.daemon import Watching
from tests.support.photos import put
from tests.support.watching import watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BROKEN = "ends.jpg"


def picture(seed: int) -> bytes:
    """A JPEG that decodes, with bytes in its end that no other file has."""
    return saved(scene()) + Random(seed).randbytes(3000)


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable) -> Path:
    root = tmp_path / "Pictures"
    for number in range(6):
        put(root / f"{number}.jpg", picture(number))
    put(root / "large.png", saved(scene(), "PNG") + Random(99).randbytes(12_000_000))
    put(root / BROKEN, saved(scene())[:-300])
    put(root / "notes.xmp", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    with (tmp_path / "device" / "config.toml").open("a") as config:
        config.write(f"[[sources]]\npath = '{root}'\n[watch]\nsettle = '300ms'\nmin_interval = '0s'\npoll = '200ms'\n")
    return root


def rotten(vault: Path) -> dict[Path, bytes]:
    """Flip a bit in the middle of each large pack; what they were."""
    packs = {path: path.read_bytes() for path in (vault / "packs").rglob("*") if path.is_file()}
    largest = max(packs, key=lambda path: len(packs[path]))
    data = bytearray(packs[largest])
    data[len(data) // 3] ^= 1
    largest.write_bytes(data)
    return packs


@pytest.mark.usefixtures("real_decoders")
def test_photos_are_proven_in_memory_alone_and_rot_is_found_stored_again_and_proven(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    assert photovault("backup", "--all-thumbnails").code == 0
    with watched(tmp_path / "tmp", tmp_path / "device", vault) as seen:
        done = photovault("drill", "--all", "--json")
    assert done.code == 0
    value = done.json
    assert (value["proven"], value["decoded"], value["plain"], value["broken"], value["same"]) == (9, 7, 1, 1, 9)
    assert value["standing"]["percent"] == 100
    marks = [path.read_bytes()[-40:] for path in photos.glob("*.jpg")]
    assert [path for path, data in seen.contents() if any(mark in data for mark in marks)] == []
    rotten(vault)
    done = photovault("drill", "--all", "--json")
    damaged = [one for one in map(json.loads, done.out.splitlines()) if one.get("problem") == "damaged"]
    assert (done.code, len(damaged), done.json["damaged"]) == (13, 1, 1)
    assert photovault("status").code == 3
    assert photovault("backup").code == 0
    assert photovault("drill", "--count", 2).code == 0
    assert "proven 100 %" in photovault("status").out


def test_the_daemon_proves_photos_when_it_is_idle_and_raises_an_alarm(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path
) -> None:
    (photos / "large.png").unlink()
    assert photovault("backup").code == 0
    log = tmp_path / "log"
    with Watching(log) as daemon:
        proven = daemon.wait("drill done")
        assert (proven["photos"], proven["damaged"], proven["left"]) == (8, 0, 0)
    assert "proven 100 %" in photovault("status").out
    before = rotten(vault)
    for path in (tmp_path / "device" / "state" / "vaults").glob("*/*/proofs.sqlite*"):
        path.unlink()  # as if a day had gone by
    with Watching(log) as daemon:
        assert daemon.wait("drill done")["damaged"] > 0
        status = photovault("status")
        assert (status.code, "main: DAMAGED since" in status.out) == (3, True)
        assert photovault("status", "--json").json["watch"]["destinations"][0]["damaged"] > 0
        for path, data in before.items():
            path.write_bytes(data)
        put(photos / "new.jpg", picture(50))
        assert daemon.wait("drill done")["damaged"] == 0, "a backup is a reason to look again"
        daemon.stop()
    assert "DAMAGED" not in photovault("status").out


@pytest.mark.usefixtures("real_decoders")
def test_photos_at_a_server_are_proven_apart(
    photovault: Callable, photos: Path, webdav_url: str, tmp_path: Path
) -> None:
    (photos / "large.png").unlink()
    with (tmp_path / "device" / "config.toml").open("a") as config:
        config.write(f"[[destinations]]\nname = 'there'\nurl = '{webdav_url}'\n")
    assert photovault("backup").code == 0
    assert photovault("copy", "--to", "there").code == 0
    assert photovault("drill", "--vault", "there", "--percent", 50, "--json").json["proven"] == 4
    status = photovault("status").out
    assert ("main: never proven" in status, "there: proven 50 %" in status) == (True, True)
