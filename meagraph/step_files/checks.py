"""What a step may read and write: names, details, origins, and what of a user's files it may replace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from meagraph.errors import MEAGraphError
from meagraph.files import from_json, is_one_of, read_arrays, read_json, sha256_file
from meagraph.temporary import tidy


def check_suffix(path: str | Path, *suffixes: str) -> None:
    """Raise MEAGraphError unless ``path`` ends in one of ``suffixes``; for steps to ask before they compute."""
    if Path(path).suffix not in suffixes:
        raise MEAGraphError(f"{path}: expected a name that ends in {' or '.join(suffixes)}. Name the file so.")


def check_made_from(path: str | Path, about: Mapping[str, Any], **made_from: str) -> None:
    """Raise MEAGraphError unless the file at ``path`` was made from files of these SHA-256, by what they are."""
    for name, sha256 in made_from.items():
        came = about.get("made_from", {}).get(name)
        if came != sha256:
            origin = f"from another one (SHA-256 {came[:12]}..., not {sha256[:12]}...)" if came else "without any"
            raise MEAGraphError(
                f"{path}: expected a file made from the given {name}, but it was made {origin}. Make it again from "
                f"this {name}, or give the one it belongs to."
            )


INSTEAD = "Choose another name, or let it be replaced (--overwrite)."


def claim(
    path: str | Path,
    kind: str,
    *,
    inside: bool = False,
    inputs: Iterable[str | Path | None] = (),
    overwrite: bool = False,
    remedy: str = INSTEAD,
) -> Path:
    """Whether a file of this ``kind`` may be written to ``path``, for steps to ask before they compute.

    Its details go into the .json beside it, which is returned, unless they lie ``inside``. What is there already is
    replaced only where we wrote it as a file of this kind, or with ``overwrite``; one of ``inputs``, and a .json of
    another file, never. Raises MEAGraphError, ending in ``remedy`` where that helps.
    """
    target, beside = Path(path), Path(path).with_suffix(".json")
    tidy(target.parent)
    read = [file for file in inputs if file is not None]
    for file in (target,) if inside else (target, beside):
        if is_one_of(file, read):
            raise MEAGraphError(f"{file}: expected a new file, but it is read here. Choose another name or folder.")
        if file.exists() and not file.is_file():
            raise MEAGraphError(f"{file}: expected a file, but this is a folder or a device. Choose another name.")
    details = _details_inside(target) if inside else _details(beside)
    if not inside and beside.exists() and details.get("format") != kind:
        raise MEAGraphError(
            f"{beside}: expected to write the details of {target.name} there, but it belongs to another file. "
            "Choose another name or folder."
        )
    if target.exists() and not overwrite:
        if details.get("format") != kind:
            raise MEAGraphError(f"{target}: expected a new file, but this is another one, not made here. {remedy}")
        if details.get("sha256", "") not in ("", sha256_file(target)):
            raise MEAGraphError(f"{target}: expected a new file, but this one was changed since it was made. {remedy}")
    return beside


def with_details(path: str | Path | None) -> tuple[Path, ...]:
    """A file that is read, and the .json beside it; none for None."""
    return () if path is None else (Path(path), Path(path).with_suffix(".json"))


def _details(beside: Path) -> dict[str, Any]:
    try:
        found = read_json(beside)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _details_inside(path: Path) -> dict[str, Any]:
    """The details within a NumPy archive of ours, none of another file."""
    try:
        return dict(from_json(read_arrays(path)["about"].tobytes()))
    except (OSError, ValueError, KeyError, TypeError, BadZipFile):
        return {}


def details_of(path: Path, kind: str, what: str, step: str) -> dict[str, Any]:
    """The .json beside ``path``, checked to be of this kind and of this very file."""
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise MEAGraphError(
                f"{file} does not exist. Expected {what}, a pair of files {path.name} and {beside.name}, as "
                f"'meagraph {step}' writes it."
            )
    try:
        details = read_json(beside)
        if details.get("format") != kind:
            raise ValueError(f"its format is {details.get('format')!r}, expected {kind!r}")
    except (ValueError, AttributeError) as error:
        raise unusable(beside, what, step, error) from error
    if details.get("sha256") != sha256_file(path):
        raise MEAGraphError(f"{path}: was changed since {beside.name} was written. Run 'meagraph {step}' again.")
    return dict(details)


def unusable(path: Path, what: str, step: str, error: Exception) -> MEAGraphError:
    """What to raise for a file that is not ``what`` it should be."""
    return MEAGraphError(f"{path}: expected {what}, as 'meagraph {step}' writes it: {error}. Make it anew.")
