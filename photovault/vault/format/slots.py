"""Section 4: key slots."""

from __future__ import annotations

from dataclasses import dataclass

from photovault.errors import DamageError, UnknownVersionError
from photovault.vault.format.encoding import (
    EPOCH_MAX,
    FIRST_EPOCH,
    VERSION,
    Json,
    canonical,
    check_keys,
    read_canonical,
    read_hex,
    read_natural,
    read_version,
)

SLOT_KINDS = ("password", "words", "device", "epoch")
_SLOT_KEYS = frozenset({"epoch", "format", "id", "info", "kdf", "kind", "mac", "salt", "vault", "version", "wrapped"})
_KDF_KEYS = frozenset({"lanes", "memory_kib", "name", "passes"})
INFO_SIZE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One key slot: a root key wrapped under one secret.

    Attributes:
        slot_id: 16 bytes, random; the file's name.
        epoch: the epoch of the root inside.
        stretch: (memory KiB, passes, lanes) of Argon2id for a password, None for the other kinds.
        salt: 32 bytes, random.
        wrapped: 80 bytes: commitment | sealed root.
        info: sealed label and creation time, 256 + 16 bytes.
        mac: 32 bytes over everything else, by a key derived from a root.
    """

    vault_id: bytes
    slot_id: bytes
    kind: str
    epoch: int
    stretch: tuple[int, int, int] | None
    salt: bytes
    wrapped: bytes
    info: bytes
    mac: bytes = b""

    @property
    def name(self) -> str:
        """Where it is stored."""
        return f"keys/{self.slot_id.hex()}"

    @property
    def context(self) -> bytes:
        """What the wrapped root is bound to."""
        return slot_context(self.vault_id, self.slot_id, self.kind)

    def signed(self) -> bytes:
        """What the MAC covers."""
        return canonical(self._fields())

    def encode(self) -> bytes:
        """The file's bytes."""
        return canonical(self._fields() | {"mac": self.mac.hex()}) + b"\n"

    def _fields(self) -> Json:
        return {
            "epoch": self.epoch,
            "format": "photovault-slot",
            "id": self.slot_id.hex(),
            "info": self.info.hex(),
            "kdf": _kdf_fields(self.stretch),
            "kind": self.kind,
            "salt": self.salt.hex(),
            "vault": self.vault_id.hex(),
            "version": VERSION,
            "wrapped": self.wrapped.hex(),
        }


def slot_context(vault_id: bytes, slot_id: bytes, kind: str) -> bytes:
    """Info of the wrapping key and associated data of the wrapped root."""
    return b"photovault/1/slot" + vault_id + slot_id + kind.encode()


def read_slot(data: bytes, name: str) -> Slot:
    """Parse ``keys/<id>``; DamageError when it is not a slot or not the one its name says."""
    value = read_canonical(data[:-1], name)
    if data[-1:] != b"\n" or value.get("format") != "photovault-slot":
        raise DamageError(f"{name} is damaged")
    read_version(value, name)
    check_keys(value, _SLOT_KEYS, name)
    if value["kind"] not in SLOT_KINDS:
        raise UnknownVersionError(f"{name} is a kind of key slot unknown to this version", "install a newer photovault")
    slot = Slot(
        vault_id=read_hex(value, "vault", 16, name),
        slot_id=read_hex(value, "id", 16, name),
        kind=value["kind"],
        epoch=_epoch(value, name),
        stretch=_read_kdf(value["kdf"], value["kind"], name),
        salt=read_hex(value, "salt", 32, name),
        wrapped=read_hex(value, "wrapped", 80, name),
        info=read_hex(value, "info", INFO_SIZE + 16, name),
        mac=read_hex(value, "mac", 32, name),
    )
    if slot.name != name:
        raise DamageError(f"{name} holds another key slot")
    return slot


def _epoch(value: Json, name: str) -> int:
    epoch = read_natural(value, "epoch", name)
    if not FIRST_EPOCH <= epoch <= EPOCH_MAX:
        raise DamageError(f"{name} is of a key epoch that cannot be")
    return epoch


def _kdf_fields(stretch: tuple[int, int, int] | None) -> Json:
    if stretch is None:
        return {"name": "hkdf"}
    memory, passes, lanes = stretch
    return {"lanes": lanes, "memory_kib": memory, "name": "argon2id", "passes": passes}


def _read_kdf(value: object, kind: str, name: str) -> tuple[int, int, int] | None:
    if kind != "password":
        if value != {"name": "hkdf"}:
            raise DamageError(f"{name} has an unknown key derivation")
        return None
    if not isinstance(value, dict) or value.keys() != _KDF_KEYS or value["name"] != "argon2id":
        raise DamageError(f"{name} has an unknown key derivation")
    return (
        read_natural(value, "memory_kib", name),
        read_natural(value, "passes", name),
        read_natural(value, "lanes", name),
    )
