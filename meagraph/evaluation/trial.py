"""What shares a dataset asks for: candidates are tried on structures held out, by the quick force field.

Only structures that take part in fits are looked at (:class:`meagraph.evaluation.equations.Prepared`): those on which
the cost of a plan is judged later are not. They are dealt into FOLDS parts, of each group alike; each part in turn is
left out, plans of the same size as the dataset's own are made of the others, and the field is fitted to what a plan
keeps and tested on the part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.evaluation.equations import Prepared
from meagraph.evaluation.force_error import NormalEquations, normal_equations, solve
from meagraph.progress import Progress, silent
from meagraph.pruning.choice import heads
from meagraph.pruning.covering import cover, draw
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.shares import CHANCE, FOLDS, Chosen, Shares, Trial

TRIAL_VERSION = 1  # of what the cache keeps
KEEPS = (0.02, 0.05, 0.1, 0.25)
ROUNDS = 6  # the structures are dealt anew each time, fewer times where equations are many and wide
LARGE = 4e8  # environments times the square of the coefficients, times the rounds, at most
DRAWS = 2  # of CHANCE in each fold, whose mean logarithm counts
ENVIRONMENTS = (
    CHANCE,
    Shares(0.75, 0.25),
    Shares(0.5, 0.25),
    Shares(0.375, 0.375),
    Shares(0.25, 0.5),
    Shares(0.0, 0.5),
    Shares(0.0, 1.0),
)
STRUCTURES = (
    CHANCE,
    Shares(1.0, 0.0),
    Shares(0.5, 0.5),
    Shares(0.375, 0.375),
    Shares(0.0, 0.25),
    Shares(0.0, 0.5),
    Shares(0.0, 0.75),
)


@dataclass(frozen=True, eq=False)
class _Fold:
    """A part of the fit's structures left out: n environments in s structures."""

    prepared: Prepared
    ranking: Ranking  # of the environments of the fit
    offsets: NDArray[np.int64]  # (s + 1,)
    out: NDArray[np.bool_]  # (s,) left out
    given: NDArray[np.bool_]  # (s,) known already, and part of every fit
    test: NormalEquations  # of those
    rng: np.random.Generator

    def error(self, kept: NDArray[np.int64], forces: NormalEquations) -> float:
        """RMSE of the fit to the environments ``kept``, whose ``forces`` these are.

        NaN where they are too few, and where no force acts on what is left out: it says nothing then.
        """
        if forces.count < len(forces.right) or not self.test.square > 0.0:
            return float("nan")
        fit = self.prepared.fit
        counts = np.bincount(fit.structure_of[kept], minlength=len(fit.structures))
        return self.test.rmse(solve(self.prepared, forces, counts)[0])

    def environments(self, shares: Shares, budgets: Sequence[int]) -> list[float]:
        """Errors of plans by ``shares`` of ascending ``budgets``, each of which has all of the one before."""
        fit = self.prepared.fit
        free = np.repeat(~self.out, np.diff(self.offsets))
        ranking = self.ranking
        if shares.chance:
            ranking = Ranking(
                ranking.rank,
                ranking.bin,
                ranking.sizes,
                ranking.within,
                int(self.rng.integers(2**32)),
                worth=ranking.worth,
                known=ranking.known,
            )
        before = np.zeros(len(free), dtype=bool)
        forces = normal_equations(fit, np.zeros(0, dtype=np.int64))
        known = self.given[fit.structure_of]
        found = []
        for budget in budgets:
            kept = heads(ranking, free, budget, shares) | known
            forces = forces + normal_equations(fit, np.flatnonzero(kept & ~before & fit.known))
            before = kept
            found.append(self.error(np.flatnonzero(kept), forces))
        return found

    def structures(self, shares: Shares, budgets: Sequence[int]) -> list[float]:
        """Errors of whole structures that hold at most so many environments each."""
        fit = self.prepared.fit
        sizes = np.diff(self.offsets)
        stays = np.zeros(len(sizes), dtype=bool)
        found = []
        for room in budgets:
            if shares.chance:
                kept = draw(sizes, stays=stays, barred=self.out | self.given, room=room, seed=self.rng)
            else:
                kept = cover(
                    self.ranking, self.offsets, stays=stays, barred=self.out, target=room, room=room, shares=shares
                )
            rows = np.flatnonzero(np.repeat(kept | self.given, sizes))
            found.append(self.error(rows, normal_equations(fit, rows[fit.known[rows]])))
        return found


def choose_shares(
    prepared: Prepared,
    ranking: Ranking,
    groups: NDArray[np.str_],
    keys: Sequence[str],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Chosen:
    """The shares of least error for plans from ``ranking``, at each of KEEPS.

    ``groups`` (S,) and ``keys`` (S,) are the groups and the content hashes of the dataset's structures; equal
    structures are on one side. What is known already is part of every fit, is never left out, and is not chosen:
    the fractions are those of what is new. Of the fractions in between, the nearest counts. Where a fold cannot be
    fitted the error is NaN, and where none can, the usual exponent stays.
    """
    fit = prepared.fit
    rng = np.random.default_rng(seed)
    sizes = np.bincount(fit.structure_of, minlength=len(fit.structures))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rows = fit.environments
    worth = None if ranking.worth is None else ranking.worth[rows]
    inside = Ranking(
        ranking.rank[rows],
        ranking.bin[rows],
        np.bincount(ranking.bin[rows], minlength=len(ranking.sizes)),
        ranking.within,
        ranking.seed,
        worth=worth,
        known=None if ranking.known is None else ranking.known[rows],
    )
    given = prepared.given
    new = int(sizes[~given].sum())
    budgets = [round(keep * new) for keep in KEEPS]
    rounds = int(np.clip(LARGE / (len(rows) * fit.features.shape[2] ** 2), 1, ROUNDS))
    steps, done = rounds * FOLDS * (len(ENVIRONMENTS) + len(STRUCTURES)), 0
    tried: tuple[list[list[list[float]]], list[list[list[float]]]] = ([], [])
    for _ in range(rounds):
        part = np.where(given, -1, deal(groups[fit.structures], np.asarray(keys)[fit.structures], rng))
        for number in range(FOLDS):
            out = part == number
            left = np.flatnonzero(out[fit.structure_of] & fit.known)
            fold = _Fold(prepared, inside, offsets, out, given, normal_equations(fit, left), rng)
            for errors, candidates, cost in (
                (tried[0], ENVIRONMENTS, fold.environments),
                (tried[1], STRUCTURES, fold.structures),
            ):
                of_fold = []
                for shares in candidates:
                    draws = [cost(shares, budgets) for _ in range(DRAWS if shares.chance else 1)]
                    of_fold.append(np.exp(np.log(draws).mean(axis=0)).tolist())
                    done += 1
                    progress(done, steps, "shares of the clusters")
                errors.append(of_fold)
    trials = [
        Trial(np.array(KEEPS), candidates, np.array(errors).transpose(2, 1, 0))
        for errors, candidates in zip(tried, (ENVIRONMENTS, STRUCTURES), strict=True)
    ]
    return Chosen(*trials)


def deal(groups: NDArray[np.str_], keys: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.int64]:
    """A part (s,) of FOLDS for each structure; of each group all parts have as many, but for one more or less.

    Equal structures, by their ``keys`` (s,), are in one part.
    """
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    part = np.empty(len(first), dtype=np.int64)
    start = 0
    for group in np.unique(groups[first]):
        members = rng.permutation(np.flatnonzero(groups[first] == group))
        part[members] = (start + np.arange(len(members))) % FOLDS
        start += len(members)
    return part[inverse]
