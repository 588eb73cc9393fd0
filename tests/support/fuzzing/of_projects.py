"""Projects, their merging, recipes and exports: what a finished analysis is kept in, and done again from."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from meagraph.errors import MEAGraphError
from meagraph.exports.formats import FORMATS
from meagraph.pipeline import planning
from meagraph.pipeline.predicting import errors_of
from meagraph.progress import silent
from meagraph.recipe import Recipe, Replayed, replaying
from meagraph.recipe.proof import prove
from meaviz.jobs.kept import open_project
from meaviz.projects.layout import ARRAYS, RECORDS, STATE, name_of
from meaviz.projects.merging import merge_into_session, merge_projects
from meaviz.projects.places import fits_data, unnamed
from meaviz.projects.project import Project
from meaviz.projects.snapshot import Snapshot, restore, taken
from meaviz.session import Session
from meaviz.session.filters import Filters
from tests.support.finished import Finished
from tests.support.fuzzing.mutations import changed, mutate
from tests.support.fuzzing.subjects import Subject, folder_files
from tests.support.made_up import stability_of
from tests.support.projects import session_that_shows

DATA, MINE, THEIRS = "niobium.extxyz", "a.meaviz", "b.meaviz"
READY = "data.meadata"  # what stands for the folder of the data in a project's names of files


def worked(finished: Finished, data: Path) -> Snapshot:
    """What a person does in a while, with every kind of result that a project holds."""
    session = session_that_shows(finished, data)
    selection, plans, found = session.selection, session.planning, finished.analysis
    selection.select_rows(range(20))
    selection.keep("mine")
    selection.set_filters(Filters(ranges=(("force", 0.0, 1e9),)))
    selection.inspect(3)
    for keep, name in ((0.9, "first"), (0.8, "second")):
        plans.settings = replace(plans.settings, keep=keep)
        plans.keep(name)
    session.judging.judge(np.array([1, 2]), "outlier", note="odd")
    session.appearance.colour_by = "element"
    rng, dataset = np.random.default_rng(0), found.dataset
    other = replace(dataset, forces=dataset.forces + rng.normal(0, 0.1, dataset.forces.shape))
    session.set_errors(errors_of(dataset, other=other))
    session.data.stability = stability_of(found.learned.condensed.size)
    plans.cost = planning.cost_of(dataset, plans.plan, draws=2, seed=0)
    return taken(session)


@dataclass(frozen=True, eq=False)
class Kept(Subject):
    """A project, of which a record, an array or the state is damaged; mostly under the names that go with that."""

    def damage(self, folder: Path, draw: random.Random) -> str:
        """Write it; what names the damaged part by its content names it rightly again, so that it is read at all."""
        files = dict(self.files)
        name = draw.choice(self.damaged or [one for one in sorted(files) if f"{MINE}/" in one])
        content = mutate(name, files[name], draw, list(files.values()))
        if name.endswith((".json", "owner")) and draw.random() < 0.5:  # what is deep inside, without its hashes
            with contextlib.suppress(ValueError, RecursionError):
                content = json.dumps(changed(json.loads(files[name]), draw)).encode()
        files[name] = content
        if draw.random() < 0.85:
            files = _named_anew(files, name)
        if draw.random() < 0.03:
            files.pop(draw.choice(sorted(files)))
        for one, content in files.items():
            path = folder / one
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if draw.random() < 0.03:
            _linked(folder / draw.choice(sorted(files)), draw)
        return name


def _linked(path: Path, draw: random.Random) -> None:
    """In the place of a file a link: out, to itself, to what never ends; or a folder, or a pipe that nobody fills."""
    path.unlink(missing_ok=True)
    match draw.randrange(4):
        case 0:
            path.mkdir()
        case 1 if hasattr(os, "mkfifo"):
            os.mkfifo(path)
        case _:
            path.symlink_to(draw.choice(["/etc/passwd", path.name, "/dev/zero", "nowhere", ".."]))


def _named_anew(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    """The files of a project in which one was changed that is named by its content, and so those that name it."""
    folder, _, last = name.partition("/")
    part, _, own = last.partition("/")
    if part not in (ARRAYS, RECORDS):
        return files
    old = Path(own).stem
    try:
        new = _name(part, files[name])
    except Exception:  # NumPy has many for what is no array
        return files
    found = dict(files)
    found[f"{folder}/{part}/{new}{Path(own).suffix}"] = found.pop(name)
    for one, content in files.items():
        if one != name and one.startswith((f"{folder}/{RECORDS}/", f"{folder}/{STATE}")) and old.encode() in content:
            found[one] = content.replace(old.encode(), new.encode())
            found = _named_anew(found, one)
    return found


def _name(part: str, content: bytes) -> str:
    if part == RECORDS:
        return hashlib.sha256(content).hexdigest()[:32]
    array = np.load(io.BytesIO(content), allow_pickle=False)
    return name_of(np.ascontiguousarray(array), array.shape)


@contextlib.contextmanager
def home(folder: Path) -> Iterator[None]:
    """The user's data folder of one input."""
    before = os.environ.get("MEAVIZ_DATA_HOME")
    os.environ["MEAVIZ_DATA_HOME"] = str(folder / "home")
    try:
        yield
    finally:
        del os.environ["MEAVIZ_DATA_HOME"]
        if before is not None:
            os.environ["MEAVIZ_DATA_HOME"] = before


def _open(folder: Path) -> object:
    """A project as the app opens it, confined to its folder: what is read can be shown, whatever it holds."""
    notes: list[str] = []
    with home(folder):
        kept = open_project(folder / MINE, notes, within=folder, progress=silent)
        try:
            session = Session(author="eve")
            _shown(session, kept.shot)
            fits_data(folder / MINE)
            kept.project.save(taken(session))
        finally:
            kept.project.close()
        Project(folder / MINE).read()
    return notes


def _shown(session: Session, shot: Snapshot) -> None:
    """Show it; what raises here would leave half of it on the page."""
    try:
        restore(session, shot)
        known = session.data.properties
        for name in known or ():
            assert known[name].values is not None
        if session.data.dataset is not None:
            session.describe(0)
            session.part_names()
    except MEAGraphError as error:
        raise AssertionError(f"half of it is shown: {error}") from error


def _merge(folder: Path) -> object:
    """What others sent is merged, or ours stays as it is."""
    state = folder / THEIRS / STATE
    before = state.read_bytes() if state.is_file() else None
    with home(folder):
        try:
            found = merge_projects(folder / THEIRS, folder / MINE)
        except MEAGraphError:
            assert (state.read_bytes() if state.is_file() else None) == before
            raise
        Project(folder / THEIRS).read()
        return found


def _merge_shown(folder: Path) -> object:
    with home(folder):
        session = Session(author="eve")
        restore(session, Project(folder / THEIRS).read().shot)
        names = sorted(session.planning.plans)
        try:
            return merge_into_session(session, folder / MINE)
        except MEAGraphError:
            assert sorted(session.planning.plans) == names
            raise


def _list(folder: Path) -> object:
    """The list of what was kept without a name."""
    (folder / "home" / "unnamed").mkdir(parents=True)
    (folder / MINE).rename(folder / "home" / "unnamed" / MINE)
    with home(folder):
        return unnamed(), fits_data(folder / "home" / "unnamed" / MINE)


def _recipe(folder: Path) -> object:
    """A recipe read, written and read again."""
    found = replaying.read_recipe(folder / "recipe.yaml")
    assert Recipe.from_yaml(found.to_yaml()) == found
    return found


def _replayed(finished: Finished) -> Callable[[Path], Replayed]:
    """A recipe done again, but for an analysis with settings that are none of the finished one's, which takes long."""

    def analysed(dataset: object, *, config: object, **rest: object) -> object:
        if config != finished.analysis.config or dataset.fingerprint != finished.analysis.dataset.fingerprint:  # type: ignore[attr-defined]
            raise MEAGraphError("These settings are analysed elsewhere.")
        return finished.analysis

    def read(folder: Path) -> Replayed:
        before, replaying.analyse = replaying.analyse, analysed  # type: ignore[assignment]
        here = Path.cwd()
        os.chdir(folder)
        try:
            inside = set(_all(folder))
            found = replaying.replay("recipe.yaml", out="out", cache=False)
            outside = {path for path in _all(folder) if path not in inside and path.parts[0] != "out"}
            assert not outside, f"written outside: {outside}"
            return found
        finally:
            os.chdir(here)
            replaying.analyse = before

    return read


def _all(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*")]


def of_projects(folder: Path, finished: Finished, formats: Sequence[str] = tuple(FORMATS)) -> list[Subject]:
    """All of them, exports with these ``formats``; ``folder`` must not exist yet."""
    folder.mkdir(parents=True)
    shutil.copy(finished.path, folder / DATA)
    with home(folder):
        shot = worked(finished, folder / DATA)
        for name in (MINE, THEIRS):
            project = Project(folder / name, write=True)
            project.save(replace(shot, state={**shot.state, "plans": {}}) if name == THEIRS else shot)
            project.close()
    files = {
        name: content.replace(str(folder).encode(), b"/nowhere")
        for name, content in folder_files(folder).items()
        if not name.startswith("home/") and not name.endswith("/lock")
    }
    both = {name: content for name, content in files.items() if not name.startswith(f"{THEIRS}/arrays-")}
    mine = {name: content for name, content in files.items() if not name.startswith(f"{THEIRS}/")}
    state = f"{MINE}/{STATE}"
    recipe = files[f"{MINE}/recipe.yaml"].replace(b"/nowhere/", b"")
    plain = tuple(name for name in mine if name.startswith(f"{MINE}/") and "/data-" not in name)
    return [
        Kept("project", mine, _open),
        Kept("project-parts", mine, _open, damaged=plain),
        Kept("project-state", mine, _open, damaged=(state,)),
        Kept("project-listed", mine, _list, damaged=(state,)),
        Kept("project-merged", both, _merge, damaged=(*plain, state)),
        Kept("project-merged-shown", both, _merge_shown, damaged=(*plain, state)),
        Subject("recipe", {"recipe.yaml": recipe}, _recipe),
        Subject("replay", {"recipe.yaml": recipe, DATA: files[DATA]}, _replayed(finished), damaged=("recipe.yaml",)),
        _proof(folder, finished, tuple(formats)),
    ]


def _proof(folder: Path, finished: Finished, formats: tuple[str, ...]) -> Subject:
    """An export with its recipe, proven."""
    place = folder / "proof"
    place.mkdir()
    shutil.copy(finished.path, place / DATA)
    here = Path.cwd()
    os.chdir(place)
    try:
        recipe = Recipe.from_yaml((folder / MINE / "recipe.yaml").read_text().replace(f"{folder}/", ""))
        (place / "recipe.yaml").write_text(replace(recipe, formats=formats).to_yaml())
        _replayed(finished)(place)
    finally:
        os.chdir(here)
    files = folder_files(place / "out")
    damaged = tuple(f"out/{name}" for name in files)
    whole = {**{f"out/{name}": content for name, content in files.items()}, DATA: (place / DATA).read_bytes()}
    return Subject("proof", whole, lambda where: prove(where / "out", cache=False), damaged=damaged)


def temporary_home() -> str:
    """A folder for data of the user, for processes that try many inputs."""
    return tempfile.mkdtemp(prefix="fuzz-home-")
