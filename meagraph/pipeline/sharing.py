"""A ranking to one that knows what shares its dataset asks for, from the cache where that was found out before."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from meagraph import compiling
from meagraph.cache import recall, remember
from meagraph.datasets import AtomicDataset
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.evaluation.equations import Prepared, prepare
from meagraph.evaluation.trial import TRIAL_VERSION, choose_shares
from meagraph.files import read_arrays, write_arrays
from meagraph.pipeline.compiled import FORCE_FIELD
from meagraph.progress import Progress, part, silent
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig
from meagraph.pruning.shares import Chosen, Shares, Trial


def asks(config: PruningConfig, ranking: Ranking) -> bool:
    """Whether plans of ``config`` follow shares that nobody has looked for yet."""
    return config.alpha is None and ranking.worth is not None and ranking.chosen is None


def ask(
    dataset: AtomicDataset,
    ranking: Ranking,
    *,
    seed: int = 0,
    prepared: Prepared | None = None,
    cache: bool = True,
    progress: Progress = silent,
) -> Ranking:
    """``ranking`` with the shares that ``dataset`` asks for; as it is where no force field can be fitted.

    ``seed`` is that of the split on which the cost of plans is judged: structures held out there are not looked at.
    ``prepared`` are the equations of this split where they are there already.
    """

    def make() -> Chosen:
        equations = prepared
        if equations is None:
            compiling.finish(*FORCE_FIELD, progress=part(progress, 0.0, 0.0))
            equations = prepare(dataset, seed=seed, progress=part(progress, 0.0, 0.5))
        keys = dataset.structure_keys
        return choose_shares(equations, ranking, dataset.groups, keys, seed=seed, progress=part(progress, 0.5, 1.0))

    try:
        found = remember("shares", _depends(dataset, ranking, seed), make, read=_read, write=_write, use=cache)
    except Cancelled:
        raise
    except MEAGraphError:  # no forces, or no structures to hold out
        return ranking
    return replace(ranking, chosen=found)


def recall_shares(dataset: AtomicDataset, ranking: Ranking, *, seed: int = 0) -> Ranking:
    """What :func:`ask` left in the cache; ``ranking`` as it is where that is nothing."""
    if ranking.worth is None:
        return ranking
    return replace(ranking, chosen=recall("shares", _depends(dataset, ranking, seed), _read))


def _depends(dataset: AtomicDataset, ranking: Ranking, seed: int) -> dict[str, Any]:
    digest = hashlib.sha256()
    for array in (ranking.rank, ranking.bin, ranking.worth):
        if array is not None:
            digest.update(array.tobytes())
    return {
        "version": TRIAL_VERSION,
        "labels": dataset.fingerprint,
        "ranking": digest.hexdigest(),
        "ranked": ranking.seed,
        "seed": seed,
    }


def _write(path: Path, chosen: Chosen) -> None:
    arrays = {}
    for name, trial in (("environments", chosen.environments), ("structures", chosen.structures)):
        arrays[f"{name}_keeps"] = trial.keeps
        arrays[f"{name}_shares"] = np.array([(one.size, one.variety, one.chance) for one in trial.candidates])
        arrays[f"{name}_errors"] = trial.errors
    write_arrays(path, arrays)


def _read(path: Path) -> Chosen:
    data = read_arrays(path)
    return Chosen(
        *(
            Trial(
                data[f"{name}_keeps"],
                tuple(
                    Shares(float(size), float(variety), bool(chance))
                    for size, variety, chance in data[f"{name}_shares"]
                ),
                data[f"{name}_errors"],
            )
            for name in ("environments", "structures")
        )
    )
