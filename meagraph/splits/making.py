"""From a dataset to a split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.prints import Prints, look_for_prints
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, part, silent
from meagraph.splits.dealing import deal
from meagraph.splits.pieces import pieces, pieces_by_environments
from meagraph.splits.split import OUT, Split, SplitConfig

WHOLE = 4.0  # weight of the numbers of structures and atoms, beside 1 of a group's and a cluster's


def split_structures(
    dataset: AtomicDataset,
    config: SplitConfig | None = None,
    *,
    clusters: NDArray[np.integer] | None = None,
    prints: Prints | None = None,
    progress: Progress = silent,
) -> Split:
    """Split ``dataset`` so that no two structures within a distance are on two sides.

    Each side gets its share of structures, of atoms, of every group and, where the labels of ``clusters`` (N,), -1 for
    none, are given, of every cluster, as well as the pieces that must stay together allow. Isolated atoms and protected
    groups are on the first side, with what is near them; of folds, they are on none, which means in the training of
    every one. Raises MEAGraphError for groups that there are not, and for clusters of another dataset.
    """
    config = config or SplitConfig()
    if unknown := sorted(set(config.protected) - set(dataset.groups.tolist())):
        raise MEAGraphError(
            f"Expected protected groups among those of {dataset.name}, but there is no {', '.join(unknown)}. There "
            f"are: {', '.join(sorted(set(dataset.groups.tolist())))}."
        )
    if clusters is not None and np.shape(clusters) != (dataset.n_environments,):
        raise MEAGraphError(
            f"Expected a cluster for each of the {dataset.n_environments:,} environments of {dataset.name}, but there "
            f"are {len(clusters):,}. Give the clusters of this dataset."
        )
    if prints is None:
        prints = look_for_prints(dataset, progress=part(progress, 0.0, 0.6))
    make = pieces if config.alike == "structures" else pieces_by_environments
    piece = make(dataset, prints, config.distance, progress=part(progress, 0.6, 0.9))
    kept = np.asarray(dataset.isolated | np.isin(dataset.groups, config.protected), dtype=bool)
    wanted, most = _shares(dataset, config, kept)
    fixed = np.where(kept, 0, -1)
    if config.folds is not None:
        fixed = np.where(kept, config.folds, -1)  # a side of its own, to which nothing else goes
    content, weights = _content(dataset, config, clusters)
    side = deal(piece, content, weights, wanted, most, fixed, seed=config.seed)
    progress(1, 1, "split")
    count = len(config.names)
    return Split(dataset, config, np.where(side >= count, OUT, side), piece, wanted[:count], kept)


def _shares(
    dataset: AtomicDataset, config: SplitConfig, kept: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share (K,) of each side, and how much of the unit it may get (K,), that of what is on no side last."""
    unlimited = np.inf
    if config.folds is not None:
        shares = [*[1.0 / config.folds] * config.folds, 0.0]
        return np.array(shares), np.full(len(shares), unlimited)
    if config.sizes is None:
        return np.array(config.fractions), np.full(len(config.fractions), unlimited)
    amount = dataset.sizes if config.unit == "atoms" else np.ones(dataset.n_structures)
    total, fixed = float(amount.sum()), float(amount[kept].sum())
    if sum(config.sizes) > total or config.sizes[0] < fixed:
        raise MEAGraphError(
            f"Expected sizes of at most {total:,.0f} {config.unit} together, of which train holds {fixed:,.0f} at "
            f"least (isolated atoms and protected groups); got {', '.join(f'{size:,}' for size in config.sizes)}."
        )
    sizes = np.array(config.sizes, dtype=float)
    per_structure = dataset.sizes.mean() if config.unit == "atoms" else 1.0
    return np.append(sizes, total - sizes.sum()) / total, np.append(sizes / per_structure, unlimited)


def _content(
    dataset: AtomicDataset, config: SplitConfig, clusters: NDArray[np.integer] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each structure brings (S, F), in units of structures, that of the unit first, and the weights (F,)."""
    count = dataset.n_structures
    whole = [np.ones(count), dataset.sizes / dataset.sizes.mean()]
    if config.unit == "atoms":
        whole.reverse()
    _, group = np.unique(dataset.groups, return_inverse=True)
    parts = [np.stack(whole, axis=1), np.eye(group.max() + 1)[group]]
    if clusters is not None:
        _, code = np.unique(clusters, return_inverse=True)
        width = int(code.max()) + 1
        inside = np.bincount(dataset.structure_of * width + code, minlength=count * width).reshape(count, width)
        parts.append(inside / dataset.sizes[:, None])
    content = np.concatenate(parts, axis=1).astype(np.float64)
    weights = np.ones(content.shape[1])
    weights[:2] = WHOLE, 1.0
    return content, weights
