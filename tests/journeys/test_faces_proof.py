"""Six ways in which a backup could tell of faces, planted while a store of face data is there: each is caught.

Unlike those of ``test_audit``, these leaks are in the program all the time: what they send depends on the folder of
people alone, as a real mistake would.  Without one they send what they should, so nothing but the switch shows them.
"""

from __future__ import annotations

import json
import shutil
import zlib
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app import backing
from photovault.app.proof import audit, two_run
from photovault.app.sources import BackupRequest
from photovault.app.switches import faces_switch, planted_vectors, switches
from photovault.crypto.keys import mac
from photovault.gate.door import Door
from photovault.people.consent import notice
from photovault.people.consent.consent import Consent
from photovault.people.store.store import Store
from photovault.photos.refuse import WHY
from photovault.vault import format as fmt
from photovault.vault import pack
from photovault.vault.writer import Writer
from tests.support import facestore
from tests.support.devices import Computer, Silent
from tests.support.photos import jpeg, library, put

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.audit import TwoRunReport

KEY = Random(9).randbytes(32)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return library(tmp_path / "Pictures", Random(5))


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    made.make_vault()
    return made


class Leaks:
    """Programs that let something of the folder of people out with a backup."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch.setattr
        self.faces = b""
        real = backing.back_up

        def reading_faces(app: App, *args: object, **options: object) -> object:
            store = app.people_folder / "faces.db"
            self.faces = store.read_bytes()[-512:] if store.is_file() else b""
            return real(app, *args, **options)

        self._patch(backing, "back_up", reading_faces)

    def _spoil_snapshot(self, spoil) -> None:
        real = fmt.encode_snapshot
        self._patch(fmt, "encode_snapshot", lambda one: spoil(real, one) if self.faces else real(one))

    def json_field(self) -> None:
        self._spoil_snapshot(lambda real, one: real(one)[:-1] + b',"with_faces":true}')

    def pad_byte(self) -> None:
        real = pack._zeros
        self._patch(pack, "_zeros", lambda count: self.faces[:count].ljust(count, b"\0") if self.faces else real(count))

    def pad_byte_around_the_gate(self) -> None:
        self.pad_byte()
        self._patch(Door, "_inspect", lambda *_: None)

    def salt(self) -> None:
        real = pack.object_salt
        self._patch(pack, "object_salt", lambda *args: mac(real(*args), self.faces) if self.faces else real(*args))

    def object_name(self) -> None:
        real = Door._put_sealed

        def renamed(door: Door, kind: object, name: str, data: bytes, digest: bytes) -> None:
            named = name[:-4] + self.faces[:2].hex() if self.faces else name
            real(door, kind, named, data, digest)

        self._patch(Door, "_put_sealed", renamed)

    def face_count(self) -> None:
        self._spoil_snapshot(
            lambda real, one: real(replace(one, counts=replace(one.counts, links=one.counts.links + len(self.faces))))
        )

    def face_count_in_a_fact(self) -> None:
        real = fmt.encode_entry

        def counted(entry) -> bytes:
            facts = replace(entry.facts, rating=3) if self.faces and entry.facts.kind else entry.facts
            return real(replace(entry, facts=facts))

        self._patch(fmt, "encode_entry", counted)

    def compressed_blob(self) -> None:
        real = Writer.add_content

        def more(writer: Writer, parts) -> None:
            blob = zlib.compress(self.faces, 9)
            real(writer, [*parts, *([(blob[:32], blob)] if self.faces else [])])

        self._patch(Writer, "add_content", more)


SIX = {
    "json_field": "the snapshot differs in with_faces",
    "pad_byte": "the padding of a stored object is not empty",
    "pad_byte_around_the_gate": "the padding of a stored object is not empty",
    "salt": "the same contents under another salt",
    "object_name": "the same bytes under another name",
    "face_count": "the snapshot differs in counts.links",
    "face_count_in_a_fact": "parts of kind listing in place of",
    "compressed_blob": "parts of kind content in place of",
}


def people_kept(computer: Computer) -> Path:
    """The real thing: somebody agreed, and there is a store."""
    app = computer.app()
    Consent(app.people_folder, app.world.now).grant(["/"], words=notice.WORDS, notice_sha=notice.sha256())
    Store.open(app.people_folder, KEY).close()
    return app.people_folder


def prove(computer: Computer, photos: Path, *, as_first: bool = True) -> TwoRunReport:
    app = computer.app()
    request = BackupRequest(paths=(str(photos),), all_files=True)
    return two_run(app, request, [faces_switch(app)], Silent(), as_first=as_first)[0]


@pytest.mark.parametrize("real", [False, True], ids=["planted faces", "real faces"])
@pytest.mark.parametrize("leak", SIX)
def test_a_leak_of_faces_is_caught(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch, leak: str, real: bool
) -> None:
    if real:
        people_kept(computer)
    getattr(Leaks(monkeypatch), leak)()
    report = prove(computer, photos)
    print(f"caught {leak}:", *report.alarms, sep="\n")
    assert any(SIX[leak] in alarm.what for alarm in report.alarms)
    assert all(alarm.where and alarm.what.startswith("with faces") and alarm.hint for alarm in report.alarms)


@pytest.mark.parametrize("leak", SIX)
def test_it_is_caught_in_a_later_backup_too(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch, leak: str
) -> None:
    computer.backup(photos)
    put(photos / "new.jpg", jpeg(90))
    getattr(Leaks(monkeypatch), leak)()
    assert prove(computer, photos, as_first=False).alarms


@pytest.mark.parametrize("real", [False, True], ids=["planted faces", "real faces"])
def test_without_a_leak_faces_do_not_show_and_their_folder_stays_as_it_is(
    computer: Computer, photos: Path, real: bool
) -> None:
    folder = people_kept(computer) if real else computer.app().people_folder
    before = _files(folder)
    app = computer.app()
    request = BackupRequest(paths=(str(photos),), all_files=True)
    reports = two_run(app, request, switches(app), Silent(), as_first=True)
    assert [(report.switch, report.alarms) for report in reports] == [
        ("several workers", ()),
        ("faces" if real else "faces (planted ones, as none are kept here)", ()),
    ]
    assert reports[0].objects >= 3
    assert (_files(folder), bool(before)) == (before, real)
    assert not list((computer.folder / "cache" / "two-run").iterdir())


def test_a_store_among_the_photos_is_refused_in_both_runs(computer: Computer, photos: Path) -> None:
    """Its hard link is known by its inode, which must not depend on the switch."""
    folder = people_kept(computer)
    (photos / "consent.jpg").hardlink_to(folder / "consent.jsonl")
    shutil.copy(folder / "faces.db", photos / "faces.jpg")
    assert prove(computer, photos).alarms == ()
    report = computer.app().backup(BackupRequest(paths=(str(photos),), all_files=True), Silent())
    assert [WHY in one.what for one in report.problems] == [True, True]


def test_nothing_of_people_is_opened_by_the_proof(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people_kept(computer)
    monkeypatch.setattr(Store, "open", lambda *_, **__: pytest.fail("the store was opened"))
    monkeypatch.setattr("photovault.people.keeping.key.FaceKey.get", lambda *_: pytest.fail("the key was asked for"))
    assert prove(computer, photos).alarms == ()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()} if folder.is_dir() else {}


# The planted vectors of the store


def test_the_audit_looks_for_the_planted_vectors_of_the_store(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = people_kept(computer)
    with Store.open(folder, KEY) as store:
        planted = store.canaries()
    monkeypatch.setattr("photovault.app.people_process.canaries", lambda _app: planted)
    computer.backup(photos)
    assert audit(computer.app(), (), Silent()).alarms == ()
    put(photos / "notes.json", json.dumps({"face": memoryview(planted[0]).cast("f").tolist()}).encode())
    computer.app().backup(BackupRequest(paths=(str(photos),), all_files=True), Silent())
    (alarm,) = audit(computer.app(), (), Silent()).alarms
    assert "it holds the canary of the store of face data" in alarm.what
    assert alarm.what.endswith("Pictures/notes.json")


def test_an_audit_that_cannot_have_them_says_so(
    computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from photovault.errors import ConsentError

    def lapsed(_app: App) -> list[bytes]:
        raise ConsentError("the consent lapsed")

    folder = people_kept(computer)
    assert Store.exists(folder)
    monkeypatch.setattr("photovault.app.people_process.canaries", lapsed)
    computer.backup(photos)
    app = computer.app()
    assert audit(app, (), Silent()).alarms == ()
    assert app.warnings == ["the planted face data were not searched for: the consent lapsed"]


def test_without_a_store_nothing_is_asked(computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.app.people_process.canaries", lambda _app: pytest.fail("a child was started"))
    computer.backup(photos)
    app = computer.app()
    assert (audit(app, (), Silent()).alarms, app.warnings) == ((), [])


def test_the_made_up_store_holds_what_would_be_seen(computer: Computer) -> None:
    app = computer.app()
    faces_switch(app).on(app)
    data = (app.people_folder / "faces.db").read_bytes()
    assert all(vector in data for vector in planted_vectors())
    assert Consent(app.people_folder, app.world.now).standing().state == "granted"
    assert data[:16] == facestore.FACE_STORE_MAGIC
