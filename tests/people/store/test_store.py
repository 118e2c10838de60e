"""The face store: nothing of it can be read without its key, nothing is lost in it, nothing is kept that should go."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from photovault.errors import (
    BusyError,
    DamageError,
    MissingExtraError,
    PhotovaultError,
    RefusedError,
    UnknownVersionError,
    UsageError,
    WrongKeyError,
)
from photovault.names import FACE_STORE_MAGIC
from photovault.people.store.store import Store
from photovault.people.values import FACES_MAX, Box
from tests.people.store_world import (
    ENGINE,
    KEY,
    decisions,
    digest,
    faces_of,
    grouped,
    made,
    path_of,
    put,
    seen,
    stamp,
    state,
    vector,
)

NAME = "Änne Beispielmann"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path):
    with made(tmp_path / "people") as store:
        yield store


def vectors(store):
    return {face: bytes(data) for face, data in store.db.rows("SELECT face, vector FROM vectors WHERE face > 0")}


# The file -----------------------------------------------------------------------------------------------------------


def test_the_file_is_known_by_its_first_bytes_and_private(tmp_path):
    with made(tmp_path):
        pass
    assert (tmp_path / "faces.db").read_bytes().startswith(FACE_STORE_MAGIC)
    assert (tmp_path / "faces.db").stat().st_mode & 0o777 == 0o600


def encodings(data: bytes) -> list[bytes]:
    """What a leak of some bytes could look like."""
    floats = [data[i : i + 4] for i in range(0, 16, 4)]
    return [
        data[:16],
        data[:16][::-1],
        b"".join(one[::-1] for one in floats),
        data[:16].hex().encode(),
        data[:16].hex().upper().encode(),
        *(base64.b64encode(b"\0" * pad + data[:24])[4:20] for pad in range(3)),
        base64.b32encode(data[:20])[:16],
        base64.b85encode(data[:16])[:12],
        bytes(b ^ 0xFF for b in data[:16]),
    ]


def of_name(name: str) -> list[bytes]:
    text = name.encode()
    return [
        text,
        text.hex().encode(),
        base64.b64encode(text)[:12],
        name.encode("utf-16-le"),
        name.upper().encode(),
        text[::-1],
    ]


def test_no_vector_and_no_name_is_in_the_file_its_log_or_a_temporary_file(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for variable in ("TMPDIR", "TMP", "TEMP", "SQLITE_TMPDIR"):
        monkeypatch.setenv(variable, str(temporary))
    folder = tmp_path / "people"
    with made(folder) as store:
        photos = [put(store, f"{i}.jpg", *(seen(f"who {j}", j / 6, i) for j in range(5))) for i in range(40)]
        grouped(store, {7: [faces_of(store, photo)[0] for photo in photos]})
        decisions(store).name(7, NAME)
        store.db.rows("SELECT * FROM vectors ORDER BY vector DESC")  # sorts on the side
        planted = [*vectors(store).values(), *store.canaries()]
        looked_at = ["faces.db", "faces.db-wal", "faces.db-shm"]
        assert sorted(p.name for p in folder.iterdir()) == sorted([*looked_at, "people.lock"])
        everything = b"".join((folder / name).read_bytes() for name in looked_at)
        assert len((folder / "faces.db-wal").read_bytes()) > 100_000, "the log was to be looked at too"
        assert not list(temporary.iterdir())
    everything += (folder / "faces.db").read_bytes()
    needles = [needle for data in planted[:20] + planted[-3:] for needle in encodings(data)] + of_name(NAME)
    assert [needle for needle in needles if needle in everything] == []
    assert b"CREATE TABLE" not in everything
    assert b"/photos/" not in everything


def test_the_search_for_plain_text_would_find_it(tmp_path):
    import sqlite3

    data = vector("who")
    with sqlite3.connect(tmp_path / "plain.db") as db:
        db.execute("CREATE TABLE t (a, b)")
        db.execute("INSERT INTO t VALUES (?, ?)", (data, NAME))
    db.close()
    plain = (tmp_path / "plain.db").read_bytes()
    assert any(needle in plain for needle in encodings(data))
    assert any(needle in plain for needle in of_name(NAME))


def test_another_key_opens_nothing_and_says_what_to_do(tmp_path):
    with made(tmp_path) as store:
        put(store, "a.jpg", seen("anna"))
    before = (tmp_path / "faces.db").read_bytes()
    with pytest.raises(WrongKeyError) as caught:
        Store.open(tmp_path, bytes(32))
    assert "people disable" in caught.value.hint
    assert (tmp_path / "faces.db").read_bytes() == before


@pytest.mark.parametrize("where", [0, 7, 15])
def test_a_file_with_another_beginning_is_no_store(tmp_path, where):
    with made(tmp_path):
        pass
    damage(tmp_path / "faces.db", where)
    with pytest.raises(DamageError) as caught:
        Store.open(tmp_path, KEY)
    assert "people disable" in caught.value.hint


def damage(path: Path, where: int) -> None:
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)


def test_each_changed_byte_is_found_and_never_read_as_data(tmp_path):
    with made(tmp_path) as store:
        for i in range(30):
            put(store, f"{i}.jpg", seen("anna", seed=i))
        right = vectors(store)
    whole = (tmp_path / "faces.db").read_bytes()
    for _ in range(60):
        at = Random(_).randrange(24, len(whole))
        (tmp_path / "faces.db").write_bytes(whole)
        damage(tmp_path / "faces.db", at)
        try:
            with Store.open(tmp_path, KEY, write=False) as store:
                found = vectors(store)
        except (DamageError, WrongKeyError):
            continue
        assert found == right


def test_a_store_cut_short_or_of_rubbish_is_damaged_not_a_traceback(tmp_path):
    with made(tmp_path) as store:
        put(store, "a.jpg", seen("anna"))
    whole = (tmp_path / "faces.db").read_bytes()
    for data in (whole[:10], whole[:16], whole[:5000], FACE_STORE_MAGIC + b"x" * 9000, b"x" * 100, whole[:-4096]):
        (tmp_path / "faces.db").write_bytes(data)
        with pytest.raises((DamageError, WrongKeyError)):
            used(tmp_path)


def used(folder):
    with made(folder) as store:
        vectors(store)
        put(store, "b.jpg", seen("anna"))


def test_one_writes_at_a_time_and_others_read_beside_it(tmp_path):
    with made(tmp_path) as store:
        put(store, "a.jpg", seen("anna"))
        with pytest.raises(BusyError):
            Store.open(tmp_path, KEY)
        with Store.open(tmp_path, KEY, write=False) as reader:
            assert reader.stamp_of(path_of("a.jpg")) == (stamp("a.jpg"), 1)
            with pytest.raises(RefusedError):
                put(reader, "b.jpg")
    with made(tmp_path):
        pass


def test_a_later_version_is_left_alone(tmp_path):
    with made(tmp_path) as store:
        store.db.run("PRAGMA user_version = 99")
    with pytest.raises(UnknownVersionError):
        Store.open(tmp_path, KEY)


def test_without_a_store_reading_says_what_to_do(tmp_path):
    assert not Store.exists(tmp_path)
    with pytest.raises(UsageError) as caught:
        Store.open(tmp_path, KEY, write=False)
    assert caught.value.hint == "photovault people scan"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["missing", "plain"])
def test_without_the_library_that_encrypts_nothing_is_written(tmp_path, monkeypatch, fault):
    import apsw

    class Plain:
        """As the apsw without ciphers: it does not know the pragma, and says nothing."""

        def __init__(self, path, **_):
            self.cursor = self

        def execute(self, *_):
            return self

        def fetchone(self):
            return None

    if fault == "missing":
        monkeypatch.setitem(sys.modules, "apsw", None)
    else:
        monkeypatch.setattr(apsw, "Connection", Plain)
    with pytest.raises(MissingExtraError) as caught:
        made(tmp_path)
    assert "pip install 'photovault[faces]'" in caught.value.hint
    assert (tmp_path / "faces.db").read_bytes() == b""


def test_a_full_disk_is_an_error_of_ours_and_loses_nothing(tmp_path):
    with made(tmp_path) as store:
        put(store, "a.jpg", seen("anna"))
        ((pages,),) = store.db.rows("PRAGMA page_count")
        store.db.row(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(RefusedError) as caught:
            [put(store, f"{i}.jpg", seen("anna", seed=i)) for i in range(500)]
        assert "space" in caught.value.what
        assert store.stamp_of(path_of("a.jpg")) is not None
        store.db.row("PRAGMA max_page_count = 100000")
        put(store, "later.jpg", seen("anna"))


def test_a_link_in_place_of_the_store_is_not_followed(tmp_path):
    elsewhere = tmp_path / "cloud.db"
    elsewhere.write_bytes(b"")
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "faces.db").symlink_to(elsewhere)
    with pytest.raises(RefusedError):
        made(tmp_path / "people")
    assert elsewhere.read_bytes() == b""


def test_no_error_tells_a_name_or_a_number_of_a_vector(store):
    put(store, "a.jpg", seen("anna"), seen("ben", 0.6))
    grouped(store, {1: [1], 2: [2]})
    decide = decisions(store)
    decide.name(1, NAME)
    for wrong in (lambda: decide.name(2, NAME.upper()), lambda: store.find("nobody"), lambda: decide.name(2, "p12")):
        with pytest.raises(PhotovaultError) as caught:
            wrong()
        assert NAME.casefold() not in f"{caught.value.what} {caught.value.hint}".casefold()


KILLED = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.people.store_world import decisions, grouped, made, put, seen
store = made(Path({folder!r}))
grouped(store, {{1: [1]}})
decide = decisions(store)
print("ready", flush=True)
for i in range(1_000_000):
    decide.name(1, f"name {{i}}")
    put(store, f"new {{i}}.jpg", seen("ben", seed=i), seen("carl", 0.6, seed=i))
    print(i, flush=True)
"""


@pytest.mark.parametrize("seconds", [0.02, 0.15, 0.4])
def test_a_kill_loses_at_most_the_last_action(tmp_path, seconds):
    with made(tmp_path) as store:
        put(store, "a.jpg", seen("anna"))
    program = textwrap.dedent(KILLED.format(root=str(ROOT), folder=str(tmp_path)))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        said = child.stdout.read().split("\n")[:-1]
    last = int(said[-1]) if said else -1
    with made(tmp_path) as store:
        assert store.names().get(1) in {f"name {i}" for i in (last, last + 1)} | ({None} if last < 0 else set())
        photos = [i for i in range(last + 3) if store.stamp_of(path_of(f"new {i}.jpg"))]
        assert photos in (list(range(last + 1)), list(range(last + 2)))
        ((faces,),) = store.db.rows("SELECT count(*) FROM faces")
        assert faces == 1 + 2 * len(photos)
        assert store.db.rows("PRAGMA integrity_check") == [("ok",)]


# Photos -------------------------------------------------------------------------------------------------------------


def test_a_photo_is_known_by_its_stamp_and_by_its_bytes(store):
    photo = put(store, "a.jpg", seen("anna"))
    assert store.stamp_of(path_of("a.jpg")) == (stamp("a.jpg"), photo)
    assert store.stamp_of(b"/photos/b.jpg") is None
    assert store.photo_of(digest("a.jpg")) == (photo, ENGINE)
    store.put_path(path_of("copy.jpg"), stamp("copy.jpg"), photo)
    assert list(store.paths()) == [path_of("a.jpg"), path_of("copy.jpg")]


def test_a_photo_without_faces_is_known_and_a_broken_one_is_not_taken_for_known_bytes(store):
    put(store, "empty.jpg")
    put(store, "broken.jpg", why="it does not decode")
    assert store.photo_of(digest("empty.jpg"))
    assert store.photo_of(digest("broken.jpg")) is None
    assert store.stamp_of(path_of("broken.jpg")) is not None


def test_files_that_cannot_be_read_are_photos_of_their_own(store):
    one = store.put_photo(b"/a", stamp("a"), b"", 0, 0, "", [], ENGINE, "no rights")
    other = store.put_photo(b"/b", stamp("b"), b"", 0, 0, "", [], ENGINE, "no rights")
    assert one != other
    assert store.put_photo(b"/a", stamp("a", 2), b"", 0, 0, "", [], ENGINE, "no rights") == one


def test_a_worker_that_dies_on_a_known_photo_costs_it_no_face(store):
    photo = put(store, "a.jpg", seen("anna"))
    put(store, "a.jpg", version=2, why="the worker died")
    assert len(faces_of(store, photo)) == 1
    assert vectors(store)


def test_scanning_again_keeps_the_faces_and_their_numbers(store):
    photo = put(store, "a.jpg", seen("anna"), seen("ben", 0.6))
    before = faces_of(store, photo)
    put(store, "a.jpg", seen("ben", 0.61), seen("anna", 0.11), version=2)
    assert faces_of(store, photo) == before


def test_a_confirmed_face_that_is_not_found_again_stays_by_hand_and_comes_back(store):
    photo = put(store, "a.jpg", seen("anna"), seen("ben", 0.6))
    anna, ben = faces_of(store, photo)
    grouped(store, {1: [anna], 2: [ben]})
    decisions(store).name(1, "Anna")
    put(store, "a.jpg", seen("carl", 0.8, quality=0.5), version=2)
    assert anna in faces_of(store, photo)
    assert ben not in faces_of(store, photo)
    assert anna not in vectors(store)
    assert [face.id for face in store.person(1).faces] == [anna]
    put(store, "a.jpg", seen("anna", 0.12), version=3)
    assert anna in vectors(store)
    assert store.person(1).faces[0].confirmed


def test_a_face_that_overlaps_another_takes_the_box_it_covers_best(store):
    photo = put(store, "a.jpg", seen("anna", 0.10), seen("ben", 0.16))
    anna, ben = faces_of(store, photo)
    put(store, "a.jpg", seen("ben", 0.165), seen("anna", 0.105), version=2)
    assert vectors(store)[anna] == seen("anna").vector
    assert vectors(store)[ben] == seen("ben").vector


def test_faces_that_no_engine_gives_are_dropped(store):
    good = seen("anna")
    nan = good._replace(vector=b"\x00\x00\xc0\x7f" * 16)
    bad = [
        nan,
        good._replace(vector=b""),
        good._replace(vector=b"abc"),
        good._replace(vector=b"\0" * 400_000),
        good._replace(box=Box(2.0, 0.1, 0.1, 0.1)),
        good._replace(box=Box(0.1, 0.1, 0.0, 0.1)),
        good._replace(box=Box(float("nan"), 0.1, 0.1, 0.1)),
        good._replace(box=Box(float("inf"), 0.1, 0.1, 0.1)),
        good._replace(quality=float("nan")),
        good._replace(landmarks=(0.1, 0.2)),
        good._replace(landmarks=(float("inf"),) * 10),
    ]
    photo = put(
        store,
        "a.jpg",
        good,
        *(one._replace(box=Box(0.6, 0.6, 0.1, 0.1)) if one.box == good.box else one for one in bad),
    )
    assert len(faces_of(store, photo)) == 1
    other = put(store, "b.jpg", seen("anna", size=32))
    assert faces_of(store, other) == [], "vectors of one engine have one length"


def test_a_box_over_the_edge_is_cut_and_no_photo_has_faces_without_end(store):
    photo = put(store, "a.jpg", seen("anna", -0.05))
    ((x, w),) = store.db.rows("SELECT x, w FROM faces WHERE photo = ?", (photo,))
    assert (x, round(w, 6)) == (0.0, 0.1)
    crowd = [seen(f"{i}")._replace(box=Box(i / 1000, 0.1, 0.0005, 0.01)) for i in range(300)]
    assert len(faces_of(store, put(store, "b.jpg", *crowd))) == FACES_MAX


def test_what_lies_nowhere_any_more_loses_its_measures_and_keeps_its_names(store):
    photo = put(store, "a.jpg", seen("anna"), seen("ben", 0.6))
    put(store, "b.jpg", seen("ben"))
    anna, ben = faces_of(store, photo)
    grouped(store, {1: [anna], 2: [ben, 3]})
    decisions(store).name(1, "Anna")
    store.forget_path(path_of("a.jpg"))
    assert len(vectors(store)) == 3, "it may have moved: only the end of a scan knows"
    assert store.sweep() == 1
    assert set(vectors(store)) == {3}
    assert faces_of(store, photo) == [anna]
    assert store.db.rows("SELECT landmarks FROM faces WHERE id = ?", (anna,)) == [(b"",)]
    assert [(one.name, one.count) for one in store.people()] == [("Anna", 0)]
    assert store.digests_of(1) == {digest("a.jpg")}, "it may still be in a vault"
    assert store.photo_of(digest("a.jpg")) is None, "its faces have to be measured again"
    put(store, "back.jpg", seen("anna"), seen("ben", 0.6), content="a.jpg")
    assert [(one.name, one.count) for one in store.people()] == [("Anna", 1)]
    assert anna in vectors(store)


def test_a_moved_photo_loses_nothing(store):
    photo = put(store, "a.jpg", seen("anna"))
    store.forget_path(path_of("a.jpg"))
    store.put_path(path_of("there.jpg"), stamp("there.jpg"), photo)
    assert store.sweep() == 0
    assert vectors(store)


def test_a_removed_vector_is_overwritten_not_only_unlinked(store):
    assert store.db.rows("PRAGMA secure_delete") == [(1,)]
    assert store.db.rows("PRAGMA temp_store") == [(2,)]


def test_what_was_swept_is_in_no_log_any_more(tmp_path):
    with made(tmp_path) as store:
        put(store, "a.jpg", seen("anna"))
        store.forget_path(path_of("a.jpg"))
        store.sweep()
        assert (tmp_path / "faces.db-wal").stat().st_size == 0


@pytest.mark.parametrize("how", ["taken", "vector"])
def test_a_photo_whose_tags_were_edited_keeps_its_names(store, how):
    photo = put(store, "a.jpg", seen("anna"), seen("ben", 0.6), taken="2024-01-01" if how == "taken" else "")
    anna, ben = faces_of(store, photo)
    grouped(store, {1: [anna], 2: [ben]})
    decisions(store).name(1, "Anna")
    seed = 0 if how == "vector" else 5
    new = put(
        store,
        "a.jpg",
        seen("ben", 0.6, seed=seed),
        seen("anna", seed=seed),
        content="edited",
        version=2,
        taken="2024-01-01" if how == "taken" else "",
    )
    store.sweep()
    assert anna in faces_of(store, new)
    assert len(faces_of(store, new)) == 2
    assert store.person(1).faces[0].file == "/photos/a.jpg"
    assert store.digests_of(1) == {digest("edited")}


def test_another_photo_under_the_same_name_inherits_no_name(store):
    put(store, "IMG_0001.jpg", seen("anna"), taken="2024-01-01")
    grouped(store, {1: [1]})
    decisions(store).name(1, "Anna")
    new = put(store, "IMG_0001.jpg", seen("ben"), content="another", version=2, taken="2024-06-06")
    assert store.db.rows("SELECT person FROM faces WHERE photo = ?", (new,)) == [(None,)]
    assert store.digests_of(1) == {digest("IMG_0001.jpg")}


# Engines ------------------------------------------------------------------------------------------------------------


def test_another_engine_measures_the_same_faces_and_keeps_every_decision(store):
    photo = put(store, "a.jpg", seen("anna"), seen("ben", 0.6))
    put(store, "empty.jpg")
    anna, ben = faces_of(store, photo)
    grouped(store, {1: [anna], 2: [ben]})
    decisions(store).name(1, "Anna")
    before = state(store)
    assert list(store.photos_without(ENGINE)) == []
    (known,) = store.photos_without("better 2")
    assert (known.photo, known.path, known.digest, known.stamp) == (
        photo,
        path_of("a.jpg"),
        digest("a.jpg"),
        stamp("a.jpg"),
    )
    assert [face.vector for face in known.faces] == [b"", b""]
    new = [face._replace(vector=vector(f"new {i}", size=32)) for i, face in enumerate(known.faces)]
    store.replace_vectors(photo, new, "better 2")
    assert state(store) == before
    assert list(store.photos_without("better 2")) == []
    faces = store.load_faces()
    assert faces.ids.tolist() == [anna, ben]
    assert faces.vectors.shape == (2, 32)
    assert faces.person.tolist() == [1, -1]
    assert store.fresh().tolist() == [anna, ben]


def test_while_engines_change_only_vectors_that_can_be_compared_are_loaded(store):
    first = put(store, "a.jpg", seen("anna"))
    put(store, "b.jpg", seen("anna"))
    store.replace_vectors(first, [seen("anna", size=32)], "better 2")
    assert store.load_faces().ids.tolist() == faces_of(store, first)
    assert len(list(store.photos_without("better 2"))) == 1


# Arrays, canaries, lists --------------------------------------------------------------------------------------------


def test_canaries_are_planted_once_and_are_nobodys(tmp_path):
    with made(tmp_path) as store:
        canaries = store.canaries()
        put(store, "a.jpg", seen("anna"))
        assert len(set(canaries)) == 3
        assert all(len(one) == 512 for one in canaries)
        assert store.load_faces().ids.tolist() == [1]
    with made(tmp_path) as store:
        assert store.canaries() == canaries
        assert store.sweep() == 0
        assert store.canaries() == canaries


def test_an_empty_store_loads(store):
    faces = store.load_faces()
    assert len(faces.ids) == 0
    assert store.links().must.shape == (0, 2)
    assert store.people(all=True) == []
    assert store.names_of_photos() == {}
    assert store.counts() == (0, 0, 0, 0, 0)


def test_people_are_listed_named_first_then_by_size(store):
    for i in range(6):
        put(store, f"{i}.jpg", seen("anna"), seen("ben", 0.4), seen("carl", 0.7), taken=f"2024-0{i + 1}-01")
    rows = store.db.rows("SELECT id, x FROM faces")
    third = [[face for face, x in rows if lo <= x < lo + 0.25] for lo in (0.05, 0.35, 0.65)]
    grouped(store, {1: third[0], 2: third[1][:3], 3: third[2][:4], 4: third[2][4:5]})
    decide = decisions(store)
    decide.name(2, "Ben")
    assert [(one.id, one.name, one.count) for one in store.people()] == [(2, "Ben", 3), (1, "", 6), (3, "", 4)]
    assert [one.id for one in store.people(all=True)] == [2, 1, 3, 4]
    decide.hide(1)
    assert [one.id for one in store.people()] == [2, 3]
    assert [(one.id, one.hidden) for one in store.people(hidden=True)] == [(2, False), (1, True), (3, False)]
    assert store.counts() == (6, 18, 2, 1, 1)
    ben = store.people(faces=True)[0]
    assert (ben.first, ben.last, ben.photos) == ("2024-01-01", "2024-03-01", 3)
    assert ben.faces == store.person(2).faces
    assert ben.faces[0].box == (1600, 600, 600, 750)
    assert ben.faces[0].size == (4000, 3000)
    assert ben.faces[0].file.startswith("/photos/")


def test_a_person_is_found_by_number_and_by_name(store):
    put(store, "a.jpg", seen("anna"))
    grouped(store, {1: [1]})
    decisions(store).name(1, NAME)
    assert store.find("p1") == store.find("P1") == store.find(NAME) == store.find("a\u0308nne BEISPIELMANN") == 1
    for ref in ("p2", "", "nobody", "f1", "p0", "p99999999999999999999"):
        with pytest.raises(UsageError):
            store.find(ref)


def test_a_photo_that_lies_twice_is_listed_twice_and_counted_once(store):
    photo = put(store, "a.jpg", seen("ann"))
    store.put_path(b"/photos/copy of a.jpg", stamp("copy of a.jpg"), photo)
    grouped(store, {1: faces_of(store, photo)})
    (one,) = store.people(all=True, faces=True)
    assert (one.count, one.photos) == (1, 1)
    assert [face.file for face in one.faces] == ["/photos/a.jpg", "/photos/copy of a.jpg"]
    assert {face.id for face in one.faces} == {1}
    assert store.side(1).face.file == "/photos/a.jpg"


def test_faces_in_no_group_are_told_apart_from_people(store):
    photo = put(store, "a.jpg", seen("ann"), seen("bob", 0.4, quality=0.1), seen("carl", 0.7, quality=0.2))
    ann, bob, carl = faces_of(store, photo)
    grouped(store, {1: [ann]})
    assert [face.id for face in store.ungrouped()] == [carl, bob]
    assert [person.count for person in store.people(all=True)] == [1]
    decisions(store).answer(ann, bob, "not a face")
    assert [face.id for face in store.ungrouped()] == [carl]


def test_names_of_photos_are_those_of_people_who_are_not_hidden(store):
    put(store, "a.jpg", seen("anna"), seen("ben", 0.4), seen("carl", 0.7))
    grouped(store, {1: [1], 2: [2], 3: [3]})
    decide = decisions(store)
    decide.name(1, "Anna")
    decide.name(2, "Ben")
    decide.hide(2)
    assert store.names_of_photos() == {digest("a.jpg").hex(): ["Anna"]}


def test_paths_that_are_no_text_are_safe_to_print(store):
    store.put_photo(b"/p/\xff\x1b[31m.jpg", stamp("x"), digest("x"), 10, 10, "", [seen("anna")], ENGINE)
    grouped(store, {1: [1]})
    assert store.person(1).faces[0].file == "/p/\\xff\\x1b[31m.jpg"


def test_notes_are_kept(store):
    store.remember("last scan", "2024")
    assert store.recall("last scan") == "2024"
    assert store.recall("other") == ""


def test_several_calls_can_be_one(store):
    with suppress(RuntimeError), store.together():
        put(store, "a.jpg", seen("anna"))
        raise RuntimeError
    assert store.stamp_of(path_of("a.jpg")) is None


def test_the_lock_goes_with_the_store(tmp_path):
    store = made(tmp_path)
    store.close()
    assert not os.path.exists(tmp_path / "faces.db-wal")
    with made(tmp_path):
        pass


def test_every_opened_file_writes_over_what_goes_and_waits_for_the_disk(tmp_path):
    with made(tmp_path) as store:
        told = {name: store.db.row(f"PRAGMA {name}") for name in ("secure_delete", "synchronous", "temp_store")}
    assert told == {"secure_delete": (1,), "synchronous": (2,), "temp_store": (2,)}


def test_a_face_that_covers_a_third_of_a_named_one_is_another(tmp_path):
    with made(tmp_path) as store:
        put(store, "a.jpg", seen("anna"))
        grouped(store, {1: [1]})
        decisions(store).name(1, "Anna")
        beside = seen("ben")._replace(box=Box(0.1 + 0.15 / 2, 0.2, 0.15, 0.25))  # intersection over union: 1/3
        put(store, "a.jpg", beside, version=2)
        assert sorted(store.db.rows("SELECT id, person, hand FROM faces")) == [(1, 1, 1), (2, None, 0)]


def test_reading_never_makes_a_file_where_the_store_was_erased(tmp_path, monkeypatch):
    made(tmp_path).close()

    def erased(path):
        path.unlink()
        return False

    monkeypatch.setattr("photovault.people.store.encrypted._check_front", erased)
    with pytest.raises(RefusedError):
        Store.open(tmp_path, KEY, write=False)
    assert not (tmp_path / "faces.db").exists()
