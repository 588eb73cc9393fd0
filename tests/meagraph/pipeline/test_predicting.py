"""Predictions beside an analysis: labels that may be wrong, thin regions, what is known, and the command that tells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io import write

import meagraph as mg
from meagraph.cli import main
from meagraph.errors import MEAGraphError
from meagraph.outliers.signals import ALARM
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.predicting import suspect, thin_regions
from meagraph.predictions import Errors, compare_labels
from meagraph.predictions.reading import Predicted
from tests.support.finished import Finished

WRONG = 2


def predictions(found: Analysis, *, wrong: float = 0.0) -> Predicted:
    """Forces that are off by 0.05 eV/Å or so, by ``wrong`` more in one structure; energies are right."""
    data = found.dataset
    forces = data.forces + np.random.default_rng(0).normal(scale=0.03, size=data.forces.shape)
    forces[data.rows_of(WRONG)] += wrong
    return Predicted("ML_", data.energy, forces, np.full((data.n_structures, 3, 3), np.nan), "made")


def errors(found: Analysis, *, wrong: float = 0.0) -> Errors:
    return compare_labels(found.dataset, predictions(found, wrong=wrong))


def test_a_wrong_label_is_the_strongest_of_its_signal(finished: Finished) -> None:
    found = finished.analysis
    before, after = found.survey.outliers, suspect(found, errors(found, wrong=3.0))
    assert len(after.signals) == len(before.signals) + 3
    assert (after.score >= before.score - 1e-12).all()
    (signal,) = (one for one in after.signals if one.name == "errors of the forces")
    first = found.dataset.offsets[:-1]
    assert np.maximum.reduceat(signal.rarity, first).argmax() == WRONG
    assert np.maximum.reduceat(suspect(found, errors(found)).signals[-2].rarity, first)[WRONG] < ALARM / 2


def test_errors_on_other_labels_are_refused(finished: Finished) -> None:
    found = finished.analysis
    other = replace(found.dataset, energy=found.dataset.energy + 1.0)
    with pytest.raises(MEAGraphError, match="whose structures or labels differ"):
        suspect(found, replace(errors(found), dataset=other))


def test_without_known_data_what_is_far_from_all_is_novel(finished: Finished) -> None:
    found = finished.analysis
    (isolation,) = (one for one in found.survey.outliers.signals if one.name == "isolation")
    made = predictions(found)
    grown = replace(made, forces=found.dataset.forces + 0.1 * isolation.value[:, None])
    thin = thin_regions(found, compare_labels(found.dataset, grown))
    assert thin.correlation == pytest.approx(1.0, abs=1e-4)  # equal distances, but for rounding
    assert thin.environments == int((found.dataset.sizes[found.dataset.structure_of] > 1).sum())


def test_what_is_known_is_no_test(finished: Finished) -> None:
    """The bcc structures are known; what is off on them counts for nothing. What is new errs as far as it is new."""
    data = finished.analysis.dataset
    known = data.groups == "bcc"
    sources = (*data.sources, *(replace(source, known=True) for source in data.sources))
    marked = replace(data, sources=sources, source_index=data.source_index + known * np.int32(len(data.sources)))
    found = replace(finished.analysis, dataset=marked)
    assert found.novelty is not None
    structures = list(data.structures)
    grown = data.forces + (found.novelty.value.astype(float) + 9.0 * known[data.structure_of])[:, None]
    for row, atoms in enumerate(structures):
        atoms.calc.results["forces"] = grown[data.rows_of(row)]
    compared = mg.errors_of(found, other=mg.from_atoms(structures))
    assert np.isnan(compared.force[marked.known_environments]).all()
    assert np.isnan(compared.energy[known]).all()
    new = found.novelty.value[~marked.known_environments & (data.sizes[data.structure_of] > 1)]
    np.testing.assert_allclose(
        np.sort(compared.force[np.isfinite(compared.force)]), np.sqrt(3) * np.sort(new), rtol=1e-5
    )
    assert thin_regions(found, compared).environments == len(new)


def test_the_command_answers(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = finished.analysis
    made = predictions(found, wrong=50.0)
    structures = list(found.dataset.structures)
    for row, atoms in enumerate(structures):
        atoms.calc = None
        atoms.arrays["forces"] = made.forces[found.dataset.rows_of(row)]
        atoms.info["energy"] = float(made.energy[row])
    write(tmp_path / "predicted.extxyz", structures)

    def analysed(*_: Any, **__: Any) -> Analysis:
        return found

    monkeypatch.setattr("meagraph.pipeline.analysis.analyse", analysed)
    monkeypatch.setattr("meagraph.outliers.ALARM", 1.0)  # among a dozen structures none is rarer than one in a dozen
    command = ["errors", str(finished.path), "--predicted-file", str(tmp_path / "predicted.extxyz"), "--by-clusters"]
    assert main([*command, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["novelty"]["environments"] > 50
    assert figures["suspects"][0]["structure"] == WRONG
    assert figures["suspects"][0]["score"] >= 1.0
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "error where the data is thin? " in printed
    assert f"frame {figures['suspects'][0]['frame']}: the model is " in printed
