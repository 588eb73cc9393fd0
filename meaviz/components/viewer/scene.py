"""What the 3D view draws, as arrays that travel to the browser unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from ase.data import chemical_symbols, covalent_radii

from meagraph.datasets.cells import wrapped
from meagraph.inspection.bonds import bond_cutoffs, bonded_pairs, element_colors
from meagraph.inspection.environments import neighbourhood

BALLS_ONLY_ABOVE = 10_000
"""With more drawn atoms than this, bonds are drawn in the environment only, and without one none at all."""
MOST_DRAWN = 200_000
"""Repeats that would draw more atoms than this are not drawn."""
USUAL_ARROW = 2.5
"""Å that the arrow of a force is long which one in a hundred exceeds."""
FAINT = 0.4
"""Opacity of the first of two environments where they are laid over each other."""


@dataclass(frozen=True, eq=False)
class Environment:
    """An atom with its neighbours, as one of two that are compared."""

    atoms: ase.Atoms  # (n,) the whole structure
    focus: int  # index of the centre
    cutoff: float  # Å
    colors: np.ndarray | None = None  # (n,) uint32 0xRRGGBB; None: the elements'
    vectors: np.ndarray | None = None  # (n, 3) forces in eV/Å
    rotation: np.ndarray | None = None  # (3, 3): column vectors are turned by it, about the centre


def build_scene(
    atoms: ase.Atoms,
    *,
    colors: np.ndarray | None = None,
    vectors: np.ndarray | None = None,
    focus: int = -1,
    cutoff: float = 5.0,
    whole: bool = False,
    repeats: Sequence[int] = (1, 1, 1),
) -> dict[str, Any]:
    """Describe what is to be drawn of one structure.

    The M drawn atoms are the n of the structure, then other periodic images of them: those in the environment of
    the chosen atom, and those in repeated cells. Atoms that have left the cell for good are drawn back inside, and
    periodic images are counted from there.

    Args:
        atoms: (n,) atoms.
        colors: (n,) uint32 0xRRGGBB; None gives the elements' colours.
        vectors: (n, 3) forces in eV/Å that arrows can show; NaN for none.
        focus: index of the chosen atom; -1 for none.
        cutoff: radius of the environment around it, in Å.
        whole: show the structure evenly and only mark the chosen atom, instead of its environment.
        repeats: cells along a, b, c; without effect along a direction that is not periodic, and where more than
            MOST_DRAWN atoms would be drawn.

    Returns:
        ``symbols``: the elements; ``kinds``: (M,) uint8 index into them; ``positions``: (3M,) float32 Å;
        ``radii``, ``balls``: (M,) float32 Å, of space-filling balls and of those between sticks;
        ``colors``: (M,) uint32; ``bonds``: (2B,) int32; ``vectors``: (3M,) float32 or None;
        ``parents``: (M,) int32 atom of the structure; ``images``: (3M,) int16 periodic image in cell vectors;
        ``real``: n; ``starts``: first drawn atom of each part, and M; ``centers``: the chosen atom of each part;
        ``near``: (K,) int32 drawn atoms that stand out from the others, empty for all;
        ``around``: fit the view to what stands out; ``apart``: Å between the parts; ``faint``: opacity of what does
        not stand out, None for the viewer's; ``cell``: (9,) float32 Å or None; ``repeats``: as drawn;
        ``spacefill``: too many atoms for balls and sticks.

    Raises:
        ValueError: ``colors`` or ``vectors`` do not fit ``atoms``, or ``focus`` is no atom of the structure.
    """
    n = len(atoms)
    atoms = wrapped(atoms)  # of an unwrapped trajectory the cell would show nothing
    colors, vectors = _checked(atoms, colors, vectors)
    if not -1 <= focus < n:
        raise ValueError(f"focus must be -1 or an atom index below {n}, not {focus}")
    cell = np.asarray(atoms.cell.array)
    repeats = allowed_repeats(atoms, repeats)
    real = np.column_stack([np.arange(n), np.zeros((n, 3), dtype=np.int64)])
    others = _repeated(n, repeats)
    around = focus >= 0 and not whole
    if around:
        surrounding = neighbourhood(atoms, focus, cutoff)
        images = _images(atoms, surrounding.shifts)
        members = np.vstack([[focus, 0, 0, 0], np.column_stack([surrounding.atoms, images])])
        others = np.unique(np.vstack([others, members[members[:, 1:].any(axis=1)]]), axis=0)
    drawn = np.vstack([real, others])  # (M, 4): atom, image
    parents, images = drawn[:, 0], drawn[:, 1:]
    near = _places(drawn, members) if around else np.empty(0, dtype=np.intp)
    positions = atoms.get_positions()[parents] + images @ cell
    big = len(parents) > BALLS_ONLY_ABOVE
    bonding = near if big else np.arange(len(parents))
    bonds = bonding[bonded_pairs(positions[bonding], bond_cutoffs(atoms)[parents[bonding]])]
    periodic = bool(atoms.pbc.any()) and atoms.cell.rank == 3
    return {
        **_look(atoms.numbers[parents], positions, colors[parents], bonds),
        "vectors": None if vectors is None else vectors[parents].astype(np.float32).ravel(),
        "parents": parents.astype(np.int32),
        "images": images.astype(np.int16).ravel(),
        "real": n,
        "starts": [0, len(parents)],
        "centers": [int(focus)] if focus >= 0 else [],
        "near": near.astype(np.int32),
        "around": around,
        "apart": 0.0,
        "faint": None,
        "cell": cell.astype(np.float32).ravel() if periodic else None,
        "repeats": list(repeats),
        "spacefill": big and not around,
    }


def build_comparison(first: Environment, second: Environment, *, overlaid: bool = False) -> dict[str, Any]:
    """Describe two environments without what lies around them, side by side or laid over each other.

    Both centres are the origin; ``starts`` tells where the second begins, and ``apart`` how far the two are to be
    moved apart on the screen. Returns and raises as :func:`build_scene`.
    """
    parts = [_alone(environment) for environment in (first, second)]
    joined = [np.concatenate(column) for column in zip(*(part[:5] for part in parts), strict=True)]
    numbers, positions, colors, vectors, labels = joined
    start = len(parts[0][0])
    reach = max(float(np.linalg.norm(part[1], axis=1).max(initial=0.0)) for part in parts)
    return {
        **_look(numbers, positions, colors, np.vstack([parts[0][5], parts[1][5] + start])),
        "vectors": vectors.astype(np.float32).ravel() if np.isfinite(vectors).any() else None,
        "parents": labels[:, 0].astype(np.int32),
        "images": labels[:, 1:].astype(np.int16).ravel(),
        "real": 0,
        "starts": [0, start, len(numbers)],
        "centers": [0, start],
        "near": np.arange(start, len(numbers), dtype=np.int32) if overlaid else np.empty(0, dtype=np.int32),
        "around": False,
        "apart": 0.0 if overlaid else 2.0 * reach + 3.0,
        "faint": FAINT if overlaid else None,
        "cell": None,
        "repeats": [1, 1, 1],
        "spacefill": False,
    }


def arrow_scale(forces: np.ndarray) -> float:
    """Å per eV/Å, one of 1, 2, 5 times a power of ten, at which usual ``forces`` (N, 3) eV/Å can be seen."""
    sizes = np.linalg.norm(forces, axis=1)
    known = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not known.size:
        return 1.0
    wanted = USUAL_ARROW / float(np.percentile(known, 99))
    power = 10.0 ** np.floor(np.log10(wanted))
    step = max(step for step in (1, 2, 5) if step * power <= wanted * 1.0000001)
    return float(f"{step * power:.1g}")


def known_vectors(vectors: np.ndarray) -> np.ndarray | None:
    """``vectors`` (n, 3), or None where none of them is known."""
    return vectors if np.isfinite(vectors).any() else None


def allowed_repeats(atoms: ase.Atoms, repeats: Sequence[int]) -> tuple[int, int, int]:
    """The cells along a, b, c that :func:`build_scene` draws where ``repeats`` are asked for."""
    periodic = np.asarray(atoms.pbc) & np.asarray(atoms.cell.array).any(axis=1)
    a, b, c = (int(many) if flag else 1 for many, flag in zip(repeats, periodic, strict=True))
    return (a, b, c) if len(atoms) * a * b * c <= MOST_DRAWN else (1, 1, 1)


def _alone(environment: Environment) -> tuple[np.ndarray, ...]:
    """Numbers, positions from the centre, colours, vectors, atoms with images, and bonds of an environment."""
    atoms, focus = wrapped(environment.atoms), environment.focus
    colors, vectors = _checked(atoms, environment.colors, environment.vectors)
    found = neighbourhood(atoms, focus, environment.cutoff)
    parents = np.concatenate([[focus], found.atoms])
    positions = np.vstack([np.zeros(3), found.positions - atoms.positions[focus]])
    forces = np.full((len(parents), 3), np.nan) if vectors is None else vectors[parents]
    if environment.rotation is not None:
        positions, forces = positions @ environment.rotation.T, forces @ environment.rotation.T
    images = np.vstack([np.zeros((1, 3), dtype=np.int64), _images(atoms, found.shifts)])
    bonds = bonded_pairs(positions, bond_cutoffs(atoms)[parents])
    return atoms.numbers[parents], positions, colors[parents], forces, np.column_stack([parents, images]), bonds


def _checked(
    atoms: ase.Atoms, colors: np.ndarray | None, vectors: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    n = len(atoms)
    colors = element_colors(atoms.numbers) if colors is None else np.asarray(colors, dtype=np.uint32)
    if colors.shape != (n,):
        raise ValueError(f"colors must be one number an atom, shape ({n},), not {colors.shape}")
    vectors = None if vectors is None else np.asarray(vectors, dtype=np.float64)
    if vectors is not None and vectors.shape != (n, 3):
        raise ValueError(f"vectors must be three numbers an atom, shape ({n}, 3), not {vectors.shape}")
    return colors, vectors


def _look(numbers: np.ndarray, positions: np.ndarray, colors: np.ndarray, bonds: np.ndarray) -> dict[str, Any]:
    species, kinds = np.unique(numbers, return_inverse=True)
    radii = covalent_radii[numbers]
    return {
        "symbols": [chemical_symbols[number] for number in species],
        "kinds": kinds.astype(np.uint8),
        "positions": positions.astype(np.float32).ravel(),
        "radii": radii.astype(np.float32),
        "balls": (0.16 + 0.3 * radii).astype(np.float32),  # even hydrogen stands out from its stick
        "colors": colors,
        "bonds": bonds.astype(np.int32).ravel(),
    }


def _repeated(n: int, repeats: Sequence[int]) -> np.ndarray:
    """Atoms and images (R, 4) of the cells beyond the first."""
    cells = np.stack(np.meshgrid(*(np.arange(many) for many in repeats), indexing="ij"), axis=-1).reshape(-1, 3)[1:]
    return np.column_stack([np.tile(np.arange(n), len(cells)), np.repeat(cells, n, axis=0)]).astype(np.int64)


def _images(atoms: ase.Atoms, shifts: np.ndarray) -> np.ndarray:
    """Displacements (K, 3) Å of periodic images as whole numbers of cell vectors (K, 3)."""
    if not shifts.any():
        return np.zeros((len(shifts), 3), dtype=np.int64)
    return np.rint(shifts @ np.linalg.pinv(atoms.cell.array)).astype(np.int64)


def _places(drawn: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Where the rows of ``members`` are among those of ``drawn``, both (., 4)."""
    place = {tuple(row): index for index, row in enumerate(drawn.tolist())}
    return np.array([place[tuple(row)] for row in members.tolist()], dtype=np.intp)
