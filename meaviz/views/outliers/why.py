"""Why a candidate stands out, as HTML: its reasons, what people said, and the comparison with its neighbours."""

from __future__ import annotations

from html import escape

import numpy as np
from ase.data import chemical_symbols

from meagraph.descriptors import component_names
from meagraph.outliers import Explanation, Fact
from meaviz.session import Session
from meaviz.style.palette import Theme

ALIKE = 0.5  # spreads; where no component is farther away the descriptor says nothing
MARGIN = 0.5  # of the neighbours' range, by which a value must lie outside to stand out


def why(session: Session, row: int, found: Explanation | None, tokens: Theme) -> str:
    """Everything that is known of candidate ``row``; ``found`` is None while it is being worked out."""
    return _head(session, row) + (_comparison(session, found, tokens) if found else '<p class="empty">Comparing …</p>')


def _head(session: Session, row: int) -> str:
    data, outliers, judgements = session.dataset, session.survey.outliers, session.judgements
    structure = int(data.structure_of[row])
    reasons = escape("; ".join(outliers.reasons(row)))
    said = "".join(
        f"<li><b>{escape(act.author)}</b>: {escape(act.verdict)}"
        + "".join(f" · {escape(text)}" for text in (act.reason, act.note) if text)
        + f" <small>{escape(act.time)[:16].replace('T', ' ')} UTC</small></li>"
        for act in judgements.of(row)
    )
    return (
        f"<h4>Structure {structure}, atom {data.atom_of[row]} ({chemical_symbols[data.numbers[row]]}) · "
        f"{escape(str(data.groups[structure]))} · score {outliers.score[row]:.2f}</h4>"
        f"<p>{reasons}</p>" + (f'<ul class="said">{said}</ul>' if said else "")
    )


def _comparison(session: Session, found: Explanation, tokens: Theme) -> str:
    if len(found.neighbours) == 0:
        note = '<p class="empty">No other structure holds an ordinary environment of this element to compare with.</p>'
        return note + _facts(found.facts, tokens)
    names = component_names(session.descriptors)
    return f'<div class="beside">{_facts(found.facts, tokens)}{_components(found, names, tokens)}</div>'


def _facts(facts: tuple[Fact, ...], tokens: Theme) -> str:
    """A table: this one, the neighbours' median and range; what lies well outside the range stands out."""
    rows = []
    for fact in facts:
        margin = MARGIN * (fact.high - fact.low)
        outside = fact.value < fact.low - margin or fact.value > fact.high + margin
        style = f' style="color:{tokens.bad};font-weight:600"' if outside else ""
        value, median, low, high = _numbers(fact.value, fact.median, fact.low, fact.high)
        unit = f" <small>/ {fact.unit}</small>" if fact.unit else ""
        rows.append(
            f"<tr><th>{escape(fact.name)}{unit}</th><td{style}>{value}</td>"
            f"<td>{median} <small>({low} to {high})</small></td></tr>"
        )
    head = "<tr><th></th><th>this one</th><th>neighbours <small>(range)</small></th></tr>"
    return f'<table class="why">{head}{"".join(rows)}</table>'


def _components(found: Explanation, names: list[str], tokens: Theme) -> str:
    """Bars: how far each component is from the neighbours' mean, and the range of the neighbours as a band."""
    rows = []
    most = max(float(np.abs(found.difference).max()), float(np.abs(found.spread).max()), ALIKE)
    for which, away, (low, high) in zip(found.components, found.difference, found.spread, strict=True):
        start, width = _span(0.0, away / most)
        left, band = _span(low / most, high / most)
        rows.append(
            f"<tr><th>{escape(names[which])}</th><td><div class='track'>"
            f"<i style='left:{left:.1f}%;width:{band:.1f}%;background:{tokens.border}'></i>"
            f"<b style='left:{start:.1f}%;width:{width:.1f}%;background:{tokens.accent}'></b>"
            f"</div></td><td>{away:+.2f}</td></tr>"
        )
    alike = np.abs(found.difference).max() < ALIKE
    note = "<p>Its descriptor hardly differs: look at the labels.</p>" if alike else ""
    return (
        f"<div>{note}<table class='why'><tr><th>descriptor component</th><th title='grey: the range of the neighbours'>"
        f"away from neighbours</th><th title='standard deviations of ordinary environments'>spreads</th></tr>"
        f"{''.join(rows)}</table></div>"
    )


def _span(one: float, other: float) -> tuple[float, float]:
    """Where a bar begins and how wide it is, in per cent of a track from -1 to 1."""
    low, high = (50 + 50 * value for value in sorted((one, other)))
    return low, max(high - low, 0.6)


def _numbers(*values: float) -> list[str]:
    """Numbers that are compared: as many decimals as the largest has with four digits; a dash where none is known."""
    known = np.abs([value for value in values if np.isfinite(value)])
    largest = known.max(initial=0.0)
    decimals = int(np.clip(3 - np.floor(np.log10(largest)), 0, 9)) if largest > 0 else 0
    return [f"{value + 0.0:.{decimals}f}" if np.isfinite(value) else "–" for value in values]
