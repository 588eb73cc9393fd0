"""The dataset itself: structures, groups, labels and where each came from, validated once."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, SupportsInt

import numpy as np
from ase.data import chemical_symbols
from ase.units import GPa

from meagraph.datasets.checks import count_fault, faults_of
from meagraph.datasets.columnar import Structures, pack
from meagraph.datasets.hashing import canonical, structure_keys
from meagraph.datasets.isolated import isolated
from meagraph.datasets.names import LabelNames
from meagraph.display.cards import ROWS, Facts, Shown, Table, counted, html_table
from meagraph.errors import MEAGraphError

BLOCK = 2**18  # labels hashed at a time


class DatasetError(MEAGraphError):
    """A file or a frame cannot be used; the message says which, what was expected, what came, what to do."""


def describe_frame(path: str, frame: int) -> str:
    """How messages name a frame."""
    return f"{path}, frame {frame} (counting from 0)"


def check_atom_count(n_atoms: int, *, where: str, max_atoms: int) -> None:
    """Refuse a frame that has no atoms, or more than the caller allows."""
    if (fault := count_fault(n_atoms, max_atoms)) is not None:
        raise DatasetError(f"{where}: {fault}")


@dataclass(frozen=True, eq=False)
class Source:
    """One file that was read."""

    path: str  # as the caller gave it; "" for structures that came from memory
    sha256: str  # of the bytes as stored, thus of the compressed file where it is compressed; "" for memory
    format: str  # "extxyz", another format's name, or "memory"
    n_frames: int  # those in quarantine, too
    notes: tuple[str, ...] = ()  # sentences for the user: what was converted, what was assumed
    labels: LabelNames = field(default_factory=LabelNames)  # the entries that its labels were read from
    stored: str = ""  # the folder of arrays that stands for it where the file is gone (:mod:`meagraph.datasets.store`)
    known: bool = False  # its structures are known already: they are learned from and looked at, and never chosen


@dataclass(frozen=True)
class Quarantined:
    """A frame that cannot be used, and was left out."""

    path: str  # of its file, as the caller gave it
    frame: int  # its number in the file, from 0
    line: int  # its first line, from 1; 0 where the format has no lines
    cause: str  # what was expected, what came, what to do


@dataclass(frozen=True, eq=False, repr=False)
class AtomicDataset(Shown):
    """Atomic structures with their groups, labels and provenance.

    S structures hold N environments; an environment is addressed by its row ``offsets[structure] + atom``, in
    file order. Raises :class:`DatasetError` where the fields disagree or a structure is no physical one.
    """

    structures: Structures  # (S,) positions in Å; any sequence of ase.Atoms may be given
    groups: np.ndarray  # (S,) str
    name: str
    sources: tuple[Source, ...]
    source_index: np.ndarray  # (S,) int32 into sources
    frame_index: np.ndarray  # (S,) int64 number of the frame in its source, from 0
    frame_span: np.ndarray  # (S, 2) int64 bytes [start, end) of the decompressed source; -1 where not extxyz
    energy: np.ndarray  # (S,) float64 eV per structure, NaN where missing
    forces: np.ndarray  # (N, 3) float64 eV/Å, NaN where missing
    stress: np.ndarray  # (S, 3, 3) float64 eV/Å³, positive in tension, NaN where missing
    quarantined: tuple[Quarantined, ...] = ()  # frames of the sources that are not among the structures

    def __post_init__(self) -> None:
        object.__setattr__(self, "structures", pack(self.structures))
        _check_shapes(self)
        _check_structures(self)
        _check_labels(self)

    @property
    def n_structures(self) -> int:
        """S, the number of structures."""
        return len(self.structures)

    @property
    def n_environments(self) -> int:
        """N, the number of atoms in all structures together."""
        return int(self.offsets[-1])

    @property
    def offsets(self) -> np.ndarray:
        """(S+1,) int64: structure s holds the environments ``offsets[s]`` to ``offsets[s + 1] - 1``."""
        return self.structures.offsets

    @cached_property
    def sizes(self) -> np.ndarray:
        """(S,) atoms of each structure."""
        return np.diff(self.offsets)

    @property
    def numbers(self) -> np.ndarray:
        """(N,) int64 atomic number of each environment's central atom."""
        return self.structures.numbers

    @property
    def periodic(self) -> np.ndarray:
        """(S, 3) bool along which vectors of its cell each structure repeats."""
        return self.structures.pbc

    @cached_property
    def volumes(self) -> np.ndarray:
        """(S,) float64 Å³, NaN for structures that do not repeat in all directions."""
        return np.where(self.periodic.all(axis=1), np.abs(np.linalg.det(self.structures.cells)), np.nan)

    @cached_property
    def pressures(self) -> np.ndarray:
        """(S,) float64 GPa, minus a third of the trace of the stress; NaN where that is missing."""
        return np.asarray(-np.trace(self.stress, axis1=1, axis2=2) / 3 / GPa)

    @cached_property
    def periodicities(self) -> Counter[str]:
        """How many structures repeat in which directions, as T or F along each vector of the cell."""
        return Counter("".join("T" if flag else "F" for flag in flags) for flags in self.periodic.tolist())

    @cached_property
    def isolated(self) -> np.ndarray:
        """(S,) bool isolated atoms, which are never pruned (:mod:`meagraph.datasets.isolated`)."""
        return isolated(self.structures, self.groups)

    @cached_property
    def known(self) -> np.ndarray:
        """(S,) bool structures that are known already (:mod:`meagraph.datasets.known`): nothing chooses them."""
        return np.asarray(np.array([source.known for source in self.sources], dtype=bool)[self.source_index])

    @cached_property
    def known_environments(self) -> np.ndarray:
        """(N,) bool environments of known structures."""
        return np.asarray(self.known[self.structure_of])

    @cached_property
    def structure_of(self) -> np.ndarray:
        """(N,) int64 structure that each environment lies in."""
        return np.repeat(np.arange(self.n_structures), self.sizes)

    @cached_property
    def atom_of(self) -> np.ndarray:
        """(N,) int64 index of each environment's central atom within its structure."""
        atom: np.ndarray = np.arange(self.n_environments) - self.offsets[self.structure_of]
        return atom

    @cached_property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that occur, ascending."""
        return tuple(int(number) for number in np.unique(self.numbers))

    @cached_property
    def structure_keys(self) -> tuple[str, ...]:
        """(S,) content hash of each structure: numbers, positions, cell and periodicity, not its labels."""
        return structure_keys(self.structures)

    @cached_property
    def compositions(self) -> np.ndarray:
        """(S,) int64: structures of the same elements in the same numbers have the same number, from 0."""
        known: dict[bytes, int] = {}
        found = (np.sort(self.numbers[self.rows_of(row)]).tobytes() for row in range(self.n_structures))
        return np.array([known.setdefault(elements, len(known)) for elements in found], dtype=np.int64)

    @cached_property
    def first_equal(self) -> np.ndarray:
        """(S,) int64 the first structure of each one's content: what it repeats, or itself."""
        _, first, inverse = np.unique(np.asarray(self.structure_keys), return_index=True, return_inverse=True)
        return np.asarray(first[inverse], dtype=np.int64)

    @cached_property
    def folder(self) -> str | None:
        """The store (:mod:`meagraph.datasets.store`) that its arrays are mapped from; None where there is none."""
        return None

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of the whole dataset, labels and groups included, file names and paths not."""
        digest = hashlib.sha256("\n".join(self.structure_keys).encode())
        labels = [self.energy, self.forces, *([self.stress] if np.isfinite(self.stress).any() else [])]
        for block in (one[start : start + BLOCK] for one in labels for start in range(0, len(one), BLOCK)):
            digest.update(canonical(block))
        digest.update("\0".join(str(group) for group in self.groups).encode())
        if self.known.any():
            digest.update(self.known.tobytes())
        return digest.hexdigest()

    def group_table(self, kept: np.ndarray | None = None) -> Table:
        """New structures and environments of each group, in the order of the files; with ``kept`` (S,) what stays."""
        new = ~self.known
        names, first, codes = np.unique(self.groups[new], return_index=True, return_inverse=True)
        sizes = self.sizes[new]
        columns = [np.bincount(codes), np.bincount(codes, sizes)]
        heads: tuple[str, ...] = ("group", "structures", "environments")
        if kept is not None:
            heads = (*heads, "structures kept", "environments in them")
            columns += [np.bincount(codes, kept[new]), np.bincount(codes, kept[new] * sizes)]
        rows = [(str(names[code]), *(f"{int(column[code]):,}" for column in columns)) for code in np.argsort(first)]
        return Table(heads, tuple(rows))

    def _title(self) -> str:
        return f"Dataset {self.name}"

    def _facts(self) -> Facts:
        symbols = np.array(chemical_symbols)[self.numbers]
        energies, forces = int(np.isfinite(self.energy).sum()), int(np.isfinite(self.forces).all(axis=1).sum())
        stresses = int(np.isfinite(self.stress).all(axis=(1, 2)).sum())
        return [
            ("structures", f"{self.n_structures:,}, of {self.sizes.min():,} to {self.sizes.max():,} atoms"),
            ("environments", f"{self.n_environments:,}"),
            *([("known already", f"{int(self.known.sum()):,} structures")] if self.known.any() else []),
            ("elements", counted(Counter(symbols.tolist()))),
            ("groups", counted(Counter(self.groups.tolist()))),
            ("periodic", counted(self.periodicities)),
            ("energies", f"of {energies:,} structures"),
            ("forces", f"on {forces:,} atoms"),
            *([("stress", f"of {stresses:,} structures")] if stresses else []),
            ("labels", "; ".join(dict.fromkeys(source.labels.words() for source in self.sources))),
            ("from", ", ".join(source.path or "memory" for source in self.sources)),
            *([("in quarantine", f"{len(self.quarantined):,} frames")] if self.quarantined else []),
        ]

    def _line(self) -> str:
        return f"{self.name}: {self.n_environments:,} environments in {self.n_structures:,} structures"

    def _parts(self) -> list[str]:
        return [html_table(self.group_table(), ROWS)]

    def rows_of(self, structure: SupportsInt) -> slice:
        """The environments of a structure."""
        return self.structures.rows_of(int(structure))

    def locate(self, structure: int) -> str:
        """Say where a structure came from, in the words that error messages start with."""
        path = self.sources[self.source_index[structure]].path or self.name
        return describe_frame(path, int(self.frame_index[structure]))


def summarise(dataset: AtomicDataset) -> dict[str, Any]:
    """Describe a dataset in a JSON-able dictionary: counts, species, groups, ranges of the labels.

    Energies are in eV per atom, forces in eV/Å (length of the vector); a range without labels is ``None``.
    ``periodic`` counts structures by the directions in which they repeat, T or F along each vector of the cell.
    """
    sizes = dataset.sizes
    per_atom = dataset.energy / sizes
    per_atom = per_atom[np.isfinite(per_atom)]
    lengths = np.linalg.norm(dataset.forces, axis=1)
    labelled = np.isfinite(lengths)
    groups = {
        str(group): {
            "structures": int(np.sum(dataset.groups == group)),
            "environments": int(sizes[dataset.groups == group].sum()),
        }
        for group in dict.fromkeys(dataset.groups.tolist())
    }
    return {
        "name": dataset.name,
        "sources": [
            {
                "path": source.path,
                "sha256": source.sha256,
                "format": source.format,
                "frames": source.n_frames,
                "labels": asdict(source.labels),
                "notes": list(source.notes),
            }
            for source in dataset.sources
        ],
        "structures": dataset.n_structures,
        "environments": dataset.n_environments,
        "atoms_per_structure": [int(sizes.min()), int(sizes.max())],
        "species": [chemical_symbols[number] for number in dataset.species],
        "environments_per_species": {
            chemical_symbols[number]: int(np.sum(dataset.numbers == number)) for number in dataset.species
        },
        "groups": groups,
        "periodic": dict(dataset.periodicities),
        "isolated_atoms": int(dataset.isolated.sum()),
        "energy_per_atom": [float(per_atom.min()), float(per_atom.max())] if len(per_atom) else None,
        "max_force": float(lengths[labelled].max()) if labelled.any() else None,
        "structures_without_energy": int(np.sum(np.isnan(dataset.energy))),
        "environments_without_forces": int(np.sum(~labelled)),
        "structures_without_stress": int(np.isnan(dataset.stress).any(axis=(1, 2)).sum()),
        "quarantined": [asdict(frame) for frame in dataset.quarantined],
        "fingerprint": dataset.fingerprint,
    }


def _check_shapes(dataset: AtomicDataset) -> None:
    n_structures = len(dataset.structures)
    if n_structures == 0:
        raise DatasetError(f"{dataset.name}: expected structures, but there are none. Give another file.")
    expected = {
        "groups": (n_structures,),
        "source_index": (n_structures,),
        "frame_index": (n_structures,),
        "frame_span": (n_structures, 2),
        "energy": (n_structures,),
        "forces": (dataset.n_environments, 3),
        "stress": (n_structures, 3, 3),
    }
    for name, shape in expected.items():
        came = np.shape(getattr(dataset, name))
        if came != shape:
            raise DatasetError(
                f"{dataset.name}: expected {name} of shape {shape}, but it has {came}. "
                "Build the dataset with dataset_from_structures()."
            )
    if not np.all((dataset.source_index >= 0) & (dataset.source_index < len(dataset.sources))):
        raise DatasetError(
            f"{dataset.name}: expected source_index within the {len(dataset.sources)} sources, "
            "but some lie outside. Build the dataset with dataset_from_structures()."
        )


def _check_structures(dataset: AtomicDataset) -> None:
    for structure, fault in sorted(faults_of(dataset.structures).items()):
        raise DatasetError(f"{dataset.locate(structure)}: {fault}")


def _check_labels(dataset: AtomicDataset) -> None:
    infinite = np.isinf(dataset.energy)
    if infinite.any():
        raise DatasetError(
            f"{dataset.locate(int(np.argmax(infinite)))}: expected a finite energy, but it is infinite. "
            "Remove or repair the frame."
        )
    infinite = np.isinf(dataset.forces)
    if infinite.any():
        row = int(np.argmax(infinite)) // 3
        raise DatasetError(
            f"{dataset.locate(int(dataset.structure_of[row]))}: expected finite forces, but that on atom "
            f"{dataset.atom_of[row]} is infinite. Remove or repair the frame."
        )
