"""The table of properties: what is known of each environment, by name, with title and unit, computed on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed
from meagraph.inspection.conditions import ExpressionError, evaluate
from meagraph.inspection.property import Property
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.latent.projection import Projection
from meagraph.model.results import Embedding
from meagraph.outliers import Outliers

MOST_CATEGORIES = 5000  # texts of a file with more different values are no property
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


@dataclass(frozen=True)
class _Entry:
    title: str
    unit: str
    level: Literal["environment", "structure"]
    kind: Literal["number", "category"]
    make: Callable[[], Any] = field(compare=False)  # numbers (N,) or (S,); of categories (codes, names)


class Properties(Mapping[str, Property]):
    """All properties of a dataset, and of its survey where there is one; each is computed when first asked for."""

    def __init__(
        self,
        dataset: AtomicDataset,
        survey: Surveyed | None = None,
        condensed: Condensed | None = None,
        *,
        quick: Projection | None = None,
        live: Mapping[str, Callable[[], Property]] | None = None,
    ) -> None:
        """``quick`` is the map of principal components; ``live`` are properties that change, computed each time."""
        self._dataset = dataset
        self._live = dict(live or {})
        self._entries = _of_dataset(dataset)
        if survey is not None:
            self._entries |= _of_survey(survey)
            if condensed is not None and survey.embedding is not None:
                self._entries |= _of_latent_space(survey.embedding, condensed)
        if quick is not None:
            self._entries |= _places("pca", "Principal component", quick)
        self._entries |= {
            name: entry for name, entry in _of_files(dataset).items() if name not in self._entries
        }  # our names first: theirs may mean anything
        self._made: dict[str, Property] = {}

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
            self._made[name] = Property(name, entry.title, entry.unit, entry.level, entry.kind, values, tuple(names))
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
        """Two properties of numbers as coordinates (N, 2)."""
        return np.stack([self[x].values, self[y].values], axis=1).astype(np.float32)

    def find(self, text: str) -> NDArray[np.bool_]:
        """Environments (N,) that a search means.

        A whole number is a structure's index; the name of a group, a file or a cluster, or the symbol of an element,
        is all of it (``*`` stands for anything); all else is a condition (see :mod:`meagraph.inspection.conditions`).
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
        for name in ("element", "group", "file"):
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


def _of_dataset(data: AtomicDataset) -> dict[str, _Entry]:
    sizes = data.sizes

    def forces() -> NDArray[np.float64]:
        length: NDArray[np.float64] = np.linalg.norm(data.forces, axis=1)
        return length

    def per_structure(values: NDArray[np.float64], reduce: np.ufunc) -> NDArray[np.float64]:
        return np.asarray(reduce.reduceat(values, data.offsets[:-1]))

    def files() -> tuple[NDArray[np.int64], list[str]]:
        return data.source_index.astype(np.int64), [Path(s.path).name or data.name for s in data.sources]

    def elements() -> tuple[NDArray[np.int64], list[str]]:
        species = np.asarray(data.species)
        return np.searchsorted(species, data.numbers), [chemical_symbols[z] for z in species]

    def formulas() -> tuple[NDArray[np.int64], list[str]]:
        return _codes(np.array([atoms.get_chemical_formula() for atoms in data.structures]))

    def volumes() -> NDArray[np.float64]:
        return np.array([a.cell.volume / len(a) if a.cell.rank == 3 else np.nan for a in data.structures])

    entries = {
        "group": _Entry("Group", "", "structure", "category", lambda: _codes(data.groups)),
        "element": _Entry("Element", "", "environment", "category", elements),
        "formula": _Entry("Formula", "", "structure", "category", formulas),
        "file": _Entry("File", "", "structure", "category", files),
        "environment": _Entry("Environment", "", "environment", "number", lambda: np.arange(data.n_environments)),
        "structure": _Entry("Structure", "", "structure", "number", lambda: np.arange(data.n_structures)),
        "frame": _Entry("Frame in its file", "", "structure", "number", lambda: data.frame_index),
        "atom": _Entry("Atom", "", "environment", "number", lambda: data.atom_of),
        "n_atoms": _Entry("Atoms in the structure", "", "structure", "number", lambda: sizes),
        "energy": _Entry("Energy per atom", "eV/atom", "structure", "number", lambda: data.energy / sizes),
        "force": _Entry("Force", "eV/Å", "environment", "number", forces),
        "fmax": _Entry("Largest force", "eV/Å", "structure", "number", lambda: per_structure(forces(), np.maximum)),
        "net_force": _Entry(
            "Net force",
            "eV/Å",
            "structure",
            "number",
            lambda: np.linalg.norm(np.add.reduceat(data.forces, data.offsets[:-1], axis=0), axis=1),
        ),
        "volume": _Entry("Volume per atom", "Å³", "structure", "number", volumes),
    }
    if np.isfinite(data.stress).any():
        entries["pressure"] = _Entry("Pressure", "GPa", "structure", "number", lambda: data.pressures)
    return entries


def _of_survey(survey: Surveyed) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    clusters, outliers = survey.clusters, survey.outliers
    if clusters is not None:
        labels, names = clusters.labels, [str(number + 1) for number in range(clusters.n_clusters)]
        entries["cluster"] = _Entry(
            "Cluster", "", "environment", "category", lambda: (np.where(labels == NOISE, -1, labels), names)
        )
    if outliers is not None:
        entries["score"] = _Entry("Outlier score", "", "environment", "number", _constant(outliers.score))
    if not survey.quick:
        entries |= _places("umap", "UMAP", survey.projection)
    for signal in () if outliers is None else outliers.signals:
        name = signal.name.replace(" ", "_").replace("-", "_")
        if signal.name in MEASURED:
            own, title, unit = MEASURED[signal.name]
            entries[own] = _Entry(title, unit, "environment", "number", _constant(signal.value))
        title = f"Suspicion: {signal.name}"
        entries[f"by_{name}"] = _Entry(title, "decades", "environment", "number", _constant(signal.rarity))
    return entries


def _places(name: str, title: str, projection: Projection) -> dict[str, _Entry]:
    """The two coordinates of a map."""
    return {
        f"{name}_{axis + 1}": _Entry(
            f"{title} {axis + 1}", "", "environment", "number", _constant(projection.xy[:, axis])
        )
        for axis in (0, 1)
    }


def _of_latent_space(embedding: Embedding, condensed: Condensed) -> dict[str, _Entry]:
    made: list[NDArray[np.float64]] = []

    def component(number: int) -> NDArray[np.float64]:
        if not made:
            made.append(principal_components(embedding.values, condensed.multiplicity, LATENT))
        return np.asarray(made[0][condensed.assignment, number])

    count = min(LATENT, *embedding.values.shape)
    of = condensed.assignment
    entries = {
        f"latent_{number + 1}": _Entry(
            f"Latent component {number + 1}", "", "environment", "number", partial(component, number)
        )
        for number in range(count)
    }
    entries["twins"] = _Entry(
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
    axes = axes[:, ::-1][:, :count]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return np.asarray(centred @ axes)


def _of_files(data: AtomicDataset) -> dict[str, _Entry]:
    """Scalars of all frames (ASE's ``info``) and per-atom scalars (``arrays``), where every structure has them."""
    first = data.structures[0]
    entries: dict[str, _Entry] = {}
    for key in first.info:
        if not key.isidentifier() or key in ("energy", "config_type"):
            continue
        values = [atoms.info.get(key) for atoms in data.structures]
        if all(isinstance(v, int | float | np.integer | np.floating | np.bool_) for v in values):
            entries[key] = _Entry(key, "", "structure", "number", _constant(np.array(values, dtype=np.float64)))
        elif all(isinstance(v, str) for v in values) and len(set(values)) <= MOST_CATEGORIES:
            entries[key] = _Entry(key, "", "structure", "category", _constant(_codes(np.array(values))))
    for key in first.arrays:
        if not key.isidentifier() or key in ("numbers", "positions"):
            continue
        columns = [atoms.arrays.get(key, np.empty((0, 0))) for atoms in data.structures]
        if all(column.ndim == 1 and column.dtype.kind in "fiub" for column in columns):
            entries[key] = _Entry(key, "", "environment", "number", partial(_gathered, columns))
    return entries


def _gathered(columns: list[NDArray[Any]]) -> NDArray[np.float64]:
    return np.concatenate(columns).astype(np.float64)


def _constant(made: Any) -> Callable[[], Any]:
    return lambda: made


def _codes(texts: NDArray[np.str_]) -> tuple[NDArray[np.int64], list[str]]:
    names, codes = np.unique(texts, return_inverse=True)
    return codes.astype(np.int64), [str(name) for name in names]
