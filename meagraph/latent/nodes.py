"""What clusters are found by: environments drawn at random, where the representatives are too coarse a net.

The representatives of a large dataset lie evenly apart, whatever there is how often. A graph of them has lost where the
environments are dense, and with that the clusters: as many of the environments themselves, drawn at random, have kept
it, and ten times the data has the same clusters (benchmarks/README.md). Each environment then belongs where
the drawn one does that is nearest to it in the latent space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.graph.condensation import RELATIVE_EPSILON, Condensed
from meagraph.latent.neighbours import nearest_one
from meagraph.model.results import Embedding, Nodes
from meagraph.progress import Progress, silent

DRAWN = 20_000
BLOCK = 20_000  # environments whose latent values are held at a time

LatentOf = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Latent values (n, H) of the environments (n,)."""


def holding(
    embedding: Embedding,
    condensed: Condensed,
    latent: LatentOf | None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Embedding:
    """The embedding with the values that ``latent`` gives, compared by distance; itself where there is none.

    With them come environments drawn at random, where the representatives hold more than copies. Raise from
    ``progress`` to cancel.
    """
    if latent is None:
        return embedding
    nodes = draw_nodes(latent, len(condensed.assignment), seed=seed, progress=progress) if coarse(condensed) else None
    return replace(embedding, values=latent(condensed.representatives), by_distance=True, nodes=nodes)


def coarse(condensed: Condensed) -> bool:
    """Whether representatives stand for more than copies, to a ten-thousandth of the diameter."""
    return bool(condensed.distance.max(initial=0.0) > RELATIVE_EPSILON * condensed.diameter)


def draw_nodes(
    latent: LatentOf, environments: int, *, count: int = DRAWN, seed: int = 0, progress: Progress = silent
) -> Nodes:
    """``count`` of the ``environments``, of several with equal values one, and the nearest of them to each."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(environments, min(count, environments), replace=False))
    values = latent(rows)
    kept = np.sort(np.unique(values, axis=0, return_index=True)[1])
    rows, values = rows[kept], values[kept]
    nearest = np.empty(environments, dtype=np.int32)
    for start in range(0, environments, BLOCK):
        progress(start, environments, "environments among those drawn")
        part = np.arange(start, min(start + BLOCK, environments))
        nearest[part] = nearest_one(latent(part), values)
    return Nodes(rows, values, nearest)


def nodes_arrays(nodes: Nodes | None) -> dict[str, NDArray[Any]]:
    """What of them lies in a file."""
    if nodes is None:
        return {}
    return {"node_rows": nodes.rows, "node_values": nodes.values, "node_of": nodes.nearest}


def nodes_from(data: Mapping[str, NDArray[Any]]) -> Nodes | None:
    """The inverse of :func:`nodes_arrays`. Raises KeyError for one that is missing."""
    return Nodes(data["node_rows"], data["node_values"], data["node_of"]) if "node_of" in data else None
