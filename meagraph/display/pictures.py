"""Pictures in HTML: a map, as a PNG in the page itself, by matplotlib's figures without a window."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import as_cell

KEPT, PRUNED, TEXT, LINE = "#0072B2", "#C9CFD6", "#1B1F24", "#5B6570"
NONE = "#B0B5BA"  # environments in no cluster
CATEGORIES = (
    # Okabe & Ito (2008), yellow darkened for a white surface and black replaced by purple for a dark one
    *("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#EADB2E", "#8A2E8A"),
    # picked by hand, then each the farthest in CIELAB from all before it, as seen with normal, deuteranopic
    # and protanopic eyes
    *("#8A4B2A", "#8FD694", "#1A6361", "#9A8CFF", "#B3A954", "#32D8E3", "#D3565C", "#876090"),
    *("#F0BC59", "#64DABE", "#BE6630", "#3B7A47", "#1C76D8", "#7D8EC3", "#AF2960", "#CA9B6D"),
)
DPI = 160
NAMED = 12  # entries of a legend at most
DRAWN = 60_000  # environments of a map at most; more cannot be told apart at this size

Layer = tuple[NDArray[np.bool_], str, str]
"""A mask (N,), its colour and its name; no name keeps it out of the legend."""


def figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches and its axes, in the style of all pictures."""
    from matplotlib.figure import Figure  # here, for it takes half a second

    made = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = made.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=LINE, labelsize=8)
    return made, axes


def image(made: Any, words: str) -> str:
    """A figure as HTML; ``words`` say what it shows to those who do not see it."""
    stream = io.BytesIO()
    made.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    data = base64.b64encode(stream.getvalue()).decode()
    width = round(made.get_figwidth() * 96)
    return f'<img alt="{as_cell(words)}" width="{width}" src="data:image/png;base64,{data}">'


def map_image(xy: NDArray[np.floating], layers: Iterable[Layer], words: str) -> str:
    """Environments at ``xy`` (N, 2) in the colours of their layers, the last one on top, as HTML.

    Of more than DRAWN environments so many are drawn, each layer in proportion.
    """
    made, axes = figure(6.5, 4.6)
    size = float(np.clip(400 / np.sqrt(max(len(xy), 1)), 0.3, 12))
    rng = np.random.default_rng(0)
    for mask, colour, name in layers:
        rows = np.flatnonzero(mask)
        if len(xy) > DRAWN:
            rows = np.sort(rng.choice(rows, -(-len(rows) * DRAWN // len(xy)), replace=False))
        axes.scatter(*xy[rows].T, s=size, c=colour, linewidths=0, label=name or None)
    axes.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2")
    handles, names = axes.get_legend_handles_labels()
    place = {"loc": "best"} if len(names) <= 2 else {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    legend = axes.legend(
        handles, names, frameon=False, fontsize=8, markerscale=max(1.0, 5 / np.sqrt(size)), labelcolor=TEXT, **place
    )
    legend.set_visible(bool(names))
    return image(made, words)


def cluster_layers(bins: NDArray[np.int64], count: int) -> list[Layer]:
    """The layers of a map by cluster: ``bins`` (N,) from 0 to ``count``, which stands for none; the largest named."""
    layers: list[Layer] = [(bins == count, NONE, f"none ({int((bins == count).sum()):,})")]
    largest = np.argsort(-np.bincount(bins, minlength=count)[:count], kind="stable")[:NAMED]
    for label in range(count):
        mask = bins == label
        name = f"cluster {label} ({int(mask.sum()):,})" if label in largest else ""
        layers.append((mask, CATEGORIES[label % len(CATEGORIES)], name))
    return [layer for layer in layers if layer[0].any()]


def kept_layers(kept: NDArray[np.bool_], known: NDArray[np.bool_] | None = None) -> list[Layer]:
    """The layers of a map of what stays: ``kept`` (N,), and what is ``known`` (N,) already."""
    parts = [(~kept, PRUNED, "pruned"), (kept, KEPT, "in kept structures")]
    if known is not None and known.any():
        parts = [(known, LINE, "known already"), (~kept & ~known, PRUNED, "pruned"), parts[1]]
    return [(mask, colour, f"{words} ({int(mask.sum()):,})") for mask, colour, words in parts]
