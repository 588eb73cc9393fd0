"""The app beside the code of a notebook, before a page is open."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest

import meagraph as mg
from meagraph.errors import MEAGraphError
from meaviz.notebook import App
from tests.support.finished import Finished


@pytest.fixture
def app(known: Finished, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Iterator[App]:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))
    app = App(known.analysis, port=0)
    yield app
    app.close()


def test_it_is_served_to_this_machine_and_shown_in_a_frame(app: App) -> None:
    with urllib.request.urlopen(app.url, timeout=60) as answer:
        assert b"MEAViz" in answer.read()
    assert f'<iframe src="{app.url}"' in app._repr_html_()
    assert app.url in repr(app)


def test_what_is_set_before_there_is_a_page(app: App, known: Finished) -> None:
    found = known.analysis
    assert len(app.selection) == len(app.flagged) == 0
    assert app.inspected == -1
    app.selection = "fmax > 0"
    np.testing.assert_array_equal(app.selection.mask, found.select("fmax > 0").mask)
    app.selection = found.dataset.structure_of == 3
    assert set(found.dataset.structure_of[app.selection.mask]) == {3}
    of_structures = np.arange(found.dataset.n_structures) == 2
    app.selection = of_structures
    np.testing.assert_array_equal(app.selection.whole, of_structures)
    app.selection = ~app.selection
    assert len(app.selection) == found.dataset.n_environments - int(found.dataset.sizes[2])
    app.inspected = 5
    assert app.inspected == 5
    assert app.plan is not None
    assert app.plan.keep.shape == (found.dataset.n_environments,)


def test_what_is_none_of_this_dataset(app: App, known: Finished) -> None:
    other = mg.from_atoms([known.analysis.dataset.structures[1]])
    app.selection = "fmax > 0"
    before = app.selection.mask
    with pytest.raises(MEAGraphError, match="selection of 'niobium'"):
        app.selection = mg.select(other, "n_atoms > 0")
    with pytest.raises(MEAGraphError, match="True or False"):
        app.selection = np.ones(3, dtype=bool)
    with pytest.raises(MEAGraphError):
        app.selection = "nothing > 5"
    with pytest.raises(MEAGraphError, match="or -1, but came 5000"):
        app.inspected = 5000
    np.testing.assert_array_equal(app.selection.mask, before)
    with pytest.raises(MEAGraphError, match="Take what"):
        App("train.extxyz")  # type: ignore[arg-type]
