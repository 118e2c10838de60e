"""The ways into a vault: never none, never a wrong one, and each change is known to the newest snapshot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from photovault.app import keys
from photovault.crypto.words import to_words
from photovault.errors import RefusedError, StorageError, UsageError, WrongKeyError
from tests.support.devices import WORDS, Computer
from tests.support.photos import jpeg, put

OLD, NEW = "the old password", "the new password"
OTHER_WORDS = bytes(range(100, 132))


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """A computer with a backup in a vault that opens by password, words and device."""
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    made.make_vault(password=OLD)
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    made.backup(tmp_path / "P")
    return made


def slot(computer: Computer, kind: str) -> str:
    (found,) = [one for one in keys.list_keys(computer.app())[0] if one.kind == kind]
    return found.slot_id


def slot_file(computer: Computer, kind: str) -> Path:
    return Path(computer.vault) / "keys" / slot(computer, kind)


def opens(computer: Computer, secret: str | bytes) -> bool:
    try:
        keys.test_key(computer.app(), secret)
    except WrongKeyError:
        return False
    return True


def test_every_way_is_listed_with_the_one_that_was_used(computer: Computer) -> None:
    found, damaged = keys.list_keys(computer.app())
    assert sorted((one.kind, one.used) for one in found) == [("device", True), ("password", False), ("words", False)]
    assert damaged == []
    assert all(one.created.startswith("2024-05-04T12:") for one in found)


def test_a_test_is_remembered(computer: Computer) -> None:
    tested = keys.test_key(computer.app(), OLD)
    again = {one.kind: one.tested for one in keys.list_keys(computer.app())[0]}
    assert again == {"password": tested.tested, "words": "", "device": ""}
    assert tested.tested


def test_a_test_does_not_pass_because_of_the_device_key(computer: Computer) -> None:
    assert [opens(computer, secret) for secret in (OLD, WORDS, NEW, OTHER_WORDS)] == [True, True, False, False]


def test_a_second_password_opens_as_the_first_does(computer: Computer) -> None:
    keys.add_key(computer.app(), "password", NEW, "Anna")
    assert (opens(computer, OLD), opens(computer, NEW)) == (True, True)
    assert "Anna" in [one.label for one in keys.list_keys(computer.app())[0]]


@pytest.mark.parametrize(("kind", "old", "new"), [("password", OLD, NEW), ("words", WORDS, OTHER_WORDS)])
def test_a_changed_secret_replaces_the_old_one(computer: Computer, kind: str, old, new) -> None:
    before = slot(computer, kind)
    change = keys.change_key(computer.app(), kind, new, None)
    assert (change.removed, change.left) == (before, "")
    assert (opens(computer, old), opens(computer, new)) == (False, True)
    assert computer.check().findings == ()


def test_a_change_that_is_interrupted_leaves_two_ways_in(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(keys, "_remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            keys.change_key(computer.app(), "password", NEW, None)
    assert (opens(computer, OLD), opens(computer, NEW)) == (True, True)
    assert computer.check().findings == ()
    both = [one.slot_id for one in keys.list_keys(computer.app())[0] if one.kind == "password"]
    with pytest.raises(UsageError, match="several password slots fit"):
        keys.change_key(computer.app(), "password", "a third password", None)
    for which in both:
        keys.remove_key(computer.app(), which)
    assert (opens(computer, OLD), opens(computer, NEW), opens(computer, WORDS)) == (False, False, True)


def test_a_storage_that_does_not_delete_says_so(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("it is locked")

    monkeypatch.setattr("photovault.storage.folder.FolderStorage.delete", refuse)
    change = keys.change_key(computer.app(), "password", NEW, None)
    assert (change.removed, change.left) == ("", "it is locked")
    assert (opens(computer, OLD), opens(computer, NEW)) == (True, True)
    with pytest.raises(RefusedError, match="it is locked"):
        keys.remove_key(computer.app(), slot(computer, "words"))


def test_the_last_way_that_a_person_can_carry_stays(computer: Computer) -> None:
    keys.remove_key(computer.app(), slot(computer, "password"))
    with pytest.raises(RefusedError, match="last password"):
        keys.remove_key(computer.app(), slot(computer, "words"))
    assert opens(computer, WORDS)


def test_a_removed_device_forgets_its_key(computer: Computer) -> None:
    keys.remove_key(computer.app(), slot(computer, "device"))
    assert list(computer.folder.rglob("device.key")) == []
    with pytest.raises(UsageError, match="no key for the vault"):
        computer.snapshots()


def test_a_slot_is_named_by_a_unique_prefix(computer: Computer) -> None:
    for which, what in (("zz", "there is no key slot"), ("", "several key slots")):
        with pytest.raises(UsageError, match=what):
            keys.remove_key(computer.app(), which)
    keys.remove_key(computer.app(), slot(computer, "password")[:12])
    assert not opens(computer, OLD)


def test_a_second_device_gets_a_key_of_its_own_by_the_words(computer: Computer, tmp_path: Path) -> None:
    words = put(tmp_path / "words", " ".join(to_words(WORDS)).encode())
    other = Computer(tmp_path / "other", computer.vault, seed="other")
    keys.add_key(other.app(words_file=str(words)), "device", None)
    assert len(other.snapshots()) == 1
    assert other.backup(tmp_path / "P").snapshot.snapshot.number == 1
    assert computer.check().findings == ()
    (key,) = other.folder.rglob("device.key")
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_damaged_slot_is_found_though_nobody_opens_it(computer: Computer) -> None:
    path = slot_file(computer, "words")
    data = bytearray(path.read_bytes())
    at = data.index(b'"wrapped":"') + 20
    data[at] = ord("0") if data[at] != ord("0") else ord("1")
    path.write_bytes(data)
    assert [one.where for one in computer.check().findings] == [f"keys/{path.name}"]
    assert keys.list_keys(computer.app())[1]


def test_a_missing_slot_is_found(computer: Computer) -> None:
    path = slot_file(computer, "words")
    path.unlink()
    (finding,) = computer.check().findings
    assert (finding.where, finding.what) == (f"keys/{path.name}", "it is missing")


def test_a_slot_of_a_stranger_is_found_and_does_not_open(computer: Computer, tmp_path: Path) -> None:
    stranger = Computer(tmp_path / "stranger", tmp_path / "his vault", seed="stranger")
    stranger.make_vault(password=NEW)
    path = slot_file(stranger, "password")
    (Path(computer.vault) / "keys" / path.name).write_bytes(path.read_bytes())
    assert [one.where for one in computer.check().findings] == [f"keys/{path.name}"]
    assert not opens(computer, NEW)


def test_the_newest_snapshot_knows_of_every_change(computer: Computer, tmp_path: Path) -> None:
    keys.add_key(computer.app(), "password", NEW)
    path = slot_file(computer, "words")
    keys.remove_key(computer.app(), slot(computer, "words"))
    assert not path.exists()
    assert computer.check().findings == ()
    out = computer.restore(tmp_path / "out")
    assert out.restored == 1
    assert os.listdir(tmp_path / "out" / "P") == ["a.jpg"]


def test_a_secret_is_needed_for_what_is_no_device(computer: Computer) -> None:
    with pytest.raises(UsageError, match="needs its secret"):
        keys.add_key(computer.app(), "password", None)
