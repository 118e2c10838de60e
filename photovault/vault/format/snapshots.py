"""Section 8: snapshots."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from photovault.errors import DamageError
from photovault.model import Counts, Head, Snapshot, Source
from photovault.vault.format.encoding import (
    EPOCH_MAX,
    FIRST_EPOCH,
    VERSION,
    Json,
    canonical,
    check_keys,
    read_bytes,
    read_canonical,
    read_digests,
    read_list,
    read_text,
    read_version,
    read_whole,
)
from photovault.vault.format.listings import COUNT_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

_SNAPSHOT_KEYS = frozenset(
    {
        "clear", "counts", "device", "epoch", "number", "previous", "problems", "program",
        "root", "sources", "tags", "time", "version",
    }
)  # fmt: skip

_OPTIONAL = frozenset({"heads"})
_DEVICE = frozenset({"id", "name"})
_HEAD = frozenset({"device", "number", "snapshot", "storage"})
_COUNTS = frozenset({"files", "folders", "links", "size"})
_SOURCE = frozenset({"label", "offline", "path"})
_CLEAR = frozenset({"name", "sha256"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Plaintext of a snapshot: canonical JSON."""
    counts = snapshot.counts
    return canonical(
        {
            "clear": [{"name": name, "sha256": digest.hex()} for name, digest in snapshot.clear],
            "counts": {
                "files": counts.files, "folders": counts.folders, "links": counts.links, "size": counts.size,
            },
            "device": {"id": snapshot.device_id.hex(), "name": snapshot.device_name},
            "epoch": snapshot.epoch,
            "number": snapshot.number,
            "previous": snapshot.previous.hex() if snapshot.previous else None,
            "problems": snapshot.problems,
            "program": snapshot.program,
            "root": [part.hex() for part in snapshot.root],
            "sources": [{"label": s.label, "offline": s.offline, "path": s.path} for s in snapshot.sources],
            "tags": list(snapshot.tags),
            "time": snapshot.time,
            "version": VERSION,
        } | _heads_field(snapshot.heads)
    )  # fmt: skip


def _heads_field(heads: Iterable[Head]) -> Json:
    """The optional field: left out rather than empty, so that one snapshot has one encoding."""
    listed = [
        {"device": h.device_id.hex(), "number": h.number, "snapshot": h.snapshot.hex(), "storage": h.storage}
        for h in heads
    ]
    return {"heads": listed} if listed else {}


def read_snapshot(data: bytes) -> Snapshot:
    """Parse the plaintext of a snapshot."""
    value = read_canonical(data, "a snapshot")
    read_version(value, "a snapshot")
    check_keys(value, _SNAPSHOT_KEYS, "a snapshot", _OPTIONAL)
    try:
        return _checked_snapshot(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DamageError("a snapshot is damaged") from None


def _checked_snapshot(value: Json) -> Snapshot:
    device = _exactly(value["device"], _DEVICE)
    previous = value["previous"]
    return Snapshot(
        device_id=read_bytes(device["id"], 16),
        device_name=read_text(device["name"]),
        number=read_whole(value["number"], 1, COUNT_MAX),
        time=read_time(value["time"]),
        previous=None if previous is None else read_bytes(previous, 32),
        root=read_digests(value["root"]),
        counts=_counts(value["counts"]),
        sources=tuple(map(_source, read_list(value["sources"]))),
        clear=tuple(map(_clear, read_list(value["clear"]))),
        epoch=read_whole(value["epoch"], FIRST_EPOCH, EPOCH_MAX),
        program=read_text(value["program"]),
        tags=tuple(map(read_text, read_list(value["tags"]))),
        problems=read_whole(value["problems"], 0, COUNT_MAX),
        heads=_heads(value["heads"]) if "heads" in value else (),
    )


def _heads(value: object) -> tuple[Head, ...]:
    heads = tuple(map(_head, read_list(value)))
    if not heads:
        raise ValueError
    return heads


def _head(value: Json) -> Head:
    _exactly(value, _HEAD)
    return Head(
        storage=read_text(value["storage"]),
        device_id=read_bytes(value["device"], 16),
        number=read_whole(value["number"], 1, COUNT_MAX),
        snapshot=read_bytes(value["snapshot"], 32),
    )


def read_time(value: object) -> str:
    """A time as snapshots write it; ValueError for any other."""
    text = read_text(value)
    if _TIME.fullmatch(text) is None:
        raise ValueError
    datetime.fromisoformat(text)  # ValueError: no such day or hour
    return text


def _counts(value: Json) -> Counts:
    return Counts(**{name: read_whole(number, 0, COUNT_MAX) for name, number in _exactly(value, _COUNTS).items()})


def _source(value: Json) -> Source:
    _exactly(value, _SOURCE)
    if not isinstance(value["offline"], bool):
        raise ValueError  # noqa: TRY004 - as above
    return Source(label=read_text(value["label"]), path=read_text(value["path"]), offline=value["offline"])


def _clear(value: Json) -> tuple[str, bytes]:
    _exactly(value, _CLEAR)
    return read_text(value["name"]), read_bytes(value["sha256"], 32)


def _exactly(value: Json, keys: frozenset[str]) -> Json:
    check_keys(value, keys, "a snapshot")
    return value
