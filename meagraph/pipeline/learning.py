"""Descriptors to a model: condensed, then trained, loaded, fine-tuned or recalled from the cache."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meagraph import compiling
from meagraph.cache import cache_directory, content_key, place, read_cached, recall, remember
from meagraph.datasets.layout import Layout
from meagraph.descriptors import Descriptors, check_same_descriptors
from meagraph.errors import MEAGraphError
from meagraph.files import sha256_file
from meagraph.graph.condensation import Condensed, condense, read_condensed, scaled_rows, write_condensed
from meagraph.graph.similarity import GraphConfig
from meagraph.memory import free
from meagraph.model.agreement import learn_agreement, read_directly
from meagraph.model.checkpoint import load_agreement, load_model, model_files, read_details, read_training, save_model
from meagraph.model.results import EpochRecord
from meagraph.model.settings import ModelConfig, TrainingConfig
from meagraph.pipeline.compiled import LEARNING
from meagraph.pipeline.config import DIRECT, PipelineConfig
from meagraph.pipeline.learned import Learned, Start
from meagraph.progress import Progress, part, silent
from meagraph.workers import HERE, Workers

if TYPE_CHECKING:
    pass

CACHE_VERSION = 8
AGREEMENT_VERSION = 2  # of what neighbours agree on


def learn(
    dataset: Layout,
    descriptors: Descriptors,
    config: PipelineConfig,
    *,
    model_path: str | Path | None = None,
    fine_tune: bool = False,
    device: str = "auto",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    cache: bool = True,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Learned:
    """Condense the descriptors and train a model on them, or load the one at ``model_path``; ``workers`` condense.

    With ``fine_tune`` the loaded model is the start of the training, on ``device`` (see
    :func:`meagraph.model.training.train`). A model trained before with equal settings on equal data comes from the
    cache; a training that was cancelled or killed goes on where it stopped. A loaded model must have been trained on
    the same kind of descriptors, else MEAGraphError says how they differ.
    """
    start, details, begun = "", dict[str, Any](), None
    if model_path is not None:
        shape, details = read_details(model_path)
        check_same_descriptors(details.get("descriptors", {}), descriptors)
        start = sha256_file(model_files(model_path)[0])
        begun = Start(str(model_path), start, fine_tune)
        config = replace(config, widths=shape.widths, kernels=shape.kernels)
    elif fine_tune:
        raise MEAGraphError("Fine-tuning needs a trained model to start from. Name its file.")
    trains = model_path is None or fine_tune
    config = replace(config, descriptors=descriptors.config or config.descriptors)
    if cache and trains and (known := _recall(dataset, descriptors, config, start)) is not None:
        progress(1, 1, "model from the cache")
        return replace(known, start=begun)
    if trains:
        check_room(config, descriptors.own.shape[1], len(descriptors.parameters.get("species", ())))
    with workers.within("scaled", _condensing(dataset, descriptors, config)) as here:
        points = scaled_rows(descriptors.own, here)
    condensed = condense_for(
        dataset, descriptors, config, cache=cache, workers=workers, progress=part(progress, 0.0, 0.3)
    )
    if trains:
        compiling.begin(*LEARNING)
    progress(300, 1000, "loading PyTorch")
    from meagraph.model.training import new_model, train

    made_by = config if trains else trained_with(config, details)
    depends = _learning(dataset, descriptors, made_by, start)
    if model_path is None:
        model = new_model(ModelConfig(points.shape[1], config.widths, config.kernels), seed=config.seed)
    else:
        model, _ = load_model(model_path)
        if model.config.inputs != points.shape[1]:
            raise MEAGraphError(
                f"{model_path}: expected a model for descriptors of {points.shape[1]} columns, but this one is for "
                f"{model.config.inputs}. Describe the data anew, or train another model."
            )
    if not trains:
        key = content_key({"for": content_key(depends), "loaded": start})
        return Learned(
            model.config,
            lambda: model,
            (),
            points,
            condensed,
            key,
            str(model_path),
            made_by,
            agreement=load_agreement(str(model_path)),
            context=descriptors.context,
            start=begun,
        )
    agreement = None
    if descriptors.context is not None and config.latent == DIRECT:
        agreement = read_directly(descriptors.context, condensed.representatives)
    elif descriptors.context is not None and descriptors.pairs is not None:
        agreement = learn_agreement(
            descriptors.context,
            descriptors.pairs,
            condensed.representatives,
            seed=config.seed,
            progress=part(progress, 0.3, 0.5),
        )
    state = place("training", depends, ".safetensors") if cache else None
    if state is not None and read_cached(state, read_training) is None:
        state.unlink(missing_ok=True)
    records: list[EpochRecord] = []
    for record in train(
        model,
        points,
        condensed,
        dataset.offsets,
        config.graph,
        config.training,
        seed=config.seed,
        device=device,
        state=state,
        progress=part(progress, 0.5, 1.0),
    ):
        records.append(record)
        if on_epoch is not None:
            on_epoch(record)
    learned = Learned(
        shape=model.config,
        load=lambda: model,
        history=tuple(records),
        points=points,
        condensed=condensed,
        key=content_key(depends),
        source=f"fine-tuned from {model_path}" if fine_tune else "trained",
        config=replace(config, widths=model.config.widths, kernels=model.config.kernels),
        agreement=agreement,
        context=descriptors.context,
        start=begun,
    )
    if state is not None:
        store_model(place("model", depends, ".safetensors"), learned, descriptors)
        state.unlink(missing_ok=True)
    return learned


def condense_for(
    dataset: Layout,
    descriptors: Descriptors,
    config: PipelineConfig,
    *,
    cache: bool = True,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Condensed:
    """The descriptors condensed as ``config`` has it, from the cache where that was done before."""
    depends = _condensing(dataset, descriptors, config)

    def make() -> Condensed:
        with workers.within("condensed", depends) as here:
            points = scaled_rows(descriptors.own, here)
            return condense(points, budget=config.budget, workers=here, progress=progress)

    return remember(
        "condensed",
        depends,
        make,
        read=read_condensed,
        write=write_condensed,
        use=cache,
    )


def check_room(config: PipelineConfig, columns: int, elements: int) -> None:
    """Raise MEAGraphError where a model of so many ``columns`` cannot be trained in the memory that is left.

    ``elements`` is how many of them give those columns; 0 where the columns do not hang on them.
    """
    wanted, left = ModelConfig(columns, config.widths, config.kernels).training_memory, free()
    if wanted > left:
        what = f"{elements} elements give" if elements else "There are"
        raise MEAGraphError(
            f"{what} {columns:,} columns of the descriptor {config.descriptors.method!r}, and to train a model on them "
            f"takes {wanted / 1e9:,.1f} GB of memory where {left / 1e9:,.1f} GB are left. Lower n_max or l_max, or "
            "take 'soap', whose columns for many elements are bounded."
        )


def _condensing(dataset: Layout, descriptors: Descriptors, config: PipelineConfig) -> dict[str, Any]:
    """Everything that the condensed descriptors depend on."""
    return {
        "version": CACHE_VERSION,
        "structures": dataset.structure_keys,
        "descriptors": descriptors.identity,
        "budget": config.budget,
    }


def _learning(dataset: Layout, descriptors: Descriptors, config: PipelineConfig, start: str = "") -> dict[str, Any]:
    """Everything that the weights depend on; ``start`` is the SHA-256 of a model whose training goes on."""
    return {
        **_condensing(dataset, descriptors, config),
        "graph": asdict(config.graph),
        "model": [config.widths, config.kernels],
        "training": asdict(config.training),
        "latent": [config.latent, AGREEMENT_VERSION],
        "seed": config.seed,
        "start": start,
    }


def recall_learned(dataset: Layout, descriptors: Descriptors, config: PipelineConfig) -> Learned | None:
    """A model trained before with equal settings on equal data, from the cache; its weights are read when needed."""
    return _recall(dataset, descriptors, config, "")


def _recall(dataset: Layout, descriptors: Descriptors, config: PipelineConfig, start: str) -> Learned | None:
    config = replace(config, descriptors=descriptors.config or config.descriptors)
    depends = _learning(dataset, descriptors, config, start)
    path = place("model", depends, ".safetensors")
    found = read_cached(path, read_details)
    condensed = recall("condensed", _condensing(dataset, descriptors, config), read_condensed)
    if found is None or condensed is None:
        return None
    shape, details = found
    return Learned(
        shape=shape,
        load=functools.cache(lambda: load_model(path)[0]),
        history=tuple(EpochRecord(**record) for record in details.get("history", [])),
        points=scaled_rows(descriptors.own),
        condensed=condensed,
        key=content_key(depends),
        source="cache",
        config=replace(config, widths=shape.widths, kernels=shape.kernels),
        agreement=load_agreement(path),
        context=descriptors.context,
    )


def checkpoint_of(learned: Learned) -> Path | None:
    """The checkpoint that the cache has of a model, None where it has none."""
    weights = model_files(cache_directory("model") / f"model-{learned.key}.safetensors")[0]
    return weights if weights.is_file() else None


def trained_with(config: PipelineConfig, details: Mapping[str, Any]) -> PipelineConfig:
    """``config`` with what a checkpoint tells in its ``details`` of the settings that trained it."""
    training = dict(details.get("training", {}))
    seed = training.pop("seed", details.get("seed", config.seed))
    known = {name.name: training[name.name] for name in fields(TrainingConfig) if name.name in training}
    return replace(
        config,
        latent=details.get("latent", config.latent),
        graph=GraphConfig(**details["graph"]) if "graph" in details else config.graph,
        training=TrainingConfig(**known),
        seed=seed,
    )


def store_model(path: str | Path, learned: Learned, descriptors: Descriptors, **details: Any) -> Path:
    """Write a checkpoint that says what the model was trained on and how; ``details`` (JSON-like) go with it."""
    return save_model(
        path,
        learned.load(),
        learned.agreement,
        descriptors=descriptors.identity,
        **({} if descriptors.frame is None else {"frame": descriptors.frame.as_text()}),
        budget=learned.config.budget,
        latent=learned.config.latent,
        graph=asdict(learned.config.graph),
        training=asdict(learned.config.training),
        seed=learned.config.seed,
        history=[asdict(record) for record in learned.history],
        **details,
    )
