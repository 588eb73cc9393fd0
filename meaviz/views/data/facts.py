"""The facts and tables of the tab Data as HTML."""

from __future__ import annotations

from markupsafe import Markup

from meagraph.display.cards import Table
from meagraph.inspection.findings import Findings
from meaviz.style.text import join, markup

ROWS = 200  # of a table


def facts(found: Findings) -> Markup:
    """What there is: counts, elements, groups, periodicity, labels; then the ranges of all quantities."""
    rows = join(markup("<tr><th>{}</th><td>{}</td></tr>", name, value) for name, value in found.facts())
    return markup('<div tabindex="0"><table class="data">{}</table>{}</div>', rows, _table(found.distribution_table()))


def pairs(found: Findings) -> Markup:
    """Pairs of elements in one structure and as neighbours."""
    note = markup("<p>Distances of neighbours are being looked at.</p>") if not found.complete else ""
    return markup('<div tabindex="0">{}{}</div>', note, _table(found.pair_table()))


def _table(table: Table) -> Markup:
    heads = join(markup("<th>{}</th>", head) for head in table.heads)
    rows = join(
        markup("<tr><th>{}</th>{}</tr>", row[0], join(markup("<td>{}</td>", cell) for cell in row[1:]))
        for row in table.rows[:ROWS]
    )
    more = len(table.rows) - ROWS
    note = markup("<p>{:,} more: see <code>meagraph info</code></p>", more) if more > 0 else ""
    return markup('<table class="data numbers"><tr>{}</tr>{}</table>{}', heads, rows, note)
