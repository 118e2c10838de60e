"""Configuration: defaults, what each key becomes, and what a user reads when a line is wrong."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.config import (
    AlarmsSection,
    BackupSection,
    Config,
    Hours,
    WatchSection,
    known_keys,
    load,
    parse,
    parse_duration,
    parse_hours,
    parse_size,
)
from photovault.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


def refusal(text: str) -> ConfigError:
    """Return the error that ``text`` is refused with."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "my.toml")
    assert caught.value.what.startswith("my.toml: ")
    return caught.value


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


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("[backup]\njob = 1", "backup.job: unknown key", "backup.jobs"),
        ("[backups]", "backups: unknown section", "backup."),
        ("jobs = 1", "jobs: unknown section", "backup.jobs"),
        ("[vault]\noverdue = '7d'", "vault.overdue: unknown key", "status.overdue"),
        ("[[sources]]\npath='/a'\nexcludes=[]", "sources[1].excludes: unknown key", "sources[1].exclude"),
        ('"\\u001b[31m" = 1', "?[31m: unknown section", "nearest"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(text: str, what: str, hint: str) -> None:
    error = refusal(text)
    assert what in error.what
    assert hint in error.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[backup]\njobs = true", "backup.jobs: expected a whole number, got true or false"),
        ("[backup]\njobs = -1", "backup.jobs: expected 0 or more"),
        ("[backup]\nall_files = 1", "backup.all_files: expected true or false, got a whole number"),
        ("[backup]\nexclude = '*.tmp'", "backup.exclude: expected a list, got text"),
        ("[backup]\ntags = ['a', 2]", "backup.tags[2]: expected text, got a whole number"),
        ("backup = 1", "backup: expected a table, got a whole number"),
        ("[sources]\npath = '/a'", "sources: expected a list, got a table"),
        ("[[sources]]\nlabel = 'a'", "sources[1].path: missing"),
        ('[[sources]]\npath = "a\\u0000b"', "sources[1].path: expected the path of a folder"),
        ("[[destinations]]\nname = 'usb'", "destinations[1].url: missing"),
        ("[[destinations]]\nname = 'main'\nurl = '/a'", "destinations[1].name: expected a name of letters"),
        ("[[destinations]]\nname = '/a'\nurl = '/a'", "destinations[1].name: expected a name of letters"),
        ("[[destinations]]\nname = '-n'\nurl = '/a'", "destinations[1].name: expected a name of letters"),
        (
            "[[destinations]]\nname = 'a'\nurl = '/a'\n[[destinations]]\nname = 'a'\nurl = '/b'",
            "destinations[2].name: another destination has that name",
        ),
        ("[restore]\noverwrite = 'maybe'", 'restore.overwrite: expected one of "never", "if-newer"'),
        ("[status]\noverdue = 7", "status.overdue: expected text, got a whole number"),
        ("[status]\noverdue = '7 days'", "status.overdue: expected a duration such as"),
        ("[vault]\nurl = 2020-01-01", "vault.url: expected text, got a date or time"),
        ("[network]\ntimeout = '2h'", "network.timeout: expected a duration from 1s to 1h"),
        ("[watch]\nsettle = '2h'", "watch.settle: expected a duration up to 1h"),
        ("[watch]\nsettle = '3m'", "watch.settle: longer than watch.max_delay"),
        ("[watch]\npoll = '0s'", "watch.poll: expected a duration from 10ms to 1d"),
        ("[watch]\nrescan = '0s'", "watch.rescan: expected a duration from 1s to 30d"),
        ("[watch]\nquiet_hours = ['22-7']", "watch.quiet_hours[1]: expected a part of the day such as 22:00-07:00"),
        ("[watch]\nbattery_min = 101", "watch.battery_min: expected a number from 0 to 100"),
        ("[alarms]\nwebhook = 'ftp://example.org/'", "alarms.webhook: expected an address such as https://"),
        ("[alarms]\nwebhook = 'https://ann:pw@example.org/'", "alarms.webhook: expected an address such as https://"),
        ("[alarms]\nwebhook = 'https://[::1/'", "alarms.webhook: expected an address such as https://"),
        ("[alarms]\nwebhook = 'https://a:99999/'", "alarms.webhook: expected an address such as https://"),
        ("[alarms]\nhealthchecks = 'https://a/b c'", "alarms.healthchecks: expected an address such as https://"),
    ],
)
def test_a_wrong_value_names_the_key_and_what_was_expected(text: str, what: str) -> None:
    assert what in refusal(text).what


@pytest.mark.parametrize(
    "text",
    [
        "password = 'hunter2'",
        "[vault]\nPass_Word = 'hunter2'",
        "[[sources]]\npath='/a'\nsecret = 'hunter2'",
        "[a.b.c]\nmy-token = 'hunter2'",
        "x = [[{api_key = 'hunter2'}]]",
        ".".join(["a"] * 3000) + ".secret = 'hunter2'",
    ],
)
def test_a_secret_is_refused_and_the_message_says_where_it_belongs(text: str) -> None:
    error = refusal(text)
    assert "--password-file" in error.hint
    assert "PHOTOVAULT_PASSWORD_FILE" in error.hint
    assert "hunter2" not in error.what + error.hint


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    error = refusal("[vault]\nurl = 'sftp://ann:hunter2@host/vault'")
    assert "vault.url" in error.what
    assert "hunter2" not in error.what + error.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[vault]\nurl = ", "line 2"),
        ("a = " + "[" * 5000, "too deeply"),
        ("a = " + "1" * 5000, "not valid TOML"),
    ],
)
def test_broken_toml_is_refused(text: str, what: str) -> None:
    assert what in refusal(text).what


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot read") as caught:
        load(tmp_path / "none.toml")
    assert "--config" in caught.value.hint


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[vault]\nurl = '/f\xfcr'\n")
    with pytest.raises(ConfigError, match=r"latin\.toml: line 2: not UTF-8"):
        load(path)


def test_the_mark_that_notepad_writes_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf[backup]\njobs = 2\n")
    assert load(path).backup.jobs == 2


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"#" * (1 << 21))
    with pytest.raises(ConfigError, match="no configuration"):
        load(path)


def test_the_example_as_it_is_means_the_defaults() -> None:
    assert load(EXAMPLE) == Config()


def test_the_example_shows_every_key_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    text = re.sub(r"^#(?=[a-z\[])", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    config, default = parse(text, "example"), Config()
    for section in ("backup", "restore", "status", "network", "watch", "alarms"):
        assert getattr(config, section) == getattr(default, section)
    assert config.vault.padding == default.vault.padding
    assert [(s.path, s.exclude) for s in config.sources] == [("/home/ann/Pictures", ())]
    assert _written(text) == list(known_keys())


def _written(text: str) -> list[str]:
    """List the sections and keys of ``text`` in their order."""
    names: list[str] = []
    section = ""
    for table, key in re.findall(r"^(?:\[+(\w+)\]+|(\w+) =)", text, flags=re.MULTILINE):
        section = table or section
        names.append(table or f"{section}.{key}")
    return names


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("2m", 120),
        ("1h30m", 5400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("0s", 0),
        ("500ms", 0.5),
        ("1m1s1ms", 61.001),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "7", "d", "-1d", "1.5h", "30m1h", "1d1d", "7 d", "٣d", "ms", "1ms1s", "9" * 5000 + "d"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("100M", 10**8),
        ("1.5G", 15 * 10**8),
        ("4 MiB", 1 << 22),
        ("1.5KiB", 1536),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.M", "1,5G", "5X", "1e9", "9" * 5000, "1 kib"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        parse_size(text)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 23, hour, minute)  # noqa: DTZ001 - quiet hours are local


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("22:00-07:00", [at(22), at(23, 59), at(0), at(6, 59)], [at(7), at(21, 59), at(12)]),
        ("12:30-13:00", [at(12, 30), at(12, 59)], [at(12, 29), at(13), at(0)]),
        ("00:00-06:00", [at(0), at(5, 59)], [at(6), at(23, 59)]),
    ],
)
def test_quiet_hours(text: str, inside: list[datetime], outside: list[datetime]) -> None:
    hours = parse_hours(text)
    assert [hours.holds(when) for when in inside] == [True] * len(inside)
    assert [hours.holds(when) for when in outside] == [False] * len(outside)


@pytest.mark.parametrize("text", ["", "22-7", "24:00-07:00", "22:00-07:60", "07:00-07:00", "22:00-07:00 "])
def test_other_hours_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as 22:00-07:00"):
        parse_hours(text)


@given(st.text(max_size=40), st.sampled_from([parse_duration, parse_size]))
def test_any_text_is_a_number_or_a_value_error(text: str, reader: Callable[[str], int]) -> None:
    with suppress(ValueError):
        assert reader(text) >= 0


@given(st.text(alphabet="[]{}=.,'\"#\n \\abjobsu0", max_size=60))
def test_any_text_is_a_config_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(parse(text, "my.toml"), Config)
