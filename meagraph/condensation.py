"""Descriptors to representatives with multiplicities: an epsilon-net.

Datasets that need pruning repeat themselves, so the model works on representatives: every environment lies
within epsilon of its representative, and representatives lie more than epsilon apart. Cost grows with the
diversity of the data, not with its size.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph import kernels
from meagraph.errors import MEAGraphError
from meagraph.files import read_arrays, write_arrays
from meagraph.progress import Progress, silent

RELATIVE_EPSILON = 1e-4  # of the diameter; method.md's measurements: agrees with the dense method (ARI 0.98)
BUDGET = 20_000
_BLOCK = 2048
_SWEEPS = 128  # first representatives, found by plain passes over all rows
_STEPS = 256  # representatives between two reports of progress


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

    @property
    def first(self) -> NDArray[np.int64]:
        """The first environment (M,), in file order, that each representative stands for."""
        first = np.empty(self.size, dtype=np.int64)
        first[self.assignment[::-1]] = np.arange(len(self.assignment))[::-1]  # of several the last written stays
        return first


def unit_columns(values: NDArray[np.floating], weights: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
    """Scale the columns of ``values`` (N, D) to unit L2 norm over their rows, a row counting ``weights`` times.

    A column of zeros stays zero. Source: arXiv 2509.12358, the scaling before the similarity graph.
    """
    return np.asarray(values, dtype=np.float64) / column_norms(values, weights)


def column_norms(values: NDArray[np.floating], weights: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
    """What :func:`unit_columns` divides the columns of ``values`` (N, D) by: (D,), 1 for a column of zeros."""
    values = np.asarray(values, dtype=np.float64)
    squares = values**2 if weights is None else weights[:, None] * values**2
    norm = np.sqrt(squares.sum(axis=0))
    return np.where(norm > 0, norm, 1.0)


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

    Farthest-point traversal (Gonzalez, Theor. Comput. Sci. 38, 293, 1985) from the row farthest from the mean: the
    next representative is always the row farthest from all others, until every row lies within epsilon. Whatever
    the number of representatives, no net of as many covers the rows within half of its epsilon. With
    ``epsilon`` None it ends at 1e-4 of the diameter, or at ``budget`` representatives, and epsilon is then what
    they reach; a given epsilon is kept whatever their number. ``epsilon=0`` merges exact duplicates only.
    Equal input gives an equal net, and but for ties the order of the rows does not matter.

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
    unique, first, inverse = _exact_duplicates(points)
    span = diameter(unique)
    limit = RELATIVE_EPSILON * span if epsilon is None else float(epsilon)
    most = budget if epsilon is None else len(unique)
    chosen, owner, square = _farthest_first(unique, limit, min(most, len(unique)), progress)
    rank = np.argsort(np.argsort(first[chosen]))  # representatives are numbered in file order
    assignment = rank[owner][inverse].astype(np.int64)
    distance = np.sqrt(square)
    return Condensed(
        representatives=np.sort(first[chosen]).astype(np.int64),
        assignment=assignment,
        distance=distance[inverse],
        multiplicity=np.bincount(assignment, minlength=len(chosen)).astype(np.int64),
        epsilon=limit if epsilon is not None else max(limit, float(distance.max())),
        diameter=span,
    )


def _farthest_first(
    points: NDArray[np.float64], epsilon: float, most: int, progress: Progress
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Up to ``most`` rows of ``points`` (N, D) in farthest-point order, until all lie within ``epsilon``.

    Returns the chosen rows (M,), the index into them that each row belongs to (N,), and the squared distance (N,).
    """
    size = len(points)
    square = np.full(size, np.inf)
    owner = np.zeros(size, dtype=np.int64)
    chosen = np.empty(most, dtype=np.int64)
    centred = ((points - points.mean(axis=0)) ** 2).sum(axis=1)
    chosen[0] = int(centred.argmax())
    least = epsilon**2
    count = 1
    kernels.nearest_so_far(points, chosen, square, owner, 0, 1)
    while count < min(most, _SWEEPS) and square.max() > least:  # while a new one takes from everywhere
        chosen[count] = int(square.argmax())
        kernels.nearest_so_far(points, chosen, square, owner, count, count + 1)
        count += 1
        progress(0, most, f"{count:,} representatives")
    if count == most or square.max() <= least:
        return chosen[:count], owner, square
    # rows of a cell side by side in memory, in file order within it: the traversal runs along cells
    order = np.argsort(owner, kind="stable")
    rows, near, cell = points[order], square[order], owner[order]
    position = np.empty(size, dtype=np.int64)
    position[order] = np.arange(size)
    picked = np.empty(most, dtype=np.int64)
    picked[:count] = position[chosen[:count]]
    starts = np.searchsorted(cell, np.arange(count + 1))
    following = np.arange(1, size + 1)
    following[starts[1:] - 1] = -1
    head, far = np.full(most, -1), np.full(most, -1)
    radius = np.full(most, -1.0)
    head[:count] = starts[:-1]
    for c in range(count):
        far[c] = starts[c] + int(near[starts[c] : starts[c + 1]].argmax())
        radius[c] = near[far[c]]
    while True:
        before = count
        count = kernels.farthest_first(rows, picked, count, _STEPS, least, near, cell, following, head, radius, far)
        progress(count, most, f"{count:,} representatives")
        if count < before + _STEPS:
            break
    square[order], owner[order] = near, cell
    return order[picked[:count]], owner, square


def write_condensed(path: Path, condensed: Condensed) -> None:
    """Write for :func:`read_condensed`."""
    write_arrays(path, {field.name: getattr(condensed, field.name) for field in fields(Condensed)})


def read_condensed(path: Path) -> Condensed:
    """Read what :func:`write_condensed` wrote."""
    data: dict[str, Any] = read_arrays(path)
    return Condensed(**{**data, "epsilon": float(data["epsilon"]), "diameter": float(data["diameter"])})


def _exact_duplicates(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct rows in file order, the first row each comes from, and the inverse map.

    Rows of one hash are compared with the first of them; should two that differ ever share one, both stay.
    """
    rows = np.ascontiguousarray(points, dtype=np.float64) + 0.0  # -0.0 and 0.0 are one value
    hashes = kernels.row_hashes(rows.view(np.uint64))
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    origin = first[inverse]
    same = origin == np.arange(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        same[part] = (rows[part] == rows[origin[part]]).all(axis=1)
    origin = np.where(same, origin, np.arange(len(rows)))
    distinct, inverse = np.unique(origin, return_inverse=True)
    return rows[distinct], distinct, inverse
