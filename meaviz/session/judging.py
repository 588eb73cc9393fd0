"""Who judges, what people said, and the candidate that is looked at."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import param
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.outliers import Explanation
from meaviz.judgements.flags import adopt_flags
from meaviz.judgements.judgements import Judgements, read_judgements, refresh
from meaviz.judgements.ledger import Act, add_judgement, ledger_path, undo_judgement
from meaviz.session.data import Data

Mask = NDArray[np.bool_]


class Judging(param.Parameterized):
    """Judgements of the dataset's environments; what is judged is on the disk at once."""

    author: str = param.String(default="", doc="Who judges; the system's name of the user at first.")
    judgements: Judgements | None = param.ClassSelector(class_=Judgements, allow_None=True)
    flags: Mask | None = param.Array(default=None, doc="(N,) bool: environments judged outliers by hand.")
    ordinary: Mask | None = param.Array(default=None, doc="(N,) bool: environments judged ordinary by hand.")
    candidate: int = param.Integer(default=-1, doc="Row of the outlier candidate that is judged next, -1 for none.")
    explanation: Explanation | None = param.ClassSelector(
        class_=Explanation, allow_None=True, doc="Why the candidate stands out."
    )

    def __init__(self, data: Data, *, author: str | None = None, home: Path | None = None) -> None:
        super().__init__(author=_user() if author is None else author)
        self._home = home
        self._data = data
        self._judged: list[Act] = []  # in this session, and not taken back
        self._undone: list[Act] = []  # taken back since the last judgement

    def start(self, judgements: Judgements) -> None:
        """Take what was judged earlier of a new map; judgements of this session can no longer be undone."""
        self._judged.clear()
        self._undone.clear()
        self.param.update(judgements=judgements, flags=judgements.outlier, ordinary=judgements.ordinary)

    def clear_all(self) -> None:
        """There is no map any more."""
        self.param.update(judgements=None, flags=None, ordinary=None, candidate=-1, explanation=None)

    def remembered(self, dataset: AtomicDataset) -> Judgements:
        """What was judged earlier of ``dataset``. Raises MEAGraphError where that cannot be read."""
        if self._home is None:
            adopt_flags(ledger_path(), self.author)
        return read_judgements(dataset, ledger_path(self._home))

    def judge(self, rows: NDArray[Any], verdict: str, reason: str = "", note: str = "") -> int:
        """Store the author's verdict on environments, a mask (N,) or their rows; return how many.

        ``verdict`` is one of :data:`meaviz.judgements.ledger.VERDICTS`. Once this returns it is safe on the disk;
        MEAGraphError says why it is not.
        """
        dataset = self._data.dataset
        if self.judgements is None or dataset is None:
            raise MEAGraphError("There is nothing to judge yet. Compute the map first.")
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        if len(rows) == 0:
            return 0
        self._undone.clear()
        self._add(dataset, rows, verdict, reason, note)
        return len(rows)

    def _add(self, dataset: AtomicDataset, rows: NDArray[np.int64], verdict: str, reason: str, note: str) -> None:
        act = add_judgement(
            ledger_path(self._home),
            dataset.structure_keys,
            dataset.structure_of[rows],
            dataset.atom_of[rows],
            verdict=verdict,
            author=self.author,
            reason=reason,
            note=note,
        )
        self._judged.append(act)
        self.refresh()

    @property
    def judged(self) -> tuple[Act, ...]:
        """The judgements made in this session that were not taken back, the last of which :meth:`undo` takes back."""
        return tuple(self._judged)

    @property
    def undone(self) -> tuple[Act, ...]:
        """The judgements taken back since the last one, the last of which :meth:`redo` makes once more."""
        return tuple(self._undone)

    def resume(self, judged: Sequence[Act], undone: Sequence[Act], candidate: int) -> None:
        """Go on from what was ``judged`` and ``undone`` in a session before, as far as the ledger still knows of it."""
        acts = {} if self.judgements is None else {act.uid: act for act in self.judgements.acts.values()}
        back = {act.undoes for act in acts.values()}
        known = [act for act in judged if act.uid in acts]
        self._judged = [act for act in known if act.uid not in back]
        self._undone = [act for act in undone if act.uid in back]
        self._undone += [act for act in reversed(known) if act.uid in back]  # just before that session ended
        self.candidate = candidate if self.flags is not None and candidate < len(self.flags) else -1

    @property
    def last(self) -> Act | None:
        """What :meth:`undo` would take back."""
        return self._judged[-1] if self._judged else None

    def undo(self) -> Act | None:
        """Take back the last judgement made in this session that was not taken back; return it, or None."""
        act = self.last
        if act is None:
            return None
        undo_judgement(ledger_path(self._home), act.uid, author=act.author)
        self._undone.append(self._judged.pop())
        self.refresh()
        return act

    def redo(self) -> Act | None:
        """Judge once more what :meth:`undo` took back last; return that, or None where there is nothing."""
        dataset, known = self._data.dataset, self.judgements
        if not self._undone or dataset is None or known is None:
            return None
        act = self._undone.pop()
        number = next((number for number, one in known.acts.items() if one.uid == act.uid), -1)
        self._add(dataset, known.row[known.act == number], act.verdict, act.reason, act.note)
        return act

    def refresh(self) -> None:
        """Read what others have judged meanwhile."""
        if self.judgements is None:
            return
        judgements = refresh(self.judgements, ledger_path(self._home))
        if judgements is self.judgements:
            return
        changed: dict[str, Any] = {"judgements": judgements}
        for name, mask in (("flags", judgements.outlier), ("ordinary", judgements.ordinary)):
            if not np.array_equal(mask, getattr(self, name)):
                changed[name] = mask
        self.param.update(**changed)

    def verdicts(self, row: int) -> str:
        """Who says what of environment ``row``, the newest word first."""
        said = {} if self.judgements is None else self.judgements.newest_by_author(row)
        return ", ".join(f"{act.verdict} ({author})" for author, act in said.items()) or "not yet"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without a user of this number
        return "unknown"
