"""Opening in a real browser: a path that completes itself, a folder, dropped files, what was opened before, labels."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import pytest
from ase import Atoms
from playwright.sync_api import Page, expect

from meagraph.datasets import read_dataset
from meaviz.app import build
from meaviz.session import Session
from meaviz.session.places import Places
from meaviz.session.recent import read_recent
from tests.support.browser import wait_idle, wait_until
from tests.support.finished import CONFIG, Finished

NAME = "nb <b>one.extxyz"  # a name that is no markup
DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  for (const type of ["dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


@pytest.fixture
def folder(tmp_path: Path, known: Finished, structures: tuple[Atoms, ...]) -> Path:
    """A root with a file, one without usual labels, a folder with another and one with two, beside a file outside.

    The two hold what the file holds.
    """
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "two").mkdir()
    frames = (known.path.read_bytes(), read_dataset(known.path).frame_span)
    for name, (first, last) in (("a", (0, 4)), ("b", (5, len(frames[1]) - 1))):
        (root / "two" / f"{name}.extxyz").write_bytes(frames[0][frames[1][first, 0] : frames[1][last, 1]])
    shutil.copy(known.path, root / NAME)
    shutil.copy(known.path, tmp_path / "outside.extxyz")
    shutil.copy(known.path, root / "sub" / "deep.extxyz")
    odd = []
    for atoms in structures[:3]:
        copy = atoms.copy()
        copy.info["E_pbe"], copy.arrays["F_pbe"] = atoms.get_potential_energy(), atoms.get_forces()
        odd.append(copy)
    ase.io.write(root / "odd.extxyz", odd, format="extxyz")
    return root


@pytest.mark.browser
def test_files_are_opened_in_every_way(
    serve: Callable[..., Any],
    page: Page,
    folder: Path,
    known: Finished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    session = Session(places=Places.at(folder))
    session.data.next_config = CONFIG
    served = serve(lambda: build([known.path], session=session))
    page.goto(served.url)
    wait_idle(page)

    def opened(*names: str) -> None:
        name = names[0]

        def there() -> bool:
            data, survey = session.data.dataset, session.data.survey
            found = () if data is None else tuple(Path(source.path).name for source in data.sources)
            return survey is not None and found == names

        wait_until(page, there, what=name)
        wait_idle(page)

    opened(known.path.name)

    # by a path: an arrow and Enter take a completion, Enter without one opens
    field = page.get_by_label("Files (several")
    field.click()
    field.type("nb")
    expect(page.locator("#offers li")).to_have_text([NAME])
    field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_value(NAME)
    field.press("Enter")
    opened(NAME)
    expect(page.get_by_text("nb <b>one", exact=True).first).to_be_visible()

    # a folder by its path, as the command line reads it
    field.fill("two")
    field.press("Enter")
    opened("a.extxyz", "b.extxyz")

    # Tab goes into a folder; what lies outside is neither offered nor opened
    field.fill("")
    field.type("s")
    expect(page.locator("#offers li")).to_have_text(["sub/"])
    field.press("Tab")
    expect(page.locator("#offers li")).to_have_text(["deep.extxyz"])
    expect(field).to_have_value("sub/")
    field.fill("../outside.extxyz")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="it lies outside")).to_be_visible()

    # by the keyboard through the folders
    page.get_by_role("button", name="Browse", exact=True).click()
    listed = page.get_by_role("listbox", name="Files of the folder")
    expect(listed.get_by_role("option").first).to_contain_text("sub")
    listed.focus()
    listed.press("Enter")
    expect(listed.get_by_role("option").first).to_contain_text("deep.extxyz")
    listed.press("Backspace")
    expect(listed.get_by_role("option").first).to_contain_text("sub")
    expect(page.get_by_role("button", name="Up", exact=True)).to_be_disabled()
    listed.press("Enter")
    expect(listed.get_by_role("option").first).to_contain_text("deep.extxyz")
    listed.press("Space")
    expect(listed.get_by_role("option", selected=True)).to_have_count(1)
    listed.press("Enter")
    opened("deep.extxyz")

    # a folder chosen while its files are listed
    page.get_by_role("button", name="Browse", exact=True).click()
    listed.focus()
    listed.press("Backspace")
    expect(listed.get_by_role("option").nth(1)).to_contain_text("two")
    listed.press("ArrowDown")
    listed.press("Enter")
    expect(listed.get_by_role("option").first).to_contain_text("a.extxyz")
    page.get_by_role("button", name="Open this folder").click()
    opened("a.extxyz", "b.extxyz")

    # a folder of the user's own machine
    page.locator("input[type=file]").nth(1).set_input_files(folder / "two")
    expect(page.get_by_role("status").filter(has_text="two: all there")).to_be_visible()
    wait_until(
        page, lambda: session.uploads.holds(session.data.dataset.sources[0].path), what="the folder that was brought"
    )
    opened("a.extxyz", "b.extxyz")

    # dropped: it comes whole, into a folder that goes with the session, and is not listed as opened before
    content = known.path.read_bytes()
    page.evaluate(DROP, ["dropped.extxyz", base64.b64encode(content).decode()])
    opened("dropped.extxyz")
    dropped = Path(session.data.dataset.sources[0].path)
    assert dropped.read_bytes() == content
    assert not dropped.is_relative_to(folder)
    before = [Path(one.paths[0]).name for one in read_recent()]
    assert before == ["two", "deep.extxyz", NAME, known.path.name]

    # larger than the limit: refused, and nothing changes
    served.run(lambda: session.uploads.__setattr__("limit", len(content)))
    page.evaluate(DROP, ["second.extxyz", base64.b64encode(content).decode()])
    expect(page.get_by_role("status").filter(has_text="second.extxyz")).to_contain_text("may be brought")

    # opened before; what is gone is grey
    (folder / "sub" / "deep.extxyz").unlink()
    page.get_by_role("button", name="Opened before").click()
    expect(page.get_by_role("button", name="deep.extxyz")).to_be_disabled()
    page.get_by_role("button", name=NAME).click()
    opened(NAME)

    # labels: refused, the names are listed all the same, and reading goes on with those that are chosen
    field.fill("odd.extxyz")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="expected energy")).to_be_visible()
    page.get_by_role("button", name="Labels", exact=True).click()
    expect(page.get_by_role("cell", name="vector per atom")).to_be_visible()
    for choice, name in (("Read as energy", "E_pbe"), ("Read as forces", "F_pbe")):
        page.get_by_role("combobox", name=choice).click()
        page.get_by_role("option", name=name).or_(page.get_by_role("menuitem", name=name)).first.click()
    page.get_by_role("button", name="Read again").click()
    wait_until(page, lambda: len(getattr(session.data.dataset, "structures", ())) == 3, what="the other names' dataset")
    assert session.data.asked.reading["energy_key"] == "E_pbe"
    assert not served.errors
    session.uploads.close()
    assert not dropped.exists()
