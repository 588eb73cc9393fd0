"""Files that come from the user's own machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import panel as pn

from meagraph.errors import MEAGraphError
from meaviz.components.file_drop import FileDrop
from meaviz.jobs.runner import held
from meaviz.session import Session
from meaviz.session.uploads import Batch


class Upload(pn.viewable.Viewer):
    """Takes what is dropped, part by part; ``on_open(paths)`` is told once all of it is there.

    What is dropped ``anywhere`` on the page, but on an upload that takes only what is dropped on itself.
    """

    def __init__(
        self, session: Session, on_open: Callable[[Sequence[str]], object], *, anywhere: bool = True, **layout: Any
    ) -> None:
        super().__init__()
        self.session, self._on_open = session, on_open
        self._batch: Batch | None = None
        self.drop = FileDrop(
            on_begin=held(self.begin),
            on_part=held(self.take),
            on_cancel=held(self.stop),
            limit=session.uploads.limit,
            dark=session.appearance.dark,
            anywhere=anywhere,
            **layout,
        )
        session.appearance.param.watch(lambda event: setattr(self.drop, "dark", event.new), "dark")

    def __panel__(self) -> FileDrop:
        """Return the drop zone for Panel to lay out."""
        return self.drop

    def begin(self, files: list[tuple[str, int]]) -> None:
        """Files of these names and sizes want to come."""
        self.stop("")
        try:
            self._batch = self.session.uploads.begin(files)
        except (MEAGraphError, OSError) as error:
            self.drop.status = str(error)
            return
        self.drop.param.update(status="", share=0.0)
        self._go_on(self._batch)

    def take(self, part: bytes) -> None:
        """The next part is there."""
        batch = self._batch
        if batch is None:
            return
        try:
            if not part:
                raise MEAGraphError("A part of the file did not come whole. Try again.")
            batch.add(part)
        except (MEAGraphError, OSError) as error:
            self.stop(f"{batch.paths[batch.file].name if not batch.complete else ''}: {error}")
            return
        self.drop.share = round(batch.share, 2)
        self._go_on(batch)

    def stop(self, why: str = "Stopped.") -> None:
        """Let go of what has come so far."""
        batch, self._batch = self._batch, None
        if batch is not None:
            self.session.uploads.drop(batch)
            self.drop.param.update(share=-1.0, status=why or self.drop.status)

    def _go_on(self, batch: Batch) -> None:
        if not batch.complete:
            self.drop.ask(batch.file, batch.done)
            return
        self._batch = None
        names = ", ".join(path.name for path in batch.opened)
        self.drop.param.update(share=-1.0, status=f"{names}: all there, until this page is closed.")
        self._on_open([str(path) for path in batch.opened])
