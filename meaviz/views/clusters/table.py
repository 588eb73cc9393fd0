"""What the table of clusters shows: sizes, groups inside, means of properties, and a picture of two members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from meagraph.inspection.summaries import mean_and_spread
from meagraph.latent.clustering import contingency
from meagraph.latent.exemplars import extremes
from meaviz.session import Session, cluster_name
from meaviz.style.palette import NEUTRAL, palette
from meaviz.style.text import join, markup
from meaviz.views.shared.pictures import picture

GROUPS = 3  # named of each cluster, the most frequent
PICTURED = 40  # clusters, the largest
PICTURE = 46  # pixels
CENTRAL, EDGE = "central", "edge"


def cluster_facts(session: Session, properties: Sequence[str]) -> pd.DataFrame:
    """One row a cluster, what is unclustered last: what stays as it is while the map does.

    ``label`` is C for what is unclustered; each property has a column of its title with mean ± standard deviation.
    """
    data, clusters, known = session.dataset, session.survey.clusters, session.properties
    n = clusters.n_clusters
    sizes = np.append(clusters.sizes, np.sum(clusters.labels < 0))
    names, codes = np.unique(data.groups, return_inverse=True)
    bins = clusters.bins
    counts = contingency(bins, codes[data.structure_of], (n + 1, len(names)))
    means = {}
    for name in properties:
        pairs = zip(*mean_and_spread(known[name].values, bins, n + 1), strict=True)
        means[known.title_of(name)] = [plus_minus(*pair) for pair in pairs]
    table = pd.DataFrame(
        {
            "label": np.arange(n + 1),
            "colour": [*palette(n), NEUTRAL],
            "cluster": [*(cluster_name(label) for label in range(n)), cluster_name(-1)],
            "size": sizes,
            "share": np.round(100 * sizes / data.n_environments, 1),
            "groups": [_groups(names, row) for row in counts],
            **means,
            "candidates": members(session, session.survey.outliers.score >= 1.0),
        }
    )
    return table[table["size"] > 0].reset_index(drop=True)


def members(session: Session, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Environments of ``mask`` (N,) in each cluster (C + 1,), of what is unclustered last."""
    clusters = session.survey.clusters
    return np.bincount(clusters.bins[mask], minlength=clusters.n_clusters + 1)


def pictures(session: Session) -> dict[str, dict[int, tuple[int, str]]]:
    """Central and edge member of the largest clusters: by column, by label (C: unclustered), row and SVG."""
    clusters = session.survey.clusters
    found = extremes(clusters, session.learned.condensed, session.survey.embedding.values)
    shown = [*range(min(clusters.n_clusters, PICTURED)), clusters.n_clusters]
    return {
        column: {
            label: (int(rows[label]), picture(session, int(rows[label]), PICTURE))
            for label in shown
            if rows[label] >= 0
        }
        for column, rows in zip((CENTRAL, EDGE), found, strict=True)
    }


def plus_minus(mean: float, spread: float) -> str:
    """Mean and standard deviation, two digits of the deviation: ``-11.85 ± 0.13``."""
    if not np.isfinite(mean):
        return "–"
    if not spread > 1e-9 * max(abs(mean), 1e-9):
        return f"{mean:.4g} ± 0"
    digits = int(np.clip(1 - np.floor(np.log10(spread)), 0, 5))
    return f"{mean:.{digits}f} ± {spread:.{digits}f}"


def _groups(names: NDArray[np.str_], counts: NDArray[np.int64]) -> str:
    """The most frequent groups of a cluster with their shares, as HTML, a line each."""
    order = np.argsort(-counts, kind="stable")
    there = order[counts[order] > 0]
    shares = 100 * counts / max(counts.sum(), 1)
    lines = [markup("{} {:.0f} %", names[code], shares[code]) for code in there[:GROUPS]]
    more = len(there) - GROUPS
    if more > 0:
        lines[-1] += markup(" <small>+ {}</small>", more)
    return str(join(lines, Markup("<br>")))
