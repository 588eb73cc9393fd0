"""ASE's database and trajectory, and fairchem's ``.aselmdb``."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import ase.db
import ase.io
from ase import Atoms
from ase.io.jsonio import encode
from ase.stress import full_3x3_to_voigt_6_stress

from meagraph.datasets.results import StoredResults
from meagraph.errors import MEAGraphError
from meagraph.exports.formats.kept import GROUP, Kept, Written, entries_left, said, written

DATABASE, TRAJECTORY, LMDB = "kept.db", "kept.traj", "kept.aselmdb"
PER_ATOM, PER_ROW = 400, 16_384  # bytes of a row at most, before it is compressed


def write_ase_db(kept: Kept, folder: Path) -> Written:
    """SQLite: a row a structure, in their order; the group is a key-value pair that can be searched for."""
    try:
        with ase.db.connect(folder / DATABASE, type="db", use_lock_file=False) as database:
            for row in kept.each(kept.rows, "ase-db"):
                group = str(kept.dataset.groups[row])
                plain = _is_plain(group)
                pairs = {GROUP: group} if plain else {}
                database.write(labelled(kept, row), key_value_pairs=pairs, data={} if plain else {GROUP: group})
        _forget_when_and_who(kept, folder / DATABASE)
    except sqlite3.Error as error:
        raise OSError(f"{DATABASE} could not be written: {error}") from error
    return written(kept, (DATABASE,), kept.rows, notes=_notes(kept))


def _forget_when_and_who(kept: Kept, path: Path) -> None:
    """Write hashes for the rows' random names, and nothing for time and user: equal exports are equal files."""
    names = [(_identity(kept, row), number) for number, row in enumerate(kept.rows.tolist(), 1)]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("UPDATE systems SET unique_id=?, ctime=0.0, mtime=0.0, username='' WHERE id=?", names)


def write_traj(kept: Kept, folder: Path) -> Written:
    """A trajectory, whose groups are in ``atoms.info``."""
    with ase.io.Trajectory(str(folder / TRAJECTORY), "w") as trajectory:
        for row in kept.each(kept.rows, "traj"):
            atoms = labelled(kept, row)
            atoms.info[GROUP] = str(kept.dataset.groups[row])
            trajectory.write(atoms)
    return written(kept, (TRAJECTORY,), kept.rows, notes=_notes(kept))


def need_lmdb() -> Any:
    """The package ``lmdb``. Raises MEAGraphError where it is missing."""
    try:
        import lmdb
    except ImportError as error:
        raise MEAGraphError("Writing .aselmdb needs lmdb. Install it: pip install 'meaviz[aselmdb]'.") from error
    return lmdb


def write_aselmdb(kept: Kept, folder: Path) -> Written:
    """Rows of ASE's databases as compressed JSON under the ids from 1, as ase-db-backends and fairchem read them."""
    lmdb = need_lmdb()
    rows, path = kept.rows, folder / LMDB
    size = 2**26 + PER_ROW * len(rows) + PER_ATOM * int(kept.dataset.sizes[rows].sum())
    try:
        with lmdb.open(str(path), map_size=size, subdir=False, lock=False) as store, store.begin(write=True) as rows_:
            for number, row in enumerate(kept.each(rows, "aselmdb"), 1):
                rows_.put(str(number).encode(), _packed(_row(kept, row)))
            rows_.put(b"nextid", _packed(len(rows) + 1))
    except lmdb.Error as error:
        raise OSError(f"{LMDB} could not be written: {error}") from error
    return written(kept, (LMDB,), rows, notes=_notes(kept))


def labelled(kept: Kept, row: int) -> Atoms:
    """A structure with its labels as results of a calculator."""
    atoms, results = kept.bare(row), _results(kept, row)
    if results:
        atoms.calc = StoredResults(atoms, results)
    return atoms


def _results(kept: Kept, row: int) -> dict[str, Any]:
    dataset = kept.dataset
    found: dict[str, Any] = {}
    if kept.has_energy[row]:
        found["energy"] = float(dataset.energy[row])
    if kept.has_forces[row]:
        found["forces"] = dataset.forces[dataset.rows_of(row)]
    if kept.has_stress[row]:
        found["stress"] = full_3x3_to_voigt_6_stress(dataset.stress[row])
    return found


def _row(kept: Kept, row: int) -> dict[str, Any]:
    """What a row of a database holds, by ASE's names; nothing in it hangs on time, place or person."""
    dataset = kept.dataset
    inside = dataset.rows_of(row)
    results = _results(kept, row)
    calculator = {"calculator": "unknown", "calculator_parameters": {}} if results else {}
    return {
        "numbers": dataset.numbers[inside],
        "positions": dataset.structures.positions[inside],
        "cell": dataset.structures.cells[row],
        "pbc": dataset.structures.pbc[row],
        "unique_id": _identity(kept, row),
        "ctime": 0.0,
        "mtime": 0.0,
        "user": "",
        **calculator,
        **results,
        "key_value_pairs": {GROUP: str(dataset.groups[row])},
        "data": {},
    }


def _identity(kept: Kept, row: int) -> str:
    """A name for a row that is no other's, though two structures may be equal."""
    return hashlib.sha256(f"{kept.dataset.structure_keys[row]} {row}".encode()).hexdigest()[:32]


def _packed(value: Any) -> bytes:
    return zlib.compress(encode(value).encode("utf-8"))


def _is_plain(text: str) -> bool:
    """Whether ASE takes a text for a key-value pair: not one that reads as a number or as a truth value."""
    try:
        float(text)
    except ValueError:
        return text.lower() not in ("true", "false", "t", "f", "none")
    return False


def _notes(kept: Kept) -> tuple[str, ...]:
    weights = "Weights are not written." if kept.weights is not None else ""
    return said([kept.without(kept.rows), entries_left(kept), weights])
