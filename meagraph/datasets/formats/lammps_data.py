"""LAMMPS' data files: one structure, without labels; types have elements only where the file names them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from meagraph.datasets.dataset import DatasetError, describe_frame
from meagraph.datasets.formats.common import Frames, lines_of, note
from meagraph.datasets.options import ReadOptions
from meagraph.datasets.units import METAL, UNITS

STYLES = {  # the columns of type and x, and of a charge
    "atomic": (1, 2, None),
    "charge": (1, 3, 2),
    "molecular": (2, 3, None),
    "bond": (2, 3, None),
    "angle": (2, 3, None),
    "full": (2, 4, 3),
}
SECTION = re.compile(r"[A-Z][A-Za-z/_ ]*\Z")


def is_lammps_data(name: Path, head: bytes) -> bool:
    """Whether a file has the header of a data file."""
    return bool(
        re.search(rb"^\s*\d+\s+atoms\s*(#|$)", head, re.M) and re.search(rb"^[^#\n]*(xlo\s+xhi|avec)", head, re.M)
    )


def read_lammps_data(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read the structure of a data file; elements from the options, its type labels, or the remarks at its masses."""
    where = describe_frame(name, 0)
    header, sections = _sections(plain)
    style, rows = _atoms(sections, where)
    kind, first, charge = STYLES[style]
    words = [row.split("#")[0].split() for row in rows]
    order = np.argsort([int(row[0]) for row in words], kind="stable")
    words = [words[row] for row in order]
    system = UNITS[options.units] if options.units else METAL
    note(notes, f"Lengths are taken to be in {system.words.split(' and ')[0]}; a data file does not say (see --units).")
    cell, origin = _cell(header, where)
    atoms = Atoms(
        _elements(sections, [row[kind] for row in words], options, where),
        (np.array([row[first : first + 3] for row in words], dtype=float) - origin) * system.length,
        cell=cell * system.length,
        pbc=True,
    )
    note(notes, "The structure is taken to be periodic; a data file does not say.")
    if charge is not None:
        atoms.set_initial_charges([float(row[charge]) for row in words])
    yield atoms


def _sections(plain: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The header by its keywords, and the lines of each section by its title, remark included."""
    header: dict[str, list[str]] = {}
    sections: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in enumerate(lines_of(plain)):
        text = line.split("#")[0].strip()
        if number == 0 or not text:
            continue
        if SECTION.match(text):
            current = sections.setdefault(line.strip(), [])
        elif current is not None:
            current.append(line)
        else:
            values = re.match(r"[-+\d.eE\s]+", text)
            header[text[values.end() :] if values else text] = values.group().split() if values else []
    return header, sections


def _atoms(sections: dict[str, list[str]], where: str) -> tuple[str, list[str]]:
    for title, rows in sections.items():
        section, _, remark = title.partition("#")
        if section.strip() != "Atoms" or not rows:
            continue
        named = remark.strip()
        if named in STYLES:
            return named, rows
        columns = len(rows[0].split("#")[0].split())
        if not named and columns in (5, 8):
            return "atomic", rows
        if not named and columns in (7, 10):
            return "full", rows
        if not named and columns in (6, 9):
            third = [row.split()[2] for row in rows]
            return ("molecular" if all(word.isdigit() for word in third) else "charge"), rows
        raise DatasetError(
            f"{where}: expected an atom style among {', '.join(STYLES)}, but it is "
            f"{named or f'not named, with {columns} columns'}. Write it behind 'Atoms # '."
        )
    raise DatasetError(f"{where}: expected a section 'Atoms', but there is none. Give a file of write_data.")


def _cell(header: dict[str, list[str]], where: str) -> tuple[np.ndarray, np.ndarray]:
    if "avec" in header:
        cell = np.array([header[key] for key in ("avec", "bvec", "cvec")], dtype=float)
        return cell, np.array(header.get("abc origin", [0, 0, 0]), dtype=float)
    try:
        bounds = np.array([header[f"{axis}lo {axis}hi"] for axis in "xyz"], dtype=float)
    except KeyError as error:
        raise DatasetError(f"{where}: expected box bounds, but {error} is missing. Repair the header.") from error
    cell = np.diag(bounds[:, 1] - bounds[:, 0])
    cell[1, 0], cell[2, 0], cell[2, 1] = (float(tilt) for tilt in header.get("xy xz yz", (0, 0, 0)))
    return cell, bounds[:, 0]


def _elements(sections: dict[str, list[str]], types: list[str], options: ReadOptions, where: str) -> list[str]:
    named: dict[str, str] = {}
    for title, rows in sections.items():
        section = title.split("#")[0].strip()
        if section == "Atom Type Labels":
            named |= {word: row.split()[1] for row in rows for word in row.split()[:2]}
        elif section == "Masses":
            named |= {row.split()[0]: row.split("#")[1].strip() for row in rows if "#" in row} | named
    if not options.elements and all(named.get(kind, "") in atomic_numbers for kind in types):
        return [named[kind] for kind in types]
    if not all(kind.isdigit() for kind in types):
        raise DatasetError(f"{where}: expected elements as type labels, but {sorted(set(types))} are others.")
    return options.symbols([int(kind) for kind in types], first=1, where=where)
