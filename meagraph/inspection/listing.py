"""All environments, or all structures, as rows of a table in the order of any column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.inspection.property import Property
from meagraph.outliers import Outliers

Level = Literal["environment", "structure"]
LARGEST = "largest_score"  # of a structure: no property of environments


class Listing:
    """R rows: the N environments, or the S structures, of a dataset."""

    def __init__(
        self,
        level: Level,
        dataset: AtomicDataset,
        properties: Mapping[str, Property],
        outliers: Outliers | None = None,
    ) -> None:
        """``properties`` give the columns; of structures there is LARGEST as well where ``outliers`` are known."""
        self._whole = level == "structure"
        self._dataset, self._properties, self._outliers = dataset, properties, outliers
        self._orders: dict[str, NDArray[np.int64]] = {}

    def column(self, name: str) -> NDArray[Any]:
        """The values of all rows: (R,)."""
        if name == LARGEST and self._outliers is not None:
            return np.asarray(np.maximum.reduceat(self._outliers.score, self._dataset.offsets[:-1]))
        values = self._properties[name].values
        return values[self._dataset.offsets[:-1]] if self._whole else values

    def order(self, name: str, *, falling: bool = False) -> NDArray[np.int64]:
        """All rows (R,) by a column, those without a value last."""
        if name not in self._orders:
            self._orders[name] = np.argsort(self.column(name), kind="stable")
        order = self._orders[name]
        if not falling:
            return order
        values = self.column(name)
        known = len(order) - int(np.isnan(values).sum()) if values.dtype.kind == "f" else len(order)
        return np.concatenate([order[:known][::-1], order[known:]])

    def holding(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Rows (R,) that are among environments ``mask`` (N,), or hold one of them."""
        return np.asarray(np.logical_or.reduceat(mask, self._dataset.offsets[:-1])) if self._whole else mask

    def page(
        self, name: str, number: int, size: int, *, falling: bool = False, among: NDArray[np.bool_] | None = None
    ) -> tuple[list[int], int]:
        """The rows of page ``number`` (or of the last, before that) by a column, and how many rows all pages have.

        ``among`` (R,) are the rows that count.
        """
        order = self.order(name, falling=falling)
        if among is not None:
            order = order[among[order]]
        start = max(0, min(number, -(-len(order) // size) - 1)) * size
        return order[start : start + size].tolist(), len(order)

    def first(self, row: int) -> int:
        """The environment of a row, of a structure its first."""
        return int(self._dataset.offsets[row]) if self._whole else row

    def environments(self, rows: list[int]) -> NDArray[np.bool_]:
        """The environments (N,) in ``rows``."""
        if self._whole:
            return np.isin(self._dataset.structure_of, rows)
        mask = np.zeros(self._dataset.n_environments, dtype=bool)
        mask[rows] = True
        return mask
