"""Information entropy of weighted points: how much there is to learn from a set of environments.

Source: Schwalbe-Koda, Hamel, Sadigh, Zhou and Lordi, Nat. Commun. 16, 4014 (2025), "Model-free estimation of
completeness, uncertainties, and outliers in atomistic machine learning using information theory" (QUESTS), with the
Gaussian kernel K(x, y) = exp(-|x - y|² / 2h²) on our own descriptors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

NEIGHBOUR = 8  # the bandwidth is the median distance to the neighbour of this number
_SAMPLE = 500  # points whose neighbours are looked at


def bandwidth(points: NDArray[np.float64]) -> float:
    """The bandwidth h for distinct ``points`` (M, D): the median distance to the eighth-nearest other point.

    Of many points every few are asked for their neighbours. 1.0 where all points are one.
    """
    if len(points) < 2:
        return 1.0
    asked = points[:: max(1, len(points) // _SAMPLE)]
    near = min(NEIGHBOUR, len(points) - 1)
    distance = [
        np.partition(cdist(asked[k : k + 256], points), near, axis=1)[:, near] for k in range(0, len(asked), 256)
    ]
    return float(np.median(np.concatenate(distance))) or 1.0


def gaussian_kernel(points: NDArray[np.float64], width: float) -> NDArray[np.float32]:
    """K (M, M) of ``points`` (M, D) with bandwidth ``width``."""
    scaled = points / width
    out = np.empty((len(points), len(points)), dtype=np.float32)
    for start in range(0, len(points), 512):
        out[start : start + 512] = np.exp(-0.5 * cdist(scaled[start : start + 512], scaled, "sqeuclidean"))
    return out


def entropy(kernel: NDArray[np.floating], weights: NDArray[np.integer]) -> float:
    """H in nats of points that count ``weights`` (M,) times each, from their ``kernel`` (M, M).

    H = -1/n Σ_i w_i log(1/n Σ_j w_j K_ij) with n = Σ w: 0 where all are one, log n where all are far apart. NaN
    for no points.
    """
    density = _densities(kernel, weights)
    used = weights > 0
    total = weights.sum()
    return float(-(weights[used] * np.log(density[used] / total)).sum() / total) if total else float("nan")


def diversity(kernel: NDArray[np.floating], weights: NDArray[np.integer]) -> float:
    """D = log Σ_i w_i / (Σ_j w_j K_ij) in nats: about the logarithm of the number of environments that differ.

    Where all that are not equal lie far apart, it is just that. NaN for no points.
    """
    density = _densities(kernel, weights)
    used = weights > 0
    return float(np.log((weights[used] / density[used]).sum())) if used.any() else float("nan")


def overlap(kernel: NDArray[np.floating], weights: NDArray[np.integer], others: NDArray[np.integer]) -> float:
    """The share of points that count ``others`` (M,) which those that count ``weights`` (M,) leave no surprise about.

    The surprise δH_i = -log Σ_j w_j K_ij is at most 0 where the kept points together are as near as one equal to it.
    NaN for no others.
    """
    known = _densities(kernel, weights) >= 1.0 - 1e-6
    total = others.sum()
    return float(others[known].sum() / total) if total else float("nan")


def _densities(kernel: NDArray[np.floating], weights: NDArray[np.integer]) -> NDArray[np.float64]:
    return np.asarray(kernel @ weights.astype(kernel.dtype), dtype=np.float64)
