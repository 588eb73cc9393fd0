"""Phases are found once and then read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import meagraph as mg
from meagraph.inspection.phases import PHASES, find_phases
from meagraph.pipeline import phasing
from meagraph.pipeline.phasing import evidence, phases


def test_phases_are_remembered(niobium: mg.AtomicDataset, own_cache: object, monkeypatch: pytest.MonkeyPatch) -> None:
    first = phases(niobium)
    expected = find_phases(niobium)
    monkeypatch.setattr(phasing, "find_phases", None)  # would fail if it were called
    for found in (first, phases(niobium), evidence(niobium).phases):
        for name, values in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), values)


def test_names_and_phases_of_an_analysis(niobium: mg.AtomicDataset, ready_run: Callable[..., mg.Run]) -> None:
    run = ready_run(niobium)
    groups = niobium.groups[niobium.structure_of]
    phase = run.properties["phase"]
    assert phase.names == PHASES
    assert set(phase.column[groups == "fcc"]) == {"fcc"}
    names = run.cluster_names
    assert len(set(names)) == len(names) == run.survey.clusters.n_clusters
    cluster = run.properties["cluster"]
    assert cluster.names == tuple(str(number) for number in range(len(names)))
    assert cluster.titles == tuple(f"{number} · {name}" for number, name in enumerate(names))
    assert run.properties["cluster_name"].names == names


def test_searches_find_phases_and_clusters_by_name(niobium: mg.AtomicDataset, ready_run: Callable[..., mg.Run]) -> None:
    run = ready_run(niobium)
    known, labels = run.properties, run.survey.clusters.labels
    for label, name in enumerate(run.cluster_names):
        if name not in niobium.groups:  # of equal names the group goes first
            np.testing.assert_array_equal(known.find(name), labels == label)
        np.testing.assert_array_equal(known.find(f'cluster_name == "{name}"'), labels == label)
    unresolved = known.find("unresolved")
    np.testing.assert_array_equal(unresolved, known["phase"].values == 0)
    np.testing.assert_array_equal(known.find('phase == "unresolved"'), unresolved)
