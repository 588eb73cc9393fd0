"""What a plan takes of each group and cluster: counted here, shown by the app, the report and the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.latent.clustering import Clusters
from meagraph.pruning.plan import PruningPlan


@dataclass(frozen=True, eq=False)
class Tally:
    """Environments of K categories, the largest first; none of them is empty. What is known already does not count."""

    names: tuple[str, ...]  # (K,)
    whole: NDArray[np.int64]  # (K,) environments
    chosen: NDArray[np.int64]  # (K,) of them that the plan chooses
    kept: NDArray[np.int64]  # (K,) of them in structures that stay, chosen or not


@dataclass(frozen=True, eq=False)
class GroupTally(Tally):
    """The same of groups, of which each structure has one."""

    structures: NDArray[np.int64]  # (K,)
    structures_kept: NDArray[np.int64]  # (K,)


def by_group(plan: PruningPlan, dataset: AtomicDataset) -> GroupTally:
    """What ``plan`` takes of each group of ``dataset``."""
    groups, codes = np.unique(dataset.groups, return_inverse=True)
    names, counts, order = _counts(plan, dataset, codes[dataset.structure_of], groups.tolist())
    new = ~dataset.known
    structures = (np.bincount(codes[of], minlength=len(groups))[order] for of in (new, plan.structures))
    return GroupTally(names, *counts, *structures)


def by_cluster(plan: PruningPlan, dataset: AtomicDataset, clusters: Clusters, names: Sequence[str]) -> Tally:
    """What ``plan`` takes of each cluster; ``names`` (C + 1,) are those of the clusters and of what is in none."""
    shown, counts, _ = _counts(plan, dataset, clusters.bins, names)
    return Tally(shown, *counts)


def _counts(
    plan: PruningPlan, dataset: AtomicDataset, codes: NDArray[np.integer], names: Sequence[str]
) -> tuple[tuple[str, ...], list[NDArray[np.int64]], NDArray[np.int64]]:
    """Names and counts of the categories that are not empty, and their codes in order; ``codes`` (N,) index names."""
    kept = plan.structures[dataset.structure_of]
    new = ~dataset.known_environments
    counts = [np.bincount(codes[of], minlength=len(names)) for of in (new, plan.keep, kept)]
    order = np.argsort(-counts[0], kind="stable")[: np.count_nonzero(counts[0])]
    return tuple(str(names[code]) for code in order), [count[order] for count in counts], order
