"""How alike two environments are as sets of atoms: the rotation and the pairing that lay one best on the other.

Centres stay on each other. For a given rotation the pairing is an assignment problem among atoms of the same element
(H. W. Kuhn, Nav. Res. Logist. Q. 2, 83, 1955); for a given pairing the rotation is Kabsch's (Acta Cryst. A 32, 922,
1976). Taking turns (iterative closest points, Besl & McKay, IEEE Trans. Pattern Anal. Mach. Intell. 14, 239, 1992)
ends in the nearest optimum only, hence many starts: rotations that lay a pair of near neighbours on a like pair, and
random ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from meagraph.errors import MEAGraphError
from meagraph.inspection.environments import neighbourhood

REACH = 1.5  # Å; atoms farther apart than this are no pair
CLOSE = 24  # neighbours that starts are judged by
RANDOM = 200  # starts
POLISHED = 12  # of the starts, those that are carried to the end
ROUNDS = 30


@dataclass(frozen=True, eq=False)
class Alignment:
    """How to lay the second of two environments on the first; vectors r from its centre become ``rotation @ r``."""

    rotation: NDArray[np.float64]  # (3, 3) proper
    pairs: NDArray[np.int64]  # (P, 2) neighbours of the first and of the second that lie on each other
    rmsd: float  # Å root mean square distance of the pairs, NaN where there is none
    unmatched: tuple[int, int]  # neighbours of the first and of the second without partner
    mirrored: float  # Å the RMSD where the second is reflected first; lower for the other hand of a chiral one
    mirrored_unmatched: tuple[int, int]


def align_environments(
    first: tuple[Atoms, int], second: tuple[Atoms, int], cutoff: float, *, reach: float = REACH, seed: int = 0
) -> Alignment:
    """Align the environment of an atom (structure, index) on that of another, both within ``cutoff`` Å.

    Neighbours are numbered as :func:`meagraph.inspection.environments.neighbourhood` lists them; see :func:`align`.
    """
    around = [(atoms, neighbourhood(atoms, index, cutoff)) for atoms, index in (first, second)]
    vectors = [found.positions - atoms.positions[found.center] for atoms, found in around]
    numbers = [atoms.numbers[found.atoms] for atoms, found in around]
    return align(vectors[0], numbers[0], vectors[1], numbers[1], reach=reach, seed=seed)


def align(
    first: NDArray[np.float64],
    first_numbers: NDArray[np.integer],
    second: NDArray[np.float64],
    second_numbers: NDArray[np.integer],
    *,
    reach: float = REACH,
    seed: int = 0,
) -> Alignment:
    """Find the proper rotation and the pairing that lay ``second`` best on ``first``.

    Best is the least sum of the squared distances of pairs, of reach² for each neighbour of the smaller set that has no
    partner within ``reach``. The optimum is not guaranteed, but the same input gives the same result.

    Args:
        first, second: (K, 3), (L, 3) Å, neighbours as seen from the centre, nearest first.
        first_numbers, second_numbers: (K,), (L,) atomic numbers; only equal ones are paired.
        reach: Å.
        seed: of the random starts.

    Raises:
        MEAGraphError: shapes that do not fit, or a reach that is not positive.
    """
    first, second = (np.asarray(points, dtype=np.float64) for points in (first, second))
    kinds = np.asarray(first_numbers), np.asarray(second_numbers)
    for points, numbers in ((first, kinds[0]), (second, kinds[1])):
        if points.ndim != 2 or points.shape[1:] != (3,) or numbers.shape != points.shape[:1]:
            raise MEAGraphError(
                "An alignment needs neighbours of shape (K, 3) and their atomic numbers (K,), got "
                f"{points.shape} and {numbers.shape}."
            )
    if not reach > 0:
        raise MEAGraphError(f"The reach of an alignment must be above 0 Å, got {reach}.")
    like = kinds[0][:, None] == kinds[1][None, :]  # (K, L)
    rotation, pairs = _best(first, second, like, reach, seed)
    mirror = _best(first, -second, like, reach, seed)
    missing = (len(first) - len(pairs), len(second) - len(pairs))
    return Alignment(
        rotation=rotation,
        pairs=pairs,
        rmsd=_rmsd(first, second, rotation, pairs),
        unmatched=missing,
        mirrored=_rmsd(first, -second, *mirror),
        mirrored_unmatched=(len(first) - len(mirror[1]), len(second) - len(mirror[1])),
    )


Found = tuple[NDArray[np.float64], NDArray[np.int64]]


def _best(
    first: NDArray[np.float64], second: NDArray[np.float64], like: NDArray[np.bool_], reach: float, seed: int
) -> Found:
    if not like.any():
        return np.eye(3), np.empty((0, 2), dtype=np.int64)
    starts = _starts(first, second, like, seed)  # (T, 3, 3)
    order = np.argsort(_misfits(first, second, like, starts, reach), kind="stable")
    best, least = (np.eye(3), np.empty((0, 2), dtype=np.int64)), np.inf
    for start in starts[order[:POLISHED]]:
        found = _polish(first, second, like, start, reach)
        cost = _cost(first, second, *found, like, reach)
        if cost < least - 1e-9:
            best, least = found, cost
        if least < 1e-12:
            break
    return best


def _starts(
    first: NDArray[np.float64], second: NDArray[np.float64], like: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """Rotations (T, 3, 3) to begin with: the identity, pairs on pairs, random ones."""
    starts = [np.eye(3)[None], Rotation.random(RANDOM, random_state=np.random.default_rng(seed)).as_matrix()]
    near, others = first[:CLOSE], second[:CLOSE]
    length, other = np.linalg.norm(near, axis=1), np.linalg.norm(others, axis=1)
    angles, other_angles = _angles(near, length), _angles(others, other)
    for a in range(min(3, len(near))):
        slanted = np.flatnonzero(np.abs(np.sin(angles[a])) > 0.3)
        if not len(slanted):
            continue
        b = int(slanted[0])
        misfit = (
            np.abs(other - length[a])[:, None]
            + np.abs(other - length[b])[None, :]
            + length[a] * np.abs(other_angles - angles[a, b])
        )
        allowed = like[a, : len(others), None] & like[b, None, : len(others)]
        allowed &= np.abs(np.sin(other_angles)) > 0.15
        misfit = np.where(allowed, misfit, np.inf)
        chosen = np.argsort(misfit, axis=None, kind="stable")[:100]
        chosen = chosen[np.isfinite(misfit.ravel()[chosen])]
        p, q = np.unravel_index(chosen, misfit.shape)
        if len(p):
            starts.append(_frames(near[[a]], near[[b]]) @ _frames(others[p], others[q]).transpose(0, 2, 1))
    return np.concatenate(starts)


def _angles(points: NDArray[np.float64], length: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles (K, K) between vectors (K, 3) of these lengths (K,), radian."""
    unit = points / np.maximum(length, 1e-12)[:, None]
    return np.arccos(np.clip(unit @ unit.T, -1.0, 1.0))


def _frames(along: NDArray[np.float64], beside: NDArray[np.float64]) -> NDArray[np.float64]:
    """Right-handed orthonormal frames (P, 3, 3), as columns, of pairs of vectors (P, 3) that are not parallel."""
    x = along / np.linalg.norm(along, axis=1, keepdims=True)
    z = np.cross(x, beside)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=2)


def _misfits(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    like: NDArray[np.bool_],
    rotations: NDArray[np.float64],
    reach: float,
) -> NDArray[np.float64]:
    """Of each rotation (T,): squared distances Å² of the closest neighbours to their nearest like ones, both ways."""
    near, others = first[:CLOSE], second[:CLOSE]
    turned = np.einsum("tij,lj->tli", rotations, others)  # (T, L, 3)
    squared = ((near[None, :, None] - turned[:, None]) ** 2).sum(axis=3)  # (T, K, L)
    squared = np.minimum(np.where(like[: len(near), : len(others)], squared, np.inf), reach**2)
    both: NDArray[np.float64] = squared.min(axis=2).sum(axis=1) + squared.min(axis=1).sum(axis=1)
    return both


def _polish(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    like: NDArray[np.bool_],
    rotation: NDArray[np.float64],
    reach: float,
) -> Found:
    pairs = np.empty((0, 2), dtype=np.int64)
    for _ in range(ROUNDS):
        found = _pairing(first, second @ rotation.T, like, reach)
        if np.array_equal(found, pairs) or not len(found):
            break
        pairs = found
        rotation = kabsch(first[pairs[:, 0]], second[pairs[:, 1]])
    return rotation, pairs


def _pairing(
    first: NDArray[np.float64], turned: NDArray[np.float64], like: NDArray[np.bool_], reach: float
) -> NDArray[np.int64]:
    """The pairs (P, 2) of like points within ``reach`` that cost least."""
    squared = ((first[:, None] - turned[None]) ** 2).sum(axis=2)
    possible = like & (squared < reach**2)
    rows, columns = linear_sum_assignment(np.where(possible, squared, reach**2))
    kept = possible[rows, columns]
    return np.column_stack([rows[kept], columns[kept]]).astype(np.int64)


def kabsch(fixed: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """The proper rotation (3, 3) that brings the vectors ``moved`` (P, 3) closest to ``fixed`` (P, 3), none shifted."""
    left, _, right = np.linalg.svd(fixed.T @ moved)
    hand = np.sign(np.linalg.det(left @ right)) or 1.0
    rotation: NDArray[np.float64] = left @ np.diag([1.0, 1.0, hand]) @ right
    return rotation


def _cost(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    rotation: NDArray[np.float64],
    pairs: NDArray[np.int64],
    like: NDArray[np.bool_],
    reach: float,
) -> float:
    left_over = min(like.shape) - len(pairs)
    return float(_squares(first, second, rotation, pairs).sum() + left_over * reach**2)


def _squares(
    first: NDArray[np.float64], second: NDArray[np.float64], rotation: NDArray[np.float64], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = ((first[pairs[:, 0]] - second[pairs[:, 1]] @ rotation.T) ** 2).sum(axis=1)
    return squares


def _rmsd(
    first: NDArray[np.float64], second: NDArray[np.float64], rotation: NDArray[np.float64], pairs: NDArray[np.int64]
) -> float:
    """Root mean square distance of the pairs, Å; NaN without any."""
    return float(np.sqrt(_squares(first, second, rotation, pairs).mean())) if len(pairs) else float("nan")
