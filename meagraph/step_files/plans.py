"""Plans in files.

A plan file is a NumPy archive of masks with a .json beside it: settings, seed, measures, and what it was made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.evaluation.comparison import RecordedPlan, plan_counts
from meagraph.evaluation.coverage import Measures
from meagraph.files import atomic_path, read_arrays, sha256_file, write_arrays, write_json
from meagraph.latent.clustering import Clusters
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.settings import PruningConfig
from meagraph.step_files.checks import check_suffix, claim, details_of, unusable
from meagraph.step_files.content import (
    check_arrays,
    check_made_of,
    check_offsets,
    check_sources,
    check_texts,
    text,
    truth,
    whole,
)

PLAN = "meagraph-plan-1"
_MASKS = {
    "keep": truth("N"),
    "structures": truth("S"),
    "protected": truth("S"),
    "per_cluster": whole("C"),
    "groups": text("S"),
    "labels": whole("N", least=-1),
}


def write_plan(
    path: str | Path,
    plan: PruningPlan,
    dataset: AtomicDataset,
    clusters: Clusters,
    *,
    measures: Measures | None = None,
    made_from: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write ``plan`` of ``dataset`` to ``path`` (.npz) and its settings to the .json beside it, which is returned.

    ``made_from`` are SHA-256 by name, ``settings`` (JSON-like) what led to the clusters. Raises MEAGraphError for a
    plan of another size, or a file that is there and may not be replaced, see :func:`claim`.
    """
    check_suffix(path, ".npz")
    if plan.keep.shape != (dataset.n_environments,) or plan.structures.shape != (dataset.n_structures,):
        raise MEAGraphError(
            f"Expected a plan of {dataset.n_environments} environments in {dataset.n_structures} structures, got "
            f"{len(plan.keep)} in {len(plan.structures)}. Give the dataset that the plan was made for."
        )
    beside = claim(path, PLAN, overwrite=overwrite)
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
                "shares": None if plan.chosen is None else {"why": list(plan.reasons), **plan.chosen.figures()},
                "counts": plan_counts(plan, dataset.offsets),
                "measures": None if measures is None else _figures(measures),
                "settings": dict(settings or {}),
                "made_from": dict(made_from or {}),
            },
        )
    return beside


def read_plan(path: str | Path) -> RecordedPlan:
    """Read what :func:`write_plan` wrote; MEAGraphError if it is missing, was changed, or is no such file."""
    what, step = "a plan", "prune"
    check_suffix(path, ".npz")
    about = details_of(Path(path), PLAN, what, step)
    try:
        data = read_arrays(path)
        sizes = check_arrays(data, _MASKS)
        check_offsets("offsets", data["offsets"], sizes["N"])
        check_arrays(data, {"offsets": whole(sizes["S"] + 1)})
        check_texts(about, {"pruning": dict, "dataset": str, "fingerprint": str, "measures": (dict, type(None))})
        check_sources(about.get("sources", []))
        check_made_of(about)
        settings = dict(about["pruning"])
        settings["protected"] = tuple(settings["protected"])
        settings["fractions"] = tuple((label, part) for label, part in settings["fractions"])
        plan = PruningPlan(
            data["keep"],
            data["structures"],
            data["protected"],
            PruningConfig(**settings),
            data["per_cluster"],
            recorded=tuple(str(sentence) for sentence in (about.get("shares") or {}).get("why", ())),
        )
        found = RecordedPlan(plan, data["offsets"], data["groups"], data["labels"], about, about["sha256"])
    except (OSError, EOFError, OverflowError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise unusable(Path(path), what, step, error) from error
    return found


def _figures(measures: Measures) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in asdict(measures).items()
    }
