"""Selections: steps that can be undone, names under which they are kept, and filters of what is shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import platformdirs
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.files import read_arrays, write_arrays
from meagraph.inspection.properties import Properties

STEPS = 100  # that can be undone
LONGEST_NAME = 80  # characters
COMBINE: dict[str, Callable[[NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.bool_]]] = {
    "replace": lambda old, new: new,
    "add": lambda old, new: old | new,
    "remove": lambda old, new: old & ~new,
    "intersect": lambda old, new: old & new,
}


class History:
    """The selections of one session, one after the other; a million environments take 125 kB a step."""

    def __init__(self) -> None:
        self._steps: list[NDArray[np.uint8]] = []
        self._now = -1
        self._size = 0

    def start(self, mask: NDArray[np.bool_]) -> None:
        """Forget everything and begin with ``mask`` (N,)."""
        self._steps, self._now, self._size = [np.packbits(mask)], 0, len(mask)

    def push(self, mask: NDArray[np.bool_]) -> None:
        """Note ``mask`` (N,) as the next step; what was undone is gone."""
        packed = np.packbits(mask)
        if not np.array_equal(packed, self._steps[self._now]):
            self._steps = [*self._steps[max(0, self._now + 2 - STEPS) : self._now + 1], packed]
            self._now = len(self._steps) - 1

    @property
    def can_undo(self) -> bool:
        """There is a step before."""
        return self._now > 0

    @property
    def can_redo(self) -> bool:
        """There is a step after."""
        return self._now + 1 < len(self._steps)

    def move(self, by: int) -> NDArray[np.bool_] | None:
        """Go one step back (-1) or forth (1) and return that mask (N,); None where there is none."""
        if not 0 <= self._now + by < len(self._steps):
            return None
        self._now += by
        return _unpack(self._steps[self._now], self._size)


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


@dataclass(frozen=True)
class NamedSelections:
    """Selections kept under names, on disk, bound to the content of the dataset."""

    path: Path
    size: int
    packed: dict[str, NDArray[np.uint8]] = field(default_factory=dict, compare=False)

    @property
    def names(self) -> list[str]:
        """All names in order."""
        return sorted(self.packed, key=str.casefold)

    def mask(self, name: str) -> NDArray[np.bool_]:
        """The selection (N,) called ``name``. Raises MEAGraphError where there is none."""
        if name not in self.packed:
            raise MEAGraphError(f"There is no selection called {name!r}; there are: {', '.join(self.names) or 'none'}.")
        return _unpack(self.packed[name], self.size)

    def keep(self, name: str, mask: NDArray[np.bool_]) -> NamedSelections:
        """Store ``mask`` (N,) under ``name``, at once on disk; an older one of that name is replaced."""
        name = name.strip()
        if not name or len(name) > LONGEST_NAME:
            raise MEAGraphError(f"A selection needs a name of 1 to {LONGEST_NAME} characters, got {len(name)}.")
        return self._stored({**self.packed, name: np.packbits(mask)})

    def forget(self, name: str) -> NamedSelections:
        """Remove the selection called ``name``."""
        return self._stored({key: bits for key, bits in self.packed.items() if key != name})

    def _stored(self, packed: dict[str, NDArray[np.uint8]]) -> NamedSelections:
        names = np.array(list(packed), dtype=str)
        arrays = {f"mask_{number}": bits for number, bits in enumerate(packed.values())}
        try:
            write_arrays(self.path, {"size": np.array(self.size), "names": names, **arrays})
        except OSError as error:
            raise MEAGraphError(
                f"{self.path}: the selections cannot be written ({error.strerror or error}). "
                "Name another folder in the environment variable MEAVIZ_DATA_HOME."
            ) from error
        return replace(self, packed=packed)


def named_selections(dataset: AtomicDataset) -> NamedSelections:
    """Selections of ``dataset`` that were kept earlier; ``$MEAVIZ_DATA_HOME`` names another folder.

    Raises MEAGraphError for a file that cannot be read; it stays as it is.
    """
    folder = Path(os.environ.get("MEAVIZ_DATA_HOME") or platformdirs.user_data_dir("meaviz"))
    path = folder / "selections" / f"{dataset.fingerprint[:32]}.npz"
    empty = NamedSelections(path, dataset.n_environments)
    if not path.exists():
        return empty
    try:
        arrays = read_arrays(path)
        names = [str(name) for name in arrays["names"]]
        packed = {name: arrays[f"mask_{number}"] for number, name in enumerate(names)}
        if int(arrays["size"]) != dataset.n_environments:
            raise ValueError("another number of environments")
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise MEAGraphError(
            f"{path} is not a file of selections of this dataset ({error}). Move it away to start afresh; "
            "nothing was changed."
        ) from error
    return replace(empty, packed=packed)


def _unpack(packed: NDArray[np.uint8], size: int) -> NDArray[np.bool_]:
    return np.unpackbits(packed, count=size).astype(np.bool_)
