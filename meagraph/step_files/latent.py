"""Latent spaces in files: one .npz."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.files import from_json, read_arrays, sha256_file, write_arrays
from meagraph.graph.condensation import Condensed, arrays_of, condensed_from
from meagraph.graph.similarity import GraphConfig
from meagraph.latent.nodes import nodes_arrays, nodes_from
from meagraph.latent.placement import Placement
from meagraph.latent.space import Latent
from meagraph.model.results import Embedding
from meagraph.step_files.checks import check_suffix, claim, unusable
from meagraph.step_files.content import (
    check_arrays,
    check_made_of,
    check_offsets,
    check_sources,
    check_texts,
    real,
    truth,
    whole,
)

_PLACED = [field.name for field in fields(Placement) if field.name != "condensed"]
LATENT = "meagraph-latent-1"
_NET = {
    "representatives": whole("M", below="N"),
    "assignment": whole("N", below="M"),
    "distance": real("N", least=0),
    "multiplicity": whole("M", least=1),
    "epsilon": real(least=0),
    "diameter": real(least=0),
}
_SPACE = {
    "latent": real("M", "H"),
    "edge_index": whole(2, "E", below="M"),
    "edge_score": real("E"),
    "connected": truth("M"),
    "rows": real("M", "D"),
    "norms": real("D"),
    "error": real("M"),
}
_NODES = {"node_rows": whole("K", below="N"), "node_values": real("K", "H"), "node_of": whole("N", below="K")}
_PLACES = {
    "placed_values": real("F", "H"),
    "placed_nearest": whole("F", below="M"),
    "placed_distance": real("F", least=0),
    "placed_known": truth("F"),
    "placed_connected": truth("F"),
    "placed_usual": real(finite=False),
}


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
    *,
    overwrite: bool = False,
) -> None:
    """Write a latent space for :func:`read_latent`: one NumPy archive, settings as JSON text in ``about``.

    Raises MEAGraphError for a file that is there and may not be replaced, see :func:`claim`.
    """
    check_suffix(path, ".npz")
    claim(path, LATENT, inside=True, overwrite=overwrite)
    texts = {
        "format": LATENT,
        "rate": latent.embedding.rate,
        "by_distance": latent.embedding.by_distance,
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
        **nodes_arrays(latent.embedding.nodes),
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
        about = check_texts(from_json(data["about"].tobytes()), {"format": str})
        if about["format"] != LATENT:
            raise ValueError(f"its format is {about['format']!r}, expected {LATENT!r}")
        sizes = check_arrays(data, {**_NET, **_SPACE, **(_NODES if "node_of" in data else {})})
        check_texts(about, {"dataset": str, "graph": dict, "descriptors": dict, "rate": (int, float)})
        check_sources(about.get("sources", []))
        check_made_of(about)
        latent = Latent(
            Embedding(
                data["latent"],
                data["edge_index"],
                data["edge_score"],
                about["rate"],
                data["connected"],
                bool(about.get("by_distance", False)),
                nodes_from(data),
            ),
            condensed_from(data),
            data["rows"],
            data["norms"],
            GraphConfig(**about["graph"]),
            about["descriptors"],
            data["error"],
        )
        placement, environments = None, sizes["N"]
        if "net_assignment" in data:
            net = {name.removeprefix("net_"): value for name, value in data.items() if name.startswith("net_")}
            own = check_arrays(net, _NET)
            check_arrays(data, _PLACES, {"F": own["M"], "H": sizes["H"], "M": sizes["M"]})
            check_texts(about.get("made_from"), {"reference": str})
            rest: dict[str, Any] = {name: data[f"placed_{name}"] for name in _PLACED}
            placement = Placement(condensed_from(net), **{**rest, "usual": float(rest["usual"])})
            environments = own["N"]
        check_offsets("offsets", data["offsets"], environments)
    except (OSError, EOFError, OverflowError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise unusable(Path(path), what, step, error) from error
    return LatentFile(latent, placement, data["offsets"], about, sha256_file(path))
