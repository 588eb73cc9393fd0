"""Selections under names, kept on disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from meagraph.cache import data_home
from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.files import read_arrays, write_arrays

LONGEST_NAME = 80  # characters


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
        return unpacked(self.packed[name], self.size)

    def keep(self, name: str, mask: NDArray[np.bool_]) -> NamedSelections:
        """Store ``mask`` (N,) under ``name``, at once on disk; an older one of that name is replaced."""
        name = name.strip()
        if not name or len(name) > LONGEST_NAME:
            raise MEAGraphError(f"A selection needs a name of 1 to {LONGEST_NAME} characters, got {len(name)}.")
        return self.holding({**self.packed, name: np.packbits(mask)})

    def forget(self, name: str) -> NamedSelections:
        """Remove the selection called ``name``."""
        return self.holding({key: bits for key, bits in self.packed.items() if key != name})

    def holding(self, packed: dict[str, NDArray[np.uint8]]) -> NamedSelections:
        """Store these, and none else: bits of masks by name. Raises MEAGraphError where they cannot be written."""
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


def named_selections(dataset: AtomicDataset, home: Path | None = None) -> NamedSelections:
    """Selections of ``dataset`` that were kept earlier in ``home``, by default the user's.

    ``$MEAVIZ_DATA_HOME`` names another folder.

    Raises MEAGraphError for a file that cannot be read; it stays as it is.
    """
    path = data_home(home) / "selections" / f"{dataset.fingerprint[:32]}.npz"
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


def unpacked(packed: NDArray[np.uint8], size: int) -> NDArray[np.bool_]:
    """The mask (``size``,) of which these are the bits."""
    return np.unpackbits(packed, count=size).astype(np.bool_)
