"""Who agreed to what, until when, and whether it still holds.

Every act is a line of a chain (``consent.jsonl``): granted, renewed, withdrawn, lapsed, erased, agreed and revoked (the
further consents), noted.  ``fold`` turns the lines and the time into a standing, without I/O.  A consent holds from its
time until the end of its term, for the folders that it names, for the text whose SHA-256 it has.  It lapses

- at the end of its term: the data are to be erased now;
- when the notice is another text, or the chain is broken (then only what was granted after the break counts): nothing
  is read any more, and the data are to be erased after ``KEPT_DAYS`` days, or at the end of the term if that is sooner;
- while the clock shows a time more than a day before what the chain knows: nothing is read and nothing is erased, since
  nobody can tell what day it is.

Guarantee: nothing but the right words for the right text makes a consent; what cannot be understood is none.  Not
guaranteed: against a clock that is wrong by less than it takes to be seen, or far ahead, which ends the term early:
faces can be measured again, what was kept too long cannot be unkept.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Literal

from photovault.errors import ConsentError, RefusedError, UsageError
from photovault.people.consent import notice
from photovault.people.consent.chain import Chain, moment, utc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from photovault.people.consent.chain import Line, Read

LOG_NAME = "consent.jsonl"
TERM_DEFAULT = 12  # months
TERM_MOST = 36
_BACKWARDS = timedelta(days=1)  # clocks are set by hours when people travel, or boot another system
_SOON = timedelta(days=30)
_ENABLE = "to agree: photovault people enable"
_RENEW = "to agree again: photovault people renew; to erase everything now: photovault people disable"

State = Literal["never", "granted", "lapsed", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether faces may be grouped.

    Attributes:
        scope: absolute paths of the folders that were chosen.
        since, until: UTC, ISO 8601; of the consent that holds, or held last.
        why: what ended it, for people; of one that holds, what will end it soon.
        organisation: whether a release is needed for each person before a name is given.
        without: layers of protection that the user chose to do without.
        others: further consents that hold.
        erase: whether the data are to be erased now.
        uncounted: whether the days until they are erased are still to be counted, from a line ``lapsed`` on.
        renewable: whether ``renew`` makes it hold again.
        problems: what is wrong with the log.
    """

    state: State
    scope: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    why: str = ""
    notice: str = ""
    organisation: bool = False
    without: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()
    erase: bool = False
    uncounted: bool = False
    renewable: bool = False
    problems: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether faces may be looked at now."""
        return self.state == "granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a person gets to keep of one line of the log."""

    number: int
    time: str
    event: str
    digest: str
    body: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For a program."""
        return {
            "number": self.number,
            "time": self.time,
            "event": self.event,
            "sha256": self.digest,
            "body": dict(self.body),
        }

    def text(self, *, whole: bool = True) -> str:
        """For a person: what happened, when, how to prove it, and (``whole``) the text that was agreed to."""
        lines = [f"Receipt {self.number}: {_TITLES.get(self.event, self.event)}", f"time: {self.time}"]
        for key, value in self.body.items():
            if key != "text":
                lines += _told(key, value)
        lines.append(f"sha256 of this entry in the consent log: {self.digest}")
        if whole and "text" in self.body:
            lines += ["", "The text that was agreed to:", "", *str(self.body["text"]).splitlines()]
        return "\n".join(lines)


_TITLES = {
    "granted": "you agreed that faces are grouped",
    "renewed": "you agreed anew that faces are grouped",
    "withdrawn": "you took back your consent to the grouping of faces",
    "lapsed": "the consent to the grouping of faces ended by itself",
    "erased": "the face data were erased",
    "agreed": "you agreed to something further",
    "revoked": "you took back a further consent",
    "noted": "noted",
}


class Consent:
    """The consents of one state folder."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        """Use the log in ``folder`` (``state/people``), which is made with its first line."""
        self._chain = Chain(folder / LOG_NAME, "the consent log")
        self._now = now

    def standing(self) -> Standing:
        """Whether faces may be grouped now.  A log that cannot be read is no consent, and does not raise."""
        try:
            return fold(self._chain.read(), self._now())
        except RefusedError as error:
            return Standing(state="lapsed", why=error.what, problems=(error.what,))

    def require(self) -> Standing:
        """The standing, if faces may be grouped now.

        Raises:
            ConsentError: they may not; it says why and what to do.
        """
        standing = self.standing()
        if standing.holds:
            return standing
        if standing.state == "never":
            raise ConsentError("nobody has agreed to the grouping of faces", _ENABLE)
        raise ConsentError(standing.why, _RENEW if standing.renewable else _ENABLE)

    def grant(
        self,
        scope: Sequence[str],
        *,
        term_months: int = TERM_DEFAULT,
        words: str,
        notice_sha: str,
        without: Sequence[str] = (),
        organisation: bool = False,
    ) -> Receipt:
        """Record that somebody agreed.

        Args:
            scope: absolute paths of folders; at least one.
            term_months: how long it holds, 1 to 36.
            words: what was typed.
            notice_sha: the first 12 or more hex digits of the SHA-256 of the text that was shown.
            without: layers of protection that are given up.
            organisation: it is for others than a household.

        Raises:
            ConsentError: wrong words, or another text; nothing was changed.
            UsageError: no folder, or a term that is none.
        """
        if not scope:
            raise UsageError("no folder was chosen", "name folders with --scope")
        check_agreement(notice.FACES, words, notice_sha)
        body = {"scope": sorted(set(scope)), "organisation": organisation, "without": sorted(set(without))}
        return self._agree("granted", term_months, body)

    def renew(self, *, term_months: int = TERM_DEFAULT, words: str, notice_sha: str) -> Receipt:
        """Agree anew, for the same folders, to the notice as it is now.

        Raises:
            ConsentError: there is nothing to renew, or as for ``grant``.
            UsageError: a term that is none.
        """
        standing = self.standing()
        if not (standing.holds or standing.renewable):
            raise ConsentError(standing.why or "nobody has agreed to the grouping of faces", _ENABLE)
        check_agreement(notice.FACES, words, notice_sha)
        body = {
            "scope": list(standing.scope),
            "organisation": standing.organisation,
            "without": list(standing.without),
        }
        return self._agree("renewed", term_months, body)

    def _agree(self, event: str, term_months: int, body: dict[str, Any]) -> Receipt:
        now = self._now()
        until = utc(months_after(now, term_months))
        text = {"notice": notice.sha256(), "notice_version": notice.VERSION, "text": notice.NOTICE}
        return self._write(now, event, body | text | {"until": until})

    def withdraw(self) -> Receipt | None:
        """Take the consent back; None when there is none that could be.  The data are to be erased from now on."""
        standing = self.standing()
        if standing.state == "withdrawn" or not (standing.holds or standing.renewable or standing.erase):
            return None
        return self._write(self._now(), "withdrawn", {"since": standing.since})

    def lapsed(self, why: str) -> Receipt:
        """Record that the consent was found to have ended by itself: days are counted from here."""
        return self._write(self._now(), "lapsed", {"why": why, "kept_days": notice.KEPT_DAYS})

    def erased(self, body: Mapping[str, Any]) -> Receipt:
        """Record that the data were erased: the deletion receipt."""
        return self._write(self._now(), "erased", body)

    def agree(self, kind: str, *, words: str, notice_sha: str) -> Receipt:
        """Record a further consent, ``names-backup`` or ``xmp``.

        Raises:
            ConsentError: the first consent does not hold, wrong words, or another text.
        """
        self.require()
        ask = notice.OTHERS[kind]
        check_agreement(ask, words, notice_sha)
        return self._write(self._now(), "agreed", {"kind": kind, "notice": ask.sha256(), "text": ask.text})

    def agreed(self, kind: str) -> bool:
        """Whether a further consent holds."""
        return kind in self.standing().others

    def revoke(self, kind: str) -> Receipt | None:
        """Take a further consent back; None when it does not hold."""
        if not self.agreed(kind):
            return None
        return self._write(self._now(), "revoked", {"kind": kind})

    def record(self, kind: str, body: Mapping[str, Any]) -> Receipt:
        """Note something that changes no consent, such as a scan that was made without some layer of protection."""
        return self._write(self._now(), "noted", {"kind": kind} | dict(body))

    def receipts(self) -> list[Receipt]:
        """All lines, oldest first, also those before a break.

        Raises:
            RefusedError: the log cannot be read.
        """
        return [_receipt(line) for line in self._chain.read().lines]

    def latest(self) -> Receipt | None:
        """The newest line that is a receipt for an act, not a note."""
        acts = [one for one in self.receipts() if one.event != "noted"]
        return acts[-1] if acts else None

    def _write(self, now: datetime, event: str, body: Mapping[str, Any]) -> Receipt:
        return _receipt(self._chain.append(now, event, body))


def check_agreement(ask: notice.Ask, words: str, notice_sha: str) -> None:
    """Refuse anything but the right words for the text as it is now.

    Raises:
        ConsentError: nothing was agreed to.
    """
    if not ask.is_meant_by(notice_sha):
        raise ConsentError(
            "that is not the notice of this version: nothing was agreed to, and nothing was changed",
            f"read it with `photovault people notice`, then name its first {notice.PREFIX_DIGITS} digits",
        )
    if not ask.is_agreed_by(words):
        raise ConsentError(
            "those are not the words: nothing was agreed to, and nothing was changed", f"to agree, type: {ask.words}"
        )


def months_after(when: datetime, months: int) -> datetime:
    """The same day and time so many months later, or the month's last day where it has no such day.

    Raises:
        UsageError: not 1 to 36 months.
    """
    if not 1 <= months <= TERM_MOST:
        raise UsageError(f"a consent is for 1 to {TERM_MOST} months", "for example --term 12m")
    when = when.astimezone(UTC)
    year, month = divmod(when.year * 12 + when.month - 1 + months, 12)
    return when.replace(year=year, month=month + 1, day=min(when.day, monthrange(year, month + 1)[1]))


def fold(read: Read, now: datetime) -> Standing:
    """What the lines of a log amount to at a time."""
    memory = _Memory()
    for line in read.trusted:
        if line.event in {"granted", "renewed"}:
            memory = _Memory(grant=line, others=memory.others if line.event == "renewed" else {})
        memory.take(line)
    try:
        return memory.standing(now, read.breaks)
    except (KeyError, TypeError, ValueError, OverflowError, UsageError):
        why = "the consent log says what no version wrote"
        return memory.locked(Standing(state="lapsed", why=why, problems=read.breaks), now)


@dataclass(slots=True, kw_only=True)
class _Memory:
    """What is remembered while lines are read in their order; ``newest``: the latest time since the grant."""

    grant: Line | None = None
    others: dict[str, str] = field(default_factory=dict)
    newest: str = ""
    withdrawn: Line | None = None
    lapse: Line | None = None
    erased: Line | None = None

    def take(self, line: Line) -> None:
        self.newest = max(self.newest, line.time)
        if line.event == "withdrawn":
            self.withdrawn = line
        elif line.event == "lapsed":
            self.lapse = self.lapse or line
        elif line.event == "erased":
            self.erased = line
        elif line.event == "agreed":
            self.others[str(line.body.get("kind"))] = str(line.body.get("notice"))
        elif line.event == "revoked":
            self.others.pop(str(line.body.get("kind")), None)

    def standing(self, now: datetime, breaks: tuple[str, ...]) -> Standing:
        if self.grant is None:
            return self._without_grant(now, breaks)
        held = _held(self.grant, breaks)
        if self.withdrawn is not None:
            return self._over(held, "withdrawn", f"the consent was taken back on {_day(self.withdrawn.time)}")
        if self.erased is not None:
            why = f"the consent ended, and the face data were erased on {_day(self.erased.time)}"
            return self._over(held, "lapsed", why)
        return self._running(held, now)

    def _over(self, held: _Held, state: State, why: str) -> Standing:
        """An ended consent; until its data are known to be gone, they are to be erased."""
        return held.standing(state, why, erase=self.erased is None or self.erased.body.get("verified") is not True)

    def _running(self, held: _Held, now: datetime) -> Standing:
        if now < moment(self.newest) - _BACKWARDS:
            why = (
                f"the clock says {_day(utc(now))}, but the consent log knows {_day(self.newest)}: one of them is wrong"
            )
            return held.standing("lapsed", why, renewable=True)
        if now >= held.until:
            return held.standing("lapsed", f"the term of the consent ended on {_day(utc(held.until))}", erase=True)
        if held.notice != notice.sha256():
            why = "the notice has changed since somebody agreed to it"
            return self.locked(held.standing("lapsed", why, renewable=True), now)
        others = {kind for kind, ask in notice.OTHERS.items() if self.others.get(kind) == ask.sha256()}
        soon = f"the consent ends on {_day(utc(held.until))}" if held.until - now < _SOON else ""
        return held.standing("granted", soon, others=frozenset(others), renewable=True)

    def _without_grant(self, now: datetime, breaks: tuple[str, ...]) -> Standing:
        if self.erased is not None:
            why = f"the face data were erased on {_day(self.erased.time)}"
            return Standing(state="lapsed", why=why, problems=breaks)
        if breaks:
            why = f"the consent log was damaged or changed: {breaks[-1]}"
            return self.locked(Standing(state="lapsed", why=why, problems=breaks), now)
        if self.lapse is not None:
            return self.locked(Standing(state="lapsed", why="the consent log was gone"), now)
        return Standing(state="never")

    def locked(self, standing: Standing, now: datetime) -> Standing:
        """The data are kept, and not read, for some days from the line that first said so."""
        if self.lapse is None:
            return replace(standing, uncounted=True)
        return replace(standing, erase=now >= moment(self.lapse.time) + timedelta(days=notice.KEPT_DAYS))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A consent as its line has it."""

    line: Line
    scope: tuple[str, ...]
    until: datetime
    notice: str
    organisation: bool
    without: tuple[str, ...]
    problems: tuple[str, ...]

    def standing(
        self,
        state: State,
        why: str,
        *,
        erase: bool = False,
        renewable: bool = False,
        others: frozenset[str] = frozenset(),
    ) -> Standing:
        return Standing(
            state=state,
            why=why,
            scope=self.scope,
            since=self.line.time,
            until=utc(self.until),
            notice=self.notice,
            organisation=self.organisation,
            without=self.without,
            others=others,
            erase=erase,
            renewable=renewable,
            problems=self.problems,
        )


def _held(line: Line, breaks: tuple[str, ...]) -> _Held:
    body = line.body
    until, latest = moment(body["until"]), months_after(moment(line.time), TERM_MOST)
    scope = tuple(body["scope"])
    if not scope or any(not isinstance(one, str) for one in scope):
        raise ValueError("no folders")
    return _Held(
        line=line,
        scope=scope,
        until=min(until, latest),
        notice=str(body["notice"]),
        organisation=body["organisation"] is not False,
        without=tuple(str(one) for one in body["without"]),
        problems=breaks,
    )


def _day(time: str) -> str:
    return time[:10]


def _receipt(line: Line) -> Receipt:
    return Receipt(number=line.number, time=line.time, event=line.event, digest=line.digest, body=line.body)


def _told(key: str, value: object) -> list[str]:
    words = key.replace("_", " ")
    if isinstance(value, list | tuple):
        return [f"{words}:", *(f"  {one}" for one in value)] if value else []
    if isinstance(value, bool):
        return [f"{words}: {'yes' if value else 'no'}"]
    return [f"{words}: {value}"] if value != "" else []
