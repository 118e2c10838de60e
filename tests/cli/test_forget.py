"""What ``photovault forget`` says and does on the command line."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.support.photos import put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAYS = ("2024-05-01", "2024-05-02", "2024-05-03")


@pytest.fixture
def three(vault: Path, tmp_path: Path, photovault: Callable) -> list[str]:
    """Three snapshots of three days, each with a file of its own."""
    photos = tmp_path / "Pictures"
    for number, day in enumerate(DAYS):
        for old in photos.glob("*.bin"):
            old.unlink()
        put(photos / f"{number}.bin", Random(number).randbytes(200_000))
        assert photovault("backup", photos, "--all-files", "--time", f"{day}T12:00:00Z").code == 0
    return [one["id"] for one in photovault("snapshots", "--json").json["snapshots"]]


def test_a_dry_run_names_each_snapshot_with_its_reasons(three: list[str], photovault: Callable) -> None:
    done = photovault("forget", "-n", "--keep-daily", 2, "--min-age", "0s")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith(f"forget  {three[0][:8]}  2024-05-01 12:00 UTC")
    assert lines[0].endswith("Pictures: no rule keeps it")
    assert lines[1].endswith("Pictures: daily 2024-05-02")
    assert lines[2].endswith("Pictures: the newest of Pictures; daily 2024-05-03")
    assert "1 snapshot would be forgotten, 2 kept" in lines
    assert "would be marked for removal: " in done.out
    assert len(photovault("snapshots", "--json").json["snapshots"]) == 3


def test_what_is_young_says_so(three: list[str], photovault: Callable) -> None:
    done = photovault("forget", "-n", "--keep-last", 1)
    assert done.out.count("younger than 7 days: first seen") == 3
    assert "no snapshot would be forgotten, 3 kept" in done.out


def test_forgetting_undoing_and_listing(three: list[str], photovault: Callable) -> None:
    done = photovault("forget", "--keep-last", 1, "--min-age", "0s")
    assert "2 snapshots forgotten, 1 kept" in done.out
    assert "by the first `photovault forget` then" in done.out
    assert len(photovault("snapshots").out.splitlines()) == 2  # and the fingerprint
    listed = photovault("snapshots", "--forgotten").out
    assert listed.count("(forgotten)") == 2
    assert photovault("check").code == 0
    assert photovault("audit").code == 0
    assert "2 snapshots count again" in photovault("forget", "--undo").out
    assert len(photovault("snapshots", "--json").json["snapshots"]) == 3
    assert photovault("forget", "--undo").code == 15


def test_at_once(three: list[str], vault: Path, photovault: Callable) -> None:
    done = photovault("forget", "--keep-last", 1, "--min-age", "0s", "--grace", "0s")
    assert done.code == 0, done.err
    assert "no other device may be backing up now" in done.err
    assert "removed: 2 snapshots, 2 packs" in done.out
    assert len(list((vault / "snapshots").iterdir())) == 1
    assert photovault("check", "--data", "all").code == 0
    assert photovault("audit").code == 0
    assert photovault("status").err == ""
    assert "nothing to free" in photovault("forget").out


def test_json(three: list[str], photovault: Callable) -> None:
    found = photovault("forget", "--json", three[0][:8]).json
    assert found["message_type"] == "summary"
    assert [(one["id"], one["kept"]) for one in found["snapshots"]] == [
        (three[0], False),
        (three[1], True),
        (three[2], True),
    ]
    assert found["snapshots"][0]["reasons"] == ["named"]
    assert (found["snapshots_forgotten"], found["packs_removed"]) == (1, 0)
    assert found["bytes_to_free"] > 200_000
    assert found["due"]


def test_pins_are_shown(three: list[str], photovault: Callable) -> None:
    assert "is pinned" in photovault("forget", "--pin", three[0][:8]).out
    assert "(pinned)" in photovault("snapshots").out.splitlines()[0]
    assert [one["pinned"] for one in photovault("snapshots", "--json").json["snapshots"]] == [True, False, False]
    done = photovault("forget", "--keep-last", 1, "--min-age", "0s")
    assert "1 snapshot forgotten, 2 kept" in done.out
    assert "not pinned any more" in photovault("forget", "--unpin", three[0][:8]).out
    assert "was not pinned" in photovault("forget", "--unpin", three[0][:8]).out


def test_what_is_refused(three: list[str], photovault: Callable) -> None:
    done = photovault("forget", "latest")
    assert done.code == 15
    assert "the newest of Pictures" in done.err
    assert "--anyway" in done.err
    assert photovault("forget", "latest", "--undo").code == 2
    assert photovault("forget", three[0], "--keep-last", 1).code == 2
    assert photovault("forget", "--keep-within", "soon").code == 2
    assert photovault("forget", "0123abcd").code == 2
    assert photovault("forget", "--grace", "59m").code == 2  # a run may look whether it was overtaken only once an hour


def test_rules_of_the_configuration(three: list[str], tmp_path: Path, vault: Path, photovault: Callable) -> None:
    (tmp_path / "device" / "config.toml").write_text('[keep]\nlast = 2\nmin_age = "0s"\ngrace = "1h"\n')
    done = photovault("forget", "--json").json
    assert done["snapshots_forgotten"] == 1
    (tmp_path / "device" / "config.toml").write_text('[keep]\ngrace = "0s"\n')
    done = photovault("forget")
    assert done.code == 2
    assert "keep.grace" in done.err


def test_each_destination_by_itself(three: list[str], tmp_path: Path, vault: Path, photovault: Callable) -> None:
    copy = tmp_path / "copy"
    config = f'[vault]\nurl = "{vault}"\n[[destinations]]\nname = "usb"\nurl = "{copy}"\n'
    (tmp_path / "device" / "config.toml").write_text(config)
    copy.mkdir()
    assert photovault("copy", "--to", "usb").code == 0
    rules = ("--keep-last", 1, "--min-age", "0s", "--grace", "0s")
    done = photovault("forget", "--to", "main", "--to", "usb", *rules)
    assert done.code == 0, done.err
    assert done.out.count("2 snapshots forgotten") == 2
    for place in (vault, copy):
        assert len(list((place / "snapshots").iterdir())) == 1


def test_a_copy_does_not_bring_back_what_was_forgotten_there(
    three: list[str], tmp_path: Path, vault: Path, photovault: Callable
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    assert photovault("copy", "--to", copy).code == 0
    rules = ("--keep-last", 1, "--min-age", "0s", "--grace", "0s")
    assert photovault("forget", "--vault", copy, *rules).code == 0
    done = photovault("copy", "--to", copy)
    assert "that you had forgotten" in done.out
    assert len(list((copy / "snapshots").iterdir())) == 1
    photos = tmp_path / "Pictures"
    put(photos / "0.bin", Random(0).randbytes(200_000))  # of which the copy removed the parts
    assert photovault("backup", photos, "--all-files").code == 0
    assert photovault("copy", "--to", copy).code == 0
    assert len(list((copy / "snapshots").iterdir())) == 2
    assert photovault("check", "--vault", copy, "--data", "all").code == 0
    assert photovault("audit", "--vault", copy).code == 0


def test_what_was_forgotten_elsewhere_goes_at_the_copy_as_a_dry_run_says(
    three: list[str], tmp_path: Path, vault: Path, photovault: Callable
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    assert photovault("copy", "--to", copy).code == 0
    rules = ("--keep-last", 1, "--min-age", "0s", "--grace", "0s")
    assert photovault("forget", *rules).code == 0
    assert photovault("copy", "--to", copy).code == 0  # the records, too
    listed = photovault("snapshots", "--vault", copy, "--forgotten", "--json").json["snapshots"]
    assert [one["forgotten"] for one in listed] == [True, True, False]
    said = photovault("forget", "--vault", copy, "-n", "--json").json
    done = photovault("forget", "--vault", copy, "--json").json
    assert said["bytes_to_free"] == done["bytes_to_free"] > 400_000
    assert len(list((copy / "snapshots").iterdir())) == 3
    assert photovault("forget", "--vault", copy, "--grace", "0s").code == 0
    assert photovault("check", "--vault", copy, "--data", "all").code == 0
