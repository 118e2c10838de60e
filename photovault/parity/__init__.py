"""Parity: what brings packs back that a storage lost or let rot.

Packs of one size stand in groups of at most 16; each group has two more packs' worth of parity, made of the packs' stored
bytes by a Reed-Solomon code, in sealed objects of the usual sizes.  ``see_parity`` reads which objects there are,
``plan_parity`` says what must be made (pure), ``make_parity`` makes it, ``restore_packs`` brings packs back.

Guarantee: of a group with whole parity any two of its members, packs or shards, may be lost, and every pack comes back bit for
bit; what comes back is compared with its name, so parity never makes anything worse.  Nothing refers to parity: a run that
was killed left less of it, never a wrong one.  Not guaranteed: that a third one comes back; that storage which
loses packs keeps parity.
"""

from photovault.parity.coding import can_code, need_code
from photovault.parity.columns import derived
from photovault.parity.grouping import Group, Order, Piece, groups_of, plan_parity, superseded, uncovered
from photovault.parity.making import Made, make_parity
from photovault.parity.restoring import NO_PARITY, Restored, restore_packs
from photovault.parity.seeing import Seen, open_parity, see_parity

__all__ = [
    "NO_PARITY",
    "Group",
    "Made",
    "Order",
    "Piece",
    "Restored",
    "Seen",
    "can_code",
    "derived",
    "groups_of",
    "make_parity",
    "need_code",
    "open_parity",
    "plan_parity",
    "restore_packs",
    "see_parity",
    "superseded",
    "uncovered",
]
