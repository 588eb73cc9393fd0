"""Folders of an export in other formats: what is in each stands in a file, by which it is replaced and verified."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from meagraph.datasets import AtomicDataset
from meagraph.exports.target import ExportError
from meagraph.files import is_one_of, read_json, sha256_file, write_json

CONTENTS = "contents.json"
KIND = "meagraph export, one format"
VERSION = 1


def describe(folder: Path, name: str, dataset: AtomicDataset, facts: dict[str, Any]) -> dict[str, Any]:
    """Write what is in ``folder`` into CONTENTS, and return the entry of the export's manifest for it."""
    files: list[dict[str, Any]] = [
        {"file": path.relative_to(folder).as_posix(), "sha256": sha256_file(path), "bytes": path.stat().st_size}
        for path in sorted(path for path in folder.rglob("*") if path.is_file())
    ]
    content = {
        "kind": KIND,
        "version": VERSION,
        "format": name,
        "dataset": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        **facts,
        "files": files,
    }
    write_json(folder / CONTENTS, content)
    total = sum(int(file["bytes"]) for file in files)
    return {
        "format": name,
        "folder": name,
        "contents_sha256": sha256_file(folder / CONTENTS),
        "files": len(files),
        "bytes": total,
        **facts,
    }


def check_folders(dataset: AtomicDataset, directory: Path, names: Iterable[str], *, overwrite: bool) -> None:
    """Whether the folders of these formats may be written in ``directory``.

    What is there already is replaced with ``overwrite`` only, and only where every file in it is as an export left it;
    never a source of the dataset. Raises ExportError.
    """
    for name in names:
        folder = directory / name
        if not os.path.lexists(folder):
            continue
        if not overwrite:
            raise ExportError(
                f"{folder}: expected no folder there, but there is one. Choose another folder, or let it be replaced "
                "(--overwrite, or the tick box in the app)."
            )
        sources = [source.path for source in dataset.sources if source.path]
        inside = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
        if any(is_one_of(place, sources) for place in (folder, *inside)):
            raise ExportError(
                f"{folder}: expected a new folder, but a source of the dataset lies in it. Choose another."
            )
        if (problem := next(_strangers(folder, inside), "")) or folder.is_symlink():
            raise ExportError(
                f"{folder}: expected a folder of an earlier export, but {problem or 'this is a link'}, so it is not "
                "replaced. Move it away, or choose another folder."
            )


def folder_problems(directory: Path, entries: Sequence[Any]) -> Iterator[str]:
    """What is not as the export left it in the folders that a manifest names, in plain words."""
    for entry in entries:
        name = Path(str(entry["folder"])).name  # never out of its own folder
        folder = directory / name
        contents = folder / CONTENTS
        if not contents.is_file():
            yield f"{folder}: expected the folder that the manifest names, but it is missing or has no {CONTENTS}."
        elif sha256_file(contents) != entry["contents_sha256"]:
            yield f"{contents}: expected SHA-256 {entry['contents_sha256']}, but the file has changed since the export."
        else:
            for file, sha256 in (_listed(folder) or {}).items():
                if not (folder / file).is_file():
                    yield f"{folder / file}: expected the file that {CONTENTS} names, but it is missing."
                elif sha256_file(folder / file) != sha256:
                    yield f"{folder / file}: expected SHA-256 {sha256}, but the file has changed since the export."


def _strangers(folder: Path, inside: Sequence[Path]) -> Iterator[str]:
    """Why ``folder`` is not what an export wrote there."""
    known = _listed(folder) if folder.is_dir() else None
    if known is None:
        yield "no list of what an export wrote lies in it"
        return
    for path in inside:
        name = path.relative_to(folder).as_posix()
        if name == CONTENTS:
            continue
        if name not in known:
            yield f"{name} is none of its files"
        elif path.is_symlink() or sha256_file(path) != known[name]:
            yield f"{name} was changed since"


def _listed(folder: Path) -> dict[str, str] | None:
    """SHA-256 of the files that an export wrote into ``folder``; None where no export says so."""
    try:
        content = read_json(folder / CONTENTS)
        if content["kind"] != KIND or content["version"] != VERSION:
            return None
        found = {str(entry["file"]): str(entry["sha256"]) for entry in content["files"]}
    except (OSError, ValueError, LookupError, TypeError):
        return None
    inside = all(not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts for name in found)
    return found if inside else None
