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
    from meagraph.errors import Cancelled, MEAGraphError
    from meagraph.evaluation.novelty import Novelty
    from meagraph.evaluation.quests import QuestsConfig
    from meagraph.exports import ExportedFiles, ExportError, verify
    from meagraph.graph.similarity import GraphConfig
    from meagraph.inspection.findings import Finding, Findings, examine
    from meagraph.latent.clustering import ClusteringConfig
    from meagraph.latent.projection import ProjectionConfig
    from meagraph.model.settings import TrainingConfig
    from meagraph.pipeline.analysis import Analysis, analyse
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.pipeline.planning import Evaluation, evaluate, export, novelty, prune
    from meagraph.pipeline.run import Run, run
    from meagraph.pruning.plan import PruningPlan
    from meagraph.pruning.settings import PruningConfig

__version__: str

_HOMES = {
    "meagraph.datasets": ("AtomicDataset", "DatasetError", "from_atoms"),
    "meagraph.descriptors": ("DescriptorConfig",),
    "meagraph.errors": ("Cancelled", "MEAGraphError"),
    "meagraph.evaluation.novelty": ("Novelty",),
    "meagraph.evaluation.quests": ("QuestsConfig",),
    "meagraph.exports": ("ExportError", "ExportedFiles", "verify"),
    "meagraph.graph.similarity": ("GraphConfig",),
    "meagraph.inspection.findings": ("Finding", "Findings", "examine"),
    "meagraph.latent.clustering": ("ClusteringConfig",),
    "meagraph.latent.projection": ("ProjectionConfig",),
    "meagraph.model.settings": ("TrainingConfig",),
    "meagraph.pipeline.analysis": ("Analysis", "analyse"),
    "meagraph.pipeline.config": ("PipelineConfig",),
    "meagraph.pipeline.planning": ("Evaluation", "evaluate", "export", "novelty", "prune"),
    "meagraph.pipeline.run": ("Run", "run"),
    "meagraph.pruning.plan": ("PruningPlan",),
    "meagraph.pruning.settings": ("PruningConfig",),
}
_PLACES = {name: (module, name) for module, names in _HOMES.items() for name in names} | {
    "read": ("meagraph.datasets", "read_dataset"),
}

__all__ = [  # noqa: RUF022, in the order of use
    "read",
    "from_atoms",
    "examine",
    "analyse",
    "novelty",
    "prune",
    "evaluate",
    "export",
    "verify",
    "run",
    "AtomicDataset",
    "Finding",
    "Findings",
    "Analysis",
    "Novelty",
    "PruningPlan",
    "Evaluation",
    "ExportedFiles",
    "Run",
    "PipelineConfig",
    "DescriptorConfig",
    "GraphConfig",
    "TrainingConfig",
    "ClusteringConfig",
    "ProjectionConfig",
    "PruningConfig",
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
