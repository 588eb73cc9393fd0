"""Run as a process: does all that is compiled work only with types that :func:`warm` of its stage has compiled?

Prints JSON: functions that no ``warm()`` compiles at all (``cold``), and those that the real thing compiles once more
(``again``), with the types that it did so for.
"""

from __future__ import annotations

import ast
import functools
import importlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

from meagraph.pipeline.compiled import FORCE_FIELD, LEARNING, RANKING
from tests.support import ROOT

STAGES = (*LEARNING, *FORCE_FIELD, *RANKING, "meaviz.components.map.environment_map")
DECORATORS = ("njit", "jit", "vectorize", "guvectorize", "stencil")


@dataclass(frozen=True)
class Compiled:
    """A function that numba compiles."""

    module: str
    calls: frozenset[str]  # names within it


@functools.cache
def compiled_functions() -> dict[str, Compiled]:
    """All of them that are ours, as ``module.name``; of nested ones ``module.outer.name``."""
    found: dict[str, Compiled] = {}

    def look(node: ast.AST, path: str, module: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                name = f"{path}.{child.name}"
                words = {ast.unparse(one).split("(")[0].split(".")[-1] for one in child.decorator_list}
                if words & set(DECORATORS):
                    names = frozenset(one.id for one in ast.walk(child) if isinstance(one, ast.Name))
                    found[name] = Compiled(module, names)
                look(child, name, module)
            else:
                look(child, path, module)

    for package in ("meagraph", "meaviz"):
        for file in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            text = file.read_text(encoding="utf-8")
            if any(name in text for name in DECORATORS):
                look(ast.parse(text), module, module)
    return found


def dispatchers() -> dict[str, Dispatcher]:
    """The compiled functions of modules by their names."""
    found = {}
    for name, function in compiled_functions().items():
        made = getattr(importlib.import_module(function.module), name.rpartition(".")[2], None)
        if isinstance(made, Dispatcher):
            found[name] = made
    return found


def the_real_thing() -> None:
    """From structures to a map, plans of every selector and rule, what they cost, and what a map is asked."""
    from meagraph.evaluation.against_random import evaluate
    from meagraph.evaluation.equations import prepare
    from meagraph.graph.condensation import condense
    from meagraph.graph.similarity import GraphConfig
    from meagraph.model.settings import TrainingConfig
    from meagraph.pipeline.analysis import analyse, look_along_rates
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.pipeline.planning import prune
    from meagraph.pruning.selectors import SELECTORS
    from meagraph.pruning.settings import RULES, UNITS
    from tests.support.structures import niobium_structures

    graph, training = GraphConfig(lower=0.5), TrainingConfig(epochs=2)
    config = PipelineConfig(widths=(8, 4), kernels=2, graph=graph, training=training, budget=100)
    found = analyse(niobium_structures(), config=config, cache=False)
    look_along_rates(found.learned, config, cache=False)
    condense(np.random.default_rng(0).normal(size=(3000, 6)), budget=1000)
    plans = [prune(found, selector=selector, keep=0.6) for selector in SELECTORS]
    plans += [prune(found, rule=rule, keep=0.6) for rule in RULES]
    plans += [prune(found, number=number, unit=unit) for number, unit in zip((90, 8, 90), UNITS, strict=True)]
    plans += [prune(found, fewest=fewest, until_covered=80.0) for fewest in UNITS[1:]]
    flags = np.arange(found.dataset.n_environments) == 20
    plans += [prune(found, rejected=flags), prune(found, kept=flags)]
    evaluate(prepare(found.dataset), prune(found, keep=1.0), seeds=(0,))
    look_at_the_map()


def look_at_the_map() -> None:
    """Draw points one by one and as a raster, with sizes and without, and choose among them."""
    from bokeh.plotting import figure

    from meaviz.components.map import hits, layers
    from meaviz.style.palette import LIGHT

    rng = np.random.default_rng(0)
    view = layers.View((-3.0, 3.0), (-3.0, 3.0), 40, 30)
    for n in (200, layers.SCATTER_MAX + 1):
        xy = rng.normal(size=(n, 2)).astype(np.float32)
        level = layers.levels(n, rng.random(n) < 0.1, rng.random(n) < 0.1)
        rgba, sizes = np.zeros(n, np.uint32), layers.size_classes(rng.random(n))
        layer = layers.make_layer(figure(), xy, view)
        for classes in (None, sizes):
            layer.place(xy, classes)
            layers.picture(xy, rgba, level, classes, view, LIGHT)
        hits.inside_box(xy, (0.0, 1.0), (-1.0, 1.0))
        hits.inside_lasso(xy, [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        hits.nearest(xy, (0, 0), (10, 10), 5)


def main() -> dict[str, Any]:
    """Warm, do the real thing, and say what was compiled meanwhile."""
    import torch

    torch.set_num_threads(1)
    known, functions = dispatchers(), compiled_functions()
    inner = {
        f"{one.module}.{name}" for one in functions.values() for name in one.calls
    }  # compiled with what calls them
    for module in STAGES:
        importlib.import_module(module).warm()
    before = {name: set(function.signatures) for name, function in known.items()}
    the_real_thing()
    again = {name: set(function.signatures) - before[name] for name, function in known.items()}
    return {
        "cold": [name for name, signatures in before.items() if not signatures and name not in inner],
        "again": {name: sorted(map(str, signatures)) for name, signatures in again.items() if signatures},
    }


if __name__ == "__main__":
    print(json.dumps(main()))
