"""A dataset as a folder ``data.meadata`` of plain arrays, opened by memory map in no time.

``header.json`` says what the dataset is and which arrays there are, with their shapes and types; each array is a .npy
file of that name. Nothing is pickled. A folder can be moved; frames of extended XYZ keep their places in the file that
they were read from, so that an export copies them from there as long as the file is there and unchanged.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets.columnar import Structures
from meagraph.datasets.dataset import AtomicDataset, DatasetError, Quarantined, Source
from meagraph.datasets.entries import IN_MEMORY, KINDS, NUMERIC, PLACES, SCALARS, Column, Texts
from meagraph.datasets.names import LabelNames
from meagraph.files import read_array, read_json, stored_in, way_to, write_array, write_text
from meagraph.temporary import temporary_folder, tidy

SUFFIX = ".meadata"
HEADER = "header.json"
KIND, VERSION = "meagraph dataset", 1
WIDEST = 65_536  # bytes of a word
OF_STRUCTURES = {
    "cells": ("<f8", (3, 3)),
    "pbc": ("|b1", (3,)),
    "layout": ("<i4", ()),
    "group": ("<i4", ()),
    "source_index": ("<i4", ()),
    "frame_index": ("<i8", ()),
    "frame_span": ("<i8", (2,)),
    "energy": ("<f8", ()),
    "stress": ("<f8", (3, 3)),
    "key": ("|u1", (16,)),
}
"""Arrays with a row for each structure: type, and shape of a row."""
OF_ATOMS = {"numbers": ("<i8", ()), "positions": ("<f8", (3,)), "forces": ("<f8", (3,))}
"""Arrays with a row for each atom."""


def is_store(path: str | Path) -> bool:
    """Whether a path is, by its name, a folder of arrays."""
    return Path(path).suffix.lower() == SUFFIX


def check_new(path: str | Path, *, overwrite: bool = False) -> Path:
    """The folder to write. Raises :class:`DatasetError` for another name, and for one that may not be replaced."""
    target = Path(path)
    if not is_store(target):
        raise DatasetError(f"{path}: expected a name that ends in {SUFFIX}. Choose another.")
    if target.exists() and not (overwrite and (target / HEADER).is_file()):
        what = "but something else is there" if overwrite else "but it is there already"
        raise DatasetError(
            f"{path}: expected a new folder, {what}. Choose another name{'' if overwrite else ', or --overwrite'}."
        )
    return target


def write_store(dataset: AtomicDataset, path: str | Path, *, overwrite: bool = False) -> tuple[str, ...]:
    """Write ``dataset`` to the folder ``path``, all of it or nothing; the names of entries that no file can hold.

    Raises :class:`DatasetError` as :func:`check_new`, and where it cannot be written.
    """
    before = Path(path).with_name(f".{Path(path).name}.before")  # since a replacement was cut short
    if is_store(path) and before.exists() and not Path(path).exists():
        before.rename(path)
    target = check_new(path, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        tidy(target.parent)
        with temporary_folder(target.parent) as temporary:
            made = temporary / target.name
            made.mkdir()
            lost = _write(dataset, made, target)
            shutil.rmtree(before, ignore_errors=True)
            if target.exists():
                target.rename(before)
            made.rename(target)
            shutil.rmtree(before, ignore_errors=True)
    except OSError as error:
        raise DatasetError(
            f"{path}: expected a folder that can be written, but that failed ({error.strerror or error}). Choose "
            "another place, or free some space."
        ) from error
    return lost


def _write(dataset: AtomicDataset, folder: Path, target: Path) -> tuple[str, ...]:
    structures = dataset.structures
    names, codes = np.unique(dataset.groups, return_inverse=True)
    arrays: dict[str, NDArray[Any]] = {
        "cells": structures.cells,
        "pbc": structures.pbc,
        "layout": structures.layout,
        "group": codes,
        "source_index": dataset.source_index,
        "frame_index": dataset.frame_index,
        "frame_span": dataset.frame_span,
        "energy": dataset.energy,
        "stress": dataset.stress,
        "key": np.frombuffer(bytes.fromhex("".join(dataset.structure_keys)), np.uint8).reshape(-1, 16),
        "numbers": structures.numbers,
        "positions": structures.positions,
        "forces": dataset.forces,
    }
    arrays = {name: array.astype((OF_STRUCTURES | OF_ATOMS)[name][0], copy=False) for name, array in arrays.items()}
    arrays["offsets"] = structures.offsets
    described: list[dict[str, Any]] = []
    left, place = [], []
    for number, column in enumerate(structures.columns):
        place.append(len(described))
        if column.kind == IN_MEMORY or not isinstance(column.name, str):
            left.append(number)
            continue
        parts = {"values": column.values}
        if len(column.rows) < len(structures):
            parts["rows"] = column.rows
        if column.bounds is not None and not np.array_equal(column.bounds, structures.offsets[: len(column.bounds)]):
            parts["bounds"] = column.bounds
        if column.texts is not None:
            parts |= {"letters": column.texts.letters, "ends": column.texts.bounds}
        if column.values.shape == dataset.forces.shape and np.array_equal(column.values, dataset.forces):
            del parts["values"]  # most forces are there already
        named = {name: f"column-{len(described)}-{name}" for name in parts}
        arrays |= {named[name]: part for name, part in parts.items()}
        described.append(
            {
                "place": column.place,
                "name": column.name,
                "kind": column.kind,
                "dtype": column.dtype,
                "runs": column.bounds is not None,
                "arrays": named,
            }
        )
    sources = dataset.sources
    told = [{**asdict(replace(one, stored="")), "path_from_here": way_to(one.path, target.parent)} for one in sources]
    lost = tuple(dict.fromkeys(str(structures.columns[number].name) for number in left))
    header = {
        "kind": KIND,
        "version": VERSION,
        "name": dataset.name,
        "structures": dataset.n_structures,
        "environments": dataset.n_environments,
        "groups": names.tolist(),
        "sources": told,
        "quarantined": [asdict(frame) for frame in dataset.quarantined],
        "layouts": [[place[number] for number in layout if number not in left] for layout in structures.layouts],
        "columns": described,
        "left_out": lost,
        "arrays": {name: {"dtype": array.dtype.str, "shape": array.shape} for name, array in arrays.items()},
    }
    for name, array in arrays.items():
        write_array(folder / f"{name}.npy", array)
    write_text(folder / HEADER, json.dumps(header, ensure_ascii=False, indent=1) + "\n")
    return lost


def open_store(path: str | Path, *, stands_in: bool = True, at: Mapping[str, str] | None = None) -> AtomicDataset:
    """The dataset in the folder ``path``, its arrays memory-mapped.

    ``at`` says where sources lie now, by the paths that they had.

    Unless ``stands_in`` is off it serves for sources that are not there any more: their frames can be written anew.
    Raises :class:`DatasetError` for what is no such folder.
    """
    folder = Path(path)
    if not (folder / HEADER).is_file():
        raise DatasetError(
            f"{path}: expected a folder as 'meagraph convert' writes it, but it has no {HEADER}. Give another one, or "
            "the files that it was made from."
        )
    try:
        header = read_json(folder / HEADER)
        if (header["kind"], header["version"]) != (KIND, VERSION):
            raise ValueError(f"version {VERSION} is known here, it is of {header['version']}")
        return _opened(folder, header, os.fspath(path) if stands_in else "", at or {})
    except (OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"{path}: expected a dataset as 'meagraph convert' writes it, but it cannot be used ({error}). Convert the "
            "original files again."
        ) from error


def _opened(folder: Path, header: Mapping[str, Any], stored: str, at: Mapping[str, str]) -> AtomicDataset:
    count, atoms = int(header["structures"]), int(header["environments"])
    offsets = _array(folder, header, "offsets", "<i8", (count + 1,))
    if offsets[0] != 0 or offsets[-1] != atoms or (np.diff(offsets) < 1).any():
        raise ValueError("its structures do not add up to its atoms")
    by_structure = {
        name: _array(folder, header, name, dtype, (count, *row)) for name, (dtype, row) in OF_STRUCTURES.items()
    }
    by_atom = {name: _array(folder, header, name, dtype, (atoms, *row)) for name, (dtype, row) in OF_ATOMS.items()}
    columns = tuple(_column(folder, header, one, offsets, by_atom["forces"]) for one in header["columns"])
    layouts = tuple(tuple(int(number) for number in layout) for layout in header["layouts"])
    _check_layouts(by_structure["layout"], layouts, columns)
    groups, group = np.array(header["groups"], dtype=np.str_), by_structure["group"]
    if group.min() < 0 or group.max() >= len(groups):
        raise ValueError("its groups have no names")
    structures = Structures(
        offsets,
        by_atom["numbers"],
        by_atom["positions"],
        by_structure["cells"],
        by_structure["pbc"],
        by_structure["layout"],
        layouts,
        columns,
    )
    dataset = AtomicDataset(
        structures=structures,
        groups=groups[group],
        name=str(header["name"]),
        sources=tuple(_source(one, folder, stored, at) for one in header["sources"]),
        source_index=by_structure["source_index"],
        frame_index=by_structure["frame_index"],
        frame_span=by_structure["frame_span"],
        energy=by_structure["energy"],
        forces=by_atom["forces"],
        stress=by_structure["stress"],
        quarantined=tuple(Quarantined(**one) for one in header["quarantined"]),
    )
    known = by_structure["key"].tobytes().hex()
    # what cached_property would find, which reads all positions
    dataset.__dict__["structure_keys"] = tuple(known[at : at + 32] for at in range(0, len(known), 32))
    dataset.__dict__["folder"] = os.fspath(folder)
    return dataset


def _array(
    folder: Path, header: Mapping[str, Any], name: str, dtype: str, shape: tuple[int | None, ...]
) -> NDArray[Any]:
    """An array that must be of this type and shape, in which None is any length; changes to it stay in memory."""
    said = header["arrays"][name]
    if not (name.replace("-", "").replace("_", "").isalnum() and name.isascii()):
        raise ValueError(f"{name!r} is no name of an array")
    array = read_array(folder / f"{name}.npy", "c")
    came = (array.dtype.str, array.shape)
    fits = len(shape) == array.ndim and all(b in (None, a) for a, b in zip(array.shape, shape, strict=False))
    if came != (said["dtype"], tuple(said["shape"])) or came[0] != dtype or not fits:
        wanted = (dtype, tuple("any" if length is None else length for length in shape))
        raise ValueError(f"{name}.npy: expected {wanted}, but came {came}")
    return np.asarray(array)


def _column(
    folder: Path,
    header: Mapping[str, Any],
    said: Mapping[str, Any],
    offsets: NDArray[np.int64],
    forces: NDArray[np.float64],
) -> Column:
    named, kind, count = said["arrays"], said["kind"], len(offsets) - 1
    if kind not in KINDS or kind == IN_MEMORY or said["place"] not in PLACES:
        raise ValueError(f"the column {said['name']!r} is of the kind {kind!r} in {said['place']!r}")

    def part(name: str, dtype: str, *shape: int | None) -> NDArray[Any]:
        return _array(folder, header, named[name], dtype, shape)

    rows = part("rows", "<i8", None) if "rows" in named else np.arange(count)
    if len(rows) and (rows[0] < 0 or rows[-1] >= count or (np.diff(rows) < 1).any()):
        raise ValueError(f"the column {said['name']!r} has rows that are no structures")
    bounds = None
    if said["runs"]:
        bounds = part("bounds", "<i8", len(rows) + 1) if "bounds" in named else offsets[: len(rows) + 1]
    if "values" in named:
        about = header["arrays"][named["values"]]
        if np.dtype(about["dtype"]).kind not in NUMERIC:
            raise ValueError(f"the column {said['name']!r} is of type {about['dtype']!r}")
        length = len(rows) if bounds is None else int(bounds[-1])
        values = part("values", about["dtype"], length, *about["shape"][1:])
    else:
        values = forces
    if bounds is not None and (bounds[0] != 0 or bounds[-1] != len(values) or (np.diff(bounds) < 0).any()):
        raise ValueError(f"the column {said['name']!r} has bounds that do not fit its values")
    if (bounds is not None) != (kind in ("array", "words")) or (bounds is None and values.ndim != 1):
        raise ValueError(f"the column {said['name']!r} is not of the kind {kind!r}")
    if kind in SCALARS and values.dtype != SCALARS[kind][1]:
        raise ValueError(f"the column {said['name']!r} of the kind {kind!r} holds {values.dtype}")
    if kind == "words" and (np.dtype(said["dtype"]).kind not in "UO" or np.dtype(said["dtype"]).itemsize > WIDEST):
        raise ValueError(f"the column {said['name']!r} has words of the type {said['dtype']!r}")
    if ("letters" in named) != (kind in ("text", "json", "words")):
        raise ValueError(f"the column {said['name']!r} of the kind {kind!r} has texts, or none")
    texts = None
    if "letters" in named:
        texts = Texts(part("letters", "|u1", None), part("ends", "<i8", None))
        ends = texts.bounds
        if ends[0] != 0 or ends[-1] != len(texts.letters) or (np.diff(ends) < 0).any():
            raise ValueError(f"the column {said['name']!r} has texts that do not fit")
        if values.dtype != np.int32 or (values.size and (values.min() < 0 or values.max() >= len(texts))):
            raise ValueError(f"the column {said['name']!r} has codes without a text")
    return Column(said["place"], str(said["name"]), kind, rows, values, bounds, texts, str(said["dtype"]))


def _check_layouts(
    layout: NDArray[np.int32], layouts: tuple[tuple[int, ...], ...], columns: tuple[Column, ...]
) -> None:
    """Every structure has exactly the columns whose rows it is among."""
    if layout.min() < 0 or layout.max() >= len(layouts):
        raise ValueError("its structures have layouts that are not there")
    has = np.zeros((len(layouts), len(columns)), dtype=bool)
    for number, one in enumerate(layouts):
        has[number, list(one)] = True
    for number, column in enumerate(columns):
        if not np.array_equal(np.flatnonzero(has[layout, number]), column.rows):
            raise ValueError(f"the column {column.name!r} has rows that its structures know nothing of")


def _source(said: Mapping[str, Any], folder: Path, stored: str, at: Mapping[str, str]) -> Source:
    """A source under the name it had, or where it lies beside the folder now."""
    path, other = str(said["path"]), folder.parent / str(said["path_from_here"])
    if path in at:
        path = at[path]
    elif path and said["path_from_here"] and stored_in(path) is None and stored_in(other) is not None:
        path = os.fspath(other)
    labels = {name: tuple(names) for name, names in said["labels"].items()}
    notes = tuple(said["notes"])
    known = bool(said.get("known", False))
    return Source(path, said["sha256"], said["format"], said["n_frames"], notes, LabelNames(**labels), stored, known)
