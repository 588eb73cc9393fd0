"""From a click to a result: each step runs as a job of its own, and its result is assigned to the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from meagraph.datasets.label_table import LabelTable
from meagraph.errors import MEAGraphError
from meagraph.latent.cluster_stability import cluster_stability
from meagraph.model.checkpoint import FORMAT, model_files
from meagraph.pipeline.analysis import look_along_rates
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learning import store_model
from meagraph.pipeline.planning import export
from meagraph.pipeline.selecting import write_selections
from meagraph.progress import Progress
from meagraph.recipe.judged import flag_details
from meagraph.step_files.checks import claim
from meagraph.workers.clients import active_client
from meaviz.jobs.chain import RANK, Chain, Hand, Receiver, ask_for_shares
from meaviz.jobs.main_job import MainJob
from meaviz.jobs.novelty_job import NoveltyJob
from meaviz.jobs.opening import Ahead, Opened, names_in, open_files
from meaviz.jobs.plan_jobs import PlanJobs
from meaviz.jobs.predictions_job import PredictionsJob
from meaviz.jobs.runner import JobRunner
from meaviz.jobs.show_job import ShowJob
from meaviz.projects import is_project
from meaviz.projects.keeper import Keeper
from meaviz.projects.snapshot import restore
from meaviz.session import STEPS, Session
from meaviz.session.data import Asked
from meaviz.session.recipe import recipe_of
from meaviz.session.runs import TrainingRun

EXPORT, STABILITY, CLUSTERS = "export", "stability", "clusters"


class Workflow:
    """Starts the steps of one session in their order, and carries on to the map."""

    def __init__(self, session: Session, job: MainJob | None = None, keeper: Keeper | None = None) -> None:
        self.session, self.keeper = session, keeper
        self._job = job or MainJob(session)
        self.plans = PlanJobs(session, self._job)
        self._novelty = NoveltyJob(session)
        self.predictions = PredictionsJob(session)
        self.showing = ShowJob(session)
        self._names = JobRunner(lambda fraction, message: None, session.turns.short)

    def open(
        self,
        paths: Sequence[str | Path],
        *,
        ahead: Ahead | None = None,
        folders: Sequence[str | Path] = (),
        **reading: Any,
    ) -> None:
        """Read files, then compute everything up to the map. A failure keeps what was open before.

        ``reading`` goes to :func:`meagraph.pipeline.opening.open_with_known`: ``known`` are files that are known.
        Of what is being opened ``ahead`` the result is taken, at once where it is there. A project is opened as it was
        saved; its data is looked for in ``folders``, too.
        """
        keeper, places, turns = self.keeper, self.session.places, self.session.turns
        within = places.root if places.confined else None
        if keeper is not None and not self._job.busy:
            keeper.let_go(paths, reading)
        data, config, hand = self.session.data, self.session.data.next_config, Hand()
        receiver = self._receiver()
        asked = Asked(tuple(map(str, paths)), reading)

        def take_names(table: LabelTable) -> None:
            if data.asked is asked:
                data.labels = table

        def go_on(found: Opened, progress: Progress) -> None:
            if found.analysis is not None and found.ranking is not None:
                return
            with turns.hold(progress):
                if found.analysis is not None:
                    ask_for_shares(found.dataset, found.analysis.survey, receiver, hand, progress)
                    return
                settings = config if found.kept is None else found.kept.shot.state.get("next_config", config)
                Chain(found.dataset, settings, receiver, hand, promise=turns.promise).run(progress)

        def work(progress: Progress) -> None:
            if ahead is None:
                tell = partial(hand.give, take_names)
                kept: dict[str, Any] = {"resume": keeper is not None, "home": self.session.home}
                kept |= {"folders": folders, "within": within}
                with turns.hold(progress, short=True):  # what is computed waits for another
                    found = open_files(paths, config, progress, on_labels=tell, **kept, **reading)
            else:
                found = ahead.result(progress)
            hand.give(self._take, found, asked)
            go_on(found, progress)

        if not self._job.busy and not is_project(paths[0]):
            data.param.update(asked=asked, labels=None)
        if ahead is None or not ahead.ready:
            self._start("data", work, hand, waits=False)
            return
        try:
            found = ahead.result()
            self._take(found, asked)
        except MEAGraphError as error:
            self._job.fail("data", str(error))
            return
        if found.analysis is None or found.ranking is None:
            first = "descriptors" if found.analysis is None else RANK
            self._start(first, lambda progress: go_on(found, progress), hand, waits=False)

    def list_labels(self) -> None:
        """Find out which names the frames of the dataset carry; beside whatever else runs."""
        dataset, asked, data = self.session.data.dataset, self.session.data.asked, self.session.data
        if dataset is None or self._names.busy:
            return
        reading = {} if asked is None else asked.reading

        def take(table: LabelTable) -> None:
            if data.dataset is dataset:
                data.labels = table

        self._names.start(
            lambda progress: names_in(dataset, reading), take, lambda message: self._job.fail("data", message)
        )

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

    def end(self) -> None:
        """Stop everything: nobody looks any more."""
        self.cancel()
        self._names.cancel()
        self._novelty.cancel()
        self.predictions.cancel()
        self.showing.cancel()

    def save_model(self, path: str, *, overwrite: bool = False) -> Path:
        """Write the model as a checkpoint, over an earlier one only where ``overwrite`` asks for it.

        Raises MEAGraphError where there is no model or no path, for one outside the root, and for any other file in
        the way.
        """
        data = self.session.data
        dataset, learned, descriptors = data.dataset, data.learned, data.descriptors
        if dataset is None or learned is None or descriptors is None:
            raise MEAGraphError("There is no model yet. Train one first.")
        if not path.strip():
            raise MEAGraphError("Name the file to save the model in, for example niobium.safetensors.")
        weights, beside = model_files(self.session.places.written(path))
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

    def export(
        self, directory: str, *, overwrite: bool, formats: Sequence[str] = (), weights: str | None = None
    ) -> None:
        """Write the kept structures, index and manifest of the current plan into ``directory``, under the root.

        ``formats`` and ``weights`` go to :func:`meagraph.pipeline.planning.export`.
        """
        planning, analysis, flags = self.session.planning, self.session.data.analysis, self.session.judging.flags
        plan, figures = planning.plan, planning.figures
        if analysis is None or plan is None or flags is None:
            self._job.fail(EXPORT, "There is nothing to export yet. Compute the map first.")
            return
        if not directory.strip():
            self._job.fail(EXPORT, "Name the folder to export to.")
            return
        try:
            folder = self.session.places.written(directory)
            recipe = replace(recipe_of(self.session), formats=tuple(formats), weights=weights).to_yaml()
        except MEAGraphError as error:
            self._job.fail(EXPORT, str(error))
            return
        known: dict[str, Any] = {
            "measures": figures.measures if figures is not None and figures.plan is plan else None,
            "cost": planning.cost,
            "curves": planning.curves_now,
            "quests": planning.quests,
            "formats": tuple(formats),
            "weights": weights,
            "flags": flags if flags.any() else None,
            "details": flag_details(analysis.dataset, flags, left_out=planning.leave_out_flagged),
            "recipe": recipe,
            "client": active_client(),
        }
        self._job.start(
            EXPORT,
            lambda progress: export(analysis, plan, folder, **known, overwrite=overwrite, progress=progress),
            lambda files: planning.param.update(exported=files),
        )

    def export_parts(self, directory: str, names: Sequence[str], *, overwrite: bool) -> None:
        """Write parts of the data, of ``session.part_names()``, each into a file in ``directory``, under the root."""
        dataset = self.session.data.dataset
        if dataset is None or not names or not directory.strip():
            self._job.fail(EXPORT, "Choose what to write, and name the folder to write to.")
            return
        try:
            folder = self.session.places.written(directory)
            chosen = {name: self.session.part(name) for name in names}
        except MEAGraphError as error:
            self._job.fail(EXPORT, str(error))
            return
        self._job.start(
            EXPORT,
            lambda progress: write_selections(dataset, chosen, folder, overwrite=overwrite, progress=progress),
            lambda files: self.session.planning.param.update(written=files, parts_written=tuple(names)),
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
        """Start ``step`` with the settings ``config``, and all after it; what it needs must be there."""
        data, hand = self.session.data, Hand()
        if step == "data" or data.dataset is None:
            self._job.fail("data", "Open a dataset first.")
            return
        known = STEPS[: STEPS.index(step)]
        chain = Chain(
            data.dataset,
            config,
            self._receiver(),
            hand,
            descriptors=data.descriptors if "descriptors" in known else None,
            quick=data.quick if "descriptors" in known else None,
            learned=data.learned if "model" in known else None,
            training=training,
            promise=self.session.turns.promise,
        )
        self._start(step, chain.run, hand)

    def _receiver(self) -> Receiver:
        session = self.session
        return Receiver(
            begins=self._job.now,
            descriptors=session.set_descriptors,
            epochs=lambda epochs: session.data.param.update(history=epochs),
            learned=session.set_learned,
            part=session.set_part,
            survey=session.set_survey,
            evidence=lambda found: session.data.param.update(evidence=found),
            ranking=session.planning.know,
        )

    def _take(self, found: Opened, asked: Asked) -> None:
        """Show what was read, and what the cache knows of it."""
        session, known, kept = self.session, found.analysis, found.kept
        session.keeping.param.update(notes=found.notes, missing=() if kept is None else kept.missing)
        if self.keeper is not None:
            if kept is None:
                self.keeper.follow(None, named=False)
            else:
                self.keeper.follow(kept.project, named=kept.named, message=kept.refused)
        if kept is not None:
            try:
                restore(session, kept.shot)
            except Exception as error:  # what is shown in part must not take the place of the whole
                if self.keeper is not None:
                    self.keeper.refuse(f"It could not be shown in full ({error}): nothing is saved in it.")
                raise
            return
        session.set_dataset(found.dataset, asked)
        if known is not None:
            session.set_analysis(known, found.evidence, found.quick)
            if found.ranking is not None:
                session.planning.know(found.ranking)

    def _start(self, step: str, work: Callable[[Progress], None], hand: Hand, *, waits: bool = True) -> None:
        """Do ``work`` as the session's one job; what it gives ``hand`` is taken as it comes."""
        self._job.start(step, work, lambda result: hand.take(), meanwhile=hand.take, waits=waits)
