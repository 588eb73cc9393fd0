"""Formats that are read here, each in its own file; all others are left to ASE."""

from __future__ import annotations

from pathlib import Path

from meagraph.datasets.formats.ase_db import is_ase_db, is_ase_json, is_aselmdb, read_ase_db, read_aselmdb
from meagraph.datasets.formats.common import Format
from meagraph.datasets.formats.cp2k_xyz import is_cp2k_xyz, read_cp2k_xyz
from meagraph.datasets.formats.deepmd import (
    is_deepmd_folder,
    is_deepmd_hdf5,
    read_deepmd_folder,
    read_deepmd_hdf5,
)
from meagraph.datasets.formats.fitsnap import is_fitsnap, read_fitsnap
from meagraph.datasets.formats.lammps_data import is_lammps_data, read_lammps_data
from meagraph.datasets.formats.lammps_dump import is_lammps_dump, read_lammps_dump
from meagraph.datasets.formats.mtp import is_mtp, read_mtp
from meagraph.datasets.formats.runner import is_runner, read_runner
from meagraph.datasets.formats.vasp_ml_ab import is_ml_ab, read_ml_ab

READERS: dict[str, Format] = {
    "lammps-dump-text": Format(read_lammps_dump, is_lammps_dump),
    "lammps-data": Format(read_lammps_data, is_lammps_data, labels=False),
    "runnerdata": Format(read_runner, is_runner),
    "cp2k-xyz": Format(read_cp2k_xyz, is_cp2k_xyz),
    "vasp-ml-ab": Format(read_ml_ab, is_ml_ab),
    "mtp": Format(read_mtp, is_mtp),
    "deepmd-npy": Format(read_deepmd_folder, is_deepmd_folder, folder=True),
    "deepmd-hdf5": Format(read_deepmd_hdf5, is_deepmd_hdf5),
    "fitsnap": Format(read_fitsnap, is_fitsnap, folder=True),
    "db": Format(read_ase_db, is_ase_db),
    "json": Format(read_ase_db, is_ase_json),
    "aselmdb": Format(read_aselmdb, is_aselmdb),
}
"""By name; a name that ASE has, too, is read here nevertheless."""


def format_of(name: Path, head: bytes) -> str | None:
    """The name of the format of a file with these first bytes, or of a folder that is one dataset; None for others."""
    folder = name.is_dir()
    known = (key for key, one in READERS.items() if (one.folder or not folder) and one.is_one(name, head))
    return next(known, None)
