"""What OpenDAL is told for an address: the service, its options, and what to log in with.

What logs in comes from the environment first, under the names that the provider's own tools use, then from the keyring,
where it is kept under the address as photovault shows it (``keyring set photovault ADDRESS``; two values as
``ID:SECRET``), and for S3 and Google Cloud at last from the files of the provider's own tools.  Machines in a cloud could
also ask the cloud itself; that is switched off, so that nobody is spoken to whom the user did not name.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from photovault.errors import UsageError
from photovault.storage.remote.locking import Locker

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.storage.addresses import Address
    from photovault.storage.opening import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One of OpenDAL's services.

    Attributes:
        name: as OpenDAL calls it.
        options: what it is told; secrets among it.
        conditional: whether it can be asked to store only what is not there.
        staged: whether a broken upload could leave half an object, so that a temporary name is needed.
        locker: puts objects under lock, if that is wanted.
    """

    name: str
    options: dict[str, str]
    conditional: bool = False
    staged: bool = False
    locker: Locker | None = None


def service_of(address: Address, access: Access) -> Service:
    """The service for an address.

    Raises:
        UsageError: there is nothing to log in with, or the address lacks a parameter.
    """
    return _SERVICES[address.scheme](address, access)


def s3_keys(address: Address, access: Access) -> dict[str, str]:
    """The keys for S3 that the environment or the keyring has, by OpenDAL's names; empty when neither has any."""
    environ = access.environ
    if environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"):
        names = ("access_key_id", "secret_access_key", "session_token")
        given = (environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
        return {name: value for name, value in zip(names, given, strict=True) if value}
    key, _, secret = (access.secret(address.shown) or "").partition(":")
    return {"access_key_id": key, "secret_access_key": secret} if secret else {}


def s3_place(address: Address, access: Access) -> tuple[str, str]:
    """Endpoint and region of a bucket."""
    environ = access.environ
    region = address.query.get("region") or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    region = region or "us-east-1"
    return address.query.get("endpoint", f"https://s3.{region}.amazonaws.com"), region


def _s3(address: Address, access: Access) -> Service:
    endpoint, region = s3_place(address, access)
    keys = s3_keys(address, access)
    options = {"bucket": address.host, "root": address.path, "endpoint": endpoint, "region": region, **keys}
    options |= {"disable_ec2_metadata": "true", "disable_config_load": "true" if keys else "false"}
    return Service(name="s3", options=options, conditional=True, locker=_locker(address, access, keys))


def _locker(address: Address, access: Access, keys: dict[str, str]) -> Locker | None:
    if not access.object_lock_days:
        return None
    if not keys:
        raise UsageError(
            "object_lock_days needs the keys of S3 in the environment or the keyring",
            f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or: keyring set photovault '{address.shown}'",
        )
    endpoint, region = s3_place(address, access)
    return Locker(
        base=f"{endpoint}/{address.host}{quote(address.path).rstrip('/')}",
        region=region,
        keys=keys,
        days=access.object_lock_days,
        now=access.now,
        timeout=access.timeout,
    )


def _webdav(address: Address, access: Access) -> Service:
    host = f"[{address.host}]" if ":" in address.host else address.host
    place = host if address.port is None else f"{host}:{address.port}"
    scheme = "https" if address.scheme == "webdavs" else "http"
    options = {"endpoint": f"{scheme}://{place}", "root": address.path}
    if address.user:
        password = access.environ.get("PHOTOVAULT_WEBDAV_PASSWORD") or access.secret(address.shown)
        if not password:
            raise _nothing(address, "PHOTOVAULT_WEBDAV_PASSWORD")
        options |= {"username": address.user, "password": password}
    return Service(name="webdav", options=options, staged=True)


def _b2(address: Address, access: Access) -> Service:
    if "bucket_id" not in address.query:
        raise UsageError(
            f"{address.shown} lacks the id of the bucket", "add ?bucket_id=ID, as Backblaze's pages show it"
        )
    key = access.environ.get("B2_APPLICATION_KEY_ID"), access.environ.get("B2_APPLICATION_KEY")
    if not all(key):
        key_id, _, secret = (access.secret(address.shown) or "").partition(":")
        key = key_id, secret
    if not key[0] or not key[1]:
        raise _nothing(address, "B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY")
    options = {"bucket": address.host, "bucket_id": address.query["bucket_id"], "root": address.path}
    return Service(name="b2", options={**options, "application_key_id": key[0], "application_key": key[1]})


def _azure(address: Address, access: Access) -> Service:
    environ = access.environ
    account = address.query.get("account") or environ.get("AZURE_STORAGE_ACCOUNT")
    if not account:
        raise UsageError(f"{address.shown} lacks the storage account", "add ?account=NAME")
    endpoint = address.query.get("endpoint", f"https://{account}.blob.core.windows.net")
    options = {"container": address.host, "root": address.path, "account_name": account, "endpoint": endpoint}
    key = environ.get("AZURE_STORAGE_KEY")
    token = environ.get("AZURE_STORAGE_SAS_TOKEN")
    if not key and not token:
        key = access.secret(address.shown)
    if not key and not token:
        raise _nothing(address, "AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN")
    return Service(
        name="azblob", options=options | ({"account_key": key} if key else {"sas_token": token or ""}), conditional=True
    )


def _gs(address: Address, access: Access) -> Service:
    options = {"bucket": address.host, "root": address.path, "disable_vm_metadata": "true"}
    if "endpoint" in address.query:
        options["endpoint"] = address.query["endpoint"]
    path, secret = access.environ.get("GOOGLE_APPLICATION_CREDENTIALS"), access.secret(address.shown)
    if path:
        options["credential_path"] = path
    elif secret:
        options["credential"] = base64.b64encode(secret.encode()).decode()
    return Service(name="gcs", options=options, conditional=True)


def _drive(address: Address, access: Access) -> Service:
    """Google Drive, Dropbox or OneDrive: an access token, or client id, client secret and refresh token."""
    prefix = address.scheme.upper()
    long = ("client_id", "client_secret", "refresh_token")
    given = {name: access.environ.get(f"{prefix}_{name.upper()}") for name in (*long, "access_token")}
    if not given["access_token"] and not given["refresh_token"]:
        values = (access.secret(address.shown) or "").split(":")
        given = dict(zip(long if len(values) == len(long) else ("access_token",), values, strict=False))
    options = {name: value for name, value in given.items() if value}
    if not options:
        raise _nothing(address, f"{prefix}_CLIENT_ID, {prefix}_CLIENT_SECRET and {prefix}_REFRESH_TOKEN")
    return Service(name=address.scheme, options={"root": address.path, **options})


def _nothing(address: Address, names: str) -> UsageError:
    return UsageError(
        f"there is nothing to log in to {address.shown} with",
        f"set {names} in the environment, or keep it in the keyring: keyring set photovault '{address.shown}'",
    )


_SERVICES: dict[str, Callable[[Address, Access], Service]] = {
    "s3": _s3,
    "webdav": _webdav,
    "webdavs": _webdav,
    "b2": _b2,
    "azure": _azure,
    "gs": _gs,
    "gdrive": _drive,
    "dropbox": _drive,
    "onedrive": _drive,
}
