"""Training data of other programs, written by those programs' own libraries where there is one."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import AtomicDataset, DatasetError, read_dataset
from meagraph.datasets.writing import format_frame
from meagraph.force_field.field import nearest_distances

dpdata = pytest.importorskip("dpdata")

EV_PER_CUBIC_ANGSTROM = 1602.1766208  # in kbar


def crystals(count: int = 3, symbols: str = "CuAgCuAu") -> list[Atoms]:
    """Sheared, rattled crystals with EMT's energy, forces and stress."""
    found = []
    for seed in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.symbols = symbols
        atoms.set_cell(atoms.cell.array @ [[1.0, 0.02, 0.0], [0.0, 1.01, 0.03], [0.01, 0.0, 0.95]], scale_atoms=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        results = {
            "energy": float(atoms.get_potential_energy()),
            "forces": atoms.get_forces(),
            "stress": atoms.get_stress(),
        }
        atoms.calc = SinglePointCalculator(atoms, **results)
        found.append(atoms)
    return found


def assert_same(data: AtomicDataset, wanted: list[Atoms], accuracy: float = 1e-6) -> None:
    """Up to the order of atoms: distances, energy, forces by their atoms' places, stress."""
    assert data.n_structures == len(wanted)
    for k, (ours, other) in enumerate(zip(data.structures, wanted, strict=True)):
        by_place = [np.lexsort(np.round(atoms.positions, 4).T) for atoms in (ours, other)]
        assert ours.numbers[by_place[0]].tolist() == other.numbers[by_place[1]].tolist()
        assert ours.positions[by_place[0]] == pytest.approx(other.positions[by_place[1]], abs=accuracy)
        assert ours.cell.array == pytest.approx(other.cell.array, abs=accuracy)
        assert data.energy[k] == pytest.approx(other.get_potential_energy(), abs=accuracy)
        forces = data.forces[data.rows_of(k)]
        assert forces[by_place[0]] == pytest.approx(other.get_forces()[by_place[1]], abs=accuracy)
        assert ours.calc.results["stress"] == pytest.approx(other.get_stress(), abs=accuracy)
        assert ours.pbc.all()


# DeePMD-kit


def system(atoms: list[Atoms]) -> dpdata.LabeledSystem:
    made = dpdata.LabeledSystem()
    for one in atoms:
        made.append(dpdata.LabeledSystem(one, fmt="ase/structure"))
    return made


@pytest.mark.parametrize("set_size", [100, 2])
def test_deepmd_folder_as_dpdata_writes_it(tmp_path: Path, set_size: int) -> None:
    wanted = crystals()
    system(wanted).to("deepmd/npy", str(tmp_path / "alloy"), prec=np.float64, set_size=set_size)
    data = read_dataset(tmp_path / "alloy")
    assert_same(data, wanted)
    assert [source.format for source in data.sources] == ["deepmd-npy"]
    assert data.name == "alloy"
    assert data.structures[0].info["system"] == "alloy"
    assert any("virial" in note.lower() for note in data.sources[0].notes)


def test_several_systems_in_a_folder(tmp_path: Path) -> None:
    wanted = {name: crystals(2, name) for name in ("Ag4", "Cu4")}
    for name, atoms in wanted.items():
        system(atoms).to("deepmd/npy", str(tmp_path / "train" / name), prec=np.float64)
    data = read_dataset(tmp_path / "train")
    assert_same(data, [*wanted["Ag4"], *wanted["Cu4"]])
    assert [Path(source.path).name for source in data.sources] == ["Ag4", "Cu4"]


def test_mixed_deepmd_as_dpdata_writes_it(tmp_path: Path) -> None:
    wanted = [*crystals(2, "Cu4"), *crystals(2, "CuAgCuAu")]
    systems = dpdata.MultiSystems(system(wanted[:2]), system(wanted[2:]))
    systems.to("deepmd/npy/mixed", str(tmp_path / "mixed"), prec=np.float64)
    data = read_dataset(tmp_path / "mixed")
    assert sorted(data.energy) == pytest.approx(sorted(atoms.get_potential_energy() for atoms in wanted))
    order = np.argsort([atoms.get_potential_energy() for atoms in wanted])
    ours = np.argsort(data.energy)
    assert [data.structures[k].symbols.formula.count() for k in ours] == [
        wanted[k].symbols.formula.count() for k in order
    ]


def test_atoms_that_fill_up_a_mixed_system_are_left_out(tmp_path: Path) -> None:
    part = tmp_path / "mixed" / "set.000"
    part.mkdir(parents=True)
    (tmp_path / "mixed" / "type.raw").write_text("0\n0\n0\n")
    (tmp_path / "mixed" / "type_map.raw").write_text("Cu\nAg\n")
    (tmp_path / "mixed" / "nopbc").write_text("")
    np.save(part / "real_atom_types.npy", [[0, 1, -1], [1, 1, 0]])
    np.save(part / "coord.npy", np.arange(18.0).reshape(2, 9))
    np.save(part / "energy.npy", [-1.0, -2.0])
    np.save(part / "force.npy", np.arange(18.0).reshape(2, 9))
    np.save(part / "fparam.npy", [1.0, 2.0])
    data = read_dataset(tmp_path / "mixed")
    assert [atoms.get_chemical_formula(mode="reduce") for atoms in data.structures] == ["CuAg", "Ag2Cu"]
    assert data.forces[:2].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not data.structures[0].pbc.any()
    assert any("fparam" in note for note in data.sources[0].notes)


def test_deepmd_hdf5_as_dpdata_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("h5py")
    wanted = [*crystals(2, "Cu4"), *crystals(2, "Ag4")]
    systems = dpdata.MultiSystems(system(wanted[:2]), system(wanted[2:]))
    systems.to("deepmd/hdf5", str(tmp_path / "train.hdf5"), comp_prec=np.float64)
    data = read_dataset(tmp_path / "train.hdf5")
    assert data.sources[0].format == "deepmd-hdf5"
    assert_same(data, [*wanted[2:], *wanted[:2]])  # as Cu0Ag4 and Cu4Ag0
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DatasetError, match=r"meaviz\[hdf5\]"):
        read_dataset(tmp_path / "train.hdf5")


def test_deepmd_types_without_names_are_refused(tmp_path: Path) -> None:
    system(crystals()).to("deepmd/npy", str(tmp_path / "alloy"), prec=np.float64)
    names = (tmp_path / "alloy" / "type_map.raw").read_text().split()
    (tmp_path / "alloy" / "type_map.raw").unlink()
    with pytest.raises(DatasetError, match="--elements"):
        read_dataset(tmp_path / "alloy")
    assert_same(read_dataset(tmp_path / "alloy", elements=names), crystals())


def test_objects_in_deepmd_arrays_are_not_unpickled(tmp_path: Path) -> None:
    system(crystals()).to("deepmd/npy", str(tmp_path / "alloy"), prec=np.float64)
    target = next((tmp_path / "alloy").glob("set.*")) / "energy.npy"
    np.save(target, np.array([{"a": 1}] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"expected numbers in energy.npy"):
        read_dataset(tmp_path / "alloy")


@pytest.mark.parametrize("name", ["force", "coord"])
def test_deepmd_arrays_of_wrong_shape(tmp_path: Path, name: str) -> None:
    system(crystals()).to("deepmd/npy", str(tmp_path / "alloy"), prec=np.float64)
    np.save(next((tmp_path / "alloy").glob("set.*")) / f"{name}.npy", np.zeros((3, 11)))
    with pytest.raises(DatasetError, match=rf"expected {name} of 3 frames with 4 atoms"):
        read_dataset(tmp_path / "alloy")


# VASP's ML_AB


def ml_ab(frames: list[Atoms]) -> str:
    """As VASP writes it; stress is -stress in kbar there."""
    rule, stars, line = "=" * 50, "*" * 50, "-" * 50
    text = [" 1.0 Version", stars, "     The number of configurations", line, f"          {len(frames)}", rule]
    text += [
        "     The maximum number of atom type",
        line,
        "       3",
        rule,
        "     The atom types in the data file",
        line,
    ]
    text += ["     Cu Ag Au", rule, "     Reference atomic energy (eV)", line, "   0.0 0.0 0.0"]
    for k, atoms in enumerate(frames):
        order = np.argsort(atoms.numbers, kind="stable")
        kinds = {symbol: list(atoms.symbols[order]).count(symbol) for symbol in dict.fromkeys(atoms.symbols[order])}
        xx, yy, zz, yz, xz, xy = -atoms.get_stress() * EV_PER_CUBIC_ANGSTROM

        def rows(values: np.ndarray) -> list[str]:
            return [" ".join(f"{value:.15E}" for value in row) for row in values]

        for title, lines in {
            "System name": ["alloy of   three"],
            "The number of atom types": [str(len(kinds))],
            "The number of atoms": [str(len(atoms))],
            "Atom types and atom numbers": [f"{symbol} {count}" for symbol, count in kinds.items()],
            "CTIFOR": ["0.002"],
            "Primitive lattice vectors (ang.)": rows(atoms.cell.array),
            "Atomic positions (ang.)": rows(atoms.positions[order]),
            "Total energy (eV)": [f"{atoms.get_potential_energy():.15E}"],
            "Forces (eV ang.^-1)": rows(atoms.get_forces()[order]),
        }.items():
            head = [stars, f"     Configuration num.    {k + 1}"] if title == "System name" else []
            text += [*head, rule, f"     {title}", line, *lines]
        text += [rule, "     Stress (kbar)", line, "     XX YY ZZ", line, *rows(np.array([[xx, yy, zz]]))]
        text += [line, "     XY YZ ZX", line, *rows(np.array([[xy, yz, xz]]))]
    return "\n".join([*text, stars, ""])


@pytest.mark.parametrize("name", ["ML_AB", "ML_ABN", "training.txt"])
def test_ml_ab(tmp_path: Path, name: str) -> None:
    wanted = crystals()
    (tmp_path / name).write_text(ml_ab(wanted))
    data = read_dataset(tmp_path / name)
    assert_same(data, wanted)
    assert data.sources[0].format == "vasp-ml-ab"
    assert data.structures[0].info["system_name"] == "alloy of   three"
    assert "kbar" in data.sources[0].notes[0]


@pytest.mark.parametrize(("old", "new"), [("Cu 2", "Cu 3"), ("Total energy", "Total"), ("     XX YY ZZ", "XX\n1 2 3")])
def test_broken_ml_ab(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "ML_AB").write_text(ml_ab(crystals()).replace(old, new, 1))
    with pytest.raises(DatasetError, match=r"frame 0 .*whole configuration of ML_AB"):
        read_dataset(tmp_path / "ML_AB")


# MTP


def cfg(frames: list[Atoms], elements: list[str], direct: bool = False) -> str:
    """As MLIP writes it: PlusStress is -stress x volume, types start at 0."""
    text = []
    for atoms in frames:
        xx, yy, zz, yz, xz, xy = -atoms.get_stress() * atoms.get_volume()
        places = atoms.get_scaled_positions(wrap=False) if direct else atoms.positions
        names = "direct_x direct_y direct_z" if direct else "cartes_x cartes_y cartes_z"
        text += ["BEGIN_CFG", " Size", f"    {len(atoms)}", " Supercell"]
        text += [f"    {x!r} {y!r} {z!r}" for x, y, z in atoms.cell.array.tolist()]
        text += [f" AtomData:  id type {names} fx fy fz"]
        rows = np.hstack([places, atoms.get_forces()]).tolist()
        for k, (symbol, row) in enumerate(zip(atoms.symbols, rows, strict=True)):
            text.append(f"    {k + 1} {elements.index(symbol)} {' '.join(map(repr, row))}")
        text += [" Energy", f"    {atoms.get_potential_energy()!r}", " PlusStress:  xx yy zz yz xz xy"]
        text += [f"    {xx} {yy} {zz} {yz} {xz} {xy}", " Feature   EFS_by       VASP", "END_CFG", ""]
    return "\n".join(text)


@pytest.mark.parametrize("direct", [False, True])
def test_mtp(tmp_path: Path, direct: bool) -> None:
    wanted = crystals()
    (tmp_path / "train.cfg").write_text(cfg(wanted, ["Ag", "Au", "Cu"], direct))
    with pytest.raises(DatasetError, match=r"type numbers 0, 1, 2.*--elements"):
        read_dataset(tmp_path / "train.cfg")
    data = read_dataset(tmp_path / "train.cfg", elements="Ag Au Cu")
    assert_same(data, wanted)
    assert data.structures[0].info == {"EFS_by": "VASP"}
    assert data.sources[0].format == "mtp"


def test_mtp_of_a_molecule_and_without_labels(tmp_path: Path) -> None:
    text = "BEGIN_CFG\nSize\n2\nAtomData: id type cartes_x cartes_y cartes_z\n1 0 0 0 0\n2 0 0 0 0.7\nEND_CFG\n"
    (tmp_path / "h2.cfg").write_text(2 * text)
    data = read_dataset(tmp_path / "h2.cfg", elements="H", allow_unlabelled=True)
    assert not data.structures[0].pbc.any()
    assert data.structures[0].calc is None
    (tmp_path / "cut.cfg").write_text(text + text.replace("END_CFG\n", ""))
    with pytest.raises(DatasetError, match=r"frame 1 .*truncated"):
        read_dataset(tmp_path / "cut.cfg", elements="H", allow_unlabelled=True)
    (tmp_path / "bad.cfg").write_text(text + text.replace("0.7", "zero"))
    with pytest.raises(DatasetError, match=r"frame 1 .*whole configuration of MTP"):
        read_dataset(tmp_path / "bad.cfg", elements="H", allow_unlabelled=True)


@pytest.mark.parametrize("vectors", [1, 2])
def test_mtp_of_surfaces_and_chains(tmp_path: Path, vectors: int) -> None:
    """Periodic along the vectors that are there; what is not periodic has no volume and no stress."""
    cell = "3 0 0\n" if vectors == 1 else "3 0 0\n1 4 0\n"
    text = (
        f"BEGIN_CFG\nSize\n2\nSupercell\n{cell}AtomData: id type cartes_x cartes_y cartes_z fx fy fz\n"
        "1 0 0 0 0 0 0 1\n2 0 0 0 2 0 0 -1\nEnergy\n-3\nPlusStress: xx yy zz yz xz xy\n1 2 3 4 5 6\nEND_CFG\n"
    )
    path = tmp_path / "slab.cfg"
    path.write_text(2 * text)
    data = read_dataset(path, elements="Cu")
    assert data.periodic.tolist() == [[True, vectors == 2, False]] * 2
    assert data.structures[0].cell.array.tolist() == [[3, 0, 0], [1, 4, 0] if vectors == 2 else [0, 0, 0], [0, 0, 0]]
    assert data.structures[0].positions.tolist() == [[0, 0, 0], [0, 0, 2]]
    assert np.isnan(data.stress).all()
    assert nearest_distances(data.structures[0]).tolist() == [2.0, 2.0]
    path.write_text(2 * text.replace("cartes", "direct"))
    with pytest.raises(DatasetError, match=rf"direct coordinates need three lattice vectors, but there are {vectors}"):
        read_dataset(path, elements="Cu")


def test_atomeye_is_not_taken_for_mtp(tmp_path: Path) -> None:
    for k in range(2):
        ase.io.write(tmp_path / f"{k}.cfg", bulk("Cu", cubic=True), format="cfg")
    data = read_dataset([tmp_path / "0.cfg", tmp_path / "1.cfg"], allow_unlabelled=True)
    assert data.sources[0].format == "cfg"


# FitSNAP


def fitsnap(atoms: Atoms, stress: float = EV_PER_CUBIC_ANGSTROM * 1e3, **styles: str) -> str:
    """As FitSNAP's tools write it: the stress is a pressure, by default in bar."""
    xx, yy, zz, yz, xz, xy = (-atoms.get_stress() * stress).tolist()
    entry = {
        "Stress": [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]],
        "Positions": atoms.positions.tolist(),
        "Energy": atoms.get_potential_energy(),
        "AtomTypes": list(atoms.symbols),
        "Lattice": atoms.cell.array.tolist(),
        "NumAtoms": len(atoms),
        "Forces": atoms.get_forces().tolist(),
    }
    return "# a remark\n" + json.dumps({"Dataset": {"Data": [entry], "Label": "made", **styles}})


USUAL = {
    "EnergyStyle": "electronvolt",
    "StressStyle": "bar",
    "LatticeStyle": "angstrom",
    "PositionsStyle": "angstrom",
    "ForcesStyle": "electronvoltperangstrom",
}


def test_fitsnap_folder(tmp_path: Path) -> None:
    wanted = crystals(4)
    for k, atoms in enumerate(wanted):
        folder = tmp_path / "JSON" / ("Bulk" if k < 3 else "Elastic")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"A_{k}.json").write_text(fitsnap(atoms, **USUAL))
    data = read_dataset(tmp_path / "JSON")
    assert_same(data, wanted)
    assert data.groups.tolist() == ["Bulk"] * 3 + ["Elastic"]
    assert [Path(source.path).name for source in data.sources] == ["Bulk", "Elastic"]
    assert data.structures[1].info["file"] == "A_1.json"
    single = read_dataset([tmp_path / "JSON" / "Bulk" / f"A_{k}.json" for k in (2, 0)])
    assert_same(single, [wanted[2], wanted[0]])
    assert single.groups.tolist() == ["Bulk", "Bulk"]


@pytest.mark.parametrize(("style", "factor"), [("kB", 1.0), ("GPa", 0.1)])
def test_fitsnap_units_by_their_styles(tmp_path: Path, style: str, factor: float) -> None:
    wanted = crystals(2)
    for k, atoms in enumerate(wanted):
        text = fitsnap(atoms, EV_PER_CUBIC_ANGSTROM * factor, **USUAL | {"StressStyle": style})
        (tmp_path / f"{k}.json").write_text(text)
    data = read_dataset(tmp_path)
    assert_same(data, wanted)
    assert any(style in note for note in data.sources[0].notes)


def test_bad_fitsnap(tmp_path: Path) -> None:
    good = fitsnap(crystals(1)[0])
    (tmp_path / "0.json").write_text(good)
    (tmp_path / "1.json").write_text(good.replace('"Dataset": {', '"Dataset": {"EnergyStyle": "furlong", '))
    with pytest.raises(DatasetError, match=r"1.json: expected EnergyStyle among .*'furlong'"):
        read_dataset(tmp_path)
    (tmp_path / "1.json").write_text(good[:-9])
    with pytest.raises(DatasetError, match=r"1.json: expected FitSNAP's JSON"):
        read_dataset(tmp_path)


# ASE's databases


def rows(path: Path) -> list[Atoms]:
    wanted = crystals()
    with ase.db.connect(path) as database:
        for k, atoms in enumerate(wanted):
            data = {"spins": [1, 2, 3], "source": {"code": "VASP"}} if k == 0 else {}
            database.write(atoms, config_type="liquid" if k else "solid", head=f"pbe{k}", weight=0.5, data=data)
    return wanted


@pytest.mark.parametrize("name", ["a.db", "a.json", "a.aselmdb"])
def test_databases_keep_what_their_rows_hold(tmp_path: Path, name: str) -> None:
    if name.endswith("lmdb"):
        pytest.importorskip("ase_db_backends")
    wanted = rows(tmp_path / name)
    data = read_dataset(tmp_path / name)
    assert_same(data, wanted)
    assert data.groups.tolist() == ["solid", "liquid", "liquid"]
    assert data.structures[0].info["weight"] == 0.5
    assert data.structures[2].info["head"] == "pbe2"
    assert list(data.structures[0].info["spins"]) == [1, 2, 3]
    assert data.structures[0].info["source"] == {"code": "VASP"}
    written = format_frame(data.structures[0])
    assert written.lost == ()
    assert all(text in written.text for text in (b"config_type=solid", b"head=pbe0", b'spins="1 2 3"', b"VASP"))
    assert read_dataset(tmp_path / name, group_key="head").groups.tolist() == ["pbe0", "pbe1", "pbe2"]


def test_aselmdb_without_its_package_and_with_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lmdb = pytest.importorskip("lmdb")
    import pickle

    with lmdb.open(str(tmp_path / "old.aselmdb"), subdir=False) as database, database.begin(write=True) as rows_:
        rows_.put(b"1", zlib.compress(pickle.dumps({"numbers": [1]})))
    with pytest.raises(DatasetError, match=r"frame 0 .*pickled objects"):
        read_dataset(tmp_path / "old.aselmdb")
    monkeypatch.setitem(__import__("sys").modules, "lmdb", None)
    with pytest.raises(DatasetError, match=r"meaviz\[aselmdb\]"):
        read_dataset(tmp_path / "old.aselmdb")


def test_molecules_in_a_database_stay_open(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "m.db", [molecule("H2O"), molecule("CH4")])
    data = read_dataset(tmp_path / "m.db", allow_unlabelled=True)
    assert not any(atoms.pbc.any() for atoms in data.structures)
    assert data.structures[0].calc is None
