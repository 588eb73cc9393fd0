"""Results at once, without any computing: for tests that look at what is made of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.graph.condensation import Condensed, condense, unit_columns
from meagraph.latent.clustering import Clusters
from meagraph.latent.projection import Projection
from meagraph.model.autoencoder import MEAGraph
from meagraph.model.results import Embedding
from meagraph.model.settings import ModelConfig
from meagraph.outliers import Family, Outliers, Signal
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.run import Run
from meagraph.pipeline.survey import Survey
from meagraph.pruning.plan import Ranking, rank_environments


def grouped_run(dataset: AtomicDataset) -> Run:
    """Return what a run would have made, at once: the groups are the clusters, the latent values are random."""
    n = dataset.n_environments
    _, codes = np.unique(dataset.groups, return_inverse=True)
    labels = codes[dataset.structure_of]
    order = np.argsort(-np.bincount(labels), kind="stable")
    labels = np.argsort(order)[labels]
    values = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    rows = np.arange(n)
    condensed = Condensed(rows, rows, np.zeros(n), np.ones(n, int), 0.0, 1.0)
    none = np.zeros(n, dtype=bool)
    clusters = Clusters(labels, np.bincount(labels), "leiden")
    return Run(
        dataset=dataset,
        descriptors=Descriptors(values, "soap", {"r_cut": 4.0}),
        learned=Learned(ModelConfig(4), None, (), values, condensed, "", "trained", PipelineConfig()),
        survey=Survey(
            Embedding(values, np.empty((2, 0), int), np.empty(0, np.float32), 0.5, ~none),
            clusters,
            Projection(values[:, :2]),
            Outliers(np.zeros(n), none, ()),
            Ranking(rows, labels, np.bincount(labels), "fps", 0),
            PipelineConfig(),
        ),
        plan=None,
        files=None,
    )


def survey_by_hand(
    dataset: AtomicDataset, scores: Mapping[int, float], families: Sequence[Family] = ()
) -> tuple[Descriptors, Learned, Survey]:
    """Return what a session needs at the map, without training or UMAP.

    Descriptors and places are random; ``scores`` gives rows their outlier score, 0 the others. The signal "force"
    suspects the candidates, "short distance" every second one of them. ``families`` are off together, with their score.
    """
    size = dataset.n_environments
    rng = np.random.default_rng(0)
    descriptors = Descriptors(rng.normal(size=(size, 4)).astype(np.float32), "npy")
    points = unit_columns(descriptors.values)
    condensed = condense(points)
    learned = Learned(
        ModelConfig(4),
        lambda: MEAGraph(ModelConfig(4)),
        (),
        points,
        condensed,
        "by hand",
        "by hand",
        PipelineConfig(),
    )
    score = np.zeros(size)
    score[list(scores)] = list(scores.values())
    for family in families:
        score[family.rows] = np.maximum(score[family.rows], family.score)
    second = np.where(np.isin(np.arange(size), list(scores)[::2]), 6 * score, 0.0)
    signals = (
        Signal("force", np.linalg.norm(dataset.forces, axis=1), score, 6 * score, "the force is {value:.3g} eV/Å"),
        Signal("short distance", np.full(size, 2.8), second, second, "an atom is {value:.3g} Å away"),
    )
    clusters = Clusters(np.zeros(size, dtype=np.int64), np.array([size]), "by hand")
    latent = np.zeros((condensed.size, 2), dtype=np.float32)
    embedding = Embedding(
        latent, np.empty((2, 0), np.int64), np.empty(0, np.float32), 0.5, np.ones(len(latent), dtype=bool)
    )
    survey = Survey(
        embedding,
        clusters,
        Projection(rng.normal(size=(size, 2)).astype(np.float32)),
        Outliers(score, np.zeros(size, dtype=bool), signals, tuple(families)),
        rank_environments(clusters, points, condensed),
        PipelineConfig(),
    )
    return descriptors, learned, survey


def bcc_off(dataset: AtomicDataset) -> Family:
    """The structures 3 and 4 of the tiny niobium (rows 48 to 79), of the seven of group bcc, off together."""
    members = np.array([3, 4])
    rows = np.flatnonzero(np.isin(dataset.structure_of, members))
    what = "lie 1.4 eV/atom above the others of it (frames 3 to 4)"
    return Family("group", "bcc", "energy", members, rows, 7, 1.4, 2.5, what)
