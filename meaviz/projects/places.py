"""Where work without a name is kept: in the user's data folder, a project for each thing that was opened."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from meagraph.cache import content_key, data_home
from meagraph.datasets.storage import stored_sha256
from meagraph.files import read_json
from meaviz.projects.layout import STATE, SUFFIX

MOST_FILES = 1_000_000  # of the data of a project that are listed
MOST = 20  # projects without a name that are kept, the latest


def unnamed_folder(home: Path | None = None) -> Path:
    """The folder of projects without a name in ``home``, by default the user's; ``$MEAVIZ_DATA_HOME`` names another."""
    return data_home(home) / "unnamed"


def unnamed_path(
    paths: Sequence[str | Path], reading: Mapping[str, Any], number: int = 1, *, home: Path | None = None
) -> Path:
    """The project of what is opened as ``paths`` with the options ``reading``; ``number`` 2 where 1 is in use."""
    request = {
        "paths": [os.path.abspath(path) for path in paths],
        "reading": {name: value for name, value in sorted(reading.items()) if value},
    }
    last = f"-{number}" if number > 1 else ""
    return unnamed_folder(home) / f"{content_key(request)}{last}{SUFFIX}"


@dataclass(frozen=True)
class Unnamed:
    """A project without a name."""

    path: Path
    data: str  # what was opened, in a few words
    saved: str  # when it was saved last, ISO 8601


def unnamed(home: Path | None = None) -> tuple[Unnamed, ...]:
    """The projects without a name, the latest first; what cannot be read is left out."""
    found = []
    for state in unnamed_folder(home).glob(f"*{SUFFIX}/{STATE}"):
        try:
            content = read_json(state)
            paths = [Path(path).name for path in content["data"]["paths"]]
            more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
            found.append(Unnamed(state.parent, f"{paths[0]}{more}", str(content["saved"])))
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return tuple(sorted(found, key=lambda one: one.saved, reverse=True))


def fits_data(project: Path) -> bool:
    """Whether the files that a project without a name was made from hold the same today, and none was added."""
    try:
        data = read_json(project / STATE)["data"]
        same = all(stored_sha256(one["path"], one["format"]) == one["sha256"] for one in data["sources"])
        return same and files_of(data["paths"]) == data["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def files_of(paths: Sequence[str]) -> list[str]:
    """What there is under folders and patterns, so that a file that was added is seen; of a whole disk only that."""
    found = list(islice(_files(paths), MOST_FILES + 1))
    return sorted(found) if len(found) <= MOST_FILES else [f"more than {MOST_FILES:,} files"]


def _files(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        for one in glob.iglob(path, recursive=True) if glob.has_magic(path) and not os.path.exists(path) else [path]:
            if os.path.isdir(one):
                yield from (os.path.join(here, name) for here, _, names in os.walk(one) for name in names)
            else:
                yield one


def put_aside(project: Path) -> Path | None:
    """Give a project another name, for its data has changed; None where it cannot be moved."""
    for number in range(1, 1000):
        aside = project.with_name(f"{project.stem}-before-{number}{SUFFIX}")
        if not aside.exists():
            with suppress(OSError):
                project.rename(aside)
                return aside
            return None
    return None


def tidy(keep: Path) -> None:
    """Remove the oldest projects without a name, but for ``keep``, where there are more than MOST."""
    with suppress(OSError):
        there = [one for one in keep.parent.glob(f"*{SUFFIX}") if one != keep and (one / STATE).is_file()]
        there.sort(key=lambda one: (one / STATE).stat().st_mtime, reverse=True)
        for one in there[MOST - 1 :]:
            shutil.rmtree(one, ignore_errors=True)
