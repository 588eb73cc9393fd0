"""How environments lie in structures: all of a dataset that a model's training depends on."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Layout(Protocol):
    """What an AtomicDataset and a file of descriptors have in common."""

    @property
    def offsets(self) -> NDArray[np.int64]:
        """(S + 1,): structure s holds the environments ``offsets[s]`` to ``offsets[s + 1] - 1``."""

    @property
    def structure_keys(self) -> tuple[str, ...]:
        """(S,) content hash of each structure."""
