"""Whatever is changed in an export is found, and named by file, frame and field, even where the hashes were mended."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meagraph.exports import ExportedFiles, export_plan, verify
from meagraph.exports.differences import frame_difference
from meagraph.pipeline.planning import prune
from tests.support.finished import Finished

Tamper = Callable[[ExportedFiles], object]


@pytest.fixture(scope="module")
def exported(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> ExportedFiles:
    """Half of the niobium, with texts that stand for report and recipe, beside its source."""
    folder = tmp_path_factory.mktemp("exported")
    plan = prune(finished.analysis, keep=0.5, alpha=0.75)
    written = export_plan(
        finished.analysis.dataset, plan, folder / "out", settings={}, report="A page.", recipe="recipe: 1\n"
    )
    shutil.copy(finished.path, folder / "niobium.extxyz")
    manifest = json.loads(written.manifest.read_text())
    manifest["sources"][0]["path_from_manifest"] = "../niobium.extxyz"
    written.manifest.write_text(json.dumps(manifest))
    assert verify(written.manifest, need_sources=True) == verify(written.manifest.parent) == []
    return written


@pytest.fixture
def files(exported: ExportedFiles, tmp_path: Path) -> ExportedFiles:
    """The same, to be changed."""
    shutil.copytree(exported.manifest.parent.parent, tmp_path, dirs_exist_ok=True)
    there = {name: path for name, path in vars(exported).items() if isinstance(path, Path)}
    return ExportedFiles(**{name: tmp_path / "out" / path.name for name, path in there.items()})


def mend(files: ExportedFiles) -> None:
    """Write the hashes of what lies there now into the manifest, as whoever hides a change would."""
    manifest = json.loads(files.manifest.read_text())
    for entry in manifest["outputs"]:
        content = (files.manifest.parent / entry["file"]).read_bytes()
        entry.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    files.manifest.write_text(json.dumps(manifest))


def in_manifest(*way: Any, value: Any) -> Tamper:
    def tamper(files: ExportedFiles) -> None:
        manifest = json.loads(files.manifest.read_text())
        place = manifest
        for key in way[:-1]:
            place = place[key]
        assert place[way[-1]] != value
        place[way[-1]] = value
        files.manifest.write_text(json.dumps(manifest))

    return tamper


def in_index(change: Callable[[list[dict[str, str]]], object]) -> Tamper:
    def tamper(files: ExportedFiles) -> None:
        with open(files.index, newline="") as stream:
            rows = list(csv.DictReader(stream))
        change(rows)
        with open(files.index, "w", newline="") as stream:
            table = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)

    return tamper


def kept(rows: list[dict[str, str]], number: int = 0) -> dict[str, str]:
    return [row for row in rows if row["kept"] == "1" and int(row["n_kept"]) > 1][number]


def drop_a_choice(rows: list[dict[str, str]]) -> None:
    row = kept(rows)
    atoms = row["kept_atoms"].split()[1:]
    row.update(n_kept=str(len(atoms)), kept_atoms=" ".join(atoms))


def in_frames(change: Callable[[list[str]], object]) -> Tamper:
    """Change the lines of the kept structures."""

    def tamper(files: ExportedFiles) -> None:
        lines = files.structures.read_text().split("\n")
        change(lines)
        files.structures.write_text("\n".join(lines))

    return tamper


def other_digit(line: int, column: int) -> Callable[[list[str]], object]:
    def change(lines: list[str]) -> None:
        cell = lines[line].split()[column]
        lines[line] = lines[line].replace(cell, cell[:-1] + ("1" if cell[-1] != "1" else "2"))

    return change


def other_element(lines: list[str]) -> None:
    lines[2] = lines[2].replace("Nb", "Ta")


def without_a_row(rows: list[dict[str, str]]) -> None:
    rows.remove(next(row for row in rows if row["kept"] == "0"))


def without_first_frame(lines: list[str]) -> None:
    del lines[: 2 + int(lines[0])]


def swap_first_frames(lines: list[str]) -> None:
    first = 2 + int(lines[0])
    second = first + 2 + int(lines[first])
    lines[:second] = lines[first:second] + lines[:first]


def in_source(files: ExportedFiles) -> None:
    path = files.manifest.parent.parent / "niobium.extxyz"
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))


TAMPERED: dict[str, tuple[Tamper, str]] = {
    "a position": (
        in_frames(other_digit(3, 2)),
        r"kept\.extxyz, frame 0 .*, atom 1, pos\[1\]: expected '.*', but came",
    ),
    "a force": (in_frames(other_digit(5, 6)), r"frame 0 .*, atom 3, forces\[2\]: expected"),
    "an element": (
        in_frames(lambda lines: lines.__setitem__(2, lines[2].replace("Nb", "Ta"))),
        r"atom 0, species: .*'Ta'",
    ),
    "an energy": (
        in_frames(lambda lines: lines.__setitem__(1, re.sub(r" energy=\S+", " energy=-1.5", lines[1]))),
        r"frame 0 .*, the entry energy: expected '.*', but came '-1\.5'",
    ),
    "a space": (in_frames(lambda lines: lines.__setitem__(2, lines[2] + " ")), r"frame 0 .*, spaces or line breaks"),
    "a frame left out": (in_frames(without_first_frame), r"kept\.extxyz: expected \d+ frames as the index says"),
    "frames that changed places": (in_frames(swap_first_frames), r"kept\.extxyz, frame 0 .*: expected"),
    "no frames at all": (lambda files: files.structures.write_text("nothing"), r"kept\.extxyz"),
    "a mask of a structure": (in_index(lambda rows: kept(rows).update(kept="0")), r"expected \d+ frames as the index"),
    "a mask of an environment": (in_index(drop_a_choice), r"manifest\.json, counts\.all\.after\.environments_selected"),
    "an atom that there is not": (
        in_index(lambda rows: kept(rows).update(n_kept="1", kept_atoms="999")),
        r"index\.csv, line \d+, kept_atoms: expected atoms from 0 to \d+",
    ),
    "a number of choices": (in_index(lambda rows: kept(rows).update(n_kept="1")), r"line \d+, n_kept: expected \d+"),
    "no number": (in_index(lambda rows: rows[1].update(frame="two")), r"index\.csv, line 3, frame: expected a number"),
    "a structure twice": (in_index(lambda rows: rows[1].update(structure="0")), r"line 3, structure: .* above 0, but"),
    "a kept that is neither": (in_index(lambda rows: rows[0].update(kept="2")), r"line 2, kept: expected 0 or 1"),
    "another frame": (in_index(lambda rows: rows[-1].update(frame="0")), r"structure 11 of the index to be frame 0 of"),
    "a frame that there is not": (in_index(lambda rows: rows[0].update(frame="99")), r"but there is no such frame"),
    "atoms of a structure": (in_index(lambda rows: rows[0].update(n_atoms="17")), r"17.* but (came|there is) 16"),
    "a group": (
        in_index(lambda rows: rows[0].update(group="hcp")),
        r"counts\.groups\.bcc\.before\.structures",
    ),
    "a source": (in_index(lambda rows: rows[0].update(source="b.xyz")), r"expected the source 'b\.xyz' of the index"),
    "a row less": (
        in_index(lambda rows: rows.remove(next(r for r in rows if r["kept"] == "0"))),
        r"counts\.all\.before",
    ),
    "the head of the index": (
        lambda files: files.index.write_text(files.index.read_text().replace("n_atoms", "atoms")),
        r"index\.csv, line 1: expected the columns",
    ),
    "a count": (
        in_manifest("counts", "all", "before", "structures", value=13),
        r"counts\.all\.before\.structures: .* 12",
    ),
    "a count of a group": (
        in_manifest("counts", "groups", "bcc", "after", "environments", value=1),
        r"counts\.groups\.bcc\.after\.environments: expected \d+, as the index has it, but came 1\.",
    ),
    "frames of a source": (in_manifest("sources", 0, "frames", value=11), r"manifest has 11, the index 12"),
    "kept frames of a source": (in_manifest("sources", 0, "frames_kept", value=1), r"sources\[0\]\.frames_kept"),
    "the hash of a source": (in_manifest("sources", 0, "sha256", value="0" * 64), r"niobium\.extxyz: .* has changed"),
    "the source itself": (in_source, r"niobium\.extxyz: expected SHA-256 .* the source has changed"),
    "the source gone": (
        lambda files: [
            in_manifest("sources", 0, "path", value="gone.xyz")(files),
            (files.manifest.parent.parent / "niobium.extxyz").unlink(),
        ],
        r"gone\.xyz: expected the source, but it is not there",
    ),
    "the kind of the manifest": (in_manifest("kind", value="other"), r"this is another file"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_changes_with_mended_hashes_are_named(files: ExportedFiles, what: str) -> None:
    tamper, says = TAMPERED[what]
    tamper(files)
    mend(files)
    found = verify(files.manifest.parent, need_sources=True)
    assert found
    assert re.search(says, found[0]), found


@pytest.mark.parametrize("name", ["structures", "index", "report", "recipe"])
def test_a_file_that_was_changed_or_is_gone_is_named(files: ExportedFiles, name: str) -> None:
    path: Path = getattr(files, name)
    content = path.read_bytes()
    for change in (content + b"\n", content[:-2] + b"#" + content[-1:]):
        path.write_bytes(change)
        assert any("changed since the export" in text and str(path) in text for text in verify(files.manifest))
    path.unlink()
    assert verify(files.manifest) == [f"{path}: expected the file that the manifest names, but it is missing."]


def test_a_frame_with_a_changed_hash_is_named_first(files: ExportedFiles) -> None:
    in_frames(other_digit(3, 2))(files)
    first, *others = verify(files.manifest)
    assert "frame 0 (counting from 0), atom 1, pos[1]" in first
    assert ["changed since the export" in text for text in others] == [True]


@pytest.mark.parametrize(
    ("ours", "theirs", "field"),
    [
        ("2\na=1\nH 0 0 0\nH 0 0 1\n", "1\na=1\nH 0 0 0\n", "the number of atoms: expected '1', but came '2'"),
        ("1\na=1 b=2\nH 0 0 0\n", "1\na=1\nH 0 0 0\n", "the entry b: expected 'nothing', but came '2'"),
        ("1\na={\nH 0 0 0\n", "1\na=1\nH 0 0 0\n", "the second line"),
        ("1\n\nH 0 0 0\n", "1\n\nH 0 0 0 7\n", "atom 0, column 4: expected '7', but came 'nothing'"),
        ("1\n\nH 0 0 0\n", "1\n\nH 0 0.0 0\n", "atom 0, pos[1]: expected '0.0', but came '0'"),
        ("1\n\nH 0 0 0\r\n", "1\n\nH 0 0 0\n", "spaces or line breaks"),
        ("1", "1\n\nH 0 0 0\n", "atom 0, species"),
    ],
)
def test_a_difference_in_words(ours: str, theirs: str, field: str) -> None:
    assert frame_difference(ours.encode(), theirs.encode()).startswith(field)
