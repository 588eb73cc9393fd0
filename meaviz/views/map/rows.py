"""Rows of settings above the map that fold away: what is drawn, what is filtered, which selections are kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from meagraph.errors import MEAGraphError
from meaviz.session import Session
from meaviz.session.appearance import PLACES, QUICK
from meaviz.session.filters import Filters
from meaviz.style.page import DENSE, DENSE_CHOICE
from meaviz.style.text import TextPane, plain
from meaviz.views.shared.buttons import small_button, toggle

FIELD: dict[str, Any] = {"size": "small", "margin": (6, 6, 0, 0)}
MOST_CHOICES = 400  # categories offered one by one


class MapRow(pn.viewable.Viewer):
    """A row that is shown while it is ``open``."""

    open = param.Boolean(default=False)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._problem = TextPane("", visible=False, margin=(2, 4))
        self._row = pn.FlexBox(
            *self.widgets(),
            self._problem,
            align_items="center",
            gap="2px",
            sizing_mode="stretch_width",
            margin=(0, 8, 4, 8),
        )
        self._layout = pn.Column(visible=False, sizing_mode="stretch_width", margin=0)
        self.param.watch(self._unfold, "open")
        session.data.param.watch(self.offer, "sight")
        self.offer()

    def __panel__(self) -> pn.Column:
        """Return the row for Panel to lay out."""
        return self._layout

    def _unfold(self, *events: object) -> None:
        if not self._layout.objects:  # not sent before it is wanted: the page is there sooner
            self._layout.objects = [self._row]
        self._layout.visible = self.open

    def widgets(self) -> list[Any]:
        """What stands in the row."""
        raise TypeError(f"{type(self).__name__} must list its widgets")

    def offer(self, *events: object) -> None:
        """Take the choices of the session's data."""
        raise TypeError(f"{type(self).__name__} must offer its choices")

    def attempt(self, act: Callable[[], object]) -> None:
        """Do something that may be refused; the reason is shown in the row."""
        try:
            act()
            problem = ""
        except MEAGraphError as error:
            problem = str(error)
        self._problem.object = problem
        self._problem.visible = bool(problem)

    def numbers(self) -> dict[str, str]:
        """Title to name of all properties that are numbers."""
        known = self.session.data.properties
        return {} if known is None else known.titles("number")

    def act(self, label: str, act: Callable[[], object], **options: Any) -> pmui.Button:
        """A button that does something that may be refused."""
        return small_button(label, lambda: self.attempt(act), margin=(6, 6, 0, 0), **options)


class ViewRow(MapRow):
    """Axes, sizes, names of the clusters, and the picture as a file."""

    def __init__(self, session: Session, picture: Callable[[str], io.BytesIO]) -> None:
        self._picture = picture
        self._following = False
        super().__init__(session)
        self._size.param.watch(lambda event: setattr(session.appearance, "size_by", event.new or ""), "value")
        for widget in (self._x, self._y):
            widget.param.watch(self._choose_axes, "value")
        session.appearance.param.watch(self._follow, ["axes", "size_by"])

    def widgets(self) -> list[Any]:
        """Axes, size, swap back, and downloads."""
        search = {"searchable": True, "filter_on_search": False, "width": 132, **FIELD}
        self._x = pmui.Select(label="Horizontal axis", options={}, **search)
        self._y = pmui.Select(label="Vertical axis", options={}, **search)
        self._size = pmui.Select(label="Size by", options={"Equal sizes": ""}, value="", **search)
        files = [
            pmui.FileDownload(
                label=kind.upper(),
                callback=pn.bind(self._picture, kind),
                filename=f"map.{kind}",
                color="primary",
                variant="outlined",
                size="small",
                sx=DENSE,
                margin=(6, 4, 0, 0),
                icon=None,
            )
            for kind in ("png", "svg")
        ]
        named = self.session.appearance.labels
        names = toggle("Labels", "Name the clusters on the map", value=named, margin=(6, 6, 0, 0))
        names.link(self.session.appearance, value="labels", bidirectional=True)
        return [self._x, self._y, self._size, self.act("UMAP", self._back), names, *files]

    def offer(self, *events: object) -> None:
        """All properties that are numbers."""
        if self.session.data.sight is None:
            return
        numbers = self.numbers()
        self._following = True
        for widget, value in zip((self._x, self._y), self.session.appearance.axes, strict=True):
            widget.param.update(options=numbers, value=value)
        self._following = False
        self._size.param.update(options={"Equal sizes": "", **numbers}, value=self.session.appearance.size_by)

    def _follow(self, *events: object) -> None:
        self._following = True  # one axis after the other: between them lies a pair that nobody asked for
        self._x.value, self._y.value = self.session.appearance.axes
        self._size.value = self.session.appearance.size_by
        self._following = False

    def _choose_axes(self, *events: object) -> None:
        wanted = (self._x.value, self._y.value)
        if not self._following and all(wanted) and wanted != self.session.appearance.axes:
            self.session.appearance.axes = wanted

    def _back(self) -> None:
        known = self.session.data.properties or ()
        self.session.appearance.axes = PLACES if PLACES[0] in known else QUICK


class FilterRow(MapRow):
    """One property at a time is limited to a range or to categories; all limits hold together."""

    def __init__(self, session: Session) -> None:
        self._setting = False
        super().__init__(session)
        self._property.param.watch(self._show_limits, "value")
        self._range.param.watch(self._limit, "value")
        self._categories.param.watch(self._choose, "value")
        session.selection.param.watch(self._show_chips, "filters")

    def widgets(self) -> list[Any]:
        """The property, its limits, and all limits that hold."""
        self._property = pmui.Select(
            label="Filter by", options={}, searchable=True, filter_on_search=False, width=190, **FIELD
        )
        self._range = pmui.EditableRangeSlider(label="Range", start=0.0, end=1.0, value=(0.0, 1.0), width=300, **FIELD)
        self._categories = pmui.MultiChoice(
            label="Show only", options=[], value=[], width=300, margin=(6, 6, 0, 0), sx=DENSE_CHOICE
        )
        self._holders = [pn.Column(widget, visible=False, margin=0) for widget in (self._range, self._categories)]
        self._chips = pn.FlexBox(gap="4px", align_items="center", margin=(6, 0, 0, 0))
        return [self._property, *self._holders, self._chips]

    def offer(self, *events: object) -> None:
        """All properties."""
        known = self.session.data.properties
        if self.session.data.sight is None or known is None:
            return
        self._property.param.update(options={known.title_of(name): name for name in known}, value=None)
        self._show_chips()

    def _show_limits(self, *events: object) -> None:
        """Offer the limits of the chosen property, as they are."""
        name, filters = self._property.value, self.session.selection.filters
        for holder in self._holders:
            holder.visible = False
        if not name or self.session.data.properties is None:
            return
        found = self.session.data.properties[name]
        self._setting = True
        if found.kind == "number":
            low, high = found.limits or (0.0, 1.0)
            high = high if high > low else low + 1.0
            now = next(((a, b) for key, a, b in filters.ranges if key == name), (low, high))
            self._range.param.update(
                label=found.label,
                start=low,
                end=high,
                step=(high - low) / 200,
                fixed_start=low,
                fixed_end=high,
                value=now,
            )
            self._holders[0].visible = True
        else:
            names = [*found.names, *([""] if (found.values < 0).any() else [])][:MOST_CHOICES]
            now_shown = next((list(chosen) for key, chosen in filters.choices if key == name), [])
            options = {plain(one) or "none": one for one in names}
            self._categories.param.update(label=f"Show only: {found.title}", options=options, value=now_shown)
            self._holders[1].visible = True
        self._setting = False

    def _limit(self, *events: object) -> None:
        name = self._property.value
        if self._setting or not name:
            return
        low, high = self._range.value
        whole = low <= self._range.start and high >= self._range.end
        filters = self.session.selection.filters
        wanted = filters.without(name) if whole else filters.with_range(name, float(low), float(high))
        if wanted != filters:
            self.attempt(lambda: self.session.selection.set_filters(wanted))

    def _choose(self, event: Any) -> None:
        name = self._property.value
        if self._setting or not name:
            return
        filters = self.session.selection.filters
        wanted = filters.with_choice(name, tuple(event.new)) if event.new else filters.without(name)
        if wanted != filters:
            self.attempt(lambda: self.session.selection.set_filters(wanted))

    def _show_chips(self, *events: object) -> None:
        filters, known = self.session.selection.filters, self.session.data.properties
        if known is None:
            return
        texts = {name: f"{known.title_of(name)}: {low:.4g} to {high:.4g}" for name, low, high in filters.ranges}
        texts |= {
            name: f"{known.title_of(name)}: {', '.join(one or 'none' for one in names)}"
            for name, names in filters.choices
        }
        if filters.condition:
            texts["condition"] = filters.condition
        self._chips.objects = [self._chip(name, text) for name, text in texts.items()]
        if not self._setting and not self._shows(filters):
            self._show_limits()

    def _shows(self, filters: Filters) -> bool:
        """What is offered for the chosen property is as ``filters`` have it, which undo may have changed."""
        name, whole = self._property.value, (self._range.start, self._range.end)
        limits = next(((low, high) for key, low, high in filters.ranges if key == name), whole)
        chosen = next((names for key, names in filters.choices if key == name), ())
        range_holder, categories_holder = self._holders
        return (not range_holder.visible or tuple(self._range.value) == limits) and (
            not categories_holder.visible or tuple(self._categories.value) == chosen
        )

    def _chip(self, name: str, text: str) -> pmui.Button:
        shown = text if len(text) <= 48 else f"{text[:45]}…"
        return small_button(
            f"{plain(shown)}  ✕",
            lambda: self.attempt(lambda: self._lift(name)),
            description=f"Remove this filter: {plain(text)}",
            variant="contained",
        )

    def _lift(self, name: str) -> None:
        selection = self.session.selection
        selection.set_filters(selection.filters.without(name))


class KeptRow(MapRow):
    """Selections under names."""

    def __init__(self, session: Session, mode: Callable[[], str]) -> None:
        self._mode = mode
        super().__init__(session)
        session.selection.param.watch(self.offer, "named")
        self._name.param.watch(lambda event: self.attempt(self._keep), "enter_pressed")

    def widgets(self) -> list[Any]:
        """A name for the selection that is there, and those that were kept."""
        self._name = pmui.TextInput(label="Name of the selection", placeholder="strained liquid", width=190, **FIELD)
        self._kept = pmui.Select(label="Kept selections", options={}, width=190, **FIELD)
        return [
            self._name,
            self.act("Keep", self._keep),
            self._kept,
            self.act("Recall", self._recall, description="Recall: new, add, remove or overlap, as it is set"),
            self.act("Forget", self._forget),
        ]

    def offer(self, *events: object) -> None:
        """The names."""
        named = self.session.selection.named
        names = named.names if named is not None else []
        value = self._kept.value if self._kept.value in names else (names[0] if names else None)
        self._kept.param.update(options={plain(name): name for name in names}, value=value)

    def _keep(self) -> None:
        name = self._name.value_input
        if not self.session.selection.any:
            raise MEAGraphError("Nothing is selected. Select something first.")
        self.session.selection.keep(name)
        self._kept.value = name.strip()
        self._name.param.update(value="", value_input="")

    def _recall(self) -> None:
        if not self._kept.value:
            raise MEAGraphError("No selection has been kept yet.")
        self.session.selection.recall(self._kept.value, self._mode())

    def _forget(self) -> None:
        if self._kept.value:
            self.session.selection.forget(self._kept.value)
