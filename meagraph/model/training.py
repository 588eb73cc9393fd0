"""Training a MEAGraph model."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from meagraph.cache import content_key
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, Points, diameter
from meagraph.graph.similarity import GraphConfig, SimilarityGraph, similarity_graph
from meagraph.model.autoencoder import MEAGraph, graph_edges, reconstruction_loss
from meagraph.model.checkpoint import TrainingState, check_training, read_training, save_training
from meagraph.model.results import EpochRecord, best_epoch
from meagraph.model.settings import ModelConfig, TrainingConfig
from meagraph.model.threads import one_thread
from meagraph.progress import Progress, silent

IMPROVEMENT = 0.02  # a loss lower by less than this share is no progress
Weights = dict[str, torch.Tensor]


def new_model(config: ModelConfig, *, seed: int = 0) -> MEAGraph:
    """A model with random weights that depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MEAGraph(config)


def choose_device(name: str = "auto") -> str:
    """The device of that name, one of :data:`meagraph.model.settings.DEVICES`; ``auto`` is CUDA, else the processor.

    Raises MEAGraphError where the device is unknown or this machine lacks it.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if present["cuda"] else "cpu"
    if not present.get(name):
        usable = ", ".join(device for device, there in present.items() if there)
        raise MEAGraphError(f"There is no device {name!r} here for PyTorch. Choose auto or {usable}.")
    return name


@dataclass(frozen=True, eq=False)
class _Data:
    """What batches are made of."""

    points: Points  # (N, D)
    condensed: Condensed
    offsets: NDArray[np.int64]  # (S + 1,)
    graph: GraphConfig
    twins: bool = False  # alone are something to learn from: all structures are copies of one

    def batch(self, structures: NDArray[np.int64]) -> SimilarityGraph | None:
        return batch_graph(self.points, self.condensed, self.offsets, structures, self.graph, twins=self.twins)


def train(
    model: MEAGraph,
    points: Points,
    condensed: Condensed,
    offsets: NDArray[np.int64],
    graph: GraphConfig,
    config: TrainingConfig,
    *,
    seed: int = 0,
    device: str = "cpu",
    state: Path | None = None,
    progress: Progress = silent,
) -> Iterator[EpochRecord]:
    """Train ``model`` in place; yield a record after every epoch.

    Mini-batches of structures; one similarity graph a batch, of the representatives that its environments fall to,
    with the number of environments as multiplicity; the pooling rate of each layer is drawn anew from (0, 1) for
    every batch (arXiv 2509.12358). ``points`` (N, D) have columns of unit norm, ``offsets`` (S + 1,) give each
    structure's environments, ``device`` goes to :func:`choose_device`. Held-out structures are judged in fixed
    batches at fixed rates, so that epochs compare. Stop by closing the iterator, or by raising from ``progress``;
    however the iteration ends, the model holds the weights of the best epoch.

    On the processor the run depends on ``seed`` alone; another device may round sums anew in every run. The file
    ``state`` keeps it after every epoch: a run that finds one there, left by equal settings and data, yields its
    records and goes on to the weights that an uninterrupted run gives. Raises MEAGraphError where the file belongs to
    another run.
    """
    place = choose_device(device)
    data = _Data(points, condensed, offsets, graph)
    learning, held_out = split_structures(len(offsets) - 1, config, seed)
    identity = _identity(model, data, config, seed) if state is not None else ""
    model.to(place)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    history: list[EpochRecord] = []
    best = _copy(model)
    try:
        if state is not None and state.is_file():
            known = read_training(state)
            if known.identity != identity:
                raise MEAGraphError(
                    f"{state} holds a training with other settings, data or starting weights, so it cannot be resumed. "
                    "Give those again, or remove the file to start anew."
                )
            check_training(state, known, model.state_dict())
            history, best = list(known.history), known.best
            model.load_state_dict(known.weights)
            _restore(optimiser, known.moments)
            yield from history
        judge = _Judge(data, held_out, config, seed, len(model.encoder), place)
        while len(history) < config.epochs and not has_settled(history, config.patience):
            record = one_epoch(model, optimiser, data, learning, config, len(history) + 1, seed, judge, place, progress)
            history.append(record)
            if best_epoch(history) is record:
                best = _copy(model)
            if state is not None:
                save_training(state, TrainingState(identity, tuple(history), _copy(model), best, _moments(optimiser)))
            yield record
    finally:
        model.load_state_dict(best)
        model.to("cpu")


def one_epoch(
    model: MEAGraph,
    optimiser: torch.optim.Optimizer,
    data: _Data,
    learning: NDArray[np.int64],
    config: TrainingConfig,
    epoch: int,
    seed: int,
    judge: _Judge,
    device: str,
    progress: Progress,
) -> EpochRecord:
    """One pass over the structures to learn from, or over as many as the steps allow."""
    rng = np.random.default_rng([seed, epoch])
    started = time.perf_counter()
    n_batches = min(math.ceil(len(learning) / config.batch), config.steps)
    chosen = rng.permutation(learning)[: n_batches * config.batch]
    total = weight = 0.0
    model.train()
    for step, structures in enumerate(np.array_split(chosen, n_batches), 1):
        rates = rng.uniform(0.0, 1.0, len(model.encoder)).tolist()
        batch = data.batch(structures)
        if batch is not None:
            with one_thread():
                size, loss = _step(model, optimiser, batch, rates, device)
            if not math.isfinite(loss):
                raise MEAGraphError(
                    f"Training diverged in epoch {epoch}: the loss is {loss}. Lower the learning rate (now "
                    f"{config.learning_rate:g}), or look for descriptors that hardly vary."
                )
            total += size * loss
            weight += size
        progress((epoch - 1) * n_batches + step, config.epochs * n_batches, f"epoch {epoch}")
    if weight == 0.0 and not data.twins and (data.condensed.multiplicity > 1).any():
        twins = replace(data, twins=True)
        return one_epoch(model, optimiser, twins, learning, config, epoch, seed, judge, device, progress)
    if weight == 0.0:
        raise MEAGraphError(
            f"No environment has a neighbour at a similarity above {data.graph.lower:g}, so there is nothing to train "
            "on. Lower the similarity threshold."
        )
    return EpochRecord(epoch, total / weight, time.perf_counter() - started, judge(model))


def _step(
    model: MEAGraph, optimiser: torch.optim.Optimizer, batch: SimilarityGraph, rates: Sequence[float], device: str
) -> tuple[float, float]:
    """One step of the optimiser; the environments of the batch, and its loss (1 for an output of zeros)."""
    optimiser.zero_grad()
    size, loss = _loss(model, batch, rates, device)
    loss.backward()
    optimiser.step()
    return size, loss.item()


def _loss(model: MEAGraph, batch: SimilarityGraph, rates: Sequence[float], device: str) -> tuple[float, torch.Tensor]:
    x, edges = graph_edges(batch, device)
    _, output = model(x, edges, rates)
    size = float(edges.norm_weight.sum())
    return size, size * reconstruction_loss(output, x, edges.norm_weight)


class _Judge:
    """The loss on the structures held out, always in the same batches and at the same pooling rates."""

    def __init__(
        self, data: _Data, structures: NDArray[np.int64], config: TrainingConfig, seed: int, layers: int, device: str
    ) -> None:
        parts = np.array_split(structures, math.ceil(len(structures) / config.batch)) if len(structures) else []
        rng = np.random.default_rng([seed, 0])
        rates = [rng.uniform(0.0, 1.0, layers).tolist() for _ in parts]
        graphs = [data.batch(part) for part in parts]
        self._batches = [(graph, rate) for graph, rate in zip(graphs, rates, strict=True) if graph is not None]
        self._device = device

    def __call__(self, model: MEAGraph) -> float | None:
        """The loss, None where nothing is held out."""
        if not self._batches:
            return None
        model.eval()
        with torch.no_grad(), one_thread():
            found = [_loss(model, graph, rate, self._device) for graph, rate in self._batches]
        return sum(size * loss.item() for size, loss in found) / sum(size for size, _ in found)


def split_structures(
    n_structures: int, config: TrainingConfig, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Structures to learn from, and those held out: a share of what an epoch can see."""
    order = np.random.default_rng([seed, 0]).permutation(n_structures)
    held = int(config.validation * min(n_structures, config.steps * config.batch))
    return np.sort(order[held:]), order[:held]


def has_settled(history: Sequence[EpochRecord], patience: int) -> bool:
    """Have the last ``patience`` epochs brought no loss lower by IMPROVEMENT than the best before them?"""
    if not 0 < patience < len(history):
        return False
    losses = [record.judged for record in history]
    return min(losses[-patience:]) > (1.0 - IMPROVEMENT) * min(losses[:-patience])


def _identity(model: MEAGraph, data: _Data, config: TrainingConfig, seed: int) -> str:
    """A key of everything that the weights depend on."""
    digest = hashlib.sha256()
    scaled = data.points[data.condensed.representatives]
    for array in (scaled, data.condensed.representatives, data.condensed.assignment, data.offsets):
        digest.update(np.ascontiguousarray(array).data)
    for weights in model.state_dict().values():
        digest.update(weights.numpy().tobytes())
    return content_key(
        {"data": digest.hexdigest(), "graph": asdict(data.graph), "training": asdict(config), "seed": seed}
    )


def _copy(model: MEAGraph) -> Weights:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _moments(optimiser: torch.optim.Optimizer) -> Weights:
    """What Adam remembers, by the number of the parameter and the name of the moment."""
    state = optimiser.state_dict()["state"]
    return {f"{index}.{name}": value.cpu().clone() for index, part in state.items() for name, value in part.items()}


def _restore(optimiser: torch.optim.Optimizer, moments: Weights) -> None:
    """The inverse of :func:`_moments`."""
    state: dict[int, Weights] = {}
    for key, value in moments.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def batch_graph(
    points: Points,
    condensed: Condensed,
    offsets: NDArray[np.int64],
    structures: NDArray[np.int64],
    config: GraphConfig,
    *,
    twins: bool = False,
) -> SimilarityGraph | None:
    """The similarity graph of a few structures, isolated environments left out; None if no two are neighbours.

    With ``twins`` environments that only have twins are something to learn from, too.
    """
    rows = np.concatenate([np.arange(offsets[s], offsets[s + 1]) for s in structures])
    chosen, assignment, count = np.unique(condensed.assignment[rows], return_inverse=True, return_counts=True)
    part = points[condensed.representatives[chosen]]
    batch = Condensed(
        representatives=np.arange(len(chosen)),
        assignment=assignment,
        distance=condensed.distance[rows],
        multiplicity=count,
        epsilon=condensed.epsilon,
        diameter=diameter(part),
    )
    graph = similarity_graph(part, batch, config)
    learnable = graph.connected.any() if twins else graph.n_edges > 0
    return _connected_part(graph) if learnable else None


def _connected_part(graph: SimilarityGraph) -> SimilarityGraph:
    """The graph without its isolated nodes, from which there is nothing to learn."""
    keep = graph.connected
    number = np.cumsum(keep) - 1
    return replace(
        graph,
        edge_index=number[graph.edge_index],
        x=graph.x[keep],
        multiplicity=graph.multiplicity[keep],
        connected=keep[keep],
    )
