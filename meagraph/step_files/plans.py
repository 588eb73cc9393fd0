"""Plans in files, and plans beside each other.

A plan file is a NumPy archive of masks with a .json beside it: settings, seed, measures, and what it was made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.evaluation.coverage import UNCLUSTERED, Measures
from meagraph.files import atomic_path, read_arrays, sha256_file, write_arrays, write_json
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.pruning.plan import PruningConfig, PruningPlan
from meagraph.step_files.handover import check_suffix, claim_details, details_of, unusable

PLAN = "meagraph-plan-1"


@dataclass(frozen=True, eq=False)
class PlanFile:
    """A plan, and what is needed to compare it without its dataset."""

    plan: PruningPlan
    offsets: NDArray[np.int64]  # (S + 1,)
    groups: NDArray[np.str_]  # (S,)
    labels: NDArray[np.int64]  # (N,) cluster, -1 for none
    about: dict[str, Any]  # JSON-like: dataset, fingerprint, sources, pruning, measures, made_from
    sha256: str

    def check(self, dataset: AtomicDataset, path: str | Path = "The plan") -> None:
        """Raise MEAGraphError unless the plan is one of ``dataset``, structures and labels."""
        if dataset.fingerprint != self.about["fingerprint"]:
            raise MEAGraphError(
                f"{path}: expected a plan of the dataset {dataset.name!r}, but it was made for "
                f"{self.about['dataset']!r}, whose structures or labels differ. Give the files that it was made "
                "from, in the same order, with the same options for reading."
            )


def write_plan(
    path: str | Path,
    plan: PruningPlan,
    dataset: AtomicDataset,
    clusters: Clusters,
    *,
    measures: Measures | None = None,
    made_from: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``plan`` of ``dataset`` to ``path`` (.npz) and its settings to the .json beside it, which is returned.

    ``made_from`` are SHA-256 by name, ``settings`` (JSON-like) what led to the clusters. Raises MEAGraphError for a
    plan of another size, or where a .json of another file is in the way.
    """
    check_suffix(path, ".npz")
    if plan.keep.shape != (dataset.n_environments,) or plan.structures.shape != (dataset.n_structures,):
        raise MEAGraphError(
            f"Expected a plan of {dataset.n_environments} environments in {dataset.n_structures} structures, got "
            f"{len(plan.keep)} in {len(plan.structures)}. Give the dataset that the plan was made for."
        )
    beside = claim_details(path, PLAN)
    config = asdict(plan.config)
    config["fractions"] = [list(pair) for pair in plan.config.by_hand]
    with atomic_path(path) as temporary:
        write_arrays(
            temporary,
            {
                "keep": plan.keep,
                "structures": plan.structures,
                "protected": plan.protected,
                "per_cluster": plan.per_cluster,
                "offsets": dataset.offsets,
                "groups": dataset.groups,
                "labels": clusters.labels,
            },
        )
        write_json(
            beside,
            {
                "format": PLAN,
                "sha256": sha256_file(temporary),
                "dataset": dataset.name,
                "fingerprint": dataset.fingerprint,
                "sources": [{"path": source.path, "sha256": source.sha256} for source in dataset.sources],
                "pruning": config,
                "counts": _counts(plan, dataset.offsets),
                "measures": None if measures is None else _figures(measures),
                "settings": dict(settings or {}),
                "made_from": dict(made_from or {}),
            },
        )
    return beside


def read_plan(path: str | Path) -> PlanFile:
    """Read what :func:`write_plan` wrote; MEAGraphError if it is missing, was changed, or is no such file."""
    what, step = "a plan", "prune"
    check_suffix(path, ".npz")
    about = details_of(Path(path), PLAN, what, step)
    try:
        data = read_arrays(path)
        settings = dict(about["pruning"])
        settings["protected"] = tuple(settings["protected"])
        settings["fractions"] = tuple((label, part) for label, part in settings["fractions"])
        plan = PruningPlan(
            data["keep"], data["structures"], data["protected"], PruningConfig(**settings), data["per_cluster"]
        )
        found = PlanFile(plan, data["offsets"], data["groups"], data["labels"], about, about["sha256"])
        size, count = int(found.offsets[-1]), len(found.offsets) - 1
        shapes = [(plan.keep, size), (found.labels, size), (plan.structures, count), (found.groups, count)]
        if any(array.shape != (length,) for array, length in shapes):
            raise ValueError(f"{size} environments in {count} structures, but masks of other lengths")
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise unusable(Path(path), what, step, error) from error
    return found


def _figures(measures: Measures) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in asdict(measures).items()
    }


def _counts(plan: PruningPlan, offsets: NDArray[np.int64]) -> dict[str, int]:
    return {
        "environments": plan.n_environments,
        "structures": plan.n_structures,
        "atoms": int(np.diff(offsets)[plan.structures].sum()),
    }


def compare_plans(plans: Mapping[str, PlanFile]) -> dict[str, Any]:
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
                **_counts(file.plan, file.offsets),
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


def _by_cluster(files: Sequence[PlanFile], keeps: NDArray[np.bool_]) -> dict[str, list[float]] | None:
    """Share chosen of each cluster by each plan; None where the plans have different clusters."""
    labels = files[0].labels
    if any((file.labels != labels).any() for file in files):
        return None
    order = [*np.unique(labels[labels != NOISE]), *np.unique(labels[labels == NOISE])]
    return {UNCLUSTERED if label == NOISE else str(label): _shares(keeps[:, labels == label]) for label in order}
