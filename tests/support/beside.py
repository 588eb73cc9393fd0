"""Made-up results of which a part is known already."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from meagraph.datasets import AtomicDataset
from meaviz.session import Session
from tests.support.made_up import session_of


def marked(dataset: AtomicDataset, known: np.ndarray) -> AtomicDataset:
    """The dataset with the structures ``known`` (S,) marked as such, in the same order."""
    sources = (*dataset.sources, *(replace(source, known=True) for source in dataset.sources))
    index = dataset.source_index + known * np.int32(len(dataset.sources))
    return replace(dataset, sources=sources, source_index=index)


def session_beside(n: int, atoms_each: int) -> Session:
    """Made-up results in which the first third of the structures is known, and nothing is near to the last third.

    Descriptors are the places on the map, the last third of them far away.
    """
    session = session_of(n, atoms_each)
    analysis = session.data.found
    count = analysis.dataset.n_structures
    dataset = marked(analysis.dataset, np.arange(count) < count // 3)
    survey = analysis.survey
    far = (dataset.structure_of >= 2 * count // 3)[:, None]
    learned = replace(analysis.learned, points=survey.projection.xy.astype(np.float64) + 100.0 * far)
    ranking = replace(survey.ranking, known=dataset.known_environments)
    session.set_dataset(dataset)
    session.set_descriptors(analysis.descriptors)
    session.set_learned(learned)
    session.set_survey(replace(survey, ranking=ranking))
    return session
