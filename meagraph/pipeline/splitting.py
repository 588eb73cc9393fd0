"""From data, or an analysis of it, to a split, and to the files of one."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.errors import MEAGraphError
from meagraph.exports.parts import PartFiles, export_parts
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.data import Data, as_dataset
from meagraph.progress import Progress, silent
from meagraph.splits import Split, SplitConfig, split_structures

SPLIT = "split"


def split(
    data: Data | Analysis, *, config: SplitConfig | None = None, progress: Progress = silent, **given: Any
) -> Split:
    """Split ``data`` so that no near duplicates are on two sides; of an analysis, its clusters count as groups do.

    ``given`` are fields of :class:`SplitConfig`, as ``fractions=(0.8, 0.1, 0.1)``, ``folds=5`` or ``seed=1``, in place
    of those of ``config``, and options of :func:`meagraph.datasets.read_dataset` for files. See
    :func:`meagraph.splits.split_structures`. Raises MEAGraphError for bad input.
    """
    fields = {name: given.pop(name) for name in list(given) if name in SplitConfig.__dataclass_fields__}
    for name in ("fractions", "sizes", "protected"):
        if isinstance(fields.get(name), list):
            fields[name] = tuple(fields[name])
    settings = replace(config or SplitConfig(), **fields)
    if isinstance(data, Analysis):
        if given:
            raise MEAGraphError(f"The dataset is read already; leave out {', '.join(sorted(given))}.")
        return split_structures(data.dataset, settings, clusters=data.survey.clusters.labels, progress=progress)
    return split_structures(as_dataset(data, **given), settings, progress=progress)


def write_split(
    found: Split,
    directory: str | Path,
    *,
    entry: str | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PartFiles:
    """Write a file for each side, or one file in which ``entry``, a name such as "split", says the side of each frame.

    Beside them lie an index of all structures (with side and piece) and a manifest. What is left out is in no file but
    the index; what is trained on in every fold is. Raises as :func:`meagraph.exports.parts.export_parts`.
    """
    names = found.names if found.config.folds is None else (*found.names, found.rest)
    return export_parts(
        found.dataset,
        {name: found.mask(name) for name in names},
        directory,
        SPLIT,
        entry=entry,
        columns={"piece": found.piece, "always_trained_on": np.asarray(found.kept, dtype=np.int64)},
        details={"config": asdict(found.config), **found.figures()},
        overwrite=overwrite,
        progress=progress,
    )
