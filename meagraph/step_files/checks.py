"""A file made from something else than the step is given is refused: names, details, origins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meagraph.errors import MEAGraphError
from meagraph.files import sha256_file


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


def claim_details(path: str | Path, kind: str) -> Path:
    """The .json beside ``path``; MEAGraphError where one of another kind than ``kind`` stands there already."""
    beside = Path(path).with_suffix(".json")
    if beside.is_file():
        try:
            found = json.loads(beside.read_text(encoding="utf-8")).get("format")
        except (ValueError, AttributeError):
            found = None
        if found != kind:
            raise MEAGraphError(
                f"{beside}: expected to write the details of {Path(path).name} there, but it belongs to another file. "
                "Choose another name or folder."
            )
    return beside


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
        details = json.loads(beside.read_text(encoding="utf-8"))
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
