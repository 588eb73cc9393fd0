"""What does pruning cost? Every selector on structures held out, by three budgets and with groups left out.

``python benchmarks/pruning.py [Ta_JCP2014 Nb_bcc2020 InP_JPCA2020 Fe_NPJ2021 demo metal] [--seeds 0 1 2]
[--fractions 0.02 0.05 0.1 0.25] [--budget environments atoms structures]``: real sets of ``$MEAVIZ_DATA``, the demo and
a made set. Each seed splits the structures anew (70/30 within groups); descriptors are condensed, the latent space is
learned, clusters are found, selectors choose and shares are tried on the 70 % alone. A quick linear force field is
fitted to what is kept and tested on the 30 % (:mod:`meagraph.evaluation.force_error`).

Budgets, each the fraction of all there are: ``environments``, chosen one by one; ``atoms``, whole structures that hold
no more than so many; ``structures``, so many whole ones. Structures: MEAGraph's by the rule ``cover``, those of
``random`` are drawn as such, those of the others come in the order of their best environment, each that still fits.
``meagraph`` is the default, whose shares the dataset chooses, ``before`` the same with the exponent 0.75 for all.
``--out``: environments, none of them from one group, tested on this group, for each group in turn.

Figures go to ``results/pruning-NAME.json`` after each seed, with the errors of every candidate of shares in its trial
and on the structures held out; ``benchmarks/protocol.py`` makes tables of them. What does not depend on the selectors
is kept in the cache (``$MEAVIZ_CACHE``). Where only clusters changed, rivals need not be measured again:
``--selectors meagraph before random --plainly --into pruning-now`` (``protocol.py --ours pruning-now`` joins both)."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meagraph.cache import remember
from meagraph.datasets import AtomicDataset, dataset_from_structures, read_dataset
from meagraph.descriptors import Descriptors
from meagraph.errors import MEAGraphError
from meagraph.evaluation.equations import Prepared, Rows, prepare, scale_of, split
from meagraph.evaluation.force_error import Cost, cost
from meagraph.evaluation.trial import choose_shares
from meagraph.files import read_arrays, write_arrays, write_json
from meagraph.graph.condensation import Condensed, arrays_of, condense, condensed_from, scaled_rows
from meagraph.latent.clustering import Clusters, cluster
from meagraph.latent.nodes import holding, population
from meagraph.model.agreement import learn_agreement
from meagraph.model.results import Embedding
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe
from meagraph.pipeline.survey import latent_neighbours
from meagraph.pruning.bins import fine_bins
from meagraph.pruning.plan import prune, rank_environments
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.selectors import SELECTORS
from meagraph.pruning.settings import PruningConfig
from meagraph.pruning.shares import USUAL, Chosen, Trial
from meaviz.demo import demo_path
from tests.support.made_sets import made_set

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("MEAVIZ_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
MADE = Path(tempfile.gettempdir()) / "meaviz-made-sets"
NAMES = ("Ta_JCP2014", "Nb_bcc2020", "InP_JPCA2020", "Fe_NPJ2021", "demo", "metal")
BUDGETS = ("environments", "atoms", "structures")
MEASURES = ("rmse", "macro", "worst", "energy_rmse")
DRAWN = ("random", "stratified")
OURS, BEFORE = "meagraph", "before"
COMPARED = (OURS, BEFORE, "random", "fps", "cur", "kmeans", "direct")
Record = dict[str, Any]
Figures = dict[str, dict[str, list[Record]]]  # budget and fraction -> selector -> one a seed


def read(name: str) -> AtomicDataset:
    """A set by its name, or by its path."""
    if name == "demo":
        return read_dataset(demo_path())
    if name == "metal":
        MADE.mkdir(exist_ok=True)
        return read_dataset(made_set("metal", MADE, seed=0))
    path = DATA / f"{name}.extxyz"
    return read_dataset(str(path if path.is_file() else name), allow_unlabelled=True)


@dataclass(frozen=True, eq=False)
class Whole:
    """A dataset, its descriptors and the equations of all its structures."""

    dataset: AtomicDataset
    described: Descriptors
    rows: Rows

    @staticmethod
    def of(dataset: AtomicDataset) -> Whole:
        """Everything that is the same for all seeds."""
        made = prepare(dataset, cap=dataset.n_environments)
        structures = np.concatenate([made.fit.structures, made.test.structures])
        order, back = np.argsort(structures), np.argsort(made_order(made))
        values: dict[str, Any] = {}
        for field in fields(Rows):
            both = np.concatenate([getattr(made.fit, field.name), getattr(made.test, field.name)])
            values[field.name] = both[order] if len(both) == len(structures) else both[back]
        values["structure_of"] = dataset.structure_of
        return Whole(dataset, describe(dataset, context=True), Rows(**values))

    def split(self, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Structures that selectors see, and those held out."""
        return split(self.dataset, cap=self.dataset.n_environments, seed=seed)


def made_order(made: Prepared) -> NDArray[np.int64]:
    """The environments of fit and test one after the other."""
    return np.concatenate([made.fit.environments, made.test.environments])


def pick(rows: Rows, structures: NDArray[np.int64], *, renumber: bool = False) -> Rows:
    """The equations of some of the structures; with ``renumber`` as those of a dataset of its own."""
    inside = np.flatnonzero(np.isin(rows.structure_of, structures))
    numbers = np.arange(len(inside)), np.arange(len(structures))
    return Rows(
        environments=numbers[0] if renumber else inside,
        structures=numbers[1] if renumber else structures,
        structure_of=np.searchsorted(structures, rows.structure_of[inside]),
        features=rows.features[inside],
        forces=rows.forces[inside],
        known=rows.known[inside],
        energy_features=rows.energy_features[structures],
        composition=rows.composition[structures],
        energy=rows.energy[structures],
    )


def prepared(fit: Rows, test: Rows, dataset: AtomicDataset) -> Prepared:
    """The same as :func:`prepare` of a dataset, of equations that are there."""
    groups = dataset.groups[test.structures][test.structure_of]
    return Prepared(fit, test, groups, scale_of(fit), (dataset.n_environments, dataset.n_structures))


@dataclass(frozen=True, eq=False)
class Latent:
    """What selectors look at: found on the structures that they see alone."""

    condensed: Condensed
    clusters: Clusters
    bins: NDArray[np.int64]

    def write(self, path: Path) -> None:
        """Into one file."""
        more = {"labels": self.clusters.labels, "sizes": self.clusters.sizes, "bins": self.bins}
        write_arrays(path, {**arrays_of(self.condensed), **more})

    @staticmethod
    def read(path: Path) -> Latent:
        """What was written."""
        data = read_arrays(path)
        return Latent(condensed_from(data), Clusters(data["labels"], data["sizes"], "hierarchy"), data["bins"])


def latent(whole: Whole, pool: NDArray[np.int64], points: NDArray[np.float64], seed: int) -> Latent:
    """Representatives, clusters and bins by the defaults of the pipeline."""
    config = PipelineConfig(seed=seed)
    dataset, described = whole.dataset, whole.described
    assert described.context is not None
    assert described.pairs is not None
    rows = np.flatnonzero(np.isin(dataset.structure_of, pool))
    condensed = condense(points, budget=config.budget)
    number = np.full(dataset.n_environments, -1)
    number[rows] = np.arange(len(rows))
    pairs = number[described.pairs]
    context = np.asarray(described.context)[rows]
    agreement = learn_agreement(context, pairs[(pairs >= 0).all(axis=1)], condensed.representatives, seed=seed)
    none = np.zeros((2, 0), np.int64), np.zeros(0, np.float32)
    connected = np.ones(condensed.size, dtype=bool)
    empty = Embedding(np.zeros((condensed.size, 0), np.float32), *none, config.pooling_rate, connected)
    embedding = holding(empty, condensed, lambda of: agreement(context[of]), seed=seed)
    neighbours = latent_neighbours(embedding, config)
    clusters = cluster(embedding, neighbours, condensed, config.clustering, seed=seed)
    nodes = population(embedding, condensed)[1]
    return Latent(condensed, clusters, fine_bins(neighbours, clusters, nodes, seed=seed))


@dataclass(frozen=True, eq=False)
class Case:
    """One split of a dataset, with everything ranked."""

    part: AtomicDataset  # what selectors choose from
    clusters: Clusters
    rankings: dict[str, Ranking]
    prepared: Prepared  # its fit is the part
    seed: int

    @staticmethod
    def of(whole: Whole, seed: int, names: list[str]) -> Case:
        """Split, learn, rank, try."""
        pool, held = whole.split(seed)
        part = dataset_from_structures([whole.dataset.structures[index] for index in pool], allow_unlabelled=True)
        points = scaled_rows(np.asarray(whole.described.own)[np.isin(whole.dataset.structure_of, pool)])
        depends = {"version": 3, "labels": whole.dataset.fingerprint, "seed": seed}
        seen = remember(
            "benchmark-latent",
            depends,
            lambda: latent(whole, pool, np.asarray(points), seed),
            read=Latent.read,
            write=lambda path, made: made.write(path),
        )
        fit = pick(whole.rows, pool, renumber=True)
        inner = split(part, seed=seed)
        trial = prepared(*(pick(fit, structures) for structures in inner), part)
        rankings = {}
        for name in names:
            started = time.perf_counter()
            ranking = rank_environments(
                seen.clusters,
                points,
                seen.condensed,
                selector=OURS if name == BEFORE else name,
                bins=seen.bins,
                groups=part.groups[part.structure_of],
                seed=seed,
            )
            if name == OURS:
                chosen = choose_shares(trial, ranking, part.groups, part.structure_keys, seed=seed)
                ranking = replace(ranking, chosen=chosen)
            rankings[name] = ranking
            print(f"  {name}: {time.perf_counter() - started:.1f} s", flush=True)
        both = Prepared(
            fit,
            test := pick(whole.rows, held),
            whole.dataset.groups[test.structures][test.structure_of],
            scale_of(fit),
            (part.n_environments, part.n_structures),
        )
        return Case(part, seen.clusters, rankings, both, seed)

    def plan(self, name: str, budget: str, fraction: float, ranking: Ranking | None = None) -> NDArray[np.bool_]:
        """The environments of ``part`` that a selector keeps."""
        part, ranking = self.part, ranking or self.rankings[name]
        alpha = None if name == OURS else USUAL
        config = PruningConfig(keep=fraction, seed=self.seed, selector=ranking.selector, alpha=alpha)
        if budget == "environments":
            return prune(ranking, self.clusters, part, config).keep
        sizes = part.sizes
        costs = sizes if budget == "atoms" else np.ones_like(sizes)
        wanted = fraction * float(costs.sum())
        if name in DRAWN:
            return drawn(costs, part.groups, round(wanted), config)[part.structure_of]
        if ranking.selector == OURS:
            config = replace(config, number=round(wanted), unit=budget, fewest=budget)
            return prune(ranking, self.clusters, part, config).structures[part.structure_of]
        turn = (ranking.rank + 0.5) / (ranking.sizes**USUAL)[ranking.bin]  # when an environment would be chosen
        order = np.argsort(np.minimum.reduceat(turn, part.offsets[:-1]), kind="stable")
        chosen = first_that_fit(order, costs, round(wanted))
        return chosen[part.structure_of]

    def cost(self, keep: NDArray[np.bool_]) -> Cost:
        """What it costs to keep the environments ``keep`` of ``part``."""
        return cost(self.prepared, keep)

    def record(self, keep: NDArray[np.bool_]) -> Record | None:
        """The same as numbers; None where too little is kept for a fit."""
        try:
            found = self.cost(keep)
        except MEAGraphError:
            return None
        measured: Record = {name: getattr(found, name) for name in MEASURES}
        return {"seed": self.seed, **measured, "worst_group": found.worst_group, "environments": found.environments}

    def candidates(self, budget: str) -> Record:
        """The errors of all candidates of shares in the trial, and those of their plans on what is held out."""
        chosen = self.rankings[OURS].chosen
        assert chosen is not None
        trial = chosen.environments if budget == "environments" else chosen.structures
        truth = []
        for keep in trial.keeps:
            of_keep = []
            for number in range(len(trial.candidates)):
                forced = Chosen(*(_always(one, number) for one in (chosen.environments, chosen.structures)))
                ranking = replace(self.rankings[OURS], chosen=forced)
                found = self.record(self.plan(OURS, budget, float(keep), ranking))
                of_keep.append(None if found is None else [found["rmse"], found["worst"]])
            truth.append(of_keep)
        return {
            "seed": self.seed,
            "trial": json.dumps(np.where(np.isfinite(trial.errors), _short(trial.errors), -1.0).tolist()),
            "chosen": trial.choices.tolist(),
            "truth": truth,
        }

    def out(self, name: str, fraction: float) -> Record:
        """Errors on each group that nothing is kept of: their mean and the largest."""
        errors = {}
        alpha = None if name == OURS else USUAL
        config = PruningConfig(keep=fraction, seed=self.seed, selector=self.rankings[name].selector, alpha=alpha)
        for group in self.cost(np.ones(self.part.n_environments, dtype=bool)).groups:
            left_out = (self.part.groups == group)[self.part.structure_of]
            plan = prune(self.rankings[name], self.clusters, self.part, config, rejected=left_out)
            errors[group] = self.cost(plan.keep).groups[group]
        worst = max(errors, key=errors.__getitem__)
        return {
            "seed": self.seed,
            "macro": statistics.mean(errors.values()),
            "worst": errors[worst],
            "worst_group": worst,
        }


def _short(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to four digits."""
    scale = 10.0 ** (3 - np.floor(np.log10(np.where(values > 0.0, values, 1.0))))
    return np.asarray(np.round(values * scale) / scale)


def _always(trial: Trial, number: int) -> Trial:
    """A trial that chooses one of its candidates."""
    found = replace(trial)
    found.__dict__["choices"] = np.full(len(trial.keeps), number)
    return found


def drawn(sizes: NDArray[np.int64], groups: NDArray[np.str_], room: int, config: PruningConfig) -> NDArray[np.bool_]:
    """Structures (S,) at random, each that still fits into ``room``; by ``stratified``, of each group its share."""
    order = np.random.default_rng(config.seed).permutation(len(sizes))
    if config.selector == "stratified":
        place = np.empty(len(order))
        for group in np.unique(groups):
            rows = np.flatnonzero(groups[order] == group)
            place[rows] = (np.cumsum(sizes[order[rows]]) - sizes[order[rows]] / 2) / sizes[order[rows]].sum()
        order = order[np.argsort(place, kind="stable")]
    return first_that_fit(order, sizes, room)


def first_that_fit(order: NDArray[np.int64], sizes: NDArray[np.int64], room: int) -> NDArray[np.bool_]:
    """The structures in ``order``, each that still fits into ``room``."""
    chosen, left = np.zeros(len(sizes), dtype=bool), room
    for index in order:
        if sizes[index] <= left:
            chosen[index], left = True, left - sizes[index]
    return chosen


def measure(name: str, options: argparse.Namespace) -> None:
    """All figures of one dataset, written after each seed, beside those of other seeds that are there."""
    path = RESULTS / f"{options.into}-{Path(name).name.split('.')[0]}.json"
    whole = Whole.of(read(name))
    for seed in options.seeds:
        started = time.perf_counter()
        case = Case.of(whole, seed, options.selectors)
        found: dict[str, dict[str, Record]] = {}
        everything = case.record(np.ones(case.part.n_environments, dtype=bool))
        assert everything is not None
        found["all"] = {"all data": everything}
        for budget in options.budget:
            for fraction in options.fractions:
                records = {one: case.record(case.plan(one, budget, fraction)) for one in options.selectors}
                found[f"{budget}, {fraction}"] = {one: record for one, record in records.items() if record is not None}
        if options.out:
            found["out, 0.1"] = {one: case.out(one, 0.1) for one in options.selectors}
        if OURS in options.selectors and not options.plainly:
            for budget in ("environments", "atoms"):
                found[f"candidates, {budget}"] = {OURS: case.candidates(budget)}
        known: Figures = json.loads(path.read_text())["figures"] if path.is_file() and not options.anew else {}
        for kept, records in found.items():
            for one, record in records.items():
                others = [old for old in known.setdefault(kept, {}).get(one, []) if old.get("seed") != seed]
                known[kept][one] = sorted([*others, record], key=lambda old: int(old["seed"]))
        options.anew = False
        write_json(path, {"seeds": len(known["all"]["all data"]), "figures": known})
        print(f"{name}, seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)


def main() -> None:
    """Measure, and write the figures beside this script after each seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="*", default=list(NAMES))
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.02, 0.05, 0.1, 0.25])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--budget", nargs="+", choices=BUDGETS, default=list(BUDGETS))
    parser.add_argument("--selectors", nargs="+", choices=(BEFORE, *SELECTORS), default=list(COMPARED))
    parser.add_argument("--out", action="store_true", help="also with each group left out")
    parser.add_argument("--plainly", action="store_true", help="without the errors of every candidate of shares")
    parser.add_argument("--into", default="pruning", help="what the names of the results begin with")
    parser.add_argument("--anew", action="store_true", help="forget the seeds that stand in the results")
    options = parser.parse_args()
    for name in options.data:
        measure(name, options)


if __name__ == "__main__":
    main()
