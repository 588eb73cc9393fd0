"""Where an export goes: the names of its files, and what of a user's files they may replace."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Facts, Shown
from meagraph.errors import MEAGraphError
from meagraph.exports.manifest import MANIFEST_KIND
from meagraph.files import is_one_of, read_json, sha256_file
from meagraph.temporary import tidy

REPORT = "-report.html"
LONGEST = 180  # bytes that a name of a file begins with; systems take 255 in all

RECIPE = "recipe.yaml"


class ExportError(MEAGraphError):
    """The export was refused; nothing was written."""


@dataclass(frozen=True, eq=False, repr=False)
class ExportedFiles(Shown):
    """Where an export lies."""

    structures: Path  # kept structures, extended XYZ
    index: Path  # CSV, one row a structure, dropped ones included
    manifest: Path  # JSON
    report: Path | None = None  # self-contained HTML
    recipe: Path | None = None  # YAML: how all of it is done again
    formats: dict[str, Path] = field(default_factory=dict)  # folders of other formats, by their names
    notes: tuple[str, ...] = ()  # what these could not hold, a sentence each, the formats first

    @property
    def paths(self) -> list[Path]:
        """All files that were written, and the folders of other formats."""
        every = (self.structures, self.index, self.manifest, self.report, self.recipe)
        return [*(path for path in every if path is not None), *self.formats.values()]

    def _facts(self) -> Facts:
        named = (("structures", self.structures), ("index", self.index), ("manifest", self.manifest))
        more = [(name, str(path)) for name, path in (("report", self.report), ("recipe", self.recipe)) if path]
        formats = [(name, str(path)) for name, path in self.formats.items()]
        notes = [("not held", note) for note in self.notes]
        return [*((name, str(path)) for name, path in named), *more, *formats, *notes]

    def _line(self) -> str:
        return f"{len(self.paths)} in {self.manifest.parent}"


def check_target(
    dataset: AtomicDataset,
    directory: str | Path,
    *,
    overwrite: bool = False,
    report: bool = True,
    recipe: bool = False,
) -> ExportedFiles:
    """Where an export of ``dataset`` into ``directory`` will lie, checked before anything is computed.

    A source of the dataset is never replaced. Nor is another file that is there, unless ``overwrite`` is given and it
    is as an export left it, by the manifest beside it; or unless a whole export of these data lies there, which what
    is written then must equal (:func:`check_same`), so that a run that was cut short after it can be run again.
    Raises ExportError.
    """
    folder = Path(directory)
    stem = stem_of(dataset)
    files = ExportedFiles(
        structures=folder / f"{stem}-kept.extxyz",
        index=folder / f"{stem}-kept-index.csv",
        manifest=folder / "manifest.json",
        report=folder / f"{stem}{REPORT}" if report else None,
        recipe=folder / RECIPE if recipe else None,
    )
    check_files(dataset, files.paths, files.manifest, MANIFEST_KIND, overwrite=overwrite)
    return files


def stem_of(dataset: AtomicDataset) -> str:
    """What names of files begin with: at most LONGEST bytes of the dataset's name, without what a path could hold."""
    stem = re.sub(r"[^\w.+-]+", "_", dataset.name)
    return stem.encode("utf-8")[:LONGEST].decode("utf-8", "ignore")


def check_files(
    dataset: AtomicDataset, targets: Sequence[Path], manifest: Path, kind: str, *, overwrite: bool = False
) -> None:
    """Whether ``targets``, of which ``manifest`` is one, may be written; see :func:`check_target`.

    ``kind`` is what the manifest of an earlier export of these files says of itself. Raises ExportError.
    """
    sources = [source.path for source in dataset.sources if source.path]
    for target in targets:
        if is_one_of(target, sources):
            raise ExportError(
                f"{target}: expected a new file, but this is a source of the dataset. Choose another folder."
            )
    tidy(manifest.parent)
    existing = [target for target in targets if os.path.lexists(target)]
    if existing and not overwrite and standing(dataset, targets, manifest, kind) is None:
        raise _occupied(existing)
    known = _outputs(manifest, kind)
    for target in sorted(existing, key=lambda target: target != manifest):  # it says what the others are
        if problem := _foreign(target, manifest, known):
            raise ExportError(
                f"{target}: expected a file of an earlier export, but {problem}, so it is not replaced. Move it away, "
                "or choose another folder."
            )
    _check_folder(manifest.parent)


def standing(dataset: AtomicDataset, targets: Sequence[Path], manifest: Path, kind: str) -> dict[str, Any] | None:
    """The manifest of an export of ``dataset`` that lies whole and unchanged at ``targets``; None where none does."""
    known = _outputs(manifest, kind)
    if known is None or any(not target.exists() or _foreign(target, manifest, known) for target in targets):
        return None
    content: dict[str, Any] = read_json(manifest)
    origin = content.get("dataset")
    return content if isinstance(origin, dict) and origin.get("fingerprint") == dataset.fingerprint else None


class StandsAlreadyError(Exception):
    """What is to be written stands there already; it is left where it is."""


def check_same(
    earlier: Mapping[str, Any] | None, content: Mapping[str, Any], targets: Sequence[Path], *, overwrite: bool
) -> None:
    """Whether an export whose manifest will be ``content`` is one that stands there already, as :func:`standing` says.

    Raises StandsAlreadyError where it is, and ExportError where it is another, unless ``overwrite`` is given. The time
    does not count, nor whether the model was trained or recalled, nor the report, which tells that.
    """
    if earlier is None or overwrite:
        return
    new, old = (_lasting(one) for one in (content, earlier))
    if new != old:
        raise _occupied([target for target in targets if os.path.lexists(target)])
    raise StandsAlreadyError


def _lasting(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What of a manifest is the same whenever an export is made."""
    found: dict[str, Any] = {**json.loads(json.dumps(manifest)), "created": None}
    found["outputs"] = [
        (one["file"], None if one["file"].endswith(REPORT) else one["sha256"]) for one in found["outputs"]
    ]
    model = (found.get("settings") or {}).get("model")
    if isinstance(model, dict):
        model.pop("source", None)  # trained, or the same recalled: its key says which it is
    return found


def _occupied(existing: Sequence[Path]) -> ExportError:
    return ExportError(
        f"{', '.join(map(str, existing))}: expected no file there, but there is one. Choose another folder, or "
        "let it be replaced (--overwrite, or the tick box in the app)."
    )


def _outputs(manifest: Path, kind: str) -> dict[str, str] | None:
    """SHA-256 of the files that an export's manifest of this ``kind`` names; None where it is no such manifest."""
    try:
        content = read_json(manifest)
        if content["kind"] != kind:
            return None
        return {str(output["file"]): str(output["sha256"]) for output in content["outputs"]}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _foreign(target: Path, manifest: Path, known: dict[str, str] | None) -> str:
    """Why ``target`` is not what an export wrote there; empty where it is."""
    if not target.is_file():
        return "this is no file"
    if target == manifest:
        return "this is another file" if known is None else ""
    if known is None or target.name not in known:
        return "no manifest of an export beside it names it"
    return "" if sha256_file(target) == known[target.name] else "it was changed since"


def _check_folder(folder: Path) -> None:
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "is no folder" if not there.is_dir() else "may not be written to"
        raise ExportError(
            f"{folder}: expected a folder that can be written to, but {there} {what}. Choose another folder."
        )
