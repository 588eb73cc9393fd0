"""Boxes and lassos drawn on a chart, as the browser reports them: what was drawn, and what the keys ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import figure

from meaviz.components.map.gestures import mode_of_keys

# as on the map: the geometry carries no modifier keys, so they are read from the pointer event that ends the drag
_WATCH_KEYS = """
window.addEventListener("pointerup", (event) => {
  gesture.keys = [event.shiftKey, event.ctrlKey || event.metaKey]
}, {capture: true, once: true})
"""
_SEND = """
if (!cb_obj.final) return
const {type, x, y, x0, x1, y0, y1} = cb_obj.geometry
const shape = type == "rect" ? {type, x0, x1, y0, y1} : {type, x: Array.from(x), y: Array.from(y)}
const [shift, ctrl] = gesture.keys ?? [false, false]
gesture.data = {shape: [shape], shift: [shift], ctrl: [ctrl], time: [performance.now()]}
"""


def report_shapes(plot: figure, on_shape: Callable[[Mapping[str, Any], str], object]) -> None:
    """Call ``on_shape(shape, mode)`` for every box and lasso drawn on ``plot``.

    The shape is Bokeh's geometry in data units, as :func:`meaviz.components.map.hits.geometry_mask` takes it.
    """
    gesture = ColumnDataSource({"shape": [], "shift": [], "ctrl": [], "time": []})

    def report(attr: str, old: object, new: Mapping[str, Any]) -> None:
        on_shape(new["shape"][0], mode_of_keys(bool(new["shift"][0]), bool(new["ctrl"][0])))

    plot.js_on_event("panstart", CustomJS(args={"gesture": gesture}, code=_WATCH_KEYS))
    plot.js_on_event("selectiongeometry", CustomJS(args={"gesture": gesture}, code=_SEND))
    gesture.on_change("data", report)
