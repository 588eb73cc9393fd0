"""From where on something is a finding. Each threshold holds for all datasets, and is stated where it is used.

Those of duplicates stand in :mod:`meagraph.duplicates.thresholds`.

They are set so that what is thermal, strained or liquid passes: the sound sets of Ta, Nb, Fe and InP that the tests
read raise only what is truly in them.
"""

from __future__ import annotations

BOND = 1.25
"""Two atoms are neighbours below this multiple of the sum of their covalent radii (B. Cordero et al., Dalton Trans.
2832, 2008): the first shell of metals, ionic and covalent solids, whose distances lie at 0.8 to 1.15."""

OVERLAP = 0.3
"""Multiple of the same sum below which atoms lie on each other: no code for electrons gives a usable label there."""

SHORT = 0.5
"""Below this atoms are closer than in any molecule or solid under pressure; sets made for repulsion have them."""

NET_FORCE = 1e-3
"""eV/Å an atom. The forces on a structure without an external field add up to zero; what is left in converged
calculations is below this (Kuryla et al., arXiv:2510.19774, 2025)."""

STRONG = 50.0
"""eV/Å. At a fit by squares such a force counts as 2,500 of 1 eV/Å; at thousands of kelvin forces stay below 15."""

FAR, FAR_LEAST, FAR_SHARE = 10.0, 1.0, 0.01
"""An energy is far from the fit to the composition beyond so many robust spreads, and eV/atom at least. What lies above
is a stray where its share of the structures is smaller than this; compressed cells, dimers, surfaces come in groups."""

LOPSIDED = 0.002
"""Length of the sum of the unit vectors to the neighbours, each weighed by (1 - distance / cutoff)², above which no
symmetry holds an atom's force at zero. It is zero on sites whose symmetry does, and below 0.0001 in the sound sets."""
