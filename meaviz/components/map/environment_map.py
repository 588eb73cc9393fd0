"""The map of environments: points in the plane to colour, select, inspect. It knows nothing of datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import panel as pn
import param
from bokeh.models import ColumnDataSource
from bokeh.models.annotations import Label
from bokeh.plotting import figure
from numpy.typing import NDArray

from meaviz.components.map import hits as selection
from meaviz.components.map import layers as map_layers
from meaviz.components.map.figure import apply_theme, empty_figure, extent, select_tools, view_of
from meaviz.components.map.gestures import Reports, listen, mode_of_keys
from meaviz.components.map.legend import WIDTH, MapLegend
from meaviz.style.palette import Colouring, Theme, pack, theme
from meaviz.style.text import TextPane, markup, plain

MODES = {
    "replace": "replace",
    "add": "append",
    "remove": "subtract",
    "intersect": "intersect",
}  # ours: Bokeh's
REACH = 8.0  # pixels between the pointer and the point it means
REDRAW_DELAY = 30  # ms; wheel and resize come in bursts
MIN_HEIGHT = 150  # pixels
_MESSAGE_STYLE = "display:flex;align-items:center;justify-content:center;height:100%;padding:24px;"


class EnvironmentMap(pn.viewable.Viewer):
    """N points, up to a million, in colour; box and lasso are evaluated on all of them.

    The map reports gestures and applies none: whoever owns the selection answers with :meth:`set_selection`.
    """

    dark = param.Boolean(default=False, doc="Dark instead of light appearance.")
    mode: Any = param.Selector(
        default="replace",
        objects=list(MODES),
        doc="What a box or lasso does; 'replace' leaves the choice to the modifier keys.",
    )
    on_select: Any = param.Callable(
        default=None, doc="Called with the points (N,) bool in a finished box or lasso, and the mode."
    )
    on_tap: Any = param.Callable(
        default=None,
        doc="Called with the row clicked, -1 if none lies within 8 pixels; Shift and Ctrl make a selection of it.",
    )
    hover: Any = param.Callable(
        default=None, doc="Called with the row under the resting pointer; returns lines of text to show."
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._holder = pn.Column(
            sizing_mode="stretch_both", min_height=MIN_HEIGHT, margin=0, styles={"position": "relative"}
        )
        self.clear("No map yet.")

    def __panel__(self) -> pn.Column:
        """Return the component for Panel to lay out."""
        return self._holder

    def clear(self, message: str) -> None:
        """Show ``message`` in the map's place and forget the points."""
        self._xy = self._shown_xy = np.zeros((0, 2), dtype=np.float32)
        self._plot: figure | None = None
        self._message = message
        self._show_message()

    def set_points(
        self, xy: NDArray[np.floating], *, labels: tuple[str, str] = ("UMAP 1", "UMAP 2"), ticks: bool = False
    ) -> None:
        """Show other points ``xy`` (N, 2), all of them in view, without selection, marker, sizes or colouring.

        ``labels`` name the axes, which have ``ticks`` where the coordinates themselves mean something. NaN
        coordinates are allowed: such a point is neither drawn nor ever selected. Raises ValueError for another shape
        or if no point is finite.
        """
        xy = np.ascontiguousarray(xy, dtype=np.float32)
        if xy.ndim != 2 or xy.shape[1] != 2 or not np.isfinite(xy).all(axis=1).any():
            raise ValueError(f"set_points expects (N, 2) coordinates, one finite at least; got shape {xy.shape}.")
        self._xy = self._shown_xy = xy
        self._sizes: NDArray[np.uint8] | None = None
        self._colouring: Colouring | None = None
        self._selected: NDArray[np.bool_] | None = None
        self._pruned: NDArray[np.bool_] | None = None
        self._redraw_due = False
        self._plot = plot = empty_figure(xy, labels, ticks=ticks)
        self._layer = map_layers.make_layer(plot, xy, view_of(plot))
        self._marker = ColumnDataSource({"x": [], "y": []})
        self._halo = plot.scatter("x", "y", size=17, line_width=5, fill_color=None, source=self._marker)
        self._ring = plot.scatter("x", "y", size=17, line_width=2, fill_color=None, source=self._marker)
        self._tip = Label(x=0, y=0, visible=False, level="overlay", text_font_size="12px")
        self._tip.update(padding=7, border_radius=4)
        plot.add_layout(self._tip)
        plot.min_border_right = WIDTH
        self._legend = MapLegend()
        report = Reports(
            self._select,
            tap=lambda click: self._tap(plot, click),
            point=lambda x, y: self._point_at(plot, x, y),
            view=lambda: self._schedule_redraw(plot),
            mode=self._take_mode,
        )
        listen(plot, self._tip, REACH, report)
        self._layer.arrange(self._levels())
        self._restyle()
        self._show_mode()
        pane = pn.pane.Bokeh(plot, sizing_mode="stretch_both", min_height=MIN_HEIGHT, margin=0)
        self._holder.objects = [pane, self._legend.pane]

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
        """Draw the points of ``mask`` (N,) pale: pruned away, yet there to be inspected."""
        self._pruned = None if mask is None else self._check(mask, "pruned mask").astype(np.bool_)
        self._layer.arrange(self._levels())
        self._paint()

    def set_shown(self, mask: NDArray[np.bool_] | None) -> None:
        """Draw only the points of ``mask`` (N,), None for all; others are neither drawn nor ever selected."""
        shown = None if mask is None else self._check(mask, "mask of what is shown").astype(np.bool_)
        self._shown_xy = self._xy if shown is None else np.where(shown[:, None], self._xy, np.float32(np.nan))
        self._place()

    def set_sizes(self, classes: NDArray[np.integer] | None) -> None:
        """Draw the points in sizes: the index (N,) into ``map_layers.SIZES``; None for equal ones."""
        self._sizes = None if classes is None else self._check(classes, "sizes").astype(np.uint8)
        self._place()

    @property
    def view(self) -> map_layers.View | None:
        """What part of the plane is in sight; None without points."""
        return None if self._plot is None else view_of(self._plot)

    def zoom_to(self, mask: NDArray[np.bool_] | None) -> None:
        """Let the view enclose the points of ``mask`` (N,) that are shown; None, or none of them, for all."""
        if self._plot is None:
            return
        xy = self._xy if mask is None else self._shown_xy[mask]
        if not np.isfinite(xy).all(axis=1).any():
            xy = self._xy
        whole = [extent(column) for column in self._xy.T]
        for axis, column, (low, high) in zip((self._plot.x_range, self._plot.y_range), xy.T, whole, strict=True):
            start, end = extent(column)
            if not np.nanmax(column) > np.nanmin(column):  # of one point its surroundings
                middle, reach = (start + end) / 2, 0.02 * (high - low)
                start, end = middle - reach, middle + reach
            axis.update(start=start, end=end)
        self._schedule_redraw(self._plot)

    def set_marker(self, row: int) -> None:
        """Draw a ring around the point ``row``; -1 removes it."""
        if not -1 <= row < len(self._xy):
            raise ValueError(f"set_marker expects a row from -1 to {len(self._xy) - 1}, got {row}.")
        rows = self._xy[row : row + 1] if row >= 0 else self._xy[:0]
        if self._plot is not None:
            self._marker.data = {"x": rows[:, 0], "y": rows[:, 1]}

    @property
    def _theme(self) -> Theme:
        return theme(self.dark)

    def _place(self) -> None:
        self._layer.place(self._shown_xy, self._sizes)
        self._layer.arrange(self._levels())
        self._paint()

    def _levels(self) -> NDArray[np.uint8]:
        return map_layers.levels(len(self._xy), self._selected, self._pruned)

    def _check(self, values: NDArray[Any], what: str) -> NDArray[Any]:
        values = np.asarray(values)
        if self._plot is None:
            raise ValueError(f"The {what} came before any points; call set_points first.")
        if values.shape != (len(self._xy),):
            raise ValueError(f"The {what} has shape {values.shape}; expected ({len(self._xy)},), one a point.")
        return values

    # ---- drawing

    def _paint(self) -> None:
        if self._colouring is not None:
            rgba = self._colouring.rgba
        else:
            rgba = np.full(len(self._xy), pack([self._theme.accent])[0])
        self._layer.paint(rgba, self._theme)

    def _schedule_redraw(self, plot: figure) -> None:
        """Draw anew for another view of ``plot``, once for all changes within the delay."""
        document = plot.document
        if self._redraw_due or plot is not self._plot:
            return

        def redraw() -> None:
            if plot is self._plot:  # not replaced meanwhile
                self._redraw_due = False
                if self._layer.look(view_of(plot)):
                    self._paint()

        if document is None:
            redraw()
        else:
            self._redraw_due = True
            document.add_timeout_callback(redraw, REDRAW_DELAY)

    @param.depends("dark", watch=True)
    def _restyle(self) -> None:
        if self._plot is None:
            self._show_message()
            return
        apply_theme(self._plot, self._theme)
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
        style = f"{_MESSAGE_STYLE}color:{self._theme.muted};background:{self._theme.surface};"
        text = markup('<div style="{}">{}</div>', style, self._message)
        self._holder.objects = [TextPane(text, sizing_mode="stretch_both", margin=0)]

    @param.depends("mode", watch=True)
    def _show_mode(self) -> None:
        if self._plot is not None:
            for tool in select_tools(self._plot):
                tool.update(mode=MODES[self.mode])

    # ---- gestures

    def _select(self, gesture: Mapping[str, Any]) -> None:
        if self.on_select is not None:
            mask = selection.geometry_mask(self._shown_xy, gesture["shape"][0])
            self.on_select(mask, self._mode_of(bool(gesture["shift"][0]), bool(gesture["ctrl"][0])))

    def _mode_of(self, shift: bool, ctrl: bool) -> str:
        """What the keys ask for; the parameter, unless 'replace', overrides."""
        return mode_of_keys(shift, ctrl) if self.mode == "replace" else str(self.mode)

    def _take_mode(self, of_bokeh: str) -> None:
        ours = {theirs: mode for mode, theirs in MODES.items()}
        self.mode = ours.get(of_bokeh, "replace")  # Bokeh's "xor" is not offered here
        self._show_mode()

    def _row_at(self, plot: figure, x: float, y: float) -> int:
        """Row of the point that a pointer at (x, y) means, -1 for none; what is out of view is not meant."""
        view = view_of(plot)
        if not (view.x[0] <= x <= view.x[1] and view.y[0] <= y <= view.y[1]):
            return -1
        return selection.nearest(self._shown_xy, (x, y), view.scale, REACH)

    def _tap(self, plot: figure, click: Mapping[str, Any]) -> None:
        x, y = click["x"][0], click["y"][0]
        if x is None or y is None:
            return
        row = self._row_at(plot, x, y)
        keys = mode_of_keys(bool(click["shift"][0]), bool(click["ctrl"][0]))
        if keys == "replace":
            if self.on_tap is not None:
                self.on_tap(row)
        elif self.on_select is not None and row >= 0:
            self.on_select(np.arange(len(self._xy)) == row, keys)

    def _point_at(self, plot: figure, x: float, y: float) -> None:
        """The pointer rests at (x, y): show what :attr:`hover` says, on the side that has room."""
        row = self._row_at(plot, x, y) if self.hover is not None else -1
        text = str(self.hover(row)) if row >= 0 else ""
        if not text:
            self._tip.visible = False
            return
        view = view_of(plot)
        x, y = (float(value) for value in self._xy[row])
        left, low = x < sum(view.x) / 2, y < sum(view.y) / 2
        self._tip.update(
            x=x,
            y=y,
            text=plain(text),
            x_offset=12 if left else -12,
            y_offset=12 if low else -12,
            anchor=f"{'bottom' if low else 'top'}_{'left' if left else 'right'}",
            visible=True,
        )


def warm(n: int = map_layers.SCATTER_MAX + 1) -> None:
    """Compile what the map of ``n`` points needs; in the thread of a job, for it takes seconds."""
    selection.warm()
    map_layers.warm(n)
