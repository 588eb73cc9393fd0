"""Conditions on named columns, as users type them: ``fmax > 5 and group == "liquid"``.

The text is parsed by Python's own grammar and then walked; nothing of it is evaluated as code. Allowed are names of
columns, numbers, texts, comparisons (also chained, ``in`` and ``not in`` a list), ``and``, ``or``, ``not``,
arithmetic, and the functions of FUNCTIONS.
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError

LONGEST = 2000  # characters
DEEPEST = 100  # parts within parts
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "log": np.log,
    "log10": np.log10,
    "exp": np.exp,
    "isnan": np.isnan,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class ExpressionError(MEAGraphError):
    """A condition that cannot be understood; the message says where and what would be."""


def names_in(text: str) -> set[str]:
    """The columns that the condition ``text`` names. Raises ExpressionError where it is no condition."""
    return {node.id for node in ast.walk(_parse(text)) if isinstance(node, ast.Name)} - set(FUNCTIONS)


def evaluate(text: str, columns: Mapping[str, NDArray[Any]], size: int) -> NDArray[np.bool_]:
    """The rows (``size``,) that meet the condition ``text``.

    ``columns`` holds (N,) arrays by name, numbers or texts; only those that the text names are looked up. NaN meets no
    comparison. Raises ExpressionError, naming the part that is not understood.
    """
    with np.errstate(all="ignore"):
        found = np.asarray(_value(_parse(text), columns))
    if found.dtype != np.bool_:
        raise ExpressionError(f"{text!r} is no condition. Compare it with something, for example {text.strip()} > 0.")
    return np.broadcast_to(found, (size,)).copy()


def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ExpressionError(f"The condition has {len(text)} characters; at most {LONGEST} are read.")
    try:
        parsed = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ExpressionError(
            f'{text.strip()!r} is not understood ({what}). Write a condition such as fmax > 5 and group == "liquid".'
        ) from error
    if _deeper(parsed, DEEPEST):
        raise ExpressionError(
            f"The condition has parts within parts more than {DEEPEST} deep. Divide it, and combine the selections."
        )
    return parsed


def _deeper(node: ast.expr, depth: int) -> bool:
    """Whether parts lie more than ``depth`` deep within others."""
    level: list[ast.AST] = [node]
    for _ in range(depth):
        level = [child for one in level for child in ast.iter_child_nodes(one)]
        if not level:
            return False
    return True


def _value(node: ast.expr, columns: Mapping[str, NDArray[Any]]) -> Any:
    match node:
        case ast.Name(id=name):
            return _column(name, columns)
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return _bounded(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(_value(operand, columns), operand)
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return ~_condition(_value(operand, columns), operand)
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr() as op, left=left, right=right):
            parts = [_condition(_value(part, columns), part) for part in (left, right)]
            return parts[0] & parts[1] if isinstance(op, ast.BitAnd) else parts[0] | parts[1]
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](
                _number(_value(left, columns), left, power=isinstance(op, ast.Pow)),
                _number(_value(right, columns), right, power=isinstance(op, ast.Pow)),
            )
        case ast.BoolOp(op=op, values=values):
            conditions = [_condition(_value(part, columns), part) for part in values]
            return reduce(np.logical_and if isinstance(op, ast.And) else np.logical_or, conditions)
        case ast.Compare(left=left, ops=ops, comparators=others):
            pairs = zip(ops, [left, *others[:-1]], others, strict=True)
            return reduce(np.logical_and, [_compare(how, first, second, columns) for how, first, second in pairs])
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](_number(_value(argument, columns), argument))
        case _:
            raise ExpressionError(f"{ast.unparse(node)!r} is not allowed in a condition.")


def _bounded(value: bool | int | float | str) -> bool | int | float | str:
    """A value as arrays hold it: whole numbers beyond 64 bits are those of floating point, or infinite."""
    if type(value) is not int or value < 2**63:  # a minus sign stands before it
        return value
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _compare(op: ast.cmpop, left: ast.expr, right: ast.expr, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    first = _value(left, columns)
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(right, ast.List | ast.Tuple | ast.Set):
            raise ExpressionError(f"After 'in' comes a list, for example [1, 2]; got {ast.unparse(right)!r}.")
        found = np.zeros(np.shape(first), dtype=np.bool_)
        for item in right.elts:
            found = found | _equal(ast.Eq(), first, _value(item, columns), left, item)
        return ~found if isinstance(op, ast.NotIn) else found
    if type(op) not in _COMPARISONS:
        raise ExpressionError(
            f"The comparison in {ast.unparse(left)!r} is not allowed; use ==, !=, <, <=, >, >= or in."
        )
    return _equal(op, first, _value(right, columns), left, right)


def _equal(op: ast.cmpop, first: Any, second: Any, left: ast.expr, right: ast.expr) -> NDArray[np.bool_]:
    """Compare two values of the same kind: both texts, or both numbers."""
    if _is_text(first) != _is_text(second):
        text, number = (left, right) if _is_text(first) else (right, left)
        raise ExpressionError(
            f"{ast.unparse(text)} is text and {ast.unparse(number)} is a number; they cannot be compared. "
            'Put texts in quotes: group == "liquid".'
        )
    return np.asarray(_COMPARISONS[type(op)](np.asarray(first), np.asarray(second)))


def _column(name: str, columns: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    if name not in columns:
        near = difflib.get_close_matches(name, list(columns), n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else f" There are: {', '.join(columns)}."
        raise ExpressionError(f"There is no property {name!r}.{hint} Put texts in quotes.")
    return columns[name]


def _is_text(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "US"


def _number(value: Any, node: ast.expr, *, power: bool = False) -> Any:
    if _is_text(value):
        raise ExpressionError(f"{ast.unparse(node)} is text; arithmetic needs a number.")
    if np.ndim(value) == 0:  # as floats: numbers of Python grow without limit
        return np.float64(value)
    return np.asarray(value, dtype=np.float64) if power or np.asarray(value).dtype == np.bool_ else value


def _condition(value: Any, node: ast.expr) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.asarray(value)
    if found.dtype != np.bool_:
        raise ExpressionError(f"{ast.unparse(node)} is no condition; 'and', 'or' and 'not' join conditions.")
    return found
