"""The ledger: every line is there before its object leaves, and no line can be changed, taken out or put in unseen."""

from __future__ import annotations

import json
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import RefusedError
from photovault.gate.ledger import Event, Ledger, Line, last_sent, read_ledger
from tests.support.world import Clock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.jsonl"


@pytest.fixture
def ledger(path: Path) -> Ledger:
    return Ledger(path, Clock(), number=7)


def fill(ledger: Ledger, lines: int = 4) -> None:
    for number in range(lines):
        ledger.sending("/mnt/disk", "pack", f"packs/{number}", 16384)


def breaks(path: Path) -> list[str]:
    return [line for line in read_ledger(path) if isinstance(line, str)]


def lines(path: Path) -> list[Line]:
    return [line for line in read_ledger(path) if isinstance(line, Line)]


def test_what_was_written_is_read(path: Path, ledger: Ledger) -> None:
    ledger.sending("sftp://nas/photos", "pack", "packs/a", 16384)
    ledger.failed("sftp://nas/photos", "pack", "packs/a", 16384)
    ledger.found("/mnt/\udcff", "pack", "packs/b", 32768)
    ledger.removed("/mnt/\udcff", "slot", "keys/c")
    assert breaks(path) == []
    begun, *rest = lines(path)
    assert begun == Line(time="2024-05-04T12:00:01.000000Z", event=Event.BEGUN, number=7)
    assert [(one.event, one.destination, one.kind, one.name, one.size) for one in rest] == [
        ("sending", "sftp://nas/photos", "pack", "packs/a", 16384),
        ("failed", "sftp://nas/photos", "pack", "packs/a", 16384),
        ("found", "/mnt/\udcff", "pack", "packs/b", 32768),
        ("removed", "/mnt/\udcff", "slot", "keys/c", 0),
    ]
    assert [one.time[17:19] for one in rest] == ["02", "03", "04", "05"]


def test_only_its_owner_can_read_it(path: Path, ledger: Ledger) -> None:
    fill(ledger)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_there_is_no_line(path: Path) -> None:
    assert list(read_ledger(path)) == []


def test_another_ledger_of_the_same_file_goes_on_in_the_same_chain(path: Path, ledger: Ledger) -> None:
    fill(ledger)
    fill(Ledger(path, Clock(), number=99))
    fill(ledger)
    assert breaks(path) == []
    assert [one.number for one in lines(path) if one.event is Event.BEGUN] == [7]
    assert len(lines(path)) == 13


def test_threads_share_one_chain(path: Path, ledger: Ledger) -> None:
    threads = [threading.Thread(target=fill, args=(ledger, 10)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert breaks(path) == []
    assert len(lines(path)) == 61


# What somebody may do to it


def rewrite(path: Path, change: list[bytes]) -> None:
    path.write_bytes(b"".join(change))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[1:],
        lambda rows: [*rows[:2], *rows[3:]],
        lambda rows: [*rows[:2], rows[3], rows[2], *rows[4:]],
        lambda rows: [*rows[:3], rows[2], *rows[3:]],
        lambda rows: [*rows[:2], rows[2].replace(b"16384", b"32768"), *rows[3:]],
        lambda rows: [*rows[:2], b"\n", *rows[2:]],
        lambda rows: [rows[0], *rows],
        lambda rows: [rows[0].replace(b'"number":7', b'"number":9'), *rows[1:]],
        lambda rows: [*rows, b"{}\n"],
    ],
    ids=[
        "begins later",
        "one out",
        "two swapped",
        "one twice",
        "a size",
        "an empty line",
        "begun twice",
        "number",
        "{}",
    ],
)
def test_a_change_breaks_the_chain(path: Path, ledger: Ledger, change) -> None:
    fill(ledger)
    assert breaks(path) == []
    rewrite(path, change(path.read_bytes().splitlines(keepends=True)))
    assert breaks(path)


def test_every_changed_byte_breaks_the_chain(path: Path, ledger: Ledger) -> None:
    fill(ledger, 2)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1)  # a change of the last line has no line after it to show it
    for at in range(last):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert breaks(path), at


def test_the_lines_after_a_break_are_read_all_the_same(path: Path, ledger: Ledger) -> None:
    fill(ledger)
    rows = path.read_bytes().splitlines(keepends=True)
    rewrite(path, [*rows[:2], b"garbage\n", *rows[2:]])
    assert breaks(path) == [f"line {number} does not follow from the lines before it" for number in (3, 4)]
    assert [one.name for one in lines(path)[1:]] == [f"packs/{number}" for number in range(4)]


# Power cuts


def test_a_torn_line_is_no_line_and_the_next_takes_its_place(path: Path, ledger: Ledger) -> None:
    fill(ledger, 3)
    whole = path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        assert (breaks(path), len(lines(path))) == ([], 3)
        Ledger(path, Clock()).sending("/mnt", "index", "index/x", 1)
        assert breaks(path) == []
        assert [one.name for one in lines(path)[1:]] == ["packs/0", "packs/1", "index/x"]


@pytest.mark.parametrize("torn", [b"", b'{"event":"begun"'])
def test_a_ledger_torn_in_its_first_line_begins_again(path: Path, ledger: Ledger, torn: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(torn)
    fill(ledger, 1)
    assert (breaks(path), [one.event for one in lines(path)]) == ([], ["begun", "sending"])


def test_a_line_is_durable_when_the_call_returns(path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append(os.fstat(fd).st_size)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    ledger.found("/mnt", "pack", "packs/left over", 1)
    for number, write in enumerate((ledger.sending, ledger.failed, ledger.sending)):
        write("/mnt", "pack", f"packs/{number}", 1)
        assert path.stat().st_size in synced
    ledger.removed("/mnt", "pack", "packs/1")
    assert path.stat().st_size in synced


def test_a_full_disk_lets_nothing_leave_and_spoils_no_line(
    path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, 2)

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(RefusedError, match="No space left on device; nothing was sent"):
            fill(ledger, 1)
    fill(ledger, 1)
    assert (breaks(path), len(lines(path))) == ([], 4)


def test_a_folder_in_its_place_is_told(path: Path, ledger: Ledger) -> None:
    path.mkdir(parents=True)
    with pytest.raises(RefusedError, match="cannot write the ledger"):
        fill(ledger)
    with pytest.raises(RefusedError, match="cannot read the ledger"):
        list(read_ledger(path))


# Garbage


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_garbage_is_never_a_traceback(tmp_path_factory: pytest.TempPathFactory, rows: list[bytes]) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.jsonl"
    path.write_bytes(b"".join(row + b"\n" for row in rows))
    assert len(breaks(path)) >= len([row for row in rows if row])
    assert lines(path) == []


@pytest.mark.parametrize(
    "row",
    [
        b"[" * 50_000,
        b"1" * 200_000,
        b'{"event":"sending"}',
        b'{"event":[],"previous":"0"}',
        json.dumps({"event": "begun", "number": "7", "previous": "0" * 64, "time": ""}, separators=(",", ":")).encode(),
        json.dumps({"event": "begun", "number": 7, "previous": 0, "time": ""}, separators=(",", ":")).encode(),
    ],
    ids=range(6),
)
def test_hostile_lines_are_no_lines(path: Path, row: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(row + b"\n")
    assert breaks(path)
    assert lines(path) == []


def test_when_something_was_last_stored_where(tmp_path):
    path = tmp_path / "ledger.jsonl"
    assert last_sent(path, "snapshot") == {}
    ledger = Ledger(path, Clock())
    for name in "ab":
        ledger.sending("/usb", "snapshot", name, 1)
        ledger.sending("/nas", "pack", name, 1)
    first = last_sent(path, "snapshot")
    assert list(first) == ["/usb"]
    ledger.sending("/usb", "snapshot", "c", 1)
    ledger.failed("/usb", "snapshot", "c", 1)
    ledger.sending("/s3", "snapshot", "c", 1)
    ledger.failed("/s3", "snapshot", "c", 1)
    assert last_sent(path, "snapshot") == first
