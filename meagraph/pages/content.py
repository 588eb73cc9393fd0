"""What a page shows, as numbers and texts that travel in it: points of the map, their properties, structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.cells import wrapped
from meagraph.display.cards import printable
from meagraph.display.palette import palette
from meagraph.errors import MEAGraphError
from meagraph.inspection.bonds import BOND_TOLERANCE, element_colors
from meagraph.inspection.property import Property
from meagraph.inspection.summaries import spans_decades
from meagraph.latent.clustering import Clusters
from meagraph.pages.packing import counted_up, packed, quantised
from meagraph.pages.sampling import Sample
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan

USUAL = (
    *("known", "group", "element", "phase", "score", "force", "energy", "fmax", "volume", "pressure", "novelty"),
    *("force_error", "energy_error", "stress_error"),
)
"""Properties that a page has where they are known, beside cluster and plan."""
MOST_NAMES = 2_000  # of the categories of a property; with more it is left out
PLAN = {  # what a plan says of an environment, as it is drawn from below to the top
    "left out": "#B0B5BA",
    "known already": "#6B7480",
    "in kept structures": "#56B4E9",
    "chosen": "#D55E00",
}


@dataclass(frozen=True, eq=False)
class Shot:
    """What a page is made of. N environments, S structures, C clusters."""

    dataset: AtomicDataset
    properties: Mapping[str, Property]
    clusters: Clusters
    names: Sequence[str]  # (C,)
    xy: NDArray[np.floating]  # (N, 2)
    sample: Sample
    held: NDArray[np.bool_]  # (S,) structures whose atoms are there
    central: NDArray[np.int64]  # (C + 1,) the most central environment of each cluster, -1 for none
    cutoff: float  # Å around an environment
    plan: PruningPlan | None = None


def page_data(shot: Shot, wanted: Sequence[str] = (), *, progress: Progress = silent) -> dict[str, Any]:
    """JSON-like; ``wanted`` are names of properties beside the usual ones.

    Raises MEAGraphError for one that is not there, or is no use on a page.
    """
    rows, data = shot.sample.rows, shot.dataset
    missing = [name for name in wanted if name not in shot.properties]
    if missing:
        raise MEAGraphError(
            f"There is no property {missing[0]!r}; there are: {', '.join(shot.properties)}. Name one of these."
        )
    columns = [_category(shot.properties["cluster"], rows, limit=None)]
    if shot.plan is not None:
        columns.append(_plan_column(shot.plan, data, rows))
    for name in dict.fromkeys((*USUAL, *wanted)):
        if name in shot.properties:
            made = _column(shot.properties[name], rows)
            if made is None and name in wanted:
                raise MEAGraphError(
                    f"The property {name!r} is of no use on a page: nothing is known, or too many names."
                )
            columns += [] if made is None else [made]
    structures, used = np.unique(data.structure_of[rows], return_inverse=True)
    place = np.full(data.n_environments, -1)
    place[rows] = np.arange(len(rows))
    return {
        "count": len(rows),
        "environments": data.n_environments,
        "whole": shot.sample.whole,
        "x": quantised(shot.xy[rows, 0]),
        "y": quantised(shot.xy[rows, 1]),
        "structure": counted_up(used),
        "atom": counted_up(data.atom_of[rows]),
        "columns": columns,
        "ramp": ramp(),
        "clusters": [int(place[row]) if row >= 0 else -1 for row in shot.central],
        "cutoff": shot.cutoff,
        **_structures(data, structures, shot.held[structures], progress),
    }


def ramp() -> list[str]:
    """Colours of numbers from low to high: viridis without the ends that are lost on black or white."""
    from matplotlib import colormaps  # here, for it takes half a second
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](step)).upper() for step in range(20, 251)]


def _column(of: Property, rows: NDArray[np.int64]) -> dict[str, Any] | None:
    return _category(of, rows, limit=MOST_NAMES) if of.kind == "category" else _number(of, rows)


def _category(of: Property, rows: NDArray[np.int64], *, limit: int | None) -> dict[str, Any] | None:
    if limit is not None and not 0 < len(of.names) <= limit:
        return None
    counts = np.bincount(of.values + 1, minlength=len(of.names) + 1)  # what has none comes first
    return {
        "name": of.name,
        "title": printable(of.title),
        "kind": "category",
        "names": ["none", *(printable(name) for name in of.titles or of.names)],
        "colours": ["#B0B5BA", *palette(len(of.names))],
        "counts": counts.tolist(),
        "codes": counted_up(of.values[rows] + 1),
    }


def _number(of: Property, rows: NDArray[np.int64]) -> dict[str, Any] | None:
    known = of.values[np.isfinite(of.values)]
    if not known.size:
        return None
    low, high = (float(end) for end in np.percentile(known, [1, 99]))
    log = spans_decades(known)
    if log:
        low = float(np.percentile(known[known > 0], 1))
    return {
        "name": of.name,
        "title": printable(of.title),
        "unit": printable(of.unit),
        "kind": "number",
        "low": low,
        "high": high,
        "log": log,
        "values": quantised(of.values[rows]),
    }


def _plan_column(plan: PruningPlan, data: AtomicDataset, rows: NDArray[np.int64]) -> dict[str, Any]:
    codes = np.where(plan.structures[data.structure_of], 2, 0)
    codes[data.known_environments] = 1
    codes[plan.keep] = 3
    return {
        "name": "plan",
        "title": "Plan",
        "kind": "category",
        "ordered": True,
        "names": list(PLAN),
        "colours": list(PLAN.values()),
        "counts": np.bincount(codes, minlength=len(PLAN)).tolist(),
        "codes": counted_up(codes[rows]),
    }


def _structures(
    data: AtomicDataset, structures: NDArray[np.int64], held: NDArray[np.bool_], progress: Progress
) -> dict[str, Any]:
    """Where drawn structures come from, and cells and atoms of those ``held``."""
    used, source = np.unique(data.source_index[structures], return_inverse=True)
    files = [printable(Path(data.sources[number].path).name or data.name) for number in used.tolist()]
    species = np.asarray(data.species)
    positions, kinds, cells, origins, steps = [], [], [], [], []
    for done, row in enumerate(structures[held].tolist()):
        if done % 500 == 0:
            progress(done, len(structures), "structures of the page")
        atoms = wrapped(data.structures[row])
        origin = atoms.positions.min(axis=0)
        step = max(float(np.ptp(atoms.positions, axis=0).max()) / 65_535, 1e-9)
        positions.append(np.rint((atoms.positions - origin) / step))
        kinds.append(np.searchsorted(species, atoms.numbers))
        cells.append(np.asarray(atoms.cell.array).ravel())
        origins.append(origin)
        steps.append(step)

    def joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate(parts) if parts else np.empty(0)

    return {
        "species": [
            {
                "symbol": chemical_symbols[number],
                "colour": f"#{int(element_colors(np.array([number]))[0]):06X}",
                "radius": float(covalent_radii[number]),
            }
            for number in data.species
        ],
        "tolerance": BOND_TOLERANCE,
        "files": files,
        "structures": {
            "number": counted_up(structures),
            "file": counted_up(source),
            "frame": counted_up(data.frame_index[structures]),
            "size": counted_up(data.sizes[structures]),
            "held": packed(held, "u1"),
            "periodic": packed(data.periodic[structures[held]] @ [1, 2, 4], "u1"),
            "cell": packed(joined(cells), "f4"),
            "origin": packed(joined(origins), "f4"),
            "step": packed(np.array(steps), "f4"),
        },
        "positions": packed(joined([part.ravel() for part in positions]), "u2"),
        "kinds": counted_up(joined(kinds).astype(np.int64)),
    }
