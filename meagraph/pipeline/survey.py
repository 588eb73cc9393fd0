"""What there is to see in a dataset once a model is at hand: embedding, clusters, map, outliers, ranking."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meagraph import compiling
from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Facts, Shown, brief
from meagraph.errors import MEAGraphError
from meagraph.files import Stacked, from_json, read_arrays, write_arrays
from meagraph.graph.condensation import Condensed, Points
from meagraph.graph.similarity import similarity_graph
from meagraph.latent.clustering import ClusteringConfig, Clusters, cluster, cut
from meagraph.latent.communities import neighbours_among
from meagraph.latent.hierarchy import Hierarchy
from meagraph.latent.neighbours import Neighbours, nearest_neighbours
from meagraph.latent.nodes import LatentOf, holding, nodes_arrays, nodes_from, population
from meagraph.latent.projection import Projection, project
from meagraph.model.results import Embedding
from meagraph.outliers import Family, Outliers, Signal, handed, linked_environments, score_outliers
from meagraph.pipeline.compiled import FORCE_FIELD, LEARNING, RANKING
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.sight import OnPart, Sight
from meagraph.progress import Progress, part, silent
from meagraph.pruning.bins import fine_bins
from meagraph.pruning.plan import rank_environments
from meagraph.pruning.ranking import Ranking
from meagraph.workers import HERE, Workers

if TYPE_CHECKING:
    from meagraph.model.autoencoder import MEAGraph

SURVEY_VERSION = 7  # of what the cache keeps; models stay valid


@dataclass(frozen=True, eq=False, repr=False)
class Survey(Shown):
    """What the app and the command line show of a dataset."""

    embedding: Embedding
    clusters: Clusters
    projection: Projection
    outliers: Outliers
    ranking: Ranking
    config: PipelineConfig  # that made it, the model included

    @property
    def quick(self) -> bool:
        """No: its map is the learned one."""
        return False

    def at(self, clustering: ClusteringConfig) -> Survey:
        """The same with its clusters at the level that ``clustering`` asks for; all else stays as it is.

        Raises MEAGraphError for a level that there is not, and where the clusters are no hierarchy's.
        """
        tree = self.clusters.hierarchy
        config = replace(self.config, clustering=clustering)
        if tree is None:
            if clustering.clusters is None and clustering.level is None:
                return replace(self, config=config)
            raise MEAGraphError(
                f"Clusters by {self.clusters.method!r} have no levels. Cluster by the method 'hierarchy' first."
            )
        count = clustering.count(tree)
        known = self.clusters
        clusters = known if count == known.n_clusters else cut(tree, count, known.settings)
        return replace(self, clusters=clusters, config=config)

    def _facts(self) -> Facts:
        found = (("clusters", self.clusters), ("map", self.projection), ("outlier candidates", self.outliers))
        return [*((name, brief(value)) for name, value in found), ("ranking", f"by {self.ranking.selector}")]


def survey(
    dataset: AtomicDataset,
    model: MEAGraph,
    points: Points,
    condensed: Condensed,
    config: PipelineConfig,
    *,
    latent: LatentOf | None = None,
    places: Projection | None = None,
    quick: Projection | None = None,
    on_part: OnPart = lambda sight: None,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Survey:
    """Embed, cluster, project, score and rank all environments.

    ``points`` (N, D) are the descriptors with columns of unit norm; ``latent`` gives the values (n, H) of
    environments that clusters and map are found by, compared by distance, in place of those of the ``model``;
    ``places`` is the map where it is known: it hangs on the model, the pooling rate and ``config.projection``, not on
    the clusters.
    ``on_part`` is told of clusters, on the map ``quick`` where there is that, then of the map, then of outliers; the
    ranking comes with the survey. What goes over all environments is shared out to ``workers``.
    """
    from meagraph.model.autoencoder import embed, reconstruction_errors

    found = similarity_graph(points, condensed, config.graph, progress=part(progress, 0.0, 0.15))
    embedding = embed(model, found, rate=config.pooling_rate)
    embedding = holding(
        embedding, condensed, latent, seed=config.seed, workers=workers, progress=part(progress, 0.15, 0.25)
    )
    compiling.finish(*LEARNING, progress=part(progress, 0.25, 0.25))
    compiling.begin(*FORCE_FIELD)
    progress(250, 1000, "clusters")
    neighbours = latent_neighbours(embedding, config)
    nodes = population(embedding, condensed)[1]
    clusters = cluster(embedding, neighbours, condensed, config.clustering, seed=config.seed)
    shown = places or quick
    if shown is not None:
        on_part(Sight(shown, config, places is None, embedding, clusters))
    progress(550, 1000, "map (UMAP)")
    if places is None:
        places = project(neighbours, nodes, config.projection, seed=config.seed)
        on_part(Sight(places, config, False, embedding, clusters))
    compiling.finish(*FORCE_FIELD, progress=part(progress, 0.8, 0.8))
    compiling.begin(*RANKING)
    outliers = score_outliers(
        points,
        condensed,
        clusters,
        dataset,
        error=handed(reconstruction_errors(model, found, rate=config.pooling_rate), condensed.assignment),
        linked=linked_environments(embedding, condensed),
        workers=workers,
        progress=part(progress, 0.8, 0.9),
    )
    on_part(Sight(places, config, False, embedding, clusters, outliers))
    compiling.finish(*RANKING, progress=part(progress, 0.9, 0.9))
    ranking = rank_environments(
        clusters,
        points,
        condensed,
        bins=fine_bins(neighbours, clusters, nodes, seed=config.seed),
        known=dataset.known_environments,
        seed=config.seed,
        progress=part(progress, 0.9, 1.0),
    )
    return Survey(embedding, clusters, places, outliers, ranking, config)


def latent_neighbours(embedding: Embedding, config: PipelineConfig) -> Neighbours:
    """The nearest neighbours in the latent space, as many as clusters and map ask for, so that they are found once."""
    values = embedding.values if embedding.nodes is None else embedding.nodes.values
    count = max(config.projection.n_neighbors, config.clustering.neighbours, neighbours_among(len(values)))
    return nearest_neighbours(values, count, by_distance=embedding.by_distance)


def write_survey(path: Path, result: Survey) -> None:
    """Write a survey as one compressed NumPy archive without pickled objects, atomically."""
    signals = result.outliers.signals
    texts = {
        "rate": result.embedding.rate,
        "by_distance": result.embedding.by_distance,
        "method": result.clusters.method,
        "settings": result.clusters.settings,
        "signals": [[signal.name, signal.template] for signal in signals],
        "families": [
            [one.kind, one.name, one.label, one.size, one.offset, one.score, one.what]
            for one in result.outliers.families
        ],
        "within": result.ranking.within,
        "seed": result.ranking.seed,
        "default": None if result.clusters.hierarchy is None else result.clusters.hierarchy.default,
    }
    arrays: dict[str, NDArray[Any] | Stacked] = {
        "latent": result.embedding.values,
        "edge_index": result.embedding.edge_index,
        "edge_score": result.embedding.score,
        "connected": result.embedding.connected,
        "labels": result.clusters.labels,
        "sizes": result.clusters.sizes,
        **_levels(result.clusters.hierarchy),
        **nodes_arrays(result.embedding.nodes),
        "xy": result.projection.xy,
        "score": result.outliers.score,
        "unclustered": result.outliers.unclustered,
        "signal_value": Stacked([signal.value for signal in signals]),
        "signal_deviation": Stacked([signal.deviation for signal in signals]),
        "signal_rarity": Stacked([signal.rarity for signal in signals]),
        **{f"partner_{number}": signal.partner for number, signal in enumerate(signals) if signal.partner is not None},
        **{f"members_{number}": one.members for number, one in enumerate(result.outliers.families)},
        **{f"rows_{number}": one.rows for number, one in enumerate(result.outliers.families)},
        "rank": result.ranking.rank,
        "bin": result.ranking.bin,
        "bin_sizes": result.ranking.sizes,
        **({} if result.ranking.worth is None else {"worth": result.ranking.worth}),
        **({} if result.ranking.known is None else {"known": result.ranking.known}),
    }
    write_arrays(path, {"texts": np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8), **arrays})


def _levels(tree: Hierarchy | None) -> dict[str, NDArray[Any]]:
    """What of a hierarchy lies in a file: it needs no computing for another level."""
    return {} if tree is None else {"fine": tree.fine, "parent": tree.parent, "strength": tree.strength}


def read_survey(path: Path, config: PipelineConfig) -> Survey:
    """Read what :func:`write_survey` wrote; it was made by ``config``, which is the key to its place in the cache."""
    data = read_arrays(path, mapped=True)
    texts = from_json(data["texts"].tobytes())
    arrays = zip(data["signal_value"], data["signal_deviation"], data["signal_rarity"], strict=True)
    signals = tuple(
        Signal(name, value, deviation, rarity, template, data.get(f"partner_{number}"))
        for number, ((name, template), (value, deviation, rarity)) in enumerate(
            zip(texts["signals"], arrays, strict=True)
        )
    )
    tree = None
    if texts["default"] is not None:
        tree = Hierarchy(data["fine"], data["parent"], data["strength"], texts["default"])
    return Survey(
        embedding=Embedding(
            data["latent"],
            data["edge_index"],
            data["edge_score"],
            texts["rate"],
            data["connected"],
            texts["by_distance"],
            nodes_from(data),
        ),
        clusters=Clusters(data["labels"], data["sizes"], texts["method"], texts["settings"], tree),
        projection=Projection(data["xy"]),
        outliers=Outliers(
            data["score"],
            data["unclustered"],
            signals,
            tuple(
                Family(kind, name, label, data[f"members_{number}"], data[f"rows_{number}"], *rest)
                for number, (kind, name, label, *rest) in enumerate(texts["families"])
            ),
        ),
        ranking=Ranking(
            data["rank"],
            data["bin"],
            data["bin_sizes"],
            texts["within"],
            texts["seed"],
            worth=data.get("worth"),
            known=data.get("known"),
        ),
        config=config,
    )
