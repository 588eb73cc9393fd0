"""What the table of clusters shows: sizes, groups inside, means of properties, and a picture of two members."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from meagraph.inspection.clusters import count_clusters
from meagraph.inspection.properties import NAME
from meagraph.inspection.summaries import mean_and_spread
from meagraph.latent.clustering import NOISE
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
    """One row a cluster, by falling size, what is unclustered last: what stays as it is while the clusters do.

    ``label`` is C for what is unclustered; each property has a column of its title with mean ± standard deviation.
    """
    found, known = session.data.found, session.data.properties
    assert known is not None
    clusters, n = found.survey.clusters, found.survey.clusters.n_clusters
    inside = count_clusters(clusters, found.dataset)
    sizes = inside.environments.tolist()
    means = {}
    for name in properties:
        pairs = zip(*mean_and_spread(known[name].values, clusters.bins, n + 1), strict=True)
        means[known.title_of(name)] = [plus_minus(*pair) for pair in pairs]
    table = pd.DataFrame(
        {
            "label": range(n + 1),
            "colour": [*palette(n), NEUTRAL],
            "cluster": [*(cluster_name(label) for label in range(n)), cluster_name(NOISE)],
            "name": [*(known[NAME].names if NAME in known else [""] * n), ""],
            "size": sizes,
            "share": [round(100 * size / found.dataset.n_environments, 1) for size in sizes],
            "groups": [_groups(inside.groups_of(label)) for label in range(n + 1)],
            **means,
            "candidates": clusters.count(found.survey.outliers.score >= 1.0),
        }
    )
    table = table.iloc[[*clusters.by_size, n]]
    return table[table["size"] > 0].reset_index(drop=True)


def pictures(
    session: Session, known: Mapping[str, Mapping[int, tuple[int, str]]] | None = None
) -> dict[str, dict[int, tuple[int, str]]]:
    """Central and edge member of the largest clusters: by column, by label (C: unclustered), row and SVG.

    What is ``known`` of the same map is not drawn again.
    """
    drawn = {row: svg for column in (known or {}).values() for row, svg in column.values()}
    found = session.data.found
    clusters = found.survey.clusters
    ends = extremes(clusters, found.learned.condensed, found.survey.embedding.values)
    shown = [*clusters.by_size[:PICTURED], clusters.n_clusters]
    return {
        column: {
            label: (int(rows[label]), drawn.get(int(rows[label])) or picture(session, int(rows[label]), PICTURE))
            for label in shown
            if rows[label] >= 0
        }
        for column, rows in zip((CENTRAL, EDGE), ends, strict=True)
    }


def plus_minus(mean: float, spread: float) -> str:
    """Mean and standard deviation, two digits of the deviation: ``-11.85 ± 0.13``."""
    if not math.isfinite(mean):
        return "–"
    if not spread > 1e-9 * max(abs(mean), 1e-9):
        return f"{mean:.4g} ± 0"
    digits = min(max(1 - math.floor(math.log10(spread)), 0), 5)
    return f"{mean:.{digits}f} ± {spread:.{digits}f}"


def _groups(counts: Mapping[str, int]) -> str:
    """The most frequent groups of a cluster with their shares, as HTML, a line each."""
    size = max(sum(counts.values()), 1)
    lines = [markup("{} {:.0f} %", name, 100 * count / size) for name, count in list(counts.items())[:GROUPS]]
    more = len(counts) - GROUPS
    if more > 0:
        lines[-1] += markup(" <small>+ {}</small>", more)
    return str(join(lines, Markup("<br>")))
