"""One root, many keys: none says anything about another, and part ids outlive a rotation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.crypto.keys import EpochKeys, Keyring, derive, hkdf
from photovault.errors import DamageError

VAULT = bytes(16)
ONE, TWO = b"\1" * 32, b"\2" * 32


def all_keys(keys: EpochKeys) -> list[bytes]:
    return [keys.salt, keys.seal, keys.slot_mac, keys.slot_info]


def test_hkdf_is_that_of_rfc_5869() -> None:
    """Its first test case."""
    found = hkdf(b"\x0b" * 22, salt=bytes(range(13)), info=bytes(range(0xF0, 0xFA)), size=42)
    assert found.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )  # fmt: skip


def test_every_key_is_another() -> None:
    keyring = Keyring.of(VAULT, {1: ONE, 2: TWO})
    elsewhere = Keyring.of(b"\1" * 16, {1: ONE, 2: TWO})
    found = [keyring.header_key, elsewhere.header_key, ONE, TWO]
    for ring in (keyring, elsewhere):
        found += [*all_keys(ring.epoch(1)), *all_keys(ring.epoch(2))]
    assert len(set(found)) == len(found)
    assert {len(key) for key in found} == {32}


def test_what_is_written_is_of_the_newest_epoch() -> None:
    keyring = Keyring.of(VAULT, {2: TWO, 1: ONE})
    assert keyring.current == keyring.epoch(2)
    assert keyring.current.epoch == 2


def test_a_rotation_changes_no_part_id_and_no_header() -> None:
    before, after = Keyring.of(VAULT, {1: ONE}), Keyring.of(VAULT, {1: ONE, 2: TWO})
    assert before.part_id(1, b"photo") == after.part_id(1, b"photo")
    assert before.header_key == after.header_key
    assert before.epoch(1) == after.epoch(1)


def test_an_epoch_that_never_was_is_damage() -> None:
    keyring = Keyring.of(VAULT, {1: ONE})
    for number in (0, 2, 2**32 - 1):
        with pytest.raises(DamageError, match=str(number)):
            keyring.epoch(number)


def test_part_ids_depend_on_kind_contents_and_vault() -> None:
    keyring, other = Keyring.of(VAULT, {1: ONE}), Keyring.of(VAULT, {1: TWO})
    found = {keyring.part_id(kind, data) for kind in (1, 2) for data in (b"", b"a", b"b", b"\0")}
    assert len(found | {other.part_id(1, b"a")}) == 9


@given(st.binary(max_size=100))
def test_part_ids_are_the_same_for_all_kinds_of_buffers(data: bytes) -> None:
    keyring = Keyring.of(VAULT, {1: ONE})
    ids = {keyring.part_id(1, data), keyring.part_id(1, bytearray(data)), keyring.part_id(1, memoryview(data))}
    assert ids == {keyring.part_id(1, data)}


def test_no_key_is_shown() -> None:
    keyring = Keyring.of(VAULT, {1: ONE})
    shown = repr(keyring) + repr(keyring.current)
    for key in (ONE, keyring.header_key, *all_keys(keyring.current)):
        assert repr(key) not in shown
        assert key.hex() not in shown


def test_labels_are_separate_from_their_beginnings() -> None:
    assert derive(ONE, VAULT, b"salt") != derive(ONE, VAULT, b"sal") != derive(ONE, VAULT, b"seal")
