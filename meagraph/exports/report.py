"""A plan on one page: a self-contained HTML file with its plots, settings and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Table, html_table, printable
from meagraph.display.pictures import KEPT, LINE, PRUNED, TEXT, figure, image, kept_layers, map_image
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Measures
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.quests import QuestsMeasures
from meagraph.exports.manifest import settings_table
from meagraph.exports.pictures import cluster_pictures, kept_cluster_layers
from meagraph.figures.curves import curves_figure
from meagraph.files import writable_text
from meagraph.latent.clustering import Clusters
from meagraph.latent.projection import Projection
from meagraph.outliers.families import Family
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.tally import Tally, by_cluster, by_group

MOST = 30  # bars; more cannot be read
SURROGATE = (
    "The quick force field is linear, fitted in a moment and tested on structures held out of every fit. It ranks "
    "plans of one dataset by what a short-ranged, smooth model can learn from them. It does not foretell the error of "
    "another model, says nothing of what the held-out structures do not contain, and wrong labels count in fit and "
    "test alike."
)
TRIED = (
    "Tried without the structures that the cost of a plan is judged on: of the others a quarter was left out in turn, "
    "plans of the same size were made of the rest, and the quick force field was fitted to them. Below: the median of "
    "its error over that of a choice at random. Chance is taken where nothing is clearly better; keep fractions beside "
    "each other count as well."
)
TOGETHER = (
    "Candidates to look at, not proven errors. Unless they were judged to be outliers the plan treats them as any "
    "others."
)
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = f"""
body {{ font: 15px/1.5 'Helvetica Neue', Helvetica, Arial, sans-serif; color: {TEXT};
  margin: 32px auto; max-width: 1000px; padding: 0 24px }}
h1 {{ font-size: 26px; margin: 0 }} h2 {{ font-size: 18px; margin: 32px 0 8px }}
.lead {{ color: {LINE}; margin: 4px 0 20px }}
.figures {{ display: flex; flex-wrap: wrap; gap: 32px }}
.figures b {{ display: block; font-size: 24px; font-variant-numeric: tabular-nums }}
.plots {{ display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start }} img {{ max-width: 100%; height: auto }}
table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }}
th, td {{ text-align: right; padding: 4px 14px 4px 0; border-bottom: 1px solid #E3E7EB; overflow-wrap: anywhere }}
th:first-child, td:first-child {{ text-align: left }}
.cards {{ display: flex; flex-wrap: wrap; gap: 8px }}
figure {{ margin: 0; width: 132px; font-size: 12px; line-height: 1.35 }}
figcaption {{ overflow-wrap: anywhere }} h3 {{ font-size: 15px; margin: 16px 0 6px }}
.note {{ color: {LINE}; max-width: 90ch; font-size: 13px }}
@media print {{ body {{ margin: 0 }} h2, img, tr {{ break-inside: avoid }} }}
"""


def report_html(
    dataset: AtomicDataset,
    clusters: Clusters,
    projection: Projection,
    plan: PruningPlan,
    *,
    settings: Mapping[str, Any],
    names: Sequence[str] = (),
    measures: Measures | None = None,
    cost: PlanCost | None = None,
    curves: CostCurves | None = None,
    quests: QuestsMeasures | None = None,
    families: Sequence[Family] = (),
    central: NDArray[np.int64] | None = None,
    cutoff: float = 5.0,
) -> str:
    """The page as text; it refers to nothing outside itself and holds no script.

    ``names`` (C,) say what sets each cluster apart. ``settings`` are JSON-like, nested or not. ``cost`` and ``quests``
    must be those of ``plan``; they and ``curves`` are left out where they were not computed. ``families`` are
    structures that are off together, the most suspicious first. With ``central`` (C + 1,), the most central environment
    of each cluster, these are shown with what lies within ``cutoff`` Å.
    """
    sizes = dataset.sizes
    inside = int(sizes[plan.structures].sum())
    new = ~dataset.known
    share = 100 * plan.n_environments / int(sizes[new].sum())
    figures = [
        (f"{plan.n_structures:,}", f"of {int(new.sum()):,} structures kept"),
        (f"{inside:,}", f"of {int(sizes[new].sum()):,} environments in them"),
        (f"{plan.n_environments:,}", f"environments chosen ({share:.1f} %)"),
    ]
    kept = plan.structures[dataset.structure_of]  # (N,)
    numbers = range(clusters.n_clusters)
    named = (f"{number} {name}" for number, name in zip(numbers, names, strict=True)) if names else map(str, numbers)
    labels = [*named, "unclustered"]
    bars = _bars("group", by_group(plan, dataset))
    bars += _bars("cluster", by_cluster(plan, dataset, clusters, labels))
    sections = [
        _section(
            "Map", map_image(projection.xy, kept_layers(kept, dataset.known_environments), "Map of the kept part")
        ),
        _section("What is kept", f'<div class="plots">{bars}</div>'),
    ]
    if central is not None and clusters.n_clusters:
        layers = kept_cluster_layers(clusters, kept)
        pictures = cluster_pictures(
            dataset, clusters, plan, central, names=tuple(names) or ("",) * clusters.n_clusters, cutoff=cutoff
        )
        picture = map_image(projection.xy, layers, "Map of the kept part by cluster")
        sections.append(_section("Clusters kept and dropped", picture + pictures))
    if measures is not None:
        sections.append(_section("Coverage", html_table(measures.table())))
    if quests is not None:
        sections.append(
            _section("QUESTS", html_table(quests.table()) + f'<p class="note">{escape(quests.caption())}</p>')
        )
    if cost is not None:
        sections.append(_section("What it costs", html_table(cost.table()) + f'<p class="note">{SURROGATE}</p>'))
    if curves is not None:
        picture = image(curves_figure(curves, plan.config.keep, width=6.5), "Force error against the keep fraction")
        sections.append(_section("Along the keep fraction", picture))
    if plan.chosen is not None:
        sections.append(_section("How the clusters share the budget", _shares(plan)))
    if families:
        sections.append(_section("Off together", _families(families, plan)))
    sections.append(_section("Settings", html_table(settings_table({"pruning": plan.config, **settings}))))
    sections += _sources(dataset)
    lead = "".join(f"<div><b>{value}</b>{escape(words)}</div>" for value, words in figures)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(dataset.name)}: pruning report</title><style>{STYLE}</style></head><body>
<h1>{escape(dataset.name)}</h1><p class="lead">Pruning report · dataset {dataset.fingerprint[:16]}</p>
<div class="figures">{lead}</div>
{"".join(sections)}
</body></html>
"""


def _shares(plan: PruningPlan) -> str:
    """What was chosen, why, and what else was tried."""
    assert plan.chosen is not None
    said = "".join(f"<p>{escape(sentence[0].upper() + sentence[1:])}.</p>" for sentence in plan.reasons)
    tables = "".join(
        f"<h3>{title}</h3>{html_table(trial.table())}"
        for title, trial in (("Environments", plan.chosen.environments), ("Whole structures", plan.chosen.structures))
    )
    return f'{said}<p class="note">{TRIED}</p>{tables}'


def _families(families: Sequence[Family], plan: PruningPlan) -> str:
    """Structures to look at before training: which are off together, and how many of them are kept."""
    rows = tuple(
        (writable_text(one.words), f"{len(one.members):,}", f"{int(plan.structures[one.members].sum()):,}")
        for one in families
    )
    return html_table(Table(("candidate", "structures", "kept"), rows)) + f'<p class="note">{TOGETHER}</p>'


def _sources(dataset: AtomicDataset) -> list[str]:
    """Where the structures came from, how the files were read, and what could not be used."""
    head = ("file", "frames", "labels", "SHA-256")
    rows = [
        (writable_text(source.path) or dataset.name, f"{source.n_frames:,}", source.labels.words(), source.sha256)
        for source in dataset.sources
    ]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for source in dataset.sources for note in source.notes)
    sections = [_section("Sources", html_table(Table(head, tuple(rows))) + notes)]
    if dataset.quarantined:
        causes = tuple(
            (writable_text(one.path), f"{one.frame:,}", str(one.line or ""), writable_text(one.cause))
            for one in dataset.quarantined
        )
        table = html_table(Table(("file", "frame", "line", "cause"), causes))
        sections.append(_section("In quarantine: frames that cannot be used", table))
    return sections


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}"


def _bars(what: str, tally: Tally) -> str:
    """Environments of each category before and after."""
    names, whole, kept = tally.names[:MOST], tally.whole[:MOST], tally.kept[:MOST]
    made, axes = figure(4.6, 0.9 + 0.19 * len(names))
    places = np.arange(len(names))[::-1]  # the largest at the top
    axes.barh(places, whole, color=PRUNED, height=0.75, label="before")
    axes.barh(places, kept, color=KEPT, height=0.75, label="after")
    axes.set_yticks(places, [printable(name) for name in names], parse_math=False)  # $x$ is no formula
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlabel("environments")
    more = f" (largest {MOST} of {len(tally.names)})" if len(tally.names) > MOST else ""
    axes.set_title(f"Per {what}{more}", fontsize=9, color=TEXT, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return image(made, f"Environments per {what} before and after")
