"""The benchmark of the gallery runs and measures what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "bench" / "gallery.py"


@pytest.mark.slow
def test_it_measures_a_small_gallery(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "--photos", "1200", "--work", tmp_path, "--json", tmp_path / "figures.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = {one["what"]: one for one in json.loads((tmp_path / "figures.json").read_text())}
    assert figures["first row of photos, from the request"]["value"] > 0
    assert 20 < figures["page before thumbnails"]["value"] < 300 == figures["page before thumbnails"]["target"]
    assert 50 < figures["memory of the server"]["value"] < 250 == figures["memory of the server"]["target"]
    assert "| page before thumbnails |" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]
