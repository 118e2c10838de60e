"""The benchmark of photos runs, measures what it says, says what was missed, and fails when a file differs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Iterator

BENCH = Path(__file__).parents[2] / "bench"
SCRIPT = BENCH / "photos.py"


@pytest.fixture(scope="module")
def photos() -> Iterator[Any]:
    """The module, by the path that it is run from; the benchmark's modules leave no trace in this process."""
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module("photos")
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(BENCH) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, "--quick", "--runs", "1", "--tools", "restic", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_it_measures_a_folder_and_leaves_it_alone(tmp_path: Path) -> None:
    mine, work = tmp_path / "mine", tmp_path / "work"
    for number in range(6):
        put(mine / f"{number}.jpg", jpeg(number, (320, 240)))
    put(mine / "cut.jpg", jpeg(9, (320, 240))[:-3000])
    work.mkdir()
    words = ("--photos", mine, "--parts", "facts,first,jxl", "--work", work, "--json", tmp_path / "raw.json")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    raw = json.loads((tmp_path / "raw.json").read_text())["figures"]
    rows = {one["title"]: one for one in raw if "title" in one}
    assert rows["facts: JPEGs a second, 7 given"]["least"] == 400
    assert rows["thumbnails after that"]["value"] == 6
    assert rows["first backup, default: of the time without"]["most"] == 1.5
    assert rows["jxl: the same of those that are packed"]["value"] > 0.05
    assert (rows["jxl: files stored as they are"]["value"], "1 of 7" in done.stdout) == (1, True)
    assert {one["tool"] for one in raw if one.get("step") == "restore"} == {"off", "jxl"}
    assert list(work.iterdir()) == []
    assert len(list(mine.iterdir())) == 7


def test_a_restored_file_that_differs_fails(tmp_path: Path) -> None:
    put(tmp_path / "mine" / "one.jpg", jpeg(1, (320, 240)))
    spoiling = tmp_path / "spoiling.py"
    spoiling.write_text(
        "import pathlib, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'photovault', *sys.argv[1:]])\n"
        "if sys.argv[1] == 'restore':\n"
        "    for path in pathlib.Path(sys.argv[sys.argv.index('--to') + 1]).rglob('*.jpg'):\n"
        "        path.write_bytes(path.read_bytes()[:-1] + b'x')\n"
        "sys.exit(done.returncode)\n"
    )
    words = ("--photos", tmp_path / "mine", "--parts", "jxl", "--work", tmp_path)
    done = run(*words, "--photovault", f"{sys.executable} {spoiling}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 restored files differ" in done.stderr


def test_a_row_says_what_was_missed(photos: Any) -> None:
    assert str(photos.Row(title="x", value=39.4, form="{:.0f}", least=40)) == "| x | 39 | >= 40 | **missed** |"
    assert str(photos.Row(title="x", value=40, form="{:.0f}", least=40)) == "| x | 40 | >= 40 | met |"
    assert str(photos.Row(title="x", value=1.6, form="{:.2f}", most=1.5)) == "| x | 1.60 | <= 1.50 | **missed** |"
    assert str(photos.Row(title="x", value=1.6, form="{:.2f}")) == "| x | 1.60 |  |  |"


def test_made_photos_are_what_they_are_called(photos: Any, tmp_path: Path) -> None:
    photos.picture.make(tmp_path / "made", 2, 1)
    one, other = found = photos.jpegs(tmp_path / "made")
    assert [photos.pixels(path) for path in found] == [12_000_000, 12_000_000]
    assert all(2_500_000 < path.stat().st_size < 5_000_000 for path in found)
    assert one.read_bytes() != other.read_bytes()
    photos.picture.make(tmp_path / "again", 1, 1)
    assert (tmp_path / "again" / one.name).read_bytes() == one.read_bytes()
