"""Predictions read beside all other work: what the files carry at once, other files as they are opened, refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from meagraph.datasets import read_dataset
from meaviz.jobs import predictions_job
from meaviz.jobs.predictions_job import PredictionsJob, answers, thinness
from meaviz.session import Session
from tests.support.beside import session_beside
from tests.support.jobs import RunsAtOnce, RunsWhenTold
from tests.support.made_up import session_of
from tests.support.predicted import errors_off
from tests.support.structures import niobium_structures


def with_families(structures: list[Atoms]) -> list[Atoms]:
    """The same with MACE_energy and MACE_forces 0.1 eV/atom and 0.2 eV/Å off, and GAP_energy 1 eV/atom off."""
    for atoms in structures:
        atoms.info["MACE_energy"] = atoms.calc.results["energy"] + 0.1 * len(atoms)
        atoms.info["GAP_energy"] = atoms.calc.results["energy"] + 1.0 * len(atoms)
        atoms.arrays["MACE_forces"] = atoms.calc.results["forces"] + np.array([0.2, 0.0, 0.0])
    return structures


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    write(tmp_path / "plain.extxyz", niobium_structures(3, 2))
    return tmp_path / "plain.extxyz"


def held_runners(monkeypatch: pytest.MonkeyPatch) -> list[RunsWhenTold]:
    """The runners that are made from now on; the first of a job reads."""
    made: list[RunsWhenTold] = []

    def make(report: Callable[[float, str], None], turn: object) -> RunsWhenTold:
        made.append(RunsWhenTold(report))
        return made[-1]

    monkeypatch.setattr(predictions_job, "JobRunner", make)
    return made


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions_job, "JobRunner", RunsAtOnce)


def opened(path: Path) -> tuple[Session, PredictionsJob]:
    session = Session()
    job = PredictionsJob(session)
    session.set_dataset(read_dataset(path))
    return session, job


def test_what_the_files_carry_is_taken_without_more_ado(tmp_path: Path) -> None:
    write(tmp_path / "all.extxyz", with_families(niobium_structures(3, 2)))
    session, job = opened(tmp_path / "all.extxyz")
    assert session.data.errors.predicted.name == "mace"
    assert session.data.errors.energy == pytest.approx(0.1)
    assert session.data.properties["force_error"].values[:16] == pytest.approx(0.2)
    job.take_family("gap")
    assert session.data.errors.energy == pytest.approx(1.0)
    assert "force_error" not in session.data.properties
    assert session.activity.not_predicted == ""


def test_another_file_is_matched_by_content(plain: Path, tmp_path: Path) -> None:
    session, job = opened(plain)
    assert session.data.errors is None
    others = niobium_structures(3, 2)[::-1]
    for atoms in others:
        atoms.calc.results["energy"] += 0.3 * len(atoms)
    write(tmp_path / "other.extxyz", others)
    job.open([tmp_path / "other.extxyz"])
    assert session.data.errors.energy == pytest.approx(0.3, abs=1e-6)
    assert session.data.errors.predicted.name == "other"
    assert session.activity.predicting == (0.0, "")


def test_what_cannot_be_used_changes_nothing_and_is_said(plain: Path, tmp_path: Path) -> None:
    """A file that is not there, other structures, no labels; other species are other structures."""
    session, job = opened(plain)
    good = niobium_structures(3, 2)
    good[0].calc.results["energy"] += 1.0
    write(tmp_path / "good.extxyz", good)
    job.open([tmp_path / "good.extxyz"])
    before = session.data.errors
    assert before is not None
    write(tmp_path / "strange.extxyz", niobium_structures(2, 1, seed=9)[:2])
    write(
        tmp_path / "bare.extxyz", [Atoms(a.numbers, a.positions, cell=a.cell, pbc=True) for a in niobium_structures()]
    )
    species = niobium_structures(3, 2)
    for atoms in species:
        atoms.numbers[:] = 73
    write(tmp_path / "tantalum.extxyz", species)
    for name, says in (
        ("missing.extxyz", "missing.extxyz"),
        ("strange.extxyz", "none of its 2 structures is one of them"),
        ("bare.extxyz", "nothing has both"),
        ("tantalum.extxyz", "structures is one of them"),
        ("plain.extxyz", "its labels are those of plain itself"),
    ):
        job.open([tmp_path / name])
        assert says in session.activity.not_predicted
        assert "\n" not in session.activity.not_predicted
        assert session.data.errors is before
    job.open([tmp_path / "good.extxyz"])
    assert session.activity.not_predicted == ""


def test_without_a_dataset_there_is_nothing_to_compare_with() -> None:
    session = Session()
    PredictionsJob(session).open(["x.extxyz"])
    assert session.activity.not_predicted == "Open a dataset first."


def test_what_was_asked_last_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is at work then is cancelled; so is what belongs to a dataset that is not shown any more."""
    write(tmp_path / "all.extxyz", with_families(niobium_structures(3, 2)))
    runners = held_runners(monkeypatch)
    session = Session()
    job = PredictionsJob(session)
    runner = runners[0]
    session.set_dataset(read_dataset(tmp_path / "all.extxyz"))
    job.take_family("gap")
    assert runner.cancelled
    runner.finish()
    assert session.data.errors is None
    runner.finish()
    assert session.data.errors.predicted.name == "gap"
    job.take_family("mace")
    session.set_dataset(session_of(200, 20).data.dataset)
    runner.finish()
    assert session.data.errors is None
    assert session.activity.not_predicted == ""
    assert not runner.busy


def test_to_cancel_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "all.extxyz", with_families(niobium_structures(3, 2)))
    runners = held_runners(monkeypatch)
    session = Session()
    job = PredictionsJob(session)
    session.set_dataset(read_dataset(tmp_path / "all.extxyz"))
    runners[0].finish()
    job.take_family("gap")
    assert session.activity.predicting[1]
    job.cancel()
    runners[0].finish()
    assert session.data.errors.predicted.name == "mace"
    assert session.activity.not_predicted == "Cancelled."
    assert session.activity.predicting == (0.0, "")


def test_thinness_is_the_novelty_beside_known_data_and_else_the_distance_to_other_structures() -> None:
    """Of a structure the environment counts that lies farthest; what is known is no part of it."""
    session = session_of(1200, 20)
    assert thinness(session) is None  # the made-up scores have no such signal
    found = session.data.survey.outliers
    distance = np.linspace(0.0, 2.0, 1200)
    signal = replace(found.signals[0], name="isolation", value=distance)
    session.data.survey = replace(session.data.survey, outliers=replace(found, signals=(signal,)))
    assert thinness(session) is distance
    job = PredictionsJob(session)
    session.set_errors(errors_off(session.data.dataset))
    assert set(session.data.thin) == {"energy", "forces"}
    assert session.data.thin["forces"].environments == 1200
    assert session.data.thin["energy"].environments == 60
    assert session.data.thin["energy"].novelty[-1] == pytest.approx(np.median(distance[19::20][-12:]))
    job.cancel()

    beside = session_beside(1200, 20)
    assert thinness(beside) is None  # until the novelty is known
    some = answers(errors_off(beside.data.dataset), distance)
    assert some["forces"].environments == (~beside.data.dataset.known_environments).sum()
