"""The frames of an export: copied from their sources by tasks and joined in order, or written anew."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset, DatasetError
from meagraph.datasets.compressed import DECOMPRESS, unreadable
from meagraph.datasets.shared import frames_in_words
from meagraph.datasets.storage import SourceTexts
from meagraph.datasets.writing import format_frame
from meagraph.exports.target import ExportError
from meagraph.files import sha256_file, stored_in
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, Workers, map_chunks

CHUNK = 2**24  # bytes of frames that a task copies
ANEW = 200  # frames written anew between two reports of progress


@dataclass(frozen=True, eq=False)
class Piece:
    """Kept structures of one source, one after the other."""

    rows: NDArray[np.int64]  # (k,) structures
    file: str  # from which tasks can copy their frames; empty where this process must make them
    spans: NDArray[np.int64]  # (k, 2) bytes of it
    entries: tuple[str, ...] | None  # (k,) that stand at the end of each frame's second line


def written_anew(dataset: AtomicDataset) -> set[int]:
    """The sources whose file is gone while a folder of arrays stands for it."""
    return {index for index, source in enumerate(dataset.sources) if source.stored and stored_in(source.path) is None}


def write_structures(
    stream: IO[bytes],
    dataset: AtomicDataset,
    kept: np.ndarray,
    *,
    entries: Sequence[str] | None = None,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> list[str]:
    """Write the ``kept`` (S,) structures as extended XYZ; return the names of entries that this could not hold.

    Frames of extended XYZ are copied byte for byte, those of files that are neither compressed nor in an archive by
    ``workers`` that see the file; with ``entries`` (S,), such as ``split=train``, one stands at the end of each frame's
    second line. Raises ExportError where a source has changed since it was read, which is looked at once all is copied,
    and DatasetError where one cannot be read any more.
    """
    rows = np.flatnonzero(kept)
    pieces = list(_pieces(dataset, rows, entries))
    lost: set[str] = set()
    written = 0

    def tell(done: int = 0, total: int = 0, message: str = "") -> None:
        progress(written, len(rows), message or f"{written:,} of {len(rows):,} structures written")

    whole = True  # whether what was written last ends with a line break, which the last frame of a file may lack
    copies = map_chunks(
        copied,
        (piece for piece in pieces if piece.file),
        workers,
        told=lambda piece: frames_in_words(dataset, piece.rows),
        progress=tell,
    )
    with SourceTexts(max_bytes=sys.maxsize) as texts:  # they were read already, within the limits of the reader
        own = _Own(dataset, texts)
        for piece in pieces:
            tell()
            if piece.file:
                found = next(copies)
                text = _copied(piece) if found is None else found.tobytes()  # the file may lie on this machine alone
            else:
                text, missing = own.frames(piece)
                lost.update(missing)
            if not whole:
                stream.write(b"\n")
            stream.write(text)
            whole = text.endswith(b"\n")
            written += len(piece.rows)
    _check_unchanged(dataset, {piece.file for piece in pieces if piece.file}, workers, tell)
    progress(len(rows), len(rows), f"{len(rows):,} structures written")
    return sorted(lost)


def _pieces(dataset: AtomicDataset, rows: NDArray[np.int64], entries: Sequence[str] | None) -> Iterator[Piece]:
    """The structures ``rows`` (k,) in order, cut where the source changes and after about CHUNK bytes."""
    if len(rows) == 0:
        return
    source, spans = dataset.source_index[rows], np.asarray(dataset.frame_span[rows], dtype=np.int64)
    copied = (spans[:, 0] >= 0) & ~np.isin(source, list(written_anew(dataset)))
    size = np.where(copied, spans[:, 1] - spans[:, 0], CHUNK // ANEW)
    cuts = np.diff(source) != 0
    cuts |= np.diff(copied) != 0
    cuts |= np.diff(np.cumsum(size) // CHUNK) != 0
    for some in np.split(np.arange(len(rows)), np.flatnonzero(cuts) + 1):
        path = dataset.sources[source[some[0]]].path
        lent = copied[some[0]] and Path(path).suffix.lower() not in DECOMPRESS and stored_in(path) in (None, Path(path))
        said = None if entries is None else tuple(entries[row] for row in rows[some].tolist())
        yield Piece(rows[some], path if lent else "", spans[some], said)


def copied(piece: Piece) -> NDArray[np.uint8] | None:
    """A task: the frames of a piece, as :func:`_joined` joins them; None where its file cannot be read from there."""
    try:
        return np.frombuffer(_copied(piece), dtype=np.uint8)
    except DatasetError:
        return None


def _copied(piece: Piece) -> bytes:
    frames = []
    try:
        with open(piece.file, "rb") as stream:
            for start, end in piece.spans.tolist():
                stream.seek(start)
                frames.append(stream.read(end - start))
    except OSError as error:
        raise unreadable(Path(piece.file), piece.file, error) from error
    return _joined(frames, piece.entries)


def checksum(file: str) -> str | None:
    """A task: SHA-256 of a source; None where it cannot be read from there."""
    try:
        return sha256_file(file)
    except OSError:
        return None


class _Own:
    """The frames of pieces that no task makes."""

    def __init__(self, dataset: AtomicDataset, texts: SourceTexts) -> None:
        self.dataset, self.texts = dataset, texts
        self._loaded, self._text = -1, b""
        self._anew = written_anew(dataset)

    def frames(self, piece: Piece) -> tuple[bytes, list[str]]:
        """Joined, and the names of entries that they could not hold."""
        index = int(self.dataset.source_index[piece.rows[0]])
        if piece.spans[0, 0] < 0 or index in self._anew:
            found = [format_frame(self.dataset.structures[row]) for row in piece.rows.tolist()]
            lost = sorted({name for _, missing in found for name in missing})
            return _joined([frame for frame, _ in found], piece.entries), lost
        if self._loaded != index:
            source = self.dataset.sources[index]
            self._loaded, (self._text, now) = index, self.texts.read(source.path)
            if now != source.sha256:
                raise _changed(source.path, source.sha256, now)
        return _joined([self._text[start:end] for start, end in piece.spans.tolist()], piece.entries), []


def _joined(frames: Sequence[bytes], entries: Sequence[str] | None) -> bytes:
    """One text of all, each but the last ended by a line break, and with its entry where there are ``entries``."""
    if entries is not None:
        frames = [_with_entry(frame, entry) for frame, entry in zip(frames, entries, strict=True)]
    *before, last = frames
    return b"".join([*(frame if frame.endswith(b"\n") else frame + b"\n" for frame in before), last])


def _with_entry(frame: bytes, entry: str) -> bytes:
    """A frame of extended XYZ with one more entry in its second line."""
    count, first, after = frame.partition(b"\n")
    comment, second, rest = after.partition(b"\n")
    end = b"\r" if comment.endswith(b"\r") else b""
    return b"".join([count, first, comment.removesuffix(end), b" ", entry.encode(), end, second, rest])


def _check_unchanged(dataset: AtomicDataset, files: set[str], workers: Workers, progress: Progress) -> None:
    """Raise ExportError unless the ``files`` are still as they were read."""
    sources = {source.path: source.sha256 for source in dataset.sources if source.path in files}
    sums = map_chunks(checksum, sources, workers, progress=progress)
    for (path, before), seen in zip(sources.items(), sums, strict=True):
        now = sha256_file(path) if seen is None else seen
        if now != before:
            raise _changed(path, before, now)


def _changed(path: str, before: str, now: str) -> ExportError:
    return ExportError(
        f"{path}: expected the file as it was read (SHA-256 {before[:12]}...), but it changed since "
        f"({now[:12]}...). Read it again and repeat the pruning, or restore the file."
    )
