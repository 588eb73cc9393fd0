"""Which format a file is of, and whether that is one that is safe to read."""

from __future__ import annotations

from pathlib import Path

from ase.io.formats import IOFormat, ioformats

from meagraph.datasets.compressed import DECOMPRESS
from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.formats import READERS
from meagraph.datasets.formats.by_ase import REFUSED, ase_format
from meagraph.datasets.inputs import EXTXYZ_SUFFIXES


def format_name(plain: Path, path: str, format: str | None) -> str:
    """Return the name of a file's format, if it is one that is safe to read."""
    if format is None:
        format = ase_format(plain) or plain.suffix.lower().lstrip(".")
    if format in REFUSED:
        raise DatasetError(
            f"{path}: expected a file of structures, but format {format!r} is refused: "
            f"{REFUSED[format]}. Convert it to extended XYZ."
        )
    if format not in READERS and (format not in ioformats or not ioformats[format].can_read):
        others = {f".{suffix}" for known in _readable() for suffix in known.extensions}
        suffixes = sorted({*EXTXYZ_SUFFIXES, ".db", *others})
        names = sorted({*READERS, *(known.name for known in _readable())})
        raise DatasetError(
            f"{path}: expected a known format, but {format!r} is none. Known suffixes: {', '.join(suffixes)} "
            f"(each also with {', '.join(DECOMPRESS)}). Or name the format (--format), one of: "
            f"{', '.join(names)}."
        )
    return format


def _readable() -> list[IOFormat]:
    return [known for known in ioformats.values() if known.can_read and known.name not in REFUSED]
