"""The index of an export, read again: its rows checked by themselves and against what the manifest counts."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meagraph.exports.writing import INDEX_COLUMNS
from meagraph.files import writable_text


@dataclass(frozen=True)
class Row:
    """What the index says of one structure."""

    source: str
    frame: int
    structure: int
    group: str
    kept: bool
    n_atoms: int
    chosen: int  # of its environments


class BadIndex(ValueError):
    """A cell of the index cannot be; the message names file, line and column."""


def read_index(path: Path) -> list[Row]:
    """The rows of an index. Raises BadIndex at the first that cannot be."""
    rows: list[Row] = []
    with _long_fields(), open(path, newline="", encoding="utf-8") as stream:
        table = csv.reader(stream)
        head = next(table, [])
        if tuple(head) != INDEX_COLUMNS:
            raise BadIndex(f"{path}, line 1: expected the columns {', '.join(INDEX_COLUMNS)}, but came {head}.")
        for cells in table:
            rows.append(_row(cells, f"{path}, line {table.line_num}", rows[-1].structure if rows else -1))
    return rows


def _row(cells: Sequence[str], where: str, before: int) -> Row:
    if len(cells) != len(INDEX_COLUMNS):
        raise BadIndex(f"{where}: expected {len(INDEX_COLUMNS)} cells, but came {len(cells)}.")
    named = dict(zip(INDEX_COLUMNS, cells, strict=True))
    numbers = {}
    for name in ("frame", "structure", "kept", "n_atoms", "n_kept"):
        if not named[name].isdecimal():
            raise BadIndex(f"{where}, {name}: expected a number, but came {named[name][:40]!r}.")
        numbers[name] = int(named[name])
    if numbers["structure"] <= before:
        raise BadIndex(f"{where}, structure: expected a number above {before}, but came {numbers['structure']}.")
    if numbers["kept"] > 1:
        raise BadIndex(f"{where}, kept: expected 0 or 1, but came {numbers['kept']}.")
    atoms = named["kept_atoms"].split()
    if not all(one.isdecimal() for one in atoms):
        raise BadIndex(f"{where}, kept_atoms: expected numbers of atoms, but came {named['kept_atoms'][:40]!r}.")
    places = list(map(int, atoms))
    if len(places) != numbers["n_kept"]:
        raise BadIndex(f"{where}, n_kept: expected {len(places)}, as kept_atoms has, but came {numbers['n_kept']}.")
    if places != sorted(set(places)) or (places and places[-1] >= numbers["n_atoms"]):
        raise BadIndex(
            f"{where}, kept_atoms: expected atoms from 0 to {numbers['n_atoms'] - 1}, ascending, each once, but came "
            f"{named['kept_atoms'][:40]!r}."
        )
    return Row(
        *(named["source"], numbers["frame"], numbers["structure"], named["group"]),
        *(bool(numbers["kept"]), numbers["n_atoms"], numbers["n_kept"]),
    )


def count_problems(rows: Sequence[Row], manifest: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Where the counts of the manifest at ``path`` are not those of the index."""
    yield from _unlike(manifest["counts"]["all"], _counts(rows), f"{path}, counts.all")
    groups = {writable_text(name): counts for name, counts in manifest["counts"]["groups"].items()}
    by_group: dict[str, list[Row]] = {}
    for row in rows:
        by_group.setdefault(row.group, []).append(row)
    for name in (*groups, *(name for name in by_group if name not in groups)):
        if name not in groups or name not in by_group:
            which = ("manifest", "index") if name not in groups else ("index", "manifest")
            yield f"{path}, counts.groups: expected the group {name!r} of the {which[1]} in the {which[0]}, too."
        else:
            yield from _unlike(groups[name], _counts(by_group[name]), f"{path}, counts.groups.{name}")
    known = {writable_text(source["path"]) for source in manifest["sources"]}
    for row in rows:
        if row.source not in known:
            yield f"{path}, sources: expected the source {row.source!r} of the index, but the manifest has none such."
            break
    for place, source in enumerate(manifest["sources"]):
        kept = sum(row.kept for row in rows if row.source == writable_text(source["path"]))
        if not source.get("known") and kept != source["frames_kept"]:
            came = source["frames_kept"]
            yield f"{path}, sources[{place}].frames_kept: expected {kept}, as the index has it, but came {came}."


def _counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    kept = [row for row in rows if row.kept]
    return {
        "before": {"structures": len(rows), "environments": sum(row.n_atoms for row in rows)},
        "after": {
            "structures": len(kept),
            "environments": sum(row.n_atoms for row in kept),
            "environments_selected": sum(row.chosen for row in rows),
        },
    }


def _unlike(said: Mapping[str, Any], counted: Mapping[str, Mapping[str, int]], where: str) -> Iterator[str]:
    for when, counts in counted.items():
        for name, count in counts.items():
            if said[when][name] != count:
                yield f"{where}.{when}.{name}: expected {count}, as the index has it, but came {said[when][name]}."


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let the csv module read lists of atoms of any length."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
