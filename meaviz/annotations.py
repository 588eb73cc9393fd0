"""Judgements by hand, kept on disk at once, so that a crash of browser or server loses none.

A flag is bound to the content of its structure and the number of the atom, not to a place in a file, so it is found
again when files are re-ordered or merged.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.files import write_json

FORMAT = "meaviz-flags-1"


def flags_path() -> Path:
    """The file of all flags; ``$MEAVIZ_DATA_HOME`` names another folder."""
    folder = os.environ.get("MEAVIZ_DATA_HOME") or platformdirs.user_data_dir("meaviz")
    return Path(folder) / "flags.json"


def read_flags(dataset: AtomicDataset) -> NDArray[np.bool_]:
    """Which environments (N,) of the dataset have been flagged, in this session or an earlier one."""
    stored = _load()
    flags = np.zeros(dataset.n_environments, dtype=bool)
    for structure, key in enumerate(dataset.structure_keys):
        for atom in stored.get(key, ()):
            flags[dataset.offsets[structure] + atom] = True
    return flags


def write_flags(dataset: AtomicDataset, flags: NDArray[np.bool_]) -> None:
    """Store ``flags`` (N,) of the dataset; flags of other structures stay as they are."""
    stored = _load()
    for key in dataset.structure_keys:
        stored.pop(key, None)
    for row in np.flatnonzero(flags):
        key = dataset.structure_keys[dataset.structure_of[row]]
        atoms = stored.setdefault(key, [])
        if int(dataset.atom_of[row]) not in atoms:  # an equal structure may be in the dataset twice
            atoms.append(int(dataset.atom_of[row]))
    write_json(flags_path(), {"format": FORMAT, "flags": stored})


def _load() -> dict[str, list[int]]:
    path = flags_path()
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        return {str(key): [int(atom) for atom in atoms] for key, atoms in content["flags"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MEAGraphError(
            f"{path} is not a file of flags that this version can read ({error}); expected {FORMAT}. "
            "Move it away to start afresh; nothing was changed."
        ) from error
