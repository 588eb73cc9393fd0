"""What the colours in the 3D view mean, as the viewer draws it."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.inspection.bonds import element_colors
from meaviz.style.palette import NEUTRAL, Colouring, pack

MOST = 8
"""Categories that are named; of more, the legend gives the number."""
STEPS = 12


def element_legend(numbers: NDArray[np.integer]) -> dict[str, Any]:
    """The elements among atomic ``numbers`` (n,) in Jmol's colours."""
    species = np.unique(numbers)
    colors = [f"#{color:06x}" for color in element_colors(species).tolist()]
    return {"title": "Element", **_entries(list(zip((chemical_symbols[z] for z in species), colors, strict=True)))}


def colour_legend(colouring: Colouring, shown: NDArray[np.uint32]) -> dict[str, Any]:
    """Explain a colouring where the atoms have the packed colours ``shown`` (n,): only categories that occur."""
    if colouring.kind == "continuous":
        if not np.isfinite(colouring.low):
            return {"title": f"{colouring.label}: no values", "entries": [["no value", NEUTRAL]]}
        unit = f" / {colouring.unit}" if colouring.unit else ""
        steps = np.linspace(0, len(colouring.palette) - 1, STEPS).astype(int)
        return {
            "title": f"{colouring.label}{unit}{' (logarithmic)' if colouring.log else ''}",
            "ramp": [colouring.palette[step] for step in steps],
            "low": f"{colouring.low:.3g}",
            "high": f"{colouring.high:.3g}",
            "more": "grey: no value" if np.isin(pack([NEUTRAL]), shown).any() else "",
        }
    present = set(np.unique(shown).tolist())
    entries = [(entry.name, entry.colour) for entry in colouring.entries if int(pack([entry.colour])[0]) in present]
    return {"title": colouring.label, **_entries(entries)}


def _entries(entries: list[tuple[str, str]]) -> dict[str, Any]:
    more = len(entries) - MOST
    return {"entries": [list(entry) for entry in entries[:MOST]], "more": f"and {more} more" if more > 0 else ""}
