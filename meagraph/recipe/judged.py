"""What was judged by hand, as masks of environments, and what an export says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.recipe.parts import Judged


def judged_mask(dataset: AtomicDataset, judgements: Sequence[Judged], verdict: str) -> NDArray[np.bool_]:
    """The environments (N,) that have this ``verdict``; structures of equal content share it.

    Judged structures that the dataset has not are passed over, see :func:`missing`. Raises MEAGraphError for an atom
    that a structure has not.
    """
    mask = np.zeros(dataset.n_environments, dtype=bool)
    rows: dict[str, list[int]] = {}
    wanted = {one.key for one in judgements}
    for row, key in enumerate(dataset.structure_keys):
        if key in wanted:
            rows.setdefault(key, []).append(row)
    for one in judgements:
        for row in rows.get(one.key, []) if one.verdict == verdict else []:
            if max(one.atoms) >= dataset.sizes[row]:
                raise MEAGraphError(
                    f"{dataset.locate(row)}: expected the atom {max(one.atoms)} that was judged, but there are "
                    f"{dataset.sizes[row]}. Mend the recipe."
                )
            mask[dataset.offsets[row] + np.array(one.atoms)] = True
    return mask


def missing(dataset: AtomicDataset, judgements: Sequence[Judged]) -> list[Judged]:
    """The judgements on structures that the dataset has not."""
    there = set(dataset.structure_keys)
    return [one for one in judgements if one.key not in there]


def flag_details(dataset: AtomicDataset, flags: NDArray[np.bool_], *, left_out: bool) -> dict[str, Any]:
    """What the manifest of an export says of the flagged environments (N,), and whether their structures leave."""
    rows = np.flatnonzero(flags)
    if not len(rows):
        return {}
    return {
        "flagged_environments": [
            {"structure": int(dataset.structure_of[row]), "atom": int(dataset.atom_of[row])} for row in rows
        ],
        "structures_with_flags_left_out": left_out,
    }
