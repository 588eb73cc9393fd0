"""What pruning costs along the keep fraction, for a paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from meagraph.display.pictures import LINE, PRUNED, TEXT
from meagraph.evaluation.error_curve import CostCurves, median
from meagraph.figures.style import style

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v")


def curves_figure(curves: CostCurves, keep: float | None = None, *, width: float) -> Any:
    """Force RMSE of each selector, the range of random selections as large, and of all data; ``keep`` is marked."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    with style():
        figure = Figure(figsize=(width, min(0.82 * width, 4.2)), layout="constrained")
        axes = figure.add_subplot()
        known = np.isfinite(curves.random)
        axes.fill_between(
            curves.keep,
            1e3 * np.nanmin(curves.random, axis=1, initial=np.inf, where=known),
            1e3 * np.nanmax(curves.random, axis=1, initial=-np.inf, where=known),
            where=known.any(axis=1),
            color=PRUNED,
            linewidth=0,
            label="random, as many environments",
        )
        axes.plot(curves.keep, 1e3 * np.array([median(row) for row in curves.random]), color=LINE, linewidth=0.8)
        for line, colour, marker in zip(curves.lines, COLOURS, MARKERS, strict=False):
            axes.plot(curves.keep, 1e3 * line.rmse(), color=colour, marker=marker, label=line.selector)
        axes.axhline(1e3 * curves.whole, color=TEXT, linestyle=":", linewidth=0.8, label="all data")
        if keep is not None:
            axes.axvline(keep, color=TEXT, linewidth=0.6, linestyle="--")
        axes.set(xscale="log", yscale="log", xlabel="kept environments / %", ylabel="force RMSE / meV/Å")
        axes.set_xticks(curves.keep, [f"{100 * one:g}" for one in curves.keep], minor=False)
        axes.set_xticks([], minor=True)
        low, high = axes.get_ylim()
        ticks = [step * 10.0**power for power in range(-3, 7) for step in (1, 2, 3, 5, 7)]
        axes.set_yticks([tick for tick in ticks if low <= tick <= high])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        figure.legend(loc="outside upper left", ncols=2)
    return figure
