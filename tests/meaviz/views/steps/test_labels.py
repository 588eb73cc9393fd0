"""The dialog of names: what it asks for is how the files are read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.views.steps.labels import UNREAD, LabelNames
from tests.support.jobs import AtOnce

DUMP = """ITEM: TIMESTEP
{step}
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
0 9
0 9
0 9
ITEM: ATOMS id type x y z fx fy fz
1 1 0 0 0 0.1 0 0
2 2 2.5 0 {step} -0.1 0 0
"""


def test_elements_and_units_are_given_where_the_file_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    path = tmp_path / "md.lammpstrj"
    path.write_text("".join(DUMP.format(step=step) for step in range(3)))
    session = Session(author="Ana")
    workflow = Workflow(session, AtOnce(session))
    asked: list[tuple[tuple[str, ...], dict[str, object]]] = []
    names = LabelNames(session, workflow)
    workflow.open([path])
    assert "--elements" in session.activity.problem[1]
    assert session.data.dataset is None
    names.start()
    assert UNREAD in names.table.object
    monkeypatch.setattr(workflow, "open", lambda paths, **reading: asked.append((tuple(paths), reading)))
    names.elements.value_input = "Cu, Ag"
    names.units.value = "real"
    names.unlabelled.value = True
    names.read_again()
    assert asked == [((str(path),), {"elements": "Cu, Ag", "units": "real", "allow_unlabelled": True})]
