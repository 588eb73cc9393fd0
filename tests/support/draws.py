"""Random samples that benchmarks take: structures of each label, environments of each cluster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.pruning.allocation import share_out


def whole_structures(labels: NDArray[np.str_], sizes: NDArray[np.int64], wanted: int, seed: int) -> NDArray[np.int64]:
    """Structures, in file order: of each of their ``labels`` (S,) but the empty one as many as hold ``wanted`` atoms.

    They come at random, of ``sizes`` (S,) atoms each; the last may go beyond, and all come where they hold fewer.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels[labels != ""]):
        order = rng.permutation(np.flatnonzero(labels == label))
        chosen.append(order[np.cumsum(sizes[order]) - sizes[order] < wanted])
    return np.sort(np.concatenate(chosen))


def from_clusters(labels: NDArray[np.integer], budget: int, *, equal: bool, seed: int) -> NDArray[np.bool_]:
    """``budget`` environments (N,) at random by the ``labels`` (N,) of their clusters: of each as many, or its share.

    One in no cluster, -1, is a cluster of one.
    """
    alone = labels < 0
    bins = np.where(alone, labels.max(initial=-1) + np.cumsum(alone), labels)
    sizes = np.bincount(bins)
    shares = share_out(sizes, budget, np.ones(len(sizes)) if equal else sizes.astype(np.float64))
    order = np.random.default_rng(seed).permutation(len(bins))
    order = order[np.argsort(bins[order], kind="stable")]  # at random within each cluster, cluster by cluster
    place = np.arange(len(bins)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    keep = np.zeros(len(bins), dtype=bool)
    keep[order[place < np.repeat(shares, sizes)]] = True
    return keep
