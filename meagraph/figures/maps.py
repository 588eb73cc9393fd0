"""The map for a paper: environments in the plane, coloured by a property."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import printable
from meagraph.display.palette import palette
from meagraph.display.pictures import KEPT, NONE, PRUNED
from meagraph.figures.style import NAMED, SINGLY, legend_of, new_figure, style
from meagraph.inspection.property import Property
from meagraph.inspection.summaries import spans_decades

PLAN = "plan"  # the property that says what is kept, whose colours say it, too
SHORT = 24  # characters of a name before its number
ENDS = (0.08, 0.98)  # of viridis: without what is lost on white


def colours_of(category: Property) -> list[str]:
    """The colour of each category, those of the app."""
    return [PRUNED, KEPT] if category.name == PLAN else list(palette(len(category.names)))


def map_figure(
    xy: NDArray[np.floating], by: Property, *, width: float, axes_names: tuple[str, str] = ("UMAP 1", "UMAP 2")
) -> Any:
    """Environments at ``xy`` (N, 2) coloured ``by`` a property (N,), in so many inches.

    Of categories the most frequent are named with their environments. Of more than SINGLY points they are an image in
    SVG and PDF, all else stays lines and text. Numbers span their 1st to 99th percentile; grey is without a value.
    """
    beside = width > 5.0
    with style():
        figure, (axes,) = new_figure(width, 0.62 * width if beside else 1.12 * width)
        size = float(np.clip(150 * width / np.sqrt(max(len(xy), 1)) / 7, 0.4, 8.0))
        order = np.random.default_rng(0).permutation(len(xy))  # so that none hides another by its place in the files
        draw = {"s": size, "linewidths": 0, "rasterized": len(xy) > SINGLY}
        if by.kind == "category":
            _categories(figure, axes, xy, by, order, draw)
        else:
            _numbers(figure, axes, xy, by, order, draw, beside)
        axes.set(xticks=[], yticks=[], xlabel=axes_names[0], ylabel=axes_names[1])
        axes.set_aspect("equal", "datalim")
    return figure


def _categories(
    figure: Any, axes: Any, xy: NDArray[np.floating], by: Property, order: NDArray[np.int64], draw: dict[str, Any]
) -> None:
    colours = np.array([*colours_of(by), NONE])
    if by.name == PLAN:
        order = order[np.argsort(by.values[order], kind="stable")]  # what is kept on top
    axes.scatter(*xy[order].T, c=colours[by.values[order]], **draw)
    counts = np.bincount(by.values + 1, minlength=len(by.names) + 1)
    falling = np.argsort(-counts[1:], kind="stable")
    there = [int(code) for code in falling if counts[code + 1]]
    words = by.titles or by.names
    names = [f"{printable(words[code], SHORT)} ({counts[code + 1]:,})" for code in there[:NAMED]]
    shades = [str(colours[code]) for code in there[:NAMED]]
    if counts[0]:
        names.append(f"none ({counts[0]:,})")
        shades.append(NONE)
    legend_of(figure, shades, names, title=by.title, more=max(len(there) - NAMED, 0))


def _numbers(
    figure: Any,
    axes: Any,
    xy: NDArray[np.floating],
    by: Property,
    order: NDArray[np.int64],
    draw: dict[str, Any],
    beside: bool,
) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, LogNorm, Normalize

    ramp = ListedColormap(colormaps["viridis"](np.linspace(*ENDS, 256)))
    values = by.values[order]
    log = spans_decades(by.values)
    known = np.isfinite(values) & (values > 0 if log else True)
    axes.scatter(*xy[order[~known]].T, c=NONE, **draw)
    if not known.any():
        return
    low, high = np.percentile(values[known], [1, 99])
    norm = (LogNorm if log else Normalize)(float(low), float(high) if high > low else float(low) + 1e-9)
    points = axes.scatter(*xy[order[known]].T, c=values[known], cmap=ramp, norm=norm, **draw)
    place = {"location": "right", "shrink": 0.7} if beside else {"location": "bottom", "shrink": 0.8, "pad": 0.03}
    bar = figure.colorbar(points, ax=axes, aspect=26, extend="both", **place)
    bar.set_label(by.label, parse_math=False)
    bar.outline.set_linewidth(0.4)
