"""Tables of environments and of structures, sorted and paged here, so that a million rows cost the browser nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session, cluster_name
from meaviz.style.page import FACTS_CSS, FILL, SEGMENT, table_look
from meaviz.style.text import TextPane, markup

PAGE = 50  # rows
ENVIRONMENTS = (
    "environment",
    "structure",
    "atom",
    "element",
    "group",
    "cluster",
    "energy",
    "force",
    "score",
    "kept",
    "flag",
)
STRUCTURES = ("structure", "file", "frame", "group", "formula", "n_atoms", "energy", "fmax", "net_force", "volume")
LARGEST = "largest_score"  # of a structure
WHOLE = {"environment", "structure", "atom", "frame", "n_atoms"}  # shown without digits
EMPTY = markup('<p class="empty">No table yet: compute the map first.</p>')


class TableView(pn.viewable.Viewer):
    """A page of rows; ticking a row selects it everywhere, a click inspects it."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._orders: dict[tuple[str, str], NDArray[np.int64]] = {}
        self._rows = np.zeros(0, dtype=np.int64)  # environments or structures on the page
        self._filling = False
        self._level = pmui.RadioButtonGroup(
            options={"Environments": "environment", "Structures": "structure"},
            value="environment",
            size="small",
            sx=SEGMENT,
            margin=(8, 8, 0, 12),
        )
        field: dict[str, Any] = {"size": "small", "margin": (6, 8, 0, 0)}
        self._sort = pmui.Select(label="Sort by", options={}, value=None, width=190, **field)
        self._falling = pmui.Switch(label="Largest first", value=True, **{**field, "margin": (10, 8, 0, 0)})
        self._only = pmui.Switch(label="Selected only", value=False, **{**field, "margin": (10, 8, 0, 0)})
        self._pages = pmui.Pagination(count=1, value=0, size="small", margin=(10, 8, 0, 0))
        self._count = TextPane("", margin=(12, 8, 0, 12), stylesheets=[FACTS_CSS])
        self._table = pn.widgets.Tabulator(
            pd.DataFrame(),
            show_index=False,
            disabled=True,
            selectable="checkbox",
            layout="fit_data_stretch",
            header_align="left",
            sizing_mode="stretch_both",
            min_height=110,
            configuration={"headerSort": False},
            **table_look(session.dark),
        )
        self._empty = TextPane(EMPTY, margin=(0, 12), stylesheets=[FACTS_CSS])
        tools = pn.FlexBox(
            self._level,
            self._sort,
            self._falling,
            self._only,
            self._pages,
            self._count,
            align_items="center",
            sizing_mode="stretch_width",
            margin=0,
        )
        self._holder = pn.Column(tools, self._table, visible=False, **FILL)
        self._layout = pn.Column(self._empty, self._holder, **FILL)
        self._level.param.watch(held(self._offer), "value")
        for widget in (self._sort, self._falling, self._only):
            widget.param.watch(self._first_page, "value")
        self._pages.param.watch(self._fill, "value")
        self._table.on_click(self._inspect)
        self._table.param.watch(self._tick, "selection")
        session.param.watch(held(self._start), "survey")
        session.param.watch(self._follow, ["selection", "shown"])
        session.param.watch(self._fill, ["plan", "flags"])
        session.param.watch(self._restyle, "dark")
        self._start()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _start(self, *events: object) -> None:
        self._orders = {}
        there = self.session.survey is not None
        self._empty.visible, self._holder.visible = not there, there
        self._restyle()
        if there:
            self._offer()

    def _restyle(self, *events: object) -> None:
        self._table.css_classes = table_look(self.session.dark)["css_classes"]

    def _offer(self, *events: object) -> None:
        """Columns to sort by at this level."""
        known = self.session.properties
        if self.session.survey is None or known is None:
            return
        names = ENVIRONMENTS if self._level.value == "environment" else STRUCTURES
        options = {known.title_of(name): name for name in names if name not in ("kept", "flag")}
        if self._level.value == "structure":
            options["Largest outlier score"] = LARGEST
        value = "score" if self._level.value == "environment" else LARGEST
        self._filling = True
        self._sort.param.update(options=options, value=value)
        self._filling = False
        self._first_page()

    def _first_page(self, *events: object) -> None:
        if self._filling:
            return
        if self._pages.value:
            self._pages.value = 0
        else:
            self._fill()

    def _follow(self, *events: object) -> None:
        if self._only.value or any(getattr(event, "name", "") == "shown" for event in events):
            self._first_page()
        else:
            self._show_ticks()

    # ---- content

    def _column(self, name: str) -> NDArray[Any]:
        """The values of all rows at the level of the table: (N,) or (S,)."""
        session = self.session
        if name == LARGEST:
            return np.maximum.reduceat(session.survey.outliers.score, session.dataset.offsets[:-1])
        values = session.properties[name].values
        return values if self._level.value == "environment" else values[session.dataset.offsets[:-1]]

    def _order(self) -> NDArray[np.int64]:
        """All rows in the order that is asked for, those without a value last."""
        level, name = self._level.value, self._sort.value
        if (level, name) not in self._orders:
            self._orders[level, name] = np.argsort(self._column(name), kind="stable")
        order = self._orders[level, name]
        if not self._falling.value:
            return order
        values = self._column(name)
        known = len(order) - int(np.isnan(values).sum()) if values.dtype.kind == "f" else len(order)
        return np.concatenate([order[:known][::-1], order[known:]])

    def _chosen(self) -> NDArray[np.bool_]:
        """Rows at the level of the table that are selected: of a structure all that is shown."""
        selection = self.session.selection
        if self._level.value == "environment":
            return np.asarray(selection)
        return np.logical_or.reduceat(selection, self.session.dataset.offsets[:-1])

    def _fill(self, *events: object) -> None:
        session = self.session
        if session.survey is None or session.selection is None or self._sort.value is None:
            return
        order, mask = self._order(), None
        if session.shown is not None:
            by_structure = self._level.value == "structure"
            mask = (
                np.logical_or.reduceat(session.shown, session.dataset.offsets[:-1]) if by_structure else session.shown
            )
        if self._only.value:
            mask = self._chosen() if mask is None else mask & self._chosen()
        if mask is not None:
            order = order[mask[order]]
        pages = max(1, -(-len(order) // PAGE))
        page = min(self._pages.value, pages - 1)
        self._rows = order[page * PAGE : (page + 1) * PAGE]
        self._filling = True
        self._pages.param.update(count=pages, value=page)
        self._table.param.update(value=self._frame(self._rows), selection=[])
        self._filling = False
        self._count.object = f"{len(order):,} rows"
        self._show_ticks()

    def _frame(self, rows: NDArray[np.int64]) -> pd.DataFrame:
        """What stands on the page."""
        session, known = self.session, self.session.properties
        first = rows if self._level.value == "environment" else session.dataset.offsets[rows]
        columns: dict[str, Any] = {}
        for name in ENVIRONMENTS if self._level.value == "environment" else STRUCTURES:
            found = known[name]
            values = found.values[first]
            if name == "cluster":
                columns[found.label] = [cluster_name(int(label)) for label in values]
            elif found.kind == "category":
                columns[found.label] = [found.names[code] if code >= 0 else "–" for code in values]
            elif name in WHOLE:
                columns[found.label] = [f"{int(value):,}" for value in values]
            else:
                columns[found.label] = [f"{value:.4g}" if np.isfinite(value) else "–" for value in values]
        if self._level.value == "structure":
            columns["Largest outlier score"] = [f"{value:.2f}" for value in self._column(LARGEST)[rows]]
        return pd.DataFrame(columns)

    # ---- what the user does

    def _show_ticks(self) -> None:
        if self.session.selection is None or not len(self._rows):
            return
        ticks = np.flatnonzero(self._chosen()[self._rows]).tolist()
        if ticks != sorted(self._table.selection):
            self._filling = True
            self._table.selection = ticks
            self._filling = False

    def _tick(self, event: Any) -> None:
        """Ticks were set or taken away in the browser."""
        if self._filling or self.session.selection is None:
            return
        was = set(np.flatnonzero(self._chosen()[self._rows]).tolist())
        now = set(event.new)
        for changed, mode in ((now - was, "add"), (was - now, "remove")):
            if changed:
                self.session.select(self._environments(self._rows[sorted(changed)]), mode)

    def _environments(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The environments (N,) of rows of the table."""
        mask = np.zeros(self.session.dataset.n_environments, dtype=bool)
        if self._level.value == "environment":
            mask[rows] = True
        else:
            mask |= np.isin(self.session.dataset.structure_of, rows)
        return mask

    def _inspect(self, event: Any) -> None:
        if event.row is not None and 0 <= event.row < len(self._rows) and event.column != "_selection":
            row = int(self._rows[event.row])
            self.session.inspected = (
                row if self._level.value == "environment" else int(self.session.dataset.offsets[row])
            )
