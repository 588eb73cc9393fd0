"""Find the families that are off: by their energies, by the scale of their forces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from meagraph.datasets import AtomicDataset
from meagraph.force_field.observing import Observed
from meagraph.outliers.alike import Alike
from meagraph.outliers.families import Family, Kind, kinds_of, new_family, told_apart
from meagraph.outliers.held_out import HeldOut, energy_bases, held_out, weighted_median
from meagraph.outliers.levels import FLOOR, MINORITY, Levels, two_levels
from meagraph.outliers.units import as_if_in

FEWEST = 4  # structures of a family
ALONE = 3  # families of a kind, below which none is left out
CELLS = 10  # of alike structures, which take the place of families
SMALLEST = 0.02  # eV/atom; a smaller offset is never suspicious
DOUBTS = 5.0  # standard errors of a family's offset that raise the alarm
CLEAR = 6.0  # spreads of a level between two levels that do
MOSTLY = 0.85  # of a family that must share its offset for all of it to count
ENTIRELY = 0.95  # the same, for levels within it not to count
UNSURE = 0.2  # of the distance between two levels, by which one must lie farther off than the other
KNOWN = 5  # families that tell how far apart sound ones are
TELLING = 0.1  # eV/Å, root mean square of expected forces below which a ratio says nothing
WRONG = 2.0  # times larger or smaller than expected: forces in another unit
LIKE = 0.5  # of the ratio that structures in another unit have in common, by which theirs may differ
NEAR = 0.2  # the same for small ratios
ALONG = 0.7  # cosine between forces and what is expected of them, for a ratio to tell
SHARE = 0.15  # of those that tell in a family whose forces must be off


def off_together(
    seen: Observed,
    alike: Alike,
    dataset: AtomicDataset,
    residual: NDArray[np.float64],
    cluster: NDArray[np.int64] | None = None,
) -> tuple[Family, ...]:
    """Families that are off, the most suspicious first.

    ``residual`` (S,) are misfits of the energies in eV/atom to a robust fit without the structure itself, in which
    levels show as well. ``cluster`` (S,) of structures is optional, -1 for none.
    """
    kinds = kinds_of(dataset, cluster)
    wrong_forces = force_families(seen, kinds, dataset)
    known = np.flatnonzero(np.isfinite(dataset.energy))
    if len(known) < 2 * FEWEST:
        return told_apart(wrong_forces)
    bases, scatter = energy_bases(seen, alike, dataset)
    bases = tuple(basis.among(known) for basis in bases)
    energy = (dataset.energy / dataset.sizes)[known]
    few = [kind.among(known) for kind in kinds]
    cells = _cells(alike.shape[known])
    of_cells: HeldOut | None = None
    fits = []
    for kind in few:
        if len(kind.families) >= ALONE:
            fits.append(held_out(energy, kind.of, bases, scatter[known]))
        else:
            of_cells = of_cells or held_out(energy, cells, bases, scatter[known])
            fits.append(of_cells)
    found = [
        one
        for kind, fit in zip(few, fits, strict=True)
        for one in energy_families(energy, kind, fit, residual[known], dataset, known)
    ]
    return told_apart([*wrong_forces, *found])


def _cells(shape: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cells (K,) of alike structures by k-means on their ``shape`` (K, F), numbered from 0 without a gap."""
    count = max(min(CELLS, len(shape) // FEWEST), 1)
    _, cell = kmeans2(shape, count, minit="++", seed=0, missing="warn")
    return np.unique(cell, return_inverse=True)[1].astype(np.int64)


def energy_families(
    energy: NDArray[np.float64],
    kind: Kind,
    fit: HeldOut,
    residual: NDArray[np.float64],
    dataset: AtomicDataset,
    known: NDArray[np.int64],
) -> list[Family]:
    """Families of ``kind`` whose ``energy`` (K,) in eV/atom is off, of the ``known`` (K,) structures.

    Told by ``fit``, without each of them, and by the ``residual`` (K,) without the structure itself alone.
    """
    sizes = np.bincount(kind.of)
    found = []
    for number in np.flatnonzero(sizes >= FEWEST).tolist():
        inside = np.flatnonzero(kind.of == number)
        alone = len(kind.families) >= ALONE and 2 * len(inside) <= len(known)
        whole = _whole(fit, number, inside, sizes) if alone else None
        split = _two_levels(fit, residual, inside)
        if whole is not None and (split is None or (whole[2] >= 1.0 and _shared(fit, inside, whole[1]) >= ENTIRELY)):
            rows, offset, score = whole
            beside = "what the rest suggests"
        elif split is not None:
            rows, offset, score = split
            beside = "the others of it"
        else:
            continue
        if abs(offset) < SMALLEST or len(rows) == 0:
            continue
        members = known[rows]
        expected = float(np.median(energy[rows] - fit.misfit[rows]))
        what = f"lie {abs(offset):.2g} eV/atom {'above' if offset > 0 else 'below'} {beside}"
        what += as_if_in(float(np.median(energy[rows])), expected, per_atom=True)
        found.append(new_family(kind, number, "energy", members, dataset, offset=offset, score=score, what=what))
    return found


def _score(ratio: float) -> float:
    """A score from the ratio to what raises the alarm; below that it hardly counts."""
    return float(ratio if ratio >= 1.0 else ratio**2)


def _whole(
    fit: HeldOut, number: int, inside: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], float, float]:
    """Members, offset and score of a family as a whole."""
    others = np.flatnonzero((sizes >= FEWEST) & (np.arange(len(sizes)) != number))
    usual = 1.4826 * float(np.median(np.abs(fit.offset[others]))) if len(others) >= KNOWN else 2.0 * FLOOR
    offset = float(fit.offset[number])
    near = fit.misfit[inside] * np.sign(offset) > 0.5 * abs(offset)
    rows = inside if _shared(fit, inside, offset) >= MOSTLY else inside[near]
    doubts = abs(offset) / float(np.hypot(fit.doubt[number], max(usual, FLOOR)))
    return rows, offset, _score(doubts / DOUBTS)


def _shared(fit: HeldOut, inside: NDArray[np.int64], offset: float) -> float:
    """The part of a family that lies nearer to its ``offset`` than to what the rest suggests, of those that tell."""
    sure = inside[fit.spread[inside] < 0.5 * abs(offset)]
    near = fit.misfit[sure if len(sure) >= MINORITY else inside] * np.sign(offset) > 0.5 * abs(offset)
    return float(np.mean(near))


def _two_levels(
    fit: HeldOut, residual: NDArray[np.float64], inside: NDArray[np.int64]
) -> tuple[NDArray[np.int64], float, float] | None:
    """Members, offset and score where a family splits into two levels; None where it does not.

    The level that lies farther from what the rest suggests is off; where that cannot be told, the smaller one.
    """
    both = (two_levels(fit.inside[inside], fit.unsure[inside]), two_levels(residual[inside]))
    found = [(_clear(fit, levels, inside), levels) for levels in both if levels is not None]
    clear, levels = max(found, key=lambda one: one[0], default=(0.0, None))
    if levels is None or clear < CLEAR:
        return None
    upper, lower = inside[levels.upper], inside[~levels.upper]
    high, low = (weighted_median(fit.misfit[rows], fit.spread[rows] ** -2.0) for rows in (upper, lower))
    farther = abs(high) - abs(low)
    off = farther > 0.0 if abs(farther) > UNSURE * levels.apart else len(upper) < len(lower)
    rows = upper if off else lower
    return rows, (levels.apart if off else -levels.apart), _score(clear / CLEAR)


def _clear(fit: HeldOut, levels: Levels, inside: NDArray[np.int64]) -> float:
    """How far two levels of the structures ``inside`` lie apart, in spreads and doubts of that."""
    return levels.apart / float(np.hypot(levels.spread, fit.between(inside[levels.upper], inside[~levels.upper])))


def force_families(seen: Observed, kinds: Sequence[Kind], dataset: AtomicDataset) -> list[Family]:
    """Families whose forces point where the quick field expects them, but are several times as large or small."""
    known = np.isfinite(dataset.forces).all(axis=1) & np.isfinite(seen.forces).all(axis=1)
    along, power, own = (
        np.add.reduceat(np.where(known, product.sum(axis=1), 0.0), dataset.offsets[:-1])
        for product in (dataset.forces * seen.forces, seen.forces**2, dataset.forces**2)
    )
    telling = power > dataset.sizes * TELLING**2
    ratio = np.where(telling, along / np.where(telling, power, 1.0), 1.0)
    wrong = telling & ((ratio < 1.0 / WRONG) | (ratio > WRONG))
    found = []
    for kind in kinds:
        for number in range(len(kind.families)):
            inside = np.flatnonzero(kind.of == number)
            rows = inside[wrong[inside]]
            if len(rows) < MINORITY:
                continue
            level = float(np.median(ratio[rows]))
            rows = rows[np.abs(ratio[rows] - level) < max(LIKE * abs(level), NEAR)]
            cosine = abs(along[rows].sum()) / np.sqrt(power[rows].sum() * own[rows].sum() + np.finfo(float).tiny)
            told = int(telling[inside].sum())
            if len(rows) < max(MINORITY, SHARE * told) or cosine < ALONG or level == 0.0:
                continue
            rows = inside if len(rows) >= MOSTLY * max(told, len(inside) / 2) else rows
            unit = as_if_in(level, 1.0)
            if not unit:
                continue  # a field that is asked for what it has not seen is off by any factor
            what = f"have forces {level:.2g} times those that a quick model expects{unit}"
            score = max(float(abs(np.log(abs(level))) / np.log(WRONG)), 1.0 + (level < 0))
            found.append(new_family(kind, number, "forces", rows, dataset, offset=level, score=score, what=what))
    return found
