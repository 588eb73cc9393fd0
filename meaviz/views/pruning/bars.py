"""Bars of what a plan keeps of each group or cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import holoviews as hv

from meagraph.pruning.tally import Tally
from meaviz.components.charts.chart import Hook
from meaviz.style.page import chart_hook
from meaviz.style.palette import Theme

BARS = 24  # at most; more cannot be read
CHOSEN = "chosen / %"
FACTS = ("in kept structures / %", CHOSEN, "in kept structures", "chosen", "all")  # of a bar


@dataclass(frozen=True, eq=False)
class PlanBars:
    """What one bar chart shows; None before there is a plan."""

    what: str
    tally: Tally | None

    def shape(self) -> object:
        """The categories that are shown, and how many there are."""
        names = () if self.tally is None else self.tally.names
        return self.what, names[:BARS], len(names)

    def layers(self) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        """Columns of the bars, and of the marks."""
        rows: list[tuple[Any, ...]] = [("", 0.0, 0.0, 0, 0, 1)]
        if self.tally is not None:
            counts = (self.tally.kept[:BARS], self.tally.chosen[:BARS], self.tally.whole[:BARS])
            rows = [
                (name, 100 * kept / whole, 100 * chosen / whole, kept, chosen, whole)
                for name, kept, chosen, whole in zip(
                    self.tally.names[:BARS], *(count.tolist() for count in counts), strict=True
                )
            ]
        bars = dict(zip((self.what, *FACTS), map(list, zip(*rows, strict=True)), strict=True))
        return bars, {name: bars[name] for name in (self.what, CHOSEN)}


def draw(data: PlanBars, tokens: Theme, hook: Hook) -> hv.Overlay:
    """Bars of the share that lies in kept structures, and a mark at the share of chosen environments."""
    count = 0 if data.tally is None else len(data.tally.names)
    title = f"Kept per {data.what}" + (f" (largest {BARS} of {count})" if count > BARS else "")
    columns = data.layers()
    bars = hv.Bars(columns[0], data.what, list(FACTS)).opts(
        color=tokens.accent, alpha=0.45, line_color=None, tools=["hover"]
    )
    marks = hv.Scatter(columns[1], data.what, CHOSEN).opts(marker="dash", size=14, color=tokens.text, line_width=2)
    return (bars * marks).opts(
        hv.opts.Overlay(
            responsive=True,
            ylim=(0, 105),
            ylabel="kept / %",
            xlabel="",
            title=title,
            xrotation=50,
            toolbar=None,
            show_legend=False,
            framewise=True,
            hooks=[chart_hook(tokens), hook],
        )
    )
