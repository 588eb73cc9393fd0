"""How the browser reports what is done on the map: one message a drag, one a click, one a rest of the pointer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bokeh.events import RangesUpdate
from bokeh.models import ColumnDataSource, CustomJS, PolySelectTool
from bokeh.models.annotations import Label
from bokeh.plotting import figure

from meaviz.components.map.figure import select_tools

# Bokeh takes a press of 0.3 s for a gesture of its own, after which a drag draws nothing; who aims a lasso
# may rest longer than that. Its taps know no Meta key, and are told when the browser's own event is gone.
_PREPARE = """
const gestures = Bokeh.index.find_one(cb_obj.origin)?.canvas?.ui_event_bus?.ui_gestures
if (gestures != null) gestures.constructor.press_threshold = 1e9
if (gesture.meta == null) {
  gesture.meta = false
  window.addEventListener("pointerup", (event) => { gesture.meta = event.metaKey }, {capture: true})
}
"""
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
# The time makes two messages of two equal gestures: Bokeh drops a change to an equal value.
_SEND_GEOMETRY = """
if (!cb_obj.final) return
const {type, x, y, x0, x1, y0, y1} = cb_obj.geometry
const shape = type == "rect" ? {type, x0, x1, y0, y1} : {type, x: Array.from(x), y: Array.from(y)}
const [shift, ctrl] = gesture.keys ?? [false, false]
gesture.keys = undefined
gesture.data = {shape: [shape], shift: [shift], ctrl: [ctrl], time: [performance.now()]}
"""
# A click belongs to the polygon while one is being drawn, and a double click ends it: of itself Bokeh ends it at a long
# press, which is switched off above, and at Enter. Elsewhere it takes two quick clicks for a double one.
_SEND_TAP = """
if (polygon.active) {
  const {shift, ctrl} = cb_obj.modifiers ?? {}
  gesture.keys = [shift, ctrl]
  const drawn = Bokeh.index.find_one(cb_obj.origin)?.tool_views.get(polygon)
  if (cb_obj.event_name == "doubletap") drawn?._finish_selection(cb_obj.modifiers)
  return
}
const {shift = false, ctrl = false} = cb_obj.modifiers ?? {}
const held = ctrl || (gesture.meta ?? false)
tapped.data = {x: [cb_obj.x], y: [cb_obj.y], shift: [shift], ctrl: [held], time: [performance.now()]}
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


@dataclass(frozen=True)
class Reports:
    """Who hears of what."""

    select: Callable[[Mapping[str, Any]], None]  # columns shape, shift and ctrl of a finished box, lasso or polygon
    tap: Callable[[Mapping[str, Any]], None]  # columns x and y in data units, shift and ctrl of a click
    point: Callable[[float, float], None]  # where the pointer rests, NaN outside
    view: Callable[[], None]  # the ranges or the size changed
    mode: Callable[[str], None]  # Bokeh's word for what a selection does


def mode_of_keys(shift: bool, ctrl: bool) -> str:
    """What a selection does: Shift adds, Ctrl (or Meta) removes, both intersect."""
    if shift and ctrl:
        return "intersect"
    return "add" if shift else "remove" if ctrl else "replace"


def listen(plot: figure, tip: Label, reach: float, reports: Reports) -> None:
    """Make the browser report gestures on ``plot``; ``tip`` is hidden ``reach`` pixels from where it was called."""
    gesture = ColumnDataSource({"shape": [], "shift": [], "ctrl": [], "time": []})
    pointer = ColumnDataSource({"x": [], "y": [], "time": []})
    tapped = ColumnDataSource({"x": [], "y": [], "shift": [], "ctrl": [], "time": []})
    polygon = next(tool for tool in plot.toolbar.tools if isinstance(tool, PolySelectTool))
    models = {"gesture": gesture, "pointer": pointer, "tip": tip, "tapped": tapped, "polygon": polygon}
    plot.js_on_event("mouseenter", CustomJS(args=models, code=_PREPARE))
    plot.js_on_event("panstart", CustomJS(args=models, code=_WATCH_KEYS))
    plot.js_on_event("selectiongeometry", CustomJS(args=models, code=_SEND_GEOMETRY))
    plot.js_on_event("mousemove", CustomJS(args={**models, "reach": reach}, code=_SEND_POINTER))
    plot.js_on_event("mouseleave", CustomJS(args=models, code=_POINTER_LEFT))
    for event in ("tap", "doubletap"):
        plot.js_on_event(event, CustomJS(args=models, code=_SEND_TAP))
    gesture.on_change("data", lambda attr, old, new: reports.select(new))
    pointer.on_change("data", lambda attr, old, new: reports.point(new["x"][0], new["y"][0]))
    tapped.on_change("data", lambda attr, old, new: reports.tap(new))
    for tool in select_tools(plot):  # a long press on their buttons offers the modes too
        tool.on_change("mode", lambda attr, old, new: reports.mode(new))
    plot.on_event(RangesUpdate, lambda update: reports.view())
    for side in ("inner_width", "inner_height"):
        plot.on_change(side, lambda attr, old, new: reports.view())
