"""What every result shows of itself: short, true, and nothing of a file but as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

import meagraph as mg
from meagraph.display.cards import Shown, printable
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Measures
from meagraph.evaluation.force_error import Cost
from meagraph.evaluation.quests import QuestsConfig, QuestsMeasures, SetFigures
from meagraph.model.results import EpochRecord
from meagraph.outliers import Outliers, Signal
from meagraph.pruning.plan import prune
from meagraph.pruning.settings import PruningConfig

HOSTILE = '<img src=q onerror="alert(1)">$x$\x1b[2J'


class Page(HTMLParser):
    """Tags, attributes and text of a card."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


@pytest.fixture
def result(make_structures: Callable[..., list[Atoms]], ready_run: Callable[..., mg.Run], tmp_path: Path) -> mg.Run:
    """A run, without any computing, of structures whose groups, name and files are hostile."""
    structures = make_structures(4, 3)
    for atoms in structures[:4]:
        atoms.info["config_type"] = HOSTILE
    dataset = mg.from_atoms(structures, name=HOSTILE)
    dataset = replace(dataset, sources=(replace(dataset.sources[0], path=f"{tmp_path}/{HOSTILE}"),))
    run = ready_run(dataset)
    score = np.zeros(dataset.n_environments)
    score[3] = 2.0
    signal = Signal("force", score, score, 6 * score, "the force is {value:.3g} eV/Å")
    learned = replace(run.learned, source=HOSTILE, history=(EpochRecord(1, 0.5, 1.0), EpochRecord(2, 0.25, 1.0, 0.3)))
    survey = replace(run.survey, outliers=Outliers(score, score > 9, (signal,)))
    config = PruningConfig(keep=0.5, within="fps")
    plan = prune(survey.ranking, survey.clusters, dataset, config)
    files = mg.ExportedFiles(*(tmp_path / HOSTILE / name for name in ("a.extxyz", "b.csv", "manifest.json")))
    return replace(run, learned=learned, survey=survey, plan=plan, files=files)


def evaluation(plan: mg.PruningPlan) -> mg.Evaluation:
    """Figures that are easy to find again."""
    measures = Measures(9, 0.5, 0.25, 0.125, 1.5, 2.5, 0.1, 0.2, {HOSTILE: 1.0}, {"0": 1.0}, {"Nb": 0.75}, {})
    cost = Cost(57, 4, 0.0123, 0.01, 0.05, {HOSTILE: 0.02}, float("nan"), np.zeros(3), np.zeros(1))
    quests = QuestsMeasures(
        plan, dict.fromkeys(("all", "chosen", "kept"), SetFigures(9, 9, 1.25, 2.25, 0.5)), QuestsConfig(), "quests 1"
    )
    return mg.Evaluation(measures, PlanCost(plan, cost, (cost, replace(cost, rmse=0.0345), cost), cost), quests)


def inside(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """A result and the results that it is made of."""
    yield path, value
    for field in fields(value):
        part = getattr(value, field.name)
        for number, entry in enumerate(part if isinstance(part, tuple) else (part,)):
            if is_dataclass(entry) and not isinstance(entry, type):
                yield from inside(entry, f"{path}.{field.name}[{number}]")


def test_every_result_shows_itself_as_text(result: mg.Run) -> None:
    shown = dict(inside(result, "run")) | dict(inside(evaluation(result.plan), "evaluation"))
    assert {type(value).__name__ for value in shown.values()} > {
        *("Run", "AtomicDataset", "Descriptors", "Learned", "Condensed", "Survey", "Clusters", "Projection"),
        *("Outliers", "Cost"),
        *("Signal", "Ranking", "Embedding", "PruningPlan", "ExportedFiles", "Evaluation", "Measures", "PlanCost"),
    }
    bad = [
        path
        for path, value in shown.items()
        if "array(" in repr(value) or len(repr(value)) > 1500 or "\x1b" in repr(value) or str(value) != repr(value)
    ]
    assert not bad


def test_every_card_is_text_and_pictures_of_its_own(result: mg.Run) -> None:
    shown = dict(inside(result, "run")) | dict(inside(evaluation(result.plan), "evaluation"))
    cards = {path: value._repr_html_() for path, value in shown.items() if isinstance(value, Shown)}
    assert len(cards) > 15
    for path, card in cards.items():
        page = Page(card)
        assert page.tags <= {"div", "style", "p", "table", "tr", "th", "td", "img"}, path
        assert {name for name, _ in page.attributes} <= {"class", "alt", "width", "src"}, path
        sources = [value or "" for name, value in page.attributes if name == "src"]
        assert all(source.startswith("data:image/png;base64,") for source in sources), path
        assert "\x1b" not in card, path
        assert "url(" not in card, path
    assert '<img src=q onerror="alert(1)">$x$\ufffd[2J' in Page(cards["run.dataset[0]"]).text
    assert "<img src=q onerror" in Page(cards["run"]).text
    assert cards["run"].count("<img ") == 1  # the map


def test_the_dataset_says_what_it_holds(niobium: mg.AtomicDataset) -> None:
    assert repr(niobium).splitlines() == [
        "Dataset niobium",
        "  structures    12, of 1 to 16 atoms",
        "  environments  145",
        "  elements      Nb 145",
        "  groups        bcc 7, fcc 4, IsolatedAtom 1",
        "  periodic      TTT 11, FFF 1",
        "  energies      of 12 structures",
        "  forces        on 145 atoms",
        "  labels        energy from energy, forces from forces",
        "  from          memory",
    ]
    assert '<td>fcc</td><td class="number">4</td><td class="number">32</td>' in niobium._repr_html_()


def test_a_run_says_what_made_it_and_what_it_keeps(result: mg.Run) -> None:
    lines = dict(line.strip().split("  ", 1) for line in repr(result).splitlines()[1:])
    lines = {name: value.strip() for name, value in lines.items()}
    assert lines["data"] == "105 environments in 9 structures"
    assert lines["descriptors"] == "soap, 4 columns, cutoff 4 Å"
    assert "2 epochs" in lines["model"]
    assert lines["clusters"] == "4 by leiden, 0 environments in none"
    assert lines["outlier candidates"] == "1 of 105 environments"
    assert lines["settings"] == "pooling rate 0.5, seed 0"
    kept, chosen = result.plan.n_structures, result.plan.n_environments
    assert lines["plan"] == f"{kept} of 9 structures kept, {chosen} environments chosen"
    assert re.search(r"^  epochs +2, best 2: loss 0\.3 on structures held out$", repr(result.learned), re.MULTILINE)
    assert "2.00: the force is 2 eV/Å" in repr(result.survey.outliers)


def test_the_table_of_clusters_tells_groups_and_what_the_plan_keeps(result: mg.Run) -> None:
    text = Page(result._repr_html_()).text.split()
    row = text[text.index("structures", text.index("chosen", text.index("groups"))) + 1 :]  # after the last head
    start = row.index("64")
    assert row[1:start] == printable(result.cluster_names[0]).split()
    label, size, share, sign, within = row[0], *row[start : start + 4]
    assert (label, size, f"{share} {sign}", within) == ("0", "64", "61.0 %", "4")
    analysis = mg.Analysis(result.dataset, result.descriptors, result.learned, result.survey)
    assert "in kept structures" not in analysis._repr_html_()
    assert repr(analysis).startswith("Analysis of ")


def test_a_plan_tells_its_counts_with_and_without_its_dataset(result: mg.Run) -> None:
    plan = result.plan
    kept = f"{plan.n_structures} of 9 structures ({100 * plan.n_structures / 9:.1f} %)"
    assert kept in repr(plan)
    assert "50 % of the environments" in repr(plan)
    assert f"selector meagraph, rule cover, {plan.by}, seed 0" in repr(plan)
    assert all(sentence[:100] in repr(plan) for sentence in plan.reasons)
    alone = replace(plan, dataset=None)
    assert f"{plan.n_structures} structures" in repr(alone)
    assert "<table" in alone._repr_html_()
    assert replace(plan.config, number=500, unit="structures").budget == "500 structures"


def test_figures_of_a_plan_in_words(result: mg.Run) -> None:
    found = evaluation(result.plan)
    text = repr(found)
    assert "25.0 % of the environments" in text
    assert "force RMSE 12.3 meV/Å, worst group 20.0 meV/Å (57 environments)" in text
    rows = found.cost.table().rows
    assert [row[0] for row in rows] == ["kept structures", "random structures (median)", "all data"]
    assert [row[2] for row in rows] == ["12.3", "12.3", "12.3"]  # of random ones the median
    assert {row[-1] for row in rows} == {"–"}  # no energies
    assert ("diversity", "2.500 nats") in found.measures.table().rows
    assert "entropy 1.2500 nats" in repr(found.quests)
    assert found.figures()["measures"]["covered_environments"] == 0.25
