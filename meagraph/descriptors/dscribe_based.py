"""SOAP and ACSF, by dscribe."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets.cells import compact
from meagraph.descriptors.batches import batched
from meagraph.descriptors.elements import Compression, compression, sum_over_partners
from meagraph.descriptors.settings import DescriptorConfig, Maker
from meagraph.workers.threads import one_thread

TAIL = 4.0  # Å beyond SOAP's cutoff where an atom still counts: its Gaussian of 1 Å down to a thousandth, rounded up
TOGETHER = 32_000_000  # values of descriptors before they are compressed: 256 MB


def _dscribe(
    build: Callable[[], Any], reach: float, width: int, pressed: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Maker:
    """A maker from a calculator of dscribe, which is imported and built when it is first needed.

    No atom farther than ``reach`` Å changes the descriptor of another. ``pressed`` makes rows of fewer columns from the
    ``width`` of the calculator.
    """

    @functools.cache
    def calculator() -> Any:
        with one_thread():  # the radial functions are made orthogonal
            return build()

    def make(structures: Sequence[Atoms], workers: int) -> Iterator[NDArray[np.floating]]:
        near = [compact(atoms, reach) for atoms in structures]  # dscribe looks for images around the cell alone
        for few in batched(near, TOGETHER // width):
            found = calculator().create(few)
            if isinstance(found, np.ndarray) and found.ndim == 2:  # one structure comes without a list around it
                found = [found]
            yield from (pressed(np.asarray(rows)) for rows in found)

    return make


def soap(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Maker]:
    """Smooth overlap of atomic positions (Bartók et al., Phys. Rev. B 87, 184115, 2013), by dscribe.

    Many elements share columns, see :mod:`meagraph.descriptors.elements`.
    """
    symbols = [chemical_symbols[number] for number in species]
    basis = {"species": symbols, "r_cut": config.r_cut, "n_max": config.n_max, "l_max": config.l_max}
    sharing = soap_compression(config, species)

    def build() -> Any:
        from dscribe.descriptors import SOAP

        mode = {} if sharing is None else {"compression": {"mode": "mu1nu1", "species_weighting": None}}
        return SOAP(**basis, periodic=True, average="off", **mode)

    def pressed(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows if sharing is None else sharing.mix(rows.reshape(len(rows), len(species), -1))

    named = {} if sharing is None else sharing.named
    width = soap_pairs(config, species) if sharing is None else len(species) * sharing.functions
    maker = _dscribe(build, config.r_cut + TAIL, width, pressed)
    return {**basis, **named, "implementation": f"dscribe {version('dscribe')}"}, maker


def soap_width(config: DescriptorConfig, species: tuple[int, ...]) -> int:
    """Number of columns of SOAP."""
    sharing = soap_compression(config, species)
    return soap_pairs(config, species) if sharing is None else sharing.width


def soap_pairs(config: DescriptorConfig, species: tuple[int, ...]) -> int:
    """Columns of the whole power spectrum: unordered pairs of an element's radial function, for every l."""
    channels = len(species) * config.n_max
    return channels * (channels + 1) // 2 * (config.l_max + 1)


def soap_compression(config: DescriptorConfig, species: tuple[int, ...]) -> Compression | None:
    """How elements share the columns of SOAP; None where every pair has its own."""
    return compression(species, soap_pairs(config, species), config.n_max**2 * (config.l_max + 1))


def acsf(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Maker]:
    """Atom-centred symmetry functions (Behler, J. Chem. Phys. 134, 074106, 2011), by dscribe.

    ``n_max`` radial G2 functions, evenly spaced up to the cutoff and as wide as their spacing, and G4 functions for
    the angular exponents 1, 2, 4, ... of ``l_max`` doublings, each with both signs. Many elements share columns, see
    :mod:`meagraph.descriptors.elements`.
    """
    symbols = [chemical_symbols[number] for number in species]
    spacing = config.r_cut / (config.n_max + 1)
    centres = spacing * np.arange(1, config.n_max + 1)
    radial = [[0.5 / spacing**2, float(centre)] for centre in centres]
    angular = [[0.5 / spacing**2 / 16, float(2**power), sign] for power in range(config.l_max) for sign in (1.0, -1.0)]
    basis: dict[str, Any] = {"species": symbols, "r_cut": config.r_cut, "g2": radial, "g4": angular}
    sharing = acsf_compression(config, species)
    n, ends = len(species), len(species) * (1 + config.n_max)

    def build() -> Any:
        from dscribe.descriptors import ACSF

        return ACSF(r_cut=config.r_cut, g2_params=radial, g4_params=angular or None, species=symbols, periodic=True)

    def pressed(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if sharing is None:
            return rows
        own = rows[:, :ends].reshape(len(rows), n, -1)
        pairs = rows[:, ends:].reshape(len(rows), n * (n + 1) // 2, -1)
        return sharing.mix(np.concatenate([own, sum_over_partners(pairs, n)], axis=2))

    named = {} if sharing is None else sharing.named
    maker = _dscribe(build, config.r_cut, acsf_pairs(config, species), pressed)
    return {**basis, **named, "implementation": f"dscribe {version('dscribe')}"}, maker


def acsf_width(config: DescriptorConfig, species: tuple[int, ...]) -> int:
    """Number of columns of ACSF."""
    sharing = acsf_compression(config, species)
    return acsf_pairs(config, species) if sharing is None else sharing.width


def acsf_pairs(config: DescriptorConfig, species: tuple[int, ...]) -> int:
    """Columns of all symmetry functions: radial ones an element, angular ones an unordered pair."""
    n = len(species)
    return n * (1 + config.n_max) + n * (n + 1) // 2 * 2 * config.l_max


def acsf_compression(config: DescriptorConfig, species: tuple[int, ...]) -> Compression | None:
    """How elements share the columns of ACSF; None where every pair has its own."""
    return compression(species, acsf_pairs(config, species), 1 + config.n_max + 2 * config.l_max)
