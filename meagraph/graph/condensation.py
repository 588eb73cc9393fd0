"""Descriptors to representatives with multiplicities: an epsilon-net.

Datasets that need pruning repeat themselves, so the model works on representatives: every environment lies
within epsilon of its representative, and representatives lie more than epsilon apart. Cost grows with the
diversity of the data, not with its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import Shown
from meagraph.errors import MEAGraphError
from meagraph.files import read_arrays, write_arrays
from meagraph.graph import loops, nets
from meagraph.graph.distinct import CHUNK, blocks, exact_duplicates
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, Workers, map_chunks
from meagraph.workers.sharing import Array

RELATIVE_EPSILON = 1e-4  # of the diameter; method.md's measurements: agrees with the dense method (ARI 0.98)
BUDGET = 20_000
_PAIRS = 4_000_000  # distances at a time: 32 MB
SWEEPS = 128  # first representatives, found by plain passes over all rows
STEPS = 256  # representatives between two reports of progress


@dataclass(frozen=True, eq=False, repr=False)
class Condensed(Shown):
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

    def _line(self) -> str:
        return f"{self.size:,} representatives of {len(self.assignment):,} environments"


@dataclass(frozen=True, eq=False)
class ScaledRows:
    """Descriptors with columns of unit norm, scaled where they are read: nothing of their size need be in memory.

    Indexed like an array (N, D): ``rows[3:9]`` and ``rows[[5, 2]]`` are arrays of float64.
    """

    values: NDArray[np.floating]  # (N, D), possibly memory-mapped
    norms: NDArray[np.float64]  # (D,)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, D)."""
        return self.values.shape

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> NDArray[np.float64]:
        found = np.array(self.values[rows], dtype=np.float64)
        found /= self.norms
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)


Points = NDArray[np.float64] | ScaledRows
"""Descriptors (N, D), columns of unit norm."""


@dataclass(frozen=True, eq=False)
class SharedPoints:
    """Points as a task can be told them."""

    values: Array
    norms: NDArray[np.float64] | None = None  # (D,), None where the values are scaled

    def load(self) -> Points:
        """The points (N, D)."""
        values = self.values.load()
        return values if self.norms is None else ScaledRows(values, self.norms)


def share_points(points: Points, workers: Workers) -> SharedPoints:
    """What tasks of ``workers`` are told of ``points``."""
    if isinstance(points, ScaledRows):
        return SharedPoints(workers.share("descriptors", points.values), points.norms)
    return SharedPoints(workers.share("points", points))


def scaled_rows(values: NDArray[np.floating], workers: Workers = HERE) -> ScaledRows:
    """What :func:`unit_columns` gives, without a copy of ``values`` (N, D); their squares are summed by ``workers``."""
    return ScaledRows(values, column_norms(values, workers=workers))


def unit_columns(values: NDArray[np.floating], weights: NDArray[np.integer] | None = None) -> NDArray[np.float64]:
    """Scale the columns of ``values`` (N, D) to unit L2 norm over their rows, a row counting ``weights`` times.

    A column of zeros stays zero. Source: arXiv 2509.12358, the scaling before the similarity graph.
    """
    return np.asarray(values, dtype=np.float64) / column_norms(values, weights)


def column_norms(
    values: NDArray[np.floating], weights: NDArray[np.integer] | None = None, *, workers: Workers = HERE
) -> NDArray[np.float64]:
    """What :func:`unit_columns` divides the columns of ``values`` (N, D) by: (D,), 1 for a column of zeros."""
    shared = workers.share("descriptors", values)
    chunks = [(part, None if weights is None else weights[part]) for part in blocks(len(values), CHUNK)]
    parts = map_chunks(partial(squares_of, shared), chunks, workers)
    square = np.sum(list(parts), axis=0)
    return np.sqrt(np.where(square > 0, square, 1.0))


def squares_of(shared: Array, chunk: tuple[slice, NDArray[np.integer] | None]) -> NDArray[np.float64]:
    """A task: the sum of the squares (D,) of some rows, weighed or not."""
    rows, weights = chunk
    values = shared.load()[rows]
    square = np.zeros(values.shape[1])
    for part in blocks(len(values)):
        squares = np.asarray(values[part], dtype=np.float64) ** 2
        square += (squares if weights is None else weights[part, None] * squares).sum(axis=0)
    return square


def _distances(points: Points, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """From every row of ``points`` (N, D) to ``place`` (D,): (N,)."""
    return np.concatenate([np.linalg.norm(points[part] - place, axis=1) for part in blocks(len(points))])


def diameter(points: NDArray[np.float64]) -> float:
    """Largest distance between two rows of ``points`` (N, D), exactly.

    With r the distance from the centroid, a pair can be the farthest only if the sum of its two r reaches a
    known lower bound, so few points need a comparison.
    """
    centre = points.mean(axis=0)
    radius = _distances(points, centre)
    far = int(radius.argmax())
    for _ in range(3):  # walk to the farthest point: a lower bound, often the answer
        distance = _distances(points, points[far])
        far = int(distance.argmax())
    bound = float(distance.max())
    order = np.argsort(-radius)
    order = order[radius[order] + radius[order[0]] >= bound * (1.0 - 1e-12)]  # no pair is lost to rounding
    candidates, radius = points[order] - centre, radius[order]  # inner products lose no digits to a common offset
    best = bound
    step = max(1, _PAIRS // len(candidates))
    for start in range(0, len(candidates), step):
        stop = int(np.searchsorted(-radius, radius[start] - best, side="right"))  # partners that can reach best
        if stop <= start:
            break
        block, others = candidates[start : start + step], candidates[start:stop]
        square = (block**2).sum(1)[:, None] + (others**2).sum(1)[None, :] - 2.0 * block @ others.T
        i, j = np.unravel_index(int(square.argmax()), square.shape)
        best = max(best, float(np.linalg.norm(block[i] - others[j])))
    return best


def condense(
    points: Points,
    *,
    epsilon: float | None = None,
    budget: int = BUDGET,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Condensed:
    """Condense scaled descriptors ``points`` (N, D) into an epsilon-net.

    Farthest-point traversal (Gonzalez, Theor. Comput. Sci. 38, 293, 1985) from the row farthest from the mean: the
    next representative is always the row farthest from all others, until every row lies within epsilon. Whatever
    the number of representatives, no net of as many covers the rows within half of its epsilon. With
    ``epsilon`` None it ends at 1e-4 of the diameter, or at ``budget`` representatives, and epsilon is then what
    they reach; a given epsilon is kept whatever their number. ``epsilon=0`` merges exact duplicates only.
    Equal input gives an equal net, and but for ties the order of the rows does not matter. ``points`` are read in
    blocks; in memory are the distinct rows, once, and a few numbers for each row.

    Of more than :data:`meagraph.graph.nets.ROWS` distinct rows chunks are condensed by ``workers`` and their nets
    merged: every row has the nearest representative, within the given epsilon, and a budget's epsilon is at most four
    times that of the best net (:mod:`meagraph.graph.nets`). The diameter is then that of what the chunks chose.

    Raises MEAGraphError for non-finite points, a negative epsilon or a budget below 1.
    """
    if len(points.shape) != 2 or len(points) == 0:
        raise MEAGraphError(f"condense expects descriptors of shape (N, D) with N > 0, got {points.shape}.")
    if epsilon is not None and not epsilon >= 0:
        raise MEAGraphError(f"epsilon must be 0 or positive, got {epsilon}.")
    if budget < 1:
        raise MEAGraphError(f"The budget must be at least 1 representative, got {budget}.")
    shared = share_points(points, workers)
    first, inverse = exact_duplicates(shared, len(points), workers)
    if len(first) > nets.ROWS:
        net = nets.net_of_chunks(
            shared,
            first,
            farthest_first,
            epsilon=epsilon,
            relative=RELATIVE_EPSILON,
            most=len(first) if epsilon is not None else budget,
            workers=workers,
            progress=progress,
        )
        chosen, owner, distance, limit, span = net.chosen, net.owner, net.distance, net.limit, net.span
    else:
        most = len(first) if epsilon is not None else min(budget, len(first))
        (chosen, owner, square), limit, span = farthest_first(points, first, epsilon, most, progress)
        order = np.argsort(first[chosen])  # representatives are numbered in file order
        chosen, owner, distance = chosen[order], np.argsort(order)[owner], np.sqrt(square)
    assignment = owner[inverse].astype(np.int64)
    return Condensed(
        representatives=first[chosen].astype(np.int64),
        assignment=assignment,
        distance=distance[inverse],
        multiplicity=np.bincount(assignment, minlength=len(chosen)).astype(np.int64),
        epsilon=limit if epsilon is not None else max(limit, float(distance.max())),
        diameter=span,
    )


Net = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""The chosen rows (M,), the index into them that each row belongs to (N,), and the squared distance (N,)."""


def farthest_first(
    points: Points,
    first: NDArray[np.int64],
    epsilon: float | None,
    most: int,
    progress: Progress,
    *,
    relative: float = RELATIVE_EPSILON,
) -> tuple[Net, float, float]:
    """The net of the rows ``first`` (N,) by at most ``most`` of them, the epsilon asked for, and the diameter.

    Where none is asked for it is ``relative`` times the diameter.
    """
    rows = points[first]
    span = diameter(rows)
    limit = relative * span if epsilon is None else float(epsilon)
    net = _sweep(rows, limit**2, min(most, SWEEPS), progress)
    chosen, owner, square = net
    if len(chosen) < most and square.max() > limit**2:
        order = np.argsort(owner, kind="stable")  # rows of a cell side by side in memory, in file order within it
        del rows  # there is room for one copy only
        net = _along_cells(points[first[order]], order, net, limit**2, most, progress)
    return net, limit, span


def _sweep(rows: NDArray[np.float64], least: float, most: int, progress: Progress) -> Net:
    """Up to ``most`` of ``rows`` (N, D) in farthest-point order, until no square exceeds ``least``: a pass for each."""
    square = np.full(len(rows), np.inf)
    owner = np.zeros(len(rows), dtype=np.int64)
    chosen = np.empty(most, dtype=np.int64)
    chosen[0] = int(_distances(rows, rows.mean(axis=0)).argmax())
    loops.nearest_so_far(rows, chosen, square, owner, 0, 1)
    count = 1
    while count < most and square.max() > least:
        chosen[count] = int(square.argmax())
        loops.nearest_so_far(rows, chosen, square, owner, count, count + 1)
        count += 1
        progress(0, most, f"{count:,} representatives")
    return chosen[:count], owner, square


def _along_cells(
    rows: NDArray[np.float64],
    order: NDArray[np.int64],
    net: Net,
    least: float,
    most: int,
    progress: Progress,
) -> Net:
    """Carry on from the ``net`` that :func:`_sweep` found, where a new representative takes from few cells only.

    ``rows`` (N, D) come in the ``order`` (N,) of their owners.
    """
    chosen, owner, square = net
    size, count = len(rows), len(chosen)
    near, cell = square[order], owner[order]
    position = np.empty(size, dtype=np.int64)
    position[order] = np.arange(size)
    picked = np.empty(most, dtype=np.int64)
    picked[:count] = position[chosen]
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
        count = loops.farthest_first(rows, picked, count, STEPS, least, near, cell, following, head, radius, far)
        progress(count, most, f"{count:,} representatives")
        if count < before + STEPS:
            break
    return order[picked[:count]], cell[position], near[position]


def write_condensed(path: Path, condensed: Condensed) -> None:
    """Write for :func:`read_condensed`."""
    write_arrays(path, arrays_of(condensed))


def read_condensed(path: Path) -> Condensed:
    """Read what :func:`write_condensed` wrote."""
    return condensed_from(read_arrays(path))


def arrays_of(condensed: Condensed) -> dict[str, Any]:
    """The fields by name, as files keep them."""
    return {field.name: getattr(condensed, field.name) for field in fields(Condensed)}


def condensed_from(data: Mapping[str, NDArray[Any]]) -> Condensed:
    """The inverse of :func:`arrays_of`; other arrays in ``data`` do not matter. Raises KeyError for a missing one."""
    found: dict[str, Any] = {field.name: data[field.name] for field in fields(Condensed)}
    return Condensed(**{**found, "epsilon": float(found["epsilon"]), "diameter": float(found["diameter"])})
