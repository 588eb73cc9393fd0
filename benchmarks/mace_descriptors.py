"""MACE descriptors by one process with PyTorch's threads against several processes.

``python benchmarks/mace_descriptors.py Ta_JCP2014.extxyz [--environments 4000] [--runs 3]``. The model has random
weights and a realistic width (32x0e + 32x1o, two layers, r_max 5 Å): its values mean nothing, their cost is that of a
trained one. Both ways in turn; each run begins without processes of the run before. What ``meagraph describe`` does,
files apart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from meagraph.datasets import read_dataset
from meagraph.descriptors import DescriptorConfig
from meagraph.descriptors.mace_based import mace
from meagraph.files import write_json

RESULTS = Path(__file__).parent / "results"


def save_random_model(species: tuple[int, ...], target: Path) -> None:
    """Write a MACE model of these elements with random weights, as mace's training saves it."""
    import torch

    with torch.serialization.safe_globals([slice]):  # stands in e3nn's table of constants
        from e3nn import o3
        from mace import modules
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)  # importing mace switches PyTorch's safety off
    torch.manual_seed(0)
    kind = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        network = modules.ScaleShiftMACE(
            r_max=5.0,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=3,
            interaction_cls=kind,
            interaction_cls_first=kind,
            num_interactions=2,
            num_elements=len(species),
            hidden_irreps=o3.Irreps("32x0e + 32x1o"),
            MLP_irreps=o3.Irreps("16x0e"),
            atomic_energies=np.zeros(len(species)),
            avg_num_neighbors=40.0,
            atomic_numbers=list(species),
            correlation=3,
            gate=torch.nn.functional.silu,
            atomic_inter_scale=1.0,
            atomic_inter_shift=0.0,
        )
    torch.save(network, target)


def describe(model: Path, structures: list[Atoms], species: tuple[int, ...], workers: int) -> NDArray[np.floating]:
    """Values (N, D) by so many processes; the model is read and built anew."""
    _, make = mace(DescriptorConfig(method="mace", source=str(model)), species)
    return np.concatenate(list(make(structures, workers)))


def stop_processes() -> None:
    """End the processes that joblib keeps for the next task."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--environments", type=int, default=4_000, help="at most (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of each way (default: %(default)s)")
    options = parser.parse_args()
    dataset = read_dataset(options.data)
    order = np.random.default_rng(0).permutation(dataset.n_structures)
    count = int(np.searchsorted(np.cumsum(np.diff(dataset.offsets)[order]), options.environments, side="right"))
    bare = [dataset.structures[index] for index in order[:count]]
    structures = [Atoms(one.numbers, one.positions, cell=one.cell, pbc=one.pbc) for one in bare]
    cores = os.cpu_count() or 1
    seconds: dict[str, list[float]] = {"threads": [], "processes": []}
    apart = 0.0
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "random.model"
        save_random_model(dataset.species, model)
        describe(model, structures[:1], dataset.species, 1)  # imports and caches of both ways
        for _ in range(options.runs):
            values = {}
            for way, workers in (("threads", 1), ("processes", cores)):
                begun = time.perf_counter()
                values[way] = describe(model, structures, dataset.species, workers)
                seconds[way].append(round(time.perf_counter() - begun, 1))
                if workers > 1:
                    stop_processes()
                print(way, seconds[way][-1], "s, load", round(os.getloadavg()[0], 1), flush=True)
            scale = np.abs(values["threads"]).max(axis=0)
            apart = max(apart, float((np.abs(values["processes"] - values["threads"]) / scale).max()))
    median = {way: statistics.median(found) for way, found in seconds.items()}
    result: dict[str, Any] = {
        "dataset": Path(options.data).name,
        "environments": len(values["threads"]),
        "structures": len(structures),
        "width": values["threads"].shape[1],
        "cores": cores,
        "seconds": seconds,
        "median": median,
        "ratio": round(median["threads"] / median["processes"], 2),
        "largest_difference": apart,  # in units of the largest value of a column
    }
    write_json(RESULTS / f"mace-{Path(options.data).name.split('.')[0]}.json", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
