"""What a doctor says of a computer, by numbers that a test chooses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from photovault.app.doctoring import machine
from photovault.app.doctoring.values import State
from photovault.sandbox import LAYERS

GB = 10**9


def test_a_clock_before_the_program_was_installed_is_wrong():
    installed = datetime(2026, 5, 4, tzinfo=UTC)
    wrong = machine.clock(datetime(1970, 1, 1, tzinfo=UTC), installed)
    assert (wrong.state, "set the clock" in wrong.hint) == (State.BAD, True)
    assert machine.clock(datetime(2026, 5, 5, tzinfo=UTC), installed).state is State.GOOD


@pytest.mark.parametrize(("free", "state"), [(None, "note"), (10 * GB, "good"), (GB, "note"), (10**8, "bad")])
def test_room_on_a_disk(free, state):
    look = machine.room("state folder", free, "/there")
    assert (look.state, look.where, bool(look.hint)) == (state, "/there", state != "good")


@pytest.mark.parametrize(("available", "state"), [(None, "note"), (8 * GB, "good"), (GB // 4, "note")])
def test_memory(available, state):
    assert machine.memory(available).state == state


@pytest.mark.parametrize(("limit", "state"), [(-1, "good"), (1024, "good"), (256, "note")])
def test_open_files(limit, state):
    assert machine.open_files(limit).state == state


@pytest.mark.parametrize(
    ("folders", "limit", "instances", "state"),
    [(100, 8192, 128, "good"), (9000, 8192, 128, "bad"), (100, 8192, 2, "bad"), (100, None, None, "good")],
)
def test_limits_of_watching_name_the_line_that_raises_them(folders, limit, instances, state):
    look = machine.watches(folders, limit, instances)
    assert look.state == state
    assert look.hint.startswith("sudo sysctl fs.inotify.max_user_") == (state == "bad")


def test_each_missing_layer_of_the_sandbox_is_named(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    for layer in ("network", "privileges", "files", "limits", "calls"):
        look = machine.sandbox([one for one in LAYERS if one != layer])
        assert (look.state, look.what) == (State.BAD, f"decoders lack {layer}")
    assert machine.sandbox(LAYERS).state is State.GOOD


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_a_folder_that_others_can_look_into_is_named_with_what_mends_it(tmp_path, mode):
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    (look,) = machine.private("state folder", folder)
    assert (look.state, look.hint) == (State.BAD, f"chmod 700 {folder}")
    folder.chmod(0o700)
    (look,) = machine.private("state folder", folder)
    assert "free" in look.what


def test_a_keyring_that_is_not_to_be_used_or_not_there_is_a_note(monkeypatch):
    assert machine.keyring(may=False).state is State.NOTE
    monkeypatch.setattr(machine, "keyring_name", lambda: "")
    assert machine.keyring(may=True).state is State.NOTE
    monkeypatch.setattr(machine, "keyring_name", lambda: "Secret Service")
    assert (machine.keyring(may=True).state, machine.keyring(may=True).what) == (State.GOOD, "Secret Service")
