"""Descriptors to representatives with multiplicities: an epsilon-net.

Datasets that need pruning repeat themselves, so the model works on representatives: every environment lies
within epsilon of its representative, and representatives lie more than epsilon apart. Cost grows with the
diversity of the data, not with its size.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path
from meagraph.progress import Progress, silent

RELATIVE_EPSILON = 1e-4  # of the diameter; method.md's measurements: agrees with the dense method (ARI 0.98)
BUDGET = 20_000
GROWTH = 1.5  # how much epsilon grows when the budget is exceeded
_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class Condensed:
    """An epsilon-net of N environments by M representatives."""

    representatives: NDArray[np.int64]  # (M,) rows of the descriptors, ascending
    assignment: NDArray[np.int64]  # (N,) index into representatives
    distance: NDArray[np.float64]  # (N,) to the representative, at most epsilon
    multiplicity: NDArray[np.int64]  # (M,) environments each stands for
    epsilon: float  # in units of the scaled descriptors
    diameter: float  # largest distance between two environments, same units

    def __post_init__(self) -> None:
        if self.multiplicity.sum() != len(self.assignment):
            raise MEAGraphError(
                f"Condensed expects multiplicities that sum to {len(self.assignment)} environments, got "
                f"{self.multiplicity.sum()}; build it with condense()."
            )

    @property
    def size(self) -> int:
        """Number of representatives M."""
        return len(self.representatives)


def unit_columns(values: NDArray[np.floating], weights: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
    """Scale the columns of ``values`` (N, D) to unit L2 norm over their rows, a row counting ``weights`` times.

    A column of zeros stays zero. Source: arXiv 2509.12358, the scaling before the similarity graph.
    """
    values = np.asarray(values, dtype=np.float64)
    squares = values**2 if weights is None else weights[:, None] * values**2
    norm = np.sqrt(squares.sum(axis=0))
    return values / np.where(norm > 0, norm, 1.0)


def diameter(points: NDArray[np.float64]) -> float:
    """Largest distance between two rows of ``points`` (N, D), exactly.

    With r the distance from the centroid, a pair can be the farthest only if the sum of its two r reaches a
    known lower bound, so few points need a comparison.
    """
    points = points - points.mean(axis=0)  # distances by inner products lose no digits to a common offset
    radius = np.linalg.norm(points, axis=1)
    far = int(radius.argmax())
    for _ in range(3):  # walk to the farthest point: a lower bound, often the answer
        distance = np.linalg.norm(points - points[far], axis=1)
        far = int(distance.argmax())
    bound = float(distance.max())
    order = np.argsort(-radius)
    order = order[radius[order] + radius[order[0]] >= bound]
    candidates, radius = points[order], radius[order]
    best = bound
    for start in range(0, len(candidates), _BLOCK):
        stop = int(np.searchsorted(-radius, radius[start] - best, side="right"))  # partners that can reach best
        if stop <= start:
            break
        block, others = candidates[start : start + _BLOCK], candidates[start:stop]
        square = (block**2).sum(1)[:, None] + (others**2).sum(1)[None, :] - 2.0 * block @ others.T
        i, j = np.unravel_index(int(square.argmax()), square.shape)
        best = max(best, float(np.linalg.norm(block[i] - others[j])))
    return best


def condense(
    points: NDArray[np.float64],
    *,
    epsilon: float | None = None,
    budget: int = BUDGET,
    progress: Progress = silent,
) -> Condensed:
    """Condense scaled descriptors ``points`` (N, D) into an epsilon-net.

    Rows are visited in order; a row that no representative covers becomes one. Then every row is assigned to
    its nearest representative. Deterministic. With ``epsilon`` None it starts at 1e-4 of the diameter and grows
    until at most ``budget`` representatives remain; a given epsilon is kept whatever their number.
    ``epsilon=0`` merges exact duplicates only.

    Raises MEAGraphError for non-finite points, a negative epsilon or a budget below 1.
    """
    if points.ndim != 2 or len(points) == 0:
        raise MEAGraphError(f"condense expects descriptors of shape (N, D) with N > 0, got {points.shape}.")
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise MEAGraphError(
            f"Descriptors of environment {row} hold NaN or infinity; expected finite numbers. "
            "Look for overlapping atoms there, or compute the descriptors anew."
        )
    if epsilon is not None and not epsilon >= 0:
        raise MEAGraphError(f"epsilon must be 0 or positive, got {epsilon}.")
    if budget < 1:
        raise MEAGraphError(f"The budget must be at least 1 representative, got {budget}.")
    span = diameter(points)
    given = epsilon is not None
    unique, first, inverse = _exact_duplicates(points)
    tree = KDTree(unique)
    reach = float(epsilon) if epsilon is not None else max(RELATIVE_EPSILON * span, _least_epsilon(tree, budget))
    while True:
        chosen = _cover(tree, unique, first, reach, None if given else budget, progress)
        if chosen is not None:
            break
        reach *= GROWTH
    chosen = chosen[np.argsort(first[chosen])]
    distance, nearest = KDTree(unique[chosen]).query(unique, workers=-1)
    nearest[chosen], distance[chosen] = np.arange(len(chosen)), 0.0
    assignment = nearest[inverse].astype(np.int64)
    return Condensed(
        representatives=first[chosen].astype(np.int64),
        assignment=assignment,
        distance=distance[inverse],
        multiplicity=np.bincount(assignment, minlength=len(chosen)).astype(np.int64),
        epsilon=reach,
        diameter=span,
    )


def write_condensed(path: Path, condensed: Condensed) -> None:
    """Write as one NumPy archive without pickled objects, atomically."""
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(
            stream, allow_pickle=False, **{field.name: getattr(condensed, field.name) for field in fields(Condensed)}
        )


def read_condensed(path: Path) -> Condensed:
    """Read what :func:`write_condensed` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        data = dict(stored)
    return Condensed(**{**data, "epsilon": float(data["epsilon"]), "diameter": float(data["diameter"])})


def _exact_duplicates(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct rows, the first row each comes from, and the inverse map; compared as bytes (fast)."""
    rows = np.ascontiguousarray(points + 0.0)  # -0.0 and 0.0 are one value
    void = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, inverse = np.unique(void, return_index=True, return_inverse=True)
    return rows[first], first, inverse


def _least_epsilon(tree: KDTree, budget: int) -> float:
    """A lower bound of the epsilon that leaves ``budget`` representatives, from nearest-neighbour distances.

    All but ``budget`` points must be covered by another, so by one no nearer than their nearest neighbour.
    """
    excess = tree.n - budget
    if excess <= 0:
        return 0.0
    nearest = tree.query(tree.data, k=2, workers=-1)[0][:, 1]
    return float(np.partition(nearest, excess - 1)[excess - 1])


def _cover(
    tree: KDTree,
    points: NDArray[np.float64],
    first: NDArray[np.int64],
    epsilon: float,
    budget: int | None,
    progress: Progress,
) -> NDArray[np.int64] | None:
    """Greedy cover in file order; None as soon as it needs more than ``budget`` representatives."""
    covered = np.zeros(len(points), dtype=bool)
    chosen: list[int] = []
    for seen, row in enumerate(np.argsort(first)):
        if covered[row]:
            continue
        if budget is not None and len(chosen) == budget:
            return None
        chosen.append(int(row))
        covered[tree.query_ball_point(points[row], epsilon)] = True
        if len(chosen) % 256 == 0:
            progress(seen, len(points), f"{len(chosen):,} representatives")
    return np.asarray(chosen, dtype=np.int64)
