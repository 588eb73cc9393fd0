"""What a recipe is made of: files, judgements, predictions, what a report says; and numbers as text."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from meagraph.datasets import read_dataset
from meagraph.errors import MEAGraphError
from meagraph.evaluation.quests import QuestsConfig

RECIPE_VERSION = 1
OUTLIER, ORDINARY = "outlier", "ordinary"
VERDICTS = (OUTLIER, ORDINARY)
BY_PLAN, BY_JUDGEMENTS = "by the plan", "by the judgements"  # what a part is, where it is no list of rows
LARGEST_NUMBER = 10**9
OF_THE_PLAN = {"leave_out_flagged": True, "keep_ordinary": False, "try_shares": True}
"""What a plan hangs on besides its own settings, and how it is by default."""
NOT_READING = ("paths", "fewest", "progress")  # of the arguments of read_dataset


@dataclass(frozen=True)
class File:
    """A file that results hang on."""

    path: str  # as it was given; "" for structures from memory
    sha256: str = ""  # of its bytes; "" for structures from memory


@dataclass(frozen=True)
class Judged:
    """What somebody said of atoms of one structure, and was not taken back."""

    verdict: str  # one of VERDICTS
    structure: int  # where it stood, for people
    key: str  # its content (:attr:`meagraph.datasets.AtomicDataset.structure_keys`), by which it is found
    atoms: tuple[int, ...]
    by: str = ""
    reason: str = ""
    note: str = ""


@dataclass(frozen=True)
class Predicted:
    """Whose error the shares of clusters grow with: a ``family`` of names in the data, or other files."""

    family: str = ""
    files: tuple[File, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What the report of an export says beside the plan."""

    measures: bool = False
    cost: int | None = None  # random selections that the plan stands beside; None: what it costs was not measured
    curves: tuple[str, ...] = ()  # selectors along the keep fraction, that of the plan first
    quests: QuestsConfig | None = None


def usual_reading() -> dict[str, Any]:
    """The options of :func:`meagraph.datasets.read_dataset` and what they are where nobody says otherwise."""
    found = inspect.signature(read_dataset).parameters
    return {name: one.default for name, one in found.items() if name not in NOT_READING}


def unusual_reading(reading: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``reading`` that are not the usual ones; sequences as lists, a list of one as its entry."""
    found = {}
    for name, usual in usual_reading().items():
        value = reading.get(name, usual)
        if isinstance(value, list | tuple):
            value = value[0] if len(value) == 1 else list(value)
        if value != usual and not (value == [] and not usual):
            found[name] = value
    return found


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as ``0-15 20``; ``none`` where there are none."""
    values = np.asarray(numbers, dtype=np.int64)
    starts = values[np.diff(values, prepend=-2) != 1].tolist()
    ends = values[np.diff(values, append=-2) != 1].tolist()
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True)) or "none"


def numbers_of(text: str, below: int = LARGEST_NUMBER) -> tuple[int, ...]:
    """The inverse of :func:`ranges`. Raises MEAGraphError for what is no such text, and for numbers not ``below``."""
    found: list[int] = []
    for one in () if text == "none" else text.split():
        first, _, last = one.partition("-")
        plain = first.isdecimal() and (not last or last.isdecimal()) and len(one) <= 40
        if not plain or not (found or [-1])[-1] < int(first) <= int(last or first) < below:
            raise MEAGraphError(
                f"Expected ascending numbers from 0 to {below - 1}, such as 0-15 20, but came {one[:40]!r}. Mend the "
                "recipe."
            )
        found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)
