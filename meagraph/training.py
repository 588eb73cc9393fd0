"""Training a MEAGraph model."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from meagraph.condensation import Condensed, diameter
from meagraph.errors import MEAGraphError
from meagraph.graph import GraphConfig, SimilarityGraph, similarity_graph
from meagraph.model import MEAGraph, graph_edges, reconstruction_loss
from meagraph.progress import Progress, silent
from meagraph.records import EpochRecord, ModelConfig, TrainingConfig


def new_model(config: ModelConfig, *, seed: int = 0) -> MEAGraph:
    """A model with random weights that depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MEAGraph(config)


def train(
    model: MEAGraph,
    points: NDArray[np.float64],
    condensed: Condensed,
    offsets: NDArray[np.int64],
    graph: GraphConfig,
    config: TrainingConfig,
    *,
    progress: Progress = silent,
) -> Iterator[EpochRecord]:
    """Train ``model`` in place; yield a record after every epoch.

    Mini-batches of structures; one similarity graph a batch, of the representatives that its environments fall to,
    with the number of environments as multiplicity; the pooling rate of each layer is drawn anew from (0, 1) for
    every batch (arXiv 2509.12358). ``points`` (N, D) have columns of unit norm, ``offsets`` (S + 1,) give each
    structure's environments. The run depends on ``config.seed`` alone. Stop by closing the iterator, or by
    raising from ``progress``.
    """
    rng = np.random.default_rng(config.seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    n_structures = len(offsets) - 1
    n_batches = min(math.ceil(n_structures / config.batch), config.steps)
    for epoch in range(1, config.epochs + 1):
        started = time.perf_counter()
        total = weight = 0.0
        model.train()
        for step, structures in enumerate(
            np.array_split(rng.permutation(n_structures)[: n_batches * config.batch], n_batches)
        ):
            rates = rng.uniform(0.0, 1.0, len(model.encoder)).tolist()
            batch = _batch_graph(points, condensed, offsets, structures, graph)
            if batch is None:
                continue
            with _one_thread():
                size, loss = _step(model, optimiser, batch, rates)
            if not math.isfinite(loss):
                raise MEAGraphError(
                    f"Training diverged in epoch {epoch}: the loss is {loss}. Lower the learning rate (now "
                    f"{config.learning_rate:g}), or look for descriptors that hardly vary."
                )
            total += size * loss
            weight += size
            progress((epoch - 1) * n_batches + step + 1, config.epochs * n_batches, f"epoch {epoch}")
        if weight == 0.0:
            raise MEAGraphError(
                f"No environment has a neighbour at a similarity above {graph.lower:g}, so there is nothing to train "
                "on. Lower the similarity threshold."
            )
        yield EpochRecord(epoch, total / weight, time.perf_counter() - started)


def _step(
    model: MEAGraph, optimiser: torch.optim.Optimizer, batch: SimilarityGraph, rates: list[float]
) -> tuple[float, float]:
    """One step of the optimiser; the environments of the batch, and its loss (1 for an output of zeros)."""
    x, edges = graph_edges(batch)
    optimiser.zero_grad()
    _, output = model(x, edges, rates)
    size = float(edges.norm_weight.sum())
    loss = size * reconstruction_loss(output, x, edges.norm_weight)
    loss.backward()
    optimiser.step()
    return size, loss.item()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: a batch is small, and threads that wait for each other cost more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _batch_graph(
    points: NDArray[np.float64],
    condensed: Condensed,
    offsets: NDArray[np.int64],
    structures: NDArray[np.int64],
    config: GraphConfig,
) -> SimilarityGraph | None:
    """The similarity graph of a few structures, isolated environments left out; None if no two are neighbours."""
    rows = np.concatenate([np.arange(offsets[s], offsets[s + 1]) for s in structures])
    chosen, assignment, count = np.unique(condensed.assignment[rows], return_inverse=True, return_counts=True)
    if len(chosen) < 2:
        return None
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
    return _connected_part(graph) if graph.n_edges else None


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
