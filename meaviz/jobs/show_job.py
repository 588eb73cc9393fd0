"""What is shown to others: a page of what the session has found, and figures for papers, written beside all work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from meagraph.display.pages import claim_file, write_whole
from meagraph.errors import MEAGraphError
from meagraph.figures.compositions import composition_figure
from meagraph.figures.curves import curves_figure
from meagraph.figures.histograms import histogram_figure
from meagraph.figures.maps import map_figure
from meagraph.figures.style import MARK, file_of, inches, suffix_of
from meagraph.pages.page import MARK as PAGE
from meagraph.pipeline.plotting import sources_of
from meagraph.pipeline.showing import SharedPage, share
from meagraph.progress import Progress
from meagraph.step_files.checks import check_suffix
from meaviz.jobs.runner import JobRunner
from meaviz.session import Session

FIGURES = {"Map": "map", "Histogram": "histogram", "Composition": "composition", "Cost": "curves"}
"""What can be drawn, by the words for it."""


class ShowJob:
    """Writes one file at a time, of a session as it is when that is asked for."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.report: Callable[[float, str], object] = lambda fraction, message: None  # who shows how it goes sets it
        self._runner = JobRunner(self._report, session.turns.short)

    def cancel(self) -> None:
        """Stop: nothing is left half-written."""
        self._runner.cancel()

    def write_page(
        self,
        path: str,
        *,
        title: str,
        comment: str,
        overwrite: bool,
        take: Callable[[SharedPage], None],
        fail: Callable[[str], None],
    ) -> None:
        """Write the page to ``path``, under the root: the map, and what the plan keeps and costs as far as is known."""
        planning = self.session.planning
        plan, figures = planning.plan, planning.figures

        def of_plan(found: Any) -> Any:
            return found if found is not None and found.plan is plan else None

        measured = of_plan(figures)
        known: dict[str, Any] = {
            "plan": plan,
            "cost": of_plan(planning.cost),
            "quests": of_plan(planning.quests),
            "curves": planning.curves,
            "measures": None if measured is None else measured.measures,
            "errors": self.session.data.errors,
        }

        def prepare() -> Callable[[Progress], SharedPage]:
            target, analysis = self._target(path, ".html"), self.session.data.found
            check_suffix(target, ".html", ".htm")
            claim_file(target, PAGE, inputs=sources_of(analysis), overwrite=overwrite)
            return lambda progress: share(
                analysis, target, **known, title=title, comment=comment, overwrite=overwrite, progress=progress
            )

        self._start(prepare, take, fail)

    def write_figure(
        self,
        kind: str,
        path: str,
        *,
        by: str,
        width: str,
        overwrite: bool,
        take: Callable[[Path], None],
        fail: Callable[[str], None],
    ) -> None:
        """Write a figure of a kind of FIGURES to ``path``, under the root; ``by`` names the property that it shows."""

        def prepare() -> Callable[[Progress], Path]:
            target, analysis = self._target(path, ".svg"), self.session.data.found
            suffix, inch = suffix_of(target), inches(width)
            claim_file(target, MARK, inputs=sources_of(analysis), overwrite=overwrite)
            make = self._figure(kind, by, inch)

            def work(progress: Progress) -> Path:
                progress(0, 1, "figure")
                write_whole(target, file_of(make(), suffix))
                return target

            return work

        self._start(prepare, take, fail)

    def _figure(self, kind: str, by: str, width: float) -> Callable[[], Any]:
        """What makes the figure, of nothing that the session may change meanwhile."""
        planning, analysis, properties = self.session.planning, self.session.data.found, self.session.data.properties
        if kind == "curves":
            curves, plan = planning.curves, planning.plan
            if curves is None:
                raise MEAGraphError("The cost along the keep fraction is not known yet. Trace it in the tab Cost.")
            return lambda: curves_figure(curves, None if plan is None else plan.config.keep, width=width)
        if properties is None or by not in properties:
            raise MEAGraphError(f"There is no property {by!r} any more. Choose another.")
        found, survey = properties[by], analysis.survey
        if kind == "map":
            return lambda: map_figure(survey.projection.xy, found, width=width)
        if kind == "histogram":
            return lambda: histogram_figure([found], width=width)
        if found.kind != "category":
            raise MEAGraphError(f"A composition expects categories, but {found.title!r} is a number. Choose another.")
        return lambda: composition_figure(found, survey.clusters, analysis.cluster_names, width=width)

    def _report(self, fraction: float, message: str) -> None:
        self.report(fraction, message)

    def _target(self, path: str, usual: str) -> Path:
        if not path.strip():
            raise MEAGraphError("Name the file to write.")
        target = self.session.places.written(path)
        return target if target.suffix else target.with_suffix(usual)

    def _start(
        self,
        prepare: Callable[[], Callable[[Progress], Any]],
        take: Callable[[Any], None],
        fail: Callable[[str], None],
    ) -> None:
        try:
            self._runner.start(prepare(), take, fail)
        except MEAGraphError as error:
            fail(str(error))
