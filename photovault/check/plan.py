"""How much of the data is read, and which packs these are; pure."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from photovault.check.values import Amount
from photovault.config import parse_size
from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


def parse_amount(text: str) -> Amount:
    """``all``, ``none``, ``10%`` or a size such as ``5G``.

    Raises:
        UsageError: anything else.
    """
    if text in {"all", "none"}:
        return Amount(share=float(text == "all"))
    if match := re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", text):
        if float(match[1]) <= 100:  # noqa: PLR2004 - per cent
            return Amount(share=float(match[1]) / 100)
    else:
        try:
            return Amount(size=parse_size(text))
        except ValueError:
            pass
    raise UsageError(f"not an amount of data: {text}", "use all, none, a percentage such as 10%, or a size such as 5G")


def plan_check(packs: Mapping[bytes, int], amount: Amount, seed: bytes) -> list[tuple[bytes, int]]:
    """Which packs to read: another sample for each ``seed``, in the order of their names."""
    shuffled = sorted(packs.items(), key=lambda pack: hmac.digest(seed, pack[0], "sha256"))
    if amount.size is None:
        chosen = shuffled[: -(-len(shuffled) * round(amount.share * 10**6) // 10**6)]
    else:
        chosen, left = [], amount.size
        for name, size in shuffled:
            if left <= 0:
                break
            chosen.append((name, size))
            left -= size
    return sorted({*chosen, *((name, packs[name]) for name in amount.packs if name in packs)})
