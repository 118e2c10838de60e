"""``photovault people``: what is said and asked; who decides is played.  The real thing is in tests/journeys/test_people.py."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from photovault.app.people import (
    XMP_WORDS,
    FaceShown,
    HistoryEntry,
    PeopleStatus,
    Person,
    Question,
    ScanReport,
    Side,
    XmpReport,
)
from photovault.cli.keyboard import END, Keyboard
from photovault.errors import ConsentError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "Anna Quirinale"
FACE = FaceShown(id=12, file="/home/anna/P/a.jpg", box=(1200, 300, 240, 260), size=(4000, 3000), quality=0.8125)
OTHER = FaceShown(id=845, file="/home/anna/P/b.jpg", box=(30, 2500, 90, 100), size=(4000, 3000), quality=0.4)
ANNA = Person(id=3, name=NAME, count=2, photos=2, first="2014-05-01T10:00:00", last="2026-10-02T10:00:00")
NOBODY = Person(id=7, name="", count=1, photos=1)
STATUS = PeopleStatus(
    consent="granted",
    scope=("/home/anna/P",),
    until="2027-11-23T00:00:00Z",
    engine="dlib",
    scanned=12_300,
    left=200,
    faces=31_000,
    people=240,
    named=35,
    hidden=4,
    questions=12,
    protection=("network namespace", "Landlock", "seccomp"),
    last_scan="2026-11-23T13:20:00Z",
    store_bytes=31_000_000,
    key_in="file",
    background=True,
)


def question(number: int) -> Question:
    """Whether face ``number`` is Anna."""
    left = Side(face=replace(FACE, id=number), person=7, name="", count=1)
    return Question(
        id=f"f{number}-f845", left=left, right=Side(face=OTHER, person=3, name=NAME, count=2), likely=0.61234
    )


@dataclass
class Fake:
    """Plays ``app.people.People``: remembers what it was asked, answers what it was told to, or fails."""

    error: Exception | None = None
    status_: PeopleStatus = STATUS
    report: ScanReport = field(
        default_factory=lambda: ScanReport(
            looked=120, unchanged=9, gone=2, faces=260, total_faces=31_000, people=240, seconds=14.2
        )
    )
    waiting: list[Question] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def _did(self, *call: object) -> HistoryEntry:
        if self.error is not None:
            raise self.error
        self.calls.append(call)
        return HistoryEntry(
            id=len(self.calls), time="2026-11-23T13:20:00Z", action=str(call[0]), text="it is done", people=(3,)
        )

    def status(self) -> PeopleStatus:
        return self.status_

    def scan(self, progress: Any, *, again: bool) -> ScanReport:
        self._did("scan", again)
        progress.total(120, 1000)
        progress.advance(120, 1000, "secret.jpg")
        return self.report

    def people(self, *, everybody: bool, hidden: bool, faces: bool) -> list[Person]:
        self._did("people", everybody, hidden, faces)
        return [replace(ANNA, faces=(FACE, OTHER)), replace(NOBODY, faces=(FACE,))] if faces else [ANNA, NOBODY]

    def ungrouped(self) -> list[FaceShown]:
        return [replace(OTHER, id=77, quality=0.12)]

    def show(self, ref: str) -> Person:
        self._did("show", ref)
        return replace(ANNA, faces=(replace(FACE, confirmed=True), OTHER))

    def name(self, ref: str, name: str) -> HistoryEntry:
        return self._did("name", ref, name)

    def merge(self, a: str, b: str, *, keep: str) -> HistoryEntry:
        return self._did("merge", a, b, keep)

    def split(self, ref: str, *, faces: tuple[int, ...], strict: bool) -> HistoryEntry:
        return self._did("split", ref, faces, strict)

    def hide(self, ref: str) -> HistoryEntry:
        return self._did("hide", ref)

    def unhide(self, ref: str) -> HistoryEntry:
        return self._did("unhide", ref)

    def undo(self, entry: int | None = None) -> HistoryEntry:
        done = self._did("undo", entry)
        self.waiting.sort(key=lambda one: one.id)
        return done

    def history(self) -> list[HistoryEntry]:
        self._did("history")
        return [
            HistoryEntry(
                id=number, time="2026-11-23T13:20:00Z", action="name", text=f"decision {number}", undone=number == 29
            )
            for number in range(30, 0, -1)
        ]

    def questions(self, limit: int) -> list[Question]:
        self._did("questions", limit)
        return self.waiting[:limit]

    def answer(self, question: str, answer: str) -> HistoryEntry:
        done = self._did("answer", question, answer)
        self.waiting = [one for one in self.waiting if one.id != question]
        return replace(done, id=0) if answer == "skip" else done

    def export_xmp(self, folder: Path, *, agreed: str) -> XmpReport:
        self._did("export", folder, agreed)
        return XmpReport(files=2, regions=3)

    def import_names(self, file: Path) -> XmpReport:
        self._did("names", file)
        return XmpReport(files=1, regions=3, named=2, unmatched=1)

    def import_xmp(self, folder: Path, *, agreed: str) -> XmpReport:
        self._did("import", folder, agreed)
        return XmpReport(files=2, regions=3, named=2, unmatched=1, skipped={"not XML": 1})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    played = Fake()
    monkeypatch.setattr("photovault.app.people.open_people", lambda _app: played)
    return played


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A terminal, and the keys that are pressed there; ``^`` is Ctrl-C."""

    def press(text: str) -> None:
        coming = iter(text)

        def key(_self: object) -> str:
            one = next(coming, END)
            if one == "^":
                raise KeyboardInterrupt
            return one

        monkeypatch.setattr("photovault.cli.people_review.is_terminal", lambda: True)
        monkeypatch.setattr("photovault.cli.keyboard.opened", lambda: nullcontext(Keyboard()))
        monkeypatch.setattr(Keyboard, "forget", lambda _self: None)
        monkeypatch.setattr(Keyboard, "key", key)

    return press


EVERY = (
    ("scan",),
    ("list",),
    ("show", "p3"),
    ("name", "p3", NAME),
    ("merge", "p3", "p7"),
    ("split", "p3", "f12"),
    ("hide", "p3"),
    ("unhide", "p3"),
    ("review",),
    ("answer", "f12-f845", "same"),
    ("undo",),
    ("history",),
    ("export", "--xmp", "out", "--agree", XMP_WORDS),
    ("import", "--xmp", "in", "--agree", XMP_WORDS),
)


@pytest.mark.parametrize("words", EVERY, ids=lambda words: words[0])
def test_what_is_missing_is_said_with_what_to_do(photovault: Callable, fake: Fake, words: tuple[str, ...]) -> None:
    fake.error = ConsentError("face grouping is off", "`photovault people enable` turns it on")
    done = photovault("people", *words, "--json")
    assert (done.code, done.out) == (4, "")
    assert "photovault people enable" in json.loads(done.err)["hint"]
    fake.error = MissingExtraError("the face libraries are not installed", "pip install 'photovault[faces]'")
    done = photovault("people", *words, "--json")
    assert (done.code, done.out) == (2, "")
    assert "pip install" in json.loads(done.err)["hint"]


@pytest.mark.parametrize("words", EVERY, ids=lambda words: words[0])
def test_programs_get_json_alone(photovault: Callable, fake: Fake, words: tuple[str, ...]) -> None:
    done = photovault("people", *words, "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code in (0, 3), done.err) == (True, "")
    assert all(line["schema"] == 1 for line in lines)
    assert len(lines) == 1 or all("message_type" in line for line in lines)


def test_people_with_their_faces_as_json(photovault: Callable, fake: Fake) -> None:
    found = photovault("people", "list", "--faces", "--json").json
    anna, nobody = found["people"]
    assert [(face["id"], face["quality"]) for face in found["ungrouped"]] == [("f77", 0.12)]
    assert (anna["id"], anna["name"], anna["count"], anna["hidden"]) == ("p3", NAME, 2, False)
    assert (nobody["id"], nobody["name"]) == ("p7", None)
    assert anna["faces"][0] == {
        "id": "f12",
        "file": "/home/anna/P/a.jpg",
        "box": [1200, 300, 240, 260],
        "size": [4000, 3000],
        "quality": 0.812,
        "taken": None,
        "confirmed": False,
    }
    without = photovault("people", "list", "--json").json
    assert "faces" not in without["people"][0]
    assert "ungrouped" not in without
    # Whoever asks for every face gets every face: also of those who have one only.
    assert fake.calls == [("people", True, False, True), ("people", False, False, False)]


def test_a_list_for_people(photovault: Callable, fake: Fake) -> None:
    done = photovault("people", "list", "--all", "--hidden")
    assert done.out.splitlines() == [
        f"p3  {NAME}  2 faces in 2 photos       2014-05 to 2026-10",
        "p7  (no name)       1 face in 1 photo",
    ]
    assert fake.calls == [("people", True, True, False)]


def test_one_person_with_where_the_faces_are(photovault: Callable, fake: Fake) -> None:
    done = photovault("people", "show", NAME)
    assert done.out.splitlines()[1:] == [
        "    f12  /home/anna/P/a.jpg  (top left, 240 x 260 at 1200, 300 of 4000 x 3000; quality 0.81)  confirmed",
        "    f845  /home/anna/P/b.jpg  (bottom left, 90 x 100 at 30, 2500 of 4000 x 3000; quality 0.40)",
    ]
    assert fake.calls == [("show", NAME)]


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (("name", "p7", " Anna "), ("name", "p7", "Anna")),
        (("name", "p7", "--remove"), ("name", "p7", "")),
        (("merge", "p3", "p7"), ("merge", "p3", "p7", "")),
        (("merge", "Anna", "Annie", "--keep", "Anna"), ("merge", "Anna", "Annie", "Anna")),
        (("split", "p3", "f12", "F845"), ("split", "p3", (12, 845), False)),
        (("split", "p3", "--strict"), ("split", "p3", (), True)),
        (("hide", "p3"), ("hide", "p3")),
        (("unhide", "p3"), ("unhide", "p3")),
        (("undo",), ("undo", None)),
        (("undo", "12"), ("undo", 12)),
    ],
)
def test_decisions(photovault: Callable, fake: Fake, words: tuple[str, ...], call: tuple) -> None:
    done = photovault("people", *words)
    said = "taken back: it is done\n" if words[0] == "undo" else "it is done\n"
    assert (done.code, done.out, fake.calls) == (0, said, [call])
    told = photovault("people", *words, "--json").json["done"]
    assert (told["id"], told["people"]) == (2, ["p3"])


@pytest.mark.parametrize(
    "words",
    [
        ("name", "p7"), ("name", "p7", ""), ("name", "p7", "  "), ("name", "p7", NAME, "--remove"), ("name", "p7", "a", "b"),
        ("split", "p7"), ("split", "p7", "f1", "--strict"), ("split", "p7", "p1"), ("split", "p7", "f0"), ("split", "p7", "f1x"),
        ("split", "p7", "f" + "9" * 30), ("undo", "0"), ("undo", "last"), ("answer", "f1-f2", "perhaps"), ("answer", "f1-f2", ""),
        ("merge", "p1"), ("export",), ("export", "--xmp", ""), ("export", "--xmp", "out"), ("import", "--xmp", "in"),
        ("review", "--limit", "0"), ("history", "--limit", "0"), ("review",),
    ],
)  # fmt: skip
def test_wrong_use_decides_nothing(photovault: Callable, fake: Fake, words: tuple[str, ...]) -> None:
    done = photovault("people", *words)
    assert (done.code, done.out, fake.calls) == (2, "", [])
    assert "what to do: " in done.err
    assert NAME not in done.err


def test_history_is_the_newest_first_and_short(photovault: Callable, fake: Fake) -> None:
    lines = photovault("people", "history").out.splitlines()
    assert lines[0] == "30  2026-11-23 13:20 UTC  decision 30"
    assert lines[1].endswith("(taken back)")
    assert (len(lines), lines[-1]) == (21, "and 10 earlier ones; --limit shows more")
    told = photovault("people", "history", "--json").json
    assert (len(told["history"]), told["more"]) == (30, 0)


def test_a_scan_names_no_photo(photovault: Callable, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.report = replace(fake.report, failed={"do not decode": 2, "took too long": 5})
    monkeypatch.setattr("photovault.cli.output._EVERY_SECONDS", 0)
    done = photovault("people", "scan", "--again")
    assert (done.code, fake.calls) == (3, [("scan", True)])
    assert "looked at 120 photos in 14 s: 260 faces; 9 photos known from before" in done.out
    assert done.err == "could not look at 7 photos: 5: took too long; 2: do not decode\n"
    told = photovault("people", "scan", "--json")
    status, summary = map(json.loads, told.out.splitlines())
    assert (status["message_type"], status["files_done"], status["files_total"]) == ("status", 120, 120)
    assert status["seconds_left"] == 0
    assert (summary["message_type"], summary["photos_looked_at"], summary["faces"]) == ("summary", 120, 31_000)
    assert "secret" not in done.out + done.err + told.out + told.err


def test_what_is_not_as_it_should_be_is_said_also_when_quiet(photovault: Callable, fake: Fake) -> None:
    fake.report = replace(fake.report, overridden=("Landlock",), alarms=("a face worker called connect",))
    done = photovault("people", "scan", "--quiet")
    assert (done.code, done.out) == (3, "")
    assert "DONE WITHOUT Landlock" in done.err
    assert "ALARM: a face worker called connect" in done.err
    fake.status_ = replace(STATUS, overridden=("Landlock",), alarms=("a face worker called connect",))
    assert photovault("people", "status").code == 3
    assert photovault("people", "status").err == done.err


def test_alarms_are_red_on_a_terminal(photovault: Callable, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.status_ = replace(STATUS, overridden=("Landlock",))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert photovault("people", "status").err.startswith("\x1b[1;31mDONE WITHOUT")
    monkeypatch.setenv("NO_COLOR", "1")
    assert photovault("people", "status").err.startswith("DONE WITHOUT")


def test_status_while_it_is_on(photovault: Callable, fake: Fake) -> None:
    done = photovault("people", "status")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "face grouping is on until 2027-11-23, in 1 folder",
        "  /home/anna/P",
        "  engine dlib: 12,300 photos looked at, 200 left, last 2026-11-23 13:20 UTC; run `photovault people scan`",
        "  31,000 faces, 240 people (35 named, 4 hidden)",
        "  12 questions that would help: `photovault people review`",
        "  face store 31.0 MB, encrypted, its key in a file of yours alone",
        "  the face worker is kept in by: network namespace, Landlock, seccomp",
        "  the daemon scans when it is idle",
    ]
    told = photovault("people", "status", "--json").json
    assert (told["consent"], told["photos"], told["people"]) == ("granted", {"scanned": 12_300, "left": 200}, 240)


@pytest.mark.parametrize("consent", ["never", "lapsed", "withdrawn"])
def test_status_while_it_is_off(photovault: Callable, fake: Fake, consent: Any) -> None:
    fake.status_ = PeopleStatus(
        consent=consent,
        why="the term of 12 months has passed",
        missing="onnxruntime",
        missing_hint="pip install 'photovault[faces]'",
    )
    done = photovault("people", "status")
    assert (done.code, done.err) == (0, "")
    assert "off" in done.out.splitlines()[0].lower()
    for said in ("the term of 12 months has passed", "photovault people enable", "pip install 'photovault[faces]'"):
        assert said in done.out
    assert photovault("people", "status", "--json").json["hint"] == "pip install 'photovault[faces]'"


def test_review_asks_one_at_a_time_and_keeps_each_answer_at_once(
    photovault: Callable, fake: Fake, keys: Callable
) -> None:
    fake.waiting = [question(number) for number in (12, 13, 14, 15, 16)]
    keys("xS?dn q")
    done = photovault("people", "review")
    assert (done.code, done.out) == (0, "3 answers kept; `photovault people undo` takes back the last\n")
    assert fake.calls == [
        ("questions", 10),
        ("answer", "f12-f845", "same"),
        ("answer", "f13-f845", "different"),
        ("answer", "f14-f845", "not a face"),
        ("answer", "f15-f845", "skip"),
    ]
    for said in ("/home/anna/P/a.jpg", "top left, 240 x 260 at 1200, 300 of 4000 x 3000", f"p3, {NAME}, 2 faces"):
        assert said in done.err


def test_review_takes_back_and_asks_again(photovault: Callable, fake: Fake, keys: Callable) -> None:
    fake.waiting = [question(number) for number in (12, 13)]
    keys("bsbdd")
    done = photovault("people", "review")
    assert [call for call in fake.calls if call[0] != "questions"] == [
        ("answer", "f12-f845", "same"),
        ("undo", 2),
        ("answer", "f12-f845", "different"),
        ("answer", "f13-f845", "different"),
    ]
    assert done.out.startswith("2 answers kept")
    assert "there is nothing to take back" in done.err


def test_review_thinks_again_after_ten_answers_and_never_asks_twice(
    photovault: Callable, fake: Fake, keys: Callable
) -> None:
    fake.waiting = [question(number) for number in range(12, 40)]
    keys("s" * 15)
    assert photovault("people", "review", "--limit", "15").code == 0
    assert [call for call in fake.calls if call[0] == "questions"] == [("questions", 10), ("questions", 5)]
    assert len({call[1] for call in fake.calls if call[0] == "answer"}) == 15
    fake.waiting, fake.calls = [question(12)], []
    fake.answer = lambda *_: replace(fake._did("answer"), id=0)  # it stays
    keys(" ")
    assert photovault("people", "review").out.startswith("0 answers kept")


def test_review_is_left_by_ctrl_c_and_answers_stay(photovault: Callable, fake: Fake, keys: Callable) -> None:
    fake.waiting = [question(12), question(13)]
    keys("s^")
    done = photovault("people", "review")
    assert (done.code, len(fake.waiting)) == (130, 1)
    assert "what was finished stays" in done.err


def test_review_with_nothing_to_ask(photovault: Callable, fake: Fake, keys: Callable) -> None:
    keys("")
    assert photovault("people", "review").out == "there is nothing to ask\n"


def test_questions_without_a_terminal(photovault: Callable, fake: Fake) -> None:
    fake.waiting = [question(12)]
    done = photovault("people", "review")
    assert done.code == 2
    assert "photovault people review --json" in done.err
    assert "photovault people answer" in done.err
    (one,) = photovault("people", "review", "--json").json["questions"]
    assert (one["id"], one["likely"]) == ("f12-f845", 0.612)
    assert [(face["id"], face["person"], face["name"]) for face in one["faces"]] == [
        ("f12", "p7", None),
        ("f845", "p3", NAME),
    ]
    assert photovault("people", "answer", "f12-f845", "Not a Face").code == 0
    assert photovault("people", "answer", "f12-f845", "not-a-face").code == 0
    assert fake.calls[1:] == [("answer", "f12-f845", "not a face")] * 2


def test_names_go_into_files_only_with_the_words(
    photovault: Callable, fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = photovault("people", "export", "--xmp", tmp_path)
    assert (done.code, fake.calls) == (2, [])
    assert f"--agree '{XMP_WORDS}'" in done.err
    assert photovault("people", "export", "--xmp", tmp_path, "--agree", XMP_WORDS).code == 0
    done = photovault("people", "import", "--xmp", tmp_path, "--agree", XMP_WORDS)
    assert (done.code, "1 region where no face was found" in done.out, "not XML" in done.err) == (3, True, True)
    assert fake.calls == [("export", tmp_path, XMP_WORDS), ("import", tmp_path, XMP_WORDS)]
    monkeypatch.setattr("photovault.cli.people_xmp.is_terminal", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "")
    photovault("people", "export", "--xmp", tmp_path)
    assert fake.calls[-1] == ("export", tmp_path, ""), "Enter is no consent, which app refuses"


def test_names_come_back_from_a_backup(photovault: Callable, fake: Fake, tmp_path: Path) -> None:
    done = photovault("people", "import", "--names", tmp_path / "names.json")
    assert (done.code, fake.calls) == (0, [("names", tmp_path / "names.json")])
    assert done.out == "2 faces named by 3 names\n  1 name fit no group of faces, or several alike\n"
    assert photovault("people", "import", "--names", "x", "--xmp", "y").code == 2
    assert photovault("people", "import", "--names", "x", "--json").json["named"] == 2


def test_an_error_tells_no_name(photovault: Callable, fake: Fake) -> None:
    fake.error = UsageError("nobody is called that", "`photovault people list` lists everybody")
    assert NAME not in photovault("people", "show", NAME).err


def test_a_name_cannot_steer_the_terminal(photovault: Callable, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        fake, "people", lambda **_: [replace(ANNA, name="\x1b[31mred", faces=(replace(FACE, file="\x9b"),))]
    )
    assert "\x1b" not in photovault("people", "list", "--faces").out


def test_a_status_says_what_is_missing_and_a_hint_where_there_is_one(photovault: Callable, fake: Fake) -> None:
    fake.status_ = replace(STATUS, missing="there is no file", missing_hint="")
    assert "  not ready: there is no file\n" in photovault("people", "status").out
    fake.status_ = replace(STATUS, missing="numpy is not installed", missing_hint="pip install it")
    assert "  not ready: numpy is not installed; pip install it\n" in photovault("people", "status").out
