"""The way from the weights of the library's model to those of the dense oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from meagraph.model.autoencoder import MEAGraph
from meagraph.model.layers import DecoderAttention, MultiKernelAttention
from tests.support import oracle


def _matrix(linear: Any) -> np.ndarray:
    return linear.weight.detach().numpy().T


class Weights:
    """A model's weights as the oracle takes them, for a graph of ``n`` environments.

    The library's biases are in units of 1 / sqrt(n), the root mean square of a column of unit norm.
    """

    @staticmethod
    def encoder_layer(layer: MultiKernelAttention, n: int) -> oracle.EncoderLayerWeights:
        """One encoder layer."""
        return oracle.EncoderLayerWeights(
            kernels=np.stack([_matrix(kernel) for kernel in layer.kernels]),
            beta=layer.beta.detach().numpy(),
            mixing=_matrix(layer.combine.linear),
            bias=layer.combine.bias.detach().numpy() / np.sqrt(n),
        )

    @staticmethod
    def decoder_layer(layer: DecoderAttention) -> oracle.DecoderLayerWeights:
        """One decoder layer."""
        return oracle.DecoderLayerWeights(
            kernel=_matrix(layer.kernel), beta=float(layer.beta.detach()), mixing=_matrix(layer.combine)
        )

    @classmethod
    def encoder(cls, model: MEAGraph, n: int) -> list[oracle.EncoderLayerWeights]:
        """The whole encoder."""
        return [cls.encoder_layer(layer, n) for layer in model.encoder]

    @classmethod
    def decoder(cls, model: MEAGraph, n: int) -> oracle.DecoderWeights:
        """The whole decoder."""
        return oracle.DecoderWeights(
            layers=tuple(cls.decoder_layer(layer) for layer in model.decoder),
            output=_matrix(model.output.linear),
            bias=model.output.bias.detach().numpy() / np.sqrt(n),
        )

    @staticmethod
    def shake(module: torch.nn.Module, seed: int) -> torch.nn.Module:
        """Give every parameter, biases and betas too, a random double; return the module."""
        module.double()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                random = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(0.5 + random if "beta" in name else 2.0 * random - 1.0)
        return module
