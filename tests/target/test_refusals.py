"""What the disk refuses is said with the file, the reason and what to do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from photovault import durable
from photovault.errors import RefusedError, StorageError
from tests.target.some import files_in, put, ready

if TYPE_CHECKING:
    from photovault.target import Target


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_where_and_how_much(target: Target, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    pending = target.begin((b"a.jpg",), 4_000_000)

    def write(_fd: int, _data: memoryview) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(RefusedError, match=r"a\.jpg: no space left, 4000000 bytes are needed") as caught:
        pending.write(bytes(4_000_000))  # a single byte would wait in the buffer of a large file
    assert "Make room" in caught.value.hint
    pending.abandon()
    assert files_in(target.root) == {}


@pytest.mark.parametrize("size", [1, 256 * 1024, 256 * 1024 + 1])
def test_a_disk_that_is_full_at_the_last_bytes_says_so_too(
    target: Target, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def write(_fd: int, _data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def finish() -> None:
        pending.write(bytes(size))
        pending.finish(mtime_ns=0, mode=0o644)

    pending = target.begin((b"a.jpg",), size)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(RefusedError, match=rf"a\.jpg: no space left, {size} bytes are needed"):
            finish()
    pending.abandon()
    assert files_in(target.root) == {}
    put(target, b"a.jpg", data=bytes(size))
    assert files_in(target.root) == {"a.jpg": bytes(size)}


def test_a_disk_that_is_full_at_the_last_moment_fails_those_files_only(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = durable.sync, iter([False, True, False, False, False])

    def sync(fd: int) -> None:
        if next(calls):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(fd)

    monkeypatch.setattr(durable, "sync", sync)
    if target.by_fd:
        batch = [ready(target, b"%d" % n) for n in range(3)]
        assert [failed.parts for failed, _ in target.commit_all(batch)] == [(b"1",)]
        assert sorted(files_in(target.root)) == ["0", "2"]
    else:
        put(target, b"0")
        with pytest.raises(RefusedError, match="no space left"):
            ready(target, b"1")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, RefusedError),
        (errno.EPERM, RefusedError),
        (errno.EROFS, RefusedError),
        (errno.ENAMETOOLONG, RefusedError),
        (errno.EFBIG, RefusedError),
        (errno.EIO, StorageError),
    ],
)
def test_every_failure_is_one_of_ours(
    target: Target, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StorageError]
) -> None:
    real = os.open

    def refuse(path: bytes, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError) as caught:
        target.begin((b"a.jpg",), 1)
    assert type(caught.value) is kind
    assert "a.jpg" in caught.value.what
