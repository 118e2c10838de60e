"""Forgetting snapshots, and giving back the room that nothing needs any more.

``policy`` says which snapshots are kept and why, ``lastgood`` which hold the last good version of a photo, ``needed`` which
parts count, ``prune`` which packs go, ``records`` what retention records mean; ``rewrite`` and ``delete`` act, ``run`` puts
them in order.  What is decided is a value before anything is done.

Guarantee: nothing that a counted snapshot needs is ever removed, whatever other devices do meanwhile, as long as they keep
to the grace period.
"""

from photovault.forget.policy import plan_forget
from photovault.forget.prune import plan_prune
from photovault.forget.records import due_at, pending
from photovault.forget.run import Ground, Request, run_forget, run_pin, run_undo, run_unpin
from photovault.forget.values import Decision, ForgetPlan, ForgetReport, Hold, Keep, PackUse, PrunePlan, Removed

__all__ = [
    "Decision",
    "ForgetPlan",
    "ForgetReport",
    "Ground",
    "Hold",
    "Keep",
    "PackUse",
    "PrunePlan",
    "Removed",
    "Request",
    "due_at",
    "pending",
    "plan_forget",
    "plan_prune",
    "run_forget",
    "run_pin",
    "run_undo",
    "run_unpin",
]
