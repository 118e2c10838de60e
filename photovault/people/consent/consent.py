"""Who agreed to what, until when, and whether it still holds.

Every act is a line of a chain (``consent.jsonl``): granted, renewed, withdrawn, lapsed, erased, agreed and revoked (the
further consents), noted.  What they amount to at a time is for ``standing`` to say.

Guarantee: nothing but the right words for the right text makes a consent, and a line is durable before the call returns.
Not guaranteed: see ``chain`` and ``standing``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from photovault.errors import ConsentError, RefusedError, UsageError
from photovault.people.consent import notice
from photovault.people.consent.chain import Chain, utc
from photovault.people.consent.standing import Standing, fold, months_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from photovault.people.consent.chain import Line

LOG_NAME = "consent.jsonl"
TERM_DEFAULT = 12  # months
_ENABLE = "to agree: photovault people enable"
_RENEW = "to agree again: photovault people renew; to erase everything now: photovault people disable"


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
        lines = [f"Receipt {self.number}: {self._title()}", f"time: {self.time}"]
        for key, value in self.body.items():
            if key != "text":
                lines += _told(key, value)
        lines.append(f"sha256 of this entry in the consent log: {self.digest}")
        if whole and "text" in self.body:
            lines += ["", "The text that was agreed to:", "", *str(self.body["text"]).splitlines()]
        return "\n".join(lines)

    def _title(self) -> str:
        if self.event == "erased" and self.body.get("verified") is not True:
            return "not all of the face data could be erased"
        return _TITLES.get(self.event, self.event)


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


def _receipt(line: Line) -> Receipt:
    return Receipt(number=line.number, time=line.time, event=line.event, digest=line.digest, body=line.body)


def _told(key: str, value: object) -> list[str]:
    words = key.replace("_", " ")
    if isinstance(value, list | tuple):
        return [f"{words}:", *(f"  {one}" for one in value)] if value else []
    if isinstance(value, bool):
        return [f"{words}: {'yes' if value else 'no'}"]
    return [f"{words}: {value}"] if value != "" else []
