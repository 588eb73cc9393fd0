"""The tab Data in a browser: findings before there is a map, by mouse and by keys; with a map they select."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from meagraph.datasets import read_dataset
from meaviz.app import build
from meaviz.session import Session
from meaviz.views import TABS
from tests.support.browser import Served, data_to_page, drag, open_page, wait_figure, wait_until
from tests.support.structures import labelled, niobium_structures
from tests.support.whole_page import App

NASTY = "<img src=q onerror=window.__hit=1>"


@pytest.mark.browser
def test_findings_before_there_is_a_map(
    serve: Callable[..., Served], page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    structures = niobium_structures()
    for atoms in structures[:-1]:
        atoms.info["config_type"] = NASTY
    structures[3].calc.results["forces"] = structures[3].calc.results["forces"] + [0, 0, 0.1]
    structures[2].positions[5] = structures[2].positions[4] + [1.2, 0, 0]
    structures[2] = labelled(structures[2], NASTY)
    ase.io.write(tmp_path / "odd.extxyz", structures, format="extxyz")
    session = Session()
    session.set_dataset(read_dataset([tmp_path / "odd.extxyz"]))

    def app() -> Any:
        return build(session=session)

    server = serve(app)
    open_page(page, server)
    offsets = session.data.dataset.offsets
    findings = page.get_by_role("listbox", name="Findings", exact=True)
    rows = findings.get_by_role("option")
    expect(rows).to_have_count(3)
    expect(page.get_by_text("no error, 3 warnings, no note")).to_be_visible()

    # by mouse: the atoms that are too close are shown around one of them
    rows.filter(has_text="very close").click()
    wait_until(page, lambda: session.selection.inspected in (2 * 16 + 4, 2 * 16 + 5), what="the close atoms in 3D")
    listed = page.get_by_role("listbox", name="Structures of the finding")
    expect(listed.get_by_role("option")).to_have_count(1)
    expect(listed.get_by_role("option")).to_contain_text(NASTY)
    wait_until(page, lambda: page.locator("canvas").count() > 0, what="a picture in 3D")
    expect(page.get_by_role("button", name="Environment", exact=True)).to_have_attribute("aria-pressed", "true")

    # by keys: the whole structure of a net force
    keys = [one.key for one in session.data.findings.found]
    findings.focus()
    page.keyboard.press("Home")
    for _ in range(keys.index("net-force")):
        page.keyboard.press("ArrowDown")
    wait_until(page, lambda: session.selection.inspected == offsets[3], what="the structure with a net force")
    expect(findings.get_by_role("option", selected=True)).to_contain_text("do not add up to zero")
    expect(page.get_by_role("button", name="Structure", exact=True)).to_have_attribute("aria-pressed", "true")

    # pairs, and a drag along a histogram
    page.get_by_role("button", name="Pairs", exact=True).click()
    expect(page.get_by_role("rowheader", name="Nb–Nb")).to_be_visible()
    page.locator(".tab-0").get_by_role("button", name="Histograms", exact=True).click()
    wait_figure(page, "histogram-data-energy")
    (energies,) = [one for one in session.data.findings.distributions if one.key == "energy"]
    low, high = energies.histogram.edges[[0, -1]].tolist()
    (start, end) = data_to_page(page, "histogram-data-energy", [(low, 0.5), (high, 0.5)])
    drag(page, [start, end])
    page.get_by_role("button", name="Structures", exact=True).last.click()
    expect(listed.get_by_role("option")).to_have_count(12)
    assert session.selection.mask is None
    assert page.evaluate("window.__hit") is None


@pytest.mark.browser
def test_with_a_map_a_finding_selects(app: App) -> None:
    page, session = app.page, app.session
    app.tab([title for title, _ in TABS].index("Data"))
    data = session.data.dataset
    page.get_by_role("listbox", name="Findings", exact=True).get_by_role("option").filter(
        has_text="do not add up to zero"
    ).click()
    net = np.linalg.norm(np.add.reduceat(data.forces, data.offsets[:-1], axis=0), axis=1)
    wanted = (net > 1e-3 * data.sizes)[data.structure_of]
    wait_until(page, lambda: np.array_equal(session.selection.mask, wanted), what="all of its environments")
    first = int(net.argmax())
    wait_until(page, lambda: data.structure_of[session.selection.inspected] == first, what="the worst one in 3D")
    order = np.argsort(-net, kind="stable")
    page.get_by_role("button", name="Next structure").click()
    wait_until(page, lambda: data.structure_of[session.selection.inspected] == order[1], what="the next one")
