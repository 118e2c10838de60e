"""The face key: made for its store alone, kept in the keyring or a private file, and gone when it is destroyed."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING

import pytest

from photovault.app.people_key import KeyringSecrets
from photovault.errors import ConsentError, RefusedError
from photovault.names import FACE_STORE_MAGIC
from photovault.people.keeping.key import FILE_NAME, NAME_NAME, FaceKey
from tests.support.world import seeded

if TYPE_CHECKING:
    from pathlib import Path


class Keyring:
    """A keyring that remembers, and that can fail in several ways."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.locked = self.forgets = self.holds_on = False

    def get(self, name: str) -> bytes | None:
        self._check()
        return self.kept.get(name)

    def set(self, name: str, secret: bytes) -> None:
        self._check()
        if not self.forgets:
            self.kept[name] = secret

    def delete(self, name: str) -> None:
        self._check()
        if not self.holds_on:
            self.kept.pop(name, None)

    def _check(self) -> None:
        if self.locked:
            raise OSError("locked")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "people"


@pytest.fixture
def keyring() -> Keyring:
    return Keyring()


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_without_a_keyring_it_is_in_a_file_that_only_its_owner_can_read(folder: Path) -> None:
    key = FaceKey(folder, None, seeded())
    assert (key.get(), key.where()) == (None, "")
    made = key.create()
    assert (len(made), key.get(), key.create()) == (32, made, made)
    assert (names(folder), key.where()) == ([FILE_NAME], str(folder / FILE_NAME))
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    assert (folder / FILE_NAME).read_bytes() == FACE_STORE_MAGIC + made  # by which every backup refuses it


def test_in_a_keyring_nothing_of_it_is_in_the_folder(folder: Path, keyring: Keyring) -> None:
    key = FaceKey(folder, keyring, seeded())
    made = key.create()
    assert list(keyring.kept.values()) == [made]
    assert names(folder) == [NAME_NAME]
    assert made.hex() not in (folder / NAME_NAME).read_text()
    assert FaceKey(folder, keyring).get() == made
    assert key.where() == "the system's keyring"


def test_two_state_folders_have_two_keys_in_one_keyring(tmp_path: Path, keyring: Keyring) -> None:
    one, two = (FaceKey(tmp_path / name, keyring).create() for name in "ab")
    assert one != two
    assert sorted(keyring.kept.values()) == sorted([one, two])


def test_every_key_is_another(folder: Path) -> None:
    random = seeded()
    key = FaceKey(folder, None, random)
    first = key.create()
    key.destroy()
    assert key.create() != first


@pytest.mark.parametrize("fault", ["locked", "forgets"])
def test_a_keyring_that_does_not_keep_it_gets_no_second_chance(folder: Path, keyring: Keyring, fault: str) -> None:
    setattr(keyring, fault, True)
    key = FaceKey(folder, keyring, seeded())
    made = key.create()
    assert (key.get(), names(folder), keyring.kept) == (made, [FILE_NAME], {})


@pytest.mark.parametrize("secrets", [None, "locked"])
def test_a_key_in_a_keyring_that_cannot_be_asked_is_not_made_anew(folder: Path, keyring: Keyring, secrets) -> None:
    FaceKey(folder, keyring).create()
    keyring.locked = True
    key = FaceKey(folder, keyring if secrets else None)
    for ask in (key.get, key.create):
        with pytest.raises(RefusedError, match="keyring, which cannot be asked"):
            ask()


@pytest.mark.parametrize("in_keyring", [True, False])
def test_destroyed_is_gone(folder: Path, keyring: Keyring, in_keyring: bool) -> None:
    key = FaceKey(folder, keyring if in_keyring else None)
    key.create()
    assert key.destroy() == []
    assert (key.get(), key.where(), names(folder), keyring.kept) == (None, "", [], {})
    assert key.destroy() == []
    with pytest.raises(ConsentError, match="no face key"):
        key.require()


def test_the_bytes_of_the_file_are_written_over(folder: Path) -> None:
    key = FaceKey(folder, None)
    made = key.create()
    with open(folder / FILE_NAME, "rb") as held:
        key.destroy()
        assert held.read() == b""
    other = FaceKey(folder, None)
    other.create()
    (folder / "link").hardlink_to(folder / FILE_NAME)
    other.destroy()
    assert made not in (folder / "link").read_bytes()
    assert (folder / "link").stat().st_size == 0


def test_a_keyring_that_does_not_let_go_keeps_only_zeros(folder: Path, keyring: Keyring) -> None:
    key = FaceKey(folder, keyring)
    key.create()
    keyring.holds_on = True
    assert key.destroy() == []
    assert set(keyring.kept.values()) == {bytes(32)}


@pytest.mark.parametrize("secrets", [None, "locked"])
def test_what_could_not_be_destroyed_is_said_and_can_be_later(folder: Path, keyring: Keyring, secrets) -> None:
    FaceKey(folder, keyring).create()
    keyring.locked = True
    (problem,) = FaceKey(folder, keyring if secrets else None).destroy()
    assert "system's keyring" in problem
    keyring.locked = False
    assert FaceKey(folder, keyring).destroy() == []
    assert keyring.kept == {}


@pytest.mark.parametrize(
    "data", [b"", b"x" * 32, b"x" * 48, FACE_STORE_MAGIC + b"x" * 31, FACE_STORE_MAGIC + b"x" * 33]
)
def test_a_file_of_another_size_is_no_key(folder: Path, data: bytes) -> None:
    folder.mkdir()
    (folder / FILE_NAME).write_bytes(data)
    key = FaceKey(folder, None)
    assert key.get() is None
    assert len(key.create()) == 32


@pytest.mark.parametrize("data", [b"", b"../../x", b"faces-zz", b"\xff" * 100])
def test_a_name_that_is_none_is_asked_of_nobody(folder: Path, keyring: Keyring, data: bytes) -> None:
    folder.mkdir()
    (folder / NAME_NAME).write_bytes(data)
    keyring.locked = True
    assert FaceKey(folder, keyring).get() is None
    assert FaceKey(folder, keyring).destroy() == []
    assert names(folder) == []


# The system's keyring


class Backend:
    """What the package keyring asks, with all calls noted."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.calls: list[str] = []
        self.fails = False

    def get_password(self, service: str, name: str) -> str | None:
        self.calls.append("get")
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, text: str) -> None:
        self.calls.append("set")
        self._check()
        self.kept[service, name] = text

    def delete_password(self, service: str, name: str) -> None:
        self.calls.append("delete")
        self._check()
        del self.kept[service, name]

    def _check(self) -> None:
        if self.fails:
            raise RuntimeError("a long story with a secret in it")


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    made = Backend()
    monkeypatch.setitem(sys.modules, "keyring", made)
    return made


def test_the_keyring_of_the_system_keeps_it(folder: Path, backend: Backend) -> None:
    key = FaceKey(folder, KeyringSecrets())
    made = key.create()
    ((service, name),) = backend.kept
    assert (service, backend.kept[service, name]) == ("photovault faces", made.hex())
    assert (folder / NAME_NAME).read_text() == name
    assert key.get() == made


def test_it_is_destroyed_without_being_read(folder: Path, backend: Backend) -> None:
    """Who erases may have a network; no process has both."""
    key = FaceKey(folder, KeyringSecrets())
    key.create()
    backend.calls.clear()
    assert key.destroy() == []
    assert (backend.kept, backend.calls) == ({}, ["set", "delete", "get"])  # the one look comes when it is gone


def test_where_it_cannot_be_removed_it_is_worthless_before_anybody_looks(folder: Path, backend: Backend) -> None:
    key = FaceKey(folder, KeyringSecrets())
    made, seen = key.create().hex(), []
    backend.delete_password = lambda *_: 1 / 0
    backend.get_password = lambda *name: seen.append(backend.kept[name]) or seen[-1]
    assert "cannot be asked" in key.destroy()[0]
    assert seen
    assert made not in seen


def test_a_keyring_that_fails_is_translated_without_its_words(folder: Path, backend: Backend) -> None:
    key = FaceKey(folder, KeyringSecrets())
    key.create()
    backend.fails = True
    (problem,) = key.destroy()
    assert problem.endswith("cannot be asked: RuntimeError")
    backend.fails = False
    backend.kept.clear()
    assert key.destroy() == []  # what is not there, is gone


def test_where_a_keyring_fails_half_way_another_key_is_used(folder: Path, keyring: Keyring) -> None:
    keyring.holds_on = True
    keep = keyring.set

    def keeps_and_says_no(name: str, secret: bytes) -> None:
        keep(name, secret)
        raise OSError("no")

    keyring.set = keeps_and_says_no
    key = FaceKey(folder, keyring, seeded()).create()
    assert FaceKey(folder, None).get() == key
    assert key not in keyring.kept.values()


def test_the_key_is_on_the_disk_before_it_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    path = folder / FILE_NAME
    monkeypatch.setattr("photovault.people.keeping.key.sync", lambda _: synced.append(path.read_bytes()))
    monkeypatch.setattr("photovault.people.keeping.key.sync_folder", lambda _: synced.append(b"folder"))
    key = FaceKey(folder, None, seeded()).create()
    assert synced == [FACE_STORE_MAGIC + key, b"folder"]
