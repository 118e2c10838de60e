"""From an address to a storage.

A folder is used as it is.  Everything else is remote: its module is imported only now, so that nobody pays for a network
that he does not use, and it is wrapped: ``Limited`` inside (a retried transfer counts again), ``Retrying`` outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from photovault.storage.addresses import Address, parse_address
from photovault.storage.folder import FolderStorage
from photovault.storage.limits import Limited
from photovault.storage.retry import Retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from photovault.storage.base import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach remote storages, and the world that this needs.

    Attributes:
        environ: where credentials may be.
        secret: asks the keyring for the secret of a shown address; None when it has none.
        timeout: seconds without an answer after which a request has failed.
        retries: how often a failed request is tried again; 0 or more.
        upload_limit: bytes per second; 0 for none.
        download_limit: bytes per second; 0 for none.
        object_lock_days: for how many days S3 refuses to delete an object; 0 for not at all.
        sleep: waits for so many seconds.
        clock: seconds, from any start, never backwards.
        now: the time of day, with its zone.
        random: a number from 0 to 1, for jitter.
        state_dir: where this device keeps what must not be lost lightly.
    """

    environ: Mapping[str, str]
    secret: Callable[[str], str | None]
    timeout: float
    retries: int
    upload_limit: int
    download_limit: int
    object_lock_days: int
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    now: Callable[[], datetime]
    random: Callable[[], float]
    state_dir: Path


def open_storage(url: str, access: Access) -> Storage:
    """The storage at an address; nothing is asked of it yet.

    Raises:
        UsageError: it is no address, or what is needed to log in is missing.
    """
    address = parse_address(url)
    if address.scheme == "file":
        return FolderStorage(Path(address.path).expanduser().absolute())
    return Retrying(Limited(_remote(address, access), access), access)


def _remote(address: Address, access: Access) -> Storage:
    if address.scheme == "sftp":
        from photovault.storage.remote.sftp import open_sftp

        return open_sftp(address, access)
    if address.scheme == "rclone":
        from photovault.storage.remote.rclone import open_rclone

        return open_rclone(address, access)
    from photovault.storage.remote.dal import open_dal

    return open_dal(address, access)
