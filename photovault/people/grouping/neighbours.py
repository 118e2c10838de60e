"""Which vectors lie near each other: the graph that grouping works on.  The only home of faiss.

Up to ``EXACT_MOST`` vectors every pair is measured, in blocks of matrix products.  Above that, and where faiss is there, an
inverted file does it: k-means with a fixed seed splits the vectors into about 4 * sqrt(n) cells, and each vector looks
into the ``_PROBES`` cells that are nearest to it, at no more than ``_VISITS`` vectors for each of them.  Without faiss every
pair is measured whatever the number: the same, slower (100,000 faces: a minute or two).

Guarantee: the same vectors in the same order give the same edges, on one machine; memory is that of the vectors (twice with
faiss), of the edges (at most ``k`` for a vector) and of one block.  Not guaranteed: with faiss, every last neighbour; of those
that matter to grouping about 95 in 100 are found, and the merging looks at the middles of groups once more.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Rows = NDArray[np.int64]

EXACT_MOST = 12_000
_BLOCK = 1 << 24  # distances that are held at a time: 64 MB
_PROBES = 16
_VISITS = 3  # times the mean number of vectors in a cell
_TRAIN = 40  # vectors a cell that k-means learns from
_LEAST = 39  # vectors a cell, of which faiss wants as many to learn from
_ROUNDS = 6


class _Index(Protocol):
    """What is used of faiss's."""

    def search(self, asking: Vectors, k: int) -> tuple[Vectors, Rows]:
        """Return squared distances and rows of the k nearest of each, -1 for none."""


class Edges(NamedTuple):
    """Pairs that are near each other, each once, ascending: ``a`` < ``b`` int64[m] are rows; ``distances`` float32[m]."""

    a: Rows
    b: Rows
    distances: NDArray[np.float32]


_NONE = Edges(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def graph(vectors: Vectors, k: int, radius: float, *, threads: int = 0) -> Edges:
    """Return the pairs of rows of which one is among the ``k`` nearest of the other, and nearer than ``radius``.

    Args:
        vectors: float32[n, d].
        k: neighbours of a vector, itself not counted; at least 1.
        radius: Euclidean distance.
        threads: how many may work; 0 for as many as there are processors.
    """
    return _once(between(vectors, vectors, k + 1, radius, threads=threads), len(vectors))


def between(asking: Vectors, among: Vectors, k: int, radius: float, *, threads: int = 0) -> Edges:
    """Return (row of ``asking``, row of ``among``, distance) of the ``k`` nearest of each row, nearer than ``radius``.

    The pairs are in the order of ``asking``; here ``a`` need not be the smaller.
    """
    if not (len(asking) and len(among)):
        return _NONE
    indexed = _faiss() if min(len(asking), len(among)) > EXACT_MOST else None
    found = _exact(asking, among, k, radius) if indexed is None else _cells(indexed, asking, among, k, radius, threads)
    parts = [part for part in found if part.a.size]
    if not parts:
        return _NONE
    return Edges(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _once(found: Edges, n: int) -> Edges:
    low, high = np.minimum(found.a, found.b), np.maximum(found.a, found.b)
    keys = low * n + high
    keys[low == high] = -1
    keys, first = np.unique(keys, return_index=True)
    keys, first = keys[keys >= 0], first[keys >= 0]
    return Edges(keys // n, keys % n, found.distances[first])


def _exact(asking: Vectors, among: Vectors, k: int, radius: float) -> Iterator[Edges]:
    middle = among.mean(axis=0)  # nearer to the origin less is lost in the difference of large numbers
    others = among - middle
    lengths = np.einsum("nd,nd->n", others, others)
    step = max(1, _BLOCK // max(1, len(among)))
    for at in range(0, len(asking), step):
        here = asking[at : at + step] - middle
        squares = here @ others.T
        squares *= -2
        squares += lengths
        squares += np.einsum("nd,nd->n", here, here)[:, None]
        yield _nearest(squares, at, k, radius)


def _nearest(squares: NDArray[np.float32], at: int, k: int, radius: float) -> Edges:
    near = squares < radius * radius
    for row in np.flatnonzero(near.sum(axis=1) > k):
        inside = np.flatnonzero(near[row])
        far = inside[np.argsort(squares[row, inside], kind="stable")[k:]]
        near[row, far] = False
    flat = np.flatnonzero(near)
    rows, columns = np.divmod(flat, squares.shape[1])
    return Edges(rows + at, columns, np.sqrt(np.maximum(squares.ravel()[flat], 0)))


def _cells(faiss: ModuleType, asking: Vectors, among: Vectors, k: int, radius: float, threads: int) -> Iterator[Edges]:
    if threads:
        faiss.omp_set_num_threads(threads)
    index = _index(faiss, np.ascontiguousarray(among))
    step = max(1, _BLOCK // (16 * k))
    for at in range(0, len(asking), step):
        squares, rows = index.search(np.ascontiguousarray(asking[at : at + step]), k)
        flat = np.flatnonzero((squares < radius * radius) & (rows >= 0))
        yield Edges(flat // k + at, rows.ravel()[flat], np.sqrt(squares.ravel()[flat]))


def _index(faiss: ModuleType, among: Vectors) -> _Index:
    cells = min(4 * int(len(among) ** 0.5), len(among) // _LEAST)
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(among.shape[1]), among.shape[1], cells)
    index.own_fields = False
    index.cp.niter, index.cp.max_points_per_centroid = _ROUNDS, _TRAIN
    index.train(among)
    index.add(among)
    index.nprobe, index.max_codes = _PROBES, _VISITS * _PROBES * len(among) // cells
    made: _Index = index
    return made


def _faiss() -> ModuleType | None:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        return None
