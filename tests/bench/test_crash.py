"""The benchmark of kills runs, and says what it counted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "bench" / "crash.py"


@pytest.mark.slow
def test_it_kills_and_counts(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "--quick", "--kills", "1", "--tools", "photovault", "--work", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| backups killed | 1 |" in done.stdout
    assert "| had to be unlocked by hand | 0 |" in done.stdout
    kept = re.search(r"kept that nobody needs \| ([\d,.]+) MB", done.stdout)
    assert kept is not None
    assert float(kept[1].replace(",", "")) < 5
    assert list(tmp_path.iterdir()) == []
