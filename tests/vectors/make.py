"""Write the test vectors of format version 1, once: ``python -m tests.vectors.make`` from the top of the repository.

The vectors that open are made by photovault; ``test_vectors.py`` makes their cryptography again without it, from
docs/format.md.  The others are derived from them: a flipped bit, a missing byte, or an object sealed by the rules
around contents that break one.  Files that are there are never overwritten: a vector that changes is another format.

A vector has a name, a kind, ``expect`` (``opens``, ``tampered``, ``wrong key`` or ``unknown version``) and its inputs.
Bytes are hex or, where long, base64.  ``of`` with ``flip`` (offset, XOR byte), ``cut`` (bytes left) or ``swap`` (two
ranges of equal length) takes the object of another vector of the same file and changes it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photovault.crypto import keys
from photovault.crypto.keys import Keyring
from photovault.crypto.seal import ObjectKey, object_salt
from photovault.crypto.words import to_words
from photovault.crypto.wrap import Stretch
from photovault.facts import Facts
from photovault.model import Counts, Entry, EntryKind, Gone, Head, Retention, Snapshot, Source
from photovault.parity.coding import shards_of
from photovault.vault import format as fmt
from photovault.vault.format import Codec, Header, ObjectKind, PackEntry, ParityMap, PartKind, Record
from photovault.vault.pack import Draft, regions, seal
from photovault.vault.slots import NewSlot, make_slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from photovault.vault.format import Slot

Vector = dict[str, Any]
HERE = Path(__file__).parent
VAULT = hashlib.sha256(b"photovault vectors: vault id").digest()[:16]
ROOT_1 = hashlib.sha256(b"photovault vectors: root 1").digest()
ROOT_2 = hashlib.sha256(b"photovault vectors: root 2").digest()
WORDS = hashlib.sha256(b"photovault vectors: words").digest()
DEVICE = hashlib.sha256(b"photovault vectors: device").digest()
OTHER = hashlib.sha256(b"photovault vectors: somebody else").digest()
FIRST = Keyring.of(VAULT, {1: ROOT_1})
BOTH = Keyring.of(VAULT, {1: ROOT_1, 2: ROOT_2})
CHEAP = Stretch(memory_kib=64 * 1024, passes=1, lanes=4)
CREATED = "2024-05-04T12:00:00.000000Z"
NEWER = "unknown version"


def main() -> None:
    """Write every file that is not there yet."""
    for make in (key_vectors, header_vectors, slot_vectors, object_vectors, index_vectors):
        write(make)
    for make in (listing_vectors, snapshot_vectors, heads_vectors, vault_vectors, photos_vectors, retention_vectors):
        write(make)
    write(parity_vectors)


def write(make: Callable[[], Iterator[Vector]]) -> None:
    """One file, or nothing if it exists."""
    path = HERE / f"{make.__name__.removesuffix('_vectors')}.json"
    if path.exists():
        sys.stderr.write(f"{path.name} exists, and vectors never change\n")
        return
    vectors = list(make())
    path.write_text(json.dumps({"format": 1, "vectors": vectors}, indent=1, ensure_ascii=True) + "\n", "ascii")


def b64(data: bytes | memoryview) -> str:
    """Base64 of bytes."""
    return base64.b64encode(data).decode()


def noise(label: str, size: int) -> bytes:
    """Bytes without a pattern that are the same on every run."""
    return hashlib.shake_256(f"photovault vectors: {label}".encode()).digest(size)


# Keys ----------------------------------------------------------------------------------------------------------------


def key_vectors() -> Iterator[Vector]:
    """Derived keys, part ids and recovery words."""
    common = {"expect": "opens", "vault": VAULT.hex()}
    for epoch, root in ((1, ROOT_1), (2, ROOT_2)):
        for label in ("header", "part-id", "salt", "seal", "slot-mac", "slot-info"):
            if epoch > 1 and label in {"header", "part-id"}:
                continue
            key = keys.derive(root, VAULT, label.encode()).hex()
            yield common | {
                "name": f"{label}, epoch {epoch}",
                "kind": "derived",
                "root": root.hex(),
                "label": label,
                "key": key,
            }
    for kind in (PartKind.CONTENT, PartKind.LISTING, PartKind.INDEX, PartKind.SNAPSHOT):  # those of the first readers
        for data in (b"", b"photo", noise("part", 300)):
            part_id = FIRST.part_id(kind, data).hex()
            name = f"part of kind {kind:d}, {len(data)} bytes"
            yield common | {
                "name": name,
                "kind": "part-id",
                "root": ROOT_1.hex(),
                "part": int(kind),
                "data": data.hex(),
                "id": part_id,
            }
    yield from _word_vectors()


def _word_vectors() -> Iterator[Vector]:
    for secret in (bytes(32), b"\xff" * 32, WORDS):
        text = " ".join(to_words(secret))
        yield {
            "name": f"words of {secret[:2].hex()}",
            "kind": "words",
            "expect": "opens",
            "secret": secret.hex(),
            "words": text,
        }
    words = to_words(WORDS)
    wrong = {
        "two words swapped": (words[1], words[0], *words[2:]),
        "23 words": words[:23],
        "25 words": (*words, words[0]),
        "a word that is not in the list": ("photovault", *words[1:]),
        "another last word": (*words[:23], "zoo"),
    }
    for name, text in wrong.items():
        yield {"name": name, "kind": "words", "expect": "wrong key", "words": " ".join(text)}


# Header --------------------------------------------------------------------------------------------------------------


def make_header() -> bytes:
    """The header of the vectors' vault."""
    header = Header(vault_id=VAULT)
    return Header(vault_id=VAULT, mac=keys.mac(FIRST.header_key, header.signed())).encode()


def header_vectors() -> Iterator[Vector]:
    """``vault.json``."""
    good = make_header()
    value = json.loads(good)
    common = {"kind": "header", "vault": VAULT.hex(), "root": ROOT_1.hex()}

    def of(name: str, expect: str, data: bytes) -> Vector:
        return common | {"name": name, "expect": expect, "text": data.decode()}

    yield of("good", "opens", good)
    yield from (of(name, expect, data) for name, expect, data in _spoilt_json(good, value))
    yield of("another suite", NEWER, _signed_header(value | {"suite": "AES-128-GCM"}))
    yield of("another version, signed", NEWER, _signed_header(value | {"version": 2}))
    yield of("a bit of the MAC", "tampered", _json(value | {"mac": _flipped(value["mac"])}))
    yield of("another vault id", "tampered", _json(value | {"vault": _flipped(value["vault"])}))
    yield of("upper case", "tampered", _json(value | {"vault": value["vault"].upper()}))
    yield of("another root", "tampered", good) | {"root": OTHER.hex()}


def _signed_header(value: Vector) -> bytes:
    rest = {key: value[key] for key in value if key != "mac"}
    return _json(rest | {"mac": keys.mac(FIRST.header_key, fmt.canonical(rest)).hex()})


def _spoilt_json(good: bytes, value: Vector) -> Iterator[tuple[str, str, bytes]]:
    """What breaks any of the objects that are canonical JSON and a line feed."""
    yield "empty", "tampered", b""
    yield "no line feed", "tampered", good[:-1]
    yield "two line feeds", "tampered", good + b"\n"
    yield "cut short", "tampered", good[: len(good) // 2]
    yield (
        "keys in another order",
        "tampered",
        json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode() + b"\n",
    )
    yield "white space", "tampered", json.dumps(value, sort_keys=True).encode() + b"\n"
    yield "a key twice", "tampered", b'{"format":"photovault",' + good[1:]
    yield "an unknown field", "tampered", _json(value | {"more": 1})
    yield "a missing field", "tampered", _json({key: value[key] for key in value if key != "mac"})
    yield "version 2", NEWER, _json(value | {"version": 2})
    yield "version as text", "tampered", _json(value | {"version": "1"})
    yield "version true", "tampered", _json(value | {"version": True})
    yield "another format", "tampered", _json(value | {"format": "photo vault"})


def _json(value: object) -> bytes:
    return fmt.canonical(value) + b"\n"


def _flipped(text: str) -> str:
    data = bytes.fromhex(text)
    return (bytes([data[0] ^ 1]) + data[1:]).hex()


# Key slots -----------------------------------------------------------------------------------------------------------


def new_slot(kind: str, secret: bytes | str, number: int = 0) -> NewSlot:
    """A slot with an id and a salt that depend on its kind and number alone."""
    return NewSlot(
        kind=kind,
        secret=secret,
        label=f"{kind} of the vectors",
        created=CREATED,
        slot_id=noise(f"slot {kind} {number}", 16),
        salt=noise(f"salt {kind} {number}", 32),
        stretch=CHEAP if kind == "password" else None,
    )


def slot_vectors() -> Iterator[Vector]:
    """Key slots: read, opened by the secret, compared with the MAC, and the label read."""
    password = "Schl\u00fcssel zum Foto\u0301album"  # neither composed nor decomposed all over
    secrets: dict[str, bytes | str] = {"password": password, "words": WORDS, "device": DEVICE, "epoch": ROOT_2}
    made = {
        kind: make_slot(new_slot(kind, secret), keyring=FIRST) for kind, secret in secrets.items() if kind != "epoch"
    }
    made["epoch"] = make_slot(new_slot("epoch", ROOT_2), keyring=BOTH, epoch=1)
    for kind, slot in made.items():
        yield _slot(kind, "opens", slot, secrets[kind])
    yield _slot("password in another Unicode form", "opens", made["password"], "Schlu\u0308ssel zum Fot\u00f3album")
    yield _slot("epoch 2", "opens", make_slot(new_slot("device", DEVICE, 2), keyring=BOTH), DEVICE) | {
        "root": ROOT_2.hex()
    }
    for kind, secret in (
        ("password", password + " "),
        ("password", ""),
        ("words", OTHER),
        ("device", WORDS),
        ("epoch", ROOT_1),
    ):
        yield _slot(f"{kind}, another secret {len(secret)}", "wrong key", made[kind], secret)
    yield from _spoilt_slots(made, password)


def _slot(name: str, expect: str, slot: Slot, secret: bytes | str) -> Vector:
    return _slot_text(name, expect, slot.encode(), slot.name, secret)


def _slot_text(name: str, expect: str, data: bytes, stored: str, secret: bytes | str) -> Vector:
    return {
        "name": name,
        "kind": "slot",
        "expect": expect,
        "stored": stored,
        "text": data.decode(),
        "secret": {"password": secret} if isinstance(secret, str) else {"bytes": secret.hex()},
        "vault": VAULT.hex(),
        "roots": {"1": ROOT_1.hex(), "2": ROOT_2.hex()},
        "root": ROOT_1.hex(),
    }


def _spoilt_slots(made: dict[str, Slot], password: str) -> Iterator[Vector]:
    device = made["device"]
    value = json.loads(device.encode())

    def of(name: str, expect: str, data: bytes) -> Vector:
        return _slot_text(name, expect, data, device.name, DEVICE)

    yield from (of(name, expect, data) for name, expect, data in _spoilt_json(device.encode(), value))
    for name, at, expect in (
        ("commitment", 0, "wrong key"),
        ("root", 32, "tampered"),
        ("tag", 64, "tampered"),
    ):
        wrapped = bytearray(device.wrapped)
        wrapped[at] ^= 1
        yield of(f"a bit of the {name}", expect, replace(device, wrapped=bytes(wrapped)).encode())
    yield of("a bit of the salt", "wrong key", _json(value | {"salt": _flipped(value["salt"])}))
    for key in ("info", "mac"):
        yield of(f"a bit of {key}", "tampered", _json(value | {key: _flipped(value[key])}))
    yield of("another vault", "wrong key", _json(value | {"vault": _flipped(value["vault"])}))
    yield of("another id", "tampered", _json(value | {"id": _flipped(value["id"])}))
    yield of("another kind", "wrong key", _json(value | {"kind": "words"}))
    yield of("unknown kind", NEWER, _json(value | {"kind": "passkey"}))
    for epoch in (0, 2, 3, -1, 2**32, 1.0):
        yield of(f"epoch changed to {epoch}", "tampered", _json(value | {"epoch": epoch}))
    yield of("short wrapped", "tampered", _json(value | {"wrapped": value["wrapped"][:-2]}))
    yield of("kdf of a password", "tampered", _json(value | {"kdf": _kdf()}))
    for name, change in {
        "63 MiB": {"memory_kib": 63 * 1024},
        "5 GiB": {"memory_kib": 5 * 1024 * 1024},
        "no pass": {"passes": 0},
        "65 passes": {"passes": 65},
        "no lane": {"lanes": 0},
        "65 lanes": {"lanes": 65},
        "half a pass": {"passes": 0.5},
        "negative": {"memory_kib": -1},
        "another kdf": {"name": "scrypt"},
        "more": {"more": 1},
    }.items():
        text = _json(json.loads(made["password"].encode()) | {"kdf": _kdf() | change})
        yield _slot_text(f"password, {name}", "tampered", text, made["password"].name, password)


def _kdf() -> Vector:
    return {"lanes": 4, "memory_kib": 65536, "name": "argon2id", "passes": 1}


# Sealed objects ------------------------------------------------------------------------------------------------------

Part = tuple[Record, bytes]


def part(
    data: bytes, kind: PartKind = PartKind.CONTENT, encoded: bytes | None = None, keyring: Keyring = FIRST
) -> Part:
    """A part and its encoded bytes; with codec zlib if those are given."""
    record = Record(
        part_id=keyring.part_id(kind, data),
        kind=kind,
        codec=Codec.PLAIN if encoded is None else Codec.ZLIB,
        length=len(data),
        stored=len(data if encoded is None else encoded),
        digest=bytes(32) if encoded is None else hashlib.sha256(encoded).digest(),
    )
    return record, data if encoded is None else encoded


def sealed(parts: Sequence[Part], kind: ObjectKind = ObjectKind.PACK, keyring: Keyring = FIRST, size: int = 0) -> bytes:
    """A good object."""
    draft = Draft(kind, bytearray(sum(record.stored for record, _ in parts)))
    for record, data in parts:
        draft.add(record, data)
    size = size or fmt.size_class(draft.needed)
    return bytes(seal(draft, keyring, size, memoryview(bytearray(size))))


def object_vectors() -> Iterator[Vector]:
    """Packs, an index and a snapshot, whole: opened, and every part read."""
    small = part(b"a photo, the whole of it")
    twins = (part(noise("twin 1", 1000)), part(noise("twin 2", 1000)))
    text = b'{"entries":[],"version":1}' * 20
    squeezed = part(text, PartKind.LISTING, zlib.compress(text, 6))
    full = part(noise("full", fmt.SIZE_MIN - fmt.OVERHEAD - fmt.PER_PART))
    over = part(noise("over", fmt.SIZE_MIN - fmt.OVERHEAD - fmt.PER_PART + 1))
    yield _object("one part", [small])
    yield _object("two parts", twins)
    yield _object("a part plain, a part with zlib", [small, squeezed])
    yield _object("16 KiB without padding", [full])
    yield _object("one byte more", [over])
    yield _object("a small part in 32 KiB", [small], size=2 * fmt.SIZE_MIN)
    yield _object("no part", [])
    yield _object("epoch 2", [small], keyring=BOTH)
    yield _object("an index", [part(bytes(32) + b"\0\x40" + bytes(6), PartKind.INDEX)], ObjectKind.INDEX)
    yield _object("a snapshot", [part(b"{}", PartKind.SNAPSHOT)], ObjectKind.SNAPSHOT)
    yield from _flips(twins)
    yield from _broken_rules(small, twins, squeezed)


def _object(
    name: str, parts: Sequence[Part], kind: ObjectKind = ObjectKind.PACK, keyring: Keyring = FIRST, size: int = 0
) -> Vector:
    data = sealed(parts, kind, keyring, size)
    preamble = fmt.read_preamble(data, kind)
    return _vector(name, "opens", data, kind, keyring) | {
        "epoch": preamble.epoch,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "salt": preamble.salt.hex(),
        "commitment": preamble.commitment.hex(),
        "parts": [
            {
                "id": record.part_id.hex(),
                "kind": int(record.kind),
                "codec": int(record.codec),
                "length": record.length,
                "encoded": b64(encoded),
            }
            for record, encoded in parts
        ],
    }


def _vector(
    name: str, expect: str, data: bytes, kind: ObjectKind = ObjectKind.PACK, keyring: Keyring = FIRST
) -> Vector:
    roots = {str(epoch): root.hex() for epoch, root in keyring.roots.items()}
    common = {"name": name, "kind": "object", "expect": expect, "object_kind": int(kind)}
    return common | {"vault": VAULT.hex(), "roots": roots, "object": b64(data)}


def _flips(twins: Sequence[Part]) -> Iterator[Vector]:
    first, second = regions([record for record, _ in twins])
    end = second.offset + second.sealed_size
    trailer = fmt.SIZE_MIN - 2 * fmt.RECORD.size - fmt.TAG
    places = {
        "magic": 0,
        "kind": 7,
        "epoch": 8,
        "high byte of the epoch": 11,
        "zero": 12,
        "salt": 16,
        "commitment": 48,
        "head": 80,
        "tag of the head": 96,
        "first part": first.offset,
        "tag of the first part": second.offset - 1,
        "second part": second.offset,
        "tag of the second part": end - 1,
        "padding": end,
        "last of the padding": trailer - 17,
        "tag of the padding": trailer - 1,
        "trailer": trailer,
        "tag of the trailer": fmt.SIZE_MIN - 1,
    }
    common = {"kind": "object", "object_kind": 1, "of": "two parts", "vault": VAULT.hex(), "roots": {"1": ROOT_1.hex()}}
    for name, at in places.items():
        yield common | {"name": f"a bit of the {name}", "expect": "tampered", "flip": [at, 1]}
    yield common | {"name": "version 0", "expect": NEWER, "flip": [6, 1]}
    yield common | {"name": "version 2", "expect": NEWER, "flip": [6, 3]}
    for left in (0, 79, 80, 111, 112, 8192, fmt.SIZE_MIN - 1):
        yield common | {"name": f"cut to {left} bytes", "expect": "tampered", "cut": left}
    yield common | {
        "name": "two parts in each other's place",
        "expect": "tampered",
        "swap": [first.offset, second.offset, first.sealed_size],
    }
    yield common | {"name": "another root", "expect": "tampered", "roots": {"1": OTHER.hex()}}
    yield common | {"name": "another vault", "expect": "tampered", "vault": OTHER[:16].hex()}
    yield common | {"name": "as an index", "expect": "tampered", "object_kind": 2}


def _broken_rules(small: Part, twins: Sequence[Part], squeezed: Part) -> Iterator[Vector]:
    """Objects that only a holder of the key can make: every tag is right, a rule is not."""
    one, two = twins
    yield _vector("part ids swapped", "tampered", by_hand(twins, records=[two[0], one[0]]))
    yield _vector("a bit in the padding", "tampered", by_hand([small], padding=b"\1"))
    yield _vector("a bit at the end of the padding", "tampered", by_hand([small], padding=-1))
    yield _vector("another salt", "tampered", by_hand([small], salt=noise("salt", 32)))
    yield _vector("another commitment", "tampered", by_hand([small], commitment=noise("commitment", 32)))
    yield _vector("a part too many in the head", "tampered", by_hand([small], head={1: 2}))
    yield _vector("head not zero", "tampered", by_hand([small], head={3: 1}))
    yield _vector("padding longer than it is", "tampered", by_hand([small], head={2: 2**31}))
    yield _vector("padding a byte shorter", "tampered", by_hand([small], head={2: fmt.SIZE_MIN - 300}))
    yield _vector("trailer of 4 GiB", "tampered", by_hand([small], head={0: 2**32 - 76}))
    for name, change in {
        "plain, with a digest": {"digest": noise("digest", 32)},
        "plain, of another length": {"length": 23},
        "an index in a pack": {"kind": PartKind.INDEX},
        "more than 4 MiB": {"codec": Codec.ZLIB, "length": 2**22 + 1},
    }.items():
        yield _vector(name, "tampered", by_hand([(changed(small[0], **change), small[1])]))
    for name, at, value in (("unknown codec", 33, 2), ("unknown part kind", 32, 9)):
        yield _vector(name, NEWER, by_hand([small], trailer=_patched(small[0], at, value)))
    yield _vector("record not zero", "tampered", by_hand([small], trailer=_patched(small[0], 34, 1)))
    text, encoded = zlib.decompress(squeezed[1]), squeezed[1]
    for name, length, stored in (
        ("less than it claims", len(text) + 1, encoded),
        ("more than it claims", len(text) - 1, encoded),
        ("bytes after the end", len(text), encoded + b"\0"),
        ("cut", len(text), encoded[:-1]),
        ("no zlib", 24, bytes(24)),
        ("much more than it claims", 1000, zlib.compress(bytes(3_000_000), 9)),
    ):
        record = changed(squeezed[0], length=length, stored=len(stored), digest=hashlib.sha256(stored).digest())
        yield _vector(f"zlib: {name}", "tampered", by_hand([(record, stored)]))
    index = part(b"", PartKind.INDEX)
    yield _vector("two parts in an index", "tampered", by_hand([index, index], kind=ObjectKind.INDEX), ObjectKind.INDEX)
    yield _vector("an index with content", "tampered", by_hand([small], kind=ObjectKind.INDEX), ObjectKind.INDEX)
    yield _vector("no power of two", "tampered", by_hand([small], size=fmt.SIZE_MIN + 1))
    yield _vector("8 KiB", "tampered", by_hand([small], size=fmt.SIZE_MIN // 2))


def changed(record: Record, **change: object) -> Record:
    """The record with other fields."""
    fields = ("part_id", "kind", "codec", "length", "stored", "digest", "skip")
    return Record(**({name: getattr(record, name) for name in fields} | change))


def _patched(record: Record, at: int, value: int) -> bytes:
    encoded = bytearray(record.encode())
    encoded[at] = value
    return bytes(encoded)


def by_hand(
    parts: Sequence[Part],
    *,
    kind: ObjectKind = ObjectKind.PACK,
    size: int = fmt.SIZE_MIN,
    records: Sequence[Record] = (),
    trailer: bytes = b"",
    padding: bytes | int = b"",
    salt: bytes = b"",
    commitment: bytes = b"",
    head: dict[int, int] | None = None,
) -> bytes:
    """Seal as a writer does, except for what is given."""
    epoch = FIRST.current
    trailer = trailer or b"".join(record.encode() for record in records or [record for record, _ in parts])
    left = size - fmt.OVERHEAD - sum(record.stored + fmt.TAG for record, _ in parts) - len(trailer)
    filling = bytes(left - 1) + b"\1" if isinstance(padding, int) else padding.ljust(left, b"\0")
    key = ObjectKey(epoch, VAULT, kind, salt or object_salt(epoch, kind, size, trailer))
    fields = {0: len(trailer), 1: len(parts), 2: left, 3: 0} | (head or {})
    jobs = [(0, fmt.HEAD.pack(*(fields[i] for i in range(4))), b"\0")]
    jobs += [(number, data, record.associated) for number, (record, data) in enumerate(parts, 3)]
    jobs += [(2, filling, b"\2"), (1, trailer, b"\1")]
    preamble = fmt.Preamble(kind=kind, epoch=1, salt=key.salt, commitment=commitment or key.commitment)
    return preamble.encode() + b"".join(_region(key, *job) for job in jobs)


def _region(key: ObjectKey, number: int, data: bytes, associated: bytes) -> bytes:
    out = bytearray(len(data) + fmt.TAG)
    key.seal(number, data, associated, memoryview(out))
    return bytes(out)


# Thumbnails and groups ----------------------------------------------------------------------------------------------

# A JPEG of 24 x 16 pixels without any metadata, and the JPEG XL file that imagecodecs 2026.3.6 (libjxl 0.11.2) made of it.
JPEG = bytes.fromhex(
    "ffd8ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17202e2931302e292d2c333a4a3e333646372c2d405741464c"
    "4e525352323e5a615a50604a51524fffdb0043010e0e0e131113261515264f352d354f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f"
    "4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4fffc00011080010001803012200021101031101ffc400160001010100"
    "000000000000000000000000050600ffc4001e10000104030003000000000000000000000003052231010204111251ffc400160101010100"
    "000000000000000000000000040206ffc400201100010205050000000000000000000000020001030405112112134171b1ffda000c030100"
    "02110311003f008a41baa222836d447799baa22bccd9510708f751e52a56e54f20d75131629f0ea9e718f5f3b7c314672a05a4cb3d3bf8cb"
    "4b06a44e385fffd9"
)
JPEG_XL = bytes.fromhex(
    "0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20000000116a786c7000000000ff0a034124000000496a6272"
    "64b60d200882d0b250a3404a0000005009ff27a40c0a000080eb906108c35487fa5f290100004060febf907012000040208e320751dd8186"
    "1bf67f811f00a82c003b000000f86a786c7080000001e05b02100094030e760c750e76feff0e00001800080001000000000080802589c488"
    "bbb91e020050266b71cf814261460a0a7391222a2a46c61819638c8ca498ab77669f4401ac40fa81d84ed93f80c7f5004e00319892705034"
    "b35944411505c03e2f2d1e3c452ad02d34b49b19e44e3e5e2059c096385216e1705bfdc38d90da2520bedb48fe0f742744126bc48225fa51"
    "f304bad330113ef92c31163256e21985160e9e020000000000a0900229806d5691542c63c9e8dbfe6600318f88724797bb88b1a3fe39d850"
    "be3f947cc335dbf7f7e96aca27d0b4003ac25cc8a75af51e19242571ca3a8f1dc81e"
)
TABLES = JPEG.index(b"\xff\xda")  # bytes before the image data: SOI and tables


def photos_vectors() -> Iterator[Vector]:
    """Packs with thumbnails, and with parts that are encoded together: opened, decoded, and every part read."""
    small = part(b"a photo, the whole of it")
    three = group([JPEG[2:100], JPEG[100:101], JPEG[101:]], 2)
    tables = group([JPEG[TABLES:]], TABLES)
    thumbs = [part(noise(f"thumbnail {n}", 300 + n), PartKind.THUMBNAIL) for n in range(2)]
    yield _photos("thumbnails", thumbs)
    yield _photos("one part that skips SOI", group([JPEG[2:]], 2))
    yield _photos("one part that skips SOI and tables", tables)
    yield _photos("one part that skips nothing", group([JPEG], 0))
    yield _photos("three parts", three)
    yield _photos("parts without bytes of their own", group([JPEG[2:], b"", b""], 2))
    yield _photos("two groups, with plain parts beside them", [small, *three, *group([JPEG], 0), thumbs[0], small])
    yield _photos("epoch 2", three, BOTH)
    yield from _spoilt_photos(three, tables, thumbs)


def group(plains: Sequence[bytes], skip: int, keyring: Keyring = FIRST, jxl: bytes = JPEG_XL) -> list[Part]:
    """Parts that are encoded together; their shares of the JPEG XL file are cut in proportion."""
    ids = [(keyring.part_id(PartKind.CONTENT, plain), len(plain)) for plain in plains]
    whole, found, at = sum(map(len, plains)), [], 0
    for number, (part_id, length) in enumerate(ids):
        start, at = at, at + length
        share = jxl[len(jxl) * start // whole : len(jxl) * at // whole]
        codec = Codec.JXL_MORE if number else Codec.JXL
        digest = hashlib.sha256(share).digest()
        skipped = 0 if number else skip
        found.append((Record(part_id, PartKind.CONTENT, codec, length, len(share), digest, skipped), share))
    return found


def _photos(name: str, parts: Sequence[Part], keyring: Keyring = FIRST) -> Vector:
    vector = _object(name, parts, keyring=keyring) | {"kind": "photos"}
    for listed, (record, _) in zip(vector["parts"], parts, strict=True):
        listed["skip"] = record.skip
    pack = PackEntry(
        name=bytes.fromhex(vector["sha256"]), size=vector["size"], records=tuple(record for record, _ in parts)
    )
    return vector | {"jxl": JPEG_XL.hex(), "jpeg": JPEG.hex(), "index": fmt.encode_index([pack]).hex()}


def _spoilt_photos(three: list[Part], tables: list[Part], thumbs: list[Part]) -> Iterator[Vector]:
    """Every tag is right, and a rule is not kept."""
    one, two, last = three
    digest = {"digest": noise("digest", 32)}
    wrong: dict[str, Sequence[Part]] = {
        "goes on with nothing": [two, last],
        "goes on after a thumbnail": [one, thumbs[0], two, last],
        "without its last part": [one, two],
        "without its middle": [one, last],
        "in another order": [one, last, two],
        "another digest": [one, (changed(two[0], **digest), two[1]), last],
        "skips a byte more": [(changed(tables[0][0], skip=TABLES + 1), tables[0][1])],
        "skips a byte less": [(changed(tables[0][0], skip=TABLES - 1), tables[0][1])],
        "skips in the middle": [one, (changed(two[0], skip=2), two[1]), last],
        "a byte more in one part, a byte less in the next": [
            (changed(one[0], length=one[0].length + 1), one[1]),
            (changed(two[0], length=two[0].length - 1), two[1]),
            last,
        ],
        "of listings": [(changed(tables[0][0], kind=PartKind.LISTING), tables[0][1])],
        "a thumbnail in zlib": [_as(thumbs[0], Codec.ZLIB)],
        "a thumbnail in JPEG XL": [_as(thumbs[0], Codec.JXL)],
        "content as JPEG XL that is none": [_as(part(noise("no JPEG", 300)), Codec.JXL)],
    }
    for name, parts in wrong.items():
        yield _vector(name, "tampered", by_hand(parts)) | {"kind": "photos", "jxl": JPEG_XL.hex(), "jpeg": JPEG.hex()}
    for name, at, value in (("codec 2", 33, 2), ("codec 5", 33, 5), ("part kind 5", 32, 5), ("part kind 7", 32, 7)):
        data = by_hand([thumbs[0]], trailer=_patched(thumbs[0][0], at, value))
        yield _vector(name, NEWER, data) | {"kind": "photos"}


def _as(given: Part, codec: Codec) -> Part:
    record, data = given
    return changed(record, codec=codec, digest=hashlib.sha256(data).digest()), data


# Index ---------------------------------------------------------------------------------------------------------------


def index_vectors() -> Iterator[Vector]:
    """The plaintext of index objects."""
    packs = [
        PackEntry(
            name=noise(f"pack {n}", 32), size=2**14 << n, records=tuple(_index_record(n, m) for m in range(n + 1))
        )
        for n in range(3)
    ]
    good = fmt.encode_index(packs)
    value = [
        {
            "name": pack.name.hex(),
            "size": pack.size,
            "parts": [
                {
                    "id": r.part_id.hex(),
                    "kind": int(r.kind),
                    "codec": int(r.codec),
                    "length": r.length,
                    "stored": r.stored,
                }
                for r in pack.records
            ],
        }
        for pack in packs
    ]
    yield {"name": "three packs", "kind": "index", "expect": "opens", "plain": good.hex(), "packs": value}
    yield {"name": "empty", "kind": "index", "expect": "opens", "plain": "", "packs": []}
    for name, expect, at, byte in (
        ("a size that no pack has", "tampered", 32, 1),
        ("2 GiB", "tampered", 35, 128),
        ("more parts than there are", "tampered", 39, 255),
        ("part kind 4", "tampered", 72, 4),
        ("part kind 5", NEWER, 72, 5),
        ("codec 2", NEWER, 73, 2),
        ("not zero", "tampered", 74, 1),
        ("plain, of another length", "tampered", 80, 7),
        ("more than 4 MiB", "tampered", 79, 1),
    ):
        bad = bytearray(good)
        bad[at] = byte
        yield {"name": name, "kind": "index", "expect": expect, "plain": bad.hex()}
    for left in (1, 39, 41, len(good) - 1):
        yield {"name": f"cut to {left} bytes", "kind": "index", "expect": "tampered", "plain": good[:left].hex()}


def _index_record(pack: int, number: int) -> Record:
    plain = number % 2 == 0
    return Record(
        part_id=noise(f"part {pack} {number}", 32),
        kind=PartKind.CONTENT if plain else PartKind.LISTING,
        codec=Codec.PLAIN if plain else Codec.ZLIB,
        length=1000 + number,
        stored=1000 + number if plain else 400,
    )


# Listings ------------------------------------------------------------------------------------------------------------


def entry_of(value: Vector) -> Entry:
    """An entry from the fields of a vector: bytes are hex there."""
    fields = dict(value) | {"kind": EntryKind(value["kind"])}
    for name in ("name", "digest", "target"):
        fields[name] = bytes.fromhex(value.get(name, ""))
    fields["parts"] = tuple(map(bytes.fromhex, value.get("parts", [])))
    fields["xattrs"] = tuple((name, bytes.fromhex(data)) for name, data in value.get("xattrs", []))
    fields["facts"] = Facts(**{name: fields.pop(name) for name in ("taken", "taken_source") if name in fields})
    return Entry(**fields)


def _entries() -> list[Vector]:
    ids = [noise(f"id {n}", 32).hex() for n in range(4)]
    file = {
        "kind": "file",
        "mode": 0o644,
        "mtime_ns": 1_600_000_000_123_456_789,
        "size": 5,
        "digest": ids[0],
        "parts": ids[:1],
    }
    return [
        file | {"name": b"..".hex(), "size": 0, "parts": [], "digest": hashlib.sha256().hexdigest()},
        file | {"name": b"IMG_1.jpg".hex(), "taken": "2020-05-04T13:22:11+02:00", "taken_source": "exif"},
        {
            "kind": "folder",
            "name": b"a folder".hex(),
            "mode": 0o4755,
            "mtime_ns": -1,
            "size": 10,
            "files": 2,
            "parts": ids[1:3],
        },
        {"kind": "folder", "name": b"an empty folder".hex(), "mode": 0, "mtime_ns": 0},
        {"kind": "link", "name": b"link".hex(), "mode": 0o777, "mtime_ns": 1, "target": b"../\xff/x".hex()},
        file | {"name": b'quote " backslash \\ line\n'.hex(), "unsettled": True},
        file
        | {
            "name": "n\u00e4me \U0001f4f7".encode().hex(),
            "xattrs": [["user.b", ""], ["user.\u00e4", "00ff"]],
            "parts": ids,
        },
        file | {"name": b"\xff\xfe raw".hex(), "mtime_ns": 2**70},
    ]


def listing_vectors() -> Iterator[Vector]:
    """Pages of listings."""
    entries = sorted(_entries(), key=lambda value: bytes.fromhex(value["name"]))
    (page,) = fmt.encode_pages([(bytes.fromhex(e["name"]), fmt.encode_entry(entry_of(e))) for e in entries])
    yield {"name": "one of each", "kind": "page", "expect": "opens", "text": page.decode(), "entries": entries}
    yield from _spoilt_pages(json.loads(page))
    yield _paging("many names", [b"IMG_%05d.jpg" % n for n in range(3000)])
    fits = [name for name in (b"%06d" % n for n in range(9000)) if not fmt.ends_page(name)]
    yield _paging("4096 names of which none ends a page, and some more", fits[:5000])


def _paging(name: str, names: list[bytes]) -> Vector:
    """Links of mode 0 and time 0 that point at nothing, by name."""
    pages = list(fmt.encode_pages((one, fmt.encode_entry(bare(one))) for one in names))
    return {
        "name": name,
        "kind": "paging",
        "expect": "opens",
        "names": b" ".join(names).decode(),
        "pages": [{"entries": len(fmt.read_page(page)), "sha256": hashlib.sha256(page).hexdigest()} for page in pages],
    }


def bare(name: bytes) -> Entry:
    """The smallest entry."""
    return Entry(name=name, kind=EntryKind.LINK, mode=0, mtime_ns=0)


def _spoilt_pages(page: Vector) -> Iterator[Vector]:
    def of(name: str, text: bytes, expect: str = "tampered") -> Vector:
        return {"name": name, "kind": "page", "expect": expect, "text": text.decode("ascii")}

    entries = page["entries"]
    by_name = {entry["name"]: entry for entry in entries}
    file, folder, link = by_name["IMG_1.jpg"], by_name["a folder"], by_name["link"]

    def with_entry(name: str, *changed: Vector) -> Vector:
        return of(name, fmt.canonical(page | {"entries": list(changed)}))

    yield of("version 2", fmt.canonical(page | {"version": 2}), NEWER)
    yield of("no version", fmt.canonical({"entries": entries}))
    yield of("unknown field of the page", fmt.canonical(page | {"more": 0}))
    yield of("entries as a map", fmt.canonical(page | {"entries": {}}))
    yield of("white space", json.dumps(page, sort_keys=True).encode())
    yield of("keys in another order", json.dumps(dict(reversed(page.items())), separators=(",", ":")).encode())
    yield of("a line feed", fmt.canonical(page) + b"\n")
    yield of("no entry is a map", fmt.canonical(page | {"entries": [1]}))
    yield of("empty", b"")
    yield of("nested too deep", b"[" * 30_000)
    yield of("infinity", fmt.canonical(page).replace(b'"mtime":-1,', b'"mtime":-Infinity,'))
    yield with_entry("a name twice", file, file)
    yield with_entry("out of order", link, file)
    for name, change in {
        "unknown field": {"more": 1},
        "unknown kind": {"kind": "socket"},
        "mode too large": {"mode": 4096},
        "mode negative": {"mode": -1},
        "mode as text": {"mode": "420"},
        "time as float": {"mtime": 1.5},
        "time null": {"mtime": None},
        "time too large": {"mtime": 2**100},
        "size as text": {"size": "5"},
        "size negative": {"size": -5},
        "size true": {"size": True},
        "size too large": {"size": 2**63},
        "digest in upper case": {"sha256": file["sha256"].upper()},
        "digest too short": {"sha256": file["sha256"][2:]},
        "no digest": {"sha256": ""},
        "parts as text": {"parts": ""},
        "a part too short": {"parts": ["00"]},
        "a part as a number": {"parts": [0]},
        "white space in hex": {"parts": [" " + "0" * 63]},
        "facts as a list": {"facts": []},
        "taken as a number": {"facts": {"taken": 2020}},
        "unsettled false": {"unsettled": False},
        "attributes as a list": {"xattrs": []},
        "attribute not in hex": {"xattrs": {"user.a": "0"}},
        "name with half a surrogate pair": {"name": "\ud83d"},
        "name that spells UTF-8 in escapes": {"name": "\udcc3\udca4"},
        "name as a number": {"name": 1},
        "target of a file": {"target": "x"},
        "files of a file": {"files": 1},
    }.items():
        yield with_entry(f"file: {name}", file | change)
    for entry in (file, folder, link):
        for field in entry.keys() - {"facts"}:
            yield with_entry(f"{entry['kind']} without {field}", {key: entry[key] for key in entry if key != field})
    yield with_entry("folder with a digest", folder | {"sha256": file["sha256"]})
    yield with_entry("link with parts", link | {"parts": []})


# Snapshots -----------------------------------------------------------------------------------------------------------


def snapshot_of(value: Vector) -> Snapshot:
    """A snapshot from the fields of a vector: bytes are hex there."""
    return Snapshot(
        **(
            value
            | {
                "device_id": bytes.fromhex(value["device_id"]),
                "previous": None if value["previous"] is None else bytes.fromhex(value["previous"]),
                "root": tuple(map(bytes.fromhex, value["root"])),
                "counts": Counts(**value["counts"]),
                "sources": tuple(Source(**source) for source in value["sources"]),
                "clear": tuple((name, bytes.fromhex(digest)) for name, digest in value["clear"]),
                "tags": tuple(value["tags"]),
                "heads": tuple(map(_head, value.get("heads", ()))),
            }
        )
    )


def _head(value: Vector) -> Head:
    return Head(
        storage=value["storage"],
        device_id=bytes.fromhex(value["device"]),
        number=value["number"],
        snapshot=bytes.fromhex(value["snapshot"]),
    )


def _snapshot_fields(number: int, previous: str | None) -> Vector:
    return {
        "device_id": noise("device id", 16).hex(),
        "device_name": "L\u00e4ptop",
        "number": number,
        "time": f"2024-05-0{number}T12:00:00.000001Z",
        "previous": previous,
        "root": [noise("root page", 32).hex()],
        "counts": {"files": 3, "folders": 2, "links": 1, "size": 12345},
        "sources": [
            {"label": "photos", "path": "/home/me/photos", "offline": False},
            {"label": "old", "path": "/mnt/\udcff", "offline": True},
        ],
        "clear": [["vault.json", noise("digest", 32).hex()]],
        "epoch": number,
        "program": "photovault 0",
        "tags": ["a tag", ""],
        "problems": 1,
    }


def snapshot_vectors() -> Iterator[Vector]:
    """A chain of two snapshots, the second of epoch 2; then plaintexts that are none."""
    previous = None
    for number, keyring in ((1, FIRST), (2, BOTH)):
        fields = _snapshot_fields(number, previous)
        plain = fmt.encode_snapshot(snapshot_of(fields))
        data = sealed([part(plain, PartKind.SNAPSHOT, keyring=keyring)], ObjectKind.SNAPSHOT, keyring)
        previous = hashlib.sha256(data).hexdigest()
        vector = _vector(f"number {number}", "opens", data, ObjectKind.SNAPSHOT, keyring)
        yield vector | {"kind": "snapshot", "sha256": previous, "plain": plain.decode(), "fields": fields}
    yield from _spoilt_snapshots(json.loads(plain))


def _spoilt_snapshots(value: Vector) -> Iterator[Vector]:
    def of(name: str, text: bytes, expect: str = "tampered") -> Vector:
        return {"name": name, "kind": "snapshot", "expect": expect, "plain": text.decode("ascii")}

    yield of("version 2", fmt.canonical(value | {"version": 2}), NEWER)
    yield of("unknown field", fmt.canonical(value | {"more": 1}))
    yield of("keys in another order", json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode())
    for field in value:
        yield of(f"no {field}", fmt.canonical({key: value[key] for key in value if key != field}))
        yield of(f"{field} as a map of maps", fmt.canonical(value | {field: {"a": {}}}))
    for name, change in {
        "number 0": {"number": 0},
        "number as text": {"number": "1"},
        "epoch 0": {"epoch": 0},
        "negative problems": {"problems": -1},
        "previous empty": {"previous": ""},
        "previous too short": {"previous": "00"},
        "time without Z": {"time": value["time"][:-1]},
        "month 13": {"time": "2024-13-01T00:00:00.000000Z"},
        "tags as text": {"tags": "abc"},
        "a number among tags": {"tags": [1]},
        "root as text": {"root": "00"},
        "sources as a map": {"sources": {}},
        "clear as text": {"clear": ""},
        "device with more": {"device": value["device"] | {"more": 1}},
        "device id short": {"device": {"id": "00", "name": ""}},
        "counts with more": {"counts": value["counts"] | {"more": 1}},
        "a count as text": {"counts": value["counts"] | {"files": "3"}},
        "offline as number": {"sources": [value["sources"][0] | {"offline": 0}]},
        "source of numbers": {"sources": [1]},
    }.items():
        yield of(name, fmt.canonical(value | change))


def heads_vectors() -> Iterator[Vector]:
    """A snapshot that tells of two storages; then heads that are none."""
    device, digest = noise("device id", 16).hex(), noise("digest", 32).hex()
    heads = [
        {"device": device, "number": 1, "snapshot": digest, "storage": "file://l\u00e4ptop/mnt/\udcff"},
        {"device": device, "number": 2, "snapshot": digest, "storage": "s3://bucket/photos?region=eu"},
    ]
    fields = _snapshot_fields(1, None) | {"number": 3, "previous": digest, "heads": heads}
    plain = fmt.encode_snapshot(snapshot_of(fields))
    data = sealed([part(plain, PartKind.SNAPSHOT)], ObjectKind.SNAPSHOT)
    vector = _vector("heads", "opens", data, ObjectKind.SNAPSHOT, FIRST)
    sha256 = hashlib.sha256(data).hexdigest()
    yield vector | {"kind": "snapshot", "sha256": sha256, "plain": plain.decode(), "fields": fields}
    value, head = json.loads(plain), heads[0]
    for name, change in {
        "no heads in the list": [],
        "heads as a map": {},
        "heads as null": None,
        "a head as text": ["a"],
        "a head with more": [head | {"more": 1}],
        "a head without a storage": [{key: head[key] for key in head if key != "storage"}],
        "a head with number 0": [head | {"number": 0}],
        "a head with a short device id": [head | {"device": "00"}],
        "a head with a short snapshot name": [head | {"snapshot": "00"}],
        "a head with a storage that is no text": [head | {"storage": 1}],
    }.items():
        text = fmt.canonical(value | {"heads": change}).decode("ascii")
        yield {"name": name, "kind": "snapshot", "expect": "tampered", "plain": text}


# Retention records ---------------------------------------------------------------------------------------------------


def retention_of(value: Vector) -> Retention:
    """A retention record from the fields of a vector: bytes are hex there."""
    lists = {name: tuple(map(bytes.fromhex, value[name])) for name in ("pins", "packs", "indexes", "parity")}
    gone = tuple(
        Gone(name=bytes.fromhex(name), device_id=bytes.fromhex(device), number=number)
        for name, device, number in value["snapshots"]
    )
    return Retention(**(value | lists | {"device_id": bytes.fromhex(value["device_id"]), "snapshots": gone}))


def retention_vectors() -> Iterator[Vector]:
    """A record of each kind, the second of epoch 2; then plaintexts that are none."""
    names = sorted(noise(f"name {number}", 32).hex() for number in range(6))
    bare = {"device_id": noise("device id", 16).hex(), "device_name": "L\u00e4ptop", "time": CREATED, "grace": 604800}
    empty: Vector = {"pins": [], "snapshots": [], "packs": [], "indexes": [], "parity": []}
    gone = [[name, bare["device_id"], number] for number, name in enumerate(names[:2], 7)]
    many = {"snapshots": gone, "packs": names[1:4], "indexes": names[4:], "parity": names[:1]}
    for name, keyring, fields in (
        ("a pin", FIRST, bare | empty | {"pins": names[:1]}),
        ("what is removed", BOTH, bare | empty | many),
    ):
        plain = fmt.encode_retention(retention_of(fields))
        data = sealed([part(plain, PartKind.RETENTION, keyring=keyring)], ObjectKind.RETENTION, keyring)
        vector = _vector(name, "opens", data, ObjectKind.RETENTION, keyring)
        sha256 = hashlib.sha256(data).hexdigest()
        yield vector | {"kind": "retention", "sha256": sha256, "plain": plain.decode(), "fields": fields}
    yield from _spoilt_retention(json.loads(plain))


def _spoilt_retention(value: Vector) -> Iterator[Vector]:
    def of(name: str, text: bytes, expect: str = "tampered") -> Vector:
        return {"name": name, "kind": "retention", "expect": expect, "plain": text.decode("ascii")}

    yield of("version 2", fmt.canonical(value | {"version": 2}), NEWER)
    yield of("unknown field", fmt.canonical(value | {"more": 1}))
    for field in value:
        yield of(f"no {field}", fmt.canonical({key: value[key] for key in value if key != field}))
        yield of(f"{field} as a map of maps", fmt.canonical(value | {field: {"a": {}}}))
    for name, change in {
        "negative grace": {"grace": -1},
        "grace as text": {"grace": "1"},
        "time without Z": {"time": value["time"][:-1]},
        "packs out of order": {"packs": value["packs"][::-1]},
        "a pack twice": {"packs": value["packs"][:1] * 2},
        "a short name": {"indexes": ["00"]},
        "a snapshot twice": {"snapshots": value["snapshots"][:1] * 2},
        "snapshots out of order": {"snapshots": value["snapshots"][::-1]},
        "a snapshot with number 0": {"snapshots": [value["snapshots"][0] | {"number": 0}]},
        "a snapshot with more": {"snapshots": [value["snapshots"][0] | {"more": 1}]},
        "device id short": {"device": {"id": "00", "name": ""}},
    }.items():
        yield of(name, fmt.canonical(value | change))


# Parity --------------------------------------------------------------------------------------------------------------


def parity_vectors() -> Iterator[Vector]:
    """The code alone; parity objects, one of them of epoch 2; then maps and objects that are none."""
    for count in (1, 2, 3, 16):
        packs = [noise(f"pack {count} {number}", 64) for number in range(count)]
        shards = [shard.hex() for shard in shards_of(packs)]
        listed = [data.hex() for data in packs]
        yield {
            "name": f"the code of {count} packs",
            "kind": "code",
            "expect": "opens",
            "packs": listed,
            "shards": shards,
        }
    names = tuple(noise(f"name of pack {number}", 32) for number in range(16))
    first, rest = fmt.parity_pieces(names, fmt.SIZE_MIN, 1)
    yield _parity("a full group, first piece", first)
    yield _parity("a full group, the rest", rest)
    yield _parity("one pack of 16 MiB, some bytes of it", _some_bytes(names[:1]))
    yield _parity("epoch 2", _some_bytes(names[:2]), BOTH)
    yield from _spoilt_maps(json.loads(fmt.encode_parity_map(rest)))
    yield from _spoilt_parity(_some_bytes(names[:2]))


def _some_bytes(packs: tuple[bytes, ...]) -> ParityMap:
    return ParityMap(packs=packs, size=fmt.SIZE_MAX, shard=0, offset=1000, length=300)


def _parity_parts(parity: ParityMap, keyring: Keyring = FIRST) -> list[Part]:
    said = part(fmt.encode_parity_map(parity), PartKind.PARITY_MAP, keyring=keyring)
    return [said, part(noise("shard", parity.length), PartKind.PARITY, keyring=keyring)]


def _parity(name: str, parity: ParityMap, keyring: Keyring = FIRST) -> Vector:
    vector = _object(name, _parity_parts(parity, keyring), ObjectKind.PARITY, keyring)
    fields = {field: getattr(parity, field) for field in ("size", "shard", "offset", "length")}
    plain = fmt.encode_parity_map(parity).decode()
    packs = [pack.hex() for pack in parity.packs]
    return vector | {"kind": "parity", "plain": plain, "fields": fields | {"packs": packs}}


def _spoilt_maps(value: Vector) -> Iterator[Vector]:
    def of(name: str, text: bytes, expect: str = "tampered") -> Vector:
        return {"name": name, "kind": "parity", "expect": expect, "plain": text.decode("ascii")}

    yield of("version 2", fmt.canonical(value | {"version": 2}), NEWER)
    yield of("unknown field", fmt.canonical(value | {"more": 1}))
    yield of("keys in another order", json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode())
    for field in value:
        yield of(f"no {field}", fmt.canonical({key: value[key] for key in value if key != field}))
        yield of(f"{field} as a map of maps", fmt.canonical(value | {field: {"a": {}}}))
    names = value["packs"]
    for name, change in {
        "a group of nothing": {"packs": []},
        "17 packs": {"packs": [*names, noise("name of pack 16", 32).hex()]},
        "a pack twice": {"packs": [names[0], names[0]]},
        "a short name": {"packs": ["00"]},
        "a name in upper case": {"packs": [names[0].upper()]},
        "shard 2": {"shard": 2},
        "shard -1": {"shard": -1},
        "three shards": {"shards": 3},
        "shard as true": {"shard": True},
        "no size of a pack": {"size": 2**14 + 1},
        "32 MiB": {"size": 2**25},
        "8 KiB": {"size": 2**13, "offset": 0, "length": 1},
        "no bytes": {"length": 0},
        "a byte beyond the end": {"length": value["length"] + 1},
        "behind the end": {"offset": 2**14},
        "before the beginning": {"offset": -1},
        "length as text": {"length": "1"},
    }.items():
        yield of(name, fmt.canonical(value | change))


def _spoilt_parity(parity: ParityMap) -> Iterator[Vector]:
    """Every tag is right, and a rule is not kept."""
    said, held = _parity_parts(parity)
    other = part(fmt.encode_parity_map(replace(parity, length=parity.length + 1)), PartKind.PARITY_MAP)
    squeezed = zlib.compress(bytes(300), 9)
    for name, parts in {
        "no map": [held],
        "no bytes of a shard": [said],
        "the map behind": [held, said],
        "two maps": [said, said],
        "one part more": [said, held, held],
        "a map of another length": [other, held],
        "content in a parity object": [said, part(noise("shard", 300))],
        "zeros in zlib": [said, part(bytes(300), PartKind.PARITY, squeezed)],
    }.items():
        yield _vector(name, "tampered", by_hand(parts, kind=ObjectKind.PARITY), ObjectKind.PARITY) | {"kind": "parity"}
    yield _vector("larger than it needs to be", "tampered", sealed([said, held], ObjectKind.PARITY, size=2**15)) | {
        "kind": "parity"
    }
    yield _vector("parity in a pack", "tampered", by_hand([said, held]))


# A whole vault -------------------------------------------------------------------------------------------------------


def vault_vectors() -> Iterator[Vector]:
    """A vault with two key epochs: a folder was backed up, the keys rotated, a photo added, and backed up again."""
    objects = {"vault.json": make_header()}
    old, new, link = (
        make_slot(new_slot("words", WORDS, 1), keyring=FIRST),
        make_slot(new_slot("words", OTHER, 2), keyring=BOTH),
        make_slot(new_slot("epoch", ROOT_2, 1), keyring=BOTH, epoch=1),
    )
    objects |= {slot.name: slot.encode() for slot in (old, new, link)}
    first = _backup(objects, FIRST, {b"a.jpg": b"the first photo"}, 1, None)
    second = _backup(objects, BOTH, {b"a.jpg": b"the first photo", b"b.jpg": b"the second photo"}, 2, first)
    good = {
        "name": "two epochs",
        "kind": "vault",
        "expect": "opens",
        "words": OTHER.hex(),
        "objects": {name: b64(data) for name, data in objects.items()},
        "files": {"photos/a.jpg": b"the first photo".hex(), "photos/b.jpg": b"the second photo".hex()},
        "snapshots": [first.hex(), second.hex()],
    }
    yield good
    common = {"kind": "vault", "of": "two epochs", "words": OTHER.hex(), "without": []}
    yield common | {"name": "the words of epoch 1, of no use now", "expect": "tampered", "words": WORDS.hex()}
    yield common | {"name": "words of somebody else", "expect": "wrong key", "words": DEVICE.hex()}
    yield common | {"name": "the link of epochs is gone", "expect": "tampered", "without": [link.name]}
    yield common | {"name": "the slot of epoch 2 is gone", "expect": "wrong key", "without": [new.name]}
    yield common | {
        "name": "the snapshot of epoch 1 is changed",
        "expect": "tampered",
        "flip": ["snapshots/" + first.hex(), 5000],
    }
    pack = next(name for name in objects if name.startswith("packs/"))
    yield common | {"name": "a pack of epoch 1 is changed", "expect": "tampered", "flip": [pack, 112]}
    yield common | {"name": "a pack of epoch 1 is gone", "expect": "tampered", "without": [pack]}


def _backup(
    objects: dict[str, bytes], keyring: Keyring, files: dict[bytes, bytes], number: int, previous: bytes | None
) -> bytes:
    """What a run stores; what the vault has is not stored again."""
    contents = [part(data, keyring=keyring) for data in files.values()]
    listed = [
        Entry(
            name=name,
            kind=EntryKind.FILE,
            mode=0o600,
            mtime_ns=number,
            size=len(data),
            digest=hashlib.sha256(data).digest(),
            parts=(record.part_id,),
        )
        for (name, data), (record, _) in zip(files.items(), contents, strict=True)
    ]
    inner = _page(listed, keyring)
    top = Entry(
        name=b"photos",
        kind=EntryKind.FOLDER,
        mode=0o700,
        mtime_ns=0,
        size=sum(map(len, files.values())),
        files=len(files),
        parts=(inner[0].part_id,),
    )
    outer = _page([top], keyring)
    added = contents[number - 1 :]
    pack = _store(objects, ObjectKind.PACK, [*added, inner, outer], keyring)
    records = tuple(record for record, _ in [*added, inner, outer])
    size = len(objects[fmt.object_name(ObjectKind.PACK, pack)])
    plain = fmt.encode_index([PackEntry(name=pack, size=size, records=records)])
    _store(objects, ObjectKind.INDEX, [part(plain, PartKind.INDEX, keyring=keyring)], keyring)
    fields = _snapshot_fields(number, previous.hex() if previous else None)
    snapshot = replace(snapshot_of(fields), root=(outer[0].part_id,))
    encoded = fmt.encode_snapshot(snapshot)
    return _store(objects, ObjectKind.SNAPSHOT, [part(encoded, PartKind.SNAPSHOT, keyring=keyring)], keyring)


def _page(entries: list[Entry], keyring: Keyring) -> Part:
    (page,) = fmt.encode_pages((entry.name, fmt.encode_entry(entry)) for entry in entries)
    return part(page, PartKind.LISTING, zlib.compress(page, 6), keyring)


def _store(objects: dict[str, bytes], kind: ObjectKind, parts: list[Part], keyring: Keyring) -> bytes:
    data = sealed(parts, kind, keyring)
    digest = hashlib.sha256(data).digest()
    objects[fmt.object_name(kind, digest)] = data
    return digest


if __name__ == "__main__":
    main()
