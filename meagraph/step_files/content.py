"""What the content of a step file must be: checked once, where it is read, so that nothing after it has to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KINDS = {"whole numbers": "iu", "numbers": "f", "truth values": "b", "text": "U"}


@dataclass(frozen=True)
class Rule:
    """Of an array: what it holds, and its sizes; a size with a name is the same number in all arrays of a file."""

    holds: str  # a key of _KINDS
    shape: tuple[str | int, ...]
    least: float | None = None
    below: str | None = None  # the size that every value is below
    finite: bool = True  # numbers are neither NaN nor infinite


def whole(*shape: str | int, least: float | None = 0, below: str | None = None) -> Rule:
    """Whole numbers, from ``least`` and below the size named ``below``."""
    return Rule("whole numbers", shape, least, below)


def real(*shape: str | int, least: float | None = None, finite: bool = True) -> Rule:
    """Finite numbers."""
    return Rule("numbers", shape, least, finite=finite)


def truth(*shape: str | int) -> Rule:
    """True or false."""
    return Rule("truth values", shape)


def text(*shape: str | int) -> Rule:
    """Text."""
    return Rule("text", shape)


def check_arrays(
    data: Mapping[str, NDArray[Any]], rules: Mapping[str, Rule], sizes: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The named sizes of the arrays that ``rules`` are about, with ``sizes`` known before.

    Raises ValueError, naming the array, for one that is missing, holds something else, has another shape than those
    before it, or values out of bounds.
    """
    known = dict(sizes or {})
    for name, rule in rules.items():
        if name not in data:
            raise ValueError(f"it has no array {name!r}")
        array = data[name]
        if array.dtype.kind not in _KINDS[rule.holds]:
            raise ValueError(f"{name!r} holds {array.dtype}, expected {rule.holds}")
        if array.ndim == len(rule.shape):
            for size, expected in zip(array.shape, rule.shape, strict=True):
                if isinstance(expected, str):
                    known.setdefault(expected, size)
        wanted = tuple(known.get(size, size) if isinstance(size, str) else size for size in rule.shape)
        if array.shape != wanted:
            raise ValueError(f"{name!r} has the shape {array.shape}, expected {wanted}")
    for name, rule in rules.items():
        _check_values(name, data[name], rule, known)
    return known


def _check_values(name: str, array: NDArray[Any], rule: Rule, sizes: Mapping[str, int]) -> None:
    bounded = rule.least is not None or rule.below is not None
    if not array.size or not (bounded or (rule.holds == "numbers" and rule.finite)):
        return
    low, high = array.min(), array.max()  # NaN where there is one
    if rule.holds == "numbers" and rule.finite and not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name!r} holds NaN or infinity, expected finite numbers")
    if rule.least is not None and low < rule.least:
        raise ValueError(f"{name!r} holds {low}, expected at least {rule.least:g}")
    if rule.below is not None and high >= sizes[rule.below]:
        raise ValueError(f"{name!r} holds {high}, expected numbers below {sizes[rule.below]}")


def check_offsets(name: str, offsets: NDArray[Any], environments: int) -> None:
    """Raise ValueError unless ``offsets`` (S + 1,) say where each structure of ``environments`` atoms begins."""
    check_arrays({name: offsets}, {name: whole("S + 1")})
    if len(offsets) < 2 or offsets[0] != 0 or (np.diff(offsets) < 1).any() or offsets[-1] != environments:
        raise ValueError(f"{name!r} must rise from 0 to the {environments} environments")


def check_texts(about: Any, kinds: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """``about`` (JSON-like) as a mapping whose entries are of these ``kinds``.

    Raises ValueError, naming the entry, for one that is missing or of another kind.
    """
    if not isinstance(about, dict):
        raise ValueError(f"its details are {_short(about)}, expected names with values")
    for name, kind in kinds.items():
        if name not in about:
            raise ValueError(f"its details have no {name!r}")
        value = about[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{name!r} in its details is {_short(value)}")
    return about


def check_sources(sources: Any) -> list[dict[str, Any]]:
    """``sources`` (JSON-like) as the files that a dataset was read from. Raises ValueError where they are not that."""
    if not isinstance(sources, list):
        raise ValueError(f"'sources' in its details is {_short(sources)}, expected a list of files")
    return [check_texts(source, {"path": str, "sha256": str}) for source in sources]


def check_made_of(about: Mapping[str, Any]) -> None:
    """Raise ValueError unless 'made_from' of the details, where there is one, names files by their SHA-256."""
    made_from = about.get("made_from", {})
    if not isinstance(made_from, dict) or not all(isinstance(value, str) for value in made_from.values()):
        raise ValueError(f"'made_from' in its details is {_short(made_from)}, expected names with SHA-256")


def _short(value: Any) -> str:
    found = repr(value)
    return found if len(found) <= 40 else f"{found[:37]}..."
