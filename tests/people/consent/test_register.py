"""Releases: an organisation names nobody without one, and keeps no name when it stops."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from photovault.errors import BusyError, ConsentError, RefusedError, UsageError
from photovault.people.consent.register import LOG_NAME, NAMES_NAME, Register
from photovault.people.consent.standing import Standing
from photovault.people.naming import clean_name
from tests.support.world import Clock, seeded

if TYPE_CHECKING:
    from pathlib import Path

CLUB = Standing(state="granted", organisation=True)
HOME = Standing(state="granted")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "people"


@pytest.fixture
def register(folder: Path) -> Register:
    return Register(folder, Clock(), seeded())


def test_a_release_says_who_when_and_who_signed_for_a_child(register: Register, folder: Path) -> None:
    register.add("Anna  Berg", "2024-03-31")
    register.add("Tim Berg", "2024-04-01", minor=True, guardian="Anna Berg")
    anna, tim = Register(folder, Clock()).all()
    assert (anna.person, anna.signed, anna.minor, anna.guardian) == ("Anna Berg", "2024-03-31", False, "")
    assert (tim.person, tim.signed, tim.minor, tim.guardian) == ("Tim Berg", "2024-04-01", True, "Anna Berg")
    assert anna.recorded == "2024-05-04T12:00:01.000000Z"


def test_names_are_compared_as_people_do(register: Register) -> None:
    register.add("Zoe\u0301 Groß", "2024-03-31")
    assert register.of("zo\u00e9  GROSS") is not None
    assert register.of("Zoe Gross") is None


def test_an_organisation_names_nobody_without_a_release(register: Register) -> None:
    register.allow(HOME, "Anna")
    with pytest.raises(ConsentError, match="no release on record") as refused:
        register.allow(CLUB, "Anna")
    assert refused.value.exit_code == 4
    assert "Anna" not in refused.value.what + refused.value.hint
    register.add("Anna", "2024-03-31")
    register.allow(CLUB, "Anna")
    register.withdraw("Anna")
    with pytest.raises(ConsentError):
        register.allow(CLUB, "Anna")


@pytest.mark.parametrize(
    ("person", "when", "more", "what"),
    [
        ("  ", "2024-03-31", {}, "the name is empty"),
        ("x" * 101, "2024-03-31", {}, "at most 100 characters"),
        ("A\x1b[31m", "2024-03-31", {}, "cannot be seen"),
        ("Anna", "31.3.2024", {}, "written like 2026-03-31"),
        ("Anna", "2024-02-30", {}, "written like 2026-03-31"),
        ("Anna", "2025-01-01", {}, "in the future"),
        ("Tim", "2024-03-31", {"minor": True}, "parent or guardian signs"),
        ("Tim", "2024-03-31", {"guardian": "Anna"}, "minor only"),
    ],
)
def test_what_is_no_release(register: Register, folder: Path, person: str, when: str, more: dict, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        register.add(person, when, **more)
    assert not folder.exists()


def test_one_person_has_one_release(register: Register) -> None:
    register.add("Anna", "2024-03-31")
    with pytest.raises(UsageError, match="there is a release"):
        register.add("anna", "2024-03-31")
    with pytest.raises(UsageError, match="no release of that name"):
        register.withdraw("Tim")
    register.withdraw("Anna")
    register.add("Anna", "2024-03-31")
    assert len(register.all()) == 1


def test_both_files_are_private(register: Register, folder: Path) -> None:
    register.add("Anna", "2024-03-31")
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in (LOG_NAME, NAMES_NAME)} == {0o600}
    assert sorted(one.name for one in folder.iterdir()) == [LOG_NAME, NAMES_NAME]


def test_what_stays_after_erasing_has_no_name_and_can_be_compared_with_none(register: Register, folder: Path) -> None:
    register.add("Anna", "2024-03-31")
    register.add("Tim", "2024-04-01", minor=True, guardian="Anna")
    salts = [entry["salt"] for entry in register._read_names().values()]
    (folder / NAMES_NAME).unlink()
    left = (folder / LOG_NAME).read_text()
    for told in ("Anna", "Tim", *salts):
        assert told not in left
    assert '"minor":true' in left
    assert register.all() == []


def test_the_same_name_has_another_commitment_each_time(register: Register, folder: Path) -> None:
    register.add("Anna", "2024-03-31")
    register.withdraw("Anna")
    register.add("Anna", "2024-03-31")
    released = [line.body["commitment"] for line in register._chain.read().lines if line.event == "released"]
    assert len(set(released)) == 2


def test_a_changed_register_names_nobody_and_says_so(register: Register, folder: Path) -> None:
    register.add("Anna", "2024-03-31")
    text = (folder / LOG_NAME).read_text()
    (folder / LOG_NAME).write_text(text.replace("2024-03-31", "2024-03-30"))
    assert register.all() == []
    with pytest.raises(ConsentError, match="line 1 does not follow"):
        register.allow(CLUB, "Anna")
    with pytest.raises(RefusedError, match="is damaged"):
        register.add("Tim", "2024-03-31")


def test_a_name_that_somebody_put_in_place_of_another_counts_for_nothing(register: Register, folder: Path) -> None:
    register.add("Anna", "2024-03-31")
    names = folder / NAMES_NAME
    names.write_text(names.read_text().replace("Anna", "Eve"))
    assert register.all() == []


@pytest.mark.parametrize("text", ["", "{", "[" * 50_000, "\x00"])
def test_damaged_names_are_told(register: Register, folder: Path, text: str) -> None:
    register.add("Anna", "2024-03-31")
    (folder / NAMES_NAME).write_text(text)
    with pytest.raises(RefusedError, match="it is damaged"):
        register.all()


@pytest.mark.parametrize("text", ["[]", '{"1":5}', '{"1":{"person":5,"guardian":"","salt":"00"}}', '{"1":{}}', "7"])
def test_names_of_another_form_are_none(register: Register, folder: Path, text: str) -> None:
    register.add("Anna", "2024-03-31")
    (folder / NAMES_NAME).write_text(text)
    assert register.all() == []


def test_who_took_the_release_back_is_in_no_file_any_more_and_the_old_one_was_written_over(
    register: Register, folder: Path
) -> None:
    register.add("Anna Berg", "2024-03-31")
    with open(folder / NAMES_NAME, "rb") as before:
        register.withdraw("Anna Berg")
        assert before.read().strip(b"\0") == b""
    assert "Anna" not in "".join(one.read_text() for one in folder.iterdir())


def test_two_who_record_releases_at_once_lose_none(
    register: Register, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Register(folder, Clock(), seeded())
    read, write = Register._read_names, Register._write_names
    monkeypatch.setattr("photovault.people.consent.chain._PATIENCE", 0.0)

    def meanwhile(self: Register, *names: dict) -> dict | None:
        if self is register:
            for act in (lambda: other.add("Ben", "2024-03-31"), lambda: other._chain.append(Clock()(), "x", {})):
                with pytest.raises(BusyError):
                    act()
        return write(self, *names) if names else read(self)

    monkeypatch.setattr(Register, "_read_names", meanwhile)
    monkeypatch.setattr(Register, "_write_names", meanwhile)
    register.add("Anna", "2024-03-31")
    other.add("Ben", "2024-03-31")
    assert [one.person for one in other.all()] == ["Anna", "Ben"]


@pytest.mark.parametrize("name", ["علی\u200cرضا", "O'Neill-Śmith", "🎂"])
def test_whatever_can_be_a_name_can_have_a_release(register: Register, name: str) -> None:
    register.add(name, "2024-03-31")
    register.allow(CLUB, clean_name(name))
