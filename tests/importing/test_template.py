"""Folders by date."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import UsageError
from photovault.importing.template import parse

WHEN = datetime.fromisoformat("2021-05-04T03:02:01")


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("{year}/{month}", b"2021/05"),
        ("{year}/{month}/", b"2021/05"),
        ("{year}/{year}-{month}-{day}/{name}", b"2021/2021-05-04"),
        ("Camera/{year}", b"Camera/2021"),
        ("{year}{month}{day}-{hour}{minute}{second}", b"20210504-030201"),
        ("{name}", b""),
    ],
)
def test_a_date_gives_folders(text: str, folder: bytes) -> None:
    assert b"/".join(parse(text).folder(WHEN)) == folder


@pytest.mark.parametrize(
    "text",
    [
        "/{year}",
        "../{year}",
        "{year}/..",
        "{yeer}",
        "{name}/{year}",
        "{year}-{name}",
        "{",
        "{year",
        "a\\b",
        "a\nb",
        ".",
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert "{month}" in refused.value.hint


def test_what_has_no_date_goes_into_a_folder_of_its_own() -> None:
    assert parse("{year}/{month}").folder(None) == (b"undated",)


@given(st.text(alphabet="{}/.year-month\\ \0a", max_size=30), st.datetimes())
def test_no_template_leads_out_of_the_library(text: str, when: datetime) -> None:
    try:
        template = parse(text)
    except UsageError:
        return
    for part in template.folder(when):
        assert part not in (b"", b".", b"..")
        assert not set(part) & set(b"/\\\0")
