"""Section 7: listings."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from photovault.errors import DamageError
from photovault.facts import NOTHING, from_map, to_map
from photovault.model import Entry, EntryKind
from photovault.vault.format.encoding import (
    ENCODER,
    Json,
    canonical,
    check_keys,
    name_bytes,
    name_text,
    read_bytes,
    read_canonical,
    read_digests,
    read_version,
    read_whole,
)
from photovault.vault.format.objects import PART_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE_MEAN = 512  # a page ends, on average, after so many entries
PAGE_MAX = 4096
_MODE_MAX = 0o7777
_TIME_MAX = 2**63 * 10**9 - 1  # nanoseconds: what a file system with 64 bits of seconds can keep
COUNT_MAX = 2**63 - 1
_ENTRY_REQUIRED = frozenset({"kind", "mode", "mtime", "name"})
_ENTRY_FIELDS = {
    EntryKind.FILE: (frozenset({"parts", "sha256", "size"}), frozenset({"facts", "unsettled", "xattrs"})),
    EntryKind.FOLDER: (frozenset({"files", "parts", "size"}), frozenset()),
    EntryKind.LINK: (frozenset({"target"}), frozenset()),
}


def ends_page(name: bytes) -> bool:
    """Whether a page of a listing ends after the entry of this name: first 4 bytes of SHA-256(name) modulo 512 is 0."""
    return int.from_bytes(hashlib.sha256(name).digest()[:4], "big") % PAGE_MEAN == 0


def encode_entry(entry: Entry) -> bytes:
    """Canonical JSON of one entry."""
    if entry.kind is EntryKind.FILE:
        return _encode_file(entry)
    value: Json = {"kind": entry.kind, "mode": entry.mode, "mtime": entry.mtime_ns, "name": name_text(entry.name)}
    if entry.kind is EntryKind.LINK:
        return canonical(value | {"target": name_text(entry.target)})
    parts = [part.hex() for part in entry.parts]
    return canonical(value | {"files": entry.files, "parts": parts, "size": entry.size})


def _encode_file(entry: Entry) -> bytes:
    """As ``canonical`` would, three times as fast: there are as many of these as photos."""
    facts = unsettled = xattrs = ""
    if entry.facts is not NOTHING and (known := to_map(entry.facts)):
        facts = '"facts":' + ENCODER.encode(known) + ","
    if entry.unsettled:
        unsettled = ',"unsettled":true'
    if entry.xattrs:
        xattrs = ',"xattrs":' + ENCODER.encode({name: data.hex() for name, data in entry.xattrs})
    parts = ",".join([f'"{part.hex()}"' for part in entry.parts])
    name = ENCODER.encode(name_text(entry.name))
    return (
        f'{{{facts}"kind":"file","mode":{entry.mode},"mtime":{entry.mtime_ns},"name":{name},'
        f'"parts":[{parts}],"sha256":"{entry.digest.hex()}","size":{entry.size}{unsettled}{xattrs}}}'
    ).encode()


def encode_pages(entries: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Plaintext of the pages of one folder, from (name, encoded entry) in the order of the raw names."""
    page: list[bytes] = []
    size = 0
    for name, encoded in entries:
        if page and size + len(encoded) + 1 > PART_MAX // 2:
            yield _page(page)
            page, size = [], 0
        page.append(encoded)
        size += len(encoded) + 1
        if ends_page(name) or len(page) == PAGE_MAX:
            yield _page(page)
            page, size = [], 0
    if page:
        yield _page(page)


def _page(entries: list[bytes]) -> bytes:
    return b'{"entries":[' + b",".join(entries) + b'],"version":1}'


def read_page(data: bytes) -> list[Entry]:
    """The entries of one page."""
    value = read_canonical(data, "a listing")
    read_version(value, "a listing")
    check_keys(value, frozenset({"entries", "version"}), "a listing")
    if not isinstance(value["entries"], list):
        raise DamageError("a listing is damaged")
    entries = [_entry(item) for item in value["entries"]]
    if any(one.name >= other.name for one, other in pairwise(entries)):
        raise DamageError("a listing names an entry twice or out of order")
    return entries


def read_entry(data: bytes) -> Entry:
    """One entry from its canonical JSON."""
    return _entry(read_canonical(data, "a listing entry"))


def _entry(value: object) -> Entry:
    try:
        return _checked_entry(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DamageError("a listing holds an impossible entry") from None


def _checked_entry(value: Any) -> Entry:  # noqa: ANN401 - straight from JSON, every use below is checked
    kind = EntryKind(value["kind"])
    required, optional = _ENTRY_FIELDS[kind]
    check_keys(value, _ENTRY_REQUIRED | required, "a listing entry", optional)
    return Entry(
        name=name_bytes(value["name"]),
        kind=kind,
        mode=read_whole(value["mode"], 0, _MODE_MAX),
        mtime_ns=read_whole(value["mtime"], -_TIME_MAX, _TIME_MAX),
        size=read_whole(value.get("size", 0), 0, COUNT_MAX),
        files=read_whole(value.get("files", 0), 0, COUNT_MAX),
        digest=read_bytes(value["sha256"], 32) if kind is EntryKind.FILE else b"",
        parts=read_digests(value.get("parts", [])),
        target=name_bytes(value.get("target", "")),
        facts=from_map(value["facts"]) if "facts" in value else NOTHING,
        xattrs=tuple(sorted((name, read_bytes(data)) for name, data in value.get("xattrs", {}).items())),
        unsettled=_only_true(value.get("unsettled", True)) and "unsettled" in value,
    )


def _only_true(value: object) -> bool:
    if value is not True:
        raise ValueError
    return True
