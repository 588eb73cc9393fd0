"""Read files, compressed or not, of any harmless format that ASE knows."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import ase.io
import numpy as np
from ase import Atoms
from ase.io.formats import IOFormat, UnknownFileTypeError, filetype, ioformats

from meagraph.datasets.dataset import AtomicDataset, DatasetError, Quarantined, Source, check_atom_count, describe_frame
from meagraph.datasets.frames import FrameSpan, read_frames
from meagraph.datasets.labels import Keys
from meagraph.datasets.structures import dataset_from_structures
from meagraph.progress import Progress, part, silent

EXTXYZ_SUFFIXES = (".xyz", ".extxyz", ".exyz")
DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".gzip": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}
PICKLED_SUFFIXES = (".pkl", ".pckl", ".pickle", ".npy", ".npz", ".pt", ".pth", ".joblib")
REFUSED_FORMATS = {
    "py": "it is Python code, which would have to be run",
    "bundletrajectory": "it is a folder that may hold pickled objects",
    "postgresql": "it is a database server, not a file",
    "mysql": "it is a database server, not a file",
}
REPORT_BYTES = 200_000
REPORT_FRAMES = 32


def read_dataset(
    paths: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,
    energy_key: Keys = None,
    forces_key: Keys = None,
    stress_key: Keys = None,
    stress_unit: str | None = None,
    group_key: str = "config_type",
    allow_unlabelled: bool = False,
    on_error: str = "stop",
    max_atoms: int = 50_000,
    progress: Progress = silent,
) -> AtomicDataset:
    """Read one file or several into one dataset, in the order given.

    Extended XYZ keeps the byte range of every frame, so that an export can copy frames unchanged; every other
    format is read through ASE. A trailing ``.gz``, ``.bz2`` or ``.xz`` is decompressed first. Nothing is
    unpickled, run or fetched.

    Args:
        paths: the files; the same file twice is refused.
        format: ASE's name of the format of all files; by default each file's name and content decide.
        energy_key: name or names (tried in order) of the energy, eV per structure; by default the labels of a file
            come from one family of usual names, as REF_energy, REF_forces and REF_virials (:mod:`.names`).
        forces_key: the same for the forces, eV/Å.
        stress_key: the same for stress, or virial in eV.
        stress_unit: unit of the stress, one of :data:`meagraph.datasets.stress.UNITS`; by default eV/Å³, unless the
            entry's name, the energies or its size say another.
        group_key: entry of ``info`` that names a structure's group; the text of the file is its name.
        allow_unlabelled: keep frames without energy or forces, with NaN in their place.
        on_error: "stop" at the first frame that cannot be used, or set such frames aside in "quarantine".
        max_atoms: the largest frame that is accepted.
        progress: called with thousandths of the work.

    Raises:
        DatasetError: a file or frame is unusable; nothing is returned then.
        Cancelled: ``progress`` raised it.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files = [Path(path) for path in given]
    _check_files(files)
    sizes = np.array([file.stat().st_size for file in files], dtype=float)
    shares = np.concatenate([[0.0], np.cumsum(sizes) / sizes.sum()])
    as_text = frozenset({group_key, "config_type"})
    found: list[_Frames] = []
    sources: list[Source] = []
    for index, file in enumerate(files):
        report = part(progress, shares[index], shares[index + 1])
        source, frames = _read_file(file, str(given[index]), format, max_atoms, as_text, report)
        if frames.quarantined and on_error == "stop":
            raise DatasetError(frames.quarantined[0].cause)
        found.append(frames)
        sources.append(source)
    quarantined = [frame for frames in found for frame in frames.quarantined]
    structures = [atoms for frames in found for atoms in frames.structures]
    if not structures and quarantined:
        raise DatasetError(f"None of the {len(quarantined):,} frames can be used. The first: {quarantined[0].cause}")
    if len(structures) == 1:
        raise DatasetError(
            f"{sources[0].path}: expected at least two structures, but there is one frame only. Give a file "
            "with several structures, or several files."
        )
    return dataset_from_structures(
        structures,
        name=_dataset_name(files),
        sources=tuple(sources),
        source_index=np.repeat(np.arange(len(sources)), [len(frames.structures) for frames in found]),
        frame_index=np.concatenate([frames.frames for frames in found]),
        frame_span=np.concatenate([frames.spans for frames in found]),
        frame_line=np.concatenate([frames.lines for frames in found]),
        quarantined=quarantined,
        energy_key=energy_key,
        forces_key=forces_key,
        stress_key=stress_key,
        stress_unit=stress_unit,
        group_key=group_key,
        allow_unlabelled=allow_unlabelled,
        on_error=on_error,
        max_atoms=max_atoms,
    )


class _Frames(NamedTuple):
    """What one file holds."""

    structures: list[Atoms]
    frames: np.ndarray  # (s,) number of each structure's frame in the file
    spans: np.ndarray  # (s, 2) its bytes, -1 where the file is no extended XYZ
    lines: np.ndarray  # (s,) its first line, from 1; 0 where there are none
    quarantined: list[Quarantined]


def source_text(path: str | Path) -> tuple[bytes, str]:
    """Return the decompressed bytes of a file and the SHA-256 of its bytes as stored.

    Raises :class:`DatasetError` where the file cannot be read or its compression is broken.
    """
    try:
        stored = Path(path).read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path}: expected a file that can be read, but that failed ({error.strerror}). "
            "Check that it exists and its permissions."
        ) from error
    digest = hashlib.sha256(stored).hexdigest()
    decompress = DECOMPRESS.get(Path(path).suffix.lower())
    if decompress is None:
        return stored, digest
    try:
        return decompress(stored), digest
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DatasetError(
            f"{path}: expected a whole {Path(path).suffix} file, but it cannot be decompressed ({error}). "
            "Copy the file again, or rename it if it is not compressed."
        ) from error


def _check_files(files: list[Path]) -> None:
    if not files:
        raise DatasetError("Expected at least one file, but none was given. Name the files to read.")
    seen: dict[str, Path] = {}
    for file in files:
        if not file.exists():
            raise DatasetError(f"{file}: expected a file, but there is none of this name. Check the path.")
        if not file.is_file():
            raise DatasetError(f"{file}: expected a file, but this is a directory or device. Name the files in it.")
        if file.stat().st_size == 0:
            raise DatasetError(f"{file}: expected structures, but the file is empty. Give another file.")
        real = os.path.realpath(file)
        if real in seen:
            raise DatasetError(
                f"{file}: expected different files, but this one is the same as {seen[real]}. Name each file once."
            )
        seen[real] = file


def _read_file(
    file: Path, path: str, format: str | None, max_atoms: int, as_text: frozenset[str], progress: Progress
) -> tuple[Source, _Frames]:
    """Return a file's source and frames; ``path`` is its name as given."""
    inner = _inner_name(file)
    if inner.suffix.lower() in PICKLED_SUFFIXES:
        raise DatasetError(
            f"{path}: expected a file of structures, but {inner.suffix} files hold Python objects, which may "
            "run code when read. Convert it to extended XYZ with the program that wrote it."
        )
    text, sha256 = source_text(file)
    if not text.strip():
        raise DatasetError(f"{path}: expected structures, but the file is empty. Give another file.")
    if format in ("xyz", "extxyz") or (format is None and inner.suffix.lower() in EXTXYZ_SUFFIXES):
        name = "extxyz"
        frames = _read_extxyz(text, path, max_atoms, as_text, progress)
    else:
        with _plain_file(file, inner, text) as plain:
            name = _format_name(plain, path, format)
            if name == "extxyz":
                frames = _read_extxyz(text, path, max_atoms, as_text, progress)
            else:
                structures = _read_by_ase(plain, path, name, max_atoms, progress)
                count = len(structures)
                frames = _Frames(structures, np.arange(count), np.full((count, 2), -1), np.zeros(count, int), [])
    n_frames = len(frames.structures) + len(frames.quarantined)
    return Source(path=path, sha256=sha256, format=name, n_frames=n_frames), frames


def _read_extxyz(text: bytes, path: str, max_atoms: int, as_text: frozenset[str], progress: Progress) -> _Frames:
    structures: list[Atoms] = []
    places: list[tuple[int, FrameSpan]] = []
    quarantined: list[Quarantined] = []
    unreported = len(text)  # report the first frame at once
    for frame, (span, atoms) in enumerate(read_frames(text, path=path, max_atoms=max_atoms, as_text=as_text)):
        if isinstance(atoms, Atoms):
            structures.append(atoms)
            places.append((frame, span))
        else:
            quarantined.append(Quarantined(path, frame, span.line, str(atoms)))
        unreported += span.end - span.start
        if unreported >= REPORT_BYTES:
            progress(span.end, len(text), f"{path}: {frame + 1:,} frames read")
            unreported = 0
    progress(len(text), len(text), f"{path}: {len(structures):,} frames read")
    spans = np.array([(span.start, span.end) for _, span in places], dtype=np.int64).reshape(-1, 2)
    index = np.array([frame for frame, _ in places], dtype=np.int64)
    lines = np.array([span.line for _, span in places], dtype=np.int64)
    return _Frames(structures, index, spans, lines, quarantined)


def _read_by_ase(plain: Path, path: str, format: str, max_atoms: int, progress: Progress) -> list[Atoms]:
    """Read through ASE; the number of frames shows only at the end, so progress counts, no more."""
    structures: list[Atoms] = []
    frames = ase.io.iread(str(plain), ":", format=format, do_not_split_by_at_sign=True)
    while True:
        where = describe_frame(path, len(structures))
        try:
            atoms = next(frames)
        except StopIteration:
            break
        except Exception as error:  # each of ASE's readers fails in its own way
            raise DatasetError(
                f"{where}: expected the format {format!r}, but ASE could not read it "
                f"({type(error).__name__}: {error}). The file may be truncated or of another format; name "
                "that (--format)."
            ) from error
        check_atom_count(len(atoms), where=where, max_atoms=max_atoms)
        structures.append(atoms)
        if len(structures) % REPORT_FRAMES == 1:
            progress(0, 1, f"{path}: {len(structures):,} frames read")
    if not structures:
        raise DatasetError(f"{path}: expected structures, but this {format} file has none. Give another file.")
    progress(1, 1, f"{path}: {len(structures):,} frames read")
    return structures


@contextmanager
def _plain_file(file: Path, inner: Path, text: bytes) -> Iterator[Path]:
    """Give a path at which ASE finds the decompressed file under its own name."""
    if inner.name == file.name:
        yield file.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="meagraph-") as folder:
        plain = Path(folder) / inner.name
        plain.write_bytes(text)
        yield plain


def _format_name(plain: Path, path: str, format: str | None) -> str:
    """Return ASE's name of a file's format, if it is one that is safe to read."""
    if format is None:
        try:
            format = filetype(str(plain))
        except UnknownFileTypeError:
            format = plain.suffix.lower().lstrip(".")
    if format in REFUSED_FORMATS:
        raise DatasetError(
            f"{path}: expected a file of structures, but format {format!r} is refused: "
            f"{REFUSED_FORMATS[format]}. Convert it to extended XYZ."
        )
    if format not in ioformats or not ioformats[format].can_read:
        others = {f".{suffix}" for known in _readable() for suffix in known.extensions}
        suffixes = sorted({*EXTXYZ_SUFFIXES, ".db", *others})
        names = sorted(known.name for known in _readable())
        raise DatasetError(
            f"{path}: expected a known format, but {format!r} is none. Known suffixes: {', '.join(suffixes)} "
            f"(each also with {', '.join(DECOMPRESS)}). Or name the format (--format), one of: "
            f"{', '.join(names)}."
        )
    return format


def _readable() -> list[IOFormat]:
    return [known for known in ioformats.values() if known.can_read and known.name not in REFUSED_FORMATS]


def _inner_name(file: Path) -> Path:
    """Return a file's name without its folder and without a suffix that says it is compressed."""
    return Path(file.stem if file.suffix.lower() in DECOMPRESS else file.name)


def _dataset_name(files: list[Path]) -> str:
    """Join the files' stems by ``+``; three at most are spelt out."""
    stems = [_inner_name(file).stem for file in files]
    return "+".join(stems) if len(stems) <= 3 else f"{stems[0]}+{len(stems) - 1}-more"
