"""SOAP and ACSF, by dscribe."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.descriptors.settings import DescriptorConfig, Maker


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
