"""A latent space in which neighbouring atoms agree: learned from which environments stand side by side.

Two atoms next to each other are in one phase, at one surface, in one melt, and differ by thermal noise: what they have
in common tells kinds of environments apart, what differs between them does not. Of that two things are learned from the
context (:mod:`meagraph.descriptors.context`), without labels. First a linear map, in which the differences between
neighbours count alike in all directions (a whitening by their covariance, as within-class covariance normalisation).
Then a small network trained so that an environment is nearer to its neighbour than to others drawn at random: the
contrastive loss InfoNCE (van den Oord, Li and Vinyals, arXiv 1807.03748). The latent values are both beside each other:
the first keeps what is particular about an environment, the second what its surroundings agree on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from meagraph.axes import upright
from meagraph.progress import Progress, silent

FLOOR = 0.1  # of the mean variance of a column, added to that between neighbours, so that no noise is blown up
ALIKE = (
    0.02  # of the spread of all environments: neighbours nearer than that are one another's images, and teach nothing
)
KEPT = 32  # columns of the linear map that are kept, those of the largest variance
HIDDEN, OUTPUTS = 128, 32  # widths of the network
STEPS, BATCH = 400, 512  # of the training at most, pairs a step
PASSES = 10  # over the pairs at most
RATE, DECAY = 1e-3, 1e-5  # learning rate and weight decay of Adam
TEMPERATURE = 0.1
REPORT = 20  # steps between two reports of progress
BLOCK = 65_536  # rows at a time

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Agreement:
    """The linear map of k columns to K, and the weights of the network of H hidden units and Z outputs."""

    centre: Floats  # (k,)
    linear: Floats  # (k, k) what the network sees: columns in which neighbours differ alike, of unit mean square
    kept: Floats  # (k, K) the leading of these directions, rows of unit mean square
    first: Floats  # (k, H)
    first_bias: Floats  # (H,)
    second: Floats  # (H, H)
    second_bias: Floats  # (H,)
    last: Floats  # (H, Z)
    last_bias: Floats  # (Z,)
    through: Floats  # (k, Z)
    output_centre: Floats  # (Z,) of the rows of unit length
    output_scale: Floats  # (1,) their root mean square

    def __call__(self, context: NDArray[np.floating]) -> Floats:
        """Latent values (n, K + Z) of environments with this ``context`` (n, k), to be compared by distance."""
        parts = [self._rows(context[start : start + BLOCK]) for start in range(0, len(context), BLOCK)]
        return np.concatenate(parts) if parts else np.empty((0, self.kept.shape[1] + len(self.output_centre)), "f4")

    def _rows(self, context: NDArray[np.floating]) -> Floats:
        seen = np.asarray(context, dtype=np.float32) - self.centre
        x = seen @ self.linear
        h = _silu(x @ self.first + self.first_bias)
        h = h + _silu(h @ self.second + self.second_bias)
        z = x @ self.through + h @ self.last + self.last_bias
        z /= np.maximum(np.linalg.norm(z, axis=1, keepdims=True), np.float32(1e-12))
        return np.hstack([seen @ self.kept, (z - self.output_centre) / self.output_scale])

    def arrays(self) -> dict[str, Floats]:
        """The fields by name, as files keep them."""
        return {field.name: getattr(self, field.name) for field in fields(Agreement)}

    @staticmethod
    def from_arrays(found: Mapping[str, NDArray[np.floating]]) -> Agreement:
        """The inverse of :meth:`arrays`. Raises KeyError for a missing one, ValueError where shapes do not fit."""
        made = Agreement(**{field.name: np.asarray(found[field.name], np.float32) for field in fields(Agreement)})
        k, hidden, outputs = made.first.shape[0], made.first.shape[1], made.through.shape[1]
        shapes = [
            (made.centre, (k,)),
            (made.linear, (k, k)),
            (made.kept, (k, made.kept.shape[1])),
            (made.first_bias, (hidden,)),
            (made.second, (hidden, hidden)),
            (made.second_bias, (hidden,)),
            (made.last, (hidden, outputs)),
            (made.last_bias, (outputs,)),
            (made.through, (k, outputs)),
            (made.output_centre, (outputs,)),
            (made.output_scale, (1,)),
        ]
        if any(array.shape != shape for array, shape in shapes):
            raise ValueError("the weights of the agreement do not fit together")
        if not all(np.isfinite(getattr(made, field.name)).all() for field in fields(Agreement)):
            raise ValueError("the weights of the agreement hold NaN or infinity")
        return made


def _silu(x: NDArray[np.floating]) -> Floats:
    return np.asarray(x / (1.0 + np.exp(-np.clip(x, -60.0, 60.0))), dtype=np.float32)


def learn_agreement(
    context: NDArray[np.floating],
    pairs: NDArray[np.integer],
    representatives: NDArray[np.integer],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Agreement:
    """Learn from which rows of ``context`` (N, k) are neighbours of each other: ``pairs`` (P, 2), each way.

    Scales are those of the ``representatives`` (M,), so that copies do not matter. Equal pairs, as the symmetry of
    small cells makes them, do not count. The run depends on ``seed`` alone. Without pairs the linear map leaves all
    directions as they are and the network stays as it was drawn. Raise from ``progress`` to cancel.
    """
    some = np.asarray(context[representatives], dtype=np.float64)
    centre = some.mean(axis=0)
    some -= centre
    rows, inverse = np.unique(pairs, return_inverse=True)
    pairs = inverse.reshape(-1, 2)
    near = np.asarray(context[rows], dtype=np.float64)
    pairs = _unlike(near, pairs, ALIKE * float(np.sqrt((some**2).sum(axis=1).mean())))
    linear = _whitening(near, pairs, float((some**2).sum(axis=1).mean()) / some.shape[1])
    x = some @ linear
    linear /= float(np.sqrt((x**2).mean())) or 1.0
    x = some @ linear
    values, vectors = np.linalg.eigh(x.T @ x)
    kept = linear @ upright(vectors[:, np.argsort(-values, kind="stable")[:KEPT]])
    kept /= float(np.sqrt(((some @ kept) ** 2).sum(axis=1).mean())) or 1.0
    network = _train((near - centre) @ linear, pairs, seed, progress)
    outputs = network["through"].shape[1]
    made = Agreement(
        centre.astype(np.float32),
        linear.astype(np.float32),
        kept.astype(np.float32),
        **network,
        output_centre=np.zeros(outputs, np.float32),
        output_scale=np.ones(1, np.float32),
    )
    z = made(np.asarray(context[representatives]))[:, kept.shape[1] :]
    mean = z.mean(axis=0)
    spread = float(np.sqrt(((z - mean) ** 2).sum(axis=1).mean())) or 1.0
    return Agreement.from_arrays(
        {**made.arrays(), "output_centre": mean, "output_scale": np.full(1, spread, np.float32)}
    )


def read_directly(context: NDArray[np.floating], representatives: NDArray[np.integer]) -> Agreement:
    """The map that leaves a ``context`` (N, k) as it is, but for its centre and size, and has no network."""
    some = np.asarray(context[representatives], dtype=np.float64)
    centre = some.mean(axis=0)
    width = len(centre)
    size = float(np.sqrt(((some - centre) ** 2).sum(axis=1).mean())) or 1.0
    none = np.zeros((width, 0), np.float32)
    return Agreement(
        centre=centre.astype(np.float32),
        linear=np.eye(width, dtype=np.float32),
        kept=(np.eye(width) / size).astype(np.float32),
        first=none,
        first_bias=np.zeros(0, np.float32),
        second=np.zeros((0, 0), np.float32),
        second_bias=np.zeros(0, np.float32),
        last=np.zeros((0, 0), np.float32),
        last_bias=np.zeros(0, np.float32),
        through=none,
        output_centre=np.zeros(0, np.float32),
        output_scale=np.ones(1, np.float32),
    )


def _unlike(near: NDArray[np.float64], pairs: NDArray[np.integer], least: float) -> NDArray[np.integer]:
    """Those of the ``pairs`` (P, 2) whose rows of ``near`` (n, k) are farther apart than ``least``."""
    blocks = (pairs[start : start + BLOCK] for start in range(0, len(pairs), BLOCK))
    kept = [part[np.linalg.norm(near[part[:, 0]] - near[part[:, 1]], axis=1) > least] for part in blocks]
    return np.concatenate(kept) if kept else pairs


def _whitening(near: NDArray[np.float64], pairs: NDArray[np.integer], variance: float) -> NDArray[np.float64]:
    """The map (k, k) to columns in which neighbours differ alike, a share of the ``variance`` of a column added."""
    width = near.shape[1]
    covariance = np.zeros((width, width))
    for start in range(0, len(pairs), BLOCK):
        part = pairs[start : start + BLOCK]
        difference = near[part[:, 0]] - near[part[:, 1]]
        covariance += difference.T @ difference
    covariance /= max(len(pairs), 1)
    covariance[np.diag_indices(width)] += FLOOR * variance or 1.0  # all alike: nothing to blow up
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors / np.sqrt(values))


def _train(x: NDArray[np.float64], pairs: NDArray[np.integer], seed: int, progress: Progress) -> dict[str, Floats]:
    """The weights of the network, by name, after its training on rows ``x`` (n, k) and their ``pairs`` (P, 2)."""
    import torch
    from torch.nn import functional

    from meagraph.model.threads import one_thread

    generator = torch.Generator().manual_seed(seed)
    width = x.shape[1]

    def drawn(inputs: int, outputs: int) -> torch.Tensor:
        bound = inputs**-0.5
        weights: torch.Tensor = (torch.rand(inputs, outputs, generator=generator) * 2.0 - 1.0) * bound
        weights.requires_grad = True
        return weights

    first, second, last = drawn(width, HIDDEN), drawn(HIDDEN, HIDDEN), drawn(HIDDEN, OUTPUTS)
    through = drawn(width, OUTPUTS)
    biases = [torch.zeros(size, requires_grad=True) for size in (HIDDEN, HIDDEN, OUTPUTS)]
    rows = torch.as_tensor(x, dtype=torch.float32)

    def forward(part: torch.Tensor) -> torch.Tensor:
        h = functional.silu(part @ first + biases[0])
        h = h + functional.silu(h @ second + biases[1])
        found: torch.Tensor = functional.normalize(part @ through + h @ last + biases[2], dim=1)
        return found

    optimiser = torch.optim.Adam([first, second, last, through, *biases], lr=RATE, weight_decay=DECAY)
    rng = np.random.default_rng(seed)
    batch = min(BATCH, len(pairs))
    steps = min(STEPS, -(-PASSES * len(pairs) // batch)) if batch else 0
    with one_thread():
        for step in range(steps):
            chosen = pairs[rng.integers(0, len(pairs), batch)]
            one, other = forward(rows[chosen[:, 0]]), forward(rows[chosen[:, 1]])
            alike = one @ other.T / TEMPERATURE
            own = torch.arange(batch)
            loss = functional.cross_entropy(alike, own) + functional.cross_entropy(alike.T, own)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if step % REPORT == 0:
                progress(step, steps, "agreement of neighbours")
    names = ("first", "first_bias", "second", "second_bias", "last", "last_bias", "through")
    tensors = (first, biases[0], second, biases[1], last, biases[2], through)
    return {name: tensor.detach().numpy() for name, tensor in zip(names, tensors, strict=True)}
