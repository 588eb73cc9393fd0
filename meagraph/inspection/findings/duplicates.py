"""Structures that repeat others, exactly or as good as, and whether their labels agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.datasets import AtomicDataset
from meagraph.inspection.findings.finding import Finding, finding
from meagraph.inspection.findings.neighbours import Seen
from meagraph.inspection.findings.thresholds import CUTOFF, NEAR, SAME, SAME_ENERGY, SAME_FORCE
from meagraph.inspection.findings.words import count
from meagraph.progress import Progress, silent

APART = 1000.0  # between the prints of different elements, so that none matches
BLOCK = 4_000_000  # numbers compared at once


def exact(dataset: AtomicDataset) -> list[Finding]:
    """Structures whose elements, positions and cell are those of an earlier one."""
    repeats = np.flatnonzero(dataset.first_equal != np.arange(dataset.n_structures))
    if not len(repeats):
        return []
    verb = "repeats" if len(repeats) == 1 else "repeat"
    total = f"{len(repeats):,} of {dataset.n_structures:,} structures"
    text = f"{total} {verb} an earlier one exactly: elements, positions, cell."
    return [finding("duplicates", "warning", text, repeats)]


def near(dataset: AtomicDataset, leader: NDArray[np.int64]) -> list[Finding]:
    """Structures that are as good as an earlier one: ``leader`` (S,) of :func:`leaders`."""
    own = dataset.first_equal == np.arange(dataset.n_structures)
    repeats = np.flatnonzero(own & (leader != np.arange(dataset.n_structures)))
    if not len(repeats):
        return []
    what = "is a near duplicate" if len(repeats) == 1 else "are near duplicates"
    text = (
        f"{len(repeats):,} of {dataset.n_structures:,} structures {what} of an earlier one: distances to neighbours "
        f"within {CUTOFF:g} Å agree to {NEAR:g} Å."
    )
    return [finding("near-duplicates", "note", text, repeats)]


def disagreeing(dataset: AtomicDataset, same: NDArray[np.int64]) -> list[Finding]:
    """Structures of one geometry with different labels; ``same`` (S,) names the first of each geometry.

    Forces are compared atom by atom between exact copies, otherwise by their lengths in order, which neither turning
    nor another order of the atoms changes.
    """
    members = np.flatnonzero(same != np.arange(dataset.n_structures))
    energy = dataset.energy / dataset.sizes
    by_energy = np.nan_to_num(np.abs(energy[members] - energy[same[members]]))
    by_force = np.nan_to_num([_forces_apart(dataset, int(one), int(same[one])) for one in members])
    wrong = (by_energy > SAME_ENERGY) | (by_force > SAME_FORCE)
    if not wrong.any():
        return []
    order = np.argsort(-np.maximum(by_energy / SAME_ENERGY, by_force / SAME_FORCE)[wrong], kind="stable")
    ordered = np.column_stack([same[members[wrong][order]], members[wrong][order]]).ravel()
    _, first = np.unique(ordered, return_index=True)
    concerned = ordered[np.sort(first)]
    text = (
        f"{count(len(concerned), 'structure')} have the geometry of another (to {SAME:g} Å) but other labels: by up to "
        f"{by_energy.max():.3g} eV/atom and {by_force.max():.3g} eV/Å (allowed: {SAME_ENERGY:g} and {SAME_FORCE:g})."
    )
    return [finding("labels-disagree", "warning", text, concerned)]


def leaders(dataset: AtomicDataset, seen: Seen, *, progress: Progress = silent) -> tuple[NDArray[np.int64], ...]:
    """The earlier structure (S,) that each is as good as, itself for none, and the largest difference (S,) in Å.

    Two structures are alike where their compositions are equal and each atom of one has an atom of the same element in
    the other whose print (see RANKS) agrees to NEAR, and the other way round. If all distances of one agree with those
    of the other to NEAR, this is so. Differences beyond the cutoff are not seen, hence structures with an atom that has
    nothing within it are like no other; those that repeat another exactly are as that one.
    """
    leader = dataset.first_equal.copy()
    apart = np.zeros(dataset.n_structures)
    blind = np.logical_or.reduceat(seen.alone, dataset.offsets[:-1]) | (seen.reach < CUTOFF)
    groups: dict[int, list[int]] = {}
    for structure in np.flatnonzero((leader == np.arange(len(leader))) & ~blind):
        groups.setdefault(int(dataset.compositions[structure]), []).append(int(structure))
    done = 0
    for members in groups.values():
        if len(members) > 1:
            _lead(dataset, seen.prints, np.array(members), leader, apart)
        done += len(members)
        progress(done, dataset.n_structures, "findings: near duplicates")
    leader = leader[dataset.first_equal]
    return leader, apart[dataset.first_equal]


def _lead(
    dataset: AtomicDataset,
    prints: NDArray[np.float32],
    members: NDArray[np.int64],
    leader: NDArray[np.int64],
    apart: NDArray[np.float64],
) -> None:
    """Find the leaders among ``members`` (m,) of one composition.

    What is sorted element by element can only agree better than the atoms do, one by one: what differs there by more
    than NEAR is left out before atoms are compared.
    """
    own = (dataset.numbers[dataset.rows_of(one)] for one in members)
    places = [np.argsort(kinds, kind="stable") + dataset.offsets[one] for one, kinds in zip(members, own, strict=True)]
    numbers = dataset.numbers[places[0]]
    table = prints[np.array(places)]  # (m, n, WIDTH)
    ends = np.flatnonzero(np.diff(numbers, append=0))
    for begin, end in zip([0, *(ends[:-1] + 1)], ends + 1, strict=True):
        table[:, begin:end].sort(axis=1)
    summary = np.concatenate([table.mean(axis=1), table[:, 0], table[:, -1]], axis=1)  # each moves by NEAR at most
    tree = KDTree(summary)
    free = np.ones(len(members), dtype=bool)
    for at in range(len(members)):
        if not free[at]:
            continue
        close = np.sort(tree.query_ball_point(summary[at], NEAR * 1.001, p=np.inf))
        close = close[(close > at) & free[close]]
        block = max(1, BLOCK // table[at].size)
        for begin in range(0, len(close), block):
            part = close[begin : begin + block]
            for other in part[np.abs(table[part] - table[at]).max(axis=(1, 2)) <= NEAR]:
                gap = _gap(prints[places[at]], prints[places[other]], numbers)
                if gap <= NEAR:
                    free[other] = False
                    leader[members[other]], apart[members[other]] = members[at], gap


def _gap(one: NDArray[np.float32], other: NDArray[np.float32], numbers: NDArray[np.int64]) -> float:
    """The largest difference in Å between an atom's print and the most alike one of its element in the other."""
    marked = [np.column_stack([prints, APART * numbers]) for prints in (one, other)]
    gaps = [KDTree(a).query(b, p=np.inf, distance_upper_bound=2 * NEAR)[0].max() for a, b in (marked, marked[::-1])]
    return float(max(gaps))


def _forces_apart(dataset: AtomicDataset, one: int, other: int) -> float:
    """Root mean square difference in eV/Å; NaN where forces are missing."""
    a, b = dataset.forces[dataset.rows_of(one)], dataset.forces[dataset.rows_of(other)]
    if dataset.first_equal[one] != dataset.first_equal[other]:
        a, b = (np.sort(np.linalg.norm(forces, axis=1))[:, None] for forces in (a, b))
    return float(np.sqrt(np.mean(np.sum((a - b) ** 2, axis=1))))
