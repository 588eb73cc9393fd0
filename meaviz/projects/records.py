"""Results and settings as JSON text and arrays, and back: frozen dataclasses of known kinds, field by field.

Nothing is pickled, and nothing is made but the kinds of :data:`meaviz.projects.kinds.KINDS`; each field must be of the
type that its class declares, arrays included, and each class checks itself once more when it is made.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import KINDS as KINDS_OF_DESCRIPTORS
from meagraph.descriptors import DescriptorConfig
from meagraph.files import array_from_text, text_of_array
from meagraph.graph.condensation import ScaledRows
from meagraph.outliers.handed import Handed, handed
from meagraph.step_files.content import check_arrays, whole
from meaviz.projects.kinds import APART, KINDS

MADE = "class"  # which no field can be called
SMALL = 512  # bytes; smaller arrays lie in the text itself
PLAIN = "biufU"  # kinds of arrays: truth values, numbers, text
ODD = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # what JSON has no numbers for


class Encoder:
    """Values to what JSON can hold; arrays go to ``put``, shared results to ``put_apart``, which name them.

    ``known`` are objects that the reader will have already, by name.
    """

    def __init__(
        self,
        put: Callable[[NDArray[Any] | bytes], str],
        put_apart: Callable[[Any], str],
        known: Mapping[str, Any],
    ) -> None:
        self._put, self._put_apart = put, put_apart
        self._known = {id(value): name for name, value in known.items() if value is not None}
        self._objects = known

    def text(self, value: Any, *, inside: bool = False) -> Any:
        """``value`` for JSON. Raises TypeError for what a project cannot hold."""
        if id(value) in self._known:
            return {"known": self._known[id(value)]}
        for name, one in self._objects.items():
            if alike(value, one):
                return {"known": name}
        match value:
            case None | bool() | str():
                return value
            case np.ndarray() if not value.size and value.dtype.kind in PLAIN:
                return {"empty": [value.dtype.str, list(value.shape)]}
            case np.ndarray():
                return {"small": text_of_array(value)} if value.nbytes <= SMALL else {"array": self._put(value)}
            case Handed():
                return {"handed": [self.text(value.each), self.text(value.of)]}
            case np.generic():
                return self.text(value.item())
            case int():
                return value
            case float():
                return value if math.isfinite(value) else {"number": repr(value)}
            case tuple():
                return [self.text(one, inside=True) for one in value]
            case list():
                return {"list": [self.text(one, inside=True) for one in value]}
            case bytes():
                if len(value) <= SMALL:
                    return {"bytes": {"small": text_of_array(np.frombuffer(value, np.uint8))}}
                return {"bytes": {"array": self._put(value)}}
            case Mapping():
                return {"mapping": [[self.text(key), self.text(one, inside=True)] for key, one in value.items()]}
        if type(value) in APART and inside:
            return {"record": self._put_apart(value)}
        name = type(value).__name__
        if not is_dataclass(value) or KINDS.get(name) is not type(value):
            raise TypeError(f"a project cannot hold {type(value).__qualname__}")
        return {MADE: name, **{one.name: self.text(getattr(value, one.name), inside=True) for one in fields(value)}}


def alike(value: Any, other: Any) -> bool:
    """Whether these are the same data, or the same descriptors, read twice."""
    if isinstance(value, AtomicDataset) and isinstance(other, AtomicDataset):
        return value.fingerprint == other.fingerprint
    if isinstance(value, ScaledRows) and isinstance(other, ScaledRows):
        return value.shape == other.shape and np.array_equal(value.norms, other.norms)
    return False


class Decoder:
    """The inverse of :class:`Encoder`. Raises ValueError, KeyError or TypeError for what it never wrote.

    Settings that name a file outside of ``within`` name one of that name in it: nothing else may be opened.
    """

    def __init__(
        self,
        get: Callable[[str], NDArray[Any]],
        get_apart: Callable[[str], Any],
        known: Mapping[str, Any],
        within: Path | None = None,
    ) -> None:
        self._get, self._get_apart, self._known, self._within = get, get_apart, known, within

    def value(self, text: Any) -> Any:
        """What ``text`` stands for."""
        if text is None or isinstance(text, bool | int | float | str):
            return text
        if isinstance(text, list):
            return tuple(self.value(one) for one in text)
        if MADE in text:
            return self._made(text)
        if len(text) != 1:
            raise ValueError(f"expected one entry, came {sorted(text)[:4]}")
        ((form, content),) = text.items()
        if form == "known":
            return self._known[content]
        if form == "small":
            return array_from_text(content, _plain(content["type"])).copy()  # which can be written
        if form == "empty":
            dtype, shape = content
            if 0 not in shape:
                raise ValueError(f"an array of shape {shape} without values")
            return np.empty([int(size) for size in shape], _plain(dtype))
        if form == "array":
            return self._get(content)
        if form == "record":
            return self._get_apart(content)
        if form == "number":
            return ODD[content]
        if form == "list":
            return [self.value(one) for one in content]
        if form == "handed":
            each, of = map(self.value, content)
            check_arrays({"of": of}, {"of": whole("N", below="K")}, {"K": len(each)})
            return handed(each, of)
        if form == "bytes":
            return self.value(content).astype(np.uint8, casting="safe").tobytes()
        if form == "mapping":
            return {self.value(key): self.value(one) for key, one in content}
        raise ValueError(f"there is no form {form!r}")

    def _made(self, text: Mapping[str, Any]) -> Any:
        kind = KINDS[text[MADE]]
        hints = _hints(kind)
        unknown = text.keys() - hints.keys() - {MADE}
        if unknown:
            raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
        given = {}
        for one in fields(kind):
            if one.name not in text:
                if one.default is MISSING and one.default_factory is MISSING:
                    raise ValueError(f"{kind.__name__} without {one.name!r}")
                continue
            value = self.value(text[one.name])
            if not fits(value, hints[one.name]):
                raise ValueError(f"{one.name!r} of {kind.__name__} is {type(value).__name__}, not {hints[one.name]}")
            given[one.name] = value
        found = kind(**given)
        return _held(found, self._within) if isinstance(found, DescriptorConfig) and self._within is not None else found


def _held(settings: DescriptorConfig, within: Path) -> DescriptorConfig:
    """The same with a file of ``within`` in place of one outside of it."""
    of_file = KINDS_OF_DESCRIPTORS[settings.method].source.startswith("the path")
    if not of_file or Path(settings.source).resolve().is_relative_to(within.resolve()):
        return settings
    return replace(settings, source=str(within / (Path(settings.source).name or "none")))


def _plain(name: str) -> np.dtype[Any]:
    """A type of numbers, truth values or text. Raises ValueError for any other."""
    found = np.dtype(name)
    if found.kind not in PLAIN:
        raise ValueError(f"an array of {found}")
    return found


@cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of a class's fields; those that only type checkers import are whatever comes."""
    try:
        return typing.get_type_hints(kind)
    except NameError:
        return {one.name: Any for one in fields(kind)}


def fits(value: Any, hint: Any) -> bool:
    """Whether ``value`` is of the type ``hint``, as far as a project writes such; whole numbers serve for any."""
    if hint is Any or hint is object:
        return True
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if hint is None or hint is type(None):
        return value is None
    if origin is np.ndarray or hint is np.ndarray:
        return isinstance(value, np.ndarray | Handed) and (not inner or _of_type(value.dtype, inner[1]))
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if inner[-1] is Ellipsis:
            return all(fits(one, inner[0]) for one in value)
        return len(value) == len(inner) and all(map(fits, value, inner))
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(fits(k, inner[0]) and fits(v, inner[1]) for k, v in value.items())
    if origin is not None:
        return isinstance(value, origin)
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _of_type(dtype: np.dtype[Any], hint: Any) -> bool:
    """Whether an array of ``dtype`` holds what ``np.dtype[hint]`` says."""
    wanted = get_args(hint)
    return not wanted or not isinstance(wanted[0], type) or np.issubdtype(dtype, wanted[0])
