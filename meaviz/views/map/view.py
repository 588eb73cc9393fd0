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
from meaviz.components.map import layers as map_layers
from meaviz.components.map.environment_map import EnvironmentMap
from meaviz.components.map.picture import MapPicture, draw
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.appearance import PLACES, QUICK
from meaviz.style.page import COUNT_CSS, SEGMENT
from meaviz.style.palette import Colouring, theme
from meaviz.style.text import TextPane, caption, join, markup
from meaviz.views.map.rows import FilterRow, KeptRow, ViewRow
from meaviz.views.shared.buttons import icon_button, small_button, toggle
from meaviz.views.shared.colours import choices, colour
from meaviz.views.shared.feedback import keep_state

QUICK_NOTE = "Quick map: principal components; the learned map follows"
EMPTY = "The map appears here once the steps on the left have run."
MODES = {"New": "replace", "Add": "add", "Remove": "remove", "Overlap": "intersect"}
FIELD: dict[str, Any] = {"size": "small", "margin": (6, 4, 0, 0)}


class MapView(pn.viewable.Viewer):
    """The map and what is done with the selection."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, selection = session, session.selection
        self.map = EnvironmentMap(on_select=selection.select, on_tap=self._tap, hover=self._hover)
        self.map.clear(EMPTY)
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
            "Kept": KeptRow(session, self.mode),
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
        self._mode = pmui.RadioButtonGroup(
            options=MODES,
            value="replace",
            size="small",
            sx=SEGMENT,
            margin=(0, 6, 0, 0),
            description="What a box, lasso, polygon or search does; keys: Shift adds, Ctrl removes, both intersect",
        )
        self._undo = icon_button("undo", "Undo the last selection", lambda: selection.move_in_history(-1))
        self._redo = icon_button("redo", "Redo the selection", lambda: selection.move_in_history(1))
        self._buttons = [
            icon_button("clear", "Select nothing", selection.clear),
            icon_button("flip", "Invert the selection", selection.invert),
            icon_button("hub", "Grow to whole clusters", selection.grow),
            icon_button("center_focus_strong", "Zoom to the selection", held(self.zoom)),
        ]
        self._flag = small_button("Flag", lambda: session.flag_selection(True), color="error", disabled=True)
        self._unflag = small_button("Unflag", lambda: session.flag_selection(False), disabled=True)
        self._count = TextPane("", margin=(4, 4), stylesheets=[COUNT_CSS])
        tools = (self._mode, self._undo, self._redo, *self._buttons, self._flag, self._unflag, self._count)
        second = pn.FlexBox(*tools, align_items="center", gap="3px", sizing_mode="stretch_width", margin=(4, 8, 4, 8))
        self._problem = TextPane("", visible=False, margin=(0, 12), css_classes=["search-problem"])
        self._note = caption(visible=False, margin=(0, 12), css_classes=["quick-map"])
        self._layout = pn.Column(
            first, second, *rows.values(), self._problem, self._note, self.map, sizing_mode="stretch_both", margin=0
        )
        self._colour.param.watch(self._choose_colour, "value")
        self._search.param.watch(lambda event: self._find(), "enter_pressed")
        self._mode.param.watch(held(lambda event: setattr(self.map, "mode", event.new)), "value")
        self.map.param.watch(lambda event: setattr(self._mode, "value", event.new), "mode")
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
        keep_state(self._allow, self._undo, self._redo)
        self._show_sight()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def mode(self) -> str:
        """What a selection does to the one that is there."""
        return str(self._mode.value)

    def next_mode(self) -> None:
        """Let a selection do the next thing to the one that is there: new, add, remove, overlap, new."""
        ways = list(MODES.values())
        self._mode.value = ways[(ways.index(self._mode.value) + 1) % len(ways)]

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
            colouring=colour(session, session.appearance.colour_by),
            level=map_layers.levels(len(xy), session.selection.mask, self._pruned()),
            sizes=self._sizes,
            view=view,
            labels=labels,
            ticks=ticks,
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
        return ~plan.keep if self.session.appearance.show_pruned and plan is not None else None

    def _show_sight(self, *events: object) -> None:
        """Another map, none, or more that is known of the points on it."""
        sight = self.session.data.sight
        for widget in (*self._buttons, self._only):
            widget.disabled = sight is None
        for widget in (self._flag, self._unflag):
            widget.disabled = self.session.judging.flags is None
        self._note.object = QUICK_NOTE if sight is not None and sight.quick else ""
        self._note.visible = bool(self._note.object)
        if sight is None:
            self.map.clear(EMPTY)
            self._show_selection()
            return
        self._offer_colours()
        if self._drawn is sight.projection and self.map.view is not None:
            self._recolour()
            self._resize()
            self._show_plan()
        else:
            self._drawn = sight.projection
            self._show_axes()

    def _offer_colours(self, *events: object) -> None:
        if self.session.data.sight is not None:
            self._colour.groups = {title: dict(pairs) for title, pairs in choices(self.session).items()}
            self._colour.param.update(value=self.session.appearance.colour_by, disabled=False)
            if events and self.session.appearance.colour_by == "difference":  # maybe of other plans
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
        if self._drawable:
            self._colour.value = self.session.appearance.colour_by
            self.map.set_colouring(colour(self.session, self.session.appearance.colour_by))

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
        self._show_count()

    def _allow(self, *events: object) -> None:
        selection = self.session.selection
        self._undo.disabled = selection.mask is None or not selection.history.can_undo
        self._redo.disabled = selection.mask is None or not selection.history.can_redo

    def _show_selection(self, *events: object) -> None:
        selection = self.session.selection
        self._allow()
        self._show_count()
        if selection.mask is None or not self._drawable:
            return
        self.map.set_selection(selection.mask if selection.any else None)
        if self.session.appearance.colour_by in ("flag", "selected"):
            self._recolour()

    def _show_count(self) -> None:
        selection, flags = self.session.selection, self.session.judging.flags
        if selection.mask is None:
            self._count.object = ""
            return
        count = len(selection.mask)
        facts = {
            f"of {count:,} selected": int(selection.mask.sum()),
            "flagged": int(flags.sum()) if flags is not None else 0,
        }
        if selection.shown is not None:
            facts["filtered out"] = count - int(selection.shown.sum())
        text = join((markup("<b>{:,}</b> {}", number, what) for what, number in facts.items()), " · ")
        widest = " · ".join(f"{count:,} {what}" for what in facts)
        self._count.object = markup('<div class="count" data-widest="{}">{}</div>', widest, text)

    def _show_plan(self, *events: object) -> None:
        if self._drawable:  # else the new map follows in a moment
            self.map.set_pruned(self._pruned())
            if self.session.appearance.colour_by == "kept":
                self._recolour()

    def _mark(self, *events: object) -> None:
        if self._drawable:
            self.map.set_marker(self.session.selection.inspected)

    # ---- what the user does

    def _choose_colour(self, event: Any) -> None:
        if event.new and event.new != self.session.appearance.colour_by:
            self.session.appearance.colour_by = event.new

    def _find(self) -> None:
        self._attempt(lambda: self.session.selection.search(self._search.value_input, self.mode()))

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
