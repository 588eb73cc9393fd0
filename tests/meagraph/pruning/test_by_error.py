"""Shares that grow with a model's error: factors and shares counted by hand, bounds, and where there is nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.io import write

import meagraph as mg
from meagraph.cli import main
from meagraph.errors import MEAGraphError
from meagraph.pruning.by_error import with_error
from meagraph.pruning.choice import heads
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.shares import Shares
from tests.support.finished import Finished
from tests.support.structures import niobium_structures


def ranking(*sizes: int) -> Ranking:
    """Bins of these sizes, each in the order in which its environments stand."""
    bins = np.repeat(np.arange(len(sizes)), sizes)
    rank = np.concatenate([np.arange(size) for size in sizes])
    return Ranking(rank, bins, np.array(sizes), "fps", 0)


def test_factors_and_shares_by_hand() -> None:
    """Errors of 1 and 3 in bins of 40: the mean square is 5, and each bin has 10 environments of that beside its own.

    So the factors are sqrt((40 * 1 / 5 + 10) / 50) = 0.6 and sqrt((40 * 9 / 5 + 10) / 50) = 1.2806; of 30 environments
    the second gets 30 * 1.2806 / 1.8806 = 20.4.
    """
    found = with_error(ranking(40, 40), np.repeat([1.0, 3.0], 40))
    assert found.error is not None
    np.testing.assert_allclose(found.error, [np.sqrt(18 / 50), np.sqrt(82 / 50)])
    alike = Shares(0.5, 0.5)
    chosen = heads(found, np.ones(80, dtype=bool), 30, alike)
    assert np.bincount(found.bin[chosen], minlength=2).tolist() == [10, 20]
    without = heads(ranking(40, 40), np.ones(80, dtype=bool), 30, alike)
    assert np.bincount(found.bin[without], minlength=2).tolist() == [15, 15]
    assert chosen[:10].all()  # the first of each bin
    assert chosen[40:60].all()


def test_size_counts_as_well() -> None:
    """Four times as many environments, half the error: (1/2) * 4^size; at an exponent of 1/2 the shares are equal."""
    found = replace(ranking(40, 10), error=np.array([1.0, 2.0]))
    assert found.weights(Shares(0.5, 0.0), found.sizes, np.ones(2)).tolist() == [np.sqrt(40), 2 * np.sqrt(10)]
    chosen = heads(found, np.ones(50, dtype=bool), 10, Shares(0.5, 0.0))
    assert np.bincount(found.bin[chosen], minlength=2).tolist() == [5, 5]


def test_one_wrong_label_does_not_draw_the_budget() -> None:
    error = np.ones(1000)
    error[0] = 1e6
    found = with_error(ranking(500, 500), error)
    assert found.error is not None
    np.testing.assert_allclose(found.error, 1.0, atol=1e-6)


def test_a_bin_without_known_errors_has_the_usual_share() -> None:
    found = with_error(ranking(40, 40, 5), np.concatenate([np.repeat([1.0, 3.0], 40), np.full(5, np.nan)]))
    assert found.error is not None
    assert found.error[2] == pytest.approx(1.0)


def test_no_error_at_all_changes_nothing() -> None:
    assert with_error(ranking(4, 4), np.zeros(8)).error.tolist() == [1.0, 1.0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (ranking(8), np.ones(8), "parts of clusters"),
        (ranking(4, 4), np.full(8, np.nan), "with 0 known"),
        (ranking(4, 4), np.ones(7), r"shape \(7,\)"),
    ],
)
def test_what_cannot_be(made: Ranking, error: np.ndarray, message: str) -> None:
    with pytest.raises(MEAGraphError, match=message):
        with_error(made, error)


def test_a_plan_by_error_keeps_more_of_what_the_model_gets_wrong(finished: Finished) -> None:
    found = finished.analysis
    fcc = found.dataset.groups[found.dataset.structure_of] == "fcc"
    assert 0 < fcc.sum() < len(fcc)
    structures = list(found.dataset.structures)
    for atoms, forces in zip(structures, np.split(found.dataset.forces, found.dataset.offsets[1:-1]), strict=True):
        wrong = 1.0 if atoms.info.get("config_type") == "fcc" else 0.05
        atoms.arrays["ML_forces"] = forces + np.array([wrong, 0.0, 0.0])
    errors = mg.errors_of(found, other=mg.from_atoms(structures, forces_key="ML_forces", allow_unlabelled=True))
    usual = mg.prune(found, keep=0.3, alpha=0.75)
    plan = mg.prune(found, keep=0.3, alpha=0.75, errors=errors)
    assert plan.keep[fcc].sum() > usual.keep[fcc].sum()
    assert plan.n_environments == usual.n_environments
    assert (plan.keep == mg.prune(found, keep=0.3, alpha=0.75, errors=errors).keep).all()
    assert "multiplied by the error of structures" in plan.reasons[-1]
    assert plan.config.by_error == "structures"
    assert plan.by == "alpha 0.75"
    with pytest.raises(MEAGraphError, match="expect predictions, but none came"):
        mg.prune(found, by_error="ML_")


def test_the_command_needs_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "nb.extxyz"
    structures = niobium_structures(6, 4)
    write(source, structures)
    assert main(["run", str(source), "--out", str(tmp_path / "out"), "--by-error", "MACE_"]) == 1
    error = capsys.readouterr().err
    assert "expected labels of a family 'MACE_'" in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("own_cache")
def test_the_manifest_says_by_whose_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "nb.extxyz"
    structures = niobium_structures(6, 4)
    for atoms in structures:
        atoms.arrays["ML_forces"] = atoms.get_forces() + (1.0 if len(atoms) == 8 else 0.1)
    write(source, structures)
    arguments = ["--by-error", "ML_", "--keep", "0.4", "--epochs", "1", "--alpha", "0.75"]
    assert main(["run", str(source), "--out", str(tmp_path / "out"), *arguments]) == 0
    assert "multiplied by the error of ML_" in capsys.readouterr().out
    (manifest,) = (tmp_path / "out").glob("*.json")
    content = json.loads(manifest.read_text())
    assert content["pruning"]["by_error"] == "ML_"
