"""From a click to a result: each step runs as a job of its own, and its result is assigned to the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from meagraph import compiling
from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.latent.cluster_stability import cluster_stability
from meagraph.model.checkpoint import FORMAT, model_files
from meagraph.model.results import EpochRecord
from meagraph.pipeline.analysis import Analysis, look, look_along_rates, recall_analysis
from meagraph.pipeline.compiled import LEARNING
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe
from meagraph.pipeline.learning import Learned, learn, store_model
from meagraph.pipeline.planning import export
from meagraph.pipeline.survey import Survey
from meagraph.progress import Progress
from meagraph.pruning import loops as pruning_loops
from meagraph.step_files.checks import claim
from meaviz.components.map import environment_map
from meaviz.jobs.main_job import MainJob
from meaviz.jobs.plan_jobs import PlanJobs
from meaviz.jobs.shared import one_analysis, one_description, one_model, one_survey, open_dataset
from meaviz.session import STEPS, Session
from meaviz.session.runs import TrainingRun

T = TypeVar("T")

EXPORT, STABILITY, CLUSTERS = "export", "stability", "clusters"
DRAWING = (environment_map.__name__,)  # what is compiled for it


class Workflow:
    """Starts the steps of one session in their order, and carries on to the map."""

    def __init__(self, session: Session, job: MainJob | None = None) -> None:
        self.session = session
        self._job = job or MainJob(session)
        self.plans = PlanJobs(session, self._job)

    def open(self, paths: Sequence[str | Path], **reading: Any) -> None:
        """Read files, then compute everything up to the map. A failure keeps what was open before."""
        config = self.session.data.next_config

        def work(progress: Progress) -> tuple[AtomicDataset, Analysis | None]:
            dataset = open_dataset(paths, progress=progress, **reading)
            found = recall_analysis(dataset, config)
            if found is None:
                return dataset, None
            _get_ready(dataset.n_environments, progress)
            return dataset, one_analysis(found)

        def take(result: tuple[AtomicDataset, Analysis | None]) -> None:
            dataset, found = result
            self.session.set_dataset(dataset)
            if found is not None:
                self.session.set_descriptors(found.descriptors)
                self.session.set_learned(found.learned)
                self.session.set_survey(found.survey)

        self._start("data", work, take, config)

    def run(self, step: str, **training: Any) -> None:
        """Compute ``step`` anew (or the first one that lacks a result, if that comes before) and all after it.

        All of it with the settings of now. ``training`` goes to :func:`meagraph.pipeline.learning.learn`.
        """
        missing = self.session.data.missing_step()
        if missing is not None and STEPS.index(missing) < STEPS.index(step):
            step = missing
        self._compute(step, self.session.data.next_config, **training)

    def cancel(self) -> None:
        """Stop the running step; results that were there stay."""
        self._job.cancel()
        self.plans.cancel()

    def save_model(self, path: str, *, overwrite: bool = False) -> Path:
        """Write the model as a checkpoint, over an earlier one only where ``overwrite`` asks for it.

        Raises MEAGraphError where there is no model or no path, and for any other file in the way.
        """
        dataset, learned, descriptors = (
            self.session.data.dataset,
            self.session.data.learned,
            self.session.data.descriptors,
        )
        if dataset is None or learned is None or descriptors is None:
            raise MEAGraphError("There is no model yet. Train one first.")
        if not path.strip():
            raise MEAGraphError("Name the file to save the model in, for example niobium.safetensors.")
        weights, beside = model_files(Path(path.strip()).expanduser())
        claim(weights, FORMAT, inputs=[source.path for source in dataset.sources], remedy="Choose another name.")
        if not overwrite and (weights.exists() or beside.exists()):
            raise MEAGraphError(
                f"{weights}: expected no model there, but there is one. Choose another name, or tick that an earlier "
                "model is replaced."
            )
        try:
            return store_model(weights, learned, descriptors)
        except OSError as error:
            raise MEAGraphError(f"The model could not be written: {error}. Choose another folder.") from error

    def export(self, directory: str, *, overwrite: bool) -> None:
        """Write the kept structures, index and manifest of the current plan into ``directory``."""
        planning, analysis, flags = self.session.planning, self.session.data.analysis, self.session.judging.flags
        plan, figures = planning.plan, planning.figures
        if analysis is None or plan is None or flags is None:
            self._job.fail(EXPORT, "There is nothing to export yet. Compute the map first.")
            return
        if not directory.strip():
            self._job.fail(EXPORT, "Name the folder to export to.")
            return
        dataset = analysis.dataset
        flagged = [
            {"structure": int(dataset.structure_of[row]), "atom": int(dataset.atom_of[row])}
            for row in np.flatnonzero(flags)
        ]
        known: dict[str, Any] = {
            "measures": figures.measures if figures is not None and figures.plan is plan else None,
            "cost": planning.cost,
            "curves": planning.curves,
            "quests": planning.quests,
            "details": {
                "flagged_environments": flagged,
                "structures_with_flags_left_out": planning.leave_out_flagged,
            },
        }
        self._job.start(
            EXPORT,
            lambda progress: export(
                analysis, plan, Path(directory).expanduser(), **known, overwrite=overwrite, progress=progress
            ),
            lambda files: planning.param.update(exported=files),
        )

    def use(self, run: TrainingRun) -> None:
        """Take the model of an earlier training again, as it is; only the map is made anew."""
        if self._job.busy:
            self._job.fail("model", "Another step is being computed. Wait for it, or cancel it.")
            return
        data, made_by = self.session.data, run.learned.config
        data.next_config = replace(data.next_config, training=made_by.training, graph=made_by.graph, seed=made_by.seed)
        self.session.set_learned(run.learned)
        self.run("map")

    def measure_stability(self) -> None:
        """Find the published clusters along the pooling rate, once a model: then any rate is looked up."""
        data = self.session.data
        learned, shown = data.learned, data.survey or data.learned
        if learned is None or shown is None:
            self._job.fail(STABILITY, "There is no model yet. Train one first.")
            return

        def take(found: Any) -> None:
            if data.learned is learned:
                data.stability = found

        self._job.start(STABILITY, lambda progress: look_along_rates(learned, shown.config, progress=progress), take)

    def measure_cluster_stability(self) -> None:
        """Find out which clusters are found again when a part of the data is missing."""
        data = self.session.data
        learned, survey = data.learned, data.survey
        if learned is None or survey is None:
            self._job.fail(CLUSTERS, "There are no clusters yet. Compute the map first.")
            return

        def take(found: Any) -> None:
            if data.survey is survey:
                data.cluster_stability = found

        self._job.start(
            CLUSTERS,
            lambda progress: cluster_stability(
                survey.clusters,
                survey.embedding,
                learned.condensed,
                survey.config.clustering,
                seed=survey.config.seed,
                progress=progress,
            ),
            take,
        )

    # ---- the steps

    def _compute(self, step: str, config: PipelineConfig, **training: Any) -> None:
        """Start ``step`` with the settings ``config``; what it needs must be there."""
        session, data = self.session, self.session.data
        dataset, descriptors, learned = data.dataset, data.descriptors, data.learned
        if step == "data" or dataset is None:
            self._job.fail("data", "Open a dataset first.")
        elif step == "descriptors":
            self._start(
                step,
                lambda progress: one_description(dataset, describe(dataset, config.descriptors, progress=progress)),
                session.set_descriptors,
                config,
            )
        elif step == "model" and descriptors is not None:
            epochs: list[EpochRecord] = []

            def show() -> None:
                if len(epochs) > len(data.history):
                    data.history = tuple(epochs)

            if not self._job.busy:
                data.history = ()
            self._start(
                step,
                lambda progress: one_model(
                    learn(dataset, descriptors, config, **training, on_epoch=epochs.append, progress=progress)
                ),
                session.set_learned,
                config,
                meanwhile=show,
            )
        elif learned is not None:
            self._start(
                step,
                lambda progress: look_and_get_ready(dataset, learned, config, progress),
                session.set_survey,
                config,
            )

    def _start(
        self,
        step: str,
        work: Callable[[Progress], T],
        take: Callable[[T], object],
        config: PipelineConfig,
        *,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Compute ``step``, take the result, and go on with the same settings to the next step that lacks one."""

        def take_and_go_on(result: T) -> None:
            take(result)
            following = self.session.data.missing_step()
            if following is not None:
                self._compute(following, config)

        self._job.start(step, work, take_and_go_on, meanwhile=meanwhile)


def look_and_get_ready(dataset: AtomicDataset, learned: Learned, config: PipelineConfig, progress: Progress) -> Survey:
    """The survey, and everything compiled that draws it and plans with it: the event loop must not wait for that."""
    compiling.begin(*DRAWING)
    result = one_survey(dataset, learned, look(dataset, learned, config, progress=progress))
    _get_ready(dataset.n_environments, progress)
    return result


def _get_ready(n: int, progress: Progress) -> None:
    """Compile, or load, what a map of ``n`` environments and its plans need on the event loop."""
    compiling.begin(*DRAWING)
    compiling.finish(*LEARNING, progress=progress)
    compiling.finish(*DRAWING, progress=progress)
    environment_map.warm(n)
    pruning_loops.warm()
