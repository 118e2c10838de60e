"""The age format: what others open, and what they refuse."""

from __future__ import annotations

import hashlib
import subprocess
from random import Random
from typing import TYPE_CHECKING

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.crypto import age
from tests.support.programs import needed

if TYPE_CHECKING:
    from pathlib import Path

LIGHT = 4  # so that tests are quick


def sealed(data: bytes, stanzas, *, step: int = 10_000, seed: int = 1) -> bytes:
    random = Random(seed)
    file_key = random.randbytes(age.KEY)
    sealer = age.Sealer(file_key, [make(file_key) for make in stanzas], random.randbytes(age.KEY))
    out = sealer.header
    for start in range(0, len(data), step):
        out += sealer.update(data[start : start + step])
    return out + sealer.finish()


def by_passphrase(text: str, work: int = LIGHT):
    return lambda file_key: age.for_passphrase(file_key, text, b"s" * age.KEY, work)


def by_recipient(text: str):
    return lambda file_key: age.for_recipient(file_key, age.read_recipient(text), b"e" * age.SECRET)


@pytest.mark.parametrize("size", [0, 1, age.PIECE - 1, age.PIECE, age.PIECE + 1, 2 * age.PIECE, 300_000])
def test_another_program_opens_any_size(size: int) -> None:
    data = Random(size).randbytes(size)
    identity = pyrage.x25519.Identity.generate()
    assert pyrage.passphrase.decrypt(sealed(data, [by_passphrase("right horse")]), "right horse") == data
    assert pyrage.decrypt(sealed(data, [by_recipient(str(identity.to_public()))]), [identity]) == data


def test_several_recipients_each_open_it() -> None:
    identities = [pyrage.x25519.Identity.generate() for _ in range(3)]
    file = sealed(b"photo", [by_recipient(str(one.to_public())) for one in identities])
    assert [pyrage.decrypt(file, [one]) for one in identities] == [b"photo"] * 3


def test_nobody_else_opens_it() -> None:
    identity, other = (pyrage.x25519.Identity.generate() for _ in range(2))
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed(b"photo", [by_recipient(str(identity.to_public()))]), [other])
    with pytest.raises(pyrage.DecryptError):
        pyrage.passphrase.decrypt(sealed(b"photo", [by_passphrase("right horse")]), "wrong horse")


def test_a_changed_byte_or_a_cut_is_noticed() -> None:
    file = sealed(bytes(200_000), [by_passphrase("right horse")])
    for bad in (
        file[:-1],
        file[: -(200_000 - 2 * age.PIECE) - 16],
        file[:30] + bytes([file[30] ^ 1]) + file[31:],
        file[:-5] + b"xxxxx",
    ):
        with pytest.raises((pyrage.DecryptError, ValueError)):
            pyrage.passphrase.decrypt(bad, "right horse")


@given(st.lists(st.binary(max_size=200_000), max_size=5))
def test_it_does_not_matter_in_which_pieces_the_bytes_come(pieces: list[bytes]) -> None:
    whole, sealer = b"".join(pieces), age.Sealer(b"k" * 16, [], b"n" * 16)
    one = sealer.header + b"".join(map(sealer.update, pieces)) + sealer.finish()
    again = age.Sealer(b"k" * 16, [], b"n" * 16)
    assert one == again.header + again.update(whole) + again.finish()


def test_the_bytes_are_those_of_the_first_version() -> None:
    """A vector: a change of format must be meant."""
    made = sealed(b"x" * 70_000, [by_passphrase("right horse")])
    assert made.startswith(b"age-encryption.org/v1\n-> scrypt c3Nzc3Nzc3Nzc3Nzc3Nzcw 4\n")
    assert made == sealed(b"x" * 70_000, [by_passphrase("right horse")], step=70_000)
    assert len(made) == len(made.split(b"\n---")[0]) + 1 + 47 + 1 + 16 + 70_000 + 2 * 16


ZEROS = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z"  # with these, anybody could open the file
ORDER_8 = "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9"


@pytest.mark.parametrize(
    "text",
    [
        ZEROS,
        ORDER_8,
        "",
        "age1",
        "age1" + "q" * 58,
        "AGE1abc",
        "ssh-ed25519 AAAA",
        "age1é",
        "age1pq1xyz",
        "1",
        "age1bbbbb",
    ],
)
def test_what_is_no_recipient_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller says it in words
        age.read_recipient(text)


@given(st.integers(4, 61), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_a_mistyped_letter_is_noticed(place: int, letter: str) -> None:
    good = str(pyrage.x25519.Identity.generate().to_public())
    bad = good[:place] + letter + good[place + 1 :]
    if bad == good:
        assert len(age.read_recipient(good)) == 32
    else:
        with pytest.raises(ValueError):  # noqa: PT011 - as above
            age.read_recipient(bad)


def test_the_age_program_opens_it(tmp_path: Path) -> None:
    data = hashlib.sha256(b"photo").digest() * 10_000
    made = subprocess.run([needed("age-keygen")], capture_output=True, text=True, check=True)
    (tmp_path / "key").write_text(made.stdout)
    public = made.stdout.partition("public key: ")[2].split()[0]
    (tmp_path / "x.age").write_bytes(sealed(data, [by_recipient(public)]))
    command = [needed("age"), "-d", "-i", str(tmp_path / "key"), str(tmp_path / "x.age")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == data
