"""The recipe of what the options of a command ask for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from meagraph.cli.options import reading_options

if TYPE_CHECKING:
    from meagraph.datasets import AtomicDataset
    from meagraph.pipeline.analysis import Analysis
    from meagraph.pruning.settings import PruningConfig
    from meagraph.recipe import Predicted, Recipe
    from meagraph.step_files.descriptors import Described
    from meagraph.step_files.latent import LatentFile


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
        formats=tuple(options.to),
        weights=options.weights,
    )


def recipe_of_steps(
    options: argparse.Namespace,
    dataset: AtomicDataset,
    described: Described,
    file: LatentFile,
    pruning: PruningConfig,
    predictions: Mapping[str, Any] | None,
) -> tuple[Recipe | None, str]:
    """The recipe of a plan made from the files of steps; None, and why, where the chain in one go is not the same."""
    from dataclasses import fields

    from meagraph.cli.options import pipeline_config
    from meagraph.descriptors import KINDS, DescriptorConfig
    from meagraph.descriptors.computing import recipe as parameters_of
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.recipe import File, Recipe, Report
    from meagraph.recipe.parts import unusual_reading

    identity, path = described.descriptors.identity, file.about.get("model")
    if options.clusters_file is not None:
        return None, "clusters of a file of their own have no levels, which plans are made from otherwise"
    if not isinstance(path, str):
        return None, "the latent space does not name the file of its model; embed anew"
    names = [one.name for one in fields(DescriptorConfig) if one.name in identity]
    descriptors = DescriptorConfig(**{name: identity[name] for name in names})
    if KINDS[descriptors.method].source:
        return None, f"descriptors of the kind {descriptors.method!r} are not computed from the data alone"
    parameters, _ = parameters_of(dataset, descriptors)
    if any(identity.get(name) != value for name, value in parameters.items()):
        return None, f"the descriptors have settings that 'run' has not: {identity}"
    usual = PipelineConfig(
        descriptors=descriptors,
        context=described.descriptors.frame is not None,
        budget=file.about.get("budget", PipelineConfig.budget),
        graph=file.latent.graph,
        pooling_rate=file.latent.embedding.rate,
    )
    recipe = Recipe(
        data=(File(""),),  # those of the dataset take its place
        reading=unusual_reading(reading_options(options)),
        analysis=pipeline_config(options, usual),
        model=File(path, file.about["made_from"]["model"]),
        drop_duplicates=options.drop_duplicates,
        distance=options.distance,
        predictions=_predictions(options, predictions),
        plan=pruning,
        report=Report(measures=True),
        formats=tuple(options.to),
        weights=options.weights,
    )
    return recipe.of(dataset, options.data, options.known), ""


def _predictions(options: argparse.Namespace, given: Mapping[str, Any] | None) -> Predicted | None:
    from meagraph.recipe import File, Predicted
    from meagraph.recipe.parts import unusual_reading

    if given is None or "family" in given:
        return None if given is None else Predicted(family=given["family"])
    files = tuple(File(source.path, source.sha256) for source in given["other"].sources)
    reading = {**reading_options(options), "allow_unlabelled": False, "stress_unit": None}
    return Predicted(files=files, reading=unusual_reading(reading))
