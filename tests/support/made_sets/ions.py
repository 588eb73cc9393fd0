"""Ionic crystals: rock salt, CsCl, zinc blende and fluorite, vacancies and surfaces, displaced on springs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from tests.support.made_sets.springs import nearest_distance, springs
from tests.support.made_sets.truth import known

TEMPERATURES = (300, 600, 900)  # K
BONDS = {("Na", "Cl"): 2.82, ("Mg", "O"): 2.106}  # Å, in rock salt
FLUORITES = {("Ca", "F"): 5.463, ("O", "Na"): 5.55}  # Å, lattice constant; the first ion stands on the fcc sites
FRAMES = {"crystal": 6, "vacancy": 3, "surface": 3}  # at each temperature


def bond_length(six: float, coordination: int) -> float:
    """In a structure of another ``coordination`` than 6, where it is ``six`` (Å): Pauling's rule, Born's n = 9."""
    return six * (coordination / 6) ** (1 / 8)


def crystal(pair: tuple[str, str], structure: str) -> Atoms:
    """A supercell of a compound AB in rock salt, CsCl or zinc blende; what each atom is: "Na-rocksalt", ..."""
    cells, coordination, ratio = {
        "rocksalt": (2, 6, 2.0),
        "cesiumchloride": (3, 8, 2 / np.sqrt(3)),
        "zincblende": (2, 4, 4 / np.sqrt(3)),
    }[structure]
    lattice = ratio * bond_length(BONDS[pair], coordination)
    atoms = bulk("".join(pair), structure, a=lattice, cubic=True).repeat(cells)
    return _named(atoms, structure)


def fluorite(pair: tuple[str, str]) -> Atoms:
    """A supercell of a compound of the fluorite structure, the first of the ``pair`` on the sites of an fcc lattice."""
    a = FLUORITES[pair]
    places = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    quarters = [(x, y, z) for x in (0.25, 0.75) for y in (0.25, 0.75) for z in (0.25, 0.75)]
    symbols = [pair[0]] * 4 + [pair[1]] * 8
    return _named(Atoms(symbols, scaled_positions=places + quarters, cell=[a, a, a], pbc=True).repeat(2), "fluorite")


def with_vacancy(pair: tuple[str, str], missing: str) -> Atoms:
    """Rock salt without one ion ``missing``; its six neighbours, of the other kind, stand by a vacancy."""
    atoms = crystal(pair, "rocksalt")
    gone = int(np.flatnonzero(atoms.symbols == missing)[0])
    first, second = neighbor_list("ij", atoms, 1.2 * nearest_distance(atoms))
    beside = second[first == gone]
    truth = atoms.arrays["truth"].copy()
    truth[beside] = [f"{symbol}-by-vacancy" for symbol in atoms.symbols[beside]]
    known(atoms, truth, f"{''.join(pair)}_vacancy")
    del atoms[gone]
    return atoms


def surface(pair: tuple[str, str]) -> Atoms:
    """A slab of rock salt with two (100) surfaces; the ions of the outermost layers stand at the surface."""
    atoms = crystal(pair, "rocksalt")
    cell = atoms.cell.lengths()
    half = atoms[atoms.positions[:, 2] < 0.49 * cell[2]]
    half.positions[:, 2] += cell[2]
    slab = atoms + half  # six layers
    slab.center(vacuum=8.0, axis=2)
    height = slab.positions[:, 2]
    outer = (height < height.min() + 0.1) | (height > height.max() - 0.1)
    truth = slab.arrays["truth"].copy()
    truth[outer] = [f"{symbol}-surface" for symbol in slab.symbols[outer]]
    return known(slab, truth, f"{''.join(pair)}_surface")


def _named(atoms: Atoms, structure: str) -> Atoms:
    truth = [f"{symbol}-{structure}" for symbol in atoms.symbols]
    return known(atoms, truth, f"{atoms.symbols.formula.reduce()[0]}_{structure}")


def _perfect() -> Iterator[tuple[str, Atoms]]:
    for pair in BONDS:
        for structure in ("rocksalt", "cesiumchloride", "zincblende"):
            yield "crystal", crystal(pair, structure)
    for pair in FLUORITES:
        yield "crystal", fluorite(pair)
    for pair in BONDS:
        for missing in pair:
            yield "vacancy", with_vacancy(pair, missing)
        yield "surface", surface(pair)


def ions(seed: int = 0) -> list[Atoms]:
    """About 14,000 ions of six elements in eight crystals, by vacancies and at surfaces, at three temperatures."""
    rng = np.random.default_rng(seed)
    found = []
    for kind, atoms in _perfect():
        model = springs(atoms)
        found += [model.frame(atoms, kelvin, rng) for kelvin in TEMPERATURES for _ in range(FRAMES[kind])]
    return found
