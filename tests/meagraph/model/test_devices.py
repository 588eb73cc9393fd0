"""Training on another device than the processor: the same numbers by other code, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import meagraph.model.layers
import meagraph.model.training
from meagraph.errors import Cancelled
from meagraph.graph.condensation import Condensed, condense
from meagraph.graph.similarity import GraphConfig, SimilarityGraph, similarity_graph
from meagraph.model.autoencoder import MEAGraph, graph_edges
from meagraph.model.layers import Edges, attend, edge_length, neighbour_sum
from meagraph.model.results import EpochRecord
from meagraph.model.settings import ModelConfig, TrainingConfig
from meagraph.model.training import choose_device, new_model, train
from meagraph.pipeline.analysis import analyse
from meagraph.pipeline.learning import learn
from meagraph.pipeline.run import run as run_all
from tests.support.elsewhere import DEVICE, Away, Elsewhere

CONFIG = TrainingConfig(epochs=3, batch=4, learning_rate=1e-2, validation=0.25)
RATES = (0.1, 0.6)


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """Environments (60, 5) of ten structures, some of them equal, columns of unit norm."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, 5))[rng.integers(6, size=60)] + 0.1 * rng.normal(size=(60, 5))
    rows[40:50] = rows[:10]
    return np.asarray(rows / np.linalg.norm(rows, axis=0))


@pytest.fixture(scope="module")
def condensed(points: np.ndarray) -> Condensed:
    return condense(points)


@pytest.fixture(scope="module")
def graph(points: np.ndarray, condensed: Condensed) -> SimilarityGraph:
    return similarity_graph(points, condensed, GraphConfig(lower=0.7))


def fresh(width: int = 5) -> MEAGraph:
    return new_model(ModelConfig(width, (8, 4), 2), seed=1)


# The code for other devices, on the processor


def gradients(found: Tensor, *leaves: Tensor) -> list[Tensor]:
    """Of a sum in which every value counts differently."""
    weight = torch.linspace(-1.0, 2.0, found.numel(), dtype=found.dtype).reshape(found.shape)
    return list(torch.autograd.grad((weight * found).sum(), leaves))


@pytest.fixture(params=[1_000_000, 20], ids=["one block", "many blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meagraph.model.layers, "BLOCK_VALUES", request.param)


def both_ways(graph: SimilarityGraph) -> tuple[Tensor, Edges, Edges]:
    """Node values in double precision, the edges, and the same edges for the code of other devices."""
    x, edges = graph_edges(graph)
    assert edges.compiled
    edges = replace(edges, weight=edges.weight.double(), norm_weight=edges.norm_weight.double())
    return x.double().requires_grad_(), edges, replace(edges, compiled=False)


@pytest.mark.usefixtures("blocks")
def test_lengths_and_sums_and_their_gradients_are_the_same(graph: SimilarityGraph) -> None:
    x, edges, other = both_ways(graph)
    value = torch.linspace(0.1, 1.0, len(edges.source), dtype=torch.float64).requires_grad_()
    beta = torch.tensor(1.3, dtype=torch.float64).requires_grad_()
    for one, two, leaves in (
        (edge_length(x, edges), edge_length(x, other), (x,)),
        (neighbour_sum(x, value, edges), neighbour_sum(x, value, other), (x, value)),
        (attend(x, beta, edges)[0], attend(x, beta, other)[0], (x, beta)),
        (attend(x, beta, edges)[1], attend(x, beta, other)[1], (x, beta)),
    ):
        torch.testing.assert_close(two, one, rtol=1e-11, atol=1e-13)
        for expected, found in zip(gradients(one, *leaves), gradients(two, *leaves), strict=True):
            assert expected.abs().max() > 1e-3
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("blocks")
def test_the_whole_model_and_its_gradients_are_the_same(graph: SimilarityGraph) -> None:
    x, edges, other = both_ways(graph)
    model = fresh().double()
    weights = list(model.parameters())
    (one, output), (two, again) = model(x, edges, RATES), model(x, other, RATES)
    assert 0 < len(one.remaining.source) < len(edges.source)
    assert torch.equal(one.remaining.source, two.remaining.source)
    assert not two.remaining.compiled
    torch.testing.assert_close(again, output, rtol=1e-9, atol=1e-12)
    for expected, found in zip(gradients(output, *weights), gradients(again, *weights), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-10)


def test_lengths_are_exactly_the_same_in_both_directions(graph: SimilarityGraph) -> None:
    """Else pooling could keep one direction of an edge alone."""
    x, _, other = both_ways(graph)
    length = edge_length(x.float().detach(), other)
    assert torch.equal(length, length[other.reverse])


def test_no_edges_at_all() -> None:
    nothing = Edges.build(torch.zeros((2, 0), dtype=torch.int64), torch.ones(3), torch.ones(3, dtype=torch.bool))
    nothing, h = replace(nothing, compiled=False), torch.ones((3, 2), requires_grad=True)
    assert len(edge_length(h, nothing)) == 0
    total = neighbour_sum(h, torch.zeros(0), nothing)
    assert not total.any()
    assert not torch.autograd.grad(total.sum(), h)[0].any()


# A device that is not there: what would stop a graphics card stops here, too


def test_the_device_refuses_what_a_graphics_card_refuses() -> None:
    with Elsewhere():
        there, here = torch.ones((2, 2), device=DEVICE), torch.ones((2, 2))
        assert float((there + there).sum()) == 8.0
        assert torch.equal((there * 3.0).cpu(), here * 3.0)
        for wrong in (lambda: there + here, lambda: here @ there, lambda: there[torch.tensor([0])]):
            with pytest.raises(RuntimeError, match="same device"):
                wrong()
        with pytest.raises(TypeError, match="double precision"):
            torch.as_tensor(np.ones(2), device=DEVICE)
        with pytest.raises((RuntimeError, TypeError), match="numpy"):
            there.numpy()


def test_edges_and_pooling_stay_on_the_device(graph: SimilarityGraph) -> None:
    x, edges = graph_edges(graph)
    model = fresh()
    ends = [torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])]
    with torch.no_grad():
        expected = [
            *model.encode_along(x, edges, RATES),
            model.encode(torch.cat([x, x[:2]]), edges.listen(*ends, 2), 0.3),
        ]
        with Elsewhere():
            there, away = graph_edges(graph, DEVICE)
            assert isinstance(there, Away)
            assert not away.compiled
            model.to(DEVICE)
            new = [end.to(DEVICE) for end in ends]
            both = torch.cat([there, there[:2]])
            found = [*model.encode_along(there, away, RATES), model.encode(both, away.listen(*new, 2), 0.3)]
            for one, two in zip(expected, found, strict=True):
                torch.testing.assert_close(two.latent.cpu(), one.latent, rtol=1e-4, atol=1e-6)
                assert torch.equal(two.remaining.source.cpu(), one.remaining.source)
                assert all(isinstance(score, Away) for score in two.scores)


def run(
    points: np.ndarray, condensed: Condensed, device: str, config: TrainingConfig = CONFIG, **options
) -> tuple[MEAGraph, list[EpochRecord]]:
    model = fresh()
    offsets = np.arange(0, 61, 6)
    return model, list(
        train(model, points, condensed, offsets, GraphConfig(lower=0.7), config, device=device, **options)
    )


def close(one: MEAGraph, two: MEAGraph) -> None:
    for name, weights in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], weights, rtol=1e-3, atol=1e-5)


def test_training_elsewhere_gives_the_same_model(
    points: np.ndarray, condensed: Condensed, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, records = run(points, condensed, "cpu")
    monkeypatch.setattr(meagraph.model.training, "choose_device", lambda name: name)
    with Elsewhere() as device:
        there, again = run(points, condensed, DEVICE)
    assert device.calls > 1000
    assert all(type(weights) is torch.nn.Parameter and weights.device.type == "cpu" for weights in there.parameters())
    for one, two in zip(records, again, strict=True):
        assert (two.loss, two.validation) == (pytest.approx(one.loss, 1e-4), pytest.approx(one.validation, 1e-4))
    assert records[-1].loss < records[0].loss
    close(here, there)


def test_training_elsewhere_goes_on_where_it_was_stopped(
    points: np.ndarray, condensed: Condensed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meagraph.model.training, "choose_device", lambda name: name)
    state = tmp_path / "state.safetensors"

    def stop(done: int, total: int, message: str) -> None:
        if message == "epoch 3":
            raise Cancelled

    with Elsewhere():
        whole, _ = run(points, condensed, DEVICE)
        with pytest.raises(Cancelled):
            run(points, condensed, DEVICE, state=state, progress=stop)
        assert state.is_file()
        resumed, records = run(points, condensed, DEVICE, state=state)
    assert len(records) == CONFIG.epochs
    for name, weights in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weights)


@pytest.mark.parametrize(
    ("card", "apple", "expected"), [(True, False, "cuda"), (True, True, "cuda"), (False, True, "cpu")]
)
def test_auto_is_the_card_that_torch_sees(
    card: bool, apple: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)
    assert choose_device() == choose_device("auto") == expected
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize("function", [analyse, run_all, learn])
def test_training_takes_the_card_by_default(function: Callable[..., Any]) -> None:
    assert signature(function).parameters["device"].default == "auto"
