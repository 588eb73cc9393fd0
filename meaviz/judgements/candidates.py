"""What waits to be judged: the candidates in their order, one by one or a structure or family at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.outliers import Family, Outliers, places

WHICH = ("open", "judged", "all")


@dataclass(frozen=True, eq=False)
class Candidates:
    """I items, the most suspicious first; each stands for one or several of C candidates."""

    leads: NDArray[np.int64]  # (I,) the candidate of each item with the highest score
    rows: NDArray[np.int64]  # (C,) all candidates
    item: NDArray[np.int64]  # (C,) item that each belongs to
    families: Mapping[int, Family] = field(default_factory=dict)  # by lead, of the items that are off together

    def members(self, lead: int) -> NDArray[np.int64]:
        """The candidates that the item of ``lead`` stands for; none if there is no such item."""
        return self.rows[self.item == self.place(lead)] if lead in self.leads else np.empty(0, dtype=np.int64)

    def place(self, lead: int) -> int:
        """Where the item of ``lead`` stands, from 0; -1 for none."""
        found = np.flatnonzero(self.leads == lead)
        return int(found[0]) if len(found) else -1

    def done(self, judged: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether all candidates of each item (I,) are ``judged`` (N,)."""
        return np.bincount(self.item[~judged[self.rows]], minlength=len(self.leads)) == 0

    def page_of(self, lead: int, shown: NDArray[np.int64], size: int) -> int | None:
        """On which page of ``size`` items, from 0, that of ``lead`` or the next one stands; None beyond the last."""
        at = int(np.searchsorted(shown, self.place(lead)))
        return at // size if at < len(shown) else None

    def shown(self, judged: NDArray[np.bool_], which: str) -> NDArray[np.int64]:
        """Places of the items that are ``which`` of WHICH, ascending."""
        done = self.done(judged)
        return np.flatnonzero({"open": ~done, "judged": done, "all": np.ones_like(done)}[which])


def find_candidates(
    outliers: Outliers, dataset: AtomicDataset, *, by_structure: bool = True, signal: str = ""
) -> Candidates:
    """The candidates, those of a structure, and of what is off together, as one if ``by_structure``.

    Of a ``signal``, those that it suspects.
    """
    rows = outliers.candidates
    for one in outliers.signals:
        if one.name == signal:
            rows = outliers.suspected(one)
    if not by_structure:
        return Candidates(rows, rows, np.arange(len(rows)))
    _, first, item = np.unique(places(outliers, dataset)[rows], return_index=True, return_inverse=True)
    leads = rows[first]
    of_leads = {int(lead): outliers.family_of(int(lead)) for lead in (leads if outliers.off_together else ())}
    return Candidates(leads, rows, item, {lead: family for lead, family in of_leads.items() if family is not None})


def telling_signals(outliers: Outliers) -> list[str]:
    """Names of the signals that suspect a candidate."""
    return [one.name for one in outliers.signals if len(outliers.suspected(one))]


def next_place(shown: NDArray[np.int64], place: int, step: int) -> int:
    """The place in ``shown`` (ascending) after ``place``, or before it for step -1; it need not be shown itself.

    The ends meet. -1 where nothing is shown.
    """
    if len(shown) == 0:
        return -1
    after = int(np.searchsorted(shown, place, side="right" if step > 0 else "left"))
    return int(shown[after % len(shown)] if step > 0 else shown[after - 1])
