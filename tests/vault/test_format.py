"""Layouts: what was written is read again, and what nobody wrote is damage, never a traceback."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import DamageError, UnknownVersionError
from photovault.facts import NOTHING, Facts, from_map, to_map
from photovault.model import Counts, Entry, EntryKind, Gone, Head, Retention, Snapshot, Source
from photovault.vault import format as fmt
from photovault.vault.format import Codec, Header, ObjectKind, PackEntry, PartKind, Preamble, Record, Slot

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = (DamageError, UnknownVersionError)
TEXT = st.text(st.characters(exclude_categories=[]), max_size=8)  # surrogates too
IDS = st.binary(min_size=32, max_size=32)
NAMES = st.one_of(st.binary(max_size=12), st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")))
WHOLE = st.integers(0, 2**63 - 1)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    common = {"name": draw(NAMES), "mode": draw(st.integers(0, 0o7777)), "mtime_ns": draw(st.integers(-(2**80), 2**80))}
    kind = draw(st.sampled_from(EntryKind))
    if kind is EntryKind.LINK:
        return Entry(kind=kind, target=draw(NAMES), **common)
    common |= {"size": draw(WHOLE), "parts": tuple(draw(st.lists(IDS, max_size=3)))}
    if kind is EntryKind.FOLDER:
        return Entry(kind=kind, files=draw(WHOLE), **common)
    xattrs = draw(st.dictionaries(TEXT, st.binary(max_size=5), max_size=3))
    taken = draw(st.one_of(st.none(), TEXT))
    source = None if taken is None else draw(st.one_of(st.none(), TEXT))
    common |= {"facts": Facts(taken=taken, taken_source=source), "unsettled": draw(st.booleans()), "digest": draw(IDS)}
    return Entry(kind=kind, xattrs=tuple(sorted(xattrs.items())), **common)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    sources = st.builds(Source, label=TEXT, path=TEXT, offline=st.booleans())
    device = st.binary(min_size=16, max_size=16)
    heads = st.builds(Head, storage=TEXT, device_id=device, number=st.integers(1, 2**63 - 1), snapshot=IDS)
    return Snapshot(
        device_id=draw(st.binary(min_size=16, max_size=16)),
        device_name=draw(TEXT),
        number=draw(st.integers(1, 2**63 - 1)),
        time=draw(st.datetimes().map(lambda time: time.isoformat(timespec="microseconds") + "Z")),
        previous=draw(st.one_of(st.none(), IDS)),
        root=tuple(draw(st.lists(IDS, max_size=3))),
        counts=draw(st.builds(Counts, files=WHOLE, folders=WHOLE, links=WHOLE, size=WHOLE)),
        sources=tuple(draw(st.lists(sources, max_size=3))),
        clear=tuple(draw(st.lists(st.tuples(TEXT, IDS), max_size=3))),
        epoch=draw(st.integers(1, 2**32 - 1)),
        program=draw(TEXT),
        tags=tuple(draw(st.lists(TEXT, max_size=3))),
        problems=draw(WHOLE),
        heads=tuple(draw(st.lists(heads, max_size=3))),
    )


def page_of(some: list[Entry]) -> list[bytes]:
    by_name = {entry.name: entry for entry in some}
    return list(fmt.encode_pages((name, fmt.encode_entry(by_name[name])) for name in sorted(by_name)))


# What is written is read again.


@given(entries())
def test_an_entry_is_read_as_it_was_written(entry: Entry) -> None:
    assert fmt.read_entry(fmt.encode_entry(entry)) == entry


@given(st.lists(entries(), max_size=20))
def test_pages_hold_every_entry_in_order(some: list[Entry]) -> None:
    read = [entry for page in page_of(some) for entry in fmt.read_page(page)]
    assert read == sorted({entry.name: entry for entry in some}.values(), key=lambda entry: entry.name)


@st.composite
def retentions(draw: st.DrawFn) -> Retention:
    names = st.lists(IDS, max_size=4, unique=True).map(lambda found: tuple(sorted(found)))
    gone = st.builds(Gone, name=IDS, device_id=st.binary(min_size=16, max_size=16), number=st.integers(1, 2**63 - 1))
    by_name = st.lists(gone, max_size=4, unique_by=lambda one: one.name).map(
        lambda found: sorted(found, key=lambda one: one.name)
    )
    return Retention(
        device_id=draw(st.binary(min_size=16, max_size=16)),
        device_name=draw(TEXT),
        time="2024-05-04T12:00:00.000000Z",
        grace=draw(st.integers(0, 2**63 - 1)),
        snapshots=tuple(draw(by_name)),
        **{field: draw(names) for field in ("pins", "packs", "indexes", "parity")},
    )


@given(retentions())
def test_a_retention_record_is_read_as_it_was_written(record: Retention) -> None:
    assert fmt.read_retention(fmt.encode_retention(record)) == record


@given(snapshots())
def test_a_snapshot_is_read_as_it_was_written(snapshot: Snapshot) -> None:
    assert fmt.read_snapshot(fmt.encode_snapshot(snapshot)) == snapshot


RECORDS = st.builds(
    lambda part_id, kind, stored, codec, length: Record(
        part_id=part_id,
        kind=PartKind(kind),
        codec=Codec(codec),
        length=length if codec else stored,
        stored=stored,
        digest=bytes(32),
    ),
    IDS,
    st.integers(1, 2),
    st.integers(0, fmt.PART_MAX),
    st.integers(0, 1),
    st.integers(0, fmt.PART_MAX),
)
PACKS = st.builds(
    lambda name, bits, records: PackEntry(name=name, size=2**bits, records=tuple(records)),
    IDS,
    st.integers(14, 24),
    st.lists(RECORDS, max_size=5),
)


@given(st.lists(PACKS, max_size=5))
def test_an_index_is_read_as_it_was_written(packs: list[PackEntry]) -> None:
    plain = fmt.encode_index(packs)
    assert fmt.read_index(plain) == packs
    assert len(plain) == sum(fmt.index_size(len(pack.records)) for pack in packs)


@given(st.lists(RECORDS, max_size=5))
def test_a_trailer_is_read_as_it_was_written(records: list[Record]) -> None:
    trailer = b"".join(record.encode() for record in records)
    assert len(trailer) == 76 * len(records)
    assert fmt.read_records(trailer, ObjectKind.PACK) == records


@given(st.sampled_from(ObjectKind), st.integers(0, 2**32 - 1), IDS, IDS)
def test_a_preamble_is_read_as_it_was_written(kind: ObjectKind, epoch: int, salt: bytes, commitment: bytes) -> None:
    preamble = Preamble(kind=kind, epoch=epoch, salt=salt, commitment=commitment)
    assert len(preamble.encode()) == 80
    assert fmt.read_preamble(preamble.encode() + b"more", kind) == preamble


# What nobody wrote is damage.

HEADER = Header(vault_id=bytes(16), mac=bytes(32))
SLOT = Slot(
    vault_id=bytes(16),
    slot_id=b"\1" * 16,
    kind="password",
    epoch=1,
    stretch=(65536, 1, 4),
    salt=bytes(32),
    wrapped=bytes(80),
    info=bytes(272),
    mac=bytes(32),
)
FILE = Entry(
    name=b"a",
    kind=EntryKind.FILE,
    mode=0,
    mtime_ns=0,
    digest=bytes(32),
    parts=(bytes(32),),
    facts=Facts(taken="2020"),
    xattrs=(("user.a", b"x"),),
)
FOLDER = Entry(name=b"b", kind=EntryKind.FOLDER, mode=0, mtime_ns=0, parts=(bytes(32),))
LINK = Entry(name=b"c", kind=EntryKind.LINK, mode=0, mtime_ns=0, target=b"a")
SNAPSHOT = Snapshot(
    device_id=bytes(16),
    device_name="",
    number=1,
    time="2024-05-04T12:00:00.000000Z",
    previous=bytes(32),
    root=(bytes(32),),
    counts=Counts(),
    sources=(Source(label="a", path="/a"),),
    clear=(("vault.json", bytes(32)),),
    epoch=1,
    program="",
    tags=("a",),
    heads=(Head(storage="/a", device_id=bytes(16), number=1, snapshot=bytes(32)),),
)
RETENTION = Retention(
    device_id=bytes(16),
    device_name="",
    time="2024-05-04T12:00:00.000000Z",
    grace=1,
    snapshots=(Gone(name=bytes(32), device_id=bytes(16), number=1),),
    packs=(bytes(32),),
)
PACK = PackEntry(name=bytes(32), size=2**14, records=(Record(bytes(32), PartKind.CONTENT, Codec.PLAIN, 5, 5),))
READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "header": (fmt.read_header, HEADER.encode()),
    "slot": (lambda data: fmt.read_slot(data, SLOT.name), SLOT.encode()),
    "page": (fmt.read_page, page_of([FILE, FOLDER, LINK])[0]),
    "entry": (fmt.read_entry, fmt.encode_entry(FILE)),
    "snapshot": (fmt.read_snapshot, fmt.encode_snapshot(SNAPSHOT)),
    "retention": (fmt.read_retention, fmt.encode_retention(RETENTION)),
    "index": (fmt.read_index, fmt.encode_index([PACK, PACK])),
    "trailer": (lambda data: fmt.read_records(data[: len(data) // 76 * 76], ObjectKind.PACK), PACK.records[0].encode()),
    "preamble": (
        lambda data: fmt.read_preamble(data, ObjectKind.PACK),
        Preamble(kind=ObjectKind.PACK, epoch=1, salt=bytes(32), commitment=bytes(32)).encode(),
    ),
    "head": (lambda data: fmt.read_head(data[:16].ljust(16, b"\0"), 2**14), fmt.HEAD.pack(76, 1, 100, 0)),
}
each_reader = pytest.mark.parametrize(("read", "good"), READERS.values(), ids=READERS)


def reads_or_refuses(read: Callable[[bytes], object], data: bytes) -> None:
    """Any other exception would be a traceback for the user."""
    try:
        read(data)
    except BAD:
        return


@each_reader
def test_the_examples_are_good(read: Callable[[bytes], object], good: bytes) -> None:
    assert read(good)


@each_reader
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(read: Callable[[bytes], object], good: bytes, data: bytes) -> None:
    reads_or_refuses(read, data)


@each_reader
@given(st.data())
def test_damaged_bytes_are_read_or_refused(read: Callable[[bytes], object], good: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(good)))
    upto = data.draw(st.integers(at, min(at + 4, len(good))))
    reads_or_refuses(read, good[:at] + data.draw(st.binary(max_size=4)) + good[upto:])


JSON = ("header", "slot", "page", "entry", "snapshot", "retention")
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [0, -1, 2**31, 2**63, 2**64, 10**4000, 1.5, 1e300, "", "\ud83d", "\udcff", "a" * 64, "0" * 64, "0" * 63]
    ),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
ODDER = st.one_of(ODD, st.lists(ODD, max_size=3), st.dictionaries(TEXT, ODD, max_size=3), st.just([[{}]]))


def paths(value: object, below: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value inside of a JSON value is."""
    found = [below] if below else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        found += paths(one, (*below, key))
    return found


def put(value: Any, path: tuple[Any, ...], new: object) -> None:
    for key in path[:-1]:
        value = value[key]
    if new is ...:
        del value[path[-1]]
    else:
        value[path[-1]] = new


@pytest.mark.parametrize("name", JSON)
@given(st.data())
def test_another_value_anywhere_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """Canonical JSON with one value replaced, removed or added: what a hostile key holder could write."""
    read, good = READERS[name]
    value = json.loads(good)
    path = data.draw(st.sampled_from(paths(value)))
    new = data.draw(st.one_of(ODDER, st.just(...)))
    put(value, path, new)
    if data.draw(st.booleans()):
        value[data.draw(TEXT)] = data.draw(ODDER)
    reads_or_refuses(read, fmt.canonical(value) + good[len(good.rstrip(b"\n")) :])


@given(st.data())
def test_what_is_read_is_of_the_type_it_says(data: st.DataObject) -> None:
    """So nothing above a reader has to check anything."""
    read, good = READERS[data.draw(st.sampled_from(("page", "snapshot")))]
    value = json.loads(good)
    put(value, data.draw(st.sampled_from(paths(value))), data.draw(ODDER))
    try:
        found = read(fmt.canonical(value))
    except BAD:
        return
    assert type(found) in (list, Snapshot)
    again = page_of(found) if isinstance(found, list) else [fmt.encode_snapshot(found)]
    assert [read(page) for page in again] == ([found] if found else [])
    for one in found if isinstance(found, list) else [found]:
        good_one = next((e for e in (FILE, FOLDER, LINK) if e.kind is one.kind), None) if one is not found else SNAPSHOT
        for field in one.__slots__:
            known = getattr(good_one, field)
            allowed = (type(known), type(None)) if field in {"taken", "taken_source", "previous"} else (type(known),)
            assert isinstance(getattr(one, field), (*allowed, str) if field == "taken_source" else allowed)


def test_nesting_cannot_exhaust_the_stack() -> None:
    for read, _ in READERS.values():
        for deep in (b"[" * 200_000, b'{"a":' * 200_000, b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}\n"):
            reads_or_refuses(read, deep)


def test_numbers_of_many_digits_cost_nothing() -> None:
    good = READERS["page"][1]
    reads_or_refuses(fmt.read_page, good.replace(b'"mtime":0', b'"mtime":' + b"9" * 1_000_000))
    with pytest.raises(DamageError):
        fmt.read_page(good.replace(b'"mtime":0', b'"mtime":' + b"9" * 4000))


@pytest.mark.parametrize("name", [b"..", b".", b"", b"a/b", b"/etc/passwd", b"\0", b"\xff", b"con", b"a" * 5000])
def test_odd_names_are_delivered_as_they_are(name: bytes) -> None:
    """What a name may do on a disk is decided where files are written."""
    (page,) = page_of([replace(FILE, name=name)])
    assert [entry.name for entry in fmt.read_page(page)] == [name]


@pytest.mark.parametrize("names", [[b"a", b"a"], [b"b", b"a"], [b"a", b"c", b"b"], [b"\xff", "\u00e9".encode()]])
def test_names_must_ascend(names: list[bytes]) -> None:
    """Two entries of one name would be two files in one place."""
    page = b'{"entries":[' + b",".join(fmt.encode_entry(replace(FILE, name=n)) for n in names) + b'],"version":1}'
    with pytest.raises(DamageError, match="twice or out of order"):
        fmt.read_page(page)


def test_one_name_has_one_spelling() -> None:
    good = fmt.encode_entry(replace(FILE, name="\u00e9".encode()))
    other = good.replace(b"\\u00e9", b"\\udcc3\\udca9")
    assert other != good
    with pytest.raises(DamageError):
        fmt.read_entry(other)


@pytest.mark.parametrize("name", ["header", "slot", "page", "snapshot", "retention"])
@pytest.mark.parametrize("version", [0, 2, 10**100])
def test_another_version_says_that_the_program_is_too_old(name: str, version: int) -> None:
    read, good = READERS[name]
    for more in ({}, {"added": "later"}):
        value = json.loads(good) | {"version": version} | more
        with pytest.raises(UnknownVersionError) as caught:
            read(fmt.canonical(value) + good[len(good.rstrip(b"\n")) :])
        assert caught.value.hint == "install a newer photovault"


# Paging.


def page_names(names: list[bytes]) -> list[list[bytes]]:
    bare = (Entry(name=name, kind=EntryKind.LINK, mode=0, mtime_ns=0) for name in sorted(names))
    return [
        [e.name for e in fmt.read_page(page)] for page in fmt.encode_pages((e.name, fmt.encode_entry(e)) for e in bare)
    ]


CAMERA = [b"IMG_%05d.jpg" % number for number in range(20_000)]
PAGES = {tuple(page) for page in page_names(CAMERA)}


@pytest.mark.parametrize("name", [b"A", b"IMG_00000.jpg.xmp", b"IMG_07777.xmp", b"IMG_12345_edited.jpg", b"zzz"])
def test_a_file_more_in_a_large_folder_changes_a_page_or_two(name: bytes) -> None:
    after = {tuple(page) for page in page_names([*CAMERA, name])}
    assert len(PAGES) > 20
    assert len(after - PAGES) <= 2
    assert len(PAGES - after) <= 1


def test_a_file_less_changes_two_pages_at_most() -> None:
    ending = next(name for name in CAMERA if fmt.ends_page(name))
    for name in (CAMERA[0], CAMERA[-1], ending):
        after = {tuple(page) for page in page_names([one for one in CAMERA if one != name])}
        assert len(after - PAGES) <= 1
        assert len(PAGES - after) <= 2


def test_pages_are_bounded_in_entries_and_bytes() -> None:
    never = [name for name in (b"%07d" % number for number in range(9000)) if not fmt.ends_page(name)][:8500]
    assert [len(page) for page in page_names(never)] == [4096, 4096, 308]
    wide = [replace(FILE, name=b"%05d" % n, parts=(bytes(32),) * 5000) for n in range(20)]
    pages = page_of(wide)
    assert len(pages) > 3
    assert all(len(page) <= fmt.PART_MAX // 2 + 100 for page in pages)


def test_an_entry_as_large_as_any_still_fits_a_page() -> None:
    """50,000 parts are the most that a backup makes of one file."""
    large = replace(FILE, name=b"\xff" * 255, parts=(bytes(32),) * 50_000)
    pages = page_of([replace(FILE, name=b"0"), large, replace(FILE, name=b"\xff" * 256)])
    assert len(pages) == 3
    assert max(map(len, pages)) <= fmt.PART_MAX
    assert page_of([]) == []


# Names.


@given(st.binary(min_size=32, max_size=32), st.sampled_from(ObjectKind))
def test_objects_are_named_by_their_digest(digest: bytes, kind: ObjectKind) -> None:
    name = fmt.object_name(kind, digest)
    assert fmt.is_name(name)
    assert fmt.digest_of(name) == digest


DIGEST = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "vault.json\n",
            "Vault.json",
            "/vault.json",
            "keys/",
            f"keys/{DIGEST}",
            "keys/" + "G" * 32,
            "tmp/x",
            "keys/.DS_Store",
        ),
        *(
            f"packs/{DIGEST}",
            f"packs/00/{DIGEST}",
            f"packs/{DIGEST[:2]}/{DIGEST[:-1]}",
            f"packs/{DIGEST[:2]}/{DIGEST.upper()}",
        ),
        *(
            f"index/{DIGEST} (1)",
            f"snapshots/{DIGEST}.tmp",
            f"snapshots/../index/{DIGEST}",
            "RECOVER.txt~",
            "desktop.ini",
        ),
    ],
)
def test_other_names_are_no_objects(name: str) -> None:
    assert not fmt.is_name(name)


@given(st.one_of(NAMES, st.sampled_from([b"\x1b[31m", "\u202egpj.exe".encode(), b"a\nb", "\u009b1m".encode()])))
def test_a_shown_name_cannot_steer_a_terminal(raw: bytes) -> None:
    assert fmt.shown(raw).isprintable()


def test_a_shown_name_is_readable() -> None:
    assert fmt.shown("n\u00e4me \u4f60.jpg".encode()) == "n\u00e4me \u4f60.jpg"
    assert fmt.shown(b"\xff.jpg") == "\\xff.jpg"
    assert fmt.shown(b"a\nb\x1b") == "a\\nb\\x1b"


# Facts in the document


DOCUMENT = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
DOCUMENTED = dict(
    re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCUMENT.partition("### Facts")[2].partition("\n## ")[0], re.MULTILINE)
)
EXAMPLES = {"text": "x", "pixels": 7, "milliseconds": 7, "millimetres": -7, "bytes": 7, "list": ["x"], "`true`": True}
LIMITS = {"orientation": (1, 8), "rating": (-1, 5), "latitude": (-900_000_000, 900_000_000), "phash": (0, 2**64 - 1)}
LIMITS |= {"longitude": (-1_800_000_000, 1_800_000_000), "altitude": (-(2**63) + 1, 2**63 - 1), "width": (0, 2**63 - 1)}


def test_every_fact_is_in_the_document() -> None:
    assert list(DOCUMENTED) == sorted(one.name for one in fields(Facts))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_fact_is_what_the_document_says(name: str) -> None:
    """A value of the documented kind is read and written again, and one of another kind is refused."""
    said = DOCUMENTED[name]
    values = [value for word, value in EXAMPLES.items() if said.startswith(word)]
    values += re.findall(r'"(\w+)"', said)
    values += [EXAMPLES["text"]] if name in {"lens", "title"} else []
    values += ["ab" * 32] if "hex" in said else []
    values += list(LIMITS.get(name, ()))
    assert values
    for value in values:
        assert to_map(from_map({name: value})) == {name: value}
        wrong: list[object] = [1.5, None, {}, "x" * 4097, False]
        wrong += [5] if isinstance(value, str) else ["x"]
        for other in wrong:
            with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
                from_map({name: other})
    for low, high in [LIMITS[name]] if name in LIMITS else []:
        for other in (low - 1, high + 1):
            with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
                from_map({name: other})
    assert from_map({"a fact of later": {}}) == NOTHING
