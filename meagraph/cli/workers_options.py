"""Options that say who works on the chunks of a large dataset."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import Any


def add_workers(parser: argparse.ArgumentParser) -> None:
    """``--workers``, ``--scheduler`` and ``--slurm``, of which one may be given."""
    group = parser.add_argument_group("workers", "who works on chunks of the data; with the extra 'cluster'")
    group.add_argument("--workers", type=int, metavar="N", help="so many processes of this machine")
    group.add_argument("--scheduler", metavar="ADDRESS", help="the workers of a Dask scheduler, as tcp://host:8786")
    group.add_argument("--slurm", metavar="FILE.yaml", help="jobs under Slurm: their number and what each asks for")


@contextlib.contextmanager
def client_of(options: argparse.Namespace) -> Iterator[Any]:
    """The client that the options ask for, None where they ask for none; where Dask's page is goes to stderr."""
    from meagraph.workers.clients import connected, dashboard

    given = {name: getattr(options, name) for name in ("workers", "scheduler", "slurm")}
    with connected(**given) as client:
        if page := dashboard(client):
            print(f"workers  {page}", file=sys.stderr)
        yield client
