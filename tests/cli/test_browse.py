"""``photovault snapshots``, ``ls`` and ``diff``."""

from __future__ import annotations

import hashlib
import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.support.photos import jpeg, library, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable) -> Path:
    root = library(tmp_path / "P", Random(1), files=4)
    assert photovault("backup", root, "--tag", "first", "--time", "2024-05-04T12:00:00Z").code == 0
    return root


def test_no_snapshots_yet(photovault: Callable, vault: Path) -> None:
    done = photovault("snapshots")
    assert (done.code, "no snapshots yet" in done.out) == (0, True)
    assert photovault("ls").code == 1


def test_snapshots_for_people_and_programs(photovault: Callable, photos: Path) -> None:
    photovault("backup", photos, "--time", "2024-05-05T12:00:00Z")
    older, newer = photovault("snapshots", "--json").json["snapshots"]
    assert (older["time"], older["tags"], older["number"], newer["number"]) == (
        "2024-05-04T12:00:00.000000Z", ["first"], 1, 2,
    )  # fmt: skip
    assert older["sources"] == [{"label": "P", "path": str(photos), "offline": False}]
    assert (older["files"], older["problems"]) == (10, 0)
    lines = photovault("snapshots").out.splitlines()
    assert lines[0].startswith(f"{older['id'][:8]}  2024-05-04 12:00 UTC")
    assert lines[0].endswith("P  [first]")
    assert "no change" in lines[1]
    assert lines[2:] == [f"fingerprint: {photovault('snapshots', '--json').json['fingerprint']}"]


def test_a_damaged_snapshot_is_named_and_the_others_listed(photovault: Callable, vault: Path, photos: Path) -> None:
    (old,) = (vault / "snapshots").iterdir()
    photovault("backup", photos)
    old.chmod(0o600)
    old.write_bytes(bytes(old.stat().st_size))
    for name in ("places.sqlite", "places.sqlite-wal", "places.sqlite-shm"):
        for path in photos.parent.rglob(name):
            path.unlink()
    done = photovault("snapshots", "--json")
    assert done.code == 13
    assert [one["where"] for one in done.json["damaged"]] == [f"snapshots/{old.name}"]
    assert len(done.json["snapshots"]) == 1
    assert f"snapshots/{old.name}" in photovault("snapshots").err


def test_ls_shows_the_top_then_what_is_asked_for(photovault: Callable, photos: Path) -> None:
    assert photovault("ls").out == "P/\n"
    shallow = photovault("ls", "latest", "P").out.splitlines()
    assert "P/twin.jpg" in shallow
    assert "P/2010/" in shallow
    assert "P/2010/IMG_0000.jpg" not in shallow
    assert "P/link.jpg -> twin.jpg" in shallow
    assert "P/raw \\xff\\xfe name.jpg" in shallow
    assert photovault("ls", "P/2010").out.splitlines() == ["P/2010/", "P/2010/IMG_0000.jpg"]
    assert "P/2010/IMG_0000.jpg" in photovault("ls", "-r").out.splitlines()


@pytest.mark.parametrize(
    ("what", "found"),
    [
        (["IMG_000[01].jpg"], ["P/2010/IMG_0000.jpg", "P/2011/IMG_0001.jpg"]),
        (["*.heic"], ["P/näme with späces.heic"]),
        (["--from", "2012", "--until", "2013", "IMG*"], ["P/2012/IMG_0002.jpg", "P/2013/IMG_0003.jpg"]),
        (["latest:P/twin.jpg"], ["P/twin.jpg"]),
    ],
)
def test_ls_finds(photovault: Callable, photos: Path, what: list[str], found: list[str]) -> None:
    assert sorted(photovault("ls", *what).out.splitlines()) == found


def test_ls_by_the_path_on_this_computer(photovault: Callable, photos: Path) -> None:
    assert photovault("ls", photos / "2010").out.splitlines() == ["P/2010/", "P/2010/IMG_0000.jpg"]


def test_ls_for_programs(photovault: Callable, photos: Path) -> None:
    done = photovault("ls", "-r", "--json").json
    by_path = {one["path"]: one for one in done["entries"]}
    one = by_path["P/2010/IMG_0000.jpg"]
    data = (photos / "2010" / "IMG_0000.jpg").read_bytes()
    assert (one["kind"], one["size"], one["sha256"]) == ("file", len(data), hashlib.sha256(data).hexdigest())
    assert (one["taken"], one["taken_source"]) == ("2010-05-04T13:22:11", "exif")
    assert one["mtime"] == "2020-09-13T12:26:40.250000+00:00"
    assert by_path["P/link.jpg"]["target"] == "twin.jpg"
    assert by_path["P"]["files"] == 10
    assert done["damaged"] == []


def test_ls_long(photovault: Callable, photos: Path) -> None:
    (line,) = photovault("ls", "-l", "P/2010/IMG_0000.jpg").out.splitlines()
    size = (photos / "2010" / "IMG_0000.jpg").stat().st_size
    assert line.split() == [
        f"{size:,}", "2020-09-13T12:26:40", "2010-05-04T13:22:11", "jpeg", "64x48", "-", "P/2010/IMG_0000.jpg",
    ]  # fmt: skip


def test_ls_of_what_is_not_there(photovault: Callable, photos: Path) -> None:
    done = photovault("ls", "P/nothing")
    assert (done.code, "P/nothing" in done.err, done.out) == (1, True, "")
    assert photovault("ls", "latest~5").code == 2


def test_diff(photovault: Callable, photos: Path) -> None:
    put(photos / "2010" / "IMG_0000.jpg", jpeg(500))
    put(photos / "new.jpg", jpeg(501))
    (photos / "twin.jpg").rename(photos / "renamed.jpg")
    (photos / "notes.xmp").unlink()
    os.utime(photos / "empty.jpg")
    photovault("backup", photos)
    lines = photovault("diff", "latest~1").out.splitlines()
    assert lines[:5] == [
        "M  P/2010/IMG_0000.jpg  (picture)", "t  P/empty.jpg", "+  P/new.jpg", "-  P/notes.xmp", "R  P/twin.jpg -> P/renamed.jpg",
    ]  # fmt: skip
    assert lines[5] == "1 added, 1 changed, 1 details, 1 gone, 1 moved"
    value = photovault("diff", "latest~1", "latest", "--json").json
    assert value["counts"] == {"added": 1, "changed": 1, "details": 1, "gone": 1, "moved": 1}
    assert {"kind": "moved", "path": "P/renamed.jpg", "before": "P/twin.jpg"}.items() <= value["changes"][-1].items()
    assert photovault("diff", "latest", "latest").out == "no difference\n"
    assert photovault("diff", "latest~9").code == 2
