"""The data of a project: where its files were, what they held, and where they lie now."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meagraph.datasets import AtomicDataset
from meagraph.datasets.dataset import Source
from meagraph.datasets.storage import stored_sha256
from meagraph.datasets.store import HEADER, open_store, write_store
from meagraph.files import read_json, sha256_file, stored_in, way_to, write_json
from meagraph.pipeline.opening import open_with_known
from meaviz.session.data import Asked

MOST = 20_000  # files that are looked at below a folder


@dataclass(frozen=True)
class Reference:
    """One file of the data."""

    path: str  # absolute, where it was last
    sha256: str
    format: str
    beside: str  # the way to it from the folder that holds the project; empty where there is none
    size: int  # bytes of a single file; 0 of what is none


def _reference(source: Source, folder: Path) -> Reference:
    path = os.path.abspath(source.path)
    size = os.path.getsize(path) if os.path.isfile(path) else 0
    return Reference(path, source.sha256, source.format, way_to(path, folder), size)


@dataclass(frozen=True)
class Whereabouts:
    """Where the files of a project are now."""

    at: Mapping[str, str]  # by the path that they had, of those found
    missing: tuple[str, ...]  # paths that they had
    changed: tuple[str, ...]  # of these, those where another content lies now


def find(
    wanted: Sequence[Reference], project: Path, folders: Sequence[str | Path] = (), *, within: Path | None = None
) -> Whereabouts:
    """Look for files by their content: where they were, beside the project, in ``folders`` under any name.

    With ``within`` none outside of that folder counts.
    """
    at: dict[str, str] = {}
    changed = []
    places = [project.parent, *map(Path, folders)]
    for one in wanted:
        for path in _candidates(one, project, places):
            if stored_in(path) is None or not _inside(path, within):
                continue
            if stored_sha256(path, one.format) == one.sha256:
                at[one.path] = str(path)
                break
            if str(path) == one.path:
                changed.append(one.path)
    lost = [one for one in wanted if one.path not in at]
    if lost and folders:
        at |= _by_content(lost, [Path(folder) for folder in folders], within)
    missing = tuple(one.path for one in wanted if one.path not in at)
    return Whereabouts(at, missing, tuple(path for path in changed if path in missing))


def referred(dataset: AtomicDataset, project: Path) -> dict[str, Any]:
    """Keep a copy of ``dataset`` as arrays in the folder ``project``, unless it is there; return what is said of it."""
    store = _store(dataset.fingerprint)
    about = project / f"{store}.json"
    if not (project / store / HEADER).is_file() or not about.is_file():
        lost = write_store(dataset, project / store, overwrite=True)
        write_json(about, {"lost": lost})
    return {
        "store": store,
        "lost": read_json(about)["lost"],
        "fingerprint": dataset.fingerprint,
        "sources": [vars(_reference(one, project.parent)) for one in dataset.sources if one.path],
    }


def _store(fingerprint: str) -> str:
    """The name of the copy of data of this content. Raises ValueError for what is no fingerprint."""
    if not fingerprint.isalnum():
        raise ValueError(f"{fingerprint!r} is no fingerprint of data")
    return f"data-{fingerprint[:16]}.meadata"


def asked_for(data: Mapping[str, Any], where: Whereabouts, within: Path | None) -> Asked | None:
    """What was opened, where it is now; None where some of it lies outside of ``within``, whoever wrote the project."""
    paths, known = ([where.at.get(str(path), str(path)) for path in given] for given in (data["paths"], _known(data)))
    if not all(_inside(path, within) for path in (*paths, *known)):
        return None
    reading = {name: tuple(value) if isinstance(value, list) else value for name, value in data["reading"].items()}
    return Asked(tuple(paths), {**reading, "known": tuple(known)} if known else reading)


def _known(data: Mapping[str, Any]) -> list[str]:
    """The paths of what was known beside the data."""
    found = data["reading"].get("known") or []
    return [found] if isinstance(found, str) else list(found)


def open_referred(data: Mapping[str, Any], project: Path, where: Whereabouts, asked: Asked | None) -> AtomicDataset:
    """The dataset of which :func:`referred` said ``data``, with its files where they are now.

    What no array can hold is read from the files themselves, as ``asked``, if they are all there. Raises ValueError
    where it is not the dataset that it was.
    """
    if data["store"] != _store(data["fingerprint"]):
        raise ValueError(f"{data['store']!r} is no name of its data")
    folder = project / data["store"]
    if data["lost"] and not where.missing and asked is not None:
        dataset = open_with_known(asked.paths, **{"on_error": "quarantine", **asked.reading})
    else:
        header = read_json(folder / HEADER)
        given = {path: os.path.abspath(path) for path in (str(one["path"]) for one in header["sources"]) if path}
        dataset = open_store(folder, at={path: where.at[whole] for path, whole in given.items() if whole in where.at})
    if dataset.fingerprint != data["fingerprint"]:
        raise ValueError("its data is not what was analysed")
    return dataset


def _candidates(one: Reference, project: Path, places: Sequence[Path]) -> Iterator[Path]:
    yield Path(one.path)
    if one.beside:
        yield Path(os.path.normpath(project.parent / one.beside))
    parts = Path(one.path).parts
    for place in places:
        yield place if place.name == parts[-1] else place / parts[-1]
        if len(parts) > 2:
            yield place / parts[-2] / parts[-1]


def _inside(path: str | Path, within: Path | None) -> bool:
    return within is None or Path(path).resolve().is_relative_to(within.resolve())


def _by_content(lost: Sequence[Reference], folders: Sequence[Path], within: Path | None) -> dict[str, str]:
    """Files of the same size below ``folders`` that hold what is looked for."""
    found: dict[str, str] = {}
    sizes = {one.size for one in lost} - {0}
    seen = 0
    for folder in folders:
        for here, _, names in os.walk(folder):
            for name in names:
                seen += 1
                if seen > MOST:
                    return found
                path = os.path.join(here, name)
                if not os.path.isfile(path) or os.path.getsize(path) not in sizes or not _inside(path, within):
                    continue
                digest = sha256_file(path)
                found |= {one.path: path for one in lost if one.sha256 == digest}
    return found


def read_references(texts: Sequence[Mapping[str, Any]]) -> tuple[Reference, ...]:
    """What :func:`referred` wrote. Raises ValueError or TypeError for anything else."""
    found = tuple(Reference(**one) for one in texts)
    for one in found:
        if not all(isinstance(part, str) for part in (one.path, one.sha256, one.format, one.beside)):
            raise ValueError("a reference to data that is no text")
    return found
