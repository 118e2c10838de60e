"""Consent: nothing but the right words makes one, and everything else ends it."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import BusyError, ConsentError, RefusedError, UsageError
from photovault.people.consent import notice
from photovault.people.consent.chain import Chain
from photovault.people.consent.consent import LOG_NAME, Consent
from photovault.people.consent.standing import months_after
from tests.support.world import Clock

if TYPE_CHECKING:
    from pathlib import Path

YES = {"words": notice.WORDS, "notice_sha": notice.PREFIX}
DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "people"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def consent(folder: Path, clock: Clock) -> Consent:
    return Consent(folder, clock)


@pytest.fixture
def granted(consent: Consent) -> Consent:
    consent.grant(["/photos"], **YES)
    return consent


@pytest.fixture
def other_notice(monkeypatch: pytest.MonkeyPatch):
    """A later version of photovault, whose notice says something else."""

    def change() -> None:
        changed = notice.Ask(notice.NOTICE + "And more.\n", notice.WORDS)
        monkeypatch.setattr(notice, "FACES", changed)
        monkeypatch.setattr(notice, "NOTICE", changed.text)

    return change


def test_before_anybody_agreed_nothing_is_there_and_nothing_is_allowed(consent: Consent, folder: Path) -> None:
    assert consent.standing().state == "never"
    with pytest.raises(ConsentError, match="nobody has agreed") as refused:
        consent.require()
    assert (refused.value.exit_code, refused.value.hint) == (4, "to agree: photovault people enable")
    assert not folder.exists()


def test_a_consent_holds_for_its_folders_and_its_term(granted: Consent) -> None:
    standing = granted.require()
    assert (standing.state, standing.scope, standing.until[:10]) == ("granted", ("/photos",), "2025-05-04")
    assert (standing.organisation, standing.erase, standing.why) == (False, False, "")


def test_the_receipt_has_the_time_the_text_and_its_hash(consent: Consent, folder: Path) -> None:
    receipt = consent.grant(["/b", "/a", "/a"], term_months=24, **YES)
    assert receipt.body["text"] == notice.NOTICE
    assert receipt.body["notice"] == notice.sha256()
    assert receipt.body["scope"] == ["/a", "/b"]
    assert (receipt.time, receipt.body["until"]) == ("2024-05-04T12:00:01.000000Z", "2026-05-04T12:00:01.000000Z")
    for said in ("2024-05-04T12:00:01", "/a", notice.sha256(), receipt.digest, "It never leaves."):
        assert said in receipt.text()
    assert Consent(folder, Clock()).latest() == receipt


def test_only_its_owner_can_read_the_log(granted: Consent, folder: Path) -> None:
    assert stat.S_IMODE((folder / LOG_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "given_",
    [
        {"words": "", "notice_sha": notice.PREFIX},
        {"words": "yes", "notice_sha": notice.PREFIX},
        {"words": notice.WORDS, "notice_sha": "0" * 12},
        {"words": notice.WORDS, "notice_sha": ""},
        {"words": notice.WORDS, "notice_sha": notice.OTHERS["xmp"].prefix},
    ],
)
def test_other_words_or_another_text_change_nothing(consent: Consent, folder: Path, given_: dict) -> None:
    with pytest.raises(ConsentError, match="nothing was changed"):
        consent.grant(["/photos"], **given_)
    assert not folder.exists()


@pytest.mark.parametrize("months", [0, -1, 37, 1200])
def test_a_term_is_one_to_36_months(consent: Consent, folder: Path, months: int) -> None:
    with pytest.raises(UsageError, match="1 to 36 months"):
        consent.grant(["/photos"], term_months=months, **YES)
    with pytest.raises(UsageError, match="no folder"):
        consent.grant([], **YES)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("day", "months", "end"),
    [((2024, 1, 31), 1, (2024, 2, 29)), ((2023, 12, 15), 1, (2024, 1, 15)), ((2024, 2, 29), 12, (2025, 2, 28)),
     ((2024, 5, 4), 36, (2027, 5, 4)), ((2024, 11, 30), 3, (2025, 2, 28))],
)  # fmt: skip
def test_months_end_on_the_same_day_or_on_the_last(day, months: int, end) -> None:
    assert months_after(datetime(*day, tzinfo=UTC), months) == datetime(*end, tzinfo=UTC)


# How it ends


def test_the_term_ends_it_and_the_data_are_to_be_erased(granted: Consent, clock: Clock) -> None:
    clock.now += 364 * DAY
    soon = granted.require()
    assert "the consent ends on 2025-05-04" in soon.why
    clock.now += 2 * DAY
    standing = granted.standing()
    assert (standing.state, standing.erase, standing.renewable) == ("lapsed", True, False)
    with pytest.raises(ConsentError, match="term of the consent ended on 2025-05-04"):
        granted.require()
    with pytest.raises(ConsentError):
        granted.renew(**YES)


def test_a_changed_notice_ends_it_and_the_data_are_kept_for_thirty_days(
    granted: Consent, clock: Clock, other_notice
) -> None:
    other_notice()
    standing = granted.standing()
    assert (standing.state, standing.why) == ("lapsed", "the notice has changed since somebody agreed to it")
    assert (standing.erase, standing.uncounted, standing.renewable) == (False, True, True)
    granted.lapsed(standing.why)
    clock.now += 29 * DAY
    assert (granted.standing().erase, granted.standing().uncounted) == (False, False)
    clock.now += 2 * DAY
    assert granted.standing().erase


def test_a_changed_notice_keeps_nothing_beyond_the_term(consent: Consent, clock: Clock, other_notice) -> None:
    consent.grant(["/photos"], term_months=1, **YES)
    clock.now += 29 * DAY
    other_notice()
    consent.lapsed("changed")
    clock.now += 3 * DAY
    assert consent.standing().erase


def test_after_a_changed_notice_one_may_renew_and_then_other_folders_stay_out(granted: Consent, other_notice) -> None:
    other_notice()
    with pytest.raises(ConsentError, match="not the notice of this version"):
        granted.renew(**YES)
    granted.renew(words=notice.WORDS, notice_sha=notice.sha256())
    assert granted.require().scope == ("/photos",)


def test_renewing_begins_a_new_term(granted: Consent, clock: Clock) -> None:
    clock.now += 300 * DAY
    granted.renew(term_months=36, **YES)
    assert granted.require().until[:10] == "2028-02-28"
    with pytest.raises(ConsentError):
        granted.renew(words="", notice_sha=notice.PREFIX)


def test_taking_it_back_ends_it_at_once_and_for_good(granted: Consent) -> None:
    assert granted.withdraw() is not None
    standing = granted.standing()
    assert (standing.state, standing.erase) == ("withdrawn", True)
    assert granted.withdraw() is None
    granted.erased({"verified": True})
    assert (granted.standing().state, granted.standing().erase) == ("withdrawn", False)
    with pytest.raises(ConsentError):
        granted.renew(**YES)
    granted.grant(["/new"], **YES)
    assert granted.require().scope == ("/new",)


def test_an_erasing_that_was_not_verified_is_still_to_be_done(granted: Consent) -> None:
    granted.withdraw()
    granted.erased({"verified": False})
    assert granted.standing().erase


@pytest.mark.parametrize("hours", [1, 20])
def test_a_clock_that_is_set_a_little_changes_nothing(granted: Consent, clock: Clock, hours: int) -> None:
    clock.now -= timedelta(hours=hours)
    assert granted.standing().holds


def test_a_clock_set_back_stops_everything_and_erases_nothing(granted: Consent, clock: Clock) -> None:
    clock.now += 200 * DAY
    granted.record("seen", {})
    clock.now -= 3 * DAY
    standing = granted.standing()
    assert (standing.state, standing.erase, standing.uncounted) == ("lapsed", False, False)
    assert "the clock says 2024-11-17, but the consent log knows 2024-11-20" in standing.why
    granted.renew(**YES)
    assert granted.standing().holds


def test_setting_the_clock_back_does_not_bring_back_what_has_ended(granted: Consent, clock: Clock) -> None:
    clock.now += 400 * DAY
    granted.erased({"verified": True})
    clock.now -= 390 * DAY
    assert granted.standing().state == "lapsed"


# The chain


def rows(folder: Path) -> list[bytes]:
    return (folder / LOG_NAME).read_bytes().splitlines(keepends=True)


def test_every_changed_byte_ends_the_consent_and_says_where(granted: Consent, folder: Path) -> None:
    whole = (folder / LOG_NAME).read_bytes()
    for at in range(0, len(whole) - 1, 7):
        (folder / LOG_NAME).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        standing = granted.standing()
        assert (standing.state, standing.problems) == ("lapsed", ("line 1 does not follow from the lines before it",))
        assert not standing.erase


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [*lines[:1], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0], *lines],
        lambda lines: [*lines, b"{}\n"],
        lambda lines: [b"\n", *lines],
    ],
    ids=["first out", "middle out", "swapped", "twice", "{}", "empty line"],
)
def test_a_changed_log_is_no_consent(granted: Consent, folder: Path, change) -> None:
    granted.record("one", {})
    granted.record("two", {})
    (folder / LOG_NAME).write_bytes(b"".join(change(rows(folder))))
    with pytest.raises(ConsentError, match=r"consent log was damaged or changed: line \d does not follow"):
        granted.require()


def test_the_longer_term_that_somebody_writes_in_does_not_count(granted: Consent, folder: Path) -> None:
    text = (folder / LOG_NAME).read_text().replace('"until":"2025-', '"until":"2099-')
    (folder / LOG_NAME).write_text(text)
    assert not granted.standing().holds


def test_after_a_break_only_a_new_consent_counts(granted: Consent, folder: Path, clock: Clock) -> None:
    (folder / LOG_NAME).write_bytes(b"garbage\n" + b"".join(rows(folder)))
    standing = granted.standing()
    assert (standing.state, standing.uncounted, standing.renewable) == ("lapsed", True, False)
    granted.lapsed(standing.why)
    clock.now += 31 * DAY
    assert granted.standing().erase
    granted.grant(["/photos"], **YES)
    assert granted.require().problems  # still named


def test_a_torn_line_never_was(granted: Consent, folder: Path) -> None:
    whole = (folder / LOG_NAME).read_bytes()
    granted.withdraw()
    torn = (folder / LOG_NAME).read_bytes()[:-3]
    (folder / LOG_NAME).write_bytes(torn)
    assert granted.standing().holds
    granted.record("more", {})
    assert (folder / LOG_NAME).read_bytes().startswith(whole)
    assert granted.standing().holds
    assert granted.standing().problems == ()


def test_a_log_that_cannot_be_read_is_no_consent(granted: Consent, folder: Path) -> None:
    (folder / LOG_NAME).unlink()
    (folder / LOG_NAME).mkdir()
    standing = granted.standing()
    assert (standing.state, standing.erase) == ("lapsed", False)
    with pytest.raises(RefusedError, match="nothing was recorded"):
        granted.grant(["/photos"], **YES)


def test_a_line_is_durable_when_the_call_returns(
    consent: Consent, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    consent.grant(["/photos"], **YES)
    assert (folder / LOG_NAME).stat().st_size in synced


def test_a_full_disk_is_no_consent(consent: Consent, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(RefusedError, match="No space left on device; nothing was recorded"):
            consent.grant(["/photos"], **YES)
    assert consent.standing().state == "never"


@given(st.lists(st.binary(max_size=120), max_size=5))
def test_garbage_is_never_a_consent_and_never_a_traceback(tmp_path_factory, garbage: list[bytes]) -> None:
    folder = tmp_path_factory.getbasetemp() / "garbage"
    folder.mkdir(exist_ok=True)
    (folder / LOG_NAME).write_bytes(b"".join(row + b"\n" for row in garbage))
    assert Consent(folder, Clock()).standing().state in {"never", "lapsed"}


@pytest.mark.parametrize(
    "body",
    [
        {}, {"scope": []}, {"scope": [1], "until": "2030-01-01T00:00:00.000000Z"}, {"scope": ["/a"], "until": "soon"},
        {"scope": ["/a"], "until": 5, "notice": "", "organisation": False, "without": []},
        {"scope": ["/a"], "until": "2030-01-01T00:00:00.000000Z", "notice": None, "organisation": False, "without": []},
    ],
    ids=range(6),
)  # fmt: skip
def test_a_well_formed_line_that_no_version_wrote_is_no_consent(folder: Path, clock: Clock, body: dict) -> None:
    Chain(folder / LOG_NAME, "the log").append(clock(), "granted", body)
    assert Consent(folder, clock).standing().state == "lapsed"


def test_a_term_beyond_36_months_does_not_count_even_in_a_sound_log(folder: Path, clock: Clock) -> None:
    body = {
        "scope": ["/a"], "until": "2099-01-01T00:00:00.000000Z", "notice": notice.sha256(),
        "organisation": False, "without": [],
    }  # fmt: skip
    Chain(folder / LOG_NAME, "the log").append(clock(), "granted", body)
    assert Consent(folder, clock).standing().until[:10] == "2027-05-04"


def test_paths_that_are_no_text_survive(consent: Consent) -> None:
    consent.grant(["/photos/\udcff"], **YES)
    assert consent.require().scope == ("/photos/\udcff",)
    json.dumps(consent.latest().as_dict())


def test_several_writers_share_one_chain(granted: Consent, folder: Path) -> None:
    threads = [Thread(target=lambda: [Consent(folder, Clock()).record("x", {}) for _ in range(5)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted.standing().holds
    assert [one.number for one in granted.receipts()] == list(range(1, 32))


# Further consents


def agree(consent: Consent, kind: str):
    ask = notice.OTHERS[kind]
    return consent.agree(kind, words=ask.words, notice_sha=ask.prefix)


@pytest.mark.parametrize("kind", notice.OTHERS)
def test_a_further_consent_is_its_own_and_off_by_default(granted: Consent, kind: str) -> None:
    assert not granted.agreed(kind)
    with pytest.raises(ConsentError, match="nothing was changed"):
        granted.agree(kind, words=notice.WORDS, notice_sha=notice.OTHERS[kind].prefix)
    with pytest.raises(ConsentError, match="nothing was changed"):
        granted.agree(kind, words=notice.OTHERS[kind].words, notice_sha=notice.PREFIX)
    assert agree(granted, kind).body["text"] == notice.OTHERS[kind].text
    assert granted.standing().others == {kind}
    assert granted.revoke(kind) is not None
    assert granted.revoke(kind) is None
    assert not granted.agreed(kind)


def test_a_further_consent_needs_the_first_and_ends_with_it(granted: Consent, clock: Clock) -> None:
    agree(granted, "names-backup")
    granted.renew(**YES)
    assert granted.agreed("names-backup")
    granted.withdraw()
    assert not granted.agreed("names-backup")
    with pytest.raises(ConsentError):
        agree(granted, "xmp")
    granted.grant(["/photos"], **YES)
    assert not granted.agreed("names-backup")


def test_a_further_consent_lapses_when_its_notice_changes(granted: Consent, monkeypatch: pytest.MonkeyPatch) -> None:
    agree(granted, "xmp")
    monkeypatch.setitem(notice.OTHERS, "xmp", notice.Ask("Another text.\n", notice.XMP_WORDS))
    assert not granted.agreed("xmp")
    assert granted.standing().holds


def test_notes_are_kept_and_change_nothing(granted: Consent) -> None:
    before = granted.latest()
    granted.record("done without", {"layers": ["calls"]})
    assert granted.receipts()[-1].body == {"kind": "done without", "layers": ["calls"]}
    assert granted.latest() == before
    assert granted.standing().holds


# To the second


def at(folder: Path, when: datetime) -> Consent:
    return Consent(folder, lambda: when)


BEGAN = datetime(2024, 5, 4, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_term_ends_at_its_very_second(folder: Path) -> None:
    at(folder, BEGAN).grant(["/photos"], **YES)
    end = BEGAN.replace(year=2025)
    assert at(folder, end - SECOND).standing().holds
    assert at(folder, end).standing().erase


def test_thirty_days_are_counted_from_when_it_was_first_found_out(folder: Path, other_notice) -> None:
    at(folder, BEGAN).grant(["/photos"], **YES)
    other_notice()
    for day in (1, 20):
        at(folder, BEGAN + day * DAY).lapsed("changed")
    assert not at(folder, BEGAN + 31 * DAY - SECOND).standing().erase
    assert at(folder, BEGAN + 31 * DAY).standing().erase


def test_the_term_ends_also_where_a_clock_was_far_ahead_once(folder: Path) -> None:
    at(folder, BEGAN).grant(["/photos"], **YES)
    at(folder, BEGAN.replace(year=2099)).record("seen", {})
    assert not at(folder, BEGAN + DAY).standing().erase
    standing = at(folder, BEGAN.replace(year=2025)).standing()
    assert (standing.state, standing.erase) == ("lapsed", True)


def test_renewing_keeps_that_it_is_an_organisation(consent: Consent) -> None:
    consent.grant(["/photos"], organisation=True, **YES)
    consent.renew(**YES)
    assert consent.require().organisation


@pytest.mark.parametrize("said", ["no", 0, None, True])
def test_what_is_no_clear_household_is_an_organisation(granted: Consent, folder: Path, said: object) -> None:
    line = json.loads(rows(folder)[0])
    (folder / LOG_NAME).unlink()
    granted._chain.append(BEGAN, "granted", line["body"] | {"organisation": said})
    assert granted.standing().organisation


def test_a_line_that_was_sealed_anew_is_given_away_by_the_next(granted: Consent, folder: Path) -> None:
    granted.record("one", {})
    first, second = rows(folder)
    (folder / LOG_NAME).unlink()
    forged = json.loads(first)["body"] | {"scope": ["/"]}
    granted._chain.append(BEGAN, "granted", forged)
    (folder / LOG_NAME).write_bytes(rows(folder)[0] + second)
    assert granted.standing().problems == ("line 2 does not follow from the lines before it",)
    assert not granted.standing().holds


def test_of_a_long_torn_line_nothing_stays_behind_a_short_one(granted: Consent, folder: Path) -> None:
    whole = (folder / LOG_NAME).read_bytes()
    (folder / LOG_NAME).write_bytes(whole + whole[:-1])
    granted.record("short", {})
    assert granted.standing().holds
    assert (folder / LOG_NAME).read_bytes().endswith(b"}\n")


def test_a_log_that_leads_elsewhere_is_not_written_through(consent: Consent, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / LOG_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError):
        consent.grant(["/photos"], **YES)
    assert not (tmp_path / "elsewhere").exists()


def test_two_do_not_write_at_once(granted: Consent, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.people.consent.chain._PATIENCE", 0.0)
    with Chain(folder / LOG_NAME, "it").alone(), pytest.raises(BusyError):
        granted.withdraw()
    assert granted.withdraw() is not None


def test_a_log_too_long_to_be_read_gets_no_further_line(granted: Consent, folder: Path) -> None:
    os.truncate(folder / LOG_NAME, 1 << 30)  # sparse
    assert not granted.standing().holds
    with pytest.raises(RefusedError, match="too long to be ours") as refused:
        granted.withdraw() or granted.lapsed("damaged")
    assert refused.value.hint == "move it away"


# What came back


def test_what_was_not_erased_whole_is_still_to_be_erased_when_the_log_broke_before(
    granted: Consent, folder: Path
) -> None:
    (folder / LOG_NAME).write_bytes(b"garbage\n" + b"".join(rows(folder)[1:]))
    granted.lapsed("damaged")
    granted.erased({"verified": False})
    assert granted.standing().erase
    granted.erased({"verified": True})
    assert (granted.standing().erase, granted.standing().gone) == (False, True)


def test_a_broken_log_keeps_nothing_beyond_the_term_that_it_had(folder: Path) -> None:
    at(folder, BEGAN).grant(["/photos"], term_months=1, **YES)
    at(folder, BEGAN).record("one", {})
    with open(folder / LOG_NAME, "ab") as file:
        file.write(b"garbage\n")
    end = BEGAN.replace(month=6)
    at(folder, end - DAY).lapsed("damaged")
    assert not at(folder, end - SECOND).standing().erase
    assert at(folder, end).standing().erase


def test_a_log_that_broke_after_it_was_taken_back_keeps_nothing(granted: Consent, folder: Path) -> None:
    granted.withdraw()
    with open(folder / LOG_NAME, "ab") as file:
        file.write(b"garbage\n")
    assert granted.standing().erase
