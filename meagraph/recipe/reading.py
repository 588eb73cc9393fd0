"""A recipe from YAML, read with nothing but safe types; what is wrong is named by line and key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from meagraph.duplicates import KINDS
from meagraph.duplicates.thresholds import NEAR
from meagraph.errors import MEAGraphError
from meagraph.evaluation.quests import QuestsConfig
from meagraph.exports.formats import FORMATS
from meagraph.exports.weights import SCHEMES
from meagraph.pipeline.config import PipelineConfig
from meagraph.pruning.selectors import SELECTORS
from meagraph.pruning.settings import PruningConfig
from meagraph.recipe.parts import (
    OF_THE_PLAN,
    RECIPE_VERSION,
    VERDICTS,
    File,
    Judged,
    Predicted,
    Report,
    numbers_of,
    usual_reading,
)
from meagraph.recipe.settings import Where, Wrong, items, mapping, number, settings_of, text, yes_or_no

LARGEST = 64 * 2**20  # characters of a recipe
DEEPEST = 50  # parts within parts
MOST_ATOMS = 1_000_000  # of a structure: ranges of them are written out
MOST_DRAWS = 10_000  # random selections that a plan stands beside
KEYS = (
    *("recipe", "made_with", "dataset", "data", "opened", "known", "known_opened", "reading", "others", "analysis"),
    *("model", "duplicates", "predictions", "judgements", "plan", "report", "formats", "weights", "parts"),
)


def fields_in(content: str, path: str) -> dict[str, Any]:
    """The fields of the :class:`meagraph.recipe.Recipe` in ``content``, which messages call ``path``.

    Raises MEAGraphError.
    """
    if len(content) > LARGEST:
        raise MEAGraphError(
            f"{path}: expected a recipe of at most {LARGEST:,} characters, but it has {len(content):,}."
        )
    try:
        given, lines = _parsed(content, path)
    except (
        yaml.YAMLError,
        RecursionError,
        ValueError,
        AttributeError,
        LookupError,
        TypeError,
        ArithmeticError,
    ) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        cause = getattr(error, "problem", None) or f"it nests too deep or holds what is none ({type(error).__name__})"
        raise MEAGraphError(
            f"{path}{where}: expected YAML, but {cause}. Mend the line, or write the recipe anew."
        ) from error
    try:
        return _fields(given)
    except Wrong as wrong:
        raise _explained(wrong, lines, path) from wrong


def _fields(given: object) -> dict[str, Any]:
    content = mapping(given, (), None)
    version = number(content.get("recipe"), ("recipe",), whole=True) if "recipe" in content else None
    if version is None or not 1 <= version <= RECIPE_VERSION:
        known = "1" if RECIPE_VERSION == 1 else f"1 to {RECIPE_VERSION}"
        newer = version is not None and version > RECIPE_VERSION
        remedy = " (it was written by a newer version: update MEAViz)" if newer else ""
        raise Wrong(("recipe",), f"the version of a recipe, {known}{remedy}", content.get("recipe"))
    mapping(content, (), KEYS)
    dataset = _part(content, "dataset", ("name", "fingerprint"))
    plan = dict(_part(content, "plan"))
    hangs_on = {name: yes_or_no(plan.pop(name, usual), ("plan", name)) for name, usual in OF_THE_PLAN.items()}
    drop = _part(content, "duplicates", ("drop", "distance"))
    kind = None if not drop else _choice(drop.get("drop"), ("duplicates", "drop"), tuple(KINDS))
    model = _part(content, "model", ("path", "sha256", "fine_tune"))
    return {
        "data": _files_of(content, "data"),
        **{name: text(one, ("dataset", name)) for name, one in dataset.items()},
        "opened": _texts(content, "opened"),
        "known": _files_of(content, "known"),
        "known_opened": _texts(content, "known_opened"),
        "reading": _reading_of(content.get("reading", {}), ("reading",)),
        "others": _files_of(content, "others"),
        "analysis": settings_of(PipelineConfig, content.get("analysis", {}), ("analysis",)),
        "model": _file_of({name: model[name] for name in model if name != "fine_tune"}, ("model",)) if model else None,
        "fine_tune": yes_or_no(model.get("fine_tune", False), ("model", "fine_tune")),
        "drop_duplicates": kind,
        "distance": number(drop.get("distance", NEAR), ("duplicates", "distance")),
        "predictions": _predictions_of(content["predictions"]) if "predictions" in content else None,
        "judgements": tuple(items(content.get("judgements", []), ("judgements",), _judged)),
        **hangs_on,
        "plan": settings_of(PruningConfig, plan, ("plan",)),
        "report": _report_of(_part(content, "report", ("measures", "cost", "curves", "quests"))),
        "formats": tuple(
            items(content.get("formats", []), ("formats",), lambda one, place: _choice(one, place, tuple(FORMATS)))
        ),
        "weights": _choice(content["weights"], ("weights",), tuple(SCHEMES)) if "weights" in content else None,
        "parts": {text(key, ("parts", key)): text(one, ("parts", key)) for key, one in _part(content, "parts").items()},
        "made_with": text(content.get("made_with", ""), ("made_with",)),
    }


def _part(content: Mapping[str, Any], name: str, keys: tuple[str, ...] | None = None) -> dict[Any, Any]:
    return mapping(content.get(name, {}), (name,), keys)


def _choice(value: object, where: Where, names: tuple[str, ...]) -> str:
    if value not in names:
        raise Wrong(where, f"one of {', '.join(names)}", value)
    return str(value)


def _texts(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(items(content.get(name, []), (name,), text))


def _files_of(content: Mapping[str, Any], name: str) -> tuple[File, ...]:
    return tuple(items(content.get(name, []), (name,), _file_of))


def _file_of(given: object, where: Where) -> File:
    found = {name: text(one, (*where, name)) for name, one in mapping(given, where, ("path", "sha256")).items()}
    if "path" not in found:
        raise Wrong(where, "the path of a file", given)
    digest = found.get("sha256", "")
    if digest and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
        raise Wrong((*where, "sha256"), "a SHA-256, 64 figures from 0 to f", digest)
    return File(**found)


def _reading_of(given: object, where: Where) -> dict[str, Any]:
    usual = usual_reading()
    found: dict[str, Any] = {}
    for name, value in mapping(given, where, tuple(usual)).items():
        place = (*where, name)
        if isinstance(usual[name], bool):
            found[name] = yes_or_no(value, place)
        elif isinstance(usual[name], int):
            found[name] = number(value, place, whole=True)
        else:
            found[name] = items(value, place, text) if isinstance(value, list) else text(value, place)
    return found


def _predictions_of(given: object) -> Predicted:
    where: Where = ("predictions",)
    content = mapping(given, where, ("family", "files", "reading"))
    files = tuple(items(content.get("files", []), (*where, "files"), _file_of))
    family = text(content.get("family", ""), (*where, "family"))
    if bool(files) == bool(family):
        raise Wrong(where, "either a family of names or files", given)
    return Predicted(family, files, _reading_of(content.get("reading", {}), (*where, "reading")))


def _judged(given: object, where: Where) -> Judged:
    content = mapping(given, where, ("verdict", "structure", "atoms", "by", "reason", "note", "key"))
    for name in ("verdict", "structure", "atoms", "key"):
        if name not in content:
            raise Wrong(where, f"a judgement with its {name}", given)
    place = (*where, "atoms")
    atoms = (content["atoms"],) if isinstance(content["atoms"], int) else _atoms(content["atoms"], place)
    structure = number(content["structure"], (*where, "structure"), whole=True)
    if min(structure, *atoms) < 0:
        raise Wrong(where, "numbers of a structure and its atoms from 0", min(structure, *atoms))
    said = {name: text(content[name], (*where, name)) for name in ("by", "reason", "note", "key") if name in content}
    return Judged(
        verdict=_choice(content["verdict"], (*where, "verdict"), VERDICTS),
        structure=structure,
        atoms=tuple(atoms),
        **said,
    )


def _atoms(value: object, where: Where) -> tuple[int, ...]:
    try:
        atoms = numbers_of(text(value, where), MOST_ATOMS)
    except MEAGraphError as error:
        raise Wrong(where, "atoms such as 0-15 20", value) from error
    if not atoms:
        raise Wrong(where, "atoms such as 0-15 20", value)
    return atoms


def _report_of(content: dict[Any, Any]) -> Report:
    where: Where = ("report",)
    cost = content.get("cost")
    return Report(
        measures=yes_or_no(content.get("measures", False), (*where, "measures")),
        cost=None if cost is None else _draws(cost, (*where, "cost")),
        curves=tuple(
            items(
                content.get("curves", []), (*where, "curves"), lambda one, place: _choice(one, place, tuple(SELECTORS))
            )
        ),
        quests=settings_of(QuestsConfig, content["quests"], (*where, "quests")) if "quests" in content else None,
    )


def _draws(value: object, where: Where) -> int:
    found: int = number(value, where, whole=True)
    if not 1 <= found <= MOST_DRAWS:
        raise Wrong(where, f"1 to {MOST_DRAWS:,} random selections", found)
    return found


def _explained(wrong: Wrong, lines: Mapping[Where, int], path: str) -> MEAGraphError:
    place = wrong.where
    while place and place not in lines:
        place = place[:-1]
    line = f", line {lines[place]}" if place in lines else ""
    key = "".join(
        f"[{one}]" if isinstance(one, int) and number_ else f".{one}" for number_, one in enumerate(wrong.where)
    )
    key = key.removeprefix(".")
    return MEAGraphError(
        f"{path}{line}{f', {key}' if key else ''}: expected {wrong.expected}, but came {wrong.came}. Mend the line, or "
        "write the recipe anew."
    )


def _parsed(content: str, path: str) -> tuple[Any, dict[Where, int]]:
    """What YAML makes of ``content`` with safe types alone, and the lines of :func:`_lines`."""
    kinds = dict.fromkeys((getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader))
    for last, kind in enumerate(kinds, 1):  # the fast one refuses names of files that are no text
        loader = kind(content)
        try:
            _check_depth(content, kind, path)
            node = loader.get_single_node()
            lines = _lines(node, path)
            return (None if node is None else loader.construct_document(node)), lines
        except yaml.YAMLError:
            if last == len(kinds):
                raise
        finally:
            loader.dispose()
    raise AssertionError


def _check_depth(content: str, kind: Any, path: str) -> None:
    """Refuse parts within parts without end: what makes nodes of them in C has no bound, and ends the process."""
    depth = 0
    for event in yaml.parse(content, Loader=kind):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise MEAGraphError(
                f"{path}, line {event.start_mark.line + 1}: expected parts within parts at most {DEEPEST} deep, but "
                "there are more. Mend the line, or write the recipe anew."
            )


def _lines(node: Any, path: str) -> dict[Where, int]:
    """The line, from 1, of every key and entry of a list; a key that stands twice and an alias are refused."""
    found: dict[Where, int] = {}
    seen: set[int] = set()

    def walk(node: Any, where: Where) -> None:
        if node is None:
            return
        line = node.start_mark.line + 1
        found.setdefault(where, line)
        if isinstance(node, yaml.ScalarNode):
            return
        if id(node) in seen:
            raise MEAGraphError(
                f"{path}, line {line}: expected no aliases, but came one. Write out what it stands for."
            )
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for place, one in enumerate(node.value):
                walk(one, (*where, place))
            return
        keys: set[str] = set()
        for key, one in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in keys:
                raise MEAGraphError(
                    f"{path}, line {key.start_mark.line + 1}, {name}: expected each key once, but it stands there "
                    "twice. Leave one out."
                )
            keys.add(name)
            below = (*where, int(name) if name.lstrip("-").isdecimal() else name)
            found[below] = key.start_mark.line + 1
            walk(one, below)

    walk(node, ())
    return found
