"""Structures that are described together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ase import Atoms


def batched(structures: Sequence[Atoms], most: int) -> Iterator[list[Atoms]]:
    """Runs of structures of at most ``most`` atoms together, or single larger ones."""
    batch: list[Atoms] = []
    count = 0
    for atoms in structures:
        if batch and count + len(atoms) > most:
            yield batch
            batch, count = [], 0
        batch.append(atoms)
        count += len(atoms)
    if batch:
        yield batch
