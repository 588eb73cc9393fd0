"""Which environments look unlike the rest or carry suspicious labels, and why.

Each signal is first a deviation: how far a quantity is beyond the usual, for most signals beyond that of the
structures that are most alike, in units of their spread. Then its rarity: the number of decades by which the tail of
this signal in this dataset makes so large a deviation improbable. So a signal with a long tail, as isolation has where
environments are diverse, must stand out further than one that hardly varies. The score is the largest rarity in units
of the alarm level: 1 and above is a candidate. Being in no cluster adds to it but never raises the alarm alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.force_field.observing import Observed, observe
from meagraph.graph.condensation import Condensed, Points
from meagraph.latent.clustering import NOISE, Clusters, cut
from meagraph.outliers import energies, forces, geometry, novelty, twins
from meagraph.outliers.alike import alike_structures
from meagraph.outliers.each import stand_out
from meagraph.outliers.families import off
from meagraph.outliers.fitting import misfit
from meagraph.outliers.signals import ALARM, Outliers, Signal
from meagraph.outliers.together import off_together
from meagraph.progress import Progress, part, silent
from meagraph.workers import HERE, Workers

NOISE_SHARE = 0.25  # what being in no cluster adds to the score


def score_outliers(
    points: Points,
    condensed: Condensed,
    clusters: Clusters,
    dataset: AtomicDataset,
    *,
    error: NDArray[np.floating] | None = None,
    linked: NDArray[np.floating] | None = None,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Outliers:
    """Score every environment; ``points`` (N, D) are the descriptors with columns of unit norm.

    What a trained model says is optional: the ``error`` (N,) of the reconstruction of each environment, and the number
    (N,) of environments ``linked`` to it in the pooled latent graph. All pairs of atoms are looked at by ``workers``.
    Raises MEAGraphError where these do not fit.
    """
    for name, values in (("error", error), ("linked", linked)):
        if values is not None and (np.shape(values) != (len(points),) or not np.isfinite(values).all()):
            raise MEAGraphError(
                f"Expected {name} as one finite number for each of the {len(points)} environments, but it has shape "
                f"{np.shape(values)} or holds NaN. Take it from the model that embedded this dataset, or leave it out."
            )
    seen = observe(dataset, workers=workers, progress=part(progress, 0.05, 0.7))
    return score_seen(
        points, condensed, clusters, dataset, seen, error=error, linked=linked, workers=workers, progress=progress
    )


def score_seen(
    points: Points,
    condensed: Condensed,
    clusters: Clusters,
    dataset: AtomicDataset,
    seen: Observed,
    *,
    error: NDArray[np.floating] | None = None,
    linked: NDArray[np.floating] | None = None,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Outliers:
    """The same with what the quick field has ``seen``, which other energies leave as it is."""
    alike = alike_structures(points, dataset, workers=workers, progress=part(progress, 0.7, 0.75))
    residual = misfit(dataset.energy / dataset.sizes, seen, alike, dataset)
    cluster = clusters_of_structures(clusters, dataset)
    families = off_together(seen, alike, dataset, residual.away, cluster)
    progress(750, 1000, "outliers: families")
    sound = ~np.isin(np.arange(dataset.n_structures), off(families))
    steps: tuple[Callable[[], Sequence[Signal]], ...] = (
        lambda: novelty.isolation(points, condensed, dataset),
        lambda: [] if error is None else [novelty.reconstruction(error, dataset)],
        lambda: [] if linked is None else [novelty.latent_links(linked, dataset)],
        lambda: [
            geometry.short_distance(seen, alike, dataset),
            geometry.coordination(seen, alike, dataset),
            geometry.volume(alike, dataset),
        ],
        lambda: forces.forces(seen, alike, dataset),
        lambda: energies.energy(residual, alike, dataset, sound),
        lambda: [energies.pressure(seen, alike, dataset)] if np.isfinite(dataset.stress).any() else [],
        lambda: twins.disagreement(alike, dataset, residual.away, sound),
    )
    signals: list[Signal] = []
    for done, step in enumerate(steps, 1):
        for signal in step():
            signals.append(signal)
            progress(750 + 250 * done // len(steps), 1000, f"outliers: {signal.name}")
    strongest = np.zeros(dataset.n_environments)  # no rarity is less
    for signal in signals:
        np.maximum(strongest, signal.rarity, out=strongest)
    strongest /= ALARM
    for family in families:
        strongest[family.rows] = np.maximum(strongest[family.rows], family.score)
    first = dataset.offsets[:-1]
    by_structure = [(signal.name, np.maximum.reduceat(signal.rarity, first)) for signal in signals]
    families += stand_out(np.maximum.reduceat(strongest, first), by_structure, families, dataset)
    families = tuple(sorted(families, key=lambda one: -one.score))
    unclustered = clusters.labels == NOISE
    return Outliers(
        strongest + NOISE_SHARE * unclustered * (strongest < 1.0) * (1.0 - strongest),
        unclustered,
        tuple(signals),
        families,
    )


def clusters_of_structures(clusters: Clusters, dataset: AtomicDataset) -> NDArray[np.int64] | None:
    """The cluster (S,) that most environments of each structure lie in, -1 for none; None where there is but one.

    Of a hierarchy the default level counts, for scores are the same at any level.
    """
    tree = clusters.hierarchy
    if tree is not None and tree.default != clusters.n_clusters:
        clusters = cut(tree, tree.default, clusters.settings)
    if clusters.n_clusters < 2:
        return None
    width = clusters.n_clusters + 1
    counts = np.bincount(dataset.structure_of * width + clusters.bins, minlength=dataset.n_structures * width)
    cluster = counts.reshape(-1, width).argmax(axis=1)
    return np.where(cluster == clusters.n_clusters, -1, cluster)
