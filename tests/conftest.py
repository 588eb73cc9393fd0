"""What tests share: a cache of their own, one thread, tiny datasets of niobium, weights for the oracle.

Energies and forces come from one pair potential: cheap, smooth and consistent with each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.descriptors import Descriptors
from meagraph.graph.condensation import Condensed, condense, unit_columns
from meagraph.latent.clustering import Clusters
from meagraph.latent.projection import Projection
from meagraph.model.autoencoder import MEAGraph
from meagraph.model.layers import DecoderAttention, MultiKernelAttention
from meagraph.model.results import Embedding
from meagraph.model.settings import ModelConfig
from meagraph.outliers import Outliers, Signal
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learning import Learned
from meagraph.pipeline.run import Run
from meagraph.pipeline.survey import Survey
from meagraph.pruning.plan import Ranking, rank_environments
from tests.support import ROOT, oracle

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has an empty cache, and never touches the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEAVIZ_CACHE", str(folder))
    return folder


def real_data(name: str) -> Path:
    """A file of the folder of real datasets; the test is skipped where there is none."""
    folder = os.environ.get("MEAVIZ_DATA")
    root = Path(folder) if folder else ROOT.parent / "shared" / "data"
    if not (root / name).exists():
        pytest.skip(f"{name} is not in {root}; point MEAVIZ_DATA at the folder of real datasets")
    return root / name


def labelled(atoms: Atoms, group: str) -> Atoms:
    """Return a copy with energy and forces of the pair potential 0.1 (4.5 - d)^3 eV, d in Å below 4.5."""
    first, length, vector = neighbor_list("idD", atoms, 4.5)
    pull = 0.3 * (4.5 - length) ** 2 / length
    forces = np.zeros((len(atoms), 3))
    np.add.at(forces, first, -pull[:, None] * vector)
    copy = atoms.copy()
    energy = float(0.5 * (0.1 * (4.5 - length) ** 3).sum())
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces)
    copy.info["config_type"] = group
    return copy


def niobium_structures(n_bcc: int = 6, n_fcc: int = 4, *, rattle: float = 0.06, seed: int = 0) -> list[Atoms]:
    """Rattled and stretched bcc (16 atoms) and fcc (8 atoms) cells, the last bcc twice; one isolated atom."""
    rng = np.random.default_rng(seed)
    cells = {
        "bcc": bulk("Nb", "bcc", a=3.31, cubic=True) * (2, 2, 2),
        "fcc": bulk("Nb", "fcc", a=4.21, cubic=True) * (2, 1, 1),
    }
    structures = []
    for group, count in (("bcc", n_bcc), ("fcc", n_fcc)):
        for _ in range(count):
            atoms = cells[group].copy()
            atoms.set_cell(atoms.cell * rng.uniform(0.98, 1.02), scale_atoms=True)
            atoms.positions += rng.normal(scale=rattle, size=atoms.positions.shape)
            structures.append(labelled(atoms, group))
        if group == "bcc":
            structures.append(structures[-1].copy())
            structures[-1].calc = SinglePointCalculator(structures[-1], **structures[-2].calc.results)
    return [*structures, labelled(Atoms("Nb"), "IsolatedAtom")]


@pytest.fixture(scope="session")
def make_structures() -> Callable[..., list[Atoms]]:
    """``make_structures(n_bcc, n_fcc, rattle=, seed=)``: see :func:`niobium_structures`."""
    return niobium_structures


@pytest.fixture(scope="session")
def structures() -> tuple[Atoms, ...]:
    """Labelled niobium: 7 bcc cells of 16 atoms, 4 fcc of 8, an isolated atom; tests must not change them."""
    return tuple(niobium_structures())


@pytest.fixture(scope="session")
def niobium(structures: tuple[Atoms, ...]) -> AtomicDataset:
    """The same as a dataset: S = 12, N = 145."""
    return dataset_from_structures(structures, name="niobium")


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., Path]:
    """``write_dataset(structures, name)``: write an extended XYZ file and return its path."""

    def write(frames: Sequence[Atoms], name: str = "niobium.extxyz") -> Path:
        path = tmp_path / name
        ase.io.write(path, list(frames), format="extxyz")
        return path

    return write


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


@pytest.fixture(scope="session")
def ready_run() -> Callable[[AtomicDataset], Run]:
    """``ready_run(dataset)``: a run without any computing, see :func:`grouped_run`."""
    return grouped_run


def _matrix(linear: Any) -> np.ndarray:
    return linear.weight.detach().numpy().T


@pytest.fixture(scope="session")
def survey_by_hand() -> Callable[..., tuple[Descriptors, Learned, Survey]]:
    """``survey_by_hand(dataset, scores)``: what a session needs at the map, without training or UMAP.

    Descriptors and places are random; ``scores`` gives rows their outlier score, 0 the others. The signal "force"
    suspects the candidates, "short distance" every second one of them.
    """

    def make(dataset: AtomicDataset, scores: Mapping[int, float]) -> tuple[Descriptors, Learned, Survey]:
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
            Outliers(score, np.zeros(size, dtype=bool), signals),
            rank_environments(clusters, points, condensed),
            PipelineConfig(),
        )
        return descriptors, learned, survey

    return make


class Weights:
    """A model's weights as the oracle takes them, for a graph of ``n`` environments.

    The library's biases are in units of 1 / sqrt(n), the root mean square of a column of unit norm.
    """

    @staticmethod
    def encoder_layer(layer: MultiKernelAttention, n: int) -> oracle.EncoderLayerWeights:
        """One encoder layer."""
        return oracle.EncoderLayerWeights(
            kernels=np.stack([_matrix(kernel) for kernel in layer.kernels]),
            beta=layer.beta.detach().numpy(),
            mixing=_matrix(layer.combine.linear),
            bias=layer.combine.bias.detach().numpy() / np.sqrt(n),
        )

    @staticmethod
    def decoder_layer(layer: DecoderAttention) -> oracle.DecoderLayerWeights:
        """One decoder layer."""
        return oracle.DecoderLayerWeights(
            kernel=_matrix(layer.kernel), beta=float(layer.beta.detach()), mixing=_matrix(layer.combine)
        )

    @classmethod
    def encoder(cls, model: MEAGraph, n: int) -> list[oracle.EncoderLayerWeights]:
        """The whole encoder."""
        return [cls.encoder_layer(layer, n) for layer in model.encoder]

    @classmethod
    def decoder(cls, model: MEAGraph, n: int) -> oracle.DecoderWeights:
        """The whole decoder."""
        return oracle.DecoderWeights(
            layers=tuple(cls.decoder_layer(layer) for layer in model.decoder),
            output=_matrix(model.output.linear),
            bias=model.output.bias.detach().numpy() / np.sqrt(n),
        )

    @staticmethod
    def shake(module: torch.nn.Module, seed: int) -> torch.nn.Module:
        """Give every parameter, biases and betas too, a random double; return the module."""
        module.double()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                random = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(0.5 + random if "beta" in name else 2.0 * random - 1.0)
        return module


@pytest.fixture(scope="session")
def weights() -> type[Weights]:
    """The way from the library's weights to the oracle's."""
    return Weights
