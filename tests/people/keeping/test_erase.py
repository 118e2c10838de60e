"""Erasing: whatever lies in the folder goes, the key first, and a search in twenty encodings finds nothing after it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from photovault.errors import BusyError, PhotovaultError
from photovault.names import FACE_STORE_MAGIC
from photovault.people.consent.consent import Consent
from photovault.people.consent.notice import PREFIX, WORDS
from photovault.people.consent.register import Register
from photovault.people.keeping import erase as module
from photovault.people.keeping import lock, shred
from photovault.people.keeping.erase import KEPT, Erased, erase, has_data
from photovault.people.keeping.key import FaceKey
from photovault.people.keeping.markers import mark
from tests.people.keeping.test_key import Keyring
from tests.support.encodings import ENCODINGS, PACKINGS, leaks, little
from tests.support.world import Clock

if TYPE_CHECKING:
    from pathlib import Path

QUICK = (0.2, 10.0, 10.0)
_NOISE = random.Random(6)
VECTORS = [[_NOISE.gauss(0, 0.09) for _ in range(128)] for _ in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in use: consent, releases, marks, a key."""
    folder = tmp_path / "state" / "people"
    Consent(folder, Clock()).grant(["/photos"], words=WORDS, notice_sha=PREFIX, organisation=True)
    Register(folder, Clock()).add("Anna", "2024-01-01")
    mark(folder)
    FaceKey(folder, None).create()
    return folder


def fill(folder: Path) -> None:
    """What a store in clear would leave, and runs that were killed: far worse than what photovault writes."""
    data = b"".join(map(little, VECTORS))
    (folder / "faces.db").write_bytes(FACE_STORE_MAGIC + data)
    (folder / "faces.db-wal").write_bytes(data)
    (folder / "faces.db-shm").write_bytes(data)
    (folder / "faces.db.tmp~").write_bytes(data)
    (folder / "thresholds.json").write_bytes(ENCODINGS["JSON"](VECTORS[0]))
    (folder / "crops" / "deep").mkdir(parents=True)
    (folder / "crops" / "deep" / "a.jpg").write_bytes(data)
    (folder / os.fsdecode(b"\xff\n")).write_bytes(data)
    (folder / "empty").write_bytes(b"")
    os.mkfifo(folder / "pipe")


def erased(folder: Path, secrets=None, **more) -> Erased:
    return erase(folder, FaceKey(folder, secrets), **more)


def left(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


# The search itself: each way a leak may lie there is one it finds


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("packing", ["", *PACKINGS])
def test_a_planted_leak_is_found_in_every_encoding(tmp_path: Path, name: str, packing: str) -> None:
    data = ENCODINGS[name](VECTORS[1])
    if packing:
        data = PACKINGS[packing](b"before " + data + b" after")
    (tmp_path / "log").write_bytes(b"one line\n" + data + b"\nanother line")
    assert any(name in one and packing in one for one in leaks(tmp_path, VECTORS))


@pytest.mark.parametrize("start", range(5))
def test_a_part_of_a_vector_is_found(tmp_path: Path, start: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "log").write_bytes(b"x" * start + little(VECTORS[2])[100:])
    assert leaks(tmp_path, VECTORS)
    (tmp_path / "a" / "log").unlink()
    assert leaks(tmp_path, VECTORS) == []


def test_a_leak_in_a_name_is_found(tmp_path: Path) -> None:
    (tmp_path / little(VECTORS[0])[:48].hex()).write_bytes(b"")
    assert leaks(tmp_path, VECTORS)


def test_there_are_twenty_encodings_and_they_differ() -> None:
    assert len(ENCODINGS) == 20
    assert len({encode(VECTORS[0]) for encode in ENCODINGS.values()}) == 20


# Erasing


def test_nothing_is_left_but_what_was_agreed(folder: Path) -> None:
    fill(folder)
    assert leaks(folder.parent, VECTORS)
    done = erased(folder)
    assert (done.verified, done.problems) == (True, ())
    assert left(folder) == KEPT
    assert leaks(folder.parent, VECTORS) == []
    assert "Anna" not in "".join((folder / name).read_text() for name in KEPT)
    assert not has_data(folder)
    assert done.files >= 11  # those of fill, the key, the names of releases
    assert Consent(folder, Clock()).standing().holds  # taking it back is another line


@pytest.mark.parametrize("name", [name for name in ENCODINGS if name != "float32 little-endian"])
def test_leftovers_in_every_encoding_go(folder: Path, name: str) -> None:
    (folder / f"left.{len(name)}").write_bytes(ENCODINGS[name](VECTORS[0]))
    assert leaks(folder.parent, VECTORS)
    assert erased(folder).verified
    assert leaks(folder.parent, VECTORS) == []


def test_an_erasing_that_leaves_something_is_found_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder)
    real = shred.shred
    monkeypatch.setattr(module, "shred", lambda path, **how: [] if path.name == "a.jpg" else real(path, **how))
    done = erased(folder)
    assert not done.verified
    assert any("a.jpg is still there" in problem for problem in done.problems)
    assert leaks(folder.parent, VECTORS)


def test_a_file_that_cannot_be_removed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder)
    real = os.unlink

    def unlink(path, **how) -> None:
        if str(path).endswith("-wal"):
            raise PermissionError(1, "Operation not permitted")
        real(path, **how)

    monkeypatch.setattr(os, "unlink", unlink)
    done = erased(folder)
    assert any("faces.db-wal: Operation not permitted" in problem for problem in done.problems)
    assert leaks(folder.parent, VECTORS) == []  # it was written over all the same
    assert not (folder / "faces.db").exists()


def test_the_key_goes_before_anything_else(folder: Path) -> None:
    fill(folder)
    key, seen = FaceKey(folder, None), []

    class Watched(FaceKey):
        def destroy(self) -> list[str]:
            seen.append(left(folder))
            return key.destroy()

    erase(folder, Watched(folder, None))
    assert "faces.db" in seen[0]


def test_files_are_written_over_before_they_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder)
    written = []
    real = os.ftruncate

    def ftruncate(fd: int, size: int) -> None:
        written.append(os.pread(fd, 1 << 20, 0))
        real(fd, size)

    monkeypatch.setattr(os, "ftruncate", ftruncate)
    erased(folder)
    assert len([data for data in written if len(data) >= 3 * 512 and not data.strip(b"\0")]) >= 5


def test_links_are_removed_and_what_they_lead_to_stays(folder: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "b.jpg").write_bytes(b"photo")
    (folder / "link").symlink_to(photo)
    (folder / "folder").symlink_to(tmp_path / "album")
    (folder / "hard").hardlink_to(photo)
    assert erased(folder).verified
    assert left(folder) == KEPT
    assert (photo.read_bytes(), (tmp_path / "album" / "b.jpg").read_bytes()) == (b"photo", b"photo")


def test_a_second_name_of_the_face_store_holds_nothing_any_more(folder: Path, tmp_path: Path) -> None:
    fill(folder)
    (tmp_path / "holiday.jpg").hardlink_to(folder / "faces.db")
    (folder / "odd").hardlink_to(folder / "faces.db-wal")
    erased(folder)
    assert (tmp_path / "holiday.jpg").read_bytes() == b""


def test_folders_elsewhere_are_emptied_whole(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "people"
    mark(cache)
    (cache / "consent.jsonl").write_bytes(little(VECTORS[0]))
    assert erased(folder, more=[cache, tmp_path / "nowhere"]).verified
    assert leaks(tmp_path, VECTORS) == []


@pytest.mark.parametrize("linked", [True, False])
def test_a_folder_that_only_has_the_name_loses_nothing_of_its_owner(tmp_path: Path, linked: bool) -> None:
    """A state folder may be put beside a folder of photos of people; or a link leads to one."""
    photos = tmp_path / "Pictures"
    (photos / "trip").mkdir(parents=True)
    (photos / "anna.jpg").write_bytes(b"photo")
    (photos / "trip" / "tim.jpg").write_bytes(b"photo")
    (tmp_path / "state").mkdir()
    people = tmp_path / "state" / "people"
    if linked:
        mark(photos)
        people.symlink_to(photos)
    else:
        photos.rename(people)
    assert not has_data(people)
    done = erased(people)
    assert sorted(one.name for one in people.rglob("*.jpg")) == ["anna.jpg", "tim.jpg"]
    assert any("anna.jpg was left" in problem for problem in done.problems)
    (people / "faces.db").write_bytes(b"")
    (people / "odd").write_bytes(FACE_STORE_MAGIC + little(VECTORS[0]))
    FaceKey(people, None).create()
    assert has_data(people)
    if not linked:
        (people / "faces.db").unlink()
    erased(people)
    assert leaks(tmp_path, VECTORS) == []
    assert FaceKey(people, None).get() is None


def test_a_key_in_the_keyring_goes_and_one_that_does_not_is_said(folder: Path, tmp_path: Path) -> None:
    keyring = Keyring()
    other = tmp_path / "other"
    FaceKey(other, keyring).create()
    keyring.locked = True
    done = erased(other, keyring)
    assert not done.verified
    assert "system's keyring" in done.problems[0]
    keyring.locked = False
    done = erased(other, keyring)
    assert (done.verified, done.key, keyring.kept) == (True, "the system's keyring", {})


def test_erasing_nothing_is_no_problem(tmp_path: Path) -> None:
    done = erased(tmp_path / "people")
    assert (done.verified, done.anything) == (True, False)


def test_the_receipt_says_what_it_cannot_promise(folder: Path) -> None:
    told = erased(folder).as_dict()
    assert "SSDs" in told["limits"]
    assert "its key was destroyed first" in told["limits"]
    assert str(folder / "face.key") in told["key_destroyed_in"]


# Whoever is at work


def holder(folder: Path, code: str) -> subprocess.Popen:
    """A process that holds the lock; ``code`` says what it does then."""
    script = f"""
import signal, sys, time
from pathlib import Path
from photovault.people.keeping.lock import people_lock
folder = Path({str(folder)!r})
with people_lock(folder):
    print("held", flush=True)
    {code}
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("time.sleep(60)", "what was running was ended"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", "what was running was ended by force"),
    ],
    ids=["ends", "does not want to"],
)
def test_a_scan_that_does_not_end_is_ended(folder: Path, code: str, said: str) -> None:
    fill(folder)
    with holder(folder, code) as process:
        done = erased(folder, patience=(0.1, 1.5, 10.0))
        assert process.wait(10) < 0
    assert (done.stopped, done.verified) == (said, True)
    assert leaks(folder.parent, VECTORS) == []


def test_a_scan_that_sees_that_the_consent_is_gone_ends_by_itself(folder: Path) -> None:
    watch = """
    from photovault.people.consent.consent import Consent
    from tests.support.world import Clock
    while Consent(folder, Clock()).standing().holds:
        time.sleep(.02)
"""
    with holder(folder, watch.strip()) as process:
        Consent(folder, Clock()).withdraw()
        assert erased(folder).stopped == "what was running ended by itself"
        assert process.wait(10) == 0


def test_nobody_else_is_ended(folder: Path) -> None:
    """A number that an earlier holder left is not taken for whoever has it now."""
    fill(folder)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        (folder / lock.NAME).write_text(f"{bystander.pid}\n")
        assert erased(folder, patience=QUICK).stopped == "nobody was at work"
        assert bystander.poll() is None
        bystander.kill()


def test_a_holder_that_is_elsewhere_is_not_taken_for_its_namesake_here(folder: Path) -> None:
    """In a container the holder has another number than here."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        with lock.people_lock(folder):
            (folder / lock.NAME).write_text(f"{bystander.pid}\n")
            with pytest.raises(BusyError):
                erased(folder, patience=(0.1, 0.1, 0.1))
        assert bystander.poll() is None
        bystander.kill()


def test_what_cannot_be_ended_keeps_everything_as_it_is(folder: Path) -> None:
    fill(folder)
    with lock.people_lock(folder):  # this process, which does not end itself
        begun = time.monotonic()
        with pytest.raises(BusyError, match="does not end"):
            erased(folder, patience=(0.1, 0.1, 0.1))
        assert time.monotonic() - begun < 5
    assert (folder / "faces.db").exists()
    assert FaceKey(folder, None).get() is not None


def test_two_at_a_time_are_told(folder: Path) -> None:
    with lock.people_lock(folder), pytest.raises(BusyError) as told, lock.people_lock(folder, wait=0.1):
        pass
    assert "--wait" in told.value.hint
    with lock.people_lock(folder):
        assert (folder / lock.NAME).read_text() == f"{os.getpid()}\n"


# The real store


def measured(folder: Path) -> list[tuple[float, ...]]:
    """A store with three faces, as photovault writes it, left open as by a run that was killed; their vectors."""
    key = FaceKey(folder, None).require()
    child = f"""
import os, sys
from pathlib import Path
from photovault.people.store.store import Store
from photovault.people.values import Box, Seen
from tests.people.store_world import stamp
from tests.people.keeping.test_erase import VECTORS
from tests.support.encodings import little
store = Store.open(Path({str(folder)!r}), bytes.fromhex({key.hex()!r}))
for number, vector in enumerate(VECTORS):
    seen = Seen(Box(.1, .1, .2, .2), (.5,) * 10, .9, .8, little(vector))
    store.put_photo(b"/photos/%d.jpg" % number, stamp(str(number)), bytes([number]) * 32, 40, 30, "", [seen], "e 1")
print(len(store.load_faces().ids), flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    assert done.stdout == "3\n", done.stderr
    return VECTORS


def test_the_real_store_of_a_killed_run_shows_nothing_and_goes(folder: Path, tmp_path: Path) -> None:
    vectors = measured(folder)
    assert (folder / "faces.db").read_bytes().startswith(FACE_STORE_MAGIC)
    assert {"faces.db", "faces.db-wal"} <= left(folder)
    assert leaks(tmp_path, vectors) == []  # not even before
    assert erased(folder).verified
    assert left(folder) == KEPT
    assert leaks(tmp_path, vectors) == []


def test_a_copy_made_before_is_noise_after_the_key_went(folder: Path, tmp_path: Path) -> None:
    from photovault.people.store.store import Store

    measured(folder)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.glob("faces.db*"):
        (copy / path.name).write_bytes(path.read_bytes())
    key = FaceKey(folder, None)
    with Store.open(copy, key.require(), write=False) as store:
        assert len(store.load_faces().ids) == 3
    erased(folder)
    assert leaks(tmp_path, VECTORS) == []
    with pytest.raises(PhotovaultError), Store.open(copy, key.create(), write=False):
        pass


def test_a_store_that_is_open_elsewhere_is_taken_away_from_it(folder: Path, tmp_path: Path) -> None:
    from photovault.people.store.store import Store

    measured(folder)
    with Store.open(folder, FaceKey(folder, None).require(), write=False):
        assert erased(folder).verified
    assert left(folder) == KEPT  # it wrote nothing back when it was closed
    assert leaks(tmp_path, VECTORS) == []


def test_who_erases_is_not_ended_by_another_one_who_erases(folder: Path) -> None:
    with lock.lock_taken_over(folder, patience=(0.1, 0.1, 0.1)):
        assert (folder / lock.NAME).read_bytes() == b""
        with pytest.raises(BusyError), lock.lock_taken_over(folder, patience=(0.1, 0.1, 0.1)):
            pass


def test_who_let_go_of_the_lock_is_not_named_in_it_any_more(folder: Path) -> None:
    with lock.people_lock(folder):
        assert int((folder / lock.NAME).read_bytes()) == os.getpid()
    assert (folder / lock.NAME).read_bytes() == b""


def test_zeros_are_on_the_disk_before_a_name_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = folder / "faces.db", []
    path.write_bytes(b"x" * 100)
    monkeypatch.setattr("photovault.people.keeping.shred.sync", lambda fd: synced.append(path.read_bytes()))
    assert shred.shred(path) == []
    assert synced == [bytes(100), b""]
