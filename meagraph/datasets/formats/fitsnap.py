"""FitSNAP's JSON: one file a structure, in a folder for each group; also a single file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.stress import full_3x3_to_voigt_6_stress

from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.formats.common import Frames, labelled, note
from meagraph.datasets.options import ReadOptions
from meagraph.files import from_json

LENGTHS = {"angstrom": 1.0, "angstroms": 1.0, "ang": 1.0, "metal": 1.0, "bohr": units.Bohr, "au": units.Bohr}
ENERGIES = {
    "electronvolt": 1.0,
    "electron_volt": 1.0,
    "ev": 1.0,
    "metal": 1.0,
    "hartree": units.Hartree,
    "ha": units.Hartree,
    "eh": units.Hartree,
    "rydberg": units.Rydberg,
    "ry": units.Rydberg,
}
FORCES = {
    "electronvoltperangstrom": 1.0,
    "ev/angstrom": 1.0,
    "ev/ang": 1.0,
    "ev_per_angstrom": 1.0,
    "ev_per_ang": 1.0,
    "metal": 1.0,
    "hartree/bohr": units.Hartree / units.Bohr,
    "ha/bohr": units.Hartree / units.Bohr,
}
PRESSURES = {
    "bar": units.bar,
    "bars": units.bar,
    "metal": units.bar,
    "kb": 1e3 * units.bar,
    "kbar": 1e3 * units.bar,
    "gpa": units.GPa,
    "pa": units.Pascal,
}
STYLES = {
    "Lattice": (LENGTHS, "angstrom"),
    "Positions": (LENGTHS, "angstrom"),
    "Energy": (ENERGIES, "electronvolt"),
    "Forces": (FORCES, "electronvoltperangstrom"),
    "Stress": (PRESSURES, "bar"),
}
KNOWN = {*STYLES, "NumAtoms", "AtomTypes"}
ALIASES = {"Positions": ("PositionsStyle", "PositionStyle"), "Forces": ("ForcesStyle", "ForceStyle")}


def is_fitsnap(name: Path, head: bytes) -> bool:
    """Whether a file, perhaps after a remark, begins like FitSNAP's JSON, or a folder holds such files."""
    if name.is_dir():
        first = next(iter(_files(name)), None)
        return first is not None and is_fitsnap(first, first.read_bytes()[:4096])
    text = head.lstrip()
    if text.startswith(b"#"):
        text = text.partition(b"\n")[2].lstrip()
    return name.suffix.lower() == ".json" and text.startswith(b"{") and text[1:].lstrip().startswith(b'"Dataset"')


def read_fitsnap(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read a group's folder, its files in the order of their names, or one file.

    The group (``config_type``) is the folder's name, ``info["file"]`` the file's. Stress is a pressure, positive when
    compressed, as LAMMPS has it: ASE's has the other sign.
    """
    files = _files(plain) if plain.is_dir() else [plain]
    group = Path(name).name if plain.is_dir() else Path(name).parent.name
    for file in files:
        where = f"{name}/{file.name}" if plain.is_dir() else name
        try:
            for atoms in _structures(file, options, notes, where):
                atoms.info["file"] = file.name
                if group not in ("", ".."):
                    atoms.info["config_type"] = group
                yield atoms
        except (OSError, KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
            yield DatasetError(
                f"{where}: expected FitSNAP's JSON, but it could not be read ({type(error).__name__}: {error}). Repair "
                "or remove the file."
            )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if path.is_file() and not path.name.startswith("."))


def _structures(file: Path, options: ReadOptions, notes: list[str], where: str) -> list[Atoms]:
    text = file.read_text(encoding="utf-8")
    if text.lstrip().startswith("#"):
        text = text.partition("\n")[2]
    dataset = from_json(text)["Dataset"]
    factors = {key: _factor(dataset, key, notes, where) for key in STYLES}
    return [_structure(entry, factors, options, notes, where) for entry in dataset["Data"]]


def _factor(dataset: Mapping[str, Any], key: str, notes: list[str], where: str) -> float:
    known, usual = STYLES[key]
    said = next((dataset[alias] for alias in ALIASES.get(key, (f"{key}Style",)) if alias in dataset), None)
    factor = known.get(str(said or usual).lower())
    if factor is None:
        raise DatasetError(
            f"{where}: expected {key}Style among {', '.join(known)}, but it is {said!r}. Convert the file's numbers."
        )
    if factor != 1.0 or said is None:
        how = "as the file says" if said is not None else "assumed, since the file does not say"
        note(notes, f"{key} in {said or usual}: {how}.")
    return factor


def _structure(
    entry: Mapping[str, Any], factors: Mapping[str, float], options: ReadOptions, notes: list[str], where: str
) -> Atoms:
    def values(key: str, shape: tuple[int, ...]) -> np.ndarray | None:
        if entry.get(key) is None:
            return None
        return np.asarray(entry[key], dtype=float).reshape(shape) * factors[key]

    types = entry["AtomTypes"]
    if all(isinstance(kind, int) for kind in types):
        types = options.symbols(types, first=1, where=where)
    count = len(types)
    atoms = Atoms(types, values("Positions", (count, 3)), cell=values("Lattice", (3, 3)), pbc=True)
    pressure = values("Stress", (3, 3))
    ignored = sorted(set(entry) - KNOWN)
    if ignored:
        note(notes, f"Not read of FitSNAP's JSON: {', '.join(ignored)}.")
    results = {
        "energy": None if entry.get("Energy") is None else float(entry["Energy"]) * factors["Energy"],
        "forces": values("Forces", (count, 3)),
        "stress": None if pressure is None else -full_3x3_to_voigt_6_stress(0.5 * (pressure + pressure.T)),
    }
    return labelled(atoms, results)
