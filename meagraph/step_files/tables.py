"""Tables in files, one row an environment: .csv with a .json beside it, or one .npz."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from meagraph.files import atomic_path, from_json, read_arrays, sha256_file, write_arrays, write_json
from meagraph.latent.clustering import Clusters
from meagraph.step_files.checks import check_made_from, check_suffix, claim, details_of, unusable
from meagraph.step_files.content import check_arrays, check_made_of, check_texts, real, whole

TABLE = "meagraph-table-1"
WIDEST = 65_536  # bytes of a value of a column
_BROKEN = (
    *(OSError, EOFError, OverflowError, ValueError, KeyError, TypeError, AttributeError, BadZipFile),
    csv.Error,
)


def claim_table(path: str | Path, *, inputs: Iterable[str | Path | None] = (), overwrite: bool = False) -> Path:
    """Whether a table may be written to ``path``, see :func:`claim`; the .json that a .csv will have beside it."""
    check_suffix(path, ".csv", ".npz")
    return claim(path, TABLE, inside=Path(path).suffix == ".npz", inputs=inputs, overwrite=overwrite)


def write_table(
    path: str | Path, columns: Mapping[str, NDArray[Any]], about: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """Write ``columns`` of equal length by the suffix of ``path``: .csv with a .json beside it, or .npz.

    Raises MEAGraphError for a file that is there and may not be replaced, see :func:`claim`.
    """
    beside = claim_table(path, overwrite=overwrite)
    kinds = {name: np.asarray(column).dtype.str for name, column in columns.items()}
    details = {"format": TABLE, **about, "columns": kinds}
    if Path(path).suffix == ".npz":
        text = np.frombuffer(json.dumps(details).encode(), dtype=np.uint8)
        write_arrays(path, {"about": text, **columns})
        return
    with atomic_path(path) as temporary:
        with open(temporary, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        write_json(beside, {**details, "sha256": sha256_file(temporary)})


def read_table(
    path: str | Path, what: str, step: str, kinds: Mapping[str, type] = {}
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The columns and details of the table at ``path``: ``what``, as ``step`` writes it.

    Raises MEAGraphError for what is no such table, or whose details are not of these ``kinds``.
    """
    file = Path(path)
    check_suffix(file, ".csv", ".npz")
    try:
        if file.suffix == ".csv":
            details = details_of(file, TABLE, what, step)
            with open(file, encoding="utf-8", newline="") as stream:
                header, *rows = csv.reader(stream)
            cells = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
            types = {name: _type(kind) for name, kind in details["columns"].items()}
            columns = {name: np.array(cells.get(name, ())).astype(kind) for name, kind in types.items()}
        else:
            columns = read_arrays(file)
            details = from_json(columns.pop("about").tobytes())
        if check_texts(details, {"table": str})["table"] != what:
            raise ValueError(f"it holds {details['table']}")
        check_texts(details, kinds)
        check_made_of(details)
    except _BROKEN as error:
        raise unusable(file, what, step, error) from error
    return columns, details


def _type(kind: Any) -> np.dtype[Any]:
    """The type of a column that a table may have. Raises ValueError or TypeError for others."""
    found: np.dtype[Any] = np.dtype(kind)
    if found.kind not in "iufbU" or found.itemsize > WIDEST:
        raise ValueError(f"a column of the type {str(kind)[:40]!r}")
    return found


def read_clusters(path: str | Path, latent: str, environments: int | str = "N") -> Clusters:
    """The clusters at ``path``, which must be those of the latent space with this SHA-256 and so many environments."""
    what, step = "clusters", "cluster"
    columns, about = read_table(path, what, step, {"method": str, "settings": dict, "sizes": list})
    check_made_from(path, about, latent=latent)
    try:
        sizes = np.array(about["sizes"], dtype=np.int64)
        rules = {"sizes": whole("C"), "cluster": whole(environments, least=-1, below="C")}
        check_arrays({**columns, "sizes": sizes}, rules)
        labels = columns["cluster"]
        count = np.bincount(labels[labels >= 0], minlength=len(sizes))
        if count.tolist() != sizes.tolist():
            raise ValueError("its sizes are not those of its labels")
    except (OverflowError, ValueError, TypeError) as error:
        raise unusable(Path(path), what, step, error) from error
    return Clusters(labels, sizes, about["method"], about["settings"])


def read_map(path: str | Path, latent: str, environments: int) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """The places (N, 2) on the map at ``path``, as :func:`read_clusters` reads clusters, and its settings."""
    columns, about = read_table(path, "map", "map", {"settings": dict})
    check_made_from(path, about, latent=latent)
    try:
        check_arrays(columns, {"x": real(environments), "y": real(environments)})
    except ValueError as error:
        raise unusable(Path(path), "map", "map", error) from error
    return np.column_stack([columns["x"], columns["y"]]).astype(np.float32), about["settings"]
