"""Names that are safe to create, whatever a listing holds."""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.names import PlannedName, plan_names, unsafe

if TYPE_CHECKING:
    from random import Random


PLATFORMS = ["linux", "darwin", "win32"]
TEMPORARY = b".photovault-0123456789abcdef.tmp"


def names(raws: list[bytes], platform: str = "linux", *, folds_case: bool = False) -> list[bytes]:
    """Return only the planned names."""
    return [planned.name for planned in plan_names(raws, platform=platform, folds_case=folds_case)]


def test_ordinary_names_are_kept() -> None:
    raws = [b"b.jpg", b"a.jpg", b"caf\xe9 \n:*?.jpg", "Urlaub ä.jpg".encode(), b"CON", b"x" * 255]
    assert names(raws) == raws
    assert {planned.renamed for planned in plan_names(raws, platform="linux", folds_case=False)} == {None}


@pytest.mark.parametrize("raw", [b"", b".", b"..", b"/etc/passwd", b"../x", b"a/b", b"a\0b", b"x" * 256, TEMPORARY])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_names_that_no_system_takes_are_replaced(raw: bytes, platform: str) -> None:
    [planned] = plan_names([raw], platform=platform, folds_case=False)
    assert planned.renamed is not None
    assert unsafe(planned.name, platform) is None
    assert b"~photovault-" in planned.name


@pytest.mark.parametrize(
    "raw",
    [
        *(b"a\\b", b"C:x", b"a.jpg:stream", b"a?.jpg", b"tab\t.jpg", b"dot.", b"space ", b"caf\xe9.jpg"),
        *(b"con", b"NUL.jpg", b"com1.tar.jpg", b"LPT9 .txt", "COM¹".encode(), b"CONIN$"),
    ],
)
def test_names_that_windows_does_not_take_are_replaced_there_only(raw: bytes) -> None:
    [planned] = plan_names([raw], platform="win32", folds_case=True)
    assert planned.renamed is not None
    assert unsafe(planned.name, "win32") is None
    assert names([raw], "linux") == [raw]


def test_a_new_name_keeps_the_readable_part_and_the_ending() -> None:
    assert names([b"a:b?.jpg"], "win32") == [b"a_b_~photovault-c392a7bc.jpg"]


def test_long_names_in_other_scripts_fit_where_the_limit_is_in_characters() -> None:
    raw = "写".encode() * 100  # 300 bytes
    assert names([raw], "win32") == [raw]
    [short] = names([raw], "linux")
    assert len(short) <= 255
    assert short.decode("utf-8").startswith("写写写")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("IMG.jpg", "img.JPG"),
        ("é.jpg", unicodedata.normalize("NFD", "é.jpg")),
        ("ß", "SS"),
        ("\u0131", "I"),
        ("a\u200db", "ab"),
    ],
)
def test_names_that_fold_to_one_do_not_overwrite_each_other(one: str, two: str) -> None:
    raws = [one.encode(), two.encode()]
    planned = plan_names(raws, platform="linux", folds_case=True)
    keeper, other = sorted(planned, key=lambda name: name.raw)
    assert (keeper.name, keeper.renamed) == (keeper.raw, None)
    assert b"~photovault-" in other.name
    assert "disk" in (other.renamed or "")
    assert names(raws) == raws


def test_a_name_made_to_look_like_a_new_one_does_not_take_its_place() -> None:
    [new] = names([b"a:b"], "win32")
    planned = plan_names([b"a:b", new], platform="win32", folds_case=True)
    assert planned[1] == PlannedName(raw=new, name=new, renamed=None)
    assert planned[0].name != new


def test_the_same_name_many_times_gives_as_many_names() -> None:
    assert len(set(names([b"a.jpg"] * 3000))) == 3000


NAMES = st.lists(
    st.one_of(st.binary(max_size=12), st.text("aA.é\u0301:/ CONcon~", max_size=6).map(str.encode)), max_size=12
)


@given(NAMES, st.sampled_from(PLATFORMS), st.booleans(), st.randoms(use_true_random=False))
def test_all_names_are_safe_and_apart_whatever_the_listing(
    raws: list[bytes],
    platform: str,
    folds_case: bool,
    random: Random,
) -> None:
    planned = plan_names(raws, platform=platform, folds_case=folds_case)
    assert [name.raw for name in planned] == raws
    assert all(unsafe(name.name, platform) is None for name in planned)
    keys = {unicodedata.normalize("NFC", os.fsdecode(n.name)).lower() if folds_case else n.name for n in planned}
    assert len(keys) == len(raws)
    assert all((name.renamed is None) == (name.name == name.raw) for name in planned)
    shuffled = random.sample(raws, len(raws))
    again = plan_names(shuffled, platform=platform, folds_case=folds_case)
    assert sorted(n.name for n in again) == sorted(n.name for n in planned)
