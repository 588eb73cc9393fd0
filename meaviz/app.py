"""The page: a session, its workflow, and the views around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import holoviews as hv
import panel as pn
import panel_material_ui as pmui
from panel.util import edit_readonly

from meaviz.demo import demo_path
from meaviz.page_style import PAGE_CSS, page_theme
from meaviz.session import Session
from meaviz.views import STEP_VIEWS, TABS, MapView, StructureView
from meaviz.workflow import Workflow

TITLE = "MEAViz"


def build(data: Sequence[str | Path] = (), *, session: Session | None = None, **reading: Any) -> pmui.Page:
    """Build the page of one browser session; it opens ``data``, or the demo where there is none.

    ``reading`` goes to :func:`meagraph.datasets.read_dataset`; a ``session`` of the caller's own can be watched,
    and is shown as it is where it has a dataset.
    """
    pn.extension("tabulator", notifications=False)
    hv.extension("bokeh")
    session = session or Session()
    workflow = Workflow(session)
    page = _page(session, workflow)
    if session.dataset is None:
        workflow.open(list(data) or [demo_path()], **reading)
    if pn.state.curdoc is not None:
        pn.state.on_session_destroyed(lambda context: workflow.cancel())
    return page


def _page(session: Session, workflow: Workflow) -> pmui.Page:
    upper = pn.Row(
        _panel(MapView(session, workflow), styles={"flex": "3 1 0"}),
        _panel(StructureView(session, workflow), styles={"flex": "2 1 0"}),
        sizing_mode="stretch_both",
        margin=0,
        styles={"flex": "3 1 0", "min-height": "420px"},
    )
    lower = _panel(_tabs(session, workflow), styles={"flex": "2 1 0", "min-height": "300px"})
    page = pmui.Page(
        title=TITLE,
        sidebar=[view(session, workflow) for view in STEP_VIEWS],
        sidebar_width=330,
        sidebar_variant="persistent",
        main=[pn.Column(upper, lower, sizing_mode="stretch_both", margin=0, css_classes=["workspace"])],
        theme_config=page_theme(),
        busy_indicator=None,
        raw_css=[PAGE_CSS],
    )
    with edit_readonly(page):
        page.busy = False  # bound to Panel's own state, it would make Bokeh walk the whole page twice an event
    session.dark = bool(page.dark_theme)
    page.param.watch(lambda event: setattr(session, "dark", bool(event.new)), "dark_theme")
    return page


def _tabs(session: Session, workflow: Workflow) -> pn.Column:
    """The lower views, one in sight at a time.

    All stay rendered, for Bokeh cannot lay out a chart that a container of the page has not rendered yet.
    """
    menu = pmui.TabMenu(items=[{"label": title} for title, _ in TABS], active=0, margin=0, sizing_mode="stretch_width")
    views = [
        pn.Column(view(session, workflow), visible=index == 0, sizing_mode="stretch_both", margin=0)
        for index, (_, view) in enumerate(TABS)
    ]

    def show(event: Any) -> None:
        for index, view in enumerate(views):
            view.visible = index == event.new

    menu.param.watch(show, "active")
    return pn.Column(menu, *views, sizing_mode="stretch_both", margin=0)


def _panel(view: Any, **options: Any) -> pmui.Paper:
    return pmui.Paper(view, elevation=0, variant="outlined", sizing_mode="stretch_both", margin=6, **options)
