"""Structures in memory to a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ase import Atoms

from meagraph.datasets.checks import count_fault, faults_of
from meagraph.datasets.columnar import pack
from meagraph.datasets.dataset import (
    AtomicDataset,
    DatasetError,
    Quarantined,
    Source,
    describe_frame,
)
from meagraph.datasets.entries import gathered
from meagraph.datasets.labels import Keys, read_groups, read_labels
from meagraph.datasets.names import LabelNames
from meagraph.datasets.stress import UNITS, in_usual_unit

ON_ERROR = ("stop", "quarantine")
"""What becomes of a frame that cannot be used: reading stops, or the frame is set aside and the rest goes on."""


def dataset_from_structures(
    structures: Iterable[Atoms],
    *,
    name: str = "structures",
    sources: tuple[Source, ...] | None = None,
    source_index: np.ndarray | None = None,
    frame_index: np.ndarray | None = None,
    frame_span: np.ndarray | None = None,
    frame_line: np.ndarray | None = None,
    quarantined: Sequence[Quarantined] = (),
    energy_key: Keys = None,
    forces_key: Keys = None,
    stress_key: Keys = None,
    stress_unit: str | None = None,
    group_key: str = "config_type",
    allow_unlabelled: bool = False,
    on_error: str = "stop",
    max_atoms: int = 50_000,
) -> AtomicDataset:
    """Make a dataset of structures in memory; labels and groups are found as in those of files.

    ``sources`` and the arrays of provenance (see :class:`AtomicDataset`; ``frame_line`` (S,) are first lines, from 1)
    are for readers, and so are the frames that they have ``quarantined``; without them the structures count as frames
    0 to S-1 of one source in memory. Raises :class:`DatasetError`, with ``on_error`` "quarantine" only where nothing
    usable is left or an option fits no structure.
    """
    structures = pack(structures)
    count = len(structures)
    if sources is None:
        sources = (Source(path="", sha256="", format="memory", n_frames=count),)
    source_index = np.asarray(np.zeros(count) if source_index is None else source_index, dtype=np.int32)
    frame_index = np.asarray(np.arange(count) if frame_index is None else frame_index, dtype=np.int64)
    frame_span = np.asarray(np.full((count, 2), -1) if frame_span is None else frame_span, dtype=np.int64)
    frame_line = np.asarray(np.zeros(count) if frame_line is None else frame_line, dtype=np.int64)
    if on_error not in ON_ERROR or stress_unit not in (None, *UNITS):
        raise DatasetError(
            f"Expected on_error as one of {', '.join(ON_ERROR)} and stress_unit as one of {', '.join(UNITS)}, but came "
            f"{on_error!r} and {stress_unit!r}. Choose one of these."
        )

    def locate(row: int) -> str:
        return describe_frame(sources[source_index[row]].path or name, int(frame_index[row]))

    labels = read_labels(
        structures,
        source_index,
        energy_key=energy_key,
        forces_key=forces_key,
        stress_key=stress_key,
        required=not allow_unlabelled,
    )
    sizes = np.diff(structures.offsets)
    faults = labels.faults | faults_of(structures, max_atoms=max_atoms)
    if faults and (on_error == "stop" or len(faults) == count):
        row = min(faults, key=lambda row: (count_fault(int(sizes[row]), max_atoms) is None, row))
        more = f" ({len(faults):,} of {count:,} frames have faults.)" if len(faults) > 1 else ""
        hint = "" if on_error == "quarantine" else " To read the rest: --on-error quarantine."
        raise DatasetError(f"{locate(row)}: {faults[row].rstrip('.')}.{more}{hint}")
    stress, described = np.full((count, 3, 3), np.nan), list(sources)
    for at, names in labels.names.items():
        rows, note = np.flatnonzero(source_index == at), ""
        if np.isfinite(labels.stress[rows]).any():
            stress[rows], note = in_usual_unit(
                labels.stress[rows],
                labels.energy[rows],
                labels.forces[gathered(structures.offsets, rows)[0]],
                structures.taken(rows),
                names=names.stress,
                unit=stress_unit,
            )
        notes = (*sources[at].notes, note) if note else sources[at].notes
        described[at] = replace(sources[at], labels=names, notes=notes)
    kept = np.array([row not in faults for row in range(count)], dtype=bool)
    good = structures.taken(np.flatnonzero(kept))
    aside = [
        Quarantined(
            path=sources[source_index[row]].path,
            frame=int(frame_index[row]),
            line=int(frame_line[row]),
            cause=f"{locate(row)}: {cause}",
        )
        for row, cause in faults.items()
    ]
    return AtomicDataset(
        structures=good,
        groups=read_groups(good, group_key),
        name=name,
        sources=tuple(described),
        source_index=source_index[kept],
        frame_index=frame_index[kept],
        frame_span=frame_span[kept],
        energy=labels.energy[kept],
        forces=labels.forces if kept.all() else labels.forces[np.repeat(kept, sizes)],
        stress=stress[kept],
        quarantined=tuple(sorted([*quarantined, *aside], key=lambda frame: (frame.path, frame.frame))),
    )


def from_atoms(
    structures: Atoms | Iterable[Atoms],
    *,
    name: str = "structures",
    energy_key: Keys = None,
    forces_key: Keys = None,
    stress_key: Keys = None,
    stress_unit: str | None = None,
    group_key: str = "config_type",
    allow_unlabelled: bool = False,
    on_error: str = "stop",
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
        items,
        name=name,
        energy_key=energy_key,
        forces_key=forces_key,
        stress_key=stress_key,
        stress_unit=stress_unit,
        group_key=group_key,
        allow_unlabelled=allow_unlabelled,
        on_error=on_error,
        max_atoms=max_atoms,
    )


def relabelled(dataset: AtomicDataset, **keys: Any) -> AtomicDataset:
    """``dataset`` with its labels and groups read anew by these options of :func:`dataset_from_structures`.

    A group is what the value of its entry prints as, for the text of the file is not there. Raises as that does.
    """
    return dataset_from_structures(
        dataset.structures,
        name=dataset.name,
        sources=tuple(replace(one, labels=LabelNames(), notes=_of_reading(one.notes)) for one in dataset.sources),
        source_index=dataset.source_index,
        frame_index=dataset.frame_index,
        frame_span=dataset.frame_span,
        quarantined=dataset.quarantined,
        **keys,
    )


def _of_reading(notes: tuple[str, ...]) -> tuple[str, ...]:
    """Notes without those on the unit of the stress, which hang on how it is read."""
    return tuple(note for note in notes if not note.startswith("stress ("))
