"""Addresses of storages: a text in, an ``Address`` out, or a UsageError that says what is wrong.

    /path  file:///path              a folder
    s3://BUCKET/PREFIX               with ?endpoint=URL and &region=R for everything that is not Amazon's
    sftp://USER@HOST:PORT/PATH       /~/PATH is below the home folder
    webdav://USER@HOST:PORT/PATH     webdavs:// over TLS
    b2://BUCKET/PREFIX?bucket_id=ID  azure://CONTAINER/PREFIX?account=A  gs://BUCKET/PREFIX
    gdrive://PATH  dropbox://PATH  onedrive://PATH
    rclone:NAME:PATH                 a remote of rclone's own configuration

Guarantee: an address holds no secret (a password is refused, and so is every parameter that is not known, because it
may be one), no control character, no ``..``, and no user or host that a command could take for an option.  A refusal
never repeats the address.  Nothing is looked up: whether there is anything at the address, its storage finds out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMETERS = {
    "s3": ("endpoint", "region"),
    "sftp": (),
    "webdav": (),
    "webdavs": (),
    "b2": ("bucket_id",),
    "azure": ("account", "endpoint"),
    "gs": ("endpoint",),
    "gdrive": (),
    "dropbox": (),
    "onedrive": (),
}
_SERVERS = frozenset({"sftp", "webdav", "webdavs"})  # a user may be named, and a port
_DRIVES = frozenset({"gdrive", "dropbox", "onedrive"})  # the account is the place: there is no host
_FORMS = "use a folder, s3://, sftp://, webdav://, webdavs://, b2://, azure://, gs://, gdrive://, dropbox://, onedrive:// or rclone:NAME:PATH"  # fmt: skip
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]")
_REMOTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .+@-]*")
_SCP = re.compile(r"[^/\\]+@[^/\\]+:|[A-Za-z0-9_.-]{2,}:[^\\]")  # USER@HOST:PATH, HOST:PATH; one letter is a drive
_LONGEST = 4096
_PORTS = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a storage is.

    Attributes:
        scheme: ``file``, ``rclone``, or what stands before ``://``.
        user: who logs in, or the empty string.
        host: host, bucket, container or rclone's name of a remote; no brackets around an IPv6 address.
        port: None for the usual one.
        path: as a path of that storage; begins with a slash, but for ``rclone``; no slash at the end.
        query: the parameters.
        shown: the address for people, without secrets and always the same for the same place.
    """

    scheme: str
    user: str = ""
    host: str = ""
    port: int | None = None
    path: str = "/"
    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    shown: str = ""


def parse_address(url: str) -> Address:
    """Take an address apart.

    For a folder ``path`` and ``shown`` are the path as it was given, ``~`` and all.

    Raises:
        UsageError: it is none, or holds a secret.
    """
    if not url or "\0" in url or len(url) > _LONGEST:
        raise UsageError("an address is missing, too long or no text", _FORMS)
    if url.startswith("rclone:"):
        return _rclone(url)
    if "://" not in url and not url.startswith("file:"):
        return _path(url)
    parts = _split(url)
    if parts.scheme == "file":
        return _file(parts)
    if parts.scheme not in _PARAMETERS:
        raise UsageError(f"there is no storage of the kind {parts.scheme[:20]}://", _FORMS)
    return _remote(parts)


def _split(url: str) -> SplitResult:
    if not url.isprintable():
        raise UsageError("an address has a character that cannot be printed", "write it as %XX")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise UsageError("not an address: host or port cannot be read", _FORMS) from None
    if parts.password is not None:
        raise UsageError(
            "a password does not belong in an address, where others can see it",
            "take it out; it comes from the environment or the keyring (docs/storages.md)",
        )
    return parts


def _path(url: str) -> Address:
    """A path, unless it was meant to be an address: a vault must not come to lie on this computer by a typing mistake."""
    name, colon, _ = url.partition(":")
    slip = re.match(r"(?i)[a-z0-9]+/{2}", url)
    if (
        (colon and name.lower() in _PARAMETERS)
        or (slip and slip[0].rstrip("/").lower() in _PARAMETERS)
        or _SCP.match(url)
    ):
        raise UsageError("this looks like an address but is written like a path", f"{_FORMS}; write a folder as ./NAME")
    return Address(scheme="file", path=url, shown=url)


def _file(parts: SplitResult) -> Address:
    if parts.netloc not in {"", "localhost"}:
        raise UsageError("not the address of a folder on this computer", "use file:///PATH or just the path")
    path = unquote(parts.path)
    if "\0" in path or not path:
        raise UsageError("not the path of a folder", "use file:///PATH or just the path")
    return Address(scheme="file", path=path, shown=path)


def _rclone(url: str) -> Address:
    _, name, path = [*url.split(":", 2), "", ""][:3]
    if _REMOTE.fullmatch(name) is None or url.count(":") < 2:  # noqa: PLR2004 - rclone:NAME:PATH
        raise UsageError(
            "not the address of an rclone remote", "use rclone:NAME:PATH, NAME as `rclone listremotes` says"
        )
    path = path.rstrip("/")
    _check_path(path)
    return Address(scheme="rclone", host=name, path=path, shown=f"rclone:{name}:{path}")


def _remote(parts: SplitResult) -> Address:
    scheme = parts.scheme
    login, _, place = parts.netloc.rpartition("@")
    path = unquote(parts.path)
    if scheme in _DRIVES:
        path, place = f"{unquote(place)}{path}", ""
    path = "/" + path.strip("/")
    _check_path(path)
    host, user = _host(scheme, place), _user(scheme, login)
    query = _query(scheme, parts)
    port = parts.port if place else None
    shown = f"{scheme}://{quote(user)}{'@' if user else ''}{f'[{host}]' if ':' in host else host}"
    shown += f":{port}" if port is not None else ""
    shown += quote(path) if scheme not in _DRIVES else quote(path[1:])
    shown += "".join(f"{'&' if n else '?'}{key}={value}" for n, (key, value) in enumerate(sorted(query.items())))
    return Address(
        scheme=scheme, user=user, host=host, port=port, path=path, query=MappingProxyType(query), shown=shown
    )


def _host(scheme: str, place: str) -> str:
    if scheme in _DRIVES:
        return ""
    found = re.fullmatch(rf"({_HOST.pattern})(?::(\d{{1,5}}))?", place)
    if found is None or (found[2] and (scheme not in _SERVERS or not 0 < int(found[2]) < _PORTS)):
        thing = "a host, and perhaps a port," if scheme in _SERVERS else "a bucket or container"
        raise UsageError(f"{thing} must come after {scheme}://", _FORMS)
    return found[1].strip("[]")


def _user(scheme: str, login: str) -> str:
    user = unquote(login)
    if user and (scheme not in _SERVERS or not user.isprintable() or user.startswith("-") or ":" in user):
        raise UsageError(
            f"an address with {scheme}:// cannot name that user",
            "credentials come from the environment, the provider's own configuration or the keyring (docs/storages.md)",
        )
    return user


def _check_path(path: str) -> None:
    if not path.isprintable() or any(part in {".", ".."} for part in path.split("/")) or "//" in path:
        raise UsageError("the path of an address has an empty part, . or .., or an odd character", "write it plainly")


def _query(scheme: str, parts: SplitResult) -> dict[str, str]:
    known = _PARAMETERS[scheme]
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), max_num_fields=8)
    except ValueError:
        raise UsageError("what follows ? in the address cannot be read", _FORMS) from None
    if parts.fragment or {key for key, _ in pairs} - set(known) or len(dict(pairs)) < len(pairs):
        listed = f"it may have {' and '.join(known)}" if known else "it takes none"
        raise UsageError(
            f"the address has a parameter that {scheme}:// does not know", f"{listed}; secrets never go there"
        )
    query = dict(pairs)
    if "endpoint" in query:
        query["endpoint"] = _endpoint(query["endpoint"])
    if not all(re.fullmatch(r"[A-Za-z0-9._:/\[\]-]+", value) for value in query.values()):
        raise UsageError("a parameter of the address is empty or has an odd character", _FORMS)
    return query


def _endpoint(url: str) -> str:
    parts = _split(url if "://" in url else f"https://{url}")
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or not parts.hostname or parts.query:
        raise UsageError("the endpoint of an address is not https://HOST:PORT", "copy it from your provider's pages")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
