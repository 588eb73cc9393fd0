"""The pruning report and the cost along the keep fraction, on a small dataset with a force field to be found."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.evaluation.against_random import evaluate
from meagraph.evaluation.coverage import Yardstick, measure, yardstick
from meagraph.evaluation.equations import Prepared, prepare
from meagraph.evaluation.error_curve import CostCurves, cost_curves, median
from meagraph.evaluation.quests import ALL, CHOSEN, KEPT, QuestsConfig, QuestsMeasures, SetFigures
from meagraph.exports.report import report_html
from meagraph.graph.condensation import condense
from meagraph.latent.clustering import Clusters
from meagraph.latent.projection import Projection
from meagraph.model.results import Embedding
from meagraph.outliers import Family, Outliers
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.survey import Survey
from meagraph.pruning.plan import PruningPlan, prune, rank_environments
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig

NAME = "<script>alert(1)</script> & co"


@pytest.fixture(scope="module")
def dataset() -> AtomicDataset:
    rng = np.random.default_rng(5)
    frames: list[Atoms] = []
    for number in range(60):
        atoms = bulk("Ar", "fcc", a=5.3 + 0.2 * rng.random(), cubic=True) * (2, 1, 1)
        atoms.positions += rng.normal(0, 0.15, atoms.positions.shape)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.01, rc=4.5, smooth=True)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        atoms.info["config_type"] = NAME if number % 3 else "rare"
        frames.append(atoms)
    return dataset_from_structures(frames, name=NAME)


@pytest.fixture(scope="module")
def points(dataset: AtomicDataset) -> np.ndarray:
    rows = np.random.default_rng(1).normal(size=(dataset.n_environments, 5))
    return rows / np.linalg.norm(rows, axis=0)


@pytest.fixture(scope="module")
def survey(dataset: AtomicDataset, points: np.ndarray) -> Survey:
    n = dataset.n_environments
    labels = np.where(np.arange(n) < 7, -1, (np.arange(n) % 3 > 0).astype(int))
    sizes = np.bincount(labels[labels >= 0])
    clusters = Clusters(1 - labels if sizes[0] < sizes[1] else labels, np.sort(sizes)[::-1], "by hand")
    clusters = Clusters(np.where(labels < 0, -1, clusters.labels), clusters.sizes, "by hand")
    nothing = np.zeros((2, 0), dtype=np.int64)
    embedding = Embedding(np.zeros((n, 2), np.float32), nothing, np.zeros(0, np.float32), 0.5, np.ones(n, bool))
    ranking = rank_environments(clusters, points, condense(points, epsilon=0.0))
    outliers = Outliers(np.zeros(n), labels < 0, ())
    return Survey(
        embedding, clusters, Projection(points[:, :2].astype(np.float32)), outliers, ranking, PipelineConfig()
    )


@pytest.fixture(scope="module")
def prepared(dataset: AtomicDataset) -> Prepared:
    return prepare(dataset)


@pytest.fixture(scope="module")
def stick(dataset: AtomicDataset, points: np.ndarray, survey: Survey) -> Yardstick:
    return yardstick(dataset, points, condense(points, epsilon=0.0), survey.clusters)


@pytest.fixture(scope="module")
def curves(
    dataset: AtomicDataset, points: np.ndarray, survey: Survey, prepared: Prepared, stick: Yardstick
) -> CostCurves:
    condensed = condense(points, epsilon=0.0)
    rankings = {"meagraph": survey.ranking}
    rankings["random"] = rank_environments(survey.clusters, points, condensed, selector="random", seed=0)

    def plan_of(ranking: Ranking, config: PruningConfig) -> PruningPlan:
        return prune(ranking, survey.clusters, dataset, config)

    return cost_curves(
        prepared, rankings, plan_of, PruningConfig(rule="any"), stick=stick, keeps=(0.001, 0.1, 0.5), seeds=(0, 1)
    )


def test_each_point_of_a_line_is_the_cost_of_its_plan(
    dataset: AtomicDataset, survey: Survey, prepared: Prepared, stick: Yardstick, curves: CostCurves
) -> None:
    plan = prune(survey.ranking, survey.clusters, dataset, PruningConfig(rule="any", keep=0.1))
    found = evaluate(prepared, plan, seeds=(0, 1))
    line = curves.lines[0]
    assert line.selector == "meagraph"
    assert line.costs[1] is not None
    assert line.costs[1].rmse == found.kept.rmse
    assert curves.random[1].tolist() == [one.rmse for one in found.random]
    assert curves.whole == found.whole.rmse
    assert asdict(line.measures[1]) == asdict(measure(stick, plan.keep))


def test_too_little_data_is_no_point(curves: CostCurves) -> None:
    """A fraction of a thousandth is one environment: no fit, no random band, and no failure."""
    assert curves.lines[0].costs[0] is None
    assert np.isnan(curves.random[0]).all()
    assert np.isnan(median(curves.random[0]))
    assert curves.figures()["force_rmse"]["meagraph"][0] is None
    assert np.isfinite(curves.lines[1].rmse()[1:]).all()


class Page(HTMLParser):
    """What a page refers to, and the cells of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_report_holds_everything_and_refers_to_nothing(
    dataset: AtomicDataset, survey: Survey, prepared: Prepared, stick: Yardstick, curves: CostCurves
) -> None:
    config = replace(PruningConfig(), keep=0.3)
    plan = prune(survey.ranking, survey.clusters, dataset, config)
    found = evaluate(prepared, plan, seeds=(0,))
    settings = {"descriptors": {"method": "soap", "r_cut": 5.0}, "flagged": list(range(40))}
    text = report_html(
        dataset,
        survey.clusters,
        survey.projection,
        plan,
        settings=settings,
        measures=measure(stick, plan.keep),
        cost=found,
        curves=curves,
    )
    page = Page(text)
    assert "script" not in page.tags
    assert page.tags.count("img") == 4
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert not re.search(r"https?://", text)
    numbers = [f"{plan.n_structures:,}", f"{plan.n_environments:,}", f"{1e3 * found.kept.rmse:.1f}", "0.3"]
    for wanted in (NAME, *numbers, "descriptors · r_cut", "40 entries, see the manifest", "pruning · keep"):
        assert any(wanted in one for one in page.texts), wanted


def test_report_tells_what_quests_found(dataset: AtomicDataset, survey: Survey) -> None:
    plan = prune(survey.ranking, survey.clusters, dataset, PruningConfig())
    sets = {
        ALL: SetFigures(480, 480, 4.5678, 5.1, 1.0),
        CHOSEN: SetFigures(96, 96, 3.2109, 3.9, 0.4321),
        KEPT: SetFigures(104, 100, 3.3333, 4.0, 0.5),
    }
    found = QuestsMeasures(plan, sets, QuestsConfig(sample=100, seed=7), "quests 1.2.3")
    page = Page(report_html(dataset, survey.clusters, survey.projection, plan, settings={}, quests=found))
    for wanted in ("QUESTS", "4.5678", "3.2109", "43.21 %", "100", "100.00 %", found.caption()):
        assert wanted in page.texts, wanted
    assert "bandwidth 0.015 1/Å" in found.caption()
    assert "QUESTS" not in Page(report_html(dataset, survey.clusters, survey.projection, plan, settings={})).texts


def test_report_without_figures_of_cost(dataset: AtomicDataset, survey: Survey) -> None:
    plan = prune(survey.ranking, survey.clusters, dataset, PruningConfig())
    page = Page(report_html(dataset, survey.clusters, survey.projection, plan, settings={}))
    assert page.tags.count("img") == 3
    assert "What it costs" not in page.texts


def test_report_tells_what_is_off_together(dataset: AtomicDataset, survey: Survey) -> None:
    """Its members, and how many of them the plan keeps."""
    plan = prune(survey.ranking, survey.clusters, dataset, PruningConfig())
    members = np.flatnonzero(dataset.groups == NAME)[:7]
    rows = np.flatnonzero(np.isin(dataset.structure_of, members))
    one = Family("group", NAME, "energy", members, rows, 40, 1.5, 2.0, "lie 1.5 eV/atom above the others of it")
    page = Page(report_html(dataset, survey.clusters, survey.projection, plan, settings={}, families=(one,)))
    words = f"group {NAME}: 7 of 40 structures lie 1.5 eV/atom above the others of it"
    cells = page.texts[page.texts.index(words) :]
    assert [cell for cell in cells if cell][1:3] == ["7", str(int(plan.structures[members].sum()))]
    assert "script" not in page.tags
    assert "Off together" not in Page(report_html(dataset, survey.clusters, survey.projection, plan, settings={})).texts


def test_report_shows_the_clusters_that_are_kept_and_dropped(dataset: AtomicDataset, survey: Survey) -> None:
    labels = dataset.structure_of % 2
    clusters = Clusters(labels, np.bincount(labels), "by hand")
    plan = prune(survey.ranking, survey.clusters, dataset, PruningConfig(rule="any", keep=0.1)).counted(clusters)
    even = replace(plan, structures=np.arange(dataset.n_structures) % 2 == 0, keep=labels == 0)
    central = np.array([0, int(dataset.offsets[1]), -1])
    names = ("even <i>", "odd")
    text = report_html(dataset, clusters, survey.projection, even, settings={}, names=names, central=central)
    kept, dropped = text.split("<h3>Kept</h3>")[1].split("<h3>Dropped")
    size = int((labels == 0).sum())
    assert f"<b>0</b> even &lt;i&gt;<br>{size:,} of {size:,} (100.0 %)" in kept
    assert f"<b>1</b> odd<br>0 of {dataset.n_environments - size:,} (0.0 %)" in dropped
    assert kept.count("<svg") == dropped.split("<h2>")[0].count("<svg") == 1
    assert "Clusters kept and dropped" not in report_html(dataset, clusters, survey.projection, even, settings={})
