"""How much of the new is known already: the distance of each environment to what is known, in units of its spacing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from scipy.spatial import KDTree

from meagraph.datasets import AtomicDataset
from meagraph.datasets.known import known_words
from meagraph.display.cards import ROWS, Facts, Shown, Table, html_table
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, Points
from meagraph.pruning.entropy import NEIGHBOUR
from meagraph.pruning.plan import PruningPlan

if TYPE_CHECKING:
    import pandas as pd

WIDEST = 0.95  # quantile of the spacings: where known environments are sparser than that, they reach no farther
BLOCK = 1024  # representatives whose distances to all others are in memory at a time


@dataclass(frozen=True, eq=False)
class Curve:
    """What of the new environments is covered, by what is known alone and with K plans, each of which keeps more."""

    structures: NDArray[np.int64]  # (K + 1,) chosen, from 0
    environments: NDArray[np.int64]  # (K + 1,) in them
    covered: NDArray[np.float64]  # (K + 1,) share of the new environments

    def table(self) -> Table:
        """A row for each plan."""
        rows = zip(self.structures.tolist(), self.environments.tolist(), self.covered.tolist(), strict=True)
        heads = ("structures chosen", "environments in them", "of the new covered")
        return Table(heads, tuple((f"{s:,}", f"{n:,}", f"{100 * part:.1f} %") for s, n, part in rows))

    def figures(self) -> list[dict[str, float]]:
        """JSON-like."""
        rows = zip(self.structures.tolist(), self.environments.tolist(), self.covered.tolist(), strict=True)
        return [{"structures": s, "environments": n, "covered": part} for s, n, part in rows]


@dataclass(frozen=True, eq=False)
class Summary:
    """What is new in K groups of structures, the group with most of it first."""

    names: tuple[str, ...]  # (K,)
    structures: NDArray[np.int64]  # (K,) that are not known
    environments: NDArray[np.int64]  # (K,) in them
    beyond: NDArray[np.int64]  # (K,) of these, whose novelty is above 1
    median: NDArray[np.float64]  # (K,) novelty
    largest: NDArray[np.float64]  # (K,) novelty

    def table(self) -> Table:
        """A row for each group."""
        heads = ("group", "structures", "environments", "new", "median novelty", "largest")
        rows = zip(
            self.names,
            self.structures.tolist(),
            self.environments.tolist(),
            (100 * self.beyond / self.environments).tolist(),
            self.median.tolist(),
            self.largest.tolist(),
            strict=True,
        )
        return Table(
            heads,
            tuple(
                (name, f"{s:,}", f"{n:,}", f"{p:.1f} %", f"{m:.2f}", f"{most:.2f}") for name, s, n, p, m, most in rows
            ),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Novelty(Shown):
    """How far the new environments lie from what is known; N environments, M representatives, S structures.

    At a novelty of 1 an environment is as far from the nearest known one as that is from its eighth known neighbour: up
    to there it is covered, beyond it is new.
    """

    dataset: AtomicDataset
    points: Points  # (N, D) descriptors, columns of unit norm
    condensed: Condensed
    value: NDArray[np.float32]  # (N,) distance to the nearest known environment over unit; 0 for known ones
    unit: NDArray[np.float64]  # (M,) spacing of what is known near each representative, in units of the points
    surprise: NDArray[np.float64] | None = None  # (N,) QUESTS' δH in nats given the known; NaN for those
    curve: Curve | None = None  # for the plans of one selector

    @cached_property
    def new(self) -> NDArray[np.bool_]:
        """Environments (N,) that are not known."""
        return ~self.dataset.known_environments

    @cached_property
    def beyond(self) -> NDArray[np.bool_]:
        """Environments (N,) that nothing known covers."""
        return np.asarray(self.value > 1.0) & self.new

    @property
    def share(self) -> float:
        """The share of the new environments that nothing known covers."""
        return float(self.beyond.sum() / self.new.sum())

    @cached_property
    def of_structures(self) -> NDArray[np.float64]:
        """The largest novelty (S,) in each structure."""
        return np.maximum.reduceat(self.value.astype(np.float64), self.dataset.offsets[:-1])

    @cached_property
    def beyond_in(self) -> NDArray[np.int64]:
        """How many environments (S,) of each structure nothing known covers."""
        return np.add.reduceat(self.beyond.astype(np.int64), self.dataset.offsets[:-1])

    @cached_property
    def ranked(self) -> NDArray[np.int64]:
        """The new structures, the most novel first."""
        rows = np.flatnonzero(~self.dataset.known)
        return rows[np.argsort(-self.of_structures[rows], kind="stable")]

    def covered(self, keep: NDArray[np.bool_] | None = None) -> float:
        """The share of the new environments that the known cover, and the environments ``keep`` (N,) beside them.

        A chosen environment covers what lies as near to it as it would have to lie to a known one.
        """
        left, near = self._near
        if keep is None or not keep.any():
            return 1.0 - self.share
        holds = np.bincount(self.condensed.assignment[keep], minlength=self.condensed.size) > 0
        still = ~np.asarray(near @ holds.astype(np.int32) > 0)
        counts = np.bincount(self.condensed.assignment[self.beyond], minlength=self.condensed.size)[left]
        return 1.0 - float(counts[still].sum() / self.new.sum())

    def along(self, plans: Sequence[PruningPlan]) -> Curve:
        """What the known cover alone, and with the structures that each of ``plans`` keeps."""
        kept = [plan.structures for plan in plans]
        sizes = self.dataset.sizes
        of = self.dataset.structure_of
        return Curve(
            np.array([0, *(int(one.sum()) for one in kept)]),
            np.array([0, *(int(sizes[one].sum()) for one in kept)]),
            np.array([self.covered(), *(self.covered(one[of]) for one in kept)]),
        )

    def by_group(self) -> Summary:
        """What is new in each group of the new structures."""
        data = self.dataset
        names, codes = np.unique(data.groups, return_inverse=True)
        of = np.where(self.new, codes[data.structure_of], -1)
        rows = [self.value[of == code] for code in range(len(names))]
        beyond = np.array([int((values > 1.0).sum()) for values in rows])
        there = [code for code in np.argsort(-beyond, kind="stable").tolist() if len(rows[code])]
        return Summary(
            tuple(str(names[code]) for code in there),
            np.bincount(codes[~data.known], minlength=len(names))[there],
            np.array([len(rows[code]) for code in there]),
            beyond[there],
            np.array([float(np.median(rows[code])) for code in there]),
            np.array([float(rows[code].max()) for code in there]),
        )

    def to_dataframe(self, rows: str = "structures") -> pd.DataFrame:
        """A table of "environments", "structures" or "groups" of what is not known, by their numbers in the dataset.

        Environments have ``structure``, ``atom``, ``group``, ``novelty`` and, where it was asked for, ``surprise``
        (nats); structures ``group``, ``environments``, how many of them are ``new``, and ``novelty``, that of their
        most novel environment; groups ``structures``, ``environments``, ``new``, ``median`` and ``largest`` novelty.
        Raises MEAGraphError for other rows, and where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MEAGraphError("Tables need pandas, which is not installed. Run pip install pandas") from error
        data = self.dataset
        columns: dict[str, Any]
        if rows == "environments":
            index = np.flatnonzero(self.new)
            of = data.structure_of[index]
            columns = {"structure": of, "atom": data.atom_of[index], "group": data.groups[of]}
            columns["novelty"] = self.value[index].astype(np.float64)
            if self.surprise is not None:
                columns["surprise"] = self.surprise[index]
            return pandas.DataFrame(columns, index=pandas.Index(index, name="environment"))
        if rows == "structures":
            some = self.ranked
            columns = {"group": data.groups[some], "environments": data.sizes[some], "new": self.beyond_in[some]}
            columns["novelty"] = self.of_structures[some]
            return pandas.DataFrame(columns, index=pandas.Index(some, name="structure"))
        if rows == "groups":
            found = self.by_group()
            columns = {"structures": found.structures, "environments": found.environments, "new": found.beyond}
            columns |= {"median": found.median, "largest": found.largest}
            return pandas.DataFrame(columns, index=pandas.Index(found.names, name="group"))
        raise MEAGraphError(f"Unknown rows {rows!r}; choose from environments, structures, groups.")

    @cached_property
    def _near(self) -> tuple[NDArray[np.int64], csr_matrix]:
        """Representatives (m,) of what is not covered, and which others (m, M) are near enough to cover each."""
        left = np.unique(self.condensed.assignment[self.beyond]).astype(np.int64)
        rows = np.asarray(self.points[self.condensed.representatives])
        rows = rows - rows.mean(axis=0)  # inner products lose no digits to a common offset
        square = (rows**2).sum(axis=1)
        parts = []
        for start in range(0, len(left), BLOCK):
            some = left[start : start + BLOCK]
            apart = square[some, None] + square - 2.0 * rows[some] @ rows.T
            apart[np.arange(len(some)), some] = 0.0
            parts.append(csr_matrix(apart <= self.unit[some, None] ** 2 * (1.0 + 1e-9), dtype=np.int32))
        return left, vstack(parts, format="csr") if parts else csr_matrix((0, len(rows)), dtype=np.int32)

    def _title(self) -> str:
        return f"What is new in {self.dataset.name}"

    def _facts(self) -> Facts:
        data, count = self.dataset, int(self.new.sum())
        facts = [
            ("known", known_words(data)),
            ("new", f"{int((~data.known).sum()):,} structures with {count:,} environments"),
            ("beyond what is known", f"{int(self.beyond.sum()):,} of these environments ({100 * self.share:.1f} %)"),
            ("median novelty", f"{float(np.median(self.value[self.new])):.2f} times the spacing of the known"),
        ]
        if self.surprise is not None:
            known = float((self.surprise[self.new] <= 0.0).mean())
            facts.append(("QUESTS", f"δH at most 0 for {100 * known:.1f} % of the new environments"))
        return facts

    def _line(self) -> str:
        return f"{100 * self.share:.1f} % of the new environments lie beyond what is known"

    def _parts(self) -> list[str]:
        curve = [] if self.curve is None else [html_table(self.curve.table())]
        return [html_table(self.by_group().table(), ROWS), *curve]


def find_novelty(dataset: AtomicDataset, points: Points, condensed: Condensed) -> Novelty:
    """The novelty of every environment of a ``dataset`` that holds known and new ones.

    d(x) = min |x - y| over known y, on the net of representatives: to the one that is nearest to that of x, the known
    environment nearest to its middle standing for it; so d is at most twice the net's epsilon too large. It is given in
    units of the known net's own spacing there: the distance from y to its NEIGHBOUR-th known neighbour, but at most the
    quantile WIDEST of these, so that a known environment far from all others does not reach across the gap, and at
    least epsilon. ``points`` (N, D) are the descriptors with columns of unit norm.

    Raises MEAGraphError where nothing is known.
    """
    known = dataset.known_environments
    if not known.any():
        raise MEAGraphError(
            f"{dataset.name}: novelty expects data that is known already, but there is none. Give it: known=, --known."
        )
    rows = np.flatnonzero(known)
    owner = condensed.assignment[rows]
    order = np.lexsort((condensed.distance[rows], owner))
    cells, first = np.unique(owner[order], return_index=True)
    middle = np.asarray(points[rows[order][first]])
    tree = KDTree(middle)
    floor = max(condensed.epsilon, 1e-12 * condensed.diameter, np.finfo(float).tiny)
    spacing = np.full(len(cells), floor)
    if len(cells) > 1:
        reach = tree.query(middle, k=[min(NEIGHBOUR + 1, len(cells))], workers=-1)[0][:, 0]
        spacing = np.maximum(np.minimum(reach, np.quantile(reach, WIDEST)), floor)
    nearest = tree.query(np.asarray(points[condensed.representatives]), workers=-1)[1]
    nearest[cells] = np.arange(len(cells))
    unit = spacing[nearest]
    value = np.zeros(len(known), dtype=np.float32)
    some = np.flatnonzero(~known)
    for start in range(0, len(some), BLOCK * 8):
        part = some[start : start + BLOCK * 8]
        place = condensed.assignment[part]
        value[part] = np.linalg.norm(points[part] - middle[nearest[place]], axis=1) / unit[place]
    return Novelty(dataset, points, condensed, value, unit)
