"""CHGNet: the features are those that chgnet itself makes its energies of."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule

from meagraph.datasets import dataset_from_structures
from meagraph.descriptors import KINDS, DescriptorConfig, Descriptors, chgnet_based, compute_descriptors
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, silent

needs_chgnet = pytest.mark.skipif(
    importlib.util.find_spec("chgnet") is None, reason='needs CHGNet: pip install "meaviz[chgnet]"'
)


def describe(structures: list[Atoms], progress: Progress = silent) -> Descriptors:
    data = dataset_from_structures(structures, name="some", allow_unlabelled=True)
    return compute_descriptors(data, DescriptorConfig(method="chgnet"), progress=progress)


def values(*structures: Atoms) -> np.ndarray:
    return np.asarray(describe(list(structures)).values, dtype=np.float64)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def salt() -> Atoms:
    """Eight different environments in a skewed cell."""
    atoms = bulk("NaCl", "rocksalt", a=5.6) * (2, 2, 1)
    atoms.rattle(0.15, seed=0)
    return atoms


def crystals() -> list[Atoms]:
    """Two elements, an atom that is its own neighbour, a surface, and one with angles beside one without."""
    niobium = bulk("Nb", "bcc", a=3.3)
    silver = fcc111("Ag", (2, 2, 2), vacuum=5.0, periodic=True)
    silver.rattle(0.1, seed=1)
    return [salt(), niobium, silver, bulk("Cs", "bcc", a=6.1)]


@pytest.fixture(scope="module")
def network() -> Any:
    return chgnet_based.build()


def test_pairs_by_hand() -> None:
    groups = np.array([7, 2, 7, 7, 5])
    first, second = chgnet_based.pairs_within(groups)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == sorted(permutations((0, 2, 3), 2))
    assert [len(part) for part in chgnet_based.pairs_within(np.array([], dtype=np.int64))] == [0, 0]


@needs_chgnet
def test_the_features_are_what_chgnet_makes_its_energies_of(network: Any) -> None:
    """Its own converter of structures, and its readout of these features, against its own prediction."""
    from pymatgen.io.ase import AseAtomsAdaptor

    structures = crystals()
    found = np.split(describe(structures).values, np.cumsum([len(atoms) for atoms in structures])[:-1])
    asked = [AseAtomsAdaptor.get_structure(atoms) for atoms in structures]
    wanted = network.predict_structure(asked, task="e", return_site_energies=True, return_crystal_feas=True)
    references = network.composition_model.fc.weight[0].numpy()  # eV, of the elements
    for atoms, features, expected in zip(structures, found, wanted, strict=True):
        assert features.shape == (len(atoms), 64)
        with torch.no_grad():
            normal = network.readout_norm(torch.tensor(features))
            energies = network.mlp(normal)[:, 0].numpy() + references[atoms.numbers - 1]
        np.testing.assert_allclose(energies, expected["site_energies"], atol=2e-4)  # eV
        np.testing.assert_allclose(normal.sum(0).numpy(), expected["crystal_fea"], atol=1e-3 * len(atoms))
    assert np.ptp(found[0], axis=0).max() > 0.1


@needs_chgnet
def test_an_atom_alone_has_the_features_of_its_element(network: Any) -> None:
    with_others = values(Atoms("Nb"), salt(), Atoms("O", cell=[20.0] * 3, pbc=True))
    known = network.atom_embedding.embedding.weight.numpy()
    np.testing.assert_allclose(with_others[[0, -1]], known[[40, 7]], atol=1e-6)
    np.testing.assert_allclose(values(Atoms("Nb")), known[[40]], atol=1e-6)  # no bond in the whole batch


@needs_chgnet
def test_what_is_not_periodic_has_no_images() -> None:
    benzene = molecule("C6H6")
    boxed = benzene.copy()
    boxed.set_cell([30.0] * 3)
    boxed.pbc = True
    slab = fcc111("Ag", (2, 2, 2), vacuum=8.0)
    slab.rattle(0.1, seed=1)
    closed = slab.copy()
    closed.pbc = True
    open_one, in_a_box = np.split(values(benzene, boxed), 2)
    assert_same(open_one, in_a_box)
    assert_same(*np.split(values(slab, closed), 2))


@needs_chgnet
def test_another_way_to_write_the_same_crystal_changes_nothing() -> None:
    """Positions modulo the cell, another cell, turned, in another order, twice as large, in an empty box."""
    atoms = salt()
    unwrapped, other, turned = atoms.copy(), atoms.copy(), atoms.copy()
    unwrapped.positions += np.random.default_rng(0).integers(-300, 301, (len(atoms), 3)) @ atoms.cell.array
    other.set_cell(np.array([[1, 3, -2], [0, 1, 4], [0, 0, 1]]) @ atoms.cell.array)
    turned.rotate(40.0, (1.0, 1.0, 0.2), rotate_cell=True)
    order = np.random.default_rng(0).permutation(len(atoms))
    boxes = [Atoms(atoms.numbers, atoms.positions, cell=[size] * 3, pbc=True) for size in (40.0, 2500.0)]
    found = values(atoms, unwrapped, other, turned, atoms[order], *boxes).reshape(7, len(atoms), -1)
    for same in found[1:4]:
        assert_same(same, found[0])
    assert_same(found[4], found[0][order])
    assert_same(found[6], found[5])
    assert_same(values(atoms * (2, 1, 1)), np.tile(found[0], (2, 1)))


@needs_chgnet
def test_elements_that_it_was_not_trained_on_are_refused() -> None:
    with pytest.raises(MEAGraphError, match="holds Rn, Cm, which CHGNet was not trained on"):
        describe([Atoms("Rn"), Atoms("CmO")])


@needs_chgnet
def test_atoms_that_coincide_are_named() -> None:
    with pytest.raises(MEAGraphError, match=r"frame 1.*not finite"):
        describe([salt(), Atoms("Na2", positions=[[0, 0, 0], [0, 0, 0]])])


@needs_chgnet
def test_processes_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = values(*crystals())
    monkeypatch.setattr(chgnet_based, "BATCH", 4)
    assert_same(values(*crystals()), alone)
    monkeypatch.setitem(KINDS, "chgnet", replace(KINDS["chgnet"], parallel_above=0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(chgnet_based, "build", None)  # nothing of the work is done here
    assert_same(values(*crystals()), alone)


@needs_chgnet
def test_what_the_values_depend_on(capfd: pytest.CaptureFixture[str]) -> None:
    """Settings of the other descriptors change nothing, and chgnet says nothing of its own."""
    data = dataset_from_structures([salt(), Atoms("Na")], name="some", allow_unlabelled=True)
    one, other = (
        compute_descriptors(data, DescriptorConfig(method="chgnet", r_cut=r_cut, n_max=n_max))
        for r_cut, n_max in ((5.0, 3), (3.0, 8))
    )
    assert one.identity == other.identity
    assert (one.parameters["r_cut"], one.parameters["model"]) == (6.0, "0.3.0")
    np.testing.assert_array_equal(one.values, other.values)
    assert capfd.readouterr().out == ""


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(chgnet_based, "version", missing)
    with pytest.raises(MEAGraphError, match=r'Run pip install "meaviz\[chgnet\]"'):
        describe([Atoms("Nb")])
