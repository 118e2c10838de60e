"""Which photos a drill tries.  Pure.

Those that were never tried come first, then those whose last try is longest ago; among equals the seed decides, so that two
devices, or two days, begin with others.  Photos with which something was wrong come again soon, to see whether it was mended, but are
at most half of a sample while there are others: however many they are, they never keep the others from being proven.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from heapq import nsmallest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.proofs import Key, Known

_MILLION = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How many photos are tried: a number, a share (0 to 1), or all when neither is given."""

    count: int | None = None
    share: float | None = None


def wanted_of(amount: Amount, photos: int) -> int:
    """How many of so many photos that is; of a share, rounded up."""
    if amount.count is not None:
        return min(amount.count, photos)
    return photos if amount.share is None else min(photos, -(-photos * round(amount.share * _MILLION) // _MILLION))


def plan_drill(failing: Iterable[Known], others: Iterable[Known], wanted: int, seed: bytes) -> list[Key]:
    """Which photos to try.

    Args:
        failing: those with which something was wrong at their last try.
        others: all others.
        wanted: how many.
        seed: at least one byte; decides the order of those that were last tried at the same time, or never.
    """

    def order(one: Known) -> tuple[str, bytes]:
        return one.tried, hmac.digest(seed, b"".join(one.key), "sha256")

    again, rest = nsmallest(wanted, failing, key=order), nsmallest(wanted, others, key=order)
    half = (wanted + seed[0] % 2) // 2  # of a sample of one, every other time
    return [one.key for one in (*again[: max(half, wanted - len(rest))], *rest)][:wanted]
