"""The face key: what makes the face store readable, and what is destroyed when it must never be read again.

32 random bytes, made for this store only.  They lie in the system's keyring, where the app gives one, under a random
name that a small file (``key.name``) remembers, so that it is always known whether the keyring must be asked; where
there is none, in ``face.key``, which only its owner can read and which begins with the store's magic, so that no backup
takes it, under whatever name.  Never derived from a vault's key, never sent.

Guarantee: after ``destroy`` said nothing, neither the keyring nor the file has the key.  Not guaranteed: that a disk which
writes elsewhere what is written over (SSDs, copy-on-write file systems) forgot the bytes of the file at once; that is
why a keyring, which is encrypted itself, is the better place.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from photovault.durable import create, sync, sync_folder, write_all
from photovault.errors import ConsentError, RefusedError
from photovault.names import FACE_STORE_MAGIC
from photovault.people.keeping.shred import shred

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 32
FILE_NAME = "face.key"
NAME_NAME = "key.name"
_NAME_BYTES = 8
_NAME = re.compile(r"faces-[0-9a-f]{16}")


class Secrets(Protocol):
    """A place for secrets.  Each method raises OSError when it cannot be asked."""

    def get(self, name: str) -> bytes | None:
        """What was kept under a name, None if nothing."""

    def set(self, name: str, secret: bytes) -> None:
        """Keep a secret under a name, in place of another one."""

    def delete(self, name: str) -> None:
        """Forget what is kept under a name; nothing to forget is no error."""


class _Nowhere:
    def get(self, name: str) -> bytes | None:  # noqa: ARG002 - as the protocol has it
        raise OSError("it is not to be used")


class FaceKey:
    """The key of the face store in ``folder``."""

    def __init__(self, folder: Path, secrets: Secrets | None, random: Callable[[int], bytes] = os.urandom) -> None:
        """``secrets``: where it is kept; None: in a file."""
        self._file = folder / FILE_NAME
        self._name = folder / NAME_NAME
        self._secrets = secrets
        self._random = random

    def get(self) -> bytes | None:
        """The key, 32 bytes; None when there is none.

        Raises:
            RefusedError: it is in a keyring that cannot be asked now.
        """
        named = self._named()
        if named is None:
            return _read(self._file)
        try:
            return (self._secrets or _Nowhere()).get(named)
        except OSError as error:
            raise RefusedError(
                f"the face key is in the system's keyring, which cannot be asked: {error}",
                "unlock it (log in on the desktop), and leave PHOTOVAULT_NO_KEYRING unset",
            ) from None

    def create(self) -> bytes:
        """A new key, or the one that there is; only where nothing is encrypted yet, and by one process at a time.

        Raises:
            RefusedError: it cannot be kept, or is in a keyring that cannot be asked.
        """
        there = self.get()
        if there is not None:
            return there
        self.destroy()  # a name that leads nowhere, a file that is no key
        key = self._random(SIZE)
        if self._secrets is None or not self._keep(self._secrets, key):
            key = self._random(SIZE)  # another: a keyring that failed half way may still have that one
            _write(self._file, FACE_STORE_MAGIC + key)
        return key

    def require(self) -> bytes:
        """The key.

        Raises:
            ConsentError: there is none: it was destroyed, or nothing was measured yet.
        """
        key = self.get()
        if key is None:
            raise ConsentError("there is no face key, so there are no face data", "photovault people scan makes them")
        return key

    def where(self) -> str:
        """Where it is, for people; empty when there is none."""
        if self._named() is not None:
            return "the system's keyring"
        return str(self._file) if os.path.lexists(self._file) else ""

    def destroy(self) -> list[str]:
        """Destroy the key wherever it is; returns what could not be done, nothing if it is gone.

        It is gone from the file first, then from the keyring; where that cannot be asked, its name is kept, so that
        the next call can.
        """
        problems = shred(self._file)
        named = self._named()
        if named is not None:
            problem = self._forget(named)
            problems += [problem] if problem else shred(self._name)
        elif os.path.lexists(self._name):
            problems += shred(self._name)
        return problems

    def _forget(self, named: str) -> str:
        if self._secrets is None:
            return "the face key is in the system's keyring, which is not to be used: unset PHOTOVAULT_NO_KEYRING"
        try:
            with suppress(OSError):  # worthless first: who erases may have a network, and looks at what is left
                self._secrets.set(named, bytes(SIZE))
            self._secrets.delete(named)
            is_gone = self._secrets.get(named) in {None, bytes(SIZE)}
        except OSError as error:
            return f"the face key is in the system's keyring, which cannot be asked: {error}"
        return "" if is_gone else "the system's keyring does not give up the face key"

    def _keep(self, secrets: Secrets, key: bytes) -> bool:
        """Put the key into the keyring; False where that does not work: then nothing of it is there."""
        name = f"faces-{self._random(_NAME_BYTES).hex()}"
        _write(self._name, name.encode())  # first: a crash in between must not leave a key that nobody knows of
        try:
            secrets.set(name, key)
            if secrets.get(name) == key:
                return True
        except OSError:
            pass
        with suppress(OSError):
            secrets.delete(name)
        shred(self._name)
        return False

    def _named(self) -> str | None:
        """The name in the keyring, None where the key is in no keyring."""
        try:
            text = self._name.read_bytes()[:64].decode("ascii", "replace")
        except OSError:
            return None
        return text if _NAME.fullmatch(text) else None


def _read(path: Path) -> bytes | None:
    try:
        with open(path, "rb") as file:
            data = file.read(len(FACE_STORE_MAGIC) + SIZE + 1)
    except OSError:
        return None
    magic, key = data[: len(FACE_STORE_MAGIC)], data[len(FACE_STORE_MAGIC) :]
    return key if magic == FACE_STORE_MAGIC and len(key) == SIZE else None


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = create(path)
        try:
            write_all(fd, data)
            sync(fd)
        finally:
            os.close(fd)
        sync_folder(path.parent)
    except OSError as error:
        raise RefusedError(f"cannot write {path}: {error.strerror}", "check free space and permissions there") from None
