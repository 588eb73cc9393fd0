"""A model's errors: a wrong label stands out among smooth ones; a large error in a thin region does not."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.errors import MEAGraphError
from meagraph.outliers import Outliers, joined, prediction_signals
from meagraph.outliers.signals import ALARM, Signal
from tests.support.structures import labelled

DENSE, THIN, ATOMS = 120, 6, 8
WRONG = 50


def made() -> tuple[AtomicDataset, np.ndarray, np.ndarray]:
    """Structures of eight atoms, 120 along a line and 6 scattered far from it; errors rise smoothly along the line.

    Returned are the dataset, descriptors (N, 3), and the usual size of an error (S,): 0.05 to 0.1 eV/Å on the line,
    1 eV/Å far from it.
    """
    rng = np.random.default_rng(0)
    count = DENSE + THIN
    data = from_atoms([labelled(Atoms(f"Nb{ATOMS}", rng.normal(size=(ATOMS, 3)) * 5), "x") for _ in range(count)])
    place = np.zeros((count, 3))
    place[:DENSE, 0] = np.linspace(0.0, 1.0, DENSE)
    place[DENSE:] = [[3, 0, 2], [0, 4, 0], [5, 5, 1], [0, -3, 4], [-4, 1, 0], [2, -5, -3]]
    points = np.repeat(place, ATOMS, axis=0) + rng.normal(scale=0.02, size=(count * ATOMS, 3))
    usual = np.concatenate([0.05 * (1.0 + place[:DENSE, 0]), np.ones(THIN)])
    return data, points / np.linalg.norm(points, axis=0), usual


def errors(usual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors of energies in eV/atom and lengths of those of forces in eV/Å, of these usual sizes."""
    rng = np.random.default_rng(1)
    force = np.linalg.norm(rng.normal(size=(len(usual) * ATOMS, 3)), axis=1) * np.repeat(usual, ATOMS) / np.sqrt(3)
    return rng.normal(size=len(usual)) * usual * 0.05 + 0.02, force


def of_structures(signal: Signal) -> np.ndarray:
    return signal.rarity.reshape(-1, ATOMS).max(axis=1)


def test_smooth_errors_raise_no_alarm_though_they_are_large_where_data_is_thin() -> None:
    data, points, usual = made()
    energy, force = errors(usual)
    assert np.median(force[DENSE * ATOMS :]) > 8 * np.median(force[: DENSE * ATOMS])
    for signal in prediction_signals(points, data, energy, force):
        assert of_structures(signal).max() < ALARM, signal.name


def test_wrong_forces_come_first() -> None:
    data, points, usual = made()
    energy, force = errors(usual)
    rows = data.rows_of(WRONG)
    force[rows] = np.linalg.norm(np.random.default_rng(2).normal(size=(ATOMS, 3)), axis=1) * 0.8
    assert force[rows].mean() < force[DENSE * ATOMS :].mean() * 1.5  # among all errors it is none of the largest
    signals = {one.name: one for one in prediction_signals(points, data, energy, force)}
    rarity = of_structures(signals["errors of the forces"])
    assert rarity.argmax() == WRONG
    assert rarity[WRONG] > ALARM
    assert np.delete(rarity, WRONG).max() < ALARM
    assert of_structures(signals["error of the energy"])[WRONG] < ALARM


def test_a_wrong_energy_comes_first_and_what_is_common_to_all_is_no_sign() -> None:
    data, points, usual = made()
    energy, force = errors(usual)
    energy[WRONG] += 0.1
    (signal,) = (one for one in prediction_signals(points, data, energy + 3.0, force) if "energy" in one.name)
    rarity = of_structures(signal)
    assert rarity.argmax() == WRONG
    assert rarity[WRONG] > ALARM
    assert signal.value[WRONG * ATOMS] == pytest.approx(0.1, abs=0.01)


def test_one_wrong_force_of_a_structure() -> None:
    data, points, usual = made()
    energy, force = errors(usual)
    row = WRONG * ATOMS + 3
    force[row] = 3.0
    (signal,) = (one for one in prediction_signals(points, data, energy, force) if one.name == "error of the force")
    assert signal.rarity.argmax() == row
    assert signal.rarity[row] > ALARM


def test_what_is_not_known_gives_no_signal() -> None:
    data, points, usual = made()
    energy, force = errors(usual)
    nothing = np.full_like
    assert [one.name for one in prediction_signals(points, data, nothing(energy, np.nan), force)] == [
        "error of the force",
        "errors of the forces",
    ]
    assert prediction_signals(points, data, nothing(energy, np.nan), nothing(force, np.nan)) == []
    force[: ATOMS * 3] = np.nan
    found = prediction_signals(points, data, energy, force)
    assert all(np.isfinite(one.rarity).all() for one in found)
    assert (found[1].rarity[: ATOMS * 3] == 0.0).all()
    with pytest.raises(MEAGraphError, match="Expected errors of 126 energies"):
        prediction_signals(points, data, energy, force[1:])


def test_scores_are_joined() -> None:
    """By hand: in a cluster the larger counts; in none a quarter of what is missing to 1 is added below the alarm."""
    unclustered = np.array([False, False, True, True])
    before = Outliers(np.array([0.2, 1.5, 0.25 + 0.75 * 0.4, 0.25]), unclustered, ())
    rarity = ALARM * np.array([0.5, 0.5, 0.6, 2.0])
    signal = Signal("error of the force", rarity, rarity, rarity, "off by {value:.1f}")
    found = joined(before, [signal])
    np.testing.assert_allclose(found.score, [0.5, 1.5, 0.6 + 0.25 * 0.4, 2.0])
    assert found.reasons(3) == ["off by 14.0", "in no cluster (noise or singleton)"]
    assert joined(before, []) is before
