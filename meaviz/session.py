"""Everything that the app remembers for one browser session; it knows no widget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import param
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.evaluation import PlanCost
from meagraph.export import ExportedFiles
from meagraph.learning import Learned, PipelineConfig
from meagraph.pruning import PruningConfig, PruningPlan, prune
from meagraph.survey import Survey
from meaviz.annotations import read_flags, write_flags

STEPS = ("data", "descriptors", "model", "map")
COMBINE: dict[str, Callable[[NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.bool_]]] = {
    "replace": lambda old, new: new,
    "add": lambda old, new: old | new,
    "remove": lambda old, new: old & ~new,
    "intersect": lambda old, new: old & new,
}


class Session(param.Parameterized):
    """The state of the app. Replacing a result clears everything that was computed from it."""

    config = param.ClassSelector(class_=PipelineConfig, doc="Settings of the next computation.")
    pruning = param.ClassSelector(class_=PruningConfig)
    dataset = param.ClassSelector(class_=AtomicDataset, allow_None=True)
    descriptors = param.ClassSelector(class_=Descriptors, allow_None=True)
    learned = param.ClassSelector(class_=Learned, allow_None=True)
    survey = param.ClassSelector(class_=Survey, allow_None=True)
    plan = param.ClassSelector(class_=PruningPlan, allow_None=True)
    exported = param.ClassSelector(class_=ExportedFiles, allow_None=True)
    cost = param.ClassSelector(class_=PlanCost, allow_None=True, doc="What the plan that was measured last costs.")
    history = param.Parameter(default=(), doc="Epoch records of the training that runs or ran last.")

    selection = param.Parameter(default=None, doc="(N,) bool, or None before there is a map.")
    flags = param.Parameter(default=None, doc="(N,) bool: environments judged outliers by hand.")
    inspected = param.Integer(default=-1, doc="Row of the environment in the 3D view, -1 for none.")
    colour_by = param.String(default="cluster")
    leave_out_flagged = param.Boolean(default=True, doc="Structures with flagged environments are not exported.")
    show_pruned = param.Boolean(default=False, doc="Draw what the plan prunes faintly on the map.")
    dark = param.Boolean(default=False)

    running = param.String(default="", doc="The step that is being computed, or 'export'; empty for none.")
    progress = param.Tuple(default=(0.0, ""), doc="Fraction done and message of the running step.")
    problem = param.Tuple(default=("", ""), doc="The step that failed, and the message for the user.")

    def __init__(self, **values: Any) -> None:
        values.setdefault("config", PipelineConfig())
        values.setdefault("pruning", PruningConfig())
        super().__init__(**values)

    # ---- results: assigning one clears what depends on it

    def set_dataset(self, dataset: AtomicDataset | None) -> None:
        """Take a new dataset; everything else starts again."""
        self._clear_from("descriptors")
        self.dataset = dataset

    def set_descriptors(self, descriptors: Descriptors) -> None:
        """Take new descriptors; model and map are gone."""
        self._clear_from("model")
        self.descriptors = descriptors

    def set_learned(self, learned: Learned) -> None:
        """Take a model; the map is gone."""
        self._clear_from("map")
        self.param.update(learned=learned, history=learned.history)

    def set_survey(self, survey: Survey) -> None:
        """Take a new map with its clusters; selection, flags and plan follow it."""
        self._clear_from("map")
        assert self.dataset is not None
        flags = read_flags(self.dataset)
        self.param.update(
            survey=survey,
            selection=np.zeros(self.dataset.n_environments, dtype=bool),
            flags=flags,
            plan=self._plan(survey, flags),
        )

    def _clear_from(self, step: str) -> None:
        cleared: dict[str, Any] = {
            "survey": None,
            "plan": None,
            "exported": None,
            "cost": None,
            "selection": None,
            "flags": None,
            "inspected": -1,
            "problem": ("", ""),
        }
        if step in ("descriptors", "model"):
            cleared |= {"learned": None, "history": ()}
        if step == "descriptors":
            cleared["descriptors"] = None
        self.param.update(**cleared)

    def missing_step(self) -> str | None:
        """The first step without a result, None where the map is there."""
        results = (self.dataset, self.descriptors, self.learned, self.survey)
        return next((step for step, result in zip(STEPS, results, strict=True) if result is None), None)

    # ---- selection and flags

    def select(self, mask: NDArray[np.bool_], mode: str = "replace") -> None:
        """Combine the selection with ``mask`` (N,); ``mode`` is one of COMBINE."""
        if self.selection is not None:
            self.selection = COMBINE[mode](self.selection, mask)

    def clear_selection(self) -> None:
        """Select nothing."""
        if self.selection is not None:
            self.selection = np.zeros_like(self.selection)

    def flag_selection(self, outlier: bool) -> int:
        """Flag (or unflag) the selection, or the inspected environment where nothing is selected; return how many."""
        if self.dataset is None or self.flags is None:
            return 0
        mask = self.selection.copy()
        if not mask.any() and self.inspected >= 0:
            mask[self.inspected] = True
        changed = self.flags != outlier
        count = int((changed & mask).sum())
        if count:
            flags = self.flags.copy()
            flags[mask] = outlier
            write_flags(self.dataset, flags)
            self.param.update(flags=flags, plan=self._plan(self.survey, flags), exported=None)
        return count

    def step_through(self, step: int) -> None:
        """Inspect the next (or previous) environment of the selection, of all where nothing is selected."""
        if self.selection is None:
            return
        rows = np.flatnonzero(self.selection) if self.selection.any() else np.arange(len(self.selection))
        if self.inspected < 0:
            self.inspected = int(rows[0 if step > 0 else -1])
            return
        place = int(np.searchsorted(rows, self.inspected))
        if step > 0 and place < len(rows) and rows[place] == self.inspected:
            place += 1
        elif step < 0:
            place -= 1
        self.inspected = int(rows[place % len(rows)])

    # ---- pruning

    @param.depends("pruning", "leave_out_flagged", watch=True)
    def _replan(self) -> None:
        if self.survey is not None:
            self.param.update(plan=self._plan(self.survey, self.flags), exported=None)

    def _plan(self, survey: Survey, flags: NDArray[np.bool_]) -> PruningPlan:
        assert self.dataset is not None
        rejected = flags if self.leave_out_flagged else None
        return prune(survey.ranking, survey.clusters, self.dataset, self.pruning, rejected=rejected)

    # ---- facts

    def describe(self, row: int) -> dict[str, str]:
        """Facts of the environment ``row`` for people: name to text with unit."""
        assert self.dataset is not None
        data = self.dataset
        structure, atom = int(data.structure_of[row]), int(data.atom_of[row])
        source = data.sources[data.source_index[structure]].path
        size = int(data.offsets[structure + 1] - data.offsets[structure])
        facts = {
            "environment": f"{row:,}",
            "structure": f"{structure:,} (frame {data.frame_index[structure]:,} of {Path(source).name or data.name})",
            "atom": f"{atom} of {size} ({chemical_symbols[data.numbers[row]]})",
            "group": str(data.groups[structure]),
            "energy": with_unit(data.energy[structure] / size, "eV/atom"),
            "force": with_unit(float(np.linalg.norm(data.forces[row])), "eV/Å"),
        }
        if self.survey is not None:
            label = int(self.survey.clusters.labels[row])
            facts["cluster"] = cluster_name(label)
            facts["outlier score"] = f"{self.survey.outliers.score[row]:.2f}"
            facts["flag"] = "outlier" if self.flags is not None and self.flags[row] else "none"
        return facts


def cluster_name(label: int) -> str:
    """What a cluster is called in the app: its number by falling size, from 1."""
    return "unclustered" if label < 0 else f"{label + 1}"


def with_unit(value: float, unit: str) -> str:
    """A number with its unit, or a dash where there is none."""
    return f"{value:.4g} {unit}" if np.isfinite(value) else "–"
