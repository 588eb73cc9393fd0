"""What the caller names becomes files: folders, patterns and archives are opened, and no file is read twice."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from meagraph.datasets.compressed import head_of, inner_name, is_archive
from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.formats import READERS, format_of
from meagraph.datasets.formats.by_ase import LABELLED, ase_format
from meagraph.datasets.formats.cp2k_xyz import holds_positions
from meagraph.datasets.storage import SourceTexts, cp2k_companions
from meagraph.files import stored_in

EXTXYZ_SUFFIXES = (".xyz", ".extxyz", ".exyz")
NAMED = 8  # files that a note names


@dataclass(frozen=True)
class Input:
    """One file to read, or a folder that counts as one."""

    name: str  # as messages and provenance have it; ``archive.zip/inner.xyz`` for a member
    file: Path  # where it lies now
    notes: tuple[str, ...] = ()


@contextmanager
def open_inputs(paths: Sequence[str | Path], *, format: str | None, max_bytes: int) -> Iterator[list[Input]]:
    """Give the files behind ``paths``, in order, those of folders and archives by their names.

    With ``format`` every file of a folder is taken, else those whose format has energies or forces. Archives stay
    unpacked as long as the context. Raises :class:`DatasetError` for what is not there, has no such file or
    comes twice.
    """
    if not paths:
        raise DatasetError("Expected at least one file, but none was given. Name the files to read.")
    with SourceTexts(max_bytes) as texts:
        found: list[Input] = []
        for path in paths:
            for name in _matches(os.fspath(path)):
                found += _files(name, texts, format)
        _check_different(found)
        yield found


def _matches(name: str) -> list[str]:
    """The names that a pattern stands for, or the name itself."""
    if not glob.has_magic(name) or stored_in(name) is not None:
        return [name]
    matches = sorted(glob.glob(name, recursive=True))
    if not matches:
        raise DatasetError(f"{name}: expected files of that pattern, but there are none. Check the folder.")
    return matches


def _files(name: str, texts: SourceTexts, format: str | None) -> list[Input]:
    path = Path(name)
    stored = stored_in(path)
    if stored is None:
        raise DatasetError(f"{name}: expected a file, but there is none of this name. Check the path.")
    if stored != path and not is_archive(stored):
        raise DatasetError(f"{name}: expected a file, but it does not exist: {stored} is no archive. Check the path.")
    # The archive itself stands for its files: locate() unpacks it when asked for what is in it.
    place = texts.locate(path / "_").parent if path.is_file() and is_archive(path) else texts.locate(path)
    within = next((part for part in (place, *place.parents) if stored != path and part.is_file()), None)
    if within is not None and is_archive(within):
        raise DatasetError(
            f"{name}: expected a file of {stored}, but {within.name} is an archive within that archive, and those are "
            "not opened. Unpack the outer one."
        )
    if not os.path.exists(place):
        raise DatasetError(f"{name}: expected a member of {stored}, but it has none of that name. Check the path.")
    if place.is_dir():
        return _of_folder(place, name, format)
    if not place.is_file():
        raise DatasetError(f"{name}: expected a file, but it is a device or a pipe. Name a file.")
    return [Input(name, place)]


def _of_folder(folder: Path, name: str, format: str | None) -> list[Input]:
    found: list[Input] = []
    passed: list[str] = []
    for place, one in _walk(folder, format):
        inner = place.relative_to(folder).as_posix()
        if one:
            found.append(Input(name if inner == "." else f"{name.rstrip('/')}/{inner}", place))
        else:
            passed.append(inner)
    more = f" and {len(passed) - NAMED} more" if len(passed) > NAMED else ""
    listed = ", ".join(passed[:NAMED]) + more
    if not found:
        there = f"{listed} are of no format that has them" if passed else "it is empty"
        packed = " Archives inside are not opened: unpack them." if any(is_archive(Path(one)) for one in passed) else ""
        raise DatasetError(
            f"{name}: expected files with energies or forces in this folder, but {there}.{packed} Name the files "
            "themselves, or their format (--format)."
        )
    if passed:
        found[0] = replace(found[0], notes=(f"Passed over in {name}: {listed}.",))
    return found


def _walk(folder: Path, format: str | None) -> Iterator[tuple[Path, bool]]:
    """What lies in a folder, by name, and whether it is to be read; hidden files and links to folders are not seen."""
    whole = format_of(folder, b"")
    if whole is not None:
        yield folder, True
        if whole == "deepmd-npy":
            return
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    names = {path.name for path in entries}
    beside = {other for path in entries for other in cp2k_companions(path).values()}
    for path in entries:
        if path.is_dir():
            if not path.is_symlink():
                yield from _walk(path, format)
        elif (whole is not None and path.suffix.lower() == ".json") or path in beside:
            continue  # read with its folder, with the file beside it
        elif path.name.startswith("vasprun.xml") and any(other.startswith("OUTCAR") for other in names):
            yield path, False  # the same calculation
        else:
            yield path, path.is_file() and not is_archive(path) and (format is not None or _has_labels(path))


def _has_labels(file: Path) -> bool:
    inner = inner_name(file)
    try:
        head = head_of(file, str(file))
    except DatasetError:
        return False
    known = format_of(inner, head)
    if known is not None:
        return READERS[known].labels and (known != "cp2k-xyz" or holds_positions(inner))
    if inner.suffix.lower() in EXTXYZ_SUFFIXES:
        return True
    if inner.suffix.lower() == ".md" and b"<--" not in head:
        return False  # a text in Markdown; ASE takes every .md for a trajectory of CASTEP
    # Compressed files of other formats are known by their names alone; to look inside would be to unpack them.
    return ase_format(file if inner.name == file.name else file.with_name(inner.name)) in LABELLED


def _check_different(inputs: Sequence[Input]) -> None:
    """Refuse a file that comes twice, under whatever names: by path, links or hard links."""
    seen: dict[tuple[int, int], str] = {}
    for one in inputs:
        status = os.stat(one.file)
        key = (status.st_dev, status.st_ino)
        if key in seen:
            raise DatasetError(
                f"{one.name}: expected different files, but this one is the same as {seen[key]}. Name each file once."
            )
        seen[key] = one.name
