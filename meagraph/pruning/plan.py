"""Clusters to a pruning plan: which environments and structures to keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import ROWS, Facts, Shown, html_table, percent
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, Points
from meagraph.latent.clustering import Clusters
from meagraph.progress import Progress, silent
from meagraph.pruning.by_error import error_words
from meagraph.pruning.choice import Choice
from meagraph.pruning.covering import cover, draw
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.selectors import SELECTORS, Candidates
from meagraph.pruning.settings import PruningConfig
from meagraph.pruning.shares import USUAL, Chosen


@dataclass(frozen=True, eq=False, repr=False)
class PruningPlan(Shown):
    """What stays."""

    keep: NDArray[np.bool_]  # (N,) environments chosen; all of them in protected structures
    structures: NDArray[np.bool_]  # (S,) structures that stay under the rule
    protected: NDArray[np.bool_]  # (S,) structures of protected groups, and isolated atoms
    config: PruningConfig
    per_cluster: NDArray[np.int64]  # (C + 1,) kept environments of each cluster, unclustered ones last
    dataset: AtomicDataset | None = None  # that it was made for; None where it comes from a file alone
    chosen: Chosen | None = None  # what the dataset asks for, where the plan follows that
    recorded: tuple[str, ...] = ()  # of a plan from a file: why it has its shares
    weighed: str = ""  # what a model's error does to the shares, where it does

    @property
    def n_environments(self) -> int:
        """Environments chosen."""
        return int(self.keep.sum())

    @property
    def n_structures(self) -> int:
        """Structures that stay."""
        return int(self.structures.sum())

    @property
    def by(self) -> str:
        """How the bins' shares came about, in a few words."""
        if self.config.alpha is not None:
            return f"alpha {self.config.alpha:g}"
        asked = self.chosen is not None or self.recorded
        return "shares as the dataset asks for" if asked else f"alpha {USUAL:g}, as usual"

    @property
    def reasons(self) -> tuple[str, ...]:
        """What was chosen for the dataset and why, in sentences: of environments, and of structures to cover."""
        error = (self.weighed,) if self.weighed else ()
        if self.chosen is None:
            return (*self.recorded, *error)
        return (*(self.chosen.words(self._share, structures=structures) for structures in self._kinds), *error)

    @property
    def formulas(self) -> tuple[str, ...]:
        """The shares behind the ``reasons`` in a few signs; nothing of a plan that was read."""
        if self.chosen is None:
            return ()
        return tuple(self.chosen.of(self._share, structures=structures).formula() for structures in self._kinds)

    @property
    def _share(self) -> float:
        if self.dataset is None:
            return self.config.fraction(len(self.keep), len(self.structures))
        return self.config.fraction(self.summary.environments, self.summary.structures)

    @property
    def _kinds(self) -> tuple[bool, ...]:
        return (False, True) if self.config.rule == "cover" else (False,)

    @cached_property
    def summary(self) -> PlanSummary:
        """What the plan comes to. Raises MEAGraphError for a plan without its dataset."""
        data = self._dataset()
        clusters = self.per_cluster[:-1]
        return PlanSummary(
            environments=int((~data.known_environments).sum()),
            chosen=self.n_environments,
            structures=int((~data.known).sum()),
            kept=self.n_structures,
            atoms=int(data.sizes[self.structures].sum()),
            clusters=len(clusters),
            clusters_lost=int((clusters == 0).sum()),
        )

    def counted(self, clusters: Clusters) -> PruningPlan:
        """The same plan counted by other ``clusters`` of the same environments."""
        per_cluster = np.bincount(clusters.bins[self.keep], minlength=clusters.n_clusters + 1)
        return replace(self, per_cluster=per_cluster)

    def atoms(self) -> list[Atoms]:
        """Copies of the structures that stay, in file order. Raises MEAGraphError for a plan without its dataset."""
        structures = self._dataset().structures
        return [structures[row] for row in np.flatnonzero(self.structures)]

    def _title(self) -> str:
        return "Pruning plan" if self.dataset is None else f"Pruning plan of {self.dataset.name}"

    def _facts(self) -> Facts:
        config = self.config
        settings = [
            ("budget", config.budget),
            (
                "chosen by",
                f"selector {config.selector}, rule {config.rule}, {self.by}, seed {config.seed}",
            ),
            *(("shares", sentence) for sentence in self.reasons),
        ]
        if self.dataset is None:
            return [
                ("kept", f"{self.n_structures:,} structures"),
                ("chosen", f"{self.n_environments:,} environments"),
                *settings,
            ]
        one = self.summary
        return [
            ("kept", f"{one.kept:,} of {one.structures:,} structures ({percent(one.kept, one.structures)})"),
            ("in them", f"{one.atoms:,} of {one.environments:,} environments ({percent(one.atoms, one.environments)})"),
            ("chosen", f"{one.chosen:,} environments ({percent(one.chosen, one.environments)})"),
            ("clusters", f"{one.clusters - one.clusters_lost:,} of {one.clusters:,} keep an environment"),
            *settings,
        ]

    def _line(self) -> str:
        there = len(self.structures) if self.dataset is None else self.summary.structures
        kept = f"{self.n_structures:,} of {there:,} structures kept"
        return f"{kept}, {self.n_environments:,} environments chosen"

    def _parts(self) -> list[str]:
        return [] if self.dataset is None else [html_table(self.dataset.group_table(self.structures), ROWS)]

    def _dataset(self) -> AtomicDataset:
        if self.dataset is None:
            raise MEAGraphError(
                "Expected a plan with its dataset, but it comes from a file alone. Read the dataset and use "
                "RecordedPlan.of."
            )
        return self.dataset


@dataclass(frozen=True)
class PlanSummary:
    """What a plan comes to, in numbers; what is known already is not among them."""

    environments: int  # of the dataset
    chosen: int  # environments
    structures: int  # of the dataset
    kept: int  # structures
    atoms: int  # environments in the kept structures
    clusters: int
    clusters_lost: int  # of which no environment is chosen


def rank_environments(
    clusters: Clusters,
    points: Points,
    condensed: Condensed,
    *,
    selector: str = "meagraph",
    within: str = "mixed",
    bins: NDArray[np.int64] | None = None,
    groups: NDArray[np.str_] | None = None,
    known: NDArray[np.bool_] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Ranking:
    """Order the environments once by a ``selector`` of SELECTORS; :func:`prune` then answers for any fraction at once.

    ``points`` (N, D) are the descriptors with columns of unit norm; ``bins`` (N,) are those of ``meagraph``, as
    :func:`meagraph.pruning.bins.fine_bins` makes them (by default the clusters themselves); ``groups`` (N,) is the
    group of each environment, which ``stratified`` needs (MEAGraphError without). Of the environments that are
    ``known`` (N,) already none is chosen; the order of the others goes on from them.
    """
    known = known if known is not None and known.any() else None
    if groups is None:
        if selector == "stratified":
            raise MEAGraphError(
                "The selector 'stratified' expects the group of each environment, but none came. "
                "Give groups=dataset.groups[dataset.structure_of]."
            )
        groups = np.zeros(len(clusters.labels), dtype="U1")
    candidates = Candidates(points, condensed, clusters, groups, within, bins, known)
    found = SELECTORS[selector](candidates, seed, progress)
    count = clusters.n_clusters + 1 if selector == "meagraph" and bins is None else 0
    sizes = np.bincount(found.bins, minlength=count)
    return Ranking(found.rank, found.bins, sizes, within, seed, selector, found.worth, known=known)


def rank_for(
    config: PruningConfig,
    dataset: AtomicDataset,
    clusters: Clusters,
    points: Points,
    condensed: Condensed,
    *,
    bins: NDArray[np.int64] | None,
    progress: Progress = silent,
) -> Ranking:
    """The ranking that plans of ``config`` are taken from; arguments as of :func:`rank_environments`."""
    return rank_environments(
        clusters,
        points,
        condensed,
        selector=config.selector,
        within=config.within,
        bins=bins,
        groups=dataset.groups[dataset.structure_of],
        known=dataset.known_environments,
        seed=config.seed,
        progress=progress,
    )


def _protected(dataset: AtomicDataset, config: PruningConfig) -> NDArray[np.bool_]:
    """(S,) the structures that always stay: isolated atoms, and those of protected groups."""
    there = set(dataset.groups[~dataset.known].tolist())
    if unknown := [name for name in config.protected if name not in there]:
        raise MEAGraphError(
            f"Expected protected groups (--protect) among those of {dataset.name}, but there is no "
            f"{', '.join(map(repr, unknown))}; there are: {', '.join(sorted(there))}. Name one of these."
        )
    return np.asarray((dataset.isolated | np.isin(dataset.groups, config.protected)) & ~dataset.known)


def prune(
    ranking: Ranking,
    clusters: Clusters,
    dataset: AtomicDataset,
    config: PruningConfig,
    *,
    rejected: NDArray[np.bool_] | None = None,
    kept: NDArray[np.bool_] | None = None,
) -> PruningPlan:
    """Make the plan: environments by allocation over the ranking's bins, structures by the rule.

    Budgets are shares of what is new, and what is known already is neither chosen nor kept; bins begin with it.
    Protected structures are kept whole and count towards the budget. Structures with an environment in
    ``rejected`` (N,) go whole, unless they are protected. Environments in ``kept`` (N,) are chosen first, and their
    structures stay, unless rejected. The rest of the budget is shared among the environments of all other
    structures. Without ``alpha`` the shares are those that ``ranking.chosen`` names for the budget; plans of two
    budgets for which it names different ones do not nest. Raises MEAGraphError if ``ranking`` was made with another
    selector, order or seed, or for a keep fraction of a cluster or a protected group that there is not.
    """
    if not config.fits(ranking):
        raise MEAGraphError(
            f"The ranking was made with selector={ranking.selector!r}, within={ranking.within!r}, seed={ranking.seed}; "
            f"the plan asks for selector={config.selector!r}, within={config.within!r}, seed={config.seed}. "
            "Rank the environments anew."
        )
    if config.by_error and ranking.error is None:
        raise MEAGraphError(
            f"Shares by the error of {config.by_error!r} expect predictions, but none came. Give them: errors=, "
            "--predicted, --predicted-file."
        )
    if not config.by_error:
        ranking = replace(ranking, error=None)
    unknown = [label for label, _ in config.by_hand if label >= clusters.n_clusters]
    if unknown:
        raise MEAGraphError(
            f"Keep fractions by hand expect clusters from 0 to {clusters.n_clusters - 1}, got {unknown}. "
            "Take labels of this clustering."
        )
    first, atoms = dataset.offsets[:-1], dataset.sizes
    protected = _protected(dataset, config)
    barred = dataset.known.copy()
    if rejected is not None:
        barred |= np.logical_or.reduceat(rejected, first) & ~protected
    fixed = protected[dataset.structure_of]
    if kept is not None:
        fixed = fixed | (kept & ~barred[dataset.structure_of])
    new = int((~dataset.known_environments).sum())
    settled = fixed | barred[dataset.structure_of]
    stays = np.logical_or.reduceat(fixed, first)
    share = config.fraction(new, int((~dataset.known).sum()))
    choice = Choice(ranking, clusters, config, config.shares(ranking, share, structures=False), fixed, settled)

    def whole(keep: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
        count = np.add.reduceat(keep, first, dtype=np.int64)
        by_rule = {
            "any": count > 0,
            "all": count == atoms,
            "at-least": count >= np.maximum(1.0, share * atoms - 1e-9),
        }[config.rule]
        return np.asarray((by_rule & ~barred) | stays)

    counts = atoms if config.unit == "atoms" else np.ones_like(atoms)
    wanted = round(config.keep * new) if config.number is None else config.number
    if config.rule == "cover":
        target = wanted if config.unit != "structures" else round(wanted * float(atoms[~dataset.known].mean()))
        keep = choice.environments(min(target, new))
        room = wanted if config.unit == "structures" or config.number is not None else max(wanted, int(fixed.sum()))
        shares = config.shares(ranking, share, structures=True)
        if shares.chance and config.until_covered is None and not config.by_error:
            structures = draw(atoms, stays=stays, barred=barred, room=room, limit=config.unit, seed=config.seed)
        else:
            structures = cover(
                ranking,
                dataset.offsets,
                stays=stays,
                barred=barred,
                target=target,
                room=room,
                shares=shares,
                until_covered=config.until_covered,
                limit=config.unit,
                fewest=config.fewest,
            )
    elif config.unit == "environments":
        keep = choice.environments(wanted)
        structures = whole(keep, config.least_share if config.number is None else wanted / new)
    else:
        low, high = 0, new + 1  # the rule keeps more the more are chosen, or nearly so
        while high - low > 1:
            middle = (low + high) // 2
            found = whole(choice.environments(middle), middle / new)
            low, high = (middle, high) if counts[found].sum() <= wanted else (low, middle)
        keep = choice.environments(low)
        structures = whole(keep, low / new)
    nobody = np.zeros(clusters.n_clusters + 1, dtype=np.int64)
    chosen = ranking.chosen if config.alpha is None else None
    weighed = error_words(ranking, config.by_error) if config.by_error else ""
    plan = PruningPlan(keep, structures, protected, config, nobody, dataset, chosen, weighed=weighed)
    return plan.counted(clusters)
