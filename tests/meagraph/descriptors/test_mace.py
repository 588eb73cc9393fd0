"""MACE: the values are those of mace itself, and a model file runs nothing, whatever it holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.descriptors import (
    KINDS,
    DescriptorConfig,
    Descriptors,
    check_same_descriptors,
    compute_descriptors,
    mace_based,
)
from meagraph.descriptors.batches import batched
from meagraph.descriptors.mace_file import read_mace_file
from meagraph.errors import MEAGraphError
from tests.support.tiny_mace import modules, network, phosphides, saved

# What a file may hold


class Call:
    """Pickled as the call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def test_a_file_that_calls_a_system_function_is_refused_by_name(tmp_path: Path) -> None:
    trace, file = tmp_path / "ran", tmp_path / "evil.model"
    torch.save({"model": Call(os.mkdir, str(trace))}, file)
    with pytest.raises(MEAGraphError, match=r"evil\.model: refused, because it would run posix\.mkdir"):
        read_mace_file(file)
    assert not trace.exists()
    torch.load(file, weights_only=False)  # it would have run
    assert trace.exists()


def test_source_text_that_hides_behind_a_function_of_torch_is_not_run(tmp_path: Path) -> None:
    """torch.fx compiles what the pickle carries; the name is let in, for every MACE model has it, but as a record."""
    trace, file = tmp_path / "ran", tmp_path / "evil.model"
    reduce_graph_module = torch.fx.graph_module.reduce_graph_module
    source = f"import os\nos.mkdir({str(trace)!r})\ndef forward(self): pass\n"
    torch.save(Call(reduce_graph_module, {"_code": source}, ""), file)
    with pytest.raises(MEAGraphError, match="expected a MACE model"):
        read_mace_file(file)
    assert not trace.exists()
    with pytest.raises(Exception):  # noqa: B017, PT011  (what comes after the source text has run)
        torch.load(file, weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize("content", ["missing", "text", "weights", "module"])
def test_files_that_are_no_mace_model(tmp_path: Path, content: str) -> None:
    file = tmp_path / "some.model"
    match content:
        case "text":
            file.write_text("no model")
        case "weights":
            torch.save({"weight": torch.zeros(3)}, file)
        case "module":
            torch.save(torch.nn.Linear(2, 3), file)
    with pytest.raises(MEAGraphError, match=r"some\.model: expected a .* model"):
        read_mace_file(file)


def test_batches_are_bounded_and_keep_the_order() -> None:
    structures = [Atoms(f"H{n}") for n in (50, 70, 13, 150, 1, 127, 2)]
    batches = list(batched(structures, mace_based.BATCH))
    assert [len(atoms) for batch in batches for atoms in batch] == [len(atoms) for atoms in structures]
    assert [[len(atoms) for atoms in batch] for batch in batches] == [[50, 70], [13], [150], [1, 127], [2]]


# A small model of mace's own making


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model, and the file that it was saved to."""
    made = network()
    return made, saved(made, tmp_path_factory.mktemp("mace") / "tiny.model")


def dataset(structures: list[Atoms]) -> AtomicDataset:
    return dataset_from_structures(structures, name="phosphides", allow_unlabelled=True)


def describe(path: Path, structures: list[Atoms]) -> Descriptors:
    config = DescriptorConfig(method="mace", source=str(path))
    return compute_descriptors(dataset(structures), config)


def by_mace_itself(model: Any, structures: list[Atoms], dtype: str) -> np.ndarray:
    from mace.calculators import MACECalculator

    calculator = MACECalculator(models=[model], device="cpu", default_dtype=dtype)
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    try:
        return np.concatenate([calculator.get_descriptors(atoms, invariants_only=True) for atoms in structures])
    finally:
        torch.set_default_dtype(torch.float32)


def test_values_are_those_of_mace(model: tuple[Any, Path]) -> None:
    found = describe(model[1], phosphides())
    assert found.values.shape == (8 + 5 + 8 + 1, 2 * 8)  # two layers of eight scalars
    expected = by_mace_itself(model[0], phosphides(), "float32")
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-7)
    assert np.ptp(expected, axis=0).min() > 1e-4
    assert {key: found.parameters[key] for key in ("r_cut", "layers")} == {"r_cut": 4.0, "layers": 2}


@pytest.mark.parametrize(
    "changed",
    [
        {"dtype": torch.float64},
        {"avg_num_neighbors": np.float64(7.5), "gate": torch.tanh},
        {"num_interactions": 1},
        {"num_interactions": 3, "hidden_irreps": "4x0e + 4x1o + 4x2e", "max_ell": 3, "correlation": 3},
        {"interaction_cls_first": "RealAgnosticDensityInteractionBlock", "pair_repulsion": True},
        {"distance_transform": "Agnesi", "radial_MLP": [16, 16], "heads": ["Default", "other"]},
    ],
    ids=["double", "numpy scalar", "one layer", "three layers", "density", "agnesi, heads"],
)
def test_other_shapes_of_model(tmp_path: Path, changed: dict[str, Any]) -> None:
    kinds = modules().interaction_classes
    from e3nn.o3 import Irreps

    settings = dict(changed)
    if "hidden_irreps" in settings:
        settings["hidden_irreps"] = Irreps(settings["hidden_irreps"])
    if "interaction_cls_first" in settings:
        settings["interaction_cls_first"] = kinds[settings["interaction_cls_first"]]
    if "heads" in settings:
        settings |= {
            "atomic_energies": np.array([[-1.0, -2.0]] * 2),
            "atomic_inter_scale": [1.0, 1.0],
            "atomic_inter_shift": [0.0, 0.0],
        }
    made = network(**settings)
    found = describe(saved(made, tmp_path / "other.model"), phosphides())
    dtype = "float64" if "dtype" in changed else "float32"
    expected = by_mace_itself(made, phosphides(), dtype)
    tolerance = 1e-6 if "dtype" in changed else 1e-4
    np.testing.assert_allclose(found.values, expected, rtol=tolerance, atol=1e-7)


def test_rotation_and_order_change_nothing(model: tuple[Any, Path]) -> None:
    (crystal, *_) = phosphides()
    turned = crystal.copy()
    turned.rotate(40.0, (1.0, 1.0, 0.2), rotate_cell=True)
    order = np.random.default_rng(0).permutation(len(crystal))
    values = describe(model[1], [crystal, turned, crystal[order]]).values
    np.testing.assert_allclose(values[8:16], values[:8], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(values[16:], values[:8][order], rtol=1e-3, atol=1e-6)


def test_another_way_to_write_the_same_crystal_changes_nothing(tmp_path: Path) -> None:
    """Positions modulo the cell, another cell, an empty box."""
    model = saved(network(torch.float64), tmp_path / "double.model")  # single precision feels where atoms lie
    (crystal, *_) = phosphides()
    unwrapped, other = crystal.copy(), crystal.copy()
    shifts = np.random.default_rng(0).integers(-300, 301, (len(crystal), 3))
    unwrapped.positions += shifts @ crystal.cell.array
    other.set_cell(np.array([[1, 3, -2], [0, 1, 4], [0, 0, 1]]) @ crystal.cell.array)
    boxes = [Atoms(crystal.numbers, crystal.positions, cell=[size] * 3, pbc=True) for size in (40.0, 2500.0)]
    values = describe(model, [crystal, unwrapped, other, *boxes]).values.reshape(5, len(crystal), -1)
    tolerance = 1e-6 * np.abs(values).max()
    np.testing.assert_allclose(values[1], values[0], rtol=0, atol=tolerance)
    np.testing.assert_allclose(values[2], values[0], rtol=0, atol=tolerance)
    np.testing.assert_allclose(values[4], values[3], rtol=0, atol=tolerance)


def test_a_model_that_was_moved_is_the_same_model(model: tuple[Any, Path], tmp_path: Path) -> None:
    here = describe(model[1], phosphides())
    moved = tmp_path / "moved.model"
    moved.write_bytes(model[1].read_bytes())
    assert describe(moved, phosphides()).identity == here.identity
    other = network(avg_num_neighbors=9.0)
    with pytest.raises(MEAGraphError, match="model_sha256"):
        check_same_descriptors(here.identity, describe(saved(other, moved), phosphides()))


def test_an_element_that_the_model_does_not_know(model: tuple[Any, Path]) -> None:
    with pytest.raises(MEAGraphError, match="holds Nb, which this MACE model does not know; it knows P, In"):
        describe(model[1], [Atoms("Nb")])


def test_importing_mace_leaves_the_safety_of_pytorch_on(model: tuple[Any, Path]) -> None:
    describe(model[1], [Atoms("P")])
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ


def test_processes_change_nothing(model: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    alone = describe(model[1], phosphides()).values
    monkeypatch.setitem(KINDS, "mace", replace(KINDS["mace"], parallel_above=0))
    monkeypatch.setattr(mace_based, "BATCH", 8)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(mace_based, "build", None)  # nothing of the work is done here
    shared = describe(model[1], phosphides()).values
    np.testing.assert_allclose(shared, alone, rtol=1e-5, atol=1e-7)


def test_each_process_reads_the_file_that_was_asked_for(model: tuple[Any, Path], tmp_path: Path) -> None:
    file = read_mace_file(saved(network(avg_num_neighbors=9.0), tmp_path / "other.model"))
    (rows,) = mace_based.describe_batch(file.path, file.sha256, 1, [Atoms("P")])
    assert rows.shape == (1, 16)
    Path(file.path).write_bytes(model[1].read_bytes())
    mace_based.known_network.cache_clear()
    with pytest.raises(MEAGraphError, match="the file has changed since"):
        mace_based.describe_batch(file.path, file.sha256, 1, [Atoms("P")])


def test_a_model_with_wrong_tensors_is_refused(tmp_path: Path) -> None:
    made = network()
    made.interactions[0].linear.weight = torch.nn.Parameter(torch.zeros(3))
    with pytest.raises(MEAGraphError, match=r"cannot build this model: .*size mismatch"):
        describe(saved(made, tmp_path / "broken.model"), phosphides())
