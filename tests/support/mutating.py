"""Small faults put into functions one at a time, which a good test notices."""

from __future__ import annotations

import ast
import copy
import gc
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NoReturn

SWAPPED: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
RENAMED = {
    one: other
    for pair in (("min", "max"), ("any", "all"), ("floor", "ceil"), ("zeros", "ones"), ("argmin", "argmax"))
    for one, other in (pair, pair[::-1])
}


@dataclass(frozen=True)
class Mutant:
    """The ``number``-th fault of the file ``path``."""

    path: str
    number: int
    line: int
    function: str  # the outermost around it, by its qualified name
    begins: int  # the line where that begins, decorators included
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} #{self.number} in {self.function}: {self.before}  ->  {self.after}"


@dataclass(frozen=True)
class _Site:
    parent: Any
    field: str
    index: int | None
    made: Any
    line: int
    function: str
    begins: int

    @property
    def there(self) -> Any:
        value = getattr(self.parent, self.field)
        return value if self.index is None else value[self.index]

    def put(self) -> None:
        if self.index is None:
            setattr(self.parent, self.field, self.made)
        else:
            getattr(self.parent, self.field)[self.index] = self.made


def mutants(path: Path, root: Path) -> list[Mutant]:
    """Every fault of a file of Python, in its order; only what stands in functions, no text and no annotation."""
    sites = _sites(ast.parse(path.read_text(encoding="utf-8")))
    return [
        Mutant(
            path.relative_to(root).as_posix(),
            number,
            site.line,
            site.function,
            site.begins,
            _short(site.there),
            _short(site.made),
        )
        for number, site in enumerate(sites)
    ]


def functions_of(root: Path) -> list[FunctionType]:
    """All functions that this process knows and that were made from files under ``root``."""
    gc.unfreeze()  # what is frozen is not listed
    found = [
        one
        for one in gc.get_objects()
        if type(one) is FunctionType and Path(one.__code__.co_filename).is_relative_to(root)
    ]
    gc.freeze()
    return found


def put_in(mutant: Mutant, root: Path, known: Sequence[FunctionType] | None = None) -> int:
    """Let this process run the faulty function wherever it is known already; return how many there were.

    ``known`` are the functions among which it is: looking for them touches all objects, of which a copy of a process
    then has copies of its own.
    """
    path = root / mutant.path
    tree = ast.parse(path.read_text(encoding="utf-8"))
    list(_sites(tree))[mutant.number].put()
    made = [
        code
        for code in _codes(compile(ast.fix_missing_locations(tree), str(path), "exec"))
        if (code.co_qualname, code.co_firstlineno) == (mutant.function, mutant.begins)
    ]
    count = 0
    for one in functions_of(root) if known is None else known:
        code = one.__code__
        here = (code.co_qualname, code.co_firstlineno) == (mutant.function, mutant.begins)
        if here and Path(code.co_filename) == path:
            one.__code__ = made[0]
            count += 1
    return count


def leave(status: int) -> NoReturn:
    """End a copy of the process at once: what else would be done at an end is for the first one to do."""
    os._exit(status)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


def _short(node: Any) -> str:
    text = ast.unparse(node) if isinstance(node, ast.AST) else repr(node)
    return " ".join(text.split())[:90] or type(node).__name__


def _sites(tree: ast.Module) -> Iterator[_Site]:
    yield from _within(tree, "", None)


def _within(node: Any, place: str, function: tuple[str, int] | None) -> Iterator[_Site]:
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "args", "format_spec", "type_comment"} and isinstance(
            node, ast.FunctionDef | ast.ClassDef | ast.AnnAssign | ast.Lambda | ast.FormattedValue | ast.arg
        ):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST):
                continue
            inner = function
            here = place
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                here = f"{place}.{child.name}" if place else child.name
                if isinstance(child, ast.FunctionDef) and function is None:
                    inner = (here, min([child.lineno, *(one.lineno for one in child.decorator_list)]))
            if function is not None:
                line = getattr(child, "lineno", getattr(node, "lineno", 0))
                for made in _changed(child, node):
                    yield _Site(node, field, index, made, line, *function)
            yield from _within(child, here, inner)


def _changed(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of ``node``."""
    match node:
        case ast.operator() | ast.cmpop() | ast.boolop():
            yield from (other() for other in SWAPPED.get(type(node), ()))
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield ast.copy_location(ast.Constant(not value), node)
        case ast.Constant(value=int() | float() as value):
            yield ast.copy_location(ast.Constant(value + 1), node)
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare | ast.UnaryOp):
            other = copy.copy(node)
            other.test = ast.copy_location(ast.UnaryOp(ast.Not(), test), test)  # type: ignore[attr-defined]
            yield other
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.copy_location(ast.Return(ast.copy_location(ast.Constant(None), node)), node)
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Continue():
            yield ast.copy_location(ast.Pass(), node)
        case ast.Name(id=name) if name in RENAMED and isinstance(parent, ast.Call) and parent.func is node:
            yield ast.copy_location(ast.Name(RENAMED[name], ast.Load()), node)
        case ast.Attribute(attr=name) if name in RENAMED and isinstance(parent, ast.Call) and parent.func is node:
            yield ast.copy_location(ast.Attribute(node.value, RENAMED[name], ast.Load()), node)
