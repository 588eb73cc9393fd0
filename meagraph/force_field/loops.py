"""Compiled loops over pairs of atoms for the quick force field: moments, features, forces.

Single-threaded and without the interpreter's lock, as in :mod:`meagraph.graph.loops`.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class Basis(NamedTuple):
    """Functions of the distance on a grid of G + 1 points, and monomials of the unit vector.

    The T columns of the grid are R functions of the pair terms, K densities of the embedding terms and A functions of
    the angular terms. The Q monomials x^a y^b z^c come in ascending degree, from 0 to L.
    """

    values: Floats  # (G + 1, T)
    slopes: Floats  # (G + 1, T) derivatives
    per_length: float  # points of the grid per Å
    radial: int  # R
    embedded: int  # K
    angular: int  # A
    powers: Indices  # (Q, 3) exponents a, b, c
    degrees: Indices  # (Q,) a + b + c
    counts: Floats  # (Q,) multinomial coefficients: the counts-weighted sum over a degree is a power of the cosine
    parent: Indices  # (Q,) monomial that gives this one when multiplied with a coordinate; 0 for the first
    axis: Indices  # (Q,) that coordinate
    lower: Indices  # (Q, 3) monomial with one power less of each coordinate; 0 where there is none
    kinds: int  # pairs of elements
    species: int  # elements


class Pairs(NamedTuple):
    """All P pairs of a structure of n atoms, each from both sides."""

    center: Indices  # (P,)
    other: Indices  # (P,)
    distance: Floats  # (P,) Å
    vector: Floats  # (P, 3) Å from center to other
    weight: Floats  # (P,) of the other atom in densities and moments: its covalent radius over the mean one
    own: Floats  # (n,) the same of each atom
    kind: Indices  # (P,) which pair of elements
    species: Indices  # (n,) which element


@numba.njit(cache=True, nogil=True, fastmath=True)
def _read(table: Floats, place: float, first: int, out: Floats) -> None:
    """The columns of ``table`` from ``first`` on at ``place`` grid points, linearly between them, into ``out``."""
    row = min(int(place), table.shape[0] - 2)
    share = place - row
    for c in range(out.size):
        out[c] = (1.0 - share) * table[row, first + c] + share * table[row + 1, first + c]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _monomials(unit: Floats, basis: Basis, out: Floats) -> None:
    """All monomials (Q,) of a unit vector."""
    out[0] = 1.0
    for q in range(1, out.size):
        out[q] = out[basis.parent[q]] * unit[basis.axis[q]]


@numba.njit(cache=True, nogil=True, fastmath=True)
def moments(pairs: Pairs, basis: Basis, moment: Floats, density: Floats) -> None:
    """Add up the neighbours of every atom into ``moment`` (n, A, Q) and ``density`` (n, K), in place."""
    first = basis.radial
    value = np.empty(basis.embedded + basis.angular)
    mono, unit = np.empty(basis.powers.shape[0]), np.empty(3)
    for p in range(pairs.center.size):
        i, r = pairs.center[p], pairs.distance[p]
        if r <= 1e-8:
            continue
        for d in range(3):
            unit[d] = pairs.vector[p, d] / r
        _read(basis.values, r * basis.per_length, first, value)
        _monomials(unit, basis, mono)
        for k in range(basis.embedded):
            density[i, k] += pairs.weight[p] * value[k]
        for a in range(basis.angular):
            factor = pairs.weight[p] * value[basis.embedded + a]
            for q in range(mono.size):
                moment[i, a, q] += factor * mono[q]


@numba.njit(cache=True, nogil=True)
def first_shell(pairs: Pairs, radius: float, edge: float, nearest: Floats, count: Floats) -> None:
    """Distance to the nearest atom into ``nearest`` (n,), infinite at first, and number of atoms into ``count`` (n,).

    An atom counts in full within ``radius``, scaled by the pair's weights, and fades out over ``edge`` times it.
    """
    for p in range(pairs.center.size):
        i, r = pairs.center[p], pairs.distance[p]
        nearest[i] = min(nearest[i], r)
        reach = radius * 0.5 * (pairs.own[i] + pairs.weight[p])
        count[i] += min(max(1.0 + (1.0 - r / reach) / edge, 0.0), 1.0)


@numba.njit(cache=True, nogil=True, fastmath=True)
def energy_features(pairs: Pairs, basis: Basis, moment: Floats, density: Floats, out: Floats) -> None:
    """Add what multiplies the coefficients in the energy of the structure to ``out`` (W,)."""
    value = np.empty(basis.radial)
    for p in range(pairs.center.size):
        _read(basis.values, pairs.distance[p] * basis.per_length, 0, value)
        for b in range(basis.radial):
            out[pairs.kind[p] * basis.radial + b] += value[b]
    start = basis.kinds * basis.radial
    levels = basis.degrees[-1] + 1
    block = basis.angular * (basis.angular + 1) // 2 * levels
    for i in range(density.shape[0]):
        for k in range(basis.embedded):
            out[start + pairs.species[i] * basis.embedded + k] += np.sqrt(density[i, k])
        f = start + basis.species * basis.embedded + pairs.species[i] * block
        for a in range(basis.angular):
            for b in range(a, basis.angular):
                for q in range(basis.counts.size):
                    out[f + basis.degrees[q]] += basis.counts[q] * moment[i, a, q] * moment[i, b, q]
                f += levels


@numba.njit(cache=True, nogil=True, fastmath=True)
def _share(pairs: Pairs, p: int, f: int, slope: Floats, out: Floats, virial: Floats) -> None:
    """Add the ``slope`` (3,) of the energy along the vector of pair ``p`` to its atoms' forces and to the virial."""
    i, j = pairs.center[p], pairs.other[p]
    if i != j:  # an image of the atom itself moves with it
        for d in range(3):
            out[i, d, f] += slope[d]
            out[j, d, f] -= slope[d]
    if virial.shape[0]:
        x, y, z = pairs.vector[p, 0], pairs.vector[p, 1], pairs.vector[p, 2]
        virial[0, f] += slope[0] * x
        virial[1, f] += slope[1] * y
        virial[2, f] += slope[2] * z
        virial[3, f] += slope[1] * z
        virial[4, f] += slope[0] * z
        virial[5, f] += slope[0] * y


@numba.njit(cache=True, nogil=True, fastmath=True)
def force_features(pairs: Pairs, basis: Basis, moment: Floats, density: Floats, out: Floats, virial: Floats) -> None:
    """Add what multiplies the coefficients in the forces to ``out`` (n, 3, W): minus the gradients of the energy.

    Likewise to ``virial`` (6, W), unless it has no rows, the derivatives of the energy by strain: sums over all pairs
    of the vector times the gradient by it, in Voigt's order xx yy zz yz xz xy. No energy changes as all turns, so these
    are symmetric.
    """
    radial, embedded, angular = basis.radial, basis.embedded, basis.angular
    size = basis.counts.size
    value, slope = np.empty(radial + embedded + angular), np.empty(radial + embedded + angular)
    mono, unit = np.empty(size), np.empty(3)
    start = basis.kinds * radial
    levels = basis.degrees[-1] + 1
    block = angular * (angular + 1) // 2 * levels
    turn, tilt = np.empty((angular, levels)), np.empty((angular, levels, 3))
    pull = np.empty(3)
    for p in range(pairs.center.size):
        i, r, weight = pairs.center[p], pairs.distance[p], pairs.weight[p]
        if r <= 1e-8 or (i == pairs.other[p] and not virial.shape[0]):
            continue
        for d in range(3):
            unit[d] = pairs.vector[p, d] / r
        _read(basis.values, r * basis.per_length, 0, value)
        _read(basis.slopes, r * basis.per_length, 0, slope)
        _monomials(unit, basis, mono)
        for c in range(radial + embedded):
            if c < radial:
                f, step = pairs.kind[p] * radial + c, slope[c]
            else:
                k = c - radial
                f = start + pairs.species[i] * embedded + k
                step = 0.5 * weight * slope[c] / np.sqrt(density[i, k])
            for d in range(3):
                pull[d] = step * unit[d]
            _share(pairs, p, f, pull, out, virial)
        turn[:] = 0.0
        tilt[:] = 0.0
        for a in range(angular):
            for q in range(size):
                m, degree = basis.counts[q] * moment[i, a, q], basis.degrees[q]
                turn[a, degree] += m * mono[q]
                for d in range(3):
                    tilt[a, degree, d] += m * basis.powers[q, d] * mono[basis.lower[q, d]]
            for degree in range(levels):  # the part across the unit vector, over r
                along = tilt[a, degree, 0] * unit[0] + tilt[a, degree, 1] * unit[1] + tilt[a, degree, 2] * unit[2]
                for d in range(3):
                    tilt[a, degree, d] = (tilt[a, degree, d] - along * unit[d]) / r
        f = start + basis.species * embedded + pairs.species[i] * block
        near, steep = value[radial + embedded :], slope[radial + embedded :]
        for a in range(angular):
            for b in range(a, angular):
                for degree in range(levels):
                    radially = steep[a] * turn[b, degree] + steep[b] * turn[a, degree]
                    for d in range(3):
                        across = near[a] * tilt[b, degree, d] + near[b] * tilt[a, degree, d]
                        pull[d] = weight * (radially * unit[d] + across)
                    _share(pairs, p, f, pull, out, virial)
                    f += 1


@numba.njit(cache=True, nogil=True, fastmath=True)
def forces(
    pairs: Pairs,
    basis: Basis,
    moment: Floats,
    density: Floats,
    coefficients: Floats,
    pull: Floats,
    slopes: Floats,
    out: Floats,
) -> None:
    """Add the forces that ``coefficients`` (W,) give to ``out`` (n, 3): :func:`force_features` times them.

    ``pull`` (n, A, Q) is room for the derivatives of the energy by the moments, zero at first; ``slopes``
    (G + 1, kinds) are the derivatives of the pair potentials on the grid of the basis.
    """
    radial, embedded, angular = basis.radial, basis.embedded, basis.angular
    size = basis.counts.size
    slope, value, pair = np.empty(embedded + angular), np.empty(angular), np.empty(1)
    mono, unit, tilt = np.empty(size), np.empty(3), np.empty(3)
    across, radially = np.empty(size), 0.0
    start = basis.kinds * radial
    levels = basis.degrees[-1] + 1
    block = angular * (angular + 1) // 2 * levels
    embedding = np.empty_like(density)
    for i in range(density.shape[0]):
        for k in range(embedded):
            factor = coefficients[start + pairs.species[i] * embedded + k]
            embedding[i, k] = 0.5 * factor / np.sqrt(density[i, k])
        f = start + basis.species * embedded + pairs.species[i] * block
        for a in range(angular):
            for b in range(a, angular):
                for q in range(size):
                    factor = basis.counts[q] * coefficients[f + basis.degrees[q]]
                    pull[i, a, q] += factor * moment[i, b, q]
                    pull[i, b, q] += factor * moment[i, a, q]
                f += levels
    for p in range(pairs.center.size):
        i, j, r, weight = pairs.center[p], pairs.other[p], pairs.distance[p], pairs.weight[p]
        if r <= 1e-8 or i == j:
            continue
        for d in range(3):
            unit[d] = pairs.vector[p, d] / r
        place = r * basis.per_length
        _read(slopes, place, pairs.kind[p], pair)
        _read(basis.slopes, place, radial, slope)
        _read(basis.values, place, radial + embedded, value)
        _monomials(unit, basis, mono)
        radially = pair[0]
        for k in range(embedded):
            radially += weight * slope[k] * embedding[i, k]
        across[:] = 0.0
        total = 0.0
        for a in range(angular):
            near, steep = weight * value[a], weight * slope[embedded + a]
            for q in range(size):
                across[q] += near * pull[i, a, q]
                total += steep * pull[i, a, q] * mono[q]
        radially += total
        tilt[:] = 0.0
        for q in range(1, size):
            for d in range(3):
                tilt[d] += across[q] * basis.powers[q, d] * mono[basis.lower[q, d]]
        along = tilt[0] * unit[0] + tilt[1] * unit[1] + tilt[2] * unit[2]
        for d in range(3):
            step = radially * unit[d] + (tilt[d] - along * unit[d]) / r
            out[i, d] += step
            out[j, d] -= step
