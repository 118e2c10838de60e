"""Checking a vault, and remembering what a check saw: nothing new relies on what it found damaged, and ``status`` tells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from photovault.app.destinations import known_at
from photovault.app.protecting import with_parity
from photovault.app.session import utc_text
from photovault.check import Amount, CheckReport, run_check
from photovault.workers import Workers

if TYPE_CHECKING:
    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.progress import Progress

_THREADS = 8  # they wait for a disk or a network
_SEED_SIZE = 16
_BY_CHECK = "a check found it damaged"


def check(app: App, amount: Amount, progress: Progress) -> CheckReport:
    """Check the vault; ``amount`` of its data is read, and what was found damaged before.

    Raises:
        What opening a vault raises.
    """
    with app.session() as session, Workers(_THREADS) as workers:
        learn_all(app, session)
        report = look(app, session, workers, progress, amount)
        if app.config_if_there.vault.parity:
            report = with_parity(session, report)
        app.keep(session)
        return report


def look(app: App, session: Session, workers: Workers, progress: Progress, amount: Amount) -> CheckReport:
    """Check, and remember what was found damaged, and what was found whole."""
    suspects = amount.packs | session.evidence.doubts().keys()
    report = run_check(
        session.vault,
        session.device,
        workers,
        progress,
        here=session.here,
        amount=replace(amount, packs=suspects),
        seed=app.world.random(_SEED_SIZE),
        refreshed=session.findings,
        known=known_at(session),
    )
    session.evidence.lose(len(report.lost), utc_text(app.world.now()))
    app.note_damage(session, {pack: parts for pack, parts in report.damaged.items() if parts}, _BY_CHECK)
    app.note_whole(session, report.sound)
    return report


def learn_all(app: App, session: Session) -> None:
    """Hear what this destination and all others that can be reached know of each other."""
    app.learn(session, session.vault.snapshots())
    app.ask_others(session)
