"""Everything that the app remembers for one browser session; it knows no widget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import param
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.errors import MEAGraphError
from meagraph.inspection.properties import Properties, two_sided
from meagraph.latent.stability import Stability
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learning import Learned
from meagraph.pipeline.survey import Survey
from meaviz.session.judging import FORGOTTEN, Judging
from meaviz.session.planning import UNPLANNED, Planning
from meaviz.session.runs import remember
from meaviz.session.selections import COMBINE, Filters, History, NamedSelections, named_selections

STEPS = ("data", "descriptors", "model", "map")


class Session(Judging, Planning):
    """The state of the app. Replacing a result clears everything that was computed from it."""

    config = param.ClassSelector(class_=PipelineConfig, doc="Settings of the next computation.")
    dataset = param.ClassSelector(class_=AtomicDataset, allow_None=True)
    descriptors = param.ClassSelector(class_=Descriptors, allow_None=True)
    learned = param.ClassSelector(class_=Learned, allow_None=True)
    survey = param.ClassSelector(class_=Survey, allow_None=True)
    history = param.Parameter(default=(), doc="Epoch records of the training that runs or ran last.")
    runs = param.Parameter(default=(), doc="TrainingRun of every model that these descriptors had.")
    cluster_stability = param.Parameter(default=None, doc="(C,) of each cluster, None until it is measured.")
    stability = param.ClassSelector(class_=Stability, allow_None=True, doc="Of the model, along the pooling rate.")

    properties = param.ClassSelector(class_=Properties, allow_None=True, doc="What is known of each environment.")
    selection = param.Parameter(default=None, doc="(N,) bool, or None before there is a map.")
    named = param.ClassSelector(class_=NamedSelections, allow_None=True, doc="Selections kept under names.")
    filters = param.ClassSelector(class_=Filters, default=Filters(), doc="What is shown; see set_filters.")
    shown = param.Parameter(default=None, doc="(N,) bool: environments that pass the filters, None for all.")
    inspected = param.Integer(default=-1, doc="Row of the environment in the 3D view, -1 for none.")
    colour_by = param.String(default="cluster")
    size_by = param.String(default="", doc="A property of numbers, empty for equal sizes.")
    axes = param.Tuple(default=("umap_1", "umap_2"), doc="Properties along x and y of the map.")
    dark = param.Boolean(default=False)

    running = param.String(default="", doc="The step that is being computed, or 'export'; empty for none.")
    progress = param.Tuple(default=(0.0, ""), doc="Fraction done and message of the running step.")
    problem = param.Tuple(default=("", ""), doc="The step that failed, and the message for the user.")

    pinned = param.Integer(default=-1, doc="Row of the environment that others are compared with, -1 for none.")
    atoms_by = param.String(default="element", doc="What colours the atoms in 3D.")

    def __init__(self, **values: Any) -> None:
        values.setdefault("config", PipelineConfig())
        super().__init__(**values)
        self.history_of_selection = History()

    # ---- results: assigning one clears what depends on it

    def set_dataset(self, dataset: AtomicDataset | None) -> None:
        """Take a new dataset; everything else starts again."""
        self._clear_from("descriptors")
        named = None if dataset is None else named_selections(dataset)
        self.param.update(dataset=dataset, properties=self._properties(dataset), named=named)

    def set_descriptors(self, descriptors: Descriptors) -> None:
        """Take new descriptors; model and map are gone."""
        self._clear_from("model")
        self.descriptors = descriptors

    def set_learned(self, learned: Learned) -> None:
        """Take a model; the map is gone."""
        self._clear_from("map")
        runs = remember(self.runs, learned)
        self.param.update(learned=learned, history=learned.history, stability=None, runs=runs)

    def set_survey(self, survey: Survey) -> None:
        """Take a new map with its clusters; selection, judgements and plan follow it."""
        self._clear_from("map")
        assert self.dataset is not None
        remembered = self._remembered(self.dataset)
        nothing = np.zeros(self.dataset.n_environments, dtype=bool)
        self.history_of_selection.start(nothing)
        properties = self._properties(self.dataset, survey)
        ranking = survey.ranking
        rankings = {(ranking.selector, ranking.within, ranking.seed): ranking}
        self.param.update(
            **self._known(properties),
            properties=properties,
            survey=survey,
            selection=nothing,
            **remembered,
            rankings=rankings,
            pruning=replace(self.pruning, fractions=(), seed=survey.config.seed),  # clusters set by hand are no more
        )
        self._replan()

    def _clear_from(self, step: str) -> None:
        cleared: dict[str, Any] = {
            "survey": None,
            "cluster_stability": None,
            "selection": None,
            **FORGOTTEN,
            **UNPLANNED,
            "inspected": -1,
            "filters": Filters(),
            "shown": None,
            "pinned": -1,
            "problem": ("", ""),
        }
        if step in ("descriptors", "model"):
            cleared |= {"learned": None, "history": (), "stability": None, "runs": ()}
        if step == "descriptors":
            cleared["descriptors"] = None
        self.param.update(**cleared)

    def missing_step(self) -> str | None:
        """The first step without a result, None where the map is there."""
        results = (self.dataset, self.descriptors, self.learned, self.survey)
        return next((step for step, result in zip(STEPS, results, strict=True) if result is None), None)

    # ---- selection and flags

    def select(self, mask: NDArray[np.bool_], mode: str = "replace") -> None:
        """Combine the selection with what is shown of ``mask`` (N,); ``mode`` is one of COMBINE."""
        if self.selection is not None:
            shown = mask if self.shown is None else mask & self.shown
            self._take_selection(COMBINE[mode](self.selection, shown))

    def clear_selection(self) -> None:
        """Select nothing."""
        if self.selection is not None:
            self._take_selection(np.zeros_like(self.selection))

    def invert_selection(self) -> None:
        """Select what is shown and was not selected."""
        if self.selection is not None:
            self.select(~self.selection)

    def grow_selection(self) -> None:
        """Select the whole clusters that the selection touches; unclustered environments stay single."""
        if self.selection is not None and self.survey is not None:
            labels = self.survey.clusters.labels
            touched = np.zeros(self.survey.clusters.n_clusters + 1, dtype=bool)
            touched[labels[self.selection]] = True  # noise is -1, the last
            touched[-1] = False
            self.select(touched[labels], "add")

    def step_cluster(self, step: int) -> None:
        """Select the cluster after (or before) the one that the selection lies in; the first where it lies in none."""
        if self.selection is None or self.survey is None or not self.survey.clusters.n_clusters:
            return
        clusters = self.survey.clusters
        touched = np.unique(clusters.labels[self.selection])
        here = int(touched[0]) if len(touched) == 1 and touched[0] >= 0 else (-1 if step > 0 else 0)
        self.select(clusters.labels == (here + step) % clusters.n_clusters)

    def move_in_history(self, by: int) -> None:
        """Undo (-1) or redo (1) a step of the selection."""
        mask = self.history_of_selection.move(by)
        if mask is not None:
            self.selection = mask

    def search(self, text: str, mode: str = "replace") -> int:
        """Select what ``text`` finds (see :meth:`Properties.find`); return how many. Raises MEAGraphError."""
        if self.properties is None or self.selection is None:
            return 0
        found = self.properties.find(text)
        self.select(found, mode)
        return int(found.sum())

    def set_filters(self, filters: Filters) -> None:
        """Show only what passes ``filters``; the rest leaves the selection. Raises MEAGraphError, changing nothing."""
        if self.properties is None or self.selection is None:
            return
        shown = filters.mask(self.properties)
        self.param.update(filters=filters, shown=shown)
        if shown is not None:
            self._take_selection(self.selection & shown)

    def keep_selection(self, name: str) -> None:
        """Keep the selection under ``name``, on disk. Raises MEAGraphError."""
        if self.named is not None and self.selection is not None:
            self.named = self.named.keep(name, self.selection)

    def recall_selection(self, name: str, mode: str = "replace") -> None:
        """Combine the selection with the one kept under ``name``."""
        if self.named is not None:
            self.select(self.named.mask(name), mode)

    def _take_selection(self, mask: NDArray[np.bool_]) -> None:
        self.history_of_selection.push(mask)
        self.selection = mask

    def flag_selection(self, outlier: bool) -> int:
        """Flag (or unflag) the selection, or the inspected environment where nothing is selected; return how many.

        To unflag leaves open whether they are outliers. What goes wrong is told in ``problem``.
        """
        if self.flags is None:
            return 0
        mask = self.selection.copy()
        if not mask.any() and self.inspected >= 0:
            mask[self.inspected] = True
        try:
            return self.judge(mask & (self.flags != outlier), "outlier" if outlier else "open")
        except MEAGraphError as error:
            self.problem = ("map", str(error))
            return 0

    def follow_flags(self, flags: NDArray[np.bool_]) -> dict[str, Any]:
        """Another plan; an export of the old one is no longer shown."""
        return {"plan": self.make_plan(self.pruning, flags=flags), "exported": None}

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

    # ---- properties

    def _properties(self, dataset: AtomicDataset | None, survey: Survey | None = None) -> Properties | None:
        if dataset is None:
            return None
        if survey is None or self.learned is None:
            return Properties(dataset)
        live = {
            "flag": lambda: two_sided("flag", "Flag", self.flags, ("not flagged", "flagged")),
            "kept": lambda: two_sided("kept", "Plan", self._kept(), ("pruned", "kept")),
            "selected": lambda: two_sided("selected", "Selection", self.selection, ("not selected", "selected")),
        }
        if all(self.compared):
            live["difference"] = self.difference
        return Properties(dataset, survey, self.learned.condensed, live=live)

    def _kept(self) -> NDArray[np.bool_]:
        """Environments (N,) that the plan chooses; all while there is none."""
        return np.ones_like(self.selection) if self.plan is None else self.plan.keep

    @param.depends("compared", watch=True)
    def _offer_difference(self) -> None:
        """The comparison of plans is a property only while two are compared."""
        if self.survey is None:
            return
        properties = self._properties(self.dataset, self.survey)
        self.param.update(properties=properties, colour_by="difference" if all(self.compared) else "cluster")

    def _known(self, properties: Properties | None) -> dict[str, Any]:
        """What the map shows, or what it shows at first where that is no property of this dataset."""
        names: Any = properties or {}
        return {
            "colour_by": self.colour_by if self.colour_by in (*names, "density") else "cluster",
            "size_by": self.size_by if self.size_by in names else "",
            "axes": self.axes if all(name in names for name in self.axes) else ("umap_1", "umap_2"),
        }

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
            facts["judged"] = self.verdicts(row)
        return facts


def cluster_name(label: int) -> str:
    """What a cluster is called in the app: its number by falling size, from 1."""
    return "unclustered" if label < 0 else f"{label + 1}"


def with_unit(value: float, unit: str) -> str:
    """A number with its unit, or a dash where there is none."""
    return f"{value:.4g} {unit}" if np.isfinite(value) else "–"
