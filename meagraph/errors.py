"""Errors that are meant for the user: what was expected, what came, what to do."""

from __future__ import annotations

LONGEST = 2000  # characters of a message


class MEAGraphError(Exception):
    """Bad input or an impossible request; the message is complete and ends with the remedy.

    As text it is one line that any terminal can show, whatever a file had it quote: what has no glyph is spelled out,
    and of what would fill pages the middle is left out.
    """

    def __str__(self) -> str:
        text = " ".join(super().__str__().splitlines())
        shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
        half = LONGEST // 2
        return shown if len(shown) <= LONGEST else f"{shown[:half]} ... {shown[-half:]}"


class Cancelled(MEAGraphError):
    """The user stopped the work; nothing was changed."""

    def __init__(self, message: str = "Cancelled.") -> None:
        super().__init__(message)
