"""From an analysis to a pruned dataset: plan, evaluate, export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Facts, Shown, brief, html_table
from meagraph.errors import MEAGraphError
from meagraph.evaluation.against_random import SEEDS, PlanCost
from meagraph.evaluation.against_random import evaluate as against_random
from meagraph.evaluation.coverage import Measures, Yardstick, measure, yardstick
from meagraph.evaluation.equations import Prepared, prepare
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.novelty import Curve, Novelty, find_novelty
from meagraph.evaluation.quests import QuestsConfig, QuestsMeasures, implementation
from meagraph.exports import ExportedFiles
from meagraph.exports.whole import export_with_report
from meagraph.latent.exemplars import extremes
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.provenance import describe_settings
from meagraph.pipeline.quests import measure_quests, measure_surprise
from meagraph.pipeline.sharing import ask, asks
from meagraph.pipeline.tabulating import table_of
from meagraph.predictions.errors import Errors
from meagraph.progress import Progress, part, silent
from meagraph.pruning.by_error import with_error
from meagraph.pruning.plan import PruningPlan, rank_for
from meagraph.pruning.plan import prune as plan_of
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import UNITS, PruningConfig
from meagraph.workers.clients import Client, workers_of

KEEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75)  # of the new, along the curve of novelty


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Shown):
    """What a plan is worth."""

    measures: Measures  # what of the dataset's variety it covers
    cost: PlanCost  # errors of the quick force field, beside random selections and all data
    quests: QuestsMeasures | None = None  # where they were asked for

    def _title(self) -> str:
        return "What the plan is worth"

    def _facts(self) -> Facts:
        quests = [] if self.quests is None else [(f"QUESTS: {name}", value) for name, value in self.quests._facts()]
        return [("covered", brief(self.measures)), *self.cost._facts(), *quests]

    def _parts(self) -> list[str]:
        tables = [html_table(self.measures.table()), html_table(self.cost.table())]
        return tables if self.quests is None else [*tables, html_table(self.quests.table())]

    def figures(self) -> dict[str, Any]:
        """JSON-like: shares between 0 and 1, entropy and diversity in nats, errors in eV/Å and eV per atom."""
        found: dict[str, Any] = {"measures": asdict(self.measures), "cost": self.cost.figures()}
        return found if self.quests is None else {**found, "quests": self.quests.figures()}


def prune(
    analysis: Analysis,
    *,
    config: PruningConfig | None = None,
    ranking: Ranking | None = None,
    rejected: NDArray[np.bool_] | None = None,
    kept: NDArray[np.bool_] | None = None,
    errors: Errors | None = None,
    cache: bool = True,
    progress: Progress = silent,
    **settings: Any,
) -> PruningPlan:
    """A plan of what to keep; environments are ranked anew where the selector asks for it and no ``ranking`` is given.

    Then, unless ``alpha`` is set, it is also found out which shares of the clusters serve the dataset (once, with
    ``cache``): see :func:`meagraph.evaluation.trial.choose_shares`. A ``ranking`` is taken as it is.

    ``settings`` are fields of :class:`PruningConfig`, as ``keep=0.05``, in place of those of ``config``; the seed is
    that of the analysis unless one is given. Environments of ``rejected`` (N,) bool leave with their structures, those
    of ``kept`` (N,) stay with theirs. With ``errors`` of predictions the share of each part of a cluster grows with the
    error there, too. Raises MEAGraphError for settings out of range, for masks of another size, and
    for a ranking that the settings do not ask for.
    """
    for name, mask in (("rejected", rejected), ("kept", kept)):
        _check_mask(name, mask, analysis.dataset)
    usual = PruningConfig(seed=analysis.config.seed) if config is None else config
    pruning = replace(usual, **settings)
    if ranking is None:
        ranking = ranking_for(analysis, pruning, cache=cache, progress=progress)
    if errors is not None:
        pruning, ranking = by_error(pruning, ranking, errors)
    return plan_of(ranking, analysis.survey.clusters, analysis.dataset, pruning, rejected=rejected, kept=kept)


def by_error(config: PruningConfig, ranking: Ranking, errors: Errors) -> tuple[PruningConfig, Ranking]:
    """Settings and a ranking by which the shares grow with these ``errors``, too."""
    name = errors.predicted.name
    return replace(config, by_error=name), with_error(ranking, errors.of_environments)


def ranking_for(
    analysis: Analysis,
    config: PruningConfig,
    *,
    try_shares: bool = True,
    cache: bool = True,
    progress: Progress = silent,
) -> Ranking:
    """The ranking that plans of ``config`` are taken from: that of the analysis, or one made now.

    Unless ``config`` sets them, it knows the shares that the dataset asks for, if these are to be tried.
    """
    found = _ranking_for(analysis, config, progress=part(progress, 0.0, 0.1))
    if not try_shares or not asks(config, found):
        return found
    seed = analysis.config.seed
    return ask(analysis.dataset, found, seed=seed, cache=cache, progress=part(progress, 0.1, 1.0))


def _ranking_for(analysis: Analysis, config: PruningConfig, *, progress: Progress) -> Ranking:
    survey, learned = analysis.survey, analysis.learned
    if config.fits(survey.ranking):
        return survey.ranking
    return rank_for(
        config,
        analysis.dataset,
        survey.clusters,
        learned.points,
        learned.condensed,
        bins=survey.ranking.bin,
        progress=progress,
    )


def novelty(
    analysis: Analysis,
    *,
    config: PruningConfig | None = None,
    quests: QuestsConfig | bool = False,
    cache: bool = True,
    progress: Progress = silent,
    **settings: Any,
) -> Novelty:
    """What of the new structures lies beyond the known ones, and how much of it the first that are chosen cover.

    ``config`` and ``settings`` are those of :func:`prune`: they say how structures are chosen. ``quests`` asks for
    QUESTS' δH too; it needs the extra of this name. Raises MEAGraphError where nothing is known.
    """
    found = analysis.novelty
    if found is None:
        raise MEAGraphError(
            f"{analysis.dataset.name}: novelty expects data that is known already, but there is none. Analyse with "
            "known=."
        )
    if quests:
        implementation()
    usual = PruningConfig(seed=analysis.config.seed) if config is None else config
    pruning = replace(usual, **settings)
    ranking = ranking_for(analysis, pruning, cache=cache, progress=part(progress, 0.0, 0.4))
    found = replace(found, curve=novelty_curve(analysis, ranking, pruning))
    if quests:
        parameters = quests if isinstance(quests, QuestsConfig) else QuestsConfig(seed=pruning.seed)
        measured = measure_surprise(analysis.dataset, parameters, cache=cache, progress=part(progress, 0.4, 1.0))
        found = replace(found, surprise=measured)
    return found


def novelty_curve(analysis: Analysis, ranking: Ranking, config: PruningConfig) -> Curve:
    """How much of the new is covered by what is known, and by ever larger plans of ``config`` beside it.

    Raises MEAGraphError where nothing is known.
    """
    found = analysis.novelty or find_novelty(analysis.dataset, analysis.learned.points, analysis.learned.condensed)
    clusters, dataset = analysis.survey.clusters, analysis.dataset
    steps = [replace(config, keep=keep, number=None, unit=UNITS[0]) for keep in KEEPS]
    return found.along([plan_of(ranking, clusters, dataset, one) for one in steps])


def evaluate(
    analysis: Analysis,
    plan: PruningPlan,
    *,
    draws: int = len(SEEDS),
    quests: QuestsConfig | bool = False,
    cache: bool = True,
    progress: Progress = silent,
) -> Evaluation:
    """What ``plan`` covers, and what it costs a quick force field beside ``draws`` random selections and all data.

    ``quests`` asks for QUESTS' measures too, True with its usual parameters; they need the extra of this name. Raises
    MEAGraphError where that is not installed, where too little is kept for a fit, or for a plan of another dataset.
    """
    dataset = analysis.dataset
    check_plan(plan, dataset)
    if quests:
        implementation()  # where it is missing, that is to be said before all the work
    end = 0.5 if quests else 1.0
    stick = yardstick_of(analysis, progress=part(progress, 0.0, 0.3 * end))
    seed = analysis.config.seed
    cost = cost_of(dataset, plan, draws=draws, seed=seed, progress=part(progress, 0.3 * end, end))
    measured = None
    if quests:
        parameters = quests if isinstance(quests, QuestsConfig) else QuestsConfig(seed=plan.config.seed)
        measured = measure_quests(dataset, plan, parameters, cache=cache, progress=part(progress, end, 1.0))
    return Evaluation(measure(stick, plan.keep), cost, measured)


def yardstick_of(analysis: Analysis, *, progress: Progress = silent) -> Yardstick:
    """What the coverage of plans of ``analysis`` is measured with."""
    learned, clusters = analysis.learned, analysis.survey.clusters
    return yardstick(analysis.dataset, learned.points, learned.condensed, clusters, progress=progress)


def cost_of(
    dataset: AtomicDataset,
    plan: PruningPlan,
    *,
    draws: int = len(SEEDS),
    seed: int = 0,
    prepared: Prepared | None = None,
    progress: Progress = silent,
) -> PlanCost:
    """What ``plan`` costs a quick force field beside ``draws`` random selections and all data; ``seed`` splits.

    ``prepared`` are the equations of the dataset where they are there already.
    """
    if dataset.known.any() and not np.isfinite(dataset.forces[~dataset.known_environments]).any():
        raise MEAGraphError(
            "The cost of a plan expects forces among the new structures, but they have none: nothing is known of what "
            "they add. Judge the plan by its coverage, and label what it keeps."
        )
    if prepared is None:
        prepared = prepare(dataset, seed=seed, progress=part(progress, 0.0, 0.7))
    return against_random(prepared, plan, seeds=range(draws), progress=part(progress, 0.7, 1.0))


def export(
    analysis: Analysis,
    plan: PruningPlan,
    directory: str | Path,
    *,
    measures: Measures | None = None,
    cost: PlanCost | None = None,
    curves: CostCurves | None = None,
    quests: QuestsMeasures | None = None,
    details: Mapping[str, Any] | None = None,
    formats: Sequence[str] = (),
    weights: str | None = None,
    flags: NDArray[np.bool_] | None = None,
    recipe: str | None = None,
    overwrite: bool = False,
    client: Client | None = None,
    progress: Progress = silent,
) -> ExportedFiles:
    """Write the kept structures, an index of all, a manifest with every setting, and a report, into ``directory``.

    The settings are those that made the analysis. ``measures``, ``cost``, ``curves`` and ``quests`` go into the report;
    ``details`` (JSON-like) go into the manifest beside the settings; ``recipe``, the text of a
    :class:`meagraph.recipe.Recipe`, into a file of its own. ``formats`` are names of
    :data:`meagraph.exports.formats.FORMATS`: the kept structures, or a table of all environments, in each of them, read
    back and compared before anything appears; ``weights`` of :data:`meagraph.exports.weights.SCHEMES` for those that
    hold some; ``flags`` (N,) are environments judged to be outliers, a column of the table. A ``client``, as that of
    :func:`meagraph.pipeline.analysis.analyse`, has frames copied by its processes or machines. Raises as
    :func:`meagraph.exports.writing.export_plan`, and MEAGraphError for a plan of another dataset.
    """
    check_plan(plan, analysis.dataset)
    if flags is not None:
        _check_mask("flags", flags, analysis.dataset)
    made = {"of": analysis.dataset.fingerprint, "into": str(Path(directory).absolute())}
    with workers_of(client).within("export", made) as workers:
        return export_with_report(
            analysis.dataset,
            analysis.survey.clusters,
            analysis.survey.projection,
            plan,
            directory,
            names=analysis.cluster_names,
            settings={**describe_settings(analysis), **(details or {})},
            measures=measures,
            cost=cost,
            curves=curves,
            quests=quests,
            families=analysis.survey.outliers.off_together,
            central=central_of(analysis),
            cutoff=analysis.descriptors.cutoff,
            formats=formats,
            weights=weights,
            table=partial(table_of, analysis, plan, flags),
            recipe=recipe,
            overwrite=overwrite,
            workers=workers,
            progress=progress,
        )


def central_of(analysis: Analysis) -> NDArray[np.int64]:
    """The most central environment (C + 1,) of each cluster, and of what is in none; -1 where there is nothing."""
    return extremes(analysis.survey.clusters, analysis.learned.condensed, analysis.survey.embedding.values)[0]


def _check_mask(name: str, mask: NDArray[np.bool_] | None, dataset: AtomicDataset) -> None:
    if mask is not None and (np.shape(mask) != (dataset.n_environments,) or np.asarray(mask).dtype != bool):
        raise MEAGraphError(
            f"Expected {name} as one True or False for each of the {dataset.n_environments:,} environments, but it has "
            f"type {np.asarray(mask).dtype} and shape {np.shape(mask)}. Take a condition, for example "
            '.properties.find("fmax > 30").'
        )


def check_plan(plan: PruningPlan, dataset: AtomicDataset) -> None:
    """Raise MEAGraphError where ``plan`` was made for other data than ``dataset``."""
    other = plan.dataset
    strange = other is not None and other is not dataset and other.fingerprint != dataset.fingerprint
    if strange or plan.keep.shape != (dataset.n_environments,) or plan.structures.shape != (dataset.n_structures,):
        made_for = "other data" if other is None else repr(other.name)
        raise MEAGraphError(
            f"Expected a plan of {dataset.name!r}, but it was made for {made_for}, whose structures or labels differ. "
            "Prune this analysis."
        )
