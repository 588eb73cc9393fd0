"""Ways to keep a dataset of arrays on disk: .npy with a JSON header, Arrow, Zarr.

``python benchmarks/stores.py DATA.meadata [--reads 2000]``: the arrays of a store as ``meagraph convert`` writes it,
written as one Arrow file (uncompressed) and as a Zarr group (its own chunks and compression); then seconds to open, to
read the atoms of structures drawn at random one by one, to read all positions once, and bytes on disk. Each is opened
anew; the files are in the page cache. Arrow and Zarr are no dependencies: ``pip install pyarrow zarr``; what is
missing is left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.datasets.store import HEADER
from meagraph.files import write_json

RESULTS = Path(__file__).parent / "results"
Arrays = Mapping[str, Any]  # whatever slices like an array


def write_npy(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """What the package does, but for the checks."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    (folder / "header.json").write_text(json.dumps(sorted(arrays)), encoding="utf-8")


def open_npy(folder: Path) -> Arrays:
    """By memory map."""
    names = json.loads((folder / "header.json").read_text(encoding="utf-8"))
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names}


def write_arrow(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """One file, a record batch an array, since they differ in length."""
    import pyarrow as pa

    for name, array in arrays.items():
        table = pa.table({name: pa.array(np.ascontiguousarray(array).reshape(-1))})
        with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    shapes = {name: array.shape for name, array in arrays.items()}
    (folder / "shapes.json").write_text(json.dumps(shapes), encoding="utf-8")


def open_arrow(folder: Path) -> Arrays:
    """By memory map, without a copy but for truth values, which Arrow packs into bits."""
    import pyarrow as pa

    found = {}
    for name, shape in json.loads((folder / "shapes.json").read_text(encoding="utf-8")).items():
        column = pa.ipc.open_file(pa.memory_map(str(folder / f"{name}.arrow"))).read_all().column(name)
        found[name] = column.combine_chunks().to_numpy(zero_copy_only=False).reshape(shape)
    return found


def write_zarr(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """A group with Zarr's own chunks and compression."""
    import zarr

    group = zarr.open_group(str(folder), mode="w")
    for name, array in arrays.items():
        group.create_array(name, data=np.ascontiguousarray(array))


def open_zarr(folder: Path) -> Arrays:
    """Chunks are read and decompressed where they are asked for."""
    import zarr

    group = zarr.open_group(str(folder), mode="r")
    return dict(group.arrays())


WAYS: dict[str, tuple[Callable[[Path, Mapping[str, np.ndarray]], None], Callable[[Path], Arrays]]] = {
    "npy + JSON": (write_npy, open_npy),
    "Arrow": (write_arrow, open_arrow),
    "Zarr": (write_zarr, open_zarr),
}


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long ``work`` takes, and what it gives."""
    began = time.perf_counter()
    found = work()
    return round(time.perf_counter() - began, 4), found


def read_structures(arrays: Arrays, rows: np.ndarray, offsets: np.ndarray) -> float:
    """The sum of all coordinates and atomic numbers of some structures, one by one."""
    total = 0.0
    for row in rows.tolist():
        atoms = slice(int(offsets[row]), int(offsets[row + 1]))
        total += float(np.asarray(arrays["positions"][atoms]).sum()) + float(np.asarray(arrays["numbers"][atoms]).sum())
        total += float(np.asarray(arrays["cells"][row]).sum())
    return total


def main() -> None:
    """Measure, print, and write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--reads", type=int, default=2000)
    parser.add_argument("--write", type=Path, default=RESULTS / "stores.json")
    options = parser.parse_args()
    header = json.loads((options.data / HEADER).read_text(encoding="utf-8"))
    arrays = {name: np.load(options.data / f"{name}.npy", allow_pickle=False) for name in header["arrays"]}
    rows = np.random.default_rng(0).integers(header["structures"], size=options.reads)
    found: list[dict[str, Any]] = []
    sums = set()
    for name, (write, open_) in WAYS.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            try:
                wrote, _ = seconds(lambda write=write, folder=folder: write(folder, arrays))
                opened, mapped = seconds(lambda open_=open_, folder=folder: open_(folder))
            except ImportError as error:
                print(f"{name}: {error}")
                continue
            one, total = seconds(lambda mapped=mapped: read_structures(mapped, rows, arrays["offsets"]))
            whole, _ = seconds(lambda mapped=mapped: np.asarray(mapped["positions"][:]).sum())
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        sums.add(round(total, 6))
        found.append(
            {"way": name, "environments": header["environments"], "structures": header["structures"]}
            | {
                "write_seconds": wrote,
                "open_seconds": opened,
                "structure_microseconds": round(1e6 * one / len(rows), 1),
            }
            | {"all_positions_seconds": whole, "megabytes": round(size / 1e6, 1)}
        )
        print(found[-1], flush=True)
    assert len(sums) == 1, "what was read differs"
    write_json(options.write, found)


if __name__ == "__main__":
    main()
