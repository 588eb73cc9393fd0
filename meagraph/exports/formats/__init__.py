"""An export in other formats beside extended XYZ, each in a folder of its own, read back before it counts.

A format is a function that writes, and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meagraph.datasets import AtomicDataset
from meagraph.exports.formats import ase_files, chemiscope, deepmd, extended_xyz, fitsnap, mtp, tables
from meagraph.exports.formats.comparing import check_by_reading
from meagraph.exports.formats.folders import check_folders, describe
from meagraph.exports.formats.kept import Kept, Written
from meagraph.exports.target import ExportError
from meagraph.exports.weights import SCHEMES
from meagraph.files import atomic_folder
from meagraph.progress import part

Write = Callable[[Kept, Path], Written]
Check = Callable[[Kept, Path, Written], None]


@dataclass(frozen=True)
class Format:
    """How one format is written, how what was written is compared with the dataset, what it lacks and needs."""

    title: str  # for people
    lacks: str  # what it cannot hold, whatever the data; what that means for given data is said when it is written
    write: Write
    check: Check
    package: Callable[[], Any] | None = None  # raises MEAGraphError where an extra is missing
    labels: bool = False  # a structure without energy or forces cannot be held


def _deepmd(kept: Kept, folder: Path, made: Written) -> None:
    check_by_reading(kept, folder, made)
    deepmd.check_preferences(kept, folder, made)


OTHERS = "weights; other entries of frames"
PERIODIC = (
    "structures without energy or forces; directions that do not repeat (large cells instead); other entries of frames"
)
TABLES = "structures"
FORMATS: dict[str, Format] = {
    "mace": Format(
        "MACE: extended XYZ with REF_ names, mace.yaml",
        "labels of other families",
        extended_xyz.write_mace,
        check_by_reading,
    ),
    "nequip": Format(
        "NequIP: extended XYZ, nequip.yaml",
        "structures without energy or forces; weights of structures; other entries of frames",
        extended_xyz.write_nequip,
        check_by_reading,
        labels=True,
    ),
    "nep": Format("NEP: train.xyz, nep.in", PERIODIC, extended_xyz.write_nep, check_by_reading, labels=True),
    "deepmd": Format(
        "DeePMD: npy systems, input.json",
        "groups; periodicity along some vectors only; other entries of frames",
        deepmd.write_deepmd,
        _deepmd,
    ),
    "fitsnap": Format(
        "FitSNAP: JSON groups, fitsnap.in", PERIODIC, fitsnap.write_fitsnap, check_by_reading, labels=True
    ),
    "mtp": Format(
        "MTP: train.cfg",
        "elements (types are numbers); weights; other entries of frames",
        mtp.write_mtp,
        check_by_reading,
    ),
    "ase-db": Format("ASE database", OTHERS, ase_files.write_ase_db, check_by_reading),
    "traj": Format("ASE trajectory", OTHERS, ase_files.write_traj, check_by_reading),
    "aselmdb": Format(
        "fairchem .aselmdb", OTHERS, ase_files.write_aselmdb, check_by_reading, package=ase_files.need_lmdb
    ),
    "chemiscope": Format(
        "chemiscope JSON",
        "stress; directions of forces; other entries of frames",
        chemiscope.write_chemiscope,
        chemiscope.check_chemiscope,
    ),
    "csv": Format("Table of environments, CSV", TABLES, tables.write_csv, tables.check_csv),
    "parquet": Format(
        "Table of environments, Parquet",
        TABLES,
        tables.write_parquet,
        tables.check_parquet,
        package=tables.need_pyarrow,
    ),
    "indices": Format(
        "Lists of frames kept and pruned", "frames in quarantine", tables.write_indices, tables.check_indices
    ),
}
"""By name, which is that of the folder, too."""


def check_formats(
    dataset: AtomicDataset,
    directory: str | Path,
    names: Sequence[str],
    *,
    weights: str | None = None,
    overwrite: bool = False,
) -> tuple[str, ...]:
    """The ``names`` of FORMATS, each once, if all can be written into ``directory``; nothing is written.

    Raises ExportError for names that are none, for ``weights`` that are no scheme or have no format to go into, where a
    format asks for labels and no new structure has them, and as
    :func:`meagraph.exports.formats.folders.check_folders`; MEAGraphError for an extra that is missing.
    """
    wanted = tuple(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown:
        raise ExportError(f"Unknown formats {', '.join(unknown)}; choose from {', '.join(FORMATS)}.")
    if weights is not None and weights not in SCHEMES:
        raise ExportError(f"Unknown weights {weights!r}; choose from {', '.join(SCHEMES)}.")
    if weights is not None and not wanted:
        raise ExportError(
            "Weights go into other formats, for frames of extended XYZ are copied as they are; but no format is named. "
            f"Name one ({', '.join(FORMATS)}), or leave out the weights."
        )
    for name in wanted:
        package = FORMATS[name].package
        if package is not None:
            package()
    kept = Kept(dataset, ~dataset.known)
    labelled = bool((kept.has_energy & kept.has_forces & ~dataset.known).any())
    asking = [name for name in wanted if FORMATS[name].labels and not labelled]
    if asking:
        raise ExportError(
            f"{dataset.name}: the formats {', '.join(asking)} expect energies and forces, but no new structure has "
            "both. Leave them out."
        )
    check_folders(dataset, Path(directory), wanted, overwrite=overwrite)
    return wanted


@contextmanager
def written_formats(kept: Kept, directory: Path, names: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Write the formats, read each back, and yield their entries for the manifest; all folders appear at the end.

    Raises ExportError where what was read back differs, and nothing is written then.
    """
    with ExitStack() as stack:
        entries = []
        for number, name in enumerate(names):
            share = part(kept.progress, number / len(names), (number + 1) / len(names))
            folder = stack.enter_context(atomic_folder(directory / name))
            entries.append(_write(replace(kept, progress=share), folder, name))
        yield entries


def _write(kept: Kept, folder: Path, name: str) -> dict[str, Any]:
    one = FORMATS[name]
    made = one.write(kept, folder)
    if not len(made.rows):
        raise ExportError(
            f"{kept.dataset.name}: the format {name} can hold none of the structures kept. {' '.join(made.notes)} "
            "Leave it out."
        )
    one.check(kept, folder, made)
    facts = {
        "structures": len(made.rows),
        "environments": len(made.atoms),
        "weights": None if kept.weights is None else kept.weights.scheme,
        "not_held": list(made.notes),
    }
    return describe(folder, name, kept.dataset, facts)


__all__ = ["FORMATS", "Format", "Kept", "check_formats", "written_formats"]
