"""What an export's manifest says: sources, settings, counts, versions and hashes."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from meagraph.datasets import AtomicDataset

if TYPE_CHECKING:
    from meagraph.pruning.plan import PruningPlan

MANIFEST_KIND = "meagraph export"
MANIFEST_VERSION = 1
PACKAGES = ("numpy", "ase", "torch", "dscribe", "umap-learn", "meaviz")


def describe_export(
    dataset: AtomicDataset,
    plan: PruningPlan,
    *,
    folder: Path,
    settings: Mapping[str, Any],
    outputs: Sequence[Mapping[str, Any]],
    not_written: Sequence[str],
) -> dict[str, Any]:
    """Return the manifest of an export to ``folder``, JSON-able.

    ``outputs`` are the files written (``file``, ``sha256``, ``bytes``), structures first; ``not_written``
    names the entries of structures that extended XYZ could not hold.
    """
    groups = dict.fromkeys(dataset.groups.tolist())
    return {
        "kind": MANIFEST_KIND,
        "version": MANIFEST_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "sources": [
            {
                "path": source.path,
                "path_from_manifest": _relative(source.path, folder),
                "sha256": source.sha256,
                "format": source.format,
                "frames": source.n_frames,
                "frames_kept": int(np.sum(plan.structures[dataset.source_index == index])),
            }
            for index, source in enumerate(dataset.sources)
        ],
        "pruning": jsonable(plan.config),
        "settings": jsonable(settings),
        "counts": {
            "all": _counts(dataset, plan, np.ones(dataset.n_structures, dtype=bool)),
            "groups": {group: _counts(dataset, plan, dataset.groups == group) for group in groups},
        },
        "not_written": list(not_written),
        "versions": _versions(),
        "outputs": [dict(output) for output in outputs],
    }


def _counts(dataset: AtomicDataset, plan: PruningPlan, members: np.ndarray) -> dict[str, dict[str, int]]:
    """Count the structures where ``members`` (S,) is true, before and after.

    ``environments`` after are all those in the structures written; ``environments_selected`` those that the
    plan itself chose to keep, in whatever structure.
    """
    sizes = dataset.sizes
    after = members & plan.structures
    return {
        "before": {"structures": int(members.sum()), "environments": int(sizes[members].sum())},
        "after": {
            "structures": int(after.sum()),
            "environments": int(sizes[after].sum()),
            "environments_selected": int(np.sum(plan.keep & members[dataset.structure_of])),
        },
    }


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def _relative(path: str, folder: Path) -> str:
    """Return the way from the export to a source, so that both can be moved together."""
    if not path:
        return ""
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another drive of Windows
        return os.path.abspath(path)


def jsonable(value: Any) -> Any:
    """Return a setting in JSON's terms; what has none is written as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
