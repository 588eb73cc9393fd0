"""The comment line of an extended XYZ frame: its entries as text, and what their text means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from meagraph.files import from_json

QUOTED = r'"(?:[^"\\]|\\.)*"'
CLOSED = (
    r"'(?:[^'\\]|\\.)*'(?!\S)",
    r"\{[^{}]*\}(?!\S)",
    r"\[(?:[^\[\]]|\[(?:[^\[\]]|\[[^\[\]]*\])*\])*\](?!\S)",
)
OPENING = "\"'{["
VALUE = "|".join((QUOTED, *CLOSED, rf"[^\s{re.escape(OPENING)}]\S*"))
ENTRY = re.compile(
    rf"""\s*(?P<key>{QUOTED}|[^\s="][^\s=]*)             # a word, which may hold quotes but not open with one
    (?:\s*=(?:(?P<near>{VALUE})|\s+(?![^\s{re.escape(OPENING)}]\S*=)(?P<far>{VALUE})|(?P<empty>)))?""",
    re.VERBOSE,
)
UNESCAPED = re.compile(r"\\(.)")
SEPARATED = re.compile(r"[^\s,\[\]]+")
TRUTH = {text: truth for truth in (True, False) for text in (str(truth), str(truth).lower(), str(truth).upper())}
TRUTH |= {"T": True, "F": False}
FULL_MATRICES = frozenset({"stress", "virial"})
AS_TEXT = frozenset({"uid"})


class CommentError(ValueError):
    """A comment line that cannot be split into entries; the message says where and why."""


def entries(line: str) -> dict[str, str | None]:
    """The entries of a comment line, ``key=value``, in their order; None is the value of a word that has none.

    Values may stand in double or single quotes, braces or brackets, which must close; a quote within a word is a
    character like others. Of an entry that stands twice the last counts. Raises CommentError for what never closes.
    """
    found: dict[str, str | None] = {}
    position, line = 0, line.rstrip()
    while position < len(line):
        match = ENTRY.match(line, position)
        if match is None or (match["empty"] is not None and line[match.end() :].lstrip()[:1] in tuple(OPENING)):
            begin = position if match is None else match.end()
            came = line[begin:].strip()
            raise CommentError(f"{came[:1]} opens a text that never closes: {came[:60]}")
        key = match["key"]
        value = match["near"] if match["near"] is not None else match["far"]
        if match["empty"] is not None:
            value = ""
        found[_bare(key) if key.startswith('"') else key] = None if value is None else _bare(value)
        position = match.end()
    return found


def _bare(text: str) -> str:
    """Text without what encloses it, and without the backslashes that protect characters."""
    if text[:1] in tuple(OPENING) and len(text) > 1:
        text = text[1:-1]
    return UNESCAPED.sub(r"\1", text) if "\\" in text else text


def meaning(key: str, text: str | None) -> Any:
    """What an entry stands for: number, array, truth values, JSON or text, as ASE's reader has it.

    A word without a value is True. Stress and virial of nine numbers are (3, 3), in the order of the file.
    """
    if text is None:
        return True
    if key.lower() in AS_TEXT:
        return text
    if (first := text[:1]).isalpha() or first == "_":
        if text.startswith("_JSON "):
            return _json(text[6:])
        if text[0] not in "TtFfNnIi":  # none of T, true, F, false, nan, inf
            return text
    parts = SEPARATED.findall(text)
    numbers = _numbers(parts)
    if numbers is not None:
        return numbers.reshape(3, 3, order="F") if key in FULL_MATRICES and np.size(numbers) == 9 else numbers
    if parts and all(part in TRUTH for part in parts):
        return TRUTH[parts[0]] if len(parts) == 1 else [TRUTH[part] for part in parts]
    return text


def _numbers(parts: list[str]) -> Any:
    """One int or float, or an array of several; None where one of the parts is no number."""
    for kind in (int, float):
        try:
            values = [kind(part) for part in parts]
            if len(values) == 1:
                return values[0] if abs(values[0]) < 2**63 or kind is float else float(values[0])
            return np.array(values, dtype=kind) if values else None
        except (ValueError, OverflowError):
            continue
    return None


def _json(text: str) -> Any:
    try:
        value = from_json(text)
    except ValueError:
        return text
    try:
        array = np.array(value)
    except ValueError:  # lists of different lengths
        return value
    return array if array.dtype.kind in "ifb" else value


def numbers_of(text: str) -> list[float] | None:
    """All numbers of a text, brackets and commas left out; None where it holds something else."""
    try:
        return [float(part) for part in SEPARATED.findall(text)]
    except ValueError:
        return None


def key_of(found: Mapping[str, str | None], *names: str) -> list[str]:
    """The keys that are one of ``names`` whatever their case."""
    return [key for key in found if key.lower() in names]
