"""New data among known: environments of other structures set into the latent space and on the map of a reference.

The reference stays as it is. New environments are scaled by its columns, joined to its representatives where they are
alike by its thresholds, and hear those in every layer of the encoder without being heard themselves. So where a new
environment lands depends on itself and the reference, not on what else is placed with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.descriptors import Descriptors, check_same_descriptors
from meagraph.display.cards import Shown
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import BUDGET, Condensed, ScaledRows, column_norms, condense
from meagraph.graph.similarity import distance_window
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.latent.nearest import nearest_one
from meagraph.latent.neighbours import weights_among
from meagraph.latent.nodes import population
from meagraph.latent.projection import Projection, around, usual_gap
from meagraph.latent.space import Latent
from meagraph.model.agreement import Agreement
from meagraph.model.results import Embedding
from meagraph.progress import Progress, part, silent

if TYPE_CHECKING:
    from meagraph.model.autoencoder import MEAGraph

SAME = 1e-4  # of the spread of the latent space: nearer values are equal but for rounding
USUAL = 0.99  # share of the reference's representatives whose nearest other lies within the usual distance
_BLOCK_VALUES = 8_000_000  # distances held at a time: 64 MB


@dataclass(frozen=True, eq=False, repr=False)
class Placement(Shown):
    """N new environments, by F representatives of their own, in the latent space of a reference of M."""

    condensed: Condensed  # the new environments, in the reference's scale
    values: NDArray[np.float32]  # (F, H) latent values
    nearest: NDArray[np.int64]  # (F,) the reference's representative with the most similar descriptor
    distance: NDArray[np.float64]  # (F,) to it, in the reference's scale
    known: NDArray[np.bool_]  # (F,) so near that it is one of those for which that representative stands
    connected: NDArray[np.bool_]  # (F,) similar to any of the reference
    usual: float  # distance up to which new environments are as near as the reference's are to each other

    @property
    def outside(self) -> NDArray[np.bool_]:
        """(F,) farther from all of the reference than is usual within it: the model and the map do not know such."""
        return ~self.connected | (self.distance > self.usual)


def place(
    model: MEAGraph,
    reference: Latent,
    descriptors: Descriptors,
    *,
    agreement: Agreement | None = None,
    budget: int = BUDGET,
    progress: Progress = silent,
) -> Placement:
    """Set ``descriptors`` (N, D) into the latent space that ``model`` made of ``reference``.

    An environment within the reference's epsilon of a representative counts as one more for which that stands. The
    ``agreement`` is that of the model, where its latent space has one.
    Raises MEAGraphError for descriptors of another kind, naming the difference.
    """
    from meagraph.model.autoencoder import embed_beside

    check_same_descriptors(reference.descriptors, descriptors)
    if descriptors.own.shape[1] != len(reference.norms):
        raise MEAGraphError(
            f"Expected descriptors of {len(reference.norms)} columns, as the reference has, got "
            f"{descriptors.own.shape[1]}. Make them again."
        )
    points = ScaledRows(descriptors.own, reference.norms)
    condensed = condense(points, budget=budget, progress=part(progress, 0.0, 0.4))
    rows = points[condensed.representatives]
    window = distance_window(reference.rows, reference.condensed, reference.graph)
    nearest, distance, edge_index = _join(rows, reference, window, part(progress, 0.4, 0.7))
    known = distance <= reference.condensed.epsilon
    connected = np.where(known, reference.embedding.connected[nearest], False)
    connected[edge_index[1]] = True

    values = reference.embedding.values[nearest]
    new = np.flatnonzero(~known) if reference.embedding.nodes is None else np.arange(len(known))
    if len(new) and reference.embedding.by_distance:
        if agreement is None or descriptors.context is None:
            raise MEAGraphError("The reference was embedded by the context of environments, which is not given here.")
        values[new] = _as_wide(agreement(descriptors.context[condensed.representatives[new]]), values)
    elif len(new):
        graph = reference.similarity_graph(part(progress, 0.7, 0.9))
        norms = column_norms(reference.rows, np.where(graph.connected, graph.multiplicity, 0))
        among = ~known[edge_index[1]]
        edges = np.stack([edge_index[0, among], np.searchsorted(new, edge_index[1, among])])
        beside = embed_beside(model, graph, rows[new] / norms, edges, rate=reference.embedding.rate)
        values[new] = _as_wide(beside, values)
    progress(1, 1, "placed")
    return Placement(condensed, values, nearest, distance, known, connected, usual_distance(reference))


def _as_wide(found: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """``found``; MEAGraphError unless it has as many columns as the latent ``values`` of the reference."""
    if found.shape[1] != values.shape[1]:
        raise MEAGraphError(
            f"The model gives {found.shape[1]} latent values, the reference has {values.shape[1]}. Give the model that "
            "made the reference."
        )
    return found


def usual_distance(reference: Latent) -> float:
    """The distance within which USUAL of the connected representatives have another; infinite for fewer than two."""
    if len(reference.rows) < 2:
        return np.inf
    gaps = KDTree(reference.rows).query(reference.rows, k=2, workers=-1)[0][:, 1]
    joined = gaps[reference.embedding.connected]
    return float(np.quantile(joined if len(joined) else gaps, USUAL))


def _join(
    rows: NDArray[np.float64], reference: Latent, window: tuple[float, float], progress: Progress
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """The nearest representative of each of ``rows`` (F, D), its distance, and edges (2, E) from representatives.

    An edge's length lies within ``window``; a row has as many as the reference's graph allows, the shortest ones.
    """
    old, cap = reference.rows, reference.graph.neighbours
    count = len(old) if cap is None else min(cap, len(old))
    shift = old.mean(axis=0)  # distances by inner products lose no digits to a common offset
    square = ((old - shift) ** 2).sum(axis=1)
    nearest, sources, targets = [], [], []
    step = max(1, _BLOCK_VALUES // (len(old) + count * old.shape[1]))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        centred = block - shift
        squared = (centred**2).sum(axis=1)[:, None] + square[None, :] - 2.0 * centred @ (old - shift).T
        nearest.append(squared.argmin(axis=1))
        if window[0] > 0.0:  # pairs too alike to be edges take no place under the cap
            squared[squared <= window[0] ** 2] = np.inf
        near = np.sort(np.argpartition(squared, count - 1, axis=1)[:, :count], axis=1)
        length = np.linalg.norm(block[:, None, :] - old[near], axis=2)
        target, column = np.nonzero((length > window[0]) & (length < window[1]))
        sources.append(near[target, column])
        targets.append(target + start)
        progress(start + len(block), len(rows), "similar environments")
    found = np.concatenate(nearest)
    edges = np.stack([np.concatenate(sources), np.concatenate(targets)]).astype(np.int64)
    return found, np.linalg.norm(rows - old[found], axis=1), edges


def place_on_map(
    placement: Placement, reference: Latent, projection: Projection, *, n_neighbors: int = 15
) -> Projection:
    """Where the new environments lie on the reference's map: (N, 2).

    Known ones lie where their representative does, others at the mean of their nearest latent neighbours with UMAP's
    weights. UMAP itself would go on to move them by a few random steps; without, equal environments have equal places.
    """
    embedding, nodes = population(reference.embedding, reference.condensed)
    centres = projection.xy[nodes.first].astype(np.float64)  # the first member is at the centre
    nearest, new = _nearest_node(placement, reference, embedding)
    places = centres[nearest]
    if new.any():
        index, weight = weights_among(
            placement.values[new],
            embedding.values,
            n_neighbors,
            by_distance=embedding.by_distance,
        )
        places[new] = (weight[:, :, None] * centres[index]).sum(axis=1)
    return Projection(around(places, placement.condensed, usual_gap(centres)).astype(np.float32))


def _nearest_node(
    placement: Placement, reference: Latent, embedding: Embedding
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The nearest (F,) of what the reference's clusters and map go by, ``embedding``, and which are no twin of it."""
    if reference.embedding.nodes is not None:
        nearest = nearest_one(placement.values, embedding.values)
        away = np.linalg.norm(placement.values - embedding.values[nearest], axis=1)
        return nearest, away > SAME * np.linalg.norm(embedding.values.std(axis=0))
    nearest, new = placement.nearest.copy(), ~placement.known
    if new.any():
        known, by_distance = embedding.values, embedding.by_distance
        nearest[new] = weights_among(placement.values[new], known, 1, by_distance=by_distance)[0][:, 0]
    return nearest, new


def inherit_clusters(placement: Placement, reference: Latent, clusters: Clusters) -> Clusters:
    """The clusters of the reference for the new environments: (N,) labels, numbered as there.

    Known ones belong where their representative does, others where their nearest latent neighbour does; who is similar
    to none of the reference belongs to none. Sizes count the new ones, so they need not fall and may be 0.
    """
    embedding, nodes = population(reference.embedding, reference.condensed)
    labels = clusters.labels[nodes.first][_nearest_node(placement, reference, embedding)[0]]
    labels = np.where(placement.connected, labels, NOISE)[placement.condensed.assignment]
    sizes = np.bincount(labels[labels != NOISE], minlength=clusters.n_clusters)
    return Clusters(labels, sizes, clusters.method, {**clusters.settings, "inherited": True})
