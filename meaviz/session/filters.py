"""What is shown: limits of properties, and a condition."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meagraph.inspection.properties import Properties


@dataclass(frozen=True)
class Filters:
    """What is shown: environments that meet every range, every choice of categories, and the condition."""

    ranges: tuple[tuple[str, float, float], ...] = ()  # property, lowest, highest
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()  # property, names of the categories shown; "" for none
    condition: str = ""

    def mask(self, properties: Properties) -> NDArray[np.bool_] | None:
        """The environments (N,) that are shown, None for all. Raises MEAGraphError where the condition is wrong."""
        parts = [properties.find(self.condition)] if self.condition.strip() else []
        for name, low, high in self.ranges:
            values = properties[name].values
            parts.append((values >= low) & (values <= high))
        for name, names in self.choices:
            known = properties[name]
            wanted = np.isin(np.array([*known.names, ""]), names)
            parts.append(wanted[known.values])
        return None if not parts else np.logical_and.reduce(parts)

    def without(self, name: str) -> Filters:
        """The filters but for that of one property; ``"condition"`` for the condition."""
        if name == "condition":
            return replace(self, condition="")
        return replace(
            self,
            ranges=tuple(item for item in self.ranges if item[0] != name),
            choices=tuple(item for item in self.choices if item[0] != name),
        )

    def with_range(self, name: str, low: float, high: float) -> Filters:
        """These filters with a range of one property in place of an older one."""
        return replace(self.without(name), ranges=(*self.without(name).ranges, (name, low, high)))

    def with_choice(self, name: str, names: tuple[str, ...]) -> Filters:
        """These filters with a choice of categories of one property in place of an older one."""
        return replace(self.without(name), choices=(*self.without(name).choices, (name, names)))
