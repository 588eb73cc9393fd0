"""The steps from files to a map as one piece of work, which hands over each result as soon as it is there.

It runs in a job's thread and knows results and settings only: what it hands over is called later, on the session's
loop. So a page that still loads, or draws, holds up no computing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from meagraph import compiling
from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.inspection.naming import Evidence
from meagraph.model.checkpoint import frame_of
from meagraph.model.results import EpochRecord
from meagraph.pipeline.analysis import look
from meagraph.pipeline.compiled import LEARNING, RANKING
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe_for
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.learning import learn
from meagraph.pipeline.sharing import ask
from meagraph.pipeline.sight import Sight, quick_sight
from meagraph.pipeline.survey import Survey
from meagraph.progress import Progress
from meagraph.pruning import loops as pruning_loops
from meagraph.pruning.ranking import Ranking
from meagraph.workers import Workers
from meagraph.workers.clients import active_client, workers_of
from meaviz.components.map import environment_map, hits
from meaviz.jobs.needs import of_analysis
from meaviz.jobs.shared import one_description, one_evidence, one_model, one_quick, one_survey

RANK = "rank"  # the step
PATIENCE, SENDING = 2.0, 0.1  # s that computing waits for what is shown to be taken, and then to be sent
DRAWING = (environment_map.__name__,)  # what is compiled for it


class Hand:
    """What a job hands over before its end, in order: given in its thread, taken on the session's loop."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._watched = False  # the loop looks here from time to time: the page has loaded
        self._empty = threading.Event()

    def give(self, act: Callable[..., object], *results: object) -> None:
        """Have ``act(*results)`` called soon."""
        self._empty.clear()
        self._waiting.append(lambda: act(*results))

    def show(self, act: Callable[..., object], *results: object) -> None:
        """The same for what is to be seen before more is computed: wait a moment for a page that is there."""
        self.give(act, *results)
        if self._watched and self._empty.wait(PATIENCE):
            time.sleep(SENDING)

    def take(self) -> None:
        """Call what was given so far; raises what that raises."""
        self._watched = True
        while self._waiting:
            self._waiting.popleft()()
        self._empty.set()


@dataclass(frozen=True)
class Receiver:
    """What the session does with what the chain finds; each is called on its loop."""

    begins: Callable[[str], object]  # a step
    descriptors: Callable[[Descriptors, Sight | None], object]
    epochs: Callable[[tuple[EpochRecord, ...]], object]
    learned: Callable[[Learned], object]
    part: Callable[[Sight], object]
    survey: Callable[[Survey], object]
    evidence: Callable[[Evidence], object]
    ranking: Callable[[Ranking], object]  # of the survey, with the shares that the dataset asks for


@dataclass(frozen=True)
class Chain:
    """The steps after the dataset, from the first that is to be computed on; what comes before it must be there."""

    dataset: AtomicDataset
    config: PipelineConfig  # of all of them
    receiver: Receiver
    hand: Hand
    descriptors: Descriptors | None = None  # None: the chain begins with them
    quick: Sight | None = None
    learned: Learned | None = None  # None: the chain trains a model
    training: dict[str, Any] = field(default_factory=dict)  # goes to learn()
    promise: Callable[[float, str], object] = lambda needs, what: None  # of memory; may refuse

    def run(self, progress: Progress) -> None:
        """Compute step by step. Raises what the steps raise; what was handed over before stays."""
        n = self.dataset.n_environments
        self.promise(of_analysis(self.dataset, self.config), f"the analysis of {n:,} environments")
        described = self if self._described else self._describe(progress)
        taught = described if described.learned is not None else described._learn(progress)
        taught._look(progress)

    @property
    def _described(self) -> bool:
        """Whether the descriptors are there, in the frame of the model that is to be loaded where that has one."""
        if self.descriptors is None or (start := self.training.get("model_path")) is None:
            return self.descriptors is not None
        frames = (self.descriptors.frame, frame_of(start))
        first, second = (None if frame is None else frame.digest for frame in frames)
        return first == second

    def _describe(self, progress: Progress) -> Chain:
        self.hand.give(self.receiver.begins, "descriptors")
        found = describe_for(
            self.dataset, self.config, self.training.get("model_path"), workers=crew(), progress=progress
        )
        found = one_description(self.dataset, found)
        quick = one_quick(self.dataset, found, quick_sight(self.dataset, found, self.config))
        hits.warm()
        self.hand.give(self.receiver.descriptors, found, quick)
        return replace(self, descriptors=found, quick=quick)

    def _learn(self, progress: Progress) -> Chain:
        assert self.descriptors is not None
        self.hand.give(self.receiver.begins, "model")
        self.hand.give(self.receiver.epochs, ())
        epochs: list[EpochRecord] = []

        def count(record: EpochRecord) -> None:
            epochs.append(record)
            self.hand.give(self.receiver.epochs, tuple(epochs))

        found = learn(
            self.dataset,
            self.descriptors,
            self.config,
            **self.training,
            on_epoch=count,
            workers=crew(),
            progress=progress,
        )
        found = one_model(found)
        self.hand.give(self.receiver.learned, found)
        return replace(self, learned=found)

    def _look(self, progress: Progress) -> None:
        """The survey, and everything compiled that draws it and plans with it: the event loop must not wait for it."""
        assert self.learned is not None
        self.hand.give(self.receiver.begins, "map")

        def show(sight: Sight) -> None:
            self.hand.show(self.receiver.part, sight)
            if not sight.quick:  # the learned map goes first
                compiling.begin(*DRAWING)

        found = look(
            self.dataset,
            self.learned,
            self.config,
            quick=None if self.quick is None else self.quick.projection,
            on_part=show,
            workers=crew(),
            progress=progress,
        )
        found = one_survey(self.dataset, self.learned, found)
        get_ready(self.dataset.n_environments, progress)
        self.hand.give(self.receiver.evidence, one_evidence(self.dataset, crew(), progress))
        self.hand.give(self.receiver.survey, found)
        ask_for_shares(self.dataset, found, self.receiver, self.hand, progress)


def crew() -> Workers:
    """Those of the cluster that the server was started with; this process where there is none."""
    return workers_of(active_client())


def ask_for_shares(dataset: AtomicDataset, survey: Survey, receiver: Receiver, hand: Hand, progress: Progress) -> None:
    """Find out which shares of the clusters serve the dataset: plans follow them from then on."""
    hand.give(receiver.begins, RANK)
    hand.give(receiver.ranking, ask(dataset, survey.ranking, seed=survey.config.seed, progress=progress))


def get_ready(n: int, progress: Progress, *, first: tuple[tuple[str, ...], ...] = (LEARNING, RANKING)) -> None:
    """Compile, or load, what a map of ``n`` environments and its plans need on the event loop.

    What was begun of ``first`` is waited for, lest it be compiled twice.
    """
    for modules in first:
        compiling.finish(*modules, progress=progress)
    compiling.finish(*DRAWING, progress=progress)
    environment_map.warm(n)
    pruning_loops.warm()
