"""IPTC: the captions of press agencies, in Photoshop's block of a JPEG or TIFF (IPTC-IIM 4.2).

Photoshop's block is a row of resources ``8BIM id name length body``; the one of id 0x0404 is a row of datasets
``1C record number length body``.  Record 2 has the texts, 1:90 says whether they are UTF-8; those that are not are tried as
such anyway, and then as Windows-1252.

Guarantee: at most 256 resources and 1,024 datasets are looked at; what is broken ends the reading.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from photovault.photos.claims import texts
from photovault.photos.claims.claims import Claims, keywords
from photovault.photos.claims.dates import Date, Rank, dates

if TYPE_CHECKING:
    from collections.abc import Iterator

PHOTOSHOP = b"Photoshop 3.0\0"

_RESOURCE, _DATASET = struct.Struct(">4sHB"), struct.Struct(">BBBH")
_IPTC, _MARK, _RECORD = 0x0404, 0x1C, 2
_MAX_RESOURCES, _MAX_DATASETS, _MAX_LENGTH = 256, 1024, 0x7FFF
_TITLE, _KEYWORD, _DAY, _TIME, _DIGITAL_DAY, _DIGITAL_TIME, _CAPTION = 5, 25, 55, 60, 62, 63, 120
_DAY_FORM, _TIME_FORM = re.compile(rb"(\d{4})(\d\d)(\d\d)"), re.compile(rb"(\d\d)(\d\d)(\d\d)([+-]\d{4})?")


def in_photoshop(data: bytes) -> Claims:
    """The claims of the IPTC within Photoshop's resources."""
    return next((read(body) for kind, body in _resources(data) if kind == _IPTC), Claims())


def read(data: bytes) -> Claims:
    """The claims of a row of datasets."""
    found: dict[int, list[bytes]] = {}
    for number, body in _datasets(data):
        found.setdefault(number, []).append(body)

    def one(number: int) -> bytes:
        return found.get(number, [b""])[0]

    return Claims(
        dates=(
            *_date(Rank.ORIGINAL, one(_DAY), one(_TIME)),
            *_date(Rank.CREATED, one(_DIGITAL_DAY), one(_DIGITAL_TIME)),
        ),
        keywords=keywords([texts.clean(word, texts.WORD) for word in found.get(_KEYWORD, ())]),
        title=texts.clean(one(_TITLE), texts.TITLE) or None,
        description=texts.clean(one(_CAPTION), texts.TEXT) or None,
    )


def _resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and body of each resource; name and body are padded to even lengths."""
    at = 0
    for _ in range(_MAX_RESOURCES):
        if at + _RESOURCE.size > len(data):
            return
        mark, kind, name = _RESOURCE.unpack_from(data, at)
        start = at + 6 + (name + 2 & ~1) + 4
        length = int.from_bytes(data[start - 4 : start], "big")
        if mark != b"8BIM" or start > len(data):
            return
        yield kind, data[start : start + length]
        at = start + length + (length & 1)


def _datasets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and body of each dataset of record 2."""
    at = 0
    for _ in range(_MAX_DATASETS):
        if at + _DATASET.size > len(data):
            return
        mark, record, number, length = _DATASET.unpack_from(data, at)
        if mark != _MARK or length > _MAX_LENGTH:  # longer ones are allowed and never written
            return
        at += _DATASET.size
        if record == _RECORD:
            yield number, data[at : at + length]
        at += length


def _date(rank: Rank, day: bytes, time: bytes) -> tuple[Date, ...]:
    """``20210504`` and ``132211+0200``; a day without time is its midnight."""
    when, clock = _DAY_FORM.match(day), _TIME_FORM.match(time)
    if not when:
        return ()
    text = b"-".join(when.groups())
    if clock:
        text += b"T" + b":".join(clock.groups()[:3]) + (clock[4] or b"")
    return dates(rank, "iptc", text)
