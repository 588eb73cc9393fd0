"""How environments are coloured, on the map, in 3D and in the tables: by any property, or by density."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from meagraph.inspection.properties import Property
from meagraph.inspection.summaries import spans_decades
from meaviz.session import Session
from meaviz.style.palette import Colouring

FIRST = ("cluster", "group", "element", "energy", "force", "score", "flag", "kept")  # offered before all others
DENSITY = "density"
BINS, SMOOTHING = 256, 1.5  # of the density: a side, and in bins


def choices(session: Session) -> dict[str, list[tuple[str, str]]]:
    """What can be coloured by: group of choices to (title, name) pairs."""
    properties = session.properties
    if properties is None:
        return {}
    first = [(properties.title_of(name), name) for name in FIRST if name in properties]
    rest = [(properties.title_of(name), name) for name in properties if name not in FIRST]
    return {"Often used": [*first, ("Density on the map", DENSITY)], "All properties": sorted(rest)}


def colour(session: Session, name: str) -> Colouring:
    """Colour all environments by the property ``name``, or by DENSITY; the session must have properties."""
    if name == DENSITY:
        x, y = (session.properties[axis].values for axis in session.axes)
        return Colouring.continuous(density(x, y), label="Density", unit="environments / bin", log=True)
    return colouring(session.properties[name])


def colouring(found: Property) -> Colouring:
    """Colours of a property: of categories by name, of numbers on a linear or, where they span decades, a log scale."""
    if found.kind == "category":
        noise = "Unclustered" if found.name == "cluster" else "None"
        return Colouring.categorical(found.values, found.names, label=found.title, noise=noise)
    return Colouring.continuous(found.values, label=found.title, unit=found.unit, log=spans_decades(found.values))


def density(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Environments a bin, smoothed, where each of N points lies in the plane; NaN for points without a place."""
    known = np.isfinite(x) & np.isfinite(y)
    result = np.full(len(x), np.nan)
    if known.any():
        bins = [_bins(values[known]) for values in (x, y)]
        counts = np.zeros((BINS, BINS))
        np.add.at(counts, tuple(bins), 1.0)
        result[known] = gaussian_filter(counts, SMOOTHING)[tuple(bins)]
    return result


def _bins(values: NDArray[np.float64]) -> NDArray[np.int64]:
    low, high = values.min(), values.max()
    return np.minimum((values - low) / max(high - low, np.finfo(float).tiny) * BINS, BINS - 1).astype(np.int64)
