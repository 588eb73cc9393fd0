"""Axes whose direction is fixed: those of an eigenvalue problem may come with either sign."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def upright(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns of ``axes`` (D, k), each with the sign that makes its largest entry positive."""
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return np.asarray(axes * np.where(largest < 0, -1.0, 1.0))
