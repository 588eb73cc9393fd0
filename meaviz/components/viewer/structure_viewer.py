"""The 3D view of one structure and of one atom's environment in it, drawn by NGL in the browser."""

from __future__ import annotations

import base64
from typing import Any, ClassVar

import ase
import numpy as np
import param
from panel.custom import JSComponent

from meaviz.components.map.gestures import mode_of_keys
from meaviz.components.themed import THEMES
from meaviz.components.viewer import measuring
from meaviz.components.viewer.bundle import Bundle
from meaviz.components.viewer.scene import Environment, build_comparison, build_scene

REPRESENTATIONS = {"Ball and stick": "ball+stick", "Space-filling": "spacefill", "Sticks": "licorice", "Dots": "dots"}
BACKGROUNDS = {"As shown": "theme", "White": "white", "Transparent": "transparent"}
LONGEST = 8.0
"""Arrows are cut at this length, in Å; their heads then have the colour of a warning."""


class StructureViewer(JSComponent):
    """One NGL stage in the browser, reused for every structure that is shown.

    Keyboard, when focused: left and right step, with Shift the arrow keys rotate, + and - zoom, R or Home resets the
    view, the space bar plays and Escape clears what is measured. Mouse: a drag rotates, with the right button or Shift
    it moves, the wheel zooms, a click chooses an atom (``clicked_mode`` tells the keys held).
    """

    representation: Any = param.Selector(default="ball+stick", objects=list(REPRESENTATIONS.values()))
    dim = param.Number(default=0.22, bounds=(0.02, 1), doc="Opacity outside the chosen environment.")
    dark = param.Boolean(default=False, doc="Dark background and light text.")
    background_color = param.Color(default=None, allow_None=True, doc="In place of the theme's own.")
    hover = param.Boolean(default=True, doc="Name the atom under the mouse.")
    caption = param.String(default="", doc="Plain text at the lower left, may have several lines.")
    legend = param.Dict(default={}, doc="What the colours mean, see meaviz.components.viewer.legend.")
    placeholder = param.String(
        default="Click a point on the map to see its environment here", doc="Text while nothing is shown."
    )
    arrows = param.Boolean(default=False, doc="Draw the scene's vectors where they stand out.")
    arrow_scale = param.Number(default=1.0, bounds=(0, None), inclusive_bounds=(False, True), doc="Å per eV/Å.")
    cell = param.Boolean(default=True, doc="Draw the cell, and the repeated ones.")
    axes = param.Boolean(default=True, doc="Show the directions of the cell vectors, or x, y and z.")
    awake = param.Boolean(default=True, doc="Load the library now; False waits for this, or the first structure.")
    scene = param.Dict(default={}, doc="What is drawn, made by show(), compare() and clear(); see build_scene.")
    measuring = param.Boolean(default=False, doc="Clicks pick atoms to measure between instead of choosing one.")
    picked = param.List(default=[], item_type=int, doc="Drawn atoms that are measured between, in their order.")
    readings = param.List(default=[], item_type=dict, doc="What was measured; see meaviz.components.viewer.measuring.")
    playing = param.Boolean(default=False, doc="Step on and on.")
    speed = param.Number(default=1.0, bounds=(0.1, 30), doc="Steps a second; a slow drawing slows it down.")
    page_keys = param.Boolean(default=False, doc="Left and right step also while nothing on the page has the focus.")
    clicked = param.Integer(
        default=-1, doc="Atom of the shown structure that was clicked last, -1 for a click beside the atoms."
    )
    clicked_part = param.Integer(default=0, doc="Of two compared environments, the one that was clicked.")
    clicked_mode = param.String(default="replace", doc="What the keys held at the click ask for; see mode_of_keys.")
    stepped = param.Integer(default=0, doc="1 or -1: the user asked for the next or the previous one.")
    png = param.Bytes(default=None, allow_None=True, doc="The last picture that snapshot() asked for.")

    _rename: ClassVar[dict[str, str | None]] = dict.fromkeys(
        ("clicked", "clicked_part", "clicked_mode", "stepped", "png")
    )
    _constants: ClassVar[dict[str, Any]] = {
        **THEMES,
        "longest": LONGEST,
    }
    _bundle = Bundle()

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._scene_id = 0
        self._atoms: ase.Atoms | None = None  # of the scene; None for none or two
        self._content: tuple[Any, ...] = ()
        self.param.watch(lambda event: self._pick([]), "measuring")

    def show(
        self,
        atoms: ase.Atoms,
        *,
        colors: np.ndarray | None = None,
        vectors: np.ndarray | None = None,
        focus: int = -1,
        cutoff: float = 5.0,
        whole: bool = False,
        repeats: tuple[int, int, int] = (1, 1, 1),
        fit: bool = True,
    ) -> None:
        """Draw a structure; with ``focus`` >= 0 the environment of that atom stands out, the rest is dimmed.

        Args:
            atoms, colors, vectors, focus, cutoff, whole, repeats: as in :func:`build_scene`, whose errors it raises.
            fit: place the camera anew, on the environment if there is one; False keeps the view, and only moves
                it when the chosen atom would lie outside.
        """
        content = build_scene(
            atoms, colors=colors, vectors=vectors, focus=focus, cutoff=cutoff, whole=whole, repeats=repeats
        )
        self._draw(content, fit, atoms, (id(atoms),))

    def compare(self, first: Environment, second: Environment, *, overlaid: bool = False, fit: bool = True) -> None:
        """Draw two environments side by side, or laid over each other; ``fit`` as in :meth:`show`."""
        content = build_comparison(first, second, overlaid=overlaid)
        same = (id(first.atoms), first.focus, id(second.atoms), second.focus)
        self._draw(content, fit, None, same)

    def clear(self) -> None:
        """Empty the view; the placeholder text appears."""
        self._scene_id += 1
        self._atoms, self._content = None, ()
        self.param.update(scene={}, picked=[], readings=[])

    def snapshot(self, factor: int = 2, *, background: str = "theme", download: str = "") -> None:
        """Ask the browser for a picture, ``factor`` (1 to 8) times the size on the screen.

        With a name to ``download`` the browser saves it under that name. Else it arrives later, in ``png``. None
        comes while no browser shows the viewer or where it has no WebGL. ``background`` is one of BACKGROUNDS.
        """
        if not 1 <= factor <= 8:
            raise ValueError(f"factor must be 1 to 8, not {factor}")
        if background not in BACKGROUNDS.values():
            raise ValueError(f"background must be one of {', '.join(BACKGROUNDS.values())}, not {background!r}")
        self._send_msg({"type": "snapshot", "factor": int(factor), "background": background, "download": download})

    def _draw(self, content: dict[str, Any], fit: bool, atoms: ase.Atoms | None, identity: tuple[Any, ...]) -> None:
        old, same = self.scene, identity == self._content
        self._scene_id += 1
        self._atoms, self._content = atoms, identity
        kept = measuring.moved_picks(self.picked, old, content) if same and self.picked and old else []
        scene = {"id": self._scene_id, "fit": fit, **content}
        self.param.update(scene=scene, picked=kept, readings=self._measure(kept, scene))

    def _pick(self, drawn: list[int]) -> None:
        self.param.update(picked=drawn, readings=self._measure(drawn, self.scene))

    def _measure(self, drawn: list[int], scene: dict[str, Any]) -> list[dict[str, Any]]:
        if not drawn:
            return []
        positions = np.asarray(scene["positions"], dtype=np.float64).reshape(-1, 3)[drawn]
        found = measuring.readings(positions, self._atoms)
        return [{**reading, "at": [drawn[at] for at in reading["at"]]} for reading in found]

    def _handle_msg(self, data: dict[str, Any]) -> None:
        match data["type"]:
            case "png":
                self._announce("png", base64.b64decode(data["data"]))
            case "step":
                self._announce("stepped", 1 if data["by"] > 0 else -1)
            case "escape":
                self._pick([])
            case "click" if data["scene"] == self._scene_id:  # on a scene that has been replaced it means nothing
                self._click(int(data["index"]), mode_of_keys(bool(data.get("shift")), bool(data.get("ctrl"))))

    def _click(self, drawn: int, mode: str) -> None:
        if not self.measuring:
            self.clicked_mode = mode
            self.clicked_part = int(np.searchsorted(self.scene["starts"], drawn, side="right") - 1) if drawn >= 0 else 0
            self._announce("clicked", int(self.scene["parents"][drawn]) if drawn >= 0 else -1)
        elif drawn >= 0 and drawn not in self.picked:
            self._pick([*self.picked, drawn] if len(self.picked) < measuring.MOST else [drawn])

    def _announce(self, name: str, value: Any) -> None:
        """Set a parameter so that its watchers hear of it even when the value is the old one."""
        if getattr(self, name) == value:
            self.param.trigger(name)
        else:
            setattr(self, name, value)
