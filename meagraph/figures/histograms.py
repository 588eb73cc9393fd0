"""Histograms for a paper: how a property is spread, in all or by category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from meagraph.display.pictures import KEPT, NONE
from meagraph.errors import MEAGraphError
from meagraph.figures.maps import colours_of
from meagraph.figures.style import NAMED, legend_of, new_figure, style
from meagraph.inspection.property import Property
from meagraph.inspection.summaries import histogram

ABREAST = 3  # panels in a row of two columns
BINS = 50
EMPTY_DECADES = 3  # between the fullest bin and the emptiest, from which counts are drawn by their logarithm


def histogram_figure(properties: Sequence[Property], by: Property | None = None, *, width: float) -> Any:
    """A panel for each of ``properties``, numbers (N,); with ``by`` the bars are stacked by its categories.

    The outermost bars hold all that lies beyond. Raises MEAGraphError for categories, and where nothing is known.
    """
    for one in properties:
        if one.kind != "number":
            raise MEAGraphError(f"A histogram expects numbers, but {one.name!r} has categories. Name another property.")
    made = [histogram(one.values, BINS) for one in properties]
    if not properties or None in made:
        name = next((one.name for one, found in zip(properties, made, strict=True) if found is None), "")
        raise MEAGraphError(f"A histogram expects a property that is known, but nothing is of {name!r}. Name another.")
    columns = 1 if width <= 5.0 else min(ABREAST, len(properties))
    rows = -(-len(properties) // columns)
    with style():
        figure, panels = new_figure(width, rows * 0.66 * width / columns + 0.35 * (by is not None), rows, columns)
        shades, shown, more = ([KEPT], [], 0) if by is None else _shown(by)
        for axes, one, found in zip(panels, properties, made, strict=False):
            assert found is not None
            if by is None:
                parts = [found.counts]
            else:
                masks = [by.values == code for code in shown]
                parts = [found.of(mask) for mask in masks]
                parts.append(found.counts - np.sum(parts, axis=0))  # all others
            below = np.zeros(len(found.counts))
            for counts, shade in zip(parts, shades, strict=False):
                axes.stairs(below + counts, found.edges, baseline=below, fill=True, color=shade, linewidth=0)
                below = below + counts
            axes.set_xlabel(one.label, parse_math=False)
            axes.set_ylabel("environments")
            if found.log:
                axes.set_xscale("log")
            top = found.counts[found.counts > 0]
            if by is None and top.max() > 10**EMPTY_DECADES * max(float(np.percentile(top, 25)), 1.0):
                axes.set_yscale("log")
            else:
                axes.set_ylim(bottom=0)
        for axes in panels[len(properties) :]:
            axes.set_visible(False)
        if by is not None:
            words = by.titles or by.names
            names = [words[code] for code in shown]
            rest = len(shades) > len(shown)
            legend_of(figure, shades, [*names, "all others"] if rest else names, title=by.title, more=more)
    return figure


def _shown(by: Property) -> tuple[list[str], list[int], int]:
    """Colours of the largest categories and of all others together, the categories, and how many are not named."""
    counts = np.bincount(by.values[by.values >= 0], minlength=len(by.names))
    there = [int(code) for code in np.argsort(-counts, kind="stable") if counts[code]]
    if by.name == "plan":
        there = sorted(there, reverse=True)  # what is kept below
    colours = colours_of(by)
    shown = there[: NAMED - 1]
    rest = len(by.values) > int(counts[shown].sum())
    return [*(colours[code] for code in shown), *([NONE] if rest else [])], shown, 0
