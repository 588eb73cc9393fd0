"""How far a second set of labels is from the first: by group, element and cluster, and where it is farthest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import ROWS, Facts, Shown, Table, html_table
from meagraph.errors import MEAGraphError
from meagraph.predictions.reading import Predicted

MILLI = 1000.0


@dataclass(frozen=True)
class Part:
    """The errors of some structures, or environments; NaN where nothing is known."""

    kind: str  # all, group, element, cluster, size
    name: str
    structures: int  # with an energy in both sets
    atoms: int  # with forces in both sets
    energy_rmse: float  # eV/atom
    energy_mae: float
    force_rmse: float  # eV/Å a component
    force_mae: float
    force_worst: float  # eV/Å, length of the largest difference


@dataclass(frozen=True, eq=False, repr=False)
class Errors(Shown):
    """Predicted minus reference, of S structures with N environments; NaN where either is missing."""

    dataset: AtomicDataset
    predicted: Predicted
    energy: NDArray[np.float64]  # (S,) eV/atom
    forces: NDArray[np.float64]  # (N, 3) eV/Å
    stress: NDArray[np.float64]  # (S, 3, 3) eV/Å³
    clusters: NDArray[np.integer] | None = None  # (N,) labels, -1 for none
    cluster_names: tuple[str, ...] = ()

    @cached_property
    def force(self) -> NDArray[np.float64]:
        """Length (N,) of the difference of the forces in eV/Å."""
        return np.asarray(np.linalg.norm(self.forces, axis=1))

    @cached_property
    def force_of_structure(self) -> NDArray[np.float64]:
        """Root mean square (S,) over the atoms of each structure, of those known, in eV/Å a component."""
        known = np.isfinite(self.force)
        first = self.dataset.offsets[:-1]
        total = np.add.reduceat(np.where(known, self.force**2, 0.0), first)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.sqrt(total / (3.0 * np.add.reduceat(known, first, dtype=np.int64))))

    @cached_property
    def of_environments(self) -> NDArray[np.float64]:
        """Error (N,) of each environment: that of its force in eV/Å; without any forces that of its energy in eV."""
        if np.isfinite(self.force).any():
            return self.force
        return np.asarray(np.abs(self.energy)[self.dataset.structure_of])

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Of all, of each group, each element and, where they are known, each cluster; only what has errors."""
        return tuple(one for one in self._parts_of() if one.structures or one.atoms)

    def _parts_of(self) -> Iterator[Part]:
        data = self.dataset
        yield self._part("all", data.name, np.ones(data.n_environments, dtype=bool), structures=True)
        for group in dict.fromkeys(data.groups.tolist()):
            yield self._part("group", str(group), data.groups[data.structure_of] == group, structures=True)
        for number in data.species if len(data.species) > 1 else ():
            yield self._part("element", chemical_symbols[number], data.numbers == number)
        if self.clusters is not None:
            for label in np.unique(self.clusters).tolist():
                name = self.cluster_names[label] if 0 <= label < len(self.cluster_names) else ""
                words = "in none" if label < 0 else f"{label} {name}".strip()
                yield self._part("cluster", words, self.clusters == label)

    def _part(self, kind: str, name: str, mask: NDArray[np.bool_], *, structures: bool = False) -> Part:
        energy = self.energy[np.logical_or.reduceat(mask, self.dataset.offsets[:-1])] if structures else np.empty(0)
        energy = energy[np.isfinite(energy)]
        forces = self.forces[mask & np.isfinite(self.force)]
        return Part(
            kind,
            name,
            len(energy),
            len(forces),
            _rms(energy),
            _mean(np.abs(energy)),
            _rms(forces.ravel()),
            _mean(np.abs(forces.ravel())),
            float(np.linalg.norm(forces, axis=1).max()) if len(forces) else np.nan,
        )

    def table(self) -> Table:
        """A row for each part: energies in meV/atom, forces in meV/Å."""
        heads = ("", "part", "structures", "atoms", "E RMSE / meV", "E MAE", "F RMSE / meV/Å", "F MAE", "F worst")
        rows = []
        for one in self.parts:
            values = (one.energy_rmse, one.energy_mae, one.force_rmse, one.force_mae, one.force_worst)
            cells = (f"{MILLI * value:.2f}" if np.isfinite(value) else "–" for value in values)
            counts = (f"{one.structures:,}" if one.structures else "–", f"{one.atoms:,}")
            rows.append((one.kind, one.name, *counts, *cells))
        return Table(heads, tuple(rows))

    def worst(self, count: int = 10, *, by: str = "forces") -> NDArray[np.int64]:
        """The structures (count,) whose ``energy`` or ``forces`` (root mean square) are farthest off, the worst first.

        Raises MEAGraphError for another ``by``.
        """
        if by not in ("energy", "forces"):
            raise MEAGraphError(f"Unknown measure {by!r}; choose from energy, forces.")
        size = np.abs(self.energy) if by == "energy" else self.force_of_structure
        known = np.flatnonzero(np.isfinite(size))
        return np.asarray(known[np.argsort(-size[known], kind="stable")][:count])

    def columns(self) -> dict[str, NDArray[Any]]:
        """All structures as columns (S,): where they are, and their errors in eV/atom and eV/Å."""
        data = self.dataset
        paths = np.array([source.path or data.name for source in data.sources])
        first = data.offsets[:-1]
        known = np.where(np.isfinite(self.force), self.force, -np.inf)
        largest = np.maximum.reduceat(known, first)
        return {
            "structure": np.arange(data.n_structures),
            "file": paths[data.source_index],
            "frame": data.frame_index,
            "group": data.groups,
            "n_atoms": data.sizes,
            "energy_error": self.energy,
            "force_rmse": self.force_of_structure,
            "force_worst": np.where(np.isfinite(largest), largest, np.nan),
        }

    def figures(self, count: int = 10) -> dict[str, Any]:
        """JSON-like: all parts, and the ``count`` worst structures by energy and by forces."""
        columns = self.columns()
        worst = {
            by: [
                {name: _plain(values[row]) for name, values in columns.items()}
                for row in self.worst(count, by=by).tolist()
            ]
            for by in ("energy", "forces")
        }
        parts = [{name: _plain(value) for name, value in vars(one).items()} for one in self.parts]
        return {"predicted": self.predicted.name, "from": self.predicted.words, "parts": parts, "worst": worst}

    def _facts(self) -> Facts:
        whole = self.parts[0] if self.parts else None
        if whole is None:
            return [("predicted", self.predicted.words), ("errors", "none: nothing has both labels")]
        return [
            ("predicted", self.predicted.words),
            ("energy", f"RMSE {MILLI * whole.energy_rmse:.2f} meV/atom of {whole.structures:,} structures"),
            ("forces", f"RMSE {MILLI * whole.force_rmse:.1f} meV/Å on {whole.atoms:,} atoms"),
        ]

    def _title(self) -> str:
        return f"Errors of {self.predicted.name} on {self.dataset.name}"

    def _parts(self) -> list[str]:
        return [html_table(self.table(), ROWS)]


def compare_labels(
    dataset: AtomicDataset,
    predicted: Predicted,
    *,
    clusters: NDArray[np.integer] | None = None,
    cluster_names: Sequence[str] = (),
) -> Errors:
    """How far ``predicted`` labels are from those of ``dataset``; ``clusters`` (N,) are labels, -1 for none.

    Atoms that are a structure by themselves have no force that could be wrong.

    Raises MEAGraphError where no structure has both an energy, and no atom both forces, or where sizes differ.
    """
    shapes = (predicted.energy.shape, predicted.forces.shape)
    if shapes != ((dataset.n_structures,), (dataset.n_environments, 3)):
        raise MEAGraphError(
            f"Expected predictions for {dataset.n_structures:,} structures with {dataset.n_environments:,} "
            f"environments, but they have shapes {shapes}. Read them for this dataset."
        )
    found = Errors(
        dataset,
        predicted,
        (predicted.energy - dataset.energy) / dataset.sizes,
        np.where((dataset.sizes[dataset.structure_of] == 1)[:, None], np.nan, predicted.forces - dataset.forces),
        predicted.stress - dataset.stress,
        clusters,
        tuple(cluster_names),
    )
    if not np.isfinite(found.energy).any() and not np.isfinite(found.force).any():
        raise MEAGraphError(
            f"{dataset.name}: expected energies or forces in both the data and {predicted.name} "
            f"({predicted.words}), but nothing has both. Name the reference (--energy-key, --forces-key), or another "
            "family."
        )
    return found


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else np.nan


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
