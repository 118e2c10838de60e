"""What a user reads when a key or a value is wrong."""

from __future__ import annotations

import pytest

from tests.config.some import refusal


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("[backup]\njob = 1", "backup.job: unknown key", "backup.jobs"),
        ("[backups]", "backups: unknown section", "backup."),
        ("jobs = 1", "jobs: unknown section", "backup.jobs"),
        ("[people.model]\npth = 'm'", "people.model.pth: unknown key", "people.model.path"),
        ("alignment = 'dlib'", "alignment: unknown section", "people.model.alignment"),
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
        ("[people]\nengine = 'clever'", 'people.engine: expected one of "dlib", "face_recognition", "onnx"'),
        ("[people]\nthreshold = nan", "people.threshold: expected a number from 0 to 1000"),
        ("[people]\nthreshold = true", "people.threshold: expected a number, got true or false"),
        ("[people]\nedge = 100", "people.edge: expected a number from 320 to 8192"),
        ("[people.model]\npath = 'm'", "people.model.sha256: missing"),
        ("[people.model]\npath = 'm'\nsha256 = 'ab'", "people.model.sha256: expected the 64 hexadecimal digits"),
        ("[alarms]\nwebhook = 'ftp://example.org/'", "alarms.webhook: expected an address such as https://"),
        ("[alarms]\nwebhook = 'https://ann:pw@example.org/'", "alarms.webhook: expected an address such as https://"),
        ("[alarms]\nwebhook = 'https://[::1/'", "alarms.webhook: expected an address such as https://"),
        ("[alarms]\nwebhook = 'https://a:99999/'", "alarms.webhook: expected an address such as https://"),
        ("[alarms]\nhealthchecks = 'https://a/b c'", "alarms.healthchecks: expected an address such as https://"),
    ],
)
def test_a_wrong_value_names_the_key_and_what_was_expected(text: str, what: str) -> None:
    assert what in refusal(text).what
