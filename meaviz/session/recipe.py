"""The recipe of a session: everything that its export hangs on, as it is now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from meagraph.errors import MEAGraphError
from meagraph.pipeline.sharing import asks
from meagraph.recipe import BY_JUDGEMENTS, BY_PLAN, File, Judged, Predicted, Recipe, Report
from meagraph.recipe.making import recipe_from
from meagraph.recipe.parts import ORDINARY, OUTLIER, ranges
from meaviz.session.session import Session

AS_THE_APP_READS = {"on_error": "quarantine"}  # see :func:`meaviz.jobs.shared.open_dataset`


def recipe_of(session: Session) -> Recipe:
    """What led to the plan of ``session``, to be done again by :func:`meagraph.recipe.replay`.

    Raises MEAGraphError before there is a plan.
    """
    data, planning = session.data, session.planning
    analysis, plan, opened = data.analysis, planning.plan, data.opened
    if analysis is None or plan is None:
        raise MEAGraphError("There is no plan to write a recipe of yet. Compute the map first.")
    reading = {} if opened is None else {**AS_THE_APP_READS, **opened.reading}
    known = tuple(map(str, reading.pop("known", ())))
    sources = (source.path for source in analysis.dataset.sources if not source.known)
    ranking = planning.ranking_for(plan.config)
    return recipe_from(
        analysis,
        tuple(sources) if opened is None else opened.paths,
        known,
        reading=reading,
        predictions=_predictions(session) if plan.config.by_error else None,
        judgements=tuple(_judged(session)),
        leave_out_flagged=planning.leave_out_flagged,
        keep_ordinary=planning.keep_ordinary,
        plan=replace(plan.config, by_error=""),
        try_shares=ranking is None or not asks(plan.config, ranking),
        report=_report(session),
        parts={name: _part(session, name) for name in planning.parts_written if name in session.part_names()},
    )


def _predictions(session: Session) -> Predicted | None:
    errors = session.data.errors
    if errors is None:
        return None
    predicted = errors.predicted
    if predicted.family:
        return Predicted(family=predicted.family)
    files = tuple(File(source.path, source.sha256) for source in predicted.sources)
    return Predicted(files=files, reading=AS_THE_APP_READS) if files else None


def _judged(session: Session) -> list[Judged]:
    """What counts of the judgements, those of one act and structure together, in the order in which they were made.

    Structures of equal content are judged as one: the first of them stands for all.
    """
    dataset, judging = session.data.dataset, session.judging
    judgements = judging.judgements
    if dataset is None or judgements is None:
        return []
    verdicts = ((judgements.outlier, OUTLIER), (judgements.ordinary, ORDINARY))
    found: dict[tuple[str, str, int], tuple[str, list[int]]] = {}
    acts = {act.uid: act for act in judgements.acts.values()}
    for mask, verdict in verdicts:
        for row in np.flatnonzero(mask & (judgements.twin == np.arange(judgements.size))).tolist():
            act = judgements.of(row)[0]
            place = (act.time, act.uid, int(dataset.structure_of[row]))
            found.setdefault(place, (verdict, []))[1].append(int(dataset.atom_of[row]))
    return [
        Judged(
            verdict,
            structure,
            dataset.structure_keys[structure],
            tuple(atoms),
            acts[uid].author,
            acts[uid].reason,
            acts[uid].note,
        )
        for (_, uid, structure), (verdict, atoms) in sorted(found.items())
    ]


def _report(session: Session) -> Report:
    """What an export now says beside the plan: figures of this plan, and curves of these settings."""
    planning = session.planning
    figures, cost, quests, curves = planning.figures, planning.cost, planning.quests, planning.curves_now
    plan = planning.plan
    return Report(
        measures=figures is not None and figures.plan is plan and figures.measures is not None,
        cost=len(cost.random) if cost is not None and cost.plan is plan else None,
        curves=() if curves is None else tuple(line.selector for line in curves.lines),
        quests=quests.config if quests is not None and quests.plan is plan else None,
    )


def _part(session: Session, name: str) -> str:
    """What a part that was written is: the rows of a selection, or how it follows from the rest."""
    if name in ("kept", "dropped"):
        return BY_PLAN
    return BY_JUDGEMENTS if name == "flagged" else ranges(np.flatnonzero(session.part(name)).tolist())
