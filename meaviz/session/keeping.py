"""Where the work of a session is kept, and whether it is."""

from __future__ import annotations

import param

STATES = ("off", "saving", "saved", "failed", "elsewhere", "read-only")


class Keeping(param.Parameterized):
    """The project of a session; ``meaviz.projects`` fills and follows it."""

    on: bool = param.Boolean(default=False, doc="The work is kept by itself.")
    path: str = param.String(default="", doc="The project's folder; empty before there is one.")
    named: bool = param.Boolean(default=False, doc="Somebody chose its name.")
    state: str = param.Selector(default="off", objects=list(STATES), doc="Whether all that is shown is saved.")
    message: str = param.String(default="", doc="Why it is not, and what to do.")
    missing: tuple[str, ...] = param.ClassSelector(class_=tuple, default=(), doc="Files of the data not found.")
    notes: tuple[str, ...] = param.ClassSelector(class_=tuple, default=(), doc="What there is to say of the opening.")
