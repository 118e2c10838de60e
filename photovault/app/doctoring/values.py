"""What a doctor says: frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it stands with one thing."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One thing that was looked at.

    Attributes:
        name: which, in a word or two; stable, for programs.
        what: how it stands.
        hint: what to do, where it is not good.
        where: a path or a destination, where there are several.
    """

    name: str
    state: State
    what: str
    hint: str = ""
    where: str = ""


def good(name: str, what: str, where: str = "") -> Look:
    """As it should be."""
    return Look(name=name, state=State.GOOD, what=what, where=where)


def note(name: str, what: str, hint: str, where: str = "") -> Look:
    """Nothing is wrong, and there may be something to do."""
    return Look(name=name, state=State.NOTE, what=what, hint=hint, where=where)


def bad(name: str, what: str, hint: str, where: str = "") -> Look:
    """Something must be done."""
    return Look(name=name, state=State.BAD, what=what, hint=hint, where=where)
