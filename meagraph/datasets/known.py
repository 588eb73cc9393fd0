"""What is known already beside what is new: one dataset of both, in which the known structures are marked.

Known structures, as those of a training set, are learned from, lie on the map and are measured from; no plan chooses
them, and no export holds them. New structures come first and keep their numbers. Neither needs labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from meagraph.datasets.columnar import pack
from meagraph.datasets.dataset import AtomicDataset, DatasetError

FOR_BOTH: dict[str, Any] = {"allow_unlabelled": True, "fewest": 1}  # of two datasets that are put side by side


def with_known(new: AtomicDataset, known: AtomicDataset) -> AtomicDataset:
    """One dataset of the structures of ``new``, then those of ``known``, which are marked as such.

    Raises DatasetError where they have no element in common, and where everything new is known already.
    """
    if new.known.any():
        raise DatasetError(f"{new.name}: expected new data, but it has known data beside it already. Give one of them.")
    if not set(new.species) & set(known.species):
        raise DatasetError(
            f"{known.name}: expected known data with an element of {new.name} ({_symbols(new)}), but it holds "
            f"{_symbols(known)} only. Give the data of the same material."
        )
    if set(new.structure_keys) <= set(known.structure_keys):
        raise DatasetError(
            f"{new.name}: expected structures beyond the known ones, but all {new.n_structures:,} are among those of "
            f"{known.name}. Name the new data first, and after --known what a model was trained on."
        )
    marked = tuple(replace(source, known=True) for source in known.sources)
    return AtomicDataset(
        structures=pack((*new.structures, *known.structures)),
        groups=np.concatenate([new.groups, known.groups]),
        name=new.name,
        sources=(*new.sources, *marked),
        source_index=np.concatenate([new.source_index, known.source_index + len(new.sources)]).astype(np.int32),
        frame_index=np.concatenate([new.frame_index, known.frame_index]),
        frame_span=np.concatenate([new.frame_span, known.frame_span]),
        energy=np.concatenate([new.energy, known.energy]),
        forces=np.concatenate([new.forces, known.forces]),
        stress=np.concatenate([new.stress, known.stress]),
        quarantined=(*new.quarantined, *known.quarantined),
    )


def known_words(dataset: AtomicDataset) -> str:
    """How much is known already, for people."""
    return f"{int(dataset.known.sum()):,} structures with {int(dataset.known_environments.sum()):,} environments"


def _symbols(dataset: AtomicDataset) -> str:
    return ", ".join(chemical_symbols[number] for number in dataset.species)
