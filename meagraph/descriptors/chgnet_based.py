"""Learned descriptors that need no file: the node features of the CHGNet in chgnet's wheel (the extra ``chgnet``)."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets.cells import compact
from meagraph.descriptors.batches import batched
from meagraph.descriptors.settings import DescriptorConfig, Maker
from meagraph.errors import MEAGraphError
from meagraph.files import sha256_file

INSTALL = 'pip install "meaviz[chgnet]"'
MODEL = "0.3.0"  # of those in the wheel the one that chgnet itself takes
WEIGHTS = "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar"
R_CUT, R_ANGLE = 6.0, 3.0  # Å, of bonds and of bonds that enclose angles
KNOWN = frozenset(range(1, 95)) - frozenset(range(84, 89))  # elements of MPtrj, which it was trained on
BATCH = 256  # atoms that go through the network at once
PROCESSES = 16  # at most; the cores that are left work as threads


def chgnet(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Maker]:
    """Node features (64) after the last convolution of CHGNet 0.3.0 (Deng et al., Nat. Mach. Intell. 5, 1031, 2023).

    They are what its readout turns into the energy of an atom, before that normalises them. Cutoff and weights are the
    model's, of bonds within 6 Å; an atom without neighbours has the features of its element alone. Directions that are
    not periodic have no images. How many processes share the work changes values by rounding only.

    Raises MEAGraphError where chgnet is missing, lacks these weights, or was not trained on an element.
    """
    implementation, path = installed("descriptor")
    missing = set(species) - KNOWN
    if missing:
        names = ", ".join(chemical_symbols[number] for number in sorted(missing))
        raise MEAGraphError(
            f"The dataset holds {names}, which CHGNet was not trained on; it knows H to Bi and Ac to Pu. Take another "
            "descriptor."
        )
    network = functools.cache(lambda: build())

    def make(structures: Sequence[Atoms], workers: int) -> Iterator[NDArray[np.floating]]:
        near = [compact(atoms, R_CUT) for atoms in structures]
        batches = list(batched(near, BATCH))
        if workers == 1:
            for batch in batches:
                yield from _features(network(), batch)
            return
        from joblib import Parallel, delayed

        processes = min(workers, PROCESSES)
        for first in range(0, len(batches), processes):  # a round at a time, so that the caller can stop in between
            found = Parallel(n_jobs=processes)(
                delayed(describe_batch)(workers // processes, batch) for batch in batches[first : first + processes]
            )
            yield from (rows for part in found for rows in part)

    parameters = {
        "model": MODEL,
        "model_sha256": sha256_file(path),
        "r_cut": R_CUT,
        "implementation": implementation,
    }
    return parameters, make


def installed(what: str) -> tuple[str, Path]:
    """The package with its version, and the file of the weights in it.

    Raises MEAGraphError where either is missing, for ``what`` is called chgnet and needs them.
    """
    try:
        implementation = f"chgnet {version('chgnet')}"
    except PackageNotFoundError as error:
        raise MEAGraphError(f"The {what} 'chgnet' needs CHGNet, which is not installed. Run {INSTALL}") from error
    path = Path(str(files("chgnet") / WEIGHTS))
    if not path.is_file():
        raise MEAGraphError(
            f"{path}: expected the weights of CHGNet {MODEL}, but {implementation} has none there. Run pip install "
            "chgnet==0.4.2"
        )
    return implementation, path


def describe_batch(threads: int, batch: list[Atoms]) -> list[NDArray[np.floating]]:
    """Features of ``batch`` in a process that works for another one."""
    import torch

    torch.set_num_threads(threads)
    return _features(known_network(), batch)


@functools.cache
def known_network() -> Any:
    """The network of a process that works for another one, built once."""
    return build()


def build() -> Any:
    """CHGNet with the weights of its wheel, in single precision."""
    import torch
    from chgnet.model import CHGNet

    # came with the code that runs here, and is trusted like it; even so nothing of it is unpickled but tensors
    known = torch.load(str(files("chgnet") / WEIGHTS), map_location="cpu", weights_only=True)["model"]
    with contextlib.redirect_stdout(io.StringIO()):  # it introduces itself
        made = CHGNet(**known["model_args"])
    made.load_state_dict(known["state_dict"])
    return made.eval().requires_grad_(False)


def _features(network: Any, batch: list[Atoms]) -> list[NDArray[np.floating]]:
    """Node features (n, 64) of each structure of ``batch``; no other thread may use ``network`` meanwhile."""
    import torch

    seen: list[Any] = []
    hook = network.atom_conv_layers[-1].register_forward_hook(lambda layer, given, nodes: seen.append(nodes))
    try:
        with torch.no_grad():
            network([graph(atoms) for atoms in batch], task="e")
    finally:
        hook.remove()
    return np.split(seen[0].numpy(), np.cumsum([len(atoms) for atoms in batch])[:-1])


def graph(atoms: Atoms) -> Any:
    """The structure as the network takes it; chgnet's own converter refuses atoms without neighbours."""
    import torch
    from chgnet.graph import CrystalGraph
    from vesin import NeighborList

    cell = atoms.cell.array
    i, j, images, distances = NeighborList(cutoff=R_CUT, full_list=True).compute(
        points=atoms.positions, box=cell, periodic=atoms.pbc, quantities="ijSd"
    )
    once = _once(i, j, images)
    i, j, images, distances = i[once].astype(np.int64), j[once].astype(np.int64), images[once], distances[once]
    centres, bonds = np.concatenate([i, j]), np.tile(np.arange(len(i)), 2)  # each bond from both its ends
    short = np.flatnonzero(np.tile(distances, 2) <= R_ANGLE)
    one, other = (short[chosen] for chosen in pairs_within(centres[short]))
    return CrystalGraph(
        atomic_number=torch.tensor(atoms.numbers, dtype=torch.int32),
        atom_frac_coord=torch.tensor(atoms.positions @ np.linalg.inv(cell), dtype=torch.float32),
        atom_graph=torch.tensor(np.stack([centres, np.concatenate([j, i])], axis=1)),
        atom_graph_cutoff=R_CUT,
        neighbor_image=torch.tensor(np.concatenate([images, -images]), dtype=torch.float32),
        directed2undirected=torch.tensor(bonds),
        undirected2directed=torch.arange(len(i)),
        bond_graph=torch.tensor(np.stack([centres[one], bonds[one], one, bonds[other], other], axis=1)),
        bond_graph_cutoff=R_ANGLE,
        lattice=torch.tensor(cell, dtype=torch.float32),
    )


def _once(i: NDArray[Any], j: NDArray[Any], images: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the pairs (E,), listed from both ends, to keep for each to stand there once."""
    x, y, z = images.T  # of an atom and its own image those in the upper half of space
    upper = (z > 0) | ((z == 0) & ((y > 0) | ((y == 0) & (x > 0))))
    return np.asarray((i < j) | ((i == j) & upper))


def pairs_within(groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All ordered pairs (P,) of different members of the same group; ``groups`` (m,) has the group of each member."""
    order = np.argsort(groups, kind="stable")
    _, sizes = np.unique(groups, return_counts=True)
    partners = np.repeat(sizes, sizes)  # (m,) how many each has, itself included
    first = np.repeat(np.arange(len(order)), partners)
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)  # (m,) where its group begins
    second = np.repeat(start, partners) + np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
    different = first != second
    return order[first[different]], order[second[different]]
