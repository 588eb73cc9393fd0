"""How far predictions are off in parts of the data: clusters, groups, elements, sizes of structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.predictions.quantities import Compared

MOST_SIZES = 12  # different sizes that are told one by one; more are taken together by doubling


@dataclass(frozen=True, eq=False)
class Parts:
    """The errors of one quantity in P parts, the farthest off first; only parts in which something is known.

    Of a quantity of structures a part has the structures that hold any of its environments.
    """

    codes: NDArray[np.int64]  # (P,) of the parts
    names: tuple[str, ...]  # (P,)
    count: NDArray[np.int64]  # (P,) structures, or environments
    mae: NDArray[np.float64]  # (P,) over all components, in the quantity's unit
    rmse: NDArray[np.float64]  # (P,)
    worst: NDArray[np.float64]  # (P,) the largest of :attr:`Compared.size`


def parts(of: Compared, codes: NDArray[np.integer], names: Sequence[str]) -> Parts:
    """The errors of the environments with each of the ``codes`` (N,), which index ``names``; -1 is in no part."""
    data, total = of.errors.dataset, len(names)
    inside = np.flatnonzero(codes >= 0)
    member, code = inside, codes[inside].astype(np.int64)
    if of.quantity.level == "structure":
        pair = np.unique(data.structure_of[inside].astype(np.int64) * total + code)
        member, code = pair // total, pair % total
    known = np.isfinite(of.size[member])
    member, code = member[known], code[known]
    away = of.difference[member]
    count = np.bincount(code, minlength=total)
    worst = np.zeros(total)
    np.maximum.at(worst, code, of.size[member])
    components = np.maximum(count * of.difference.shape[1], 1)
    mae = np.bincount(code, np.abs(away).sum(axis=1), minlength=total) / components
    rmse = np.sqrt(np.bincount(code, (away**2).sum(axis=1), minlength=total) / components)
    order = np.argsort(-rmse, kind="stable")
    order = order[count[order] > 0]
    return Parts(
        order, tuple(str(names[place]) for place in order), count[order], mae[order], rmse[order], worst[order]
    )


def whole(of: Compared) -> Parts:
    """The errors of all environments, as one part."""
    return parts(of, np.zeros(of.errors.dataset.n_environments, dtype=np.int64), ("all",))


def by_size(data: AtomicDataset) -> tuple[NDArray[np.int64], list[str]]:
    """The size of the structure of each environment (N,) as a code, and what the codes mean."""
    sizes, found = np.unique(data.sizes, return_inverse=True)
    if len(sizes) <= MOST_SIZES:
        return found[data.structure_of].astype(np.int64), [_atoms(f"{size:,}", size) for size in sizes.tolist()]
    doubling = np.floor(np.log2(data.sizes)).astype(np.int64)
    steps, found = np.unique(doubling, return_inverse=True)
    names = [_atoms(f"{2**step:,}–{2 ** (step + 1) - 1:,}" if step else "1", 2**step) for step in steps.tolist()]
    return found[data.structure_of].astype(np.int64), names


def _atoms(words: str, count: int) -> str:
    return f"{words} atom{'s' * (count != 1)}"
