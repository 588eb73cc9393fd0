"""Archives of arrays hold what was put in, also what is written row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meagraph.files import Stacked, read_arrays, write_arrays


def test_an_archive_gives_back_every_array(tmp_path: Path) -> None:
    rows = [np.arange(5.0), np.full(5, np.nan), np.arange(10.0)[::2]]
    arrays = {
        "plain": np.arange(6, dtype=np.int32).reshape(2, 3),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "flags": np.array([True, False]),
        "number": np.float64(3.5),
        "nothing": np.empty((0, 2)),
        "words": np.array(["a", "bcd"]),
    }
    write_arrays(tmp_path / "a.npz", {**arrays, "stacked": Stacked(rows)})
    found = read_arrays(tmp_path / "a.npz")
    for name, array in {**arrays, "stacked": np.stack(rows)}.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.asarray(array).dtype
