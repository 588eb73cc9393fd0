"""How much to keep, and how to choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meagraph.errors import MEAGraphError
from meagraph.latent.clustering import NOISE
from meagraph.pruning.ranking import WITHIN, Ranking
from meagraph.pruning.selectors import SELECTORS
from meagraph.pruning.shares import USUAL, Shares, by_alpha

RULES = ("cover", "at-least", "any", "all")
UNITS = ("environments", "structures", "atoms")


@dataclass(frozen=True)
class PruningConfig:
    """How much to keep, and how to choose.

    Budget: ``keep`` is the fraction of all environments to choose. ``number``, where given, counts instead: so many
    environments chosen, or, by ``unit``, at most so many structures kept, or structures with at most so many atoms.

    Choice: ``selector`` says which environments come first. With ``meagraph``, the share of a bin, a part of a cluster,
    grows with its environments and its variety, the sum of the statistical leverage of its representatives: like
    (environments x variety)^(``alpha``/2), and the target of a bin that structures are to cover like variety^``alpha``.
    Without ``alpha`` both exponents are what the dataset itself asks for, which
    :func:`meagraph.evaluation.trial.choose_shares` finds out, and USUAL where nobody has looked. With ``kmeans`` the
    share grows like size^``alpha`` (0: the same from each). ``within`` names the order inside the
    bins of ``meagraph``; the other selectors have one order for all. ``fractions`` are keep fractions of clusters set
    by hand, by label (-1: those in none); the other clusters share what is left of the budget.

    With ``by_error`` the share of each bin is also multiplied by the error of the predictions of this name there (see
    :func:`meagraph.pruning.by_error.with_error`), which the ranking must know.

    Structures: one stays if ``any`` or ``all`` of its environments are chosen, or ``at-least`` so many percent of them
    (``at_least``; None: as many as the keep fraction, so that structures which hold more than the average stay).
    ``cover`` takes, one by one, the structure that adds most to the bins still lacking, for each atom it costs
    (``fewest`` "atoms") or each structure ("structures"), until the structures hold as many environments as the budget,
    or, where ``until_covered`` is given, until so many percent of the bins' targets are reached (see
    :mod:`meagraph.pruning.covering`). Structures of ``protected`` groups always stay, and so do isolated atoms.
    """

    keep: float = 0.2
    alpha: float | None = None
    within: str = "mixed"
    rule: str = "cover"
    at_least: float | None = None  # per cent, of the rule of this name
    until_covered: float | None = None  # per cent, of the rule "cover"
    protected: tuple[str, ...] = ()  # groups
    seed: int = 0
    selector: str = "meagraph"
    number: int | None = None
    unit: str = "environments"
    fractions: Mapping[int, float] | tuple[tuple[int, float], ...] = ()
    fewest: str = "atoms"
    by_error: str = ""  # whose error the shares grow with, too: the name of predictions

    def __post_init__(self) -> None:
        pairs = self.fractions.items() if isinstance(self.fractions, Mapping) else self.fractions
        object.__setattr__(self, "fractions", tuple(sorted((int(label), float(part)) for label, part in pairs)))
        if not 0.0 < self.keep <= 1.0:
            raise MEAGraphError(f"The keep fraction must be above 0 and at most 1, got {self.keep}.")
        if self.alpha is not None and not 0.0 <= self.alpha <= 1.0:
            raise MEAGraphError(f"The allocation exponent alpha must lie between 0 and 1, got {self.alpha}.")
        for value, choices, what in (
            (self.selector, SELECTORS, "selector"),
            (self.within, WITHIN, "order inside a cluster"),
            (self.rule, RULES, "rule"),
            (self.unit, UNITS, "unit of the budget"),
            (self.fewest, UNITS[1:], "cost of a cover"),
        ):
            if value not in choices:
                raise MEAGraphError(f"Unknown {what} {value!r}; choose from {', '.join(choices)}.")
        for percent, rule in ((self.at_least, "at-least"), (self.until_covered, "cover")):
            if percent is not None and self.rule != rule:
                raise MEAGraphError(
                    f"A percentage of the rule {rule!r} came with the rule {self.rule!r}. Leave it out."
                )
            if percent is not None and not 0.0 < percent <= 100.0:
                raise MEAGraphError(
                    f"The percentage of the rule {rule!r} must be above 0 and at most 100, got {percent}."
                )
        if not 0 <= self.seed < 2**32:
            raise MEAGraphError(f"The seed must lie between 0 and {2**32 - 1}, got {self.seed}.")
        if self.number is not None and self.number < 1:
            raise MEAGraphError(f"The number to keep must be at least 1, got {self.number}.")
        if self.number is None and self.unit != UNITS[0]:
            raise MEAGraphError(f"A budget of {self.unit} expects their number, but none came. Give number=.")
        labels = [label for label, _ in self.by_hand]
        if len(set(labels)) < len(labels) or any(label < NOISE for label in labels):
            raise MEAGraphError(f"Keep fractions by hand expect each cluster once, by its label, got {labels}.")
        if not all(0.0 <= part <= 1.0 for _, part in self.by_hand):
            raise MEAGraphError(f"Keep fractions by hand must lie between 0 and 1, got {dict(self.by_hand)}.")

    @property
    def by_hand(self) -> tuple[tuple[int, float], ...]:
        """Cluster and keep fraction of each that is set by hand."""
        return tuple(self.fractions.items()) if isinstance(self.fractions, Mapping) else self.fractions

    @property
    def least_share(self) -> float:
        """The share of kept environments from which a structure stays under the rule ``at-least``."""
        return self.keep if self.at_least is None else self.at_least / 100.0

    @property
    def budget(self) -> str:
        """How much is to be kept, in words: ``20 % of the environments``, ``500 structures``."""
        return f"{100 * self.keep:g} % of the environments" if self.number is None else f"{self.number:,} {self.unit}"

    def fraction(self, environments: int, structures: int) -> float:
        """The budget as a share of a dataset of so many ``environments`` and ``structures``."""
        if self.number is None:
            return self.keep
        return min(1.0, self.number / max(1, structures if self.unit == "structures" else environments))

    def shares(self, ranking: Ranking, keep: float, *, structures: bool) -> Shares:
        """The shares of the bins of ``ranking`` for a budget of ``keep`` of the environments, or whole structures."""
        if self.alpha is not None or ranking.chosen is None:
            return by_alpha(USUAL if self.alpha is None else self.alpha, structures=structures)
        return ranking.chosen.of(keep, structures=structures)

    def fits(self, ranking: Ranking) -> bool:
        """Whether plans of this configuration can be taken from ``ranking``."""
        return (self.selector, self.within, self.seed) == (ranking.selector, ranking.within, ranking.seed)
