"""From where on structures count as alike. Each threshold holds for all datasets, and is stated where it is used."""

from __future__ import annotations

CUTOFF = 5.0
"""Å. How far neighbours are looked for: the usual cutoff of descriptors, within which structures differ or do not."""

CROWDED = 1000
"""Atoms within the cutoff of one atom; the densest matter has 200. More means that lengths are not in Å."""

NEAR = 0.002
"""Å. Structures are near duplicates where all distances to neighbours agree within this. In the sound sets the energies
of such pairs differ by less than 0.1 meV/atom in the median, which is what calculations are converged to; at 0.01 Å
steps of deliberate strain would count."""

SAME = 0.001
"""Å. Two geometries are the same but for rounding of coordinates where distances agree within this."""

COINCIDE = 0.01
"""Å. Atoms of symmetric duplicates lie on each other within this once one structure is turned onto the other: what SAME
becomes over the lengths of a cell."""

SAME_ENERGY, SAME_FORCE = 0.002, 0.05
"""eV/atom, and eV/Å as root mean square: two converged calculations of one geometry agree within these. A bond of
50 eV/Å², the stiffest there is, changes its force by 0.05 eV/Å over SAME."""

SAME_STRESS = 0.003
"""eV/Å³ as root mean square of the nine elements, some 0.5 GPa: what a change of SAME in a bond makes of the stress of
the stiffest solids, whose moduli are 7 eV/Å³."""
