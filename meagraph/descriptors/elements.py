"""Descriptors of many elements in a bounded number of columns.

Columns for every pair of elements grow with their square: 35 give SOAP 22,260, 89 give 143,112, and the model's weights
grow with the square of that. Above WIDEST columns an element is told from the others, but no pair of them: every column
of one element sums over all elements of the other atom (the scheme mu1nu1 of Darby, Kermode and Csányi, npj Comput.
Mater. 8, 166, 2022). Where that is too wide, too, the elements' blocks are mixed into fewer channels by fixed weights,
function by function: columns are only added to columns of the same radial and angular function, so that the mixture
does not depend on how large the functions are, nor on the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

WIDEST = 1024  # columns that few elements may have before they are compressed
FEW = 3  # elements that keep a block of columns for every pair, however wide
LEAST = 8  # channels at least, however many functions there are
ROUNDS = 200  # after which the weights no longer change


@dataclass(frozen=True)
class Compression:
    """How S elements share columns: ``channels`` blocks of ``functions`` columns, a block an element where S fit."""

    species: tuple[int, ...]  # (S,) atomic numbers
    functions: int  # columns of one element
    channels: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.channels * self.functions

    @property
    def named(self) -> dict[str, Any]:
        """What the identity of the descriptors says of it."""
        return {"compression": "mu1nu1", "channels": self.channels}

    def mix(self, blocks: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns (n, width) from a block of ``functions`` columns for each element, (n, S, functions)."""
        if self.channels < len(self.species):
            weights = element_weights(self.channels)[list(self.species)]  # (S, channels)
            blocks = np.einsum("nsf,sc->ncf", blocks, weights)
        return np.ascontiguousarray(blocks).reshape(len(blocks), self.width)


def compression(species: tuple[int, ...], full: int, functions: int) -> Compression | None:
    """How to bound the columns of ``species`` that have ``full`` columns in pairs; None where those are to be kept."""
    if len(species) <= FEW or full <= WIDEST:
        return None
    return Compression(species, functions, min(len(species), max(LEAST, WIDEST // functions)))


def shared_columns(parameters: Mapping[str, Any]) -> str:
    """What to tell the user of such ``parameters`` of descriptors; empty where every pair of elements has columns."""
    if "compression" not in parameters:
        return ""
    many, channels = len(parameters["species"]), parameters["channels"]
    how = "one for each" if channels == many else "mixed with fixed weights"
    return f"{many} elements share columns ({parameters['compression']}): {channels} channels, {how}"


def element_weights(channels: int) -> NDArray[np.float64]:
    """What each element, by atomic number, gives to each channel: rows of unit norm, (119, channels).

    The columns are orthogonal and of one length (a tight frame), so that no direction counts more than another and two
    elements have as little in common as can be had at once. Equal on every machine: from NumPy's frozen generator, by
    turns the nearest orthogonal columns and the nearest unit rows (Tropp, Dhillon, Heath and Strohmer, IEEE Trans. Inf.
    Theory 51, 188, 2005).
    """
    weights = np.random.RandomState(0).standard_normal((len(chemical_symbols), channels))
    for _ in range(ROUNDS):
        left, _, right = np.linalg.svd(weights, full_matrices=False)
        weights = left @ right
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return np.asarray(weights)


def sum_over_partners(pairs: NDArray[np.float64], n_species: int) -> NDArray[np.float64]:
    """A block for each element, (n, S, G), from one for each pair a >= b, (n, S (S + 1) / 2, G) in rising a, then b.

    Pairs within an element count twice, as each of two atoms has the other for a partner.
    """
    place = np.zeros((n_species, n_species), dtype=np.intp)  # of each pair, from both sides
    place[np.tril_indices(n_species)] = np.arange(pairs.shape[1])
    place = np.maximum(place, place.T)
    blocks = [pairs[:, partners].sum(axis=1) + pairs[:, partners[own]] for own, partners in enumerate(place)]
    return np.stack(blocks, axis=1)
