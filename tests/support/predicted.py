"""Predictions with errors that are known."""

from __future__ import annotations

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.predictions import Errors, Predicted, compare_labels


def errors_off(data: AtomicDataset, *, energy: bool = True, name: str = "made") -> Errors:
    """Right but for environment 7, off by 5 eV/Å, and structure 2, by 0.4 eV/atom; without energies where unasked."""
    predicted, forces = data.energy.copy(), data.forces.copy()
    predicted[2] += 0.4 * data.sizes[2]
    forces[7] += [3.0, 0.0, 4.0]
    values = predicted if energy else np.full(data.n_structures, np.nan)
    return compare_labels(data, Predicted(name, values, forces, np.full((data.n_structures, 3, 3), np.nan), "made"))
