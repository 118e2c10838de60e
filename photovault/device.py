"""What this device remembers of one vault, beside the catalog.

Who it is (a random id, a name), the newest snapshot of every device that it has seen at each storage (so that a storage
that shows less is found out), and the device key, one way into the vault, so that routine runs ask nobody.  The key lies in the
system's keyring; where there is none, in a file that only its owner can read.  A lock keeps two runs apart.
"""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from photovault.durable import create, make_folders, sync, sync_folder, write_all
from photovault.errors import BusyError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SERVICE = "photovault"
_KEY_SIZE = 32
_ID_SIZE = 16
_NAME_SIZE = 32
_POLL_SECONDS = 0.2
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
NOTHING = (0, "")


@dataclass(slots=True, kw_only=True)
class Device:
    """This device, as far as one vault is concerned.

    Attributes:
        folder: where it is kept.
        device_id: 16 bytes.
        heads: storage to device id in hex to (number, snapshot name in hex) of the newest snapshot seen there.
        last_key_test: when a person last proved a password or words, ISO 8601, by slot id.
        used: the highest number that a snapshot of this device may have, at whatever storage: none is used twice, also when
            a crash hides whether a snapshot got there.
        leaving: storage to names of key slots that this device began to remove there since its last snapshot there, which may
            still list them.
    """

    folder: Path
    device_id: bytes
    heads: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)
    last_key_test: dict[str, str] = field(default_factory=dict)
    used: int = 0
    leaving: dict[str, set[str]] = field(default_factory=dict)

    def saw(self, storage: str, device_id: bytes, number: int, name: bytes) -> None:
        """Remember that a snapshot is at a storage, if it is the newest of its device there."""
        there = self.heads.setdefault(storage, {})
        if number > there.get(device_id.hex(), NOTHING)[0]:
            there[device_id.hex()] = (number, name.hex())

    def newest(self, device_id: bytes) -> tuple[int, str]:
        """Number and name of the newest snapshot of a device, wherever it was seen; ``NOTHING`` if none was."""
        return max((there.get(device_id.hex(), NOTHING) for there in self.heads.values()), default=NOTHING)

    def use(self, number: int) -> None:
        """A snapshot with this number is about to leave: durably written down first."""
        if number > self.used:
            self.used = number
            self.save()

    def save(self) -> None:
        """Write it down, whole or not at all."""
        value = {
            "device": self.device_id.hex(),
            "heads": {
                storage: {device: list(head) for device, head in there.items()} for storage, there in self.heads.items()
            },
            "key_tests": self.last_key_test,
            "leaving": {storage: sorted(names) for storage, names in self.leaving.items()},
            "used": self.used,
        }
        write_private(self.folder / "device.json", json.dumps(value, indent=1).encode())


def load_device(folder: Path, random: Callable[[int], bytes]) -> Device:
    """The device of the vault whose state is in ``folder``; a new one when there is nothing, or nothing readable."""
    try:
        return _read_device(folder, json.loads((folder / "device.json").read_bytes()))
    except FileNotFoundError:
        pass
    except _DAMAGE:
        with suppress(OSError):
            os.replace(folder / "device.json", folder / "device.json.damaged")
    device = Device(folder=folder, device_id=random(_ID_SIZE))
    device.save()
    return device


def known_devices(folder: Path) -> list[Device]:
    """What is remembered of each vault of which there is a folder in this one; writes nothing."""
    found = []
    for path in sorted(folder.glob("*/device.json")):
        with suppress(*_DAMAGE):
            found.append(_read_device(path.parent, json.loads(path.read_bytes())))
    return found


def _read_device(folder: Path, value: dict[str, Any]) -> Device:
    return Device(
        folder=folder,
        device_id=bytes.fromhex(_hex(value["device"], _ID_SIZE)),
        heads={storage: _heads(there) for storage, there in value["heads"].items()},
        last_key_test={str(slot): str(when) for slot, when in value["key_tests"].items()},
        used=_natural(value.get("used", 0)),
        leaving={storage: set(map(str, names)) for storage, names in value.get("leaving", {}).items()},
    )


def _heads(there: dict[str, Any]) -> dict[str, tuple[int, str]]:
    return {
        _hex(device, _ID_SIZE): (_natural(number), _hex(name, _NAME_SIZE)) for device, (number, name) in there.items()
    }


def _hex(text: str, size: int) -> str:
    if len(bytes.fromhex(text)) != size:
        raise ValueError
    return text


def _natural(number: int) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError
    return number


def write_private(path: Path, data: bytes) -> None:
    """Replace a file that only its owner can read, durably."""
    try:
        make_folders(path.parent)
        temporary = path.with_name(f"{path.name}.new")
        with suppress(FileNotFoundError):
            temporary.unlink()
        fd = create(temporary)
        try:
            write_all(fd, data)
            sync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from None


class DeviceKey:
    """Keeps the device key of one vault."""

    def __init__(self, folder: Path, vault_id: bytes, *, keyring: bool) -> None:
        """``keyring``: whether the system's keyring may be used."""
        self._path = folder / "device.key"
        self._user = vault_id.hex()
        self._keyring = keyring

    def load(self) -> bytes | None:
        """The key, or None when this device has none."""
        try:
            data = self._path.read_bytes()
        except OSError:
            data = b""
        if len(data) == _KEY_SIZE:
            return data
        text = self._ask() if self._keyring else None
        with suppress(ValueError):
            return bytes.fromhex(_hex(text or "", _KEY_SIZE))
        return None

    def save(self, key: bytes) -> str:
        """Keep the key; returns where, for people."""
        if self._keyring and self._tell(key.hex()):
            return "the system's keyring"
        write_private(self._path, key)
        return str(self._path)

    def forget(self) -> None:
        """Remove the key from this device."""
        self._path.unlink(missing_ok=True)
        if self._keyring:
            import keyring  # noqa: PLC0415 - slow to import, and seldom needed

            with suppress(Exception):  # any backend, any failure: there is nothing left to remove then
                keyring.delete_password(_SERVICE, self._user)

    def _ask(self) -> str | None:
        return _ask_keyring(self._user)

    def _tell(self, text: str) -> bool:
        import keyring  # noqa: PLC0415 - slow to import, and seldom needed

        try:
            keyring.set_password(_SERVICE, self._user, text)
            return keyring.get_password(_SERVICE, self._user) == text
        except Exception:  # noqa: BLE001 - backends raise anything; the file is the other choice
            return False


def _ask_keyring(user: str) -> str | None:
    import keyring  # noqa: PLC0415 - slow to import, and seldom needed

    try:
        return keyring.get_password(_SERVICE, user)
    except Exception:  # noqa: BLE001 - backends raise anything; without it another way in is asked for
        return None


def keyring_name() -> str:
    """What keeps the system's keyring; empty where there is none that can be used."""
    import keyring  # noqa: PLC0415 - as above
    from keyring.backends.fail import Keyring as Nobody  # noqa: PLC0415 - as above

    try:
        found = keyring.get_keyring()
    except Exception:  # noqa: BLE001 - as above
        return ""
    return "" if isinstance(found, Nobody) else str(found.name)


def storage_secret(address: str) -> str | None:
    """The secret that the user gave the keyring for a storage: ``keyring set photovault ADDRESS``."""
    return _ask_keyring(address)


@contextmanager
def run_lock(folder: Path, *, wait: bool, name: str = "lock") -> Iterator[None]:
    """Hold the lock of one vault on this device.  The system drops it when the process ends, however it ends.

    ``name``: of the lock's file; another one is another lock.

    Raises:
        BusyError: another run holds it and ``wait`` is false.
        RefusedError: there is no space for its file, or no right to make it.
    """
    fd = _open_lock(folder, name)
    try:
        while not _try_lock(fd):
            if not wait:
                raise BusyError(
                    "another photovault run is using this vault", "wait for it, or use --wait to start after it"
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(fd)


def _open_lock(folder: Path, name: str) -> int:
    try:
        make_folders(folder)
        return os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _not_written(folder / name, error) from None


def _not_written(path: Path, error: OSError) -> RefusedError:
    return RefusedError(f"cannot write {path}: {error.strerror}", "check free space and permissions there")


def _try_lock(fd: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt  # noqa: PLC0415 - Windows only

            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN, errno.EDEADLK}:
            return False
        raise
    return True
