"""What the components of a descriptor are called."""

from __future__ import annotations

from itertools import combinations_with_replacement

from ase.data import atomic_numbers

from meagraph.descriptors.computing import Descriptors


def component_names(descriptors: Descriptors) -> list[str]:
    """A short name (D,) of each component: for SOAP the elements, radial functions and angular order it couples.

    Others are numbered from 1.
    """
    width = descriptors.own.shape[1]
    names = _soap_names(descriptors) if descriptors.method == "soap" else []
    return names if len(names) == width else [f"component {number + 1}" for number in range(width)]


def _soap_names(descriptors: Descriptors) -> list[str]:
    """In the order of dscribe: pairs of elements by atomic number, then l, then n and n'."""
    settings = descriptors.parameters
    if not {"species", "n_max", "l_max"} <= settings.keys():
        return []
    radial = range(1, settings["n_max"] + 1)
    species = sorted(settings["species"], key=atomic_numbers.__getitem__)
    return [
        f"{one}–{other} n={n},{m} l={l}"
        for one, other in combinations_with_replacement(species, 2)
        for l in range(settings["l_max"] + 1)  # noqa: E741
        for n in radial
        for m in radial
        if one != other or m >= n
    ]
