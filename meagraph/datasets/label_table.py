"""Which names the frames of a dataset carry, of what kind, and which of them are taken as energy, forces and group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms

from meagraph.datasets.dataset import AtomicDataset
from meagraph.datasets.labels import ENERGY_NAMES, FORCES_NAMES, Keys, current_results
from meagraph.display.cards import Table

OF_EVERY_FRAME = ("numbers", "positions")  # arrays that are no labels
STORES = ("results", "info", "arrays")


@dataclass(frozen=True)
class Label:
    """A name that frames carry."""

    name: str
    store: str  # where ASE keeps it, one of STORES
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
    usual: tuple[str, ...]  # names that are tried where none is given
    fits: Callable[[Label], bool]


SETTINGS: dict[str, Setting] = {
    "energy_key": Setting("Energy", ENERGY_NAMES, lambda label: label.store != "arrays" and label.kind == "number"),
    "forces_key": Setting("Forces", FORCES_NAMES, lambda label: label.store != "info" and "vector" in label.kind),
    "group_key": Setting(
        "Group", ("config_type",), lambda label: label.store == "info" and label.kind in ("text", "number", "flag")
    ),
}


def label_table(
    data: AtomicDataset | Sequence[Atoms], *, energy_key: Keys = None, forces_key: Keys = None, group_key: Keys = None
) -> LabelTable:
    """The names that the frames of ``data`` carry, and which serve under these options of reading.

    Of the usual names that frames of a file may have, the one counts that most of them carry; of names that are given
    all that occur.
    """
    frames = data.structures if isinstance(data, AtomicDataset) else tuple(data)
    files = data.source_index if isinstance(data, AtomicDataset) else np.zeros(len(frames), dtype=np.int32)
    kinds: dict[tuple[str, str], Counter[str]] = {}
    counts: Counter[tuple[int, str]] = Counter()  # frames of a file that carry a name, in any store
    for atoms, file in zip(frames, files.tolist(), strict=True):
        entries = list(_entries(atoms))
        for store, name, value in entries:
            kinds.setdefault((store, name), Counter())[kind_of(value, len(atoms))] += 1
        counts.update({(file, name) for _, name, _ in entries})
    given: dict[str, Keys] = {"energy_key": energy_key, "forces_key": forces_key, "group_key": group_key}
    found = [
        Label(name, store, sum(counter.values()), ", ".join(kind for kind, _ in counter.most_common()))
        for (store, name), counter in kinds.items()
    ]
    serving = {
        setting: _serving(SETTINGS[setting], given[setting], found, counts, set(files.tolist())) for setting in SETTINGS
    }
    labels = [
        replace(one, taken_as=tuple(name for name in SETTINGS if (one.store, one.name) in serving[name]))
        for one in found
    ]
    return LabelTable(tuple(sorted(labels, key=lambda one: (not one.taken_as, one.name.casefold()))), len(frames))


def kind_of(value: Any, atoms: int) -> str:
    """What a label of a frame of so many ``atoms`` is, in words."""
    array = np.asarray(value)
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


def _entries(atoms: Atoms) -> Iterator[tuple[str, str, Any]]:
    """Store, name and value of all that a frame carries."""
    for name, value in current_results(atoms).items():
        if value is not None:
            yield "results", str(name), value
    for name, value in atoms.info.items():
        yield "info", str(name), value
    for name, value in atoms.arrays.items():
        if name not in OF_EVERY_FRAME:
            yield "arrays", str(name), value


def _serving(
    setting: Setting, keys: Keys, found: Sequence[Label], counts: Counter[tuple[int, str]], files: set[int]
) -> set[tuple[str, str]]:
    """Store and name of the labels that serve; of one in two stores the calculator's result."""
    stores: dict[str, str] = {}
    for label in sorted(found, key=lambda one: STORES.index(one.store)):
        if setting.fits(label):
            stores.setdefault(label.name, label.store)
    if keys is not None and keys != ():
        names = [keys] if isinstance(keys, str) else list(keys)
        return {(stores[name], name) for name in names if name in stores}
    best = set()
    for file in files:
        there = [name for name in setting.usual if name in stores and counts[file, name]]
        if there:
            name = max(there, key=lambda one: counts[file, one])  # the first of equals
            best.add((stores[name], name))
    return best
