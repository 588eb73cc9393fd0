"""Keeps the work of a session: after every change its project is saved, in a thread, a moment later.

The loop takes a snapshot, which copies nothing; a thread writes it. Of snapshots that come while one is written the
last counts. What is shown as saved is on the disk.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import panel as pn
from param.parameterized import Event

from meagraph.errors import MEAGraphError
from meaviz.projects.later import loop_of_now
from meaviz.projects.places import tidy, unnamed_path
from meaviz.projects.project import InUse, Project
from meaviz.projects.snapshot import taken
from meaviz.projects.writer import Writer
from meaviz.session import Session

PAUSE = 0.3  # s after a change, in which others may follow, before it is saved
AGAIN = 10.0  # s after which what could not be saved is tried again

log = logging.getLogger(__name__)


class Keeper:
    """Follows one session and keeps its work in ``session.keeping.path``, or in a project without a name.

    ``later(act, seconds)`` has ``act`` called on the session's loop after a while.
    """

    def __init__(self, session: Session, later: Callable[[Callable[[], object], float], object] | None = None) -> None:
        self.session = session
        self.writer: Writer | None = None
        self._later = later or loop_of_now()
        self._waits = self._looks = self._given = self._paused = False
        self._number = 0  # of the latest snapshot
        self._retry = 0.0
        session.keeping.on = True
        session.activity.param.watch(self._go_on, "running")
        data, planning, selection = session.data, session.planning, session.selection
        for part, names in (
            (data, ["dataset", "next_config", "runs", "learned", "survey", "evidence", "quick", "errors", "novelty"]),
            (data, ["findings", "stability", "thin", "suspects", "cluster_stability"]),
            (planning, ["rankings", "plan", "plans", "compared", "settings", "leave_out_flagged", "keep_ordinary"]),
            (planning, ["cost", "curves", "quests"]),
            (selection, ["mask", "filters", "named", "inspected", "pinned", "asked"]),
            (session.judging, ["judgements", "candidate"]),
            (session.appearance, ["colour_by", "size_by", "axes", "atoms_by", "show_pruned", "labels", "views"]),
        ):
            part.param.watch(self.changed, names)

    # ---- saving by itself

    def changed(self, *events: Event) -> None:
        """Something has changed: it is saved in a moment."""
        if self._waits or self._given or self.session.keeping.state == "read-only":
            return
        self._waits = True
        self.session.keeping.state = "saving"
        self._later(self.save, PAUSE)

    def save(self) -> None:
        """Have the session as it is now written; ``session.keeping`` tells whether it is."""
        self._waits = False
        keeping = self.session.keeping
        if self._given or self._paused or keeping.state == "read-only":
            return
        if self.session.data.dataset is None:
            keeping.state = "off"
            return
        try:
            writer = self._writer()
        except InUse as error:
            keeping.param.update(state="read-only", message=str(error))
            return
        except MEAGraphError as error:
            keeping.param.update(state="failed", message=str(error))
            self._retry = time.monotonic() + AGAIN
            self._later(self._try_again, AGAIN)
            return
        self._number = writer.save(taken(self.session))
        self._retry = time.monotonic() + AGAIN
        if not self._looks:
            self._looks = True
            self._later(self._look, 0.05)

    def _look(self) -> None:
        """Say how the writing goes, until it has ended."""
        writer, keeping = self.writer, self.session.keeping
        self._looks = False
        if writer is None or self._given or keeping.state == "read-only":
            return
        if writer.busy:
            self._looks = True
            self._later(self._look, 0.05)
        elif writer.error:
            keeping.param.update(state="failed", message=writer.error)
            self._later(self._try_again, AGAIN)
        elif not self._waits:
            keeping.param.update(state="saved", message="")

    def _try_again(self) -> None:
        if self.session.keeping.state == "failed" and time.monotonic() >= self._retry:
            self.save()

    def _writer(self) -> Writer:
        """What writes the session's project; that of a new dataset is another one."""
        keeping, asked = self.session.keeping, self.session.data.asked
        if not keeping.path:
            paths, reading = ((), {}) if asked is None else (asked.paths, asked.reading)
            keeping.path = str(held().free(partial(unnamed_path, home=self.session.home), paths, reading))
        if self.writer is None or str(self.writer.project.path) != keeping.path:
            project = Project(keeping.path, write=True, home=self.session.home)
            self._leave()
            self.writer = Writer(project, (lambda: None) if keeping.named else partial(tidy, project.path))
            held().take(self)
        return self.writer

    # ---- names

    def save_as(self, path: Path) -> None:
        """Keep the work under a name from now on. Raises MEAGraphError where something else is there."""
        keeping = self.session.keeping
        if self.session.data.dataset is None:
            raise MEAGraphError("There is nothing to save yet. Open a dataset first.")
        if str(path) == keeping.path and self.writer is not None:
            self.save()
            return
        project = Project(path, write=True, home=self.session.home)
        if project.exists:
            project.close()
            raise MEAGraphError(f"{path}: expected a new name, but a project is there. Choose another, or open that.")
        self._leave()
        self._given = False
        self.writer = Writer(project)
        held().take(self)
        keeping.param.update(path=str(project.path), named=True, state="saving", message="")
        self.save()

    def let_go(self, paths: Sequence[str | Path], reading: Mapping[str, Any]) -> None:
        """These are about to be opened: who writes what is kept of them, here or in another tab, lets go of it."""
        wanted = (Path(os.path.abspath(paths[0])), unnamed_path(paths, reading, home=self.session.home))
        if self.writer is not None and self.writer.project.path in wanted:
            if self._waits:
                self.writer.save(taken(self.session))
            self._leave()
            self._paused = True
        for path in wanted:
            held().release(path)

    def _go_on(self, event: Event) -> None:
        """Nothing is being opened any more."""
        if self._paused and not event.new:
            self._paused = False
            self.changed()

    def follow(self, project: Project | None, *, named: bool, message: str = "") -> None:
        """What is shown next is of this project, which is written from now on; with None it is of none."""
        if self.writer is not None and self._waits:
            self.writer.save(taken(self.session))
        self._leave()
        self._given = self._paused = False
        keeping = self.session.keeping
        if project is None:
            keeping.param.update(path="", named=False, state="off", message="")
            return
        if project.writes:
            self.writer = Writer(project)
            held().take(self)
        state = "saved" if project.writes else "read-only"
        keeping.param.update(path=str(project.path), named=named, state=state, message=message)

    def refuse(self, message: str) -> None:
        """Write nothing into the project from now on."""
        self._waits = False
        self._leave()
        self.session.keeping.param.update(state="read-only", message=message)

    def go_on_here(self) -> None:
        """Take the work back from another tab, as it is shown here."""
        keeping = self.session.keeping
        held().release(Path(keeping.path))
        self._given = False
        keeping.param.update(state="saving", message="")
        self.save()

    def hand_over(self) -> None:
        """Another tab goes on with the work: all is written, and nothing more from here."""
        if self.writer is not None and self._waits:
            self.writer.save(taken(self.session))
        self._leave()
        self._given = True
        self._later(self._tell, 0.0)  # on the loop of its own page

    def _tell(self) -> None:
        if self._given:
            self.session.keeping.param.update(
                state="elsewhere", message="This work goes on in another tab or window: what is done here is not saved."
            )

    def close(self) -> None:
        """The session ends: all is written."""
        state, waits = self.session.keeping.state, self._waits
        self._waits = False
        if (waits or state == "failed") and self.session.data.dataset is not None and not self._given:
            try:
                self._writer().save(taken(self.session))
            except MEAGraphError as error:
                log.error("the work of a session was not saved: %s", error)
        self._leave()

    def _leave(self) -> None:
        writer, self.writer = self.writer, None
        if writer is not None:
            held().forget(self)
            writer.end()


class Held:
    """The projects that the sessions of this server write."""

    def __init__(self) -> None:
        self._by: dict[str, Keeper] = {}
        self._known: set[tuple[str, Path | None]] = set()  # that were written here, and the home of who did

    def take(self, keeper: Keeper) -> None:
        """``keeper`` writes its project."""
        assert keeper.writer is not None
        path = str(keeper.writer.project.path)
        self._by[path] = keeper
        self._known.add((path, keeper.session.home))

    def knows(self, path: str, home: Path | None) -> bool:
        """A session of this server wrote the project at ``path``, one of the same user: a page of his may ask for it.

        ``home`` is that of a user of a shared server.
        """
        return (path, home) in self._known

    def forget(self, keeper: Keeper) -> None:
        """``keeper`` writes nothing any more."""
        self._by = {path: one for path, one in self._by.items() if one is not keeper}

    def release(self, path: Path) -> None:
        """Let another session of this server go on with the project at ``path``; what was done there is written."""
        keeper = self._by.get(str(path))
        if keeper is not None:
            keeper.hand_over()

    def free(self, name: Callable[..., Path], *request: object) -> Path:
        """The first project ``name(*request, number)`` that no other server writes."""
        for number in range(1, 100):
            path = name(*request, number)
            if str(path) in self._by:
                self.release(path)
                return path
            try:
                Project(path, write=True).close()
            except InUse:
                continue
            return path
        return name(*request, 100)

    def close(self) -> None:
        """The server ends: all is written."""
        for keeper in list(self._by.values()):
            keeper.close()


def held() -> Held:
    """Those of this process."""
    return pn.state.as_cached("meaviz: projects", Held)
