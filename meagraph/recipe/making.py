"""The recipe of an analysis, whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meagraph.descriptors import KINDS
from meagraph.errors import MEAGraphError
from meagraph.files import sha256_file
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.config import PipelineConfig
from meagraph.recipe.parts import File, unusual_reading
from meagraph.recipe.recipe import Recipe


def recipe_from(
    analysis: Analysis,
    paths: Sequence[str],
    known: Sequence[str] = (),
    *,
    reading: Mapping[str, Any],
    **rest: Any,
) -> Recipe:
    """The recipe of ``analysis``, whose data was read from ``paths`` and ``known`` with the options ``reading``.

    ``rest`` are the fields of :class:`Recipe` that follow the analysis: judgements, plan, report. Raises MEAGraphError
    for a map that was made with other settings than the model that was trained for it.
    """
    start, learned = analysis.learned.start, analysis.learned.config
    if start is None and (learned.graph, learned.seed) != (analysis.config.graph, analysis.config.seed):
        raise MEAGraphError(
            "The map was made with another seed or other edges than the model, which a recipe of one chain cannot say. "
            "Save the model and analyse with it, or train with the settings of the map."
        )
    recipe = Recipe(
        data=(File(""),),  # those of the dataset take its place
        reading=unusual_reading(reading),
        others=_others(analysis.config),
        analysis=analysis.config,
        model=None if start is None else File(start.path, start.sha256),
        fine_tune=start is not None and start.fine_tuned,
        **rest,
    )
    return recipe.of(analysis.dataset, paths, known)


def _others(config: PipelineConfig) -> tuple[File, ...]:
    """The file that descriptors come from, where they come from one."""
    source = config.descriptors.source
    if not KINDS[config.descriptors.method].source.startswith("the path"):
        return ()
    return (File(source, sha256_file(source) if Path(source).is_file() else ""),)
