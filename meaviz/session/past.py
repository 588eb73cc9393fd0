"""Undo and redo of everything that a person does in a session, in the order in which it was done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from param.parameterized import Event

from meagraph.errors import MEAGraphError
from meagraph.inspection.named import unpacked
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.survey import Survey
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.settings import PruningConfig
from meaviz.session.appearance import Appearance
from meaviz.session.data import Data
from meaviz.session.filters import Filters
from meaviz.session.history import History
from meaviz.session.judging import Judging
from meaviz.session.planning import Planning
from meaviz.session.selection import Selection

STEPS = 100
SAME, DRAG = 0.05, 0.7  # s within which changes are one step: any, and of one thing, as a slider that is dragged
LOOKS = ("colour_by", "size_by", "axes", "atoms_by", "show_pruned", "labels")
TITLES = {
    "selected": "selection",
    "filters": "filters",
    "named": "named selections",
    "pinned": "pinned environment",
    "settings": "settings of the plan",
    "leave_out_flagged": "what becomes of flagged structures",
    "keep_ordinary": "what becomes of ordinary structures",
    "plans": "named plans",
    "compared": "comparison of plans",
    "judged": "judgement",
    "level": "level of the clusters",
    "next_config": "settings of the next computation",
    "looks": "colours and axes",
    "views": "how something is shown",
}


@dataclass(frozen=True)
class Moment:
    """Everything that a person sets, as it was at one moment; results are no part of it."""

    selected: bytes  # bits of the mask
    filters: Filters
    named: tuple[tuple[str, bytes], ...]
    pinned: int
    settings: PruningConfig
    leave_out_flagged: bool
    keep_ordinary: bool
    plans: tuple[tuple[str, PruningPlan], ...]
    compared: tuple[str, str]
    judged: int  # judgements of the session that stand
    level: int  # clusters; 0 for no hierarchy
    next_config: PipelineConfig
    looks: tuple[Any, ...]  # LOOKS of the appearance
    views: tuple[tuple[str, Any], ...] = ()

    def unlike(self, other: Moment) -> frozenset[str]:
        """The names of what differs."""
        return frozenset(one.name for one in fields(self) if getattr(self, one.name) != getattr(other, one.name))


class Past:
    """The steps of one session, whose parts these are. A new map or dataset begins a new past.

    ``changing`` says that not all parts have changed yet, ``set_level`` shows so many clusters.
    """

    def __init__(
        self,
        data: Data,
        selection: Selection,
        planning: Planning,
        judging: Judging,
        appearance: Appearance,
        *,
        changing: Callable[[], bool],
        set_level: Callable[[int], object],
    ) -> None:
        self.clock = time.monotonic  # gives seconds
        self._data, self._selection, self._planning = data, selection, planning
        self._judging, self._appearance = judging, appearance
        self._changing, self._set_level = changing, set_level
        self._history: History[Moment] = History(STEPS)
        self._last: tuple[float, frozenset[str]] = (-1e9, frozenset())
        self._moving = self._anew = False
        self._told: list[Callable[[], object]] = []
        data.param.watch(self._begin, ["dataset", "descriptors", "learned", "survey"])
        data.param.watch(self._note, "next_config")
        selection.param.watch(self._note, ["mask", "filters", "named", "pinned"])
        planning.param.watch(self._note, ["settings", "leave_out_flagged", "keep_ordinary", "plans", "compared"])
        judging.param.watch(self._note, ["judgements"])
        appearance.param.watch(self._note, [*LOOKS, "views"])
        self._held: dict[str, tuple[object, Any]] = {}  # bits of what has not changed since the moment before
        self._history.start(self.moment())

    def watch(self, tell: Callable[[], object]) -> None:
        """Have ``tell`` called when there is another step to undo or redo."""
        self._told.append(tell)

    @property
    def all(self) -> tuple[tuple[Moment, ...], int]:
        """Every moment that is known, and the place of the present one."""
        return self._history.all

    @property
    def can_undo(self) -> bool:
        """There is a moment before."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """There is a moment after."""
        return self._history.can_redo

    def resume(self, moments: Sequence[Moment], place: int) -> None:
        """Go on from what :attr:`all` was once; what came from elsewhere meanwhile is a step, too."""
        now = self.moment()
        fits = [replace(one, judged=min(one.judged, now.judged)) for one in moments[: place + 1]]
        self._history.resume([*fits, *moments[place + 1 :]], place)
        present = self._history.present
        if present is None:
            self._history.start(now)
        elif present.unlike(now) & {"named", "plans"}:  # kept just before a kill, or merged
            self._history.push(now)
        self._anew = False
        self._settle()

    def moment(self) -> Moment:
        """What the person has set, now."""
        selection, planning, survey = self._selection, self._planning, self._data.survey
        tree = None if survey is None else survey.clusters.hierarchy
        named = {} if selection.named is None else selection.named.packed
        return Moment(
            self._bits("selected", selection.mask, _packed),
            selection.filters,
            self._bits("named", selection.named, lambda one: _names(named)),
            selection.pinned,
            planning.settings,
            planning.leave_out_flagged,
            planning.keep_ordinary,
            tuple(planning.plans.items()),
            planning.compared,
            len(self._judging.judged),
            0 if survey is None or tree is None else survey.clusters.n_clusters,
            self._data.next_config,
            tuple(getattr(self._appearance, name) for name in LOOKS),
            tuple(sorted(self._appearance.views.items())),
        )

    def _bits(self, name: str, of: object, make: Callable[[Any], Any]) -> Any:
        if name not in self._held or self._held[name][0] is not of:
            self._held[name] = (of, make(of))
        return self._held[name][1]

    def note(self) -> None:
        """Note what a person has done, if anything; several changes of a moment, or of a drag, are one step."""
        if self._moving or self._changing():
            return
        now, present = self.moment(), self._history.present
        if self._anew or present is None:
            self._anew = False
            self._history.start(now)
            self._settle()
            return
        what = now.unlike(present)
        if not what:
            return
        since = self.clock() - self._last[0]
        if since < SAME or (since < DRAG and what <= self._last[1] and what != {"judged"}):
            self._history.amend(now)
        else:
            self._history.push(now)
        self._last = (self.clock(), what)
        self._tell()

    def move(self, by: int) -> str:
        """Undo (-1) or redo (1) a step; return what changed, in words, empty where there is no such step.

        Raises MEAGraphError where a judgement or a named selection cannot be written.
        """
        before = self.moment()
        moment = self._history.move(by)
        if moment is None:
            return ""
        self._moving = True
        try:
            what = moment.unlike(before)
            self._take(moment, what)
        except MEAGraphError:
            self._history.move(-by)
            raise
        finally:
            self._moving = False
            self._settle()
        return ", ".join(TITLES[name] for name in TITLES if name in what)

    def _take(self, moment: Moment, what: frozenset[str]) -> None:
        selection, planning, judging = self._selection, self._planning, self._judging
        if "judged" in what:
            while len(judging.judged) > moment.judged and judging.undo() is not None:
                pass
            while len(judging.judged) < moment.judged and judging.redo() is not None:
                pass
        if "level" in what and moment.level:
            self._set_level(moment.level)
        if "named" in what and selection.named is not None:
            bits = {name: np.frombuffer(packed, np.uint8) for name, packed in moment.named}
            selection.named = selection.named.holding(bits)
        if {"selected", "filters"} & what and selection.mask is not None and self._data.properties is not None:
            size = len(selection.mask)
            try:
                shown = moment.filters.mask(self._data.properties)
            except (MEAGraphError, LookupError, TypeError):  # by a property that is there no more, or no category
                shown = None
            mask = unpacked(np.frombuffer(moment.selected, np.uint8), size)
            selection.param.update(filters=moment.filters if shown is not None else Filters(), shown=shown, mask=mask)
            selection.history.push(moment.selected)
        selection.pinned = moment.pinned
        if "next_config" in what:
            self._data.next_config = moment.next_config
        plans = dict(moment.plans)
        compared = moment.compared if set(moment.compared) - {""} <= plans.keys() else ("", "")
        planning.param.update(
            leave_out_flagged=moment.leave_out_flagged,
            keep_ordinary=moment.keep_ordinary,
            settings=moment.settings,
            plans=plans,
            compared=compared,
        )
        if "looks" in what:
            self._appearance.param.update(**dict(zip(LOOKS, moment.looks, strict=True)))
        if "views" in what:
            self._appearance.views = dict(moment.views)

    def _begin(self, *events: Event) -> None:
        """Another dataset or map begins a new past; another level of the clusters on the same map is a step."""
        old, new = events[-1].old, events[-1].new
        if len(events) > 1 or not isinstance(old, Survey) or getattr(new, "embedding", None) is not old.embedding:
            self._anew = True
        self.note()

    def _note(self, *events: Event) -> None:
        self.note()

    def _settle(self) -> None:
        """What comes next is a step of its own."""
        self._last = (-1e9, frozenset())
        self._tell()

    def _tell(self) -> None:
        for tell in self._told:
            tell()


def _packed(mask: NDArray[np.bool_] | None) -> bytes:
    return b"" if mask is None else np.packbits(mask).tobytes()


def _names(packed: Mapping[str, NDArray[np.uint8]]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, bits.tobytes()) for name, bits in packed.items())
