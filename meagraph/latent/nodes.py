"""What clusters and map go by: environments drawn at random, where the representatives are too coarse a net.

The representatives of a large dataset lie evenly apart, whatever there is how often. A graph of them has lost where the
environments are dense, and with that the clusters: as many of the environments themselves, drawn at random, have kept
it, and ten times the data has the same clusters (benchmarks/README.md). Each environment then belongs where
the drawn one does that is nearest to it in the latent space, and lies beside it on the map.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.graph.condensation import RELATIVE_EPSILON, Condensed
from meagraph.latent.nearest import Boxes, boxes_of
from meagraph.model.results import Embedding, Nodes
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, Workers, map_chunks
from meagraph.workers.sharing import Array
from meagraph.workers.threads import one_thread

DRAWN = 20_000
BLOCK = 100_000  # environments of a task, a second of work or two
ROWS = 4096  # of them whose latent values are held at a time, as a cache of the processor does

LatentOf = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Latent values (n, H) of the environments (n,)."""


def holding(
    embedding: Embedding,
    condensed: Condensed,
    latent: LatentOf | None,
    *,
    seed: int = 0,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Embedding:
    """The embedding with the values that ``latent`` gives, compared by distance; itself where there is none.

    With them come environments drawn at random, where the representatives hold more than copies. Raise from
    ``progress`` to cancel.
    """
    if latent is None:
        return embedding
    nodes = None
    if coarse(condensed):
        nodes = draw_nodes(latent, len(condensed.assignment), seed=seed, workers=workers, progress=progress)
    return replace(embedding, values=latent(condensed.representatives), by_distance=True, nodes=nodes)


def coarse(condensed: Condensed) -> bool:
    """Whether representatives stand for more than copies, to a ten-thousandth of the diameter."""
    return bool(condensed.distance.max(initial=0.0) > RELATIVE_EPSILON * condensed.diameter)


def population(embedding: Embedding, condensed: Condensed) -> tuple[Embedding, Condensed]:
    """The nodes of the embedding as if they were the representatives; both as they are where it has none.

    A node is connected where its representative is; edges have only those.
    """
    nodes = embedding.nodes
    if nodes is None:
        return embedding, condensed
    connected = embedding.connected[condensed.assignment[nodes.rows]]
    edges, score = np.zeros((2, 0), dtype=np.int64), np.zeros(0, dtype=np.float32)
    node = nodes.nearest.astype(np.int64)
    count = np.bincount(node, minlength=len(nodes.rows))
    return (
        Embedding(nodes.values, edges, score, embedding.rate, connected, by_distance=True),
        Condensed(nodes.rows, node, np.zeros(len(node)), count, condensed.epsilon, condensed.diameter),
    )


def draw_nodes(
    latent: LatentOf,
    environments: int,
    *,
    count: int = DRAWN,
    seed: int = 0,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Nodes:
    """``count`` of the ``environments``, of several with equal values one, and the nearest of them to each.

    BLOCK environments at a time go to ``workers`` where these are elsewhere, else to threads of this process.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(environments, min(count, environments), replace=False))
    values = latent(rows)
    kept = np.sort(np.unique(values, axis=0, return_index=True)[1])
    rows, values = rows[kept], values[kept]
    blocks = [(start, min(start + BLOCK, environments)) for start in range(0, environments, BLOCK)]
    boxes = {name: workers.share(f"drawn-{name}", array) for name, array in vars(boxes_of(values)).items()}
    each = map_chunks(
        partial(nearest_drawn, latent, boxes),
        blocks,
        workers,
        total=len(blocks),
        message="environments among those drawn",
        told=lambda block: f"environments {block[0]:,} to {block[1] - 1:,} (counting from 0)",
        kept="drawn",
        threads=os.cpu_count() or 1,
        progress=progress,
    )
    nearest = np.concatenate([of for (of,) in each])
    nearest[rows] = np.arange(len(rows))  # also where the last bit of a value depends on those that are made with it
    return Nodes(rows, values, nearest)


def nearest_drawn(latent: LatentOf, drawn: Mapping[str, Array], block: tuple[int, int]) -> tuple[NDArray[np.int32]]:
    """A task: the nearest of the ``drawn``, parts of boxes by name, to each environment of a ``block``."""
    boxes = Boxes(**{name: np.array(one.load()) for name, one in drawn.items()})
    with one_thread():
        found = [boxes.nearest(latent(np.arange(start, min(start + ROWS, block[1])))) for start in range(*block, ROWS)]
    return (np.concatenate(found).astype(np.int32),)


def nodes_arrays(nodes: Nodes | None) -> dict[str, NDArray[Any]]:
    """What of them lies in a file."""
    if nodes is None:
        return {}
    return {"node_rows": nodes.rows, "node_values": nodes.values, "node_of": nodes.nearest}


def nodes_from(data: Mapping[str, NDArray[Any]]) -> Nodes | None:
    """The inverse of :func:`nodes_arrays`. Raises KeyError for one that is missing."""
    return Nodes(data["node_rows"], data["node_values"], data["node_of"]) if "node_of" in data else None
