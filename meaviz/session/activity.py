"""What is being computed, how far it is, and what went wrong."""

from __future__ import annotations

import param


class Activity(param.Parameterized):
    """The long job of a session."""

    running: str = param.String(default="", doc="The step that is being computed, or 'export'; empty for none.")
    progress: tuple[float, str] = param.Tuple(default=(0.0, ""), doc="Fraction done and message of the running step.")
    problem: tuple[str, str] = param.Tuple(default=("", ""), doc="The step that failed, and the message for the user.")

    examining: tuple[float, str] = param.Tuple(
        default=(0.0, ""), doc="Fraction done and message of the look through the data; no message for none."
    )
    not_examined: str = param.String(default="", doc="Why the look through the data did not come to its end.")

    predicting: tuple[float, str] = param.Tuple(
        default=(0.0, ""), doc="Fraction done and message of the reading of predictions; no message for none."
    )
    not_predicted: str = param.String(default="", doc="Why the predictions that were asked for are not there.")

    @property
    def words(self) -> str:
        """The message of the running step and how far it is."""
        fraction, message = self.progress
        return f"{message} ({fraction:.0%})"

    def problem_of(self, *steps: str) -> str:
        """What went wrong in one of these steps; empty where it was another one, or nothing."""
        step, message = self.problem
        return message if step in steps else ""
