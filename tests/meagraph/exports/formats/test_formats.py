"""Exports in other formats: what other programs read in them, what is said, what is refused."""

from __future__ import annotations

import configparser
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.db
import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms

from meagraph.datasets import AtomicDataset, from_atoms, read_dataset
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.exports import ExportedFiles, ExportError, export_plan, verify
from meagraph.exports.formats import FORMATS, Kept, check_formats
from meagraph.exports.formats.fitsnap import folder_names
from meagraph.exports.formats.kept import ROOM, periodic_cell
from tests.support.mixed import ALONE, BARE, BIG, GAS, SLAB, TWIN, Mixed, mixed

FILES = {
    "mace": "train.extxyz",
    "nequip": "train.extxyz",
    "nep": "train.xyz",
    "mtp": "train.cfg",
    "ase-db": "kept.db",
    "traj": "kept.traj",
    "aselmdb": "kept.aselmdb",
}
WITH_TABLE = ("csv", "parquet", "chemiscope")
OF_STRUCTURES = [name for name in FORMATS if name not in WITH_TABLE]


@pytest.fixture(scope="module")
def made() -> Mixed:
    return mixed()


def export(made: Mixed, folder: Path, *formats: str, rows: tuple[int, ...] = (), **options: Any) -> ExportedFiles:
    return export_plan(made.dataset, made.plan(*rows), folder, settings={}, formats=formats, **options)


def said(files: ExportedFiles) -> str:
    return "\n".join(files.notes)


def virial(dataset: AtomicDataset, row: int) -> np.ndarray:
    """By hand, of what ASE's calculators gave."""
    atoms = dataset.structures[row]
    xx, yy, zz, yz, xz, xy = -atoms.get_stress() * atoms.get_volume()
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


# What other programs find in the files


def test_all_formats_at_once_are_read_back_and_verified(made: Mixed, tmp_path: Path) -> None:
    files = export(made, tmp_path / "out", *OF_STRUCTURES, weights=made.weights)
    assert list(files.formats) == OF_STRUCTURES
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in files.paths}
    assert verify(files.manifest) == []
    manifest = json.loads(files.manifest.read_text())
    entries = {entry["format"]: entry for entry in manifest["formats"]}
    assert [entry["structures"] for entry in entries.values()] == [7, 6, 6, 7, 6, 7, 7, 7, 7, 7]
    for note in (note for entry in entries.values() for note in entry["not_held"]):
        assert [line for line in files.notes if line.endswith(note)], note
    assert "ase-db, traj, aselmdb: Weights are not written." in files.notes
    assert files.structures.read_bytes() == export(made, tmp_path / "plain").structures.read_bytes()


def test_the_same_export_is_the_same_bytes(made: Mixed, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        export(made, folder, *OF_STRUCTURES, weights=made.weights)
    one, two = ({path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()} for folder in folders)
    assert one.keys() == two.keys()
    for name in one.keys() - {Path("manifest.json")}:  # that has the time
        assert one[name].read_bytes() == two[name].read_bytes(), name


def test_equal_structures_are_written_as_often_as_they_are_there(niobium: AtomicDataset, tmp_path: Path) -> None:
    assert len(set(niobium.structure_keys)) < niobium.n_structures == 12
    whole = Mixed(niobium, mixed().weights)
    files = export(whole, tmp_path, *OF_STRUCTURES)
    assert verify(files.manifest) == []
    with ase.db.connect(files.formats["ase-db"] / "kept.db") as database:
        assert len({row.unique_id for row in database.select()}) == 12


@pytest.mark.parametrize("name", FILES)
def test_a_reader_of_our_own_finds_everything_again(made: Mixed, tmp_path: Path, name: str) -> None:
    files = export(made, tmp_path, name, rows=(0, TWIN, BIG, ALONE))
    elements = ("Na", "Cl") if name == "mtp" else ()
    back = read_dataset(files.formats[name] / FILES[name], elements=elements, stress_unit="eV/A^3")
    meant = made.dataset
    rows = [0, TWIN, BIG, ALONE]
    assert back.structure_keys == tuple(meant.structure_keys[row] for row in rows)
    assert (back.energy == meant.energy[rows]).all()
    assert (back.forces == np.concatenate([meant.forces[meant.rows_of(row)] for row in rows])).all()
    np.testing.assert_allclose(back.stress, meant.stress[rows], rtol=1e-12)
    assert back.groups.tolist() == meant.groups[rows].tolist()


def test_mace_as_mace_reads_it(made: Mixed, tmp_path: Path) -> None:
    files = export(made, tmp_path, "mace", weights=made.weights)
    frames: list[Atoms] = ase.io.read(files.formats["mace"] / "train.extxyz", ":")
    for row, atoms in enumerate(frames):
        assert atoms.info["config_type"] == made.dataset.groups[row] or row == BARE
        assert atoms.info["REF_energy"] == made.dataset.energy[row]
        assert atoms.info["config_weight"] == made.weights.structures[row]
        assert (atoms.arrays["atom_weight"] == made.weights.atoms[made.dataset.rows_of(row)]).all()
        assert ("REF_forces" in atoms.arrays) == (row != BARE)
        assert ("REF_stress" in atoms.info) == (row in (0, TWIN, BARE))
        assert atoms.info["note"] == 'say "x y"'
        assert "spread" in atoms.arrays
    stress = np.reshape(frames[TWIN].info["REF_stress"], (3, 3))
    np.testing.assert_allclose(stress, -virial(made.dataset, TWIN) / made.dataset.volumes[TWIN], rtol=1e-14)
    assert "forces in 1, stress in 4" in said(files)
    options = yaml.safe_load((files.formats["mace"] / "mace.yaml").read_text())
    assert (options["train_file"], options["stress_key"], options["E0s"]) == ("train.extxyz", "REF_stress", "average")


def test_mace_takes_isolated_atoms_for_its_references(made: Mixed, tmp_path: Path) -> None:
    files = export(made, tmp_path, "mace", rows=(ALONE,))
    options = yaml.safe_load((files.formats["mace"] / "mace.yaml").read_text())
    assert options["E0s"] == f"{{11: {float(made.dataset.energy[ALONE])!r}}}"
    assert "stress_key" not in options


def test_nep_has_virials_in_ev_and_cells_that_repeat(made: Mixed, tmp_path: Path) -> None:
    files = export(made, tmp_path, "nep", weights=made.weights)
    frames: list[Atoms] = ase.io.read(files.formats["nep"] / "train.xyz", ":")
    assert len(frames) == 6
    np.testing.assert_allclose(np.reshape(frames[0].info["virial"], (3, 3)), virial(made.dataset, 0), rtol=1e-12)
    assert "virial" not in frames[BIG].info
    assert [atoms.info["weight"] for atoms in frames] == made.weights.structures[:6].tolist()
    # a molecule without a cell, and a slab whose images are 16 Å apart: 30 Å are left, what repeats stays
    assert min(frames[GAS].cell.lengths()) > ROOM
    assert (frames[SLAB].cell[:2] == made.dataset.structures[SLAB].cell[:2]).all()
    height = frames[SLAB].cell[2, 2] - np.ptp(frames[SLAB].positions[:, 2])
    assert height == pytest.approx(ROOM)
    assert "2 structures do not repeat in all directions, which this format cannot say" in said(files)
    assert "1 structures without energy or forces are left out: mixed, frame 6" in said(files)
    assert "type          5 H O Na Al Cl" in (files.formats["nep"] / "nep.in").read_text()


def test_deepmd_as_dpdata_reads_it(made: Mixed, tmp_path: Path) -> None:
    dpdata = pytest.importorskip("dpdata")
    files = export(made, tmp_path, "deepmd", weights=made.weights)
    folder = files.formats["deepmd"]
    salt = dpdata.LabeledSystem(str(folder / "Na4Cl4-virial"), fmt="deepmd/npy")
    assert len(salt) == 2
    for frame, row in enumerate((0, TWIN)):
        original = made.dataset.structures[row]
        order = np.argsort(original.numbers, kind="stable")
        assert salt["energies"][frame] == original.get_potential_energy()
        np.testing.assert_array_equal(salt["coords"][frame], original.positions[order])
        np.testing.assert_array_equal(salt["forces"][frame], original.get_forces()[order])
        np.testing.assert_allclose(salt["virials"][frame], virial(made.dataset, row), rtol=1e-12)
        names = np.array(salt["atom_names"])[salt["atom_types"]]
        assert names.tolist() == np.array(original.get_chemical_symbols())[order].tolist()
    water = dpdata.LabeledSystem(str(folder / "H2O1-molecule"), fmt="deepmd/npy")
    assert water["nopbc"]
    weights = np.load(folder / "Na4Cl4-virial" / "set.000" / "atom_pref.npy")
    twin = made.weights.atoms[made.dataset.rows_of(TWIN)]
    order = np.argsort(made.dataset.structures[TWIN].numbers, kind="stable")
    assert weights[1].tolist() == twin[order].tolist()
    content = json.loads((folder / "input.json").read_text())
    assert content["model"]["type_map"] == ["H", "O", "Na", "Al", "Cl"]
    assert all(
        (folder / system / "set.000" / "coord.npy").is_file()
        for system in content["training"]["training_data"]["systems"]
    )
    assert (content["loss"]["start_pref_f"], content["loss"]["start_pref_pf"]) == (0, 1000)
    assert "DeePMD's systems hold no groups" in said(files)


def test_fitsnap_says_pressures_in_bar(made: Mixed, tmp_path: Path) -> None:
    files = export(made, tmp_path, "fitsnap", rows=(0, TWIN), weights=made.weights)
    folder = files.formats["fitsnap"]
    assert sorted(path.name for path in (folder / "JSON").iterdir()) == ["salt_wet", "salt_wet_2"]
    content = json.loads((folder / "JSON" / "salt_wet" / "1.json").read_text())["Dataset"]
    (entry,) = content["Data"]
    assert content["StressStyle"] == "bar"
    # 1 eV/Å³ is 1.602176634e6 bar; a pressure is minus a stress
    np.testing.assert_allclose(
        entry["Stress"], virial(made.dataset, TWIN) / made.dataset.volumes[TWIN] * 1.602176634e6, rtol=1e-7
    )
    assert entry["Energy"] == made.dataset.energy[TWIN]
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(folder / "fitsnap.in")
    assert parser["BISPECTRUM"]["type"] == "Na Cl"
    assert parser["CALCULATOR"]["stress"] == "1"
    mean = made.weights.structures[TWIN]
    weights = [float(word) for word in parser["GROUPS"]["salt_wet"].split()][2:4]
    assert weights == pytest.approx([100 * mean, mean], rel=1e-5)
    assert "salt, wet is salt_wet_2" in said(files)


def test_folders_of_groups_differ() -> None:
    groups = ["a b", "a,b", "A_B", ".hidden", "..", "=", "fine-1.0"]
    names = folder_names(groups)
    assert len({name.lower() for name in names.values()}) == len(groups)
    assert names["fine-1.0"] == "fine-1.0"
    assert all("/" not in name and not name.startswith(".") and "=" not in name for name in names.values())


def test_mtp_has_a_virial_and_as_many_vectors_as_repeat(made: Mixed, tmp_path: Path) -> None:
    text = (export(made, tmp_path, "mtp").formats["mtp"] / "train.cfg").read_text()
    frames = text.split("BEGIN_CFG")[1:]
    assert [frame.count("Supercell") for frame in frames] == [1, 1, 1, 0, 1, 1, 1]
    lines = frames[TWIN].splitlines()
    values = [
        float(word) for word in lines[next(k for k, line in enumerate(lines) if "PlusStress" in line) + 1].split()
    ]
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = virial(made.dataset, TWIN)
    assert values == pytest.approx([xx, yy, zz, yz, xz, xy], rel=1e-12)
    back = read_dataset(tmp_path / "mtp" / "train.cfg", elements=("H", "O", "Na", "Al", "Cl"), allow_unlabelled=True)
    assert back.periodic[SLAB].tolist() == [True, True, False]


def test_databases_as_ase_reads_them(made: Mixed, tmp_path: Path) -> None:
    pytest.importorskip("ase_db_backends")
    files = export(made, tmp_path, "ase-db", "aselmdb")
    for path in (files.formats["ase-db"] / "kept.db", files.formats["aselmdb"] / "kept.aselmdb"):
        with ase.db.connect(path) as database:
            rows = list(database.select())
            assert len(list(database.select(config_type="gas"))) == 1
        for row, found in enumerate(rows):
            original = made.dataset.structures[row]
            atoms = found.toatoms()
            assert (atoms.positions == original.positions).all()
            assert atoms.get_potential_energy() == original.get_potential_energy()
            if row in (0, TWIN, BARE):
                np.testing.assert_allclose(atoms.get_stress(), original.get_stress(), rtol=1e-15)


def test_lists_of_frames(made: Mixed, tmp_path: Path) -> None:
    folder = export(made, tmp_path, "indices", rows=(GAS, 0)).formats["indices"]
    assert (folder / "mixed-kept.txt").read_text() == "0\n3\n"
    assert (folder / "mixed-pruned.txt").read_text() == "1\n2\n4\n5\n6\n"


# What differs is an error, and leaves nothing


TAMPERED = {
    "energy": ("REF_energy=", "REF_energy=1"),
    "groups": ("config_type=big", "config_type=small"),
    "numbers": ("\nCl ", "\nBr "),
    "positions": ("\nAl ", "\nAl 1"),
    "cell": ('Lattice="5.64', 'Lattice="5.65'),
    "pbc": ('pbc="T T F"', 'pbc="T T T"'),
    "stress": ('REF_stress="', 'REF_stress="1'),
    "config_weight": ("config_weight=", "config_weight=1"),
}


@pytest.mark.parametrize("field", TAMPERED)
def test_what_is_read_back_differently_is_an_error(
    made: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """It names the file, the frame and the field, and nothing is written at all."""
    right = FORMATS["mace"].write

    def wrong(kept: Kept, folder: Path) -> Any:
        written = right(kept, folder)
        text = (folder / "train.extxyz").read_text()
        assert TAMPERED[field][0] in text
        (folder / "train.extxyz").write_text(text.replace(*TAMPERED[field], 1))
        return written

    monkeypatch.setitem(FORMATS, "mace", replace(FORMATS["mace"], write=wrong))
    with pytest.raises(ExportError, match=rf"mace/train.extxyz, frame \d: expected the {field} .*mixed, frame"):
        export(made, tmp_path / "out", "nep", "mace", weights=made.weights)
    assert list((tmp_path / "out").iterdir()) == []


def test_forces_that_differ_name_the_atom(made: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = FORMATS["deepmd"].write

    def wrong(kept: Kept, folder: Path) -> Any:
        written = right(kept, folder)
        path = folder / "H2O1-molecule" / "set.000" / "force.npy"
        forces = np.load(path)
        forces[0, 4] += 1e-9
        np.save(path, forces)
        return written

    monkeypatch.setitem(FORMATS, "deepmd", replace(FORMATS["deepmd"], write=wrong))
    with pytest.raises(ExportError, match=r"H2O1-molecule, frame 0: expected the forces of atom 1 of structure 3"):
        export(made, tmp_path, "deepmd")


def test_a_file_that_cannot_be_read_back_is_an_error(
    made: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = FORMATS["nep"].write

    def cut(kept: Kept, folder: Path) -> Any:
        written = right(kept, folder)
        text = (folder / "train.xyz").read_text()
        (folder / "train.xyz").write_text(text[:-40])
        return written

    monkeypatch.setitem(FORMATS, "nep", replace(FORMATS["nep"], write=cut))
    with pytest.raises(ExportError, match="nep: expected files that can be read back, but"):
        export(made, tmp_path / "out", "nep")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_cancelled_export_leaves_nothing(made: Mixed, tmp_path: Path) -> None:
    def stop(done: int, total: int, words: str) -> None:
        if "deepmd" in words:
            raise Cancelled

    with pytest.raises(Cancelled):
        export(made, tmp_path / "out", "nep", "deepmd", progress=stop)
    assert list((tmp_path / "out").iterdir()) == []


# What is not replaced, not known, not there


def test_folders_of_others_are_never_replaced(made: Mixed, tmp_path: Path) -> None:
    mine = tmp_path / "nep" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(ExportError, match=r"nep: expected no folder there.*--overwrite"):
        export(made, tmp_path, "nep")
    with pytest.raises(ExportError, match=r"nep: .*no list of what an export wrote lies in it.*Move it away"):
        export(made, tmp_path, "nep", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["nep"]
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "more.txt").write_text("mine"), "more.txt is none of its files"),
        (lambda folder: (folder / "train.xyz").write_text("mine"), "train.xyz was changed since"),
        (lambda folder: (folder / "contents.json").write_text("{}"), "no list of what an export wrote"),
    ],
)
def test_a_folder_is_replaced_only_as_an_export_left_it(made: Mixed, tmp_path: Path, change: Any, words: str) -> None:
    export(made, tmp_path, "nep", rows=(0,))
    files = export(made, tmp_path, "nep", rows=(0, TWIN), overwrite=True)
    assert verify(files.manifest) == []
    assert len(ase.io.read(tmp_path / "nep" / "train.xyz", ":")) == 2
    change(tmp_path / "nep")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(verify(files.manifest)) == (0 if "more" in words else 1)
    with pytest.raises(ExportError, match=words):
        export(made, tmp_path, "nep", rows=(0,), overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_source_in_the_folder_of_a_format_stays(tmp_path: Path) -> None:
    folder = tmp_path / "traj"
    folder.mkdir()
    ase.io.write(folder / "mine.traj", [mixed().dataset.structures[row] for row in (0, 1)])
    dataset = read_dataset(folder / "mine.traj")
    with pytest.raises(ExportError, match="a source of the dataset lies in it"):
        check_formats(dataset, tmp_path, ["traj"], overwrite=True)


def test_names_and_packages_are_checked_first(made: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExportError, match="Unknown formats lammps; choose from mace, nequip, nep"):
        export(made, tmp_path / "out", "lammps")
    for name, package, extra in (("aselmdb", "lmdb", "aselmdb"), ("parquet", "pyarrow.parquet", "parquet")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MEAGraphError, match=rf"meaviz\[{extra}\]"):
            export(made, tmp_path / "out", name)
    with pytest.raises(ExportError, match="a table of environments expects clusters and a map"):
        export(made, tmp_path / "out", "csv")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_weights_and_labels_are_checked_first(made: Mixed, tmp_path: Path) -> None:
    dataset = made.dataset
    with pytest.raises(ExportError, match=r"Weights go into other formats.*no format is named"):
        check_formats(dataset, tmp_path, [], weights="chosen")
    with pytest.raises(ExportError, match="Unknown weights 'all'; choose from chosen, population"):
        check_formats(dataset, tmp_path, ["mace"], weights="all")
    bare = from_atoms([dataset.structures.plain(row) for row in (0, TWIN)], allow_unlabelled=True)
    with pytest.raises(ExportError, match="the formats nep, fitsnap expect energies and forces"):
        check_formats(bare, tmp_path, ["nep", "mace", "fitsnap"])
    assert check_formats(bare, tmp_path, ["mace", "deepmd", "mace"]) == ("mace", "deepmd")


def test_a_format_that_holds_nothing_is_refused(made: Mixed, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nep can hold none of the structures kept"):
        export(made, tmp_path, "nep", rows=(BARE,))
    assert list(tmp_path.iterdir()) == []


def test_a_cell_leaves_room_along_what_does_not_repeat() -> None:
    """Along tilted vectors, too: measured upright on the others. What repeats, and what leaves room already, stays."""
    cell = [[4.0, 0, 0], [1, 5, 0], [2, 3, 6]]
    flags = [(True, False, True), (False, True, True), (False, False, False), (True, True, False)]
    structures = [Atoms("H2", positions=[[0, 0, 0], [1, 2, 3]], cell=cell, pbc=pbc) for pbc in flags]
    structures += [
        Atoms("H2", positions=[[0, 0, 0], [1, 2, 3]], cell=[[4, 0, 0], [1, 5, 0], [2, 3, 99]], pbc=(1, 1, 0))
    ]
    structures += [Atoms("H2", positions=[[0, 0, 0], [1, 2, 3]], cell=[[0, 3, 4], [0, 0, 0], [0, 0, 0]], pbc=(1, 0, 0))]
    dataset = from_atoms(structures, allow_unlabelled=True)
    kept = Kept(dataset, np.ones(len(structures), bool))
    for row, atoms in enumerate(structures):
        found = periodic_cell(kept, row)
        assert (found[atoms.pbc] == atoms.cell[atoms.pbc]).all()
        for axis in np.flatnonzero(~atoms.pbc):
            normal = np.cross(found[axis - 2], found[axis - 1])
            normal /= np.linalg.norm(normal)
            gap = abs(found[axis] @ normal) - np.ptp(atoms.positions @ normal)
            assert gap >= ROOM - 1e-9
            if row == 4:
                assert (found == atoms.cell.array).all()
            else:
                assert gap == pytest.approx(ROOM)
        assert abs(np.linalg.det(found)) > 1.0
