"""The steps of the command line: the same results as all at once, and no file that does not belong."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms

import meagraph.latent.stability
import meagraph.model.training
from meagraph.cli import main
from meagraph.datasets import read_dataset
from meagraph.descriptors import compute_descriptors
from meagraph.files import read_arrays, sha256_file
from meagraph.latent.placement import place
from meagraph.model.checkpoint import load_agreement, load_model
from meagraph.outliers import places
from meagraph.pipeline.run import Run, run
from meagraph.recipe import replay
from meagraph.step_files.descriptors import read_described
from meagraph.step_files.latent import read_latent
from meagraph.step_files.tables import read_clusters, read_table, write_table
from tests.support.steps import CONFIG, TRAIN, Chain, make, refused


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, structures: tuple[Atoms, ...]) -> Chain:
    """All steps done once; tests must not change the files."""
    folder = tmp_path_factory.mktemp("steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEAVIZ_CACHE", str(folder / "cache"))
        return make(folder / "nb", structures)


@pytest.fixture(scope="module")
def whole(done: Chain, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same all at once, without any cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEAVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        return run(done.data, config=CONFIG, cache=False)


# The chain


def test_descriptors_and_what_goes_with_them(done: Chain, whole: Run) -> None:
    np.testing.assert_array_equal(np.load(done.descriptors), whole.descriptors.values)
    details = json.loads(Path(done.descriptors).with_suffix(".json").read_text())
    assert details["dataset"] == "niobium"
    assert details["species"] == ["Nb"]
    assert details["sources"][0]["sha256"] == sha256_file(done.data)
    assert details["structures"]["atoms"] == [16] * 7 + [8] * 4 + [1]
    assert details["structures"]["groups"] == whole.dataset.groups.tolist()
    found = read_described(done.descriptors)
    assert found.descriptors.identity == whole.descriptors.identity
    assert found.structure_keys == whole.dataset.structure_keys
    np.testing.assert_array_equal(found.offsets, whole.dataset.offsets)


def test_the_model_is_the_same(done: Chain, whole: Run) -> None:
    model, details = load_model(done.model)
    for mine, its in zip(model.parameters(), whole.learned.load().parameters(), strict=True):
        np.testing.assert_array_equal(mine.detach(), its.detach())
    assert details["made_from"] == {"descriptors": sha256_file(done.descriptors)}
    assert details["budget"] == 100
    assert [record["loss"] for record in details["history"]] == [r.loss for r in whole.learned.history]


def test_the_latent_space_is_the_same(done: Chain, whole: Run) -> None:
    found = read_latent(done.latent)
    nodes, expected = found.latent.embedding.nodes, whole.survey.embedding.nodes
    assert nodes is not None
    for one, other in ((found.latent.embedding, whole.survey.embedding), (nodes, expected)):
        for name, value in vars(other).items():
            if name != "nodes":
                np.testing.assert_array_equal(getattr(one, name), value, err_msg=name)
    for name, value in vars(whole.learned.condensed).items():
        np.testing.assert_array_equal(getattr(found.condensed, name), value, err_msg=name)
    assert found.latent.graph == CONFIG.graph
    rows = whole.learned.points[found.condensed.representatives]
    np.testing.assert_array_equal(found.latent.rows, rows)
    expected = {"descriptors": sha256_file(done.descriptors), "model": sha256_file(done.model)}
    assert found.about["made_from"] == expected
    assert not any(array.dtype.hasobject for array in read_arrays(done.latent).values())


def test_the_clusters_are_the_same(done: Chain, whole: Run) -> None:
    with open(done.clusters, newline="") as stream:
        rows = list(csv.DictReader(stream))
    dataset, clusters = whole.dataset, whole.survey.clusters
    assert [int(row["cluster"]) for row in rows] == clusters.labels.tolist()
    assert [int(row["structure"]) for row in rows] == dataset.structure_of.tolist()
    assert [int(row["atom"]) for row in rows] == dataset.atom_of.tolist()
    again = read_clusters(done.clusters, sha256_file(done.latent))
    assert (again.method, again.settings) == (clusters.method, clusters.settings)
    np.testing.assert_array_equal(again.sizes, clusters.sizes)


def test_the_map_is_the_same(done: Chain, whole: Run) -> None:
    columns, about = read_table(done.map_table, "map", "map")
    assert columns["x"].dtype == np.float32
    np.testing.assert_array_equal(np.column_stack([columns["x"], columns["y"]]), whole.survey.projection.xy)
    assert about["settings"]["seed"] == 3


def test_predictions_take_part_in_outliers_and_in_plans(
    done: Chain, whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Forces that are off by 0.02 eV/Å, in structure 3 by a hundred times as much: the signals join, shares grow."""
    dataset = whole.dataset
    structures = list(dataset.structures)
    for row, atoms in enumerate(structures):
        rng = np.random.default_rng(row)
        off = rng.normal(scale=2.0 if row == 3 else 0.02, size=(len(atoms), 3))
        atoms.calc.results["forces"] = dataset.forces[dataset.rows_of(row)] + off
    ase.io.write(tmp_path / "said.extxyz", structures)
    files = ["--descriptors", done.descriptors, "--latent", done.latent, "--clusters-file", done.clusters]
    out, said = str(tmp_path / "scores.csv"), str(tmp_path / "said.extxyz")
    assert main(["outliers", str(done.data), *files, "--out", out, "--predicted-file", said]) == 0
    columns, _ = read_table(out, "outliers", "outliers")
    before = dict(zip(*_scores(read_table(done.scores, "outliers", "outliers")[0], dataset.offsets), strict=True))
    after = dict(zip(*_scores(columns, dataset.offsets), strict=True))
    raised = {int(dataset.structure_of[row]) for row in after if after[row] > before[row] + 0.05}
    assert 3 in raised
    assert all(after[row] >= before[row] - 1e-12 for row in after)

    plan = str(tmp_path / "plan.npz")
    command = ["prune", str(done.data), *files, "--out", plan, "--alpha", "0.75", "--keep", "0.3", "--seed", "3"]
    capsys.readouterr()
    assert main([*command, "--by-error-file", said]) == 0
    assert "each share is also multiplied by the error of said" in capsys.readouterr().out
    assert json.loads(Path(plan).with_suffix(".json").read_text())["pruning"]["by_error"] == "said"
    refused(capsys, [*command, "--by-error", "MACE_"], "expected labels of a family 'MACE_'")


def test_an_export_of_the_steps_and_its_recipe_keep_the_same(
    done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plan = tmp_path / "out", str(tmp_path / "plan.npz")
    files = ["--descriptors", done.descriptors, "--latent", done.latent, "--out", plan, "--seed", "3"]
    command = ["prune", str(done.data), *files, "--export", str(out), "--alpha", "0.75", "--keep", "0.4"]
    assert main(command) == 0
    again = replay(out / "recipe.yaml", out=tmp_path / "again").files
    for name in (again.structures.name, again.index.name):
        assert (out / name).read_bytes() == again.structures.with_name(name).read_bytes()
    assert main(["verify", str(out), "--again"]) == 0
    capsys.readouterr()
    other = ["--clusters-file", done.clusters, "--export", str(tmp_path / "other"), "--overwrite"]
    assert main([*command, *other]) == 0
    assert "no recipe: clusters of a file of their own" in capsys.readouterr().out
    assert not (tmp_path / "other" / "recipe.yaml").exists()


def _scores(columns: dict[str, Any], offsets: np.ndarray) -> tuple[list[int], list[float]]:
    return (offsets[columns["structure"]] + columns["atom"]).tolist(), columns["score"].tolist()


def test_the_outliers_are_the_same_and_ranked(done: Chain, whole: Run) -> None:
    columns, _ = read_table(done.scores, "outliers", "outliers")
    dataset, outliers = whole.dataset, whole.survey.outliers
    rows = dataset.offsets[columns["structure"]] + columns["atom"]
    np.testing.assert_array_equal(columns["rank"], places(outliers, dataset)[rows])
    assert (np.diff(columns["rank"]) >= 0).all()
    assert columns["rank"].max() == dataset.n_structures  # no structures are off together
    firsts = np.flatnonzero(np.diff(columns["rank"], prepend=0))
    assert (np.diff(columns["score"][firsts]) <= 0).all()
    assert sorted(rows.tolist()) == list(range(145))
    np.testing.assert_array_equal(columns["score"], outliers.score[rows])
    assert set(columns["file"].tolist()) == {str(done.data)}
    np.testing.assert_array_equal(columns["frame"], dataset.frame_index[columns["structure"]])
    assert columns["reasons"].tolist() == ["; ".join(outliers.reasons(int(row))) for row in rows]


def test_steps_share_the_cache_with_a_run(done: Chain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is trained a second time for what was trained in steps."""
    monkeypatch.setenv("MEAVIZ_CACHE", str(done.folder.parent / "cache"))

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(meagraph.model.training, "train", fail)
    run(done.data, config=CONFIG)
    assert main([*done.train(), "--out", str(tmp_path / "again.safetensors")]) == 0
    assert sha256_file(tmp_path / "again.safetensors") == sha256_file(done.model)


def test_what_is_printed(done: Chain, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in done.all():
        out = tmp_path / Path(arguments[arguments.index("--out") + 1]).name
        arguments = [*arguments, "--out", str(out)]
        assert main(arguments) == 0
        assert f"wrote    {out}" in capsys.readouterr().out
        assert main([*arguments, "--json"]) == 0
        figures = json.loads(capsys.readouterr().out)
        assert figures["files"][0] == str(out)
        assert out.is_file()
        assert figures.get("environments", 145) == 145
    assert figures["top"][0]["rank"] == 1
    assert sum(len(one["atoms"]) for one in figures["top"]) >= len(figures["top"]) == 10


def test_other_files_are_replaced_where_that_is_asked_for(done: Chain, tmp_path: Path) -> None:
    for arguments in done.all():
        out = tmp_path / Path(arguments[arguments.index("--out") + 1]).name
        out.write_text("not made here")
        assert main([*arguments, "--out", str(out), "--overwrite"]) == 0
        assert out.read_bytes() != b"not made here"
        assert main([*arguments, "--out", str(out)]) == 0  # what was made here needs no asking


def test_what_was_changed_since_is_not_replaced_unasked(
    done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clusters.csv"
    assert main([*done.cluster(), "--out", str(out)]) == 0
    capsys.readouterr()
    out.write_text(out.read_text() + "a note of mine\n")
    refused(capsys, [*done.cluster(), "--out", str(out)], str(out), "changed since it was made", "--overwrite")
    assert "a note of mine" in out.read_text()
    assert main([*done.cluster(), "--out", str(out), "--overwrite"]) == 0
    assert "a note of mine" not in out.read_text()


@pytest.mark.parametrize("step", ["describe", "train", "embed", "cluster", "map", "outliers"])
def test_help_says_what_is_read_and_written(step: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([step, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "rites OUT" in text
    assert "--json" in text


# Names


def test_clusters_are_named_where_the_structures_are_given(
    done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "named.csv"
    command = [*done.cluster("--structures", str(done.data)), "--out", str(out)]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    _, about = read_table(out, "clusters", "cluster")
    assert len(set(about["names"])) == len(about["names"]) == len(about["sizes"])
    told = [line.split(maxsplit=2) for line in lines[2 : 2 + len(about["names"])]]
    assert told == [
        [str(label), f"{size:,}", name]
        for label, (size, name) in enumerate(zip(about["sizes"], about["names"], strict=True))
    ]
    other = tmp_path / "other.xyz"
    other.write_text(Path(done.data).read_text() * 2)
    refused(capsys, [*done.cluster("--structures", str(other)), "--out", str(tmp_path / "x.csv")], "same order")


# Stability


def test_stability_along_the_pooling_rate(done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, curve = tmp_path / "clusters.npz", tmp_path / "curve.csv"
    options = ["--clustering", "components", "--stability", str(curve), "--model", done.model]
    assert main(["cluster", done.latent, "--out", str(out), *options]) == 0
    text = capsys.readouterr().out
    assert "pooling rate" in text
    columns, about = read_table(curve, "stability", "cluster")
    assert columns["pooling_rate"].tolist() == list(meagraph.latent.stability.RATES)
    assert np.isnan(columns["agreement_with_next"][-1])
    assert about["made_from"] == {"latent": sha256_file(done.latent)}
    found = read_clusters(out, sha256_file(done.latent))  # at the rate of the latent space, 0.3
    assert columns["clusters"][columns["pooling_rate"].tolist().index(0.3)] == found.n_clusters


def test_stability_along_the_resolution(done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curve = tmp_path / "curve.npz"
    assert main([*done.cluster("--stability", str(curve), "--json"), "--out", str(tmp_path / "c.csv")]) == 0
    figures = json.loads(capsys.readouterr().out)
    columns, _ = read_table(curve, "stability", "cluster")
    assert columns["resolution"].tolist() == list(meagraph.latent.stability.RESOLUTIONS)
    plateau = figures["stability"]["plateau"]
    assert plateau is None or plateau[0] <= figures["stability"]["suggestion"] <= plateau[1]


def test_stability_of_what_has_none(done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = [*done.cluster("--stability", str(tmp_path / "curve.csv")), "--out", str(tmp_path / "c.csv")]
    refused(capsys, [*cluster, "--clustering", "components"], "name the model with --model")
    refused(
        capsys, [*cluster, "--clustering", "hdbscan", "--min-cluster-size", "5"], "components or leiden, got hdbscan"
    )
    assert list(tmp_path.glob("c*")) == []


def test_a_number_of_clusters_and_a_level(done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ["cluster", done.latent, "--json", "--out"]

    def labels_at(name: str, *options: str) -> tuple[np.ndarray, dict[str, Any]]:
        assert main([*start, str(tmp_path / name), *options]) == 0
        figures = json.loads(capsys.readouterr().out)
        return read_clusters(tmp_path / name, sha256_file(done.latent)).labels, figures

    three, figures = labels_at("three.csv", "--clusters", "3")
    assert (figures["clusters"], figures["unclustered"]) == (3, 0)
    assert figures["levels"]["shown"] == 3
    finest = figures["levels"]["finest"]
    assert finest > 3
    four, _ = labels_at("four.csv", "--clusters", "4")
    assert set(four[three != four]) == {3}
    assert len(set(three[three != four])) == 1
    every, _ = labels_at("fine.csv", "--level", "1")
    assert len(set(every)) == finest
    usual, figures = labels_at("usual.csv")
    assert len(set(usual)) == figures["clusters"] == figures["levels"]["default"]
    refused(capsys, [*start, str(tmp_path / "c.csv"), "--clusters", "3", "--level", "0.5"], "Leave one out")
    refused(capsys, [*start, str(tmp_path / "c.csv"), "--clusters", "5000"], f"1 to {finest} clusters", "fewer")
    with pytest.raises(SystemExit):
        main([*start, str(tmp_path / "c.csv"), "--clusters", "leiden"])
    assert "--clustering leiden" in capsys.readouterr().err


# New data


@pytest.fixture
def new(done: Chain, tmp_path: Path, make_structures: Callable[..., list[Atoms]]) -> Chain:
    """Four structures of the reference and three others, described."""
    known = read_dataset(done.data).structures
    structures = [known[7], *make_structures(2, 1, seed=8)[:2], *known[:2], known[8], make_structures(2, 1, seed=8)[3]]
    for atoms, group in zip(structures, "abcdefg", strict=True):
        atoms.info["config_type"] = group
    chain = make(tmp_path / "new", structures, steps=0)
    assert main(chain.describe("--like", done.model)) == 0
    return chain


def test_new_data_on_a_known_map(done: Chain, new: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    """What was in the reference comes back to its place and label; the rest lands somewhere on the map."""
    embed = ["embed", new.descriptors, "--model", done.model, "--onto", done.latent, "--out", new.latent]
    assert main([*embed, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert main(["map", new.latent, "--onto", done.map_table, "--out", new.map_table]) == 0
    assert main(["cluster", new.latent, "--onto", done.clusters, "--out", new.clusters]) == 0
    old, there = (read_table(chain.map_table, "map", "map")[0] for chain in (done, new))
    labels, inherited = (read_table(chain.clusters, "clusters", "cluster")[0]["cluster"] for chain in (done, new))
    dataset = read_dataset(done.data)
    assert figures["environments"] == len(there["x"]) == 88
    assert figures["outside"] == there["outside"].sum()
    again = read_latent(new.latent)
    assert again.placement is not None
    latent, values = read_latent(done.latent).latent, read_described(new.descriptors).descriptors
    model, agreement = load_model(done.model)[0], load_agreement(done.model)
    expected = place(model, latent, values, agreement=agreement, budget=100)
    for name, value in vars(expected).items():
        if name != "condensed":
            np.testing.assert_array_equal(getattr(again.placement, name), value, err_msg=name)
    for name, value in vars(expected.condensed).items():
        np.testing.assert_array_equal(getattr(again.condensed, name), value, err_msg=name)
    for position, structure in ((0, 7), (3, 0), (4, 1), (5, 8)):
        rows = slice(dataset.offsets[structure], dataset.offsets[structure + 1])
        mine = there["structure"] == position
        assert (there["distance"][mine] <= latent.condensed.epsilon).all()
        np.testing.assert_array_equal(inherited[mine], labels[rows])
        np.testing.assert_allclose(there["x"][mine], old["x"][rows], atol=0.2)
    assert np.isfinite(there["x"]).all()
    assert set(there["outside"].tolist()) <= {0, 1}


def test_new_data_need_the_frame_of_the_model(done: Chain, new: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    other = make(new.folder / "other", ase.io.read(new.data, ":"), steps=1)  # in a frame of its own
    embed = ["embed", other.descriptors, "--model", done.model, "--onto", done.latent, "--out", other.latent]
    capsys.readouterr()
    refused(capsys, embed, "meagraph describe --like MODEL")
    assert main(other.describe("--like", done.descriptors, "--overwrite")) == 0  # the descriptors know it, too
    assert main(embed) == 0
    capsys.readouterr()
    refused(capsys, other.describe("--like", str(new.folder / "none"), "--overwrite"), "does not exist")


def test_placed_data_needs_its_reference(done: Chain, new: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    embed = ["embed", new.descriptors, "--model", done.model, "--onto", done.latent, "--out", new.latent]
    refused(capsys, [*embed, "--rate", "0.2"], "--rate: with --onto this is as in")
    assert main(embed) == 0
    capsys.readouterr()
    refused(capsys, ["map", new.latent, "--out", new.map_table], "meagraph map --onto FILE")
    refused(capsys, ["cluster", new.latent, "--out", new.clusters], "meagraph cluster --onto FILE")
    elsewhere = ["--out", str(new.folder / "elsewhere.npz")]
    refused(capsys, done.map("--onto", done.map_table, *elsewhere), "Place it first: meagraph embed --onto")
    refused(capsys, [*embed, "--onto", new.latent, *elsewhere], "itself placed in one")
    outliers = ["outliers", str(new.data), "--descriptors", new.descriptors, "--latent", new.latent]
    refused(capsys, [*outliers, "--out", new.scores], "run 'meagraph embed' without --onto")


# Files that do not belong


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, structures: tuple[Atoms, ...]) -> Chain:
    """The steps of another dataset."""
    folder = tmp_path_factory.mktemp("other")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEAVIZ_CACHE", str(folder / "cache"))
        return make(folder / "nb", structures[2:], steps=5)


def test_files_of_another_dataset_are_refused(
    done: Chain, other: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.csv")
    outliers = ["outliers", str(done.data), "--out", out, "--descriptors", done.descriptors]
    refused(
        capsys, [*outliers, "--latent", other.latent], other.latent, "made from the given descriptors", "another one"
    )
    refused(
        capsys,
        [*outliers, "--latent", done.latent, "--clusters-file", other.clusters],
        other.clusters,
        "made from the given latent",
    )
    wrong = ["outliers", str(other.data), *outliers[2:], "--latent", done.latent]
    refused(capsys, wrong, str(other.data), "expected the structures and labels")
    embed = ["embed", done.descriptors, "--model", done.model, "--out", str(tmp_path / "l.npz")]
    refused(capsys, [*embed, "--onto", other.latent], other.latent, "made from the given model")
    curve = str(tmp_path / "curve.csv")
    components = ["cluster", done.latent, "--out", out, "--clustering", "components", "--stability", curve]
    refused(capsys, [*components, "--model", other.model], done.latent, "made from the given model")
    refused(capsys, done.outliers("--clusters-file", done.map_table), "expected clusters", "it holds map")
    assert list(tmp_path.iterdir()) == []


def test_other_descriptors_are_refused(done: Chain, new: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(new.describe("--n-max", "3")) == 0
    capsys.readouterr()
    embed = ["embed", new.descriptors, "--model", done.model, "--out", new.latent]
    for more in ([], ["--onto", done.latent]):
        refused(capsys, [*embed, *more], "n_max: the model has 2, the dataset 3")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["describe", "{data}", "--out", "x.txt"], "ends in .npy"),
        (["train", "{descriptors}", "--out", "x.npz"], "ends in .safetensors"),
        (["embed", "{descriptors}", "--model", "{model}", "--out", "x.csv"], "ends in .npz"),
        (["cluster", "{latent}", "--out", "x.txt"], "ends in .csv or .npz"),
        (["map", "{latent}", "--out", "x"], "ends in .csv or .npz"),
        (["train", "{data}", "--out", "x.safetensors"], "as 'meagraph describe' writes it"),
        (["train", "nothing.npy", "--out", "x.safetensors"], "nothing.npy does not exist"),
        (["embed", "{descriptors}", "--model", "no", "--out", "x.npz"], "no.safetensors does not exist"),
        (["cluster", "nothing.npz", "--out", "x.csv"], "nothing.npz does not exist"),
        (["cluster", "{data}", "--out", "x.csv"], "expected a latent space, as 'meagraph embed' writes it"),
        (["train", "{descriptors}", "--out", "descriptors.safetensors"], "belongs to another file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_files(
    done: Chain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    (tmp_path / "descriptors.json").write_bytes(Path(done.descriptors).with_suffix(".json").read_bytes())
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    names = {name: getattr(done, name) for name in ("descriptors", "model", "latent")}
    refused(capsys, [a.format(data=done.data, **names) for a in arguments], words)
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "cache"] == before


def test_a_changed_file_is_noticed(done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in (".npy", ".json"):
        source = Path(done.descriptors).with_suffix(suffix)
        (tmp_path / f"desc{suffix}").write_bytes(source.read_bytes())
    path = tmp_path / "desc.npy"
    np.save(path, np.load(path)[::-1])
    refused(capsys, ["train", str(path), "--out", str(tmp_path / "m.safetensors")], "was changed since desc.json")
    (tmp_path / "desc.json").unlink()
    refused(capsys, ["train", str(path), "--out", str(tmp_path / "m.safetensors")], "desc.json does not exist")


@pytest.mark.parametrize("step", range(6))
def test_an_interrupted_step_leaves_nothing(
    done: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: int
) -> None:
    """Stopped in the last moment, when the file is about to take its name."""
    arguments = done.all()[step]
    out = tmp_path / "out" / Path(arguments[arguments.index("--out") + 1]).name

    def interrupt(self: Path, target: Path) -> None:
        if Path(target) == out:
            raise KeyboardInterrupt
        original(self, target)

    original = Path.replace
    monkeypatch.setattr(Path, "replace", interrupt)
    assert main([*arguments, "--out", str(out)]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not out.exists()
    assert [path for path in out.parent.iterdir() if path.name.startswith(".")] == []


# Tables


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_a_table_is_read_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "count": np.array([3, -1, 2**40]),
        "small": rng.normal(size=3).astype(np.float32),
        "large": np.array([np.pi, np.nan, -1e-300]),
        "words": np.array(["plain", 'with "quotes", commas\nand lines', "ångström; empty follows"]),
    }
    for rows in (3, 0):
        part = {name: column[:rows] for name, column in columns.items()}
        write_table(tmp_path / f"t{suffix}", part, {"table": "things", "answer": 42})
        found, about = read_table(tmp_path / f"t{suffix}", "things", "make")
        assert list(found) == list(columns)
        for name, column in part.items():
            np.testing.assert_array_equal(found[name], column)
            assert found[name].dtype == column.dtype
        assert about["answer"] == 42


def test_descriptors_of_the_library_can_be_handed_on(done: Chain) -> None:
    """The file holds what compute_descriptors returns, float32, and nothing pickled."""
    values = np.load(done.descriptors, allow_pickle=False)
    expected = compute_descriptors(read_dataset(done.data), CONFIG.descriptors, context=True).values
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, expected)


# Starting from a model, and going on after a stop


def test_fine_tuning_starts_from_the_model(done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", done.descriptors, "--out", str(tmp_path / "tuned.safetensors"), *TRAIN, "--json"]
    assert main([*arguments, "--fine-tune", done.model]) == 0
    tuned = json.loads(capsys.readouterr().out)
    first = json.loads(Path(done.model).with_suffix(".json").read_text())["history"]
    assert tuned["source"] == f"fine-tuned from {done.model}"
    assert tuned["loss"][0] < first[0]["loss"]
    other = make(tmp_path / "other", ase.io.read(done.data, ":"), steps=0)
    assert main(other.describe("--r-cut", "4.0")) == 0
    capsys.readouterr()
    refused(capsys, other.train("--fine-tune", done.model), "r_cut: the model has 5.0, the dataset 4.0")
    whole = ["run", str(done.data), "--out", str(tmp_path / "out"), "--model", done.model, "--fine-tune", done.model]
    refused(capsys, whole, "--fine-tune trains one further. Give one of them")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")
def test_a_device_that_is_not_there(done: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, done.train("--device", "cuda"), "no device 'cuda' here", "Choose auto or cpu")


def test_the_same_command_goes_on_after_a_stop(
    done: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    real = meagraph.model.training.one_epoch

    def stopped(model: Any, optimiser: Any, data: Any, learning: Any, config: Any, epoch: int, *rest: Any) -> Any:
        seen.append(epoch)
        if seen == [1, 2]:
            raise KeyboardInterrupt
        return real(model, optimiser, data, learning, config, epoch, *rest)

    monkeypatch.setattr(meagraph.model.training, "one_epoch", stopped)
    out = tmp_path / "again.safetensors"
    arguments = ["train", done.descriptors, "--out", str(out), *TRAIN]
    assert main(arguments) == 130
    assert not out.exists()
    assert main(arguments) == 0
    assert seen == [1, 2, 2]
    again, before = load_model(out)[0].state_dict(), load_model(done.model)[0].state_dict()
    assert all(torch.equal(again[name], before[name]) for name in before)
