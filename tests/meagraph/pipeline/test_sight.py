"""What is told of a map while it is made: a quick one by principal components, then part by part of the survey."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.graph.condensation import scaled_rows
from meagraph.latent import projection
from meagraph.latent.projection import principal_plane
from meagraph.pipeline.analysis import look
from meagraph.pipeline.sight import Sight, continues, quick_sight, recall_quick
from tests.support.finished import Finished


def test_the_quick_map_is_that_of_a_singular_value_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(500, 7)) * np.arange(1, 8)
    xy = principal_plane(values).xy
    centred = values - values.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(vt[np.arange(2), np.abs(vt[:2]).argmax(axis=1)])
    assert np.allclose(xy, (u * s)[:, :2] * signs, atol=1e-4)
    monkeypatch.setattr(projection, "BLOCK", 64)
    assert np.allclose(principal_plane(values).xy, xy, atol=1e-4)
    monkeypatch.setattr(projection, "AXES_FROM", 250)
    some = principal_plane(values).xy  # axes of every second row: nearly the same
    assert abs(np.corrcoef(some[:, 0], xy[:, 0])[0, 1]) > 0.98


def test_one_descriptor_lies_on_a_line() -> None:
    xy = principal_plane(np.array([[1.0], [2.0], [4.0]])).xy
    assert np.allclose(xy, [[-4 / 3, 0], [-1 / 3, 0], [5 / 3, 0]])


def test_the_quick_map_is_remembered(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path))
    found = finished.analysis
    assert recall_quick(found.dataset, found.descriptors, found.config) is None
    first = quick_sight(found.dataset, found.descriptors, found.config)
    assert first.quick
    assert first.projection.xy.tolist() == principal_plane(found.descriptors.context).xy.tolist()
    again = recall_quick(found.dataset, found.descriptors, found.config)
    assert again.projection.xy.tolist() == first.projection.xy.tolist()


def test_parts_come_in_order_and_each_continues_the_one_before(finished: Finished) -> None:
    found, parts = finished.analysis, list[Sight]()
    quick = principal_plane(scaled_rows(found.descriptors.values))
    whole = look(found.dataset, found.learned, found.config, quick=quick, on_part=parts.append, cache=False)
    known = [(part.quick, part.clusters is not None, part.outliers is not None) for part in parts]
    assert known == [(True, True, False), (False, True, False), (False, True, True)]
    assert parts[0].projection is quick
    for before, after in zip(parts, [*parts[1:], whole], strict=True):
        assert continues(before, after)
    assert not continues(whole, parts[0])
    assert (parts[1].projection, parts[1].clusters) == (whole.projection, whole.clusters)
    other = replace(whole, clusters=replace(whole.clusters, labels=whole.clusters.labels + 1))
    assert not continues(parts[0], other)


def test_without_a_quick_map_the_learned_one_comes_first(finished: Finished) -> None:
    found, parts = finished.analysis, list[Sight]()
    look(found.dataset, found.learned, found.config, on_part=parts.append, cache=False)
    assert [part.quick for part in parts] == [False, False]
