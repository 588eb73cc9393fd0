"""Memory that runs out is told from other errors, and said in one line; what was freed is handed back."""

from __future__ import annotations

import errno
import platform
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from meagraph import memory
from meagraph.memory import free, hand_back, ran_out, shortage
from tests.support import ROOT


def failed(make) -> BaseException:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        make()
    return caught.value


def test_what_libraries_raise_where_memory_runs_out() -> None:
    assert ran_out(failed(lambda: np.empty((10**9, 10**8))))
    assert ran_out(failed(lambda: torch.empty((10**9, 10**8))))
    assert ran_out(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert ran_out(RuntimeError("can't start new thread"))


@pytest.mark.parametrize(
    "error", [None, ValueError("not enough memory"), RuntimeError("no cell"), OSError(errno.ENOSPC, "No space left")]
)
def test_what_is_no_lack_of_memory(error: BaseException | None) -> None:
    assert not ran_out(error)


def test_the_step_is_named_where_it_is_known() -> None:
    assert "at the step 'epoch 3'. Give fewer" in shortage("epoch 3")
    assert shortage("").startswith("There is not enough memory for this. Give")


@pytest.mark.skipif(sys.platform != "linux", reason="limits and /proc are Linux's")
def test_a_limit_counts_for_what_is_left() -> None:
    script = (
        "import resource; from meagraph.memory import free; "
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); print(free())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 0 < float(done.stdout) < 2**30
    assert free() > 0


def test_other_systems_are_asked_what_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = free()
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    assert 0.3 < free() / here < 3.0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others hand back by themselves, or not at all")
def test_what_was_freed_between_things_in_use_goes_back_to_the_system() -> None:
    def resident() -> float:
        """Bytes of this process in memory."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    blocks: list[object] = [bytes(1000) for _ in range(100_000)]
    in_use = [*blocks[::1000], blocks[-1]]
    blocks.append(blocks)  # nothing but a collection frees it
    del blocks
    before = resident()
    hand_back()
    assert before - resident() > 50e6
    assert len(in_use) == 101
