"""How values are written for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.gallery import words
from photovault.gallery.values import BADGES, Tile


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (61_540_000, "61.5 MB"),
        (999_960, "1.0 MB"),
        (5 * 10**15, "5,000.0 TB"),
    ],
)
def test_bytes(size, said):
    assert words.amount(size) == said


@given(st.integers(0, 10**18))
def test_no_amount_needs_more_than_three_digits_before_the_point(size):
    figure, unit = words.amount(size).split(" ")
    assert unit == "TB" or float(figure) < 1000


def test_one_and_many():
    assert [words.count(1, "photo"), words.count(1234, "photo"), words.count(0, "copy", "copies")] == [
        "1 photo", "1,234 photos", "0 copies",
    ]  # fmt: skip


def test_times_of_photos():
    assert words.month("2021-05") == "May 2021"
    assert words.date("2021-05-04T13:07:22+02:00") == "4 May 2021"
    assert words.when("2021-05-04T13:07:22") == "2021-05-04 13:07"
    assert words.day("2021-05-04T13:07:22") == "2021-05-04"


@pytest.mark.parametrize(
    "broken", ["", "0000-00", "2021-13", "2021-\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT ONE}", "no date"]
)
def test_what_is_no_month_is_shown_as_it_is(broken):
    assert words.month(broken) == broken
    assert words.date(broken) == broken[:10]


@given(st.text(max_size=30))
def test_no_text_of_a_file_breaks_a_page(text):
    assert all(isinstance(of(text), str) for of in (words.month, words.date, words.when, words.day, words.badge))


def test_lengths_of_videos():
    assert [words.lasts(7), words.lasts(67.4), words.lasts(3667)] == ["0:07", "1:07", "1:01:07"]


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_every_shape_has_a_class(width, height):
    tile = Tile(number=1, when="", label="", name="", width=width, height=height)
    of_class = words.ratio(tile.aspect)
    assert of_class.startswith("r")
    assert int(of_class[1:]) in range(40, 325, 5)


def test_links_stay_in_the_snapshot():
    assert words.into("/search", "") == "/search"
    assert words.into("/search", "1f2e") == "/search?at=1f2e"
    assert words.into("/search?text=a", "1f&2e") == "/search?text=a&at=1f%262e"


@pytest.mark.parametrize(
    "command",
    ["pip install 'photovault[raw]'", "photovault check --repair", "sudo sysctl a=1", "`x` ends it", "/a/b", "~/a"],
)
def test_a_command_keeps_its_first_letter(command):
    assert words.sentence(command) == command
    assert words.sentence("run it.") == "Run it"


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("pip install 'photovault[notify]', or set desktop = false", ["pip install 'photovault[notify]'"]),
        ("run `photovault check`, then `photovault drill`", ["photovault check", "photovault drill"]),
        ("if you want that: python -m pip install --upgrade pillow", ["python -m pip install --upgrade pillow"]),
        ("sudo sysctl fs.inotify.max_user_instances=1024", ["sudo sysctl fs.inotify.max_user_instances=1024"]),
        ("look for a ` in it", []),
        ("", []),
    ],
)
def test_commands_stand_out(text, commands):
    assert [piece for piece, command in words.pieces(text) if command] == commands
    assert "".join(piece for piece, _ in words.pieces(text)) == text.replace("`", "") or not commands


@given(st.text())
def test_pieces_lose_nothing(text):
    assert "".join(piece for piece, _ in words.pieces(text)).replace("`", "") == text.replace("`", "")


def test_a_span_says_the_time_too():
    assert words.span("2021-05-04T13:07:22Z", "2021-05-04T13:07:59Z") == "4 May 2021, 13:07"
    assert words.span("2021-05-04T13:07:22Z", "2021-05-04T15:20:00Z") == "4 May 2021, 13:07 to 15:20"
    assert words.span("2021-05-04T13:07:22Z", "2021-06-01T15:20:00Z") == "4 May 2021, 13:07 to 1 June 2021, 15:20"


def test_badges_are_explained():
    assert {words.badge(key) for key in BADGES} == set(BADGES.values())
    assert words.badge("new") == "new"
