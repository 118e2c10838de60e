"""The search catalog: what is in a snapshot is found, in order, quickly, and again after any accident."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import stat
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from photovault.database import DamagedError
from photovault.errors import DamageError, PhotovaultError, RefusedError, UsageError
from photovault.facts import Facts
from photovault.gazetteer import Area, distance_km
from photovault.library import ALIKE, SAME, Key, Library, Query, Row
from photovault.library.albums import NAME, read_albums
from photovault.library.alike import DISTANCE, pairs
from photovault.library.moments import COUNT_BITS, ids_between, second_of
from photovault.library.tokens import FOLDERS_MAX, _cells, _place_marks, words
from photovault.model import Counts, Entry, EntryKind, Snapshot
from photovault.vault import format as fmt
from photovault.vault.vault import NamedSnapshot
from tests.support.devices import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

ROME = {"latitude": 419_000_000, "longitude": 125_000_000}
PALERMO = {"latitude": 381_157_000, "longitude": 133_615_000}


def file(name: str, taken: str | None = "2021-05-04T13:22:11", *, digest: str = "", size: int = 10, **facts) -> Entry:
    """A photo; its contents are told by ``digest``, or else its name."""
    made = Facts(kind=facts.pop("kind", "jpeg"), taken=taken, **facts)
    content = (digest or name).encode().ljust(32, b".")[:32]
    return Entry(
        name=name.encode(),
        kind=EntryKind.FILE,
        mode=0o644,
        mtime_ns=1_600_000_000 * 10**9,
        size=size,
        digest=content,
        facts=made,
    )


class Shelf:
    """Listings in memory, which counts what is read; pages can be spoilt."""

    def __init__(self) -> None:
        self.parts: dict[bytes, bytes] = {}
        self.read: list[bytes] = []
        self.spoilt: set[bytes] = set()

    def keep(self, data: bytes) -> bytes:
        name = fmt.digest_of("/" + hashlib.sha256(data).hexdigest())
        self.parts[name] = data
        return name

    def pages(self, entries: Iterable[Entry]) -> tuple[bytes, ...]:
        ordered = sorted(entries, key=lambda one: one.name)
        return tuple(self.keep(page) for page in fmt.encode_pages((one.name, fmt.encode_entry(one)) for one in ordered))

    def folder_of(self, name: str, tree: Tree) -> Entry:
        """A folder with all below it."""
        entries = [self.folder_of(*one) if isinstance(one, tuple) else one for one in tree]
        return Entry(
            name=name.encode(), kind=EntryKind.FOLDER, mode=0o755, mtime_ns=0, files=0, parts=self.pages(entries)
        )

    def snapshot(self, tree: Tree, number: int = 1) -> NamedSnapshot:
        made = Snapshot(
            device_id=bytes(16),
            device_name="test",
            number=number,
            time=f"2024-05-04T12:00:{number:02}.000000Z",
            previous=None,
            root=self.folder_of("", tree).parts,
            counts=Counts(),
            sources=(),
            clear=(),
            epoch=1,
            program="test",
        )
        return NamedSnapshot(name=bytes([number]) * 32, snapshot=made)

    def part(self, part_id: bytes) -> bytes:
        self.read.append(part_id)
        if part_id in self.spoilt:
            raise DamageError("it is damaged")
        return self.parts[part_id]

    def look_ahead(self, parts: Iterable[bytes]) -> None:
        del parts

    def folder(self, pages: Iterable[bytes]) -> Iterator[Entry | DamageError]:
        for page in pages:
            try:
                yield from fmt.read_page(self.part(page))
            except DamageError as error:
                yield error


Tree = "list[Entry | tuple[str, Tree]]"


class Desk:
    """A library on its shelf of listings: ``desk.show(tree)`` makes a snapshot of it known, ``desk.find`` asks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shelf = Shelf()
        self.known: list[NamedSnapshot] = []
        self.library = Library(path)

    def show(self, *tree: Entry | tuple, keep: int = 100) -> NamedSnapshot:
        one = self.shelf.snapshot(list(tree), len(self.known) + 1)
        self.known.append(one)
        self.problems = self.update(one, keep=keep)
        return one

    def update(self, one: NamedSnapshot, *, keep: int = 100) -> list[str]:
        existing = [known.name for known in self.known[-keep:]]
        found = self.library.update(self.shelf, one, existing, Silent())
        return [f"{problem.path}: {problem.what}" for problem in found]

    def rows(self, snapshot: NamedSnapshot | None = None, **query) -> list[Row]:
        asked = Query(snapshot=(snapshot or self.known[-1]).name, **query)
        return list(self.library.find(asked, limit=10_000).rows)

    def find(self, snapshot: NamedSnapshot | None = None, **query) -> list[str]:
        return [row.path.decode() for row in self.rows(snapshot, **query)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "state" / "library.sqlite")
    yield made
    made.library.close()


@pytest.fixture
def trips(desk: Desk) -> Desk:
    """Two trips: Rome in May 2019, and the sea in 2021, with a bit of everything."""
    desk.show(
        ("P", [
            ("2019 Gita a Róma", [
                file("IMG_0001.jpg", "2019-05-04T10:00:00+02:00", make="Canon", model="Canon EOS 5D", **ROME, rating=4),
                file("IMG_0002.jpg", "2019-05-31T23:59:59", make="Canon", model="EOS R", lens="EF 50mm", rating=-1),
                file("_R.cr2", "2019-06-01T00:00:00", kind="cr2", title="Strada", keywords=("Übersee", "night")),
            ]),
            ("sea", [
                file("beach.heic", "2021-07-01T12:00:00.5", kind="heic", **PALERMO),
                file("clip.mov", "2021-07-02T12:00:00", kind="mov", duration=60_000),
                file("torn.jpg", None, broken="cut short"),
            ]),
        ]),
    )  # fmt: skip
    return desk


# What can be asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"text": "0001"}, ["IMG_0001.jpg"]),
        ({"text": "strad"}, ["_R.cr2"]),
        ({"text": "STRÁDA"}, ["_R.cr2"]),
        ({"text": "ubersee night"}, ["_R.cr2"]),
        ({"text": "übersee day"}, []),
        ({"text": "roma"}, ["IMG_0001.jpg", "IMG_0002.jpg", "_R.cr2"]),
        ({"text": "palermo"}, ["beach.heic"]),
        ({"text": "italy"}, ["IMG_0001.jpg", "beach.heic"]),
        ({"text": "oma"}, []),
        ({"text": "!"}, []),
        ({"text": '"(OR) *'}, []),
        ({"camera": "canon"}, ["IMG_0001.jpg", "IMG_0002.jpg"]),
        ({"camera": "eos 50mm"}, ["IMG_0002.jpg"]),
        ({"camera": "rome"}, []),
        ({"kind": "raw"}, ["_R.cr2"]),
        ({"kind": "video"}, ["clip.mov"]),
        ({"kind": "heic"}, ["beach.heic"]),
        ({"kind": "photo", "since": "2021"}, ["beach.heic"]),
        ({"rating": 4}, ["IMG_0001.jpg"]),
        ({"rating": -1}, ["IMG_0001.jpg", "IMG_0002.jpg"]),
        ({"broken": True}, ["torn.jpg"]),
        ({"broken": False, "kind": "jpeg"}, ["IMG_0001.jpg", "IMG_0002.jpg"]),
        ({"located": True}, ["IMG_0001.jpg", "beach.heic"]),
        ({"located": False, "since": "2021"}, ["clip.mov"]),
        ({"folder": b"P/sea", "since": "2021"}, ["beach.heic", "clip.mov"]),
        ({"folder": b"P/se"}, []),
        ({"since": "2019-05-31", "until": "2019-05"}, ["IMG_0002.jpg"]),
        ({"since": "2019-06", "until": "2019-06-01T00"}, ["_R.cr2"]),
        ({"until": "2019"}, ["IMG_0001.jpg", "IMG_0002.jpg", "_R.cr2"]),
        ({"since": "2021-07-01T12:00", "until": "2021-07-01T12:00"}, ["beach.heic"]),
        ({"text": "img", "camera": "canon", "rating": 1, "located": True, "until": "2020"}, ["IMG_0001.jpg"]),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_found(trips: Desk, query: dict, found: list[str]) -> None:
    assert [path.rpartition("/")[2] for path in trips.find(**query)] == found


def test_rows_come_by_date_and_those_without_by_the_time_of_the_file(trips: Desk) -> None:
    whens = [row.when for row in trips.rows()]
    assert whens == sorted(whens)
    assert whens[3] == "2020-09-13T12:26:40"


@pytest.mark.parametrize("date", ["20x", "2021-13", "2021-02-30", "", "2021-05-04 12:00", "99999"])
def test_what_is_no_date_is_refused(trips: Desk, date: str) -> None:
    with pytest.raises(UsageError):
        trips.find(since=date)


def test_by_place(trips: Desk) -> None:
    def near(radius: float) -> tuple[Area, ...]:
        return (Area(name="", latitude=41.9, longitude=12.4, radius_km=radius),)

    assert trips.find(places=near(8)) == []
    assert trips.find(places=near(9)) == ["P/2019 Gita a Róma/IMG_0001.jpg"]
    assert len(trips.find(places=near(2000))) == 2
    assert len(trips.find(places=(Area(name="Italy", latitude=0, longitude=0, radius_km=1, region="IT"),))) == 2
    assert trips.find(places=()) == []
    assert trips.rows(text="palermo")[0].place.endswith("Italy")


def test_chinese_is_found_by_its_characters(desk: Desk) -> None:
    desk.show(file("北京之行.jpg"))
    assert desk.find(text="京之") == ["北京之行.jpg"]
    assert desk.find(text="東") == []


@given(st.text(max_size=60))
def test_every_word_of_a_text_is_one_token(text: str) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE w USING fts5 (t, tokenize = 'ascii', detail = none)")
        db.execute("INSERT INTO w VALUES (?)", (" ".join(words(text)),))
        for word in words(text):
            assert db.execute("SELECT 1 FROM w WHERE w MATCH ?", (f'"{word}"',)).fetchone() == (1,)


# Sets -----------------------------------------------------------------------------------------------------------------


def test_a_photo_is_found_by_what_its_sidecar_says_and_shows_its_files(desk: Desk) -> None:
    desk.show(("P", [
        file("a.jpg", None),
        file("a.jpg.xmp", "2015-01-02T03:04:05", kind="xmp", rating=5, title="Sunset", taken_confidence="high"),
        file("b.heic", kind="heic", content_id="X"),
        file("b.mov", kind="mov", content_id="X"),
    ]))  # fmt: skip
    (row,) = desk.rows(text="sunset", rating=5, until="2015")
    assert (row.path, [one.name for one in row.members]) == (b"P/a.jpg", [b"a.jpg", b"a.jpg.xmp"])
    (live,) = desk.rows(set_kind="live")
    assert [one.role for one in live.members] == ["primary", "video"]
    assert desk.find(kind="sidecar") == ["P/a.jpg"]


def test_a_set_whose_files_are_on_two_pages(desk: Desk) -> None:
    names = [f"{number:05}.jpg" for number in range(3000)]
    desk.show(*map(file, names), *(file(f"{name}.xmp", kind="xmp", rating=5) for name in names[::100]))
    assert len(desk.shelf.parts) > 2
    assert len(desk.find(rating=5)) == 30
    assert len(desk.rows()) == 3000


# Order and pages ------------------------------------------------------------------------------------------------------


def paged(desk: Desk, limit: int, between: Callable[[], object] = lambda: None, **query) -> list[str]:
    found, after = [], None
    for _ in range(1000):
        answer = desk.library.find(Query(snapshot=desk.known[-1].name, **query), after=after, limit=limit)
        found += [row.path.decode() for row in answer.rows]
        assert len(answer.rows) == limit or answer.following is None
        if answer.following is None:
            return found
        after = Key.decode(answer.following.encode())
        between()
    raise AssertionError


@pytest.mark.parametrize("query", [{}, {"text": "jpg"}, {"newest": True}, {"duplicates": SAME}])
def test_pages_hold_each_row_once_in_order(desk: Desk, query: dict) -> None:
    """Many of one second, in folders whose order is another one than that in which they came."""
    desk.show(*(
        (folder, [file(f"{n}.jpg", f"2021-05-04T13:22:{n % 3:02}", digest=f"{n % 2}") for n in range(9)])
        for folder in ("z", "a", "m")
    ))  # fmt: skip
    whole = desk.find(**query)
    assert len(whole) == len(set(whole)) == 27
    keys = [row.key for row in desk.rows(**query)]
    assert keys == sorted(keys, reverse=bool(query.get("newest")))
    assert all(paged(desk, limit, **query) == whole for limit in (1, 2, 5, 26, 27, 28))


def test_what_comes_meanwhile_moves_nothing(desk: Desk) -> None:
    old = [file(f"{n:02}.jpg", f"2021-05-{n + 1:02}T00:00:00") for n in range(20)]
    desk.show(*old)

    def more() -> None:
        number = len(desk.known)
        desk.show(*old, *(file(f"n{number}{day}.jpg", f"2021-05-{day:02}T00:00:00") for day in range(1, 28)))

    found = paged(desk, 7, more)
    assert [path for path in found if not path.startswith("n")] == [one.name.decode() for one in old]
    assert len(found) == len(set(found))


@given(st.text(), st.binary(max_size=50))
def test_a_cursor_comes_back_the_same(when: str, path: bytes) -> None:
    assume(when.isprintable())
    assert Key.decode(Key(when=when, path=path).encode()) == Key(when=when, path=path)


@given(st.text(max_size=60))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with suppress(UsageError):
        assert isinstance(Key.decode(text), Key)


@given(st.datetimes(), st.datetimes())
def test_seconds_stand_in_the_order_of_time(one, other) -> None:
    first, second = second_of(one.isoformat()), second_of(other.isoformat())
    assert first is not None
    assert second is not None
    if one.replace(microsecond=0) < other.replace(microsecond=0):
        assert first < second


@given(st.datetimes(), st.sampled_from([4, 7, 10, 13, 16, 19]))
def test_a_date_covers_all_that_begins_with_it(when, length: int) -> None:
    text = when.isoformat()
    second = second_of(text)
    assert second is not None
    first, last = ids_between(text[:length], text[:length])
    assert first <= second << COUNT_BITS <= last
    below, above = (first - 1) >> COUNT_BITS, (last + 1) >> COUNT_BITS
    assert not first & ((1 << COUNT_BITS) - 1)
    assert below < second < above or (below < second and last == 2**63 - 1)


# Snapshots ------------------------------------------------------------------------------------------------------------


def test_every_snapshot_shows_what_was_in_it(desk: Desk) -> None:
    old = desk.show(("P", [file("kept.jpg"), file("gone.jpg")]), ("Q", [file("still.jpg")]))
    new = desk.show(("P", [file("kept.jpg", rating=5), file("new.jpg")]), ("Q", [file("still.jpg")]))
    assert sorted(desk.find(old)) == ["P/gone.jpg", "P/kept.jpg", "Q/still.jpg"]
    assert sorted(desk.find(new)) == ["P/kept.jpg", "P/new.jpg", "Q/still.jpg"]
    assert desk.find(old, rating=5) == []
    assert desk.find(new, text="gone") == []


def test_a_snapshot_that_it_does_not_know_is_an_error(desk: Desk) -> None:
    with pytest.raises(UsageError):
        desk.library.find(Query(snapshot=bytes(32)))


def test_only_new_listings_are_read(desk: Desk) -> None:
    folders = [(f"f{number}", [file(f"{number}.jpg")]) for number in range(30)]
    desk.show(("P", folders))
    desk.shelf.read.clear()
    desk.show(("P", [*folders[1:], ("f0", [file("0.jpg"), file("more.jpg")])]))
    assert len(desk.shelf.read) == 3  # the root, P and f0
    assert len(desk.find()) == 31
    desk.shelf.read.clear()
    desk.update(desk.known[-1])
    assert desk.shelf.read == []


def test_a_photo_more_in_a_large_folder_makes_few_rows_anew(desk: Desk) -> None:
    files = [file(f"{number:05}.jpg") for number in range(3000)]
    desk.show(*files)
    desk.show(*files, file("01500a.jpg"))
    assert 3000 < desk.library.standing().photos < 6000
    assert len(desk.find()) == 3001


def test_a_folder_at_two_places_is_found_at_both(desk: Desk) -> None:
    desk.show(("a", [("x", [file("1.jpg")])]), ("b", [("x", [file("1.jpg")])]))
    assert desk.find() == ["a/x/1.jpg", "b/x/1.jpg"]
    desk.show(("b", [("x", [file("1.jpg")])]))
    assert desk.find() == ["b/x/1.jpg"]


def test_what_no_snapshot_shows_is_removed(desk: Desk) -> None:
    desk.show(("P", [file("gone.jpg", phash=5), file("kept.jpg", phash=7)]), ("Q", [file(NAME.decode())]))
    desk.rows(duplicates=ALIKE)
    desk.show(("P", [file("kept.jpg", phash=7)]), keep=1)
    assert desk.library.standing().photos == 1
    assert desk.library.standing().snapshots == (desk.known[1].name,)
    db = desk.library._db
    assert db.execute("SELECT count(*) FROM words WHERE words MATCH '\"gone\"'").fetchone() == (0,)
    for table in ("folders", "chunks", "contents", "hashes", "compared"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] <= 2, table
    assert db.execute("SELECT count(*) FROM alike").fetchone() == (0,)


def test_no_more_than_eight_snapshots_are_kept_and_any_comes_back(desk: Desk) -> None:
    for number in range(10):
        desk.show(("P", [file(f"{number}.jpg")]))
    assert len(desk.library.standing().snapshots) == 8
    assert not desk.library.knows(desk.known[0].name)
    desk.update(desk.known[0])
    assert desk.find(desk.known[0]) == ["P/0.jpg"]


def test_an_interrupted_update_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.library.indexing._AT_ONCE", 5)
    tree = ("P", [(f"f{n}", [file(f"{n}.jpg", text) for text in ("2021", None)][:1]) for n in range(20)])
    one = desk.shelf.snapshot([tree])
    desk.known.append(one)
    kept = desk.shelf.folder

    def stop(pages: Iterable[bytes]) -> Iterator[Entry | DamageError]:
        if len(desk.shelf.read) > 12:
            raise KeyboardInterrupt
        return kept(pages)

    monkeypatch.setattr(desk.shelf, "folder", stop)
    with pytest.raises(KeyboardInterrupt):
        desk.update(one)
    desk.library.close()
    desk.library = Library(desk.path)
    assert not desk.library.knows(one.name)
    desk.shelf.read.clear()
    monkeypatch.setattr(desk.shelf, "folder", kept)
    assert desk.update(one) == []
    assert len(desk.shelf.read) < 20
    assert sorted(desk.find(text="jpg")) == sorted(f"P/f{n}/{n}.jpg" for n in range(20))


# Damage and rot -------------------------------------------------------------------------------------------------------


def test_a_damaged_listing_costs_what_it_lists_and_is_named_each_time(desk: Desk) -> None:
    lost = [file("lost.jpg")]
    one = desk.shelf.snapshot([("P", [("bad", lost), ("good", [file("good.jpg")])])])
    desk.known.append(one)
    desk.shelf.spoilt = set(desk.shelf.pages(lost))
    for _ in range(2):
        assert desk.update(one) == ["P/bad: it is damaged"]
        assert desk.find() == ["P/good/good.jpg"]
        assert not desk.library.knows(one.name)
    desk.shelf.spoilt = set()
    assert desk.update(one) == []
    assert desk.find() == ["P/bad/lost.jpg", "P/good/good.jpg"]
    assert desk.library.standing().photos == 2


def test_nobody_else_can_read_it(desk: Desk) -> None:
    desk.show(file("a.jpg"))
    for path in desk.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("offset", [0, 100, 5000, 30_000, 60_000])
def test_a_rotten_file_is_removed_and_made_anew(trips: Desk, offset: int) -> None:
    trips.library.close()
    data = bytearray(trips.path.read_bytes())
    data[offset : offset + 3000] = b"\xa5" * len(data[offset : offset + 3000])
    trips.path.write_bytes(data)
    found: list[str] = []
    for _ in range(3):
        trips.library = Library(trips.path)
        try:
            trips.update(trips.known[-1])
            found = trips.find(text="img")
            break
        except DamagedError:
            assert not trips.path.exists()
            trips.library.close()
    assert found == ["P/2019 Gita a Róma/IMG_0001.jpg", "P/2019 Gita a Róma/IMG_0002.jpg"]


def test_a_row_that_does_not_decode_is_rot(trips: Desk) -> None:
    trips.library._db.execute("UPDATE rows SET data = x'5b315d'")
    trips.library._db.commit()
    with pytest.raises(DamagedError):
        trips.find(text="img")
    assert not trips.path.exists()


def test_a_later_version_begins_anew(trips: Desk) -> None:
    trips.library._db.execute("PRAGMA user_version = 99")
    trips.library.close()
    trips.library = Library(trips.path)
    assert trips.library.standing().photos == 0


def test_without_full_text_search_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.library.store.SCHEMA", "CREATE VIRTUAL TABLE words USING fts99 (text)")
    with pytest.raises(RefusedError, match="fts99") as told:
        Library(tmp_path / "library.sqlite")
    assert "FTS5" in told.value.hint


def test_odd_names_and_facts_are_kept(desk: Desk) -> None:
    odd = replace(file("x"), name=b"\xff\xfe\n.jpg", facts=Facts(title='"\ud83d', taken="soon", keywords=("\0",)))
    desk.show(("\x1b[2J", [odd]))
    (row,) = desk.rows()
    assert (row.path, row.facts, row.when) == (b"\x1b[2J/\xff\xfe\n.jpg", odd.facts, "2020-09-13T12:26:40")


# Contents -------------------------------------------------------------------------------------------------------------


def digests(*names: str) -> frozenset[bytes]:
    return frozenset(name.encode().ljust(32, b".")[:32] for name in names)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["a.jpg", "b.jpg", "c.jpg"]),
        ({"text": "b"}, ["b.jpg"]),
        ({"duplicates": SAME}, ["a.jpg", "c.jpg"]),
        ({"since": "2022"}, ["c.jpg"]),
        ({"newest": True}, ["c.jpg", "b.jpg", "a.jpg"]),
    ],
    ids=["alone", "with words", "with a list", "with a date", "newest first"],
)
def test_photos_with_certain_contents_are_found_wherever_they_are(desk: Desk, query: dict, found: list[str]) -> None:
    desk.show(
        ("P", [
            file("a.jpg", "2020", digest="1"), file("b.jpg", "2021", digest="2"),
            file("c.jpg", "2022", digest="1"), file("d.jpg", "2023", digest="3"),
            file("e.xmp", None, kind="xmp", digest="4"),
        ]),
    )  # fmt: skip
    wanted = digests("1", "2", "nowhere")
    assert [path.rpartition("/")[2] for path in desk.find(digests=wanted, **query)] == found
    assert desk.find(digests=frozenset()) == []


def test_contents_whose_first_bytes_are_alike_are_told_apart(desk: Desk) -> None:
    desk.show(file("a.jpg", digest="12345678a"), file("b.jpg", digest="12345678b"))
    assert desk.find(digests=digests("12345678a")) == ["a.jpg"]


def test_whose_photos_were_asked_for_is_in_no_file(desk: Desk) -> None:
    desk.show(*(file(f"{n}.jpg", digest=str(n)) for n in range(2000)))
    before = {path: path.read_bytes() for path in desk.path.parent.iterdir()}
    assert len(desk.find(digests=digests(*map(str, range(1000))))) == 1000
    assert {path: path.read_bytes() for path in desk.path.parent.iterdir()} == before
    assert desk.library._db.execute("PRAGMA temp_store").fetchone() == (2,), "nor in a temporary one"


# Duplicates -----------------------------------------------------------------------------------------------------------


def test_the_same_file_twice(desk: Desk) -> None:
    old = desk.show(("P", [file("a.jpg", digest="1"), file("b.jpg"), file("e.jpg", size=0, digest="0")]))
    desk.show(
        ("P", [file("a.jpg", digest="1"), file("b.jpg", rating=1), file("e.jpg", size=0, digest="0")]),
        ("Q", [file("c.jpg", digest="1"), file("f.jpg", size=0, digest="0")]),
    )
    assert desk.find(old, duplicates=SAME) == []
    assert [(row.path, row.duplicates) for row in desk.rows(duplicates=SAME)] == [
        (b"P/a.jpg", (b"Q/c.jpg",)), (b"Q/c.jpg", (b"P/a.jpg",)),
    ]  # fmt: skip
    assert desk.find(duplicates=SAME, text="c") == ["Q/c.jpg"]
    assert desk.find(duplicates=SAME, folder=b"P", rating=1) == []


def test_pictures_that_look_alike(desk: Desk) -> None:
    base = 0xF0F0_1234_5678_9ABC
    first = [file("a.jpg", phash=base), file("b.jpg", phash=base ^ 0b1111 << 30), file("far.jpg", phash=base ^ 0b11111)]
    desk.show(*first)
    assert desk.find(duplicates=ALIKE) == ["a.jpg", "b.jpg"]
    desk.show(*first, file("later.jpg", phash=base ^ 0b11111 ^ 1 << 63), file("plain.jpg"))
    assert desk.find(duplicates=ALIKE) == ["a.jpg", "b.jpg", "far.jpg", "later.jpg"]
    assert desk.find(desk.known[0], duplicates=ALIKE) == ["a.jpg", "b.jpg"]
    assert desk.rows(duplicates=ALIKE, text="later")[0].duplicates == (b"far.jpg",)
    desk.show(first[2])  # what it is like is in another snapshot only
    assert desk.find(duplicates=ALIKE) == []


def test_a_folder_deeper_than_its_marks_holds_what_is_in_it_only(desk: Desk) -> None:
    tree = [("x", [file("a.jpg")]), ("y", [file("b.jpg")])]
    for _ in range(FOLDERS_MAX + 1):
        tree = [("d", tree)]
    desk.show(*tree)
    deep = "d/" * (FOLDERS_MAX + 1)
    assert desk.find(folder=f"{deep}y".encode()) == [f"{deep}y/b.jpg"]


def test_pictures_of_one_colour_are_like_no_other(desk: Desk) -> None:
    hashes = {"black": 0, "soot": 0, "white": 1, "snow": 1, "dim": 0b111}
    desk.show(*(file(f"{name}.jpg", phash=one) for name, one in hashes.items()))
    assert desk.find(duplicates=ALIKE) == []
    assert desk.rows(text="snow")[0].duplicates == ()


@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=12, unique=True),
    st.lists(st.lists(st.integers(0, 63), max_size=6), max_size=12),
    st.integers(0, 24),
)
def test_pairs_are_those_that_comparing_all_would_find(hashes: list[int], flips: list[list[int]], cut: int) -> None:
    for one, bits in zip(tuple(hashes), flips, strict=False):
        for bit in bits:
            one ^= 1 << bit  # noqa: PLW2901 - a picture that was changed a little
        hashes.append(one)
    known = list(dict.fromkeys(hashes[:cut]))
    fresh = [one for one in dict.fromkeys(hashes) if one not in known]
    found = {frozenset(pair) for pair in pairs(fresh, known)}
    expected = {
        frozenset((one, other))
        for one in fresh
        for other in (*fresh, *known)
        if one != other and (one ^ other).bit_count() <= DISTANCE
    }
    assert found == expected


# Albums ---------------------------------------------------------------------------------------------------------------


def album_file(shelf: Shelf, value: object) -> Entry:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    part = shelf.keep(data)
    digest = hashlib.sha256(data).digest()
    return replace(file(NAME.decode(), kind=""), parts=(part,), digest=digest, size=len(data))


def test_albums_are_names_of_photos_below(desk: Desk) -> None:
    albums = [
        {"name": "Été", "photos": ["a.jpg", "sub/b.heic", "../out.jpg", "/a.jpg", "none.jpg", 7]},
        {"name": "ÉTÉ", "photos": ["sub/b.mov"]},
        {"name": "Elsewhere", "photos": ["there.jpg"]},
    ]
    tree = [file("a.jpg"), ("sub", [file("b.heic", kind="heic"), file("b.mov", kind="mov")]), file("c.jpg")]
    with_albums = [("P", [*tree, album_file(desk.shelf, {"version": 1, "albums": albums})]), file("out.jpg")]
    old = desk.show(*with_albums)
    assert desk.find(album="ete") == ["P/a.jpg", "P/sub/b.heic"]
    assert [row.albums for row in desk.rows(text="a")] == [("Été",)]
    assert desk.library.albums(old.name) == {"Elsewhere": 0, "Été": 2}
    assert desk.find(album="ete", kind="heic") == ["P/sub/b.heic"]
    with pytest.raises(UsageError) as told:
        desk.find(album="winter")
    assert "Été" in told.value.hint
    desk.show(("P", tree))
    assert desk.library.albums(desk.known[-1].name) == {}
    assert desk.find(old, album="ete") == ["P/a.jpg", "P/sub/b.heic"]


@pytest.mark.parametrize("value", [b"", b"[" * 100_000, {"version": 2, "albums": []}, {"version": 1}, b"\xff", []])
def test_a_file_that_holds_no_albums_is_named_and_the_rest_is_found(desk: Desk, value: object) -> None:
    desk.show(("P", [file("a.jpg"), album_file(desk.shelf, value)]))
    assert desk.problems == [f"P/{NAME.decode()}: not an album file that this version can read"]
    assert desk.find(text="a.jpg") == ["P/a.jpg"]


def test_an_album_file_that_is_damaged_or_huge(desk: Desk) -> None:
    entry = album_file(desk.shelf, {"version": 1, "albums": []})
    desk.shelf.spoilt = set(entry.parts)
    desk.show(("P", [entry]))
    assert desk.problems == [f"P/{NAME.decode()}: cannot be read: it is damaged"]
    desk.show(("Q", [replace(entry, size=10**12, digest=bytes(32))]))
    assert desk.problems == [f"Q/{NAME.decode()}: not an album file that this version can read"]


@given(st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just("name") | st.just("../x") | st.just("a//b"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "photos"]), inner),
    max_leaves=20,
))  # fmt: skip
def test_whatever_an_album_file_says_no_path_leads_out(value: object) -> None:
    for one in read_albums(
        b"P/Q", json.dumps({"version": 1, "albums": [value, *(value if isinstance(value, list) else [])]}).encode()
    ):
        assert one.path.startswith(b"P/Q/")
        assert b".." not in one.path.split(b"/")
        assert one.album.isprintable()


# Places ---------------------------------------------------------------------------------------------------------------


@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.floats(0.01, 20_000),
    st.integers(-90 * 10**7, 90 * 10**7),
    st.integers(-180 * 10**7, 180 * 10**7),
    st.booleans(),
)
@settings(max_examples=300)
def test_the_cells_of_a_circle_cover_it(
    north: float, east: float, radius: float, latitude: int, longitude: int, near: bool
) -> None:
    if near:  # most points are far from a small circle
        latitude = round(max(-90, min(90, north + (latitude / 10**9) * radius / 100)) * 10**7)
        longitude = round(max(-180, min(180, east + (longitude / 10**9) * radius / 100)) * 10**7)
    area = Area(name="", latitude=north, longitude=east, radius_km=radius)
    assume(distance_km(north, east, latitude / 10**7, longitude / 10**7) <= radius)
    row = Row(
        folder=b"", when="", set_kind="", set_kinds=(), members=(), facts=Facts(latitude=latitude, longitude=longitude)
    )
    cells = _cells(area)
    assert not set(cells).isdisjoint(_place_marks(row))
    assert len(cells) <= 64


def test_errors_are_ours(desk: Desk) -> None:
    desk.show(file("a.jpg"))
    with pytest.raises(PhotovaultError):
        Library(desk.path.parent / "library.sqlite" / "under a file")


# What pages show


def test_photos_are_shown_in_the_order_of_time_and_lonely_notes_are_not(desk: Desk) -> None:
    one = desk.show(
        file("b.jpg", "2021-05-04T13:22:12"),
        file("a.jpg", "2021-05-04T13:22:11"),
        ("x", [file("film.mp4", "2020-01-01T00:00:00", kind="mp4"), file("c.nef", "2022-01-01T00:00:00", kind="nef")]),
        file("lonely.xmp", kind="xmp"),
        file("letter.txt", None, kind=""),
    )
    numbers = list(desk.library.show(lambda show: show.spine(one.name)))
    assert numbers == sorted(numbers)
    rows = desk.library.show(lambda show: show.rows(one.name, numbers))
    assert [row.path for row in rows] == [b"x/film.mp4", b"a.jpg", b"b.jpg", b"x/c.nef"]
    assert [row.number for row in rows] == numbers
    assert [row.number for row in desk.rows(kind="photo")] == numbers[1:]


def test_a_snapshot_shows_only_what_is_in_it_and_numbers_stay(desk: Desk) -> None:
    first = desk.show(("x", [file("a.jpg")]), ("y", [file("b.jpg", "2020-01-01T00:00:00")]))
    second = desk.show(
        ("x", [file("a.jpg"), file("new.jpg", "2023-01-01T00:00:00")]), ("y", [file("b.jpg", "2020-01-01T00:00:00")])
    )
    old, new = (list(desk.library.show(lambda show, at=one: show.spine(at.name))) for one in (first, second))
    assert (len(old), len(new)) == (2, 3)
    assert old[0] == new[0]
    assert desk.library.show(lambda show: show.row(first.name, new[-1])) is None
    found = desk.library.any_row(new[-1])
    assert found is not None
    assert found.path == b"x/new.jpg"
    assert desk.library.snapshots_of(new[-1]) == (second.name,)
    assert desk.library.snapshots_of(old[0]) == (second.name, first.name)


@pytest.mark.parametrize("number", [-1, 0, 1, 2**63 - 1, 2**63, 10**40])
def test_a_number_that_is_none_is_of_no_row(desk: Desk, number: int) -> None:
    one = desk.show(file("a.jpg"))
    assert desk.library.any_row(number) is None
    assert desk.library.show(lambda show: show.row(one.name, number)) is None


def test_a_part_is_the_newest_first_and_bounded(desk: Desk) -> None:
    one = desk.show(*(file(f"{day}.jpg", f"2021-05-{day:02}T00:00:00") for day in range(1, 29)))
    numbers = desk.library.show(lambda show: show.spine(one.name))
    rows = desk.library.show(lambda show: show.between(one.name, numbers[3], numbers[-2], 5))
    assert [row.number for row in rows] == list(numbers)[-2:-7:-1]


def test_where_photos_were_taken_is_read_whatever_is_written_about_them(desk: Desk) -> None:
    liar = 'she said "latitude":1,"longitude":2, [["x.jpg","primary"'
    one = desk.show(
        file("a.jpg", title=liar, keywords=(liar,), **ROME),
        file("south.jpg", "2022-01-01T00:00:00", latitude=-900_000_000, longitude=-1_800_000_000),
        file("nowhere.jpg", title=liar),
    )
    found = desk.library.show(lambda show: show.located(one.name))
    assert list(zip(found.latitudes, found.longitudes, strict=True)) == [
        (419_000_000, 125_000_000), (-900_000_000, -1_800_000_000),
    ]  # fmt: skip
    assert [row.path for row in desk.library.show(lambda show: show.rows(one.name, list(found.numbers)))] == [
        b"a.jpg", b"south.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.jpg", 'quo"te\\.jpg', "näme ü.jpg", "line\nbreak.jpg", "[[.jpg"])
def test_a_photo_is_found_by_its_name_in_its_folder(desk: Desk, name: str) -> None:
    one = desk.show(file(name), file("other.jpg", title='[["a.jpg",'), ("x", [file(name, digest="else")]))
    (row,) = desk.library.show(lambda show: show.by_names(one.name, b"", [name.encode(), b"none.jpg"])).values()
    assert (row.folder, row.members[0].name) == (b"", name.encode())
    assert desk.library.show(lambda show: show.by_names(one.name, b"none", [name.encode()])) == {}


def test_photos_are_found_by_what_is_in_any_of_their_files(desk: Desk) -> None:
    one = desk.show(file("a.jpg", digest="one"), file("a.nef", digest="raw", kind="nef"), file("b.jpg", digest="two"))
    desk.show(file("c.jpg", digest="later"))
    digests = {text: text.encode().ljust(32, b".") for text in ("one", "raw", "two", "later")}
    found = desk.library.show(lambda show: show.by_digests(one.name, digests.values()))
    assert found.keys() == {digests["one"], digests["raw"], digests["two"]}
    assert found[digests["one"]] == found[digests["raw"]] != found[digests["two"]]
    assert desk.library.show(lambda show: show.by_digests(one.name, [])) == {}


def test_a_mark_tells_when_a_snapshot_was_brought_up_to_date(desk: Desk) -> None:
    one = desk.show(file("a.jpg"))
    before = desk.library.mark(one.name)
    desk.show(file("b.jpg"))
    assert desk.library.mark(one.name) == before
    assert desk.library.mark(bytes(32)) is None
    desk.update(one)
    assert desk.library.mark(one.name) != before


def test_a_page_of_a_snapshot_that_is_not_known_is_wrong_use(desk: Desk) -> None:
    for ask in ("spine", "located"):
        with pytest.raises(UsageError):
            desk.library.show(lambda show, name=ask: getattr(show, name)(bytes(32)))


def test_a_row_with_rot_in_it_costs_the_catalog(desk: Desk) -> None:
    one = desk.show(file("a.jpg"))
    desk.library._db.execute("UPDATE rows SET data = x'00'")
    desk.library._db.commit()
    with pytest.raises(DamagedError):
        desk.library.show(lambda show: show.between(one.name, 0, 2**63 - 1, 10))
    assert not desk.path.exists()
