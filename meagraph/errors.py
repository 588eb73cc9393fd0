"""Errors that are meant for the user: what was expected, what came, what to do."""

from __future__ import annotations


class MEAGraphError(Exception):
    """Bad input or an impossible request; the message is complete and ends with the remedy."""


class Cancelled(MEAGraphError):
    """The user stopped the work; nothing was changed."""

    def __init__(self, message: str = "Cancelled.") -> None:
        super().__init__(message)
