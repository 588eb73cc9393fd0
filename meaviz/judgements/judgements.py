"""Judgements by hand on the environments of a dataset: what was said by whom, and what counts.

The newest judgement of an environment counts, whoever made it. What each author said last stays in sight, and so does
that two of them disagree. Structures of equal content share their judgements.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path
from meaviz.common import shared
from meaviz.judgements.ledger import (
    TIME,
    VERDICTS,
    Act,
    all_entries,
    check_atom,
    ledger_path,
    merge_entries,
    read_entries,
)

COLUMNS = (*(field.name for field in fields(Act)), "structure", "atom")


@dataclass(frozen=True, eq=False)
class Judgements:
    """Everything that has been said on a dataset of N environments: K entries of A acts, none left out."""

    size: int  # N
    keys: tuple[str, ...]  # of the distinct structures
    twin: NDArray[np.int64]  # (N,) the first environment of equal content, for most itself
    first: NDArray[np.int64]  # row of the first atom of each distinct structure
    sizes: NDArray[np.int64]  # atoms of each distinct structure
    last: int  # number of the newest act read
    acts: dict[int, Act]  # by number, ascending
    row: NDArray[np.int64]  # (K,) environment, of several of equal content the first
    act: NDArray[np.int64]  # (K,) number of the act

    @cached_property
    def _standing(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The entries that were not taken back, by environment and then from old to new: row, number, verdict."""
        undone = {act.undoes for act in self.acts.values() if act.undoes}
        alive = sorted((act.time, act.uid, number) for number, act in self.acts.items() if act.uid not in undone)
        age = _of_each(self.act, {number: place for place, (*_, number) in enumerate(alive)}, -1)
        said = {number: self.acts[number].verdict for *_, number in alive}
        code = _of_each(self.act, {number: VERDICTS.index(word) if word else 0 for number, word in said.items()}, 0)
        entries = np.flatnonzero(age >= 0)
        entries = entries[np.lexsort([age[entries], self.row[entries]])]
        return self.row[entries], self.act[entries], code[entries]

    @cached_property
    def verdict(self) -> NDArray[np.int8]:
        """What counts (N,): an index into VERDICTS."""
        row, _, code = self._standing
        found = np.zeros(self.size, dtype=np.int8)
        newest = _last_of_each(row)
        found[row[newest]] = code[newest]
        return found[self.twin]

    @property
    def judged(self) -> NDArray[np.bool_]:
        """(N,) whether the verdict is not open."""
        return np.asarray(self.verdict != VERDICTS.index("open"))

    @property
    def outlier(self) -> NDArray[np.bool_]:
        """The environments (N,) judged outliers."""
        return self.verdict == VERDICTS.index("outlier")

    @property
    def ordinary(self) -> NDArray[np.bool_]:
        """The environments (N,) judged ordinary."""
        return self.verdict == VERDICTS.index("ordinary")

    @cached_property
    def disputed(self) -> NDArray[np.bool_]:
        """The environments (N,) that some authors call an outlier and others ordinary, each by his newest word."""
        row, act, code = self._standing
        names = {name: place for place, name in enumerate(sorted({one.author for one in self.acts.values()}))}
        author = _of_each(act, {number: names[one.author] for number, one in self.acts.items()}, 0)
        order = np.lexsort([author, row])  # stable: from old to new within an author
        row, code = row[order], code[order]
        newest = _last_of_each(row * max(len(names), 1) + author[order])
        said = np.zeros((len(VERDICTS), self.size), dtype=bool)
        said[code[newest], row[newest]] = True
        return (said[VERDICTS.index("outlier")] & said[VERDICTS.index("ordinary")])[self.twin]

    def of(self, row: int) -> list[Act]:
        """What was said on environment ``row`` and not taken back, the newest first."""
        rows, act, _ = self._standing
        start, stop = np.searchsorted(rows, [self.twin[row], self.twin[row] + 1])
        return [self.acts[number] for number in act[start:stop][::-1].tolist()]

    def newest_by_author(self, row: int) -> dict[str, Act]:
        """The newest word of each author on environment ``row``; who left it open is not in it."""
        found: dict[str, Act] = {}
        for act in self.of(row):
            found.setdefault(act.author, act)
        return {author: act for author, act in found.items() if act.verdict != "open"}


def read_judgements(dataset: AtomicDataset, path: Path | None = None) -> Judgements:
    """Everything that the ledger holds on ``dataset``."""
    places: dict[str, int] = {}
    first_of = np.array([places.setdefault(key, index) for index, key in enumerate(dataset.structure_keys)])
    twin: NDArray[np.int64] = shared().one(
        ("twin", dataset.fingerprint), dataset.offsets[first_of[dataset.structure_of]] + dataset.atom_of
    )
    distinct = np.fromiter(places.values(), dtype=np.int64)
    nothing = np.empty(0, dtype=np.int64)
    empty = Judgements(
        size=dataset.n_environments,
        keys=tuple(places),
        twin=twin,
        first=dataset.offsets[distinct],
        sizes=dataset.sizes[distinct],
        last=0,
        acts={},
        row=nothing,
        act=nothing,
    )
    return refresh(empty, path)


def refresh(judgements: Judgements, path: Path | None = None) -> Judgements:
    """The same with what has been added to the ledger since, by anyone."""
    new = read_entries(path or ledger_path(), judgements.keys, since=judgements.last)
    if new.last == judgements.last:
        return judgements
    told = set(np.unique(new.act).tolist())
    acts = {number: act for number, act in new.acts.items() if number in told or act.undoes}
    row = judgements.first[new.structure] + new.atom
    there = new.atom < judgements.sizes[new.structure]  # a file from elsewhere may name atoms that do not exist
    return replace(
        judgements,
        last=new.last,
        acts={**judgements.acts, **acts},
        row=np.concatenate([judgements.row, row[there]]),
        act=np.concatenate([judgements.act, new.act[there]]),
    )


def export_judgements(target: str | Path, path: Path | None = None) -> int:
    """Write the whole ledger as CSV, one line an environment and act; return how many lines.

    Another group merges it into its own with :func:`import_judgements`.
    """
    count = 0
    with atomic_path(target) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        for act, key, atom in all_entries(path or ledger_path()):
            table.writerow([*astuple(act), key, atom if key else ""])
            count += 1
    return count


def import_judgements(source: str | Path, path: Path | None = None) -> int:
    """Merge a CSV file of :func:`export_judgements` into the ledger; return how many acts were new.

    An act is known by its uid: importing twice, or back and forth, changes nothing. Raises MEAGraphError, naming the
    line, for anything else; the ledger then stays as it was.
    """
    return merge_entries(path or ledger_path(), _parse(Path(source)))


def _parse(source: Path) -> Iterator[tuple[Act, str, int]]:
    try:
        with open(source, newline="", encoding="utf-8") as stream:
            table = csv.reader(stream)
            head = next(table, [])
            if tuple(head) != COLUMNS:
                raise MEAGraphError(
                    f"{source}: expected the columns {', '.join(COLUMNS)}, but it has {', '.join(head) or 'none'}. "
                    "Give a file that was exported from MEAViz."
                )
            for cells in table:
                try:
                    yield entry_of(cells)
                except ValueError as error:
                    raise MEAGraphError(
                        f"{source}, line {table.line_num}: expected a judgement, but {error}. Nothing was imported; "
                        "mend the line, or export the file anew."
                    ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MEAGraphError(f"{source} cannot be read as a CSV file ({error}). Give another file.") from error


def entry_of(cells: list[str]) -> tuple[Act, str, int]:
    """Act, key of the structure and atom, of one line's ``cells``. Raises ValueError where they make no sense."""
    if len(cells) != len(COLUMNS):
        raise ValueError(f"it has {len(cells)} cells, not {len(COLUMNS)}")
    act, key, atom = Act(*cells[:-2]), cells[-2], cells[-1]
    time = datetime.strptime(act.time, TIME).replace(tzinfo=UTC)
    if time > datetime.now(UTC) + timedelta(days=1):  # later judgements could not supersede it
        raise ValueError(f"its time {act.time} lies in the future")
    act = replace(act, time=time.strftime(TIME))
    if not act.uid or not act.author or (act.verdict not in VERDICTS) != bool(act.undoes):
        raise ValueError(f"uid {act.uid!r}, author {act.author!r}, verdict {act.verdict!r} do not go together")
    if not key:
        return act, "", -1
    if act.undoes:
        raise ValueError(f"atom {atom!r} of structure {key!r} makes no sense here")
    return act, key, check_atom(atom)


def _of_each(acts: NDArray[np.int64], values: Mapping[int, int], otherwise: int) -> NDArray[np.int64]:
    """What ``values`` says of each of ``acts`` (K,), whose numbers may be any."""
    numbers, place = np.unique(acts, return_inverse=True)
    return np.array([values.get(number, otherwise) for number in numbers.tolist()], dtype=np.int64)[place]


def _last_of_each(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each run of equal values in ``group`` (K,) ends."""
    return np.flatnonzero(np.append(group[1:] != group[:-1], True)) if len(group) else np.empty(0, dtype=np.int64)
