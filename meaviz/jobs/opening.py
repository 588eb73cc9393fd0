"""Files to what is known of them at once: the dataset, and all up to the map where the cache has it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meagraph.datasets import AtomicDataset, DatasetError
from meagraph.datasets.label_table import SETTINGS, LabelTable, label_table
from meagraph.errors import MEAGraphError
from meagraph.inspection.naming import Evidence
from meagraph.pipeline.analysis import Analysis, recall_analysis
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.opening import open_with_known
from meagraph.pipeline.sharing import recall_shares
from meagraph.pipeline.sight import Sight, recall_quick
from meagraph.progress import Progress, silent
from meagraph.pruning.ranking import Ranking
from meaviz.jobs.chain import crew, get_ready
from meaviz.jobs.kept import Kept, find_kept
from meaviz.jobs.shared import (
    known_analysis,
    one_analysis,
    one_evidence,
    one_quick,
    open_dataset,
    remember_analysis,
)
from meaviz.projects import is_project

POLL = 0.05  # s


@dataclass(frozen=True)
class Opened:
    """What was read, and what the cache knows of it."""

    dataset: AtomicDataset
    analysis: Analysis | None = None  # None where a step must be computed
    quick: Sight | None = None
    evidence: Evidence | None = None
    ranking: Ranking | None = None  # with the shares that the dataset asks for; None where these must be found out
    kept: Kept | None = None  # the project that all of it comes from, where it does
    notes: tuple[str, ...] = ()  # what there is to say of it


def open_files(
    paths: Sequence[str | Path],
    config: PipelineConfig,
    progress: Progress,
    *,
    on_labels: Callable[[LabelTable], object] = lambda table: None,
    resume: bool = False,
    home: Path | None = None,
    folders: Sequence[str | Path] = (),
    within: Path | None = None,
    **reading: Any,
) -> Opened:
    """Read files and recall what ``config`` made of them. Raises what reading does.

    Where they are refused for their labels alone, ``on_labels`` is told which there are. A project is opened as it was
    saved, its data looked for in ``folders``, too; with ``resume`` so is what was kept without a name of these files,
    in the ``home`` of a user of a shared server.
    Then no file outside of ``within`` is looked at.
    """
    notes: list[str] = []
    kept = find_kept(paths, reading, notes, resume=resume, home=home, folders=folders, within=within, progress=progress)
    if kept is not None:
        shot = kept.shot
        if shot.dataset is not None:
            get_ready(shot.dataset.n_environments, progress, first=())  # nothing is learned or ranked
            rankings = [one for one in shot.results.get("rankings", ()) if one.chosen is not None]
            return Opened(
                shot.dataset, shot.analysis, ranking=next(iter(rankings), None), kept=kept, notes=tuple(notes)
            )
        kept.project.close()
    if is_project(paths[0]):
        raise MEAGraphError(f"{paths[0]}: holds no data yet. Open the data itself.")
    try:
        dataset = open_dataset(paths, progress=progress, **reading)
    except DatasetError:
        table = _labels_of(paths, progress, reading)
        if table is not None:
            on_labels(table)
        raise
    found = known_analysis(dataset, config)
    if found is None:
        found = recall_analysis(dataset, config)
        if found is None:
            return Opened(dataset, notes=tuple(notes))
        found = one_analysis(found)
        remember_analysis(config, found)
    get_ready(dataset.n_environments, progress)
    known = one_evidence(dataset, crew(), progress)
    quick = recall_quick(dataset, found.descriptors, found.config)
    if quick is not None:
        quick = one_quick(dataset, found.descriptors, quick)
    ranking = recall_shares(dataset, found.survey.ranking, seed=found.config.seed)
    return Opened(dataset, found, quick, known, None if ranking.chosen is None else ranking, notes=tuple(notes))


def names_in(dataset: AtomicDataset, reading: Mapping[str, Any]) -> LabelTable:
    """The names that its frames carry, and which were taken with these options."""
    return label_table(dataset, **{name: reading[name] for name in SETTINGS if reading.get(name) is not None})


def _labels_of(paths: Sequence[str | Path], progress: Progress, reading: Mapping[str, Any]) -> LabelTable | None:
    """The names in files that can be read once no labels are asked for; None where something else is wrong."""
    without = {**reading, "energy_key": (), "forces_key": (), "allow_unlabelled": True}
    try:
        return names_in(open_with_known(list(map(str, paths)), progress=progress, **without), reading)
    except DatasetError:
        return None


class Ahead:
    """Opens files in a thread before there is a session to show them: the page and its browser take seconds to start.

    The first session takes what was opened; others open for themselves, so that nothing is held for longer.
    """

    def __init__(
        self, paths: Sequence[str | Path], *, resume: bool = False, within: Path | None = None, **reading: Any
    ) -> None:
        self._paths, self._reading = tuple(paths), reading
        self._kept: dict[str, Any] = {"resume": resume, "within": within}
        self._found: Opened | None = None
        self._error: MEAGraphError | None = None
        self._at = (0, 1, "")
        self._taken = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def claim(self) -> bool:
        """Whether the caller is the first, and so the one to call :meth:`result`."""
        first = not self._taken.is_set()
        self._taken.set()
        return first

    @property
    def ready(self) -> bool:
        """There is a result, or an error: :meth:`result` need not wait."""
        return not self.thread.is_alive()

    def result(self, progress: Progress = silent) -> Opened:
        """What was opened, once. Raises MEAGraphError where that failed, and what ``progress`` raises."""
        while not self.ready:
            progress(*self._at)
            time.sleep(POLL)
        found, self._found = self._found, None
        if found is None:
            raise self._error or MEAGraphError("What was opened ahead has been taken. Open the files again.")
        return found

    def _run(self) -> None:
        try:
            self._found = open_files(self._paths, PipelineConfig(), self._report, **self._kept, **self._reading)
        except MEAGraphError as error:
            self._error = error
        except Exception as error:  # in a thread nobody else would hear of it
            self._error = MEAGraphError(f"The files could not be opened ({type(error).__name__}: {error}).")

    def _report(self, done: int, total: int, message: str) -> None:
        self._at = (done, total, message)
