"""Why a candidate stands out, worked out off the event loop; of several questions only the newest is answered."""

from __future__ import annotations

from meagraph.errors import MEAGraphError
from meagraph.outliers import Explanation, Outliers, Reference, explain, ordinary_reference
from meagraph.progress import Progress
from meaviz.jobs.runner import JobRunner
from meaviz.session import Session


class Explainer:
    """Answers for one session in ``session.judging.explanation``."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._wanted = -1
        self._known: tuple[Outliers | None, Reference | None] = None, None
        self._runner = JobRunner(lambda fraction, message: None)
        session.judging.param.watch(self._ask, "candidate")

    def _ask(self, *events: object) -> None:
        judging = self.session.judging
        self._wanted = judging.candidate
        judging.explanation = None
        if self._wanted >= 0 and not self._runner.busy:
            self._start(self._wanted)

    def _start(self, row: int) -> None:
        analysis = self.session.data.found
        dataset, learned, outliers = analysis.dataset, analysis.learned, analysis.survey.outliers
        known = self._known[1] if self._known[0] is outliers else None

        def work(progress: Progress) -> tuple[Reference, Explanation]:
            reference = known or ordinary_reference(learned.points, learned.condensed, outliers, dataset)
            return reference, explain(row, reference, learned.points, outliers, dataset)

        def done(result: tuple[Reference, Explanation] | None, message: str = "") -> None:
            survey = self.session.data.survey
            if self._wanted != row or survey is None or survey.outliers is not outliers:
                if self._wanted >= 0:
                    self._start(self._wanted)
                return
            if result is None:
                self.session.activity.problem = ("outliers", message)
                return
            self._known = outliers, result[0]
            self.session.judging.explanation = result[1]

        try:
            self._runner.start(work, done, lambda message: done(None, message))
        except MEAGraphError as error:
            self.session.activity.problem = ("outliers", str(error))
