"""What the lines of a consent log amount to at a time.  Pure.

``fold`` turns lines and a time into a standing.  A consent holds from its time until the end of its term, for the folders that
it names, for the text whose SHA-256 it has.  It lapses

- at the end of its term: the data are to be erased now;
- when the notice is another text, or the chain is broken (then only what was granted after the break counts): nothing
  is read any more, and the data are to be erased after ``KEPT_DAYS`` days, or at the end of the term if that is sooner;
- while the clock shows a time more than a day before what the chain knows, and the term is not over even so: nothing is
  read and nothing is erased, since nobody can tell what day it is.

Guarantee: what cannot be understood is no consent.  Not guaranteed: against a clock that is wrong by less than it takes to
be seen, or far ahead, which ends the term early: faces can be measured again, what was kept too long cannot be unkept.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Literal

from photovault.errors import UsageError
from photovault.people.consent import notice
from photovault.people.consent.chain import moment, utc

if TYPE_CHECKING:
    from datetime import datetime

    from photovault.people.consent.chain import Line, Read

TERM_MOST = 36
"""Months."""
_BACKWARDS = timedelta(days=1)  # clocks are set by hours when people travel, or boot another system
_SOON = timedelta(days=30)
_BEGINS = frozenset({"granted", "renewed"})

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
        gone: whether they were erased, and were seen to be gone: what is there all the same was brought back.
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
    gone: bool = False
    uncounted: bool = False
    renewable: bool = False
    problems: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether faces may be looked at now."""
        return self.state == "granted"


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
        if line.event in _BEGINS:
            memory = _Memory(grant=line, others=memory.others if line.event == "renewed" else {})
        memory.take(line)
    try:
        standing = memory.standing(now, read.breaks)
        sooner = memory.grant is None and memory.erased is None and _ended_before(read, now)
        return replace(standing, erase=True, uncounted=False) if sooner else standing
    except (KeyError, TypeError, ValueError, OverflowError, UsageError):
        why = "the consent log says what no version wrote"
        return memory.locked(Standing(state="lapsed", why=why, problems=read.breaks), now)


def _ended_before(read: Read, now: datetime) -> bool:
    """Whether the consent of a log that broke since was over anyway: what is not trusted any more may still end it sooner."""
    for line in reversed(read.lines):
        if line.event == "withdrawn":
            return True
        if line.event in _BEGINS:
            return now >= _held(line, ()).until
    return False


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
        return held.standing(state, why, erase=not self._is_gone(), gone=self._is_gone())

    def _is_gone(self) -> bool:
        return self.erased is not None and self.erased.body.get("verified") is True

    def _running(self, held: _Held, now: datetime) -> Standing:
        if now >= held.until:  # first: it is over by this clock, and if that is behind, by the right one, too
            return held.standing("lapsed", f"the term of the consent ended on {_day(utc(held.until))}", erase=True)
        if now < moment(self.newest) - _BACKWARDS:
            why = (
                f"the clock says {_day(utc(now))}, but the consent log knows {_day(self.newest)}: one of them is wrong"
            )
            return held.standing("lapsed", why, renewable=True)
        if held.notice != notice.sha256():
            why = "the notice has changed since somebody agreed to it"
            return self.locked(held.standing("lapsed", why, renewable=True), now)
        others = {kind for kind, ask in notice.OTHERS.items() if self.others.get(kind) == ask.sha256()}
        soon = f"the consent ends on {_day(utc(held.until))}" if held.until - now < _SOON else ""
        return held.standing("granted", soon, others=frozenset(others), renewable=True)

    def _without_grant(self, now: datetime, breaks: tuple[str, ...]) -> Standing:
        if self.erased is not None:
            why = f"the face data were erased on {_day(self.erased.time)}"
            return Standing(state="lapsed", why=why, problems=breaks, erase=not self._is_gone(), gone=self._is_gone())
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
        gone: bool = False,
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
            gone=gone,
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
