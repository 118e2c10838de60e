"""Making a vault whole again, as far as anything that can be reached still holds what it lost.

What a check found damaged or missing is sought in this order; each room of this package is one step:

1. ``misplaced``: whole objects under other names get their own; parts of other packs in a damaged one are stored again.
2. ``remembered``: snapshots and documents that this computer knows are sealed and stored as they were.
3. ``copies``: whole objects of another copy of the vault, then single parts that it keeps in other packs.
4. Parity, where there is some (not here; it gives whole packs).
5. ``salvage``: a pack of which every part can still be had is sealed again, byte for byte.
6. ``reread``: photos that are still on this computer are read, and the lost parts that they hold are stored; after that more
   packs can be sealed again.
7. ``salvage``: of the other packs, the parts that open go into new ones.
8. ``indexes``: packs that no readable index lists get a new one; index objects that cannot be read are removed.
9. ``quarantine``: a damaged pack whose parts are all whole elsewhere is marked for removal after a grace period.

Guarantee: nothing is removed before what it held is stored whole: a damaged object gives way only to the whole one of its
name, and an index object only to a new index; everything else is marked, not removed.  What is stored is compared with the
digest that names it, and opened with the vault's keys by the gate.  A storage that refuses to delete keeps the damaged
object: that is reported, and nothing is lost by it.
"""

from photovault.repair.copies import borrow, plan_repair
from photovault.repair.healing import Healed, Wanted, run_repair
from photovault.repair.indexes import entries_of, rebuild
from photovault.repair.misplaced import put_in_place
from photovault.repair.quarantine import plan_quarantine
from photovault.repair.remembered import plan_remembered
from photovault.repair.reread import Candidate, reread
from photovault.repair.salvage import Salvaged, salvage, save_strangers, seal_again

__all__ = [
    "Candidate",
    "Healed",
    "Salvaged",
    "Wanted",
    "borrow",
    "entries_of",
    "plan_quarantine",
    "plan_remembered",
    "plan_repair",
    "put_in_place",
    "rebuild",
    "reread",
    "run_repair",
    "salvage",
    "save_strangers",
    "seal_again",
]
