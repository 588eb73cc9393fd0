"""Results as pandas tables: a row for each environment, structure or cluster, named columns with units.

The columns are those of :mod:`meagraph.inspection.properties`; ``table.attrs["units"]`` names the unit of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed
from meagraph.inspection.clusters import count_clusters
from meagraph.inspection.naming import Evidence
from meagraph.inspection.properties import NAME, Properties, Surveyed
from meagraph.inspection.property import Property
from meagraph.inspection.summaries import mean_and_spread
from meagraph.latent.clustering import NOISE
from meagraph.pruning.plan import PruningPlan

if TYPE_CHECKING:
    import pandas as pd

WHOLE = {"environment", "structure", "frame", "atom", "n_atoms", "twins"}  # properties that are whole numbers
UNCLUSTERED = "unclustered"  # what is in no cluster, among names
MEANS = ("energy", "force")  # properties of clusters that are usually shown


def to_dataframe(
    dataset: AtomicDataset,
    survey: Surveyed | None = None,
    condensed: Condensed | None = None,
    *,
    rows: str = "environments",
    columns: Sequence[str] | None = None,
    plan: PruningPlan | None = None,
    evidence: Evidence | None = None,
    novelty: NDArray[np.floating] | None = None,
) -> pd.DataFrame:
    """A table of ``rows``: a name of ROWS.

    ``environments`` and ``structures`` (N and S rows, in the order of the files, numbered from 0) have the properties
    named in ``columns``, by default all of their level and, of environments, those of their structures. Categories are
    pandas categoricals, numbers float64 but for counts and indices. ``cluster`` is the label from 0 by falling size, -1
    for none.

    ``clusters`` (a row for each that has members, by its label, what is in none last) have ``name`` where there is
    ``evidence`` to name them by, ``environments``,
    ``share`` of all environments, ``structures`` with a member, ``representatives``, the most frequent ``group`` and
    its ``group_share``, outlier ``candidates``, and the mean and, as ``..._spread``, the standard deviation of the
    properties named in ``columns``, by default energy and force.

    With a ``plan``: of environments ``chosen`` and ``kept`` (their structure stays); of structures ``chosen`` (how
    many of its environments) and ``kept``; of clusters how many environments are ``chosen`` and ``kept``.

    ``attrs["units"]`` gives the unit of each column, "" for none; shares lie between 0 and 1. Raises MEAGraphError for
    other rows, for columns that are none, for clusters without a survey, for a plan of another dataset, and where
    pandas is not installed.
    """
    pandas = _pandas()
    if rows not in ROWS:
        raise MEAGraphError(f"Unknown rows {rows!r}; choose from {', '.join(ROWS)}.")
    if plan is not None and plan.keep.shape != (dataset.n_environments,):
        raise MEAGraphError(
            f"Expected a plan of {dataset.n_environments:,} environments, but it is one of {len(plan.keep):,}. Give "
            "the plan of this dataset."
        )
    known = _Known(
        dataset, survey, condensed, Properties(dataset, survey, condensed, evidence=evidence, novelty=novelty), plan
    )
    index, made = ROWS[rows](known, _named(known.properties, rows, columns))
    data = {name: values for name, (values, _) in made.items()}
    table = pandas.DataFrame(data, index=pandas.Index(index, name=rows.removesuffix("s")))
    table.attrs["units"] = {name: unit for name, (_, unit) in made.items()}
    return table


@dataclass(frozen=True, eq=False)
class _Known:
    dataset: AtomicDataset
    survey: Surveyed | None
    condensed: Condensed | None
    properties: Properties
    plan: PruningPlan | None


Columns = dict[str, tuple[Any, str]]
"""Values and unit by name."""


def _environments(known: _Known, names: Sequence[str]) -> tuple[NDArray[np.int64], Columns]:
    every = np.arange(known.dataset.n_environments)
    made = {name: _column(known.properties[name], every) for name in names if name not in ("environment", "cluster")}
    if known.survey is not None and known.survey.clusters is not None and "cluster" in names:
        made["cluster"] = (known.survey.clusters.labels, "")
    made = {name: made[name] for name in names if name in made}
    if known.plan is not None:
        made["chosen"] = (known.plan.keep, "")
        made["kept"] = (known.plan.structures[known.dataset.structure_of], "")
    return every, made


def _structures(known: _Known, names: Sequence[str]) -> tuple[NDArray[np.int64], Columns]:
    first = known.dataset.offsets[:-1]
    made = {name: _column(known.properties[name], first) for name in names if name != "structure"}
    if known.plan is not None:
        made["chosen"] = (np.add.reduceat(known.plan.keep, first, dtype=np.int64), "")
        made["kept"] = (known.plan.structures, "")
    return np.arange(known.dataset.n_structures), made


def _clusters(known: _Known, names: Sequence[str]) -> tuple[NDArray[np.int64], Columns]:
    if known.survey is None or known.survey.clusters is None or known.survey.outliers is None:
        raise MEAGraphError("Expected an analysis, for a dataset alone has no clusters. Analyse it first.")
    clusters, dataset = known.survey.clusters, known.dataset
    count = clusters.n_clusters + 1
    found = count_clusters(clusters, dataset, known.plan)
    made: Columns = {}
    if NAME in known.properties:
        made["name"] = (np.array([*known.properties[NAME].names, UNCLUSTERED], dtype=object), "")
    made |= {
        "environments": (found.environments, ""),
        "share": (found.environments / dataset.n_environments, ""),
        "structures": (found.structures, ""),
    }
    if known.condensed is not None:
        made["representatives"] = (np.bincount(clusters.bins[known.condensed.first], minlength=count), "")
    made |= {
        "group": (np.array(found.group_names)[found.groups.argmax(axis=1)], ""),
        "group_share": (found.groups.max(axis=1) / np.maximum(found.environments, 1), ""),
        "candidates": (clusters.count(known.survey.outliers.score >= 1.0), ""),
    }
    for name in names:
        column = known.properties[name]
        mean, spread = mean_and_spread(column.values, clusters.bins, count)
        made |= {name: (mean, column.unit), f"{name}_spread": (spread, column.unit)}
    if found.chosen is not None and found.kept is not None:
        made |= {"chosen": (found.chosen, ""), "kept": (found.kept, "")}
    rows = np.flatnonzero(found.environments)
    labels = np.append(np.arange(count - 1), NOISE)
    return labels[rows], {name: (values[rows], unit) for name, (values, unit) in made.items()}


ROWS: dict[str, Callable[[_Known, Sequence[str]], tuple[NDArray[np.int64], Columns]]] = {
    "environments": _environments,
    "structures": _structures,
    "clusters": _clusters,
}


def _named(properties: Properties, rows: str, columns: Sequence[str] | None) -> list[str]:
    """The properties that ``columns`` ask for, or else the usual ones of such rows."""

    def fits(name: str) -> bool:
        if rows == "structures":
            return properties.level_of(name) == "structure"
        return rows == "environments" or properties.kind_of(name) == "number"

    if columns is None:
        return [name for name in properties if fits(name) and (rows != "clusters" or name in MEANS)]
    columns = [columns] if isinstance(columns, str) else list(columns)
    wrong = [name for name in columns if name not in properties or not fits(name)]
    if wrong:
        raise MEAGraphError(
            f"Unknown columns of {rows}: {', '.join(map(str, wrong))}; choose from "
            f"{', '.join(name for name in properties if fits(name))}."
        )
    return columns


def _column(found: Property, rows: NDArray[np.int64]) -> tuple[Any, str]:
    values = found.values[rows]
    if found.kind == "category":
        names = list(dict.fromkeys(found.names))  # files of equal name in two folders are one category
        place = {name: code for code, name in enumerate(names)}
        codes = np.array([*(place[name] for name in found.names), -1])
        return _pandas().Categorical.from_codes(codes[values], names), found.unit
    return values.astype(np.int64) if found.name in WHOLE else values, found.unit


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise MEAGraphError("Tables need pandas, which is not installed. Run pip install pandas") from error
    return pandas
