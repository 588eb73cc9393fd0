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

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import DescriptorConfig, Descriptors, compute_descriptors
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.graph.condensation import Condensed, condense, unit_columns
from meagraph.graph.similarity import GraphConfig, similarity_graph
from meagraph.model.autoencoder import MEAGraph, embed
from meagraph.model.checkpoint import FORMAT, load_model, save_model
from meagraph.model.results import EpochRecord, best_epoch
from meagraph.model.settings import ModelConfig, TrainingConfig
from meagraph.model.training import batch_graph, choose_device, has_settled, new_model, split_structures, train
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.learning import learn, store_model

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
    descriptors = compute_descriptors(niobium, SMALL)
    points = unit_columns(descriptors.values)
    return Prepared(niobium, descriptors, points, condense(points))


def small_model(prepared: Prepared, seed: int = 0) -> MEAGraph:
    return new_model(ModelConfig(prepared.points.shape[1], (8, 4), 2), seed=seed)


def fit(
    prepared: Prepared, config: TrainingConfig, *, seed: int = 0, shuffle: int = 0, **options
) -> tuple[MEAGraph, list[EpochRecord]]:
    """A model of random weights by ``seed``, trained on batches drawn by ``shuffle``."""
    model = small_model(prepared, seed)
    dataset = prepared.dataset
    records = train(model, prepared.points, prepared.condensed, dataset.offsets, GRAPH, config, seed=shuffle, **options)
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
    other, _ = fit(prepared, config, shuffle=1)
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
    batch = batch_graph(prepared.points, prepared.condensed, prepared.dataset.offsets, everything, GRAPH)
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
    assert batch_graph(points, condensed, np.arange(6), np.arange(5), GRAPH) is None


def test_a_batch_of_some_structures_is_condensed_among_themselves(prepared: Prepared) -> None:
    """Structures 5 and 6 are equal: each of the 16 environments counts twice."""
    chosen = np.array([8, 5, 6])
    dataset = prepared.dataset
    batch = batch_graph(prepared.points, prepared.condensed, dataset.offsets, chosen, GRAPH)
    assert batch is not None
    assert sorted(batch.multiplicity.tolist()) == [1] * 8 + [2] * 16
    rows = np.concatenate([np.arange(dataset.offsets[s], dataset.offsets[s + 1]) for s in sorted(chosen)])
    part = prepared.points[rows]
    alone = similarity_graph(part, condense(part, epsilon=0.0), GRAPH)
    assert batch.n_edges == alone.n_edges > 10
    np.testing.assert_allclose(np.sort(batch.distance), np.sort(alone.distance), rtol=1e-10)


def test_copies_of_one_structure_are_something_to_train_on() -> None:
    """Nobody has a neighbour, but everybody a twin, and no batch has more."""
    points = unit_columns(np.tile(np.random.default_rng(0).normal(size=(3, 6)), (12, 1)))
    condensed = condense(points)
    assert condensed.size == 3
    graph = GraphConfig(lower=0.999)
    offsets = np.arange(0, 37, 3)
    assert batch_graph(points, condensed, offsets, np.arange(12), graph) is None
    model = new_model(ModelConfig(6, (4, 2), 2))
    history = list(train(model, points, condensed, offsets, graph, TrainingConfig(epochs=4)))
    assert all(np.isfinite(record.loss) for record in history)
    assert history[-1].loss < history[0].loss


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


def test_cancelling_leaves_no_half_model_and_no_time_is_lost(prepared: Prepared, own_cache: Path) -> None:
    def cancel(done: int, total: int, message: str) -> None:
        if message == "epoch 2":
            raise Cancelled

    with pytest.raises(Cancelled):
        learn(prepared.dataset, prepared.descriptors, PIPELINE, progress=cancel)
    kept = {path.parent.name for path in own_cache.rglob("*") if path.is_file()}
    assert "training" in kept
    assert kept <= {"condensed", "compiled", "training"}
    messages: list[str] = []
    learned = learn(prepared.dataset, prepared.descriptors, PIPELINE, progress=lambda *step: messages.append(step[2]))
    assert learned.source == "trained"
    assert [record.epoch for record in learned.history] == [1, 2]
    assert "epoch 1" not in messages  # it was there
    assert not any((own_cache / "training").iterdir())
    straight = learn(prepared.dataset, prepared.descriptors, PIPELINE, cache=False)
    assert same_weights(learned.load(), straight.load())


def test_an_unfinished_training_that_cannot_be_read_is_begun_anew(prepared: Prepared, own_cache: Path) -> None:
    def cancel(done: int, total: int, message: str) -> None:
        if message == "epoch 2":
            raise Cancelled

    with pytest.raises(Cancelled):
        learn(prepared.dataset, prepared.descriptors, PIPELINE, progress=cancel)
    (state,) = (own_cache / "training").iterdir()
    state.write_bytes(state.read_bytes()[:-9])
    learned = learn(prepared.dataset, prepared.descriptors, PIPELINE)
    assert [record.epoch for record in learned.history] == [1, 2]


def test_closing_the_iterator_stops_the_training(prepared: Prepared) -> None:
    model = small_model(prepared)
    config = TrainingConfig(epochs=50, batch=4)
    records = train(model, prepared.points, prepared.condensed, prepared.dataset.offsets, GRAPH, config)
    next(records)
    records.close()
    stopped, _ = fit(prepared, TrainingConfig(epochs=1, batch=4))
    assert same_weights(model, stopped)


# Resuming


def test_a_killed_training_goes_on_to_the_same_weights(prepared: Prepared, tmp_path: Path) -> None:
    config = TrainingConfig(epochs=4, batch=4, learning_rate=1e-2, validation=0.25)
    straight, records = fit(prepared, config)
    state = tmp_path / "nb.training.safetensors"
    arguments = (prepared.points, prepared.condensed, prepared.dataset.offsets, GRAPH, config)
    killed = train(small_model(prepared), *arguments, state=state)
    next(killed), next(killed)
    del killed  # never closed in order: the file is all that a killed process leaves
    model = small_model(prepared)
    seen: list[str] = []
    again = list(train(model, *arguments, state=state, progress=lambda *step: seen.append(step[2])))
    assert set(seen) == {"epoch 3", "epoch 4"}
    assert same_weights(model, straight)
    assert [(r.epoch, r.loss, r.validation) for r in again] == [(r.epoch, r.loss, r.validation) for r in records]
    finished = small_model(prepared)
    assert len(list(train(finished, *arguments, state=state, progress=lambda *step: seen.append("more")))) == 4
    assert same_weights(finished, straight)
    assert "more" not in seen


@pytest.mark.parametrize("change", ["settings", "data", "weights"])
def test_the_state_of_another_training_is_refused(prepared: Prepared, tmp_path: Path, change: str) -> None:
    state = tmp_path / "state.safetensors"
    fit(prepared, TrainingConfig(epochs=1, batch=4), state=state)
    before = state.read_bytes()
    points = prepared.points * 2.0 if change == "data" else prepared.points
    config = TrainingConfig(epochs=2 if change == "settings" else 1, batch=4)
    model = small_model(prepared, 1 if change == "weights" else 0)
    untouched = small_model(prepared, 1 if change == "weights" else 0)
    with pytest.raises(MEAGraphError, match=r"other settings, data or starting weights.*remove the file"):
        list(train(model, points, prepared.condensed, prepared.dataset.offsets, GRAPH, config, state=state))
    assert state.read_bytes() == before
    assert same_weights(model, untouched)


def test_a_model_is_not_the_state_of_a_training(prepared: Prepared, tmp_path: Path) -> None:
    weights = save_model(tmp_path / "nb", small_model(prepared))
    with pytest.raises(MEAGraphError, match=r"does not hold an unfinished training: its format is None"):
        fit(prepared, TrainingConfig(epochs=1), state=weights)


# Held-out structures


def test_held_out_structures_teach_nothing(prepared: Prepared) -> None:
    """Other values in them change what they are judged by, and nothing else."""
    config = TrainingConfig(epochs=2, batch=4, validation=0.25)
    learning, held = split_structures(12, config, 0)
    assert (len(learning), len(held)) == (9, 3)
    assert sorted([*learning, *held]) == list(range(12))
    offsets = prepared.dataset.offsets
    rows = np.concatenate([np.arange(offsets[s], offsets[s + 1]) for s in held])
    points = prepared.points.copy()
    points[rows] *= np.linspace(1.0, 1.1, points.shape[1])
    exact = condense(prepared.points, epsilon=0.0)
    apart = replace(
        exact,
        representatives=np.arange(len(points)),
        assignment=np.arange(len(points)),
        distance=np.zeros(len(points)),
        multiplicity=np.ones(len(points), dtype=np.int64),
    )
    results = []
    for values in (prepared.points, points):
        model = small_model(prepared)
        results.append((model, list(train(model, values, apart, offsets, GRAPH, config))))
    (one, first), (two, second) = results
    assert [r.loss for r in first] == [r.loss for r in second]
    assert all(a.validation != b.validation for a, b in zip(first, second, strict=True))
    if best_epoch(first).epoch == best_epoch(second).epoch:
        assert same_weights(one, two)


def test_the_best_epoch_is_kept(prepared: Prepared) -> None:
    """With a learning rate that overshoots, the last epoch is not the best."""
    config = TrainingConfig(epochs=8, batch=4, learning_rate=0.3, validation=0.25, patience=0)
    model, records = fit(prepared, config)
    best = best_epoch(records)
    assert best.validation == min(record.validation for record in records if record.validation is not None)
    assert best.epoch < 8
    stopped, _ = fit(prepared, replace(config, epochs=best.epoch))
    assert same_weights(model, stopped)
    last, _ = fit(prepared, replace(config, epochs=best.epoch + 1))
    assert same_weights(last, stopped)


def test_nothing_held_out_means_judged_by_what_was_learnt(prepared: Prepared) -> None:
    _, records = fit(prepared, TrainingConfig(epochs=2, batch=4, validation=0.0))
    assert [record.validation for record in records] == [None, None]
    assert [record.judged for record in records] == [record.loss for record in records]


def record(epoch: int, value: float) -> EpochRecord:
    return EpochRecord(epoch, 9.0, 1.0, value)


@pytest.mark.parametrize(
    ("losses", "patience", "settled"),
    [
        ([], 3, False),
        ([1.0, 0.5, 0.4], 2, False),
        ([1.0, 0.5, 0.5, 0.495], 2, True),  # lower by 1 %, which is no progress
        ([1.0, 0.5, 0.5, 0.48], 2, False),  # by 4 %
        ([1.0, 0.5, 0.6], 2, False),  # one of the last two was the best so far
        ([1.0, 0.5, 0.6, 0.7], 0, False),
        ([0.5, 0.6, 0.7], 3, False),
        ([0.5, 0.6, 0.7, 0.8], 3, True),
    ],
)
def test_when_training_has_settled(losses: list[float], patience: int, settled: bool) -> None:
    assert has_settled([record(k, loss) for k, loss in enumerate(losses, 1)], patience) is settled


def test_a_settled_training_stops_early(prepared: Prepared) -> None:
    config = TrainingConfig(epochs=200, batch=4, learning_rate=1e-7, validation=0.25, patience=2)
    _, records = fit(prepared, config)
    assert len(records) == 3  # nothing moves at such a rate


# Devices and fine-tuning


def test_devices(prepared: Prepared) -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(MEAGraphError, match=r"no device 'tpu' here.*Choose auto or cpu"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(MEAGraphError, match="no device 'cuda' here"):
            fit(prepared, TrainingConfig(epochs=1), device="cuda")


def test_fine_tuning_starts_from_the_loaded_weights(prepared: Prepared, tmp_path: Path) -> None:
    learned, file = trained_file(prepared, tmp_path)
    slow = replace(PIPELINE, training=replace(PIPELINE.training, epochs=1, learning_rate=1e-9))
    tuned = learn(prepared.dataset, prepared.descriptors, slow, model_path=file, fine_tune=True)
    assert tuned.source == f"fine-tuned from {file}"
    assert len(tuned.history) == 1
    for name, value in learned.load().state_dict().items():
        torch.testing.assert_close(tuned.load().state_dict()[name], value, rtol=0, atol=1e-6)
    anew = learn(prepared.dataset, prepared.descriptors, slow)
    assert not same_weights(tuned.load(), anew.load())
    again = learn(prepared.dataset, prepared.descriptors, slow, model_path=file, fine_tune=True)
    assert (again.source, again.key) == ("cache", tuned.key)
    assert same_weights(again.load(), tuned.load())
    further = learn(prepared.dataset, prepared.descriptors, PIPELINE, model_path=file, fine_tune=True)
    assert further.history[0].loss < learned.history[0].loss  # it need not begin at the beginning


def test_fine_tuning_needs_a_model_of_the_same_descriptors(prepared: Prepared, tmp_path: Path) -> None:
    with pytest.raises(MEAGraphError, match="needs a trained model to start from"):
        learn(prepared.dataset, prepared.descriptors, PIPELINE, fine_tune=True)
    _, file = trained_file(prepared, tmp_path)
    other = compute_descriptors(prepared.dataset, replace(SMALL, r_cut=4.0))
    with pytest.raises(MEAGraphError, match=r"r_cut: the model has 5\.0, the dataset 4\.0"):
        learn(prepared.dataset, other, PIPELINE, model_path=file, fine_tune=True)


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
        lambda path: safetensors.torch.save_file({"weight": torch.zeros(10_000)}, path),
        "Missing key",
    ),
    "weights of another size": (
        lambda path: safetensors.torch.save_file({"weight": torch.zeros(2)}, path),
        "its weights take .* bytes, but the file has",
    ),
    "settings of another kind": (lambda path: edit(path, budget="many"), "'budget' in its details is 'many'"),
    "a graph that cannot be": (lambda path: edit(path, graph={"lower": "x"}), "not a usable MEAGraph model"),
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

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    for target in ("safetensors.torch.save", "meagraph.model.checkpoint.write_json"):
        with monkeypatch.context() as broken:
            broken.setattr(target, fail)
            with pytest.raises(OSError, match="no space"):
                learn(prepared.dataset, prepared.descriptors, PIPELINE)
        assert learn(prepared.dataset, prepared.descriptors, PIPELINE).source == "trained"
        for path in (own_cache / "model").iterdir():
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
    assert learn(prepared.dataset, prepared.descriptors, replace(PIPELINE, seed=1)).source == "trained"
    assert learn(prepared.dataset, prepared.descriptors, PIPELINE, cache=False).source == "trained"


def trained_file(prepared: Prepared, tmp_path: Path) -> tuple[Learned, Path]:
    learned = learn(prepared.dataset, prepared.descriptors, PIPELINE, cache=False)
    return learned, store_model(tmp_path / "mine", learned, prepared.descriptors)


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
    other = compute_descriptors(prepared.dataset, replace(SMALL, r_cut=4.0, l_max=1))
    with pytest.raises(MEAGraphError) as error:
        learn(prepared.dataset, other, PIPELINE, model_path=file)
    text = str(error.value)
    assert "trained on other descriptors" in text
    assert "r_cut: the model has 5.0, the dataset 4.0" in text
    assert "l_max: the model has 2, the dataset 1" in text
