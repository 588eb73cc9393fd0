"""The server that ``load.py`` measures: ``meaviz --serve`` as it is, and a thread that answers questions about it.

Each line of input is a question, each answer a line of JSON. Run by ``load.py`` only.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet

from meaviz import app
from meaviz.jobs.workflow import Workflow

CHECK = 0.25  # s between two looks
LARGE = 50_000  # bytes of what is listed by itself
SETTLED = 8.0  # s after the end of the last session: by then memory has been handed back


def memory() -> dict[str, float]:
    """MB that the process holds: all, its own, and pages of files, which others may share."""
    names = {"VmRSS": "rss", "RssAnon": "anon", "RssFile": "file"}
    found = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in names:
            found[names[name]] = round(int(rest.split()[0]) * 1024 / 1e6, 1)
    return found


def alive() -> dict[str, int]:
    """How many sessions, documents and models there are; nothing else may be at work."""
    from bokeh.document import Document
    from bokeh.model import Model

    from meaviz.session import Session

    kinds = {"Session": Session, "Document": Document, "Model": Model}
    counts = dict.fromkeys(kinds, 0)
    for thing in gc.get_objects():
        for name, kind in kinds.items():
            if issubclass(type(thing), kind):
                counts[name] += 1
    return counts


def server() -> Any:
    """Bokeh's."""
    import panel as pn

    return next(iter(pn.state._servers.values()))[0]


class Noted(Workflow):
    """Known while it is alive. (To look for them among all objects breaks tuples that other threads are making.)"""

    alive: ClassVar[WeakSet[Noted]] = WeakSet()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.alive.add(self)

    @property
    def busy(self) -> bool:
        """It computes."""
        return self._job.busy


def workflows() -> list[Noted]:
    """Those of all sessions that are alive."""
    return list(Noted.alive)


def trimmed() -> dict[str, Any]:
    """Memory after what nobody needs was handed back, and threads."""
    from meagraph.memory import hand_back

    hand_back()
    return memory() | {"threads": threading.active_count(), "files": len(os.listdir("/proc/self/fd"))}


def settle() -> dict[str, Any]:
    """Wait until all sessions without a page have ended, and their jobs; what is left."""
    from meaviz.jobs.runner import jobs_at_work

    while sessions := server().get_sessions():
        for session in sessions:
            session.request_expiration()
        time.sleep(CHECK)
    while jobs_at_work():
        time.sleep(CHECK)
    time.sleep(SETTLED)
    return trimmed() | alive()


def ready() -> dict[str, Any]:
    """How many sessions show a finished map and compute nothing."""
    from meaviz.jobs.runner import jobs_at_work

    users = [one.session.user for one in workflows() if one.session.data.survey is not None]
    return {"with_map": len(users), "users": sorted(set(users)), "jobs": len(jobs_at_work())}


def train(user: str) -> dict[str, Any]:
    """Let ``user`` train a model that the cache does not know, unless that goes on already."""
    for flow in workflows():
        if flow.session.user != user:
            continue
        if not flow.busy:
            data = flow.session.data

            def begin(flow: Any = flow, data: Any = data) -> None:
                data.next_config = replace(data.next_config, seed=int(time.time()) % 100_000)
                flow.run("model")

            document_of(user).add_next_tick_callback(begin)
            return {"began": True}
        return {"began": False, "running": flow.session.activity.running}
    raise RuntimeError(f"{user} has no session")


def document_of(user: str) -> Any:
    """The document of a user's page."""
    for one in server().get_sessions():
        if one.document.session_context.request.meaviz_user == user:
            return one.document
    raise RuntimeError(f"{user} has no page")


def where(user: str) -> dict[str, Any]:
    """Where the points of the first cluster lie, for a lasso around them."""
    import numpy as np

    (flow,) = [one for one in workflows() if one.session.user == user][:1]
    survey = flow.session.data.survey
    xy = survey.projection.xy
    centre = np.median(xy[survey.clusters.labels == 0], axis=0)
    return {"centre": centre.tolist(), "extent": np.ptp(xy, axis=0).tolist(), "environments": len(xy)}


def sizes(count: str = "25") -> dict[str, Any]:
    """What there is most of, for looking, not for a table: objects by type; arrays, texts and bytes by who holds them.

    Arrays and texts count once each, with all bytes of those of one holder in MB, the pages of mapped files left out.
    """
    import numpy as np

    kinds: Counter[str] = Counter()
    number: Counter[str] = Counter()
    room: Counter[str] = Counter()
    seen: set[int] = set()
    for thing in gc.get_objects():
        kinds[f"{type(thing).__module__}.{type(thing).__name__}"] += 1
        held = thing.items() if type(thing) is dict else [("", one) for one in gc.get_referents(thing)]
        for name, value in list(held):
            while isinstance(value, np.ndarray) and isinstance(value.base, np.ndarray):
                value = value.base
            if not isinstance(value, np.ndarray | str | bytes) or id(value) in seen or isinstance(value, np.memmap):
                continue
            size = value.nbytes if isinstance(value, np.ndarray) else sys.getsizeof(value)
            if size < LARGE:
                continue
            seen.add(id(value))
            what = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"{value[:40]!r}"
            holder = f"{type(thing).__name__} {str(name)[:40]}: {what}"
            number[holder] += 1
            room[holder] += size
    return {
        "kinds": kinds.most_common(int(count)),
        "held": [(holder, number[holder], round(size / 1e6, 2)) for holder, size in room.most_common(int(count))],
    }


def answer() -> None:
    """Answer the questions on standard input, one a line, until it ends."""
    questions = {"memory": trimmed, "settle": settle, "ready": ready, "train": train, "where": where, "sizes": sizes}
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed goes to the log
    for line in sys.stdin:
        name, *rest = line.split()
        try:
            found = questions[name](*rest)
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(found), file=out, flush=True)
    os._exit(0)


if __name__ == "__main__":
    from meaviz.cli import main

    app.Workflow = Noted
    threading.Thread(target=answer, daemon=True).start()
    sys.exit(main(sys.argv[1:]))
