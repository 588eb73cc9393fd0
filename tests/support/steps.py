"""The chain of commands on one dataset, and what all commands do when they refuse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ase.io
import pytest
from ase import Atoms

from meagraph.cli import main
from meagraph.descriptors import DescriptorConfig
from meagraph.graph.similarity import GraphConfig
from meagraph.latent.clustering import ClusteringConfig
from meagraph.model.settings import TrainingConfig
from meagraph.pipeline.config import PipelineConfig

DESCRIBE = ("--n-max", "2", "--l-max", "2")
TRAIN = ("--epochs", "2", "--batch", "4", "--threshold", "0.8", "--budget", "100", "--seed", "3")
CONFIG = PipelineConfig(
    descriptors=DescriptorConfig(n_max=2, l_max=2),
    budget=100,
    graph=GraphConfig(lower=0.8),
    training=TrainingConfig(epochs=2, batch=4),
    pooling_rate=0.3,
    clustering=ClusteringConfig(method="leiden", resolution=0.2),
    seed=3,
)


@dataclass(frozen=True)
class Chain:
    """Where the steps of one dataset put their files."""

    folder: Path
    data: Path

    def __getattr__(self, name: str) -> str:
        suffix = {"descriptors": "npy", "model": "safetensors", "latent": "npz"}.get(name, "csv")
        return str(self.folder / f"{name}.{suffix}")

    def describe(self, *more: str) -> list[str]:
        return ["describe", str(self.data), "--out", self.descriptors, *DESCRIBE, *more]

    def train(self, *more: str) -> list[str]:
        return ["train", self.descriptors, "--out", self.model, *TRAIN, *more]

    def embed(self, *more: str) -> list[str]:
        return ["embed", self.descriptors, "--model", self.model, "--out", self.latent, "--rate", "0.3", *more]

    def cluster(self, *more: str) -> list[str]:
        leiden = ["--clustering", "leiden", "--resolution", "0.2", "--seed", "3"]
        return ["cluster", self.latent, "--out", self.clusters, *leiden, *more]

    def map(self, *more: str) -> list[str]:
        return ["map", self.latent, "--out", self.map_table, "--seed", "3", *more]

    def outliers(self, *more: str) -> list[str]:
        files = ["--descriptors", self.descriptors, "--latent", self.latent, "--clusters-file", self.clusters]
        return ["outliers", str(self.data), *files, "--out", self.scores, *more]

    def all(self) -> list[list[str]]:
        return [self.describe(), self.train(), self.embed(), self.cluster(), self.map(), self.outliers()]


def make(folder: Path, structures: list[Atoms] | tuple[Atoms, ...], steps: int = 6) -> Chain:
    folder.mkdir()
    chain = Chain(folder, folder / "niobium.extxyz")
    ase.io.write(chain.data, list(structures), format="extxyz")
    for arguments in chain.all()[:steps]:
        assert main(arguments) == 0, arguments
    return chain


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *words: str) -> None:
    status, said = main(arguments), capsys.readouterr()
    assert (status, said.out) == (1, "")
    assert said.err.startswith("meagraph: error: ")
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err
