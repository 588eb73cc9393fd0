"""Pictures of the clusters that a plan keeps and drops: the most central environment of each, as SVG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import as_cell, percent
from meagraph.display.palette import palette
from meagraph.display.pictures import Layer
from meagraph.inspection.thumbnails import thumbnail_svg
from meagraph.latent.clustering import Clusters
from meagraph.pruning.plan import PruningPlan

SHOWN = 24  # clusters of each kind, the largest
SIZE = 96  # pixels a side
FAINT = "#D9DEE4"


def cluster_pictures(
    dataset: AtomicDataset,
    clusters: Clusters,
    plan: PruningPlan,
    central: NDArray[np.int64],
    *,
    names: tuple[str, ...],
    cutoff: float,
) -> str:
    """Cards of the clusters of which structures stay, and of those of which none does, as HTML.

    ``central`` (C + 1,) are the most central environments, shown with what lies within ``cutoff`` Å; ``names`` (C,) say
    what sets clusters apart.
    """
    new = ~dataset.known_environments
    whole = clusters.count(new)[:-1]
    kept = clusters.count(plan.structures[dataset.structure_of] & new)[:-1]
    there = [label for label in np.argsort(-whole, kind="stable").tolist() if whole[label]]
    made = ""
    for title, chosen in (
        ("Kept", [label for label in there if kept[label]]),
        ("Dropped: no structure that holds one stays", [label for label in there if not kept[label]]),
    ):
        if not chosen:
            continue
        cards = "".join(
            _card(dataset, int(central[label]), label, names[label], int(kept[label]), int(whole[label]), cutoff)
            for label in chosen[:SHOWN]
        )
        more = f'<p class="note">and {len(chosen) - SHOWN:,} smaller ones</p>' if len(chosen) > SHOWN else ""
        made += f'<h3>{title}</h3><div class="cards">{cards}</div>{more}'
    return made


def kept_cluster_layers(clusters: Clusters, kept: NDArray[np.bool_]) -> list[Layer]:
    """The layers of a map of what stays by cluster: what does not, faint; ``kept`` (N,) are environments that stay."""
    layers: list[Layer] = [(~kept, FAINT, "left out"), (kept & (clusters.labels < 0), "#8A939C", "in no cluster")]
    colours = palette(clusters.n_clusters)
    largest = clusters.by_size[:12]
    layers += [
        (kept & (clusters.labels == label), colours[label], f"cluster {label}" if label in largest else "")
        for label in range(clusters.n_clusters)
    ]
    return [layer for layer in layers if layer[0].any()]


def _card(dataset: AtomicDataset, row: int, label: int, name: str, kept: int, whole: int, cutoff: float) -> str:
    atoms = dataset.structures[int(dataset.structure_of[row])]
    picture = thumbnail_svg(atoms, int(dataset.atom_of[row]), cutoff, size=SIZE)
    words = f"{kept:,} of {whole:,} ({percent(kept, whole)})"
    return f"<figure>{picture}<figcaption><b>{label}</b> {as_cell(name)}<br>{words}</figcaption></figure>"
