"""A careful look through the dataset off the event loop, soon after one is open, beside all other work."""

from __future__ import annotations

from collections.abc import Hashable

import panel as pn

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.inspection.findings import Findings, examine, examine_labels
from meagraph.progress import Progress
from meaviz.common import shared
from meaviz.jobs.runner import JobRunner
from meaviz.session import Session

QUIET = 2000  # ms from a page, or data, that has appeared until looking begins: it would slow what is drawn first


class Examiner:
    """Fills ``session.data.findings``: what takes a moment first, then all; ``session.activity`` tells how it goes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.runner = JobRunner(self.report, session.turns.short)
        self.at_work_on: AtomicDataset | None = None  # at work on this one
        self.first: Findings | None = None  # what is known of it so far
        self._stopped = False
        session.data.param.watch(self.look, "dataset")
        self.look()

    def look(self, *events: object) -> None:
        """Look through the dataset of now, unless that is done or being done."""
        dataset, self._stopped = self.session.data.dataset, False
        known = self.session.data.findings
        if dataset is None or dataset is self.at_work_on or (known is not None and known.complete):
            return
        found = shared().find(_key(dataset))
        if found is not None:
            self.session.data.findings = found
        elif self.runner.busy:
            self.runner.cancel()  # what is at work is of another dataset: this one follows
        else:
            self._start(dataset)

    def cancel(self) -> None:
        """Stop; what is known so far stays."""
        self._stopped = True
        if self.runner.busy:
            self.runner.cancel()
        elif self.at_work_on is not None:  # it waits
            self._failed("")

    def _start(self, dataset: AtomicDataset) -> None:
        self.at_work_on, self.first = dataset, None

        self.session.activity.param.update(examining=(0.0, "looking through the data"), not_examined="")
        document = pn.state.curdoc
        if document is None:
            self._begin(dataset)
        else:
            pn.state.onload(lambda: document.add_timeout_callback(lambda: self._begin(dataset), QUIET))

    def _begin(self, dataset: AtomicDataset) -> None:
        """Look through ``dataset``, unless another came or the wait was stopped."""
        if dataset is not self.at_work_on or self.runner.busy:
            return

        def work(progress: Progress) -> Findings:
            self.first = examine_labels(dataset)
            return examine(dataset, first=self.first, progress=progress)

        try:
            self.runner.start(work, self._done, self._failed)
        except MEAGraphError as error:
            self._failed(str(error))

    def report(self, fraction: float, message: str) -> None:
        """Show how far the look has come, and what is known by then."""
        self.session.activity.examining = (fraction, message or "looking through the data")
        data = self.session.data
        if data.findings is None and self.first is not None and data.dataset is self.at_work_on:
            data.findings = self.first

    def _done(self, found: Findings) -> None:
        dataset, self.at_work_on = self.at_work_on, None
        self.session.activity.examining = (0.0, "")
        if dataset is not None and dataset is self.session.data.dataset:
            self.session.data.findings = shared().one(_key(dataset), found)
        else:
            self.look()

    def _failed(self, message: str) -> None:
        dataset, self.at_work_on = self.at_work_on, None
        self.session.activity.examining = (0.0, "")
        if self._stopped or dataset is self.session.data.dataset:
            self.session.activity.not_examined = "Stopped." if self._stopped else message
        else:
            self.look()


def _key(dataset: AtomicDataset) -> Hashable:
    return "findings", dataset.fingerprint, dataset.name, repr(dataset.quarantined)
