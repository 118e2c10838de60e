"""Whose notes they are: names as Google Takeout makes them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.photos.takeout import CUT, EDITED, WORD, json_of, original_of, parted, was_cut

LONG = "a long title, of which Takeout keeps only the be"  # 48 letters
assert len(LONG) == 48


@pytest.mark.parametrize(
    ("photo", "notes"),
    [
        ("IMG_1.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.JPG.json"),
        *(("IMG_1.jpg", f"IMG_1.jpg.{WORD[:cut]}.json") for cut in range(len(WORD) + 1)),
        ("IMG_1(2).jpg", "IMG_1.jpg(2).json"),
        ("IMG_1(2).jpg", f"IMG_1.jpg.{WORD}(2).json"),
        ("IMG_1(2).jpg", "IMG_1.jpg.suppl(2).json"),
        ("IMG_1(2).jpg", "IMG_1(2).jpg.json"),
        ("IMG_1.jpg", "IMG_1.json"),
        ("Peanut Butter Balls.jpg", f"Peanut Butter Balls.{WORD}.json"),
        ("IMG_1.MP4", "IMG_1.HEIC.json"),
        ("IMG_1.MOV", f"IMG_1.HEIC.{WORD}.json"),
        (f"{LONG[:47]}.jpg", f"{LONG[:46]}.json"),
        (f"{LONG[:46]}.jpg", f"{LONG[:46]}.json"),
        (f"{LONG[:45]}.jpg", f"{LONG[:45]}..json"),
        (f"{LONG[:43]}.jpg", f"{LONG[:43]}.jp.json"),
        (f"{LONG[:42]}.jpg", f"{LONG[:42]}.jpg.json"),
        (f"{LONG[:40]}.jpg", f"{LONG[:40]}.jpg.s.json"),
        (f"{LONG[:40]}.jpg", f"{LONG[:40]}.jp.supplemental-meta.json"),
        (f"{LONG[:47]}(494).jpg", f"{LONG[:46]}(494).json"),
        ("😀" * 24 + ".jpg", "😀" * 23 + ".json"),
        ("tea & cake?.jpg", "tea _ cake_.jpg.json"),
        ("tea _ cake_.jpg", "tea & cake?.jpg.json"),
        ("Cafe\u0301.jpg", "Café.jpg.json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.json"),
        ("IMG_1-EDITED.jpg", "IMG_1.HEIC.json"),
        ("IMG_1-bearbeitet.jpg", "IMG_1.jpg.json"),
        ("IMG_1-modifie\u0301.jpg", "IMG_1.jpg.json"),
        ("IMG_1-ha editado.jpg", f"IMG_1.jpg.{WORD}.json"),
        ("IMG_1-edited(2).jpg", "IMG_1.jpg(2).json"),
        ("IMG_1(2)-edited.jpg", "IMG_1.jpg(2).json"),
        ("IMG_1-edited(2).jpg", f"IMG_1.jpg.{WORD}(2).json"),
        ("PXL_1.PORTRAIT~2.jpg", "PXL_1.PORTRAIT.jpg.json"),
        (f"{LONG[:43]}-edi.jpg", f"{LONG[:43]}.jp.json"),
        ("no extension", "no extension.json"),
    ],
)
def test_notes_are_found(photo: str, notes: str) -> None:
    assert json_of([notes, photo, "other.jpg.json", "zzz.jpg"], {})[photo] == notes


@pytest.mark.parametrize(
    ("photo", "notes"),
    [
        ("IMG_1.jpg", "IMG_10.jpg.json"),
        ("IMG_10.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(1).jpg", "IMG_1.jpg.json"),
        ("IMG_1(1).jpg", "IMG_1.jpg(2).json"),
        ("IMG_1.png", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "metadata.json"),
        ("IMG_1-editor.jpg", "IMG_1.jpg.json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg(1).json"),
        (f"{LONG[:47]}.jpg", f"{LONG[:45]}.json"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-note.json"),
    ],
)
def test_notes_of_another_photo_are_not_taken(photo: str, notes: str) -> None:
    assert json_of([photo, notes], {}) == {}


def test_an_edited_photo_with_notes_of_its_own_keeps_them() -> None:
    names = ["a.jpg", "a.jpg.json", "a-edited.jpg", "a-edited.jpg.json", "a~2.jpg", "a~2.jpg.json"]
    assert json_of(names, {}) == {name: f"{name}.json" for name in names if name.endswith("jpg")}


def test_the_title_decides_where_names_were_cut() -> None:
    one, other = f"{LONG[:46]}B.jpg", f"{LONG[:46]}C.jpg"
    titles = {f"{LONG[:46]}.json": f"{LONG[:46]}C and so on.jpg", f"{LONG[:46]}(1).json": f"{LONG[:46]}B and so on.jpg"}
    assert json_of([one, other, *titles], titles) == {one: f"{LONG[:46]}(1).json", other: f"{LONG[:46]}.json"}


def test_a_title_with_what_the_web_makes_of_it_agrees() -> None:
    titles = {"rock _n_ roll.json": "rock &amp;n&#39; roll.jpg"}
    assert json_of(["rock _n_ roll.jpg", *titles], titles) == {"rock _n_ roll.jpg": "rock _n_ roll.json"}


def test_a_title_that_contradicts_a_vague_name_speaks_against_it() -> None:
    assert json_of(["IMG_1.MP4", "IMG_1.HEIC.json"], {"IMG_1.HEIC.json": "other.HEIC"}) == {}
    assert json_of(["IMG_1.jpg", "IMG_1.jpg.json"], {"IMG_1.jpg.json": "renamed later"}) != {}


@pytest.mark.parametrize(
    ("stem", "original"),
    [
        *((f"IMG_1-{word}", "IMG_1") for word in EDITED),
        ("IMG_1-edited(2)", "IMG_1(2)"),
        ("PXL_1~2", "PXL_1"),
        ("IMG_E1234", "IMG_1234"),
        ("IMG_E1234(1)", "IMG_1234(1)"),
        *((stem, None) for stem in ("IMG_1", "-edited", "IMG_EAST", "my-editor", "", "(1)", "~2", "EIGHT_E", "a-b")),
    ],
)
def test_the_original_of_an_edited_photo(stem: str, original: str | None) -> None:
    assert original_of(stem) == original


def test_the_pieces_of_a_name() -> None:
    assert parted("IMG_1.jpg.suppl(2)") == ("IMG_1.jpg", "suppl", "(2)")
    assert parted("IMG_1.jpg(2)") == ("IMG_1.jpg", None, "(2)")
    assert parted(".s") == (".s", None, "")
    assert [was_cut("x" * length) for length in (45, 46, 47)] == [False, True, False]


def exported(titles: list[str], *, word: bool) -> tuple[dict[str, str], dict[str, str]]:
    """What Takeout makes of photos with these titles: titles by photo, titles by notes."""
    photos, notes, taken = {}, {}, Counter()
    for title in titles:
        stem, _, extension = "".join("_" if c in "&?%:" else c for c in title).rpartition(".")
        short = f"{stem}.{extension}.{WORD}"[:CUT] if word else f"{stem}.{extension}"[:CUT]
        for name, last, found in ((stem[:47], f".{extension}", photos), (short, ".json", notes)):
            number = taken[name + last]
            taken[name + last] += 1
            found[f"{name}({number}){last}" if number else name + last] = title
    return photos, notes


stems = st.builds(
    lambda begin, end: begin + end, st.sampled_from(["", "x", LONG[:44], LONG]), st.text("ab&_ ", max_size=4)
)
some_titles = st.lists(stems.filter(bool).map("{}.jpg".format), max_size=8)


@given(some_titles, st.booleans(), st.randoms())
def test_every_photo_of_an_export_gets_notes_with_its_title(titles: list[str], word: bool, random) -> None:
    photos, notes = exported(titles, word=word)
    names = [*photos, *notes]
    random.shuffle(names)
    found = json_of(names, notes)
    assert {photo: notes[name] for photo, name in found.items()} == photos
    if len(set(titles)) == len(titles):
        assert sorted(found.values()) == sorted(notes), "and no two share them"


names = st.lists(st.text("a1.-~()ej sonpgEIMG_", max_size=12) | st.text(max_size=60), max_size=10)


@given(names, st.randoms())
def test_any_names_in_any_order_have_one_answer(some: list[str], random) -> None:
    some = [*some, *(f"{name}.json" for name in some[::2])]
    found = json_of(some, {})
    assert all(name in some and name.lower().endswith(".json") for name in found.values())
    random.shuffle(some)
    assert json_of(some, {}) == found
