"""A finished analysis of tiny niobium, computed once for all tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from filelock import FileLock

from meagraph.descriptors import DescriptorConfig
from meagraph.graph.similarity import GraphConfig
from meagraph.model.settings import TrainingConfig
from meagraph.pipeline.analysis import Analysis, analyse
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.planning import ranking_for
from meagraph.pruning.settings import PruningConfig

CONFIG = PipelineConfig(
    descriptors=DescriptorConfig(n_max=2, l_max=2),
    widths=(16, 8),
    kernels=2,
    graph=GraphConfig(lower=0.8),
    training=TrainingConfig(epochs=2, batch=4, learning_rate=1e-2),
    seed=5,
)


@dataclass(frozen=True)
class Finished:
    """What was analysed with :data:`CONFIG`, what came of it, and the cache that it left; none must be changed."""

    path: Path
    cache: Path
    analysis: Analysis


def finish(folder: Path, structures: Sequence[Atoms]) -> Finished:
    """Analyse ``structures`` in ``folder``, or recall what another process has made there."""
    folder.mkdir(exist_ok=True)
    path, cache = folder / "niobium.extxyz", folder / "cache"
    with FileLock(folder / "lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEAVIZ_CACHE", str(cache))
        if not path.exists():
            ase.io.write(path, list(structures), format="extxyz")
        found = analyse(path, config=CONFIG)
        ranking_for(found, PruningConfig(seed=CONFIG.seed))  # the shares that it asks for
        return Finished(path, cache, found)
