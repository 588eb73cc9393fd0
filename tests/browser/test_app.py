"""The app as a user meets it: in a real browser, from opening data to reading the export back."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import panel as pn
import pytest
from ase import Atoms
from bokeh.command.util import build_single_handler_application
from panel.io.session import generate_session
from playwright.sync_api import Browser, Locator, Page, expect

from meagraph.model.settings import TrainingConfig
from meagraph.pipeline.config import PipelineConfig
from meagraph.recipe import replay
from meaviz.app import build
from meaviz.demo import demo_path
from meaviz.session import Session
from tests.support import ROOT
from tests.support.browser import choose, data_to_page, drag, figure_eval, wait_figure, wait_idle, wait_until
from tests.support.finished import CONFIG, Finished
from tests.support.threads import wait_for_jobs

MAP_TIMEOUT = 900.0  # s: a cold start compiles kernels, trains and projects


@pytest.fixture(autouse=True)
def own_judgements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags of a test are not the user's."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "judgements"))


@pytest.fixture(scope="module")
def chromium(launch: Callable[..., Browser]) -> Browser:
    """One that draws as a user's does, in place of the quicker one."""
    return launch()


@pytest.fixture
def open_app(serve: Callable[..., Any], page: Page) -> Callable[..., Session]:
    """``open_app(data, config=)``: serve the app for ``data``, open it in the browser, return its session."""

    def start(*data: Path, config: PipelineConfig | None = None) -> Session:
        session = Session()
        session.data.next_config = config or PipelineConfig()
        served = serve(lambda: build(list(data), session=session))
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(served.url)
        wait_idle(page)
        return session

    return start


def wait_map(page: Page, session: Session) -> None:
    """Wait until the map shows its points."""
    wait_until(
        page,
        lambda: session.data.survey is not None or session.activity.problem[1],
        MAP_TIMEOUT,
        "neither a map nor a problem",
    )
    assert session.activity.problem == ("", "")
    wait_figure(page, "map")


def button(page: Page, name: str) -> Locator:
    """The button with exactly this label."""
    return page.get_by_role("button", name=name, exact=True)


def fact(page: Page, name: str) -> Locator:
    """What the 3D view says of the environment that it shows."""
    return page.locator(f"dl.facts dt:text-is('{name}') + dd")


def test_served_script_runs_and_has_roots() -> None:
    """``panel serve meaviz`` answers with a page; a status code alone would not show that."""
    application = build_single_handler_application(str(ROOT / "meaviz"), ["--no-token"])
    session = generate_session(application)
    handler = application.handlers[0]
    assert not handler.failed, handler.error_detail
    assert session.document.roots
    wait_for_jobs(cancel=True)  # it has begun to compute the map of the demo


def test_served_script_shows_nothing_without_its_token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user of the machine reaches the port of ``panel serve meaviz``, too."""
    monkeypatch.setattr("meaviz.app.build", lambda data, **how: pn.pane.Str("the app"))
    application = build_single_handler_application(str(ROOT / "meaviz"))

    def answer(**arguments: list[bytes]) -> str:
        roots = generate_session(application, payload={"arguments": arguments}).document.roots
        return "".join(str(root.text) for root in roots if hasattr(root, "text"))

    pn.state.clear_caches()
    assert "opens for its token" in answer()
    token = capsys.readouterr().err.partition("?token=")[2].split()[0]
    assert "opens for its token" in answer(token=[token[:-1].encode()])
    assert "the app" in answer(token=[token.encode()])
    assert capsys.readouterr().err == ""  # it is said once


@pytest.mark.browser
def test_the_main_job_on_the_demo(open_app: Callable[..., Session], page: Page, tmp_path: Path) -> None:
    """Open the demo, lasso, inspect, flag, prune, export, and read the export back."""
    session = open_app(config=PipelineConfig(training=TrainingConfig(epochs=4)))  # by default 12, which take a minute
    wait_map(page, session)
    data, survey = session.data.dataset, session.data.survey
    assert data.n_environments >= 10_000
    assert survey.clusters.n_clusters > 1
    xy = survey.projection.xy

    # a real lasso around the point that is nearest to the largest cluster's middle, which may be empty
    members = xy[survey.clusters.labels == 0]
    middle = np.median(members, axis=0)
    centre, radius = members[np.linalg.norm(members - middle, axis=1).argmin()], 0.4 * members.std()
    angle = np.linspace(0, 2 * np.pi, 24)
    ring = centre + radius * np.column_stack([np.cos(angle), np.sin(angle)])
    drag(page, data_to_page(page, "map", ring))
    wait_until(page, lambda: session.selection.mask.any(), what="a selection")
    inside = np.linalg.norm(xy - centre, axis=1)
    assert session.selection.mask[inside < 0.9 * radius].all()
    assert not session.selection.mask[inside > 1.1 * radius].any()
    chosen = int(session.selection.mask.sum())
    expect(page.get_by_text(f"{chosen:,} of {data.n_environments:,} selected")).to_be_visible()

    # click an environment: the 3D view shows it, with its facts
    row = int(np.flatnonzero(session.selection.mask)[0])
    page.mouse.click(*data_to_page(page, "map", [xy[row]])[0])
    wait_until(page, lambda: session.selection.inspected >= 0, what="an inspected environment")
    assert np.linalg.norm(xy[session.selection.inspected] - xy[row]) < 0.05 * np.ptp(xy, axis=0).max()
    structure = int(data.structure_of[session.selection.inspected])
    expect(fact(page, "environment")).to_have_text(f"{session.selection.inspected:,}")
    expect(fact(page, "group")).to_have_text(str(data.groups[structure]))

    # flag what is inspected alone, then take part of it back
    button(page, "Select nothing").click()
    wait_until(page, lambda: not session.selection.mask.any(), what="an empty selection")
    button(page, "Flag").click()
    wait_until(page, lambda: session.judging.flags.any(), what="a flag")
    assert np.flatnonzero(session.judging.flags).tolist() == [session.selection.inspected]
    wait_until(page, lambda: not session.planning.plan.structures[structure], what="a plan without it")

    # move the keep fraction with the keyboard
    page.get_by_role("tab", name="Pruning").click()
    before = session.planning.plan.n_environments
    slider = page.get_by_role("slider", name="Keep fraction")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowLeft")
    wait_until(page, lambda: abs(session.planning.settings.keep - 0.15) < 1e-9, what="a keep fraction of 0.15")
    wait_until(page, lambda: session.planning.plan.config.keep == session.planning.settings.keep, what="a new plan")
    assert session.planning.plan.n_environments == round(0.15 * data.n_environments) < before
    expect(page.get_by_text(f"{session.planning.plan.n_environments:,}", exact=True).first).to_be_visible()

    # what the plan costs
    page.get_by_role("tab", name="Cost").click()
    button(page, "Measure").click()
    wait_until(
        page, lambda: session.planning.cost is not None or session.activity.problem[1], what="the cost of the plan"
    )
    assert session.activity.problem == ("", "")
    assert session.planning.cost.plan is session.planning.plan
    expect(page.get_by_role("cell", name=f"{session.planning.cost.kept.environments:,}").first).to_be_visible()
    assert 0 < session.planning.cost.kept.environments < session.planning.cost.whole.environments

    # export, and read it back
    page.get_by_role("tab", name="Export").click()
    folder = tmp_path / "export"
    page.get_by_label("Folder").fill(str(folder))
    button(page, "Export").click()
    wait_until(page, lambda: session.planning.exported is not None or session.activity.problem[1], what="an export")
    assert session.activity.problem == ("", "")
    kept = np.flatnonzero(session.planning.plan.structures)
    frames = ase.io.read(session.planning.exported.structures, ":")
    assert len(frames) == len(kept)
    for frame, original in zip(frames, kept, strict=True):
        assert np.allclose(frame.positions, data.structures[original].positions)
        assert np.isclose(frame.get_potential_energy(), data.energy[original])
    assert "IsolatedAtom" in {frame.info["config_type"] for frame in frames}
    manifest = json.loads(session.planning.exported.manifest.read_text())
    flagged = {"structure": structure, "atom": int(data.atom_of[session.selection.inspected])}
    assert manifest["settings"]["flagged_environments"] == [flagged]
    assert manifest["pruning"]["keep"] == pytest.approx(0.15)
    with open(session.planning.exported.index, newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["kept"] == "1" for row in rows] == session.planning.plan.structures.tolist()
    assert rows[structure]["kept"] == "0"  # left out for its flag
    with page.expect_download() as download:
        button(page, session.planning.exported.structures.name).click()
    assert Path(download.value.path()).read_bytes() == session.planning.exported.structures.read_bytes()

    # its recipe: shown, and done again to the same bytes
    button(page, "Recipe").click()
    expect(page.locator("pre")).to_contain_text("verdict: outlier")
    again = replay(session.planning.exported.recipe, out=tmp_path / "again").files
    for path in session.planning.exported.paths:
        assert path.read_bytes() == (again.manifest.parent / path.name).read_bytes(), path.name


@pytest.mark.browser
def test_colours_theme_clusters_and_retraining(open_app: Callable[..., Session], page: Page, known: Finished) -> None:
    """Every colouring, the dark theme, a cluster of the table, and a new training keep the page alive."""
    session = open_app(known.path, config=CONFIG)
    wait_map(page, session)
    for name, title in (
        ("group", "Group"),
        ("energy", "Energy per atom / eV/atom"),
        ("force", "Force / eV/Å"),
        ("score", "Outlier score"),
        ("cluster", "Cluster"),
    ):
        choose(page, "Colour by", title)
        wait_until(page, lambda name=name: session.appearance.colour_by == name, what=f"colours by {title}")
        wait_idle(page)
    colour = "view.model.below[0].axis_label_text_color"
    light = figure_eval(page, "map", colour)
    button(page, "Toggle theme").click()
    wait_until(page, lambda: session.appearance.dark, what="the dark theme")
    wait_until(page, lambda: figure_eval(page, "map", colour) != light, what="other colours on the map")

    maps: list[object] = []  # of equal settings the model and the map come back from the cache
    session.data.param.watch(lambda event: maps.append(event.new), "survey")
    unfold(page, 3)
    button(page, "Train").click()
    wait_until(page, lambda: len(maps) > 1 and maps[-1] is not None, 120, "the map gone, and a new one")
    wait_until(page, lambda: not session.activity.running, 120, "the end of the work")
    assert maps[0] is None
    wait_figure(page, "map")
    assert session.activity.problem == ("", "")


def unfold(page: Page, step: int) -> None:
    """Open the settings of a step of the side bar (1 is open from the start)."""
    page.get_by_role("button", name="show more").nth(step - 1).click()


def bad_files(folder: Path, good: tuple[Atoms, ...]) -> dict[str, tuple[Path, str]]:
    """Bad input of every kind: name to (path, a word that the message must hold)."""

    def write(name: str, frames: list[Atoms]) -> Path:
        ase.io.write(folder / name, frames, format="extxyz")
        return folder / name

    text = folder / "notes.extxyz"
    text.write_text("Dear diary,\nthis is no structure.\n")
    empty = folder / "empty.extxyz"
    empty.write_text("")
    strange = folder / "data.qqq"
    strange.write_text("1\n\nNb 0 0 0\n")
    bare = [Atoms("Nb2", [[0, 0, 0], [0, 0, 2.8]], cell=[9, 9, 9], pbc=True)] * 2
    flat = [atoms.copy() for atoms in good[:2]]
    for atoms, original in zip(flat, good, strict=False):
        atoms.calc = original.calc
        atoms.cell[2] = atoms.cell[1]
    nan = write("nan.extxyz", list(good[:2]))
    lines = nan.read_text().splitlines()
    lines[2] = "Nb nan" + lines[2][lines[2].index(" ", 12) :]
    nan.write_text("\n".join(lines) + "\n")
    huge = folder / "huge.extxyz"
    huge.write_text("100000\nProperties=species:S:1:pos:R:3 energy=0\n" + "Nb 0 0 0\n" * 100_000)
    return {
        "missing": (folder / "nowhere.extxyz", "nowhere.extxyz"),
        "empty": (empty, "empty"),
        "text": (text, "notes.extxyz"),
        "unlabelled": (write("bare.extxyz", bare), "bare.extxyz"),
        "nan": (nan, "nan.extxyz"),
        "flat": (write("flat.extxyz", flat), "flat.extxyz"),
        "one": (write("one.extxyz", [good[0]]), "one.extxyz"),
        "huge": (huge, "huge.extxyz"),
        "suffix": (strange, "data.qqq"),
    }


@pytest.mark.browser
def test_bad_input_is_explained_and_harms_nothing(
    open_app: Callable[..., Session],
    page: Page,
    tmp_path: Path,
    structures: tuple[Atoms, ...],
    known: Finished,
) -> None:
    """Each bad file gets one clear error on the page, and what was open stays."""
    session = open_app(known.path, config=CONFIG)
    wait_map(page, session)
    survey = session.data.survey
    for kind, (path, word) in bad_files(tmp_path, structures).items():
        page.get_by_label("Files").fill(str(path))
        button(page, "Open").click()
        wait_until(
            page,
            lambda word=word: word in session.activity.problem[1] and not session.activity.running,
            what=f"an error for {kind}",
        )
        expect(page.get_by_role("alert").filter(has_text=word)).to_have_count(1)
        assert "Traceback" not in session.activity.problem[1]
        assert session.data.survey is survey, kind
    page.get_by_label("Files").fill(str(tmp_path / "bare.extxyz"))
    page.get_by_label("Allow frames without labels").check()
    button(page, "Open").click()
    wait_until(
        page, lambda: session.data.dataset is not None and session.data.dataset.n_structures == 2, what="a dataset"
    )


@pytest.mark.browser
def test_cancel_keeps_what_was_there(open_app: Callable[..., Session], page: Page, known: Finished) -> None:
    """A cancelled training says so and the step can be started again."""
    session = open_app(known.path, config=CONFIG)
    wait_map(page, session)
    unfold(page, 3)
    for label, value in (("Epochs", "10000"), ("Patience", "0")):  # or it would soon stop by itself
        page.get_by_label(label).fill(value)
        page.get_by_label(label).press("Enter")
    button(page, "Train").click()
    wait_until(
        page, lambda: session.activity.running == "model" and session.activity.progress[0] > 0.3, what="progress"
    )
    button(page, "Cancel").click()
    wait_until(page, lambda: not session.activity.running, what="the end of the job")
    assert "ancelled" in session.activity.problem[1]
    assert session.data.dataset is not None


def test_demo_is_what_the_readme_says() -> None:
    """Size, groups and protected atom of the embedded demo."""
    assert demo_path().stat().st_size <= 2_000_000
    frames = ase.io.read(demo_path(), ":")
    assert 300 <= len(frames) <= 600
    assert sum(map(len, frames)) >= 10_000
    assert sum(frame.info["config_type"] == "IsolatedAtom" for frame in frames) == 1
    assert all(np.isfinite(frame.get_forces()).all() for frame in frames)


def test_two_sessions_do_not_share_state() -> None:
    """Nothing of one session lives in a class or a module."""
    one, two = Session(), Session()
    one.planning.settings = type(one.planning.settings)(keep=0.5)
    assert two.planning.settings.keep == 0.2
    assert pn.state.curdoc is None
