"""Weights of kept atoms and structures, for trainings that count some more than others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.latent.clustering import Clusters
from meagraph.pruning.plan import PruningPlan

ATOM_WEIGHT = "atom_weight"  # the column that holds them in files


@dataclass(frozen=True, eq=False)
class Weights:
    """How much each environment and structure counts; 0 for what is not kept."""

    scheme: str  # a name of SCHEMES
    atoms: NDArray[np.float64]  # (N,)
    structures: NDArray[np.float64]  # (S,) the mean over the structure's atoms


def weights_of(scheme: str, dataset: AtomicDataset, clusters: Clusters, plan: PruningPlan) -> Weights:
    """Weights by a ``scheme`` of SCHEMES. Raises MEAGraphError for a name that is none."""
    if scheme not in SCHEMES:
        raise MEAGraphError(f"Unknown weights {scheme!r}; choose from {', '.join(SCHEMES)}.")
    kept = plan.structures[dataset.structure_of]
    atoms = np.where(kept, SCHEMES[scheme](dataset, clusters, plan), 0.0)
    return Weights(scheme, atoms, np.add.reduceat(atoms, dataset.offsets[:-1]) / dataset.sizes)


def _chosen(dataset: AtomicDataset, clusters: Clusters, plan: PruningPlan) -> NDArray[np.float64]:
    """1 for environments that the plan chose, 0 for the others in structures that stay with them: a mask."""
    return plan.keep.astype(np.float64)


def _population(dataset: AtomicDataset, clusters: Clusters, plan: PruningPlan) -> NDArray[np.float64]:
    """What stands for many counts for many: new environments of the cluster, over those of it in kept structures.

    Scaled to a mean of 1 over all kept atoms, so that clusters weigh among each other as they did before pruning; what
    is in no cluster counts as one. Clusters of which nothing is left weigh nothing.
    """
    kept = plan.structures[dataset.structure_of]
    new = ~dataset.known_environments
    count = clusters.n_clusters + 1
    before = np.bincount(clusters.bins[new], minlength=count).astype(np.float64)
    after = np.bincount(clusters.bins[kept], minlength=count)
    factor = np.divide(before, after, out=np.zeros(count), where=after > 0)
    atoms: NDArray[np.float64] = factor[clusters.bins]
    mean = atoms[kept].mean() if kept.any() else 1.0
    return atoms / mean


SCHEMES: dict[str, Callable[[AtomicDataset, Clusters, PruningPlan], NDArray[np.float64]]] = {
    "chosen": _chosen,
    "population": _population,
}
"""By name: a mask of what was chosen, or weights that restore the populations of the clusters."""
