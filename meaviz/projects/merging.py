"""Judgements, named plans and named selections of several people in one project.

Judgements merge act by act: the newest counts, and where people disagree both words stay in sight. Of two plans, or
selections, of one name and different content both are kept, and that is told. A plan with shares by cluster comes
only where the clusters are the same, for elsewhere its numbers mean other ones; that is told, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.latent.clustering import Clusters
from meagraph.pruning.plan import PruningPlan
from meaviz.judgements.judgements import Judgements, read_judgements
from meaviz.judgements.ledger import ledger_path
from meaviz.projects.ledgers import LEDGER, adopt
from meaviz.projects.project import Project, Read
from meaviz.session import Session
from meaviz.session.planning import LONGEST_NAME

T = TypeVar("T")
LABEL, ALIKE = 40, 30  # characters of the name of the other project, and by which a name given for it is known again


@dataclass(frozen=True)
class Merged:
    """What came from another project, and where the two disagree."""

    source: str
    judgements: int  # acts that were not known
    disputed: int  # environments that some call an outlier and others ordinary, that nobody disputed before
    plans: tuple[str, ...]  # names that came
    selections: tuple[str, ...]
    conflicts: tuple[str, ...]  # in sentences

    def words(self) -> str:
        """For people."""
        came = f"{self.source}: {self.judgements:,} judgements, {len(self.plans)} plans and {len(self.selections)} "
        return " ".join([f"{came}selections came.", *self.conflicts])


def merge_projects(target: str | Path, source: str | Path) -> Merged:
    """Add to the project ``target`` what people judged, planned and selected in the project ``source``.

    Raises MEAGraphError where either cannot be used, the data differs, or another writes ``target``.
    """
    project = Project(target, write=True)
    try:
        mine, theirs = project.read(), _of_same_data(project.read(), source)
        dataset, state = mine.shot.dataset, dict(mine.shot.state)
        assert dataset is not None
        before = read_judgements(dataset, project.path / LEDGER)
        count = adopt(Path(source) / LEDGER, project.path / LEDGER)
        label = Path(source).stem[:LABEL]
        conflicts: list[str] = []
        survey = mine.shot.results.get("survey")
        clusters = None if survey is None else survey.clusters
        offered = _of_these_clusters(theirs, clusters, conflicts)
        state["plans"], plans = _both(state.get("plans", {}), offered, label, _plans_apart, conflicts, "plan")
        state["plans"] = {name: _own(plan, dataset, clusters) for name, plan in state["plans"].items()}
        state["named"], named = _both(
            state.get("named", {}),
            theirs.shot.state.get("named", {}),
            label,
            _selections_apart,
            conflicts,
            "selection",
        )
        project.save(replace(mine.shot, state=state))
        after = read_judgements(dataset, project.path / LEDGER)
        return _merged(source, count, before, after, plans, named, conflicts)
    finally:
        project.close()


def merge_into_session(session: Session, source: str | Path) -> Merged:
    """The same for what a session shows; its judgements are those of the user. Raises as :func:`merge_projects`."""
    selection, planning, judging, dataset = session.selection, session.planning, session.judging, session.data.dataset
    if dataset is None:
        raise MEAGraphError("There is nothing to merge with yet. Open a dataset first.")
    theirs = Project(source).read()
    _check_same(dataset.fingerprint, theirs, source)
    before = judging.judgements
    count = adopt(Path(source) / LEDGER, ledger_path())
    label = Path(source).stem[:LABEL]
    conflicts: list[str] = []
    clusters = None if session.data.survey is None else session.data.survey.clusters
    offered = _of_these_clusters(theirs, clusters, conflicts)
    plans, new = _both(planning.plans, offered, label, _plans_apart, conflicts, "plan")
    named = {} if selection.named is None else {k: bits.tobytes() for k, bits in selection.named.packed.items()}
    both, came = _both(named, theirs.shot.state.get("named", {}), label, _selections_apart, conflicts, "selection")
    with session.together():
        if new:
            planning.plans = {name: _own(plan, dataset, clusters) for name, plan in plans.items()}
        if came and selection.named is not None:
            selection.named = selection.named.holding({k: np.frombuffer(v, np.uint8) for k, v in both.items()})
        judging.refresh()
    return _merged(source, count, before, judging.judgements, new, came, conflicts)


def _own(plan: PruningPlan, dataset: AtomicDataset, clusters: Clusters | None) -> PruningPlan:
    """A plan of equal data as one of ``dataset``, counted by its clusters."""
    if plan.dataset is dataset:
        return plan
    return replace(plan if clusters is None else plan.counted(clusters), dataset=dataset)


def _of_same_data(mine: Read, source: str | Path) -> Read:
    theirs = Project(source).read()
    if mine.shot.dataset is None:
        raise MEAGraphError("The project holds no data yet. Open the data in it first.")
    _check_same(mine.shot.dataset.fingerprint, theirs, source)
    return theirs


def _check_same(fingerprint: str, theirs: Read, source: str | Path) -> None:
    other = theirs.shot.dataset
    if other is None or other.fingerprint != fingerprint:
        raise MEAGraphError(
            f"{source}: expected a project of the same data, but its structures or labels differ. Export its "
            "judgements and import them: these are known by the content of each structure."
        )


def _both(
    mine: Mapping[str, T],
    theirs: Mapping[str, T],
    label: str,
    apart: Callable[[T, T], str],
    conflicts: list[str],
    what: str,
) -> tuple[dict[str, T], list[str]]:
    """What both hold by name, and the names that came; what differs under one name comes under another.

    ``apart`` says in words how far two are apart, nothing where they are the same.
    """
    found, came = dict(mine), []
    for name, one in theirs.items():
        if name not in found:
            found[name] = one
            came.append(name)
        elif words := apart(found[name], one):
            other = _other_name(name, label, found)
            if any(not apart(known, one) for key, known in found.items() if key.startswith(name[:ALIKE])):
                continue  # it came before
            found[other] = one
            came.append(other)
            conflicts.append(f"The {what} {name!r} differs ({words}): theirs is kept as {other!r}.")
    return found, came


def _other_name(name: str, label: str, taken: Mapping[str, object]) -> str:
    for number in range(1, 1000):
        last = f" ({label})" if number == 1 else f" ({label} {number})"
        other = f"{name[: LONGEST_NAME - len(last)]}{last}"
        if other not in taken:
            return other
    raise MEAGraphError(f"There are too many plans or selections called {name!r}. Remove some.")


def _plans_apart(one: PruningPlan, other: PruningPlan) -> str:
    structures = int((one.structures != other.structures).sum())
    if structures:
        return f"{structures:,} of {len(one.structures):,} structures are kept by one alone"
    rest = any(not np.array_equal(getattr(one, name), getattr(other, name)) for name in ("keep", "protected"))
    if rest or one.config != other.config:
        return "the same structures are kept, by other settings"
    return ""


def _selections_apart(one: bytes, other: bytes) -> str:
    bits = [np.unpackbits(np.frombuffer(packed, np.uint8)) for packed in (one, other)]
    count = int((bits[0] != bits[1]).sum())
    return f"{count:,} environments are in one alone" if count else ""


def _of_these_clusters(theirs: Read, mine: Clusters | None, conflicts: list[str]) -> dict[str, PruningPlan]:
    """The plans of ``theirs`` that can be understood here; the others are told."""
    survey = theirs.shot.results.get("survey")
    same = survey is not None and mine is not None and np.array_equal(survey.clusters.labels, mine.labels)
    plans = theirs.shot.state.get("plans", {})
    conflicts.extend(
        f"The plan {name!r} stays in their project: it sets shares of clusters, and these are other ones here."
        for name, plan in plans.items()
        if plan.config.fractions and not same
    )
    return {name: plan for name, plan in plans.items() if same or not plan.config.fractions}


def _merged(
    source: str | Path,
    count: int,
    before: Judgements | None,
    after: Judgements | None,
    plans: list[str],
    selections: list[str],
    conflicts: list[str],
) -> Merged:
    disputed = 0 if after is None else int(after.disputed.sum()) - (0 if before is None else int(before.disputed.sum()))
    if disputed > 0:
        conflicts.append(
            f"{disputed:,} environments are judged differently by different people: the newest word counts, and the "
            "tab Outliers shows all."
        )
    return Merged(Path(source).name, count, max(disputed, 0), tuple(plans), tuple(selections), tuple(conflicts))
