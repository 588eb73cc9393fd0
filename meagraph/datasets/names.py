"""What the entries of files are called: kinds of labels, and families of names that one calculation has written."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

STEMS = {
    "energy": ("energy", "free_energy", "total_energy", "potential_energy", "etot"),
    "forces": ("forces", "force"),
    "stress": ("stress", "virial", "virials"),
}
"""The usual names of each kind of label, in lower case, those that are taken first before the others."""
KIND_OF = {stem: kind for kind, stems in STEMS.items() for stem in stems}
LONGEST = sorted(KIND_OF, key=len, reverse=True)
NO_LABEL = re.compile(
    "error|sigma|std|stddev|weight|var|variance|uncertainty|mask|per|units?|kinetic|max|rmse|mae|shift|offset|mean|"
    "scale|constant|field|spring|drift"
)
"""Words that make of a name something about a label, which is none itself."""
USUAL = ("ref", "dft", "")
"""Families that are taken unasked; of several that label equally many structures the first."""

UNITS_IN_NAMES = {
    "_kbar": "kbar",
    "_kb": "kbar",
    "_gpa": "GPa",
    "_bar": "bar",
    **dict.fromkeys(("_ev_ang3", "_ev/a^3", "_ev/ang^3"), "eV/A^3"),
}
"""Endings of the names of stresses, in lower case, and the units (of :mod:`.stress`) that they say."""


class Label(NamedTuple):
    """What a name says: the kind of label, and the family (``ref`` of REF_energy, "" of energy)."""

    kind: str
    family: str
    stem: str


@functools.lru_cache(maxsize=4096)
def label_of(name: str) -> Label | None:
    """What kind of label an entry of this name is; None where it is none."""
    lower = name.lower()
    if any(stem in lower for stem in STEMS["stress"]):
        lower = next((lower[: -len(unit)] for unit in UNITS_IN_NAMES if lower.endswith(unit)), lower)
    for stem in LONGEST:
        if lower == stem:
            return Label(KIND_OF[stem], "", stem)
        if lower.endswith(("_" + stem, "-" + stem)):
            family = lower[: -len(stem) - 1]
        elif lower.startswith((stem + "_", stem + "-")):
            family = lower[len(stem) + 1 :]
        else:
            continue
        about = any(NO_LABEL.fullmatch(word) for word in re.split("[-_]", family))
        return None if about else Label(KIND_OF[stem], family, stem)
    return None


@dataclass(frozen=True)
class LabelNames:
    """The entries of one file that its labels were read from, and those that are there and were not."""

    energy: tuple[str, ...] = ()  # as the file spells them
    forces: tuple[str, ...] = ()
    stress: tuple[str, ...] = ()
    left: tuple[str, ...] = ()  # entries of other families

    def words(self) -> str:
        """One line for people."""
        parts = [
            f"{kind} from {' or '.join(names)}"
            for kind, names in (("energy", self.energy), ("forces", self.forces), ("stress", self.stress))
            if names
        ]
        text = ", ".join(parts) or "no labels"
        return f"{text}; not taken: {', '.join(self.left)}" if self.left else text


def by_family(names: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Names sorted by family and kind, those of a kind in the order in which they are tried."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in sorted(set(names), key=lambda name: (name != name.lower(), name)):
        label = label_of(name)
        if label is not None:
            found.setdefault(label.family, {}).setdefault(label.kind, []).append(name)
    for kinds in found.values():
        for kind, spelled in kinds.items():
            spelled.sort(key=lambda name: _place(kind, name))
    return found


def _place(kind: str, name: str) -> int:
    label = label_of(name)
    assert label is not None
    return STEMS[kind].index(label.stem)
