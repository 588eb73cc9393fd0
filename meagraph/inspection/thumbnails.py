"""A small picture of an environment as SVG: balls and sticks from back to front."""

from __future__ import annotations

import ase
import numpy as np
from ase.data import covalent_radii

from meagraph.inspection.bonds import bond_cutoffs, bonded_pairs, element_colors
from meagraph.inspection.environments import neighbourhood

HALO = "#FFB80D"
# rows are the axes of the screen: the 3D view's first look
TILT = np.array([[-0.913542, -0.406744, -0.000003], [-0.125702, 0.282318, 0.951050], [-0.386833, 0.868824, -0.309038]])
FADE = 0.62  # of the farthest atoms towards the background


def thumbnail_svg(
    atoms: ase.Atoms,
    focus: int,
    cutoff: float,
    colors: np.ndarray | None = None,
    size: int = 110,
    *,
    background: str = "#FFFFFF",
    rotation: np.ndarray | None = None,
) -> str:
    """Draw the environment of one atom within ``cutoff`` Å as an SVG element of ``size`` pixels a side.

    Args:
        atoms: (n,) the structure.
        focus: index of the central atom, which gets a golden ring.
        cutoff: Å.
        colors: (n,) uint32 0xRRGGBB; None gives the elements' colours.
        size: pixels.
        background: #rrggbb that distant atoms fade into.
        rotation: (3, 3) applied to the environment before it is drawn.
    """
    found = neighbourhood(atoms, focus, cutoff)
    parents = np.concatenate([[focus], found.atoms])
    vectors = np.vstack([np.zeros(3), found.positions - atoms.positions[focus]])
    if rotation is not None:
        vectors = vectors @ rotation.T
    seen = vectors @ TILT.T  # x to the right, y up, z towards the eye
    numbers = atoms.numbers[parents]
    packed = (element_colors(atoms.numbers) if colors is None else np.asarray(colors))[parents]
    radii = 0.2 + 0.42 * covalent_radii[numbers]
    scale = size / (2 * (cutoff + 0.8))
    x, y = size / 2 + scale * seen[:, 0], size / 2 - scale * seen[:, 1]
    depth = np.clip(0.5 - seen[:, 2] / (2 * cutoff), 0.0, 1.0) * FADE  # 0 in front
    paint = [_mixed(color, background, share) for color, share in zip(packed.tolist(), depth, strict=True)]
    edge = [_mixed(_darker(color), background, share) for color, share in zip(packed.tolist(), depth, strict=True)]
    items = []
    for i, radius in enumerate(scale * radii):
        ball = f'cx="{x[i]:.1f}" cy="{y[i]:.1f}" r="{radius:.1f}" fill="{paint[i]}" stroke="{edge[i]}"'
        items.append((seen[i, 2], f"<circle {ball}/>"))
    for i, j in bonded_pairs(vectors, bond_cutoffs(atoms)[parents]):
        middle = (seen[i, 2] + seen[j, 2]) / 2
        stroke = _mixed(0xA4AAB4, background, float(depth[i] + depth[j]) / 2)
        line = f'<line x1="{x[i]:.1f}" y1="{y[i]:.1f}" x2="{x[j]:.1f}" y2="{y[j]:.1f}" stroke="{stroke}"/>'
        items.append((middle, line))
    ring = f'<circle cx="{x[0]:.1f}" cy="{y[0]:.1f}" r="{scale * radii[0] + 2:.1f}" fill="none" stroke="{HALO}"/>'
    items.append((seen[0, 2] + 1e-6, ring))
    drawn = "".join(text for _, text in sorted(items, key=lambda item: item[0]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 {size} {size}" '
        f'stroke-width="{max(0.6, 0.016 * size):.1f}">{drawn}</svg>'
    )


def _darker(color: int) -> int:
    return (color >> 1) & 0x7F7F7F


def _mixed(color: int, background: str, share: float) -> str:
    """``color`` 0xRRGGBB with a ``share`` of the background, as #rrggbb."""
    other = int(background.lstrip("#"), 16)
    channels = (round((1 - share) * (color >> bits & 255) + share * (other >> bits & 255)) for bits in (16, 8, 0))
    return "#" + "".join(f"{channel:02x}" for channel in channels)
