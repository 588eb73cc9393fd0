"""Descriptors to a model: condensed, then trained, loaded, fine-tuned or recalled from the cache."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meagraph import compiling
from meagraph.datasets.layout import Layout
from meagraph.descriptors import Descriptors, check_same_descriptors
from meagraph.errors import MEAGraphError
from meagraph.files import cache_directory, content_key, read_cached, sha256_file
from meagraph.graph.condensation import (
    Condensed,
    Points,
    condense,
    read_condensed,
    scaled_rows,
    write_condensed,
)
from meagraph.model.checkpoint import load_model, model_files, read_details, read_training, save_model
from meagraph.model.results import EpochRecord
from meagraph.model.settings import ModelConfig
from meagraph.pipeline.compiled import LEARNING
from meagraph.pipeline.config import PipelineConfig
from meagraph.progress import Progress, part, silent

if TYPE_CHECKING:
    from meagraph.model.autoencoder import MEAGraph

CACHE_VERSION = 5


@dataclass(frozen=True, eq=False)
class Learned:
    """A model, and what it needs to be applied to this dataset."""

    shape: ModelConfig
    load: Callable[[], MEAGraph]  # the model; one from the cache is read when it is first asked for
    history: tuple[EpochRecord, ...]  # empty for a loaded model
    points: Points  # (N, D) descriptors, columns of unit norm
    condensed: Condensed
    key: str  # of everything that the weights depend on
    source: str  # "trained", "fine-tuned from" a file, "cache", or the file it was loaded from


def learn(
    dataset: Layout,
    descriptors: Descriptors,
    config: PipelineConfig,
    *,
    model_path: str | Path | None = None,
    fine_tune: bool = False,
    device: str = "cpu",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    cache: bool = True,
    progress: Progress = silent,
) -> Learned:
    """Condense the descriptors and train a model on them, or load the one at ``model_path``.

    With ``fine_tune`` the loaded model is the start of the training, on ``device`` (see
    :func:`meagraph.model.training.train`). A model trained before with equal settings on equal data comes from the
    cache; a training that was cancelled or killed goes on where it stopped. A loaded model must have been trained on
    the same kind of descriptors, else MEAGraphError says how they differ.
    """
    start = ""
    if model_path is not None:
        _, details = read_details(model_path)
        check_same_descriptors(details.get("descriptors", {}), descriptors)
        start = sha256_file(model_files(model_path)[0])
    elif fine_tune:
        raise MEAGraphError("Fine-tuning needs a trained model to start from. Name its file.")
    trains = model_path is None or fine_tune
    keys = _keys(dataset, descriptors, config, start)
    if cache and trains and (known := _recall(keys, descriptors)) is not None:
        progress(1, 1, "model from the cache")
        return known
    points = scaled_rows(descriptors.values)
    condensed = read_cached(keys.condensed, read_condensed) if cache else None
    if condensed is None:
        condensed = condense(points, budget=config.budget, progress=part(progress, 0.0, 0.3))
        if cache:
            write_condensed(keys.condensed, condensed)
    if trains:
        compiling.begin(*LEARNING)
    progress(300, 1000, "loading PyTorch")
    from meagraph.model.training import new_model, train

    if model_path is None:
        model = new_model(ModelConfig(points.shape[1], config.widths, config.kernels), seed=config.training.seed)
    else:
        model, _ = load_model(model_path)
    if not trains:
        key = content_key({"for": keys.key, "loaded": start})
        return Learned(model.config, lambda: model, (), points, condensed, key, str(model_path))
    if cache and read_cached(keys.state, read_training) is None:
        keys.state.unlink(missing_ok=True)
    records: list[EpochRecord] = []
    for record in train(
        model,
        points,
        condensed,
        dataset.offsets,
        config.graph,
        config.training,
        device=device,
        state=keys.state if cache else None,
        progress=part(progress, 0.3, 1.0),
    ):
        records.append(record)
        if on_epoch is not None:
            on_epoch(record)
    source = f"fine-tuned from {model_path}" if fine_tune else "trained"
    learned = Learned(model.config, lambda: model, tuple(records), points, condensed, keys.key, source)
    if cache:
        store_model(keys.model, learned, descriptors, config)
        keys.state.unlink(missing_ok=True)
    return learned


@dataclass(frozen=True)
class _Keys:
    condensed: Path
    model: Path
    state: Path  # of a training that has not ended
    key: str  # of everything that the weights depend on


def _keys(dataset: Layout, descriptors: Descriptors, config: PipelineConfig, start: str = "") -> _Keys:
    """Where the cache keeps, or would keep, what learning makes; ``start`` is the SHA-256 of a loaded model."""
    condensing: dict[str, Any] = {
        "version": CACHE_VERSION,
        "structures": dataset.structure_keys,
        "descriptors": descriptors.identity,
        "budget": config.budget,
    }
    key = content_key(
        {
            **condensing,
            "graph": asdict(config.graph),
            "model": [config.widths, config.kernels],
            "training": asdict(config.training),
            "start": start,
        }
    )
    return _Keys(
        cache_directory("condensed") / f"condensed-{content_key(condensing)}.npz",
        cache_directory("models") / f"model-{key}.safetensors",
        cache_directory("training") / f"training-{key}.safetensors",
        key,
    )


def recall_learned(dataset: Layout, descriptors: Descriptors, config: PipelineConfig) -> Learned | None:
    """A model trained before with equal settings on equal data, from the cache; its weights are read when needed."""
    return _recall(_keys(dataset, descriptors, config), descriptors)


def _recall(keys: _Keys, descriptors: Descriptors) -> Learned | None:
    found, condensed = read_cached(keys.model, read_details), read_cached(keys.condensed, read_condensed)
    if found is None or condensed is None:
        return None
    shape, details = found
    history = tuple(EpochRecord(**record) for record in details.get("history", []))
    load = functools.cache(lambda: load_model(keys.model)[0])
    points = scaled_rows(descriptors.values)
    return Learned(shape, load, history, points, condensed, keys.key, "cache")


def store_model(
    path: str | Path, learned: Learned, descriptors: Descriptors, config: PipelineConfig, **details: Any
) -> Path:
    """Write a checkpoint that says what the model was trained on and how; ``details`` (JSON-like) go with it."""
    return save_model(
        path,
        learned.load(),
        descriptors=descriptors.identity,
        budget=config.budget,
        graph=asdict(config.graph),
        training=asdict(config.training),
        history=[asdict(record) for record in learned.history],
        **details,
    )
