"""The table of all environments, as CSV and Parquet, and lists of frames as plain text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.exports.formats.kept import Kept, Written, said, written
from meagraph.exports.target import ExportError
from meagraph.files import writable_text, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

CSV, PARQUET, COLUMNS = "environments.csv", "environments.parquet", "columns.json"


def table_of(kept: Kept) -> pd.DataFrame:
    """The table of all environments. Raises ExportError where nobody knows it."""
    if kept.table is None:
        raise ExportError(
            f"{kept.dataset.name}: a table of environments expects clusters and a map, but there is a plan alone. "
            "Export by meagraph.export, or leave out the formats csv, parquet and chemiscope."
        )
    return kept.table()


def write_csv(kept: Kept, folder: Path) -> Written:
    """All environments of the dataset, kept or not, a row each; empty where a value is missing."""
    table = table_of(kept)
    table.to_csv(folder / CSV, lineterminator="\n")
    return _described(kept, folder, table, CSV)


def check_csv(kept: Kept, folder: Path, made: Written) -> None:
    """Raise ExportError where a column of the file is not that of the table, to the last digit."""
    import pandas

    back = pandas.read_csv(folder / CSV, dtype=str, keep_default_na=False)
    _compare(table_of(kept), {name: back[name].to_numpy() for name in back}, f"{folder.name}/{CSV}")


def need_pyarrow() -> Any:
    """The package pyarrow's Parquet. Raises MEAGraphError where it is missing."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MEAGraphError("Writing Parquet needs pyarrow. Install it: pip install 'meaviz[parquet]'.") from error
    return pyarrow


def write_parquet(kept: Kept, folder: Path) -> Written:
    """The same table as Parquet, with its types; categories are dictionaries."""
    arrow, table = need_pyarrow(), table_of(kept)
    arrow.parquet.write_table(arrow.Table.from_pandas(table.reset_index()), folder / PARQUET)
    return _described(kept, folder, table, PARQUET)


def check_parquet(kept: Kept, folder: Path, made: Written) -> None:
    """Raise ExportError where a column of the file is not that of the table."""
    back = need_pyarrow().parquet.read_table(folder / PARQUET)
    _compare(
        table_of(kept),
        {name: _strings_or_numbers(back.column(name).to_pandas()) for name in back.column_names},
        f"{folder.name}/{PARQUET}",
    )


def write_indices(kept: Kept, folder: Path) -> Written:
    """For each source, the numbers of its frames that are kept, and of those that are not, one a line, from 0."""
    dataset = kept.dataset
    for index, name in _list_names(kept).items():
        for what, rows in _lists(kept, index).items():
            text = "".join(f"{frame}\n" for frame in dataset.frame_index[rows].tolist())
            write_text(folder / f"{name}-{what}.txt", text)
    aside = len(dataset.quarantined)
    notes = [
        f"{aside:,} frames that could not be used are in neither list." if aside else "",
        "Known structures are in no list." if dataset.known.any() else "",
    ]
    return written(kept, (), kept.rows, notes=said(notes))


def check_indices(kept: Kept, folder: Path, made: Written) -> None:
    """Raise ExportError where a list is not what the plan says."""
    for index, name in _list_names(kept).items():
        for what, rows in _lists(kept, index).items():
            file = folder / f"{name}-{what}.txt"
            if list(map(int, file.read_text(encoding="utf-8").split())) != kept.dataset.frame_index[rows].tolist():
                raise ExportError(f"{folder.name}/{file.name}: expected the frames {what}, but others were read back.")


def _lists(kept: Kept, index: int) -> dict[str, NDArray[np.int64]]:
    here = (kept.dataset.source_index == index) & ~kept.dataset.known
    return {"kept": np.flatnonzero(here & kept.structures), "pruned": np.flatnonzero(here & ~kept.structures)}


def _list_names(kept: Kept) -> dict[int, str]:
    """Names for the lists of each new source by its number: as its file, and numbered where two are called the same."""
    sources = kept.dataset.sources
    named = {
        index: re.sub(r"[^\w.+-]+", "_", Path(writable_text(source.path)).name.split(".")[0]) or kept.stem
        for index, source in enumerate(sources)
        if not source.known
    }
    names = [name.lower() for name in named.values()]
    return {index: name if names.count(name.lower()) == 1 else f"{index}-{name}" for index, name in named.items()}


def _described(kept: Kept, folder: Path, table: pd.DataFrame, file: str) -> Written:
    units = table.attrs.get("units", {})
    write_json(folder / COLUMNS, {name: {"unit": units.get(name, "")} for name in table})
    missing = [name for name in ("score", "umap_1") if name not in table]
    notes = [f"There are no columns {', '.join(missing)}: these were not computed." if missing else ""]
    return written(kept, (file,), np.arange(kept.dataset.n_structures), notes=said(notes))


def _strings_or_numbers(column: Any) -> NDArray[Any]:
    return np.asarray(
        column.to_numpy() if column.dtype.kind in "iufb" else column.astype(object).fillna("").astype(str)
    )


def _compare(table: pd.DataFrame, back: dict[str, NDArray[Any]], where: str) -> None:
    whole = table.reset_index()
    if list(whole) != list(back):
        raise ExportError(f"{where}: expected the columns {', '.join(whole)}, but {', '.join(back)} were read back.")
    for name, came in back.items():
        column = whole[name]
        if column.dtype.kind in "iuf":
            meant = column.to_numpy(np.float64)
            numbers = np.array([value or "nan" for value in came], float) if came.dtype.kind == "O" else came
            differs = ~((numbers == meant) | (np.isnan(numbers.astype(float)) & np.isnan(meant)))
        else:
            differs = _strings_or_numbers(column).astype(str) != came.astype(str)
        if differs.any():
            row = int(np.flatnonzero(differs)[0])
            raise ExportError(
                f"{where}, row {row}: expected {name} {column.iloc[row]!r}, but {came[row]!r} was read back."
            )
