"""What the daemon says: lines for people, lines of JSON, and no names of photos."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest

from photovault.watch.journal import Journal, sentence

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def said(what, more, **how):
    stream = io.StringIO()
    Journal(stream, lambda: NOON, **how)(what, more)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("what", "more", "line"),
    [
        ("resumed", {}, "resumed"),
        ("paused", {"seconds": 7200.0}, "paused: for 7,200 s"),
        ("watching", {"sources": 2, "destinations": 1}, "watching: sources 2; destinations 1"),
        ("looking at everything", {"why": "woke from sleep"}, "looking at everything: woke from sleep"),
        ("backup begins", {"destination": "nas", "held": 0}, "backup begins: nas"),
        ("backup begins", {"destination": "nas", "held": 2}, "backup begins: nas: files that still change: 2"),
        (
            "backup done",
            {"destination": "nas", "snapshot": "0123456789ab", "files": 3, "size": 1_234_567, "problems": 0},
            "backup done: nas: 3 files, 1.2 MB, snapshot 01234567",
        ),
        ("backup done", {"destination": "nas", "snapshot": "", "files": 0, "size": 0}, "backup done: nas: nothing new"),
        (
            "backup done",
            {"destination": "nas", "snapshot": "", "files": 0, "size": 0, "problems": 2},
            "backup done: nas: nothing new, 2 files could not be read, or are suspect: `photovault status` says more",
        ),
        (
            "backup failed",
            {"destination": "nas", "error": "no space left", "do": "make room", "again in seconds": 30},
            "backup failed: nas: no space left; what to do: make room; tried again in 30 s",
        ),
    ],
)
def test_events_in_words(what, more, line):
    assert sentence(what, more) == line


def test_a_line_for_a_person_has_the_time():
    assert said("resumed", {}) == "2026-11-23 12:00:00 resumed\n"


def test_a_line_for_systemd_has_its_priority_instead():
    assert said("resumed", {}, to_systemd=True) == "<5>resumed\n"
    assert said("backup failed", {"destination": "nas"}, to_systemd=True) == "<4>backup failed: nas\n"


def test_a_line_of_json():
    line = said("backup failed", {"destination": "nas", "error": "é\n", "again in seconds": 30}, as_json=True)
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "schema": 1,
        "message_type": "event",
        "time": "2026-11-23T12:00:00+00:00",
        "event": "backup failed",
        "destination": "nas",
        "error": "é\n",
        "again_in_seconds": 30,
    }


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "more",
    [
        {"path": "/home/ann/Pictures/secret.jpg"},
        {"file": "secret.jpg"},
        {"error": "cannot read /home/ann/Pictures/my secret.jpg: no rights"},
        {"error": "cannot read /home/ann/Pictures/2020: a/my secret.jpg"},
        {"do": "look at /home/ann/Pictures/a\nsecret.jpg"},
    ],
)
def test_photos_are_not_named(more, as_json):
    assert "secret" not in said("backup failed", more, as_json=as_json, sources=["/mnt/x", "/home/ann/Pictures/"])
    assert "secret" in said("backup failed", more, as_json=as_json, sources=["/home/ann/Pictures"], names=True)


def test_other_sources_can_be_private_later():
    stream = io.StringIO()
    journal = Journal(stream, lambda: NOON, sources=["/old"])
    journal.hide(["/new"])
    journal("backup failed", {"error": "cannot read /new/secret.jpg"})
    assert stream.getvalue().endswith("cannot read /new/...\n")


def test_what_is_no_photo_is_still_named():
    line = said("backup failed", {"error": "cannot write /mnt/vault/packs/ab: no space left"}, sources=["/home/ann/P"])
    assert line.endswith("backup failed: cannot write /mnt/vault/packs/ab: no space left\n")


def test_nothing_can_steer_the_terminal_or_make_a_second_line():
    line = said("backup failed", {"error": "a\x1b[31m\nb\udcff"})
    assert line.endswith("a\\x1b[31m\\nb\\udcff\n")
    assert line.count("\n") == 1


def test_a_log_that_is_gone_or_full_does_not_end_the_daemon():
    class Full(io.StringIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    Journal(Full(), lambda: NOON)("resumed", {})
    gone = io.StringIO()
    gone.close()
    Journal(gone, lambda: NOON)("resumed", {})
