"""What of a large dataset a page holds: which environments are drawn, and of which structures the atoms are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POINTS = 50_000  # environments that are drawn at most
ATOMS = 1_000_000  # in the structures that a page holds; they make most of its size


@dataclass(frozen=True, eq=False)
class Sample:
    """Which of N environments are drawn, and why these."""

    rows: NDArray[np.int64]  # (n,) ascending
    environments: int  # N
    representatives: int  # how many of them are representatives of others

    @property
    def whole(self) -> bool:
        """All environments are drawn."""
        return len(self.rows) == self.environments

    @property
    def words(self) -> str:
        """What is drawn, in a sentence; empty where that is everything."""
        if self.whole:
            return ""
        rest = len(self.rows) - self.representatives
        return (
            f"The map shows {len(self.rows):,} of {self.environments:,} environments: {self.representatives:,} "
            f"representatives, so that what is rare is there, and {rest:,} drawn at random. Counts and shares are "
            "those of all."
        )


def sample(
    environments: int,
    representatives: NDArray[np.int64],
    wanted: NDArray[np.int64],
    *,
    points: int = POINTS,
    seed: int = 0,
) -> Sample:
    """All environments where these are at most ``points``; else ``wanted`` ones, representatives, and random others.

    ``wanted`` rows are there in any case, up to ``points``. Of more representatives than there is room for a random
    part is taken; where there is room left, it is filled at random.
    """
    if environments <= points:
        return Sample(np.arange(environments), environments, len(representatives))
    rng = np.random.default_rng(seed)
    first = np.unique(wanted)[:points]
    others = rng.permutation(np.setdiff1d(representatives, first))[: points - len(first)]
    chosen = np.zeros(environments, dtype=bool)
    chosen[first] = chosen[others] = True
    left = rng.permutation(np.flatnonzero(~chosen))[: points - len(first) - len(others)]
    chosen[left] = True
    rows = np.flatnonzero(chosen)
    return Sample(rows, environments, int(np.isin(rows, representatives).sum()))


def structures_held(
    structure_of: NDArray[np.int64],
    sizes: NDArray[np.int64],
    first: NDArray[np.int64],
    *,
    atoms: int = ATOMS,
    seed: int = 0,
) -> NDArray[np.bool_]:
    """Structures (S,) whose atoms a page holds: of the drawn environments, of which ``structure_of`` (n,) says where.

    Those of ``first`` come first, then others in random order, as long as there are at most ``atoms`` in all.
    """
    rng = np.random.default_rng(seed)
    drawn = np.unique(structure_of)
    order = np.concatenate([first, rng.permutation(np.setdiff1d(drawn, first))])
    order = order[np.sort(np.unique(order, return_index=True)[1])]
    held = np.zeros(len(sizes), dtype=bool)
    held[order[np.cumsum(sizes[order]) <= atoms]] = True
    return held
