"""A project: read, written, locked, and brought up from earlier versions.

The lock is for one writer at a time, this process or another; who comes second reads.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from meagraph.datasets import AtomicDataset, DatasetError
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, silent
from meaviz.judgements.ledger import ledger_path
from meaviz.projects.checks import check
from meaviz.projects.layout import STATE, Layout, write_synced
from meaviz.projects.ledgers import LEDGER, carry
from meaviz.projects.models import Models
from meaviz.projects.places import files_of
from meaviz.projects.references import asked_for, find, open_referred, read_references, referred
from meaviz.projects.snapshot import Snapshot
from meaviz.projects.states import check_kinds, of_these
from meaviz.session.data import Asked

FORMAT, VERSION = "meaviz-project", 2
LOCK, OWNER, RECIPE = "lock", "owner.json", "recipe.yaml"
MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda state: {**state, "version": 2},  # without what single views show, and judgements taken back
}
"""By version: what makes a state of the next one of it."""
PROBLEMS = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, OverflowError, RuntimeError)
TRIES = 3  # to read while another writes


log = logging.getLogger(__name__)


class InUse(MEAGraphError):
    """Somebody else writes the project."""


@dataclass(frozen=True, eq=False)
class Read:
    """What a project held, and what there is to say of it."""

    shot: Snapshot
    missing: tuple[str, ...] = ()  # files of the data that were not found
    notes: tuple[str, ...] = ()


class Project:
    """The project in a folder. With ``write`` it is locked for this writer until :meth:`close`.

    Raises InUse where another writes it, MEAGraphError where the folder cannot be written.
    """

    def __init__(self, path: str | Path, *, write: bool = False, home: Path | None = None) -> None:
        self.path = Path(os.path.abspath(path))
        self._home = home  # of a user of a shared server, whose judgements go with it
        self._layout = Layout(self.path)
        self._models = Models(self._layout)
        self._lock: FileLock | None = None
        self._recipe = ""  # that was written last
        self._judged_to = 0  # number of the last act of the user's ledger that the project has
        self._data: tuple[AtomicDataset, dict[str, Any]] | None = None  # that is stored, and what is said of it
        if write:
            self._claim()

    @property
    def writes(self) -> bool:
        """This is the one who writes it."""
        return self._lock is not None

    @property
    def exists(self) -> bool:
        """There is a whole state in the folder."""
        return (self.path / STATE).is_file()

    def close(self) -> None:
        """Let others write it."""
        if self._lock is not None:
            with suppress(OSError):
                (self.path / OWNER).unlink()
            self._lock.release()
            self._lock = None

    # ---- the lock

    def _claim(self) -> None:
        if self.path.is_file() or (not self.exists and _content(self.path) - {LOCK, OWNER, LEDGER}):
            raise MEAGraphError(
                f"{self.path}: expected a project or nothing there, but other files are. Choose another name."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / LOCK, thread_local=False)
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InUse(
                f"{self.path} is open elsewhere{self._owner()}: what is done here is not saved in it. Save under "
                "another name to keep it, or close the other one and open the project again."
            ) from error
        except (OSError, NotImplementedError) as error:
            raise MEAGraphError(unwritable(self.path, error)) from error
        self._lock = lock
        me = {"user": _user(), "host": socket.gethostname(), "pid": os.getpid(), "since": _now()}
        with suppress(OSError):  # only to tell others
            write_synced(self.path / OWNER, json.dumps(me).encode())
        self._layout.clear_leftovers()

    def _owner(self) -> str:
        try:
            one = json.loads((self.path / OWNER).read_text(encoding="utf-8"))
            return f" (by {one['user']} on {one['host']}, process {one['pid']}, since {one['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    # ---- writing

    def save(self, shot: Snapshot) -> None:
        """Let the project hold ``shot``. What it holds already is not written again.

        Raises MEAGraphError, with the state before as it was, where it cannot be written.
        """
        if not self.writes:
            raise InUse(f"{self.path} is open to read. Save under another name.")
        try:
            self._save(shot)
        except (OSError, DatasetError) as error:
            raise MEAGraphError(unwritable(self.path, error)) from error

    def _save(self, shot: Snapshot) -> None:
        layout, dataset, known = self._layout, shot.dataset, shot.known
        text = layout.encoder(known)
        parts = {} if shot.descriptors is None else self._models.put(shot)
        for name, value in shot.results.items():
            if value is not None:
                try:
                    parts[name] = {"record": layout.put(value, known)}
                except TypeError:  # one that no project can hold is made anew; the rest is saved
                    log.exception("%s: %s is not saved", self.path, name)
        state = {
            "format": FORMAT,
            "version": VERSION,
            "written_by": f"meaviz {version('meaviz')}",
            "saved": _now(),
            "data": None if dataset is None else self._put_data(dataset, shot.asked),
            "parts": parts,
            "state": {name: text.text(value, inside=True) for name, value in shot.state.items()},
        }
        layout.put_state(state)
        self._put_recipe(shot.recipe)
        layout.sweep(state, [one.key for one in (*shot.runs, shot.learned) if one is not None])
        if dataset is not None:
            ledger = self.path / LEDGER
            if not ledger.is_file():
                self._judged_to = 0
            self._judged_to = carry(ledger_path(self._home), ledger, dataset.structure_keys, since=self._judged_to)

    def _put_recipe(self, text: str) -> None:
        """What led to the plan, for people and ``meagraph replay``; nothing here reads it."""
        path = self.path / RECIPE
        if text and text != self._recipe:
            write_synced(path, text.encode())
        elif not text:
            path.unlink(missing_ok=True)
        self._recipe = text

    def _put_data(self, dataset: AtomicDataset, asked: Asked | None) -> dict[str, Any]:
        if self._data is None or self._data[0] is not dataset or not (self.path / self._data[1]["store"]).is_dir():
            self._data = (dataset, referred(dataset, self.path))
        paths = () if asked is None else asked.paths
        reading = {} if asked is None else asked.reading
        whole = [os.path.abspath(one) for one in paths]
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in reading.items()}
        return {**self._data[1], "paths": whole, "files": files_of(whole), "reading": plain}

    # ---- reading

    def read(
        self, folders: Iterable[str | Path] = (), *, within: Path | None = None, progress: Progress = silent
    ) -> Read:
        """What the project holds, its arrays memory-mapped; files of the data are looked for in ``folders``, too.

        With ``within`` no file outside of that folder is looked at.

        Raises MEAGraphError for what is no project, is damaged, or was written by a later version.
        """
        if not self.exists:
            raise MEAGraphError(f"{self.path}: expected a project, a folder with {STATE}, but there is none.")
        left, folders, self._layout.within = TRIES, tuple(folders), within
        while True:
            left -= 1
            try:
                return self._read(migrated(self._layout.state(), self.path), folders, within, progress)
            except FileNotFoundError as error:  # another may have written meanwhile, and removed what it needs no more
                if not left:
                    raise MEAGraphError(self._damaged(error)) from error
            except PROBLEMS as error:
                raise MEAGraphError(self._damaged(error)) from error

    def _damaged(self, error: Exception) -> str:
        return (
            f"{self.path}: expected a whole project, but it cannot be used ({type(error).__name__}: {error}). Nothing "
            "was changed. Open the data anew, or a copy of the project."
        )

    def _read(
        self, state: dict[str, Any], folders: tuple[str | Path, ...], within: Path | None, progress: Progress
    ) -> Read:
        data, parts, layout = state["data"], state["parts"], self._layout
        if data is None:
            values = _values(layout, state["state"], {})
            check_kinds(values, {}, 0)
            return Read(Snapshot(state=values))
        progress(0, 10, "looking for the files of the data")
        wanted = read_references(data["sources"])
        where = find(wanted, self.path, folders, within=within)
        progress(2, 10, "opening the data")
        asked = asked_for(data, where, within)
        dataset = open_referred(data, self.path, where, asked)
        progress(4, 10, "opening the analysis")
        descriptors, learned, runs = self._models.get(parts, dataset)
        shot = Snapshot(asked, dataset, descriptors, learned, runs)
        known = shot.known
        results = {
            name: layout.get(text["record"], known) for name, text in parts.items() if name not in self._models.parts
        }
        n, s = dataset.n_environments, dataset.n_structures
        values = _values(layout, state["state"], known)
        check_kinds(values, results, n)
        shot = Snapshot(asked, dataset, descriptors, learned, runs, results, of_these(values, n, s))
        progress(8, 10, "checking what was read")
        check(shot)
        layout.end_reading()
        about = {name: data[name] for name in ("store", "lost", "fingerprint", "sources")}
        self._data = (dataset, about if where.missing else referred(dataset, self.path))
        notes = tuple(
            f"{path} holds something else now; what is shown was computed from what it held before."
            for path in where.changed
        )
        return Read(shot, where.missing, notes)


def migrated(
    state: dict[str, Any], path: Path, steps: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = MIGRATIONS
) -> dict[str, Any]:
    """``state`` as this version writes it. Raises MEAGraphError for another format, or a later version."""
    if state.get("format") != FORMAT:
        raise MEAGraphError(f"{path}: expected a project of MEAViz, but its format is {state.get('format')!r}.")
    number = state.get("version")
    while isinstance(number, int) and number in steps:
        state = steps[number](dict(state))
        number = state["version"]
    if number != VERSION:
        raise MEAGraphError(
            f"{path}: was written by {state.get('written_by', 'another version')} (version {number} of projects; this "
            f"one knows {VERSION}). Update MEAViz; nothing was changed."
        )
    return state


def unwritable(path: Path, error: Exception) -> str:
    """What to tell where a project cannot be written."""
    why = getattr(error, "strerror", None) or error
    return (
        f"{path}: the project cannot be written ({why}). What was saved before is whole and stays. Make room or see to "
        "the folder's permissions, or save under another name."
    )


def _values(layout: Layout, texts: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    decoder = layout.decoder(known)
    return {name: decoder.value(text) for name, text in texts.items()}


def _content(folder: Path) -> set[str]:
    try:
        return {one.name for one in folder.iterdir()}
    except OSError:
        return set()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
