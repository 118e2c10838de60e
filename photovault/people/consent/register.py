"""The releases of an organisation: who agreed that his or her face is grouped and named.

A household names whom it likes.  An organisation needs a release of each person, for a minor that of a guardian; without
one, nobody is named.  Two files, so that what must stay and what must go are apart:

- ``releases.jsonl``, a chain: number, day, whether a minor, whether a guardian signed, when it was taken back, and a
  commitment, SHA-256 of 32 random bytes and the person's name.  It stays, as evidence that there were releases.
- ``releases.names``: for each number the name, the guardian's name, and the random bytes.  It is erased with the face data.

Guarantee: after that, the chain says how many releases there were and when, and cannot be compared with any name, not
even one that is guessed, since the random bytes are gone.  Not guaranteed: that the release on paper is what is written
here; the organisation keeps that.  A damaged chain names nobody, until the releases are recorded again.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from photovault.durable import create, sync, sync_folder, write_all
from photovault.errors import ConsentError, RefusedError, UsageError
from photovault.people.consent.chain import Chain
from photovault.people.keeping.shred import shred
from photovault.people.naming import clean_name, folded

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from photovault.people.consent.chain import Line
    from photovault.people.consent.standing import Standing

LOG_NAME = "releases.jsonl"
NAMES_NAME = "releases.names"
_SALT = 32
_FILE_MAX = 16 * 1024 * 1024
_NONE = ("there is no release of that name", "see photovault people release list")
_RECORD = "photovault people release add NAME --signed DATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What one person agreed to.

    Attributes:
        person, guardian: names; the guardian's empty where there is none.
        signed: day of the release on paper, ISO 8601.
        recorded: UTC, ISO 8601.
    """

    number: int
    person: str
    signed: str
    minor: bool
    guardian: str
    recorded: str


class Register:
    """The releases of one state folder."""

    def __init__(self, folder: Path, now: Callable[[], datetime], random: Callable[[int], bytes] = os.urandom) -> None:
        """Use the files in ``folder`` (``state/people``)."""
        self._chain = Chain(folder / LOG_NAME, "the register of releases")
        self._names = folder / NAMES_NAME
        self._now = now
        self._random = random

    def add(self, person: str, when: str, *, minor: bool = False, guardian: str = "") -> Release:
        """Record a release that is there on paper.

        Args:
            person: as he or she will be named.
            when: the day it was signed, YYYY-MM-DD; not in the future.
            minor: whether the person is a child by law.
            guardian: who signed for a minor.

        Raises:
            UsageError: something of it is none, or a minor without a guardian.
            RefusedError: it cannot be written.
        """
        person, guardian = _cleaned(person), _cleaned(guardian) if guardian else ""
        if minor and not guardian:
            raise UsageError("for a minor, a parent or guardian signs", "name who did with --guardian")
        if guardian and not minor:
            raise UsageError("a guardian signs for a minor only", "say --minor, or leave --guardian out")
        now = self._now()
        signed = _day(when, now.date())
        salt = self._random(_SALT)
        body = {"commitment": commitment(person, salt), "signed": signed, "minor": minor, "guardian": bool(guardian)}
        with self._chain.alone() as end:
            self._refuse_second(person)
            names = self._read_names()
            names[str(end.next)] = {"person": person, "guardian": guardian, "salt": salt.hex()}
            self._write_names(names)  # first: a line without its name could never be taken back
            line = end.append(now, "released", body)
        return Release(
            number=line.number, person=person, signed=signed, minor=minor, guardian=guardian, recorded=line.time
        )

    def withdraw(self, person: str) -> Release:
        """Record that somebody took the release back; the name is forgotten here, and may be given no more.

        Raises:
            UsageError: there is no release of that name.
        """
        if self.of(person) is None:
            raise UsageError(*_NONE)
        with self._chain.alone() as end:
            release = self.of(person)
            if release is None:
                raise UsageError(*_NONE)
            end.append(self._now(), "withdrawn", {"release": release.number})
            names = self._read_names()
            names.pop(str(release.number), None)
            self._write_names(names)
        return release

    def of(self, person: str) -> Release | None:
        """The release of a person, None if there is none that holds."""
        wanted = folded(person)
        return next((one for one in self.all() if folded(one.person) == wanted), None)

    def all(self) -> list[Release]:
        """The releases that hold and whose names are here, oldest first; none when the chain is broken.

        Raises:
            RefusedError: the register cannot be read.
        """
        read = self._chain.read()
        if read.breaks:
            return []
        gone = {line.body.get("release") for line in read.lines if line.event == "withdrawn"}
        names = self._read_names()
        found = (_release(line, names.get(str(line.number))) for line in read.lines if line.number not in gone)
        return [one for one in found if one is not None]

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the register."""
        return self._chain.read().breaks

    def allow(self, standing: Standing, person: str) -> None:
        """Refuse a name for which there is no release, where the consent is an organisation's.

        Raises:
            ConsentError: the name may not be given; it is not in the message.
        """
        if standing.organisation and self.of(person) is None:
            broken = f" ({self.problems()[0]} of the register)" if self.problems() else ""
            raise ConsentError(
                f"there is no release on record of a person of that name{broken}", f"record it: {_RECORD}"
            )

    def _refuse_second(self, person: str) -> None:
        if self.problems():
            raise RefusedError(
                f"the register of releases {self._chain.path} is damaged: {self.problems()[0]}",
                "move it away, and record the releases again",
            )
        if self.of(person) is not None:
            raise UsageError("there is a release of that name", "see photovault people release list")

    def _read_names(self) -> dict[str, dict[str, Any]]:
        try:
            with open(self._names, "rb") as file:
                value = json.loads(file.read(_FILE_MAX))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise RefusedError(
                f"cannot read {self._names}: {getattr(error, 'strerror', None) or 'it is damaged'}",
                "move it away, and record the releases again",
            ) from None
        return value if isinstance(value, dict) else {}

    def _write_names(self, names: dict[str, dict[str, Any]]) -> None:
        """Replace the file: the new one is whole before the old one goes, which is written over."""
        new, old = self._names.with_name(NAMES_NAME + ".new"), self._names.with_name(NAMES_NAME + ".old")
        try:
            self._names.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in (new, old):
                shred(left)
            fd = create(new)
            try:
                write_all(fd, json.dumps(names, sort_keys=True).encode())
                sync(fd)
            finally:
                os.close(fd)
            with suppress(OSError):  # nothing there yet, or a disk without links: then it is not written over
                os.link(self._names, old)
            os.replace(new, self._names)
            sync_folder(self._names.parent)
            shred(old)
        except OSError as error:
            raise RefusedError(
                f"cannot write {self._names}: {error.strerror}", "check free space and permissions there"
            ) from None


def commitment(person: str, salt: bytes) -> str:
    """What the chain knows of a name: SHA-256 of the salt and the name in UTF-8, hex."""
    return hashlib.sha256(salt + person.encode("utf-8", "surrogatepass")).hexdigest()


def _cleaned(text: str) -> str:
    name = clean_name(text)
    if not name:
        raise UsageError("the name is empty", "give one")
    return name


def _day(text: str, today: date) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError("the day of a release is written like 2026-03-31") from None
    if day > today:
        raise UsageError("a release cannot have been signed in the future")
    return day.isoformat()


def _release(line: Line, entry: object) -> Release | None:
    """A release whose name fits its commitment; anything else is none."""
    try:
        person, guardian, salt = entry["person"], entry["guardian"], bytes.fromhex(entry["salt"])  # type: ignore[index]
        if line.event != "released" or commitment(person, salt) != line.body["commitment"]:
            return None
        return Release(
            number=line.number,
            person=person,
            signed=str(line.body["signed"]),
            minor=line.body["minor"] is True,
            guardian=str(guardian),
            recorded=line.time,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
