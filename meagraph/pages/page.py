"""The page itself: HTML with its one script and style inside, which may do nothing but what stands in them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.display.cards import Table, as_cell, counted, html_table, percent, printable
from meagraph.display.palette import palette
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Measures
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.quests import QuestsMeasures
from meagraph.exports.manifest import settings_table, versions_used
from meagraph.inspection.clusters import ClusterCounts, count_clusters
from meagraph.outliers import Outliers
from meagraph.pages.charts import cost_chart, curves_chart, tally_table
from meagraph.pages.content import Shot, page_data
from meagraph.pages.packing import json_in_html
from meagraph.predictions import Errors
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.tally import by_cluster, by_group

MARK = '<meta name="generator" content="meagraph share">'  # by which a page of ours is known again
SCRIPTS = ("data.js", "map.js", "scene.js", "page.js")
ROWS = 250  # of the table of clusters
FILES = 200  # that are listed
CANDIDATES = 12  # for outliers that are listed
SURROGATE = (
    "Errors of a quick linear force field on structures held out of every fit. It ranks plans of one dataset and "
    "foretells the error of no other model."
)
KEYS = (
    "Keys: on the map arrows go from point to point, with Shift they move the map, + and − zoom, 0 shows all; n and p "
    "go through the selection, l takes the lasso, Esc selects nothing. Shift adds to a selection, Ctrl removes. "
    "In the 3D view arrows turn, + and − zoom, 0 turns back."
)


def page_html(
    shot: Shot,
    outliers: Outliers | None = None,
    *,
    settings: Mapping[str, Any],
    title: str = "",
    comment: str = "",
    wanted: Sequence[str] = (),
    measures: Measures | None = None,
    cost: PlanCost | None = None,
    curves: CostCurves | None = None,
    quests: QuestsMeasures | None = None,
    errors: Errors | None = None,
    progress: Progress = silent,
) -> str:
    """The whole page; it asks for nothing outside itself, and equal input gives equal text.

    All that comes from files is escaped, and so is what the user gives: ``title`` and ``comment``. ``wanted`` are
    names of further properties. Figures of a plan must be those of the plan of ``shot``. Raises as
    :func:`meagraph.pages.content.page_data`.
    """
    data, plan = shot.dataset, shot.plan
    content = json_in_html(page_data(shot, wanted, progress=progress))
    style, script = _part("page.css"), "(() => {\n'use strict';\n" + "\n".join(map(_part, SCRIPTS)) + "\n})();"
    name = printable(title or data.name, 200)
    sections = [
        _section("Clusters", _clusters(shot), "wide"),
        *([] if plan is None else [_plan(shot, plan, measures, cost, curves, quests)]),
        *([] if outliers is None else _candidates(shot, outliers)),
        *([] if errors is None else [_errors(errors)]),
        _section("How it was made", _made(shot, settings)),
    ]
    note = f'<p class="note">{escape(shot.sample.words)}</p>' if not shot.sample.whole else ""
    lines = "\n".join(as_cell(line, None) for line in comment.splitlines())
    said = f'<p class="comment">{lines}</p>' if lines else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">{MARK}
<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>{escape(name)}</title><style>{style}</style></head><body>
<header><div><h1>{escape(name)}</h1><p class="lead">{escape(_lead(shot))}</p>{said}
<div class="figures">{_figures(shot)}</div>{note}</div><button id="theme">Dark</button></header>
<main><noscript><p>The map and the 3D view need JavaScript, which is switched off.</p></noscript>
{_part("stage.html")}{"".join(sections)}</main>
<footer><p>{escape(KEYS)}</p><p>Made by MEAViz {escape(str(versions_used()["meaviz"]))}. This file holds all that it
shows and asks for nothing elsewhere.</p></footer>
<script type="application/json" id="data">{content}</script>
<script>{script}</script></body></html>
"""


def _part(name: str) -> str:
    return (files("meagraph.pages") / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Only this very style and script, and nothing from anywhere."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()

    return (
        f"default-src 'none'; script-src 'sha256-{digest(script)}'; style-src 'sha256-{digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _section(title: str, content: str, kind: str = "") -> str:
    inner = f'<div class="{kind}">{content}</div>' if kind else content
    return f'<section class="card"><h2>{escape(title)}</h2>{inner}</section>'


def _lead(shot: Shot) -> str:
    data = shot.dataset
    known = f", {int(data.known.sum()):,} of them known already" if data.known.any() else ""
    return f"{data.n_environments:,} atomic environments in {data.n_structures:,} structures{known}"


def _figures(shot: Shot) -> str:
    count = shot.clusters.n_clusters
    shown = [(f"{count:,}", "cluster" if count == 1 else "clusters")]
    if shot.plan is not None:
        one = shot.plan.summary
        shown += [
            (f"{one.kept:,}", f"of {one.structures:,} structures kept ({percent(one.kept, one.structures)})"),
            (
                f"{one.atoms:,}",
                f"of {one.environments:,} environments in them ({percent(one.atoms, one.environments)})",
            ),
            (f"{one.chosen:,}", f"environments chosen ({percent(one.chosen, one.environments)})"),
        ]
    return "".join(f"<div><b>{number}</b>{escape(words)}</div>" for number, words in shown)


def _clusters(shot: Shot) -> str:
    counts = count_clusters(shot.clusters, shot.dataset, shot.plan)
    there = np.flatnonzero(counts.environments).tolist()
    none = shot.clusters.n_clusters
    heads = (
        '<th>cluster</th><th>centre</th><th>name</th><th class="number">environments</th><th class="number">share</th>'
    )
    heads += '<th class="number">structures</th><th>groups</th>'
    if counts.kept is not None:
        heads += '<th class="number">chosen</th><th class="number">in kept structures</th>'
    colours = palette(none)
    rows = "".join(
        _cluster_row(shot, counts, label, "#B0B5BA" if label == none else colours[label]) for label in there[:ROWS]
    )
    more = f'<p class="note">and {len(there) - ROWS:,} more clusters</p>' if len(there) > ROWS else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _cluster_row(shot: Shot, counts: ClusterCounts, label: int, colour: str) -> str:
    none = label == shot.clusters.n_clusters
    size, total = int(counts.environments[label]), int(counts.environments.sum())
    number, name = ("none", "") if none else (str(label), shot.names[label])
    swatch = (
        f'<svg class="dot" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5" fill="{colour}"/></svg>'
    )
    cells = [
        f'<button class="pick" aria-pressed="false" title="Select this cluster on the map">{swatch}{number}</button>',
        f'<canvas class="thumb" data-cluster="{label}" title="The most central environment"></canvas>',
        as_cell(name),
        f"{size:,}",
        percent(size, total),
        f"{counts.structures[label]:,}",
        as_cell(counted(counts.groups_of(label)), None),
    ]
    if counts.chosen is not None and counts.kept is not None:
        kept = int(counts.kept[label])
        cells += [f"{counts.chosen[label]:,}", f"{kept:,} ({percent(kept, size)})"]
    kinds = ("", "", "name", "number", "number", "number", "", "number", "number")
    made = (
        f'<td class="{kind}">{cell}</td>' if kind else f"<td>{cell}</td>"
        for kind, cell in zip(kinds, cells, strict=False)
    )
    return f'<tr data-cluster="{label}">{"".join(made)}</tr>'


def _plan(
    shot: Shot,
    plan: PruningPlan,
    measures: Measures | None,
    cost: PlanCost | None,
    curves: CostCurves | None,
    quests: QuestsMeasures | None,
) -> str:
    """What stays, what that costs, and how it was chosen."""
    labels = [*(f"{number} · {name}" for number, name in enumerate(shot.names)), "in no cluster"]
    facts = "".join(f"<tr><td>{as_cell(name)}</td><td>{as_cell(text, None)}</td></tr>" for name, text in plan._facts())
    parts = [f'<table class="facts">{facts}</table>']
    charts = []
    if cost is not None:
        charts.append(("What it costs", f'{cost_chart(cost)}<p class="note">{SURROGATE}</p>'))
    if curves is not None:
        charts.append(("Along the share that is kept", curves_chart(curves, plan.config.keep)))
    if measures is not None:
        charts.append(("Coverage", html_table(measures.table())))
    if quests is not None:
        charts.append(("QUESTS", f'{html_table(quests.table())}<p class="note">{escape(quests.caption())}</p>'))
    tallies = [
        ("By group", tally_table("group", by_group(plan, shot.dataset))),
        ("By cluster", tally_table("cluster", by_cluster(plan, shot.dataset, shot.clusters, labels))),
    ]
    parts += [_columns(charts), "" if cost is None else html_table(cost.table()), _columns(tallies)]
    return _section("What is kept", "".join(parts))


def _columns(parts: Sequence[tuple[str, str]]) -> str:
    """HTML under titles, side by side where there is room."""
    inner = "".join(f"<div><h3>{escape(title)}</h3>{content}</div>" for title, content in parts)
    return f'<div class="columns">{inner}</div>' if parts else ""


def _candidates(shot: Shot, outliers: Outliers) -> list[str]:
    """The environments that stand out most, one of each structure, and why."""
    place = {int(row): index for index, row in enumerate(shot.sample.rows.tolist())}
    rows: list[int] = []
    seen: set[int] = set()
    for row in outliers.candidates.tolist():
        structure = int(shot.dataset.structure_of[row])
        if structure not in seen and row in place and len(rows) < CANDIDATES:
            seen.add(structure)
            rows.append(row)
    if not rows:
        return []
    lines = "".join(
        f'<tr><td class="fixed"><button data-point="{place[row]}">Show</button></td>'
        f'<td class="number">{outliers.score[row]:.2f}</td>'
        f'<td class="fixed">{as_cell(_where(shot, row), None)}</td>'
        f"<td>{as_cell('; '.join(outliers.reasons(row)), 400)}</td></tr>"
        for row in rows
    )
    count = len(outliers.candidates)
    words = "environments have a score of 1 or more; these are candidates, not proven errors"
    note = f'<p class="note">{count:,} {words}.</p>'
    head = '<thead><tr><th></th><th class="number">score</th><th>where</th><th>why</th></tr></thead>'
    return [_section("What stands out", f'{note}<div class="wide"><table>{head}<tbody>{lines}</tbody></table></div>')]


def _errors(errors: Errors) -> str:
    """How far predictions are off, in all and in parts; the map can be coloured by them."""
    words = f"{errors.predicted.words}, beside the labels of the data. Colour the map by an error to see where it is."
    note = f'<p class="note">{as_cell(words[0].upper() + words[1:], None)}</p>'
    return _section("How far predictions are off", f'{note}<div class="wide">{html_table(errors.table(), ROWS)}</div>')


def _where(shot: Shot, row: int) -> str:
    data = shot.dataset
    structure = int(data.structure_of[row])
    source = Path(data.sources[data.source_index[structure]].path).name or data.name
    return f"{source}, frame {data.frame_index[structure]}, atom {data.atom_of[row]}"


def _made(shot: Shot, settings: Mapping[str, Any]) -> str:
    """Files by name and hash, without the folders they lay in; settings; versions."""
    data = shot.dataset
    sources = Table(
        ("file", "frames", "SHA-256"),
        tuple((Path(one.path).name or data.name, f"{one.n_frames:,}", one.sha256) for one in data.sources),
    )
    chosen = {**({} if shot.plan is None else {"pruning": shot.plan.config}), **settings}
    versions = Table(("package", "version"), tuple((name, value or "–") for name, value in versions_used().items()))
    return (
        f"<details open><summary>Files</summary>{html_table(sources, FILES)}</details>"
        f"<details><summary>Settings</summary>{html_table(settings_table(chosen, folders=False))}</details>"
        f"<details><summary>Versions</summary>{html_table(versions)}</details>"
    )
