"""The tab Data by its public names: findings, their structures, histograms, before and with a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.descriptors import Descriptors
from meagraph.errors import Cancelled
from meagraph.inspection.findings import examine_labels
from meaviz.common import Shared
from meaviz.jobs import examiner
from meaviz.jobs.examiner import Examiner
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.views.data.view import DataView
from meaviz.views.histograms import HistogramsView
from meaviz.views.table import TableView
from tests.support.made_up import session_of
from tests.support.structures import labelled, niobium_structures


class AtOnceRunner:
    """Runs each job where it is started, or holds it until the test says so."""

    hold = False

    def __init__(self, on_progress: object, turn: object) -> None:
        self.busy, self.work = False, None

    def start(self, work, on_done, on_failed) -> None:
        self.busy, self.work = True, (work, on_done, on_failed)
        if not self.hold:
            self.finish()

    def finish(self) -> None:
        work, on_done, _ = self.work
        result = work(lambda done, total, message: None)
        self.busy = False
        on_done(result)

    def cancel(self) -> None:
        if self.busy:
            self.busy = False
            self.work[2](str(Cancelled()))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(examiner, "JobRunner", AtOnceRunner)
    monkeypatch.setattr(AtOnceRunner, "hold", False)
    ours = Shared()  # what earlier tests found is not known
    monkeypatch.setattr(examiner, "shared", lambda: ours)


def dataset(shift: float = 0.0) -> AtomicDataset:
    structures = niobium_structures()
    structures[3].calc.results["forces"] = structures[3].calc.results["forces"] + [0, 0, 0.1 + shift]
    return from_atoms(structures)


def opened() -> tuple[Session, DataView]:
    session = Session()
    view = DataView(session, Workflow(session))
    session.set_dataset(dataset())
    return session, view


def test_findings_are_there_as_soon_as_the_dataset_is() -> None:
    session, view = opened()
    assert session.data.findings is not None
    assert session.data.findings.complete
    assert [row["mark"] for row in view.list.rows] == ["warning", "warning"]
    assert view.list.rows[0]["text"] == session.data.findings.found[0].text
    assert "2 warnings" in view.count.object
    assert "Nb–Nb" in str(view.pairs.object)
    session.set_dataset(from_atoms(niobium_structures()))
    assert len(view.list.rows) == 1  # of the new dataset


def test_a_finding_lists_its_structures_and_shows_one_after_the_other() -> None:
    session, view = opened()
    keys = [one.key for one in session.data.findings.found]
    view.choose(keys.index("net-force"))
    assert view.structures == (3,)
    assert session.selection.inspected == session.data.dataset.offsets[3]
    assert session.selection.asked == "structure"
    assert "add up to zero" in str(view.about.object)
    view.choose(keys.index("duplicates"))
    assert view.structures == (6,)
    assert view.listed.current == 6
    view.step(1)
    assert session.selection.inspected == session.data.dataset.offsets[6]


def test_where_there_is_a_map_all_environments_are_selected() -> None:
    session = session_of(2000, 20)
    forces = session.data.dataset.forces
    view = DataView(session, Workflow(session))
    keys = [one.key for one in session.data.findings.found]
    view.choose(keys.index("net-force"))
    data = session.data.dataset
    net = np.linalg.norm(np.add.reduceat(forces, data.offsets[:-1], axis=0), axis=1)
    assert session.selection.mask.tolist() == (net > 0.02)[data.structure_of].tolist()
    assert view.structures[0] == net.argmax()
    view.step(1)
    assert data.structure_of[session.selection.inspected] == view.structures[1]


def test_atoms_that_matter_are_shown_as_environments() -> None:
    structures = niobium_structures()
    structures[2].positions[5] = structures[2].positions[4] + [1.2, 0, 0]
    structures[2] = labelled(structures[2], "bcc")
    session = Session()
    view = DataView(session, Workflow(session))
    session.set_dataset(from_atoms(structures))
    view.choose([one.key for one in session.data.findings.found].index("short-distance"))
    assert session.selection.asked == "environment"
    assert session.selection.inspected in (2 * 16 + 4, 2 * 16 + 5)


def test_a_brush_lists_structures_before_there_is_a_map() -> None:
    session, view = opened()
    view.part.value = "Histograms"
    (one,) = [one for one in session.data.findings.distributions if one.key == "n_atoms"]
    view.shown.value = ["n_atoms"]
    view.brush(one, 7.5, 8.5, "replace")
    assert view.structures == (7, 8, 9, 10)
    assert session.selection.mask is None


def test_labels_come_first_and_the_rest_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AtOnceRunner, "hold", True)
    session, view = opened()
    work = view.examiner.runner
    assert session.activity.examining[1]
    view.examiner.first = examine_labels(session.data.dataset)
    view.examiner.report(0.3, "findings: neighbours")
    assert not session.data.findings.complete
    assert len(view.list.rows) == 2
    assert "30%" in view.count.object
    view.examiner.cancel()
    assert session.activity.not_examined == "Stopped."
    assert session.activity.examining == (0.0, "")
    assert len(view.list.rows) == 2
    view.examiner.look()
    work.finish()
    assert session.data.findings.complete
    assert session.activity.not_examined == ""


def test_another_dataset_is_looked_at_once_the_first_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AtOnceRunner, "hold", True)
    session, view = opened()
    session.set_dataset(dataset(1.0))
    assert view.examiner.at_work_on is session.data.dataset
    view.examiner.runner.finish()
    assert session.data.findings.complete
    assert session.activity.not_examined == ""


def test_sessions_share_what_was_found() -> None:
    first, second = Session(), Session()
    data = dataset(0.5)
    for session in (first, second):
        session.set_dataset(data)
        Examiner(session)
    assert first.data.findings is second.data.findings is not None


def test_table_and_histograms_need_no_map() -> None:
    session = Session()
    table, histograms = TableView(session, Workflow(session)), HistogramsView(session, Workflow(session))
    session.set_dataset(dataset())
    assert "Force / eV/Å" in table.grid.value.columns
    assert "Cluster" not in table.grid.value.columns
    assert len(table.grid.value) == 50
    assert set(histograms.choice.value) == {"energy", "force"}


def test_what_is_in_3d_stays_when_descriptors_come() -> None:
    session, view = opened()
    view.choose(0)
    row = session.selection.inspected
    session.set_descriptors(Descriptors(np.zeros((session.data.dataset.n_environments, 2), np.float32), "array"))
    assert session.selection.inspected == row
    session.set_dataset(None)
    assert session.selection.inspected == -1
    assert session.data.findings is None


def test_an_empty_page_says_what_to_do() -> None:
    session = Session()
    view = DataView(session, Workflow(session))
    assert view.empty.visible
    assert not view.filled.visible
    assert view.list.rows == []
