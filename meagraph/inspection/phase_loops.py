"""Compiled loops of the common-neighbour analysis: nearest atoms, bonds among them, the phase that these make.

Single-threaded and without the interpreter's lock, as in :mod:`meagraph.graph.loops`.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Codes = NDArray[np.int8]

MOST = 18  # nearest atoms that are looked at: the two shells of the simple cubic lattice
AROUND = 14  # nearest atoms that say how dense and how one-sided a place is
ENOUGH = 3  # neighbours of known Frank-Kasper polyhedra, at least, that tell one of their phases
CLEAR = 0.9  # share of them that must fit it
SIZES = 64  # of distances between neighbours, by which these are counted
UNRESOLVED, FCC, HCP, BCC, SC, DIAMOND, HEXAGONAL, A15, LAVES, FRANK_KASPER, ICOSAHEDRAL = range(11)
# (common neighbours, bonds among them, bonds in the longest chain of these) as one number
FCC_BOND, HCP_BOND, FOUR, FIVE, SIX, SC_NEAR, SC_FAR = 40201, 40202, 40404, 50505, 60606, 81212, 60707


@numba.njit(cache=True, nogil=True)
def nearest(first: Indices, second: Indices, away: Floats, vector: Floats, n: int) -> tuple[Indices, Floats, Floats]:
    """The MOST nearest of ``n`` atoms, of pairs that are listed once: index (n, MOST), distance and vector to them.

    An index is -1 and a distance infinite where there are fewer.
    """
    index = np.full((n, MOST), -1, np.int64)
    distance = np.full((n, MOST), np.inf)
    to = np.zeros((n, MOST, 3))
    for p in range(first.size):
        for side in range(2):
            i, j, sign = (first[p], second[p], 1.0) if side == 0 else (second[p], first[p], -1.0)
            k = MOST - 1
            if away[p] >= distance[i, k]:
                continue
            while k > 0 and distance[i, k - 1] > away[p]:
                distance[i, k], index[i, k] = distance[i, k - 1], index[i, k - 1]
                to[i, k] = to[i, k - 1]
                k -= 1
            distance[i, k], index[i, k] = away[p], j
            for c in range(3):
                to[i, k, c] = sign * vector[p, c]
    return index, distance, to


@numba.njit(cache=True, nogil=True)
def _set_bits(bits: int) -> int:
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@numba.njit(cache=True, nogil=True)
def around_rank(values: Floats, count: int) -> tuple[float, float]:
    """The largest of the ``count`` smallest ``values``, and the smallest of the others; the values change places.

    By Hoare's quickselect: several times as fast as sorting all.
    """
    left, right = 0, values.size - 1
    while left < right:
        pivot = values[(left + right) // 2]
        i, j = left, right
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if count <= j:
            right = j
        elif count >= i:
            left = i
        else:
            break
    return values[:count].max(), values[count]


@numba.njit(cache=True, nogil=True)
def squares_between(points: Floats, k: int, out: Floats) -> None:
    """Squares of the distances between the first ``k`` of ``points`` into ``out``, infinite on its diagonal."""
    for a in range(k):
        out[a, a] = np.inf
        for b in range(a):
            x, y, z = points[a, 0] - points[b, 0], points[a, 1] - points[b, 1], points[a, 2] - points[b, 2]
            out[a, b] = out[b, a] = x * x + y * y + z * z


@numba.njit(cache=True, nogil=True)
def around_bond(squares: Floats, k: int, bonds: int, per: float, count: Indices, room: Floats) -> tuple[float, float]:
    """The largest of the ``bonds`` smallest squares between ``k`` points, and the smallest of the others.

    They are counted by their size first, in ``per`` parts of 1 Å², so that only those about the rank must be compared;
    ``count`` and ``room`` are for that.
    """
    last = count.size - 1.0
    count[:] = 0
    for a in range(k):
        for b in range(a):
            count[int(min(squares[a, b] * per, last))] += 1
    left, size = bonds, 0
    while count[size] < left:
        left -= count[size]
        size += 1
    found, beyond = 0, np.inf
    for a in range(k):
        for b in range(a):
            own = int(min(squares[a, b] * per, last))
            if own == size:
                room[found] = squares[a, b]
                found += 1
            beyond = min(beyond, squares[a, b] if own > size else np.inf)
    if left == found:
        return room[:found].max(), beyond
    return around_rank(room[:found], left)


@numba.njit(cache=True, nogil=True)
def _bond(squares: Floats, k: int, bonds: int, far: float, count: Indices, room: Floats) -> tuple[float, float]:
    """Behind the ``bonds`` nearest pairs of ``k`` points, most of them within ``far``: the gap to the next in Å.

    With it comes the square of its middle.
    """
    per = count.size / max(4.0 * far * far, 1e-300)
    low, high = around_bond(squares, k, bonds, per, count, room)
    low, high = np.sqrt(low), np.sqrt(high)
    return high - low, (0.5 * (low + high)) ** 2


@numba.njit(cache=True, nogil=True)
def _joined(squares: Floats, k: int, limit: float, one: int, other: int, joined: Indices) -> bool:
    """Which of ``k`` points are nearer to each other than the root of the ``limit``: bits of each into ``joined``.

    False, and no more of them, once one has other numbers than the signatures ``one`` and ``other`` have in common.
    """
    for a in range(k):
        bits, common = 0, 0
        for b in range(k):
            near = int(squares[a, b] < limit)
            bits |= near << b
            common += near
        if common != one // 10000 and common != other // 10000:
            return False
        joined[a] = bits
    return True


@numba.njit(cache=True, nogil=True)
def _signature(joined: Indices, a: int, k: int) -> int:
    """Of the bond from the central atom to its neighbour ``a``: as the constants above."""
    common = joined[a]
    bonds, longest, left = 0, 0, common
    while left:
        grown = left & -left
        chain = grown
        while grown:
            reached = 0
            for b in range(k):
                if grown >> b & 1:
                    reached |= joined[b] & common
            grown = reached & ~chain
            chain |= reached
        inside = 0
        for b in range(k):
            if chain >> b & 1:
                inside += _set_bits(joined[b] & common)
        bonds += inside // 2
        longest = max(longest, inside // 2)
        left &= ~chain
    return int(_set_bits(common) * 10000 + bonds * 100 + longest)


@numba.njit(cache=True, nogil=True)
def _made_of(joined: Indices, k: int, one: int, count: int, other: int) -> bool:
    """``count`` of ``k`` bonds have the signature ``one``, the rest the signature ``other``."""
    found = 0
    for a in range(k):
        signature = _signature(joined, a, k)
        if signature == one:
            found += 1
        elif signature != other:
            return False
    return found == count


@numba.njit(cache=True, nogil=True)
def _close_packed(squares: Floats, limit: float, joined: Indices) -> int:
    if not _joined(squares, 12, limit, FCC_BOND, HCP_BOND, joined):
        return UNRESOLVED
    if _made_of(joined, 12, FCC_BOND, 12, FCC_BOND):
        return FCC
    return HCP if _made_of(joined, 12, FCC_BOND, 6, HCP_BOND) else UNRESOLVED


@numba.njit(cache=True, nogil=True)
def _second_shell(i: int, index: Indices, distance: Floats, to: Floats, out: Floats) -> bool:
    """The four nearest atoms of the four nearest of atom ``i``, itself left out: whether these are twelve."""
    least = 0.01 * (to[i, 0] ** 2).sum()
    count = 0
    for a in range(4):
        j = index[i, a]
        if not distance[j, 3] < np.inf:
            return False
        for b in range(4):
            x, y, z = to[i, a, 0] + to[j, b, 0], to[i, a, 1] + to[j, b, 1], to[i, a, 2] + to[j, b, 2]
            if x * x + y * y + z * z > least:
                if count == 12:
                    return False
                out[count, 0], out[count, 1], out[count, 2] = x, y, z
                count += 1
    return count == 12


@numba.njit(cache=True, nogil=True)
def classify(index: Indices, distance: Floats, to: Floats) -> tuple[Codes, Codes]:
    """The phase (n,), and atoms of the Frank-Kasper polyhedron (n,), 0 for none; phases of these are still unknown.

    Where the nearest atoms fit several lattices, that with the widest gap behind its longest bond is taken.
    """
    n = len(index)
    phase, polyhedron = np.zeros(n, np.int8), np.zeros(n, np.int8)
    squares, joined = np.empty((MOST, MOST)), np.zeros(MOST, np.int64)
    count, room = np.zeros(SIZES, np.int64), np.empty(MOST * MOST)
    shell = np.empty((12, 3))
    for i in range(n):
        best = 0.0
        far = distance[i, 3]
        if 0.0 < far < np.inf and _second_shell(i, index, distance, to, shell):
            squares_between(shell, 12, squares)
            gap, limit = _bond(squares, 12, 24, 2.0 * far, count, room)
            gap = gap / far * 0.61  # the second shell lies 1.63 times as far
            if gap > best:
                lattice = _close_packed(squares, limit, joined)
                if lattice != UNRESOLVED:
                    best, phase[i] = gap, DIAMOND if lattice == FCC else HEXAGONAL
        known = 0
        while known < MOST and distance[i, known] < np.inf:
            known += 1
        squares_between(to[i], known, squares)
        for k, bonds in ((12, 24), (12, 30), (14, 36), (15, 39), (16, 42), (18, 60)):
            far = distance[i, k - 1]
            if not 0.0 < far < np.inf:
                continue
            gap, limit = _bond(squares, k, bonds, far, count, room)
            gap /= far
            if not gap > best:
                continue
            if bonds == 24:
                lattice = _close_packed(squares, limit, joined)
                if lattice != UNRESOLVED:
                    best, phase[i] = gap, lattice
            elif k == 12:
                if _joined(squares, 12, limit, FIVE, FIVE, joined) and _made_of(joined, 12, FIVE, 12, FIVE):
                    best, phase[i], polyhedron[i] = gap, ICOSAHEDRAL, 12
            elif k == 14 and _joined(squares, 14, limit, FOUR, SIX, joined) and _made_of(joined, 14, FOUR, 6, SIX):
                best, phase[i], polyhedron[i] = gap, BCC, 0
            elif k == 18:
                if _joined(squares, 18, limit, SC_NEAR, SC_FAR, joined) and _made_of(joined, 18, SC_NEAR, 6, SC_FAR):
                    best, phase[i], polyhedron[i] = gap, SC, 0
            elif _joined(squares, k, limit, FIVE, SIX, joined) and _made_of(joined, k, FIVE, 12, SIX):
                best, phase[i], polyhedron[i] = gap, FRANK_KASPER, k
    return phase, polyhedron


@numba.njit(cache=True, nogil=True)
def tell_polyhedra(phase: Codes, polyhedron: Codes, index: Indices) -> None:
    """Name the phases (n,) of Frank-Kasper polyhedra by those of their neighbours, in place.

    In A15 a polyhedron of 12 touches none but those of 14, in Laves phases there are 12 and 16. One of 12 among none
    of the others is icosahedral; a larger one among fewer than ENOUGH stays unresolved.
    """
    for i in range(len(phase)):
        own = polyhedron[i]
        if own == 0:
            continue
        twelve = fourteen = sixteen = known = 0
        for k in range(own):
            other = polyhedron[index[i, k]]
            known += other > 0
            twelve += other == 12
            fourteen += other == 14
            sixteen += other == 16
        if known < ENOUGH or (own == 12 and known == twelve):
            phase[i] = ICOSAHEDRAL if own == 12 else UNRESOLVED
        elif (own == 12 or own == 14) and fourteen > 0 and fourteen + (twelve if own == 14 else 0) >= CLEAR * known:
            phase[i] = A15
        elif (own == 12 or own == 16) and twelve + sixteen >= CLEAR * known:
            phase[i] = LAVES
        else:
            phase[i] = FRANK_KASPER


@numba.njit(cache=True, nogil=True)
def surroundings(phase: Codes, index: Indices, distance: Floats, to: Floats, out: NDArray[np.float32]) -> None:
    """Of each atom into ``out`` (n, 3): mean distance, length of the mean direction, share of resolved, of AROUND.

    NaN where fewer atoms than AROUND are near.
    """
    for i in range(len(index)):
        if not distance[i, AROUND - 1] < np.inf or distance[i, 0] <= 1e-8:
            out[i] = np.nan
            continue
        x = y = z = 0.0
        resolved = 0
        for k in range(AROUND):
            x += to[i, k, 0] / distance[i, k]
            y += to[i, k, 1] / distance[i, k]
            z += to[i, k, 2] / distance[i, k]
            resolved += phase[index[i, k]] != UNRESOLVED
        out[i, 0] = distance[i, :AROUND].mean()
        out[i, 1] = np.sqrt(x * x + y * y + z * z) / AROUND
        out[i, 2] = resolved / AROUND


def warm() -> None:
    """Compile the loops, or load them from numba's cache."""
    one = np.zeros(1, dtype=np.int64)
    near = nearest(one, one, np.ones(1), np.ones((1, 3)), 1)
    phase, polyhedron = classify(*near)
    tell_polyhedra(phase, polyhedron, near[0])
    surroundings(phase, *near, np.empty((1, 3), dtype=np.float32))
