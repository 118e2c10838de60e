"""Numbers and names for people, and lines for programs."""

from __future__ import annotations

import json

import pytest

from photovault.cli import output
from photovault.cli.output import Output, age, amount, count, printable
from photovault.model import Problem


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1234, "1.2 kB"), (999_949, "999.9 kB"), (10**6, "1.0 MB"),
        (2.5e9, "2.5 GB"), (10**12, "1.0 TB"), (10**16, "10000.0 TB"),
    ],
)  # fmt: skip
def test_amounts(size: float, text: str) -> None:
    assert amount(size) == text


def test_counts() -> None:
    assert [count(0, "file"), count(1, "file"), count(1234, "file")] == ["0 files", "1 file", "1,234 files"]
    assert count(2, "copy", "copies") == "2 copies"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-90, "dated 1 minute in the future (a clock is or was wrong)"),
        (-3 * 86_400, "dated 3 days in the future (a clock is or was wrong)"),
        (-5, "just now"), (59, "just now"), (60, "1 minute ago"), (3599, "59 minutes ago"), (3600, "1 hour ago"),
        (86_399, "23 hours ago"), (86_400, "1 day ago"), (10 * 86_400, "10 days ago"),
    ],
)  # fmt: skip
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "\x07", "\u202egpj.exe", "\udcff", "\x9b31m"])
def test_nothing_steers_the_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    talk(as_json=False).always(text)
    talk(as_json=False).line(text)
    talk(as_json=False).warn(text)
    talk(as_json=False).problems([Problem(path=text, what=text, hint=text)], "heading")
    out, err = capsys.readouterr()
    assert all(line.isprintable() for line in (out + err).splitlines())
    assert (out + err).count("\n") == 5
    assert printable("näme 猫.jpg") == "näme 猫.jpg"


def talk(*, as_json: bool, quiet: bool = False, verbose: int = 0) -> Output:
    return Output(as_json=as_json, quiet=quiet, verbose=verbose, bars=False)


def test_a_program_gets_documents_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    out = talk(as_json=True)
    out.line("for people")
    out.always("for people")
    out.warn("for people")
    out.problems([Problem(path="a", what="b")], "heading")
    out.document({"name": "\udcff\x1b"})
    said, err = capsys.readouterr()
    assert json.loads(said) == {"schema": 1, "name": "\udcff\x1b"}
    assert (said.isascii(), err) == (True, "")


def test_quiet_leaves_the_answer_and_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    out = talk(as_json=False, quiet=True)
    out.line("comment")
    out.always("answer")
    out.document({"not": "for people"})
    out.problems([Problem(path="a", what="broke", hint="mend it")], "heading")
    assert capsys.readouterr() == ("answer\n", "heading:\n  a: broke (mend it)\n")


@pytest.mark.parametrize(("verbose", "lines"), [(0, 22), (1, 31)])
def test_many_problems_are_cut_short_unless_asked_for(
    capsys: pytest.CaptureFixture[str], verbose: int, lines: int
) -> None:
    problems = [Problem(path=str(number), what="broke") for number in range(30)]
    talk(as_json=False, verbose=verbose).problems(problems, "heading")
    err = capsys.readouterr().err.splitlines()
    assert len(err) == lines
    assert ("and 10 more" in err[-1]) is (verbose == 0)


def test_status_lines_of_a_long_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 0.5, 1.0, 1.5, 2.5])
    monkeypatch.setattr(output.time, "monotonic", lambda: next(clock))
    with talk(as_json=True).meter("backing up") as meter:
        meter.total(4, 400)
        for _ in range(4):
            meter.advance(1, 100, "secret name.jpg")
    said = capsys.readouterr().out
    lines = [json.loads(line) for line in said.splitlines()]
    assert [(one["message_type"], one["schema"], one["files_done"], one["bytes_done"]) for one in lines] == [
        ("status", 1, 2, 200), ("status", 1, 4, 400),
    ]  # fmt: skip
    assert [one["seconds_left"] for one in lines] == [1, 0]
    assert "secret" not in said


def test_each_step_of_a_long_command_begins_at_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 0.0, 1.0, 1.0, 2.0])
    monkeypatch.setattr(output.time, "monotonic", lambda: next(clock))
    with talk(as_json=True).meter("backing up") as meter:
        for step in (4, 2):
            meter.total(step, 100 * step)
            meter.advance(1, 100, "x")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["files_done"], one["files_total"], one["bytes_done"]) for one in lines] == [(1, 4, 100), (1, 2, 100)]


def test_a_bar_shows_a_name_that_cannot_steer_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=False, quiet=False, verbose=0, bars=True)
    with out.meter("backing up") as meter:
        meter.total(1, 100)
        meter.advance(1, 100, "/a/\x1b]0;owned\x07[bold]x.jpg")
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "\x1b]0;owned" not in shown.err


def test_no_bar_when_not_wanted(capfd: pytest.CaptureFixture[str]) -> None:
    for out in (talk(as_json=False), Output(as_json=False, quiet=True, verbose=0, bars=True)):
        with out.meter("backing up") as meter:
            meter.total(1, 1)
            meter.advance(1, 1, "x")
    assert capfd.readouterr() == ("", "")
