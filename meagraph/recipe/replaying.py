"""A recipe to the files that it led to: the chain again, without anybody watching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Facts
from meagraph.duplicates.dropping import Dropped, find_dropped
from meagraph.errors import MEAGraphError
from meagraph.evaluation.coverage import measure
from meagraph.exports import check_target
from meagraph.exports.formats import check_formats
from meagraph.exports.parts import PartFiles
from meagraph.files import read_bytes
from meagraph.pipeline.analysis import Analysis, analyse
from meagraph.pipeline.costs import cost_along
from meagraph.pipeline.data import as_dataset, with_data
from meagraph.pipeline.planning import cost_of, export, prune, ranking_for, yardstick_of
from meagraph.pipeline.predicting import errors_of
from meagraph.pipeline.quests import measure_quests
from meagraph.pipeline.run import Run
from meagraph.pipeline.selecting import write_selections
from meagraph.predictions import Errors
from meagraph.progress import Progress, part, silent
from meagraph.pruning.plan import PruningPlan
from meagraph.recipe.finding import check_data, differences, located, located_files, refuse
from meagraph.recipe.judged import flag_details, judged_mask, missing
from meagraph.recipe.parts import BY_JUDGEMENTS, BY_PLAN, ORDINARY, OUTLIER, numbers_of
from meagraph.recipe.reading import LARGEST
from meagraph.recipe.recipe import Recipe, made_with


@dataclass(frozen=True, eq=False, repr=False)
class Replayed(Run):
    """What a recipe led to when it was done again."""

    recipe: Recipe | None = None  # as it was done: of other data another one
    notes: tuple[str, ...] = ()  # what differs from what the recipe was made of, in sentences
    parts: PartFiles | None = None  # other parts that were written

    def _facts(self) -> Facts:
        return [*super()._facts(), *(("note", note) for note in self.notes)]


def replay(
    recipe: Recipe | str | Path,
    data: Sequence[str | Path] | str | Path | None = None,
    *,
    out: str | Path | None = None,
    device: str = "cpu",
    cache: bool = True,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Replayed:
    """Do what ``recipe``, or the file of one, says, and write what it leads to into the folder ``out`` if one is named.

    The files are equal, byte for byte, to those that the recipe was written beside. Its data must be what it was: on
    files that have changed, or others, it is done where they are named as ``data``. Then the result has ``notes``: what
    is other, judgements on structures that are not there, and fractions of clusters and selections, which mean nothing
    there and are left out. Raises MEAGraphError for a recipe that cannot be read or done.
    """
    folder = None if isinstance(recipe, Recipe) else Path(recipe).parent
    recipe = located_files(recipe if isinstance(recipe, Recipe) else read_recipe(recipe), folder)
    paths = [located(path, folder) for path in recipe.paths] if data is None else _named(data)
    known = [located(path, folder) for path in recipe.known_paths]
    if data is None:
        check_data(recipe, paths)
    reading = {**recipe.reading, "cache": cache, "progress": part(progress, 0.0, 0.1)}
    dataset = with_data(paths, known or None, **reading)
    refuse(recipe, dataset, others=data is not None)
    recipe, notes = _fitted(recipe, dataset, paths, known)
    if out is not None:
        check_target(dataset, out, overwrite=overwrite, recipe=True)
        check_formats(dataset, out, recipe.formats, weights=recipe.weights, overwrite=overwrite)
    found = analyse(
        dataset,
        config=recipe.analysis,
        model_path=None if recipe.model is None else recipe.model.path,
        fine_tune=recipe.fine_tune,
        device=device,
        cache=cache,
        progress=part(progress, 0.1, 0.7),
    )
    masks = _masks(recipe, found.dataset, progress=part(progress, 0.7, 0.75))
    errors = _errors(recipe, found.dataset, progress=part(progress, 0.75, 0.8))
    ranking = ranking_for(
        found, recipe.plan, try_shares=recipe.try_shares, cache=cache, progress=part(progress, 0.8, 0.9)
    )
    plan = prune(
        found,
        config=recipe.plan,
        ranking=ranking,
        rejected=masks.rejected,
        kept=masks.kept,
        errors=errors,
        progress=part(progress, 0.8, 0.9),
    )
    files = parts = None
    if out is not None:
        figures = _figures(recipe, found, plan, masks, errors, cache=cache, progress=part(progress, 0.9, 1.0))
        files = export(
            found,
            plan,
            out,
            **figures,
            details=masks.details,
            recipe=recipe.to_yaml(),
            formats=recipe.formats,
            weights=recipe.weights,
            flags=masks.flags if masks.flags.any() else None,
            overwrite=overwrite,
        )
        parts = _parts(recipe, found.dataset, plan, masks.flags, out, overwrite=overwrite)
    progress(1, 1, "done")
    return Replayed(
        *(found.dataset, found.descriptors, found.learned, found.survey, plan, files, masks.dropped),
        recipe=recipe,
        notes=tuple(notes),
        parts=parts,
    )


def read_recipe(path: str | Path) -> Recipe:
    """The recipe in a file. Raises MEAGraphError."""
    try:
        text = read_bytes(path, most=LARGEST).decode("utf-8")
    except (OSError, ValueError) as error:
        raise MEAGraphError(
            f"{path}: expected a recipe, but it cannot be read ({error}). Give another file."
        ) from error
    return Recipe.from_yaml(text, path=str(path))


def _named(data: Sequence[str | Path] | str | Path) -> list[str]:
    return [str(data)] if isinstance(data, str | Path) else [str(path) for path in data]


def _fitted(
    recipe: Recipe, dataset: AtomicDataset, paths: Sequence[str], known: Sequence[str]
) -> tuple[Recipe, list[str]]:
    """The recipe as it can be done on ``dataset``, and what of it cannot, in sentences."""
    notes = [] if recipe.made_with in ("", made_with()) else [f"The recipe was made with {recipe.made_with}."]
    other = differences(recipe, dataset)
    gone = missing(dataset, recipe.judgements)
    if gone and not other:
        raise MEAGraphError(
            f"{dataset.name}: expected the structure {gone[0].structure}, which was judged, but no structure has its "
            f"content {gone[0].key}. Mend the recipe."
        )
    if not other and recipe.fingerprint not in ("", dataset.fingerprint):
        notes.append("The files are the same, but their structures or labels are read otherwise than they were.")
    recipe = recipe.of(dataset, paths, known)
    if not other:
        return recipe, notes
    notes.append(f"The data is not that of the recipe: {'; '.join(other)}.")
    if gone:
        notes.append(f"{len(gone):,} of {len(recipe.judgements):,} judgements are on structures that are not there.")
        recipe = replace(recipe, judgements=tuple(one for one in recipe.judgements if one not in gone))
    if recipe.plan.by_hand:
        labels = ", ".join(str(label) for label, _ in recipe.plan.by_hand)
        notes.append(f"Keep fractions of single clusters ({labels}) are left out: the clusters are others.")
        recipe = replace(recipe, plan=replace(recipe.plan, fractions=()))
    if rows := [name for name, what in recipe.parts.items() if what not in (BY_PLAN, BY_JUDGEMENTS)]:
        notes.append(f"Selections are left out, for they are of other environments: {', '.join(rows)}.")
        recipe = replace(recipe, parts={name: what for name, what in recipe.parts.items() if name not in rows})
    return recipe, notes


@dataclass(frozen=True, eq=False)
class _Masks:
    """What judgements and repeats say of the N environments, and what the manifest says of these."""

    flags: NDArray[np.bool_]
    rejected: NDArray[np.bool_]
    kept: NDArray[np.bool_] | None
    dropped: Dropped | None
    details: dict[str, Any]


def _masks(recipe: Recipe, dataset: AtomicDataset, *, progress: Progress) -> _Masks:
    flags = judged_mask(dataset, recipe.judgements, OUTLIER)
    details = flag_details(dataset, flags, left_out=recipe.leave_out_flagged)
    rejected = flags.copy() if recipe.leave_out_flagged else np.zeros_like(flags)
    dropped = None
    if recipe.drop_duplicates is not None:
        dropped = find_dropped(
            dataset,
            recipe.drop_duplicates,
            distance=recipe.distance,
            protected=recipe.plan.protected,
            progress=progress,
        )
        rejected |= dropped.environments
        details = {**details, **dropped.figures()}
    kept = judged_mask(dataset, recipe.judgements, ORDINARY) if recipe.keep_ordinary else None
    return _Masks(flags, rejected, kept, dropped, details)


def _errors(recipe: Recipe, dataset: AtomicDataset, *, progress: Progress) -> Errors | None:
    given = recipe.predictions
    if given is None:
        return None
    if given.family:
        return errors_of(dataset, family=given.family, progress=progress)
    reading = {**given.reading, "allow_unlabelled": True}
    other = as_dataset([file.path for file in given.files], progress=part(progress, 0.0, 0.5), **reading)
    return errors_of(dataset, other=other, progress=part(progress, 0.5, 1.0))


def _figures(
    recipe: Recipe,
    found: Analysis,
    plan: PruningPlan,
    masks: _Masks,
    errors: Errors | None,
    *,
    cache: bool,
    progress: Progress,
) -> dict[str, Any]:
    """What the report says beside the plan, for :func:`meagraph.pipeline.planning.export`."""
    wanted, seed = recipe.report, found.config.seed
    figures: dict[str, Any] = {}
    if wanted.measures:
        figures["measures"] = measure(yardstick_of(found, progress=part(progress, 0.0, 0.2)), plan.keep)
    if wanted.cost is not None:
        figures["cost"] = cost_of(found.dataset, plan, draws=wanted.cost, seed=seed, progress=part(progress, 0.2, 0.4))
    if wanted.curves:
        figures["curves"] = cost_along(
            found,
            recipe.plan,
            wanted.curves,
            rejected=masks.rejected,
            kept=masks.kept,
            errors=errors,
            try_shares=recipe.try_shares,
            cache=cache,
            progress=part(progress, 0.4, 0.8),
        )
    if wanted.quests is not None:
        figures["quests"] = measure_quests(
            found.dataset, plan, wanted.quests, cache=cache, progress=part(progress, 0.8, 1.0)
        )
    return figures


def _parts(
    recipe: Recipe,
    dataset: AtomicDataset,
    plan: PruningPlan,
    flags: NDArray[np.bool_],
    out: str | Path,
    *,
    overwrite: bool,
) -> PartFiles | None:
    if not recipe.parts:
        return None
    usual = {"kept": plan.structures, "dropped": ~plan.structures, "flagged": flags}
    chosen = {}
    for name, what in recipe.parts.items():
        if what in (BY_PLAN, BY_JUDGEMENTS):
            if name not in usual:
                raise MEAGraphError(
                    f"Expected a part among {', '.join(usual)} {what}, but came {name!r}. Mend the recipe."
                )
            chosen[name] = usual[name]
        else:
            mask = np.zeros(dataset.n_environments, dtype=bool)
            mask[list(numbers_of(what, len(mask)))] = True
            chosen[name] = mask
    return write_selections(dataset, chosen, out, overwrite=overwrite)
