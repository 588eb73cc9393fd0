"""An export proven: against its sources, against its recipe, and, if that is wanted, against the recipe done again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from meagraph.datasets import AtomicDataset
from meagraph.datasets.frames import scan_frames
from meagraph.datasets.writing import format_frame
from meagraph.errors import MEAGraphError
from meagraph.exports import verify
from meagraph.exports.differences import frame_difference
from meagraph.exports.index import read_index
from meagraph.exports.manifest import jsonable
from meagraph.exports.target import RECIPE
from meagraph.exports.verification import MANIFEST, reachable
from meagraph.files import read_json, writable_text
from meagraph.pipeline.data import with_data
from meagraph.progress import Progress, part, silent
from meagraph.recipe.finding import located
from meagraph.recipe.parts import File
from meagraph.recipe.recipe import Recipe
from meagraph.recipe.replaying import read_recipe, replay
from meagraph.temporary import temporary_folder


def prove(
    folder: str | Path, *, again: bool = False, device: str = "cpu", cache: bool = True, progress: Progress = silent
) -> list[str]:
    """What differs in the export in ``folder`` from its sources and its recipe, in words; nothing where all is well.

    As :func:`meagraph.exports.verify`, which needs all sources here; where a recipe lies beside it, the manifest must
    also say what the recipe says, and the index and frames written from other formats what reading the data again
    gives. With ``again`` the whole recipe is done again into a folder beside it, and every byte compared (of what
    steps in files led to, those of structures and index): that proves which environments are chosen.
    """
    here = Path(folder)
    here = here.parent if here.is_file() else here
    found = verify(folder, need_sources=True)
    if found or not (here / RECIPE).is_file():
        if again and not found:
            found = [f"{here / RECIPE}: expected a recipe to do again, but there is none."]
        return found
    try:
        recipe = read_recipe(here / RECIPE)
        manifest = read_json(here / MANIFEST)
        found = list(_said_otherwise(recipe, manifest, here / MANIFEST))
        found = found or list(_read_otherwise(recipe, manifest, here, cache=cache, progress=part(progress, 0.0, 0.2)))
        if again and not found:
            steps = "made_from" in manifest["settings"]  # its manifest names files that the chain in one go has not
            report = part(progress, 0.2, 1.0)
            found = list(_done_otherwise(here, steps=steps, device=device, cache=cache, progress=report))
    except MEAGraphError as error:
        found = [str(error)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        found = [f"{here}: expected a readable export, but that failed ({type(error).__name__}: {error})."]
    return found


def _said_otherwise(recipe: Recipe, manifest: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Where the manifest does not say what the recipe does."""
    sources = manifest["sources"]
    files = [File(one["path"], one["sha256"]) for one in sources if not one["known"]]
    known = [File(one["path"], one["sha256"]) for one in sources if one["known"]]
    for name, ours, theirs in (
        ("dataset.name", manifest["dataset"]["name"], recipe.name),
        ("dataset.fingerprint", manifest["dataset"]["fingerprint"], recipe.fingerprint),
        ("sources", files, list(recipe.data)),
        ("sources, known", known, list(recipe.known)),
    ):
        if ours != theirs:
            yield f"{path}, {name}: expected {theirs}, as the recipe has it, but came {ours}."
    pruning = jsonable(replace(recipe.plan, by_error=manifest["pruning"].get("by_error", "")))
    for name, expected in pruning.items():
        if manifest["pruning"].get(name) != expected:
            came = manifest["pruning"].get(name)
            yield f"{path}, pruning.{name}: expected {expected}, as the recipe has it, but came {came}."
    settings = manifest["settings"]
    for name, expected in (("pooling_rate", recipe.analysis.pooling_rate), ("seed", recipe.analysis.seed)):
        if name in settings and settings[name] != expected:
            yield f"{path}, settings.{name}: expected {expected}, as the recipe has it, but came {settings[name]}."


def _read_otherwise(
    recipe: Recipe, manifest: Mapping[str, Any], folder: Path, *, cache: bool, progress: Progress
) -> Iterator[str]:
    """Where index and frames are not what reading the data again gives."""
    there = {one["path"]: str(reachable(one, folder) or one["path"]) for one in manifest["sources"]}
    paths, known = (
        [there.get(path) or located(path, folder) for path in given] for given in (recipe.paths, recipe.known_paths)
    )
    dataset = with_data(paths, known or None, cache=cache, progress=progress, **recipe.reading)
    if dataset.fingerprint != manifest["dataset"]["fingerprint"]:
        yield (
            f"{folder / MANIFEST}, dataset.fingerprint: expected {dataset.fingerprint[:16]}..., as the data read again "
            f"has, but came {manifest['dataset']['fingerprint'][:16]}...."
        )
        return
    structures, index, *_ = (folder / Path(entry["file"]).name for entry in manifest["outputs"])
    rows = read_index(index)
    new = (~dataset.known).nonzero()[0].tolist()
    if [row.structure for row in rows] != new:
        yield f"{index}, structure: expected the {len(new):,} structures of the data, but came {len(rows):,} others."
        return
    for line, row in enumerate(rows, 2):
        at = row.structure
        expected = {
            "source": writable_text(manifest["sources"][dataset.source_index[at]]["path"]),
            "frame": int(dataset.frame_index[at]),
            "group": writable_text(str(dataset.groups[at])),
            "n_atoms": int(dataset.sizes[at]),
        }
        for name, value in expected.items():
            if getattr(row, name) != value:
                came = getattr(row, name)
                yield f"{index}, structure {at} (about line {line}), {name}: expected {value!r}, but came {came!r}."
                return
    yield from _written_otherwise(dataset, structures, [row.structure for row in rows if row.kept])


def _written_otherwise(dataset: AtomicDataset, path: Path, kept: list[int]) -> Iterator[str]:
    """Where frames that were no copies are not what the structures give when they are written again."""
    written = path.read_bytes()
    for number, (row, span) in enumerate(zip(kept, scan_frames(written, path=str(path), max_atoms=2**31), strict=True)):
        if dataset.frame_span[row][0] < 0:
            original, _ = format_frame(dataset.structures[row])
            frame = written[span.start : span.end]
            if frame != original:
                yield (
                    f"{path}, frame {number} (counting from 0), {frame_difference(frame, original)}. Expected "
                    f"structure {row} as it is read from {dataset.locate(row)}, but it differs."
                )
                return


def _done_otherwise(folder: Path, *, steps: bool, device: str, cache: bool, progress: Progress) -> Iterator[str]:
    """Where the recipe done again gives other bytes."""
    with temporary_folder(folder.absolute().parent) as place:
        done = replay(folder / RECIPE, out=place, device=device, cache=cache, progress=progress)
        assert done.files is not None
        for made in sorted((done.files.structures, done.files.index) if steps else done.files.paths):
            given = folder / made.name
            if not given.is_file():
                yield f"{given}: expected the file that the recipe gives when it is done again, but it is missing."
            elif given.read_bytes() != made.read_bytes():
                yield f"{given}, {_first_line(given, made)}"


def _first_line(given: Path, made: Path) -> str:
    ours, theirs = (path.read_bytes().split(b"\n") for path in (given, made))
    line = next((at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), None)
    line = min(len(ours), len(theirs)) if line is None else line
    came, expected = (
        repr(lines[line][:80].decode("utf-8", "replace")) if line < len(lines) else "nothing"
        for lines in (ours, theirs)
    )
    return f"line {line + 1}: expected {expected}, as the recipe gives it when it is done again, but came {came}."
