"""Make ``nb.extxyz.gz``: a small niobium dataset, biased and flawed on purpose, labelled by CHGNet.

``pip install -e ".[demo]"``, then ``python assets/demo/make_demo.py`` (about 20 minutes on one core);
``--quick --output FILE`` tries every recipe with a few frames. ``README.md`` beside this file says what the
dataset is and what it is not: a training set for research.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import ase.io
import numpy as np
import torch
from ase import Atoms, units
from ase.build import bcc100, bcc110, bcc111, bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixCom
from ase.geometry import find_mic
from ase.lattice.cubic import BodyCenteredCubic
from ase.md.langevin import Langevin
from ase.optimize import FIRE
from chgnet.model.dynamics import CHGNetCalculator
from scipy.optimize import brentq

SEED = 20240601
STRUCTURES = (300, 600)
ENVIRONMENTS = (10_000, 13_000)
BYTES = 2_000_000
CLOSEST = 1.7  # Å; only the planted pair may come nearer
# fractional coordinates of the A15 cell, in quarters
A15_SITES = [(0, 0, 0), (2, 2, 2), (1, 0, 2), (3, 0, 2), (2, 1, 0), (2, 3, 0), (0, 2, 1), (0, 2, 3)]
GAMMA_AXES = {"{112}": [[1, 1, 1], [1, -1, 0], [1, 1, -2]], "{110}": [[1, 1, 1], [1, 1, -2], [-1, 1, 0]]}

Sample = tuple[Atoms, str]  # a geometry still without labels, and how it was made


@dataclass(frozen=True, eq=False)
class Lab:
    """What a recipe needs: the potential, its bcc lattice constant (Å), random numbers, whether to hurry."""

    calculator: CHGNetCalculator
    lattice: float
    rng: np.random.Generator
    quick: bool

    def some(self, n: int) -> int:
        """Return ``n``, or at most two in a quick trial."""
        return min(n, 2) if self.quick else n

    def bcc(self, repeat: int, *, strain: float = 0.0) -> Atoms:
        """``repeat``³ conventional cells at CHGNet's lattice constant, each axis stretched by ``strain``."""
        return bulk("Nb", "bcc", a=self.lattice * (1 + strain), cubic=True) * repeat

    def rattled(self, atoms: Atoms, amplitude: float) -> Atoms:
        """Return a copy with normal displacements of standard deviation ``amplitude`` (Å) per coordinate."""
        moved = atoms.copy()
        moved.positions += self.rng.normal(scale=amplitude, size=moved.positions.shape)
        return moved

    def relaxed(self, atoms: Atoms, steps: int) -> list[Atoms]:
        """Return the geometries of a FIRE relaxation at fixed cell, first to last."""
        moving = atoms.copy()
        moving.calc = self.calculator
        return [moving.copy() for _ in FIRE(moving, logfile=None).irun(fmax=0.02, steps=steps)]

    def dynamics(
        self, atoms: Atoms, kelvin: float, n: int, *, every: int = 12, settle: int = 80, fs: float = 4.0
    ) -> Iterator[Sample]:
        """Yield ``n`` frames of Langevin dynamics, ``every`` steps apart: close enough to be correlated."""
        moving = atoms.copy()
        moving.calc = self.calculator
        width = np.sqrt(units.kB * kelvin * moving.get_masses())[:, None]  # of the Maxwell-Boltzmann momenta
        moving.set_constraint(FixCom())
        moving.set_momenta(self.rng.normal(size=moving.positions.shape) * width)
        options: dict[str, Any] = {"friction": 0.02 / units.fs, "fixcm": False, "rng": self.rng}
        langevin = Langevin(moving, fs * units.fs, temperature_K=kelvin, **options)
        langevin.run(settle // 8 if self.quick else settle)
        for _ in range(self.some(n)):
            langevin.run(every)
            yield geometry(moving), f"MD {kelvin:g} K"


def geometry(atoms: Atoms) -> Atoms:
    """Keep species, positions and cell, periodic and rounded to 1e-6 Å: labels then fit what is written."""
    return Atoms(atoms.numbers, atoms.positions.round(6), cell=atoms.cell.array.round(6), pbc=True)


def deformed(atoms: Atoms, deformation: np.ndarray) -> Atoms:
    """Return a copy whose cell and atoms followed the deformation gradient ``(3, 3)``."""
    copy = atoms.copy()
    copy.set_cell(copy.cell.array @ np.asarray(deformation).T, scale_atoms=True)
    return copy


def spread(before: Atoms, after: Atoms) -> float:
    """Root mean square displacement (Å) between two frames of one run, drift removed."""
    moved = after.positions - before.positions
    return float(np.sqrt(((moved - moved.mean(axis=0)) ** 2).sum(axis=1).mean()))


def closest(atoms: Atoms) -> float:
    """Smallest distance (Å) between two atoms, periodic images included; infinite for a lone atom."""
    i, j = np.triu_indices(len(atoms), k=1)
    between = find_mic(atoms.positions[i] - atoms.positions[j], atoms.cell, atoms.pbc)[1]
    return float(min([*between, np.inf]))


def expect(truth: Any, message: str) -> None:
    """Stop with ``message`` unless ``truth``."""
    if not truth:
        raise SystemExit(f"make_demo: {message}")


def bcc_at(lab: Lab, runs: tuple[tuple[float, int], ...], every: int) -> Iterator[Sample]:
    """Solid bcc in dynamics, for each (kelvin, frames) of ``runs``, in the order of time."""
    for kelvin, n in runs:
        start = lab.bcc(3, strain=7.5e-6 * kelvin)  # thermal expansion
        for atoms, how in lab.dynamics(start, kelvin, n, every=every):
            expect(spread(start, atoms) < 1.0, f"bcc at {kelvin} K left its lattice; shorten the time step")
            yield atoms, how


def bcc_strained(lab: Lab) -> Iterator[Sample]:
    """Equation of state, Bain path, shear, and random strains with displaced atoms."""
    for change in np.linspace(-0.07, 0.07, lab.some(15)):
        yield lab.bcc(1, strain=change), "volume scan"
    for change in np.linspace(-0.1, 0.1, lab.some(10)):
        yield deformed(lab.bcc(2), np.eye(3) + np.diag([-change / 2, -change / 2, change])), "Bain path"
    for change in np.linspace(0.02, 0.16, lab.some(8)):
        yield deformed(lab.bcc(2), np.eye(3) + change * np.eye(3, k=1)), "shear"
    for _ in range(lab.some(30)):
        strain = lab.rng.normal(scale=0.03, size=(3, 3))
        cell = deformed(lab.bcc(2), np.eye(3) + (strain + strain.T) / 2)
        yield lab.rattled(cell, lab.rng.uniform(0.03, 0.12)), "random strain"


def phase(lab: Lab, cell: Atoms, repeat: tuple[int, int, int], n: int) -> Iterator[Sample]:
    """Scan the volume of another phase around that of bcc, then strain and displace ``n`` repeated cells."""
    scale = (lab.lattice**3 / 2 * len(cell) / cell.get_volume()) ** (1 / 3)
    for change in np.linspace(-0.05, 0.07, lab.some(8)):
        yield deformed(cell, np.eye(3) * scale * (1 + change)), "volume scan"
    for _ in range(lab.some(n)):
        strain = np.eye(3) * lab.rng.uniform(0.97, 1.04) + lab.rng.normal(scale=0.01, size=(3, 3))
        yield lab.rattled(deformed(cell, scale * strain) * repeat, lab.rng.uniform(0.04, 0.14)), "displaced"


def surface(lab: Lab, cut: Callable[..., Atoms], size: tuple[int, int, int]) -> Iterator[Sample]:
    """A slab under 12 Å of vacuum: as cut, on its way to the relaxed shape, and warm."""
    slab = cut("Nb", size, a=lab.lattice, vacuum=6.0)
    slab.pbc = True
    path = lab.relaxed(slab, 12)
    yield slab, "as cut"
    for atoms in path[3::3][: lab.some(3)]:
        yield atoms, "relaxation"
    for kelvin in (300, 900):
        for atoms, how in lab.dynamics(path[-1], kelvin, 7, settle=40):
            expect(np.ptp(atoms.positions[:, 2]) < np.ptp(slab.positions[:, 2]) + 2, "an atom left its slab")
            yield atoms, how


def vacancy(lab: Lab) -> Iterator[Sample]:
    """One of 54 atoms missing."""
    start = lab.bcc(3)
    del start[int(lab.rng.integers(len(start)))]
    path = lab.relaxed(start, 12)
    yield start, "unrelaxed"
    for atoms in path[4::4][: lab.some(3)]:
        yield atoms, "relaxation"
    for kelvin in (300, 1000):
        yield from lab.dynamics(path[-1], kelvin, 6, settle=50)


def self_interstitial(lab: Lab) -> Iterator[Sample]:
    """A 55th atom, as <111> crowdion and as <110> dumbbell, relaxing and warm."""
    centre, half = 1.5 * lab.lattice, np.array([0.26, 0.26, 0.0]) * lab.lattice
    crowdion, dumbbell = lab.bcc(3), lab.bcc(3)
    crowdion += Atoms("Nb", [[1.25 * lab.lattice] * 3])  # midway between two neighbours along <111>
    dumbbell.positions[np.linalg.norm(dumbbell.positions - centre, axis=1).argmin()] = centre + half
    dumbbell += Atoms("Nb", [centre - half])
    for start, name in ((crowdion, "<111> crowdion"), (dumbbell, "<110> dumbbell")):
        path = lab.relaxed(start, 32)
        for atoms in path[4::8][: lab.some(3)] + path[-1:]:
            yield atoms, f"{name}, relaxation"
        for atoms, how in lab.dynamics(path[-1], 600, 5, settle=30):
            yield atoms, f"{name}, {how}"


def gamma_surface(lab: Lab) -> Iterator[Sample]:
    """Rigid shifts of one half crystal over the other on {112} and {110}, along <111> and obliquely."""
    for plane, axes in GAMMA_AXES.items():
        perfect = BodyCenteredCubic("Nb", directions=axes, size=(1, 1, 4), latticeconstant=lab.lattice)
        perfect.wrap(eps=1e-4)
        upper = perfect.get_scaled_positions(wrap=False)[:, 2] > 0.499
        for across in (0.0, 0.1, 0.2):
            for along in (0.2, 0.4, 0.6, 0.8)[: lab.some(4)]:
                shift = along * perfect.cell[0] + across * perfect.cell[1] + [0, 0, 0.15]  # and a little room
                atoms = perfect.copy()
                atoms.positions[upper] += shift
                atoms.cell[2] += shift  # the next image moves along: one fault a cell
                yield lab.rattled(atoms, 0.02), f"{plane} shift {along:.1f} {across:.1f}"


def liquid(lab: Lab) -> Iterator[Sample]:
    """Disordered as hard spheres at the density of the liquid (20.4 Å³ an atom), then held above melting."""
    start = lab.bcc(3, strain=3.44 / lab.lattice - 1)
    melt, box = start.copy(), start.cell.lengths()
    for _ in range(400 * len(melt)):
        atom, step = lab.rng.integers(len(melt)), lab.rng.normal(scale=0.3, size=3)
        apart = np.delete(melt.positions, atom, axis=0) - melt.positions[atom] - step
        apart -= box * np.round(apart / box)
        if (apart**2).sum(axis=1).min() > 2.2**2:
            melt.positions[atom] += step
    expect(spread(start, melt) > 3.0, "the start of the liquid remembers its lattice; shuffle longer")
    hot, _ = next(lab.dynamics(melt, 4000, 1, settle=150, fs=2.0))
    for atoms, how in lab.dynamics(hot, 3200, 20, every=16, fs=3.0):
        atoms.wrap()
        yield atoms, how


RECIPES: dict[str, Callable[[Lab], Iterator[Sample]]] = {
    "bcc_thermal": lambda lab: bcc_at(lab, ((300, 34), (600, 26), (900, 18)), every=12),
    "bcc_hot": lambda lab: bcc_at(lab, ((1500, 10), (2200, 10)), every=16),
    "bcc_strained": bcc_strained,
    "fcc": lambda lab: phase(lab, bulk("Nb", "fcc", a=4.2, cubic=True), (2, 2, 2), 12),
    "A15": lambda lab: phase(lab, Atoms("Nb8", np.array(A15_SITES) / 4, cell=np.eye(3)), (2, 2, 1), 10),
    "hcp": lambda lab: phase(lab, bulk("Nb", "hcp", a=2.9, c=4.75), (2, 2, 3), 14),
    "surface_100": lambda lab: surface(lab, bcc100, (2, 2, 7)),
    "surface_110": lambda lab: surface(lab, bcc110, (2, 3, 5)),
    "surface_111": lambda lab: surface(lab, bcc111, (2, 2, 9)),
    "vacancy": vacancy,
    "self_interstitial": self_interstitial,
    "gamma_surface": gamma_surface,
    "liquid": liquid,
    "IsolatedAtom": lambda lab: iter([(Atoms("Nb", cell=[20.0] * 3), "no neighbours")]),
}


def labelled(lab: Lab, atoms: Atoms, group: str, how: str) -> Atoms:
    """Attach group, origin and CHGNet's energy (eV), forces (eV/Å) and stress (eV/Å³, tension positive)."""
    frame = geometry(atoms)
    frame.calc = lab.calculator
    found = labels(frame)
    frame.info |= {"config_type": group, "source": f"CHGNet {lab.calculator.version}, {how}"}
    return with_labels(frame, **found)


def labels(atoms: Atoms) -> dict[str, Any]:
    """Energy, forces ``(n, 3)`` and stress ``(6,)`` of a frame, as :func:`with_labels` takes them."""
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    return {"energy": energy, "forces": forces, "stress": stress}


def with_labels(atoms: Atoms, *, energy: float, forces: np.ndarray, stress: np.ndarray) -> Atoms:
    """Return a copy of ``atoms`` that carries the given labels, rounded as they are written."""
    copy = atoms.copy()
    rounded = {"forces": np.round(forces.astype(float), 6), "stress": np.round(stress.astype(float), 8)}
    copy.calc = SinglePointCalculator(copy, energy=round(float(energy), 6), **rounded)
    return copy


def plant(lab: Lab, frames: list[Atoms]) -> dict[int, tuple[str, str]]:
    """Spoil some ``frames`` in place; return frame -> (fault, what was changed exactly)."""
    kinds = np.array([frame.info["config_type"] for frame in frames])
    true = [labels(frame) for frame in frames]
    faults: dict[int, tuple[str, str]] = {}

    def at(group: str, part: float) -> int:
        """Frame at ``part`` (0 to 1) of a group."""
        rows = np.flatnonzero(kinds == group)
        return int(rows[int(part * (len(rows) - 1))])

    def strongest(group: str) -> int:
        """Frame of a group with the largest forces, where a fault of the forces matters."""
        rows = np.flatnonzero(kinds == group)
        return int(max(rows, key=lambda row: float(np.abs(true[row]["forces"]).mean())))

    def spoil(i: int, fault: str, change: str, *, atoms: Atoms | None = None, **wrong: Any) -> None:
        info = frames[i].info
        frames[i] = with_labels(frames[i] if atoms is None else atoms, **(true[i] | wrong))
        frames[i].info = dict(info)
        faults[i] = (fault, change)

    i = at("bcc_thermal", 0.15)
    shift = round(0.1 * len(frames[i]), 1)
    spoil(i, "shifted energy", f"0.1 eV per atom ({shift} eV) added", energy=true[i]["energy"] + shift)
    i = at("surface_100", 0.6)
    shift = round(0.5 * len(frames[i]), 1)
    spoil(i, "shifted energy", f"0.5 eV per atom ({shift} eV) taken away", energy=true[i]["energy"] - shift)
    twin, origin, other = at("bcc_thermal", 1.0), at("bcc_thermal", 0.2), at("bcc_thermal", 0.98)
    change = f"geometry of frame {origin} with noise of 0.001 Å; energy, forces and stress of frame {other}"
    spoil(twin, "near-duplicate, other labels", change, atoms=frames[twin], **true[other])
    i = at("bcc_hot", 0.4)
    pair = int(frames[i].get_distances(0, range(1, len(frames[i])), mic=True).argmin()) + 1
    crowded = geometry(frames[i])
    crowded.set_distance(0, pair, 1.25, fix=0, mic=True)
    change = f"atom {pair} moved to 1.25 Å from atom 0; the labels are CHGNet's own there, and meaningless"
    crowded = labelled(lab, crowded, "bcc_hot", "")
    spoil(i, "two atoms too close", change, atoms=crowded, **labels(crowded))
    i = strongest("bcc_strained")
    in_atomic_units = true[i]["forces"] * units.Bohr / units.Hartree
    spoil(i, "forces in another unit", "forces in hartree/bohr (true ones / 51.422)", forces=in_atomic_units)
    i = at("fcc", 0.8)
    change = "cell and positions scaled by 1.04 after labelling"
    spoil(i, "geometry not that of the labels", change, atoms=geometry(deformed(frames[i], 1.04 * np.eye(3))))
    i = at("A15", 0.75)
    change = f"energy divided by the number of atoms ({len(frames[i])})"
    spoil(i, "energy per atom, not total", change, energy=true[i]["energy"] / len(frames[i]))
    i = at("hcp", 0.6)
    change = "energy in hartree (true one / 27.2114)"
    spoil(i, "energy in another unit", change, energy=true[i]["energy"] / units.Hartree)
    i = at("surface_110", 0.8)
    change = "forces moved down one row: atom k has the force of atom k-1, atom 0 that of the last"
    spoil(i, "forces in another atom order", change, forces=np.roll(true[i]["forces"], 1, axis=0))
    i = at("vacancy", 0.5)
    kicked = true[i]["forces"] + 6.0 * np.eye(3)[1] * (np.arange(len(frames[i])) == 17)[:, None]
    spoil(i, "one wrong force", "6 eV/Å added to the y force of atom 17", forces=kicked)
    i = strongest("gamma_surface")
    spoil(i, "gradient written as force", "all forces times -1", forces=-true[i]["forces"])
    i, j = at("liquid", 0.25), at("liquid", 0.85)
    spoil(i, "labels swapped", f"energy, forces and stress are those of frame {j}", **true[j])
    spoil(j, "labels swapped", f"energy, forces and stress are those of frame {i}", **true[i])
    return faults


def write(path: Path, frames: list[Atoms]) -> None:
    """Write gzipped extended XYZ: equal frames give equal bytes, and a reader never sees half a file."""
    text = io.StringIO()
    ase.io.write(text, frames, format="extxyz")
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))
    os.replace(temporary, path)


def check(path: Path, faults: dict[int, tuple[str, str]], *, quick: bool) -> None:
    """Read the file back, stop if it is not what it should be, and print groups and faults as tables."""
    frames = cast(list[Atoms], ase.io.read(path, ":"))
    structures, environments = Counter[str](), Counter[str]()
    for index, frame in enumerate(frames):
        structures[frame.info["config_type"]] += 1
        environments[frame.info["config_type"]] += len(frame)
        found = labels(frame)
        complete = found["forces"].shape == (len(frame), 3) and found["stress"].shape == (6,)
        expect(complete, f"frame {index}: forces or stress incomplete")
        expect(all(np.isfinite(value).all() for value in found.values()), f"frame {index}: label not finite")
        if index not in faults:
            near, force = closest(frame), np.abs(found["forces"]).max()
            expect(near > CLOSEST, f"frame {index}: atoms {near:.2f} Å apart")
            expect(force < 15, f"frame {index}: a force of {force:.1f} eV/Å")
    expect(structures.keys() == RECIPES.keys(), f"groups missing: {RECIPES.keys() - structures.keys()}")
    size, total = path.stat().st_size, environments.total()
    expect(size <= BYTES, f"{size} bytes, expected at most {BYTES}")
    for count, (low, high), what in ((len(frames), STRUCTURES, "structures"), (total, ENVIRONMENTS, "atoms")):
        expect(quick or low <= count <= high, f"{count} {what}, expected {low} to {high}")
    print(f"\n{path.name}: {size} bytes\n\n| config_type | structures | environments |")
    print("| --- | ---: | ---: |")
    for group in RECIPES:
        print(f"| `{group}` | {structures[group]} | {environments[group]} |")
    print(f"| all | {len(frames)} | {total} |\n\n| frame | config_type | fault | what was changed |")
    print("| ---: | --- | --- | --- |")
    for index, (fault, change) in sorted(faults.items()):
        print(f"| {index} | `{frames[index].info['config_type']}` | {fault} | {change} |")


def main() -> None:
    """Make, spoil, write and check the dataset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("nb.extxyz.gz"))
    parser.add_argument("--quick", action="store_true", help="a few frames a group, to try the recipes")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # more threads sum in another order: other frames
    begun = time.perf_counter()
    calculator = CHGNetCalculator(use_device="cpu", on_isolated_atoms="ignore")

    def mean_stress(a: float) -> float:
        crystal = bulk("Nb", "bcc", a=a)
        crystal.calc = calculator
        return float(crystal.get_stress()[:3].mean())

    lattice = round(float(brentq(mean_stress, 3.2, 3.45, xtol=1e-4)), 3)
    versions = ", ".join(f"{name} {version(name)}" for name in ("chgnet", "ase", "torch", "numpy"))
    print(f"CHGNet {calculator.version}; {versions}; bcc lattice constant {lattice} Å", flush=True)

    frames: list[Atoms] = []
    for number, (group, recipe) in enumerate(RECIPES.items()):
        rng = np.random.default_rng([SEED, number])  # of its own: a group does not depend on those before it
        lab = Lab(calculator, lattice, rng, chosen.quick)
        fresh = [labelled(lab, atoms, group, how) for atoms, how in recipe(lab)]
        if group == "bcc_thermal":  # the seat of the near-duplicate, whose labels ``plant`` replaces
            origin = fresh[int(0.2 * len(fresh))]
            fresh.append(with_labels(geometry(lab.rattled(origin, 0.001)), **labels(origin)))
            fresh[-1].info = dict(origin.info)
        energies = [frame.get_potential_energy() / len(frame) for frame in fresh]
        force, near = max(np.abs(f.get_forces()).max() for f in fresh), min(map(closest, fresh))
        sizes = f"{len(fresh):3d} structures {sum(map(len, fresh)):5d} atoms"
        heights = f"{min(energies):.3f} to {max(energies):.3f} eV/atom, forces to {force:.2f} eV/Å"
        elapsed = f"{time.perf_counter() - begun:6.0f} s"
        print(f"{elapsed}  {group:18s}{sizes}, {heights}, closest {near:.2f} Å", flush=True)
        frames += fresh
    faults = plant(lab, frames)
    write(chosen.output, frames)
    check(chosen.output, faults, quick=chosen.quick)
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
