"""Latent embedding to a map in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.axes import upright
from meagraph.display.cards import Shown
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, Points
from meagraph.latent.neighbours import Neighbours, umap_layout

GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))
AXES_FROM = 50_000  # rows at most; more of them move the axes of a quick map by less than anyone sees
BLOCK = 4096


@dataclass(frozen=True)
class ProjectionConfig:
    """UMAP's settings."""

    n_neighbors: int = 15
    min_dist: float = 0.1

    def __post_init__(self) -> None:
        if self.n_neighbors < 2 or not 0.0 <= self.min_dist < 1.0:
            raise MEAGraphError(
                "UMAP needs n_neighbors of at least 2 and min_dist in [0, 1), got "
                f"{self.n_neighbors} and {self.min_dist}."
            )


@dataclass(frozen=True, eq=False, repr=False)
class Projection(Shown):
    """Where every environment lies on the map; the axes have no unit."""

    xy: NDArray[np.float32]  # (N, 2)

    def _line(self) -> str:
        return f"{len(self.xy):,} environments"


def project(
    neighbours: Neighbours, condensed: Condensed, config: ProjectionConfig | None = None, *, seed: int = 0
) -> Projection:
    """UMAP of the representatives from their latent ``neighbours``, members set close around them.

    The same input and seed give the same map. The members of a representative fill a small disc in the pattern of
    a sunflower, so that a heap of equal environments shows its number and every point can be chosen.
    """
    config = config or ProjectionConfig()
    near = neighbours.nearest(config.n_neighbors)
    places = umap_layout(near, components=2, min_dist=config.min_dist, seed=seed)
    return Projection(around(places, condensed, usual_gap(places)).astype(np.float32))


def principal_plane(points: Points | NDArray[np.float32]) -> Projection:
    """The first two principal components of descriptors ``points`` (N, D): a map that no model is needed for.

    The axes are those of the rows, or of 50,000 of them at equal distances; the sign is such that the largest entry of
    each axis is positive. With a single column the second coordinate is 0. Equal input gives an equal map.
    """
    size, width = points.shape
    some = points[:: -(-size // AXES_FROM)]
    centre = some.mean(axis=0)
    _, found = np.linalg.eigh((some - centre).T @ (some - centre))
    axes = np.zeros((width, 2))
    axes[:, : min(width, 2)] = found[:, ::-1][:, :2]
    axes = upright(axes)
    parts = [(points[start : start + BLOCK] - centre) @ axes for start in range(0, size, BLOCK)]
    return Projection(np.concatenate(parts).astype(np.float32))


def usual_gap(places: NDArray[np.floating]) -> float:
    """Median distance from one of the ``places`` (M, 2) to the nearest other; 1 for a single one."""
    return float(np.median(KDTree(places).query(places, k=2)[0][:, 1])) if len(places) > 1 else 1.0


def around(places: NDArray[np.floating], condensed: Condensed, gap: float) -> NDArray[np.float64]:
    """Place (N, 2) the members of each representative on a disc around it, in file order from the centre out.

    ``gap`` is the usual distance between two representatives on the map.
    """
    order = np.argsort(condensed.assignment, kind="stable")
    owner = condensed.assignment[order]
    first = np.concatenate([[0], np.cumsum(condensed.multiplicity)[:-1]])
    rank = np.arange(len(owner)) - first[owner]
    radius = 0.25 * gap * np.sqrt(rank)
    angle = GOLDEN_ANGLE * rank
    xy = np.empty((len(owner), 2))
    xy[order] = places[owner] + np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return xy
