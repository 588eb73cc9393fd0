"""Which share of ideal lattices is recognised through thermal noise, by our phases and, where installed, by others.

``python benchmarks/phases.py``. Every atom of a lattice is displaced by a normal vector whose root mean square is a
part of the nearest distance; the demo's groups are beside them. pyscal3 and ovito are no extras: install them in an
environment of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from meagraph.datasets import from_atoms, read_dataset
from meagraph.files import write_json
from meagraph.inspection.phases import PHASES, find_phases

RESULTS = Path(__file__).parent / "results"
DEMO = Path(__file__).parents[1] / "assets" / "demo" / "nb.extxyz.gz"
NOISE = (0.0, 0.04, 0.08, 0.10, 0.12, 0.14)
Labels = list[str]


def lattices() -> dict[str, Atoms]:
    """Some 500 atoms of each."""
    right = [90, 90, 90]
    hexagonal = crystal("C", [(1 / 3, 2 / 3, 1 / 16)], spacegroup=194, cellpar=[3.84, 3.84, 6.27, 90, 90, 120])
    a15 = crystal(["Nb", "Nb"], [(0, 0, 0), (0.25, 0, 0.5)], spacegroup=223, cellpar=[5.25] * 3 + right)
    laves = crystal(["Cu", "Mg"], [(0.5,) * 3, (0.125,) * 3], spacegroup=227, setting=2, cellpar=[7.03] * 3 + right)
    return {
        "fcc": bulk("Cu", "fcc", a=3.6, cubic=True).repeat(5),
        "hcp": bulk("Mg", "hcp", a=3.2, c=5.226).repeat((7, 7, 5)),
        "bcc": bulk("Nb", "bcc", a=3.3, cubic=True).repeat(6),
        "sc": bulk("Po", "sc", a=3.3).repeat(8),
        "diamond": bulk("Si", "diamond", a=5.43, cubic=True).repeat(4),
        "hexagonal diamond": hexagonal.repeat((6, 6, 4)),
        "A15": a15.repeat(4),
        "Laves": laves.repeat(3),
    }


def shaken() -> Iterator[tuple[str, float, Atoms]]:
    """Every lattice at every noise."""
    rng = np.random.default_rng(0)
    for name, ideal in lattices().items():
        nearest = ideal.get_distances(0, range(1, len(ideal)), mic=True).min()
        for noise in NOISE:
            atoms = ideal.copy()
            atoms.positions += rng.normal(size=(len(atoms), 3)) * noise * nearest / np.sqrt(3)
            yield name, noise, atoms


def ours(atoms: Atoms) -> Labels:
    """By this library."""
    return [PHASES[code] for code in find_phases(from_atoms([atoms], allow_unlabelled=True)).phase]


def by_pyscal(atoms: Atoms) -> Labels:
    """By adaptive common-neighbour analysis and that of the second shell, of pyscal3 (BSD)."""
    import pyscal3

    copy = atoms.copy()
    pyscal3.diamond_structure(copy)
    found = [{1: "diamond", 4: "hexagonal diamond"}.get(code, "") for code in copy.arrays["pyscal_structure"]]
    pyscal3.common_neighbor_analysis(copy)
    names = ("unresolved", "fcc", "hcp", "bcc", "icosahedral")
    return [name or names[code] for name, code in zip(found, copy.arrays["pyscal_structure"], strict=True)]


def by_templates(atoms: Atoms) -> Labels:
    """By polyhedral template matching of OVITO's Python module (MIT), with the threshold 0.1."""
    from ovito.io.ase import ase_to_ovito
    from ovito.modifiers import PolyhedralTemplateMatchingModifier
    from ovito.pipeline import Pipeline, StaticSource

    modifier = PolyhedralTemplateMatchingModifier(rmsd_cutoff=0.1)
    for structure in modifier.structures:
        structure.enabled = True
    ours_of = {
        "FCC": "fcc",
        "HCP": "hcp",
        "BCC": "bcc",
        "ICO": "icosahedral",
        "Simple cubic": "sc",
        "Cubic diamond": "diamond",
        "Hexagonal diamond": "hexagonal diamond",
    }
    names = {structure.id: ours_of.get(structure.name, "unresolved") for structure in modifier.structures}
    pipeline = Pipeline(source=StaticSource(data=ase_to_ovito(atoms)))
    pipeline.modifiers.append(modifier)
    return [names[code] for code in pipeline.compute().particles["Structure Type"]]


TOOLS: dict[str, tuple[str, Callable[[Atoms], Labels]]] = {
    "ours": ("meagraph", ours),
    "pyscal3": ("pyscal3", by_pyscal),
    "ovito": ("ovito", by_templates),
}


def main() -> None:
    """Measure, print and store."""
    rows = []
    demo = read_dataset(str(DEMO))
    for tool, (module, label) in TOOLS.items():
        if find_spec(module) is None:
            print(f"{tool}: not installed")
            continue
        label(next(shaken())[2])  # compiled, or imported
        atoms_seen, spent = 0, 0.0
        for name, noise, atoms in shaken():
            start = time.perf_counter()
            found = label(atoms)
            spent, atoms_seen = spent + time.perf_counter() - start, atoms_seen + len(atoms)
            right, unresolved = found.count(name) / len(atoms), found.count("unresolved") / len(atoms)
            rows.append({"tool": tool, "of": name, "noise": noise, "right": right, "unresolved": unresolved})
            print(f"{tool:<8} {name:<18} {noise:4.0%}  right {right:6.1%}  unresolved {unresolved:6.1%}")
        print(f"{tool}: {1e5 * spent / atoms_seen:.2f} s for 1e5 atoms")
        rows.append({"tool": tool, "seconds for 1e5": 1e5 * spent / atoms_seen})
    found = np.array(PHASES)[find_phases(demo).phase]
    for group in dict.fromkeys(demo.groups.tolist()):
        names, counts = np.unique(found[demo.groups[demo.structure_of] == group], return_counts=True)
        shares = {str(name): float(count / counts.sum()) for name, count in zip(names, counts, strict=True)}
        rows.append({"tool": "ours", "of": f"demo: {group}", "shares": shares})
        print(group, ", ".join(f"{name} {share:.1%}" for name, share in sorted(shares.items(), key=lambda x: -x[1])))
    write_json(RESULTS / "phases.json", rows)


if __name__ == "__main__":
    main()
