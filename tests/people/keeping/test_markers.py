"""The marks by which other tools leave the folder out, on every system."""

from __future__ import annotations

import plistlib
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from photovault.people.keeping.markers import ARCHIVE, NOT_INDEXED, TAG_NAME, System, here, mark

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Pretended:
    """A system that notes what it is asked."""

    attributes: list = field(default_factory=list)
    flags: int = ARCHIVE | 0x10
    fails: bool = False

    def as_system(self, platform: str) -> System:
        return System(platform=platform, set_attribute=self.set_attribute, get_flags=self.get, set_flags=self.set)

    def set_attribute(self, path: Path, name: bytes, value: bytes) -> None:
        self._check()
        self.attributes.append((path, name, value))

    def get(self, path: Path) -> int:
        return self.flags

    def set(self, path: Path, flags: int) -> None:
        self._check()
        self.flags = flags

    def _check(self) -> None:
        if self.fails:
            raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_tag_for_caches_is_everywhere(tmp_path: Path, platform: str) -> None:
    for _ in range(2):
        assert mark(tmp_path / "people", Pretended().as_system(platform)) == []
        text = (tmp_path / "people" / TAG_NAME).read_bytes()
        # bford.info/cachedir: these 43 bytes at the beginning of the file, whatever comes after
        assert text[:43] == b"Signature: 8a477f597d28d172789f06886806bc55"
    assert mark(tmp_path / "people") == []


def test_a_tag_that_is_none_is_replaced_and_a_link_not_followed(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"photo")
    (tmp_path / TAG_NAME).symlink_to(tmp_path / "photo")
    assert mark(tmp_path, Pretended().as_system("linux")) == []
    assert (tmp_path / "photo").read_bytes() == b"photo"
    assert (tmp_path / TAG_NAME).read_bytes().startswith(b"Signature: ")


def test_time_machine_is_told_as_tmutil_does(tmp_path: Path) -> None:
    system = Pretended()
    mark(tmp_path, system.as_system("darwin"))
    ((path, name, value),) = system.attributes
    assert (path, name) == (tmp_path, b"com.apple.metadata:com_apple_backup_excludeItem")
    assert (value[:8], plistlib.loads(value)) == (b"bplist00", "com.apple.backupd")


def test_windows_does_not_index_it_and_other_attributes_stay(tmp_path: Path) -> None:
    system = Pretended()
    mark(tmp_path, system.as_system("win32"))
    assert system.flags == NOT_INDEXED | 0x10


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_a_mark_that_cannot_be_set_is_said_and_no_error(tmp_path: Path, platform: str) -> None:
    (problem,) = mark(tmp_path, Pretended(fails=True).as_system(platform))
    assert "could not be set: Operation not supported" in problem
    assert (tmp_path / TAG_NAME).exists()


def test_a_folder_that_cannot_be_marked_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (problem,) = mark(tmp_path / "file" / "people", Pretended().as_system("linux"))
    assert "CACHEDIR.TAG could not be set" in problem


def test_here_is_this_system() -> None:
    assert here().platform == sys.platform
