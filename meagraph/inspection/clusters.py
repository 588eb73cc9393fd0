"""What is inside each cluster: environments, structures, groups, and what a plan keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Table, counted, percent, printable
from meagraph.latent.clustering import Clusters, contingency
from meagraph.pruning.plan import PruningPlan


@dataclass(frozen=True, eq=False)
class ClusterCounts:
    """Counts of C clusters; what is in none comes last, as C. G groups."""

    environments: NDArray[np.int64]  # (C + 1,)
    structures: NDArray[np.int64]  # (C + 1,) with at least one environment in it
    groups: NDArray[np.int64]  # (C + 1, G) environments of each group
    group_names: tuple[str, ...]  # (G,)
    chosen: NDArray[np.int64] | None  # (C + 1,) environments that a plan chooses; None without one
    kept: NDArray[np.int64] | None  # (C + 1,) environments in the structures that it keeps

    def groups_of(self, label: int) -> dict[str, int]:
        """Environments of each group in a cluster, the most frequent group first."""
        row = self.groups[label]
        return {self.group_names[code]: int(row[code]) for code in np.argsort(-row, kind="stable") if row[code]}

    def table(self, names: Sequence[str] = ()) -> Table:
        """In words: size, share, groups inside, and what the plan keeps; clusters without members are left out.

        ``names`` (C,) are shown where they are given.
        """
        first = ("cluster", "name") if names else ("cluster",)
        heads: tuple[str, ...] = (*first, "environments", "share", "structures", "groups")
        if self.kept is not None:
            heads = (*heads, "chosen", "in kept structures")
        total, none = int(self.environments.sum()), len(self.environments) - 1
        rows = []
        for label in np.flatnonzero(self.environments).tolist():
            size = int(self.environments[label])
            inside = self.groups_of(label)
            name = "none" if label == none else str(label)
            named = ["" if label == none else printable(names[label])] if names else []
            row = [name, *named, f"{size:,}", percent(size, total), f"{self.structures[label]:,}", counted(inside)]
            if self.chosen is not None and self.kept is not None:
                row += [f"{self.chosen[label]:,}", f"{self.kept[label]:,} ({percent(self.kept[label], size)})"]
            rows.append(tuple(row))
        return Table(heads, tuple(rows))


def count_clusters(clusters: Clusters, dataset: AtomicDataset, plan: PruningPlan | None = None) -> ClusterCounts:
    """Count what is in each of ``clusters``, and what ``plan`` of the same dataset keeps of it."""
    bins = clusters.bins
    names, codes = np.unique(dataset.groups, return_inverse=True)
    pairs = np.unique(bins * dataset.n_structures + dataset.structure_of)  # cluster and structure
    chosen = kept = None
    if plan is not None:
        chosen, kept = clusters.count(plan.keep), clusters.count(plan.structures[dataset.structure_of])
    return ClusterCounts(
        environments=clusters.count(),
        structures=np.bincount(pairs // dataset.n_structures, minlength=clusters.n_clusters + 1),
        groups=contingency(bins, codes[dataset.structure_of], (clusters.n_clusters + 1, len(names))),
        group_names=tuple(names.tolist()),
        chosen=chosen,
        kept=kept,
    )
