"""How a budget is shared among bins: exponents, set by hand or found on the dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import Facts, Shown, Table, html_table

LIMIT = 1.0  # of the logarithm of a ratio of errors: beyond, one structure that nobody foresaw speaks
USUAL = 0.75  # the exponent alpha where none is set and nothing could be tried
FOLDS = 4  # into which structures are dealt; each is left out once


@dataclass(frozen=True)
class Shares:
    """A bin of n environments and variety v has a share that grows like n^``size`` v^``variety``.

    With ``chance`` each bin gives up its environments in any order, and whole structures are drawn at random.
    """

    size: float
    variety: float
    chance: bool = False

    def weights(self, sizes: NDArray[np.integer], variety: NDArray[np.floating]) -> NDArray[np.float64]:
        """Weights (B,) of bins of ``sizes`` (B,) and ``variety`` (B,); 0 for empty ones."""
        found = np.zeros(len(sizes))
        some = sizes > 0
        found[some] = sizes[some].astype(np.float64) ** self.size * variety[some].astype(np.float64) ** self.variety
        return found

    def formula(self) -> str:
        """How a share grows, in a few signs."""
        if self.chance:
            return "at random"
        factors = (("environments", self.size), ("variety", self.variety))
        return (
            " × ".join(f"{name}^{power:g}" if power != 1.0 else name for name, power in factors if power)
            or "the same of each"
        )

    def words(self) -> str:
        """By what the parts of the clusters have their shares, and what that does, for people."""
        if self.chance:
            return "at random"
        if self.size == self.variety:
            by = "by its size and its variety alike" if self.size else "alike"
        else:
            more, less = ("size", "variety") if self.size > self.variety else ("variety", "size")
            alone = min(self.size, self.variety) == 0.0
            by = f"by its {more}, whatever its {less}" if alone else f"mostly by its {more}, partly by its {less}"
        if self.size > self.variety:
            return f"{by}, so what is common keeps most of its weight"
        return f"{by}, so what is rare keeps more than its part"


CHANCE = Shares(1.0, 0.0, chance=True)


def by_alpha(alpha: float, *, structures: bool) -> Shares:
    """The shares of an exponent set by hand: (n v)^(alpha/2) of environments, v^alpha of ``structures``."""
    return Shares(0.0, alpha) if structures else Shares(alpha / 2.0, alpha / 2.0)


@dataclass(frozen=True, eq=False, repr=False)
class Trial(Shown):
    """Candidates of shares, the first CHANCE, and the errors of their plans in F folds at K keep fractions.

    Judged are logarithms of ratios of errors of one fold, none counting for more than LIMIT, so that no fold decides
    alone. What holds at one keep fraction holds nearly so at the next: those beside it count half as much.
    """

    keeps: NDArray[np.float64]  # (K,) ascending
    candidates: tuple[Shares, ...]  # (C,)
    errors: NDArray[np.float64]  # (K, C, F) force RMSE in eV/Å; NaN where too little is kept for a fit

    @cached_property
    def choices(self) -> NDArray[np.int64]:
        """The candidate (K,) of least standing for each keep fraction; CHANCE where none is known or lower."""
        standing = np.where(np.isfinite(self.standing), self.standing, np.inf)
        return np.asarray(standing.argmin(axis=1))

    @cached_property
    def standing(self) -> NDArray[np.float64]:
        """Mean (K, C) over the folds of the logarithm of the error over that of the median candidate of the fold.

        Lower is better; it does not hang on whether CHANCE could be fitted.
        """
        middle = _median(self.errors.transpose(0, 2, 1))[:, None, :]
        return _mean(self._beside(np.log(self.errors / middle)))

    @property
    def known(self) -> bool:
        """Whether anything could be tried."""
        return bool(np.isfinite(self.errors).any())

    def row(self, keep: float) -> int:
        """The fraction tried, with anything to be fitted, that is nearest to ``keep``."""
        away = np.abs(np.log(self.keeps / max(keep, 1e-9)))
        there = np.isfinite(self.errors).any(axis=(1, 2))
        return int(np.where(there, away, np.inf).argmin()) if self.known else int(away.argmin())

    def shares(self, keep: float) -> Shares:
        """The shares for a budget of this fraction."""
        return self.candidates[int(self.choices[self.row(keep)])]

    def ratio(self, keep: float) -> float:
        """The median over the folds of the error by the chosen shares over that of CHANCE; NaN where none is known."""
        row = self.row(keep)
        return float(_median(self.errors[row, self.choices[row]] / self.errors[row, 0]))

    def table(self) -> Table:
        """The median over the folds of each candidate's error over that of CHANCE, and what is chosen."""
        heads = ("keep", *(one.formula() for one in self.candidates), "chosen")
        rows = []
        for row, keep in enumerate(self.keeps):
            ratio = _median(self.errors[row] / self.errors[row, :1])
            cells = (f"{value:.2f}" if np.isfinite(value) else "–" for value in ratio)
            rows.append((f"{100 * keep:g} %", *cells, self.shares(keep).formula()))
        return Table(heads, tuple(rows))

    def figures(self) -> list[dict[str, Any]]:
        """JSON-like, one a keep fraction."""
        found = []
        for row, keep in enumerate(self.keeps):
            shares, ratio = self.shares(keep), self.ratio(keep)
            lower = (self.errors[row, self.choices[row]] < self.errors[row, 0]).sum()
            found.append(
                {
                    "keep": float(keep),
                    "size": shares.size,
                    "variety": shares.variety,
                    "chance": shares.chance,
                    "error_over_chance": ratio if math.isfinite(ratio) else None,
                    "folds": int(np.isfinite(self.errors[row, 0]).sum()),
                    "folds_lower": int(lower),
                }
            )
        return found

    def _beside(self, logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
        """``logarithms`` (K, C, F) cut at LIMIT, averaged with those of the keep fractions beside them."""
        cut = np.clip(logarithms, -LIMIT, LIMIT)
        edge = np.full_like(cut[:1], np.nan)
        around = np.concatenate([edge, cut, edge])
        return _mean(np.stack([around[:-2], cut, cut, around[2:]], axis=-1))


@dataclass(frozen=True, eq=False, repr=False)
class Chosen(Shown):
    """What shares a dataset asks for, of environments one by one and of whole structures by the rule ``cover``."""

    environments: Trial
    structures: Trial

    def of(self, keep: float, *, structures: bool) -> Shares:
        """The shares for a budget of this fraction; those of the exponent USUAL where nothing could be tried."""
        trial = self.structures if structures else self.environments
        return trial.shares(keep) if trial.known else by_alpha(USUAL, structures=structures)

    def words(self, keep: float, *, structures: bool) -> str:
        """What was chosen for a budget, and why, in a sentence."""
        trial = self.structures if structures else self.environments
        what = "whole structures" if structures else "environments"
        shares = trial.shares(keep)
        if not trial.known:
            return f"{what} by the usual exponent {USUAL:g}: too few can be kept for a fit to say what is better"
        row = trial.figures()[trial.row(keep)]
        at = f"at {100 * row['keep']:g} %"
        if shares.chance:
            return f"{what} are taken at random: {at} nothing had a lower error on structures held out"
        return (
            f"{what}: each part of a cluster has its share {shares.words()}; {at} the force error on structures held "
            f"out is {_beside_chance(row['error_over_chance'], row['folds_lower'], row['folds'])}"
        )

    def figures(self) -> dict[str, Any]:
        """JSON-like."""
        return {"environments": self.environments.figures(), "structures": self.structures.figures()}

    def _title(self) -> str:
        return "Shares that the dataset asks for"

    def _facts(self) -> Facts:
        trials = (("environments", self.environments), ("structures", self.structures))
        return [
            (f"{what} at {100 * keep:g} %", trial.shares(keep).formula())
            for what, trial in trials
            for keep in trial.keeps
        ]

    def _parts(self) -> list[str]:
        return [html_table(self.environments.table()), html_table(self.structures.table())]


def _beside_chance(ratio: float | None, lower: int, tries: int) -> str:
    """A ratio of errors in words; None where nothing could be fitted to a choice at random."""
    if ratio is None:
        return "the lowest, while a choice at random keeps too little for a fit"
    how = f"{100 * (ratio - 1):.0f} % above" if ratio > 1.0 else f"{100 * (1 - ratio):.0f} % below"
    return f"{how} that of a choice at random in the median try (lower in {lower} of {tries})"


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the finite values along the last axis, NaN where there is none."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=-1) / np.maximum(count, 1), np.nan)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the finite values along the last axis, NaN where there is none."""
    ordered = np.sort(values, axis=-1)  # what is not a number comes last
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    low, high = (np.maximum(count - 1, 0) // 2, count // 2)
    pair = [np.take_along_axis(ordered, np.minimum(place, values.shape[-1] - 1), axis=-1) for place in (low, high)]
    found: NDArray[np.float64] = np.where(count > 0, 0.5 * (pair[0] + pair[1]), np.nan)[..., 0]
    return found
