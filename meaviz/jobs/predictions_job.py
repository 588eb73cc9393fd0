"""Predictions beside the data: read in a thread, beside all other work, and compared with the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.evaluation.error_by_novelty import ErrorByNovelty, error_by_novelty
from meagraph.outliers import prediction_signals
from meagraph.outliers.suspects import Suspect, suspects
from meagraph.pipeline.predicting import errors_of
from meagraph.predictions import Errors
from meagraph.predictions.families import families_beside
from meagraph.predictions.quantities import compared, known_quantities
from meagraph.progress import Progress, part
from meaviz.jobs.runner import JobRunner
from meaviz.jobs.shared import open_dataset
from meaviz.session import Session

ALONE = "isolation"  # the signal of the outlier scores that tells how far the nearest environments are
Read = Callable[[AtomicDataset, Progress], Errors]


class PredictionsJob:
    """Fills ``session.data.errors``, and where there is a map ``thin`` and ``suspects``.

    Predictions in the files of a dataset, under another family of names, are taken as it is opened. How reading goes is
    told in ``session.activity``; what cannot be used changes nothing but ``not_predicted`` there.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._runner = JobRunner(self._report, session.turns.short)
        self._later = JobRunner(lambda fraction, message: None, session.turns.short)
        self._next: Read | None = None  # what follows once what is at work has ended
        session.data.param.watch(self._look, "dataset")
        session.data.param.watch(self._measure, ["errors", "survey", "novelty"])
        self._look()

    def take_family(self, family: str) -> None:
        """Compare with the labels that the files carry under the names of a ``family``."""
        self._start(lambda dataset, progress: errors_of(dataset, family=family))

    def open(self, paths: Sequence[str | Path]) -> None:
        """Compare with the labels of the same structures in other files."""

        def read(dataset: AtomicDataset, progress: Progress) -> Errors:
            other = open_dataset(paths, progress=part(progress, 0.0, 0.3), allow_unlabelled=True)
            found = errors_of(dataset, other=other, progress=part(progress, 0.3, 0.95))
            if all(not np.nan_to_num(values).any() for values in (found.energy, found.forces)):
                raise MEAGraphError(
                    f"{other.name}: expected predictions, but its labels are those of {dataset.name} itself. Where it "
                    "holds predictions under other names, open it as the data."
                )
            return found

        self._start(read)

    def cancel(self) -> None:
        """Stop; what was there stays."""
        self._next = None
        self._runner.cancel()
        self._later.cancel()

    def refuse(self, message: str) -> None:
        """Say why nothing was read."""
        self.session.activity.not_predicted = message

    def _look(self, *events: object) -> None:
        """Another dataset: what its files carry is taken."""
        self.cancel()
        self.refuse("")
        dataset, known = self.session.data.dataset, self.session.data.errors
        if known is not None and known.dataset is dataset:  # they came with it, from a project
            return
        families = {} if dataset is None else families_beside(dataset)
        if families:
            self.take_family(next(iter(families)))

    def _start(self, read: Read) -> None:
        if self._runner.busy:  # what is at work is not wanted any more
            self._next = read
            self._runner.cancel()
            return
        dataset = self.session.data.dataset
        if dataset is None:
            self.refuse("Open a dataset first.")
            return

        def work(progress: Progress) -> Errors:
            found = read(dataset, progress)
            progress(1, 1, "predictions: compared")
            return found

        def take(found: Errors) -> None:
            if not self._go_on() and dataset is self.session.data.dataset:
                self.session.set_errors(found)

        def fail(message: str) -> None:
            if not self._go_on() and dataset is self.session.data.dataset:
                self.refuse(message)

        self.session.activity.param.update(predicting=(0.0, "predictions"), not_predicted="")
        self._runner.start(work, take, fail)

    def _go_on(self) -> bool:
        """Begin what was asked for meanwhile, if anything was."""
        self.session.activity.predicting = (0.0, "")
        wanted, self._next = self._next, None
        if wanted is not None:
            self._start(wanted)
        return wanted is not None

    def _report(self, fraction: float, message: str) -> None:
        self.session.activity.predicting = (fraction, message or "predictions")

    # ---- what takes a map

    def _measure(self, *events: object) -> None:
        data = self.session.data
        errors, learned, distance = data.errors, data.learned, thinness(self.session)
        if errors is None or data.survey is None or learned is None or data.suspects is not None or self._later.busy:
            return  # of what is at work the end is waited for: then it is looked at again
        if distance is None and errors.dataset.known.any():
            return  # until its novelty is known

        def work(progress: Progress) -> tuple[dict[str, ErrorByNovelty], tuple[Suspect, ...]]:
            signals = prediction_signals(learned.points, errors.dataset, errors.energy, errors.force)
            return {} if distance is None else answers(errors, np.asarray(distance)), suspects(signals, errors.dataset)

        def take(found: tuple[dict[str, ErrorByNovelty], tuple[Suspect, ...]]) -> None:
            if data.errors is errors and data.learned is learned and thinness(self.session) is distance:
                data.param.update(thin=found[0], suspects=found[1])
            else:
                self._measure()

        self._later.start(work, take, self.refuse)


def thinness(session: Session) -> NDArray[np.floating] | None:
    """How far other data lies from each environment (N,): beside known data the novelty of what is new.

    Otherwise how far the nearest environments are, over the usual distance. None before either is known.
    """
    data = session.data
    if data.novelty is not None:
        return data.novelty.value
    if data.survey is None or (data.dataset is not None and data.dataset.known.any()):
        return None
    return next((signal.value for signal in data.survey.outliers.signals if signal.name == ALONE), None)


def answers(errors: Errors, distance: NDArray[np.floating]) -> dict[str, ErrorByNovelty]:
    """By quantity: whether the error lies where the ``distance`` (N,) to other data is large.

    Of a structure the environment counts that lies farthest. What is known already is no part of the question.
    Raises MEAGraphError where shapes differ.
    """
    data = errors.dataset
    away = np.where(data.known_environments, np.nan, distance.astype(np.float64))
    farthest = np.maximum.reduceat(away, data.offsets[:-1])
    found: dict[str, ErrorByNovelty] = {}
    for one in known_quantities(errors):
        size = compared(errors, one.name).size
        found[one.name] = error_by_novelty(size, away if one.level == "environment" else farthest)
    return found
