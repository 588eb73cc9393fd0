"""The page: a session, its workflow, and the views around them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from panel.util import edit_readonly

from meaviz.components import scripted  # noqa: F401 -- what tabs bring later must be known when the page is served
from meaviz.components.connection import Connection
from meaviz.components.shortcuts import Shortcuts, when_loaded
from meaviz.components.splitter import Splitter, after, before
from meaviz.components.tour import Stop, Tour
from meaviz.demo import demo_path
from meaviz.jobs.ending import hand_back_soon
from meaviz.jobs.opening import Ahead
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.projects.keeper import Keeper
from meaviz.session import Session
from meaviz.session.places import Places
from meaviz.style.page import FILL, HEAD_BUTTON, WHOLE_CSS, page_theme
from meaviz.style.text import TextPane, markup
from meaviz.views import STEP_VIEWS, TABS, MapView, ProjectMenu, ShareView, StructureView, load_tabs

TITLE = "MEAViz"
COLUMNS, ROWS = 60.0, 60.0  # per cent of the width for the map, of the height for map and 3D view
SIDE = {"initial": 330, "low": 260, "high": 600}  # pixels
DRAWN = 4000  # ms from a page that has loaded until what its tabs need is loaded: it would slow what is drawn first
TAB_KEYS = "1234567890-=;'"
ROOM = {"padding": "8px 8px 8px 0", "box-sizing": "border-box"}

NOTES = {  # what is handled elsewhere, by where it works
    "Map": (
        ("Drag", "Select with a lasso or a box (toolbar), or along a histogram"),
        ("Clicks", "Select with a polygon (toolbar); a double click ends it"),
        ("Shift + drag", "Add to the selection"),
        ("Ctrl + drag", "Remove from it"),
        ("Ctrl + Shift + drag", "Keep what both hold"),
        ("Click", "Show the environment in 3D"),
        ("Shift or Ctrl + click", "Add it to the selection, remove it"),
        ("Wheel", "Zoom"),
    ),
    "Tab Outliers": (
        ("J K", "Next candidate, the one before"),
        ("↓ ↑", "The same, while the list has the focus"),
        ("A", "An outlier"),
        ("R", "Ordinary"),
        ("U", "Undo the last judgement"),
    ),
    "3D view, while it has the focus": (
        ("← →", "The environment before, the next"),
        ("Shift + ← → ↑ ↓", "Turn"),
        ("+ −", "Zoom"),
        ("R", "Back to the first view; so does Home"),
        ("Space", "Play, stop"),
        ("Esc", "Clear what is measured, then stop measuring"),
        ("Drag · wheel", "Turn · zoom"),
        ("Shift + drag", "Move; so does the right button"),
        ("Click", "Go to the environment of the atom"),
        ("Shift or Ctrl + click", "Add it to the selection, remove it"),
    ),
    "Bar between panes, while it has the focus": (
        ("Arrow keys", "Move it"),
        ("Home End", "Move it as far as it goes"),
        ("Enter", "Put it back; so does a double click"),
    ),
}

STOPS = (
    Stop(
        ".MuiDrawer-paper",
        "Four steps to a map",
        "Open your files here. Descriptors, model and map then follow by themselves; unfold a step to change its "
        "settings and compute from there. Without files you see the embedded demo.",
    ),
    Stop(
        ".pane-map",
        "The map",
        "Each point is an atomic environment; alike ones lie together. Drag to select with a lasso, click a point to "
        "see its environment, and choose what colours the points.",
    ),
    Stop(
        ".pane-structure",
        "One environment in 3D",
        "The chosen atom and its neighbours within the cutoff stand out. Drag to turn, scroll to zoom; Next and "
        "Previous go through the selection.",
    ),
    Stop(
        ".pane-tabs",
        "Look, judge, prune",
        "Clusters in a table, how much to keep of what, and what that costs a force field. The bars between the panes "
        "can be dragged; the page remembers where you left them.",
    ),
    Stop(
        "[role=tab]",
        "Export",
        "Writes the kept structures as they were, an index of all, and a manifest with every setting.",
        holds="Export",
    ),
    Stop(
        "button",
        "Help",
        "Press ? at any time for the keys, and to see this tour again.",
        holds="Keyboard",
    ),
)


def build(
    data: Sequence[str | Path] = (),
    *,
    session: Session | None = None,
    ahead: Ahead | None = None,
    root: str | Path | None = None,
    keep: bool = False,
    **reading: Any,
) -> pmui.Page:
    """Build the page of one browser session; it opens ``data``, or the demo where there is none.

    ``ahead`` is opening just these, for the session that comes first. With a ``root`` nothing outside that folder can
    be opened or written from the page. ``reading`` goes to :func:`meagraph.pipeline.opening.open_with_known`; a
    ``session`` of the caller's own can be watched, and is shown as it is where it has a dataset. With ``keep`` all work
    is saved by itself, and goes on where it was left.
    """
    pn.extension("tabulator", notifications=False)
    session = session or Session(places=Places.at(root))
    keeper = Keeper(session) if keep else None
    workflow = Workflow(session, keeper=keeper)
    mine = ahead if ahead is not None and session.data.dataset is None and ahead.claim() else None
    paths = list(data) or [demo_path()]
    at_once = mine is not None and mine.ready
    if at_once:  # the page comes with it, and computing goes on while the browser loads
        workflow.open(paths, ahead=mine, **reading)
    page = _page(session, workflow)
    if session.data.dataset is None and not at_once:
        workflow.open(paths, ahead=mine, **reading)
    if pn.state.curdoc is not None:
        ahead_of_tabs = threading.Thread(target=load_tabs, daemon=True)
        document = pn.state.curdoc
        pn.state.onload(lambda: document.add_timeout_callback(ahead_of_tabs.start, DRAWN))

        def end(context: Any) -> None:
            workflow.end()
            if keeper is not None:
                keeper.close()
            session.uploads.close()
            hand_back_soon()

        pn.state.on_session_destroyed(end)
    return page


def _page(session: Session, workflow: Workflow) -> pmui.Page:
    shortcuts, tour = Shortcuts(), Tour(*STOPS)
    share, project = ShareView(session, workflow), ProjectMenu(session, workflow)
    side = Splitter(pane="side", label="Width of the steps", pixels=True, **SIDE)
    columns = Splitter(pane="columns", label="Width of the map", initial=COLUMNS, low=25, high=75)
    rows = Splitter(pane="rows", label="Height of map and 3D view", orientation="horizontal", initial=ROWS, low=30)
    the_map = MapView(session, workflow)
    map_pane = _panel(the_map, "map", before("columns", COLUMNS))
    structure_pane = _panel(StructureView(session, workflow), "structure", after("columns", COLUMNS))
    _let_map_grow(session, map_pane, structure_pane)
    upper = pn.Row(
        map_pane,
        columns,
        structure_pane,
        styles=before("rows", ROWS),
        **FILL,
    )
    tabs = _panel(_tabs(session, workflow, shortcuts), "tabs", after("rows", ROWS))
    panes = pn.Column(project.strip, upper, rows, tabs, **FILL)
    page = pmui.Page(
        title=TITLE,
        header=[_head(shortcuts, tour, share, project, session.user)],
        sidebar=[view(session, workflow) for view in STEP_VIEWS],
        sidebar_width=SIDE["initial"],
        sidebar_resizable=False,  # the bar beside it does that, also with the keyboard
        sidebar_variant="persistent",
        main=[pn.Row(side, panes, shortcuts, tour, share, project, Connection(), styles=ROOM, **FILL)],
        theme_config=page_theme(),
        busy_indicator=None,
    )
    with edit_readonly(page):
        # bound to Panel's own state, it would make Bokeh walk the whole page twice an event, and Panel's state would
        # hold the page for ever: only another reference in its place, to something of the page's own, ends that
        page.busy = param.rx(False)

    def widen() -> None:
        page.sidebar_width = int(side.value)

    # the place that the browser remembers may come before the page has loaded, when a change would be lost
    side.param.watch(lambda event: widen() if pn.state.loaded else None, "value")
    page.param.watch(lambda event: widen() if pn.state.loaded else None, "sidebar_width")  # the page answers late
    pn.state.onload(widen)
    session.appearance.dark = tour.dark = bool(page.dark_theme)
    page.param.watch(lambda event: setattr(session.appearance, "dark", bool(event.new)), "dark_theme")
    session.appearance.param.watch(lambda event: setattr(tour, "dark", event.new), "dark")
    _add_shortcuts(shortcuts, session, page)
    for key, title, act in (
        ("Ctrl+z", "Undo what was done last, whatever it was", partial(project.move, -1)),
        ("Ctrl+Shift+z", "Do it again", partial(project.move, 1)),
    ):
        shortcuts.add(key, title, act)
    shortcuts.add("Ctrl+s", "Save under a name", project.save_now, in_fields=True)
    _add_map_keys(shortcuts, session, the_map)
    return page


def _head(shortcuts: Shortcuts, tour: Tour, share: ShareView, project: ProjectMenu, user: str) -> pn.Row:
    """The buttons in the page's head, and the one under the list of keys that starts the tour; who is logged in."""
    keys = pmui.Button(label="Keyboard", variant="outlined", size="small", sx=HEAD_BUTTON, margin=0)
    keys.on_click(lambda event: shortcuts.show())
    begin = pmui.Button(label="Show the tour", variant="outlined", size="small", margin=0)

    def show_tour(event: Any) -> None:
        shortcuts.dialog.open = False
        tour.start()

    begin.on_click(show_tour)
    shortcuts.foot.append(begin)
    leave = markup('<a href="./logout" style="color: inherit">{}: log out</a>', user)
    account = [TextPane(leave, margin=(6, 16, 0, 0), styles={"color": "#FFFFFF"})] if user else []
    parts = (*account, project.said, project.undo, project.redo, project.button, share.button, keys)
    return pn.Row(pn.layout.HSpacer(), *parts, sizing_mode="stretch_width", margin=0)


def _add_shortcuts(shortcuts: Shortcuts, session: Session, page: pmui.Page) -> None:
    """The keys that belong to no view."""
    selection = session.selection

    def let_go() -> None:
        if session.appearance.whole:
            session.appearance.whole = False
        elif selection.any:
            selection.clear()
        else:
            selection.inspected = -1

    shortcuts.add("t", "Light or dark", lambda: setattr(page, "dark_theme", not page.dark_theme))
    shortcuts.add(
        "Escape", "Leave the whole window; clear the selection; let go of the environment", let_go, "Environments"
    )
    shortcuts.add(
        "ArrowRight", "Next environment of the selection, or of all", lambda: selection.step_through(1), "Environments"
    )
    shortcuts.add("ArrowLeft", "The one before", lambda: selection.step_through(-1), "Environments")
    shortcuts.add(
        "x", "Flag the selection, or the environment in 3D", lambda: session.flag_selection(True), "Environments"
    )
    shortcuts.add("Shift+x", "Take their flags back", lambda: session.flag_selection(False), "Environments")
    for group, notes in NOTES.items():
        for keys, title in notes:
            shortcuts.note(keys, title, group)


def _add_map_keys(shortcuts: Shortcuts, session: Session, the_map: MapView) -> None:
    """Keys of map and selection."""
    selection, appearance = session.selection, session.appearance

    def toggle_whole() -> None:
        appearance.whole = not appearance.whole

    for key, title, act in (
        ("f", "The map in the whole window, and back", toggle_whole),
        ("/", "Search", the_map.type_search),
        ("m", "What a selection does: new, add, remove, overlap", the_map.tools.next_mode),
        ("z", "Undo the last selection", partial(selection.move_in_history, -1)),
        ("Shift+z", "Redo it", partial(selection.move_in_history, 1)),
        ("i", "Invert the selection", selection.invert),
        ("g", "Grow it to whole clusters", selection.grow),
        ("]", "Select the next cluster", partial(selection.step_cluster, 1)),
        ("[", "Select the one before", partial(selection.step_cluster, -1)),
        (".", "Zoom to the selection, or to all", held(the_map.zoom)),
    ):
        shortcuts.add(key, title, act, "Map")


def _tabs(session: Session, workflow: Workflow, shortcuts: Shortcuts) -> pn.Column:
    """The lower views, one in sight at a time.

    A view is made when its tab is first opened: together they take longer than the rest of the page. From then on it
    stays rendered, for Bokeh cannot lay out a chart that a container of the page has not rendered yet.
    """
    menu = pmui.TabMenu(
        items=[{"label": title} for title, _ in TABS],
        variant="scrollable",
        active=0,
        margin=0,
        sizing_mode="stretch_width",
    )
    places = [
        pn.Column(visible=False, scroll=True, css_classes=[f"tab-{index}"], **FILL) for index, _ in enumerate(TABS)
    ]

    def show(chosen: int) -> None:
        for index, place in enumerate(places):
            place.visible = index == chosen
        if not places[chosen].objects:
            _, view = TABS[chosen]
            places[chosen].append(view(session, workflow))

    show(menu.active)

    def bring(index: int) -> None:
        session.appearance.whole = False  # or what is asked for would lie under the map
        menu.active = index

    opened = held(lambda: show(menu.active))
    menu.param.watch(lambda event: when_loaded(opened), "active")
    for index, (key, (title, _)) in enumerate(zip(TAB_KEYS, TABS, strict=False)):
        shortcuts.add(key, f"The tab {title}", partial(bring, index), "Tabs")
    return pn.Column(menu, *places, **FILL)


def _let_map_grow(session: Session, map_pane: pmui.Paper, structure_pane: pmui.Paper) -> None:
    """Let the map take the whole window, and the 3D view float on it once there is something in it."""

    def arrange(*events: object) -> None:
        whole, inspected = session.appearance.whole, session.selection.inspected >= 0
        map_pane.css_classes = ["pane-map", *(["whole"] if whole else [])]
        floats = ["floats" if inspected else "waits"] if whole else []
        structure_pane.css_classes = ["pane-structure", *floats]

    session.appearance.param.watch(held(arrange), "whole")
    session.selection.param.watch(held(arrange), "inspected")


def _panel(view: Any, name: str, styles: dict[str, str]) -> pmui.Paper:
    return pmui.Paper(
        view,
        elevation=0,
        variant="outlined",
        styles={**styles, "overflow": "hidden" if name == "map" else "auto"},
        css_classes=[f"pane-{name}"],
        **{**FILL, "stylesheets": [*FILL["stylesheets"], WHOLE_CSS]},
    )
