"""DeePMD-kit's data: folders of ``.npy`` files, the same in HDF5, of one composition or mixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.formats.common import Frames, labelled, note, stress_of_virial
from meagraph.datasets.options import ReadOptions
from meagraph.files import read_array
from meagraph.limits import FREE, RATIO

KNOWN = {"coord", "box", "energy", "force", "virial", "real_atom_types"}
HDF5 = b"\x89HDF\r\n\x1a\n"


class Store(Protocol):
    """One system, in whatever it is kept."""

    def sets(self) -> list[str]:
        """The names of its sets, in order."""

    def inside(self, part: str) -> list[str]:
        """The arrays of one set, without their suffix."""

    def array(self, name: str) -> np.ndarray | None:
        """An array by its name with ``/``; None where it is missing."""

    def words(self, name: str) -> list[str] | None:
        """A list of words; None where it is missing."""


@dataclass(frozen=True)
class Folder:
    """A system as a folder: ``type.raw``, ``type_map.raw``, ``set.000/coord.npy`` and so on."""

    root: Path

    def sets(self) -> list[str]:
        """The names of its sets, in order."""
        return sorted(path.name for path in self.root.glob("set.*") if path.is_dir())

    def inside(self, part: str) -> list[str]:
        """The arrays of one set, without their suffix."""
        return sorted(path.stem for path in (self.root / part).glob("*.npy"))

    def array(self, name: str) -> np.ndarray | None:
        """An array by its name with ``/``; None where it is missing. Objects are never loaded."""
        path = self.root / f"{name}.npy"
        return np.array(read_array(path)) if path.is_file() else None

    def words(self, name: str) -> list[str] | None:
        """A list of words; None where it is missing."""
        path = self.root / name
        return path.read_text(encoding="utf-8").split() if path.is_file() else None


@dataclass(frozen=True)
class Group:
    """A system as a group of an HDF5 file."""

    group: Any  # h5py.Group

    def sets(self) -> list[str]:
        """The names of its sets, in order."""
        return sorted(key for key in self.group if key.startswith("set."))

    def inside(self, part: str) -> list[str]:
        """The arrays of one set, without their suffix."""
        return sorted(key.removesuffix(".npy") for key in self.group[part])

    def array(self, name: str) -> np.ndarray | None:
        """An array by its name with ``/``; None where it is missing."""
        key = f"{name}.npy"
        return self._read(key) if key in self.group else None

    def words(self, name: str) -> list[str] | None:
        """A list of words; None where it is missing."""
        if name not in self.group:
            return None
        values = self._read(name).ravel()
        return [value.decode() if isinstance(value, bytes) else str(value) for value in values]

    def _read(self, key: str) -> np.ndarray:
        """An array. Raises ValueError for one that is much larger than the file, which HDF5 allows."""
        stored = self.group[key]
        size = Path(self.group.file.filename).stat().st_size
        if getattr(stored, "nbytes", 0) > max(FREE, RATIO.value * size):
            raise ValueError(f"it grows more than {RATIO.value} times when read. {RATIO.remedy}")
        return np.asarray(stored)


def is_deepmd_folder(name: Path, head: bytes) -> bool:
    """Whether a folder is one system."""
    return (name / "type.raw").is_file() and any(name.glob("set.*"))


def is_deepmd_hdf5(name: Path, head: bytes) -> bool:
    """Whether a file is HDF5 under a name of its own; NetCDF begins the same."""
    return head.startswith(HDF5) and name.suffix.lower() in (".h5", ".hdf5", ".hdf")


def read_deepmd_folder(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read one system; ``info`` holds its name as ``system``."""
    yield from _system(Folder(plain), name, Path(name).name, options, notes)


def read_deepmd_hdf5(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read every system of an HDF5 file; needs the extra ``hdf5``."""
    try:
        import h5py
    except ImportError as error:
        raise DatasetError(f"{name}: reading HDF5 needs h5py. Install it: pip install 'meaviz[hdf5]'.") from error
    with h5py.File(plain, "r") as file:
        found: list[str] = []
        file.visit(lambda key: found.append(key) if key.endswith("type.raw") else None)
        if not found:
            raise DatasetError(f"{name}: expected systems of DeePMD-kit (type.raw, set.*), but this HDF5 has none.")
        for key in sorted(found):
            inner = key.rpartition("/")[0]
            where = f"{name}#/{inner}" if inner else name
            yield from _system(Group(file[inner] if inner else file), where, inner or plain.stem, options, notes)


def _system(store: Store, where: str, system: str, options: ReadOptions, notes: list[str]) -> Iterator[Atoms]:
    types = [int(word) for word in store.words("type.raw") or ()]
    names = store.words("type_map.raw")
    if names is not None and set(names) - atomic_numbers.keys() and options.elements:
        names = list(options.elements)
    known = ReadOptions(elements=tuple(names)) if names and not set(names) - atomic_numbers.keys() else options
    periodic = store.words("nopbc") is None
    for part in store.sets():
        ignored = [entry for entry in store.inside(part) if entry not in KNOWN]
        if ignored:
            note(notes, f"Not read of DeePMD's sets: {', '.join(ignored)}.")
        arrays = _arrays(store, part, len(types), where, periodic)
        if arrays["virial"] is not None:
            note(notes, "Virials in eV become stress: stress = -virial / volume.")
        for frame in range(len(arrays["coord"])):
            of_frame: dict[str, Any] = {key: None if a is None else a[frame] for key, a in arrays.items()}
            real = of_frame["real_atom_types"]
            kinds = np.array(types) if real is None else real.astype(int)
            there = kinds >= 0  # -1 fills up mixed systems
            symbols = known.symbols(kinds[there].tolist(), first=0, where=f"{where}, {part}, frame {frame}")
            atoms = Atoms(symbols, of_frame["coord"][there], cell=of_frame["box"], pbc=periodic)
            results = {
                "energy": None if of_frame["energy"] is None else float(of_frame["energy"]),
                "forces": None if of_frame["force"] is None else of_frame["force"][there],
                "stress": None if of_frame["virial"] is None else stress_of_virial(of_frame["virial"], atoms),
            }
            yield labelled(atoms, results, info={"system": system})


def _arrays(store: Store, part: str, n_atoms: int, where: str, periodic: bool) -> dict[str, Any]:
    """The arrays of a set in double precision, checked and shaped (F, ...); None where one is missing."""
    shapes: dict[str, tuple[int, ...]] = {
        "coord": (n_atoms, 3),
        "box": (3, 3),
        "energy": (),
        "force": (n_atoms, 3),
        "virial": (3, 3),
        "real_atom_types": (n_atoms,),
    }
    arrays: dict[str, Any] = {}
    for key, shape in shapes.items():
        try:
            values = store.array(f"{part}/{key}")
        except (OSError, ValueError, EOFError) as error:  # a broken file, or one that holds objects
            raise DatasetError(
                f"{where}, {part}: expected numbers in {key}.npy, but it could not be read ({error}). Write it again."
            ) from error
        if values is not None:
            count = len(arrays["coord"]) if "coord" in arrays else len(values)
            if values.size != count * int(np.prod(shape)) or values.dtype.kind not in "fiu":
                raise DatasetError(
                    f"{where}, {part}: expected {key} of {count} frames with {n_atoms} atoms, but it has shape "
                    f"{values.shape} and type {values.dtype}. Write the system again."
                )
            values = values.reshape(count, *shape).astype(float)
        arrays[key] = values
    if arrays["coord"] is None or (arrays["box"] is None and periodic):
        raise DatasetError(f"{where}, {part}: expected coord.npy, and box.npy unless 'nopbc' says that there is none.")
    return arrays
