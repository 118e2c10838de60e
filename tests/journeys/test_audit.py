"""The two-run proof catches every way in which something could leave with a backup; and ``photovault audit`` as people use it.

Six leaks are planted, each in the second of two runs.  The test of each bears its name and asserts the reason that is
printed.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app import App, Settings
from photovault.app.proof import two_run
from photovault.app.sources import BackupRequest
from photovault.app.switches import Switch, switches, threads_switch
from photovault.crypto.keys import mac
from photovault.errors import GuardError
from photovault.gate.door import Door
from photovault.vault import format as fmt
from photovault.vault import pack
from tests.support.devices import Computer, Silent
from tests.support.photos import jpeg, library, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photovault.audit import TwoRunReport

FACES = b"face vector 0.123"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return library(tmp_path / "Pictures", Random(5))


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    made = Computer(tmp_path / "computer", tmp_path / "vault")
    made.make_vault()
    return made


def nothing(_app: object) -> None:
    """The switch is off."""


def prove(computer: Computer, photos: Path, leak: Callable[[], None], *, as_first: bool = True) -> TwoRunReport:
    """Two runs; in the second ``leak`` is planted."""
    request = BackupRequest(paths=(str(photos),), all_files=True)
    switch = Switch(name="the leak", off=nothing, on=lambda _: leak())
    return two_run(computer.app(), request, [switch], Silent(), as_first=as_first)[0]


def reasons(report: TwoRunReport) -> str:
    """What is printed of the alarms; each names its object."""
    assert report.alarms
    assert all(one.where and one.what and one.hint for one in report.alarms)
    return "\n".join(f"{one.where}: {one.what}" for one in report.alarms)


# The six leaks


@pytest.fixture
def leaks(monkeypatch: pytest.MonkeyPatch) -> Leaks:
    return Leaks(monkeypatch)


class Leaks:
    """Ways in which a count of faces, or a vector, could leave with a backup."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch.setattr

    def json_field_of_the_snapshot(self) -> None:
        real = fmt.encode_snapshot

        def more(snapshot: object) -> bytes:
            return real(snapshot)[:-1] + b',"with_faces":true}'

        self._patch(fmt, "encode_snapshot", more)

    def json_field_of_a_listing(self) -> None:
        real = fmt.encode_entry
        self._patch(fmt, "encode_entry", lambda entry: real(entry).replace(b'"facts":{', b'"facts":{"faces":1,'))

    def pad_byte(self) -> None:
        self._patch(pack, "_zeros", lambda count: FACES[:count].ljust(count, b"\0"))

    def pad_byte_around_the_gate(self) -> None:
        self.pad_byte()
        self._patch(Door, "_inspect", lambda *_: None)

    def salt(self) -> None:
        real = pack.object_salt
        self._patch(pack, "object_salt", lambda *args: mac(real(*args), FACES))

    def object_name(self) -> None:
        real = Door._put_sealed

        def renamed(door: Door, kind: object, name: str, data: bytes, digest: bytes) -> None:
            real(door, kind, name[:-4] + "0003", data, digest)

        self._patch(Door, "_put_sealed", renamed)

    def face_count(self) -> None:
        real = fmt.encode_snapshot

        def counted(snapshot) -> bytes:
            return real(replace(snapshot, counts=replace(snapshot.counts, links=snapshot.counts.links + 3)))

        self._patch(fmt, "encode_snapshot", counted)

    def compressed_blob(self) -> None:
        real = zlib.compress
        self._patch(pack.zlib, "compress", lambda data, level: real(data, level + 8))


@pytest.mark.parametrize(
    ("leak", "reason"),
    [
        pytest.param("json_field_of_the_snapshot", "the snapshot differs in with_faces", id="a JSON field"),
        pytest.param("json_field_of_a_listing", "parts of kind listing in place of", id="a JSON field of a listing"),
        pytest.param("pad_byte", "the padding of a stored object is not empty", id="a changed pad byte"),
        pytest.param(
            "pad_byte_around_the_gate", "the padding of a stored object is not empty", id="a pad byte, no gate"
        ),
        pytest.param("salt", "the same contents under another salt", id="a salt"),
        pytest.param("object_name", "the same bytes under another name", id="an object name"),
        pytest.param("face_count", "the snapshot differs in counts.links", id="a face count"),
        pytest.param("compressed_blob", "have the same contents and are encoded otherwise", id="a compressed blob"),
    ],
)
def test_a_planted_leak_is_caught(computer: Computer, photos: Path, leaks: Leaks, leak: str, reason: str) -> None:
    found = reasons(prove(computer, photos, getattr(leaks, leak)))
    print(f"caught {leak}: {found}")
    assert reason in found


@pytest.mark.parametrize("leak", ["json_field_of_the_snapshot", "salt", "object_name", "face_count"])
def test_a_leak_in_a_later_backup_is_caught_too(computer: Computer, photos: Path, leaks: Leaks, leak: str) -> None:
    computer.backup(photos)
    put(photos / "new.jpg", jpeg(90))
    assert reasons(prove(computer, photos, getattr(leaks, leak), as_first=False))


def test_what_only_one_run_sends_is_caught(computer: Computer, photos: Path) -> None:
    report = prove(computer, photos, lambda: put(photos / "2010" / "more.jpg", jpeg(91)))
    assert "parts of kind content in place of" in reasons(report)


def test_an_object_more_is_caught(computer: Computer, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leak() -> None:
        from photovault.vault.format import ObjectKind
        from photovault.vault.vault import Vault

        real = Vault.commit

        def commit(vault: Vault, snapshot: object) -> object:
            vault.send_single(ObjectKind.INDEX, b"")
            return real(vault, snapshot)

        monkeypatch.setattr(Vault, "commit", commit)

    assert "only with the leak it would have left" in reasons(prove(computer, photos, leak))


# Without a leak


@pytest.mark.parametrize("as_first", [True, False])
@pytest.mark.parametrize("backed_up", [True, False])
def test_two_runs_are_the_same_and_send_nothing(
    computer: Computer, photos: Path, tmp_path: Path, as_first: bool, backed_up: bool
) -> None:
    if backed_up:
        computer.backup(photos)
        put(photos / "new.jpg", jpeg(90))
    before = files(tmp_path / "vault"), files(computer.folder / "state")
    request = BackupRequest(paths=(str(photos),), all_files=True)
    app = computer.app()
    report, *others = two_run(app, request, switches(app), Silent(), as_first=as_first)
    assert [one.alarms for one in (report, *others)] == [(), ()]
    assert report.size > 9_000_000 or (backed_up and not as_first)
    assert report.objects >= 3
    assert (files(tmp_path / "vault"), files(computer.folder / "state")) == before
    assert not list((computer.folder / "cache" / "two-run").iterdir())
    computer.backup(photos)
    assert computer.check().findings == ()


def files(folder: Path) -> dict[str, bytes]:
    """What is kept there; SQLite's own housekeeping aside."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".sqlite" not in path.name and path.name != "lock"
    }


def test_it_sends_what_the_next_backup_sends(computer: Computer, photos: Path, tmp_path: Path) -> None:
    """Otherwise it would prove something of another program."""
    before = files(tmp_path / "vault")
    request = BackupRequest(paths=(str(photos),), all_files=True)
    (report,) = two_run(computer.app(), request, [threads_switch()], Silent())
    computer.app().backup(request, Silent())
    sent = {name: data for name, data in files(tmp_path / "vault").items() if name not in before}
    assert (report.objects, report.size) == (len(sent), sum(map(len, sent.values())))


def test_a_library_around_state_and_cache_is_seen_alike(tmp_path: Path, photos: Path) -> None:
    computer = Computer(photos / "computer", tmp_path / "vault")
    computer.make_vault()
    assert prove(computer, photos, lambda: None, as_first=False).alarms == ()


def test_a_source_that_is_not_there_stops_it(computer: Computer, photos: Path) -> None:
    computer.backup(photos)
    photos.rename(photos.with_name("away"))
    photos.mkdir()
    with pytest.raises(GuardError):
        prove(computer, photos, lambda: None, as_first=False)


# As people use it


@pytest.fixture
def backed_up(photovault, vault: Path, photos: Path) -> Path:
    done = photovault("backup", photos, "--all-files")
    assert done.code == 0, done.err
    return vault


def test_the_screen_says_what_left_what_is_learned_and_that_all_is_well(photovault, backed_up: Path) -> None:
    done = photovault("audit")
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) < 24
    for text in ("what left", "pack", str(backed_up), "what the storage can learn", "everything is explained"):
        assert text in done.out


def test_an_unexplained_object_is_named_with_the_reason(photovault, backed_up: Path) -> None:
    (backed_up / "packs" / "vector.bin").write_bytes(FACES)
    done = photovault("audit")
    assert done.code == 14
    assert "NOT EXPLAINED: packs/vector.bin: no vault has an object of this name" in done.err
    assert "everything is explained" not in done.out
    done = photovault("audit", "--json")
    assert (done.code, [one["object"] for one in done.json["alarms"]]) == (14, ["packs/vector.bin"])


def test_a_name_that_is_no_text_is_named_all_the_same(photovault, backed_up: Path) -> None:
    with open(os.fsencode(backed_up) + b"/\xff\x1b[2J", "wb"):
        pass
    done = photovault("audit")
    assert (done.code, "\x1b" in done.err) == (14, False)
    assert "no vault has an object of this name" in done.err
    assert photovault("audit", "--json").json["alarms"][0]["object"] == "\udcff\x1b[2J"


def test_the_answer_in_json(photovault, backed_up: Path) -> None:
    done = photovault("audit", "--json")
    answer = done.json
    assert (done.code, answer["schema"], answer["message_type"], answer["alarms"]) == (0, 1, "summary", [])
    assert {row["kind"] for row in answer["left"]} == {"header", "slot", "recovery", "pack", "index", "snapshot"}
    assert sum(row["objects"] for row in answer["left"]) == answer["objects"] == answer["ledger"]["lines"] - 1
    assert answer["storage_learns"]["key_slots"] == {"device": 1, "words": 1}


def test_a_canary_is_searched_for(photovault, backed_up: Path, photos: Path, tmp_path: Path) -> None:
    canary = put(tmp_path / "canary", (photos / "movie.mp4").read_bytes()[5_000_000:5_000_100])
    done = photovault("audit", "--canary", canary)
    assert done.code == 14
    assert f"it holds the canary {canary}, in " in done.err
    assert "Pictures/movie.mp4" in done.err
    assert photovault("audit", "--canary", put(tmp_path / "other", b"never in any photo")).code == 0


def test_every_destination_is_explained(photovault, backed_up: Path, photos: Path, tmp_path: Path) -> None:
    for number, to in enumerate((tmp_path / "second", tmp_path / "third")):
        assert photovault("copy", "--to", to).code == 0
        put(photos / f"{number}.jpg", jpeg(80 + number))
        assert photovault("backup", photos, "--all-files", "--vault", to).code == 0
    assert photovault("copy", "--from", tmp_path / "third", "--to", tmp_path / "second").code == 0
    for place in (backed_up, tmp_path / "second", tmp_path / "third"):
        done = photovault("audit", "--vault", place, "--json")
        assert (done.code, done.json["alarms"], done.json["notes"]) == (0, [], []), place
    assert {row["destination"] for row in done.json["left"]} == {
        str(backed_up),
        str(tmp_path / "second"),
        str(tmp_path / "third"),
    }
    assert all(row["kind"] != "other" for row in done.json["left"])


def test_two_runs_on_the_command_line(photovault, backed_up: Path, photos: Path) -> None:
    done = photovault("audit", "--two-run", "--as-first", photos)
    assert (done.code, done.err) == (0, "")
    assert "the same byte for byte without and with several workers" in done.out
    assert "the same byte for byte without and with faces (planted ones" in done.out
    done = photovault("audit", "--two-run", photos, "--json")
    assert (done.code, done.json["alarms"]) == (0, [])
    assert [run["switch"].partition(" (")[0] for run in done.json["runs"]] == ["several workers", "faces"]


@pytest.mark.parametrize(
    "args", [["Pictures"], ["--as-first"], ["--two-run", "--canary", "x", "Pictures"], ["--two-run", "nowhere"]]
)
def test_wrong_use_is_told(photovault, vault: Path, args: list[str]) -> None:
    assert photovault("audit", *args).code == 2


def test_a_leak_on_the_command_line_is_exit_code_14(
    photovault, backed_up: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.cli.audit.switches", lambda _: [_leaking(monkeypatch)])
    done = photovault("audit", "--two-run", "--as-first", photos)
    assert done.code == 14
    assert "NOT EXPLAINED: snapshots/" in done.err
    assert "the snapshot differs in counts.links" in done.err


def _leaking(monkeypatch: pytest.MonkeyPatch) -> Switch:
    return Switch(name="faces", off=nothing, on=lambda _: Leaks(monkeypatch).face_count())


# On real servers


@pytest.mark.parametrize("place", ["s3_url", "webdav_url", "sftp_url"])
def test_a_vault_on_a_server_is_explained_and_two_runs_send_nothing(
    photovault,
    request: pytest.FixtureRequest,
    place: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PHOTOVAULT_VAULT", request.getfixturevalue(place))
    assert photovault("init", "--words-file", tmp_path / "words.txt").code == 0
    done = photovault("backup", photos, "--all-files")
    assert done.code == 0, done.err
    put(photos / "new.jpg", jpeg(90))
    before = photovault("audit", "--json")
    assert (before.code, before.json["alarms"]) == (0, []), before.err
    done = photovault("audit", "--two-run", "--as-first", photos)
    assert done.code == 0, done.err
    assert photovault("audit", "--json").json == before.json
    (destination,) = {row["destination"] for row in before.json["left"]}
    assert destination.partition(":")[0] in {"s3", "webdav", "sftp"}
    (ledger,) = (tmp_path / "device" / "state").rglob("ledger.jsonl")
    for secret in ("a-secret-for-tests", "a password for tests"):
        assert secret not in ledger.read_text() + before.out


def test_an_object_that_somebody_put_on_a_server_is_named(
    photovault, webdav_url: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOTOVAULT_VAULT", webdav_url)
    assert photovault("init", "--words-file", tmp_path / "words.txt").code == 0
    App(Settings(vault=webdav_url)).storage.put("index/faces.bin", FACES)
    done = photovault("audit")
    assert done.code == 14
    assert "NOT EXPLAINED: index/faces.bin" in done.err
