"""The key tree of a vault (docs/format.md, section 3).

A vault has one random 256-bit root per epoch.  Every working key is derived from a root by HKDF-SHA256 with the vault
id as salt and a label as info, so one label's key says nothing about another's.  Part ids are keyed by the first
epoch's root for the life of the vault, so that a rotation of the root costs no photo a second upload; everything that
hides or authenticates bytes is keyed by the epoch that wrote it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from photovault.errors import DamageError

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_SIZE = 32
FIRST_EPOCH = 1
_PREFIX = b"photovault/1/"
_AT_ONCE = 16 * 1024  # below, one call on a copy is quicker than three on the data


def hkdf(secret: bytes, *, salt: bytes, info: bytes, size: int) -> bytes:
    """HKDF-SHA256 (RFC 5869): ``size`` bytes from ``secret``."""
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(secret)


def mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104): 32 bytes."""
    return hmac.digest(key, message, "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochKeys:
    """The working keys of one epoch, 32 bytes each."""

    epoch: int
    salt: bytes = field(repr=False)
    seal: bytes = field(repr=False)
    slot_mac: bytes = field(repr=False)
    slot_info: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """All keys of an opened vault.

    Attributes:
        vault_id: 16 bytes.
        roots: epoch number to root key, from 1 to the current epoch without a gap.
    """

    vault_id: bytes
    roots: Mapping[int, bytes] = field(repr=False)
    header_key: bytes = field(repr=False)
    _id_key: bytes = field(repr=False)
    _epochs: Mapping[int, EpochKeys] = field(repr=False)

    @classmethod
    def of(cls, vault_id: bytes, roots: Mapping[int, bytes]) -> Keyring:
        """Derive every working key from the roots."""
        first = roots[FIRST_EPOCH]
        return cls(
            vault_id=vault_id,
            roots=dict(roots),
            header_key=derive(first, vault_id, b"header"),
            _id_key=derive(first, vault_id, b"part-id"),
            _epochs={number: _epoch_keys(number, root, vault_id) for number, root in roots.items()},
        )

    @property
    def current(self) -> EpochKeys:
        """The keys that new objects are sealed with."""
        return self._epochs[max(self._epochs)]

    def epoch(self, number: int) -> EpochKeys:
        """The keys of one epoch; DamageError when this vault never had it."""
        try:
            return self._epochs[number]
        except KeyError:
            raise DamageError(f"an object claims key epoch {number}, which this vault does not have") from None

    def part_id(self, kind: int, data: bytes | bytearray | memoryview) -> bytes:
        """Part id: HMAC(K_id, kind u8 | length u64 | plaintext), 32 bytes."""
        begin = kind.to_bytes(1, "little") + len(data).to_bytes(8, "little")
        if len(data) <= _AT_ONCE:
            return hmac.digest(self._id_key, begin + data, "sha256")
        state = hmac.new(self._id_key, begin, hashlib.sha256)
        state.update(data)
        return state.digest()


def derive(root: bytes, vault_id: bytes, label: bytes) -> bytes:
    """The 32-byte key of ``label`` under ``root``."""
    return hkdf(root, salt=vault_id, info=_PREFIX + label, size=32)


def _epoch_keys(number: int, root: bytes, vault_id: bytes) -> EpochKeys:
    return EpochKeys(
        epoch=number,
        salt=derive(root, vault_id, b"salt"),
        seal=derive(root, vault_id, b"seal"),
        slot_mac=derive(root, vault_id, b"slot-mac"),
        slot_info=derive(root, vault_id, b"slot-info"),
    )
