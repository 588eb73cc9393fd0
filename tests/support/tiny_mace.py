"""A small MACE of mace's own making, and the file that mace's training would save it to."""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from typing import Any

import ase.build
import numpy as np
import pytest
import torch
from ase import Atoms


@functools.cache
def modules() -> Any:
    """The package mace.modules, imported without leaving PyTorch's safety switched off."""
    with torch.serialization.safe_globals([slice]):
        found = pytest.importorskip("mace.modules", reason="needs MACE: pip install meaviz[mace]")
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    return found


def network(dtype: torch.dtype = torch.float32, **changed: Any) -> Any:
    """Two layers for P and In, 4 Å, random weights."""
    kinds = modules().interaction_classes
    from e3nn.o3 import Irreps

    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    settings: dict[str, Any] = {
        "r_max": 4.0,
        "num_bessel": 4,
        "num_polynomial_cutoff": 5,
        "max_ell": 2,
        "interaction_cls": kinds["RealAgnosticResidualInteractionBlock"],
        "interaction_cls_first": kinds["RealAgnosticInteractionBlock"],
        "num_interactions": 2,
        "num_elements": 2,
        "hidden_irreps": Irreps("8x0e + 8x1o"),
        "MLP_irreps": Irreps("4x0e"),
        "atomic_energies": np.array([-1.0, -2.0]),
        "avg_num_neighbors": 8.0,
        "atomic_numbers": [15, 49],
        "correlation": 2,
        "gate": torch.nn.functional.silu,
        "atomic_inter_scale": 1.5,
        "atomic_inter_shift": 0.1,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return modules().ScaleShiftMACE(**settings | changed)
    finally:
        torch.set_default_dtype(torch.float32)


def saved(model: Any, path: Path) -> Path:
    torch.save(model, path)
    return path


def phosphides() -> list[Atoms]:
    """Crystal, cluster, slab, an isolated atom."""
    crystal = ase.build.bulk("InP", "zincblende", a=5.87, cubic=True)
    crystal.rattle(0.1, seed=0)
    cluster, slab = crystal[:5], crystal.copy()
    cluster.pbc, slab.pbc = False, (True, False, True)
    return [crystal, cluster, slab, Atoms("P")]
