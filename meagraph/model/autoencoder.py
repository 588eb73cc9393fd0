"""MEAGraph: the graph autoencoder whose latent graph falls into clusters (arXiv 2509.12358)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from meagraph.errors import MEAGraphError
from meagraph.graph.similarity import SimilarityGraph
from meagraph.model.layers import Affine, DecoderAttention, Edges, MultiKernelAttention, pool_edges
from meagraph.model.results import Embedding
from meagraph.model.settings import ModelConfig

LARGEST = 1e15  # a latent value; its square is still a float32


@dataclass(frozen=True, eq=False)
class Encoded:
    """What the encoder makes of a graph."""

    latent: Tensor  # (M, H)
    entering: tuple[Edges, ...]  # the edges that entered each layer
    scores: tuple[Tensor, ...]  # (E_l,) score of the edges that entered each layer
    remaining: Edges  # what the last pooling left


class MEAGraph(nn.Module):
    """Encoder of multi-kernel attention layers with edge pooling, and a decoder back to the descriptors."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.inputs, *config.widths)
        self.encoder = nn.ModuleList(MultiKernelAttention(a, b, config.kernels) for a, b in pairwise(widths))
        backwards = tuple(reversed(widths))
        self.decoder = nn.ModuleList(DecoderAttention(a, b) for a, b in pairwise(backwards))
        self.output = Affine(config.inputs, config.inputs)

    def encode(self, x: Tensor, edges: Edges, rates: float | Sequence[float]) -> Encoded:
        """Encode ``x`` (M, D); ``rates`` is the pooling rate of every layer, or one for all, in [0, 1)."""
        rates = [float(rates)] * len(self.encoder) if isinstance(rates, (int, float)) else [float(r) for r in rates]
        if len(rates) != len(self.encoder) or not all(0.0 <= rate < 1.0 for rate in rates):
            raise MEAGraphError(f"Expected {len(self.encoder)} pooling rates in [0, 1), got {rates}.")
        entering, scores = [], []
        for layer, rate in zip(self.encoder, rates, strict=True):
            entering.append(edges)
            x, score = layer(x, edges)
            scores.append(score)
            edges = pool_edges(edges, score, rate)
        return Encoded(latent=x, entering=tuple(entering), scores=tuple(scores), remaining=edges)

    def encode_along(self, x: Tensor, edges: Edges, rates: Sequence[float]) -> Iterator[Encoded]:
        """Encode at one pooling rate after another, each for all layers; the first, which sees none, runs once."""
        first, score = self.encoder[0](x, edges)
        for rate in rates:
            h, left = first, pool_edges(edges, score, rate)
            entering, scores = [edges], [score]
            for layer in list(self.encoder)[1:]:
                entering.append(left)
                h, following = layer(h, left)
                scores.append(following)
                left = pool_edges(left, following, rate)
            yield Encoded(latent=h, entering=tuple(entering), scores=tuple(scores), remaining=left)

    def decode(self, encoded: Encoded) -> Tensor:
        """Descriptors (M, D) from the latent embedding, along the encoder's edges in reverse order."""
        x = encoded.latent
        for step, (layer, edges) in enumerate(zip(self.decoder, reversed(encoded.entering), strict=True)):
            x = layer(functional.leaky_relu(x) if step else x, edges)
        output: Tensor = self.output(x, encoded.entering[0])
        return output

    def forward(self, x: Tensor, edges: Edges, rates: float | Sequence[float]) -> tuple[Encoded, Tensor]:
        """Encode and decode; see :meth:`encode`."""
        encoded = self.encode(x, edges, rates)
        return encoded, self.decode(encoded)


def reconstruction_loss(output: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error of ``output`` against the scaled descriptors ``x`` (M, D), nodes counting ``weight`` times."""
    return (weight[:, None] * (output - x).square()).sum() / (weight.sum() * x.shape[1])


def graph_edges(graph: SimilarityGraph, device: str = "cpu") -> tuple[Tensor, Edges]:
    """The tensors of a similarity graph: scaled descriptors (M, D) float32, and its edges."""
    x = torch.as_tensor(graph.x, dtype=torch.float32, device=device)
    edges = Edges.build(
        torch.as_tensor(graph.edge_index, device=device),
        torch.as_tensor(graph.multiplicity, dtype=torch.float32, device=device),
        torch.as_tensor(graph.connected, device=device),
    )
    return x, edges


@torch.no_grad()
def embed(model: MEAGraph, graph: SimilarityGraph, *, rate: float = 0.5) -> Embedding:
    """Embed a similarity graph with the trained weights, at a fixed pooling ``rate`` in [0, 1).

    Isolated representatives get the embedding of a node without neighbours; they do not act on the others. It may be
    as long as LARGEST, where a latent dimension means nothing to the rest.
    """
    x, edges = graph_edges(graph)
    encoded = model.eval().encode(x, edges, rate)
    last, before = encoded.remaining, encoded.entering[-1]
    code = before.target * len(x) + before.source  # ascending, as edges are sorted by target, then source
    position = torch.searchsorted(code, last.target * len(x) + last.source)
    return Embedding(
        values=_bounded(encoded.latent),
        edge_index=torch.stack([last.source, last.target]).numpy(),
        score=encoded.scores[-1][position].numpy(),
        rate=rate,
        connected=graph.connected,
    )


@torch.no_grad()
def reconstruction_errors(model: MEAGraph, graph: SimilarityGraph, *, rate: float = 0.5) -> NDArray[np.float64]:
    """Root mean square error (M,) of each representative's decoded descriptors, in units of a column's own.

    At a fixed pooling ``rate`` in [0, 1), as in :func:`embed`; LARGEST at most.
    """
    x, edges = graph_edges(graph)
    _, output = model.eval()(x, edges, rate)
    error = (output - x).double().square().mean(dim=1).sqrt()
    bounded: NDArray[np.float64] = error.nan_to_num(LARGEST).clamp(max=LARGEST).numpy()
    return bounded


@torch.no_grad()
def embed_beside(
    model: MEAGraph,
    graph: SimilarityGraph,
    x: NDArray[np.float64],
    edge_index: NDArray[np.int64],
    *,
    rate: float = 0.5,
) -> NDArray[np.float32]:
    """Latent values (F, H) of F new environments beside an embedded ``graph``, whose own values stay as they are.

    ``x`` (F, D) are their descriptors, scaled as ``graph.x``; ``edge_index`` (2, E) leads from representatives of the
    graph to new environments, sorted by the latter. An environment that sees what a representative of one environment
    sees gets its values.
    """
    old, edges = graph_edges(graph)
    source, target = torch.as_tensor(edge_index)
    both = torch.cat([old, torch.as_tensor(x, dtype=torch.float32)])
    return _bounded(model.eval().encode(both, edges.listen(source, target, len(x)), rate).latent[len(old) :])


def _bounded(latent: Tensor) -> NDArray[np.float32]:
    return latent.nan_to_num(0.0).clamp(-LARGEST, LARGEST).numpy()
