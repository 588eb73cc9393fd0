"""Memory: how to tell that it ran out, what to say, how much is left before it does; handing back what was freed."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")  # of Linux
SIGNS = (  # of libraries that raise no MemoryError; PyTorch, LAMMPS, C++, joblib, threads under a limit
    "allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "failed to allocate",
    "excessive memory usage",
    "can't start new thread",
)
REMEDY = (
    "Give fewer structures, a smaller descriptor (lower n_max or l_max) or a smaller budget of representatives, or use "
    "a machine with more memory."
)


def ran_out(error: BaseException | None) -> bool:
    """Whether ``error`` means that memory ran out, whichever library says it."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)


def shortage(doing: str) -> str:
    """What to tell the user whose memory ran out; ``doing`` is the last report of progress, empty for none."""
    return f"There is not enough memory{f' to go on at the step {doing!r}' if doing else ' for this'}. {REMEDY}"


def free() -> float:
    """Bytes that this process may still take: what the machine has left, and what limits leave; infinity if unknown."""
    rooms = [float("inf")]
    for source in (_of_the_machine, _of_the_limit):
        try:
            rooms.append(source())
        except (OSError, ValueError, ImportError, AttributeError):  # another system, which has no such file
            continue
    return min(rooms)


def hand_back() -> None:
    """Free what nobody can reach any more, and give all pages that then hold nothing back to the system.

    glibc keeps what is freed between things in use, in arenas of their own for threads that soon end, and uses it again
    only in part: malloc_trim(3) hands it back. Elsewhere the allocator does as it does.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _field(path: str, name: str) -> float:
    """Bytes that a line ``name: 123 kB`` of a file in /proc gives."""
    (line,) = [line for line in Path(path).read_text("utf-8").splitlines() if line.startswith(f"{name}:")]
    return 1024.0 * int(line.split()[1])


def _of_the_machine() -> float:
    if MEMINFO.exists():
        return _field(str(MEMINFO), "MemAvailable")
    import psutil  # comes with ipywidgets

    return float(psutil.virtual_memory().available)


def _of_the_limit() -> float:
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return float("inf") if limit == resource.RLIM_INFINITY else limit - _field(f"/proc/{os.getpid()}/status", "VmSize")
