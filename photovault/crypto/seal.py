"""Sealing the regions of one object (docs/format.md, section 5).

One key per object: ``salt = HMAC(K_salt, what the object will hold)``, ``key | commitment = HKDF(K_seal, salt)``.  The
salt is a digest of everything that will be encrypted, so the same key can only ever meet the same bytes and a counter
is a safe nonce: no randomness to run out of, nothing for a cloned machine to repeat, and equal input gives equal bytes.
The commitment is compared before anything is opened, so an object opens under one key only.  AES-256-GCM works into a
buffer that the caller reuses: fresh pages cost more than the cipher.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from photovault.crypto.keys import hkdf, mac
from photovault.errors import DamageError

if TYPE_CHECKING:
    from photovault.crypto.keys import EpochKeys

TAG_SIZE = 16
SALT_SIZE = 32
COMMITMENT_SIZE = 32
Buffer = bytes | bytearray | memoryview


class ObjectKey:
    """The key of one object, for sealing or opening its numbered regions."""

    __slots__ = ("_aead", "_prefix", "commitment", "salt")

    def __init__(self, keys: EpochKeys, vault_id: bytes, kind: int, salt: bytes) -> None:
        """Derive key and commitment from the epoch's seal key and the object's salt."""
        self._prefix = vault_id + bytes([kind])
        both = hkdf(keys.seal, salt=salt, info=b"photovault/1/object" + self._prefix, size=64)
        self._aead = AESGCM(both[:32])
        self.commitment = both[32:]
        self.salt = salt

    def check(self, commitment: bytes) -> None:
        """Compare the stored commitment in constant time; DamageError when it is another key's."""
        if not hmac.compare_digest(self.commitment, commitment):
            raise DamageError("a stored object does not belong to this vault, or its first bytes are damaged")

    def seal(self, region: int, data: Buffer, associated: bytes, out: memoryview) -> None:
        """Encrypt ``data`` into ``out`` (its length + 16)."""
        self._aead.encrypt_into(region.to_bytes(12, "big"), data, self._prefix + associated, out)

    def open(self, region: int, sealed: Buffer, associated: bytes) -> bytes:
        """Decrypt one region; DamageError when a bit of it, its place or its owner is not what was sealed."""
        try:
            return self._aead.decrypt(region.to_bytes(12, "big"), sealed, self._prefix + associated)
        except InvalidTag:
            raise DamageError("stored bytes were changed") from None

    def open_into(self, region: int, sealed: Buffer, associated: bytes, out: memoryview) -> None:
        """As ``open``, into ``out`` (the length of ``sealed`` less 16)."""
        try:
            self._aead.decrypt_into(region.to_bytes(12, "big"), sealed, self._prefix + associated, out)
        except InvalidTag:
            raise DamageError("stored bytes were changed") from None


def object_salt(keys: EpochKeys, kind: int, size: int, trailer: bytes) -> bytes:
    """Synthetic salt: HMAC(K_salt, object kind u8 | object size u32 | trailer), 32 bytes."""
    return mac(keys.salt, bytes([kind]) + size.to_bytes(4, "little") + trailer)
