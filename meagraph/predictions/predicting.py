"""Labels of a model for all structures of a dataset, in chunks that can be kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.descriptors.batches import batched
from meagraph.display.cards import Facts, Shown
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.predictions.models import Labels, Model
from meagraph.predictions.reading import Predicted

CHUNK = 1000  # atoms of the structures that are kept together


@dataclass(frozen=True, eq=False)
class Chunk:
    """What a model says of s structures with n atoms that follow each other; NaN where it failed."""

    energy: NDArray[np.float64]  # (s,) eV
    forces: NDArray[np.float64]  # (n, 3) eV/Å
    stress: NDArray[np.float64]  # (s, 3, 3) eV/Å³
    done: NDArray[np.bool_]  # (s,) False where it failed


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(Shown):
    """What a model says of all structures of a dataset, and of which it failed to say anything."""

    dataset: AtomicDataset
    model: Model
    predicted: Predicted
    failed: tuple[tuple[int, str], ...] = ()  # structures, and why

    def failures(self) -> list[str]:
        """A line for each structure that has no prediction: file, frame and cause."""
        return [f"{self.dataset.locate(row)}: {why}" for row, why in self.failed]

    def _title(self) -> str:
        return f"Predictions of {self.model.name} for {self.dataset.name}"

    def _facts(self) -> Facts:
        facts = [("predicted", self.predicted.words), ("names", f"{self.model.prefix}energy and so on")]
        return facts + ([("failed", f"{len(self.failed):,} structures")] if self.failed else [])


def check_species(dataset: AtomicDataset, model: Model) -> None:
    """Raise MEAGraphError where the dataset holds elements that the model does not know."""
    missing = [] if model.species is None else [number for number in dataset.species if number not in model.species]
    if missing:
        names = ", ".join(chemical_symbols[number] for number in missing)
        assert model.species is not None
        known = [chemical_symbols[number] for number in sorted(model.species)]
        listed = ", ".join(known) if len(known) <= 12 else f"{len(known)} others"
        raise MEAGraphError(
            f"{dataset.name}: holds {names}, which the model {model.name} does not know; it knows {listed}. Take a "
            "model of all elements, or leave these structures out."
        )


def chunks_of(dataset: AtomicDataset) -> list[slice]:
    """The structures of each chunk: of CHUNK atoms at most, or a single larger one."""
    ends = np.cumsum([len(one) for one in batched([range(size) for size in dataset.sizes.tolist()], CHUNK)])
    return [slice(start, end) for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]


def predict_chunk(
    model: Model, structures: Sequence[Atoms], known: Chunk | None = None
) -> tuple[Chunk, dict[int, str]]:
    """Labels of ``structures``, those that are ``known`` left as they are, and why each that failed did so.

    Structures go through the model ``model.batch`` atoms at a time; where it fails on several, one by one.
    """
    offsets = np.concatenate([[0], np.cumsum([len(atoms) for atoms in structures])]).astype(np.int64)
    count = len(structures)
    chunk = known or Chunk(
        np.full(count, np.nan),
        np.full((int(offsets[-1]), 3), np.nan),
        np.full((count, 3, 3), np.nan),
        np.zeros(count, dtype=bool),
    )
    failed: dict[int, str] = {}
    left = np.flatnonzero(~chunk.done).tolist()
    rows = iter(left)
    for batch in batched([structures[row] for row in left], model.batch):
        for atoms, found in _labelled(model, batch):
            row = next(rows)
            fault = found if isinstance(found, str) else _fault(atoms, found)
            if fault is not None:
                failed[row] = fault
                continue
            assert not isinstance(found, str)
            chunk.energy[row], chunk.stress[row] = found.energy, found.stress
            chunk.forces[offsets[row] : offsets[row + 1]] = found.forces
            chunk.done[row] = True
    return chunk, failed


def _labelled(model: Model, batch: list[Atoms]) -> Iterator[tuple[Atoms, Labels | str]]:
    """Each structure with its labels, or with why there are none."""
    try:
        yield from zip(batch, model.label(batch), strict=True)
    except (Cancelled, MEAGraphError):
        raise
    except Exception as error:  # a calculator raises whatever it likes; the others are to go on
        if len(batch) > 1:
            for atoms in batch:
                yield from _labelled(model, [atoms])
        else:
            yield batch[0], " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _fault(atoms: Atoms, labels: Labels) -> str | None:
    if labels.forces.shape != (len(atoms), 3):
        return f"expected forces of {len(atoms)} atoms, got an array of shape {labels.forces.shape}"
    if not np.isfinite(labels.energy) or not np.isfinite(labels.forces).all():
        return "the energy or a force is not a finite number"
    return None
