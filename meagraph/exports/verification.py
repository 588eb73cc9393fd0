"""Check an export against its manifest and its sources."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meagraph.datasets.frames import FrameSpan, scan_frames
from meagraph.datasets.storage import SourceTexts
from meagraph.errors import MEAGraphError
from meagraph.exports.manifest import MANIFEST_KIND, MANIFEST_VERSION
from meagraph.files import read_json, sha256_file, stored_in, writable_text


def verify(manifest_path: str | Path) -> list[str]:
    """Compare an export with its manifest and, where they can be reached, with its sources.

    Checks the hash of every output, and that each kept frame is byte for byte the frame of the extended XYZ
    source that the index names. Sources that are no longer there are passed over.

    Returns:
        The problems in plain words; none means that all is well.
    """
    path = Path(manifest_path)
    try:
        manifest = read_json(path)
        if (manifest["kind"], manifest["version"]) != (MANIFEST_KIND, MANIFEST_VERSION):
            return [f"{path}: expected a manifest of version {MANIFEST_VERSION}, but this is another file."]
        # Names only: a manifest from elsewhere must not point out of its own folder.
        outputs = {path.parent / Path(entry["file"]).name: entry["sha256"] for entry in manifest["outputs"]}
        problems = [text for file, sha256 in outputs.items() for text in _output_problems(file, sha256)]
        if problems:
            return problems
        structures, index, *_ = outputs  # a report may follow
        return list(_frame_problems(manifest["sources"], path.parent, structures, index))
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
        csv.Error,
        MEAGraphError,
    ) as error:
        return [f"{path}: expected a readable export, but that failed ({type(error).__name__}: {error})."]


def _output_problems(file: Path, sha256: str) -> Iterator[str]:
    if not file.is_file():
        yield f"{file}: expected the file that the manifest names, but it is missing."
    elif sha256_file(file) != sha256:
        yield f"{file}: expected SHA-256 {sha256}, but the file has changed since the export."


def _frame_problems(sources: list[dict[str, Any]], folder: Path, structures: Path, index: Path) -> Iterator[str]:
    written = structures.read_bytes()
    spans = list(scan_frames(written, path=str(structures), max_atoms=sys.maxsize))
    with _long_fields(), open(index, newline="", encoding="utf-8") as stream:
        kept = [row for row in csv.DictReader(stream) if row["kept"] == "1"]
    if len(kept) != len(spans):
        yield f"{structures}: expected {len(kept)} frames as the index says, but it has {len(spans)}."
        return
    with SourceTexts(max_bytes=sys.maxsize) as texts:
        for source in sources:
            yield from _source_problems(source, folder, texts, structures, written, list(zip(kept, spans, strict=True)))


def _source_problems(
    source: dict[str, Any],
    folder: Path,
    texts: SourceTexts,
    structures: Path,
    written: bytes,
    kept: list[tuple[dict[str, str], FrameSpan]],
) -> Iterator[str]:
    """Where the frames kept of one extended XYZ source are not its frames."""
    file = _reachable(source, folder)
    if file is None or source["format"] != "extxyz":
        return
    text, sha256 = texts.read(file)
    if sha256 != source["sha256"]:
        yield f"{file}: expected SHA-256 {source['sha256']}, but the source has changed since the export."
        return
    originals = list(scan_frames(text, path=str(file), max_atoms=sys.maxsize))
    for row, span in kept:
        if row["source"] == writable_text(source["path"]):
            original = originals[int(row["frame"])]
            frame = text[original.start : original.end]
            # A file's last frame may lack its line break; the export adds one before another frame.
            if written[span.start : span.end] not in (frame, frame + b"\n"):
                yield (
                    f"{structures}: expected structure {row['structure']} to be byte for byte frame "
                    f"{row['frame']} of {file}, but it differs."
                )


def _reachable(source: dict[str, Any], folder: Path) -> Path | None:
    """Return where a source lies now: as seen from the export, or else as it was named when it was read."""
    if not source["path"]:
        return None
    places = (folder / source["path_from_manifest"], Path(source["path"]))
    return next((place for place in places if stored_in(place) is not None), None)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let the csv module read lists of atoms of any length."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
