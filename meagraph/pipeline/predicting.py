"""Predictions of a model beside the labels of data, or of an analysis of it."""

from __future__ import annotations

from typing import Any

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.pipeline.analysis import Analysis, Data, as_dataset
from meagraph.predictions import Errors, compare_labels, predicted_by_family, predicted_by_file
from meagraph.progress import Progress, part, silent


def errors_of(
    data: Data | Analysis,
    *,
    family: str | None = None,
    other: Data | None = None,
    progress: Progress = silent,
    **reading: Any,
) -> Errors:
    """How far predicted labels are from those of ``data``; of an analysis, by its clusters as well.

    They are those that the frames carry under the names of a ``family`` (``"MACE_"`` of MACE_energy and MACE_forces),
    or the labels of the same structures in ``other`` data, in whatever order. ``reading`` are options of
    :func:`meagraph.datasets.read_dataset` for both. Raises MEAGraphError for bad input and where nothing fits.
    """
    if (family is None) == (other is None):
        raise MEAGraphError("Expected either a family of names or other data as predictions. Give one of them.")
    found = data if isinstance(data, Analysis) else None
    if isinstance(data, Analysis):
        dataset = data.dataset
    else:
        dataset = as_dataset(data, progress=part(progress, 0.0, 0.3), **reading)
    if family is not None:
        predicted = predicted_by_family(dataset, family)
    else:
        assert other is not None
        if not isinstance(other, AtomicDataset):  # predictions may lack what labels must have
            other = as_dataset(other, progress=part(progress, 0.3, 0.6), **{**reading, "allow_unlabelled": True})
        predicted = predicted_by_file(dataset, other, progress=part(progress, 0.6, 1.0))
    if found is None:
        return compare_labels(dataset, predicted)
    return compare_labels(dataset, predicted, clusters=found.survey.clusters.labels, cluster_names=found.cluster_names)
