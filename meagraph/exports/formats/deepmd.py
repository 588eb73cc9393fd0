"""DeePMD-kit's data: a system a composition, as folders of ``.npy`` files in double precision."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from meagraph.exports.formats import snippets
from meagraph.exports.formats.kept import Kept, Written, entries_left, said, with_periodic_cells, written
from meagraph.exports.target import ExportError
from meagraph.files import write_array, write_text

LONGEST = 150  # letters of a formula
PREFERENCE = "atom_pref"  # DeePMD's name for weights of the atoms' forces


def write_deepmd(kept: Kept, folder: Path) -> Written:
    """Systems by composition, by what repeats, and by which labels there are; within one, atoms lie by their types.

    Energies are totals in eV, ``virial`` is minus the stress times the volume in eV. Structures that repeat nowhere are
    in systems with ``nopbc``. Weights of atoms are written as ``atom_pref.npy``.
    """
    dataset, rows = kept.dataset, kept.rows
    symbols = kept.symbols
    type_of = np.zeros(120, np.int64)
    type_of[[atomic_numbers[symbol] for symbol in symbols]] = np.arange(len(symbols))
    closed = rows[dataset.periodic[rows].any(axis=1)]  # those that repeat nowhere have a system without periodicity
    cells, stays, notes = with_periodic_cells(kept, closed)
    virials = kept.has_stress & dataset.periodic.all(axis=1) & (kept.volumes > 1e-6)
    systems: dict[tuple[str, bool, bool, bool, bool], list[int]] = {}
    for row in rows.tolist():
        counts = np.bincount(type_of[dataset.numbers[dataset.rows_of(row)]], minlength=len(symbols))
        formula = "".join(f"{symbol}{count}" for symbol, count in zip(symbols, counts.tolist(), strict=True) if count)
        open_ = not dataset.periodic[row].any()
        key = (formula, open_, bool(kept.has_energy[row]), bool(kept.has_forces[row]), bool(virials[row]))
        systems.setdefault(key, []).append(row)
    names, order, atoms = [], [], []
    for key, members in systems.items():
        name = _name(key)
        names.append(name)
        inside = np.array(members)
        sorted_ = [_by_type(kept, row, type_of) for row in members]
        order.append(inside)
        atoms.append(np.concatenate(sorted_))
        _write_system(kept, folder / name, inside, np.stack(sorted_), key[1:], symbols, type_of, cells)
    made_rows = np.concatenate(order)
    vectors = np.ones((dataset.n_structures, 3), bool)
    vectors[closed] = stays
    vectors[~dataset.periodic.any(axis=1)] = False  # a cell of what repeats nowhere is not kept
    pbc = np.repeat(dataset.periodic[made_rows].any(axis=1)[:, None], 3, axis=1)
    systems_with = [name for key, name in zip(systems, names, strict=True) if key[2] or key[3]]
    write_text(folder / "input.json", snippets.deepmd(kept, systems_with, stress=bool(virials[rows].any())))
    notes += ["DeePMD's systems hold no groups.", kept.without(rows), entries_left(kept)]
    if (lost := int((kept.has_stress & ~virials)[rows].sum())) > 0:
        notes.append(f"The stress of {lost:,} structures that do not repeat in all directions is not written.")
    if molecules := int((~dataset.periodic[rows].any(axis=1) & dataset.structures.cells[rows].any(axis=(1, 2))).sum()):
        notes.append(f"The cells of {molecules:,} structures that repeat nowhere are not written.")
    if kept.weights is not None:
        notes.append(f"Weights of atoms are {PREFERENCE}.npy, which count for forces; energies and virials have none.")
    return written(
        kept,
        tuple(names),
        made_rows,
        atoms=np.concatenate(atoms),
        vectors=vectors[made_rows],
        stress=virials[made_rows],
        groups=False,
        pbc=pbc,
        notes=said(notes),
    )


def check_preferences(kept: Kept, folder: Path, made: Written) -> None:
    """Raise ExportError where the weights of atoms are not those that were to be written; no reader takes them."""
    if kept.weights is None:
        return
    came = [np.load(folder / name / "set.000" / f"{PREFERENCE}.npy", allow_pickle=False).ravel() for name in made.files]
    if not np.array_equal(np.concatenate(came), kept.weights.atoms[made.atoms]):
        raise ExportError(f"{folder.name}: expected {PREFERENCE}.npy to hold the weights of the atoms, but it differs.")


def _name(key: tuple[str, bool, bool, bool, bool]) -> str:
    """A system's folder: its formula, and what sets it apart from others of that formula."""
    formula, open_, energy, forces, virial = key
    if len(formula) > LONGEST:  # more elements than the name of a folder can hold
        formula = hashlib.sha256(formula.encode()).hexdigest()[:16]
    apart = (("molecule", open_), ("no-energy", not energy), ("no-forces", not forces), ("virial", virial))
    return "-".join([formula, *(word for word, there in apart if there)])


def _by_type(kept: Kept, row: int, type_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """The environments of a structure in the order of their types."""
    inside = kept.dataset.rows_of(row)
    return np.asarray(inside.start + np.argsort(type_of[kept.dataset.numbers[inside]], kind="stable"))


def _write_system(
    kept: Kept,
    folder: Path,
    rows: NDArray[np.int64],
    atoms: NDArray[np.int64],
    has: tuple[bool, ...],
    symbols: list[str],
    type_of: NDArray[np.int64],
    cells: dict[int, NDArray[np.float64]],
) -> None:
    """One system of F structures ``rows``, whose environments ``atoms`` (F, n) lie in one order of types."""
    dataset = kept.dataset
    open_, energy, forces, virial = has
    part = folder / "set.000"
    part.mkdir(parents=True)
    types = type_of[dataset.numbers[atoms[0]]]
    write_text(folder / "type.raw", "".join(f"{kind}\n" for kind in types.tolist()))
    write_text(folder / "type_map.raw", "".join(f"{symbol}\n" for symbol in symbols))
    if open_:
        write_text(folder / "nopbc", "")
    frames = len(rows)
    boxes = np.stack([cells.get(row, dataset.structures.cells[row]) for row in kept.each(rows, "deepmd")])
    arrays = {"coord": dataset.structures.positions[atoms]}
    arrays["box"] = np.broadcast_to(np.eye(3) * 100.0, boxes.shape) if open_ else boxes  # asked for, and not read
    if energy:
        arrays["energy"] = dataset.energy[rows]
    if forces:
        arrays["force"] = dataset.forces[atoms]
    if virial:
        arrays["virial"] = np.stack([kept.virial(row) for row in rows.tolist()])
    if kept.weights is not None:
        arrays[PREFERENCE] = kept.weights.atoms[atoms]
    for name, values in arrays.items():
        shape = (frames,) if name == "energy" else (frames, -1)
        write_array(part / f"{name}.npy", np.ascontiguousarray(values, np.float64).reshape(shape))
