"""QUESTS' measures: by hand, against the package as it is called from its own commands, and what is left behind."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111

import meagraph.evaluation.quests as quests_measures
from meagraph.datasets import AtomicDataset, dataset_from_structures, read_dataset
from meagraph.datasets.known import with_known
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.evaluation.quests import ALL, CHOSEN, KEPT, QuestsConfig, kernel_sums, quests_descriptors
from meagraph.exports import export_plan
from meagraph.pipeline.quests import measure_quests
from meagraph.pruning.entropy import diversity, entropy, gaussian_kernel, overlap
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.settings import PruningConfig
from tests.support.structures import niobium_structures, real_data

package = pytest.importorskip("quests.entropy", reason='needs QUESTS: pip install "meaviz[quests]"')
descriptor = pytest.importorskip("quests.descriptor", reason='needs QUESTS: pip install "meaviz[quests]"')


def unlabelled(*structures: Atoms) -> AtomicDataset:
    return dataset_from_structures(structures, name="made up", allow_unlabelled=True)


def plan_of(data: AtomicDataset, structures: np.ndarray, keep: np.ndarray | None = None) -> PruningPlan:
    keep = structures[data.structure_of] if keep is None else keep
    nobody = np.zeros(data.n_structures, dtype=bool)
    return PruningPlan(keep, structures, nobody, PruningConfig(), np.array([keep.sum(), 0]))


def dimers(*lengths: float) -> AtomicDataset:
    return unlabelled(*(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, length]]) for length in lengths))


# ---- descriptors


def test_descriptors_by_hand() -> None:
    """A dimer has one neighbour of weight (1 - (r/5)²)², a triangle pairs of them as well, an atom alone nothing."""
    side = 2.0
    triangle = Atoms("Ar3", positions=[[0, 0, 0], [side, 0, 0], [side / 2, side * math.sqrt(3) / 2, 0]])
    data = unlabelled(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 2.5]]), triangle, Atoms("Ar"))
    values = quests_descriptors(data, QuestsConfig(k=4))
    assert values.shape == (6, 7)
    wanted = np.zeros((6, 7))
    wanted[:2, 0] = (1 - 0.25) ** 2 / 2.5
    weight = (1 - (side / 5) ** 2) ** 2
    wanted[2:5, :2] = weight / side
    wanted[2:5, 4] = 2 * weight / side / 4  # the largest of each neighbour's row, two of four rows, mean over k
    np.testing.assert_allclose(values, wanted, atol=1e-12)


def test_descriptors_are_the_packages_own_on_real_data() -> None:
    data = read_dataset([real_data("InP_JPCA2020.extxyz")])
    few = [data.structures[index] for index in range(0, data.n_structures, 120)]
    values = quests_descriptors(unlabelled(*few))
    np.testing.assert_allclose(values, descriptor.get_descriptors(few, k=32, cutoff=5.0), rtol=0, atol=1e-9)


def test_positions_count_modulo_the_cell_and_an_empty_box_costs_nothing() -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.6) * (2, 2, 1)
    crystal.rattle(0.15, seed=0)
    unwrapped, other = crystal.copy(), crystal.copy()
    unwrapped.positions += np.random.default_rng(0).integers(-300, 301, (len(crystal), 3)) @ crystal.cell.array
    other.set_cell(np.array([[1, 3, -2], [0, 1, 4], [0, 0, 1]]) @ crystal.cell.array)
    boxes = [Atoms(crystal.numbers, crystal.positions, cell=[size] * 3, pbc=True) for size in (40.0, 2500.0)]
    values = quests_descriptors(unlabelled(crystal, unwrapped, other, *boxes)).reshape(5, len(crystal), -1)
    np.testing.assert_allclose(values[1:3], values[[0, 0]], atol=1e-8)
    np.testing.assert_allclose(values[4], values[3], atol=1e-8)


def test_few_neighbours_open_borders_and_left_handed_cells() -> None:
    lonely = Atoms("Nb", cell=[20.0] * 3, pbc=True)  # no neighbour within the cutoff
    sparse = bulk("Ar", "fcc", a=6.0, cubic=True)  # 12 neighbours within the cutoff, of 32
    slab = fcc111("Ag", (2, 2, 2), vacuum=5.0)
    free = slab.copy()
    free.pbc = False
    crystal = bulk("Nb", "bcc", a=3.3)
    turned = crystal.copy()
    turned.set_cell(crystal.cell.array[[1, 0, 2]])  # the same lattice, left-handed
    data = unlabelled(lonely, sparse, slab, free, crystal, turned)
    values = quests_descriptors(data)
    parts = np.split(values, data.offsets[1:-1])
    assert not parts[0].any()
    assert ((parts[1] > 0).sum(axis=1) == 12 + 11).all()  # beyond the cutoff all weights are 0
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(parts[2], parts[3])  # periodic in two directions: as the package has it, open
    assert parts[4][0, 0] > 0
    np.testing.assert_allclose(parts[4], parts[5], atol=1e-12)


def test_atoms_that_coincide_are_named() -> None:
    data = unlabelled(Atoms("Nb"), Atoms("Nb3", positions=[[0, 0, 0], [2.5, 0, 0], [2.5, 0, 0]]))
    with pytest.raises(MEAGraphError, match=r"frame 1 .*, atom 1: expected atoms at least 0.001 Å apart"):
        quests_descriptors(data)


def test_descriptors_come_from_the_cache(niobium: AtomicDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(niobium, np.ones(niobium.n_structures, dtype=bool))
    first = measure_quests(niobium, plan)
    monkeypatch.setattr(descriptor, "get_descriptors", lambda *_, **__: pytest.fail("computed again"))
    assert measure_quests(niobium, plan).sets == first.sets
    for other in (QuestsConfig(k=8), QuestsConfig(cutoff=4.0)):
        with pytest.raises(pytest.fail.Exception):
            measure_quests(niobium, plan, other)


def test_structures_that_repeat_are_described_once(niobium: AtomicDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    whole = descriptor.get_descriptors

    def count(frames: list[Atoms], **options: Any) -> np.ndarray:
        seen.extend(map(len, frames))
        return whole(frames, **options)

    monkeypatch.setattr(descriptor, "get_descriptors", count)
    values = quests_descriptors(niobium)
    assert len(seen) == niobium.n_structures - 1
    np.testing.assert_array_equal(values, whole(niobium.structures))


# ---- measures


def test_measures_by_hand() -> None:
    """Five dimers, two of them equal, far apart by the kernel: one kind of four environments, three of two."""
    data = dimers(2.0, 2.0, 2.5, 3.0, 3.5)
    plan = plan_of(data, np.array([True, True, True, False, False]), keep=np.isin(np.arange(10), [0, 4, 6]))
    found = quests_measures.quests_measures(data, plan, QuestsConfig(bandwidth=0.005))
    whole, chosen, kept = (found.sets[name] for name in (ALL, CHOSEN, KEPT))
    assert (whole.environments, chosen.environments, kept.environments) == (whole.used, chosen.used, kept.used)
    assert (whole.used, chosen.used, kept.used) == (10, 3, 6)
    assert whole.entropy == pytest.approx(math.log(10) - 0.4 * math.log(4) - 0.6 * math.log(2))
    assert whole.diversity == pytest.approx(math.log(4))
    assert whole.overlap == 1.0
    assert chosen.entropy == pytest.approx(math.log(3))
    assert chosen.diversity == pytest.approx(math.log(3))
    assert chosen.overlap == pytest.approx(8 / 10)
    assert kept.entropy == pytest.approx(math.log(6) - math.log(4) * 4 / 6 - math.log(2) * 2 / 6)
    assert kept.diversity == pytest.approx(math.log(2))
    assert kept.overlap == pytest.approx(6 / 10)


def test_neighbours_share_an_environment_and_epsilon_decides() -> None:
    """Two atoms a bandwidth apart: a kernel of exp(-1/2) between them, and a surprise of 1/2 about the one left out."""
    near = 2.5
    x = (1 - (near / 5) ** 2) ** 2 / near
    far = next(r for r in np.arange(near, 3.0, 1e-5) if x - (1 - (r / 5) ** 2) ** 2 / r >= 0.015)
    data = dimers(near, far)
    plan = plan_of(data, np.array([True, False]), keep=np.array([True, False, False, False]))
    found = quests_measures.quests_measures(data, plan)
    assert found.sets[ALL].entropy == pytest.approx(-math.log((2 + 2 * math.exp(-0.5)) / 4), abs=1e-3)
    assert found.sets[CHOSEN].overlap == 0.5
    for epsilon, overlap_found in ((0.49, 0.5), (0.51, 1.0)):
        found = quests_measures.quests_measures(data, plan, QuestsConfig(epsilon=epsilon))
        assert found.sets[CHOSEN].overlap == overlap_found


def test_measures_are_the_packages_own_on_the_exported_files(tmp_path: Path) -> None:
    """What ``quests entropy`` and ``quests overlap`` say of the dataset's file and of the exported one."""
    data = read_dataset([real_data("Ta_JCP2014.extxyz")])
    data = dataset_from_structures(data.structures[::4], name="ta", allow_unlabelled=True)
    structures = np.random.default_rng(0).random(data.n_structures) < 0.3
    plan = plan_of(data, structures, keep=np.random.default_rng(1).random(data.n_environments) < 0.2)
    config = QuestsConfig(bandwidth=0.03)
    found = quests_measures.quests_measures(data, plan, config)
    files = export_plan(data, plan, tmp_path / "out", settings={})
    whole = descriptor.get_descriptors(list(data.structures), k=32, cutoff=5.0)
    kept = descriptor.get_descriptors(ase.io.read(files.structures, ":"), k=32, cutoff=5.0)
    for name, x in ((ALL, whole), (CHOSEN, whole[plan.keep]), (KEPT, kept)):
        one = found.sets[name]
        assert one.entropy == pytest.approx(package.entropy(x, h=0.03), abs=1e-6), name
        assert one.diversity == pytest.approx(package.diversity(x, h=0.03), abs=1e-6), name
        assert one.overlap == (package.delta_entropy(whole, x, h=0.03) < 1e-5).mean(), name
    assert 0.0 < found.sets[KEPT].overlap < 1.0


def test_blocks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((70, 5)), rng.random((45, 5))
    whole = package.kernel_sum(x, y, h=0.3)
    for name, size in (("ROWS", 16), ("COLUMNS", 12), ("BATCH", 5)):
        monkeypatch.setattr(quests_measures, name, size)
    seen: list[tuple[int, int]] = []
    sums = kernel_sums(x, y, 0.3, progress=lambda done, total, message: seen.append((done, total)))
    np.testing.assert_allclose(sums, whole, rtol=1e-12)
    blocks = [pair for pair in seen if pair[1] == 70 * 45]
    assert len(blocks) == 5 * 4
    assert blocks == sorted(set(blocks))
    assert blocks[-1] == (70 * 45, 70 * 45)


def test_a_sample_is_measured_by_itself(niobium: AtomicDataset) -> None:
    plan = plan_of(niobium, np.arange(niobium.n_structures) % 2 == 0)
    config = QuestsConfig(sample=40, seed=3)
    found = quests_measures.quests_measures(niobium, plan, config)
    values = quests_descriptors(niobium)
    order = np.random.default_rng(3).permutation(niobium.n_environments)
    everything, kept = order[:40], order[plan.keep[order]][:40]
    assert found.sets[ALL].used == found.sets[KEPT].used == 40
    assert found.sets[ALL].environments == niobium.n_environments
    assert found.sets[ALL].entropy == pytest.approx(package.entropy(values[everything]))
    assert found.sets[KEPT].entropy == pytest.approx(package.entropy(values[kept]))
    assert found.sets[KEPT].overlap == (package.delta_entropy(values[everything], values[kept]) < 1e-5).mean()
    other = quests_measures.quests_measures(niobium, plan, replace(config, seed=4))
    assert other.sets[ALL].entropy != found.sets[ALL].entropy
    exact = quests_measures.quests_measures(niobium, plan, replace(config, sample=1000))
    assert exact.sets[ALL] == quests_measures.quests_measures(niobium, plan).sets[ALL]


@pytest.mark.parametrize("seed", range(3))
def test_our_fast_measures_are_the_packages_on_equal_descriptors(seed: int) -> None:
    """Points with multiplicities, as ``coverage`` has them, against the package on every copy."""
    rng = np.random.default_rng(seed)
    points, width = rng.normal(size=(60, 6)), 0.8
    weights, others = rng.integers(0, 4, 60), rng.integers(1, 5, 60)
    kernel = gaussian_kernel(points, width)
    x, y = np.repeat(points, weights, axis=0), np.repeat(points, others, axis=0)
    assert entropy(kernel, weights) == pytest.approx(package.entropy(x, h=width), abs=1e-5)
    assert diversity(kernel, weights) == pytest.approx(package.diversity(x, h=width), abs=1e-5)
    assert overlap(kernel, weights, others) == (package.delta_entropy(y, x, h=width) < 1e-5).mean()
    assert 0.0 < overlap(kernel, weights, others) < 1.0


# ---- what goes wrong, and what is left behind


def test_a_cancelled_run_leaves_nothing(niobium: AtomicDataset, own_cache: Path) -> None:
    plan = plan_of(niobium, np.ones(niobium.n_structures, dtype=bool))

    def until(stage: str) -> list[str]:
        said: list[str] = []

        def cancel(done: int, total: int, message: str) -> None:
            said.append(message)
            if message == stage:
                raise Cancelled

        with pytest.raises(Cancelled):
            measure_quests(niobium, plan, progress=cancel)
        return said

    def kept() -> list[str]:
        return sorted(path.parent.name for path in own_cache.glob("quests*/*"))

    until("QUESTS descriptors")
    assert not kept()
    until("QUESTS entropy")  # the descriptors are whole, and stay
    assert kept() == ["quests-descriptors"]
    found = measure_quests(niobium, plan)
    assert kept() == ["quests", "quests-descriptors"]
    assert measure_quests(niobium, plan).sets == found.sets
    assert measure_quests(niobium, plan, cache=False).sets == found.sets


def test_figures_are_json_and_parameters_are_always_there(niobium: AtomicDataset) -> None:
    found = quests_measures.quests_measures(niobium, plan_of(niobium, np.arange(niobium.n_structures) < 3))
    figures = found.figures()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["parameters"] == {
        "k": 32,
        "cutoff": 5.0,
        "bandwidth": 0.015,
        "epsilon": 1e-5,
        "sample": None,
        "seed": 0,
        "implementation": quests_measures.implementation(),
    }
    for words in ("k 32", "cutoff 5 Å", "bandwidth 0.015 1/Å", "1e-05 nats", "quests 20"):
        assert words in found.caption()
    assert "seed" not in found.caption()
    assert "at most 40 environments of each set, seed 0" in replace(found, config=QuestsConfig(sample=40)).caption()


def test_bad_requests(niobium: AtomicDataset) -> None:
    for bad in ({"k": 1}, {"cutoff": 0.0}, {"bandwidth": -1.0}, {"bandwidth": math.inf}, {"epsilon": math.nan}):
        with pytest.raises(MEAGraphError, match="QUESTS"):
            QuestsConfig(**bad)
    with pytest.raises(MEAGraphError, match="1 environment or more, got 0"):
        QuestsConfig(sample=0)
    with pytest.raises(MEAGraphError, match="0 or more"):
        QuestsConfig(seed=-1)
    with pytest.raises(MEAGraphError, match="Keep more"):
        quests_measures.quests_measures(niobium, plan_of(niobium, np.zeros(niobium.n_structures, dtype=bool)))
    with pytest.raises(MEAGraphError, match="that the plan was made for"):
        quests_measures.quests_measures(unlabelled(Atoms("Nb")), plan_of(niobium, np.ones(12, dtype=bool)))


def test_a_missing_package_is_named(niobium: AtomicDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(quests_measures, "version", missing)
    with pytest.raises(MEAGraphError, match=r'Run pip install "meaviz\[quests\]"'):
        quests_measures.quests_measures(niobium, plan_of(niobium, np.ones(12, dtype=bool)))


def test_isolated_atoms_count_as_equal() -> None:
    """The package gives every atom without neighbours the same descriptor, whatever its element."""
    data = dataset_from_structures([*niobium_structures(1, 0), Atoms("Ta")], name="two", allow_unlabelled=True)
    values = quests_descriptors(data)
    assert not values[-2:].any()


# ---- beside what is known


def test_the_surprise_of_what_is_new_given_the_known() -> None:
    """δH = -log Σ exp(-d²/2h²) over the known: 0 beside one equal to it, -log 2 beside two, d²/2h² beside one at d."""
    data = with_known(dimers(2.0, 3.0), dimers(2.2, 2.4))
    values = np.array([[0.0], [1.0], [9.0], [2.0], [0.0], [0.0], [3.0], [3.0]])  # the last four are known
    found = quests_measures.surprise(data, QuestsConfig(bandwidth=1.0), values=values)
    kernel = np.exp(-0.5 * (values[:4] - values[4:].T) ** 2).sum(axis=1)
    assert found[:4] == pytest.approx(-np.log(kernel))
    assert found[0] == pytest.approx(-math.log(2 + 2 * math.exp(-4.5)))
    assert np.isnan(found[4:]).all()
