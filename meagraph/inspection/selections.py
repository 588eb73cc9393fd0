"""Selections of environments: found by a condition, combined, kept under a name, taken as structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import ROWS, Facts, Shown, html_table
from meagraph.errors import MEAGraphError
from meagraph.inspection.named import named_selections
from meagraph.inspection.properties import Properties


@dataclass(frozen=True, eq=False, repr=False)
class Selection(Shown):
    """Some of the N environments of a dataset; ``&``, ``|``, ``-`` and ``~`` combine selections."""

    dataset: AtomicDataset
    mask: NDArray[np.bool_]  # (N,)
    words: str  # what it is

    def __post_init__(self) -> None:
        mask = np.asarray(self.mask)
        if mask.dtype != bool or mask.shape not in ((self.dataset.n_environments,), (self.dataset.n_structures,)):
            raise MEAGraphError(
                f"Expected one True or False for each of the {self.dataset.n_environments:,} environments, or of "
                f"the {self.dataset.n_structures:,} structures, but it has type {mask.dtype} and shape {mask.shape}. "
                'Take a condition, for example select("fmax > 30").'
            )
        if mask.shape != (self.dataset.n_environments,):
            object.__setattr__(self, "mask", mask[self.dataset.structure_of])

    def __and__(self, other: Selection) -> Selection:
        return self._with(other, np.logical_and, "and")

    def __or__(self, other: Selection) -> Selection:
        return self._with(other, np.logical_or, "or")

    def __sub__(self, other: Selection) -> Selection:
        return self._with(other, np.greater, "and not")

    def __invert__(self) -> Selection:
        return Selection(self.dataset, ~self.mask, f"not ({self.words})")

    def __len__(self) -> int:
        return int(self.mask.sum())

    @property
    def structures(self) -> NDArray[np.bool_]:
        """The structures (S,) that hold one of the environments."""
        return np.asarray(np.logical_or.reduceat(self.mask, self.dataset.offsets[:-1]))

    @property
    def whole(self) -> NDArray[np.bool_]:
        """The structures (S,) all of whose environments are selected."""
        return np.asarray(np.logical_and.reduceat(self.mask, self.dataset.offsets[:-1]))

    def atoms(self) -> list[Atoms]:
        """The structures that hold one of the environments, in their order."""
        return [self.dataset.structures[row] for row in np.flatnonzero(self.structures).tolist()]

    def keep(self, name: str) -> None:
        """Keep the selection under ``name``, on disk, for the app as well; an older one of that name is replaced.

        Raises MEAGraphError for a name that is none, and where the file cannot be written.
        """
        named_selections(self.dataset).keep(name, self.mask)

    def _with(self, other: Selection, combine: np.ufunc, word: str) -> Selection:
        if other.dataset is not self.dataset and other.dataset.fingerprint != self.dataset.fingerprint:
            raise MEAGraphError(
                f"Expected two selections of one dataset, but they are of {self.dataset.name!r} and "
                f"{other.dataset.name!r}. Select again."
            )
        return Selection(self.dataset, combine(self.mask, other.mask), f"({self.words}) {word} ({other.words})")

    def _title(self) -> str:
        return f"Selection of {self.dataset.name}"

    def _facts(self) -> Facts:
        data = self.dataset
        return [
            ("environments", f"{len(self):,} of {data.n_environments:,}"),
            (
                "in structures",
                f"{int(self.structures.sum()):,} of {data.n_structures:,}, {int(self.whole.sum()):,} of them wholly",
            ),
            ("what", self.words),
        ]

    def _line(self) -> str:
        return f"{len(self):,} environments"

    def _parts(self) -> list[str]:
        return [html_table(self.dataset.group_table(self.structures), ROWS)] if self.mask.any() else []


def select(dataset: AtomicDataset, what: str | NDArray[np.bool_], *, words: str = "") -> Selection:
    """The environments of a dataset that a condition means, or those of a mask (N,) or (S,).

    Of a dataset alone there are groups, elements, labels and what its files say; an analysis knows more
    (``found.select``). Raises MEAGraphError for a condition that is not understood, or a mask of another size.
    """
    if isinstance(what, str):
        return Selection(dataset, Properties(dataset).find(what), words or what.strip())
    return Selection(dataset, np.asarray(what), words or "by a mask")


def kept_selection(dataset: AtomicDataset, name: str) -> Selection:
    """The selection that was kept under ``name``, here or in the app. Raises MEAGraphError where there is none."""
    return Selection(dataset, named_selections(dataset).mask(name), name)


def structures_of(dataset: AtomicDataset, what: Selection | NDArray[Any]) -> NDArray[np.bool_]:
    """The structures (S,) of a selection, or of a mask of environments (N,) or structures (S,)."""
    return (what if isinstance(what, Selection) else Selection(dataset, np.asarray(what), "")).structures
