"""What a person has done in the app, step by step, and which states a project may be in after its server was killed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from meagraph.inspection.named import named_selections
from meaviz.judgements.judgements import read_judgements
from meaviz.judgements.ledger import ledger_path
from meaviz.projects.project import Project
from meaviz.session.past import STEPS


@dataclass(frozen=True)
class Facts:
    """What a person has set; undo and redo go from one of these to another."""

    cluster: int = -1  # that is selected, -1 for none
    judged: frozenset[int] = frozenset()  # rows flagged, as far as that can be undone
    keep: int = 20  # per cent
    plans: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    colour: str = "cluster"
    leave_out: bool = True


@dataclass(frozen=True)
class Steps:
    """Every moment that can be gone back or forth to, and the place of the present one."""

    moments: tuple[Facts, ...] = (Facts(),)
    place: int = 0
    below: int = 0  # steps of the app before the first of these
    above: int = 0  # that it could do again after the last of these

    @property
    def now(self) -> Facts:
        """The present one."""
        return self.moments[self.place]

    @property
    def shape(self) -> tuple[int, int]:
        """How many the app knows of, and the place among them."""
        return len(self.moments) + self.below + self.above, self.place + self.below

    def did(self, facts: Facts) -> Steps:
        """One step on; what was undone is gone."""
        moments = (*self.moments[: self.place + 1], facts)
        lost = max(len(moments) + self.below - STEPS, 0)
        below = max(self.below - lost, 0)
        moments = moments[max(lost - self.below, 0) :]
        return Steps(moments, len(moments) - 1, below)

    def move(self, by: int) -> Steps:
        """Undone (-1) or done again (1)."""
        return replace(self, place=self.place + by)

    @property
    def can_move(self) -> tuple[bool, bool]:
        """There is one before, one after."""
        return self.place > 0, self.place + 1 < len(self.moments)


@dataclass(frozen=True)
class Base:
    """What was judged before the first step, or can no longer be undone."""

    flagged: frozenset[int] = frozenset()  # rows
    judged: int = 0  # judgements before the first step that the app could still undo


@dataclass(frozen=True)
class OnDisk:
    """What a project holds."""

    facts: Facts  # of its state; what is judged of it is how much of that can be undone
    judged: int  # judgements of its state that can be undone
    flagged: frozenset[int]  # by the ledger of the user
    named: tuple[str, ...]  # selections of the user
    inspected: int
    shape: tuple[int, int]  # moments, and the place of the present one


def on_disk(path: Path, home: Path) -> OnDisk:
    """Read the project at ``path`` of the user whose data folder is ``home``, as another process does."""
    shot = Project(path).read().shot
    state, dataset, survey = shot.state, shot.dataset, shot.results["survey"]
    assert dataset is not None
    labels, bits = survey.clusters.labels, state["selected"]
    mask = np.unpackbits(np.frombuffer(bits, np.uint8), count=len(labels)).astype(bool)
    cluster = int(labels[mask][0]) if mask.any() else -1
    if mask.any() and not np.array_equal(mask, labels == cluster):
        raise AssertionError(f"{path}: {mask.sum()} environments are selected, which are no cluster")
    moments, place = state["past"]
    flagged = read_judgements(dataset, ledger_path(home)).outlier
    return OnDisk(
        Facts(
            cluster,
            frozenset(),
            round(100 * state["settings"].keep),
            tuple(state["plans"]),
            tuple(sorted(state["named"])),
            state["looks"]["colour_by"],
            state["leave_out_flagged"],
        ),
        len(state["judged"]),
        frozenset(np.flatnonzero(flagged).tolist()),
        tuple(sorted(named_selections(dataset, home).packed)),
        state["inspected"],
        (len(moments), place),
    )


def anew(disk: OnDisk) -> tuple[Steps, Base]:
    """Nothing has been done but what the disk holds."""
    count, place = disk.shape
    return Steps((disk.facts,), 0, place, count - place - 1), Base(disk.flagged, disk.judged)


def found_again(disk: OnDisk, allowed: tuple[Steps, ...], base: Base) -> Steps | None:
    """Which of the ``allowed`` steps the disk holds, None where it is none of them: something was lost.

    Judgements and named selections are on the user's disk at once, the rest a moment later: these may be further on.
    """
    for place, one in reversed(list(enumerate(allowed))):
        now = one.now
        if (
            replace(now, judged=frozenset()) == disk.facts
            and one.shape == disk.shape
            and disk.judged == base.judged + len(now.judged)
            and any(disk.flagged == base.flagged | later.now.judged for later in allowed[place:])
            and any(disk.named == later.now.named for later in allowed[place:])
        ):
            return one
    return None


def opened_again(one: Steps, disk: OnDisk, base: Base) -> tuple[Steps, Base]:
    """What the app goes on from, and what was there before, where the user's files were further on."""
    gone = (base.flagged | one.now.judged) - disk.flagged  # taken back
    moments = tuple(replace(facts, judged=facts.judged - gone) for facts in one.moments[: one.place + 1])
    one = replace(one, moments=(*moments, *one.moments[one.place + 1 :]))
    both = tuple(sorted({*one.now.named, *disk.named}))
    if both != one.now.named:
        one = one.did(replace(one.now, named=both))
    return one, Base(disk.flagged - one.now.judged, base.judged)
