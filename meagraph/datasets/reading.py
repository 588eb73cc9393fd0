"""Read files, folders and archives, compressed or not, of any harmless format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from meagraph.datasets.columnar import Packing
from meagraph.datasets.compressed import DECOMPRESS, head_of, inner_name, is_archive, plain_file
from meagraph.datasets.dataset import AtomicDataset, DatasetError, Quarantined, Source, describe_frame
from meagraph.datasets.format_names import format_name
from meagraph.datasets.formats import READERS, format_of
from meagraph.datasets.formats.by_ase import read_by_ase
from meagraph.datasets.formats.common import Reader
from meagraph.datasets.frames import FrameSpan, read_frames
from meagraph.datasets.inputs import EXTXYZ_SUFFIXES, Input, open_inputs
from meagraph.datasets.labels import Keys
from meagraph.datasets.options import MAX_BYTES, ReadOptions, element_names
from meagraph.datasets.parts import read_parts
from meagraph.datasets.storage import place_sha256, source_text
from meagraph.datasets.store import SUFFIX, is_store, open_store
from meagraph.datasets.structures import dataset_from_structures, relabelled
from meagraph.limits import ENTRIES, FRAMES
from meagraph.progress import Progress, part, silent
from meagraph.workers import HERE, Workers

PICKLED_SUFFIXES = (".pkl", ".pckl", ".pickle", ".npy", ".npz", ".pt", ".pth", ".joblib")
REPORT_BYTES = 200_000
REPORT_FRAMES = 32
SMALL = 100_000_000  # bytes of a file that needs little memory, whatever it says
NOWHERE = FrameSpan(-1, -1, 0)  # a frame of a file that is no extended XYZ


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
    elements: str | Sequence[str] = (),
    units: str | None = None,
    max_bytes: int = MAX_BYTES,
    fewest: int = 2,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> AtomicDataset:
    """Read one file or several into one dataset, in the order given.

    Extended XYZ keeps the byte range of every frame, so that an export can copy frames unchanged. A trailing ``.gz``,
    ``.bz2``, ``.xz`` or ``.zst`` is decompressed first. What a reader assumed, converted or passed over are the
    ``notes`` of its source. Nothing is unpickled, run or fetched.

    Args:
        paths: files, folders, patterns such as ``runs/*.xyz``, archives (``.zip``, ``.tar`` and its compressed forms)
            and their members (``a.zip/b.xyz``). Of a folder and an archive every file is read that has energies or
            forces, in the order of the names. The same file twice is refused. Or a folder ``.meadata`` alone
            (:mod:`.store`), whose labels are those chosen when it was made, unless some are named.
        format: the name of the format of all files, one of ours or ASE's; by default each file's name and content
            decide.
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
        elements: of files with type numbers, the element of each type in order.
        units: of files that do not say theirs, one of :data:`meagraph.datasets.units.UNITS`.
        max_bytes: how much a compressed file or an archive may hold.
        fewest: structures at least; one will do where others are put beside it.
        workers: who reads extended XYZ of some size in parts; by default processes of this machine.
        progress: called with thousandths of the work.

    Raises:
        DatasetError: a file or frame is unusable; nothing is returned then.
        Cancelled: ``progress`` raised it.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    options = ReadOptions(element_names(elements), units, max_bytes)
    if any(is_store(path) for path in given):
        asked = {
            "energy_key": energy_key,
            "forces_key": forces_key,
            "stress_key": stress_key,
            "stress_unit": stress_unit,
            "group_key": None if group_key == "config_type" else group_key,
        }
        named = {name: value for name, value in asked.items() if value is not None}
        return _from_store(given, format, options, named, allow_unlabelled=allow_unlabelled)
    as_text = frozenset({group_key, "config_type"})
    packing = Packing()
    found: list[_Frames] = []
    sources: list[Source] = []
    with open_inputs(given, format=format, max_bytes=max_bytes) as inputs:
        sizes = np.array([max(one.file.stat().st_size, 1) for one in inputs], dtype=float)
        shares = np.concatenate([[0.0], np.cumsum(sizes) / sizes.sum()])
        for index, one in enumerate(inputs):
            report = part(progress, shares[index], shares[index + 1])
            source, frames = _read_file(one, format, max_atoms, as_text, options, packing, workers, report)
            if frames.quarantined and on_error == "stop":
                raise DatasetError(frames.quarantined[0].cause)
            found.append(frames)
            sources.append(source)
    quarantined = [frame for frames in found for frame in frames.quarantined]
    if not packing and quarantined:
        raise DatasetError(f"None of the {len(quarantined):,} frames can be used. The first: {quarantined[0].cause}")
    if len(packing) == 1 < fewest:
        raise DatasetError(
            f"{sources[0].path}: expected at least two structures, but there is one frame only. Give a file "
            "with several structures, or several files."
        )
    dataset = dataset_from_structures(
        packing.structures(),
        name=_dataset_name([Path(path) for path in given]),
        sources=tuple(sources),
        source_index=np.repeat(np.arange(len(sources)), [len(frames.frames) for frames in found]),
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
    if dataset.n_structures == 1 < fewest:
        raise DatasetError(
            f"{sources[0].path}: expected two structures, but only one frame can be used. The first that cannot: "
            f"{dataset.quarantined[0].cause}"
        )
    return dataset


def _from_store(
    given: list[str | Path], format: str | None, options: ReadOptions, named: dict[str, Any], *, allow_unlabelled: bool
) -> AtomicDataset:
    """The dataset of a folder of arrays, its labels as they were chosen then unless some are ``named``."""
    if len(given) > 1:
        raise DatasetError(
            f"{given[0]}: expected a folder {SUFFIX} alone, but came {len(given)} files. Convert all of them together."
        )
    if format is not None or options.elements or options.units is not None:
        raise DatasetError(
            f"{given[0]}: expected no format, elements or units, for its files were read when it was made. Convert "
            "them again with these options."
        )
    dataset = open_store(given[0])
    return relabelled(dataset, allow_unlabelled=allow_unlabelled, **named) if named else dataset


class _Frames(NamedTuple):
    """Where the frames of one file are; their structures are packed."""

    frames: np.ndarray  # (s,) number of each structure's frame in the file
    spans: np.ndarray  # (s, 2) its bytes, -1 where the file is no extended XYZ
    lines: np.ndarray  # (s,) its first line, from 1; 0 where there are none
    quarantined: list[Quarantined]


def _read_file(
    one: Input,
    format: str | None,
    max_atoms: int,
    as_text: frozenset[str],
    options: ReadOptions,
    packing: Packing,
    workers: Workers,
    progress: Progress,
) -> tuple[Source, _Frames]:
    inner = inner_name(one.file)
    if inner.suffix.lower() in PICKLED_SUFFIXES:
        raise DatasetError(
            f"{one.name}: expected a file of structures, but {inner.suffix} files hold Python objects, which may "
            "run code when read. Convert it to extended XYZ with the program that wrote it."
        )
    folder = one.file.is_dir()
    head = b"" if folder else head_of(one.file, one.name)
    if not folder and not head.strip() and not source_text(one.file, name=one.name)[0].strip():
        raise DatasetError(f"{one.name}: expected structures, but the file is empty. Give another file.")
    known = format or format_of(one.file if folder else inner, head)
    notes = list(one.notes)
    if (known is None and inner.suffix.lower() in EXTXYZ_SUFFIXES) or known in ("xyz", "extxyz"):
        text, sha256 = source_text(one.file, name=one.name, max_bytes=options.max_bytes)
        name = "extxyz"
        plain_text = None if one.file.suffix.lower() in DECOMPRESS else one.file.absolute()
        common: dict[str, Any] = {"path": one.name, "max_atoms": max_atoms, "as_text": as_text}
        parts = read_parts(text, plain_text, **common, packing=packing, workers=workers, progress=progress)
        if parts is not None:
            frames = _Frames(np.arange(len(parts[1])), *parts, [])
        else:
            frames = _collect(read_frames(text, **common), packing, one.name, len(text), progress)
    else:
        with plain_file(one.file, one.name, options.max_bytes) as plain:
            name = format_name(plain, one.name, known)
            if name == "extxyz":
                return _read_file(one, name, max_atoms, as_text, options, packing, workers, progress)
            reader = READERS[name].read if name in READERS else partial(read_by_ase, format=name)
            others = _frames(reader, plain, one.name, name, options, notes)
            frames = _collect(((NOWHERE, frame) for frame in others), packing, one.name, 1, progress)
            if not len(frames.frames) and not frames.quarantined:
                raise DatasetError(
                    f"{one.name}: expected structures, but this {name} file has none. Give another file."
                )
            sha256 = place_sha256(one.file, name)
    return Source(one.name, sha256, name, len(frames.frames) + len(frames.quarantined), tuple(notes)), frames


def _collect(
    found: Iterable[tuple[FrameSpan, Atoms | DatasetError]],
    packing: Packing,
    path: str,
    size: int,
    progress: Progress,
) -> _Frames:
    """Sort frames into structures, which are packed, and those that cannot be used.

    Progress follows the bytes of ``size``; where frames have no place (NOWHERE) how many there are shows only at the
    end, and it counts, no more.
    """
    places: list[tuple[int, FrameSpan]] = []
    quarantined: list[Quarantined] = []
    unreported = REPORT_BYTES  # report the first frame at once
    most = FRAMES.value
    for frame, (span, atoms) in enumerate(found):
        if len(packing) + len(quarantined) >= most:
            raise DatasetError(
                f"{path}: expected at most {most:,} frames in a dataset, but there are more. {FRAMES.remedy}, or "
                "divide the files."
            )
        if isinstance(atoms, Atoms):
            packing.add(atoms)
            if packing.kinds > ENTRIES.value:
                raise DatasetError(
                    f"{describe_frame(path, frame)}: expected at most {ENTRIES.value:,} differently named entries and "
                    f"columns in a dataset, but there are more: values may stand where names should. {ENTRIES.remedy}."
                )
            places.append((frame, span))
        else:
            quarantined.append(Quarantined(path, frame, span.line, str(atoms)))
        unreported += REPORT_BYTES // REPORT_FRAMES if span is NOWHERE else span.end - span.start
        if unreported >= REPORT_BYTES:
            progress(max(span.end, 0), size, f"{path}: {frame + 1:,} frames read")
            unreported = 0
    progress(size, size, f"{path}: {len(places):,} frames read")
    return _Frames(
        np.array([frame for frame, _ in places], dtype=np.int64),
        np.array([(span.start, span.end) for _, span in places], dtype=np.int64).reshape(-1, 2),
        np.array([span.line for _, span in places], dtype=np.int64),
        quarantined,
    )


def _frames(
    reader: Reader, plain: Path, path: str, format: str, options: ReadOptions, notes: list[str]
) -> Iterator[Atoms | DatasetError]:
    """What the reader yields; whatever it raises after the first frame is an error of that frame, and the end."""
    frames = reader(plain, name=path, options=options, notes=notes)
    count = 0
    while True:
        try:
            frame = next(frames)
        except StopIteration:
            return
        except ImportError as error:
            raise DatasetError(
                f"{path}: reading the format {format!r} needs the package {error.name}. Install it: pip install "
                f"{error.name}; or convert the file to extended XYZ."
            ) from error
        except MemoryError as error:
            if not plain.is_file() or plain.stat().st_size > SMALL:
                raise
            raise DatasetError(
                f"{describe_frame(path, count)}: expected the format {format!r}, but the file says that it holds more "
                "than it has: it is damaged. Copy it again."
            ) from error
        except Exception as error:  # each of ASE's readers fails in its own way
            wrong = error if isinstance(error, DatasetError) else _unreadable(path, count, format, error)
            if not count:
                raise wrong from error
            yield wrong
            return
        count += 1
        yield frame


def _unreadable(path: str, frame: int, format: str, error: Exception) -> DatasetError:
    who = "it could not be read" if format in READERS else "ASE could not read it"
    return DatasetError(
        f"{describe_frame(path, frame)}: expected the format {format!r}, but {who} ({type(error).__name__}: {error}). "
        "The file may be truncated or of another format; name that (--format)."
    )


def _dataset_name(files: list[Path]) -> str:
    """Join the files' stems by ``+``; three at most are spelt out."""
    stems = [_stem(file) for file in files]
    return "+".join(stems) if len(stems) <= 3 else f"{stems[0]}+{len(stems) - 1}-more"


def _stem(file: Path) -> str:
    """A file's name without suffixes that say what it is, a folder's name as it is."""
    if file.is_dir():
        return file.resolve().name
    return Path(inner_name(file).stem).stem if is_archive(file) else inner_name(file).stem
