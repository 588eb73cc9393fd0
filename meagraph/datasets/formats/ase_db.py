"""ASE's databases with all that their rows hold, and fairchem's ``.aselmdb``."""

from __future__ import annotations

import contextlib
import importlib.util
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import ase.db
import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.db.row import AtomsRow
from ase.io.jsonio import decode

from meagraph.datasets.dataset import DatasetError, describe_frame
from meagraph.datasets.formats.common import Frames
from meagraph.datasets.formats.lmdb_rows import BrokenFileError, rows_of
from meagraph.datasets.options import ReadOptions
from meagraph.limits import FREE, RATIO

SQLITE = b"SQLite format 3\x00"


def is_ase_db(name: Path, head: bytes) -> bool:
    """Whether a file is SQLite under ASE's suffix."""
    return head.startswith(SQLITE) and name.suffix.lower() == ".db"


def is_ase_json(name: Path, head: bytes) -> bool:
    """Whether a file is JSON that begins with a row of a database."""
    return name.suffix.lower() == ".json" and (b'"unique_id"' in head or b'"ctime"' in head)


def is_aselmdb(name: Path, head: bytes) -> bool:
    """Whether a file has the suffix; LMDB has no mark at its beginning."""
    return name.suffix.lower() == ".aselmdb"


def read_ase_db(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read every row in the order of the ids; key-value pairs and ``data`` become entries of ``info``."""
    kind = "json" if plain.suffix.lower() == ".json" else "db"
    if kind == "db":
        _check_tables(plain, name)
    with ase.db.connect(str(plain.absolute()), type=kind, serial=True, use_lock_file=False) as rows:
        for row in rows.select():
            yield _structure(row)


def _check_tables(plain: Path, name: str) -> None:
    """Refuse a database that computes its rows, which may have no end, or that does something when it is opened."""
    try:
        with contextlib.closing(sqlite3.connect(f"{plain.absolute().as_uri()}?mode=ro", uri=True)) as base:
            found = base.execute("SELECT type FROM sqlite_master WHERE type IN ('view', 'trigger')").fetchone()
    except sqlite3.Error as error:
        raise DatasetError(
            f"{name}: expected a database of ASE, but it cannot be read ({error}). Copy the file again."
        ) from error
    if found:
        raise DatasetError(
            f"{name}: expected a database of ASE, which holds tables alone, but it has a {found[0]}. Write its rows to "
            "a new one."
        )


def read_aselmdb(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read every row of an ``.aselmdb``; needs the extra ``aselmdb``. Rows are JSON, compressed; none is unpickled."""
    if importlib.util.find_spec("lmdb") is None:
        raise DatasetError(f"{name}: reading .aselmdb needs lmdb. Install it: pip install 'meaviz[aselmdb]'.")
    try:
        for frame, stored in enumerate(rows_of(plain)):
            yield _of_stored(stored, describe_frame(name, frame), options.max_bytes)
    except BrokenFileError as error:
        raise DatasetError(
            f"{name}: expected an LMDB file, but it cannot be read ({error}). Copy the file again."
        ) from error


def _of_stored(stored: bytes, where: str, most: int) -> Atoms | DatasetError:
    try:
        return _structure(_row(stored, most))
    except (zlib.error, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return DatasetError(
            f"{where}: expected a row as compressed JSON, but it could not be read ({type(error).__name__}: {error}). "
            "Only databases of the kind .aselmdb are read; older ones hold pickled objects."
        )


def _row(stored: bytes, most: int) -> AtomsRow:
    text = zlib.decompressobj()
    most = min(most, max(FREE, RATIO.value * len(stored)))
    content = text.decompress(stored, most)
    if not text.eof:
        raise ValueError(f"it is cut off, or larger than {most:,} bytes")
    row = decode(content.decode("utf-8"))
    for key in all_properties:
        if isinstance(row.get(key), list):
            row[key] = np.array(row[key])
    return AtomsRow(row)


def _structure(row: AtomsRow) -> Atoms:
    atoms: Atoms = row.toatoms()
    data: dict[str, Any] = row.data if isinstance(row.data, dict) else {}
    atoms.info.update(data)
    atoms.info.update(row.key_value_pairs)  # what is named twice is what searches find
    return atoms
