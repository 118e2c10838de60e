"""Several destinations: one chain over all of them, each a witness for the others, and nothing taken for known that is not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from photovault.app import keys
from photovault.app.session import place_of
from photovault.check import parse_amount
from photovault.crypto.words import to_words
from photovault.errors import UsageError
from photovault.storage.folder import FolderStorage
from photovault.storage.memory import MemoryStorage
from tests.support.devices import WORDS, Computer, Silent
from tests.support.photos import jpeg, library, put, same_tree

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.app.destinations import Shown
    from photovault.check import CheckReport
    from photovault.vault.vault import NamedSnapshot

PASSWORD = "a long enough password"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return library(tmp_path / "Pictures", Random(8), files=4)


@pytest.fixture
def computer(tmp_path: Path, photos: Path) -> Computer:
    """A computer with a vault in ``main``, one backup, and a copy called ``usb``."""
    made = Computer(tmp_path / "computer", tmp_path / "main")
    made.make_vault()
    made.backup(photos)
    configure(made, tmp_path)
    made.app().copy("main", "usb", Silent())
    return made


def configure(computer: Computer, tmp_path: Path) -> None:
    (computer.folder / "config.toml").write_text(f"[[destinations]]\nname = 'usb'\nurl = '{tmp_path / 'usb'}'\n")


def stranger(computer: Computer, tmp_path: Path) -> tuple[Computer, dict[str, str]]:
    """A computer that never saw the vault, and how it opens it."""
    made = Computer(tmp_path / "stranger", computer.vault, seed="stranger")
    configure(made, tmp_path)
    return made, {"words_file": str(put(tmp_path / "words", " ".join(to_words(WORDS)).encode()))}


def back_up(computer: Computer, photos: Path, to: str = "main") -> NamedSnapshot:
    return computer.backup(photos, vault=None if to == "main" else to).snapshot


@pytest.fixture(autouse=True)
def _vault_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """``Computer.backup(vault="usb")`` names a destination instead of the computer's vault."""
    real = Computer.app

    def app(self: Computer, storage: object = None, **settings: str | bool) -> object:
        name = settings.pop("vault", None)
        made = real(self, storage, **settings)
        return made if name is None else made.at(str(name))

    monkeypatch.setattr(Computer, "app", app)


def check(computer: Computer, at: str = "main", data: str = "all", **settings: str) -> CheckReport:
    return computer.app(vault=at, **settings).check(parse_amount(data), Silent())


def shown(computer: Computer, **settings: str) -> dict[str, Shown]:
    return {one.name: one for one in computer.app(**settings).status().destinations}


# Names


def test_names_paths_and_addresses(computer: Computer, tmp_path: Path) -> None:
    app = computer.app()
    assert app.url_of("main") == str(tmp_path / "main")
    assert app.url_of("usb") == str(tmp_path / "usb")
    assert app.url_of("./usb") == "./usb"
    assert app.url_of("s3://bucket/x") == "s3://bucket/x"
    with pytest.raises(UsageError, match="no destination is called disk") as caught:
        app.url_of("disk")
    assert "main, usb" in caught.value.hint


def test_any_command_takes_a_name_for_the_vault(computer: Computer, tmp_path: Path) -> None:
    made = Computer(computer.folder, "usb")
    assert made.app().storage.address == str(tmp_path / "usb")
    assert len(made.snapshots()) == 1
    assert made.restore(tmp_path / "out").damaged == ()


def test_a_destination_is_never_backed_up_into_a_vault(computer: Computer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is the vault, or a folder of photovault's own"):
        computer.backup(tmp_path / "usb")


def test_a_path_is_told_with_its_computer(tmp_path: Path) -> None:
    here = place_of(FolderStorage(tmp_path))
    assert here.startswith("file://")
    assert here.endswith(str(tmp_path))
    assert here != f"file://{tmp_path}"
    assert place_of(MemoryStorage()) == "memory:"


# One chain


def test_numbers_run_on_over_all_destinations(computer: Computer, photos: Path) -> None:
    made = [back_up(computer, photos, to) for to in ("usb", "main", "usb", "usb", "main")]
    assert [one.snapshot.number for one in made] == [2, 3, 4, 5, 6]
    assert [one.snapshot.previous for one in made[1:]] == [one.name for one in made[:-1]]


def test_snapshots_tell_what_is_at_each_destination(computer: Computer, photos: Path, tmp_path: Path) -> None:
    places = [place_of(FolderStorage(tmp_path / name)) for name in ("main", "usb")]
    second = back_up(computer, photos, "usb")
    third = back_up(computer, photos)
    fourth = back_up(computer, photos, "usb")
    assert [(head.storage, head.number) for head in third.snapshot.heads] == [(places[0], 1), (places[1], 2)]
    assert [(head.storage, head.number) for head in fourth.snapshot.heads] == [(places[1], 2), (places[0], 3)]
    assert [head.snapshot for head in fourth.snapshot.heads] == [second.name, third.name]


def test_a_link_at_another_destination_is_a_note_and_no_alarm(computer: Computer, photos: Path, tmp_path: Path) -> None:
    back_up(computer, photos)
    back_up(computer, photos, "usb")
    for made, opened in ((computer, {}), stranger(computer, tmp_path)):
        assert (check(made, **opened).findings, check(made, **opened).notes) == ((), ())
        report = check(made, "usb", **opened)
        assert report.findings == ()
        (note,) = report.notes
        assert "photovault copy" in note.hint
    computer.app().copy("main", "usb", Silent())
    assert (check(computer, "usb").findings, check(computer, "usb").notes) == ((), ())


def test_changing_the_keys_of_one_copy_keeps_the_chain(computer: Computer, photos: Path) -> None:
    back_up(computer, photos)
    keys.add_key(computer.app(vault="usb"), "password", "another long password")
    assert back_up(computer, photos).snapshot.number == 4
    assert check(computer).findings == ()
    assert check(computer, "usb").findings == ()


def test_a_slot_that_one_copy_does_not_have_is_no_returned_one(computer: Computer, photos: Path) -> None:
    keys.add_key(computer.app(), "password", "another long password")
    back_up(computer, photos, "usb")
    computer.app().copy("usb", "main", Silent())
    computer.app().copy("main", "usb", Silent())
    assert check(computer).findings == ()
    assert check(computer, "usb").findings == ()


def test_a_way_in_that_was_removed_at_one_copy_is_found_at_the_other(computer: Computer, photos: Path) -> None:
    keys.add_key(computer.app(), "password", "another long password")
    computer.app().copy("main", "usb", Silent())
    infos, _ = keys.list_keys(computer.app())
    old = next(one for one in infos if one.kind == "password")
    keys.remove_key(computer.app(), old.slot_id)
    report = computer.app().copy("main", "usb", Silent())
    assert report.extra == (f"keys/{old.slot_id}",)
    (finding,) = check(computer, "usb").findings
    assert (finding.where, "removed before" in finding.what) == (f"keys/{old.slot_id}", True)


def test_a_way_in_that_was_removed_is_not_copied_back(computer: Computer, photos: Path, tmp_path: Path) -> None:
    added = keys.add_key(computer.app(), "password", "another long password").added
    computer.app().copy("main", "usb", Silent())
    keys.remove_key(computer.app(), added)
    back_up(computer, photos, "usb")
    report = computer.app().copy("usb", "main", Silent())
    assert (report.removed, report.ways) == ((f"keys/{added}",), ())
    assert not (tmp_path / "main" / "keys" / added).exists()
    assert check(computer).findings == ()
    keys.remove_key(computer.app().at("usb"), added)
    assert computer.app().copy("usb", "main", Silent()).removed == ()


def test_a_way_in_that_comes_along_is_named(computer: Computer) -> None:
    """On a computer that removed nothing itself nobody can tell a new one from a removed one."""
    added = keys.add_key(computer.app(), "password", "another long password").added
    report = computer.app().copy("main", "usb", Silent())
    assert (report.ways, report.removed) == ((f"keys/{added}",), ())


# Roll-backs


@pytest.mark.parametrize("who", ["the same computer", "a new one"])
@pytest.mark.parametrize("rolled", ["main", "usb"])
def test_a_roll_back_is_seen_through_the_other_destination(
    computer: Computer, photos: Path, tmp_path: Path, rolled: str, who: str
) -> None:
    other = "usb" if rolled == "main" else "main"
    shutil.copytree(tmp_path / rolled, tmp_path / "older")
    newest = back_up(computer, photos, rolled)
    back_up(computer, photos, other)
    shutil.rmtree(tmp_path / rolled)
    (tmp_path / "older").rename(tmp_path / rolled)
    made, opened = (computer, {}) if who == "the same computer" else stranger(computer, tmp_path)
    (finding,) = check(made, rolled, **opened).findings
    assert "older state" in finding.what
    assert finding.where == f"snapshots/{newest.id}"
    found = shown(made, **opened)
    assert [len(found[name].rolled_back) for name in (rolled, other)] == [1, 0]
    assert check(made, other, **opened).findings == ()


def test_an_older_state_is_said_by_the_next_backup_and_healed_by_a_copy(
    computer: Computer, photos: Path, tmp_path: Path
) -> None:
    back_up(computer, photos)
    newest = back_up(computer, photos)
    computer.app().copy("main", "usb", Silent())
    (tmp_path / "main" / "snapshots" / newest.id).unlink()
    app = computer.app()
    from photovault.app.sources import BackupRequest

    app.backup(BackupRequest(paths=(str(photos),), all_files=True), Silent())
    assert [("older state" in warning, "photovault check" in warning) for warning in app.warnings] == [(True, True)]
    (finding,) = check(computer).findings
    assert finding.where == f"snapshots/{newest.id}"
    computer.app().copy("usb", "main", Silent())
    assert check(computer).findings == ()


def test_the_same_path_on_another_computer_is_another_place(
    computer: Computer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two computers with a disk at /media/usb, each its own, and a vault that both see: no false alarm."""
    shutil.copytree(tmp_path / "usb", tmp_path / "hers")
    back_up(computer, photos, "usb")
    back_up(computer, photos)
    (tmp_path / "usb").rename(tmp_path / "his")
    (tmp_path / "hers").rename(tmp_path / "usb")
    monkeypatch.setattr("photovault.app.session.platform.node", lambda: "another-computer")
    made, opened = stranger(computer, tmp_path)
    assert check(made, "usb", **opened).findings == ()
    assert check(made, **opened).findings == ()


def test_a_destination_in_the_drawer_is_no_alarm(computer: Computer, photos: Path, tmp_path: Path) -> None:
    back_up(computer, photos)
    (tmp_path / "usb").rename(tmp_path / "drawer")
    assert check(computer).findings == ()
    found = shown(computer)
    assert (found["main"].problem, "no vault" in found["usb"].problem) == ("", True)
    assert back_up(computer, photos).snapshot.number == 3


def test_what_a_check_learns_is_kept_and_never_lost_to_another_run(
    computer: Computer, photos: Path, tmp_path: Path
) -> None:
    made, opened = stranger(computer, tmp_path)
    check(made, **opened)
    with made.app(**opened).session() as session:
        places = {place_of(FolderStorage(tmp_path / name)) for name in ("main", "usb")}
        assert session.device.heads.keys() == places
    app = computer.app()
    with app.session() as session:
        app.learn(session, session.vault.snapshots())
        back_up(computer, photos, "usb")  # a run in between
        app.keep(session)
    assert back_up(computer, photos).snapshot.number == 3


# What is known of one destination is not known of another


def test_what_only_one_destination_has_is_stored_at_the_other(computer: Computer, photos: Path, tmp_path: Path) -> None:
    put(photos / "new.mp4", Random(9).randbytes(6_000_000))
    assert computer.backup(photos).written.new_bytes > 6_000_000
    assert computer.backup(photos, vault="usb").written.new_bytes > 6_000_000
    assert computer.backup(photos, vault="usb").written.new_bytes == 0
    assert check(computer, "usb").findings == ()
    Computer(computer.folder, "usb").restore(tmp_path / "out")
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []


def test_a_copy_that_is_up_to_date_needs_no_photo_read_again(computer: Computer, photos: Path) -> None:
    report = computer.backup(photos, vault="usb")
    assert (report.totals.new, report.totals.changed, report.totals.read_bytes) == (0, 0, 0)
    assert report.written.new_bytes == 0
    assert check(computer, "usb").findings == ()


def test_a_source_that_is_away_is_not_promised_where_it_never_was(
    computer: Computer, photos: Path, tmp_path: Path
) -> None:
    """Its listings lie in the first destination only: a snapshot of the second must not refer to them."""
    second = put(tmp_path / "Second" / "b.jpg", jpeg(77)).parent
    computer.backup(photos, second)
    with (computer.folder / "config.toml").open("a") as config:
        config.write("".join(f"[[sources]]\npath = '{path}'\n" for path in (photos, second)))
    second.rename(tmp_path / "away")
    from photovault.app.sources import BackupRequest

    report = computer.app(vault="usb").backup(BackupRequest(all_files=True), Silent())
    assert [problem.path for problem in report.problems] == [str(second)]
    assert check(computer, "usb").findings == ()


# Status


def test_status_says_how_far_each_one_is(computer: Computer, photos: Path) -> None:
    found = shown(computer)
    assert [(one.name, one.behind, one.problem) for one in found.values()] == [("main", 0, ""), ("usb", 0, "")]
    newest = [back_up(computer, photos) for _ in range(2)][-1]
    found = shown(computer)
    assert [(one.behind, one.snapshots, one.source) for one in found.values()] == [(0, 3, ""), (2, 1, "main")]
    assert found["main"].newest == newest
    back_up(computer, photos, "usb")
    assert [(one.behind, one.source) for one in shown(computer).values()] == [(1, "usb"), (2, "main")]


def test_a_destination_that_is_away_is_asked_once(computer: Computer, tmp_path: Path) -> None:
    """Every `status` and `check` asks the others; a server that is switched off must not cost minutes."""
    waits: list[float] = []
    app = computer.app()
    environ = {**app.world.environ, "PHOTOVAULT_WEBDAV_PASSWORD": "x"}
    app.world = replace(app.world, environ=environ, sleep=waits.append)
    with (computer.folder / "config.toml").open("a") as config:
        config.write("[[destinations]]\nname = 'off'\nurl = 'webdav://me@127.0.0.1:1/x'\n")
    (off,) = [one for one in app.status().destinations if one.name == "off"]
    assert ("no connection" in off.problem, waits) == (True, [])


def test_status_of_a_single_vault_speaks_of_no_destinations(computer: Computer) -> None:
    (computer.folder / "config.toml").write_text("")
    assert shown(computer) == {}


def test_a_destination_that_holds_another_vault_is_said(computer: Computer, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "usb")
    Computer(tmp_path / "other", tmp_path / "usb", seed="other").make_vault()
    assert "another vault" in shown(computer)["usb"].problem
    assert check(computer).findings == ()


def test_a_password_is_asked_for_once_for_all_destinations(computer: Computer, photos: Path, tmp_path: Path) -> None:
    keys.add_key(computer.app(), "password", PASSWORD)
    computer.app().copy("main", "usb", Silent())
    made, _ = stranger(computer, tmp_path)
    asked = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return PASSWORD

    app = made.app()
    object.__setattr__(app.world, "ask_password", ask)
    for name in ("main", "usb", "main"):
        app = app.at(name)
        with app.browse() as (found, _reader):
            assert len(found.found) == 2
    assert len(asked) == 1
