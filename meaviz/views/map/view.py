"""The map of environments: colour, brush, search, flag, click."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.inspection.properties import NAME
from meaviz.components.map import layers as map_layers
from meaviz.components.map.environment_map import EnvironmentMap
from meaviz.components.map.labels import label_texts
from meaviz.components.map.picture import MapPicture, draw
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.appearance import DENSITY, PLACES, QUICK
from meaviz.session.data import STEPS
from meaviz.style.page import FLOATING_CSS
from meaviz.style.palette import Colouring, theme
from meaviz.style.text import TextPane, caption
from meaviz.views.map.rows import FilterRow, KeptRow, ViewRow
from meaviz.views.map.tools import SelectionTools
from meaviz.views.shared.buttons import small_button, toggle
from meaviz.views.shared.colours import choices, colour

QUICK_NOTE = "Quick map: principal components; the learned map follows"
EMPTY = "The map appears here once the steps on the left have run."
FAILED = "There is no map yet: {}"
CHANGING = ("difference", "novelty", "force_error", "energy_error", "stress_error")  # under their names
FIELD: dict[str, Any] = {"size": "small", "margin": (6, 4, 0, 0)}


class MapView(pn.viewable.Viewer):
    """The map and what is done with the selection."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, selection = session, session.selection
        self.map = EnvironmentMap(on_select=selection.select, on_tap=self._tap, hover=self._hover)
        self.tools = SelectionTools(session, self.map, self.zoom)
        self._drawn: object = None  # the places that are on the map
        self._sizes: NDArray[Any] | None = None
        self._colour = pmui.Select(
            label="Colour by",
            groups={"Often used": {"Cluster": "cluster"}},  # all others come with the map
            value="cluster",
            searchable=True,
            filter_on_search=False,
            disabled=True,
            width=150,
            **FIELD,
        )
        self._search = pmui.TextInput(
            label="Search",
            placeholder='12 · liquid · Nb · fmax > 5 and group == "liquid"',
            min_width=90,
            sizing_mode="stretch_width",
            **FIELD,
            description="Enter selects a structure by number, a group, an element, a file, or what meets a condition",
        )
        above: dict[str, Any] = {"margin": (10, 2, 0, 0)}
        self._only = small_button(
            "Show only", self._show_only, description="Show only what the search finds", disabled=True, **above
        )
        rows = {
            "View": ViewRow(session, self.picture),
            "Filter": FilterRow(session),
            "Kept": KeptRow(session, lambda: self.tools.mode),
        }
        toggles = {row: toggle(title, **above) for title, row in rows.items()}

        def unfold(event: Any) -> None:
            """One row at a time: the map needs the room."""
            for row, switch in toggles.items():
                if event.new and switch is not event.obj:
                    switch.value = False
                row.open = switch.value

        for switch in toggles.values():
            switch.param.watch(unfold, "value")
        first = pn.Row(
            self._colour,
            self._search,
            self._only,
            *toggles.values(),
            align="center",
            sizing_mode="stretch_width",
            margin=(4, 8, 0, 8),
        )
        self._problem = TextPane("", visible=False, margin=(0, 12), css_classes=["search-problem"])
        self._note = caption(visible=False, margin=(0, 12), css_classes=["quick-map"])
        above_map = pn.Column(
            first,
            self.tools,
            *rows.values(),
            self._problem,
            self._note,
            css_classes=["map-tools"],
            sizing_mode="stretch_width",
            margin=0,
        )
        self._layout = pn.Column(above_map, self.map, sizing_mode="stretch_both", margin=0, stylesheets=[FLOATING_CSS])
        self._colour.param.watch(self._choose_colour, "value")
        self._search.param.watch(lambda event: self._find(), "enter_pressed")
        session.data.param.watch(held(self._show_sight), "sight")
        session.appearance.param.watch(held(self._show_axes), "axes")
        session.data.param.watch(self._offer_colours, "properties")
        session.appearance.param.watch(held(self._recolour), "colour_by")
        session.appearance.param.watch(held(self._resize), "size_by")
        selection.param.watch(held(self._show_filters), "shown")
        selection.param.watch(held(self._show_selection), "mask")
        session.judging.param.watch(held(self._show_selection), "flags")
        selection.param.watch(held(self._mark), "inspected")
        session.planning.param.watch(held(self._show_plan), "plan")
        session.appearance.param.watch(held(self._show_plan), "show_pruned")
        session.appearance.param.watch(held(lambda event: setattr(self.map, "dark", event.new)), "dark")
        session.appearance.param.watch(held(self._name), "labels")
        session.appearance.param.watch(held(self._float), "whole")
        session.activity.param.watch(self._show_activity, ["running", "progress", "problem"])
        self._show_sight()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def type_search(self) -> None:
        """Put the cursor into the search field."""
        self._search.focus()

    def zoom(self) -> None:
        """Zoom to the selection, to everything where nothing is selected."""
        selection = self.session.selection
        self.map.zoom_to(selection.mask if selection.any else None)

    def picture(self, format: str) -> io.BytesIO:
        """The map as it is shown, as a PNG or SVG file. Raises MEAGraphError where there is none."""
        session, view = self.session, self.map.view
        if view is None or session.data.sight is None:
            raise MEAGraphError("There is no map to save yet.")
        xy, labels, ticks = self._places()
        shown = MapPicture(
            xy=xy,
            shown=session.selection.shown,
            colouring=None if session.appearance.colour_by == DENSITY else self.colours(),
            level=map_layers.levels(len(xy), session.selection.mask, self._pruned()),
            sizes=self._sizes,
            view=view,
            labels=labels,
            ticks=ticks,
            names=self.map.labels,
        )
        return io.BytesIO(draw(shown, "svg" if format == "svg" else "png", theme(session.appearance.dark)))

    def colours(self) -> Colouring | None:
        """The colours on the map; None while it is empty."""
        return None if self.session.data.sight is None else colour(self.session, self.session.appearance.colour_by)

    # ---- what is drawn

    def _places(self) -> tuple[NDArray[Any], tuple[str, str], bool]:
        """Coordinates (N, 2), names of the axes, and whether the coordinates mean something."""
        known, (x, y) = self.session.data.properties, self.session.appearance.axes
        assert known is not None
        mean_nothing = (x, y) in (PLACES, QUICK)
        return known.plane(x, y), (known.title_of(x), known.title_of(y)), not mean_nothing

    def _pruned(self) -> NDArray[Any] | None:
        """What is drawn faintly (N,), None for nothing."""
        plan = self.session.planning.plan
        if plan is None or not self.session.appearance.show_pruned:
            return None
        return ~plan.keep if plan.dataset is None else ~(plan.keep | plan.dataset.known_environments)

    def _show_sight(self, *events: object) -> None:
        """Another map, none, or more that is known of the points on it."""
        sight = self.session.data.sight
        self._only.disabled = sight is None
        self._note.object = QUICK_NOTE if sight is not None and sight.quick else ""
        self._note.visible = bool(self._note.object)
        if sight is None:
            self._show_activity()
            return
        self._offer_colours()
        if self._drawn is sight.projection and self.map.view is not None:
            self._recolour()
            self._resize()
            self._name()
            self._show_plan()
        else:
            self._drawn = sight.projection
            self._show_axes()

    def _offer_colours(self, *events: object) -> None:
        if self.session.data.sight is not None:
            self._colour.groups = {title: dict(pairs) for title, pairs in choices(self.session).items()}
            self._colour.param.update(value=self.session.appearance.colour_by, disabled=False)
            if events and self.session.appearance.colour_by in CHANGING:  # maybe others by now
                self._recolour()

    def _show_axes(self, *events: object) -> None:
        if not self._ready:
            return
        xy, labels, ticks = self._places()
        try:
            self.map.set_points(xy, labels=labels, ticks=ticks)
        except ValueError:
            self.map.clear(f"No environment has both {labels[0]} and {labels[1]}. Choose other axes under View.")
            return
        self._recolour()
        self._resize()
        self._name()
        self._show_filters()
        self._show_plan()
        self._show_selection()
        self._mark()

    @property
    def _ready(self) -> bool:
        """The points of the session's map are drawn, or about to be."""
        sight = self.session.data.sight
        return sight is not None and self._drawn is sight.projection

    @property
    def _drawable(self) -> bool:
        return self._ready and self.map.view is not None

    def _recolour(self, *events: object) -> None:
        if not self._drawable:
            return
        self._colour.value = name = self.session.appearance.colour_by
        if name == DENSITY:
            self.map.set_density()
        else:
            self.map.set_colouring(colour(self.session, name))

    def _name(self, *events: object) -> None:
        """Write the clusters' names on the map, where they are known and wanted."""
        sight = self.session.data.sight
        if not self._drawable or sight is None:
            return
        if sight.clusters is None or not self.session.appearance.labels:
            self.map.set_labels(None)
        else:
            known = self.session.data.properties
            names = known[NAME].names if known is not None and NAME in known else ()
            self.map.set_labels(sight.clusters.labels, label_texts(sight.clusters.n_clusters, names))

    def _resize(self, *events: object) -> None:
        name, known = self.session.appearance.size_by, self.session.data.properties
        if self._drawable and known is not None and (name or self._sizes is not None):
            self._sizes = map_layers.size_classes(known[name].values) if name else None
            self.map.set_sizes(self._sizes)

    def _show_filters(self, *events: object) -> None:
        shown = self.session.selection.shown
        if self._drawable and (shown is not None or events):
            self.map.set_shown(shown)
            self.map.zoom_to(shown)

    def _show_selection(self, *events: object) -> None:
        selection = self.session.selection
        if selection.mask is None or not self._drawable:
            return
        self.map.set_selection(selection.mask if selection.any else None)
        if self.session.appearance.colour_by in ("flag", "selected"):
            self._recolour()

    def _show_plan(self, *events: object) -> None:
        if self._drawable:  # else the new map follows in a moment
            self.map.set_pruned(self._pruned())
            if self.session.appearance.colour_by == "kept":
                self._recolour()

    def _mark(self, *events: object) -> None:
        if self._drawable:
            self.map.set_marker(self.session.selection.inspected)

    def _float(self, *events: object) -> None:
        """The map in the whole window, its tools and its legend on it; or in its pane."""
        whole = self.session.appearance.whole
        self._layout.css_classes = ["whole"] if whole else []
        self.map.floating = whole

    def _show_activity(self, *events: object) -> None:
        """In place of a map that is not there yet: what is being done for it, or what went wrong."""
        activity = self.session.activity
        if self.session.data.sight is not None:
            return
        step, problem = activity.problem
        if activity.running in STEPS and activity.progress[1]:
            self.map.clear(f"{activity.words}; the map follows.")
        else:
            self.map.clear(FAILED.format(problem) if problem and step in STEPS else EMPTY)

    # ---- what the user does

    def _choose_colour(self, event: Any) -> None:
        if event.new and event.new != self.session.appearance.colour_by:
            self.session.appearance.colour_by = event.new

    def _find(self) -> None:
        self._attempt(lambda: self.session.selection.search(self._search.value_input, self.tools.mode))

    def _show_only(self) -> None:
        selection, text = self.session.selection, self._search.value_input
        self._attempt(lambda: selection.set_filters(replace(selection.filters, condition=text)))

    def _attempt(self, act: Callable[[], object]) -> None:
        """Do what the search says; what is wrong with it is written below."""
        try:
            found = act()
        except MEAGraphError as error:
            self._say(str(error))
            return
        self._say("Nothing is found." if found == 0 and type(found) is int else "")

    def _say(self, text: str) -> None:
        self._search.error_state = bool(text)
        self._problem.object = text
        self._problem.visible = bool(text)

    def _tap(self, row: int) -> None:
        self.session.selection.inspected = row

    def _hover(self, row: int) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.session.describe(row).items())
