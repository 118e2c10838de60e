"""The wiring of people: what comes first, who may do what, and what a process with a network gets to know."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from PIL import Image

from photovault.app import consent as consenting
from photovault.app import people_process
from photovault.app.people import People, open_people, withdraw_release
from photovault.app.people_scan import chosen_curve, engine_order, roots
from photovault.app.sources import BackupRequest
from photovault.backup import BackupPlan
from photovault.errors import BusyError, ConsentError, PhotovaultError, UnsafeError, UsageError, WrongKeyError
from photovault.people import regroup, tags
from photovault.people.consent.notice import FACES, OTHERS
from photovault.people.engines import models
from photovault.people.keeping.key import FaceKey
from photovault.people.keeping.lock import people_lock
from photovault.people.plan import There, walk
from photovault.people.store.store import Store
from photovault.people.tags import encode
from photovault.people.values import Box, Curve, Seen
from photovault.people.wall.protocol import Answer, Hello
from photovault.photos.choose import choose
from photovault.restore import Overwrite
from photovault.sandbox import LAYERS
from tests.support.devices import Computer, Silent

SIZE = 128


class Workers:
    """Face workers that see who is in a picture by its colours: 20 of red a person, and 20 of green another one."""

    made, alarm, gone, meanwhile = 0, "", False, staticmethod(lambda: None)

    def __init__(self, order, *, allow_without=frozenset()):
        Workers.made += 1
        self.alarms = []
        self._order = order

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def start(self):
        return Hello(models.key_of(self._order), SIZE, Curve(((1, 0.5),)), tuple(LAYERS))

    def find(self, picture):
        Workers.meanwhile()
        red, green = picture.pixels[0], picture.pixels[1]
        people = [one // 20 for one in (red, green) if one >= 20]
        faces = tuple(self._seen(Box(0.1 + 0.5 * at, 0.2, 0.3, 0.4), one) for at, one in enumerate(people))
        return self._answered(faces)

    def embed(self, picture, faces):
        found = {round(one.box.x, 3): one.vector for one in self.find(picture).result().faces}
        return self._answered(tuple(one._replace(vector=found[round(one.box.x, 3)]) for one in faces))

    def _seen(self, box, person):
        turn = 0 if self._order.kind == "dlib" else 1
        vector = [0.0] * SIZE
        vector[(person + turn) % SIZE] = 1.0
        return Seen(box, (0.3,) * 10, 0.9, 0.9, struct.pack(f"<{SIZE}f", *vector))

    def _answered(self, faces):
        future = Future()
        if Workers.alarm:
            self.alarms = [Workers.alarm]
            future.set_exception(UnsafeError(Workers.alarm, "photovault people status"))
        else:
            future.set_result(Answer(faces))
        return future


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr("photovault.people.wall.host.FaceWorkers", Workers)
    for name, value in {"made": 0, "alarm": "", "meanwhile": staticmethod(lambda: None)}.items():
        monkeypatch.setattr(Workers, name, value)


@pytest.fixture
def home(tmp_path):
    """A computer with an album of two people: 1 in three photos, 2 in two, both in one more."""
    computer = Computer(tmp_path / "device", tmp_path / "vault", start=datetime.now(UTC))  # as child processes see it
    home = SimpleNamespace(album=tmp_path / "Album", computer=computer)
    home.album.mkdir()
    home.config = tmp_path / "device" / "config.toml"
    home.state = tmp_path / "device" / "state" / "people"

    def put(name, *people, blue=0):
        path = home.album / name
        path.parent.mkdir(parents=True, exist_ok=True)
        red, green = (*people, 0, 0)[:2]
        Image.new("RGB", (64, 48), (20 * red + 10 * bool(red), 20 * green + 10 * bool(green), blue)).save(path)
        return path

    def agree(*folders, **more):
        agreement = consenting.Agreement(words=FACES.words, notice_sha=FACES.sha256())
        scope = [str(one) for one in folders or [home.album]]
        return consenting.enable(
            home.computer.app(), consenting.chosen_folders(home.computer.app(), scope), agreement, **more
        )

    for number in range(3):
        put(f"one{number}.png", 1, blue=number)
    for number in range(2):
        put(f"two{number}.png", 2, blue=number)
    put("both.png", 1, 2)
    home.put, home.agree = put, agree
    home.app = home.computer.app
    home.people = lambda: open_people(home.computer.app())
    home.scan = lambda **more: home.people().scan(Silent(), **more)
    return home


def digest(path):
    return hashlib.sha256(path.read_bytes()).digest()


# Consent, then the network, then the key.


@pytest.mark.parametrize(
    "ask",
    [
        lambda people: people.scan(Silent()),
        lambda people: people.people(),
        lambda people: people.show("p1"),
        lambda people: people.name("p1", "Anna"),
        lambda people: people.merge("p1", "p2"),
        lambda people: people.split("p1", strict=True),
        lambda people: people.hide("p1"),
        lambda people: people.undo(),
        lambda people: people.history(),
        lambda people: people.questions(5),
        lambda people: people.answer("f1-f2", "same"),
        lambda people: people.digests("p1"),
        lambda people: people.names_of_photos(),
    ],
)
def test_without_consent_nothing_is_done(home, ask):
    with pytest.raises(ConsentError):
        ask(home.people())
    assert not home.state.exists()
    assert Workers.made == 0


def test_the_status_says_that_nobody_agreed(home):
    status = home.people().status()
    assert (status.consent, status.scanned, status.store_bytes) == ("never", None, 0)


def test_the_network_is_left_before_the_key_is_read(home, monkeypatch):
    home.agree()
    order = []
    create = consenting.FaceKey.create
    monkeypatch.setattr(consenting.FaceKey, "create", lambda self: order.append("key") or create(self))
    People(home.app(), alone=lambda *, unix: order.append("left") or tuple(LAYERS)).scan(Silent())
    assert order == ["left", "key"]


@pytest.mark.parametrize("lacks", ["network", "calls", "privileges"])
def test_a_process_that_cannot_leave_the_network_reads_no_key(home, lacks):
    home.agree()
    left = tuple(one for one in LAYERS if one != lacks)
    with pytest.raises(UnsafeError, match=lacks):
        People(home.app(), alone=lambda *, unix: left).scan(Silent())
    assert not (home.state / "face.key").exists()


def test_going_without_a_layer_is_allowed_shown_and_written_down_once(home):
    home.agree()
    home.config.write_text("[people]\nunsafe_without = ['network']\n")
    left = tuple(one for one in LAYERS if one != "network")
    for _ in range(2):
        report = People(home.app(), alone=lambda *, unix: left).scan(Silent(), again=True)
        assert report.overridden == ("network",)
    assert People(home.app(), alone=lambda *, unix: left).status().overridden == ("network",)
    notes = [one.body for one in consenting.consent(home.app()).receipts() if one.event == "noted"]
    assert notes == [{"kind": "done without", "layers": ["network"]}]


def test_a_keyring_is_reached_before_the_last_sockets_are_left(home, monkeypatch):
    kept, order = {}, []

    class Ring:
        def get(self, name):
            order.append("asked")
            return kept.get(name)

        def set(self, name, secret):
            kept[name] = secret

        def delete(self, name):
            kept.pop(name, None)

    monkeypatch.setattr("photovault.app.people_key.KeyringSecrets", Ring)
    home.computer.environ.pop("PHOTOVAULT_NO_KEYRING")
    home.agree()
    People(home.app(), alone=lambda *, unix: order.append(f"unix {unix}") or tuple(LAYERS)).scan(Silent())
    assert order[0] == "unix True"
    assert order[-1] == "unix False"
    assert len(kept) == 1
    assert not (home.state / "face.key").exists()


def test_a_consent_that_is_withdrawn_while_a_command_waits_for_the_store_holds_no_more(home, monkeypatch):
    home.agree()
    home.scan()
    before = Store.open

    def slow(*args, **more):
        consenting.consent(home.app()).withdraw()
        return before(*args, **more)

    monkeypatch.setattr(Store, "open", slow)
    with pytest.raises(ConsentError, match="taken back"):
        home.people().hide("p1")


def test_what_the_consent_has_lapsed_for_is_erased_by_the_first_command_about_people(home):
    home.agree()
    home.scan()
    home.computer._now.now += timedelta(days=400)
    assert home.people().status().consent == "lapsed"
    assert not {path.name for path in home.state.iterdir()} & {"faces.db", "face.key"}


# Scanning.


def test_photos_are_looked_at_once_and_grouped(home):
    home.agree()
    report = home.scan()
    assert (report.looked, report.faces, report.left, report.failed, report.people) == (6, 7, 0, {}, 2)
    assert report.protection == tuple(LAYERS)
    assert sorted(one.count for one in home.people().people()) == [3, 4]
    again = home.scan()
    assert (again.looked, again.unchanged, again.total_faces) == (0, 6, 7)
    assert Workers.made == 1, "where nothing is new, no face worker is started"


def test_boxes_are_those_of_the_whole_picture(home):
    home.agree()
    home.scan()
    (one,) = [one for one in home.people().people(faces=True) if one.count == 3]
    found = {os.path.basename(face.file): (face.box, face.size) for face in one.faces}
    assert found["two0.png"] == ((6, 10, 20, 19), (64, 48))


def test_a_bad_photo_is_counted_and_costs_no_other(home):
    (home.album / "bad.jpg").write_bytes(b"no picture")
    home.agree()
    report = home.scan()
    assert (report.looked, sum(report.failed.values())) == (6, 1)
    assert home.scan().failed == {}


def test_what_was_found_before_a_stop_stays(home):
    home.agree()
    report = home.scan(enough=lambda: Workers.made > 0)
    assert (report.looked, report.left) == (0, 6)
    assert home.people().status().left == 6
    assert home.scan().looked == 6


def test_a_scan_that_is_killed_does_not_say_that_none_is_left(home, monkeypatch):
    home.agree()
    assert home.scan().left == 0
    for number in range(5):
        home.put(f"more{number}.png", 3, blue=number)
    seen = []
    monkeypatch.setattr(Workers, "meanwhile", lambda: seen.append(home.people().status().left))
    home.scan()
    assert seen[0] == 5, "what a kill would leave"


def test_people_are_there_before_a_scan_is_over(home, monkeypatch):
    monkeypatch.setattr("photovault.app.people_scan._GROUPING_EVERY", 0.0)
    monkeypatch.setattr("photovault.app.people_scan._GROUPING_SHARE", 0)
    home.agree()
    seen = []
    for number in range(40):
        home.put(f"more{number}.png", 3, blue=number)
    progress = Silent()
    progress.advance = lambda *_: seen.append(sum(one.count for one in home.people().people(everybody=True)))
    report = home.people().scan(progress)
    assert report.left == 0
    assert 0 < seen[-1] < report.total_faces


def test_looking_at_everything_again_groups_everything_anew(home, monkeypatch):
    whole = []
    real = regroup.regroup
    monkeypatch.setattr(regroup, "regroup", lambda *given, full: whole.append(full) or real(*given, full=full))
    home.agree()
    home.scan()
    home.scan(again=True)
    assert whole == [False, True]


def test_what_is_left_is_known_however_a_scan_ends(home):
    home.agree()
    progress, told = Silent(), []

    def advance(*_):
        told.append(1)
        if len(told) == 2:
            raise KeyboardInterrupt

    progress.advance = advance
    with pytest.raises(KeyboardInterrupt):
        home.people().scan(progress)
    assert home.people().status().left == 4


def test_a_consent_that_is_withdrawn_ends_the_scan(home, monkeypatch):
    home.agree()
    monkeypatch.setattr("photovault.app.people_scan._LOOK", 0.0)
    monkeypatch.setattr(Workers, "meanwhile", lambda: consenting.consent(home.app()).withdraw())
    for number in range(40):
        home.put(f"more{number}.png", 3, blue=number)
    with pytest.raises(ConsentError, match="taken back"):
        home.scan()


def test_a_photo_outside_of_what_is_agreed_to_now_is_forgotten(home):
    home.put("in/three.png", 3)
    home.agree()
    assert home.scan().total_faces == 8
    home.agree(home.album / "in")
    report = home.scan()
    assert (report.gone, report.total_faces) == (6, 1)


def test_an_alarm_stops_the_scan_and_is_shown_until_somebody_scans_again(home, monkeypatch):
    home.agree()
    monkeypatch.setattr(Workers, "alarm", "A face worker tried to reach a network")
    with pytest.raises(UnsafeError, match="tried"):
        home.scan()
    assert home.people().status().alarms == ("A face worker tried to reach a network",)
    assert home.people().status().left == 6
    monkeypatch.setattr(Workers, "alarm", "")
    assert home.people().scan_if_needed(Silent(), lambda: False).alarms == ("A face worker tried to reach a network",)
    assert home.scan().alarms == ()
    assert home.people().status().alarms == ()


def test_a_worker_with_another_engine_than_was_asked_for_looks_at_nothing(home, monkeypatch):
    home.agree()
    monkeypatch.setattr(Workers, "start", lambda _self: Hello("another", SIZE, Curve(((1, 0.5),)), tuple(LAYERS)))
    with pytest.raises(PhotovaultError, match="not the engine"):
        home.scan()
    assert home.people().status().scanned == 0


def test_another_engine_keeps_names_and_decisions(home):
    home.agree()
    home.scan()
    home.people().name("p1", "Anna")
    before = home.people().show("Anna")
    home.config.write_text(
        "[people]\nengine = 'onnx'\n[people.model]\npath = '/m'\nsha256 = '" + 64 * "a" + "'\nthreshold = 0.5\n"
    )
    people = home.people()
    people._models = lambda: None
    assert people.status().left == 6, "their faces are to be measured anew"
    report = people.scan(Silent())
    assert (report.embedded, report.looked) == (7, 0)
    assert home.people().status().left == 0
    after = home.people().show("Anna")
    assert (after.id, {one.id for one in after.faces}) == (before.id, {one.id for one in before.faces})


def test_two_scans_at_once_are_refused(home):
    home.agree()
    home.scan()
    with home.people()._store(write=True), pytest.raises(BusyError):
        home.scan()


def test_in_the_background_nothing_is_started_without_need(home):
    assert home.people().scan_if_needed(Silent(), lambda: False) is None
    home.agree()
    assert home.people().scan_if_needed(Silent(), lambda: False).looked == 6
    assert home.people().scan_if_needed(Silent(), lambda: False) is None
    home.put("new.png", 2, blue=9)
    assert home.people().scan_if_needed(Silent(), lambda: False).looked == 1


# Deciding, finding.


def test_a_person_is_named_found_and_taken_back(home):
    home.agree()
    home.scan()
    (one,) = [one for one in home.people().people() if one.count == 4]
    home.people().name(f"p{one.id}", "Anna")
    wanted = {digest(home.album / name) for name in ("one0.png", "one1.png", "one2.png", "both.png")}
    assert set(home.people().digests("anna")) == wanted
    home.people().undo()
    with pytest.raises(UsageError):
        home.people().digests("Anna")


def test_an_organisation_names_nobody_without_a_release(home):
    home.agree(organisation=True)
    home.scan()
    with pytest.raises(ConsentError):
        home.people().name("p1", "Anna")
    consenting.add_release(home.app(), "Anna", "2026-01-01", minor=False, guardian="")
    assert home.people().name("p1", "Anna").action == "name"


def test_names_that_come_from_files_need_a_release_too(home, tmp_path):
    home.agree(organisation=True)
    home.scan()
    names = {digest(home.album / one).hex(): ["Anna"] for one in ("two0.png", "two1.png", "both.png")}
    (tmp_path / "names.json").write_bytes(tags.encode(names))
    words = OTHERS["xmp"].words
    done = home.people().import_names(tmp_path / "names.json")
    assert (done.regions, done.named, [one.name for one in home.people().people()]) == (1, 0, ["", ""])
    consenting.add_release(home.app(), "Anna", "2026-01-01", minor=False, guardian="")
    assert home.people().import_names(tmp_path / "names.json").named == 3
    assert home.people().export_xmp(tmp_path / "sidecars", agreed=words).regions == 3
    home.people().name("Anna", "")
    consenting.register(home.app()).withdraw("Anna")
    home.people().import_xmp(tmp_path / "sidecars", agreed=words)
    assert {one.name for one in home.people().people()} == {""}


def test_a_release_that_is_taken_back_takes_the_name_along_and_undo_does_not_bring_it_back(home):
    home.agree(organisation=True)
    home.scan()
    consenting.add_release(home.app(), "Anna Berg", "2026-01-01", minor=False, guardian="")
    home.people().name("p1", "Anna  Berg")
    done = withdraw_release(home.app(), "anna berg")
    assert (done.entry.people, done.problem) == ((1,), "")
    assert all(not one.name for one in home.people().people())
    with pytest.raises(ConsentError, match="no release is on record") as refused:
        home.people().undo()
    assert "Anna" not in refused.value.what
    consenting.add_release(home.app(), "Anna Berg", "2026-02-01", minor=False, guardian="")
    home.people().undo()
    assert [one.name for one in home.people().people() if one.name] == ["Anna Berg"]


def test_a_release_is_taken_back_even_while_a_scan_keeps_the_name(home):
    home.agree(organisation=True)
    home.scan()
    consenting.add_release(home.app(), "Anna", "2026-01-01", minor=False, guardian="")
    home.people().name("p1", "Anna")
    with people_lock(home.state):
        done = withdraw_release(home.app(), "Anna")
    assert (done.entry, "at work" in done.problem) == (None, True)
    assert consenting.releases(home.app()) == ([], ())
    assert home.people().name("p1", "").action == "name", "taking it away needs no release"


def test_a_store_whose_key_is_elsewhere_gets_no_new_one(home):
    home.agree()
    home.scan()
    (home.state / "face.key").rename(home.state.parent / "kept")
    for ask in (home.scan, lambda: home.people().show("p1"), lambda: home.people().name("p1", "Anna")):
        with pytest.raises(WrongKeyError, match="its key is not"):
            ask()
    assert not (home.state / "face.key").exists()
    (home.state.parent / "kept").rename(home.state / "face.key")
    assert home.people().show("p1").count


def test_two_that_begin_at_once_make_one_key(home, monkeypatch):
    home.agree()
    gone, others = FaceKey.destroy, []

    def slow(self):
        if not others:
            others.append(threading.Thread(target=lambda: others.append(home.people()._key(write=True, wait=10))))
            others[0].start()
            time.sleep(0.5)
        return gone(self)

    monkeypatch.setattr(FaceKey, "destroy", slow)
    key = home.people()._key(write=True, wait=0)
    others[0].join()
    assert others[1] == key == FaceKey(home.state, None).get()


def test_what_comes_back_after_it_was_erased_goes_again(home):
    home.agree()
    home.scan()
    copy = (home.state / "faces.db").read_bytes()
    consenting.disable(home.app())
    assert consenting.erase_if_lapsed(home.app()) is None
    (home.state / "faces.db").write_bytes(copy)
    assert consenting.erase_if_lapsed(home.app()).verified
    assert not (home.state / "faces.db").exists()


def test_a_command_that_was_killed_while_it_waited_does_not_stop_scans_for_ever(home):
    home.agree()
    home.scan()
    sign = home.state / "people.wanted"
    sign.touch()
    assert home.people().is_wanted()
    os.utime(sign, (time.time() - 3600,) * 2)
    assert not home.people().is_wanted()


def test_names_for_a_backup_want_a_further_consent(home):
    home.agree()
    home.scan()
    home.people().name("p1", "Anna")
    with pytest.raises(ConsentError, match="backed up"):
        home.people().names_of_photos()
    ask = OTHERS["names-backup"]
    agreement = consenting.Agreement(words=ask.words, notice_sha=ask.sha256())
    consenting.agree(home.app(), "names-backup", agreement)
    assert set(map(tuple, home.people().names_of_photos().values())) == {("Anna",)}


@pytest.mark.parametrize("question", ["", "f1", "f1-p2", "f1-f2-f3", "p1-p2"])
def test_a_question_that_is_none_is_refused(home, question):
    home.agree()
    with pytest.raises(UsageError):
        home.people().answer(question, "same")


def test_names_are_not_written_where_they_would_be_backed_up(home, tmp_path):
    home.agree()
    home.scan()
    home.config.write_text(f"[[sources]]\npath = '{tmp_path}'\n")
    with pytest.raises(UsageError, match="backed up"):
        home.people().export_xmp(tmp_path / "names", agreed=OTHERS["xmp"].words)


# Which photos, which engine.


def seen(home, *scope):
    found = walk(roots(home.app(), [str(one) for one in scope]))
    return sorted(os.path.relpath(os.fsdecode(one.path), home.album) for one in found if isinstance(one, There))


def test_a_folder_goes_by_the_rules_of_the_source_that_it_is_in(home):
    home.put("sub/a.png", 1)
    home.put("sub/private/b.png", 1)
    home.config.write_text(
        f"[backup]\nexclude = ['two*']\n[[sources]]\npath = '{home.album}'\nexclude = ['sub/private/']\n"
    )
    (home.album / ".photovaultignore").write_text("both.png\n")
    assert seen(home, home.album) == ["one0.png", "one1.png", "one2.png", "sub/a.png"]
    assert seen(home, home.album / "sub") == ["sub/a.png"]


def test_a_source_inside_of_a_folder_goes_by_its_own_rules(home):
    home.put("sub/a.png", 1)
    home.put("sub/private/b.png", 1)
    home.config.write_text(f"[[sources]]\npath = '{home.album / 'sub'}'\nexclude = ['private/']\n")
    assert seen(home, home.album) == [
        "both.png",
        *[f"one{n}.png" for n in range(3)],
        "sub/a.png",
        "two0.png",
        "two1.png",
    ]


def test_folders_in_one_another_are_walked_once(home):
    home.put("sub/a.png", 1)
    assert seen(home, home.album / "sub", home.album).count("sub/a.png") == 1


def test_vaults_and_our_own_folders_are_never_entered(home, tmp_path):
    copy = tmp_path / "copy"
    home.config.write_text(f"[[destinations]]\nname = 'usb'\nurl = '{copy}'\n")
    for folder in (tmp_path / "vault", copy, tmp_path / "device" / "state", tmp_path / "device" / "cache"):
        folder.mkdir(exist_ok=True)
        (folder / "a.png").write_bytes((home.album / "both.png").read_bytes())
    assert all("Album" in os.fsdecode(one.path) for one in walk(roots(home.app(), [str(tmp_path)])))


def test_the_engine_and_its_threshold_are_those_of_the_configuration(home):
    home.config.write_text("[people]\nengine = 'face_recognition'\nthreshold = 0.4\n")
    config = home.app().config
    assert engine_order(config).kind == "face_recognition"
    assert chosen_curve(config, Curve(((1, 0.5),))) == Curve(((1, 0.4),))
    home.config.write_text("[people]\nengine = 'onnx'\n")
    with pytest.raises(UsageError, match="model"):
        engine_order(home.app().config)


# From a process that may have a network.


def test_a_process_with_a_network_gets_digests_and_nothing_else(home, monkeypatch):
    home.agree()
    home.scan()
    home.people().name("p1", "Anna")
    home.computer.environ["PHOTOVAULT_PASSWORD"] = "a secret"
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(people_process.subprocess, "Popen", lambda *a, **k: started.append((a, k)) or popen(*a, **k))
    wanted = {digest(home.album / name) for name in ("one0.png", "one1.png", "one2.png", "both.png")}
    found = people_process.digests_of(home.app(), "Anna")
    assert found in (wanted, {digest(home.album / name) for name in ("two0.png", "two1.png", "both.png")})
    (((argv,), options),) = started
    assert "Anna" not in " ".join(argv)
    assert not {"Anna", "a secret"} & set(options["env"].values())


def test_the_photos_with_two_people_are_those_with_both(home):
    home.agree()
    home.scan()
    assert people_process.digests_of(home.app(), "p1", "p2") == {digest(home.album / "both.png")}


def test_an_error_in_the_other_process_is_the_same_error_here(home):
    with pytest.raises(ConsentError) as error:
        people_process.digests_of(home.app(), "Anna")
    assert "photovault people enable" in error.value.hint
    home.agree()
    home.scan()
    with pytest.raises(UsageError):
        people_process.digests_of(home.app(), "Anna")


def test_canaries_are_there_after_a_scan_and_none_without_consent(home):
    assert people_process.canaries(home.app()) == []
    home.agree()
    home.scan()
    assert len(people_process.canaries(home.app())) >= 3


def test_a_process_that_dies_is_an_error_and_no_silence(home, monkeypatch):
    monkeypatch.setattr(people_process, "_BOOT", "raise SystemExit(0)")
    with pytest.raises(PhotovaultError, match="without an answer"):
        people_process.digests_of(home.app(), "Anna")


def test_what_a_library_prints_in_the_other_process_is_no_answer():
    program = "from photovault.app.people_process import _Line\nline = _Line()\nprint('hello', flush=True)\n"
    program += "line.say({'answer': 1})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b'{"answer": 1}\n'


def test_an_unexpected_error_in_the_other_process_names_nothing_but_its_kind(monkeypatch):
    said = []
    line = SimpleNamespace(request=dict, say=said.append)
    monkeypatch.setattr(people_process, "_Line", lambda: line)
    monkeypatch.setattr(people_process, "_answer", lambda *_: {}["Anna Berg"])
    people_process.main()
    assert "KeyError" in said[0]["error"]["what"]
    assert "Anna" not in str(said)


def test_a_process_that_hangs_is_ended_soon_after_it_is_enough(home, monkeypatch):
    monkeypatch.setattr(people_process, "_BOOT", "import time; time.sleep(60)")
    monkeypatch.setattr(people_process, "_END", 0.6)
    began = time.monotonic()
    with pytest.raises(PhotovaultError, match="without an answer"):
        people_process.scan_in_background(home.app(), Silent(), lambda: True)
    assert time.monotonic() - began < 10


def test_a_scan_in_the_background_is_done_by_real_workers_and_ends_when_it_is_enough(home):
    home.agree()
    told = SimpleNamespace(goal=None, done=0)
    told.total = lambda files, size: setattr(told, "goal", files)
    told.advance = lambda files, size, path: setattr(told, "done", told.done + files)
    done = people_process.scan_in_background(home.app(), told, lambda: False)
    assert (done.looked, done.left, done.failed, told.goal, told.done) == (6, 0, 0, 6, 6)
    home.put("more.png", 4)
    stopped = people_process.scan_in_background(home.app(), told, lambda: True)
    assert stopped is None or stopped.looked + stopped.left == 1


def test_a_scan_that_is_tired_groups_what_it_found_and_goes_on_later(home):
    for number in range(40):
        home.put(f"three{number}.png", 3, blue=number)
    home.agree()
    looked = []
    report = home.people().scan_if_needed(
        SimpleNamespace(total=lambda *_: None, advance=lambda *_: looked.append(1)),
        lambda: False,
        tired=lambda: len(looked) > 4,
    )
    assert 4 < report.looked < 46
    assert report.looked + report.left == 46
    assert report.people >= 1
    assert home.people().scan_if_needed(Silent(), lambda: False).left == 0


# Names in a backup.


@pytest.fixture
def named(home):
    """A backup is to be made, and the person in four photos is called Anna."""
    home.computer.make_vault()
    home.config.write_text(f"[[sources]]\npath = '{home.album}'\n")
    home.agree()
    home.scan()
    (one,) = [one for one in home.people().people() if one.count == 4]
    home.people().name(f"p{one.id}", "Anna")
    ask = OTHERS["names-backup"]
    home.allow = lambda: consenting.agree(
        home.app(), "names-backup", consenting.Agreement(words=ask.words, notice_sha=ask.sha256())
    )
    return home


def backed_up(home):
    """The labels of the newest snapshot's sources."""
    return [one.label for one in home.app().backup(BackupRequest(), Silent()).snapshot.snapshot.sources]


def test_names_are_in_no_backup_unless_somebody_agreed_to_that(named):
    assert backed_up(named) == ["Album"]
    named.allow()
    assert backed_up(named) == ["Album", "names of people"]
    consenting.revoke(named.app(), "names-backup")
    assert not list((named.computer.folder / "cache").rglob("names.json"))
    assert backed_up(named) == ["Album"]


def test_names_that_did_not_change_make_no_new_snapshot(named):
    named.allow()
    backed_up(named)
    assert isinstance(named.app().backup_if_changed(BackupRequest(), Silent()), BackupPlan)


def test_names_come_back_from_a_backup_to_the_groups_in_the_same_photos(named, tmp_path):
    named.allow()
    backed_up(named)
    named.app().restore(
        "latest", choose(["names of people"]), tmp_path / "out", Overwrite.NEVER, Silent(), dry_run=False
    )
    consenting.disable(named.app())
    assert not list(named.computer.folder.rglob("names.json"))
    named.agree()
    named.scan()
    assert all(not one.name for one in named.people().people())
    named.people().import_names(tmp_path / "out" / "names of people" / "names.json")
    assert [(one.name, one.count) for one in named.people().people() if one.name] == [("Anna", 4)]


def test_a_consent_that_is_taken_back_while_a_backup_asks_for_the_names_holds_no_more(named, monkeypatch):
    named.allow()

    def meanwhile(app):
        consenting.revoke(app, "names-backup")
        return {digest(named.album / "one0.png").hex(): ["Anna"]}

    monkeypatch.setattr("photovault.app.people_names.names_of_photos", meanwhile)
    assert backed_up(named) == ["Album"]
    assert not list((named.computer.folder / "cache").rglob("names.json"))


def test_of_names_from_a_backup_those_that_cannot_be_used_are_passed_over(home, tmp_path):
    home.agree()
    home.scan()
    home.people().name("p2", "Ben")
    photos = [digest(home.album / name).hex() for name in ("one0.png", "one1.png", "one2.png", "both.png")]
    for name in ("ben", "a\x1bb", "p7", "", "x" * 101):
        (tmp_path / "names.json").write_bytes(encode({photo: [name] for photo in photos}))
        assert home.people().import_names(tmp_path / "names.json").named == 0
    (tmp_path / "names.json").write_bytes(encode({photo: ["Anna"] for photo in photos}))
    assert home.people().import_names(tmp_path / "names.json").named == 4


def test_a_backup_of_one_folder_takes_no_names_along(named):
    named.allow()
    report = named.app().backup(BackupRequest(paths=(str(named.album),)), Silent())
    assert [one.label for one in report.snapshot.snapshot.sources] == ["Album"]


def test_a_scan_in_the_background_gives_way_to_a_command(home):
    home.agree()
    home.scan()
    for number in range(40):
        home.put(f"three{number}.png", 3, blue=number)
    said, looked = [], []
    other = threading.Thread(target=lambda: said.append(home.people().hide("p1").action))

    def advance(*_):
        looked.append(1)
        if len(looked) == 2:
            other.start()
            time.sleep(1.2)

    report = home.people().scan_if_needed(SimpleNamespace(total=lambda *_: None, advance=advance), lambda: False)
    other.join(15)
    assert said == ["hide"]
    assert report.left > 0
    assert not list(home.state.glob("people.[bw]*"))
    assert home.scan().left == 0
