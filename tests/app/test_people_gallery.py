"""The gallery's child: it has no network, says nothing but what is on a list, and ends when it should; real processes."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photovault.app import people_gallery
from photovault.app.consent import face_key
from photovault.app.people import People
from photovault.app.people_gallery import PeopleChild, around
from photovault.app.people_line import boot_of, settings_of, started
from photovault.errors import BusyError, ConsentError, PhotovaultError, UsageError
from photovault.people.keeping.lock import people_lock
from photovault.people.values import Box
from photovault.sandbox import LAYERS
from tests.support.folk import BOX, COLOURS, GROUND, SIZE, Folk, vector

WORDS = {
    "answer", "id", "name", "count", "photos", "hidden", "first", "last", "faces", "confirmed", "taken", "likely", "left", "right",
    "face", "time", "text", "undone",
}  # fmt: skip
"""Every key that may be in an answer."""

EVERYTHING = [
    {"do": "people", "everybody": True, "hidden": True},
    {"do": "person", "person": 1},
    {"do": "questions", "limit": 10},
    {"do": "crop", "face": 1},
    {"do": "digests", "person": 1},
    {"do": "name", "person": 1, "name": "Ada"},
    {"do": "answer", "question": "f8-f3", "answer": "different"},
    {"do": "split", "person": 2, "faces": [5]},
    {"do": "hide", "person": 2},
    {"do": "unhide", "person": 2},
    {"do": "merge", "one": 1, "other": 2, "keep": ""},
    {"do": "history"},
    {"do": "undo", "entry": None},
]

# Tries to reach a port of this computer, and another computer, from the child, after it did all that it does first.
TRIES = """
import socket, sys
sys.path.insert(0, sys.argv[1])
from photovault.app import people_gallery
def answer(self, request):
    found = []
    for address in (("127.0.0.1", request["port"]), ("192.0.2.1", 9)):
        try:
            socket.create_connection(address, 2).close()
            found.append("connected")
        except OSError as error:
            found.append(type(error).__name__)
    return found
people_gallery.Answering.answer = answer
people_gallery.main()
"""

# A gallery that asks, says who its child is, and waits to be killed.
GALLERY = """
import sys, time
from photovault.app.people_gallery import PeopleChild
from photovault.app.runs import App
from photovault.app.settings import Settings
child = PeopleChild(App(Settings()))
child.ask("history")
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def folk(tmp_path: Path) -> Folk:
    made = Folk(tmp_path)
    made.agree()
    made.fill()
    return made


@pytest.fixture
def child(folk):
    made = PeopleChild(folk.app())
    yield made
    made.close()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(pid: int, seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_running(pid)


def pixels(webp: bytes) -> Image.Image:
    return Image.open(io.BytesIO(webp)).convert("RGB")


def is_near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 30


# What gets out.


def test_the_child_reaches_no_network(folk):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), 2).close()  # who has a network gets there
        child = PeopleChild(folk.app(), boot=TRIES)
        try:
            assert "connected" not in child.ask("try", port=port)
            if sys.platform == "linux":
                assert os.readlink(f"/proc/{child.pid}/ns/net") != os.readlink("/proc/self/ns/net")
        finally:
            child.close()


def test_no_vector_no_box_no_key_and_no_path_ever_comes_out(folk):
    """Every byte that the child says, to every question there is."""
    requests = [{"settings": settings_of(folk.app().settings)}, *EVERYTHING]
    requests.insert(2, {"do": "of_photo", "digest": folk.digest("both.png")})
    process = started(boot_of("photovault.app.people_gallery"), folk.computer.environ)
    out, _ = process.communicate(b"".join(json.dumps(one).encode() + b"\n" for one in requests), timeout=60)
    answers = [json.loads(line) for line in out.splitlines()]
    assert [one for one in answers if "answer" not in one] == []
    assert len(answers) == len(requests) - 1
    keys, numbers = set(), []
    for one in answers:
        walk(one, keys, numbers)
    assert keys <= WORDS
    assert all(isinstance(one, int) or 0 <= one <= 1 for one in numbers)
    assert sum(isinstance(one, float) for one in numbers) == 1, "how likely it is, of the one question there is"
    with folk.people()._store(write=False) as store:
        secrets = [*store.canaries(), *(vector(who, n) for who, n in (("ada", 0), ("bob", 4), ("eve", 7)))]
    secrets += [face_key(folk.app()).get(), os.fsencode(folk.album)]
    for secret in secrets:
        for form in (secret, secret.hex().encode(), base64.b64encode(secret)[:40], base64.b64encode(secret[:32])[:40]):
            assert form not in out


def walk(value: object, keys: set[str], numbers: list[float]) -> None:
    """Every key of objects and every number, however deep."""
    if isinstance(value, dict):
        keys |= value.keys()
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        walk(one, keys, numbers)
    if isinstance(value, int | float) and not isinstance(value, bool):
        numbers.append(value)


def test_no_password_and_no_name_is_in_its_arguments_or_its_environment(folk, monkeypatch):
    calls = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: calls.append((a, k)) or popen(*a, **k))
    folk.computer.environ["PHOTOVAULT_PASSWORD"] = "a secret"
    child = PeopleChild(folk.app())
    child.ask("name", person=1, name="Ophelia")
    child.close()
    told = str(calls[0])
    assert "a secret" not in told
    assert "Ophelia" not in told


# Pictures of faces.


def test_a_face_is_shown_with_a_little_around_it(folk, child):
    image = pixels(base64.b64decode(child.ask("crop", face=1)))
    assert image.size == (130, 130), "96 pixels, 35 percent more"
    assert is_near(image.getpixel((65, 65)), COLOURS["ada"])
    assert all(is_near(image.getpixel(at), GROUND) for at in ((3, 3), (126, 3), (3, 126), (126, 126)))
    assert pixels(base64.b64decode(child.ask("crop", face=11))).getpixel((65, 65))[2] > 150, "the second one is Bob"


def test_a_large_face_is_shown_at_256_pixels(folk, child):
    path = folk.album / "large.png"
    Image.new("RGB", (2000, 1500), COLOURS["eve"]).save(path)
    with folk.store() as store:
        folk.seen(store, 40, path, ["eve"])
        face = max(store.best_faces().values(), default=0)
        face = max(face, *(row[0] for row in store.db.rows("SELECT max(id) FROM faces")))
    assert max(pixels(base64.b64decode(child.ask("crop", face=face))).size) == 256


@pytest.mark.parametrize("what", ["changed", "gone", "a link", "out of scope"])
def test_a_photo_that_is_not_what_it_was_shows_no_face(folk, child, tmp_path, what):
    path = folk.album / "ada0.png"
    assert child.ask("crop", face=1)
    if what == "changed":
        with path.open("ab") as file:
            file.write(b"more")
    elif what == "out of scope":
        (tmp_path / "Other").mkdir()
        folk.agree(tmp_path / "Other")
    else:
        path.rename(tmp_path / "elsewhere.png")
        if what == "a link":
            path.symlink_to(tmp_path / "elsewhere.png")
    assert child.ask("crop", face=1) is None


def test_there_is_no_picture_of_a_face_that_nobody_knows(child):
    with pytest.raises(UsageError):
        child.ask("crop", face=4711)


def test_nothing_is_written_to_a_disk(folk, child):
    before = {path for path in folk.computer.folder.rglob("*") if "faces.db-" not in path.name}
    child.ask("crop", face=1)
    child.ask("people", everybody=True, hidden=False)
    assert {path for path in folk.computer.folder.rglob("*") if "faces.db-" not in path.name} == before


@given(
    st.tuples(*[st.floats(0, 1)] * 2, *[st.floats(0.001, 1)] * 2),
    st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)),
)
def test_what_is_around_a_face_lies_in_the_picture_and_holds_its_middle(box, size):
    x, y, w, h = box
    found = Box(min(x, 1 - min(w, 1)), min(y, 1 - min(h, 1)), w, h)
    left, top, width, height = around(found, size)
    assert -1e-9 <= left <= left + width <= 1 + 1e-9
    assert -1e-9 <= top <= top + height <= 1 + 1e-9
    assert left - 1e-9 <= found.x + found.w / 2 <= left + width + 1e-9
    assert width * size[0] == pytest.approx(height * size[1]), "a square"


def test_a_picture_of_unknown_size_has_no_faces_to_show():
    assert around(BOX, (0, 0)) is None
    assert around(BOX, SIZE) is not None


# Decisions.


def test_what_is_decided_is_what_the_command_line_sees(folk, child):
    done = child.ask("name", person=1, name="Ada")
    assert folk.people().show("Ada").id == 1
    assert child.ask("of_photo", digest=folk.digest("both.png"))[0]["name"] == "Ada"
    child.ask("split", person=1, faces=[1])
    assert folk.people().show("Ada").count == 4
    assert [one["undone"] for one in child.ask("history")] == [False, False]
    child.ask("undo", entry=None)
    child.ask("undo", entry=done["id"])
    assert [one.name for one in folk.people().people()] == ["", "", ""]


def test_who_is_hidden_is_on_no_photo(folk, child):
    child.ask("hide", person=2)
    assert [one["id"] for one in child.ask("of_photo", digest=folk.digest("both.png"))] == [1]


def test_before_the_first_scan_there_is_nobody(tmp_path):
    folk = Folk(tmp_path)
    folk.agree()
    child = PeopleChild(folk.app())
    try:
        assert child.ask("people", everybody=True, hidden=True) == []
        assert child.ask("questions", limit=5) == []
        assert child.ask("history") == []
        assert child.ask("of_photo", digest="0" * 64) == []
        assert not (folk.state / "face.key").exists(), "looking makes no key"
    finally:
        child.close()


def test_an_error_there_is_the_same_error_here(folk, child):
    with pytest.raises(UsageError, match="p99"):
        child.ask("person", person=99)
    with pytest.raises(UsageError, match="no such question"):
        child.ask("vectors")
    assert child.ask("history") == [], "and the next question is answered"


def test_an_unexpected_error_tells_its_kind_and_nothing_else(child):
    with pytest.raises(PhotovaultError, match="unexpected TypeError") as error:
        child.ask("name", person=1, name="Ophelia", other="Quirinale")
    assert "Ophelia" not in error.value.what + error.value.hint


def test_when_the_consent_is_taken_back_the_child_says_so(folk, child):
    child.ask("history")
    folk.withdraw()
    with pytest.raises(ConsentError, match="taken back"):
        child.ask("crop", face=1)
    assert not (folk.state / "faces.db").exists()


def test_who_asks_a_child_that_is_started_after_the_consent_ended_hears_why(folk, child):
    folk.withdraw()
    for _ in range(3):
        with pytest.raises(ConsentError, match="taken back"):
            child.ask("history")
        child.end()


# Others at work.


def test_a_store_that_another_command_writes_is_told_as_busy_and_can_be_read(folk, child):
    with people_lock(folk.state):
        with pytest.raises(BusyError) as error:
            child.ask("name", person=1, name="Ada")
        assert "try again" in error.value.hint
        assert "--wait" not in error.value.hint
        assert len(child.ask("people", everybody=False, hidden=False)) == 3
    child.ask("name", person=1, name="Ada")


def test_a_scan_in_the_background_gives_way(folk, child):
    held, over = threading.Event(), threading.Event()

    def scan() -> None:
        with people_lock(folk.state):
            (folk.state / "people.background").touch()
            held.set()
            while not (folk.state / "people.wanted").exists() and not over.wait(0.01):
                pass
            (folk.state / "people.background").unlink()

    thread = threading.Thread(target=scan)
    thread.start()
    held.wait(5)
    try:
        assert child.ask("name", person=1, name="Ada")["id"]
    finally:
        over.set()
        thread.join()


def test_questions_from_many_threads_are_answered_each_with_its_own(child):
    found = {}
    threads = [
        threading.Thread(target=lambda face=face: found.update({face: child.ask("person", person=face % 3 + 1)["id"]}))
        for face in range(12)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == {face: face % 3 + 1 for face in range(12)}


# How it ends.


def test_a_child_that_hangs_is_an_error_and_is_ended(folk):
    child = PeopleChild(folk.app(), patience=0.4, boot="import time; time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(PhotovaultError, match="does not answer"):
        child.ask("history")
    assert time.monotonic() - began < 8
    assert child.pid == 0


def test_a_child_that_dies_is_an_error_and_the_next_question_starts_another(folk, child):
    child.ask("history")
    first = child.pid
    os.kill(first, signal.SIGKILL)
    assert ends(first)
    assert child.ask("history") == []
    assert child.pid not in {0, first}


@pytest.mark.parametrize(("do", "starts"), [("history", 2), ("undo", 1)])
def test_a_child_that_dies_is_asked_again_what_changes_nothing_and_no_more_what_may_have_been_done(
    folk, tmp_path, do, starts
):
    log = tmp_path / "starts"
    boot = f"import os; open({str(log)!r}, 'a').write('x'); os.read(0, 9); os._exit(3)"
    child = PeopleChild(folk.app(), boot=boot)
    with pytest.raises(PhotovaultError, match="without an answer"):
        child.ask(do)
    child.close()
    assert len(log.read_text()) == starts


def test_a_child_that_dies_on_a_question_is_told(folk):
    child = PeopleChild(folk.app(), boot="import os; os.read(0, 9); os._exit(3)")
    with pytest.raises(PhotovaultError, match="without an answer"):
        child.ask("history")
    child.close()


def test_it_is_started_when_it_is_needed_and_ends_when_it_is_closed(folk):
    child = PeopleChild(folk.app())
    assert child.pid == 0
    child.ask("history")
    pid = child.pid
    assert is_running(pid)
    child.close()
    assert not is_running(pid)
    with pytest.raises(PhotovaultError, match="locked"):
        child.ask("history")


def test_closing_does_not_wait_for_a_question_that_hangs(folk):
    child = PeopleChild(folk.app(), boot="import time; time.sleep(60)")
    failed = []

    def ask() -> None:
        try:
            child.ask("history")
        except PhotovaultError as error:
            failed.append(error.what)

    thread = threading.Thread(target=ask)
    thread.start()
    while not child.pid:
        time.sleep(0.01)
    began = time.monotonic()
    child.close()
    thread.join(10)
    assert time.monotonic() - began < 8
    assert failed


def test_it_ends_with_the_gallery_however_that_dies(folk):
    program = [sys.executable, "-c", GALLERY]
    with subprocess.Popen(program, env=os.environ | folk.computer.environ, stdout=subprocess.PIPE) as gallery:
        pid = int(gallery.stdout.readline())
        assert is_running(pid)
        gallery.kill()
    assert ends(pid)


def test_asked_nothing_for_a_while_it_ends_by_itself_and_is_started_again(folk, monkeypatch):
    boot = "import sys; sys.path.insert(0, sys.argv[1]); from photovault.app import people_gallery as g; g.IDLE = 0.3; g.main()"
    child = PeopleChild(folk.app(), boot=boot)
    child.ask("history")
    pid = child.pid
    assert ends(pid, 5)
    assert child.ask("history") == []
    child.close()


def test_it_ends_by_itself_soon_after_the_consent_is_taken_back(folk, child):
    """Also where nobody looks at a page any more: it has pictures of faces in its memory."""
    child.ask("crop", face=1)
    pid = child.pid
    folk.withdraw()
    assert ends(pid, 8)


def test_no_question_is_put_to_a_child_that_may_just_end(folk, child, monkeypatch):
    child.ask("history")
    first = child.pid
    monkeypatch.setattr(people_gallery, "IDLE", people_gallery._SURE)
    child.ask("history")
    assert child.pid != first


def test_a_key_in_the_keyring_is_read_once_and_then_the_way_to_it_is_closed(folk, monkeypatch):
    """The child answers many questions, and cannot reach the keyring again after the first."""
    key, order = face_key(folk.app()).get(), []
    ring = SimpleNamespace(get=lambda: order.append("asked") or key)
    monkeypatch.setattr("photovault.app.people.face_key", lambda _app: ring)
    folk.computer.environ.pop("PHOTOVAULT_NO_KEYRING")
    people = People(folk.app(), alone=lambda *, unix: order.append(unix) or tuple(LAYERS))
    for _ in range(3):
        assert len(people.people()) == 3
    assert order == [True, "asked", False]


def test_the_program_that_is_started_is_this_package_and_nothing_else():
    assert re.fullmatch(
        r"import sys; .*from photovault\.app\.people_gallery import main; main\(\)", people_gallery._BOOT
    )
