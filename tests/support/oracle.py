"""The published MEAGraph method, dense and slow: what the fast library is compared with.

Source: "Unsupervised Atomic Data Mining via Multi-Kernel Graph Autoencoders for Machine Learning Force
Fields", arXiv 2509.12358. Everything is float64; a graph of M nodes is a symmetric (M, M) boolean matrix;
every matrix of weights acts from the right, ``y = x @ weight`` (so it is the transpose of a
``torch.nn.Linear`` weight).

Decisions where the description leaves room:

1. A column of zeros has no unit norm; it stays zero.
2. The similarity graph looks at pairs i != j only. Neither the extrema of s nor the edges know the
   diagonal.
3. Both inequalities of the threshold are strict, and so is "above the pooling rate".
4. Where all similarities (or all scores) are equal, the rescaling gives 1 for all: such edges pass every
   pooling rate below 1 and none from 1 on. One lone edge is such a case. Rescaling nothing gives nothing.
5. A graph that enters a layer has its self-loops. A self-loop's attention is exactly 1, for every kernel.
6. Self-loops take no part in pooling: they are neither counted in the extrema of the scores nor removable.
7. The column norms of ``h`` (inside a kernel) serve the attention only; the messages and the residual carry
   the unscaled ``h``.
8. LeakyReLU acts on each kernel's output *before* the mean over kernels, and once more after U; the unit
   column norms come last. The latent embedding is the output of the last layer, so it has unit column norms
   too.
9. The scores are the plain attention of that layer, not divided by the sum over neighbours; so they are
   symmetric.
10. The encoder stores the edges that *enter* each layer (with self-loops); the decoder reads these in
    reverse. The graph left by the last pooling is read by the clusters alone.
11. In the decoder neither W0 nor V has a bias, the residual is the unscaled ``h`` added after V, there are
    no column norms between layers, and the last linear map (with bias) follows the last layer without a
    LeakyReLU.
12. The loss is the mean over all entries, against the input as the encoder saw it: isolated environments
    have left, and the columns are scaled anew.
13. An environment that left the graph as isolated is a singleton cluster, like one that lost its edges in
    pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OFFSET = 1e-5
LEAKY_SLOPE = 0.01
LOWER = 0.9 - 1e-5
UPPER = 1.0 + 1e-5


@dataclass(frozen=True, eq=False)
class EncoderLayerWeights:
    """One encoder layer of K kernels."""

    kernels: np.ndarray  # (K, D, H): W_k
    beta: np.ndarray  # (K,)
    mixing: np.ndarray  # (H, H): U
    bias: np.ndarray  # (H,): of U


@dataclass(frozen=True, eq=False)
class DecoderLayerWeights:
    """One decoder layer, which has a single kernel."""

    kernel: np.ndarray  # (D, H): W0
    beta: float
    mixing: np.ndarray  # (H, H): V


@dataclass(frozen=True, eq=False)
class DecoderWeights:
    """The decoder: layers from the latent width back to D, and the last linear map."""

    layers: tuple[DecoderLayerWeights, ...]
    output: np.ndarray  # (D, D)
    bias: np.ndarray  # (D,)


@dataclass(frozen=True, eq=False)
class Graph:
    """The similarity graph of M nodes, those of N environments that have an edge."""

    nodes: np.ndarray  # (M,) rows of the descriptors, ascending
    x: np.ndarray  # (M, D) with unit column norms over the M rows
    edges: np.ndarray  # (M, M) bool, symmetric, without self-loops


@dataclass(frozen=True, eq=False)
class Encoding:
    """What the encoder returns, for L layers."""

    values: np.ndarray  # (M, H) latent embedding
    entering: tuple[np.ndarray, ...]  # L times (M, M) bool: the edges each layer reads, with self-loops
    scores: tuple[np.ndarray, ...]  # L times (M, M): a_ij where `entering` has an edge, else NaN
    latent_edges: np.ndarray  # (M, M) bool: left by the last pooling, with self-loops


def unit_columns(x: np.ndarray) -> np.ndarray:
    """Scale every column of (M, D) to unit L2 norm."""
    scaled = np.zeros(x.shape)
    for column in range(x.shape[1]):
        norm = np.sqrt(np.sum(x[:, column] ** 2))
        if norm > 0:
            scaled[:, column] = x[:, column] / norm
    return scaled


def pair_distances(x: np.ndarray) -> np.ndarray:
    """All Euclidean distances between rows of (M, D), as (M, M)."""
    distances = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        distances[i] = np.sqrt(np.sum((x - x[i]) ** 2, axis=1))
    return distances


def rescale(scores: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Map (M, M) scores to (0, 1] by their extrema over ``pairs`` (M, M) bool; elsewhere NaN."""
    rescaled = np.full(scores.shape, np.nan)
    if pairs.any():
        smallest, largest = scores[pairs].min(), scores[pairs].max()
        rescaled[pairs] = (scores[pairs] - smallest + OFFSET) / (largest - smallest + OFFSET)
    return rescaled


def rescaled_similarity(x: np.ndarray) -> np.ndarray:
    """The similarity s̃ (N, N) of environments with descriptors (N, D); NaN on the diagonal."""
    similarity = np.exp(-pair_distances(unit_columns(x)))
    return rescale(similarity, ~np.eye(len(x), dtype=bool))


def similarity_graph(x: np.ndarray, lower: float = LOWER, upper: float = UPPER) -> Graph:
    """The similarity graph of descriptors (N, D): the pairs with lower < s̃ < upper."""
    similarity = rescaled_similarity(x)
    edges = (similarity > lower) & (similarity < upper)  # NaN on the diagonal compares as False
    nodes = np.flatnonzero(edges.any(axis=1))
    return Graph(nodes=nodes, x=unit_columns(unit_columns(x)[nodes]), edges=edges[np.ix_(nodes, nodes)])


def with_self_loops(edges: np.ndarray) -> np.ndarray:
    """The graph (M, M) with every self-loop."""
    return edges | np.eye(len(edges), dtype=bool)


def without_self_loops(edges: np.ndarray) -> np.ndarray:
    """The graph (M, M) without any self-loop."""
    return edges & ~np.eye(len(edges), dtype=bool)


def leaky_relu(x: np.ndarray) -> np.ndarray:
    """LeakyReLU, entry by entry."""
    return np.where(x > 0, x, LEAKY_SLOPE * x)


def attention(h: np.ndarray, beta: float) -> np.ndarray:
    """α (M, M) of ``h`` (M, H) for all pairs, joined or not."""
    return np.exp(-beta * pair_distances(unit_columns(h)))


def neighbour_mean(h: np.ndarray, alpha: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The mean (M, H) of ``h`` over each node's neighbours by ``alpha``; ``edges`` has self-loops."""
    mean = np.zeros(h.shape)
    for i in range(len(h)):
        weighted, total = np.zeros(h.shape[1]), 0.0
        for j in np.flatnonzero(edges[i]):
            weighted += alpha[i, j] * h[j]
            total += alpha[i, j]
        mean[i] = weighted / total
    return mean


def encoder_layer(x: np.ndarray, edges: np.ndarray, weights: EncoderLayerWeights) -> tuple[np.ndarray, np.ndarray]:
    """Return the output (M, H) and the scores (M, M), NaN where ``edges`` (with self-loops) has none."""
    activated, alphas = [], []
    for kernel, beta in zip(weights.kernels, weights.beta, strict=True):
        h = x @ kernel
        alpha = attention(h, float(beta))
        activated.append(leaky_relu(neighbour_mean(h, alpha, edges) + h))
        alphas.append(alpha)
    mixed = np.mean(activated, axis=0) @ weights.mixing + weights.bias
    return unit_columns(leaky_relu(mixed)), np.where(edges, np.mean(alphas, axis=0), np.nan)


def pool(edges: np.ndarray, scores: np.ndarray, rate: float) -> np.ndarray:
    """Keep the edges whose rescaled score is above ``rate``; the result (M, M) has all self-loops."""
    proper = without_self_loops(edges)
    kept = rescale(scores, proper) > rate  # NaN elsewhere compares as False
    return with_self_loops(kept)


def encode(x: np.ndarray, edges: np.ndarray, layers: Sequence[EncoderLayerWeights], rates: Sequence[float]) -> Encoding:
    """Run the encoder on ``x`` (M, D) and a graph (M, M); one pooling rate a layer."""
    entering, scores = [], []
    values, current = x, with_self_loops(edges)
    for weights, rate in zip(layers, rates, strict=True):
        entering.append(current)
        values, layer_scores = encoder_layer(values, current, weights)
        scores.append(layer_scores)
        current = pool(current, layer_scores, rate)
    return Encoding(values=values, entering=tuple(entering), scores=tuple(scores), latent_edges=current)


def decoder_layer(z: np.ndarray, edges: np.ndarray, weights: DecoderLayerWeights) -> np.ndarray:
    """One decoder layer: (M, D) to (M, H), without the LeakyReLU that stands between layers."""
    h = z @ weights.kernel
    return neighbour_mean(h, attention(h, weights.beta), edges) @ weights.mixing + h


def decode(z: np.ndarray, entering: Sequence[np.ndarray], weights: DecoderWeights) -> np.ndarray:
    """Run the decoder on ``z`` (M, H), with the encoder's stored edges in the encoder's order: (M, D)."""
    for number, (layer, edges) in enumerate(zip(weights.layers, reversed(entering), strict=True)):
        if number > 0:
            z = leaky_relu(z)
        z = decoder_layer(z, edges, layer)
    return z @ weights.output + weights.bias


def mean_squared_error(output: np.ndarray, target: np.ndarray) -> float:
    """The training loss: the mean over all entries."""
    return float(np.mean((output - target) ** 2))


def clusters(nodes: np.ndarray, latent_edges: np.ndarray, n_environments: int) -> np.ndarray:
    """Label (N,) all environments by connected component, numbered by each component's first environment.

    ``nodes`` (M,) are the rows of the graph's nodes. Whoever has no edge gets a label of its own.
    """
    neighbours: list[list[int]] = [[] for _ in range(n_environments)]
    for i, j in np.argwhere(latent_edges):
        neighbours[nodes[i]].append(int(nodes[j]))
    labels = np.full(n_environments, -1)
    n_labels = 0
    for first in range(n_environments):
        if labels[first] >= 0:
            continue
        waiting = [first]
        while waiting:
            row = waiting.pop()
            if labels[row] < 0:
                labels[row] = n_labels
                waiting.extend(neighbours[row])
        n_labels += 1
    return labels


def singletons(labels: np.ndarray) -> np.ndarray:
    """Mark (N,) the environments that are alone in their cluster: the outlier candidates."""
    return np.bincount(labels)[labels] == 1
