"""Models on disk: weights as safetensors, everything else as JSON beside them. Nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from meagraph.descriptors.context import Frame
from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path, from_json, read_json, write_json
from meagraph.graph.similarity import GraphConfig
from meagraph.model.agreement import Agreement
from meagraph.model.results import EpochRecord
from meagraph.model.settings import ModelConfig, TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor

    from meagraph.model.autoencoder import MEAGraph

FORMAT = "meagraph-model-1"
TRAINING_FORMAT = "meagraph-training-1"
SUFFIX = ".safetensors"
PREFIX = "agreement."  # of the names of its weights


def model_files(path: str | Path) -> tuple[Path, Path]:
    """The weights and the JSON file of the model at ``path``, which names either of them or neither's suffix."""
    given = Path(path)
    stem = given.with_suffix("") if given.suffix in (SUFFIX, ".json") else given
    return stem.with_name(stem.name + SUFFIX), stem.with_name(stem.name + ".json")


def save_model(path: str | Path, model: MEAGraph, agreement: Agreement | None = None, **details: Any) -> Path:
    """Write weights to ``path`` (safetensors) and the model's shape with ``details`` to the .json beside it."""
    import torch
    from safetensors.torch import save

    added = {} if agreement is None else agreement.arrays()
    tensors = {PREFIX + name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in added.items()}

    weights, beside = model_files(path)
    # the weights come last: whoever finds them finds the whole pair
    write_json(beside, {"format": FORMAT, "model": asdict(model.config), **details})
    with atomic_path(weights) as temporary:
        temporary.write_bytes(save({**model.state_dict(), **tensors}))  # a full disk is an OSError so
    return weights


def read_details(path: str | Path) -> tuple[ModelConfig, dict[str, Any]]:
    """The shape of the model at ``path`` and the details saved with it; PyTorch is not needed.

    Raises MEAGraphError if a file is missing or is not a MEAGraph checkpoint.
    """
    weights, beside = model_files(path)
    for file in (weights, beside):
        if not file.is_file():
            raise MEAGraphError(
                f"{file} does not exist. A model is a pair of files, {weights.name} and {beside.name}; give either."
            )
    try:
        details = read_json(beside)
        if details.get("format") != FORMAT:
            raise ValueError(f"its format is {details.get('format')!r}, expected {FORMAT!r}")
        shape = details.pop("model")
        config = ModelConfig(shape["inputs"], tuple(shape["widths"]), shape["kernels"])
        _check_details(config, details, weights.stat().st_size)
    except (ValueError, KeyError, TypeError, AttributeError, MEAGraphError) as error:
        raise _unusable(weights, error) from error
    return config, details


def _check_details(config: ModelConfig, details: dict[str, Any], size: int) -> None:
    """Raise unless these are details of a model of this ``config`` whose file has ``size`` bytes."""
    if any(not isinstance(number, int) for number in (config.inputs, config.kernels, *config.widths)):
        raise ValueError("its sizes are no whole numbers")
    if config.memory > size:
        raise ValueError(f"its weights take {config.memory:,} bytes, but the file has {size:,}")
    kinds = {"descriptors": dict, "graph": dict, "training": dict, "budget": int, "seed": int, "history": list}
    for name, kind in kinds.items():
        if name in details and (not isinstance(details[name], kind) or isinstance(details[name], bool)):
            raise ValueError(f"{name!r} in its details is {details[name]!r}")
    GraphConfig(**details.get("graph", {}))
    training = details.get("training", {})
    TrainingConfig(**{name.name: training[name.name] for name in fields(TrainingConfig) if name.name in training})
    _records(details.get("history", []))


def load_model(path: str | Path) -> tuple[MEAGraph, dict[str, Any]]:
    """Read a checkpoint: the model, and the details saved with it.

    Raises MEAGraphError if a file is missing or is not a MEAGraph checkpoint.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from meagraph.model.autoencoder import MEAGraph

    shape, details = read_details(path)
    weights, _ = model_files(path)
    try:
        model = MEAGraph(shape)
        stored = load_file(weights)
        if not all(bool(value.isfinite().all()) for value in stored.values()):
            raise ValueError("its weights hold NaN or infinity")
        model.load_state_dict({name: value for name, value in stored.items() if not name.startswith(PREFIX)})
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise _unusable(weights, error) from error
    return model, details


def load_agreement(path: str | Path) -> Agreement | None:
    """What the checkpoint at ``path`` keeps of the agreement of neighbours, None where nothing; without PyTorch.

    Raises MEAGraphError if it is not a MEAGraph checkpoint.
    """
    from safetensors import SafetensorError, safe_open

    weights, _ = model_files(path)
    try:
        with safe_open(weights, framework="np") as stored:
            names = [name for name in stored.keys() if name.startswith(PREFIX)]  # noqa: SIM118 - not a dictionary
            found = {name.removeprefix(PREFIX): stored.get_tensor(name) for name in names}
        return Agreement.from_arrays(found) if found else None
    except (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError) as error:
        raise _unusable(weights, error) from error


def frame_of(model_path: str | Path | None) -> Frame | None:
    """The frame of the context that the model at this path was trained in; None where it has none, or no path.

    Raises MEAGraphError where there is no such model.
    """
    if model_path is None:
        return None
    _, details = read_details(model_path)
    try:
        return Frame.from_text(details["frame"]) if "frame" in details else None
    except (ValueError, KeyError, TypeError) as error:
        raise MEAGraphError(f"{model_path}: expected a frame of the context in its details: {error}.") from error


@dataclass(frozen=True, eq=False)
class TrainingState:
    """A training between two epochs."""

    identity: str  # key of the data, settings and starting weights
    history: tuple[EpochRecord, ...]
    weights: dict[str, Tensor]  # of the last epoch
    best: dict[str, Tensor]  # of the best epoch
    moments: dict[str, Tensor]  # of the optimiser


_PARTS = ("weights", "best", "moments")


def save_training(path: Path, state: TrainingState) -> None:
    """Write ``state`` as one safetensors file."""
    from safetensors.torch import save

    tensors = {f"{part}/{name}": value for part in _PARTS for name, value in getattr(state, part).items()}
    about = {"identity": state.identity, "history": [asdict(record) for record in state.history]}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, {"format": TRAINING_FORMAT, "training": json.dumps(about)}))


def read_training(path: Path) -> TrainingState:
    """Read what :func:`save_training` wrote. Raises MEAGraphError for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("format") != TRAINING_FORMAT:
                raise ValueError(f"its format is {metadata.get('format')!r}, expected {TRAINING_FORMAT!r}")
            about = from_json(metadata["training"])
            parts: dict[str, dict[str, Tensor]] = {part: {} for part in _PARTS}
            for key in stored.keys():  # noqa: SIM118 - not a dictionary
                part, name = key.split("/", 1)
                parts[part][name] = stored.get_tensor(key)
        history = _records(about["history"])
        return TrainingState(str(about["identity"]), history, **parts)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _no_training(path, error) from error


def check_training(path: Path, state: TrainingState, like: Mapping[str, Tensor]) -> None:
    """Raise MEAGraphError unless the ``state`` read from ``path`` is one of a model with weights ``like`` these."""
    try:
        _check_like({part: getattr(state, part) for part in _PARTS}, like)
    except ValueError as error:
        raise _no_training(path, error) from error


def _no_training(path: Path, error: Exception) -> MEAGraphError:
    return MEAGraphError(f"{path} does not hold an unfinished training: {error}. Remove it to start anew.")


def _records(history: Any) -> tuple[EpochRecord, ...]:
    """The epochs that a file tells of. Raises ValueError or TypeError for what are none."""
    found = tuple(EpochRecord(**record) for record in history)
    for record in found:
        values = [getattr(record, field.name) for field in fields(EpochRecord)]
        if any(
            value is not None and (isinstance(value, bool) or not isinstance(value, int | float)) for value in values
        ):
            raise ValueError(f"its history holds {record}")
    return found


def _check_like(parts: Mapping[str, Mapping[str, Tensor]], like: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless weights, those of the best epoch, and moments fit a model with weights ``like`` these."""
    shapes = {name: (value.shape, value.dtype) for name, value in like.items()}
    for part in ("weights", "best"):
        if {name: (value.shape, value.dtype) for name, value in parts[part].items()} != shapes:
            raise ValueError(f"its {part} are those of another model")
    known = list(like.values())
    for name, value in parts["moments"].items():
        index, _, moment = name.partition(".")
        if not index.isdecimal() or int(index) >= len(known) or not moment:
            raise ValueError(f"{name!r} is no moment of its optimiser")
        if value.ndim and value.shape != known[int(index)].shape:
            raise ValueError(f"the moment {name!r} has another shape than its parameter")


def _unusable(weights: Path, error: Exception) -> MEAGraphError:
    reason = " ".join(str(error).split()).rstrip(".")
    return MEAGraphError(f"{weights} is not a usable MEAGraph model: {reason}. Train one anew, or choose another file.")
