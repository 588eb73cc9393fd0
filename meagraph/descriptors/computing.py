"""Structures to one descriptor vector per atomic environment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.cache import read_cached
from meagraph.datasets import AtomicDataset
from meagraph.descriptors import filling
from meagraph.descriptors.chgnet_based import chgnet
from meagraph.descriptors.context import (
    Frame,
    SharedFrame,
    beside_mean,
    find_frame,
    measure_shells,
    neighbour_pairs,
    rich_maker,
    with_context,
)
from meagraph.descriptors.dscribe_based import acsf, acsf_width, soap, soap_width
from meagraph.descriptors.elements import shared_columns
from meagraph.descriptors.mace_based import mace
from meagraph.descriptors.ready_made import READY_MADE, read_ready_made
from meagraph.descriptors.settings import KINDS, DescriptorConfig, Maker
from meagraph.descriptors.snap import snap, snap_width
from meagraph.display.cards import Facts, Shown, brief
from meagraph.errors import MEAGraphError
from meagraph.files import array_from_text, read_array, text_of_array, write_json
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, Workers
from meagraph.workers.beside import processes_for

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

    values: NDArray[np.float32]  # (N, D + k), memory-mapped where it comes from the cache; the context comes last
    method: str
    parameters: dict[str, Any] = field(default_factory=dict)  # everything that the values depend on but the atoms
    config: DescriptorConfig | None = None  # the settings that made them; None where they were read from a file
    frame: Frame | None = None  # of the context; None where there is none
    pairs: NDArray[np.int32] | None = None  # (P, 2) environments that are neighbours of each other, with a frame

    @property
    def own(self) -> NDArray[np.float32]:
        """The descriptor itself, (N, D)."""
        return self.values if self.frame is None else self.values[:, : -self.frame.columns]

    @property
    def context(self) -> NDArray[np.float32] | None:
        """The context (N, k) of each environment, see :mod:`meagraph.descriptors.context`; None where there is none."""
        return None if self.frame is None else self.values[:, -self.frame.columns :]

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
            ("values", f"{len(self.values):,} environments, {self.own.shape[1]} columns"),
            *((name, brief(value)) for name, value in self.parameters.items()),
        ]

    def _line(self) -> str:
        cutoff = f", cutoff {self.cutoff:g} Å" if "r_cut" in self.parameters else ""
        context = ""
        if self.frame is not None:
            within = f" within {self.frame.cutoff:.1f} Å" if self.method == "soap" else ""
            context = f", context of {self.frame.columns}{within} (first shell {self.frame.shell:.2f} Å)"
        return f"{self.method}, {self.own.shape[1]} columns{cutoff}{context}"


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
    context: bool = False,
    like: Frame | None = None,
    into: Path | None = None,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Descriptors:
    """Descriptors of every environment of ``dataset``: float32, shape (N, D), rows in file order.

    ``species`` (atomic numbers) default to those of the dataset; a loaded model may ask for more. With ``context``
    (:mod:`meagraph.descriptors.context`) come k columns more, in the frame ``like`` or else in one of this dataset.
    With ``into`` the values are written to this .npy file and memory-mapped: a run that was killed or cancelled goes on
    where it stopped, of two runs that want the same file the second waits, and one that is there already is taken as it
    is. The ``workers`` compute them, chunk by chunk. Raises MEAGraphError naming the structure where a descriptor
    cannot be computed.
    """
    config = config or DescriptorConfig()
    if config.method in READY_MADE:
        return _ready_made(dataset, config, context, like)
    parameters, _ = recipe(dataset, config, species)
    made = Making(config, tuple(species or dataset.species))
    kind = KINDS[config.method]
    processes = 1 if workers.elsewhere else processes_for(dataset.n_environments, kind.parallel_above)
    beside, within = (1, processes) if kind.within else (processes, 1)
    if into is None:
        if context:
            made = _with_context(dataset, made, like, progress)
        values = filling.fill(dataset, made, progress, processes=beside, within=within, workers=workers)
        return _finished(dataset, Descriptors(values, config.method, parameters, config, made.frame))
    with filling.alone(into, progress):
        known = recall_values(into, dataset, config, parameters, context)
        if known is not None:  # another run may have made them while this one waited
            return known
        if context:
            made = _with_context(dataset, made, like, progress)
        filling.fill_file(into, dataset, made, progress, processes=beside, within=within, workers=workers)
        values = read_array(into)
        found = _finished(dataset, Descriptors(values, config.method, parameters, config, made.frame))
        write_json(into.with_suffix(".json"), {**found.identity, "dataset": dataset.name, **context_texts(found)})
    return found


@dataclass(frozen=True, eq=False)
class Making:
    """All that computed descriptors hang on but the structures, small enough to send to a worker."""

    config: DescriptorConfig
    species: tuple[int, ...]
    frame: Frame | None = None  # of the context; None where there is none

    def shared(self, workers: Workers) -> filling.Made:
        """The same, with the frame where ``workers`` find it."""
        if self.frame is None:
            return self
        return SharedMaking(replace(self, frame=None), SharedFrame.of(self.frame, workers))

    def maker(self) -> Maker:
        """What computes own columns and, in the frame, the context."""
        own = METHODS[self.config.method](self.config, self.species)[1]
        frame = self.frame
        return own if frame is None else with_context(own, rich_maker(self.config, self.species, frame.cutoff), frame)


@dataclass(frozen=True, eq=False)
class SharedMaking:
    """The same as a task is told it."""

    made: Making
    frame: SharedFrame

    def maker(self) -> Maker:
        """What computes own columns and the context."""
        return replace(self.made, frame=self.frame.load()).maker()


def _with_context(dataset: AtomicDataset, made: Making, like: Frame | None, progress: Progress) -> Making:
    """The same with context, in the frame ``like`` or in one of ``dataset``."""
    if like is None:
        shells = measure_shells(dataset)
        rich = rich_maker(made.config, made.species, shells.cutoff) or made.maker()
        progress(0, 1, "frame of the descriptors")
        like = find_frame(dataset, shells, lambda chosen: filling.compute(dataset, chosen, rich))
    return replace(made, frame=like)


def _finished(dataset: AtomicDataset, found: Descriptors) -> Descriptors:
    """``found`` with what hangs on its frame."""
    if found.frame is None:
        return found
    lengths = {"cutoff": found.frame.cutoff} if found.method == "soap" else {}
    shell = {"first_shell": round(found.frame.shell, 3)}
    named = {"context": {"columns": found.frame.columns, **lengths, **shell, "frame": found.frame.digest}}
    pairs = neighbour_pairs(dataset, found.frame.shell)
    return replace(found, parameters={**found.parameters, **named}, pairs=pairs)


def _ready_made(dataset: AtomicDataset, config: DescriptorConfig, context: bool, like: Frame | None) -> Descriptors:
    values = read_ready_made(dataset, config.method, config.source)
    digest = hashlib.sha256(values.data).hexdigest()
    named = {"source": config.source, "width": values.shape[1], "sha256": digest}
    if not context:
        return Descriptors(values, config.method, named, config)
    frame = like or find_frame(
        dataset, measure_shells(dataset), lambda chosen: (values[_rows(dataset, index)] for index in chosen)
    )
    turned = np.concatenate(
        [
            frame.turned(beside_mean(values[_rows(dataset, index)], dataset.structures.plain(index), frame.shell))
            for index in range(dataset.n_structures)
        ]
    )
    return _finished(dataset, Descriptors(np.hstack([values, turned]), config.method, named, config, frame))


def _rows(dataset: AtomicDataset, structure: int) -> slice:
    return slice(int(dataset.offsets[structure]), int(dataset.offsets[structure + 1]))


def context_texts(descriptors: Descriptors) -> dict[str, Any]:
    """The frame of the context and the pairs, for JSON; empty where there is no context."""
    if descriptors.frame is None or descriptors.pairs is None:
        return {}
    return {"frame": descriptors.frame.as_text(), "pairs": text_of_array(descriptors.pairs)}


def context_from(texts: Mapping[str, Any]) -> tuple[Frame | None, NDArray[np.int32] | None]:
    """The inverse of :func:`context_texts`. Raises ValueError, KeyError or TypeError for what it never wrote."""
    if "frame" not in texts:
        return None, None
    pairs = array_from_text(texts["pairs"], np.int32)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"pairs of shape {pairs.shape}, expected (P, 2)")
    return Frame.from_text(texts["frame"]), pairs


def recall_values(
    path: Path, dataset: AtomicDataset, config: DescriptorConfig, parameters: dict[str, Any], context: bool
) -> Descriptors | None:
    """What :func:`compute_descriptors` left at ``path``, memory-mapped; None where that is nothing whole."""
    values = read_values(path, dataset)
    if values is None:
        return None
    found = Descriptors(values, config.method, parameters, config)
    if not context:
        return found
    texts = read_cached(path.with_suffix(".json"), lambda file: json.loads(file.read_text(encoding="utf-8")))
    try:
        frame, pairs = context_from(texts or {})
        named = {"context": (texts or {})["context"]}
    except (ValueError, KeyError, TypeError):
        return None
    if frame is None or frame.columns >= values.shape[1]:
        return None
    return replace(found, frame=frame, pairs=pairs, parameters={**parameters, **named})


def read_values(path: Path, dataset: AtomicDataset) -> NDArray[np.float32] | None:
    """The descriptors in a file that :func:`compute_descriptors` wrote, memory-mapped; None where it holds none."""
    values = read_cached(path, read_array)
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
        framed = "Describe the data in the model's frame ('meagraph describe --like MODEL'), with the model's settings"
        plain = "Compute the descriptors with the model's settings"
        raise MEAGraphError(
            "The model was trained on other descriptors: " + "; ".join(differences) + ". "
            f"{framed if 'context' in expected else plain}, or train a new model."
        )
