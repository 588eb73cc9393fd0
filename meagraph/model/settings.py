"""The shape of a model and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from meagraph.errors import MEAGraphError

DEVICES = ("auto", "cpu", "cuda", "mps")  # that a model can be trained on; auto is CUDA where there is one


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the autoencoder: descriptor width D, widths of the encoder's layers, kernels a layer."""

    inputs: int
    widths: tuple[int, ...] = (128, 64, 32)
    kernels: int = 3

    def __post_init__(self) -> None:
        if self.inputs < 1 or not self.widths or min(self.widths) < 1 or self.kernels < 1:
            raise MEAGraphError(
                f"A model needs positive sizes, got inputs={self.inputs}, widths={self.widths}, kernels={self.kernels}."
            )

    @property
    def training_memory(self) -> int:
        """Bytes that the weights take while they are trained.

        They are there six times: the weights, their gradients, two moments of Adam, the best epoch, what is written.
        """
        return 6 * self.memory

    @property
    def memory(self) -> int:
        """Bytes of the weights, in single precision."""
        widths = (self.inputs, *self.widths)
        count = self.inputs * (self.inputs + 1)  # the output
        for a, b in pairwise(widths):
            count += self.kernels * (a * b + 1) + b * b + b  # an encoder's layer
            count += a * b + a * a + 1  # the decoder's that mirrors it
        return 4 * count


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained: at most ``epochs`` passes over the structures, ``batch`` structures a step, Adam.

    A share ``validation`` of the structures is held out. Training stops early once ``patience`` epochs have not
    lowered the loss there by 2 % (0: never), and the weights of the best epoch are kept. A dataset of more than
    ``steps`` batches is seen in part: each epoch draws as many of its structures anew.
    """

    epochs: int = 12
    batch: int = 16
    steps: int = 80
    learning_rate: float = 1e-3
    validation: float = 0.1
    patience: int = 3

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.steps) < 1 or not self.learning_rate > 0:
            raise MEAGraphError(
                "Training needs at least one epoch of one step, one structure a batch and a positive learning rate, "
                f"got epochs={self.epochs}, steps={self.steps}, batch={self.batch}, "
                f"learning_rate={self.learning_rate}."
            )
        if not 0 <= self.validation <= 0.5 or self.patience < 0:
            raise MEAGraphError(
                "The share of structures held out must lie between 0 and 0.5 and the patience be 0 or more epochs, "
                f"got validation={self.validation}, patience={self.patience}."
            )
