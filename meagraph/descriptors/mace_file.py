"""Read a MACE model file without running anything that it brings: its parts become inert records.

A ``.model`` file is a pickle of a whole network. Unpickling it runs code from the file, even where only classes of
mace, e3nn and torch are let in: torch.fx compiles source text that the pickle carries, e3nn loads TorchScript from it.
Here PyTorch's restricted unpickler meets an :class:`Inert` record in place of each such name, which keeps what it is
given and does nothing; tensors, numbers and text come through. :mod:`meagraph.descriptors.mace_based` builds the
network anew from mace's own classes and those tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from meagraph.errors import MEAGraphError
from meagraph.files import sha256_file

if TYPE_CHECKING:
    import torch

KNOWN = ("mace.", "e3nn.", "torch.", "numpy.", "builtins.slice", "builtins.getattr")


class Inert:
    """What a file says about an object: its ``path`` in some library, the arguments that made it, and its state."""

    path = ""  # the dotted name that stands in the file

    def __new__(cls, *arguments: Any) -> Inert:
        """Where a class or a function of the file would be called."""
        made = super().__new__(cls)
        made.__dict__["arguments"] = arguments
        return made

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state if isinstance(state, dict) else {"state": state})

    def __getattr__(self, name: str) -> Any:
        for store in ("_parameters", "_buffers", "_modules"):
            if name in (found := self.__dict__.get(store) or {}):
                return found[name]
        raise AttributeError(f"{self.path} has no {name}")

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __iter__(self) -> Iterator[Any]:
        return iter([*self.__dict__.get("_modules", {}).values(), *self.__dict__.get("_parameters", {}).values()])

    def __getitem__(self, index: int) -> Any:
        return list(iter(self))[index]

    def __str__(self) -> str:
        """Irreps, which are nested tuples in the file, as e3nn writes them: 8x0e+8x1o."""
        (content,) = self.arguments
        match self.path.rpartition(".")[2]:
            case "Irreps":
                return "+".join(map(str, content))
            case "_MulIr":
                return f"{content[0]}x{content[1]}"
            case "Irrep":
                return f"{content[0]}{'e' if content[1] == 1 else 'o'}"
        return repr(self)

    def __float__(self) -> float:
        """A NumPy scalar."""
        dtype, content = self.arguments
        return float(np.frombuffer(content, dtype=dtype.arguments[0])[0])

    def tensors(self, prefix: str = "") -> dict[str, torch.Tensor]:
        """Parameters and persistent buffers of this module and those inside it, named as in a state_dict."""
        transient = self.__dict__.get("_non_persistent_buffers_set", set())
        named = {**self.__dict__.get("_parameters", {}), **self.__dict__.get("_buffers", {})}
        found = {prefix + name: value for name, value in named.items() if value is not None and name not in transient}
        for name, module in self.__dict__.get("_modules", {}).items():
            if isinstance(module, Inert):
                found |= module.tensors(f"{prefix}{name}.")
        return found


@dataclass(frozen=True, eq=False)
class MaceFile:
    """A MACE model as its file describes it."""

    path: str
    sha256: str
    root: Inert
    species: tuple[int, ...]  # atomic numbers that it knows
    r_max: float  # Å
    layers: int


def read_mace_file(path: str | Path) -> MaceFile:
    """Read the model at ``path``; nothing in it is run.

    Raises MEAGraphError where it is missing, no PyTorch file, no MACE model, or names anything but parts of MACE.
    """
    import torch
    from torch.serialization import safe_globals

    file = Path(path).expanduser()
    names = _names(file)
    refused = sorted(name for name in names if not name.startswith(KNOWN))
    if refused:
        raise MEAGraphError(
            f"{path}: refused, because it would run {', '.join(refused)}, which is no part of a MACE model. Take a "
            "model from its authors, saved by mace's training (not compiled)."
        )
    records: list[Any] = [(type(name.rpartition(".")[2], (Inert,), {"path": name}), name) for name in sorted(names)]
    try:
        with safe_globals(records):
            root = torch.load(file, map_location="cpu", weights_only=True)
        species = tuple(int(number) for number in root.atomic_numbers)
        return MaceFile(str(path), sha256_file(file), root, species, float(root.r_max), int(root.num_interactions))
    except Exception as error:  # whatever a broken or strange file makes of the reader
        raise MEAGraphError(
            f"{path}: expected a MACE model as mace's training saves it, but it cannot be read as one: "
            f"{str(error).splitlines()[0]}"
        ) from error


def _names(file: Path) -> set[str]:
    """The names in the pickle at ``file`` that PyTorch does not let in by itself."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    try:
        return set(get_unsafe_globals_in_checkpoint(file))
    except Exception as error:  # as above
        raise MEAGraphError(f"{file}: expected a PyTorch model file, but it cannot be read: {error}") from error
