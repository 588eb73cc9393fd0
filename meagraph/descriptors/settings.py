"""Which descriptors there are, and what each of them can be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError

FARTHEST = 50.0  # Å; the neighbours within grow with its cube
MOST = 50  # radial functions
Maker = Callable[[Sequence[Atoms], int], Iterable[NDArray[np.floating]]]
"""Structures, and a number of processes that it may share them out to, to one (n, D) array each."""


@dataclass(frozen=True)
class Kind:
    """A descriptor as the command line and the app present it."""

    label: str
    settings: tuple[str, ...] = ()  # the numbers of DescriptorConfig that it heeds
    source: str = ""  # what DescriptorConfig.source names for it; empty where it needs none
    parallel_above: int = 30_000  # environments; starting processes takes seconds
    within: bool = False  # its maker shares a chunk out to processes, for what they must load is large


KINDS: dict[str, Kind] = {
    "soap": Kind("SOAP", ("r_cut", "n_max", "l_max")),
    "acsf": Kind("ACSF", ("r_cut", "n_max", "l_max")),
    "snap": Kind("SNAP", ("r_cut", "l_max")),
    "mace": Kind(
        "MACE", source="the path of a MACE model", parallel_above=100_000, within=True
    ),  # they gain little, threads do
    "chgnet": Kind("CHGNet", within=True),
    "array": Kind("Array in the file", source="the name of a per-atom array"),
    "npy": Kind("NumPy file", source="the path of a .npy file"),
}


@dataclass(frozen=True)
class DescriptorConfig:
    """Which descriptor: a name of KINDS and its parameters (lengths in Å), or ready-made values.

    ``snap`` takes twojmax = 2 ``l_max`` and has no ``n_max``; ``mace`` takes everything from the model file at the
    path ``source``, ``chgnet`` from the model in its package; ``array`` takes the per-atom array named ``source`` from
    the dataset's files; ``npy`` the NumPy file at the path ``source``, a row for each environment in the order of the
    dataset.
    """

    method: str = "soap"
    source: str = ""
    r_cut: float = 5.0
    n_max: int = 3
    l_max: int = 3

    def __post_init__(self) -> None:
        if self.method not in KINDS:
            raise MEAGraphError(f"Unknown descriptor {self.method!r}; choose from {', '.join(KINDS)}.")
        wanted = KINDS[self.method].source
        if bool(wanted) != bool(self.source):
            raise MEAGraphError(
                f"The descriptor {self.method!r} comes with source={self.source!r}; it needs {wanted or 'none'}."
            )
        if not 1.0 < self.r_cut <= FARTHEST or not 1 <= self.n_max <= MOST or not 0 <= self.l_max <= 20:
            raise MEAGraphError(
                f"A descriptor needs r_cut above 1 and up to {FARTHEST:g} Å, n_max between 1 and {MOST} and l_max "
                f"between 0 and 20, got r_cut={self.r_cut}, n_max={self.n_max}, l_max={self.l_max}."
            )
