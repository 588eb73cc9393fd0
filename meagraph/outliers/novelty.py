"""Signals of environments that look unlike the rest: in descriptor space, on its net, and to the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.datasets import AtomicDataset
from meagraph.graph.condensation import Condensed, Points
from meagraph.model.results import Embedding
from meagraph.outliers.calibration import robust_deviation
from meagraph.outliers.handed import handed, handed_by
from meagraph.outliers.signals import Signal, own_signal

NEIGHBOURS = 5
NET_NEIGHBOURS = 16  # representatives looked at for one that stands for another structure
ERROR_NOISE = 1e-3  # of the descriptors' scale; smaller errors of reconstruction are equal


def isolation(points: Points, condensed: Condensed, dataset: AtomicDataset) -> list[Signal]:
    """Distances to the nearest environments, and to the nearest one on the net that another structure shares.

    The net is that of the representatives; twins are neighbours at distance 0. The second distance does not fall for
    the atoms of a strange structure that only resemble each other.
    """
    rows = points[condensed.representatives]
    count = min(NET_NEIGHBOURS + 1, len(rows))
    distance, near = KDTree(rows).query(rows, k=count, workers=-1)
    distance, near = distance.reshape(len(rows), count), near.reshape(len(rows), count)
    floor = max(condensed.epsilon, 1e-12 * condensed.diameter, np.finfo(float).tiny)

    seen = np.cumsum(condensed.multiplicity[near], axis=1)  # environments within the j-th distance, itself included
    enough = np.minimum((seen < NEIGHBOURS + 1).sum(axis=1), count - 1)
    reach = np.maximum(distance[np.arange(len(rows)), enough], floor)[condensed.assignment]
    ratio = reach / np.median(reach)
    words = f"its {NEIGHBOURS} nearest environments lie within {{value:.3g}} times the usual distance"
    alone = own_signal("isolation", ratio, robust_deviation(np.log(ratio)), words, dataset, condensed.assignment)

    first, last = np.full(len(rows), dataset.n_structures), np.full(len(rows), -1)  # structures in each cell of the net
    np.minimum.at(first, condensed.assignment, dataset.structure_of)
    np.maximum.at(last, condensed.assignment, dataset.structure_of)
    foreign = (first[near] != first[:, None]) | (last[near] != first[:, None])
    foreign[:, 0] |= first != last
    step = np.where(foreign.any(axis=1), foreign.argmax(axis=1), count - 1)
    gap = np.maximum(distance[np.arange(len(rows)), step], floor)[condensed.assignment]
    gap = np.maximum(gap, condensed.distance)
    ratio = gap / np.median(gap)
    words = "the nearest environment of another structure on the net is {value:.3g} times the usual distance away"
    return [alone, own_signal("distance to the net", ratio, robust_deviation(np.log(ratio)), words, dataset)]


def reconstruction(given: NDArray[np.floating], dataset: AtomicDataset) -> Signal:
    """Error (N,) of the decoded descriptors, in units of their root mean square."""
    error, of = np.asarray(given, dtype=np.float64), handed_by(given)
    ratio = error / np.median(error) if np.median(error) > 0 else error
    deviation = robust_deviation(np.log(np.maximum(error, ERROR_NOISE)))
    words = "the autoencoder's error for it is {value:.3g} times the usual"
    return own_signal("reconstruction", ratio, deviation, words, dataset, of)


def linked_environments(embedding: Embedding, condensed: Condensed) -> NDArray[np.float64]:
    """Number (N,) of environments that latent edges join to each: its twins, and all of linked representatives."""
    source, target = embedding.edge_index
    other = source != target
    linked = condensed.multiplicity - 1.0
    linked += np.bincount(target[other], condensed.multiplicity[source[other]], minlength=condensed.size)
    return handed(linked, condensed.assignment)


def latent_links(given: NDArray[np.floating], dataset: AtomicDataset) -> Signal:
    """Number (N,) of environments that the pooled latent graph links to each."""
    linked, of = np.asarray(given, dtype=np.float64), handed_by(given)
    words = "the latent graph links it to only {value:.0f} environments"
    return own_signal("latent links", linked, robust_deviation(-np.log1p(linked)), words, dataset, of)
