"""Predictions of a model: made, and beside the labels of data, or of an analysis of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.cache import place, read_cached
from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.evaluation.error_by_novelty import ErrorByNovelty, error_by_novelty
from meagraph.files import read_arrays, write_arrays
from meagraph.outliers import Outliers, joined, prediction_signals
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.data import Data, as_dataset
from meagraph.predictions import Errors, Predicted, compare_labels, predicted_by_family, predicted_by_file
from meagraph.predictions.models import Model, load_model, model_of
from meagraph.predictions.predicting import Chunk, Predictions, check_species, chunks_of, predict_chunk
from meagraph.progress import Progress, part, silent

PREDICTED_VERSION = 1  # of the chunks that the cache keeps


def predict(
    data: Data | Analysis,
    calculator: Any,
    *,
    model: str | Path | None = None,
    device: str = "cpu",
    dtype: str | None = None,
    prefix: str | None = None,
    cache: bool = True,
    progress: Progress = silent,
    **reading: Any,
) -> Predictions:
    """What a model says of all structures: energies, forces, stresses.

    ``calculator`` is a name (see :func:`meagraph.predictions.models.load_model`, which has ``model``, ``device`` and
    ``dtype``) or a calculator of ASE. With ``cache`` each chunk of structures is kept as soon as it is done, under
    their content and the model: what was stopped goes on where it was. Of a calculator of others nothing is kept, for
    nobody knows what its labels hang on. Structures on which it fails are named in the result and have no labels.

    Raises MEAGraphError for what cannot be loaded or read, for elements that the model does not know, and where it
    fails on every structure.
    """
    if isinstance(data, Analysis):
        dataset = data.dataset
    else:
        reading = reading if isinstance(data, AtomicDataset) else {"allow_unlabelled": True, **reading}
        dataset = as_dataset(data, progress=part(progress, 0.0, 0.05), **reading)
    if isinstance(calculator, str):
        found = load_model(calculator, model=model, device=device, dtype=dtype)
        found = found if prefix is None else replace(found, prefix=prefix)
    else:
        found = model_of(calculator, prefix=prefix or f"{type(calculator).__name__}_")
    return labels_of(dataset, found, cache=cache, progress=part(progress, 0.05, 1.0))


def labels_of(dataset: AtomicDataset, model: Model, *, cache: bool = True, progress: Progress = silent) -> Predictions:
    """What ``model`` says of a dataset, as :func:`predict`."""
    check_species(dataset, model)
    chunks: list[Chunk] = []
    failed: list[tuple[int, str]] = []
    for rows in chunks_of(dataset):
        progress(rows.start, dataset.n_structures, f"{rows.start:,} of {dataset.n_structures:,} structures")
        chunk, causes = _chunk(dataset, model, rows, cache=cache)
        chunks.append(chunk)
        failed += [(rows.start + row, why) for row, why in sorted(causes.items())]
    count = dataset.n_structures
    if len(failed) == count:
        raise MEAGraphError(
            f"{dataset.locate(0)}: the model {model.name} failed here and on all others: {failed[0][1]}. "
            "Check that it fits this data."
        )
    progress(count, count, f"{count:,} structures predicted")
    predicted = Predicted(
        model.prefix,
        np.concatenate([one.energy for one in chunks]),
        np.concatenate([one.forces for one in chunks]),
        np.concatenate([one.stress for one in chunks]),
        f"{count - len(failed):,} of {count:,} structures by {model.name}",
    )
    return Predictions(dataset, model, predicted, tuple(failed))


def _chunk(dataset: AtomicDataset, model: Model, rows: slice, *, cache: bool) -> tuple[Chunk, dict[int, str]]:
    """Labels of some structures, from the cache as far as they are there; what failed is tried again."""
    if not cache or model.identity is None:
        return predict_chunk(model, dataset.structures[rows])
    depends = {
        "version": PREDICTED_VERSION,
        "model": {"name": model.name, **model.identity},
        "structures": dataset.structure_keys[rows],
    }
    path = place("predictions", depends)
    known = read_cached(path, lambda file: Chunk(**read_arrays(file)))
    if known is not None and known.done.all():
        return known, {}
    chunk, failed = predict_chunk(model, dataset.structures[rows], known)
    write_arrays(path, vars(chunk))
    return chunk, failed


def suspect(analysis: Analysis, errors: Errors) -> Outliers:
    """The outliers of ``analysis`` with signals of the ``errors`` of a model: what it gets wrong beside its neighbours.

    A label that is wrong stands out so; a large error where all errors are large, or where data is thin, does not.
    """
    if errors.dataset.fingerprint != analysis.dataset.fingerprint:
        raise MEAGraphError(
            f"Expected errors on {analysis.dataset.name!r}, but they are on {errors.dataset.name!r}, whose structures "
            "or labels differ. Compare the predictions with this analysis."
        )
    signals = prediction_signals(analysis.learned.points, analysis.dataset, errors.energy, errors.force)
    return joined(analysis.survey.outliers, signals)


def thin_regions(analysis: Analysis, errors: Errors) -> ErrorByNovelty:
    """Whether the ``errors`` are where the data is thin.

    That is the novelty of what is new beside known data; without known data, how far the nearest environments are.
    """
    novelty = analysis.novelty
    if novelty is not None:
        return error_by_novelty(errors.of_environments, np.where(novelty.new, novelty.value, np.nan))
    (isolation,) = (one for one in analysis.survey.outliers.signals if one.name == "isolation")
    return error_by_novelty(errors.of_environments, isolation.value)


def errors_of(
    data: Data | Analysis,
    *,
    family: str | None = None,
    other: Data | Predictions | None = None,
    progress: Progress = silent,
    **reading: Any,
) -> Errors:
    """How far predicted labels are from those of ``data``; of an analysis, by its clusters as well.

    They are those that the frames carry under the names of a ``family`` (``"MACE_"`` of MACE_energy and MACE_forces),
    or the labels of the same structures in ``other`` data, in whatever order, or what :func:`predict` found for them.
    What is known already counts for nothing. ``reading`` are options of :func:`meagraph.datasets.read_dataset` for
    both. Raises MEAGraphError for bad input and
    where nothing fits.
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
    elif isinstance(other, Predictions):
        predicted = other.predicted
    else:
        assert other is not None
        if not isinstance(other, AtomicDataset):  # predictions may lack what labels must have
            other = as_dataset(other, progress=part(progress, 0.3, 0.6), **{**reading, "allow_unlabelled": True})
        predicted = predicted_by_file(dataset, other, progress=part(progress, 0.6, 1.0))
    if dataset.known.any():  # what is known already is no test
        predicted = replace(
            predicted,
            energy=np.where(dataset.known, np.nan, predicted.energy),
            forces=np.where(dataset.known_environments[:, None], np.nan, predicted.forces),
            stress=np.where(dataset.known[:, None, None], np.nan, predicted.stress),
        )
    if found is None:
        return compare_labels(dataset, predicted)
    return compare_labels(dataset, predicted, clusters=found.survey.clusters.labels, cluster_names=found.cluster_names)
