"""A desk: one thread holds the vault, many ask."""

from __future__ import annotations

import gc
import sqlite3
import threading
import weakref
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from photovault.app.finding import FILE
from photovault.app.viewing import desk as desk_module
from photovault.app.viewing.desk import Desk, own
from photovault.database import DamagedError
from photovault.errors import NoVaultError, PhotovaultError, UsageError, WrongKeyError
from photovault.model import Finding
from photovault.storage.folder import FolderStorage
from tests.app.viewing.house import House, photo
from tests.support.devices import PASSWORD, Computer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from photovault.app.viewing.desk import Opened
    from photovault.storage.base import Storage, Stored


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.put("a.jpg", photo(1))
    made.backup()
    return made


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    with closing(Desk(house.app(), "test")) as made:
        yield made


def listed(opened: Opened) -> int:
    return len(opened.snapshots().found)


def test_many_ask_and_one_thread_answers(desk: Desk) -> None:
    answers: list[tuple[str, int]] = []

    def ask() -> None:
        answers.append(desk.ask(lambda opened: (threading.current_thread().name, listed(opened))))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [("desk-test", 1)] * 8


def test_what_a_question_raises_is_raised_to_who_asked_and_the_next_is_answered(desk: Desk) -> None:
    def fail(_: object) -> None:
        raise UsageError("no such thing")

    with pytest.raises(UsageError, match="no such thing"):
        desk.ask(fail)
    assert desk.ask(listed) == 1


def test_a_question_that_asks_its_own_desk_is_a_defect_and_no_standstill(desk: Desk) -> None:
    with pytest.raises(RuntimeError):
        desk.ask(lambda _: desk.ask(listed))
    assert desk.ask(listed) == 1


def test_a_closed_desk_answers_nobody_and_holds_no_key(house: House) -> None:
    desk = Desk(house.app(), "test")
    vault = weakref.ref(desk.ask(lambda opened: opened.session.vault))
    assert vault() is not None
    desk.close()
    gc.collect()
    assert vault() is None
    with pytest.raises(PhotovaultError, match="locked"):
        desk.ask(listed)
    desk.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "desk-test"]


def test_who_waits_in_line_is_turned_away_when_the_desk_closes(house: House) -> None:
    desk, gate, begun = Desk(house.app(), "test"), threading.Event(), threading.Event()
    told: list[str] = []

    def slow(_: object) -> None:
        begun.set()
        gate.wait(20)

    def late() -> None:
        with pytest.raises(PhotovaultError) as error:
            desk.ask(listed)
        told.append(error.value.what)

    first = threading.Thread(target=desk.ask, args=(slow,))
    first.start()
    begun.wait(20)
    closing_ = threading.Thread(target=desk.close)
    second = threading.Thread(target=late)
    closing_.start()
    while desk._app is not None:
        begun.wait(0.01)
    second.start()
    gate.set()
    for thread in (first, second, closing_):
        thread.join(20)
    assert told == ["the gallery is locked"]


def test_a_vault_that_does_not_open_is_tried_again_with_the_next_question(house: House) -> None:
    away = house.folder / "unplugged"
    house.vault.rename(away)
    with closing(Desk(house.app(), "test")) as desk:
        with pytest.raises(PhotovaultError):
            desk.ask(listed)
        away.rename(house.vault)
        assert desk.ask(listed) == 1


def test_a_wrong_key_and_no_vault_are_told(house: House, tmp_path: Path) -> None:
    stranger = Computer(tmp_path / "stranger", house.vault, "stranger")
    password = tmp_path / "password"
    password.write_text("wrong")
    with closing(Desk(house.app(stranger, password_file=str(password)), "test")) as desk, pytest.raises(WrongKeyError):
        desk.ask(listed)
    (tmp_path / "empty").mkdir()
    nobody = Computer(tmp_path / "nobody", tmp_path / "empty")
    with closing(Desk(house.app(nobody), "test")) as desk, pytest.raises(NoVaultError):
        desk.ask(listed)


def test_snapshots_are_listed_again_after_fifteen_seconds_only(house: House, desk: Desk) -> None:
    assert desk.ask(listed) == 1
    house.put("b.jpg", photo(2))
    house.backup()
    house.seconds = 14.0
    assert desk.ask(listed) == 1
    assert desk.ask(lambda opened: len(opened.snapshots(fresh=True).found)) == 2
    house.put("c.jpg", photo(3))
    house.backup()
    house.seconds = 29.5
    assert desk.ask(lambda opened: (listed(opened), opened.news)) == (3, 2)


def test_a_snapshot_that_is_forgotten_meanwhile_goes(house: House, desk: Desk) -> None:
    first = desk.ask(lambda opened: opened.snapshots().found[0].id)
    house.put("b.jpg", photo(2))
    second = house.backup()
    house.home.sleep(days=30)
    house.home.forget(first)
    house.seconds = 20.0
    assert desk.ask(lambda opened: [one.id for one in opened.snapshots().found]) == [second]


def test_a_storage_that_goes_away_leaves_what_was_known(house: House, desk: Desk) -> None:
    assert desk.ask(listed) == 1
    house.vault.rename(house.folder / "unplugged")
    house.seconds = 20.0
    assert desk.ask(listed) == 1


class Hanging:
    """A storage that lists nothing while its gate is closed."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0  # while it was closed

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    def listing(self, prefix: str) -> Iterator[Stored]:
        self.asked += not self.gate.is_set()
        assert self.gate.wait(20)
        return self._storage.listing(prefix)


def test_a_storage_that_does_not_answer_keeps_nobody_waiting(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "_GLANCE", 0.05)
    storage = Hanging(FolderStorage(house.vault))
    with closing(Desk(house.app(storage=storage), "test")) as desk:
        assert desk.ask(listed) == 1
        house.put("b.jpg", photo(2))
        house.backup()
        storage.gate.clear()
        try:
            for house.seconds in (16.0, 17.0, 32.0, 33.0):
                assert desk.ask(listed) == 1
            assert storage.asked == 1  # one thread waits for it, and no more
        finally:
            storage.gate.set()
        monkeypatch.setattr(desk_module, "_GLANCE", 20.0)
        house.seconds = 64.0
        assert desk.ask(listed) == 2


def test_who_waits_when_the_desk_closes_is_told_at_once(house: House) -> None:
    desk, gate, begun = Desk(house.app(), "test"), threading.Event(), threading.Event()
    told: list[str] = []

    def slow(_: object) -> None:
        begun.set()
        gate.wait(20)

    def waits() -> None:
        with pytest.raises(PhotovaultError) as error:
            desk.ask(listed)
        told.append(error.value.what)

    first, second, closing_ = (threading.Thread(target=one) for one in (partial(desk.ask, slow), waits, desk.close))
    first.start()
    begun.wait(20)
    second.start()
    while desk._line.empty():
        gate.wait(0.01)
    closing_.start()
    second.join(10)
    assert told == ["the gallery is locked"]  # while the first question still is being answered
    gate.set()
    for thread in (first, closing_):
        thread.join(20)
    assert not first.is_alive()


def test_a_rotten_local_file_costs_the_question_a_second_try_and_no_more(desk: Desk) -> None:
    opened_by: list[int] = []

    def ask(opened: Opened) -> int:
        opened_by.append(id(opened))
        if len(opened_by) == 1:
            raise DamagedError("it was rotten")
        return listed(opened)

    assert desk.ask(ask) == 1
    with pytest.raises(DamagedError):
        desk.ask(_rotten)


def _rotten(_: object) -> None:
    raise DamagedError("it is rotten each time")


def test_the_catalog_is_open_only_while_a_question_is_answered(house: House, desk: Desk) -> None:
    """Another desk may remove a rotten one: whoever held the old file would go on with what nobody else sees."""
    assert desk.ask(lambda opened: opened.library.standing().photos) == 0
    (state,) = (house.home.folder / "state" / "vaults").iterdir()
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        (state / name).unlink(missing_ok=True)
    assert desk.ask(lambda opened: opened.library.standing().photos) == 0
    assert (state / FILE).exists()


def test_a_question_that_fails_half_way_keeps_nobody_else_from_writing(house: House, desk: Desk) -> None:
    def fail(opened: Opened) -> None:
        opened.library._db.execute("INSERT INTO compared VALUES (1)")
        raise UsageError("half way")

    with pytest.raises(UsageError):
        desk.ask(fail)
    (state,) = (house.home.folder / "state" / "vaults").iterdir()
    with closing(sqlite3.connect(state / FILE, timeout=0.1, isolation_level="IMMEDIATE")) as db:
        assert db.execute("SELECT count(*) FROM compared").fetchone() == (0,)
        db.execute("INSERT INTO compared VALUES (2)")


def test_what_one_desk_is_told_is_not_told_by_another(house: House) -> None:
    app = house.app()
    with app.session(refresh=False):
        made = own(app)
    made.warnings.append("a word")
    made.signs.append(Finding(what="a sign"))
    assert (app.warnings, app.signs, made.tell) == ([], [], None)
    assert made.storage is not app.storage
    assert made.storage.address == app.storage.address


def test_a_password_that_was_typed_is_asked_for_once(house: House, tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        return PASSWORD

    vault = Computer(tmp_path / "first", tmp_path / "with password")
    vault.make_vault(password=PASSWORD)
    other = Computer(tmp_path / "second", tmp_path / "with password", "second")
    app = house.app(other)
    app.world = replace(app.world, ask_password=ask)
    with app.session(refresh=False):
        pass
    for name in ("one", "two"):
        with closing(Desk(app, name)) as desk:
            assert desk.ask(listed) == 0
    assert len(asked) == 1
