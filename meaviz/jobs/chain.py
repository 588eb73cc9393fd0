"""The steps from files to a map as one piece of work, which hands over each result as soon as it is there.

It runs in a job's thread and knows results and settings only: what it hands over is called later, on the session's
loop. So a page that still loads, or draws, holds up no computing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from meagraph import compiling
from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.model.results import EpochRecord
from meagraph.pipeline.analysis import look
from meagraph.pipeline.compiled import LEARNING
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe
from meagraph.pipeline.learning import Learned, learn
from meagraph.pipeline.sight import Sight, quick_sight
from meagraph.pipeline.survey import Survey
from meagraph.progress import Progress
from meagraph.pruning import loops as pruning_loops
from meaviz.components.map import environment_map
from meaviz.jobs.shared import one_description, one_model, one_survey

DRAWING = (environment_map.__name__,)  # what is compiled for it


class Hand:
    """What a job hands over before its end, in order: given in its thread, taken on the session's loop."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()

    def give(self, act: Callable[[], object]) -> None:
        """Have ``act`` called soon."""
        self._waiting.append(act)

    def give_with(self, act: Callable[..., object], *results: object) -> None:
        """Have ``act(*results)`` called soon."""
        self.give(lambda: act(*results))

    def take(self) -> None:
        """Call what was given so far; raises what that raises."""
        while self._waiting:
            self._waiting.popleft()()


@dataclass(frozen=True)
class Receiver:
    """What the session does with what the chain finds; each is called on its loop."""

    begins: Callable[[str], object]  # a step
    descriptors: Callable[[Descriptors, Sight | None], object]
    epochs: Callable[[tuple[EpochRecord, ...]], object]
    learned: Callable[[Learned], object]
    part: Callable[[Sight], object]
    survey: Callable[[Survey], object]


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

    def run(self, progress: Progress) -> None:
        """Compute step by step. Raises what the steps raise; what was handed over before stays."""
        described = self if self.descriptors is not None else self._describe(progress)
        taught = described if described.learned is not None else described._learn(progress)
        taught._look(progress)

    def _describe(self, progress: Progress) -> Chain:
        self.hand.give_with(self.receiver.begins, "descriptors")
        found = one_description(self.dataset, describe(self.dataset, self.config.descriptors, progress=progress))
        quick = quick_sight(self.dataset, found, self.config)
        self.hand.give_with(self.receiver.descriptors, found, quick)
        return replace(self, descriptors=found, quick=quick)

    def _learn(self, progress: Progress) -> Chain:
        assert self.descriptors is not None
        self.hand.give_with(self.receiver.begins, "model")
        self.hand.give_with(self.receiver.epochs, ())
        epochs: list[EpochRecord] = []

        def count(record: EpochRecord) -> None:
            epochs.append(record)
            self.hand.give_with(self.receiver.epochs, tuple(epochs))

        found = learn(self.dataset, self.descriptors, self.config, **self.training, on_epoch=count, progress=progress)
        found = one_model(found)
        self.hand.give_with(self.receiver.learned, found)
        return replace(self, learned=found)

    def _look(self, progress: Progress) -> None:
        """The survey, and everything compiled that draws it and plans with it: the event loop must not wait for it."""
        assert self.learned is not None
        self.hand.give_with(self.receiver.begins, "map")
        compiling.begin(*DRAWING)
        found = look(
            self.dataset,
            self.learned,
            self.config,
            quick=None if self.quick is None else self.quick.projection,
            on_part=lambda sight: self.hand.give_with(self.receiver.part, sight),
            progress=progress,
        )
        found = one_survey(self.dataset, self.learned, found)
        get_ready(self.dataset.n_environments, progress)
        self.hand.give_with(self.receiver.survey, found)


def get_ready(n: int, progress: Progress) -> None:
    """Compile, or load, what a map of ``n`` environments and its plans need on the event loop."""
    compiling.begin(*DRAWING)
    compiling.finish(*LEARNING, progress=progress)
    compiling.finish(*DRAWING, progress=progress)
    environment_map.warm(n)
    pruning_loops.warm()
