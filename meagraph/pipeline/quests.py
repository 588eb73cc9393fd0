"""QUESTS' measures of a plan, with its descriptors and the figures of everything kept in the cache."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.cache import place, recall, remember
from meagraph.datasets import AtomicDataset
from meagraph.evaluation.quests import (
    ALL,
    QuestsConfig,
    QuestsMeasures,
    SetFigures,
    implementation,
    quests_descriptors,
    quests_measures,
    surprise,
)
from meagraph.files import atomic_path, read_array, read_json, write_array, write_json
from meagraph.progress import Progress, part, silent
from meagraph.pruning.plan import PruningPlan

CACHE_VERSION = 2
DESCRIBING = 0.5  # of the progress


def measure_quests(
    dataset: AtomicDataset,
    plan: PruningPlan,
    config: QuestsConfig | None = None,
    *,
    cache: bool = True,
    progress: Progress = silent,
) -> QuestsMeasures:
    """Entropy, diversity and overlap of all environments and of those that ``plan`` keeps: see :func:`quests_measures`.

    With ``cache`` descriptors and the figures of everything are kept on disk, the descriptors memory-mapped.
    """
    config = config or QuestsConfig()
    values = _described(dataset, config, cache, part(progress, 0.0, DESCRIBING))
    depends = _measuring(dataset, config)
    everything = recall("quests", depends, _read_figures, ".json") if cache else None
    found = quests_measures(
        dataset, plan, config, values=values, everything=everything, progress=part(progress, DESCRIBING, 1.0)
    )
    if cache and everything is None:
        write_json(place("quests", depends, ".json"), asdict(found.sets[ALL]))
    return found


def measure_surprise(
    dataset: AtomicDataset,
    config: QuestsConfig | None = None,
    *,
    cache: bool = True,
    progress: Progress = silent,
) -> NDArray[np.float64]:
    """δH (N,) of each new environment given the known: see :func:`meagraph.evaluation.quests.surprise`."""
    config = config or QuestsConfig()
    values = _described(dataset, config, cache, part(progress, 0.0, DESCRIBING))
    return surprise(dataset, config, values=values, progress=part(progress, DESCRIBING, 1.0))


def _described(dataset: AtomicDataset, config: QuestsConfig, cache: bool, progress: Progress) -> NDArray[np.float64]:
    return remember(
        "quests-descriptors",
        _describing(dataset, config),
        lambda: quests_descriptors(dataset, config, progress=progress),
        read=read_array,
        write=_write_values,
        suffix=".npy",
        use=cache,
    )


def _describing(dataset: AtomicDataset, config: QuestsConfig) -> dict[str, Any]:
    """Everything that the descriptors depend on."""
    return {
        "version": CACHE_VERSION,
        "structures": dataset.structure_keys,
        "k": config.k,
        "cutoff": float(config.cutoff),
        "implementation": implementation(),
    }


def _measuring(dataset: AtomicDataset, config: QuestsConfig) -> dict[str, Any]:
    """Everything that the figures of all environments depend on."""
    sampled = config.sample is not None and config.sample < dataset.n_environments
    return {
        **_describing(dataset, config),
        "bandwidth": float(config.bandwidth),
        "sample": [config.sample, config.seed] if sampled else None,
    }


def _read_figures(path: Path) -> SetFigures:
    return SetFigures(**read_json(path))


def _write_values(path: Path, values: NDArray[np.float64]) -> None:
    with atomic_path(path) as temporary:
        write_array(temporary, values)
