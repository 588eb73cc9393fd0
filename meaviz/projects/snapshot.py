"""All that a session is at one moment, as one object of unchanging parts, and a session made from it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.errors import MEAGraphError
from meagraph.inspection.properties import Properties
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.learned import Learned
from meagraph.pruning.plan import PruningPlan
from meaviz.session import Session
from meaviz.session.data import Asked
from meaviz.session.recipe import recipe_of
from meaviz.session.runs import TrainingRun

OF_DATA = ("stability", "thin", "suspects", "cluster_stability")  # results that are taken as they are
OF_PLANNING = ("cost", "curves", "quests")
LOOKS = ("colour_by", "size_by", "axes", "atoms_by", "show_pruned", "labels")  # of the appearance


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a project holds; each part is None or empty where the session has none."""

    asked: Asked | None = None
    dataset: AtomicDataset | None = None
    descriptors: Descriptors | None = None
    learned: Learned | None = None
    runs: tuple[Learned, ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)  # each made once and never changed
    state: Mapping[str, Any] = field(default_factory=dict)  # what an action changes
    recipe: str = ""  # what led to the plan, as YAML

    @property
    def known(self) -> dict[str, Any]:
        """What results and settings refer to by name, for they do not hold it themselves."""
        learned = self.learned
        points = {} if learned is None else {"points": learned.points, "condensed": learned.condensed}
        return {"dataset": self.dataset, **points}

    @property
    def analysis(self) -> Analysis | None:
        """All up to the map, None where that is not there."""
        survey = self.results.get("survey")
        if self.dataset is None or self.descriptors is None or self.learned is None or survey is None:
            return None
        return Analysis(self.dataset, self.descriptors, self.learned, survey)


def taken(session: Session) -> Snapshot:
    """What ``session`` is now; nothing is copied that could be shared."""
    data, planning, selection, judging = session.data, session.planning, session.selection, session.judging
    results = {
        "survey": data.survey,
        "evidence": data.evidence,
        "quick": data.quick,
        "errors": data.errors,
        "findings": data.findings if data.findings is not None and data.findings.complete else None,
        "novelty": data.novelty,
        "rankings": planning.rankings,
        **{name: getattr(data, name) for name in OF_DATA},
        **{name: getattr(planning, name) for name in OF_PLANNING},
    }
    named = selection.named
    state = {
        "next_config": data.next_config,
        "selected": None if selection.mask is None else np.packbits(selection.mask).tobytes(),
        "filters": selection.filters,
        "inspected": selection.inspected,
        "shown_as": selection.asked,
        "pinned": selection.pinned,
        "named": {} if named is None else {name: bits.tobytes() for name, bits in named.packed.items()},
        "selections": selection.history.all,
        "settings": planning.settings,
        "settings_before": planning.history.all,
        "leave_out_flagged": planning.leave_out_flagged,
        "keep_ordinary": planning.keep_ordinary,
        "plan": planning.plan,
        "plans": dict(planning.plans),
        "compared": planning.compared,
        "judged": judging.judged,
        "undone": judging.undone,
        "candidate": judging.candidate,
        "past": session.past.all,
        "looks": {name: getattr(session.appearance, name) for name in LOOKS},
        "views": dict(session.appearance.views),
    }
    runs = tuple(run.learned for run in data.runs)
    return Snapshot(data.asked, data.dataset, data.descriptors, data.learned, runs, results, state, _recipe(session))


def _recipe(session: Session) -> str:
    """What led to the plan; empty where there is none, or where one chain cannot say it."""
    try:
        return recipe_of(session).to_yaml()
    except MEAGraphError:
        return ""


def restore(session: Session, shot: Snapshot) -> None:
    """Let ``session`` be what it was; nothing is computed that takes longer than a plan.

    Raises MEAGraphError where kept selections or judgements of this machine cannot be read.
    """
    state, results, data, planning = shot.state, shot.results, session.data, session.planning
    with session.together():
        session.set_dataset(shot.dataset, shot.asked)
        data.param.update(
            asked=shot.asked,
            next_config=state.get("next_config", data.next_config),
            findings=results.get("findings"),
        )
        if results.get("errors") is not None:
            session.set_errors(results["errors"])
    if shot.dataset is None:
        return
    _name_selections(session, state.get("named", {}))
    if shot.descriptors is not None and shot.learned is None:
        session.set_descriptors(shot.descriptors, results.get("quick"))
    found = shot.analysis
    with session.together():
        if found is not None:
            session.set_analysis(found, results.get("evidence"), results.get("quick"))
        elif shot.descriptors is not None:
            session.set_descriptors(shot.descriptors, results.get("quick"))
            if shot.learned is not None:
                session.set_learned(shot.learned)
        if shot.runs:
            data.runs = tuple(TrainingRun(number, one) for number, one in enumerate(shot.runs, 1))
        if found is not None:
            data.param.update(**{name: results[name] for name in OF_DATA if results.get(name) is not None})
    if found is not None:
        if results.get("novelty") is not None:
            session.set_novelty(results["novelty"])
        with session.together():
            _plan(session, shot)
    with session.together():
        _look(session, state)
    planning.history.resume(*state.get("settings_before", ((planning.settings,), 0)))
    if found is not None:
        _take_plan(session, state.get("plan"))
        planning.param.trigger("plan")  # what can be undone is known now
    session.past.resume(*state.get("past", ((), -1)))


def _plan(session: Session, shot: Snapshot) -> None:
    planning, state, results = session.planning, shot.state, shot.results
    planning.param.update(
        rankings=results.get("rankings") or planning.rankings,
        leave_out_flagged=state.get("leave_out_flagged", True),
        keep_ordinary=state.get("keep_ordinary", False),
        settings=state.get("settings", planning.settings),
        plans=state.get("plans", {}),
        **{name: results[name] for name in OF_PLANNING if results.get(name) is not None},
    )
    first, second = state.get("compared", ("", ""))
    if first in planning.plans and second in planning.plans:
        planning.compared = (first, second)


def _take_plan(session: Session, plan: PruningPlan | None) -> None:
    """The plan itself, whose figures name it, unless judgements have come meanwhile that ask for another."""
    now = session.planning.plan
    if plan is None or now is None or now.config != plan.config:
        return
    if all(np.array_equal(getattr(now, name), getattr(plan, name)) for name in ("keep", "structures", "protected")):
        session.planning.plan = plan


def _look(session: Session, state: Mapping[str, Any]) -> None:
    """Selection, filters and what is looked at."""
    selection, dataset, known = session.selection, session.data.dataset, session.data.properties
    assert dataset is not None
    size, bits = dataset.n_environments, state.get("selected")
    if bits is not None and len(bits) == -(-size // 8):
        filters = state.get("filters", selection.filters)
        shown = None
        if known is not None:
            try:
                shown = filters.mask(known)
            except (MEAGraphError, LookupError, TypeError):  # by what is not there any more, or is no category
                filters = replace(filters, ranges=(), choices=(), condition="")
        selection.history.resume(*state.get("selections", ((bits,), 0)))
        selection.param.update(mask=unpack(bits, size), filters=filters, shown=shown)
    row, pinned = state.get("inspected", -1), state.get("pinned", -1)
    selection.param.update(
        inspected=row if -1 <= row < size else -1,
        pinned=pinned if -1 <= pinned < size else -1,
        asked=state.get("shown_as", "environment"),
    )
    session.judging.resume(state.get("judged", ()), state.get("undone", ()), state.get("candidate", -1))
    looks = {name: value for name, value in state.get("looks", {}).items() if name in LOOKS}
    session.appearance.param.update(**looks, views=state.get("views", {}))
    if isinstance(known, Properties):
        session.appearance.fit(known)


def _name_selections(session: Session, named: Mapping[str, bytes]) -> None:
    """Selections under names that the project has and this machine has not; of two with a name both stay."""
    selection = session.selection
    if selection.named is None:
        return
    known = selection.named.packed
    for name, bits in named.items():
        mine = known.get(name)
        if mine is None or not np.array_equal(mine, np.frombuffer(bits, np.uint8)):
            mask = unpack(bits, selection.named.size)
            other = name if mine is None else f"{name[:60]} (of the project)"
            selection.named = selection.named.keep(other, mask)


def unpack(bits: bytes, size: int) -> np.ndarray:
    """The mask (``size``,) of which these are the bits."""
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=size).astype(bool)
