"""Structures to one descriptor vector per atomic environment, cached on disk by content."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path, cache_directory, content_key, read_cached, write_json
from meagraph.progress import Progress, silent

CACHE_VERSION = 1
CHUNK = 4096  # environments between two reports of progress
PARALLEL_ABOVE = 30_000  # environments; starting processes takes seconds
Maker = Callable[[Sequence[Atoms], int], Iterable[NDArray[np.floating]]]
"""Structures and a number of processes to one (n, D) array each."""


@dataclass(frozen=True)
class DescriptorConfig:
    """Which descriptor: a name of METHODS and its parameters (lengths in Å), or ready-made values.

    ``array`` takes the per-atom array named ``source`` from the dataset's files, ``npy`` the NumPy file at the path
    ``source``, a row for each environment in the order of the dataset.
    """

    method: str = "soap"
    source: str = ""
    r_cut: float = 5.0
    n_max: int = 3
    l_max: int = 3

    def __post_init__(self) -> None:
        if self.method not in (*METHODS, *READY_MADE):
            names = ", ".join((*METHODS, *READY_MADE))
            raise MEAGraphError(f"Unknown descriptor {self.method!r}; choose from {names}.")
        if (self.method in READY_MADE) != bool(self.source):
            raise MEAGraphError(
                f"The descriptor {self.method!r} comes with source={self.source!r}; 'array' needs the name of a "
                "per-atom array, 'npy' the path of a file, and the others need none."
            )
        if not 1.0 < self.r_cut < math.inf or self.n_max < 1 or not 0 <= self.l_max <= 20:
            raise MEAGraphError(
                "A descriptor needs a finite r_cut above 1 Å, n_max of at least 1 and l_max between 0 and 20, got "
                f"r_cut={self.r_cut}, n_max={self.n_max}, l_max={self.l_max}."
            )


@dataclass(frozen=True, eq=False)
class Descriptors:
    """One vector per environment and what made it."""

    values: NDArray[np.float32]  # (N, D), memory-mapped where it comes from the cache
    method: str
    parameters: dict[str, Any] = field(default_factory=dict)  # everything that the values depend on but the atoms

    @property
    def identity(self) -> dict[str, Any]:
        """Method and parameters as one JSON-like dictionary; models are bound to it."""
        return {"method": self.method, **self.parameters}


def compute_descriptors(
    dataset: AtomicDataset,
    config: DescriptorConfig | None = None,
    *,
    cache: bool = True,
    species: tuple[int, ...] | None = None,
    progress: Progress = silent,
) -> Descriptors:
    """Descriptors of every environment of ``dataset``: float32, shape (N, D), rows in file order.

    ``species`` (atomic numbers) default to those of the dataset; a loaded model may ask for more. With
    ``cache`` the values are kept on disk under a hash of the structures and all parameters, and memory-mapped
    when asked for again. Raises MEAGraphError naming the structure where a descriptor cannot be computed.
    """
    config = config or DescriptorConfig()
    if config.method in READY_MADE:
        return _ready_made(dataset, config)
    present = species or dataset.species
    missing = set(dataset.species) - set(present)
    if missing:
        names = ", ".join(chemical_symbols[number] for number in sorted(missing))
        raise MEAGraphError(
            f"The descriptors do not cover {names}, which the dataset holds. Train a model on all species."
        )
    parameters, maker = METHODS[config.method](config, present)
    stored = _stored(dataset, config.method, parameters) if cache else None
    if stored is not None and (known := _read(stored, dataset, config.method, parameters)) is not None:
        progress(1, 1, "descriptors from the cache")
        return known
    if stored is None:
        return Descriptors(_fill(dataset, maker, None, progress), config.method, parameters)
    with atomic_path(stored) as temporary:
        _fill(dataset, maker, temporary, progress)
    write_json(stored.with_suffix(".json"), {"method": config.method, **parameters, "dataset": dataset.name})
    return Descriptors(np.load(stored, mmap_mode="r", allow_pickle=False), config.method, parameters)


def recall_descriptors(dataset: AtomicDataset, config: DescriptorConfig) -> Descriptors | None:
    """What :func:`compute_descriptors` left in the cache, None where it has not been asked for them yet.

    Ready-made values are never cached; whether they fit the dataset is for :func:`compute_descriptors` to say.
    """
    if config.method in READY_MADE:
        return None
    parameters, _ = METHODS[config.method](config, dataset.species)
    return _read(_stored(dataset, config.method, parameters), dataset, config.method, parameters)


def _stored(dataset: AtomicDataset, method: str, parameters: dict[str, Any]) -> Path:
    key = content_key(
        {"version": CACHE_VERSION, "structures": dataset.structure_keys, "method": method, "parameters": parameters}
    )
    return cache_directory("descriptors") / f"{method}-{key}.npy"


def _read(path: Path, dataset: AtomicDataset, method: str, parameters: dict[str, Any]) -> Descriptors | None:
    values = read_cached(path, functools.partial(np.load, mmap_mode="r", allow_pickle=False))
    if values is None or values.shape[0] != dataset.n_environments or values.dtype != np.float32:
        return None
    return Descriptors(values, method, parameters)


def _fill(dataset: AtomicDataset, maker: Maker, path: Path | None, progress: Progress) -> NDArray[np.float32]:
    """Compute a chunk of structures after another into one array, in memory or straight into the file at ``path``."""
    values: NDArray[np.float32] | None = None
    workers = 1 if dataset.n_environments < PARALLEL_ABOVE else os.cpu_count() or 1
    for first, last in _chunks(dataset):
        for index, rows in enumerate(_compute(dataset, first, last, maker, workers), first):
            if values is None:
                shape = (dataset.n_environments, rows.shape[1])
                values = (
                    np.empty(shape, dtype=np.float32)
                    if path is None
                    else np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
                )
            values[dataset.offsets[index] : dataset.offsets[index + 1]] = rows
        progress(int(dataset.offsets[last]), dataset.n_environments, "descriptors")
    assert values is not None  # a dataset is never empty
    if isinstance(values, np.memmap):
        values.flush()
    return values


def _chunks(dataset: AtomicDataset) -> Iterator[tuple[int, int]]:
    """Ranges of structures of about CHUNK environments each."""
    first = 0
    while first < dataset.n_structures:
        last = int(np.searchsorted(dataset.offsets, dataset.offsets[first] + CHUNK, side="right")) - 1
        last = min(max(last, first + 1), dataset.n_structures)
        yield first, last
        first = last


def _compute(
    dataset: AtomicDataset, first: int, last: int, maker: Maker, workers: int
) -> Iterator[NDArray[np.floating]]:
    """Descriptors of the structures ``first`` to ``last``; an error names the frame, and the atom where it can."""
    structures = [_bare(atoms) for atoms in dataset.structures[first:last]]
    try:
        computed = maker(structures, workers)
    except (ValueError, RuntimeError):
        computed = (_one(dataset, first + k, maker, atoms) for k, atoms in enumerate(structures))
    for index, rows in enumerate(computed, first):
        if not np.isfinite(rows).all():
            atom = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise MEAGraphError(
                f"{_where(dataset, index)}, atom {atom}: the descriptor is not finite. "
                "Look for overlapping atoms there."
            )
        yield rows


def _one(dataset: AtomicDataset, index: int, maker: Maker, atoms: Atoms) -> NDArray[np.floating]:
    try:
        return next(iter(maker([atoms], 1)))
    except (ValueError, RuntimeError) as error:
        raise MEAGraphError(
            f"{_where(dataset, index)}: the descriptor failed: {error}. Remove the frame, or repair its cell."
        ) from error


def _where(dataset: AtomicDataset, index: int) -> str:
    return f"{dataset.sources[dataset.source_index[index]].path}, frame {dataset.frame_index[index]}"


def _bare(atoms: Atoms) -> Atoms:
    """Only what a descriptor depends on; other arrays would travel to the worker processes for nothing."""
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell.complete(), pbc=atoms.pbc)


def _dscribe(build: Callable[[], Any]) -> Maker:
    """A maker from a calculator of dscribe, which is imported and built when it is first needed."""
    calculator = functools.cache(build)

    def make(structures: Sequence[Atoms], workers: int) -> Iterable[NDArray[np.floating]]:
        found = calculator().create(list(structures), n_jobs=min(workers, len(structures)))
        if isinstance(found, np.ndarray) and found.ndim == 2:  # one structure comes without a list around it
            return [found]
        return [np.asarray(rows) for rows in found]

    return make


def soap(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Maker]:
    """Smooth overlap of atomic positions (Bartók et al., Phys. Rev. B 87, 184115, 2013), by dscribe."""
    symbols = [chemical_symbols[number] for number in species]
    basis = {"species": symbols, "r_cut": config.r_cut, "n_max": config.n_max, "l_max": config.l_max}

    def build() -> Any:
        from dscribe.descriptors import SOAP

        return SOAP(**basis, periodic=True, average="off")

    return {**basis, "implementation": f"dscribe {version('dscribe')}"}, _dscribe(build)


def acsf(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Maker]:
    """Atom-centred symmetry functions (Behler, J. Chem. Phys. 134, 074106, 2011), by dscribe.

    ``n_max`` radial G2 functions, evenly spaced up to the cutoff and as wide as their spacing, and G4 functions for
    the angular exponents 1, 2, 4, ... of ``l_max`` doublings, each with both signs.
    """
    symbols = [chemical_symbols[number] for number in species]
    spacing = config.r_cut / (config.n_max + 1)
    centres = spacing * np.arange(1, config.n_max + 1)
    radial = [[0.5 / spacing**2, float(centre)] for centre in centres]
    angular = [[0.5 / spacing**2 / 16, float(2**power), sign] for power in range(config.l_max) for sign in (1.0, -1.0)]
    basis: dict[str, Any] = {"species": symbols, "r_cut": config.r_cut, "g2": radial, "g4": angular}

    def build() -> Any:
        from dscribe.descriptors import ACSF

        return ACSF(r_cut=config.r_cut, g2_params=radial, g4_params=angular or None, species=symbols, periodic=True)

    return {**basis, "implementation": f"dscribe {version('dscribe')}"}, _dscribe(build)


METHODS: dict[str, Callable[[DescriptorConfig, tuple[int, ...]], tuple[dict[str, Any], Maker]]] = {
    "soap": soap,
    "acsf": acsf,
}


def _ready_made(dataset: AtomicDataset, config: DescriptorConfig) -> Descriptors:
    """Values that somebody else has computed, checked."""
    values = READY_MADE[config.method](dataset, config.source)
    size = dataset.n_environments
    if values.ndim != 2 or values.shape[0] != size or values.shape[1] < 1 or values.dtype.kind not in "fiu":
        raise MEAGraphError(
            f"{config.source}: expected numbers of shape ({size}, D), a row for each environment, got "
            f"{values.dtype} of shape {values.shape}. Name another source, or make it for these files."
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        structure = int(dataset.structure_of[bad[0]])
        raise MEAGraphError(
            f"{config.source}: expected finite numbers, but row {bad[0]} ({_where(dataset, structure)}, atom "
            f"{dataset.atom_of[bad[0]]}) holds NaN or infinity. Compute its descriptor anew, or remove the frame."
        )
    values = np.ascontiguousarray(values, dtype=np.float32)
    digest = hashlib.sha256(values.data).hexdigest()
    return Descriptors(values, config.method, {"source": config.source, "width": values.shape[1], "sha256": digest})


def _from_array(dataset: AtomicDataset, name: str) -> NDArray[Any]:
    parts = []
    for index, atoms in enumerate(dataset.structures):
        if name not in atoms.arrays:
            others = sorted(set(atoms.arrays) - {"numbers", "positions"})
            raise MEAGraphError(
                f"{_where(dataset, index)}: expected a per-atom array {name!r}, but this frame has "
                f"{', '.join(others) or 'none'}. Name one that all frames have."
            )
        rows = np.asarray(atoms.arrays[name])
        parts.append(rows.reshape(len(atoms), -1))
        if parts[-1].shape[1] != parts[0].shape[1]:
            raise MEAGraphError(
                f"{_where(dataset, index)}: expected {parts[0].shape[1]} values an atom in {name!r} as in the first "
                f"frame, got {parts[-1].shape[1]}. Write the array with equal width in all frames."
            )
    return np.concatenate(parts)


def _from_npy(dataset: AtomicDataset, path: str) -> NDArray[Any]:
    try:
        return np.asarray(np.load(Path(path).expanduser(), mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise MEAGraphError(f"{path}: expected a NumPy array file (.npy), but it cannot be read: {error}.") from error


READY_MADE: dict[str, Callable[[AtomicDataset, str], NDArray[Any]]] = {"array": _from_array, "npy": _from_npy}


def check_same_descriptors(expected: dict[str, Any], descriptors: Descriptors) -> None:
    """Raise MEAGraphError, saying how they differ, unless a model was trained on such ``descriptors``."""
    came = json.loads(json.dumps(descriptors.identity))
    differences = [
        f"{key}: the model has {expected.get(key)!r}, the dataset {came.get(key)!r}"
        for key in sorted(set(expected) | set(came))
        if key not in ("implementation", "sha256") and expected.get(key) != came.get(key)
    ]
    if differences:
        raise MEAGraphError(
            "The model was trained on other descriptors: " + "; ".join(differences) + ". Compute the descriptors "
            "with the model's settings, or train a new model."
        )
