"""Wrapping a root key under a secret: a password, recovery words, a device key or another root.

A password is stretched with Argon2id (RFC 9106); the other secrets are 256 random bits and need no stretching.  The
stretched secret and a random salt give a key and a commitment (HKDF); the root is sealed under the key with AES-256-GCM.
The commitment tells a wrong secret (it differs) from damage (it matches, but the seal does not open), and makes sure
that one wrapped root cannot open under two passwords.  Limits are checked before any memory is taken.
"""

from __future__ import annotations

import hmac
import threading
from dataclasses import dataclass
from unicodedata import normalize

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from photovault.crypto.keys import hkdf
from photovault.errors import DamageError, RefusedError, WrongKeyError

SECRET_SIZE = 32
SALT_SIZE = 32
WRAPPED_SIZE = 32 + 32 + 16
_NONCE = bytes(12)  # each key is used for one message: the salt in its derivation is random

MEMORY_MIN_KIB = 64 * 1024
MEMORY_MAX_KIB = 4 * 1024 * 1024
PASSES_MAX = 64
LANES_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Cost of Argon2id; the defaults are the format's."""

    memory_kib: int = 256 * 1024
    passes: int = 3
    lanes: int = 4

    def checked(self) -> Stretch:
        """Return itself, or raise DamageError outside the limits every reader enforces."""
        if not MEMORY_MIN_KIB <= self.memory_kib <= MEMORY_MAX_KIB:
            raise DamageError(f"a key slot asks for {self.memory_kib} KiB of memory, outside 64 MiB to 4 GiB")
        if not (1 <= self.passes <= PASSES_MAX and 1 <= self.lanes <= LANES_MAX):
            raise DamageError("a key slot asks for a number of passes or lanes outside 1 to 64")
        return self


_ALONE = threading.Lock()  # OpenSSL's Argon2id never returns when two threads of a process call it with several lanes


def stretch_password(password: str, salt: bytes, cost: Stretch) -> bytes:
    """Argon2id of the password's UTF-8 in Unicode form NFC: 32 bytes."""
    cost.checked()
    kdf = Argon2id(salt=salt, length=SECRET_SIZE, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib)
    try:
        with _ALONE:
            return kdf.derive(normalize("NFC", password).encode("utf-8", "surrogatepass"))
    except MemoryError:
        need = f"{cost.memory_kib // 1024} MiB"
        raise RefusedError(
            f"not enough memory to check a password ({need} needed)", "close other programs and try again"
        ) from None


def wrap(root: bytes, secret: bytes, *, salt: bytes, context: bytes) -> bytes:
    """Seal ``root`` (32 bytes) under ``secret`` (32 bytes): commitment | ciphertext | tag, 80 bytes."""
    key, commitment = _key_and_commitment(secret, salt, context)
    return commitment + AESGCM(key).encrypt(_NONCE, root, context)


def unwrap(wrapped: bytes, secret: bytes, *, salt: bytes, context: bytes) -> bytes:
    """Open what ``wrap`` made.

    Raises:
        WrongKeyError: the secret is not the one it was wrapped under (or the commitment or salt is damaged).
        DamageError: the secret is right, the ciphertext is not.
    """
    if len(wrapped) != WRAPPED_SIZE:
        raise DamageError("a key slot has the wrong length")
    key, commitment = _key_and_commitment(secret, salt, context)
    if not hmac.compare_digest(commitment, wrapped[:32]):
        raise WrongKeyError("this secret does not open the key slot")
    try:
        return AESGCM(key).decrypt(_NONCE, wrapped[32:], context)
    except InvalidTag:
        raise DamageError("a key slot is damaged") from None


def seal_note(note: bytes, key: bytes, *, salt: bytes, context: bytes) -> bytes:
    """Seal a slot's label under a key derived from the root and the slot's salt: ciphertext | tag."""
    return AESGCM(_note_key(key, salt)).encrypt(_NONCE, note, context)


def open_note(sealed: bytes, key: bytes, *, salt: bytes, context: bytes) -> bytes:
    """Open what ``seal_note`` made; DamageError when it was changed."""
    try:
        return AESGCM(_note_key(key, salt)).decrypt(_NONCE, sealed, context)
    except InvalidTag:
        raise DamageError("the label of a key slot is damaged") from None


def _note_key(key: bytes, salt: bytes) -> bytes:
    return hkdf(key, salt=salt, info=b"photovault/1/slot-info", size=32)


def _key_and_commitment(secret: bytes, salt: bytes, context: bytes) -> tuple[bytes, bytes]:
    both = hkdf(secret, salt=salt, info=context, size=64)
    return both[:32], both[32:]
