"""What led to a pruned dataset, in the order in which it is done: data, analysis, judgements, plan, files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.thresholds import NEAR
from meagraph.errors import MEAGraphError
from meagraph.pipeline.config import PipelineConfig
from meagraph.pruning.settings import PruningConfig
from meagraph.recipe.parts import File, Judged, Predicted, Report
from meagraph.recipe.reading import fields_in
from meagraph.recipe.writing import to_yaml


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
    formats: tuple[str, ...] = ()  # of :data:`meagraph.exports.formats.FORMATS`, beside the files that there always are
    weights: str | None = None  # of :data:`meagraph.exports.weights.SCHEMES`, in the formats that hold some
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
        return to_yaml(self)

    @classmethod
    def from_yaml(cls, text: str, *, path: str = "recipe.yaml") -> Recipe:
        """The recipe in ``text``, which messages call ``path``.

        Raises MEAGraphError, which names line and key, what was expected and what came.
        """
        found = fields_in(text, path)
        try:
            return cls(**found)
        except MEAGraphError as error:
            raise MEAGraphError(f"{path}: {error}") from error


def made_with() -> str:
    """The program and its version."""
    return f"meaviz {version('meaviz')}"


def _files(dataset: AtomicDataset, *, known: bool) -> Iterable[File]:
    return (File(source.path, source.sha256) for source in dataset.sources if source.known == known)


def _unless_files(paths: Sequence[str], files: Sequence[File]) -> tuple[str, ...]:
    given = tuple(map(str, paths))
    return () if given == tuple(file.path for file in files) else given
