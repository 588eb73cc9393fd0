"""Why a candidate stands out, as HTML: its reasons, what people said, and the comparison with its neighbours."""

from __future__ import annotations

import math

from ase.data import chemical_symbols
from markupsafe import Markup

from meagraph.descriptors import component_names
from meagraph.outliers import Explanation, Fact
from meaviz.session import Session
from meaviz.style.palette import Theme
from meaviz.style.text import join, markup

NARROWEST = 0.5  # spreads that the bars reach at least


def why(session: Session, row: int, found: Explanation | None, tokens: Theme) -> Markup:
    """Everything that is known of candidate ``row``; ``found`` is None while it is being worked out."""
    rest = _comparison(session, found, tokens) if found else markup('<p class="empty">Comparing …</p>')
    return _head(session, row) + rest


def _head(session: Session, row: int) -> Markup:
    found = session.data.found
    data, outliers, judgements = found.dataset, found.survey.outliers, session.judging.judgements
    structure = int(data.structure_of[row])
    said = join(
        markup(
            "<li><b>{}</b>: {} <small>{} UTC</small></li>",
            act.author,
            " · ".join(filter(None, (act.verdict, act.reason, act.note))),
            act.time[:16].replace("T", " "),
        )
        for act in (judgements.of(row) if judgements is not None else ())
    )
    head = markup(
        "<h4>Structure {}, atom {} ({}) · {} · score {:.2f}</h4><p>{}</p>",
        structure,
        data.atom_of[row],
        chemical_symbols[data.numbers[row]],
        data.groups[structure],
        outliers.score[row],
        "; ".join(outliers.reasons(row)),
    )
    family = outliers.family_of(row)
    if family is not None:
        head = markup("<h4>{}</h4><p>They {}.</p>", family.title, family.what) + head
    return head + (markup('<ul class="said">{}</ul>', said) if said else "")


def _comparison(session: Session, found: Explanation, tokens: Theme) -> Markup:
    facts = _facts(found.facts, tokens)
    if len(found.neighbours) == 0:
        nothing = "No other structure holds an ordinary environment of this element to compare with."
        return markup('<p class="empty">{}</p>{}', nothing, facts)
    names = component_names(session.data.found.descriptors)
    return markup('<div class="beside">{}{}</div>', facts, _components(found, names, tokens))


def _facts(facts: tuple[Fact, ...], tokens: Theme) -> Markup:
    """A table: this one, the neighbours' median and range; what lies well outside the range stands out."""
    rows = []
    for fact in facts:
        style = f"color:{tokens.bad};font-weight:600" if fact.stands_out else ""
        value, median, low, high = _numbers(fact.value, fact.median, fact.low, fact.high)
        unit = markup(" <small>/ {}</small>", fact.unit) if fact.unit else ""
        rows.append(
            markup(
                '<tr><th>{}{}</th><td style="{}">{}</td><td>{} <small>({} to {})</small></td></tr>',
                fact.name, unit, style, value, median, low, high,
            )
        )  # fmt: skip
    return markup(
        '<table class="why"><tr><th></th><th>this one</th><th>neighbours <small>(range)</small></th></tr>{}</table>',
        join(rows),
    )


def _components(found: Explanation, names: list[str], tokens: Theme) -> Markup:
    """Bars: how far each component is from the neighbours' mean, and the range of the neighbours as a band."""
    rows = []
    most = max(found.reach, NARROWEST)
    for which, away, (low, high) in zip(found.components, found.difference, found.spread, strict=True):
        start, width = _span(0.0, away / most)
        left, band = _span(low / most, high / most)
        rows.append(
            markup(
                "<tr><th>{}</th><td><div class='track'><i style='left:{:.1f}%;width:{:.1f}%;background:{}'></i>"
                "<b style='left:{:.1f}%;width:{:.1f}%;background:{}'></b></div></td><td>{:+.2f}</td></tr>",
                names[which], left, band, tokens.border, start, width, tokens.accent, away,
            )
        )  # fmt: skip
    return markup(
        "<div>{}<table class='why'><tr><th>descriptor component</th><th title='grey: the range of the neighbours'>"
        "away from neighbours</th><th title='standard deviations of ordinary environments'>spreads</th></tr>"
        "{}</table></div>",
        markup("<p>Its descriptor hardly differs: look at the labels.</p>") if found.alike else "",
        join(rows),
    )


def _span(one: float, other: float) -> tuple[float, float]:
    """Where a bar begins and how wide it is, in per cent of a track from -1 to 1."""
    low, high = (50 + 50 * value for value in sorted((one, other)))
    return low, max(high - low, 0.6)


def _numbers(*values: float) -> list[str]:
    """Numbers that are compared: as many decimals as the largest has with four digits; a dash where none is known."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    decimals = min(max(3 - math.floor(math.log10(largest)), 0), 9) if largest > 0 else 0
    return [f"{value + 0.0:.{decimals}f}" if math.isfinite(value) else "–" for value in values]
