"""Widgets for notebooks: what they would draw, without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import nglview
import numpy as np
import pytest

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.pipeline import analysis as pipeline
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.run import Run
from meaviz import notebook
from meaviz.style.palette import Colouring, rgb24
from tests.support import ROOT

DOCUMENT = ROOT / "docs" / "notebook.md"


def atom_lines(view: nglview.NGLWidget) -> list[str]:
    """The atoms of the structure that the widget sends."""
    text = next(message["args"][0]["data"] for message in view._ngl_msg_archive if message["methodName"] == "loadFile")
    return [line for line in text.splitlines() if line.startswith(("ATOM", "HETATM"))]


def layers(view: nglview.NGLWidget) -> list[dict[str, Any]]:
    """What is drawn: kind, atoms, opacity, and the colour of each atom."""
    found = []
    for message in view._ngl_msg_archive:
        if message["methodName"] == "addRepresentation" and message["args"][0] != "unitcell":
            kwargs = message["kwargs"]
            colors = {int(atom): color for color, atoms in kwargs["color"] for atom in atoms.lstrip("@").split(",")}
            members = [int(atom) for atom in kwargs["sele"].lstrip("@").split(",")]
            found.append({"kind": message["args"][0], "atoms": members, "opacity": kwargs["opacity"], "colors": colors})
    return found


def test_a_structure_has_all_atoms_its_cell_and_the_colours(niobium: AtomicDataset) -> None:
    groups, codes = np.unique(niobium.groups, return_inverse=True)
    colours = Colouring.categorical(codes[niobium.structure_of], groups.tolist())
    view = notebook.show_structure(niobium, 1, colours=colours, repeats=(2, 1, 1))
    assert isinstance(view, nglview.NGLWidget)
    assert len(atom_lines(view)) == 32
    assert any(message["args"][:1] == ["unitcell"] for message in view._ngl_msg_archive)
    (layer,) = layers(view)
    assert layer["atoms"] == list(range(32))
    wanted = rgb24(colours.rgba[niobium.offsets[1] : niobium.offsets[2]])
    assert [int(layer["colors"][atom].lstrip("#"), 16) for atom in range(32)] == [*wanted, *wanted]
    view.close()


def test_an_environment_stands_out_with_its_periodic_images(niobium: AtomicDataset) -> None:
    row = int(niobium.offsets[2] + 5)
    view = notebook.show_environment(niobium, row, cutoff=3.5)
    near, far = layers(view)
    atoms = niobium.structures[2]
    count = sum(
        np.linalg.norm(atoms.positions + np.array(shift) @ atoms.cell.array - atoms.positions[5], axis=1) <= 3.5
        for shift in np.ndindex(3, 3, 3)
        for shift in [np.array(shift) - 1]
    ).sum()
    assert len(near["atoms"]) == count > 8
    assert (near["opacity"], far["opacity"]) == (1.0, notebook.DIM)
    assert sorted(near["atoms"] + far["atoms"]) == list(range(len(atom_lines(view))))
    assert set(near["colors"].values()) == {"#73c2c9"}  # Jmol's niobium
    view.close()


def test_what_cannot_be_shown_is_named(niobium: AtomicDataset) -> None:
    with pytest.raises(MEAGraphError, match="0 to 11, but came 12"):
        notebook.show_structure(niobium, 12)
    with pytest.raises(MEAGraphError, match="0 to 144, but came -1"):
        notebook.show_environment(niobium, -1)
    with pytest.raises(MEAGraphError, match="145 environments, got 3"):
        notebook.show_structure(niobium, 0, colours=Colouring.categorical(np.zeros(3, int), ["one"]))


def test_the_example_of_the_documentation_runs(
    niobium: AtomicDataset, ready_run: Callable[[AtomicDataset], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ready(path: str) -> Analysis:
        assert path == "train.extxyz"
        run = ready_run(niobium)
        return Analysis(run.dataset, run.descriptors, run.learned, run.survey)

    monkeypatch.setattr(pipeline, "analyse", ready)
    (example, *_) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, str(DOCUMENT), "exec"), names)
    result, by_cluster = names["found"], names["by_cluster"]
    (layer,) = layers(names["structure"])
    start = result.dataset.offsets[3]
    assert layer["colors"][0] == f"#{rgb24(by_cluster.rgba[[start]])[0]:06x}"
    assert len(names["members"].children) == 3
    for box in names["members"].children:
        label, view = box.children
        row = int(re.search(r"environment (\d+)", label.value)[1])
        assert result.survey.clusters.labels[row] == 0
        assert len(atom_lines(view)) >= len(result.dataset.structures[result.dataset.structure_of[row]])
    with pytest.raises(MEAGraphError, match=r"choose from .*cluster"):
        notebook.colours(result, "taste")
    with pytest.raises(MEAGraphError, match="central, edge, random"):
        notebook.show_cluster(result, 0, kind="pretty")
