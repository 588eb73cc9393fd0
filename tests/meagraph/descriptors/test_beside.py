"""Processes of this machine that take a chunk each: what they find, what they say, and when one of them dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import filling
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.progress import silent

FATEFUL = 8  # atoms of the structure on which it happens, and of no other
HAPPENS: dict[str, Callable[[], Any]] = {"dies": lambda: os.kill(os.getpid(), signal.SIGKILL), "fails": lambda: 1 // 0}


@dataclass(frozen=True)
class Made:
    """Descriptors that say how many atoms there are, and which process saw them."""

    happens: str = ""
    here: int = 0  # process to which nothing happens

    def shared(self, workers: object) -> Made:
        """Itself."""
        return self

    def maker(self) -> Callable[..., Iterator[NDArray[np.floating]]]:
        """What computes them."""

        def make(structures: Sequence[Atoms], processes: int) -> Iterator[NDArray[np.floating]]:
            for atoms in structures:
                if len(atoms) == FATEFUL and os.getpid() != self.here:
                    if self.happens == "says":
                        raise ValueError("no way")
                    if self.happens:
                        HAPPENS[self.happens]()
                yield np.column_stack([np.full(len(atoms), len(atoms)), np.full(len(atoms), os.getpid())])

        return make


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks of a few structures."""
    monkeypatch.setattr(filling, "CHUNK", 20)


def test_others_do_the_work_and_the_rows_come_in_order(niobium: AtomicDataset) -> None:
    values = filling.fill(niobium, Made(), silent, processes=2)
    np.testing.assert_array_equal(values[:, 0], np.repeat(niobium.sizes, niobium.sizes))
    assert os.getpid() not in values[:, 1]


def test_what_fails_there_is_said_with_file_and_frame(niobium: AtomicDataset) -> None:
    frame = int(np.flatnonzero(niobium.sizes == FATEFUL)[0])
    with pytest.raises(MEAGraphError, match=rf"frame {frame}.*the descriptor failed: no way"):
        filling.fill(niobium, Made("says"), silent, processes=2)


def test_an_error_of_ours_is_not_hidden(niobium: AtomicDataset) -> None:
    with pytest.raises(ZeroDivisionError):
        filling.fill(niobium, Made("fails"), silent, processes=2)


def test_a_chunk_on_which_a_process_died_is_tried_here(niobium: AtomicDataset) -> None:
    values = filling.fill(niobium, Made("dies", os.getpid()), silent, processes=2)
    np.testing.assert_array_equal(values[:, 0], np.repeat(niobium.sizes, niobium.sizes))
    here = np.unique(niobium.structure_of[values[:, 1] == os.getpid()])
    assert (niobium.sizes[here] == FATEFUL).any()
    assert len(here) < niobium.n_structures


def test_a_cancelled_run_keeps_what_came(niobium: AtomicDataset, tmp_path: Path) -> None:
    target = tmp_path / "values.npy"

    def cancelling(done: int, total: int, message: str) -> None:
        if done > niobium.n_environments // 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        filling.fill_file(target, niobium, Made(), cancelling, processes=2)
    values, known = filling.Partial(target).resume(niobium.n_environments)
    assert values is not None
    assert 0 < known < niobium.n_structures
    del values
    filling.fill_file(target, niobium, Made(), silent, processes=2)
    np.testing.assert_array_equal(np.load(target)[:, 0], np.repeat(niobium.sizes, niobium.sizes))
