"""What a plan says of itself: counted by hand, with its dataset and without, and why it has its shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.display.cards import brief
from meagraph.errors import MEAGraphError
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.settings import PruningConfig
from meagraph.pruning.shares import CHANCE, Chosen, Shares, Trial


@pytest.fixture(scope="module")
def dataset() -> AtomicDataset:
    """Five structures of two atoms each, two of the group a, three of b."""
    structures = [Atoms("Cu2", [[0, 0, 0], [0, 0, 2 + 0.1 * number]]) for number in range(5)]
    for number, atoms in enumerate(structures):
        atoms.info["config_type"] = "a" if number < 2 else "b"
    return dataset_from_structures(structures, name="pairs", allow_unlabelled=True)


@pytest.fixture(scope="module")
def plan(dataset: AtomicDataset) -> PruningPlan:
    """Three environments of the structures 1 and 4; of three clusters the last gives none."""
    keep = np.isin(np.arange(10), [2, 3, 8])
    structures = np.isin(np.arange(5), [1, 4])
    config = PruningConfig(keep=0.3, rule="any", alpha=0.5, seed=7)
    return PruningPlan(keep, structures, np.zeros(5, bool), config, np.array([2, 1, 0, 0]), dataset)


def trial(ratio: float) -> Trial:
    """At 10 and 30 %: variety has ``ratio`` of the error of chance in all of four folds."""
    errors = np.ones((2, 2, 4))
    errors[:, 1] = ratio
    return Trial(np.array([0.1, 0.3]), (CHANCE, Shares(0.0, 1.0)), errors)


def test_the_card_of_a_plan(plan: PruningPlan) -> None:
    assert repr(plan).splitlines() == [
        "Pruning plan of pairs",
        "  kept       2 of 5 structures (40.0 %)",
        "  in them    4 of 10 environments (40.0 %)",
        "  chosen     3 environments (30.0 %)",
        "  clusters   2 of 3 keep an environment",
        "  budget     30 % of the environments",
        "  chosen by  selector meagraph, rule any, alpha 0.5, seed 7",
    ]
    text = plan._repr_html_()
    rows = [text.index(f"<td>{group}</td>") for group in ("a", "b")]
    assert text.index("2 of 5 structures") < rows[0]


def test_a_plan_without_its_dataset_counts_what_it_knows(plan: PruningPlan, dataset: AtomicDataset) -> None:
    alone = replace(plan, dataset=None)
    assert repr(alone).splitlines()[:3] == [
        "Pruning plan",
        "  kept       2 structures",
        "  chosen     3 environments",
    ]
    assert "<td>a</td>" not in alone._repr_html_()
    for ask in (alone.atoms, lambda: alone.summary):
        with pytest.raises(MEAGraphError, match=r"Expected a plan with its dataset.*use RecordedPlan\.of"):
            ask()
    assert [atoms.positions[1, 2] for atoms in plan.atoms()] == [2.1, 2.4]


@pytest.mark.parametrize("known", [True, False])
def test_a_plan_on_the_card_of_another(plan: PruningPlan, known: bool) -> None:
    shown = plan if known else replace(plan, dataset=None)
    assert brief(shown) == "2 of 5 structures kept, 3 environments chosen"


def test_a_plan_says_why_it_has_its_shares(plan: PruningPlan) -> None:
    assert (plan.by, plan.reasons, plan.formulas) == ("alpha 0.5", (), ())
    usual = replace(plan, config=replace(plan.config, alpha=None))
    assert usual.by == "alpha 0.75, as usual"
    asked = replace(usual, chosen=Chosen(trial(0.5), trial(0.9)))
    assert asked.by == "shares as the dataset asks for"
    assert asked.formulas == ("variety",)
    (said,) = asked.reasons
    assert said.startswith("environments: ")
    assert "at 30 % the force error on structures held out is 50 % below" in said
    covering = replace(asked, config=replace(asked.config, rule="cover"))
    assert covering.formulas == ("variety", "variety")
    assert [words.split()[0] for words in covering.reasons] == ["environments:", "whole"]
    assert "10 % below" in covering.reasons[1]


@pytest.mark.parametrize(("unit", "number", "at"), [("environments", 1, 10), ("structures", 2, 30)])
def test_reasons_are_those_of_the_budget(plan: PruningPlan, unit: str, number: int, at: int) -> None:
    """One of ten environments, or two of five structures."""
    config = replace(plan.config, alpha=None, unit=unit, number=number)
    for dataset in (plan.dataset, None):
        asked = replace(plan, config=config, chosen=Chosen(trial(0.5), trial(0.5)), dataset=dataset)
        assert f"; at {at} % the force error" in asked.reasons[0]


def test_what_a_file_says_and_what_a_model_weighs_are_reasons(plan: PruningPlan) -> None:
    read = replace(plan, config=replace(plan.config, alpha=None), recorded=("as it was",), weighed="by its error")
    assert read.by == "shares as the dataset asks for"
    assert read.reasons == ("as it was", "by its error")
    assert read.formulas == ()
    assert [line.split(maxsplit=1)[1] for line in repr(read).splitlines() if line.strip().startswith("shares")] == [
        "as it was",
        "by its error",
    ]


def test_counted_by_other_clusters(plan: PruningPlan) -> None:
    labels = np.array([0, 0, 1, NOISE, 1, 1, 0, 0, 1, NOISE])
    counted = plan.counted(Clusters(labels, np.array([4, 4]), "by hand"))
    assert counted.per_cluster.tolist() == [0, 2, 1]
    assert counted.summary.clusters_lost == 1
