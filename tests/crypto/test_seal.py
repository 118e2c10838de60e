"""Regions of an object: one key, one place, one owner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.crypto.keys import Keyring
from photovault.crypto.seal import ObjectKey, object_salt
from photovault.errors import DamageError

VAULT = bytes(16)
KEYS = Keyring.of(VAULT, {1: b"\1" * 32}).current
SALT = b"salt" * 8


def key(salt: bytes = SALT, *, kind: int = 1, vault: bytes = VAULT, root: bytes = b"\1" * 32) -> ObjectKey:
    return ObjectKey(Keyring.of(vault, {1: root}).current, vault, kind, salt)


def sealed(data: bytes, region: int = 3, associated: bytes = b"part") -> bytes:
    out = bytearray(len(data) + 16)
    key().seal(region, data, associated, memoryview(out))
    return bytes(out)


@given(st.binary(max_size=300), st.integers(0, 2**32), st.binary(max_size=40))
def test_a_region_opens_to_what_was_sealed(data: bytes, region: int, associated: bytes) -> None:
    found = sealed(data, region, associated)
    assert key().open(region, found, associated) == data
    out = bytearray(len(data))
    key().open_into(region, memoryview(found), associated, memoryview(out))
    assert out == data


def test_a_region_opens_in_its_own_place_only() -> None:
    found = sealed(b"photo")
    for other, region, associated in (
        (key(), 4, b"part"),
        (key(), 3, b"another part"),
        (key(b"pepper!!" * 4), 3, b"part"),
        (key(kind=2), 3, b"part"),
        (key(vault=b"\1" * 16), 3, b"part"),
        (key(root=b"\2" * 32), 3, b"part"),
    ):
        with pytest.raises(DamageError):
            other.open(region, found, associated)
        with pytest.raises(DamageError):
            other.open_into(region, found, associated, memoryview(bytearray(5)))


@given(st.integers(0, 20), st.integers(0, 7))
def test_a_flipped_bit_is_noticed(at: int, bit: int) -> None:
    found = bytearray(sealed(b"photo"))
    found[at] ^= 1 << bit
    with pytest.raises(DamageError):
        key().open(3, found, b"part")


@pytest.mark.parametrize("left", [0, 1, 15, 16, 20])
def test_a_region_cut_short_is_noticed(left: int) -> None:
    with pytest.raises(DamageError):
        key().open(3, sealed(b"photo")[:left], b"part")
    with pytest.raises(DamageError):
        key().open_into(3, sealed(b"photo")[:left], b"part", memoryview(bytearray(max(left - 16, 0))))


def test_the_commitment_belongs_to_one_key() -> None:
    key().check(key().commitment)
    for other in (key(b"pepper!!" * 4), key(kind=2), key(root=b"\2" * 32), key(vault=b"\1" * 16)):
        with pytest.raises(DamageError):
            key().check(other.commitment)
    for commitment in (b"", key().commitment[:31], bytes(32)):
        with pytest.raises(DamageError):
            key().check(commitment)


def test_the_salt_depends_on_everything_that_is_sealed() -> None:
    salts = {
        object_salt(KEYS, kind, size, trailer) for kind in (1, 2) for size in (2**14, 2**15) for trailer in (b"", b"a")
    }
    assert len(salts) == 8
    assert object_salt(Keyring.of(VAULT, {1: b"\2" * 32}).current, 1, 2**14, b"") not in salts
    assert object_salt(KEYS, 1, 2**14, b"a") in salts
