"""What a plan costs: the error that a quick linear force field makes on structures it has never seen.

The basis is that of :mod:`meagraph.force_field.field`, the fit plain weighted least squares. All rows are computed once
(:func:`prepare`); the error of any plan is then one small solve (:func:`cost`), and that of random selections of
the same size (:func:`random_band`) says whether the plan is worth anything. The figures rank plans of one dataset;
they are no forecast of the error of a neural force field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Shown
from meagraph.errors import MEAGraphError
from meagraph.force_field.field import new_field, usual_distance
from meagraph.progress import Progress, silent

TEST = 0.3  # of the structures are held out
SPLITTABLE = 3  # structures from which a group gives some to the test
CAP = 60_000  # environments in fit and test together
ENERGY_WEIGHT = 3.0  # 1/Å: an error of 1 eV an atom counts as much as one of 3 eV/Å
RIDGE = 1e-6  # of the mean diagonal of the normal equations, columns scaled to unit mean square, but for rare ones
FORCELESS = 1e-6  # eV/Å: a group whose test forces are all smaller says nothing
_BLOCK = 4096  # environments


@dataclass(frozen=True, eq=False)
class Rows:
    """The linear equations of some structures: n environments of s structures, W coefficients, Z elements."""

    environments: NDArray[np.int64]  # (n,) in the dataset
    structures: NDArray[np.int64]  # (s,) in the dataset
    structure_of: NDArray[np.int64]  # (n,) into structures
    features: NDArray[np.float32]  # (n, 3, W) Å^-1 what multiplies the coefficients in the forces; 0 where unknown
    forces: NDArray[np.float64]  # (n, 3) eV/Å, 0 where unknown
    known: NDArray[np.bool_]  # (n,) whether the force is known
    energy_features: NDArray[np.float64]  # (s, W) per atom
    composition: NDArray[np.float64]  # (s, Z) share of each element
    energy: NDArray[np.float64]  # (s,) eV per atom, NaN where missing


@dataclass(frozen=True, eq=False)
class Prepared:
    """All that :func:`cost` needs of a dataset."""

    fit: Rows
    test: Rows
    groups: NDArray[np.str_]  # (n,) group of each test environment
    scale: NDArray[np.float64]  # (W,) root mean square of the columns of the fit's forces, at least the usual one
    shape: tuple[int, int]  # N, S of the dataset


@dataclass(frozen=True, eq=False, repr=False)
class Cost(Shown):
    """Errors on the held-out structures. Forces in eV/Å; RMSE and MAE are those of the components."""

    environments: int  # in the fit, with known forces
    structures: int  # that hold them
    rmse: float
    mae: float
    p99: float  # 99th percentile of the length of a force's error
    groups: dict[str, float]  # RMSE of each group whose test forces do not vanish
    energy_rmse: float  # eV per atom; NaN where the fit or the test has no energies
    coefficients: NDArray[np.float64]  # (W,)
    offsets: NDArray[np.float64]  # (Z,) eV, energy of each element on top

    @property
    def macro(self) -> float:
        """Mean of the groups' RMSE: every group counts the same, however small."""
        return float(np.mean(list(self.groups.values()))) if self.groups else float("nan")

    @property
    def worst_group(self) -> str:
        """The group of the largest RMSE; empty where there is none."""
        return max(self.groups, key=self.groups.__getitem__, default="")

    @property
    def worst(self) -> float:
        """RMSE of the worst group."""
        return self.groups.get(self.worst_group, float("nan"))


def prepare(
    dataset: AtomicDataset,
    *,
    test: float = TEST,
    cap: int = CAP,
    seed: int = 0,
    progress: Progress = silent,
) -> Prepared:
    """Compute the equations of all structures and hold out a share ``test`` of them.

    The split is by structure: of each group of at least SPLITTABLE structures, about that share and at least one are
    held out; smaller groups are never tested. Equal structures are on one side. Of a dataset of more than ``cap``
    environments a random sample of structures is taken that holds about as many, so that memory (12 W bytes an
    environment; W = 103 for one element, 222 for two, 967 at most) and time stay bounded; a plan is then judged by what
    it keeps of the sample. Raises MEAGraphError where there are no forces, no neighbours, or no structures to hold out.
    """
    if not 0.0 < test < 1.0:
        raise MEAGraphError(f"The share of held-out structures must lie between 0 and 1, got {test}.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(dataset.n_structures)
    usual = usual_distance(dataset, order)
    if not usual > 0.0 or not np.isfinite(dataset.forces).any():
        raise MEAGraphError(
            "The cost of a plan expects forces on atoms with neighbours within 4.5 Å, but the dataset has none. "
            "Name the forces when reading (--forces-key), or judge the plan by its coverage."
        )
    field = new_field(dataset.species, usual)
    sizes = dataset.sizes
    sample = np.sort(order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), cap, side="right")))])
    held = _held_out(dataset, sample, test, rng)
    if not held.any() or held.all():
        raise MEAGraphError(
            f"The cost of a plan expects a group of at least {SPLITTABLE} different structures, some to fit and some "
            f"to test, but the {len(sample)} structures have none. Add data, or give fewer groups."
        )
    total, done = int(sizes[sample].sum()), 0
    parts = []
    for structures in (sample[~held], sample[held]):
        rows = _empty(dataset, structures, field.width)
        first = 0
        for place, index in enumerate(structures):
            atoms = dataset.structures[index]
            found = field.neighbourhoods(atoms)
            here = slice(first, first + len(atoms))
            first = here.stop
            rows.energy_features[place] = found.energy_features(field) / len(atoms)
            if rows.known[here].any():
                rows.features[here] = found.force_features(field) * rows.known[here, None, None]
            done += len(atoms)
            if place % 64 == 0:
                progress(done, total, "quick force field")
        parts.append(rows)
    fit, tested = parts
    groups = dataset.groups[tested.structures][tested.structure_of]
    return Prepared(fit, tested, groups, _scale(fit), (dataset.n_environments, dataset.n_structures))


def _held_out(
    dataset: AtomicDataset, sample: NDArray[np.int64], test: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which structures of the ``sample`` (s,) are for the test: (s,)."""
    keys = np.array(dataset.structure_keys)[sample]
    distinct, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    groups = dataset.groups[sample][first]
    held = np.zeros(len(distinct), dtype=bool)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        if len(rows) >= SPLITTABLE:
            rows = rows[np.argsort(first[rows])]
            count = min(len(rows) - 1, max(1, round(test * len(rows))))
            held[rng.choice(rows, count, replace=False)] = True
    return np.asarray(held[inverse])


def _empty(dataset: AtomicDataset, structures: NDArray[np.int64], width: int) -> Rows:
    """The equations of ``structures`` without their features."""
    sizes = dataset.sizes[structures]
    structure_of = np.repeat(np.arange(len(structures)), sizes)
    within = np.arange(len(structure_of)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    environments = dataset.offsets[structures][structure_of] + within
    forces = dataset.forces[environments]
    known = np.isfinite(forces).all(axis=1)
    kinds = np.searchsorted(dataset.species, dataset.numbers[environments])
    counts = np.zeros((len(structures), len(dataset.species)))
    np.add.at(counts, (structure_of, kinds), 1.0)
    return Rows(
        environments=environments,
        structures=structures,
        structure_of=structure_of,
        features=np.zeros((len(environments), 3, width), dtype=np.float32),
        forces=np.where(known[:, None], forces, 0.0),
        known=known,
        energy_features=np.zeros((len(structures), width)),
        composition=counts / sizes[:, None],
        energy=dataset.energy[structures] / sizes,
    )


def _blocks(rows: Rows, chosen: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Features (3b, W) and forces (3b,) of ``chosen`` environments, block by block in double precision."""
    for start in range(0, len(chosen), _BLOCK):
        part = chosen[start : start + _BLOCK]
        features = rows.features[part].astype(np.float64)
        yield features.reshape(-1, features.shape[2]), rows.forces[part].ravel()


def _scale(rows: Rows) -> NDArray[np.float64]:
    """The unit (W,) of each column: its root mean square, at least the median of those that do not vanish.

    A column that hardly ever says anything, such as two atoms closer than any in the fit, would have a tiny unit: the
    ridge would leave its coefficient free, and one such pair in the test could cost more than everything else.
    """
    square = np.zeros(rows.features.shape[2])
    count = 0
    for features, _ in _blocks(rows, np.flatnonzero(rows.known)):
        square += np.einsum("nw,nw->w", features, features)
        count += len(features)
    scale = np.sqrt(square / max(count, 1))
    return np.maximum(scale, np.median(scale[scale > 0.0])) if scale.any() else np.ones_like(scale)


def cost(prepared: Prepared, keep: NDArray[np.bool_]) -> Cost:
    """Fit the force field to what a plan keeps and test it on the held-out structures.

    ``keep`` are environments (N,) or structures (S,) of the dataset; what it says of held-out structures, or of those
    beyond the cap, does not matter. The fit minimises, over the kept environments i of structures s,

        Σ_i |F_i - F̂_i|² + ENERGY_WEIGHT² Σ_i (e_s(i) - ê_s(i))²,

    with e the energy per atom, ê with a free offset for each element, plus the ridge: a kept environment brings its
    force and its share of its structure's energy. Raises MEAGraphError for a mask of another shape, and where fewer
    force components are kept than the field has coefficients.
    """
    environments, structures = prepared.shape
    fit = prepared.fit
    if keep.shape == (environments,):
        kept = keep[fit.environments]
    elif keep.shape == (structures,):
        kept = keep[fit.structures][fit.structure_of]
    else:
        raise MEAGraphError(
            f"A plan's mask must have the shape ({environments},) of environments or ({structures},) of structures, "
            f"got {keep.shape}. Take the mask of a plan of this dataset."
        )
    chosen = np.flatnonzero(kept & fit.known)
    width = fit.features.shape[2]
    if 3 * len(chosen) < width:
        raise MEAGraphError(
            f"The cost of a plan expects at least {-(-width // 3)} kept environments with forces outside the held-out "
            f"structures, for {width} coefficients, but this plan keeps {len(chosen)}. Keep more."
        )
    coefficients, offsets = _solve(prepared, chosen, np.bincount(fit.structure_of[kept], minlength=len(fit.structures)))
    error = _force_errors(prepared.test, coefficients)
    return Cost(
        environments=len(chosen),
        structures=len(np.unique(fit.structure_of[chosen])),
        rmse=float(np.sqrt((error**2).mean())),
        mae=float(np.abs(error).mean()),
        p99=float(np.quantile(np.linalg.norm(error, axis=1), 0.99)),
        groups=_by_group(prepared, error),
        energy_rmse=_energy_error(prepared.test, coefficients, offsets),
        coefficients=coefficients,
        offsets=offsets,
    )


def random_band(prepared: Prepared, size: int, seeds: Sequence[int]) -> tuple[Cost, ...]:
    """The same of random selections of ``size`` environments with forces, one a seed, from all that a fit may see.

    Compare with a plan of as many: ``random_band(prepared, cost(prepared, plan.keep).environments, range(10))``.
    Raises MEAGraphError where there are not as many, or fewer than a fit needs.
    """
    free = prepared.fit.environments[prepared.fit.known]
    if size > len(free):
        raise MEAGraphError(f"Expected at most {len(free)} environments for random selections, got {size}. Take fewer.")
    found = []
    for seed in seeds:
        keep = np.zeros(prepared.shape[0], dtype=bool)
        keep[np.random.default_rng(seed).choice(free, size, replace=False)] = True
        found.append(cost(prepared, keep))
    return tuple(found)


def _solve(
    prepared: Prepared, chosen: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients (W,) and offsets (Z,) from the forces of ``chosen`` environments and energies weighed by ``counts``.

    The offsets carry no ridge: they are projected out of the energies first (Frisch and Waugh, Econometrica 1, 387,
    1933). Without energies they are NaN.
    """
    fit, scale = prepared.fit, prepared.scale
    gram = np.zeros((len(scale), len(scale)))
    right = np.zeros(len(scale))
    for features, forces in _blocks(fit, chosen):
        gram += features.T @ features
        right += features.T @ forces
    gram /= np.outer(scale, scale)
    right /= scale
    used = np.flatnonzero(np.isfinite(fit.energy) & (counts > 0))
    weight = counts[used, None].astype(np.float64)
    composition, energy, rows = fit.composition[used], fit.energy[used], fit.energy_features[used]
    to_offsets = np.linalg.pinv((weight * composition).T @ composition) @ (weight * composition).T  # (Z, s)
    if len(used):
        apart = (rows - composition @ (to_offsets @ rows)) / scale
        gram += ENERGY_WEIGHT**2 * (weight * apart).T @ apart
        right += ENERGY_WEIGHT**2 * (weight * apart).T @ (energy - composition @ (to_offsets @ energy))
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram) + np.finfo(float).tiny
    coefficients = scipy.linalg.solve(gram, right, assume_a="pos") / scale
    offsets = to_offsets @ (energy - rows @ coefficients) if len(used) else np.full(composition.shape[1], np.nan)
    return coefficients, offsets


def _force_errors(test: Rows, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors (k, 3) in eV/Å of the k known forces of the test; one row of NaN where there are none."""
    blocks = _blocks(test, np.flatnonzero(test.known))
    found = [(features @ coefficients - forces).reshape(-1, 3) for features, forces in blocks]
    return np.concatenate(found) if found else np.full((1, 3), np.nan)


def _by_group(prepared: Prepared, error: NDArray[np.float64]) -> dict[str, float]:
    """RMSE of each group from the ``error`` (k, 3) of the known forces, but for groups whose forces vanish."""
    known = prepared.test.known
    size = np.abs(prepared.test.forces[known]).max(axis=1)
    found = {}
    for group in np.unique(prepared.groups[known]):
        rows = prepared.groups[known] == group
        if size[rows].max() > FORCELESS:
            found[str(group)] = float(np.sqrt((error[rows] ** 2).mean()))
    return found


def _energy_error(test: Rows, coefficients: NDArray[np.float64], offsets: NDArray[np.float64]) -> float:
    """RMSE in eV per atom over the structures of the test."""
    used = np.isfinite(test.energy)
    if not used.any():
        return float("nan")
    found = test.energy_features[used] @ coefficients + test.composition[used] @ offsets
    return float(np.sqrt(((found - test.energy[used]) ** 2).mean()))
