"""What a device remembers of a vault: who it is, what it saw, its key, and that only one run is under way."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault import device as device_module
from photovault.device import Device, DeviceKey, load_device, run_lock, write_private
from photovault.errors import BusyError, RefusedError
from tests.support.disk import Databases, Lies, recording

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
VAULT = bytes(16)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return load_device(tmp_path / "state", Random(1).randbytes)


def again(device: Device) -> Device:
    return load_device(device.folder, Random(2).randbytes)


# The file


def test_a_device_keeps_its_id_and_what_it_saw(device: Device) -> None:
    device.saw("/here", b"\1" * 16, 3, b"\2" * 32)
    device.last_key_test["ab"] = "2026-11-23T00:00:00.000000Z"
    device.leaving["/here"] = {"keys/ab", "keys/cd"}
    device.save()
    assert again(device) == device
    assert len(device.device_id) == 16


def test_a_number_that_was_used_is_known_before_anything_leaves(device: Device) -> None:
    device.use(4)
    assert again(device).used == 4
    device.use(3)
    assert again(device).used == 4


def test_a_device_is_somebody_from_the_first_moment(device: Device) -> None:
    assert again(device).device_id == device.device_id


def test_the_newest_snapshot_of_each_device_is_remembered(device: Device) -> None:
    one, other = b"\1" * 16, b"\2" * 16
    for who, number in ((one, 5), (one, 4), (other, 1), (one, 6), (other, 1)):
        device.saw("/here", who, number, bytes([number]) * 32)
    assert device.heads == {"/here": {one.hex(): (6, "06" * 32), other.hex(): (1, "01" * 32)}}


def test_what_was_seen_at_one_storage_is_not_expected_at_another(device: Device) -> None:
    one, other = b"\1" * 16, b"\2" * 16
    device.saw("/here", one, 5, b"\5" * 32)
    device.saw("s3://there/vault", one, 7, b"\7" * 32)
    device.saw("s3://there/vault", one, 6, b"\6" * 32)
    assert device.heads["/here"] == {one.hex(): (5, "05" * 32)}
    assert (device.newest(one), device.newest(other)) == ((7, "07" * 32), (0, ""))
    device.save()
    assert again(device) == device


@pytest.mark.parametrize(
    "damage",
    [
        *(b"", b"{", b"null", b"[]", b"{}", b"\xff\xfe", b'"text"', b"[" * 100_000, b"1" * 5_000),
        *(
            json.dumps({"device": "00" * 16, "heads": {}, "key_tests": {}} | change).encode()
            for change in (
                *({"device": 5}, {"device": "xy"}, {"device": ""}, {"device": "00" * 15}, {"heads": []}, {"heads": 1}),
                *({"heads": {"a": 1}}, {"heads": {"a": []}}, {"heads": {"a": {"b": ["x", "y"]}}}, {"key_tests": 3}),
                *(
                    {"heads": {"a": {"00" * 16: [1, "not hex"]}}},
                    {"heads": {"a": {"00" * 16: [1, "00"]}}},
                    {"key_tests": "abc"},
                ),
                {"heads": {"a": {"00" * 16: [-1, "00" * 32]}}},
            )
        ),
    ],
)
def test_a_damaged_file_is_put_aside_and_makes_a_new_device(device: Device, damage: bytes) -> None:
    (device.folder / "device.json").write_bytes(damage)
    found = again(device)
    assert found.device_id == Random(2).randbytes(16)
    assert found.heads == {}
    assert (device.folder / "device.json.damaged").read_bytes() == damage
    assert again(found).device_id == found.device_id


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(RefusedError, match=r"cannot write .*device\.json"):
        load_device(tmp_path / "state", Random(1).randbytes)


def test_a_file_is_replaced_whole_or_not_at_all(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (device.folder / "device.json").read_bytes()

    def fail(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    device.saw("/here", b"\1" * 16, 1, bytes(32))
    with pytest.raises(RefusedError, match="No space left"):
        device.save()
    assert (device.folder / "device.json").read_bytes() == before
    monkeypatch.undo()
    device.save()
    assert again(device).heads == device.heads


def test_private_files_are_private_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    write_private(path, b"one")
    path.chmod(0o644)
    path.with_name("key.new").write_bytes(b"left by a crash")
    path.with_name("key.new").chmod(0o666)
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["key"]


def test_a_link_in_the_place_of_a_private_file_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"precious")
    (tmp_path / "key").symlink_to("outside")
    (tmp_path / "key.new").symlink_to("outside")
    write_private(tmp_path / "key", KEY)
    assert (tmp_path / "outside").read_bytes() == b"precious"
    assert not (tmp_path / "key").is_symlink()


# The key


class FakeKeyring:
    """The system's keyring, of a kind that tests choose."""

    def __init__(self, how: str = "works") -> None:
        self.how = how
        self.kept: dict[tuple[str, str], str] = {}

    def _act(self) -> None:
        if self.how == "raises":
            raise RuntimeError("no recommended backend was available")

    def get_password(self, service: str, user: str) -> str | None:
        self._act()
        return None if self.how == "forgets" else self.kept.get((service, user))

    def set_password(self, service: str, user: str, password: str) -> None:
        self._act()
        self.kept[service, user] = password

    def delete_password(self, service: str, user: str) -> None:
        self._act()
        del self.kept[service, user]


@pytest.fixture(params=["works", "raises", "forgets"])
def keyring(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    import keyring

    fake = FakeKeyring(request.param)
    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(keyring, name, getattr(fake, name))
    return fake


def test_a_key_is_kept_in_the_keyring_or_in_a_private_file(tmp_path: Path, keyring: FakeKeyring) -> None:
    key = DeviceKey(tmp_path, VAULT, keyring=True)
    assert key.load() is None
    where = key.save(KEY)
    assert key.load() == KEY
    path = tmp_path / "device.key"
    if keyring.how == "works":
        assert where == "the system's keyring"
        assert not path.exists()
    else:
        assert where == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key.forget()
    assert key.load() is None
    key.forget()


def test_without_leave_the_keyring_is_not_touched(tmp_path: Path, keyring: FakeKeyring) -> None:
    key = DeviceKey(tmp_path, VAULT, keyring=False)
    assert key.save(KEY) == str(tmp_path / "device.key")
    assert keyring.kept == {}
    assert key.load() == KEY


def test_each_vault_has_a_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    fake = FakeKeyring()
    for name in ("get_password", "set_password"):
        monkeypatch.setattr(keyring, name, getattr(fake, name))
    DeviceKey(tmp_path / "a", VAULT, keyring=True).save(KEY)
    assert DeviceKey(tmp_path / "b", b"\1" * 16, keyring=True).load() is None


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33, "not hex at all"])
def test_a_key_that_is_none_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    import keyring

    monkeypatch.setattr(keyring, "get_password", lambda _service, _user: text)
    assert DeviceKey(tmp_path, VAULT, keyring=True).load() is None
    (tmp_path / "device.key").write_text(text)
    assert DeviceKey(tmp_path, VAULT, keyring=False).load() is None


# The lock


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with run_lock(tmp_path, wait=False):
        with pytest.raises(BusyError, match="another photovault run") as caught, run_lock(tmp_path, wait=False):
            pass
        assert caught.value.exit_code == 11
        assert "--wait" in caught.value.hint
    with run_lock(tmp_path, wait=False):
        pass


def test_a_run_that_fails_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run_lock(tmp_path, wait=False):
        raise KeyboardInterrupt
    with run_lock(tmp_path, wait=False):
        pass


def test_a_run_that_waits_begins_when_the_other_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module, "_POLL_SECONDS", 0.01)
    order = []

    def wait() -> None:
        with run_lock(tmp_path, wait=True):
            order.append("second")

    with run_lock(tmp_path, wait=False):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_vaults_do_not_lock_each_other(tmp_path: Path) -> None:
    with run_lock(tmp_path / "a", wait=False), run_lock(tmp_path / "b", wait=False):
        pass


def test_a_lock_that_cannot_be_made_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_more: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(RefusedError, match=r"cannot write .*lock: No space left"), run_lock(tmp_path, wait=False):
        pass


def test_what_is_written_is_there_after_a_power_cut(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with recording(tmp_path / "disk") as disk:
        write_private(tmp_path / "disk" / "deep" / "er" / "file", b"new")
    assert disk.after(len(disk.steps), Lies.LOST, Databases.NOW, Random(1))["deep/er/file"] == b"new"
