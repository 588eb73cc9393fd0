"""Who the workers are: processes of this machine, a Dask cluster that runs, or one started under Slurm."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from meagraph.errors import MEAGraphError
from meagraph.workers.mapping import HERE, Workers
from meagraph.workers.over_dask import OverDask

PATIENCE = 60  # seconds for a scheduler to answer
ENDING = 10  # seconds for it, and for workers, to end
PROCESS = "Dask Worker process"  # how Dask calls those that it starts
SETTINGS = {"distributed.deploy.lost-worker-timeout": "1 day"}  # else one slow to start again is given up after 15 s
INSTALL = "Install it: pip install 'meaviz[cluster]'"
Client = Any
"""A :class:`distributed.Client`, or an :class:`concurrent.futures.Executor`."""


def workers_of(client: Client | None, *, cache: bool = True) -> Workers:
    """The workers behind a ``client``; this process where it is None.

    Raises MEAGraphError for what is no client, and where the ``cache``, through which they share arrays, is off.
    """
    if client is None:
        return HERE
    if not cache:
        raise MEAGraphError("Workers share their results through the cache. Leave the cache on, or do without workers.")
    if isinstance(client, Executor):
        return Workers(client, lambda: os.cpu_count() or 1)
    if hasattr(client, "get_executor"):
        executor = OverDask(client)
        return Workers(executor, executor.count)
    raise MEAGraphError(
        f"Expected a distributed.Client or a concurrent.futures.Executor as client, got {type(client).__name__}. Give "
        "one of these, or None to work in this process."
    )


@contextlib.contextmanager
def connected(
    *, workers: int | None = None, scheduler: str | None = None, slurm: str | Path | None = None
) -> Iterator[Client | None]:
    """A client of so many ``workers`` on this machine, of the ``scheduler`` at an address, or of jobs under ``slurm``.

    The file for Slurm is YAML: ``jobs`` and the arguments of ``dask_jobqueue.SLURMCluster``, such as ``cores``,
    ``memory``, ``queue``, ``account`` and ``walltime``. None where nothing is asked for. What was started here ends
    with the block. Raises MEAGraphError where more than one is given, where the extra ``cluster`` is missing, and where
    nobody answers.
    """
    given = [
        name for name, one in (("workers", workers), ("scheduler", scheduler), ("slurm", slurm)) if one is not None
    ]
    if not given:
        yield None
        return
    if len(given) > 1:
        raise MEAGraphError(f"Expected one of --workers, --scheduler and --slurm, but came {', '.join(given)}.")
    if workers is not None and workers < 1:
        raise MEAGraphError(f"Expected at least 1 worker, got {workers}.")
    try:
        import dask
        import distributed
    except ImportError as error:
        raise MEAGraphError(f"--{given[0]} needs Dask, which is not installed. {INSTALL}.") from error
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            stack.enter_context(dask.config.set(SETTINGS))
            cluster = _local(workers) if workers is not None else _slurm(Path(slurm or ""))
            stack.callback(_end, cluster)
        else:
            cluster = scheduler
        try:
            client = distributed.Client(cluster, timeout=PATIENCE, direct_to_workers=True)
        except (OSError, ValueError, TypeError) as error:
            raise MEAGraphError(
                f"{scheduler or 'the cluster'}: expected a Dask scheduler that answers, but none did ({error}). Check "
                "the address, as tcp://host:8786, and that 'dask scheduler' runs there."
            ) from error
        stack.callback(_leave, client)
        yield client


def active_client() -> Client | None:
    """The client of Dask that this process connected last and has not closed; None where there is none."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def dashboard(client: Client | None) -> str:
    """Where Dask shows what its workers do; empty where there is no such page."""
    return str(getattr(client, "dashboard_link", None) or "")


def _leave(client: Any) -> None:
    """Close a client, also one whose scheduler is lost."""
    with contextlib.suppress(Exception):  # what was asked for is done, or has failed by another error
        client.close(timeout=ENDING)


def _end(cluster: Any) -> None:
    """End what was started here, also workers that do not answer."""
    with contextlib.suppress(Exception):
        cluster.close(timeout=ENDING)
    for process in multiprocessing.active_children():
        if process.name.startswith(PROCESS):
            process.kill()


def _local(count: int) -> Any:
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
            preload="meagraph.workers.undisturbed",
        )
    except (OSError, RuntimeError) as error:
        raise MEAGraphError(
            f"Expected {count} workers to start, but they did not ({error}). Ask for fewer, or do without; a script "
            "that asks for them must do so below 'if __name__ == \"__main__\":'."
        ) from error


def _slurm(path: Path) -> Any:
    settings = read_slurm(path)
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise MEAGraphError(f"--slurm needs dask-jobqueue, which is not installed. {INSTALL}.") from error
    if shutil.which("sbatch") is None:
        raise MEAGraphError("--slurm expects the command 'sbatch' of Slurm, which is not here. Give --workers instead.")
    jobs = int(settings.pop("jobs", 1))
    try:
        cluster = SLURMCluster(**settings)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise MEAGraphError(f"{path}: expected settings that SLURMCluster takes, but it says: {error}") from error

    async def submitted() -> None:  # as cluster.scale does, which says nothing of jobs that Slurm refuses
        while len(cluster.worker_spec) < jobs:
            cluster.worker_spec.update(cluster.new_worker_spec())
        await cluster._correct_state()

    try:
        cluster.sync(submitted)
    except (OSError, RuntimeError) as error:
        _end(cluster)
        raise MEAGraphError(f"{path}: expected jobs that Slurm takes, but it says: {error}") from error
    return cluster


def read_slurm(path: Path) -> dict[str, Any]:
    """The settings in a file for ``--slurm``. Raises MEAGraphError where it holds none."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MEAGraphError(f"{path}: expected a file of YAML that can be read, but: {error}") from error
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise MEAGraphError(f"{path}: expected lines as 'cores: 32' and 'memory: 64GB'. See docs/cluster.md.")
    if not isinstance(found.get("jobs", 1), int) or found.get("jobs", 1) < 1:
        raise MEAGraphError(f"{path}: expected jobs as a whole number of at least 1, got {found['jobs']!r}.")
    return dict(found)
