"""Numbers for a page: in as few bytes as they need, as base64 within JSON that no HTML can break out of."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEPS = 65_534  # of a quantised number
NONE = 65_535  # stands for no number
KINDS = {kind: np.dtype(f"<{kind}") for kind in ("u1", "u2", "u4", "f4")}

Packed = dict[str, Any]
"""``type`` of KINDS and ``base64``; of quantised numbers also ``low`` and ``step``."""


def packed(values: ArrayLike, kind: str) -> Packed:
    """``values`` as they are, of a kind of KINDS, little-endian; raises ValueError for integers that do not fit."""
    given = np.asarray(values)
    dtype = KINDS[kind]
    if dtype.kind == "u" and given.size and not 0 <= int(given.min()) <= int(given.max()) <= _most(kind):
        raise ValueError(f"expected numbers from 0 to {_most(kind)}, got {given.min()} to {given.max()}")
    return {"type": kind, "base64": base64.b64encode(given.astype(dtype).tobytes()).decode()}


def counted_up(values: ArrayLike) -> Packed:
    """Integers from 0 in the smallest kind that holds them."""
    given = np.asarray(values)
    most = int(given.max()) if given.size else 0
    return packed(given, next(kind for kind in ("u1", "u2", "u4") if most <= _most(kind)))


def quantised(values: ArrayLike) -> Packed:
    """Numbers in two bytes each: off by half a step at most, of which there are 65,534 in their range; NaN stays."""
    given = np.asarray(values, dtype=np.float64)
    known = np.isfinite(given)
    low, high = (float(given[known].min()), float(given[known].max())) if known.any() else (0.0, 0.0)
    step = (high - low) / STEPS
    whole = np.full(given.shape, NONE, dtype=np.int64)
    whole[known] = np.rint((given[known] - low) / step) if step > 0 else 0
    return {**packed(whole, "u2"), "low": low, "step": step}


def unpacked(stored: Mapping[str, Any]) -> NDArray[Any]:
    """The numbers again, as the page reads them; of quantised ones those that are stored for them."""
    found = np.frombuffer(base64.b64decode(stored["base64"]), dtype=KINDS[stored["type"]])
    if "step" not in stored:
        return found
    return np.asarray(np.where(found == NONE, np.nan, stored["low"] + stored["step"] * found))


def json_in_html(content: Any) -> str:
    """``content`` as JSON that can stand inside a ``script`` element: no ``<``, ``>`` or ``&`` is left in it."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _most(kind: str) -> int:
    return int(2 ** (8 * KINDS[kind].itemsize)) - 1
