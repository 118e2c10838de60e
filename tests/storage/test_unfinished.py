"""What killed processes left unfinished in a folder is removed, and nothing of those that write."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from photovault.storage.folder import FolderStorage, sweep_unfinished

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_WRITE = """
import os, sys
from pathlib import Path
from photovault.storage.folder import FolderStorage
import photovault.storage.folder as folder
folder.name_new = lambda *_: os._exit(9)
FolderStorage(Path(sys.argv[1])).put("packs/ab/x", b"x" * 1000)
"""


def test_a_killed_process_leaves_a_file_that_is_swept(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", _WRITE, str(tmp_path)], check=False).returncode == 9
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    assert sweep_unfinished(tmp_path) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_others_write_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FolderStorage(tmp_path)
    seen: list[str] = []
    link = os.link

    def spy(source: str, target: str) -> None:
        monkeypatch.setattr(os, "getpid", lambda: 1)  # somebody else sweeps
        seen.append(str(sweep_unfinished(tmp_path)))
        monkeypatch.undo()
        link(source, target)

    monkeypatch.setattr(os, "link", spy)
    storage.put("packs/ab/x", b"x")
    assert seen == ["0"]
    assert storage.get("packs/ab/x") == b"x"


def test_other_computers_and_strange_names_are_left(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    names = [f"00000000-{2**22 + 1}-{'0' * 32}", "0" * 32, "notes.txt", f"zz-1-{'0' * 32}"]
    for name in names:
        (tmp_path / "tmp" / name).touch()
    assert sweep_unfinished(tmp_path) == 0
    assert len(list((tmp_path / "tmp").iterdir())) == len(names)
    assert sweep_unfinished(tmp_path / "nowhere") == 0
