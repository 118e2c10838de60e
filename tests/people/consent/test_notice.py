"""The notice: complete in itself, one text everywhere, and named by its own bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from photovault.people.consent import notice

PRIVACY = (Path(__file__).parents[3] / "docs" / "privacy.md").read_text()


@pytest.mark.parametrize(
    "said",
    [
        "What is measured.", "Of whom.", "Why.", "Where it is kept.", "It never leaves.", "For how long.", "How to stop.",
        "What it cannot do.", "The law.",
        "biometric data", "strangers in the background", "They were not asked", "children", "12 months", "36 at most",
        "photovault people disable", "Nothing is learned from your photos for others", "It makes mistakes",
        "people with dark skin", "a further consent",
    ],
)  # fmt: skip
def test_the_notice_is_complete_in_itself(said: str) -> None:
    assert said in " ".join(notice.NOTICE.split())


@pytest.mark.parametrize("text", [notice.NOTICE, *(ask.text for ask in notice.OTHERS.values())])
def test_a_notice_is_plain_text_that_a_terminal_shows(text: str) -> None:
    assert max(len(line) for line in text.splitlines()) <= 100
    assert text.isascii()
    assert text.endswith(".\n")
    assert "http" not in text  # complete without a link


@pytest.mark.parametrize("ask", [notice.FACES, *notice.OTHERS.values()])
def test_the_privacy_document_has_each_notice_word_for_word(ask: notice.Ask) -> None:
    assert f"```text\n{ask.text}```" in PRIVACY
    assert f"`{ask.words}`" in PRIVACY


def test_the_digits_are_those_of_its_sha256() -> None:
    whole = hashlib.sha256(notice.NOTICE.encode()).hexdigest()
    assert (notice.sha256(), notice.PREFIX) == (whole, whole[:12])
    assert notice.WORDS == "group faces"


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        (notice.PREFIX, True), (notice.sha256(), True), (notice.PREFIX.upper(), True), (f" {notice.PREFIX}\n", True),
        (notice.PREFIX[:11], False), ("", False), ("0" * 12, False), (notice.sha256() + "0", False),
        (notice.OTHERS["xmp"].prefix, False), ("." * 12, False),
    ],
)  # fmt: skip
def test_a_prefix_names_one_text(named: str, meant: bool) -> None:
    assert notice.FACES.is_meant_by(named) is meant


@pytest.mark.parametrize(
    ("typed", "agreed"),
    [
        ("group faces", True), (" group faces \n", True), ("", False), ("y", False), ("yes", False), ("group", False),
        ("Group Faces", False), ("group  faces", False), ("groupfaces", False), ("back up names", False),
    ],
)  # fmt: skip
def test_only_the_words_agree(typed: str, agreed: bool) -> None:
    assert notice.FACES.is_agreed_by(typed) is agreed


def test_every_consent_has_words_of_its_own() -> None:
    asks = [notice.FACES, *notice.OTHERS.values()]
    assert len({ask.words for ask in asks}) == len({ask.prefix for ask in asks}) == 3
