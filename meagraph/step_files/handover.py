"""Files that hand the result of one step to the next, each naming what it was made from.

Descriptors: a plain .npy with a .json beside it. Latent spaces: one .npz. Tables, one row an environment: .csv with a
.json beside it, or one .npz. A file made from something else than the step is given is refused.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path, read_arrays, sha256_file, write_arrays, write_json
from meagraph.graph.condensation import Condensed, arrays_of, condensed_from
from meagraph.graph.similarity import GraphConfig
from meagraph.latent.clustering import Clusters
from meagraph.latent.placement import Placement
from meagraph.latent.space import Latent
from meagraph.model.results import Embedding

_PLACED = [field.name for field in fields(Placement) if field.name != "condensed"]
DESCRIPTORS, LATENT, TABLE = "meagraph-descriptors-1", "meagraph-latent-1", "meagraph-table-1"


def check_suffix(path: str | Path, *suffixes: str) -> None:
    """Raise MEAGraphError unless ``path`` ends in one of ``suffixes``; for steps to ask before they compute."""
    if Path(path).suffix not in suffixes:
        raise MEAGraphError(f"{path}: expected a name that ends in {' or '.join(suffixes)}. Name the file so.")


def check_made_from(path: str | Path, about: Mapping[str, Any], **made_from: str) -> None:
    """Raise MEAGraphError unless the file at ``path`` was made from files of these SHA-256, by what they are."""
    for name, sha256 in made_from.items():
        came = about.get("made_from", {}).get(name)
        if came != sha256:
            origin = f"from another one (SHA-256 {came[:12]}..., not {sha256[:12]}...)" if came else "without any"
            raise MEAGraphError(
                f"{path}: expected a file made from the given {name}, but it was made {origin}. Make it again from "
                f"this {name}, or give the one it belongs to."
            )


def claim_details(path: str | Path, kind: str) -> Path:
    """The .json beside ``path``; MEAGraphError where one of another kind than ``kind`` stands there already."""
    beside = Path(path).with_suffix(".json")
    if beside.is_file():
        try:
            found = json.loads(beside.read_text(encoding="utf-8")).get("format")
        except (ValueError, AttributeError):
            found = None
        if found != kind:
            raise MEAGraphError(
                f"{beside}: expected to write the details of {Path(path).name} there, but it belongs to another file. "
                "Choose another name or folder."
            )
    return beside


def details_of(path: Path, kind: str, what: str, step: str) -> dict[str, Any]:
    """The .json beside ``path``, checked to be of this kind and of this very file."""
    beside = path.with_suffix(".json")
    for file in (path, beside):
        if not file.is_file():
            raise MEAGraphError(
                f"{file} does not exist. Expected {what}, a pair of files {path.name} and {beside.name}, as "
                f"'meagraph {step}' writes it."
            )
    try:
        details = json.loads(beside.read_text(encoding="utf-8"))
        if details.get("format") != kind:
            raise ValueError(f"its format is {details.get('format')!r}, expected {kind!r}")
    except (ValueError, AttributeError) as error:
        raise unusable(beside, what, step, error) from error
    if details.get("sha256") != sha256_file(path):
        raise MEAGraphError(f"{path}: was changed since {beside.name} was written. Run 'meagraph {step}' again.")
    return dict(details)


def unusable(path: Path, what: str, step: str, error: Exception) -> MEAGraphError:
    """What to raise for a file that is not ``what`` it should be."""
    return MEAGraphError(f"{path}: expected {what}, as 'meagraph {step}' writes it: {error}. Make it anew.")


# Descriptors


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


def write_described(path: str | Path, dataset: AtomicDataset, descriptors: Descriptors) -> None:
    """Write ``descriptors`` of ``dataset`` to ``path`` (.npy) and what else later steps need to the .json beside it."""
    check_suffix(path, ".npy")
    beside = claim_details(path, DESCRIPTORS)
    with atomic_path(path) as temporary:
        with open(temporary, "wb") as stream:
            np.save(stream, np.asarray(descriptors.values, dtype=np.float32), allow_pickle=False)
        details = {
            "format": DESCRIPTORS,
            "sha256": sha256_file(temporary),
            "descriptors": descriptors.identity,
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "sources": [
                {"path": source.path, "sha256": source.sha256, "format": source.format, "frames": source.n_frames}
                for source in dataset.sources
            ],
            "species": [chemical_symbols[number] for number in dataset.species],
            "structures": {
                "atoms": np.diff(dataset.offsets).tolist(),
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
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        identity = dict(details["descriptors"])
        structures = details["structures"]
        found = Described(
            Descriptors(values, identity.pop("method"), identity),
            details["dataset"],
            details["sources"],
            np.concatenate([[0], np.cumsum(structures["atoms"])]).astype(np.int64),
            np.array(structures["groups"], dtype=np.str_),
            tuple(structures["keys"]),
            details["fingerprint"],
            details["sha256"],
        )
        if values.ndim != 2 or len(values) != found.offsets[-1]:
            raise ValueError(f"{found.offsets[-1]} environments, but values of shape {values.shape}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unusable(Path(path), what, step, error) from error
    return found


# Latent spaces


@dataclass(frozen=True, eq=False)
class LatentFile:
    """A latent space, or new data placed in that of a reference."""

    latent: Latent  # of the reference, where there is a placement
    placement: Placement | None
    offsets: NDArray[np.int64]  # (S + 1,) of the dataset, the new one where there is a placement
    about: dict[str, Any]  # JSON-like: the dataset, and what this was made from
    sha256: str

    @property
    def condensed(self) -> Condensed:
        """The net of the dataset."""
        return self.latent.condensed if self.placement is None else self.placement.condensed


def write_latent(
    path: str | Path,
    latent: Latent,
    offsets: NDArray[np.int64],
    about: Mapping[str, Any],
    placement: Placement | None = None,
) -> None:
    """Write a latent space for :func:`read_latent`: one NumPy archive, settings as JSON text in ``about``."""
    check_suffix(path, ".npz")
    texts = {
        "format": LATENT,
        "rate": latent.embedding.rate,
        "graph": asdict(latent.graph),
        "descriptors": latent.descriptors,
        **about,
    }
    arrays: dict[str, Any] = {
        "about": np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8),
        "latent": latent.embedding.values,
        "edge_index": latent.embedding.edge_index,
        "edge_score": latent.embedding.score,
        "connected": latent.embedding.connected,
        "rows": latent.rows,
        "norms": latent.norms,
        "error": latent.error,
        **arrays_of(latent.condensed),
        "offsets": offsets,
    }
    if placement is not None:
        arrays |= {f"placed_{name}": getattr(placement, name) for name in _PLACED}
        arrays |= {f"net_{name}": value for name, value in arrays_of(placement.condensed).items()}
    write_arrays(path, arrays)


def read_latent(path: str | Path) -> LatentFile:
    """Read what :func:`write_latent` wrote; MEAGraphError if it is missing or no such file."""
    what, step = "a latent space", "embed"
    if not Path(path).is_file():
        raise MEAGraphError(f"{path} does not exist. Expected {what}, as 'meagraph {step}' writes it.")
    try:
        data = read_arrays(path)
        about = json.loads(data["about"].tobytes())
        if about["format"] != LATENT:
            raise ValueError(f"its format is {about['format']!r}, expected {LATENT!r}")
        latent = Latent(
            Embedding(data["latent"], data["edge_index"], data["edge_score"], about["rate"], data["connected"]),
            condensed_from(data),
            data["rows"],
            data["norms"],
            GraphConfig(**about["graph"]),
            about["descriptors"],
            data["error"],
        )
        placement = None
        if "net_assignment" in data:
            net = {name.removeprefix("net_"): value for name, value in data.items() if name.startswith("net_")}
            rest: dict[str, Any] = {name: data[f"placed_{name}"] for name in _PLACED}
            placement = Placement(condensed_from(net), **{**rest, "usual": float(rest["usual"])})
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise unusable(Path(path), what, step, error) from error
    return LatentFile(latent, placement, data["offsets"], about, sha256_file(path))


# Tables


def write_table(path: str | Path, columns: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
    """Write ``columns`` of equal length by the suffix of ``path``: .csv with a .json beside it, or .npz."""
    check_suffix(path, ".csv", ".npz")
    kinds = {name: np.asarray(column).dtype.str for name, column in columns.items()}
    details = {"format": TABLE, **about, "columns": kinds}
    if Path(path).suffix == ".npz":
        text = np.frombuffer(json.dumps(details).encode(), dtype=np.uint8)
        write_arrays(path, {"about": text, **columns})
        return
    beside = claim_details(path, TABLE)
    with atomic_path(path) as temporary:
        with open(temporary, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        write_json(beside, {**details, "sha256": sha256_file(temporary)})


def read_table(path: str | Path, what: str, step: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The columns and details of the table at ``path``: ``what``, as ``step`` writes it."""
    file = Path(path)
    check_suffix(file, ".csv", ".npz")
    try:
        if file.suffix == ".csv":
            details = details_of(file, TABLE, what, step)
            with open(file, encoding="utf-8", newline="") as stream:
                header, *rows = csv.reader(stream)
            cells = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
            kinds = details["columns"]
            columns = {name: np.array(cells.get(name, ())).astype(kind) for name, kind in kinds.items()}
        else:
            columns = read_arrays(file)
            details = json.loads(columns.pop("about").tobytes())
        if details["table"] != what:
            raise ValueError(f"it holds {details['table']}")
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise unusable(file, what, step, error) from error
    return columns, details


def read_clusters(path: str | Path, latent: str) -> Clusters:
    """The clusters at ``path``, which must be those of the latent space with this SHA-256."""
    columns, about = read_table(path, "clusters", "cluster")
    check_made_from(path, about, latent=latent)
    return Clusters(columns["cluster"], np.array(about["sizes"], dtype=np.int64), about["method"], about["settings"])
