"""A dataset as a folder of arrays: what is opened is what was written, and what is broken is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import ase.io
import numpy as np
import pytest

from meagraph.datasets import AtomicDataset, DatasetError, from_atoms, read_dataset
from meagraph.datasets.store import open_store, write_store
from meagraph.errors import MEAGraphError
from meagraph.exports import ExportError, export_plan, verify
from meagraph.pipeline.opening import open_data
from tests.support.carried import check_same, frames

TEXT = "".join(
    f'2\nLattice="4 0 0 0 4 0 0 0 4" config_type={group}   Properties=species:S:1:pos:R:3:forces:R:3:q:R:1 '
    f'energy={energy} dft_energy={energy} note={note} pbc="T T F"\n'
    f"Cu 0.0 0 0 1 2 3 0.5\nAg 1 1 1.50 -1 -2 -3 {number}\n"
    for number, (group, energy, note) in enumerate([("a", -1, "x"), ("b", -2.5, 7), ("a", -3, "[1, 2]")])
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "data" / "odd.xyz"
    file.parent.mkdir()
    file.write_text(TEXT)
    return file


def check_equal(one: AtomicDataset, two: AtomicDataset) -> None:
    """All fields, and all that structures carry."""
    assert one.fingerprint == two.fingerprint
    assert one.structure_keys == two.structure_keys
    for name in ("groups", "source_index", "frame_index", "frame_span", "energy", "forces", "stress", "offsets"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.quarantined == two.quarantined
    assert one.name == two.name
    for ours, theirs in zip(one.sources, two.sources, strict=True):
        assert (ours.sha256, ours.format, ours.n_frames, ours.notes) == (
            theirs.sha256,
            theirs.format,
            theirs.n_frames,
            theirs.notes,
        )
        assert ours.labels == theirs.labels
    for first, second in zip(one.structures, two.structures, strict=True):
        check_same(first, second)


def export(dataset: AtomicDataset, kept: list[int], folder: Path) -> tuple[bytes, Path]:
    """The structures written, and the manifest."""
    structures = np.isin(np.arange(dataset.n_structures), kept)
    plan = SimpleNamespace(keep=structures[dataset.structure_of], structures=structures, config={}, chosen=None)
    files = export_plan(dataset, plan, folder, settings={})  # type: ignore[arg-type]
    return files.structures.read_bytes(), files.manifest


def test_what_is_opened_is_what_was_written(source: Path, tmp_path: Path) -> None:
    dataset = read_dataset(source)
    assert write_store(dataset, tmp_path / "odd.meadata") == ()
    opened = read_dataset(tmp_path / "odd.meadata")
    check_equal(dataset, opened)
    assert not list(tmp_path.glob(".*")), "nothing is left beside it"
    computed = dict(opened.__dict__)
    del opened.__dict__["structure_keys"]
    assert opened.structure_keys == computed["structure_keys"]


def test_everything_that_a_frame_may_carry(tmp_path: Path) -> None:
    given = from_atoms(frames(), allow_unlabelled=True)
    lost = write_store(given, tmp_path / "all.meadata")
    assert set(lost) == {"own-19", "own-20", "own-21", "value"}, "a tuple, a set, a complex number"
    for number, (one, two) in enumerate(
        zip(given.structures, open_store(tmp_path / "all.meadata").structures, strict=True)
    ):
        if number < 19:
            check_same(one, two)


def test_a_folder_can_be_moved_with_its_source(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)
    write_store(read_dataset("odd.xyz"), "odd.meadata")
    monkeypatch.chdir(tmp_path)
    moved = source.parent.rename(tmp_path / "elsewhere")
    dataset = read_dataset("elsewhere/odd.meadata")
    written, manifest = export(dataset, [0, 2], tmp_path / "out")
    frames_ = TEXT.split("2\nLattice")
    assert written.decode() == "2\nLattice" + frames_[1] + "2\nLattice" + frames_[3], "byte for byte"
    assert verify(manifest) == []
    (moved / "odd.xyz").write_text(TEXT.replace("-2.5", "-2.6"))
    with pytest.raises(ExportError, match="changed since"):
        export(dataset, [0], tmp_path / "other")


def test_without_its_source_frames_are_written_anew(source: Path, tmp_path: Path) -> None:
    first = read_dataset(source)
    write_store(first, tmp_path / "odd.meadata")
    source.unlink()
    with pytest.raises(DatasetError):
        export(first, [0], tmp_path / "refused")
    written, manifest = export(read_dataset(tmp_path / "odd.meadata"), [1, 2], tmp_path / "out")
    assert json.loads(manifest.read_text())["sources"][0]["format"] == "meadata"
    again = read_dataset(tmp_path / "out" / "odd-kept.extxyz")
    np.testing.assert_array_equal(again.forces, first.forces[2:])
    assert again.structure_keys == first.structure_keys[1:]
    assert b"note=7" in written
    source.write_text(TEXT)
    assert verify(manifest) == [], "what was written anew is not compared with a source that came back"


def test_labels_of_another_name(source: Path, tmp_path: Path) -> None:
    write_store(read_dataset(source), tmp_path / "odd.meadata")
    options = {"energy_key": "dft_energy", "forces_key": "forces"}
    named, fresh = read_dataset(tmp_path / "odd.meadata", **options), read_dataset(source, **options)  # type: ignore[arg-type]
    assert named.fingerprint == fresh.fingerprint
    assert named.sources[0].labels == fresh.sources[0].labels
    assert named.sources[0].labels.energy == ("dft_energy",)
    assert read_dataset(tmp_path / "odd.meadata", group_key="note").groups.tolist() == ["x", "7", "[1 2]"]
    with pytest.raises(DatasetError, match="No frame has an entry nothing"):
        read_dataset(tmp_path / "odd.meadata", energy_key="nothing")
    with pytest.raises(DatasetError, match="expected no format, elements or units"):
        read_dataset(tmp_path / "odd.meadata", elements="Cu")
    with pytest.raises(DatasetError, match="alone, but came 2 files"):
        read_dataset([tmp_path / "odd.meadata", source])


def test_what_is_there_is_not_replaced_unasked(source: Path, tmp_path: Path) -> None:
    dataset, target = read_dataset(source), tmp_path / "odd.meadata"
    write_store(dataset, target)
    with pytest.raises(DatasetError, match="there already"):
        write_store(dataset, target)
    write_store(from_atoms(frames(), allow_unlabelled=True), target, overwrite=True)
    assert open_store(target).n_structures == len(frames())
    with pytest.raises(DatasetError, match=r"ends in \.meadata"):
        write_store(dataset, tmp_path / "odd")
    other = tmp_path / "mine.meadata"
    other.mkdir()
    with pytest.raises(DatasetError, match="something else is there"):
        write_store(dataset, other, overwrite=True)


def header_with(change: Callable[[dict], object]) -> Callable[[Path], None]:  # type: ignore[type-arg]
    """What changes the header of a folder."""

    def spoil(folder: Path) -> None:
        header = json.loads((folder / "header.json").read_text())
        change(header)
        (folder / "header.json").write_text(json.dumps(header))

    return spoil


def array_as(name: str, array: np.ndarray, *, said: bool = False) -> Callable[[Path], None]:
    """What replaces an array of a folder, and what the header says of it where ``said``."""

    def spoil(folder: Path) -> None:
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
        if said:
            about = {"dtype": array.dtype.str, "shape": array.shape}
            header_with(lambda header: header["arrays"].update({name: about}))(folder)

    return spoil


SPOILED: dict[str, Callable[[Path], None]] = {
    "no header": lambda folder: (folder / "header.json").unlink(),
    "no JSON": lambda folder: (folder / "header.json").write_text("{"),
    "another kind": header_with(lambda header: header.update(kind="something")),
    "another version": header_with(lambda header: header.update(version=99)),
    "no array": lambda folder: (folder / "positions.npy").unlink(),
    "cut short": lambda folder: (folder / "positions.npy").write_bytes((folder / "positions.npy").read_bytes()[:-8]),
    "another shape": array_as("positions", np.zeros((5, 3))),
    "another shape that is said": array_as("positions", np.zeros((5, 3)), said=True),
    "another type": array_as("positions", np.zeros((6, 3), dtype=np.float32), said=True),
    "objects": array_as("energy", np.array([{}, {}, {}], dtype=object), said=True),
    "offsets that fall": array_as("offsets", np.array([0, 4, 2, 6])),
    "more atoms than there are": header_with(lambda header: header.update(environments=7)),
    "a layout that is not there": array_as("layout", np.array([0, 9, 0], dtype=np.int32)),
    "a group without a name": array_as("group", np.array([0, 9, 0], dtype=np.int32)),
    "another kind of column": header_with(lambda header: header["columns"][0].update(kind="object")),
    "an array elsewhere": header_with(
        lambda header: (
            header["columns"][0]["arrays"].update(values="../secret"),
            header["arrays"].update({"../secret": {"dtype": "<i8", "shape": [3]}}),
        )
    ),
    "a code without a text": array_as("column-0-values", np.array([0, 9, 0], dtype=np.int32)),
    "no positions": array_as("positions", np.full((6, 3), np.nan)),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_broken_is_refused(what: str, source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd.meadata"
    write_store(read_dataset(source), folder)
    SPOILED[what](folder)
    with pytest.raises(DatasetError, match=r"odd\.(meadata|xyz).*(Convert|Give|Remove)"):
        read_dataset(folder)


def test_large_files_are_read_once(source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / "cache"))
    small = open_data(source)
    assert not (tmp_path / "cache" / "datasets").exists()
    monkeypatch.setattr("meagraph.pipeline.opening.KEPT_FROM", 10)
    first = open_data(source)
    monkeypatch.setattr("meagraph.pipeline.opening.read_dataset", lambda *_, **__: pytest.fail("read again"))
    again = open_data(str(source))
    for opened in (first, again):
        check_equal(small, opened)
        assert opened.sources == small.sources or opened.sources[0].path == small.sources[0].path
    assert isinstance(again.forces.base, np.memmap)
    source.unlink()
    with pytest.raises(DatasetError):
        export(again, [0], tmp_path / "out")  # as of a file that was read just now
    source.write_text(TEXT.replace("-2.5", "-2.6"))
    with pytest.raises(pytest.fail.Exception, match="read again"):
        open_data(source)
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "cache")


def test_ase_reads_what_is_written_anew(source: Path, tmp_path: Path) -> None:
    write_store(read_dataset(source), tmp_path / "odd.meadata")
    source.unlink()
    export(read_dataset(tmp_path / "odd.meadata"), [0], tmp_path / "out")
    atoms = ase.io.read(tmp_path / "out" / "odd-kept.extxyz")
    assert atoms.arrays["q"].tolist() == [0.5, 0.0]
    assert atoms.get_forces().tolist() == [[1, 2, 3], [-1, -2, -3]]


def test_what_a_kill_left_in_the_middle_of_a_replacement_comes_back(niobium: AtomicDataset, tmp_path: Path) -> None:
    path, before = tmp_path / "a.meadata", tmp_path / ".a.meadata.before"
    write_store(niobium, path)
    path.rename(before)  # as it lies when the new folder is not yet in its place
    some = from_atoms(list(niobium.structures[:3]))
    write_store(some, tmp_path / "b.meadata")  # another one leaves it alone
    assert before.exists()
    with pytest.raises(DatasetError, match="it is there already"):
        write_store(some, path)
    assert open_store(path).structure_keys == niobium.structure_keys
    write_store(some, path, overwrite=True)
    assert open_store(path).n_structures == 3
    assert {entry.name for entry in tmp_path.iterdir()} - {"cache"} == {"a.meadata", "b.meadata"}


def test_an_entry_that_was_damaged_says_so_when_it_is_asked_for(tmp_path: Path) -> None:
    atoms = frames()[:2]
    for one in atoms:
        one.info = {"nested": {"a": [1]}}
    path = tmp_path / "a.meadata"
    write_store(from_atoms(atoms, allow_unlabelled=True), path)
    letters = next(file for file in path.glob("column-*-letters.npy") if b'"a"' in file.read_bytes())
    for wrong in (b"{{{{{{{{{{", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"):
        array = np.load(letters)
        array[:10] = np.frombuffer(wrong, np.uint8)[: len(array)]
        np.save(letters, array)
        with pytest.raises(MEAGraphError, match=r"is damaged: .* Convert the files again"):
            _ = open_store(path).structures[0].info
