"""The app in a cell of a notebook, and what it shares with the code there: what is selected, looked at, flagged."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import numpy as np
import panel as pn
from bokeh.document import Document
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.inspection.selections import Selection, select
from meagraph.pipeline.analysis import Analysis
from meagraph.pruning.plan import PruningPlan
from meaviz.app import TITLE, build
from meaviz.serving.server import serve
from meaviz.session import Session
from meaviz.style.text import markup

PORT = 5007
HEIGHT = 820  # pixels
PATIENCE = 60.0  # s for the page to take what it is given
AGAIN = 20  # ms until a page that loads is asked again

Result = TypeVar("Result")
What = str | NDArray[np.bool_] | Selection
"""A condition, as ``found.select`` takes it, one True or False an environment or structure, or a selection."""


class App:
    """The app for an analysis, as the last expression of a cell: map, 3D view and tables, live both ways.

    It is served to this machine alone by a thread of this process, so that what is set here is on the page at once, and
    what is done there can be asked for here. Where the notebook runs elsewhere, forward the port:
    ``ssh -L 5007:localhost:5007 HOST``.

    Args:
        found: what :func:`meagraph.analyse` or :func:`meagraph.run` gave.
        port: where to serve; any other that is free where somebody listens there.
        height: of the cell, in pixels.
    """

    def __init__(self, found: Analysis, *, port: int = PORT, height: int = HEIGHT) -> None:
        if not isinstance(found, Analysis):
            raise MEAGraphError(
                f"Expected an analysis, but came {type(found).__name__}. Take what meagraph.analyse(DATA) gives."
            )
        self._found = found
        self._height = height
        self._session = _session_of(found)  # of the page that was opened last
        self._document: Document | None = None
        self._heard: list[Callable[[Selection], object]] = []
        self._server = serve(self._page, title=f"{TITLE}: {found.dataset.name}", port=port, hidden=True)
        self._server.wait()
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """Where a browser of this machine finds it, beside the notebook."""
        return self._server.url

    # ---- what is shared

    @property
    def selection(self) -> Selection:
        """What is selected on the page; a condition, a mask or another selection can be set instead.

        What the page's filters hide is not selected. Raises MEAGraphError for what is none of this dataset.
        """
        return self._selection(self._session.selection.mask)

    @selection.setter
    def selection(self, what: What) -> None:
        data = self._found.dataset
        if isinstance(what, str):
            taken = self._found.select(what)
        else:
            taken = what if isinstance(what, Selection) else select(data, what)
        if taken.dataset.fingerprint != data.fingerprint:
            raise MEAGraphError(
                f"Expected a selection of {data.name!r}, but it is of {taken.dataset.name!r}. Select again."
            )
        self._on_page(lambda session: session.selection.select(taken.mask))

    @property
    def inspected(self) -> int:
        """The environment in the 3D view, -1 for none; another can be set."""
        return int(self._session.selection.inspected)

    @inspected.setter
    def inspected(self, row: int) -> None:
        if not -1 <= row < self._found.dataset.n_environments:
            raise MEAGraphError(
                f"Expected an environment from 0 to {self._found.dataset.n_environments - 1}, or -1, but came {row}."
            )
        self._on_page(lambda session: setattr(session.selection, "inspected", int(row)))

    @property
    def flagged(self) -> Selection:
        """What was judged an outlier, here or earlier."""
        return self._selection(self._session.judging.flags, "judged outliers in the app")

    @property
    def plan(self) -> PruningPlan | None:
        """The plan that the page shows."""
        return self._session.planning.plan

    def on_selection(self, call: Callable[[Selection], object]) -> None:
        """Let ``call`` be told of each selection from now on, on the app's thread: it should be quick."""
        self._heard.append(call)

    def close(self) -> None:
        """End the server; pages that are open stay as they are."""
        atexit.unregister(self.close)
        self._server.stop()

    # ---- the page

    def _repr_html_(self) -> str:
        return str(
            markup(
                '<iframe src="{}" title="{}" style="width: 100%; height: {}px; border: 1px solid #8886"></iframe>',
                self.url,
                TITLE,
                self._height,
            )
        )

    def __repr__(self) -> str:
        return f"App of {self._found.dataset.name} at {self.url}"

    def _page(self) -> Any:
        """A page that is opened, or loaded again: it goes on where the one before was."""
        before, session = self._session, _session_of(self._found)
        mask = before.selection.mask
        if mask is not None:
            session.selection.select(mask)
        session.selection.inspected = before.selection.inspected
        session.selection.param.watch(partial(self._tell, session), "mask")
        self._session, self._document = session, pn.state.curdoc
        pn.state.on_session_destroyed(partial(self._gone, pn.state.curdoc))
        page = build(session=session)
        page.sidebar_open = False  # a cell is narrow, and the steps are done
        return page

    def _gone(self, document: Document | None, context: Any) -> None:
        if self._document is document:
            self._document = None

    def _tell(self, session: Session, event: Any) -> None:
        if session is self._session and event.new is not None:
            for call in self._heard:
                call(self._selection(event.new))

    def _selection(self, mask: NDArray[np.bool_] | None, words: str = "selected in the app") -> Selection:
        data = self._found.dataset
        return Selection(data, np.zeros(data.n_environments, dtype=bool) if mask is None else mask.copy(), words)

    def _on_page(self, act: Callable[[Session], Result]) -> Result:
        """Do something to the session: on its page's thread where there is a page. Raises what that raises."""
        document, done = self._document, Future[Result]()
        if document is None:
            return act(self._session)

        def call() -> None:
            if not pn.state.loaded:  # Panel drops changes made between sending the page and hearing that it is ready
                document.add_timeout_callback(call, AGAIN)
                return
            try:
                done.set_result(act(self._session))
            except Exception as error:
                done.set_exception(error)

        document.add_next_tick_callback(call)
        return done.result(PATIENCE)


def _session_of(found: Analysis) -> Session:
    session = Session()
    session.set_dataset(found.dataset)
    session.set_analysis(found, found.evidence)
    if found.novelty is not None:
        session.set_novelty(found.novelty)
    return session
