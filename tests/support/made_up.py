"""A session that shows made-up results, for tests and benchmarks of the app that need no computation."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from meagraph.datasets import AtomicDataset, Source
from meagraph.descriptors import Descriptors
from meagraph.graph.condensation import Condensed
from meagraph.latent.clustering import Clusters
from meagraph.latent.hierarchy import Hierarchy
from meagraph.latent.projection import Projection
from meagraph.latent.stability import Stability
from meagraph.model.results import Embedding
from meagraph.model.settings import ModelConfig
from meagraph.outliers import Outliers, Signal
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.survey import Survey
from meagraph.pruning.ranking import Ranking
from meaviz.session import Session

BLOBS = 12
PARTS = 10


def session_of(n: int, atoms_each: int = 100) -> Session:
    """A session that shows ``n`` environments in structures of ``atoms_each``, all of it made up."""
    rng = np.random.default_rng(0)
    structures = n // atoms_each
    positions = rng.uniform(0, 12, size=(atoms_each, 3))
    atoms = tuple(
        Atoms("Nb" * atoms_each, positions + rng.normal(0, 0.1, (atoms_each, 3)), cell=[12] * 3, pbc=True)
        for _ in range(structures)
    )
    data = AtomicDataset(
        structures=atoms,
        groups=np.array([f"group {i % 7}" for i in range(structures)]),
        name="made up",
        sources=(Source("", "", "memory", structures),),
        source_index=np.zeros(structures, dtype=np.int32),
        frame_index=np.arange(structures),
        frame_span=np.full((structures, 2), -1),
        energy=atoms_each * rng.normal(-9.8, 0.2, structures),
        forces=rng.normal(0, 1, (n, 3)) * rng.lognormal(0, 1, (n, 1)),
        stress=np.full((structures, 3, 3), np.nan),
    )
    centres = rng.uniform(-10, 10, (BLOBS, 2))
    blob = rng.integers(0, BLOBS, n)
    m = min(n, 20_000)
    blob = blob[np.arange(n) % m]  # that of the representative
    xy = (centres[blob] + rng.normal(0, 1.2, (n, 2))).astype(np.float32)
    sizes = np.bincount(blob, minlength=BLOBS)
    order = np.argsort(-sizes)
    labels = np.argsort(order)[blob]
    condensed = Condensed(
        np.arange(m), np.arange(n) % m, np.zeros(n), np.bincount(np.arange(n) % m, minlength=m), 0.0, 1.0
    )
    latent = rng.normal(size=(m, 8)).astype(np.float32)
    score = rng.gamma(1.0, 0.3, n)
    signal = Signal("force", score, score, 6 * score, "its force is {value:.3g} eV/Å")
    survey = Survey(
        Embedding(latent, np.zeros((2, 0), np.int64), np.zeros(0, np.float32), 0.5, np.ones(m, bool)),
        Clusters(labels, sizes[order], "hierarchy", {}, levels(labels)),
        Projection(xy),
        Outliers(score, np.zeros(n, bool), (signal,)),
        rankings(n, labels),
        PipelineConfig(),
    )
    values = np.zeros((n, 4), dtype=np.float32)
    session = Session()
    session.set_dataset(data)
    session.set_descriptors(Descriptors(values, "array", {"r_cut": 5.0}))
    session.set_learned(
        Learned(ModelConfig(4), lambda: None, (), values, condensed, "made up", "made up", PipelineConfig())
    )  # type: ignore[arg-type, return-value]
    session.set_survey(survey)
    return session


def levels(labels: np.ndarray) -> Hierarchy:
    """Levels above and below the blobs ``labels`` (M,): each consists of PARTS clusters, drawn at random."""
    part = np.random.default_rng(1).integers(0, PARTS, len(labels))
    fine = np.where(part == 0, labels, BLOBS + (PARTS - 1) * labels + part - 1)
    parent = np.concatenate([[0], (np.arange(1, BLOBS) - 1) // 2, np.repeat(np.arange(BLOBS), PARTS - 1)])
    return Hierarchy(fine, parent, np.linspace(0.0, 1.0, len(parent)), BLOBS)


def rankings(n: int, labels: np.ndarray) -> Ranking:
    """An order of all environments, as the default selector would leave one."""
    rank = np.empty(n, dtype=np.int64)
    for label in range(BLOBS):
        rows = np.flatnonzero(labels == label)
        rank[rows] = np.arange(len(rows))
    config = Session().planning.settings
    return Ranking(rank, labels, np.bincount(labels, minlength=BLOBS), config.within, config.seed, config.selector)


def stability_of(representatives: int) -> Stability:
    """A curve of nine pooling rates, all of it made up."""
    rates, rng = np.linspace(0.1, 0.9, 9), np.random.default_rng(0)
    labels = rng.integers(0, 3, (9, representatives)).astype(np.int32)
    counts = np.array([2, 2, 3, 3, 3, 4, 8, 30, 200])
    return Stability("pooling_rate", rates, labels, counts, rates / 10, 1 - rates / 2, rng.uniform(0.2, 1, 8))
