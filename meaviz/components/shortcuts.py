"""What the keys do, and the dialog under ``?`` that lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup

from meagraph.errors import MEAGraphError
from meaviz.components.keyboard import Keyboard
from meaviz.style.page import KEYS_CSS
from meaviz.style.text import TextPane, join, markup

HELP = "?"
MODIFIERS = ("Ctrl", "Alt", "Shift")
SHOWN = {"Escape": "Esc", "ArrowLeft": "←", "ArrowRight": "→", "ArrowUp": "↑", "ArrowDown": "↓", " ": "Space"}


@dataclass(frozen=True)
class Shortcut:
    """A key and what it does."""

    key: str
    title: str
    action: Callable[[], object]
    group: str


class Shortcuts(pn.viewable.Viewer):
    """The keys of one page: views add theirs, the browser reports them, ``?`` lists them.

    A key is named as browsers name it (``"ArrowLeft"``, ``"Escape"``, ``"z"``, ``"?"``), after its modifiers in the
    order ``Ctrl+Alt+Shift+``; Command counts as Ctrl. Shift is named with letters and long names only, for ``"?"`` has
    it already. Nothing is called while a dialog or menu is open, and while the user types only what is asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Shortcut] = {}
        self._notes: list[tuple[str, str, str]] = []  # what is no key of ours, to be listed: group, keys, title
        self.keyboard = Keyboard(self.press)
        self.list = TextPane("", stylesheets=[KEYS_CSS], margin=0, sizing_mode="stretch_width")
        self.foot = pn.Row(margin=0)  # for buttons under the list
        self.dialog = pmui.Dialog(
            self.list,
            self.foot,
            title="Keyboard and mouse",
            close_on_click=True,
            show_close_button=True,
            width_option="lg",
        )
        self.dialog.param.watch(self._follow_dialog, "open")
        self._layout = pn.Column(self.keyboard, self.dialog, width=0, height=0, margin=0)
        self.add(HELP, "This list", self.show, "Page")

    def __panel__(self) -> pn.Column:
        """Return the listener and the dialog for Panel to lay out; they take no room."""
        return self._layout

    def add(
        self, key: str, title: str, action: Callable[[], object], group: str = "Page", *, in_fields: bool = False
    ) -> None:
        """Let ``key`` call ``action``, with ``in_fields`` while the user types, too.

        Raises MEAGraphError for a key that has a meaning already, or none.
        """
        *modifiers, name = key.split("+") if len(key) > 1 else [key]
        in_order = [modifier for modifier in MODIFIERS if modifier in modifiers]
        if not name or modifiers != in_order or (len(name) == 1 and name != name.lower()):
            raise MEAGraphError(f"Expected a key such as 'z', 'Ctrl+Shift+z' or 'ArrowLeft', got {key!r}.")
        if key in self._known:
            raise MEAGraphError(f"The key {key!r} is taken by {self._known[key].title!r}. Choose another.")
        self._known[key] = Shortcut(key, title, action, group)
        self.keyboard.keys = list(self._known)
        if in_fields:
            self.keyboard.in_fields = [*self.keyboard.in_fields, key]

    def note(self, keys: str, title: str, group: str) -> None:
        """List a gesture that is handled elsewhere, such as a drag with Shift."""
        self._notes.append((group, keys, title))

    def press(self, key: str) -> None:
        """Do what ``key`` does, once the page is there: before, what changes does not reach it."""
        when_loaded(self._known[key].action)

    def show(self) -> None:
        """Open the list."""
        self.keyboard.remember_focus()
        self.list.object = self._written()
        self.dialog.open = True

    def _follow_dialog(self, event: Any) -> None:
        if not event.new:
            self.keyboard.return_focus()

    def _written(self) -> Markup:
        groups: dict[str, list[tuple[Markup, str]]] = {}
        for known in self._known.values():
            groups.setdefault(known.group, []).append((shown(known.key), known.title))
        for group, keys, title in self._notes:
            groups.setdefault(group, []).append((markup("<kbd>{}</kbd>", keys), title))
        return join(
            markup(
                "<section><h3>{}</h3><dl>{}</dl></section>",
                group,
                join(markup("<dt>{}</dt><dd>{}</dd>", *entry) for entry in entries),
            )
            for group, entries in groups.items()
        )


def when_loaded(act: Callable[[], object]) -> None:
    """Do something now, or as soon as the browser has the page."""

    def late() -> None:
        act()

    if pn.state.loaded:
        act()
    else:
        pn.state.onload(late)


def shown(key: str) -> Markup:
    """A key for people."""
    parts = key.split("+") if len(key) > 1 else [key]
    names = [SHOWN.get(part, part.upper() if len(part) == 1 else part) for part in parts]
    return join((markup("<kbd>{}</kbd>", name) for name in names), " + ")
