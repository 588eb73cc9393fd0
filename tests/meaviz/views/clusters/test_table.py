"""What the table of clusters says, on made-up results and by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from meagraph.pipeline.phasing import evidence
from meaviz.session import Session
from meaviz.views.clusters.table import CENTRAL, EDGE, GROUPS, PICTURED, cluster_facts, pictures, plus_minus
from meaviz.views.shared.colours import colouring
from tests.support.made_up import BLOBS, session_of


@pytest.fixture(scope="module")
def session() -> Session:
    return session_of(2000, 20)


@pytest.mark.parametrize(
    ("mean", "spread", "text"),
    [
        (-11.8512, 0.1312, "-11.85 ± 0.13"),
        (1234.5, 250.0, "1234 ± 250"),
        (0.5, 0.0000123, "0.50000 ± 0.00001"),
        (2.5, 0.0, "2.5 ± 0"),
        (-3.0, 1e-15, "-3 ± 0"),
        (np.nan, np.nan, "–"),
    ],
)
def test_two_digits_of_the_spread(mean: float, spread: float, text: str) -> None:
    assert plus_minus(mean, spread) == text


def test_rows_hold_sizes_groups_and_means(session: Session) -> None:
    table = cluster_facts(session, ["force", "energy"])
    labels = session.data.survey.clusters.labels
    assert table["label"].tolist() == list(range(BLOBS))  # nothing is unclustered
    assert table["size"].tolist() == np.bincount(labels).tolist()
    assert table["size"].is_monotonic_decreasing
    first = labels == 0
    force = np.linalg.norm(session.data.dataset.forces[first], axis=1)
    assert table["Force / eV/Å"][0] == plus_minus(force.mean(), force.std())
    names, counts = np.unique(session.data.dataset.groups[session.data.dataset.structure_of][first], return_counts=True)
    told = re.findall(r"(group \d) (\d+) %", table["groups"][0])
    assert len(told) == GROUPS
    for name, share in told:
        assert float(share) == pytest.approx(100 * counts[names == name][0] / first.sum(), abs=0.5)
    assert told[0][0] == names[counts.argmax()]
    assert f"+ {len(names) - GROUPS}" in table["groups"][0]
    score = session.data.survey.outliers.score
    assert table["candidates"].tolist() == [int((score[labels == label] >= 1).sum()) for label in range(BLOBS)]


def test_names_stand_in_the_table_and_beside_the_pointer() -> None:
    session = session_of(400, 20)
    assert set(cluster_facts(session, [])["name"]) == {""}  # nothing is known that could name them
    session.data.evidence = evidence(session.data.dataset)
    session.set_survey(session.data.survey)
    table = cluster_facts(session, [])
    names = session.data.evidence.names(session.data.survey.clusters)
    assert table["name"].tolist() == list(names)
    row = int(np.flatnonzero(session.data.survey.clusters.labels == 1)[0])
    assert session.describe(row)["cluster"] == f"1 · {names[1]}"
    entries = {entry.name for entry in colouring(session.data.properties["cluster"]).entries}
    assert entries == {f"{number} · {name}" for number, name in enumerate(names)}


def test_names_of_groups_are_no_markup() -> None:
    session = session_of(400, 20)
    session.data.dataset.groups[:] = "<b>x"
    assert "&lt;b&gt;x 100 %" in cluster_facts(session, [])["groups"][0]


def test_each_cluster_has_two_pictures_of_its_members(session: Session) -> None:
    found = pictures(session)
    assert BLOBS < PICTURED
    for column in (CENTRAL, EDGE):
        assert sorted(found[column]) == list(range(BLOBS))
        for label, (row, svg) in found[column].items():
            assert session.data.survey.clusters.labels[row] == label
            assert svg.startswith("<svg")
            assert svg.count("<circle") > 1
    assert all(found[CENTRAL][label][0] != found[EDGE][label][0] for label in range(BLOBS))
