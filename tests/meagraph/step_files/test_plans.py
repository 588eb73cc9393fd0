"""Plans in files and beside each other, and the commands that make, compare and judge them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.cli import main
from meagraph.datasets import AtomicDataset, read_dataset
from meagraph.errors import MEAGraphError
from meagraph.evaluation.comparison import compare_plans
from meagraph.evaluation.coverage import measure, yardstick
from meagraph.evaluation.quests import quests_measures
from meagraph.exports import verify
from meagraph.graph.condensation import condense
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.pipeline.run import run
from meagraph.pruning.plan import PruningPlan, prune
from meagraph.pruning.settings import PruningConfig
from meagraph.step_files.plans import read_plan, write_plan
from tests.support.pruning import random_case, ranked
from tests.support.steps import CONFIG, Chain, make, refused
from tests.support.structures import niobium_structures


def case(seed: int = 0, **options) -> tuple[AtomicDataset, Clusters, np.ndarray, PruningPlan]:
    dataset, clusters, points = random_case(seed)
    return dataset, clusters, points, prune(ranked(clusters, points), clusters, dataset, PruningConfig(**options))


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    dataset, clusters, points, plan = case(keep=0.3, fractions={2: 0.5, NOISE: 0.1}, number=40, protected=("surface",))
    found = measure(yardstick(dataset, points, condense(points, epsilon=0.0), clusters), plan.keep)
    path = tmp_path / "plan.npz"
    beside = write_plan(path, plan, dataset, clusters, measures=found, made_from={"latent": "abc"})
    file = read_plan(path)
    for name in ("keep", "structures", "protected", "per_cluster"):
        np.testing.assert_array_equal(getattr(file.plan, name), getattr(plan, name))
    assert file.plan.config == plan.config
    np.testing.assert_array_equal(file.labels, clusters.labels)
    assert file.of(dataset).dataset is dataset
    details = json.loads(beside.read_text())
    assert details["made_from"] == {"latent": "abc"}
    assert details["measures"]["covered_environments"] == found.covered_environments
    assert details["counts"]["environments"] == plan.n_environments


def test_files_that_are_no_plan_of_this_dataset(tmp_path: Path) -> None:
    dataset, clusters, _, plan = case()
    path = tmp_path / "plan.npz"
    beside = write_plan(path, plan, dataset, clusters)
    other = random_case(1)[0]
    with pytest.raises(MEAGraphError, match=r"expected a plan of the dataset .* structures or labels differ"):
        read_plan(path).of(other, path)
    with pytest.raises(MEAGraphError, match="Give the dataset that the plan was made for"):
        write_plan(path, plan, other, clusters)
    with pytest.raises(MEAGraphError, match=r"ends in \.npz"):
        read_plan(tmp_path / "plan.csv")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(MEAGraphError, match="was changed since"):
        read_plan(path)
    with pytest.raises(MEAGraphError, match="changed since it was made"):
        write_plan(path, plan, dataset, clusters)
    write_plan(path, plan, dataset, clusters, overwrite=True)
    details = json.loads(beside.read_text())
    details["pruning"]["alpha"] = 7
    beside.write_text(json.dumps(details))
    with pytest.raises(MEAGraphError, match="alpha must lie between"):
        read_plan(path)
    beside.unlink()
    with pytest.raises(MEAGraphError, match="does not exist"):
        read_plan(path)


def test_comparison_by_hand(tmp_path: Path) -> None:
    dataset, clusters, _, plan = case(protected=())
    keeps = np.zeros((3, dataset.n_environments), dtype=bool)
    stays = np.zeros((3, dataset.n_structures), dtype=bool)
    for row, (first, last) in enumerate([(0, 10), (5, 20), (8, 30)]):
        keeps[row, first:last], stays[row, first:last] = True, True
    files = {}
    for name, keep, stay in zip("abc", keeps, stays, strict=True):
        write_plan(tmp_path / f"{name}.npz", replace(plan, keep=keep, structures=stay), dataset, clusters)
        files[name] = read_plan(tmp_path / f"{name}.npz")
    found = compare_plans(files)
    assert [found["plans"][name]["only"]["environments"] for name in "abc"] == [5, 0, 10]
    assert [found["plans"][name]["only"]["structures"] for name in "abc"] == [5, 0, 10]
    assert found["shared"] == {"environments": 2, "structures": 2}
    assert found["overlap"] == pytest.approx(2 / 30)
    of = dataset.groups[dataset.structure_of]
    assert found["groups"]["liquid"]["environments"] == [float(keep[of == "liquid"].mean()) for keep in keeps]
    assert found["groups"]["surface"]["structures"] == [1.0, 1.0, 0.0]
    assert list(found["clusters"]) == ["0", "1", "2", "3", "4", "none"]
    assert found["clusters"]["none"] == [float(keep[clusters.labels == NOISE].mean()) for keep in keeps]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    write_plan(tmp_path / "d.npz", plan, dataset, replace(clusters, labels=np.roll(clusters.labels, 1)))
    assert compare_plans({**files, "d": read_plan(tmp_path / "d.npz")})["clusters"] is None
    with pytest.raises(MEAGraphError, match="at least two plans"):
        compare_plans({"a": files["a"]})
    other, others, _, its = case(1)
    write_plan(tmp_path / "e.npz", its, other, others)
    with pytest.raises(MEAGraphError, match="Compare plans of one dataset"):
        compare_plans({**files, "e": read_plan(tmp_path / "e.npz")})


# The commands


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Steps of 40 structures up to the clusters; tests must not change the files."""
    folder = tmp_path_factory.mktemp("plans")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEAVIZ_CACHE", str(folder / "cache"))
        return make(folder / "nb", niobium_structures(20, 20, rattle=0.1), steps=4)


def arguments(chain: Chain, out: Path, *more: str) -> list[str]:
    files = ["--descriptors", chain.descriptors, "--latent", chain.latent, "--clusters-file", chain.clusters]
    return ["prune", str(chain.data), *files, "--out", str(out), "--seed", "3", *more]


def test_prune_makes_the_plan_that_run_makes(done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan.npz"
    to = ("--to", "csv", "--to", "mace", "--weights", "chosen")
    assert main(arguments(done, out, "--keep", "0.3", "--export", str(tmp_path / "kept"), "--json", *to)) == 0
    figures = json.loads(capsys.readouterr().out)
    whole = run(done.data, config=CONFIG, pruning=PruningConfig(keep=0.3, seed=3), cache=False)
    file = read_plan(out)
    np.testing.assert_array_equal(file.plan.keep, whole.plan.keep)
    np.testing.assert_array_equal(file.plan.structures, whole.plan.structures)
    assert figures["environments_chosen"] == whole.plan.n_environments
    assert file.about["measures"]["environments"] == whole.plan.n_environments
    assert set(file.about["made_from"]) == {"descriptors", "latent"}
    manifest = tmp_path / "kept" / "manifest.json"
    assert verify(manifest) == []
    assert len(list((tmp_path / "kept").iterdir())) == 4 + 2  # the report, too, as the README says; two formats
    assert "csv: There are no columns score: these were not computed." in figures["not_held"]
    kept = np.loadtxt(
        tmp_path / "kept" / "csv" / "environments.csv", dtype=str, delimiter=",", quotechar='"', skiprows=1, ndmin=2
    )
    assert len(kept) == len(file.plan.keep)
    assert "Coverage" in next((tmp_path / "kept").glob("*-report.html")).read_text()
    settings = json.loads(manifest.read_text())["settings"]
    assert (settings["graph"]["lower"], settings["pooling_rate"], settings["clustering"]["resolution"]) == (
        0.8,
        0.3,
        0.2,
    )
    assert main(arguments(done, out)) == 0  # again, in words
    assert "by the rule 'cover'" in capsys.readouterr().out


def test_compare_and_evaluate(
    done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str], write_dataset: Callable[..., Path]
) -> None:
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    assert main(arguments(done, a, "--number", "400", "--unit", "atoms", "--keep-cluster", "0=0.5")) == 0
    assert main(arguments(done, b, "--selector", "random", "--keep", "0.9", "--rule", "any")) == 0
    capsys.readouterr()
    assert main(["compare", str(a), str(b), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures == json.loads(json.dumps(compare_plans({str(path): read_plan(path) for path in (a, b)})))
    assert figures["plans"][str(a)]["atoms"] <= 400
    assert main(["compare", str(a), str(b)]) == 0
    said = capsys.readouterr().out
    for words in ("A  ", "environments only here", "redundancy left", "group bcc", "cluster 0", "largest forces"):
        assert words in said
    refused(capsys, ["compare", str(a), str(a)], "named twice")
    refused(capsys, ["compare", str(a)], "at least two plans")
    assert main(["evaluate", str(b), str(done.data), "--draws", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["kept"]["rmse"] > 0
    assert figures["whole"]["environments"] >= figures["kept"]["environments"]
    assert main(["evaluate", str(b), str(done.data), "--draws", "2"]) == 0
    assert "random ones (median of 2)" in capsys.readouterr().out
    assert "quests" not in figures
    other = write_dataset(niobium_structures(seed=5), "other.extxyz")
    refused(capsys, ["evaluate", str(b), str(other)], str(b), "expected a plan of the dataset 'other'")
    refused(capsys, ["evaluate", str(b), str(done.data), "--draws", "0"], "1 or more, got 0")
    refused(capsys, ["evaluate", str(tmp_path / "no.npz"), str(done.data)], "does not exist", "meagraph prune")


def test_evaluate_by_quests(done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All figures and every parameter, as JSON and in words; a sample and other parameters on demand."""
    pytest.importorskip("quests", reason='needs QUESTS: pip install "meaviz[quests]"')
    plan = tmp_path / "plan.npz"
    assert main(arguments(done, plan, "--keep", "0.3")) == 0
    capsys.readouterr()
    command = ["evaluate", str(plan), str(done.data), "--draws", "1", "--quests"]
    assert main([*command, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    found = quests_measures(read_dataset([done.data]), read_plan(plan).plan)
    assert figures["quests"] == found.figures()
    assert figures["kept"]["rmse"] > 0
    assert main(command) == 0
    said = capsys.readouterr().out
    for name in ("all", "chosen", "kept"):
        assert f"{found.sets[name].used:,}" in said
        assert f"{found.sets[name].entropy:.4f}" in said
        assert f"{found.sets[name].overlap:.4f}" in said
    assert found.caption() in said
    more = [
        "--no-cache",
        "--quests-sample",
        "50",
        "--quests-bandwidth",
        "0.1",
        "--quests-k",
        "8",
        "--quests-cutoff",
        "4",
    ]
    assert main([*command, "--json", "--seed", "2", "--quests-epsilon", "0.01", *more]) == 0
    figures = json.loads(capsys.readouterr().out)["quests"]
    wanted = {"k": 8, "cutoff": 4.0, "bandwidth": 0.1, "epsilon": 0.01, "sample": 50, "seed": 2}
    assert {name: figures["parameters"][name] for name in wanted} == wanted
    assert figures["all"]["used"] == 50
    refused(capsys, [*command, "--quests-k", "1"], "k of at least 2", "k=1")


def test_refusals_of_prune(
    done: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str], write_dataset: Callable[..., Path]
) -> None:
    out = tmp_path / "plan.npz"
    refused(capsys, arguments(done, tmp_path / "plan.csv"), "ends in .npz")
    refused(capsys, arguments(done, out, "--keep-cluster", "half"), "LABEL=F", "'half'")
    refused(capsys, arguments(done, out, "--keep-cluster", "77=0.5"), "clusters from 0 to")
    refused(capsys, arguments(done, out, "--unit", "atoms"), "expects their number")
    Path(tmp_path / "plan.json").write_text("{}")
    refused(capsys, arguments(done, out), "belongs to another file")
    other = write_dataset(niobium_structures(seed=5), "other.extxyz")
    changed = [str(other) if part == str(done.data) else part for part in arguments(done, tmp_path / "p.npz")]
    refused(capsys, changed, "other.extxyz", "expected the structures and labels")
    assert not out.exists()
