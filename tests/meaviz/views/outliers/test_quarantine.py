"""What the inbox says of frames that cannot be used."""

from __future__ import annotations

from dataclasses import replace

from meagraph.datasets import AtomicDataset
from meagraph.datasets.dataset import Quarantined
from meaviz.session import Session
from meaviz.views.outliers.quarantine import SHOWN, Quarantine


def test_frames_in_quarantine_are_told_first_and_as_text(niobium: AtomicDataset) -> None:
    session = Session(author="Ana")
    view = Quarantine(session)
    assert not view.pane.visible
    bad = Quarantined("a.xyz", 3, 17, "a.xyz, frame 3 (counting from 0): <img src=q> is no energy.")
    session.set_dataset(replace(niobium, quarantined=(bad,)))
    assert view.pane.visible
    assert "1 frame in quarantine: cannot be used, never exported" in view.pane.object
    assert "Line 17: a.xyz, frame 3 (counting from 0): &lt;img src=q&gt; is no energy." in view.pane.object
    session.set_dataset(replace(niobium, quarantined=(bad,) * (SHOWN + 2)))
    assert "52 frames" in view.pane.object
    assert "and 2 more" in view.pane.object
    session.set_dataset(niobium)
    assert not view.pane.visible
