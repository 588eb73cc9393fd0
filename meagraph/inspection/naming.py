"""What clusters are called: in a few words, what sets each apart from the rest.

A word is taken only where it holds for more than half of a cluster's environments, and is among them at least MORE
times as frequent as among all others. Equal input gives equal names, and no two clusters have the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.inspection.phases import Phases
from meagraph.latent.clustering import Clusters, contingency

HALF = 0.5  # share of a cluster that a word must hold for more than
MORE = 1.25  # times as frequent as elsewhere, at least
PARTS = 3  # of a name, beside a number
PRESENT = 0.15  # share of a cluster from which a site counts as one of it
MIXED = "mixed"  # where no word sets a cluster apart


@dataclass(frozen=True, eq=False)
class Kind:
    """One thing that N environments are told by: K words, of which one holds for each environment, or none."""

    codes: NDArray[np.int64]  # (N,) into the words; K for none
    words: tuple[str, ...]  # (K,); a comma parts a word in two


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of N environments, made once, then read for any clusters of them."""

    kinds: tuple[Kind, ...]  # the most telling first
    sites: Kind  # of phases that have several
    phases: Phases

    def names(self, clusters: Clusters) -> tuple[str, ...]:
        """A name (C,) for each of ``clusters``, which may be of any level of a hierarchy."""
        bins, count = clusters.bins, clusters.n_clusters
        sizes = clusters.count()
        shares = [_Shares.of(kind, bins, sizes) for kind in self.kinds]
        sites = _Shares.of(self.sites, bins, sizes)
        found = []
        for cluster in range(count):
            others = np.arange(count + 1) != cluster
            words = [part for kind in shares for part in kind.word(cluster, others)]
            found.append(_first([*words[:1], *_sites(sites, cluster), *words[1:]]))
        return _unlike(found, shares)


@dataclass(frozen=True, eq=False)
class _Shares:
    """How frequent each of K words is in each of C clusters, and in what is in none, the last: (C + 1, K)."""

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    sizes: NDArray[np.int64]  # (C + 1,)

    @classmethod
    def of(cls, kind: Kind, bins: NDArray[np.int64], sizes: NDArray[np.int64]) -> _Shares:
        return cls(kind.words, contingency(bins, kind.codes, (len(sizes), len(kind.words) + 1))[:, :-1], sizes)

    def word(self, cluster: int, others: NDArray[np.bool_]) -> list[str]:
        """The parts of the word that sets a cluster apart from ``others`` (C + 1,); none where no word does."""
        inside = self.counts[cluster] / max(self.sizes[cluster], 1)
        outside = self.counts[others].sum(axis=0) / max(self.sizes[others].sum(), 1)
        fits = np.flatnonzero((inside > HALF) & (inside >= MORE * outside))
        if not len(fits):
            return []
        best = int(fits[np.argmax((inside - outside)[fits])])
        return self.words[best].split(", ")


def _sites(sites: _Shares, cluster: int) -> list[str]:
    """Which sites of its phase a cluster holds, where the phase has several."""
    share = sites.counts[cluster] / max(sites.sizes[cluster], 1)
    if share.sum() <= HALF:
        return []
    present = np.flatnonzero(share >= PRESENT)
    if len(present) == 1 and share[present[0]] > HALF:
        return [f"{sites.words[present[0]]} site"]
    return [f"{len(present)} sites"] if len(present) > 1 else []


def _first(words: list[str]) -> tuple[str, ...]:
    """The first PARTS of ``words`` that say something new: "liquid" says nothing after "liquid-like"."""
    parts: dict[str, str] = {}
    for word in words:
        begin, _, rest = word.partition(" ")
        new = rest if rest and begin.casefold() in parts else word  # of "bcc distorted", after "bcc", the second half
        parts.setdefault(new.casefold().split("-")[0], new)
    return tuple(parts.values())[:PARTS]


def _unlike(found: list[tuple[str, ...]], shares: list[_Shares]) -> tuple[str, ...]:
    """Names of the parts ``found`` (C,): clusters that share theirs get a word that tells them apart, or a number."""
    alike = Counter(found)
    told = []
    for cluster, parts in enumerate(found):
        if alike[parts] > 1:
            twins = np.array([other != cluster and theirs == parts for other, theirs in enumerate(found)] + [False])
            more = [part for kind in shares for part in kind.word(cluster, twins) if part not in parts]
            parts = (*parts[: PARTS - 1], *more[:1]) if more else parts
        told.append(", ".join(parts) or MIXED)
    names: list[str] = []
    taken = set(told)
    for name in told:
        number, shown = 1, name
        while shown in names or (number > 1 and shown in taken):
            number += 1
            shown = f"{name} {number}"
        names.append(shown)
    return tuple(names)
