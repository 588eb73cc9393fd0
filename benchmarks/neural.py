"""Does a neural force field rank plans as the quick linear one does? A tiny MACE, trained from nothing on what is kept.

``python benchmarks/neural.py [Ta_JCP2014 demo] [--seeds 0 1 2] [--fractions 0.05 0.1] [--steps 600]``, with the extra
``mace``. Splits and plans as in ``benchmarks/pruning.py``, whole structures that hold no more than a fraction of the
atoms. The network has two layers of 16 scalar channels, messages with l up to 2, a cutoff of 4.5 Å; energies per atom
and forces, Adam at 0.01 falling to nothing, as many steps for every plan. Beside the errors stand the mean square of
the forces held out, the error on what was fitted, and a network trained on all data, so that one sees what is learned
at all. Figures go to ``results/neural.json`` after each training; what stands there is not trained again. At the end:
the default beside each selector, paired over sets, fractions and seeds (Wilcoxon's signed-rank test of the logarithms,
two-sided), by the network (all forces, and the median atom, which wrong labels hardly touch) and by the quick linear
field, and Spearman's correlation of the two fields' errors over the
selectors of each case.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
import warnings
from typing import Any

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from protocol import significance
from pruning import OURS, RESULTS, Case, Whole, read
from scipy.stats import spearmanr

from meagraph.files import write_json

warnings.filterwarnings("ignore")
COMPARED = (OURS, "random", "fps", "cur")
EVERYTHING = "all data"
PATH = RESULTS / "neural.json"
CUTOFF = 4.5  # Å
BATCH = 4  # structures
RATE = 0.01
ENERGY_WEIGHT = 1.0  # of (eV an atom)² beside (eV/Å)²


def data_of(structures: list[Atoms], energy: NDArray[np.float64], forces: list[NDArray[np.float64]], table: Any) -> Any:
    """Structures as MACE takes them, with our labels."""
    from mace.data import AtomicData, config_from_atoms
    from mace.data.utils import KeySpecification

    names = KeySpecification(info_keys={"energy": "ours_energy"}, arrays_keys={"forces": "ours_forces"})
    found = []
    for atoms, one, pull in zip(structures, energy, forces, strict=True):
        copy = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        copy.info["ours_energy"], copy.arrays["ours_forces"] = float(one), pull
        found.append(AtomicData.from_config(config_from_atoms(copy, key_specification=names), table, CUTOFF))
    return found


def network(train: Any, table: Any, baseline: NDArray[np.float64], seed: int) -> torch.nn.Module:
    """A small network, its scales those of what it is trained on."""
    from e3nn import o3
    from mace import modules

    torch.manual_seed(seed)
    forces = torch.cat([one.forces for one in train])
    neighbours = float(np.mean([one.edge_index.shape[1] / one.num_nodes for one in train]))
    return modules.ScaleShiftMACE(
        atomic_inter_scale=float(forces.square().mean().sqrt()),
        atomic_inter_shift=0.0,
        r_max=CUTOFF,
        num_bessel=6,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        num_interactions=2,
        num_elements=len(table),
        hidden_irreps=o3.Irreps("16x0e"),
        MLP_irreps=o3.Irreps("8x0e"),
        atomic_energies=baseline,
        avg_num_neighbors=neighbours,
        atomic_numbers=list(table.zs),
        correlation=2,
        gate=torch.nn.functional.silu,
    )


def errors(case: Case, whole: Whole, held: NDArray[np.int64], kept: NDArray[np.int64], steps: int) -> dict[str, float]:
    """RMSE of the forces on the structures ``held`` out, in eV/Å, of a network trained on ``kept`` ones of the part."""
    from mace.tools import AtomicNumberTable
    from mace.tools.torch_geometric.dataloader import DataLoader

    dataset = whole.dataset
    table = AtomicNumberTable([int(number) for number in dataset.species])

    def taken(of: Any, rows: NDArray[np.int64]) -> Any:
        forces = [of.forces[of.offsets[row] : of.offsets[row + 1]] for row in rows]
        return data_of([of.structures[row] for row in rows], of.energy[rows], forces, table)

    sizes = np.array([[(case.part.structures[row].numbers == z).sum() for z in dataset.species] for row in kept])
    baseline = np.linalg.lstsq(sizes.astype(float), case.part.energy[kept], rcond=None)[0]
    train, test = taken(case.part, kept), taken(dataset, held)
    model = network(train, table, baseline, case.seed)
    loader = DataLoader(train, batch_size=BATCH, shuffle=True, generator=torch.Generator().manual_seed(case.seed))
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, amsgrad=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for batch in itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), steps):
        optimiser.zero_grad()
        found = model(batch.to_dict(), training=True)
        atoms = batch.ptr[1:] - batch.ptr[:-1]
        loss = (found["forces"] - batch.forces).square().mean()
        loss = loss + ENERGY_WEIGHT * ((found["energy"] - batch.energy) / atoms).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        schedule.step()

    def square(of: Any) -> NDArray[np.float64]:
        parts = [
            (model(batch.to_dict())["forces"].detach() - batch.forces).square().sum(dim=1)
            for batch in DataLoader(of, batch_size=16, shuffle=False)
        ]
        return np.asarray(torch.cat(parts).numpy() / 3.0)

    error = square(test)
    groups = dataset.groups[held].repeat(dataset.sizes[held])
    return {
        "rmse": float(np.sqrt(error.mean())),
        "median": float(np.sqrt(np.median(error))),
        "worst": max(float(np.sqrt(error[groups == group].mean())) for group in np.unique(groups)),
        "fitted": float(np.sqrt(square(train).mean())),
        "forces": float(torch.cat([one.forces for one in test]).square().mean().sqrt()),
    }


def plans(fractions: list[float], selectors: list[str], seed: int) -> list[tuple[float, str]]:
    """Fraction and selector of what is trained; with all data for the first seed alone."""
    found = list(itertools.product(fractions, [one for one in selectors if one != EVERYTHING]))
    return [*found, (1.0, EVERYTHING)] if seed == 0 and EVERYTHING in selectors else found


def main() -> None:
    """Train, test, write and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="*", default=["Ta_JCP2014", "demo"])
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.05, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=600)
    everyone = [*COMPARED, EVERYTHING]
    parser.add_argument("--selectors", nargs="+", choices=everyone, default=everyone)
    options = parser.parse_args()
    for name in options.data:
        whole = Whole.of(read(name))
        for seed in options.seeds:
            case = Case.of(whole, seed, list(COMPARED))
            held = whole.split(seed)[1]
            for fraction, one in plans(options.fractions, options.selectors, seed):
                mine = {"set": name, "seed": seed, "steps": options.steps, "fraction": fraction, "selector": one}
                if any(mine.items() <= record.items() for record in there()):
                    continue
                started = time.perf_counter()
                everything = np.ones(case.part.n_environments, dtype=bool)
                keep = everything if one == EVERYTHING else case.plan(one, "atoms", fraction)
                kept = np.flatnonzero(np.logical_or.reduceat(keep, case.part.offsets[:-1]))
                linear = case.record(keep)
                found = errors(case, whole, held, kept, options.steps)
                linear = None if linear is None else linear["rmse"]
                records = [*there(), {**mine, "structures": len(kept), "linear": linear, **found}]
                seconds = time.perf_counter() - started
                print(f"{name}, seed {seed}, {fraction}, {one}: {records[-1]}, {seconds:.0f} s", flush=True)
                write_json(PATH, {"records": records})
    print(table(there(), options.data), verdicts(there(), options.data, options.steps), sep="\n\n")


def there() -> list[dict[str, Any]]:
    """What was trained so far, by other runs too."""
    return list(json.loads(PATH.read_text())["records"]) if PATH.is_file() else []


def table(records: list[dict[str, Any]], names: list[str]) -> str:
    """Medians and ranges over the seeds, and in how many of them each plan has a lower error than that of random."""
    heads = (
        "set",
        "%",
        "steps",
        "selector",
        "seeds",
        "linear, eV/Å",
        "MACE, eV/Å",
        "median atom",
        "worst",
        "below random",
    )
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    kinds = sorted({(names.index(r["set"]), r["steps"], r["fraction"]) for r in records if r["set"] in names})
    for (number, steps, fraction), one in itertools.product(kinds, (*COMPARED, EVERYTHING)):
        same = [r for r in records if (r["set"], r["steps"], r["fraction"]) == (names[number], steps, fraction)]
        of = {record["seed"]: record for record in same if record["selector"] == one}
        if not of:
            continue
        cells = []
        for key in ("linear", "rmse", "median", "worst"):
            found = [record[key] for record in of.values() if record[key] is not None]
            cells.append(f"{statistics.median(found):.3f} ({min(found):.3f}-{max(found):.3f})" if found else "")
        chance = {record["seed"]: record["rmse"] for record in same if record["selector"] == "random"}
        lower = [record["rmse"] < chance[seed] for seed, record in of.items() if seed in chance]
        cells.append(f"{sum(lower)}/{len(lower)}" if lower and one != "random" else "")
        head = (names[number].split("_")[0], f"{100 * fraction:g}", str(steps), one, str(len(of)))
        lines.append(f"| {' | '.join((*head, *cells))} |")
    return "\n".join(lines)


def verdicts(records: list[dict[str, Any]], names: list[str], steps: int) -> str:
    """Whether the default is below each selector, paired over the cases of all sets, and whether both fields agree."""
    cases: dict[tuple[str, float, int], dict[str, dict[str, Any]]] = {}
    for one in records:
        if one["set"] in names and one["steps"] == steps and one["selector"] in COMPARED:
            cases.setdefault((one["set"], one["fraction"], one["seed"]), {})[one["selector"]] = one
    each = ("MACE", "MACE, median atom", "linear")
    heads = ("default over", "cases", *itertools.chain.from_iterable((one, "lower in", "p") for one in each))
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for other in COMPARED[1:]:
        both = [of for of in cases.values() if OURS in of and other in of]
        cells = [other, str(len(both))]
        for key in ("rmse", "median", "linear"):
            ours, theirs = (np.array([of[who][key] or np.nan for of in both]) for who in (OURS, other))
            fine = np.isfinite(ours / theirs)
            ours, theirs = ours[fine], theirs[fine]
            ratio, p = np.exp(np.log(ours / theirs).mean()), significance(ours, theirs)
            cells += [f"{ratio:.2f}", f"{(ours < theirs).sum()}/{fine.sum()}", f"{p:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    whole = [of for of in cases.values() if set(COMPARED) <= of.keys() and all(one["linear"] for one in of.values())]
    if not whole:
        return "\n".join(lines)
    errors = [[[of[one][key] for one in COMPARED] for key in ("linear", "rmse")] for of in whole]
    agree = [float(spearmanr(*of).statistic) for of in errors]
    apart = np.log(np.array(errors))  # (cases, 2, selectors)
    pooled = spearmanr(*(apart - apart.mean(axis=2, keepdims=True)).transpose(1, 0, 2).reshape(2, -1)).statistic
    lines += ["", f"Spearman over the selectors of each of {len(whole)} cases: mean {np.mean(agree):.2f}, "]
    lines[-1] += f"{min(agree):.2f} to {max(agree):.2f}; of all together, each less its case's mean: {pooled:.2f}"
    return "\n".join(lines)


if __name__ == "__main__":
    main()
