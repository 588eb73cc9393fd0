"""Points of parity plots and errors of parts, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.units import GPa

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.errors import MEAGraphError
from meagraph.predictions import Errors, Predicted, compare_labels
from meagraph.predictions.families import families_beside
from meagraph.predictions.parts import by_size, parts, whole
from meagraph.predictions.quantities import compared, known_quantities
from tests.support.structures import niobium_structures


@pytest.fixture(scope="module")
def data() -> AtomicDataset:
    """Three structures of 16 atoms, and one of 16 as a supercell of 32."""
    structures = niobium_structures(4, 0)
    doubled = structures[3].repeat((2, 1, 1))
    doubled.info.update(structures[3].info)
    made = from_atoms([*structures[:3], doubled], allow_unlabelled=True)
    rng = np.random.default_rng(1)
    return replace(
        made,
        energy=rng.normal(size=4) * made.sizes,
        forces=rng.normal(size=made.forces.shape),
        stress=np.zeros((4, 3, 3)),
    )


def off(data: AtomicDataset) -> Errors:
    """Energies 1, 2, 3 and 4 eV/atom too high, the last atom's force 5 eV/Å, one stress component 2 GPa."""
    energy = data.energy + np.arange(1.0, 5.0) * data.sizes
    forces = data.forces.copy()
    forces[-1] += [3.0, 0.0, 4.0]
    stress = data.stress.copy()
    stress[2, 0, 1] = stress[2, 1, 0] = -2.0 * GPa
    return compare_labels(data, Predicted("made", energy, forces, stress, "made"))


def test_points_are_reference_and_predicted(data: AtomicDataset) -> None:
    errors = off(data)
    energy, forces, stress = (compared(errors, name) for name in ("energy", "forces", "stress"))
    assert energy.plane()[:, 1] - energy.plane()[:, 0] == pytest.approx([1, 2, 3, 4])
    assert energy.plane(difference=True)[:, 1] == pytest.approx([1, 2, 3, 4])
    assert energy.plane()[:, 0] == pytest.approx(data.energy / data.sizes)
    assert forces.plane().shape == (3 * data.n_environments, 2)
    assert forces.plane()[:, 0] == pytest.approx(data.forces.ravel())
    assert np.flatnonzero(forces.plane(difference=True)[:, 1]).tolist() == [3 * 79, 3 * 79 + 2]
    assert stress.plane(difference=True)[:, 1].reshape(4, 6)[2] == pytest.approx([0, 0, 0, 0, 0, -2.0])
    assert forces.ranked[0] == 79
    assert forces.size[79] == pytest.approx(5.0)
    assert stress.size[2] == pytest.approx(2.0)
    assert [one.name for one in known_quantities(errors)] == ["energy", "forces", "stress"]
    with pytest.raises(MEAGraphError, match="Unknown quantity 'charge'; choose from energy, forces, stress"):
        compared(errors, "charge")


def test_what_is_not_known_has_no_point(data: AtomicDataset) -> None:
    energy, forces = data.energy.copy(), data.forces.copy()
    energy[1], forces[3] = np.nan, np.nan
    predicted = Predicted("made", energy, forces, np.full((4, 3, 3), np.nan), "made")
    errors = compare_labels(data, predicted)
    assert [one.name for one in known_quantities(errors)] == ["energy", "forces"]
    assert np.isnan(compared(errors, "energy").plane()[1]).all()
    assert np.isnan(compared(errors, "forces").plane().reshape(-1, 6)[3]).all()
    assert 3 not in compared(errors, "forces").ranked
    assert whole(compared(errors, "energy")).count.tolist() == [3]


def test_points_and_environments_belong_together(data: AtomicDataset) -> None:
    errors = off(data)
    forces, energy = compared(errors, "forces"), compared(errors, "energy")
    point = np.zeros(3 * data.n_environments, dtype=bool)
    point[3 * 20 + 1] = True
    assert np.flatnonzero(forces.environments(point)).tolist() == [20]
    assert np.flatnonzero(forces.points(forces.environments(point))).tolist() == [60, 61, 62]
    assert np.flatnonzero(energy.points(forces.environments(point))).tolist() == [1]
    chosen = energy.environments(np.array([False, True, False, False]))
    assert np.flatnonzero(chosen).tolist() == list(range(16, 32))
    assert (energy.environment(1), forces.environment(20)) == (16, 20)
    assert np.flatnonzero(energy.members_of(1)).tolist() == list(range(16, 32))
    assert np.flatnonzero(forces.members_of(20)).tolist() == [20]


def test_parts_of_energy_have_the_structures_that_hold_their_atoms(data: AtomicDataset) -> None:
    """Part 1 is in the structures 0 and 3, part 0 in all; nothing is in part 2."""
    codes = np.zeros(data.n_environments, dtype=np.int64)
    codes[[0, 1, 50]] = 1
    found = parts(compared(off(data), "energy"), codes, ("usual", "odd", "nothing"))
    assert found.names == ("odd", "usual")
    assert found.codes.tolist() == [1, 0]
    assert found.count.tolist() == [2, 4]
    assert found.mae == pytest.approx([2.5, 2.5])
    assert found.rmse == pytest.approx([np.sqrt(8.5), np.sqrt(7.5)])
    assert found.worst == pytest.approx([4.0, 4.0])


def test_parts_of_forces_have_their_atoms(data: AtomicDataset) -> None:
    codes = np.where(np.arange(data.n_environments) >= 78, 0, -1)
    found = parts(compared(off(data), "forces"), codes, ("last",))
    assert found.count.tolist() == [2]
    assert found.mae == pytest.approx([7 / 6])
    assert found.rmse == pytest.approx([np.sqrt(25 / 6)])
    assert found.worst == pytest.approx([5.0])
    assert whole(compared(off(data), "forces")).rmse == pytest.approx([np.sqrt(25 / 240)])


def test_sizes_of_structures(data: AtomicDataset) -> None:
    codes, names = by_size(data)
    assert names == ["16 atoms", "32 atoms"]
    assert np.bincount(codes).tolist() == [48, 32]


def test_many_sizes_are_taken_together_by_doubling() -> None:
    whole_one = niobium_structures(1, 0)[0]
    made = from_atoms([whole_one[:count] for count in range(1, 15)], allow_unlabelled=True)
    codes, names = by_size(made)
    assert names == ["1 atom", "2–3 atoms", "4–7 atoms", "8–15 atoms"]
    assert np.bincount(codes[made.offsets[:-1]]).tolist() == [1, 2, 4, 7]


def test_families_beside_the_labels() -> None:
    """The family that was taken is no prediction; that with more kinds of labels comes first."""
    structures = niobium_structures(2, 0)
    for atoms in structures:
        results = atoms.calc.results
        atoms.calc = None
        atoms.info["REF_energy"] = atoms.info["GAP_energy"] = atoms.info["MACE_energy"] = results["energy"]
        atoms.arrays["REF_forces"] = atoms.arrays["MACE_forces"] = results["forces"]
    found = families_beside(from_atoms(structures))
    assert list(found.items()) == [("mace", "MACE_energy, MACE_forces"), ("gap", "GAP_energy")]
    assert families_beside(from_atoms(niobium_structures(2, 0))) == {}
