"""A device that this machine lacks, played by the processor: what a graphics card would refuse is refused here.

A tensor on it computes as usual, values included, but says that it is elsewhere. Within :class:`Elsewhere` an operation
that mixes it with a tensor of the processor raises as PyTorch does for a graphics card, and so do ``.numpy()`` and, as
on Apple's, double precision.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = "lazy"  # built into PyTorch, and nothing here makes it do anything
MOVING = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)  # may cross from one device to the other


class Away(torch.Tensor):
    """A tensor on DEVICE; ``held`` has its values."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Away:
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), dtype=held.dtype, device=DEVICE
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return call(function, args, kwargs or {})


class Elsewhere(TorchDispatchMode):
    """While it is entered DEVICE exists; ``calls`` counts what was computed there."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = call(function, args, kwargs or {})
        self.calls += any(isinstance(leaf, Away) for leaf in tree_leaves(made))
        return made


def call(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute ``function`` on the processor; its result is where its arguments are, or where it is asked to be."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    away = [tensor for tensor in tensors if isinstance(tensor, Away)]
    if away and len(away) < len(tensors) and function not in MOVING:
        raise RuntimeError(f"{function}: expected all tensors to be on the same device, but found some on the cpu")
    there = bool(away)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type == DEVICE
        kwargs = kwargs | {"device": "cpu"}
    elif function in MOVING:
        there = isinstance(args[0], Away)
    made = function(*tree_map_only(Away, lambda tensor: tensor.held, args), **tree_map_only(Away, _held, kwargs))
    if function._schema.is_mutable and isinstance(made, torch.Tensor):
        return args[0]  # changed in place
    if there and any(leaf.dtype == torch.float64 for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor)):
        raise TypeError(f"{function}: there is no double precision on this device")
    return tree_map_only(torch.Tensor, Away, made) if there else made


def _held(tensor: Away) -> torch.Tensor:
    return tensor.held
