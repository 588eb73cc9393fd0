"""What clusters can be named by: phase and order, group, element, density, forces, coordination."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.inspection.naming import Evidence, Kind
from meagraph.inspection.phases import MOST, PHASES, Phases

ONE_SIDED = 0.22  # length of the mean direction to the nearest atoms at a surface; 0.07 beside a vacancy of bcc
ALONE = 0.2  # share of neighbours in a known phase below which an unresolved place is no defect of one
UNEVEN = 0.012  # that spread of the distances to the nearest atoms; 0.015 to 0.044 in liquids, 0 in a sheared crystal
STRAIN = 0.03  # relative change of the distances to the nearest atoms, from their median in the phase
OUTER = 0.2  # share of all forces that are called low, and high
MOST_GROUPS = 2000  # beyond these, groups name nothing
SHORTEST = 3  # letters of what groups have in common
SEPARATORS = re.compile(r"[\s_\-./,;:|+]+")
ORDER = (*PHASES, "surface", "liquid-like", "defect")
SURFACE, LIQUID, DEFECT = range(len(PHASES), len(ORDER))


def gather(dataset: AtomicDataset, phases: Phases) -> Evidence:
    """Everything that the environments of ``dataset`` may be named by; ``phases`` are its own."""
    codes = np.searchsorted(np.asarray(dataset.species), dataset.numbers)
    kinds = (
        _order(phases, dataset),
        *_groups(dataset),
        Kind(codes, tuple(chemical_symbols[number] for number in dataset.species)),
        _strain(phases, dataset),
        _forces(dataset),
        _coordination(phases),
    )
    return Evidence(kinds, _sites(phases), phases)


def _order(phases: Phases, dataset: AtomicDataset) -> Kind:
    """The phase; where that is unresolved: a surface, a defect among what is resolved, or disorder.

    A crystal that is no lattice we know, or is strained beyond recognition, is as even as it is ordered: no liquid.
    """
    codes = phases.phase.astype(np.int64)
    unresolved = codes == 0
    codes[unresolved] = len(ORDER)  # nothing can be said where few atoms are near
    codes[unresolved & (phases.ordered >= ALONE)] = DEFECT
    inner = unresolved & (phases.ordered < ALONE) & (phases.lopsided <= ONE_SIDED)
    codes[inner & (_unevenness(phases.spacing, inner, dataset) > UNEVEN)] = LIQUID
    codes[unresolved & (phases.lopsided > ONE_SIDED)] = SURFACE
    return Kind(codes, ORDER)


def _unevenness(spacing: NDArray[np.float32], of: NDArray[np.bool_], dataset: AtomicDataset) -> NDArray[np.float64]:
    """Relative standard deviation of ``spacing`` (N,) in each environment's structure, over those in ``of``."""
    rows, count = dataset.structure_of[of], dataset.n_structures
    number = np.maximum(np.bincount(rows, minlength=count), 1)
    mean = np.bincount(rows, spacing[of], minlength=count) / number
    away = np.bincount(rows, (spacing[of] - mean[rows]) ** 2, minlength=count) / number
    found: NDArray[np.float64] = (np.sqrt(away) / np.maximum(mean, 1e-9))[dataset.structure_of]
    return found


def _coordination(phases: Phases) -> Kind:
    """Bonded atoms, where no phase says how many these are."""
    words = ("no neighbours", "1 neighbour", *(f"{count} neighbours" for count in range(2, MOST + 1)))
    return Kind(np.where(phases.phase > 0, len(words), phases.coordination.astype(np.int64)), words)


def _sites(phases: Phases) -> Kind:
    """The polyhedra of A15, Laves and other Frank-Kasper phases."""
    corners = (12, 14, 15, 16)
    several = np.isin(phases.phase, [PHASES.index(name) for name in ("A15", "Laves", "Frank-Kasper")])
    codes = np.searchsorted(corners, phases.polyhedron)
    return Kind(np.where(several, codes, len(corners)), tuple(f"Z{corner}" for corner in corners))


def _groups(dataset: AtomicDataset) -> tuple[Kind, Kind]:
    """The groups, and what several of them begin with: of "surface_110" and "surface_111" the word "surface"."""
    names, codes = np.unique(dataset.groups, return_inverse=True)
    of = codes[dataset.structure_of].astype(np.int64)
    if not 1 < len(names) <= MOST_GROUPS:
        nothing = Kind(np.zeros(len(of), dtype=np.int64), ())
        return nothing, nothing
    phrases = group_words(names.tolist())
    heads = [phrase.split(", ")[0] if ", " in phrase else "" for phrase in phrases]
    families = sorted({head for head in heads if head})
    place = np.array([families.index(head) if head else len(families) for head in heads])
    return Kind(of, tuple(phrases)), Kind(place[of], tuple(families))


def group_words(names: Sequence[str]) -> list[str]:
    """Each group in words: what several begin with is a part of its own, "surface_110" is "surface, 110".

    That has SHORTEST letters at least: "di_vacancy" and "di_sia" are no family.
    """
    split = [[word for word in SEPARATORS.split(name) if word] for name in names]
    begins = Counter(words[0] for words in split if words and len(words[0]) >= SHORTEST)
    told = []
    for name, words in zip(names, split, strict=True):
        if len(words) > 1 and begins[words[0]] > 1:
            told.append(f"{words[0]}, {' '.join(words[1:])}")
        else:
            told.append(" ".join(words) or name)
    return told


def _strain(phases: Phases, dataset: AtomicDataset) -> Kind:
    """Nearer or farther neighbours than is usual of the phase and element; nothing at surfaces."""
    codes = np.full(dataset.n_environments, 2, dtype=np.int64)
    inner = np.isfinite(phases.spacing) & (phases.lopsided <= ONE_SIDED)
    for phase in np.unique(phases.phase):
        for number in dataset.species:
            rows = np.flatnonzero(inner & (phases.phase == phase) & (dataset.numbers == number))
            if len(rows):
                change = phases.spacing[rows] / np.median(phases.spacing[rows]) - 1.0
                codes[rows] = np.select([change < -STRAIN, change > STRAIN], [0, 1], 2)
    return Kind(codes, ("compressed", "expanded"))


def _forces(dataset: AtomicDataset) -> Kind:
    """Forces among the lowest and the highest of all."""
    size = np.linalg.norm(dataset.forces, axis=1)
    known = size[np.isfinite(size)]
    if not len(known) or not known.max() > known.min():
        return Kind(np.zeros(len(size), dtype=np.int64), ())
    low, high = np.quantile(known, [OUTER, 1.0 - OUTER])
    return Kind(np.select([size <= low, size >= high], [0, 1], 2), ("low forces", "high forces"))
