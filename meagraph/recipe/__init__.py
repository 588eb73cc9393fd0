"""Recipes: what led to a pruned dataset, as a readable file that is done again without anybody watching."""

from __future__ import annotations

from meagraph.recipe.parts import BY_JUDGEMENTS, BY_PLAN, File, Judged, Predicted, Report
from meagraph.recipe.recipe import Recipe
from meagraph.recipe.replaying import Replayed, read_recipe, replay

__all__ = [
    "BY_JUDGEMENTS",
    "BY_PLAN",
    "File",
    "Judged",
    "Predicted",
    "Recipe",
    "Replayed",
    "Report",
    "read_recipe",
    "replay",
]
