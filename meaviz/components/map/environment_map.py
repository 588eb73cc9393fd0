"""The map of environments: points in the plane to colour, select, inspect. It knows nothing of datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn
import param
from numpy.typing import NDArray

from meaviz.components.map import hits as selection
from meaviz.components.map import layers as map_layers
from meaviz.components.map.drawing import Drawing
from meaviz.components.map.gestures import Reports, listen, mode_of_keys
from meaviz.components.map.labels import Placed
from meaviz.style.palette import Colouring, theme
from meaviz.style.text import TextPane, markup

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
    floating = param.Boolean(default=False, doc="The legend lies on the map, instead of beside it.")
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
            sizing_mode="stretch_both",
            min_height=MIN_HEIGHT,
            margin=0,
            css_classes=["map-plane"],
            styles={"position": "relative"},
        )
        self._words = TextPane("", sizing_mode="stretch_both", margin=0)
        self.clear("No map yet.")

    def __panel__(self) -> pn.Column:
        """Return the component for Panel to lay out."""
        return self._holder

    def clear(self, message: str) -> None:
        """Show ``message`` in the map's place and forget the points."""
        self._drawing: Drawing | None = None
        self._message = message
        self._show_message()

    def set_points(
        self, xy: NDArray[np.floating], *, labels: tuple[str, str] = ("UMAP 1", "UMAP 2"), ticks: bool = False
    ) -> None:
        """Show other points ``xy`` (N, 2), all of them in view, without selection, marker, sizes, names or colouring.

        ``labels`` name the axes, which have ``ticks`` where the coordinates themselves mean something. NaN
        coordinates are allowed: such a point is neither drawn nor ever selected. Raises ValueError for another shape
        or if no point is finite.
        """
        xy = np.ascontiguousarray(xy, dtype=np.float32)
        if xy.ndim != 2 or xy.shape[1] != 2 or not np.isfinite(xy).all(axis=1).any():
            raise ValueError(f"set_points expects (N, 2) coordinates, one finite at least; got shape {xy.shape}.")
        drawing = Drawing(xy, labels, ticks=ticks, theme=theme(self.dark), floating=self.floating)
        self._drawing = drawing
        report = Reports(
            self._select,
            tap=lambda click: self._tap(drawing, click),
            point=lambda x, y: self._point_at(drawing, x, y),
            view=lambda: self._schedule_redraw(drawing),
            mode=self._take_mode,
        )
        listen(drawing.plot, drawing.tip, REACH, report)
        self._show_mode()
        pane = pn.pane.Bokeh(drawing.plot, sizing_mode="stretch_both", min_height=MIN_HEIGHT, margin=0)
        self._holder.objects = [pane, drawing.legend.pane]

    def set_colouring(self, colouring: Colouring) -> None:
        """Colour the points and explain the colours. Raises ValueError for another number of points."""
        self._check(colouring.rgba, "colouring")[0].colour(colouring)

    def set_density(self) -> None:
        """Colour the plane by how many points lie around, and explain it, until there is another colouring."""
        self._there("density").colour_by_density()

    def set_selection(self, mask: NDArray[np.bool_] | None) -> None:
        """Dim all points outside ``mask`` (N,); None, or a mask without any point, dims none."""
        drawing, mask = self._check(mask, "selection", np.bool_)
        drawing.select(mask)

    def set_pruned(self, mask: NDArray[np.bool_] | None) -> None:
        """Draw the points of ``mask`` (N,) pale: pruned away, yet there to be inspected."""
        drawing, mask = self._check(mask, "pruned mask", np.bool_)
        drawing.prune(mask)

    def set_shown(self, mask: NDArray[np.bool_] | None) -> None:
        """Draw only the points of ``mask`` (N,), None for all; others are neither drawn nor ever selected."""
        drawing, mask = self._check(mask, "mask of what is shown", np.bool_)
        drawing.show(mask)

    def set_sizes(self, classes: NDArray[np.integer] | None) -> None:
        """Draw the points in sizes: the index (N,) into ``map_layers.SIZES``; None for equal ones."""
        drawing, sizes = self._check(classes, "sizes", np.uint8)
        drawing.resize(sizes)

    def set_labels(self, codes: NDArray[np.integer] | None, texts: Sequence[Sequence[str]] = ()) -> None:
        """Name groups of points where they lie densest; ``codes`` (N,), -1 for none, index ``texts``; None names none.

        Of the texts of a group, the longest first, the map shows one for which there is room; a closer view has more.
        """
        drawing, codes = self._check(codes, "codes of names", np.int64)
        drawing.name(codes, texts)

    @property
    def labels(self) -> list[Placed]:
        """The names on the map."""
        return [] if self._drawing is None else self._drawing.names.shown

    @property
    def view(self) -> map_layers.View | None:
        """What part of the plane is in sight; None without points."""
        return None if self._drawing is None else self._drawing.view

    def zoom_to(self, mask: NDArray[np.bool_] | None) -> None:
        """Let the view enclose the points of ``mask`` (N,) that are shown; None, or none of them, for all."""
        if self._drawing is not None:
            self._drawing.zoom(mask)
            self._schedule_redraw(self._drawing)

    def set_marker(self, row: int) -> None:
        """Draw a ring around the point ``row``; -1 removes it."""
        count = 0 if self._drawing is None else len(self._drawing.xy)
        if not -1 <= row < count:
            raise ValueError(f"set_marker expects a row from -1 to {count - 1}, got {row}.")
        if self._drawing is not None:
            self._drawing.mark(row)

    def _there(self, what: str) -> Drawing:
        if self._drawing is None:
            raise ValueError(f"The {what} came before any points; call set_points first.")
        return self._drawing

    def _check(self, values: Any, what: str, kind: Any = None) -> tuple[Drawing, Any]:
        """The drawing, and ``values`` (N,) for it as the NumPy type ``kind``; None stays None."""
        drawing = self._there(what)
        if values is None:
            return drawing, None
        values = np.asarray(values)
        if values.shape != (len(drawing.xy),):
            raise ValueError(f"The {what} has shape {values.shape}; expected ({len(drawing.xy)},), one a point.")
        return drawing, values if kind is None else values.astype(kind, copy=False)

    # ---- drawing

    def _schedule_redraw(self, drawing: Drawing) -> None:
        """Draw anew for another view, once for all changes within the delay."""
        document = drawing.plot.document
        if drawing.redraw_due or drawing is not self._drawing:
            return

        def redraw() -> None:
            drawing.redraw_due = False
            if drawing is self._drawing:  # not replaced meanwhile
                drawing.look()

        if document is None:
            redraw()
        else:
            drawing.redraw_due = True
            document.add_timeout_callback(redraw, REDRAW_DELAY)

    @param.depends("dark", watch=True)
    def _restyle(self) -> None:
        if self._drawing is None:
            self._show_message()
        else:
            self._drawing.style(theme(self.dark))

    @param.depends("floating", watch=True)
    def _float(self) -> None:
        if self._drawing is not None:
            self._drawing.set_floating(self.floating)
            self._schedule_redraw(self._drawing)

    def _show_message(self) -> None:
        tokens = theme(self.dark)
        style = f"{_MESSAGE_STYLE}color:{tokens.muted};background:{tokens.raised};"
        self._words.object = markup('<div style="{}">{}</div>', style, self._message)
        if self._holder.objects != [self._words]:
            self._holder.objects = [self._words]

    @param.depends("mode", watch=True)
    def _show_mode(self) -> None:
        if self._drawing is not None:
            self._drawing.combine(MODES[self.mode])

    # ---- gestures

    def _select(self, gesture: Mapping[str, Any]) -> None:
        if self.on_select is not None and self._drawing is not None:
            mask = selection.geometry_mask(self._drawing.shown_xy, gesture["shape"][0])
            self.on_select(mask, self._mode_of(bool(gesture["shift"][0]), bool(gesture["ctrl"][0])))

    def _mode_of(self, shift: bool, ctrl: bool) -> str:
        """What the keys ask for; the parameter, unless 'replace', overrides."""
        return mode_of_keys(shift, ctrl) if self.mode == "replace" else str(self.mode)

    def _take_mode(self, of_bokeh: str) -> None:
        ours = {theirs: mode for mode, theirs in MODES.items()}
        self.mode = ours.get(of_bokeh, "replace")  # Bokeh's "xor" is not offered here
        self._show_mode()

    def _row_at(self, drawing: Drawing, x: float, y: float) -> int:
        """Row of the point that a pointer at (x, y) means, -1 for none; what is out of view is not meant."""
        view = drawing.view
        if not (view.x[0] <= x <= view.x[1] and view.y[0] <= y <= view.y[1]):
            return -1
        return selection.nearest(drawing.shown_xy, (x, y), view.scale, REACH)

    def _tap(self, drawing: Drawing, click: Mapping[str, Any]) -> None:
        x, y = click["x"][0], click["y"][0]
        if x is None or y is None:
            return
        row = self._row_at(drawing, x, y)
        keys = mode_of_keys(bool(click["shift"][0]), bool(click["ctrl"][0]))
        if keys == "replace":
            if self.on_tap is not None:
                self.on_tap(row)
        elif self.on_select is not None and row >= 0:
            self.on_select(np.arange(len(drawing.xy)) == row, keys)

    def _point_at(self, drawing: Drawing, x: float, y: float) -> None:
        """The pointer rests at (x, y): show what :attr:`hover` says."""
        row = self._row_at(drawing, x, y) if self.hover is not None else -1
        drawing.tell(row, str(self.hover(row)) if row >= 0 else "")


def warm(n: int = map_layers.SCATTER_MAX + 1) -> None:
    """Compile what the map of ``n`` points needs; in the thread of a job, for it takes seconds."""
    selection.warm()
    map_layers.warm(n)
