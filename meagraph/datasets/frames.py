"""Extended XYZ: find every frame's bytes, then let ASE parse them one by one."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import NamedTuple

from ase import Atoms
from ase.io.extxyz import read_xyz

from meagraph.datasets.dataset import DatasetError, check_atom_count, describe_frame

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class FrameSpan(NamedTuple):
    """Where one frame lies, bytes ``start`` to ``end`` (exclusive) of the text, and its number of atoms."""

    start: int
    end: int
    n_atoms: int


def scan_frames(data: bytes, *, path: str, max_atoms: int) -> Iterator[FrameSpan]:
    """Yield the frames of an extended XYZ text in order: count line, comment line, one line an atom.

    Blank lines between frames and after the last one belong to no frame; lines ``VEC1`` to ``VEC3`` after the
    atoms (ASE's older way to write a cell) belong to theirs. ``path`` only names the file in messages.

    Raises :class:`DatasetError` at the first frame whose count line is no number, is zero or exceeds
    ``max_atoms``, and where the text ends inside a frame.
    """
    position = len(BYTE_ORDER_MARK) if data.startswith(BYTE_ORDER_MARK) else 0
    frame = 0
    while True:
        end = _line_end(data, position)
        while position < len(data) and not data[position:end].strip():
            position, end = end, _line_end(data, end)
        if position >= len(data):
            return
        n_atoms = _atom_count(data[position:end], path=path, frame=frame, max_atoms=max_atoms)
        for line in range(n_atoms + 1):
            if end >= len(data):
                raise DatasetError(
                    f"{describe_frame(path, frame)}: expected {n_atoms} atoms as its first line says, but "
                    f"the file ends after {max(line - 1, 0)}: it is truncated. Copy the file again, or cut "
                    "off its last frame."
                )
            end = _line_end(data, end)
        for _ in range(3):
            following = _line_end(data, end)
            if not data[end:following].lstrip().startswith(b"VEC"):
                break
            end = following
        yield FrameSpan(position, end, n_atoms)
        position = end
        frame += 1


def parse_frame(data: bytes, span: FrameSpan, *, path: str, frame: int) -> Atoms:
    """Parse one frame by ASE's reader; energy, forces and stress land in the calculator of the result.

    Raises :class:`DatasetError` where ASE cannot make sense of the frame.
    """
    text = data[span.start : span.end]
    try:
        try:
            decoded = text.decode("utf-8")
        except UnicodeDecodeError:
            decoded = text.decode("latin-1")
        atoms: Atoms = next(read_xyz(StringIO(decoded), 0))
    except Exception as error:  # ASE raises many kinds; all mean the same to the user
        raise DatasetError(
            f"{describe_frame(path, frame)}: expected a comment line and {span.n_atoms} atom lines with the "
            f"columns that it declares, but they could not be parsed ({type(error).__name__}: {error}). "
            "Repair the frame; a wrong atom count on its first line has the same effect."
        ) from error
    if len(atoms) > 1 and not atoms.positions.any():
        raise DatasetError(
            f"{describe_frame(path, frame)}: expected positions, but all atoms lie at the origin: the "
            "comment line names no columns pos:R:3, or they hold zeros. Name the columns in Properties=."
        )
    return atoms


def _line_end(data: bytes, position: int) -> int:
    """Return the byte after the line that starts at ``position``."""
    newline = data.find(b"\n", position)
    return len(data) if newline < 0 else newline + 1


def _atom_count(line: bytes, *, path: str, frame: int, max_atoms: int) -> int:
    text = line.strip()
    if not text.isdigit() or len(text) > 18:
        came = text[:60].decode("utf-8", "replace")
        if frame == 0:
            raise DatasetError(
                f"{path}: expected an extended XYZ file, whose first line is the number of atoms, but the "
                f"first line is {came!r}: this is no such file. Give another file, or name its format "
                "(--format)."
            )
        raise DatasetError(
            f"{describe_frame(path, frame)}: expected the number of atoms on a line of its own, but came "
            f"{came!r}. Repair the file there; frame {frame - 1} may hold more atoms than its first line "
            "says."
        )
    n_atoms = int(text)
    check_atom_count(n_atoms, where=describe_frame(path, frame), max_atoms=max_atoms)
    return n_atoms
