"""Whether what lies in a project fits together, so that nothing after it has to ask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.graph.condensation import Condensed
from meagraph.inspection.findings import Findings
from meagraph.pipeline.survey import Survey
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.ranking import Ranking
from meagraph.step_files.content import check_arrays, real, truth, whole
from meaviz.projects.snapshot import Snapshot
from meaviz.projects.states import plans_in


def check(shot: Snapshot) -> None:
    """Raise ValueError where arrays of a project have other sizes than its dataset, or point outside of it."""
    dataset = shot.dataset
    if dataset is None:
        return
    n, s = dataset.n_environments, dataset.n_structures
    if shot.descriptors is not None:
        check_arrays({"values": shot.descriptors.values}, {"values": real("N", "D", finite=False)}, {"N": n})
        if shot.descriptors.pairs is not None:
            check_arrays({"pairs": shot.descriptors.pairs}, {"pairs": whole("P", 2, below="N")}, {"N": n})
    for learned in (*shot.runs, *(() if shot.learned is None else (shot.learned,))):
        _condensed(learned.condensed, n)
    survey = shot.results.get("survey")
    if survey is not None:
        if shot.learned is None or shot.descriptors is None:
            raise ValueError("a map without its model")
        _survey(survey, n, s, shot.learned.condensed)
    for ranking in shot.results.get("rankings", ()):
        _ranking(ranking, n)
    for plan in plans_in(shot.state):
        _plan(plan, n, s)
    errors = shot.results.get("errors")
    if errors is not None:
        arrays = {"energy": errors.energy, "forces": errors.forces, "stress": errors.stress}
        rules = {
            "energy": real("S", finite=False),
            "forces": real("N", 3, finite=False),
            "stress": real("S", 3, 3, finite=False),
        }
        check_arrays(arrays, rules, {"N": n, "S": s})
    findings = shot.results.get("findings")
    if findings is not None:
        _findings(findings, n, s)
    evidence = shot.results.get("evidence")
    if evidence is not None:
        for kind in (*evidence.kinds, evidence.sites):
            sizes = {"N": n, "K + 1": len(kind.words) + 1}
            check_arrays({"codes": kind.codes}, {"codes": whole("N", below="K + 1")}, sizes)
        phases = {name: values for name, values in vars(evidence.phases).items() if isinstance(values, np.ndarray)}
        if any(values.shape != (n,) for values in phases.values()):
            raise ValueError("phases of other environments")
    novelty = shot.results.get("novelty")
    if novelty is not None:
        check_arrays({"value": novelty.value}, {"value": real("N", least=0)}, {"N": n})
    quick = shot.results.get("quick")
    if quick is not None:
        _places(quick.projection.xy, n)


def _places(xy: NDArray[np.floating], n: int) -> None:
    check_arrays({"xy": xy}, {"xy": real("N", 2)}, {"N": n})


def _condensed(found: Condensed, n: int) -> None:
    rules = {
        "representatives": whole("M", below="N"),
        "assignment": whole("N", below="M"),
        "distance": real("N", least=0),
        "multiplicity": whole("M", least=1),
    }
    check_arrays({name: getattr(found, name) for name in rules}, rules, {"N": n, "M": len(found.representatives)})


def _findings(found: Findings, n: int, s: int) -> None:
    if (found.n_environments, found.n_structures) != (n, s):
        raise ValueError("findings of other data")
    for one in found.found:
        check_arrays(
            {"structures": one.structures, "environments": one.environments},
            {"structures": whole("K", below="S"), "environments": whole("R", below="N")},
            {"N": n, "S": s},
        )
    for histogram, length in (
        *((one.histogram, s if one.level == "structure" else n) for one in found.distributions),
        *((pair.lengths, 0) for pair in found.pairs if pair.lengths is not None),  # counts alone
    ):
        bars = len(histogram.counts)
        check_arrays(
            {"edges": histogram.edges, "bin": histogram.bin, "counts": histogram.counts},
            {"edges": real("B + 1"), "bin": whole("L", below="B + 1"), "counts": whole("B")},
            {"L": length, "B": bars, "B + 1": bars + 1},
        )


def _survey(survey: Survey, n: int, s: int, condensed: Condensed) -> None:
    sizes = {"N": n, "S": s, "M": condensed.size}
    embedding, clusters, outliers = survey.embedding, survey.clusters, survey.outliers
    sizes["C"] = clusters.n_clusters
    _places(survey.projection.xy, n)
    check_arrays(
        {
            "values": embedding.values,
            "edge_index": embedding.edge_index,
            "score": embedding.score,
            "connected": embedding.connected,
            "labels": clusters.labels,
            "sizes": clusters.sizes,
            "outliers": outliers.score,
            "unclustered": outliers.unclustered,
        },
        {
            "values": real("M", "H"),
            "edge_index": whole(2, "E", below="M"),
            "score": real("E"),
            "connected": truth("M"),
            "labels": whole("N", least=-1, below="C"),
            "sizes": whole("C"),
            "outliers": real("N", least=0),
            "unclustered": truth("N"),
        },
        sizes,
    )
    nodes = embedding.nodes
    if nodes is not None:
        check_arrays(
            {"rows": nodes.rows, "values": nodes.values, "nearest": nodes.nearest},
            {"rows": whole("L", below="N"), "values": real("L", "H"), "nearest": whole("N", below="L")},
            {"N": n, "L": len(nodes.rows)},
        )
    for signal in outliers.signals:
        arrays = {name: np.asarray(getattr(signal, name)) for name in ("value", "deviation", "rarity")}
        check_arrays(arrays, {name: real("N", finite=False) for name in arrays}, sizes)
        if signal.partner is not None:
            check_arrays({"partner": np.asarray(signal.partner)}, {"partner": whole("N", least=-1, below="S")}, sizes)
    for family in outliers.families:
        check_arrays(
            {"members": family.members, "rows": family.rows},
            {"members": whole("K", below="S"), "rows": whole("R", below="N")},
            {"N": n, "S": s},
        )
    tree = clusters.hierarchy
    if tree is not None:
        check_arrays(
            {"fine": tree.fine, "parent": tree.parent, "strength": tree.strength},
            {"fine": whole("K", least=-1, below="F"), "parent": whole("F", below="F"), "strength": real("F")},
            {"F": len(tree.parent)},
        )
    _ranking(survey.ranking, n)


def _ranking(ranking: Ranking, n: int) -> None:
    sizes = {"N": n, "B": len(ranking.sizes)}
    check_arrays(
        {"rank": ranking.rank, "bin": ranking.bin, "sizes": ranking.sizes},
        {"rank": whole("N", below="N"), "bin": whole("N", below="B"), "sizes": whole("B")},
        sizes,
    )
    if ranking.worth is not None:
        check_arrays({"worth": ranking.worth}, {"worth": real("N")}, sizes)
    if ranking.known is not None:
        check_arrays({"known": ranking.known}, {"known": truth("N")}, sizes)


def _plan(plan: PruningPlan, n: int, s: int) -> None:
    check_arrays(
        {"keep": plan.keep, "structures": plan.structures, "protected": plan.protected},
        {"keep": truth("N"), "structures": truth("S"), "protected": truth("S")},
        {"N": n, "S": s},
    )
