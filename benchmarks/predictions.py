"""Do a model's errors find wrong labels, lie where data is thin, and choose better what to add?

``python benchmarks/predictions.py field|mace|chgnet|choose [NAMES...]``. Predictions are those of the quick linear
field fitted to 70 % of each group, on the other 30 % (``field``); of a tiny MACE trained here on half of the
structures, on a sample of the other half (``mace``); of CHGNet's published weights on a sample (``chgnet``). The two
networks go through ``meagraph.predict``, as the command does.

Wrong labels are planted in 1 % of the structures (at least 4), five times of each kind: forces permuted among the atoms
and turned (of structures where their root mean square is above 0.05 or, large forces, 0.3 eV/Å), or energies shifted by
20 to 100 meV an atom up or down. Structures are ranked by the plain error (root mean square of the forces; energy per
atom beyond the median), by the signals of this kind of :mod:`meagraph.outliers.predicted`, and by the score of outliers
without and with all of these (two times). Printed is the share of wrong ones among the first, as many as were planted,
and how many structures the signals alone make candidates where nothing was planted.

``choose``: of every group half is known; the field fitted to that errs on the others, which are labelled; 5 % of their
environments are chosen by our plan, by our plan with shares by error, by the largest error, and at random, and the
field is fitted to both.

``results/predictions.json`` gets all figures. Analyses come from the cache where they are there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from known import DATA, RESULTS, Bench, half

import meagraph as mg
from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.evaluation.equations import prepare
from meagraph.evaluation.error_by_novelty import error_by_novelty
from meagraph.evaluation.force_error import cost
from meagraph.files import write_json
from meagraph.graph.condensation import condense
from meagraph.latent.clustering import Clusters
from meagraph.outliers import ALARM, joined, prediction_signals, score_outliers
from meagraph.outliers.novelty import isolation
from meagraph.pruning.by_error import with_error
from meagraph.pruning.plan import prune, rank_for
from meagraph.pruning.settings import PruningConfig

PATH = RESULTS / "predictions.json"
SEEDS = 5
SHARE, FEWEST = 0.01, 4
SHIFT = (0.02, 0.1)  # eV/atom
KINDS = {"forces": 0.05, "large forces": 0.3, "energy": 0.0}  # eV/Å, root mean square of the forces at least
ATOMS = 12_000  # of a sample
STEPS = 600


class Sample:
    """Some structures of a dataset with predictions, and the descriptors of their environments."""

    def __init__(self, whole: AtomicDataset, rows: NDArray[np.int64], points: NDArray[np.float64]) -> None:
        self.rows = rows
        self.dataset = dataset_from_structures([whole.structures[row] for row in rows], allow_unlabelled=True)
        inside = np.concatenate([np.arange(whole.offsets[row], whole.offsets[row + 1]) for row in rows])
        energy, forces = whole.energy[rows], whole.forces[inside]
        self.dataset = replace(self.dataset, energy=energy, forces=forces, groups=whole.groups[rows])
        some = np.asarray(points[inside], dtype=np.float64)
        self.points = some / np.maximum(np.linalg.norm(some, axis=0), np.finfo(float).tiny)
        self.condensed = condense(self.points)
        self.energy = np.full(len(rows), np.nan)  # predicted, eV
        self.forces = np.full((len(inside), 3), np.nan)

    def errors(self, data: AtomicDataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Errors of energies (S,) in eV/atom and forces (N,) in eV/Å beside the labels of ``data``."""
        force = np.linalg.norm(self.forces - data.forces, axis=1)
        force[data.sizes[data.structure_of] == 1] = np.nan
        return (self.energy - data.energy) / data.sizes, force

    def scores(self, data: AtomicDataset, kind: str, *, outliers: bool) -> dict[str, NDArray[np.float64]]:
        """How suspicious each structure (S,) of ``data`` is in several ways."""
        energy, force = self.errors(data)
        first = data.offsets[:-1]
        signals = prediction_signals(self.points, data, energy, force)
        plain = np.sqrt(np.add.reduceat(np.nan_to_num(force) ** 2, first) / data.sizes)
        if kind == "energy":
            plain = np.abs(energy - np.nanmedian(energy))
        rarity = np.max([one.rarity for one in signals if kind.split()[-1].rstrip("s") in one.name], axis=0)
        found = {"plain": plain, "signals": np.maximum.reduceat(rarity, first)}
        if outliers:
            nobody = Clusters(np.zeros(data.n_environments, dtype=np.int64), np.array([data.n_environments]), "one")
            before = score_outliers(self.points, self.condensed, nobody, data)
            found["outliers"] = np.maximum.reduceat(before.score, first)
            found["both"] = np.maximum.reduceat(joined(before, signals).score, first)
        return found


def planted(data: AtomicDataset, kind: str, seed: int) -> tuple[AtomicDataset, NDArray[np.int64]]:
    """``data`` with wrong labels of a ``kind``, and in which structures."""
    rng = np.random.default_rng(seed)
    square = np.add.reduceat((data.forces**2).sum(axis=1), data.offsets[:-1]) / (3 * data.sizes)
    telling = (data.sizes > 2) & (np.sqrt(square) > KINDS[kind])
    rows = rng.choice(np.flatnonzero(telling), max(FEWEST, round(SHARE * data.n_structures)), replace=False)
    energy, forces = data.energy.copy(), data.forces.copy()
    for row in rows.tolist():
        if kind == "energy":
            energy[row] += data.sizes[row] * rng.choice([-1.0, 1.0]) * rng.uniform(*SHIFT)
        else:
            turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            forces[data.rows_of(row)] = rng.permutation(forces[data.rows_of(row)]) @ turn
    return replace(data, energy=energy, forces=forces), rows


def measured(sample: Sample, beside: int) -> dict[str, Any]:
    """All figures of one sample, those of the score of outliers for so many seeds ``beside``."""
    data = sample.dataset
    energy, force = sample.errors(data)
    (thin, _) = isolation(sample.points, sample.condensed, data)
    known = np.isfinite(force)
    record: dict[str, Any] = {
        "structures": data.n_structures,
        "environments": data.n_environments,
        "energy_rmse": float(np.sqrt(np.nanmean((energy - np.nanmedian(energy)) ** 2))),
        "force_rmse": float(np.sqrt((force[known] ** 2).mean() / 3)),
        "thin": error_by_novelty(force, thin.value).figures(),
    }
    quiet = sample.scores(data, "forces", outliers=False)["signals"]
    record["alarms"] = int((quiet >= ALARM).sum())
    for kind in KINDS:
        found: dict[str, list[float]] = {}
        for seed in range(SEEDS):
            spoilt, rows = planted(data, kind, seed)
            for name, score in sample.scores(spoilt, kind, outliers=seed < beside and kind != "large forces").items():
                first = np.argsort(-score, kind="stable")[: len(rows)]
                found.setdefault(name, []).append(float(np.isin(first, rows).mean()))
                if name == "signals":
                    found.setdefault("alarmed", []).append(float((score[rows] >= ALARM).mean()))
        record[kind] = found
    return record


def sampled(dataset: AtomicDataset, rows: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """Some of ``rows``, structures, that hold ATOMS atoms together."""
    order = np.random.default_rng(seed).permutation(rows)
    return np.sort(order[: int(np.searchsorted(np.cumsum(dataset.sizes[order]), ATOMS)) + 1])


def opened(name: str) -> Any:
    """The analysis of a dataset."""
    return mg.analyse(mg.read(str(DATA / f"{name}.extxyz"), allow_unlabelled=True))


def field(name: str) -> Sample:
    """The quick field on structures that it was not fitted to."""
    found = opened(name)
    prepared = prepare(found.dataset)
    fitted, test = cost(prepared, np.ones(found.dataset.n_structures, dtype=bool)), prepared.test
    sample = Sample(found.dataset, test.structures, found.learned.points)
    sample.forces = np.where(test.known[:, None], test.features @ fitted.coefficients, np.nan)
    each = test.energy_features @ fitted.coefficients + test.composition @ fitted.offsets
    sample.energy = each * sample.dataset.sizes
    return sample


def network(name: str, calculator: str) -> Sample:
    """A network on a sample, by the command's own way."""
    found = opened(name)
    everything, options = np.arange(found.dataset.n_structures), {}
    if calculator == "mace":
        rng = np.random.default_rng(0)
        train, everything = (
            np.split(rng.permutation(everything), 2)
            if len(everything) % 2 == 0
            else np.split(rng.permutation(everything)[1:], 2)
        )
        options = {"model": trained(found.dataset, np.sort(train), name), "dtype": "float64"}
    sample = Sample(found.dataset, sampled(found.dataset, everything), found.learned.points)
    started = time.perf_counter()
    said = mg.predict(sample.dataset, calculator, **options)
    print(f"{calculator} on {sample.dataset.n_environments:,} atoms: {time.perf_counter() - started:.0f} s", flush=True)
    assert not said.failed, said.failures()
    sample.energy, sample.forces = said.predicted.energy, said.predicted.forces
    return sample


def trained(dataset: AtomicDataset, train: NDArray[np.int64], name: str) -> str:
    """The file of a tiny MACE trained on these structures, as ``benchmarks/neural.py`` trains it."""
    import neural
    import torch
    from mace.tools import AtomicNumberTable
    from mace.tools.torch_geometric.dataloader import DataLoader

    file = Path("/tmp") / f"tiny-mace-{name}.model"
    if file.is_file():
        return str(file)
    warnings.filterwarnings("ignore")
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    table = AtomicNumberTable([int(number) for number in dataset.species])
    train = train[dataset.sizes[train] > 1]
    counts = np.array([[(dataset.structures[row].numbers == z).sum() for z in dataset.species] for row in train])
    baseline = np.linalg.lstsq(counts.astype(float), dataset.energy[train], rcond=None)[0]
    forces = [dataset.forces[dataset.rows_of(row)] for row in train]
    data = neural.data_of([dataset.structures[row] for row in train], dataset.energy[train], forces, table)
    model = neural.network(data, table, baseline, 0)
    loader = DataLoader(data, batch_size=neural.BATCH, shuffle=True, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(model.parameters(), lr=neural.RATE, amsgrad=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for batch in itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), STEPS):
        optimiser.zero_grad()
        said = model(batch.to_dict(), training=True)
        atoms = batch.ptr[1:] - batch.ptr[:-1]
        loss = (said["forces"] - batch.forces).square().mean()
        loss = loss + neural.ENERGY_WEIGHT * ((said["energy"] - batch.energy) / atoms).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        schedule.step()
    torch.save(model, file)
    torch.set_default_dtype(torch.float32)
    return str(file)


def chosen(name: str) -> list[dict[str, float]]:
    """Errors of the field after 5 % of the other half were added, by several plans."""
    bench = Bench(name)
    data, fit = bench.dataset, bench.prepared.fit
    learned, survey = bench.analysis.learned, bench.analysis.survey
    records = []
    for way, seed in itertools.product(("structures", "groups"), range(SEEDS)):
        known = half(bench, way, seed)
        room = round(0.05 * int(data.sizes[~known & ~bench.held].sum()))
        try:
            fitted = cost(bench.prepared, known)
        except mg.MEAGraphError:  # too few are known
            continue
        off = np.linalg.norm(fit.features @ fitted.coefficients - fit.forces, axis=1)
        error = np.full(data.n_environments, np.nan)
        error[fit.environments] = np.where(fit.known, off, np.nan)
        error[known[data.structure_of]] = np.nan  # what it was fitted to says less
        record = {"way": way, "seed": seed, "known": fitted.rmse}
        record["random"] = float(np.median([bench.error(known | bench.random(known, room, one)) for one in range(5)]))
        marked = bench.marked(known)
        config = PruningConfig(number=room, unit="atoms", seed=seed, alpha=0.75)
        ranking = rank_for(config, marked, survey.clusters, learned.points, learned.condensed, bins=survey.ranking.bin)
        rejected = bench.held[data.structure_of]
        for kind in ("plan", "by error"):
            settings = config if kind == "plan" else replace(config, by_error="field")
            ranked = ranking if kind == "plan" else with_error(ranking, error)
            plan = prune(ranked, survey.clusters, marked, settings, rejected=rejected)
            record[kind] = bench.error(known | plan.structures)
        worst = np.argsort(-np.nan_to_num(np.maximum.reduceat(np.nan_to_num(error), data.offsets[:-1])), kind="stable")
        worst = worst[~known[worst] & ~bench.held[worst]]
        taken = np.zeros_like(known)
        taken[worst[np.cumsum(data.sizes[worst]) <= room]] = True
        record["worst first"] = bench.error(known | taken)
        print(name, record, flush=True)
        records.append(record)
    return records


def main() -> None:
    """Measure, write, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("field", "mace", "chgnet", "choose", "print"))
    parser.add_argument("names", nargs="*", default=["Ta_JCP2014", "InP_JPCA2020", "Nb_bcc2020"])
    parser.add_argument("--out", default=str(PATH), help="(default: %(default)s)")
    parser.add_argument("--beside", type=int, default=2, help="seeds with the score of outliers (default: %(default)s)")
    options = parser.parse_args()
    path = Path(options.out)
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    for name in options.names if options.what != "print" else ():
        if options.what == "choose":
            made: Any = chosen(name)
        else:
            made = measured(field(name) if options.what == "field" else network(name, options.what), options.beside)
        print(options.what, name, json.dumps(made), flush=True)
        found = json.loads(path.read_text()) if path.is_file() else {}
        found.setdefault(options.what, {})[name] = made
        write_json(path, found)
    print_tables(found)


def print_tables(found: dict[str, Any]) -> None:
    """Markdown."""
    ways = ("plain", "signals", "outliers", "both", "alarmed")
    for kind in KINDS:
        print(f"\n| wrong {kind}: model | set | {' | '.join(ways)} | other alarms |\n|{' --- |' * (len(ways) + 3)}")
        for model, sets in found.items():
            for name, one in sets.items() if model != "choose" else ():
                cells = " | ".join(f"{np.mean(one.get(kind, {}).get(way, np.nan)):.2f}" for way in ways)
                print(f"| {model} | {name} | {cells} | {one['alarms']} of {one['structures']} |")
    print("\n| model | set | F RMSE | E RMSE | rank correlation | fifths |\n|" + " --- |" * 6)
    for model, sets in found.items():
        for name, one in sets.items() if model != "choose" else ():
            fifths = " ".join(f"{1e3 * value:.0f}" for value in one["thin"]["error"])
            rmse = f"{1e3 * one['force_rmse']:.0f} | {1e3 * one['energy_rmse']:.1f}"
            print(f"| {model} | {name} | {rmse} | {one['thin']['correlation']:+.2f} | {fifths} |")
    print("\n| set | half known | random | plan | by error | worst first | by error < plan |\n|" + " --- |" * 7)
    for name, records in found.get("choose", {}).items():
        for way in ("structures", "groups"):
            some = [one for one in records if one["way"] == way]
            if not some:
                continue
            chance = f"{1e3 * np.median([one['random'] for one in some]):.1f}"
            cells = [
                f"{np.median([one[key] / one['random'] for one in some]):.3f}"
                for key in ("plan", "by error", "worst first")
            ]
            lower = sum(one["by error"] < one["plan"] for one in some)
            print(f"| {name} | {way} | {chance} | {' | '.join(cells)} | {lower} of {len(some)} |")


if __name__ == "__main__":
    main()
