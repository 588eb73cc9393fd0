"""A command's parser gets its options when it is used: the names of all commands are there at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from meagraph.logs import add_log_options


class Command(argparse.ArgumentParser):
    """The parser of one command, whose options ``fill`` adds before anything is parsed.

    Defaults and choices stand where they are used, in modules that take a second to load.
    """

    def __init__(self, *, fill: Callable[[argparse.ArgumentParser], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._fill = [fill]

    def parse_known_args(self, *given: Any, **named: Any) -> Any:
        """As every parser, with the options added."""
        while self._fill:
            self._fill.pop()(self)
            add_log_options(self)
        return super().parse_known_args(*given, **named)
