"""Tables of environments and of structures, sorted and paged here, so that a million rows cost the browser nothing."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from meagraph.inspection.listing import LARGEST, Level, Listing
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session, another_level, cluster_name
from meaviz.style.page import FACTS_CSS, FILL, SEGMENT, table_look
from meaviz.style.text import TextPane, markup
from meaviz.views.shared.remembered import remember

PAGE = 50  # rows
LIVE = ("kept", "flag")  # change too often to sort by them
ENVIRONMENTS = ("environment", "structure", "atom", "element", "group", "cluster", "energy", "force", "score", *LIVE)
STRUCTURES = ("structure", "file", "frame", "group", "formula", "n_atoms", "energy", "fmax", "net_force", "volume")
COLUMNS: dict[Level, tuple[str, ...]] = {"environment": ENVIRONMENTS, "structure": STRUCTURES}
WHOLE = {"environment", "structure", "atom", "frame", "n_atoms"}  # shown without digits
EMPTY = markup('<p class="empty">No table yet: open a dataset first.</p>')


class TableView(pn.viewable.Viewer):
    """A page of rows; ticking a row selects it everywhere, a click inspects it."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._tables: dict[str, Listing] = {}  # by level
        self._rows: list[int] = []  # environments or structures on the page
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
        self.grid = pn.widgets.Tabulator(
            pd.DataFrame(),
            show_index=False,
            disabled=True,
            selectable="checkbox",
            layout="fit_data_stretch",
            header_align="left",
            sizing_mode="stretch_both",
            min_height=110,
            configuration={"headerSort": False},
            **table_look(session.appearance.dark),
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
        self._holder = pn.Column(tools, self.grid, visible=False, **FILL)
        self._layout = pn.Column(self._empty, self._holder, **FILL)
        self._level.param.watch(held(self._offer), "value")
        for widget in (self._sort, self._falling, self._only):
            widget.param.watch(self._first_page, "value")
        self._pages.param.watch(self._fill, "value")
        self.grid.on_click(self._inspect)
        self.grid.param.watch(self._tick, "selection")
        session.data.param.watch(held(self._start), ["dataset", "sight"])
        session.selection.param.watch(self._follow, ["mask", "shown"])
        session.planning.param.watch(self._fill, "plan")
        session.judging.param.watch(self._fill, "flags")
        session.appearance.param.watch(self._restyle, "dark")
        self._start()
        remember(
            session,
            table_level=self._level,
            table_sort=self._sort,
            table_falling=self._falling,
            table_only=self._only,
        )

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    @property
    def _content(self) -> Listing | None:
        """All rows of the level that is shown, None without a map."""
        return self._tables.get(self._level.value)

    @property
    def _scored(self) -> bool:
        """Outlier scores are known."""
        sight = self.session.data.sight
        return sight is not None and sight.outliers is not None

    @property
    def _columns(self) -> list[str]:
        """Those of the level that are known: before there is a map, of structures and labels."""
        known = self.session.data.properties
        return [] if known is None else [name for name in COLUMNS[self._level.value] if name in known]

    def _start(self, *events: Any) -> None:
        data = self.session.data
        there = data.dataset is not None and data.properties is not None
        self._tables, self._rows = {}, []
        if data.dataset is not None and data.properties is not None:
            outliers = None if data.sight is None else data.sight.outliers
            self._tables = {level: Listing(level, data.dataset, data.properties, outliers) for level in COLUMNS}
        self._empty.visible, self._holder.visible = not there, there
        self._restyle()
        if there and another_level(*events):
            self._fill()
        elif there:
            self._offer()

    def _restyle(self, *events: object) -> None:
        self.grid.css_classes = table_look(self.session.appearance.dark)["css_classes"]

    def _offer(self, *events: object) -> None:
        """Columns to sort by at this level."""
        known = self.session.data.properties
        if self._content is None or known is None:
            return
        options = {known.title_of(name): name for name in self._columns if name not in LIVE}
        if self._level.value == "structure" and self._scored:
            options["Largest outlier score"] = LARGEST
        value = "score" if self._level.value == "environment" else LARGEST
        if value not in options.values():
            value = "force" if self._level.value == "environment" else "fmax"
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

    def _chosen(self) -> NDArray[Any] | None:
        """Rows (R,) that are selected: of a structure all that is shown."""
        mask = self.session.selection.mask
        return None if self._content is None or mask is None else self._content.holding(mask)

    def _fill(self, *events: object) -> None:
        content, chosen, shown = self._content, self._chosen(), self.session.selection.shown
        if content is None or self._sort.value is None:
            return
        among = None if shown is None else content.holding(shown)
        if self._only.value and chosen is not None:
            among = chosen if among is None else among & chosen
        self._rows, count = content.page(
            self._sort.value, self._pages.value, PAGE, falling=self._falling.value, among=among
        )
        pages = max(1, -(-count // PAGE))
        self._filling = True
        self._pages.param.update(count=pages, value=min(self._pages.value, pages - 1))
        self.grid.param.update(value=self._frame(content), selection=[])
        self._filling = False
        self._count.object = f"{count:,} rows"
        self._show_ticks()

    def _frame(self, content: Listing) -> pd.DataFrame:
        """What stands on the page."""
        known = self.session.data.properties
        assert known is not None
        columns: dict[str, list[str]] = {}
        for name in self._columns:
            found = known[name]
            values = content.column(name)[self._rows].tolist()
            if name == "cluster":
                columns[found.label] = [cluster_name(label) for label in values]
            elif found.kind == "category":
                columns[found.label] = [found.names[code] if code >= 0 else "–" for code in values]
            elif name in WHOLE:
                columns[found.label] = [f"{int(value):,}" for value in values]
            else:
                columns[found.label] = [f"{value:.4g}" if math.isfinite(value) else "–" for value in values]
        if self._level.value == "structure" and self._scored:
            columns["Largest outlier score"] = [f"{value:.2f}" for value in content.column(LARGEST)[self._rows]]
        return pd.DataFrame(columns)

    # ---- what the user does

    def _ticks(self) -> list[int]:
        """Places on the page of what is selected."""
        chosen = self._chosen()
        return [] if chosen is None else [place for place, row in enumerate(self._rows) if chosen[row]]

    def _show_ticks(self) -> None:
        if self.session.selection.mask is None or not self._rows:
            return
        ticks = self._ticks()
        if ticks != sorted(self.grid.selection):
            self._filling = True
            self.grid.selection = ticks
            self._filling = False

    def _tick(self, event: Any) -> None:
        """Ticks were set or taken away in the browser."""
        content = self._content
        if self._filling or content is None:
            return
        was, now = set(self._ticks()), set(event.new)
        for changed, mode in ((now - was, "add"), (was - now, "remove")):
            if changed:
                rows = [self._rows[place] for place in sorted(changed)]
                self.session.selection.select(content.environments(rows), mode)

    def _inspect(self, event: Any) -> None:
        content = self._content
        if content is None or event.row is None or event.column == "_selection":
            return
        if 0 <= event.row < len(self._rows):
            self.session.selection.inspected = content.first(self._rows[event.row])
