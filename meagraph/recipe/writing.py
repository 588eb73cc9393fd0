"""A recipe as YAML: an entry a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from textwrap import indent
from typing import Any

import yaml

from meagraph.recipe.parts import OF_THE_PLAN, RECIPE_VERSION, File, Judged, Predicted, Report, ranges
from meagraph.recipe.settings import written

HEAD = """# What led to a pruned dataset, in order; what is not written is as usual.
# Done again by: meagraph replay recipe.yaml --out DIR
"""
BREAKS = frozenset("\x85\u2028\u2029")  # YAML's own writer loses them in quotes, unless it spells all by numbers


def to_yaml(recipe: Any) -> str:
    """A :class:`meagraph.recipe.Recipe` as text; equal recipes give equal texts."""
    model = {} if recipe.model is None else {**_file(recipe.model), "fine_tune": recipe.fine_tune}
    drop = {} if recipe.drop_duplicates is None else {"drop": recipe.drop_duplicates, "distance": recipe.distance}
    hangs_on = {name: getattr(recipe, name) for name, usual in OF_THE_PLAN.items() if getattr(recipe, name) != usual}
    content: dict[str, Any] = {
        "recipe": RECIPE_VERSION,
        "made_with": recipe.made_with,
        "dataset": _filled({"name": recipe.name, "fingerprint": recipe.fingerprint}),
        "data": [_file(one) for one in recipe.data],
        "opened": list(recipe.opened),
        "known": [_file(one) for one in recipe.known],
        "known_opened": list(recipe.known_opened),
        "reading": dict(recipe.reading),
        "others": [_file(one) for one in recipe.others],
        "analysis": written(recipe.analysis),
        "model": model,
        "duplicates": drop,
        "predictions": _predictions(recipe.predictions),
        "judgements": recipe.judgements,
        "plan": {**written(recipe.plan), **hangs_on},
        "report": _report(recipe.report),
        "formats": list(recipe.formats),
        "weights": recipe.weights or "",
        "parts": dict(recipe.parts),
    }
    return HEAD + "".join(_entry(name, value) for name, value in content.items() if value not in ("", [], (), {}))


def _entry(name: str, value: Any) -> str:
    """A key with all below it, each setting or entry of a list on a line of its own."""
    if name == "judgements":
        return f"{name}:\n" + "".join(map(_judgement, value))
    if not isinstance(value, Mapping):
        return _line(name, value)
    return f"{name}:\n" + "".join(indent(_line(key, one), "  ") for key, one in value.items())


def _line(name: str, value: Any) -> str:
    """A key and its value; of lists in lists and the like the innermost stand on one line."""
    flow = None if isinstance(value, list | Mapping) else False
    plain = not BREAKS.intersection(json.dumps([name, value], ensure_ascii=False))
    found = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=plain, default_flow_style=flow, width=2**31)
    return str(found)


def _filled(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in value.items() if one not in ("", (), {})}


def _file(one: File) -> dict[str, Any]:
    return {"path": one.path, **_filled({"sha256": one.sha256})}


def _predictions(given: Predicted | None) -> dict[str, Any]:
    if given is None:
        return {}
    files = [_file(one) for one in given.files]
    return {**_filled({"family": given.family}), **({"files": files} if files else {}), **_reading(given.reading)}


def _reading(reading: Mapping[str, Any]) -> dict[str, Any]:
    return {"reading": dict(reading)} if reading else {}


def _judgement(one: Judged) -> str:
    """A judgement as a line; there may be ten thousands, for which YAML's own writer takes long."""
    atoms = json.dumps(ranges(one.atoms)) if len(one.atoms) > 1 else one.atoms[0]
    said = (("by", one.by), ("reason", one.reason), ("note", one.note), ("key", one.key))
    texts = (f", {name}: {_quoted(value)}" for name, value in said if value)
    return f"- {{verdict: {one.verdict}, structure: {one.structure}, atoms: {atoms}{''.join(texts)}}}\n"


def _quoted(value: str) -> str:
    """A text in double quotes: what JSON writes is YAML, once what cannot be printed is spelt by its number."""
    letters = json.dumps(value, ensure_ascii=False)
    if letters.isprintable():
        return letters
    numbers = ((letter, ord(letter)) for letter in letters)
    spelt = (one if one.isprintable() else f"\\u{n:04x}" if n < 0x10000 else f"\\U{n:08x}" for one, n in numbers)
    return "".join(spelt)


def _report(given: Report) -> dict[str, Any]:
    found: dict[str, Any] = {"measures": True} if given.measures else {}
    if given.cost is not None:
        found["cost"] = given.cost
    if given.curves:
        found["curves"] = list(given.curves)
    if given.quests is not None:
        found["quests"] = written(given.quests)
    return found
