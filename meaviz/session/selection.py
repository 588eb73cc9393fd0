"""What is selected, shown, looked at: combining, undo, search, filters, names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import param
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.inspection.named import NamedSelections, unpacked
from meagraph.inspection.properties import Properties
from meagraph.latent.clustering import Clusters
from meaviz.session.data import Data
from meaviz.session.filters import Filters
from meaviz.session.history import History

Mask = NDArray[np.bool_]

STEPS = 100  # that can be undone; a million environments take 125 kB each
COMBINE: dict[str, Callable[[Mask, Mask], Mask]] = {
    "replace": lambda old, new: new,
    "add": lambda old, new: old | new,
    "remove": lambda old, new: old & ~new,
    "intersect": lambda old, new: old & new,
}


class Selection(param.Parameterized):
    """The environments that somebody works with."""

    mask: Mask | None = param.Array(default=None, doc="(N,) bool: what is selected; None before there is a map.")
    named: NamedSelections | None = param.ClassSelector(
        class_=NamedSelections, allow_None=True, doc="Selections kept under names."
    )
    filters: Filters = param.ClassSelector(class_=Filters, default=Filters(), doc="What is shown; see set_filters.")
    shown: Mask | None = param.Array(default=None, doc="(N,) bool: what passes the filters, None for all.")
    inspected: int = param.Integer(default=-1, doc="Row of the environment in the 3D view, -1 for none.")
    asked: str = param.Selector(
        default="environment", objects=["environment", "structure"], doc="What is to be shown of it, as asked last."
    )
    pinned: int = param.Integer(default=-1, doc="Row that others are compared with, -1 for none.")

    def __init__(self, data: Data) -> None:
        super().__init__()
        self._data = data
        self.history: History[bytes] = History(STEPS)  # bits of masks

    def start(self, size: int) -> None:
        """A new map of ``size`` environments: nothing is selected."""
        self.mask = np.zeros(size, dtype=bool)
        self.history.start(_bits(self.mask))

    def clear_all(self, *, same_data: bool = False) -> None:
        """There is no map any more; of the ``same_data`` what is inspected stays in sight."""
        inspected = self.inspected if same_data else -1
        self.param.update(mask=None, filters=Filters(), shown=None, inspected=inspected, pinned=-1)

    # ---- what is selected

    @property
    def any(self) -> bool:
        """Something is selected."""
        return self.mask is not None and bool(self.mask.any())

    def select(self, mask: Mask, mode: str = "replace") -> None:
        """Combine the selection with what is shown of ``mask`` (N,); ``mode`` is one of COMBINE."""
        if self.mask is not None:
            shown = mask if self.shown is None else mask & self.shown
            self._take(COMBINE[mode](self.mask, shown))

    def select_rows(self, rows: Sequence[int], mode: str = "replace") -> None:
        """The same for the environments in these ``rows``."""
        if self.mask is not None:
            mask = np.zeros_like(self.mask)
            mask[list(rows)] = True
            self.select(mask, mode)

    def clear(self) -> None:
        """Select nothing."""
        if self.mask is not None:
            self._take(np.zeros_like(self.mask))

    def invert(self) -> None:
        """Select what is shown and was not selected."""
        if self.mask is not None:
            self.select(~self.mask)

    def grow(self) -> None:
        """Select the whole clusters that the selection touches; unclustered environments stay single."""
        clusters = self._clusters
        if self.mask is not None and clusters is not None:
            touched = np.zeros(clusters.n_clusters + 1, dtype=bool)
            touched[clusters.labels[self.mask]] = True  # noise is -1, the last
            touched[-1] = False
            self.select(touched[clusters.labels], "add")

    def step_cluster(self, step: int) -> None:
        """Select the cluster after (or before) the one that the selection lies in; the first where it lies in none."""
        clusters = self._clusters
        if self.mask is None or clusters is None or not clusters.n_clusters:
            return
        touched = np.unique(clusters.labels[self.mask])
        here = int(touched[0]) if len(touched) == 1 and touched[0] >= 0 else (-1 if step > 0 else 0)
        self.select(clusters.labels == (here + step) % clusters.n_clusters)

    @property
    def _clusters(self) -> Clusters | None:
        return None if self._data.sight is None else self._data.sight.clusters

    def move_in_history(self, by: int) -> None:
        """Undo (-1) or redo (1) a step."""
        bits = self.history.move(by)
        if bits is not None and self.mask is not None:
            self.mask = unpacked(np.frombuffer(bits, dtype=np.uint8), len(self.mask))

    def search(self, text: str, mode: str = "replace") -> int:
        """Select what ``text`` finds (see :meth:`Properties.find`); return how many. Raises MEAGraphError."""
        if self._data.properties is None or self.mask is None:
            return 0
        found = self._data.properties.find(text)
        self.select(found, mode)
        return int(found.sum())

    def _take(self, mask: Mask) -> None:
        self.history.push(_bits(mask))
        self.mask = mask

    # ---- what is shown

    def set_filters(self, filters: Filters) -> None:
        """Show only what passes ``filters``; the rest leaves the selection. Raises MEAGraphError, changing nothing."""
        if self._data.properties is None or self.mask is None:
            return
        shown = filters.mask(self._data.properties)
        self.param.update(filters=filters, shown=shown)
        if shown is not None:
            self._take(self.mask & shown)

    def renew_filters(self) -> None:
        """Filter anew by properties that have changed; what is then hidden leaves the selection."""
        if self._data.properties is None or self.mask is None or self.shown is None:
            return
        shown = self.filters.mask(self._data.properties)
        if shown is not None and not np.array_equal(shown, self.shown):
            self.shown = shown
            self._take(self.mask & shown)

    def keep_filters_of(self, properties: Properties) -> None:
        """Lift the filters by what is none of these ``properties`` any more."""
        filters = self.filters
        for name in (*(one[0] for one in filters.ranges), *(one[0] for one in filters.choices)):
            if name not in properties:
                filters = filters.without(name)
        try:
            filters.mask(properties)
        except MEAGraphError:
            filters = filters.without("condition")
        if filters != self.filters:
            self.set_filters(filters)

    # ---- names

    def keep(self, name: str) -> None:
        """Keep the selection under ``name``, on disk. Raises MEAGraphError."""
        if self.named is not None and self.mask is not None:
            self.named = self.named.keep(name, self.mask)

    def recall(self, name: str, mode: str = "replace") -> None:
        """Combine the selection with the one kept under ``name``."""
        if self.named is not None:
            self.select(self.named.mask(name), mode)

    def forget(self, name: str) -> None:
        """Remove the selection kept under ``name``."""
        if self.named is not None:
            self.named = self.named.forget(name)

    # ---- what is looked at

    def inspect(self, row: int, *, whole: bool = False) -> None:
        """Show the environment in ``row``, or the ``whole`` structure around it."""
        self.param.update(inspected=row, asked="structure" if whole else "environment")

    def step_through(self, step: int) -> None:
        """Inspect the next (or previous) environment of the selection, of all where nothing is selected."""
        if self._data.dataset is None:
            return
        every = np.ones(self._data.dataset.n_environments, dtype=bool)
        rows = np.flatnonzero(self.mask if self.mask is not None and self.any else every)
        if self.inspected < 0:
            self.inspected = int(rows[0 if step > 0 else -1])
            return
        place = int(np.searchsorted(rows, self.inspected))
        if step > 0 and place < len(rows) and rows[place] == self.inspected:
            place += 1
        elif step < 0:
            place -= 1
        self.inspected = int(rows[place % len(rows)])


def _bits(mask: Mask) -> bytes:
    return np.packbits(mask).tobytes()
