"""The table of all environments that an export writes: what is known of each, what became of it, how much it counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.files import writable_text
from meagraph.graph.condensation import Condensed
from meagraph.inspection.naming import Evidence
from meagraph.inspection.properties import Surveyed
from meagraph.inspection.tables import to_dataframe
from meagraph.latent.clustering import Clusters
from meagraph.latent.projection import Projection
from meagraph.model.results import Embedding
from meagraph.outliers import Outliers
from meagraph.pruning.plan import PruningPlan

if TYPE_CHECKING:
    import pandas as pd

STATUS = ("pruned", "kept", "known")
UNITS = "units"


@dataclass(frozen=True, eq=False)
class MapAndClusters:
    """A survey without outlier scores, as the commands that go step by step have it."""

    projection: Projection
    embedding: Embedding
    clusters: Clusters
    outliers: Outliers | None = None
    quick: bool = False


def environment_table(
    dataset: AtomicDataset,
    survey: Surveyed,
    condensed: Condensed,
    plan: PruningPlan,
    *,
    evidence: Evidence | None = None,
    novelty: NDArray[np.floating] | None = None,
    flags: NDArray[np.bool_] | None = None,
    weights: NDArray[np.floating] | None = None,
) -> pd.DataFrame:
    """A row for each of N environments: every property there is, and ``source``, ``status`` and so on.

    ``source`` is the path of the file, ``status`` one of STATUS, ``candidate`` whether the outlier score is 1 and
    above, ``flagged`` what people judged to be outliers (``flags``, (N,) bool), ``weight`` the ``weights`` (N,).
    ``cluster`` is the label at the level of ``survey``. Units stand in ``attrs["units"]``. Raises MEAGraphError as
    :func:`meagraph.inspection.tables.to_dataframe`.
    """
    import pandas

    table = to_dataframe(dataset, survey, condensed, plan=plan, evidence=evidence, novelty=novelty)
    units = dict(table.attrs[UNITS])
    kept = plan.structures[dataset.structure_of]
    status = np.where(dataset.known_environments, STATUS.index("known"), kept.astype(np.int64))
    paths = [writable_text(source.path) or dataset.name for source in dataset.sources]
    distinct = list(dict.fromkeys(paths))
    place = np.array([distinct.index(path) for path in paths])
    added = {
        "source": pandas.Categorical.from_codes(place[dataset.source_index[dataset.structure_of]], distinct),
        "status": pandas.Categorical.from_codes(status, STATUS),
    }
    if "score" in table:
        added["candidate"] = table["score"].to_numpy() >= 1.0
    if flags is not None:
        added["flagged"] = flags
    if weights is not None:
        added["weight"] = weights
    for name in table.columns:
        column = table[name]
        if column.dtype == "category":
            table[name] = column.cat.rename_categories([writable_text(str(one)) for one in column.cat.categories])
    found = pandas.concat(
        [table.drop(columns=[name for name in added if name in table]), pandas.DataFrame(added)], axis=1
    )
    found.index.name = table.index.name
    found.attrs = {UNITS: {name: units.get(name, "") for name in found}}
    return found
