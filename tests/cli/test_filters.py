"""The options that choose photos: the same for every command that has them, and understood before a vault is opened."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from photovault.cli.filters import Wanted, areas_of, with_filters
from photovault.errors import UsageError
from photovault.photos.choose import Filters
from photovault.photos.sets import SetKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPTIONS = (
    *(
        "--from",
        "--until",
        "--place",
        "--camera",
        "--kind",
        "--rating",
        "--text",
        "--set",
        "--person",
        "--broken",
        "--only-matching",
    ),
)


@pytest.mark.parametrize("command", ["ls", "restore", "export"])
def test_commands_that_choose_have_all_of_them(photovault: Callable, command: str) -> None:
    text = photovault(command, "--help").out
    assert [option for option in OPTIONS if f"  {option}" not in text] == []


def test_a_command_gets_what_was_given_as_one_value() -> None:
    got = []

    @with_filters
    def command(call: object, path: str = "", *, wanted: Wanted) -> None:
        got.append((path, wanted.choice([], None)))

    assert "wanted" not in inspect.signature(command).parameters
    command(None, path="P", since="2021", set_kind=SetKind.LIVE, broken=True, only_matching=True)
    ((path, choice),) = got
    assert (path, choice.only_matching) == ("P", True)
    assert choice.filters == Filters(since="2021", set_kind=SetKind.LIVE, broken=True)


def test_nothing_given_is_everything() -> None:
    assert Wanted(given=dict.fromkeys(("since", "kind", "place"))).choice([], None).everything


@pytest.mark.parametrize("name", ["since", "until", "place", "camera", "kind", "text"])
def test_an_empty_value_never_stands_for_everything(name: str) -> None:
    with pytest.raises(UsageError, match=r"is empty|not a date"):
        Wanted(given={name: ""}).choice([], None)


def test_a_place_is_a_town_a_country_or_a_point() -> None:
    near = Wanted(given={"place": "Rome"}).choice([], None).filters.near
    assert near is not None
    assert near(418_900_000, 125_000_000)
    assert not near(488_500_000, 23_500_000)
    italy = Wanted(given={"place": "Italy"}).choice([], None).filters.near
    assert italy is not None
    assert italy(454_600_000, 91_900_000)
    point = Wanted(given={"place": "48.85,2.35,5km"}).choice([], None).filters.near
    assert point is not None
    assert point(488_500_000, 23_500_000)
    with pytest.raises(UsageError, match="no place is known as Atlantis City"):
        areas_of("Atlantis City")


def test_a_person_is_photos_and_the_app_knows_which(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    photos = frozenset([b"1" * 32])
    monkeypatch.setattr(
        "photovault.app.people_process.digests_of", lambda app, *people: asked.append((app, people)) or photos
    )
    app = object()
    assert Wanted(given={"person": ["Anna", "p7"]}).choice([], app).filters == Filters(digests=photos)
    assert asked == [(app, ("Anna", "p7"))]
    with pytest.raises(UsageError, match="person is empty"):
        Wanted(given={"person": ["Anna", ""]}).choice([], app)


@pytest.mark.parametrize("command", ["ls", "find", "restore"])
def test_a_person_without_consent_is_refused_and_nothing_is_restored(
    photovault: Callable, vault: object, tmp_path: Path, command: str
) -> None:
    photos = tmp_path / "P"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"a")
    photovault("backup", photos)
    to = ["--to", tmp_path / "out"] if command == "restore" else []
    done = photovault(command, "--person", "Anna", *to)
    assert (done.code, done.out) == (4, "")
    assert "photovault people enable" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["ls", "find", "restore", "export"])
def test_people_who_are_on_no_photo_together_are_no_photo_and_not_every_one(
    photovault: Callable, vault: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    photos = tmp_path / "P"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"a")
    photovault("backup", photos)
    monkeypatch.setattr("photovault.app.people_process.digests_of", lambda _app, *_people: frozenset())
    to = ["-r"] if command == "ls" else [] if command == "find" else ["--to", tmp_path / "out"]
    done = photovault(command, "--person", "Anna", "--person", "Ben", *to)
    assert "a.jpg" not in done.out
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
