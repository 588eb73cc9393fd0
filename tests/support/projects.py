"""Sessions that show the finished analysis, to be kept in projects."""

from __future__ import annotations

from pathlib import Path

from meaviz.projects.project import Project
from meaviz.projects.snapshot import taken
from meaviz.session import Session
from meaviz.session.data import Asked
from tests.support.finished import Finished


def session_that_shows(finished: Finished, path: Path | None = None) -> Session:
    """A session of "ada" as opening the file of the analysis, or its copy at ``path``, would leave it."""
    session = Session(author="ada")
    found = finished.analysis
    asked = Asked((str(path or finished.path),), {})
    session.set_dataset(found.dataset, asked)
    session.data.asked = asked
    session.set_analysis(found, found.evidence)
    return session


def save(session: Session, path: Path) -> Path:
    """Save ``session`` in the project at ``path``, and let others write it."""
    project = Project(path, write=True)
    project.save(taken(session))
    project.close()
    return path
