"""The vectors of format version 1: read by photovault, made again byte for byte, and checked without photovault.

The second half of this file is written from docs/format.md with the primitives of ``cryptography`` alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import unicodedata
import zlib
from collections import Counter
from functools import cache
from itertools import combinations, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from photovault.audit.objects import _open_parts
from photovault.crypto import keys
from photovault.crypto.keys import Keyring
from photovault.crypto.words import from_words, to_words
from photovault.crypto.wrap import Stretch
from photovault.errors import DamageError, UnknownVersionError, WrongKeyError
from photovault.model import EntryKind
from photovault.parity import open_parity
from photovault.parity.coding import lost_of, shards_of
from photovault.storage.memory import MemoryStorage
from photovault.vault import format as fmt
from photovault.vault.format import Codec, ObjectKind, PackEntry, PartKind, Record
from photovault.vault.pack import Draft, open_object, open_single, seal
from photovault.vault.places import Places
from photovault.vault.reader import Reader
from photovault.vault.slots import NewSlot, Secrets, check_slot, make_slot, open_slot, slot_info
from photovault.vault.vault import Vault, check_header, unlock
from tests.parity import field
from tests.vectors import make

if TYPE_CHECKING:
    from collections.abc import Callable

Vector = dict[str, Any]
FOLDER = Path(make.__file__).parent
FILES = (
    "key",
    "header",
    "slot",
    "object",
    "index",
    "listing",
    "snapshot",
    "heads",
    "vault",
    "photos",
    "retention",
    "parity",
)
ERRORS = {"tampered": DamageError, "wrong key": WrongKeyError, "unknown version": UnknownVersionError}


@cache
def load(file: str) -> tuple[Vector, ...]:
    return tuple(json.loads((FOLDER / f"{file}.json").read_text("ascii"))["vectors"])


def opening(file: str, kind: str) -> list[Vector]:
    return [vector for vector in load(file) if vector["expect"] == "opens" and vector["kind"] == kind]


def named(file: str, name: str) -> Vector:
    (found,) = (vector for vector in load(file) if vector["name"] == name)
    return found


def each(file: str) -> list[Any]:
    return [pytest.param(vector, id=f"{file}: {vector['name']}") for vector in load(file)]


def keyring_of(vector: Vector) -> Keyring:
    roots = vector.get("roots") or {"1": vector["root"]}
    return Keyring.of(
        bytes.fromhex(vector["vault"]), {int(epoch): bytes.fromhex(root) for epoch, root in roots.items()}
    )


# Through photovault --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", [vector for file in FILES if file != "vault" for vector in each(file)])
def test_a_vector_does_what_it_says(vector: Vector) -> None:
    read = READ[vector["kind"]]
    if vector["expect"] == "opens":
        read(vector)
        return
    with pytest.raises(ERRORS[vector["expect"]]):
        read(vector)


def read_derived(vector: Vector) -> None:
    root, vault_id = bytes.fromhex(vector["root"]), bytes.fromhex(vector["vault"])
    assert keys.derive(root, vault_id, vector["label"].encode()).hex() == vector["key"]


def read_part_id(vector: Vector) -> None:
    assert keyring_of(vector).part_id(vector["part"], bytes.fromhex(vector["data"])).hex() == vector["id"]


def read_words(vector: Vector) -> None:
    secret = from_words(vector["words"])
    assert secret.hex() == vector["secret"]
    assert " ".join(to_words(secret)) == vector["words"]


def read_header(vector: Vector) -> None:
    header = fmt.read_header(vector["text"].encode())
    check_header(header, keyring_of(vector))
    assert header.encode() == vector["text"].encode()


def secret_of(vector: Vector) -> bytes | str:
    secret = vector["secret"]
    return secret["password"] if "password" in secret else bytes.fromhex(secret["bytes"])


def read_slot(vector: Vector) -> None:
    slot = fmt.read_slot(vector["text"].encode(), vector["stored"])
    assert open_slot(slot, secret_of(vector)).hex() == vector["root"]
    keyring = keyring_of({"vault": vector["vault"], "roots": vector["roots"]})
    check_slot(slot, keyring)
    assert slot_info(slot, keyring).label == f"{slot.kind} of the vectors"
    upto = slot.epoch + (slot.kind == "epoch")
    writer = Keyring.of(keyring.vault_id, {epoch: root for epoch, root in keyring.roots.items() if epoch <= upto})
    again = NewSlot(
        kind=slot.kind,
        secret=secret_of(vector),
        label=f"{slot.kind} of the vectors",
        created=make.CREATED,
        slot_id=slot.slot_id,
        salt=slot.salt,
        stretch=Stretch(memory_kib=slot.stretch[0], passes=slot.stretch[1], lanes=slot.stretch[2])
        if slot.stretch
        else None,
    )
    assert make_slot(again, keyring=writer, epoch=slot.epoch).encode() == vector["text"].encode()


def bytes_of(vector: Vector, file: str = "object") -> bytes:
    """The object of a vector, or that of another one, changed."""
    if "object" in vector:
        return base64.b64decode(vector["object"])
    data = bytearray(base64.b64decode(named(file, vector["of"])["object"]))
    if "flip" in vector:
        at, bits = vector["flip"]
        data[at] ^= bits
    if "swap" in vector:
        one, two, size = vector["swap"]
        data[one : one + size], data[two : two + size] = data[two : two + size], data[one : one + size]
    return bytes(data[: vector.get("cut", len(data))])


def read_object(vector: Vector) -> None:
    data, kind = bytes_of(vector), ObjectKind(vector["object_kind"])
    keyring = keyring_of(vector)
    opened = open_object(keyring, kind, data)
    if kind is not ObjectKind.PACK:
        open_single(keyring, kind, data)
    plain = [opened.part(region) for region in opened.regions]
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    assert [region.record.part_id.hex() for region in opened.regions] == [part["id"] for part in vector["parts"]]
    for part, text in zip(vector["parts"], plain, strict=True):
        assert keyring.part_id(part["kind"], text).hex() == part["id"]
    assert sealed_again(vector, keyring) == data


def sealed_again(vector: Vector, keyring: Keyring) -> bytes:
    parts = [(record_of(part), base64.b64decode(part["encoded"])) for part in vector["parts"]]
    draft = Draft(ObjectKind(vector["object_kind"]), bytearray(sum(record.stored for record, _ in parts)))
    for record, encoded in parts:
        draft.add(record, encoded)
    return bytes(seal(draft, keyring, vector["size"], memoryview(bytearray(vector["size"]))))


def record_of(part: Vector) -> Record:
    encoded = base64.b64decode(part["encoded"])
    return Record(
        part_id=bytes.fromhex(part["id"]),
        kind=PartKind(part["kind"]),
        codec=Codec(part["codec"]),
        length=part["length"],
        stored=len(encoded),
        digest=hashlib.sha256(encoded).digest() if part["codec"] else bytes(32),
        skip=part.get("skip", 0),
    )


def read_photos(vector: Vector) -> None:
    """As an audit reads a pack: whatever is not derived again is damage."""
    data, keyring = bytes_of(vector), keyring_of(vector)

    def unpack(jxl: bytes, size: int) -> bytes:
        jpeg = bytes.fromhex(vector["jpeg"])
        if jxl.hex() != vector["jxl"] or size != len(jpeg):
            raise DamageError("it does not decode")
        return jpeg

    opened = open_object(keyring, ObjectKind.PACK, data)
    plains = list(_open_parts(opened, keyring, unpack))
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    for part, plain in zip(vector["parts"], plains, strict=True):
        assert keyring.part_id(part["kind"], plain).hex() == part["id"]
    assert sealed_again(vector, keyring) == data
    (pack,) = fmt.read_index(bytes.fromhex(vector["index"]))
    assert [record._replace(digest=b"") for record in pack.records] == [
        region.record._replace(digest=b"") for region in opened.regions
    ]
    assert fmt.encode_index([pack]).hex() == vector["index"]


def read_index(vector: Vector) -> None:
    plain = bytes.fromhex(vector["plain"])
    packs = fmt.read_index(plain)
    found = [
        {
            "name": pack.name.hex(),
            "size": pack.size,
            "parts": [
                {"id": r.part_id.hex(), "kind": r.kind, "codec": r.codec, "length": r.length, "stored": r.stored}
                for r in pack.records
            ],
        }
        for pack in packs
    ]
    assert found == vector["packs"]
    assert fmt.encode_index([PackEntry(name=p.name, size=p.size, records=p.records) for p in packs]) == plain


def read_page(vector: Vector) -> None:
    entries = fmt.read_page(vector["text"].encode())
    assert entries == [make.entry_of(entry) for entry in vector["entries"]]
    assert list(fmt.encode_pages((e.name, fmt.encode_entry(e)) for e in entries)) == [vector["text"].encode()]


def read_paging(vector: Vector) -> None:
    names = vector["names"].encode().split()
    pages = list(fmt.encode_pages((name, fmt.encode_entry(make.bare(name))) for name in names))
    found = [{"entries": len(fmt.read_page(page)), "sha256": hashlib.sha256(page).hexdigest()} for page in pages]
    assert found == vector["pages"]


def read_snapshot(vector: Vector) -> None:
    snapshot = fmt.read_snapshot(vector["plain"].encode())
    assert snapshot == make.snapshot_of(vector["fields"])
    assert fmt.encode_snapshot(snapshot) == vector["plain"].encode()
    data = base64.b64decode(vector["object"])
    keyring = keyring_of(vector)
    assert open_single(keyring, ObjectKind.SNAPSHOT, data) == vector["plain"].encode()
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    part = make.part(vector["plain"].encode(), PartKind.SNAPSHOT, keyring=keyring)
    assert make.sealed([part], ObjectKind.SNAPSHOT, keyring) == data


def read_retention(vector: Vector) -> None:
    plain = vector["plain"].encode()
    record = fmt.read_retention(plain)
    assert record == make.retention_of(vector["fields"])
    assert fmt.encode_retention(record) == plain
    data = base64.b64decode(vector["object"])
    keyring = keyring_of(vector)
    assert open_single(keyring, ObjectKind.RETENTION, data) == plain
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    assert make.sealed([make.part(plain, PartKind.RETENTION, keyring=keyring)], ObjectKind.RETENTION, keyring) == data


def read_parity(vector: Vector) -> None:
    if "plain" in vector:
        plain = vector["plain"].encode()
        parity = fmt.read_parity_map(plain)
        assert fmt.encode_parity_map(parity) == plain
    data = base64.b64decode(vector["object"])
    keyring = keyring_of(vector)
    found, held = open_parity(keyring, data)
    fields = vector["fields"] | {"packs": tuple(map(bytes.fromhex, vector["fields"]["packs"]))}
    assert found == fmt.ParityMap(**fields) == parity
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    assert held == base64.b64decode(vector["parts"][1]["encoded"])
    assert sealed_again(vector, keyring) == data


def read_code(vector: Vector) -> None:
    packs, shards = ([bytes.fromhex(one) for one in vector[name]] for name in ("packs", "shards"))
    assert shards_of(packs) == shards
    for lost in combinations(range(len(packs)), min(2, len(packs))):
        known = {n: data for n, data in enumerate(packs) if n not in lost}
        assert lost_of(known, dict(enumerate(shards)), len(packs)) == {n: packs[n] for n in lost}


READ: dict[str, Callable[[Vector], None]] = {
    "derived": read_derived,
    "part-id": read_part_id,
    "words": read_words,
    "header": read_header,
    "slot": read_slot,
    "object": read_object,
    "photos": read_photos,
    "index": read_index,
    "page": read_page,
    "paging": read_paging,
    "snapshot": read_snapshot,
    "retention": read_retention,
    "parity": read_parity,
    "code": read_code,
}


@pytest.mark.parametrize("vector", each("vault"))
def test_a_vault_of_two_epochs(vector: Vector, tmp_path: Path) -> None:
    good = named("vault", "two epochs")
    storage = MemoryStorage()
    storage.objects = {name: base64.b64decode(data) for name, data in good["objects"].items()}
    for name in vector.get("without", []):
        del storage.objects[name]
    if "flip" in vector:
        name, at = vector["flip"]
        data = bytearray(storage.objects[name])
        data[at] ^= 1
        storage.objects[name] = bytes(data)
    places = Places(tmp_path / "places.sqlite")
    try:
        if vector["expect"] == "opens":
            assert read_vault(storage, vector["words"], places) == (vector["files"], vector["snapshots"])
            return
        with pytest.raises(ERRORS[vector["expect"]]):
            read_vault(storage, vector["words"], places)
    finally:
        places.close()


def read_vault(storage: MemoryStorage, words: str, places: Places) -> tuple[dict[str, str], list[str]]:
    """Files of the newest snapshot and the names of all snapshots; raises the first thing that is wrong."""
    keyring, _ = unlock(storage, Secrets(words=bytes.fromhex(words)))
    vault = Vault(storage, keyring, places)
    problems = [*vault.refresh().findings, *vault.slots()[1], *vault.snapshots().damaged]
    if problems:
        raise DamageError(problems[0].what)
    snapshots = vault.snapshots().found
    assert [one.snapshot.previous for one in snapshots] == [None, *(one.name for one in snapshots[:-1])]
    reader, files = Reader(vault), {}
    for path, entry in reader.walk(snapshots[-1].snapshot.root):
        if isinstance(entry, DamageError):
            raise entry
        if entry.kind is EntryKind.FILE:
            data = b"".join(reader.part(part) for part in entry.parts)
            assert hashlib.sha256(data).digest() == entry.digest
            files[b"/".join(path).decode()] = data.hex()
    return files, [one.id for one in snapshots]


def test_every_file_is_read_and_says_what_it_expects() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(FILES)
    for file in FILES:
        expected = Counter(vector["expect"] for vector in load(file))
        assert expected["opens"]
        assert expected.keys() <= {"opens", *ERRORS}
        names = [vector["name"] for vector in load(file)]
        assert len(set(names)) == len(names)


def test_vectors_are_never_written_again(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in FOLDER.glob("*.json")}
    make.main()
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in FOLDER.glob("*.json")} == before
    assert capsys.readouterr().err.count("never change") == len(FILES)


# Without photovault, from docs/format.md -----------------------------------------------------------------------------


def hkdf(secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(secret)


def working_key(root: bytes, vault_id: bytes, label: str) -> bytes:
    return hkdf(root, vault_id, b"photovault/1/" + label.encode(), 32)


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


@pytest.mark.parametrize("vector", opening("key", "derived"), ids=lambda vector: vector["name"])
def test_section_3_keys(vector: Vector) -> None:
    assert (
        working_key(bytes.fromhex(vector["root"]), bytes.fromhex(vector["vault"]), vector["label"]).hex()
        == vector["key"]
    )


@pytest.mark.parametrize("vector", opening("key", "part-id"), ids=lambda vector: vector["name"])
def test_section_5_part_ids(vector: Vector) -> None:
    data = bytes.fromhex(vector["data"])
    key = working_key(bytes.fromhex(vector["root"]), bytes.fromhex(vector["vault"]), "part-id")
    assert mac(key, struct.pack("<BQ", vector["part"], len(data)) + data).hex() == vector["id"]


def test_section_3_header() -> None:
    (vector,) = opening("header", "header")
    value = json.loads(vector["text"])
    found = value.pop("mac")
    key = working_key(bytes.fromhex(vector["root"]), bytes.fromhex(vector["vault"]), "header")
    assert found == mac(key, canonical(value)).hex()
    assert value == {
        "format": "photovault",
        "suite": "AES-256-GCM HKDF-SHA256 HMAC-SHA256 Argon2id",
        "vault": vector["vault"],
        "version": 1,
    }
    assert vector["text"].encode() == canonical(value | {"mac": found}) + b"\n"


@pytest.mark.parametrize("vector", opening("slot", "slot"), ids=lambda vector: vector["name"])
def test_section_4_key_slots(vector: Vector) -> None:
    slot = json.loads(vector["text"])
    vault_id, salt, wrapped = (bytes.fromhex(slot[key]) for key in ("vault", "salt", "wrapped"))
    secret, kdf = secret_of(vector), slot["kdf"]
    if isinstance(secret, str):
        assert kdf["name"] == "argon2id"
        stretch = Argon2id(
            salt=salt, length=32, iterations=kdf["passes"], lanes=kdf["lanes"], memory_cost=kdf["memory_kib"]
        )
        secret = stretch.derive(unicodedata.normalize("NFC", secret).encode())
    context = b"photovault/1/slot" + vault_id + bytes.fromhex(slot["id"]) + slot["kind"].encode()
    both = hkdf(secret, salt, context, 64)
    assert wrapped[:32] == both[32:]
    root = AESGCM(both[:32]).decrypt(bytes(12), wrapped[32:], context)
    assert root.hex() == vector["roots"][str(slot["epoch"])]
    maker = bytes.fromhex(vector["roots"][str(slot["epoch"] + (slot["kind"] == "epoch"))])
    found = slot.pop("mac")
    assert mac(working_key(maker, vault_id, "slot-mac"), canonical(slot)).hex() == found
    info_key = hkdf(working_key(maker, vault_id, "slot-info"), salt, b"photovault/1/slot-info", 32)
    plain = AESGCM(info_key).decrypt(bytes(12), bytes.fromhex(slot["info"]), context)
    label = {"created": "2024-05-04T12:00:00.000000Z", "label": f"{slot['kind']} of the vectors"}
    assert plain == canonical(label).ljust(256, b"\0")


@pytest.mark.parametrize(
    "vector", opening("object", "object") + opening("photos", "photos"), ids=lambda vector: vector["name"]
)
def test_section_5_sealed_objects(vector: Vector) -> None:
    """Every byte of the object, made from the inputs."""
    vault_id, root = bytes.fromhex(vector["vault"]), bytes.fromhex(vector["roots"][str(vector["epoch"])])
    kind, size = vector["object_kind"], vector["size"]
    parts = [(part, base64.b64decode(part["encoded"])) for part in vector["parts"]]
    trailer = b"".join(
        bytes.fromhex(part["id"])
        + struct.pack("<BBHII", part["kind"], part["codec"], part.get("skip", 0), part["length"], len(encoded))
        + (hashlib.sha256(encoded).digest() if part["codec"] else bytes(32))
        for part, encoded in parts
    )
    salt = mac(working_key(root, vault_id, "salt"), struct.pack("<BI", kind, size) + trailer)
    both = hkdf(working_key(root, vault_id, "seal"), salt, b"photovault/1/object" + vault_id + bytes([kind]), 64)
    assert (salt.hex(), both[32:].hex()) == (vector["salt"], vector["commitment"])

    def region(number: int, plain: bytes, associated: bytes) -> bytes:
        return AESGCM(both[:32]).encrypt(number.to_bytes(12, "big"), plain, vault_id + bytes([kind]) + associated)

    padding = size - 112 - sum(len(encoded) + 16 for _, encoded in parts) - len(trailer) - 32
    made = struct.pack("<6sBBII", b"PVSEAL", 1, kind, vector["epoch"], 0) + salt + both[32:]
    made += region(0, struct.pack("<IIII", len(trailer), len(parts), padding, 0), b"\0")
    for number, (part, encoded) in enumerate(parts, 3):
        made += region(number, encoded, bytes([3, part["kind"], part["codec"]]) + bytes.fromhex(part["id"]))
    made += region(2, bytes(padding), b"\2") + region(1, trailer, b"\1")
    assert made == base64.b64decode(vector["object"])


@pytest.mark.parametrize("vector", opening("object", "object"), ids=lambda vector: vector["name"])
def test_section_5_part_ids_and_codecs(vector: Vector) -> None:
    key = working_key(bytes.fromhex(vector["roots"]["1"]), bytes.fromhex(vector["vault"]), "part-id")
    for part in vector["parts"]:
        encoded = base64.b64decode(part["encoded"])
        plain = zlib.decompress(encoded) if part["codec"] else encoded
        assert mac(key, struct.pack("<BQ", part["kind"], len(plain)) + plain).hex() == part["id"]


@pytest.mark.parametrize("vector", opening("photos", "photos"), ids=lambda vector: vector["name"])
def test_section_5_groups(vector: Vector) -> None:
    """Decoded with the library, as FORMAT.md says it."""
    key = working_key(bytes.fromhex(vector["roots"]["1"]), bytes.fromhex(vector["vault"]), "part-id")
    plains: list[bytes] = []
    for number, part in enumerate(vector["parts"]):
        if part["codec"] == 0:
            plains.append(base64.b64decode(part["encoded"]))
        if part["codec"] != 3:
            continue
        more = list(takewhile(lambda other: other["codec"] == 4, vector["parts"][number + 1 :]))
        jxl = b"".join(base64.b64decode(one["encoded"]) for one in [part, *more])
        jpeg = bytes(imagecodecs.jpegxl_decode_jpeg(jxl))
        assert (jxl.hex(), jpeg.hex()) == (vector["jxl"], vector["jpeg"])
        at = part["skip"]
        for one in [part, *more]:
            plains.append(jpeg[at : at + one["length"]])
            at += one["length"]
        assert at == len(jpeg)
    for part, plain in zip(vector["parts"], plains, strict=True):
        assert mac(key, struct.pack("<BQ", part["kind"], len(plain)) + plain).hex() == part["id"]


def test_section_6_index() -> None:
    vector = named("index", "three packs")
    made = b""
    for pack in vector["packs"]:
        made += bytes.fromhex(pack["name"]) + struct.pack("<II", pack["size"], len(pack["parts"]))
        for part in pack["parts"]:
            made += bytes.fromhex(part["id"])
            made += struct.pack("<BBHII", part["kind"], part["codec"], 0, part["length"], part["stored"])
    assert made.hex() == vector["plain"]


@pytest.mark.parametrize("vector", opening("listing", "paging"), ids=lambda vector: vector["name"])
def test_section_7_where_pages_end(vector: Vector) -> None:
    pages: list[list[bytes]] = [[]]
    for name in vector["names"].encode().split():
        pages[-1].append(name)
        if int.from_bytes(hashlib.sha256(name).digest()[:4], "big") % 512 == 0 or len(pages[-1]) == 4096:
            pages.append([])
    texts = [
        canonical(
            {
                "entries": [
                    {"kind": "link", "mode": 0, "mtime": 0, "name": name.decode(), "target": ""} for name in page
                ],
                "version": 1,
            }
        )
        for page in pages
        if page
    ]
    assert [hashlib.sha256(text).hexdigest() for text in texts] == [page["sha256"] for page in vector["pages"]]


@pytest.mark.parametrize("vector", opening("parity", "code"), ids=lambda vector: vector["name"])
def test_section_10_the_code(vector: Vector) -> None:
    """Without a library, as FORMAT.md says it."""
    packs = [bytes.fromhex(one) for one in vector["packs"]]
    assert [field.shard_of(packs, shard).hex() for shard in range(2)] == vector["shards"]


def test_section_10_the_factors() -> None:
    told = (FOLDER.parents[1] / "docs" / "format.md").read_text()
    for shard, factors in enumerate(field.FACTORS):
        assert f"    shard {shard}   {' '.join(f'{factor:02x}' for factor in factors)}\n" in told
    assert ", ".join(map(str, field.POINTS[:18])) in told


@pytest.mark.parametrize("vector", opening("parity", "parity"), ids=lambda vector: vector["name"])
def test_section_10_objects(vector: Vector) -> None:
    said, held = (base64.b64decode(one["encoded"]) for one in vector["parts"])
    value = json.loads(said)
    assert canonical(value) == said
    assert value.keys() == {"length", "offset", "packs", "shard", "shards", "size", "version"}
    assert (value["length"], value["shards"], value["version"]) == (len(held), 2, 1)
    needed = 112 + len(said) + len(held) + 2 * (16 + 76) + 32
    assert vector["size"] == max(2**14, 1 << (needed - 1).bit_length())
    assert [one["kind"] for one in vector["parts"]] == [10, 11]
