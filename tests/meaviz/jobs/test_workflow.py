"""The steps of a session: files name the settings that made what is shown, and a chain keeps those it began with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest

from meagraph.datasets import AtomicDataset, read_dataset
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.graph.similarity import GraphConfig
from meagraph.latent.clustering import ClusteringConfig
from meagraph.latent.projection import ProjectionConfig
from meagraph.model.checkpoint import read_details
from meagraph.model.results import EpochRecord
from meagraph.model.settings import TrainingConfig
from meagraph.pipeline.compiled import LEARNING, RANKING
from meagraph.pipeline.config import PipelineConfig
from meagraph.progress import silent
from meaviz.jobs import chain, opening
from meaviz.jobs import workflow as steps
from meaviz.jobs.opening import Opened
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.places import Places
from meaviz.session.queue import Queues
from meaviz.views.models import RunsView
from meaviz.views.pooling_rate import StabilityView
from meaviz.views.steps.training import DescriptorStep, MapStep, ModelStep
from tests.support.jobs import AtOnce, Held
from tests.support.made_up import session_of

MADE_BY = PipelineConfig(
    graph=GraphConfig(lower=0.91, neighbours=7),
    training=TrainingConfig(epochs=33, patience=4),
    pooling_rate=0.4,
    clustering=ClusteringConfig(method="leiden", resolution=0.07),
    projection=ProjectionConfig(n_neighbors=9),
    seed=11,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))


@pytest.fixture
def session(niobium: AtomicDataset, survey_by_hand: Callable[..., Any]) -> Session:
    """At the map of the tiny niobium, which MADE_BY made."""
    descriptors, learned, survey = survey_by_hand(niobium, {20: 4.0})
    history = (EpochRecord(1, 0.5, 0.1, 0.4),)
    session = Session(author="Ana")
    session.set_dataset(niobium)
    session.set_descriptors(descriptors)
    session.set_learned(replace(learned, config=MADE_BY, history=history))
    session.set_survey(replace(survey, config=MADE_BY, ranking=replace(survey.ranking, seed=MADE_BY.seed)))
    return session


@pytest.fixture
def job(session: Session) -> Held:
    return Held(session)


@pytest.fixture
def workflow(session: Session, job: Held) -> Workflow:
    return Workflow(session, job)


def ask_for_other_settings(session: Session, workflow: Workflow, job: Held) -> None:
    """Start every step with other settings and cancel it, then ask for settings that there are not."""
    describe, train, draw = (step(session, workflow) for step in (DescriptorStep, ModelStep, MapStep))
    describe.r_cut.value = 3.5
    train.epochs.value, train.seed.value, train.threshold.value, train.neighbours.value = 777, 5, 0.55, 3
    train.latent.value = "direct"
    draw.rate.value, draw.method.value = 0.83, "components"
    for start in (describe.compute, train.train, draw.update):
        start()
        assert job.busy
        job.cancel()
        assert session.activity.problem[1] == "Cancelled."
    train.epochs.value, train.neighbours.value = 888, 0
    train.train()
    draw.rate.value, draw.method.value, draw.resolution.value = 0.84, "leiden", -1.0
    draw.update()
    assert not job.busy
    assert session.data.next_config != MADE_BY


def test_an_export_names_the_settings_that_made_what_is_shown(
    session: Session, workflow: Workflow, job: Held, tmp_path: Path
) -> None:
    ask_for_other_settings(session, workflow, job)
    workflow.export(str(tmp_path / "out"), overwrite=False)
    files = job.finish()
    settings = json.loads(files.manifest.read_text())["settings"]
    assert settings["graph"] == {"lower": 0.91, "neighbours": 7} | settings["graph"]
    assert (settings["training"]["epochs"], settings["training"]["seed"]) == (33, 11)
    assert settings["training"]["graph"]["lower"] == 0.91
    assert (settings["pooling_rate"], settings["seed"]) == (0.4, 11)
    assert (settings["projection"]["n_neighbors"], settings["projection"]["seed"]) == (9, 11)
    report = files.report.read_text(encoding="utf-8")
    assert "<td>training · epochs</td><td>33</td>" in report
    assert "<td>pooling_rate</td><td>0.4</td>" in report
    for asked in ("777", "888", "0.83", "0.84", "0.55"):
        assert asked not in json.dumps(settings)


def test_a_saved_model_names_the_settings_that_made_it(
    session: Session, workflow: Workflow, job: Held, tmp_path: Path
) -> None:
    ask_for_other_settings(session, workflow, job)
    _, details = read_details(workflow.save_model(str(tmp_path / "niobium.safetensors")))
    assert (details["training"]["epochs"], details["training"]["patience"], details["seed"]) == (33, 4, 11)
    assert (details["graph"]["lower"], details["graph"]["neighbours"]) == (0.91, 7)


def test_exports_and_models_stay_under_the_root(
    session: Session, workflow: Workflow, job: Held, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "away").symlink_to(tmp_path)
    session.places = Places.at(root)
    for name in ("../n.safetensors", "away/n.safetensors", str(tmp_path / "n.safetensors")):
        with pytest.raises(MEAGraphError, match=rf"n\.safetensors: expected a file under {root}.*--root"):
            workflow.save_model(name)
        step = ModelStep(session, workflow)
        step.path.value_input = name
        step.load(fine_tune=False)
        assert f"expected a file under {root}" in session.activity.problem_of("model")
    workflow.export("../out", overwrite=False)
    assert session.activity.problem[0] == "export"
    assert f"../out: expected a file under {root}" in session.activity.problem[1]
    descriptor = DescriptorStep(session, workflow)
    descriptor.descriptor.value, descriptor.source.value_input = "npy", "away/x.npy"
    descriptor.compute()
    assert f"expected a file under {root}" in session.activity.problem_of("descriptors")
    assert workflow.save_model("n.safetensors") == root / "n.safetensors"
    workflow.export("out", overwrite=False)
    assert job.finish().manifest.parent == root / "out"
    assert {path.name for path in tmp_path.iterdir()} <= {"root", "home", "cache"}


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_model_is_never_saved_over_another_file(
    workflow: Workflow, tmp_path: Path, suffix: str, overwrite: bool
) -> None:
    """Whichever of the two files is named, and however it is asked for."""
    mine = tmp_path / f"niobium{suffix}"
    mine.write_text('{"format": "mine"}')
    for name in ("niobium", "niobium.json", "niobium.safetensors"):
        with pytest.raises(MEAGraphError, match=rf"niobium{suffix}: expected.*Choose another name"):
            workflow.save_model(str(tmp_path / name), overwrite=overwrite)
    assert list(tmp_path.glob("niobium*")) == [mine]
    assert mine.read_text() == '{"format": "mine"}'


def test_a_model_is_never_saved_over_the_data(
    session: Session, workflow: Workflow, tmp_path: Path, structures: tuple[Any, ...]
) -> None:
    data = tmp_path / "data.json"
    ase.io.write(data, list(structures), format="json")
    session.data.dataset = read_dataset(data)
    (tmp_path / "link.json").symlink_to(data)
    before = data.read_bytes()
    for name in ("data", "link"):
        with pytest.raises(MEAGraphError, match=rf"{name}\.json: expected a new file, but it is read here"):
            workflow.save_model(str(tmp_path / name), overwrite=True)
    assert data.read_bytes() == before


def test_an_earlier_model_is_replaced_only_where_that_is_ticked(
    session: Session, workflow: Workflow, tmp_path: Path
) -> None:
    step, path = ModelStep(session, workflow), tmp_path / "niobium.safetensors"
    step.path.value = step.path.value_input = str(path)
    step.save()
    written = path.stat().st_mtime_ns, path.stat().st_ino
    assert str(path) in step.saved.object
    step.save()
    assert "expected no model there" in session.activity.problem[1]
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == written
    session.activity.problem = ("", "")
    step.replace.value = True
    step.save()
    assert session.activity.problem == ("", "")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) != written
    assert step.replace.value is False


def test_what_is_measured_of_the_clusters_takes_their_own_settings(
    session: Session, workflow: Workflow, job: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for_other_settings(session, workflow, job)
    seen: dict[str, Any] = {}

    def stable(clusters: Any, embedding: Any, condensed: Any, config: Any, **options: Any) -> Any:
        seen["clustering"], seen["seed"] = config, options["seed"]
        return np.ones(clusters.n_clusters)

    monkeypatch.setattr(steps, "cluster_stability", stable)
    monkeypatch.setattr(steps, "look_along_rates", lambda learned, config, **options: seen.update(config=config))
    workflow.measure_cluster_stability()
    job.finish()
    workflow.measure_stability()
    job.finish()
    assert seen == {"clustering": MADE_BY.clustering, "seed": 11, "config": MADE_BY}
    assert session.data.cluster_stability.tolist() == [1.0]


def test_another_map_has_the_edges_and_the_seed_of_the_model(session: Session, workflow: Workflow, job: Held) -> None:
    """A training that was cancelled leaves nothing of its settings in the maps of the model that stayed."""
    ask_for_other_settings(session, workflow, job)
    draw, rates = MapStep(session, workflow), StabilityView(session, workflow)
    assert rates.rate.value == 0.4  # of the map that is shown
    draw.rate.value, draw.method.value, draw.resolution.value = 0.3, "leiden", 0.2
    draw.update()
    wanted = session.data.next_config
    assert (wanted.graph, wanted.seed) == (MADE_BY.graph, MADE_BY.seed)
    assert (wanted.pooling_rate, wanted.clustering.resolution) == (0.3, 0.2)
    job.cancel()
    rates.rate.value = 0.62
    rates.use(published=False)
    assert session.data.next_config == replace(wanted, pooling_rate=0.62, clustering=MADE_BY.clustering)


def test_a_chain_keeps_the_settings_that_it_began_with(
    session: Session, workflow: Workflow, job: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that come while it runs, and are refused, are not those of its later steps."""
    data = session.data
    descriptors, learned, survey = data.descriptors, data.learned, data.survey
    began_with = replace(MADE_BY, seed=4, pooling_rate=0.2)

    def ask_for_others() -> None:
        data.next_config = replace(data.next_config, seed=99, pooling_rate=0.9)
        workflow.run("map")
        assert session.activity.problem[1].startswith("Another step")

    def describing(dataset: Any, config: Any, model_path: Any, **options: Any) -> Any:
        ask_for_others()
        return descriptors

    def learning(_: Any, __: Any, config: PipelineConfig, **options: Any) -> Any:
        ask_for_others()
        return replace(learned, config=config)

    def looking(_: Any, learned: Any, config: PipelineConfig, **options: Any) -> Any:
        return replace(survey, config=config, ranking=replace(survey.ranking, seed=config.seed))

    monkeypatch.setattr(chain, "describe_for", describing)
    monkeypatch.setattr(chain, "quick_sight", lambda dataset, descriptors, config: None)
    monkeypatch.setattr(chain, "one_quick", lambda dataset, descriptors, found: found)
    monkeypatch.setattr(chain, "learn", learning)
    monkeypatch.setattr(chain, "look", looking)
    monkeypatch.setattr(chain, "get_ready", lambda n, progress: None)
    data.next_config = began_with
    workflow.run("descriptors")
    job.finish()
    assert not job.busy
    assert data.learned.config == data.survey.config == began_with


def test_what_is_refused_leaves_the_losses_in_sight(session: Session, workflow: Workflow) -> None:
    history = session.data.history
    assert history
    workflow.export("somewhere", overwrite=False)
    workflow.run("model")
    assert session.data.history == history


def test_nothing_is_left_to_compile_on_the_event_loop(
    session: Session, workflow: Workflow, job: Held, monkeypatch: pytest.MonkeyPatch, niobium: AtomicDataset
) -> None:
    """A map, from the cache or made anew, is taken once what draws it and plans with it is compiled, and loaded."""
    done: list[str] = []
    analysis = session.data.found
    monkeypatch.setattr(chain.compiling, "begin", lambda *modules: None)
    monkeypatch.setattr(chain.compiling, "finish", lambda *modules, progress: done.extend(modules))
    monkeypatch.setattr(chain.environment_map, "warm", lambda n: done.append("the map, here"))
    monkeypatch.setattr(chain.pruning_loops, "warm", lambda: done.append("plans, here"))
    monkeypatch.setattr(opening, "open_dataset", lambda paths, **options: niobium)
    monkeypatch.setattr(opening, "recall_analysis", lambda dataset, config: analysis)
    monkeypatch.setattr(chain, "look", lambda *arguments, **options: analysis.survey)
    for start in (lambda: workflow.open(["niobium.extxyz"]), lambda: workflow.run("map")):
        done.clear()
        start()
        _, work, take = job.held
        result = work(silent)
        assert {*LEARNING, *RANKING, *chain.DRAWING, "the map, here", "plans, here"} <= set(done)
        job.held = None
        take(result)
        assert session.planning.plan is not None


def test_an_earlier_model_comes_back_with_its_settings(session: Session, workflow: Workflow, job: Held) -> None:
    view = RunsView(session, workflow)
    other = replace(MADE_BY, seed=3, graph=GraphConfig(lower=0.8))
    session.set_learned(replace(session.data.learned, key="another", config=other))
    assert view.table.value["seed"].tolist() == [11, 3]
    view.table.selection = [0]
    view.take()
    assert session.data.learned.config == MADE_BY
    assert (session.data.next_config.graph, session.data.next_config.seed) == (MADE_BY.graph, 11)
    assert job.held[0] == "map"


def test_results_of_what_is_no_longer_shown_are_dropped(
    session: Session, workflow: Workflow, job: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "cluster_stability", lambda clusters, *rest, **options: np.ones(clusters.n_clusters))
    workflow.measure_cluster_stability()
    session.set_survey(replace(session.data.survey))
    job.finish()
    assert session.data.cluster_stability is None


def test_other_parts_are_written_as_they_are_shown(
    session: Session, workflow: Workflow, job: Held, tmp_path: Path
) -> None:
    dataset, plan = session.data.dataset, session.planning.plan
    assert dataset is not None
    assert plan is not None
    assert session.part_names() == ["kept", "dropped"]
    session.selection.select(dataset.structure_of == 2)
    session.selection.keep("the third")
    workflow.export_parts(str(tmp_path / "out"), ["dropped", "the third"], overwrite=False)
    files = job.finish()
    assert read_dataset(files.parts["dropped"]).n_structures == int((~plan.structures).sum())
    assert len(files.parts["the third"].read_text().splitlines()) == dataset.sizes[2] + 2
    workflow.export_parts(str(tmp_path / "out"), ["flagged"], overwrite=False)
    assert session.activity.problem == ("export", "Nothing is flagged. There are: kept, dropped, selected, the third.")


def test_what_is_known_opens_while_others_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    """What must be computed waits for its turn, with the dataset shown and the place said."""
    queues, made, said = Queues.of(total=1), session_of(400, 20).data, list[str]()
    known = Opened(made.dataset, made.found, evidence=made.evidence, ranking=made.found.survey.ranking)

    def told(done: int, total: int, message: str) -> None:
        if message.startswith("waiting"):
            said.append(message)
            raise Cancelled

    for opened in (known, Opened(made.dataset)):
        session = Session(user="ana", queues=queues)
        job = AtOnce(session)
        job.progress = told
        monkeypatch.setattr(steps, "open_files", lambda *given, opened=opened, **options: opened)
        with queues.long.turn("bo", lambda words: None):
            Workflow(session, job).open(["x.extxyz"])
        assert session.data.survey is (None if opened.analysis is None else made.survey)
        assert said == ([] if opened.analysis is not None else ["waiting: place 1 of 1 in the queue"])
    assert queues.long.at_work == queues.short.at_work == ()
