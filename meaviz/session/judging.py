"""The part of the session that people judge with: who they are, what they said, and what counts."""

from __future__ import annotations

import getpass
from typing import Any

import numpy as np
import param
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.outliers import Explanation
from meaviz.judgements.judgements import Judgements, read_judgements, refresh
from meaviz.judgements.ledger import Act, add_judgement, adopt_flags, ledger_path, undo_judgement

FORGOTTEN: dict[str, Any] = {"judgements": None, "flags": None, "ordinary": None, "candidate": -1, "explanation": None}
"""What a session remembers of judgements while it has no map."""


class Judging(param.Parameterized):
    """Judgements of one session; the session adds the dataset, the selection and what follows from flags."""

    dataset: Any
    author = param.String(default="", doc="Who judges; the system's name of the user at first.")
    judgements = param.ClassSelector(class_=Judgements, allow_None=True)
    flags = param.Parameter(default=None, doc="(N,) bool: environments judged outliers by hand.")
    ordinary = param.Parameter(default=None, doc="(N,) bool: environments judged ordinary by hand.")
    candidate = param.Integer(default=-1, doc="Row of the outlier candidate that is judged next, -1 for none.")
    explanation = param.ClassSelector(class_=Explanation, allow_None=True, doc="Why the candidate stands out.")

    def __init__(self, **values: Any) -> None:
        values.setdefault("author", _user())
        super().__init__(**values)
        self._judged: list[Act] = []  # in this session, and not taken back

    def follow_flags(self, flags: NDArray[np.bool_]) -> dict[str, Any]:
        """Other parameters of the session that follow from ``flags`` (N,), and their new values."""
        return {}

    def judge(self, rows: NDArray[Any], verdict: str, reason: str = "", note: str = "") -> int:
        """Store the author's verdict on environments, a mask (N,) or their rows; return how many.

        ``verdict`` is one of :data:`meaviz.judgements.ledger.VERDICTS`. Once this returns it is safe on the disk;
        MEAGraphError says why it is not.
        """
        if self.judgements is None:
            raise MEAGraphError("There is nothing to judge yet. Compute the map first.")
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        if len(rows) == 0:
            return 0
        act = add_judgement(
            ledger_path(),
            self.dataset.structure_keys,
            self.dataset.structure_of[rows],
            self.dataset.atom_of[rows],
            verdict=verdict,
            author=self.author,
            reason=reason,
            note=note,
        )
        self._judged.append(act)
        self.refresh_judgements()
        return len(rows)

    @property
    def last_judgement(self) -> Act | None:
        """What :meth:`undo_judgement` would take back."""
        return self._judged[-1] if self._judged else None

    def undo_judgement(self) -> Act | None:
        """Take back the last judgement made in this session that was not taken back; return it, or None."""
        act = self.last_judgement
        if act is None:
            return None
        undo_judgement(ledger_path(), act.uid, author=act.author)
        self._judged.pop()
        self.refresh_judgements()
        return act

    def refresh_judgements(self) -> None:
        """Read what others have judged meanwhile."""
        if self.judgements is None:
            return
        judgements = refresh(self.judgements)
        if judgements is self.judgements:
            return
        changed: dict[str, Any] = {"judgements": judgements, "ordinary": judgements.ordinary}
        if not np.array_equal(judgements.outlier, self.flags):
            changed |= {"flags": judgements.outlier, **self.follow_flags(judgements.outlier)}
        self.param.update(**changed)

    def verdicts(self, row: int) -> str:
        """Who says what of environment ``row``, the newest word first."""
        said = {} if self.judgements is None else self.judgements.newest_by_author(row)
        return ", ".join(f"{act.verdict} ({author})" for author, act in said.items()) or "not yet"

    def _remembered(self, dataset: AtomicDataset) -> dict[str, Any]:
        """What was judged earlier, by parameter; judgements of this session can no longer be undone."""
        adopt_flags(ledger_path(), self.author)
        judgements = read_judgements(dataset)
        self._judged.clear()
        return {"judgements": judgements, "flags": judgements.outlier, "ordinary": judgements.ordinary}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a user of this number
        return "unknown"
