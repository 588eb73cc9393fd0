"""Energies, forces, stress and groups of structures, whatever names the files give them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets.columnar import Structures
from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.entries import LABELLED, passing
from meagraph.datasets.names import STEMS, USUAL, LabelNames, by_family, label_of
from meagraph.datasets.stress import stress_of
from meagraph.limits import GROUP

DEFAULT_GROUP = "Default"
MISSING = frozenset({"", "none", "null", "nan", "n/a", "na", "--"})
OPTIONS = {"energy": "--energy-key", "forces": "--forces-key", "stress": "--stress-key"}

Keys = str | Sequence[str] | None


class LabelError(ValueError):
    """A label that is there and cannot be used; the message says what came."""


@dataclass(frozen=True, eq=False)
class Labels:
    """What was read of S structures with N atoms."""

    energy: NDArray[np.float64]  # (S,) eV, NaN where missing
    forces: NDArray[np.float64]  # (N, 3) eV/Å, NaN where missing
    stress: NDArray[np.float64]  # (S, 3, 3) eV/Å³ as ASE signs it, NaN where missing
    names: dict[int, LabelNames]  # of each source, by its index
    faults: dict[int, str]  # structures whose labels cannot be used, and why


def read_groups(structures: Structures, group_key: str) -> np.ndarray:
    """(S,) str: ``info[group_key]`` of each structure, ``"Default"`` where it is missing or empty.

    Raises DatasetError where no structure has an entry of that name, unless it is the usual one.
    """
    groups = np.full(len(structures), DEFAULT_GROUP, dtype=object)
    columns = structures.named("info", group_key)
    for column in columns:
        for row, value in zip(column.rows, column, strict=True):
            text = "" if value is None or np.size(value) == 0 else str(value).strip()
            if len(text) > GROUP.value:  # all names take the room of the longest
                raise DatasetError(
                    f"Expected at most {GROUP.value:,} characters in a group's name, but the entry {group_key!r} has "
                    f"{len(text):,}: {text[:40]!r}... Name another entry (--group-key). {GROUP.remedy}."
                )
            groups[row] = text or DEFAULT_GROUP
    if group_key != "config_type" and structures and not columns:
        there = {column.name for column in structures.columns if column.place == "info"}
        raise DatasetError(
            f"No frame has an entry {group_key!r}, which would name its group (--group-key); there are: "
            f"{', '.join(sorted(map(str, there))) or 'none'}. Name one of these."
        )
    return groups.astype(np.str_)


def read_labels(
    structures: Structures,
    source_index: NDArray[np.integer],
    *,
    energy_key: Keys = None,
    forces_key: Keys = None,
    stress_key: Keys = None,
    required: bool = True,
) -> Labels:
    """Read the labels of all structures, those of one file from one family of names.

    Names that the caller gives are tried in order for each structure, in the case of the file or another. Without
    them one family of usual names (energy, REF_energy, dft_energy, ... with the forces and the stress that go with
    it) is taken for a file, that which labels most structures wholly: two families may be two levels of theory, which
    must not be mixed unasked. Where one kind is named, the others come from its family.

    With ``required`` a structure without energy or, of two atoms and more, without forces is a fault. A stress that
    cannot be used is left out. Raises DatasetError for names that occur in no structure.
    """
    offsets, sizes = structures.offsets, np.diff(structures.offsets)
    given = {"energy": _names(energy_key), "forces": _names(forces_key), "stress": _names(stress_key)}
    _check_given(given, structures.names())
    energy = np.full(len(structures), np.nan)
    forces = np.full((offsets[-1], 3), np.nan)
    stress = np.full((len(structures), 3, 3), np.nan)
    faults: dict[int, str] = {}
    records: dict[int, LabelNames] = {}
    for source in np.unique(source_index).tolist():
        rows = np.flatnonzero(source_index == source).tolist()
        names = _choose(rows, structures, given)
        used: dict[str, set[str]] = {kind: set() for kind in STEMS}
        for row in rows:
            n_atoms, store = int(sizes[row]), structures.labels(row)
            try:
                name, value = _first(store, names["energy"], _energy)
                if value is not None:
                    energy[row] = value
                    used["energy"].add(name)
                elif required:
                    raise LabelError(_missing("energy", names["energy"], store))
                read = functools.partial(_forces, n_atoms=n_atoms, required=required)
                name, value = _first(store, names["forces"], read)
                if value is not None:
                    forces[offsets[row] : offsets[row + 1]] = value
                    used["forces"].add(name)
                elif n_atoms == 1:
                    forces[offsets[row]] = 0.0
                elif required:
                    raise LabelError(_missing("forces", names["forces"], store))
            except LabelError as error:
                faults[row] = str(error)
            for name in names["stress"]:
                if name in store and (tensor := stress_of(store[name], name, structures.plain(row))) is not None:
                    stress[row] = tensor
                    used["stress"].add(name)
                    break
        records[source] = _record(rows, structures, names, used)
    return Labels(energy, forces, stress, records, faults)


def _names(keys: Keys) -> tuple[str, ...]:
    if keys is None:
        return ()
    return (keys,) if isinstance(keys, str) else tuple(keys)


def _check_given(given: dict[str, tuple[str, ...]], there: set[str]) -> None:
    spelled = {name.lower() for name in there}
    for kind, names in given.items():
        if names and not any(name.lower() in spelled for name in names):
            raise DatasetError(
                f"No frame has an entry {' or '.join(names)} to read the {kind} from ({OPTIONS[kind]}); there are: "
                f"{', '.join(sorted(there)) or 'none'}. Name one of these, or leave the option out."
            )


def _choose(
    rows: Sequence[int],
    structures: Structures,
    given: dict[str, tuple[str, ...]],
) -> dict[str, tuple[str, ...]]:
    """The names of each kind that are tried for the structures ``rows`` of one file, in order."""
    there = structures.names(rows)
    families = by_family(there)
    named = [label for names in given.values() for name in names if (label := label_of(name))]
    if any(given.values()):
        family = named[0].family if named else ""
    else:
        family = _best_family(rows, structures, families)
    chosen: dict[str, tuple[str, ...]] = {}
    for kind in STEMS:
        if given[kind]:
            spelled = [[name, *(other for other in there if other.lower() == name.lower())] for name in given[kind]]
            chosen[kind] = tuple(dict.fromkeys(name for names in spelled for name in names))
        else:
            stranger = kind == "stress" and any(given.values()) and not named  # whose stress it is cannot be told
            chosen[kind] = () if stranger else tuple(families.get(family, {}).get(kind, ()))
    return chosen


def _best_family(
    rows: Sequence[int],
    structures: Structures,
    families: dict[str, dict[str, list[str]]],
) -> str:
    """The usual family that labels most structures with energy and forces, then with either."""

    def labelled(family: str, kind: str) -> NDArray[np.bool_]:
        found = _say_something(structures, families[family].get(kind, []))
        if kind == "forces":
            found |= np.diff(structures.offsets) == 1
        return np.asarray(found[rows])

    best, most = "", (-1, -1)
    usual = [family for family in USUAL if family in families]
    if len(usual) == 1:
        return usual[0]
    for family in usual:
        energy, forces = labelled(family, "energy"), labelled(family, "forces")
        count = (int((energy & forces).sum()), int(energy.sum() + forces.sum()))
        if count > most:
            best, most = family, count
    return best


def _is_there(value: Any) -> bool:
    """Whether an entry says anything: a reader's placeholder (True of a bare word, None, NaN) does not."""
    if value is None or isinstance(value, bool | np.bool_):
        return False
    if isinstance(value, str):
        return value.strip().lower() not in MISSING
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return True
    return array.dtype.kind not in "fc" or not np.isnan(array).all()


def _say_something(structures: Structures, names: Sequence[str]) -> NDArray[np.bool_]:
    """Which structures (S,) have under one of ``names`` something that is there."""
    found = np.zeros(len(structures), dtype=bool)
    for column in structures.columns:
        if column.name in names and column.place in LABELLED:
            found[column.rows] |= passing(column, _is_there)
    return found


def _first(store: dict[str, Any], names: Sequence[str], read: Callable[[Any], Any]) -> tuple[str, Any]:
    """The first of ``names`` under which something stands, and what ``read`` makes of it."""
    for name in names:
        if _is_there(value := store.get(name)):
            try:
                return name, read(value)
            except LabelError as error:
                raise LabelError(f"{name!r}: {error}") from error
    return "", None


def _energy(value: Any) -> float:
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.size != 1:
        raise LabelError(
            f"expected one number as energy, but came {str(value)[:60]!r}. Repair the frame, or name another key "
            "(--energy-key)"
        )
    energy = float(array.reshape(()))
    if np.isinf(energy):
        raise LabelError("expected a finite energy, but it is infinite. Remove or repair the frame")
    return energy


def _forces(value: Any, *, n_atoms: int, required: bool) -> NDArray[np.float64] | None:
    array = np.asarray(value)
    if array.shape == (3 * n_atoms,):
        array = array.reshape(-1, 3)
    if array.shape != (n_atoms, 3) or array.dtype.kind not in "fiu":
        raise LabelError(
            f"expected forces as numbers of shape {(n_atoms, 3)}, but they have shape {array.shape}. Repair the "
            "frame, or name another key (--forces-key)"
        )
    wrong = ~np.isfinite(array.astype(float)).all(axis=1)
    if wrong.any() and (required or np.isinf(array.astype(float)).any()):
        atom = int(np.argmax(wrong))
        what = "NaN" if np.isnan(array[atom]).any() else "infinite"
        raise LabelError(
            f"expected finite forces, but the force on atom {atom} is {what}. Remove or repair the frame"
            + (", or allow frames without labels (--allow-unlabelled)" if what == "NaN" else "")
        )
    return None if wrong.any() else array.astype(float)


def _missing(kind: str, names: Sequence[str], store: dict[str, Any]) -> str:
    if bare := [name for name in names if name in store]:
        said = f"{', '.join(bare)} is there, but without a value"
    else:
        said = f"this frame has none; it stores {', '.join(sorted(map(str, store))) or 'no labels at all'}"
    expected = " or ".join(names) or " or ".join((STEMS[kind][0], f"REF_{kind}", f"dft_{kind}", "the like"))
    return (
        f"expected {kind}, named {expected} (energy and forces of one family of names), but {said}. Name the key "
        f"({OPTIONS[kind]}), or allow frames without labels (--allow-unlabelled; in the app 'Allow frames without "
        "labels')"
    )


def _record(
    rows: Sequence[int],
    structures: Structures,
    names: dict[str, tuple[str, ...]],
    used: dict[str, set[str]],
) -> LabelNames:
    taken = {kind: tuple(name for name in names[kind] if name in used[kind]) for kind in STEMS}
    families = {label.family for spelled in taken.values() for name in spelled if (label := label_of(name))}
    others = {name for name in structures.names(rows) if (label := label_of(name)) and label.family not in families}
    left = tuple(sorted(name for name in others if _say_something(structures, [name])[rows].any()))
    return LabelNames(taken["energy"], taken["forces"], taken["stress"], left)
