"""Descriptors in files: a plain .npy with a .json beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.descriptors.computing import context_from, context_texts
from meagraph.descriptors.context import Frame
from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path, read_array, sha256_file, write_array, write_json
from meagraph.step_files.checks import check_suffix, claim, details_of, unusable
from meagraph.step_files.content import check_arrays, check_sources, check_texts, real, text, whole

DESCRIPTORS = "meagraph-descriptors-1"


@dataclass(frozen=True, eq=False)
class Described:
    """The descriptors of a dataset, and what later steps need of it without reading the structures again."""

    descriptors: Descriptors
    name: str
    sources: list[dict[str, Any]]  # path, sha256, format and frames of each file
    offsets: NDArray[np.int64]  # (S + 1,)
    groups: NDArray[np.str_]  # (S,)
    structure_keys: tuple[str, ...]  # (S,)
    fingerprint: str  # of the dataset with its labels
    sha256: str  # of the .npy

    @property
    def about(self) -> dict[str, Any]:
        """What files made from these descriptors say of them."""
        return {"dataset": self.name, "sources": self.sources, "descriptors": self.descriptors.identity}


def write_described(
    path: str | Path, dataset: AtomicDataset, descriptors: Descriptors, *, overwrite: bool = False
) -> None:
    """Write ``descriptors`` of ``dataset`` to ``path`` (.npy) and what else later steps need to the .json beside it.

    Raises MEAGraphError for a file that is there and may not be replaced, see :func:`claim`.
    """
    check_suffix(path, ".npy")
    beside = claim(
        path, DESCRIPTORS, inputs=[source.path for source in dataset.sources if source.path], overwrite=overwrite
    )
    with atomic_path(path) as temporary:
        write_array(temporary, np.asarray(descriptors.values, dtype=np.float32))
        details = {
            "format": DESCRIPTORS,
            "sha256": sha256_file(temporary),
            "descriptors": descriptors.identity,
            **context_texts(descriptors),
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "sources": [
                {"path": source.path, "sha256": source.sha256, "format": source.format, "frames": source.n_frames}
                for source in dataset.sources
            ],
            "species": [chemical_symbols[number] for number in dataset.species],
            "structures": {
                "atoms": dataset.sizes.tolist(),
                "groups": dataset.groups.tolist(),
                "keys": list(dataset.structure_keys),
            },
        }
        write_json(beside, details)


def read_described(path: str | Path) -> Described:
    """Read what :func:`write_described` wrote; the values are memory-mapped.

    Raises MEAGraphError if a file is missing, is no such file, or the two do not belong together.
    """
    what, step = "descriptors", "describe"
    details = details_of(Path(path), DESCRIPTORS, what, step)
    try:
        values = read_array(path)
        check_texts(details, {"descriptors": dict, "structures": dict, "dataset": str, "fingerprint": str})
        identity = dict(check_texts(details["descriptors"], {"method": str}))
        structures = {name: np.array(details["structures"][name]) for name in ("atoms", "groups", "keys")}
        sizes = {"N": int(structures["atoms"].sum())}
        rules = {"atoms": whole("S", least=1), "groups": text("S"), "keys": text("S")}
        check_arrays({**structures, "values": values}, {**rules, "values": real("N", "D")}, sizes)
        frame, pairs = context_from(details)
        if frame is not None and values.shape[1] <= frame.columns:
            raise ValueError(f"a context of {frame.columns} columns, but values of shape {values.shape}")
        if pairs is not None:
            check_arrays({"pairs": pairs}, {"pairs": whole("P", 2, below="N")}, sizes)
        found = Described(
            Descriptors(values, identity.pop("method"), identity, frame=frame, pairs=pairs),
            details["dataset"],
            check_sources(details["sources"]),
            np.concatenate([[0], np.cumsum(structures["atoms"])]).astype(np.int64),
            structures["groups"],
            tuple(structures["keys"].tolist()),
            details["fingerprint"],
            details["sha256"],
        )
    except (OSError, EOFError, OverflowError, ValueError, KeyError, TypeError) as error:
        raise unusable(Path(path), what, step, error) from error
    return found


def frame_in(path: str | Path | None) -> Frame | None:
    """The frame of the context in a file of descriptors or a model, None for None.

    Raises MEAGraphError where the file has none.
    """
    if path is None:
        return None
    if Path(path).suffix == ".npy":
        frame = read_described(path).descriptors.frame
    else:
        from meagraph.model.checkpoint import frame_of

        frame = frame_of(path)
    if frame is None:
        raise MEAGraphError(f"{path}: expected a frame of the context, but it was made without. Leave out --like.")
    return frame
