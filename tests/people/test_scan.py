"""Scanning: what is looked at, in which order, and what a bad photo, a kill or a change costs."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from photovault.facts import Facts
from photovault.people.plan import Hidden, Old, Root, ScanPlan, plan_scan, walk
from photovault.people.scan import Helpers, run_scan
from photovault.people.values import Box, Seen
from photovault.photos.rules import Rules
from photovault.photos.scan import Scanner, ScanRules, identities
from photovault.workers import Workers

ENGINE = "dlib 1"


class Bytes:
    """A decoder whose pictures are the bytes of the files; some it cannot open."""

    def __init__(self):
        self.seen, self.meanwhile = [], lambda name: None

    def view(self, files, edge):
        return SimpleNamespace(result=lambda: [self._one(os.pread(one.fd, one.size, 0), one.name) for one in files])

    def _one(self, data, name):
        self.seen.append(name.decode())
        self.meanwhile(name.decode())
        why = "it is broken" if data.startswith(b"broken") else ""
        facts = Facts(taken="2021-05-04T13:22:11", orientation=6)
        return SimpleNamespace(width=4, height=3, pixels=data, full_width=400, full_height=300, facts=facts, why=why)


class Finder:
    """A face worker that finds a face for each ``@`` in the pixels, and dies of ``!``."""

    def find(self, picture):
        future = Future()
        dies = b"!" in picture.pixels
        faces = () if dies else tuple(face(n) for n in range(picture.pixels.count(b"@")))
        future.set_result(SimpleNamespace(faces=faces, why="the worker ended on it" if dies else ""))
        return future

    def embed(self, picture, faces):
        future = Future()
        future.set_result(SimpleNamespace(faces=tuple(one._replace(vector=b"anew") for one in faces), why=""))
        return future


class Shelf:
    """A store in memory that knows what is durable."""

    def __init__(self):
        self.paths_, self.photos, self.swept, self.depth = {}, {}, 0, 0
        self.kill_after = None

    @contextmanager
    def together(self):
        before = dict(self.paths_), dict(self.photos)
        try:
            yield
        except BaseException:
            self.paths_, self.photos = before
            raise

    def photo_of(self, digest):
        return (int(digest[:4].hex(), 16), self.photos[digest]["engine"]) if digest in self.photos else None

    def put_path(self, path, stamp, photo):
        self.paths_[path] = stamp

    def put_photo(  # noqa: PLR0917
        self, path, stamp, digest, width, height, taken, faces, engine, why, *, orientation
    ):
        self.paths_[path] = stamp
        self.photos[digest] = {
            "size": (width, height), "taken": taken, "faces": faces, "engine": engine, "why": why, "turn": orientation
        }  # fmt: skip
        if self.kill_after is not None and len(self.photos) >= self.kill_after:
            raise KeyboardInterrupt
        return self.photo_of(digest)[0]

    def forget_path(self, path):
        del self.paths_[path]

    def replace_vectors(self, photo, faces, engine):
        for digest, one in self.photos.items():
            if self.photo_of(digest)[0] == photo:
                one["faces"], one["engine"] = faces, engine

    def sweep(self):
        self.swept += 1


class Told:
    """Progress."""

    def __init__(self):
        self.goal, self.done, self.texts = None, 0, set()

    def total(self, files, size):
        self.goal = (files, size)

    def advance(self, files, size, path):
        self.done += files
        self.texts.add(path)


def face(number):
    return Seen(Box(0.1 * number, 0.1, 0.1, 0.1), (), 0.9, 0.8, b"\0\0\0\0" * 4)


@pytest.fixture
def house(tmp_path):
    house = SimpleNamespace(
        photos=tmp_path / "photos", shelf=Shelf(), decoder=Bytes(), told=Told(), finder=Finder(), passing=frozenset()
    )
    house.photos.mkdir()
    house.rules = ScanRules()

    def put(name, data, mtime=1000):
        path = house.photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (mtime, mtime))
        return os.fsencode(path)

    def plan(start=b"", old=(), **more):
        scanner = Scanner(os.fsencode(house.photos), house.rules)
        known = house.shelf.paths_
        return plan_scan(walk([Root(scanner, start)]), known.get, list(known), old, **more)

    def scan(enough=lambda: False, engine=ENGINE, **more):
        house.told = Told()
        house.decoder.seen.clear()
        with Workers(8) as workers:
            helpers = Helpers(
                workers=workers, decoders=house.decoder, finder=house.finder, count=2, edge=100, passing=house.passing
            )
            return run_scan(plan(**more), house.shelf, helpers, house.told, engine, enough)

    house.put, house.plan, house.scan = put, plan, scan
    return house


def test_the_newest_photo_is_looked_at_first_and_all_is_kept(house):
    for number in range(5):
        house.put(f"{number}.jpg", b"%d@@" % number, mtime=1000 + number)
    done = house.scan()
    assert [os.path.basename(path) for path in house.shelf.paths_] == [b"%d.jpg" % number for number in (4, 3, 2, 1, 0)]
    assert (done.looked, done.faces, done.left, done.problems) == (5, 10, 0, [])
    kept = house.shelf.photos[hashlib.sha256(b"4@@").digest()]
    assert (kept["size"], kept["taken"], kept["turn"], len(kept["faces"])) == (
        (400, 300), "2021-05-04T13:22:11", 6, 2
    )  # fmt: skip
    assert (house.told.goal, house.told.done, house.told.texts) == ((5, 15), 5, {""})
    assert house.shelf.swept == 1


def test_a_second_scan_opens_nothing(house):
    house.put("a.jpg", b"a@")
    house.scan()
    done = house.scan()
    assert (house.decoder.seen, done.looked, house.plan().unchanged) == ([], 0, 1)
    assert house.plan().is_idle


def test_the_same_bytes_under_other_names_are_looked_at_once(house):
    house.put("a.jpg", b"a@")
    house.scan()
    moved = house.put("b/c.jpg", b"a@")
    (house.photos / "a.jpg").unlink()
    done = house.scan()
    assert (done.looked, done.known, done.gone, house.decoder.seen) == (0, 1, 1, [])
    assert list(house.shelf.paths_) == [moved]


def test_two_names_of_the_same_bytes_in_one_scan_are_one_photo(house):
    for number in range(30):
        house.put(f"{number}.jpg", b"%d@" % (number // 3))
    done = house.scan()
    assert (done.looked, done.known, done.faces, len(house.shelf.photos), len(house.shelf.paths_)) == (
        10,
        20,
        10,
        10,
        30,
    )
    assert (house.told.done, len(house.decoder.seen), done.left) == (30, 10, 0)


def test_two_names_of_a_photo_that_changes_are_both_left(house):
    for name in ("a.jpg", "b.jpg"):
        house.put(name, b"same@")
    house.decoder.meanwhile = lambda name: os.utime(house.photos / name, (5, 5))
    assert house.scan().left == 2
    house.decoder.meanwhile = lambda _name: None
    done = house.scan()
    assert (done.looked, done.known, done.left) == (1, 1, 0)


def test_a_reason_that_is_no_fault_of_the_photo_is_not_kept(house):
    house.put("a.jpg", b"!")
    house.passing = frozenset(["the worker ended on it"])
    done = house.scan()
    assert (done.failed, done.left, house.shelf.paths_) == ({"the worker ended on it": 1}, 1, {})
    house.passing = frozenset()
    assert house.scan().failed == {"the worker ended on it": 1}
    assert house.scan().failed == {}


def test_a_changed_photo_is_looked_at_again(house):
    house.put("a.jpg", b"a@", mtime=1)
    house.scan()
    house.put("a.jpg", b"b@@", mtime=2)
    assert house.scan().faces == 2


def test_again_looks_at_everything(house):
    house.put("a.jpg", b"a@")
    house.scan()
    assert house.scan(again=True).looked == 1


def test_a_bad_photo_and_the_death_of_a_worker_cost_one_photo_each_and_once(house):
    house.put("bad.jpg", b"broken")
    house.put("deadly.jpg", b"!")
    house.put("good.jpg", b"@")
    done = house.scan()
    assert done.failed == {"it is broken": 1, "the worker ended on it": 1}
    assert (done.looked, done.faces) == (1, 1)
    assert house.scan().failed == {}
    assert house.scan(again=True).failed != {}


def test_a_photo_that_cannot_be_read_is_tried_each_time(house):
    path = house.put("a.jpg", b"@")
    plan = house.plan()
    os.unlink(path)
    os.symlink("elsewhere", path)
    with Workers(1) as workers:
        helpers = Helpers(workers=workers, decoders=house.decoder, finder=house.finder, count=1, edge=100)
        done = run_scan(plan, house.shelf, helpers, house.told, ENGINE)
    assert (len(done.problems), house.shelf.paths_) == (1, {})


def test_a_photo_that_changes_while_it_is_looked_at_is_left_for_the_next_scan(house):
    path = house.put("a.jpg", b"a@")
    house.decoder.meanwhile = lambda _name: os.utime(path, (5, 5))
    done = house.scan()
    assert (done.left, done.looked, done.problems, house.shelf.paths_) == (1, 0, [], {})
    assert house.shelf.swept == 0
    house.decoder.meanwhile = lambda _name: None
    assert house.scan().looked == 1


def test_it_stops_when_it_is_enough_and_goes_on_where_it_was(house):
    for number in range(30):
        house.put(f"{number:02}.jpg", b"%d@" % number, mtime=1000 + number)
    done = house.scan(lambda: len(house.decoder.seen) >= 8)
    assert 8 <= done.looked <= 8 + 8
    assert done.looked + done.left == 30
    rest = house.scan()
    assert (rest.looked, rest.left) == (done.left, 0)
    assert len(house.shelf.photos) == 30


def test_what_was_written_before_a_kill_is_not_looked_at_again(house):
    for number in range(40):
        house.put(f"{number:02}.jpg", b"%d@" % number)
    house.shelf.kill_after = 20
    with pytest.raises(KeyboardInterrupt):
        house.scan()
    kept = len(house.shelf.photos)
    assert 0 < kept < 40
    house.shelf.kill_after = None
    assert house.scan().looked == 40 - kept


def test_what_is_away_is_not_forgotten_and_what_is_gone_is(house):
    house.put("disk/a.jpg", b"a@")
    gone = house.put("b.jpg", b"b@")
    house.scan()
    os.unlink(gone)
    found = [Hidden(os.fsencode(house.photos / "disk"), "Input/output error")]
    plan = plan_scan(found, house.shelf.paths_.get, list(house.shelf.paths_))
    assert plan.gone == (gone,)
    assert [(one.path, one.what) for one in plan.problems] == [(str(house.photos / "disk"), "Input/output error")]


def test_an_empty_folder_where_a_disk_should_be_is_no_reason_to_forget(house):
    path = house.put("a.jpg", b"a@")
    house.scan()
    os.unlink(path)
    assert house.plan().gone == ()
    house.put("other.jpg", b"x")
    assert house.plan().gone == (path,)


def test_what_is_agreed_to_no_more_is_forgotten(house):
    house.put("mine/a.jpg", b"a@")
    theirs = house.put("theirs/b.jpg", b"b@")
    house.scan()
    assert house.plan(start=b"mine").gone == (theirs,)


def test_the_rules_of_a_backup_hold(house, tmp_path):
    house.put("a.jpg", b"a")
    house.put("private/b.jpg", b"b")
    house.put("vault/c.jpg", b"c")
    house.put("d.mp4", b"d")
    house.put("e.txt", b"e")
    (house.photos / "link.jpg").symlink_to("a.jpg")
    house.rules = ScanRules(exclude=Rules(["private/"]), avoid=identities([str(house.photos / "vault")]))
    house.scan()
    assert house.decoder.seen == ["a.jpg"]


def test_a_raw_beside_its_jpeg_is_the_same_picture(house):
    house.put("a.JPG", b"a")
    house.put("A.nef", b"a raw")
    house.put("b.nef", b"b raw")
    house.scan()
    assert sorted(house.decoder.seen) == ["a.JPG", "b.nef"]


def test_another_engine_measures_the_known_faces_and_finds_no_new_ones(house):
    path = house.put("a.jpg", b"a@@")
    house.put("none.jpg", b"n")
    house.scan()
    old = [
        Old(house.shelf.photo_of(digest)[0], one, house.shelf.paths_[one], kept["faces"])
        for digest, kept in house.shelf.photos.items()
        for one in house.shelf.paths_
        if hashlib.sha256(Path(os.fsdecode(one)).read_bytes()).digest() == digest
    ]
    done = house.scan(engine="onnx 2", old=old)
    assert (done.embedded, done.looked, house.decoder.seen) == (2, 0, ["a.jpg"])
    kept = house.shelf.photos[hashlib.sha256(b"a@@").digest()]
    assert {one.vector for one in kept["faces"]} == {b"anew"}
    assert {one["engine"] for one in house.shelf.photos.values()} == {"onnx 2"}
    assert path in house.shelf.paths_


def measured_by_another(house):
    """Photos on record with their faces, as an older engine left them; in the order of their names."""
    paths = sorted(house.shelf.paths_)
    return [Old(number, path, house.shelf.paths_[path], (face(0),)) for number, path in enumerate(paths, 1)]


def test_faces_are_measured_anew_the_newest_first_and_not_where_all_is_looked_at_again(house):
    for number in range(3):
        house.put(f"{number}.jpg", b"@%d" % number, mtime=number)
    house.scan()
    plan = house.plan(old=measured_by_another(house))
    assert [os.path.basename(one.path) for one in plan.old] == [b"2.jpg", b"1.jpg", b"0.jpg"]
    assert house.plan(old=measured_by_another(house), again=True).old == ()


@pytest.mark.parametrize(
    ("faces", "why", "left"),
    [((), "", 0), ((), "the worker ended on it", 0), ((), "the workers were closed", 1)],
)
def test_what_could_not_be_measured_anew_stays_as_it_was(house, faces, why, left):
    house.put("a.jpg", b"a@")
    house.scan()
    before = dict(house.shelf.photos)
    house.passing = frozenset(["the workers were closed"])
    house.finder = SimpleNamespace(embed=lambda _picture, _faces: answered(faces, why))
    done = house.scan(engine="onnx 2", old=measured_by_another(house))
    assert (done.embedded, len(done.problems), done.left) == (0, 1, left)
    assert house.shelf.photos == before


def answered(faces, why):
    future = Future()
    future.set_result(SimpleNamespace(faces=faces, why=why))
    return future


def test_a_name_of_what_another_engine_looked_at_is_looked_at(house):
    house.put("a.jpg", b"nobody")
    house.scan()
    house.put("b.jpg", b"nobody")
    assert house.scan(engine="onnx 2").looked == 1


def test_a_plan_has_a_photo_once_however_many_names_it_has(house):
    one = house.put("a.jpg", b"a@")
    other = house.put("b.jpg", b"a@")
    house.scan()
    old = [Old(1, path, house.shelf.paths_[path], (face(0),)) for path in (one, other)]
    assert [job.photo for job in house.plan(old=old).old] == [1]


def test_few_pictures_are_in_memory_at_a_time(house):
    lock, held = threading.Lock(), []
    now = most = 0
    for number in range(40):
        house.put(f"{number}.jpg", b"%d" % number)

    def begin(name):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            held.append(name)

    class Slow(Finder):
        def find(self, picture):
            nonlocal now
            time.sleep(0.002)
            with lock:
                now -= 1
            return super().find(picture)

    house.decoder.meanwhile, house.finder = begin, Slow()
    house.scan()
    assert len(held) == 40
    assert 1 < most <= 4


def test_an_empty_plan_says_nothing_is_to_be_done():
    assert ScanPlan().is_idle
    assert ScanPlan().size == 0
