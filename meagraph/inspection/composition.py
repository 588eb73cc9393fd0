"""What clusters are made of: how the environments of each category spread over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.inspection.property import Property
from meagraph.latent.clustering import NOISE, Clusters, contingency


@dataclass(frozen=True, eq=False)
class Composition:
    """R categories against K clusters, the largest of each; none of them is empty."""

    counts: NDArray[np.int64]  # (R, K) environments
    share: NDArray[np.float64]  # (R, K) per cent of the cluster, or of the category
    names: tuple[str, ...]  # (R,) of the categories; "none" for environments without one
    labels: tuple[int, ...]  # (K,) of the clusters, -1 for what is in none
    rows: NDArray[np.int64]  # (N,) row of each environment, -1 where its category is not shown
    columns: NDArray[np.int64]  # (N,) column of each environment, -1 where its cluster is not shown

    def members(self, row: int, column: int) -> NDArray[np.bool_]:
        """The environments (N,) that a cell counts where all are counted."""
        return np.asarray((self.rows == row) & (self.columns == column))


def composition(
    category: Property,
    clusters: Clusters,
    *,
    of: NDArray[np.bool_] | None = None,
    per_category: bool = False,
    most: int = 60,
) -> Composition:
    """How a ``category`` spreads over ``clusters``: ``most`` rows and columns at most.

    ``of`` (N,) counts only these environments, in the rows and columns of all. Shares are those of each cluster, or,
    ``per_category``, of each category.
    """
    unnamed = len(category.names)
    codes = np.where(category.values < 0, unnamed, category.values)
    bins = clusters.bins
    shape = (unnamed + 1, clusters.n_clusters + 1)
    whole = contingency(codes, bins, shape)
    counts = whole if of is None else contingency(codes[of], bins[of], shape)
    total = counts.sum(axis=1, keepdims=True) if per_category else counts.sum(axis=0, keepdims=True)
    share = 100 * counts / np.maximum(total, 1)
    in_rows = whole.sum(axis=1)
    rows = np.argsort(-in_rows, kind="stable")[: min(most, np.count_nonzero(in_rows))]
    columns = np.flatnonzero(whole.sum(axis=0))[:most]
    cells = np.ix_(rows, columns)
    names = (*category.names, "none")
    return Composition(
        counts=counts[cells],
        share=share[cells],
        names=tuple(names[row] for row in rows),
        labels=tuple(NOISE if column == clusters.n_clusters else int(column) for column in columns),
        rows=_places(rows, shape[0])[codes],
        columns=_places(columns, shape[1])[bins],
    )


def _places(shown: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Where each of ``count`` codes stands in ``shown``, -1 for nowhere."""
    places = np.full(count, -1, dtype=np.int64)
    places[shown] = np.arange(len(shown))
    return places
