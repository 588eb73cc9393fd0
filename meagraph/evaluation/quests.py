"""What QUESTS says of a plan: entropy, diversity and overlap on its own descriptors, by its own package.

Exact and slow, a kernel between every two environments, where :mod:`meagraph.pruning.entropy` is quick enough to follow
a slider. The package is the extra ``quests``; its commands ``quests entropy`` and ``quests overlap`` give the same
figures for the same files. Source: Schwalbe-Koda, Hamel, Sadigh, Zhou and Lordi, Nat. Commun. 16, 4014 (2025),
"Model-free estimation of completeness, uncertainties, and outliers in atomistic machine learning using information
theory".
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from meagraph import compiling
from meagraph.datasets import AtomicDataset
from meagraph.datasets.cells import bare, compact
from meagraph.display.cards import Facts, Shown, Table, html_table
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, part, silent
from meagraph.pruning.plan import PruningPlan

CACHE_VERSION = 1
INSTALL = 'pip install "meaviz[quests]"'
ALL, CHOSEN, KEPT = "all", "chosen", "kept"
SETS = {ALL: "all data", CHOSEN: "chosen environments", KEPT: "kept structures"}  # the sets, and what people read
ROWS, COLUMNS, BATCH = 512, 8192, 256  # of the kernel at a time: about a tenth of a second, matrices that fit the cache
CLOSEST = 1e-3  # Å between two atoms, below which rounding would decide about distances of descriptors
BALANCE = 7000  # environments for which the descriptors take about as long as the kernel
ONE_AT_A_TIME = threading.Lock()  # not every threading layer of numba serves two threads at once


@dataclass(frozen=True)
class QuestsConfig:
    """QUESTS' parameters, with its own defaults.

    ``sample``, where given, is the most environments of each set that are used, drawn with ``seed``. The figures are
    those of the samples then; the overlap is lower than that of the whole sets, for a sample knows less.
    """

    k: int = 32  # neighbours that the descriptor looks at
    cutoff: float = 5.0  # Å, where their weights end
    bandwidth: float = 0.015  # 1/Å, of the Gaussian kernel
    epsilon: float = 1e-5  # nats; an environment overlaps where δH lies below
    sample: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.k < 2 or not (0.0 < self.cutoff < math.inf and 0.0 < self.bandwidth < math.inf):
            raise MEAGraphError(
                f"QUESTS expects k of at least 2 and a positive cutoff and bandwidth, got k={self.k}, "
                f"cutoff={self.cutoff} Å, bandwidth={self.bandwidth} 1/Å. Its own are 32, 5 Å and 0.015 1/Å."
            )
        if not math.isfinite(self.epsilon):
            raise MEAGraphError(f"QUESTS' overlap expects a finite epsilon, got {self.epsilon}. Its own is 1e-5.")
        if self.sample is not None and self.sample < 1:
            raise MEAGraphError(f"A sample expects 1 environment or more, got {self.sample}. Give None for all.")
        if self.seed < 0:
            raise MEAGraphError(f"The seed of a sample must be 0 or more, got {self.seed}.")


@dataclass(frozen=True)
class SetFigures:
    """The measures of one set of environments."""

    environments: int  # in the set
    used: int  # of them; fewer only where a sample was asked for
    entropy: float  # nats; log(used) at most
    diversity: float  # nats; log(used) at most
    overlap: float  # share of all environments (of their sample) with δH < epsilon given this set


@dataclass(frozen=True, eq=False, repr=False)
class QuestsMeasures(Shown):
    """The measures of a plan beside those of everything, and what they were computed with."""

    plan: PruningPlan
    sets: dict[str, SetFigures]  # by ALL, CHOSEN, KEPT
    config: QuestsConfig
    implementation: str  # package and version

    def figures(self) -> dict[str, Any]:
        """JSON-like: a dictionary for each set, and ``parameters``."""
        parameters = {**asdict(self.config), "implementation": self.implementation}
        return {**{name: asdict(one) for name, one in self.sets.items()}, "parameters": parameters}

    def table(self) -> Table:
        """The measures of each set."""
        heads = ("set", "environments", "entropy / nats", "diversity / nats", "overlap: of all, known by it")
        rows = [
            (label, f"{one.used:,}", f"{one.entropy:.4f}", f"{one.diversity:.4f}", f"{100 * one.overlap:.2f} %")
            for one, label in ((self.sets[name], label) for name, label in SETS.items())
        ]
        return Table(heads, tuple(rows))

    def _title(self) -> str:
        return "What QUESTS says of the plan"

    def _facts(self) -> Facts:
        rows = self.table().rows
        return [
            *((name, f"entropy {h} nats, diversity {d} nats, overlap {o}") for name, _, h, d, o in rows),
            ("by", self.caption()),
        ]

    def _parts(self) -> list[str]:
        return [html_table(self.table())]

    def caption(self) -> str:
        """The parameters in words."""
        config = self.config
        used = f", at most {config.sample:,} environments of each set, seed {config.seed}" if config.sample else ""
        return (
            f"{self.implementation}; k {config.k}, cutoff {config.cutoff:g} Å, bandwidth {config.bandwidth:g} 1/Å, "
            f"overlap: δH below {config.epsilon:g} nats{used}"
        )


def implementation() -> str:
    """Name and version of the package. Raises MEAGraphError with the command that installs it where it is missing."""
    try:
        return f"quests {version('quests')}"
    except PackageNotFoundError as error:
        raise MEAGraphError(f"The QUESTS measures need QUESTS, which is not installed. Run {INSTALL}") from error


def quests_measures(
    dataset: AtomicDataset,
    plan: PruningPlan,
    config: QuestsConfig | None = None,
    *,
    values: NDArray[np.float64] | None = None,
    everything: SetFigures | None = None,
    progress: Progress = silent,
) -> QuestsMeasures:
    """Entropy, diversity and overlap of all environments, of those that ``plan`` chooses, and of the kept structures'.

    With x_i the descriptors of the n environments of a set and K(x, y) = exp(-|x - y|² / 2h²), h the bandwidth:
    H = -1/n Σ_i log(1/n Σ_j K(x_i, x_j)), D = log Σ_i 1 / Σ_j K(x_i, x_j), and the overlap is the share of all
    environments y whose surprise δH = -log Σ_j K(y, x_j) lies below epsilon. The set of the kept structures is what an
    export holds.

    ``values`` (N, 2k - 1) are the descriptors, as :func:`quests_descriptors` makes them, and ``everything`` the figures
    of all environments, where they are known already. Raises MEAGraphError where QUESTS is not installed, for a plan of
    another size or one that keeps nothing, or naming a frame in which two atoms coincide.
    """
    config, made_by = config or QuestsConfig(), implementation()
    if plan.keep.shape != (dataset.n_environments,) or plan.structures.shape != (dataset.n_structures,):
        raise MEAGraphError(
            f"Expected a plan of {dataset.n_environments} environments in {dataset.n_structures} structures, got "
            f"{len(plan.keep)} in {len(plan.structures)}. Give the dataset that the plan was made for."
        )
    masks = {CHOSEN: plan.keep, KEPT: plan.structures[dataset.structure_of]}
    if not all(mask.any() for mask in masks.values()):
        raise MEAGraphError("The plan keeps nothing, which has no entropy. Keep more.")
    described = 0.0 if values is not None else 1.0 / (1.0 + dataset.n_environments / BALANCE)
    if values is None:
        values = quests_descriptors(dataset, config, progress=part(progress, 0.0, described))
    rows = {name: _drawn(mask, config) for name, mask in masks.items()}
    all_rows = _drawn(np.ones(dataset.n_environments, dtype=bool), config)
    whole, sets = np.asarray(values[all_rows]), {name: np.asarray(values[found]) for name, found in rows.items()}
    sampled = len(all_rows) < dataset.n_environments

    # 1. Which kernels: everything with itself unless that is known, and with each set; samples with themselves too
    kernels = {} if everything is not None else {ALL: (whole, whole)}
    for name, of in sets.items():
        kernels[f"{ALL} given {name}"] = whole, of
        if sampled:
            kernels[name] = of, of

    # 2. Their sums over the columns
    total = sum(len(x) * len(y) for x, y in kernels.values())
    sums, done = {}, described
    for name, (x, y) in kernels.items():
        share = (1.0 - described) * len(x) * len(y) / total
        sums[name] = kernel_sums(x, y, config.bandwidth, progress=part(progress, done, done + share))
        done += share

    # 3. The figures
    found = {ALL: everything or _figures(dataset.n_environments, sums[ALL], 1.0)}
    for name, mask in masks.items():
        given = sums[f"{ALL} given {name}"]
        own = sums[name] if sampled else given[rows[name]]
        with np.errstate(divide="ignore"):  # where nothing is near, the surprise is endless
            found[name] = _figures(int(mask.sum()), own, float((-np.log(given) < config.epsilon).mean()))
    return QuestsMeasures(plan, found, config, made_by)


def surprise(
    dataset: AtomicDataset,
    config: QuestsConfig | None = None,
    *,
    values: NDArray[np.float64] | None = None,
    progress: Progress = silent,
) -> NDArray[np.float64]:
    """δH (N,) in nats of each environment y that is not known, given the known x_j: -log Σ_j K(y, x_j); NaN for those.

    At most 0 where the known together are as near as one equal to it; endless where nothing is near. Of a sample, at
    most so many known ones count. ``values`` and errors as of :func:`quests_measures`.
    """
    config = config or QuestsConfig()
    if values is None:
        values = quests_descriptors(dataset, config, progress=part(progress, 0.0, 0.5))
    known = dataset.known_environments
    new = np.flatnonzero(~known)
    given = np.asarray(values[_drawn(known, config)])
    sums = kernel_sums(np.asarray(values[new]), given, config.bandwidth, progress=part(progress, 0.5, 1.0))
    found = np.full(len(known), np.nan)
    with np.errstate(divide="ignore"):  # where nothing is near
        found[new] = -np.log(sums)
    return found


def _drawn(mask: NDArray[np.bool_], config: QuestsConfig) -> NDArray[np.intp]:
    """The rows of ``mask`` (N,), or ``config.sample`` of them where there are more, ascending."""
    rows = np.flatnonzero(mask)
    if config.sample is None or len(rows) <= config.sample:
        return rows
    order = np.random.default_rng(config.seed).permutation(len(mask))
    return np.sort(order[mask[order]][: config.sample])


def _figures(environments: int, sums: NDArray[np.float64], overlap: float) -> SetFigures:
    """Entropy and diversity of a set from the kernel's ``sums`` (n,) over it."""
    entropy = -np.log(sums / len(sums)).mean()
    return SetFigures(environments, len(sums), float(entropy), float(np.log((1.0 / sums).sum())), overlap)


def kernel_sums(
    x: NDArray[np.float64], y: NDArray[np.float64], bandwidth: float, *, progress: Progress = silent
) -> NDArray[np.float64]:
    """Σ_j K(x_i, y_j) (n,) of ``x`` (n, D) over all of ``y`` (m, D), by the package, a block at a time."""
    from threadpoolctl import threadpool_limits

    compiling.finish(__name__, progress=progress)
    block = _block()
    sums = np.zeros(len(x))
    with threadpool_limits(1, "blas"):  # the package's own threads call it, small matrices each
        for first in range(0, len(x), ROWS):
            rows = np.ascontiguousarray(x[first : first + ROWS])
            for start in range(0, len(y), COLUMNS):
                with ONE_AT_A_TIME:
                    sums[first : first + ROWS] += block(rows, y[start : start + COLUMNS], float(bandwidth), BATCH)
                done = first * len(y) + len(rows) * min(start + COLUMNS, len(y))
                progress(done, len(x) * len(y), "QUESTS entropy")
    return sums


@functools.cache
def _block() -> Callable[..., NDArray[np.float64]]:
    """The package's sum of a kernel, as it is, but without Python's lock: the app has to answer meanwhile."""
    import numba
    from quests.entropy import kernel_sum

    @numba.njit(nogil=True)
    def block(x, y, bandwidth, batch):  # type: ignore[no-untyped-def]
        return kernel_sum(x, y, bandwidth, batch)

    return block


# ---- descriptors


def quests_descriptors(
    dataset: AtomicDataset, config: QuestsConfig | None = None, *, progress: Progress = silent
) -> NDArray[np.float64]:
    """QUESTS' descriptors (N, 2k - 1) in 1/Å of all environments, by the package, a structure at a time.

    A row holds the k nearest neighbours' weight over distance, and k - 1 means over pairs of them. Elements do not
    matter. The package takes a structure that is not periodic in all three directions for an open one. Fewer than k
    neighbours within the cutoff leave zeros; an isolated atom has zeros only.

    Raises MEAGraphError where QUESTS is not installed, or naming a frame with two atoms closer than CLOSEST.
    """
    config = config or QuestsConfig()
    implementation()
    compiling.begin(__name__)
    compiling.finish(__name__, progress=progress)
    values = np.empty((dataset.n_environments, 2 * config.k - 1))
    described: dict[str, slice] = {}
    for index, key in enumerate(dataset.structure_keys):
        rows = dataset.rows_of(index)
        if key in described:
            values[rows] = values[described[key]]
        else:
            values[rows] = _describe(dataset.structures.plain(index), config)
            described[key] = rows
            _check(values[rows], dataset, index)
        progress(rows.stop, dataset.n_environments, "QUESTS descriptors")
    return values


def _describe(atoms: Atoms, config: QuestsConfig) -> NDArray[np.float64]:
    """The package's descriptors (n, 2k - 1) of one structure.

    In a left-handed cell the package finds no periodic images; the opposite vectors span the same lattice.
    """
    import numba
    from quests.descriptor import get_descriptors

    near = bare(compact(atoms, config.cutoff))
    if near.pbc.all() and np.linalg.det(near.cell.array) < 0:
        near.set_cell(-near.cell.array)
    threads = numba.get_num_threads()
    with ONE_AT_A_TIME:
        numba.set_num_threads(1)  # for a small cell threads take longer to meet than to work
        try:
            return np.asarray(get_descriptors([near], k=config.k, cutoff=float(config.cutoff)))
        finally:
            numba.set_num_threads(threads)


def _check(rows: NDArray[np.float64], dataset: AtomicDataset, structure: int) -> None:
    """Raise MEAGraphError unless the descriptors (n, 2k - 1) of ``structure`` are finite and no two atoms coincide."""
    bad = ~(rows[:, 0] < 1.0 / CLOSEST) | ~np.isfinite(rows).all(axis=1)  # the nearest neighbour comes first
    if bad.any():
        raise MEAGraphError(
            f"{dataset.locate(structure)}, atom {int(bad.argmax())}: expected atoms at least {CLOSEST:g} Å apart, but "
            "one lies on it, and QUESTS divides by the distance. Remove the frame."
        )


def warm() -> None:
    """Compile what the package compiles at its first use: most of a minute."""
    config = QuestsConfig()
    crystal = Atoms("Nb", cell=[3.0, 3.0, 3.0], pbc=True)
    for atoms in (crystal, Atoms("Nb2", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]])):
        _describe(atoms, config)
    _block()(np.zeros((2, 3)), np.zeros((2, 3)), config.bandwidth, BATCH)
