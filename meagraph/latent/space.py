"""A dataset in the latent space of a model, with everything that later steps and new data need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meagraph.descriptors import Descriptors
from meagraph.display.cards import Shown
from meagraph.graph.condensation import Condensed, ScaledRows, column_norms
from meagraph.graph.similarity import GraphConfig, SimilarityGraph, similarity_graph
from meagraph.latent.nodes import LatentOf, holding
from meagraph.model.results import Embedding
from meagraph.progress import Progress, silent

if TYPE_CHECKING:
    from meagraph.model.autoencoder import MEAGraph


@dataclass(frozen=True, eq=False, repr=False)
class Latent(Shown):
    """N environments by M representatives in the latent space, and the scale of the descriptors they came from."""

    embedding: Embedding
    condensed: Condensed
    rows: NDArray[np.float64]  # (M, D) descriptors of the representatives, columns of unit norm over all N
    norms: NDArray[np.float64]  # (D,) what the columns of the descriptors were divided by
    graph: GraphConfig
    descriptors: dict[str, Any]  # their identity
    error: NDArray[np.float64]  # (M,) of the reconstruction of each representative

    def similarity_graph(self, progress: Progress = silent) -> SimilarityGraph:
        """The similarity graph that was embedded, made again."""
        return _graph(self.rows, self.condensed, self.graph, progress)


def latent_space(
    model: MEAGraph,
    descriptors: Descriptors,
    condensed: Condensed,
    *,
    graph: GraphConfig,
    rate: float,
    latent: LatentOf | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Latent:
    """Embed ``descriptors``, which ``condensed`` condenses, at the pooling ``rate`` in [0, 1).

    ``latent`` gives the values (n, H) of environments (n,) in place of those of the model, compared by distance;
    ``seed`` decides which are drawn for clusters, see :mod:`meagraph.latent.nodes`.
    """
    from meagraph.model.autoencoder import embed, reconstruction_errors

    norms = column_norms(descriptors.own)
    rows = ScaledRows(descriptors.own, norms)[condensed.representatives]
    found = _graph(rows, condensed, graph, progress)
    error = reconstruction_errors(model, found, rate=rate)
    embedding = holding(embed(model, found, rate=rate), condensed, latent, seed=seed, progress=progress)
    return Latent(embedding, condensed, rows, norms, graph, descriptors.identity, error)


def _graph(rows: NDArray[np.float64], condensed: Condensed, config: GraphConfig, progress: Progress) -> SimilarityGraph:
    return similarity_graph(rows, replace(condensed, representatives=np.arange(len(rows))), config, progress=progress)
