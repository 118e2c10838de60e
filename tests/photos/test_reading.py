"""Reading files: every byte once, changes noticed, nothing that hangs or is followed."""

from __future__ import annotations

import hashlib
import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.photos import reading
from photovault.photos.reading import ATTEMPTS, BUFFER, FileRead, LargeFile, NotRead, ReaderOptions, read_batch
from tests.support.photos import jpeg

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = ReaderOptions(lambda data: hashlib.sha256(data).digest(), xattrs=True)


def write(path: Path, data: bytes) -> bytes:
    path.write_bytes(data)
    return os.fsencode(path)


def read(*paths: bytes, room: int = 1 << 20) -> tuple[list[FileRead | NotRead], memoryview]:
    buffer = memoryview(bytearray(room))
    return read_batch(paths, buffer, OPTIONS).result(), buffer


def test_files_lie_behind_each_other_in_the_buffer(tmp_path: Path) -> None:
    contents = [b"first", b"", jpeg(1, (300, 200)), Random(1).randbytes(50_000)]
    paths = [write(tmp_path / f"{number}.jpg", data) for number, data in enumerate(contents)]
    answers, buffer = read(*paths)
    for data, answer in zip(contents, answers, strict=True):
        assert isinstance(answer, FileRead)
        pieces = [bytes(buffer[start : start + length]) for _, start, length in answer.pieces]
        assert b"".join(pieces) == data
        assert [piece.part_id for piece in answer.pieces] == [hashlib.sha256(piece).digest() for piece in pieces]
        assert (answer.digest, answer.stamp.size) == (hashlib.sha256(data).digest(), len(data))
        assert not answer.unsettled


def test_stamp_mode_and_attributes_are_those_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", jpeg(2, taken="2021:05:04 13:22:11"))
    os.chmod(path, 0o640)
    os.setxattr(path, "user.b", b"2")
    os.setxattr(path, "user.a", b"1")
    (answer,), _ = read(path)
    assert isinstance(answer, FileRead)
    st = os.stat(path)
    assert answer.stamp == (b"a.jpg", st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
    assert answer.mode == 0o640
    assert answer.xattrs == (("user.a", b"1"), ("user.b", b"2"))


def test_attributes_can_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", b"x")
    os.setxattr(path, "user.a", b"1")
    (answer,) = read_batch([path], memoryview(bytearray(10)), OPTIONS._replace(xattrs=False)).result()
    assert isinstance(answer, FileRead)
    assert answer.xattrs == ()


def test_what_is_no_file_is_an_answer(tmp_path: Path) -> None:
    good = write(tmp_path / "good", b"x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("good")
    odd = [os.fsencode(tmp_path / name) for name in ("pipe", "folder", "link", "nowhere")]
    answers, _ = read(*odd, good)
    assert [isinstance(one, NotRead) for one in answers] == [True, True, True, True, False]
    assert "not a file" in answers[0].why
    assert "No such file" in answers[3].why


def test_a_file_larger_than_the_room_left_has_grown(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, bytes(60)) for name in ("a", "b", "c")]
    write(tmp_path / "c", bytes(30))
    answers, _ = read(*paths, room=100)
    assert [isinstance(one, NotRead) and one.grown for one in answers] == [False, True, False]


def meddle(monkeypatch: pytest.MonkeyPatch, times: int, change) -> list[int]:
    real, calls = reading.fill, []

    def fill(fd: int, offset: int, out: memoryview) -> int:
        size = real(fd, offset, out)
        calls.append(size)
        if len(calls) <= times:
            change()
        return size

    monkeypatch.setattr(reading, "fill", fill)
    return calls


def test_a_file_that_changes_is_read_until_it_holds_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a", b"first")
    calls = meddle(monkeypatch, 1, lambda: write(tmp_path / "a", b"the second"))
    (answer,), buffer = read(path)
    assert isinstance(answer, FileRead)
    assert (bytes(buffer[:10]), answer.unsettled, len(calls)) == (b"the second", False, 2)


def test_a_file_that_never_holds_still_is_unsettled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a", b"0")
    numbers = iter(range(1, 100))
    calls = meddle(monkeypatch, 99, lambda: write(tmp_path / "a", b"%d" % next(numbers) * 3))
    (answer,), buffer = read(path)
    assert isinstance(answer, FileRead)
    assert (answer.unsettled, len(calls)) == (True, ATTEMPTS)
    assert answer.digest == hashlib.sha256(buffer[: answer.stamp.size]).digest(), "it is what was read, at least"


def test_a_file_that_shrinks_for_good_has_its_last_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a", b"0123456789")
    meddle(monkeypatch, 99, lambda: os.truncate(path, max(0, os.stat(path).st_size - 1)))
    (answer,), _ = read(path)
    assert isinstance(answer, FileRead)
    assert (answer.unsettled, answer.stamp.size) == (True, 8)


def read_large(path: bytes) -> tuple[LargeFile, bytes, int]:
    """The file, its bytes, and its largest window."""
    large = LargeFile(path, OPTIONS)
    buffer = memoryview(bytearray(BUFFER))
    found, largest = [], 0
    for window in large.windows:
        pieces = large.read(window, buffer)
        largest = max(largest, sum(piece.length for piece in pieces))
        for _, start, length in pieces:
            large.add(buffer[start : start + length])
            found.append(bytes(buffer[start : start + length]))
    return large, b"".join(found), largest


@pytest.mark.parametrize("size", [0, 1, BUFFER, BUFFER + 1, 2 * BUFFER + 4321])
def test_windows_cover_a_large_file_and_fit_the_buffer(tmp_path: Path, size: int) -> None:
    data = Random(size).randbytes(size)
    large, found, largest = read_large(write(tmp_path / "a.mp4", data))
    assert (found == data, largest <= BUFFER, large.settled()) == (True, True, True)
    result = large.result(unsettled=False)
    assert (result.digest, result.stamp.size, result.pieces) == (hashlib.sha256(data).digest(), size, ())
    large.close()


def test_a_large_file_that_shrank_gives_fewer_bytes_and_is_not_settled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", Random(1).randbytes(2 * BUFFER))
    large = LargeFile(path, OPTIONS)
    buffer = memoryview(bytearray(BUFFER))
    large.read(large.windows[0], buffer)
    size = large.windows[1][0] + 100
    os.truncate(path, size)
    assert sum(piece.length for piece in large.read(large.windows[1], buffer)) == 100
    assert not large.settled()
    large.again()
    assert sum(sum(lengths) for _, lengths in large.windows) == size
    large.close()


def test_a_large_file_that_is_none_is_an_error_and_leaves_nothing_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    before = len(os.listdir("/proc/self/fd"))
    for name in ("pipe", "link", "nowhere", "."):
        with pytest.raises(OSError, match=r"not a file|symbolic|No such"):
            LargeFile(os.fsencode(tmp_path / name), OPTIONS)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_system_without_preadv_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Random(2).randbytes(100_000)
    path = write(tmp_path / "a", data)
    monkeypatch.delattr(os, "preadv")
    (answer,), buffer = read(path)
    assert isinstance(answer, FileRead)
    assert bytes(buffer[:100_000]) == data
