"""What formats say of structures that they cannot hold whole, and what is noticed where a file says something else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pandas
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.exports import ExportedFiles, ExportError, export_plan, verify
from meagraph.exports.formats import FORMATS, Kept
from tests.support.mixed import Mixed, mixed

CELL = np.diag([4.0, 5.0, 6.0])


def labelled(symbols: str, pbc: Any, *, energy: float | None = -1.0, stress: bool = False, cell: Any = CELL) -> Atoms:
    """Atoms an Å apart, with an energy, no forces but for noughts, and a stress where that is asked for."""
    count = len(Atoms(symbols))
    atoms = Atoms(symbols, [[0.0, 0.0, 1.0 * place] for place in range(count)], cell=cell, pbc=pbc)
    found: dict[str, Any] = {"forces": np.zeros((count, 3))}
    if energy is not None:
        found["energy"] = energy
    if stress:
        found["stress"] = np.full(6, 0.01)
    atoms.calc = SinglePointCalculator(atoms, **found)
    return atoms


def data_of(*structures: Atoms) -> AtomicDataset:
    return from_atoms(structures, allow_unlabelled=True, name="some")


def export(dataset: AtomicDataset, folder: Path, *formats: str, **options: Any) -> ExportedFiles:
    plan = Mixed(dataset, mixed().weights).plan()
    return export_plan(dataset, plan, folder, settings={}, formats=formats, **options)


def notes(files: ExportedFiles, name: str) -> list[str]:
    manifest = json.loads(files.manifest.read_text())
    return next(entry["not_held"] for entry in manifest["formats"] if entry["format"] == name)


def spoil(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Path], object]) -> None:
    """Let the writer of a format change something in its folder when it has written."""
    right = FORMATS[name].write

    def wrong(kept: Kept, folder: Path) -> Any:
        written = right(kept, folder)
        change(folder)
        return written

    monkeypatch.setitem(FORMATS, name, replace(FORMATS[name], write=wrong))


# What is said


def test_mace_names_constraints_and_entries_that_its_file_cannot_hold(tmp_path: Path) -> None:
    bound = labelled("H2", True)
    bound.set_constraint(FixAtoms([0]))
    bound.info |= {"thing": object(), "lines": "a\nb", "fine": 3}
    found = notes(export(data_of(bound), tmp_path, "mace"), "mace")
    assert "Constraints of atoms are not written." in found
    assert "Entries that extended XYZ cannot hold are left out: lines, thing." in found


@pytest.mark.parametrize("name", ["nep", "deepmd", "mtp"])
def test_the_stress_of_what_does_not_repeat_everywhere_is_left_out_and_said(name: str, tmp_path: Path) -> None:
    slab, crystal = labelled("H2", (True, True, False), stress=True), labelled("H2", True, stress=True)
    found = notes(export(data_of(slab, crystal), tmp_path / "both", name), name)
    assert "The stress of 1 structures that do not repeat in all directions is not written." in found
    alone = notes(export(data_of(crystal), tmp_path / "one", name), name)
    assert not any("stress" in note for note in alone)


@pytest.mark.parametrize(("energy", "said"), [(-401.0, True), (-399.0, False)])
def test_nep_warns_of_energies_that_lose_digits(energy: float, said: bool, tmp_path: Path) -> None:
    """By GPUMD's manual below -100 eV an atom; here four atoms."""
    found = notes(export(data_of(labelled("H4", True, energy=energy)), tmp_path, "nep"), "nep")
    assert any("Energies go down to -100 eV an atom" in note for note in found) == said


def test_deepmd_says_that_a_molecule_loses_its_cell(tmp_path: Path) -> None:
    boxed, bare = labelled("H2", False), labelled("H2", False, cell=np.zeros((3, 3)))
    assert "The cells of 1 structures that repeat nowhere are not written." in notes(
        export(data_of(boxed, bare), tmp_path, "deepmd"), "deepmd"
    )


def test_a_formula_longer_than_a_name_can_be_is_a_folder_with_a_name_of_its_own(tmp_path: Path) -> None:
    """Seventy elements have over 200 letters; one atom more is another system."""
    many = Atoms(numbers=np.arange(1, 71))
    more = Atoms(numbers=[*range(1, 71), 70])
    frames = [labelled(str(one.symbols), True) for one in (many, more)]
    folder = export(data_of(*frames), tmp_path, "deepmd").formats["deepmd"]
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert len(names) == 2
    assert all(len(name) == 16 for name in names)


def test_mtp_leaves_out_what_repeats_along_other_vectors_than_the_first(tmp_path: Path) -> None:
    turned, right = labelled("H2", (False, True, True)), labelled("H2", (True, True, False))
    files = export(data_of(turned, right), tmp_path / "both", "mtp")
    assert any(note.startswith("1 structures are left out: they repeat along other") for note in notes(files, "mtp"))
    with pytest.raises(ExportError, match="MTP's format holds none of the structures: none repeats along its first"):
        export(data_of(turned), tmp_path / "none", "mtp")
    assert list((tmp_path / "none").iterdir()) == []


def test_chemiscope_leaves_out_what_is_missing_somewhere_and_says_so(tmp_path: Path) -> None:
    """Its properties hold a value for each structure or atom, or none at all."""
    dataset = data_of(labelled("H2", True), labelled("H", True, energy=None))
    table = pandas.DataFrame({"umap_1": [0.5, 1.0, 1.5], "score": [1.0, np.nan, 2.0]})
    kept = Kept(dataset, np.ones(2, bool), table=lambda: table)
    made = FORMATS["chemiscope"].write(kept, tmp_path)
    FORMATS["chemiscope"].check(kept, tmp_path, made)
    properties = json.loads((tmp_path / "chemiscope.json").read_text())["properties"]
    assert set(properties) == {"group", "umap_1"}
    assert "Not written, for they are missing somewhere: energy, score." in made.notes


# What is noticed


def test_weights_that_are_read_back_otherwise_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(folder: Path) -> None:
        path = next(folder.glob("*/set.000/atom_pref.npy"))
        np.save(path, np.load(path) * 1.5)

    spoil(monkeypatch, "deepmd", change)
    made = mixed()
    with pytest.raises(ExportError, match=r"expected atom_pref\.npy to hold the weights of the atoms, but it differs"):
        export(made.dataset, tmp_path / "out", "deepmd", weights=made.weights)
    assert list((tmp_path / "out").iterdir()) == []


def test_other_frames_in_a_list_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, "indices", lambda folder: (folder / "mixed-kept.txt").write_text("0\n1\n"))
    with pytest.raises(ExportError, match=r"indices/mixed-kept\.txt: expected the frames kept, but others were read"):
        export(mixed().dataset, tmp_path / "out", "indices")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_column_that_is_gone_is_an_error(tmp_path: Path) -> None:
    table = pandas.DataFrame({"umap_1": [0.5, 1.0], "score": [1.0, 2.0]}, index=pandas.Index([0, 1], name="row"))
    kept = Kept(data_of(labelled("H2", True)), np.ones(1, bool), table=lambda: table)
    made = FORMATS["csv"].write(kept, tmp_path)
    FORMATS["csv"].check(kept, tmp_path, made)
    (path,) = tmp_path.glob("*.csv")
    path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()) + "\n")
    with pytest.raises(ExportError, match="expected the columns row, umap_1, score, but row, umap_1 were read back"):
        FORMATS["csv"].check(kept, tmp_path, made)


def test_a_database_that_cannot_be_written_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is full: LMDB finds no room in its map."""
    opened = lmdb.open
    monkeypatch.setattr(lmdb, "open", lambda path, map_size, **others: opened(path, map_size=8192, **others))
    spoiled = tmp_path / "lmdb"
    with pytest.raises(ExportError, match=r"could not be written.*Choose another folder, or free some space"):
        export(mixed().dataset, spoiled, "aselmdb")
    assert list(spoiled.iterdir()) == []


def test_verifying_names_folders_and_files_that_are_gone(tmp_path: Path) -> None:
    files = export(mixed().dataset, tmp_path, "nep", "indices")
    assert verify(files.manifest) == []
    (tmp_path / "indices" / "mixed-kept.txt").unlink()
    shutil.rmtree(tmp_path / "nep")
    gone, missing = verify(files.manifest)
    assert gone.startswith(f"{tmp_path / 'nep'}: expected the folder that the manifest names, but it is missing")
    assert missing == (
        f"{tmp_path / 'indices' / 'mixed-kept.txt'}: expected the file that contents.json names, but it is missing."
    )


def test_a_list_of_another_version_is_nobodys(tmp_path: Path) -> None:
    """What a later version wrote is not replaced by this one, which cannot tell what belongs to it."""
    export(mixed().dataset, tmp_path, "indices")
    path = tmp_path / "indices" / "contents.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    with pytest.raises(ExportError, match="no list of what an export wrote lies in it"):
        export(mixed().dataset, tmp_path, "indices", overwrite=True)
