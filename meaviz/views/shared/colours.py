"""How environments are coloured, on the map, in 3D and in the tables: by any property, or by density."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from meagraph.inspection.property import Property
from meagraph.inspection.summaries import density, spans_decades
from meaviz.session import Session
from meaviz.session.appearance import DENSITY
from meaviz.style.palette import Colouring

OF_ALL = ("known", "selected", "flag", DENSITY)  # what is coloured alike whether it is known or not
FIRST = (
    "cluster",
    "group",
    "novelty",
    "force_error",
    "energy_error",
    "element",
    "phase",
    "energy",
    "force",
    "score",
    "flag",
    "kept",
)  # offered before all others


def choices(session: Session) -> dict[str, list[tuple[str, str]]]:
    """What can be coloured by: group of choices to (title, name) pairs."""
    properties = session.data.properties
    if properties is None:
        return {}
    first = [(properties.title_of(name), name) for name in FIRST if name in properties]
    rest = [(properties.title_of(name), name) for name in properties if name not in FIRST]
    return {"Often used": [*first, ("Map density", DENSITY)], "All properties": sorted(rest)}


def colour(session: Session, name: str) -> Colouring:
    """Colour all environments by the property ``name``, or by DENSITY; the session must have properties."""
    properties = session.data.properties
    assert properties is not None
    if name == DENSITY:
        x, y = (properties[axis].values for axis in session.appearance.axes)
        return Colouring.continuous(density(x, y), label="Density", unit="environments / bin", log=True)
    dataset = session.data.dataset
    grey = dataset.known_environments if dataset is not None and dataset.known.any() and name not in OF_ALL else None
    return colouring(properties[name], grey)


def colouring(found: Property, known: NDArray[Any] | None = None) -> Colouring:
    """Colours of a property: of categories by name, of numbers on a linear or, where they span decades, a log scale.

    What is ``known`` (N,) already is grey.
    """
    if found.kind == "category":
        noise = "Unclustered" if found.name == "cluster" else "None"
        names = found.titles or found.names
        return Colouring.categorical(found.values, names, label=found.title, noise=noise, known=known)
    log = spans_decades(found.values)
    return Colouring.continuous(found.values, label=found.title, unit=found.unit, log=log, known=known)
