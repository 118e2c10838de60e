"""What the storage behind rclone promises besides what every storage does, with the real rclone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from photovault.errors import MissingError, RefusedError, StorageError, UnavailableError, UsageError
from photovault.storage.addresses import parse_address
from photovault.storage.remote import rclone as module
from photovault.storage.remote.rclone import RcloneStorage, open_rclone
from tests.support.programs import missing
from tests.support.remote import access

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def at(url: str, **other: object) -> RcloneStorage:
    return open_rclone(parse_address(url), access(**other))


def test_without_rclone_it_says_how_to_get_it() -> None:
    with pytest.raises(UsageError, match="rclone is not installed") as caught:
        at("rclone:disk:vault", environ={"PATH": "/nonexistent"})
    assert "install" in caught.value.hint


def test_a_remote_that_rclone_does_not_know_is_refused(rclone: str) -> None:
    storage = at("rclone:nobody:vault")
    for use in (lambda: storage.put("a", b"x"), lambda: storage.get("a"), lambda: list(storage.listing(""))):
        with pytest.raises(RefusedError, match="no remote of that name"):
            use()


@pytest.mark.parametrize(
    "url",
    [
        "rclone:--config=/x:y",
        "rclone:-v:y",
        "rclone::local:/etc",
        "rclone:s3,secret=x:y",
        "rclone:disk",
        "rclone:disk:../../etc",
        "rclone:disk:a\nb",
    ],
)
def test_an_address_can_be_no_option_and_hold_no_secret(url: str) -> None:
    with pytest.raises(UsageError):
        at(url)


def test_objects_appear_whole_and_nothing_temporary_is_left(rclone: str, tmp_path: Path) -> None:
    storage = at(rclone)
    storage.put("packs/ab/one", bytes(100_000))
    assert os.listdir(tmp_path / "disk" / "deep" / "vault" / "tmp") == []
    (tmp_path / "disk" / "deep" / "vault" / "tmp" / "half").write_bytes(b"half")
    assert [one.name for one in storage.listing("")] == ["packs/ab/one"]


def test_leftovers_of_a_crash_go_after_a_day(rclone: str, tmp_path: Path) -> None:
    at(rclone).put("a", b"x")
    folder = tmp_path / "disk" / "deep" / "vault" / "tmp"
    for name, hours in (("old", 25), ("another run writes this", 1)):
        (folder / name).write_bytes(b"half of something")
        os.utime(folder / name, (time.time() - hours * 3600,) * 2)
    at(rclone).put("b", b"y")
    assert os.listdir(folder) == ["another run writes this"]


def test_a_place_that_vanished_is_unavailable_not_damaged(rclone: str, tmp_path: Path) -> None:
    storage = at(rclone)
    with pytest.raises(UnavailableError, match="is not there"):
        list(storage.listing(""))
    storage.put("a/b", b"x")
    (tmp_path / "disk" / "deep").rename(tmp_path / "away")
    for use in (lambda: storage.get("a/b"), lambda: list(storage.listing("")), lambda: list(storage.listing("a/"))):
        with pytest.raises(UnavailableError, match="is not there"):
            use()


def test_an_object_that_was_listed_and_went_is_missing(rclone: str, tmp_path: Path) -> None:
    storage = at(rclone)
    storage.put("a/b", b"xyz")
    assert [one.size for one in storage.listing("")] == [3]
    path = tmp_path / "disk" / "deep" / "vault" / "a" / "b"
    path.write_bytes(b"x")
    with pytest.raises(MissingError):
        storage.get("a/b")
    path.unlink()
    with pytest.raises(MissingError):
        storage.get("a/b")
    storage.put("a/b", b"x")
    assert storage.get("a/b") == b"x"


# A stand-in for rclone, to see what it is given and to let it say what a remote seldom says


@pytest.fixture
def said(tmp_path: Path) -> Callable[..., RcloneStorage]:
    """A storage whose rclone prints, complains and leaves as it is told, and writes down how it was called."""
    program = tmp_path / "bin" / "rclone"
    program.parent.mkdir()

    def make(prints: str = "", complains: str = "", code: int = 0) -> RcloneStorage:
        program.write_text(
            f"#!{sys.executable}\nimport os, sys\n"
            f"with open({str(tmp_path / 'calls')!r}, 'a') as file: print(sys.argv[1:], sorted(os.environ), file=file)\n"
            f"sys.stdout.write({prints!r}); sys.stderr.write({complains!r}); sys.exit({code})\n"
        )
        program.chmod(0o700)
        environ = {"PATH": str(program.parent), "PHOTOVAULT_PASSWORD": "hidden", "RCLONE_CONFIG": "/x"}
        return at("rclone:disk:vault", environ=environ)

    return make


def test_what_is_given_comes_after_the_options_and_no_secret_does(
    said: Callable[..., RcloneStorage], tmp_path: Path
) -> None:
    storage = said(prints='{"Path": "x", "Size": 3}')
    with pytest.raises(StorageError):
        storage.get("-rf/x")
    called = (tmp_path / "calls").read_text()
    assert "'--', 'disk:vault/-rf/x'" in called
    assert "'RCLONE_CONFIG'" in called
    assert "PHOTOVAULT" not in called


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Failed to rcat: googleapi: Error 403: quotaExceeded", RefusedError),
        ("couldn't fetch token: invalid_grant", RefusedError),
        ("write: no space left on device", RefusedError),
        ("dial tcp: connection refused", UnavailableError),
        ("", UnavailableError),
    ],
)
def test_complaints_are_told_apart(said: Callable[..., RcloneStorage], words: str, kind: type[StorageError]) -> None:
    storage = said(complains=f"a first line\n2026/11/23 06:36:26 {words}\n", code=1)
    for use in (lambda: storage.put("a", b"x"), lambda: storage.get("a"), lambda: list(storage.listing(""))):
        with pytest.raises(kind) as caught:
            use()
        assert words in caught.value.what
        assert "2026" not in caught.value.what


def test_complaints_show_no_address_and_steer_no_terminal(said: Callable[..., RcloneStorage]) -> None:
    storage = said(complains='Get "https://me:hidden@host/?sig=hidden": \x1b[31mred' + "x" * 10_000, code=1)
    with pytest.raises(UnavailableError) as caught:
        storage.get("a")
    assert "hidden" not in caught.value.what
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 400


@pytest.mark.parametrize(
    "answer", ["", "{", "[" * 100_000, "null", "3", '{"Size": "3"}', '{"Path": 3, "Size": 3}', "[3]"]
)
def test_answers_that_make_no_sense_are_an_error(said: Callable[..., RcloneStorage], answer: str) -> None:
    storage = said(prints=answer)
    for use in (lambda: storage.put("a", b"x"), lambda: storage.get("a"), lambda: list(storage.listing(""))):
        with pytest.raises(UnavailableError):
            use()


def test_more_than_was_asked_for_takes_no_memory(
    said: Callable[..., RcloneStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST_ANSWER", 1000)
    with pytest.raises(UnavailableError, match="more than was asked for"):
        list(said(prints="[" + " " * 100_000 + "]").listing(""))


def test_a_full_disk_refuses_and_leaves_nothing(rclone: str, tmp_path: Path) -> None:
    small = tmp_path / "disk" / "deep"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=False).returncode:
        missing("a full disk needs the right to mount one")
    try:
        storage = at(rclone)
        storage.put("a", b"x")
        with pytest.raises(RefusedError):
            storage.put("b", bytes(3_000_000))
        assert [one.name for one in storage.listing("")] == ["a"]
        assert os.listdir(small / "vault" / "tmp") == []
    finally:
        subprocess.run(["umount", "-l", small], check=True)
