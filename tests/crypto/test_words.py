"""Recovery words as people write them down and type them again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mnemonic import Mnemonic

from photovault.crypto.words import from_words, to_words
from photovault.errors import WrongKeyError

SECRET = bytes(range(32))
WORDS = to_words(SECRET)
LIST = Mnemonic("english").wordlist


@given(st.binary(min_size=32, max_size=32))
def test_words_give_the_secret_back(secret: bytes) -> None:
    words = to_words(secret)
    assert len(words) == 24
    assert from_words(" ".join(words)) == secret


def test_words_are_those_of_bip_39() -> None:
    """Test vectors of the standard's reference implementation (trezor/python-mnemonic, vectors.json)."""
    assert to_words(bytes(32)) == ("abandon",) * 23 + ("art",)
    assert to_words(b"\xff" * 32) == ("zoo",) * 23 + ("vote",)
    assert (
        from_words(
            "letter advice cage absurd amount doctor acoustic avoid " * 2
            + "letter advice cage absurd amount doctor acoustic bless"
        )
        == b"\x80" * 32
    )


@pytest.mark.parametrize(
    "text",
    [
        " ".join(WORDS).upper(),
        " ".join(WORDS).title(),
        "\n".join(f"{number}. {word}" for number, word in enumerate(WORDS, 1)),
        "\r\n".join(f"{number:2}) {word}" for number, word in enumerate(WORDS, 1)),
        ", ".join(WORDS),
        "  " + "   ".join(WORDS) + "\n\n",
        "\ufeff" + "\u00a0".join(WORDS),
        " ".join(word[:4] for word in WORDS),
        "-".join(WORDS),
    ],
    ids=[
        "upper",
        "title",
        "numbered lines",
        "numbered otherwise",
        "commas",
        "spaces",
        "odd spaces",
        "four letters",
        "hyphens",
    ],
)
def test_what_cannot_mislead_is_accepted(text: str) -> None:
    assert from_words(text) == SECRET


def test_every_word_is_known_by_four_letters() -> None:
    assert len({word[:4] for word in LIST}) == len(LIST) == 2048


def test_two_words_swapped_are_noticed() -> None:
    """Eight bits of checksum: one swap in 256 could pass; of these 23, none does."""
    for at in range(23):
        words = list(WORDS)
        words[at], words[at + 1] = words[at + 1], words[at]
        with pytest.raises(WrongKeyError, match="fit together"):
            from_words(" ".join(words))


def test_a_wrong_word_is_noticed_in_about_255_of_256_cases() -> None:
    passed = 0
    for word in LIST[:512]:
        try:
            passed += from_words(" ".join((*WORDS[:5], word, *WORDS[6:]))) is not None
        except WrongKeyError:
            continue
    assert 1 <= passed <= 10


@pytest.mark.parametrize("text", ["", " ".join(WORDS[:23]), " ".join((*WORDS, WORDS[0])), "\u4f60\u597d", "1 2 3"])
def test_another_number_of_words_is_told(text: str) -> None:
    with pytest.raises(WrongKeyError, match="24 are needed"):
        from_words(text)


@pytest.mark.parametrize("word", ["photovault", "aban", "abandonn", "abandom", "aband", "aba"])
def test_a_misspelt_word_is_named_by_its_number(word: str) -> None:
    text = " ".join((*WORDS[:6], word, *WORDS[7:]))
    if word == "aban":
        with pytest.raises(WrongKeyError, match="fit together"):
            from_words(text)
        return
    with pytest.raises(WrongKeyError, match="word 7 "):
        from_words(text)


def test_an_error_shows_no_word() -> None:
    """Messages end up in logs and bug reports."""
    for text in (" ".join(WORDS[:23]), " ".join((*WORDS[:23], "zoo")), " ".join((*WORDS[:23], "secretword"))):
        with pytest.raises(WrongKeyError) as caught:
            from_words(text)
        assert not {*WORDS, "zoo", "secretword"} & set((caught.value.what + " " + caught.value.hint).split())


@given(st.text(max_size=300))
def test_any_text_is_words_or_a_wrong_key(text: str) -> None:
    with pytest.raises(WrongKeyError):
        from_words(text)
