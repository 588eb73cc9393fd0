"""Which families of labels in the files of a dataset may be predictions."""

from __future__ import annotations

from meagraph.datasets import AtomicDataset
from meagraph.datasets.names import by_family, label_of


def families_beside(dataset: AtomicDataset) -> dict[str, str]:
    """Families of names that the labels were not read from, and the names: ``{"mace": "MACE_energy, MACE_forces"}``.

    Those with more kinds of labels first. A family from which any label of the dataset was read is no prediction.
    """
    taken = {
        label.family
        for source in dataset.sources
        for names in (source.labels.energy, source.labels.forces)
        for name in names
        if (label := label_of(name)) is not None
    }
    left = by_family(name for source in dataset.sources for name in source.labels.left)
    found = {
        family: kinds for family, kinds in left.items() if family not in taken and {"energy", "forces"} & set(kinds)
    }
    in_order = sorted(found, key=lambda family: (-len(found[family]), family))
    return {family: ", ".join(name for names in found[family].values() for name in names) for family in in_order}
