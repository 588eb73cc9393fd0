"""Structures that cover the bins of a ranking at the least cost, or drawn at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.pruning.allocation import share_out
from meagraph.pruning.loops import greedy_cover
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.shares import Shares

EXACT = 10_000  # structures up to which each is the best; beyond, nearly so
SLACK = 0.1


def cover(
    ranking: Ranking,
    offsets: NDArray[np.int64],
    *,
    stays: NDArray[np.bool_],
    barred: NDArray[np.bool_],
    target: int,
    room: int,
    shares: Shares,
    until_covered: float | None = None,
    limit: str = "atoms",
    fewest: str = "atoms",
) -> NDArray[np.bool_]:
    """The structures (S,) that cover the bins' targets, one by one the one that adds most for what it costs.

    The bins share ``target`` environments by ``shares``; where the selector knows no variety, their size is in its
    place. A bin of target t that holds n environments is worth t h(n / t) with h(x) = x - x²/2 up to x = 1, and 1/2
    beyond: the first count most. Of equal gains, the structure whose best environment ranks first. Of more than EXACT
    structures, one is taken whose gain is within SLACK of the largest: the near ties of a redundant dataset would cost
    most of the time. The greedy choice for such sums is within 63 % of the best (Nemhauser, Wolsey and Fisher, Math.
    Program. 14, 265, 1978).

    ``stays`` (S,) are kept before all others, ``barred`` (S,) never. What is known already fills the bins before them,
    takes no room and is not among the kept. ``room`` is how many atoms, or structures where
    ``limit`` is "structures", are kept at most; with ``until_covered``, as many as it takes for the bins to hold this
    percentage of their targets, no bin counting for more than its own. A structure costs its atoms, or 1 where
    ``fewest`` is "structures".
    """
    atoms = np.diff(offsets)
    structure_of = np.repeat(np.arange(len(atoms)), atoms)
    one = np.ones_like(atoms)
    known = ranking.held[offsets[:-1]]
    target = target + int(atoms[known].sum())
    room = room + int((one if limit == "structures" else atoms)[known].sum())
    barred = barred & ~known
    free = ~barred[structure_of]
    count = len(ranking.sizes)
    sizes = np.bincount(ranking.bin[free], minlength=count)
    targets = share_out(sizes, target, ranking.weights(shares, sizes, ranking.variety(free)))
    first = np.minimum.reduceat(ranking.rank / np.maximum(targets, 0.5)[ranking.bin], offsets[:-1])
    pairs, counts = np.unique(structure_of * count + ranking.bin, return_counts=True)
    kept: NDArray[np.bool_] = greedy_cover(
        np.searchsorted(pairs, np.arange(len(atoms) + 1) * count),
        pairs % count,
        counts,
        one if limit == "structures" else atoms,
        one if fewest == "structures" else atoms,
        np.argsort(first, kind="stable"),
        targets.astype(np.float64),
        stays | known,
        barred,
        room if until_covered is None else int(atoms.sum()),
        1.0 if until_covered is None else until_covered / 100.0,
        0.0 if len(atoms) <= EXACT else SLACK,
    )
    return kept & ~known


def draw(
    sizes: NDArray[np.int64],
    *,
    stays: NDArray[np.bool_],
    barred: NDArray[np.bool_],
    room: int,
    limit: str = "atoms",
    seed: int | np.random.Generator = 0,
) -> NDArray[np.bool_]:
    """Structures (S,) of ``sizes`` (S,) in any order, each that still fits; arguments as of :func:`cover`."""
    cost = np.ones_like(sizes) if limit == "structures" else sizes
    kept = stays.copy()
    left = room - int(cost[stays].sum())
    for index in np.random.default_rng(seed).permutation(np.flatnonzero(~stays & ~barred)):
        if cost[index] <= left:
            kept[index] = True
            left -= int(cost[index])
        if left <= 0:
            break
    return kept
