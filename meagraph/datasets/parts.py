"""Extended XYZ in parts, read by several processes or machines into the same arrays as in one go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from meagraph.datasets.columnar import Packing, Structures
from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.frames import FrameSpan, read_frames, scan_frames
from meagraph.progress import Progress
from meagraph.workers import Workers, map_chunks
from meagraph.workers.beside import beside

FROM = 20_000_000  # bytes from which processes repay their start
PART = 8_000_000  # bytes of a part, cut between frames


class Part(NamedTuple):
    """Some frames, one after the other, in a file or, where that is compressed, in its text."""

    file: str
    text: bytes  # empty where the file holds them as they are
    start: int
    end: int
    line: int  # of the first, from 1
    frames: int


class Frames(NamedTuple):
    """What is in a part."""

    structures: Structures
    spans: NDArray[np.int64]  # (s, 2) bytes in the whole text
    lines: NDArray[np.int64]  # (s,) first line in the whole text


def read_parts(
    text: bytes,
    file: Path | None,
    *,
    path: str,
    max_atoms: int,
    as_text: frozenset[str],
    packing: Packing,
    workers: Workers,
    progress: Progress,
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """The frames of a ``text`` of FROM bytes and more into ``packing``; their spans and first lines.

    None where it is shorter, where this machine has one processor and there are no ``workers``, and where a frame has a
    fault: reading in one go says which. ``file`` holds the text as it is; None where it is compressed.
    """
    processes = os.cpu_count() or 1
    if len(text) < FROM or (processes == 1 and not workers.elsewhere):
        return None
    try:
        parts = cut(text, file, path=path, max_atoms=max_atoms)
    except DatasetError:
        return None
    task = partial(read_part, max_atoms=max_atoms, as_text=as_text)
    results: Iterator[Frames | None]
    if workers.elsewhere:
        told = partial(_in_words, path)
        results = map_chunks(
            task, parts, workers, told=told, progress=lambda done, total, message: progress(0, 1, message or path)
        )
    else:
        results = beside(task, parts, processes)
    found: list[Frames] = []
    count = 0
    for one, frames in zip(parts, results, strict=True):
        if frames is None:
            return None
        count += one.frames
        found.append(frames)
        progress(one.end, len(text), f"{path}: {count:,} frames read")
    for frames in found:
        packing.extend(frames.structures)
    return np.concatenate([one.spans for one in found]), np.concatenate([one.lines for one in found])


def cut(text: bytes, file: Path | None, *, path: str, max_atoms: int) -> list[Part]:
    """The parts of a ``text``. Raises DatasetError at the first frame that cannot be told from the next."""
    frames = list(scan_frames(text, path=path, max_atoms=max_atoms))
    begin = np.array([span.start for span in frames])
    first = np.flatnonzero(np.diff(begin // PART, prepend=-1))
    parts = []
    for at, following in zip(first, [*first[1:], len(frames)], strict=True):
        span, end = frames[at], frames[following - 1].end
        held = text[span.start : end] if file is None else b""
        parts.append(Part(os.fspath(file or path), held, span.start, end, span.line, int(following - at)))
    return parts


def _in_words(path: str, part: Part) -> str:
    return f"{path}, the {part.frames:,} frames from line {part.line:,} on"


def read_part(part: Part, *, max_atoms: int, as_text: frozenset[str]) -> Frames | None:
    """A task: the frames of a part; None where one has a fault."""
    text = part.text
    if not text:
        with open(part.file, "rb") as stream:
            stream.seek(part.start)
            text = stream.read(part.end - part.start)
    packing = Packing()
    spans: list[FrameSpan] = []
    for span, atoms in read_frames(text, path=part.file, max_atoms=max_atoms, as_text=as_text):
        if not isinstance(atoms, Atoms):
            return None
        packing.add(atoms)
        spans.append(span)
    if len(spans) != part.frames:
        return None
    places = np.array([(span.start, span.end) for span in spans], dtype=np.int64).reshape(-1, 2)
    lines = np.array([span.line for span in spans], dtype=np.int64)
    return Frames(packing.structures(), places + part.start, lines + part.line - 1)
