"""Planted faults are found, for the right reason, and a sound dataset raises no alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.descriptors import DescriptorConfig, compute_descriptors
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.force_field.field import CUTOFF
from meagraph.force_field.observing import Observed, observe
from meagraph.graph.condensation import Condensed, condense, unit_columns
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.model.results import Embedding
from meagraph.outliers import (
    ALARM,
    Outliers,
    Signal,
    linked_environments,
    robust_deviation,
    score_outliers,
    tail_rarity,
)
from meagraph.outliers.alike import alike_structures
from meagraph.outliers.fitting import left_out
from meagraph.outliers.forces import slopes
from meagraph.outliers.geometry import coordination, volume
from meagraph.outliers.novelty import isolation, latent_links, reconstruction
from meagraph.outliers.twins import disagreement, forces_apart, twins
from tests.support.structures import real_data

SMALL = DescriptorConfig(n_max=2, l_max=2)


def with_labels(atoms: Atoms, energy: float, forces: np.ndarray) -> Atoms:
    copy = atoms.copy()
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces)
    return copy


def score(dataset: AtomicDataset, *, noise: tuple[int, ...] = (), **options) -> Outliers:
    points = unit_columns(compute_descriptors(dataset, SMALL).values)
    labels = np.zeros(dataset.n_environments, dtype=np.int64)
    labels[list(noise)] = NOISE
    clusters = Clusters(labels, np.array([(labels == 0).sum()]), "by hand")
    return score_outliers(points, condense(points), clusters, dataset, **options)


@pytest.fixture(scope="module")
def sound(make_structures: Callable[..., list[Atoms]]) -> AtomicDataset:
    """40 rattled bcc cells of 16 atoms, one of them twice, with labels that fit."""
    return dataset_from_structures(make_structures(40, 0, seed=1)[:-1], name="sound")


@pytest.fixture(scope="module")
def sound_outliers(sound: AtomicDataset) -> Outliers:
    return score(sound)


def test_a_sound_dataset_raises_no_alarm(sound: AtomicDataset, sound_outliers: Outliers) -> None:
    assert len(sound_outliers.candidates) == 0
    assert 0 <= sound_outliers.score.min() <= sound_outliers.score.max() < 1
    assert {len(signal.value) for signal in sound_outliers.signals} == {sound.n_environments}


def test_a_shifted_energy_is_found(sound: AtomicDataset) -> None:
    energy = sound.energy.copy()
    energy[4] += 16 * 0.3
    found = score(replace(sound, energy=energy))
    np.testing.assert_array_equal(np.unique(sound.structure_of[found.candidates]), [4])
    assert len(found.candidates) == 16
    reasons = found.reasons(int(found.candidates[0]))
    assert all(reason.startswith("the energy of its structure is +0.3") for reason in reasons)
    assert any("eV/atom away from what alike structures suggest" in reason for reason in reasons)


def test_a_wrong_force_is_found(sound: AtomicDataset) -> None:
    forces = sound.forces.copy()
    forces[37, 1] += 30.0  # atom 5 of structure 2
    found = score(replace(sound, forces=forces))
    np.testing.assert_array_equal(np.unique(sound.structure_of[found.candidates]), [2])
    assert 37 in found.candidates
    reasons = " | ".join(found.reasons(37))
    assert "the force on it is 30" in reasons or "the force on it is 29" in reasons
    assert "the forces of its structure add up to 30 eV/Å, not to zero" in reasons
    assert "the force on it" not in " | ".join(found.reasons(36))  # its neighbour only shares the sum


def test_atoms_too_close_are_found(sound: AtomicDataset) -> None:
    original = sound.structures[6]
    crowded = original.copy()
    apart = original.get_distance(0, 1, mic=True, vector=True)
    crowded.positions[1] = crowded.positions[0] + apart / np.linalg.norm(apart) * 1.3
    structures = list(sound.structures)
    # labels of the sound structure: only the distance gives the pair away
    structures[6] = with_labels(crowded, original.get_potential_energy(), original.get_forces())
    found = score(dataset_from_structures(structures))
    first = int(sound.offsets[6])
    for row in (first, first + 1):
        assert row in found.candidates
        assert any("its nearest atom is only 1.3 Å away" in reason for reason in found.reasons(row))
    others = [row for row in range(first + 2, first + 16) if row in found.candidates]
    assert not any("nearest atom" in reason for row in others for reason in found.reasons(row))


def test_a_lone_environment_is_found(sound: AtomicDataset) -> None:
    lone = with_labels(ase.build.bulk("Nb", "sc", a=2.2), 0.0, np.zeros((1, 3)))
    found = score(dataset_from_structures([*sound.structures, lone]))
    assert sound.n_environments in found.candidates


def reasons_of(signal: Signal, row: int) -> list[str]:
    none = np.zeros(len(signal.value), dtype=bool)
    return Outliers(signal.rarity / ALARM, none, (signal,)).reasons(row)


def lattice_of(n_structures: int, size: int = 2) -> AtomicDataset:
    atoms = Atoms("Nb" * size, positions=np.arange(3.0 * size).reshape(size, 3) * 3)
    return dataset_from_structures([atoms] * n_structures, allow_unlabelled=True)


def test_isolation_is_found() -> None:
    """One structure's first environment lies alone; both of another's only have each other and their copies."""
    rng = np.random.default_rng(0)
    dataset = lattice_of(100, size=8)
    points = rng.normal(size=(800, 3))
    points[8] = [1e3, 0, 0]
    points[16:24] = rng.normal(size=(8, 3)) * 0.01 + [0, 1e3, 0]
    alone, net = isolation(points, condense(points), dataset)
    assert np.flatnonzero(alone.rarity > ALARM).tolist() == [8]  # the eight are neighbours of each other
    assert np.flatnonzero(net.rarity > ALARM).tolist() == [8, *range(16, 24)]
    assert reasons_of(alone, 8)[0].startswith("its 5 nearest environments lie within")
    assert reasons_of(net, 20)[0].startswith("the nearest environment of another structure on the net is")


def test_equal_environments_are_at_no_distance_from_the_net() -> None:
    points = np.repeat(np.eye(3), 20, axis=0)[np.random.default_rng(0).permutation(60)]
    for signal in isolation(points, condense(points), lattice_of(60, size=1)):
        assert not signal.rarity.any()
        np.testing.assert_array_equal(signal.value, 1.0)


def test_bad_reconstruction_is_found() -> None:
    error = np.random.default_rng(0).uniform(0.1, 0.2, 100)
    error[31] = 3.0
    signal = reconstruction(error, lattice_of(50))
    assert np.flatnonzero(signal.rarity > ALARM).tolist() == [31]
    assert signal.value[31] == pytest.approx(3.0 / np.median(error))
    assert reasons_of(signal, 31) == [f"the autoencoder's error for it is {signal.value[31]:.3g} times the usual"]


def test_environments_that_the_latent_graph_leaves_alone_are_found() -> None:
    linked = np.random.default_rng(0).integers(100, 300, 100).astype(float)
    linked[70] = 0.0
    signal = latent_links(linked, lattice_of(50))
    assert np.flatnonzero(signal.rarity > ALARM).tolist() == [70]
    assert reasons_of(signal, 70) == ["the latent graph links it to only 0 environments"]


def test_linked_environments_by_hand() -> None:
    """Representatives a, b, c for 3, 1 and 2 environments; a and b are linked, and a has an edge to itself."""
    condensed = Condensed(np.array([0, 3, 4]), np.array([0, 0, 0, 1, 2, 2]), np.zeros(6), np.array([3, 1, 2]), 0.0, 1.0)
    edges = np.array([[0, 1, 0], [1, 0, 0]])
    embedding = Embedding(np.zeros((3, 2), np.float32), edges, np.ones(3, np.float32), 0.5, np.ones(3, dtype=bool))
    assert linked_environments(embedding, condensed).tolist() == [3, 3, 3, 3, 1, 1]


def test_what_a_model_says_must_fit(sound: AtomicDataset) -> None:
    with pytest.raises(MEAGraphError, match=r"Expected error as one finite number for each of the 656 .* leave it out"):
        score(sound, error=np.zeros(3))
    with pytest.raises(MEAGraphError, match="Expected linked"):
        score(sound, linked=np.full(656, np.nan))


def test_what_a_model_says_raises_no_alarm_where_it_is_ordinary(sound: AtomicDataset) -> None:
    rng = np.random.default_rng(0)
    found = score(sound, error=rng.uniform(0.1, 0.2, 656), linked=rng.integers(5, 50, 656))
    assert len(found.candidates) == 0
    assert {"reconstruction", "latent links"} <= {signal.name for signal in found.signals}


def test_a_swollen_cell_is_found(make_structures: Callable[..., list[Atoms]]) -> None:
    """The volume is that of a slab with vacuum, the environments are those of the bulk."""
    structures = make_structures(60, 0, seed=1)[:-1]
    dataset = dataset_from_structures(structures)
    cell = structures[5].copy()
    cell.set_cell(cell.cell.array * [[1], [1], [1.3]])
    signal = volume(
        alike_structures(unit_columns(compute_descriptors(dataset, SMALL).values), dataset),
        dataset_from_structures([*structures[:5], cell, *structures[6:]], allow_unlabelled=True),
    )
    assert np.unique(dataset.structure_of[signal.rarity > ALARM]).tolist() == [5]
    (reason,) = reasons_of(signal, int(dataset.offsets[5]))
    assert reason == f"its structure has {cell.get_volume() / 16:,.1f} Å³ an atom, unlike alike structures"


def test_a_missing_atom_changes_the_coordination(make_structures: Callable[..., list[Atoms]]) -> None:
    """An atom moved far off leaves a hole and crowds its new place."""
    structures = make_structures(60, 0, rattle=0.02, seed=1)[:-1]
    structures[9] = structures[9].copy()
    structures[9].positions[4] += structures[9].cell.array.sum(axis=0) * 0.125 + [0.8, 0.0, 0.0]
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    alike = alike_structures(unit_columns(compute_descriptors(dataset, SMALL).values), dataset)
    signal = coordination(observe(dataset), alike, dataset)
    assert set(dataset.structure_of[signal.rarity > ALARM]) == {9}
    row = int(signal.rarity.argmax())
    assert reasons_of(signal, row) == [
        f"it has {signal.value[row]:.1f} atoms in its first shell, unlike atoms of alike structures"
    ]


@pytest.mark.parametrize("reference", [10, 25, 5_000])
def test_what_equal_structures_share_changes_nothing(
    sound: AtomicDataset, reference: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores are those found without looking for equal structures, whether alike ones are sampled or not."""
    monkeypatch.setattr("meagraph.outliers.alike.REFERENCE", reference)
    energy, forces = sound.energy.copy(), sound.forces.copy()
    energy[3] += 5.0
    forces[sound.offsets[6]] += 3.0
    wrong = replace(sound, energy=energy, forces=forces)
    parts = [wrong, sound, sound]
    dataset = replace(
        wrong,
        structures=tuple(atoms for part in parts for atoms in part.structures),
        groups=np.tile(wrong.groups, 3),
        source_index=np.tile(wrong.source_index, 3),
        frame_index=np.arange(3 * wrong.n_structures),
        frame_span=np.tile(wrong.frame_span, (3, 1)),
        energy=np.concatenate([part.energy for part in parts]),
        forces=np.concatenate([part.forces for part in parts]),
        stress=np.concatenate([part.stress for part in parts]),
    )
    assert len(np.unique(dataset.first_equal)) < dataset.n_structures / 2
    apart = replace(dataset)
    vars(apart)["first_equal"] = np.arange(dataset.n_structures)
    found, expected = score(dataset), score(apart)
    assert len(found.candidates)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-6, atol=1e-9)
    for one, two in zip(found.signals, expected.signals, strict=True):
        np.testing.assert_allclose(one.value, two.value, rtol=1e-6, atol=1e-9)


def test_equal_structures_with_other_descriptors_are_not_alike(
    sound: AtomicDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they may come from a file."""
    monkeypatch.setattr("meagraph.outliers.alike.REFERENCE", 10)
    points = np.random.default_rng(0).normal(size=(sound.n_environments, 4))
    found = alike_structures(points, sound)
    same = replace(sound)
    vars(same)["first_equal"] = np.zeros(sound.n_structures, dtype=np.int64)
    np.testing.assert_array_equal(np.sort(alike_structures(points, same).near), np.sort(found.near))


def test_forces_of_twins_by_hand() -> None:
    atoms = [Atoms("H2", [[0, 0, 0], [0, 0, 0.7]]) for _ in range(3)]
    forces = [[[0, 0, 1], [0, 0, -1]], [[0, 2, 0], [1, 0, 0]], [[3, 4, 0], [0, 0, 1]]]
    labelled = [with_labels(one, 0.0, np.array(force, dtype=float)) for one, force in zip(atoms, forces, strict=True)]
    single = with_labels(Atoms("H"), 0.0, np.ones((1, 3)))
    dataset = dataset_from_structures([single, *labelled, single], name="hydrogen")
    pairs = np.array([[1, 2], [2, 1], [4, 0], [1, 3], [3, 2]])
    np.testing.assert_allclose(forces_apart(pairs, dataset), [0.5**0.5, 0.5**0.5, 0.0, 8**0.5, 4.5**0.5])


def test_twins_that_disagree_name_each_other(sound: AtomicDataset) -> None:
    """Structures 39 and 40 are the same: one gets another energy, and is to blame; then other forces."""
    energy, forces = sound.energy.copy(), sound.forces.copy()
    energy[40] += 16 * 0.5
    found = score(replace(sound, energy=energy))
    row = int(sound.offsets[40])
    assert row in found.candidates
    assert int(sound.offsets[39]) not in found.candidates
    assert "its structure is as good as equal to structure 39, but their energies differ by 0.5 eV/atom" in (
        found.reasons(row)
    )
    forces[sound.offsets[39] : sound.offsets[40]] *= 2.0
    found = score(replace(sound, forces=forces))
    for one, other in ((39, 40), (40, 39)):
        text = " | ".join(found.reasons(int(sound.offsets[one])))
        assert f"its structure is as good as equal to structure {other}, but their forces differ by" in text
    assert not any("as good as equal" in reason for reason in found.reasons(0))


def test_a_turned_and_reordered_twin_is_a_twin_and_one_wrong_of_three_stands_alone(
    make_structures: Callable[..., list[Atoms]],
) -> None:
    structures = make_structures(40, 0, seed=3)[:39]
    first = structures[0]
    turned = Atoms(
        first.numbers[::-1], first.positions[::-1][:, [1, 2, 0]], cell=first.cell.array[:, [1, 2, 0]], pbc=True
    )
    turned = with_labels(turned, first.get_potential_energy(), first.get_forces()[::-1][:, [1, 2, 0]])
    wrong = with_labels(first, first.get_potential_energy() + 16 * 0.4, first.get_forces())
    dataset = dataset_from_structures([*structures, turned, wrong])
    alike = alike_structures(unit_columns(compute_descriptors(dataset, SMALL).values), dataset)
    assert {frozenset(pair) for pair in twins(alike, dataset).tolist()} == {
        frozenset(pair) for pair in ((0, 39), (0, 40), (39, 40))
    }
    energies, of_forces = disagreement(alike, dataset)
    assert np.unique(dataset.structure_of[energies.rarity > ALARM]).tolist() == [40]
    np.testing.assert_allclose(of_forces.deviation, 0.0)


def test_forces_in_another_unit_are_found(sound: AtomicDataset) -> None:
    forces = sound.forces.copy()
    forces[sound.offsets[7] : sound.offsets[8]] /= 51.4221
    found = score(replace(sound, forces=forces))
    assert set(sound.structure_of[found.candidates]) == {7}
    ratio = next(signal for signal in found.signals if signal.name == "force ratio")
    assert ratio.value[sound.offsets[7]] == pytest.approx(1 / 51.4221, abs=0.01)
    assert "the forces of its structure are 0.019 times those that a quick model expects" in found.reasons(
        int(sound.offsets[7])
    )


def test_a_compressed_cell_is_found_by_its_labels(sound: AtomicDataset) -> None:
    structures = list(sound.structures)
    original = structures[11]
    squeezed = original.copy()
    squeezed.set_cell(0.96 * original.cell.array, scale_atoms=True)
    structures[11] = with_labels(squeezed, original.get_potential_energy(), original.get_forces())
    found = score(dataset_from_structures(structures))
    assert set(sound.structure_of[found.candidates]) == {11}
    assert any("eV/atom away from what alike" in r for r in found.reasons(int(sound.offsets[11])))


def test_two_elements(make_structures: Callable[..., list[Atoms]]) -> None:
    """Cells of niobium with a fifth of oxygen at random, labels by the pair potential: wrong ones are found."""
    rng = np.random.default_rng(0)
    structures = make_structures(60, 0, seed=5)[:60]
    for atoms in structures:
        atoms.numbers[rng.choice(16, 3, replace=False)] = 8
        atoms.calc.atoms = atoms.copy()
    dataset = dataset_from_structures(structures)
    assert dataset.species == (8, 41)
    energy, forces = dataset.energy.copy(), dataset.forces.copy()
    energy[3] -= 16 * 0.3
    forces[dataset.offsets[8] : dataset.offsets[9]] *= -1.0
    found = score(replace(dataset, energy=energy, forces=forces))
    assert set(dataset.structure_of[found.candidates]) == {3, 8}


@pytest.mark.parametrize("without", ["energy", "forces", "both"])
def test_a_whole_dataset_without_labels_of_a_kind(sound: AtomicDataset, without: str) -> None:
    """No alarm, and what the other labels tell is still told."""
    energy = sound.energy.copy() if without == "forces" else np.full(41, np.nan)
    forces = sound.forces.copy() if without == "energy" else np.full((656, 3), np.nan)
    assert len(score(replace(sound, energy=energy, forces=forces)).candidates) == 0
    if without == "forces":
        energy[4] += 16 * 0.3
    if without == "energy":
        forces[sound.offsets[4] : sound.offsets[5]] *= -1.0
    found = score(replace(sound, energy=energy, forces=forces))
    assert set(sound.structure_of[found.candidates]) == (set() if without == "both" else {4})


def test_planted_faults_in_indium_phosphide() -> None:
    """Two elements, real labels: one structure of each fault among 250, and the twenty first hold all of them."""
    frames = ase.io.read(real_data("InP_JPCA2020.extxyz"), "100:1100:4")
    dataset = dataset_from_structures(frames)
    largest = np.maximum.reduceat(np.linalg.norm(dataset.forces, axis=1), dataset.offsets[:-1])
    sign, unit, shifted = np.flatnonzero((largest > 0.5) & (np.diff(dataset.offsets) >= 8))[[1, 20, 40]]
    energy, forces = dataset.energy.copy(), dataset.forces.copy()
    forces[dataset.offsets[sign] : dataset.offsets[sign + 1]] *= -1.0
    forces[dataset.offsets[unit] : dataset.offsets[unit + 1]] /= 51.4221
    energy[shifted] += 0.2 * len(dataset.structures[shifted])
    found = score(replace(dataset, energy=energy, forces=forces))
    worst = np.maximum.reduceat(found.score, dataset.offsets[:-1])
    assert {sign, unit, shifted} <= set(np.argsort(-worst)[:20])


def test_molecules_without_a_cell() -> None:
    """Rattled water, no cell: finite scores, and a molecule with a short bond is the candidate."""
    rng = np.random.default_rng(0)
    water = Atoms("OH2", positions=[[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    structures = []
    for _ in range(200):
        moved = water.copy()
        moved.positions += rng.normal(scale=0.02, size=(3, 3))
        structures.append(moved)
    structures[20].positions[2] *= 0.5
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    found = score(dataset)
    assert np.isfinite(found.score).all()
    assert set(dataset.structure_of[found.candidates]) == {20}
    assert any("its nearest atom is only 0.514 Å away" in reason for reason in found.reasons(62))  # the hydrogen


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_few_structures(sound: AtomicDataset, count: int) -> None:
    found = score(dataset_from_structures(list(sound.structures[:count])))
    assert np.isfinite(found.score).all()


def test_being_in_no_cluster_adds_but_never_raises_the_alarm(sound: AtomicDataset, sound_outliers: Outliers) -> None:
    found = score(sound, noise=(3, 100))
    np.testing.assert_array_equal(np.flatnonzero(found.unclustered), [3, 100])
    assert len(found.candidates) == 0
    for row in (3, 100):
        plain = sound_outliers.score[row]
        assert found.score[row] == pytest.approx(plain + 0.25 * (1 - plain))
        assert "in no cluster (noise or singleton)" in found.reasons(row)
    rest = ~found.unclustered
    np.testing.assert_array_equal(found.score[rest], sound_outliers.score[rest])


def test_candidates_come_worst_first() -> None:
    found = Outliers(np.array([0.5, 1.0, 3.0, 0.99, 2.0]), np.zeros(5, dtype=bool), ())
    assert found.candidates.tolist() == [2, 4, 1]


def test_missing_labels_are_no_fault(sound: AtomicDataset, sound_outliers: Outliers) -> None:
    bare = dataset_from_structures(
        [
            Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True) if index % 3 == 0 else atoms
            for index, atoms in enumerate(sound.structures)
        ],
        allow_unlabelled=True,
    )
    assert np.isnan(bare.energy).sum() == 14
    found = score(bare)
    assert np.isfinite(found.score).all()
    assert len(found.candidates) == 0
    empty = replace(sound, energy=np.full(41, np.nan), forces=np.full((656, 3), np.nan))
    assert len(score(empty).candidates) == 0


def test_progress_names_every_signal_and_can_cancel(sound: AtomicDataset) -> None:
    seen: list[tuple[int, int, str]] = []
    score(sound, progress=lambda *step: seen.append(step))
    share = [done / total for done, total, _ in seen]
    assert share == sorted(share)
    assert share[-1] == 1.0
    named = {message.removeprefix("outliers: ") for _, _, message in seen}
    assert {"isolation", "short distance", "force", "net force", "energy"} <= named

    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        score(sound, progress=cancel)


def test_forces_of_the_wrong_sign_are_found(sound: AtomicDataset) -> None:
    forces = sound.forces.copy()
    part = slice(sound.offsets[7], sound.offsets[8])
    forces[part] *= -1.0
    found = score(replace(sound, forces=forces))
    assert set(sound.structure_of[found.candidates]) == {7}
    reasons = found.reasons(int(found.candidates[0]))
    assert any("a quick model's as usual" in reason for reason in reasons)


# The parts


def test_tail_rarity_by_hand() -> None:
    """0, 1, ..., 100: a tenth lies above 90 and a twentieth above 95; 80 to 90 is the slowest part of the tail."""
    found = tail_rarity(np.arange(101.0))
    assert not found[:81].any()
    np.testing.assert_allclose(found[[85, 90]], -np.log10(0.2) + np.log10(2) * np.array([0.5, 1.0]))
    assert found[100] == pytest.approx(1.0 + np.log10(2))


def test_a_tail_is_followed_where_it_falls_slowly() -> None:
    """Of 1000, 3 % lie at 9, and the 0.98-quantile tells. Of 100 it would rest on two, and is left out."""
    few, many = (np.repeat([0.0, 1.0, 9.0], np.array([89, 8, 3]) * n // 100) for n in (100, 1000))
    far = np.array([20.0])
    assert tail_rarity(far, few)[0] == pytest.approx(1.0 + 19 * np.log10(2))
    assert tail_rarity(far, many)[0] == pytest.approx(1.0 + 19 * np.log10(2.5) / 8)


def test_deviations_are_judged_among_others() -> None:
    np.testing.assert_allclose(tail_rarity(np.array([90.0, 3.0]), np.arange(101.0)), [1.0, 0.0])


def test_a_tail_is_never_infinitely_sharp() -> None:
    found = tail_rarity(np.array([0.0] * 99 + [1.0]))
    assert found[-1] == pytest.approx(-np.log10(0.2) + 1.0 / (0.25 * np.log(10)))
    assert not found[:-1].any()


def test_robust_deviation_by_hand() -> None:
    # median 3, absolute deviations 2 1 0 1 97 with median 1
    expected = np.array([0, 0, 0, 1, 97]) / 1.4826
    np.testing.assert_allclose(robust_deviation(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), expected)


def test_robust_deviation_where_most_are_equal() -> None:
    # the median deviation is 0; the mean one is 2 / 8
    np.testing.assert_allclose(robust_deviation(np.array([1.0, 1, 1, 1, 1, 1, 1, 3])), [0] * 7 + [2 / (1.2533 * 0.25)])


def test_robust_deviation_of_missing_and_constant_values() -> None:
    values = np.array([np.nan, 1.0, 2.0, 3.0, np.nan])
    np.testing.assert_allclose(robust_deviation(values), [0, 0, 0, 1 / 1.4826, 0])
    assert robust_deviation(np.full(4, 2.5)).tolist() == [0] * 4
    assert robust_deviation(np.full(3, np.nan)).tolist() == [0] * 3


@pytest.mark.parametrize("pbc", [True, False, (True, True, False), (False, False, True)])
def test_nearest_atoms_against_ase(pbc) -> None:
    rng = np.random.default_rng(0)
    structures = []
    for seed in range(6):
        cell = np.diag(rng.uniform(2.2, 7.0, 3)) + rng.normal(scale=0.4, size=(3, 3))
        n = int(rng.integers(1, 9))
        atoms = Atoms(numbers=rng.choice([41, 8], n), positions=rng.random((n, 3)) @ cell, cell=cell, pbc=pbc)
        atoms.positions[0] += 3 * cell[seed % 3]  # an atom outside its cell
        structures.append(atoms)
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    expected = np.full(dataset.n_environments, np.nan)
    for atoms, first in zip(structures, dataset.offsets, strict=False):
        center, distance = neighbor_list("id", atoms, CUTOFF)
        for row in range(len(atoms)):
            if (center == row).any():
                expected[first + row] = distance[center == row].min()
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(observe(dataset).nearest, expected, rtol=1e-10)


def test_nearest_atoms_by_hand() -> None:
    structures = [
        ase.build.bulk("Nb", "bcc", a=3.3),  # one atom, its own images
        Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.74]]),  # no cell
        Atoms("Nb"),
        Atoms("H2", positions=[[0, 0, 0.5], [0, 0, 9.5]], cell=[20, 20, 10], pbc=(False, False, True)),
        Atoms("Nb", cell=[2.5, 0, 0], pbc=(True, False, False)),  # a chain, no cell across
    ]
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    expected = [3.3 * np.sqrt(3) / 2, 0.74, 0.74, np.nan, 1.0, 1.0, 2.5]
    np.testing.assert_allclose(observe(dataset).nearest, expected)


def test_a_wrong_energy_does_not_hide_behind_its_own_weight() -> None:
    """A point far out on a line bends the fit towards itself; judged by the others it stands out."""
    x = np.append(np.arange(10.0), 100.0)
    target = 2.0 * x + 0.01 * (-1.0) ** np.arange(11)
    target[-1] += 5.0
    residual = left_out(np.column_stack([x / 100.0, np.ones(11)]), target).away
    others = np.polynomial.Polynomial.fit(x[:-1], target[:-1], 1)
    assert residual[-1] == pytest.approx(target[-1] - others(100.0), rel=0.02)


def test_a_wrong_energy_does_not_bend_the_fit_of_the_others() -> None:
    x = np.arange(21.0)
    target = 2.0 * x + 0.01 * (-1.0) ** np.arange(21)
    target[10] += 50.0
    residual = left_out(np.column_stack([x / 20.0, np.ones(21)]), target).away
    assert residual[10] == pytest.approx(50.0, rel=0.01)
    assert np.abs(np.delete(residual, 10)).max() < 0.1  # 2.4 for plain least squares


def test_reasons_come_strongest_first_and_only_where_they_count() -> None:
    none = np.zeros(2)
    signals = (
        Signal("a", np.array([1.5, 0.0]), np.zeros(2), np.array([ALARM / 2, 0.0]), "a is {value:.1f}"),
        Signal(
            "b",
            np.array([7.0, 0.0]),
            np.array([24.0, 0.0]),
            np.array([3 * ALARM, 0.0]),
            "b, {deviation:.0f} deviations",
        ),
        Signal("c", none, none, np.array([ALARM / 2 - 0.01, 0.0]), "c"),
    )
    found = Outliers(np.array([3.0, 0.0]), np.zeros(2, dtype=bool), signals)
    assert found.reasons(0) == ["b, 24 deviations", "a is 1.5"]
    assert found.reasons(1) == []


def test_a_stress_of_the_wrong_sign_or_unit_stands_out() -> None:
    """Crystals of many volumes: one pressure with its sign turned, one in another unit; sound ones raise nothing."""
    structures = []
    rng = np.random.default_rng(0)
    for scale in np.linspace(0.94, 1.06, 120):
        atoms = ase.build.bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        atoms.rattle(0.05, rng=rng)
        atoms.calc = EMT()
        energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=stress)
        structures.append(atoms)
    sound = dataset_from_structures(structures)
    assert not sound.sources[0].notes
    stress = sound.stress.copy()
    stress[10] *= -1
    stress[100] *= 160.2
    wrong = replace(sound, stress=stress)
    found, plain = score(wrong), score(sound)
    worst = np.array([found.score[wrong.rows_of(row)].max() for row in range(wrong.n_structures)])
    assert set(np.flatnonzero(worst >= 1.0)) == {10, 100}
    assert len(plain.candidates) == 0
    row = int(wrong.offsets[10])
    assert found.reasons(row)[0].startswith("the pressure of its structure is -")
    unknown = replace(sound, stress=np.full_like(stress, np.nan))
    assert "stress" not in [signal.name for signal in score(unknown).signals]


def test_doubt_grows_where_little_is_known() -> None:
    """The spread of a line's prediction without the point itself, by the book, up to ten times the scatter."""
    x = np.append(np.arange(10.0), 30.0)
    features = np.column_stack([x / 30.0, np.ones(11)])
    found = left_out(features, 2.0 * x + 0.01 * np.tile([1.0, -1.0], 6)[:11])
    for row in (0, 5, 10):
        others = np.delete(features, row, axis=0)
        expected = np.sqrt(1.0 + features[row] @ np.linalg.solve(others.T @ others, features[row]))
        assert found.doubt[row] == pytest.approx(expected, rel=1e-3)
    assert found.telling[10] == found.away[10] / found.doubt[10]
    lonely = np.column_stack([np.ones(11), np.arange(11) == 10])
    assert left_out(lonely, x).doubt[10] == 10.0  # nothing else is like it


def test_forces_that_a_field_only_imagines_are_no_ratio(make_structures: Callable[..., list[Atoms]]) -> None:
    """Relaxed atoms have no forces where the field errs; two large ones do not tell of all; a wrong sign does."""
    structures = make_structures(30, 0, seed=1)
    dataset = dataset_from_structures(structures)
    rng = np.random.default_rng(2)
    error = np.full(dataset.n_structures, 0.1)
    true = rng.normal(scale=0.5, size=dataset.forces.shape)
    expected = true + rng.normal(scale=0.1 / np.sqrt(3.0), size=true.shape)
    part = [slice(dataset.offsets[i], dataset.offsets[i + 1]) for i in range(3)]
    true[part[0]], expected[part[0]] = 0.0, rng.normal(scale=0.1 / np.sqrt(3.0), size=true[part[0]].shape)
    true[part[1]][:2] *= 50.0
    true[part[2]] *= -1.0
    dataset = replace(dataset, forces=true)
    n = dataset.n_environments
    seen = Observed(1.0, np.ones(n), np.ones(n), expected, np.zeros((dataset.n_structures, 1)))
    alike = alike_structures(rng.normal(size=(n, 3)), dataset)
    slope, beyond = slopes(seen, error, alike, dataset)
    assert slope[2] == pytest.approx(-1.0, abs=0.1)
    assert beyond[2] > 10.0
    assert beyond[0] < 1.5
    assert abs(slope[0]) < 0.2
    assert beyond[1] < 3.0
    assert np.delete(beyond, 2).max() < 3.0


def test_an_isolated_atom_is_not_unlike_others(make_structures: Callable[..., list[Atoms]]) -> None:
    """Its volume and its empty shell are what they must be."""
    structures = make_structures(40, 0, seed=3)
    alone = with_labels(Atoms("Nb", cell=[20.0, 20.0, 20.0], pbc=True), 0.0, np.zeros((1, 3)))
    dataset = dataset_from_structures([*structures, alone])
    found = score(dataset)
    by_name = {signal.name: signal for signal in found.signals}
    assert by_name["volume"].rarity[-1] == 0.0
    assert by_name["coordination"].rarity[-1] == 0.0
