"""Structures that are described together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Some = TypeVar("Some", bound=Sized)


def batched(structures: Iterable[Some], most: int) -> Iterator[list[Some]]:
    """Runs of structures of at most ``most`` atoms together, or single larger ones."""
    batch: list[Some] = []
    count = 0
    for atoms in structures:
        if batch and count + len(atoms) > most:
            yield batch
            batch, count = [], 0
        batch.append(atoms)
        count += len(atoms)
    if batch:
        yield batch
