"""Chinese whispers over a weighted graph: every node takes the label that weighs most among its neighbours, until none moves.

Nodes whisper in ``_COLOURS`` shifts, since two that swap labels at the same moment would do so for ever.  Weights are whole
numbers, so that their sums are the same in whatever order they are added; of labels that weigh the same a node keeps its
own, else takes the smallest.  After the first turn only neighbours of those that moved are asked again.

Guarantee: the outcome depends on the graph alone; at most ``_TURNS`` turns.  Not guaranteed: that a label's nodes are
connected, or that another order of shifts gives the same.

Source: Biemann, "Chinese Whispers", TextGraphs 2006, there with a random order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]

_TURNS = 20
_COLOURS = 4
_MIX = 2_654_435_761  # Knuth's multiplier: neighbours in number fall into different shifts


class _Shift(NamedTuple):
    """The edges of the nodes of one shift: from ``node`` (ascending) to ``other``."""

    node: Ids
    other: Ids
    weight: Ids


def whispers(nodes: int, a: Ids, b: Ids, weight: Ids) -> Ids:
    """Return a label for each of ``nodes`` nodes: the number of one of its group.

    Args:
        nodes: how many.
        a: int64[m], an end of each edge.
        b: int64[m], the other one; no node is its own neighbour.
        weight: int64[m], above 0.
    """
    shifts = _shifts(nodes, a, b, weight)
    labels, awake = np.arange(nodes), np.ones(nodes, np.bool_)
    for _ in range(_TURNS):
        moved = np.zeros(nodes, np.bool_)
        for shift in shifts:
            moved |= _whisper(shift, labels, awake)
        if not moved.any():
            break
        awake[:] = False
        for shift in shifts:
            awake[shift.other[moved[shift.node]]] = True
    return labels


def _shifts(nodes: int, a: Ids, b: Ids, weight: Ids) -> list[_Shift]:
    colour = (np.arange(nodes) * _MIX >> 16) % _COLOURS
    made = []
    for number in range(_COLOURS):
        left, right = colour[a] == number, colour[b] == number
        node = np.concatenate([a[left], b[right]])
        order = np.argsort(node, kind="stable")
        other, both = np.concatenate([b[left], a[right]]), np.concatenate([weight[left], weight[right]])
        made.append(_Shift(node[order], other[order], both[order]))
    return made


def _whisper(shift: _Shift, labels: Ids, awake: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Let the shift's nodes that are awake take new labels, in place; return which nodes did."""
    moved = np.zeros(len(labels), np.bool_)
    mine = awake[shift.node]
    if not mine.any():
        return moved
    nodes, taken = _heaviest(shift.node[mine], labels[shift.other[mine]], shift.weight[mine], labels)
    moved[nodes] = labels[nodes] != taken
    labels[nodes] = taken
    return moved


def _heaviest(node: Ids, label: Ids, weight: Ids, own: Ids) -> tuple[Ids, Ids]:
    """Return the nodes, each once, and the label that weighs most for each."""
    key = node * len(own) + label
    order = np.argsort(key)
    key, weight = key[order], weight[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    node, label = np.divmod(key[starts], len(own))
    heavy = np.add.reduceat(weight, starts) * 2 + (label == own[node])  # twice, and one more for its own
    ends = np.flatnonzero(np.diff(node, append=-1))
    order = np.lexsort((-label, heavy, node))  # a node's last is its heaviest, of those the smallest label
    return node[order[ends]], label[order[ends]]
