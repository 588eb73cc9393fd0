"""What clusters are made of, for a paper: a bar for each cluster, in parts by a category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from meagraph.display.pictures import NONE
from meagraph.figures.maps import colours_of
from meagraph.figures.style import NAMED, legend_of, named, new_figure, style
from meagraph.inspection.property import Property
from meagraph.latent.clustering import Clusters, contingency

MOST = 40  # clusters at most, the largest
ROW = 0.17  # inches


def composition_figure(category: Property, clusters: Clusters, names: Sequence[str], *, width: float) -> Any:
    """The share of each of ``category`` in the environments of each of the largest ``clusters``, which have ``names``.

    The numbers at the right are environments. Categories beyond the most frequent are one part, in grey.
    """
    count, kinds = clusters.n_clusters, len(category.names)
    codes = np.where(category.values < 0, kinds, category.values)
    table = contingency(clusters.bins, codes, (count + 1, kinds + 1))
    sizes = table.sum(axis=1)
    rows = [*clusters.by_size[:MOST], *([count] if sizes[count] else [])]
    frequent = np.argsort(-table[:, :kinds].sum(axis=0), kind="stable")
    shown = [int(code) for code in frequent if table[:, code].any()][: NAMED - 1]
    parts = np.column_stack([table[:, shown], sizes - table[:, shown].sum(axis=1)])[rows]
    share = 100 * parts / np.maximum(sizes[rows], 1)[:, None]
    words = [*(f"{number} {name}" for number, name in enumerate(names)), "in no cluster"]
    colours = colours_of(category)
    shades = [*(colours[code] for code in shown), NONE]
    with style():
        beside = width > 5.0
        below = 0 if beside else 0.14 * (len(shown) + 2)
        figure, (axes,) = new_figure(width, 0.7 + ROW * len(rows) + below)
        places = np.arange(len(rows))[::-1]
        left = np.zeros(len(rows))
        for column, shade in enumerate(shades):
            axes.barh(places, share[:, column], left=left, height=0.78, color=shade, linewidth=0)
            left += share[:, column]
        for place, row in zip(places, rows, strict=True):
            axes.text(101, place, f"{sizes[row]:,}", va="center", ha="left", fontsize=7)
        axes.set_yticks(places, named([words[row] for row in rows]), parse_math=False)
        axes.set(xlim=(0, 100), ylim=(-0.6, len(rows) - 0.4), xlabel="environments of the cluster / %")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        rest = bool(parts[:, -1].any())
        titles = category.titles or category.names
        legend_of(
            figure,
            shades if rest else shades[:-1],
            [*(titles[code] for code in shown), *(["all others"] if rest else [])],
            title=category.title,
        )
    return figure
