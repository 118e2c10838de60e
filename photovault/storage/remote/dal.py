"""Storages that Apache OpenDAL carries: S3, WebDAV, B2, Azure Blob, Google Cloud, Google Drive, Dropbox, OneDrive.

``put`` uses what the service has.  Where it can store only what is not there yet (S3, Azure, Google Cloud), it is asked
to: nothing is ever overwritten, even when two devices put at one moment.  Elsewhere it is asked first what is there.
An upload to WebDAV goes to ``tmp/`` and is moved to its name, because a server may keep half of a broken one; ``listing``
never shows it, and the first ``put`` a day later removes it.
Guarantee: the promises of ``base``, but for one.  Not guaranteed, where the service cannot do it or only pretends to: that
two devices which put other bytes under one name at the same moment both learn of it; objects of a vault are named by
their contents, so that none ever does.  Requests give up when no answer came in time; trying again is for ``Retrying``.
"""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import opendal
from opendal.layers import TimeoutLayer

from photovault.errors import (
    DamageError,
    MissingError,
    PhotovaultError,
    RefusedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from photovault.storage.base import OBJECT_MAX, Buffer, Stored, check_name, check_whole
from photovault.storage.probe import is_known_to_overwrite
from photovault.storage.remote.background import wait_for
from photovault.storage.remote.locking import not_lockable
from photovault.storage.remote.services import service_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from opendal.types import Entry

    from photovault.storage.addresses import Address
    from photovault.storage.opening import Access
    from photovault.storage.remote.locking import Locker
    from photovault.storage.remote.services import Service

_TMP = "tmp/"
_STALE = timedelta(days=1)  # no put takes so long, not even another device's
_SMALL = 64 * 1024  # bytes
_SLOWEST = 32 * 1024  # bytes per second; an upload that is slower than this for long has failed
_FOLDERS_AT_ONCE = 8
_LONGEST_REASON = 160


def open_dal(address: Address, access: Access) -> DalStorage:
    """The storage at an address that OpenDAL carries; nothing is asked of it yet.

    Raises:
        UsageError: it cannot be used as it is given.
    """
    service = service_of(address, access)
    try:
        operator = opendal.AsyncOperator(service.name, **service.options)
    except Exception as error:  # noqa: BLE001 - OpenDAL's errors are of no common family
        raise UsageError(f"{address.shown} cannot be used: {_reason(str(error))}", "check the address") from None
    if is_known_to_overwrite(access, address.shown):
        service = replace(service, conditional=False)
    return DalStorage(operator, service, address.shown, access.timeout)


class DalStorage:
    """Objects in a service that OpenDAL knows."""

    def __init__(self, operator: opendal.AsyncOperator, service: Service, address: str, timeout: float) -> None:
        """``timeout``: seconds without an answer after which a request has failed."""
        self.address = address
        self._operator = operator.layer(TimeoutLayer(timeout=timeout, io_timeout=timeout))
        patient = timeout + OBJECT_MAX / _SLOWEST  # an upload is one request, answered when all of it is there
        self._patient = operator.layer(TimeoutLayer(timeout=timeout, io_timeout=patient))
        self._flat = operator.capability().list_with_recursive
        self._conditional = service.conditional
        self._staged = service.staged
        self._locker = service.locker
        self._swept = threading.Lock()

    def put(self, name: str, data: Buffer) -> None:
        """Store an object."""
        check_name(name)
        if self._locker is not None:
            return self._put_locked(self._locker, name, data)
        if self._conditional:
            return self._put_if_new(name, data)
        if self._is_there(name):
            return self._compare(name, data)
        with self._translated(name):
            wait_for(self._put_staged(name, data) if self._staged else self._write(name, data))
        return None

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range."""
        check_name(name)
        if length is None and not offset:
            with self._translated(name):
                whole = wait_for(self._read_whole(name))
            check_whole(name, len(whole))
            return whole
        with self._translated(name):
            data = wait_for(self._read_range(name, offset, length))
        if data is None:
            raise self._refusal("RangeNotSatisfied", 0, "", name)
        return data

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List objects."""
        with self._translated(prefix):
            yield from wait_for(self._list(prefix))

    def delete(self, name: str) -> None:
        """Remove an object."""
        check_name(name)
        with suppress(MissingError), self._translated(name):
            wait_for(self._delete(name))

    async def _delete(self, name: str) -> None:
        await self._operator.delete(name)

    async def _write(self, name: str, data: Buffer, *, if_not_exists: bool = False) -> None:
        """As patient as the size asks for: a small object that gets no answer is given up soon."""
        operator = self._patient if len(data) > _SMALL else self._operator
        await operator.write(name, bytes(data), if_not_exists=if_not_exists or None)

    def _put_if_new(self, name: str, data: Buffer) -> None:
        try:
            wait_for(self._write(name, data, if_not_exists=True))
        except Exception as error:  # noqa: BLE001 - as above
            kind, status = _kind(str(error)), _status(str(error))
            if kind in {"ConditionNotMatch", "AlreadyExists"}:
                return self._compare(name, data)
            if status == _NOT_IMPLEMENTED or kind == "Unsupported":
                self._conditional = False
                return self.put(name, data)
            raise self._translate(error, name) from None
        return None

    def _put_locked(self, locker: Locker, name: str, data: Buffer) -> None:
        status, code = locker.put(name, bytes(data))
        if status == _PRECONDITION:
            return self._compare(name, data)
        if status == _BAD_REQUEST:
            raise not_lockable(self.address, code or "HTTP status 400")
        if status != _OK:
            raise self._refusal("", status, code or f"HTTP status {status}", name)
        return None

    async def _put_staged(self, name: str, data: Buffer) -> None:
        temporary = f"{_TMP}{uuid4().hex}"
        try:
            await self._write(temporary, data)
            await self._sweep_once(temporary)
            await self._operator.rename(temporary, name)
        except BaseException:
            with suppress(Exception):  # the server may be gone; a later run sweeps
                await self._operator.delete(temporary)
            raise

    async def _sweep_once(self, newest: str) -> None:
        """Remove what broken runs left under ``tmp/`` a day before ``newest``, by the clock of the server."""
        if not self._swept.acquire(blocking=False):
            return
        with suppress(Exception):  # tidying must not cost a backup
            times = await self._times(_TMP)
            for path, time in times.items():
                if time < times[newest] - _STALE:
                    await self._operator.delete(path)

    async def _times(self, folder: str) -> dict[str, datetime]:
        entries = await self._operator.list(folder)
        return {e.path: e.metadata.last_modified async for e in entries if e.metadata.last_modified}

    def _is_there(self, name: str) -> bool:
        try:
            with self._translated(name):
                wait_for(self._stat(name))
        except MissingError:
            return False
        return True

    async def _stat(self, name: str) -> None:
        await self._operator.stat(name)

    def _compare(self, name: str, data: Buffer) -> None:
        """No error when what is there is ``data``: then it was put before, or the answer got lost."""
        try:
            same = self.get(name) == data
        except MissingError:
            raise UnavailableError(f"{name} was there and went at once in {self.address}") from None
        except DamageError:
            same = False
        if not same:
            raise RefusedError(f"{name} is there already, with other contents")

    async def _read_whole(self, name: str) -> bytes:
        """All of an object, but no more of it than an object may have and a byte; one request."""
        parts: list[bytes] = []
        left = OBJECT_MAX + 1
        file = await self._operator.open(name, "rb")
        try:
            while left and (part := await file.read(left)):
                parts.append(part)
                left -= len(part)
        finally:
            await file.close()
        return b"".join(parts)

    async def _read_range(self, name: str, offset: int, length: int | None) -> bytes | None:
        """The bytes of a range; None when the object ends before it does."""
        if not length:
            rest = (await self._operator.stat(name)).content_length - offset
            length = rest if length is None else min(rest, 0)
        data = await self._operator.read(name, offset=offset, size=length) if length > 0 else b""
        return data if len(data) == length else None

    async def _list(self, prefix: str) -> list[Stored]:
        operator = self._operator
        if self._flat:
            entries = [entry async for entry in await operator.list(prefix, recursive=True)]
        else:
            entries = await _walk(operator, prefix, asyncio.Semaphore(_FOLDERS_AT_ONCE))
        return [
            Stored(name=entry.path, size=entry.metadata.content_length)
            for entry in entries
            if not entry.metadata.is_dir and not entry.path.startswith(_TMP)
        ]

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except PhotovaultError:
            raise
        except Exception as error:  # noqa: BLE001 - as above; those of its files are OSErrors
            raise self._translate(error, name) from None

    def _translate(self, error: Exception, name: str) -> StorageError:
        text = str(error)
        if "reader got too little data" in text:
            return self._refusal("RangeNotSatisfied", 0, "", name)
        if "failed to load signing credential" in text:
            return RefusedError(f"{self.address} lets nobody in without credentials", _KEYS_HINT)
        return self._refusal(_kind(text), _status(text), _reason(text), name)

    def _refusal(self, kind: str, status: int, why: str, name: str) -> StorageError:
        """The error for what OpenDAL calls ``kind``, HTTP calls ``status`` and the service calls ``why``."""
        thing = name or "its listing"
        if kind == "RangeNotSatisfied" or status == _NO_RANGE:
            return MissingError(f"{name} in {self.address} ends before the bytes that were asked for")
        if why in _NO_PLACE:
            return RefusedError(f"{self.address} is not there: {why}", "make it first, or check the address")
        if kind == "NotFound" or status == _NOT_FOUND:
            return MissingError(f"{name} is not in {self.address}")
        if status in _FULL or re.search(_FULL_CODES, why):
            return RefusedError(f"{self.address} has no room for {thing}: {why}", _FULL_HINT)
        if kind == "PermissionDenied" or status in _NO_RIGHTS:
            return RefusedError(f"{self.address} refused {thing}: {why}", _RIGHTS_HINT)
        return UnavailableError(f"{self.address} failed at {thing}: {why}", _FAILED_HINT)


async def _walk(operator: opendal.AsyncOperator, folder: str, at_once: asyncio.Semaphore) -> list[Entry]:
    """Everything below a folder, of a service that lists one folder at a time: several at once, waiting costs most."""
    async with at_once:
        entries = [entry async for entry in await operator.list(folder) if entry.path not in {folder, "/"}]
    below = [e.path for e in entries if e.metadata.is_dir and e.path != _TMP]
    inside = await asyncio.gather(*(_walk(operator, path, at_once) for path in below))
    return [entry for entry in entries if not entry.metadata.is_dir] + [e for found in inside for e in found]


_OK, _BAD_REQUEST, _NOT_FOUND, _PRECONDITION, _NO_RANGE, _NOT_IMPLEMENTED = 200, 400, 404, 412, 416, 501
_NO_RIGHTS = {401, 403, 405, 423}
_FULL = {413, 507}
_FULL_CODES = r"(?i)quota|storage ?full|insufficient ?storage|disk ?full|no space"
_NO_PLACE = {"NoSuchBucket", "ContainerNotFound"}
_FULL_HINT = "make room there or raise the quota; what was there before is untouched"
_RIGHTS_HINT = "check the credentials, their rights and this computer's clock; nothing was lost"
_KEYS_HINT = "see docs/storages.md: environment, the provider's own configuration, or keyring"
_FAILED_HINT = "check the network and the address, then run it again: it goes on from there"


def _kind(text: str) -> str:
    """What OpenDAL calls the error: the first word of its text."""
    found = re.match(r"(\w+) \((?:temporary|permanent|persistent)\)", text)
    return found[1] if found else ""


def _status(text: str) -> int:
    """The HTTP status of the answer; 0 when there was none."""
    found = re.search(r"response: Parts \{ status: (\d{3})", text)
    return int(found[1]) if found else 0


def _reason(text: str) -> str:
    """Why, in a few words, and without what else is in OpenDAL's text: addresses, headers, perhaps a signature."""
    patterns = (
        r'Error \{ code: "(\w{1,60})"',
        r"<Code>(\w{1,60})</Code>",
        r"error sending request: client error \(\w+\): ([^\n{]*)",
        r"error (?:sending request|decoding response body): ([^\n{]*)",
        r"(operation timeout reached)",
        r"source: (error sending request)",
    )
    for pattern in patterns:
        if found := re.search(pattern, text):
            plain = "".join(c for c in found[1] if c.isprintable())[:_LONGEST_REASON]
            return _PLAINER.get(plain, plain)
    return f"HTTP status {_status(text)}" if _status(text) else _kind(text) or "an error without a reason"


_PLAINER = {
    "operation timeout reached": "no answer came in time",
    "error sending request": "no connection",
    "connection closed before message completed": "the connection ended too early",
    "error reading a body from connection: end of file before message length reached": "the answer ended too early",
}
