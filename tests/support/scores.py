"""How well clusters and a map agree with what is known: figures of benchmarks, independent of the code they judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from graspologic_native import leiden
from numpy.typing import NDArray
from scipy.sparse import triu
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_mutual_info_score, homogeneity_completeness_v_measure
from sklearn.neighbors import NearestNeighbors

MOST = 0.05  # of a kind: a cluster with less of it is not one of its clusters


@dataclass(frozen=True)
class Agreement:
    """Clusters against the truth; environments in no cluster count as one more cluster."""

    ami: float  # adjusted mutual information
    homogeneity: float  # 1 where a cluster holds one kind alone
    completeness: float  # 1 where a kind lies in one cluster alone
    clusters: int  # that hold any of the environments
    noise: float  # share in no cluster

    def figures(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


def agreement(truth: NDArray[np.str_], labels: NDArray[np.integer]) -> Agreement:
    """How ``labels`` (N,), -1 for none, agree with ``truth`` (N,); where that is empty nothing is known or counted."""
    truth, labels = _told(truth, labels)
    homogeneity, completeness, _ = homogeneity_completeness_v_measure(truth, labels)
    return Agreement(
        ami=float(adjusted_mutual_info_score(truth, labels)),
        homogeneity=float(homogeneity),
        completeness=float(completeness),
        clusters=len(np.unique(labels[labels >= 0])),
        noise=float((labels < 0).mean()),
    )


def own_clusters(truth: NDArray[np.str_], labels: NDArray[np.integer]) -> dict[str, float]:
    """By kind, the largest share of it that lies in one cluster of which it is the majority; 0 where there is none.

    All of a cluster counts, also what nothing is known of.
    """
    kinds, kind = np.unique(truth, return_inverse=True)
    inside = labels >= 0
    table = np.zeros((len(kinds), int(labels.max(initial=-1)) + 1), dtype=np.int64)
    np.add.at(table, (kind[inside], labels[inside]), 1)
    major = 2 * table > table.sum(axis=0)
    share = np.where(major, table, 0).max(axis=1, initial=0) / np.bincount(kind)
    return {str(name): float(part) for name, part in zip(kinds, share, strict=True) if name}


def by_kind(truth: NDArray[np.str_], labels: NDArray[np.integer]) -> dict[str, dict[str, float]]:
    """Of each kind: its ``count``, the ``clusters`` that hold MOST of it or more, the ``largest`` share in one of them.

    ``alone`` is the share in none.
    """
    found = {}
    for kind in np.unique(truth):
        inside = labels[truth == kind]
        counts = np.bincount(inside[inside >= 0], minlength=1)
        found[str(kind)] = {
            "count": len(inside),
            "clusters": int((counts >= MOST * len(inside)).sum()),
            "largest": float(counts.max() / len(inside)),
            "alone": float((inside < 0).mean()),
        }
    return found


def neighbour_agreement(truth: NDArray[np.str_], places: NDArray[np.floating], *, neighbours: int = 15) -> float:
    """Mean share of the ``neighbours`` nearest to a place (N, d) that are of its kind; each kind counts the same."""
    known = truth != ""
    truth, places = truth[known], places[known]
    finder = NearestNeighbors(n_neighbors=min(neighbours, len(places) - 1)).fit(places)
    alike = (truth[finder.kneighbors(return_distance=False)] == truth[:, None]).mean(axis=1)
    return float(np.mean([alike[truth == name].mean() for name in np.unique(truth)]))


def faithfulness(
    rows: NDArray[np.floating], places: NDArray[np.floating], *, neighbours: int = 15, most: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Trustworthiness and continuity (Venna and Kaski, 2001) of ``places`` (N, 2) for ``rows`` (N, D).

    The first is low where the map joins what is apart, the second where it parts what is together; both of at most
    ``most`` rows drawn at random.
    """
    chosen = np.random.default_rng(seed).permutation(len(rows))[:most]
    rows, places = np.asarray(rows[chosen], dtype=np.float64), np.asarray(places[chosen], dtype=np.float64)
    count = min(neighbours, (len(rows) - 1) // 2)
    return (
        float(trustworthiness(rows, places, n_neighbors=count)),
        float(trustworthiness(places, rows, n_neighbors=count)),
    )


def communities(
    rows: NDArray[np.floating], *, neighbours: int = 30, resolutions: Sequence[float] = (0.05,), seed: int = 0
) -> list[NDArray[np.int64]]:
    """Leiden on UMAP's graph of the Euclidean ``neighbours`` of ``rows`` (N, D): at each resolution labels (N,).

    One fixed reading of any space, so that spaces can be compared whatever the clustering under test does. -1 is none.
    """
    from umap.umap_ import fuzzy_simplicial_set

    count = min(neighbours, len(rows))
    distance, index = NearestNeighbors(n_neighbors=count).fit(rows).kneighbors(rows)
    graph, _, _ = fuzzy_simplicial_set(
        np.asarray(rows, dtype=np.float32),
        count,
        np.random.RandomState(0),  # asked for, but not used where the neighbours are known
        "euclidean",
        knn_indices=index.astype(np.int32),
        knn_dists=distance.astype(np.float32),
    )
    edges = triu(graph, 1).tocoo()
    listed = [(str(a), str(b), float(w)) for a, b, w in zip(edges.row, edges.col, edges.data, strict=True)]
    found = [leiden(listed, resolution=one, use_modularity=True, trials=3, seed=seed)[1] for one in resolutions]
    return [np.array([labels.get(str(row), -1) for row in range(len(rows))], dtype=np.int64) for labels in found]


def _told(truth: NDArray[np.str_], labels: NDArray[np.integer]) -> tuple[NDArray[np.str_], NDArray[np.integer]]:
    if truth.shape != labels.shape:
        raise ValueError(f"expected as many labels as truths, got {labels.shape} and {truth.shape}")
    known = truth != ""
    if not known.any():
        raise ValueError("nothing is known of any environment")
    return truth[known], labels[known]
