"""The equations behind the cost of a plan: what the quick force field says of each structure, once for all plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.force_field.field import new_field, usual_distance
from meagraph.progress import Progress, silent

TEST = 0.3  # of the structures are held out
SPLITTABLE = 3  # structures from which a group gives some to the test
CAP = 60_000  # environments in fit and test together
VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))  # rows and columns of a stress in the order xx yy zz yz xz xy
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
class Stressed:
    """The linear equations of the stresses of k structures, six numbers each in Voigt's order."""

    features: NDArray[np.float32]  # (k, 6, W) Å^-3 what multiplies the coefficients
    stress: NDArray[np.float64]  # (k, 6) eV/Å³


@dataclass(frozen=True, eq=False)
class Prepared:
    """All that :func:`meagraph.evaluation.force_error.cost` needs of a dataset."""

    fit: Rows
    test: Rows
    groups: NDArray[np.str_]  # (n,) group of each test environment
    scale: NDArray[np.float64]  # (W,) root mean square of the columns of the fit's forces, at least the usual one
    shape: tuple[int, int]  # N, S of the dataset
    stressed: Stressed | None = None  # structures of the test whose stress is known; None where there is none
    known: NDArray[np.bool_] | None = None  # (S,) structures known already, which every fit takes; None for none

    @property
    def given(self) -> NDArray[np.bool_]:
        """Structures (s,) of the fit that are known already."""
        some = len(self.fit.structures)
        return np.zeros(some, dtype=bool) if self.known is None else self.known[self.fit.structures]


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
    environment, 24 W a held-out structure with stress; W = 103 for one element, 222 for two, 967 at most) and time stay
    bounded; a plan is then judged by what it keeps of the sample. Raises MEAGraphError where there are no forces, no
    neighbours, or no structures to hold out.
    """
    if not 0.0 < test < 1.0:
        raise MEAGraphError(f"The share of held-out structures must lie between 0 and 1, got {test}.")
    order = np.random.default_rng(seed).permutation(dataset.n_structures)
    usual = usual_distance(dataset, order)
    if not usual > 0.0 or not np.isfinite(dataset.forces).any():
        raise MEAGraphError(
            "The cost of a plan expects forces on atoms with neighbours within 4.5 Å, but the dataset has none. "
            "Name the forces when reading (--forces-key), or judge the plan by its coverage."
        )
    field = new_field(dataset.species, usual)
    fitted, held = split(dataset, test=test, cap=cap, seed=seed)
    strained = np.isfinite(dataset.stress).all(axis=(1, 2)) & (dataset.volumes > 0.0)
    strained[fitted] = False  # no fit takes them
    virials = []
    total, done = int(dataset.sizes[fitted].sum() + dataset.sizes[held].sum()), 0
    parts = []
    for structures in (fitted, held):
        rows = _empty(dataset, structures, field.width)
        first = 0
        for place, index in enumerate(structures):
            atoms = dataset.structures.plain(index)
            found = field.neighbourhoods(atoms)
            here = slice(first, first + len(atoms))
            first = here.stop
            rows.energy_features[place] = found.energy_features(field) / len(atoms)
            if strained[index]:
                features, virial = found.gradients(field)
                rows.features[here] = features * rows.known[here, None, None]
                virials.append((virial / dataset.volumes[index]).astype(np.float32))
            elif rows.known[here].any():
                rows.features[here] = found.force_features(field) * rows.known[here, None, None]
            done += len(atoms)
            if place % 64 == 0:
                progress(done, total, "quick force field")
        parts.append(rows)
    fit, tested = parts
    groups = dataset.groups[tested.structures][tested.structure_of]
    chosen = tested.structures[strained[tested.structures]]
    stressed = Stressed(np.array(virials), dataset.stress[chosen][:, *VOIGT]) if virials else None
    return Prepared(
        fit, tested, groups, scale_of(fit), (dataset.n_environments, dataset.n_structures), stressed, dataset.known
    )


def split(
    dataset: AtomicDataset, *, test: float = TEST, cap: int = CAP, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The structures to fit and those held out, as :func:`prepare` takes them. Raises MEAGraphError for none of one."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(dataset.n_structures)
    sizes = dataset.sizes
    sample = np.sort(order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), cap, side="right")))])
    held = _held_out(dataset, sample, test, rng)
    if not held.any() or held.all():
        raise MEAGraphError(
            f"The cost of a plan expects a group of at least {SPLITTABLE} different structures, some to fit and some "
            f"to test, but the {len(sample)} structures have none. Add data, or give fewer groups."
        )
    return sample[~held], sample[held]


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


def blocks(rows: Rows, chosen: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Features (3b, W) and forces (3b,) of ``chosen`` environments, block by block in double precision."""
    for start in range(0, len(chosen), _BLOCK):
        part = chosen[start : start + _BLOCK]
        features = rows.features[part].astype(np.float64)
        yield features.reshape(-1, features.shape[2]), rows.forces[part].ravel()


def scale_of(rows: Rows) -> NDArray[np.float64]:
    """The unit (W,) of each column: its root mean square, at least the median of those that do not vanish.

    A column that hardly ever says anything, such as two atoms closer than any in the fit, would have a tiny unit: the
    ridge would leave its coefficient free, and one such pair in the test could cost more than everything else.
    """
    square = np.zeros(rows.features.shape[2])
    count = 0
    for features, _ in blocks(rows, np.flatnonzero(rows.known)):
        square += np.einsum("nw,nw->w", features, features)
        count += len(features)
    scale = np.sqrt(square / max(count, 1))
    return np.maximum(scale, np.median(scale[scale > 0.0])) if scale.any() else np.ones_like(scale)
