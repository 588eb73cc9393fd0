"""MTP's ``.cfg``: configurations of the MLIP packages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from meagraph.exports.formats.kept import GROUP, Kept, Written, entries_left, said, written
from meagraph.exports.target import ExportError
from meagraph.files import write_text

FILE = "train.cfg"
COLUMNS = " AtomData:  id type       cartes_x      cartes_y      cartes_z           fx          fy          fz"
PLAIN = " AtomData:  id type       cartes_x      cartes_y      cartes_z"
STRESS = " PlusStress:  xx          yy          zz          yz          xz          xy"
SHAPES = {(True, True, True): 3, (True, True, False): 2, (True, False, False): 1, (False, False, False): 0}


def write_mtp(kept: Kept, folder: Path) -> Written:
    """Types from 0 by rising atomic number, ``PlusStress`` as a virial in eV, the group as a feature.

    As many vectors of the cell are written as there are directions that repeat, the first ones; structures that repeat
    along others only are left out. Raises ExportError where none is left.
    """
    dataset = kept.dataset
    count = np.array([SHAPES.get(tuple(flags), -1) for flags in dataset.periodic[kept.rows].tolist()])
    rows = kept.rows[count >= 0]
    count = count[count >= 0]
    if not len(rows):
        raise ExportError(
            f"{dataset.name}: MTP's format holds none of the structures: none repeats along its first vectors."
        )
    type_of = np.zeros(120, np.int64)
    type_of[[atomic_numbers[symbol] for symbol in kept.symbols]] = np.arange(len(kept.symbols))
    stress = kept.has_stress[rows] & (count == 3) & (kept.volumes[rows] > 1e-6)
    with open(folder / FILE, "w", newline="\n", encoding="utf-8", errors="backslashreplace") as stream:
        for place, row in enumerate(kept.each(rows, "mtp")):
            stream.write(_configuration(kept, row, int(count[place]), bool(stress[place]), type_of))
    write_text(folder / "types.txt", "".join(f"{number} {name}\n" for number, name in enumerate(kept.symbols)))
    lost = int((kept.has_stress[rows] & ~stress).sum())
    cells = int((~dataset.periodic[rows] & dataset.structures.cells[rows].any(axis=2)).any(axis=1).sum())
    gone = len(kept.rows) - len(rows)
    notes = [
        f"{gone:,} structures are left out: they repeat along other than the first vectors of their cells."
        if gone
        else "",
        f"Types are numbers: {', '.join(f'{number} is {name}' for number, name in enumerate(kept.symbols))}.",
        f"The stress of {lost:,} structures that do not repeat in all directions is not written." if lost else "",
        f"Vectors along which nothing repeats, in {cells:,} structures, are not written." if cells else "",
        kept.without(rows),
        entries_left(kept),
        "MTP's format has no weights." if kept.weights is not None else "",
    ]
    return written(
        kept,
        (FILE,),
        rows,
        vectors=dataset.periodic[rows].copy(),
        stress=stress,
        spelled=np.array([" ".join(group.split()) for group in dataset.groups[rows].tolist()]),
        elements=tuple(kept.symbols),
        notes=said(notes),
    )


def _configuration(kept: Kept, row: int, vectors: int, stress: bool, type_of: NDArray[np.int64]) -> str:
    dataset = kept.dataset
    inside = dataset.rows_of(row)
    columns = [dataset.structures.positions[inside]]
    if kept.has_forces[row]:
        columns.append(dataset.forces[inside])
    values = np.hstack(columns).tolist()
    kinds = type_of[dataset.numbers[inside]].tolist()
    lines = ["BEGIN_CFG", " Size", f"    {len(kinds)}"]
    if vectors:
        lines += [" Supercell", *(_numbers(vector) for vector in dataset.structures.cells[row][:vectors].tolist())]
    lines.append(COLUMNS if kept.has_forces[row] else PLAIN)
    lines += [f"    {at + 1} {kind}{_numbers(line)}" for at, (kind, line) in enumerate(zip(kinds, values, strict=True))]
    if kept.has_energy[row]:
        lines += [" Energy", _numbers([float(dataset.energy[row])])]
    if stress:
        xx, xy, xz, _, yy, yz, _, _, zz = kept.virial(row).ravel().tolist()
        lines += [STRESS, _numbers([xx, yy, zz, yz, xz, xy])]
    lines += [f" Feature   {GROUP} {dataset.groups[row]}", "END_CFG", "", ""]
    return "\n".join(lines)


def _numbers(values: list[float]) -> str:
    return "    " + " ".join(map(repr, values))
