"""Key slots: each secret opens its own, damage in one never shuts out another, and a rotten one is noticed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.crypto import keys
from photovault.crypto.keys import Keyring
from photovault.errors import DamageError, UnknownVersionError, WrongKeyError
from photovault.vault import format as fmt
from photovault.vault.format import Header, Slot
from photovault.vault.slots import NewSlot, Secrets, check_slot, make_slot, open_keyring, open_slot, slot_info
from tests.support.world import CHEAP, DEVICE, WORDS, new_slot, seeded

if TYPE_CHECKING:
    from collections.abc import Callable

VAULT = b"v" * 16
ROOTS = {number: bytes([number]) * 32 for number in range(1, 5)}
PASSWORD = "correct horse"


def ring(upto: int = 1) -> Keyring:
    return Keyring.of(VAULT, {number: root for number, root in ROOTS.items() if number <= upto})


def slot(kind: str, secret: bytes | str, upto: int = 1, seed: str = "") -> Slot:
    return make_slot(new_slot(kind, secret, seeded(f"{kind}{upto}{seed}")), keyring=ring(upto))


def link(epoch: int, seed: str = "") -> Slot:
    """The root of ``epoch`` under that of the next, as a rotation makes it."""
    new = new_slot("epoch", ROOTS[epoch + 1], seeded(f"link{epoch}{seed}"))
    return make_slot(new, keyring=ring(epoch + 1), epoch=epoch)


def header() -> Header:
    bare = Header(vault_id=VAULT)
    return Header(vault_id=VAULT, mac=keys.mac(ring().header_key, bare.signed()))


def says(password: str | None = PASSWORD) -> Callable[[], str | None]:
    return lambda: password


WORDS_SLOT, DEVICE_SLOT, PASSWORD_SLOT = slot("words", WORDS), slot("device", DEVICE), slot("password", PASSWORD)
ALL = [WORDS_SLOT, DEVICE_SLOT, PASSWORD_SLOT]


@pytest.mark.parametrize(
    ("secrets", "kind"),
    [
        (Secrets(words=WORDS), "words"),
        (Secrets(device=DEVICE), "device"),
        (Secrets(password=says()), "password"),
        (Secrets(device=WORDS, words=WORDS), "words"),
        (Secrets(device=b"x" * 32, password=says()), "password"),
    ],
)
def test_each_secret_opens_its_own_slot(secrets: Secrets, kind: str) -> None:
    keyring, opened = open_keyring(header(), ALL, secrets)
    assert keyring.roots == ring().roots
    assert opened.kind == kind


@pytest.mark.parametrize(
    "secrets",
    [
        Secrets(),
        Secrets(words=DEVICE),
        Secrets(device=WORDS),
        Secrets(password=says("wrong")),
        Secrets(password=says(None)),
    ],
)
def test_another_secret_opens_nothing(secrets: Secrets) -> None:
    with pytest.raises(WrongKeyError):
        open_keyring(header(), ALL, secrets)


def test_nobody_is_asked_for_a_password_that_is_not_needed() -> None:
    def never() -> str:
        pytest.fail("asked")

    open_keyring(header(), ALL, Secrets(device=DEVICE, password=never))
    with pytest.raises(WrongKeyError):
        open_keyring(header(), [WORDS_SLOT], Secrets(device=DEVICE, password=never))


def test_one_of_several_passwords_is_enough_and_is_asked_for_once() -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        return "second"

    slots = [slot("password", text, seed=text) for text in ("first", "second", "third")]
    _, opened = open_keyring(header(), slots, Secrets(password=ask))
    assert opened == slots[1]
    assert len(asked) == 1


# Damage.


def damaged(one: Slot, at: int = 40) -> Slot:
    wrapped = bytearray(one.wrapped)
    wrapped[at] ^= 1
    return replace(one, wrapped=bytes(wrapped))


def test_a_damaged_slot_does_not_shut_out_the_others() -> None:
    """The device key rots, the password still opens."""
    both = Secrets(device=DEVICE, words=WORDS)
    for rotten in (damaged(DEVICE_SLOT), damaged(DEVICE_SLOT, 0), replace(DEVICE_SLOT, epoch=7)):
        assert open_keyring(header(), [rotten, WORDS_SLOT], both)[1] == WORDS_SLOT
    costly = replace(PASSWORD_SLOT, slot_id=bytes(16), stretch=(5 * 2**20, 1, 1))
    assert open_keyring(header(), [costly, PASSWORD_SLOT], Secrets(password=says()))[1] == PASSWORD_SLOT


def test_damage_of_the_only_slot_is_said() -> None:
    with pytest.raises(DamageError):
        open_keyring(header(), [damaged(DEVICE_SLOT), WORDS_SLOT], Secrets(device=DEVICE))
    with pytest.raises(DamageError, match="memory"):
        open_keyring(header(), [replace(PASSWORD_SLOT, stretch=(5 * 2**20, 1, 1))], Secrets(password=says()))


def test_a_slot_of_another_vault_is_not_tried() -> None:
    foreign = make_slot(new_slot("words", WORDS, seeded("foreign")), keyring=Keyring.of(b"w" * 16, {1: ROOTS[1]}))
    with pytest.raises(WrongKeyError):
        open_keyring(header(), [foreign], Secrets(words=WORDS))
    assert open_keyring(header(), [foreign, WORDS_SLOT], Secrets(words=WORDS))[1] == WORDS_SLOT


def test_a_changed_header_is_noticed() -> None:
    with pytest.raises(DamageError, match="changed"):
        open_keyring(replace(header(), mac=bytes(32)), ALL, Secrets(words=WORDS))


def test_a_root_that_somebody_else_wrapped_for_these_words_is_noticed() -> None:
    """A storage that learned the words of another vault cannot put its own root under them here."""
    theirs = make_slot(new_slot("words", WORDS, seeded("theirs")), keyring=Keyring.of(VAULT, {1: b"theirs!!" * 4}))
    with pytest.raises(DamageError):
        open_keyring(header(), [theirs], Secrets(words=WORDS))


@pytest.mark.parametrize("one", [*ALL, link(1)], ids=lambda one: one.kind)
def test_a_slot_that_cannot_be_opened_is_still_checked(one: Slot) -> None:
    keyring = ring(2)
    check_slot(one, keyring)
    for change in (
        {"epoch": one.epoch + 1},
        {"salt": bytes(32)},
        {"wrapped": bytes(80)},
        {"info": bytes(272)},
        {"mac": bytes(32)},
        {"slot_id": bytes(16)},
        {"vault_id": bytes(16)},
        {"kind": "device" if one.kind != "device" else "words"},
        {"stretch": (65536, 1, 5)},
    ):
        with pytest.raises(DamageError):
            check_slot(replace(one, **change), keyring)


def test_a_slot_made_without_the_root_is_noticed() -> None:
    stranger = make_slot(new_slot("words", WORDS, seeded("s")), keyring=Keyring.of(VAULT, {1: b"x" * 32}))
    with pytest.raises(DamageError, match="not made by this vault"):
        check_slot(stranger, ring())


@given(st.binary(min_size=1, max_size=3), st.integers(0, 1200))
def test_a_slot_file_with_other_bytes_is_noticed(patch: bytes, at: int) -> None:
    good = DEVICE_SLOT.encode()
    data = good[:at] + patch + good[at + len(patch) :]
    if data == good:
        return
    with pytest.raises((DamageError, UnknownVersionError)):
        check_slot(fmt.read_slot(data, DEVICE_SLOT.name), ring())


# Labels.


@pytest.mark.parametrize(
    "label", ["", "laptop", "n\u00e4me " * 100, "\0\0", "\U0001f4f7" * 50, "\udcff", 'a"b\\c' * 60, "x" * 5000]
)
def test_a_label_is_kept_as_far_as_it_fits(label: str) -> None:
    new = NewSlot(kind="device", secret=DEVICE, label=label, created="2024", slot_id=bytes(16), salt=bytes(32))
    made = make_slot(new, keyring=ring())
    info = slot_info(made, ring())
    assert label.startswith(info.label)
    assert info.label == label or len(json.dumps(info.label)) > 200
    assert info.created == "2024"
    assert len(made.info) == fmt.INFO_SIZE + 16


def test_a_label_is_read_without_the_secret_and_not_without_the_root() -> None:
    assert slot_info(PASSWORD_SLOT, ring()).label == "password of a test"
    assert slot_info(link(1), ring(2)).label == "epoch of a test"
    assert b"password of a test" not in PASSWORD_SLOT.encode()
    for one, keyring in (
        (replace(PASSWORD_SLOT, info=bytes(272)), ring()),
        (PASSWORD_SLOT, Keyring.of(VAULT, {1: b"x" * 32})),
        (replace(PASSWORD_SLOT, epoch=3), ring()),
    ):
        with pytest.raises(DamageError):
            slot_info(one, keyring)


def test_a_password_is_of_no_use_for_another_kind_of_slot() -> None:
    with pytest.raises(WrongKeyError):
        open_slot(DEVICE_SLOT, "password")
    assert open_slot(PASSWORD_SLOT, PASSWORD) == ROOTS[1]
    assert PASSWORD_SLOT.stretch == (CHEAP.memory_kib, CHEAP.passes, CHEAP.lanes)


# Epochs.


def test_a_newer_epoch_opens_all_earlier_ones() -> None:
    slots = [slot("words", WORDS, 4), link(1), link(2), link(3), DEVICE_SLOT]
    keyring, opened = open_keyring(header(), slots, Secrets(words=WORDS))
    assert keyring.roots == ring(4).roots
    assert keyring.current.epoch == opened.epoch == 4
    for one in slots:
        check_slot(one, keyring)


def test_the_newest_slot_of_a_secret_is_taken() -> None:
    slots = [slot("words", WORDS, 1), slot("words", WORDS, 3), slot("words", WORDS, 2), link(1), link(2)]
    assert open_keyring(header(), slots, Secrets(words=WORDS))[0].roots == ring(3).roots


def test_an_old_secret_opens_only_what_there_was_then() -> None:
    keyring, _ = open_keyring(header(), [slot("words", WORDS, 2), link(1), DEVICE_SLOT], Secrets(device=DEVICE))
    assert keyring.roots == ring(1).roots
    with pytest.raises(DamageError):
        keyring.epoch(2)


def test_what_an_interrupted_rotation_left_leads_nowhere_and_harms_nothing() -> None:
    """A link made under a root that was then thrown away, beside the good one."""
    lost = {1: ROOTS[1], 2: b"lost" * 8}
    stray = make_slot(new_slot("epoch", lost[2], seeded("stray")), keyring=Keyring.of(VAULT, lost), epoch=1)
    for order in ([stray, link(1)], [link(1), stray]):
        assert open_keyring(header(), [slot("words", WORDS, 2), *order], Secrets(words=WORDS))[0].roots == ring(2).roots


@pytest.mark.parametrize(
    "links", [[], [link(1)], [link(2)], [damaged(link(1)), link(2)], [replace(link(1), epoch=2), link(2)]]
)
def test_a_broken_chain_of_epochs_is_damage(links: list[Slot]) -> None:
    with pytest.raises(DamageError, match="earlier epoch"):
        open_keyring(header(), [slot("words", WORDS, 3), *links], Secrets(words=WORDS))


def test_an_epoch_that_cannot_be_costs_no_time() -> None:
    far = replace(WORDS_SLOT, epoch=2**32 - 1)
    with pytest.raises(DamageError):
        open_keyring(header(), [far], Secrets(words=WORDS))
