"""What sessions leave behind when they end: memory that goes back to the system a while later, once for several."""

from __future__ import annotations

import functools

from tornado.ioloop import IOLoop

from meagraph.memory import give_back

PAUSE = 5.0  # seconds between two times: a collection takes about half a second of the processor


class Leaving:
    """Memory is given back PAUSE seconds after a session has ended; those that end meanwhile are served with it."""

    def __init__(self) -> None:
        self._waiting = False

    def ended(self) -> None:
        """A session has ended; to be called in the server's event loop."""
        if not self._waiting:
            self._waiting = True
            IOLoop.current().call_later(PAUSE, self._give_back)

    def _give_back(self) -> None:
        self._waiting = False
        give_back()


@functools.cache
def leaving() -> Leaving:
    """The one of this process."""
    return Leaving()
