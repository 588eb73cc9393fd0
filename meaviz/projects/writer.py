"""Writes snapshots of a session into its project, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from meagraph.errors import MEAGraphError
from meaviz.projects.project import Project
from meaviz.projects.snapshot import Snapshot

WAIT = 30.0  # s that the end of a session waits for what is being written

log = logging.getLogger(__name__)


class Writer:
    """Writes snapshots into one project in a thread of its own, one after the other, the latest only."""

    def __init__(self, project: Project, after: Callable[[], object] = lambda: None) -> None:
        self.project = project
        self._after = after  # the first snapshot that was written
        self.error = ""
        self._wanted: tuple[int, Snapshot] | None = None
        self._asked = self.done = 0  # snapshots; those that are on the disk
        self._change = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="project", daemon=True)
        self._thread.start()

    def save(self, shot: Snapshot) -> int:
        """Have ``shot`` written soon; ``done`` reaches the number that is returned once it is."""
        with self._change:
            self._asked += 1
            self._wanted = (self._asked, shot)
            self._change.notify_all()
            return self._asked

    @property
    def busy(self) -> bool:
        """Something is not on the disk yet, and may still come there."""
        return self.done < self._asked and not self.error

    def wait(self, seconds: float = WAIT) -> bool:
        """Wait until all is on the disk; whether it is."""
        with self._change:
            self._change.wait_for(lambda: self.done == self._asked or bool(self.error), seconds)
            return self.done == self._asked

    def end(self, seconds: float = WAIT) -> None:
        """Write what was asked for, then let others write the project."""
        self.wait(seconds)
        with self._change:
            self._ended = True
            self._change.notify_all()
        self._thread.join(seconds)
        self.project.close()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._wanted is not None or self._ended)
                if self._wanted is None:
                    return
                (number, shot), self._wanted = self._wanted, None
            try:
                self.project.save(shot)
                error = ""
                self._after()
                self._after = lambda: None
            except MEAGraphError as problem:
                error = str(problem)
            except Exception as problem:  # in a thread nobody else would hear of it
                log.exception("a project could not be saved")
                error = f"The project cannot be saved ({type(problem).__name__}: {problem}). The log has the details."
            with self._change:
                self.error = error
                if not error:
                    self.done = number
                self._change.notify_all()
