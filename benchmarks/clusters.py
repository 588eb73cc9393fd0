"""Do clusters and map show what is known of the atoms? Every set by the defaults, and by the same without learning.

``python benchmarks/clusters.py [--set nb-whole demo metal] [--seeds 0 1 2]``. Clusters and map hang on the descriptors,
their context and the agreement of neighbours alone, so these steps of the library are taken, with what the cache knows
of descriptors. Of each set and seed the same environments are clustered in three spaces, by the same hierarchy at the
level that it shows first: the context read directly (``direct``), the latent space with the network as it was drawn
(``untrained``), and the trained one, which a user sees. Figures: agreement with what is known (adjusted mutual
information, homogeneity, completeness), also at fixed numbers of clusters, with kinds cut to equal sizes, and by one
fixed reading (Leiden) of each space; for the map clusters read off it, neighbours of the same kind, trustworthiness
and continuity. They go to ``results/clusters.json`` after each set and seed, in place of what stood there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

import meagraph as mg
from meagraph.descriptors import Descriptors
from meagraph.files import write_json
from meagraph.graph.condensation import Condensed
from meagraph.latent.clustering import Clusters, cluster
from meagraph.latent.neighbours import Neighbours
from meagraph.latent.nodes import LatentOf, holding, population
from meagraph.latent.projection import project
from meagraph.model import agreement as networks
from meagraph.model.results import Embedding
from meagraph.pipeline.describing import describe_for
from meagraph.pipeline.learning import condense_for
from meagraph.pipeline.survey import latent_neighbours

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.support.draws import whole_structures
from tests.support.made_sets import TRUTH, UNKNOWN, made_set
from tests.support.scores import agreement, communities, faithfulness, neighbour_agreement, own_clusters

ROOT = Path(sys.path.pop(0))
RESULTS = Path(__file__).parent / "results" / "clusters.json"
DATA = Path(os.environ.get("MEAVIZ_DATA", ROOT.parent / "shared" / "data"))
MADE = Path(tempfile.gettempdir()) / "meaviz-made-sets"
RESOLUTIONS = (0.05, 0.5)  # of the fixed reading
LEVELS = (5, 8, 12, 20, 30)  # numbers of clusters at which spaces are compared
SPACES = ("direct", "untrained", "trained")
READ = 5000  # nodes of the fixed reading, drawn at random
EVEN = 400  # environments of a kind, at most, where kinds are cut to equal sizes
PER_LABEL = 1000  # environments of the balanced samples, about
NIOBIUM = {
    **{name: name for name in ("fcc", "hcp", "sc", "dia", "A15", "C15", "liquid")},
    **dict.fromkeys(("bcc_distorted", "phonon", "vacancy"), "bcc"),
}
OF_THE_DEMO = ("fcc", "hcp", "A15", "liquid", "surface_100", "surface_110", "surface_111")
PERFECT = ("Bulk", "EOS", "Shear", "Strain")  # groups of InP without a defect
INP_BOND = 3.1  # Å: the first shell, 2.54 Å at rest
Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Case:
    """A dataset, and what is known of its environments."""

    dataset: mg.AtomicDataset
    truth: NDArray[np.str_]  # (N,), empty where nothing is known
    own: tuple[str, ...] = ()  # kinds that should each be the majority of a cluster


def grouped(dataset: mg.AtomicDataset, names: Mapping[str, str] | None = None) -> NDArray[np.str_]:
    """The group of each environment, or what it is called in ``names``, empty for others."""
    groups = dataset.groups if names is None else np.array([names.get(group, "") for group in dataset.groups])
    return np.asarray(groups[dataset.structure_of])


def niobium(seed: int) -> Case:
    """All of it; eight phases are labelled."""
    dataset = mg.read(DATA / "Nb_bcc2020.extxyz", allow_unlabelled=True)
    return Case(dataset, grouped(dataset, NIOBIUM), tuple(dict.fromkeys(NIOBIUM.values())))


def niobium_balanced(seed: int) -> Case:
    """Whole structures of the eight phases, drawn until each has PER_LABEL environments or there are no more."""
    whole = mg.read(DATA / "Nb_bcc2020.extxyz", allow_unlabelled=True)
    labels = np.array([NIOBIUM.get(group, "") for group in whole.groups])
    chosen = whole_structures(labels, np.diff(whole.offsets), PER_LABEL, seed)
    dataset = mg.from_atoms([whole.structures[index] for index in chosen], allow_unlabelled=True)
    return Case(dataset, grouped(dataset, NIOBIUM), tuple(dict.fromkeys(NIOBIUM.values())))


def demo(seed: int) -> Case:
    """The demonstration dataset; thirteen groups, the isolated atom apart."""
    dataset = mg.read(ROOT / "assets" / "demo" / "nb.extxyz.gz")
    truth = grouped(dataset)
    return Case(dataset, np.where(truth == "IsolatedAtom", "", truth), OF_THE_DEMO)


def of_groups(name: str) -> Callable[[int], Case]:
    """A dataset by the groups of its file."""

    def case(seed: int) -> Case:
        dataset = mg.read(DATA / f"{name}.extxyz", allow_unlabelled=True)
        return Case(dataset, grouped(dataset))

    return case


def indium_phosphide(seed: int) -> Case:
    """By site and defect: an element with its four neighbours of the other kind, or in which defect it stands."""
    dataset = mg.read(DATA / "InP_JPCA2020.extxyz", allow_unlabelled=True)
    truth = []
    for atoms, group in zip(dataset.structures, dataset.groups, strict=True):
        first, second = neighbor_list("ij", atoms, INP_BOND)
        other = np.bincount(first, atoms.numbers[first] != atoms.numbers[second], minlength=len(atoms))
        usual = (other == 4) & (np.bincount(first, minlength=len(atoms)) == 4) | (group in PERFECT)
        names = np.where(usual, "bulk", group.removeprefix("s_"))
        truth += [f"{symbol} {name}" for symbol, name in zip(atoms.symbols, names, strict=True)]
    return Case(dataset, np.array(truth))


def made(name: str) -> Callable[[int], Case]:
    """A set of ``tests/support/made_sets``, atom by atom."""

    def case(seed: int) -> Case:
        dataset = mg.read(made_set(name, MADE))
        truth = np.concatenate([atoms.arrays[TRUTH] for atoms in dataset.structures])
        return Case(dataset, np.where(truth == UNKNOWN, "", truth))

    return case


SETS: dict[str, Callable[[int], Case]] = {
    "nb-balanced": niobium_balanced,
    "nb-whole": niobium,
    "demo": demo,
    "inp": indium_phosphide,
    "ta": of_groups("Ta_JCP2014"),
    "fe": of_groups("Fe_NPJ2021"),
    **{name: made(name) for name in ("metal", "molecules", "ions")},
}


@dataclass(frozen=True, eq=False)
class Space:
    """A latent space, and what the defaults find in it."""

    embedding: Embedding  # of the nodes that clusters are found by
    condensed: Condensed  # the same
    neighbours: Neighbours  # of the nodes
    clusters: Clusters


def spaces(descriptors: Descriptors, condensed: Condensed, config: mg.PipelineConfig) -> dict[str, Space]:
    """The three of SPACES."""
    context = context_of(descriptors)
    found = {"direct": space_of(lambda rows: np.asarray(context[rows]), condensed, config)}
    for name, steps in (("untrained", 0), ("trained", networks.STEPS)):
        found[name] = space_of(latent_of(descriptors, condensed, config, steps), condensed, config)
    return found


def context_of(descriptors: Descriptors) -> NDArray[np.floating]:
    """The context (N, K). Raises MEAGraphError where there is none."""
    if descriptors.context is None or descriptors.pairs is None:
        raise mg.MEAGraphError("Clusters are compared in the latent space of a context, but these have none.")
    return descriptors.context


def latent_of(descriptors: Descriptors, condensed: Condensed, config: mg.PipelineConfig, steps: int) -> LatentOf:
    """The latent space of the context after so many ``steps`` of training."""
    context, usual = context_of(descriptors), networks.STEPS
    networks.STEPS = steps
    try:
        learned = networks.learn_agreement(context, descriptors.pairs, condensed.representatives, seed=config.seed)
    finally:
        networks.STEPS = usual
    return lambda rows: learned(context[rows])


def space_of(latent: LatentOf, condensed: Condensed, config: mg.PipelineConfig) -> Space:
    """What the defaults find in a latent space."""
    size = condensed.size
    bare = Embedding(
        np.zeros((size, 1), np.float32),
        np.zeros((2, 0), np.int64),
        np.zeros(0, np.float32),
        config.pooling_rate,
        np.ones(size, dtype=bool),
    )
    held = holding(bare, condensed, latent, seed=config.seed)
    near = latent_neighbours(held, config)
    clusters = cluster(held, near, condensed, config.clustering, seed=config.seed)
    return Space(*population(held, condensed), near, clusters)


def measure(case: Case, seed: int) -> Record:
    """All figures of one set and seed."""
    config = mg.PipelineConfig(seed=seed)
    began = time.perf_counter()
    descriptors = describe_for(case.dataset, config, None)
    condensed = condense_for(case.dataset, descriptors, config)
    found = spaces(descriptors, condensed, config)
    return judged(case, descriptors, found, config) | {"seconds": round(time.perf_counter() - began, 1)}


def judged(case: Case, descriptors: Descriptors, found: Mapping[str, Space], config: mg.PipelineConfig) -> Record:
    """The figures of the spaces, and of the map of the trained one."""
    trained = found["trained"]
    net, labels = trained.condensed, trained.clusters.labels
    own = own_clusters(case.truth, labels)
    places = project(trained.neighbours, net, config.projection, seed=config.seed).xy[net.representatives]
    rows = np.asarray(descriptors.context)[net.representatives]
    trust, continuity = faithfulness(rows, places, seed=config.seed)
    on_map = communities(places, neighbours=15, seed=config.seed)[0][net.assignment]
    return {
        "seed": config.seed,
        "environments": case.dataset.n_environments,
        "nodes": net.size,
        "columns": rows.shape[1],
        "spaces": {name: reading(case.truth, space, config.seed) for name, space in found.items()},
        "map_ami": agreement(case.truth, on_map).ami,
        "map_neighbours": neighbour_agreement(case.truth[net.representatives], places),
        "trustworthiness": trust,
        "continuity": continuity,
        "own": {name: round(own[name], 3) for name in case.own or own},
    }


def reading(truth: NDArray[np.str_], space: Space, seed: int) -> Record:
    """How the clusters of a space agree with the ``truth`` (N,) of the environments."""
    tree = space.clusters.hierarchy
    if tree is None:
        raise mg.MEAGraphError("Levels are compared along a hierarchy, but the clusters have none.")
    even = evenly(truth, seed)
    nodes = np.random.default_rng(seed).permutation(space.condensed.size)[:READ]
    known = truth[space.condensed.representatives[nodes]]
    read = communities(space.embedding.values[nodes], resolutions=RESOLUTIONS, seed=seed)
    return {
        **agreement(truth, space.clusters.labels).figures(),
        "even": agreement(truth[even], space.clusters.labels[even]).ami,
        "levels": {str(one): agreement(truth, tree.labels(one)).ami for one in LEVELS if one <= tree.finest},
        "leiden": {f"{one:g}": agreement(known, labels).ami for one, labels in zip(RESOLUTIONS, read, strict=True)},
    }


def evenly(truth: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    """Rows of which something is known, at most EVEN of each kind."""
    rng = np.random.default_rng(seed)
    kinds = [rng.permutation(np.flatnonzero(truth == name))[:EVEN] for name in np.unique(truth[truth != ""])]
    return np.sort(np.concatenate(kinds))


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Median, and the range where there are several."""
    numbers = list(values)
    middle = f"{statistics.median(numbers):.{digits}f}"
    return middle if len(numbers) < 2 else f"{middle} ({min(numbers):.{digits}f}-{max(numbers):.{digits}f})"


def tables(figures: Mapping[str, list[Record]]) -> str:
    """What is shown first, how the spaces compare, the map, and which kinds have a cluster of their own."""
    known = {name: figures[name] for name in SETS if name in figures}
    parts = []

    def table(heads: list[str], row: Callable[[list[Record]], Iterable[str]]) -> None:
        lines = [f"| set | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
        parts.append("\n".join([*lines, *(f"| {name} | {' | '.join(row(found))} |" for name, found in known.items())]))

    def of(space: str, *keys: str) -> Callable[[Record], float]:
        def get(record: Record) -> float:
            value = record["spaces"][space]
            for key in keys:
                value = value.get(key, float("nan"))
            return float(value)

        return get

    def cells(found: list[Record], *columns: tuple[Callable[[Record], float], int]) -> Iterable[str]:
        return (spread((get(record) for record in found), digits) for get, digits in columns)

    table(
        [f"{what}, {space}" for what in ("AMI", "clusters", "AMI, kinds of equal size") for space in SPACES],
        lambda found: cells(
            found,
            *(
                (of(space, key), digits)
                for key, digits in (("ami", 2), ("clusters", 0), ("even", 2))
                for space in SPACES
            ),
        ),
    )
    table(
        [f"{space}, {level} clusters" for level in LEVELS for space in ("direct", "trained")],
        lambda found: cells(
            found, *((of(space, "levels", str(level)), 2) for level in LEVELS for space in ("direct", "trained"))
        ),
    )
    table(
        [f"{space}, Leiden {one:g}" for one in RESOLUTIONS for space in SPACES],
        lambda found: cells(found, *((of(space, "leiden", f"{one:g}"), 2) for one in RESOLUTIONS for space in SPACES)),
    )
    measured = ("map_ami", "map_neighbours", "trustworthiness", "continuity")
    table(
        ["homogeneity", "completeness", "AMI of the map", "neighbours alike", "trustworthiness", "continuity"],
        lambda found: [
            *cells(found, (of("trained", "homogeneity"), 2), (of("trained", "completeness"), 2)),
            *(spread((record[key] for record in found), 3) for key in measured),
        ],
    )
    lines = ["| set | kinds with a cluster of their own: the share of them in it |", "| --- | --- |"]
    for name, records in known.items():
        shares = {kind: [record["own"][kind] for record in records] for kind in records[0]["own"]}
        listed = [f"{kind} {spread(part) if min(part) > 0 else 'no'}" for kind, part in shares.items()]
        lines.append(f"| {name} | {', '.join(listed)} |")
    return "\n\n".join([*parts, "\n".join(lines)])


def main() -> None:
    """Measure, write the figures after each set and seed, and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--set", nargs="+", choices=tuple(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write", type=Path, default=RESULTS, help="file of the figures (default: %(default)s)")
    options = parser.parse_args()
    figures: dict[str, list[Record]] = {}
    if options.write.is_file():
        figures = json.loads(options.write.read_text())
    for name in options.set:
        for seed in options.seeds:
            record = measure(SETS[name](seed), seed)
            known = {one["seed"]: one for one in figures.get(name, [])} | {seed: record}
            figures[name] = [known[one] for one in sorted(known)]
            write_json(options.write, figures)
            print(name, {key: value for key, value in record.items() if key != "own"}, flush=True)
    print(tables(figures))


if __name__ == "__main__":
    main()
