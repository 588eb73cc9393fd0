"""Training learns, repeats bit for bit, stops without a trace; checkpoints come back or are refused in words."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from meagraph.checkpoint import FORMAT, load_model, save_model
from meagraph.condensation import Condensed, condense, unit_columns
from meagraph.datasets import AtomicDataset
from meagraph.descriptors import DescriptorConfig, Descriptors, compute_descriptors
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.graph import GraphConfig, similarity_graph
from meagraph.model import MEAGraph, embed
from meagraph.pipeline import Learned, PipelineConfig, learn, store_model
from meagraph.records import EpochRecord, ModelConfig, TrainingConfig
from meagraph.training import _batch_graph, new_model, train

SMALL = DescriptorConfig(n_max=2, l_max=2)
GRAPH = GraphConfig(lower=0.8)
PIPELINE = PipelineConfig(
    descriptors=SMALL,
    widths=(8, 4),
    kernels=2,
    graph=GRAPH,
    training=TrainingConfig(epochs=2, batch=4, learning_rate=1e-2),
)


@dataclass(frozen=True, eq=False)
class Prepared:
    dataset: AtomicDataset
    descriptors: Descriptors
    points: np.ndarray
    condensed: Condensed


@pytest.fixture(scope="module")
def prepared(niobium: AtomicDataset) -> Prepared:
    descriptors = compute_descriptors(niobium, SMALL, cache=False)
    points = unit_columns(descriptors.values)
    return Prepared(niobium, descriptors, points, condense(points))


def small_model(prepared: Prepared, seed: int = 0) -> MEAGraph:
    return new_model(ModelConfig(prepared.points.shape[1], (8, 4), 2), seed=seed)


def fit(prepared: Prepared, config: TrainingConfig, *, seed: int = 0, **options) -> tuple[MEAGraph, list[EpochRecord]]:
    model = small_model(prepared, seed)
    dataset = prepared.dataset
    records = train(model, prepared.points, prepared.condensed, dataset.offsets, GRAPH, config, **options)
    return model, list(records)


def same_weights(one: MEAGraph, two: MEAGraph) -> bool:
    left, right = one.state_dict(), two.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_the_loss_falls(prepared: Prepared) -> None:
    _, records = fit(prepared, TrainingConfig(epochs=15, batch=4, learning_rate=1e-2))
    assert [record.epoch for record in records] == list(range(1, 16))
    losses = [record.loss for record in records]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]
    assert losses[-1] < 1.0  # better than an output of zeros
    assert min(record.seconds for record in records) > 0


def test_the_same_seed_gives_the_same_weights_bit_for_bit(prepared: Prepared) -> None:
    config = TrainingConfig(epochs=3, batch=4)
    first, records = fit(prepared, config)
    torch.manual_seed(12345)  # a caller's generators must not matter
    np.random.seed(12345)
    second, again = fit(prepared, config)
    assert same_weights(first, second)
    assert [record.loss for record in records] == [record.loss for record in again]
    other, _ = fit(prepared, replace(config, seed=1))
    assert not same_weights(first, other)


def test_a_new_model_depends_on_its_seed_alone_and_leaves_torch_alone(prepared: Prepared) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one = small_model(prepared, 5)
    assert torch.equal(torch.rand(3), expected)
    assert same_weights(one, small_model(prepared, 5))
    assert not same_weights(one, small_model(prepared, 6))


def test_every_weight_is_trained(prepared: Prepared) -> None:
    before = small_model(prepared)
    after, _ = fit(prepared, TrainingConfig(epochs=1, batch=4))
    unchanged = [name for name, value in before.state_dict().items() if torch.equal(value, after.state_dict()[name])]
    assert unchanged == []


def test_progress_counts_batches(prepared: Prepared) -> None:
    seen: list[tuple[int, int, str]] = []
    fit(prepared, TrainingConfig(epochs=2, batch=4), progress=lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == [1, 2, 3, 4, 5, 6]  # 12 structures
    assert {total for _, total, _ in seen} == {6}
    assert seen[-1][2] == "epoch 2"


def test_threads_are_given_back(prepared: Prepared) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fit(prepared, TrainingConfig(epochs=1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_a_batch_of_all_structures_has_the_graph_of_the_dataset(prepared: Prepared) -> None:
    everything = np.arange(prepared.dataset.n_structures)
    batch = _batch_graph(prepared.points, prepared.condensed, prepared.dataset.offsets, everything, GRAPH)
    whole = similarity_graph(prepared.points, prepared.condensed, GRAPH)
    assert batch is not None
    kept = np.flatnonzero(whole.connected)  # isolated environments have left
    assert 0 < len(kept) < len(whole.connected)
    assert batch.connected.all()
    np.testing.assert_array_equal(kept[batch.edge_index], whole.edge_index)
    np.testing.assert_array_equal(batch.multiplicity, whole.multiplicity[kept])
    np.testing.assert_allclose(batch.x, whole.x[kept], rtol=1e-12)


def test_a_batch_of_twins_and_isolated_environments_is_passed_over(prepared: Prepared) -> None:
    """Nobody in it has a neighbour; what it taught would be the overflow of columns that hold nothing."""
    points = np.eye(4)[[0, 0, 1, 2, 3]]
    condensed = condense(points, epsilon=0.0)
    assert _batch_graph(points, condensed, np.arange(6), np.arange(5), GRAPH) is None


def test_a_batch_of_some_structures_is_condensed_among_themselves(prepared: Prepared) -> None:
    """Structures 5 and 6 are equal: each of the 16 environments counts twice."""
    chosen = np.array([8, 5, 6])
    dataset = prepared.dataset
    batch = _batch_graph(prepared.points, prepared.condensed, dataset.offsets, chosen, GRAPH)
    assert batch is not None
    assert sorted(batch.multiplicity.tolist()) == [1] * 8 + [2] * 16
    rows = np.concatenate([np.arange(dataset.offsets[s], dataset.offsets[s + 1]) for s in sorted(chosen)])
    part = prepared.points[rows]
    alone = similarity_graph(part, condense(part, epsilon=0.0), GRAPH)
    assert batch.n_edges == alone.n_edges > 10
    np.testing.assert_allclose(np.sort(batch.distance), np.sort(alone.distance), rtol=1e-10)


def test_nothing_to_train_on(prepared: Prepared) -> None:
    graph = GraphConfig(lower=1.0, upper=2.0)
    with pytest.raises(MEAGraphError, match=r"similarity above 1, so there is nothing to train on\. Lower"):
        list(
            train(
                small_model(prepared),
                prepared.points,
                prepared.condensed,
                prepared.dataset.offsets,
                graph,
                TrainingConfig(epochs=1),
            )
        )


@pytest.mark.parametrize(
    "options", [{"epochs": 0}, {"batch": 0}, {"steps": 0}, {"learning_rate": 0.0}, {"learning_rate": np.nan}]
)
def test_bad_settings(options: dict) -> None:
    with pytest.raises(MEAGraphError, match="at least one epoch of one step, one structure a batch and a positive"):
        TrainingConfig(**options)


def test_a_large_dataset_is_seen_in_part(prepared: Prepared) -> None:
    seen: list[tuple[int, int, str]] = []
    model, _ = fit(prepared, TrainingConfig(epochs=2, batch=2, steps=3), progress=lambda *step: seen.append(step))
    assert [step[:2] for step in seen] == [(done, 6) for done in range(1, 7)]
    whole, _ = fit(prepared, TrainingConfig(epochs=2, batch=2))
    assert not same_weights(model, whole)


# Cancelling


def test_cancelling_stops_at_once(prepared: Prepared) -> None:
    calls = []

    def cancel(done: int, total: int, message: str) -> None:
        calls.append(done)
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit(prepared, TrainingConfig(epochs=5, batch=4), progress=cancel)
    assert calls == [1, 2]


def test_cancelling_leaves_no_file_and_no_half_model(prepared: Prepared, own_cache: Path) -> None:
    def cancel(done: int, total: int, message: str) -> None:
        if message == "epoch 2":
            raise Cancelled

    with pytest.raises(Cancelled):
        learn(prepared.dataset, prepared.descriptors, PIPELINE, progress=cancel)
    assert {path.parent.name for path in own_cache.rglob("*") if path.is_file()} <= {"condensed", "compiled"}
    learned = learn(prepared.dataset, prepared.descriptors, PIPELINE)
    assert learned.source == "trained"
    assert [record.epoch for record in learned.history] == [1, 2]


def test_closing_the_iterator_stops_the_training(prepared: Prepared) -> None:
    model = small_model(prepared)
    config = TrainingConfig(epochs=50, batch=4)
    records = train(model, prepared.points, prepared.condensed, prepared.dataset.offsets, GRAPH, config)
    next(records)
    records.close()
    stopped, _ = fit(prepared, TrainingConfig(epochs=1, batch=4))
    assert same_weights(model, stopped)


# Checkpoints


@pytest.fixture
def checkpoint(prepared: Prepared, tmp_path: Path) -> Path:
    return save_model(tmp_path / "models" / "nb", small_model(prepared), descriptors={"method": "soap"}, note="ä")


def test_a_name_with_a_dot_is_kept_whole(checkpoint: Path, tmp_path: Path) -> None:
    model, _ = load_model(checkpoint)
    written = save_model(tmp_path / "nb.v1.2", model)
    assert written.name == "nb.v1.2.safetensors"
    assert same_weights(load_model(tmp_path / "nb.v1.2")[0], model)


@pytest.mark.parametrize("suffix", ["", ".safetensors", ".json"])
def test_round_trip(prepared: Prepared, checkpoint: Path, suffix: str) -> None:
    assert checkpoint.name == "nb.safetensors"
    model, details = load_model(checkpoint.with_suffix(suffix))
    original = small_model(prepared)
    assert same_weights(model, original)
    assert model.config == original.config
    assert details == {"format": FORMAT, "descriptors": {"method": "soap"}, "note": "ä"}
    graph = similarity_graph(prepared.points, prepared.condensed, GRAPH)
    np.testing.assert_array_equal(embed(model, graph).values, embed(original, graph).values)
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == ["nb.json", "nb.safetensors"]


class Bomb:
    """What a pickle can do to whoever loads it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


def edit(path: Path, **changes: object) -> None:
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **changes}))


MODEL = {"inputs": 9, "widths": [8, 4], "kernels": 2}
BROKEN = {
    "no weights": (lambda path: path.unlink(), r"nb\.safetensors does not exist.*give either"),
    "no description": (lambda path: path.with_suffix(".json").unlink(), r"nb\.json does not exist"),
    "empty weights": (lambda path: path.write_bytes(b""), "not a usable MEAGraph model"),
    "garbage": (lambda path: path.write_bytes(b"\x00garbage" * 99), "not a usable MEAGraph model"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-7]), "not a usable MEAGraph model"),
    "no JSON": (lambda path: path.with_suffix(".json").write_text("{"), "not a usable MEAGraph model"),
    "a list": (lambda path: path.with_suffix(".json").write_text("[1]"), "not a usable MEAGraph model"),
    "not text": (lambda path: path.with_suffix(".json").write_bytes(b"\xff\xfe\x00"), "not a usable"),
    "another format": (lambda path: edit(path, format="other-2"), "its format is 'other-2', expected"),
    "no shape": (lambda path: edit(path, model=None), "not a usable MEAGraph model"),
    "part of a shape": (lambda path: edit(path, model={"inputs": 9}), "not a usable MEAGraph model"),
    "another shape": (lambda path: edit(path, model={**MODEL, "widths": [8, 5]}), "size mismatch"),
    "more kernels": (lambda path: edit(path, model={**MODEL, "kernels": 3}), "Missing key"),
    "an impossible shape": (lambda path: edit(path, model={**MODEL, "inputs": 0}), "needs positive sizes"),
    "a text as shape": (lambda path: edit(path, model={**MODEL, "kernels": "3"}), "not a usable MEAGraph model"),
    "foreign weights": (
        lambda path: safetensors.torch.save_file({"weight": torch.zeros(2)}, path),
        "Missing key",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_checkpoint_is_refused(checkpoint: Path, fault: str) -> None:
    damage, message = BROKEN[fault]
    damage(checkpoint)
    with pytest.raises(MEAGraphError, match=message):
        load_model(checkpoint)


def test_nothing_is_unpickled(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "executed"
    for content in (pickle.dumps(Bomb(target)), None):
        if content is None:
            torch.save({"weight": Bomb(target)}, checkpoint)
        else:
            checkpoint.write_bytes(content)
        with pytest.raises(MEAGraphError, match="not a usable MEAGraph model"):
            load_model(checkpoint)
    assert not target.exists()
    pickle.loads(pickle.dumps(Bomb(target)))  # the bomb does work
    assert target.exists()


def test_a_write_that_fails_leaves_nothing_that_blocks(
    prepared: Prepared, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or the machine going down between the two files of a model in the cache."""

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    for target in ("safetensors.torch.save_file", "meagraph.checkpoint.write_json"):
        with monkeypatch.context() as broken:
            broken.setattr(target, fail)
            with pytest.raises(OSError, match="no space"):
                learn(prepared.dataset, prepared.descriptors, PIPELINE)
        assert learn(prepared.dataset, prepared.descriptors, PIPELINE).source == "trained"
        for path in (own_cache / "models").iterdir():
            path.unlink()


# The model of another run


def test_a_model_comes_from_the_cache_where_all_is_equal(prepared: Prepared) -> None:
    first = learn(prepared.dataset, prepared.descriptors, PIPELINE)
    second = learn(prepared.dataset, prepared.descriptors, PIPELINE)
    assert (first.source, second.source) == ("trained", "cache")
    assert same_weights(first.load(), second.load())
    assert first.history == second.history
    assert first.key == second.key
    for change in ({"kernels": 3}, {"widths": (8, 5)}, {"budget": 60}, {"graph": GraphConfig(lower=0.7)}):
        assert learn(prepared.dataset, prepared.descriptors, replace(PIPELINE, **change)).source == "trained"
    assert learn(prepared.dataset, prepared.descriptors, PIPELINE.with_seed(1)).source == "trained"
    assert learn(prepared.dataset, prepared.descriptors, PIPELINE, cache=False).source == "trained"


def trained_file(prepared: Prepared, tmp_path: Path) -> tuple[Learned, Path]:
    learned = learn(prepared.dataset, prepared.descriptors, PIPELINE, cache=False)
    return learned, store_model(tmp_path / "mine", learned, prepared.descriptors, PIPELINE)


def test_a_stored_model_is_applied_again(prepared: Prepared, tmp_path: Path) -> None:
    learned, file = trained_file(prepared, tmp_path)
    again = learn(prepared.dataset, prepared.descriptors, PIPELINE, model_path=file)
    assert same_weights(again.load(), learned.load())
    assert (again.source, again.history) == (str(file), ())
    _, details = load_model(file)
    assert details["history"] == [vars(record) for record in learned.history]
    assert details["training"]["epochs"] == 2
    assert again.key != learned.key


def test_a_model_of_other_descriptors_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    _, file = trained_file(prepared, tmp_path)
    other = compute_descriptors(prepared.dataset, replace(SMALL, r_cut=4.0, l_max=1), cache=False)
    with pytest.raises(MEAGraphError) as error:
        learn(prepared.dataset, other, PIPELINE, model_path=file)
    text = str(error.value)
    assert "trained on other descriptors" in text
    assert "r_cut: the model has 5.0, the dataset 4.0" in text
    assert "l_max: the model has 2, the dataset 1" in text
