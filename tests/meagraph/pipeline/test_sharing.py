"""The shares that a dataset asks for: found out once, kept, told of in plan, manifest and report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import meagraph as mg
from meagraph.datasets import AtomicDataset
from meagraph.errors import Cancelled
from meagraph.pipeline import sharing
from meagraph.pipeline.planning import ranking_for
from meagraph.pipeline.sharing import ask, asks, recall_shares
from meagraph.pruning.ranking import Ranking, chance_order
from meagraph.pruning.settings import PruningConfig
from meagraph.pruning.shares import CHANCE, Chosen, Shares, Trial
from meagraph.step_files.plans import read_plan, write_plan
from tests.support.finished import Finished


def ranking_of(dataset: AtomicDataset) -> Ranking:
    count = dataset.n_environments
    bins = np.arange(count) % 3
    return Ranking(
        chance_order(bins, 1), bins, np.bincount(bins), "mixed", 0, worth=np.linspace(1, 2, count).astype(np.float32)
    )


def chosen() -> Chosen:
    """Environments by variety, 20 % below chance in all of four folds; structures at random."""
    keeps = np.array([0.1, 0.25])
    errors = np.ones((2, 2, 4))
    errors[:, 1] = 0.8
    return Chosen(
        Trial(keeps, (CHANCE, Shares(0.0, 1.0)), errors), Trial(keeps, (CHANCE, Shares(0.0, 1.0)), 1 / errors)
    )


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is found out is made up; a number for each time it was."""
    calls: list[int] = []

    def made_up(*args: object, **options: object) -> Chosen:
        calls.append(len(calls))
        return chosen()

    monkeypatch.setattr(sharing, "choose_shares", made_up)
    return calls


def test_it_is_found_out_once(niobium: AtomicDataset, own_cache: Path, counted: list[int]) -> None:
    ranking = ranking_of(niobium)
    assert recall_shares(niobium, ranking).chosen is None
    first, second = ask(niobium, ranking), ask(niobium, ranking)
    assert len(counted) == 1
    for found in (second.chosen, recall_shares(niobium, ranking).chosen):
        assert found is not None
        assert first.chosen is not None
        np.testing.assert_array_equal(found.environments.errors, first.chosen.environments.errors)
        assert found.structures.candidates == first.chosen.structures.candidates
        assert found.figures() == first.chosen.figures()
    ask(niobium, ranking, seed=1)  # another split
    ask(niobium, replace(ranking, rank=ranking.rank[::-1].copy()))
    ask(niobium, ranking, cache=False)
    assert len(counted) == 4


def test_without_forces_the_usual_exponent_stays(niobium: AtomicDataset, own_cache: Path) -> None:
    silent = replace(niobium, forces=np.full_like(niobium.forces, np.nan))
    ranking = ranking_of(silent)
    assert ask(silent, ranking) is ranking
    assert PruningConfig().shares(ranking, 0.1, structures=False) == Shares(0.375, 0.375)
    assert PruningConfig().shares(ranking, 0.1, structures=True) == Shares(0.0, 0.75)


def test_who_cancels_is_not_taken_for_a_dataset_without_forces(niobium: AtomicDataset, own_cache: Path) -> None:
    def cancelled(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        ask(niobium, ranking_of(niobium), progress=cancelled)


def test_nobody_is_asked_where_the_exponent_is_set(niobium: AtomicDataset) -> None:
    ranking = ranking_of(niobium)
    assert asks(PruningConfig(), ranking)
    assert not asks(PruningConfig(alpha=0.5), ranking)
    assert not asks(PruningConfig(), replace(ranking, chosen=chosen()))
    assert not asks(PruningConfig(selector="fps"), replace(ranking, worth=None))


def test_a_plan_follows_what_was_found_out_and_says_so(
    finished: Finished, own_cache: Path, counted: list[int], tmp_path: Path
) -> None:
    found = finished.analysis
    plan = mg.prune(found, keep=0.25)
    assert counted == [0]
    assert mg.prune(found, keep=0.1).chosen is not None
    assert counted == [0]
    assert plan.chosen is not None
    environments, structures = plan.reasons
    assert environments.startswith("environments: each part of a cluster has its share by its variety")
    assert "20 % below" in environments
    assert structures.startswith("whole structures are taken at random")
    ranking = ranking_for(found, PruningConfig(seed=found.config.seed))
    by_hand = replace(ranking, chosen=None)
    flat = mg.prune(found, keep=0.25, ranking=by_hand)
    assert flat.chosen is None
    assert flat.reasons == ()
    assert "alpha 0.75, as usual" in repr(flat)
    assert "shares as the dataset asks for" in repr(plan)
    write_plan(tmp_path / "plan.npz", plan, found.dataset, found.survey.clusters)
    again = read_plan(tmp_path / "plan.npz").of(found.dataset)
    assert again.reasons == plan.reasons
    assert "shares as the dataset asks for" in repr(again)
    files = mg.export(found, plan, tmp_path / "pruned")
    manifest = json.loads(next(path for path in files.paths if path.suffix == ".json").read_text())
    assert manifest["shares"]["why"] == list(plan.reasons)
    assert manifest["shares"]["environments"][0]["variety"] == 1.0
    report = next(path for path in files.paths if path.suffix == ".html").read_text()
    assert "How the clusters share the budget" in report
    assert "20 % below" in report


def test_random_structures_of_a_plan_hold_no_more_than_the_budget(
    finished: Finished, own_cache: Path, counted: list[int]
) -> None:
    found = finished.analysis
    for number in (20, 60, 100):
        plan = mg.prune(found, number=number, unit="atoms")
        sizes = found.dataset.sizes
        assert sizes[plan.structures].sum() <= number
        assert plan.structures[plan.protected].all()
    again = mg.prune(found, number=100, unit="atoms")
    np.testing.assert_array_equal(again.structures, plan.structures)
