"""Every key has its default, its type, and its line in the example."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from photovault.config import AlarmsSection, Config, Hours, load, parse
from photovault.config.schema import BackupSection, PeopleModelSection, PeopleSection, WatchSection, known_keys

if TYPE_CHECKING:
    import pytest


EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def test_an_empty_file_means_the_defaults() -> None:
    assert parse("", "my.toml") == Config()


def test_every_section_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    config = parse(
        """
        [vault]
        url = "/mnt/v"
        padding = "uniform"
        [[destinations]]
        name = "usb"
        url = "/media/usb"
        [[destinations]]
        name = "nas-2"
        url = "sftp://anna@nas/vault"
        [[sources]]
        path = "~/Pictures"
        label = "pics"
        exclude = ["*.tmp", "/cache/"]
        [[sources]]
        path = "/data"
        [backup]
        all_files = true
        one_file_system = true
        exclude = ["x"]
        tags = ["home"]
        xattrs = false
        jobs = 3
        [restore]
        overwrite = "if-newer"
        [status]
        overdue = "1d12h"
        [watch]
        settle = "500ms"
        max_delay = "90s"
        min_interval = "0s"
        rescan = "12h"
        poll = "1m"
        quiet_hours = ["22:00-07:00", "12:30-13:00"]
        battery_min = 50
        on_metered = true
        [alarms]
        webhook = "https://example.org/hook?x=1"
        healthchecks = "http://localhost:8000/ping/1"
        desktop = true
        [people]
        engine = "onnx"
        threshold = 1
        edge = 1024
        background = false
        unsafe_without = ["landlock"]
        [people.model]
        path = "~/m.onnx"
        sha256 = "AB00000000000000000000000000000000000000000000000000000000000000"
        colours = "bgr"
        """,
        "my.toml",
    )
    assert (config.vault.url, config.vault.padding) == ("/mnt/v", "uniform")
    assert [(d.name, d.url) for d in config.destinations] == [
        ("usb", "/media/usb"),
        ("nas-2", "sftp://anna@nas/vault"),
    ]
    assert [(s.path, s.label, s.exclude) for s in config.sources] == [
        ("/home/ann/Pictures", "pics", ("*.tmp", "/cache/")),
        ("/data", None, ()),
    ]
    assert config.backup == BackupSection(
        all_files=True, one_file_system=True, exclude=("x",), tags=("home",), xattrs=False, jobs=3
    )
    assert (config.restore.overwrite, config.status.overdue) == ("if-newer", 129_600)
    assert config.watch == WatchSection(
        settle=0.5,
        max_delay=90,
        min_interval=0,
        rescan=43_200,
        poll=60,
        quiet_hours=(Hours(start=1320, end=420), Hours(start=750, end=780)),
        battery_min=50,
        on_metered=True,
    )
    assert config.alarms == AlarmsSection(
        webhook="https://example.org/hook?x=1", healthchecks="http://localhost:8000/ping/1", desktop=True
    )
    model = PeopleModelSection(path="/home/ann/m.onnx", sha256="ab" + 62 * "0", colours="bgr")
    assert config.people == PeopleSection(
        engine="onnx", threshold=1.0, edge=1024, background=False, unsafe_without=("landlock",), model=model
    )


def test_the_example_as_it_is_means_the_defaults() -> None:
    assert load(EXAMPLE) == Config()


def test_the_example_shows_every_key_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    text = re.sub(r"^#(?=[a-z\[])", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    config, default = parse(text, "example"), Config()
    for section in ("backup", "restore", "status", "keep", "network", "watch", "alarms"):
        assert getattr(config, section) == getattr(default, section)
    assert replace(config.people, model=None) == default.people
    model = config.people.model
    assert model is not None
    assert model == PeopleModelSection(path="/home/ann/models/w600k_mbf.onnx", sha256=model.sha256)
    assert config.vault.padding == default.vault.padding
    assert [(s.path, s.exclude) for s in config.sources] == [("/home/ann/Pictures", ())]
    assert _written(text) == list(known_keys())


def _written(text: str) -> list[str]:
    """List the sections and keys of ``text`` in their order."""
    names: list[str] = []
    section = ""
    for table, key in re.findall(r"^(?:\[+([\w.]+)\]+|(\w+) =)", text, flags=re.MULTILINE):
        section = table or section
        names.append(table or f"{section}.{key}")
    return names
