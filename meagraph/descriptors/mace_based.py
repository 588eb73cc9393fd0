"""Learned descriptors: the invariant node features of a MACE model (the extra ``mace``)."""

from __future__ import annotations

import functools
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets.cells import compact, enclosing_cell
from meagraph.descriptors.batches import batched
from meagraph.descriptors.mace_file import Inert, MaceFile, read_mace_file
from meagraph.descriptors.settings import DescriptorConfig, Maker
from meagraph.errors import MEAGraphError

INSTALL = 'pip install "meaviz[mace]"'
BATCH = 128  # atoms that go through the network at once
PROCESSES = 16  # at most: each holds about a gigabyte; the cores that are left work as threads


def mace(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Maker]:
    """Invariant node features of all layers (Batatia et al., NeurIPS 2022) of the model file ``config.source``.

    They equal ``MACECalculator.get_descriptors(invariants_only=True)``. The model brings its own cutoff, and the
    identity holds its SHA-256, not its path. One process shares the work among PyTorch's threads; of several, each
    reads the file, builds the network once and shares the cores with the others. How many there are changes values
    by rounding only, about 1e-6 of a feature's largest value.

    Raises MEAGraphError where mace is missing, the file is refused, or the model does not know an element.
    """
    implementation = installed("descriptor")
    file = read_mace_file(config.source)
    missing = set(species) - set(file.species)
    if missing:
        names = ", ".join(chemical_symbols[number] for number in sorted(missing))
        known = ", ".join(chemical_symbols[number] for number in file.species)
        raise MEAGraphError(
            f"{file.path}: the dataset holds {names}, which this MACE model does not know; it knows {known}. Take a "
            "model of all elements."
        )
    network = functools.cache(lambda: build(file))
    path = str(Path(file.path).expanduser().resolve())

    def make(structures: Sequence[Atoms], workers: int) -> Iterator[NDArray[np.floating]]:
        near = [compact(atoms, file.r_max) for atoms in structures]
        if workers == 1:
            for batch in batched(near, BATCH):
                yield from _features(network(), file, batch)
            return
        from joblib import Parallel, delayed

        processes = min(workers, PROCESSES)
        batches = list(batched(near, BATCH))
        for first in range(0, len(batches), processes):  # a round at a time, so that the caller can stop in between
            found = Parallel(n_jobs=processes)(
                delayed(describe_batch)(path, file.sha256, workers // processes, batch)
                for batch in batches[first : first + processes]
            )
            yield from (rows for part in found for rows in part)

    parameters = {
        "model_sha256": file.sha256,
        "r_cut": file.r_max,
        "layers": file.layers,
        "implementation": implementation,
    }
    return parameters, make


def installed(what: str) -> str:
    """The package and its version; MEAGraphError where it is missing, for ``what`` is called mace and needs it."""
    try:
        return f"mace-torch {version('mace-torch')}"
    except PackageNotFoundError as error:
        raise MEAGraphError(f"The {what} 'mace' needs MACE, which is not installed. Run {INSTALL}") from error


def describe_batch(path: str, sha256: str, threads: int, batch: list[Atoms]) -> list[NDArray[np.floating]]:
    """Features of ``batch`` in a process that works for another one."""
    import torch

    torch.set_num_threads(threads)
    return _features(*known_network(path, sha256), batch)


@functools.lru_cache(maxsize=1)
def known_network(path: str, sha256: str) -> tuple[Any, MaceFile]:
    """The network of a file, built once a process. Raises MEAGraphError where the file has another SHA-256 by now."""
    file = read_mace_file(path)
    if file.sha256 != sha256:
        raise MEAGraphError(f"{path}: the file has changed since the descriptors were begun. Begin anew.")
    return build(file), file


def build(file: MaceFile) -> Any:
    """The network of ``file``, made by mace's own classes and filled with the file's tensors, in their precision.

    Raises MEAGraphError where this version of mace cannot make a network with those tensors.
    """
    import torch

    before = os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with torch.serialization.safe_globals([slice]):  # stands in e3nn's table of constants
        from e3nn import o3
        from mace import modules
        from mace.tools.scripts_utils import extract_config_mace_model
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)  # importing mace switches PyTorch's safety off
    if before is not None:
        os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = before
    try:
        config = extract_config_mace_model(file.root)
        if "error" in config or config["embedding_specs"] is not None:
            raise ValueError(f"a {type(file.root).__name__} with embeddings of its own is not supported")
        for name in ("interaction_cls", "interaction_cls_first"):
            config[name] = modules.interaction_classes[config[name].__name__]
        config["readout_cls"] = modules.readout_classes[config["readout_cls"].__name__]
        config["avg_num_neighbors"] = float(config["avg_num_neighbors"])
        config["atomic_numbers"] = list(file.species)
        config["gate"] = modules.gate_dict[_function_name(config["gate"])]
        config["edge_irreps"] = o3.Irreps(str(config["edge_irreps"])) if config["edge_irreps"] is not None else None
        tensors = file.root.tensors()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of TorchScript, about mace's annotations
            network = modules.ScaleShiftMACE(**config)
        dtype = tensors["node_embedding.linear.weight"].dtype
        network = network.to(dtype)
        for name in network.state_dict().keys() - tensors.keys():  # mathematical constants of e3nn's compiled parts
            if degrees := re.search(r"_w3j_(\d+)_(\d+)_(\d+)$", name):
                tensors[name] = o3.wigner_3j(*map(int, degrees.groups()), dtype=dtype)
        network.load_state_dict(tensors)
    except Exception as error:  # mace's classes meet whatever stands in the file
        raise MEAGraphError(
            f"{file.path}: mace-torch {version('mace-torch')} cannot build this model: "
            f"{' '.join(str(error).split())} Save it anew with this version, not compiled and not converted."
        ) from error
    return network.eval().requires_grad_(False)


def _function_name(record: Any) -> str:
    """The last name of a function in the file: a name, or getattr called with an object and a name; or "None"."""
    if isinstance(record, Inert):
        return str(record.arguments[1])
    return "None" if record is None else str(record.__name__)


def _features(network: Any, file: MaceFile, batch: list[Atoms]) -> list[NDArray[np.floating]]:
    """Invariant node features (n, D) of each structure of ``batch``."""
    import torch

    with torch.no_grad():
        nodes = network(inputs(network, file, batch), compute_force=False)["node_feats"].numpy()
    return np.split(nodes[:, _invariant(network)], np.cumsum([len(atoms) for atoms in batch])[:-1])


def inputs(network: Any, file: MaceFile, batch: list[Atoms]) -> dict[str, Any]:
    """What the ``network`` of ``file`` takes of the structures of ``batch``, in its precision and on its device.

    All of them are periodic to it: see :func:`meagraph.datasets.cells.enclosing_cell`.
    """
    import torch

    sizes = [len(atoms) for atoms in batch]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    found = [_edges(atoms, file.r_max) for atoms in batch]
    edges = np.concatenate([pairs + offset for (pairs, _, _), offset in zip(found, offsets, strict=False)], axis=1)
    numbers = np.concatenate([atoms.numbers for atoms in batch])
    real = {"dtype": network.r_max.dtype, "device": network.r_max.device}
    return {
        "positions": torch.tensor(np.concatenate([atoms.positions for atoms in batch]), **real),
        "node_attrs": torch.tensor(numbers[:, None] == np.array(file.species), **real),
        "edge_index": torch.tensor(edges, device=real["device"]),
        "shifts": torch.tensor(np.concatenate([images @ cell for _, images, cell in found]), **real),
        "unit_shifts": torch.tensor(np.concatenate([images for _, images, _ in found]), **real),
        "cell": torch.tensor(np.concatenate([cell for _, _, cell in found]), **real),
        "batch": torch.tensor(np.repeat(np.arange(len(batch)), sizes), device=real["device"]),
        "ptr": torch.tensor(offsets, device=real["device"]),
    }


def _edges(atoms: Atoms, r_max: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs (2, E) nearer than ``r_max`` Å, sender and receiver, the receivers' images (E, 3), and the cell (3, 3)."""
    from matscipy.neighbours import neighbour_list

    cell = enclosing_cell(atoms, r_max)
    first, second, images = neighbour_list(
        "ijS", positions=atoms.positions, cell=cell, pbc=np.ones(3, dtype=bool), cutoff=r_max
    )
    return np.stack([first, second]).astype(np.int64), images, cell


def _invariant(network: Any) -> NDArray[np.intp]:
    """Which of the concatenated node features of all layers are scalars of even parity."""
    columns, start = [], 0
    for product in network.products:
        irreps = product.linear.irreps_out
        for part, (_, irrep) in zip(irreps.slices(), irreps, strict=True):
            if (irrep.l, irrep.p) == (0, 1):
                columns.append(np.arange(start + part.start, start + part.stop))
        start += irreps.dim
    return np.concatenate(columns)
