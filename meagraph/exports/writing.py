"""Write a plan's structures, index and manifest, all together or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.exports.formats import check_formats, written_formats
from meagraph.exports.formats.kept import Kept
from meagraph.exports.frames import write_structures, written_anew
from meagraph.exports.manifest import MANIFEST_KIND, describe_export
from meagraph.exports.target import ExportedFiles, ExportError, StandsAlreadyError, check_same, check_target, standing
from meagraph.exports.weights import Weights
from meagraph.files import atomic_path, sha256_file, write_text
from meagraph.outliers.families import Family
from meagraph.progress import Progress, part, silent
from meagraph.workers import HERE, Workers

if TYPE_CHECKING:
    import pandas as pd

    from meagraph.pruning.plan import PruningPlan

INDEX_COLUMNS = ("source", "frame", "structure", "group", "kept", "n_atoms", "n_kept", "kept_atoms")


def export_plan(
    dataset: AtomicDataset,
    plan: PruningPlan,
    directory: str | Path,
    *,
    settings: Mapping[str, Any],
    report: str | None = None,
    families: Sequence[Family] = (),
    formats: Sequence[str] = (),
    weights: Weights | None = None,
    table: Callable[[], pd.DataFrame] | None = None,
    recipe: str | None = None,
    overwrite: bool = False,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> ExportedFiles:
    """Write the structures that a plan keeps, in their original order, with an index and a manifest.

    Frames from extended XYZ are copied byte for byte from their source, which must not have changed since it
    was read. Structures of other formats, and of a source that is gone while a store (:mod:`meagraph.datasets.store`)
    holds its structures, are written as extended XYZ with all digits. All files appear
    together at the end; a failure or a cancellation leaves none behind. Other ``formats``
    (:data:`meagraph.exports.formats.FORMATS`) lie beside them, each in a folder of its name, and were read back.

    Args:
        dataset: the structures, S of them with N environments.
        plan: ``keep`` (N,) bool, ``structures`` (S,) bool and the pruning ``config``; it alone decides.
        directory: where the files go; made where it is missing.
        settings: everything else that led to the plan, JSON-like (dataclasses and arrays are converted).
        report: a page about the plan, to be written beside it (see :func:`meagraph.exports.report.report_html`).
        families: structures that are off together, for the manifest.
        formats: names of further formats.
        weights: of atoms and structures, for the formats that hold some.
        table: makes the table of all environments, for the formats that are one.
        recipe: how all of it was done, to be written beside it (see :class:`meagraph.recipe.Recipe`).
        overwrite: replace files of an earlier export, see :func:`meagraph.exports.target.check_target`.
        workers: copy the frames, see :func:`meagraph.exports.frames.write_structures`.
        progress: called with the number of structures done.

    Raises:
        ExportError: the plan does not fit the dataset or keeps nothing, a file exists, a source changed; a format
            holds nothing of it, or was read back as something else.
        DatasetError: a source cannot be read any more.
        Cancelled: ``progress`` raised it.
    """
    _check_plan(dataset, plan)
    folder = Path(directory)
    files = check_target(dataset, folder, overwrite=overwrite, report=report is not None, recipe=recipe is not None)
    others = check_formats(dataset, folder, formats, overwrite=overwrite)
    kept = Kept(dataset, np.asarray(plan.structures, dtype=bool), weights, table, part(progress, 0.5, 1.0))
    own = part(progress, 0.0, 0.5) if others else progress
    earlier = standing(dataset, files.paths, files.manifest, MANIFEST_KIND)
    try:
        with ExitStack() as stack:
            # The last one entered is put in place first: the manifest appears after all that it names.
            manifest = stack.enter_context(atomic_path(files.manifest))
            entries = stack.enter_context(written_formats(kept, folder, others))
            index = stack.enter_context(atomic_path(files.index))
            structures = stack.enter_context(atomic_path(files.structures))
            written = [(files.structures, structures), (files.index, index)]
            for target, text in ((files.report, report), (files.recipe, recipe)):
                if target is not None and text is not None:
                    page = stack.enter_context(atomic_path(target))
                    write_text(page, text)
                    written.append((target, page))
            with open(structures, "wb") as stream:
                lost = write_structures(stream, dataset, plan.structures, workers=workers, progress=own)
            _write_index(index, dataset, plan)
            outputs = [
                {"file": target.name, "sha256": sha256_file(path), "bytes": path.stat().st_size}
                for target, path in written
            ]
            content = describe_export(
                dataset,
                plan,
                folder=folder,
                settings=settings,
                outputs=outputs,
                not_written=lost,
                families=families,
                anew=written_anew(dataset),
                formats=entries,
            )
            check_same(earlier, content, files.paths, overwrite=overwrite)
            write_text(manifest, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    except StandsAlreadyError:
        return files
    except OSError as error:
        raise ExportError(
            f"{folder}: expected a folder that can be written to, but that failed "
            f"({error.strerror or error}). Choose another folder, or free some space."
        ) from error
    notes: dict[str, list[str]] = {}
    for entry in entries:
        for note in entry["not_held"]:
            notes.setdefault(note, []).append(entry["format"])
    return replace(files, formats={name: folder / name for name in others}, notes=_said(notes))


def _said(notes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Sentences, each after the formats that it is said of."""
    return tuple(f"{', '.join(names)}: {note}" for note, names in notes.items())


def _check_plan(dataset: AtomicDataset, plan: PruningPlan) -> None:
    expected = ((dataset.n_environments,), (dataset.n_structures,))
    came = (np.shape(plan.keep), np.shape(plan.structures))
    if came != expected:
        raise ExportError(
            f"{dataset.name}: expected a plan for {expected[0][0]} environments in {expected[1][0]} "
            f"structures, but it is for {came[0]} and {came[1]}. Prune again: the plan belongs to another "
            "dataset."
        )
    if not np.any(plan.structures):
        raise ExportError(
            f"{dataset.name}: expected a plan that keeps structures, but it drops all. Keep a larger share, "
            "or choose a more lenient rule for structures."
        )


def _write_index(path: Path, dataset: AtomicDataset, plan: PruningPlan) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(INDEX_COLUMNS)
        for row in np.flatnonzero(~dataset.known).tolist():
            keep = plan.keep[dataset.offsets[row] : dataset.offsets[row + 1]]
            atoms = np.flatnonzero(keep)
            writer.writerow(
                [
                    dataset.sources[dataset.source_index[row]].path,
                    dataset.frame_index[row],
                    row,
                    dataset.groups[row],
                    int(plan.structures[row]),
                    len(keep),
                    len(atoms),
                    " ".join(map(str, atoms)),
                ]
            )
