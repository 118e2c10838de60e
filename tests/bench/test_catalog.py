"""The benchmark of the search catalog runs, measures what it says, and fails when a target is missed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "bench" / "catalog.py"


def test_it_measures_a_small_catalog(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "--photos", "1200", "--work", tmp_path, "--json", tmp_path / "figures.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = {one["what"]: one for one in json.loads((tmp_path / "figures.json").read_text())}
    assert 0 < figures["rebuild"]["value"] < 300 == figures["rebuild"]["target"]
    assert figures["rebuild: peak memory"]["target"] == 500
    assert 0 < figures["find: date and text"]["value"] < 100 == figures["find: date and text"]["target"]
    assert "| rebuild |" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_a_missed_target_fails(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import catalog\n"
        "slow = catalog.Figure(what='x', value=101.0, unit='ms', target=100.0)\n"
        "catalog.bench = lambda *_: [slow]\n"
        "sys.exit(catalog.main([]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "| x | 101.0 ms | 100 ms MISSED |" in done.stdout) == (1, True)
