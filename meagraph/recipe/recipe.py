"""What led to a pruned dataset, in the order in which it is done: data, analysis, judgements, plan, files."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from meagraph.datasets import AtomicDataset, read_dataset
from meagraph.duplicates.thresholds import NEAR
from meagraph.errors import MEAGraphError
from meagraph.evaluation.quests import QuestsConfig
from meagraph.pipeline.config import PipelineConfig
from meagraph.pruning.settings import PruningConfig

RECIPE_VERSION = 1
OUTLIER, ORDINARY = "outlier", "ordinary"
VERDICTS = (OUTLIER, ORDINARY)
BY_PLAN, BY_JUDGEMENTS = "by the plan", "by the judgements"  # what a part is, where it is no list of rows
LARGEST_NUMBER = 10**9
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


@dataclass(frozen=True)
class Recipe:
    """Everything that the files of an export hang on, but the version of the programs.

    What is left out is as usual. :meth:`to_yaml` and :meth:`from_yaml` are exact inverses. Raises MEAGraphError for
    what cannot be.
    """

    data: tuple[File, ...]
    name: str = ""  # of the dataset, which names of files begin with
    fingerprint: str = ""  # of its content
    opened: tuple[str, ...] = ()  # what was given, where that is not the files of ``data``: folders, patterns
    known: tuple[File, ...] = ()
    known_opened: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)  # options of read_dataset that are not the usual ones
    others: tuple[File, ...] = ()  # what else is read: descriptors
    analysis: PipelineConfig = field(default_factory=PipelineConfig)
    model: File | None = None  # None: it is trained
    fine_tune: bool = False  # the training starts from ``model``
    drop_duplicates: str | None = None  # of :data:`meagraph.duplicates.KINDS`
    distance: float = NEAR  # Å
    predictions: Predicted | None = None
    judgements: tuple[Judged, ...] = ()
    leave_out_flagged: bool = True
    keep_ordinary: bool = False
    plan: PruningConfig = field(default_factory=PruningConfig)
    try_shares: bool = True  # shares are those that the dataset asks for; False: they were not tried
    report: Report = field(default_factory=Report)
    parts: Mapping[str, str] = field(default_factory=dict)  # other parts written, and which environments they are
    made_with: str = ""

    def __post_init__(self) -> None:
        if not self.data:
            raise MEAGraphError("A recipe expects the files of its data, but there are none. Name one.")
        if self.fine_tune and self.model is None:
            raise MEAGraphError("Fine-tuning needs a trained model to start from. Name its file.")

    @property
    def paths(self) -> tuple[str, ...]:
        """What is opened as the data."""
        return self.opened or tuple(file.path for file in self.data)

    @property
    def known_paths(self) -> tuple[str, ...]:
        """What is opened as known beside it."""
        return self.known_opened or tuple(file.path for file in self.known)

    def of(self, dataset: AtomicDataset, paths: Sequence[str], known: Sequence[str] = ()) -> Recipe:
        """The same for ``dataset``, which was read from ``paths`` and what is ``known`` beside them."""
        new, old = (tuple(_files(dataset, known=flag)) for flag in (False, True))
        return replace(
            self,
            data=new,
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            opened=_unless_files(paths, new),
            known=old,
            known_opened=_unless_files(known, old),
            made_with=made_with(),
        )

    def to_yaml(self) -> str:
        """The recipe as text, an entry a line."""
        from meagraph.recipe.text import to_yaml

        return to_yaml(self)

    @classmethod
    def from_yaml(cls, text: str, *, path: str = "recipe.yaml") -> Recipe:
        """The recipe in ``text``, which messages call ``path``.

        Raises MEAGraphError, which names line and key, what was expected and what came.
        """
        from meagraph.recipe.text import from_yaml

        return from_yaml(text, path=path)


def made_with() -> str:
    """The program and its version."""
    return f"meaviz {version('meaviz')}"


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


def _files(dataset: AtomicDataset, *, known: bool) -> Iterable[File]:
    return (File(source.path, source.sha256) for source in dataset.sources if source.known == known)


def _unless_files(paths: Sequence[str], files: Sequence[File]) -> tuple[str, ...]:
    given = tuple(map(str, paths))
    return () if given == tuple(file.path for file in files) else given
