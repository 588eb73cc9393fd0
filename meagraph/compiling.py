"""Machine code made ahead of need.

UMAP and our own kernels are compiled by numba at their first use on a machine, half a minute's work on one core. A
process of its own does that, into numba's cache on disk, while the dataset is read and a model trained.
"""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from meagraph.cache import cache_directory, content_key
from meagraph.files import atomic_path
from meagraph.progress import Progress, silent

COMPILED = ("numba", "umap-learn", "pynndescent", "meaviz", "quests")


@functools.cache
def begin(*modules: str) -> subprocess.Popen[bytes] | None:
    """Run ``warm()`` of ``modules`` in a process of its own, once; not for those for which it was done before."""
    missing = [module for module in modules if not _marker(module).is_file()]
    if not missing:
        return None
    command = [sys.executable, "-m", "meagraph.compiling", *missing]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finish(*modules: str, progress: Progress = silent) -> None:
    """Wait until what :func:`begin` started has ended; where it failed, the caller compiles for itself."""
    worker = begin(*modules)
    while worker is not None and worker.poll() is None:
        progress(0, 1, "compiling (first start on this machine)")
        time.sleep(0.1)


def _marker(module: str) -> Path:
    """The file that says that a module is compiled, for these versions; it lies where numba was told to keep code."""
    key = content_key(
        {
            "module": module,
            "versions": [_version(name) for name in COMPILED],
            "python": [sys.prefix, *sys.version_info[:3]],
        }
    )
    place = os.environ.get("NUMBA_CACHE_DIR")
    return (Path(place, "meaviz") if place else cache_directory("compiled")) / key


def _version(name: str) -> str | None:
    """The version of a package, None where it is an extra that is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    for module in sys.argv[1:]:
        importlib.import_module(module).warm()
        with atomic_path(_marker(module)):
            pass
