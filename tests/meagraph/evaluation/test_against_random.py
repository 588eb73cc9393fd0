"""A plan beside random selections and everything: the right data in each fit, figures that are valid JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.evaluation.against_random import evaluate
from meagraph.evaluation.equations import Prepared, Stressed, prepare
from meagraph.evaluation.force_error import cost
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.settings import PruningConfig
from tests.support.structures import niobium_structures


@pytest.fixture(scope="module")
def data() -> AtomicDataset:
    return dataset_from_structures(niobium_structures(30, 20), name="nb")


@pytest.fixture(scope="module")
def prepared(data: AtomicDataset) -> Prepared:
    return prepare(data)


def plan_of(data: AtomicDataset, structures: np.ndarray) -> PruningPlan:
    keep = structures[data.structure_of]
    nobody = np.zeros(data.n_structures, dtype=bool)
    return PruningPlan(keep, structures, nobody, PruningConfig(), np.array([keep.sum(), 0]))


def test_three_fits_of_the_right_data(data: AtomicDataset, prepared: Prepared) -> None:
    kept = np.random.default_rng(0).random(data.n_structures) < 0.5
    found = evaluate(prepared, plan_of(data, kept), seeds=range(4))
    learning = ~np.isin(np.arange(data.n_structures), prepared.test.structures)
    sizes = np.diff(data.offsets)
    assert found.kept.environments == sizes[kept & learning].sum()
    assert found.whole.environments == sizes[learning].sum()
    assert found.kept.rmse == cost(prepared, kept).rmse
    assert len(found.random) == 4
    for drawn in found.random:  # whole structures, as many environments up to the last one
        assert 0 <= drawn.environments - found.kept.environments < sizes.max()
    assert len({drawn.rmse for drawn in found.random}) > 1
    again = evaluate(prepared, plan_of(data, kept), seeds=range(4))
    assert [drawn.rmse for drawn in again.random] == [drawn.rmse for drawn in found.random]


def test_a_plan_that_keeps_all_is_everything(data: AtomicDataset, prepared: Prepared) -> None:
    found = evaluate(prepared, plan_of(data, np.ones(data.n_structures, dtype=bool)), seeds=(0,))
    assert found.kept.rmse == found.whole.rmse
    assert found.random[0].rmse == pytest.approx(found.whole.rmse, rel=1e-9)


def test_figures_are_json(data: AtomicDataset) -> None:
    nameless = replace(data, energy=np.full(data.n_structures, np.nan))
    figures = evaluate(prepare(nameless), plan_of(data, np.ones(data.n_structures, dtype=bool)), seeds=(0, 1)).figures()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["kept"]["energy_rmse"] is None
    assert figures["random"]["energy_rmse"] == [None] * 3
    median, least, largest = figures["random"]["rmse"]
    assert 0 < least <= median <= largest
    assert figures["whole"]["worst_group"] in set(data.groups)


def test_stress_is_told_in_gpa_to_people(data: AtomicDataset, prepared: Prepared) -> None:
    everything = plan_of(data, np.ones(data.n_structures, dtype=bool))
    stressed = Stressed(np.zeros((1, 6, len(prepared.scale)), dtype=np.float32), np.full((1, 6), 0.01))
    found = evaluate(replace(prepared, stressed=stressed), everything, seeds=(0,))
    assert found.figures()["kept"]["stress_rmse"] == pytest.approx(0.01)
    assert [row[found.table().heads.index("stress RMSE / GPa")] for row in found.table().rows] == ["1.60"] * 3
    assert evaluate(prepared, everything, seeds=(0,)).table().rows[0][-1] == "–"


def test_too_small_a_plan_and_cancelling(data: AtomicDataset, prepared: Prepared) -> None:
    few = np.zeros(data.n_structures, dtype=bool)
    with pytest.raises(MEAGraphError, match="Keep more"):
        evaluate(prepared, plan_of(data, few))

    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        evaluate(prepared, plan_of(data, ~few), progress=cancel)
