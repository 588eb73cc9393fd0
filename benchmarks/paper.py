"""The published method beside ours on tantalum, iron and niobium: clusters by group, singletons, pruned sets.

``python benchmarks/paper.py [--data Ta_JCP2014 Fe_NPJ2021 Nb_bcc2020] [--seeds 0 1 2] [--structures N]`` writes
``results/paper.json`` after every seed and the tables of ``docs/paper.md``. Descriptors, models and curves come from
the cache where they were made before, so that a run that was stopped goes on there. Of a dataset of more than
``--structures`` so many are drawn at random by the seed, and the tables say so.

Clusters are those of the whole dataset: by the published settings (:func:`published`), at the pooling rate in the
middle of the plateau of its stability curve, and by the defaults.
Pruning: 70 % of the structures are pruned without sight of the others, a quick linear force field is fitted to what is
kept and tested on the 30 %. From the published clusters environments are drawn at random, of each cluster as many, or
of each its share; ours are those of the default plan.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import meagraph as mg
from meagraph.evaluation.equations import prepare
from meagraph.evaluation.force_error import cost
from meagraph.files import write_json
from meagraph.graph.similarity import LOWER, UPPER
from meagraph.latent.clustering import Clusters
from meagraph.pipeline.analysis import look_along_rates
from meagraph.pipeline.describing import describe_for
from meagraph.pipeline.learning import learn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.support.draws import from_clusters
from tests.support.scores import MOST, agreement, by_kind

ROOT = Path(sys.path.pop(0))
RESULTS = Path(__file__).parent / "results" / "paper.json"
PAGE = ROOT / "docs" / "paper.md"
BEGIN, END = "<!-- figures of benchmarks/paper.py -->", "<!-- end of the figures -->"
DATA = Path(os.environ.get("MEAVIZ_DATA", ROOT.parent / "shared" / "data"))
NAMES = {"Ta_JCP2014": "tantalum", "Fe_NPJ2021": "iron", "Nb_bcc2020": "niobium"}
FRACTIONS = (0.05, 0.1)  # of the environments, kept
MEASURES = ("rmse", "macro", "worst", "energy_rmse")
Record = dict[str, Any]


def published(name: str) -> mg.PipelineConfig:
    """The settings of arXiv 2509.12358: SOAP, or the bispectrum components of SNAP for tantalum; threshold graph, three
    layers of three kernels, connected components. Edges go to the nearest representatives alone, as many as by default.
    """
    soap = mg.DescriptorConfig("soap", r_cut=5.0, n_max=3, l_max=3)
    snap = mg.DescriptorConfig("snap", r_cut=4.67637, l_max=3)  # as in the potential that the data were made for
    return mg.PipelineConfig(
        descriptors=snap if name.startswith("Ta") else soap,
        context=False,
        graph=mg.GraphConfig(lower=LOWER, upper=UPPER),
        widths=(128, 64, 32),
        kernels=3,
        clustering=mg.ClusteringConfig(method="components"),
    )


def data(name: str, most: int | None, seed: int) -> mg.AtomicDataset:
    """The dataset, or ``most`` structures of it drawn at random where it has more."""
    dataset = mg.read(DATA / f"{name}.extxyz", allow_unlabelled=True)
    if most is None or dataset.n_structures <= most:
        return dataset
    drawn = np.sort(np.random.default_rng(seed).choice(dataset.n_structures, most, replace=False))
    return mg.from_atoms([dataset.structures[index] for index in drawn], name=name, allow_unlabelled=True)


def published_clusters(dataset: mg.AtomicDataset, name: str, seed: int) -> tuple[Clusters, int]:
    """Components at the middle of the plateau of the pooling rate, and the number of representatives."""
    config = replace(published(name), seed=seed)
    learned = learn(dataset, describe_for(dataset, config, None), config)
    curve = look_along_rates(learned, config)
    rate = config.pooling_rate if curve.suggestion is None else curve.suggestion
    return curve.at(rate, learned.condensed), learned.condensed.size


def clusters_of(name: str, dataset: mg.AtomicDataset, seed: int) -> Record:
    """Both clusterings of the whole dataset."""
    truth = dataset.groups[dataset.structure_of]
    found: Record = {"environments": dataset.n_environments, "structures": dataset.n_structures, "seed": seed}
    theirs, size = published_clusters(dataset, name, seed)
    ours = mg.analyse(dataset, config=mg.PipelineConfig(seed=seed))
    for side, clusters, count in (
        ("published", theirs, size),
        ("default", ours.survey.clusters, ours.learned.condensed.size),
    ):
        found[side] = {
            "representatives": count,
            "settings": {key: value for key, value in clusters.settings.items() if isinstance(value, (float, str))},
            **agreement(truth, clusters.labels).figures(),
            "groups": by_kind(truth, clusters.labels),
        }
    return found


def pruned_sets(name: str, dataset: mg.AtomicDataset, seed: int) -> Iterator[Record]:
    """What it costs to keep a fraction of 70 % of the structures, by each way to choose."""
    prepared = prepare(dataset, seed=seed, cap=dataset.n_environments)
    part = mg.from_atoms([dataset.structures[index] for index in prepared.fit.structures], allow_unlabelled=True)
    clusters, _ = published_clusters(part, name, seed)
    ours = mg.analyse(part, config=mg.PipelineConfig(seed=seed))
    size = part.n_environments
    everything = np.ones(size, dtype=bool)
    choices = [("all data", 1.0, everything)]
    for fraction in FRACTIONS:
        budget = round(fraction * size)
        for choice, labels, equal in (
            ("random", np.zeros(size, dtype=np.int64), False),
            ("published clusters, of each as many", clusters.labels, True),
            ("published clusters, of each its share", clusters.labels, False),
        ):
            choices.append((choice, fraction, from_clusters(labels, budget, equal=equal, seed=seed)))
        choices.append(("default plan", fraction, mg.prune(ours, keep=fraction).keep))
    for choice, fraction, keep in choices:
        whole = np.zeros(dataset.n_environments, dtype=bool)
        whole[prepared.fit.environments] = keep
        found = cost(prepared, whole)
        measured = {key: getattr(found, key) for key in MEASURES}
        yield {"choice": choice, "kept": fraction, "seed": seed, "worst_group": found.worst_group, **measured}


def tables(figures: Mapping[str, Record]) -> str:
    """What stands on the page."""
    lines = [
        "| dataset | settings | representatives | clusters | singletons | AMI with the groups | homogeneity |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, found in figures.items():
        for side in ("published", "default"):
            one = found["clusters"][side]
            lines.append(
                f"| {_named(name, found)} | {side} | {one['representatives']:,} | {one['clusters']:,} | "
                f"{one['noise']:.1%} | {one['ami']:.2f} | {one['homogeneity']:.2f} |"
            )
    for name, found in figures.items():
        lines += [
            "",
            f"{_named(name, found)}, by group: clusters that hold at least {MOST:.0%} of it, "
            "share of it in the largest, singletons.",
            "",
            "| group | atoms | published: clusters | largest | singletons | default: clusters | largest | in none |",
            "| --- |" + " ---: |" * 7,
        ]
        theirs, ours = (found["clusters"][side]["groups"] for side in ("published", "default"))
        for group, one in theirs.items():
            cells = [
                f"{side[group]['clusters']} | {side[group]['largest']:.0%} | {side[group]['alone']:.1%}"
                for side in (theirs, ours)
            ]
            lines.append(f"| {group} | {one['count']:,} | {' | '.join(cells)} |")
    lines += [
        "",
        "Root mean square error of force components, eV/Å, on structures held out; median (range) over the seeds.",
        "",
        "| dataset | kept | choice | overall | mean over groups | worst group |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for name, found in figures.items():
        rows: dict[tuple[float, str], list[Record]] = {}
        for record in found["pruning"]:
            rows.setdefault((record["kept"], record["choice"]), []).append(record)
        for (kept, choice), records in rows.items():
            cells = [_spread([record[key] for record in records]) for key in MEASURES[:3]]
            lines.append(f"| {_named(name, found)} | {kept:.0%} | {choice} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _named(name: str, found: Record) -> str:
    """With how much of it was taken, where that is not all."""
    most = found.get("most")
    return name if most is None else f"{name}, {most:,} structures at random"


def _spread(values: list[float]) -> str:
    middle = f"{statistics.median(values):.3f}"
    return middle if len(values) < 2 else f"{middle} ({min(values):.3f}-{max(values):.3f})"


def on_page(text: str, found: str) -> str:
    """The page with ``found`` between its marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{found}\n\n{END}{after}"


def main() -> None:
    """Measure, write the figures after each dataset, and set the tables on the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=tuple(NAMES), default=list(NAMES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="clusters take the first")
    parser.add_argument("--structures", type=int, metavar="N", help="of a larger dataset so many, drawn at random")
    parser.add_argument("--write", type=Path, default=RESULTS, help="file of the figures (default: %(default)s)")
    parser.add_argument("--no-page", dest="page", action="store_false", help="leave docs/paper.md as it is")
    options = parser.parse_args()
    figures: dict[str, Record] = json.loads(options.write.read_text()) if options.write.is_file() else {}
    for name in options.data:
        began = time.perf_counter()
        seed = options.seeds[0]
        dataset = data(name, options.structures, seed)
        found: Record = {"clusters": clusters_of(name, dataset, seed), "pruning": []}
        if dataset.n_structures == options.structures:
            found["most"] = options.structures
        print(f"{name}: clusters after {time.perf_counter() - began:.0f} s", flush=True)
        for seed in options.seeds:
            found["pruning"] += pruned_sets(name, data(name, options.structures, seed), seed)
            print(f"{name}: pruned sets of seed {seed} after {time.perf_counter() - began:.0f} s", flush=True)
            found["seconds"] = round(time.perf_counter() - began)
            figures[name] = found
            figures = {known: figures[known] for known in NAMES if known in figures}
            write_json(options.write, figures)
    print(tables(figures))
    if options.page:
        PAGE.write_text(on_page(PAGE.read_text(encoding="utf-8"), tables(figures)), encoding="utf-8")


if __name__ == "__main__":
    main()
