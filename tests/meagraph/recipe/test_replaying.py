"""A recipe done again: the same bytes on the same data, and no silence where the data is another."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

import meagraph as mg
from meagraph.errors import MEAGraphError
from meagraph.exports import check_target
from meagraph.pipeline.learning import store_model
from meagraph.pipeline.run import run
from meagraph.pruning.settings import PruningConfig
from meagraph.recipe import BY_JUDGEMENTS, BY_PLAN, File, Judged, Predicted, Recipe, Report, replay
from meagraph.recipe.judged import judged_mask
from meagraph.recipe.making import recipe_from
from meagraph.recipe.proof import prove
from tests.support.finished import CONFIG, Finished


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def path(known: Finished, tmp_path: Path) -> Path:
    """The niobium, in a file that may be changed."""
    return Path(shutil.copy(known.path, tmp_path / "niobium.extxyz"))


@pytest.fixture
def recipe(path: Path) -> Recipe:
    """Its recipe, with a judgement, a share of a cluster and parts."""
    data = mg.read(path)
    return Recipe(
        data=(File(""),),
        analysis=CONFIG,
        judgements=(Judged("outlier", 2, data.structure_keys[2], (0, 5)),),
        plan=PruningConfig(keep=0.4, alpha=0.5, fractions={0: 0.9}, seed=CONFIG.seed),
        report=Report(measures=True),
        parts={"flagged": BY_JUDGEMENTS, "dropped": BY_PLAN, "few": "0-3 100"},
    ).of(data, [str(path)])


def test_the_same_data_gives_the_same_bytes_wherever_the_recipe_lies(recipe: Recipe, tmp_path: Path) -> None:
    first = replay(recipe, out=tmp_path / "a")
    assert first.files is not None
    assert first.parts is not None
    assert not first.plan.structures[2]
    assert Recipe.from_yaml(first.files.recipe.read_text()) == recipe == first.recipe
    second = replay(first.files.recipe, out=tmp_path / "b")
    assert second.notes == ()
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) == 10
    assert prove(tmp_path / "a", again=True) == []
    home = tmp_path / "home"
    home.mkdir()
    for name in ("a", "niobium.extxyz"):
        (tmp_path / name).rename(home / name)
    assert prove(home / "a") == [], "moved together"
    third = replay(home / "a" / "recipe.yaml")
    assert third.recipe.data[0].path == str(home / "a" / ".." / "niobium.extxyz")
    assert third.files is None, "nothing is written where no folder is named"


def test_data_that_moved_is_found_beside_the_recipe(recipe: Recipe, path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    path.rename(folder / path.name)
    done = replay(folder / "recipe.yaml", out=folder / "out")
    assert done.notes == ()
    assert done.recipe.data[0].path == str(folder / path.name)
    with pytest.raises(MEAGraphError, match=r"niobium\.extxyz: expected the data .* not there.* --data FILE"):
        replay(recipe)


def test_changed_data_is_refused_unless_it_is_named(recipe: Recipe, path: Path, tmp_path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    with pytest.raises(MEAGraphError, match=r"niobium\.extxyz: expected SHA-256 .* changed.* --data"):
        replay(recipe, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_files_read_otherwise_are_said_to_be(recipe: Recipe) -> None:
    """As where somebody changed an option of reading; a recipe by hand has no hashes to compare."""
    (note,) = replay(replace(recipe, fingerprint="0" * 64)).notes
    assert note == "The files are the same, but their structures or labels are read otherwise than they were."
    by_hand = f"recipe: 1\ndata: [{{path: {recipe.paths[0]}}}]\n"
    written = Recipe.from_yaml(by_hand + recipe.to_yaml()[recipe.to_yaml().index("analysis:") :])
    assert replay(written).notes == ()
    assert replay(written).recipe.data == recipe.data


def test_other_data_says_what_is_left_out(
    recipe: Recipe, structures: Sequence[Atoms], write_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """The judged structure is found by its content; clusters and rows are those of the old data alone."""
    other = write_dataset([structures[2], *structures[4:]], "other.extxyz")
    gone = Judged("outlier", 9, "0" * 32, (1,))
    recipe = replace(recipe, judgements=(*recipe.judgements, gone))
    done = replay(recipe, other, out=tmp_path / "out")
    said = "\n".join(done.notes)
    for words in (
        "not that of the recipe: ",
        "1 of 2 judgements",
        "single clusters (0) are left out",
        "left out.* few",
    ):
        assert words.split(".*")[0] in said
    assert len(done.notes) == 4
    assert not done.plan.structures[0], "flagged in the old data, and first in this"
    again = Recipe.from_yaml(done.files.recipe.read_text())
    assert (again.plan.fractions, set(again.parts)) == ((), {"flagged", "dropped"})
    assert again.data[0].path == str(other)
    assert again.judgements == recipe.judgements[:1]
    assert prove(tmp_path / "out", again=True) == []


def test_judgements_that_fit_nothing_are_refused_on_the_same_data(recipe: Recipe) -> None:
    gone = Judged("outlier", 9, "0" * 32, (1,))
    with pytest.raises(MEAGraphError, match="expected the structure 9, which was judged"):
        replay(replace(recipe, judgements=(gone,)))
    beyond = replace(recipe.judgements[0], atoms=(99,))
    with pytest.raises(MEAGraphError, match=r"frame 2 .*: expected the atom 99 that was judged, but there are 16"):
        replay(replace(recipe, judgements=(beyond,)))


def test_structures_of_equal_content_are_judged_as_one(make_structures: Callable[..., list[Atoms]]) -> None:
    frames = make_structures(2, 1)
    data = mg.from_atoms([frames[0], frames[1], frames[0]])
    mask = judged_mask(data, (Judged("outlier", 0, data.structure_keys[0], (3,)),), "outlier")
    assert np.flatnonzero(mask).tolist() == [3, data.offsets[2] + 3]
    assert not judged_mask(data, (Judged("outlier", 0, data.structure_keys[0], (3,)),), "ordinary").any()


def test_a_run_and_its_replay_are_equal(path: Path, tmp_path: Path) -> None:
    """Duplicates, shares by the error of predictions in the files, a protected group."""
    frames = ase.io.read(path, ":")
    for number, atoms in enumerate(frames):
        atoms.arrays["ACE_forces"] = atoms.get_forces() * (1.0 + 0.1 * number)
        atoms.info["ACE_energy"] = atoms.get_potential_energy()
    ase.io.write(path, [*frames, frames[3]], format="extxyz")
    pruning = PruningConfig(keep=0.5, alpha=0.75, protected=("fcc",), seed=CONFIG.seed)
    made = run(
        path,
        tmp_path / "a",
        config=CONFIG,
        pruning=pruning,
        predictions={"family": "ACE_"},
        drop_duplicates="exact",
        recipe=lambda found: recipe_from(
            found,
            [str(path)],
            reading={},
            drop_duplicates="exact",
            predictions=Predicted(family="ACE_"),
            plan=pruning,
        ).to_yaml(),
    )
    assert np.flatnonzero(made.dropped.structures).tolist() == [6, 12]
    replay(tmp_path / "a" / "recipe.yaml", out=tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["pruning"]["by_error"] == "ACE_"
    assert manifest["settings"]["dropped_duplicates"]["structures"] == [6, 12]
    assert prove(tmp_path / "a") == []


def test_a_loaded_model_and_known_data(known: Finished, path: Path, tmp_path: Path) -> None:
    """The model's file must be what it was, and so must what is known; settings that trained it come from it."""
    model = store_model(tmp_path / "nb.safetensors", known.analysis.learned, known.analysis.descriptors)
    frames = ase.io.read(path, ":")
    new, old = tmp_path / "new.extxyz", tmp_path / "old.extxyz"
    ase.io.write(new, frames[:8], format="extxyz")
    ase.io.write(old, frames[8:], format="extxyz")
    pruning = PruningConfig(keep=0.5, alpha=0.75)
    made = run(
        new,
        tmp_path / "a",
        known=old,
        config=replace(CONFIG, widths=(128, 64), training=replace(CONFIG.training, epochs=9), seed=0),
        pruning=pruning,
        model_path=model,
        recipe=lambda found: recipe_from(found, [str(new)], [str(old)], reading={}, plan=pruning).to_yaml(),
    )
    recipe = Recipe.from_yaml(made.files.recipe.read_text())
    assert recipe.model.path == str(model)
    assert recipe.analysis.widths == CONFIG.widths
    replay(recipe, out=tmp_path / "b", cache=False)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    shutil.copy(new, old)
    with pytest.raises(MEAGraphError, match=r"structures beyond the known ones|known when the recipe was made"):
        replay(recipe)
    ase.io.write(old, frames[7:], format="extxyz")
    with pytest.raises(MEAGraphError, match=r"old\.extxyz: expected what was known when the recipe was made"):
        replay(recipe, new)
    model.write_bytes(model.read_bytes() + b" ")
    with pytest.raises(MEAGraphError, match=r"nb\.safetensors: expected SHA-256 .* the file has changed"):
        replay(recipe)


def test_a_recipe_of_somebody_else_is_not_replaced(recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("my own\n")
    for overwrite in (False, True):
        with pytest.raises(MEAGraphError, match=r"recipe\.yaml"):
            replay(recipe, out=folder, overwrite=overwrite)
    assert (folder / "recipe.yaml").read_text() == "my own\n"
    assert check_target(mg.read(recipe.paths), folder).recipe is None, "an export without a recipe may lie beside it"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: replace(r, plan=replace(r.plan, keep=0.9)), r"manifest\.json, pruning\.keep: expected 0\.9"),
        (lambda r: replace(r, fingerprint="0" * 64), r"manifest\.json, dataset\.fingerprint"),
        (lambda r: replace(r, analysis=replace(r.analysis, seed=9)), r"settings\.seed: expected 9"),
        (lambda r: replace(r, judgements=()), r"(niobium-.*|manifest\.json), line \d+: expected .* done again"),
    ],
)
def test_another_recipe_beside_an_export_is_found_out(
    recipe: Recipe, tmp_path: Path, change: Callable[[Recipe], Recipe], says: str
) -> None:

    made = replay(replace(recipe, parts={}, report=Report()), out=tmp_path / "out").files
    text = change(Recipe.from_yaml(made.recipe.read_text())).to_yaml().encode()
    made.recipe.write_bytes(text)
    manifest = json.loads(made.manifest.read_text())
    (entry,) = (one for one in manifest["outputs"] if one["file"] == "recipe.yaml")
    entry.update(sha256=hashlib.sha256(text).hexdigest(), bytes=len(text))
    made.manifest.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    (first, *_) = prove(tmp_path / "out", again=True)

    assert re.search(says, first), first
