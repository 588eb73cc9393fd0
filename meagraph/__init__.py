"""MEAGraph: see what an atomistic dataset holds, and prune what repeats itself.

>>> import meagraph as mg
>>> data = mg.read("train.extxyz")  # or mg.from_atoms(list_of_atoms)
>>> mg.examine(data)  # what is odd in it
>>> found = mg.analyse(data)  # model, clusters, map, outliers; cached
>>> plan = mg.prune(found, keep=0.05)
>>> plan.atoms()  # list[ase.Atoms]
>>> mg.evaluate(found, plan)
>>> mg.export(found, plan, "pruned")

Names are imported when they are first used: ``import meagraph`` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meagraph.datasets import AtomicDataset, DatasetError, from_atoms
    from meagraph.datasets import read_dataset as read
    from meagraph.descriptors import DescriptorConfig
    from meagraph.duplicates import Duplicates, Leaks, find_duplicates, find_leaks
    from meagraph.errors import Cancelled, MEAGraphError
    from meagraph.evaluation.novelty import Novelty
    from meagraph.evaluation.quests import QuestsConfig
    from meagraph.exports import ExportedFiles, ExportError, verify
    from meagraph.graph.similarity import GraphConfig
    from meagraph.inspection.findings import Finding, Findings, examine
    from meagraph.inspection.selections import Selection, kept_selection, select
    from meagraph.latent.clustering import ClusteringConfig
    from meagraph.latent.projection import ProjectionConfig
    from meagraph.model.settings import TrainingConfig
    from meagraph.pipeline.analysis import Analysis, analyse
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.pipeline.planning import Evaluation, evaluate, export, novelty, prune
    from meagraph.pipeline.plotting import plot
    from meagraph.pipeline.predicting import errors_of, predict
    from meagraph.pipeline.run import Run, run
    from meagraph.pipeline.selecting import write_selections
    from meagraph.pipeline.showing import SharedPage, share
    from meagraph.pipeline.splitting import split, write_split
    from meagraph.predictions import Errors
    from meagraph.predictions.predicting import Predictions
    from meagraph.pruning.plan import PruningPlan
    from meagraph.pruning.settings import PruningConfig
    from meagraph.recipe import Recipe, Replayed, replay
    from meagraph.splits import Split, SplitConfig

__version__: str

_HOMES = {
    "meagraph.datasets": ("AtomicDataset", "DatasetError", "from_atoms"),
    "meagraph.descriptors": ("DescriptorConfig",),
    "meagraph.duplicates": ("Duplicates", "Leaks", "find_duplicates", "find_leaks"),
    "meagraph.errors": ("Cancelled", "MEAGraphError"),
    "meagraph.evaluation.novelty": ("Novelty",),
    "meagraph.evaluation.quests": ("QuestsConfig",),
    "meagraph.exports": ("ExportError", "ExportedFiles", "verify"),
    "meagraph.graph.similarity": ("GraphConfig",),
    "meagraph.inspection.findings": ("Finding", "Findings", "examine"),
    "meagraph.inspection.selections": ("Selection", "kept_selection", "select"),
    "meagraph.latent.clustering": ("ClusteringConfig",),
    "meagraph.latent.projection": ("ProjectionConfig",),
    "meagraph.model.settings": ("TrainingConfig",),
    "meagraph.pipeline.analysis": ("Analysis", "analyse"),
    "meagraph.pipeline.config": ("PipelineConfig",),
    "meagraph.pipeline.planning": ("Evaluation", "evaluate", "export", "novelty", "prune"),
    "meagraph.pipeline.plotting": ("plot",),
    "meagraph.pipeline.predicting": ("errors_of", "predict"),
    "meagraph.pipeline.run": ("Run", "run"),
    "meagraph.pipeline.selecting": ("write_selections",),
    "meagraph.pipeline.showing": ("SharedPage", "share"),
    "meagraph.pipeline.splitting": ("split", "write_split"),
    "meagraph.predictions": ("Errors",),
    "meagraph.predictions.predicting": ("Predictions",),
    "meagraph.pruning.plan": ("PruningPlan",),
    "meagraph.pruning.settings": ("PruningConfig",),
    "meagraph.recipe": ("Recipe", "Replayed", "replay"),
    "meagraph.splits": ("Split", "SplitConfig"),
}
_PLACES = {name: (module, name) for module, names in _HOMES.items() for name in names} | {
    "read": ("meagraph.datasets", "read_dataset"),
}

__all__ = [  # noqa: RUF022, in the order of use
    "read",
    "from_atoms",
    "examine",
    "find_duplicates",
    "find_leaks",
    "split",
    "write_split",
    "analyse",
    "select",
    "kept_selection",
    "write_selections",
    "predict",
    "errors_of",
    "novelty",
    "prune",
    "evaluate",
    "export",
    "verify",
    "share",
    "plot",
    "run",
    "replay",
    "AtomicDataset",
    "Finding",
    "Findings",
    "Duplicates",
    "Leaks",
    "Split",
    "Analysis",
    "Selection",
    "Predictions",
    "Errors",
    "Novelty",
    "PruningPlan",
    "Evaluation",
    "ExportedFiles",
    "SharedPage",
    "Run",
    "Recipe",
    "Replayed",
    "PipelineConfig",
    "DescriptorConfig",
    "GraphConfig",
    "TrainingConfig",
    "ClusteringConfig",
    "ProjectionConfig",
    "PruningConfig",
    "SplitConfig",
    "QuestsConfig",
    "MEAGraphError",
    "DatasetError",
    "ExportError",
    "Cancelled",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("meaviz")
    if name not in _PLACES:
        raise AttributeError(f"module 'meagraph' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
