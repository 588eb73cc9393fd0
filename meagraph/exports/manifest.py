"""What an export's manifest says: sources, settings, counts, versions and hashes."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Table
from meagraph.files import way_to
from meagraph.outliers.families import Family
from meagraph.pruning.tally import by_group

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
    families: Sequence[Family] = (),
    anew: Collection[int] = (),
    formats: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the manifest of an export to ``folder``, JSON-able.

    ``outputs`` are the files written (``file``, ``sha256``, ``bytes``), structures first; ``not_written``
    names the entries of structures that extended XYZ could not hold. ``families`` are structures that are off together;
    ``formats`` are further ones, each with its folder and what it does not hold.
    ``anew`` are sources that were gone, so that their frames are no copies and are not to be compared with any.
    """
    return {
        "kind": MANIFEST_KIND,
        "version": MANIFEST_VERSION,
        "dataset": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "sources": [
            {
                "path": source.path,
                "path_from_manifest": _relative(source.path, folder),
                "sha256": source.sha256,
                "format": "meadata" if index in anew else source.format,
                "known": source.known,
                "frames": source.n_frames,
                "frames_kept": int(np.sum(plan.structures[dataset.source_index == index])),
                "labels": dataclasses.asdict(source.labels),
                "notes": list(source.notes),
            }
            for index, source in enumerate(dataset.sources)
        ],
        "pruning": jsonable(plan.config),
        "shares": None if plan.chosen is None else {"why": list(plan.reasons), **jsonable(plan.chosen.figures())},
        "settings": jsonable(settings),
        "counts": _counts(dataset, plan),
        "off_together": [{**one.figures(), "kept": int(plan.structures[one.members].sum())} for one in families],
        "quarantined": [dataclasses.asdict(frame) for frame in dataset.quarantined],
        "not_written": list(not_written),
        "versions": versions_used(),
        "outputs": [dict(output) for output in outputs],
        "formats": [dict(one) for one in formats],
    }


def _counts(dataset: AtomicDataset, plan: PruningPlan) -> dict[str, Any]:
    """New structures and environments before and after, of all and of each group, in the order of the dataset.

    ``environments`` after are all those in the structures written; ``environments_selected`` those that the plan itself
    chose to keep, in whatever structure.
    """
    tally = by_group(plan, dataset)
    counts = np.stack([tally.structures, tally.whole, tally.structures_kept, tally.kept, tally.chosen])

    def entry(numbers: list[int]) -> dict[str, dict[str, int]]:
        structures, environments, structures_kept, kept, chosen = numbers
        return {
            "before": {"structures": structures, "environments": environments},
            "after": {"structures": structures_kept, "environments": kept, "environments_selected": chosen},
        }

    groups = {name: entry(numbers) for name, numbers in zip(tally.names, counts.T.tolist(), strict=True)}
    return {
        "all": entry(counts.sum(axis=1).tolist()),
        "groups": {name: groups[name] for name in dict.fromkeys(dataset.groups[~dataset.known].tolist())},
    }


def versions_used() -> dict[str, str | None]:
    """Of Python and the packages that results depend on, None for those that are not there."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def _relative(path: str, folder: Path) -> str:
    """Return the way from the export to a source, so that both can be moved together."""
    return (way_to(path, folder) or os.path.abspath(path)) if path else ""


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


def settings_table(settings: Mapping[str, Any], *, folders: bool = True) -> Table:
    """Nested settings as rows of name and value; without ``folders`` of absolute paths only the names are told."""
    rows: list[tuple[str, str]] = []

    def walk(name: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, entry in value.items():
                walk(f"{name} · {key}" if name else str(key), entry)
        elif isinstance(value, list) and len(value) > 12:
            rows.append((name, f"{len(value):,} entries, see the manifest"))
        else:
            text = str(value)
            rows.append((name, text if folders or not os.path.isabs(text) else Path(text).name))

    walk("", jsonable(settings))
    return Table(("setting", "value"), tuple(rows))
