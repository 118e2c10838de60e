"""Where a restored photo is held: in no file that has a name, and never more of it than there is room for."""

from __future__ import annotations

import hashlib
import os
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.drill import held
from photovault.drill.held import NO_ROOM, TOO_LARGE, Held, room
from photovault.facts import Facts
from photovault.model import Entry, EntryKind

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 1000


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("WHOLE", 10 * PIECE), ("LARGEST", 30 * PIECE), ("END", 4 * PIECE)):
        monkeypatch.setattr(held, name, size)


def photo(data: bytes, kind: str = "jpeg", name: bytes = b"a.jpg") -> Entry:
    digest = hashlib.sha256(data).digest()
    facts = Facts(kind=kind)
    return Entry(name=name, kind=EntryKind.FILE, mode=0o644, mtime_ns=0, size=len(data), digest=digest, facts=facts)


def pour(entry: Entry, data: bytes) -> Held:
    one = Held(entry)
    for at in range(0, len(data), PIECE):
        one.write(data[at : at + PIECE])
    return one


def noise(pieces: int) -> bytes:
    return Random(pieces).randbytes(pieces * PIECE)


def test_a_photo_is_held_whole_and_has_no_name() -> None:
    data = noise(5)
    one = pour(photo(data), data)
    assert (one.is_whole, os.pread(one.fd, len(data) + 1, 0)) == (True, data)
    assert os.fstat(one.fd).st_nlink == 0
    fd = one.fd
    one.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_where_the_system_has_no_such_memory_it_is_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    data = noise(2)
    one = pour(photo(data), data)
    assert (os.pread(one.fd, len(data), 0), os.fstat(one.fd).st_nlink, list(tmp_path.iterdir())) == (data, 0, [])
    one.close()


def test_other_bytes_fewer_or_more_are_not_what_was_backed_up() -> None:
    data = noise(3)
    for other in (data[:-1], data + b"x", b"x" + data[1:], b""):
        one = pour(photo(data), other)
        assert not one.is_whole
        assert os.fstat(one.fd).st_size <= len(data) + PIECE, "what comes beyond is not held"
        one.close()


def test_of_a_large_video_only_its_ends_are_held_and_all_of_it_is_compared() -> None:
    data = noise(40)
    one = pour(photo(data, "mp4"), data)
    assert (one.is_whole, one.partly, one.needs_room) == (True, True, False)
    assert os.pread(one.fd, 4 * PIECE, 0) == data[: 4 * PIECE]
    assert os.pread(one.fd, 4 * PIECE, 36 * PIECE) == data[36 * PIECE :]
    assert os.pread(one.fd, PIECE, 20 * PIECE) == bytes(PIECE)
    assert os.fstat(one.fd).st_blocks * 512 < len(data)
    one.close()


def test_what_is_larger_than_there_is_room_for_is_compared_and_not_looked_at() -> None:
    data = noise(31)
    one = pour(photo(data, "tiff"), data)
    assert (one.is_whole, one.fd, one.why) == (True, -1, TOO_LARGE)


@pytest.mark.parametrize("when", ["at once", "in the middle"])
def test_without_memory_it_is_compared_and_not_looked_at(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    data = noise(3)
    if when == "at once":
        monkeypatch.setattr(held, "_nameless", full)
    else:
        monkeypatch.setattr(os, "pwrite", full)
    one = pour(photo(data), data)
    assert (one.is_whole, one.fd, one.why) == (True, -1, NO_ROOM)


@pytest.mark.parametrize(("kind", "name"), [("xmp", b"a.xmp"), ("takeout", b"a.jpg.json"), ("", b"albums.json")])
def test_what_is_no_picture_is_compared_and_not_held(kind: str, name: bytes) -> None:
    data = noise(1)
    one = pour(photo(data, kind, name), data)
    assert (one.is_whole, one.fd, one.why) == (True, -1, "")


def test_of_those_that_are_large_one_is_held_at_a_time() -> None:
    data, alone = noise(20), threading.Lock()
    one = Held(photo(data, "tiff"))
    assert one.needs_room
    with room(one, alone):
        assert alone.locked()
    small = Held(photo(noise(2)))
    with room(small, alone):
        assert not alone.locked()
    one.close()
    small.close()
