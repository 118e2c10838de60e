"""Which damaged packs may go: those that hold nothing any more that is not whole elsewhere.  Pure.

They are not removed here.  A retention record marks them; whoever removes them later looks again whether a snapshot needs a
part whose only good place is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


def plan_quarantine(
    damaged: Mapping[bytes, Collection[bytes]],
    parts_of: Callable[[bytes], Collection[bytes]],
    has: Callable[[bytes], bool],
    lost: Collection[bytes],
    *,
    is_blind: bool,
) -> list[bytes]:
    """The packs of ``damaged`` that nothing needs.

    Args:
        damaged: packs with the ids of the parts that cannot be read in them.
        parts_of: what is known of the parts that a pack holds; nothing, where nobody can tell.
        has: whether a part has a good place in a pack that is not damaged.
        lost: parts that snapshots need and that have no good place anywhere.
        is_blind: whether something that snapshots need may be unknown.
    """
    return sorted(
        pack for pack, bad in damaged.items() if _is_needless(parts_of(pack), bad, has, lost, is_blind=is_blind)
    )


def _is_needless(
    parts: Collection[bytes],
    bad: Collection[bytes],
    has: Callable[[bytes], bool],
    lost: Collection[bytes],
    *,
    is_blind: bool,
) -> bool:
    if not parts:
        return not lost and not is_blind
    return all(has(part) or (part in bad and not is_blind and part not in lost) for part in parts)
