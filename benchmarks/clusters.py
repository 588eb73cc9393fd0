"""Do clusters and map show what is known of the atoms? Every set as a user opens it, by the defaults.

``python benchmarks/clusters.py [--set nb-whole demo metal] [--seeds 0 1 2] [--before CHECKOUT]``. Of each set and
seed: :func:`meagraph.analyse` without a cached result, then the agreement of its clusters, at the level that is shown
first, with what is known (adjusted mutual information, homogeneity, completeness), the number of clusters, the share in
none, and how the map does: clusters read off it, neighbours of the same kind, trustworthiness and continuity. Beside it
one fixed reading (Leiden) of three spaces: the descriptors, the latent space of an untrained model, and of the trained.

With ``--before`` another checkout of the project runs the same first, in a process of its own. Figures go to
``results/clusters.json``, those of the sets that were run in place of what stood there.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

import meagraph as mg
from meagraph.files import write_json

# what judges is of this checkout, whichever one the library is of
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.support.draws import whole_structures
from tests.support.made_sets import TRUTH, UNKNOWN, made_set
from tests.support.scores import agreement, communities, faithfulness, neighbour_agreement, own_clusters

ROOT = Path(sys.path.pop(0))  # processes that the library starts take the library from where this one did
RESULTS = Path(__file__).parent / "results" / "clusters.json"
DATA = Path(os.environ.get("MEAVIZ_DATA", ROOT.parent / "shared" / "data"))
MADE = Path(tempfile.gettempdir()) / "meaviz-made-sets"
RESOLUTIONS = (0.05, 0.5)  # of the fixed reading
PER_LABEL = 1000  # environments of the balanced samples, about
NIOBIUM = {
    **{name: name for name in ("fcc", "hcp", "sc", "dia", "A15", "C15", "liquid")},
    **dict.fromkeys(("bcc_distorted", "phonon", "vacancy"), "bcc"),
}
OF_THE_DEMO = ("fcc", "hcp", "A15", "liquid", "surface_100", "surface_110", "surface_111")
PERFECT = ("Bulk", "EOS", "Shear", "Strain")  # groups of InP without a defect
INP_BOND = 3.1  # Å: the first shell, 2.54 Å at rest
Record = dict[str, Any]
Records = dict[str, list[Record]]  # by set, one a seed


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


def measure(case: Case, seed: int, *, readings: bool = True) -> Record:
    """All figures of one set and seed."""
    config = mg.PipelineConfig(seed=seed)
    began = time.perf_counter()
    found = mg.analyse(case.dataset, config=config, cache=False)
    seconds = time.perf_counter() - began
    labels = found.survey.clusters.labels
    own = own_clusters(case.truth, labels)
    net = found.learned.condensed
    chosen = net.representatives
    rows, places = described(found, chosen), found.survey.projection.xy[chosen]
    trust, continuity = faithfulness(rows, places, seed=seed)
    record: Record = {
        "seed": seed,
        "environments": case.dataset.n_environments,
        "representatives": len(chosen),
        "columns": rows.shape[1],
        "seconds": round(seconds, 1),
        **agreement(case.truth, labels).figures(),
        "map_ami": agreement(case.truth, communities(places, neighbours=15, seed=seed)[net.assignment]).ami,
        "map_neighbours": neighbour_agreement(case.truth[chosen], places),
        "trustworthiness": trust,
        "continuity": continuity,
        "own": {name: round(own[name], 3) for name in case.own or own},
    }
    if readings:
        untrained = untrained_analysis(case.dataset, config)
        record["readings"] = {}
        nodes = getattr(found.survey.embedding, "nodes", None)
        drawn = chosen if nodes is None else nodes.rows
        for name, space in (
            ("descriptors", described(found, drawn)),
            ("untrained", latent(untrained, drawn)),
            ("trained", latent(found, drawn)),
        ):
            for resolution in RESOLUTIONS:
                read = communities(space, resolution=resolution, seed=seed)
                record["readings"][f"{name} {resolution:g}"] = agreement(case.truth[drawn], read).ami
        record["untrained_ami"] = agreement(case.truth, untrained.survey.clusters.labels).ami
    return record


def described(found: mg.Analysis, rows: NDArray[np.int64]) -> NDArray[np.floating]:
    """What the latent space is made of, of the environments ``rows``: their context where there is one."""
    context = getattr(found.descriptors, "context", None)
    return np.asarray(found.learned.points[rows]) if context is None else np.asarray(context[rows])


def latent(found: mg.Analysis, rows: NDArray[np.int64]) -> NDArray[np.floating]:
    """Latent values of the environments ``rows``, each representative's own in the code before."""
    embedding, net = found.survey.embedding, found.learned.condensed
    nodes = getattr(embedding, "nodes", None)
    if nodes is not None and np.array_equal(nodes.rows, rows):
        return nodes.values
    values = embedding.values[net.assignment[rows]]
    return values if getattr(embedding, "by_distance", False) else _directions(values)


def untrained_analysis(dataset: mg.AtomicDataset, config: mg.PipelineConfig) -> mg.Analysis:
    """The same with networks as they were drawn: a step that moves no weight, none for the agreement."""
    nothing = mg.TrainingConfig(epochs=1, steps=1, learning_rate=1e-12)
    with contextlib.ExitStack() as back:
        if importlib.util.find_spec("meagraph.model.agreement") is not None:
            from meagraph.model import agreement as networks

            back.callback(setattr, networks, "STEPS", networks.STEPS)
            networks.STEPS = 0
        return mg.analyse(dataset, config=replace(config, training=nothing), cache=False)


def _directions(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1.0)


def measured_by(checkout: Path, options: argparse.Namespace) -> Records:
    """The same sets and seeds by the code of another checkout."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "figures.json"
        command = [sys.executable, __file__, "--set", *options.set, "--seeds", *map(str, options.seeds)]
        command += ["--write", str(target), *([] if options.readings else ["--no-readings"])]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(checkout.resolve())}, check=True)
        return dict(json.loads(target.read_text())["now"])


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Median, and the range where there are several."""
    numbers = list(values)
    middle = f"{statistics.median(numbers):.{digits}f}"
    return middle if len(numbers) < 2 else f"{middle} ({min(numbers):.{digits}f}-{max(numbers):.{digits}f})"


def tables(figures: Mapping[str, Records]) -> str:
    """What is shown first, what the spaces hold, and which kinds have a cluster of their own."""
    columns = {
        "AMI": ("ami", 2),
        "homogeneity": ("homogeneity", 2),
        "completeness": ("completeness", 2),
        "clusters": ("clusters", 0),
        "noise": ("noise", 3),
        "AMI of the map": ("map_ami", 2),
        "neighbours alike": ("map_neighbours", 2),
        "trustworthiness": ("trustworthiness", 3),
        "continuity": ("continuity", 3),
        "s": ("seconds", 0),
    }
    lines = ["| set | code | " + " | ".join(columns) + " |", "| --- | --- |" + " ---: |" * len(columns)]
    names = [
        f"{space} {resolution:g}" for space in ("descriptors", "untrained", "trained") for resolution in RESOLUTIONS
    ]
    more = ["| set | code | " + " | ".join(names) + " | clusters shown, untrained | trained |"]
    more += ["| --- | --- |" + " ---: |" * (len(names) + 2)]
    own = [
        "| set | code | kinds with a cluster of their own: the share of them in it |",
        "| --- | --- | --- |",
    ]
    for name in SETS:
        for code in ("before", "now"):
            records = figures.get(code, {}).get(name, [])
            if not records:
                continue
            cells = [spread((r[key] for r in records), digits) for key, digits in columns.values()]
            lines.append(f"| {name} | {code} | {' | '.join(cells)} |")
            if read := [record for record in records if "readings" in record]:
                cells = [spread(record["readings"][key] for record in read) for key in names]
                cells += [spread(record[key] for record in read) for key in ("untrained_ami", "ami")]
                more.append(f"| {name} | {code} | {' | '.join(cells)} |")
            shares = {kind: [record["own"][kind] for record in records] for kind in records[0]["own"]}
            listed = [f"{kind} {spread(part) if min(part) > 0 else 'no'}" for kind, part in shares.items()]
            own.append(f"| {name} | {code} | {', '.join(listed)} |")
    return "\n".join([*lines, "", *more, "", *own])


def main() -> None:
    """Measure, write the figures after each set, and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--set", nargs="+", choices=tuple(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout of the project")
    parser.add_argument("--no-readings", dest="readings", action="store_false", help="leave out the fixed reading")
    parser.add_argument("--write", type=Path, default=RESULTS, help="file of the figures (default: %(default)s)")
    options = parser.parse_args()
    figures: dict[str, Records] = json.loads(options.write.read_text()) if options.write.is_file() else {}
    if options.before is not None:
        figures.setdefault("before", {}).update(measured_by(options.before, options))
        write_json(options.write, figures)
    for name in options.set:
        records = []
        for seed in options.seeds:
            records.append(measure(SETS[name](seed), seed, readings=options.readings))
            print(name, {key: value for key, value in records[-1].items() if key != "own"}, flush=True)
        figures.setdefault("now", {})[name] = records
        write_json(options.write, figures)
    print(tables(figures))


if __name__ == "__main__":
    main()
