"""``photovault backup``: what it says, what it leaves out, and what a dry run does not do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.eyes import BROKEN
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.eyes import Record


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "P"
    for name in ("2020/a.jpg", "2020/b.heic", "Screenshots/s.png", "notes.txt", "2021/c.mov"):
        put(root / name, jpeg(len(name)) + name.encode())
    return root


def everything(*roots: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that could change in folders: sizes, times, contents."""
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for root in roots
        for path in [root, *root.rglob("*")]
    }


def stored(photovault: Callable) -> list[str]:
    entries = photovault("ls", "-r", "--json").json["entries"]
    return sorted(one["path"] for one in entries if one["kind"] != "folder")


def test_a_first_and_a_second_run_in_words(photovault: Callable, vault: Path, photos: Path) -> None:
    first = photovault("backup", photos)
    assert first.code == 0
    assert "4 new, 0 changed, 0 unchanged" in first.out
    assert "1 other file left out" in first.out
    second = photovault("backup", photos)
    assert "0 new, 0 changed, 4 unchanged" in second.out
    assert first.err == second.err == ""


def test_the_summary_for_programs(photovault: Callable, vault: Path, photos: Path) -> None:
    put(photos / "twin.jpg", (photos / "2020" / "a.jpg").read_bytes())
    done = photovault("backup", photos, "--json", "--tag", "x", "--tag", "y", "--time", "2020-01-01T00:00:00Z")
    value = done.json
    assert [json.loads(line)["message_type"] for line in done.out.splitlines()] == ["summary"]
    assert (value["files_new"], value["files"], value["files_left_out"], value["problems"]) == (5, 5, 1, [])
    assert (
        value["bytes_read"]
        == value["bytes"]
        == sum(p.stat().st_size for p in photos.rglob("*.*") if p.suffix != ".txt")
    )
    assert value["bytes_deduplicated"] > 0
    assert value["bytes_stored"] == sum(
        p.stat().st_size for p in vault.rglob("*") if p.parent.parent.name == "packs"
    ) + sum(p.stat().st_size for name in ("index", "snapshots") for p in (vault / name).iterdir())
    assert value["time"] == "2020-01-01T00:00:00.000000Z"
    (listed,) = photovault("snapshots", "--json").json["snapshots"]
    assert (listed["id"], listed["tags"]) == (value["snapshot"], ["x", "y"])


def test_a_dry_run_changes_nothing(photovault: Callable, vault: Path, photos: Path) -> None:
    photovault("backup", photos)
    put(photos / "new.jpg", jpeg(50))
    before = everything(vault, photos)
    done = photovault("backup", photos, "-n")
    assert done.code == 0
    assert "would back up 1 new" in done.out
    assert everything(vault, photos) == before
    assert photovault("backup", photos, "--dry-run", "--json").json["files_new"] == 1


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], ["2020/a.jpg", "2020/b.heic", "2021/c.mov", "Screenshots/s.png"]),
        (["--all-files"], ["2020/a.jpg", "2020/b.heic", "2021/c.mov", "Screenshots/s.png", "notes.txt"]),
        (["--exclude", "Screenshots/"], ["2020/a.jpg", "2020/b.heic", "2021/c.mov"]),
        (["--exclude", "*.jpg", "--exclude", "/2021"], ["2020/b.heic", "Screenshots/s.png"]),
        (["--exclude", "20*/", "--one-file-system"], ["Screenshots/s.png"]),
    ],
)
def test_what_is_taken(photovault: Callable, vault: Path, photos: Path, options: list[str], kept: list[str]) -> None:
    assert photovault("backup", photos, *options).code == 0
    assert stored(photovault) == [f"P/{name}" for name in kept]


def test_an_ignore_file_in_the_source(photovault: Callable, vault: Path, photos: Path) -> None:
    (photos / ".photovaultignore").write_text("Screenshots/\n*.mov\n")
    photovault("backup", photos)
    assert stored(photovault) == ["P/2020/a.jpg", "P/2020/b.heic"]


def test_what_is_excluded_later_leaves_later_snapshots_only(photovault: Callable, vault: Path, photos: Path) -> None:
    photovault("backup", photos)
    assert photovault("backup", photos, "--exclude", "2021/", "--json").json["files_gone"] == 1
    assert "P/2021/c.mov" not in stored(photovault)
    assert photovault("ls", "latest~1", "P/2021/c.mov").code == 0


def test_several_sources_in_one_snapshot(photovault: Callable, vault: Path, photos: Path, tmp_path: Path) -> None:
    put(tmp_path / "other" / "P" / "x.jpg", jpeg(60))
    assert photovault("backup", photos, tmp_path / "other" / "P").code == 0
    assert photovault("ls").out.splitlines() == ["P/", "P (2)/"]
    assert "P (2)/x.jpg" in stored(photovault)


def test_problems_are_exit_3_and_named(photovault: Callable, vault: Path, photos: Path) -> None:
    put(photos / ".far.jpg.icloud", b"stub")
    done = photovault("backup", photos)
    assert done.code == 3
    assert f"{photos}/far.jpg: not protected: in iCloud only" in done.err
    done = photovault("backup", photos, "--json")
    assert (done.code, done.err) == (3, "")
    assert [one["path"] for one in done.json["problems"]] == [f"{photos}/far.jpg"]
    assert photovault("backup", photos, "-n").code == 3


def test_guards_and_wrong_use(photovault: Callable, vault: Path, photos: Path, tmp_path: Path) -> None:
    assert photovault("backup").code == 2
    assert photovault("backup", tmp_path / "nowhere").code == 2
    assert photovault("backup", vault).code == 2
    config = tmp_path / "device" / "config.toml"
    config.write_text(f"[[sources]]\npath = '{photos}'\n")
    assert photovault("backup").code == 0
    photos.rename(tmp_path / "away")
    assert photovault("backup").code == 15
    assert len(photovault("snapshots", "--json").json["snapshots"]) == 1


def test_a_busy_vault_is_exit_11(photovault: Callable, vault: Path, photos: Path, tmp_path: Path) -> None:
    from photovault.device import run_lock

    photovault("backup", photos)
    (folder,) = (tmp_path / "device" / "state" / "vaults").iterdir()
    with run_lock(folder, wait=False):
        done = photovault("backup", photos)
    assert (done.code, "--wait" in done.err) == (11, True)


def test_a_full_disk_is_exit_1_and_the_next_run_goes_on(
    photovault: Callable, vault: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def full(source: str, target: object, **more: object) -> None:
        if "snapshots" in str(target):
            raise OSError(28, "No space left on device")
        real(source, target, **more)

    with monkeypatch.context() as small:
        small.setattr(os, "link", full)
        done = photovault("backup", photos)
    assert (done.code, "no space left" in done.err) == (1, True)
    assert photovault("snapshots", "--json").json["snapshots"] == []
    again = photovault("backup", photos, "--json").json
    assert (again["files_new"], again["bytes_new"] < 5000) == (4, True), "what was uploaded is found again"
    assert photovault("check", "--data", "all").code == 0


def test_labels_and_tags_cannot_steer_the_terminal(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    root = tmp_path / "\x1b[31mP\x07"
    put(root / "\x1b]0;owned\x07.jpg", jpeg(1))
    put(root / ".\x1bcloud.jpg.icloud", b"")
    commands = [
        ("backup", root, "--tag", "\x1b[2J"), ("snapshots",), ("ls", "-r"), ("ls", "-l", "-r"),
        ("restore", "--to", tmp_path / "out"), ("restore", "\x1b[31m", "--to", tmp_path / "out"),
        ("backup", tmp_path / "\x1b[31m"), ("status",), ("diff", "latest", "\x1b[1m"), ("check", "--data", "\x1b[1m"),
    ]  # fmt: skip
    for command in commands:
        done = photovault(*command)
        assert "\x1b" not in done.out + done.err, command
        assert "\x07" not in done.out + done.err, command
        assert "Traceback" not in done.err


def test_a_source_whose_name_is_no_text(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/raw \xff"))
    put(root / "a.jpg", jpeg(1))
    for _ in range(2):
        assert photovault("backup", root).code == 0
    assert photovault("ls", "-r").out.splitlines() == ["raw \\xff/", "raw \\xff/a.jpg"]
    assert photovault("restore", root / "a.jpg", "--to", tmp_path / "out").code == 0
    assert (tmp_path / "out" / root.name / "a.jpg").exists()
    done = photovault(
        "init",
        "--vault",
        tmp_path / "v2",
        "--words-file",
        tmp_path / "w2",
        "--source",
        root,
        "--config",
        tmp_path / "c2",
    )
    assert (done.code, "not text" in done.err) == (2, True)


def test_thumbnails_are_counted_and_what_is_left_is_said_with_its_command(
    photovault: Callable, vault: Path, photos: Path, eyes: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.backup.run.AHEAD", 1)
    eyes.seconds = 1e6
    done = photovault("backup", photos)
    assert "2 thumbnails made, 28 B; 2 thumbnails left to make: photovault backup --all-thumbnails" in done.out
    plan = photovault("backup", photos, "--all-thumbnails", "-n", "--json").json
    assert (plan["thumbnails_left"], plan["files_unchanged"]) == (2, 4)
    assert "would make 2 thumbnails" in photovault("backup", photos, "--all-thumbnails", "-n").out
    value = photovault("backup", photos, "--all-thumbnails", "--json").json
    assert (value["thumbnails_made"], value["thumbnail_bytes"], value["thumbnails_left"]) == (2, 28, 0)
    assert (value["files_unchanged"], value["bytes_read"]) == (4, 0)
    assert "thumbnail" not in photovault("backup", photos).out


def test_all_thumbnails_says_what_is_missing_for_some(
    photovault: Callable, vault: Path, photos: Path, eyes: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.decoder.host.installed", list)
    eyes.answer = lambda _, looked: looked._replace(thumbnail=b"", why="no", lacks="video" if looked.thumbnail else "")
    assert "pip" not in photovault("backup", photos).out, "not each time"
    done = photovault("backup", photos, "--all-thumbnails")
    assert "4 photos and videos without one: pip install 'photovault[video]'" in done.out
    value = photovault("backup", photos, "--all-thumbnails", "--json").json
    assert (value["thumbnails_lacking"], value["thumbnails_left"]) == ({"video": 4}, 0)


def test_a_picture_that_does_not_decode_is_named_and_is_no_failure(
    photovault: Callable, vault: Path, photos: Path
) -> None:
    put(photos / "2020" / "bad.jpg", jpeg(5) + BROKEN)
    done = photovault("backup", photos)
    assert done.code == 0
    assert "1 photo backed up that does not decode" in done.err
    assert f"{photos / '2020' / 'bad.jpg'}: it is made so" in done.err
    assert done.err.count("an older snapshot may have a good one") == 1
    put(photos / "2020" / "worse.jpg", jpeg(6) + BROKEN)
    value = photovault("backup", photos, "--json").json
    assert [one["path"] for one in value["broken"]] == [str(photos / "2020" / "worse.jpg")]
    assert value["problems"] == []
