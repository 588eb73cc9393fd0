"""Extended XYZ: find every frame's bytes, and make a structure of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.constraints import FixAtoms, FixCartesian
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from meagraph.datasets import columns
from meagraph.datasets.boxes import CELL_NAMES, PBC_NAMES, read_box
from meagraph.datasets.comment import CommentError, entries, key_of, meaning
from meagraph.datasets.dataset import DatasetError, check_atom_count, describe_frame
from meagraph.datasets.results import PER_ATOM, StoredResults

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PER_STRUCTURE = frozenset(all_properties) - PER_ATOM
COLUMN_NAMES = {"charge": "charges"}
AT_A_TIME = 2**24  # bytes that are searched for line breaks
VECTORS = 3  # lines VEC1 to VEC3 after the atoms, ASE's older way to write a cell


class FrameSpan(NamedTuple):
    """Where one frame lies, bytes ``start`` to ``end`` (exclusive) of the text, and its number of atoms."""

    start: int
    end: int
    n_atoms: int  # 0 where the count is no number
    line: int = 0  # of its first line, from 1


class _Lines:
    """The lines of a text by number, from 0."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        letters = np.frombuffer(data, np.uint8)
        ends = [
            np.flatnonzero(letters[at : at + AT_A_TIME] == ord("\n")) + at + 1
            for at in range(0, len(letters), AT_A_TIME)
        ]
        start = len(BYTE_ORDER_MARK) if data.startswith(BYTE_ORDER_MARK) else 0
        whole = not data or data.endswith(b"\n")
        self.bounds: NDArray[np.int64] = np.concatenate([[start], *ends, [] if whole else [len(data)]]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, line: int) -> bytes:
        return self.data[self.bounds[line] : self.bounds[line + 1]]

    def span(self, first: int, last: int, n_atoms: int) -> FrameSpan:
        """The bytes of lines ``first`` to ``last`` - 1."""
        return FrameSpan(int(self.bounds[first]), int(self.bounds[last]), n_atoms, first + 1)


def scan_frames(data: bytes, *, path: str, max_atoms: int) -> Iterator[FrameSpan]:
    """Yield the frames of an extended XYZ text in order: count line, comment line, one line an atom.

    Blank lines between frames and after the last one belong to no frame; lines ``VEC1`` to ``VEC3`` after the
    atoms (ASE's older way to write a cell) belong to theirs. ``path`` only names the file in messages.

    Raises :class:`DatasetError` at the first frame whose count line is no number, is zero or exceeds
    ``max_atoms``, and where the text ends inside a frame.
    """
    lines, line, frame = _Lines(data), 0, 0
    while (line := _after_blank(lines, line)) < len(lines):
        found = _extent(lines, line, path=path, frame=frame, max_atoms=max_atoms)
        if isinstance(found, DatasetError):
            raise found
        yield lines.span(line, *found)
        line, frame = found[0], frame + 1


def read_frames(
    data: bytes, *, path: str, max_atoms: int, as_text: frozenset[str] = frozenset()
) -> Iterator[tuple[FrameSpan, Atoms | DatasetError]]:
    """Every frame of an extended XYZ text: its place, and its structure or what is wrong with it.

    After a frame that cannot be used the next begins where a count line and a comment line with entries follow each
    other. What stands under the keys ``as_text`` stays text. Energy, forces and stress under ASE's names land in the
    calculator of the result, as ASE's own reader has it.
    """
    lines, line, frame = _Lines(data), 0, 0
    while (line := _after_blank(lines, line)) < len(lines):
        found = _extent(lines, line, path=path, frame=frame, max_atoms=max_atoms)
        if isinstance(found, DatasetError):
            following = _next_frame(lines, line + 1, len(lines))
            yield lines.span(line, following, 0), found
        else:
            following, n_atoms = found
            try:
                atoms: Atoms | DatasetError = _structure(lines, line, n_atoms, following - line - 2 - n_atoms, as_text)
                if (after := _after_blank(lines, following)) < len(lines) and columns.is_atom(lines[after]):
                    raise columns.ColumnError(
                        f"expected the next frame after the {n_atoms} atoms that its first line says, but came another "
                        f"atom: {lines[after].strip()[:60].decode('utf-8', 'replace')!r}"
                    )
            except (CommentError, columns.ColumnError) as error:
                end = following
                following = _next_frame(lines, line + 1, end)
                more = "" if following == end else " Another frame begins before all its atoms have come."
                if following == end and end < len(lines) and not lines[end].strip().isdigit():
                    following = _next_frame(lines, end, len(lines))
                atoms = DatasetError(
                    f"{describe_frame(path, frame)}, from line {line + 1}: {error}.{more} Repair it, or leave such "
                    "frames out (--on-error quarantine)."
                )
            yield lines.span(line, following, n_atoms), atoms
        line, frame = following, frame + 1


def _after_blank(lines: _Lines, line: int) -> int:
    while line < len(lines) and not lines[line].strip():
        line += 1
    return line


def _extent(lines: _Lines, line: int, *, path: str, frame: int, max_atoms: int) -> tuple[int, int] | DatasetError:
    """The line after the frame that begins at ``line``, and its number of atoms; or what is wrong with it."""
    try:
        n_atoms = _atom_count(lines[line], path=path, frame=frame, max_atoms=max_atoms)
    except DatasetError as error:
        return error
    end = line + 2 + n_atoms
    if end > len(lines):
        return DatasetError(
            f"{describe_frame(path, frame)}: expected {n_atoms} atoms as its first line says, but "
            f"the file ends after {max(len(lines) - line - 2, 0)}: it is truncated. Copy the file again, cut "
            "off its last frame, or leave such frames out (--on-error quarantine)."
        )
    for _ in range(VECTORS):
        if end >= len(lines) or not lines[end].lstrip().startswith(b"VEC"):
            break
        end += 1
    return end, n_atoms


def _next_frame(lines: _Lines, line: int, end: int) -> int:
    """The first line from ``line`` on, and before ``end``, at which another frame seems to begin."""
    for start in range(line, min(end, len(lines) - 1)):
        if lines[start].strip().isdigit() and b"=" in lines[start + 1]:
            return start
    return end


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


def _structure(lines: _Lines, line: int, n_atoms: int, n_vectors: int, as_text: frozenset[str]) -> Atoms:
    """The structure of a frame of ``n_atoms`` that begins at ``line``. Raises CommentError and ColumnError."""
    raw = lines[line + 1]
    try:
        comment = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        comment = raw.decode("latin-1").strip()
    if n_vectors:
        found: dict[str, str | None] = {}
        info: dict[str, Any] = {"comment": comment}
    else:
        found = entries(comment)
        info = {}
    cells, periodicities = key_of(found, *CELL_NAMES), key_of(found, *PBC_NAMES)
    if any(key.lower() == "lattice" for key in cells):  # what is called cell beside it is something else
        cells = [key for key in cells if key.lower() == "lattice"]
    cell, pbc = read_box(found, cells, periodicities)
    names = key_of(found, "properties")
    if len({found[name] for name in names}) > 1:
        raise CommentError(f"expected one declaration of the columns, but {', '.join(names)} say different ones")
    declaration = (found[names[0]] if names else None) or columns.PLAIN
    first = line + 2
    block = lines.data[lines.bounds[first] : lines.bounds[first + n_atoms]]
    table = columns.read_table(block, n_atoms, columns.declared(declaration))
    if n_vectors:
        cell, pbc = _cell_of_vectors([lines[first + n_atoms + row] for row in range(n_vectors)])
    if n_atoms > 1 and not table.positions.any():
        raise columns.ColumnError(
            "expected positions, but all atoms lie at the origin: the comment line names no columns pos:R:3, or they "
            "hold zeros"
        )
    used = {*cells, *periodicities, *names}
    for key, text in found.items():
        if key not in used:
            info[key] = text if text is not None and key in as_text else meaning(key, text)
    atoms = Atoms(numbers=table.numbers, positions=table.positions, cell=cell, pbc=pbc, info=info)
    _store(atoms, table.arrays)
    return atoms


def _cell_of_vectors(lines: list[bytes]) -> tuple[NDArray[np.float64], tuple[bool, bool, bool]]:
    cell = np.zeros((3, 3))
    for row, line in enumerate(lines):
        words = line.split()
        try:
            cell[row] = [float(word) for word in words[1:4]]
        except ValueError:
            words = []
        if len(words) < 4 or words[0] != f"VEC{row + 1}".encode():
            raise CommentError(f"expected VEC{row + 1} and three numbers, but came {line.decode('utf-8', 'replace')!r}")
    return cell, (len(lines) > 0, len(lines) > 1, len(lines) > 2)


def _store(atoms: Atoms, arrays: dict[str, NDArray[Any]]) -> None:
    """Give ``atoms`` the columns of the file, and a calculator with those results that have ASE's names and shapes."""
    results: dict[str, Any] = {}
    for name, values in arrays.items():
        name = COLUMN_NAMES.get(name, name)
        if name in PER_ATOM:
            results[name] = values
        elif name == "move_mask" and values.dtype == bool:
            free = values
            atoms.set_constraint(
                FixAtoms(mask=~free) if free.ndim == 1 else [FixCartesian(at, ~row) for at, row in enumerate(free)]
            )
        elif name in atoms.arrays:
            raise columns.ColumnError(f"expected other names than {name!r}, which the structure has already")
        else:
            atoms.arrays[name] = values
    for name in PER_STRUCTURE & atoms.info.keys():
        value = atoms.info[name]
        if name == "stress" and np.shape(value) == (3, 3) and np.asarray(value).dtype.kind in "fi":
            results[name] = full_3x3_to_voigt_6_stress(np.asarray(value, dtype=float))
        elif _is_result(name, value):
            results[name] = value
        else:
            continue
        del atoms.info[name]
    if results:
        atoms.calc = StoredResults(atoms, results)


def _is_result(name: str, value: Any) -> bool:
    """Numbers of the shape that ASE's calculators give; anything else stays an entry as it is."""
    shape = {"stress": (6,), "dipole": (3,)}.get(name, ())
    return not isinstance(value, bool | str) and np.shape(value) == shape and np.asarray(value).dtype.kind in "fiu"
