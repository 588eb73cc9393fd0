"""The 3D viewer: what it sends to the browser, and what a real browser makes of it."""

from __future__ import annotations

import importlib.metadata
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ase
import numpy as np
import panel as pn
import pytest
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from playwright.sync_api import expect

from meagraph.errors import MEAGraphError
from meaviz.components.viewer import bundle as viewer_bundle
from meaviz.components.viewer.bundle import write_bundle
from meaviz.components.viewer.scene import BALLS_ONLY_ABOVE, Environment, build_scene
from meaviz.components.viewer.structure_viewer import StructureViewer
from tests.support.browser import BrowserLog, Served, drag, fresh_page, open_page, wait_idle, wait_until
from tests.support.messages import from_browser

DEBUG = "globalThis.__meaviz_debug = [];"
READY = """([at, id]) => {
  const view = globalThis.__meaviz_debug?.at(at);
  return !!view && view.idle() && (view.scene()?.id ?? 0) === id && !view.stage.viewer.renderPending;
}"""
PROJECT = """([at, i]) => {
  const {stage, placeOf} = __meaviz_debug.at(at);
  const pixel = stage.viewerControls.getPositionOnCanvas(placeOf(i));
  const box = stage.viewer.renderer.domElement.getBoundingClientRect();
  return [box.left + pixel.x, box.bottom - pixel.y];
}"""
CAMERA = """() => {
  const {viewerControls} = __meaviz_debug.at(-1).stage;
  return [viewerControls.rotation.toArray(), viewerControls.getCameraDistance()];
}"""
COUNTS = """() => {
  const {stage} = __meaviz_debug.at(-1), {memory} = stage.viewer.renderer.info;
  stage.viewer.render(true);
  stage.viewer.render();
  return {
    canvases: stage.viewer.container.querySelectorAll("canvas").length,
    components: stage.compList.length,
    layers: stage.compList.reduce((n, component) => n + component.reprList.length, 0),
    geometries: memory.geometries,
    textures: memory.textures,
    picking: stage.viewer.pickingGroup.children.length,
  };
}"""


@dataclass
class Shown:
    """A served viewer on a page, driven from the server's thread as the app does it."""

    page: Any
    served: Served
    log: BrowserLog
    viewers: list[StructureViewer] = field(default_factory=list)
    clicks: list[int] = field(default_factory=list)
    at: int = -1  # which of the page's views is looked at

    @property
    def viewer(self) -> StructureViewer:
        return self.viewers[-1]

    def settle(self) -> None:
        """Wait until the browser has drawn the viewer's present scene."""
        self.page.wait_for_function(READY, arg=[self.at, self.viewer.scene.get("id", 0)])

    def show(self, atoms: ase.Atoms, **options: Any) -> None:
        self.served.run(lambda: self.viewer.show(atoms, **options))
        self.settle()

    def set(self, **values: Any) -> None:
        self.served.run(lambda: self.viewer.param.update(**values))
        for name, value in values.items():
            self.page.wait_for_function(
                "([at, name, value]) => __meaviz_debug.at(at).model[name] === value", arg=[self.at, name, value]
            )
        self.settle()

    def pixel_of(self, drawn: int) -> tuple[float, float]:
        """Page pixel of a drawn atom, by the stage's own camera."""
        x, y = self.page.evaluate(PROJECT, [self.at, drawn])
        return x, y

    def color_at(self, drawn: int) -> np.ndarray:
        x, y = self.pixel_of(drawn)
        return self.picture(clip={"x": round(x) - 1, "y": round(y) - 1, "width": 3, "height": 3}).mean(axis=(0, 1))

    def picture(self, clip: dict[str, int] | None = None) -> np.ndarray:
        """Pixels (height, width, 3) of the canvas alone, or of a part of the page."""
        target = self.page if clip else self.page.locator(".viewer .stage")
        data = target.screenshot(**({"clip": clip} if clip else {}))
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)

    def click(self, x: float, y: float) -> int:
        """Click the page and return what the viewer reported."""
        before = len(self.clicks)
        self.page.mouse.click(x, y)
        wait_until(self.page, lambda: len(self.clicks) > before, what="the click reaches Python")
        return self.clicks[-1]

    def click_atom(self, drawn: int) -> int:
        return self.click(*self.pixel_of(drawn))


@dataclass
class Room:
    """A page with room for one viewer after the other: opening a page takes longer than most tests."""

    page: Any
    served: Served
    log: BrowserLog
    column: pn.Column

    def visit(self, atoms: ase.Atoms | None) -> Iterator[Shown]:
        """A new viewer for one test, which fails on what page or server have logged as an error."""
        self.page.mouse.move(0, 0)
        self.page.evaluate("() => { __meaviz_debug.length = 0; document.activeElement?.blur(); }")
        self.log.requests.clear()
        self.log.console.clear()
        result = self.served.run(lambda: self._enter(atoms))
        result.settle()
        yield result
        self.served.run(self.column.clear)
        wait_idle(self.page)
        assert not self.log.errors, f"errors on the page: {self.log.errors}"
        assert not self.log.external(), f"requests to other hosts: {self.log.external()}"
        assert not self.served.errors, f"the server logged errors: {self.served.errors}"

    def _enter(self, atoms: ase.Atoms | None) -> Shown:
        """A viewer of 500 x 400 pixels with text below it, in place of the last one."""
        viewer, clicks = StructureViewer(width=500, height=400), []
        if atoms is not None:
            viewer.show(atoms)
        viewer.param.watch(lambda event: clicks.append(event.new), "clicked", onlychanged=False)
        self.column[:] = [viewer, "below"]
        return Shown(self.page, self.served, self.log, [viewer], clicks)


@pytest.fixture(scope="module")
def room(chromium: Any) -> Iterator[Room]:
    columns: list[pn.Column] = []

    def app() -> pn.Column:
        columns.append(pn.Column())
        return columns[-1]

    log = BrowserLog()
    with fresh_page(chromium, log) as page:
        page.add_init_script(DEBUG)
        served = Served(app)
        log.servers.add(served.host)
        open_page(page, served)
        yield Room(page, served, log, columns[-1])
        served.stop()


@pytest.fixture
def empty(room: Room) -> Iterator[Shown]:
    """A viewer that shows nothing yet: it lets the page draw what else there is, and opens seconds later."""
    yield from room.visit(None)


@pytest.fixture
def shown(room: Room) -> Iterator[Shown]:
    """A viewer that opens at once, for it has an atom to show."""
    yield from room.visit(ase.Atoms("He"))


def carbons(*positions: tuple[float, float, float]) -> ase.Atoms:
    return ase.Atoms("C" * len(positions), positions)


def across_the_border() -> ase.Atoms:
    """Two atoms 0.8 Å apart through the face x = 0 of a box, and a third in its middle."""
    return ase.Atoms("H2O", [(0.4, 5, 5), (9.6, 5, 5), (5, 5, 5)], cell=[10, 10, 10], pbc=True)


# What is sent


def test_scene_of_a_whole_structure() -> None:
    scene = build_scene(molecule("H2O"))
    assert [scene["symbols"][kind] for kind in scene["kinds"]] == ["O", "H", "H"]
    assert scene["bonds"].reshape(-1, 2).tolist() == [[0, 1], [0, 2]]
    assert scene["colors"].tolist() == [0xFF0D0D, 0xFFFFFF, 0xFFFFFF]  # Jmol's red and white
    np.testing.assert_allclose(scene["positions"].reshape(-1, 3), molecule("H2O").positions, atol=1e-6)
    assert scene["centers"] == []
    assert scene["near"].size == 0
    assert scene["cell"] is None
    assert {name: scene[name].dtype.name for name in ("kinds", "positions", "colors", "bonds", "parents")} == {
        "kinds": "uint8",
        "positions": "float32",
        "colors": "uint32",
        "bonds": "int32",
        "parents": "int32",
    }


def test_no_bond_is_drawn_across_the_cell_but_one_to_a_ghost() -> None:
    atoms = across_the_border()
    assert build_scene(atoms)["bonds"].size == 0
    scene = build_scene(atoms, focus=0, cutoff=1.0, colors=np.array([1, 2, 3]))
    assert scene["parents"].tolist() == [0, 1, 2, 1]
    np.testing.assert_allclose(scene["positions"][9:], [-0.4, 5, 5], atol=1e-6)
    assert scene["bonds"].tolist() == []  # 0.8 Å is more than 1.1 times the sum of hydrogen's radii, 0.68 Å
    assert sorted(scene["near"].tolist()) == [0, 3]
    assert scene["colors"].tolist() == [1, 2, 3, 2]
    assert scene["real"] == 3
    np.testing.assert_allclose(scene["cell"].reshape(3, 3), 10 * np.eye(3))
    atoms.positions[0, 0] = 0.2
    assert build_scene(atoms, focus=0, cutoff=1.0)["bonds"].tolist() == [0, 3]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 6), cutoff=st.floats(1.0, 6.0))
def test_ghosts_are_lattice_translations_of_their_parents(seed: int, count: int, cutoff: float) -> None:
    rng = np.random.default_rng(seed)
    cell = 4 * np.eye(3) + rng.uniform(-1, 1, (3, 3))
    atoms = ase.Atoms("Si" * count, rng.uniform(-6, 6, (count, 3)), cell=cell, pbc=True)
    scene = build_scene(atoms, focus=count - 1, cutoff=cutoff)
    positions = scene["positions"].reshape(-1, 3).astype(float)
    images = (positions[count:] - atoms.positions[scene["parents"][count:]]) @ np.linalg.inv(cell)
    np.testing.assert_allclose(images, np.rint(images), atol=1e-4)
    away = np.linalg.norm(positions - positions[count - 1], axis=1)
    assert (away[scene["near"]] <= cutoff + 1e-4).all()
    outside = np.setdiff1d(np.arange(count), scene["near"])
    assert (away[outside] > cutoff - 1e-4).all()
    assert set(range(count, len(positions))) <= set(scene["near"].tolist())


def test_wrong_colors_and_focus_are_named() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\), not \(2,\)"):
        build_scene(molecule("H2O"), colors=np.zeros(2, dtype=np.uint32))
    for focus in (3, -2):
        with pytest.raises(ValueError, match=f"below 3, not {focus}"):
            build_scene(molecule("H2O"), focus=focus)
    with pytest.raises(ValueError, match="1 to 8"):
        StructureViewer().snapshot(9)


def test_a_big_structure_has_bonds_in_the_environment_only() -> None:
    atoms = bulk("Cu", cubic=True) * (14, 14, 13)
    assert len(atoms) > BALLS_ONLY_ABOVE
    scene = build_scene(atoms)
    assert scene["spacefill"]
    assert scene["bonds"].size == 0
    scene = build_scene(atoms, focus=0, cutoff=3.0)  # copper's 12 neighbours touch 24 times among themselves
    assert not scene["spacefill"]
    assert scene["near"].size == 13
    assert scene["bonds"].size == 2 * (12 + 24)
    assert set(scene["bonds"].tolist()) <= set(scene["near"].tolist())


def test_a_click_on_a_replaced_scene_means_nothing() -> None:
    viewer = StructureViewer()
    heard: list[int] = []
    viewer.param.watch(lambda event: heard.append(event.new), "clicked", onlychanged=False)
    viewer.show(molecule("H2O"))
    from_browser(viewer, {"type": "click", "scene": 1, "index": 2})
    from_browser(viewer, {"type": "click", "scene": 1, "index": 2})
    viewer.show(molecule("CH4"))
    from_browser(viewer, {"type": "click", "scene": 1, "index": 1})
    assert heard == [2, 2]


# The script


def test_bundle_is_reused_only_if_it_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    path = write_bundle(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    content = path.read_bytes()
    assert b"export function render" in content
    written = path.stat().st_mtime_ns
    assert write_bundle(tmp_path) == path
    assert path.stat().st_mtime_ns == written
    path.write_bytes(content[:-1] + b"!")
    assert write_bundle(tmp_path).read_bytes() == content
    monkeypatch.setattr(viewer_bundle.os, "getuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(MEAGraphError, match="MEAVIZ_CACHE"):
        write_bundle(tmp_path)


def test_missing_nglview_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(viewer_bundle.importlib.metadata, "files", missing)
    monkeypatch.setattr(viewer_bundle.sys, "prefix", str(tmp_path))
    with pytest.raises(MEAGraphError, match="pip install nglview"):
        write_bundle(tmp_path)
    assert list(tmp_path.iterdir()) == []


# In the browser


def test_placeholder_then_atoms_in_light_and_dark(empty: Shown) -> None:
    notice = empty.page.locator(".viewer .notice")
    assert notice.inner_text() == "Click a point on the map to see its environment here"
    empty.set(placeholder="nothing <b>yet</b>", caption="<i>plain</i>\nsecond line")
    assert notice.inner_text() == "nothing <b>yet</b>"
    assert empty.page.locator(".viewer .caption").inner_text() == "<i>plain</i>\nsecond line"
    assert len(np.unique(empty.picture()[:150].reshape(-1, 3), axis=0)) == 1

    empty.show(bulk("NaCl", "rocksalt", 5.64, cubic=True))
    assert not notice.is_visible()
    light = empty.picture()
    assert len(np.unique(light.reshape(-1, 3), axis=0)) > 500
    assert light[3, 3].tolist() == [255, 255, 255]
    empty.set(dark=True)
    assert empty.picture()[3, 3].tolist() == [0x14, 0x17, 0x1B]
    empty.set(background_color="#203040")
    assert empty.picture()[3, 3].tolist() == [0x20, 0x30, 0x40]

    empty.served.run(empty.viewer.clear)
    empty.settle()
    assert notice.is_visible()
    assert empty.page.evaluate(COUNTS)["components"] == 0
    assert any("structure-viewer-" in url for url in empty.log.requests)


def test_chosen_environment_stands_out_from_the_rest(shown: Shown) -> None:
    atoms = carbons((0, 0, 0), (4, 0, 0), (12, 0, 0))
    shown.show(atoms)
    before = [shown.color_at(i) for i in range(3)]
    assert all(np.abs(color - 255).max() > 60 for color in before)  # grey atoms on white
    shown.show(atoms, focus=0, cutoff=5.0, fit=False)
    near, far = shown.color_at(1), shown.color_at(2)
    np.testing.assert_allclose(near, before[1], atol=12)
    assert 8 < (255 - far).mean() < 0.4 * (255 - before[2]).mean()
    halo = shown.picture()
    golden = (halo[..., 0] > 200) & (halo[..., 2] < 90)
    assert golden.sum() > 20
    shown.set(dim=1.0)
    np.testing.assert_allclose(shown.color_at(2), before[2], atol=12)


def test_own_colors_reach_the_screen(shown: Shown) -> None:
    atoms = carbons((-2, 0, 0), (2, 0, 0))
    shown.show(atoms, colors=np.array([0xFF0000, 0x0000FF], dtype=np.uint32))
    first, second = shown.color_at(0), shown.color_at(1)
    assert first[0] > 200 > 80 > first[2]
    assert second[2] > 200 > 80 > second[0]
    shown.set(representation="spacefill")
    assert shown.color_at(0)[0] > 200


def test_clicks_name_the_atom_dimmed_ones_included(shown: Shown) -> None:
    atoms = carbons((0, 0, 0), (4, 0, 0), (12, 0, 0))
    shown.show(atoms)
    assert shown.click_atom(1) == 1
    assert shown.click_atom(1) == 1  # the same atom again is news
    assert shown.clicks == [1, 1]
    shown.show(atoms, focus=0, fit=False)
    assert shown.click_atom(2) == 2
    assert shown.click_atom(0) == 0
    box = shown.page.locator(".viewer").bounding_box()
    components = shown.page.evaluate(COUNTS)["components"]
    assert shown.click(box["x"] + 6, box["y"] + 6) == -1
    assert shown.viewer.clicked == -1
    assert shown.page.evaluate(COUNTS)["components"] == components


@pytest.mark.parametrize(("key", "mode"), [("Shift", "add"), ("Control", "remove"), ("Meta", "remove")])
def test_a_click_tells_which_keys_were_held(shown: Shown, key: str, mode: str) -> None:
    shown.show(carbons((0, 0, 0), (4, 0, 0)))
    shown.page.keyboard.down(key)
    assert shown.click_atom(1) == 1
    shown.page.keyboard.up(key)
    assert shown.viewer.clicked_mode == mode
    assert shown.click_atom(0) == 0
    assert shown.viewer.clicked_mode == "replace"


def test_a_click_on_a_bond_names_its_nearer_atom(shown: Shown) -> None:
    shown.show(carbons((0, 0, 0), (1.54, 0, 0)))
    (x0, y0), (x1, y1) = shown.pixel_of(0), shown.pixel_of(1)
    assert shown.click(0.55 * x0 + 0.45 * x1, 0.55 * y0 + 0.45 * y1) == 0
    assert shown.click(0.45 * x0 + 0.55 * x1, 0.45 * y0 + 0.55 * y1) == 1


def test_a_click_on_a_ghost_names_its_atom(shown: Shown) -> None:
    shown.show(across_the_border(), focus=0, cutoff=2.0)
    assert shown.viewer.scene["parents"].tolist() == [0, 1, 2, 1]
    assert shown.click_atom(3) == 1
    tip = shown.page.locator(".viewer .tip")
    x, y = shown.pixel_of(3)
    shown.page.mouse.move(x + 60, y)
    shown.page.mouse.move(x, y)
    tip.wait_for(state="visible")
    assert tip.inner_text() == "H · atom 1 · periodic image · 0.80 Å away"
    shown.page.mouse.move(x, y + 120)
    tip.wait_for(state="hidden")


def test_a_drag_rotates_the_wheel_zooms_and_neither_is_a_click(shown: Shown) -> None:
    shown.show(molecule("C6H6"))
    start = shown.page.evaluate(CAMERA)
    x, y = shown.pixel_of(0)
    drag(shown.page, [(x, y), (x + 80, y + 30), (x + 700, y + 60)], steps=4)  # it leaves the viewer
    shown.settle()
    turned = shown.page.evaluate(CAMERA)
    assert not np.allclose(turned[0], start[0], atol=0.05)
    assert turned[1] == start[1]
    shown.page.mouse.move(x, y)  # with the button up again nothing turns
    assert shown.page.evaluate(CAMERA)[0] == turned[0]
    shown.page.mouse.wheel(0, -200)
    shown.page.wait_for_function(f"() => ({CAMERA})()[1] < {turned[1] - 0.5}")
    assert shown.clicks == []


def test_keyboard_turns_zooms_and_resets(shown: Shown) -> None:
    shown.show(molecule("C6H6"))
    start = shown.page.evaluate(CAMERA)
    root = shown.page.locator(".viewer")
    assert "Shift with the arrow keys rotates" in root.get_attribute("aria-label")
    root.focus()
    for key in ("Shift+ArrowLeft", "Shift+ArrowUp", "Shift+ArrowUp", "+"):
        shown.page.keyboard.press(key)
    rotation, distance = shown.page.evaluate(CAMERA)
    angle = 2 * np.arccos(min(1.0, abs(np.dot(rotation, start[0]))))
    assert np.degrees(angle) == pytest.approx(22.3, abs=1.0)  # 10 and 20 degrees about perpendicular axes
    assert distance < start[1]
    shown.page.keyboard.press("-")
    shown.page.keyboard.press("-")
    assert shown.page.evaluate(CAMERA)[1] > start[1]
    shown.page.keyboard.press("r")
    rotation, distance = shown.page.evaluate(CAMERA)
    np.testing.assert_allclose(rotation, start[0], atol=1e-3)
    assert distance == pytest.approx(start[1])


def test_the_camera_stays_unless_asked_to_fit(shown: Shown) -> None:
    shown.show(molecule("C6H6"))
    start = shown.page.evaluate(CAMERA)
    shown.show(carbons((0, 0, 0), (30, 0, 0)), fit=False)
    assert shown.page.evaluate(CAMERA) == start
    shown.show(carbons((0, 0, 0), (30, 0, 0)))
    assert shown.page.evaluate(CAMERA)[1] > 2 * start[1]


def test_another_atom_of_the_structure_is_brought_into_view(shown: Shown) -> None:
    atoms = carbons((0, 0, 0), (2, 0, 0), (40, 0, 0))
    shown.show(atoms, focus=0, cutoff=3.0)
    first, camera = shown.pixel_of(1), shown.page.evaluate(CAMERA)
    shown.show(atoms, focus=1, cutoff=3.0, fit=False)
    np.testing.assert_allclose(shown.pixel_of(1), first, atol=0.5)  # it was in view: nothing moved
    shown.show(atoms, focus=2, cutoff=3.0, fit=False)
    box = shown.page.locator(".viewer").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    np.testing.assert_allclose(shown.pixel_of(2), middle, atol=1)
    assert shown.page.evaluate(CAMERA) == camera


def test_many_structures_leave_nothing_behind(shown: Shown) -> None:
    silicon = bulk("Si", "diamond", 5.43, cubic=True)
    scenes = [(silicon, -1), (silicon, 2), (silicon * 2, 5), (molecule("C6H6"), 3)]

    def rounds(count: int) -> dict[str, int]:
        for _ in range(count):
            for atoms, focus in scenes:
                shown.show(atoms, focus=focus)
        return shown.page.evaluate(COUNTS)

    first = rounds(2)
    assert first["canvases"] == first["components"] == 1  # the last one has no cell
    assert rounds(13) == first


def test_of_many_at_once_the_last_one_is_drawn(shown: Shown) -> None:
    sizes = [3, 9, 2, 7, 5]

    def burst() -> None:
        for size in sizes:
            shown.viewer.show(carbons(*((1.5 * i, 0, 0) for i in range(size))))

    shown.served.run(burst)
    shown.settle()
    atoms = "() => __meaviz_debug[0].stage.compList.map((component) => component.structure.atomCount)"
    assert shown.page.evaluate(atoms) == [sizes[-1]]


def test_snapshot_is_a_picture_of_what_is_shown(shown: Shown) -> None:
    shown.set(dark=True)
    shown.show(bulk("NaCl", "rocksalt", 5.64, cubic=True), focus=0)
    for factor in (1, 3):
        shown.viewer.png = None
        shown.served.run(lambda factor=factor: shown.viewer.snapshot(factor))
        wait_until(shown.page, lambda: shown.viewer.png, what="the picture arrives")
        picture = Image.open(io.BytesIO(shown.viewer.png)).convert("RGB")
        assert picture.size == (500 * factor, 400 * factor)
        pixels = np.asarray(picture)
        np.testing.assert_allclose(pixels[2, 2], [0x14, 0x17, 0x1B], atol=1)
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500
    live = shown.picture()
    difference = np.abs(np.asarray(picture.resize((500, 400))).astype(int) - live).mean()
    assert difference < 6


def test_removed_viewers_give_their_graphics_context_back(
    serve: Callable[[Callable[[], Any]], Served], page: Any, browser_log: BrowserLog
) -> None:
    layout = pn.Column()
    page.add_init_script(DEBUG)
    served = serve(lambda: layout)
    open_page(page, served)
    for at in range(20):  # more than the 16 contexts a browser keeps
        shown = Shown(page, served, browser_log, [StructureViewer(width=300, height=200)], at=at)
        shown.viewer.show(molecule("CH4"))  # before it is there, for it to open at once
        served.run(lambda shown=shown: layout.__setitem__(slice(None), [shown.viewer]))
        page.wait_for_function("(at) => __meaviz_debug.length > at", arg=at)
        shown.settle()
    assert page.locator(".viewer canvas").count() == 1
    assert len(np.unique(shown.picture().reshape(-1, 3), axis=0)) > 100
    lost = "() => __meaviz_debug.map(({stage}) => stage.viewer.renderer.getContext().isContextLost())"
    assert page.evaluate(lost) == [True] * 19 + [False]
    assert not [line for line in browser_log.console if "context" in line.lower()]


def test_a_viewer_in_a_hidden_tab_draws_when_it_is_shown(
    serve: Callable[[Callable[[], Any]], Served], page: Any, browser_log: BrowserLog
) -> None:
    viewer = StructureViewer(width=400, height=300)
    viewer.show(molecule("C6H6"))
    page.add_init_script(DEBUG)
    open_page(page, serve(lambda: pn.Tabs(("first", "text"), ("second", viewer))))
    page.get_by_text("second").click()
    page.wait_for_function(READY, arg=[-1, 1])
    shown = Shown(page, None, browser_log, [viewer])
    assert len(np.unique(shown.picture().reshape(-1, 3), axis=0)) > 500


def test_a_lost_graphics_context_comes_back(shown: Shown) -> None:
    shown.show(molecule("C6H6"))
    before = shown.picture()
    page, notice = shown.page, shown.page.locator(".viewer .notice")
    page.evaluate(
        "() => { const gl = __meaviz_debug[0].stage.viewer.renderer.getContext();"
        " globalThis.reset = gl.getExtension('WEBGL_lose_context'); reset.loseContext(); }"
    )
    notice.wait_for(state="visible")
    assert "reset" in notice.inner_text()
    page.evaluate("() => reset.restoreContext()")
    notice.wait_for(state="hidden")
    shown.settle()
    np.testing.assert_allclose(shown.picture(), before, atol=3)
    assert shown.click_atom(2) == 2


def test_a_browser_without_webgl_gets_an_explanation(serve: Callable[[Callable[[], Any]], Served], page: Any) -> None:
    page.add_init_script(
        "HTMLCanvasElement.prototype.getContext = new Proxy(HTMLCanvasElement.prototype.getContext,"
        " {apply: (get, canvas, [kind, ...rest]) =>"
        " /webgl/.test(kind) ? null : Reflect.apply(get, canvas, [kind, ...rest])});"
    )
    viewer = StructureViewer(width=400, height=300, caption="facts")
    served = serve(lambda: viewer)
    open_page(page, served)
    served.run(lambda: viewer.show(molecule("H2O")))
    expect(page.locator(".viewer .notice")).to_contain_text("needs WebGL")
    assert page.locator(".viewer canvas").count() == 0
    assert page.locator(".viewer .caption").inner_text() == "facts"


def test_two_sessions_see_their_own_structures(
    serve: Callable[[Callable[[], Any]], Served], page: Any, chromium: Any, browser_log: BrowserLog
) -> None:
    viewers: list[StructureViewer] = []

    def app() -> StructureViewer:
        viewers.append(StructureViewer(width=500, height=400))
        return viewers[-1]

    served, other = serve(app), chromium.new_page()
    for visitor, molecule_of in ((page, "C6H6"), (other, "CH4")):
        visitor.add_init_script(DEBUG)
        open_page(visitor, served)
        Shown(visitor, served, browser_log, viewers).show(molecule(molecule_of))
    count = "() => __meaviz_debug[0].stage.compList[0].structure.atomCount"
    assert (page.evaluate(count), other.evaluate(count)) == (12, 5)
    other.close()


def png_of(shown: Shown, **options: Any) -> Image.Image:
    """The picture that a snapshot makes."""
    shown.viewer.png = None
    shown.served.run(lambda: shown.viewer.snapshot(**options))
    wait_until(shown.page, lambda: shown.viewer.png, what="the picture arrives")
    return Image.open(io.BytesIO(shown.viewer.png))


def test_arrows_cells_axes_and_representations_come_and_go(shown: Shown) -> None:
    atoms = bulk("NaCl", "rocksalt", 5.64, cubic=True)
    forces = np.zeros((8, 3))
    forces[0] = [0, 0, 1.0]
    forces[5] = [0, 0, -50.0]
    notes = shown.page.locator(".viewer .legend .note")
    shown.show(atoms, vectors=forces)
    plain, counts = shown.picture(), shown.page.evaluate(COUNTS)
    shown.set(arrows=True, arrow_scale=2.0)
    assert notes.last.inner_text() == "arrows: force, 1 Å for 0.5 eV/Å; 1 cut at 8 Å"
    assert np.abs(shown.picture() - plain).sum() > 10_000
    shown.show(atoms, vectors=forces, focus=2, cutoff=2.0)  # no neighbour that near: its own force is zero
    assert "cut" not in notes.last.inner_text()
    shown.show(atoms, fit=False)
    assert notes.last.inner_text() == "no forces"
    shown.show(atoms, vectors=forces)
    for representation in ("spacefill", "licorice", "dots"):
        shown.set(representation=representation)
        assert np.abs(shown.picture() - plain).sum() > 10_000, representation
        assert shown.click_atom(6) == 6
    shown.set(representation="ball+stick", arrows=False)
    assert notes.last.is_hidden()
    shown.page.mouse.move(900, 700)  # neither the name of an atom nor the frame of what has the focus
    shown.page.evaluate("() => document.activeElement.blur()")
    shown.page.locator(".viewer .tip").wait_for(state="hidden")
    shown.page.locator(".viewer").evaluate("(element) => element.blur()")
    np.testing.assert_allclose(shown.picture(), plain, atol=3)
    shown.set(cell=False, axes=False)
    assert shown.page.locator(".viewer .axes").is_hidden()
    assert np.abs(shown.picture() - plain).sum() > 10_000
    shown.show(atoms, repeats=(2, 2, 1))
    atoms_drawn = "() => __meaviz_debug[0].stage.compList[0].structure.atomCount"
    assert shown.page.evaluate(atoms_drawn) == 32
    shown.set(cell=True, axes=True)
    shown.show(atoms, vectors=forces)
    assert shown.page.evaluate(COUNTS) == counts


def test_measuring_by_clicks(shown: Shown) -> None:
    atoms = carbons((0, 0, 0), (3, 0, 0), (3, 3, 0), (3, 3, 3))
    shown.show(atoms)
    shown.set(measuring=True)
    for atom in (0, 1, 2):
        before = len(shown.viewer.picked)
        shown.page.mouse.click(*shown.pixel_of(atom))
        wait_until(shown.page, lambda before=before: len(shown.viewer.picked) == before + 1, what="a picked atom")
    assert shown.clicks == []  # nothing is chosen meanwhile
    texts = shown.page.locator(".viewer .measures text")
    shown.page.wait_for_function("() => __meaviz_debug[0].model.readings.length === 3")
    shown.settle()
    assert texts.all_text_contents() == ["3.000 Å", "3.000 Å", "90.0°"]
    shown.show(atoms, focus=0, cutoff=4.0)  # another look at the same structure keeps them
    assert texts.all_text_contents() == ["3.000 Å", "3.000 Å", "90.0°"]
    with_text = np.asarray(png_of(shown, factor=2).convert("RGB")).astype(int)
    shown.page.locator(".viewer").focus()
    shown.page.keyboard.press("Escape")
    wait_until(shown.page, lambda: shown.viewer.picked == [], what="nothing picked")
    without = np.asarray(png_of(shown, factor=2).convert("RGB")).astype(int)
    assert np.abs(with_text - without).sum() > 10_000
    wait_until(shown.page, lambda: texts.count() == 0, what="no readings")
    shown.page.keyboard.press("Escape")
    wait_until(shown.page, lambda: not shown.viewer.measuring, what="the end of measuring")
    assert shown.click_atom(1) == 1


def test_pictures_for_print(shown: Shown) -> None:
    shown.set(dark=True)
    shown.show(bulk("NaCl", "rocksalt", 5.64, cubic=True), focus=0)
    clear = png_of(shown, factor=2, background="transparent")
    assert clear.size == (1000, 800)
    assert clear.mode == "RGBA"
    assert clear.getpixel((3, 3))[3] == 0
    assert np.asarray(clear)[..., 3].max() == 255
    white = png_of(shown, factor=4, background="white").convert("RGB")
    assert white.size == (2000, 1600)
    assert white.getpixel((3, 3)) == (255, 255, 255)
    assert shown.picture()[3, 3].tolist() == [0x14, 0x17, 0x1B]  # the view itself is as it was
    with shown.page.expect_download() as download:
        shown.served.run(lambda: shown.viewer.snapshot(1, download="salt.png"))
    assert download.value.suggested_filename == "salt.png"
    assert Image.open(download.value.path()).size == (500, 400)
    with pytest.raises(ValueError, match="theme, white, transparent"):
        shown.viewer.snapshot(1, background="pink")


def test_steps_by_keys_and_player_wait_for_the_drawing(shown: Shown) -> None:
    """Each step is answered with a scene; what is pressed before it is drawn is dropped."""
    heard: list[int] = []
    shown.viewer.param.watch(lambda event: heard.append(event.new), "stepped", onlychanged=False)
    shown.show(carbons((0, 0, 0), (3, 0, 0)))
    root = shown.page.locator(".viewer")
    root.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight"):  # no scene answers: one step alone
        shown.page.keyboard.press(key)
    wait_until(shown.page, lambda: heard == [1], what="one step")
    shown.show(carbons((0, 0, 0)))
    shown.page.keyboard.press("ArrowLeft")
    wait_until(shown.page, lambda: heard == [1, -1], what="a step back")
    shown.page.evaluate("() => document.activeElement.blur()")
    shown.show(carbons((0, 0, 0)))
    shown.page.keyboard.press("ArrowRight")  # nothing has the focus, and the page's keys are not ours yet
    shown.set(page_keys=True)
    shown.page.keyboard.press("ArrowRight")
    wait_until(shown.page, lambda: len(heard) == 3, what="a step by a key of the page")
    assert heard == [1, -1, 1]

    sizes = iter(range(2, 200))
    shown.viewer.param.watch(
        lambda event: shown.viewer.show(carbons(*((3.0 * i, 0, 0) for i in range(next(sizes))))),
        "stepped",
        onlychanged=False,
    )
    root.focus()
    shown.set(speed=20.0)
    shown.page.keyboard.press(" ")
    wait_until(shown.page, lambda: len(heard) >= 8, what="steps of the player")
    shown.page.keyboard.press(" ")
    wait_until(shown.page, lambda: not shown.viewer.playing, what="the end of playing")
    assert set(heard[3:]) == {1}


def test_two_environments_side_by_side_and_overlaid(shown: Shown) -> None:
    first, second = carbons((0, 0, 0), (2, 0, 0)), carbons((5, 5, 5), (5, 7, 5), (5, 5, 7))
    red, blue = np.full(2, 0xFF0000, dtype=np.uint32), np.full(3, 0x0000FF, dtype=np.uint32)

    def compare(overlaid: bool) -> None:
        environments = Environment(first, 0, 3.0, red), Environment(second, 0, 3.0, blue)
        shown.served.run(lambda: shown.viewer.compare(*environments, overlaid=overlaid))
        shown.settle()

    compare(False)
    assert shown.viewer.scene["starts"] == [0, 2, 5]
    left, right = shown.pixel_of(0), shown.pixel_of(2)
    assert right[0] - left[0] > 100
    assert left[1] == pytest.approx(right[1], abs=1)
    assert shown.color_at(1)[0] > 150 > shown.color_at(1)[2]
    assert shown.color_at(3)[2] > 150 > shown.color_at(3)[0]
    assert shown.click_atom(3) == 1
    assert shown.viewer.clicked_part == 1
    assert shown.click_atom(1) == 1
    assert shown.viewer.clicked_part == 0
    shown.page.locator(".viewer").focus()
    for _ in range(9):  # a quarter turn: each turns about its own centre
        shown.page.keyboard.press("Shift+ArrowRight")
    shown.settle()
    np.testing.assert_allclose([shown.pixel_of(0), shown.pixel_of(2)], [left, right], atol=2)
    assert shown.click_atom(3) == 1
    compare(True)
    np.testing.assert_allclose(shown.pixel_of(0), shown.pixel_of(2), atol=0.1)
    shown.show(first)
    assert shown.page.evaluate(COUNTS)["components"] == 1


def test_switches_through_all_modes_leave_one_context(shown: Shown) -> None:
    rng = np.random.default_rng(0)
    silicon = bulk("Si", "diamond", 5.43, cubic=True)
    shown.served.run(lambda: setattr(shown.viewer, "arrows", True))

    def rounds(count: int) -> dict[str, int]:
        for number in range(count):
            atoms = silicon.copy()
            atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
            colors = rng.integers(0, 1 << 24, 8, dtype=np.uint32)
            shown.served.run(
                lambda number=number: setattr(
                    shown.viewer, "representation", ("ball+stick", "spacefill", "licorice", "dots")[number % 4]
                )
            )
            options = {"vectors": rng.normal(size=(8, 3)), "colors": colors}
            if number % 3 == 2:
                pair = [Environment(atoms, at, 3.0, **options) for at in (0, 4)]
                shown.served.run(lambda pair=pair, number=number: shown.viewer.compare(*pair, overlaid=number % 2 == 0))
                shown.settle()
            else:
                shown.show(atoms, focus=number % 8, whole=number % 3 == 1, repeats=(1 + number % 2, 1, 1), **options)
        return shown.page.evaluate(COUNTS)

    first = rounds(12)  # every representation with every mode
    assert rounds(12) == first
    assert first["canvases"] == 1
    assert not [line for line in shown.log.console if "context" in line.lower() or line.startswith("error")]
