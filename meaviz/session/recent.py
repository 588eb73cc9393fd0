"""What was opened last, over all sessions of a user, in the data home beside the judgements."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meagraph.cache import data_home
from meagraph.errors import MEAGraphError
from meagraph.files import read_json, write_json

MOST = 10


@dataclass(frozen=True)
class Recent:
    """Files that were opened together, and the options that they were read with."""

    paths: tuple[str, ...]  # absolute
    reading: Mapping[str, Any] = field(default_factory=dict)


def recent_path(home: Path | None = None) -> Path:
    """The file of the list in ``home``, by default the user's; ``$MEAVIZ_DATA_HOME`` names another folder."""
    return data_home(home) / "recent.json"


def read_recent(home: Path | None = None) -> tuple[Recent, ...]:
    """What was opened, the latest first. Raises MEAGraphError for a list that cannot be read; it stays as it is."""
    path = recent_path(home)
    if not path.exists():
        return ()
    try:
        entries = read_json(path)["opened"]
        found = tuple(Recent(tuple(map(str, one["paths"])), dict(one["reading"])) for one in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MEAGraphError(
            f"{path}: expected the list of what was opened, but it cannot be read ({error}). Clear the list to start "
            "it afresh."
        ) from error
    return tuple(one for one in found if one.paths)[:MOST]


def add_recent(paths: Sequence[str], reading: Mapping[str, Any], home: Path | None = None) -> tuple[Recent, ...]:
    """Put files on top of the list and write it. Raises MEAGraphError where it cannot be read or written."""
    options = dict(reading)
    if options.get("known"):
        options["known"] = [os.path.abspath(path) for path in options["known"]]
    new = Recent(tuple(os.path.abspath(path) for path in paths), options)
    known = (new, *(one for one in read_recent(home) if one.paths != new.paths))[:MOST]
    _write(known, home)
    return known


def clear_recent(home: Path | None = None) -> tuple[Recent, ...]:
    """Forget what was opened. Raises MEAGraphError where that cannot be written."""
    _write((), home)
    return ()


def _write(entries: Sequence[Recent], home: Path | None) -> None:
    path = recent_path(home)
    content = [{"paths": list(one.paths), "reading": dict(one.reading)} for one in entries]
    try:
        write_json(path, {"opened": content})
    except OSError as error:
        raise MEAGraphError(
            f"{path}: what was opened cannot be written down ({error.strerror or error}). Name another folder in the "
            "environment variable MEAVIZ_DATA_HOME."
        ) from error
