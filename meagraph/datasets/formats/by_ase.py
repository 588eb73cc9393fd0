"""Every other format through ASE, without what its readers make up, and with a word on what they convert."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms
from ase.io.formats import UnknownFileTypeError, filetype, ioformats

from meagraph.datasets.dataset import DatasetError, describe_frame
from meagraph.datasets.formats.common import note
from meagraph.datasets.options import ReadOptions

REFUSED = {
    "py": "it is Python code, which would have to be run",
    "bundletrajectory": "it is a folder that may hold pickled objects",
    "postgresql": "it is a database server, not a file",
    "mysql": "it is a database server, not a file",
}
CONVERTED = {
    "abinit-gsr": "Hartree and Bohr",
    "abinit-out": "Hartree and Bohr",
    "acemolecule-out": "Hartree and Bohr",
    "castep-geom": "Hartree and Bohr",
    "castep-md": "Hartree and Bohr",
    "crystal": "Å, from the columns of fort.34",
    "espresso-out": "Rydberg and Bohr",
    "gamess-us-out": "Hartree and Bohr",
    "gamess-us-punch": "Hartree and Bohr",
    "gaussian-out": "Hartree and Bohr",
    "gpaw-out": "eV and Å",
    "nwchem-out": "Hartree and Bohr",
    "octopus-in": "the units that the input names",
    "onetep-out": "Hartree and Bohr",
    "orca-output": "Hartree and Bohr",
    "qbox": "Hartree and Bohr",
    "siesta-xv": "Bohr",
    "turbomole": "Bohr",
    "turbomole-gradient": "Hartree and Bohr",
    "xsf": "Hartree/Å (forces)",
}
"""What ASE converts from."""
GUESSED = {"dlp4", "dlp-history", "gpumd", "gromacs", "gromos", "proteindatabank"}
"""Formats without elements: ASE guesses them from the names or masses of atoms."""
COUNTED = {"vasp"}
"""Formats whose head says how many atoms of each element follow, in the lines that COUNTED_FROM begin."""
COUNTED_FROM, COUNTED_LINES = 5, 8
NO_ELEMENTS = {"lammps-dump-binary", "netcdftrajectory"}
"""Formats of type numbers, which ASE takes for atomic numbers, or makes hydrogen of."""
LABELLED = {
    "abinit-gsr",
    "abinit-out",
    "acemolecule-out",
    "aims-output",
    "castep-castep",
    "castep-geom",
    "castep-md",
    "espresso-out",
    "gamess-us-out",
    "gaussian-out",
    "gpaw-out",
    "nwchem-out",
    "onetep-out",
    "orca-output",
    "qbox",
    "traj",
    "turbomole-gradient",
    "vasp-out",
    "vasp-xml",
}
"""Formats with energies or forces, which are read where a folder holds them."""


def ase_format(plain: Path) -> str | None:
    """ASE's name of a file's format by name and content; None where it knows none."""
    try:
        found: str = filetype(str(plain))
    except (UnknownFileTypeError, OSError, UnicodeError):
        return None
    return found if found in ioformats else None


def read_by_ase(
    plain: Path, *, format: str, name: str, options: ReadOptions, notes: list[str]
) -> Iterator[Atoms | DatasetError]:
    """Read through ASE; ``format`` is its name of the format.

    Raises :class:`DatasetError` for type numbers without elements, and what ASE raises.
    """
    arguments: dict[str, Any] = {}
    if format in COUNTED:
        _check_counts(plain, name)
    if format in CONVERTED:
        note(notes, f"Converted by ASE to eV and Å from {CONVERTED[format]}.")
    if format in GUESSED:
        note(notes, f"The format {format} has no elements; ASE guesses them from names or masses of atoms. Check them.")
    types = format in NO_ELEMENTS and not (format == "netcdftrajectory" and _has_numbers(plain))
    for frame, atoms in enumerate(
        ase.io.iread(str(plain), ":", format=format, do_not_split_by_at_sign=True, **arguments)
    ):
        if types:
            symbols = options.symbols(atoms.numbers.tolist(), first=1, where=describe_frame(name, frame))
            results = getattr(atoms.calc, "results", {})
            atoms.set_chemical_symbols(symbols)
            if atoms.calc is not None:
                atoms.calc.atoms = atoms.copy()  # or its results count as those of other atoms
                results.pop("energy", None)  # ASE's placeholder, 0.0
            if format.startswith("lammps"):
                note(notes, "Lengths and forces are read in LAMMPS' units 'metal' (Å and eV): a binary dump says none.")
        yield atoms


def _check_counts(plain: Path, name: str) -> None:
    """Refuse a head that announces more atoms than the file can hold: ASE would make room for them first."""
    size = plain.stat().st_size
    with open(plain, "rb") as stream:
        head = [next(stream, b"")[:10_000] for _ in range(COUNTED_LINES)]
    for word in b" ".join(head[COUNTED_FROM:]).split():
        if word.isdigit() and int(word[:20]) > size:
            raise DatasetError(
                f"{name}: expected a whole file, but it announces {word[:20].decode()} atoms in {size:,} bytes: it is "
                "truncated or damaged. Copy it again."
            )


def _has_numbers(plain: Path) -> bool:
    """Whether an AMBER trajectory stores atomic numbers: the names of its variables lie in its header."""
    with open(plain, "rb") as stream:
        return b"atom_types" in stream.read(2**16)
