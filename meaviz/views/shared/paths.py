"""Fields for paths: they offer the files and folders that the session may open, in the colours of its theme."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meaviz.components.path_field import Offer, PathField
from meaviz.jobs.runner import held
from meaviz.session import Session


def path_field(
    session: Session, label: str, placeholder: str, on_enter: Callable[[], None], **layout: Any
) -> PathField:
    """A field whose paths Enter opens."""

    def complete(text: str) -> tuple[list[Offer], int]:
        """The completions of ``text``, and how many more there are."""
        found = session.places.completions(text)
        return [Offer(one.name + "/" * one.folder, one.path, one.folder) for one in found.entries], found.more

    field = PathField(
        label=label,
        placeholder=placeholder,
        complete=complete,
        on_enter=held(on_enter),
        dark=session.appearance.dark,
        **layout,
    )
    session.appearance.param.watch(lambda event: setattr(field, "dark", event.new), "dark")
    return field
