"""Structures in chunks: how they are cut, and that the same comes of them here, elsewhere and beside this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.datasets.chunks import cut, over_chunks
from meagraph.datasets.shared import Found, bare
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.workers import Workers

FATEFUL = 8  # atoms of the structure on which it happens
HAPPENS: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "dies": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "fails": lambda: 1 // 0,
}


def seen(happens: str, here: int, found: Found, structures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the structures, and the process that saw them."""
    for row in structures.tolist():
        if len(found.structures.plain(row)) == FATEFUL and os.getpid() != here:
            if happens == "says":
                raise MEAGraphError(f"{found.locate(row)}: no way")
            HAPPENS[happens]()
    few = bare(found, structures)
    return few.positions, np.full(len(structures), os.getpid())


@pytest.fixture
def chunks(niobium: AtomicDataset) -> list[np.ndarray]:
    return cut(np.arange(niobium.n_structures), niobium.sizes, 30)


def by_processes(niobium: AtomicDataset, chunks: list[np.ndarray], happens: str, **options: Any) -> Iterator[Any]:
    return over_chunks(partial(seen, happens, os.getpid()), niobium, chunks, processes=2, **options)


def test_chunks_follow_from_the_sizes_alone() -> None:
    sizes = np.array([4, 4, 4, 100, 1, 1, 9, 5])
    pieces = cut(np.array([0, 1, 2, 3, 4, 5, 7]), sizes, 10)
    assert [piece.tolist() for piece in pieces] == [[0, 1, 2], [3], [4, 5, 7]]
    assert [piece.tolist() for piece in cut(np.array([3]), sizes, 10)] == [[3]]


def test_what_comes_is_the_same_whoever_does_it(
    niobium: AtomicDataset, chunks: list[np.ndarray], tmp_path: Path
) -> None:
    work = partial(seen, "nothing", 0)
    with ThreadPoolExecutor(2) as executor:
        ways = {
            "here": list(over_chunks(work, niobium, chunks)),
            "beside": list(over_chunks(work, niobium, chunks, processes=2)),
            "elsewhere": list(over_chunks(work, niobium, chunks, Workers(executor, lambda: 2, tmp_path), processes=2)),
        }
    assert len(chunks) > 3
    for name, parts in ways.items():
        np.testing.assert_array_equal(np.concatenate([one for one, _ in parts]), niobium.structures.positions)
        assert (os.getpid() in np.concatenate([who for _, who in parts])) == (name != "beside"), name


def test_structures_are_handed_on_as_they_are_and_as_the_own_of_who_gets_them() -> None:
    atoms = Atoms("NbH", [[0.1, 0.2, 0.3], [1.5, 1.5, 1.5]], cell=[3.0, 0.0, 0.0], pbc=[True, False, False])
    dataset = from_atoms([atoms, Atoms("H"), atoms[:1]], allow_unlabelled=True)
    for chosen in ([0, 1, 2], [0, 2], [1]):
        few = bare(dataset, np.array(chosen))
        assert len(few) == len(chosen)
        for place, row in enumerate(chosen):
            assert few.plain(place) == dataset.structures.plain(row)
        for name in ("offsets", "numbers", "positions", "cells", "pbc"):
            own = getattr(few, name)
            assert own.flags.writeable
            assert own.flags.c_contiguous
            assert not np.shares_memory(own, getattr(dataset.structures, name))


def test_a_chunk_on_which_a_process_died_is_done_here(niobium: AtomicDataset, chunks: list[np.ndarray]) -> None:
    parts = list(by_processes(niobium, chunks, "dies"))
    np.testing.assert_array_equal(np.concatenate([one for one, _ in parts]), niobium.structures.positions)
    here = np.concatenate(chunks)[np.concatenate([who for _, who in parts]) == os.getpid()]
    assert (niobium.sizes[here] == FATEFUL).any()
    assert len(here) < niobium.n_structures


def test_errors_come_from_there(niobium: AtomicDataset, chunks: list[np.ndarray]) -> None:
    frames = "|".join(map(str, np.flatnonzero(niobium.sizes == FATEFUL)))  # whichever comes first
    with pytest.raises(MEAGraphError, match=rf"frame ({frames}) .*no way"):
        list(by_processes(niobium, chunks, "says"))
    with pytest.raises(ZeroDivisionError):
        list(by_processes(niobium, chunks, "fails"))


def test_every_chunk_is_reported_and_the_work_can_be_stopped(niobium: AtomicDataset, chunks: list[np.ndarray]) -> None:
    heard: list[tuple[int, int, str]] = []
    list(by_processes(niobium, chunks, "nothing", message="looked at", progress=lambda *told: heard.append(told)))
    assert heard == [(number + 1, len(chunks), "looked at") for number in range(len(chunks))]

    def stop(done: int, total: int, message: str) -> None:
        if done == 2:
            raise Cancelled

    came = by_processes(niobium, chunks, "nothing", progress=stop)
    next(came)
    next(came)
    with pytest.raises(Cancelled):
        next(came)
