"""Everything that the app remembers for one browser session; it knows no widget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from param.parameterized import batch_call_watchers

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.errors import MEAGraphError
from meagraph.evaluation.novelty import Novelty
from meagraph.inspection.named import named_selections
from meagraph.inspection.naming import Evidence
from meagraph.inspection.properties import NAME, Properties
from meagraph.inspection.property import Property, two_sided
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.sight import Sight, continues
from meagraph.pipeline.survey import Survey
from meagraph.predictions import Errors
from meaviz.session.activity import Activity
from meaviz.session.appearance import CLUSTER, Appearance
from meaviz.session.data import Asked, Data
from meaviz.session.judging import Judging
from meaviz.session.keeping import Keeping
from meaviz.session.past import Past
from meaviz.session.places import Places
from meaviz.session.planning import Planning
from meaviz.session.queue import Queues, Turns
from meaviz.session.runs import remember
from meaviz.session.selection import Selection
from meaviz.session.uploads import Uploads


class Session:
    """The state of the app in its parts. Replacing a result clears everything that was computed from it.

    Of a ``user`` of a shared server what is kept between sessions lies in a ``home`` of its own; what runs long waits
    in the server's ``queues``.
    """

    def __init__(
        self,
        *,
        author: str | None = None,
        places: Places | None = None,
        user: str = "",
        home: Path | None = None,
        queues: Queues | None = None,
    ) -> None:
        self.places = places or Places.at(None)
        self.user, self.home, self.turns = user, home, Turns(user, queues)
        self.uploads = Uploads()
        self.data = Data()
        self.selection = Selection(self.data)
        self.judging = Judging(self.data, author=author or user or None, home=home)
        self.planning = Planning(self.data, self.judging)
        self.appearance = Appearance()
        self.activity = Activity()
        self.keeping = Keeping()
        self._depth = 0  # of together()
        self.past = Past(
            self.data,
            self.selection,
            self.planning,
            self.judging,
            self.appearance,
            changing=lambda: self._depth > 0,
            set_level=self.set_level,
        )
        self.planning.param.watch(self._offer_difference, "compared")

    @contextmanager
    def together(self) -> Iterator[None]:
        """What watches a part is told once all parts have changed, that of the data first."""
        self._depth += 1
        try:
            with ExitStack() as stack:
                for part in (self.activity, self.appearance, self.planning, self.judging, self.selection, self.data):
                    stack.enter_context(batch_call_watchers(part))
                yield
        finally:
            self._depth -= 1
        self.past.note()

    # ---- results: taking one clears what was computed from the one before

    def set_dataset(self, dataset: AtomicDataset | None, opened: Asked | None = None) -> None:
        """Take a new dataset, ``opened`` from files; all else starts again.

        Raises MEAGraphError where its kept selections cannot be read.
        """
        named = None if dataset is None else named_selections(dataset, self.home)
        with self._replacing("data"):
            self.data.param.update(dataset=dataset, opened=opened)
            self.selection.named = named
            self.activity.not_examined = ""

    def set_descriptors(self, descriptors: Descriptors, quick: Sight | None = None) -> None:
        """Take new descriptors and the ``quick`` map of them; model and map are gone."""
        with self._replacing("descriptors"):
            self.data.param.update(descriptors=descriptors, quick=quick, sight=quick)

    def set_learned(self, learned: Learned) -> None:
        """Take a model; the map is gone, but for the quick one."""
        runs = remember(self.data.runs, learned)
        with self._replacing("model"):
            self.data.param.update(learned=learned, history=learned.history, runs=runs)

    def set_analysis(self, found: Analysis, evidence: Evidence | None, quick: Sight | None = None) -> None:
        """Take all that an analysis of the session's dataset holds, with the ``quick`` map of its descriptors.

        Raises MEAGraphError where the judgements cannot be read.
        """
        self.set_descriptors(found.descriptors, quick)
        self.set_learned(found.learned)
        self.data.evidence = evidence
        self.set_survey(found.survey)

    def set_part(self, sight: Sight) -> None:
        """Show what is known so far of a map that is being made, unless a whole one is shown: that stays until then."""
        if self.data.survey is None and self.data.learned is not None:
            with self.together():
                before, self.data.sight = self.data.sight, sight
                self._follow(before)

    def set_survey(self, survey: Survey) -> None:
        """Take a new map with its clusters; selection, judgements and plan follow it.

        Raises MEAGraphError where the judgements cannot be read.
        """
        dataset = self.data.dataset
        assert dataset is not None
        judgements = self.judging.remembered(dataset)
        with self._replacing("map"):
            self.data.param.update(survey=survey, sight=survey)
            self.judging.start(judgements)
            self.planning.start(self.data.found)

    def set_novelty(self, found: Novelty) -> None:
        """Take how far what is new lies from what is known: a property of each environment from then on."""
        with self.together():
            self.data.novelty = found
            self.data.properties = self._properties()

    def set_errors(self, errors: Errors) -> None:
        """Take how far predictions are off, in place of those before: properties of each environment from then on."""
        with self.together():
            self.data.param.update(errors=errors, thin={}, suspects=None)
            if self.data.sight is None:
                self.data.properties = Properties(errors.dataset, errors=errors)
            else:
                self.data.properties = known = self._properties()
                self.selection.keep_filters_of(known)
                self.selection.renew_filters()
                self.appearance.fit(known)

    def set_level(self, count: int) -> None:
        """Show ``count`` clusters of the hierarchy; selection and judgements stay, and so do plans of no cluster.

        Raises MEAGraphError for a level that there is not.
        """
        survey = self.data.survey
        if survey is None or count == survey.clusters.n_clusters:
            return
        clustering = replace(survey.config.clustering, clusters=count, level=None)
        moved = survey.at(clustering)
        with self.together():
            self.data.param.update(sight=moved, survey=moved, cluster_stability=None)  # the map first
            self.data.properties = self._properties()
            self.selection.renew_filters()
            self.planning.renew_clusters()

    @contextmanager
    def _replacing(self, step: str) -> Iterator[None]:
        """Forget what ``step`` left behind and all that came of it; what is set within takes its place."""
        with self.together():
            before = self.data.sight if step in ("model", "map") else None
            self.data.clear_from(step)
            self.judging.clear_all()
            self.planning.clear_all()
            self.activity.problem = ("", "")
            yield
            self._follow(before, same_data=step != "data")

    def _follow(self, before: Sight | Survey | None, *, same_data: bool = True) -> None:
        """Selection and appearance follow what is shown; a selection stays where that only adds to what was."""
        sight, dataset = self.data.sight, self.data.dataset
        if not continues(before, sight):
            self.selection.clear_all(same_data=same_data)
        if sight is None or dataset is None:
            self.data.properties = None if dataset is None else Properties(dataset, errors=self.data.errors)
            return
        self.data.properties = self._properties()
        if self.selection.mask is None:
            self.selection.start(dataset.n_environments)
        self.appearance.fit(self.data.properties)

    # ---- what concerns several parts

    def flag_selection(self, outlier: bool) -> int:
        """Flag (or unflag) the selection, or the inspected environment where nothing is selected; return how many.

        To unflag leaves open whether they are outliers. What goes wrong is told in ``activity.problem``.
        """
        chosen, flags = self.selection.mask, self.judging.flags
        if chosen is None or flags is None:
            return 0
        if not chosen.any() and self.selection.inspected >= 0:
            chosen = np.arange(len(chosen)) == self.selection.inspected
        try:
            return self.judging.judge(chosen & (flags != outlier), "outlier" if outlier else "open")
        except MEAGraphError as error:
            self.activity.problem = ("map", str(error))
            return 0

    def part_names(self) -> list[str]:
        """What can be written besides the export: what is kept, dropped, flagged, selected, and kept under names."""
        plan, flags, named = self.planning.plan, self.judging.flags, self.selection.named
        there = {
            "kept": plan is not None and plan.n_structures > 0,
            "dropped": plan is not None and not plan.structures.all(),
            "flagged": flags is not None and bool(flags.any()),
            "selected": self.selection.any,
        }
        others = [] if named is None else [name for name in named.names if name not in there]
        return [*(name for name, known in there.items() if known), *others]

    def part(self, name: str) -> NDArray[np.bool_]:
        """The environments (N,), or structures (S,), of a part. Raises MEAGraphError where there is none."""
        plan, named = self.planning.plan, self.selection.named
        if name not in self.part_names():
            raise MEAGraphError(f"Nothing is {name}. There are: {', '.join(self.part_names()) or 'none'}.")
        if name in ("kept", "dropped"):
            assert plan is not None
            return plan.structures if name == "kept" else ~plan.structures
        mask = {"flagged": self.judging.flags, "selected": self.selection.mask}.get(name)
        if mask is not None:
            return mask
        assert named is not None
        return named.mask(name)

    def describe(self, row: int) -> dict[str, str]:
        """Facts of the environment ``row`` for people: name to text with unit."""
        data, sight = self.data.dataset, self.data.sight
        assert data is not None
        structure, atom = int(data.structure_of[row]), int(data.atom_of[row])
        source = data.sources[data.source_index[structure]].path
        size = int(data.sizes[structure])
        facts = {
            "environment": f"{row:,}",
            "structure": f"{structure:,} (frame {data.frame_index[structure]:,} of {Path(source).name or data.name})",
            "atom": f"{atom} of {size} ({chemical_symbols[data.numbers[row]]})",
            "group": str(data.groups[structure]),
            "energy": with_unit(data.energy[structure] / size, "eV/atom"),
            "force": with_unit(float(np.linalg.norm(data.forces[row])), "eV/Å"),
        }
        if sight is not None and sight.clusters is not None:
            facts["cluster"] = self.cluster_title(int(sight.clusters.labels[row]))
        if data.known[structure]:
            facts["known"] = "already"
        elif self.data.novelty is not None:
            facts["novelty"] = f"{self.data.novelty.value[row]:.2f} × spacing of the known"
        if sight is not None and sight.outliers is not None:
            facts["outlier score"] = f"{sight.outliers.score[row]:.2f}"
        if self.data.errors is not None:
            errors = self.data.errors
            facts["predicted"] = (
                f"off by {with_unit(errors.force[row], 'eV/Å')}, {with_unit(errors.energy[structure], 'eV/atom')}"
            )
        if self.judging.judgements is not None:
            facts["judged"] = self.judging.verdicts(row)
        return facts

    def cluster_title(self, label: int) -> str:
        """Number and name of a cluster."""
        known = self.data.properties
        names = known[NAME].names if known is not None and NAME in known else ()
        return f"{cluster_name(label)} · {names[label]}" if 0 <= label < len(names) else cluster_name(label)

    def _properties(self) -> Properties:
        """What is known of each environment of the map, and what is being done with it."""
        dataset, learned, quick = self.data.dataset, self.data.learned, self.data.quick
        assert dataset is not None
        nothing = np.zeros(dataset.n_environments, dtype=bool)

        def kept() -> Property:
            """What the plan does with each environment: keeps all while there is none, and has no part in the known."""
            keep = ~nothing if self.planning.plan is None else self.planning.plan.keep
            found = two_sided("kept", "Plan", keep, ("pruned", "kept"))
            if not dataset.known.any():
                return found
            values = np.where(dataset.known_environments, 2, found.values)
            return replace(found, values=values, names=(*found.names, "known already"))

        def chosen(mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
            return nothing if mask is None else mask

        live = {
            "selected": lambda: two_sided(
                "selected", "Selection", chosen(self.selection.mask), ("not selected", "selected")
            )
        }
        if self.data.survey is not None:
            live["flag"] = lambda: two_sided("flag", "Flag", chosen(self.judging.flags), ("not flagged", "flagged"))
            live["kept"] = kept
        if all(self.planning.compared):
            live["difference"] = self.planning.difference
        return Properties(
            dataset,
            self.data.sight,
            None if learned is None else learned.condensed,
            quick=None if quick is None else quick.projection,
            evidence=self.data.evidence,
            novelty=None if self.data.novelty is None else self.data.novelty.value,
            errors=self.data.errors,
            live=live,
        )

    def _offer_difference(self, *events: object) -> None:
        """The comparison of plans is a property only while two are compared."""
        comparing, known = all(self.planning.compared), self.data.properties or ()
        if self.data.survey is not None and (comparing or "difference" in known):
            with self.together():
                self.data.properties = self._properties()
                self.appearance.colour_by = "difference" if comparing else CLUSTER


def cluster_name(label: int) -> str:
    """What a cluster is called in the app: its number, from 0 as in files and in Python."""
    return "unclustered" if label < 0 else str(label)


def with_unit(value: float, unit: str) -> str:
    """A number with its unit, or a dash where there is none."""
    return f"{value:.4g} {unit}" if np.isfinite(value) else "–"
