"""What was kept of an earlier session: the project that somebody names, or that of the same files without a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meagraph.errors import MEAGraphError
from meagraph.progress import Progress
from meaviz.judgements.ledger import ledger_path
from meaviz.projects import is_project
from meaviz.projects.ledgers import LEDGER, adopt
from meaviz.projects.places import fits_data, put_aside, unnamed_folder, unnamed_path
from meaviz.projects.project import InUse, Project
from meaviz.projects.snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class Kept:
    """A project that was opened, to be written by who opened it unless another does."""

    project: Project
    shot: Snapshot
    named: bool
    missing: tuple[str, ...] = ()  # files of its data
    refused: str = ""  # why nothing can be saved in it


def find_kept(
    paths: Sequence[str | Path],
    reading: Mapping[str, Any],
    notes: list[str],
    *,
    resume: bool,
    home: Path | None = None,
    folders: Sequence[str | Path] = (),
    within: Path | None = None,
    progress: Progress,
) -> Kept | None:
    """The project at ``paths``, or with ``resume`` what was kept of these files; None where there is neither.

    ``home`` is the folder of a user of a shared server. What there is to say is added to ``notes``.
    Raises MEAGraphError for a project that cannot be opened.
    """
    if paths and is_project(paths[0]):
        if len(paths) > 1:
            raise MEAGraphError(f"{paths[0]}: a project is opened alone. Leave the other files out.")
        return open_project(paths[0], notes, home=home, folders=folders, within=within, progress=progress)
    if not resume:
        return None
    for number in range(1, 100):
        path = unnamed_path(paths, reading, number, home=home)
        if not Project(path).exists:
            return None
        try:
            project = Project(path, write=True, home=home)
        except InUse:
            continue
        except MEAGraphError as error:
            notes.append(str(error))
            return None
        try:
            if fits_data(path):
                return _read(project, notes, named=False, home=home, within=within, progress=progress)
            why = "The files have changed since they were last open here"
        except MEAGraphError as error:
            why = f"What was kept of these files cannot be used ({error})"
        project.close()
        aside = put_aside(path)
        notes.append(f"{why}: they are opened anew. What was done before is kept in {aside or path}.")
        return None
    return None


def open_project(
    path: str | Path,
    notes: list[str],
    *,
    home: Path | None = None,
    folders: Sequence[str | Path] = (),
    within: Path | None = None,
    progress: Progress,
) -> Kept:
    """The project at ``path``: to be written, or where another writes it or its folder forbids it, to be read."""
    refused, named = "", Path(path).absolute().parent != unnamed_folder(home).absolute()
    if not Project(path).exists:
        raise MEAGraphError(f"{path}: expected a project, but there is none. Check the path.")
    try:
        project = Project(path, write=True, home=home)
    except MEAGraphError as error:
        project, refused = Project(path, home=home), str(error)
    try:
        return _read(
            project,
            notes,
            named=named,
            home=home,
            folders=folders,
            within=within,
            refused=refused,
            progress=progress,
        )
    except MEAGraphError:
        project.close()
        raise


def _read(
    project: Project,
    notes: list[str],
    *,
    named: bool,
    home: Path | None,
    folders: Sequence[str | Path] = (),
    within: Path | None = None,
    refused: str = "",
    progress: Progress,
) -> Kept:
    found = project.read(folders, within=within, progress=progress)
    notes += found.notes
    count = adopt(project.path / LEDGER, ledger_path(home))
    if count and named:
        notes.append(f"{count:,} judgements of the project were not known here and count from now on.")
    return Kept(project, found.shot, named, found.missing, refused)
