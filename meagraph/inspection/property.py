"""One property of all environments: numbers with a unit, or categories."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Property:
    """One column: numbers with a unit, or categories."""

    name: str  # as in conditions: an identifier
    title: str
    unit: str  # "" for none
    level: Literal["environment", "structure"]  # equal for all environments of a structure, or not
    kind: Literal["number", "category"]
    values: NDArray[Any]  # (N,) float64; of categories the int64 code, -1 for none
    names: tuple[str, ...] = ()  # of the categories
    titles: tuple[str, ...] = ()  # how they are shown, where that says more than their names

    @property
    def label(self) -> str:
        """Title with unit, for an axis."""
        return f"{self.title} / {self.unit}" if self.unit else self.title

    @property
    def limits(self) -> tuple[float, float] | None:
        """Least and largest of the numbers; None where none is known."""
        known = self.values[np.isfinite(self.values)]
        return (float(known.min()), float(known.max())) if len(known) else None

    @property
    def counts(self) -> dict[str, int]:
        """Environments of each category."""
        found = np.bincount(self.values[self.values >= 0], minlength=len(self.names))
        return dict(zip(self.names, found.tolist(), strict=True))

    @cached_property
    def column(self) -> NDArray[Any]:
        """What conditions compare: the numbers, or the categories' names."""
        if self.kind == "number":
            return self.values
        names: NDArray[Any] = np.array([*self.names, ""])[self.values]
        return names


def two_sided(name: str, title: str, mask: NDArray[np.bool_], names: tuple[str, str]) -> Property:
    """The property that a mask (N,) is; ``names`` say what False and True mean."""
    return Property(name, title, "", "environment", "category", mask.astype(np.int64), names)
