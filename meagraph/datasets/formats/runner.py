"""``input.data`` of n2p2 and RuNNer, which is in whatever units its author used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.geometry import get_distances

from meagraph.datasets.dataset import DatasetError, describe_frame
from meagraph.datasets.formats.common import Frames, labelled, lines_of, note
from meagraph.datasets.options import ReadOptions
from meagraph.datasets.units import UNITS

LOOKED_AT = 20  # frames whose distances are measured
ATOMS_LOOKED_AT = 60  # of each
IN_ANGSTROM, IN_BOHR = (0.5, 1.28), (1.4, 2.5)
"""Shortest distance over the sum of covalent radii: from 0.5 (compressed) to 1.25 (Li, Pb), times 1.89 in Bohr."""


class Block(NamedTuple):
    """One frame as it stands there, in the file's units."""

    symbols: list[str]
    places: np.ndarray  # (n, 3)
    forces: np.ndarray  # (n, 3)
    charges: np.ndarray  # (n,)
    lattice: np.ndarray  # (3, 3) or (0, 3)
    entries: dict[str, str]


def is_runner(name: Path, head: bytes) -> bool:
    """Whether the first line that is no remark says ``begin``."""
    words = [line.split() for line in head.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    return bool(words) and words[0][0] == b"begin"


def read_runner(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read frames between ``begin`` and ``end``; the units are those of the options, or those that distances fit."""
    system = UNITS[options.units or _units(plain, name, notes)]
    if options.units:
        note(notes, f"Lengths and energies are read in {system.words}, as chosen.")
    for frame, block in enumerate(_blocks(plain, name)):
        if isinstance(block, DatasetError):
            yield block
            continue
        atoms = Atoms(
            block.symbols,
            block.places * system.length,
            cell=block.lattice * system.length if len(block.lattice) else None,
            pbc=len(block.lattice) == 3,
        )
        entries = dict(block.entries)
        energy = entries.pop("energy", None)
        info: dict[str, object] = {"comment": entries["comment"]} if entries.get("comment") else {}
        arrays = {}
        if block.charges.any():
            arrays["initial_charges"] = block.charges
            info["charge"] = float(entries.get("charge", "0"))
        results = {
            "energy": None if energy is None else _number(energy, describe_frame(name, frame)) * system.energy,
            "forces": block.forces * system.force,
        }
        yield labelled(atoms, results, info=info, arrays=arrays)


def _number(text: str, where: str) -> float:
    try:
        return float(text.split()[0])
    except (ValueError, IndexError) as error:
        raise DatasetError(f"{where}: expected an energy, but came {text!r}. Repair the frame.") from error


def _blocks(plain: Path, name: str) -> Iterator[Block | DatasetError]:
    inside: list[str] | None = None
    frame = 0
    for line in lines_of(plain):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "begin":
            if inside is not None:
                yield DatasetError(f"{describe_frame(name, frame)}: expected 'end' before the next 'begin'. Repair it.")
                frame += 1
            if len(words) > 1:
                raise DatasetError(
                    f"{describe_frame(name, frame)}: expected 'begin' alone, with the usual columns after it, but came "
                    f"{line.strip()[:60]!r}. Convert the file to extended XYZ, or write the usual columns."
                )
            inside = []
        elif words[0] == "end" and inside is not None:
            yield _block(inside, describe_frame(name, frame))
            frame += 1
            inside = None
        elif inside is not None:
            inside.append(line)
    if inside is not None:
        raise DatasetError(f"{describe_frame(name, frame)}: expected 'end', but the file ends: it is truncated.")


def _block(lines: list[str], where: str) -> Block | DatasetError:
    rows: list[list[str]] = []
    lattice: list[list[str]] = []
    entries: dict[str, str] = {}
    for line in lines:
        key, *words = line.split()
        if key == "atom":
            rows.append(words)
        elif key == "lattice":
            lattice.append(words)
        else:
            entries[key] = " ".join(words)
    if any(len(row) < 9 for row in rows):
        return DatasetError(f"{where}: expected atoms as x y z element charge unused fx fy fz, but some have less.")
    if len(lattice) not in (0, 3):
        return DatasetError(f"{where}: expected three lattice vectors or none, but there are {len(lattice)}.")
    symbols = [row[3] for row in rows]
    strangers = sorted(set(symbols) - atomic_numbers.keys())
    if strangers:
        return DatasetError(f"{where}: expected chemical elements, but {', '.join(strangers)} is none.")
    try:
        return Block(
            symbols,
            np.array([row[:3] for row in rows], dtype=float).reshape(-1, 3),
            np.array([row[6:9] for row in rows], dtype=float).reshape(-1, 3),
            np.array([row[4] for row in rows], dtype=float),
            np.array([row[:3] for row in lattice], dtype=float).reshape(-1, 3),
            entries,
        )
    except ValueError as error:
        return DatasetError(f"{where}: expected numbers, but {error}. Repair the frame.")


def _units(plain: Path, name: str, notes: list[str]) -> str:
    """The units in which atoms lie as far apart as atoms do. Raises DatasetError where both fit, or neither."""
    ratios: list[float] = []
    for looked, block in enumerate(_blocks(plain, name)):
        if looked == LOOKED_AT:
            break
        if isinstance(block, Block) and (ratio := _shortest(block)) is not None:
            ratios.append(ratio)
    ratio = float(np.median(ratios)) if ratios else float("nan")
    for units, (low, high) in (("metal", IN_ANGSTROM), ("atomic", IN_BOHR)):
        if low <= ratio <= high:
            system = UNITS[units]
            near = ratio * system.length
            note(
                notes,
                f"The file does not say its units. Lengths are taken to be in {system.words.split(' and ')[0]}, in "
                f"which neighbours are {near:.2f} times the sum of their covalent radii apart, and so energies in "
                f"{system.words.split(' and ')[1]}. Choose others by --units.",
            )
            return units
    found = f"are {ratio:.2f} times the sum of their covalent radii apart" if ratios else "tell nothing"
    raise DatasetError(
        f"{name}: expected units that can be told from the shortest distances, but those {found}, as numbers. Say "
        "which they are: --units metal (Å and eV) or --units atomic (Bohr and Hartree)."
    )


def _shortest(block: Block) -> float | None:
    """The shortest distance of a frame over the sum of the two covalent radii, in the file's own length."""
    numbers = np.array([atomic_numbers[symbol] for symbol in block.symbols])
    radii = covalent_radii[numbers]
    some = slice(0, ATOMS_LOOKED_AT)
    periodic = len(block.lattice) == 3
    box = {"cell": block.lattice, "pbc": True} if periodic else {}
    _, apart = get_distances(block.places[some], block.places, **box)
    own = np.arange(len(apart))
    apart[own, own] = np.min(np.linalg.norm(block.lattice, axis=1)) if periodic else np.inf
    ratios = apart / (radii[some][:, None] + radii[None, :])
    least = float(ratios.min()) if ratios.size else np.inf
    return least if np.isfinite(least) else None
