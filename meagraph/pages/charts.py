"""Charts of a page as SVG whose colours are the page's own, light or dark: bars, errors beside random, curves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import as_cell
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.error_curve import CostCurves, median
from meagraph.pruning.tally import Tally

LISTED = 40  # rows of a table of bars
WIDTH = 520  # of a chart, in pixels
LEFT, RIGHT = 130, 24  # of what is drawn, room for words and for the last number


def tally_table(head: str, tally: Tally) -> str:
    """What a plan takes of each category: a row each, with the share that stays as a bar."""
    rows = "".join(
        f'<tr><td class="name">{as_cell(name)}</td><td class="number">{whole:,}</td><td class="number">{chosen:,}</td>'
        f'<td class="number">{kept:,}</td><td>{_bar(kept / max(whole, 1))}</td></tr>'
        for name, whole, chosen, kept in zip(
            tally.names[:LISTED], tally.whole.tolist(), tally.chosen.tolist(), tally.kept.tolist(), strict=False
        )
    )
    more = len(tally.names) - LISTED
    note = f'<p class="note">and {more:,} smaller ones</p>' if more > 0 else ""
    heads = f'<th>{as_cell(head)}</th><th class="number">environments</th><th class="number">chosen</th>'
    heads += '<th class="number">in kept structures</th><th>share that stays</th>'
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{note}"


def _bar(share: float) -> str:
    return (
        f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{share:.1%}">'
        '<rect class="whole" x="0" y="0" width="100" height="8"/>'
        f'<rect class="part" x="0" y="0" width="{100 * share:.2f}" height="8"/></svg>'
    )


def cost_chart(cost: PlanCost) -> str:
    """Force errors of the quick force field: of what is kept, of each random selection, of all data."""
    lines = [("kept structures", "kept", [cost.kept.rmse])]
    lines.append(("random structures", "random", [one.rmse for one in cost.random]))
    lines.append(("all data", "whole", [cost.whole.rmse]))
    shown = [(name, kind, [1e3 * value for value in values if np.isfinite(value)]) for name, kind, values in lines]
    known = [value for *_, values in shown for value in values]
    if not known:
        return ""
    low, high = min(known), max(known)
    margin = 0.12 * (high - low) or 0.1 * high or 1.0
    low, high = max(0.0, low - margin), high + margin
    ticks = _ticks(low, high)

    def across(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<line class="grid" x1="{across(tick):.1f}" x2="{across(tick):.1f}" y1="8" y2="104"/>'
        f'<text class="muted" x="{across(tick):.1f}" y="121" text-anchor="middle">{tick:g}</text>'
        for tick in ticks
    ]
    for row, (name, kind, values) in enumerate(shown):
        height = 24 + 32 * row
        parts.append(f'<text x="{LEFT - 14}" y="{height + 4}" text-anchor="end">{name}</text>')
        parts += [f'<circle class="{kind}" cx="{across(value):.1f}" cy="{height}" r="5"/>' for value in values]
        if len(values) > 1:
            middle = across(float(np.median(values)))
            parts.append(
                f'<line class="{kind}" x1="{middle:.1f}" x2="{middle:.1f}" y1="{height - 11}" y2="{height + 11}"/>'
            )
    words = (
        f'<text class="muted" x="{(LEFT + WIDTH - RIGHT) / 2}" y="139" text-anchor="middle">force RMSE / meV/Å</text>'
    )
    return _svg(WIDTH, 146, "Force errors of kept, random and all structures", "".join(parts) + words)


def curves_chart(curves: CostCurves, keep: float) -> str:
    """Force errors along the keep fraction, of each selector, of random selections as a band, and of all data."""
    height, bottom = 300, 252
    random = 1e3 * curves.random
    lines = [(line.selector, 1e3 * line.rmse()) for line in curves.lines]
    known = np.concatenate([random.ravel(), *(values for _, values in lines), [1e3 * curves.whole]])
    known = known[np.isfinite(known) & (known > 0)]
    if not known.size:
        return ""
    low, high = 0.93 * float(known.min()), 1.07 * float(known.max())
    first, last = math.log(float(curves.keep.min())), math.log(float(curves.keep.max()))

    def across(value: float) -> float:
        return 64 + (math.log(value) - first) / max(last - first, 1e-9) * (WIDTH - 64 - 110)

    def up(value: float) -> float:
        return bottom - (math.log(value) - math.log(low)) / math.log(high / low) * (bottom - 12)

    def path(values: NDArray[np.float64]) -> str:
        there = [
            (across(k), up(v)) for k, v in zip(curves.keep.tolist(), values.tolist(), strict=True) if np.isfinite(v)
        ]
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in there)

    end = WIDTH - 110
    parts = [
        f'<line class="grid" x1="64" x2="{end}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>'
        f'<text class="muted" x="56" y="{up(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in _ticks(low, high)
    ]
    parts += [
        f'<text class="muted" x="{across(one):.1f}" y="{bottom + 18}" text-anchor="middle">{100 * one:g}</text>'
        for one in curves.keep.tolist()
    ]
    fitted = [bool(np.isfinite(row).any()) for row in random]
    if any(fitted):
        ends = np.array(
            [
                (np.nanmin(row), np.nanmax(row)) if ok else (np.nan, np.nan)
                for row, ok in zip(random, fitted, strict=True)
            ]
        )
        edge = " ".join([path(ends[:, 0]), *reversed(path(ends[:, 1]).split(" "))])
        parts.append(f'<polygon class="random band" points="{edge}"/>')
        parts.append(f'<polyline class="random line" points="{path(np.array([median(row) for row in random]))}"/>')
    kinds = ("kept", "whole", "random dash")
    names = [(float(np.nanmedian(random[-1])) if fitted[-1] else np.nan, "random", "random")]
    for kind, (name, values) in zip(kinds, lines, strict=False):
        parts.append(f'<polyline class="{kind} line" points="{path(values)}"/>')
        names.append((float(values[-1]), name, kind))
    level = f"{up(1e3 * curves.whole):.1f}"
    parts.append(f'<line class="whole dash" x1="64" x2="{end}" y1="{level}" y2="{level}"/>')
    names.append((1e3 * curves.whole, "all data", "whole"))
    if math.exp(first) <= keep <= math.exp(last):
        parts.append(f'<line class="grid dash" x1="{across(keep):.1f}" x2="{across(keep):.1f}" y1="12" y2="{bottom}"/>')
    parts += _names([(up(value), name) for value, name, _ in names if np.isfinite(value)], end + 8)
    parts.append(
        f'<text class="muted" x="{(64 + end) / 2}" y="{height - 8}" text-anchor="middle">kept environments / %</text>'
    )
    parts.append(
        f'<text class="muted" x="14" y="{bottom / 2}" text-anchor="middle" transform="rotate(-90 14 {bottom / 2})">'
        "force RMSE / meV/Å</text>"
    )
    return _svg(WIDTH, height, "Force errors along the share of environments that is kept", "".join(parts))


def _names(wanted: Sequence[tuple[float, str]], left: float) -> list[str]:
    """Names beside the ends of lines, moved apart where they would lie over each other."""
    parts, last = [], -math.inf
    for height, name in sorted(wanted):
        last = max(height + 4, last + 14)
        parts.append(f'<text x="{left}" y="{last:.1f}">{as_cell(name, 16)}</text>')
    return parts


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers from ``low`` to ``high``."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [float(f"{number * step:.6g}") for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _svg(width: int, height: int, words: str, content: str) -> str:
    return (
        f'<svg class="chart" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{as_cell(words)}">{content}</svg>'
    )
