"""The whole chain on a tiny dataset: it ends in verified files, repeats itself, and leaves nothing when stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import DatasetError, read_dataset
from meagraph.descriptors import DescriptorConfig
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.exports import ExportError, verify
from meagraph.graph.similarity import GraphConfig
from meagraph.latent.clustering import ClusteringConfig
from meagraph.outliers import Family
from meagraph.pipeline import analysis
from meagraph.pipeline.analysis import look, look_along_rates, recall_analysis
from meagraph.pipeline.learning import store_model
from meagraph.pipeline.run import Run, run
from meagraph.pipeline.survey import read_survey, write_survey
from meagraph.pruning.settings import PruningConfig
from tests.support.finished import CONFIG, Finished

PRUNING = PruningConfig(keep=0.4, rule="any")


@pytest.fixture
def file(write_dataset: Callable[..., Path], structures: tuple[Atoms, ...]) -> Path:
    return write_dataset(structures)


def outputs(result: Run) -> tuple[bytes, bytes]:
    assert result.files is not None
    return result.files.structures.read_bytes(), result.files.index.read_bytes()


def forbid(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """From here on these steps must come from the cache."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("computed although it was in the cache")

    for name in names:
        monkeypatch.setattr(name, fail)


COMPUTATIONS = (
    "meagraph.descriptors.filling.fill",
    "meagraph.model.training.train",
    "meagraph.pipeline.analysis.survey",
)


def test_from_file_to_files(file: Path, tmp_path: Path, structures: tuple[Atoms, ...]) -> None:
    result = run(file, tmp_path / "out", config=CONFIG, pruning=PRUNING)
    dataset, survey, plan = result.dataset, result.survey, result.plan
    n = dataset.n_environments
    assert n == sum(len(atoms) for atoms in structures) == 145
    assert result.descriptors.own.shape == (n, 9)
    assert result.learned.source == "trained"
    assert len(result.learned.history) == 2
    assert result.learned.condensed.size < n  # one structure comes twice
    assert survey.embedding.values.shape == (result.learned.condensed.size, 32 + 32)
    assert survey.clusters.labels.shape == (n,)
    assert survey.projection.xy.shape == (n, 2)
    assert survey.outliers.score.shape == (n,)
    assert survey.ranking.sizes.sum() == n
    assert plan.n_environments == round(0.4 * n)
    # equal structures are treated alike
    one, two = (slice(dataset.offsets[s], dataset.offsets[s + 1]) for s in (5, 6))
    np.testing.assert_array_equal(survey.clusters.labels[one], survey.clusters.labels[two])
    # the isolated atom stays
    assert dataset.groups[-1] == "IsolatedAtom"
    assert plan.structures[-1]
    assert result.files is not None
    assert verify(result.files.manifest) == []
    again = read_dataset(result.files.structures)
    kept = np.flatnonzero(plan.structures)
    assert again.structure_keys == tuple(dataset.structure_keys[s] for s in kept)
    np.testing.assert_array_equal(again.energy, dataset.energy[kept])


def test_a_second_run_comes_from_the_cache_and_writes_the_same_bytes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(file, tmp_path / "one", config=CONFIG, pruning=PRUNING)
    uncached = run(file, tmp_path / "two", config=CONFIG, pruning=PRUNING, cache=False)
    assert uncached.learned.source == "trained"
    forbid(monkeypatch, *COMPUTATIONS)
    second = run(file, tmp_path / "three", config=CONFIG, pruning=PRUNING)
    assert second.learned.source == "cache"
    for other in (uncached, second):
        assert outputs(other) == outputs(first)
        np.testing.assert_array_equal(other.survey.embedding.values, first.survey.embedding.values)
        np.testing.assert_array_equal(other.survey.projection.xy, first.survey.projection.xy)
        np.testing.assert_array_equal(other.survey.clusters.labels, first.survey.clusters.labels)
        np.testing.assert_array_equal(other.survey.outliers.score, first.survey.outliers.score)
        assert other.survey.clusters.settings == first.survey.clusters.settings
    assert len(outputs(first)[0]) > 1000


def test_what_the_cache_holds_is_recalled(file: Path) -> None:
    dataset = read_dataset(file)
    assert recall_analysis(dataset, CONFIG) is None
    first = run(file, config=CONFIG, pruning=PRUNING)
    known = recall_analysis(dataset, CONFIG)
    assert known is not None
    assert known.learned.key == first.learned.key
    np.testing.assert_array_equal(known.survey.projection.xy, first.survey.projection.xy)
    np.testing.assert_array_equal(known.learned.condensed.assignment, first.learned.condensed.assignment)
    assert known.learned.load().config == first.learned.shape == known.learned.shape
    assert recall_analysis(dataset, replace(CONFIG, pooling_rate=0.7)) is None


def test_a_dataset_opens_though_ready_made_descriptors_do_not_fit_it(file: Path) -> None:
    """They belong to the dataset before; the step that needs them says so, not the opening."""
    settings = DescriptorConfig(method="npy", source="of/another/dataset.npy")
    assert recall_analysis(read_dataset(file), replace(CONFIG, descriptors=settings)) is None


@pytest.mark.parametrize("spoilt", ["survey/*.npz", "condensed/*.npz", "model/*.json", "descriptors/*.npy"])
@pytest.mark.parametrize("content", [b"", b"PK no archive", b"{}"])
def test_a_cache_file_that_cannot_be_read_is_made_anew(
    known: Finished, own_cache: Path, spoilt: str, content: bytes
) -> None:
    first = known.analysis
    (path,) = own_cache.glob(spoilt)
    path.write_bytes(content)
    assert recall_analysis(first.dataset, CONFIG) is None
    second = run(known.path, config=CONFIG, pruning=PRUNING)
    np.testing.assert_array_equal(second.survey.clusters.labels, first.survey.clusters.labels)
    assert recall_analysis(first.dataset, CONFIG) is not None


def test_the_stability_of_the_rate_is_computed_once(known: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(CONFIG, clustering=ClusteringConfig(method="components"), pooling_rate=0.5)
    result = run(known.path, config=config, pruning=PRUNING)
    first = look_along_rates(result.learned, config)
    np.testing.assert_array_equal(first.at(0.5, result.learned.condensed).labels, result.survey.clusters.labels)
    forbid(monkeypatch, "meagraph.pipeline.analysis.rate_stability")
    second = look_along_rates(result.learned, replace(config, pooling_rate=0.7))  # moving the rate computes nothing
    np.testing.assert_array_equal(second.labels, first.labels)
    other = replace(config, graph=GraphConfig(lower=0.7))
    learned = run(known.path, config=other, pruning=PRUNING).learned
    with pytest.raises(AssertionError, match="computed although"):
        look_along_rates(learned, other)


def test_another_seed_gives_another_run(known: Finished) -> None:
    one = run(known.path, config=CONFIG, pruning=PRUNING)
    assert one.files is None  # no folder was named
    two = run(known.path, config=replace(CONFIG, seed=1), pruning=PRUNING)
    assert two.learned.source == "trained"
    assert one.learned.key != two.learned.key
    assert (one.survey.projection.xy != two.survey.projection.xy).any()


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"pooling_rate": 0.3}, COMPUTATIONS[:2]),
        (
            {"clustering": ClusteringConfig(method="components")},
            (*COMPUTATIONS[:2], "meagraph.pipeline.survey.project"),
        ),
        ({"kernels": 1}, COMPUTATIONS[:1]),
        ({"graph": GraphConfig(lower=0.7)}, COMPUTATIONS[:1]),
        ({"descriptors": DescriptorConfig(n_max=2, l_max=1)}, ()),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_only_what_depends_on_a_setting_is_computed_anew(
    known: Finished, monkeypatch: pytest.MonkeyPatch, change: dict, kept: tuple[str, ...]
) -> None:
    first = known.analysis
    forbid(monkeypatch, *kept)
    called: list[str] = []
    real = analysis.survey
    monkeypatch.setattr(analysis, "survey", lambda *a, **k: called.append("survey") or real(*a, **k))
    second = run(known.path, config=replace(CONFIG, **change), pruning=PRUNING)
    assert called == ["survey"]
    assert (second.learned.source == "cache") == (COMPUTATIONS[1] in kept)
    assert second.dataset.fingerprint == first.dataset.fingerprint


def test_another_level_of_the_clusters_is_looked_up(known: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    first = known.analysis
    forbid(monkeypatch, *COMPUTATIONS)
    config = replace(CONFIG, clustering=ClusteringConfig(clusters=2))
    found = run(known.path, config=config, pruning=PRUNING)
    assert found.config == config
    assert found.survey.clusters.n_clusters == 2
    for other in (first.at(clusters=2), found.at().at(clusters=2)):
        np.testing.assert_array_equal(other.survey.clusters.labels, found.survey.clusters.labels)
    np.testing.assert_array_equal(found.at().survey.clusters.labels, first.survey.clusters.labels)
    np.testing.assert_array_equal(found.survey.ranking.rank, first.survey.ranking.rank)
    assert found.at(level=1.0).survey.clusters.n_clusters == first.survey.clusters.hierarchy.finest
    with pytest.raises(MEAGraphError, match="got 5000"):
        found.at(clusters=5000)


def test_labels_matter_to_the_survey_but_not_to_the_model(
    known: Finished, write_dataset: Callable[..., Path], structures: tuple[Atoms, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(known.path, config=CONFIG, pruning=PRUNING)
    changed = [atoms.copy() for atoms in structures]
    for atoms, original in zip(changed, structures, strict=True):
        atoms.calc = original.calc
        atoms.info["config_type"] = "other"
    other = write_dataset(changed, "other.extxyz")
    forbid(monkeypatch, *COMPUTATIONS[:2])
    result = run(other, config=CONFIG, pruning=PRUNING)
    assert result.learned.source == "cache"
    assert result.plan.protected.tolist() == [len(atoms) == 1 for atoms in changed]  # whatever its group is called


def test_another_graph_makes_another_survey_of_the_same_model(known: Finished) -> None:
    """As after a training that was cancelled: the model is still of the graph before."""
    first = known.analysis
    other = replace(CONFIG, graph=GraphConfig(lower=0.3))
    found = look(first.dataset, first.learned, other)
    fresh = look(first.dataset, first.learned, other, cache=False)
    np.testing.assert_array_equal(found.embedding.edge_index, fresh.embedding.edge_index)
    assert not np.array_equal(found.embedding.edge_index, first.survey.embedding.edge_index)
    again = look(first.dataset, first.learned, CONFIG)
    np.testing.assert_array_equal(again.embedding.edge_index, first.survey.embedding.edge_index)
    curves = [look_along_rates(first.learned, config) for config in (CONFIG, other)]
    assert not np.array_equal(curves[0].clusters, curves[1].clusters)


def test_random_order_is_ranked_anew(known: Finished) -> None:
    config = PruningConfig(keep=0.3, within="random", seed=3)
    one, two = (run(known.path, config=CONFIG, pruning=config) for _ in range(2))
    np.testing.assert_array_equal(one.plan.keep, two.plan.keep)
    other = run(known.path, config=CONFIG, pruning=replace(config, seed=4))
    assert (other.plan.keep != one.plan.keep).any()
    fps = run(known.path, config=CONFIG, pruning=PruningConfig(keep=0.3, seed=4))
    assert (fps.plan.keep != other.plan.keep).any()


@pytest.mark.parametrize("selector", ["stratified", "kmeans", "direct"])
def test_other_selectors_are_ranked_anew(known: Finished, tmp_path: Path, selector: str) -> None:
    config = PruningConfig(keep=0.3, rule="any", selector=selector)
    result = run(known.path, tmp_path / "out", config=CONFIG, pruning=config)
    assert result.files is not None
    assert result.plan.n_environments == round(0.3 * result.dataset.n_environments)
    assert json.loads(result.files.manifest.read_text())["pruning"]["selector"] == selector
    usual = run(known.path, config=CONFIG, pruning=replace(config, selector="meagraph"))
    assert (usual.plan.keep != result.plan.keep).any()
    assert usual.survey.ranking.selector == "meagraph"


def test_the_manifest_names_every_setting(known: Finished, tmp_path: Path) -> None:
    result = run(known.path, tmp_path / "out", config=CONFIG, pruning=PRUNING)
    assert result.files is not None
    manifest = json.loads(result.files.manifest.read_text())
    assert manifest["pruning"]["keep"] == 0.4
    found = manifest["settings"]
    assert found["descriptors"]["n_max"] == 2
    assert found["condensation"]["representatives"] == result.learned.condensed.size
    assert found["graph"] == {"lower": 0.8, "upper": 1.00001, "neighbours": 32}
    assert found["model"]["widths"] == [16, 8]
    assert found["model"]["key"] == result.learned.key
    assert found["training"]["seed"] == 5
    assert found["pooling_rate"] == 0.5
    assert found["clustering"]["method"] == "hierarchy"
    assert found["clustering"]["clusters"] == result.survey.clusters.n_clusters
    assert manifest["dataset"]["fingerprint"] == result.dataset.fingerprint


def test_a_stored_model_serves_another_dataset(
    known: Finished, tmp_path: Path, make_structures: Callable[..., list[Atoms]], write_dataset: Callable[..., Path]
) -> None:
    first = known.analysis
    model = store_model(tmp_path / "model", first.learned, first.descriptors)
    other = write_dataset(make_structures(3, 2, seed=5), "other.extxyz")
    result = run(other, tmp_path / "out", config=CONFIG, pruning=PRUNING, model_path=model)
    assert result.learned.source == str(model)
    assert result.survey.projection.xy.shape == (result.dataset.n_environments, 2)
    tantalum = make_structures(3, 2, seed=5)
    for atoms in tantalum:
        atoms.numbers[:] = 73
    other = write_dataset(tantalum, "ta.extxyz")
    with pytest.raises(MEAGraphError, match=r"species: the model has \['Nb'\], the dataset \['Ta'\]"):
        run(other, config=CONFIG, pruning=PRUNING, model_path=model)


def test_a_survey_is_stored_whole(finished: Finished, tmp_path: Path) -> None:
    survey = finished.analysis.survey
    together = Family("group", "bcc", "energy", np.array([1, 3]), np.arange(16, 64), 9, -0.2, 1.5, "lie 0.2 below")
    survey = replace(survey, outliers=replace(survey.outliers, families=(together,)))
    path = tmp_path / "survey.npz"
    write_survey(path, survey)
    again = read_survey(path, survey.config)
    (same,) = again.outliers.families
    for name, value in vars(together).items():
        np.testing.assert_array_equal(getattr(same, name), value, err_msg=name)
    for part in ("embedding", "clusters", "projection", "ranking"):
        for name, value in vars(getattr(survey, part)).items():
            if name != "hierarchy":
                np.testing.assert_array_equal(getattr(getattr(again, part), name), value, err_msg=f"{part}.{name}")
    for name, value in vars(survey.clusters.hierarchy).items():
        np.testing.assert_array_equal(getattr(again.clusters.hierarchy, name), value, err_msg=f"hierarchy.{name}")
    np.testing.assert_array_equal(again.outliers.score, survey.outliers.score)
    np.testing.assert_array_equal(again.outliers.unclustered, survey.outliers.unclustered)
    assert len(again.outliers.signals) == len(survey.outliers.signals)
    for ours, theirs in zip(again.outliers.signals, survey.outliers.signals, strict=True):
        for name, value in vars(theirs).items():
            np.testing.assert_array_equal(getattr(ours, name), value, err_msg=name)
    assert {"reconstruction", "latent links"} <= {signal.name for signal in again.outliers.signals}
    assert any(signal.partner is not None and signal.partner.max() >= 0 for signal in again.outliers.signals)
    for row in range(0, 145, 12):
        assert again.outliers.reasons(row) == survey.outliers.reasons(row)
    with np.load(path, allow_pickle=False) as stored:
        assert not any(stored[name].dtype.hasobject for name in stored)


# Progress


def test_progress_never_goes_back_and_ends_at_the_end(file: Path, tmp_path: Path) -> None:
    seen: list[tuple[float, str]] = []

    def report(done: int, total: int, message: str) -> None:
        seen.append((done / total, message))

    run(file, tmp_path / "one", config=CONFIG, pruning=PRUNING, progress=report)
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert seen[-1] == (1.0, "done")
    words = " ".join(message for _, message in seen)
    for stage in (
        "frames read",
        "descriptors",
        "epoch 2",
        "similarity graph",
        "clusters",
        "map",
        "outliers",
        "ranking",
    ):
        assert stage in words
    seen.clear()
    run(file, tmp_path / "two", config=CONFIG, pruning=PRUNING, progress=report)
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert any("from the cache" in message for _, message in seen)


def temporary(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and path.name.startswith("."))


@pytest.mark.parametrize(
    "stage", ["frames read", "descriptors", "epoch 1", "epoch 2", "similarity graph", "clusters", "map", "ranking"]
)
def test_cancelling_leaves_nothing_half_written(file: Path, tmp_path: Path, own_cache: Path, stage: str) -> None:
    def cancel(done: int, total: int, message: str) -> None:
        if stage in message:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(file, tmp_path / "out", config=CONFIG, pruning=PRUNING, progress=cancel)
    assert not (tmp_path / "out").exists()
    assert list(temporary(tmp_path)) == []
    if own_cache.exists():
        assert not any((own_cache / "survey").glob("*"))
        models = list((own_cache / "model").glob("*"))
        assert len(models) == (2 if stage in ("similarity graph", "clusters", "map", "ranking") else 0)


def test_bad_input_raises_before_anything_is_computed(tmp_path: Path, own_cache: Path) -> None:
    with pytest.raises(DatasetError, match=r"nothing\.xyz"):
        run(tmp_path / "nothing.xyz", tmp_path / "out", config=CONFIG)
    assert not own_cache.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["manifest", "index", "folder", "source"])
def test_the_target_is_checked_before_anything_is_computed(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def compute(*_: object, **__: object) -> None:
        raise AssertionError("computed")

    monkeypatch.setattr("meagraph.pipeline.run.analyse", compute)
    out = tmp_path / "out"
    out.mkdir()
    taken = {
        "manifest": out / "manifest.json",
        "index": out / "niobium-kept-index.csv",
        "folder": out / "file",
        "source": out / "niobium-kept.extxyz",
    }[kind]
    if kind == "source":
        taken.hardlink_to(file)
    else:
        taken.write_text("mine")
    before = taken.read_bytes()
    with pytest.raises(ExportError, match=taken.name):
        run(file, taken if kind == "folder" else out, config=CONFIG, overwrite=True)
    assert taken.read_bytes() == before
    assert list(out.iterdir()) == [taken]
