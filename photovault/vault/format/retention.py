"""Section 9: retention records."""

from __future__ import annotations

from photovault.errors import DamageError
from photovault.model import Gone, Retention
from photovault.vault.format.encoding import (
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
from photovault.vault.format.snapshots import read_time

_KEYS = frozenset(
    {"device", "grace", "indexes", "packs", "parity", "pins", "snapshots", "time", "version"},
)
_DEVICE = frozenset({"id", "name"})
_GONE = frozenset({"device", "name", "number"})


def encode_retention(record: Retention) -> bytes:
    """Plaintext of a retention record: canonical JSON; every list is sorted and names nothing twice."""
    gone = [one for _, one in sorted({one.name: one for one in record.snapshots}.items())]
    return canonical(
        {
            "device": {"id": record.device_id.hex(), "name": record.device_name},
            "grace": record.grace,
            "indexes": _sorted(record.indexes),
            "packs": _sorted(record.packs),
            "parity": _sorted(record.parity),
            "pins": _sorted(record.pins),
            "snapshots": [
                {"device": one.device_id.hex(), "name": one.name.hex(), "number": one.number} for one in gone
            ],
            "time": record.time,
            "version": VERSION,
        }
    )


def _sorted(digests: tuple[bytes, ...]) -> list[str]:
    return [digest.hex() for digest in sorted(set(digests))]


def read_retention(data: bytes) -> Retention:
    """Parse the plaintext of a retention record.

    Raises:
        DamageError: no writer makes these bytes.
        UnknownVersionError: a later version makes them.
    """
    value = read_canonical(data, "a retention record")
    read_version(value, "a retention record")
    check_keys(value, _KEYS, "a retention record")
    try:
        record = _checked(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DamageError("a retention record is damaged") from None
    if encode_retention(record) != data:
        raise DamageError("a retention record is not in order")
    return record


def _checked(value: Json) -> Retention:
    check_keys(value["device"], _DEVICE, "a retention record")
    return Retention(
        device_id=read_bytes(value["device"]["id"], 16),
        device_name=read_text(value["device"]["name"]),
        time=read_time(value["time"]),
        grace=read_whole(value["grace"], 0, COUNT_MAX),
        pins=read_digests(value["pins"]),
        snapshots=tuple(map(_gone, read_list(value["snapshots"]))),
        packs=read_digests(value["packs"]),
        indexes=read_digests(value["indexes"]),
        parity=read_digests(value["parity"]),
    )


def _gone(value: Json) -> Gone:
    check_keys(value, _GONE, "a retention record")
    return Gone(
        name=read_bytes(value["name"], 32),
        device_id=read_bytes(value["device"], 16),
        number=read_whole(value["number"], 1, COUNT_MAX),
    )
