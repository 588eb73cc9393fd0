"""How good is a plan: what of the dataset's variety it covers, what it keeps of each part, what still repeats.

All that does not depend on the plan is made once (:func:`yardstick`); :func:`measure` then takes milliseconds, for it
looks at representatives and their multiplicities.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import KDTree

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Facts, Shown, Table
from meagraph.errors import MEAGraphError
from meagraph.force_field.field import nearest_distances
from meagraph.graph.condensation import Condensed, Points, condense
from meagraph.latent.clustering import Clusters
from meagraph.progress import Progress, part, silent
from meagraph.pruning.entropy import bandwidth, diversity, entropy, gaussian_kernel, overlap
from meagraph.pruning.selectors import weighed_components

NODES = 3000  # points at most between which the kernel of the entropy is kept: 36 MB
BINS = 50  # along each principal component
PAIRS = 20_000_000  # of representatives within the radius, at most
_ASKED = 500  # representatives whose pairs are counted before all are looked for
EXTREME = 0.01  # share of the environments that counts as extreme
UNCLUSTERED = "none"


@dataclass(frozen=True, eq=False)
class Parts:
    """One way to divide the environments."""

    names: tuple[str, ...]
    code: NDArray[np.int64]  # (N,) into names
    sizes: NDArray[np.int64]  # environments of each, but for those known already

    def shares(self, keep: NDArray[np.bool_]) -> dict[str, float]:
        """The share of each part that ``keep`` (N,) keeps."""
        kept = np.bincount(self.code[keep], minlength=len(self.names))
        return {name: float(k / n) for name, k, n in zip(self.names, kept, self.sizes, strict=True) if n}


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What a plan is measured by. M representatives, n nodes of the entropy, P principal components."""

    condensed: Condensed
    radius: float  # of coverage, in units of the scaled descriptors
    near: csr_matrix  # (M, M) bool: representatives within the radius of each other, itself included
    bins: NDArray[np.int64]  # (M, P) bin along each principal component
    node: NDArray[np.int64]  # (N,) node of each environment
    bandwidth: float  # of the kernel, in units of the scaled descriptors
    kernel: NDArray[np.float32]  # (n, n) between the nodes
    groups: Parts
    clusters: Parts
    elements: Parts
    extremes: dict[str, NDArray[np.int64]]  # rows of the most extreme environments, by name
    known: NDArray[np.bool_]  # (N,) environments that are there already

    def by(self, clusters: Clusters) -> Yardstick:
        """The same with other ``clusters`` of the same environments."""
        return replace(self, clusters=_clusters(clusters, ~self.known))


@dataclass(frozen=True, eq=False, repr=False)
class Measures(Shown):
    """What a plan keeps; shares lie between 0 and 1, and are those of what is new where something is known already."""

    environments: int
    covered_representatives: float  # share with a kept environment within the radius
    covered_environments: float  # the same, each representative counting its environments
    covered_bins: float  # share of the occupied bins of the principal components, mean over the components
    entropy: float  # nats; H of the kept environments
    diversity: float  # nats; logarithm of the number of different ones
    overlap: float  # share of all environments that the kept ones leave no surprise about
    redundancy: float  # share of the kept environments whose representative has another kept one before them
    groups: dict[str, float]  # share kept of each
    clusters: dict[str, float]  # by label, and UNCLUSTERED
    elements: dict[str, float]  # by symbol
    extremes: dict[str, float]  # share kept of the largest forces, the shortest distances

    def table(self) -> Table:
        """What is covered, in words; all of it of the chosen environments."""
        rows = [
            ("representatives covered", f"{100 * self.covered_representatives:.1f} %"),
            ("environments covered", f"{100 * self.covered_environments:.1f} %"),
            ("bins of the principal components covered", f"{100 * self.covered_bins:.1f} %"),
            ("entropy", f"{self.entropy:.3f} nats"),
            ("diversity", f"{self.diversity:.3f} nats"),
            ("redundancy left", f"{100 * self.redundancy:.1f} %"),
            *((f"kept of the {name}", f"{100 * share:.1f} %") for name, share in self.extremes.items()),
            *((f"kept of {name}", f"{100 * share:.1f} %") for name, share in self.elements.items()),
        ]
        return Table(("measure", "of the chosen environments"), tuple(rows))

    def _title(self) -> str:
        return "What the chosen environments cover"

    def _facts(self) -> Facts:
        return [(name, value) for name, value in self.table().rows]

    def _line(self) -> str:
        return f"{100 * self.covered_environments:.1f} % of the environments"


def yardstick(
    dataset: AtomicDataset,
    points: Points,
    condensed: Condensed,
    clusters: Clusters,
    *,
    radius: float | None = None,
    width: float | None = None,
    progress: Progress = silent,
) -> Yardstick:
    """Make what :func:`measure` needs.

    ``points`` (N, D) are the descriptors with columns of unit norm. In their units are ``radius``, by default the
    median distance of a representative to its eighth neighbour, and the kernel's bandwidth ``width``, by default the
    same of the nodes of the entropy. Raises MEAGraphError for a radius or width that is not positive, or a radius
    within which nearly all lie.
    """
    rows = np.asarray(points[condensed.representatives])
    nodes = condense(rows, budget=NODES) if condensed.size > NODES else condense(rows, epsilon=0.0)
    usual = bandwidth(rows)
    radius = usual if radius is None else radius
    width = bandwidth(rows[nodes.representatives]) if width is None else width
    if not (0.0 < radius < np.inf and 0.0 < width < np.inf):
        raise MEAGraphError(f"Radius and bandwidth must be positive, got {radius} and {width}.")
    progress(0, 1000, "coverage")
    tree = KDTree(rows)
    asked = rows[:: max(1, len(rows) // _ASKED)]
    if tree.query_ball_point(asked, radius, return_length=True).mean() * len(rows) > PAIRS:
        raise MEAGraphError(
            f"Within the radius {radius:g} of each other lie more than about {PAIRS:,} pairs of representatives: it "
            f"tells nothing apart. Take a smaller one; the usual one is {usual:g}."
        )
    pairs = tree.query_pairs(radius, output_type="ndarray")
    itself = np.arange(condensed.size)
    first, second = (
        np.concatenate([pairs[:, 0], pairs[:, 1], itself]),
        np.concatenate([pairs[:, 1], pairs[:, 0], itself]),
    )
    near = csr_matrix((np.ones(len(first), dtype=np.int32), (first, second)), shape=(condensed.size, condensed.size))
    progress(400, 1000, "entropy")
    symbols = tuple(chemical_symbols[number] for number in dataset.species)
    new = ~dataset.known_environments
    names, group = np.unique(dataset.groups, return_inverse=True)
    return Yardstick(
        condensed=condensed,
        radius=radius,
        near=near,
        bins=_bins(weighed_components(rows, condensed.multiplicity)),
        node=nodes.assignment[condensed.assignment],
        bandwidth=width,
        kernel=gaussian_kernel(rows[nodes.representatives], width),
        groups=_parts(tuple(str(name) for name in names), group[dataset.structure_of], new),
        clusters=_clusters(clusters, new),
        elements=_parts(symbols, np.searchsorted(dataset.species, dataset.numbers), new),
        extremes=_extremes(dataset, part(progress, 0.5, 1.0)),
        known=~new,
    )


def _clusters(clusters: Clusters, new: NDArray[np.bool_]) -> Parts:
    return _parts((*(str(label) for label in range(clusters.n_clusters)), UNCLUSTERED), clusters.bins, new)


def _parts(names: tuple[str, ...], code: NDArray[np.int64], new: NDArray[np.bool_]) -> Parts:
    return Parts(names, code, np.bincount(code[new], minlength=len(names)))


def _bins(components: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin (M, P) of ``components`` (M, P): BINS of equal width between the least and the largest."""
    low, span = components.min(axis=0), np.ptp(components, axis=0)
    place = (components - low) / np.where(span > 0.0, span, 1.0)
    bins: NDArray[np.int64] = np.minimum((place * BINS).astype(np.int64), BINS - 1)
    return bins


def _extremes(dataset: AtomicDataset, progress: Progress) -> dict[str, NDArray[np.int64]]:
    """The EXTREME share of all new environments, and at least one, with the largest forces and shortest distances."""
    nearest = np.empty(dataset.n_environments)
    for index in range(dataset.n_structures):
        nearest[dataset.rows_of(index)] = nearest_distances(dataset.structures.plain(index))
        if index % 64 == 0:
            progress(index, dataset.n_structures, "extremes")
    size = np.linalg.norm(dataset.forces, axis=1)
    new = ~dataset.known_environments
    count = max(1, round(EXTREME * int(new.sum())))
    found = {}
    for name, values in (("largest forces", size), ("shortest distances", -nearest)):
        known = np.flatnonzero(np.isfinite(values) & new)
        if len(known):
            found[name] = known[np.argsort(-values[known], kind="stable")[:count]]
    return found


def measure(stick: Yardstick, keep: NDArray[np.bool_]) -> Measures:
    """Measure the plan that keeps the environments ``keep`` (N,).

    Coverage counts a representative i of multiplicity w_i as covered where an environment is kept of any representative
    j with |x_i - x_j| ≤ radius: Σ_i c_i / M and Σ_i w_i c_i / N. The distance to that environment itself is then at
    most the radius plus the net's epsilon. Bins: as in the coverage score of DIRECT (Qi et al., npj Comput. Mater. 10,
    43, 2024), the share of bins that hold a kept environment, of those that hold any. Entropy, diversity and overlap
    are those of :mod:`meagraph.pruning.entropy`, every environment standing at its node; they are exact up to NODES
    representatives. Where environments are known already, they cover and count beside the kept ones, and it is the new
    that are to be covered.

    Raises MEAGraphError for a mask of another shape.
    """
    condensed = stick.condensed
    if keep.shape != condensed.assignment.shape:
        raise MEAGraphError(
            f"A plan's mask must have the shape ({len(condensed.assignment)},) of environments, got {keep.shape}. "
            "Take the mask of a plan of this dataset."
        )
    new, held = ~stick.known, keep | stick.known
    count = np.bincount(condensed.assignment[new], minlength=condensed.size)
    there, known = count > 0, np.bincount(condensed.assignment[stick.known], minlength=condensed.size) > 0
    holds = np.bincount(condensed.assignment[held], minlength=condensed.size) > 0
    covered = stick.near @ holds.astype(np.int32) > 0
    total = int(keep.sum())
    weights = np.bincount(stick.node[held], minlength=len(stick.kernel))
    return Measures(
        environments=total,
        covered_representatives=float(covered[there].mean()),
        covered_environments=float(count[covered].sum() / count.sum()),
        covered_bins=float(np.mean([_occupied(column[holds]) / _occupied(column) for column in stick.bins.T])),
        entropy=entropy(stick.kernel, weights),
        diversity=diversity(stick.kernel, weights),
        overlap=overlap(stick.kernel, weights, np.bincount(stick.node[new], minlength=len(stick.kernel))),
        redundancy=1.0 - float((holds & ~known).sum()) / total if total else 0.0,
        groups=stick.groups.shares(keep),
        clusters=stick.clusters.shares(keep),
        elements=stick.elements.shares(keep),
        extremes={name: float(keep[rows].mean()) for name, rows in stick.extremes.items()},
    )


def _occupied(bins: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(np.bincount(bins, minlength=BINS)))
