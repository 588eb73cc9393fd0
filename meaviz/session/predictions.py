"""What the tab of predictions shows, as numbers and text: parts of the data, the worst, and what an error is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.inspection.property import Property
from meagraph.outliers.suspects import Suspect
from meagraph.predictions.parts import Parts, by_size, parts, whole
from meagraph.predictions.quantities import Compared
from meaviz.session.data import Data

KINDS = ("Cluster", "Group", "Element", "Size")
MOST = 200  # parts, and worst ones, listed
PROPERTY = {"energy": "energy_error", "forces": "force_error", "stress": "stress_error"}
"""The property that a quantity's error is, by which map and atoms are coloured."""


def codes_of(data: Data, kind: str) -> tuple[NDArray[np.int64], list[str]] | None:
    """The part (N,) of each environment by one of KINDS, and the names of the parts; None where that is not known."""
    dataset, known = data.dataset, data.properties
    if dataset is None or known is None or kind.lower() not in (*known, "size"):
        return None
    if kind == "Size":
        return by_size(dataset)
    found: Property = known[kind.lower()]
    names = [*(found.titles or found.names), "unclustered" if kind == "Cluster" else "none"]
    return np.where(found.values < 0, len(names) - 1, found.values).astype(np.int64), names


def part_rows(of: Compared, codes: NDArray[np.int64], names: list[str]) -> list[dict[str, Any]]:
    """The parts as rows of a :class:`meaviz.components.choice_list.ChoiceList` with heads, the farthest off first."""
    found = parts(of, codes, names)
    scale = of.quantity.scale
    columns = (found.codes, found.names, found.count, scale * found.rmse, scale * found.mae, scale * found.worst)
    rows = zip(
        *(column[:MOST] if isinstance(column, tuple) else column[:MOST].tolist() for column in columns), strict=True
    )
    return [
        {"id": code, "text": name, "cells": [f"{count:,}", *map(figure, (rmse, mae, worst))]}
        for code, name, count, rmse, mae, worst in rows
    ]


def heads(of: Compared) -> list[str]:
    """The heads of these rows."""
    return [
        of.quantity.error_unit,
        "atoms" if of.quantity.level == "environment" else "struct.",
        "RMSE",
        "MAE",
        "worst",
    ]


def worst_rows(of: Compared) -> list[dict[str, Any]]:
    """The structures, or atoms, that are farthest off, as rows of a ChoiceList; their ids are members of ``of``."""
    data = of.errors.dataset
    rows = []
    for member in of.ranked[:MOST].tolist():
        atomic = of.quantity.level == "environment"
        structure = int(data.structure_of[member]) if atomic else member
        place = f"frame {data.frame_index[structure]}"
        if len(data.sources) > 1:
            place = f"{Path(data.sources[data.source_index[structure]].path).name}, {place}"
        what = (
            f"{chemical_symbols[data.numbers[member]]} {data.atom_of[member]}"
            if atomic
            else _atoms(int(data.sizes[member]))
        )
        rows.append(
            {
                "id": member,
                "mark": figure(of.quantity.scale * of.size[member]),
                "kind": "",
                "text": f"{data.groups[structure]} · {place}",
                "count": what,
            }
        )
    return rows


def suspect_rows(found: Sequence[Suspect], dataset: AtomicDataset) -> list[dict[str, Any]]:
    """Structures whose labels may be wrong, as rows of a ChoiceList; their ids are the most suspicious environments."""
    return [
        {
            "id": one.environment,
            "mark": f"{one.score:.2f}",
            "kind": "",
            "text": f"{dataset.groups[one.structure]}, frame {dataset.frame_index[one.structure]}: {one.words}",
            "count": "",
        }
        for one in found[:MOST]
    ]


def summary(of: Compared) -> str:
    """RMSE, MAE and the largest error of everything, in words, and of how much where that is not all."""
    all_of: Parts = whole(of)
    rmse, mae, worst = (figure(of.quantity.scale * float(one[0])) for one in (all_of.rmse, all_of.mae, all_of.worst))
    members = "atoms" if of.quantity.level == "environment" else "structures"
    count, total = int(all_of.count[0]), len(of.size)
    known = "" if count == total else f", {count:,} of {total:,} {members}"
    return f"RMSE {rmse}, MAE {mae}, worst {worst} {of.quantity.error_unit}{known}"


def part_of(codes: NDArray[np.int64], mask: NDArray[np.bool_]) -> int:
    """The one part that all of the environments ``mask`` (N,) lie in; -1 where there is none or more."""
    touched = codes[mask]
    return int(touched[0]) if len(touched) and (touched == touched[0]).all() else -1


def figure(value: float) -> str:
    """A number in as many digits as a narrow column has room for."""
    if value == 0 or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.1e}"


def _atoms(count: int) -> str:
    return f"{count:,} atom{'s' * (count != 1)}"
