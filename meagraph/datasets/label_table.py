"""Which names the frames of a dataset carry, of what kind, and which of them are taken as energy, forces and group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms

from meagraph.datasets.columnar import pack
from meagraph.datasets.dataset import AtomicDataset, DatasetError
from meagraph.datasets.entries import LABELLED
from meagraph.datasets.labels import Keys, read_labels
from meagraph.display.cards import Table


@dataclass(frozen=True)
class Label:
    """A name that frames carry."""

    name: str
    store: str  # where ASE keeps it: results, info or arrays
    frames: int  # that carry it
    kind: str  # "number", "flag", "text", "vector per atom", ...: see kind_of(); several are joined by ", "
    taken_as: tuple[str, ...] = ()  # settings of SETTINGS that it serves, such as "energy_key"


@dataclass(frozen=True)
class LabelTable:
    """All names of S frames."""

    labels: tuple[Label, ...]
    frames: int

    def names(self, setting: str) -> tuple[str, ...]:
        """Those that may serve a setting of SETTINGS, each once."""
        fits = SETTINGS[setting].fits
        return tuple(dict.fromkeys(label.name for label in self.labels if fits(label)))

    def table(self) -> Table:
        """A row a name."""
        rows = [
            (
                label.name,
                label.store,
                f"{label.frames:,} of {self.frames:,}",
                label.kind,
                ", ".join(SETTINGS[setting].title for setting in label.taken_as),
            )
            for label in self.labels
        ]
        return Table(("name", "in", "frames", "kind", "taken as"), tuple(rows))


@dataclass(frozen=True)
class Setting:
    """An option of :func:`meagraph.datasets.read_dataset` that names a label."""

    title: str
    fits: Callable[[Label], bool]


def _tensor(label: Label) -> bool:
    return label.store != "arrays" and any(kind in label.kind for kind in ("number, 3 × 3", "number, 6", "number, 9"))


SETTINGS: dict[str, Setting] = {
    "energy_key": Setting("Energy", lambda label: label.store != "arrays" and label.kind == "number"),
    "forces_key": Setting("Forces", lambda label: label.store != "info" and "vector" in label.kind),
    "stress_key": Setting("Stress", _tensor),
    "group_key": Setting("Group", lambda label: label.store == "info" and label.kind in ("text", "number", "flag")),
}


def label_table(
    data: AtomicDataset | Sequence[Atoms],
    *,
    energy_key: Keys = None,
    forces_key: Keys = None,
    stress_key: Keys = None,
    group_key: Keys = None,
) -> LabelTable:
    """The names that the frames of ``data`` carry, and which serve: in a dataset, or under these options of reading."""
    if isinstance(data, AtomicDataset):
        frames, names = data.structures, [source.labels for source in data.sources]
    else:
        frames = pack(data)
        files = np.zeros(len(frames), dtype=np.int32)
        keys = {"energy_key": energy_key, "forces_key": forces_key, "stress_key": stress_key}
        try:
            names = list(read_labels(frames, files, **keys, required=False).names.values())
        except DatasetError:  # keys that fit no frame: nothing serves
            names = []
    group = group_key if isinstance(group_key, str) else "config_type"
    taken = {"group_key": {group}}
    for setting in ("energy_key", "forces_key", "stress_key"):
        taken[setting] = {name for one in names for name in getattr(one, setting.removesuffix("_key"))}
    kinds: dict[tuple[str, str], Counter[str]] = {}
    for row, size in enumerate(np.diff(frames.offsets).tolist()):
        for store, name, value in frames.carried(row):
            if store in LABELLED and not (store == "results" and value is None):
                kinds.setdefault((store, name), Counter())[kind_of(value, size)] += 1
    labels = []
    for (store, name), counter in kinds.items():
        label = Label(name, store, sum(counter.values()), ", ".join(kind for kind, _ in counter.most_common()))
        serves = tuple(setting for setting, known in SETTINGS.items() if name in taken[setting] and known.fits(label))
        labels.append(replace(label, taken_as=serves))
    return LabelTable(tuple(sorted(labels, key=lambda one: (not one.taken_as, one.name.casefold()))), len(frames))


def kind_of(value: Any, atoms: int) -> str:
    """What a label of a frame of so many ``atoms`` is, in words."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return "other"
    if array.dtype.kind == "b":
        base = "flag"
    elif array.dtype.kind in "iuf":
        base = "number"
    else:
        base = "text" if array.dtype.kind in "US" else "other"
    if array.size == 1 and array.ndim <= 1 and not (array.ndim == 1 and atoms == 1):
        return base
    if array.ndim and len(array) == atoms:
        if array.ndim == 1:
            return f"{base} per atom"
        return "vector per atom" if array.shape[1:] == (3,) and base == "number" else f"{base} per atom, {_by(array)}"
    return f"{base}, {_by(array)}"


def _by(array: np.ndarray) -> str:
    return " × ".join(map(str, array.shape))
