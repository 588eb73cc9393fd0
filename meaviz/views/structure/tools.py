"""The tools above the 3D view: stepping, what is shown, how it is drawn, measuring, comparing, pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from meaviz.components.viewer.structure_viewer import BACKGROUNDS, REPRESENTATIONS, StructureViewer
from meaviz.session import Session
from meaviz.session.appearance import ELEMENT
from meaviz.style.page import NUMBER_ONLY, SEGMENT, TIP_LETS_THROUGH
from meaviz.views.shared.atom_colours import choices
from meaviz.views.shared.buttons import icon_button, small_button, toggle
from meaviz.views.shared.feedback import keep_state
from meaviz.views.shared.remembered import remember

SPEEDS = {"0.5 / s": 0.5, "1 / s": 1.0, "2 / s": 2.0, "5 / s": 5.0, "10 / s": 10.0}


class Shown(param.Parameterized):
    """What of the chosen atom is shown; kept from structure to structure."""

    mode: Any = param.Selector(default="environment", objects=["environment", "structure"])
    overlaid = param.Boolean(default=False, doc="Lay compared environments over each other.")
    repeats = param.Tuple(default=(1, 1, 1), doc="Cells along a, b, c.")


def tool_row(session: Session, viewer: StructureViewer, shown: Shown) -> tuple[pn.FlexBox, pn.Column]:
    """The row of tools, and the settings that one of them opens."""

    def step(by: int) -> Callable[[], object]:
        return lambda: session.selection.step_through(by)

    back = icon_button("skip_previous", "Previous environment of the selection (left arrow key)", step(-1))
    forth = icon_button("skip_next", "Next environment of the selection (right arrow key)", step(1))
    play = toggle("", "Play through the selection (space bar)", icon="play_arrow")
    play.link(viewer, value="playing", bidirectional=True)
    play.param.watch(lambda event: setattr(play, "icon", "pause" if event.new else "play_arrow"), "value")
    mode = pmui.RadioButtonGroup(
        options={"Environment": "environment", "Structure": "structure"},
        value=shown.mode,
        size="small",
        sx={"& .MuiToggleButton-root": {**SEGMENT["& .MuiToggleButton-root"], "padding": "3px 6px"}},
        margin=(0, 2),
        description="An atom with its neighbours within the cutoff, or all atoms alike",
        stylesheets=[TIP_LETS_THROUGH],
    )
    mode.link(shown, value="mode", bidirectional=True)
    pin = toggle("", "Pin this environment and compare the next ones with it", icon="push_pin")
    _link_pin(session, pin)
    measure = toggle("", "Measure: click 2 atoms for a distance, 3 for an angle, 4 for a dihedral", icon="straighten")
    measure.link(viewer, value="measuring", bidirectional=True)
    settings = _settings(session, viewer, shown)
    tune = toggle("View", "View: colours, representation, arrows, cells, picture")
    tune.link(settings, value="visible")

    def enable(*events: Any) -> None:
        for widget in (back, play, forth):
            widget.disabled = session.data.dataset is None
        pin.disabled = session.selection.inspected < 0 and not pin.value
        measure.disabled = session.selection.inspected < 0 and not measure.value

    session.data.param.watch(enable, "dataset")
    session.selection.param.watch(enable, "inspected")
    keep_state(enable, back, play, forth, pin, measure)
    enable()
    row = pn.FlexBox(
        back,
        play,
        forth,
        mode,
        pin,
        measure,
        tune,
        align_items="center",
        gap="2px",
        flex_wrap="wrap",
        sizing_mode="stretch_width",
        margin=(4, 4),
    )
    return row, settings


def _link_pin(session: Session, pin: pmui.Toggle) -> None:
    selection = session.selection

    def follow(event: Any) -> None:
        pin.value = selection.pinned >= 0

    def act(event: Any) -> None:
        if pin.value != (selection.pinned >= 0):
            selection.pinned = selection.inspected if pin.value else -1
            pin.value = selection.pinned >= 0  # without anything to pin the button springs back

    pin.param.watch(act, "value")
    selection.param.watch(follow, "pinned")


def _settings(session: Session, viewer: StructureViewer, shown: Shown) -> pn.Column:
    def select(label: str, options: Any, value: Any, width: int = 132) -> pmui.Select:
        return pmui.Select(label=label, options=options, value=value, size="small", width=width, margin=(6, 4))

    def switch(label: str, value: bool) -> pmui.Checkbox:
        return pmui.Checkbox(label=label, value=value, size="small", margin=(0, 6, 0, 0))

    colour = pmui.Select(label="Colour atoms by", groups=choices(session), size="small", width=132, margin=(6, 4))
    colour.value = session.appearance.atoms_by
    colour.link(session.appearance, value="atoms_by", bidirectional=True)

    def offer(event: Any) -> None:
        groups = choices(session)
        names = {name for group in groups.values() for name in group.values()}
        chosen = session.appearance.atoms_by if session.appearance.atoms_by in names else ELEMENT
        colour.param.update(groups=groups, value=chosen)

    session.data.param.watch(offer, "properties")
    style = select("Representation", REPRESENTATIONS, viewer.representation)
    style.link(viewer, value="representation")
    cells = [select(f"Cells, {axis}", [1, 2, 3], 1, width=76) for axis in "abc"]
    for widget in cells:
        widget.param.watch(lambda event: setattr(shown, "repeats", tuple(cell.value for cell in cells)), "value")
    arrows, frame, axes, overlaid = (
        switch("Forces", viewer.arrows),
        switch("Cell", viewer.cell),
        switch("Axes", viewer.axes),
        switch("Overlay pinned", shown.overlaid),
    )
    arrows.link(viewer, value="arrows")
    frame.link(viewer, value="cell")
    axes.link(viewer, value="axes")
    overlaid.link(shown, value="overlaid")
    scale = pmui.FloatInput(
        label="Arrows / Å per eV/Å",
        value=viewer.arrow_scale,
        start=1e-4,
        step=0.1,
        size="small",
        sx=NUMBER_ONLY,
        width=132,
        margin=(6, 4),
    )
    scale.link(viewer, value="arrow_scale", bidirectional=True)
    speed = select("Player", SPEEDS, viewer.speed, width=96)
    speed.link(viewer, value="speed")
    shown_in_3d = {"style": style, "arrows": arrows, "cell": frame, "axes": axes, "overlaid": overlaid, "scale": scale}
    repeats = {f"cells_{axis}": widget for axis, widget in zip("abc", cells, strict=True)}
    remember(session, **{f"atoms_{name}": widget for name, widget in (shown_in_3d | repeats).items()})
    factor = select("Picture, size", {"1 ×": 1, "2 ×": 2, "4 ×": 4, "8 ×": 8}, 4, width=96)
    paper = select("Background", BACKGROUNDS, "theme", width=120)
    save = small_button(
        "Save picture",
        lambda: viewer.snapshot(factor.value, background=paper.value, download=picture_name(session, shown.mode)),
        description="Save picture of the view as a PNG file",
    )
    rows = [
        pn.FlexBox(*group, align_items="center", gap="0px", sizing_mode="stretch_width", margin=(0, 8))
        for group in ((colour, style, scale, *cells, speed), (arrows, frame, axes, overlaid), (factor, paper, save))
    ]
    card = pmui.Paper(*rows, elevation=8, sizing_mode="stretch_width", margin=0)
    over = {"position": "absolute", "top": "4px", "left": "6px", "right": "6px", "z-index": "20", "width": "auto"}
    return pn.Column(card, visible=False, margin=0, styles=over)


def picture_name(session: Session, mode: str) -> str:
    """File name of a picture: data, structure and atom, and with what it is compared."""
    data, row, pinned = session.data.dataset, session.selection.inspected, session.selection.pinned
    if data is None or row < 0:
        return "structure.png"
    name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in data.name)

    def place(at: int) -> str:
        return f"structure{data.structure_of[at]}-atom{data.atom_of[at]}"

    versus = f"-vs-{place(pinned)}" if 0 <= pinned != row and mode == "environment" else ""
    return f"{name}-{place(row)}{versus}.png"
