"""Deal pieces to sides so that each side gets its share of everything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SWEEPS = 4  # in which pieces may still change sides, or places with others
TRIED = 16  # others that each piece may change places with


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
    first, then by moving single pieces and by exchanging two. No side gets more than ``most`` (K,) of the first column,
    unless by what is ``fixed`` (S,): the side of a structure that has one already, and of its piece; -1 for all others.
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
    for _ in range(SWEEPS if len(free) > 1 else 0):
        moved = 0
        for piece in free:
            here = side[piece]
            got[here] -= amounts[piece]
            side[piece] = chosen = best(piece)
            got[chosen] += amounts[piece]
            moved += int(chosen != here)
            others = free[rng.integers(0, len(free), TRIED)]
            other = _partner(piece, others, side, amounts, got - wanted, scale, most - got[:, 0])
            if other is not None:
                change = amounts[other] - amounts[piece]
                got[side[piece]] += change
                got[side[other]] -= change
                side[piece], side[other] = side[other], side[piece]
                moved += 1
        if not moved:
            break
    return np.asarray(side[of])


def _partner(
    piece: int,
    others: NDArray[np.int64],
    side: NDArray[np.int64],
    amounts: NDArray[np.float64],
    off: NDArray[np.float64],
    scale: NDArray[np.float64],
    room: NDArray[np.float64],
) -> int | None:
    """The one of ``others`` (m,) that a piece best changes places with; None where no such change helps.

    ``off`` (K, F) is what sides have beyond what they should, ``room`` (K,) what each may get yet of the first column.
    """
    here, there = side[piece], side[others]
    change = amounts[others] - amounts[piece]
    gain = (scale[here] * change * (2.0 * off[here] + change)).sum(axis=1)
    gain += (scale[there] * change * (change - 2.0 * off[there])).sum(axis=1)
    fits = (there != here) & (change[:, 0] <= room[here] + 1e-9) & (-change[:, 0] <= room[there] + 1e-9)
    gain[~fits] = 0.0
    best = int(gain.argmin())
    return int(others[best]) if gain[best] < -1e-9 else None
