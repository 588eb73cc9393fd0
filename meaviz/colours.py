"""How environments are coloured, on the map and in 3D: name to what is shown and the function that colours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase.data import chemical_symbols

from meaviz.session import Session, cluster_name
from meaviz.style import Colouring


def _clusters(session: Session) -> Colouring:
    clusters = session.survey.clusters
    names = [cluster_name(label) for label in range(clusters.n_clusters)]
    return Colouring.categorical(clusters.labels, names, label="Cluster")


def _groups(session: Session) -> Colouring:
    names, codes = np.unique(session.dataset.groups, return_inverse=True)
    return Colouring.categorical(codes[session.dataset.structure_of], names.tolist(), label="Group")


def _elements(session: Session) -> Colouring:
    species = np.asarray(session.dataset.species)
    codes = np.searchsorted(species, session.dataset.numbers)
    return Colouring.categorical(codes, [chemical_symbols[z] for z in species], label="Element")


def _energies(session: Session) -> Colouring:
    data = session.dataset
    per_atom = (data.energy / np.diff(data.offsets))[data.structure_of]
    return Colouring.continuous(per_atom, label="Energy per atom", unit="eV/atom")


def _forces(session: Session) -> Colouring:
    sizes = np.linalg.norm(session.dataset.forces, axis=1)
    return Colouring.continuous(sizes, label="Force", unit="eV/Å", log=bool((sizes > 0).any()))


def _outliers(session: Session) -> Colouring:
    return Colouring.continuous(session.survey.outliers.score, label="Outlier score", unit="1 = candidate")


def _flags(session: Session) -> Colouring:
    return Colouring.categorical(session.flags.astype(int), ["not flagged", "flagged"], label="Flag")


COLOURINGS: dict[str, tuple[str, Callable[[Session], Colouring]]] = {
    "cluster": ("Cluster", _clusters),
    "group": ("Group", _groups),
    "element": ("Element", _elements),
    "energy": ("Energy per atom", _energies),
    "force": ("Force", _forces),
    "outlier": ("Outlier score", _outliers),
    "flag": ("Flag", _flags),
}


def colour(session: Session, name: str) -> Colouring:
    """Colour all environments by ``name``, one of COLOURINGS; the session must have a survey."""
    return COLOURINGS[name][1](session)
