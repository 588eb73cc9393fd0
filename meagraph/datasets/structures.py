"""Structures in memory to a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from ase import Atoms

from meagraph.datasets.dataset import AtomicDataset, DatasetError, Source, check_atom_count, describe_frame
from meagraph.datasets.labels import Keys, copy_of, read_energies, read_forces, read_groups


def dataset_from_structures(
    structures: Sequence[Atoms],
    *,
    name: str = "structures",
    sources: tuple[Source, ...] | None = None,
    source_index: np.ndarray | None = None,
    frame_index: np.ndarray | None = None,
    frame_span: np.ndarray | None = None,
    energy_key: Keys = None,
    forces_key: Keys = None,
    group_key: str = "config_type",
    allow_unlabelled: bool = False,
    max_atoms: int = 50_000,
) -> AtomicDataset:
    """Make a dataset of structures in memory; labels and groups are found as in those of files.

    ``sources`` and the three arrays of provenance (see :class:`AtomicDataset`) are for readers; without them
    the structures count as frames 0 to S-1 of one source in memory. Raises :class:`DatasetError`.
    """
    count = len(structures)
    if sources is None:
        sources = (Source(path="", sha256="", format="memory", n_frames=count),)
    source_index = np.asarray(np.zeros(count) if source_index is None else source_index, dtype=np.int32)
    frame_index = np.asarray(np.arange(count) if frame_index is None else frame_index, dtype=np.int64)
    frame_span = np.asarray(np.full((count, 2), -1) if frame_span is None else frame_span, dtype=np.int64)

    def locate(row: int) -> str:
        return describe_frame(sources[source_index[row]].path or name, int(frame_index[row]))

    for row, atoms in enumerate(structures):
        check_atom_count(len(atoms), where=locate(row), max_atoms=max_atoms)
    required = not allow_unlabelled
    return AtomicDataset(
        structures=tuple(structures),
        groups=read_groups(structures, group_key),
        name=name,
        sources=sources,
        source_index=source_index,
        frame_index=frame_index,
        frame_span=frame_span,
        energy=read_energies(structures, source_index, energy_key, locate=locate, required=required),
        forces=read_forces(structures, source_index, forces_key, locate=locate, required=required),
    )


def from_atoms(
    structures: Atoms | Iterable[Atoms],
    *,
    name: str = "structures",
    energy_key: Keys = None,
    forces_key: Keys = None,
    group_key: str = "config_type",
    allow_unlabelled: bool = False,
    max_atoms: int = 50_000,
) -> AtomicDataset:
    """Make a dataset of structures in memory: one, a list or a generator, in the order given.

    Energies (eV) and forces (eV/Å) are the results of each structure's calculator, or what it stores in ``info`` and
    ``arrays``; nothing is calculated. The structures are copied, so that later changes do not reach the dataset.
    ``name`` is what the dataset is called; the other options are those of :func:`meagraph.datasets.read_dataset`.
    Raises :class:`DatasetError` for what is no structure, for none at all, and where a structure or its labels are
    unusable.
    """
    items = [structures] if isinstance(structures, Atoms) else list(structures)
    strangers = sorted({type(item).__name__ for item in items if not isinstance(item, Atoms)})
    if strangers:
        raise DatasetError(
            f"{name}: expected ase.Atoms, but among the {len(items)} given are {', '.join(strangers)}. Give structures "
            "only; files are read by meagraph.read."
        )
    if not items:
        raise DatasetError(f"{name}: expected structures, but none came. Give at least one ase.Atoms.")
    return dataset_from_structures(
        [copy_of(item) for item in items],
        name=name,
        energy_key=energy_key,
        forces_key=forces_key,
        group_key=group_key,
        allow_unlabelled=allow_unlabelled,
        max_atoms=max_atoms,
    )
