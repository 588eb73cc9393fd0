"""Results as pandas tables: rows, columns, units, and what a plan keeps, against counts made by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

import meagraph as mg
from meagraph.inspection.clusters import count_clusters
from meagraph.inspection.tables import to_dataframe
from meagraph.latent.clustering import Clusters
from meagraph.outliers import Outliers, Signal
from meagraph.pruning.plan import PruningPlan, prune
from meagraph.pruning.settings import PruningConfig


@pytest.fixture
def found(niobium: mg.AtomicDataset, ready_run: Callable[..., mg.Run]) -> mg.Analysis:
    """Groups are the clusters (bcc 112, fcc 32, the isolated atom 1), but two environments belong to none."""
    run = ready_run(niobium)
    labels = run.survey.clusters.labels.copy()
    labels[[0, 20]] = -1
    n = niobium.n_environments
    score = np.zeros(n)
    score[[0, 130]] = [3.0, 1.0]
    signal = Signal("short distance", np.full(n, 2.8), score, score, "close")
    survey = replace(
        run.survey,
        clusters=Clusters(labels, np.array([110, 32, 1]), "leiden"),
        outliers=Outliers(score, labels < 0, (signal,)),
    )
    return mg.Analysis(niobium, run.descriptors, run.learned, survey)


@pytest.fixture
def plan(found: mg.Analysis) -> PruningPlan:
    config = PruningConfig(keep=0.3, within="fps", rule="any")
    return prune(found.survey.ranking, found.survey.clusters, found.dataset, config)


def test_environments_have_all_properties_with_their_units(found: mg.Analysis) -> None:
    table = found.to_dataframe()
    data = found.dataset
    assert table.index.name == "environment"
    assert table.index.tolist() == list(range(145))
    np.testing.assert_array_equal(table["structure"], data.structure_of)
    np.testing.assert_array_equal(table["atom"], data.atom_of)
    np.testing.assert_allclose(table["force"], np.linalg.norm(data.forces, axis=1))
    np.testing.assert_allclose(table["energy"], (data.energy / data.sizes)[data.structure_of])
    np.testing.assert_array_equal(table["cluster"], found.survey.clusters.labels)
    assert table["structure"].dtype == table["cluster"].dtype == np.int64
    assert table["group"].astype(str).tolist() == data.groups[data.structure_of].tolist()
    assert {"umap_1", "score", "nearest_distance", "latent_1", "twins"} <= set(table)
    units = table.attrs["units"]
    assert set(units) == set(table)
    assert (units["energy"], units["force"], units["volume"], units["group"]) == ("eV/atom", "eV/Å", "Å³", "")
    assert (units["nearest_distance"], units["by_short_distance"]) == ("Å", "decades")


def test_chosen_columns_come_in_their_order(found: mg.Analysis) -> None:
    assert list(found.to_dataframe(columns=["score", "cluster", "group"])) == ["score", "cluster", "group"]
    assert list(found.to_dataframe("structures", columns="fmax")) == ["fmax"]


def test_structures_have_their_properties(found: mg.Analysis) -> None:
    table = found.to_dataframe("structures")
    data = found.dataset
    assert table.index.name == "structure"
    np.testing.assert_array_equal(table["n_atoms"], data.sizes)
    largest = [np.linalg.norm(a.get_forces(), axis=1).max() for a in data.structures]
    np.testing.assert_allclose(table["fmax"], largest)
    assert "force" not in table  # it differs from atom to atom
    assert table.attrs["units"]["fmax"] == "eV/Å"


def test_clusters_are_counted(found: mg.Analysis) -> None:
    table = found.to_dataframe("clusters")
    assert table.index.name == "cluster"
    assert table.index.tolist() == [0, 1, 2, -1]
    assert table["environments"].tolist() == [110, 32, 1, 2]
    np.testing.assert_allclose(table["share"], np.array([110, 32, 1, 2]) / 145)
    assert table["structures"].tolist() == [7, 4, 1, 2]
    assert table["representatives"].tolist() == [110, 32, 1, 2]
    assert table["group"].tolist() == ["bcc", "fcc", "IsolatedAtom", "bcc"]
    assert table["name"].tolist() == [*found.cluster_names, "unclustered"]
    assert [name.split(", ")[0] for name in found.cluster_names] == ["bcc", "fcc", "IsolatedAtom"]
    assert table["group_share"].tolist() == [1, 1, 1, 1]
    assert table["candidates"].tolist() == [0, 1, 0, 1]
    force = np.linalg.norm(found.dataset.forces, axis=1)[found.survey.clusters.labels == 0]
    assert table.loc[0, "force"] == pytest.approx(force.mean())
    assert table.loc[0, "force_spread"] == pytest.approx(force.std())
    assert table.attrs["units"]["force_spread"] == "eV/Å"
    assert "chosen" not in table
    assert {"score", "score_spread"} <= set(found.to_dataframe("clusters", columns=["score"]))


def test_a_cluster_without_members_has_no_row(found: mg.Analysis) -> None:
    labels = np.where(found.survey.clusters.labels < 0, 0, found.survey.clusters.labels)
    survey = replace(found.survey, clusters=Clusters(labels, np.array([112, 32, 1]), "leiden"))
    table = replace(found, survey=survey).to_dataframe("clusters")
    assert table.index.tolist() == [0, 1, 2]


def test_a_plan_adds_what_it_keeps(found: mg.Analysis, plan: PruningPlan) -> None:
    stays = plan.structures[found.dataset.structure_of]
    environments = found.to_dataframe(plan=plan)
    np.testing.assert_array_equal(environments["chosen"], plan.keep)
    np.testing.assert_array_equal(environments["kept"], stays)
    structures = found.to_dataframe("structures", plan=plan)
    np.testing.assert_array_equal(structures["kept"], plan.structures)
    assert structures["chosen"].sum() == plan.n_environments
    clusters = found.to_dataframe("clusters", plan=plan)
    for label, row in clusters.iterrows():
        inside = found.survey.clusters.labels == label
        assert (row["chosen"], row["kept"]) == ((plan.keep & inside).sum(), (stays & inside).sum())
    run = mg.Run(found.dataset, found.descriptors, found.learned, found.survey, plan, None)
    assert run.to_dataframe("clusters").equals(clusters)  # its own plan
    counts = count_clusters(found.survey.clusters, found.dataset, plan).table()
    assert counts.rows[1][:5] == ("1", "32", "22.1 %", "4", "fcc 32")
    assert counts.rows[-1][0] == "none"
    named = count_clusters(found.survey.clusters, found.dataset).table(("a", "b", "c"))
    assert named.heads[:2] == ("cluster", "name")
    assert [row[1] for row in named.rows] == ["a", "b", "c", ""]


def test_files_of_equal_name_are_one_category(niobium: mg.AtomicDataset) -> None:
    source = niobium.sources[0]
    data = replace(
        niobium,
        sources=(replace(source, path="one/train.xyz"), replace(source, path="two/train.xyz")),
        source_index=np.arange(niobium.n_structures) % 2,
    )
    table = to_dataframe(data, rows="structures")
    assert table["file"].cat.categories.tolist() == ["train.xyz"]
    assert not table["file"].isna().any()


def test_a_value_that_no_structure_has_is_missing(make_structures: Callable[..., list[Atoms]]) -> None:
    structures = make_structures(2, 1)
    structures[0].calc = None
    data = mg.from_atoms(structures, allow_unlabelled=True)
    assert to_dataframe(data, rows="structures")["energy"].isna().tolist() == [True, *[False] * (len(structures) - 1)]


def test_what_cannot_be_tabled_is_named(found: mg.Analysis, niobium: mg.AtomicDataset, plan: PruningPlan) -> None:
    with pytest.raises(mg.MEAGraphError, match="Unknown rows 'atoms'; choose from environments, structures, clusters"):
        found.to_dataframe("atoms")
    with pytest.raises(mg.MEAGraphError, match=r"Unknown columns of structures: force; choose from .*fmax"):
        found.to_dataframe("structures", columns=["force", "fmax"])
    with pytest.raises(mg.MEAGraphError, match="Unknown columns of clusters: group"):
        found.to_dataframe("clusters", columns=["group"])
    with pytest.raises(mg.MEAGraphError, match="Analyse it first"):
        to_dataframe(niobium, rows="clusters")
    with pytest.raises(mg.MEAGraphError, match="a plan of 145 environments, but it is one of 3"):
        found.to_dataframe(plan=replace(plan, keep=plan.keep[:3]))


def test_without_pandas_the_remedy_is_named(found: mg.Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(mg.MEAGraphError, match="pip install pandas"):
        found.to_dataframe()
