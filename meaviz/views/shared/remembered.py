"""How something is shown, which is saved with the work, undone and done again as all else that a person does."""

from __future__ import annotations

from typing import Any

from meaviz.session import Session


def remember(session: Session, **widgets: Any) -> None:
    """Let each widget show what ``session.appearance.views`` holds under its name, and hold there what it shows.

    Call it once the widgets have their choices. What stands there and is no choice any more is left aside.
    """
    for name, widget in widgets.items():
        _remember(session, name, widget)


def _remember(session: Session, name: str, widget: Any) -> None:
    appearance, usual = session.appearance, _still(widget.value)

    def note(event: Any) -> None:
        if _still(event.new) != appearance.views.get(name, usual):
            appearance.views = {**appearance.views, name: _still(event.new)}

    def follow(*events: object) -> None:
        wanted: Any = appearance.views.get(name, usual)
        if _still(widget.value) != wanted and _offered(widget, wanted):
            widget.value = list(wanted) if isinstance(widget.value, list) else wanted

    follow()
    widget.param.watch(note, "value")
    appearance.param.watch(follow, "views")


def _still(value: Any) -> Any:
    """A value that nobody changes."""
    return tuple(value) if isinstance(value, list) else value


def _offered(widget: Any, wanted: Any) -> bool:
    options = getattr(widget, "options", None)
    if options is None:
        return True
    there = list(options.values()) if isinstance(options, dict) else list(options)
    return all(one in there for one in (wanted if isinstance(wanted, tuple) else (wanted,)))
