"""The context of an environment: a rich descriptor of it beside the mean over its first neighbours, in few columns.

Clusters and map are found by it. The mean over an atom and its neighbours takes out thermal noise, as Lechner and
Dellago's averaged order parameters do (J. Chem. Phys. 129, 114707, 2008); the atom's own values keep what is particular
about it. Both are scaled to columns of one size and turned onto the leading principal directions of the dataset without
scaling these again, so that any number of elements gives at most :data:`COLUMNS`. The frame of that turn is found on a
sample of distinct structures, so that copies change nothing; new data are described in the frame of the old.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from meagraph.axes import upright
from meagraph.datasets import AtomicDataset
from meagraph.datasets.cells import compact
from meagraph.descriptors.dscribe_based import soap, soap_width
from meagraph.descriptors.settings import DescriptorConfig, Maker
from meagraph.errors import MEAGraphError
from meagraph.files import array_from_text, text_of_array
from meagraph.workers import Workers
from meagraph.workers.sharing import Array
from meagraph.workers.threads import one_thread

COLUMNS = 64  # at most
RICH = ((8, 6), (6, 4), (4, 3), (3, 3))  # n_max and l_max of SOAP, the first that is not too wide
WIDEST = 1024  # columns of a descriptor before the mean stands beside it
SAMPLE = 4_000  # environments that the frame is found on
MEASURED = 3_000  # environments that the first shell is measured on
SHELL = 13  # neighbours within the first shell: between the 12 of fcc and hcp and the 14 of bcc
FARTHEST = 1.65  # times the distance of the nearest neighbour that the shell reaches at most
FADE = 1.4  # times the shell at which a neighbour counts no more in the mean
BONDED = 1.1  # times the shell up to which two atoms are neighbours
WITHIN = 28  # neighbours within the cutoff: two shells and a half of bcc
USUAL = 5.0  # Å, the cutoff where most environments have fewer neighbours
LOOK = 9.0  # Å within which neighbours are looked for
PAIRS = 200_000  # of neighbours kept, to learn from
LEARNED = 30_000  # environments they are taken from
EXACT = 2048  # columns up to which principal directions are found exactly


@dataclass(frozen=True)
class Shells:
    """Two lengths of a dataset, in Å: they follow from how many neighbours there are, whatever the elements."""

    first: float  # of the shell of first neighbours: the median distance of the SHELL-th, not far beyond the nearest
    cutoff: float  # of the descriptor: the median distance of the WITHIN-th neighbour


@dataclass(frozen=True, eq=False)
class Frame:
    """How D columns of an environment and D of the mean become k of its context."""

    shell: float  # Å, of the first neighbours; 0 where no structure has any
    cutoff: float  # Å, of SOAP; other descriptors have their own
    norms: NDArray[np.float32]  # (2 D,) root mean square of each column, 1 for a column of zeros
    centre: NDArray[np.float32]  # (2 D,) mean of the scaled columns
    axes: NDArray[np.float32]  # (2 D, k) orthonormal

    @property
    def columns(self) -> int:
        """Number of columns k."""
        return int(self.axes.shape[1])

    @property
    def digest(self) -> str:
        """A short name of exactly this frame."""
        found = hashlib.sha256(np.array([self.shell, self.cutoff]).tobytes())
        for array in (self.norms, self.centre, self.axes):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()[:16]

    def turned(self, raw: NDArray[np.floating]) -> NDArray[np.float32]:
        """The context (n, k) from ``raw`` (n, 2 D), an environment's own columns and those of the mean."""
        with one_thread():
            return np.asarray((raw / self.norms - self.centre) @ self.axes, dtype=np.float32)

    def as_text(self) -> dict[str, Any]:
        """For JSON."""
        arrays = {name: text_of_array(getattr(self, name)) for name in ("norms", "centre", "axes")}
        return {"shell": self.shell, "cutoff": self.cutoff, **arrays}

    @staticmethod
    def from_text(stored: Mapping[str, Any]) -> Frame:
        """The inverse of :meth:`as_text`. Raises ValueError, KeyError or TypeError for what is none."""
        norms, centre, axes = (array_from_text(stored[name], np.float32) for name in ("norms", "centre", "axes"))
        if axes.ndim != 2 or norms.shape != (len(axes),) or centre.shape != norms.shape:
            raise ValueError(f"a frame of {norms.shape}, {centre.shape} and {axes.shape} columns")
        return Frame(float(stored["shell"]), float(stored["cutoff"]), norms, centre, axes)


@dataclass(frozen=True)
class SharedFrame:
    """A frame as a task can be told it."""

    shell: float
    cutoff: float
    arrays: tuple[Array, Array, Array]  # norms, centre, axes

    @staticmethod
    def of(frame: Frame, workers: Workers) -> SharedFrame:
        """Where ``workers`` find ``frame``."""
        norms, centre, axes = (
            workers.share(f"frame-{name}", getattr(frame, name)) for name in ("norms", "centre", "axes")
        )
        return SharedFrame(frame.shell, frame.cutoff, (norms, centre, axes))

    def load(self) -> Frame:
        """The frame."""
        return Frame(self.shell, self.cutoff, *(array.load() for array in self.arrays))


def rich_config(config: DescriptorConfig, n_species: int) -> DescriptorConfig:
    """The descriptor that the context of ``config`` is made of: SOAP of more functions, else the same."""
    if config.method != "soap":
        return config
    for n_max, l_max in RICH:
        richer = replace(config, n_max=max(n_max, config.n_max), l_max=max(l_max, config.l_max))
        if soap_width(richer, tuple(range(1, n_species + 1))) <= WIDEST:
            return richer
    return config


def rich_maker(config: DescriptorConfig, species: tuple[int, ...], cutoff: float) -> Maker | None:
    """What computes the columns of the context where they are others than those of ``config``; None where not."""
    richer = rich_config(config, len(species))
    return soap(replace(richer, r_cut=cutoff), species)[1] if config.method == "soap" else None


def find_frame(
    dataset: AtomicDataset, shells: Shells, rows_of: Callable[[Sequence[int]], Iterator[NDArray[np.floating]]]
) -> Frame:
    """The frame of ``dataset``; ``rows_of`` gives the columns (n, D) of the structures of these numbers.

    The same for a dataset with copies of its structures.
    """
    chosen = sample(dataset, SAMPLE)
    structures = [dataset.structures.plain(index) for index in chosen]
    raw = np.concatenate(
        [
            beside_mean(np.asarray(rows, dtype=np.float64), atoms, shells.first)
            for rows, atoms in zip(rows_of(chosen), structures, strict=True)
        ]
    )
    if not np.isfinite(raw).all():
        raise MEAGraphError("The descriptors hold NaN or infinity; look for overlapping atoms.")
    norms = np.sqrt((raw**2).mean(axis=0))
    norms = np.where(norms > 0.0, norms, 1.0)
    raw /= norms
    centre = raw.mean(axis=0)
    raw -= centre
    axes = upright(_leading(raw, min(COLUMNS, *raw.shape)))
    return Frame(
        shells.first, shells.cutoff, norms.astype(np.float32), centre.astype(np.float32), axes.astype(np.float32)
    )


def _leading(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The ``count`` leading principal directions (D, count) of centred ``rows`` (n, D)."""
    if rows.shape[1] <= EXACT:
        return np.ascontiguousarray(np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :count])
    from sklearn.utils.extmath import randomized_svd

    return np.ascontiguousarray(randomized_svd(rows, count, random_state=0)[2].T)


def sample(dataset: AtomicDataset, environments: int) -> list[int]:
    """Distinct structures, in file order, that hold about so many ``environments``; all where there are no more."""
    distinct = np.unique(dataset.first_equal)
    order = np.random.default_rng(0).permutation(len(distinct))
    within = np.cumsum(dataset.sizes[distinct[order]]) <= environments
    within[0] = True
    return [int(index) for index in np.sort(distinct[order[within]])]


def measure_shells(dataset: AtomicDataset) -> Shells:
    """How far the neighbours of a sample of ``dataset`` are; the same for a dataset with copies of its structures."""
    first: list[NDArray[np.float64]] = []
    shell: list[NDArray[np.float64]] = []
    wide: list[NDArray[np.float64]] = []
    for index in sample(dataset, MEASURED):
        atoms = dataset.structures.plain(index)
        i, _, d = first_neighbours(atoms, LOOK)
        if len(i) == 0:
            continue
        order = np.lexsort((d, i))
        count = np.bincount(i, minlength=len(atoms))
        begin, count = (np.cumsum(count) - count)[count > 0], count[count > 0]
        first.append(d[order][begin])
        for found, wanted in ((shell, SHELL), (wide, WITHIN)):
            last = d[order][begin + np.minimum(count, wanted) - 1]
            found.append(np.where(count >= wanted, last, np.inf))
    if not first:
        return Shells(0.0, USUAL)
    nearest, near, far = (float(np.median(np.concatenate(found))) for found in (first, shell, wide))
    return Shells(min(near, FARTHEST * nearest), round(far, 1) if np.isfinite(far) else USUAL)


def first_neighbours(atoms: Atoms, cutoff: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Both atoms of each pair within ``cutoff`` Å, each way, images included, and their distance in Å."""
    from vesin import NeighborList

    near = compact(atoms, cutoff)
    i, j, d = NeighborList(cutoff=cutoff, full_list=True).compute(
        points=near.positions, box=near.cell.complete().array, periodic=near.pbc, quantities="ijd"
    )
    return i.astype(np.int64), j.astype(np.int64), np.asarray(d, dtype=np.float64)


def beside_mean(rows: NDArray[np.floating], atoms: Atoms, shell: float) -> NDArray[np.floating]:
    """The columns ``rows`` (n, D) of ``atoms`` beside their mean over each atom and its first neighbours: (n, 2 D).

    A neighbour counts the less the farther it is, and no more from FADE times the ``shell`` on, so that nothing jumps.
    """
    mean = rows
    if shell > 0.0:
        cutoff = FADE * shell
        i, j, d = first_neighbours(atoms, cutoff)
        weight = csr_matrix((0.5 + 0.5 * np.cos(np.pi * d / cutoff), (i, j)), shape=(len(rows), len(rows)))
        total = 1.0 + np.asarray(weight.sum(axis=1))
        mean = (rows + weight @ rows) / total
    return np.hstack([rows, mean])


def with_context(own: Maker, rich: Maker | None, frame: Frame) -> Maker:
    """A maker of an environment's own columns, those of ``own``, with its context after them."""

    def make(structures: Sequence[Atoms], workers: int) -> Iterator[NDArray[np.floating]]:
        first = own(structures, workers)
        second = None if rich is None else iter(rich(structures, workers))
        for atoms, rows in zip(structures, first, strict=True):
            raw = beside_mean(rows if second is None else next(second), atoms, frame.shell)
            yield np.hstack([rows, frame.turned(raw)])

    return make


def neighbour_pairs(dataset: AtomicDataset, shell: float) -> NDArray[np.int32]:
    """Pairs of rows (P, 2) of environments of one element that are first neighbours, at most PAIRS, to learn from.

    Atoms of two elements need not agree, however near: an anion is no cation. Drawn from a sample of distinct
    structures; the same for the same structures in the same order.
    """
    if shell <= 0.0:
        return np.empty((0, 2), dtype=np.int32)
    found = [np.empty((0, 2), dtype=np.int64)]
    for index in sample(dataset, LEARNED):
        atoms = dataset.structures.plain(index)
        i, j, _ = first_neighbours(atoms, BONDED * shell)
        alike = atoms.numbers[i] == atoms.numbers[j]
        found.append(np.column_stack([i, j])[alike] + dataset.offsets[index])
    pairs = np.concatenate(found)
    if len(pairs) > PAIRS:
        pairs = pairs[np.sort(np.random.default_rng(0).choice(len(pairs), PAIRS, replace=False))]
    return pairs.astype(np.int32)
