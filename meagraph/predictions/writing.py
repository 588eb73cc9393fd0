"""Predictions as a second family of labels in extended XYZ."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.datasets.names import USUAL, by_family, label_of
from meagraph.datasets.writing import format_frame
from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path, sha256_file, write_json
from meagraph.predictions.predicting import Predictions
from meagraph.progress import Progress, silent

FORMAT = "meagraph-predictions-1"
SUFFIXES = (".extxyz", ".xyz")
REPORT = 200  # structures


def check_prefix(dataset: AtomicDataset, prefix: str) -> None:
    """Raise MEAGraphError where labels of a ``prefix`` would not be read as a family of their own beside the others."""
    label = label_of(f"{prefix}energy")
    if not re.fullmatch(r"[A-Za-z][\w.-]*[_-]", prefix) or label is None or label.kind != "energy":
        raise MEAGraphError(
            f"--prefix: expected letters and figures that end in _, as MACE_ of MACE_energy, got {prefix!r}."
        )
    if label.family in USUAL:
        raise MEAGraphError(
            f"--prefix: {prefix!r} is what reference labels are called, and predictions would be read as such. Choose "
            "another one."
        )
    there = by_family(dataset.structures.names()).get(label.family, {})
    if there:
        names = ", ".join(name for spelled in there.values() for name in spelled)
        raise MEAGraphError(
            f"{dataset.name}: has labels of the family {prefix!r} already ({names}). Choose another --prefix."
        )


def write_predictions(path: str | Path, found: Predictions, *, progress: Progress = silent) -> list[str]:
    """Write all structures with what they hold and what was predicted to extended XYZ, and details beside it as .json.

    Beside each frame's own entries stand ``<prefix>energy`` (eV), ``<prefix>stress`` (nine numbers, eV/Å³, positive in
    tension) and the column ``<prefix>forces`` (eV/Å); where nothing was predicted they are missing.
    Returns the names of entries that extended XYZ cannot hold. Both files appear at the end, atomically.
    """
    target = Path(path)
    data, predicted, prefix = found.dataset, found.predicted, found.model.prefix
    lost: set[str] = set()
    with atomic_path(target) as temporary:
        with open(temporary, "wb") as stream:
            for row, atoms in enumerate(data.structures):
                if row % REPORT == 0:
                    progress(row, data.n_structures, f"{row:,} of {data.n_structures:,} structures written")
                if np.isfinite(predicted.energy[row]):
                    atoms.info[f"{prefix}energy"] = float(predicted.energy[row])
                    if np.isfinite(predicted.stress[row]).all():
                        atoms.info[f"{prefix}stress"] = predicted.stress[row].ravel()
                    atoms.arrays[f"{prefix}forces"] = predicted.forces[data.rows_of(row)]
                frame = format_frame(atoms)
                lost.update(frame.lost)
                stream.write(frame.text)
        details = {
            "format": FORMAT,
            "dataset": {"name": data.name, "fingerprint": data.fingerprint},
            "sources": [{"path": source.path, "sha256": source.sha256} for source in data.sources],
            "model": {"name": found.model.name, "prefix": prefix, **(found.model.identity or {})},
            "structures": data.n_structures,
            "failed": [{"structure": row, "where": data.locate(row), "cause": why} for row, why in found.failed],
            "not_written": sorted(lost),
            "sha256": sha256_file(temporary),
        }
        write_json(target.with_suffix(".json"), details)
    progress(1, 1, "predictions written")
    return sorted(lost)
