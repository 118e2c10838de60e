"""A root under a secret: who has another secret is told so, damage is told apart, and hostile costs are never paid."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.crypto import wrap as module
from photovault.crypto.wrap import Stretch, open_note, seal_note, stretch_password, unwrap, wrap
from photovault.errors import DamageError, RefusedError, WrongKeyError

CHEAP = Stretch(memory_kib=64 * 1024, passes=1, lanes=4)
ROOT, SECRET, SALT = b"r" * 32, b"s" * 32, b"salt" * 8
WRAPPED = wrap(ROOT, SECRET, salt=SALT, context=b"context")


def opened(wrapped: bytes = WRAPPED, secret: bytes = SECRET, salt: bytes = SALT, context: bytes = b"context") -> bytes:
    return unwrap(wrapped, secret, salt=salt, context=context)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_what_was_wrapped_opens() -> None:
    assert opened() == ROOT
    assert len(WRAPPED) == 80
    assert ROOT not in WRAPPED


@pytest.mark.parametrize("change", [{"secret": b"t" * 32}, {"salt": b"pepper!!" * 4}, {"context": b"another slot"}])
def test_another_secret_salt_or_place_is_a_wrong_key(change: dict[str, bytes]) -> None:
    with pytest.raises(WrongKeyError):
        opened(**change)


@pytest.mark.parametrize("at", range(80))
def test_damage_is_told_from_a_wrong_secret(at: int) -> None:
    """The first 32 bytes are the commitment: there, and only there, the two look the same."""
    with pytest.raises(WrongKeyError if at < 32 else DamageError):
        opened(flipped(WRAPPED, at))


@given(st.binary(max_size=200).filter(lambda data: len(data) != 80))
def test_another_length_is_damage(data: bytes) -> None:
    with pytest.raises(DamageError):
        opened(data)


def test_no_wrapped_root_opens_under_two_secrets() -> None:
    """Not even one whose ciphertext would fit: the commitment of the one is not that of the other."""
    other = wrap(ROOT, b"t" * 32, salt=SALT, context=b"context")
    with pytest.raises(WrongKeyError):
        opened(other[:32] + WRAPPED[32:])
    with pytest.raises(DamageError):
        opened(WRAPPED[:32] + other[32:])


@pytest.mark.parametrize(
    "cost",
    [
        Stretch(memory_kib=63 * 1024),
        Stretch(memory_kib=64 * 1024 - 1),
        Stretch(memory_kib=5 * 1024 * 1024),
        Stretch(memory_kib=4 * 1024 * 1024 + 1),
        Stretch(memory_kib=0),
        Stretch(memory_kib=-1),
        Stretch(memory_kib=2**64),
        Stretch(passes=0),
        Stretch(passes=65),
        Stretch(passes=-1),
        Stretch(lanes=0),
        Stretch(lanes=65),
    ],
    ids=str,
)
def test_a_hostile_cost_is_refused_before_it_is_paid(cost: Stretch, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(**_: object) -> None:
        pytest.fail("Argon2id was started")

    monkeypatch.setattr(module, "Argon2id", never)
    with pytest.raises(DamageError):
        stretch_password("password", SALT, cost)


@pytest.mark.parametrize(
    "cost",
    [Stretch(), CHEAP, Stretch(memory_kib=4 * 1024 * 1024), Stretch(passes=64, lanes=64), Stretch(passes=1, lanes=1)],
)
def test_costs_up_to_the_limits_are_paid(cost: Stretch) -> None:
    assert cost.checked() == cost


def test_new_slots_cost_what_the_format_says() -> None:
    assert (Stretch().memory_kib, Stretch().passes, Stretch().lanes) == (262144, 3, 4)


def test_a_password_is_the_same_however_its_accents_were_typed() -> None:
    composed, decomposed = "\u00e9t\u00e9 \uac00", "e\u0301te\u0301 \u1100\u1161"
    assert composed != decomposed
    assert stretch_password(composed, SALT, CHEAP) == stretch_password(decomposed, SALT, CHEAP)


def test_compatible_letters_are_not_the_same_password() -> None:
    """Form NFC, not NFKC: a password is not made weaker than it was typed."""
    found = {stretch_password(password, SALT, CHEAP) for password in ("file", "\ufb01le", "file ", "FILE")}
    assert len(found) == 4


def test_any_text_is_a_password() -> None:
    for password in ("", "\0", "\udcff", "\ud800", "p" * 10_000):
        assert len(stretch_password(password, SALT, CHEAP)) == 32


def test_two_threads_may_try_a_password_at_once() -> None:
    """OpenSSL's threads wait for each other for ever when two such calls meet."""
    expected = stretch_password("p", SALT, CHEAP)
    found: list[bytes] = []
    tries = [
        threading.Thread(target=lambda: found.append(stretch_password("p", SALT, CHEAP)), daemon=True) for _ in range(2)
    ]
    for one in tries:
        one.start()
    for one in tries:
        one.join(20)
    assert found == [expected] * 2


def test_too_little_memory_says_how_much_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, **_: object) -> None:
            pass

        def derive(self, _: bytes) -> bytes:
            raise MemoryError

    monkeypatch.setattr(module, "Argon2id", Full)
    with pytest.raises(RefusedError, match="256 MiB"):
        stretch_password("password", SALT, Stretch())


def test_a_label_opens_with_its_key_salt_and_place_only() -> None:
    note = seal_note(b"label", SECRET, salt=SALT, context=b"context")
    assert open_note(note, SECRET, salt=SALT, context=b"context") == b"label"
    for sealed, key, salt, context in (
        (flipped(note, 0), SECRET, SALT, b"context"),
        (note[:-1], SECRET, SALT, b"context"),
        (b"", SECRET, SALT, b"context"),
        (note, ROOT, SALT, b"context"),
        (note, SECRET, bytes(32), b"context"),
        (note, SECRET, SALT, b""),
    ):
        with pytest.raises(DamageError):
            open_note(sealed, key, salt=salt, context=context)
