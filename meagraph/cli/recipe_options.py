"""The recipe of what the options of a command ask for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from meagraph.cli.options import reading_options

if TYPE_CHECKING:
    from meagraph.pipeline.analysis import Analysis
    from meagraph.pruning.settings import PruningConfig
    from meagraph.recipe import Predicted, Recipe


def recipe_of_options(
    options: argparse.Namespace, found: Analysis, pruning: PruningConfig, predictions: Mapping[str, Any] | None
) -> Recipe:
    """The recipe of a plan of ``found`` with the settings ``pruning``, and with all else that the options say.

    ``predictions`` is what :func:`meagraph.cli.predictions_options.predicted_by` made of them.
    """
    from meagraph.recipe.making import recipe_from

    return recipe_from(
        found,
        options.data,
        options.known,
        reading=reading_options(options),
        drop_duplicates=options.drop_duplicates,
        distance=options.distance,
        predictions=_predictions(options, predictions),
        plan=pruning,
    )


def _predictions(options: argparse.Namespace, given: Mapping[str, Any] | None) -> Predicted | None:
    from meagraph.recipe import File, Predicted
    from meagraph.recipe.recipe import unusual_reading

    if given is None or "family" in given:
        return None if given is None else Predicted(family=given["family"])
    files = tuple(File(source.path, source.sha256) for source in given["other"].sources)
    reading = {**reading_options(options), "allow_unlabelled": False, "stress_unit": None}
    return Predicted(files=files, reading=unusual_reading(reading))
