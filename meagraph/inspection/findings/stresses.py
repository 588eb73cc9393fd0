"""Stress against energies and forces: another sign, another order of its elements, another unit than they tell.

Sign and order are told by source and from the part of the stress that has no trace, of which forces alone say enough.
Units are told by source and group: by the work along small strains where there are such, else by the size of what a
field fitted to energies and forces expects (:mod:`.field_stress`), wherever the sample determines that.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.entries import gathered
from meagraph.datasets.strains import small_steps
from meagraph.datasets.stress import AS_IT_IS, UNITS, Way, fitting
from meagraph.inspection.findings.field_stress import WEIGHT, Compared, compare
from meagraph.inspection.findings.finding import Finding, finding

ENOUGH = 12  # structures of a source, below which nothing is said of sign and order
AGREE = 0.7  # median cosine of stress and what is told, above which they are taken to be the same thing
OTHER_ORDER, THIS_ORDER = 0.9, 0.85  # the same of the best order of the off-diagonals, and of the one there is
SHEARED = 0.1  # of the length of a stress, below which its off-diagonals may be mere rounding
NAMES, USUAL = ("yz", "xz", "xy"), (0, 1, 2)
FEW = 3  # structures of a group, below which nothing is said of its unit
ALIKE = 0.8  # correlation of stress and what is told of a group, of either sign
STEADY = 0.3  # of what is told of a group, by how much it may hang on the ridge
FAR = 20.0  # times too large or too small; in sound groups 0.26 to 2.7
NEAR, EXACT = 4.0, 1.1  # times, within which a usual mistake explains the size that a field or small strains tell
LIKELY = {f"in {name}": 1.0 / unit for name, unit in UNITS.items() if unit != 1.0}
TURNED = "of the other sign (positive in compression)"


def stresses(dataset: AtomicDataset, *, seed: int = 0) -> list[Finding]:
    """Sources whose stress does not go with energies and forces, and groups of them."""
    labelled = np.isfinite(dataset.stress).all(axis=(1, 2)) & (dataset.volumes > 0.0)
    _, group = np.unique(dataset.groups, return_inverse=True)
    parts = dataset.source_index * (group.max() + 1) + group
    forces = np.logical_and.reduceat(np.isfinite(dataset.forces).all(axis=1), dataset.offsets[:-1])
    usable = labelled & forces & (dataset.sizes > 1)
    compared = compare(dataset, usable, dataset.source_index, seed=seed) if usable.sum() > FEW else None
    if compared is None:
        return _units(dataset, labelled, parts, None)
    by_group = compare(dataset, usable, parts, seed=seed) if group.any() and compared.whole else compared
    return [*_conventions(dataset, compared), *_units(dataset, labelled, parts, by_group)]


def _conventions(dataset: AtomicDataset, compared: Compared) -> list[Finding]:
    """Sources with another sign or order of the elements."""
    source = dataset.source_index[compared.structures]
    found = []
    for index, one in enumerate(dataset.sources):
        rows = np.flatnonzero(source == index)
        stress, told = deviatoric(compared.stress[rows]), deviatoric(compared.told[rows])
        words = judge(stress, told) if len(rows) >= ENOUGH else ""
        if words:
            concerned = np.isfinite(dataset.stress).all(axis=(1, 2)) & (dataset.source_index == index)
            text = f"The stress of {one.path or dataset.name} {words}, judged by the forces of {len(rows)} structures."
            found.append(finding("stress-convention", "warning", text, np.flatnonzero(concerned)))
    return found


def judge(stress: NDArray[np.float64], told: NDArray[np.float64]) -> str:
    """What is odd of stresses (k, 6) without trace beside what is told of them; "" where nothing is, or can be said."""
    said = []
    order = _order(stress, told)
    if order != USUAL:
        written = " ".join(NAMES[order.index(place)] for place in USUAL)
        said.append(f"has its off-diagonal elements in another order (they look like {written}, not yz xz xy)")
        stress = np.concatenate([stress[:, :3], stress[:, 3:][:, order]], axis=1)
    clear = _length(told) >= np.median(_length(told))
    if np.median(_cosines(stress[clear] * WEIGHT, told[clear] * WEIGHT)) <= -AGREE:
        said.append("has the other sign (it seems to be positive in compression)")
    return " and ".join(said)


def _order(stress: NDArray[np.float64], told: NDArray[np.float64]) -> tuple[int, ...]:
    """Places of yz, xz and xy among the off-diagonals of stresses (k, 6); as usual unless another order is clear."""
    clear = np.logical_and(*(np.linalg.norm(one[:, 3:], axis=1) > SHEARED * _length(one) for one in (stress, told)))
    if clear.sum() < ENOUGH:
        return USUAL
    fits = {
        order: abs(float(np.median(_cosines(stress[clear, 3:][:, order], told[clear, 3:]))))
        for order in itertools.permutations(USUAL)
    }
    best = max(fits, key=fits.__getitem__)
    return best if fits[best] >= OTHER_ORDER and fits[USUAL] <= THIS_ORDER else USUAL


def _units(
    dataset: AtomicDataset, labelled: NDArray[np.bool_], parts: NDArray[np.int64], compared: Compared | None
) -> list[Finding]:
    """Groups of a source whose stress is in another unit, those of one source with one verdict together."""
    verdicts: dict[tuple[int, str], list[int]] = {}
    for part in np.unique(parts[labelled]).tolist():
        rows = np.flatnonzero(labelled & (parts == part))
        words = _by_steps(dataset, rows)
        if words is None and compared is not None and compared.whole:
            words = by_size(compared, np.flatnonzero(parts[compared.structures] == part), dataset.volumes)
        if words:
            verdicts.setdefault((int(dataset.source_index[rows[0]]), words), []).append(part)
    found = []
    for (index, words), members in verdicts.items():
        concerned = np.flatnonzero(labelled & np.isin(parts, members))
        here = np.unique(parts[labelled & (dataset.source_index == index)])
        name = dataset.sources[index].path or dataset.name
        if len(members) < len(here):
            groups = sorted({str(group) for group in dataset.groups[concerned]})
            more = f" and {len(groups) - 3} more" if len(groups) > 3 else ""
            name += f" in {', '.join(groups[:3])}{more}"
        found.append(finding("stress-unit", "warning", f"The stress of {name} {words}.", concerned))
    return found


def _by_steps(dataset: AtomicDataset, rows: NDArray[np.int64]) -> str | None:
    """What the work along small strains says of the stress of structures: "" for sound, None for nothing."""
    atoms, _ = gathered(dataset.offsets, rows)
    steps = small_steps(dataset.structures.taken(rows), dataset.energy[rows], dataset.forces[atoms])
    way = fitting(steps, dataset.stress[rows], dataset.volumes[rows], _mistakes())
    if way is None or way == AS_IT_IS:
        return None if way is None else ""
    return f"{way.words}, judged by the energies along small strains from one structure to another"


def _mistakes() -> list[Way]:
    """What may have gone wrong with a stress that is thought to be in eV/Å³."""
    sizes = sorted({1.0, *(a / b for a, b in itertools.permutations(UNITS.values(), 2))})
    found = [AS_IT_IS]
    for size, sign in itertools.product(sizes, (1.0, -1.0)):
        if (size, sign) != (1.0, 1.0):
            found.append(Way(f"is {said(1.0 / size, sign, EXACT, LIKELY)}", sign * size))
    return [*found, Way("is a virial in eV", -1.0, -1), Way("is a virial in eV with the sign turned", 1.0, -1)]


def by_size(compared: Compared, rows: NDArray[np.int64], volumes: NDArray[np.float64]) -> str:
    """What is odd of the size of the stress of some ``rows`` of what was compared; "" where nothing is or can be said.

    They must point where they are told to, or against it, and what is told must not hang on the ridge.
    """
    if len(rows) < FEW:
        return ""
    stress, told, loosely = (one[rows] * WEIGHT for one in (compared.stress, compared.told, compared.loosely))
    size, expected, other, apart = (float(np.linalg.norm(one)) for one in (stress, told, loosely, told - loosely))
    if min(size, expected) == 0.0 or apart > STEADY * min(expected, other):
        return ""
    alike, times = float((stress * told).sum()) / (size * expected), size / expected
    if abs(alike) < ALIKE or 1.0 / FAR < times < FAR:
        return ""
    sign = 1.0 if alike > 0.0 else -1.0
    virial = {} if sign > 0.0 else {"a virial in eV": float(np.median(volumes[compared.structures[rows]]))}
    return (
        f"is {said(times, sign, NEAR, LIKELY | virial)}, judged by what a field fitted to the energies and forces of "
        f"{len(compared.structures)} structures expects"
    )


def said(times: float, sign: float, near: float, likely: dict[str, float]) -> str:
    """A size and a sign, beside what they should be, in words; of the ``likely`` reasons one within ``near`` times."""
    turned = TURNED if sign < 0.0 else ""
    if times == 1.0:
        return turned
    size = f"about {float(f'{max(times, 1.0 / times):.2g}'):,.10g} times too {'large' if times > 1.0 else 'small'}"
    best = min(likely, key=lambda name: abs(np.log(times / likely[name])))
    reason = f", as if it were {best}" if abs(np.log(times / likely[best])) < np.log(near) else ""
    return f"{size}{f' and {turned}' if turned else ''}{reason}"


def deviatoric(stress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stress (k, 6) without its isotropic part."""
    found = stress.copy()
    found[:, :3] -= stress[:, :3].mean(axis=1, keepdims=True)
    return found


def _length(stress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length (k,) of the matrices whose six numbers are the rows (k, 6)."""
    return np.asarray(np.linalg.norm(stress * WEIGHT, axis=1))


def _cosines(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of the angle between rows (k, d), 0 where one is zero."""
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray(np.einsum("kd,kd->k", one, other) / np.where(size > 0.0, size, np.inf))
