"""Duplicates measured: how many made copies are found, how many strangers are taken for one, and how long it takes.

    python benchmarks/duplicates.py recall FILE...    copies turned, moved, renumbered, in other cells; shaken ones
    python benchmarks/duplicates.py scale COUNT...    so many made structures of 16 atoms, every third a turned copy

Of each file SAMPLE structures are drawn. Copies have rotations at random, half of them mirrored, every second a cell of
other vectors twice as large. Shaken ones have each atom moved by the amount named.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from meagraph.datasets import from_atoms, read_dataset
from meagraph.duplicates import KINDS, find_duplicates, look_for_prints
from meagraph.splits import SplitConfig, split_structures

SAMPLE = 30
SHAKEN = (0.0005, 0.002, 0.005, 0.02)  # Å


def copy_of(atoms: Atoms, rng: np.random.Generator, *, double: bool) -> Atoms:
    """Turned, half of the time mirrored, moved, renumbered; ``double``: in a sheared cell of twice the volume."""
    copy = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    if double and copy.pbc.any():
        axis = int(np.flatnonzero(copy.pbc)[0])
        copy *= tuple(2 if one == axis else 1 for one in range(3))
        if copy.pbc.all():
            cell = copy.cell.array.copy()
            cell[(axis + 1) % 3] += cell[axis]
            copy.set_cell(cell)
    copy.positions += rng.uniform(-3, 3, 3)
    if copy.pbc.any():
        copy.wrap()
    turn = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix() * rng.choice([-1.0, 1.0])
    copy.set_cell(copy.cell.array @ turn.T)
    copy.positions = copy.positions @ turn.T
    return copy[rng.permutation(len(copy))]


def recall(path: Path) -> dict[str, Any]:
    """How made copies, and shaken ones, of a sample are told."""
    dataset = read_dataset(path, allow_unlabelled=True)
    rng = np.random.default_rng(0)
    distinct = np.flatnonzero((dataset.first_equal == np.arange(dataset.n_structures)) & ~dataset.isolated)
    rows = np.sort(rng.choice(distinct, min(SAMPLE, len(distinct)), replace=False))
    originals = [dataset.structures[row] for row in rows.tolist()]
    blind = int(look_for_prints(from_atoms(originals, allow_unlabelled=True)).blind.sum())
    found: dict[str, Any] = {"structures": len(rows), "blind": blind}
    made = {"turned": [copy_of(atoms, rng, double=False) for atoms in originals]}
    made["another cell"] = [copy_of(atoms, rng, double=True) for atoms in originals]
    for amount in SHAKEN:
        moves = [rng.normal(size=atoms.positions.shape) for atoms in originals]
        made[f"shaken by {amount:g}"] = [
            Atoms(
                atoms.numbers,
                atoms.positions + amount * move / np.linalg.norm(move, axis=1, keepdims=True),
                cell=atoms.cell,
                pbc=atoms.pbc,
            )
            for atoms, move in zip(originals, moves, strict=True)
        ]
    for name, copies in made.items():
        counts = dict.fromkeys((*KINDS, "none"), 0)
        for one, other in zip(originals, copies, strict=True):
            pair = find_duplicates(from_atoms([one, other], allow_unlabelled=True))
            counts[KINDS[pair.kind[0]] if len(pair.kind) else "none"] += 1
        found[name] = counts
    return found


def scale(count: int) -> dict[str, float]:
    """CPU seconds and memory of the search and of a split of ``count`` made structures."""
    rng = np.random.default_rng(0)
    cell = bulk("Nb", "bcc", a=3.31, cubic=True) * (2, 2, 2)
    structures: list[Atoms] = []
    for number in range(count):
        if number % 3 == 2:
            structures.append(copy_of(structures[int(rng.integers(number))], rng, double=False))
            continue
        atoms = cell.copy()
        atoms.set_cell(atoms.cell * rng.uniform(0.95, 1.05), scale_atoms=True)
        atoms.positions += rng.normal(scale=rng.uniform(0.02, 0.2), size=atoms.positions.shape)
        structures.append(atoms)
    dataset = from_atoms(structures, allow_unlabelled=True)
    del structures
    start = time.process_time()
    prints = look_for_prints(dataset)
    seen = time.process_time()
    found = find_duplicates(dataset, prints=prints)
    told = time.process_time()
    split_structures(dataset, SplitConfig(), prints=prints)
    return {
        "structures": count,
        "environments": dataset.n_environments,
        "prints_s": seen - start,
        "search_s": told - seen,
        "split_s": time.process_time() - told,
        "made_copies": count // 3,
        "symmetric": found.count("symmetric"),
        "near": found.count("near"),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def main() -> None:
    """Measure and print JSON, a line for each file or size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("recall", "scale"))
    parser.add_argument("of", nargs="+")
    options = parser.parse_args()
    for one in options.of:
        figures = scale(int(one)) if options.what == "scale" else {"file": Path(one).name, **recall(Path(one))}
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
