"""Sealing for somebody else: the age format, version 1, which `age` and other programs open.

    header    a version line; for each way in one stanza that wraps the file key; an HMAC over all of it
    payload   16 random bytes, then pieces of 64 KiB, each sealed with ChaCha20-Poly1305

The file key (16 random bytes) is wrapped by a passphrase (scrypt) or for X25519 recipients (``age1...``); a passphrase stands
alone.  From it HKDF-SHA256 makes the key of the header's HMAC and, with the 16 bytes before the payload, that of the payload.
Piece n has the nonce ``n`` in 11 bytes and one byte that is 1 in the last piece, so that a file cut short is noticed.  The
format is that of https://c2sp.org/age.

It is written here because no library of this kind seals with a passphrase piece by piece: they want all of it in memory.  Pure.
Guarantee: memory for one piece; the same keys, randomness and bytes give the same file.  The caller must never use a file key or
nonce twice.
"""

from __future__ import annotations

import base64
from typing import Final

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY: Final = 16
"""Bytes of a file key, of a payload nonce and of scrypt's salt."""
SECRET: Final = 32
"""Bytes of an X25519 key."""
WORK: Final = 18
"""Base-2 logarithm of scrypt's cost that the age program uses: 256 MiB, about a second."""
PIECE: Final = 64 * 1024

_VERSION: Final = b"age-encryption.org/v1"
_NO_NONCE: Final = bytes(12)
_LETTERS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"  # Bech32, BIP 173
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_PREFIX: Final = "age"
_CHECKSUM: Final = 6


def read_recipient(text: str) -> bytes:
    """The public key of an ``age1...`` recipient, 32 bytes.

    Raises:
        ValueError: it is none, mistyped, or a point with which every secret is the same.
    """
    prefix, _, data = text.strip().lower().rpartition("1")
    if prefix != _PREFIX or text.strip() not in (text.strip().lower(), text.strip().upper()):
        raise ValueError
    values = [_LETTERS.index(letter) for letter in data]
    expanded = [*(ord(one) >> 5 for one in prefix), 0, *(ord(one) & 31 for one in prefix)]
    if len(values) < _CHECKSUM or _polymod([*expanded, *values]) != 1:
        raise ValueError
    recipient = _bytes_of(values[:-_CHECKSUM])
    for_recipient(
        bytes(KEY), recipient, bytes(SECRET)
    )  # such a point shows with any key: all of them are multiples of 8
    return recipient


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            check ^= generator if top >> bit & 1 else 0
    return check


def _bytes_of(values: list[int]) -> bytes:
    bits = 5 * len(values)
    number = 0
    for value in values:
        number = number << 5 | value
    spare = bits % 8
    if bits // 8 != SECRET or number & ((1 << spare) - 1):
        raise ValueError
    return (number >> spare).to_bytes(SECRET, "big")


def for_passphrase(file_key: bytes, passphrase: str, salt: bytes, work: int = WORK) -> bytes:
    """The stanza that lets a passphrase in; ``salt``: 16 random bytes; needs 128 * 8 * 2**work bytes of memory."""
    wrapping = Scrypt(salt=_VERSION + b"/scrypt" + salt, length=SECRET, n=1 << work, r=8, p=1).derive(
        passphrase.encode()
    )
    return _stanza(b"scrypt %s %d" % (_base64(salt), work), wrapping, file_key)


def for_recipient(file_key: bytes, recipient: bytes, ephemeral: bytes) -> bytes:
    """The stanza for who has the secret key of ``recipient`` (32 bytes); ``ephemeral``: 32 random bytes, used once.

    Raises:
        ValueError: a point of low order, such as zeros; ``read_recipient`` gives none.
    """
    secret = X25519PrivateKey.from_private_bytes(ephemeral)
    share = secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    shared = secret.exchange(X25519PublicKey.from_public_bytes(recipient))
    return _stanza(b"X25519 " + _base64(share), _derived(shared, share + recipient, _VERSION + b"/X25519"), file_key)


class Sealer:
    """Seals one file: ``header``, then what ``update`` and ``finish`` give."""

    def __init__(self, file_key: bytes, stanzas: list[bytes], nonce: bytes) -> None:
        """``nonce``: 16 random bytes, never used with this file key before."""
        text = _VERSION + b"\n" + b"".join(stanzas) + b"---"
        mac = hmac.HMAC(_derived(file_key, b"", b"header"), hashes.SHA256())
        mac.update(text)
        self.header = text + b" " + _base64(mac.finalize()) + b"\n" + nonce
        self._aead = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
        self._number = 0
        self._waiting = bytearray()

    def update(self, data: bytes | memoryview) -> bytes:
        """Take more plaintext; the pieces that are full now, sealed.  The last 64 KiB wait: they may be the end."""
        self._waiting += data
        sealed = []
        start = 0
        while len(self._waiting) - start > PIECE:
            sealed.append(self._piece(bytes(self._waiting[start : start + PIECE]), last=False))
            start += PIECE
        del self._waiting[:start]
        return b"".join(sealed)

    def finish(self) -> bytes:
        """The last piece, sealed."""
        rest, self._waiting = bytes(self._waiting), bytearray()
        return self._piece(rest, last=True)

    def _piece(self, data: bytes, *, last: bool) -> bytes:
        nonce = self._number.to_bytes(11, "big") + bytes([last])
        self._number += 1
        return self._aead.encrypt(nonce, data, None)


def _stanza(line: bytes, wrapping: bytes, file_key: bytes) -> bytes:
    body = ChaCha20Poly1305(wrapping).encrypt(_NO_NONCE, file_key, None)  # the wrapping key is used this once
    return b"-> %s\n%s\n" % (line, _base64(body))  # 32 bytes: one line, shorter than 64


def _derived(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length=SECRET, salt=salt, info=info).derive(secret)


def _base64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")
