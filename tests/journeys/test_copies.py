"""Copies of a vault on real servers: brought up to date, restored from, healed, and seen to be rolled back."""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.storage.opening import open_storage
from tests.support.photos import library, put, same_tree
from tests.support.remote import access

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.storage.base import Storage


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable) -> Path:
    """A library with two backups in a folder."""
    root = library(tmp_path / "Pictures", Random(4), files=3)
    assert photovault("backup", root, "--all-files").code == 0
    put(root / "later.jpg", Random(6).randbytes(100_000))
    assert photovault("backup", root, "--all-files").code == 0
    return root


@pytest.fixture(params=["s3_url", "webdav_url", "sftp_url"])
def there(request: pytest.FixtureRequest, tmp_path: Path, photos: Path) -> Storage:
    """A destination called there, which holds nothing yet."""
    url = request.getfixturevalue(request.param)
    with (tmp_path / "device" / "config.toml").open("a") as config:
        config.write(f"[[destinations]]\nname = 'there'\nurl = '{url}'\n")
    return open_storage(url, access(state_dir=tmp_path / "device" / "state"))


def test_a_copy_on_a_server_is_a_whole_vault(
    photovault: Callable, photos: Path, there: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert photovault("copy", "--to", "there").code == 0
    put(photos / "new.mp4", Random(5).randbytes(20_000_000))
    assert photovault("backup", photos, "--all-files", "--to", "there").code == 0
    done = photovault("check", "--vault", "there", "--data", "all")
    assert (done.code, done.err) == (0, "")
    assert photovault("restore", "--vault", "there", "--to", tmp_path / "out").code == 0
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []
    monkeypatch.delenv("PHOTOVAULT_VAULT")  # the folder is lost: a new one is filled from the server
    new = tmp_path / "new"
    assert photovault("copy", "--from", "there", "--to", new).code == 0
    assert {stored.name: stored.size for stored in there.listing("")} == {
        str(path.relative_to(new)): path.stat().st_size
        for path in new.rglob("*")
        if path.is_file() and "tmp" not in path.relative_to(new).parts
    }
    assert photovault("check", "--vault", new, "--data", "all").code == 0


def test_a_copy_on_a_server_is_healed_and_watched(
    photovault: Callable, photos: Path, there: Storage, vault: Path, tmp_path: Path
) -> None:
    photovault("copy", "--to", "there")
    pack, lost, *_ = sorted((stored for stored in there.listing("packs/")), key=lambda stored: -stored.size)
    there.delete(pack.name)
    there.put(pack.name, b"x" * pack.size)
    there.delete(lost.name)
    assert photovault("check", "--vault", "there", "--data", "all").code == 13
    done = photovault("check", "--vault", "there", "--data", "all", "--repair-from", "main", "--json")
    assert (done.code, set(done.json["healed"])) == (0, {pack.name, lost.name})
    assert there.get(pack.name) == (vault / pack.name).read_bytes()
    photovault("backup", photos, "--all-files", "--to", "there")
    photovault("backup", photos, "--all-files")
    newest = {stored.name for stored in there.listing("snapshots/")} - {
        f"snapshots/{path.name}" for path in (vault / "snapshots").iterdir()
    }
    there.delete(newest.pop())
    for folder in ("state", "cache"):
        shutil.rmtree(tmp_path / "device" / folder)  # a computer that never saw it
    done = photovault("status", "--words-file", tmp_path / "words.txt", "--json")
    rows = {row["name"]: row for row in done.json["destinations"]}
    assert [len(rows[name]["rolled_back"]) for name in ("main", "there")] == [0, 1]
