"""Structures that are off together are one finding, with its size in words; sound ones are none."""

from __future__ import annotations

from dataclasses import replace

import ase.build
import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, Source, dataset_from_structures
from meagraph.descriptors import DescriptorConfig, compute_descriptors
from meagraph.graph.condensation import condense, unit_columns
from meagraph.latent.clustering import Clusters
from meagraph.outliers import Outliers, Signal, places, score_outliers
from meagraph.outliers import held_out as fits
from meagraph.outliers.each import stand_out
from meagraph.outliers.families import Family, frames, kinds_of, told_apart
from meagraph.outliers.held_out import Basis, HeldOut, held_out, some_of_each, weighted_median
from meagraph.outliers.levels import two_levels
from meagraph.outliers.units import as_if_in
from tests.support.structures import labelled

SMALL = DescriptorConfig(n_max=2, l_max=2)
CELLS = {
    "bcc": ase.build.bulk("Nb", "bcc", a=3.31, cubic=True) * (2, 2, 1),
    "fcc": ase.build.bulk("Nb", "fcc", a=4.21, cubic=True) * (2, 1, 1),
    "sc": ase.build.bulk("Nb", "sc", a=2.7, cubic=True) * (2, 2, 2),
    "hcp": ase.build.bulk("Nb", "hcp", a=2.95, c=4.8, orthorhombic=True) * (2, 1, 1),
    "tight": ase.build.bulk("Nb", "bcc", a=3.2, cubic=True) * (2, 2, 1),
    "wide": ase.build.bulk("Nb", "fcc", a=4.35, cubic=True) * (2, 1, 1),
}
EACH = 16


@pytest.fixture(scope="module")
def sound() -> AtomicDataset:
    """Six groups of 16 rattled crystals of eight atoms; labels are those of one pair potential."""
    rng = np.random.default_rng(0)
    structures = []
    for group, cell in CELLS.items():
        for _ in range(EACH):
            atoms = cell.copy()
            atoms.set_cell(atoms.cell * rng.uniform(0.98, 1.02), scale_atoms=True)
            atoms.positions += rng.normal(scale=0.08, size=atoms.positions.shape)
            structures.append(labelled(atoms, group))
    return dataset_from_structures(structures, name="crystals")


def score(dataset: AtomicDataset) -> Outliers:
    points = unit_columns(compute_descriptors(dataset, SMALL).values)
    one = Clusters(np.zeros(dataset.n_environments, dtype=np.int64), np.array([dataset.n_environments]), "one")
    return score_outliers(points, condense(points), one, dataset)


def group_of(dataset: AtomicDataset, name: str) -> np.ndarray:
    return np.flatnonzero(dataset.groups == name)


def off_by(dataset: AtomicDataset, rows: np.ndarray, shift: float) -> AtomicDataset:
    energy = dataset.energy.copy()
    energy[rows] += shift * dataset.sizes[rows]
    return replace(dataset, energy=energy)


def test_a_sound_dataset_has_no_family(sound: AtomicDataset) -> None:
    found = score(sound)
    assert found.off_together == ()
    assert len(found.candidates) == 0


@pytest.mark.parametrize("shift", [0.2, -1.0, 2.0])
def test_a_group_that_is_off_as_a_whole(sound: AtomicDataset, shift: float) -> None:
    rows = group_of(sound, "hcp")
    found = score(off_by(sound, rows, shift))
    (family,) = found.off_together
    np.testing.assert_array_equal(family.members, rows)
    assert (family.kind, family.name, family.label, family.size) == ("group", "hcp", "energy", EACH)
    assert family.offset == pytest.approx(shift, abs=0.05)
    side = "above" if shift > 0 else "below"
    assert family.title == "group hcp: all 16 structures"
    assert f"eV/atom {side} what the rest suggests" in family.words
    assert set(sound.structure_of[found.candidates]) == set(rows.tolist())
    assert found.reasons(int(sound.offsets[rows[3]]))[0] == family.words
    assert found.family_of(0) is None


@pytest.mark.parametrize("part", [0.25, 0.5, 0.75])
def test_a_group_in_two_levels(sound: AtomicDataset, part: float) -> None:
    rows = np.random.default_rng(1).choice(group_of(sound, "fcc"), int(part * EACH), replace=False)
    found = score(off_by(sound, rows, 0.3))
    (family,) = found.off_together
    np.testing.assert_array_equal(family.members, np.sort(rows))
    assert family.words.startswith(f"group fcc: {len(rows)} of 16 structures lie 0.")
    assert "eV/atom above the others of it" in family.words
    assert family.offset == pytest.approx(0.3, abs=0.03)


def test_half_a_trajectory_names_its_frames(sound: AtomicDataset) -> None:
    rows = group_of(sound, "bcc")[EACH // 2 :]
    (family,) = score(off_by(sound, rows, 0.1)).off_together
    np.testing.assert_array_equal(family.members, rows)
    assert family.words.endswith("(frames 8 to 15)")


def test_a_file_of_several_groups_is_one_family(sound: AtomicDataset) -> None:
    """Half of the groups come from another file, of which every energy has another reference."""
    rows = np.flatnonzero(np.isin(sound.groups, ["sc", "wide"]))
    index = np.isin(np.arange(sound.n_structures), rows).astype(np.int32)
    index[group_of(sound, "bcc")] = 2
    source = sound.sources[0]
    files = tuple(Source(path, "", "memory", EACH) for path in ("a/one.xyz", "b/two.xyz", "b/three.xyz"))
    assert source.path == ""
    dataset = off_by(replace(sound, sources=files, source_index=index), rows, -0.5)
    (family,) = score(dataset).off_together
    assert (family.kind, family.name) == ("file", "two.xyz")
    np.testing.assert_array_equal(family.members, rows)


def test_energies_in_hartree_say_so(sound: AtomicDataset) -> None:
    """Energies of solids are far from zero; the unit is told by the ratio."""
    dataset = off_by(sound, np.arange(sound.n_structures), -10.0)
    energy = dataset.energy.copy()
    rows = group_of(sound, "tight")
    energy[rows] /= 27.211386
    (family,) = score(replace(dataset, energy=energy)).off_together
    np.testing.assert_array_equal(family.members, rows)
    assert family.words.endswith(", as if in Hartree")


def test_forces_in_another_unit_say_so(sound: AtomicDataset) -> None:
    rows = group_of(sound, "wide")
    forces = sound.forces.copy()
    forces[np.isin(sound.structure_of, rows)] /= 51.422067
    families = score(replace(sound, forces=forces)).off_together
    (family,) = [one for one in families if one.label == "forces"]
    np.testing.assert_array_equal(family.members, rows)
    assert 0.01 < family.offset < 0.04  # the quick model has seen the wrong forces, too
    assert family.words.endswith("times those that a quick model expects, as if in Hartree/bohr")


def test_another_order_and_other_constants_change_nothing(sound: AtomicDataset) -> None:
    rows = group_of(sound, "hcp")
    wrong = off_by(sound, rows, 0.4)
    first = score(wrong)
    order = np.random.default_rng(2).permutation(sound.n_structures)
    moved = dataset_from_structures([sound.structures[row] for row in order], name="moved")
    moved = replace(moved, energy=wrong.energy[order] + 7.0 * sound.sizes[order])
    second = score(moved)
    (one,), (other,) = first.off_together, second.off_together
    np.testing.assert_array_equal(np.sort(order[other.members]), one.members)
    assert other.offset == pytest.approx(one.offset, abs=2e-3)
    assert other.score == pytest.approx(one.score, rel=0.05)


def test_a_family_left_out_by_hand() -> None:
    """The constants of two elements from two families each; a fifth, of both elements, lies 5 eV/atom higher."""
    shares = np.array([[1.0, 0.0]] * 8 + [[0.0, 1.0]] * 8 + [[0.5, 0.5]] * 4)
    energy = shares @ [2.0, 4.0] + np.repeat([0.0, 0.0, 0.0, 0.0, 5.0], 4)
    basis = Basis(shares, np.eye(2) * 1e-6, np.zeros(20))
    found = held_out(energy, np.repeat(np.arange(5), 4), (basis,), np.full(20, 0.01))
    np.testing.assert_allclose(found.misfit[16:], 5.0, atol=1e-3)
    np.testing.assert_allclose(found.offset, [0.0, 0.0, 0.0, 0.0, 5.0], atol=1e-3)
    # half of each constant, known from eight values: a sixteenth of a value's variance; then the median of four
    assert found.doubt[4] == pytest.approx(0.01 * np.sqrt(0.0625 + 0.5 * np.pi * (1 + 0.0625) / 4), rel=0.03)


def test_bases_that_disagree_leave_doubt() -> None:
    flat = np.ones((8, 1))
    low, high = (Basis(flat, np.eye(1) * 1e-6, np.repeat([0.0, by], 4)) for by in (-0.2, 0.2))
    found = held_out(np.zeros(8), np.repeat([0, 1], 4), (low, high), np.full(8, 0.01))
    np.testing.assert_allclose(found.offset, 0.0, atol=1e-6)
    assert (found.doubt > 0.19).all()


def test_weighted_median_by_hand() -> None:
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])) == 2.0
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([5.0, 1.0, 1.0])) == 3.0


def test_two_levels_by_hand() -> None:
    values = np.array([0.0, 1.0, 0.001, 1.002, 0.002, 1.001, 0.0])
    found = two_levels(values)
    assert found is not None
    assert found.upper.tolist() == [False, True, False, True, False, True, False]
    assert found.apart == pytest.approx(1.001 - 0.0005)
    assert found.spread == pytest.approx(np.hypot(1.4826 * 0.001, 0.005))
    assert two_levels(np.linspace(0, 1, 40)) is None  # no empty space
    assert two_levels(np.array([0.0] * 20 + [5.0])) is None  # one outlier is no level
    assert two_levels(np.zeros(5)) is None


def test_kinds_of_equal_sorting_are_one(sound: AtomicDataset) -> None:
    (only,) = kinds_of(sound)  # all of them lie in one file
    assert (only.name, only.families) == ("group", tuple(sorted(CELLS)))
    alike = replace(
        sound,
        sources=tuple(Source(name, "", "memory", EACH) for name in CELLS),
        source_index=np.repeat(np.arange(6), EACH).astype(np.int32),
    )
    assert [kind.name for kind in kinds_of(alike)] == ["group"]
    cluster = np.where(np.arange(sound.n_structures) < 40, 0, -1)
    (_, last) = kinds_of(sound, cluster)
    assert (last.name, last.families) == ("cluster", ("1", "none"))
    assert np.bincount(last.of).tolist() == [40, 56]


def family(members: list[int], size: int, score: float, dataset: AtomicDataset) -> Family:
    rows = np.flatnonzero(np.isin(dataset.structure_of, members))
    return Family("group", "a", "energy", np.array(members), rows, size, 0.1, score, "lie 0.1 eV/atom above")


def test_what_is_told_apart(sound: AtomicDataset) -> None:
    whole, part = family([0, 1, 2, 3], 4, 2.0, sound), family([2, 3, 4], 9, 5.0, sound)
    other = family([7, 8], 2, 1.0, sound)
    assert told_apart([part, other, whole]) == (whole, other)


def test_places_are_by_structure_and_family(sound: AtomicDataset) -> None:
    value = np.zeros(sound.n_environments)
    value[[5, 8, 16, 24]] = [0.9, 3.0, 1.5, 1.5]  # structures 0, 1, 2, 3
    together = family([2, 5], 16, 1.5, sound)
    found = Outliers(value, np.zeros(len(value), dtype=bool), (Signal("a", value, value, value, "a"),), (together,))
    place = places(found, sound)
    assert set(place[8:16]) == {1}
    assert set(place[16:24]) == set(place[40:48]) == {2}  # before structure 3, by the order of the dataset
    assert set(place[24:32]) == {3}
    assert set(place[:8]) == {4}


def test_units_by_ratio() -> None:
    assert as_if_in(-10.0 / 27.2114, -10.0, per_atom=True) == ", as if in Hartree"
    assert as_if_in(-10.0 * 23.06, -10.0, per_atom=True) == ", as if in kcal/mol"
    assert as_if_in(-10.3, -10.0, per_atom=True) == ""
    assert as_if_in(0.01, 0.2, per_atom=True) == ""  # too small to tell
    assert as_if_in(1 / 51.42, 1.0) == ", as if in Hartree/bohr"
    assert as_if_in(-1.01, 1.0) == ", as if of the opposite sign"


def test_frames_in_a_row(sound: AtomicDataset) -> None:
    assert frames(np.array([3, 4, 5]), 16, sound) == " (frames 3 to 5)"
    assert frames(np.array([3, 5]), 16, sound) == ""
    assert frames(np.array([3, 4]), 2, sound) == ""


def test_without_forces_a_group_is_still_told(sound: AtomicDataset) -> None:
    """Energies alone: descriptors vouch for them."""
    rows = group_of(sound, "tight")
    bare = replace(off_by(sound, rows, 3.0), forces=np.full_like(sound.forces, np.nan))
    assert any(set(one.members.tolist()) == set(rows.tolist()) for one in score(bare).off_together)
    nothing = replace(bare, energy=np.full(sound.n_structures, np.nan))
    assert score(nothing).off_together == ()


def test_a_dataset_of_one_group_in_two_levels(sound: AtomicDataset) -> None:
    """Nothing is known of families, but every third structure lies higher."""
    alone = replace(sound, groups=np.full(sound.n_structures, "all"))
    rows = np.arange(0, sound.n_structures, 3)
    (family,) = score(off_by(alone, rows, 0.5)).off_together
    np.testing.assert_array_equal(family.members, rows)
    assert family.title == "dataset crystals: 32 of 96 structures"


def test_an_isolated_atom_is_no_family(sound: AtomicDataset) -> None:
    lone = labelled(Atoms("Nb"), "IsolatedAtom")
    dataset = dataset_from_structures([*sound.structures, lone], name="with an atom")
    assert score(dataset).off_together == ()


def test_what_parts_two_levels_may_be_their_make() -> None:
    """Two levels that differ in a feature of which nothing is known are apart by no more than that leaves open."""
    features = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
    precision = np.diag([1e4, 4.0])
    told = (Basis(features, precision, np.zeros(8)),)
    fit = HeldOut(*np.zeros((3, 8)), np.ones(8), *np.zeros((2, 1)), told)
    first, second = np.arange(4), np.arange(4, 8)
    assert fit.between(first, second) == pytest.approx(0.5)  # one over the root of 4
    assert fit.between(np.array([0, 4]), np.array([1, 5])) == 0.0  # of the same make


def test_levels_are_told_by_what_is_sure() -> None:
    """A value that nobody knows lies anywhere; it joins the level that it is nearer to and does not blur it."""
    values = np.r_[np.zeros(6), np.ones(6), 0.4, -3.0]
    unsure = np.r_[np.full(12, 0.01), 2.0, 2.0]
    found = two_levels(values, unsure)
    assert found is not None
    assert found.upper.tolist() == [False] * 6 + [True] * 6 + [False] * 2
    assert found.apart == 1.0


def test_many_of_a_group_that_stand_out_are_one(sound: AtomicDataset) -> None:
    """Three of eight, and more than a quarter; two, or a small part of a large group, stay by themselves."""
    groups = np.full(sound.n_structures, "other", dtype=object)
    groups[:8], groups[8:16] = "few", "fewer"
    dataset = replace(sound, groups=groups.astype(str))
    score = np.full(sound.n_structures, 0.2)
    score[[0, 3, 7]] = 2.0, 1.1, 5.0
    score[[8, 9]] = 3.0
    score[16:19] = 1.5
    rarity = np.zeros(sound.n_structures)
    rarity[:8] = 9.0
    (one,) = stand_out(score, [("volume", 0.0 * rarity), ("force", rarity)], (), dataset)
    assert (one.name, one.label, one.members.tolist(), one.size, one.score) == ("few", "each", [0, 3, 7], 8, 1.1)
    assert one.words == "group few: 3 of 8 structures stand out, each by itself (force)"
    assert stand_out(score, [("force", rarity)], (one,), dataset) == ()


@pytest.mark.parametrize("most", [5, 23, 60, 100, 200])
def test_of_each_family_as_many_are_fitted_and_small_ones_whole(most: int) -> None:
    family = np.random.default_rng(2).permutation(np.repeat(np.arange(4), [3, 10, 40, 70]))
    some = some_of_each(family, most)
    sizes, count = np.bincount(family), np.bincount(family[some], minlength=4)
    assert count.sum() <= most
    assert set(count[count < sizes].tolist()) <= {count.max()}  # what is not whole has as many
    assert most >= len(family) or count.sum() > most - 4  # and no place is left that each could have one more of
    np.testing.assert_array_equal(some, some_of_each(family, most))


def test_of_many_structures_some_are_fitted_and_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    features = np.column_stack([np.ones(4000), rng.normal(size=(4000, 4))])
    family = rng.integers(0, 5, 4000)
    energy = features @ rng.normal(size=5) + rng.normal(0, 0.02, 4000) + 0.3 * (family == 2)
    basis = Basis(features, np.eye(5), np.zeros(4000))
    whole = held_out(energy, family, (basis,), np.full(4000, 0.02))
    monkeypatch.setattr(fits, "FITTED", 1000)
    part = held_out(energy, family, (basis,), np.full(4000, 0.02))
    np.testing.assert_allclose(part.misfit, whole.misfit, atol=0.01)
    np.testing.assert_allclose(part.inside, whole.inside, atol=0.01)
    np.testing.assert_allclose(part.spread, whole.spread, rtol=0.02)
    np.testing.assert_allclose(part.unsure, whole.unsure, rtol=0.02)
    np.testing.assert_allclose(part.offset, whole.offset, atol=0.005)
    assert part.offset[2] == pytest.approx(0.3, abs=0.01)
