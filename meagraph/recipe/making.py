"""The recipe of an analysis, whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meagraph.descriptors import KINDS
from meagraph.files import sha256_file
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.config import PipelineConfig
from meagraph.recipe.recipe import File, Recipe, unusual_reading


def recipe_from(
    analysis: Analysis,
    paths: Sequence[str],
    known: Sequence[str] = (),
    *,
    reading: Mapping[str, Any],
    **rest: Any,
) -> Recipe:
    """The recipe of ``analysis``, whose data was read from ``paths`` and ``known`` with the options ``reading``.

    ``rest`` are the fields of :class:`Recipe` that follow the analysis: judgements, plan, report.
    """
    start = analysis.learned.start
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
