"""Settings to what YAML can hold and back: only what is not as usual is written, and whatever is wrong has a name."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from meagraph.errors import MEAGraphError

T = TypeVar("T")
Where = tuple[str | int, ...]
"""The way to a value: the keys and the places in lists that lead there."""
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")  # YAML takes 1e-3 for a text


class Wrong(Exception):
    """A value is none that can stand ``where`` it does: what was ``expected``, what ``came``."""

    def __init__(self, where: Where, expected: str, came: object, *, says: bool = False) -> None:
        super().__init__(expected)
        self.where, self.expected, self.came = where, expected, str(came) if says else shown(came)


def shown(value: object) -> str:
    """What came, in a few words, whatever its size."""
    if isinstance(value, Mapping):
        return f"a mapping of {len(value):,} keys"
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def written(settings: Any, usual: Any = None) -> dict[str, Any]:
    """The fields of a dataclass that differ from the ``usual`` ones, nested as they are."""
    usual = type(settings)() if usual is None else usual
    found: dict[str, Any] = {}
    for one in dataclasses.fields(settings):
        value, other = getattr(settings, one.name), getattr(usual, one.name)
        if value == other:
            continue
        if dataclasses.is_dataclass(value):
            value = written(value, other)
        elif one.name == "fractions":  # of clusters, set by hand
            value = dict(value)
        elif isinstance(value, tuple):
            value = list(value)
        found[one.name] = value
    return found


def settings_of(kind: type[T], given: object, where: Where) -> T:
    """The settings of a dataclass with what is ``given`` in place of the usual. Raises Wrong."""
    fields = mapping(given, where, tuple(one.name for one in dataclasses.fields(kind)))  # type: ignore[arg-type]
    types_of = get_type_hints(kind)
    read = {name: of_type(types_of[name], value, (*where, name)) for name, value in fields.items()}
    try:
        return kind(**read)
    except MEAGraphError as error:
        raise Wrong(where, "settings that go together", str(error).rstrip("."), says=True) from error


def of_type(kind: Any, value: object, where: Where) -> Any:
    """``value`` as a field of type ``kind`` has it. Raises Wrong."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if types.NoneType in inner and value is None:
            return None
        if any(get_origin(one) is Mapping or one is Mapping for one in inner):
            return _fractions(value, where)
        return of_type(next(one for one in inner if one is not types.NoneType), value, where)
    if dataclasses.is_dataclass(kind):
        return settings_of(kind, value, where)  # type: ignore[arg-type]
    if origin is tuple:
        return tuple(items(value, where, lambda one, place: of_type(inner[0], one, place)))
    return PLAIN[kind](value, where)


def _fractions(value: object, where: Where) -> dict[int, float]:
    given = mapping(value, where)
    return {number(label, (*where, label), whole=True): number(one, (*where, label)) for label, one in given.items()}


def number(value: object, where: Where, *, whole: bool = False) -> Any:
    """A number. Raises Wrong."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong(where, "a whole number" if whole else "a number", value)
    if not whole:
        return float(value)
    if value != value or value in (float("inf"), float("-inf")) or int(value) != value:
        raise Wrong(where, "a whole number", value)
    return int(value)


def text(value: object, where: Where) -> str:
    """A text. Raises Wrong."""
    if not isinstance(value, str):
        raise Wrong(where, "a text", value)
    return value


def yes_or_no(value: object, where: Where) -> bool:
    """True or false. Raises Wrong."""
    if not isinstance(value, bool):
        raise Wrong(where, "true or false", value)
    return value


def mapping(value: object, where: Where, names: tuple[str, ...] | None = None) -> dict[Any, Any]:
    """A mapping, whose keys are among ``names``. Raises Wrong."""
    if not isinstance(value, dict):
        raise Wrong(where, "a mapping of keys to values", value)
    for key in value if names is not None else ():
        if key not in (names or ()):
            raise Wrong((*where, key), f"a key among {', '.join(names or ())}", key)
    return value


def items(value: object, where: Where, read: Callable[[Any, Where], T]) -> list[T]:
    """A list, each of whose entries is ``read``. Raises Wrong."""
    if not isinstance(value, list):
        raise Wrong(where, "a list", value)
    return [read(one, (*where, place)) for place, one in enumerate(value)]


PLAIN: dict[Any, Callable[[object, Where], Any]] = {
    int: lambda value, where: number(value, where, whole=True),
    float: number,
    str: text,
    bool: yes_or_no,
}
