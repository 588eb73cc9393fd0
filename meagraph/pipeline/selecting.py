"""Selections to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.exports.parts import PartFiles, export_parts
from meagraph.inspection.selections import Selection, structures_of
from meagraph.pipeline.analysis import Analysis
from meagraph.progress import Progress, silent

SELECTION = "selection"


def write_selections(
    data: Analysis | AtomicDataset,
    selections: Mapping[str, Selection | NDArray[np.bool_]],
    directory: str | Path,
    *,
    entry: str | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PartFiles:
    """Write the structures that hold something of each of ``selections``, by name, into a file of their own.

    Values are selections, or masks of environments (N,) or structures (S,): ``{"dropped": ~plan.structures}``.
    With ``entry``, a name, all go into one file in which it says which ones each frame is of. Beside them lie an index,
    which counts the environments selected in each structure, and a manifest with the conditions. Raises as
    :func:`meagraph.exports.parts.export_parts`.
    """
    dataset = data.dataset if isinstance(data, Analysis) else data
    made = {
        name: what if isinstance(what, Selection) else Selection(dataset, np.asarray(what), "by a mask")
        for name, what in selections.items()
    }
    first = dataset.offsets[:-1]
    columns: dict[str, NDArray[Any]] = {
        f"selected_{name}": np.add.reduceat(what.mask, first, dtype=np.int64) for name, what in made.items()
    }
    return export_parts(
        dataset,
        {name: structures_of(dataset, what) for name, what in made.items()},
        directory,
        SELECTION,
        entry=entry,
        columns=columns,
        details={"selections": {name: what.words for name, what in made.items()}},
        overwrite=overwrite,
        progress=progress,
    )
