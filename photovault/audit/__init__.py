"""Auditing what left this device.

``run_audit`` reads every object of a vault, opens it, derives again what can be derived, and explains it by the
snapshots and by the ledger.  What is not explained is an alarm.  ``compare`` holds what two runs would have sent side
by side: from the same state, with the same clock and randomness, and one switch that must not matter in between, they
must send the same bytes under the same names.

Guarantees: of an audit without alarm, that every byte in the storage was sealed by this vault's keys, that each part
is one that a snapshot names or that this device's ledger says it sent, and that no canary is in any of it.  Not
guaranteed: that the owner of this computer did not write ledger and vault anew, or that what left was sent only there.
"""

from photovault.audit.canaries import Canaries
from photovault.audit.compare import Seen, compare, witness
from photovault.audit.run import run_audit
from photovault.audit.values import AuditReport, Learned, Left, TwoRunReport

__all__ = [
    "AuditReport",
    "Canaries",
    "Learned",
    "Left",
    "Seen",
    "TwoRunReport",
    "compare",
    "run_audit",
    "witness",
]
