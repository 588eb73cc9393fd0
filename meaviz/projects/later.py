"""Something done a moment later, where the session can be touched."""

from __future__ import annotations

import threading
from collections.abc import Callable

import panel as pn


def loop_of_now() -> Callable[[Callable[[], object], float], object]:
    """What has something called later on the loop of the page that is being made; on a timer where there is none."""
    document = pn.state.curdoc
    if document is not None:
        return lambda act, seconds: document.add_timeout_callback(act, int(seconds * 1000))

    def later(act: Callable[[], object], seconds: float) -> None:
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()

    return later
