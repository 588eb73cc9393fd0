"""Plans of one dataset beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Shown
from meagraph.errors import MEAGraphError
from meagraph.evaluation.coverage import UNCLUSTERED
from meagraph.latent.clustering import NOISE
from meagraph.pruning.plan import PruningPlan


@dataclass(frozen=True, eq=False, repr=False)
class RecordedPlan(Shown):
    """A plan, and what is needed to compare it without its dataset."""

    plan: PruningPlan
    offsets: NDArray[np.int64]  # (S + 1,)
    groups: NDArray[np.str_]  # (S,)
    labels: NDArray[np.int64]  # (N,) cluster, -1 for none
    about: dict[str, Any]  # JSON-like: dataset, fingerprint, sources, pruning, measures, made_from
    sha256: str  # of the file

    def of(self, dataset: AtomicDataset, path: str | Path = "The plan") -> PruningPlan:
        """The plan with its ``dataset``; MEAGraphError unless it was made for these structures and labels."""
        if dataset.fingerprint != self.about["fingerprint"]:
            raise MEAGraphError(
                f"{path}: expected a plan of the dataset {dataset.name!r}, but it was made for "
                f"{self.about['dataset']!r}, whose structures or labels differ. Give the files that it was made "
                "from, in the same order, with the same options for reading."
            )
        return replace(self.plan, dataset=dataset)


def plan_counts(plan: PruningPlan, offsets: NDArray[np.int64]) -> dict[str, int]:
    """How many environments a plan chooses, how many structures it keeps, and the atoms in these."""
    return {
        "environments": plan.n_environments,
        "structures": plan.n_structures,
        "atoms": int(np.diff(offsets)[plan.structures].sum()),
    }


def compare_plans(plans: Mapping[str, RecordedPlan]) -> dict[str, Any]:
    """Two or more plans of one dataset side by side, JSON-like.

    For each name: counts, settings, measures, what no other plan keeps (``only``); and for each group and cluster the
    share of its environments chosen, and of its structures kept. ``shared`` is what all keep, ``overlap`` the share
    of the environments kept by any plan that all keep. Raises MEAGraphError for fewer than two, or for plans of
    different datasets.
    """
    if len(plans) < 2:
        raise MEAGraphError(f"Expected at least two plans to compare, got {len(plans)}. Name another.")
    first_name, first = next(iter(plans.items()))
    for name, file in plans.items():
        if file.about["fingerprint"] != first.about["fingerprint"]:
            raise MEAGraphError(
                f"{name}: expected a plan of the dataset {first.about['dataset']!r} as {first_name}, but it is one of "
                f"{file.about['dataset']!r}, whose structures or labels differ. Compare plans of one dataset."
            )
    keeps = np.stack([file.plan.keep for file in plans.values()])  # (P, N)
    stays = np.stack([file.plan.structures for file in plans.values()])  # (P, S)
    structure_of = np.repeat(np.arange(len(first.groups)), np.diff(first.offsets))
    return {
        "dataset": first.about["dataset"],
        "environments": keeps.shape[1],
        "structures": stays.shape[1],
        "plans": {
            name: {
                **plan_counts(file.plan, file.offsets),
                "only": {
                    "environments": int((keeps[row] & (keeps.sum(axis=0) == 1)).sum()),
                    "structures": int((stays[row] & (stays.sum(axis=0) == 1)).sum()),
                },
                "measures": file.about["measures"],
                "pruning": file.about["pruning"],
            }
            for row, (name, file) in enumerate(plans.items())
        },
        "shared": {"environments": int(keeps.all(axis=0).sum()), "structures": int(stays.all(axis=0).sum())},
        "overlap": float(keeps.all(axis=0).sum() / max(1, keeps.any(axis=0).sum())),
        "groups": {
            str(group): {
                "environments": _shares(keeps[:, first.groups[structure_of] == group]),
                "structures": _shares(stays[:, first.groups == group]),
            }
            for group in np.unique(first.groups)
        },
        "clusters": _by_cluster(list(plans.values()), keeps),
    }


def _shares(masks: NDArray[np.bool_]) -> list[float]:
    return [float(share) for share in masks.mean(axis=1)]


def _by_cluster(files: Sequence[RecordedPlan], keeps: NDArray[np.bool_]) -> dict[str, list[float]] | None:
    """Share chosen of each cluster by each plan; None where the plans have different clusters."""
    labels = files[0].labels
    if any((file.labels != labels).any() for file in files):
        return None
    order = [*np.unique(labels[labels != NOISE]), *np.unique(labels[labels == NOISE])]
    return {UNCLUSTERED if label == NOISE else str(label): _shares(keeps[:, labels == label]) for label in order}
