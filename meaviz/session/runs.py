"""The trainings of one session, to be compared and used again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from meagraph.pipeline.learned import Learned


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A model that the session had."""

    number: int  # from 1
    learned: Learned  # with the settings that it came with

    @property
    def seconds(self) -> float:
        """Time that its epochs took, whenever that was; 0 for a loaded model."""
        return sum(record.seconds for record in self.learned.history)


def remember(runs: tuple[TrainingRun, ...], learned: Learned) -> tuple[TrainingRun, ...]:
    """``runs`` with one more, unless the same model is among them; the descriptors are held once for all."""
    if any(run.learned.key == learned.key for run in runs):
        return runs
    if runs:
        learned = replace(learned, points=runs[0].learned.points, condensed=runs[0].learned.condensed)
    return (*runs, TrainingRun(len(runs) + 1, learned))
