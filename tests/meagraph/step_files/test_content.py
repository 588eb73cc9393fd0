"""A step file that was damaged, or holds something else than it says, is refused in one line where it is read."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from meagraph.cli import main
from meagraph.errors import MEAGraphError
from meagraph.files import sha256_file
from meagraph.step_files.content import check_arrays, check_offsets, check_texts, real, text, truth, whole
from meagraph.step_files.tables import read_table, write_table
from tests.support.steps import Chain, make

ARRAYS: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda a: a[:-1] if a.ndim else a.reshape(1),
    lambda a: np.concatenate([a, a]) if a.ndim else np.stack([a, a]),
    lambda a: a.reshape(-1) if a.ndim > 1 else a.reshape(-1, 1),
    lambda a: a[:0] if a.ndim else a.astype("U8"),
    lambda a: a.astype("U8"),
    lambda a: a.astype(complex) if a.dtype.kind in "iuf" else a[::-1][:1],
    lambda a: _set(a, -5),
    lambda a: _set(a, 10**9 if a.dtype.kind in "iu" else np.nan),
]
VALUES: list[Any] = [None, -1, 1e308, 10**30, "x", "", [], {}, [1, "a"], True, [[1]]]


def _set(array: np.ndarray, value: float) -> np.ndarray:
    """``array`` with one value replaced; of another size where it cannot hold such a value."""
    if array.dtype.kind not in "iuf" or not array.size:
        return array.ravel()[:0]
    found = array.copy()
    found.flat[array.size // 2] = min(value, np.iinfo(array.dtype).max) if array.dtype.kind in "iu" else value
    return found


def _changed(details: Any, draw: random.Random) -> Any:
    """``details`` with an entry, at whatever depth, left out or replaced; never its kind or hash."""
    node = details = json.loads(json.dumps(details))
    while True:
        keys = [
            key for key in (node if isinstance(node, dict) else range(len(node))) if key not in ("format", "sha256")
        ]
        key = draw.choice(keys)
        if isinstance(node[key], dict | list) and node[key] and draw.random() < 0.7:
            node = node[key]
            continue
        if draw.random() < 0.3:
            del node[key]
        else:
            node[key] = draw.choice(VALUES)
        return details


def _damage(path: Path, draw: random.Random) -> None:
    """Change the file or its details, and mend the hash, so that the content is what is judged."""
    beside = path.with_suffix(".json")
    if beside.exists() and (path.suffix == ".safetensors" or draw.random() < 0.5):
        beside.write_text(json.dumps(_changed(json.loads(beside.read_text()), draw)))
    elif path.suffix == ".npz":
        data = dict(np.load(path))
        name = draw.choice(sorted(data))
        if name == "about":
            details = _changed(json.loads(data["about"].tobytes()), draw)
            data["about"] = np.frombuffer(json.dumps(details).encode(), dtype=np.uint8)
        elif draw.random() < 0.2:
            del data[name]
        else:
            data[name] = draw.choice(ARRAYS)(data[name])
        np.savez(path, **data)
    elif path.suffix == ".npy":
        np.save(path, draw.choice(ARRAYS)(np.load(path)))
    else:
        lines = path.read_text().splitlines()
        row = draw.randrange(len(lines))
        bad = draw.choice(["-5", "nan", "x", "1e400", "999999999", ""])
        lines[row] = draw.choice([lines[row] + ",1", ",".join([*lines[row].split(",")[:-1], bad])])
        path.write_text("\n".join(lines[: draw.choice([1, row, None])]) + "\n")
    if beside.exists() and path.suffix != ".safetensors":
        details = json.loads(beside.read_text())
        beside.write_text(json.dumps({**details, "sha256": sha256_file(path)}))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, structures: tuple[Atoms, ...]) -> Chain:
    """All files of one dataset."""
    folder = tmp_path_factory.mktemp("damaged") / "whole"
    chain = make(folder, structures, steps=5)
    files = ["--descriptors", chain.descriptors, "--latent", chain.latent, "--clusters-file", chain.clusters]
    placed, plan = str(folder / "placed.npz"), str(folder / "plan.npz")
    assert main(["prune", str(chain.data), *files, "--keep", "0.4", "--alpha", "0.5", "--out", plan]) == 0
    assert main(["embed", chain.descriptors, "--model", chain.model, "--onto", chain.latent, "--out", placed]) == 0
    return chain


def _readers(chain: Chain) -> dict[str, list[list[str]]]:
    placed, plan = str(chain.folder / "placed.npz"), str(chain.folder / "plan.npz")
    out = ["--overwrite", "--out"]
    again = str(chain.folder / "again")
    return {
        chain.descriptors: [["embed", chain.descriptors, "--model", chain.model, *out, again + ".npz"]],
        chain.model: [["embed", chain.descriptors, "--model", chain.model, *out, again + ".npz"]],
        chain.latent: [["cluster", chain.latent, *out, again + ".csv"]],
        placed: [
            ["cluster", placed, "--onto", chain.clusters, *out, again + ".csv"],
            ["map", placed, "--onto", chain.map_table, *out, again + ".csv"],
        ],
        chain.clusters: [["cluster", placed, "--onto", chain.clusters, *out, again + ".csv"]],
        chain.map_table: [["map", placed, "--onto", chain.map_table, *out, again + ".csv"]],
        plan: [["compare", plan, plan], ["evaluate", plan, str(chain.data)]],
    }


@pytest.mark.parametrize("seed", range(120))
def test_whatever_is_wrong_in_a_file_is_one_clear_error(
    chain: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    draw = random.Random(seed)
    here = Chain(tmp_path / "here", tmp_path / "here" / chain.data.name)
    shutil.copytree(chain.folder, here.folder)
    readers = _readers(here)
    name = draw.choice(sorted(readers))
    _damage(Path(name), draw)
    status, said = main(draw.choice(readers[name])), capsys.readouterr()
    assert status in (0, 1)  # nothing else, and no other exception
    if status == 1:
        assert said.err.startswith("meagraph: error: ")
        assert said.err.count("\n") == 1


def test_arrays_must_fit_together() -> None:
    data = {"a": np.array([0, 2]), "b": np.zeros((3, 2)), "c": np.array([True, False, True]), "d": np.array(["x"])}
    rules = {"a": whole("M", below="N"), "b": real("N", 2), "c": truth("N"), "d": text("S")}
    assert check_arrays(data, rules) == {"M": 2, "N": 3, "S": 1}
    for name, wrong, message in [
        ("a", np.array([0, 3]), "'a' holds 3, expected numbers below 3"),
        ("a", np.array([-1, 0]), "'a' holds -1, expected at least 0"),
        ("a", np.array([0.0, 1.0]), "'a' holds float64, expected whole numbers"),
        ("b", np.full((3, 2), np.nan), "'b' holds NaN or infinity"),
        ("b", np.zeros((3, 3)), r"'b' has the shape \(3, 3\), expected \(3, 2\)"),
        ("c", np.array([True]), r"'c' has the shape \(1,\), expected \(3,\)"),
        ("d", np.array([1]), "'d' holds int64, expected text"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_arrays({**data, name: wrong}, rules)
    with pytest.raises(ValueError, match="no array 'd'"):
        check_arrays({name: data[name] for name in "abc"}, rules)


def test_offsets_rise_to_the_number_of_environments() -> None:
    check_offsets("offsets", np.array([0, 2, 5]), 5)
    for wrong in ([0, 2, 4], [1, 5], [0, 5, 5], [0, 6, 5], [5]):
        with pytest.raises(ValueError, match="offsets"):
            check_offsets("offsets", np.array(wrong), 5)


def test_details_have_their_kinds() -> None:
    assert check_texts({"n": 1, "more": None}, {"n": int}) == {"n": 1, "more": None}
    for wrong in ({}, {"n": "1"}, {"n": True}, [1], None):
        with pytest.raises(ValueError, match="details"):
            check_texts(wrong, {"n": int})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("cluster\n0\n1\n", "U100000000"),
        ("cluster\n0\n1\n", "O"),
        ("cluster\n0\n1\n", "no type"),
        ("a" * 200_000, "i8"),
    ],
)
def test_a_table_is_what_its_details_say(tmp_path: Path, text: str, kind: str) -> None:
    """Neither a type that fills the memory, nor a field that the csv module does not take."""
    path = tmp_path / "clusters.csv"
    write_table(path, {"cluster": np.array([0, 1])}, {"table": "clusters"})
    path.write_text(text)
    details = json.loads(path.with_suffix(".json").read_text())
    details |= {"sha256": sha256_file(path), "columns": {"cluster": kind}}
    path.with_suffix(".json").write_text(json.dumps(details))
    with pytest.raises(MEAGraphError, match=r"clusters\.csv: expected clusters, as 'meagraph cluster' writes it"):
        read_table(path, "clusters", "cluster")
