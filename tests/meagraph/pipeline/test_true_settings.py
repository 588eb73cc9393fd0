"""Every result carries the settings that made it, and what is written of it names those and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from meagraph.descriptors import DescriptorConfig
from meagraph.exports import verify
from meagraph.graph.similarity import GraphConfig
from meagraph.latent.clustering import ClusteringConfig
from meagraph.model.checkpoint import read_details
from meagraph.model.settings import TrainingConfig
from meagraph.pipeline.analysis import Analysis, analyse, look, recall_analysis
from meagraph.pipeline.learning import learn, store_model
from meagraph.pipeline.planning import export, prune
from tests.support.finished import CONFIG, Finished

LATER = replace(  # what somebody has set meanwhile, for the next computation
    CONFIG,
    descriptors=DescriptorConfig(n_max=1, l_max=1),
    latent="direct",
    widths=(4,),
    kernels=1,
    training=TrainingConfig(epochs=7),
    graph=GraphConfig(lower=0.6),
    clustering=ClusteringConfig(method="leiden", resolution=0.9),
    pooling_rate=0.3,
    seed=6,
)


@pytest.fixture
def found(known: Finished) -> Analysis:
    return known.analysis


def manifest_of(analysis: Analysis, folder: Path) -> dict:
    files = export(analysis, prune(analysis, keep=0.5), folder)
    assert len(files.paths) == 4
    return json.loads(files.manifest.read_text())["settings"]


def test_an_analysis_and_its_parts_say_what_made_them(found: Analysis) -> None:
    assert found.config == found.survey.config == found.learned.config == CONFIG
    assert found.descriptors.config == CONFIG.descriptors
    known = recall_analysis(found.dataset, CONFIG)
    assert known is not None
    assert known.config == known.learned.config == CONFIG


def test_a_map_of_later_settings_keeps_those_of_the_model(found: Analysis) -> None:
    survey = look(found.dataset, found.learned, LATER)
    later = replace(found, survey=survey)
    assert later.learned.config == CONFIG
    assert survey.config == replace(
        CONFIG, graph=LATER.graph, clustering=LATER.clustering, pooling_rate=0.3, seed=LATER.seed
    )
    assert survey.clusters.settings["resolution"] == 0.9
    assert look(found.dataset, found.learned, LATER).config == survey.config  # from the cache, too


def test_the_manifest_of_a_later_map_names_both(found: Analysis, tmp_path: Path) -> None:
    written = manifest_of(replace(found, survey=look(found.dataset, found.learned, LATER)), tmp_path)
    assert written["descriptors"]["n_max"] == 2
    assert written["model"]["widths"] == [16, 8]
    assert (written["training"]["epochs"], written["training"]["seed"]) == (2, 5)
    assert written["training"]["graph"]["lower"] == 0.8
    assert (written["graph"]["lower"], written["pooling_rate"], written["seed"]) == (0.6, 0.3, 6)
    assert (written["clustering"]["resolution"], written["clustering"]["seed"]) == (0.9, 6)


def test_a_checkpoint_names_what_trained_it(found: Analysis, tmp_path: Path) -> None:
    _, details = read_details(store_model(tmp_path / "model", found.learned, found.descriptors))
    assert (details["training"]["epochs"], details["graph"]["lower"], details["seed"]) == (2, 0.8, 5)


def test_a_loaded_model_brings_the_settings_of_its_training(
    found: Analysis, make_structures: Callable[..., list[Atoms]], tmp_path: Path
) -> None:
    model = store_model(tmp_path / "model", found.learned, found.descriptors)
    other = replace(LATER, descriptors=CONFIG.descriptors)
    again = analyse(make_structures(3, 2, seed=5), config=other, model_path=model)
    assert again.learned.config == replace(
        other,
        latent=CONFIG.latent,
        widths=(16, 8),
        kernels=2,
        training=CONFIG.training,
        graph=CONFIG.graph,
        seed=5,
    )
    written = manifest_of(again, tmp_path / "out")
    assert (written["training"]["epochs"], written["training"]["seed"]) == (2, 5)
    assert written["training"]["graph"]["lower"] == 0.8
    assert (written["graph"]["lower"], written["seed"]) == (0.6, 6)
    verify(tmp_path / "out" / "manifest.json")


def test_read_directly_the_latent_space_is_the_context(found: Analysis, tmp_path: Path) -> None:
    direct = replace(CONFIG, latent="direct")
    learned = learn(found.dataset, found.descriptors, direct)
    context = found.descriptors.context
    assert context is not None
    assert learned.latent is not None
    values = learned.latent(np.arange(4))
    assert values.shape == (4, context.shape[1])
    off = np.linalg.norm(values - values[0], axis=1)
    away = np.linalg.norm(context[:4] - context[0], axis=1)
    np.testing.assert_allclose(off / off[1], away / away[1], rtol=1e-3, atol=1e-5)
    recalled = learn(found.dataset, found.descriptors, direct)
    assert (recalled.source, recalled.config.latent, found.learned.config.latent) == ("cache", "direct", "agreement")
    loaded = learn(
        found.dataset, found.descriptors, CONFIG, model_path=store_model(tmp_path / "m", learned, found.descriptors)
    )
    assert loaded.config.latent == "direct"
    assert loaded.latent is not None
    np.testing.assert_array_equal(loaded.latent(np.arange(4)), values)


def test_a_fine_tuned_model_is_its_own_shape(found: Analysis, tmp_path: Path) -> None:
    model = store_model(tmp_path / "model", found.learned, found.descriptors)
    tuned = learn(found.dataset, found.descriptors, LATER, model_path=model, fine_tune=True)
    assert tuned.config == replace(LATER, descriptors=CONFIG.descriptors, widths=(16, 8), kernels=2)
    recalled = learn(found.dataset, found.descriptors, LATER, model_path=model, fine_tune=True)
    assert (recalled.source, recalled.config) == ("cache", tuned.config)
