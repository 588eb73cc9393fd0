"""What there is of everything, from the structures and labels alone."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.inspection.findings.finding import Distribution, Element, Pair, distribution


def presence(dataset: AtomicDataset) -> NDArray[np.int64]:
    """Atoms of each element in each structure: (S, species)."""
    species = np.asarray(dataset.species)
    cells = dataset.structure_of * len(species) + np.searchsorted(species, dataset.numbers)
    counts = np.bincount(cells, minlength=dataset.n_structures * len(species))
    return np.asarray(counts.reshape(-1, len(species)))


def elements(dataset: AtomicDataset) -> tuple[Element, ...]:
    """Each element with its environments and structures, by atomic number."""
    counts = presence(dataset)
    each = zip(dataset.species, counts.sum(axis=0).tolist(), (counts > 0).sum(axis=0).tolist(), strict=True)
    return tuple(Element(chemical_symbols[number], atoms, structures) for number, atoms, structures in each)


def pairs(dataset: AtomicDataset) -> tuple[Pair, ...]:
    """Each pair of elements with the structures that hold both, in the order of :func:`pair_codes`."""
    counts = presence(dataset)
    there = (counts > 0).astype(np.float64)  # products of matrices of these are fast
    together = np.rint(there.T @ there).astype(np.int64)
    np.fill_diagonal(together, (counts > 1).sum(axis=0))
    symbols = [chemical_symbols[number] for number in dataset.species]
    first, second = np.triu_indices(len(symbols))
    return tuple(
        Pair((symbols[a], symbols[b]), int(together[a, b]))
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    )


def pair_codes(count: int) -> NDArray[np.int64]:
    """Number of each pair of ``count`` elements: (count, count), symmetric."""
    codes = np.zeros((count, count), dtype=np.int64)
    first, second = np.triu_indices(count)
    codes[first, second] = codes[second, first] = np.arange(len(first))
    return codes


def periodicity(dataset: AtomicDataset) -> dict[str, int]:
    """How many structures are periodic along which of their cell's directions, the most frequent first."""
    flags = dataset.periodic @ np.array([1, 2, 4])
    codes, counts = np.unique(flags, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {_directions(int(codes[at])): int(counts[at]) for at in order}


def _directions(code: int) -> str:
    return " ".join(letter for bit, letter in enumerate("abc") if code >> bit & 1) or "none"


def distributions(dataset: AtomicDataset) -> tuple[Distribution, ...]:
    """Of what needs no neighbours."""
    with np.errstate(invalid="ignore"):
        length = np.linalg.norm(dataset.forces, axis=1)
        net = np.linalg.norm(np.add.reduceat(dataset.forces, dataset.offsets[:-1], axis=0), axis=1)
    return (
        *distribution("energy", "Energy per atom", "eV/atom", "structure", dataset.energy / dataset.sizes),
        *distribution("force", "Force", "eV/Å", "environment", length),
        *distribution("pressure", "Pressure", "GPa", "structure", dataset.pressures),
        *distribution("volume", "Volume per atom", "Å³", "structure", dataset.volumes / dataset.sizes),
        *distribution("n_atoms", "Atoms in the structure", "", "structure", dataset.sizes.astype(np.float64)),
        *distribution("net_force", "Net force", "eV/Å", "structure", net),
    )
