"""Deal pieces to sides so that each side gets its share of everything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SWEEPS = 4  # in which pieces may still change sides


def deal(
    pieces: NDArray[np.int64],
    content: NDArray[np.float64],
    weights: NDArray[np.float64],
    shares: NDArray[np.float64],
    most: NDArray[np.float64],
    fixed: NDArray[np.int64],
    *,
    seed: int,
) -> NDArray[np.int64]:
    """The side (S,) of each structure; those of one piece are on one side.

    What is to be shared out are the F columns of ``content`` (S, F), each in units of structures. Side k should get
    ``shares`` (K,) of each column: the sum over sides and columns of ``weights`` (F,) times (got - wanted)² / share is
    made small (as iterative stratification does: K. Sechidis et al., ECML PKDD 2011), first piece by piece, the largest
    first, then by moving single pieces. No side gets more than ``most`` (K,) of the first column, unless by what is
    ``fixed`` (S,): the side of a structure that has one already, and of its piece; -1 for all others.
    """
    names, of = np.unique(pieces, return_inverse=True)
    amounts = np.zeros((len(names), content.shape[1]))
    np.add.at(amounts, of, content)
    given = np.full(len(names), -1, dtype=np.int64)
    np.maximum.at(given, of, fixed)
    open_sides = np.flatnonzero(shares > 0)
    wanted = shares[:, None] * content.sum(axis=0)
    scale = weights / np.maximum(shares, 1e-12)[:, None]
    got = np.zeros_like(wanted)
    np.add.at(got, given[given >= 0], amounts[given >= 0])
    side = given.copy()
    rng = np.random.default_rng(seed)
    free = rng.permutation(np.flatnonzero(given < 0))
    free = free[np.argsort(-amounts[free, 0], kind="stable")]

    def best(piece: int) -> int:
        amount = amounts[piece]
        cost = (scale * amount * (2.0 * (got - wanted) + amount)).sum(axis=1)
        fits = open_sides[got[open_sides, 0] + amount[0] <= most[open_sides] + 1e-9]
        among = fits if len(fits) else open_sides[[np.argmax((most - got[:, 0])[open_sides])]]
        return int(among[cost[among].argmin()])

    for piece in free:
        side[piece] = chosen = best(piece)
        got[chosen] += amounts[piece]
    for _ in range(SWEEPS):
        moved = 0
        for piece in free:
            got[side[piece]] -= amounts[piece]
            chosen = best(piece)
            moved += int(chosen != side[piece])
            side[piece] = chosen
            got[chosen] += amounts[piece]
        if not moved:
            break
    return np.asarray(side[of])
