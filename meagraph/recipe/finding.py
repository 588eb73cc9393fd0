"""Where the files of a recipe are now, and whether they are what they were."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from meagraph.datasets import AtomicDataset
from meagraph.datasets.storage import stored_sha256
from meagraph.errors import MEAGraphError
from meagraph.files import stored_in
from meagraph.model.checkpoint import model_files
from meagraph.recipe.parts import File
from meagraph.recipe.recipe import Recipe


def located(path: str, folder: Path | None) -> str:
    """Where ``path`` is: as it was given, or as seen from the ``folder`` of the recipe or the one around it.

    Last it is looked for in both by its name alone.
    """
    around = () if folder is None else (folder, folder / "..")
    places = [path, *(str(place / name) for name in (path, Path(path).name) for place in around)]
    return next((place for place in places if place and (stored_in(place) is not None or glob.glob(place))), path)


def located_files(recipe: Recipe, folder: Path | None) -> Recipe:
    """The same recipe, whose files besides the data lie where they are found now, and are what they were.

    Raises MEAGraphError for one that is gone or has changed.
    """
    predictions, model = recipe.predictions, recipe.model
    if predictions is not None:
        predictions = replace(predictions, files=tuple(_unchanged(file, folder) for file in predictions.files))
    if model is not None:
        here = str(model_files(located(str(model_files(model.path)[0]), folder))[0])
        given = str(model_files(model.path)[0])
        _unchanged(replace(model, path=here), folder)
        model = model if here == given else replace(model, path=here)
    others = tuple(_unchanged(file, folder) for file in recipe.others)
    source = recipe.analysis.descriptors.source
    moved = next((new.path for new, old in zip(others, recipe.others, strict=True) if old.path == source), source)
    analysis = replace(recipe.analysis, descriptors=replace(recipe.analysis.descriptors, source=moved))
    return replace(recipe, predictions=predictions, model=model, others=others, analysis=analysis)


def _unchanged(file: File, folder: Path | None) -> File:
    here = located(file.path, folder)
    if stored_in(here) is None:
        raise MEAGraphError(f"{file.path}: expected what the recipe names, but it is not there. Bring it back.")
    if file.sha256 and (came := _other(here, file.sha256)):
        raise MEAGraphError(
            f"{here}: expected SHA-256 {file.sha256[:16]}..., as the recipe has it, but it is {came[:16]}...: the file "
            "has changed. Bring back the one that was used, or change the recipe."
        )
    return replace(file, path=here)


def _other(path: str, expected: str) -> str:
    """The SHA-256 of what is stored at ``path`` where that is not the ``expected`` one; empty where it is."""
    found = [stored_sha256(path, kind) or "none" for kind in ("", "cp2k-xyz")]  # the latter with what lies beside it
    return "" if expected in found else found[0]


def check_data(recipe: Recipe, paths: Sequence[str]) -> None:
    """Refuse, before anything is read, files at ``paths`` that are gone or are not those of the recipe."""
    for path in paths:
        if not path:
            raise MEAGraphError(
                f"The data {recipe.name!r} of the recipe came from memory, not from a file. Name files: --data FILE."
            )
        if stored_in(path) is None and not glob.glob(path):
            raise MEAGraphError(
                f"{path}: expected the data of the recipe, but it is not there. Say where it is: --data FILE."
            )
    if len(paths) == len(recipe.data) and not recipe.opened:
        for path, file in zip(paths, recipe.data, strict=True):
            if file.sha256 and (came := _other(path, file.sha256)):
                raise MEAGraphError(
                    f"{path}: expected SHA-256 {file.sha256[:16]}..., as the recipe has it, but it is {came[:16]}...: "
                    f"the file has changed. Run the recipe on it as it is now by naming it: --data {path}."
                )


def differences(recipe: Recipe, dataset: AtomicDataset) -> list[str]:
    """In words, how the data differs from that of the recipe; none where it is the same.

    Where the recipe has no hashes of files, as one written by hand, there is nothing to compare but the content.
    """
    if recipe.fingerprint == dataset.fingerprint:
        return []
    if not all(file.sha256 for file in recipe.data):
        return ["its structures or labels are others"] if recipe.fingerprint else []
    now = [(source.path, source.sha256) for source in dataset.sources if not source.known]
    if len(now) != len(recipe.data):
        return [f"there are {len(now):,} files, where the recipe has {len(recipe.data):,}"]
    return [
        f"{path or 'what came'} has SHA-256 {digest[:16] or 'none'}, {file.path} of the recipe {file.sha256[:16]}"
        for (path, digest), file in zip(now, recipe.data, strict=True)
        if digest != file.sha256
    ]


def refuse(recipe: Recipe, dataset: AtomicDataset, *, others: bool) -> None:
    """Raise MEAGraphError where the data that the recipe names has changed, unless ``others`` were asked for.

    What was known already must be what it was in any case.
    """
    found = [] if others else differences(recipe, dataset)
    if found:
        raise MEAGraphError(
            f"{dataset.name}: expected the data of the recipe, but {found[0]}. Name the files to run it on as they are "
            "now: --data FILE."
        )
    known = [source for source in dataset.sources if source.known]
    expected = [file.sha256 for file in recipe.known]
    if recipe.known and [source.sha256 for source in known] != expected:
        raise MEAGraphError(
            f"{', '.join(source.path for source in known)}: expected what was known when the recipe was made, but the "
            "files have changed. Bring them back, or change the recipe."
        )
