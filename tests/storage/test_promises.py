"""Every storage keeps the promises of storage/base.py: one suite for all of them, on real servers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.errors import DamageError, MissingError, RefusedError
from photovault.storage.base import OBJECT_MAX, Stored
from photovault.storage.folder import FolderStorage
from photovault.storage.memory import MemoryStorage
from photovault.storage.opening import open_storage
from photovault.storage.retry import Retrying
from tests.storage.odd_disks import FOLDERS, PREPARE
from tests.support.remote import access

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.storage.base import Storage

MIB = 1024 * 1024
REMOTE = {"S3": "s3_url", "WebDAV": "webdav_url", "SFTP": "sftp_url", "rclone": "rclone"}
BAD_NAMES = ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "/a", ".hidden", "a/.hidden", "ä", "a b", "a\0", "a\n"]


@pytest.fixture(params=[*FOLDERS, "memory", *REMOTE])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    if request.param in REMOTE:
        return open_storage(request.getfixturevalue(REMOTE[request.param]), access(state_dir=tmp_path))
    if request.param == "memory":
        return MemoryStorage()
    PREPARE[request.param](monkeypatch)
    return FolderStorage(tmp_path / "deep" / "vault")


def listed(storage: Storage, prefix: str = "") -> dict[str, int]:
    found = [(one.name, one.size) for one in storage.listing(prefix)]
    assert len(found) == len(dict(found)), "a name is listed twice"
    return dict(found)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_what_was_put_comes_back(storage: Storage, size: int) -> None:
    data = Random(size).randbytes(size)
    storage.put("packs/ab/one", data)
    assert storage.get("packs/ab/one") == data
    assert listed(storage) == {"packs/ab/one": size}


@pytest.mark.parametrize("buffer", [bytes, bytearray, lambda data: memoryview(bytearray(b"x" + data))[1:]])
def test_any_buffer_will_do_and_is_copied(storage: Storage, buffer: Callable[[bytes], bytearray]) -> None:
    data = Random(1).randbytes(2 * MIB)
    given = buffer(data)
    storage.put("a", given)
    if not isinstance(given, bytes):
        given[:4] = b"\0\0\0\0"
    assert storage.get("a") == data


def test_ranges_are_whole_or_an_error(storage: Storage) -> None:
    data = Random(2).randbytes(3 * MIB + 5)
    storage.put("a", data)
    for offset, length in [
        (0, 0),
        (0, 1),
        (1, 4096),
        (4095, MIB),
        (1, 2 * MIB),
        (MIB - 1, 2 * MIB + 6),
        (len(data), 0),
    ]:
        assert storage.get("a", offset, length) == data[offset : offset + length]
    for offset in (0, 7, 2 * MIB, len(data)):
        assert storage.get("a", offset) == data[offset:]
    for offset, length in [(0, len(data) + 1), (len(data), 1), (len(data) + 1, 0), (1, 2**40), (2 * MIB, MIB + 6)]:
        with pytest.raises(MissingError):
            storage.get("a", offset, length)
    with pytest.raises(MissingError):
        storage.get("a", len(data) + 1)


def test_the_same_bytes_again_are_no_error(storage: Storage) -> None:
    for _ in range(3):
        storage.put("a/b", b"same")
        storage.put("large", memoryview(bytes(MIB)))
    assert listed(storage) == {"a/b": 4, "large": MIB}


@pytest.mark.parametrize("other", [b"", b"othe", b"other", b"sam"])
def test_other_bytes_never_replace_what_is_there(storage: Storage, other: bytes) -> None:
    storage.put("a/b", b"same")
    with pytest.raises(RefusedError, match="a/b is there already"):
        storage.put("a/b", other)
    assert storage.get("a/b") == b"same"
    assert listed(storage) == {"a/b": 4}


def test_what_is_not_there_is_missing(storage: Storage) -> None:
    storage.put("a/b", b"x")
    folders = () if storage.address.startswith("webdav") else ("a",)  # WebDAV answers with a page about the folder
    for name in ("a/c", "c", "a/b/c", *folders):
        with pytest.raises(MissingError, match=name):
            storage.get(name)


def test_a_listing_names_everything_below_a_prefix(storage: Storage) -> None:
    names = ["vault.json", "keys/1", "keys/2", "packs/00/a", "packs/00/b", "packs/ff/a", "keys-not"]
    for number, name in enumerate(names):
        storage.put(name, bytes(number))
    everything = {name: number for number, name in enumerate(names)}
    assert listed(storage) == everything
    assert listed(storage, "keys/") == {"keys/1": 1, "keys/2": 2}
    assert listed(storage, "packs/") == {name: size for name, size in everything.items() if name.startswith("packs/")}
    assert listed(storage, "packs/00/") == {"packs/00/a": 3, "packs/00/b": 4}
    assert listed(storage, "none/") == {}
    assert all(isinstance(one, Stored) for one in storage.listing(""))


def test_what_is_deleted_is_gone_and_its_name_is_free(storage: Storage) -> None:
    storage.put("a/b", b"x")
    storage.put("a/c", b"y")
    for _ in range(2):
        storage.delete("a/b")
    assert listed(storage) == {"a/c": 1}
    with pytest.raises(MissingError):
        storage.get("a/b")
    storage.put("a/b", b"new")
    assert storage.get("a/b") == b"new"


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_could_lead_elsewhere_are_refused(storage: Storage, name: str) -> None:
    for use in (lambda: storage.put(name, b""), lambda: storage.get(name), lambda: storage.delete(name)):
        with pytest.raises(RefusedError, match="not a name"):
            use()


def test_several_threads_at_once(storage: Storage) -> None:
    storage = Retrying(
        storage, access(retries=3, sleep=time.sleep)
    )  # WsgiDAV answers 500 when two make the same folder at once

    def work(number: int) -> None:
        data = Random(number % 8).randbytes(MIB + number % 8)
        storage.put(f"packs/{number % 8:02}/x", data)
        assert storage.get(f"packs/{number % 8:02}/x") == data
        assert f"packs/{number % 8:02}/x" in listed(storage)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(16)))  # each name twice
    assert len(listed(storage)) == 8


def test_an_address_is_for_people(storage: Storage) -> None:
    assert storage.address.isprintable()
    assert storage.address


def test_an_object_that_is_too_large_is_damage_and_the_rest_goes_on(storage: Storage) -> None:
    storage.put("large", bytes(OBJECT_MAX))
    storage.put("too-large", bytes(OBJECT_MAX + 1))
    assert len(storage.get("large")) == OBJECT_MAX
    with pytest.raises(DamageError, match="too-large"):
        storage.get("too-large")


def test_a_message_holds_no_secret(storage: Storage) -> None:
    with pytest.raises(MissingError) as caught:
        storage.get("none")
    assert "a-secret" not in f"{storage.address} {caught.value.what}"
    assert "a password" not in f"{storage.address} {caught.value.what}"
