"""``photovault doctor``: every finding comes with what mends it, and the vault stays as it was."""

from __future__ import annotations

import os
from random import Random

import pytest

from photovault.errors import RefusedError
from photovault.storage.folder import FolderStorage
from tests.support.photos import library


def looks(done):
    return {(one["name"], one["where"]): one for one in done.json["looks"]}


def named(done, name):
    return [one for one in done.json["looks"] if one["name"] == name]


def objects(vault):
    return sorted(str(one.relative_to(vault)) for one in vault.rglob("*") if one.is_file())


@pytest.fixture
def backed_up(photovault, vault, tmp_path):
    library(tmp_path / "Pictures", Random(1))
    assert photovault("backup", tmp_path / "Pictures").code == 0
    return vault


def test_where_all_is_well_nothing_is_bad_and_the_vault_stays_as_it_was(photovault, backed_up, real_decoders):
    before = objects(backed_up)
    done = photovault("doctor", "--json")
    assert [one for one in done.json["looks"] if one["state"] == "bad"] == []
    assert done.code == 0
    assert named(done, "rights")[0]["what"] == "it stores and removes"
    assert objects(backed_up) == before
    assert photovault("audit", "--json").code == 0


def test_everything_that_is_not_good_says_what_to_do(photovault, backed_up, tmp_path, monkeypatch):
    os.rename(backed_up, tmp_path / "elsewhere")
    done = photovault("doctor", "--json")
    assert done.code == 3
    assert all(one["hint"] for one in done.json["looks"] if one["state"] != "good")
    (gone,) = named(done, "destination")
    assert gone["state"] == "bad"


def test_a_storage_that_keeps_everything_is_told_and_holds_one_object_more_however_often_it_is_asked(
    photovault, backed_up, monkeypatch
):
    def refuse(_self, name):
        raise RefusedError(f"{name} is locked")

    before = objects(backed_up)
    with monkeypatch.context() as locked:
        locked.setattr(FolderStorage, "delete", refuse)
        for _ in range(2):
            done = photovault("doctor", "--json")
            (rights,) = named(done, "rights")
            assert (rights["state"], "removes nothing" in rights["what"], done.code) == ("note", True, 0)
    (left,) = set(objects(backed_up)) - set(before)
    assert left.startswith("index/")
    assert photovault("check").code == photovault("audit").code == 0


def test_a_storage_that_says_that_it_removes_and_does_not_is_told(photovault, backed_up, monkeypatch):
    monkeypatch.setattr(FolderStorage, "delete", lambda _self, _name: None)
    done = photovault("doctor", "--json")
    (rights,) = named(done, "rights")
    assert (rights["state"], rights["what"]) == ("note", "it stores, and what is removed there stays")


def test_a_storage_that_takes_nothing_is_bad(photovault, backed_up, monkeypatch):
    def refuse(_self, name, _data):
        raise RefusedError(f"{name}: no space left")

    monkeypatch.setattr(FolderStorage, "put", refuse)
    done = photovault("doctor", "--json")
    (rights,) = named(done, "rights")
    assert (rights["state"], done.code) == ("bad", 3)
    assert "no space left" in rights["what"]


def test_a_configuration_that_cannot_be_used_is_named_and_the_rest_is_looked_at_all_the_same(photovault, tmp_path):
    config = tmp_path / "device" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[vualt]\n")
    done = photovault("doctor", "--json")
    (found,) = named(done, "configuration")
    assert (found["state"], "vualt" in found["what"], done.code) == ("bad", True, 3)
    assert named(done, "clock")


def test_a_source_that_is_away_is_bad(photovault, backed_up, tmp_path):
    config = tmp_path / "device" / "config.toml"
    config.write_text(f'[vault]\nurl = "{backed_up}"\n\n[[sources]]\npath = "{tmp_path / "away"}"\n')
    done = photovault("doctor", "--json")
    look = looks(done)["source", str(tmp_path / "away")]
    assert (look["state"], look["what"]) == ("bad", "it is not there")


def test_without_a_vault_it_says_so(photovault):
    done = photovault("doctor", "--no-config")
    assert done.code == 3
    assert "no vault was named" in done.out


def test_quiet_shows_only_what_is_not_as_it_should_be(photovault, backed_up):
    done = photovault("doctor", "-q")
    assert "ok  " not in done.out
    assert "note  keyring" in done.out


def test_folders_of_this_device_are_for_its_owner_alone_also_those_above(photovault, backed_up, tmp_path):
    for name in ("state", "cache"):
        for top, _, _ in os.walk(tmp_path / "device" / name):
            assert os.stat(top).st_mode & 0o077 == 0, top
