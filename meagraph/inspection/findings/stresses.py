"""Stress against forces: a source whose stress has another sign or order of its elements than its forces tell.

Both are derivatives of one energy, by strain and by places. A field of pair potentials and embedding terms
(:func:`_steps`), fitted to forces alone, therefore knows which way the stress points, apart from its isotropic part,
which forces leave open. Its size is left open, too: on sound sets what forces tell is too small by up to fifty times
where crystals are strained that have no forces. Units are told by energies when a file is read.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from ase.data import covalent_radii
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.cells import compact
from meagraph.inspection.findings.finding import Finding, finding

CUTOFF = 5.0  # Å
RADIAL = 14  # functions of the distance in each pair potential
DECAYS = (0.12, 0.25, 0.5)  # of the densities of the embedding terms, in units of the sum of the radii
KINDS = 21  # pairs of elements with potentials of their own; where there are more all share those of one
ATOMS = 5000  # that are looked at
RIDGE = 1e-6
SOFT = 0.1  # eV/Å, added to a structure's typical force before its equations are divided by it
ENOUGH = 12  # structures of a source, below which nothing is said
AGREE = 0.7  # median cosine of stress and what forces tell, above which they are taken to be the same thing
OTHER_ORDER, THIS_ORDER = 0.9, 0.75  # the same of the best order of the off-diagonals, and of the one there is
SHEARED = 0.1  # of the length of a stress, below which its off-diagonals may be mere rounding
VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))
WEIGHT = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]) ** 0.5  # off-diagonals stand twice in the matrix
NAMES, USUAL = ("yz", "xz", "xy"), (0, 1, 2)


@dataclass(frozen=True, eq=False)
class Compared:
    """Stress of k structures in eV/Å³, and what their forces tell of it, both (k, 6) without the isotropic part."""

    structures: NDArray[np.int64]  # (k,)
    stress: NDArray[np.float64]
    told: NDArray[np.float64]


def stresses(dataset: AtomicDataset, *, seed: int = 0) -> list[Finding]:
    """Sources whose stress does not go with its forces."""
    compared = compare(dataset, seed=seed)
    if compared is None:
        return []
    source = dataset.source_index[compared.structures]
    found = []
    for index, one in enumerate(dataset.sources):
        rows = np.flatnonzero(source == index)
        words = judge(compared.stress[rows], compared.told[rows]) if len(rows) >= ENOUGH else ""
        if words:
            concerned = np.isfinite(dataset.stress).all(axis=(1, 2)) & (dataset.source_index == index)
            text = f"The stress of {one.path or dataset.name} {words}, judged by the forces of {len(rows)} structures."
            found.append(finding("stress-convention", "warning", text, np.flatnonzero(concerned)))
    return found


def judge(stress: NDArray[np.float64], told: NDArray[np.float64]) -> str:
    """What is odd of stresses (k, 6) beside what forces tell of them; "" where nothing is, or nothing can be said."""
    said = []
    order = _order(stress, told)
    if order != USUAL:
        written = " ".join(NAMES[order.index(place)] for place in USUAL)
        said.append(f"has its off-diagonal elements in another order (they look like {written}, not yz xz xy)")
        stress = np.concatenate([stress[:, :3], stress[:, 3:][:, order]], axis=1)
    clear = _length(told) >= np.median(_length(told))
    if np.median(_cosines(stress[clear] * WEIGHT, told[clear] * WEIGHT)) <= -AGREE:
        said.append("has the other sign (it seems to be positive in compression)")
    return " and ".join(said)


def _order(stress: NDArray[np.float64], told: NDArray[np.float64]) -> tuple[int, ...]:
    """Places of yz, xz and xy among the off-diagonals of stresses (k, 6); as usual unless another order is clear."""
    clear = np.logical_and(*(np.linalg.norm(one[:, 3:], axis=1) > SHEARED * _length(one) for one in (stress, told)))
    if clear.sum() < ENOUGH:
        return USUAL
    fits = {
        order: abs(float(np.median(_cosines(stress[clear, 3:][:, order], told[clear, 3:]))))
        for order in itertools.permutations(USUAL)
    }
    best = max(fits, key=fits.__getitem__)
    return best if fits[best] >= OTHER_ORDER and fits[USUAL] <= THIS_ORDER else USUAL


def compare(dataset: AtomicDataset, *, seed: int = 0) -> Compared | None:
    """Fit the field to a sample's forces and take its stress; None where too few structures have both labels."""
    forces = np.logical_and.reduceat(np.isfinite(dataset.forces).all(axis=1), dataset.offsets[:-1])
    usable = forces & np.isfinite(dataset.stress).all(axis=(1, 2)) & (dataset.volumes > 0.0) & (dataset.sizes > 1)
    counts = np.bincount(dataset.source_index[usable], minlength=len(dataset.sources))
    usable &= (counts >= ENOUGH)[dataset.source_index]
    chosen = _sample(dataset, np.flatnonzero(usable), seed)
    if not len(chosen):
        return None
    features, virials = zip(*(_features(dataset, int(one)) for one in chosen), strict=True)
    width = features[0].shape[1]
    gram, right = np.zeros((width, width)), np.zeros(width)
    for one, rows in zip(chosen, features, strict=True):
        target = dataset.forces[dataset.rows_of(one)].ravel()
        weight = 1.0 / (np.sqrt((target**2).mean()) + SOFT)
        gram += weight**2 * rows.T @ rows
        right += weight**2 * rows.T @ target
    scale = np.sqrt(np.diagonal(gram))
    scale = np.maximum(scale, np.median(scale[scale > 0.0])) if scale.any() else np.ones(width)
    gram /= np.outer(scale, scale)
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / width + np.finfo(float).tiny
    coefficients = np.linalg.solve(gram, right / scale) / scale
    told = np.array([virial @ coefficients for virial in virials]) / dataset.volumes[chosen, None]
    return Compared(chosen, _deviatoric(dataset.stress[chosen][:, *VOIGT]), _deviatoric(told))


def _sample(dataset: AtomicDataset, usable: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Structures of all sources, as many of each as there are, up to ATOMS."""
    order = np.random.default_rng(seed).permutation(usable)
    source = dataset.source_index[order]
    rank = np.empty(len(order), dtype=np.int64)  # in its source
    for index in np.unique(source):
        rank[source == index] = np.arange((source == index).sum())
    order = order[np.argsort(rank, kind="stable")]
    count = int(np.searchsorted(np.cumsum(dataset.sizes[order]), ATOMS, side="right"))
    return np.sort(order[:count])


def _features(dataset: AtomicDataset, structure: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What multiplies the field's coefficients in the forces (3n, W) and in the derivatives by strain (6, W)."""
    from vesin import NeighborList

    atoms = dataset.structures[structure]
    near = compact(atoms, CUTOFF)
    i, j, distance, vector = NeighborList(cutoff=CUTOFF, full_list=True).compute(
        points=near.positions, box=near.cell.array, periodic=near.pbc, quantities="ijdD"
    )
    apart = distance > 1e-6
    i, j, distance, vector = i[apart].astype(np.int64), j[apart].astype(np.int64), distance[apart], vector[apart]
    unit = vector / distance[:, None]
    steps = _steps(dataset, np.searchsorted(dataset.species, atoms.numbers), i, j, distance)
    pairs, here = np.arange(len(i)), (len(atoms), len(i))
    ends = scipy.sparse.csr_matrix((np.ones(len(i)), (i, pairs)), here)
    ends -= scipy.sparse.csr_matrix((np.ones(len(i)), (j, pairs)), here)
    forces = np.stack([ends @ (steps * unit[:, [d]]) for d in range(3)], axis=1)
    first, second = VOIGT
    virial = (unit[:, first] * vector[:, second]).T @ steps
    return forces.reshape(3 * len(atoms), -1), virial


def _steps(
    dataset: AtomicDataset,
    kinds: NDArray[np.int64],
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    distance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Derivatives (P, W) of the field's terms by the distances (P,) of atoms i and j, of elements ``kinds`` (n,).

    Pair potentials are of smooth bells, embedding terms square roots of densities (Finnis and Sinclair, Phil. Mag. A
    50, 45, 1984).
    """
    species = len(dataset.species)
    fall = 0.5 * (np.cos(np.pi * distance / CUTOFF) + 1.0)[:, None]
    steep = (-0.5 * np.pi / CUTOFF * np.sin(np.pi * distance / CUTOFF))[:, None]
    centres = np.linspace(1.0, CUTOFF, RADIAL)
    gap = (distance[:, None] - centres) / (centres[1] - centres[0])
    bells = (steep - fall * gap / (centres[1] - centres[0])) * np.exp(-0.5 * gap**2)
    low, high = np.minimum(kinds[i], kinds[j]), np.maximum(kinds[i], kinds[j])
    pairs = species * (species + 1) // 2
    kind = high * (high + 1) // 2 + low if pairs <= KINDS else np.zeros_like(low)
    width = (pairs if pairs <= KINDS else 1) * RADIAL
    steps = np.zeros((len(distance), width + species * len(DECAYS)))
    np.put_along_axis(steps, kind[:, None] * RADIAL + np.arange(RADIAL), bells, axis=1)
    radii = covalent_radii[list(dataset.species)]
    reach = radii[kinds[i]] + radii[kinds[j]]
    for place, decay in enumerate(DECAYS):
        bell = np.exp((1.0 - distance / reach) / decay)
        density = np.bincount(i, bell * fall[:, 0], minlength=len(kinds)) + 1e-6
        slope = (steep[:, 0] - fall[:, 0] / (decay * reach)) * bell
        column = width + kinds[i] * len(DECAYS) + place
        steps[np.arange(len(i)), column] = 0.5 * slope / np.sqrt(density[i])
    return steps


def _deviatoric(stress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stress (k, 6) without its isotropic part."""
    found = stress.copy()
    found[:, :3] -= stress[:, :3].mean(axis=1, keepdims=True)
    return found


def _length(stress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length (k,) of the matrices whose six numbers are the rows (k, 6)."""
    return np.asarray(np.linalg.norm(stress * WEIGHT, axis=1))


def _cosines(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of the angle between rows (k, d), 0 where one is zero."""
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray(np.einsum("kd,kd->k", one, other) / np.where(size > 0.0, size, np.inf))
