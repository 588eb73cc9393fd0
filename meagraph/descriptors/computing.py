"""Structures to one descriptor vector per atomic environment."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.cache import read_cached
from meagraph.datasets import AtomicDataset
from meagraph.descriptors import filling
from meagraph.descriptors.chgnet_based import chgnet
from meagraph.descriptors.dscribe_based import acsf, acsf_width, soap, soap_width
from meagraph.descriptors.elements import shared_columns
from meagraph.descriptors.mace_based import mace
from meagraph.descriptors.ready_made import READY_MADE, read_ready_made
from meagraph.descriptors.settings import KINDS, DescriptorConfig, Maker
from meagraph.descriptors.snap import snap, snap_width
from meagraph.display.cards import Facts, Shown, brief
from meagraph.errors import MEAGraphError
from meagraph.files import write_json
from meagraph.progress import Progress, silent

METHODS: dict[str, Callable[[DescriptorConfig, tuple[int, ...]], tuple[dict[str, Any], Maker]]] = {
    "soap": soap,
    "acsf": acsf,
    "snap": snap,
    "mace": mace,
    "chgnet": chgnet,
}
"""Settings and species to the parameters that the values depend on, and what computes them."""


WIDTHS: dict[str, Callable[[DescriptorConfig, tuple[int, ...]], int]] = {
    "soap": soap_width,
    "acsf": acsf_width,
    "snap": snap_width,
}
"""Settings and species to the number of columns, where it grows with the elements."""


@dataclass(frozen=True, eq=False, repr=False)
class Descriptors(Shown):
    """One vector per environment and what made it."""

    values: NDArray[np.float32]  # (N, D), memory-mapped where it comes from the cache
    method: str
    parameters: dict[str, Any] = field(default_factory=dict)  # everything that the values depend on but the atoms
    config: DescriptorConfig | None = None  # the settings that made them; None where they were read from a file

    @property
    def identity(self) -> dict[str, Any]:
        """Method and parameters as one JSON-like dictionary; models are bound to it."""
        return {"method": self.method, **self.parameters}

    @property
    def cutoff(self) -> float:
        """Radius of an environment in Å: the usual one for descriptors that name none, as those read from a file."""
        return float(self.parameters.get("r_cut", DescriptorConfig.r_cut))

    @property
    def note(self) -> str:
        """How many elements share columns, empty where every pair of them has its own."""
        return shared_columns(self.parameters)

    def _facts(self) -> Facts:
        return [
            ("method", self.method),
            ("values", f"{len(self.values):,} environments, {self.values.shape[1]} columns"),
            *((name, brief(value)) for name, value in self.parameters.items()),
        ]

    def _line(self) -> str:
        cutoff = f", cutoff {self.cutoff:g} Å" if "r_cut" in self.parameters else ""
        return f"{self.method}, {self.values.shape[1]} columns{cutoff}"


def recipe(
    dataset: AtomicDataset, config: DescriptorConfig, species: tuple[int, ...] | None = None
) -> tuple[dict[str, Any], Maker]:
    """What the values of computed descriptors depend on but the structures (JSON-like), and what computes them.

    ``species`` (atomic numbers) default to those of the dataset. Raises MEAGraphError where they lack one of its
    elements, or for settings that the descriptor cannot take.
    """
    present = species or dataset.species
    missing = set(dataset.species) - set(present)
    if missing:
        names = ", ".join(chemical_symbols[number] for number in sorted(missing))
        raise MEAGraphError(
            f"The descriptors do not cover {names}, which the dataset holds. Train a model on all species."
        )
    return METHODS[config.method](config, present)


def compute_descriptors(
    dataset: AtomicDataset,
    config: DescriptorConfig | None = None,
    *,
    species: tuple[int, ...] | None = None,
    into: Path | None = None,
    progress: Progress = silent,
) -> Descriptors:
    """Descriptors of every environment of ``dataset``: float32, shape (N, D), rows in file order.

    ``species`` (atomic numbers) default to those of the dataset; a loaded model may ask for more. With ``into`` the
    values are written to this .npy file and memory-mapped: a run that was killed or cancelled goes on where it stopped,
    of two runs that want the same file the second waits, and one that is there already is taken as it is. Raises
    MEAGraphError naming the structure where a descriptor cannot be computed.
    """
    config = config or DescriptorConfig()
    if config.method in READY_MADE:
        values = read_ready_made(dataset, config.method, config.source)
        digest = hashlib.sha256(values.data).hexdigest()
        found = {"source": config.source, "width": values.shape[1], "sha256": digest}
        return Descriptors(values, config.method, found, config)
    parameters, maker = recipe(dataset, config, species)
    workers = (os.cpu_count() or 1) if dataset.n_environments > KINDS[config.method].parallel_above else 1
    if into is None:
        return Descriptors(filling.fill(dataset, maker, progress, workers=workers), config.method, parameters, config)
    with filling.alone(into, progress):
        known = read_values(into, dataset)  # another run may have made them while this one waited
        if known is None:
            filling.fill_file(into, dataset, maker, progress, workers=workers)
            write_json(into.with_suffix(".json"), {"method": config.method, **parameters, "dataset": dataset.name})
            known = np.load(into, mmap_mode="r", allow_pickle=False)
    return Descriptors(known, config.method, parameters, config)


def read_values(path: Path, dataset: AtomicDataset) -> NDArray[np.float32] | None:
    """The descriptors in a file that :func:`compute_descriptors` wrote, memory-mapped; None where it holds none."""
    values = read_cached(path, functools.partial(np.load, mmap_mode="r", allow_pickle=False))
    if values is None or values.shape[0] != dataset.n_environments or values.dtype != np.float32:
        return None
    found: NDArray[np.float32] = values
    return found


def check_same_descriptors(expected: dict[str, Any], descriptors: Descriptors) -> None:
    """Raise MEAGraphError, saying how they differ, unless a model was trained on such ``descriptors``.

    Versions may differ, and so may the content of ready-made values and the path of their file.
    """
    came = json.loads(json.dumps(descriptors.identity))
    ignored = {"implementation", "sha256"} | ({"source"} if descriptors.method == "npy" else set())
    differences = [
        f"{key}: the model has {expected.get(key)!r}, the dataset {came.get(key)!r}"
        for key in sorted((set(expected) | set(came)) - ignored)
        if expected.get(key) != came.get(key)
    ]
    if differences:
        raise MEAGraphError(
            "The model was trained on other descriptors: " + "; ".join(differences) + ". Compute the descriptors "
            "with the model's settings, or train a new model."
        )
