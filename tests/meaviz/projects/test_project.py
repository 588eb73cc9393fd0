"""A project holds all that a session is: what is read shows the same, and computes nothing."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meagraph.inspection.findings import examine
from meagraph.limits import MEMBERS
from meagraph.pipeline.predicting import errors_of
from meaviz.judgements.ledger import ledger_path
from meaviz.projects import layout
from meaviz.projects.checks import check
from meaviz.projects.ledgers import LEDGER, adopt
from meaviz.projects.places import files_of
from meaviz.projects.project import VERSION, InUse, Project, migrated
from meaviz.projects.snapshot import Snapshot, restore, taken
from meaviz.session import Session
from meaviz.session.filters import Filters
from meaviz.session.recipe import recipe_of
from tests.support.projects import save

Shown = Callable[[], Session]


def work(session: Session) -> None:
    """What a person does in a while."""
    selection, planning = session.selection, session.planning
    selection.select_rows(range(20))
    selection.keep("mine")
    selection.set_filters(Filters(ranges=(("force", 0.0, 1e9),)))
    selection.inspect(3)
    planning.settings = replace(planning.settings, keep=0.4)
    planning.keep("first")
    planning.settings = replace(planning.settings, keep=0.3)
    session.judging.judge(np.array([1, 2]), "outlier", note="odd")
    session.appearance.colour_by = "element"
    session.appearance.views = {"table_falling": False, "histograms": ("force", "energy")}


def saved(session: Session, path: Path) -> Snapshot:
    return Project(save(session, path)).read().shot


def test_what_is_opened_shows_what_was_saved(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shown()
    work(first)
    shot = saved(first, tmp_path / "a.meaviz")
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / "nothing"))  # nothing comes from the cache
    second = Session(author="ada")
    restore(second, shot)
    one, two = first.data.found, second.data.found
    assert two.dataset.fingerprint == one.dataset.fingerprint
    assert two.config == one.config
    np.testing.assert_array_equal(two.descriptors.values, one.descriptors.values)
    np.testing.assert_array_equal(two.survey.projection.xy, one.survey.projection.xy)
    np.testing.assert_array_equal(two.survey.clusters.labels, one.survey.clusters.labels)
    np.testing.assert_array_equal(two.survey.outliers.score, one.survey.outliers.score)
    assert two.cluster_names == one.cluster_names
    assert [one.template for one in two.survey.outliers.signals] == [s.template for s in one.survey.outliers.signals]
    state = two.learned.load().state_dict()
    for name, weights in one.learned.load().state_dict().items():
        np.testing.assert_array_equal(state[name], weights)
    np.testing.assert_array_equal(second.selection.mask, first.selection.mask)
    np.testing.assert_array_equal(second.selection.shown, first.selection.shown)
    assert second.selection.filters == first.selection.filters
    assert second.selection.inspected == 3
    assert second.selection.named is not None
    assert second.selection.named.names == ["mine"]
    assert second.planning.settings == first.planning.settings
    assert list(second.planning.plans) == ["first"]
    np.testing.assert_array_equal(second.planning.plans["first"].keep, first.planning.plans["first"].keep)
    np.testing.assert_array_equal(second.planning.plan.structures, first.planning.plan.structures)
    np.testing.assert_array_equal(second.judging.flags, first.judging.flags)
    assert second.appearance.colour_by == "element"
    assert second.appearance.views == first.appearance.views
    recipe = (tmp_path / "a.meaviz" / "recipe.yaml").read_text()
    assert recipe == recipe_of(first).to_yaml() == recipe_of(second).to_yaml()
    assert not [path for path in (tmp_path / "nothing").rglob("*") if path.is_file()]


def test_what_a_look_at_the_data_found_is_kept_and_fits_it(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    found = examine(session.data.dataset)
    session.data.findings = replace(found, complete=False)
    assert saved(session, tmp_path / "a.meaviz").results.get("findings") is None  # it is looked through again
    session.data.findings = found
    shot = saved(session, tmp_path / "b.meaviz")
    second = Session(author="ada")
    restore(second, shot)
    again = second.data.findings
    assert again is not None
    assert again._repr_html_() == found._repr_html_()
    np.testing.assert_array_equal(again.distributions[0].histogram.bin, found.distributions[0].histogram.bin)
    beyond = replace(found.found[0], structures=np.array([session.data.dataset.n_structures]))
    with pytest.raises(ValueError, match="structures"):
        check(replace(shot, results={**shot.results, "findings": replace(found, found=(beyond,))}))


def test_undo_goes_on_where_it_was(shown: Shown, tmp_path: Path) -> None:
    first = shown()
    work(first)
    second = Session(author="ada")
    restore(second, saved(first, tmp_path / "a.meaviz"))
    moments, place = second.past.all
    assert (len(moments), place) == (len(first.past.all[0]), first.past.all[1])  # opening is no step
    second.planning.move_in_history(-1)
    assert second.planning.settings.keep == 0.4
    second.selection.move_in_history(-1)
    second.selection.move_in_history(-1)
    assert not second.selection.any
    assert second.judging.undo() is not None
    assert second.judging.flags is not None
    assert not second.judging.flags.any()


def test_what_was_undone_is_done_again_in_another_session(shown: Shown, tmp_path: Path) -> None:
    first = shown()
    now = [0.0]
    first.past.clock = lambda: now[0]
    first.judging.judge(np.array([2]), "outlier")
    now[0] += 10
    assert first.past.move(-1) == "judgement"
    second = Session(author="ada")
    restore(second, saved(first, tmp_path / "a.meaviz"))
    assert not second.judging.flags.any()
    assert second.past.move(1) == "judgement"
    assert np.flatnonzero(second.judging.flags).tolist() == [2]


def test_what_a_kill_left_between_ledger_and_project_is_undone_as_all_else(shown: Shown, tmp_path: Path) -> None:
    first = shown()
    now = [0.0]
    first.past.clock = lambda: now[0]
    first.judging.judge(np.array([2]), "outlier")
    now[0] += 10
    path = save(first, tmp_path / "a.meaviz")
    first.past.move(-1)  # reaches the ledger at once, and no project any more
    first.selection.select_rows([5])
    first.selection.keep("late")
    second = Session(author="ada")
    second.past.clock = lambda: now[0]
    restore(second, Project(path).read().shot)
    assert second.selection.named.names == ["late"]
    now[0] += 10
    second.judging.judge(np.array([3]), "outlier")
    now[0] += 10
    assert second.past.move(-1) == "judgement"
    assert not second.judging.flags.any()
    assert second.selection.named.names == ["late"]
    assert second.past.move(-1) == "named selections"
    assert second.selection.named.names == []


def test_results_are_written_once(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    project = Project(tmp_path / "a.meaviz", write=True)
    project.save(taken(session))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a.meaviz").rglob("*.npy")}
    session.selection.select_rows([0, 1])
    project.save(taken(session))
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "a.meaviz").rglob("*.npy")}
    assert {path: after[path] for path in before if path in after} == {p: t for p, t in before.items() if p in after}
    assert sum(path.stat().st_size for path in set(after) - set(before)) < 10_000
    project.close()


def test_what_no_state_needs_goes(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    project = Project(tmp_path / "a.meaviz", write=True)
    session.planning.keep("one")
    project.save(taken(session))
    session.planning.forget("one")
    session.past.resume((), -1)
    project.save(taken(session))
    project.close()
    names = {path.name for path in (tmp_path / "a.meaviz" / "records").iterdir()}
    shot = Project(tmp_path / "a.meaviz").read().shot
    assert shot.state["plans"] == {}
    again = saved(session, tmp_path / "b.meaviz")
    assert again.analysis is not None
    assert names == {path.name for path in (tmp_path / "b.meaviz" / "records").iterdir()}


def test_what_was_removed_while_it_was_open_is_written_again(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    session.judging.judge(np.array([1]), "outlier")
    project = Project(tmp_path / "a.meaviz", write=True)
    project.save(taken(session))
    shutil.rmtree(tmp_path / "a.meaviz")
    project.save(taken(session))
    project.close()
    assert Project(tmp_path / "a.meaviz").read().shot.analysis is not None
    assert adopt(tmp_path / "a.meaviz" / LEDGER, tmp_path / "other.sqlite") == 1


def test_a_second_writer_is_told(shown: Shown, tmp_path: Path) -> None:
    project = Project(tmp_path / "a.meaviz", write=True)
    project.save(taken(shown()))
    with pytest.raises(InUse, match=r"open elsewhere.*process"):
        Project(tmp_path / "a.meaviz", write=True)
    reader = Project(tmp_path / "a.meaviz")
    assert reader.read().shot.analysis is not None
    with pytest.raises(InUse, match="another name"):
        reader.save(taken(shown()))
    project.close()
    Project(tmp_path / "a.meaviz", write=True).close()


def test_a_full_disk_leaves_the_state_before(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = shown()
    project = Project(tmp_path / "a.meaviz", write=True)
    project.save(taken(session))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    session.selection.select_rows([1])
    with monkeypatch.context() as patch:
        patch.setattr(layout.os, "fsync", full)
        with pytest.raises(MEAGraphError, match=r"No space left.*saved before is whole"):
            project.save(taken(session))
    shot = Project(tmp_path / "a.meaviz").read().shot
    assert not np.frombuffer(shot.state["selected"], np.uint8).any()
    assert not list((tmp_path / "a.meaviz").rglob(".*-*"))
    project.save(taken(session))  # once there is room
    project.close()
    assert np.frombuffer(Project(tmp_path / "a.meaviz").read().shot.state["selected"], np.uint8).any()


def test_a_project_moves_with_or_without_its_data(shown: Shown, tmp_path: Path, known: object) -> None:
    session = shown()
    data = Path(session.data.dataset.sources[0].path)
    folder = tmp_path / "here"
    folder.mkdir()
    moved = folder / "renamed.extxyz"
    shutil.copy(data, moved)
    session.data.asked = replace(session.data.asked, paths=(str(moved),))
    dataset = session.data.dataset
    object.__setattr__(dataset, "sources", (replace(dataset.sources[0], path=str(moved)),))
    try:
        saved(session, folder / "a.meaviz")
        shutil.move(folder, tmp_path / "there")
        found = Project(tmp_path / "there" / "a.meaviz").read()
        assert found.missing == ()
        assert found.shot.dataset.sources[0].path == str(tmp_path / "there" / "renamed.extxyz")
        elsewhere = tmp_path / "disk" / "deep"
        elsewhere.mkdir(parents=True)
        shutil.move(tmp_path / "there" / "renamed.extxyz", elsewhere / "other.extxyz")
        lost = Project(tmp_path / "there" / "a.meaviz").read()
        assert lost.missing == (str(moved),)
        assert lost.shot.analysis is not None  # the project's own copy stands in
        again = Project(tmp_path / "there" / "a.meaviz").read([tmp_path / "disk"])
        assert again.missing == ()
        assert again.shot.dataset.sources[0].path == str(elsewhere / "other.extxyz")
    finally:
        object.__setattr__(dataset, "sources", (replace(dataset.sources[0], path=str(data)),))


def test_other_content_in_a_file_is_told(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    saved(session, tmp_path / "a.meaviz")
    state = json.loads((tmp_path / "a.meaviz" / "project.json").read_text())
    state["data"]["sources"][0]["sha256"] = "0" * 64
    (tmp_path / "a.meaviz" / "project.json").write_text(json.dumps(state))
    found = Project(tmp_path / "a.meaviz").read()
    assert "holds something else now" in found.notes[0]
    assert len(found.missing) == 1


def test_an_older_version_is_brought_up_and_a_newer_one_refused(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    saved(session, tmp_path / "a.meaviz")
    path = tmp_path / "a.meaviz" / "project.json"
    state = json.loads(path.read_text())
    old = {**state, "version": VERSION - 1, "parts": None, "results": state["parts"]}

    def step(one: dict) -> dict:
        return {
            **{name: value for name, value in one.items() if name != "results"},
            "parts": one["results"],
            "version": VERSION,
        }

    assert migrated(old, path, {VERSION - 1: step}) == state
    path.write_text(json.dumps({**state, "version": VERSION + 1}))
    with pytest.raises(MEAGraphError, match=r"written by meaviz .* Update MEAViz"):
        Project(tmp_path / "a.meaviz").read()


def test_a_project_of_the_first_version_opens(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    session.selection.select_rows([3])
    saved(session, tmp_path / "a.meaviz")
    path = tmp_path / "a.meaviz" / "project.json"
    state = json.loads(path.read_text())
    for name in ("views", "undone"):
        del state["state"][name]
    for moment in state["state"]["past"][0]:
        del moment["views"]
    path.write_text(json.dumps({**state, "version": 1}))
    again = Session(author="ada")
    restore(again, Project(tmp_path / "a.meaviz").read().shot)
    assert again.past.can_undo
    assert np.flatnonzero(again.selection.mask).tolist() == [3]


def spoil(state: dict, what: str) -> None:
    if what == "path":
        state["parts"]["survey"]["record"] = "../../secret"
    elif what == "kind":
        state["state"]["filters"] = {"class": "Popen", "args": ["ls"]}
    elif what == "type":
        state["state"]["settings"]["seed"] = "five"
    elif what == "form":
        state["state"]["inspected"] = {"eval": "1"}
    elif what == "history":
        state["state"]["selections"] = [[None]]
    elif what == "name":
        state["state"]["plans"] = {"mapping": [["a" * 3000, state["state"]["plan"]]]}
    elif what == "bits":
        state["state"]["named"]["mapping"][0][1] = {"bytes": {"small": {"type": "|u1", "shape": [1], "base64": "AA=="}}}
    elif what == "looks":
        state["state"]["looks"] = {"mapping": [["axes", 3]]}
    elif what == "result":
        state["parts"]["errors"] = state["parts"]["survey"]


@pytest.mark.parametrize("what", ["path", "kind", "type", "form", "history", "name", "bits", "looks", "result"])
def test_what_was_never_written_is_refused(shown: Shown, tmp_path: Path, what: str) -> None:
    session = shown()
    session.selection.select_rows([0, 1])
    session.selection.keep("mine")
    saved(session, tmp_path / "a.meaviz")
    path = tmp_path / "a.meaviz" / "project.json"
    state = json.loads(path.read_text())
    spoil(state, what)
    path.write_text(json.dumps(state))
    with pytest.raises(MEAGraphError, match="expected a whole project"):
        Project(tmp_path / "a.meaviz").read()


def test_arrays_that_point_outside_are_refused(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    survey = session.data.survey
    labels = survey.clusters.labels.copy()
    labels[3] = 10_000
    bad = replace(survey, clusters=replace(survey.clusters, labels=labels))
    shot = taken(session)
    project = Project(tmp_path / "a.meaviz", write=True)
    project.save(replace(shot, results={**shot.results, "survey": bad}))
    project.close()
    with pytest.raises(MEAGraphError, match="'labels' holds 10000"):
        Project(tmp_path / "a.meaviz").read()


def test_judgements_travel_with_the_project(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shown()
    work(first)
    saved(first, tmp_path / "a.meaviz")
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "another machine"))
    assert adopt(tmp_path / "a.meaviz" / LEDGER, ledger_path()) == 1
    second = Session(author="bob")
    restore(second, Project(tmp_path / "a.meaviz").read().shot)
    np.testing.assert_array_equal(np.flatnonzero(second.judging.flags), [1, 2])


def test_other_files_are_not_taken_for_a_project(tmp_path: Path) -> None:
    (tmp_path / "a.meaviz").mkdir()
    (tmp_path / "a.meaviz" / "thesis.tex").write_text("mine")
    with pytest.raises(MEAGraphError, match="other files are"):
        Project(tmp_path / "a.meaviz", write=True)
    assert [path.name for path in (tmp_path / "a.meaviz").iterdir()] == ["thesis.tex"]


def changed_state(path: Path, change: Callable[[dict], object]) -> None:
    state = json.loads((path / "project.json").read_text())
    change(state)
    (path / "project.json").write_text(json.dumps(state))


def test_nothing_outside_of_a_root_is_read_or_asked_for(shown: Shown, tmp_path: Path) -> None:
    """A project that somebody has written to have the server read what he may not."""
    root = tmp_path / "root"
    path = root / "a.meaviz"
    saved(shown(), path)
    secret = tmp_path / "secret.extxyz"
    secret.write_text("1\nsecret\nNb 0 0 0\n")
    mine = Path(shutil.copy(shown().data.dataset.sources[0].path, root / "mine.extxyz"))

    def point(paths: list[str], **reading: object) -> None:
        changed_state(path, lambda state: state["data"].update(paths=paths, reading=reading, sources=[], lost=["x"]))

    for paths, reading in (
        ([str(secret)], {}),
        ([f"{root}/../secret.extxyz"], {}),
        ([str(mine)], {"known": [str(secret)]}),
        ([str(mine)], {"known": str(secret)}),
    ):
        point(paths, **reading)
        found = Project(path).read(within=root)
        assert found.shot.asked is None, "what could be read anew"
        assert found.shot.analysis is not None, "its own copy stands in"
    point([str(mine)])
    session = shown()
    descriptors = replace(session.data.next_config.descriptors, method="npy", source=f"{tmp_path}/secret.npy")
    session.data.next_config = replace(session.data.next_config, descriptors=descriptors)
    found = [
        Project(save(session, root / f"{within is None}.meaviz")).read(within=within).shot.state["next_config"]
        for within in (None, root)
    ]
    assert [one.descriptors.source for one in found] == [f"{tmp_path}/secret.npy", f"{root}/secret.npy"]
    assert Project(path).read(within=root).shot.asked.paths == (str(mine),)
    for store in ("../elsewhere", "..", "/etc", ""):
        changed_state(path, lambda state, store=store: state["data"].update(store=store))
        with pytest.raises(MEAGraphError, match="is no name of its data"):
            Project(path).read(within=root)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
@pytest.mark.parametrize("part", ["records", "arrays", "project.json"])
def test_pipes_in_a_project_are_not_waited_for(shown: Shown, tmp_path: Path, part: str) -> None:
    saved(shown(), tmp_path / "a.meaviz")
    place = tmp_path / "a.meaviz" / part
    for path in [place] if place.is_file() else place.iterdir():
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(MEAGraphError, match=r"expected a (whole )?project"):
        Project(tmp_path / "a.meaviz").read()


def test_predictions_of_another_file_are_kept(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    dataset = session.data.dataset
    session.set_errors(errors_of(dataset, other=replace(dataset, forces=dataset.forces + 0.1)))
    shot = saved(session, tmp_path / "a.meaviz")
    np.testing.assert_array_equal(shot.results["errors"].forces, session.data.errors.forces)
    assert [repr(one) for one in shot.results["errors"].predicted.sources] == [repr(one) for one in dataset.sources]


def test_a_project_that_names_a_whole_disk_is_not_waited_for(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        (tmp_path / "disk" / str(number)).mkdir(parents=True)
        (tmp_path / "disk" / str(number) / "a").touch()
    names = [str(tmp_path / "disk" / str(number) / "a") for number in range(5)]
    assert files_of([str(tmp_path / "disk")]) == files_of([f"{tmp_path}/disk/*"]) == names
    monkeypatch.setattr("meaviz.projects.places.MOST_FILES", 4)
    assert files_of([str(tmp_path / "disk")]) == ["more than 4 files"]
    saved(shown(), tmp_path / "a.meaviz")
    monkeypatch.setenv(MEMBERS.variable, "4")
    source = {"path": str(tmp_path / "disk"), "sha256": "0" * 64, "format": "deepmd-npy", "beside": "", "size": 0}
    changed_state(tmp_path / "a.meaviz", lambda state: state["data"].update(sources=[source]))
    assert Project(tmp_path / "a.meaviz").read().missing == (str(tmp_path / "disk"),)
