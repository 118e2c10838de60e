"""All who answer a gallery: opened together, closed together."""

from __future__ import annotations

import gc
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from photovault.app.viewing.viewing import Viewing, open_asks
from photovault.crypto.keys import Keyring
from photovault.errors import NoVaultError, PhotovaultError
from tests.app.viewing.house import House, photo, timeline
from tests.support.devices import PASSWORD, Computer

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.app.viewing.jobs import Outcome


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.put("a.jpg", photo(1, "2019:05:04 10:11:12"))
    made.backup()
    return made


def test_a_vault_that_does_not_open_is_told_before_anything_listens(house: House, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoVaultError):
        open_asks(house.app(Computer(tmp_path / "nobody", tmp_path / "empty")))


def test_all_answer_about_one_vault(house: House) -> None:
    with closing(open_asks(house.app())) as asks:
        (tile,) = timeline(asks.photos)
        assert asks.pictures.member(tile.number, 0).name == tile.name
        asks.restores.add("", [tile.number])
        assert asks.restores.basket().count == 1
        assert not asks.people.enabled()
        assert asks.health.health().files == 1


def test_closing_ends_a_job_that_is_under_way(house: House) -> None:
    viewing = Viewing(house.app())
    begun, ended = threading.Event(), threading.Event()

    def work(progress: object) -> Outcome:
        begun.set()
        try:
            while True:
                progress.advance(0, 0, "")  # type: ignore[attr-defined]
        finally:
            ended.set()

    viewing.jobs.begin("drill", "", work)
    begun.wait(20)
    viewing.close()
    assert ended.wait(20)
    with pytest.raises(PhotovaultError):
        viewing.photos.spine("")


def test_all_are_closed_the_last_first_even_when_one_fails(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    viewing = Viewing(house.app())
    closed: list[str] = []

    def closes(name: str) -> None:
        kept = getattr(viewing, name).close

        def close() -> None:
            kept()
            closed.append(name)
            if name == "health":
                raise OSError(name)

        viewing._closing.callback(close)

    viewing._closing.pop_all()
    every = ("jobs", "photos", "pictures", "restores", "health", "privacy", "people")
    for name in every:
        closes(name)
    with pytest.raises(OSError, match="health"):
        viewing.close()
    assert closed == list(reversed(every))


def test_after_closing_no_key_is_kept_although_nothing_collects(house: House) -> None:
    def keyrings() -> list[Keyring]:
        return [one for one in gc.get_objects() if isinstance(one, Keyring)]

    gc.collect()
    before = len(keyrings())
    gc.disable()
    try:
        viewing = open_asks(house.app())
        (tile,) = timeline(viewing.photos)
        viewing.pictures.thumbnail(tile.number)
        assert len(keyrings()) > before
        viewing.close()
        assert len(keyrings()) == before
    finally:
        gc.enable()


def test_after_closing_no_password_is_kept(house: House, tmp_path: Path) -> None:
    owner = Computer(tmp_path / "first", tmp_path / "with password")
    owner.make_vault(password=PASSWORD)
    (tmp_path / "password").write_text(PASSWORD)
    other = Computer(tmp_path / "second", tmp_path / "with password", "second")
    viewing = open_asks(house.app(other, password_file=str(tmp_path / "password")))
    assert viewing.photos.moments() == ()
    assert viewing._app.__dict__["_given"] == PASSWORD
    viewing.close()
    assert "_given" not in viewing._app.__dict__
