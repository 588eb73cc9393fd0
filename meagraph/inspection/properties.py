"""The table of properties: what is known of each environment, by name, with title and unit, computed on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from meagraph.axes import upright
from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed
from meagraph.inspection.columns import Entry, constant, of_dataset, of_errors, of_files, of_predictions
from meagraph.inspection.conditions import ExpressionError, evaluate
from meagraph.inspection.naming import Evidence
from meagraph.inspection.phases import PHASES
from meagraph.inspection.property import Property
from meagraph.latent.clustering import Clusters
from meagraph.latent.projection import Projection
from meagraph.model.results import Embedding
from meagraph.outliers import Outliers
from meagraph.predictions import Errors

CLUSTER, NAME = "cluster", "cluster_name"
LATENT = 6  # principal latent components that are offered
MEASURED = {  # signals of the outlier score whose value is a property of its own: name, title, unit
    "short distance": ("nearest_distance", "Nearest atom", "Å"),
    "coordination": ("coordination", "Atoms in the first shell", ""),
    "reconstruction": ("reconstruction_error", "Reconstruction error", "× usual"),
}


class Surveyed(Protocol):
    """What is known of a dataset once it has a map: a :class:`meagraph.pipeline.survey.Survey`, or a part of one."""

    @property
    def projection(self) -> Projection:
        """Places on the map."""

    @property
    def quick(self) -> bool:
        """The map shows principal components, not what a model learned."""

    @property
    def embedding(self) -> Embedding | None:
        """Latent values of the representatives."""

    @property
    def clusters(self) -> Clusters | None:
        """Of all environments."""

    @property
    def outliers(self) -> Outliers | None:
        """Scores and their signals."""


class Properties(Mapping[str, Property]):
    """All properties of a dataset, and of its survey where there is one; each is computed when first asked for."""

    def __init__(
        self,
        dataset: AtomicDataset,
        survey: Surveyed | None = None,
        condensed: Condensed | None = None,
        *,
        quick: Projection | None = None,
        evidence: Evidence | None = None,
        novelty: NDArray[np.floating] | None = None,
        errors: Errors | None = None,
        live: Mapping[str, Callable[[], Property]] | None = None,
    ) -> None:
        """``quick`` is the map of principal components; ``live`` are properties that change, computed each time.

        ``evidence`` is what clusters can be named by; phases are among it. ``novelty`` (N,) is the distance to what is
        known already; ``errors`` are those of predictions that were opened.
        """
        self._dataset = dataset
        self._live = dict(live or {})
        self._entries = of_dataset(dataset) | of_predictions(dataset)
        if evidence is not None:
            self._entries |= _of_phases(evidence)
        if survey is not None:
            self._entries |= _of_survey(survey, evidence)
            if condensed is not None and survey.embedding is not None:
                self._entries |= _of_latent_space(survey.embedding, condensed)
        if novelty is not None:
            entry = Entry("Novelty", "× spacing of the known", "environment", "number", constant(novelty))
            self._entries["novelty"] = entry
        if errors is not None:
            self._entries |= of_errors(errors)
        if quick is not None:
            self._entries |= _places("pca", "Principal component", quick)
        self._entries |= {
            name: entry for name, entry in of_files(dataset).items() if name not in self._entries
        }  # our names first: theirs may mean anything
        self._made: dict[str, Property] = {}
        maps = {} if quick is None else {"pca": quick}
        if survey is not None and not survey.quick:
            maps["umap"] = survey.projection
        self._maps = {(f"{name}_1", f"{name}_2"): found.xy for name, found in maps.items()}

    def __iter__(self) -> Iterator[str]:
        return iter((*self._entries, *self._live))

    def __len__(self) -> int:
        return len(self._entries) + len(self._live)

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._live

    def __getitem__(self, name: str) -> Property:
        if name in self._live:
            return self._live[name]()
        if name not in self._made:
            entry = self._entries[name]
            made = entry.make()
            values, names = made if entry.kind == "category" else (np.asarray(made, dtype=np.float64), ())
            if entry.level == "structure":
                values = values[self._dataset.structure_of]
            titles = _numbered(self[NAME].names) if name == CLUSTER and NAME in self else ()
            self._made[name] = Property(
                name, entry.title, entry.unit, entry.level, entry.kind, values, tuple(names), titles
            )
        return self._made[name]

    def __repr__(self) -> str:
        return f"Properties of {self._dataset.name}: {', '.join(self)}"

    def level_of(self, name: str) -> str:
        """``"environment"`` or ``"structure"``, without computing the column."""
        return self._live[name]().level if name in self._live else self._entries[name].level

    def kind_of(self, name: str) -> str:
        """``"number"`` or ``"category"``, without computing the column."""
        return self._live[name]().kind if name in self._live else self._entries[name].kind

    def title_of(self, name: str) -> str:
        """Title with unit, without computing the column."""
        if name in self._live:
            return self._live[name]().label
        entry = self._entries[name]
        return f"{entry.title} / {entry.unit}" if entry.unit else entry.title

    def titles(self, kind: Literal["number", "category"]) -> dict[str, str]:
        """Title with unit to name of all properties of a kind, without computing the columns."""
        return {self.title_of(name): name for name in self if self.kind_of(name) == kind}

    def plane(self, x: str, y: str) -> NDArray[np.float32]:
        """Two properties of numbers as coordinates (N, 2), not to be changed: those of a map are the map's own."""
        if (x, y) in self._maps:
            return self._maps[x, y]
        return np.stack([self[x].values, self[y].values], axis=1).astype(np.float32)

    def find(self, text: str) -> NDArray[np.bool_]:
        """Environments (N,) that a search means.

        A whole number is a structure's index; the name of a group, a file, a phase or a cluster, or the symbol of an
        element, is all of it (``*`` stands for anything); all else is a condition
        (see :mod:`meagraph.inspection.conditions`).
        Raises ExpressionError for a condition that is not understood, MEAGraphError for a structure that is not there.
        """
        text = text.strip()
        data = self._dataset
        if text.isdecimal():
            if int(text) >= data.n_structures:
                raise MEAGraphError(
                    f"There is no structure {text}: the dataset has structures 0 to {data.n_structures - 1:,}."
                )
            return np.asarray(data.structure_of == int(text))
        for name in ("element", "group", "file", *(name for name in (NAME, "phase") if name in self)):
            found = self[name]
            hits = [code for code, known in enumerate(found.names) if _matches(known, text)]
            if hits:
                return np.isin(found.values, hits)
        columns = _Columns(self)
        try:
            return evaluate(text, columns, data.n_environments)
        except ExpressionError as error:
            if text.isidentifier():
                raise ExpressionError(
                    f"There is no group, element or file {text!r}, and it is no condition such as fmax > 5."
                ) from error
            raise


class _Columns(Mapping[str, NDArray[Any]]):
    """The columns of conditions by name."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def __iter__(self) -> Iterator[str]:
        return iter(self._properties)

    def __len__(self) -> int:
        return len(self._properties)

    def __contains__(self, name: object) -> bool:
        return name in self._properties

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._properties[name].column


def _matches(name: str, text: str) -> bool:
    """Whether ``text``, in which ``*`` stands for any characters, names ``name``; case counts."""
    return name == text or ("*" in text and fnmatchcase(name, text.replace("[", "[[]")))


def _of_phases(evidence: Evidence) -> dict[str, Entry]:
    found = evidence.phases
    return {
        "phase": Entry("Phase", "", "environment", "category", lambda: (found.phase.astype(np.int64), PHASES)),
    }


def _named(clusters: Clusters, evidence: Evidence) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    return clusters.labels, evidence.names(clusters)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Clusters as people read them: number, from 0 as in files, and name."""
    return tuple(f"{number} · {name}" for number, name in enumerate(names))


def _of_survey(survey: Surveyed, evidence: Evidence | None) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    clusters, outliers = survey.clusters, survey.outliers
    if clusters is not None:
        labels, names = clusters.labels, [str(number) for number in range(clusters.n_clusters)]
        entries["cluster"] = Entry("Cluster", "", "environment", "category", lambda: (labels, names))
    if clusters is not None and evidence is not None:
        entries[NAME] = Entry(
            "Name of the cluster",
            "",
            "environment",
            "category",
            partial(_named, clusters, evidence),
        )
    if outliers is not None:
        entries["score"] = Entry("Outlier score", "", "environment", "number", constant(outliers.score))
    if not survey.quick:
        entries |= _places("umap", "UMAP", survey.projection)
    for signal in () if outliers is None else outliers.signals:
        name = signal.name.replace(" ", "_").replace("-", "_")
        if signal.name in MEASURED:
            own, title, unit = MEASURED[signal.name]
            entries[own] = Entry(title, unit, "environment", "number", partial(np.asarray, signal.value))
        title = f"Suspicion: {signal.name}"
        entries[f"by_{name}"] = Entry(title, "decades", "environment", "number", partial(np.asarray, signal.rarity))
    return entries


def _places(name: str, title: str, projection: Projection) -> dict[str, Entry]:
    """The two coordinates of a map."""
    return {
        f"{name}_{axis + 1}": Entry(
            f"{title} {axis + 1}", "", "environment", "number", constant(projection.xy[:, axis])
        )
        for axis in (0, 1)
    }


def _of_latent_space(embedding: Embedding, condensed: Condensed) -> dict[str, Entry]:
    made: list[NDArray[np.float64]] = []

    def component(number: int) -> NDArray[np.float64]:
        if not made:
            made.append(principal_components(embedding.values, condensed.multiplicity, LATENT))
        return np.asarray(made[0][condensed.assignment, number])

    count = min(LATENT, *embedding.values.shape)
    of = condensed.assignment
    entries = {
        f"latent_{number + 1}": Entry(
            f"Latent component {number + 1}", "", "environment", "number", partial(component, number)
        )
        for number in range(count)
    }
    entries["twins"] = Entry(
        "Environments with the same representative", "", "environment", "number", lambda: condensed.multiplicity[of]
    )
    return entries


def principal_components(values: NDArray[np.floating], weights: NDArray[np.integer], count: int) -> NDArray[np.float64]:
    """The first ``count`` principal components (M, count) of rows (M, H) that count ``weights`` (M,) times each.

    The sign is such that the largest entry of each axis is positive.
    """
    share = weights / weights.sum()
    centred = np.asarray(values, dtype=np.float64) - share @ values
    _, axes = np.linalg.eigh((share[:, None] * centred).T @ centred)
    return np.asarray(centred @ upright(axes[:, ::-1][:, :count]))
