"""From a click to a result: each step runs as a job of its own, and its result is assigned to the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from meagraph import compiling
from meagraph.datasets import AtomicDataset, read_dataset
from meagraph.errors import MEAGraphError
from meagraph.exports import ExportedFiles
from meagraph.latent.cluster_stability import cluster_stability
from meagraph.model.results import EpochRecord
from meagraph.pipeline.analysis import Analysis, look, look_along_rates, recall_analysis
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe
from meagraph.pipeline.learning import Learned, learn, store_model
from meagraph.pipeline.planning import export
from meagraph.pipeline.survey import Survey
from meagraph.progress import Progress
from meaviz.components.map import environment_map
from meaviz.jobs.plan_jobs import PlanWork
from meaviz.jobs.runner import JobRunner, explain
from meaviz.session import STEPS, Session
from meaviz.session.runs import TrainingRun

EXPORT, STABILITY, CLUSTERS = "export", "stability", "clusters"


class Workflow(PlanWork):
    """Starts the steps of one session in their order, and carries on to the map."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._epochs: list[EpochRecord] = []
        self._runner = JobRunner(self._on_progress)

    def open(self, paths: Sequence[str | Path], **reading: Any) -> None:
        """Read files, then compute everything up to the map. A failure keeps what was open before."""
        config = self.session.config

        def work(progress: Progress) -> tuple[AtomicDataset, Analysis | None]:
            dataset = read_dataset(paths, progress=progress, **reading)
            found = recall_analysis(dataset, config)
            if found is not None:
                environment_map.warm(dataset.n_environments)
            return dataset, found

        def take(result: tuple[AtomicDataset, Analysis | None]) -> None:
            dataset, found = result
            self.session.set_dataset(dataset)
            if found is not None:
                self.session.set_descriptors(found.descriptors)
                self.session.set_learned(found.learned)
                self.session.set_survey(found.survey)

        self._start("data", work, take)

    def run(self, step: str, **training: Any) -> None:
        """Compute ``step`` anew (or the first one that lacks a result, if that comes before) and all after it.

        ``training`` goes to :func:`meagraph.pipeline.learning.learn`.
        """
        missing = self.session.missing_step()
        if missing is not None and STEPS.index(missing) < STEPS.index(step):
            step = missing
        self._compute(step, **training)

    def cancel(self) -> None:
        """Stop the running step; results that were there stay."""
        self._runner.cancel()
        self.cancel_figures()

    def save_model(self, path: str) -> Path:
        """Write the model as a checkpoint. Raises MEAGraphError where there is none, or no path."""
        session = self.session
        if session.learned is None or session.descriptors is None:
            raise MEAGraphError("There is no model yet. Train one first.")
        if not path.strip():
            raise MEAGraphError("Name the file to save the model in, for example niobium.safetensors.")
        try:
            return store_model(Path(path).expanduser(), session.learned, session.descriptors)
        except OSError as error:
            raise MEAGraphError(f"The model could not be written: {error}. Choose another folder.") from error

    def export(self, directory: str, *, overwrite: bool) -> None:
        """Write the kept structures, index and manifest of the current plan into ``directory``."""
        session = self.session
        dataset, descriptors, learned = session.dataset, session.descriptors, session.learned
        survey, plan, flags = session.survey, session.plan, session.flags
        cost, curves, quests = session.cost, session.curves, session.quests
        found = None if session.figures is None or session.figures.plan is not plan else session.figures.measures
        if dataset is None or descriptors is None or learned is None or survey is None or plan is None:
            self._fail(EXPORT, "There is nothing to export yet. Compute the map first.")
            return
        if not directory.strip():
            self._fail(EXPORT, "Name the folder to export to.")
            return
        flagged = [
            {"structure": int(dataset.structure_of[row]), "atom": int(dataset.atom_of[row])}
            for row in np.flatnonzero(flags)
        ]
        analysis = Analysis(dataset, descriptors, learned, survey)
        details = {
            "flagged_environments": flagged,
            "structures_with_flags_left_out": session.leave_out_flagged,
        }

        def work(progress: Progress) -> ExportedFiles:
            return export(
                analysis,
                plan,
                Path(directory).expanduser(),
                measures=found,
                cost=cost,
                curves=curves,
                quests=quests,
                details=details,
                overwrite=overwrite,
                progress=progress,
            )

        self._start(EXPORT, work, lambda files: session.param.update(exported=files))

    def use(self, run: TrainingRun) -> None:
        """Take the model of an earlier training again, as it is; only the map is made anew."""
        session = self.session
        if self._runner.busy:
            self._fail("model", "Another step is being computed. Wait for it, or cancel it.")
            return
        made_by = run.learned.config
        session.config = replace(session.config, training=made_by.training, graph=made_by.graph, seed=made_by.seed)
        session.set_learned(run.learned)
        self.run("map")

    def measure_stability(self) -> None:
        """Find the published clusters along the pooling rate, once a model: then any rate is looked up."""
        session, config = self.session, self.session.config
        learned = session.learned
        if learned is None:
            self._fail(STABILITY, "There is no model yet. Train one first.")
            return
        self._start(
            STABILITY,
            lambda progress: look_along_rates(learned, config, progress=progress),
            lambda found: session.param.update(stability=found),
        )

    def measure_cluster_stability(self) -> None:
        """Find out which clusters are found again when a part of the data is missing."""
        session, config = self.session, self.session.config
        learned, survey = session.learned, session.survey
        if learned is None or survey is None:
            self._fail(CLUSTERS, "There are no clusters yet. Compute the map first.")
            return
        self._start(
            CLUSTERS,
            lambda progress: cluster_stability(
                survey.clusters, survey.embedding, learned.condensed, config.clustering, progress=progress
            ),
            lambda found: session.param.update(cluster_stability=found),
        )

    # ---- the steps

    def _compute(self, step: str, **training: Any) -> None:
        session, config = self.session, self.session.config
        dataset, descriptors, learned = session.dataset, session.descriptors, session.learned
        if step == "data" or dataset is None:
            self._fail("data", "Open a dataset first.")
        elif step == "descriptors":
            self._start(
                step,
                lambda progress: describe(dataset, config.descriptors, progress=progress),
                session.set_descriptors,
            )
        elif step == "model":
            self._epochs.clear()
            session.history = ()
            self._start(
                step,
                lambda progress: learn(
                    dataset,
                    descriptors,
                    config,
                    **training,
                    on_epoch=self._epochs.append,
                    progress=progress,
                ),
                session.set_learned,
            )
        else:
            self._start(step, lambda progress: self._look(dataset, learned, config, progress), session.set_survey)

    @staticmethod
    def _look(dataset: AtomicDataset, learned: Learned, config: PipelineConfig, progress: Progress) -> Survey:
        """The survey, and everything compiled that draws it: the event loop must not wait for that."""
        compiling.begin(environment_map.__name__)
        result = look(dataset, learned, config, progress=progress)
        compiling.finish(environment_map.__name__, progress=progress)
        environment_map.warm(dataset.n_environments)
        return result

    def _start(self, step: str, work: Callable[[Progress], Any], take: Callable[[Any], Any]) -> None:
        def done(result: Any) -> None:
            self.session.param.update(running="", progress=(0.0, ""))
            try:
                take(result)
            except MEAGraphError as error:
                self._fail(step, str(error))
                return
            following = self.session.missing_step()
            if step in STEPS and following is not None:
                self._compute(following)

        def failed(message: str) -> None:
            self.session.param.update(running="", progress=(0.0, ""), problem=(step, message))

        try:
            self._runner.start(work, done, failed)
        except MEAGraphError as error:
            self._fail(step, explain(error))
            return
        self.session.param.update(running=step, progress=(0.0, ""), problem=("", ""))

    def _fail(self, step: str, message: str) -> None:
        self.session.problem = (step, message)

    def _on_progress(self, fraction: float, message: str) -> None:
        self.session.progress = (fraction, message)
        if len(self._epochs) > len(self.session.history):
            self.session.history = tuple(self._epochs)
