"""What the sessions of one server hold in common: of datasets and results of equal content there is one.

It is kept by the sessions that show it and goes with the last of them. Nothing of it is changed once it is made, and
nothing of it belongs to a user: selections, judgements and plans are the session's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meagraph.cache import content_key
from meagraph.datasets import AtomicDataset
from meagraph.datasets.storage import stored_sha256
from meagraph.descriptors import Descriptors
from meagraph.evaluation.equations import Prepared, prepare
from meagraph.inspection.naming import Evidence
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.opening import open_with_known
from meagraph.pipeline.phasing import evidence, phases
from meagraph.pipeline.sight import Sight
from meagraph.pipeline.survey import Survey
from meagraph.progress import Progress, silent
from meagraph.workers import Workers
from meaviz.common import shared

PARTS = ("recalled descriptors", "recalled model", "recalled survey")


def open_dataset(paths: Sequence[str | Path], *, progress: Progress = silent, **reading: Any) -> AtomicDataset:
    """The dataset that :func:`meagraph.pipeline.opening.open_with_known` reads; what is open already is not read again.

    It is the same while every byte of its files is, and the options ``reading`` are. Frames that cannot be used are set
    aside, unless the options say otherwise. Raises what that does.
    """
    reading = {"on_error": "quarantine", **reading}
    request = ("read", tuple(map(str, paths)), repr(sorted(reading.items())))
    known: AtomicDataset | None = shared().find(request)
    if known is not None and _unchanged(known):
        progress(1, 1, "open already")
        return known
    dataset = open_with_known([str(path) for path in paths], progress=progress, **reading)
    sources = tuple((source.path, source.sha256) for source in dataset.sources)
    dataset = shared().one(("dataset", dataset.fingerprint, sources), dataset)
    shared().put(request, dataset)
    return dataset


def _unchanged(dataset: AtomicDataset) -> bool:
    """Its files are there and hold what was read."""
    return all(stored_sha256(one.path, one.format) == one.sha256 for one in dataset.sources)


def known_analysis(dataset: AtomicDataset, config: PipelineConfig) -> Analysis | None:
    """What :func:`remember_analysis` was told of this dataset, while sessions show all of it; else None."""
    found = [shared().find((part, dataset.fingerprint, config)) for part in PARTS]
    return None if any(part is None for part in found) else Analysis(dataset, *found)


def remember_analysis(config: PipelineConfig, found: Analysis) -> None:
    """The next session that asks for what the cache knows of this dataset by ``config`` need not read it again."""
    for part, one in zip(PARTS, (found.descriptors, found.learned, found.survey), strict=True):
        shared().put((part, found.dataset.fingerprint, config), one)


def one_analysis(found: Analysis) -> Analysis:
    """The one analysis of this content."""
    dataset, learned = found.dataset, one_model(found.learned)
    return Analysis(
        dataset, one_description(dataset, found.descriptors), learned, one_survey(dataset, learned, found.survey)
    )


def one_description(dataset: AtomicDataset, found: Descriptors) -> Descriptors:
    """The one set of descriptors of these structures and settings."""
    made_from = content_key({"structures": dataset.structure_keys, "identity": found.identity})
    return shared().one(("descriptors", made_from, found.config), found)


def one_quick(dataset: AtomicDataset, descriptors: Descriptors, found: Sight) -> Sight:
    """The one quick map of these descriptors."""
    made_from = content_key({"structures": dataset.structure_keys, "identity": descriptors.identity})
    return shared().one(("quick", made_from, found.config), found)


def one_model(found: Learned) -> Learned:
    """The one model of this training that came in this way."""
    return shared().one(("model", found.key, found.source, found.config), found)


def one_evidence(dataset: AtomicDataset, workers: Workers, progress: Progress = silent) -> Evidence:
    """The phases of these structures, found by ``workers`` unless known, and what else their clusters are named by."""
    key = ("evidence", dataset.fingerprint)
    known: Evidence | None = shared().find(key)
    if known is None:
        phases(dataset, workers=workers, progress=progress)
        known = shared().one(key, evidence(dataset))
    return known


def one_survey(dataset: AtomicDataset, learned: Learned, found: Survey) -> Survey:
    """The one survey of these structures and labels by this model with these settings."""
    return shared().one(("survey", dataset.fingerprint, learned.key, found.config), found)


def one_set_of_equations(dataset: AtomicDataset, seed: int, progress: Progress = silent) -> Prepared:
    """The equations of the quick force field, with the structures that ``seed`` holds out. Raises what making does."""
    key = ("equations", dataset.fingerprint, seed)
    known: Prepared | None = shared().find(key)
    return known or shared().one(key, prepare(dataset, seed=seed, progress=progress))
