"""A split of a dataset: which side each structure is on, how it was asked for, and what could not be met."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import ROWS, Facts, Shown, Table, html_table, percent
from meagraph.duplicates.repeats import check_distance
from meagraph.duplicates.thresholds import NEAR
from meagraph.errors import MEAGraphError

SIDES = ("train", "validation", "test")
ALWAYS, LEFT_OUT = "every-fold", "left-out"
UNITS = ("structures", "atoms")
ALIKE = ("structures", "environments")
FAR = 0.01  # of all, by which a side may miss its share before that is said
OUT = -1  # the side of what is in none


@dataclass(frozen=True)
class SplitConfig:
    """How a dataset is split: by fractions, into folds, or by sizes."""

    fractions: tuple[float, ...] = (0.8, 0.1, 0.1)  # of train, validation, test, or train and test
    folds: int | None = None  # instead of fractions: as many parts of equal size
    sizes: tuple[int, ...] | None = None  # instead of fractions: at most so many on each side; the rest is left out
    unit: Literal["structures", "atoms"] = "structures"  # of fractions and sizes
    distance: float = NEAR  # Å within which structures stay on one side
    alike: Literal["structures", "environments"] = "structures"  # what joins two structures within the distance
    protected: tuple[str, ...] = ()  # groups that are trained on
    seed: int = 0

    def __post_init__(self) -> None:
        check_distance(self.distance)
        if self.unit not in UNITS:
            raise MEAGraphError(f"Unknown unit {self.unit!r}; choose from {', '.join(UNITS)}.")
        if self.alike not in ALIKE:
            raise MEAGraphError(f"Unknown kind of likeness {self.alike!r}; choose from {', '.join(ALIKE)}.")
        if self.folds is not None and self.sizes is not None:
            raise MEAGraphError("Expected folds or sizes, but both came. Give one of them.")
        if self.folds is not None:
            if self.folds < 2:
                raise MEAGraphError(f"Expected at least 2 folds, got {self.folds}.")
        elif self.sizes is not None:
            if len(self.sizes) not in (2, 3) or min(self.sizes) < 0 or self.sizes[0] == 0:
                raise MEAGraphError(
                    "Expected two or three sizes, of train, (validation) and test, the first above 0; got "
                    f"{self.sizes}."
                )
        elif (
            len(self.fractions) not in (2, 3)
            or not all(0.0 <= share <= 1.0 for share in self.fractions)
            or self.fractions[0] == 0.0
            or not np.isclose(sum(self.fractions), 1.0)
        ):
            raise MEAGraphError(
                "Expected two or three fractions, of train, (validation) and test, that add up to 1, the first above "
                f"0; got {self.fractions}."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sides."""
        if self.folds is not None:
            return tuple(f"fold-{number}" for number in range(1, self.folds + 1))
        return SIDES if len(self.sizes or self.fractions) == 3 else (SIDES[0], SIDES[2])


@dataclass(frozen=True, eq=False, repr=False)
class Split(Shown):
    """Each of S structures on one side, or on none."""

    dataset: AtomicDataset
    config: SplitConfig
    side: NDArray[np.int64]  # (S,) into names; OUT for what is left out or, of folds, trained on in every one
    piece: NDArray[np.int64]  # (S,) what stays together, named by its first structure
    wanted: NDArray[np.float64]  # (K,) share of each side
    kept: NDArray[np.bool_]  # (S,) isolated atoms and protected groups, which are trained on

    @property
    def names(self) -> tuple[str, ...]:
        """Of the K sides."""
        return self.config.names

    @property
    def rest(self) -> str:
        """What those on no side are."""
        return LEFT_OUT if self.config.folds is None else ALWAYS

    def mask(self, name: str) -> NDArray[np.bool_]:
        """The structures (S,) on the side of this name. Raises MEAGraphError where there is none."""
        if name not in (*self.names, self.rest):
            raise MEAGraphError(f"There is no side {name!r}; choose from {', '.join((*self.names, self.rest))}.")
        number = self.names.index(name) if name in self.names else OUT
        return np.asarray(self.side == number)

    def atoms(self, name: str) -> list[Atoms]:
        """The structures on the side of this name, in their order."""
        return [self.dataset.structures[row] for row in np.flatnonzero(self.mask(name)).tolist()]

    @cached_property
    def labels(self) -> NDArray[np.str_]:
        """The name (S,) of each structure's side."""
        return np.array([*self.names, self.rest])[self.side]

    @cached_property
    def amounts(self) -> NDArray[np.int64]:
        """Structures and environments (K + 1, 2) on each side and, last, on none."""
        place = np.where(self.side == OUT, len(self.names), self.side)
        counts = [np.bincount(place, weights, len(self.names) + 1) for weights in (None, self.dataset.sizes)]
        return np.stack(counts, axis=1).astype(np.int64)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What could not be met, in sentences."""
        data, column = self.dataset, UNITS.index(self.config.unit)
        total = (data.n_structures, data.n_environments)[column]
        if self.config.folds is not None:
            total -= int(self.amounts[-1, column])
        said = []
        largest = int(np.bincount(self.piece).max())
        for name, amount, share in zip(self.names, self.amounts[:, column], self.wanted, strict=False):
            if abs(amount - share * total) > max(FAR * total, 1.0 if column == 0 else float(data.sizes.max())):
                said.append(
                    f"{name} has {percent(float(amount), total)} of the {self.config.unit}, not "
                    f"{percent(share, 1.0)}: the largest piece of near duplicates holds {largest:,} structures, and "
                    f"{int(self.kept.sum()):,} structures are always trained on."
                )
        lacking = [group for group in dict.fromkeys(data.groups.tolist()) if self._lacks(str(group))]
        if lacking:
            more = f" and {len(lacking) - 6} more" if len(lacking) > 6 else ""
            said.append(f"Not on every side: {', '.join(map(str, lacking[:6]))}{more}. They are too few, or one piece.")
        return tuple(said)

    def _lacks(self, group: str) -> bool:
        """Whether a group that is not trained on as a whole lacks on some side that was asked for."""
        here = (self.dataset.groups == group) & ~self.kept
        sides = np.unique(self.side[here])
        return bool(here.any()) and len(sides[sides != OUT]) < int((self.wanted > 0).sum())

    def group_table(self) -> Table:
        """Structures of each group on each side."""
        groups, first, codes = np.unique(self.dataset.groups, return_index=True, return_inverse=True)
        count = len(self.names) + 1
        place = np.where(self.side == OUT, len(self.names), self.side)
        counts = np.bincount(codes * count + place, minlength=len(groups) * count).reshape(-1, count)
        used = [*range(count - 1), *([count - 1] if counts[:, -1].any() else [])]
        names = (*self.names, self.rest)
        rows = [(str(groups[code]), *(f"{counts[code, column]:,}" for column in used)) for code in np.argsort(first)]
        return Table(("group", *(names[column] for column in used)), tuple(rows))

    def figures(self) -> dict[str, Any]:
        """JSON-like: what is on each side, and what could not be met."""
        wanted = [*self.wanted.tolist(), None]
        sides = {
            name: {"structures": int(row[0]), "environments": int(row[1]), "wanted": share}
            for name, row, share in zip((*self.names, self.rest), self.amounts, wanted, strict=True)
        }
        sizes = np.unique(np.bincount(self.piece), return_counts=True)
        return {
            "sides": sides,
            "unit": self.config.unit,
            "distance": self.config.distance,
            "seed": self.config.seed,
            "always_trained_on": int(self.kept.sum()),
            "pieces": {str(size): int(count) for size, count in zip(*sizes, strict=True) if size},
            "not_met": list(self.notes),
        }

    def _facts(self) -> Facts:
        return self.facts()

    def _title(self) -> str:
        return f"Split of {self.dataset.name}"

    def facts(self) -> Facts:
        """What is on each side, and what could not be met, in words."""
        total = self.dataset.n_structures
        sides = [
            (name, f"{row[0]:,} structures ({percent(float(row[0]), total)}), {row[1]:,} environments")
            for name, row in zip((*self.names, self.rest), self.amounts, strict=True)
            if row[0] or name in self.names
        ]
        together = total - len(np.unique(self.piece))
        near = f"{together:,} structures stay with one whose {self.config.alike} are within {self.config.distance:g} Å"
        return [*sides, ("near duplicates", near), *(("not met", note) for note in self.notes)]

    def _line(self) -> str:
        return ", ".join(f"{name} {row[0]:,}" for name, row in zip(self.names, self.amounts, strict=False))

    def _parts(self) -> list[str]:
        return [html_table(self.group_table(), ROWS)]
