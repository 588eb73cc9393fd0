"""Copper by ASE's EMT: ideal phases, surfaces, a grain boundary, vacancies, a melt beside its crystal.

Where EMT holds a structure (fcc, hcp and what is cut from fcc) frames come from Langevin dynamics; phases that it does
not hold (bcc, sc, A15, diamond) are displaced on springs. Energies and forces are EMT's throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms, units
from ase.build import bulk, fcc100, fcc110, fcc111
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.geometry import find_mic
from ase.lattice.cubic import FaceCenteredCubic
from ase.md.langevin import Langevin
from ase.neighborlist import neighbor_list
from ase.optimize import FIRE
from numpy.typing import NDArray

from tests.support.made_sets.springs import springs
from tests.support.made_sets.truth import TRUTH, UNKNOWN, frame, known

TEMPERATURES = (300, 600, 900)  # K
LATTICE = 3.61  # Å, of fcc
EXPANSION = 1.7e-5  # 1/K
NEAREST = LATTICE / np.sqrt(2)  # Å, of 12 neighbours
STEP, FRICTION = 4.0 * units.fs, 0.01 / units.fs
SETTLE, APART = 50, 40  # steps before the first frame, and from one to the next
BOUNDARY = "grain-boundary"
MELT, FREEZE, MARGIN = 4000.0, 1250.0, 5.0  # K, K, and Å on either side of the border
A15 = [  # two sites: 12 neighbours, and 14
    *((0, 0, 0), (0.5, 0.5, 0.5)),
    *((0.25, 0, 0.5), (0.75, 0, 0.5), (0.5, 0.25, 0), (0.5, 0.75, 0), (0, 0.5, 0.25), (0, 0.5, 0.75)),
]
FACES: dict[str, tuple[Callable[..., Atoms], tuple[int, int, int]]] = {
    "100": (fcc100, (4, 4, 8)),
    "110": (fcc110, (3, 4, 10)),
    "111": (fcc111, (4, 4, 8)),
}


def nearest(coordination: int) -> float:
    """Distance (Å) of so many neighbours: Pauling's rule, as for ions, from that of 12."""
    return float(NEAREST * (coordination / 12) ** (1 / 8))


def phases() -> dict[str, Atoms]:
    """The ideal phases as supercells of 96 to 216 atoms, at rest; A15 has two kinds of sites."""
    cubic = 2 / np.sqrt(3) * nearest(8)
    a15 = Atoms("Cu8", scaled_positions=A15, cell=[cubic * 4 ** (1 / 3)] * 3, pbc=True).repeat(3)
    found = {
        "fcc": fcc((3, 3, 3)),
        "hcp": bulk("Cu", "hcp", a=NEAREST, c=NEAREST * np.sqrt(8 / 3), orthorhombic=True).repeat((4, 3, 3)),
        "bcc": bulk("Cu", "bcc", a=cubic, cubic=True).repeat(4),
        "sc": bulk("Cu", "sc", a=nearest(6)).repeat(5),
        "diamond": bulk("Cu", "diamond", a=4 / np.sqrt(3) * nearest(4), cubic=True).repeat((2, 2, 3)),
    }
    sites = np.tile(["A15-Z12"] * 2 + ["A15-Z14"] * 6, len(a15) // 8)
    return {name: known(atoms, name, name) for name, atoms in found.items()} | {"A15": known(a15, sites, "A15")}


def fcc(repeats: tuple[int, int, int]) -> Atoms:
    """Cubic cells of the crystal."""
    return known(bulk("Cu", "fcc", a=LATTICE, cubic=True).repeat(repeats), "fcc", "fcc")


def slab(face: str) -> Atoms:
    """A slab with two surfaces; its outermost layer and the one below have names of their own."""
    build, size = FACES[face]
    options = {"orthogonal": True} if face == "111" else {}
    atoms = build("Cu", size, a=LATTICE, vacuum=8.0, **options)
    atoms.pbc = True
    layer = np.minimum(atoms.get_tags(), size[2] + 1 - atoms.get_tags())
    truth = np.select([layer == 1, layer == 2], [f"{face}-layer1", f"{face}-layer2"], "fcc")
    return known(atoms, truth, f"surface_{face}")


def vacancy() -> Atoms:
    """A crystal that lacks one atom; its twelve neighbours are named after it."""
    atoms = fcc((3, 3, 3))
    first, second = neighbor_list("ij", atoms, 1.2 * NEAREST)
    truth = np.full(len(atoms), "fcc", dtype="U24")
    truth[second[first == 0]] = "vacancy-neighbour"
    known(atoms, truth, "vacancy")
    del atoms[0]
    return atoms


def grain_boundary(repeats: tuple[int, int, int] = (3, 2, 2)) -> Atoms:
    """Two Σ5 (310) [001] symmetric tilt boundaries, relaxed by EMT, the cell along their normal with them.

    An atom is of the boundary where its neighbours are not those of fcc: see :func:`close_packed`.
    """
    axes = [[3, 1, 0], [-1, 3, 0], [0, 0, 1]]
    grain = FaceCenteredCubic("Cu", directions=axes, size=repeats, latticeconstant=LATTICE)
    width = grain.cell[0, 0]
    mirrored, shared = grain.copy(), grain[grain.positions[:, 0] < 0.01]
    mirrored.positions[:, 0] = 2 * width - mirrored.positions[:, 0]
    shared.positions[:, 0] += width  # the mirror plane between the grains; the other is at 0
    both = grain + mirrored + shared
    both.set_cell([2 * width, *grain.cell.lengths()[1:]])
    both.pbc = True
    first, second, apart = neighbor_list("ijD", both, 0.75 * NEAREST)  # an atom and its mirror image become one
    once = first < second
    both.positions[first[once]] += apart[once] / 2
    del both[np.unique(second[once])]
    both.calc = EMT()
    along = FrechetCellFilter(both, mask=[True, False, False, False, False, False])
    FIRE(along, logfile=None).run(fmax=0.03, steps=150)
    both.calc = None
    truth = np.where(close_packed(both), "fcc", BOUNDARY)
    return known(both, truth, "grain_boundary")


def close_packed(atoms: Atoms) -> NDArray[np.bool_]:
    """Which atoms have twelve neighbours, each of which shares four with them: those of a close-packed crystal (n,).

    The first number of a common-neighbour analysis (Honeycutt and Andersen, J. Phys. Chem. 91, 4950, 1987). For cells
    of at least 6.2 Å: no two atoms are neighbours twice.
    """
    reach = 0.5 * (1.0 + np.sqrt(2.0)) * NEAREST
    first, second = neighbor_list("ij", atoms, reach)
    joined = np.zeros((len(atoms), len(atoms)), dtype=np.int64)
    joined[first, second] = 1
    shared = joined @ joined
    return np.asarray((joined.sum(axis=1) == 12) & ((joined == 0) | (shared == 4)).all(axis=1))


def dynamics(
    atoms: Atoms, kelvin: float, frames: int, rng: np.random.Generator, *, settle: int = SETTLE, apart: int = APART
) -> list[Atoms]:
    """Frames of Langevin dynamics from the displaced sites.

    Raises RuntimeError where an atom has left its site, but for those of a grain boundary, which may move in it.
    """
    moving = atoms.copy()
    moving.set_cell(atoms.cell * (1 + EXPANSION * kelvin), scale_atoms=True)
    sites, held = moving.get_positions(), moving.arrays[TRUTH] != BOUNDARY
    moving.positions = sites + springs(moving).displacements(kelvin, rng)
    motion = langevin(moving, kelvin, rng)
    motion.run(settle - apart)
    found = []
    for _ in range(frames):
        motion.run(apart)
        if (strayed := _moved(moving, sites)[held].max()) > 0.6 * NEAREST:
            raise RuntimeError(f"an atom of {atoms.info['config_type']} at {kelvin} K is {strayed:.2f} Å from its site")
        found.append(_labelled(moving, kelvin))
    return found


def langevin(atoms: Atoms, kelvin: float, rng: np.random.Generator) -> Langevin:
    """Dynamics by EMT, from velocities drawn at the same temperature."""
    spread = np.sqrt(atoms.get_masses() * units.kB * kelvin)[:, None]
    atoms.set_momenta(spread * rng.standard_normal((len(atoms), 3)))
    atoms.calc = EMT()
    return Langevin(atoms, STEP, temperature_K=kelvin, friction=FRICTION, rng=rng, fixcm=False)


def _moved(atoms: Atoms, sites: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far (n,) in Å each atom is from its site, apart from a shift of all."""
    shift, _ = find_mic(atoms.get_positions() - sites, atoms.cell, atoms.pbc)
    return np.asarray(np.linalg.norm(shift - np.median(shift, axis=0), axis=1))


def _labelled(atoms: Atoms, kelvin: float) -> Atoms:
    wrapped = atoms.copy()
    wrapped.wrap()
    return frame(wrapped, atoms.get_potential_energy(), atoms.get_forces(), kelvin)


def melting(rng: np.random.Generator, frames: int = 3, repeats: tuple[int, int, int] = (3, 3, 12)) -> list[Atoms]:
    """A crystal of which one half was molten while the other was held, then both at one temperature.

    Within MARGIN of the two borders nothing is said. Raises RuntimeError where the halves are not what they should be.
    """
    atoms = fcc(repeats)
    atoms.set_cell(atoms.cell * (1 + EXPANSION * FREEZE), scale_atoms=True)
    border = atoms.cell[2, 2] / 2 - 0.1
    upper = atoms.positions[:, 2] > border
    atoms.positions[upper, 2] += 0.04 * (atoms.positions[upper, 2] - border)  # a melt takes more room
    top = border + 1.04 * (atoms.cell[2, 2] - border)
    atoms.set_cell([*atoms.cell.lengths()[:2], top])
    sites = atoms.get_positions()
    atoms.set_constraint(FixAtoms(mask=~upper))
    langevin(atoms, MELT, rng).run(250)
    atoms.set_constraint()
    motion = langevin(atoms, FREEZE, rng)
    motion.run(60)
    found = []
    for _ in range(frames):
        motion.run(60)
        shift, _ = find_mic(atoms.get_positions() - sites, atoms.cell, atoms.pbc)
        shift -= shift[~upper].mean(axis=0)
        height = (sites + shift)[:, 2] % top
        solid = (height > MARGIN) & (height < border - MARGIN)
        molten = (height > border + MARGIN) & (height < top - MARGIN)
        moved = np.linalg.norm(shift, axis=1)
        if (solid & upper).any() or moved[solid].max() > 0.6 * NEAREST or close_packed(atoms)[molten].mean() > 0.05:
            raise RuntimeError("the crystal and the melt are not apart")
        known(atoms, np.select([solid, molten], ["fcc", "liquid"], UNKNOWN), "melt_interface")
        found.append(_labelled(atoms, FREEZE))
    return found


def displaced(atoms: Atoms, kelvin: float, frames: int, rng: np.random.Generator) -> list[Atoms]:
    """Frames on springs about the ideal sites."""
    model = springs(atoms)
    found = []
    for _ in range(frames):
        moved = model.frame(atoms, kelvin, rng)
        moved.calc = EMT()
        found.append(_labelled(moved, kelvin))
    return found


def metal(seed: int = 0, *, temperatures: Sequence[float] = TEMPERATURES) -> list[Atoms]:
    """About 13,000 atoms of copper in the structures above, each but the melt at three temperatures."""
    rng = np.random.default_rng(seed)
    found = []
    for name, atoms in phases().items():
        make = dynamics if name in ("fcc", "hcp") else displaced
        for kelvin in temperatures:
            found += make(atoms, kelvin, 3, rng)
    for atoms in (*map(slab, FACES), grain_boundary(), vacancy()):
        for kelvin in temperatures:
            found += dynamics(atoms, kelvin, 2, rng)
    return found + melting(rng)
