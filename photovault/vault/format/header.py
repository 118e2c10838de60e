"""Section 3: the header, ``vault.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass

from photovault.errors import DamageError, UnknownVersionError
from photovault.vault.format.encoding import VERSION, canonical, check_keys, read_canonical, read_hex, read_version
from photovault.vault.format.names import HEADER_NAME

SUITE = "AES-256-GCM HKDF-SHA256 HMAC-SHA256 Argon2id"
_MEND = (
    "move this file of the vault aside, then bring a whole one back with `photovault copy` from another copy of this "
    "vault; recover.py restores without it"
)
_HEADER_KEYS = frozenset({"format", "mac", "suite", "vault", "version"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """``vault.json``: the vault id (16 bytes) and the MAC (32 bytes) over everything else in it."""

    vault_id: bytes
    mac: bytes = b""

    def signed(self) -> bytes:
        """What the MAC covers."""
        return canonical({"format": "photovault", "suite": SUITE, "vault": self.vault_id.hex(), "version": VERSION})

    def encode(self) -> bytes:
        """The file's bytes."""
        return canonical(json.loads(self.signed()) | {"mac": self.mac.hex()}) + b"\n"


def read_header(data: bytes) -> Header:
    """Parse ``vault.json``; its MAC is checked when a key is there to check it."""
    try:
        value = read_canonical(data[:-1], HEADER_NAME)
    except DamageError as error:
        raise DamageError(error.what, _MEND) from None
    if data[-1:] != b"\n" or value.get("format") != "photovault":
        raise DamageError(f"{HEADER_NAME} is damaged", _MEND)
    read_version(value, HEADER_NAME)
    check_keys(value, _HEADER_KEYS, HEADER_NAME)
    if value["suite"] != SUITE:
        raise UnknownVersionError(f"{HEADER_NAME} names an unknown cipher suite", "install a newer photovault")
    return Header(vault_id=read_hex(value, "vault", 16, HEADER_NAME), mac=read_hex(value, "mac", 32, HEADER_NAME))
