"""The table of all environments, chemiscope's file and weights, of a real analysis."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import meagraph as mg
from meagraph.errors import MEAGraphError
from meagraph.exports import ExportError
from meagraph.exports.formats import FORMATS, Kept
from meagraph.exports.weights import weights_of
from meagraph.pruning.plan import PruningPlan
from tests.support.finished import Finished


@pytest.fixture(scope="module")
def plan(finished: Finished) -> PruningPlan:
    return mg.prune(finished.analysis, keep=0.4, alpha=0.75)


@pytest.fixture(scope="module")
def files(finished: Finished, plan: PruningPlan, tmp_path_factory: pytest.TempPathFactory) -> mg.ExportedFiles:
    flags = np.zeros(145, bool)
    flags[3] = True
    folder = tmp_path_factory.mktemp("tables")
    names = ("csv", "parquet", "chemiscope")
    return mg.export(finished.analysis, plan, folder, formats=names, weights="population", flags=flags)


def test_a_row_an_environment(finished: Finished, plan: PruningPlan, files: mg.ExportedFiles) -> None:
    analysis, data = finished.analysis, finished.analysis.dataset
    table = pandas.read_csv(files.formats["csv"] / "environments.csv", index_col="environment")
    assert len(table) == data.n_environments == 145
    kept = plan.structures[data.structure_of]
    assert table["status"].tolist() == np.where(kept, "kept", "pruned").tolist()
    assert table["chosen"].tolist() == plan.keep.tolist()
    assert table["cluster"].tolist() == analysis.survey.clusters.labels.tolist()
    assert table["element"].unique().tolist() == ["Nb"]
    assert table["source"].unique().tolist() == [str(finished.path)]
    assert np.flatnonzero(table["flagged"]).tolist() == [3]
    assert (table["candidate"] == (analysis.survey.outliers.score >= 1.0)).all()
    np.testing.assert_array_equal(table[["structure", "atom"]], np.column_stack([data.structure_of, data.atom_of]))
    np.testing.assert_array_equal(table[["umap_1", "umap_2"]].astype(np.float32), analysis.survey.projection.xy)
    np.testing.assert_allclose(table["score"], analysis.survey.outliers.score, rtol=1e-14)
    assert {"phase", "group", "cluster_name", "force", "energy", "weight"} <= set(table)
    units = json.loads((files.formats["csv"] / "columns.json").read_text())
    assert list(units) == list(table)
    assert units["force"] == {"unit": "eV/Å"}


def test_parquet_holds_the_same(files: mg.ExportedFiles) -> None:
    whole = pandas.read_parquet(files.formats["parquet"] / "environments.parquet").set_index("environment")
    table = pandas.read_csv(files.formats["csv"] / "environments.csv", index_col="environment")
    assert list(whole) == list(table)
    assert isinstance(whole["status"].dtype, pandas.CategoricalDtype)
    for name in ("status", "group", "cluster", "chosen"):
        assert whole[name].tolist() == table[name].tolist()
    for name in ("score", "weight", "force"):
        np.testing.assert_allclose(whole[name], table[name], rtol=1e-14)


def test_chemiscope_opens_its_file(finished: Finished, plan: PruningPlan, files: mg.ExportedFiles) -> None:
    chemiscope = pytest.importorskip("chemiscope")
    path = files.formats["chemiscope"] / "chemiscope.json"
    content = json.loads(path.read_text())
    points = [(one["structure"], one["center"], one["cutoff"]) for one in content["environments"]]
    again = chemiscope.create_input(
        content["structures"],
        metadata=content["meta"],
        properties=content["properties"],
        environments=points,
        settings=content["settings"],
    )
    assert {name: values for name, values in again.items() if name != "meta"} == {
        name: values for name, values in content.items() if name != "meta"
    }
    assert chemiscope.show_input(str(path)) is not None
    data = finished.analysis.dataset
    rows = np.flatnonzero(plan.structures)
    assert [one["size"] for one in content["structures"]] == data.sizes[rows].tolist()
    xy = finished.analysis.survey.projection.xy[plan.structures[data.structure_of]]
    np.testing.assert_array_equal(np.float32(content["properties"]["umap_1"]["values"]), xy[:, 0])
    assert content["settings"]["map"]["x"] == {"property": "umap_1"}


@pytest.mark.parametrize(
    ("name", "file", "old", "new"),
    [
        ("csv", "environments.csv", ",kept,False", ",pruned,False"),
        ("chemiscope", "chemiscope.json", r'("energy": {"target": "structure", "values": \[)[^,]+', r"\g<1>123.0"),
        ("chemiscope", "chemiscope.json", r'("umap_2": {"target": "atom", "values": \[)[^,]+', r"\g<1>123.0"),
        ("chemiscope", "chemiscope.json", r'("chosen": {"target": "atom", "values": \[")', r"\g<1>un"),
    ],
)
def test_a_table_that_differs_is_an_error(
    finished: Finished,
    plan: PruningPlan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    file: str,
    old: str,
    new: str,
) -> None:
    right = FORMATS[name].write

    def wrong(kept: Kept, folder: Path) -> Any:
        written = right(kept, folder)
        text = (folder / file).read_text()
        changed, times = re.subn(old, new, text, count=1)
        assert times == 1
        (folder / file).write_text(changed)
        return written

    monkeypatch.setitem(FORMATS, name, replace(FORMATS[name], write=wrong))
    with pytest.raises(ExportError, match=rf"{name}/{file}.*expected (status|energy|umap_2|chosen)"):
        mg.export(finished.analysis, plan, tmp_path / "out", formats=[name])
    assert list((tmp_path / "out").iterdir()) == []


def test_weights_restore_the_populations_of_clusters(finished: Finished, plan: PruningPlan) -> None:
    data, clusters = finished.analysis.dataset, finished.analysis.survey.clusters
    weights = weights_of("population", data, clusters, plan)
    kept = plan.structures[data.structure_of]
    assert weights.atoms[kept].mean() == pytest.approx(1.0)
    assert (weights.atoms[~kept] == 0.0).all()
    before = np.bincount(clusters.bins)
    after = np.bincount(clusters.bins, weights.atoms)
    left = after > 0
    np.testing.assert_allclose(after[left] / after.sum(), before[left] / before[left].sum(), rtol=1e-12)
    row = int(np.flatnonzero(plan.structures)[0])
    assert weights.structures[row] == pytest.approx(weights.atoms[data.rows_of(row)].mean())


def test_a_mask_of_what_was_chosen(finished: Finished, plan: PruningPlan) -> None:
    data = finished.analysis.dataset
    weights = weights_of("chosen", data, finished.analysis.survey.clusters, plan)
    kept = plan.structures[data.structure_of]
    assert (weights.atoms == (plan.keep & kept)).all()
    with pytest.raises(MEAGraphError, match="Unknown weights 'all'; choose from chosen, population"):
        weights_of("all", data, finished.analysis.survey.clusters, plan)
