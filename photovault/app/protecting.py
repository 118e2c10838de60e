"""Parity's wiring: after a backup, when ``[vault] parity`` says so, every pack gets it.

The snapshot is made by then: parity that cannot be made costs no photo and no backup, it is told and made by the next one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from photovault.errors import StorageError
from photovault.model import Finding
from photovault.parity import groups_of, make_parity, see_parity, uncovered
from photovault.vault.format import ObjectKind
from photovault.watch.memory import give_back
from photovault.workers import Workers

if TYPE_CHECKING:
    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.check import CheckReport
    from photovault.parity import Made
    from photovault.progress import Progress

_THREADS = 8  # each waits for a storage


def protect(app: App, session: Session, progress: Progress) -> Made | None:
    """Give parity to every pack that has none; None if it could not be made.

    Raises:
        GateError: an object was refused.
    """
    give_back()  # else every thread keeps what it read
    try:
        with Workers(_THREADS) as workers:
            made = make_parity(session.vault, workers, progress)
    except StorageError as error:
        app.warnings.append(f"the backup is complete, its parity is not: {error.what}; the next backup makes the rest")
        return None
    app.warnings += [f"{one.where}: {one.what}; {one.hint}" for one in made.findings]
    return made


def with_parity(session: Session, report: CheckReport) -> CheckReport:
    """What a check says, and besides: which parity objects cannot be read, and how many packs have no parity."""
    with Workers(_THREADS) as workers:
        seen = see_parity(session.vault, workers)
    session.vault.places.commit()
    told = {one.where for one in report.findings}
    bad = tuple(one for one in seen.findings if one.where not in told)
    packs = session.vault.stored(ObjectKind.PACK)
    bare = uncovered(groups_of(seen.pieces), packs, session.vault.places.shunned)
    number = f"{len(bare):,} of {len(packs):,}" if len(packs) > 1 else "the only"
    what = f"{number} pack{'' if len(packs) == 1 else 's'} {'has' if len(bare) == 1 else 'have'} no parity"
    notes = (Finding(what=what, hint="the next backup makes it"),) if bare else ()
    return replace(report, findings=(*report.findings, *bad), notes=(*report.notes, *notes))
