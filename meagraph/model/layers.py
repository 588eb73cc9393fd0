"""The building blocks of MEAGraph: edge attention with several kernels, edge pooling, the decoder's layer.

A node stands for ``weight`` identical environments, so sums over neighbours and column norms weigh it by its
multiplicity; with all weights 1 these are the published equations (arXiv 2509.12358). Nothing of size
(edges, width) is ever stored: lengths of edges are computed a block at a time, also backwards, and so are sums over
neighbours, which on the processor are products of a sparse matrix.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from meagraph.model import loops

with warnings.catch_warnings():  # it scripts classes while it is imported, of which the newest PyTorch warns our users
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.")
    from torch_geometric.index import index2ptr
    from torch_geometric.nn import Linear

SHIFT = 1e-5  # keeps normalised edge scores above zero, as published
BLOCK_VALUES = 2_000_000  # values of an edge block: 8 MB, so that it stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Edges:
    """Undirected edges in both directions, sorted by target, then source; self-loops are implied, never stored.

    Only :meth:`listen` adds edges that lead one way.
    """

    source: Tensor  # (E,) int64
    target: Tensor  # (E,) int64
    reverse: Tensor  # (E,) int64, position of the opposite direction
    weight: Tensor  # (M,) float, environments a node stands for: its self-loop counts itself and its twins
    norm_weight: Tensor  # (M,) float, weight in column norms: 0 for isolated nodes, which are not in the graph
    compiled: bool  # by compiled loops and sparse matrices, which are there for the processor's tensors alone

    @property
    def n_nodes(self) -> int:
        """Number of nodes M."""
        return len(self.weight)

    @cached_property
    def pointer(self) -> Tensor:
        """(M + 1,) int64, where each target's edges begin."""
        pointer: Tensor = index2ptr(self.target, self.n_nodes)
        return pointer

    @staticmethod
    def build(edge_index: Tensor, weight: Tensor, connected: Tensor) -> Edges:
        """From ``edge_index`` (2, E), both directions, sorted by target then source; ``weight``, ``connected`` (M,)."""
        source, target = edge_index.contiguous()
        return Edges(
            source=source,
            target=target,
            reverse=torch.argsort(source * len(weight) + target),
            weight=weight,
            norm_weight=torch.where(connected, weight, torch.zeros_like(weight)),
            compiled=weight.device.type == "cpu",
        )

    def listen(self, source: Tensor, target: Tensor, count: int) -> Edges:
        """With ``count`` more nodes that hear these and are heard by none: they change nothing here.

        ``source`` (F,) and ``target`` (F,), ascending, are the edges to them, the new nodes numbered from 0. Each is
        one environment; none counts in the column norms.
        """
        n_nodes, n_edges = self.n_nodes, len(self.source)
        target = torch.cat([self.target, target + n_nodes])
        return replace(
            self,
            source=torch.cat([self.source, source]),
            target=target,
            reverse=torch.cat([self.reverse, torch.arange(n_edges, len(target), device=target.device)]),  # no way back
            weight=torch.cat([self.weight, self.weight.new_ones(count)]),
            norm_weight=torch.cat([self.norm_weight, self.norm_weight.new_zeros(count)]),
        )

    def keep(self, mask: Tensor) -> Edges:
        """The edges where ``mask`` (E,) holds; the mask must treat both directions alike."""
        position = torch.cumsum(mask, 0) - 1
        return replace(self, source=self.source[mask], target=self.target[mask], reverse=position[self.reverse[mask]])


def unit_columns(h: Tensor, weight: Tensor) -> Tensor:
    """Scale the columns of ``h`` (M, H) to unit L2 norm, row i counting ``weight[i]`` times."""
    square = (weight[:, None] * h.square()).sum(dim=0)
    return h / square.clamp_min(torch.finfo(h.dtype).tiny).sqrt()  # clamped first: the root has no gradient at 0


def edge_length(h: Tensor, edges: Edges) -> Tensor:
    """Euclidean length (E,) of every edge between rows of ``h`` (M, H)."""
    length: Tensor = _EdgeLength.apply(h, edges)  # type: ignore[no-untyped-call]
    return length


def neighbour_sum(h: Tensor, value: Tensor, edges: Edges) -> Tensor:
    """Sum over each node's neighbours j of value_ij h_j: (M, H) from ``h`` (M, H) and ``value`` (E,)."""
    total: Tensor = _NeighbourSum.apply(h, value, edges)  # type: ignore[no-untyped-call]
    return total


def attend(h: Tensor, beta: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
    """Attention-weighted mean over each node, its twins and its neighbours, and the attention of every edge.

    alpha_ij = exp(-beta |h^_i - h^_j|), with unit column norms in h^; mean_i = sum_j w_j alpha_ij h_j / sum_j w_j
    alpha_ij, where the node's own term has alpha 1. Shapes: ``h`` (M, H), ``beta`` scalar -> (M, H), (E,).
    """
    alpha = torch.exp(-beta * edge_length(unit_columns(h, edges.norm_weight), edges))
    share = alpha * edges.weight[edges.source]
    total = neighbour_sum(torch.ones_like(h[:, :1]), share, edges) + edges.weight[:, None]
    return (neighbour_sum(h, share, edges) + edges.weight[:, None] * h) / total, alpha


class Affine(nn.Module):
    """A linear map with bias, the bias in units of the root mean square of a column of unit norm.

    Values in a graph of n environments shrink like 1 / sqrt(n); with the bias bound to that scale, weights learned
    on small batches mean the same on a large graph.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = Linear(inputs, outputs, bias=False, weight_initializer="glorot")
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Map ``x`` (M, H) to (M, H')."""
        mapped: Tensor = self.linear(x) + self.bias / edges.norm_weight.sum().sqrt()
        return mapped


class MultiKernelAttention(nn.Module):
    """One encoder layer: K linear kernels with edge attention, averaged, then a linear map.

    ``forward(x (M, D), edges)`` returns the layer's output (M, H), columns of unit norm, and the score (E,) of
    every edge: its attention averaged over the kernels.
    """

    def __init__(self, inputs: int, outputs: int, kernels: int = 3) -> None:
        super().__init__()
        self.kernels = nn.ModuleList(
            Linear(inputs, outputs, bias=False, weight_initializer="glorot") for _ in range(kernels)
        )
        self.beta = nn.Parameter(torch.ones(kernels))
        self.combine = Affine(outputs, outputs)

    def forward(self, x: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """Apply the layer; see the class."""
        mean: Tensor | float = 0.0
        score: Tensor | float = 0.0
        for kernel, beta in zip(self.kernels, self.beta, strict=True):
            h = kernel(x)
            attended, alpha = attend(h, beta, edges)
            mean = mean + functional.leaky_relu(attended + h) / len(self.kernels)
            score = score + alpha / len(self.kernels)
        assert isinstance(score, Tensor)
        return unit_columns(functional.leaky_relu(self.combine(mean, edges)), edges.norm_weight), score


class DecoderAttention(nn.Module):
    """One decoder layer with a single kernel: h = x W, then V(attention-weighted mean of h) + h."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.kernel = Linear(inputs, outputs, bias=False, weight_initializer="glorot")
        self.beta = nn.Parameter(torch.ones(()))
        self.combine = Linear(outputs, outputs, bias=False, weight_initializer="glorot")

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Map ``x`` (M, H) to (M, H')."""
        h = self.kernel(x)
        mixed: Tensor = self.combine(attend(h, self.beta, edges)[0]) + h
        return mixed


def pool_edges(edges: Edges, score: Tensor, rate: float) -> Edges:
    """Keep the edges whose normalised ``score`` (E,) exceeds ``rate``, in [0, 1).

    Scores are normalised by their own smallest and largest value; twins hold score 1 and therefore always stay.
    Edges that lead to a node without weight in the column norms do not move these two values.
    """
    score = score.detach()
    twins = bool((edges.weight > 1).any())
    own = score[edges.norm_weight[edges.target] > 0]
    if len(own) == 0:
        return edges
    low = own.min()
    high = torch.ones_like(low) if twins else own.max()
    return edges.keep((score - low + SHIFT) / (high - low + SHIFT) > rate)


def _sums(value: Tensor, h: Tensor, edges: Edges) -> Tensor:
    """Sum (M, H) over each node's neighbours j of value_ij h_j."""
    if not edges.compiled:  # MPS knows no sparse matrices in compressed rows (github.com/pytorch/pytorch/issues/196192)
        total = h.new_zeros((edges.n_nodes, h.shape[1]))
        for b in edge_blocks(len(edges.source), h.shape[1]):
            total.index_add_(0, edges.target[b], value[b, None] * h[edges.source[b]])
        return total
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR")  # its beta notice is nothing for our users
        matrix = torch.sparse_csr_tensor(
            edges.pointer, edges.source, value, (edges.n_nodes, edges.n_nodes), check_invariants=False
        )
    return matrix @ h


def _lengths(h: Tensor, edges: Edges) -> Tensor:
    """Length (E,) of every edge between rows of ``h``."""
    if not edges.compiled:
        blocks = edge_blocks(len(edges.source), h.shape[1])
        return torch.cat([torch.linalg.vector_norm(h[edges.source[b]] - h[edges.target[b]], dim=1) for b in blocks])
    half = edges.source < edges.target  # both directions are equally long
    index = half.nonzero().squeeze(1)
    rows, left, right = h.detach().contiguous(), edges.source[index], edges.target[index]
    found = torch.from_numpy(loops.row_distances(rows.numpy(), left.numpy(), right.numpy()))
    length = h.new_empty(len(edges.source))
    length[index] = found
    length[edges.reverse[index]] = found
    return length


def _products(at_target: Tensor, at_source: Tensor, edges: Edges) -> Tensor:
    """Inner product (E,) of the two rows that every edge joins."""
    if not edges.compiled:
        blocks = edge_blocks(len(edges.source), at_target.shape[1])
        return torch.cat([(at_target[edges.target[b]] * at_source[edges.source[b]]).sum(dim=1) for b in blocks])
    first, second = at_target.contiguous().numpy(), at_source.detach().contiguous().numpy()
    return torch.from_numpy(loops.row_products(first, second, edges.target.numpy(), edges.source.numpy()))


def edge_blocks(n_edges: int, width: int) -> list[slice]:
    """Cut ``n_edges`` edges with ``width`` values each into blocks of at most BLOCK_VALUES; at least one."""
    step = max(1, BLOCK_VALUES // width)
    return [slice(start, min(start + step, n_edges)) for start in range(0, max(n_edges, 1), step)]


class _EdgeLength(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, edges: Edges) -> Tensor:
        length = _lengths(h, edges)
        ctx.save_for_backward(h, length)
        ctx.edges = edges
        return length

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        h, length = ctx.saved_tensors
        edges: Edges = ctx.edges
        # below are differences of long sums, of which rounding leaves nothing where an edge is too short
        floor = torch.finfo(h.dtype).eps ** 0.5 * h.square().sum(dim=1).mean().sqrt()
        pull = torch.where(length > 0, gradient / length.clamp_min(floor), torch.zeros_like(length))
        pull = pull + pull[edges.reverse]
        total = _sums(pull, torch.ones_like(h[:, :1]), edges)
        return total * h - _sums(pull, h, edges), None


class _NeighbourSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, value: Tensor, edges: Edges) -> Tensor:
        ctx.save_for_backward(h, value)
        ctx.edges = edges
        return _sums(value, h, edges)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        h, value = ctx.saved_tensors
        edges: Edges = ctx.edges
        to_h = to_value = None
        if ctx.needs_input_grad[0]:
            to_h = _sums(value[edges.reverse], gradient, edges)
        if ctx.needs_input_grad[1]:
            to_value = _products(gradient, h, edges)
        return to_h, to_value, None
