"""Every byte at rest, the twin of docs/format.md, section by section.

Layouts only: values in, bytes out, and back.  No key, no file, no clock.  Readers are strict: what is not exactly
what a writer of this version makes is refused, an unknown version by ``UnknownVersionError`` (nothing is wrong, the
program is too old), anything else by ``DamageError``.  All integers are unsigned and little-endian.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from photovault.errors import DamageError, UnknownVersionError
from photovault.model import Counts, Entry, EntryKind, Snapshot, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 1
FIRST_EPOCH = 1
Json = dict[str, Any]

# 1. Names ------------------------------------------------------------------------------------------------------------

HEADER_NAME = "vault.json"
RECOVERY_NAMES = ("RECOVER.txt", "recover.py", "FORMAT.md")
_HEX = "[0-9a-f]"
_NAME = re.compile(
    rf"vault\.json|RECOVER\.txt|recover\.py|FORMAT\.md|keys/{_HEX}{{32}}"
    rf"|packs/(?P<fan>{_HEX}{{2}})/(?P=fan){_HEX}{{62}}|(?:index|snapshots)/{_HEX}{{64}}"
)


class ObjectKind(IntEnum):
    """What a sealed object is."""

    PACK = 1
    INDEX = 2
    SNAPSHOT = 3


class PartKind(IntEnum):
    """What a part is."""

    CONTENT = 1
    LISTING = 2
    INDEX = 3
    SNAPSHOT = 4


class Codec(IntEnum):
    """How a part is encoded before it is sealed."""

    PLAIN = 0
    ZLIB = 1


PARTS_OF = {
    ObjectKind.PACK: frozenset({PartKind.CONTENT, PartKind.LISTING}),
    ObjectKind.INDEX: frozenset({PartKind.INDEX}),
    ObjectKind.SNAPSHOT: frozenset({PartKind.SNAPSHOT}),
}
PREFIX_OF = {ObjectKind.PACK: "packs/", ObjectKind.INDEX: "index/", ObjectKind.SNAPSHOT: "snapshots/"}


def object_name(kind: ObjectKind, digest: bytes) -> str:
    """Where an object with this SHA-256 is stored."""
    fan = f"{digest[:1].hex()}/" if kind is ObjectKind.PACK else ""
    return f"{PREFIX_OF[kind]}{fan}{digest.hex()}"


def is_name(name: str) -> bool:
    """Whether a vault may hold an object of this name."""
    return _NAME.fullmatch(name) is not None


def digest_of(name: str) -> bytes:
    """The SHA-256 that a sealed object's name promises."""
    return bytes.fromhex(name.rpartition("/")[2])


# 2. Canonical JSON ---------------------------------------------------------------------------------------------------


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical(value: object) -> bytes:
    """JSON with sorted keys, no spaces, ASCII only: one value has one encoding."""
    return _ENCODER.encode(value).encode()


def read_canonical(data: bytes, what: str) -> Json:
    """The object that ``data`` encodes; DamageError unless it is exactly its canonical encoding."""
    try:
        value = json.loads(data)
        if isinstance(value, dict) and canonical(value) == data:
            return value
    except (ValueError, RecursionError):
        pass
    raise DamageError(f"{what} is damaged")


def check_keys(value: Json, required: frozenset[str], what: str, optional: frozenset[str] = frozenset()) -> None:
    """DamageError unless ``value`` has the required keys and no unknown one."""
    if not required <= value.keys() <= required | optional:
        raise DamageError(f"{what} has fields missing or unknown to this version")


def _version(value: Json, what: str) -> None:
    version = value.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise DamageError(f"{what} names no version")
    if version != VERSION:
        raise UnknownVersionError(
            f"{what} has format version {version}; this photovault reads version {VERSION}",
            "install a newer photovault",
        )


def _hex(value: Json, key: str, size: int, what: str) -> bytes:
    text = value[key]
    if not isinstance(text, str) or re.fullmatch(rf"{_HEX}{{{2 * size}}}", text) is None:
        raise DamageError(f"{what}: {key} is not {size} bytes of hexadecimal")
    return bytes.fromhex(text)


_HEX_TEXT = re.compile(rf"(?:{_HEX}{{2}})*")


def _bytes(text: object, size: int | None = None) -> bytes:
    """Bytes from lower-case hexadecimal; ValueError for anything else, or another number of bytes."""
    if not isinstance(text, str) or _HEX_TEXT.fullmatch(text) is None or (size is not None and len(text) != 2 * size):
        raise ValueError
    return bytes.fromhex(text)


def _whole(number: object, low: int, high: int) -> int:
    """A whole number; ValueError for anything else, or one outside ``low`` to ``high``."""
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise ValueError
    return number


def _string(text: object) -> str:
    if not isinstance(text, str):
        raise ValueError  # noqa: TRY004 - one kind of error for one kind of trouble: not what a writer makes
    return text


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError  # noqa: TRY004 - as above
    return value


def _natural(value: Json, key: str, what: str) -> int:
    number = value[key]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise DamageError(f"{what}: {key} is not a whole number")
    return number


# 3. Header -----------------------------------------------------------------------------------------------------------

SUITE = "AES-256-GCM HKDF-SHA256 HMAC-SHA256 Argon2id"
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
    value = read_canonical(data[:-1], HEADER_NAME)
    if data[-1:] != b"\n" or value.get("format") != "photovault":
        raise DamageError(f"{HEADER_NAME} is damaged")
    _version(value, HEADER_NAME)
    check_keys(value, _HEADER_KEYS, HEADER_NAME)
    if value["suite"] != SUITE:
        raise UnknownVersionError(f"{HEADER_NAME} names an unknown cipher suite", "install a newer photovault")
    return Header(vault_id=_hex(value, "vault", 16, HEADER_NAME), mac=_hex(value, "mac", 32, HEADER_NAME))


# 4. Key slots --------------------------------------------------------------------------------------------------------

SLOT_KINDS = ("password", "words", "device", "epoch")
_SLOT_KEYS = frozenset({"epoch", "format", "id", "info", "kdf", "kind", "mac", "salt", "vault", "version", "wrapped"})
_KDF_KEYS = frozenset({"lanes", "memory_kib", "name", "passes"})
INFO_SIZE = 256
_EPOCH_MAX = 2**32 - 1  # sealed objects name their epoch in 32 bits


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
    _version(value, name)
    check_keys(value, _SLOT_KEYS, name)
    if value["kind"] not in SLOT_KINDS:
        raise UnknownVersionError(f"{name} is a kind of key slot unknown to this version", "install a newer photovault")
    slot = Slot(
        vault_id=_hex(value, "vault", 16, name),
        slot_id=_hex(value, "id", 16, name),
        kind=value["kind"],
        epoch=_epoch(value, name),
        stretch=_read_kdf(value["kdf"], value["kind"], name),
        salt=_hex(value, "salt", 32, name),
        wrapped=_hex(value, "wrapped", 80, name),
        info=_hex(value, "info", INFO_SIZE + 16, name),
        mac=_hex(value, "mac", 32, name),
    )
    if slot.name != name:
        raise DamageError(f"{name} holds another key slot")
    return slot


def _epoch(value: Json, name: str) -> int:
    epoch = _natural(value, "epoch", name)
    if not FIRST_EPOCH <= epoch <= _EPOCH_MAX:
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
    return _natural(value, "memory_kib", name), _natural(value, "passes", name), _natural(value, "lanes", name)


# 5. Sealed objects ---------------------------------------------------------------------------------------------------

MAGIC = b"PVSEAL"
SIZE_MIN = 16 * 1024
SIZE_MAX = 16 * 1024 * 1024
PART_MAX = 4 * 1024 * 1024
TAG = 16
PREAMBLE = struct.Struct("<6sBBII32s32s")  # magic, version, object kind, epoch, zero, salt, commitment
HEAD = struct.Struct("<IIII")  # trailer length, part count, padding length, zero
HEAD_END = PREAMBLE.size + HEAD.size + TAG  # 112: the parts begin here
RECORD = struct.Struct(
    "<32sBBHII32s"
)  # part id, part kind, codec, zero, length, stored length, digest of the encoded part
OVERHEAD = HEAD_END + TAG + TAG  # and the tags of padding and trailer
PER_PART = TAG + RECORD.size
_NO_DIGEST = bytes(32)

REGION_HEAD, REGION_TRAILER, REGION_PADDING, REGION_PARTS = 0, 1, 2, 3


class Record(NamedTuple):
    """One part as the trailer lists it.  ``digest``: SHA-256 of the encoded bytes, zeros for codec PLAIN."""

    part_id: bytes
    kind: PartKind
    codec: Codec
    length: int
    stored: int
    digest: bytes = _NO_DIGEST

    def encode(self) -> bytes:
        """76 bytes."""
        return RECORD.pack(self.part_id, self.kind, self.codec, 0, self.length, self.stored, self.digest)

    @property
    def associated(self) -> bytes:
        """What the sealed part is bound to, beside vault and object kind."""
        return bytes([REGION_PARTS, self.kind, self.codec]) + self.part_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Preamble:
    """The clear first 80 bytes of a sealed object."""

    kind: ObjectKind
    epoch: int
    salt: bytes
    commitment: bytes

    def encode(self) -> bytes:
        """80 bytes."""
        return PREAMBLE.pack(MAGIC, VERSION, self.kind, self.epoch, 0, self.salt, self.commitment)


def read_preamble(data: bytes | bytearray | memoryview, kind: ObjectKind) -> Preamble:
    """Parse the first 80 bytes of an object that should be of ``kind``."""
    if len(data) < PREAMBLE.size:
        raise DamageError("a stored object is cut short")
    magic, version, found, epoch, zero, salt, commitment = PREAMBLE.unpack_from(data)
    if magic != MAGIC:
        raise DamageError("a stored object does not begin as one")
    if version != VERSION:
        raise UnknownVersionError(
            f"a stored object has format version {version}; this photovault reads version {VERSION}",
            "install a newer photovault",
        )
    if found != kind or zero:
        raise DamageError("a stored object is of another kind than its place says")
    return Preamble(kind=kind, epoch=epoch, salt=salt, commitment=commitment)


def size_class(needed: int) -> int:
    """The smallest power of two from 16 KiB to 16 MiB that holds ``needed`` bytes."""
    return max(SIZE_MIN, 1 << (needed - 1).bit_length())


def is_size(size: int) -> bool:
    """Whether a sealed object may have this size."""
    return SIZE_MIN <= size <= SIZE_MAX and size & (size - 1) == 0


def read_head(data: bytes, size: int) -> tuple[int, int, int]:
    """Trailer length, part count and padding length from the opened head."""
    trailer, count, padding, zero = HEAD.unpack(data)
    if zero or trailer != count * RECORD.size or HEAD_END + padding + trailer + 2 * TAG > size:
        raise DamageError("a stored object contradicts itself")
    return trailer, count, padding


def read_records(trailer: bytes, kind: ObjectKind) -> list[Record]:
    """The parts that an opened trailer lists, in the order of their regions."""
    return [_record(fields, kind) for fields in RECORD.iter_unpack(trailer)]


_PART_KINDS = {int(kind): kind for kind in PartKind}
_CODECS = {int(codec): codec for codec in Codec}


def _record(fields: tuple[bytes, int, int, int, int, int, bytes], kind: ObjectKind) -> Record:
    part_id, part_kind, codec, zero, length, stored, digest = fields
    if part_kind not in _PART_KINDS or codec not in _CODECS:
        raise UnknownVersionError(
            "a stored object holds a kind of part unknown to this version", "install a newer photovault"
        )
    record = Record(part_id, _PART_KINDS[part_kind], _CODECS[codec], length, stored, digest)
    limit = PART_MAX if kind is ObjectKind.PACK else SIZE_MAX
    plain = record.codec is Codec.PLAIN
    if zero or record.kind not in PARTS_OF[kind] or max(length, stored) > limit:
        raise DamageError("a stored object lists an impossible part")
    if plain and (length != stored or digest != _NO_DIGEST):
        raise DamageError("a stored object lists an impossible part")
    return record


# 6. Index ------------------------------------------------------------------------------------------------------------

INDEX_PACK = struct.Struct("<32sII")  # pack name, pack size, part count
INDEX_PART = struct.Struct("<32sBBHII")  # part id, part kind, codec, zero, length, stored length


@dataclass(frozen=True, slots=True, kw_only=True)
class PackEntry:
    """What an index says of one pack: its name (SHA-256), its size, its parts in order."""

    name: bytes
    size: int
    records: tuple[Record, ...]


def encode_index(packs: list[PackEntry]) -> bytes:
    """Plaintext of an index: the packs one after another, each followed by its parts."""
    out = bytearray()
    for pack in packs:
        out += INDEX_PACK.pack(pack.name, pack.size, len(pack.records))
        for part in pack.records:
            out += INDEX_PART.pack(part.part_id, part.kind, part.codec, 0, part.length, part.stored)
    return bytes(out)


def index_size(records: int) -> int:
    """Bytes that a pack of so many parts takes in an index."""
    return INDEX_PACK.size + records * INDEX_PART.size


def read_index(data: bytes) -> list[PackEntry]:
    """Parse the plaintext of an index."""
    packs, at = [], 0
    while at < len(data):
        if len(data) - at < INDEX_PACK.size:
            raise DamageError("an index is cut short")
        name, size, count = INDEX_PACK.unpack_from(data, at)
        at += INDEX_PACK.size
        end = at + count * INDEX_PART.size
        if end > len(data) or not is_size(size):
            raise DamageError("an index contradicts itself")
        packs.append(PackEntry(name=name, size=size, records=tuple(_index_part(data, i) for i in _steps(at, end))))
        at = end
    return packs


def _steps(at: int, end: int) -> range:
    return range(at, end, INDEX_PART.size)


def _index_part(data: bytes, at: int) -> Record:
    return _record((*INDEX_PART.unpack_from(data, at), _NO_DIGEST), ObjectKind.PACK)


# 7. Listings ---------------------------------------------------------------------------------------------------------

PAGE_MEAN = 512  # a page ends, on average, after so many entries
PAGE_MAX = 4096
_MODE_MAX = 0o7777
_TIME_MAX = 2**63 * 10**9 - 1  # nanoseconds: what a file system with 64 bits of seconds can keep
_COUNT_MAX = 2**63 - 1
_ENTRY_REQUIRED = frozenset({"kind", "mode", "mtime", "name"})
_ENTRY_FIELDS = {
    EntryKind.FILE: (frozenset({"parts", "sha256", "size"}), frozenset({"facts", "unsettled", "xattrs"})),
    EntryKind.FOLDER: (frozenset({"files", "parts", "size"}), frozenset()),
    EntryKind.LINK: (frozenset({"target"}), frozenset()),
}


def ends_page(name: bytes) -> bool:
    """Whether a page of a listing ends after the entry of this name: first 4 bytes of SHA-256(name) modulo 512 is 0."""
    return int.from_bytes(hashlib.sha256(name).digest()[:4], "big") % PAGE_MEAN == 0


def encode_entry(entry: Entry) -> bytes:
    """Canonical JSON of one entry."""
    if entry.kind is EntryKind.FILE:
        return _encode_file(entry)
    value: Json = {"kind": entry.kind, "mode": entry.mode, "mtime": entry.mtime_ns, "name": _text(entry.name)}
    if entry.kind is EntryKind.LINK:
        return canonical(value | {"target": _text(entry.target)})
    parts = [part.hex() for part in entry.parts]
    return canonical(value | {"files": entry.files, "parts": parts, "size": entry.size})


def _encode_file(entry: Entry) -> bytes:
    """As ``canonical`` would, three times as fast: there are as many of these as photos."""
    facts = unsettled = xattrs = ""
    if entry.taken is not None:
        facts = '"facts":' + _ENCODER.encode({"taken": entry.taken, "taken_source": entry.taken_source}) + ","
    if entry.unsettled:
        unsettled = ',"unsettled":true'
    if entry.xattrs:
        xattrs = ',"xattrs":' + _ENCODER.encode({name: data.hex() for name, data in entry.xattrs})
    parts = ",".join([f'"{part.hex()}"' for part in entry.parts])
    name = _ENCODER.encode(_text(entry.name))
    return (
        f'{{{facts}"kind":"file","mode":{entry.mode},"mtime":{entry.mtime_ns},"name":{name},'
        f'"parts":[{parts}],"sha256":"{entry.digest.hex()}","size":{entry.size}{unsettled}{xattrs}}}'
    ).encode()


def encode_pages(entries: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Plaintext of the pages of one folder, from (name, encoded entry) in the order of the raw names."""
    page: list[bytes] = []
    size = 0
    for name, encoded in entries:
        if page and size + len(encoded) + 1 > PART_MAX // 2:
            yield _page(page)
            page, size = [], 0
        page.append(encoded)
        size += len(encoded) + 1
        if ends_page(name) or len(page) == PAGE_MAX:
            yield _page(page)
            page, size = [], 0
    if page:
        yield _page(page)


def _page(entries: list[bytes]) -> bytes:
    return b'{"entries":[' + b",".join(entries) + b'],"version":1}'


def read_page(data: bytes) -> list[Entry]:
    """The entries of one page."""
    value = read_canonical(data, "a listing")
    _version(value, "a listing")
    check_keys(value, frozenset({"entries", "version"}), "a listing")
    if not isinstance(value["entries"], list):
        raise DamageError("a listing is damaged")
    entries = [_entry(item) for item in value["entries"]]
    if any(one.name >= other.name for one, other in pairwise(entries)):
        raise DamageError("a listing names an entry twice or out of order")
    return entries


def read_entry(data: bytes) -> Entry:
    """One entry from its canonical JSON."""
    return _entry(read_canonical(data, "a listing entry"))


def _entry(value: object) -> Entry:
    try:
        return _checked_entry(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DamageError("a listing holds an impossible entry") from None


def _checked_entry(value: Any) -> Entry:  # noqa: ANN401 - straight from JSON, every use below is checked
    kind = EntryKind(value["kind"])
    required, optional = _ENTRY_FIELDS[kind]
    check_keys(value, _ENTRY_REQUIRED | required, "a listing entry", optional)
    taken, taken_source = _facts(value.get("facts", {}))
    return Entry(
        name=_raw(value["name"]),
        kind=kind,
        mode=_whole(value["mode"], 0, _MODE_MAX),
        mtime_ns=_whole(value["mtime"], -_TIME_MAX, _TIME_MAX),
        size=_whole(value.get("size", 0), 0, _COUNT_MAX),
        files=_whole(value.get("files", 0), 0, _COUNT_MAX),
        digest=_bytes(value["sha256"], 32) if kind is EntryKind.FILE else b"",
        parts=_digests(value.get("parts", [])),
        target=_raw(value.get("target", "")),
        taken=taken,
        taken_source=taken_source,
        xattrs=tuple(sorted((name, _bytes(data)) for name, data in value.get("xattrs", {}).items())),
        unsettled=_only_true(value.get("unsettled", True)) and "unsettled" in value,
    )


def _facts(facts: Json) -> tuple[str | None, str | None]:
    """Date taken and its source; other facts are a later version's, and no harm."""
    taken, source = facts.get("taken"), facts.get("taken_source")
    return None if taken is None else _string(taken), None if source is None else _string(source)


def _only_true(value: object) -> bool:
    if value is not True:
        raise ValueError
    return True


def _digests(values: object) -> tuple[bytes, ...]:
    return tuple(_bytes(value, 32) for value in _list(values))


def shown(raw: bytes) -> str:
    """A raw name for people and patterns: what is no printable text stands as escapes that cannot steer a terminal."""
    text = raw.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _raw(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if _text(raw) != text:
        raise ValueError
    return raw


# 8. Snapshots --------------------------------------------------------------------------------------------------------

_SNAPSHOT_KEYS = frozenset(
    {
        "clear", "counts", "device", "epoch", "number", "previous", "problems", "program",
        "root", "sources", "tags", "time", "version",
    }
)  # fmt: skip

_DEVICE = frozenset({"id", "name"})
_COUNTS = frozenset({"files", "folders", "links", "size"})
_SOURCE = frozenset({"label", "offline", "path"})
_CLEAR = frozenset({"name", "sha256"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Plaintext of a snapshot: canonical JSON."""
    counts = snapshot.counts
    return canonical(
        {
            "clear": [{"name": name, "sha256": digest.hex()} for name, digest in snapshot.clear],
            "counts": {
                "files": counts.files, "folders": counts.folders, "links": counts.links, "size": counts.size,
            },
            "device": {"id": snapshot.device_id.hex(), "name": snapshot.device_name},
            "epoch": snapshot.epoch,
            "number": snapshot.number,
            "previous": snapshot.previous.hex() if snapshot.previous else None,
            "problems": snapshot.problems,
            "program": snapshot.program,
            "root": [part.hex() for part in snapshot.root],
            "sources": [{"label": s.label, "offline": s.offline, "path": s.path} for s in snapshot.sources],
            "tags": list(snapshot.tags),
            "time": snapshot.time,
            "version": VERSION,
        }
    )  # fmt: skip


def read_snapshot(data: bytes) -> Snapshot:
    """Parse the plaintext of a snapshot."""
    value = read_canonical(data, "a snapshot")
    _version(value, "a snapshot")
    check_keys(value, _SNAPSHOT_KEYS, "a snapshot")
    try:
        return _checked_snapshot(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DamageError("a snapshot is damaged") from None


def _checked_snapshot(value: Json) -> Snapshot:
    device = _exactly(value["device"], _DEVICE)
    previous = value["previous"]
    return Snapshot(
        device_id=_bytes(device["id"], 16),
        device_name=_string(device["name"]),
        number=_whole(value["number"], 1, _COUNT_MAX),
        time=_time(value["time"]),
        previous=None if previous is None else _bytes(previous, 32),
        root=_digests(value["root"]),
        counts=_counts(value["counts"]),
        sources=tuple(map(_source, _list(value["sources"]))),
        clear=tuple(map(_clear, _list(value["clear"]))),
        epoch=_whole(value["epoch"], FIRST_EPOCH, _EPOCH_MAX),
        program=_string(value["program"]),
        tags=tuple(map(_string, _list(value["tags"]))),
        problems=_whole(value["problems"], 0, _COUNT_MAX),
    )


def _time(value: object) -> str:
    text = _string(value)
    if _TIME.fullmatch(text) is None:
        raise ValueError
    datetime.fromisoformat(text)  # ValueError: no such day or hour
    return text


def _counts(value: Json) -> Counts:
    return Counts(**{name: _whole(number, 0, _COUNT_MAX) for name, number in _exactly(value, _COUNTS).items()})


def _source(value: Json) -> Source:
    _exactly(value, _SOURCE)
    if not isinstance(value["offline"], bool):
        raise ValueError  # noqa: TRY004 - as above
    return Source(label=_string(value["label"]), path=_string(value["path"]), offline=value["offline"])


def _clear(value: Json) -> tuple[str, bytes]:
    _exactly(value, _CLEAR)
    return _string(value["name"]), _bytes(value["sha256"], 32)


def _exactly(value: Json, keys: frozenset[str]) -> Json:
    check_keys(value, keys, "a snapshot")
    return value
