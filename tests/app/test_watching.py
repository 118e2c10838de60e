"""The daemon's wiring: what a configuration that is read again changes, and what a broken one leaves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from photovault.app import App
from photovault.app.settings import Settings
from photovault.app.watching import Watching, place
from tests.support.devices import Computer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def house(tmp_path: Path) -> SimpleNamespace:
    """A daemon's wiring around a daemon that only remembers its orders."""
    config = tmp_path / "config.toml"
    house = SimpleNamespace(config=config, said=[], orders=[], photos=tmp_path / "photos")
    house.photos.mkdir()
    configure(house)
    app = App(Settings(vault=str(tmp_path / "vault"), config=str(config)))
    house.watching = Watching(app, lambda what, more: house.said.append((what, dict(more))))
    house.daemon = SimpleNamespace(obey=lambda orders, _watcher: house.orders.append(orders), status=dict)
    yield house
    house.watching._close()


def configure(house: SimpleNamespace, more: str = "") -> None:
    house.config.write_text(f"[[sources]]\npath = '{house.photos}'\n{more}")


def test_a_configuration_that_is_read_again_changes_whom_alarms_go_to(house: SimpleNamespace) -> None:
    house.watching._begin_alarms(house.daemon)
    assert house.watching._alarms._thread is None
    configure(house, "[alarms]\nwebhook = 'http://127.0.0.1:9/'\n[watch]\nsettle = '1s'\n")
    house.watching._obey(house.daemon)
    assert [line.channel.name for line in house.watching._alarms._lines] == ["webhook"]
    assert house.watching._alarms._thread.is_alive()
    assert [orders.settle for orders in house.orders] == [1.0]


@pytest.mark.parametrize("text", ["[watch", "[watch]\nsettle = 'soon'\n", "", "[[sources]]\npath = ''\nlabel = 1\n"])
def test_a_broken_configuration_changes_nothing_not_even_for_the_next_backup(house: SimpleNamespace, text: str) -> None:
    before, config = house.watching._app, house.watching._app.config  # as at its start
    house.config.write_text(text)
    house.watching._obey(house.daemon)
    assert house.orders == []
    assert house.said[0][0] == "configuration not read"
    assert house.watching._app is before
    assert house.watching._fresh().config is config


def test_each_profile_has_a_daemon_of_its_own(tmp_path):
    computer = Computer(tmp_path / "device", tmp_path / "vault")
    places = {place(computer.app(**settings)) for settings in ({}, {"profile": "nas"}, {"profile": "usb"})}
    assert len(places) == 3
    assert all(tmp_path / "device" / "state" in (one, one.parent) for one in places)
