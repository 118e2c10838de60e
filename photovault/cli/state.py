"""Telling the state of a vault: its newest snapshot, its fingerprint, and signs of a storage that does not show everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from photovault.cli.output import amount, count
from photovault.config import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.app.destinations import Around, Shown
    from photovault.cli.output import Output
    from photovault.model import Finding
    from photovault.vault.vault import NamedSnapshot

_SIGNS = 20


def finding_rows(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Findings as JSON has them."""
    return [{"what": one.what, "where": one.where, "hint": one.hint} for one in findings]


def newest_row(around: Around | None) -> dict[str, Any] | None:
    """The newest state of all destinations that could be asked, as JSON has it."""
    if around is None or around.newest is None:
        return None
    snapshot = around.newest.snapshot
    return {
        "id": around.newest.id,
        "time": snapshot.time,
        "device": snapshot.device_name,
        "files": snapshot.counts.files,
        "bytes": snapshot.counts.size,
        "destination": around.at,
        "fingerprint": around.fingerprint,
        "known_here": not around.is_stranger,
    }


def show_newest(out: Output, around: Around | None) -> None:
    """On a device that has nothing of its own to compare with: what it can see, and how to find out whether that is all."""
    if around is None or around.newest is None or not around.is_stranger:
        return
    where = f", in {around.at}" if around.destinations else ""
    out.line(f"this computer has made no backup in this vault; the newest that it can see{where}:")
    out.line(f"  {_described(around.newest)}")
    out.line(f"  fingerprint: {around.fingerprint}")
    out.line(
        "  compare it with what `photovault status` shows on a device that backs up: unless that backed up since, it is the same"
    )
    for one in around.destinations:
        if one.problem:
            out.line(f"  {one.name} could not be asked: {one.problem}")


def show_newer(out: Output, around: Around) -> None:
    """Before a restore: that another destination has what this one lacks."""
    here, newest = around.here, around.newest
    if here is None or newest is None or not here.behind:
        return
    source = _source(around, here)
    out.warn(
        f"not the newest state: {here.name} lacks {count(here.behind, 'snapshot')} that {source} has, the newest of all is "
        f"{_described(newest)}"
    )
    out.warn(
        f"what to do: restore from there with --vault {source}, or `photovault copy {_from(source)}--to {here.name}` first"
    )


def _source(around: Around, here: Shown) -> str:
    return around.at if around.at and around.at != here.name else here.source


def _from(source: str) -> str:
    return "" if source == MAIN else f"--from {source} "


def _described(one: NamedSnapshot) -> str:
    counts = f"{count(one.snapshot.counts.files, 'file')}, {amount(one.snapshot.counts.size)}"
    when = one.snapshot.time.replace("T", " ")[:16]
    return f"snapshot {one.id[:8]} of {when} UTC by {one.snapshot.device_name}, {counts}"


def show_findings(out: Output, signs: Iterable[Finding], notes: Iterable[Finding] = ()) -> None:
    """Signs as alarms, notes as notes."""
    for one in list(signs)[:_SIGNS]:
        if not out.as_json:
            out.sign(one)
    for one in notes:
        out.always(f"note: {one.what}; {one.hint}")
