"""Parts of a dataset as files: the sides of a split, or selections; an index of all structures, and a manifest."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Facts, Shown
from meagraph.exports.frames import write_structures
from meagraph.exports.manifest import jsonable, versions_used
from meagraph.exports.target import ExportError, StandsAlreadyError, check_files, check_same, standing, stem_of
from meagraph.files import atomic_path, sha256_file, writable_text, write_json
from meagraph.progress import Progress, silent

INDEX_COLUMNS = ("source", "frame", "structure", "group", "n_atoms")
VERSION = 1
LONGEST_FILE = 255  # bytes of a file's name, on all systems


@dataclass(frozen=True, eq=False, repr=False)
class PartFiles(Shown):
    """Where the parts lie."""

    parts: dict[str, Path]  # extended XYZ by the name of the part; one file for all where they are entries in it
    index: Path  # CSV, a row for each structure
    manifest: Path  # JSON

    @property
    def paths(self) -> list[Path]:
        """All files that were written, each once."""
        return [*dict.fromkeys(self.parts.values()), self.index, self.manifest]

    def _facts(self) -> Facts:
        named = (*self.parts.items(), ("index", self.index), ("manifest", self.manifest))
        return [(name, str(path)) for name, path in named]

    def _line(self) -> str:
        return f"{len(self.paths)} in {self.manifest.parent}"


def claim_parts(
    dataset: AtomicDataset,
    names: list[str],
    directory: str | Path,
    kind: str,
    *,
    together: bool = False,
    overwrite: bool = False,
) -> PartFiles:
    """Where parts of these ``names`` will lie, ``together`` in one file or each in its own; nothing is written.

    ``kind`` is what they are, such as "split". Raises ExportError as :func:`meagraph.exports.target.check_target`.
    """
    folder, stem = Path(directory), stem_of(dataset)
    whole = folder / f"{stem}-{kind}.extxyz"
    spelled = {name: re.sub(r"[^\w.+-]+", "-", name) for name in names}
    long = [name for name in names if len(f"{stem}-{spelled[name]}.extxyz".encode("utf-8", "replace")) > LONGEST_FILE]
    if long and not together:
        raise ExportError(
            f"Expected names of parts that a file can have, got {long[0][:80]!r}... Choose a shorter one."
        )
    if len({name.lower() for name in spelled.values()}) < len(spelled):  # not every system tells case
        raise ExportError(f"Expected names of parts that differ as names of files, got {', '.join(names)}. Rename one.")
    files = PartFiles(
        {name: whole if together else folder / f"{stem}-{spelled[name]}.extxyz" for name in names},
        folder / f"{stem}-{kind}.csv",
        folder / f"{stem}-{kind}.json",
    )
    check_files(dataset, files.paths, files.manifest, f"meagraph {kind}", overwrite=overwrite)
    return files


def export_parts(
    dataset: AtomicDataset,
    parts: Mapping[str, NDArray[np.bool_]],
    directory: str | Path,
    kind: str,
    *,
    entry: str | None = None,
    columns: Mapping[str, NDArray[Any]] | None = None,
    details: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PartFiles:
    """Write each of ``parts``, masks (S,) of structures by name, in the original order; empty parts have no file.

    Frames of extended XYZ are copied byte for byte. With ``entry``, a name, all structures of all parts go into
    one file, where ``entry=part`` stands in each frame's second line. The index has a row a structure with the parts
    it is in and further ``columns`` (S,); the manifest has sources, checksums and ``details``. All files appear
    together at the end. Raises ExportError where there is nothing to write, a file exists, a source changed, or frames
    have an entry of that name already; DatasetError where a source cannot be read any more.
    """
    filled = {name: np.asarray(mask, dtype=bool) for name, mask in parts.items() if np.any(mask)}
    if not filled:
        raise ExportError(f"{dataset.name}: expected structures to write, but all parts are empty. Choose others.")
    files = claim_parts(dataset, list(filled), directory, kind, together=entry is not None, overwrite=overwrite)
    rows = range(dataset.n_structures)
    earlier = standing(dataset, files.paths, files.manifest, f"meagraph {kind}")
    where = np.array([";".join(name for name, mask in filled.items() if mask[row]) for row in rows])
    if entry is not None:
        _check_entry(dataset, entry)
    lost: set[str] = set()
    try:
        with ExitStack() as stack:
            # The last one entered is put in place first: the manifest appears after all that it names.
            manifest = stack.enter_context(atomic_path(files.manifest))
            index = stack.enter_context(atomic_path(files.index))
            places = {path: stack.enter_context(atomic_path(path)) for path in dict.fromkeys(files.parts.values())}
            for name, mask in {"": np.any(list(filled.values()), axis=0)}.items() if entry else filled.items():
                with open(places[files.parts[name or next(iter(filled))]], "wb") as stream:
                    entries = [f"{entry}={text}" for text in where.tolist()] if entry else None
                    lost |= set(write_structures(stream, dataset, mask, entries=entries, progress=progress))
            _write_index(index, dataset, {kind: where, **(columns or {})})
            outputs = [
                {"file": target.name, "sha256": sha256_file(path), "bytes": path.stat().st_size}
                for target, path in [*places.items(), (files.index, index)]
            ]
            content = _manifest(dataset, kind, filled, details or {}, outputs, sorted(lost))
            check_same(earlier, content, files.paths, overwrite=overwrite)
            write_json(manifest, content)
    except StandsAlreadyError:
        return files
    except OSError as error:
        raise ExportError(
            f"{directory}: expected a folder that can be written to, but that failed "
            f"({error.strerror or error}). Choose another folder, or free some space."
        ) from error
    return files


def _check_entry(dataset: AtomicDataset, entry: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][\w.-]*", entry):
        raise ExportError(f"{entry!r} is no name for an entry of extended XYZ: letters, figures and _ only, please.")
    for column in dataset.structures.columns:
        if column.place != "arrays" and str(column.name).lower() == entry.lower():
            raise ExportError(
                f"{dataset.locate(int(column.rows[0]))}: expected no entry {entry!r}, but there is one. Choose another "
                "name."
            )


def _manifest(
    dataset: AtomicDataset,
    kind: str,
    parts: Mapping[str, NDArray[np.bool_]],
    details: Mapping[str, Any],
    outputs: list[dict[str, Any]],
    lost: list[str],
) -> dict[str, Any]:
    return {
        "kind": f"meagraph {kind}",
        "version": VERSION,
        "dataset": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "sources": [
            {"path": source.path, "sha256": source.sha256, "format": source.format} for source in dataset.sources
        ],
        "parts": {
            name: {"structures": int(mask.sum()), "environments": int(dataset.sizes[mask].sum())}
            for name, mask in parts.items()
        },
        **jsonable(details),
        "not_written": lost,
        "versions": versions_used(),
        "outputs": outputs,
    }


def _write_index(path: Path, dataset: AtomicDataset, columns: Mapping[str, NDArray[Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*INDEX_COLUMNS, *columns])
        for row in range(dataset.n_structures):
            source = writable_text(dataset.sources[dataset.source_index[row]].path)
            place = (source, dataset.frame_index[row], row, dataset.groups[row], dataset.sizes[row])
            writer.writerow([*place, *(column[row] for column in columns.values())])
