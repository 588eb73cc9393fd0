"""Export: original frames byte for byte, an index of everything, a manifest that notices any change."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.extxyz import read_xyz
from hypothesis import given, settings
from hypothesis import strategies as st

from meagraph.datasets import AtomicDataset, DatasetError, dataset_from_structures, read_dataset
from meagraph.datasets.writing import format_frame
from meagraph.errors import Cancelled
from meagraph.exports import ExportedFiles, ExportError, check_target, export_plan, frames, verify
from meagraph.files import leads_out
from meagraph.workers import Workers
from tests.support.structures import real_data

# Frames that any rewriting would change: key order, quoting, leading zeros, digits, spacing, trailing spaces.
ODD = (
    '2\nsource_id=00012 energy=-1.50 Properties=species:S:1:pos:R:3:forces:R:3 pbc="F F F" '
    "config_type=dimer  \n"
    "H    0.0 0 0     0.123456789012345 0 0\nH 0 0 1.000 -0.123456789012345 0 0   \n",
    " 1 \nProperties=pos:R:3:species:S:1:forces:R:3 note='it is \"quoted\"' "
    "Lattice={3 0 0 0 3 0 0 0 3} energy=-4\n"
    "0 0 0 Ta 0 0 0\n",
    '1\nLattice="3 0 0 0 3 0 0 0 3" energy=-4.00000000001 Properties=species:S:1:pos:R:3 empty '
    'config_type="a, b"\n'
    "\tTa 1e-12 0 0\n",
)


@dataclass(frozen=True, eq=False)
class Config:
    keep: float = 0.5
    protected: tuple[str, ...] = ("IsolatedAtom",)
    seed: int = 3


@dataclass(frozen=True, eq=False)
class Plan:
    keep: np.ndarray
    structures: np.ndarray
    config: Config
    chosen: None = None


def plan_for(dataset: AtomicDataset, structures: list[int], environments: list[int] | None = None) -> Plan:
    kept = np.zeros(dataset.n_structures, dtype=bool)
    kept[structures] = True
    keep = kept[dataset.structure_of]
    if environments is not None:
        keep = np.zeros(dataset.n_environments, dtype=bool)
        keep[environments] = True
    return Plan(keep, kept, Config())


def export(dataset: AtomicDataset, structures: list[int], folder: Path, **options) -> ExportedFiles:
    return export_plan(dataset, plan_for(dataset, structures), folder, settings={}, **options)  # type: ignore[arg-type]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def odd(tmp_path: Path) -> AtomicDataset:
    return read_dataset(write(tmp_path / "odd.xyz", "".join(ODD)))


# Byte for byte


@pytest.mark.parametrize("kept", [[0], [1], [2], [0, 2], [0, 1, 2]])
def test_frames_are_copied_byte_for_byte(tmp_path: Path, odd: AtomicDataset, kept: list[int]) -> None:
    files = export(odd, kept, tmp_path / "out")
    assert files.structures.read_text() == "".join(ODD[k] for k in kept)
    assert files.structures.name == "odd-kept.extxyz"
    assert verify(files.manifest) == []


def test_windows_line_ends_stay(tmp_path: Path) -> None:
    text = [frame.replace("\n", "\r\n").encode() for frame in ODD]
    dataset = read_dataset(write(tmp_path / "crlf.xyz", b"".join(text)))
    files = export(dataset, [0, 2], tmp_path / "out")
    assert files.structures.read_bytes() == text[0] + text[2]
    assert verify(files.manifest) == []


def test_missing_last_line_break(tmp_path: Path) -> None:
    first = write(tmp_path / "a.xyz", "".join(ODD).rstrip("\n"))
    second = write(tmp_path / "b.xyz", ODD[0])
    alone = export(read_dataset(first), [1, 2], tmp_path / "alone")
    assert alone.structures.read_text() == (ODD[1] + ODD[2])[:-1], "nothing added at the end"
    joined = export(read_dataset([first, second]), [2, 3], tmp_path / "joined")
    assert joined.structures.read_text() == ODD[2] + ODD[0], "one line break added between frames"
    assert verify(alone.manifest) == verify(joined.manifest) == []
    assert len(ase.io.read(joined.structures, ":")) == 2


def test_blank_lines_and_byte_order_mark_between_frames_are_left_out(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + "\n \n".join(ODD).encode()
    dataset = read_dataset(write(tmp_path / "gaps.xyz", text))
    files = export(dataset, [0, 1], tmp_path / "out")
    assert files.structures.read_text() == ODD[0] + ODD[1]
    assert verify(files.manifest) == []


def test_several_sources_one_compressed(tmp_path: Path) -> None:
    packed = write(tmp_path / "a.xyz.gz", gzip.compress((ODD[0] + ODD[1]).encode()))
    plain = write(tmp_path / "b.xyz", ODD[2] + ODD[0])
    dataset = read_dataset([packed, plain])
    files = export(dataset, [1, 2, 3], tmp_path / "out")
    assert files.structures.read_text() == ODD[1] + ODD[2] + ODD[0]
    assert verify(files.manifest) == []
    sources = json.loads(files.manifest.read_text())["sources"]
    assert [source["frames_kept"] for source in sources] == [1, 2]


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("chunk", [1, 500, frames.CHUNK])
def test_workers_copy_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, seen: bool) -> None:
    """Whether or not they see the files: they may lie on the machine of the command alone."""
    monkeypatch.setattr(frames, "CHUNK", chunk)
    texts = [ODD[0] + ODD[1], "".join(ODD).rstrip("\n"), "".join(ODD[::-1])]
    paths = [write(tmp_path / f"{name}.xyz", text) for name, text in zip("abc", texts, strict=True)]
    paths.insert(1, write(tmp_path / "p.xyz.gz", gzip.compress(ODD[1].encode())))
    dataset = read_dataset(paths)
    kept = [0, 1, 2, 4, 5, 6, 8]
    here = export(dataset, kept, tmp_path / "here")
    if not seen:
        monkeypatch.setattr(frames, "copied", lambda piece: None)
        monkeypatch.setattr(frames, "checksum", lambda file: None)
    shared = tmp_path / "shared"
    shared.mkdir()
    told: list[str] = []
    with ThreadPoolExecutor(3) as executor:
        workers = Workers(executor, lambda: 3, shared)
        there = export(
            dataset, kept, tmp_path / "there", workers=workers, progress=lambda *state: told.append(state[-1])
        )
        assert there.structures.read_bytes() == here.structures.read_bytes()
        assert told[0] == "0 of 7 structures written"
        assert told[-1] == "7 structures written"
        write(paths[0], texts[0].replace("-4", "-5"))
        with pytest.raises(ExportError, match=r"a\.xyz.*changed since"):
            export(dataset, kept, tmp_path / "changed", workers=workers)
    assert list((tmp_path / "changed").iterdir()) == []
    assert list(shared.iterdir()) == []


@settings(deadline=None)
@given(st.lists(st.sampled_from(ODD), min_size=2, max_size=12), st.data())
def test_any_choice_of_any_frames(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    kept = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, unique=True).map(sorted))
    dataset = read_dataset(write(folder / "any.xyz", "".join(texts)))
    files = export(dataset, kept, folder / "out")
    assert files.structures.read_text() == "".join(texts[k] for k in kept)
    assert verify(files.manifest) == []
    shutil.rmtree(folder)


def test_real_dataset(tmp_path: Path) -> None:
    path = real_data("Ta_JCP2014.extxyz")
    dataset = read_dataset(path)
    everything = export(dataset, list(range(dataset.n_structures)), tmp_path / "all")
    assert everything.structures.read_bytes() == path.read_bytes()
    rng = np.random.default_rng(0)
    kept = np.sort(rng.choice(dataset.n_structures, 100, replace=False)).tolist()
    files = export(dataset, kept, tmp_path / "some")
    assert verify(files.manifest) == []
    again = read_dataset(files.structures)
    assert again.structure_keys == tuple(dataset.structure_keys[k] for k in kept)
    assert (again.energy == dataset.energy[kept]).all()


# Index and manifest


def test_index_lists_every_structure(tmp_path: Path, odd: AtomicDataset) -> None:
    plan = plan_for(odd, [2], environments=[1, 3])
    files = export_plan(odd, plan, tmp_path / "out", settings={})  # type: ignore[arg-type]
    with open(files.index, newline="") as stream:
        rows = list(csv.DictReader(stream))
    path = str(tmp_path / "odd.xyz")
    expected = [
        (path, "0", "0", "dimer", "0", "2", "1", "1"),
        (path, "1", "1", "Default", "0", "1", "0", ""),
        (path, "2", "2", "a, b", "1", "1", "1", "0"),
    ]
    assert [tuple(row.values()) for row in rows] == expected
    assert list(rows[0]) == [
        "source",
        "frame",
        "structure",
        "group",
        "kept",
        "n_atoms",
        "n_kept",
        "kept_atoms",
    ]


def test_manifest_records_everything(tmp_path: Path, odd: AtomicDataset) -> None:
    settings = {
        "seed": np.int64(7),
        "cutoff": 5.0,
        "thresholds": np.array([0.5, 1.5]),
        "model": Config(keep=0.1),
        "folder": Path("x"),
        "limit": float("inf"),
        "nothing": None,
    }
    plan = plan_for(odd, [0, 2], environments=[0, 3])
    files = export_plan(odd, plan, tmp_path / "out", settings=settings)  # type: ignore[arg-type]
    manifest = json.loads(files.manifest.read_text())
    assert manifest["settings"] == {
        "seed": 7,
        "cutoff": 5.0,
        "thresholds": [0.5, 1.5],
        "model": {"keep": 0.1, "protected": ["IsolatedAtom"], "seed": 3},
        "folder": "x",
        "limit": "inf",
        "nothing": None,
    }
    assert manifest["pruning"] == {"keep": 0.5, "protected": ["IsolatedAtom"], "seed": 3}
    assert manifest["counts"]["all"] == {
        "before": {"structures": 3, "environments": 4},
        "after": {"structures": 2, "environments": 3, "environments_selected": 2},
    }
    assert manifest["counts"]["groups"]["Default"] == {
        "before": {"structures": 1, "environments": 1},
        "after": {"structures": 0, "environments": 0, "environments_selected": 0},
    }
    assert list(manifest["counts"]["groups"]) == ["dimer", "Default", "a, b"]
    source = manifest["sources"][0]
    assert source["sha256"] == hashlib.sha256("".join(ODD).encode()).hexdigest()
    assert (source["path"], source["format"]) == (str(tmp_path / "odd.xyz"), "extxyz")
    assert (source["frames"], source["frames_kept"]) == (3, 2)
    assert source["path_from_manifest"] == os.path.join("..", "odd.xyz")
    assert manifest["versions"]["numpy"] == np.__version__
    assert {"python", "ase", "torch", "dscribe", "umap-learn", "meaviz"} <= set(manifest["versions"])
    assert "created" not in manifest, "exports of the same are the same"
    assert manifest["dataset"] == {"name": "odd", "fingerprint": odd.fingerprint}
    for output, path in zip(manifest["outputs"], (files.structures, files.index), strict=True):
        assert output["file"] == path.name
        assert output["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert output["bytes"] == path.stat().st_size
    assert manifest["not_written"] == []


# Verification


def test_verify_moved_together(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    files = export(read_dataset(write(home / "odd.xyz", "".join(ODD))), [0, 1], home / "out")
    moved = home.rename(tmp_path / "moved") / "out" / files.manifest.name
    assert verify(moved) == []
    write(tmp_path / "moved" / "odd.xyz", "".join(reversed(ODD)))
    problems = verify(moved)
    assert len(problems) == 1
    assert "the source has changed" in problems[0]


def test_verify_without_sources(tmp_path: Path, odd: AtomicDataset) -> None:
    files = export(odd, [0, 1], tmp_path / "out")
    (tmp_path / "odd.xyz").unlink()
    assert verify(files.manifest) == []


def test_verify_notices_changed_and_missing_outputs(tmp_path: Path, odd: AtomicDataset) -> None:
    files = export(odd, [0, 1], tmp_path / "out")
    files.structures.write_text(ODD[0] + ODD[1].replace("-4", "-5"))
    files.index.unlink()
    problems = verify(files.manifest)
    assert len(problems) == 2
    assert "has changed since the export" in problems[0]
    assert "is missing" in problems[1]


def test_verify_compares_frames_even_where_hashes_agree(tmp_path: Path, odd: AtomicDataset) -> None:
    files = export(odd, [0, 1], tmp_path / "out")
    manifest = json.loads(files.manifest.read_text())

    def replace_structures(text: str) -> list[str]:
        files.structures.write_text(text)
        manifest["outputs"][0]["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        files.manifest.write_text(json.dumps(manifest))
        return verify(files.manifest)

    assert replace_structures(ODD[0] + ODD[1]) == []
    (problem,) = replace_structures(ODD[0] + ODD[1].replace("-4", "-5"))
    assert "structure 1 to be byte for byte frame 1" in problem
    problem, *_ = replace_structures(ODD[0])
    assert "expected 2 frames as the index says, but it has 1" in problem


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"kind": "meagraph export", "version": 99}', "\xff"])
def test_verify_of_something_else(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "manifest.json", text.encode("latin-1"))
    assert len(verify(path)) == 1
    assert len(verify(tmp_path / "absent.json")) == 1


def test_verify_stays_in_its_folder(tmp_path: Path, odd: AtomicDataset) -> None:
    files = export(odd, [0], tmp_path / "out")
    manifest = json.loads(files.manifest.read_text())
    manifest["outputs"][0]["file"] = str(tmp_path / "odd.xyz")
    files.manifest.write_text(json.dumps(manifest))
    assert "missing" in verify(files.manifest)[0]


def test_long_lists_of_atoms_can_be_verified(tmp_path: Path) -> None:
    structure = Atoms("H40000", positions=np.arange(120_000.0).reshape(-1, 3))
    dataset = dataset_from_structures([structure], allow_unlabelled=True)
    files = export(dataset, [0], tmp_path)
    before = csv.field_size_limit()
    assert files.index.stat().st_size > before
    assert verify(files.manifest) == []
    assert csv.field_size_limit() == before


# Refusals and failures


def test_existing_files_are_kept_unless_overwritten(tmp_path: Path, odd: AtomicDataset) -> None:
    files = export(odd, [0], tmp_path / "out")
    with pytest.raises(ExportError, match=r"manifest\.json.*--overwrite"):
        export(odd, [1], tmp_path / "out")
    assert files.structures.read_text() == ODD[0]
    export(odd, [1], tmp_path / "out", overwrite=True)
    assert files.structures.read_text() == ODD[1]
    assert verify(files.manifest) == []


@pytest.mark.parametrize("text", ["mine", "[]", '{"kind": "another"}', '{"kind": "meagraph export"}'])
def test_a_manifest_of_somebody_else_is_never_replaced(tmp_path: Path, odd: AtomicDataset, text: str) -> None:
    manifest = write(tmp_path / "manifest.json", text)
    with pytest.raises(ExportError, match=r"manifest\.json.*this is another file.*Move it away, or choose another"):
        export(odd, [1], tmp_path, overwrite=True)
    assert manifest.read_text() == text
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", "odd.xyz"}


@pytest.mark.parametrize("part", ["structures", "index", "report"])
def test_a_file_that_no_export_wrote_is_never_replaced(tmp_path: Path, odd: AtomicDataset, part: str) -> None:
    """Neither one that stood there before, nor one that was changed since, nor one whose manifest is gone."""
    target = getattr(export(odd, [0], tmp_path / "names", report="page"), part)
    (tmp_path / "before").mkdir()
    mine = write(tmp_path / "before" / target.name, "mine")
    with pytest.raises(ExportError, match=rf"{target.name}.*no manifest of an export beside it names it"):
        export(odd, [1], tmp_path / "before", report="page", overwrite=True)
    assert list((tmp_path / "before").iterdir()) == [mine]
    assert mine.read_text() == "mine"

    target.write_text("mine, from here on")
    with pytest.raises(ExportError, match=rf"{target.name}.*changed since"):
        export(odd, [1], target.parent, report="page", overwrite=True)
    (target.parent / "manifest.json").unlink()
    with pytest.raises(ExportError, match="no manifest of an export"):
        export(odd, [1], target.parent, report="page", overwrite=True)
    assert target.read_text() == "mine, from here on"


def test_a_target_is_checked_before_anything_is_written(tmp_path: Path, odd: AtomicDataset) -> None:
    """A folder within a file, or one that may not be written to; one that is not there yet is fine, and not made."""
    check_target(odd, tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    for folder in ("odd.xyz", "odd.xyz/deeper"):
        with pytest.raises(ExportError, match=r"odd\.xyz is no folder\. Choose another"):
            check_target(odd, tmp_path / folder)
    (tmp_path / "out" / "manifest.json").mkdir(parents=True)
    with pytest.raises(ExportError, match=r"manifest\.json.*this is no file"):
        check_target(odd, tmp_path / "out", overwrite=True)


def test_source_is_never_overwritten(tmp_path: Path) -> None:
    text = "".join(ODD)
    (tmp_path / "data").mkdir()
    for name in ("odd-kept.extxyz", "odd.xyz"):
        write(tmp_path / "data" / name, text)
    dataset = read_dataset([tmp_path / "data" / "odd-kept.extxyz"])
    export(dataset, [0], tmp_path / "data", overwrite=True)
    link = tmp_path / "data" / "odd-kept-kept.extxyz"
    for make in (link.symlink_to, link.hardlink_to):
        link.unlink()
        make(tmp_path / "data" / "odd-kept.extxyz")
        with pytest.raises(ExportError, match="source of the dataset"):
            export(dataset, [0], tmp_path / "data" / ".." / "data", overwrite=True)
    assert (tmp_path / "data" / "odd-kept.extxyz").read_text() == text


def test_source_that_changed_or_vanished(tmp_path: Path, odd: AtomicDataset) -> None:
    source = tmp_path / "odd.xyz"
    write(source, "".join(ODD).replace("-4", "-5"))
    with pytest.raises(ExportError, match=r"odd\.xyz.*changed since"):
        export(odd, [0], tmp_path / "out")
    source.unlink()
    with pytest.raises(DatasetError, match=r"odd\.xyz"):
        export(odd, [0], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_plan_must_fit_and_keep_something(tmp_path: Path, odd: AtomicDataset) -> None:
    with pytest.raises(ExportError, match="keeps structures, but it drops all"):
        export(odd, [], tmp_path / "out")
    good = plan_for(odd, [0])
    for plan in (
        Plan(good.keep[1:], good.structures, Config()),
        Plan(good.keep, good.structures[1:], Config()),
    ):
        with pytest.raises(ExportError, match="belongs to another dataset"):
            export_plan(odd, plan, tmp_path / "out", settings={})  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_cancelled_export_leaves_nothing(tmp_path: Path, odd: AtomicDataset) -> None:
    def cancel_at_the_end(done: int, total: int, message: str) -> None:
        if done == total:
            raise Cancelled

    with pytest.raises(Cancelled):
        export(odd, [0, 1], tmp_path / "out", progress=cancel_at_the_end)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_same_export_can_be_made_again(tmp_path: Path, odd: AtomicDataset) -> None:
    """As of a run that was killed when all was written: without --overwrite, but for another one or a changed one."""
    files = export(odd, [0], tmp_path / "out", report="page")
    before = {path: path.read_bytes() for path in files.paths if path != files.manifest}
    export(odd, [0], tmp_path / "out", report="page")
    assert {path: path.read_bytes() for path in before} == before
    assert verify(files.manifest) == []
    export(odd, [0], tmp_path / "out", report="the model was recalled")
    with pytest.raises(ExportError, match="expected no file there"):
        export(odd, [0, 1], tmp_path / "out", report="page")
    assert {path: path.read_bytes() for path in before} == before
    assert sorted((tmp_path / "out").iterdir()) == sorted(files.paths)
    files.index.write_text("mine")
    with pytest.raises(ExportError, match="expected no file there"):
        export(odd, [0], tmp_path / "out", report="page")
    assert files.index.read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["..", "../../etc/passwd", "/a", "C:\\a", "a\0b", "Ü" * 300, "\u202ea", "a\nb", "con", "*;$(x)`"]
)
def test_no_name_of_a_dataset_leads_out_of_the_folder(tmp_path: Path, odd: AtomicDataset, name: str) -> None:
    files = export(replace(odd, name=name), [0], tmp_path / "out", report="page")
    assert {path.parent for path in files.paths} == {tmp_path / "out"}
    assert all(path.is_file() and not leads_out(path.name) for path in files.paths)
    assert verify(files.manifest) == []


def test_failed_overwrite_leaves_the_old_export(tmp_path: Path, odd: AtomicDataset) -> None:
    files = export(odd, [0], tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def fail(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        export(odd, [1], tmp_path / "out", overwrite=True, progress=fail)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert verify(files.manifest) == []


def test_folder_that_is_a_file(tmp_path: Path, odd: AtomicDataset) -> None:
    with pytest.raises(ExportError, match="Choose another folder"):
        export(odd, [0], write(tmp_path / "file", "x"))


def test_odd_name_stays_in_the_folder(tmp_path: Path) -> None:
    dataset = dataset_from_structures([Atoms("H")], name="../a b/ü", allow_unlabelled=True)
    files = export(dataset, [0], tmp_path / "out")
    assert files.structures.parent == tmp_path / "out"
    assert files.structures.exists()


# Sources that are no extended XYZ


def labelled(seed: int) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", 5.64, cubic=True)
    atoms.rattle(0.1, seed=seed)
    atoms.set_cell(atoms.cell.array + np.random.default_rng(seed).normal(0, 0.1, (3, 3)))
    rng = np.random.default_rng(seed + 100)
    atoms.calc = SinglePointCalculator(
        atoms,
        energy=rng.normal(),
        forces=rng.normal(size=(8, 3)),
        stress=rng.normal(size=6),
        magmoms=rng.normal(size=8),
    )
    atoms.set_tags(range(8))
    atoms.arrays["spread"] = rng.normal(size=(8, 2))
    atoms.info |= {"config_type": "salt", "note": 'say "hi" = {x}', "weights": np.array([0.1, 1 / 3])}
    return atoms


def test_trajectory_keeps_labels_and_all_digits(tmp_path: Path) -> None:
    originals = [labelled(seed) for seed in range(3)]
    ase.io.write(tmp_path / "salt.traj", originals)
    dataset = read_dataset(tmp_path / "salt.traj")
    files = export(dataset, [0, 2], tmp_path / "out")
    assert verify(files.manifest) == []
    written = ase.io.read(files.structures, ":", format="extxyz")
    for atoms, row in zip(written, (0, 2), strict=True):
        original = originals[row]
        assert (atoms.positions == original.positions).all()
        assert (atoms.cell.array == original.cell.array).all()
        assert (atoms.pbc == original.pbc).all()
        assert atoms.get_potential_energy() == original.get_potential_energy()
        assert (atoms.get_forces() == original.get_forces()).all()
        assert (atoms.get_stress() == original.get_stress()).all()
        assert atoms.info["config_type"] == "salt"
    again = read_dataset(files.structures)
    assert again.structure_keys == (dataset.structure_keys[0], dataset.structure_keys[2])
    assert again.groups.tolist() == ["salt", "salt"]


def test_memory_structures_keep_info_and_arrays(tmp_path: Path) -> None:
    atoms = labelled(1)
    atoms.info |= {
        "flag": True,
        "table": [[1, 2], [3, 4]],
        "nested": {"a": [1.5]},
        "path": "C:\\x",
        "count": 3,
    }
    dataset = dataset_from_structures([atoms])
    written = ase.io.read(export(dataset, [0], tmp_path).structures, format="extxyz")
    assert written.info["note"] == 'say "hi" = {x}'
    assert written.info["weights"].tolist() == [0.1, 1 / 3]
    assert written.info["flag"] is True
    assert np.array_equal(written.info["table"], [[1, 2], [3, 4]])
    assert written.info["nested"] == {"a": [1.5]}
    assert written.info["path"] == "C:\\x"
    assert written.info["count"] == 3
    assert (written.arrays["spread"] == atoms.arrays["spread"]).all()
    assert written.get_tags().tolist() == list(range(8))
    assert (written.calc.results["magmoms"] == atoms.calc.results["magmoms"]).all()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    atoms = labelled(0)
    atoms.arrays["cube"] = np.zeros((8, 2, 2))
    atoms.arrays["words"] = np.array(["two words"] * 8)
    lost = {
        "lines": "a\nb",
        "thing": object(),
        "ragged": [[1], [2, 3]],
        "Lattice": "x",
        "blank": "",
        "virial": 3.0,
    }
    atoms.info |= lost
    files = export(dataset_from_structures([atoms]), [0], tmp_path)
    assert json.loads(files.manifest.read_text())["not_written"] == sorted([*lost, "cube", "words"])
    assert ase.io.read(files.structures, format="extxyz").get_forces().shape == (8, 3)


def test_label_stored_twice(tmp_path: Path) -> None:
    atoms = labelled(0)
    atoms.info["energy"], atoms.arrays["forces"] = 99.0, np.zeros((8, 3))
    files = export(dataset_from_structures([atoms]), [0], tmp_path)
    written = ase.io.read(files.structures, format="extxyz")
    assert written.get_potential_energy() == atoms.calc.results["energy"]
    assert (written.get_forces() == atoms.calc.results["forces"]).all()


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(
    positions=st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=4),
    note=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    energy=finite,
)
def test_formatted_frame_reads_back(
    positions: list[tuple[float, float, float]], note: str, pbc: tuple[bool, bool, bool], energy: float
) -> None:
    atoms = Atoms("H" * len(positions), positions=positions, cell=[3, 4.1, 5], pbc=pbc)
    atoms.info["note"] = f"n {note}"
    atoms.calc = SinglePointCalculator(atoms, energy=energy)
    (again,) = read_xyz(StringIO(format_frame(atoms).text.decode()), slice(None))
    assert (again.positions == atoms.positions).all()
    assert (again.cell.array == atoms.cell.array).all()
    assert tuple(again.pbc) == pbc
    assert again.calc.results["energy"] == energy
    assert again.info["note"] == f"n {note}"
