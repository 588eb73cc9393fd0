"""Write the made sets, whose truth is known atom by atom: a metal, molecules, ionic crystals.

``python benchmarks/made_sets.py FOLDER [--sets metal ions] [--seed 0]``; what they hold stands in
``tests/support/made_sets``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import ase.io

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.support.made_sets import SETS, counts, made_set


def main() -> None:
    """Write them and print how many atoms there are of each kind."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", choices=tuple(SETS), default=list(SETS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.sets:
        started = time.perf_counter()
        path = made_set(name, options.folder, seed=options.seed)
        seconds = time.perf_counter() - started
        structures = ase.io.read(path, ":")
        found = counts(structures)
        print(f"{path}: {sum(found.values()):,} atoms in {len(structures):,} structures, {seconds:.0f} s")
        print("  " + ", ".join(f"{kind} {count:,}" for kind, count in found.items()))


if __name__ == "__main__":
    main()
