"""Findings on paper: lines for a terminal, JSON, and a page of HTML that refers to nothing outside itself."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.display.cards import Table, as_cell, html_table, printable, text_table
from meagraph.display.pages import claim_file, write_whole
from meagraph.inspection.findings.about import ABOUT
from meagraph.inspection.findings.finding import Distribution, Finding, Findings, Pair
from meagraph.inspection.summaries import Histogram

LISTED = 40  # structures named of a finding
PAIRS = 100  # rows of the table of pairs
CHARTS = 12  # pairs of elements whose lengths are drawn
WIDTH, HEIGHT = 260, 90  # of a chart, in its own units
MARK = '<meta name="generator" content="meagraph findings">'  # by which a page of ours is known again
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --text: #1B1F24; --muted: #5B6570; --ground: #FFFFFF; --line: #D8DDE3; --bar: #0072B2;
  --error: #B3261E; --warning: #8A5A00; --note: #5B6570 }
@media (prefers-color-scheme: dark) { :root { --text: #E8EAED; --muted: #A5AEB8; --ground: #15191E; --line: #39424C;
  --bar: #56B4E9; --error: #FF8A80; --warning: #F0BC59; --note: #A5AEB8 } }
body { font: 15px/1.5 'Helvetica Neue', Helvetica, Arial, sans-serif; color: var(--text); background: var(--ground);
  margin: 32px auto; max-width: 1000px; padding: 0 24px }
h1 { font-size: 26px; margin: 0 } h2 { font-size: 18px; margin: 32px 0 8px }
.lead, .about, figcaption { color: var(--muted) } .lead { margin: 4px 0 20px }
ol { list-style: none; padding: 0; margin: 0 }
li { border-left: 4px solid var(--note); padding: 2px 0 2px 12px; margin: 0 0 12px; overflow-wrap: anywhere }
li.error { border-color: var(--error) } li.warning { border-color: var(--warning) }
li b { margin-right: 6px } li.error b { color: var(--error) } li.warning b { color: var(--warning) }
li b, .about, .where { font-size: 13px } .where { font-variant-numeric: tabular-nums }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere;
  vertical-align: top }
.number { text-align: right }
.charts { display: flex; flex-wrap: wrap; gap: 20px } figure { margin: 0; width: 300px }
svg { width: 100%; height: auto }
svg rect { fill: var(--bar) } svg line { stroke: var(--line) } svg text { fill: var(--muted); font-size: 10px }
figcaption { font-size: 13px }
@media print { li, figure, tr { break-inside: avoid } }
"""


def as_lines(found: Findings) -> list[str]:
    """Findings, distributions and pairs as text for a terminal."""
    lines = [f"findings: {found.counts_text()}"]
    lines += [f"  {one.severity:<9}{printable(one.text, None)}{_named(one)}" for one in found.found]
    for title, table in (("quantity", found.distribution_table()), ("pair", found.pair_table())):
        if table.rows:
            lines += ["", *text_table(Table((title, *table.heads[1:]), table.rows[:PAIRS]))]
            lines += [f"  {len(table.rows) - PAIRS:,} more"] if len(table.rows) > PAIRS else []
    return lines


def as_json(found: Findings) -> dict[str, Any]:
    """Everything that was found, JSON-able; structures and environments by their number from 0."""
    return {
        "findings": [
            {
                "key": one.key,
                "severity": one.severity,
                "text": one.text,
                "about": ABOUT[one.key],
                "structures": one.structures.tolist(),
                "environments": one.environments.tolist(),
            }
            for one in found.found
        ],
        "elements": {
            one.symbol: {"environments": one.environments, "structures": one.structures} for one in found.elements
        },
        "pairs": [
            {
                "elements": list(one.symbols),
                "structures": one.structures,
                "neighbours": one.neighbours,
                **{name: _number(getattr(one, name)) for name in ("shortest", "median", "longest")},
                "lengths": None if one.lengths is None else _bars(one.lengths),
            }
            for one in found.pairs
        ],
        "periodic": found.periodic,
        "coverage": {one.label: {"known": one.known, "total": one.total, "of": one.of} for one in found.coverage},
        "distributions": {
            one.key: {
                "title": one.title,
                "unit": one.unit,
                "of": one.level + "s",
                "least": one.least,
                "median": one.middle,
                "most": one.most,
                **_bars(one.histogram),
            }
            for one in found.distributions
        },
    }


def as_page(found: Findings) -> str:
    """A page as text: no script, nothing from elsewhere, light or dark as the reader's system is."""
    facts = html_table(Table(("", ""), tuple(found.facts())))
    charts = "".join(_chart(one) for one in found.distributions)
    longest = sorted((one for one in found.pairs if one.lengths is not None), key=lambda one: -(one.neighbours or 0))
    lengths = "".join(_lengths(one) for one in longest[:CHARTS])
    items = "".join(_item(one) for one in found.found) or "<li>Nothing stands out.</li>"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
{MARK}
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(printable(found.name))}: findings</title><style>{STYLE}</style></head><body>
<h1>{as_cell(found.name)}</h1><p class="lead">{escape(found.counts_text())}</p>
<h2>Findings</h2><ol>{items}</ol>
<h2>What there is</h2>{facts}
<h2>Distributions</h2><div class="charts">{charts}</div>
<h2>Pairs of elements</h2>{html_table(found.pair_table(), PAIRS)}
<h2>Distances of neighbours</h2><div class="charts">{lengths}</div>
<h2>Groups</h2>{html_table(found.groups)}
</body></html>
"""


def claim_page(path: str | Path, inputs: Iterable[str | Path]) -> None:
    """Raise MEAGraphError where a page must not be written: over one of ``inputs``, or over what is no page of ours."""
    claim_file(path, MARK, inputs=inputs)


def write_page(path: str | Path, found: Findings) -> None:
    """Write :func:`as_page`. Raises MEAGraphError where that cannot be done."""
    write_whole(path, as_page(found))


def histogram_svg(found: Histogram, words: str) -> str:
    """Bars with the range below; ``words`` say what they show to those who do not see them."""
    count, top = len(found.counts), max(int(found.counts.max()), 1)
    step = WIDTH / count
    bars = "".join(
        f'<rect x="{place * step:.2f}" y="{HEIGHT - high:.2f}" width="{max(step - 0.6, 0.6):.2f}" height="{high:.2f}"/>'
        for place, high in enumerate((np.asarray(found.counts) / top * HEIGHT).tolist())
        if high > 0
    )
    low, far = (f"{edge:.4g}" for edge in (found.edges[0], found.edges[-1]))
    ends = (
        f'<text x="0" y="{HEIGHT + 13}">{low}</text><text x="{WIDTH}" y="{HEIGHT + 13}" text-anchor="end">{far}</text>'
    )
    middle = f'<text x="{WIDTH / 2}" y="{HEIGHT + 13}" text-anchor="middle">{"logarithmic" if found.log else ""}</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 18}" role="img" aria-label="{as_cell(words)}">{bars}'
        f'<line x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}"/>{ends}{middle}</svg>'
    )


def _chart(one: Distribution) -> str:
    return _figure(one.histogram, f"{one.label}, of {one.level}s", (one.least, one.middle, one.most))


def _lengths(one: Pair) -> str:
    assert one.lengths is not None
    return _figure(one.lengths, f"{one.name} / Å", (one.shortest, one.median, one.longest))


def _figure(found: Histogram, title: str, values: Iterable[float]) -> str:
    least, middle, most = (f"{value:.4g}" for value in values)
    caption = f"{title}: {least} to {most}, median {middle}"
    return f"<figure>{histogram_svg(found, caption)}<figcaption>{as_cell(caption)}</figcaption></figure>"


def _item(one: Finding) -> str:
    where = f'<div class="where">{escape(_named(one).strip())}</div>' if len(one.structures) else ""
    return (
        f'<li class="{one.severity}"><b>{one.severity}</b>{as_cell(one.text, None)}{where}'
        f'<div class="about">{escape(ABOUT[one.key])}</div></li>'
    )


def _named(one: Finding) -> str:
    """The structures of a finding by their numbers."""
    if not len(one.structures):
        return ""
    names = ", ".join(str(number) for number in one.structures[:LISTED].tolist())
    more = f" and {len(one.structures) - LISTED:,} more" if len(one.structures) > LISTED else ""
    return f" Structure{'s' * (len(one.structures) > 1)} {names}{more}."


def _bars(found: Histogram) -> dict[str, Any]:
    return {"edges": found.edges.tolist(), "counts": found.counts.tolist(), "logarithmic": found.log}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
