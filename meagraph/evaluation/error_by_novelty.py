"""Is a model's error where the data is thin? Errors of environments against how far each lies from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import Facts, Shown, Table, html_table
from meagraph.errors import MEAGraphError

FEW = 50  # environments, below which nothing is said
BINS = 5  # of as many environments each, from the least novel to the most
SLIGHT, CLEAR = 0.1, 0.3  # rank correlations from which there is something to say, and much


@dataclass(frozen=True, eq=False, repr=False)
class ErrorByNovelty(Shown):
    """How errors go with novelty, where both are known; B bins of as many environments, the least novel first.

    Without an answer (too few, or all alike) the correlation is NaN and there are no bins.
    """

    environments: int  # with both
    correlation: float  # Spearman's rank correlation, between -1 and 1
    novelty: NDArray[np.float64]  # (B,) median
    error: NDArray[np.float64]  # (B,) root mean square, in the unit of the errors
    share: NDArray[np.float64]  # (B,) of the sum of all squared errors

    @property
    def factor(self) -> float:
        """How many times the error of the least novel that of the most novel is; NaN where that is 0 or unknown."""
        if not len(self.error) or self.error[0] == 0.0:
            return np.nan
        return float(self.error[-1] / self.error[0])

    @property
    def sentence(self) -> str:
        """The answer, for people."""
        if not np.isfinite(self.correlation):
            why = f"fewer than {FEW} environments have both" if self.environments < FEW else "one of them is constant"
            return f"Nothing can be said of the error against novelty: {why}."
        value = self.correlation
        if abs(value) < SLIGHT:
            words = "No: the error is not where the data is thin"
        elif value < 0.0:
            words = "No: the error is rather where the data is dense"
        else:
            words = f"{'Yes' if value >= CLEAR else 'Slightly'}: the error is larger where the data is thin"
        times = "" if not np.isfinite(self.factor) else f", {self.factor:.2g} times that of the least novel fifth"
        return (
            f"{words} (rank correlation {value:+.2f}; the most novel fifth has {100 * self.share[-1]:.0f} % of the "
            f"squared error{times})."
        )

    def table(self, unit: str = "", scale: float = 1.0) -> Table:
        """A row for each bin; errors times ``scale`` are in ``unit``."""
        heads = ("novelty (median)", f"RMSE{f' / {unit}' if unit else ''}", "of the squared error")
        rows = zip(self.novelty.tolist(), (scale * self.error).tolist(), self.share.tolist(), strict=True)
        return Table(heads, tuple((f"{n:.3g}", f"{e:.4g}", f"{100 * s:.1f} %") for n, e, s in rows))

    def figures(self) -> dict[str, Any]:
        """JSON-like."""
        return {
            "environments": self.environments,
            "correlation": self.correlation if np.isfinite(self.correlation) else None,
            "novelty": self.novelty.tolist(),
            "error": self.error.tolist(),
            "share": self.share.tolist(),
            "answer": self.sentence,
        }

    def _title(self) -> str:
        return "Error against novelty"

    def _facts(self) -> Facts:
        return [("environments", f"{self.environments:,}"), ("answer", self.sentence)]

    def _parts(self) -> list[str]:
        return [html_table(self.table())] if len(self.error) else []


def error_by_novelty(error: NDArray[np.floating], novelty: NDArray[np.floating]) -> ErrorByNovelty:
    """How ``error`` (N,), at least 0, goes with ``novelty`` (N,) of the same environments; either may be NaN.

    Novelty is any measure of how far an environment lies from the others: the novelty beside known data, or the
    distance to the nearest ones. Only its order counts (Spearman, Am. J. Psychol. 15, 72, 1904); ties have their
    mean rank, and where bins meet, tied ones are parted by the order in which they come. Environments of a structure
    are alike, so the correlation is a description, no test. Raises MEAGraphError where the shapes differ.
    """
    if np.ndim(error) != 1 or np.shape(error) != np.shape(novelty):
        raise MEAGraphError(
            f"Expected one error and one novelty for each environment, but they have shapes {np.shape(error)} and "
            f"{np.shape(novelty)}. Take both from the same dataset."
        )
    known = np.isfinite(error) & np.isfinite(novelty)
    size, thin = np.asarray(error[known], dtype=np.float64), np.asarray(novelty[known], dtype=np.float64)
    nothing = np.empty(0)
    if len(size) < FEW or np.ptp(size) == 0.0 or np.ptp(thin) == 0.0:
        return ErrorByNovelty(len(size), np.nan, nothing, nothing, nothing)
    correlation = float(np.corrcoef(_ranks(size), _ranks(thin))[0, 1])
    bins = np.array_split(np.argsort(thin, kind="stable"), BINS)
    squares = np.array([float((size[rows] ** 2).sum()) for rows in bins])
    return ErrorByNovelty(
        len(size),
        correlation,
        np.array([float(np.median(thin[rows])) for rows in bins]),
        np.sqrt(squares / [len(rows) for rows in bins]),
        squares / squares.sum(),
    )


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks (n,) from the least, those of equal values their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - 0.5 * (count - 1))[place])
