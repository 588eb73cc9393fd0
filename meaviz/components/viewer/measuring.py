"""Distances, angles and dihedrals between atoms that were clicked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ase
import numpy as np
from ase.geometry import find_mic

MOST = 4
"""Atoms that can be picked: two for a distance, three for an angle, four for a dihedral."""


def readings(positions: np.ndarray, atoms: ase.Atoms | None = None) -> list[dict[str, Any]]:
    """Measure between 0 to 4 points in their order; each result is ``{"at": points, "text": value with unit}``.

    Two points have a distance, three also the angle at the second, four also the dihedral about the middle two,
    from -180 to 180 degrees in the IUPAC sense. Coinciding points or a straight line have no angle.

    Args:
        positions: (P, 3) Å.
        atoms: the structure they are in; where another periodic image is nearer than the point that was picked, the
            text says so.
    """
    results = []
    for first in range(len(positions) - 1):
        step = positions[first + 1] - positions[first]
        length, text = float(np.linalg.norm(step)), ""
        if atoms is not None and atoms.pbc.any():
            nearest = float(find_mic(step, atoms.cell, atoms.pbc)[1])
            text = f" (nearest image {nearest:.3f} Å)" if nearest < length - 5e-4 else ""
        results.append({"at": [first, first + 1], "text": f"{length:.3f} Å{text}"})
    for first in range(len(positions) - 2):
        value = angle(positions[first : first + 3])
        if np.isfinite(value):
            results.append({"at": [first, first + 1, first + 2], "text": f"{value:.1f}°"})
    if len(positions) == MOST and np.isfinite(value := dihedral(positions)):
        results.append({"at": [0, 1, 2, 3], "text": f"dihedral {value:.1f}°"})
    return results


def angle(points: np.ndarray) -> float:
    """The angle at the second of three ``points`` (3, 3), degrees; NaN where two coincide."""
    first, second = points[0] - points[1], points[2] - points[1]
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    if lengths == 0.0:
        return float("nan")
    return float(np.degrees(np.arccos(np.clip(first @ second / lengths, -1.0, 1.0))))


def dihedral(points: np.ndarray) -> float:
    """The dihedral of four ``points`` (4, 3) about the middle two, degrees; NaN where three lie on a line."""
    before, axis, after = np.diff(points, axis=0)
    left, right = np.cross(before, axis), np.cross(axis, after)
    if min(np.linalg.norm(left), np.linalg.norm(right)) < 1e-9:
        return float("nan")
    return float(np.degrees(np.arctan2(np.linalg.norm(axis) * (before @ right), left @ right)))


def moved_picks(picked: Sequence[int], old: dict[str, Any], new: dict[str, Any]) -> list[int]:
    """Where the ``picked`` drawn atoms of one scene are in another of the same structure; none where one is gone."""
    labels, places = _labels(old), {label: index for index, label in enumerate(_labels(new))}
    moved = [places.get(labels[index], -1) for index in picked]
    return [] if -1 in moved else moved


def _labels(scene: dict[str, Any]) -> list[tuple[int, ...]]:
    """Part, atom and periodic image of every drawn atom."""
    part = np.searchsorted(scene["starts"], np.arange(len(scene["parents"])), side="right") - 1
    columns = np.column_stack([part, scene["parents"], np.asarray(scene["images"]).reshape(-1, 3)])
    return [tuple(row) for row in columns.tolist()]
