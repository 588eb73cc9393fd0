"""Small organic molecules, displaced; what an atom is follows from who is bonded to whom."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.neighborlist import natural_cutoffs, neighbor_list
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tests.support.made_sets.springs import springs
from tests.support.made_sets.truth import known

TEMPERATURES = (300, 600, 900)  # K
FRAMES = 8  # of each molecule at each temperature
GROUPS = {  # names of ASE's set G2
    "alkane": ("CH4", "C2H6", "C3H8", "trans-butane", "isobutane", "C3H6_D3h", "cyclobutane"),
    "alkene": ("C2H4", "C3H6_Cs", "isobutene", "butadiene"),
    "alkyne": ("C2H2", "C3H4_C3v", "2-butyne"),
    "aromatic": ("C6H6", "C5H5N", "C4H4O", "C4H4NH"),
    "alcohol": ("CH3OH", "CH3CH2OH", "C2H6CHOH"),
    "ether": ("CH3OCH3", "CH3CH2OCH3", "CH2OCH2"),
    "carbonyl": ("H2CO", "CH3CHO", "CH3COCH3", "OCHCHO"),
    "acid": ("HCOOH", "CH3COOH", "HCOOCH3", "CH3CONH2"),
    "nitrile": ("HCN", "CH3CN", "H2CCHCN", "NCCN"),
    "amine": ("H3CNH2", "CH3CH2NH2", "C2H6NH", "C3H9N", "CH2NHCH2"),
}
HYBRID = {4: "sp3", 3: "sp2", 2: "sp"}  # of a carbon atom by its number of bonds


def bonds(atoms: Atoms) -> NDArray[np.int64]:
    """Pairs (b, 2) of bonded atoms, each once: closer than 1.15 times the sum of their covalent radii."""
    first, second = neighbor_list("ij", atoms, natural_cutoffs(atoms, mult=1.15))
    return np.column_stack([first, second])[first < second]


def kinds(atoms: Atoms) -> list[str]:
    """What each atom is: its element and how it is bonded, as "C-CH3", "C-aromatic", "O-carbonyl", "H-Csp3"."""
    pairs = bonds(atoms)
    partners: list[list[int]] = [[] for _ in atoms]
    for i, j in pairs:
        partners[i].append(int(j))
        partners[j].append(int(i))
    ring = _in_ring(len(atoms), pairs)
    return [_kind(i, list(atoms.symbols), partners, ring) for i in range(len(atoms))]


def _kind(i: int, symbols: list[str], partners: list[list[int]], ring: NDArray[np.bool_]) -> str:
    around = [symbols[j] for j in partners[i]]
    hydrogens, count = around.count("H"), len(around)
    ends = {symbols[j] for j in partners[i] if len(partners[j]) == 1}  # elements of neighbours bonded to it alone
    flat = bool(ring[i]) and all(len(partners[j]) == 3 for j in partners[i] if symbols[j] == "C")
    match symbols[i], count:
        case "H", _:
            other = partners[i][0]
            return f"H-C{HYBRID[len(partners[other])]}" if symbols[other] == "C" else f"H-{symbols[other]}"
        case "C", 4:
            return f"C-CH{hydrogens}"
        case "C", 3 if "O" in ends:
            return "C-carboxyl" if around.count("O") + around.count("N") > 1 else "C-carbonyl"
        case "C", 3:
            return "C-aromatic" if ring[i] else f"C=CH{hydrogens}"
        case "C", 2:
            return "C-nitrile" if "N" in around else "C-alkyne"
        case "N", 1:
            return "N-nitrile"
        case "N", _ if flat:
            return "N-aromatic"
        case "N", 3:
            amide = any(symbols[j] == "C" and len(partners[j]) == 3 for j in partners[i])
            return "N-amide" if amide else "N-amine"
        case "O", 1:
            return "O-carbonyl"
        case "O", 2:
            return "O-hydroxyl" if hydrogens else "O-ether"
    raise ValueError(f"no name for {symbols[i]} bonded to {around}")


def _in_ring(count: int, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which atoms have a bond whose ends stay connected without it."""
    found = np.zeros(count, dtype=bool)
    for number, (i, j) in enumerate(pairs):
        left = np.delete(pairs, number, axis=0)
        graph = coo_matrix((np.ones(len(left)), (left[:, 0], left[:, 1])), shape=(count, count))
        _, part = connected_components(graph, directed=False)
        found[[i, j]] |= part[i] == part[j]
    return found


def molecules(seed: int = 0) -> list[Atoms]:
    """About 9,000 atoms of 41 molecules of H, C, N and O, each FRAMES times at three temperatures."""
    rng = np.random.default_rng(seed)
    found = []
    for group, names in GROUPS.items():
        for name in names:
            atoms = molecule(name)
            atoms.center(vacuum=6.0)
            atoms.set_initial_magnetic_moments(None)
            known(atoms, kinds(atoms), group)
            atoms.info["molecule"] = name
            model = springs(atoms, bonds(atoms))
            found += [model.frame(atoms, kelvin, rng) for kelvin in TEMPERATURES for _ in range(FRAMES)]
    return found
