"""Recovery words: 256 bits as 24 words of the English list of BIP-39, eight checksum bits included.

The words are the key itself, not a password for it, so they need no stretching and open the vault for ever.  Reading
is forgiving in what cannot mislead (case, spacing, line numbers, the first four letters of a word) and strict in the
checksum, so a slip of the pen is caught before it is tried as a key.
"""

from __future__ import annotations

import re
from functools import cache

from mnemonic import Mnemonic

from photovault.errors import WrongKeyError

COUNT = 24
_UNIQUE = 4  # BIP-39: the first four letters identify a word


def to_words(entropy: bytes) -> tuple[str, ...]:
    """The 24 words of 32 bytes."""
    return tuple(_list().to_mnemonic(entropy).split(" "))


def from_words(text: str) -> bytes:
    """The 32 bytes of 24 words as a person typed them.

    Raises:
        WrongKeyError: not 24 words, a word that is not in the list, or a checksum that does not fit.
    """
    typed = re.findall(r"[a-z]+", text.lower())
    if len(typed) != COUNT:
        raise WrongKeyError(f"{len(typed)} recovery words were given, {COUNT} are needed")
    words = [_known(number, word) for number, word in enumerate(typed, 1)]
    try:
        return bytes(_list().to_entropy(words))
    except ValueError:
        raise WrongKeyError(
            "the recovery words do not fit together", "check their order and spelling: one word is wrong or swapped"
        ) from None


def _known(number: int, word: str) -> str:
    try:
        return _spellings()[word]
    except KeyError:
        raise WrongKeyError(f"recovery word {number} is not in the list", "check its spelling") from None


@cache
def _list() -> Mnemonic:
    return Mnemonic("english")


@cache
def _spellings() -> dict[str, str]:
    """Each word by itself and by its first four letters."""
    words = _list().wordlist
    return {word[:_UNIQUE]: word for word in words} | {word: word for word in words}
