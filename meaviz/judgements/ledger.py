"""The file of all judgements: an SQLite database that is only ever added to.

Each act of judging is one transaction: a verdict on any number of environments, each named by the content of its
structure and the number of its atom, so that it is found again when files are re-ordered or merged. Taking an act back
is an act too. What is acknowledged has been synced to the disk, and survives a killed server.

The journal is SQLite's rollback journal, not the write-ahead log: that one needs memory shared by all who have the file
open, which a network file system, where home folders of clusters lie, does not give. A connection lives for one
transaction, so that nobody holds a lock while people think.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meagraph.cache import data_home
from meagraph.errors import MEAGraphError
from meagraph.files import from_json

VERDICTS = ("open", "outlier", "ordinary")
"""``open`` takes earlier verdicts back: the environment is undecided again."""
APPLICATION = 0x4D455641  # "MEVA", in the header of the file
VERSION = 1
MOST_ATOMS = 2**31  # of a structure; what is more is no number of an atom
PATIENCE = 5.0  # s to wait for another who writes
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

_SCHEMA = f"""
CREATE TABLE acts (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, time TEXT NOT NULL, author TEXT NOT NULL,
    verdict TEXT NOT NULL, reason TEXT NOT NULL, note TEXT NOT NULL, undoes TEXT NOT NULL
);
CREATE INDEX acts_by_time ON acts (time);
CREATE TABLE structures (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE judged (
    structure INTEGER NOT NULL REFERENCES structures, act INTEGER NOT NULL REFERENCES acts, atoms TEXT NOT NULL,
    PRIMARY KEY (structure, act)
) WITHOUT ROWID;
CREATE INDEX judged_by_act ON judged (act);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""
PARTS = {
    *(("table", "acts"), ("table", "structures"), ("table", "judged")),
    *(("index", "acts_by_time"), ("index", "judged_by_act")),
}
_ACT = "uid, time, author, verdict, reason, note, undoes"


@dataclass(frozen=True)
class Act:
    """One act of judging, or of taking one back."""

    uid: str  # unique wherever it was made
    time: str  # UTC, ISO 8601; later than every act that the ledger held then
    author: str
    verdict: str  # one of VERDICTS; empty for an act that takes another back
    reason: str
    note: str
    undoes: str = ""  # uid of the act taken back


def ledger_path(home: Path | None = None) -> Path:
    """The file of all judgements in ``home``, by default the user's; ``$MEAVIZ_DATA_HOME`` names another folder."""
    return data_home(home) / "judgements.sqlite"


def add_judgement(
    path: Path,
    keys: Sequence[str],
    structure: ArrayLike,
    atom: ArrayLike,
    *,
    verdict: str,
    author: str,
    reason: str = "",
    note: str = "",
) -> Act:
    """Store one verdict on K environments: the atoms ``atom`` (K,) of the structures ``keys[structure]`` (K,).

    Raises MEAGraphError for an unknown verdict or an empty name, and where the ledger cannot be written; then nothing
    of the act is stored.
    """
    if verdict not in VERDICTS:
        raise MEAGraphError(f"Unknown verdict {verdict!r}; choose from {', '.join(VERDICTS)}.")
    if not author.strip():
        raise MEAGraphError("A judgement needs the name of who judges. Give your name.")
    with written(path) as base:
        act = Act(uuid.uuid4().hex, _now(base), author.strip(), verdict, reason.strip(), note.strip())
        _insert(base, act, keys, np.asarray(structure), np.asarray(atom))
    return act


def undo_judgement(path: Path, uid: str, *, author: str) -> Act:
    """Take the act ``uid`` back, as if it had never been; both acts stay on record."""
    with written(path) as base:
        act = Act(uuid.uuid4().hex, _now(base), author.strip(), "", "", "", undoes=uid)
        _insert_act(base, act)
    return act


@dataclass(frozen=True, eq=False)
class Entries:
    """What the ledger holds on some structures: K judged environments and the acts that they belong to."""

    last: int  # number of the newest act of the whole ledger, to go on from
    acts: dict[int, Act]  # by number
    structure: NDArray[np.int64]  # (K,) index into the keys asked for
    atom: NDArray[np.int64]  # (K,)
    act: NDArray[np.int64]  # (K,) number of the act


def read_entries(path: Path, keys: Sequence[str], *, since: int = 0) -> Entries:
    """What the acts after number ``since`` say on the structures ``keys``, each named once; all acts come along."""
    with _read(path) as base:
        last = 0 if base is None else base.execute("SELECT coalesce(max(id), 0) FROM acts").fetchone()[0]
        if base is None or last <= since:
            nothing = np.empty(0, dtype=np.int64)
            return Entries(max(last, since), {}, nothing, nothing, nothing)
        rows = base.execute(f"SELECT id, {_ACT} FROM acts WHERE id > ?", (since,)).fetchall()
        base.execute("CREATE TEMP TABLE wanted (key TEXT PRIMARY KEY, place INTEGER) WITHOUT ROWID")
        base.executemany("INSERT INTO wanted VALUES (?, ?)", zip(keys, range(len(keys)), strict=True))
        found = base.execute(
            "SELECT place, act, atoms FROM wanted JOIN structures USING (key) JOIN judged ON structure = structures.id "
            "WHERE act > ?",
            (since,),
        ).fetchall()
    if not all(isinstance(row[1], int) for row in found):  # SQLite takes any value in any column
        raise _damaged(path)
    atoms = [_atoms(row[2], path) for row in found]
    sizes = [len(one) for one in atoms]
    structure, act = np.array([row[:2] for row in found], dtype=np.int64).reshape(-1, 2).repeat(sizes, axis=0).T
    atom = np.fromiter(itertools.chain.from_iterable(atoms), dtype=np.int64, count=len(act))
    return Entries(last, {number: _act(fields, path) for number, *fields in rows}, structure, atom, act)


def all_entries(path: Path) -> Iterator[tuple[Act, str, int]]:
    """Every judged environment of the ledger: act, key of the structure, atom; acts that undo come with ("", -1)."""
    fields = ", ".join(f"acts.{name}" for name in _ACT.split(", "))
    with _read(path) as base:
        if base is not None:
            for row in base.execute(
                f"SELECT coalesce(key, ''), coalesce(atoms, '[-1]'), {fields} FROM acts "
                "LEFT JOIN judged ON act = acts.id LEFT JOIN structures ON structures.id = structure "
                "ORDER BY time, uid, key"
            ):
                act = _act(row[2:], path)
                for atom in [-1] if row[1] == "[-1]" else _atoms(row[1], path):
                    yield act, row[0], atom


def merge_entries(path: Path, entries: Iterable[tuple[Act, str, int]]) -> int:
    """Add what :func:`all_entries` of another ledger gave; acts known already are passed over. Return how many are new.

    All or nothing: where ``entries`` raises an error the ledger stays as it was.
    """
    new: dict[str, tuple[Act, list[str], list[int]]] = {}
    for act, key, atom in entries:
        _, keys, atoms = new.setdefault(act.uid, (act, [], []))
        if key:
            keys.append(key)
            atoms.append(atom)
    with written(path) as base:
        known = {uid for (uid,) in base.execute("SELECT uid FROM acts")}
        added = [entry for uid, entry in new.items() if uid not in known]
        for act, keys, atoms in added:
            places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
            structure = np.array([places[key] for key in keys], dtype=np.int64)
            _insert(base, act, list(places), structure, np.array(atoms, dtype=np.int64))
    return len(added)


def check_atom(atom: Any) -> int:
    """The number of an atom. Raises ValueError, TypeError or OverflowError for what can be none."""
    if not 0 <= int(atom) < MOST_ATOMS:
        raise ValueError(f"{str(atom)[:40]} is no number of an atom")
    return int(atom)


def _act(fields: Sequence[Any], path: Path) -> Act:
    if any(not isinstance(field, str) for field in fields) or fields[3] not in ("", *VERDICTS):
        raise _damaged(path)
    return Act(*fields)


def _atoms(text: Any, path: Path) -> list[int]:
    try:
        return [check_atom(atom) for atom in from_json(text)]
    except (ValueError, TypeError, OverflowError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> MEAGraphError:
    return MEAGraphError(
        f"The file of judgements {path} is damaged. Put a copy in its place, or move it away to start afresh."
    )


def _insert_act(base: sqlite3.Connection, act: Act) -> int:
    cursor = base.execute(f"INSERT INTO acts ({_ACT}) VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(act))
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _insert(
    base: sqlite3.Connection, act: Act, keys: Sequence[str], structure: NDArray[np.int64], atom: NDArray[np.int64]
) -> None:
    number = _insert_act(base, act)
    used, place = np.unique(structure, return_inverse=True)
    first: dict[str, int] = {}  # structures of equal content are judged as one
    structure = np.array([first.setdefault(keys[index], index) for index in used.tolist()], dtype=np.int64)[place]
    span = int(atom.max(initial=0)) + 1
    structure, atom = np.divmod(np.unique(structure * span + atom), span)
    used, starts = np.unique(structure, return_index=True)
    atoms = [json.dumps(part.tolist()) for part in np.split(atom, starts[1:])] if len(used) else []
    names = [keys[index] for index in used]
    base.executemany("INSERT OR IGNORE INTO structures (key) VALUES (?)", zip(names))
    base.executemany(
        "INSERT INTO judged SELECT id, ?, ? FROM structures WHERE key = ?",
        zip(itertools.repeat(number), atoms, names, strict=False),
    )


def _now(base: sqlite3.Connection) -> str:
    """The time, but later than any other act: clocks of several machines differ, and the newest counts."""
    now = datetime.now(UTC)
    newest = base.execute("SELECT max(time) FROM acts").fetchone()[0]
    if newest is not None:
        try:
            now = max(now, datetime.strptime(newest, TIME).replace(tzinfo=UTC) + timedelta(microseconds=1))
        except (ValueError, TypeError, OverflowError) as error:
            place = next(file for _, name, file in base.execute("PRAGMA database_list") if name == "main")
            raise _damaged(Path(place)) from error
    return now.strftime(TIME)


@contextlib.contextmanager
def written(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction that writes; it is synced to the disk when the block has ended, and void if that raises."""
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as base:
            base.execute("PRAGMA synchronous = EXTRA")
            base.execute("BEGIN IMMEDIATE")
            try:
                if not _ours(base, path):
                    for statement in _SCHEMA.split(";"):
                        base.execute(statement)
                yield base
                base.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    base.execute("ROLLBACK")
                raise


@contextlib.contextmanager
def _read(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A transaction that reads; None where there is no ledger yet. A disk that cannot be written will do."""
    with _explained(path):
        if not path.exists():
            yield None
            return
        place = f"{path.resolve().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(place, uri=True, timeout=PATIENCE, isolation_level=None)) as base:
            base.execute("PRAGMA temp_store = MEMORY")
            base.execute("BEGIN")
            yield base if _ours(base, path) else None


def _ours(base: sqlite3.Connection, path: Path) -> bool:
    """Whether the database is a ledger; False for one that is still empty."""
    (application,), (version,) = (
        base.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    if application != APPLICATION:
        if application or base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise MEAGraphError(
                f"{path} is a database, but not one of MEAViz's judgements. Move it away to start afresh; nothing was "
                "changed."
            )
        return False
    if version > VERSION:
        raise MEAGraphError(
            f"{path} was written by a newer version of MEAViz (format {version}; this one knows {VERSION}). Update "
            "MEAViz; nothing was changed."
        )
    there = set(base.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'"))
    if there != PARTS:  # a view or a trigger would have the database do what nobody asked for
        raise _damaged(path)
    return True


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        name = getattr(error, "sqlite_errorname", "")
        for start, message in (
            (("SQLITE_NOTADB",), "is not a database of judgements. Move it away to start afresh; nothing was changed."),
            (("SQLITE_CORRUPT",), "is damaged. Put a copy in its place, or move it away to start afresh."),
            (
                ("SQLITE_BUSY", "SQLITE_LOCKED"),
                f"is being written by somebody else, for more than {PATIENCE:.0f} s. Nothing was stored; try again.",
            ),
            (
                ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"),
                "cannot be written. Nothing was stored; see to its permissions, or name another folder in the "
                "environment variable MEAVIZ_DATA_HOME.",
            ),
            (("SQLITE_FULL",), "cannot grow: the disk is full. Nothing was stored; make room and try again."),
        ):
            if name.startswith(start):
                raise MEAGraphError(f"The file of judgements {path} {message}") from error
        raise MEAGraphError(
            f"The file of judgements {path} cannot be used ({error}). Nothing was stored; see to the disk, or name "
            "another folder in the environment variable MEAVIZ_DATA_HOME."
        ) from error
