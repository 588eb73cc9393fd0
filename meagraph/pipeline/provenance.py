"""What led to an analysis, for what is written of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from meagraph.pipeline.analysis import Analysis


def describe_settings(analysis: Analysis) -> dict[str, Any]:
    """Every setting and seed that led to an analysis, JSON-like, for the manifest of an export."""
    learned, survey = analysis.learned, analysis.survey
    trained, config = learned.config, survey.config
    return {
        "descriptors": analysis.descriptors.identity,
        "condensation": {
            "budget": trained.budget,
            "epsilon": learned.condensed.epsilon,
            "representatives": learned.condensed.size,
        },
        "graph": asdict(config.graph),
        "model": {"source": learned.origin, "key": learned.key, **asdict(learned.shape)},
        "training": {
            **asdict(trained.training),
            "latent": trained.latent,
            "graph": asdict(trained.graph),
            "seed": trained.seed,
        },
        "pooling_rate": config.pooling_rate,
        "clustering": {
            "method": survey.clusters.method,
            **survey.clusters.settings,
            "clusters": survey.clusters.n_clusters,
        },
        "projection": {**asdict(config.projection), "seed": config.seed},
        "seed": config.seed,
    }
