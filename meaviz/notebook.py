"""Structures, environments and clusters as nglview widgets for notebooks, with the colours of the app.

Each widget starts two threads of nglview that sleep until Python ends, and needs one of the 16 WebGL contexts that
browsers keep alive: show a few at a time.
"""

from __future__ import annotations

from typing import Any

import ase
import ipywidgets
import nglview
import numpy as np
from markupsafe import escape
from nglview.color import _ColorScheme
from numpy.typing import NDArray

from meagraph.cache import content_key
from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.latent.exemplars import exemplars
from meagraph.pipeline.analysis import Analysis
from meaviz.components.viewer.scene import build_scene
from meaviz.embedded import App
from meaviz.style.palette import Colouring, rgb24
from meaviz.views.shared.colours import colouring

__all__ = ["App", "colours", "show_cluster", "show_environment", "show_structure"]

DIM = 0.22  # opacity outside an environment, as in the app
SIZE = ("420px", "320px")


def colours(found: Analysis, name: str) -> Colouring:
    """Colour all N environments of an analysis or a run as the app does, by one of its ``properties``.

    Raises MEAGraphError for a name that is none.
    """
    if name not in found.properties:
        raise MEAGraphError(f"Unknown colouring {name!r}; choose from {', '.join(found.properties)}.")
    return colouring(found.properties[name])


def show_structure(
    dataset: AtomicDataset,
    structure: int,
    *,
    colours: Colouring | None = None,
    repeats: tuple[int, int, int] = (1, 1, 1),
    representation: str = "ball+stick",
) -> nglview.NGLWidget:
    """Show a whole structure with its cell.

    Args:
        dataset: with S structures.
        structure: number of the structure, from 0.
        colours: of all N environments; None gives the elements' colours.
        repeats: cells along a, b and c.
        representation: one of NGL's: ball+stick, spacefill, licorice, point.

    Raises:
        MEAGraphError: no such structure.
    """
    if not 0 <= structure < dataset.n_structures:
        raise MEAGraphError(f"Expected a structure from 0 to {dataset.n_structures - 1}, but came {structure}.")
    atoms = dataset.structures[structure]
    scene = build_scene(atoms, colors=_of_structure(dataset, structure, colours), repeats=repeats)
    return _widget(atoms, scene, representation)


def show_environment(
    dataset: AtomicDataset,
    row: int,
    *,
    cutoff: float = 5.0,
    colours: Colouring | None = None,
    representation: str = "ball+stick",
) -> nglview.NGLWidget:
    """Show an atom with its neighbours within ``cutoff`` Å, periodic images included, the rest dimmed.

    Args:
        dataset: with N environments.
        row: number of the environment, from 0.
        cutoff: in Å; the descriptor's is a good one.
        colours: as in :func:`show_structure`, and so is ``representation``.
        representation: what nglview draws atoms as.

    Raises:
        MEAGraphError: no such environment, or a cutoff that is not positive.
    """
    if not 0 <= row < dataset.n_environments:
        raise MEAGraphError(f"Expected an environment from 0 to {dataset.n_environments - 1}, but came {row}.")
    structure = int(dataset.structure_of[row])
    atoms, atom = dataset.structures[structure], int(dataset.atom_of[row])
    scene = build_scene(atoms, colors=_of_structure(dataset, structure, colours), focus=atom, cutoff=cutoff)
    return _widget(atoms, scene, representation)


def show_cluster(
    found: Analysis,
    label: int,
    *,
    kind: str = "central",
    count: int = 3,
    seed: int = 0,
    colours: Colouring | None = None,
) -> ipywidgets.Box:
    """Show members of a cluster side by side, each a widget of :func:`show_environment` under its title.

    Args:
        found: an analysis, of :func:`meagraph.analyse` or :func:`meagraph.run`.
        label: of the cluster, from 0 by falling size; -1 for what is in none.
        kind: ``central``, ``edge`` or ``random``.
        count: of members.
        seed: of the random ones.
        colours: as in :func:`show_structure`.

    Raises:
        MEAGraphError: no such cluster or kind.
    """
    if kind not in ("central", "edge", "random"):
        raise MEAGraphError(f"Unknown kind {kind!r}; choose from central, edge, random.")
    survey, dataset = found.survey, found.dataset
    members = exemplars(
        survey.clusters, found.learned.condensed, survey.embedding.values, label, count=count, seed=seed
    )
    boxes = []
    for row in getattr(members, kind).tolist():
        view = show_environment(dataset, row, cutoff=found.descriptors.cutoff, colours=colours)
        cluster = f"cluster {label}" if label >= 0 else "in no cluster"
        title = f"{cluster}, {kind}: environment {row}, {dataset.groups[dataset.structure_of[row]]}"
        boxes.append(ipywidgets.VBox([ipywidgets.HTML(str(escape(title))), view]))  # a Label would look for formulas
    return ipywidgets.Box(boxes, layout=ipywidgets.Layout(flex_flow="row wrap"))


def _of_structure(dataset: AtomicDataset, structure: int, colours: Colouring | None) -> NDArray[np.uint32] | None:
    if colours is None:
        return None
    if len(colours.rgba) != dataset.n_environments:
        raise MEAGraphError(
            f"Expected colours of the dataset's {dataset.n_environments} environments, got {len(colours.rgba)}."
        )
    return rgb24(colours.rgba[dataset.offsets[structure] : dataset.offsets[structure + 1]])


def _widget(atoms: ase.Atoms, scene: dict[str, Any], representation: str) -> nglview.NGLWidget:
    """A widget that shows a scene of :func:`build_scene`."""
    symbols = np.asarray(scene["symbols"])[scene["kinds"]]
    drawn = ase.Atoms(symbols, scene["positions"].reshape(-1, 3), cell=atoms.cell, pbc=atoms.pbc)
    view = nglview.NGLWidget(nglview.ASEStructure(drawn), default_representation=False)
    view.layout.width, view.layout.height = SIZE
    near = scene["near"] if len(scene["near"]) else np.arange(len(drawn))
    for members, opacity in ((near, 1.0), (np.setdiff1d(np.arange(len(drawn)), near), DIM)):
        if len(members):
            chosen = _selection(members)
            view.add_representation(
                representation, selection=chosen, color=_scheme(scene["colors"], members), opacity=opacity
            )
    if scene["cell"] is not None:
        view.add_unitcell()
    view.center(selection=_selection(near))
    return view


def _scheme(colors: NDArray[np.uint32], members: NDArray[np.integer]) -> _ColorScheme:
    """The colours of drawn atoms in nglview's terms; one representation a colour would cut the bonds between them."""
    values, codes = np.unique(colors[members], return_inverse=True)
    parts = [[f"#{value:06x}", _selection(members[codes == code])] for code, value in enumerate(values.tolist())]
    return _ColorScheme(parts, content_key({"colours": parts}))


def _selection(members: NDArray[np.integer]) -> str:
    """NGL's way to name atoms."""
    return "@" + ",".join(map(str, members.tolist()))
