"""Drills: restore a sample from the storage, compare, look at it, and write down a dated proof for each photo.

``survey`` walks the snapshots once and keeps in ``proofs`` what there is; ``plan``, which is pure, says which photos are tried;
``run`` tries them, holding them where nobody finds them (``held``), and compares with the live files (``live``).

Guarantee: what counts as proven came from the storage just then, every byte of it, and had the size and the SHA-256 that the snapshot
promises.  A photo is in memory, or in a file that has no name, and never under one.  Nothing is changed in the vault.  Not
guaranteed: that a picture which nothing here decodes looks right; it is restored, and not looked at.
"""

from photovault.drill.plan import Amount, plan_drill, wanted_of
from photovault.drill.run import DrillReport, Sample, run_drill
from photovault.drill.survey import LiveFolder, Root, survey

__all__ = [
    "Amount",
    "DrillReport",
    "LiveFolder",
    "Root",
    "Sample",
    "plan_drill",
    "run_drill",
    "survey",
    "wanted_of",
]
