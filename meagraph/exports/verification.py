"""Check an export against its manifest and its sources: every byte, every frame, every count."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.frames import FrameSpan, read_frames, scan_frames
from meagraph.datasets.storage import SourceTexts, stored_sha256
from meagraph.errors import MEAGraphError
from meagraph.exports.differences import frame_difference
from meagraph.exports.formats.folders import folder_problems
from meagraph.exports.index import BadIndex, Row, count_problems, read_index
from meagraph.exports.manifest import MANIFEST_KIND, MANIFEST_VERSION
from meagraph.files import read_json, sha256_file, stored_in, writable_text

MANIFEST = "manifest.json"
NO_FILE = ("memory", "meadata")  # formats of sources that no file is compared with


def verify(export: str | Path, *, need_sources: bool = False) -> list[str]:
    """Compare an export, its folder or its manifest, with itself and, where they can be reached, with its sources.

    Checks size and hash of every output; that the index says nothing that cannot be, and the manifest counts what it
    says; that each kept frame is byte for byte the frame of the extended XYZ source that the index names, and that the
    others are there, too; and the hashes of all sources. Sources that are no longer there are passed over, unless
    ``need_sources`` asks for them.

    Returns:
        The differences in plain words, each with file, frame or line, and field, the most telling first; none means
        that all is well.
    """
    path = Path(export)
    path = path / MANIFEST if path.is_dir() else path
    try:
        manifest = read_json(path)
        if (manifest["kind"], manifest["version"]) != (MANIFEST_KIND, MANIFEST_VERSION):
            return [f"{path}: expected a manifest of version {MANIFEST_VERSION}, but this is another file."]
        # Names only: a manifest from elsewhere must not point out of its own folder.
        outputs = {path.parent / Path(entry["file"]).name: entry for entry in manifest["outputs"]}
        changed = [text for file, entry in outputs.items() for text in _output_problems(file, entry)]
        if any(not file.is_file() for file in outputs):
            return changed
        structures, index, *_ = outputs  # report and recipe may follow
        found = list(_content_problems(manifest, path, structures, index, need_sources=need_sources))
        return [*found, *changed, *folder_problems(path.parent, manifest.get("formats", []))]
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


def _output_problems(file: Path, entry: Mapping[str, Any]) -> Iterator[str]:
    if not file.is_file():
        yield f"{file}: expected the file that the manifest names, but it is missing."
    elif (size := file.stat().st_size) != entry["bytes"]:
        yield f"{file}: expected {entry['bytes']:,} bytes, but it has {size:,}: the file has changed since the export."
    elif sha256_file(file) != entry["sha256"]:
        yield f"{file}: expected SHA-256 {entry['sha256']}, but the file has changed since the export."


def _content_problems(
    manifest: Mapping[str, Any], path: Path, structures: Path, index: Path, *, need_sources: bool
) -> Iterator[str]:
    try:
        rows = read_index(index)
    except BadIndex as error:
        yield str(error)
        return
    written = structures.read_bytes()
    try:
        spans = list(scan_frames(written, path=str(structures), max_atoms=sys.maxsize))
    except DatasetError as error:
        yield str(error)
        return
    kept = [row for row in rows if row.kept]
    if len(kept) != len(spans):
        yield f"{structures}: expected {len(kept)} frames as the index says, but it has {len(spans)}."
    for number, (row, span) in enumerate(zip(kept, spans, strict=False)):
        if row.n_atoms != span.n_atoms:
            yield (
                f"{structures}, frame {number} (counting from 0), the number of atoms: expected {row.n_atoms}, as the "
                f"index has it for structure {row.structure}, but came {span.n_atoms}."
            )
            break
    if len(kept) == len(spans):
        frames = list(zip(kept, (written[span.start : span.end] for span in spans), strict=True))
        with SourceTexts(max_bytes=sys.maxsize) as texts:
            for source in manifest["sources"]:
                aside = Counter(one["path"] for one in manifest["quarantined"])[source["path"]]
                yield from _source_problems(
                    source, path, texts, structures, rows, frames, aside=aside, need_sources=need_sources
                )
    yield from count_problems(rows, manifest, path)


def _source_problems(
    source: Mapping[str, Any],
    path: Path,
    texts: SourceTexts,
    structures: Path,
    rows: Sequence[Row],
    frames: Sequence[tuple[Row, bytes]],
    *,
    aside: int,
    need_sources: bool,
) -> Iterator[str]:
    """Where the frames kept of one source are not its frames, and the others are not there."""
    file = reachable(source, path.parent)
    if file is None:
        if need_sources and source["format"] not in NO_FILE:
            named = source["path"] or "structures from memory"
            yield f"{named}: expected the source, but it is not there: its frames cannot be proven. Bring it back."
        return
    if source["format"] != "extxyz":
        now = None if source["format"] in NO_FILE else stored_sha256(file, source["format"])
        if now is not None and now != source["sha256"]:
            yield f"{file}: expected SHA-256 {source['sha256']}, but the source has changed since the export."
        return
    text, sha256 = texts.read(file)
    if sha256 != source["sha256"]:
        yield f"{file}: expected SHA-256 {source['sha256']}, but the source has changed since the export."
        return
    if source.get("known"):
        return
    mine = [row for row in rows if row.source == writable_text(source["path"])]
    spans = _spans(text, str(file), aside)
    if len(spans) != source["frames"] or len(spans) < len(mine) + aside:
        yield (
            f"{path}, sources: expected {len(spans)} frames of {file}, as it has, but the manifest has "
            f"{source['frames']}, the index {len(mine)}, and {aside} were set aside."
        )
    for row in mine:
        if row.frame >= len(spans) or spans[row.frame].n_atoms != row.n_atoms:
            there = f"{spans[row.frame].n_atoms} atoms" if row.frame < len(spans) else "no such frame"
            yield (
                f"{structures.name}: expected structure {row.structure} of the index to be frame {row.frame} of {file} "
                f"with {row.n_atoms} atoms, but there is {there}."
            )
            return
    for number, (row, written) in enumerate(frames):
        if row.source == writable_text(source["path"]):
            original = text[spans[row.frame].start : spans[row.frame].end]
            # A file's last frame may lack its line break; the export adds one before another frame.
            if written not in (original, original + b"\n"):
                yield (
                    f"{structures}, frame {number} (counting from 0), {frame_difference(written, original)}. "
                    f"Expected structure {row.structure} to be byte for byte frame {row.frame} of {file}, but it "
                    "differs."
                )


def _spans(text: bytes, path: str, aside: int) -> list[FrameSpan]:
    """The frames of a source; where some cannot be used, as the reader finds the next one."""
    if not aside:
        return list(scan_frames(text, path=path, max_atoms=sys.maxsize))
    return [span for span, _ in read_frames(text, path=path, max_atoms=sys.maxsize)]


def reachable(source: Mapping[str, Any], folder: Path) -> Path | None:
    """Return where a source lies now: as seen from the export, or else as it was named when it was read."""
    if not source["path"]:
        return None
    places = (folder / source["path_from_manifest"], Path(source["path"]))
    return next((place for place in places if stored_in(place) is not None), None)
