"""The map of environments: points in the plane to colour, select, inspect. It knows nothing of datasets."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
import panel as pn
import param
from bokeh.core.property.singletons import Undefined
from bokeh.events import RangesUpdate, Tap
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    CustomJS,
    Label,
    LassoSelectTool,
    PanTool,
    Range1d,
    ResetTool,
    SaveTool,
    WheelZoomTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from meaviz.components import map_layers, selection
from meaviz.components.map_layers import View
from meaviz.components.map_legend import MapLegend
from meaviz.style import Colouring, Theme, pack, theme

NAME = "map"  # of the figure, for those who look for it in the browser
MODES = ("replace", "add", "remove", "intersect")
REACH = 8.0  # pixels between the pointer and the point it means
MARGIN = 0.04  # of the extent, around all points
REDRAW_DELAY = 30  # ms; wheel and resize come in bursts
UNLAID_SIZE = (800, 600)  # pixels, until the browser has laid the figure out
SMALLEST_SIDE, LARGEST_SIDE = 100, 4000  # pixels
_MESSAGE_STYLE = "display:flex;align-items:center;justify-content:center;height:100%;padding:24px;"

_STYLESHEET = ".bk-Canvas { --outline-style: none }"  # no dotted frame around the map after a click
_TOOLBAR_STYLESHEET = ".bk-divider { display: none }"  # Bokeh forgets their width and hides the last tool in a menu

# Bokeh's selection geometry carries no modifier keys and its events no Meta key, so they are read from the
# pointer event that ends the drag, before Bokeh sees it.
_WATCH_KEYS = """
gesture.dragging = true
clearTimeout(pointer.timer)
if (tip.visible) tip.visible = false
window.addEventListener("pointerup", (event) => {
  gesture.dragging = false
  gesture.keys = [event.shiftKey, event.ctrlKey || event.metaKey]
}, {capture: true, once: true})
"""
# Bokeh takes a press of 0.3 s for a gesture of its own, after which a drag draws nothing; who aims a lasso rests
# longer than that.
_ALLOW_SLOW_DRAGS = """
const gestures = Bokeh.index.find_one(cb_obj.origin)?.canvas?.ui_event_bus?.ui_gestures
if (gestures != null) gestures.constructor.press_threshold = 1e9
"""
_SEND_GEOMETRY = """
if (!cb_obj.final) return
const {type, x, y, x0, x1, y0, y1} = cb_obj.geometry
const shape = type == "rect" ? {type, x0, x1, y0, y1} : {type, x: Array.from(x), y: Array.from(y)}
const [shift, ctrl] = gesture.keys ?? [false, false]
gesture.data = {shape: [shape], shift: [shift], ctrl: [ctrl], time: [performance.now()]}
"""
_SEND_POINTER = """
if (gesture.dragging) return
clearTimeout(pointer.timer)
if (tip.visible && Math.hypot(cb_obj.sx - pointer.sx, cb_obj.sy - pointer.sy) > reach) tip.visible = false
pointer.timer = setTimeout(() => {
  [pointer.sx, pointer.sy] = [cb_obj.sx, cb_obj.sy]
  pointer.data = {x: [cb_obj.x], y: [cb_obj.y], time: [performance.now()]}
}, 60)
"""
_POINTER_LEFT = """
clearTimeout(pointer.timer)
pointer.data = {x: [NaN], y: [NaN], time: [performance.now()]}
"""


class EnvironmentMap(pn.viewable.Viewer):
    """N points, up to a million, in colour; box and lasso are evaluated on all of them.

    The map reports gestures and applies none: whoever owns the selection answers with :meth:`set_selection`.
    """

    dark = param.Boolean(default=False, doc="Dark instead of light appearance.")
    mode = param.Selector(default="replace", objects=list(MODES), doc="'replace' leaves the choice to the keys.")
    on_select = param.Callable(default=None, doc="Called with (mask (N,) bool, mode) when a box or lasso ends.")
    on_tap = param.Callable(default=None, doc="Called with the row clicked, -1 when none lies within 8 pixels.")
    hover = param.Callable(default=None, doc="Returns the text to show for a row under the resting pointer.")
    axis_labels = param.Tuple(default=("UMAP 1", "UMAP 2"), doc="Names of the axes; read by set_points.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._holder = pn.Column(sizing_mode="stretch_both", min_height=380, margin=0)
        self.clear("No map yet.")

    def __panel__(self) -> pn.Column:
        """Return the component for Panel to lay out."""
        return self._holder

    def clear(self, message: str) -> None:
        """Show ``message`` in the map's place."""
        self._xy = np.zeros((0, 2), dtype=np.float32)
        self._plot: figure | None = None
        self._message = message
        self._show_message()

    def set_points(self, xy: NDArray[np.floating]) -> None:
        """Show other points ``xy`` (N, 2), all of them in view, without selection, marker or colouring.

        NaN coordinates are allowed: such a point is neither drawn nor ever selected. Raises ValueError for
        another shape or if no point is finite.
        """
        xy = np.ascontiguousarray(xy, dtype=np.float32)
        if xy.ndim != 2 or xy.shape[1] != 2 or not np.isfinite(xy).all(axis=1).any():
            raise ValueError(f"set_points expects (N, 2) coordinates with a finite point, got shape {xy.shape}.")
        self._xy = xy
        self._colouring: Colouring | None = None
        self._selected: NDArray[np.bool_] | None = None
        self._pruned: NDArray[np.bool_] | None = None
        self._redraw_due = False
        self._plot = plot = _empty_figure(xy, self.axis_labels)
        self._layer = map_layers.make_layer(plot, xy, self._view())
        self._marker = ColumnDataSource({"x": [], "y": []})
        self._halo = plot.scatter("x", "y", size=17, line_width=5, fill_color=None, source=self._marker)
        self._ring = plot.scatter("x", "y", size=17, line_width=2, fill_color=None, source=self._marker)
        self._tip = Label(
            x=0, y=0, text="", visible=False, level="overlay", padding=7, border_radius=4, text_font_size="12px"
        )
        plot.add_layout(self._tip)
        self._legend = MapLegend(plot)
        self._connect(plot)
        self._layer.arrange(self._levels())
        self._restyle()
        self._holder.objects = [pn.pane.Bokeh(plot, sizing_mode="stretch_both", min_height=380, margin=0)]

    def set_colouring(self, colouring: Colouring) -> None:
        """Colour the points and explain the colours. Raises ValueError for another number of points."""
        self._check(colouring.rgba, "colouring")
        self._colouring = colouring
        self._legend.show(colouring, self._theme)
        self._paint()

    def set_selection(self, mask: NDArray[np.bool_] | None) -> None:
        """Dim all points outside ``mask`` (N,); None, or a mask without any point, dims none."""
        self._selected = None if mask is None else self._check(mask, "selection").astype(np.bool_)
        self._layer.arrange(self._levels())
        self._paint()

    def set_pruned(self, mask: NDArray[np.bool_] | None) -> None:
        """Draw the points of ``mask`` (N,) faintly: pruned away, yet there to be inspected."""
        self._pruned = None if mask is None else self._check(mask, "pruned mask").astype(np.bool_)
        self._layer.arrange(self._levels())
        self._paint()

    def set_marker(self, row: int) -> None:
        """Draw a ring around the point ``row``; -1 removes it."""
        rows = self._xy[row : row + 1] if row >= 0 else self._xy[:0]
        self._marker.data = {"x": rows[:, 0], "y": rows[:, 1]}

    @property
    def _theme(self) -> Theme:
        return theme(self.dark)

    def _levels(self) -> NDArray[np.uint8]:
        return map_layers.levels(len(self._xy), self._selected, self._pruned)

    def _check(self, values: NDArray[Any], what: str) -> NDArray[Any]:
        values = np.asarray(values)
        if self._plot is None or values.shape != (len(self._xy),):
            raise ValueError(f"The {what} has shape {values.shape}, the map {len(self._xy)} points; set_points first.")
        return values

    # ---- drawing

    def _paint(self) -> None:
        if self._colouring is not None:
            rgba = self._colouring.rgba
        else:
            rgba = np.full(len(self._xy), pack([self._theme.accent])[0])
        self._layer.paint(rgba, self._theme)

    def _view(self) -> View:
        """What the browser shows now."""
        plot = self._plot
        assert plot is not None
        width, height = _inner_size(plot)
        return View((plot.x_range.start, plot.x_range.end), (plot.y_range.start, plot.y_range.end), width, height)

    def _schedule_redraw(self) -> None:
        if self._redraw_due or self._plot is None:
            return
        self._redraw_due = True
        document, plot = self._plot.document, self._plot

        def redraw() -> None:
            if plot is self._plot:  # not replaced meanwhile
                self._redraw_due = False
                if self._layer.look(self._view()):
                    self._paint()

        if document is None:
            redraw()
        else:
            document.add_timeout_callback(redraw, REDRAW_DELAY)

    @param.depends("dark", watch=True)
    def _restyle(self) -> None:
        if self._plot is None:
            self._show_message()
            return
        _apply_theme(self._plot, self._theme)
        self._halo.glyph.line_color = self._theme.surface
        self._ring.glyph.line_color = self._theme.text
        self._tip.update(
            text_font=self._theme.font,
            text_color=self._theme.text,
            background_fill_color=self._theme.raised,
            border_line_color=self._theme.border,
        )
        self._legend.show(self._colouring, self._theme)
        self._paint()

    def _show_message(self) -> None:
        text = html.escape(self._message)
        style = f"{_MESSAGE_STYLE}color:{self._theme.muted};background:{self._theme.surface};"
        self._holder.objects = [pn.pane.HTML(f'<div style="{style}">{text}</div>', sizing_mode="stretch_both")]

    # ---- gestures

    def _connect(self, plot: figure) -> None:
        """Make the browser report gestures: one message a drag, one a click, one a rest of the pointer."""
        # the time makes two equal gestures in a row two messages: Bokeh drops a change to an equal value
        gesture = ColumnDataSource({"shape": [], "shift": [], "ctrl": [], "time": []})
        pointer = ColumnDataSource({"x": [], "y": [], "time": []})
        models = {"gesture": gesture, "pointer": pointer, "tip": self._tip}
        plot.js_on_event("mouseenter", CustomJS(code=_ALLOW_SLOW_DRAGS))
        plot.js_on_event("panstart", CustomJS(args=models, code=_WATCH_KEYS))
        plot.js_on_event("selectiongeometry", CustomJS(args=models, code=_SEND_GEOMETRY))
        plot.js_on_event("mousemove", CustomJS(args={**models, "reach": REACH}, code=_SEND_POINTER))
        plot.js_on_event("mouseleave", CustomJS(args=models, code=_POINTER_LEFT))
        gesture.on_change("data", lambda attr, old, new: self._select(new))
        pointer.on_change("data", lambda attr, old, new: self._point_at(new["x"][0], new["y"][0]))
        plot.on_event(Tap, self._tap)
        plot.on_event(RangesUpdate, lambda event: self._schedule_redraw())
        plot.on_change("inner_width", lambda attr, old, new: self._schedule_redraw())
        plot.on_change("inner_height", lambda attr, old, new: self._schedule_redraw())

    def _select(self, gesture: Mapping[str, Any]) -> None:
        if self.on_select is None or not len(gesture["shape"]):
            return
        mask = selection.geometry_mask(self._xy, gesture["shape"][0])
        self.on_select(mask, self._mode_of(bool(gesture["shift"][0]), bool(gesture["ctrl"][0])))

    def _mode_of(self, shift: bool, ctrl: bool) -> str:
        """Shift adds, Ctrl (or Meta) removes, both intersect; the parameter, unless 'replace', overrides."""
        if self.mode != "replace":
            return str(self.mode)
        return {(False, False): "replace", (True, False): "add", (False, True): "remove"}.get(
            (shift, ctrl), "intersect"
        )

    def _row_at(self, x: float, y: float) -> int:
        view = self._view()
        if not (view.x[0] <= x <= view.x[1] and view.y[0] <= y <= view.y[1]):
            return -1
        return selection.nearest(self._xy, (x, y), view.scale, REACH)

    def _tap(self, event: Tap) -> None:
        if self.on_tap is not None and event.x is not None and event.y is not None:
            self.on_tap(self._row_at(event.x, event.y))

    def _point_at(self, x: float, y: float) -> None:
        """The pointer rests at (x, y): show what :attr:`hover` says, on the side that has room."""
        row = -1 if self.hover is None else self._row_at(x, y)
        text = str(self.hover(row)) if row >= 0 else ""
        if not text:
            self._tip.visible = False
            return
        view = self._view()
        x, y = (float(value) for value in self._xy[row])
        left, low = x < sum(view.x) / 2, y < sum(view.y) / 2
        self._tip.update(
            x=x,
            y=y,
            text=text,
            x_offset=12 if left else -12,
            y_offset=12 if low else -12,
            anchor=f"{'bottom' if low else 'top'}_{'left' if left else 'right'}",
            visible=True,
        )


def _inner_size(plot: figure) -> tuple[int, int]:
    """Width and height of the frame in pixels."""
    size = []
    for name, default in zip(("inner_width", "inner_height"), UNLAID_SIZE, strict=True):
        known = plot.properties_with_values(include_undefined=True).get(name, Undefined)
        size.append(default if known is Undefined else int(known))
    width, height = np.clip(size, SMALLEST_SIDE, LARGEST_SIDE)
    return int(width), int(height)


def _empty_figure(xy: NDArray[np.float32], axis_labels: tuple[str, str]) -> figure:
    """A figure that shows all of ``xy`` (N, 2), with its tools and no points."""
    ranges = []
    for column in xy.T:
        low, high = float(np.nanmin(column)), float(np.nanmax(column))
        margin = MARGIN * (high - low) or 1.0
        ranges.append(Range1d(low - margin, high + margin))
    plot = figure(
        name=NAME,
        x_range=ranges[0],
        y_range=ranges[1],
        tools=[],
        toolbar_location="above",
        output_backend="webgl" if len(xy) <= map_layers.SCATTER_MAX else "canvas",
        lod_timeout=100,
        lod_threshold=None,
        sizing_mode="stretch_both",
        x_axis_label=axis_labels[0],
        y_axis_label=axis_labels[1],
    )
    lasso = LassoSelectTool(continuous=False, renderers=[])  # no hit test in the browser: see selection.py
    wheel = WheelZoomTool()
    plot.add_tools(lasso, BoxSelectTool(renderers=[]), PanTool(), wheel, ResetTool(), SaveTool())
    plot.toolbar.active_drag, plot.toolbar.active_scroll = lasso, wheel
    plot.toolbar.logo = None
    plot.toolbar.stylesheets = [_TOOLBAR_STYLESHEET]
    plot.grid.visible = False
    plot.axis.ticker = []  # the coordinates have no meaning, only nearness has
    plot.axis.axis_line_color = None
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_font_size = "12px"
    return plot


def _apply_theme(plot: figure, theme: Theme) -> None:
    plot.stylesheets = [_STYLESHEET]
    plot.styles = {"--bokeh-icon-color": theme.muted}
    plot.background_fill_color = theme.surface
    plot.border_fill_color = theme.surface
    plot.outline_line_color = theme.border
    plot.axis.axis_label_text_color = theme.muted
    plot.axis.axis_label_text_font = theme.font
    for tool in plot.toolbar.tools:
        if isinstance(tool, BoxSelectTool | LassoSelectTool):
            tool.overlay.update(
                fill_color=theme.accent, fill_alpha=0.12, line_color=theme.accent, line_width=1.5, line_dash="solid"
            )


def warm() -> None:
    """Compile all kernels; call it once when the server starts."""
    selection.warm()
    map_layers.warm()
