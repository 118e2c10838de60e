"""Times, rights and attributes: what is kept, and what is never granted."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.target.some import files_in

if TYPE_CHECKING:
    from photovault.target import Target


def test_rights_of_others_are_never_granted_by_setuid(target: Target) -> None:
    pending = target.begin((b"a",), 0)
    pending.commit(mtime_ns=0, mode=0o107_755)
    assert stat.S_IMODE((target.root / "a").stat().st_mode) == 0o755


def test_only_attributes_of_the_user_are_set(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = os.setxattr

    def setxattr(fd: int, name: str, value: bytes) -> None:
        asked.append(name)
        real(fd, name, value)

    monkeypatch.setattr(os, "setxattr", setxattr)
    pending = target.begin((b"a",), 0)
    wanted = [("user.note", b"hi"), ("security.capability", b"x"), ("com.apple.quarantine", b"x"), ("user.\0", b"x")]
    assert pending.commit(mtime_ns=0, mode=0o600, xattrs=wanted) == (
        "security.capability",
        "com.apple.quarantine",
        "user.\0",
    )
    assert os.listxattr(target.root / "a") == ["user.note"]
    assert all(name.startswith("user.") for name in asked)  # the system might have let root set the others


@pytest.mark.parametrize("mtime_ns", [10**40, -(10**40)])
def test_an_impossible_time_does_not_lose_the_photo(target: Target, mtime_ns: int) -> None:
    pending = target.begin((b"a",), 0)
    assert pending.commit(mtime_ns=mtime_ns, mode=0o600) == ("time",)
    assert files_in(target.root) == {"a": b""}
